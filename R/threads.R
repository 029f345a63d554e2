# The number of threads; determined in src/ffi_threads.c.

#' Threads
#'
#' Gets or sets the maximum number of threads that one reduction uses; small reductions run on a
#' single thread. The result of a reduction does not depend on the number of threads.
#'
#' The default is the minimum of the number of processors that OpenMP reports, the CPU affinity of
#' the process, the CPU quota of its cgroup (the limit of a container), the environment variables
#' `OMP_NUM_THREADS`, `OMP_THREAD_LIMIT` and `MC_CORES`, the option `mc.cores`, and 2 under
#' `R CMD check`. The option `genred.threads`, which `genred_threads(n)` sets, and the environment
#' variable `GENRED_THREADS` replace the default, but `OMP_THREAD_LIMIT` and the limit of
#' `R CMD check` still apply. The OpenMP settings of other packages are not changed. A process
#' forked by [parallel::mclapply()] uses one thread.
#'
#' @param n The maximum number of threads; 0 or `NULL` restores the default. Without `n` nothing is
#'   changed.
#' @return The current number of threads or, if `n` is given, the previous one, invisibly.
#' @section Errors:
#' `genred_error_argument` if `n`, or the option or environment variable, is not a number of
#'   threads.
#' @seealso [genred_info()] shows which limit applies.
#' @export
#' @examples
#' genred_threads()
#' old <- genred_threads(1)
#' genred_threads(old)
genred_threads <- function(n) {
  if (missing(n)) check_threads_setting(sys.call())
  now <- .Call(.ffi_threads)$threads
  if (missing(n)) return(now)
  whole <- is.numeric(n) && length(n) == 1L && is.finite(n) && n == round(n) && n >= 0
  if (!is.null(n) && !whole) {
    stop_genred("argument", "`n` must be a whole number of threads, or NULL for the default; ", given_value(n),
                call = sys.call())
  }
  options(genred.threads = if (!is.null(n) && n > 0) as.integer(min(n, 1024)))
  invisible(now)
}

# What determines the number of threads, in one line.
threads_reason <- function(t = .Call(.ffi_threads)) {
  if (!t$openmp) return("built without OpenMP")
  if (t$forked) return("a forked process uses one")
  asked <- if (!is.na(t$option)) "option genred.threads" else if (!is.na(t$env)) "GENRED_THREADS"
  if (!is.null(asked)) {
    number <- if (!is.na(t$option)) t$option else t$env
    if (number == t$threads) return(asked)
    return(paste0(asked, " = ", number, ", limited by ", paste(binding_limits(t), collapse = ", ")))
  }
  paste0("limited by ", paste(binding_limits(t), collapse = ", "))
}

binding_limits <- function(t) names(t$limits)[!is.na(t$limits) & t$limits == t$threads]
