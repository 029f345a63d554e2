# Batches: arguments with dimensions that number the elements, behind those of one element.  In each
# of them an argument has one element for all, or as many as the others that have more than one.
# The C code (src/ffi_shape.c) reads the same shapes; here are the errors, and what gradients need.

batch_most <- 16L # dimensions, as in src/ffi.h

# The categories of arguments: which dimension is that of the components, which run along i and j;
# 0: none.
categories <- list(
  components = c(Vi = 2L, Vj = 2L, Pm = 1L, Mij = 3L), i = c(Vi = 1L, Vj = 0L, Pm = 0L, Mij = 1L),
  j = c(Vi = 0L, Vj = 1L, Pm = 0L, Mij = 2L)
)

# The number of dimensions of one element; variable: category and dim.  Pairs with one component
# have no dimension for it.
rank_of <- function(variable) {
  categories$components[[variable$category]] - (variable$category == "Mij" && isTRUE(variable$dim == 1L))
}

# The sizes of the further ones.  A matrix of one column, or of one row that has as many numbers as
# the parameter, is a vector.
batch_dims <- function(x, variable) {
  size <- dim(x)
  is_vector <- variable$category == "Pm" && length(size) == 2L &&
    (size[2L] == 1L || (size[1L] == 1L && isTRUE(variable$dim > 1L)))
  if (is_vector) integer() else as.integer(size[-seq_len(rank_of(variable))])
}

# Those of all arguments, in the order of args.
batches_of <- function(values, args) {
  batches <- lapply(seq_along(args$name), function(k) {
    batch_dims(values[[k]], list(category = args$category[k], dim = args$dim[k]))
  })
  stats::setNames(batches, args$name)
}

# ---- checks of a call ----------------------------------------------------------------------------

# Arguments that are right each for itself.
check_batch <- function(values, args, keep, call) {
  batches <- batches_of(values, args)
  first <- which(lengths(batches) > 0L)[1L]
  if (is.na(first)) return()
  if (keep) refuse_kept_batch(args$name[first], call)
  resident <- which(vapply(values, inherits, NA, "genred_array"))[1L]
  if (!is.na(resident)) {
    stop_genred("argument", "argument `", args$name[resident], "` is a genred_array, but argument `",
                args$name[first], "` is a batch (", shape_text(values[[first]]),
                "), whose other arguments must be in R's memory; as.array() copies an array into it",
                call = call)
  }
  common_batch(batches, call)
}

refuse_kept_batch <- function(name, call) {
  stop_genred("argument", "`keep = TRUE` leaves the result on a GPU, which is not possible for ",
              "batches; argument `", name, "` is one", call = call)
}

shape_text <- function(x) paste(if (is.null(dim(x))) length(x) else dim(x), collapse = " x ")

# The size of the batch that all of these belong to; names: of the arguments.
common_batch <- function(batches, call) {
  n <- max(0L, lengths(batches))
  if (n > batch_most) {
    stop_genred("argument", "argument `", names(batches)[lengths(batches) == n][1L], "` has ", n,
                " dimensions that number elements of a batch; there can be at most ", batch_most, call = call)
  }
  vapply(seq_len(n), function(d) {
    own <- vapply(batches, function(b) if (length(b) < d) 1L else b[d], 0L)
    many <- which(own != 1L)
    odd <- many[own[many] != own[many[1L]]]
    two <- c(many[1L], odd[1L])
    if (length(odd)) refuse_sizes(d, names(batches)[two], own[two], call)
    if (length(many)) own[[many[1L]]] else 1L
  }, 0L)
}

refuse_sizes <- function(d, names, size, call) {
  stop_genred("argument", "arguments `", names[1L], "` and `", names[2L], "` do not fit: dimension ", d,
              " of the batch has ", size[1L], " elements in `", names[1L], "` and ", size[2L], " in `",
              names[2L], "`; it must have the same number in all arguments, or 1", call = call)
}

# ---- gradients -----------------------------------------------------------------------------------

is_by <- function(x) {
  is.list(x) && is_text(x$name) && is_one_of(x$category, names(categories$i)) && length(x$dim) == 1L
}

# A gradient by x, which has the shape of x: where x has one element for all, it is their sum.  by:
# name, category and dimension of x.
.like <- function(value, x, by) {
  if (!is_by(by)) refuse_plan()
  if (is.na(by$dim)) by$dim <- value_dim(x, by$category)
  vector <- by$category == "Pm"
  rank <- rank_of(by)
  if (!vector && length(dim(value)) == rank) return(value)
  own <- batch_dims(x, by)
  if (vector) by$dim <- if (length(own)) dim(x)[1L] else length(x)
  size <- if (vector && !length(own)) c(1L, by$dim) else c(dim(value)[seq_len(rank)], own)
  if (identical(dim(value), as.integer(size))) return(value)
  all <- batch_dims(value, by)
  common <- rank + which(all != 1L & c(own, rep(1L, length(all)))[seq_along(all)] == 1L)
  summed_over(value, common, size)
}

# The sums over some of the last dimensions.
summed_over <- function(value, over, size) {
  names <- dimnames(value)
  kept <- setdiff(seq_along(dim(value)), over)
  if (length(over)) value <- rowSums(aperm(value, c(kept, over)), dims = length(kept))
  if (length(names) < length(size)) return(array(value, size))
  names[over] <- list(NULL)
  array(value, size, names[seq_along(size)])
}

# The part of x that belongs to element `at` of a batch, in which x has the sizes `batch`.
element_of <- function(x, batch, at) {
  if (!length(batch)) return(x)
  core <- utils::head(dim(x), -length(batch))
  at <- pmin(at[seq_along(batch)], batch) - 1
  from <- sum(at * cumprod(c(1, batch))[seq_along(batch)]) * prod(core)
  part <- x[from + seq_len(prod(core))]
  if (length(core) > 1L) array(part, core) else part
}

# A gradient that is computed for one element at a time: run() is given those parts of the arguments
# `given`, in which the batch has the sizes `batches`, that belong to the element.
by_elements <- function(given, batches, by, run) {
  size <- common_batch(batches, NULL)
  at <- arrayInd(seq_len(prod(size)), size)
  parts <- lapply(seq_len(nrow(at)), function(k) {
    run(Map(function(x, batch) element_of(x, batch, at[k, ]), given, batches))
  })
  x <- given[[by$name]]
  core <- by$dim
  if (by$category != "Pm") core <- if (is.null(dim(x))) c(length(x), 1L) else dim(x)[seq_len(rank_of(by))]
  .like(array(as.numeric(unlist(parts)), c(core, size)), x, by)
}
