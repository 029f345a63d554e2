# Block-sparse calls beside the dense one, on two threads: M x M points in contiguous blocks, of
# which one in twenty meets each block of rows.  The time of a kept pair, and the share of the
# dense time.

kept_blocks <- function(n, block) {
  rows <- cluster_ranges((seq_len(n) - 1) %/% block)
  k <- nrow(rows)
  from_matrix(rows, rows, outer(13 * seq_len(k), 7 * seq_len(k), "+") %% 20 == 0)
}

run_ranges <- function(cases, family) {
  on.exit(genred_threads(1))
  genred_threads(2)
  table <- print_table(c(case_columns, block = 6, `kept %` = 7, `ns/pair` = 8, `dense %` = 8))
  table$head()
  rows <- lapply(split(cases, cases$dtype), function(same) {
    r <- as.list(same[1L, ])
    data <- new_data(r)
    op <- operator_of(r)
    args <- c(unname(values_of(r, data)), backend = "CPU")
    ranges <- c(list(NULL), lapply(same$block, kept_blocks, n = r$M))
    timers <- lapply(ranges, function(x) function() system.time(do.call(op, c(args,
        list(ranges = x))))[["elapsed"]])
    times <- alternate(timers, repeats, budget)
    seconds <- apply(times, 2L, median)
    counting <- Genred("1", c("x = Vi(1)", "y = Vj(1)"), axis = "ij", dtype = "float64")
    do.call(rbind, lapply(seq_along(same$block), function(k) {
      pairs <- c(counting(numeric(r$M), numeric(r$M), ranges = ranges[[k + 1L]]))
      ns <- 1e9 * seconds[k + 1L] / pairs
      table$line(case_cells(r), same$block[k], number(100 * pairs / r$M^2), number(ns),
                 number(100 * seconds[k + 1L] / seconds[1L]))
      result_row(r, paste0("blocks_", same$block[k]), ns, 1e9 * min(times[, k + 1L]) / pairs,
                 threads = 2)
    }))
  })
  do.call(rbind, rows)
}
