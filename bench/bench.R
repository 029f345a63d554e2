# genred beside its peers and a hand-written kernel, all timed in one run.
#
#   Rscript bench/bench.R [--quick]      (sh bench/run.sh builds, installs and makes the peers first)
#
# A time is the median of `repeats` calls after a warm-up; the sides take turns within each repeat, so that what else the
# machine does hits all of them.  Compilation is not in these times (see latency.R); conversion to float32 is, for genred
# and the hand-written kernel, which start from R's doubles.
# "missing": not installed; "failed": raised an error; "-": there is no such thing for this work.

library(genred)
arguments <- commandArgs(TRUE)
quick <- "--quick" %in% arguments
repeats <- if (quick) 5L else 7L
root <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
options(genred.cache_dir = file.path(tempdir(), "cache"))
set.seed(1)

# ---- the works ---------------------------------------------------------------------------------------------------------

# formula, reduction; `dense`: the same by base R from a matrix of squared distances; `limit`: hand-written kernel
works <- list(
  gaussian = list(formula = "Exp(-G * SqDist(X,Y)) * B", limit = TRUE, dense = function(s, b) exp(-s) %*% b),
  laplace = list(formula = "Exp(-Norm2(X-Y)) * B", dense = function(s, b) exp(-sqrt(s)) %*% b),
  logsumexp = list(formula = "-SqDist(X,Y)", reduction = "LogSumExp", dense = function(s, b) {
    top <- apply(-s, 1L, max)
    matrix(log(rowSums(exp(-s - top))) + top)
  }),
  nearest = list(formula = "SqDist(X,Y)", reduction = "ArgKMin", k = 10L,
                 dense = function(s, b) t(apply(s, 1L, function(v) order(v)[1:10])))
)

case <- function(work, n = 1e4, d = 3, e = 1, threads = 1) data.frame(work = work, n = n, d = d, e = e, threads = threads)
cases <- rbind(
  case("gaussian", threads = 2), case("gaussian"), case("gaussian", e = 2), case("laplace"), case("logsumexp"),
  case("nearest"), case("gaussian", d = 10), case("gaussian", n = 3000, d = 100), case("gaussian", n = 1000, d = 784)
)
if (quick) cases$n <- cases$n * ifelse(cases$d > 10, 0.5, 0.3)

# Squared distances near 1 in any dimension, and weights of one sign: nothing cancels.
new_data <- function(n, d, e) {
  cloud <- function() matrix(runif(n * d), n) * sqrt(6 / d)
  list(x = cloud(), y = cloud(), b = matrix(runif(n * e), n))
}

square_distances <- function(x, y) {
  s <- 0
  for (k in seq_len(ncol(x))) s <- s + outer(x[, k], y[, k], "-")^2
  s
}

# Largest error on `s`, the squared distances of a sample of rows: relative to the largest value; for neighbours, of
# their squared distances, rank by rank.
error_of <- function(work, result, s, b) {
  exact <- works[[work]]$dense(s, b)
  if (work == "nearest") {
    at <- function(k) matrix(s[cbind(c(row(k)), c(k))], nrow(k))
    return(max(abs(at(result) - at(exact))) / max(s))
  }
  max(abs(result - exact)) / max(abs(exact))
}

# ---- the sides: each is prepared for a row of the table, giving list(time = function() seconds, result = ) -------------

seconds <- function(expr) {
  start <- Sys.time()
  force(expr)
  as.numeric(Sys.time() - start, units = "secs")
}

side_genred <- function(r, data) {
  work <- works[[r$work]]
  cat <- c(G = "Pm(1)", X = sprintf("Vi(%d)", r$d), Y = sprintf("Vj(%d)", r$d), B = sprintf("Vj(%d)", r$e))
  used <- c(G = grepl("G", work$formula), X = TRUE, Y = TRUE, B = grepl("B", work$formula))
  op <- Genred(work$formula, cat[used], work$reduction %||% "Sum", axis = 1, dtype = r$dtype, opt_arg = work$k)
  args <- list(G = 1, X = data$x, Y = data$y, B = data$b)[used]
  genred_threads(r$threads)
  call <- function() do.call(op, c(args, backend = "CPU"))
  list(result = call(), time = function() seconds(call()))
}

