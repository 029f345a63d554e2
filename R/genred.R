# Genred(): from the description of an operator to the function that computes it.

#' Kernel reductions
#'
#' `Genred()` returns a function that evaluates a formula \eqn{F(x_i, y_j, p)} for all pairs (i, j)
#' and reduces the values over one of the two indices: a sum \eqn{a_i = \sum_j F(x_i, y_j, p)}, a
#' minimum, the index of a minimum, a log-sum-exp and so on. The M x N matrix of the values is never
#' stored, so that memory grows with M + N. The work is done by C code that is generated for the
#' formula, compiled when it is first needed and kept on disk for later sessions.
#'
#' @section Variables:
#' `aliases` declares the variables of the formula, in the order of the arguments of the result:
#' \tabular{lll}{
#'   `"x = Vi(d)"` \tab indexed by i \tab an M x d matrix \cr
#'   `"y = Vj(d)"` \tab indexed by j \tab an N x d matrix \cr
#'   `"p = Pm(d)"` \tab a parameter \tab a vector of length d \cr
#'   `"c = Mij(d)"` \tab a value for each pair \tab an M x N matrix (d = 1) or M x N x d array
#' }
#' A position, counted from 0, may be given explicitly: `"x = Vi(0,3)"`. A variable that the formula
#' does not use is still an argument of the result, and still determines M or N. Without any `Vi` or
#' `Mij`, M is 1; without any `Vj` or `Mij`, N is 1.
#'
#' A `Mij` is a cost matrix, a mask, an additive bias, the weights of a graph: an array that exists,
#' and is read once, where its pairs are computed. It is not copied or converted as a whole. With
#' `ranges`, only the pairs that are kept are read.
#'
#' A dimension that is left out, `"x = Vi"`, is taken from the argument at each call: the number
#' of columns of a `Vi` or `Vj` (1 for a vector), the length of a `Pm` (where a matrix of one row
#' stands for a vector, so that a batch of single numbers needs `Pm(1)`), and the third dimension of
#' a `Mij` (1 for a matrix). The operator then stands for a family: for each choice of dimensions a
#' kernel is compiled once, and results are exactly those of the operator that declares these
#' dimensions. `Genred()` checks the syntax and the names of the formula; dimensions that do not
#' match are an error of the call, which says what they were. Variables given by position inside a
#' formula need their dimension.
#'
#' @section Batches:
#' One call computes many problems of one shape, the elements of a batch. Their number is given by
#' further dimensions of the arguments, which come *last*: a `Vi` is an array M x d x B1 x B2 x
#' ..., a `Vj` N x d x B1 x ..., a `Pm` d x B1 x ..., and a `Mij` M x N x B1 x ... (M x N x d x B1
#' x ... if d > 1). In each of these dimensions, the size of an argument is that of the batch, or 1
#' if all elements share the argument; dimensions that an argument lacks count as 1. So a matrix or
#' a vector is the same for all elements. There can be 16 such dimensions.
#'
#' The result has the dimensions of one element, as below, and then one for each dimension that the
#' longest argument has, with its size: for a sum, M x D x B1 x B2 x ... A reduction over both
#' indices gives a vector for each element, D x B1 x ..., which is a `Pm` of a further call. Indices
#' count within the element. `a[, , k]` is what a call with the elements number k gives.
#'
#' A matrix of one column, or of one row that has as many numbers as the parameter, is a vector for
#' a `Pm`, and no batch. `ranges` are the same for all elements. Data frames and [genred_array()]s
#' cannot be batches, nor take part in one, and `keep = TRUE` is not possible.
#'
#' PyKeOps has the dimensions of batches first. `aperm(x, c(2, 3, 1))` makes M x d x B of an array
#' B x M x d, and `aperm(a, c(3, 1, 2))` turns a result back.
#'
#' @section Formula:
#' The language is that of KeOps: the operators `+ - * / ** ^`, `|` (scalar product) and
#' comparisons, numbers, and operations such as `Exp`, `Sqrt`, `SqDist`, `Norm2`, `Concat`, `x[k]`
#' and `x[a:b]` (positions inside formulas count from 0). Names in lower case (`exp`, `sqdist`) mean
#' the same. `IndexI()`, `IndexJ()`, `IndexDiff()` and `Rand(seed)` are the numbers of row and
#' column, their difference, and a random number ([genred_operations()]).
#'
#' A string may also contain the reduction, as in `Sum_Reduction(F, 1)`. Its integer is the category
#' of the *result* (0: one row per i, 1: one row per j); a message of class `genred_message` reports
#' how the string was interpreted.
#'
#' @param formula A string (several are joined by newlines), or a one-sided R formula such as
#'   `~ exp(-g * sqdist(x, y)) * b`.
#' @param aliases A character vector or list of strings such as `"x = Vi(3)"` or `"x = Vi"`, or
#'   equivalently a named one such as `c(x = "Vi(3)")`.
#' @param reduction_op One of `"Sum"`, `"Min"`, `"Max"`, `"ArgMin"`, `"ArgMax"`, `"Min_ArgMin"`,
#'   `"Max_ArgMax"`, `"KMin"`, `"ArgKMin"`, `"KMin_ArgKMin"`, `"KMax"`, `"ArgKMax"`,
#'   `"KMax_ArgKMax"`, `"LogSumExp"`, `"LogSumExpWeight"`, `"SumSoftMaxWeight"` (or `"SoftMax"`),
#'   `"Max_SumShiftExp"`, `"Max_SumShiftExpWeight"`, `"Mean"`, `"Var"` (the sample variance),
#'   `"Prod"`, `"Count"` (how often the formula is not 0), `"Any"` and `"All"` (whether it is ever,
#'   or always, different from 0). [genred_reductions] defines each of them.
#' @param axis The index that is reduced: 0 or `"i"` (the result has one row per j), 1 or `"j"` (one
#'   row per i), 2 or `"ij"` (both; one row).
#' @param dtype Precision of the computation, `"float32"` or `"float64"`. The default is the option
#'   `genred.dtype`, then the environment variable `GENRED_DTYPE`, then `"float32"`. The result is a
#'   matrix of doubles in either case.
#' @param opt_arg The number K of values for `"KMin"`, `"ArgKMin"`, `"KMin_ArgKMin"` and their
#'   counterparts for maxima, between 1 and 1024.
#' @param formula2 The weight, a formula. Required for `"LogSumExpWeight"`, `"SumSoftMaxWeight"` and
#'   `"Max_SumShiftExpWeight"`; optional for `"LogSumExp"` and `"Max_SumShiftExp"`.
#' @param dtype_acc Precision of the accumulators: `"auto"`, `"float32"` or `"float64"`.
#' @param use_double_acc `TRUE` is the same as `dtype_acc = "float64"`.
#' @param sum_scheme How sums are accumulated: `"auto"`, `"direct_sum"`, `"block_sum"` (partial sums
#'   of blocks, so that the rounding error does not grow with N) or `"kahan_scheme"` (compensated
#'   summation).
#' @param use_fast_math `TRUE` allows less accurate functions and divisions in kernels for GPUs
#'   (NVRTC's `--use_fast_math`); it has no effect on the CPU. The default is the option
#'   `genred.use_fast_math`, then the environment variable `GENRED_USE_FAST_MATH`, then `FALSE`.
#'
#' @return A function of class `"Genred"`. It has one argument per alias, and these:
#' \describe{
#'   \item{`backend`}{Where to compute. `"CPU"`: a compiled kernel. `"interpreter"`: a slow
#'     evaluator that needs no compiler. `"GPU"`: an NVIDIA GPU, or an error; `"GPU_1D"` and
#'     `"GPU_2D"` additionally fix whether the reduced index is split over the multiprocessors of
#'     the GPU (it is in `"GPU_2D"`), which `"GPU"` decides from the shapes. `"auto"`, the default,
#'     means the option `genred.backend`, then the environment variable `GENRED_BACKEND`; the
#'     section on the automatic choice below says what happens if neither is set.}
#'   \item{`device_id`}{The number of a GPU, from 0, or several numbers, in which case each GPU
#'     computes a part of the rows of the result. The default, -1, means the option `genred.device`,
#'     then the environment variable `GENRED_DEVICE`, then the GPU that holds the arguments, then
#'     the first. It is the only value allowed for the CPU.}
#'   \item{`ranges`}{`NULL` for all pairs, or the blocks of pairs that are kept, as the helpers of
#'     [genred_ranges] make them; all other pairs are left out.}
#'   \item{`keep`}{`TRUE` leaves the result (or both results) on the GPU as a [genred_array()] in
#'     the precision of the operator, with indices as integers. With several GPUs it lies on the
#'     first.}
#' }
#' Arguments are matrices of doubles, integers or logicals, data frames with such columns, or
#' [genred_array()]s; a `Pm`, or a `Vi` or `Vj` of dimension 1, may be a plain vector. Arrays of
#' more dimensions are batches. `NA` in integers and logicals becomes `NA_real_`. Anything else is
#' an error; nothing is converted silently.
#'
#' The function returns a matrix with one row per i (`axis = 1`) or per j (`axis = 0`) and one
#' column per component of the formula. For `"KMin"` and the other K-fold reductions there is one
#' column per neighbour, or an array rows x K x D if the formula has D > 1 components. Reductions to
#' a value and an index return `list(value =, index =)`. Row names are those of the first argument
#' of that index which has any; the names along a dimension of a batch are those of the first
#' argument that has any. Indices are integers that count from 1; the lowest index wins ties,
#' and an index that does not exist is `NA`.
#'
#' `NaN` and `Inf` follow IEEE 754 arithmetic in sums; minima and maxima ignore `NaN`. An empty
#' reduction is 0 for sums, 1 for products, `NaN` for means, `Inf` for minima, `-Inf` for maxima and
#' log-sum-exps, and `NA` for indices. [genred_reductions] gives the details for each reduction.
#'
#' The function contains plain data only, so that it can be saved with [saveRDS()] and sent to
#' cluster workers or forked processes; its kernel is found or compiled there. Ctrl-C stops a
#' computation with R's `interrupt` condition.
#'
#' @section Automatic choice of the backend:
#' With `backend = "auto"` a GPU is used if there is one and either the data lie there or the work
#' is worth the transfer. Otherwise the CPU uses a compiled kernel, with two exceptions: the
#' interpreter does small work for which no kernel has been compiled yet, and all work if there is
#' no compiler. The results of interpreter and kernel may differ by rounding. If a GPU is present
#' but cannot be used, the CPU computes, and a message says so once per session.
#'
#' @section Single precision:
#' With `dtype = "float32"` arguments are rounded to about 7 digits. Data far from zero, such as map
#' coordinates in metres or seconds since 1970, would lose the digits in which they differ. If the
#' formula uses some variables only through their differences (`SqDist(X,Y)`, `X - Y`,
#' `(X - Y) / S`, weighted distances, and derivatives of these), genred therefore subtracts a common
#' origin from all of them, in double precision, before it rounds. It decides this column by column,
#' and does so if *all* values are at least eight times as large as the distance between the
#' smallest and the largest; otherwise an origin would destroy detail near zero. If only *most*
#' values are far from zero (a few rows of zeros or -9999 among coordinates), a message of class
#' `genred_message` says so once.
#'
#' Formulas that depend on the position itself get no such help: the scalar product `X|Y`, a squared
#' distance written as `X|X + Y|Y - 2*(X|Y)`, or the mean of the variable as in a mean shift
#' (`formula2 = "Y"`; `"Y - X"` is invariant). Centre the data, or use `"float64"`.
#'
#' Numbers below about 1e-45 are 0 in single precision. At equal points
#' `1 / Sqrt(SqDist(X,Y) + 1e-50)` is therefore infinite, and `Exp(-SqDist(X,Y) / (2 * S^2))` is
#' `NaN` for S below 1e-23. A number in the formula that is too large for the precision, such as
#' `1e39`, is an error.
#'
#' @section Errors:
#' `genred_error_parse` and `genred_error_dimension`, for the formula and the aliases, show the
#' position of the error; a call raises them if it determines dimensions. `genred_error_argument`
#' concerns the other arguments, and those of a call. Calls can also raise
#' `genred_error_compiler`, `genred_error_cuda` and `genred_error_memory`. See [genred_error].
#'
#' @section GPUs:
#' All operations and reductions run on NVIDIA GPUs, in `"float32"` and `"float64"`. Installing and
#' loading genred requires nothing of CUDA: the NVIDIA driver and NVRTC, CUDA's run-time compiler
#' (version 11.2 or newer), are opened when a GPU is first used. [genred_info()] shows what was
#' found.
#'
#' The driver is looked up under its usual names (`libcuda.so.1`, `nvcuda.dll`). NVRTC is looked up
#' likewise, then under `CUDA_PATH`, `CUDA_HOME`, `CONDA_PREFIX` and `/usr/local/cuda*`, and among
#' the packages of the Python on the `PATH` (`nvidia-cuda-nvrtc`). The environment variables
#' `GENRED_CUDA_DRIVER` and `GENRED_NVRTC` name a specific library instead.
#'
#' Data that do not fit into the memory of the GPU are processed in blocks. A forked process cannot
#' use a GPU that its parent has used.
#'
#' @seealso [genred_reductions] for what each reduction computes, [genred_operations()] for the
#'   operations of formulas, [genred_grad()] for gradients, [genred_ranges] for block-sparse calls,
#'   [genred_partial()] for data in pieces, [genred_array()] for data that stay on a GPU,
#'   [genred_source()] for the generated code, [genred_options] for compiler, cache and threads,
#'   [print.Genred()] for the methods.
#' @export
#' @examples
#' # Gaussian kernel matrix times two signals: a_i = sum_j exp(-g |x_i - y_j|^2) b_j
#' gaussian_conv <- Genred("Exp(-G * SqDist(X,Y)) * B",
#'                         c("G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"), axis = 1)
#' gaussian_conv
#' x <- matrix(rnorm(60), 20, 3)
#' y <- matrix(rnorm(90), 30, 3)
#' b <- matrix(rnorm(60), 30, 2)
#' a <- gaussian_conv(0.5, x, y, b)
#' dim(a)
#'
#' # the same with base R, which needs the 20 x 30 matrix
#' d2 <- outer(rowSums(x^2), rowSums(y^2), "+") - 2 * x %*% t(y)
#' max(abs(a - exp(-0.5 * d2) %*% b))
#'
#' # the 3 nearest rows of y for each row of x, from an R formula
#' nearest <- Genred(~ sqdist(x, y), c(x = "Vi(3)", y = "Vj(3)"), "ArgKMin", axis = "j",
#'                   opt_arg = 3)
#' head(nearest(x, y))
#'
#' # the same for points of any dimension
#' nearest <- Genred(~ sqdist(x, y), c(x = "Vi", y = "Vj"), "ArgKMin", axis = "j", opt_arg = 3)
#' head(nearest(x, y))
#' head(nearest(x[, 1:2], y[, 1:2]))
#'
#' # a batch: 4 sets of points x against the same y, with 3 bandwidths each
#' x <- array(rnorm(240), c(20, 3, 4))
#' g <- array(c(0.1, 0.5, 1), c(1, 1, 3))
#' a <- gaussian_conv(g, x, y, b)
#' dim(a)
#' max(abs(a[, , 4, 2] - gaussian_conv(0.5, x[, , 4], y, b)))
Genred <- function(formula, aliases, reduction_op = "Sum", axis = 0, dtype = "float32", opt_arg = NULL,
                   formula2 = NULL, dtype_acc = "auto", use_double_acc = FALSE, sum_scheme = "auto",
                   use_fast_math = FALSE) {
  call <- genred_call(sys.call())
  if (missing(formula)) stop_genred("argument", "argument `formula` is missing", call = call)
  if (missing(aliases)) stop_genred("argument", "argument `aliases` is missing", call = call)
  if (missing(reduction_op)) reduction_op <- NULL
  if (missing(axis)) axis <- NULL
  if (missing(dtype)) dtype <- NULL
  if (missing(use_fast_math)) use_fast_math <- NULL
  new_operator(list(
    formula = formula, aliases = aliases, reduction_op = reduction_op, axis = axis, dtype = dtype, opt_arg = opt_arg,
    formula2 = formula2, dtype_acc = dtype_acc, use_double_acc = use_double_acc, sum_scheme = sum_scheme,
    use_fast_math = use_fast_math
  ), call)
}

