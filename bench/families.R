# The families: which tasks ("works") are measured for which sizes.  Each is a data frame of cases;
# `quick` selects fewer and smaller ones.

# float32 and float64 of each case, in turn; with `quick` only float32
both_types <- function(cases, quick) {
  types <- if (quick) "float32" else c("float32", "float64")
  cases <- cases[rep(seq_len(nrow(cases)), each = length(types)), ]
  cbind(cases, dtype = rep(types, length.out = nrow(cases)), row.names = NULL)
}

case <- function(work, D = 3, M = rows_for(D, E), N = M, E = 1, expert = FALSE) {
  data.frame(work = work, M = M, N = N, D = D, E = E, expert = expert)
}

# The number of points that the slowest side processes in about a second
rows_for <- function(D, E = 1) {
  wide <- pmax(D, E)
  ifelse(wide <= 10, 1e4, ifelse(wide <= 128, 3000, 1000))
}

dimension_cases <- function(quick) {
  if (quick) return(case("gaussian", D = c(3, 100, 784), M = c(5000, 1500, 500)))
  D <- c(1, 2, 3, 5, 8, 10, 16, 30, 64, 100, 128, 256, 400, 784, 1000)
  case("gaussian", D = D, expert = D %in% c(3, 10, 100, 784))
}

signals_cases <- function(quick) {
  if (quick) return(case("gaussian", M = c(5000, 1500), E = c(1, 64)))
  E <- 2^(0:9)
  case("gaussian", M = rows_for(3, E), E = E)
}

shapes_cases <- function(quick) {
  M <- c(1, 3, 1e6, 1e4, 1e3, 1e5)
  N <- c(1e7, 1e6, 3, 1e4, 1e5, 1e3)
  if (quick) case("gaussian", M = c(1, 1e6), N = c(1e6, 3)) else case("gaussian", M = M, N = N)
}

reductions_cases <- function(quick) {
  if (quick) return(rbind(case("logsumexp", M = 5000), case("nearest", M = 5000), case("softmax", D = 64, M = 1000, E = 64)))
  rbind(case("gaussian"), case("logsumexp", expert = TRUE), case("softmax", D = 64, E = 64), case("min"), case("max"),
        case("argmin"), case("nearest", D = c(3, 64, 784)), case("kmin100", M = 3000))
}

kernels_cases <- function(quick) {
  if (quick) return(case(c("laplace", "matern52"), M = 3000))
  case(names(kernels), expert = names(kernels) %in% c("gaussian", "laplace", "multiquadric", "matern52"))
}

gradients_cases <- function(quick) {
  if (quick) return(case("gaussian_x", M = 3000))
  rbind(case("gaussian_x", D = c(3, 10, 100), expert = c(TRUE, FALSE, FALSE)), case("gaussian_x", E = 2), case("laplace_x"), case("cauchy_x"))
}

# Numbers of rows for which arithmetic is the limit, and M = 1, for which memory bandwidth is
threads_cases <- function(quick) {
  if (quick) return(rbind(case("gaussian", M = 5000), case("gaussian", M = 1, N = 5e6)))
  rbind(case("gaussian", D = c(3, 10, 100, 784)), case("gaussian", E = 64, M = 3000), case("gaussian_x"),
        case("laplace"), case("logsumexp"), case("softmax", D = 64, E = 64), case("nearest", D = c(3, 64, 784)), case("gaussian", M = 1, N = 1e7))
}

memory_cases <- function(quick) {
  if (quick) return(case("gaussian", M = 5000, D = c(3, 100)))
  rbind(case("gaussian", M = 1e5, N = 1e4), case("gaussian", M = 1e4, N = 1e5), case("gaussian", M = 1, N = 1e7), case("gaussian", M = 1e6, N = 30),
        case("gaussian", D = c(100, 1000), M = 5000), case("gaussian", E = 512, M = 5000), case("gaussian_x", D = 100, M = 5000),
        case("softmax", D = 64, M = c(1e4, 1e5), N = c(1e4, 300), E = 64), case("nearest", D = c(3, 784), M = 5000),
        case("kmin100", M = c(1e4, 1e5), N = c(1e4, 300)), case("logsumexp", M = 2e4))
}

# A fine sweep with genred alone: `by` is the size that varies
sweep_cases <- function(quick) {
  D <- c(1:20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 100, 112, 128, 160, 200, 256, 320, 400, 512, 640, 784, 1000)
  if (quick) D <- D[c(1:10, 15, 20, 25, 30, 35, 40)]
  E <- D[D <= 512]
  n <- if (quick) 1500 else 3000
  rbind(cbind(case("gaussian", D = D, M = n), by = "D"), cbind(case("gaussian", E = E, M = n), by = "E"))
}

# `block`: points of a block
ranges_cases <- function(quick) {
  cbind(case("gaussian", M = if (quick) 3e4 else 1e5, expert = TRUE), block = c(1000, 300, 100, 32), threads = 2)
}

mij_cases <- function(quick) {
  n <- if (quick) 3000 else 1e4
  data.frame(M = n, N = n, axis = c(1, 0))
}

# `elements`: of the batch, each a problem of M x N points
batches_cases <- function(quick) {
  elements <- if (quick) 1000 else c(1000, 10000, 100)
  cbind(case("gaussian", M = c(50, 16, 158)[seq_along(elements)]), elements = elements)
}

# In the order of printing.  `peers`: whether processes of other software must be running.
families <- list(
  dimension = list(title = "Dimension sweep: Gaussian kernel, one signal", cases = dimension_cases, run = "compare", peers = TRUE),
  signals = list(title = "Signal sweep: Gaussian kernel, D = 3", cases = signals_cases, run = "compare", peers = TRUE),
  shapes = list(title = "Shapes: few rows, few columns, neither", cases = shapes_cases, run = "compare", peers = TRUE),
  reductions = list(title = "Reductions", cases = reductions_cases, run = "compare", peers = TRUE),
  kernels = list(title = "Kernels, D = 3", cases = kernels_cases, run = "compare", peers = TRUE),
  gradients = list(title = "Gradients by x", cases = gradients_cases, run = "compare", peers = TRUE),
  sweep = list(title = "Steps: neighbours in a fine sweep, genred alone", cases = sweep_cases, run = "sweep", peers = FALSE),
  threads = list(title = "Threads: one against two, genred alone", cases = threads_cases, run = "threads", peers = FALSE),
  ranges = list(title = "Block-sparse: 5 % of the pairs kept, two threads", cases = ranges_cases, run = "ranges", peers = TRUE),
  mij = list(title = "Variables of pairs: a plain sum of the matrix is the limit, genred alone", cases = mij_cases, run = "mij", peers = FALSE),
  batches = list(title = "Batches: many small problems beside one with as many pairs, two threads, genred alone", cases = batches_cases, run = "batches", peers = FALSE),
  memory = list(title = "Memory: peak beyond inputs and outputs, in a process of its own", cases = memory_cases, run = "memory", peers = FALSE),
  latency = list(title = "Latency: 10 x 10 points, one thread", cases = function(quick) data.frame(), run = "latency", peers = FALSE)
)
