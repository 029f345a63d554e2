# Gradients of operators against differences and dense base R.

aliases <- c("g = Pm(1)", "x = Vi(2)", "y = Vj(2)", "b = Vj(2)")
values <- list(g = 0.7, x = points(7, 2), y = points(9, 2), b = points(9, 2, 5))

# sum(e * op(...)) moved by h in every number of the argument `name`.
numeric_gradient <- function(op, values, name, e, h = 1e-5) {
  at <- function(v) sum(e * do.call(op, v))
  x <- as.matrix(values[[name]])
  out <- x
  for (k in seq_along(x)) {
    up <- down <- values
    up[[name]][k] <- x[k] + h
    down[[name]][k] <- x[k] - h
    out[k] <- (at(up) - at(down)) / (2 * h)
  }
  if (is.matrix(values[[name]])) out else matrix(out, 1)
}

expect_gradient <- function(op, values, names, tolerance = 1e-7) {
  result <- do.call(op, values)
  e <- result
  e[] <- sin(seq_along(result))
  for (name in names) {
    by <- genred_grad(op, name)
    for (backend in backends()) {
      got <- do.call(by, c(values, list(e), backend = backend))
      expect_close(got, numeric_gradient(op, values, name, e), tolerance, info = name)
    }
  }
}

operators <- function(axis) {
  make <- function(...) Genred(..., aliases = aliases, axis = axis, dtype = "float64")
  list(
    Sum = make("Exp(-g*SqDist(x,y))*b"),
    LogSumExp = make("-g*SqDist(x,y)", reduction_op = "LogSumExp"),
    LogSumExpWeight = make("-g*SqDist(x,y)", reduction_op = "LogSumExpWeight", formula2 = "Exp(b)*Square(x)"),
    SumSoftMaxWeight = make("g*(x|y)", reduction_op = "SumSoftMaxWeight", formula2 = "b*Sin(x)"),
    Min = make("g*(x-y)*(x-b)", reduction_op = "Min"),
    Max = make("g*(x-y)*(x-b)", reduction_op = "Max"),
    Mean = make("Exp(-g*SqDist(x,y))*b", reduction_op = "Mean"),
    Var = make("Exp(-g*SqDist(x,y))*b", reduction_op = "Var"),
    Prod = make("1+0.3*Exp(-g*SqDist(x,y))*b", reduction_op = "Prod"),
    KMax = make("g*SqDist(x,y)+b[0]", reduction_op = "KMax", opt_arg = 3),
    KMin = make("g*SqDist(x,y)+b[0]", reduction_op = "KMin", opt_arg = 3),
    KMin2 = make("g*(x-y)*(x-b)", reduction_op = "KMin", opt_arg = 3)
  )
}

for (axis in 0:1) local({
  axis <- axis
  ops <- operators(axis)
  for (name in names(ops)) local({
    op <- ops[[name]]
    test_that(paste("gradient of", name, "over axis", axis), {
      expect_gradient(op, values, c("g", "x", "y", "b"))
    })
  })
})

test_that("gradients of gradients", {
  for (axis in 0:1) for (op in operators(axis)[c("Sum", "Mean", "Var", "Prod", "LogSumExp", "LogSumExpWeight", "SumSoftMaxWeight")]) {
    by_x <- genred_grad(op, "x", "e")
    more <- c(values, list(e = points(if (axis == 1) 7 else 9, ncol(do.call(op, values)), 3)))
    expect_gradient(by_x, more, c("g", "x", "y", "e"), 1e-6)
  }
})

test_that("reduction over both indices", {
  op <- Genred("Exp(-g*SqDist(x,y))*b", aliases, axis = "ij", dtype = "float64")
  rows <- Genred("Exp(-g*SqDist(x,y))*b", aliases, axis = 1, dtype = "float64")
  expect_equal(dim(do.call(op, values)), c(1L, 2L))
  expect_close(do.call(op, values), t(colSums(do.call(rows, values))), 1e-12)
  expect_gradient(op, values, c("g", "x", "y", "b"))
  expect_match(format(op), "a[1, 1:2] = sum_ij", fixed = TRUE)
  expect_error(Genred("x", "x=Vi(1)", "ArgMin", axis = 2), class = "genred_error_argument")
  expect_error(genred_grad(Genred("x", "x=Vi(1)", "Min", axis = 2), "x"),
               "Min over both indices has no gradient",
               class = "genred_error_argument")
})

