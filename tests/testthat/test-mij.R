# Variables of pairs: masks, cost matrices, biases; gradients by them, which are arrays of pairs.

m <- 23
n <- 31
set.seed(4)
x <- matrix(rnorm(3 * m), m)
y <- matrix(rnorm(3 * n), n)
b <- matrix(rnorm(2 * n), n)
cost <- matrix(runif(m * n), m)
scores <- x %*% t(y)

test_that("a mask and a cost are read where the pair is computed, over both axes", {
  mask <- (cost > 0.4) * 1
  for (dtype in c("float32", "float64")) {
    tol <- if (dtype == "float64") 1e-12 else 1e-5
    for (backend in c("CPU", "interpreter")) {
      aliases <- c("x = Vi(3)", "y = Vj(3)", "c = Mij(1)")
      op <- Genred("Exp(x|y) * c", aliases, axis = 1, dtype = dtype)
      expect_equal(op(x, y, mask, backend = backend), cbind(rowSums(exp(scores) * mask)), tolerance = tol)
      expect_equal(op(x, y, mask > 0, backend = backend), cbind(rowSums(exp(scores) * mask)), tolerance = tol)
      op <- Genred("Exp(x|y) * c", aliases, axis = 0, dtype = dtype)
      expect_equal(op(x, y, cost, backend = backend), cbind(colSums(exp(scores) * cost)), tolerance = tol)
      nearest <- Genred("c", "c = Mij(1)", "ArgMin", axis = 1, dtype = dtype)
      expect_identical(nearest(cost, backend = backend), cbind(apply(cost, 1, which.min)))
    }
  }
})

test_that("an array M x N x d has d components, and a position names it inside the formula", {
  layers <- array(rnorm(m * n * 2), c(m, n, 2))
  op <- Genred("Sum(w * b)", c("w = Mij(2)", "b = Vj(2)"), axis = 1, dtype = "float64")
  right <- layers[, , 1] %*% b[, 1] + layers[, , 2] %*% b[, 2]
  expect_equal(op(layers, b), right, tolerance = 1e-12)
  op <- Genred("Sum(Mij(0,2) * Var(1,2,1))", character(), axis = 1, dtype = "float64")
  expect_equal(op(layers, b), right, tolerance = 1e-12)
  op <- Genred("c", "c = Mij(1)", axis = 1, dtype = "float64")
  # of one component the third dimension numbers the elements of a batch
  expect_equal(op(array(cost, c(m, n, 1))), array(rowSums(cost), c(m, 1, 1)), tolerance = 1e-12)
})

test_that("attention with an additive bias matrix is R's", {
  att <- Genred("(x|y) + c", c("x = Vi(3)", "y = Vj(3)", "c = Mij(1)", "b = Vj(2)"), "SumSoftMaxWeight",
                axis = 1, formula2 = "b", dtype = "float64")
  p <- exp(scores + cost)
  p <- p / rowSums(p)
  expect_equal(att(x, y, cost, b), p %*% b, tolerance = 1e-12)
  e <- matrix(rnorm(2 * m), m)
  s <- p %*% b
  expect_equal(genred_grad(att, "c")(x, y, cost, b, e), p * (e %*% t(b) - rowSums(e * s)), tolerance = 1e-11)
  e1 <- rnorm(m)
  lse <- Genred("(x|y) + c", c("x = Vi(3)", "y = Vj(3)", "c = Mij(1)"), "LogSumExp", axis = 1, dtype = "float64")
  expect_equal(genred_grad(lse, "c")(x, y, cost, e1), p * e1, tolerance = 1e-11)
})

# The derivative of sum(e * op(...)) by entry k of an argument.
slope <- function(f, z, k, h = 1e-6) {
  up <- down <- z
  up[k] <- up[k] + h
  down[k] <- down[k] - h
  (f(up) - f(down)) / (2 * h)
}

