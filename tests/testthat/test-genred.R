test_that("the seed example is the dense product, on both axes", {
  x <- points(20, 3); y <- points(31, 3); b <- points(31, 2); a <- points(20, 2)
  k <- exp(-0.7 * sq_dist(x, y))
  f0 <- Genred("Exp(-G * SqDist(X,Y)) * A", c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "A = Vi(2)"), dtype = "float64")
  for (backend in backends()) {
    expect_close(gaussian()(0.7, x, y, b, backend = backend), k %*% b, 1e-12)
    expect_close(gaussian("float32")(0.7, x, y, b, backend = backend), k %*% b, 1e-5)
    expect_close(f0(0.7, x, y, a, backend = backend), t(k) %*% a, 1e-12)
  }
})

test_that("an operator is a function of its aliases", {
  op <- gaussian()
  expect_s3_class(op, c("Genred", "function"), exact = TRUE)
  expect_named(formals(op), c("G", "X", "Y", "B", "backend", "device_id", "ranges", "keep"))
  expect_identical(formals(op)$backend, "auto")
  expect_identical(formals(op)$device_id, quote(-1)[[2]] * -1)
  expect_null(formals(op)$ranges)
  x <- points(4, 3); y <- points(5, 3); b <- points(5, 2)
  value <- op(1, x, y, b)
  expect_identical(op(B = b, Y = y, X = x, G = 1), value)
  expect_identical(do.call(op, list(1, x, y, b)), value)
  expect_identical(do.call("op", list(Y = y, X = x, B = b, G = 1)), value)
})

test_that("reserved words and odd names can be aliases", {
  x <- points(4, 2); y <- points(3, 2)
  op <- Genred("lambda * SqDist(if, function)", c("lambda = Pm(1)", "if = Vi(2)", "function = Vj(2)"), axis = 1,
               dtype = "float64")
  expect_close(op(2, x, y), 2 * cbind(rowSums(sq_dist(x, y))), 1e-12)
  expect_close(op(lambda = 2, `if` = x, `function` = y), 2 * cbind(rowSums(sq_dist(x, y))), 1e-12)
  names <- c("list", "environment", "missing", "c", "NULL", "TRUE", "_a", "x.y")
  for (name in names) {
    op <- Genred(paste0(name, " * Y"), c(paste0(name, " = Vi(1)"), "Y = Vj(1)"), axis = 1, dtype = "float64")
    expect_close(op(1:3, c(1, 4)), cbind(5 * 1:3), 1e-12, info = name)
  }
})

test_that("aliases come in several forms", {
  forms <- list(c("x = Vi(2)", "y = Vj(2)"), list("x = Vi(2)", "y = Vj(2)"), c(x = "Vi(2)", y = "Vj(2)"),
                list(x = "Vi(2)", y = "Vj(2)"), c("y = Vj(1,2)", "x = Vi(0,2)"), "x=Vi(2)")
  x <- points(3, 2); y <- points(4, 2)
  for (form in forms[1:5]) {
    op <- Genred("SqDist(x, y)", form, axis = 1)
    expect_identical(sort(names(formals(op))[1:2]), c("x", "y"))
    expect_close(op(x = x, y = y), cbind(rowSums(sq_dist(x, y))), 1e-5)
  }
  unnamed <- Genred("SqDist(Var(0,2,0), Var(1,2,1))", c("Vi(2)", "Vj(2)"), axis = 1)
  expect_close(unnamed(x, y), cbind(rowSums(sq_dist(x, y))), 1e-5)
  inside <- Genred("SqDist(Vi(0,2), Vj(1,2))", character(), axis = 1)
  expect_close(inside(x, y), cbind(rowSums(sq_dist(x, y))), 1e-5)
})

