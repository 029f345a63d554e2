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
#' @param dims For an operator that takes dimensions from its arguments: these dimensions, a vector
#'   named by argument such as `c(X = 3, Y = 3)`. `"tokens"` and `"ast"` do not need them.
#' @return A string of class `"genred_source"`, whose print method shows the text; [writeLines()]
#'   writes it to a file.
#' @section Errors: `genred_error_argument` if an argument is invalid, or `dims` are needed and not
#'   given.
#' @seealso [Genred()]
#' @export
#' @examples
#' op <- Genred("Exp(-SqDist(X,Y)) * B", c("X = Vi(3)", "Y = Vj(3)", "B = Vj(1)"), axis = 1)
#' genred_source(op, stage = "dag")
#' genred_source(op, stage = "plan")
#' writeLines(head(strsplit(genred_source(op, "GPU"), "\n")[[1]]))
#'
#' # an operator that takes dimensions from its arguments
#' open <- update(op, aliases = c("X = Vi", "Y = Vj", "B = Vj"))
#' genred_source(open, stage = "plan", dims = c(X = 3, Y = 3, B = 1))
genred_source <- function(op, backend = "CPU", stage = c("c", "cuda", "tokens", "ast", "dag", "plan"), dims = NULL) {
  call <- brief_call(sys.call(), "genred_source")
  check_operator(op, call)
  backend <- check_backend(backend, call)
  if (missing(stage)) stage <- if (is_gpu(backend)) "cuda" else "c"
  stage <- read_choice(stage, "stage", c("c", "cuda", "tokens", "ast", "dag", "plan"), call)
  spec <- source_spec(op, stage, dims, call)
  text <- checked(.Call(.ffi_dump, spec, stage), call)
  structure(text, class = "genred_source")
}

source_spec <- function(op, stage, dims, call) {
  spec <- operator_spec(op)
  if (is.null(dims) && (!is_open(spec) || stage %in% c("tokens", "ast"))) return(spec)
  args <- operator_info(op)$args
  dims <- read_dims(dims, args$dim, args$name, call)
  filled_spec(spec, dims, call)
}

# The dimensions of all arguments: `given`, named, for those whose dimension is NA.
read_dims <- function(given, dim, name, call) {
  refuse <- function(...) stop_genred("argument", ..., call = call)
  open <- name[is.na(dim)]
  if (!length(open)) refuse("`dims` must be NULL: all arguments of `op` have a dimension")
  example <- paste0("dims = c(", paste(open, "= 3", collapse = ", "), ")")
  if (!setequal(names(given), open) || anyDuplicated(names(given))) {
    refuse("`op` takes the dimension of ", quoted(open), " from its arguments; this stage needs ", example, "; ",
           given_value(given), if (length(names(given))) paste(" for", quoted(names(given))))
  }
  if (!is_whole(given) || any(given < 1 | given > dim_limit())) {
    refuse("`dims` must be whole numbers between 1 and ", dim_limit(), "; ", given_value(given))
  }
  dim[match(names(given), name)] <- as.integer(given)
  dim
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
