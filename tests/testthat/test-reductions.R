# Every reduction against dense base R, on both axes and both backends.

x <- points(37, 3)
y <- points(29, 3)
w <- points(29, 2)
aliases <- c("X = Vi(3)", "Y = Vj(3)", "W = Vj(2)")

d <- sq_dist(x, y)
diffs <- lapply(1:3, function(k) outer(x[, k], y[, k], "-")) # one M x N matrix per component

# A function of a vector over the rows of each matrix, as columns.
dense <- function(mats, fun) unname(sapply(mats, function(m) apply(m, 1, fun)))

reduce <- function(formula, reduction, backend, axis = 1, ...) {
  op <- Genred(formula, aliases, reduction, axis = axis, dtype = "float64", ...)
  op(x, y, w, backend = backend)
}

for (backend in backends()) {
  test_that(paste("Sum, Min, Max, ArgMin, ArgMax:", backend), {
    funs <- list(Sum = sum, Min = min, Max = max, ArgMin = which.min, ArgMax = which.max)
    for (name in names(funs)) {
      expect_close(reduce("X - Y", name, backend), dense(diffs, funs[[name]]), 1e-12, info = name)
      expect_close(reduce("X - Y", name, backend, axis = 0), dense(lapply(diffs, t), funs[[name]]), 1e-12, info = name)
      expect_close(reduce("SqDist(X,Y)", name, backend), dense(list(d), funs[[name]]), 1e-12, info = name)
    }
    expect_type(reduce("X - Y", "ArgMin", backend), "integer")
  })

  test_that(paste("Min_ArgMin, Max_ArgMax and their other names:", backend), {
    for (name in c("Min_ArgMin", "MinArgMin")) {
      both <- reduce("X - Y", name, backend)
      expect_close(both$value, dense(diffs, min), 1e-12)
      expect_close(both$index, dense(diffs, which.min), 0)
    }
    for (name in c("Max_ArgMax", "MaxArgMax")) {
      both <- reduce("X - Y", name, backend, axis = 0)
      expect_close(both$value, dense(lapply(diffs, t), max), 1e-12)
      expect_close(both$index, dense(lapply(diffs, t), which.max), 0)
    }
  })

  test_that(paste("KMin, ArgKMin, KMin_ArgKMin:", backend), {
    for (k in c(1, 4, 29)) {
      values <- matrix(t(apply(d, 1, function(v) sort(v)[seq_len(k)])), nrow(d))
      if (k == 1) values <- cbind(apply(d, 1, min))
      index <- matrix(t(apply(d, 1, function(v) order(v)[seq_len(k)])), nrow(d))
      if (k == 1) index <- cbind(apply(d, 1, which.min))
      expect_close(reduce("SqDist(X,Y)", "KMin", backend, opt_arg = k), values, 1e-12)
      expect_close(reduce("SqDist(X,Y)", "ArgKMin", backend, opt_arg = k), index, 0)
      both <- reduce("SqDist(X,Y)", "KMin_ArgKMin", backend, opt_arg = k)
      expect_close(both$value, values, 1e-12)
      expect_close(both$index, index, 0)
    }
    cube <- reduce("X - Y", "KMin", backend, axis = 0, opt_arg = 3)
    expect_identical(dim(cube), c(29L, 3L, 3L))
    for (c in 1:3) expect_close(cube[, , c], t(apply(t(diffs[[c]]), 1, function(v) sort(v)[1:3])), 1e-12)
    beyond <- reduce("SqDist(X,Y)", "KMin_ArgKMin", backend, opt_arg = 31)
    expect_true(all(beyond$value[, 30:31] == Inf))
    expect_true(all(is.na(beyond$index[, 30:31])))
    expect_false(anyNA(beyond$index[, 1:29]))
  })

  test_that(paste("LogSumExp, with and without weight:", backend), {
    expect_close(reduce("-SqDist(X,Y)", "LogSumExp", backend), cbind(log(rowSums(exp(-d)))), 1e-12)
    expect_close(reduce("-SqDist(X,Y)", "LogSumExp", backend, axis = 0), cbind(log(colSums(exp(-d)))), 1e-12)
    weight <- exp(w)
    expect_close(reduce("-SqDist(X,Y)", "LogSumExp", backend, formula2 = "Exp(W)"), log(exp(-d) %*% weight), 1e-12)
    expect_close(reduce("-SqDist(X,Y)", "LogSumExpWeight", backend, formula2 = "Exp(W)"), log(exp(-d) %*% weight), 1e-12)
    large <- reduce("800 + X[0] * 0 + Y[0] * 0", "LogSumExp", backend)
    expect_close(large, matrix(800 + log(29), 37, 1), 1e-12)
  })

  test_that(paste("SumSoftMaxWeight:", backend), {
    k <- exp(-d)
    for (name in c("SumSoftMaxWeight", "SoftMax")) {
      expect_close(reduce("-SqDist(X,Y)", name, backend, formula2 = "W"), (k %*% w) / rowSums(k), 1e-12)
    }
  })

  test_that(paste("Max_SumShiftExp:", backend), {
    m <- apply(-d, 1, max)
    expect_close(reduce("-SqDist(X,Y)", "Max_SumShiftExp", backend), cbind(m, rowSums(exp(-d - m)), deparse.level = 0), 1e-12)
    expect_close(reduce("-SqDist(X,Y)", "Max_SumShiftExpWeight", backend, formula2 = "W"),
                 cbind(m, exp(-d - m) %*% w, deparse.level = 0), 1e-12)
  })

  test_that(paste("ties go to the lowest index and NaN is missing:", backend), {
    op <- function(reduction, ...) {
      Genred("X + Y", c("X = Vi(1)", "Y = Vj(1)"), reduction, axis = 1, dtype = "float64", ...)
    }
    expect_identical(op("ArgMin")(0, c(3, 1, 1, 2), backend = backend), matrix(2L))
    expect_identical(op("ArgMax")(0, c(3, 1, 3, 2), backend = backend), matrix(1L))
    expect_identical(op("ArgKMin", opt_arg = 3)(0, c(2, 1, 1, 1), backend = backend), matrix(2:4, 1))
    expect_identical(op("Min")(0, c(NaN, 1, NaN), backend = backend), matrix(1))
    expect_identical(op("ArgMax")(0, c(NaN, 1, NaN), backend = backend), matrix(2L))
    expect_identical(op("ArgMin")(0, c(NaN, NaN), backend = backend), matrix(NA_integer_))
    expect_true(is.nan(op("Sum")(0, c(1, NaN), backend = backend)))
    expect_identical(op("Sum")(0, c(1, Inf), backend = backend), matrix(Inf))
    expect_identical(op("LogSumExp")(0, c(-Inf, -Inf), backend = backend), matrix(-Inf))
    expect_close(op("LogSumExp")(0, c(-Inf, 1), backend = backend), matrix(1), 1e-12)
    expect_identical(op("LogSumExp")(0, c(Inf, 1), backend = backend), matrix(Inf))
  })
}