# The kernels that statisticians use, with their derivative written by hand.
test_that("value and gradient of kernels against dense base R, to 1e-12", {
  x <- values$x; y <- values$y; b <- values$b[, 1]; e <- sin(1:7)
  d2 <- sq_dist(x, y); r <- sqrt(d2)
  # k(r) and k'(r) / r; the gradient by x_i is sum_j e_i b_j k'(r)/r (x_i - y_j)
  kernels <- list(
    gaussian = list("Exp(-SqDist(x,y))*b", exp(-d2), -2 * exp(-d2)),
    laplace = list("Exp(-Norm2(x-y))*b", exp(-r), -exp(-r) / r),
    cauchy = list("Inv(1+SqDist(x,y))*b", 1 / (1 + d2), -2 / (1 + d2)^2),
    matern32 = list("(1+Sqrt(3)*Norm2(x-y))*Exp(-Sqrt(3)*Norm2(x-y))*b", (1 + sqrt(3) * r) * exp(-sqrt(3) * r), -3 * exp(-sqrt(3) * r)),
    matern52 = list("(1+Sqrt(5)*Norm2(x-y)+5/3*SqDist(x,y))*Exp(-Sqrt(5)*Norm2(x-y))*b",
                    (1 + sqrt(5) * r + 5 / 3 * d2) * exp(-sqrt(5) * r), -5 / 3 * (1 + sqrt(5) * r) * exp(-sqrt(5) * r)),
    energy = list("-Norm2(x-y)*b", -r, -1 / r)
  )
  for (k in kernels) {
    op <- Genred(k[[1]], c("x = Vi(2)", "y = Vj(2)", "b = Vj(1)"), axis = 1, dtype = "float64")
    w <- sweep(k[[3]], 2, b, "*") * e
    for (backend in backends()) {
      expect_close(op(x, y, b, backend = backend), k[[2]] %*% b, 1e-12, info = k[[1]])
      expect_close(genred_grad(op, "x")(x, y, b, e, backend = backend), rowSums(w) * x - w %*% y, 1e-12, info = k[[1]])
    }
  }
})

test_that("log-sum-exp of a cost and attention against dense base R, to 1e-12", {
  x <- values$x; y <- values$y; b <- values$b
  cost <- -sq_dist(x, y)
  p <- exp(cost) / rowSums(exp(cost))
  op <- Genred("-SqDist(x,y)", c("x = Vi(2)", "y = Vj(2)"), "LogSumExp", axis = 1, dtype = "float64")
  att <- Genred("x|y", c("x = Vi(2)", "y = Vj(2)", "b = Vj(2)"), "SumSoftMaxWeight", axis = 1, dtype = "float64", formula2 = "b")
  q <- exp(x %*% t(y)); q <- q / rowSums(q)
  mean <- q %*% b
  e <- points(7, 2, 11)
  by_x <- t(sapply(1:7, function(i) colSums(q[i, ] * drop(sweep(b, 2, mean[i, ]) %*% e[i, ]) * y)))
  for (backend in backends()) {
    expect_close(op(x, y, backend = backend), cbind(log(rowSums(exp(cost)))), 1e-12)
    expect_close(genred_grad(op, "x")(x, y, rep(1, 7), backend = backend), -2 * (x - p %*% y), 1e-12)
    expect_close(att(x, y, b, backend = backend), mean, 1e-12)
    expect_close(genred_grad(att, "x")(x, y, b, e, backend = backend), by_x, 1e-12)
  }
})

test_that("gradients travel, print and refuse", {
  op <- operators(1)$LogSumExp
  by_x <- genred_grad(op, "x")
  expect_identical(names(formals(by_x))[1:5], c("g", "x", "y", "b", "e_x"))
  again <- unserialize(serialize(by_x, NULL))
  expect_identical(do.call(again, c(values, list(rep(1, 7)))), do.call(by_x, c(values, list(rep(1, 7)))))
  expect_output(print(by_x), "gradient by x of")
  expect_error(genred_grad(op, "z"), class = "genred_error_argument")
  expect_error(genred_grad(op, "x", "y"), class = "genred_error_argument")
  expect_error(genred_grad(sum, "x"), class = "genred_error_argument")
  expect_error(genred_grad(Genred("x", "x=Vi(1)", "ArgMin"), "x"), "no gradient", class = "genred_error_argument")
  expect_error(genred_grad(genred_grad(operators(1)$Min, "x"), "x"), class = "genred_error_argument")
})

