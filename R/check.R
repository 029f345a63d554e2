# Checks the arguments of a call one by one if the fast path (src/ffi_call.c) does not accept them:
# converts what can be converted without loss, and says what is wrong with the rest.

checked_arguments <- function(values, info, call) {
  out <- vector("list", length(values))
  for (k in seq_along(values)) {
    variable <- list(name = info$name[k], category = info$category[k], dim = info$dim[k])
    out[[k]] <- checked_argument(values[[k]], variable, call)
  }
  out
}

# Classes whose objects can be treated as the plain numbers that they contain.
harmless_classes <- c("matrix", "array", "AsIs", "ts", "mts", "table", "noquote", "numeric", "integer", "logical")

checked_argument <- function(x, variable, call) {
  refuse <- function(...) refuse_argument(x, variable, ..., call = call)
  if (inherits(x, "genred_array")) return(checked_array(x, variable, refuse, call))
  if (is.data.frame(x) && length(batch_dims(x, variable))) refuse("a data frame cannot be a batch")
  x <- plain_numbers(x, refuse)
  check_shape(x, variable, refuse)
  x
}

checked_array <- function(x, variable, refuse, call) {
  if (!.Call(.ffi_array_alive, x)) {
    stop_genred("cuda", "argument `", variable$name, "` is a genred_array whose entries are lost: they existed only in the ",
                "session that created it", call = call)
  }
  check_shape(x, variable, refuse)
  x
}

# The numbers without their class, or an error.
plain_numbers <- function(x, refuse) {
  if (is.data.frame(x)) {
    x <- frame_matrix(x, refuse)
  } else if (isS4(x)) {
    refuse(if (has_sparse_class(x)) "convert it with as.matrix() if it fits in memory" else "convert it with as.matrix()")
  } else if (is.object(x) && !all(class(x) %in% harmless_classes)) {
    refuse(class_hint(x))
  }
  if (!is.numeric(x) && !is.logical(x)) refuse(type_hint(x))
  unclass(x)
}

check_shape <- function(x, variable, refuse) {
  d <- variable$dim
  vector <- variable$category == "Pm"
  batched <- length(batch_dims(x, variable)) > 0L
  if (length(dim(x)) < 2L || (vector && !batched)) {
    if (vector && length(x) == d) return()
    if (variable$category %in% c("Vi", "Vj") && d == 1L) return()
    refuse(if (variable$category %in% c("Vi", "Vj") && length(x) == d) "matrix(x, nrow = 1) makes a single row of it")
  }
  if (inherits(x, "genred_array") && (batched || rank_of(variable) > 2L)) {
    refuse("a genred_array cannot be a batch, or an array of more than two dimensions; ",
           "as.array() copies it into R")
  }
  if (length(dim(x)) < rank_of(variable)) refuse()
  at <- categories$components[[variable$category]]
  if (at <= rank_of(variable) && dim(x)[at] != d) refuse(shape_hint(x, variable))
}

# What may have been meant by an array with a wrong dimension.
shape_hint <- function(x, variable) {
  nd <- length(dim(x))
  rank <- rank_of(variable)
  if (rank == 1L && nd == 2L && length(x) == variable$dim) {
    return("c(t(x)) makes a vector of the matrix: formulas store matrices row by row")
  }
  if (nd > rank && dim(x)[nd] == variable$dim) {
    order <- c(seq(nd - rank + 1L, nd), seq_len(nd - rank))
    return(paste0("dimensions that number the elements of a batch come last: aperm(x, c(",
                  paste(order, collapse = ", "), ")) moves them there"))
  }
  if (nd > rank) paste0("of a batch, dimension ", rank, " must be ", variable$dim)
}

frame_matrix <- function(x, refuse) {
  for (name in names(x)) {
    column <- x[[name]]
    if (is.object(column) || !(is.numeric(column) || is.logical(column))) {
      refuse("its column `", name, "` is ", described(column))
    }
  }
  as.matrix(x)
}

has_sparse_class <- function(x) inherits(x, "sparseMatrix")

class_hint <- function(x) {
  if (is.factor(x)) return("as.integer() gives its codes, model.matrix() indicator variables")
  if (inherits(x, "dist")) return("as.matrix() makes the matrix of all distances")
  if (inherits(x, c("Date", "POSIXt", "difftime"))) return("as.numeric() gives its values, in units that you choose")
  "as.double() converts its values, unclass() gives the numbers as they are stored"
}

type_hint <- function(x) {
  if (is.complex(x)) return("use Re() and Im()")
  if (is.character(x)) return("storage.mode(x) <- \"double\" converts strings that contain numbers")
  if (is.list(x)) return("do.call(rbind, x) makes a matrix of a list of rows")
  NULL
}

refuse_argument <- function(x, variable, ..., call) {
  hint <- paste0(...)
  stop_genred("argument", "argument `", variable$name, "` (", type_text(variable$category, variable$dim), ") must be ",
              expected(variable), "; ", given_value(x), if (length(hint) && nzchar(hint)) paste0("\n  ", hint),
              call = call)
}

expected <- function(variable) {
  d <- variable$dim
  if (is.na(d)) return(paste("a numeric", switch(variable$category, Pm = "vector", Mij = "matrix or array", "matrix or vector")))
  if (variable$category == "Pm") {
    if (d == 1L) return("a number")
    return(paste("a numeric vector of length", d))
  }
  if (variable$category == "Mij") {
    return(paste0("a numeric ", if (d == 1L) "matrix, M x N" else paste("array, M x N x", d)))
  }
  if (d == 1L) return("a numeric vector, or a matrix with 1 column")
  paste("a numeric matrix with", d, "columns")
}

given_value <- function(x) paste(described(x), "was given")

described <- function(x) {
  if (is.null(x)) return("NULL")
  if (is.function(x)) return("a function")
  if (is.environment(x)) return("an environment")
  if (is.language(x)) return("a piece of R code")
  if (isS4(x)) {
    size <- if (length(dim(x))) paste0(" (", paste(dim(x), collapse = " x "), ")")
    return(paste0(if (has_sparse_class(x)) "a sparse matrix" else "an object", " of class ", class(x)[1L], size))
  }
  described_data(x)
}

described_data <- function(x) {
  kind <- if (is.data.frame(x)) "data frame" else if (is.object(x)) class(x)[1L] else typeof(x)
  article <- if (grepl("^[aeiouAEIOU]", kind)) "an" else "a"
  size <- dim(x)
  if (length(size) == 2L) {
    shape <- if (is.data.frame(x)) "" else " matrix"
    return(paste0(article, " ", kind, shape, " (", size[1L], " x ", size[2L], ")"))
  }
  if (length(size) > 2L) return(paste0(article, " ", kind, " array (", paste(size, collapse = " x "), ")"))
  described_vector(x, kind, article)
}

described_vector <- function(x, kind, article) {
  if (is.list(x)) return(paste(article, kind, "of length", length(x)))
  if (length(x) == 1L && is.character(x) && !is.object(x)) return(paste0('"', abbreviated(x, 40L), '"'))
  if (length(x) == 1L && is.atomic(x) && !is.object(x)) return(format(x, digits = 15L))
  paste(article, kind, if (is.object(x)) "of length" else "vector of length", length(x))
}