test_that("R formulas mean what R reads", {
  x <- points(5, 2); y <- points(4, 2); b <- points(4, 1)
  d <- sq_dist(x, y)
  value <- function(f, ...) {
    Genred(f, c(g = "Pm(1)", x = "Vi(2)", y = "Vj(2)", b = "Vj(1)"), axis = 1, dtype = "float64", ...)(0.3, x, y, b)
  }
  expect_close(value(~ exp(-g * sqdist(x, y)) * b), exp(-0.3 * d) %*% b, 1e-12)
  expect_close(value(~ (1 + sqdist(x, y))^-2 * b), (1 + d)^-2 %*% b, 1e-12)
  expect_close(value(~ -sqdist(x, y)^2), cbind(rowSums(-d^2)), 1e-12)
  expect_close(value(~ 1e-3 * (x | y) / 3), cbind(rowSums(1e-3 * x %*% t(y) / 3)), 1e-12)
  expect_close(value(~ x[0] - (y[1] - b)), cbind(rowSums(outer(x[, 1], y[, 2] - b[, 1], "-"))), 1e-12)
  expect_close(value(~ sqrt(sum(x * x)) + abs(b)), cbind(rowSums(outer(sqrt(rowSums(x^2)), abs(b[, 1]), "+"))), 1e-12)
  expect_close(value(~ sqdist(x, y), "LogSumExp", formula2 = ~ b * b), cbind(log(rowSums(exp(d) %*% diag(b[, 1]^2)))), 1e-12)
  expect_identical(as.character(Genred(~ 0.1 * x - (x - (x + 1)) * x^(2), "x = Vi(1)")), "0.1 * x - (x - (x + 1)) * x^2")
})

test_that("a formula may have several lines", {
  x <- points(5, 2); y <- points(4, 2)
  one <- Genred("Exp(-SqDist(x,y))\n * SqDist(x,\n y)", c("x = Vi(2)", "y = Vj(2)"), axis = 1)
  two <- Genred(c("Exp(-SqDist(x,y))", " * SqDist(x, y)"), c("x = Vi(2)", "y = Vj(2)"), axis = 1)
  expect_identical(one(x, y), two(x, y))
})

test_that("axis has two spellings, and a reduction in the string says how it is read", {
  x <- points(5, 2); y <- points(4, 2)
  op <- function(...) Genred("SqDist(x,y)", c("x = Vi(2)", "y = Vj(2)"), dtype = "float64", ...)(x, y, backend = "interpreter")
  expect_identical(op(axis = "i"), op(axis = 0))
  expect_identical(op(axis = "j"), op(axis = 1))
  expect_identical(op(), op(axis = 0))
  expect_identical(dim(op(axis = "j")), c(5L, 1L))
  expect_message(by_i <- Genred("Sum_Reduction(SqDist(x,y), 0)", c("x = Vi(2)", "y = Vj(2)"), dtype = "float64"),
                 class = "genred_message")
  expect_identical(by_i(x, y, backend = "interpreter"), op(axis = 1))
  expect_silent(by_i(x, y))
  expect_error(suppressMessages(Genred("Sum_Reduction(SqDist(x,y), 0)", c("x = Vi(2)", "y = Vj(2)"), axis = 0)),
               class = "genred_error_argument")
})

test_that("arguments can be data frames, integers, logicals and vectors", {
  op <- Genred("p * X * Y", c("p = Pm(2)", "X = Vi(2)", "Y = Vj(1)"), axis = 1, dtype = "float64")
  x <- points(4, 2)
  value <- rbind(c(2, 3)) [rep(1, 4), ] * x * 6
  expect_close(op(c(2, 3), x, c(1, 2, 3)), value, 1e-12)
  expect_close(op(matrix(c(2, 3), 1), as.data.frame(x), 1:3), value, 1e-12)
  expect_close(op(matrix(c(2, 3), 2), I(x), data.frame(y = 1:3)), value, 1e-12)
  expect_close(op(2:3, x, matrix(1:3)), value, 1e-12)
  expect_close(op(c(2L, 3L), x > 0, c(TRUE, FALSE, TRUE)), rbind(c(2, 3))[rep(1, 4), ] * (x > 0) * 2, 1e-12)
  expect_close(op(c(2, 3), x, stats::ts(1:3)), value, 1e-12)
  expect_close(op(c(2, 3), x, array(1:3)), value, 1e-12)
})

