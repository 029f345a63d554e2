# genred_grad(): the gradient of an operator, as an operator.
#
# The gradient of a sum is a sum of another formula.  The gradient of a log-sum-exp or a softmax
# also needs values of the operator itself: it is a plan of steps, each of which is an operator
# whose result is a further argument of the later ones, and a final sum.  The gradient of such a
# plan follows from the chain rule (reverse mode).  Minima pass the gradient to the pair that was
# selected.

#' Gradients of operators
#'
#' `genred_grad(op, "x")` returns an operator that computes the gradient of `op` with respect to its
#' argument `x`. For \eqn{a = op(x, ...)} it computes \eqn{\sum_k e_k \, \partial a_k / \partial
#' x}{sum_k e_k da_k/dx}, the vector-Jacobian product with an incoming gradient `e`, which has the
#' shape of `a` and is the last argument of the operator. With `e = 1` everywhere, this is the
#' gradient of `sum(op(...))`.
#'
#' @section Result:
#' The shape is that of the variable: one row per i for a `Vi`, one row per j for a `Vj`, with as
#' many columns as the variable has; a 1 x d matrix for a `Pm(d)`, summed over all pairs; and for a
#' `Mij` an M x N matrix (an M x N x d array for a `Mij(d)`), which is not a reduction: its size is
#' that of the variable, and pairs that `ranges` leave out get 0. The incoming gradient of an
#' operator with `axis = "ij"` is a vector with one number per component. If `op` takes dimensions
#' from its arguments, so does its gradient.
#'
#' Arguments, including the incoming gradient, may be [genred_array()]s. If `backend` is a GPU,
#' intermediate results stay there; with `keep = TRUE` the result does, too. The gradients of
#' minima, and gradients that are sums of several terms, are assembled in R; with `keep = TRUE` they
#' are then copied to the GPU.
#'
#' `ranges` are those of the operator ([genred_ranges]), with all six parts where `op` or the
#' gradient reduces over i.
#'
#' In a batch (see [Genred()]) the gradient has the dimensions of the variable: for a variable that
#' elements of the batch share, it is the sum over these elements. The incoming gradient has those
#' of the result. The gradients of minima are computed element by element.
#'
#' @section Reductions:
#' `"Sum"`, `"Mean"`, `"Var"`, `"Prod"` (of values that are not 0), `"LogSumExp"`,
#' `"LogSumExpWeight"` and `"SumSoftMaxWeight"` have derivatives of any order, because
#' `genred_grad()` accepts the operators that it returns. `"Min"`, `"Max"`, `"KMin"` and `"KMax"`
#' over one index (`axis` 0 or 1) can be differentiated once; their gradient goes to the selected
#' pairs. (Of formulas that read numbers of rows or columns, such as `IndexJ()`, the gradient is a
#' sum over all pairs; for `"KMin"` and `"KMax"` these need dimension 1.) The other reductions have
#' no gradient.
#'
#' @param op An operator made by [Genred()] or by `genred_grad()`. Its reduction must have been
#'   given as `reduction_op`, not in the formula string.
#' @param variable The name of one of the arguments of `op`.
#' @param incoming The name of the last argument of the result, the incoming gradient. `NULL` stands
#'   for `e_` followed by the name of the variable.
#' @return An operator. For a sum it is an object as [Genred()] returns; otherwise it is a function
#'   of class `"GenredGradient"` with the same kind of arguments.
#' @section Errors:
#' `genred_error_argument` if `op` has no such argument, or its reduction has no gradient.
#' @seealso [Genred()]; [genred_operations()] for `Grad`, `Diff`, `Laplacian` and other derivatives
#'   inside formulas.
#' @export
#' @examples
#' op <- Genred("Exp(-SqDist(x,y)) * b", c("x = Vi(2)", "y = Vj(2)", "b = Vj(1)"), axis = 1,
#'              dtype = "float64")
#' by_x <- genred_grad(op, "x")
#' by_x
#' x <- matrix(rnorm(10), 5)
#' y <- matrix(rnorm(12), 6)
#' by_x(x, y, rep(1, 6), rep(1, 5))
#'
#' # compare one element with a finite difference
#' h <- 1e-6
#' d <- matrix(0, 5, 2)
#' d[3, 1] <- h
#' (sum(op(x + d, y, rep(1, 6))) - sum(op(x - d, y, rep(1, 6)))) / (2 * h)
genred_grad <- function(op, variable, incoming = NULL) {
  call <- brief_call(sys.call(), "genred_grad")
  if (!inherits(op, c("Genred", "GenredGradient"))) {
    stop_genred("argument", "`op` must be an operator made by Genred() or genred_grad(); ", given_value(op), call = call)
  }
  given <- argument_names(op)
  if (!is.character(variable) || length(variable) != 1L || !variable %in% given) {
    stop_genred("argument", "`variable` must be one of the arguments ", quoted(given), "; ", given_value(variable), call = call)
  }
  if (is.null(incoming)) incoming <- fresh_name(paste0("e_", variable), given)
  incoming <- read_string(incoming, "incoming", call)
  if (incoming %in% given) stop_genred("argument", "`op` already has an argument `", incoming, "`", call = call)
  gradient(op, variable, incoming, call)
}

