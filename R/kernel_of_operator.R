# kernel_matrix(): the matrix of an ordinary operator that is linear in one argument.

# The call of an operator as a linear function of one argument, variable[1]; variable[2] is that of
# the transposed call, `backward`.  numbers: of rows of the result and of the argument; widths:
# their columns; extra: arguments of `forward` alone.
setClass("CallOperator", contains = "KernelOperator", representation(
  forward = "ANY", backward = "ANY", args = "list", extra = "list", variable = "character", numbers = "numeric",
  widths = "numeric"
))

#' The matrix of an operator
#'
#' `kernel_matrix()` makes the matrix of an operator whose reduction is a sum, and whose formula is
#' linear in one argument: that argument is left out, and the result is a matrix to be multiplied
#' with it, like a lazy tensor (see [LazyTensor-matrix]).
#'
#' If all arguments are given, the matrix is that of the formula's values. If the argument that is
#' left out and the formula have one component, the result is a [LazyTensor()]. Otherwise the matrix
#' acts on the columns of the argument, one below the other: it has M times the components of the
#' formula as rows, and N times those of the argument as columns.
#'
#' @param op An operator made by [Genred()], with reduction `"Sum"` over i or over j.
#' @param ... All arguments of the operator, by name or by position, except the one that the matrix
#'   is multiplied with. That one is indexed by the index that is reduced.
#' @return A kernel matrix.
#' @section Errors: `genred_error_argument` if the arguments do not fit, or if the formula is not
#'   linear in the argument that is left out.
#' @seealso [LazyTensor-matrix]
#' @export
#' @examples
#' op <- Genred("Exp(-G * SqDist(X,Y)) * B", c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(1)"),
#'              axis = 1)
#' x <- matrix(rnorm(60), 20, 3)
#' y <- matrix(rnorm(90), 30, 3)
#' K <- kernel_matrix(op, G = 5, X = x, Y = y)
#' K
#' b <- rnorm(30)
#' max(abs(K %*% b - op(5, x, y, b)))
#' diag(K)[1:3]
kernel_matrix <- function(op, ...) {
  call <- brief_call(sys.call(), "kernel_matrix")
  check_operator(op, call)
  info <- operator_info(op)
  if (info$result$reduction != "Sum" || info$result$axis > 1L) {
    stop_genred("argument", "kernel_matrix() needs an operator with the reduction Sum over i or over j", call = call)
  }
  given <- named_arguments(list(...), info$args$name, call)
  absent <- setdiff(info$args$name, names(given))
  if (length(absent) > 1L) {
    stop_genred("argument", "one argument is left out, the one that the matrix is multiplied with; these are missing: ",
                paste0("`", absent, "`", collapse = ", "), call = call)
  }
  op <- with_dimensions(op, info, given, call)
  info <- operator_info(op)
  over <- c("i", "j")[info$result$axis + 1L]
  if (length(absent)) check_linear(op, info, absent, over, call)
  scalar <- info$result$dim == 1L && (!length(absent) || dim_of(info, absent) == 1L)
  if (!scalar && !length(absent)) check_scalar(operator_tensor(op, info, given, absent))
  if (!scalar) return(call_operator(op, info, given, absent, over))
  K <- operator_tensor(op, info, given, absent)
  if (over == "i") t(K) else K
}

# The operator with the dimensions that its aliases leave to the arguments; 1 for the one that is
# left out, whose columns the matrix multiplies one by one.
with_dimensions <- function(op, info, values, call) {
  open <- which(is.na(info$args$dim))
  if (!length(open)) return(op)
  info$args$dim[open] <- vapply(open, function(k) {
    name <- info$args$name[k]
    if (!name %in% names(values)) return(1L)
    kind <- info$args$category[k]
    as.integer(leaf_kinds[[kind]]$shape(leaf_data(kind, values[[name]])$value)[3L])
  }, 0L)
  given <- given_arguments(operator_spec(op))
  given$aliases <- declared(info)
  new_operator(given, call)
}

named_arguments <- function(given, names, call) {
  labels <- names(given) %or% rep("", length(given))
  odd <- labels[nzchar(labels) & !labels %in% names]
  if (length(odd)) stop_genred("argument", "the operator has no argument `", odd[1L], "`; it has ", quoted(names), call = call)
  free <- setdiff(names, labels)
  unnamed <- which(!nzchar(labels))
  if (length(unnamed) > length(free)) stop_genred("argument", "there are more arguments than the operator has", call = call)
  labels[unnamed] <- free[seq_along(unnamed)]
  names(given) <- labels
  given
}

