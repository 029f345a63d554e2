# Lazy tensors: expressions of data that are not computed.
#
# A lazy tensor is plain data: the text of a formula in which {1}, {2} ... stand for its leaves, and
# the leaves, which are the arguments of the operator to come: matrices, vectors and numbers.
# Operations paste texts and join lists of leaves; positions follow from the order in which the
# expression was written, never from data, so that the same expression of other data is the same
# operator.  Nothing is compiled or computed before a reduction asks for numbers (R/lazy_reduce.R).
# The idea is that of the lazy tensors of PyKeOps and RKeOps.

# text, precedence: the formula, and how tightly its outermost operator binds (R/formula.R).
# leaves: see new_leaf().  rows, columns: M and N, NA while nothing depends on i or on j.
# size: the number of components; a complex number counts once.
# type: "number", "condition" (1 or 0, made by comparisons) or "complex" (pairs of components).
# dtype: "float32", "float64", or "" for the default at the time of the computation.
# batch: the sizes of further dimensions, which number independent problems (R/batches.R).
setClass("LazyTensor", contains = "KernelOperator", representation(
  text = "character", precedence = "numeric", leaves = "list", rows = "numeric", columns = "numeric",
  size = "numeric", type = "character", dtype = "character", batch = "numeric"
))

lazy_prototype <- new("LazyTensor")

# Assignments take a quarter of the time of new().
lazy <- function(text, precedence, leaves, rows, columns, size, type, dtype, batch = numeric()) {
  x <- lazy_prototype
  attr(x, "text") <- text
  attr(x, "precedence") <- precedence
  attr(x, "leaves") <- leaves
  attr(x, "rows") <- rows
  attr(x, "columns") <- columns
  attr(x, "size") <- size
  attr(x, "type") <- type
  attr(x, "dtype") <- dtype
  if (length(batch)) attr(x, "batch") <- batch
  x
}

is_lazy <- function(x) inherits(x, "LazyTensor")

# ---- leaves --------------------------------------------------------------------------------------

# What a leaf is, by kind.
#   category  of the argument that it is in the operator; NULL if it is none
#   text      of the formula, with the argument's name
#   shape     M and N, NA where the value does not tell, and the number of components
#   turned    the leaf of the transposed tensor
#   part      the leaf of the tensor of these rows and columns
#   at        the values at the pairs (i[1], j[1]), (i[2], j[2]) ..., one row per pair; NULL where
#             all pairs have the same
leaf_kinds <- list(
  Vi = list(
    category = "Vi",
    text = identity,
    shape = function(value) c(dim(value)[1L], NA, dim(value)[2L]),
    turned = function(leaf) changed(leaf, kind = "Vj"),
    part = function(leaf, i, j) changed(leaf, value = unname(host_value(leaf)[i, , drop = FALSE])),
    at = function(value, i, j) value[i, , drop = FALSE]
  ),
  Vj = list(
    category = "Vj",
    text = identity,
    shape = function(value) c(NA, dim(value)[1:2]),
    turned = function(leaf) changed(leaf, kind = "Vi"),
    part = function(leaf, i, j) changed(leaf, value = unname(host_value(leaf)[j, , drop = FALSE])),
    at = function(value, i, j) value[j, , drop = FALSE]
  ),
  Pm = list(
    category = "Pm",
    text = identity,
    shape = function(value) c(NA, NA, if (length(dim(value)) > 1L) dim(value)[1L] else length(value)),
    turned = identity,
    part = function(leaf, i, j) leaf,
    at = NULL
  ),
  Mij = list(
    category = "Mij",
    text = identity,
    shape = function(value) c(dim(value), 1)[1:3],
    turned = function(leaf) changed(leaf, value = aperm(leaf$value, replace(seq_along(dim(leaf$value)), 1:2, 2:1))),
    part = function(leaf, i, j) {
      value <- leaf$value
      changed(leaf, value = unname(if (length(dim(value)) > 2L) value[i, j, , drop = FALSE] else value[i, j, drop = FALSE]))
    },
    at = function(value, i, j) matrix(value, dim(value)[1L] * dim(value)[2L])[i + dim(value)[1L] * (j - 1), , drop = FALSE]
  ),
  IndexI = list(
    text = function(name) "(IndexI() + 1)",
    turned = function(leaf) changed(leaf, kind = "IndexJ"),
    part = function(leaf, i, j) changed(leaf, kind = "Vi", value = cbind(as.numeric(i))),
    at = function(value, i, j) cbind(as.numeric(i))
  ),
  IndexJ = list(
    text = function(name) "(IndexJ() + 1)",
    turned = function(leaf) changed(leaf, kind = "IndexI"),
    part = function(leaf, i, j) changed(leaf, kind = "Vj", value = cbind(as.numeric(j))),
    at = function(value, i, j) cbind(as.numeric(j))
  ),
  IndexDiff = list(
    text = function(name) "IndexDiff()",
    turned = function(leaf) changed(leaf, kind = "MinusIndexDiff"),
    part = function(leaf, i, j) changed(leaf, kind = "Mij", value = outer(as.numeric(i), as.numeric(j), "-")),
    at = function(value, i, j) cbind(as.numeric(i) - j)
  ),
  MinusIndexDiff = list(
    text = function(name) "(-IndexDiff())",
    turned = function(leaf) changed(leaf, kind = "IndexDiff"),
    part = function(leaf, i, j) changed(leaf, kind = "Mij", value = outer(-as.numeric(i), as.numeric(j), "+")),
    at = function(value, i, j) cbind(j - as.numeric(i))
  ),
  Rand = list(
    category = "Pm",
    text = function(name) paste0("Rand(", name, ")"),
    turned = function(leaf) refuse_rand(),
    part = function(leaf, i, j) refuse_rand(),
    at = function(value, i, j) refuse_rand()
  )
)