fresh_name <- function(name, taken) utils::tail(make.unique(c(taken, name), sep = "_"), 1L)

argument_names <- function(op) setdiff(names(formals(op)), call_settings)

gradient <- function(op, variable, incoming, call) {
  if (inherits(op, "GenredGradient")) return(gradient_of_gradient(op, variable, incoming, call))
  info <- operator_info(op)
  if (!is.null(info$result$note)) {
    stop_genred("argument", "genred_grad() requires an operator whose reduction is given as `reduction_op`, not in the ",
                "formula", call = call)
  }
  rule <- gradient_rules[[info$result$reduction]]
  if (is.null(rule)) stop_genred("argument", info$result$reduction, " has no gradient", call = call)
  rule(op, info, variable, incoming, call)
}

# ---- shapes --------------------------------------------------------------------------------------

row_category <- function(op) {
  if (inherits(op, "GenredGradient")) return(operator_plan(op)$row)
  c("Vj", "Vi", "Pm")[operator_info(op)$result$axis + 1L]
}

# Dimensions that a call decides stay open.
alias_of <- function(name, category, dim) paste0(name, " = ", type_text(category, dim))

declared <- function(info) alias_of(info$args$name, info$args$category, info$args$dim)

category_of <- function(info, variable) info$args$category[info$args$name == variable]

dim_of <- function(info, variable) info$args$dim[info$args$name == variable]

# ---- sums ----------------------------------------------------------------------------------------

# The sum of a formula, reduced such that the result has the shape of this variable: over j for a
# Vi, over i for a Vj, over both for a Pm.  For a Mij nothing is summed.
sum_by <- function(op, info, formula, aliases, variable, call) {
  given <- given_arguments(operator_spec(op))
  by <- list(name = variable, category = category_of(info, variable), dim = dim_of(info, variable))
  axis <- c(Vi = 1, Vj = 0, Pm = 2, Mij = 1)[[by$category]]
  given[c("formula", "aliases", "reduction_op", "axis")] <- list(formula, aliases, "Sum", axis)
  given["opt_arg"] <- given["formula2"] <- list(NULL)
  if (by$category == "Mij") map_operator(new_operator(given, call), variable, op) else new_operator(given, call, by)
}

# of: whether the incoming gradient has the shape of sums or of pairs.
gradient_of_sum <- function(op, info, variable, incoming, call, of = row_category(op)) {
  formula <- paste0("Grad(", operator_spec(op)$formula, ",", variable, ",", incoming, ")")
  aliases <- c(declared(info), alias_of(incoming, of, info$result$dim))
  sum_by(op, info, formula, aliases, variable, call)
}

# ---- the values of all pairs: gradients by a Mij -------------------------------------------------

# What `sum`, a Sum with axis = 1, would add up: an array M x N (x D).
map_operator <- function(sum, variable, of) {
  plan <- list(map = sum, row = "Mij", variable = variable, of = of)
  plan$kernels <- kernels_of(list(sum), argument_names(sum))
  gradient_function(argument_names(sum), plan)
}

.run_map <- function(plan, values, settings) {
  call <- brief_call(sys.call(-1L))
  as_called(call = call, {
    plan <- plan_for(checked_plan(plan), values)
    spec <- operator_spec(plan$map)
    description <- checked(.Call(.ffi_describe, spec))
    args <- description$args
    if (!all(args$name %in% names(values))) refuse_plan()
    check_session_settings(call)
    settings <- map_settings(settings, plan$variable)
    shaped <- values[[plan$variable]]
    values <- checked_arguments(values[args$name], args, call)
    check_batch(values, args, FALSE, call)
    settings$ranges <- checked_ranges(settings$ranges, 1L, args, values, call)
    run <- function(values) {
      result <- if (has_orders(settings$ranges)) {
        call_in_order(spec, description, values, settings, call, run_map)
      } else {
        run_map(spec, values, settings, call)
      }
      map_result(result, call)
    }
    named_like(map_batch(run, values, args, plan$variable), shaped)
  })
}

