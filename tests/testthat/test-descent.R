# Descents that use genred_grad() end at the minimum that an independent optimizer finds without
# genred and without a gradient.

test_that("the bandwidth of a leave-one-out likelihood", {
  x <- datasets::faithful$eruptions
  n <- length(x)
  id <- seq_len(n)

  loo <- Genred("-SqDist(X,Y) / (2 * Square(H)) - 1e300 * (I == J)",
                c("H = Pm(1)", "X = Vi(1)", "Y = Vj(1)", "I = Vi(1)", "J = Vj(1)"), "LogSumExp", axis = 1, dtype = "float64")
  by_h <- genred_grad(loo, "H")
  value <- function(l) sum(loo(exp(l), x, x, id, id)) - n * (log(n - 1) + l + log(2 * pi) / 2)
  slope <- function(l) drop(by_h(exp(l), x, x, id, id, rep(1, n))) * exp(l) - n
  found <- optim(log(stats::bw.nrd0(x)), value, slope, method = "BFGS", control = list(fnscale = -1, reltol = 1e-13))

  dense <- function(h) {
    k <- dnorm(outer(x, x, "-"), sd = h)
    diag(k) <- 0
    sum(log(rowSums(k) / (n - 1)))
  }
  expected <- optimize(dense, c(0.05, 0.5), maximum = TRUE, tol = 1e-8)

  expect_equal(found$convergence, 0L)
  expect_equal(value(log(0.2)), dense(0.2), tolerance = 1e-12)
  expect_equal(found$value, expected$objective, tolerance = 1e-10)
  expect_equal(exp(found$par), expected$maximum, tolerance = 1e-5)
  expect_lt(abs(slope(found$par)), 1e-3)
  expect_gt(abs(slope(log(stats::bw.nrd0(x)))), 10) # there was a way to go
})

test_that("the bandwidth matrix of a leave-one-out likelihood, three parameters", {
  x <- scale(as.matrix(datasets::faithful))[seq(1, 272, by = 3), ]
  n <- nrow(x)
  id <- seq_len(n)

  loo <- Genred("-WeightedSqDist(A,X,Y) / 2 - 1e300 * (I == J)",
                c("A = Pm(4)", "X = Vi(2)", "Y = Vj(2)", "I = Vi(1)", "J = Vj(1)"), "LogSumExp", axis = 1, dtype = "float64")
  by_a <- genred_grad(loo, "A")
  lower <- function(t) matrix(c(exp(t[1]), t[2], 0, exp(t[3])), 2)
  value <- function(t) sum(loo(c(tcrossprod(lower(t))), x, x, id, id)) + n * (t[1] + t[3] - log(2 * pi) - log(n - 1))
  gradient <- function(t) {
    l <- lower(t)
    g <- matrix(by_a(c(tcrossprod(l)), x, x, id, id, rep(1, n)), 2)
    g <- (g + t(g)) %*% l
    c(g[1, 1] * l[1, 1] + n, g[2, 1], g[2, 2] * l[2, 2] + n)
  }
  start <- c(1, 0, 1)
  found <- optim(start, value, gradient, method = "BFGS", control = list(fnscale = -1, reltol = 1e-13))

  dense <- function(t) {
    k <- exp(-as.matrix(dist(x %*% lower(t)))^2 / 2)
    diag(k) <- 0
    sum(log(rowSums(k))) + n * (t[1] + t[3] - log(2 * pi) - log(n - 1))
  }
  # without a gradient: the simplex, twice
  expected <- list(par = start)
  for (round in 1:2) expected <- optim(expected$par, dense, control = list(fnscale = -1, reltol = 1e-12, maxit = 400))

  expect_equal(found$convergence, 0L)
  expect_equal(found$value, expected$value, tolerance = 1e-9)
  expect_equal(found$par, expected$par, tolerance = 1e-3)
  expect_lt(max(abs(gradient(found$par))), 1e-2)
})

test_that("a point cloud moved onto another by the energy distance", {
  target <- unname(scale(as.matrix(datasets::faithful)))[seq(1, 272, by = 14), ] # 20 points
  n <- nrow(target)
  start <- cbind(cos(1:n), sin(1:n)) * 0.5

  # 2 E|x - y| - E|x - x'|, smooth near 0
  distance <- Genred("Sqrt(SqDist(X,Y) + 0.01)", c("X = Vi(2)", "Y = Vj(2)"), axis = 1, dtype = "float64")
  by_x <- genred_grad(distance, "X")
  by_y <- genred_grad(distance, "Y")
  cloud <- function(v) matrix(v, ncol = 2)
  value <- function(v) {
    x <- cloud(v)
    (2 * sum(distance(x, target)) - sum(distance(x, x))) / n^2
  }
  gradient <- function(v) {
    x <- cloud(v)
    e <- rep(1, n)
    c(2 * by_x(x, target, e) - by_x(x, x, e) - by_y(x, x, e)) / n^2 # x is in the second term twice
  }
  control <- list(reltol = 1e-12, maxit = 1000)
  found <- optim(c(start), value, gradient, method = "BFGS", control = control)

  dense <- function(v) {
    x <- cloud(v)
    (2 * sum(sqrt(sq_dist(x, target) + 0.01)) - sum(sqrt(sq_dist(x, x) + 0.01))) / n^2
  }
  expected <- optim(c(start), dense, method = "BFGS", control = control) # by differences

  expect_equal(value(c(start)), dense(c(start)), tolerance = 1e-12)
  least <- dense(c(target)) # the minimum is the target itself, in some order
  expect_equal(found$convergence, 0L)
  expect_equal(found$value, expected$value, tolerance = 1e-6)
  expect_equal(found$value, least, tolerance = 1e-6)
  expect_gt(value(c(start)) - least, 0.1)
  expect_lt(max(abs(gradient(found$par))), 1e-4)
  nearest <- function(x) apply(sq_dist(target, cloud(x)), 1, min)
  expect_lt(sqrt(max(nearest(found$par))), 0.05)
  expect_lt(sqrt(max(nearest(expected$par))), 0.05)
})
