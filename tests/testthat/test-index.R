# Numbers of rows and columns, and random numbers, inside formulas (?genred_operations).

xy <- c("x = Vi(2)", "y = Vj(2)")
op64 <- function(formula, ..., aliases = xy, axis = 1) Genred(formula, aliases, ..., axis = axis, dtype = "float64")

# The M x N matrix of a scalar formula without variables, column by column.
matrix_of <- function(formula, m, n, dtype = "float64", ...) {
  op <- Genred(formula, c("x = Vi(1)", "y = Vj(1)"), "KMin_ArgKMin", axis = 1, opt_arg = n, dtype = dtype)
  got <- op(numeric(m), numeric(n), ...)
  out <- matrix(NA_real_, m, n)
  out[cbind(rep(1:m, n), c(got$index))] <- got$value
  out
}

test_that("leave-one-out: the diagonal is left out", {
  x <- points(30, 2)
  b <- points(30, 1)
  k <- exp(-sq_dist(x, x))
  diag(k) <- 0
  loo <- op64("Exp(-SqDist(x,y)) * (IndexDiff() != 0) * b", aliases = c(xy, "b = Vj(1)"))
  nearest <- op64("IfElse(-Abs(IndexDiff()), 1/Zero(1), SqDist(x,y))", "ArgMin")
  d <- sq_dist(x, x)
  diag(d) <- Inf
  for (backend in backends()) {
    expect_close(loo(x, x, b, backend = backend), k %*% b, 1e-13)
    expect_identical(nearest(x, x, backend = backend)[, 1], apply(d, 1, which.min))
  }
})

test_that("causal attention", {
  q <- points(40, 4); k <- points(40, 4, 2); v <- points(40, 3)
  s <- q %*% t(k) / 2
  s[upper.tri(s)] <- -Inf
  p <- exp(s - apply(s, 1, max))
  right <- (p / rowSums(p)) %*% v
  aliases <- c("q = Vi(4)", "k = Vj(4)", "v = Vj(3)")
  for (dtype in c("float32", "float64")) {
    op <- Genred("IfElse(IndexDiff(), (q|k)/2, -1/Zero(1))", aliases, "SumSoftMaxWeight", axis = 1, formula2 = "v", dtype = dtype)
    for (backend in backends()) expect_close(op(q, k, v, backend = backend), right, if (dtype == "float32") 1e-5 else 1e-13)
  }
})

test_that("bands, over either index and both", {
  near <- abs(outer(1:20, 1:33, "-")) <= 3
  x <- points(20, 2); y <- points(33, 2)
  s <- near * sq_dist(x, y)
  f <- "SqDist(x,y) * (Abs(IndexDiff()) <= 3)"
  for (backend in backends()) {
    expect_close(op64(f)(x, y, backend = backend), cbind(rowSums(s)), 1e-13)
    expect_close(op64(f, axis = 0)(x, y, backend = backend), cbind(colSums(s)), 1e-13)
    expect_close(op64(f, axis = 2)(x, y, backend = backend), cbind(sum(s)), 1e-13)
  }
})

test_that("numbers count from 0 in strings and from 1 in R formulas; differences are the same", {
  for (f in list("IndexI()", "indexi()", ~ indexi() - 1, ~ IndexI() * 2 - IndexI() - 1)) {
    expect_identical(matrix_of(f, 4, 3), matrix(0:3 + 0, 4, 3))
  }
  expect_identical(matrix_of(~ IndexJ(), 4, 3), matrix(1:3 + 0, 4, 3, byrow = TRUE))
  expect_identical(matrix_of(~ 10 * IndexI() - IndexJ(), 4, 3), outer(10 * 1:4, 1:3, "-"))
  expect_identical(matrix_of(~ IndexDiff(), 4, 3), outer(1:4, 1:3, "-") + 0)
  expect_error(Genred(~ IndexI(1), "x = Vi(1)"), "`IndexI` takes 0 arguments", class = "genred_error_parse")
  expect_error(Genred(~ Rand(x), "x = Vi(1)"), "the seed of `Rand`", class = "genred_error_parse")
})

