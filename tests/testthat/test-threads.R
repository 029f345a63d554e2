test_that("the number of threads can be read, set and reset", {
  old <- options(genred.threads = NULL)
  on.exit(options(old))
  default <- genred_threads()
  expect_true(default >= 1L)
  expect_identical(withVisible(genred_threads(1))$visible, FALSE)
  expect_identical(genred_threads(), 1L)
  expect_identical(genred_threads(0), 1L)
  expect_identical(genred_threads(), default)
  genred_threads(1)
  genred_threads(NULL)
  expect_identical(genred_threads(), default)
  for (bad in list("two", -1, 1.5, NA, 1:2)) expect_error(genred_threads(bad), class = "genred_error_argument")
})

test_that("variables limit the default", {
  skip_if_not(genred:::threads_reason() != "built without OpenMP")
  with_options(list(genred.threads = NULL, mc.cores = NULL), {
    with_env(c(OMP_NUM_THREADS = "1"), expect_identical(genred_threads(), 1L))
    with_env(c(OMP_THREAD_LIMIT = "1"), expect_identical(genred_threads(), 1L))
    with_env(c(MC_CORES = "1"), expect_identical(genred_threads(), 1L))
    with_env(c("_R_CHECK_LIMIT_CORES_" = "true"), expect_lte(genred_threads(), 2L))
    with_env(c("_R_CHECK_LIMIT_CORES_" = "true", GENRED_THREADS = "7"), expect_lte(genred_threads(), 2L))
    with_env(c("_R_CHECK_LIMIT_CORES_" = "", GENRED_THREADS = "3", OMP_THREAD_LIMIT = "1"),
             expect_identical(genred_threads(), 1L))
    with_options(list(mc.cores = 1), expect_identical(genred_threads(), 1L))
    with_env(c("_R_CHECK_LIMIT_CORES_" = "", GENRED_THREADS = "3"), {
      expect_identical(genred_threads(), 3L)
      with_options(list(genred.threads = 1), expect_identical(genred_threads(), 1L))
    })
  })
})

test_that("cgroup quotas are found", {
  skip_on_os("windows")
  quota <- function(files, self) {
    root <- tempfile("cgroup")
    for (name in names(files)) {
      dir.create(dirname(file.path(root, name)), recursive = TRUE, showWarnings = FALSE)
      writeLines(files[[name]], file.path(root, name))
    }
    list_file <- tempfile()
    writeLines(self, list_file)
    .Call(genred:::.ffi_cgroup, root, list_file)
  }
  expect_identical(quota(c("cpu.max" = "150000 100000"), "0::/"), 2L)
  expect_identical(quota(c("cpu.max" = "max 100000"), "0::/"), NA_integer_)
  expect_identical(quota(c("a/cpu.max" = "300000 100000", "a/b/cpu.max" = "max 100000"), "0::/a/b"), 3L)
  expect_identical(quota(c("a/cpu.max" = "300000 100000", "a/b/cpu.max" = "50000 100000"), "0::/a/b"), 1L)
  v1 <- c("cpu/x/cpu.cfs_quota_us" = "400000", "cpu/x/cpu.cfs_period_us" = "100000")
  expect_identical(quota(v1, c("5:memory:/x", "4:cpu,cpuacct:/x")), 4L)
  expect_identical(quota(c("cpu/cpu.cfs_quota_us" = "-1", "cpu/cpu.cfs_period_us" = "100000"), "4:cpu:/"), NA_integer_)
  expect_identical(quota(c("unrelated" = "1"), "0::/gone"), NA_integer_)
})

test_that("the result does not depend on the number of threads", {
  old <- options(genred.threads = NULL)
  on.exit(options(old))
  x <- points(1500, 3); y <- points(1201, 3); b <- points(1201, 2)
  for (backend in backends()) {
    for (dtype in c("float32", "float64")) {
      for (axis in 0:1) {
        op <- Genred("Exp(-SqDist(X,Y)) * (B|B)", c("X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"), axis = axis, dtype = dtype)
        n <- if (backend == "CPU") 1500 else 200
        genred_threads(1)
        one <- op(x[1:n, ], y, b, backend = backend)
        for (threads in 2:4) {
          genred_threads(threads)
          expect_identical(op(x[1:n, ], y, b, backend = backend), one)
        }
      }
    }
  }
})

test_that("few rows and many columns, and the reverse, split over threads without a trace", {
  old <- options(genred.threads = NULL)
  on.exit(options(old))
  y <- points(300000, 2)
  reductions <- list(list("Sum"), list("ArgMin"), list("KMin", opt_arg = 5), list("LogSumExp"), list("Prod"), list("Var"))
  for (backend in setdiff(backends(), "interpreter")) {
    for (rows in c(1, 5)) {
      x <- matrix(seq_len(2 * rows) / 10, rows, 2)
      for (r in reductions) {
        dtype <- if (rows == 1) "float32" else "float64"
        for (axis in 0:1) {
          vars <- if (axis == 1) c("X = Vi(2)", "Y = Vj(2)") else c("X = Vj(2)", "Y = Vi(2)")
          op <- do.call(Genred, c(list("Exp(-SqDist(X,Y))", vars, reduction_op = r[[1]], axis = axis, dtype = dtype), r[-1]))
          genred_threads(1)
          one <- op(x, y, backend = backend)
          for (threads in c(2, 5)) {
            genred_threads(threads)
            expect_identical(op(x, y, backend = backend), one)
          }
        }
      }
    }
  }
})