# A batch is computed element by element.
map_batch <- function(run, values, args, variable) {
  batches <- batches_of(values, args)
  if (!any(lengths(batches))) return(run(values))
  by <- list(name = variable, category = "Mij", dim = args$dim[match(variable, args$name)])
  by_elements(stats::setNames(values, args$name), batches, by, run)
}

map_settings <- function(settings, variable) {
  settings <- checked_settings(settings, NULL)
  if (settings$keep) {
    stop_genred("argument", "`keep = TRUE`: the gradient by `", variable, "`, an array of pairs, cannot stay on a GPU")
  }
  settings
}

run_map <- function(spec, values, settings, call) {
  result <- .Call(.ffi_map, spec, settings$backend, settings$device_id, settings$ranges, values)
  if (is.null(result)) stop_genred("internal", "checked arguments were not accepted", call = call)
  result
}

# The gradient has the names of the variable.
named_like <- function(x, variable) {
  names <- if (!inherits(variable, "genred_array")) dimnames(variable)
  if (length(names) == length(dim(x))) dimnames(x) <- names
  x
}

# Without the note that may come with it.
map_result <- function(result, call) {
  if (!inherits(result, "genred_noted")) return(checked(result, call))
  say_once(result$note)
  result$result
}

# ---- means, variances, products: sums whose formula contains values of the operator --------------

# The number of pairs that are reduced to each result, as an operator with the same arguments.
counting <- function(op, info, call) {
  given <- given_arguments(operator_spec(op))
  # declared() includes variables that occur in the formula only, since they determine M or N as
  # well
  given[c("formula", "aliases", "reduction_op")] <- list("1", declared(info), "Sum")
  given["opt_arg"] <- given["formula2"] <- list(NULL)
  new_operator(given, call)
}

# Rules of the form Grad(F, v, e * factor).  In the factor, {F} is the formula, {n} the number of
# pairs and {a} the result of the reduction `of` (by default, of the operator itself).
gradient_with <- function(factor, of = NULL) {
  function(op, info, variable, incoming, call) {
    spec <- operator_spec(op)
    taken <- c(info$args$name, incoming)
    n <- fresh_name("count", taken)
    a <- fresh_name("value", taken)
    values <- c("{F}" = paste0("(", spec$formula, ")"), "{a}" = a, "{n}" = n)
    for (slot in names(values)) factor <- gsub(slot, values[[slot]], factor, fixed = TRUE)
    formula <- paste0("Grad(", spec$formula, ",", variable, ",", incoming, "*", factor, ")")
    row <- row_category(op)
    aliases <- c(declared(info), alias_of(c(incoming, n, a), row, c(info$result$dim, 1L, info$result$dim)))
    given <- given_arguments(spec)
    given["reduction_op"] <- of %or% info$result$reduction
    stages <- list(list(name = n, op = counting(op, info, call)), list(name = a, op = new_operator(given, call)))
    last <- sum_by(op, info, formula, aliases, variable, call)
    plan_operator(taken, stages, list(last), variable, op, incoming)
  }
}

# ---- exponentials, with p = exp(f - L) -----------------------------------------------------------

# L_k = log sum e^f w_k:  dL = sum p (w_k df + dw_k).  If all weights are 0, p may overflow although
# p w_k is 0, hence the IfElse.
gradient_of_logsumexp <- function(op, info, variable, incoming, call) {
  spec <- operator_spec(op)
  lse <- fresh_name("logsumexp", c(info$args$name, incoming))
  p <- paste0("Exp((", spec$formula, ")-", lse, ")")
  w <- spec$formula2
  terms <- c(
    paste0("Grad(", spec$formula, ",", variable, ",Sum(", incoming, "*",
           if (is.null(w)) p else paste0("IfElse(-Sum(Abs(", w, ")),0,", p, "*(", w, "))"), "))"),
    if (!is.null(w)) paste0("Grad(", w, ",", variable, ",", incoming, "*", p, ")")
  )
  row <- row_category(op)
  aliases <- c(declared(info), alias_of(incoming, row, info$result$dim), alias_of(lse, row, info$result$dim))
  last <- sum_by(op, info, paste(terms, collapse = "+"), aliases, variable, call)
  plan_operator(c(info$args$name, incoming), list(list(name = lse, op = op)), list(last), variable, op, incoming)
}

