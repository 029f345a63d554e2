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
  nd <- length(dim(x))
  if (variable$category == "Mij") return(check_pairs(x, variable$dim, refuse))
  if (nd > 2L) refuse("arrays of more than two dimensions (batches) are not available in this version")
  if (variable$category == "Pm") {
    if (nd == 2L && !any(dim(x) == 1L)) refuse("c(t(x)) makes a vector of the matrix: formulas store matrices row by row")
    if (length(x) != variable$dim) refuse()
  } else if (nd == 2L) {
    if (ncol(x) != variable$dim) refuse()
  } else if (variable$dim != 1L) {
    refuse(if (length(x) == variable$dim) "matrix(x, nrow = 1) makes a single row of it")
  }
}

check_pairs <- function(x, d, refuse) {
  size <- dim(x)
  if (length(size) != 2L && length(size) != 3L) refuse()
  if (c(size, 1L)[3L] != d) refuse()
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
  stop_genred("argument", "argument `", variable$name, "` (", variable$category, "(", variable$dim, ")) must be ",
              expected(variable), "; ", given_value(x), if (length(hint) && nzchar(hint)) paste0("\n  ", hint),
              call = call)
}

expected <- function(variable) {
  d <- variable$dim
  if (variable$category == "Pm") {
    if (d == 1L) return("a number")
    return(paste("a numeric vector of length", d))
  }
  if (variable$category == "Mij") {
    return(paste0("a numeric ", if (d == 1L) "matrix" else "array of three dimensions",
                  " with a row for each i and a column for each j", if (d > 1L) paste(", and", d, "layers")))
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
