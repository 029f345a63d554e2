test_that("dtype: argument, option, environment, default", {
  dtype <- function(...) genred:::operator_spec(Genred("X", "X = Vi(1)", ...))$dtype
  expect_identical(dtype(), "float32")
  with_env(c(GENRED_DTYPE = "float64"), {
    expect_identical(dtype(), "float64")
    with_options(list(genred.dtype = "float32"), expect_identical(dtype(), "float32"))
    with_options(list(genred.dtype = "float32"), expect_identical(dtype(dtype = "float64"), "float64"))
  })
  with_options(list(genred.dtype = "half"), expect_error(dtype(), class = "genred_error_argument"))
})

last_backend <- function(op) genred:::operator_info(op)$last$backend

test_that("backend: argument, option, environment", {
  skip_without_compiler()
  op <- Genred("X * Y + 0.125", c("X = Vi(1)", "Y = Vj(1)"))
  op(1, 2)
  expect_identical(last_backend(op), "interpreter")
  with_env(c(GENRED_BACKEND = "CPU"), {
    op(1, 2)
    expect_identical(last_backend(op), "CPU")
    with_options(list(genred.backend = "interpreter"), {
      op(1, 2)
      expect_identical(last_backend(op), "interpreter")
      op(1, 2, backend = "CPU")
      expect_identical(last_backend(op), "CPU")
    })
  })
  with_options(list(genred.backend = "TPU"), expect_error(op(1, 2), "genred.backend", class = "genred_error_argument"))
  with_options(list(genred.backend = 1), expect_error(op(1, 2), "genred.backend", class = "genred_error_argument"))
  with_env(c(GENRED_BACKEND = "TPU"), expect_error(op(1, 2), "GENRED_BACKEND", class = "genred_error_argument"))
})

test_that("auto compiles for large work", {
  skip_without_compiler()
  op <- Genred("SqDist(X,Y) + 0.25", c("X = Vi(3)", "Y = Vj(3)"), axis = 1)
  op(points(3000, 3), points(3000, 3))
  expect_identical(last_backend(op), "CPU")
})

test_that("the cache folder: option, environment, none", {
  skip_without_compiler()
  dir <- tempfile("cache")
  with_options(list(genred.cache_dir = dir), {
    expect_identical(genred_cache_info()$files, 0)
    Genred("X * 17 + Y", c("X = Vi(1)", "Y = Vj(1)"))(1, 2, backend = "CPU")
    info <- genred_cache_info()
    expect_identical(info$dir, dir)
    expect_gte(info$files, 1)
    expect_gt(info$bytes, 0)
    expect_gte(info$loaded, 1)
    if (.Platform$OS.type == "unix") expect_identical(as.character(file.info(dir)$mode), "700")
    stray <- file.path(dir, "not-ours.txt")
    writeLines("keep me", stray)
    expect_gte(genred_cache_clear(), 1)
    expect_true(file.exists(stray))
    expect_identical(genred_cache_info()$files, 0)
  })
  with_options(list(genred.cache_dir = ""), {
    expect_identical(genred_cache_info()$dir, "")
    value <- Genred("X * 18 + Y", c("X = Vi(1)", "Y = Vj(1)"))(1, 2, backend = "CPU")
    expect_equal(value[1], 20)
  })
  with_env(c(GENRED_CACHE_DIR = dir), expect_identical(genred_cache_info()$dir, dir))
})

test_that("compiler flags are used", {
  skip_without_compiler()
  op <- Genred("X * 19 + Y", c("X = Vi(1)", "Y = Vj(1)"))
  with_options(list(genred.cflags = "-O1"), expect_equal(op(1, 2, backend = "CPU")[1], 21))
  bad <- Genred("X * 20 + Y", c("X = Vi(1)", "Y = Vj(1)"))
  with_options(list(genred.cflags = "--no-such-flag"),
               expect_error(bad(1, 2, backend = "CPU"), class = "genred_error_compiler"))
})

test_that("library(genred) is silent", {
  skip_unless_installed()
  expect_identical(fresh_r(character()), character())
})

test_that("R's compiler is read from its own file", {
  cc <- genred:::r_compiler()
  expect_true(is.null(cc) || (is.character(cc) && length(cc) == 1L && nzchar(cc)))
})

test_that("an option of the wrong kind is named", {
  op <- Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"))
  for (name in c("genred.cc", "genred.cflags", "genred.cache_dir", "genred.threads")) {
    for (bad in list(list(), NA, c("a", "b"))) {
      with_options(stats::setNames(list(bad), name), expect_error(op(1, 2), name, fixed = TRUE, class = "genred_error_argument"))
    }
  }
  with_options(list(genred.threads = 0), expect_equal(op(1, 2)[1], 2))
})

test_that("the cache folder is that of R", {
  expect_identical(genred:::user_cache_dir(), tools::R_user_dir("genred", "cache"))
  with_env(c(R_USER_CACHE_DIR = "/somewhere"), {
    expect_identical(genred:::user_cache_dir(), tools::R_user_dir("genred", "cache"))
  })
})
