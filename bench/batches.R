# Many small problems in one call, on two threads, beside one problem with as many pairs: square,
# and with the rows of all elements against the columns of one.  The time of a pair, and the ratios.

# The data of an element, `elements` times, as arrays whose last dimension is the batch
batched <- function(r) {
  uniform <- function(n, d) array(runif(n * d * r$elements), c(n, d, r$elements))
  scale <- sqrt(6 / r$D)
  list(x = uniform(r$M, r$D) * scale, y = uniform(r$N, r$D) * scale, b = uniform(r$N, r$E), g = 1)
}

run_batches <- function(cases, family) {
  on.exit(genred_threads(1))
  genred_threads(2)
  table <- print_table(c(case_columns, batch = 7, `ns/pair` = 8, `/ square` = 9, `/ long` = 8))
  table$head()
  rows <- lapply(seq_len(nrow(cases)), function(k) {
    r <- as.list(cases[k, ])
    pairs <- r$M * r$N * r$elements
    side <- round(sqrt(pairs))
    square <- modifyList(r, list(M = side, N = side))
    long <- modifyList(r, list(M = r$M * r$elements))
    op <- operator_of(r)
    data <- list(batched(r), new_data(square), new_data(long))
    calls <- max(1, round(2e7 / pairs))
    timers <- lapply(data, function(d) {
      args <- c(unname(values_of(r, d)), backend = "CPU")
      do.call(op, args)
      function() system.time(for (i in seq_len(calls)) do.call(op, args))[["elapsed"]] / calls
    })
    times <- 1e9 * alternate(timers, 2 * repeats, budget) / pairs
    ns <- apply(times, 2L, median)
    table$line(case_cells(r), r$elements, number(ns[1L]), number(ns[1L] / ns[2L]),
               number(ns[1L] / ns[3L]))
    do.call(rbind, Map(function(name, k) result_row(r, name, ns[k], min(times[, k]), threads = 2),
                       paste0(c("batch_", "square_", "long_"), r$elements), 1:3))
  })
  do.call(rbind, rows)
}
