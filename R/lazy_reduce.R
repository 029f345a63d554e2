# Reductions of lazy tensors: where numbers come from.

#' Reductions of lazy tensors
#'
#' Without an index, `sum()`, `min()`, `max()`, `range()`, `prod()`, `mean()`, `any()` and `all()`
#' mean what they mean for the M x N matrix. With an index, they reduce over that index only: over
#' `"j"` (one row of results per i), over `"i"` (one row per j), over `"ij"` (one row), or over the
#' components of each pair, `"k"`, which gives a lazy tensor again.
#'
#' @details
#' \describe{
#'   \item{`sum(x, over)`, `prod`, `mean`, `min`, `max`, `range`, `any`, `all`}{as described above;
#'     `range(x, over)` is a list of two matrices}
#'   \item{`argmin(x, over)`, `argmax(x, over)`}{indices, which count from 1}
#'   \item{`kmin(x, k, over)`, `argkmin`, `kmax`, `argkmax`}{the k smallest (largest) values, or
#'     their indices, in order}
#'   \item{`logsumexp(x, over, weight)`}{\eqn{\log \sum \exp(x) w}{log sum exp(x) w}}
#'   \item{`softmax(x, b, over)`}{weights \eqn{\exp(x) / \sum \exp(x)}{exp(x) / sum exp(x)}, times
#'     `b`: attention, Nadaraya-Watson regression}
#'   \item{`reduce(x, op, over, k, weight)`}{any reduction of [Genred()], by its name}
#' }
#' Totals of a tensor with several components need an index: `"k"` for the sum of the components
#' of each pair, `"ij"` for a total of each component.
#'
#' `NaN` in the totals `min(x)`, `max(x)` and `range(x)` makes the result `NaN`, unless `na.rm =
#' TRUE`. All other minima and maxima ignore it; [genred_reductions] says what each reduction does.
#'
#' @param x A lazy tensor.
#' @param over The index that is reduced: `"j"`, `"i"`, `"ij"` or `"k"` (components).
#' @param k The number of values.
#' @param weight,b A lazy tensor, or a vector or matrix with one row per value of the reduced index.
#' @param op The name of a reduction, as in [Genred()].
#' @param ... Arguments of a call of an operator: `backend`, `device_id`, `ranges`, `keep`.
#' @return A matrix with one row per value of the index that is kept, and one column per component;
#'   a number for the totals. With `over = "k"` a lazy tensor.
#' @name lazy_reductions
#' @aliases Summary,LazyTensor-method
#' @seealso [LazyTensor-matrix] for products and row sums, [as_genred()]
#' @examples
#' x <- matrix(rnorm(60), 20, 3)
#' y <- matrix(rnorm(90), 30, 3)
#' D <- sqdist(Vi(x), Vj(y))
#' max(D)
#' range(D, "j")$min[1:3]
#' argkmin(D, 2, "j")[1:3, ]
#' softmax(-D, rnorm(30), "j")[1:3]
#' sum(abs(Vi(x) - Vj(y)), "k")     # a lazy tensor: the L1 distance
NULL

# ---- one reduction -------------------------------------------------------------------------------

read_over <- function(over, choices = c("i", "j", "ij")) {
  if (is.character(over) && length(over) == 1L && over %in% choices) return(over)
  stop_genred("argument", "`over` is the index that is reduced, one of ", quoted(choices), "; ", given_value(over))
}

# Runs a reduction; complex results are complex.
lazy_reduce <- function(x, reduction, over, k = NULL, weight = NULL, settings = list()) {
  check_complex_reduction(x, reduction)
  if (x@type == "complex" && length(x@batch)) stop_genred("argument", "complex tensors have no batches; one by one they have")
  made <- lazy_operator(x, reduction, over, k, weight)
  check_settings(settings)
  out <- do.call(made$op, c(unname(made$data), settings))
  if (x@type == "complex" && is.matrix(out)) complex_of(out) else out
}

check_complex_reduction <- function(x, reduction) {
  if (x@type == "complex" && !reduction %in% c("Sum", "Mean")) {
    stop_genred("argument", "the values of this tensor are complex, which `", reduction, "` does not order or exponentiate; ",
                "Re(), Im() and Mod() make real tensors")
  }
}

check_settings <- function(settings) {
  given <- names(settings) %or% rep("", length(settings))
  odd <- given[!given %in% call_settings]
  if (length(odd)) {
    stop_genred("argument", if (nzchar(odd[1L])) paste0("there is no argument `", odd[1L], "`") else "an argument too many",
                "; the settings of a call are ", paste0("`", call_settings, "`", collapse = ", "))
  }
}

# The functions "k" stands for.
component_reductions <- c(Sum = "component_sum", Min = "component_min", Max = "component_max",
                          ArgMin = "component_argmin", ArgMax = "component_argmax")

reduced <- function(x, what, reduction, over, k = NULL, weight = NULL, settings = list()) {
  check_lazy(x, what)
  over <- read_over(over, c("i", "j", "ij", "k"))
  if (over != "k") return(lazy_reduce(x, reduction, over, k, weight, settings))
  if (!reduction %in% names(component_reductions)) {
    stop_genred("argument", what, "() does not reduce over components; sum, mean, min, max, argmin and argmax do")
  }
  operation(component_reductions[[reduction]], list(x), what = what)
}

#' @rdname lazy_reductions
#' @export
reduce <- function(x, op, over = "j", k = NULL, weight = NULL, ...) {
  reduced(x, "reduce", read_string(op, "op", NULL), over, k, weight, list(...))
}

#' @rdname lazy_reductions
#' @export
argmin <- function(x, over = "j", ...) reduced(x, "argmin", "ArgMin", over, settings = list(...))

