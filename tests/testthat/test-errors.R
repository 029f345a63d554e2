x <- points(4, 3)
y <- points(5, 3)
b <- points(5, 2)

# The message of an error of this class.
error_text <- function(code, class) conditionMessage(expect_error(code, class = class))

make <- function(formula, aliases = c("X = Vi(3)", "Y = Vj(3)"), ...) Genred(formula, aliases, ...)

# ---- the formula -------------------------------------------------------------------------------

test_that("an unknown operation is shown with a caret and a suggestion", {
  text <- error_text(make("Epx(-SqDist(X,Y))"), "genred_error_parse")
  expect_match(text, "unknown operation `Epx`", fixed = TRUE)
  expect_match(text, "\n  Epx(-SqDist(X,Y))\n  ^~~\n", fixed = TRUE)
  expect_match(text, "Did you mean `Exp`?", fixed = TRUE)
})

test_that("an unknown variable is shown with a caret", {
  text <- error_text(make("SqDist(X,Z)"), "genred_error_parse")
  expect_match(text, "`Z`", fixed = TRUE)
  expect_match(text, "\n  SqDist(X,Z)\n           ^", fixed = TRUE)
})

test_that("syntax errors are parse errors", {
  for (formula in c("Exp(X", "X +", "X)", "", "   ", "X Y", "Exp()", "X ** ", "[1,2]", "X @ Y", "1..2", "X[", "Exp(X,Y)")) {
    expect_error(make(formula), class = "genred_error_parse")
  }
  expect_match(error_text(make("Exp(X"), "genred_error_parse"), "expected .*\\)")
  expect_match(error_text(make("Exp(X"), "genred_error_parse"), "\\^")
})

test_that("wrong dimensions in the formula name both", {
  text <- error_text(Genred("X - Y", c("X = Vi(3)", "Y = Vj(2)")), "genred_error_dimension")
  expect_match(text, "3")
  expect_match(text, "2")
  expect_match(text, "\n  X - Y\n    ^", fixed = TRUE)
  expect_error(make("Elem(X, 3)"), class = "genred_error_dimension")
  expect_error(make("X", "X = Vi(0)"), class = "genred_error_dimension")
  expect_error(make("X", reduction_op = "LogSumExp"), class = "genred_error_dimension")
})

test_that("the error names the user's call, briefly", {
  e <- expect_error(make("Epx(X)"), class = "genred_error")
  expect_identical(as.character(conditionCall(e)[[1]]), "Genred")
  long <- paste(rep("X", 1000), collapse = "+")
  e <- expect_error(Genred(paste0("Epx(", long), "X = Vi(1)"), class = "genred_error")
  expect_lt(nchar(paste(deparse(conditionCall(e)), collapse = "")), 200)
  op <- make("SqDist(X,Y)")
  e <- expect_error(op(x, letters), class = "genred_error")
  expect_identical(deparse(conditionCall(e)), "op(x, letters)")
  e <- expect_error(do.call(op, list(x, as.character(1:1e5))), class = "genred_error")
  expect_lt(nchar(paste(deparse(conditionCall(e)), collapse = "")), 200)
})

test_that("aliases are checked", {
  for (alias in c("X", "X = Vk(3)", "X = Vi()", "X = Vi(a)", "= Vi(3)", "X = Vi(3) junk", "X = Vi(1.5)")) {
    expect_error(make("1 + 1", alias), class = "genred_error")
  }
  expect_error(make("X", c("X = Vi(3)", "X = Vj(3)")), class = "genred_error_parse")
  for (alias in list(1, NULL, NA_character_, list("X = Vi(3)", 2), mean)) {
    if (is.null(alias)) next
    expect_error(make("X", alias), class = "genred_error")
  }
  for (name in c("backend", "device_id", "ranges", "keep", ".spec")) {
    expect_error(make("1", paste0(name, " = Vi(3)")), name, fixed = TRUE, class = "genred_error_argument")
  }
})

