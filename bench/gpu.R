# Times on a GPU: the tasks below compared with a lower bound and, if installed, with PyKeOps and
# torch.
#
# Rscript bench/gpu.R [--small] [--out=FILE]        (sh bench/gpu.sh builds, checks and then calls
# it)
#
# The lower bound ("floor") is the larger of two times: the instructions divided by the issue rate
# of all multiprocessors (single precision: 128 per cycle each; exponentials and other functions:
# 16), and the bytes divided by the memory bandwidth.  Instructions are counted by hand from the
# formula, see the columns `fp` and `functions` below.  All data and results are on the device; a
# time is the median of at least three calls. --small divides the sizes by 100, to try the script
# where kernels are slow.

library(genred)
options(genred.backend = "GPU")
options <- commandArgs(TRUE)
small <- "--small" %in% options
out <- sub("^--out=", "", c(grep("^--out=", options, value = TRUE), "")[1L])
root <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
source(file.path(root, "table.R"))

# ---- the device ----------------------------------------------------------------------------------

smi <- function(what) {
  out <- tryCatch(suppressWarnings(system2("nvidia-smi", c(paste0("--query-gpu=", what), "--format=csv,noheader,nounits", "-i", "0"), stdout = TRUE, stderr = FALSE)),
                  error = function(e) character())
  if (length(out) == 1L && is.null(attr(out, "status"))) out else NA_character_
}

# Bytes per second, from NVIDIA's data sheets
bandwidths <- c("H200" = 4.8e12, "H100 80GB HBM3" = 3.35e12, "H100 PCIe" = 2.0e12, "H100" = 3.35e12, "A100-SXM4-80GB" = 2.04e12, "A100" = 1.55e12, "L4" = 3.0e11,
                "T4" = 3.2e11)

device <- local({
  info <- genred_info()$cuda$devices[1L, ]
  clock <- 1e6 * as.numeric(smi("clocks.max.sm"))
  known <- names(bandwidths)[vapply(names(bandwidths), grepl, NA, x = info$name, fixed = TRUE)]
  list(name = info$name, cores = info$multiprocessors, clock = clock, bandwidth = if (length(known)) bandwidths[[known[1L]]] else NA)
})

floor_seconds <- function(w) {
  pairs <- w$M * w$N
  issue <- pairs * max(w$fp / 128, w$functions / 16) / (device$cores * device$clock)
  bytes <- 4 * (w$M * w$row + w$N * w$column) / device$bandwidth
  max(issue, bytes, na.rm = TRUE)
}

# ---- the works -----------------------------------------------------------------------------------

# fp, functions: instructions per pair; row, column: numbers per row and per column, results
# included; goals: fraction of the floor, speed relative to PyKeOps.
work <- function(name, formula, M, N, D, E = 1, reduction = "Sum", formula2 = NULL, k = NULL, fp, functions, row = D + E, column = D + E, goal = NA, peer = NA) {
  list(name = name, formula = formula, M = M, N = N, D = D, E = E, reduction = reduction, formula2 = formula2, k = k, fp = fp, functions = functions, row = row, column = column,
       goal = goal, peer = peer)
}
gaussian <- "Exp(-G * SqDist(X,Y)) * B"
works <- c(
  list(work("gaussian", gaussian, 1e6, 1e6, 3, fp = 8, functions = 1, goal = 0.8, peer = 1.2),
       work("gaussian gradient", sprintf("Grad(%s, X, H)", gaussian), 1e6, 1e6, 3, fp = 12, functions = 1, goal = 0.7, peer = 1.5)),
  lapply(c(16, 32, 64, 90, 100, 128, 160, 784), function(D) work("gaussian", gaussian, 1e5, 1e5, D, fp = 2 * D + 2, functions = 1, goal = 0.6, peer = if (D == 784) 5 else NA)),
  lapply(c(64, 784), function(D) work("squared distance", "SqDist(X,Y) * B", 1e5, 1e5, D, fp = 2 * D + 1, functions = 0, goal = 0.6)),
  list(work("attention", "(X|Y)", 1e5, 1e5, 64, 64, "SumSoftMaxWeight", "B", fp = 2 * 64 + 4, functions = 1, goal = 0.5, peer = 5)),
  lapply(c(3, 100), function(D) work("10 nearest", "SqDist(X,Y)", 1e5, 1e6, D, reduction = "ArgKMin", k = 10, fp = 2 * D + 1, functions = 0, peer = 3)),
  list(work("gaussian, 1 row", gaussian, 1, 1e8, 3, fp = 8, functions = 1, goal = 0.7), work("gaussian, 10 rows", gaussian, 10, 1e7, 3, fp = 8, functions = 1, goal = 0.7),
       work("gaussian, small", gaussian, 1e3, 1e3, 3, fp = 8, functions = 1))
)
if (small) works <- lapply(works, function(w) { w$M <- ceiling(w$M / 100); w$N <- ceiling(w$N / 100); w$D <- min(w$D, 100); w })

# ---- measuring -----------------------------------------------------------------------------------

seconds <- function(call) {
  start <- Sys.time()
  call()
  as.numeric(Sys.time() - start, units = "secs")
}
typical <- function(call, budget = 6) {
  first <- seconds(call)
  times <- seconds(call)
  while (length(times) < 3 || (length(times) < 50 && sum(times) < min(budget, 20 * first))) times <- c(times, seconds(call))
  median(times)
}

