# Methods of operators.

#' Methods for operators
#'
#' `print()` shows an operator as one line of mathematics, with the shapes of its arguments and its
#' result, its precision and how it was last run. `summary()` adds the graph of operations and the
#' plan of the computation. `format()` returns the line of mathematics, `as.character()` the formula
#' as a string, and `formula()` a one-sided R formula (with a string after the `~` if R would parse
#' the text differently). `update()` returns a new operator with some arguments of [Genred()]
#' changed.
#'
#' @param x,object An operator made by [Genred()].
#' @param ... For `update()`: arguments of [Genred()], by name. Otherwise unused.
#' @return `format()` and `as.character()`: a string. `formula()`: a formula. `update()`: an
#'   operator; errors are those of [Genred()]. `summary()`: a list of class `"summary.Genred"`.
#'   `print()`: its argument, invisibly.
#' @name print.Genred
#' @examples
#' op <- Genred("Exp(-SqDist(X,Y)) * B", c("X = Vi(3)", "Y = Vj(3)", "B = Vj(1)"), axis = 1)
#' op
#' format(op)
#' formula(op)
#' update(op, axis = 0, aliases = c("X = Vi(3)", "Y = Vj(3)", "B = Vi(1)"))
#' summary(op)
NULL

#' @rdname print.Genred
#' @export
print.Genred <- function(x, ...) {
  info <- operator_info(x)
  cat("<Genred> ", abbreviated(format(x), max(40L, getOption("width") - 10L)), "\n", sep = "")
  cat(argument_lines(info$args, info$result), sep = "\n")
  cat("  result  ", result_text(info$result), "\n", sep = "")
  cat("  ", precision_text(operator_spec(x)), ", ", state_text(info$last), "\n", sep = "")
  invisible(x)
}

#' @rdname print.Genred
#' @export
format.Genred <- function(x, ...) {
  spec <- operator_spec(x)
  result <- operator_info(x)$result
  formula <- one_line(spec$formula)
  # with a note, the reduction is part of the formula string
  right <- if (is.null(result$note)) reduction_text(result, formula, one_line(spec$formula2 %or% "1")) else formula
  sizes <- c(if (result$k > 0L) result$k, if (result$dim > 1L) result$dim)
  index <- c(c("j", "i", "1")[result$axis + 1L], if (length(sizes)) paste0("1:", sizes))
  paste0("a[", paste(index, collapse = ", "), "] = ", right)
}

one_line <- function(text) trimws(gsub("[[:space:]]+", " ", text))

# {F} is the formula, {W} the weight, {_} the reduced index, {K} the number of neighbours.
reduction_forms <- c(
  Sum = "sum_{_} {F}", Min = "min_{_} {F}", Max = "max_{_} {F}", ArgMin = "argmin_{_} {F}", ArgMax = "argmax_{_} {F}",
  Min_ArgMin = "(min, argmin)_{_} {F}", Max_ArgMax = "(max, argmax)_{_} {F}", KMin = "min{K}_{_} {F}",
  ArgKMin = "argmin{K}_{_} {F}", KMin_ArgKMin = "(min{K}, argmin{K})_{_} {F}",
  KMax = "max{K}_{_} {F}", ArgKMax = "argmax{K}_{_} {F}", KMax_ArgKMax = "(max{K}, argmax{K})_{_} {F}", Mean = "mean_{_} {F}",
  Var = "var_{_} {F}", Prod = "prod_{_} {F}", Count = "count_{_} {F}", Any = "any_{_} {F}", All = "all_{_} {F}",
  LogSumExp = "log sum_{_} exp({F})", LogSumExpWeight = "log sum_{_} exp({F}) * ({W})",
  SumSoftMaxWeight = "sum_{_} exp({F}) * ({W}) / sum_{_} exp({F})",
  Max_SumShiftExp = "(m = max_{_} {F}, sum_{_} exp({F} - m))",
  Max_SumShiftExpWeight = "(m = max_{_} {F}, sum_{_} exp({F} - m) * ({W}))"
)

reduction_text <- function(result, formula, weight) {
  name <- result$reduction
  if (weight != "1" && paste0(name, "Weight") %in% names(reduction_forms)) name <- paste0(name, "Weight")
  text <- if (name %in% names(reduction_forms)) reduction_forms[[name]] else paste0(name, "_{_} {F}")
  values <- c("{_}" = c("i", "j", "ij")[result$axis + 1L], "{K}" = as.character(result$k), "{F}" = formula, "{W}" = weight)
  for (slot in names(values)) text <- gsub(slot, values[[slot]], text, fixed = TRUE)
  text
}