# S = sum e^f w / sum e^f:  dS = sum p ((w - S) df + dw)
gradient_of_softmax <- function(op, info, variable, incoming, call) {
  spec <- operator_spec(op)
  taken <- c(info$args$name, incoming)
  lse <- fresh_name("logsumexp", taken)
  mean <- fresh_name("softmax", taken)
  p <- paste0("Exp((", spec$formula, ")-", lse, ")")
  formula <- paste0("Grad(", spec$formula, ",", variable, ",", p, "*(", incoming, "|((", spec$formula2, ")-", mean, ")))+",
                    "Grad(", spec$formula2, ",", variable, ",", p, "*", incoming, ")")
  row <- row_category(op)
  aliases <- c(declared(info), alias_of(c(incoming, lse, mean), row, c(info$result$dim, 1L, info$result$dim)))
  last <- sum_by(op, info, formula, aliases, variable, call)
  given <- given_arguments(spec)
  given["reduction_op"] <- "LogSumExp"
  given["formula2"] <- list(NULL)
  stages <- list(list(name = lse, op = new_operator(given, call)), list(name = mean, op = op))
  plan_operator(taken, stages, list(last), variable, op, incoming)
}

# ---- plans: steps, then a sum of operators -------------------------------------------------------

# names: the arguments. stages: a list of list(name, op); the result of op becomes the argument
# `name` of the later stages and of the terms. terms: operators whose results are added. row: the
# category that indexes the rows of the result.  incoming: the argument that has the shape of the
# result of `of`, or NULL.
plan_operator <- function(names, stages, terms, variable, of, incoming) {
  plan <- list(stages = stages, terms = terms, row = row_category(terms[[1L]]), variable = variable, of = of,
               incoming = incoming)
  plan$kernels <- kernels_of(operators_of(plan), names)
  gradient_function(names, plan)
}

gradient_function <- function(names, plan) {
  run <- if (!is.null(plan$map)) {
    quote(.run_map(.plan, .values, .settings))
  } else if (is.null(plan$terms)) {
    quote(.run_selection(.plan, .values, .settings))
  } else {
    quote(.run_plan(.plan, .values, .settings))
  }
  args <- c(rep(list(quote(expr = )), length(names)), call_defaults)
  names(args) <- c(names, call_settings)
  body <- bquote({
    .need_arguments(.(names))
    .values <- .(as.call(c(quote(list), stats::setNames(lapply(names, as.name), names))))
    .settings <- list(backend = backend, device_id = device_id, ranges = ranges, keep = keep)
    .(run)
  })
  env <- new.env(parent = topenv())
  env$.plan <- plan
  structure(as.function(c(args, list(body)), envir = env), class = c("GenredGradient", "function"))
}

# ---- their kernels, compiled in one run of the compiler, which is faster -----------------

# The operators of a plan, including those of nested plans.
operators_of <- function(plan) {
  if (!is.null(plan$map)) return(list(plan$map))
  steps <- c(lapply(plan$stages, `[[`, "op"), plan$terms, plan[names(plan) %in% c("index", "inner")])
  operators <- function(op) if (inherits(op, "Genred")) list(op) else operators_of(operator_plan(op))
  unlist(lapply(steps, operators), recursive = FALSE)
}

# What must be known before a call: the specifications of the operators, the names of
# arguments that tell M and N, a Vi, a Vj and a Mij, and all arguments, each as the first operator
# that has it declares it.
kernels_of <- function(ops, names) {
  all <- do.call(rbind, lapply(ops, function(op) as.data.frame(operator_info(op)$args)))
  args <- as.list(all[match(names, all$name), c("name", "category", "dim")])
  first <- function(category) args$name[args$category == category][1L]
  list(specs = unique(lapply(ops, operator_spec)), i = first("Vi"), j = first("Vj"), pairs = first("Mij"), args = args)
}

# M and N.
sizes_of <- function(kernels, values) {
  size <- function(name, of, else_of) {
    if (!is.na(name)) return(of(values[[name]]))
    if (is.na(kernels$pairs)) 1 else else_of(values[[kernels$pairs]])
  }
  as.numeric(c(size(kernels$i, NROW, NROW), size(kernels$j, NROW, NCOL)))
}

# The engine chooses backends as if all data lay on the host; calls with data on a GPU run there, if
# their backend allows it.
on_gpu <- function(values, settings) {
  stays <- isTRUE(settings$keep) || any(vapply(values, inherits, NA, "genred_array"))
  stays && may_be_gpu(check_backend(settings$backend, NULL))
}

