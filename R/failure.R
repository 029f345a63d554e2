# Errors and messages are classed conditions.  C returns failures as values (src/ffi_failure.c); they are raised here.

#' Conditions of genred
#'
#' Every error that genred raises has class `genred_error` and one of the classes below, so that code can tell them
#' apart with [tryCatch()] and tests with `expect_error(class = )`.
#'
#' \describe{
#'   \item{`genred_error_parse`}{the text is not a formula; the message shows the place.}
#'   \item{`genred_error_dimension`}{the dimensions inside the formula do not fit.}
#'   \item{`genred_error_argument`}{a setting, or an argument of a call, is wrong.}
#'   \item{`genred_error_compiler`}{there is no C compiler, or it failed; its output is in the field `log`.}
#'   \item{`genred_error_cuda`}{a GPU was asked for and cannot be used (the message says what was tried), its memory ends, a kernel failed there, or the entries of
#'     a [genred_array()] are gone; what NVRTC wrote is in the field `log`.}
#'   \item{`genred_error_memory`}{memory ended, or a limit of genred is reached.}
#'   \item{`genred_error_internal`}{a bug in genred.}
#' }
#'
#' A condition has the fields `message`, `call` and `log` (`NULL`, or the text that a compiler wrote). Messages that are
#' no error (how a formula was read, why there is no compiled kernel) have class `genred_message`. A computation that the
#' user stops with Ctrl-C raises R's own `interrupt` condition.
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

# The value of a .Call, or the condition that it describes.
checked <- function(value, call = NULL) {
  if (inherits(value, "genred_failure")) {
    stop_genred(value$class, value$message, call = call, log = value$log)
  }
  value
}

# A call as an error shows it: data that do.call() put into it, and long texts, would bury the message.
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