# The call as errors show it: `Genred("the formula", ...)`.
genred_call <- function(call) {
  brief <- brief_call(call[seq_len(min(2L, length(call)))], "Genred")
  if (length(call) > 2L) brief[[3L]] <- quote(...)
  brief
}

# by: of a gradient, the name, category and dimension of the variable (R/batches.R).
new_operator <- function(given, call, by = NULL) {
  spec <- read_spec(given, call)
  checked(.Call(.ffi_make, spec), call)
  info <- checked(.Call(.ffi_describe, spec), call)
  check_argument_names(info$args$name, call)
  if (!is.null(info$result$note)) message_genred(info$result$note, call = call)
  operator_function(spec, info$args$name, by)
}

# ---- the specification: plain data, in the order of the SPEC_ enumeration in src/ffi.h -----------

read_spec <- function(given, call) {
  spec <- list(
    key = "",
    formula = read_formula(given$formula, "formula", call),
    formula2 = if (!is.null(given$formula2)) read_formula(given$formula2, "formula2", call),
    aliases = read_aliases(given$aliases, call),
    reduction = if (!is.null(given$reduction_op)) read_string(given$reduction_op, "reduction_op", call),
    axis = read_axis(given$axis, call),
    opt_arg = read_opt_arg(given$opt_arg, call),
    dtype = read_dtype(given$dtype, call),
    dtype_acc = read_choice(given$dtype_acc, "dtype_acc", c("auto", "float32", "float64"), call),
    double_acc = read_flag(given$use_double_acc, "use_double_acc", call),
    scheme = read_choice(given$sum_scheme, "sum_scheme",
                         c("auto", "direct_sum", "block_sum", "kahan_scheme"), call),
    fast_math = read_flag(given$use_fast_math %or% setting_flag("use_fast_math", call) %or% FALSE, "use_fast_math", call)
  )
  with_key(spec)
}