argument_lines <- function(args, result) {
  if (!length(args$name)) return("  no arguments")
  rows <- c(Vi = "M", Vj = "N", Mij = "M x N")[args$category]
  shape <- ifelse(args$category == "Pm", ifelse(args$dim == 1L, "number", paste("vector of length", args$dim)),
                  paste(rows, "x", args$dim))
  declared <- paste0(args$category, "(", args$dim, ")")
  paste0("  ", format(args$name), "  ", format(declared), "  ", shape)
}

result_text <- function(result) {
  rows <- c("N", "M", "1")[result$axis + 1L]
  sizes <- c(rows, if (result$k > 0L) result$k, if (result$k == 0L || result$dim > 1L) result$dim)
  shape <- paste(sizes, collapse = " x ")
  kind <- ifelse(result$index, "indices from 1", "doubles")
  if (length(kind) == 1L) return(paste0(shape, ", ", kind))
  paste0("list(value, index), each ", shape)
}

precision_text <- function(spec) {
  acc <- if (spec$double_acc) "float64" else spec$dtype_acc
  sums <- c(if (acc != "auto") paste("accumulated in", acc), if (spec$scheme != "auto") spec$scheme,
            if (spec$fast_math) "fast math on GPUs")
  paste0(spec$dtype, if (length(sums)) paste0(" (", paste(sums, collapse = ", "), ")"))
}

state_text <- function(last) {
  if (is.null(last)) return("not run yet")
  if (last$backend == "interpreter") return("last run by the interpreter")
  if (is_gpu(last$backend)) return(gpu_state_text(last))
  origin <- switch(last$origin,
    compiled = paste0("compiled in ", format(last$seconds_compile, digits = 2L), " s"),
    disk = "kernel from the disk cache", "kernel in memory")
  paste0("last run on the CPU (", origin, ", ", counted(last$threads, "thread"), ")")
}

gpu_state_text <- function(last) {
  more <- if (last$devices > 1L) paste(" and", last$devices - 1L, "more")
  paste0("last run on GPU ", last$device_id, " (", last$device_name, ")", more, ", ", last$backend)
}

#' @rdname print.Genred
#' @export
as.character.Genred <- function(x, ...) operator_spec(x)$formula

#' @rdname print.Genred
#' @export
formula.Genred <- function(x, ...) {
  spec <- operator_spec(x)
  one_sided <- tryCatch(eval(call("~", str2lang(spec$formula)), globalenv()), error = function(e) NULL)
  if (!is.null(one_sided) && reads_the_same(one_sided, spec)) return(one_sided)
  eval(call("~", spec$formula), globalenv())
}

# Whether an R formula yields the same graph of operations as the specification.
reads_the_same <- function(formula, spec) {
  dag <- function(spec) .Call(.ffi_dump, spec, "dag")
  tryCatch({
    other <- spec
    other$formula <- formula_text(formula, "formula", NULL)
    other <- with_key(other)
    identical(dag(spec), dag(other))
  }, error = function(e) FALSE)
}

#' @rdname print.Genred
#' @export
update.Genred <- function(object, ...) {
  call <- brief_call(sys.call(), "update")
  changes <- list(...)
  given <- given_arguments(operator_spec(object))
  known <- names(formals(Genred))
  if (length(changes) && (is.null(names(changes)) || !all(names(changes) %in% known))) {
    odd <- setdiff(names(changes) %or% "", known)[1L]
    stop_genred("argument", if (nzchar(odd)) paste0("Genred() has no argument `", odd, "`") else
      "the arguments of update() must be named", call = call)
  }
  given[names(changes)] <- changes
  new_operator(given, call)
}

given_arguments <- function(spec) {
  list(
    formula = spec$formula, aliases = spec$aliases, reduction_op = spec$reduction,
    axis = if (spec$axis >= 0L) spec$axis, dtype = spec$dtype, opt_arg = spec$opt_arg, formula2 = spec$formula2,
    dtype_acc = spec$dtype_acc, use_double_acc = spec$double_acc, sum_scheme = spec$scheme,
    use_fast_math = spec$fast_math
  )
}

#' @rdname print.Genred
#' @export
summary.Genred <- function(object, ...) {
  info <- operator_info(object)
  structure(class = "summary.Genred", list(
    operator = object,
    formula = as.character(object),
    args = info$args,
    result = info$result,
    dag = genred_source(object, stage = "dag"),
    plan = genred_source(object, stage = "plan"),
    last = info$last
  ))
}

#' @export
print.summary.Genred <- function(x, ...) {
  print(x$operator)
  cat("\nGraph\n")
  cat(indented(x$dag), sep = "\n")
  cat("\nPlan\n")
  cat(indented(x$plan), sep = "\n")
  invisible(x)
}

indented <- function(text) {
  lines <- strsplit(sub("\n+$", "", text), "\n", fixed = TRUE)[[1L]]
  ifelse(nzchar(lines), paste0("  ", lines), "")
}
