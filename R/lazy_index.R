# Lazy tensors of the numbers of rows and columns, and of random numbers.

#' Numbers of rows and columns, and random numbers
#'
#' Lazy tensors of the pairs themselves: `IndexI()` is the number of the row, `IndexJ()` that of the
#' column, both from 1, and `IndexDiff()` is their difference i - j, which is exact also where
#' single precision cannot hold the numbers. `Rand(seed)` is a random number between 0 and 1 for
#' each pair, a function of i, j and the seed, the same on every backend.
#'
#' `IndexDiff() == 0` is the diagonal (leave one out), `IndexDiff() >= 0` a causal mask,
#' `abs(IndexDiff()) <= w` a band.
#'
#' @param seed A whole number; another seed compiles nothing.
#' @return A lazy tensor. Numbers of rows and columns come from the tensors that it is combined
#'   with.
#' @seealso [LazyTensor()]
#' @export
#' @examples
#' x <- matrix(rnorm(30), 10, 3)
#' D <- sqdist(Vi(x), Vj(x))
#' argmin(ifelse(IndexDiff() == 0, Inf, D), "j")[1:3]   # the nearest other point
#' sum(D * (Rand(1) < 0.5), "j")[1:3]
IndexI <- function() index_tensor("IndexI")

#' @rdname IndexI
#' @export
IndexJ <- function() index_tensor("IndexJ")

#' @rdname IndexI
#' @export
IndexDiff <- function() index_tensor("IndexDiff")

#' @rdname IndexI
#' @export
Rand <- function(seed) {
  if (missing(seed) || !is_whole(seed) || length(seed) != 1L) {
    stop_genred("argument", "Rand() needs a seed, a whole number", if (!missing(seed)) paste0("; ", given_value(seed)))
  }
  index_tensor("Rand", as.numeric(seed))
}

# A number with a name depends on the row, on the column or on both; its rows are those of others.
index_tensor <- function(kind, value = NULL) {
  lazy("{1}", language_precedence[["atom"]], list(new_leaf(kind, value, "seed", 1)), NA_real_, NA_real_, 1, "number", "")
}

# The user's name of the data, where it can be the name of an argument.
leaf_name <- function(expression, kind) {
  name <- if (is.name(expression)) as.character(expression) else ""
  usable <- grepl("^[A-Za-z][A-Za-z0-9_]*$", name) && !name %in% reserved_names
  if (usable) name else c(Vi = "x", Vj = "y", Pm = "p", Mij = "c")[[kind]]
}

reserved_names <- c("Vi", "Vj", "Pm", "Mij", "Var", "Ind", "backend", "device_id", "ranges", "keep")

leaf_tensor <- function(kind, value, name, dtype) {
  if (is_lazy(value)) stop_genred("argument", kind, "() needs data; this is a lazy tensor already")
  data <- leaf_data(kind, value)
  shape <- as.numeric(leaf_kinds[[kind]]$shape(data$value))
  size <- shape[3L]
  if (size == 0) stop_genred("argument", kind, "() needs at least one ", if (kind == "Pm") "number" else "column", "; ",
                             given_value(value))
  batch <- as.numeric(batch_dims(data$value, list(category = leaf_kinds[[kind]]$category, dim = size)))
  lazy("{1}", language_precedence[["atom"]], list(new_leaf(kind, data$value, name, size)), shape[1L], shape[2L],
       if (data$complex) size / 2 else size, if (data$complex) "complex" else "number", read_lazy_dtype(dtype), batch)
}

read_lazy_dtype <- function(dtype) {
  if (is.null(dtype)) "" else read_dtype(dtype, NULL)
}

# The numbers of a leaf: a vector for a parameter, else a matrix (or genred_array).
leaf_data <- function(kind, x) {
  if (inherits(x, "genred_array")) return(list(value = x, complex = FALSE))
  if (is.complex(x) && length(dim(x)) > 2L) refuse_leaf(kind, x, "complex tensors have no batches; one by one they have")
  if (is.complex(x) && !is.object(x) && kind != "Mij") return(list(value = interleaved(x, kind), complex = TRUE))
  refuse <- function(...) refuse_leaf(kind, x, ...)
  value <- if (is.object(x)) plain_numbers(x, refuse) else x
  if (!is.numeric(value) && !is.logical(value)) refuse(type_hint(value))
  size <- dim(value)
  if (kind == "Pm") {
    vector <- length(size) == 1L || length(size) == 2L && any(size == 1L)
    return(list(value = if (vector) c(value) else value, complex = FALSE))
  }
  if (kind == "Mij") {
    if (length(size) < 2L) refuse()
    return(list(value = value, complex = FALSE))
  }
  if (length(size) < 2L) value <- matrix(value, ncol = 1L, dimnames = if (!is.null(names(value))) list(names(value), NULL))
  list(value = value, complex = FALSE)
}

refuse_leaf <- function(kind, x, ...) {
  hint <- paste0(...)
  needed <- c(Vi = "a numeric matrix or vector", Vj = "a numeric matrix or vector", Pm = "a number or a numeric vector",
              Mij = "a numeric matrix, M x N, or an array, M x N x d")
  stop_genred("argument", kind, "() needs ", needed[[kind]],
              "; ", given_value(x), if (length(hint) && nzchar(hint)) paste0("\n  ", hint))
}

# Real and imaginary parts in turn, the language's form of complex vectors.
interleaved <- function(x, kind) {
  if (kind == "Pm") return(c(rbind(Re(c(x)), Im(c(x)))))
  if (is.null(dim(x))) x <- matrix(x, ncol = 1L)
  out <- matrix(0, nrow(x), 2L * ncol(x), dimnames = if (!is.null(rownames(x))) list(rownames(x), NULL))
  out[, c(TRUE, FALSE)] <- Re(x)
  out[, c(FALSE, TRUE)] <- Im(x)
  out
}

# The inverse, for results.
complex_of <- function(x) {
  odd <- seq.int(1L, ncol(x), 2L)
  out <- complex(real = x[, odd], imaginary = x[, odd + 1L])
  matrix(out, nrow(x), length(odd), dimnames = if (!is.null(rownames(x))) list(rownames(x), NULL))
}