test_that("NA in integers and logicals widens to NA", {
  op <- Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"), axis = 1, dtype = "float64")
  for (backend in backends()) {
    expect_identical(is.na(op(c(1L, NA, 3L), 1:2, backend = backend)), cbind(c(FALSE, TRUE, FALSE)))
    expect_identical(is.na(op(c(TRUE, NA), 1:2, backend = backend)), cbind(c(FALSE, TRUE)))
    expect_true(all(is.na(op(matrix(1:4), matrix(c(1L, NA)), backend = backend))))
  }
})

test_that("row names of the kept index come through", {
  x <- points(3, 2); y <- points(4, 2)
  rownames(x) <- c("a", "b", "c")
  rownames(y) <- letters[11:14]
  by_i <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), axis = 1)
  by_j <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), axis = 0)
  expect_identical(dimnames(by_i(x, y)), list(rownames(x), NULL))
  expect_identical(dimnames(by_j(x, y)), list(rownames(y), NULL))
  expect_null(dimnames(by_i(unname(x), y)))
  expect_identical(rownames(by_i(data.frame(x), y)), rownames(x))
  expect_null(rownames(by_i(data.frame(unname(x)), y)))
  expect_identical(rownames(Genred("X", "X = Vi(1)", axis = 1)(c(u = 1, v = 2))), c("u", "v"))
  second <- Genred("X * A", c("X = Vi(1)", "A = Vi(2)"), axis = 1)
  expect_identical(rownames(second(1:3, x)), rownames(x))
  pair <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), "KMin_ArgKMin", opt_arg = 2, axis = 1)(x, y)
  expect_identical(rownames(pair$value), rownames(x))
  expect_identical(rownames(pair$index), rownames(x))
})

test_that("results have the documented shapes and types", {
  x <- points(5, 2); y <- points(4, 2)
  result <- function(reduction, formula = "X - Y", ...) {
    Genred(formula, c("X = Vi(2)", "Y = Vj(2)"), reduction, axis = 1, ...)(x, y)
  }
  for (reduction in c("Sum", "Min", "Max")) {
    expect_true(is.double(result(reduction)))
    expect_identical(dim(result(reduction)), c(5L, 2L))
  }
  expect_true(is.integer(result("ArgMin")))
  pair <- result("Min_ArgMin")
  expect_named(pair, c("value", "index"))
  expect_true(is.double(pair$value) && is.integer(pair$index))
  expect_identical(dim(result("KMin", opt_arg = 3)), c(5L, 3L, 2L))
  expect_identical(dim(result("KMin", "SqDist(X,Y)", opt_arg = 3)), c(5L, 3L))
  expect_identical(dim(result("KMin", "SqDist(X,Y)", opt_arg = 1)), c(5L, 1L))
  expect_identical(dim(result("ArgKMin", opt_arg = 1)), c(5L, 1L, 2L))
})

test_that("empty and single rows are values", {
  op <- function(reduction, ...) {
    Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), reduction, axis = 1, dtype = "float64", ...)
  }
  x <- points(3, 2); none <- matrix(0, 0, 2)
  for (backend in backends()) {
    expect_identical(op("Sum")(none, x, backend = backend), matrix(0, 0, 1))
    expect_identical(op("Sum")(x, none, backend = backend), matrix(0, 3, 1))
    expect_identical(op("Min")(x, none, backend = backend), matrix(Inf, 3, 1))
    expect_identical(op("Max")(x, none, backend = backend), matrix(-Inf, 3, 1))
    expect_identical(op("ArgMin")(x, none, backend = backend), matrix(NA_integer_, 3, 1))
    expect_identical(op("LogSumExp")(x, none, backend = backend), matrix(-Inf, 3, 1))
    expect_identical(op("KMin", opt_arg = 2)(x, none, backend = backend), matrix(Inf, 3, 2))
    expect_identical(op("ArgKMin", opt_arg = 2)(none, x, backend = backend), matrix(0L, 0, 2))
    expect_close(op("Sum")(x, x[1, , drop = FALSE], backend = backend), sq_dist(x, x[1, , drop = FALSE]), 1e-12)
  }
})

