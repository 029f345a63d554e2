# The functions of the formula language that R has no name for, as functions of lazy tensors.

#' Functions of lazy tensors
#'
#' Functions of the formula language ([genred_operations()]) for lazy tensors. Where R has a
#' function, it works on tensors under R's name: arithmetic, comparisons, `& | !`, `%%`, `%/%`, `^`,
#' and
#'
#' \tabular{ll}{
#'   exponentials \tab `exp expm1 log log2 log10 log1p sqrt` \cr
#'   trigonometry \tab `sin cos tan asin acos atan atan2 sinpi cospi tanpi` \cr
#'   hyperbolic functions \tab `sinh cosh tanh asinh acosh atanh` \cr
#'   rounding \tab `abs sign floor ceiling trunc round` \cr
#'   gamma function \tab `lgamma digamma trigamma` \cr
#'   distributions \tab `dnorm pnorm plogis` \cr
#'   choice \tab `ifelse(test, yes, no)` \cr
#'   complex numbers \tab `Re Im Mod Arg Conj`
#' }
#'
#' `minimum()` and `maximum()` do what `pmin()` and `pmax()` do for vectors.
#'
#' @details
#' \describe{
#'   \item{`sqdist(x, y)`, `sqnorm2(x)`, `norm2(x)`}{squared Euclidean distance, squared norm, norm}
#'   \item{`normalize(x)`}{`x` divided by its norm; 0 at 0}
#'   \item{`weightedsqnorm(x, s)`, `weightedsqdist(x, y, s)`}{\eqn{\sum_k s_k x_k^2}{sum_k s_k
#'     x_k^2}, or \eqn{s |x|^2} for one component of `s`, or \eqn{x' S x} for d d components (the
#'     matrix S, row by row); the same of `x - y`}
#'   \item{`square(x)`, `inv(x)`, `rsqrt(x)`}{\eqn{x^2}, \eqn{1 / x}, \eqn{1 / \sqrt x}{1 / sqrt(x)}
#'     and 0 at 0}
#'   \item{`xlogx(x)`, `sinxdivx(x)`}{\eqn{x \log x}{x log x} and 0 at 0; \eqn{\sin(x) / x}{sin(x) /
#'     x} and 1 at 0}
#'   \item{`relu(x)`, `sigmoid(x)`, `softplus(x)`}{\eqn{\max(x, 0)}{max(x, 0)}, \eqn{1 / (1 +
#'     e^{-x})}{1 / (1 + exp(-x))}, \eqn{\log(1 + e^x)}{log(1 + exp(x))}}
#'   \item{`erf(x)`, `erfc(x)`, `hypot(x, y)`}{the error function, its complement,
#'     \eqn{\sqrt{x^2 + y^2}}{sqrt(x^2 + y^2)}}
#'   \item{`clamp(x, lower, upper)`}{`x` limited to the interval}
#'   \item{`mod(x, y, offset)`}{`x` modulo `y`, between the offset and the offset plus `y`; `x %% y`
#'     if it is 0}
#'   \item{`minimum(x, y)`, `maximum(x, y)`}{the smaller, the larger of two, component by
#'     component}
#'   \item{`concat(...)`}{all components, one tensor after the other}
#'   \item{`one_hot(x, d)`}{d components, 1 at the position `x` (from 1), else 0}
#'   \item{`matvecmult(A, x)`, `vecmatmult(x, A)`}{products of a matrix, stored row by row, and a
#'     vector}
#'   \item{`tensorprod(x, y)`}{all products \eqn{x_k y_l}, row by row}
#'   \item{`kron(x, y, dims_x, dims_y)`}{Kronecker product of tensors of these shapes}
#'   \item{`tensordot(x, y, dims_x, dims_y, axes_x, axes_y)`}{contraction of tensors of these shapes
#'     along these axes, which count from 1}
#'   \item{`bspline(knots, x, degree)`}{the B-splines on the knots at the scalar `x`}
#'   \item{`soft_dtw(x, y, gamma)`}{soft dynamic time warping of two series}
#'   \item{`exp1j(x)`, `real2complex(x)`, `imag2complex(x)`}{\eqn{e^{ix}}{exp(i x)}, x as a complex
#'     number, i x}
#'   \item{`gradient_by(x, by, e)`}{the gradient of x by a tensor of data, for the incoming gradient
#'     `e`}
#'   \item{`gradient_matrix(x, by)`, `laplacian(x, by)`, `divergence(x, by)`}{the matrix of
#'     derivatives (row by row), the Laplacian, the divergence}
#' }
#'
#' @param x,y,A,s,e Lazy tensors; numbers and vectors of numbers are parameters.
#' @param by A tensor of data, as [Vi()], [Vj()] and [Pm()] make it, that occurs in `x`.
#' @param lower,upper,offset,gamma,knots Numbers, vectors or tensors.
#' @param ... Lazy tensors.
#' @param d,degree Whole numbers.
#' @param dims_x,dims_y,axes_x,axes_y Vectors of whole numbers.
#' @return A lazy tensor.
#' @seealso [LazyTensor()], [lazy_reductions]
#' @name lazy_functions
#' @aliases !,LazyTensor-method atan2,ANY,LazyTensor-method atan2,LazyTensor,ANY-method
#'   atan2,LazyTensor,LazyTensor-method Complex,LazyTensor-method dnorm,LazyTensor-method
#'   ifelse,LazyTensor-method is.na,LazyTensor-method log,LazyTensor-method Math,LazyTensor-method
#'   Ops,ANY,KernelOperator-method Ops,ANY,LazyTensor-method Ops,KernelOperator,ANY-method
#'   Ops,KernelOperator,KernelOperator-method Ops,KernelOperator,LazyTensor-method
#'   Ops,KernelOperator,missing-method Ops,LazyTensor,ANY-method
#'   Ops,LazyTensor,KernelOperator-method Ops,LazyTensor,LazyTensor-method
#'   Ops,LazyTensor,missing-method plogis,LazyTensor-method pnorm,LazyTensor-method
#'   round,LazyTensor-method signif,LazyTensor-method trunc,LazyTensor-method
#' @examples
#' x <- Vi(matrix(rnorm(60), 20, 3))
#' y <- Vj(matrix(rnorm(90), 30, 3))
#' exp(-norm2(x - y) / 0.5)                        # Laplacian kernel
#' ifelse(sqdist(x, y) < 1, 1 - sqdist(x, y), 0)   # compact support
#' normalize(x) | normalize(y)                     # cosine similarity
#' x[1] * y[2:3]
NULL

