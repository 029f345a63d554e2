# A cheap formula of a variable of pairs against a plain sum of the same matrix, both axes, on one
# thread and two: memory bandwidth is the limit.  Share: the time of the plain sum (limit/
# bandwidth.c) divided by genred's; the programs take turns.

run_mij <- function(cases, family) {
  on.exit(genred_threads(1))
  table <- print_table(c(axis = -6, type = -8, M = 7, N = 7, threads = 9, `GB/s` = 7, `share %` = 9))
  table$head()
  M <- cases$M[1L]
  N <- cases$N[1L]
  data <- list(x = matrix(runif(M * N), M), y = runif(N), b = 0)
  rows <- lapply(seq_len(nrow(cases)), function(k) {
    r <- as.list(cases[k, ])
    op <- Genred("c * b", c("c = Mij(1)", "b = Vj(1)"), axis = r$axis, dtype = r$dtype)
    do.call(rbind, lapply(1:2, function(threads) {
      genred_threads(threads)
      time <- function() system.time(op(data$x, data$y, backend = "CPU"))[["elapsed"]]
      time()
      times <- alternate(list(time, bandwidth(data, threads)), repeats, budget)
      seconds <- apply(times, 2L, median)
      table$line(r$axis, r$dtype, size(M), size(N), threads, number(8e-9 * M * N / seconds[1L]),
                 number(100 * seconds[2L] / seconds[1L]))
      r$what <- paste0("mij_", r$axis)
      rbind(result_row(r, "genred", 1e9 * seconds[1L] / (M * N), 1e9 * min(times[, 1L]) / (M * N), threads = threads),
            result_row(r, "bandwidth", 1e9 * seconds[2L] / (M * N), 1e9 * min(times[, 2L]) / (M * N), threads = threads))
    }))
  })
  do.call(rbind, rows)
}