refuse_rand <- function() {
  stop_genred("argument", "Rand() depends on the numbers of rows and columns, so that a tensor with random numbers has no ",
              "transpose, parts or single entries; as.matrix() computes the whole")
}

host_value <- function(leaf) if (inherits(leaf$value, "genred_array")) as.matrix(leaf$value) else leaf$value

kind_of <- function(leaf) leaf_kinds[[leaf$kind]]

changed <- function(leaf, ...) {
  new <- list(...)
  leaf[names(new)] <- new
  leaf
}

# Kind and value come first: src/ffi_lazy.c reads them.
new_leaf <- function(kind, value, name, dim) list(kind = kind, value = value, name = name, dim = dim)

#' Lazy tensors
#'
#' `Vi(x)`, `Vj(y)`, `Pm(p)` and `Mij(c)` turn data into *lazy tensors*. R's operators and
#' functions, applied to these, compute nothing: they build up the expression of an M x N matrix
#' whose entry (i, j) depends on row i of `x` and row j of `y`. Only what is asked of this matrix in
#' the end (a sum, a product with a vector, the nearest neighbours) is computed, in one pass and
#' without storing the matrix.
#'
#' A tensor has one or several *components*: `Vi(x)` has as many as `x` has columns, `sqdist()` has
#' one. With one component it is a matrix to everything that expects a matrix: see
#' [LazyTensor-matrix]. Element-wise functions take tensors with the same number of components, or
#' with one. [lazy_functions] lists the functions, [lazy_reductions] the reductions.
#'
#' @section Data and numbers:
#' Numbers and numeric vectors in an expression become parameters, so that another number compiles
#' nothing; only whole exponents (`x^2`) are part of the formula. A matrix that occurs twice (the
#' same object, not an equal one) is one argument. The same expression of other data is the same
#' operator.
#'
#' @section Components:
#' `x[k]` and `x[a:b]` select components; they count from 1, and the end is included. The index of
#' reductions over the components is called `"k"`: `sum(x, "k")`, `min(x, "k")`.
#'
#' @section Conditions:
#' Comparisons make conditions, which are 1 or 0. Between conditions, `&`, `|` and `!` are and, or
#' and not. Between numbers, `x | y` is the scalar product of the components.
#'
#' @section Batches:
#' Arrays whose further dimensions number independent problems (M x d x B for `Vi()`, d x B for
#' `Pm()`) make batches. Each dimension has the same size in all tensors, or 1. Reductions over i
#' and j have these dimensions, too; a batch is not a matrix.
#'
#' @section Complex numbers:
#' A complex matrix or number makes a complex tensor. Arithmetic, whole powers, `exp()`, `Re()`,
#' `Im()`, `Mod()`, `Arg()`, `Conj()`, `abs()` and sums work on it.
#'
#' `Mij(c)` is a matrix that is there already, one entry for each pair (a cost, a mask), or an M x N
#' x d array.
#'
#' @param x For `Vi()` and `Vj()`: a matrix or data frame of numbers with one row per i (per j), a
#'   vector of numbers for a single column, a complex matrix, or a [genred_array()]. For `Pm()`: a
#'   vector of numbers. For `Mij()`: a matrix, or an array of three dimensions.
#' @param dtype `"float32"` or `"float64"`, the precision of everything that is computed from the
#'   tensor; `NULL` for that of the tensors with which it is combined. If no tensor of an
#'   expression has one, the option `genred.dtype` decides, as in [Genred()].
#' @param index `"i"`, `"j"`, or `NULL` for a parameter.
#' @return An object of class `"LazyTensor"`: plain data that can be saved and sent to other
#'   processes.
#' @section Errors:
#' `genred_error_argument` for data that are not numbers or do not fit together,
#' `genred_error_dimension` for numbers of components that do not.
#' @seealso [Genred()] for operators written as a formula; [as_genred()] makes one of a tensor.
#' @aliases LazyTensor-class
#' @export
#' @examples
#' x <- matrix(rnorm(60), 20, 3)
#' y <- matrix(rnorm(90), 30, 3)
#' K <- exp(-sqdist(Vi(x), Vj(y)) / (2 * 0.5^2))   # nothing is computed
#' K
#' b <- rnorm(30)
#' a <- K %*% b                                    # one pass, no 20 x 30 matrix
#' dim(a)
#'
#' # the 3 nearest rows of y for each row of x
#' head(argkmin(sqdist(Vi(x), Vj(y)), 3, "j"))
LazyTensor <- function(x, index = NULL, dtype = NULL) {
  if (missing(x)) stop_genred("argument", "argument `x` is missing")
  kinds <- c(i = "Vi", j = "Vj")
  if (!is.null(index) && !(is.character(index) && length(index) == 1L && index %in% names(kinds))) {
    stop_genred("argument", "`index` must be \"i\", \"j\", or NULL for a parameter; ", given_value(index))
  }
  kind <- if (is.null(index)) "Pm" else kinds[[index]]
  leaf_tensor(kind, x, leaf_name(substitute(x), kind), dtype)
}

