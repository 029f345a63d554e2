# genred_grad(): the gradient of an operator, as an operator.
#
# The gradient of a sum is a sum of another formula.  The gradient of a log-sum-exp or a softmax
# also needs values of the operator itself: it is a plan of steps, each of which is an operator
# whose result is a further argument of the later ones, and a final sum.  The gradient of such a
# plan follows from the chain rule (reverse mode).  Minima pass the gradient to the pair that was
# selected.

#' Gradients of operators
#'
#' `genred_grad(op, "x")` returns an operator that computes the gradient of `op` with respect to its
#' argument `x`. For \eqn{a = op(x, ...)} it computes \eqn{\sum_k e_k \, \partial a_k / \partial
#' x}{sum_k e_k da_k/dx}, the vector-Jacobian product with an incoming gradient `e`, which has the
#' shape of `a` and is the last argument of the operator. With `e = 1` everywhere, this is the
#' gradient of `sum(op(...))`.
#'
#' @section Result:
#' The shape is that of the variable: one row per i for a `Vi`, one row per j for a `Vj`, with as
#' many columns as the variable has; a 1 x d matrix for a `Pm(d)`, summed over all pairs; and for a
#' `Mij` an M x N matrix (an M x N x d array for a `Mij(d)`), which is not a reduction: its size is
#' that of the variable, and pairs that `ranges` leave out get 0. The incoming gradient of an
#' operator with `axis = "ij"` is a vector with one number per component. If `op` takes dimensions
#' from its arguments, so does its gradient.
#'
#' Arguments, including the incoming gradient, may be [genred_array()]s. If `backend` is a GPU,
#' intermediate results stay there; with `keep = TRUE` the result does, too. The gradients of
#' minima, and gradients that are sums of several terms, are assembled in R; with `keep = TRUE` they
#' are then copied to the GPU.
#'
#' `ranges` are those of the operator ([genred_ranges]), with all six parts where `op` or the
#' gradient reduces over i.
#'
#' In a batch (see [Genred()]) the gradient has the dimensions of the variable: for a variable that
#' elements of the batch share, it is the sum over these elements. The incoming gradient has those
#' of the result. The gradients of minima are computed element by element.
#'
#' @section Reductions:
#' `"Sum"`, `"Mean"`, `"Var"`, `"Prod"` (of values that are not 0), `"LogSumExp"`,
#' `"LogSumExpWeight"` and `"SumSoftMaxWeight"` have derivatives of any order, because
#' `genred_grad()` accepts the operators that it returns. `"Min"`, `"Max"`, `"KMin"` and `"KMax"`
#' over one index (`axis` 0 or 1) can be differentiated once; their gradient goes to the selected
#' pairs. (Of formulas that read numbers of rows or columns, such as `IndexJ()`, the gradient is a
#' sum over all pairs; for `"KMin"` and `"KMax"` these need dimension 1.) The other reductions have
#' no gradient.
#'
#' @param op An operator made by [Genred()] or by `genred_grad()`. Its reduction must have been
#'   given as `reduction_op`, not in the formula string.
#' @param variable The name of one of the arguments of `op`.
#' @param incoming The name of the last argument of the result, the incoming gradient. `NULL` stands
#'   for `e_` followed by the name of the variable.
#' @return An operator. For a sum it is an object as [Genred()] returns; otherwise it is a function
#'   of class `"GenredGradient"` with the same kind of arguments.
#' @section Errors:
#' `genred_error_argument` if `op` has no such argument, or its reduction has no gradient.
#' @seealso [Genred()]; [genred_operations()] for `Grad`, `Diff`, `Laplacian` and other derivatives
#'   inside formulas.
#' @export
#' @examples
#' op <- Genred("Exp(-SqDist(x,y)) * b", c("x = Vi(2)", "y = Vj(2)", "b = Vj(1)"), axis = 1,
#'              dtype = "float64")
#' by_x <- genred_grad(op, "x")
#' by_x
#' x <- matrix(rnorm(10), 5)
#' y <- matrix(rnorm(12), 6)
#' by_x(x, y, rep(1, 6), rep(1, 5))
#'
#' # compare one element with a finite difference
#' h <- 1e-6
#' d <- matrix(0, 5, 2)
#' d[3, 1] <- h
#' (sum(op(x + d, y, rep(1, 6))) - sum(op(x - d, y, rep(1, 6)))) / (2 * h)
genred_grad <- function(op, variable, incoming = NULL) {
  call <- brief_call(sys.call(), "genred_grad")
  if (!inherits(op, c("Genred", "GenredGradient"))) {
    stop_genred("argument", "`op` must be an operator made by Genred() or genred_grad(); ", given_value(op), call = call)
  }
  given <- argument_names(op)
  if (!is.character(variable) || length(variable) != 1L || !variable %in% given) {
    stop_genred("argument", "`variable` must be one of the arguments ", quoted(given), "; ", given_value(variable), call = call)
  }
  if (is.null(incoming)) incoming <- fresh_name(paste0("e_", variable), given)
  incoming <- read_string(incoming, "incoming", call)
  if (incoming %in% given) stop_genred("argument", "`op` already has an argument `", incoming, "`", call = call)
  gradient(op, variable, incoming, call)
}

fresh_name <- function(name, taken) utils::tail(make.unique(c(taken, name), sep = "_"), 1L)

argument_names <- function(op) setdiff(names(formals(op)), call_settings)

gradient <- function(op, variable, incoming, call) {
  if (inherits(op, "GenredGradient")) return(gradient_of_gradient(op, variable, incoming, call))
  info <- operator_info(op)
  if (!is.null(info$result$note)) {
    stop_genred("argument", "genred_grad() requires an operator whose reduction is given as `reduction_op`, not in the ",
                "formula", call = call)
  }
  rule <- gradient_rules[[info$result$reduction]]
  if (is.null(rule)) stop_genred("argument", info$result$reduction, " has no gradient", call = call)
  rule(op, info, variable, incoming, call)
}

# ---- shapes --------------------------------------------------------------------------------------

row_category <- function(op) {
  if (inherits(op, "GenredGradient")) return(operator_plan(op)$row)
  c("Vj", "Vi", "Pm")[operator_info(op)$result$axis + 1L]
}

# Dimensions that a call decides stay open.
alias_of <- function(name, category, dim) paste0(name, " = ", type_text(category, dim))

declared <- function(info) alias_of(info$args$name, info$args$category, info$args$dim)

category_of <- function(info, variable) info$args$category[info$args$name == variable]

dim_of <- function(info, variable) info$args$dim[info$args$name == variable]

# ---- printing ------------------------------------------------------------------------------------

#' @export
format.GenredGradient <- function(x, ...) {
  plan <- operator_plan(x)
  paste0("gradient by ", plan$variable, " of (", format(plan$of), ")")
}

#' @export
print.GenredGradient <- function(x, ...) {
  plan <- operator_plan(x)
  cat("<Genred ", format(x), ">\n", sep = "")
  cat("  arguments  ", paste(argument_names(x), collapse = ", "), "\n", sep = "")
  cat("  result     ", switch(plan$row, Vi = "one row per i", Vj = "one row per j", Pm = "one row",
                                    Mij = "a matrix or array with one value for each i and j"), "\n", sep = "")
  steps <- length(plan$stages) + length(plan$terms)
  computed <- if (steps) paste("in", counted(steps, "reduction")) else if (is.null(plan$map)) "at the selected pairs" else
    "for each pair, without a reduction"
  cat("  computed   ", computed, "\n", sep = "")
  invisible(x)
}
