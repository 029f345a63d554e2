# Measuring, and the families that compare genred with other programs.
#
# A row of the results: family, work, dtype, threads, M, N, D, E, K, side, value (median), low
# (minimum), unit, error, state.

alternate <- function(timers, repeats, budget) {
  start <- Sys.time()
  times <- NULL
  for (k in seq_len(repeats)) {
    times <- rbind(times, vapply(timers, function(time) time(), 0))
    if (k >= 3 && Sys.time() - start > budget) break
  }
  times
}

result_row <- function(r, side, value, low = value, unit = "ns", error = NA, state = "ok", threads = 1) {
  k <- if (!is.null(r$work)) works[[r$work]]$k
  number <- function(x) if (is.null(x)) NA else x
  data.frame(family = r$family, work = if (is.null(r$work)) r$what else r$work, dtype = if (is.null(r$dtype)) NA else r$dtype,
             threads = threads, M = number(r$M), N = number(r$N), D = number(r$D), E = number(r$E), K = number(k), side = side,
             value = value, low = low, unit = unit, error = error, state = state, row.names = NULL)
}

# ---- genred and the other sides ---------------------------------------------------------------

prepare <- function(name, r, data, peers) {
  tryCatch(sides[[name]]$prepare(r, data, peers), error = function(e) {
    if (name == "genred") stop(e)
    message("bench: ", name, ", ", r$work, ": ", conditionMessage(e))
    "failed"
  })
}

# One row per side.  Ratios are those of medians of calls that took turns.
measure <- function(r, peers) {
  data <- new_data(r)
  write_data(data)
  for (process in ls(peers)) ask(peers[[process]], "forget")
  names <- names(sides)[vapply(sides, function(s) s$applies(r), NA)]
  ready <- lapply(setNames(names, names), prepare, r, data, peers)
  running <- ready[vapply(ready, is.list, NA)]
  times <- 1e9 * alternate(lapply(running, `[[`, "time"), repeats, budget) / (r$M * r$N)
  i <- sort(sample(r$M, min(r$M, 50)))
  p <- rows_of(data, i)
  exact <- works[[r$work]]$exact(p)
  do.call(rbind, lapply(names, function(name) {
    if (!is.list(ready[[name]])) return(result_row(r, name, NA, state = ready[[name]]))
    if (anyNA(times[, name])) return(result_row(r, name, NA, state = "failed"))
    result <- running[[name]]$result
    error <- if (is.null(result) || nrow(result) != r$M) NA else error_of(r, result, i, p, exact)
    result_row(r, name, median(times[, name]), min(times[, name]), error = error)
  }))
}

run_compare <- function(cases, family) {
  shown <- names(sides)[vapply(names(sides), function(name) any(vapply(seq_len(nrow(cases)), function(k) sides[[name]]$applies(cases[k, ]), NA)), NA)]
  table <- compare_table(shown)
  table$head()
  rows <- lapply(seq_len(nrow(cases)), function(k) {
    rows <- measure(as.list(cases[k, ]), peers)
    table$line(as.list(cases[k, ]), rows)
    rows
  })
  do.call(rbind, rows)
}

# ---- one thread and two --------------------------------------------------------------------------

run_threads <- function(cases, family) {
  on.exit(genred_threads(1))
  table <- print_table(c(case_columns, `1 thread` = 10, `2 threads` = 10, ratio = 7, `pairs/s` = 10))
  table$head()
  rows <- lapply(seq_len(nrow(cases)), function(k) {
    r <- as.list(cases[k, ])
    data <- new_data(r)
    side <- side_genred(r, data)
    timers <- lapply(1:2, function(threads) function() {
      genred_threads(threads)
      side$time()
    })
    times <- 1e9 * alternate(timers, 2 * repeats, budget) / (r$M * r$N)
    ns <- apply(times, 2L, median)
    table$line(case_cells(r), number(ns[1L]), number(ns[2L]), number(ns[1L] / ns[2L]), pairs_per_second(ns[2L]))
    rows <- rbind(result_row(r, "genred", ns[1L], min(times[, 1L])), result_row(r, "genred", ns[2L], min(times[, 2L]), threads = 2))
    if (r$M == 1) rows <- rbind(rows, memory_bound(r, data, ns))
    rows
  })
  do.call(rbind, rows)
}

# For M = 1: the rate at which the data are read, compared with a plain sum of the same data
memory_bound <- function(r, data, ns) {
  bytes <- 8 * (length(data$x) + length(data$y) + length(data$b))
  do.call(rbind, lapply(1:2, function(threads) {
    time <- bandwidth(data, threads)
    if (is.null(time)) return(result_row(r, "bandwidth", NA, state = "missing", threads = threads))
    sum <- median(replicate(2 * repeats, time()))
    cat(sprintf("  reads %.1f GB/s with %d thread%s; a plain sum reads %.1f GB/s: %.0f %%\n", bytes / (ns[threads] * r$M * r$N),
                threads, if (threads > 1) "s" else "", bytes / sum / 1e9, 100 * sum * 1e9 / (ns[threads] * r$M * r$N)))
    result_row(r, "bandwidth", 1e9 * sum / (r$M * r$N), threads = threads)
  }))
}

# ---- the fine sweep ------------------------------------------------------------------------------
# The time per pair should grow like c + D (c + E for signals): D coordinates, and a constant part
# (exp and the rest) that takes as long as c coordinates. c is fitted to the whole sweep.  A step is
# the growth from one size to the next divided by that of c + D, so that 1 means a smooth curve.
# All sizes take turns, and the minimum is used, because it is the least disturbed.

fitted_constant <- function(size, ns) {
  spread <- function(log_c) sd(log(ns) - log(exp(log_c) + size))
  exp(optimize(spread, log(c(0.1, 1000)))$minimum)
}

steps_of <- function(size, ns, constant = fitted_constant(size, ns)) {
  c(NA, diff(log(ns)) - diff(log(constant + size)))
}

run_sweep <- function(cases, family) {
  rows <- list()
  for (by in unique(cases$by)) {
    part <- lapply(split(cases[cases$by == by, ], ~dtype), function(cases) sweep_one(cases, by))
    steps_table(by, part)
    rows <- c(rows, part)
  }
  do.call(rbind, unname(rows))
}

# The points are columns of one large matrix, extracted before each call.
sweep_one <- function(cases, by) {
  list_of <- lapply(seq_len(nrow(cases)), function(k) as.list(cases[k, ]))
  widest <- new_data(modifyList(list_of[[1L]], list(D = max(cases$D), E = max(cases$E))))
  timers <- lapply(list_of, function(r) {
    op <- operator_of(r)
    function() {
      data <- list(x = widest$x[, seq_len(r$D), drop = FALSE] * sqrt(max(cases$D) / r$D),
                   y = widest$y[, seq_len(r$D), drop = FALSE] * sqrt(max(cases$D) / r$D), b = widest$b[, seq_len(r$E), drop = FALSE], g = 1)
      args <- c(unname(values_of(r, data)), backend = "CPU")
      seconds(do.call(op, args))
    }
  })
  for (time in timers) time()
  ns <- 1e9 * apply(alternate(timers, repeats, Inf), 2L, min) / (cases$M * cases$N)
  rows <- Map(function(r, ns) result_row(r, "genred", ns), list_of, ns)
  cbind(do.call(rbind, rows)[, -1L], family = paste0("sweep_", by))[, names(rows[[1L]])]
}
