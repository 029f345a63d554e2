# The overhead of calls: compiling a new formula, loading its kernel from disk, calling it again.
#
# With 10 x 10 points the computation itself takes a microsecond.  Each formula contains a unique
# number, so that its kernel is in no cache; the cache is a folder of this run.

# the measurements: title, unit, and target in that unit
latencies <- list(
  compile = list("new formula: compile, load, D = 3", "ms", 100),
  compile_wide = list("new formula: compile, load, D = 784", "ms", 100),
  gradient = list("new formula: gradient of a softmax, 3 kernels", "ms", NA),
  session = list("new formula, the first of a session", "ms", NA),
  disk_session = list("kernel on disk, new process: Genred() and first call", "ms", NA),
  disk_make = list("  the session's second formula: Genred()", "ms", NA),
  disk_load = list("  the session's second formula: kernel from disk", "ms", 1),
  call = list("repeated call, 10 x 10, compiled", "us", 10),
  call_auto = list("repeated call, 10 x 10, backend \"auto\" (interpreter)", "us", 10),
  keops_compile = list("PyKeOps: new formula, D = 3", "ms", NA),
  keops_call = list("PyKeOps: repeated call, 10 x 10", "us", NA)
)

# The k-th formula in dimension d
numbered <- function(k, d = 3) {
  aliases <- sprintf(c("X = Vi(%d)", "Y = Vj(%d)", "B = Vj(%d)"), c(d, d, 1))
  Genred(sprintf("Exp(-%d * SqDist(X,Y)) * B", k), aliases, axis = 1)
}

points_of <- function(d) list(x = matrix(runif(10 * d), 10), y = matrix(runif(10 * d), 10), b = matrix(runif(10), 10))

# Time of Genred() and the first call, minus that of a second call
first_call <- function(k, d = 3) {
  p <- points_of(d)
  first <- seconds({
    op <- numbered(k, d)
    op(p$x, p$y, p$b, backend = "CPU")
  })
  first - seconds(op(p$x, p$y, p$b, backend = "CPU"))
}

# The same for genred_grad() of a softmax, whose kernels are compiled together
first_gradient <- function(k) {
  p <- points_of(3)
  e <- matrix(1, 10)
  first <- seconds({
    aliases <- c("X = Vi(3)", "Y = Vj(3)", "B = Vj(1)")
    by_x <- genred_grad(Genred(sprintf("-%d * SqDist(X,Y)", k), aliases, "SumSoftMaxWeight", axis = 1, formula2 = "B"), "X")
    by_x(p$x, p$y, p$b, e, backend = "CPU")
  })
  first - seconds(by_x(p$x, p$y, p$b, e, backend = "CPU"))
}

# In a new process with all kernels on disk: the first formula of the session, which includes what
# is done once per session (finding the compiler and the folders, R's lazy loading); Genred() of a
# second formula; and its kernel.
latency_child <- function() {
  invisible(compiler::enableJIT(0)) # otherwise R byte-compiles these functions at their second call
  p <- points_of(3)
  first <- first_call(101)
  make <- seconds(op <- numbered(102))
  load <- seconds(op(p$x, p$y, p$b, backend = "CPU")) - seconds(op(p$x, p$y, p$b, backend = "CPU"))
  c(first, make, load)
}

per_call <- function(backend, n = if (quick) 5e3 else 2e4) {
  op <- numbered(1)
  p <- points_of(3)
  x <- p$x
  y <- p$y
  b <- p$b
  for (k in 1:1000) op(x, y, b, backend = backend)
  replicate(5, seconds(for (k in seq_len(n)) op(x, y, b, backend = backend)) / n)
}

# PyKeOps: new formulas (after a first one, which includes its start), and calls.  NULL if it is
# missing or fails.
peer_latencies <- function(times) {
  r <- c(as.list(case("gaussian", M = 10)), dtype = "float32", family = "latency")
  data <- new_data(r)
  write_data(data)
  formula <- works$gaussian$formula
  on.exit({
    works$gaussian$formula <<- formula
    peers_stop(peers)
  })
  compile <- numeric()
  for (k in sample.int(1e6, times + 1L)) {
    works$gaussian$formula <<- sprintf("Exp(-%d * SqDist(X,Y)) * B", k)
    compile <- c(compile, seconds(side <- side_python("keops")(r, data, peers)))
    if (!is.list(side)) {
      cat("PyKeOps:", side, "\n")
      return(NULL)
    }
  }
  list(keops_compile = compile[-1L], keops_call = replicate(500, side$time()))
}

run_latency <- function(cases, family) {
  times <- if (quick) 5L else 15L
  values <- list(session = child("latency_compile"), compile = vapply(seq_len(times), function(k) first_call(100 + k), 0),
                 compile_wide = vapply(seq_len(times), function(k) first_call(100 + k, 784), 0),
                 gradient = vapply(seq_len(times), function(k) first_gradient(100 + k), 0))
  fresh <- replicate(times, child("latency_child"))
  values <- c(values, list(disk_session = fresh[1L, ], disk_make = fresh[2L, ], disk_load = fresh[3L, ],
                           call = per_call("CPU"), call_auto = per_call("auto")),
              peer_latencies(if (quick) 1L else 3L))
  table <- print_table(c(what = -58, median = 9, ` ` = -4, smallest = 10, largest = 10, target = 9, ` ` = 5))
  table$head()
  rows <- lapply(intersect(names(latencies), names(values)), function(name) {
    about <- latencies[[name]]
    v <- values[[name]] * c(ms = 1e3, us = 1e6)[[about[[2L]]]]
    verdict <- if (is.na(about[[3L]])) c("", "") else c(paste("<", about[[3L]]), if (median(v) < about[[3L]]) "yes" else "NO")
    table$line(about[[1L]], number(median(v)), paste0(" ", about[[2L]]), number(min(v)), number(max(v)), verdict)
    result_row(list(family = "latency", what = name), if (startsWith(name, "keops")) "keops" else "genred", median(v), min(v), unit = about[[2L]])
  })
  cat(sprintf("compile time at D = 784 over D = 3: %.2f\n", median(values$compile_wide) / median(values$compile)))
  do.call(rbind, rows)
}
latency_compile <- function() first_call(100)
