# Operators as matrices: whatever can be multiplied by a vector.
#
# A kernel operator is plain data.  Three functions say what it is: its shape, its product with a
# matrix, and its transpose; a fourth gives single entries.  R's matrix functions are made from
# these for all of them.  Scalar lazy tensors are kernel operators; sums, diagonals, blocks, dense
# matrices and calls of ordinary operators are others.

setClass("KernelOperator", representation("VIRTUAL"))

#' Kernel matrices
#'
#' A lazy tensor with one component is an M x N matrix to everything that expects a matrix: products
#' are computed in one pass, and the matrix is never stored. Sums of kernel matrices, diagonals and
#' blocks are kernel matrices, too.
#'
#' @details
#' \describe{
#'   \item{`K %*% b`, `a %*% K`, `crossprod(K, a)`, `tcrossprod(K, b)`}{products with vectors and
#'     matrices, or with a tensor of j, as `Vj(b)`. A product of two kernel matrices is refused;
#'     `K %*% (L %*% b)` is what it is needed for.}
#'   \item{`t(K)`, `dim(K)`, `nrow`, `ncol`, `diag(K)`, `K[i, j]`}{entries are computed when they
#'     are asked for}
#'   \item{`as.matrix(K)`, `as.array(x)`}{all entries, refused above `limit` entries;
#'     `as.array()` for tensors with several components. `as.matrix()` of a condition is logical.}
#'   \item{`rowSums`, `colSums`, `rowMeans`, `colMeans`}{vectors}
#'   \item{`K + 0.1 * identity_matrix(n)`, `K + diagonal_matrix(v)`}{shifts; a `Diagonal()` of the
#'     package Matrix does the same}
#'   \item{`K1 + K2`, `2 * K`, `-K`}{sums and multiples. For lazy tensors all operators act entry by
#'     entry, so that `K + 1` adds 1 to every entry, and `K1 * K2` multiplies entries.}
#'   \item{`rbind(K1, K2)`, `cbind(K1, K2)`}{block matrices, whose blocks may be ordinary matrices;
#'     vectors are rows in `rbind()` and columns in `cbind()`, as in R}
#'   \item{`as.function(K)`}{the function `function(x, args)` of the product, as
#'     `RSpectra::eigs_sym(as.function(K), k, n = nrow(K))` takes it}
#' }
#'
#' @param x A kernel matrix.
#' @param limit The largest number of entries that are computed.
#' @param ... Unused.
#' @param n The number of rows and columns.
#' @param v The entries of the diagonal.
#' @name LazyTensor-matrix
#' @aliases KernelOperator-class BlockOperator-class CallOperator-class DenseOperator-class
#'   DiagonalOperator-class SumOperator-class -,diagonalMatrix,KernelOperator-method
#'   -,KernelOperator,diagonalMatrix-method [,KernelOperator-method %*%,ANY,KernelOperator-method
#'   %*%,KernelOperator,ANY-method %*%,KernelOperator,KernelOperator-method
#'   %*%,KernelOperator,Matrix-method %*%,Matrix,KernelOperator-method
#'   +,diagonalMatrix,KernelOperator-method +,KernelOperator,diagonalMatrix-method
#'   colMeans,KernelOperator-method colSums,KernelOperator-method
#'   crossprod,ANY,KernelOperator-method crossprod,KernelOperator,ANY-method
#'   crossprod,KernelOperator,KernelOperator-method crossprod,KernelOperator,Matrix-method
#'   crossprod,KernelOperator,missing-method crossprod,Matrix,KernelOperator-method
#'   diag,KernelOperator-method dim,KernelOperator-method dim,LazyTensor-method
#'   Math,KernelOperator-method Summary,KernelOperator-method
#'   dimnames,LazyTensor-method length,KernelOperator-method rowMeans,KernelOperator-method
#'   rowSums,KernelOperator-method show,KernelOperator-method show,LazyTensor-method
#'   tcrossprod,ANY,KernelOperator-method tcrossprod,KernelOperator,ANY-method
#'   tcrossprod,KernelOperator,KernelOperator-method tcrossprod,KernelOperator,Matrix-method
#'   tcrossprod,KernelOperator,missing-method tcrossprod,Matrix,KernelOperator-method
#' @seealso [kernel_matrix()] makes such a matrix of an ordinary operator.
#' @examples
#' x <- matrix(rnorm(60), 20, 3)
#' K <- exp(-sqdist(Vi(x), Vj(x)) / 2)
#' K[1:2, 1:3]
#' A <- K + 0.1 * identity_matrix(20)
#' b <- rnorm(20)
#' max(abs(A %*% b - (as.matrix(K) %*% b + 0.1 * b)))
#'
#' # interpolation with a constant: a saddle point system
#' S <- rbind(cbind(K, rep(1, 20)), cbind(t(rep(1, 20)), 0))
#' dim(S)
#' f <- as.function(A)
#' length(f(b, NULL))
NULL

