# Lazy tensors: expressions from the documentation and the galleries of PyKeOps and RKeOps, line by
# line, against dense base R.  Arrays M x N x D of all pairs stand for the tensors there.

M <- 6
N <- 8
x <- points(M, 3, 1)
y <- points(N, 3, 2)
u <- points(M, 4, 3)
v <- points(N, 4, 4)
p <- abs(points(M, 1, 5)) + 0.2
q <- abs(points(N, 1, 6)) + 0.2
z <- matrix(complex(real = points(M, 2, 7), imaginary = points(M, 2, 8)), M)
w <- matrix(complex(real = points(N, 2, 9), imaginary = points(N, 2, 10)), N)

# All pairs of the rows of x (of y), as arrays.
di <- function(x) array(x[rep(seq_len(M), N), ], c(M, N, ncol(x)))
dj <- function(y) array(y[rep(seq_len(N), each = M), ], c(M, N, ncol(y)))
total <- function(a) array(rowSums(a, dims = 2), c(dim(a)[1:2], 1))
wide <- function(a, d) array(a, c(dim(a)[1:2], d)) # of one component
row_vector <- function(v) array(rep(v, each = M * N), c(M, N, length(v)))
bind <- function(a, b) array(c(a, b), c(M, N, dim(a)[3] + dim(b)[3]))

tensors <- function(dtype = "float64") {
  list(xi = Vi(x, dtype), yj = Vj(y, dtype), ui = Vi(u, dtype), vj = Vj(v, dtype), pi_ = Vi(p, dtype), qj = Vj(q, dtype),
       zi = Vi(z, dtype), wj = Vj(w, dtype))
}

arrays <- list(xi = di(x), yj = dj(y), ui = di(u), vj = dj(v), pi_ = di(p), qj = dj(q), zi = di(z), wj = dj(w))

