# What a call costs besides the work: compiling a new formula, finding its kernel on disk, calling it again.
#
#   Rscript bench/latency.R [--quick]
#
# Data of 10 x 10 points, so that the work itself is a microsecond.  Each formula has a number in it that no other has,
# so that no cache knows it; the cache is a folder of this run.

library(genred)
arguments <- commandArgs(TRUE)
repeats <- if ("--quick" %in% arguments) 5L else 15L
folder <- file.path(tempdir(), "cache")
genred_threads(1)

# The k-th formula in dimension d
operator <- function(k, d = 3) {
  aliases <- sprintf(c("X = Vi(%d)", "Y = Vj(%d)", "B = Vj(%d)"), c(d, d, 1))
  Genred(sprintf("Exp(-%d * SqDist(X,Y)) * B", k), aliases, axis = 1)
}

points_of <- function(d) list(x = matrix(runif(10 * d), 10), y = matrix(runif(10 * d), 10), b = matrix(runif(10), 10))

seconds <- function(expr) {
  start <- Sys.time()
  force(expr)
  as.numeric(Sys.time() - start, units = "secs")
}

# Genred() and first call, less a second call
first_call <- function(k, d = 3) {
  p <- points_of(d)
  first <- seconds({
    op <- operator(k, d)
    op(p$x, p$y, p$b, backend = "CPU")
  })
  first - seconds(op(p$x, p$y, p$b, backend = "CPU"))
}

# ---- as the other process: the first two formulas of a session, whose kernels are on disk -----------------------------
# The first pays for what is done once per session (finding the compiler and the folders, R's lazy loading).

options(genred.cache_dir = Sys.getenv("GENRED_LATENCY_CACHE", folder))
if ("--child" %in% arguments) {
  invisible(compiler::enableJIT(0)) # else R compiles this script's functions at their second call
  p <- points_of(3)
  first <- first_call(101)
  make <- seconds(op <- operator(102))
  load <- seconds(op(p$x, p$y, p$b, backend = "CPU")) - seconds(op(p$x, p$y, p$b, backend = "CPU"))
  cat(first, make, load, "\n")
  quit()
}

in_new_process <- function() {
  self <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])
  out <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(self), "--child"), stdout = TRUE,
                 env = paste0("GENRED_LATENCY_CACHE=", shQuote(folder)))
  scan(text = tail(out, 1L), quiet = TRUE)
}

per_call <- function(backend, n = 2e4) {
  op <- operator(1)
  p <- points_of(3)
  x <- p$x
  y <- p$y
  b <- p$b
  for (k in 1:1000) op(x, y, b, backend = backend)
  median(replicate(5, seconds(for (k in seq_len(n)) op(x, y, b, backend = backend)))) / n
}

# ---- the table ---------------------------------------------------------------------------------------------------------

line <- function(what, values, unit, target = NA) {
  value <- median(values) * unit
  spread <- if (length(values) > 1L) sprintf("%8.3g to %-8.3g", min(values) * unit, max(values) * unit) else strrep(" ", 20)
  verdict <- if (is.na(target)) "" else sprintf("< %-5g %s", target * unit, if (median(values) < target) "yes" else "NO")
  cat(sprintf("%-58s %8.3g %-3s %s %s\n", what, value, if (unit == 1e3) "ms" else "us", spread, verdict))
}

session <- first_call(100) # with what R and genred do once per session: its compiler, its folders, lazy loading
narrow <- vapply(seq_len(repeats), function(k) first_call(100 + k), 0)
wide <- vapply(seq_len(repeats), function(k) first_call(100 + k, 784), 0)
fresh <- replicate(repeats, in_new_process())

cat(sprintf("%-58s %12s %20s %s\n", sprintf("latency, median of %d", repeats), "median", "smallest to largest ", "target"))
line("new formula: compile, load, D = 3", narrow, 1e3, 0.2)
line("new formula: compile, load, D = 784", wide, 1e3, 0.2)
line("new formula, the first of a session", session, 1e3)
line("kernel on disk, new process: Genred() and first call", fresh[1L, ], 1e3)
line("  the session's second formula: Genred()", fresh[2L, ], 1e3)
line("  the session's second formula: kernel from disk", fresh[3L, ], 1e3, 0.002)
line("repeated call, 10 x 10, compiled", per_call("CPU"), 1e6, 20e-6)
line("repeated call, 10 x 10, backend \"auto\" (interpreter)", per_call("auto"), 1e6, 20e-6)
cat(sprintf("compile time at D = 784 over D = 3: %.2f\n", median(wide) / median(narrow)))