test_that("without a Vi there is one row", {
  op <- Genred("Y * p", c("Y = Vj(2)", "p = Pm(1)"), axis = 1, dtype = "float64")
  y <- points(4, 2)
  expect_close(op(y, 2), rbind(2 * colSums(y)), 1e-12)
  unused <- Genred("Y", c("Y = Vj(2)", "U = Vi(1)"), axis = 1, dtype = "float64")
  expect_identical(dim(unused(y, 1:6)), c(6L, 2L))
})

test_that("an operator survives saveRDS, here and in a fresh process", {
  x <- points(4, 3); y <- points(5, 3); b <- points(5, 2)
  op <- gaussian()
  value <- op(0.5, x, y, b)
  file <- tempfile(fileext = ".rds")
  saveRDS(op, file)
  again <- readRDS(file)
  expect_identical(again(0.5, x, y, b), value)
  expect_output(print(again), "sum_j")
  expect_lt(file.size(file), 5000)
  skip_unless_installed()
  data <- tempfile(fileext = ".rds")
  saveRDS(list(x, y, b), data)
  out <- fresh_r(c(
    sprintf("op <- readRDS(%s); d <- readRDS(%s)", deparse(file), deparse(data)),
    "cat(format(sum(op(0.5, d[[1]], d[[2]], d[[3]])), digits = 12))"
  ))
  expect_identical(utils::tail(out, 1), format(sum(value), digits = 12))
})

test_that("the closure carries nothing of its caller", {
  big <- numeric(1e6)
  op <- (function() { huge <- big + 1; gaussian() })()
  expect_lt(length(serialize(op, NULL)), 5000)
})

test_that("forked children compute, on one thread", {
  skip_on_os("windows")
  skip_if_not_installed("parallel")
  old <- options(genred.backend = utils::tail(backends(), 1)) # a GPU stays with the parent
  on.exit(options(old))
  x <- points(600, 3); y <- points(700, 3); b <- points(700, 2)
  op <- gaussian()
  value <- op(0.5, x, y, b)
  got <- parallel::mclapply(1:2, function(i) list(op(i / 2, x, y, b), genred_threads()), mc.cores = 2)
  expect_identical(got[[1]][[1]], value)
  expect_identical(got[[2]][[1]], op(1, x, y, b))
  expect_identical(got[[1]][[2]], 1L)
  fresh <- parallel::mclapply(1:2, function(i) {
    Genred("SqDist(X,Y) * 3", c("X = Vi(3)", "Y = Vj(3)"), axis = 1, dtype = "float64")(x, y)
  }, mc.cores = 2)
  expect_close(fresh[[2]], 3 * cbind(rowSums(sq_dist(x, y))), 1e-12)
})

test_that("many operators can live at once", {
  ops <- lapply(1:700, function(k) Genred(paste0("X + ", k), "X = Vi(1)", axis = 1, dtype = "float64"))
  for (k in c(1, 350, 700, 2, 1)) expect_equal(ops[[k]](1)[1], k + 1)
})

test_that("an R formula may be a sum of thousands of terms", {
  long <- as.formula(paste("~", paste(rep("X", 3000), collapse = " + ")))
  op <- Genred(long, "X = Vi(1)", axis = "j", dtype = "float64")
  expect_equal(op(matrix(c(1, 2))), matrix(c(3000, 6000)))
  expect_identical(as.character(Genred(~ X - (X - 2) * 3 / 4 - X^2^3, "X = Vi(1)")), as.character(Genred("X - (X - 2) * 3 / 4 - X^2^3", "X = Vi(1)")))
})