# m and n: one number, or one for each operator.  Invalid values and settings are left for the calls
# to report.  With `ranges` there are fewer pairs, so that a kernel may be compiled in vain.
prepare_kernels <- function(kernels, m, n, values, settings) {
  if (on_gpu(values, settings)) return()
  count <- length(kernels$specs)
  note <- .Call(.ffi_prepare, kernels$specs, rep_len(m, count), rep_len(n, count), settings$backend, settings$device_id, NULL)
  if (!is.null(note)) say_once(note)
}

# ---- validation, since a plan that was read from a file may be anything --------------------------

is_text <- function(x) is.character(x) && length(x) == 1L
is_one_of <- function(x, choices) is_text(x) && x %in% choices
is_count <- function(x) is.numeric(x) && !is.object(x) && length(x) == 1L && is.finite(x) && x >= 1

is_operator <- function(x) is.function(x) && inherits(x, c("Genred", "GenredGradient"))

args_ok <- function(args) {
  is.list(args) && is.character(args$name) && is.character(args$category) && is.numeric(args$dim) &&
    length(unique(lengths(args[c("name", "category", "dim")]))) == 1L && all(args$category %in% names(categories$i))
}

kernels_ok <- function(x) is.list(x) && is.list(x$specs) && is_text(x$i) && is_text(x$j) && is_text(x$pairs) && args_ok(x$args)

steps_ok <- function(plan) {
  step_ok <- function(step) is.list(step) && is_operator(step$op) && is_text(step$name)
  is.list(plan$stages) && is.list(plan$terms) && length(plan$terms) > 0L &&
    all(vapply(plan$stages, step_ok, NA), vapply(plan$terms, is_operator, NA))
}

map_ok <- function(plan) is.function(plan$map) && inherits(plan$map, "Genred") && is.null(plan$terms)

selection_ok <- function(plan) {
  is.null(plan$terms) && is_operator(plan$index) && is_operator(plan$inner) && args_ok(plan$args) && is_text(plan$incoming) &&
    (is_count(plan$dim) || identical(plan$dim, NA_integer_)) && is_count(plan$k) && is_one_of(plan$kept, c("Vi", "Vj"))
}

plan_ok <- function(plan) {
  is.list(plan) && !is.object(plan) && is_text(plan$variable) && is_one_of(plan$row, c("Vi", "Vj", "Pm", "Mij")) &&
    is_operator(plan$of) && kernels_ok(plan$kernels) && (map_ok(plan) || steps_ok(plan) || selection_ok(plan))
}

checked_plan <- function(plan, call = NULL) if (plan_ok(plan)) plan else refuse_plan(call)

refuse_plan <- function(call = NULL) {
  stop_genred("argument", "this is not a valid operator of genred_grad(): its plan was changed or damaged", call = call)
}

operator_plan <- function(op) checked_plan(if (is.function(op)) environment(op)$.plan)

# ---- running them --------------------------------------------------------------------------------

# Called in the frame of a gradient operator, all of whose arguments are required.
.need_arguments <- function(names) {
  frame <- parent.frame()
  gone <- Filter(function(name) eval(call(".absent", as.name(name)), frame), names)
  if (length(gone)) stop_genred("argument", "argument `", gone[1L], "` is missing", call = brief_call(sys.call(-1L)))
}

# Makes errors in the steps show the call that the user made.
as_called <- function(code, call) {
  tryCatch(code, genred_error = function(e) {
    e$call <- call
    stop(e)
  })
}

apply_operator <- function(op, values, settings) {
  needed <- argument_names(op)
  if (!all(needed %in% names(values))) refuse_plan()
  do.call(op, c(values[needed], settings))
}

.run_plan <- function(plan, values, settings) {
  as_called(call = brief_call(sys.call(-1L)), {
    plan <- plan_for(checked_plan(plan), values)
    size <- sizes_of(plan$kernels, values)
    prepare_kernels(plan$kernels, size[1L], size[2L], values, settings)
    steps <- settings
    steps$keep <- !stays_in_memory(plan, values, settings) && steps_stay(settings)
    for (stage in plan$stages) values[[stage$name]] <- apply_operator(stage$op, values, steps)
    if (length(plan$terms) > 1L) return(sum_of_terms(plan, values, settings))
    apply_operator(plan$terms[[1L]], values, settings)
  })
}

# Whether the arguments are a batch, whose results cannot stay on a GPU.
stays_in_memory <- function(plan, values, settings) {
  args <- plan$kernels$args
  batches <- batches_of(values[args$name], args)
  first <- which(lengths(batches) > 0L)[1L]
  if (!is.na(first) && isTRUE(settings$keep)) refuse_kept_batch(names(batches)[first], NULL)
  !is.na(first)
}