test_that("gradients with masks, through a minimum too", {
  x <- points(7, 2); y <- points(9, 2); e <- points(7, 1)
  numeric_gradient <- function(op, e, h = 1e-6) {
    out <- x * 0
    for (k in seq_along(x)) {
      up <- down <- x
      up[k] <- x[k] + h
      down[k] <- x[k] - h
      out[k] <- sum(e * (op(up, y) - op(down, y))) / (2 * h)
    }
    out
  }
  masked <- "IfElse(-Abs(IndexDiff()), 9, SqDist(x,y)) * (1 + Rand(2)) + 0.01 * IndexJ()"
  for (red in c("Sum", "Min", "Max", "LogSumExp", "Mean", "Var")) {
    op <- op64(masked, red)
    for (backend in backends()) {
      expect_close(genred_grad(op, "x")(x, y, e, backend = backend), numeric_gradient(op, e), 1e-6)
    }
  }
  e3 <- points(7, 3)
  op <- op64(masked, "KMin", opt_arg = 3)
  expect_close(genred_grad(op, "x")(x, y, e3), numeric_gradient(op, e3), 1e-6)
  vector <- op64("(x - y) * (IndexDiff() != 0) + Rand(1)", "Max")
  e2 <- points(7, 2)
  expect_close(genred_grad(vector, "x")(x, y, e2), numeric_gradient(vector, e2), 1e-6)
  expect_error(genred_grad(op64("(x - y) * Rand(1)", "KMax", opt_arg = 2), "x"), "not available",
               class = "genred_error_argument")
  fewer <- op64("SqDist(x,y) * (IndexDiff() != 0)", "KMin", opt_arg = 20) # than 20 columns
  expect_close(genred_grad(fewer, "x")(x, y, matrix(1, 7, 20)),
               numeric_gradient(op64("SqDist(x,y) * (IndexDiff() != 0)"), 1), 1e-6)
})

test_that("pieces know where they are", {
  x <- points(12, 2); y <- points(31, 2)
  op <- op64("SqDist(x,y) * (IndexDiff() != 0) + IndexJ() * Rand(4)", "Max_ArgMax")
  for (backend in backends()) {
    parts <- list(genred_partial(op, x, y[11:31, ], offset = 10, backend = backend),
                  genred_partial(op, x, y[1:10, ], backend = backend))
    expect_equal(genred_finish(do.call(genred_merge, parts)), op(x, y, backend = backend), tolerance = 1e-14)
  }
  sum <- op64("SqDist(x,y) * Rand(4)")
  expect_error(genred_merge(genred_partial(sum, x, y), genred_partial(sum, x, y)), "both hold",
               class = "genred_error_argument")
  rows <- op64("SqDist(x,y) * IndexI()")
  expect_null(genred_partial(rows, x, y)$columns)
  expect_error(genred_partial(op64("IndexI() * (x|y)", axis = 2), x, y), "does not know the numbers",
               class = "genred_error_argument")
})

test_that("random numbers are the same for both precisions and all backends, and uniform", {
  u <- matrix_of("Rand(1)", 60, 500)
  expect_true(all(u > 0 & u < 1))
  expect_gt(ks.test(c(u), "punif")$p.value, 1e-4)
  expect_lt(abs(cor(c(u[-1, ]), c(u[-60, ]))), 5 / sqrt(length(u)))
  expect_lt(abs(cor(c(u[, -1]), c(u[, -500]))), 5 / sqrt(length(u)))
  expect_lt(abs(cor(c(u), c(matrix_of("Rand(2)", 60, 500)))), 5 / sqrt(length(u)))
  single <- matrix_of("Rand(1)", 60, 500, "float32")
  expect_lt(max(abs(u - single)), 2^-23)
  for (backend in backends()) {
    expect_identical(matrix_of("Rand(1)", 60, 500, backend = backend), u)
    expect_identical(matrix_of("Rand(1)", 60, 500, "float32", backend = backend), single)
  }
  seed <- Genred("Rand(s)", c("x = Vi(1)", "y = Vj(1)", "s = Pm(1)"), "Max", axis = 1, dtype = "float64")
  expect_identical(seed(numeric(60), 0, 1), u[, 1, drop = FALSE])
  expect_identical(seed(numeric(60), 0, NaN), seed(numeric(60), 0, 0))
})

test_that("Gumbel's trick: the largest of logits with noise is drawn by softmax, k of them without repetition", {
  m <- 20000
  logits <- log(c(0.5, 0.3, 0.15, 0.05))
  op <- Genred("l - Log(-Log(Rand(11)))", c("x = Vi(1)", "l = Vj(1)"), "ArgKMax", axis = 1, opt_arg = 2)
  drawn <- op(numeric(m), logits)
  p <- exp(logits)
  first <- tabulate(drawn[, 1], 4)
  expect_gt(chisq.test(first, p = p)$p.value, 1e-4)
  expect_true(all(drawn[, 1] != drawn[, 2]))
  pairs <- outer(p, p, function(a, b) a * b / (1 - a))
  diag(pairs) <- 0
  seen <- table(factor(drawn[, 1], 1:4), factor(drawn[, 2], 1:4))
  off <- row(pairs) != col(pairs)
  expect_gt(chisq.test(seen[off], p = pairs[off])$p.value, 1e-4)
})

