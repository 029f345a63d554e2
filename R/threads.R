# How many threads a run may use; counted in src/ffi_threads.c.

#' Threads
#'
#' The number of threads that one reduction may use at most; small work stays on one. The result of a reduction does not
#' depend on it.
#'
#' The default is the least of: the processors that OpenMP sees, the affinity of the process, the CPU quota of its cgroup
#' (so a container gets what it is given), the environment variables `OMP_NUM_THREADS` and `OMP_THREAD_LIMIT`, the option
#' `mc.cores` and `MC_CORES`, and 2 under `R CMD check`. The option `genred.threads`, which `genred_threads(n)` sets, and the
#' environment variable `GENRED_THREADS` replace the default; `OMP_THREAD_LIMIT` and the limit of `R CMD check` still hold.
#' Other packages' OpenMP settings are not touched. A process forked by [parallel::mclapply()] uses one thread.
#'
#' @param n A whole number, the threads to use at most; 0 or `NULL` goes back to the default. Without `n` nothing is changed.
#' @return The number of threads: the one in force, or, if `n` is given, the one before, invisibly. Raises
#'   `genred_error_argument` if `n` is none of the above.
#' @seealso [genred_info()] tells which limit decided.
#' @export
#' @examples
#' genred_threads()
#' old <- genred_threads(1)
#' genred_threads(old)
genred_threads <- function(n) {
  now <- .Call(.ffi_threads)$threads
  if (missing(n)) return(now)
  whole <- is.numeric(n) && length(n) == 1L && is.finite(n) && n == round(n) && n >= 0
  if (!is.null(n) && !whole) {
    stop_genred("argument", "`n` must be a whole number, the threads to use, or NULL for the default; ", given_value(n),
                call = sys.call())
  }
  options(genred.threads = if (!is.null(n) && n > 0) as.integer(min(n, 1024)))
  invisible(now)
}

# Why there are so many: one line.
threads_reason <- function(t = .Call(.ffi_threads)) {
  if (!t$openmp) return("built without OpenMP")
  if (t$forked) return("a forked process stays on one")
  asked <- if (!is.na(t$option)) "option genred.threads" else if (!is.na(t$env)) "GENRED_THREADS"
  if (!is.null(asked)) {
    number <- if (!is.na(t$option)) t$option else t$env
    if (number == t$threads) return(asked)
    return(paste0(asked, " = ", number, ", limited by ", paste(binding_limits(t), collapse = ", ")))
  }
  paste0("limited by ", paste(binding_limits(t), collapse = ", "))
}

binding_limits <- function(t) names(t$limits)[!is.na(t$limits) & t$limits == t$threads]