test_that("the gradient by a Mij is what differences say, for every reduction and both axes", {
  z <- matrix(rnorm(30), 5)
  u <- rnorm(5)
  v <- rnorm(6)
  for (axis in 0:2) {
    for (red in c("Sum", "Mean", "Var", "Prod", "LogSumExp", "SumSoftMaxWeight", "Min", "Max", "KMin", "KMax")) {
      if (axis == 2 && red %in% c("KMin", "KMax", "Min", "Max")) next
      op <- Genred("Sin(c + u) * v + c", c("c = Mij(1)", "u = Vi(1)", "v = Vj(1)"), red, axis = axis,
                   dtype = "float64", opt_arg = if (startsWith(red, "K")) 2,
                   formula2 = if (red == "SumSoftMaxWeight") "c * v")
      value <- op(z, u, v)
      e <- array(rnorm(length(value)), dim(value))
      by_c <- genred_grad(op, "c")
      got <- by_c(z, u, v, if (axis == 2) as.vector(e) else e)
      expect_identical(dim(got), dim(z))
      right <- vapply(seq_along(z), function(k) slope(function(z) sum(e * op(z, u, v)), z, k), 0)
      expect_equal(as.vector(got), right, tolerance = 1e-6, info = paste(red, axis))
    }
  }
})

test_that("a Mij of several components has a gradient of its shape", {
  w <- array(rnorm(5 * 6 * 3), c(5, 6, 3))
  q <- matrix(rnorm(18), 6)
  for (red in c("Sum", "Min")) {
    op <- Genred("SqDist(w, q)", c("w = Mij(3)", "q = Vj(3)"), red, axis = 1, dtype = "float64")
    e <- rnorm(5)
    got <- genred_grad(op, "w")(w, q, e)
    expect_identical(dim(got), dim(w))
    right <- vapply(seq_along(w), function(k) slope(function(w) sum(e * op(w, q)), w, k), 0)
    expect_equal(as.vector(got), right, tolerance = 1e-6)
  }
})

test_that("gradients of gradients by a Mij, and by others of gradients by it, agree with differences", {
  z <- matrix(rnorm(12), 3)
  u <- rnorm(3)
  op <- Genred("Exp(c * u)", c("c = Mij(1)", "u = Vi(1)"), axis = 1, dtype = "float64")
  e <- rnorm(3)
  E <- matrix(rnorm(12), 3)
  by_c <- genred_grad(op, "c")
  right <- exp(z * u) * u * e
  expect_equal(by_c(z, u, e), right, tolerance = 1e-12)
  expect_equal(genred_grad(by_c, "c")(z, u, e, E), right * u * E, tolerance = 1e-12)
  expect_equal(genred_grad(by_c, "u")(z, u, e, E), cbind(rowSums(E * exp(z * u) * (1 + z * u) * e)), tolerance = 1e-12)
  expect_equal(genred_grad(by_c, "e_c")(z, u, e, E), cbind(rowSums(E * exp(z * u) * u)), tolerance = 1e-12)
  by_u <- genred_grad(op, "u")
  f <- function(z) sum(E[, 1] * by_u(z, u, e))
  got <- genred_grad(by_u, "c")(z, u, e, E[, 1])
  expect_equal(as.vector(got), vapply(seq_along(z), function(k) slope(f, z, k), 0), tolerance = 1e-6)
  lse <- Genred("c * u", c("c = Mij(1)", "u = Vi(1)"), "LogSumExp", axis = 1, dtype = "float64")
  by_c <- genred_grad(lse, "c")
  f <- function(z) sum(E * by_c(z, u, e))
  got <- genred_grad(by_c, "c")(z, u, e, E)
  expect_equal(as.vector(got), vapply(seq_along(z), function(k) slope(f, z, k), 0), tolerance = 1e-6)
})

test_that("ranges keep some pairs, in the caller's order, and the gradient is 0 elsewhere", {
  gi <- sample(3, m, TRUE)
  gj <- sample(3, n, TRUE)
  keep <- outer(gi, gj, "==")
  ranges <- group_ranges(gi, gj)
  op <- Genred("Exp(x|y) * c", c("x = Vi(3)", "y = Vj(3)", "c = Mij(1)"), axis = 1, dtype = "float64")
  expect_equal(op(x, y, cost, ranges = ranges), cbind(rowSums(exp(scores) * cost * keep)), tolerance = 1e-12)
  e <- rnorm(m)
  expect_equal(genred_grad(op, "c")(x, y, cost, e, ranges = ranges), exp(scores) * e * keep, tolerance = 1e-12)
  band <- band_ranges(m, n, 3, 4)
  near <- outer(seq_len(m), seq_len(n), function(i, j) j - i >= -3 & j - i <= 4)
  expect_equal(genred_grad(op, "c")(x, y, cost, e, ranges = band), exp(scores) * e * near, tolerance = 1e-12)
})

