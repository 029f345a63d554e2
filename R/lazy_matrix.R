# Scalar lazy tensors as kernel operators (R/kernel_matrix.R): shape, transpose, product, entries.

# 1 where nothing depends on the index.
lazy_numbers <- function(x) {
  n <- c(x@rows, x@columns)
  n[is.na(n)] <- 1
  n
}

check_scalar <- function(x) {
  if (length(x@batch)) {
    stop_genred("argument", "a batch of ", paste(x@batch, collapse = " x "), " tensors is not a matrix; reductions over \"i\" and ",
                "\"j\" compute for all of them")
  }
  if (x@size != 1) {
    stop_genred("argument", "a lazy tensor is a matrix only if it has one component; this one has ", x@size,
                "\n  sum(x, \"k\"), norm2(x) and `x | y` make one component of several, x[k] selects one")
  }
}

setMethod("operator_dim", "LazyTensor", function(A) {
  check_scalar(A)
  lazy_numbers(A)
})

setMethod("operator_transpose", "LazyTensor", function(A) {
  attr(A, "leaves") <- lapply(A@leaves, function(leaf) kind_of(leaf)$turned(leaf))
  rows <- A@rows
  attr(A, "rows") <- A@columns
  attr(A, "columns") <- rows
  A
})

setMethod("operator_times", "LazyTensor", function(A, b) lazy_reduce(A * leaf_tensor("Vj", b, "b", NULL), "Sum", "j"))

setMethod("operator_entries", "LazyTensor", function(A, i, j) lazy_entries(A, i, j)[, 1L])

# The values of the tensor at pairs, one row for each.  Every pair becomes a row: what depends on j
# becomes a variable of i, and the sum over j has one term.
lazy_entries <- function(x, i, j) {
  n <- length(i)
  width <- sum(vapply(x@leaves, function(leaf) if (is.null(kind_of(leaf)$at)) 0 else leaf$dim, 0)) + 1
  step <- max(1, floor(entries_at_once / width))
  if (n <= step) return(some_entries(x, i, j))
  starts <- seq(1, n, by = step)
  do.call(rbind, lapply(starts, function(from) {
    block <- from:min(n, from + step - 1)
    some_entries(x, i[block], j[block])
  }))
}

# The numbers in the arguments of one call of some_entries().
entries_at_once <- 2^22

some_entries <- function(x, i, j) {
  attr(x, "leaves") <- lapply(x@leaves, function(leaf) {
    at <- kind_of(leaf)$at
    if (is.null(at)) return(leaf)
    changed(leaf, kind = "Vi", value = unname(at(host_value(leaf), i, j)))
  })
  varies <- vapply(x@leaves, function(leaf) !is.null(kind_of(leaf)$at), NA)
  attr(x, "rows") <- if (any(varies)) as.numeric(length(i)) else NA_real_
  attr(x, "columns") <- NA_real_
  out <- lazy_reduce(x, "Sum", "j")
  if (nrow(out) == 1L && length(i) != 1L) out <- out[rep(1L, length(i)), , drop = FALSE]
  out
}

# The values for these rows and columns: an array M x N, or M x N x D.
lazy_block <- function(x, i, j) {
  whole <- identical(as.numeric(lazy_numbers(x)), as.numeric(c(length(i), length(j))))
  if (!whole || !identical(i, seq_along(i)) || !identical(j, seq_along(j))) x <- lazy_part(x, i, j)
  values <- all_values(x)
  if (x@type != "complex") return(values)
  odd <- seq.int(1L, dim(values)[3L], 2L)
  out <- array(complex(real = values[, , odd], imaginary = values[, , odd + 1L]), c(dim(values)[1:2], length(odd)))
  if (length(odd) == 1L) matrix(out, dim(values)[1L]) else out
}

lazy_part <- function(x, i, j) {
  attr(x, "leaves") <- lapply(x@leaves, function(leaf) kind_of(leaf)$part(leaf, i, j))
  if (!is.na(x@rows)) attr(x, "rows") <- as.numeric(length(i))
  if (!is.na(x@columns)) attr(x, "columns") <- as.numeric(length(j))
  x
}

# What a sum over j would add up, by the engine's map.  A dimension that nothing depends on has one
# value, and is repeated by the caller where it has more.
all_values <- function(x) {
  made <- lazy_operator(x, "Sum", "j")
  spec <- operator_spec(made$op)
  args <- operator_info(made$op)$args
  check_session_settings(NULL)
  settings <- checked_settings(list(backend = "auto", device_id = -1, ranges = NULL, keep = FALSE), NULL)
  map_result(run_map(spec, checked_arguments(unname(made$data), args, NULL), settings, NULL), NULL)
}

# Of a tensor with several components, dim() has a third number; nrow() and ncol() take the first
# two.
setMethod("dim", "LazyTensor", function(x) {
  c(lazy_numbers(x), if (x@size != 1 || length(x@batch)) x@size, x@batch)
})

# Those of the first leaf that depends on i alone, and of the first that depends on j alone.
setMethod("dimnames", "LazyTensor", function(x) {
  first <- function(kind) {
    for (leaf in x@leaves) if (leaf$kind == kind && !is.null(rownames(leaf$value))) return(rownames(leaf$value))
    NULL
  }
  names <- list(first("Vi"), first("Vj"))
  if (!is.null(names[[1L]]) || !is.null(names[[2L]])) names
})