# Pairs of an expression of tensors and the same of arrays.
expressions <- as.list(quote(list(
  # first steps: distances and kernels
  list(sum((xi - yj)^2, "k"), total((xi - yj)^2)),
  list(sqdist(xi, yj), total((xi - yj)^2)),
  list(sqnorm2(xi - yj), total((xi - yj)^2)),
  list(norm2(xi - yj), sqrt(total((xi - yj)^2))),
  list(exp(-sqdist(xi, yj)), exp(-total((xi - yj)^2))),
  list(exp(-sqdist(xi, yj) / (2 * 0.7^2)), exp(-total((xi - yj)^2) / (2 * 0.7^2))),
  list(exp(-sqrt(sum((xi - yj)^2, "k"))), exp(-sqrt(total((xi - yj)^2)))),
  list(1 / (1 + sqdist(xi, yj)), 1 / (1 + total((xi - yj)^2))),
  list(inv(1 + sqdist(xi, yj)), 1 / (1 + total((xi - yj)^2))),
  list(rsqrt(1 + sqdist(xi, yj)), 1 / sqrt(1 + total((xi - yj)^2))),
  list((xi | yj), total(xi * yj)),
  list((xi | yj)^2, total(xi * yj)^2),
  list((1 + (xi | yj))^3, (1 + total(xi * yj))^3),
  list(tanh(0.1 * (xi | yj) + 1), tanh(0.1 * total(xi * yj) + 1)),
  list(sum(abs(xi - yj), "k"), total(abs(xi - yj))),
  list(exp(-sum(abs(xi - yj), "k") / 0.5), exp(-total(abs(xi - yj)) / 0.5)),
  list(max(abs(xi - yj), "k"), wide(apply(abs(xi - yj), 1:2, max), 1)),
  list(min(xi * yj, "k"), wide(apply(xi * yj, 1:2, min), 1)),
  list(argmax(xi * yj, "k"), wide(apply(xi * yj, 1:2, which.max), 1)),
  list(argmin(xi * yj, "k"), wide(apply(xi * yj, 1:2, which.min), 1)),
  list((normalize(xi) | normalize(yj)), total(xi * yj) / sqrt(total(xi^2) * total(yj^2))),
  list(weightedsqdist(xi, yj, c(1, 2, 0.5)), total(row_vector(c(1, 2, 0.5)) * (xi - yj)^2)),
  list(weightedsqdist(xi, yj, 0.3), 0.3 * total((xi - yj)^2)),
  list(weightedsqnorm(xi - yj, qj), total(wide(qj, 3) * (xi - yj)^2)),
  # the tutorial on supported formulas
  list(cos(abs(xi)^1.5 + yj / pi_) - (xi | yj) + xi[3] * relu(qj) * yj,
       cos(abs(xi)^1.5 + yj / wide(pi_, 3)) - wide(total(xi * yj), 3) + wide(xi[, , 3], 3) * wide(qj, 3) * yj),
  list(-1.6 * sum((pi_ * xi - yj)^2, "k") / (1 + qj^2), -1.6 * total((wide(pi_, 3) * xi - yj)^2) / (1 + qj^2)),
  list(sqnorm2(xi[1:2] * yj[2:3] - xi[2:3] * yj[1:2]), total((xi[, , 1:2] * yj[, , 2:3] - xi[, , 2:3] * yj[, , 1:2])^2)),
  list(abs(xi | yj)^1.5, abs(total(xi * yj))^1.5),
  list(sum(exp(-sqdist(xi, yj) / c(0.5, 1, 2, 4)^2), "k"),
       total(exp(-wide(total((xi - yj)^2), 4) / row_vector(c(0.5, 1, 2, 4)^2)))),
  list(Reduce(function(a, s) a + exp(-sqdist(xi, yj) / s^2), c(0.5, 1, 2), 0),
       Reduce(function(a, s) a + exp(-total((xi - yj)^2) / s^2), c(0.5, 1, 2), 0)),
  # functions, one by one
  list(square(xi) + sqrt(abs(yj)), xi^2 + sqrt(abs(yj))),
  list(log(pi_ * qj), log(pi_ * qj)),
  list(log(pi_, 3) + log2(qj) + log10(pi_) + log1p(qj) + expm1(pi_), log(pi_, 3) + log2(qj) + log10(pi_) + log1p(qj) + expm1(pi_)),
  list(xlogx(pi_) * qj, pi_ * log(pi_) * qj),
  list(sinxdivx(xi - yj), sin(xi - yj) / (xi - yj)),
  list(sin(xi) * cos(yj) + tan(pi_), sin(xi) * cos(yj) + wide(tan(pi_), 3)),
  list(asin(xi / 10) + acos(yj / 10) + atan(xi), asin(xi / 10) + acos(yj / 10) + atan(xi)),
  list(atan2(xi, yj), atan2(xi, yj)),
  list(sinh(xi) + cosh(yj) + asinh(xi) + acosh(pi_ + 1) + atanh(yj / 10),
       sinh(xi) + cosh(yj) + asinh(xi) + wide(acosh(pi_ + 1), 3) + atanh(yj / 10)),
  list(sinpi(xi) + cospi(yj), sinpi(xi) + cospi(yj)),
  list(sign(xi) * (yj >= 0), sign(xi) * (yj >= 0)),
  list(relu(xi - yj), pmax(xi - yj, 0)),
  list(clamp(xi - yj, -0.5, 1), pmin(pmax(xi - yj, -0.5), 1)),
  list(minimum(xi, yj) + 2 * maximum(xi, 0.1), array(pmin(xi, yj) + 2 * pmax(xi, 0.1), dim(xi))),
  list(ifelse(xi >= 0, yj, -1), ifelse(xi >= 0, yj, -1)),
  list(ifelse(sqdist(xi, yj) < 4 & (xi | yj) > 0, 1, 0), (total((xi - yj)^2) < 4 & total(xi * yj) > 0) * 1),
  list(mod(xi, 0.7, 0.2), xi - 0.7 * floor((xi - 0.2) / 0.7)),
  list((xi - yj) %% 0.7 + (xi - yj) %/% 0.7, (xi - yj) %% 0.7 + (xi - yj) %/% 0.7),
  list(round(xi * yj, 2), sign(xi * yj) * floor(abs(xi * yj) * 100 + 0.5) / 100),
  list(floor(xi) + ceiling(yj) + trunc(3 * xi) + round(4 * yj), floor(xi) + ceiling(yj) + trunc(3 * xi) + round(4 * yj)),
  list(erf(xi - yj) + erfc(xi), 2 * pnorm((xi - yj) * sqrt(2)) - 1 + 2 * pnorm(xi * sqrt(2), lower.tail = FALSE)),
  list(lgamma(pi_) + digamma(qj) + trigamma(pi_ + qj), lgamma(pi_) + digamma(qj) + trigamma(pi_ + qj)),
  list(pnorm(xi, yj, 2) + dnorm(xi, yj, 0.5) + plogis(xi - yj), pnorm(xi, yj, 2) + dnorm(xi, yj, 0.5) + plogis(xi - yj)),
  list(pnorm(xi, lower.tail = FALSE) + plogis(yj, log.p = TRUE) + dnorm(xi, log = TRUE),
       pnorm(xi, lower.tail = FALSE) + plogis(yj, log.p = TRUE) + dnorm(xi, log = TRUE)),
  list(sigmoid(xi) * softplus(yj) + hypot(xi, yj), plogis(xi) * log1p(exp(yj)) + sqrt(xi^2 + yj^2)),
  list(2^xi + pi_^qj + xi^-2, 2^xi + wide(pi_^qj, 3) + xi^-2),
  # components, vectors, matrices stored row by row
  list(concat(xi, yj[2], pi_), bind(bind(xi, yj[, , 2, drop = FALSE]), pi_)),
  list(xi[c(3, 1)] - yj[-2], xi[, , c(3, 1)] - yj[, , -2]),
  list(one_hot(ceiling(clamp(pi_, 0.1, 3)), 3) * yj, outer(ceiling(pmin(pmax(pi_[, , 1], 0.1), 3)), 1:3, "==") * yj),
  list(matvecmult(ui, vj[1:2]), bind(ui[, , 1, drop = FALSE] * vj[, , 1, drop = FALSE] + ui[, , 2, drop = FALSE] * vj[, , 2, drop = FALSE],
                                    ui[, , 3, drop = FALSE] * vj[, , 1, drop = FALSE] + ui[, , 4, drop = FALSE] * vj[, , 2, drop = FALSE])),
  list(vecmatmult(vj[1:2], ui), bind(ui[, , 1, drop = FALSE] * vj[, , 1, drop = FALSE] + ui[, , 3, drop = FALSE] * vj[, , 2, drop = FALSE],
                                    ui[, , 2, drop = FALSE] * vj[, , 1, drop = FALSE] + ui[, , 4, drop = FALSE] * vj[, , 2, drop = FALSE])),
  list(tensorprod(xi, yj[1:2]), xi[, , c(1, 1, 2, 2, 3, 3)] * yj[, , c(1, 2, 1, 2, 1, 2)]),
  list(tensorprod(xi - yj, xi - yj), (xi - yj)[, , rep(1:3, each = 3)] * (xi - yj)[, , rep(1:3, 3)]),
  list(kron(xi, yj, 3, 3), xi[, , rep(1:3, each = 3)] * yj[, , rep(1:3, 3)]),
  list(tensordot(ui, vj, c(2, 2), c(2, 2), 2, 1),
       bind(bind(total(ui[, , 1:2] * vj[, , c(1, 3)]), total(ui[, , 1:2] * vj[, , c(2, 4)])),
            bind(total(ui[, , 3:4] * vj[, , c(1, 3)]), total(ui[, , 3:4] * vj[, , c(2, 4)])))),
  # conditions
  list((xi < yj) + (xi <= yj) * 2 + (xi > yj) * 4 + (xi >= yj) * 8 + (xi == xi) * 16 + (xi != yj) * 32,
       (xi < yj) + (xi <= yj) * 2 + (xi > yj) * 4 + (xi >= yj) * 8 + 16 + 32),
  list(!(xi < yj) | (xi < 0 & yj > 0), !(xi < yj) | (xi < 0 & yj > 0)),
  # complex tensors
  list(zi * wj, zi * wj),
  list(zi + 2i * wj - 1, zi + 2i * wj - 1),
  list(zi / wj + wj / 2 + 1 / zi, zi / wj + wj / 2 + 1 / zi),
  list(exp(1i * (xi | yj)), exp(1i * total(xi * yj))),
  list(exp1j(xi | yj) * pi_, exp(1i * total(xi * yj)) * pi_),
  list(Re(zi * Conj(wj)), Re(zi * Conj(wj))),
  list(Im(exp(zi + wj)), Im(exp(zi + wj))),
  list(Mod(zi - wj) + Arg(zi * wj) + abs(zi), Mod(zi - wj) + Arg(zi * wj) + Mod(zi)),
  list(real2complex(xi) + imag2complex(yj), xi + 1i * yj),
  list(zi^3 - sum(wj, "k"), zi^3 - wide(total(wj), 2)),
  list(zi[2] * concat(wj, zi), zi[, , c(2, 2, 2, 2)] * bind(wj, zi)))))[-1]