# Native programs are looked up by the key, a string made of all other fields.
with_key <- function(spec) {
  spec$key <- checked(.Call(.ffi_key, spec))
  spec
}

`%or%` <- function(a, b) if (is.null(a)) b else a

read_formula <- function(x, what, call) {
  if (inherits(x, "formula")) return(formula_text(x, what, call))
  if (!is.character(x) || length(x) == 0L || anyNA(x)) {
    stop_genred("argument", "`", what, "` must be a string or a one-sided formula; ", given_value(x), call = call)
  }
  enc2utf8(paste(x, collapse = "\n"))
}

# Accepts c("x = Vi(3)"), list("x = Vi(3)") and c(x = "Vi(3)").
read_aliases <- function(x, call) {
  fits <- (is.character(x) || is.list(x)) && length(x) <= 1000L
  if (!fits || !all(vapply(x, function(a) is.character(a) && length(a) == 1L && !is.na(a), NA))) {
    if (length(x) > 1000L && (is.character(x) || is.list(x))) {
      stop_genred("argument", "there can be at most 1000 aliases; ", length(x), " were given", call = call)
    }
    stop_genred("argument", "`aliases` must be strings such as \"x = Vi(3)\"; ",
                if (is.list(x)) "an element of the list is not a string" else given_value(x), call = call)
  }
  text <- as.character(unlist(x))
  name <- names(x) %or% rep("", length(x))
  bare <- nzchar(name) & !grepl("=", text, fixed = TRUE)
  text[bare] <- paste(name[bare], "=", text[bare])
  enc2utf8(text)
}

