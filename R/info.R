#' What genred uses on this machine
#'
#' Prints the version, the compiler that would be run, the widest vectors of the processor, the number of threads and why, the GPUs and
#' the libraries behind them, or why there are none, and the cache of compiled kernels.
#'
#' @return A list of class `"genred_info"`, invisibly: `version`, `compiler` (`NA` if there is none), `compiler_error` (why, or
#'   `NULL`), `cflags`, `simd`, `threads`, `threads_reason`, `threads_limits` (a named integer vector, `NA` where there is no limit),
#'   `openmp`, `cuda`, `cache` (see [genred_cache_info()]), `dtype`, `backend`. `cuda` is a list of `driver` and `nvrtc` (version and path, or
#'   why there is none) and `devices`, a data frame with one row for each GPU that can be used: `device_id`, `name`, `memory` (bytes), `capability` (compute
#'   capability) and `multiprocessors`.
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

#' @export
print.genred_info <- function(x, ...) {
  row <- function(name, ...) cat("  ", formatC(name, width = -10), ..., "\n", sep = "")
  cat("genred ", x$version, " on ", R.version.string, "\n", sep = "")
  row("compiler", if (is.na(x$compiler)) paste("none:", x$compiler_error) else x$compiler)
  if (nzchar(x$cflags)) row("flags", x$cflags)
  row("SIMD", x$simd)
  row("threads", x$threads, " (", x$threads_reason, ")")
  limits <- x$threads_limits[!is.na(x$threads_limits)]
  row("", paste(names(limits), limits, collapse = ", "))
  row("OpenMP", if (x$openmp) "yes" else "no")
  rows <- function(name, text) {
    lines <- strwrap(strsplit(text, "\n", fixed = TRUE)[[1L]], width = max(60L, getOption("width") - 12L), exdent = 2L)
    for (k in seq_along(lines)) row(if (k == 1L) name else "", lines[k])
  }
  rows("CUDA", x$cuda$driver)
  rows("NVRTC", x$cuda$nvrtc)
  devices <- x$cuda$devices
  for (k in seq_len(nrow(devices))) {
    row(paste("GPU", devices$device_id[k]), devices$name[k], ", ", bytes_text(devices$memory[k]), ", compute capability ", devices$capability[k])
  }
  row("cache", if (nzchar(x$cache$dir)) x$cache$dir else "none")
  row("", if (is.na(x$cache$files)) "cannot be read" else paste0(counted(x$cache$files, "kernel"), ", ", bytes_text(x$cache$bytes)),
      "; ", x$cache$loaded, " loaded")
  row("defaults", x$dtype, ", backend ", x$backend)
  invisible(x)
}
