# The works: what each side computes, and the exact result.
#
#   formula, reduction, formula2, k    the operator; genred and PyKeOps use the same strings
#   g        the value of the parameter G
#   exact    the same in base R and double precision, as a function of p: a sample of rows x, h, all
#            of y, b, and the squared distances s
#   index    TRUE if the result consists of indices; then distances are compared
#   width    columns of the result, as a function of a case
#   limit    file in bench/limit, compiler flags, and the largest dimension for which it is a
#            ceiling
#
# Variables: X, Y: points; B: signals, by columns; G: a parameter; H: an incoming gradient, by rows.

work <- function(formula, exact, reduction = "Sum", formula2 = NULL, k = NULL, g = 1, index = FALSE,
                 width = function(r) r$E, limit = NULL, flags = character(), limit_to = Inf) {
  list(formula = formula, exact = exact, reduction = reduction, formula2 = formula2, k = k, g = g, index = index,
       width = width, limit = limit, flags = flags, limit_to = limit_to)
}

# A kernel that is a function phi of the squared distance, and its gradient with respect to x, from
# phi'.
radial <- function(formula, phi, ...) work(paste(formula, "* B"), function(p) phi(p$s) %*% p$b, ...)
radial_gradient <- function(formula, slope, ...) {
  exact <- function(p) {
    w <- slope(p$s) * tcrossprod(p$h, p$b)
    2 * (p$x * rowSums(w) - w %*% p$y)
  }
  work(sprintf("Grad(%s * B, X, H)", formula), exact, width = function(r) r$D, ...)
}

# The k smallest values of each row, or their indices; and one extremum of each row
smallest <- function(s, k) t(apply(s, 1L, function(v) sort(v, partial = seq_len(k))[seq_len(k)]))
nearest <- function(s, k) t(apply(s, 1L, function(v) order(v)[seq_len(k)]))
each_row <- function(s, f) matrix(apply(s, 1L, f))

softmax <- function(z) {
  z <- exp(z - apply(z, 1L, max))
  z / rowSums(z)
}

kernels <- c(
  gaussian = "Exp(-G * SqDist(X,Y))",
  laplace = "Exp(-Norm2(X-Y))",
  multiquadric = "Rsqrt(1 + SqDist(X,Y))",
  matern32 = "(1 + G * Norm2(X-Y)) * Exp(-G * Norm2(X-Y))",
  matern52 = "(1 + G * Norm2(X-Y) + G * G * SqDist(X,Y) / 3) * Exp(-G * Norm2(X-Y))",
  cauchy = "Inv(1 + SqDist(X,Y))",
  energy = "(-Norm2(X-Y))"
)
matern32 <- function(s, r = sqrt(3 * s)) (1 + r) * exp(-r)
matern52 <- function(s, r = sqrt(5 * s)) (1 + r + r^2 / 3) * exp(-r)

