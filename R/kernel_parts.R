# Kernel operators that are made of others: diagonals, dense matrices, sums and blocks.

setClass("DiagonalOperator", contains = "KernelOperator", representation(values = "numeric"))
setClass("DenseOperator", contains = "KernelOperator", representation(values = "matrix"))
setClass("SumOperator", contains = "KernelOperator", representation(parts = "list", weights = "numeric"))
# margin 1: parts below one another, as rbind; 2: side by side.
setClass("BlockOperator", contains = "KernelOperator", representation(parts = "list", margin = "numeric"))

setMethod("operator_dim", "DiagonalOperator", function(A) rep(length(A@values), 2L))
setMethod("operator_times", "DiagonalOperator", function(A, b) A@values * b)
setMethod("operator_transpose", "DiagonalOperator", function(A) A)
setMethod("operator_entries", "DiagonalOperator", function(A, i, j) ifelse(i == j, A@values[i], 0))

setMethod("operator_dim", "DenseOperator", function(A) dim(A@values))
setMethod("operator_times", "DenseOperator", function(A, b) A@values %*% b)
setMethod("operator_transpose", "DenseOperator", function(A) new("DenseOperator", values = t(A@values)))
setMethod("operator_entries", "DenseOperator", function(A, i, j) A@values[cbind(i, j)])

setMethod("operator_dim", "SumOperator", function(A) operator_dim(A@parts[[1L]]))
setMethod("operator_times", "SumOperator", function(A, b) weighted_total(A, lapply(A@parts, operator_times, b)))
setMethod("operator_transpose", "SumOperator", function(A) {
  new("SumOperator", parts = lapply(A@parts, operator_transpose), weights = A@weights)
})
setMethod("operator_entries", "SumOperator", function(A, i, j) weighted_total(A, lapply(A@parts, operator_entries, i, j)))

weighted_total <- function(A, values) Reduce(`+`, Map(`*`, A@weights, values))

# Along its margin the sizes of a block operator's parts add up.
part_sizes <- function(A) vapply(A@parts, function(part) operator_dim(part)[A@margin], 0)

setMethod("operator_dim", "BlockOperator", function(A) {
  size <- operator_dim(A@parts[[1L]])
  size[A@margin] <- sum(part_sizes(A))
  size
})
setMethod("operator_times", "BlockOperator", function(A, b) {
  if (A@margin == 1) return(do.call(rbind, lapply(A@parts, operator_times, b)))
  ends <- cumsum(part_sizes(A))
  starts <- c(0, ends)[seq_along(ends)]
  rows <- Map(function(from, to) b[seq_len(to - from) + from, , drop = FALSE], starts, ends)
  Reduce(`+`, Map(operator_times, A@parts, rows))
})
setMethod("operator_transpose", "BlockOperator", function(A) {
  new("BlockOperator", parts = lapply(A@parts, operator_transpose), margin = 3 - A@margin)
})
setMethod("operator_entries", "BlockOperator", function(A, i, j) {
  at <- list(i, j)
  ends <- cumsum(part_sizes(A))
  part <- findInterval(at[[A@margin]] - 1, ends) + 1L
  at[[A@margin]] <- at[[A@margin]] - c(0, ends)[part]
  out <- numeric(length(i))
  for (k in unique(part)) out[part == k] <- operator_entries(A@parts[[k]], at[[1L]][part == k], at[[2L]][part == k])
  out
})

# ---- sums, multiples, blocks ---------------------------------------------------------------------

#' @rdname LazyTensor-matrix
#' @export
identity_matrix <- function(n) {
  if (!is_whole(n) || length(n) != 1L || n < 0) stop_genred("argument", "`n` must be the number of rows; ", given_value(n))
  new("DiagonalOperator", values = rep(1, n))
}

#' @rdname LazyTensor-matrix
#' @export
diagonal_matrix <- function(v) {
  if (!is.numeric(v) || is.object(v)) stop_genred("argument", "`v` must be the entries of the diagonal; ", given_value(v))
  new("DiagonalOperator", values = as.numeric(v))
}

as_operator <- function(x) {
  if (is(x, "KernelOperator")) return(x)
  if (inherits(x, "diagonalMatrix")) return(diagonal_matrix(as.numeric(Matrix::diag(x))))
  if (isS4(x) && is(x, "Matrix")) x <- as.matrix(x)
  if (is.matrix(x) && is.numeric(x)) return(new("DenseOperator", values = unname(x)))
  stop_genred("argument", "this must be a kernel matrix or a matrix of numbers; ", given_value(x))
}