dense_value <- function(pair) {
  value <- eval(pair[[3]], arrays)
  array(value, c(M, N, length(value) / (M * N)))
}

test_that("more than 60 expressions agree with arrays, in double precision, reduced over both indices", {
  expect_gte(length(expressions), 60)
  given <- tensors()
  for (pair in expressions) {
    lazy <- eval(pair[[2]], given, environment())
    dense <- dense_value(pair)
    text <- deparse1(pair[[2]])
    expect_s4_class(lazy, "LazyTensor")
    expect_equal(dim(lazy), c(if (is.na(lazy@rows)) 1 else M, if (is.na(lazy@columns)) 1 else N, if (dim(dense)[3] > 1) dim(dense)[3]),
                 info = text)
    if (is.na(lazy@rows)) dense <- dense[1, , , drop = FALSE]
    if (is.na(lazy@columns)) dense <- dense[, 1, , drop = FALSE]
    over_j <- apply(dense, c(1, 3), sum)
    over_i <- apply(dense, c(2, 3), sum)
    expect_close(sum(lazy, "j"), array(over_j, dim(dense)[-2]), 1e-12, info = text)
    expect_close(sum(lazy, "i"), array(over_i, dim(dense)[-1]), 1e-12, info = text)
    expect_close(sum(lazy, "ij"), rbind(apply(dense, 3, sum)), 1e-12, info = text)
    expect_close(array(as.array(lazy), dim(dense)), dense, 1e-12, info = text)
    expect_close(array(as.array(t(lazy)), dim(dense)[c(2, 1, 3)]), aperm(dense, c(2, 1, 3)), 1e-12, info = text)
  }
})

test_that("single precision is the default, and agrees to its digits", {
  given <- tensors(NULL)
  smooth <- Filter(function(pair) !grepl("%%|floor|ceiling|round|<|sign|mod|arg", deparse1(pair[[2]])), expressions)
  expect_gt(length(smooth), 40)
  for (pair in smooth) {
    lazy <- eval(pair[[2]], given, environment())
    dense <- dense_value(pair)
    if (is.na(lazy@rows) || is.na(lazy@columns)) next
    expect_close(sum(lazy, "j"), array(apply(dense, c(1, 3), sum), dim(dense)[-2]), 2e-5, info = deparse1(pair[[2]]))
  }
})

D <- sqdist(Vi(x, "float64"), Vj(y))
dense <- sq_dist(x, y)

test_that("totals have R's meaning", {
  K <- exp(-D / 2)
  k <- exp(-dense / 2)
  expect_close(sum(K), sum(k), 1e-13)
  expect_close(mean(K), mean(k), 1e-13)
  expect_close(prod(K), prod(k), 1e-12)
  expect_close(min(K), min(k), 1e-13)
  expect_close(max(K), max(k), 1e-13)
  expect_close(range(K), range(k), 1e-13)
  expect_identical(any(K > 0.5), any(k > 0.5))
  expect_identical(all(K > 0.5), all(k > 0.5))
  expect_identical(all(K > 0), TRUE)
  holes <- log(D - 2) # NaN below 2
  with_holes <- suppressWarnings(log(dense - 2))
  expect_true(is.nan(sum(holes)) && is.nan(min(holes)) && is.nan(max(holes)) && all(is.nan(range(holes))))
  expect_close(sum(holes, na.rm = TRUE), sum(with_holes, na.rm = TRUE), 1e-12)
  expect_close(range(holes, na.rm = TRUE), range(with_holes, na.rm = TRUE), 1e-12)
  expect_close(min(holes, na.rm = TRUE), min(with_holes, na.rm = TRUE), 1e-12)
  expect_close(rowMeans(holes, na.rm = TRUE), rowMeans(with_holes, na.rm = TRUE), 1e-12)
  expect_close(mean(holes, na.rm = TRUE), mean(with_holes, na.rm = TRUE), 1e-12)
  expect_close(mean(holes, "i", na.rm = TRUE), matrix(colMeans(with_holes, na.rm = TRUE)), 1e-12)
  expect_true(is.nan(mean(holes)))
})

test_that("NaN in comparisons, choices and limits is as in R", {
  a <- c(NaN, 1, 2, Inf)
  expect_identical(sum(minimum(Vi(a), 1.5), "j")[, 1], pmin(a, 1.5))
  expect_identical(sum(maximum(1.5, Vi(a)), "j")[, 1], pmax(1.5, a))
  expect_identical(as.matrix(minimum(Vi(a), Vj(a))), outer(a, a, pmin))
  expect_identical(as.matrix(maximum(Vi(a), Vj(a))), outer(a, a, pmax))
  expect_identical(sum(clamp(Vi(a), 0, 1), "j")[, 1], pmin(a, 1))
})

