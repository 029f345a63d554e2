# The sides, that is, the programs that are compared.  A side is a list of
#
#   title     the heading of its column
#   applies   whether the side can compute the case r (else "-" is printed)
#   ranges    whether it takes ranges, data$ranges (block-sparse calls)
#   prepare   for a case, its data and the running peers: list(result =, time = a function that
#             computes again and returns the seconds), or "missing" (not installed), "failed" (an
#             error), "-"
#
# The result is compared with the exact one if it has all rows.

seconds <- function(expr) {
  start <- Sys.time()
  force(expr)
  as.numeric(Sys.time() - start, units = "secs")
}

timed <- function(call, factor = 1) list(result = if (factor == 1) call(), time = function() factor * seconds(call()))

# ---- genred --------------------------------------------------------------------------------------

side_genred <- function(r, data, peers) {
  op <- operator_of(r)
  args <- c(unname(values_of(r, data)), backend = "CPU", ranges = list(data$ranges))
  timed(function() do.call(op, args))
}

# ---- R: for some rows only, because the matrix of all rows would not fit -------------------------

some_rows <- function(r) min(r$M, max(1, ceiling(1e6 / r$N)))

side_base <- function(r, data, peers) {
  rows <- some_rows(r)
  timed(function() works[[r$work]]$exact(rows_of(data, seq_len(rows), by_product = TRUE)), r$M / rows)
}

side_kernlab <- function(r, data, peers) {
  if (!requireNamespace("kernlab", quietly = TRUE)) return("missing")
  kernel <- if (r$work == "laplace") kernlab::laplacedot(1) else kernlab::rbfdot(1)
  rows <- some_rows(r)
  x <- data$x[seq_len(rows), , drop = FALSE]
  timed(function() kernlab::kernelMult(kernel, x, data$y, data$b), r$M / rows)
}

side_tree <- function(r, data, peers) {
  if (!requireNamespace("FNN", quietly = TRUE)) return("missing")
  timed(function() FNN::get.knnx(data$y, data$x, k = 10, algorithm = "kd_tree")$nn.index)
}

# ---- ceilings: C code written by hand, compiled for one case, never unloaded
# -------------------------

compiled <- function(file, name, flags) {
  so <- file.path(tempdir(), paste0(name, .Platform$dynlib.ext))
  if (file.exists(so)) return(TRUE)
  flags <- c("-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fopenmp",
             "-w", "-shared", "-fPIC", flags)
  source <- file.path(root, "limit", file)
  if (system2("gcc", c(flags, shQuote(source), "-o", shQuote(so)), stdout = FALSE, stderr = FALSE) != 0) return(FALSE)
  dyn.load(so)
  TRUE
}

# The fastest register tile on this machine
side_limit <- function(r, data, peers) {
  if (!nzchar(Sys.which("gcc"))) return("missing")
  tiles <- list(c(4, 1), c(1, 4), c(1, 8), c(2, 4))
  calls <- Filter(Negate(is.null), lapply(tiles, limit_call, r = r, data = data))
  if (!length(calls)) return("failed")
  best <- calls[[which.min(vapply(calls, function(call) min(replicate(3, call()$seconds)), 0))]]
  incoming <- if (grepl("^Grad", works[[r$work]]$formula)) c(data$h) else 1
  list(result = matrix(best()$out, r$M) * incoming, time = function() best()$seconds)
}

limit_call <- function(tile, r, data) {
  w <- works[[r$work]]
  name <- paste("limit", r$work, r$D, r$dtype, tile[1L], tile[2L], sep = "_")
  flags <- sprintf(c("-DD=%d", "-DF64=%d", "-DRV=%d", "-DCV=%d"), as.integer(c(r$D, r$dtype == "float64", tile)))
  if (!compiled(w$limit, name, c(flags, w$flags))) return(NULL)
  # indices have no signals; gradients have an incoming gradient of 1
  given <- c(data[c("x", "y")], if (!w$index) list(data$b, as.double(w$g)), list(as.integer(r$M), as.integer(r$N)))
  out <- vector(if (w$index) "integer" else "double", r$M * w$width(r))
  function() do.call(.C, c("limit", unname(given), list(out = out, seconds = 0, PACKAGE = name)))
}

# Reads every number of x, y and b once, as doubles, as genred has to
bandwidth <- function(data, threads) {
  if (!compiled("bandwidth.c", "bandwidth", character())) return(NULL)
  sizes <- lapply(data[c("x", "y", "b")], length)
  function() .C("bandwidth", data$x, data$y, data$b, sizes$x, sizes$y, sizes$b, as.integer(threads), 0, seconds = 0)$seconds
}

side_bandwidth <- function(r, data, peers) {
  time <- bandwidth(data, 1)
  if (is.null(time)) "missing" else list(time = time)
}

# ---- the table -----------------------------------------------------------------------------------

side <- function(title, applies, prepare, ranges = FALSE) {
  list(title = title, applies = applies, prepare = prepare, ranges = ranges)
}
always <- function(r) TRUE
expert <- function(r) all_peers || r$expert && !quick

has_limit <- function(r) {
  w <- works[[r$work]]
  !is.null(w$limit) && file.exists(file.path(root, "limit", w$limit)) && r$D <= w$limit_to && r$E == 1 && min(r$M, r$N) >= 100
}

sides <- list(
  genred = side("genred", always, side_genred, ranges = TRUE),
  keops = side("PyKeOps", always, side_python("keops"), ranges = TRUE),
  tuned = side("tuned", expert, side_python("tuned"), ranges = TRUE),
  direct = side("direct", function(r) expert(r) && works[[r$work]]$reduction == "Sum", side_python("direct")),
  numpy = side("NumPy", always, side_python("numpy")),
  sklearn = side("sklearn", function(r) works[[r$work]]$index, side_python("sklearn")),
  tree = side("kd-tree", function(r) r$work == "nearest" && r$D <= 16, side_tree),
  kernlab = side("kernlab", function(r) r$work %in% c("gaussian", "laplace") && r$N <= 1e4, side_kernlab),
  base = side("base R", always, side_base),
  limit = side("ceiling", has_limit, side_limit),
  bandwidth = side("plain sum", function(r) r$family == "shapes" && min(r$M, r$N) < 100, side_bandwidth)
)