read_axis <- function(x, call) {
  if (is.null(x)) return(-1L)
  if (is.character(x) && length(x) == 1L && x %in% c("i", "j", "ij")) return(match(x, c("i", "j", "ij")) - 1L)
  if (is.numeric(x) && length(x) == 1L && x %in% 0:2) return(as.integer(x))
  stop_genred("argument", "`axis` must be 0 or \"i\" (reduce over i), 1 or \"j\" (over j), or 2 or \"ij\" ",
              "(over both); ", given_value(x), call = call)
}

read_opt_arg <- function(x, call) {
  if (is.null(x)) return(NULL)
  whole <- is.numeric(x) && length(x) == 1L && is.finite(x) && x == round(x) && abs(x) < 2^31
  if (!whole) {
    stop_genred("argument", "`opt_arg` must be NULL, or a whole number (the K of KMin); ", given_value(x), call = call)
  }
  as.integer(x)
}

read_string <- function(x, what, call) {
  if (is.character(x) && length(x) == 1L && !is.na(x)) return(enc2utf8(x[[1L]]))
  stop_genred("argument", "`", what, "` must be a string; ", given_value(x), call = call)
}

read_choice <- function(x, what, choices, call) {
  if (is.character(x) && length(x) == 1L && x %in% choices) return(x[[1L]])
  stop_genred("argument", "`", what, "` must be one of ", quoted(choices), "; ", given_value(x), call = call)
}

