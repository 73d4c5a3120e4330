# Rscript call_lme4.R FOLDER: Poisson counts of cells with donor intercepts, adaptive quadrature.
suppressMessages(library(lme4))
folder <- commandArgs(TRUE)[1]
cells <- read.csv(file.path(folder, "cells.csv"))
used <- system.time(
  fit <- glmer(y ~ factor(batch) + g + (1 | donor) + offset(log(total)), cells, poisson, nAGQ = 10)
)
cat(
  as.character(packageVersion("lme4")), used[["user.self"]] + used[["sys.self"]],
  format(fixef(fit)[["g"]], digits = 17),
  file = file.path(folder, "fit.txt")
)
