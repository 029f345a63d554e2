# GPU calls in separate R processes: a driver is opened once per process, and the library that
# stands in for it (engine/fake) is named by environment variables.  GENRED_TEST_FAKES names the
# folder that contains it; otherwise it is built here, once, where the sources and the compilers
# are present.

gpu_test <- new.env()

fakes_folder <- function() {
  if (is.null(gpu_test$folder)) gpu_test$folder <- find_fakes()
  gpu_test$folder
}

# The folder, or why there is none, with the attribute "missing".
find_fakes <- function() {
  none <- function(why) structure(why, missing = TRUE)
  given <- Sys.getenv("GENRED_TEST_FAKES")
  if (nzchar(given)) return(if (file.exists(file.path(given, "libcuda.so"))) given else none(paste(given, "has no libcuda.so")))
  engine <- testthat::test_path("engine")
  if (!dir.exists(file.path(engine, "fake"))) return(none("the sources of the fake driver are not here (GENRED_TEST_FAKES is not set)"))
  if (Sys.info()[["sysname"]] != "Linux") return(none("the fake driver needs Linux"))
  for (tool in c("make", "gcc", "g++")) if (!nzchar(Sys.which(tool))) return(none(paste("no", tool)))
  folder <- file.path(tempdir(), "fake")
  log <- suppressWarnings(system2("make", c("-s", "-C", shQuote(engine), "fakes", shQuote(paste0("FAKE=", folder))), stdout = TRUE, stderr = TRUE))
  if (!is.null(attr(log, "status"))) stop("the fake driver does not build:\n", paste(log, collapse = "\n"))
  folder
}

skip_without_fakes <- function() {
  skip_unless_installed()
  folder <- fakes_folder()
  skip_if(isTRUE(attr(folder, "missing")), folder)
  skip_if(!nzchar(Sys.which("c++")), "no C++ compiler for the fake NVRTC")
}

fake_environment <- function() {
  folder <- fakes_folder()
  kept <- file.path(tempdir(), "fake-kernels")
  dir.create(kept, showWarnings = FALSE)
  c(GENRED_CUDA_DRIVER = file.path(folder, "libcuda.so"), GENRED_NVRTC = file.path(folder, "libnvrtc.so"), GENRED_FAKE_CACHE = kept)
}

no_driver <- c(GENRED_CUDA_DRIVER = "/nowhere/libcuda.so.1", GENRED_NVRTC = "/nowhere/libnvrtc.so")

# The value of `code` in a fresh R with these environment variables; its output is the attribute
# "said". The code can use the helpers, and failed(code): class and message of an error.
in_fresh_r <- function(code, variables) {
  file <- tempfile(fileext = ".rds")
  report <- tempfile()
  set <- c(variables, GENRED_FAKE_REPORT = report)
  lines <- c(paste0("source(\"", normalizePath(testthat::test_path("helper-genred.R")), "\")"),
             "failed <- function(code) tryCatch({code; 'no error'}, error = function(e) c(class(e)[1], conditionMessage(e)))",
             "value <-", deparse(substitute(code)), paste0("saveRDS(value, \"", file, "\")"))
  said <- fresh_r(lines, before = paste0("export ", names(set), "=", shQuote(set)))
  if (!file.exists(file)) stop("the process ended early:\n", paste(said, collapse = "\n"))
  structure(readRDS(file), said = paste(said, collapse = "\n"), left = if (file.exists(report)) readLines(report) else character())
}

# No GPU memory or module is left when R ends.
expect_clean <- function(got) expect_identical(attr(got, "left"), character())
