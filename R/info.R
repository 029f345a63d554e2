#' What genred uses on this machine
#'
#' Prints the version, the C compiler that would be run, the widest vector instructions of the
#' processor, the number of threads and what limits it, the GPUs and CUDA libraries (or why they
#' cannot be used), the cache of compiled kernels, and the default precision and backend.
#'
#' @return A list of class `"genred_info"`, invisibly, with the elements
#' \describe{
#'   \item{`version`}{of genred.}
#'   \item{`compiler`, `compiler_error`}{path and version of the C compiler, or `NA` and the
#'     reason.}
#'   \item{`cflags`}{additional compiler flags.}
#'   \item{`simd`}{the widest vector instructions, such as `"AVX2"`.}
#'   \item{`threads`, `threads_reason`, `threads_limits`}{the number of threads, what determines it,
#'     and the limits as a named integer vector (`NA` for no limit).}
#'   \item{`openmp`}{whether genred was built with OpenMP.}
#'   \item{`cuda`}{a list of `driver` and `nvrtc` (version and path, or why the library cannot be
#'     used) and `devices`, a data frame with one row per usable GPU: `device_id`, `name`, `memory`
#'     (bytes), `capability` (compute capability) and `multiprocessors`.}
#'   \item{`cache`}{see [genred_cache_info()].}
#'   \item{`dtype`, `backend`}{the defaults.}
#' }
#' @seealso [genred_options], [genred_threads()]
#' @export
#' @examples
#' genred_info()
genred_info <- function() {
  settings <- .Call(.ffi_settings_list)
  compiler <- .Call(.ffi_compiler, settings$cc)
  failed <- inherits(compiler, "genred_failure")
  threads <- .Call(.ffi_threads)
  engine <- .Call(.ffi_engine)
  info <- structure(class = "genred_info", list(
    version = engine$version,
    compiler = if (failed) NA_character_ else compiler,
    compiler_error = if (failed) compiler$message,
    cflags = settings$cflags %or% "",
    simd = engine$simd,
    threads = threads$threads,
    threads_reason = threads_reason(threads),
    threads_limits = threads$limits,
    openmp = threads$openmp,
    cuda = cuda_info(),
    cache = cache_or_none(),
    dtype = setting("dtype", "float32"),
    backend = setting("backend", "auto")
  ))
  print(info)
  invisible(info)
}

cuda_info <- function() {
  info <- .Call(.ffi_devices)
  devices <- as.data.frame(info$devices, stringsAsFactors = FALSE)
  info$devices <- cbind(device_id = seq_len(nrow(devices)) - 1L, devices)
  info
}

cache_or_none <- function() {
  tryCatch(genred_cache_info(), genred_error = function(e) {
    structure(class = "genred_cache_info", list(
      dir = cache_dir(), files = NA_real_, bytes = NA_real_, loaded = .Call(.ffi_engine)$kernels
    ))
  })
}

# One line, "  NAME  text".
info_row <- function(name, ...) cat("  ", formatC(name, width = -10), ..., "\n", sep = "")

# The same for a text that may be longer than a line.
info_rows <- function(name, text) {
  lines <- strwrap(strsplit(text, "\n", fixed = TRUE)[[1L]], width = max(60L, getOption("width") - 12L), exdent = 2L)
  for (k in seq_along(lines)) info_row(if (k == 1L) name else "", lines[k])
}

#' @export
print.genred_info <- function(x, ...) {
  cat("genred ", x$version, " on ", R.version.string, "\n", sep = "")
  info_row("compiler", if (is.na(x$compiler)) paste("none:", x$compiler_error) else x$compiler)
  if (nzchar(x$cflags)) info_row("flags", x$cflags)
  info_row("SIMD", x$simd)
  info_row("threads", x$threads, " (", x$threads_reason, ")")
  limits <- x$threads_limits[!is.na(x$threads_limits)]
  info_row("", paste(names(limits), limits, collapse = ", "))
  info_row("OpenMP", if (x$openmp) "yes" else "no")
  info_rows("CUDA", x$cuda$driver)
  info_rows("NVRTC", x$cuda$nvrtc)
  devices <- x$cuda$devices
  for (k in seq_len(nrow(devices))) {
    info_row(paste("GPU", devices$device_id[k]), devices$name[k], ", ", bytes_text(devices$memory[k]),
        ", compute capability ", devices$capability[k])
  }
  info_row("cache", if (nzchar(x$cache$dir)) x$cache$dir else "none")
  info_row("", if (is.na(x$cache$files)) "cannot be read" else paste0(counted(x$cache$files, "kernel"), ", ", bytes_text(x$cache$bytes)),
      "; ", x$cache$loaded, " loaded")
  info_row("defaults", x$dtype, ", backend ", x$backend)
  invisible(x)
}
