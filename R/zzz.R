#' @useDynLib genred, .registration = TRUE, .fixes = "."
#' @importFrom stats formula update
#' @keywords internal
"_PACKAGE"

# The native library is never unloaded: programs, fork handlers and loaded kernels point into it.

# `missing` under a name that no alias can have; see operator_body() in genred.R.
.absent <- missing

# What one session remembers: notes already given, the progress bar.
session <- new.env(parent = emptyenv())
session$said <- character()