test_that("reductions over one index", {
  expect_close(min(D, "j"), matrix(apply(dense, 1, min)), 1e-13)
  expect_close(max(D, "i"), matrix(apply(dense, 2, max)), 1e-13)
  expect_close(range(D, "j")$max, matrix(apply(dense, 1, max)), 1e-13)
  expect_close(mean(D, "j"), matrix(rowMeans(dense)), 1e-13)
  expect_identical(any(D < 0.5, "j"), matrix(apply(dense < 0.5, 1, any)))
  expect_identical(all(D < 9, "i"), matrix(apply(dense < 9, 2, all)))
  expect_identical(argmin(D, "j"), matrix(apply(dense, 1, which.min)))
  expect_identical(argmax(D, "i"), matrix(apply(dense, 2, which.max)))
  expect_close(kmin(D, 3, "j"), t(apply(dense, 1, sort))[, 1:3], 1e-13)
  expect_identical(argkmin(D, 3, "j"), t(apply(dense, 1, order))[, 1:3])
  expect_close(kmax(D, 2, "i"), t(apply(dense, 2, sort, decreasing = TRUE))[, 1:2], 1e-13)
  expect_identical(argkmax(D, 2, "i"), t(apply(-dense, 2, order))[, 1:2])
  expect_close(logsumexp(D, "j"), matrix(log(rowSums(exp(dense)))), 1e-13)
  expect_close(logsumexp(D, "j", weight = q), log(exp(dense) %*% q), 1e-13)
  expect_close(logsumexp(D, "j", weight = (Vi(x) - Vj(y))^2), log(apply(wide(exp(dense), 3) * (di(x) - dj(y))^2, c(1, 3), sum)), 1e-12)
  expect_close(softmax(-D, y), exp(-dense) %*% y / rowSums(exp(-dense)), 1e-13)
  expect_close(softmax(-D, Vi(x) - Vj(y)), apply(wide(exp(-dense), 3) * (di(x) - dj(y)), c(1, 3), sum) / rowSums(exp(-dense)), 1e-12)
  expect_close(softmax(-D, x, "i"), crossprod(exp(-dense), x) / colSums(exp(-dense)), 1e-13)
  expect_close(reduce(D, "Var", "j"), matrix(apply(dense, 1, var)), 1e-12)
  both <- reduce(D, "Min_ArgMin", "j")
  expect_close(both$value, matrix(apply(dense, 1, min)), 1e-13)
  expect_identical(both$index, matrix(apply(dense, 1, which.min)))
  expect_identical(dim(reduce(Vi(x) - Vj(y), "KMin", "j", k = 2)), as.integer(c(M, 2, 3)))
  expect_close(sum(D, "j", backend = "interpreter"), matrix(rowSums(dense)), 1e-13)
  blocks <- group_ranges(rep(1:2, c(3, 3)), rep(1:2, 4))
  same <- outer(rep(1:2, c(3, 3)), rep(1:2, 4), "==")
  expect_close(sum(D, "j", ranges = blocks), matrix(rowSums(dense * same)), 1e-13)
  expect_close(sum(D, index = "i"), matrix(colSums(dense)), 1e-13)
  expect_close(sum(Vi(x), "j"), x, 1e-6)
})

test_that("tutorials: k-means, mixtures, attention, transport, registration", {
  # K-means: one assignment and one update
  centres <- y[1:3, ]
  label <- argmin(sqdist(Vi(x, "float64"), Vj(centres)), "j")
  expect_identical(label, matrix(apply(sq_dist(x, centres), 1, which.min)))
  # the sum of all points of a class: classes as j
  classes <- matrix(1:3)
  inside <- Vi(label) == Vj(classes)
  expect_close(sum(inside * Vi(x, "float64"), "i"), t(sapply(1:3, function(k) colSums(x[label == k, , drop = FALSE]))), 1e-13)
  # a Gaussian mixture with full covariances, one matrix per class
  gamma <- matrix(c(2, 0.5, 0.5, 1), nrow(y), 4, byrow = TRUE)
  mu <- y[, 1:2]
  log_likelihood <- logsumexp(-weightedsqdist(Vi(x[, 1:2], "float64"), Vj(mu), Vj(gamma)), "j", weight = Vj(q))
  S <- matrix(c(2, 0.5, 0.5, 1), 2)
  e <- sapply(seq_len(N), function(j) rowSums((t(t(x[, 1:2]) - mu[j, ]) %*% S) * t(t(x[, 1:2]) - mu[j, ])))
  expect_close(log_likelihood, log(exp(-e) %*% q), 1e-12)
  # attention
  expect_close(softmax((Vi(x, "float64") | Vj(y)) / sqrt(3), v), exp(x %*% t(y) / sqrt(3)) %*% v / rowSums(exp(x %*% t(y) / sqrt(3))), 1e-13)
  # a step of Sinkhorn's algorithm
  eps <- 0.1
  f <- points(M, 1, 11)
  g <- points(N, 1, 12)
  C <- D / 2
  expect_close(-eps * logsumexp((Vj(g) - C) / eps + log(1 / N), "j"),
               matrix(-eps * apply(t(c(g) - t(dense / 2)) / eps + log(1 / N), 1, function(r) max(r) + log(sum(exp(r - max(r)))))), 1e-12)
  expect_close(sum(exp((Vi(f) + Vj(g) - C) / eps) * C), sum(exp((outer(c(f), c(g), "+") - dense / 2) / eps) * dense / 2), 1e-11)
  # the Hamiltonian of a registration, and its gradient
  H <- exp(-sqdist(Vi(x, "float64"), Vj(x)) / 0.5) * (Vi(x) | Vj(x))
  h <- exp(-sq_dist(x, x) / 0.5) * tcrossprod(x)
  expect_close(0.5 * sum(H), 0.5 * sum(h), 1e-13)
  # local principal components: a tensor product per pair
  window <- exp(-D / 0.5)
  local <- sum(window * tensorprod(Vj(y) - Vi(x), Vj(y) - Vi(x)), "j")
  expect_close(local, apply(wide(exp(-dense / 0.5), 9) * (dj(y) - di(x))[, , rep(1:3, each = 3)] * (dj(y) - di(x))[, , rep(1:3, 3)],
                            c(1, 3), sum), 1e-12)
  # Nadaraya-Watson smoothing
  expect_close((exp(-D) %*% q) / rowSums(exp(-D)), exp(-dense) %*% q / rowSums(exp(-dense)), 1e-12)
})

