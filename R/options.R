# Settings: an argument takes precedence over the option genred.NAME, which takes precedence over
# the environment variable GENRED_NAME.  Settings that every call needs are read in C
# (src/ffi_settings.c).

#' Options of genred
#'
#' Each setting has an option and an environment variable. An argument of a function takes
#' precedence over the option, the option over the environment variable, and the environment
#' variable over the default. An invalid value of an option or environment variable is an error of
#' class `genred_error_argument` when the setting is used.
#'
#' \tabular{llll}{
#'   option \tab environment variable \tab default \tab meaning \cr
#' `genred.dtype` \tab `GENRED_DTYPE` \tab `"float32"` \tab precision of new operators: `"float32"`
#' or `"float64"` \cr
#' `genred.backend` \tab `GENRED_BACKEND` \tab `"auto"` \tab `"auto"`, `"CPU"`, `"interpreter"`,
#' `"GPU"`, `"GPU_1D"` or `"GPU_2D"` \cr
#' `genred.threads` \tab `GENRED_THREADS` \tab see [genred_threads()] \tab maximum number of
#' threads \cr
#' `genred.device` \tab `GENRED_DEVICE` \tab -1 \tab number of the GPU, from 0, or several numbers
#' (in the environment variable: `0,1`) \cr
#' `genred.use_fast_math` \tab `GENRED_USE_FAST_MATH` \tab `FALSE` \tab `TRUE`: less accurate but
#' faster functions on GPUs, for new operators \cr
#' `genred.cache_dir` \tab `GENRED_CACHE_DIR` \tab see [genred_cache_info()] \tab folder of
#' compiled kernels; if the option is `""`, kernels are not stored \cr
#' `genred.cc` \tab `GENRED_CC` \tab the compiler that R was built with, then `cc`, `gcc`, `clang`
#' \tab C compiler, optionally followed by arguments \cr
#'   `genred.cflags` \tab `GENRED_CFLAGS` \tab none \tab additional flags for the C compiler \cr
#' \tab `GENRED_CUDA_DRIVER` \tab `libcuda.so.1`, `nvcuda.dll` \tab library of the NVIDIA driver,
#' read when a GPU is first used \cr
#'   \tab `GENRED_NVRTC` \tab see [Genred()] \tab NVRTC library, likewise \cr
#' `genred.progress` \tab `GENRED_PROGRESS` \tab `TRUE` in interactive sessions \tab whether to
#' show the progress of computations that take longer than two seconds
#' }
#'
#' `TRUE` and `FALSE` in environment variables may be written as in R, or as `1` and `0`.
#'
#' Progress is shown by the package progressr if one of its handlers is active, else by the package
#' cli if it is installed, else by [utils::txtProgressBar()].
#'
#' The compiler is started directly, without a shell, with its arguments as a vector. It is told to
#' use all instructions of the machine's processor (`-march=native`); a compiler that does not
#' accept this flag is run without it, and a message says so once. Kernels depend on the compiler
#' and its flags: after a change of either, an operator uses a different kernel. Ctrl-C also stops a
#' running compiler.
#'
#' @name genred_options
#' @seealso [genred_info()] shows the current settings.
#' @examples
#' old <- options(genred.dtype = "float64")
#' Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"))
#' options(old)
NULL

# Not toupper(), which depends on the locale: in Turkish, "i" becomes a dotted capital I.
setting_variable <- function(name) {
  paste0("GENRED_", chartr("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", name))
}

setting <- function(name, default = NULL) {
  value <- getOption(paste0("genred.", name))
  if (!is.null(value)) return(value)
  value <- Sys.getenv(setting_variable(name))
  if (nzchar(value)) value else default
}

# Where the value of a setting comes from, for error messages.
setting_source <- function(name) {
  if (!is.null(getOption(paste0("genred.", name)))) return(paste0("option `genred.", name, "`"))
  paste0("environment variable `", setting_variable(name), "`")
}

refuse_setting <- function(name, expected, call) {
  stop_genred("argument", setting_source(name), " must be ", expected, "; ", given_value(setting(name)), call = call)
}

# TRUE, FALSE, or NULL if it is not set.  The same values as in src/ffi_settings.c.
setting_flag <- function(name, call = NULL) {
  value <- setting(name)
  if (is.null(value)) return(NULL)
  words <- c("TRUE" = TRUE, "true" = TRUE, "True" = TRUE, "T" = TRUE, "1" = TRUE,
             "FALSE" = FALSE, "false" = FALSE, "False" = FALSE, "F" = FALSE, "0" = FALSE)
  plain <- is.atomic(value) && length(value) == 1L && !is.object(value)
  flag <- if (!plain) NA else if (is.character(value)) unname(words[value]) else as.logical(value)
  if (is.na(flag)) refuse_setting(name, "TRUE or FALSE", call)
  flag
}

dtype_setting <- function(choices, call) {
  value <- setting("dtype", "float32")
  if (!is.character(value) || length(value) != 1L || !value %in% choices) {
    refuse_setting("dtype", paste("one of", quoted(choices)), call)
  }
  value[[1L]]
}

# Raises an error for the first invalid setting among those that C reads, which only knows that one
# is.
check_session_settings <- function(call) {
  for (name in c("cc", "cflags", "cache_dir")) {
    value <- setting(name, "")
    if (!is.character(value) || length(value) != 1L || is.na(value)) refuse_setting(name, "a string", call)
  }
  check_device_setting(call)
  check_threads_setting(call)
  setting_flag("progress", call)
}

check_device_setting <- function(call) {
  value <- setting("device", -1)
  from_variable <- is.null(getOption("genred.device")) && is.character(value)
  if (from_variable && grepl("^(-1|[0-9]+(,[0-9]+)*)$", value)) {
    value <- as.numeric(strsplit(value, ",", fixed = TRUE)[[1L]])
  }
  if (!is_device_id(value)) {
    refuse_setting("device", "-1, or one or several different GPU numbers, which count from 0", call)
  }
}

check_threads_setting <- function(call) {
  value <- setting("threads", 0)
  from_variable <- is.null(getOption("genred.threads")) && is.character(value)
  number <- if (from_variable && grepl("^[0-9]+$", value)) as.numeric(value) else value
  valid <- is.numeric(number) && length(number) == 1L && !is.na(number) && (number == 0 || number >= 1) &&
    number <= .Machine$integer.max
  if (!valid) refuse_setting("threads", "a number of threads, or 0 for the default", call)
}

# Called from C once per session, when the defaults are first needed.
.defaults <- function() .Call(.ffi_defaults, r_compiler(), default_cache_dir(), tempdir())

# Unlike Sys.which(), this does not start a process.
on_path <- function(program) {
  if (grepl("/", program, fixed = TRUE)) return(file.exists(program))
  ends <- if (.Platform$OS.type == "windows") c(".exe", "") else ""
  dirs <- strsplit(Sys.getenv("PATH"), .Platform$path.sep, fixed = TRUE)[[1L]]
  any(file.exists(file.path(rep(dirs, each = length(ends)), paste0(program, ends))))
}

# The C compiler that R was built with, or NULL if this machine does not have it.
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