# Sums of sums are flat.
terms_of <- function(A, factor = 1) {
  if (is(A, "SumOperator")) list(parts = A@parts, weights = factor * A@weights) else list(parts = list(A), weights = factor)
}

scaled_operator <- function(A, factor) {
  if (is(A, "DiagonalOperator")) return(new("DiagonalOperator", values = factor * A@values))
  terms <- terms_of(A, factor)
  new("SumOperator", parts = terms$parts, weights = terms$weights)
}

operator_arithmetic <- function(op, A, B) {
  if (!op %in% c("+", "-")) {
    stop_genred("argument", "kernel matrices are added and subtracted, and multiplied with numbers; `", op, "` of two of them ",
                "is for lazy tensors, entry by entry")
  }
  size <- list(operator_dim(A), operator_dim(B))
  if (!identical(as.numeric(size[[1L]]), as.numeric(size[[2L]]))) {
    stop_genred("argument", "`", op, "`: kernel matrices of ", paste(size[[1L]], collapse = " x "), " and ",
                paste(size[[2L]], collapse = " x "), " do not fit together")
  }
  a <- terms_of(A)
  b <- terms_of(B, if (op == "+") 1 else -1)
  new("SumOperator", parts = c(a$parts, b$parts), weights = c(a$weights, b$weights))
}

is_number <- function(x) is.numeric(x) && !is.object(x) && length(x) == 1L

# A kernel operator that is not a tensor, with a number or a matrix.
operator_with_other <- function(op, e1, e2) {
  if (op == "*" && is_number(e1)) return(scaled_operator(e2, e1))
  if (op == "*" && is_number(e2)) return(scaled_operator(e1, e2))
  if (op == "/" && is_number(e2)) return(scaled_operator(e1, 1 / e2))
  if (is_number(e1) || is_number(e2)) {
    stop_genred("argument", "`", op, "` of a kernel matrix and a number is not defined; a multiple of identity_matrix(n) shifts ",
                "the diagonal")
  }
  operator_arithmetic(op, as_operator(e1), as_operator(e2))
}

setMethod("Ops", signature("KernelOperator", "KernelOperator"), function(e1, e2) operator_arithmetic(.Generic, e1, e2))
setMethod("Ops", signature("KernelOperator", "ANY"), function(e1, e2) operator_with_other(.Generic, e1, e2))
setMethod("Ops", signature("ANY", "KernelOperator"), function(e1, e2) operator_with_other(.Generic, e1, e2))
setMethod("Ops", signature("KernelOperator", "missing"), function(e1, e2) if (.Generic == "-") scaled_operator(e1, -1) else e1)

# Diagonal matrices of the package Matrix are operators.  Methods for single functions, and for its
# class, come before those that Matrix itself has for its diagonal matrices and anything.
suppressMessages({
  setMethod("+", signature("KernelOperator", "diagonalMatrix"), function(e1, e2) operator_with_other("+", e1, e2))
  setMethod("+", signature("diagonalMatrix", "KernelOperator"), function(e1, e2) operator_with_other("+", e1, e2))
  setMethod("-", signature("KernelOperator", "diagonalMatrix"), function(e1, e2) operator_with_other("-", e1, e2))
  setMethod("-", signature("diagonalMatrix", "KernelOperator"), function(e1, e2) operator_with_other("-", e1, e2))
})

#' @export
rbind.KernelOperator <- function(..., deparse.level = 1) bound(list(...), 1)

#' @export
cbind.KernelOperator <- function(..., deparse.level = 1) bound(list(...), 2)

# Ordinary vectors are rows of rbind() and columns of cbind().
bound <- function(parts, margin) {
  sizes <- lapply(parts, function(part) if (is(part, "KernelOperator")) operator_dim(part) else dim(part))
  others <- unlist(lapply(sizes, function(size) if (!is.null(size)) size[3L - margin]))
  across <- others[1L]
  if (is.na(across) || any(others != across)) {
    stop_genred("argument", c("rbind", "cbind")[margin], "(): the blocks have ", paste(unique(others), collapse = " and "),
                c(" columns", " rows")[margin])
  }
  parts <- lapply(parts, function(part) as_operator(if (is.null(dim(part))) band_of(part, across, margin) else part))
  new("BlockOperator", parts = parts, margin = margin)
}

band_of <- function(x, across, margin) {
  if (!is.numeric(x) || !length(x) %in% c(1L, across)) {
    stop_genred("argument", c("rbind", "cbind")[margin], "(): a vector must have ", across, " entries here; ", given_value(x))
  }
  x <- rep(as.numeric(x), length.out = across)
  if (margin == 1) matrix(x, nrow = 1L) else matrix(x, ncol = 1L)
}