test_that("mistakes are named", {
  op <- Genred("(x|y) * c", c("x = Vi(3)", "y = Vj(3)", "c = Mij(1)"), axis = 1)
  wrong <- function(c, words) expect_error(op(x, y, c), words, class = "genred_error_argument", fixed = TRUE)
  wrong(t(cost), "`x` and `c` are both indexed by i but have 23 and 31 rows")
  wrong(cost[, -1], "`y` and `c` are both indexed by j but have 31 rows and 30 columns")
  wrong(as.vector(cost), "`c` (Mij(1)) must be a numeric matrix, M x N")
  wrong(array(1, c(m, n - 1, 2)), "`y` and `c` are both indexed by j but have 31 rows and 30 columns")
  wrong(NULL, "NULL was given")
  wrong(matrix("a", m, n), "a character matrix (23 x 31) was given")
  two <- Genred("w", "w = Mij(2)", axis = 1)
  expect_error(two(cost), "must be a numeric array, M x N x 2", class = "genred_error_argument", fixed = TRUE)
  expect_error(Genred("c", "c = Mij(0)"), class = "genred_error_dimension")
  expect_error(Genred("c", "c = Mij("), class = "genred_error_parse")
})

test_that("an array of pairs that no memory holds is refused with its size", {
  op <- Genred("SumT(x * y, 1000000)", c("x = Vi(1)", "y = Vj(1)"), axis = 1)
  map <- function(m, n) {
    .Call(genred:::.ffi_map, environment(op)$.spec, "CPU", -1, NULL, list(numeric(m), numeric(n)))
  }
  expect_error(genred:::checked(map(20000, 30000), NULL), "20000 x 30000 x 1000000 numbers, 4800000000000000 bytes",
               class = "genred_error_memory", fixed = TRUE)
  expect_identical(dim(map(1, 0)), c(1L, 0L, 1000000L))
})

test_that("rows are named after those of a Mij, or its columns, and its gradient after both", {
  named <- matrix(1:6 / 2, 2, dimnames = list(c("a", "b"), c("p", "q", "r")))
  by_i <- Genred("c * u", c("c = Mij(1)", "u = Vi(1)"), axis = 1, dtype = "float64")
  expect_identical(by_i(named, 1:2), cbind(c(a = 4.5, b = 12)))
  by_j <- Genred("c", "c = Mij(1)", "Min", axis = 0, dtype = "float64")
  expect_identical(by_j(named), cbind(c(p = 0.5, q = 1.5, r = 2.5)))
  expect_identical(genred_grad(by_i, "c")(named, 1:2, c(1, 1)), named * 0 + 1:2)
  expect_identical(genred_grad(by_j, "c")(named, rep(2, 3)), named * 0 + c(2, 0))
})

test_that("shares of the columns of a Mij merge to the whole", {
  for (axis in 0:1) {
    op <- Genred("c * u * v", c("c = Mij(1)", "u = Vi(1)", "v = Vj(1)"), "Min_ArgMin", axis = axis, dtype = "float64")
    u <- rnorm(m)
    v <- rnorm(n)
    size <- if (axis == 1) n else m
    part <- function(k) {
      if (axis == 1) genred_partial(op, cost[, k], u, v[k], offset = k[1] - 1) else
        genred_partial(op, cost[k, ], u[k], v, offset = k[1] - 1)
    }
    whole <- genred_finish(genred_merge(part(8:size), part(1:7)))
    expect_identical(whole, op(cost, u, v))
  }
})