# Whether results of steps can stay on the GPU.  Under "auto" they cannot, because a later step may
# run elsewhere.
steps_stay <- function(settings) {
  if (has_orders(settings$ranges)) return(FALSE) # every step sorts its arguments in R
  isTRUE(settings$keep) || is_gpu(check_backend(settings$backend, NULL))
}

sum_of_terms <- function(plan, values, settings) {
  wanted <- settings
  settings$keep <- FALSE
  kept(Reduce(`+`, lapply(plan$terms, apply_operator, values, settings)), plan$terms[[1L]], values, wanted)
}

# Copies a result that was assembled in R to the GPU if `keep` asks for it.
kept <- function(x, op, values, settings) {
  if (!read_flag(settings$keep, "keep", NULL)) return(x)
  genred_array(x, working_dtype(op), kept_device(values, settings))
}

kept_device <- function(values, settings) {
  if (settings$device_id[1L] >= 0) return(settings$device_id[1L])
  resident <- Filter(function(v) inherits(v, "genred_array"), values)
  if (length(resident)) field(resident[[1L]], "device_id") else default_device(NULL)
}

working_dtype <- function(op) {
  if (inherits(op, "Genred")) return(operator_spec(op)$dtype)
  plan <- operator_plan(op)
  working_dtype(plan$map %or% if (is.null(plan$terms)) plan$inner else plan$terms[[1L]])
}

gradient_of_gradient <- function(op, variable, incoming, call) {
  sum <- operator_plan(op)$map
  if (is.null(sum)) return(gradient_of_plan(op, variable, incoming, call))
  gradient_of_sum(sum, operator_info(sum), variable, incoming, call, of = "Mij")
}

# Reverse mode: the gradients of the terms, and for each step, from the last to the first, the
# gradient with respect to its result, which is the incoming gradient of that step.
gradient_of_plan <- function(op, variable, incoming, call) {
  plan <- operator_plan(op)
  if (is.null(plan$terms)) stop_genred("argument", "second derivatives of minima and maxima are not available", call = call)
  names <- c(argument_names(op), incoming)
  taken <- c(names, vapply(plan$stages, `[[`, "", "name"))
  stages <- plan$stages
  readers <- lapply(plan$terms, function(term) list(op = term, incoming = incoming))
  terms <- list()
  for (stage in rev(plan$stages)) {
    received <- collect(readers, stage$name, call)
    if (!length(received)) next
    adjoint <- fresh_name(paste0("e_", stage$name), taken)
    taken <- c(taken, adjoint)
    stages <- c(stages, list(list(name = adjoint, op = added(received, taken))))
    readers <- c(readers, list(list(op = stage$op, incoming = adjoint)))
  }
  terms <- collect(readers, variable, call)
  plan_operator(names, stages, terms, variable, op, incoming)
}

# The gradients with respect to the argument `name` of all operators that have it.
collect <- function(readers, name, call) {
  readers <- Filter(function(r) name %in% argument_names(r$op), readers)
  lapply(readers, function(r) gradient(r$op, name, r$incoming, call))
}

# One operator that adds the results of several.
added <- function(ops, names) {
  if (length(ops) == 1L) return(ops[[1L]])
  used <- unique(unlist(lapply(ops, argument_names)))
  plan_operator(used, list(), ops, "", ops[[1L]], NULL)
}

# ---- minima: the selected pairs ------------------------------------------------------------------

gradient_of_minimum <- function(op, info, variable, incoming, call) {
  rule <- if (any(info$result$numbers)) gradient_of_marked else gradient_of_selection
  rule(op, info, variable, incoming, call)
}

# For formulas that read the numbers of rows and columns (IndexI() and the like), which selected
# pairs would not have among themselves: a sum over all pairs, 0 but for those selected.
gradient_of_marked <- function(op, info, variable, incoming, call) {
  spec <- operator_spec(op)
  result <- info$result
  check_marked(result, call)
  taken <- c(info$args$name, incoming)
  selected <- fresh_name("selected", taken)
  number <- if (result$axis == 1L) "IndexJ()" else "IndexI()"
  marked <- paste0(incoming, "*(", number, "+1==", selected, ")")
  if (result$k > 0L) marked <- paste0("Sum(", marked, ")")
  formula <- paste0("Grad(", spec$formula, ",", variable, ",", marked, ")")
  aliases <- c(declared(info), alias_of(c(incoming, selected), row_category(op), if (result$k > 0L) result$k else result$dim))
  given <- given_arguments(spec)
  given["reduction_op"] <- paste0("Arg", result$reduction)
  stages <- list(list(name = selected, op = new_operator(given, call)))
  last <- sum_by(op, info, formula, aliases, variable, call)
  plan_operator(taken, stages, list(last), variable, op, incoming)
}