works <- list(
  gaussian = radial(kernels["gaussian"], function(s) exp(-s), limit = "gaussian.c"),
  laplace = radial(kernels["laplace"], function(s) exp(-sqrt(s)), limit = "pairs.c", flags = "-DKERNEL=LAPLACE"),
  multiquadric = radial(kernels["multiquadric"], function(s) 1 / sqrt(1 + s), limit = "pairs.c", flags = "-DKERNEL=MULTIQUADRIC"),
  matern32 = radial(kernels["matern32"], matern32, g = sqrt(3)),
  matern52 = radial(kernels["matern52"], matern52, g = sqrt(5), limit = "pairs.c", flags = "-DKERNEL=MATERN"),
  cauchy = radial(kernels["cauchy"], function(s) 1 / (1 + s)),
  energy = radial(kernels["energy"], function(s) -sqrt(s)),

  gaussian_x = radial_gradient(kernels["gaussian"], function(s) -exp(-s), limit = "pairs.c", flags = "-DKERNEL=GRADIENT", limit_to = 16),
  laplace_x = radial_gradient(kernels["laplace"], function(s) -exp(-sqrt(s)) / (2 * sqrt(s))),
  cauchy_x = radial_gradient(kernels["cauchy"], function(s) -1 / (1 + s)^2),

  logsumexp = work("-SqDist(X,Y)", function(p) matrix(log(rowSums(exp(-p$s)))), "LogSumExp",
                   limit = "pairs.c", flags = "-DKERNEL=LOGSUMEXP"),
  softmax = work("(X|Y)", function(p) softmax(tcrossprod(p$x, p$y)) %*% p$b, "SumSoftMaxWeight", "B"),
  min = work("SqDist(X,Y)", function(p) each_row(p$s, min), "Min"),
  max = work("SqDist(X,Y)", function(p) each_row(p$s, max), "Max"),
  argmin = work("SqDist(X,Y)", function(p) each_row(p$s, which.min), "ArgMin", index = TRUE, limit = "nearest.c", flags = "-DK=1"),
  nearest = work("SqDist(X,Y)", function(p) nearest(p$s, 10), "ArgKMin", k = 10, index = TRUE, limit = "nearest.c", flags = "-DK=10"),
  kmin100 = work("SqDist(X,Y)", function(p) smallest(p$s, 100), "KMin", k = 100)
)
single <- function(r) 1
for (name in c("logsumexp", "min", "max", "argmin")) works[[name]]$width <- single
for (name in c("nearest", "kmin100")) works[[name]]$width <- local({ k <- works[[name]]$k; function(r) k })

# The variables that a work uses, with their declarations, and their values in the same order.
aliases_of <- function(r) {
  w <- works[[r$work]]
  text <- paste(w$formula, w$formula2)
  used <- vapply(c("G", "X", "Y", "B", "H"), function(v) grepl(paste0("\\b", v, "\\b"), text), NA)
  all <- c(G = "Pm(1)", X = sprintf("Vi(%d)", r$D), Y = sprintf("Vj(%d)", r$D), B = sprintf("Vj(%d)", r$E), H = sprintf("Vi(%d)", r$E))
  all[used]
}
values_of <- function(r, data) data[tolower(names(aliases_of(r)))]

# Squared distances near 1 in any dimension, and weights of one sign, so that there is no
# cancellation.
new_data <- function(r) {
  uniform <- function(n, d) matrix(runif(n * d), n)
  scale <- sqrt(6 / r$D)
  list(x = uniform(r$M, r$D) * scale, y = uniform(r$N, r$D) * scale, b = uniform(r$N, r$E), h = uniform(r$M, r$E),
       g = works[[r$work]]$g)
}

# The argument of `exact`: rows `i` of the data.  Squared distances are computed without
# cancellation or, as users of base R write it, by a matrix product.
rows_of <- function(data, i, by_product = FALSE) {
  p <- list(x = data$x[i, , drop = FALSE], h = data$h[i, , drop = FALSE], y = data$y, b = data$b)
  if (by_product) {
    p$s <- pmax(outer(rowSums(p$x^2), rowSums(p$y^2), "+") - 2 * tcrossprod(p$x, p$y), 0)
  } else {
    p$s <- 0
    for (k in seq_len(ncol(p$x))) p$s <- p$s + outer(p$x[, k], p$y[, k], "-")^2
  }
  p
}

# Largest error of rows `i` of a result, relative to the largest value; for indices, that of their
# distances, rank by rank.
error_of <- function(r, result, i, p, exact = works[[r$work]]$exact(p)) {
  result <- result[i, , drop = FALSE]
  if (works[[r$work]]$index) {
    at <- function(k) matrix(p$s[cbind(c(row(k)), c(k))], nrow(k))
    return(max(abs(at(result) - at(exact))) / max(p$s))
  }
  max(abs(result - exact)) / max(abs(exact))
}

operator_of <- function(r) {
  w <- works[[r$work]]
  aliases <- aliases_of(r)
  Genred(w$formula, paste(names(aliases), "=", aliases), w$reduction, axis = 1, dtype = r$dtype, opt_arg = w$k, formula2 = w$formula2)
}
