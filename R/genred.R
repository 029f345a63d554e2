# Genred(): from the description of an operator to the function that computes it.

#' Kernel reductions
#'
#' `Genred()` makes a function that evaluates a formula \eqn{F(x_i, y_j, p)} for every pair (i, j) and reduces it over one
#' of the two indices: \eqn{a_i = \sum_j F(x_i, y_j, p)}, or a minimum, an index of a minimum, a log-sum-exp and so on. The
#' M x N array of the values never exists: memory grows with M + N, and the work is done by C code that is generated
#' for the formula, compiled at the first call of some size and kept on disk for later sessions.
#'
#' @section Variables:
#' `aliases` names the variables of the formula, in the order of the arguments of the result:
#' \tabular{lll}{
#'   `"x = Vi(d)"` \tab indexed by i \tab an M x d matrix \cr
#'   `"y = Vj(d)"` \tab indexed by j \tab an N x d matrix \cr
#'   `"p = Pm(d)"` \tab a parameter \tab a vector of length d
#' }
#' With an explicit position, from 0: `"x = Vi(0,3)"`. A variable that the formula does not use still takes its place in
#' the call and fixes M or N. With no `Vi` (`Vj`) at all, M (N) is 1.
#'
#' @section Formula:
#' The language is that of KeOps: operators `+ - * / ** ^ |` (scalar product) and comparisons, numbers, and operations such
#' as `Exp`, `Sqrt`, `SqDist`, `Norm2`, `Concat`, `x[k]` (positions inside formulas count from 0), `x[a:b]`. Lower-case
#' names (`exp`, `sqdist`) mean the same. A reduction can be written in the string, `Sum_Reduction(F, 1)`: its integer is the
#' category of the *result* (0: by i, 1: by j), and a message of class `genred_message` says how it was read.
#' A number that is too large for `dtype`, such as `1e39` in `"float32"`, is an error.
#'
#' @param formula A string (several are joined by newlines), or a one-sided R formula such as
#'   `~ exp(-g * sqdist(x, y)) * b`.
#' @param aliases A character vector or list of strings, `"name = Vi(dim)"`; `c(name = "Vi(dim)")` says the same.
#' @param reduction_op One of `"Sum"`, `"Min"`, `"Max"`, `"ArgMin"`, `"ArgMax"`, `"Min_ArgMin"`, `"Max_ArgMax"`, `"KMin"`,
#'   `"ArgKMin"`, `"KMin_ArgKMin"`, `"LogSumExp"`, `"LogSumExpWeight"`, `"SumSoftMaxWeight"` (also `"SoftMax"`),
#'   `"Max_SumShiftExp"`, `"Max_SumShiftExpWeight"`, `"KMax"`, `"ArgKMax"`, `"KMax_ArgKMax"`, `"Mean"`, `"Var"` (divided by the count less
#'   1), `"Prod"`, and of the condition that the formula is not 0, `"Count"`, `"Any"`, `"All"`. [genred_reductions] defines each.
#' @param axis The index that is reduced: 0 or `"i"` (one row of the result per j), 1 or `"j"` (one row per i), 2 or `"ij"` (both:
#'   one row).
#' @param dtype Precision of the computation, `"float32"` or `"float64"`. The default is the option `genred.dtype`, then the
#'   environment variable `GENRED_DTYPE`, then `"float32"`. The result is a matrix of doubles in any case.
#' @param opt_arg The number K of `"KMin"`, `"KMax"` and their kin, between 1 and 1024.
#' @param formula2 The weight of `"LogSumExpWeight"`, `"SumSoftMaxWeight"` and `"Max_SumShiftExpWeight"`, and optionally of `"LogSumExp"` and
#'   `"Max_SumShiftExp"`: a formula.
#' @param dtype_acc Precision of the accumulators: `"auto"`, `"float32"` or `"float64"`.
#' @param use_double_acc `TRUE` is the same as `dtype_acc = "float64"`.
#' @param sum_scheme How sums are accumulated: `"auto"`, `"direct_sum"`, `"block_sum"` (partial sums of blocks; the error does not
#'   grow with N) or `"kahan_scheme"` (compensated).
#' @param use_fast_math `TRUE` lets kernels for GPUs use functions and divisions of less precision (NVRTC's `--use_fast_math`); the CPU takes no notice. The
#'   default is the option `genred.use_fast_math`, then `GENRED_USE_FAST_MATH`, then `FALSE`.
#'
#' @return A function of class `"Genred"` with one argument per alias, and
#' \describe{
#'   \item{`backend`}{`"auto"`: the option `genred.backend`, then `GENRED_BACKEND`, then an NVIDIA GPU where there is one and the work is worth
#'     the transfer or the data lie there; else a compiled kernel for work that is worth one or where the operator has it already, and the
#'     interpreter for small work before that, or where there is no compiler; the two may differ by rounding.
#'     A GPU that is there and cannot be used is told once, and the CPU computes. `"CPU"`: always a compiled kernel. `"interpreter"`.
#'     `"GPU"`: an NVIDIA GPU, or an error; `"GPU_1D"` and `"GPU_2D"` are the same with the reduced index not split and split over the GPU's
#'     processors, which `"GPU"` decides by the shapes.}
#'   \item{`device_id`}{the number of a GPU, from 0, or several numbers: each takes a part of the rows of the result. -1, the only value for the CPU: the
#'     option `genred.device`, then `GENRED_DEVICE`, then the GPU where the arguments lie, then the first.}
#'   \item{`ranges`}{`NULL`: all pairs. Else blocks of pairs, as the helpers of [genred_ranges] make them: all other pairs are left out.}
#'   \item{`keep`}{`TRUE` leaves the result (or both of them) on the GPU, as a [genred_array()] in the precision of the operator, indices as integers.
#'     With several GPUs it lies on the first.}
#' }
#' Arguments are matrices of doubles, integers or logicals, data frames of such columns, [genred_array()]s, or plain vectors for a `Pm` and for a
#' variable of dimension 1. `NA` in integers and logicals becomes `NA_real_`. Anything else is refused, never converted silently.
#'
#' The function returns a matrix with one row per i (`axis = 1`) or per j (`axis = 0`) and one column per component of the
#' formula (per neighbour for `"KMin"` and its kin, where a formula of D > 1 components gives an array rows x K x D). Row names
#' come from the first argument of that index which has some. Indices are integers that count from 1; ties go to the
#' lowest, and `NA` stands where there is none. Reductions to a value and an index return `list(value =, index =)`.
#' `NaN` and `Inf` follow IEEE arithmetic in sums; minima and maxima ignore `NaN`. An empty reduction is 0 for sums, 1 for products, `NaN` for
#' means, `Inf` for minima, `-Inf` for maxima and log-sum-exps, `NA` for indices. [genred_reductions] says this for each reduction.
#'
#' The function holds plain data only: [saveRDS()], clusters and forks carry it, and its kernel is found or built on the
#' other side. Ctrl-C stops a computation with R's `interrupt` condition.
#'
#' @section Single precision:
#' With `dtype = "float32"` arguments are rounded to about 7 digits. Data that lie far from zero, such as coordinates of a map in metres
#' or seconds since 1970, would lose the digits that tell points apart. Where the formula reads some variables only through their
#' differences (`SqDist(X,Y)`, `X - Y`, `(X - Y) / S`, weighted distances, their derivatives), genred therefore subtracts a common origin from
#' all of them, in double precision, before it rounds. It does so, column by column, where *all* values are at least eight times as large as
#' they are apart; elsewhere there is detail near zero that an origin would destroy. Where only *most* values lie far from zero (a few
#' rows of zeros or -9999 among coordinates), a message of class `genred_message` tells it, once. Formulas that depend on the place itself, such
#' as the scalar product `X|Y`, a squared distance written as `X|X + Y|Y - 2*(X|Y)`, or means of the variable as in a mean shift
#' (`formula2 = "Y"`; `"Y - X"` is invariant), get no such help: centre the data, or use `"float64"`.
#'
#' Numbers below about 1e-45 are 0 in single precision: `1 / Sqrt(SqDist(X,Y) + 1e-50)` is infinite at equal points, and `Exp(-SqDist(X,Y) / (2 * S^2))` is `NaN`
#' there for an S below 1e-23. A number in the formula that is too large for the precision (`1e39`) is an error.
#'
#' @section Errors:
#' `genred_error_parse` and `genred_error_dimension` for the formula and the aliases, with the place marked;
#' `genred_error_argument` for the other arguments and for those of a call; `genred_error_compiler`, `genred_error_cuda`, `genred_error_memory`.
#' See [genred_error].
#'
#' @section GPUs:
#' genred opens the NVIDIA driver and NVRTC, the compiler for its kernels (CUDA 11.2 or newer), when a GPU is asked for; nothing of CUDA is needed to install
#' or to load it. [genred_info()] shows what is found. The driver is looked for under its usual names (`libcuda.so.1`, `nvcuda.dll`); NVRTC
#' too, then under `CUDA_PATH`, `CUDA_HOME`, `CONDA_PREFIX` and `/usr/local/cuda*`, and among the packages of the Python on the path (`nvidia-cuda-nvrtc`). The environment
#' variables `GENRED_CUDA_DRIVER` and `GENRED_NVRTC` name one library each. All operations and reductions run there, in `"float32"` and `"float64"`. Data that
#' do not fit into the memory of a GPU go through it in blocks. A forked process cannot use a GPU that its parent has used.
#'
#' @seealso [genred_reductions] for what each reduction computes, [genred_operations()] for the operations of formulas, [genred_array()] for data that stay on a GPU, [genred_source()] for the generated code, [genred_options] for compiler, cache and threads,
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
#' nearest <- Genred(~ sqdist(x, y), c(x = "Vi(3)", y = "Vj(3)"), "ArgKMin", axis = "j", opt_arg = 3)
#' head(nearest(x, y))
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

