# Aliases that leave dimensions open: each call is one of the operator that was declared with the
# dimensions of its arguments, to the last bit.

# Results are compared bit by bit, and "auto" interprets small work unless another test has left the
# kernel in memory: these tests choose the backend.
before_dims <- options(genred.backend = "interpreter")

gauss_aliases <- c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)")

# The same with some dimensions left open, by position.
opened <- function(aliases, which = seq_along(aliases)) {
  aliases[which] <- sub("\\(.*", "", aliases[which])
  aliases
}

gauss_open <- function(...) Genred("Exp(-G * SqDist(X,Y)) * B", opened(gauss_aliases), axis = 1, dtype = "float64", ...)

gauss_args <- function(d = 3, e = 2, m = 12, n = 15) list(0.7, points(m, d), points(n, d), points(n, e))

# An error of this class, whose message has all these parts.
expect_refused <- function(code, class, ...) {
  e <- expect_error(code, class = paste0("genred_error_", class))
  for (text in c(...)) expect_match(conditionMessage(e), text, fixed = TRUE)
}

last_of <- function(op) genred:::operator_info(op)$last

test_that("an open operator is the declared one, for every reduction, axis, precision and backend", {
  for (reduction in names(genred:::reduction_forms)) for (axis in 0:2) for (dtype in c("float32", "float64")) {
    k <- if (grepl("^(Arg)?K|_ArgK", reduction)) 2
    scalar <- grepl("Exp|Max_Sum|SoftMax", reduction)
    weight <- if (reduction %in% c("LogSumExpWeight", "SumSoftMaxWeight", "Max_SumShiftExpWeight")) "b"
    make <- function(aliases) {
      tryCatch(Genred(if (scalar) "-SqDist(x,y)*g" else "(x-y)*g", aliases, reduction, axis, dtype, k, weight),
               genred_error = conditionMessage)
    }
    aliases <- c("x = Vi(2)", "y = Vj(2)", "g = Pm(1)", "b = Vj(3)")
    closed <- make(aliases)
    open <- make(opened(aliases))
    if (is.character(closed)) { # an index over both axes
      expect_identical(open, closed)
      next
    }
    args <- list(points(7, 2), points(9, 2), 0.5, points(9, 3))
    for (backend in if (axis == 1) backends() else "interpreter") {
      expect_identical(do.call(open, c(args, backend = backend)), do.call(closed, c(args, backend = backend)),
                       info = paste(reduction, axis, dtype, backend))
    }
  }
})

test_that("aliases may be mixed, unnamed, and spaced freely", {
  x <- points(5, 3)
  y <- points(6, 3)
  closed <- Genred("SqDist(x,y)", c("x = Vi(3)", "y = Vj(3)"), axis = 1)
  for (aliases in list(c("x = Vi", "y = Vj(3)"), c(" x=Vi ", "y\t= \nVj"), c(x = "Vi", y = "Vj"), list("x = Vi", "y = Vj"))) {
    expect_identical(Genred("SqDist(x,y)", aliases, axis = 1)(x, y), closed(x, y))
  }
  by_place <- Genred("SqDist(Vi(0,3),Vj(1,3))", c("Vi", "Vj"), axis = 1)
  expect_identical(names(formals(by_place))[1:2], c("arg1", "arg2"))
  expect_identical(by_place(x, y), closed(x, y))
  expect_error(Genred("y", c("y = Vj(1,3)", "y2 = Vj"), axis = 1), "position 1 is used", class = "genred_error_parse")
})

test_that("dimensions come from columns, lengths and vectors", {
  op <- Genred("(X | Y) * Sum(P) + U", c("X = Vi", "Y = Vj", "P = Pm", "U = Vj"), axis = 1, dtype = "float64")
  for (d in c(1, 2, 5)) {
    x <- points(4, d)
    y <- points(3, d)
    p <- seq_len(d + 1) / 2
    want <- matrix(rowSums(x %*% t(y) * sum(p)) + 6, 4)
    expect_close(op(x, y, p, 1:3), want, 1e-12)
    expect_close(op(x, y, matrix(p), as.matrix(1:3)), want, 1e-12)
    expect_close(op(x, y, matrix(p, 1), array(1:3)), want, 1e-12)
    expect_close(op(x, y, data.frame(p), 1:3), want, 1e-12)
    expect_close(op(as.data.frame(x), y, p, 1:3), want, 1e-12)
    if (d == 1) expect_close(op(c(x), c(y), p, 1:3), want, 1e-12)
  }
  expect_identical(dim(op(points(0, 2), points(3, 2), 1, 1:3)), c(0L, 1L))
  expect_identical(c(op(points(2, 2), points(0, 2), 1, numeric(0))), c(0, 0))
})

