# Settings: an argument beats the option genred.NAME, which beats the environment variable GENRED_NAME.  Those that
# every call needs are read in C (src/ffi_settings.c).

#' Options of genred
#'
#' Each setting has an option and an environment variable. An argument of a function beats the option, the option beats
#' the environment variable, and that beats the default.
#'
#' \tabular{llll}{
#'   option \tab environment \tab default \tab meaning \cr
#'   `genred.dtype` \tab `GENRED_DTYPE` \tab `"float32"` \tab precision of new operators: `"float32"` or `"float64"` \cr
#'   `genred.backend` \tab `GENRED_BACKEND` \tab `"auto"` \tab `"auto"`, `"CPU"`, `"interpreter"`, `"GPU"`, `"GPU_1D"` or `"GPU_2D"` \cr
#'   `genred.threads` \tab `GENRED_THREADS` \tab see [genred_threads()] \tab number of threads \cr
#'   `genred.device` \tab `GENRED_DEVICE` \tab -1 \tab number of the GPU, from 0, or several (in the environment: `0,1`) \cr
#'   `genred.use_fast_math` \tab `GENRED_USE_FAST_MATH` \tab `FALSE` \tab functions of less precision on GPUs, for new operators \cr
#'   `genred.cache_dir` \tab `GENRED_CACHE_DIR` \tab see [genred_cache_info()] \tab folder of the compiled kernels; the option `""`
#'     keeps none \cr
#'   `genred.cc` \tab `GENRED_CC` \tab R's own compiler, then `cc`, `gcc`, `clang` \tab C compiler, with arguments if need be \cr
#'   `genred.cflags` \tab `GENRED_CFLAGS` \tab none \tab more flags for the C compiler \cr
#'   \tab `GENRED_CUDA_DRIVER` \tab `libcuda.so.1`, `nvcuda.dll` \tab library of the NVIDIA driver, read at the first use of a GPU \cr
#'   \tab `GENRED_NVRTC` \tab see [Genred()] \tab NVRTC library, likewise \cr
#'   `genred.progress` \tab `GENRED_PROGRESS` \tab in interactive sessions \tab `TRUE` or `FALSE`: show the progress of work
#'     that takes longer than two seconds
#' }
#'
#' Progress is shown by the packages progressr (where a handler listens) or cli if they are installed, else by
#' [utils::txtProgressBar()].
#'
#' The compiler is run directly and its arguments are passed as a vector, never through a shell. It is
#' asked to use all instructions of this machine's processor (`-march=native`); a compiler that
#' refuses is run without, and a message says so once. A kernel belongs to the compiler and the flags:
#' with others an operator gets another one. Ctrl-C ends a compiler that runs.
#'
#' @name genred_options
#' @seealso [genred_info()] shows what is in force.
#' @examples
#' old <- options(genred.dtype = "float64")
#' Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"))
#' options(old)
NULL

setting <- function(name, default = NULL) {
  value <- getOption(paste0("genred.", name))
  if (!is.null(value)) return(value)
  value <- Sys.getenv(paste0("GENRED_", chartr("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", name))) # toupper() knows Turkish
  if (nzchar(value)) value else default
}

setting_flag <- function(name) {
  value <- setting(name)
  if (is.null(value)) return(NULL)
  isTRUE(as.logical(value))
}

# Called from C once per session, at the first need.
.defaults <- function() .Call(.ffi_defaults, r_compiler(), default_cache_dir(), tempdir())

# Sys.which() starts a process; this does not.
on_path <- function(program) {
  if (grepl("/", program, fixed = TRUE)) return(file.exists(program))
  ends <- if (.Platform$OS.type == "windows") c(".exe", "") else ""
  dirs <- strsplit(Sys.getenv("PATH"), .Platform$path.sep, fixed = TRUE)[[1L]]
  any(file.exists(file.path(rep(dirs, each = length(ends)), paste0(program, ends))))
}

# The C compiler that R was built with, if this machine has it.
r_compiler <- function() {
  file <- file.path(R.home("etc"), .Platform$r_arch, "Makeconf")
  if (!file.exists(file)) return(NULL)
  line <- grep("^CC *=", readLines(file, warn = FALSE), value = TRUE)
  if (!length(line)) return(NULL)
  cc <- trimws(sub("^CC *=", "", line[1L]))
  words <- strsplit(cc, "[[:space:]]+")[[1L]]
  usable <- nzchar(cc) && !grepl("$(", cc, fixed = TRUE) && on_path(words[1L])
  if (usable) cc
}