# Errors show `Genred("the formula", ...)`.
genred_call <- function(call) {
  brief <- brief_call(call[seq_len(min(2L, length(call)))], "Genred")
  if (length(call) > 2L) brief[[3L]] <- quote(...)
  brief
}

new_operator <- function(given, call) {
  spec <- read_spec(given, call)
  checked(.Call(.ffi_make, spec), call)
  info <- checked(.Call(.ffi_describe, spec), call)
  check_argument_names(info$args$name, call)
  if (!is.null(info$result$note)) message_genred(info$result$note, call = call)
  operator_function(spec, info$args$name)
}

# ---- the specification: plain data, in the order that src/ffi.h names ------------------------------------------------

read_spec <- function(given, call) {
  spec <- list(
    key = "",
    formula = read_formula(given$formula, "formula", call),
    formula2 = if (!is.null(given$formula2)) read_formula(given$formula2, "formula2", call),
    aliases = read_aliases(given$aliases, call),
    reduction = if (!is.null(given$reduction_op)) read_string(given$reduction_op, "reduction_op", call),
    axis = read_axis(given$axis, call),
    opt_arg = read_opt_arg(given$opt_arg, call),
    dtype = read_choice(given$dtype %or% setting("dtype", "float32"), "dtype", c("float32", "float64"), call),
    dtype_acc = read_choice(given$dtype_acc, "dtype_acc", c("auto", "float32", "float64"), call),
    double_acc = read_flag(given$use_double_acc, "use_double_acc", call),
    scheme = read_choice(given$sum_scheme, "sum_scheme",
                         c("auto", "direct_sum", "block_sum", "kahan_scheme"), call),
    fast_math = read_flag(given$use_fast_math %or% setting_flag("use_fast_math") %or% FALSE, "use_fast_math", call)
  )
  with_key(spec)
}