# ---- what a kernel operator is -------------------------------------------------------------------

setGeneric("operator_dim", function(A) standardGeneric("operator_dim"))
# A times the matrix b, whose rows fit.
setGeneric("operator_times", function(A, b) standardGeneric("operator_times"))
setGeneric("operator_transpose", function(A) standardGeneric("operator_transpose"))
# The entries (i[1], j[1]), (i[2], j[2]) ...
setGeneric("operator_entries", function(A, i, j) standardGeneric("operator_entries"))

# ---- R's functions of matrices -------------------------------------------------------------------

setMethod("dim", "KernelOperator", function(x) operator_dim(x))

setMethod("length", "KernelOperator", function(x) prod(dim(x)))

# The names of rows and columns, of the whole or of a part.
operator_names <- function(x, i = TRUE, j = TRUE) {
  names <- dimnames(x)
  if (is.null(names)) return(NULL)
  list(names[[1L]][i], names[[2L]][j])
}

setMethod("Math", "KernelOperator", function(x) refuse_entries(.Generic))
setMethod("Summary", "KernelOperator", function(x, ..., na.rm = FALSE) {
  if (.Generic == "sum" && ...length() == 0L && !na.rm) sum(rowSums(x)) else refuse_entries(.Generic)
})

refuse_entries <- function(what) {
  stop_genred("argument", "`", what, "` of a sum or block of kernel matrices would need all entries; it is defined for lazy tensors")
}

#' @rdname LazyTensor-matrix
#' @export
t.KernelOperator <- function(x) operator_transpose(x)

# What an operator is multiplied with, as a matrix.
right_side <- function(A, b, what) {
  if (is(b, "KernelOperator")) {
    stop_genred("argument", "a product of two kernel matrices is not a kernel matrix; A %*% (B %*% b) multiplies with both",
                if (is_lazy(A) && is_lazy(b)) ", and `x | y` is the scalar product of two tensors")
  }
  if (isS4(b) && is(b, "Matrix")) b <- as.matrix(b)
  on_gpu <- inherits(b, "genred_array") && is_lazy(A)
  if (is.data.frame(b) || inherits(b, "genred_array") && !on_gpu) b <- as.matrix(b)
  valid <- (is.numeric(b) || is.logical(b) || is.complex(b) || on_gpu) && length(dim(b)) <= 2L
  if (!valid) stop_genred("argument", "`", what, "` multiplies a kernel matrix with a vector or matrix of numbers; ", given_value(b))
  if (length(dim(b)) < 2L) b <- matrix(b, ncol = 1L)
  size <- operator_dim(A)
  if (nrow(b) != size[2L]) {
    stop_genred("argument", "`", what, "`: the kernel matrix (", size[1L], " x ", size[2L], ") and the other side (",
                nrow(b), " x ", ncol(b), ") do not fit together")
  }
  b
}

operator_product <- function(A, b, what = "%*%") {
  if (is_lazy(A) && is_lazy(b) && is.na(b@rows)) { # rows b_j of a tensor of j, as RKeOps has it
    check_scalar(A)
    return(lazy_reduce(A * b, "Sum", "j"))
  }
  b <- right_side(A, b, what)
  out <- if (ncol(b)) operator_times(A, b) else matrix(0, operator_dim(A)[1L], 0L)
  names <- list(rownames(out), colnames(b))
  dimnames(out) <- if (!is.null(names[[1L]]) || !is.null(names[[2L]])) names
  out
}