check_linear <- function(op, info, variable, over, call) {
  category <- category_of(info, variable)
  if (category != c(i = "Vi", j = "Vj")[[over]]) {
    stop_genred("argument", "the argument that is left out must be a ", c(i = "Vi", j = "Vj")[[over]], ", since the operator sums over ",
                over, "; `", variable, "` is a ", category, call = call)
  }
  given <- given_arguments(operator_spec(op))
  incoming <- fresh_name("e", info$args$name)
  given$formula <- paste0("AdjointOperator(", given$formula, ",", variable, ",", incoming, ")")
  given$aliases <- c(declared(info), alias_of(incoming, "Pm", info$result$dim))
  tryCatch(new_operator(given, call), genred_error = function(e) {
    stop_genred("argument", "the formula is not linear in `", variable, "`, the argument that is left out", call = call)
  })
}

# With 1 in the place of the argument that is left out, the formula is an entry of the matrix.
operator_tensor <- function(op, info, given, absent) {
  spec <- operator_spec(op)
  formula <- by_name(spec$formula, info$args$name)
  kept <- which(!info$args$name %in% absent)
  leaves <- lapply(kept, function(k) {
    kind <- info$args$category[k]
    value <- leaf_data(kind, given[[info$args$name[k]]])$value
    variable <- list(name = info$args$name[k], category = kind, dim = info$args$dim[k])
    check_shape(value, variable, function(...) refuse_argument(value, variable, ..., call = NULL))
    new_leaf(kind, value, info$args$name[k], info$args$dim[k])
  })
  for (k in seq_along(kept)) formula <- word_replaced(formula, info$args$name[kept[k]], paste0("{", k, "}"))
  if (length(absent)) formula <- word_replaced(formula, absent, "1")
  numbers <- function(kind) {
    n <- unlist(lapply(leaves, function(leaf) if (leaf$kind == kind) dim(leaf$value)[1L]))
    if (is.null(n)) return(NA_real_)
    Reduce(function(a, b) common_number(a, b, substr(kind, 2L, 2L)), as.numeric(n))
  }
  lazy(one_line(formula), 0, leaves, numbers("Vi"), numbers("Vj"), info$result$dim, "number", spec$dtype)
}

# A variable of this name, not an operation.
word_replaced <- function(text, word, by) {
  gsub(paste0("(?<![A-Za-z0-9_.{])\\Q", word, "\\E(?![A-Za-z0-9_.}]|\\s*\\()"), by, text, perl = TRUE)
}

call_operator <- function(op, info, given, absent, over) {
  incoming <- fresh_name("e", info$args$name)
  backward <- genred_grad(op, absent, incoming)
  rows <- function(category) {
    sizes <- lapply(given[info$args$category[match(names(given), info$args$name)] == category], NROW)
    if (length(sizes)) sizes[[1L]] else 1
  }
  ends <- c(rows(if (over == "j") "Vi" else "Vj"), rows(if (over == "j") "Vj" else "Vi"))
  new("CallOperator", forward = op, backward = backward, args = given, variable = c(absent, incoming), numbers = as.numeric(ends),
      widths = as.numeric(c(info$result$dim, dim_of(info, absent))))
}

setMethod("operator_dim", "CallOperator", function(A) A@numbers * A@widths)

# Columns one by one, as the argument has as many components as the formula needs.
setMethod("operator_times", "CallOperator", function(A, b) {
  out <- lapply(seq_len(ncol(b)), function(k) {
    args <- c(A@args, A@extra)
    args[[A@variable[1L]]] <- matrix(b[, k], A@numbers[2L], A@widths[2L])
    c(do.call(A@forward, args))
  })
  matrix(unlist(out), operator_dim(A)[1L], ncol(b))
})

# The gradient by a linear argument, as a function of the incoming gradient, is the transposed
# product; the value of the linear argument itself does not matter.
setMethod("operator_transpose", "CallOperator", function(A) {
  extra <- if (!length(A@extra)) structure(list(matrix(0, A@numbers[2L], A@widths[2L])), names = A@variable[1L])
  new("CallOperator", forward = A@backward, backward = A@forward, args = A@args, extra = as.list(extra),
      variable = rev(A@variable), numbers = rev(A@numbers), widths = rev(A@widths))
})

# From products with unit vectors.
setMethod("operator_entries", "CallOperator", function(A, i, j) {
  columns <- unique(j)
  units <- matrix(0, operator_dim(A)[2L], length(columns))
  units[cbind(columns, seq_along(columns))] <- 1
  operator_times(A, units)[cbind(i, match(j, columns))]
})