test_that("long lists: ties, NaN, infinities and every order of the columns", {
  set.seed(7)
  n <- 2500
  orders <- list(random = runif(n), ties = sample(5, n, TRUE), ascending = 1:n, descending = n:1,
                 special = sample(c(NaN, Inf, -Inf, 1:9), n, TRUE), infinite = rep(Inf, n))
  for (dtype in c("float32", "float64")) {
    for (k in c(10, 100, 300)) {
      op <- Genred("X + Y", c("X = Vi(1)", "Y = Vj(1)"), "ArgKMin", axis = 1, opt_arg = k, dtype = dtype)
      for (name in names(orders)) {
        v <- orders[[name]]
        if (name == "random") v <- round(v * 2^20) # exact in single precision
        expected <- order(v)[seq_len(k)]
        expected[is.nan(v[expected])] <- NA
        expect_identical(op(numeric(9), v, backend = "CPU"), matrix(rep(expected, each = 9), 9), info = paste(dtype, k, name))
      }
    }
  }
})

test_that("the sum schemes agree", {
  for (scheme in c("auto", "direct_sum", "block_sum", "kahan_scheme")) {
    for (acc in c("auto", "float64")) {
      op <- Genred("Exp(-SqDist(X,Y)) * W", aliases, axis = 1, sum_scheme = scheme, dtype_acc = acc)
      for (backend in backends()) expect_close(op(x, y, w, backend = backend), exp(-d) %*% w, 1e-5, info = scheme)
    }
  }
  op <- Genred("Exp(-SqDist(X,Y)) * W", aliases, axis = 1, use_double_acc = TRUE)
  expect_close(op(x, y, w), exp(-d) %*% w, 1e-5)
})

test_that("the error of single precision sums does not grow with N", {
  skip_without_compiler()
  n <- 2e5
  op <- Genred("Y * X", c("X = Vi(1)", "Y = Vj(1)"), axis = 1)
  y <- rep(0.1, n)
  expect_close(op(1, y, backend = "CPU"), matrix(n * 0.1), 1e-5)
})