test_that("a statistician's afternoon", {
  a <- points(60, 2, 51)
  b <- points(50, 2, 52) + 0.5
  n <- nrow(a)
  # density
  h <- 0.4
  density <- rowMeans(dnorm(Vi(b[, 1], "float64"), Vj(a[, 1]), h))
  expect_close(density, sapply(b[, 1], function(at) mean(dnorm(at, a[, 1], h))), 1e-13)
  # regression
  response <- sin(a[, 1]) + a[, 2]
  weights <- -sqdist(Vi(b, "float64"), Vj(a)) / (2 * h^2)
  w <- exp(-sq_dist(b, a) / (2 * h^2))
  expect_close(softmax(weights, response), w %*% response / rowSums(w), 1e-13)
  # neighbours, and a vote among them
  nearest <- argkmin(sqdist(Vi(b, "float64"), Vj(a)), 3)
  expect_identical(nearest, t(apply(sq_dist(b, a), 1, order))[, 1:3])
  # a two-sample statistic
  kernel <- function(x, y) exp(-sqdist(Vi(x, "float64"), Vj(y)) / 2)
  mmd <- mean(kernel(a, a)) + mean(kernel(b, b)) - 2 * mean(kernel(a, b))
  k <- function(x, y) exp(-sq_dist(x, y) / 2)
  expect_close(mmd, mean(k(a, a)) + mean(k(b, b)) - 2 * mean(k(a, b)), 1e-12)
  # spectral embedding: the normalised matrix is a product of tensors
  S <- kernel(a, a)
  scale <- 1 / sqrt(rowSums(S))
  normalised <- Vi(scale) * S * Vj(scale)
  s <- k(a, a) * tcrossprod(1 / sqrt(rowSums(k(a, a))))
  u <- eigen(s)$vectors[, 2]
  expect_close(normalised %*% u, matrix(eigen(s)$values[2] * u), 1e-12)
  # a bandwidth by leave-one-out likelihood, with its gradient
  log_kernel <- -sqdist(Vi(a, "float64"), Vj(a)) * Pm(1) - 1e300 * (Vi(1:n) == Vj(1:n))
  loo <- as_genred(log_kernel, "LogSumExp", data = TRUE)
  data <- attr(loo, "data")
  by_p <- genred_grad(loo, "p")
  at <- function(op, rate, ...) {
    data$p <- rate
    do.call(op, c(unname(data), list(...)))
  }
  criterion <- function(l) -sum(at(loo, exp(l))) - n * l
  slope <- function(l) -drop(at(by_p, exp(l), rep(1, n))) * exp(l) - n
  best <- optim(0, criterion, slope, method = "BFGS")
  expect_identical(best$convergence, 0L)
  dense_criterion <- function(l) {
    e <- exp(-exp(l) * sq_dist(a, a))
    diag(e) <- 0
    -sum(log(rowSums(e))) - n * l
  }
  expect_close(best$value, optimize(dense_criterion, c(-5, 5))$objective, 1e-6)
})

test_that("derivatives by data", {
  xi <- Vi(x, "float64")
  yj <- Vj(y)
  K <- exp(-sqdist(xi, yj))
  k <- exp(-dense)
  expect_close(sum(gradient_by(K, xi), "j"), apply(-2 * wide(k, 3) * (di(x) - dj(y)), c(1, 3), sum), 1e-12)
  expect_close(sum(gradient_by(sin(xi) * yj, xi, yj), "j"), apply(cos(di(x)) * dj(y)^2, c(1, 3), sum), 1e-12)
  expect_close(as.matrix(laplacian(K, xi)), k * (4 * dense - 6), 1e-12)
  expect_close(as.matrix(divergence(K * (xi - yj), xi)), k * (3 - 2 * dense), 1e-12)
  expect_identical(dim(gradient_matrix(xi * yj, yj)), c(M, N, 9))
  by_bandwidth <- Pm(0.7)
  expect_close(sum(gradient_by(exp(-sqdist(xi, yj) / by_bandwidth), by_bandwidth)), sum(exp(-dense / 0.7) * dense / 0.7^2), 1e-12)
})

test_that("the components of B-splines and of warped series", {
  t_i <- matrix(runif(5))
  knots <- c(0, 0, 0, 0.3, 0.6, 1, 1, 1)
  B <- bspline(knots, Vi(t_i, "float64"), 2)
  expect_identical(dim(B), c(5, 1, 5))
  expect_close(sum(B, "j"), splines::splineDesign(knots, t_i, ord = 3), 1e-12)
  expect_identical(dim(soft_dtw(Vi(u), Vj(v), 0.1)), c(M, N))
})

# ---- leaves --------------------------------------------------------------------------------------

arguments <- function(x) vapply(x@leaves, function(leaf) leaf$kind, "")