test_that("an unused argument determines the number of rows, whatever its dimension", {
  op <- Genred("Y", c("U = Vi", "Y = Vj(1)"), axis = 1, dtype = "float64")
  for (d in 1:3) expect_identical(op(points(4, d), 1:5), matrix(15, 4, 1))
})

test_that("each choice of dimensions is compiled once, and shared with declared operators", {
  skip_without_compiler()
  with_options(list(genred.cache_dir = tempfile("dims")), {
    op <- gauss_open()
    origins <- vapply(c(2, 3, 2, 3, 4, 2), function(d) {
      do.call(op, c(gauss_args(d), backend = "CPU"))
      last_of(op)$origin
    }, "")
    expect_identical(origins == "compiled", c(TRUE, TRUE, FALSE, FALSE, TRUE, FALSE))
    expect_length(list.files(getOption("genred.cache_dir"), "\\.so$"), 3L)
    declared <- Genred("Exp(-G * SqDist(X,Y)) * B", gauss_aliases, axis = 1, dtype = "float64")
    do.call(declared, c(gauss_args(3), backend = "CPU"))
    expect_identical(last_of(declared)$origin, "memory")
    # the program, too
    expect_identical(last_of(declared), genred:::operator_info(update(declared, axis = 1))$last)
  })
})

test_that("many dimensions can alternate", {
  op <- gauss_open()
  first <- lapply(1:80, function(d) do.call(op, c(gauss_args(d), backend = "interpreter")))
  again <- lapply(80:1, function(d) do.call(op, c(gauss_args(d), backend = "interpreter")))
  expect_identical(rev(again), first)
  for (d in c(1, 40, 80)) {
    declared <- Genred("Exp(-G * SqDist(X,Y)) * B", c("G = Pm(1)", paste0("X = Vi(", d, ")"), paste0("Y = Vj(", d, ")"), "B = Vj(2)"),
                       axis = 1, dtype = "float64")
    expect_identical(do.call(declared, c(gauss_args(d), backend = "interpreter")), first[[d]])
  }
})

test_that("an open operator is plain data: files, other processes, forks", {
  op <- gauss_open()
  args <- gauss_args()
  want <- do.call(op, args)
  file <- tempfile(fileext = ".rds")
  saveRDS(op, file)
  expect_identical(do.call(readRDS(file), args), want)
  expect_setequal(ls(environment(op), all.names = TRUE), ".spec")
  skip_on_os("windows")
  forked <- parallel::mclapply(2:3, function(d) do.call(op, gauss_args(d)), mc.cores = 2)
  expect_identical(forked, lapply(2:3, function(d) do.call(op, gauss_args(d))))
  skip_unless_installed()
  saveRDS(list(op, args, want), file)
  said <- fresh_r(c(sprintf("x <- readRDS(%s)", deparse(file)), "cat(max(abs(do.call(x[[1]], x[[2]]) - x[[3]])) < 1e-14)"))
  expect_identical(utils::tail(said, 1), "TRUE")
})

# ---- derived operators ---------------------------------------------------------------------------

