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

current_cc <- function() {
  cc <- .Call(genred:::.ffi_settings_list)$cc
  if (is.null(cc)) "cc" else cc
}

last_origin <- function(op) genred:::operator_info(op)$last$origin

test_that("a kernel belongs to the compiler and the flags that it was found with", {
  skip_without_compiler()
  cc <- current_cc()
  op <- Genred("X * 21 + Y", c("X = Vi(1)", "Y = Vj(1)"))
  origin <- function(...) with_options(list(...), {
    expect_equal(op(1, 2, backend = "CPU")[1], 23)
    last_origin(op)
  })
  expect_identical(origin(genred.cflags = "-O0"), "compiled")
  expect_identical(origin(genred.cflags = "-O0"), "memory")
  expect_identical(origin(genred.cflags = "-O0 -DX"), "compiled")
  expect_identical(origin(genred.cflags = "-O0 -DX"), "memory")
  expect_identical(origin(genred.cflags = "-O0 -DX", genred.cc = paste(cc, "-DY")), "compiled")
  expect_identical(origin(genred.cflags = "-O0"), "memory")
  with_options(list(genred.cflags = "--no-such-flag"),
               expect_error(op(1, 2, backend = "CPU"), class = "genred_error_compiler"))
})

# A compiler that is a script in a folder of its own; "$@" goes to the real one.
script_compiler <- function(body) {
  skip_on_os("windows")
  skip_without_compiler()
  cc <- current_cc()
  file <- tempfile("compiler")
  writeLines(c("#!/bin/sh", gsub("CC", paste("exec", cc), body, fixed = TRUE)), file)
  Sys.chmod(file, "755")
  file
}

test_that("a compiler that refuses a flag is used without it, and a message says so once", {
  cc <- script_compiler("case \"$*\" in *=native*) exit 1;; esac; CC \"$@\"")
  messages <- function(code) {
    heard <- character()
    with_options(list(genred.cc = cc), withCallingHandlers(code, genred_message = function(m) {
      heard <<- c(heard, conditionMessage(m))
      invokeRestart("muffleMessage")
    }))
    heard
  }
  first <- Genred("X * 22 + Y", c("X = Vi(1)", "Y = Vj(1)"))
  second <- Genred("X * 23 + Y", c("X = Vi(1)", "Y = Vj(1)"))
  said <- messages(value <- first(1, 2, backend = "CPU"))
  expect_match(said, "refuses -m.*=native.*slower")
  expect_equal(value[1], 24)
  said <- messages(value <- second(1, 2, backend = "CPU"))
  expect_identical(said, character())
  expect_equal(value[1], 25)
})

test_that("a compiler that fails once leaves no slower kernel behind", {
  cc <- script_compiler("[ -e \"$0.done\" ] || { : >\"$0.done\"; echo no room >&2; exit 1; }; CC \"$@\"")
  op <- Genred("X * 24 + Y", c("X = Vi(1)", "Y = Vj(1)"))
  with_options(list(genred.cc = cc), {
    failure <- expect_error(op(1, 2, backend = "CPU"), class = "genred_error_compiler")
    expect_match(failure$log, "no room")
    expect_silent(expect_equal(op(1, 2, backend = "CPU")[1], 26))
    expect_identical(last_origin(op), "compiled")
  })
})