test_that("the same matrix is one argument, however it is written; numbers are parameters", {
  expect_identical(arguments(sqdist(Vi(x), Vj(y)) * Vi(x)[1] + Vj(y)[2]), c("Vi", "Vj"))
  expect_identical(arguments(Vi(x) + Vi(x + 0)), c("Vi", "Vi")) # equal, but not the same
  expect_identical(arguments(Vi(x) - Vj(x)), c("Vi", "Vj"))
  expect_identical(arguments(Vi(x) * 2 + 2), c("Vi", "Pm", "Pm"))
  s <- 2
  expect_identical(arguments(Vi(x) * s + s), c("Vi", "Pm", "Pm"))
  K <- exp(-D / s)
  expect_identical(arguments(K + K^2), c("Vi", "Vj", "Pm"))
  expect_identical(arguments(Vi(x)^2), "Vi")
  expect_identical(arguments(Vi(x)^0.5), "Vi")
  expect_identical(arguments(Vi(x)^s^0.1), c("Vi", "Pm"))
  expect_identical(as.character(as_genred(Vi(x)^0.5 + Vi(x)^-2)), "Sqrt(x) + x^-2")
})

stored_kernels <- function() sort(list.files(Sys.getenv("GENRED_CACHE_DIR"), recursive = TRUE))

test_that("other data and other numbers are the same operator, and compile nothing", {
  skip_without_compiler()
  evaluate <- function(x, y, s, b) {
    K <- exp(-sqdist(Vi(x), Vj(y)) / (2 * s^2)) + 0.1 * s
    sum(K * Vj(b), "j", backend = "CPU")
  }
  evaluate(x, y, 0.5, q)
  kernels <- stored_kernels()
  for (n in 3:8) {
    a <- points(n, 3)
    b <- points(n + 1, 3)
    got <- evaluate(a, b, n, matrix(1, n + 1))
    expect_close(got, matrix(rowSums(exp(-sq_dist(a, b) / (2 * n^2)) + 0.1 * n)), 1e-5)
  }
  # x and y the same matrix: still the same kernel
  evaluate(x, x, 0.5, p)
  expect_identical(stored_kernels(), kernels)
})

test_that("names of arguments come from the user's variables", {
  expect_identical(names(formals(as_genred(D)))[1:2], c("x", "y"))
  expect_identical(names(formals(as_genred(sqdist(Vi(x), Vj(x)))))[1:2], c("x_i", "x_j"))
  expect_identical(names(formals(as_genred(Vi(x + 1) + Vi(x + 2))))[1:2], c("x", "x_1"))
  backend <- x
  expect_identical(names(formals(as_genred(Vi(backend))))[1], "x")
})

test_that("a tensor is plain data: formula, operator, saved, serialised", {
  K <- exp(-D / 0.5)
  expect_equal(deparse1(formula(K)), "~Exp(-SqDist(x, y)/p)")
  op <- as_genred(K)
  expect_s3_class(op, "Genred")
  expect_identical(op(x, y, 0.5), sum(K, "j"))
  op <- as_genred(K, "LogSumExp", "i", weight = p, data = TRUE)
  expect_identical(do.call(op, attr(op, "data")), logsumexp(K, "i", p))
  expect_s3_class(as_genred(K, dtype = "float32"), "Genred")
  again <- unserialize(serialize(K, NULL))
  expect_identical(sum(again, "j"), sum(K, "j"))
  expect_close(sum(again + K, "j"), 2 * sum(K, "j"), 1e-13) # no longer the same objects
})

test_that("data: vectors, data frames, integers, one row, one column, none", {
  frame <- as.data.frame(x)
  expect_close(sum(sqdist(Vi(frame, "float64"), Vj(y)), "j"), matrix(rowSums(dense)), 1e-13)
  expect_identical(sum(Vi(1:3, "float64") * 2L, "j"), matrix(c(2, 4, 6)))
  expect_identical(sum(Vi(c(a = 1, b = 2)), "j"), matrix(c(1, 2), dimnames = list(c("a", "b"), NULL)))
  expect_identical(dim(Vi(x)), c(M, 1, 3))
  expect_identical(dim(Vi(x[, 1]) + Vj(y[, 1])), c(M, N))
  expect_identical(dim(Pm(1:3)), c(1, 1, 3))
  expect_identical(dim(sum(sqdist(Vi(x[0, ]), Vj(y)), "j")), c(0L, 1L))
  expect_identical(sum(sqdist(Vi(x), Vj(y[0, ])), "j")[, 1], numeric(M))
  expect_identical(LazyTensor(x, "i"), Vi(x))
  expect_identical(LazyTensor(y, "j"), Vj(y))
  expect_identical(LazyTensor(q[, 1]), Pm(q[, 1]))
})

test_that("precision: asked for once, for the expression; conflicting is an error", {
  expect_identical(as_genred(Vi(x, "float64") + Vj(y)) |> operator_dtype(), "float64")
  expect_identical(as_genred(Vi(x) + Vj(y, "float32")) |> operator_dtype(), "float32")
  expect_identical(as_genred(Vi(x)) |> operator_dtype(), "float32")
  with_options(list(genred.dtype = "float64"), expect_identical(as_genred(Vi(x)) |> operator_dtype(), "float64"))
})

test_that("printing", {
  expect_output(print(exp(-D / (2 * 0.5^2))), "<LazyTensor> Exp(-SqDist(x, y) / 0.5)", fixed = TRUE)
  expect_output(print(D), "6 x 8, float64; as a matrix it would take 384 B", fixed = TRUE)
  expect_output(print(Vi(x) - Vj(y)), "6 x 8 x 3", fixed = TRUE)
  expect_output(print(D < 1), "condition")
  expect_output(print(Vi(z)), "complex")
  expect_output(print(Vi(x) * -2), "x * (-2)", fixed = TRUE)
  expect_output(print(Vi(x) * c(1, 2, 3)), "p  Pm(3)  3 numbers", fixed = TRUE)
})