test_that("gradients of open operators are those of the declared ones", {
  aliases <- c("x = Vi(2)", "y = Vj(2)", "g = Pm(1)", "b = Vj(3)")
  args <- list(x = points(6, 2), y = points(8, 2), g = 0.8, b = abs(points(8, 3)) + 0.5)
  cases <- list(list("Sum", "Exp(-g*SqDist(x,y))*b"), list("Mean", "(x-y)*g"), list("Var", "(x-y)*g"),
                list("Prod", "Exp(-g*SqDist(x,y))+(x|y)**2"), list("LogSumExp", "-g*SqDist(x,y)"),
                list("LogSumExp", "-g*SqDist(x,y)", "b"), list("SumSoftMaxWeight", "-g*SqDist(x,y)", "b"),
                list("Min", "(x-y)*g"), list("Max", "x*y"), list("KMin", "(x-y)*g"), list("KMax", "g*SqDist(x,y)"))
  for (case in cases) for (axis in 0:1) for (variable in c("x", "y", "g")) {
    make <- function(aliases) {
      Genred(case[[2]], aliases, case[[1]], axis, "float64", if (startsWith(case[[1]], "K")) 2, if (length(case) > 2) case[[3]])
    }
    closed <- make(aliases)
    open <- make(opened(aliases))
    e <- do.call(closed, unname(args))
    e[] <- seq_along(e) / 7
    by_closed <- do.call(genred_grad(closed, variable), unname(c(args, list(e))))
    by_open <- genred_grad(open, variable)
    expect_identical(do.call(by_open, unname(c(args, list(e)))), by_closed, info = paste(case[[1]], axis, variable))
    # again, and after a call with another number of columns
    other <- within(args, { x <- points(6, 1); y <- points(8, 1) })
    e1 <- do.call(open, unname(other))
    do.call(by_open, unname(c(other, list(e1))))
    expect_identical(do.call(by_open, unname(c(args, list(e)))), by_closed, info = paste(case[[1]], axis, variable))
  }
})

test_that("second derivatives and axis = \"ij\" follow, too", {
  aliases <- c("x = Vi(2)", "y = Vj(2)")
  args <- list(points(5, 2), points(6, 2))
  for (reduction in c("Sum", "LogSumExp", "Var")) for (axis in 1:2) {
    make <- function(aliases) Genred("Exp(-SqDist(x,y))", aliases, reduction, axis, "float64")
    second <- function(op) genred_grad(genred_grad(op, "x"), "y")
    e <- if (axis == 2) 0.5 else points(5, 1)
    u <- points(5, 2, seed = 9)
    expect_identical(do.call(second(make(opened(aliases))), c(args, list(e, u))),
                     do.call(second(make(aliases)), c(args, list(e, u))), info = paste(reduction, axis))
  }
})

test_that("results of operators are incoming gradients as they are", {
  op <- Genred("(x-y)*p", c("x = Vi", "y = Vj", "p = Pm"), "Sum", "ij", "float64")
  x <- points(5, 3)
  y <- points(4, 3)
  p <- c(1, 2, 0.5)
  value <- op(x, y, p) # 1 x 3, of a parameter's gradient, too
  by_p <- genred_grad(op, "p")(x, y, p, value)
  expect_close(by_p, value^2 / matrix(p, 1), 1e-12)
  expect_close(genred_grad(genred_grad(op, "p"), "x")(x, y, p, value, by_p), matrix(4 * value * by_p, 5, 3, byrow = TRUE), 1e-12)
})

test_that("an incoming gradient of another dimension is refused, not recycled", {
  x <- points(5, 2)
  y <- points(6, 2)
  for (reduction in c("Sum", "Mean", "Var", "Prod", "LogSumExp", "SumSoftMaxWeight", "Min")) {
    scalar <- grepl("Exp|Soft", reduction)
    op <- Genred(if (scalar) "-SqDist(x,y)" else "x-y", c("x = Vi", "y = Vj"), reduction, 1, "float64",
                 formula2 = if (reduction == "SumSoftMaxWeight") "y")
    by_x <- genred_grad(op, "x")
    wrong <- points(5, if (reduction == "LogSumExp") 2 else 1)
    expect_error(by_x(x, y, wrong), class = "genred_error", info = reduction)
    expect_error(by_x(x, y, points(5, 3)), class = "genred_error", info = reduction)
  }
})

test_that("gradients of open operators travel, and their kernels are compiled together", {
  skip_without_compiler()
  op <- Genred("-g*SqDist(x,y)", c("x = Vi", "y = Vj", "g = Pm"), "LogSumExp", 1, "float64")
  by_x <- genred_grad(op, "x")
  args <- list(points(5, 2), points(6, 2), 0.5, points(5, 1))
  want <- do.call(by_x, args)
  file <- tempfile()
  saveRDS(by_x, file)
  expect_identical(do.call(readRDS(file), args), want)
  with_options(list(genred.cache_dir = tempfile("dims")), {
    op <- update(op, formula = "-g*SqDist(x,y)*0.99")
    do.call(genred_grad(op, "x"), c(args, backend = "CPU"))
    first <- genred:::filled_operator(op, c(x = 2L, y = 2L, g = 1L))
    expect_identical(last_of(first)$origin, "memory") # prepared before the first step ran
  })
})