#' @rdname lazy_functions
#' @export
sqdist <- function(x, y) operation("sqdist", list(x, y))

#' @rdname lazy_functions
#' @export
sqnorm2 <- function(x) operation("sqnorm2", list(x))

#' @rdname lazy_functions
#' @export
norm2 <- function(x) operation("norm2", list(x))

#' @rdname lazy_functions
#' @export
normalize <- function(x) operation("normalize", list(x))

#' @rdname lazy_functions
#' @export
weightedsqnorm <- function(x, s) operation("weightedsqnorm", list(x, s))

#' @rdname lazy_functions
#' @export
weightedsqdist <- function(x, y, s) operation("weightedsqdist", list(x, y, s))

#' @rdname lazy_functions
#' @export
square <- function(x) operation("square", list(x))

#' @rdname lazy_functions
#' @export
inv <- function(x) operation("inv", list(x))

#' @rdname lazy_functions
#' @export
rsqrt <- function(x) operation("rsqrt", list(x))

#' @rdname lazy_functions
#' @export
xlogx <- function(x) operation("xlogx", list(x))

#' @rdname lazy_functions
#' @export
sinxdivx <- function(x) operation("sinxdivx", list(x))

#' @rdname lazy_functions
#' @export
relu <- function(x) operation("relu", list(x))

#' @rdname lazy_functions
#' @export
sigmoid <- function(x) operation("sigmoid", list(x))

#' @rdname lazy_functions
#' @export
softplus <- function(x) operation("softplus", list(x))

#' @rdname lazy_functions
#' @export
erf <- function(x) operation("erf", list(x))

#' @rdname lazy_functions
#' @export
erfc <- function(x) operation("erfc", list(x))

#' @rdname lazy_functions
#' @export
hypot <- function(x, y) operation("hypot", list(x, y))

#' @rdname lazy_functions
#' @export
clamp <- function(x, lower, upper) operation("clamp", list(x, lower, upper))

#' @rdname lazy_functions
#' @export
mod <- function(x, y, offset = 0) operation("mod", list(x, y, offset))

#' @rdname lazy_functions
#' @export
minimum <- function(x, y) chosen(operand(x, "minimum"), operand(y, "minimum"), `<=`)

#' @rdname lazy_functions
#' @export
maximum <- function(x, y) chosen(operand(x, "maximum"), operand(y, "maximum"), `>=`)

