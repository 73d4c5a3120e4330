# Rscript fold_changes.R GOLDDIR   -- fold changes of edgeR from fits that have converged
suppressMessages(library(edgeR)); dir <- commandArgs(TRUE)[1]
for (tag in c("batch", "paired")) {
  f <- function(part) file.path(dir, paste0(tag, part))
  y <- as.matrix(read.csv(f("_counts.csv"), row.names = 1)); X <- as.matrix(read.csv(f("_modelmatrix.csv")))
  d <- DGEList(y); d <- calcNormFactors(d[filterByExpr(d, X), , keep.lib.sizes = FALSE])
  o <- addPriorCount(d$counts, offset = getOffset(d), prior.count = 0.125)
  trend <- read.csv(f("_edger_filt_plain.csv"))$trended
  fit <- mglmLevenberg(o$y, X, dispersion = trend, offset = o$offset, tol = 1e-13, maxit = 1000)
  write.csv(data.frame(fc = fit$coefficients[, ncol(X)] / log(2)), f("_edger_fold_changes.csv"), row.names = FALSE)
}