#' @rdname LazyTensor
#' @export
Vi <- function(x, dtype = NULL) {
  if (missing(x)) stop_genred("argument", "Vi() needs the matrix whose rows are indexed by i")
  leaf_tensor("Vi", x, leaf_name(substitute(x), "Vi"), dtype)
}

#' @rdname LazyTensor
#' @export
Vj <- function(x, dtype = NULL) {
  if (missing(x)) stop_genred("argument", "Vj() needs the matrix whose rows are indexed by j")
  leaf_tensor("Vj", x, leaf_name(substitute(x), "Vj"), dtype)
}

#' @rdname LazyTensor
#' @export
Mij <- function(x, dtype = NULL) {
  if (missing(x)) stop_genred("argument", "Mij() needs the matrix of all pairs")
  leaf_tensor("Mij", x, leaf_name(substitute(x), "Mij"), dtype)
}

#' @rdname LazyTensor
#' @export
Pm <- function(x, dtype = NULL) {
  if (missing(x)) stop_genred("argument", "Pm() needs the number or vector that is the parameter")
  leaf_tensor("Pm", x, leaf_name(substitute(x), "Pm"), dtype)
}

# ---- operands ------------------------------------------------------------------------------------

# A tensor, or what stands next to tensors in an expression: a number or a vector, as a parameter.
operand <- function(x, what) {
  if (is_lazy(x)) return(x)
  if (is.numeric(x) && !is.object(x) && length(x) == 1L && is.null(dim(x))) return(number_tensor(x, "number"))
  other_operand(x, what)
}

