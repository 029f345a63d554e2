# Errors and messages are classed conditions.  C code returns failures as values
# (src/ffi_failure.c), which are raised here.

#' Conditions of genred
#'
#' Every error that genred raises has class `genred_error` and one of the error classes below, so
#' that code can distinguish them with [tryCatch()] and tests with `expect_error(class = )`.
#'
#' \describe{
#'   \item{`genred_error_parse`}{The string is not a valid formula or alias; the message shows the
#'     position of the error.}
#'   \item{`genred_error_dimension`}{The dimensions inside the formula do not match.}
#'   \item{`genred_error_argument`}{An argument, an option or an environment variable has an invalid
#'     value.}
#'   \item{`genred_error_compiler`}{There is no C compiler, or it failed; the field `log` contains
#'     its output.}
#'   \item{`genred_error_cuda`}{A GPU was requested and cannot be used (the message says what was
#'     tried), it ran out of memory, a kernel failed on it, or the entries of a [genred_array()] are
#'     lost. If NVRTC failed, the field `log` contains its output.}
#'   \item{`genred_error_memory`}{Out of memory, or a limit of genred was exceeded.}
#'   \item{`genred_error_internal`}{A bug in genred.}
#' }
#'
#' A condition has the fields `message`, `call` and `log` (the output of a compiler, or `NULL`).
#' Messages that are not errors (how a formula was interpreted, why there is no compiled kernel)
#' have class `genred_message`. Ctrl-C during a computation raises R's own `interrupt` condition.
#'
#' @name genred_error
#' @seealso [Genred()]
#' @examples
#' e <- tryCatch(Genred("Epx(X)", "X = Vi(3)"), genred_error_parse = identity)
#' cat(conditionMessage(e), "\n")
#' class(e)
NULL

stop_genred <- function(kind, ..., call = NULL, log = NULL) {
  stop(structure(
    class = c(paste0("genred_error_", kind), "genred_error", "error", "condition"),
    list(message = paste0(...), call = call, log = log)
  ))
}

message_genred <- function(..., call = NULL) {
  message(structure(
    class = c("genred_message", "message", "condition"),
    list(message = paste0(..., "\n"), call = call)
  ))
}

# Returns the value of a .Call, or raises the condition that it describes.
checked <- function(value, call = NULL) {
  if (inherits(value, "genred_failure")) {
    stop_genred(value$class, value$message, call = call, log = value$log)
  }
  value
}

# Shortens the call that an error shows: long strings, and data that do.call() inserted, would bury
# the message.
brief_call <- function(call, name = "operator") {
  if (!is.call(call)) return(NULL)
  if (!is.name(call[[1]]) && !is.call(call[[1]])) call[[1]] <- as.name(name)
  for (k in seq_along(call)[-1]) {
    if (identical(call[[k]], quote(expr = ))) next # f(x, , y)
    arg <- call[[k]]
    if (is.character(arg) && length(arg) == 1L) {
      call[[k]] <- abbreviated(arg, 60L)
    } else if (!is.null(arg) && !is.language(arg) && (!is.atomic(arg) || length(arg) > 1L)) {
      call[[k]] <- quote(...)
    } else if (is.call(arg) && nchar(deparse(arg, nlines = 1L)[1L]) > 50L) {
      call[[k]] <- quote(...)
    }
  }
  call
}

abbreviated <- function(text, width) {
  if (is.na(text) || nchar(text, "bytes") <= width) return(text)
  paste0(substr(text, 1L, width - 3L), "...")
}