test_that("a pair of weight 0 does not set the maximum of a log-sum-exp", {
  loo <- Genred("-SqDist(X,Y)/(2*Square(H))", c("H = Pm(1)", "X = Vi(1)", "Y = Vj(1)", "I = Vi(1)", "J = Vj(1)"),
                "LogSumExp", formula2 = "I != J", axis = 1, dtype = "float64")
  by_h <- genred_grad(loo, "H")
  for (backend in backends()) {
    expect_equal(loo(.001, c(0, 1), c(0, 1), 1:2, 1:2, backend = backend), matrix(-5e5, 2, 1))
    expect_equal(by_h(.001, c(0, 1), c(0, 1), 1:2, 1:2, c(1, 1), backend = backend), matrix(2e9, 1, 1))
  }
})

test_that("laws of gradients: blocks add up, i and j are alike", {
  op <- Genred("Exp(-SqDist(x,y))*b", c("x = Vi(2)", "y = Vj(2)", "b = Vj(1)"), axis = 1, dtype = "float64")
  by_x <- genred_grad(op, "x")
  x <- values$x; y <- values$y; b <- values$b[, 1]; e <- sin(1:7)
  blocks <- list(1:4, 5:9)
  parts <- lapply(blocks, function(k) by_x(x, y[k, ], b[k], e))
  expect_close(Reduce(`+`, parts), by_x(x, y, b, e), 1e-13)

  # the kernel is symmetric: the gradient of sum_ij e_i k(x_i, y_j) b_j by x, and of the same sum
  # with both sides exchanged
  by_y <- genred_grad(op, "y")
  expect_close(by_x(x, y, b, e), by_y(y, x, e, b), 1e-13)
  # and at x = y with equal weights both gradients are equal
  w <- rep(1, 7)
  expect_close(by_x(x, x, w, w), by_y(x, x, w, w), 1e-13)
})

test_that("bad arguments of gradient operators are classed errors that show the call", {
  x <- values$x; y <- values$y
  for (red in c("LogSumExp", "Min")) {
    by_x <- genred_grad(Genred("SqDist(x,y)", c("x = Vi(2)", "y = Vj(2)"), red, axis = 1), "x")
    bad <- list(quote(by_x(x, y)), quote(by_x(x, y, "a")), quote(by_x(x, y, 1:4)), quote(by_x(x[, 1], y, 1:7)),
                quote(by_x("a", y, 1:7)), quote(by_x(x, y, list(1))), quote(by_x(x, y, NULL)), quote(by_x(x, NULL, 1:7)),
                quote(by_x(x, y, 1:7, backend = "TPU")))
    for (call in bad) {
      e <- expect_error(eval(call), class = "genred_error")
      expect_identical(conditionCall(e)[[1]], quote(by_x))
    }
  }
})

# A compiler that writes a line to `log` for each run.
counting_compiler <- function(log) {
  script <- tempfile("cc")
  cc <- .Call(genred:::.ffi_settings_list)$cc
  writeLines(c("#!/bin/sh", paste0("echo run >>", shQuote(log)), paste("exec", if (is.null(cc)) "cc" else cc, '"$@"')), script)
  Sys.chmod(script, "755")
  script
}