# The key is what programs are found by.
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

# c("x = Vi(3)"), list("x = Vi(3)"), c(x = "Vi(3)")
read_aliases <- function(x, call) {
  fits <- (is.character(x) || is.list(x)) && length(x) <= 1000L
  if (!fits || !all(vapply(x, function(a) is.character(a) && length(a) == 1L && !is.na(a), NA))) {
    if (length(x) > 1000L && (is.character(x) || is.list(x))) {
      stop_genred("argument", "there can be 1000 aliases at most; ", length(x), " were given", call = call)
    }
    stop_genred("argument", "`aliases` must be strings such as \"x = Vi(3)\"; ",
                if (is.list(x)) "the list has something else" else given_value(x), call = call)
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
  stop_genred("argument", "`axis` must be 0 or \"i\" (reduce over i), 1 or \"j\" (over j), or 2 or \"ij\" (over both); ", given_value(x),
              call = call)
}

read_opt_arg <- function(x, call) {
  if (is.null(x)) return(NULL)
  whole <- is.numeric(x) && length(x) == 1L && is.finite(x) && x == round(x) && abs(x) < 2^31
  if (!whole) {
    stop_genred("argument", "`opt_arg` must be NULL or a whole number, the K of KMin; ", given_value(x), call = call)
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

read_flag <- function(x, what, call) {
  if (is.logical(x) && length(x) == 1L && !is.na(x)) return(x[[1L]])
  stop_genred("argument", "`", what, "` must be TRUE or FALSE; ", given_value(x), call = call)
}

quoted <- function(x) paste0('"', x, '"', collapse = ", ")

# ---- the function ------------------------------------------------------------------------------------------------------

call_settings <- c("backend", "device_id", "ranges", "keep")

# Their defaults, in this order.
call_defaults <- list("auto", -1, NULL, FALSE)

# The names that operator_body() uses; an alias of the same name would hide them.
body_names <- c(".spec", ".External", ".ffi_call", ".finish", ".absent", ".refuse_absent", ".plan", ".values", ".settings",
                ".run_plan", ".run_selection", ".need_arguments")

check_argument_names <- function(names, call) {
  dots <- grep("^[.][.]([.]|[0-9]+)$", names, value = TRUE)
  if (length(dots)) {
    stop_genred("argument", "an alias cannot be called `", dots[1L], "`: in R this stands for further arguments of a function", call = call)
  }
  clash <- intersect(names, c(call_settings, body_names))
  if (length(clash)) {
    why <- if (clash[1L] %in% call_settings) "the name of a setting of every call" else "a name that genred needs itself"
    stop_genred("argument", "an alias cannot be called `", clash[1L], "`: this is ", why, call = call)
  }
  twice <- names[duplicated(names)]
  if (length(twice)) stop_genred("argument", "two arguments are called `", twice[1L], "`", call = call)
}

operator_function <- function(spec, names) {
  args <- c(rep(list(quote(expr = )), length(names)), call_defaults)
  names(args) <- c(names, call_settings)
  env <- new.env(parent = topenv())
  env$.spec <- spec
  structure(as.function(c(args, list(operator_body(names))), envir = env), class = c("Genred", "function"))
}

# No alias can hide a name in the body: see check_argument_names().
operator_body <- function(names) {
  symbols <- lapply(names, as.name)
  run <- as.call(c(quote(.External), quote(.ffi_call), quote(.spec), lapply(call_settings, as.name), symbols))
  finish <- call(".finish", run)
  if (!length(names)) return(finish)
  absent <- any_of(lapply(symbols, function(s) call(".absent", s)))
  call("{", call("&&", absent, quote(.refuse_absent())), finish)
}

# a || b || ..., as a balanced tree: a thousand arguments nest ten deep
any_of <- function(calls) {
  n <- length(calls)
  if (n == 1L) return(calls[[1L]])
  half <- seq_len(n %/% 2L)
  call("||", any_of(calls[half]), any_of(calls[-half]))
}

# What an operator from elsewhere lacks, its body finds here, and is refused as any other specification that is none.
.spec <- .plan <- NULL

operator_spec <- function(op) {
  spec <- if (is.function(op)) environment(op)$.spec
  checked(.Call(.ffi_spec, spec))
  if (!identical(names(spec), spec_fields)) stop_genred("argument", "this is no operator as Genred() makes it: the fields of its specification have no names, or others")
  spec
}

spec_fields <- c("key", "formula", "formula2", "aliases", "reduction", "axis", "opt_arg", "dtype", "dtype_acc", "double_acc", "scheme", "fast_math")

operator_info <- function(op) checked(.Call(.ffi_describe, operator_spec(op)))
