# Adapter to edgeR: arguments are a folder with counts.bin (genes by samples, doubles, by column),
# design.bin (samples by columns, by column), and sizes.txt; writes p.bin and times.txt there.
suppressPackageStartupMessages(library(edgeR))
folder <- commandArgs(trailingOnly = TRUE)[1]
size <- scan(file.path(folder, "sizes.txt"), quiet = TRUE)
read <- function(name, rows, columns) {
  values <- readBin(file.path(folder, name), "double", rows * columns)
  matrix(values, rows, columns)
}
counts <- read("counts.bin", size[1], size[2])
design <- read("design.bin", size[2], size[3])
clock <- function() sum(proc.time()[1:2])
one <- function() {
  start <- clock()
  y <- DGEList(counts)
  y <- y[filterByExpr(y, design), , keep.lib.sizes = FALSE]
  y <- calcNormFactors(y)
  normalised <- clock()
  y <- estimateDisp(y, design)
  dispersed <- clock()
  test <- glmQLFTest(glmQLFit(y, design), coef = ncol(design))
  done <- clock()
  list(p = test$table$PValue, change = test$table$logFC,
       seconds = c(normalised - start, dispersed - normalised, done - dispersed, done - start))
}
runs <- lapply(seq_len(size[4]), function(k) one())
writeBin(c(runs[[1]]$p, runs[[1]]$change), file.path(folder, "p.bin"))
least <- Reduce(pmin, lapply(runs, function(r) r$seconds))
writeLines(c(as.character(packageVersion("edgeR")), format(least)), file.path(folder, "times.txt"))