`%||%` <- function(a, b) if (is.null(a)) b else a

# 100 rows only: the matrix of all of them would not fit
side_base <- function(r, data) {
  x <- data$x[seq_len(min(100, r$n)), , drop = FALSE]
  call <- function() {
    s <- outer(rowSums(x^2), rowSums(data$y^2), "+") - 2 * tcrossprod(x, data$y)
    works[[r$work]]$dense(pmax(s, 0), data$b)
  }
  list(time = function() seconds(call()) * r$n / nrow(x))
}

# The register tile that is fastest here; the kernels are loaded for good.
side_limit <- function(r, data) {
  if (is.null(works[[r$work]]$limit) || r$e > 1 || r$threads > 1) return("-")
  if (!nzchar(Sys.which("gcc"))) return("missing")
  tiles <- list(c(4, 1), c(1, 4), c(1, 8), c(2, 4))
  calls <- lapply(tiles, limit_call, r = r, data = data)
  calls <- calls[!vapply(calls, is.null, NA)]
  if (!length(calls)) return("failed")
  best <- calls[[which.min(vapply(calls, function(call) min(replicate(3, call()$seconds)), 0))]]
  list(result = matrix(best()$out), time = function() best()$seconds)
}

limit_call <- function(tile, r, data) {
  name <- sprintf("limit_%d_%s_%d_%d", r$d, r$dtype, tile[1L], tile[2L])
  so <- file.path(tempdir(), paste0(name, .Platform$dynlib.ext))
  flags <- c("-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-w",
             "-shared", "-fPIC", sprintf(c("-DD=%d", "-DF64=%d", "-DRV=%d", "-DCV=%d"), as.integer(c(r$d, r$dtype == "float64", tile))))
  if (!file.exists(so)) {
    source <- file.path(root, "limit", "gaussian.c")
    if (system2("gcc", c(flags, shQuote(source), "-o", shQuote(so)), stdout = FALSE, stderr = FALSE) != 0) return(NULL)
    dyn.load(so)
  }
  n <- as.integer(r$n)
  function() .C("limit", data$x, data$y, data$b, 1, n, n, out = double(n), seconds = 0, PACKAGE = name)
}

# ---- the Python side: requests through a pipe, answers through a fifo ------------------------------------------------

peers_start <- function(threads) {
  python <- file.path(root, "venv", "bin", "python")
  if (!file.exists(python)) return(NULL)
  answers <- tempfile("answers")
  system2("mkfifo", shQuote(answers))
  variables <- paste0(c("OMP", "OPENBLAS", "MKL"), "_NUM_THREADS=", threads)
  files <- shQuote(c(python, file.path(root, "peers.py"), answers, file.path(tempdir(), "peers.log")))
  command <- paste("env", paste(variables, collapse = " "), files[1L], files[2L], files[3L], ">", files[4L], "2>&1")
  to <- pipe(command, "w")
  list(to = to, from = fifo(answers, "r", blocking = TRUE))
}

peers_stop <- function(peers) if (!is.null(peers)) for (connection in peers) close(connection)

ask <- function(peers, ...) {
  writeLines(paste(...), peers$to)
  flush(peers$to)
  readLines(peers$from, 1L)
}

sides_python <- function(peers, r, data) {
  if (is.null(peers)) return(list(keops = "missing", numpy = "missing"))
  for (v in names(data)) writeBin(c(data[[v]]), file.path(tempdir(), paste0(v, ".bin")))
  answer <- ask(peers, "prepare", r$work, r$dtype, r$n, r$n, r$d, r$e, tempdir())
  if (!length(answer)) return(list(keops = "failed", numpy = "failed"))
  words <- strsplit(strsplit(answer, " ")[[1L]], "=")
  sides <- lapply(words, function(w) {
    if (w[2L] != "ok") return(w[2L])
    result <- matrix(readBin(file.path(tempdir(), paste0(w[1L], ".bin")), "double", r$n * 1024), r$n)
    list(result = result + (r$work == "nearest"), time = function() as.numeric(ask(peers, "time", w[1L])))
  })
  names(sides) <- vapply(words, `[`, "", 1L)
  sides
}