test_that("batches of arrays of pairs have gradients of their shape", {
  op <- Genred("c * v", c("c = Mij(1)", "v = Vj(1)"), axis = 1, dtype = "float64")
  by_c <- genred_grad(op, "c")
  some <- array(rnorm(m * n * 2), c(m, n, 2))
  v <- rnorm(n)
  e <- array(rnorm(m * 2), c(m, 1, 2))
  right <- array(c(outer(e[, 1, 1], v), outer(e[, 1, 2], v)), c(m, n, 2))
  expect_equal(by_c(some, v, e), right, tolerance = 1e-12)
  # a matrix that the elements share: the sum over them
  expect_equal(by_c(cost, v, e), right[, , 1] + right[, , 2], tolerance = 1e-12)
  largest <- Genred("c * v", c("c = Mij(1)", "v = Vj(1)"), "Max", axis = 1, dtype = "float64")
  one <- function(k) genred_grad(largest, "c")(some[, , k], v, e[, , k])
  expect_equal(genred_grad(largest, "c")(some, v, e), array(c(one(1), one(2)), c(m, n, 2)), tolerance = 1e-12)
})

test_that("operators that return arrays of pairs say so, and survive a file", {
  op <- Genred("Exp(c) * v", c("c = Mij(1)", "v = Vj(1)"), axis = 1, dtype = "float64")
  expect_output(print(op), "c  Mij(1)  M x N", fixed = TRUE)
  gradient <- genred_grad(op, "c")
  expect_output(print(gradient), "a matrix or array with one value for each i and j")
  expect_identical(names(formals(gradient))[1:3], c("c", "v", "e_c"))
  file <- tempfile()
  on.exit(unlink(file))
  saveRDS(gradient, file)
  v <- rnorm(n)
  e <- rnorm(m)
  expect_equal(readRDS(file)(cost, v, e), exp(cost) * outer(e, v), tolerance = 1e-12)
})

test_that("an array of pairs cannot stay on a GPU", {
  op <- Genred("c", "c = Mij(1)", axis = 1)
  expect_error(genred_grad(op, "c")(cost, rep(1, m), keep = TRUE), "cannot stay on a GPU", class = "genred_error_argument")
})

test_that("gradients by pairs in single precision have one origin for all columns", {
  set.seed(3)
  x <- matrix(1e6 + runif(2 * m), m)
  y <- matrix(1e6 + runif(2 * 200), 200)
  c_ <- matrix(rnorm(m * 200), m)
  for (reduction in c("Sum", "LogSumExp")) {
    by_c <- genred_grad(Genred("c * SqDist(x,y)", c("c = Mij(1)", "x = Vi(2)", "y = Vj(2)"), reduction, axis = 1), "c")
    p <- exp(c_ * sq_dist(x, y))
    right <- sq_dist(x, y) * if (reduction == "Sum") 1 else p / rowSums(p)
    for (backend in backends()) expect_close(by_c(c_, x, y, rep(1, m), backend = backend), right, 1e-5)
  }
})

test_that("sorting ranges, selections and batches accept no rows, no columns", {
  op <- Genred("c * x", c("c = Mij(2)", "x = Vi"), "KMax", axis = 0, opt_arg = 2)
  none <- array(0, c(1, 0, 2))
  expect_identical(dim(op(none, cbind(1, 2), ranges = group_ranges(1, integer()))), c(0L, 2L, 2L))
  expect_identical(dim(genred_grad(op, "x")(none, cbind(1, 2), array(0, c(0, 2, 2)))), 1:2)
  wide <- Genred("c * x", c("c = Mij(2)", "x = Vi(2)"), axis = 1)
  ranges <- group_ranges(c(2, 1, 2), integer())
  expect_true(genred:::has_orders(ranges))
  expect_identical(wide(array(0, c(3, 0, 2)), matrix(1, 3, 2), ranges = ranges), matrix(0, 3, 2))
})

test_that("matrices in other classes, and partial results of arrays of pairs, are refused with a hint", {
  op <- Genred("c", "c = Mij(1)", axis = 1)
  expect_error(op(dist(1:3)), "as.matrix() makes the matrix", fixed = TRUE, class = "genred_error_argument")
  failure <- expect_error(op(1), "M x N; 1 was given", class = "genred_error_argument")
  expect_false(grepl("single row", conditionMessage(failure)))
  expect_error(genred_partial(genred_grad(op, "c"), cost, rep(1, m)), "a value for each pair", class = "genred_error_argument")
})