# An open dimension is checked when a call decides it (filled_plan).
check_marked <- function(result, call = NULL) {
  if (result$k == 0L || is.na(result$dim) || result$dim == 1L) return()
  stop_genred("argument", "the gradient of ", result$reduction, " of a formula with ", result$dim, " components ",
              "that reads numbers of rows or columns (IndexI, IndexJ, IndexDiff or Rand) is not available", call = call)
}

# The formula with variables that are given by position, Vj(1,3) or Var(1,3,1), replaced by the
# names of the arguments, since gradient_of_selection() changes their categories.
by_name <- function(formula, names) {
  integer <- "\\s*([0-9]+)\\s*"
  short <- paste0("(?:Vi|Vj|Pm|Mij)\\s*\\(", integer, ",", integer, "\\)")
  long <- paste0("Var\\s*\\(", integer, ",", integer, ",", integer, "\\)")
  written <- paste0("(?<![A-Za-z0-9_.])(?:", short, "|", long, ")")
  at <- gregexpr(written, formula, perl = TRUE)
  regmatches(formula, at) <- lapply(regmatches(formula, at), function(found) {
    names[as.integer(sub("(?s)^[^(]*\\(\\s*([0-9]+).*$", "\\1", found, perl = TRUE)) + 1L]
  })
  formula
}

# Every selected pair (row, component, neighbour) becomes a row.  The gradient is evaluated with all
# variables indexed by these rows, and the results are added up by the index of the variable.
gradient_of_selection <- function(op, info, variable, incoming, call) {
  if (info$result$axis == 2L) {
    stop_genred("argument", info$result$reduction, " over both indices has no gradient; ",
                "use axis = 0 or 1", call = call)
  }
  spec <- operator_spec(op)
  given <- given_arguments(spec)
  given["reduction_op"] <- paste0("Arg", info$result$reduction)
  index <- new_operator(given, call)
  category <- ifelse(info$args$category == "Pm", "Pm", "Vi")
  formula <- paste0("Grad(", by_name(spec$formula, info$args$name), ",", variable, ",", incoming, ")")
  aliases <- c(alias_of(info$args$name, category, info$args$dim), alias_of(incoming, "Vi", info$result$dim))
  given[c("formula", "aliases", "reduction_op", "axis")] <- list(formula, aliases, "Sum", 1)
  given["opt_arg"] <- list(NULL)
  plan <- list(index = index, inner = new_operator(given, call), args = info$args, variable = variable, incoming = incoming,
               dim = info$result$dim, kept = if (info$result$axis == 1L) "Vi" else "Vj", of = op,
               row = category_of(info, variable), k = max(1L, info$result$k))
  plan$kernels <- kernels_of(operators_of(plan), info$args$name)
  gradient_function(c(info$args$name, incoming), plan)
}

.run_selection <- function(plan, values, settings) {
  as_called(selected_gradient(plan, values, settings), brief_call(sys.call(-1L)))
}

# The incoming gradient as a vector in the order of `index`, which is rows x K x D.
selected_incoming <- function(x, name, index) {
  e <- if (is.data.frame(x) || inherits(x, "genred_array")) as.array(as.matrix(x)) else x
  if (is.object(e) || !(is.numeric(e) || is.logical(e)) || length(e) != length(index)) {
    stop_genred("argument", "argument `", name, "` must be numeric and have the shape of the result, ",
                paste(dim(index), collapse = " x "), "; ", given_value(x))
  }
  as.numeric(e)
}

# The second operator has one row for each pair that the first selects, and no j.
prepare_selection <- function(plan, values, settings) {
  size <- stats::setNames(sizes_of(plan$kernels, values), c("Vi", "Vj"))
  of <- size[[plan$kept]]
  pairs <- of * plan$dim * min(plan$k, prod(size) / max(1, of))
  prepare_kernels(plan$kernels, c(size[["Vi"]], pairs), c(size[["Vj"]], 1), values, settings)
}