test_that("the kernels of a gradient are compiled in one run of the compiler, if they are needed", {
  skip_without_compiler()
  skip_on_os("windows") # the compiler is a shell script
  log <- tempfile("runs")
  file.create(log)
  runs <- function() length(readLines(log))
  aliases <- c("x = Vi(3)", "y = Vj(3)", "b = Vj(3)")
  x <- points(30, 3); y <- points(40, 3); b <- points(40, 3, 5); e <- points(30, 3, 7)
  make <- function(formula, red, ...) Genred(formula, aliases, red, axis = 1, dtype = "float64", ...)
  ops <- list(
    make("-SqDist(x,y)/4001", "LogSumExp"), make("-SqDist(x,y)/4002", "LogSumExp", formula2 = "Square(b)"),
    make("-SqDist(x,y)/4003", "SumSoftMaxWeight", formula2 = "b"), make("x*y-b/4004", "Var"), make("Exp(x*y/4005)", "Prod"),
    make("x*y-b/4006", "Min"), make("Square(x-y)/4007", "KMin", opt_arg = 4)
  )
  one <- function(by, e) {
    before <- runs()
    expect_identical(dim(by(x, y, b, e)), dim(x)) # small: interpreted
    expect_identical(runs(), before)
    value <- by(x, y, b, e, backend = "CPU")
    expect_identical(runs(), before + 1L)
    expect_close(value, by(x, y, b, e, backend = "interpreter"), 1e-10)
    expect_identical(by(x, y, b, e, backend = "CPU"), value)
    expect_identical(runs(), before + 1L)
  }
  with_options(list(genred.cc = counting_compiler(log), genred.cache_dir = tempfile("cache")), {
    for (op in ops) {
      shape <- op(x, y, b, backend = "interpreter")
      shape[] <- sin(seq_along(shape))
      one(genred_grad(op, "x"), shape)
    }
    # few rows have kernels of their own
    by_y <- genred_grad(ops[[3L]], "y")
    y1 <- points(5000, 3); b1 <- points(5000, 3, 6)
    before <- runs()
    value <- by_y(x[1:2, ], y1, b1, e[1:2, ], backend = "CPU")
    expect_identical(runs(), before + 1L)
    expect_close(value, by_y(x[1:2, ], y1, b1, e[1:2, ], backend = "interpreter"), 1e-10)
    # the gradient of a gradient: what is there already is not compiled again
    twice <- genred_grad(genred_grad(ops[[3L]], "x"), "b", "u")
    before <- runs()
    value <- twice(x, y, b, e, x, backend = "CPU")
    expect_identical(runs(), before + 1L)
    expect_close(value, twice(x, y, b, e, x, backend = "interpreter"), 1e-10)
  })
})

test_that("kernels that were compiled together are found one by one, in other processes too", {
  skip_without_compiler()
  skip_unless_installed()
  dir <- tempfile("cache")
  code <- function(...) c(
    sprintf("options(genred.cache_dir = %s)", deparse(dir)),
    "op <- Genred('-SqDist(x,y)/4100', c('x = Vi(2)', 'y = Vj(2)'), 'LogSumExp', axis = 1)", ...,
    "value <- op(matrix(0, 1, 2), matrix(0, 1, 2), backend = 'CPU')",
    "cat(round(value[1]), genred:::operator_info(op)$last$origin, genred_cache_info()$files, '\\n')"
  )
  by_x <- "genred_grad(op, 'x')(matrix(0, 1, 2), matrix(0, 1, 2), 1, backend = 'CPU') -> g"
  expect_identical(trimws(fresh_r(code(by_x))), "0 memory 2")
  expect_identical(trimws(fresh_r(code())), "0 disk 2")
  expect_identical(trimws(fresh_r(code(by_x))), "0 memory 2")
  expect_identical(trimws(fresh_r(code("cat(genred_cache_clear(), '')"))), "2 0 compiled 1")
})

test_that("what fails when kernels are compiled together is told by the calls", {
  skip_on_os("windows")
  op <- Genred("-SqDist(x,y)/4200", c("x = Vi(2)", "y = Vj(2)"), "LogSumExp", axis = 1)
  by_x <- genred_grad(op, "x")
  x <- points(5, 2)
  with_options(list(genred.cc = "/nonexistent/compiler"), {
    expect_error(by_x(x, x, 1:5, backend = "CPU"), "/nonexistent/compiler", class = "genred_error_compiler")
  })
  with_options(list(genred.cc = 3), expect_error(by_x(x, x, 1:5, backend = "CPU"), "genred.cc", class = "genred_error_argument"))
  skip_without_compiler()
  refuses <- tempfile("cc")
  writeLines(c("#!/bin/sh", "for last; do :; done", "if grep -q push_options \"$last\"; then exit 1; fi", "exec cc \"$@\""), refuses)
  Sys.chmod(refuses, "755")
  with_options(list(genred.cc = refuses, genred.cache_dir = tempfile("cache")), {
    expect_close(by_x(x, x, 1:5, backend = "CPU"), by_x(x, x, 1:5, backend = "interpreter"), 1e-5)
    expect_identical(genred:::operator_info(op)$last$origin, "none")
  })
  said <- NULL
  with_options(list(genred.cc = NULL, genred.cache_dir = "/dev/null/x"), withCallingHandlers({
    op <- Genred("-SqDist(x,y)/4300", c("x = Vi(2)", "y = Vj(2)"), "LogSumExp", axis = 1)
    session <- genred:::session
    session$said <- character()
    genred_grad(op, "x")(x, x, 1:5, backend = "CPU")
  }, genred_message = function(m) {
    said <<- c(said, conditionMessage(m))
    invokeRestart("muffleMessage")
  }))
  expect_length(said, 1L)
  expect_match(said, "not kept in the cache")
})