other_operand <- function(x, what) {
  if (is.null(x) || is.object(x) && !all(class(x) %in% harmless_classes)) refuse_operand(x, what)
  if (length(dim(x)) > 1L && sum(dim(x) != 1L) > 1L) {
    refuse_operand(x, what, "Vi(x) says that its rows are indexed by i, Vj(x) that they are indexed by j")
  }
  if (length(x) == 0L) refuse_operand(x, what)
  if (is.complex(x)) return(number_tensor(c(rbind(Re(c(x)), Im(c(x)))), "complex"))
  if (is.logical(x)) return(number_tensor(as.numeric(x), "condition"))
  if (!is.numeric(x)) refuse_operand(x, what, type_hint(x))
  number_tensor(as.numeric(x), "number")
}

refuse_operand <- function(x, what, ...) {
  hint <- paste0(...)
  stop_genred("argument", "`", what, "` needs lazy tensors, numbers or vectors of numbers; ", given_value(x), if (length(hint) && nzchar(hint)) paste0("\n  ", hint))
}

# c() makes an object of its own, so that no two numbers are taken for the same leaf.
number_tensor <- function(x, type) {
  n <- length(x)
  lazy("{1}", 7, list(new_leaf("Pm", c(x, use.names = FALSE), "p", n)), NA_real_, NA_real_,
       if (type == "complex") n / 2 else n, type, "")
}

# ---- expressions ---------------------------------------------------------------------------------

# The tensors' texts over one common list of leaves.
joined_tensors <- function(tensors) {
  first <- tensors[[1L]]
  out <- list(texts = first@text, leaves = first@leaves, rows = first@rows, columns = first@columns, dtype = first@dtype,
              batch = first@batch)
  for (x in tensors[-1L]) {
    at <- checked(.Call(.ffi_shared_leaves, out$leaves, x@leaves))
    new <- at == 0L
    at[new] <- length(out$leaves) + seq_len(sum(new))
    out$leaves <- c(out$leaves, x@leaves[new])
    out$texts <- c(out$texts, renumbered(x@text, at))
    out$rows <- common_number(out$rows, x@rows, "i")
    out$columns <- common_number(out$columns, x@columns, "j")
    out$dtype <- common_dtype(out$dtype, x@dtype)
    if (length(x@batch)) out$batch <- common_sizes(out$batch, x@batch)
  }
  out
}

# {k} becomes {at[k]}.
renumbered <- function(text, at) {
  if (identical(at, seq_along(at))) return(text)
  with_leaves(text, paste0("{", at, "}"))
}

# {k} becomes names[k].  The text outside of braces and that inside alternate.
with_leaves <- function(text, names) {
  pieces <- strsplit(text, "[{}]")[[1L]]
  if (length(pieces) < 2L) return(text)
  inside <- seq.int(2L, length(pieces), 2L)
  pieces[inside] <- names[as.integer(pieces[inside])]
  paste(pieces, collapse = "")
}

common_number <- function(a, b, index) {
  if (is.na(a)) return(b)
  if (is.na(b) || a == b) return(a)
  stop_genred("argument", "the tensors do not have the same number of rows: V", index, "() of ", a, " and V", index,
              "() of ", b, " rows")
}

# Sizes of batches; a dimension that one of them lacks has one element there.
common_sizes <- function(a, b) {
  n <- max(length(a), length(b))
  a <- c(a, rep(1, n - length(a)))
  b <- c(b, rep(1, n - length(b)))
  odd <- which(a != b & a != 1 & b != 1)
  if (length(odd)) {
    stop_genred("argument", "the tensors are batches of ", a[odd[1L]], " and of ", b[odd[1L]], " elements; each dimension must ",
                "have equally many, or one")
  }
  pmax(a, b)
}