selected_gradient <- function(plan, values, settings) {
  plan <- plan_for(checked_plan(plan), values)
  prepare_selection(plan, values, settings)
  first <- settings
  first$keep <- FALSE
  index <- apply_operator(plan$index, values, first)
  result <- operator_info(plan$index)$result
  rank <- if (result$k > 0L && result$dim > 1L) 3L else 2L
  of_result <- function(x) as.integer(dim(x)[-seq_len(rank)])
  batches <- c(batches_of(values[plan$args$name], plan$args),
               stats::setNames(list(of_result(values[[plan$incoming]])), plan$incoming), list(of_result(index)))
  if (!any(lengths(batches) > 0L)) return(gradient_of_pairs(plan, values, index, settings))
  if (isTRUE(settings$keep)) refuse_kept_batch(names(batches)[lengths(batches) > 0L][1L], NULL)
  by <- lapply(plan$args[c("name", "category", "dim")], `[[`, match(plan$variable, plan$args$name))
  given <- c(values[c(plan$args$name, plan$incoming)], list(index))
  # each element has selected pairs of its own
  by_elements(given, batches, by, function(one) gradient_of_pairs(plan, one, one[[length(one)]], settings))
}

gradient_of_pairs <- function(plan, values, index, settings) {
  given <- values
  wanted <- settings
  settings$keep <- FALSE
  ok <- which(!is.na(index)) # the gradient of a neighbour that does not exist is dropped
  row <- rep(seq_len(nrow(index)), length.out = length(index))[ok]
  at <- list(Vi = if (plan$kept == "Vi") row else index[ok], Vj = if (plan$kept == "Vj") row else index[ok])
  size <- as.list(stats::setNames(sizes_of(plan$kernels, values), c("Vi", "Vj")))
  at$Mij <- at$Vi + size$Vi * (at$Vj - 1)
  size$Mij <- size$Vi * size$Vj
  for (k in which(plan$args$category != "Pm")) {
    category <- plan$args$category[k]
    x <- as.matrix(values[[plan$args$name[k]]])
    if (category == "Mij") x <- matrix(as.array(values[[plan$args$name[k]]]), size$Mij, plan$args$dim[k])
    values[[plan$args$name[k]]] <- x[at[[category]], , drop = FALSE]
  }
  values[[plan$incoming]] <- one_hot_rows(selected_incoming(given[[plan$incoming]], plan$incoming, index), plan$dim, ok)
  settings["ranges"] <- list(NULL) # these pairs were selected from those that it keeps
  sums <- add_up(apply_operator(plan$inner, values, settings), at[[plan$row]], size[[plan$row]])
  if (plan$row == "Mij") {
    dim(sums) <- c(size$Vi, size$Vj, if (ncol(sums) > 1L) ncol(sums))
    sums <- named_like(sums, given[[plan$variable]])
  }
  kept(sums, plan$inner, given, wanted)
}

# The elements `ok` of an array rows x K x dim, each in a row of its own, in the column of its
# component.
one_hot_rows <- function(e, dim, ok) {
  component <- rep(seq_len(dim), each = length(e) / dim)
  out <- matrix(0, length(ok), dim)
  out[cbind(seq_along(ok), component[ok])] <- e[ok]
  out
}

# Adds up the rows of g that have the same index `to` (NULL, for a Pm: all rows).
add_up <- function(g, to, n) {
  if (is.null(to)) return(matrix(colSums(g), 1L))
  out <- matrix(0, n, ncol(g))
  if (length(to)) {
    sums <- rowsum(unname(g), to)
    out[as.integer(rownames(sums)), ] <- sums
  }
  out
}

gradient_rules <- list(
  Sum = gradient_of_sum, LogSumExp = gradient_of_logsumexp, LogSumExpWeight = gradient_of_logsumexp,
  SumSoftMaxWeight = gradient_of_softmax, Min = gradient_of_minimum, Max = gradient_of_minimum,
  KMin = gradient_of_minimum, KMax = gradient_of_minimum, Mean = gradient_with("Inv({n})"),
  Var = gradient_with("2*({F}-{a})/({n}-1)", of = "Mean"), Prod = gradient_with("{a}/{F}")
)

# ---- printing ------------------------------------------------------------------------------------

#' @export
format.GenredGradient <- function(x, ...) {
  plan <- operator_plan(x)
  paste0("gradient by ", plan$variable, " of (", format(plan$of), ")")
}

#' @export
print.GenredGradient <- function(x, ...) {
  plan <- operator_plan(x)
  cat("<Genred ", format(x), ">\n", sep = "")
  cat("  arguments  ", paste(argument_names(x), collapse = ", "), "\n", sep = "")
  cat("  result     ", switch(plan$row, Vi = "one row per i", Vj = "one row per j", Pm = "one row",
                                    Mij = "a matrix or array with one value for each i and j"), "\n", sep = "")
  steps <- length(plan$stages) + length(plan$terms)
  computed <- if (steps) paste("in", counted(steps, "reduction")) else if (is.null(plan$map)) "at the selected pairs" else
    "for each pair, without a reduction"
  cat("  computed   ", computed, "\n", sep = "")
  invisible(x)
}
