# Block-sparse calls beside the dense one and beside PyKeOps with the same data and ranges, on two
# threads: M x M points in contiguous blocks, of which one in twenty meets each block of rows.
# The time of a kept pair, the share of the dense time, and PyKeOps' time divided by genred's.

keep_blocks <- function(k, l) outer(13 * k, 7 * l, "+") %% 20 == 0
block_of <- function(i, block) (i - 1) %/% block + 1

kept_blocks <- function(n, block) {
  rows <- cluster_ranges(block_of(seq_len(n), block))
  k <- seq_len(nrow(rows))
  from_matrix(rows, rows, keep_blocks(k, k))
}

kept_pairs <- function(n, ranges) {
  counting <- Genred("1", c("x = Vi(1)", "y = Vj(1)"), axis = "ij", dtype = "float64")
  c(counting(numeric(n), numeric(n), ranges = ranges))
}

# What error_of() needs for rows i: at an infinite distance, the Gaussian of a pair that is left out
# is 0.
kept_rows <- function(r, data, i) {
  p <- rows_of(data, i)
  p$s[!keep_blocks(block_of(i, r$block), block_of(seq_len(r$N), r$block))] <- Inf
  p
}

# The dense call and each side with the ranges take turns.  rows: one per side; kept: the share of
# the pairs; share: of the dense time, genred's
measure_ranges <- function(r, data, shown) {
  dense <- side_genred(r, data)
  data$ranges <- kept_blocks(r$M, r$block)
  ready <- lapply(setNames(shown, shown), prepare, r, data, peers)
  running <- ready[vapply(ready, is.list, NA)]
  timers <- c(list(dense = dense$time), lapply(running, `[[`, "time"))
  times <- alternate(timers, repeats, budget)
  pairs <- kept_pairs(r$M, data$ranges)
  i <- sort(sample(r$M, 50))
  p <- kept_rows(r, data, i)
  label <- c(list(what = paste0("blocks_", r$block)), r[c("family", "dtype", "M", "N", "D", "E")])
  rows <- lapply(shown, function(name) {
    row <- function(value, ...) result_row(label, name, value, threads = r$threads, ...)
    if (!is.list(ready[[name]])) return(row(NA, state = ready[[name]]))
    if (anyNA(times[, name])) return(row(NA, state = "failed"))
    ns <- 1e9 * times[, name] / pairs
    row(median(ns), min(ns), error = error_of(r, running[[name]]$result, i, p))
  })
  list(rows = do.call(rbind, rows), kept = pairs / r$M^2,
       share = median(times[, "genred"]) / median(times[, "dense"]))
}

ranges_table <- function(shown) {
  others <- setdiff(shown, "genred")
  columns <- function(names) {
    setNames(rep(9, length(names)), vapply(sides[names], `[[`, "", "title"))
  }
  widths <- c(case_columns, block = 6, `kept %` = 7, genred = 9, `dense %` = 8, columns(others),
              columns(shown))
  groups <- rep("", length(widths))
  at <- length(case_columns) + 3
  groups[c(at, at + 2, at + 2 + length(others))] <- c("ns/pair", "ratio", "error")
  table <- print_table(widths, groups)
  list(head = table$head, line = function(r, found) {
    rows <- found$rows
    rownames(rows) <- shown
    own <- rows["genred", "value"]
    cell <- function(name, text) {
      if (rows[name, "state"] == "ok") text(rows[name, ]) else rows[name, "state"]
    }
    table$line(case_cells(r), r$block, number(100 * found$kept), number(own),
               number(100 * found$share),
               vapply(others, cell, "", function(x) number(x$value / own)),
               vapply(shown, cell, "", function(x) short(x$error)))
  })
}

run_ranges <- function(cases, family) {
  on.exit(genred_threads(1))
  genred_threads(cases$threads[1L])
  shown <- names(Filter(function(s) s$ranges && s$applies(cases[1L, ]), sides))
  table <- ranges_table(shown)
  table$head()
  rows <- lapply(split(cases, cases$dtype), function(same) {
    data <- new_data(as.list(same[1L, ]))
    write_data(data)
    for (process in ls(peers)) ask(peers[[process]], "forget")
    do.call(rbind, lapply(seq_len(nrow(same)), function(k) {
      r <- as.list(same[k, ])
      found <- measure_ranges(r, data, shown)
      table$line(r, found)
      found$rows
    }))
  })
  do.call(rbind, rows)
}