test_that("Ctrl-C ends the compiler with R's own condition, also where several kernels are compiled together", {
  skip_unless_installed()
  cc <- script_compiler(c("if [ -e \"$0.go\" ]; then CC \"$@\"; fi", "sleep 30 & wait"))
  out <- fresh_r(c(
    sprintf("options(genred.cc = %s, genred.cache_dir = '')", deparse(cc)),
    "interrupted <- function(code) {",
    "  system(sprintf('(sleep 1; kill -INT %d) &', Sys.getpid()))",
    "  time <- system.time(got <- tryCatch(code, interrupt = function(e) class(e)[1]))[[3]]",
    "  cat('got', got, if (time < 15) 'in time' else time, '\\n')",
    "}",
    "op <- Genred('Exp(-SqDist(X,Y))', c('X = Vi(3)', 'Y = Vj(3)'), axis = 1)",
    "x <- matrix(runif(60), 20)",
    "interrupted(op(x, x, backend = 'CPU'))",
    "softmax <- Genred('-SqDist(X,Y)', c('X = Vi(3)', 'Y = Vj(3)', 'B = Vj(1)'), reduction_op = 'SumSoftMaxWeight',",
    "                  formula2 = 'B', axis = 1)",
    "grad <- genred_grad(softmax, 'X', 'E')",
    "interrupted(grad(x, x, x[, 1], matrix(1, 20, 1), backend = 'CPU'))",
    "cat('left', length(list.files(tempdir(), '^genred-')), '\\n')",
    sprintf("file.create(%s)", deparse(paste0(cc, ".go"))),
    "cat('usable', dim(op(x, x, backend = 'CPU')), '\\n')"
  ))
  expect_identical(sum(grepl("got interrupt in time", out)), 2L, info = out)
  expect_match(out, "left 0", all = FALSE)
  expect_match(out, "usable 20 1", all = FALSE)
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

test_that("an invalid setting is an error that names the setting and its value", {
  op <- Genred("X * Y + 0.25", c("X = Vi(1)", "Y = Vj(1)"))
  refused <- function(code, source, value) {
    e <- tryCatch(code, error = identity)
    expect_s3_class(e, "genred_error_argument")
    expect_match(conditionMessage(e), source, fixed = TRUE)
    expect_match(conditionMessage(e), paste(value, "was given"), fixed = TRUE)
  }
  for (name in c("progress", "threads", "device", "cc", "cflags", "cache_dir")) {
    option <- paste0("genred.", name)
    with_options(stats::setNames(list(list(1)), option), refused(op(1, 2), option, "a list of length 1"))
  }
  for (name in c("PROGRESS", "THREADS", "DEVICE")) {
    variable <- paste0("GENRED_", name)
    with_env(stats::setNames("x", variable), with_options(list(genred.threads = NULL), refused(op(1, 2), variable, '"x"')))
  }
  with_options(list(genred.progress = "x"), refused(op(1, 2), "genred.progress", '"x"'))
  with_options(list(genred.progress = NA), refused(op(1, 2), "genred.progress", "NA"))
  with_env(c(GENRED_THREADS = "4x"), with_options(list(genred.threads = NULL), {
    refused(op(1, 2), "GENRED_THREADS", '"4x"')
    refused(genred_threads(), "GENRED_THREADS", '"4x"')
    # the option takes precedence
    with_options(list(genred.threads = 1), expect_equal(op(1, 2)[1], 2.25))
  }))
  with_env(c(GENRED_USE_FAST_MATH = "maybe"), refused(Genred("X", "X = Vi(1)"), "GENRED_USE_FAST_MATH", '"maybe"'))
  with_env(c(GENRED_DTYPE = "half"), refused(Genred("X", "X = Vi(1)"), "GENRED_DTYPE", '"half"'))
  with_options(list(genred.dtype = "half"), refused(Genred("X", "X = Vi(1)"), "genred.dtype", '"half"'))
})

test_that("flags in environment variables may be written as in R, or as 1 and 0", {
  op <- Genred("X * Y + 0.25", c("X = Vi(1)", "Y = Vj(1)"))
  for (value in c("TRUE", "true", "T", "1", "FALSE", "false", "F", "0")) {
    with_env(c(GENRED_PROGRESS = value), expect_equal(op(1, 2)[1], 2.25))
    fast <- with_env(c(GENRED_USE_FAST_MATH = value), genred:::operator_spec(Genred("X", "X = Vi(1)"))$fast_math)
    expect_identical(fast, value %in% c("TRUE", "true", "T", "1"))
  }
})
