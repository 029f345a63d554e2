lines_of <- function(x) paste(utils::capture.output(print(x)), collapse = "\n")

test_that("an operator prints as mathematics", {
  text <- lines_of(gaussian("float32"))
  expect_match(text, "a[i, 1:2] = sum_j Exp(-G * SqDist(X,Y)) * B", fixed = TRUE)
  expect_match(text, "X  Vi(3)  M x 3", fixed = TRUE)
  expect_match(text, "Y  Vj(3)  N x 3", fixed = TRUE)
  expect_match(text, "G  Pm(1)  number", fixed = TRUE)
  expect_match(text, "M x 2, doubles", fixed = TRUE)
  expect_match(text, "float32", fixed = TRUE)
})

test_that("every reduction has its line", {
  line <- function(reduction, ...) {
    format(Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"), reduction, ...))
  }
  expect_identical(line("Sum", axis = 0), "a[j] = sum_i X * Y")
  expect_identical(line("ArgMin", axis = 1), "a[i] = argmin_j X * Y")
  expect_identical(line("KMin", axis = 1, opt_arg = 3), "a[i, 1:3] = min3_j X * Y")
  expect_identical(line("KMinArgKMin", axis = 1, opt_arg = 3), "a[i, 1:3] = (min3, argmin3)_j X * Y")
  expect_identical(line("LogSumExp", axis = 1), "a[i] = log sum_j exp(X * Y)")
  expect_identical(line("LogSumExp", axis = 1, formula2 = "Y+1"), "a[i] = log sum_j exp(X * Y) * (Y+1)")
  expect_identical(line("SoftMax", axis = 1, formula2 = "Y"), "a[i] = sum_j exp(X * Y) * (Y) / sum_j exp(X * Y)")
  all <- names(genred:::reduction_forms)
  for (name in all) {
    text <- line(name, axis = 1, opt_arg = if (grepl("KMin|KMax", name)) 2, formula2 = if (grepl("Weight", name)) "Y")
    expect_no_match(text, "[{}]")
  }
})

test_that("the state of the kernel is told", {
  skip_without_compiler()
  op <- Genred("X * Y + 0.375", c("X = Vi(1)", "Y = Vj(1)"))
  expect_match(lines_of(op), "not run yet")
  op(1, 2, backend = "interpreter")
  expect_match(lines_of(op), "interpreter")
  op(1, 2, backend = "CPU")
  expect_match(lines_of(op), "compiled in")
})

test_that("formula, as.character and update", {
  op <- gaussian()
  expect_identical(as.character(op), "Exp(-G * SqDist(X,Y)) * B")
  f <- formula(op)
  expect_s3_class(f, "formula")
  expect_identical(f[[2]], quote(Exp(-G * SqDist(X, Y)) * B))
  # a string where R has other operator precedences
  expect_identical(formula(Genred("X == Y | 2", c("X = Vi(1)", "Y = Vj(1)")))[[2]], "X == Y | 2")
  again <- Genred(f, c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"), axis = 1)
  expect_identical(format(Genred(formula(again), c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"), axis = 1)), format(again))
  by_j <- update(op, axis = 0, aliases = c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vi(2)"))
  expect_match(format(by_j), "sum_i")
  expect_match(lines_of(by_j), "float64")
  expect_match(format(update(op, formula = ~ B * G, reduction_op = "Max")), "max_j B * G", fixed = TRUE)
  expect_error(update(op, axes = 1), "axes", class = "genred_error_argument")
  expect_error(update(op, 1), class = "genred_error_argument")
  expect_error(update(op, axis = 7), class = "genred_error_argument")
})

test_that("summary and genred_source show the stages", {
  op <- gaussian()
  text <- lines_of(summary(op))
  expect_match(text, "Graph\n")
  expect_match(text, "Plan\n")
  for (stage in c("tokens", "ast", "dag", "plan", "c", "cuda")) {
    source <- genred_source(op, stage = stage)
    expect_s3_class(source, "genred_source")
    expect_true(nchar(source) > 10)
    expect_identical(lines_of(source), sub("\n$", "", unclass(source)[[1]]))
    expect_identical(genred_source(op, stage = stage), source)
  }
  expect_match(genred_source(op), "float|double")
  for (backend in c("GPU", "GPU_1D", "GPU_2D")) {
    expect_identical(genred_source(op, backend), genred_source(op, stage = "cuda"))
    expect_identical(genred_source(op, backend, "c"), genred_source(op))
  }
  expect_match(genred_source(op, "GPU"), "__global__ .*gr_pairs")
  expect_error(genred_source(op, "TPU"), class = "genred_error_argument")
  expect_error(genred_source(op, stage = "x"), class = "genred_error_argument")
  expect_error(genred_source(mean), class = "genred_error_argument")
})

test_that("genred_info and genred_cache_info print what is in force", {
  text <- paste(utils::capture.output(info <- genred_info()), collapse = "\n")
  for (word in c("compiler", "SIMD", "threads", "OpenMP", "CUDA", "cache")) expect_match(text, word)
  expect_true(all(nzchar(c(info$cuda$driver, info$cuda$nvrtc))))
  expect_named(info$cuda$devices, c("device_id", "name", "memory", "capability", "multiprocessors"))
  expect_s3_class(info, "genred_info")
  cache <- lines_of(genred_cache_info())
  for (word in c("folder", "on disk", "loaded")) expect_match(cache, word)
})

test_that("a long formula is cut, not wrapped", {
  op <- Genred(paste(rep("X", 400), collapse = " + "), "X = Vi(1)")
  first <- utils::capture.output(print(op))[1]
  expect_lte(nchar(first), getOption("width"))
})