test_that("precedence: what R parsed is what is computed", {
  a <- Vi(x[, 1], "float64")
  b <- Vj(y[, 1])
  A <- matrix(x[, 1], M, N)
  B <- matrix(y[, 1], M, N, byrow = TRUE)
  cases <- as.list(quote(list(
    a - (b - a), (a - b) - a, a / (b / a), a / b / a, -a^2, (-a)^2, -(a + b), a * -b, a - -b, (a + b) * (a - b), -(-a),
    2^-abs(a), (a^2)^3, 2^(a^2), (a < b) * 2 - (a == a), (a < b) < (b < a), !(a < b), -a / -b, a %% 2 * 3, -(a * b)^2, 1 - a,
    (a | b) | a, a | b + a, (a < b | a > 0) * 1)))[-1]
  # of one component the scalar product is the product
  arrays <- list(a = A, b = B, `|` = function(e1, e2) if (is.logical(e1)) e1 | e2 else e1 * e2)
  for (case in cases) {
    got <- as.matrix(eval(case))
    expected <- eval(case, arrays)[seq_len(nrow(got)), seq_len(ncol(got)), drop = FALSE]
    expect_close(got + 0, expected + 0, 1e-12, info = deparse1(case))
  }
})

# ---- batches -------------------------------------------------------------------------------------

test_that("batches: reductions of each element, broadcast where a tensor has one for all", {
  B <- 3
  xs <- array(points(M, 3 * B, 61), c(M, 3, B))
  ys <- array(points(N, 3 * B, 62), c(N, 3, B))
  s <- array(1:3, c(1, 1, B))
  K <- exp(-sqdist(Vi(xs, "float64"), Vj(ys)) / 2)
  expect_identical(dim(K), c(M, N, 1, B))
  got <- sum(K, "j")
  expect_identical(dim(got), as.integer(c(M, 1, 3)))
  shared <- sum(sqdist(Vi(xs, "float64"), Vj(y)) * Vj(q), "i")
  indices <- argkmin(sqdist(Vi(xs, "float64"), Vj(ys)), 2)
  by_parameter <- sum(sqnorm2(Vi(x, "float64") * Pm(t(ys[1:B, , 1]))), "j")
  for (k in 1:B) {
    d <- sq_dist(xs[, , k], ys[, , k])
    expect_close(got[, 1, k], rowSums(exp(-d / 2)), 1e-13)
    expect_close(shared[, 1, k], colSums(sq_dist(xs[, , k], y)) * q[, 1], 1e-13)
    expect_identical(indices[, , k], t(apply(d, 1, order))[, 1:2])
    expect_close(by_parameter[, 1, k], rowSums(t(t(x) * ys[k, , 1])^2), 1e-13)
  }
  argument <- function(code, words) expect_error(code, words, class = "genred_error_argument")
  argument(sum(K), "needs an index")
  argument(as.matrix(K), "not a matrix")
  argument(K %*% q, "not a matrix")
  argument(K[1, 2], "not a matrix")
  argument(K + Vi(xs[, , 1:2]), "batches of 3 and of 2")
  argument(Vi(xs * 1i), "no batches")
})

# ---- mistakes ------------------------------------------------------------------------------------

test_that("natural mistakes get a clear, classed error", {
  xi <- Vi(x)
  yj <- Vj(y)
  K <- exp(-sqdist(xi, yj))
  argument <- function(code, words) expect_error(code, words, class = "genred_error_argument")
  argument(Vi("a"), "numeric matrix or vector")
  argument(Vi(), "needs the matrix")
  argument(Vi(factor(1:3)), "factor")
  argument(Vi(list(1)), "do.call\\(rbind, x\\)")
  argument(Vi(xi), "lazy tensor already")
  argument(Vi(matrix(0, 3, 0)), "at least one column")
  argument(Vi(x, "double"), "dtype")
  argument(LazyTensor(x, 0), "`index`")
  argument(xi - y, "Vj\\(x\\) that they are indexed by j")
  argument(xi + "1", "vectors of numbers")
  argument(xi + NULL, "NULL")
  argument(xi + Vi(x[1:3, ]), "6 and Vi\\(\\) of 3 rows")
  argument(Vi(x, "float32") + Vj(y, "float64"), "one precision")
  expect_error(xi + Vj(v), "3 and 4 components", class = "genred_error_dimension")
  expect_error(sqdist(xi, Vj(v)), "`sqdist`: tensors of 3 and 4 components", class = "genred_error_dimension")
  expect_error(matvecmult(xi, Vj(v)), class = "genred_error_dimension")
  argument(sqdist(x, y), "Vi\\(x\\) says")
  argument(sum(xi - yj), "needs an index: .k.")
  argument(sum(K, 1), "the index that is reduced")
  argument(sum(K, "x"), "one of .i., .j., .ij., .k.")
  argument(max(K, 0), "maximum\\(x, y\\)")
  argument(sum(K, "j", axis = 1), "no argument `axis`")
  argument(pmin(K, 1), "minimum\\(x, y\\)")
  argument(cumsum(K), "not defined for lazy tensors")
  argument(gamma(K), "lgamma")
  argument(xi[4], "3 components, which count from 1")
  argument(xi[0], "count from 1")
  argument(xi["a"], "x\\[k\\]")
  argument(K | (K < 1), "scalar product between numbers")
  argument(dim(K %*% xi), "one component|not a kernel matrix")
  argument(xi %*% 1:3, "only if it has one component")
  argument(K %*% 1:3, "\\(6 x 8\\) and the other side \\(3 x 1\\)")
  argument(K %*% K, "A %\\*% \\(B %\\*% b\\)")
  argument(K %*% letters[1:8], "vector or matrix of numbers")
  argument(argkmin(K, 0), "`k` must be a whole number")
  argument(argkmin(K), "needs `k`")
  argument(softmax(K), "needs `b`")
  argument(argmin(x), "needs a lazy tensor")
  expect_error(reduce(K, "Summe"), "Summe", class = "genred_error_parse")
  argument(logsumexp(K, "j", weight = 1:3), "rows")
  argument(Vi(z) < 1, "not defined for complex")
  argument(log(Vi(z)), "not defined for complex")
  argument(max(Vi(z), "j"), "complex")
  argument(Vi(z)^0.5, "whole numbers")
  argument(gradient_by(K, K), "a tensor of data")
  argument(K[1, 2, 3], "K\\[i, j\\]")
  argument(K[7, 1], "out of bounds")
})