# a %*% K; a vector is a row, as R has it.
left_product <- function(a, A, what = "%*%") {
  if (is.null(dim(a))) a <- matrix(a, nrow = 1L)
  t(operator_product(operator_transpose(A), if (is(a, "KernelOperator")) a else t(a), what))
}

setMethod("%*%", signature("KernelOperator", "ANY"), function(x, y) operator_product(x, y))
setMethod("%*%", signature("ANY", "KernelOperator"), function(x, y) left_product(x, y))
setMethod("%*%", signature("KernelOperator", "KernelOperator"), function(x, y) operator_product(x, y))

setMethod("crossprod", signature("KernelOperator", "ANY"), function(x, y = NULL) operator_product(t(x), y, "crossprod"))
setMethod("crossprod", signature("KernelOperator", "missing"), function(x, y = NULL) operator_product(t(x), x, "crossprod"))
setMethod("crossprod", signature("KernelOperator", "KernelOperator"), function(x, y = NULL) operator_product(t(x), y, "crossprod"))
setMethod("crossprod", signature("ANY", "KernelOperator"), function(x, y = NULL) {
  left_product(if (is.null(dim(x))) x else t(x), y, "crossprod")
})

setMethod("tcrossprod", signature("KernelOperator", "ANY"), function(x, y = NULL) operator_product(x, turned(y), "tcrossprod"))
setMethod("tcrossprod", signature("KernelOperator", "missing"), function(x, y = NULL) operator_product(x, x, "tcrossprod"))
setMethod("tcrossprod", signature("KernelOperator", "KernelOperator"), function(x, y = NULL) operator_product(x, y, "tcrossprod"))
setMethod("tcrossprod", signature("ANY", "KernelOperator"), function(x, y = NULL) left_product(x, t(y), "tcrossprod"))

turned <- function(y) if (is.null(dim(y))) matrix(y, nrow = 1L) else t(y)

# Without these, the package Matrix, which has methods for anything times its matrices, would ask
# for all entries.  Its classes need not exist here.
suppressMessages({
  setMethod("%*%", signature("KernelOperator", "Matrix"), function(x, y) operator_product(x, y))
  setMethod("%*%", signature("Matrix", "KernelOperator"), function(x, y) left_product(as.matrix(x), y))
  setMethod("crossprod", signature("KernelOperator", "Matrix"), function(x, y = NULL) operator_product(t(x), y, "crossprod"))
  setMethod("crossprod", signature("Matrix", "KernelOperator"), function(x, y = NULL) left_product(t(as.matrix(x)), y, "crossprod"))
  setMethod("tcrossprod", signature("KernelOperator", "Matrix"), function(x, y = NULL) operator_product(x, t(as.matrix(y)), "tcrossprod"))
  setMethod("tcrossprod", signature("Matrix", "KernelOperator"), function(x, y = NULL) left_product(as.matrix(x), t(y), "tcrossprod"))
})

setMethod("diag", "KernelOperator", function(x, nrow, ncol, names = TRUE) {
  k <- seq_len(min(operator_dim(x)))
  operator_entries(x, k, k)
})

sums_of_rows <- function(x, na.rm, dims, means) {
  if (!identical(as.numeric(dims), 1)) stop_genred("argument", "`dims` must be 1 for a kernel matrix; ", given_value(dims))
  if (na.rm && !is_lazy(x)) stop_genred("argument", "`na.rm = TRUE` is for lazy tensors")
  n <- operator_dim(x)[2L]
  out <- if (is_lazy(x)) lazy_reduce(if (na.rm) without_nan(x, "sum") else x, "Sum", "j")
         else operator_times(x, matrix(1, n, 1L))
  count <- if (!means) 1 else if (na.rm) sum(x == x, "j")[, 1L] else n
  out[, 1L] / count
}

setMethod("rowSums", "KernelOperator", function(x, na.rm = FALSE, dims = 1L) sums_of_rows(x, na.rm, dims, FALSE))
setMethod("rowMeans", "KernelOperator", function(x, na.rm = FALSE, dims = 1L) sums_of_rows(x, na.rm, dims, TRUE))
setMethod("colSums", "KernelOperator", function(x, na.rm = FALSE, dims = 1L) sums_of_rows(t(x), na.rm, dims, FALSE))
setMethod("colMeans", "KernelOperator", function(x, na.rm = FALSE, dims = 1L) sums_of_rows(t(x), na.rm, dims, TRUE))