test_that("settings of Genred() are checked", {
  bad <- list(
    reduction_op = list(1, NA_character_, c("Sum", "Min")), axis = list(3, "k", NA, -1, 0:1), dtype = list("float16", 32, NA),
    opt_arg = list("a", 1.5, NA, 1:2, Inf), formula2 = list(1, NA_character_), dtype_acc = list("x", 1),
    use_double_acc = list(NA, 1, "yes"), sum_scheme = list("fast", 1)
  )
  for (name in names(bad)) {
    for (value in bad[[name]]) {
      given <- c(list("SqDist(X,Y)", c("X = Vi(3)", "Y = Vj(3)")), stats::setNames(list(value), name))
      text <- error_text(do.call(Genred, given), "genred_error_argument")
      expect_match(text, name, fixed = TRUE)
    }
  }
  expect_error(make("SqDist(X,Y)", reduction_op = "Summ"), "Summ", class = "genred_error")
  expect_error(Genred("X"), "aliases", class = "genred_error_argument")
  expect_error(Genred(aliases = "X = Vi(1)"), "formula", class = "genred_error_argument")
  expect_error(make("SqDist(X,Y)", reduction_op = "SoftMax"), "formula2", class = "genred_error_argument")
  expect_error(make("SqDist(X,Y)", formula2 = "Y"), "formula2", class = "genred_error_argument")
  expect_error(make(z ~ X), "one-sided", class = "genred_error_argument")
  expect_error(make(~ X %*% Y), class = "genred_error_parse")
  expect_error(make(~ if (X) Y), class = "genred_error_parse")
  expect_error(make(~ X + "a"), class = "genred_error_parse")
})

test_that("K = 0 and other impossible K are refused", {
  for (k in c(0, -1, 1e6)) {
    expect_error(make("SqDist(X,Y)", reduction_op = "KMin", opt_arg = k), "opt_arg", class = "genred_error_argument")
  }
  expect_error(make("SqDist(X,Y)", reduction_op = "KMin"), "opt_arg", class = "genred_error_argument")
  expect_error(make("SqDist(X,Y)", opt_arg = 3), "opt_arg", class = "genred_error_argument")
})

test_that("hostile formulas are errors, quickly, and the session lives on", {
  time <- system.time({
    expect_error(make(strrep("X+", 5e6)), "characters long", class = "genred_error_parse")
    expect_error(make(paste0(strrep("(", 1e5), "X", strrep(")", 1e5))), "nested", class = "genred_error_parse")
    expect_error(make(paste0(strrep("-", 1e5), "X")), class = "genred_error")
    expect_error(make(paste0(strrep("Exp(", 1e5), "X", strrep(")", 1e5))), class = "genred_error")
    expect_error(make(paste0("X", strrep("^2", 1e5))), class = "genred_error")
    expect_error(make(paste0("X", strrep("[0]", 1e5))), class = "genred_error")
    expect_error(make("SumT(X[0], 2000000000)"), class = "genred_error")
    expect_error(make("X", paste0("X = Vi(", strrep("9", 1000), ")")), class = "genred_error")
    expect_error(make("X\001Y"), class = "genred_error_parse")
    expect_error(make("X + \u00e9"), class = "genred_error_parse")
    expect_error(make("1e999999 * X + y"), class = "genred_error")
  })
  expect_lt(sum(time[c("user.self", "sys.self")]), 20)
  expect_identical(dim(make("SqDist(X,Y)", axis = 1)(x, y)), c(4L, 1L))
})

test_that("a formula cannot smuggle C text", {
  flag <- tempfile()
  attacks <- c(sprintf("x\"); system(\"touch %s", flag), "X*/ system(0); /*", "X; abort()", "X\\\n#include <stdio.h>", "X//", "`X`")
  for (formula in attacks) expect_error(make(formula), class = "genred_error_parse")
  for (alias in c("x\"); system(\"ls\") = Vi(3)", "x */ = Vi(3)", "x\n#define a = Vi(3)")) {
    expect_error(make("1", alias), class = "genred_error_parse")
  }
  expect_error(make("SqDist(X,Y)", reduction_op = "Sum; system(0)"), class = "genred_error")
  expect_false(file.exists(flag))
})

