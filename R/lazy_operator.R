# The operator of a lazy tensor, made by Genred() from its expression.

#' The operator of a lazy tensor
#'
#' `as_genred()` makes the operator that reduces a lazy tensor, as [Genred()] would: a function of
#' the data in the tensor. `formula()` returns its formula, in which numbers and vectors are
#' parameters.
#'
#' The arguments of the operator have the names of the variables that were given to [Vi()], [Vj()]
#' and [Pm()], or `x`, `y` and `p`, made unique; they are in the order of the expression.
#' `attr(op, "data")`, set with `data = TRUE`, is the list of the tensor's own data, for
#' `do.call()`.
#'
#' @param x A lazy tensor.
#' @param reduction_op One of the reductions of [Genred()].
#' @param over The index that is reduced: `"j"`, `"i"` or `"ij"`.
#' @param k The number of values, for `"KMin"` and its relatives.
#' @param weight The weight, for reductions that have one: a lazy tensor, or a vector or matrix with
#'   one row per value of the reduced index.
#' @param dtype The precision, `"float32"` or `"float64"`; by default that of the tensor.
#' @param data `TRUE` attaches the data.
#' @return An operator of class `"Genred"`.
#' @seealso [LazyTensor()], [Genred()], [genred_grad()]
#' @export
#' @examples
#' x <- matrix(rnorm(60), 20, 3)
#' y <- matrix(rnorm(90), 30, 3)
#' K <- exp(-sqdist(Vi(x), Vj(y)) / 2)
#' formula(K)
#' op <- as_genred(K)
#' op
#' identical(op(x, y, 2), sum(K, "j"))
#' genred_grad(op, "x")
as_genred <- function(x, reduction_op = "Sum", over = "j", k = NULL, weight = NULL, dtype = NULL, data = FALSE) {
  check_lazy(x, "as_genred")
  if (!is.null(dtype)) attr(x, "dtype") <- read_lazy_dtype(dtype)
  made <- lazy_operator(x, read_string(reduction_op, "reduction_op", NULL), read_over(over), k, weight)
  if (read_flag(data, "data", NULL)) attr(made$op, "data") <- made$data
  made$op
}

check_lazy <- function(x, what) {
  if (!is_lazy(x)) {
    stop_genred("argument", what, "() needs a lazy tensor; ", given_value(x), "\n  Vi(x), Vj(x) and Pm(x) make one of data")
  }
}

# The operator and its arguments.
lazy_operator <- function(x, reduction, over, k = NULL, weight = NULL) {
  tensors <- c(list(x), if (!is.null(weight)) list(weight_tensor(weight, over)))
  parts <- joined_tensors(tensors)
  names <- leaf_names(parts$leaves)
  texts <- vapply(parts$texts, with_leaves, "", written_leaves(parts$leaves, names), USE.NAMES = FALSE)
  given <- vapply(parts$leaves, function(leaf) !is.null(kind_of(leaf)$category), NA)
  op <- new_operator(list(
    formula = texts[1L], aliases = leaf_aliases(parts$leaves[given], names[given]), reduction_op = reduction, axis = over,
    dtype = if (nzchar(parts$dtype)) parts$dtype, opt_arg = k, formula2 = if (length(texts) > 1L) texts[2L],
    dtype_acc = "auto", use_double_acc = FALSE, sum_scheme = "auto", use_fast_math = NULL
  ), NULL)
  list(op = op, data = structure(lapply(parts$leaves[given], `[[`, "value"), names = names[given]))
}

written_leaves <- function(leaves, names) {
  vapply(seq_along(leaves), function(k) kind_of(leaves[[k]])$text(names[k]), "")
}

leaf_aliases <- function(leaves, names) {
  if (!length(leaves)) return(character())
  paste0(names, " = ", vapply(leaves, function(leaf) kind_of(leaf)$category, ""), "(", vapply(leaves, `[[`, 0, "dim"), ")")
}

# Of a name that occurs with several kinds, the kind is part: x_i and x_j.
leaf_names <- function(leaves) {
  names <- vapply(leaves, `[[`, "", "name")
  kinds <- vapply(leaves, `[[`, "", "kind")
  shared <- names %in% names[kinds == "Vi"] & names %in% names[kinds == "Vj"] & kinds != "Pm"
  names[shared] <- paste0(names[shared], "_", substring(kinds[shared], 2L))
  make.unique(names, sep = "_")
}

weight_tensor <- function(weight, over) {
  if (is_lazy(weight)) return(weight)
  if (over == "ij") stop_genred("argument", "a weight for both indices must be a lazy tensor; ", given_value(weight))
  leaf_tensor(c(i = "Vi", j = "Vj")[[over]], weight, "w", NULL)
}

#' @rdname as_genred
#' @param ... Unused.
#' @export
formula.LazyTensor <- function(x, ...) formula(as_genred(x))