read_dtype <- function(x, call) {
  choices <- c("float32", "float64")
  if (is.null(x)) dtype_setting(choices, call) else read_choice(x, "dtype", choices, call)
}

read_flag <- function(x, what, call) {
  if (is.logical(x) && length(x) == 1L && !is.na(x)) return(x[[1L]])
  stop_genred("argument", "`", what, "` must be TRUE or FALSE; ", given_value(x), call = call)
}

quoted <- function(x) paste0('"', x, '"', collapse = ", ")

# ---- the function --------------------------------------------------------------------------------

call_settings <- c("backend", "device_id", "ranges", "keep")

# Their default values, in the same order.
call_defaults <- list("auto", -1, NULL, FALSE)

# The names that operator_body() uses.  An alias with one of these names would mask it.
body_names <- c(".spec", ".External", ".ffi_call", ".finish", ".absent", ".refuse_absent", ".plan", ".values", ".settings",
                ".run_plan", ".run_map", ".run_selection", ".need_arguments", ".value", ".like", ".by")

check_argument_names <- function(names, call) {
  dots <- grep("^[.][.]([.]|[0-9]+)$", names, value = TRUE)
  if (length(dots)) {
    stop_genred("argument", "an alias cannot be called `", dots[1L], "`: R reserves this name for the variable arguments ",
                "of a function", call = call)
  }
  clash <- intersect(names, c(call_settings, body_names))
  if (length(clash)) {
    why <- if (clash[1L] %in% call_settings) "every operator has an argument of this name" else "genred uses this name internally"
    stop_genred("argument", "an alias cannot be called `", clash[1L], "`: ", why, call = call)
  }
  twice <- names[duplicated(names)]
  if (length(twice)) stop_genred("argument", "two arguments are called `", twice[1L], "`", call = call)
}