matrix_of <- function(n, d, scale = 1) matrix(scale * rnorm(n * d), n)
data_of <- function(w) {
  scale <- 1 / sqrt(2 * w$D)
  list(g = 1, x = matrix_of(w$M, w$D, scale), y = matrix_of(w$N, w$D, scale), b = matrix_of(w$N, w$E), h = matrix_of(w$M, 1))
}
aliases <- function(w) {
  all <- c(G = "Pm(1)", X = sprintf("Vi(%d)", w$D), Y = sprintf("Vj(%d)", w$D), B = sprintf("Vj(%d)", w$E), H = "Vi(1)")
  text <- paste(w$formula, w$formula2)
  all <- all[vapply(names(all), function(v) grepl(sprintf("\\b%s\\b", v), text), NA)]
  setNames(paste(names(all), "=", all), tolower(names(all)))
}

# The largest difference from base R in double precision on some rows, relative to the largest
# number.
exact_rows <- function(w, d, i) {
  s <- outer(rowSums(d$x[i, , drop = FALSE]^2), rowSums(d$y^2), `+`) - 2 * tcrossprod(d$x[i, , drop = FALSE], d$y)
  switch(w$name,
         "gaussian gradient" = { k <- exp(-s) * tcrossprod(d$h[i, ], d$b[, 1L]); -2 * (d$x[i, , drop = FALSE] * rowSums(k) - k %*% d$y) },
         "squared distance" = s %*% d$b,
         attention = { p <- tcrossprod(d$x[i, , drop = FALSE], d$y); p <- exp(p - apply(p, 1L, max)); (p %*% d$b) / rowSums(p) },
         "10 nearest" = t(apply(s, 1L, function(v) sort(v, partial = seq_len(10))[seq_len(10)])),
         exp(-s) %*% d$b)
}

error_of <- function(w, d, result) {
  i <- sort(sample(w$M, min(w$M, if (w$N > 2e6) 1 else 8)))
  exact <- exact_rows(w, d, i)
  got <- result[i, , drop = FALSE]
  if (w$name == "10 nearest") got <- t(vapply(seq_along(i), function(r) sort(colSums((t(d$y[got[r, ], , drop = FALSE]) - d$x[i[r], ])^2)), numeric(ncol(got))))
  max(abs(got - exact)) / max(abs(exact))
}

measure <- function(w) {
  d <- data_of(w)
  args <- aliases(w)
  op <- Genred(w$formula, unname(args), reduction_op = w$reduction, axis = 1, formula2 = w$formula2, opt_arg = w$k, dtype = "float32")
  there <- lapply(unname(d[names(args)]), genred_array, dtype = "float32")
  result <- do.call(op, there)
  time <- typical(function() do.call(op, c(there, keep = TRUE)))
  list(seconds = time, error = error_of(w, d, result), host = typical(function() do.call(op, unname(d[names(args)])), budget = 2))
}

# PyKeOps and torch in a separate process, in the same run; empty if neither is installed.
peers <- function() {
  cases <- do.call(rbind, lapply(works, function(w) data.frame(name = w$name, M = w$M, N = w$N, D = w$D, E = w$E)))
  file <- tempfile(fileext = ".csv")
  write.csv(cases, file, row.names = FALSE)
  python <- Sys.getenv("GENRED_BENCH_PYTHON", "python3")
  text <- tryCatch(suppressWarnings(system2(python, c(shQuote(file.path(root, "gpu.py")), shQuote(file)), stdout = TRUE)), error = function(e) character())
  if (!length(text)) return(data.frame(case = integer(), side = character(), seconds = numeric()))
  read.csv(text = text)
}

# ---- the table -----------------------------------------------------------------------------------

cat(sprintf("%s, %d multiprocessors, %s MHz, %s GB/s\n\n", device$name, device$cores, format(device$clock / 1e6), format(device$bandwidth / 1e9)))
others <- peers()
other <- function(k, side) c(others$seconds[others$case == k & others$side == side], NA)[1L]
table <- print_table(c(work = 18, M = 8, N = 8, D = 4, ms = 9, `pairs/s` = 9, floor = 9, `of it` = 6, goal = 5, PyKeOps = 8, goal = 5, torch = 8, `from R` = 9, error = 8))
table$head()
rows <- lapply(seq_along(works), function(k) {
  w <- works[[k]]
  m <- tryCatch(measure(w), genred_error = function(e) { message(conditionMessage(e)); list(seconds = NA, error = NA, host = NA) })
  floor <- floor_seconds(w)
  table$line(w$name, format(w$M), format(w$N), format(w$D), number(1e3 * m$seconds), number(w$M * w$N / m$seconds), number(1e3 * floor), number(floor / m$seconds), number(w$goal),
             number(other(k, "pykeops") / m$seconds), number(w$peer), number(other(k, "torch") / m$seconds), number(1e3 * m$host), number(m$error, 2))
  data.frame(work = w$name, M = w$M, N = w$N, D = w$D, E = w$E, seconds = m$seconds, floor = floor, host = m$host, error = m$error, pykeops = other(k, "pykeops"), torch = other(k, "torch"))
})
cat("\nms: a call on data on the device; floor: the lower bound; PyKeOps, torch: their time divided by genred's;\nfrom R: with R matrices, including the transfers (ms)\n")
if (nzchar(out)) write.csv(cbind(device = device$name, do.call(rbind, rows)), out, row.names = FALSE)