test_that("partial results belong to the dimensions of their pieces", {
  op <- Genred("SqDist(x,y)", c("x = Vi", "y = Vj"), "ArgKMin", axis = 1, opt_arg = 2)
  x <- points(5, 3)
  y <- points(9, 3)
  a <- genred_partial(op, x, y[1:4, ])
  b <- genred_partial(op, x, y[5:9, ], offset = 4)
  expect_identical(genred_finish(genred_merge(a, b)), op(x, y))
  expect_identical(genred_finish(op, genred_merge(a, b)), op(x, y))
  expect_identical(genred_finish(Genred("SqDist(x,y)", c("x = Vi(3)", "y = Vj(3)"), "ArgKMin", axis = 1, opt_arg = 2), a),
                   op(x, y[1:4, ]))
  other <- genred_partial(op, x[, 1:2], y[1:4, 1:2])
  expect_error(genred_merge(b, other), "different operators, whose `aliases`", class = "genred_error_argument")
  expect_error(genred_finish(update(op, opt_arg = 3), a), "does not belong", class = "genred_error_argument")
  expect_error(genred_finish(update(op, formula = "x|y+z", aliases = c("x = Vi", "y = Vj", "z = Vj")), a), "does not belong",
               class = "genred_error_argument")
  expect_error(genred_partial(op, x, y[, 1:2]), "x = Vi(3), y = Vj(2)", fixed = TRUE, class = "genred_error_dimension")
  forged <- unclass(a)
  forged$spec <- genred:::operator_spec(op)
  expect_error(genred_finish(structure(forged, class = "genred_partial")), "changed or damaged", class = "genred_error_argument")
  expect_output(print(a), "columns  4")
})

test_that("ranges, row names and settings are those of any operator", {
  op <- gauss_open()
  declared <- Genred("Exp(-G * SqDist(X,Y)) * B", gauss_aliases, axis = 1, dtype = "float64")
  args <- gauss_args()
  rownames(args[[2]]) <- letters[1:12]
  args$ranges <- band_ranges(12, 15, 2, 2)
  got <- do.call(op, args)
  expect_identical(got, do.call(declared, args))
  expect_identical(rownames(got), letters[1:12])
  args$ranges <- group_ranges(rep(1:3, 4), rep(1:5, 3)) # labels that are not sorted
  expect_identical(do.call(op, args), do.call(declared, args))
  by_x <- function(op) genred_grad(op, "X")
  expect_identical(do.call(by_x(op), c(args, list(e_X = points(12, 2)))), do.call(by_x(declared), c(args, list(e_X = points(12, 2)))))
})

test_that("arrays on a GPU tell their dimensions", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    aliases <- c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)")
    declared <- Genred("Exp(-G * SqDist(X,Y)) * B", aliases, axis = 1)
    open <- Genred("Exp(-G * SqDist(X,Y)) * B", sub("\\(.*", "", aliases), axis = 1)
    args <- lapply(list(0.7, points(40, 3), points(50, 3), points(50, 2)), genred_array)
    e <- genred_array(points(40, 2))
    both <- function(f, ...) lapply(list(open, declared), function(op) f(op)(...))
    kept <- open(args[[1]], args[[2]], args[[3]], args[[4]], keep = TRUE)
    list(
      value = both(identity, args[[1]], args[[2]], args[[3]], args[[4]], backend = "GPU"),
      grad = both(function(op) genred_grad(op, "X"), args[[1]], args[[2]], args[[3]], args[[4]], e),
      lse = lapply(c("-SqDist(X,Y)", "-2*SqDist(X,Y)"), function(f) {
        as.matrix(genred_grad(Genred(f, c("X = Vi", "Y = Vj"), "LogSumExp", 1), "X")(args[[2]], args[[3]], kept, keep = TRUE)) |> failed()
      }),
      kept = class(kept),
      empty = failed(open(args[[1]], genred_array(matrix(0, 4, 0)), args[[3]], args[[4]]))
    )
  })
  expect_identical(got$value[[1]], got$value[[2]])
  expect_identical(got$grad[[1]], got$grad[[2]])
  expect_identical(got$kept, "genred_array")
  for (one in got$lse) expect_match(one[2], "argument `e_X` \\(Vi\\(1\\)\\)")
  expect_match(got$empty[2], "must have between 1 and|rows and columns")
  expect_clean(got)
})