#' @rdname lazy_reductions
#' @export
argmax <- function(x, over = "j", ...) reduced(x, "argmax", "ArgMax", over, settings = list(...))

first_values <- function(x, what, reduction, k, over, settings) {
  if (missing(k)) stop_genred("argument", what, "(x, k, over) needs `k`, the number of values")
  reduced(x, what, reduction, over, read_count(k, "k"), settings = settings)
}

#' @rdname lazy_reductions
#' @export
kmin <- function(x, k, over = "j", ...) first_values(x, "kmin", "KMin", k, over, list(...))

#' @rdname lazy_reductions
#' @export
argkmin <- function(x, k, over = "j", ...) first_values(x, "argkmin", "ArgKMin", k, over, list(...))

#' @rdname lazy_reductions
#' @export
kmax <- function(x, k, over = "j", ...) first_values(x, "kmax", "KMax", k, over, list(...))

#' @rdname lazy_reductions
#' @export
argkmax <- function(x, k, over = "j", ...) first_values(x, "argkmax", "ArgKMax", k, over, list(...))

#' @rdname lazy_reductions
#' @export
logsumexp <- function(x, over = "j", weight = NULL, ...) {
  reduced(x, "logsumexp", "LogSumExp", over, weight = weight, settings = list(...))
}

#' @rdname lazy_reductions
#' @export
softmax <- function(x, b, over = "j", ...) {
  if (missing(b)) stop_genred("argument", "softmax(x, b) needs `b`, what the weights are multiplied with")
  reduced(x, "softmax", "SumSoftMaxWeight", over, weight = b, settings = list(...))
}

# ---- R's summaries -------------------------------------------------------------------------------

summary_reductions <- c(sum = "Sum", prod = "Prod", min = "Min", max = "Max", any = "Any", all = "All", mean = "Mean")

setMethod("Summary", "LazyTensor", function(x, ..., na.rm = FALSE) lazy_summary(.Generic, x, list(...), na.rm))

#' @export
mean.LazyTensor <- function(x, ..., na.rm = FALSE) {
  given <- list(...)
  if (identical(named_index(given, "mean"), "k")) return(sum(x, "k") / x@size)
  if (read_flag(na.rm, "na.rm", NULL)) return(sum(x, ..., na.rm = TRUE) / sum(x == x, ...))
  lazy_summary("mean", x, given, FALSE)
}

# sum(x), sum(x, "j"), sum(x, "j", backend = "CPU")
lazy_summary <- function(what, x, given, na.rm) {
  over <- named_index(given, what)
  settings <- given[!(names(given) %or% rep("", length(given))) %in% c("", "over", "index")]
  if (is.null(over)) return(matrix_total(what, x, settings, read_flag(na.rm, "na.rm", NULL)))
  if (na.rm) x <- without_nan(x, what)
  if (what == "range") {
    return(list(min = reduced(x, what, "Min", over, settings = settings), max = reduced(x, what, "Max", over, settings = settings)))
  }
  out <- reduced(x, what, summary_reductions[[what]], over, settings = settings)
  if (what %in% c("any", "all") && is.numeric(out)) storage.mode(out) <- "logical"
  out
}

# The index among the further arguments of a summary, which RKeOps calls `index`; numbers are not
# added to the sum, as base would.
named_index <- function(given, what) {
  names <- names(given) %or% rep("", length(given))
  index <- given[names %in% c("", "over", "index")]
  if (!length(index)) return(NULL)
  if (length(index) > 1L || !is.character(index[[1L]])) {
    stop_genred("argument", what, "() of a lazy tensor takes one tensor and the index that is reduced, \"i\", \"j\", \"ij\" or ",
                "\"k\"", if (what %in% c("min", "max")) paste0("; ", what, "imum(x, y) compares two tensors"), "; ",
                given_value(if (length(index) > 1L) index[[2L]] else index[[1L]]))
  }
  index[[1L]]
}

# What NaN is replaced by where it shall not count.
neutral_values <- c(sum = 0, prod = 1)

without_nan <- function(x, what) {
  # minima and maxima ignore it anyway, conditions never are NaN
  if (!what %in% c("sum", "prod")) return(x)
  operation("choose_sign", list((x == x) - 0.5, x, neutral_values[[what]]), what = what)
}

matrix_total <- function(what, x, settings, na.rm) {
  if (length(x@batch)) {
    stop_genred("argument", what, "(x) of a batch needs an index: \"ij\" for the ", what, " of each element, \"i\" or \"j\"")
  }
  if (x@size > 1L) {
    stop_genred("argument", what, "(x) of a tensor with ", x@size, " components needs an index: \"k\" for the ", what,
                " of the components of each pair (a lazy tensor), \"ij\" for one of each component, \"i\" or \"j\"")
  }
  if (what %in% c("min", "max", "range")) return(extremes(what, x, settings, na.rm))
  if (na.rm) x <- without_nan(x, what)
  out <- lazy_reduce(x, summary_reductions[[what]], "ij", settings = settings)[1L, 1L]
  if (what %in% c("any", "all")) out != 0 else unname(out)
}

# The reduction never chooses NaN; a second component says whether there is one.
extremes <- function(what, x, settings, na.rm) {
  check_complex_reduction(x, what)
  sides <- list(min = list(-x), max = list(x), range = list(-x, x))[[what]]
  values <- c(lazy_reduce(do.call(concat, c(sides, (x != x) * 1)), "Max", "ij", settings = settings))
  if (!na.rm && values[length(values)] > 0) return(rep(NaN, length(values) - 1L))
  switch(what, max = values[1L], min = -values[1L], range = c(-values[1L], values[2L]))
}
