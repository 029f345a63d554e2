# Matrices that stay on a GPU.  A genred_array is a list of plain data and an external pointer to
# GPU memory (src/ffi_device.c), which is NULL in every process but the one that created it.

#' Matrices that stay on a GPU
#'
#' `genred_array()` copies a matrix to a GPU, where it stays between calls. An operator made by
#' [Genred()] accepts it in place of a matrix, so that data that would be transferred at every call
#' are transferred once. An operator can take such arrays and ordinary matrices in the same call;
#' for a backend other than a GPU the entries are copied back. With `keep = TRUE` an operator leaves
#' its results on the GPU as such arrays.
#'
#' The GPU memory is freed when R's garbage collector finds that the array is no longer used
#' (`rm(x); gc()` frees it at once); if a GPU runs out of memory, genred runs the garbage collector
#' itself. An array cannot be modified, so that copies of it share the memory.
#'
#' `as.matrix()`, `as.array()`, `as.vector()` and `as.numeric()` copy the entries back into R, as
#' doubles (indices as integers). `dim()`, `length()` and `dimnames()` work as for a matrix;
#' arithmetic and `[` are errors. A result of three dimensions (K neighbours of D components) keeps
#' its shape, but operators do not accept it as an argument.
#'
#' An array that was saved and read again (`saveRDS()`), or sent to another process, has lost its
#' entries: it can be printed, but using it is an error. The same holds after a kernel failed on its
#' GPU, because the GPU is then reset.
#'
#' @param x A matrix, data frame or vector of numbers (or a `genred_array`, to change its type or
#'   GPU). A vector of length n is stored as an n x 1 matrix, which can be used as a `Pm(n)`, a
#'   `Vi(1)` or a `Vj(1)`.
#' @param dtype The type in which the entries are stored: `"float64"`, `"float32"`, `"float16"` or
#'   `"bfloat16"`. The last two halve the memory of `"float32"`; computations use the precision of
#'   the operator, see [Genred()]. The default is the option `genred.dtype`, then the environment
#'   variable `GENRED_DTYPE`, then `"float32"`. Entries are rounded, and become infinite if they are
#'   too large for the type. Data far from zero compared with their spread lose digits in all types
#'   but `"float64"`, since an operator can subtract an origin (see [Genred()]) only after they were
#'   rounded; a message of class `genred_message` warns of it.
#' @param device_id The number of the GPU, from 0. The default is the first number in the option
#'   `genred.device`, else in the environment variable `GENRED_DEVICE`, else 0.
#' @return An object of class `"genred_array"`.
#' @section Errors:
#' `genred_error_cuda` if there is no GPU, its memory does not suffice, or the entries are lost;
#' `genred_error_argument` if `x` is not a matrix of numbers.
#' @seealso [Genred()]; [genred_info()] lists the GPUs.
#' @export
#' @examples
#' has_gpu <- nrow(genred_info()$cuda$devices) > 0
#' if (has_gpu) {
#'   op <- Genred("Exp(-SqDist(x,y)) * b", c("x = Vi(3)", "y = Vj(3)", "b = Vj(1)"), axis = 1)
#'   y <- genred_array(matrix(rnorm(3000), 1000))
#'   print(y)
#'   b <- genred_array(rnorm(1000))
#'   x <- matrix(rnorm(300), 100)
#'   a <- op(x, y, b, backend = "GPU")
#'   kept <- op(x, y, b, backend = "GPU", keep = TRUE)
#'   identical(as.matrix(kept), a)
#' }
genred_array <- function(x, dtype = "float32", device_id = 0) {
  call <- brief_call(sys.call(), "genred_array")
  if (missing(x)) stop_genred("argument", "argument `x` is missing", call = call)
  dtypes <- c("float64", "float32", "float16", "bfloat16")
  dtype <- if (missing(dtype)) dtype_setting(dtypes, call) else read_choice(dtype, "dtype", dtypes, call)
  device_id <- if (missing(device_id)) default_device(call) else read_device(device_id, call)
  x <- array_source(x, call)
  if (dtype != "float64") tell_far(x, dtype, call)
  checked(.Call(.ffi_array_new, x$values, x$dim, x$dimnames, dtype, device_id), call)
}

read_device <- function(x, call) {
  if (length(x) == 1L && is_whole(x) && x >= 0 && x < 2^31) return(as.integer(x))
  stop_genred("argument", "`device_id` must be the number of a GPU, which counts from 0; ", given_value(x), call = call)
}

default_device <- function(call) {
  check_session_settings(call)
  ids <- .Call(.ffi_settings_list)$devices
  if (length(ids)) ids[1L] else 0L
}

is_whole <- function(x) is.numeric(x) && !is.object(x) && length(x) > 0L && all(is.finite(x)) && all(x == round(x))