test_that("the dimensions of a batch are no dimensions of its elements", {
  aliases <- c("G = Pm(2)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)")
  numbers <- function(...) array(seq_len(prod(...)) %% 7 / 5 - 0.3, c(...))
  args <- list(numbers(2, 4), numbers(5, 3, 4), numbers(6, 3), numbers(6, 2, 1))
  make <- function(aliases, ...) Genred("Exp(-SqDist(X,Y)) * B * G", aliases, axis = 1, dtype = "float64", ...)
  open <- make(opened(aliases))
  declared <- make(aliases)
  value <- do.call(declared, args)
  expect_identical(dim(value), c(5L, 2L, 4L))
  expect_identical(do.call(open, args), value)
  for (variable in c("G", "X", "Y")) { # Y has one element for all: its gradient is their sum
    expect_identical(do.call(genred_grad(open, variable), c(args, list(value))),
                     do.call(genred_grad(declared, variable), c(args, list(value))), info = variable)
  }
  for (reduction in c("Mean", "Min")) {
    by_y <- function(aliases) do.call(genred_grad(make(aliases, reduction_op = reduction), "Y"), c(args, list(value)))
    expect_identical(by_y(opened(aliases)), by_y(aliases), info = reduction)
  }
})

test_that("an array of pairs tells its components by its third dimension", {
  open <- Genred("c*x", c("c = Mij", "x = Vi"), axis = 1, dtype = "float64")
  x <- points(4, 1)
  for (size in list(c(4, 5), c(4, 5, 1), c(4, 5, 3))) {
    d <- if (length(size) > 2) size[3] else 1
    declared <- Genred("c*x", c(paste0("c = Mij(", d, ")"), "x = Vi(1)"), axis = 1, dtype = "float64")
    pairs <- array(seq_len(prod(size)) / 8, size)
    expect_identical(open(pairs, x), declared(pairs, x))
    incoming <- open(pairs, x)
    expect_identical(genred_grad(open, "x")(pairs, x, incoming), genred_grad(declared, "x")(pairs, x, incoming))
  }
  expect_refused(open(array(0, c(4, 5, 0)), x), "argument", "argument `c` (Mij) must have between 1 and", "components")
  expect_refused(open(1:4, x), "argument", "argument `c` (Mij(1)) must be a numeric matrix, M x N")
  expect_refused(open(NULL, x), "argument", "argument `c` (Mij) must be a numeric matrix or array; NULL")
  expect_output(print(open), "c  Mij  M x N x d, d from the argument", fixed = TRUE)
})

# ---- what an operator says of itself -------------------------------------------------------------

test_that("print, format, summary, formula and update know open dimensions", {
  op <- Genred("Exp(-G * SqDist(X,Y)) * B", c("G = Pm", "X = Vi", "Y = Vj(3)", "B = Vj"), axis = 1)
  text <- capture.output(print(op))
  expect_match(text[1], "a[i, 1:D] = sum_j Exp(-G * SqDist(X,Y)) * B", fixed = TRUE)
  expect_match(text[2], "G  Pm     vector of length d, d from the argument", fixed = TRUE)
  expect_match(text[3], "X  Vi     M x d, d from the argument", fixed = TRUE)
  expect_match(text[4], "Y  Vj(3)  N x 3", fixed = TRUE)
  expect_match(text[6], "result  M x D, doubles, D from the arguments", fixed = TRUE)
  expect_match(text[7], "not run yet")
  do.call(op, c(gauss_args(), backend = "interpreter"))
  expect_output(print(op), "last run by the interpreter")
  expect_output(print(summary(op)), "Graph and plan depend on dimensions")
  expect_null(summary(op)$dag)
  expect_identical(formula(op), ~ Exp(-G * SqDist(X, Y)) * B, ignore_formula_env = TRUE)
  expect_identical(as.character(op), "Exp(-G * SqDist(X,Y)) * B")
  expect_output(print(update(op, reduction_op = "LogSumExp", formula = "-SqDist(X,Y)")), "result  M x 1, doubles")
  expect_output(print(update(op, reduction_op = "KMin", opt_arg = 4)), "result  M x 4 x D, doubles, D from")
  expect_output(print(update(op, reduction_op = "Min_ArgMin")), "each M x D, D from the arguments")
  expect_output(print(genred_grad(op, "X")), "e_X  Vi     M x d, d from the argument", fixed = TRUE)
  closed <- update(op, aliases = gauss_aliases)
  expect_identical(do.call(closed, gauss_args()), do.call(op, gauss_args()))
})

