#' The generated code of an operator
#'
#' Returns the C or CUDA source that the engine generates for an operator, or the output of an
#' earlier stage of the translation.
#'
#' @param op An operator made by [Genred()].
#' @param backend Selects the default of `stage`: `"c"` for `"CPU"`, `"cuda"` for `"GPU"`,
#'   `"GPU_1D"` and `"GPU_2D"`, whose source is the same. No GPU is needed.
#' @param stage `"c"`: C source. `"cuda"`: CUDA C++ source. `"tokens"`, `"ast"`: the formula after
#'   lexing and after parsing (abstract syntax tree). `"dag"`: the graph of operations with their
#'   dimensions, in which common subexpressions are shared. `"plan"`: what is computed once, per
#'   row, per column and per pair.
#' @return A string of class `"genred_source"`, whose print method shows the text; [writeLines()]
#'   writes it to a file.
#' @section Errors: `genred_error_argument` if an argument is invalid.
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