# The entries as doubles, two dimensions, and the names.
array_source <- function(x, call) {
  if (inherits(x, "genred_array")) x <- array_values(x, call)
  refuse <- function(...) {
    hint <- paste0(...)
    stop_genred("argument", "`x` must be a numeric matrix or vector; ", given_value(x),
                if (length(hint) && nzchar(hint)) paste0("\n  ", hint), call = call)
  }
  x <- plain_numbers(x, refuse)
  nd <- length(dim(x))
  if (nd > 2L) refuse("matrix() makes a matrix of an array")
  names <- if (nd == 2L) dimnames(x) else if (!is.null(names(x))) list(names(x), NULL)
  size <- if (nd == 2L) dim(x) else c(length(x), 1)
  if (any(size > .Machine$integer.max)) refuse()
  list(values = as.double(x), dim = as.integer(size), dimnames = unname(names))
}

# Warns if the entries of a column are far from zero compared with their spread: the type then lacks
# the digits in which they differ.
tell_far <- function(x, dtype, call) {
  rows <- unique(round(seq(1, max(1, x$dim[1L]), length.out = 16L)))
  for (k in seq_len(if (x$dim[1L] > 1L) x$dim[2L] else 0L)) {
    column <- x$values[rows + (k - 1) * x$dim[1L]]
    column <- column[is.finite(column)]
    width <- if (length(column) > 1L) max(column) - min(column) else 0
    if (width > 0 && min(abs(column)) > 1000 * width) {
      message_genred("column ", k, " of `x` lies far from zero compared with its spread (around ", format(column[1L], digits = 3),
                     ", ", format(width, digits = 2), " wide): as ", dtype, " it loses digits. Centre it, or use ",
                     "dtype = \"float64\"", call = call)
      return(invisible())
    }
  }
}

# ---- reading it ----------------------------------------------------------------------------------

field <- function(x, name) .subset2(x, name)

# The entries with dimensions and names.
array_values <- function(x, call = NULL) {
  values <- checked(.Call(.ffi_array_get, x), call)
  dim(values) <- field(x, "dim")
  if (!is.null(field(x, "dimnames"))) dimnames(values) <- field(x, "dimnames")
  values
}

#' @export
as.array.genred_array <- function(x, ...) array_values(x, brief_call(sys.call(-1L), "as.array"))

#' @export
as.matrix.genred_array <- function(x, ...) as.matrix(array_values(x, brief_call(sys.call(-1L), "as.matrix")))

#' @export
as.vector.genred_array <- function(x, mode = "any") {
  as.vector(array_values(x, brief_call(sys.call(-1L), "as.vector")), mode)
}

#' @export
as.double.genred_array <- function(x, ...) as.double(array_values(x, brief_call(sys.call(-1L), "as.double")))

#' @export
dim.genred_array <- function(x) field(x, "dim")

#' @export
dimnames.genred_array <- function(x) field(x, "dimnames")

#' @export
length.genred_array <- function(x) {
  n <- prod(field(x, "dim"))
  if (n <= .Machine$integer.max) as.integer(n) else n
}

# ---- what it cannot do ---------------------------------------------------------------------------

stop_on_gpu <- function(what) {
  stop_genred("argument", "`", what, "` does not work on a genred_array, whose entries are on a GPU; ",
              "as.matrix() copies them into R")
}

#' @export
Ops.genred_array <- function(e1, e2) stop_on_gpu(.Generic)

#' @export
Math.genred_array <- function(x, ...) stop_on_gpu(.Generic)

#' @export
Summary.genred_array <- function(..., na.rm = FALSE) stop_on_gpu(.Generic)

#' @export
`[.genred_array` <- function(x, ...) stop_on_gpu("[")

#' @export
`[<-.genred_array` <- function(x, ..., value) stop_on_gpu("[<-")

# ---- printing ------------------------------------------------------------------------------------

entry_bytes <- c(float64 = 8, float32 = 4, float16 = 2, bfloat16 = 2, integer = 4)

array_bytes <- function(x) prod(field(x, "dim")) * entry_bytes[[field(x, "dtype")]]

#' @export
format.genred_array <- function(x, ...) {
  text <- paste0(paste(field(x, "dim"), collapse = " x "), " ", field(x, "dtype"))
  if (!.Call(.ffi_array_alive, x)) return(paste0(text, ", lost: its entries existed only in the session that created it"))
  paste0(text, " on GPU ", field(x, "device_id"), " (", bytes_text(array_bytes(x)), ")")
}

#' @export
print.genred_array <- function(x, ...) {
  cat("<genred_array> ", format(x), "\n", sep = "")
  invisible(x)
}

#' @export
summary.genred_array <- function(object, ...) {
  list(dim = field(object, "dim"), dtype = field(object, "dtype"), device_id = field(object, "device_id"),
       bytes = array_bytes(object), alive = .Call(.ffi_array_alive, object))
}

#' @importFrom utils str
#' @export
str.genred_array <- function(object, ...) {
  cat(" genred_array ", format(object), "\n", sep = "")
}