test_that("nothing of base is masked but by generics with base's own default", {
  skip_unless_installed()
  lines <- fresh_r(c(
    "before <- search()",
    "gained <- setdiff(ls('package:genred'), '')",
    "for (where in c('package:base', 'package:stats', 'package:utils', 'package:graphics', 'package:grDevices', 'package:datasets'))",
    "  for (name in intersect(gained, ls(where))) {",
    "    own <- get(name, 'package:genred')",
    "    same <- is.primitive(own) || methods::is(own, 'genericFunction') && methods::is(own@default, 'derivedDefaultMethod') &&",
    "      paste0('package:', attr(own, 'package')) == where",
    "    if (!same) cat('masked:', name, fill = TRUE)",
    "  }",
    "cat('done', length(gained) > 50, fill = TRUE)"
  ))
  expect_identical(trimws(lines), "done TRUE")
})

# ---- variables of pairs --------------------------------------------------------------------------

test_that("Mij: arrays of pairs in expressions, transposed, selected, and their gradients", {
  cost <- points(M, N, 41)
  layers <- array(points(M, 3 * N, 42), c(M, N, 3))
  C <- Mij(cost, "float64")
  L <- Mij(layers, "float64")
  expect_identical(dim(C), c(M, N))
  expect_identical(dim(L), c(M, N, 3))
  expect_close(sum(C, "j"), matrix(rowSums(cost)), 1e-13)
  expect_close(sum(exp(-D) * C, "i"), matrix(colSums(exp(-dense) * cost)), 1e-13)
  expect_close(as.matrix(exp(-D) * C), exp(-dense) * cost, 1e-13)
  expect_close(as.matrix(t(D * C)), t(dense * cost), 1e-13)
  expect_close((D * C)[c(2, 4), 3:1], (dense * cost)[c(2, 4), 3:1], 1e-13)
  expect_close(diag(D * C), diag(dense * cost), 1e-13)
  expect_close(as.array(L * D), layers * c(dense), 1e-13)
  expect_close(as.array(t(L)), aperm(layers, c(2, 1, 3)), 1e-13)
  expect_close(as.matrix((L * Vi(x))[2]), layers[, , 2] * x[, 2], 1e-13)
  expect_close((C * D) %*% q, (cost * dense) %*% q, 1e-13)
  expect_identical(argmin(C, "j"), matrix(apply(cost, 1, which.min)))
  op <- Genred("C * SqDist(X,Y) * B", c("C = Mij(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(1)"), axis = 1, dtype = "float64")
  expect_close(kernel_matrix(op, cost, x, y) %*% q, (cost * dense) %*% q, 1e-13)
  expect_close(genred_grad(as_genred(C^2 * D), "cost")(cost, x, y, rep(1, M)), 2 * cost * dense, 1e-13)
  expect_error(Mij(1:3), "M x N x d", class = "genred_error_argument")
  expect_error(Mij(cost) + Vi(x[1:2, ]), "rows", class = "genred_error_argument")
})

# ---- numbers of rows and columns -----------------------------------------------------------------

test_that("numbers of rows and columns count from 1, and follow transposes and parts", {
  X <- Vi(x, "float64")
  A <- sqdist(X, Vj(y)) + 100 * IndexI() + 10000 * IndexJ() + 1e6 * IndexDiff()
  i <- row(dense)
  j <- col(dense)
  a <- dense + 100 * i + 10000 * j + 1e6 * (i - j)
  expect_close(sum(A, "j"), matrix(rowSums(a)), 1e-12)
  expect_close(sum(A, "i"), matrix(colSums(a)), 1e-12)
  expect_close(as.matrix(A), a, 1e-12)
  expect_close(as.matrix(t(A)), t(a), 1e-12)
  expect_close(as.matrix(t(t(A))), a, 1e-12)
  expect_close(A[c(3, 1), c(8, 2, 5)], a[c(3, 1), c(8, 2, 5)], 1e-12)
  expect_close(t(A)[c(3, 1), c(6, 2, 5)], t(a)[c(3, 1), c(6, 2, 5)], 1e-12)
  expect_close(diag(A), diag(a), 1e-12)
  expect_close(diag(t(A)), diag(t(a)), 1e-12)
  expect_close(A %*% q, a %*% q, 1e-12)
  others <- replace(sq_dist(x, x), cbind(1:M, 1:M), Inf)
  expect_identical(argmin(ifelse(IndexDiff() == 0, Inf, sqdist(X, Vj(x))), "j"), matrix(apply(others, 1, which.min)))
  expect_close(sum(sqdist(X, Vj(y)) * (abs(IndexDiff()) <= 1), "j"), matrix(rowSums(dense * (abs(i - j) <= 1))), 1e-12)
  expect_output(print(X * IndexDiff()), "x * IndexDiff()", fixed = TRUE)
})

test_that("random numbers depend on the pair and the seed alone", {
  R <- Rand(3) + 0 * D
  r <- as.matrix(R)
  expect_true(all(r > 0 & r < 1) && !anyDuplicated(c(r)))
  expect_identical(as.matrix(Rand(3) + 0 * D), r)
  expect_false(any(as.matrix(Rand(4) + 0 * D) == r))
  expect_close(sum(R, "j"), matrix(rowSums(r)), 1e-13)
  expect_close(sum(R * (D < 2) + Rand(4) - Rand(4), "i"), matrix(colSums(r * (dense < 2))), 1e-12)
  expect_error(t(R), "Rand", class = "genred_error_argument")
  expect_error(R[1, 2], "as.matrix", class = "genred_error_argument")
  expect_error(Rand(), "seed", class = "genred_error_argument")
  expect_error(Rand(0.5), "whole number", class = "genred_error_argument")
})