# ---- one row -----------------------------------------------------------------------------------------------------------

# The sides of a row, as list(time = ns per pair, error =), or why there is none.
measure <- function(r, peers) {
  data <- new_data(r$n, r$d, r$e)
  sides <- c(list(genred = side_genred(r, data)), sides_python(peers, r, data),
             list(base = side_base(r, data), limit = side_limit(r, data)))
  running <- names(sides)[vapply(sides, is.list, NA)]
  times <- replicate(repeats, vapply(running, function(s) sides[[s]]$time(), 0))
  sample <- sample(r$n, 50)
  s <- square_distances(data$x[sample, , drop = FALSE], data$y)
  for (name in running) {
    result <- sides[[name]]$result
    sides[[name]] <- list(time = 1e9 * median(times[name, ]) / r$n^2,
                          error = if (!is.null(result)) error_of(r$work, result[sample, , drop = FALSE], s, data$b))
  }
  sides
}

number <- function(x, digits = 3) formatC(x, digits = digits, format = "fg", flag = "#", width = 1)
short <- function(x) if (is.null(x)) "-" else if (x == 0) "0" else sub("e([+-])0", "e\\1", sprintf("%.0e", x))

# A cell: what `get` gives for a side that ran, else its state.
cell <- function(side, get) if (is.list(side)) get(side) else side

cells <- function(r, sides) {
  own <- sides$genred$time
  time <- function(s) cell(sides[[s]], function(x) sub("\\.$", "", number(x$time)))
  ratio <- function(s) cell(sides[[s]], function(x) sub("\\.$", "", number(x$time / own)))
  error <- function(s) cell(sides[[s]], function(x) short(x$error))
  what <- paste0(r$work, if (r$e > 1) paste0(", ", r$e, " signals"))
  c(work = what, dtype = r$dtype, M = r$n, N = r$n, D = r$d, thr = r$threads, `pairs/s` = sprintf("%.2e", 1e9 / own), genred = time("genred"), PyKeOps = time("keops"), NumPy = time("numpy"),
    `base R` = time("base"), limit = time("limit"), `PyKeOps ` = ratio("keops"), `NumPy ` = ratio("numpy"),
    `limit ` = ratio("limit"), `genred ` = error("genred"), `PyKeOps  ` = error("keops"), `NumPy  ` = error("numpy"),
    `limit  ` = error("limit"))
}

# ---- the table: fixed widths, printed row by row, since some take a while ----------------------------------------------

widths <- c(-21, -8, 7, 7, 5, 4, 10, 9, 9, 9, 9, 9, 10, 9, 9, 9, 9, 9, 9)
print_line <- function(x) cat(sub(" +$", "", paste(sprintf("%*s", widths, x), collapse = "")), "\n", sep = "")

head_lines <- function(names) {
  group <- rep("", length(names))
  group[c(8, 13, 16)] <- c("ns/pair", "time / own", "error")
  print_line(group)
  print_line(trimws(names))
  cat(strrep("-", sum(abs(widths))), "\n", sep = "")
}

cat("genred ", format(packageVersion("genred")), ", median of ", repeats, ", sides in turn; ",
    "error: largest in 50 rows, against float64\n\n", sep = "")
first <- TRUE
for (threads in unique(cases$threads)) {
  peers <- peers_start(threads)
  for (k in which(cases$threads == threads)) for (dtype in c("float32", "float64")) {
    r <- c(as.list(cases[k, ]), dtype = dtype)
    line <- cells(r, measure(r, peers))
    if (first) head_lines(names(line))
    first <- FALSE
    print_line(line)
  }
  peers_stop(peers)
}
cat("\nPyKeOps as installed; NumPy: dense, 256 rows at a time, BLAS; base R: dense, 100 rows, doubles, R's BLAS;\n",
    "limit: bench/limit/gaussian.c, the best of four tiles. A ratio above 1 means that genred is faster.\n", sep = "")