operator_function <- function(spec, names, by = NULL) {
  args <- c(rep(list(quote(expr = )), length(names)), call_defaults)
  names(args) <- c(names, call_settings)
  env <- new.env(parent = topenv())
  env$.spec <- spec
  if (!is.null(by)) env$.by <- by
  structure(as.function(c(args, list(operator_body(names, by))), envir = env), class = c("Genred", "function"))
}

# No alias can mask a name that the body uses: see check_argument_names().
operator_body <- function(names, by) {
  symbols <- lapply(names, as.name)
  run <- as.call(c(quote(.External), quote(.ffi_call), quote(.spec), lapply(call_settings, as.name), symbols))
  finish <- call(".finish", run)
  if (!length(names)) return(finish)
  absent <- any_of(lapply(symbols, function(s) call(".absent", s)))
  body <- call("{", call("&&", absent, quote(.refuse_absent())), finish)
  if (is.null(by)) return(body)
  body[[3L]] <- call("<-", quote(.value), finish)
  body[[4L]] <- call(".like", quote(.value), as.name(by$name), quote(.by))
  body
}

# a || b || ..., as a balanced tree, so that a thousand arguments are nested only ten levels deep.
any_of <- function(calls) {
  n <- length(calls)
  if (n == 1L) return(calls[[1L]])
  half <- seq_len(n %/% 2L)
  call("||", any_of(calls[half]), any_of(calls[-half]))
}

# An operator whose environment lacks these (a file may contain anything) finds NULL here, which is
# rejected like any other invalid specification.
.spec <- .plan <- .by <- NULL

operator_spec <- function(op) {
  spec <- if (is.function(op)) environment(op)$.spec
  checked(.Call(.ffi_spec, spec))
  if (!identical(names(spec), spec_fields)) {
    stop_genred("argument", "this is not a valid operator of Genred(): the fields of its specification have wrong names, or none")
  }
  spec
}

spec_fields <- c("key", "formula", "formula2", "aliases", "reduction", "axis", "opt_arg", "dtype", "dtype_acc",
                 "double_acc", "scheme", "fast_math")

operator_info <- function(op) checked(.Call(.ffi_describe, operator_spec(op)))
