#' The generated code of an operator
#'
#' Shows what the engine makes of a formula: the C text that is compiled, or an earlier stage on the way to it.
#'
#' @param op An operator made by [Genred()].
#' @param backend `"CPU"` shows the C text; `"GPU"`, `"GPU_1D"` and `"GPU_2D"` the CUDA C++ text, which is the same for the three. No GPU is needed.
#' @param stage `"c"`, `"cuda"`: the C text, the CUDA C++ text, whatever the backend; `"tokens"`, `"ast"`: the formula as it was read; `"dag"`: the typed graph of operations, with common
#'   parts shared; `"plan"`: what is computed once, per row, per column and per pair.
#' @return A string of class `"genred_source"` that prints as it is; [writeLines()] puts it into a file.
#' @section Errors: `genred_error_argument` if an argument is none of the above.
#' @seealso [Genred()]
#' @export
#' @examples
#' op <- Genred("Exp(-SqDist(X,Y)) * B", c("X = Vi(3)", "Y = Vj(3)", "B = Vj(1)"), axis = 1)
#' genred_source(op, stage = "dag")
#' genred_source(op, stage = "plan")
#' writeLines(head(strsplit(genred_source(op, "GPU"), "\n")[[1]]))
genred_source <- function(op, backend = "CPU", stage = c("c", "cuda", "tokens", "ast", "dag", "plan")) {
  call <- brief_call(sys.call(), "genred_source")
  check_operator(op, call)
  backend <- check_backend(backend, call)
  if (missing(stage)) stage <- if (is_gpu(backend)) "cuda" else "c"
  stage <- read_choice(stage, "stage", c("c", "cuda", "tokens", "ast", "dag", "plan"), call)
  text <- checked(.Call(.ffi_dump, operator_spec(op), stage), call)
  structure(text, class = "genred_source")
}

check_operator <- function(op, call) {
  if (!inherits(op, "Genred")) {
    stop_genred("argument", "`op` must be an operator made by Genred(); ", given_value(op), call = call)
  }
}

#' @export
print.genred_source <- function(x, ...) {
  cat(x, if (!endsWith(x, "\n")) "\n", sep = "")
  invisible(x)
}