common_dtype <- function(a, b) {
  if (a == "" || a == b) return(b)
  if (b == "") return(a)
  stop_genred("argument", "an expression has one precision: one of these tensors was made with dtype = \"", a,
              "\", another with \"", b, "\"")
}

# The tensor of `form`, in which @a @b @c ... stand for the texts of the tensors, each enclosed in
# parentheses where it binds less tightly than `least` asks for.
combined <- function(tensors, form, precedence, size, type, least = 0) {
  parts <- joined_tensors(tensors)
  texts <- parts$texts
  for (k in seq_along(tensors)) {
    if (tensors[[k]]@precedence < least[min(k, length(least))]) texts[k] <- paste0("(", texts[k], ")")
  }
  text <- filled(form, texts)
  check_length(text)
  lazy(text, precedence, parts$leaves, parts$rows, parts$columns, size, type, parts$dtype, parts$batch)
}

filled <- function(form, texts) {
  for (k in seq_along(texts)) form <- gsub(paste0("@", letters[k]), texts[k], form, fixed = TRUE)
  form
}

max_expression <- 1e6

check_length <- function(text) {
  if (nchar(text, "bytes") > max_expression) {
    stop_genred("memory", "the expression of this lazy tensor has more than ", max_expression, " characters")
  }
}

# ---- printing ------------------------------------------------------------------------------------

# The formula with the user's names, and with numbers as they are.
format_tensor <- function(x) {
  shown <- leaf_names(x@leaves)
  for (k in seq_along(shown)) {
    leaf <- x@leaves[[k]]
    if (is_plain_number(leaf)) {
      shown[k] <- format(as.numeric(leaf$value), digits = 6L)
      if (isTRUE(leaf$value < 0)) shown[k] <- paste0("(", shown[k], ")")
    }
  }
  with_leaves(x@text, written_leaves(x@leaves, shown))
}

#' @export
format.LazyTensor <- function(x, ...) format_tensor(x)

setMethod("show", "LazyTensor", function(object) {
  cat("<LazyTensor> ", abbreviated(format_tensor(object), max(40L, getOption("width") - 15L)), "\n", sep = "")
  lines <- leaf_lines(object@leaves)
  if (length(lines)) cat(lines, sep = "\n")
  cat("  ", tensor_shape(object), "\n", sep = "")
})

# Shown as its value, not by its name.
is_plain_number <- function(leaf) identical(kind_of(leaf)$category, "Pm") && leaf$dim == 1L && leaf$name %in% c("p", "seed")

leaf_lines <- function(leaves) {
  shown <- Filter(function(leaf) !is.null(kind_of(leaf)$category) && !is_plain_number(leaf), leaves)
  if (!length(shown)) return(NULL)
  names <- leaf_names(leaves)[match(shown, leaves)]
  kinds <- vapply(shown, function(leaf) paste0(leaf$kind, "(", leaf$dim, ")"), "")
  sizes <- vapply(shown, function(leaf) {
    if (leaf$kind == "Pm") counted(leaf$dim, "number") else paste(dim(leaf$value), collapse = " x ")
  }, "")
  paste0("  ", format(names), "  ", format(kinds), "  ", sizes)
}

tensor_shape <- function(x) {
  size <- dim(x)
  type <- c(number = "", condition = "condition, ", complex = "complex, ")[[x@type]]
  bytes <- prod(size) * c(number = 8, condition = 4, complex = 16)[[x@type]]
  paste0(paste(format(size, trim = TRUE, scientific = FALSE), collapse = " x "), ", ", type,
         if (nzchar(x@dtype)) x@dtype else dtype_setting(c("float32", "float64"), NULL),
         "; as ", if (length(size) == 2L) "a matrix" else "an array", " it would take ", bytes_text(bytes))
}