test_that("names of C cannot disturb a kernel", {
  skip_without_compiler()
  for (name in c("int", "double", "main", "exp", "v_exp", "return", "static", "arg", "state", "system", "i", "j", "r0", "EOF")) {
    aliases <- c(paste0(name, "=Vi(1)"), "other = Vj(1)")
    op <- tryCatch(Genred(paste0(name, " * other"), aliases, axis = 1), genred_error_parse = function(e) NULL)
    if (is.null(op)) next # the name of an operation
    expect_equal(op(2, 3, backend = "CPU")[1], 6)
  }
})

# ---- the call ----------------------------------------------------------------------------------

op <- Genred("Exp(-G * SqDist(X,Y)) * B", c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"), axis = 1)

test_that("an argument of the wrong kind is named, with what was given and expected", {
  cases <- list(
    list(matrix("1", 5, 3), "character matrix (5 x 3)"), list("text", "\"text\""), list(list(1, 2), "list of length 2"),
    list(NULL, "NULL"), list(factor(1:5), "factor"), list(Sys.Date(), "Date"), list(Sys.time(), "POSIXct"),
    list(Sys.time() - Sys.time(), "difftime"), list(y + 1i, "complex matrix (5 x 3)"), list(mean, "function"),
    list(globalenv(), "environment"), list(quote(a + b), "R code"), list(raw(3), "raw"), list(array(0, c(5, 2, 3)), "5 x 2 x 3"),
    list(data.frame(a = 1:5, b = letters[1:5], c = 1), "column `b`"), list(data.frame(a = 1, b = Sys.Date(), c = 1), "column `b`"),
    list(structure(1:15, dim = c(5L, 3L), class = "integer64"), "integer64"), list(1:5, "vector of length 5")
  )
  for (case in cases) {
    text <- error_text(op(1, x, case[[1]], b), "genred_error_argument")
    expect_match(text, "argument `Y` (Vj(3)) must be a numeric matrix with 3 columns", fixed = TRUE)
    expect_match(text, case[[2]], fixed = TRUE)
  }
})

test_that("sparse matrices are refused with a hint", {
  skip_if_not_installed("Matrix")
  sparse <- Matrix::Matrix(c(1, rep(0, 14)), 5, 3, sparse = TRUE)
  text <- error_text(op(1, x, sparse, b), "genred_error_argument")
  expect_match(text, "sparse matrix of class dgCMatrix (5 x 3)", fixed = TRUE)
  expect_match(text, "as.matrix", fixed = TRUE)
  expect_error(op(1, x, Matrix::Matrix(1:15 + 0.5, 5, 3), b), "as.matrix", class = "genred_error_argument")
})

test_that("a wrong number of columns, or of rows, is named", {
  text <- error_text(op(1, x[, 1:2], y, b), "genred_error_argument")
  expect_match(text, "`X`")
  expect_match(text, "3")
  expect_match(text, "2")
  expect_error(op(1:2, x, y, b), "`G`", class = "genred_error_argument")
  expect_error(op(matrix(1, 2, 2), x, y, b), "`G`", class = "genred_error_argument")
  expect_error(op(numeric(), x, y, b), "`G`", class = "genred_error_argument")
  text <- error_text(op(1, x, y, b[1:4, ]), "genred_error_argument")
  for (part in c("`Y`", "`B`", "5", "4")) expect_match(text, part)
  two <- Genred("X * Z", c("X = Vi(1)", "Z = Vi(1)"), axis = 1)
  text <- error_text(two(1:3, 1:4), "genred_error_argument")
  for (part in c("`X`", "`Z`", "3", "4")) expect_match(text, part)
})

test_that("missing and surplus arguments are named", {
  expect_match(error_text(op(1, x, y), "genred_error_argument"), "argument `B` is missing", fixed = TRUE)
  expect_error(op(), "`G` is missing", class = "genred_error_argument")
  for (k in 1:5) op(1, x, y, b) # compiled by R's own compiler now
  expect_error(op(1, , y, b), "`X` is missing", class = "genred_error_argument")
  passes_on <- function(a) op(1, a, y, b)
  expect_error(passes_on(), "`X` is missing", class = "genred_error_argument")
  expect_error(op(1, x, y, b, b), "backend", class = "genred_error_argument")
  expect_error(op(1, x, y, b, Z = b), "unused argument")
})

test_that("settings of a call are checked", {
  for (bad in list("cpu", NA_character_, 1, NULL, c("CPU", "auto"))) {
    expect_error(op(1, x, y, b, backend = bad), "backend", class = "genred_error_argument")
  }
  for (backend in c("CPU", "interpreter")) {
    expect_error(op(1, x, y, b, backend = backend, device_id = 0), "device_id", class = "genred_error_argument")
    expect_error(op(1, x, y, b, backend = backend, keep = TRUE), "keep", class = "genred_error_argument")
  }
  for (bad in list("0", NA, 1.5, -2, c(1, 1), c(-1, 0), 1e7, 0:16, NULL, numeric(), factor(0))) {
    expect_error(op(1, x, y, b, device_id = bad), "device_id", class = "genred_error_argument")
  }
  for (bad in list("TRUE", NA, 1, c(TRUE, FALSE), NULL, logical())) {
    expect_error(op(1, x, y, b, keep = bad), "keep", class = "genred_error_argument")
  }
  for (bad in list("0", NA, 1.5, -2, 1e7, list(1), integer())) {
    with_options(list(genred.device = bad), expect_error(op(1, x, y, b), "genred.device", class = "genred_error_argument"))
  }
  for (bad in c("a", "0,", "0;1", "1.5", "-2")) {
    with_env(c(GENRED_DEVICE = bad), expect_error(op(1, x, y, b), "GENRED_DEVICE", class = "genred_error_argument"))
  }
  expect_error(op(1, x, y, b, ranges = list(1)), "ranges", class = "genred_error_argument")
  expect_identical(op(1, x, y, b, device_id = -1L), op(1, x, y, b))
})

test_that("errors in an argument are the user's own", {
  expect_error(op(1, x, stop("mine"), b), "mine")
  expect_error(op(1, x, no_such_variable, b), "no_such_variable")
  expect_identical(dim(op(1, x, y, b)), c(4L, 2L))
})

# ---- compiler and cache ------------------------------------------------------------------------

# A formula that no other test compiles.
fresh_op <- local({
  n <- 0
  function() {
    n <<- n + 1
    Genred(paste0("SqDist(X,Y) + 1000.", n), c("X = Vi(3)", "Y = Vj(3)"), axis = 1, dtype = "float64")
  }
})

large <- points(2000, 3)

test_that("a compiler that does not exist", {
  with_options(list(genred.cc = "/nonexistent/compiler"), {
    e <- expect_error(fresh_op()(x, y, backend = "CPU"), class = "genred_error_compiler")
    expect_match(conditionMessage(e), "/nonexistent/compiler", fixed = TRUE)
    told <- 0
    withCallingHandlers({
      op <- fresh_op()
      value <- op(large, large)
      other <- fresh_op()(large, large)
    }, genred_message = function(m) {
      told <<- told + 1
      invokeRestart("muffleMessage")
    })
    expect_identical(told, 1)
    expect_identical(genred:::operator_info(op)$last$backend, "interpreter")
    expect_close(value, cbind(rowSums(sq_dist(large, large) + 1000.2)), 1e-9)
    out <- utils::capture.output(info <- genred_info())
    expect_true(is.na(info$compiler))
    expect_match(out, "compiler +none", all = FALSE)
  })
})

test_that("a compiler that fails: its output is attached, not printed", {
  skip_on_os("windows")
  script <- tempfile("cc")
  writeLines(c("#!/bin/sh", "echo 'fatal: out of cheese' >&2", "exit 3"), script)
  Sys.chmod(script, "755")
  with_options(list(genred.cc = script), {
    op <- fresh_op()
    out <- utils::capture.output(type = "message",
      e <- tryCatch(op(x, y, backend = "CPU"), genred_error_compiler = identity))
    expect_s3_class(e, "genred_error_compiler")
    expect_match(e$log, "out of cheese")
    expect_identical(out, character())
    value <- suppressMessages(op(large, large))
    expect_identical(dim(value), c(2000L, 1L))
  })
  skip_without_compiler()
  expect_close(op(x, y, backend = "CPU"), op(x, y, backend = "interpreter"), 1e-12)
})

test_that("an unwritable or unusable cache folder does no harm", {
  skip_without_compiler()
  skip_on_os("windows")
  file <- tempfile()
  writeLines("a file, not a folder", file)
  open <- tempfile()
  dir.create(open)
  Sys.chmod(open, "777", use_umask = FALSE)
  for (dir in c(file, file.path(file, "sub"), open, "/proc/genred")) {
    with_options(list(genred.cache_dir = dir), {
      op <- fresh_op()
      suppressMessages(value <- op(x, y, backend = "CPU"))
      expect_close(value, op(x, y, backend = "interpreter"), 1e-12)
    })
  }
  expect_identical(list.files(open), character())
})

test_that("a full disk does no harm", {
  skip_without_compiler()
  skip_unless_installed()
  # writes beyond 2 blocks fail, as on a full disk
  out <- fresh_r(before = "trap '' XFSZ; ulimit -f 2", code = c(
    "options(genred.cache_dir = tempfile())",
    "op <- Genred('X * Y + 2000', c('X = Vi(1)', 'Y = Vj(1)'), axis = 1)",
    "e <- tryCatch(op(1, 2, backend = 'CPU'), genred_error = identity)",
    "cat(if (inherits(e, 'genred_error')) class(e)[1] else e, '\\n')",
    "v <- tryCatch(suppressMessages(op(rep(1, 2e4), rep(2, 1000))), genred_error = function(e) 2002000)",
    "cat(v[1], op(1, 2, backend = 'interpreter'), '\\n')"
  ))
  expect_match(out[1], "genred_error_compiler|genred_error_memory|2002")
  expect_identical(trimws(out[2]), "2002000 2002")
})

test_that("a damaged cache file is noticed and replaced", {
  skip_without_compiler()
  skip_unless_installed()
  dir <- tempfile("cache")
  code <- c(
    sprintf("options(genred.cache_dir = %s)", deparse(dir)),
    "op <- Genred('X * Y + 3000', c('X = Vi(1)', 'Y = Vj(1)'), axis = 1)",
    "cat(op(1, 2, backend = 'CPU'), genred:::operator_info(op)$last$origin, '\\n')"
  )
  expect_identical(trimws(fresh_r(code)), "3002 compiled")
  expect_identical(trimws(fresh_r(code)), "3002 disk")
  files <- list.files(dir, full.names = TRUE, recursive = TRUE)
  size <- file.size(files)
  damages <- list(
    function(f) writeBin(as.raw(rep(7, 5000)), f), function(f) file.create(f),
    function(f) { all <- readBin(f, "raw", 1e6); writeBin(all[seq_len(length(all) %/% 2)], f) },
    function(f) { all <- readBin(f, "raw", 1e6); all[length(all) - 100:1] <- as.raw(0xff); writeBin(all, f) }
  )
  for (damage in damages) {
    for (file in files) {
      Sys.chmod(file, "700")
      damage(file)
    }
    expect_identical(trimws(fresh_r(code)), "3002 compiled")
  }
  expect_identical(trimws(fresh_r(code)), "3002 disk")
})

test_that("two processes can compile the same formula at once", {
  skip_without_compiler()
  skip_unless_installed()
  dir <- tempfile("cache")
  out <- c(tempfile(), tempfile())
  for (file in out) {
    script <- script_of(c(
      sprintf("options(genred.cache_dir = %s)", deparse(dir)),
      "for (k in 1:5) {",
      "  op <- Genred(paste0('X * Y + 400', k), c('X = Vi(1)', 'Y = Vj(1)'), axis = 1)",
      "  stopifnot(op(1, 2, backend = 'CPU') == 4002 + 10 * 0 + k)",
      "}",
      sprintf("cat('done', file = %s)", deparse(file))
    ))
    system2(rscript(), c("--vanilla", script), wait = FALSE, stdout = FALSE, stderr = FALSE)
  }
  end <- Sys.time() + 300
  while (!all(file.exists(out)) && Sys.time() < end) Sys.sleep(0.1)
  expect_true(all(file.exists(out)))
  with_options(list(genred.cache_dir = dir), expect_identical(genred_cache_info()$files, 5))
})

# ---- interrupts --------------------------------------------------------------------------------

test_that("Ctrl-C stops a long computation with R's own condition, and progress is shown when asked for", {
  skip_unless_installed()
  out <- fresh_r(c(
    "options(genred.progress = TRUE)",
    "op <- Genred('Exp(-SqDist(X,Y))', c('X = Vi(3)', 'Y = Vj(3)'), axis = 1)",
    "x <- matrix(runif(3e6), 1e6)",
    "system(sprintf('(sleep 4; kill -INT %d) &', Sys.getpid()))",
    "time <- system.time(got <- tryCatch(op(x, x, backend = 'interpreter'), interrupt = function(e) class(e)))[[3]]",
    "cat('\\ngot', got[1], if (time < 60) 'in time' else time, '\\n')",
    "cat('usable', dim(op(x[1:5, ], x[1:4, ])), '\\n')"
  ))
  expect_match(out, "got interrupt in time", all = FALSE)
  expect_match(out, "usable 5 1", all = FALSE)
  expect_match(paste(out, collapse = ""), "0%", fixed = TRUE)
})

test_that("an operator whose specification was changed is refused, and no other one's program runs", {
  make <- function() Genred("Exp(-p*SqDist(x,y))", c("x=Vi(2)", "y=Vj(2)", "p=Pm(1)"), axis = 1, dtype = "float64")
  x <- points(3, 2); y <- points(4, 2)
  want <- make()(x, y, 0.5)
  junk <- list(NULL, NA, 1L, 1.5, "x", character(), c("a", "b"), NA_character_, list(), list(1), quote(x), sum, new.env(), 2i, raw(3), NA_integer_, "y\001z", "x=Vi(2)\003y=Vj(2)")
  uses <- list(function(op) op(x, y, 0.5), function(op) op(x, y), function(op) op(data.frame(x), y, 0.5), print, summary, format, formula, as.character,
               function(op) update(op, axis = 0), genred_source, function(op) genred_grad(op, "x"))
  refused <- function(op, info) for (use in uses) {
    e <- tryCatch(utils::capture.output(use(op)), error = identity)
    if (inherits(e, "error")) expect_s3_class(e, "genred_error_argument")
    else fail(paste(info, "was accepted by", deparse(use, nlines = 1L)))
  }
  original <- environment(make())$.spec
  for (k in seq_along(original)) for (value in junk) {
    spec <- original
    if (is.null(value)) spec[k] <- list(NULL) else spec[[k]] <- value
    if (identical(unname(spec), unname(original))) next
    op <- make()
    environment(op)$.spec <- spec
    refused(op, paste(names(original)[k], "=", deparse(value, nlines = 1L)))
  }
  for (spec in list(NULL, 1, "x", original[-1], c(original, 1), quote(x), sum, as.environment(original))) {
    op <- make()
    environment(op)$.spec <- spec
    refused(op, "another specification")
  }
  op <- make()
  rm(".spec", envir = environment(op))
  refused(op, "no specification")
  # the key of another operator
  other <- Genred("SqDist(x,y)+p", c("x=Vi(2)", "y=Vj(2)", "p=Pm(1)"), axis = 1, dtype = "float64")
  op <- make()
  environment(op)$.spec$key <- environment(other)$.spec$key
  refused(op, "another key")
  environment(op)$.spec$formula <- environment(other)$.spec$formula # now they are one
  expect_identical(op(x, y, 0.5), other(x, y, 0.5))
  # fewer arguments than the formula has
  op <- make()
  spec <- environment(Genred("SqDist(x,y)", c("x=Vi(2)", "y=Vj(2)"), axis = 1))$.spec
  environment(op)$.spec <- spec
  expect_error(op(x, y, 0.5), class = "genred_error_argument")
  spec <- environment(Genred("SqDist(x,z)", c("x=Vi(2)", "z=Vj(2)", "p=Pm(1)"), axis = 1))$.spec
  environment(op)$.spec <- spec
  expect_error(op(data.frame(x), y, 0.5), class = "genred_error_argument")
  # what was saved and read again is as it was
  file <- tempfile()
  saveRDS(make(), file)
  expect_identical(readRDS(file)(x, y, 0.5), want)
  expect_identical(make()(x, y, 0.5), want)
})

test_that("a gradient whose plan was changed is refused", {
  op <- Genred("Exp(-p*SqDist(x,y))", c("x=Vi(2)", "y=Vj(2)", "p=Pm(1)"), "LogSumExp", axis = 1)
  x <- points(3, 2); y <- points(4, 2)
  for (plan in list(NULL, 1, list(), list(stages = list(1), terms = list(1)), list(index = 1, inner = 2))) {
    g <- genred_grad(op, "x")
    environment(g)$.plan <- plan
    for (use in list(function(g) g(x, y, 0.5, 1:3), print, format, function(g) genred_grad(g, "x"))) {
      expect_error(utils::capture.output(use(g)), class = "genred_error_argument")
    }
  }
})

test_that("aliases that R or the engine cannot take are refused at once", {
  for (name in c("...", "..1", "..23")) {
    expect_error(Genred(paste0(name, "+x"), c(paste(name, "= Vi(1)"), "x = Vi(1)")), "variable arguments", class = "genred_error_argument")
  }
  for (junk in list(1:1e9, 1, NULL, TRUE, sum, quote(x), new.env(), numeric(1e7), NA_character_, list("x=Vi(1)", 2))) {
    time <- system.time(expect_error(Genred("x", junk), class = "genred_error_argument"))
    expect_lt(time[["elapsed"]], 20)
  }
  expect_error(Genred("x0", paste0("x", 0:1000, " = Vi(1)")), "1000 aliases", class = "genred_error_argument")
  expect_error(Genred("x0", as.list(rep("x = Vi(1)", 1e6))), "1000 aliases", class = "genred_error_argument")
})

test_that("words of R, C and C++ are names like others", {
  words <- c("if", "NULL", "TRUE", "function", "NA", "Inf", "for", "T", "list", "missing", "int", "float", "v_exp", "GR_L", "class", "x.new", "x_new_0", ".a", "_a", "linux")
  for (word in words) {
    op <- Genred(paste0(word, "*y"), c(paste(word, "= Vi(1)"), "y = Vj(1)"), axis = 1, dtype = "float64")
    expect_equal(drop(op(1:3, c(1, 2), backend = "interpreter")), c(3, 6, 9), info = word)
    expect_equal(drop(genred_grad(op, word)(1:3, c(1, 2), rep(1, 3))), c(3, 3, 3), info = word)
    expect_error(op(y = 1), "is missing", class = "genred_error_argument")
  }
})

test_that("a specification without names, or with a factor for a number, is refused", {
  for (change in list(unname, function(s) replace(s, "axis", list(factor("a"))))) {
    op <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), axis = "j")
    environment(op)$.spec <- change(environment(op)$.spec)
    for (use in list(print, summary, format, function(op) genred_grad(op, "X"), function(op) update(op, axis = "i")))
      expect_error(use(op), class = "genred_error_argument")
  }
})

test_that("KMin and indices over both indices are refused with the reason", {
  for (reduction in c("KMin", "ArgKMin", "KMax")) {
    expect_error(Genred("X-Y", c("X = Vi(1)", "Y = Vj(1)"), reduction, axis = "ij", opt_arg = 2),
                 "both indices .axis = 2.*no single index", class = "genred_error_argument")
  }
  expect_error(Genred("X-Y", c("X = Vi(1)", "Y = Vj(1)"), "ArgMin", axis = 2), "no single index", class = "genred_error_argument")
})

test_that("a result that R cannot allocate is a classed error", {
  op <- Genred("OneHot(X, 1000000)", c("X = Vi(1)", "Y = Vj(1)"), axis = 1)
  e <- tryCatch(op(numeric(1e7), 1), error = identity) # 80 TB
  expect_s3_class(e, "genred_error_memory")
  expect_match(conditionMessage(e), "the result, 80000000000000 bytes", fixed = TRUE)
})