test_that("rounded numbers of rows are told of once", {
  op <- Genred("IndexJ()", "y = Vj(1)", "Max", axis = 1)
  part <- function() genred_partial(op, 1:5, offset = 2^24)
  expect_message(part(), "IndexJ\\(\\) is rounded", class = "genred_message")
  expect_no_message(part())
})

test_that("numbers are the caller's where ranges sort the data, also with open dimensions", {
  set.seed(5)
  m <- 13
  n <- 11
  x <- points(m, 2)
  y <- points(n, 2)
  gi <- sample(3, m, TRUE)
  gj <- sample(3, n, TRUE)
  expect_true(genred:::has_orders(group_ranges(gi, gj)))
  i <- row(matrix(0, m, n)) - 1
  j <- col(matrix(0, m, n)) - 1
  together <- outer(gi, gj, "==")
  value <- (sq_dist(x, y) * (indices_differ <- i - j > 1) + i - 2 * j)
  for (dim in c("(2)", "")) {
    aliases <- paste0(c("x = Vi", "y = Vj"), dim)
    formula <- "SqDist(x,y) * (indexdiff( ) > 1) + IndexI() - 2 * IndexJ ()"
    least <- Genred(formula, aliases, "Min_ArgMin", axis = 1, dtype = "float64")
    masked <- ifelse(together, value, Inf)
    weighted <- Genred("x|y", aliases, "SumSoftMaxWeight", axis = 0, formula2 = "IndexI()", dtype = "float64")
    p <- ifelse(together, exp(x %*% t(y)), 0)
    for (backend in backends()) {
      got <- least(x, y, ranges = group_ranges(gi, gj), backend = backend)
      expect_equal(c(got$value), apply(masked, 1, min), tolerance = 1e-12)
      expect_identical(c(got$index), apply(masked, 1, which.min))
      expect_equal(c(weighted(x, y, ranges = group_ranges(gi, gj), backend = backend)), colSums(p * i) / colSums(p), tolerance = 1e-12)
    }
    # the gradient of a minimum finds the selected pair by its number
    minimum <- Genred(formula, aliases, "Min", axis = 1, dtype = "float64")
    at <- cbind(seq_len(m), apply(masked, 1, which.min))
    right <- 2 * (x - y[at[, 2], ]) * indices_differ[at]
    expect_equal(genred_grad(minimum, "x")(x, y, rep(1, m), ranges = group_ranges(gi, gj)), right, tolerance = 1e-12)
    expect_equal(genred_grad(minimum, "x")(x, y, rep(1, m)),
                 2 * (x - y[apply(value, 1, which.min), ]) * indices_differ[cbind(seq_len(m), apply(value, 1, which.min))],
                 tolerance = 1e-12)
    random <- Genred("Rand(1) * SqDist(x,y)", aliases, axis = 1)
    expect_error(random(x, y, ranges = group_ranges(gi, gj)), "which changes the numbers", class = "genred_error_argument")
  }
})

test_that("gradients of K minima by numbers: K columns of incoming gradient, one component", {
  x <- points(6, 2)
  y <- points(9, 2)
  for (dim in c("(2)", "")) {
    op <- Genred("SqDist(x,y) + IndexJ()", paste0(c("x = Vi", "y = Vj"), dim), "KMin", axis = 1, opt_arg = 2, dtype = "float64")
    value <- sq_dist(x, y) + col(matrix(0, 6, 9)) - 1
    e <- points(6, 2, seed = 3)
    at <- t(apply(value, 1, order)[1:2, ])
    right <- 2 * (e[, 1] * (x - y[at[, 1], ]) + e[, 2] * (x - y[at[, 2], ]))
    expect_equal(genred_grad(op, "x")(x, y, e), right, tolerance = 1e-12)
  }
  for (k in 1:2) {
    open <- Genred("x * y + IndexJ()", c("x = Vi", "y = Vj"), "KMin", axis = 1, opt_arg = k)
    expect_error(genred_grad(open, "x")(x, y, array(1, c(6, k, 2))), "2 components that reads numbers", class = "genred_error_argument")
  }
})
