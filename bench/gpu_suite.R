# Runs those R tests whose results do not depend on the backend with "GPU" as the default backend.
#   Rscript bench/gpu_suite.R tests/testthat
library(genred)
files <- c("test-genred.R", "test-operations.R", "test-reductions.R", "test-cases.R", "test-grad.R")
folder <- commandArgs(TRUE)[1L]
results <- lapply(files, function(file) as.data.frame(testthat::test_file(file.path(folder, file), reporter = "silent", package = "genred")))
results <- do.call(rbind, results)
bad <- results[results$failed > 0 | results$error, c("file", "test")]
if (nrow(bad)) print(bad, row.names = FALSE)
cat(sprintf("%d passed, %d failed, %d skipped\n", sum(results$passed), sum(results$failed) + sum(results$error), sum(results$skipped)))
quit(status = if (nrow(bad)) 1L else 0L)
