# What ?genred_reductions says about NaN, Inf, ties, nothing and weights, and the ends of the range,
# by interpreter and kernels.

reduce <- function(f, reduction, w = NULL, ..., backend, dtype = "float64") {
  f <- matrix(as.double(f), ncol = 1)
  if (is.null(w)) return(Genred("Y", "Y = Vj(1)", reduction, axis = 1, dtype = dtype, ...)(f, backend = backend))
  op <- Genred("Y", c("Y = Vj(1)", "W = Vj(1)"), reduction, axis = 1, dtype = dtype, formula2 = "W", ...)
  op(f, matrix(as.double(w), ncol = 1), backend = backend)
}

test_that("of nothing the results are those of the help page", {
  for (b in backends()) {
    of_nothing <- function(reduction, ...) unlist(reduce(numeric(), reduction, ..., backend = b))
    expect_identical(c(of_nothing("Sum")), 0)
    expect_identical(c(of_nothing("Count")), 0)
    expect_identical(c(of_nothing("Prod")), 1)
    expect_true(is.nan(of_nothing("Mean")))
    expect_true(is.nan(of_nothing("Var")))
    expect_identical(c(of_nothing("Min")), Inf)
    expect_identical(c(of_nothing("Max")), -Inf)
    expect_true(is.na(of_nothing("ArgMin")))
    expect_identical(c(of_nothing("KMin", opt_arg = 2)), c(Inf, Inf))
    expect_identical(c(of_nothing("Any")), 0)
    expect_identical(c(of_nothing("All")), 1)
    expect_identical(c(of_nothing("LogSumExp")), -Inf)
    expect_identical(c(of_nothing("Max_SumShiftExp")), c(-Inf, 0))
    expect_true(is.nan(of_nothing("SumSoftMaxWeight", w = numeric())))
  }
})

test_that("NaN, Inf and ties are treated as the help page says", {
  x <- rep(c(0, 1, NaN, 1), 10)
  for (b in backends()) {
    expect_true(is.nan(reduce(x, "Sum", backend = b)))
    expect_true(is.nan(reduce(c(1, Inf), "Var", backend = b)))
    expect_identical(c(reduce(x, "Count", backend = b)), 30)
    expect_identical(c(reduce(c(0, NaN), "Any", backend = b)), 1)
    both <- reduce(x, "Max_ArgMax", backend = b)
    expect_equal(c(both$value), 1)
    expect_equal(c(both$index), 2)
    expect_equal(c(reduce(x[1:4], "KMin", opt_arg = 4, backend = b)), c(0, 1, 1, Inf))
    expect_equal(c(reduce(x[1:4], "ArgKMin", opt_arg = 4, backend = b)), c(1, 2, 4, NA))
    none <- reduce(rep(NaN, 40), "Min_ArgMin", backend = b)
    expect_identical(c(none$value), Inf)
    expect_true(is.na(none$index))
    expect_true(is.nan(reduce(x, "LogSumExp", backend = b)))
    expect_identical(c(reduce(rep(-Inf, 40), "LogSumExp", backend = b)), -Inf)
    expect_identical(c(reduce(c(1, Inf, Inf), "SumSoftMaxWeight", w = c(9, 2, 4), backend = b)), 3)
  }
})

test_that("weights of log-sum-exps may be 0, negative and infinite", {
  for (b in backends()) for (dtype in c("float32", "float64")) {
    lse <- function(f, w) {
      pad <- numeric(40)
      c(reduce(c(f, pad), "LogSumExp", w = c(w, pad), backend = b, dtype = dtype))
    }
    expect_equal(lse(c(NaN, 1), c(0, 2)), 1 + log(2), tolerance = 1e-6)
    expect_equal(lse(c(Inf, 1), c(0, 2)), 1 + log(2), tolerance = 1e-6)
    expect_equal(lse(c(0, 1), c(-1, 2)), log(2 * exp(1) - 1), tolerance = 1e-6)
    expect_true(is.nan(lse(c(0, 0), c(-2, 1))))
    expect_identical(lse(c(0, 0), c(-1, 1)), -Inf)
    expect_identical(lse(c(-2000, 0), c(Inf, 1)), Inf)
    expect_identical(lse(c(0, -2000), c(1, Inf)), Inf)
    expect_true(is.nan(lse(c(0, -2000), c(Inf, -Inf))))
    expect_true(is.nan(lse(c(-Inf, 0), c(Inf, 1))))
    expect_true(is.nan(lse(c(0, -2000), c(1, NaN))))
  }
})

test_that("exponentials reach down to the smallest normal number", {
  x <- matrix(c(-87, -87.3, rep(0, 38)), ncol = 1)
  for (b in backends()) for (f in c("Exp(X)", "Sigmoid(X)", "Softplus(X)", "Powf(2.718281828459045,X)")) {
    got <- Genred(f, c("X = Vi(1)", "Y = Vj(1)"), axis = 1)(x, matrix(0, 1, 1), backend = b)
    expect_equal(got[1:2], exp(x[1:2]), tolerance = 2e-5, info = f)
  }
})
