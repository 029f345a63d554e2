#' @useDynLib genred, .registration = TRUE, .fixes = "."
#' @importFrom stats formula update
#' @keywords internal
"_PACKAGE"

# The native library is never unloaded, because programs, fork handlers and kernels hold pointers
# into it.

# missing(), under a name that no alias can have; see operator_body() in genred.R.
.absent <- missing

# State of the session: messages already shown, and the progress bar.
session <- new.env(parent = emptyenv())
session$said <- character()