# NaN wherever one of them is NaN, as pmin() and pmax() have it.  That is asked of the parameter, if
# one of them is one.
chosen <- function(x, y, better) {
  if (is.na(y@rows) && is.na(y@columns)) return(lazy_ifelse(better(y, x) | y != y, y, x))
  lazy_ifelse(better(x, y) | x != x, x, y)
}

#' @rdname lazy_functions
#' @export
concat <- function(...) {
  if (...length() == 0L) stop_genred("argument", "concat() needs at least one tensor")
  Reduce(function(x, y) operation("concat", list(x, y)), list(...))
}

#' @rdname lazy_functions
#' @export
one_hot <- function(x, d) operation("one_hot", list(x), read_count(d, "d"))

#' @rdname lazy_functions
#' @export
matvecmult <- function(A, x) operation("matvecmult", list(A, x))

#' @rdname lazy_functions
#' @export
vecmatmult <- function(x, A) operation("vecmatmult", list(x, A))

#' @rdname lazy_functions
#' @export
tensorprod <- function(x, y) operation("tensorprod", list(x, y))

#' @rdname lazy_functions
#' @export
kron <- function(x, y, dims_x, dims_y) {
  operation("kron", list(x, y), read_counts(dims_x, "dims_x"), read_counts(dims_y, "dims_y"))
}

#' @rdname lazy_functions
#' @export
tensordot <- function(x, y, dims_x, dims_y, axes_x, axes_y) {
  numbers <- list(read_counts(dims_x, "dims_x"), read_counts(dims_y, "dims_y"), read_counts(axes_x, "axes_x") - 1,
                  read_counts(axes_y, "axes_y") - 1)
  lists <- vapply(numbers, function(n) paste0("[", paste(n, collapse = ", "), "]"), "")
  form <- paste0("TensorDot(@a, @b, ", paste(lists, collapse = ", "), ")")
  out <- combined(list(operand(x, "tensordot"), operand(y, "tensordot")), form, 7, NA_real_, "number")
  attr(out, "size") <- asked_size(out)
  out
}

#' @rdname lazy_functions
#' @export
bspline <- function(knots, x, degree) operation("bspline", list(knots, x), read_count(degree, "degree", 0))

#' @rdname lazy_functions
#' @export
soft_dtw <- function(x, y, gamma) {
  x <- operand(x, "soft_dtw")
  gamma <- operand(gamma, "soft_dtw")
  y <- operand(y, "soft_dtw")
  combined(list(x, y, gamma), lazy_operations$soft_dtw[1L], 7, 1, "number")
}

#' @rdname lazy_functions
#' @export
exp1j <- function(x) operation("exp1j", list(x))

#' @rdname lazy_functions
#' @export
real2complex <- function(x) operation("real2complex", list(x))

#' @rdname lazy_functions
#' @export
imag2complex <- function(x) operation("imag2complex", list(x))

#' @rdname lazy_functions
#' @export
gradient_by <- function(x, by, e = 1) {
  if (!is_lazy(e) && length(e) == 1L && operand(x, "gradient_by")@size > 1) e <- rep(e, x@size)
  operation("gradient_by", list(x, check_data_tensor(by), e))
}

#' @rdname lazy_functions
#' @export
gradient_matrix <- function(x, by) operation("gradient_matrix", list(x, check_data_tensor(by)))

#' @rdname lazy_functions
#' @export
laplacian <- function(x, by) derivative_by("laplacian", x, by)

#' @rdname lazy_functions
#' @export
divergence <- function(x, by) derivative_by("divergence", x, by)

# A scalar whatever the sizes are; the engine checks them.
derivative_by <- function(name, x, by) {
  out <- combined(list(operand(x, name), check_data_tensor(by)), lazy_operations[[name]][1L], 7, 1, "number")
  asked_size(out)
  out
}

check_data_tensor <- function(by) {
  if (is_lazy(by) && by@text == "{1}") return(by)
  stop_genred("argument", "derivatives are taken by a tensor of data, as Vi(), Vj() and Pm() make it; ",
              if (is_lazy(by)) "an expression was given" else given_value(by))
}

read_count <- function(x, what, least = 1) {
  if (is_whole(x) && length(x) == 1L && x >= least) return(x)
  stop_genred("argument", "`", what, "` must be a whole number, at least ", least, "; ", given_value(x))
}

read_counts <- function(x, what) {
  if (is_whole(x) && all(x >= 1)) return(x)
  stop_genred("argument", "`", what, "` must be whole numbers, at least 1; ", given_value(x))
}