test_that("genred_source() takes dimensions", {
  op <- Genred("Exp(-G * SqDist(X,Y)) * B", opened(gauss_aliases), axis = 1)
  declared <- Genred("Exp(-G * SqDist(X,Y)) * B", gauss_aliases, axis = 1)
  dims <- c(B = 2, X = 3, G = 1, Y = 3)
  for (stage in c("tokens", "ast", "dag", "plan", "c", "cuda")) {
    expect_identical(genred_source(op, stage = stage, dims = dims), genred_source(declared, stage = stage))
  }
  for (stage in c("tokens", "ast")) expect_identical(genred_source(op, stage = stage), genred_source(declared, stage = stage))
  refused <- function(code, ...) expect_refused(code, "argument", ...)
  refused(genred_source(op), "this stage needs dims = c(G = 3, X = 3, Y = 3, B = 3); NULL was given")
  refused(genred_source(op, dims = c(X = 3)), 'for "X"')
  refused(genred_source(op, dims = 1:4), "this stage needs dims")
  refused(genred_source(op, dims = c(dims, Z = 1)), '"Z"')
  refused(genred_source(op, dims = replace(dims, 1, 0)), "between 1 and")
  refused(genred_source(op, dims = replace(dims, 1, 1.5)), "whole numbers")
  refused(genred_source(op, dims = replace(dims, 1, NA)), "whole numbers")
  refused(genred_source(declared, dims = dims), "all arguments of `op` have a dimension")
  expect_error(genred_source(op, dims = replace(dims, 2, 2)), "X = Vi(2)", fixed = TRUE, class = "genred_error_dimension")
})

# ---- errors --------------------------------------------------------------------------------------

test_that("what needs no dimensions is checked by Genred()", {
  make <- function(formula, ...) Genred(formula, c("x = Vi", "y = Vj"), axis = 1, ...)
  parse <- function(code, ...) expect_refused(code, "parse", ...)
  parse(make("Epx(x)*y"), "unknown operation `Epx`\n  Epx(x)*y\n  ^~~\nDid you mean `Exp`?")
  parse(make("x*z"), "unknown variable `z`\n  x*z\n    ^")
  parse(make("x*(y"), "expected")
  parse(make("Exp(x,y)"), "takes 1 argument, found 2")
  parse(make("Elem(x,y)"), "must be an integer constant")
  parse(make("Vi*x"), "needs a position and a dimension inside a formula")
  parse(make("Vi(0)*x"), "2 arguments (position, dim) inside a formula")
  parse(make("Vj(0,2)"), "position 0 is used by two different arguments")
  parse(make("x", reduction_op = "Smu"), "unknown reduction")
  parse(make("x|y", reduction_op = "SoftMax", formula2 = "Epx(y)"), "unknown operation `Epx`")
  expect_error(make("x", reduction_op = "SoftMax"), "requires formula2", class = "genred_error_argument")
  expect_error(make("x", reduction_op = "KMin"), "requires opt_arg", class = "genred_error_argument")
  expect_error(make("x*1e39"), "too large", class = "genred_error_argument")
  for (alias in c("x = Vk", "x = Var", "x = Vi()", "x = Vi Vj", "x =")) parse(Genred("1", alias, axis = 1), "an alias has the form")
  parse(Genred("x", c("x = Vi", "x = Vj"), axis = 1), "defined twice")
  expect_error(Genred("1", "backend = Vi"), "cannot be called", class = "genred_error_argument")
})