test_that("gradients of minima where the formula names variables by position", {
  x <- points(4, 2); y <- points(5, 2)
  named <- function(red, ...) Genred("Sum(p*Square(x-y))", c("x=Vi(2)", "y=Vj(2)", "p=Pm(2)"), red, axis = 1, dtype = "float64", ...)
  written <- list("Sum(Pm(2,2)*Square(Vi(0,2)-Vj(1,2)))", "Sum(Var(2,2,2)*Square(Var( 0,2 , 0)-Var (1 ,2,1)))", "Sum(Pm(2,2)*Square(Vi(0,2)-Vj(\n1,\n2)))")
  for (red in c("Min", "Max", "KMin", "KMax")) {
    k <- if (startsWith(red, "K")) 2
    e <- matrix(seq_len(4 * max(1, k)) / 8, 4)
    for (text in written) for (v in 1:3) {
      op <- Genred(text, character(), red, axis = 1, dtype = "float64", opt_arg = k)
      want <- genred_grad(named(red, opt_arg = k), c("x", "y", "p")[v])(x, y, c(0.5, 2), e)
      expect_equal(genred_grad(op, paste0("arg", v))(x, y, c(0.5, 2), e), want, info = paste(red, text))
    }
    mixed <- Genred("Sum(p*Square(x-Vj(1,2)))", c("x=Vi(0,2)", "p=Pm(2,2)"), red, axis = 1, dtype = "float64", opt_arg = k)
    expect_equal(genred_grad(mixed, "x")(x, y, c(0.5, 2), e), genred_grad(named(red, opt_arg = k), "x")(x, y, c(0.5, 2), e))
  }
})

test_that("means and variances count variables that only the formula names", {
  x <- points(4, 3); y <- points(7, 3); e <- points(4, 1)
  for (reduction in c("Mean", "Var")) {
    named <- Genred("SqDist(X,Y)", c("X = Vi(0,3)", "Y = Vj(1,3)"), reduction, axis = "j", dtype = "float64")
    unnamed <- Genred("SqDist(X,Vj(1,3))", "X = Vi(0,3)", reduction, axis = "j", dtype = "float64")
    expect_equal(genred_grad(unnamed, "X")(x, y, e), genred_grad(named, "X")(x, y, e), tolerance = 1e-12)
  }
})

test_that("a gradient operator whose plan was changed is refused, whatever was changed", {
  x <- points(4, 2); y <- points(5, 2)
  small <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), "KMin", axis = "j", opt_arg = 2)
  large <- Genred("Exp(-SqDist(X,Y))", c("X = Vi(2)", "Y = Vj(2)"), "LogSumExp", axis = "j")
  junk <- list(NULL, NA, -1, "a", list(), list(1), sum, factor("a"), 1:3)
  for (op in list(small, large)) {
    good <- genred_grad(op, "X")
    e <- matrix(1, 4, if (identical(op, small)) 2 else 1)
    expect_equal(dim(good(x, y, e)), c(4L, 2L))
    for (field in names(environment(good)$.plan)) for (value in junk) {
      bad <- genred_grad(op, "X")
      environment(bad)$.plan[field] <- list(value)
      got <- tryCatch({bad(x, y, e); format(bad); "fine"}, genred_error = function(e) "refused", error = function(e) conditionMessage(e))
      expect_true(got %in% c("fine", "refused"), info = paste(field, deparse(value)[1L], got))
    }
  }
})
