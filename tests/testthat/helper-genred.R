# Kernels go to a folder of the session, never to the home folder.
Sys.setenv(GENRED_CACHE_DIR = file.path(tempdir(), "genred-test-cache"))

has_compiler <- function() {
  settings <- .Call(genred:::.ffi_settings_list)
  !inherits(.Call(genred:::.ffi_compiler, settings$cc), "genred_failure")
}

# The backends that this machine can run.
backends <- function() c("interpreter", if (has_compiler()) "CPU")

skip_without_compiler <- function() skip_if_not(has_compiler(), "no C compiler")

points <- function(n, d, seed = n + 100 * d) {
  set.seed(seed)
  matrix(rnorm(n * d), n, d)
}

sq_dist <- function(x, y) {
  out <- matrix(0, nrow(x), nrow(y))
  for (k in seq_len(ncol(x))) out <- out + outer(x[, k], y[, k], "-")^2
  out
}

gaussian <- function(dtype = "float64", ...) {
  Genred("Exp(-G * SqDist(X,Y)) * B", c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"), axis = 1, dtype = dtype, ...)
}

# Relative to the largest absolute value.
expect_close <- function(object, expected, tolerance, info = NULL) {
  object <- unname(object)
  expected <- unname(expected)
  scale <- max(1e-300, abs(expected[is.finite(expected)]))
  expect_identical(is.na(object), is.na(expected), info = info)
  same <- object == expected # infinities
  error <- ifelse(!is.na(same) & same, 0, abs(object - expected)) / scale
  expect_lte(max(0, error, na.rm = TRUE), tolerance)
}

with_options <- function(opts, code) {
  old <- options(opts)
  on.exit(options(old))
  code
}

with_env <- function(vars, code) {
  old <- Sys.getenv(names(vars), unset = NA, names = TRUE)
  on.exit({
    for (name in names(old)) {
      if (is.na(old[[name]])) Sys.unsetenv(name) else do.call(Sys.setenv, as.list(old[name]))
    }
  })
  do.call(Sys.setenv, as.list(vars))
  code
}

# A file that a fresh R can run; it finds this genred.
script_of <- function(code) {
  file <- tempfile(fileext = ".R")
  writeLines(c(sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")), "library(genred)", code), file)
  file
}

rscript <- function() file.path(R.home("bin"), "Rscript")

# Lines that a fresh R process prints, errors included.
fresh_r <- function(code, before = NULL) {
  command <- paste(c(before, paste("exec", shQuote(rscript()), "--vanilla", shQuote(script_of(code)))), collapse = "; ")
  suppressWarnings(system2("sh", c("-c", shQuote(command)), stdout = TRUE, stderr = TRUE))
}

skip_unless_installed <- function() {
  skip_on_os("windows")
  skip_if_not(nzchar(system.file("Meta", package = "genred")), "genred is not installed")
}

# The precision of an operator.
operator_dtype <- function(op) environment(op)$.spec$dtype