test_that("what dimensions decide is told by the call, with these dimensions", {
  x <- points(5, 3)
  y <- points(6, 2)
  dimension <- function(code, ...) expect_refused(code, "dimension", ...)
  op <- Genred("SqDist(x,y)*g", c("x = Vi", "y = Vj", "g = Pm"), axis = 1)
  dimension(op(x, y, 1), "found 3 and 2", "  SqDist(x,y)*g\n  ^~~~~~",
            "with the dimensions of the arguments: x = Vi(3), y = Vj(2), g = Pm(1)")
  dimension(Genred("x[5]", "x = Vi", axis = 1)(x), "x = Vi(3)")
  dimension(Genred("x", c("x = Vi", "y = Vj"), "LogSumExp", 1)(x, y), "needs a formula of dimension 1, found 3")
  dimension(Genred("MatVecMult(A,x)", c("A = Pm", "x = Vi"), axis = 1)(1:7, x), "A = Pm(7), x = Vi(3)")
  e <- tryCatch(op(x, y, 1), error = identity)
  expect_identical(as.character(conditionCall(e)[[1]]), "op")
  conflict <- Genred("Vi(0,3)*y", c("x = Vi", "y = Vj"), axis = 1)
  expect_identical(dim(conflict(x, y[, 1])), c(5L, 3L))
  expect_error(conflict(x[, 1:2], y), "x = Vi(2)", fixed = TRUE, class = "genred_error_parse")
  # the operator goes on working
  expect_identical(dim(op(x, x, 1)), c(5L, 1L))
})

test_that("arguments without a usable dimension are refused", {
  op <- Genred("SqDist(x,y)*Sum(g)", c("x = Vi", "y = Vj", "g = Pm"), axis = 1)
  x <- points(5, 3)
  refused <- function(code, ...) expect_refused(code, "argument", ...)
  refused(op(x[, 0], x, 1), "argument `x` (Vi) must have between 1 and", "columns; a double matrix (5 x 0) was given")
  refused(op(x, x, numeric(0)), "argument `g` (Pm) must have between 1 and", "numbers; a double vector of length 0")
  refused(op(matrix(0, 0, 2e6), x, 1), "argument `x` (Vi) must have between 1 and")
  refused(op(x, NULL, 1), "argument `y` (Vj) must be a numeric matrix or vector; NULL was given")
  refused(op(x, x, "a"), "argument `g` (Pm) must be a numeric vector; \"a\" was given")
  refused(op(factor(1:3), x, 1), "argument `x` (Vi) must be", "as.integer()")
  refused(op(x, list(1), 1), "argument `y` (Vj) must be")
  refused(op(x, sum, 1), "a function was given")
  refused(op(x, x + 1i, 1), "Re() and Im()")
  refused(op(x, , 1), "argument `y` is missing; it must be a numeric matrix or vector (Vj)")
  refused(Genred("x+z", c("x = Vi", "z = Vi"), axis = 1)(x, x[1:3, ]), "both indexed by i")
  refused(genred_grad(Genred("x-y", c("x = Vi", "y = Vj"), "Mean", 1), "x")(x, factor(1:3), x), "argument `y` (Vj) must be")
  damaged <- op
  environment(damaged) <- new.env(parent = environment(op))
  spec <- environment(op)$.spec
  spec$aliases[1] <- "x = Vj"
  environment(damaged)$.spec <- spec
  refused(damaged(x, x, 1), "changed or damaged")
})

test_that("gradients of batches take declared dimensions as declared", {
  # a third dimension of a Mij(1) numbers the elements of a batch, whatever is open
  x <- array(points(15, 6), c(15, 3, 2))
  y <- points(4, 3)
  c_ <- array(points(60, 2), c(15, 4, 2))
  e <- array(points(15, 2), c(15, 1, 2))
  for (reduction in c("Max", "LogSumExp", "Mean")) {
    op <- function(dim) Genred("c * SqDist(x,y)", c("c = Mij(1)", "x = Vi(3)", paste0("y = Vj", dim)), reduction, axis = 1, dtype = "float64")
    for (v in c("c", "x", "y")) {
      expect_identical(genred_grad(op(""), v)(c_, x, y, e), genred_grad(op("(3)"), v)(c_, x, y, e))
    }
  }
  # a row of numbers, one for each element
  op <- function(dim) Genred("SqDist(x,y)", c("x = Vi(3)", paste0("y = Vj", dim)), "Mean", axis = 2, dtype = "float64")
  expect_identical(genred_grad(op(""), "y")(x, y, matrix(1:2, 1)), genred_grad(op("(3)"), "y")(x, y, matrix(1:2, 1)))
})

options(before_dims)