# ---- entries -------------------------------------------------------------------------------------

check_limit <- function(count, size, limit, what) {
  if (count > limit) {
    stop_genred("memory", what, " would have ", paste(format(size, trim = TRUE, scientific = FALSE), collapse = " x "),
                " entries, which take ", bytes_text(8 * count), "; `limit = Inf` in as.matrix() allows it")
  }
}

dense_limit <- 2^27

# All pairs of these rows and columns, as pairs.
dense_block <- function(x, i, j) {
  check_limit(as.numeric(length(i)) * length(j), c(length(i), length(j)), dense_limit, "this part of the matrix")
  if (is_lazy(x)) return(lazy_block(x, i, j))
  matrix(operator_entries(x, rep(i, length(j)), rep(j, each = length(i))), length(i), length(j))
}

#' @rdname LazyTensor-matrix
#' @export
as.matrix.KernelOperator <- function(x, limit = 2^27, ...) {
  size <- operator_dim(x)
  check_limit(prod(size), size, limit, "the matrix")
  columns <- if (is_lazy(x)) size[2L] else max(1, floor(entries_at_once / max(1, size[1L])))
  starts <- if (size[2L]) seq(1, size[2L], by = columns) else integer()
  blocks <- lapply(starts, function(from) dense_block(x, seq_len(size[1L]), from:min(size[2L], from + columns - 1)))
  out <- if (length(blocks)) do.call(cbind, blocks) else matrix(0, size[1L], 0L)
  dimnames(out) <- operator_names(x)
  if (is_lazy(x) && x@type == "condition") storage.mode(out) <- "logical"
  out
}

#' @rdname LazyTensor-matrix
#' @export
as.array.KernelOperator <- function(x, limit = 2^27, ...) {
  if (!is_lazy(x) || x@size == 1 || length(x@batch)) return(as.matrix(x, limit))
  size <- dim(x)
  check_limit(prod(size), size, limit, "the array")
  lazy_block(x, seq_len(size[1L]), seq_len(size[2L]))
}

# Positions that an index of R selects among n.
selected <- function(index, n, absent, names) {
  if (absent) return(seq_len(n))
  positions <- tryCatch(if (is.character(index)) match(index, names) else seq_len(n)[index], error = function(e) NA)
  if (anyNA(positions)) stop_genred("argument", "subscript out of bounds: there are ", n, " positions; ", given_value(index))
  positions
}

setMethod("[", "KernelOperator", function(x, i, j, ..., drop = TRUE) {
  subscripts <- nargs() - 1L - (!missing(drop))
  if (subscripts == 1L && is_lazy(x)) return(if (missing(i)) x else lazy_components(x, i))
  if (subscripts != 2L) stop_genred("argument", "entries of a kernel matrix are selected by K[i, j]; ", counted(subscripts, "subscript"),
                                    " given")
  size <- operator_dim(x)
  names <- dimnames(x)
  rows <- selected(if (!missing(i)) i, size[1L], missing(i), names[[1L]])
  columns <- selected(if (!missing(j)) j, size[2L], missing(j), names[[2L]])
  out <- dense_block(x, rows, columns)
  dimnames(out) <- operator_names(x, rows, columns)
  if (drop) drop(out) else out
})

#' @export
as.function.KernelOperator <- function(x, ...) {
  operator <- x
  function(x, args = NULL) as.vector(operator_product(operator, x))
}

setMethod("show", "KernelOperator", function(object) {
  cat("<", class(object), "> ", paste(operator_dim(object), collapse = " x "), "\n", sep = "")
  parts <- operator_parts(object)
  if (length(parts)) cat(paste0("  ", parts), sep = "\n")
})

# One line for each part.
operator_parts <- function(A) {
  if (!.hasSlot(A, "parts")) return(NULL)
  weights <- if (is(A, "SumOperator")) paste0(format(A@weights, digits = 4L), " * ") else rep("", length(A@parts))
  text <- vapply(A@parts, function(part) if (is_lazy(part)) abbreviated(format(part), 60L) else as.character(class(part)), "")
  paste0(weights, text, " (", vapply(A@parts, function(part) paste(operator_dim(part), collapse = " x "), ""), ")")
}

