# The gradient of each reduction: an operator, or a plan of several (R/grad_plan.R), for a variable
# of an operator; and the table of these rules.

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

# ---- the table -----------------------------------------------------------------------------------

gradient_rules <- list(
  Sum = gradient_of_sum, LogSumExp = gradient_of_logsumexp, LogSumExpWeight = gradient_of_logsumexp,
  SumSoftMaxWeight = gradient_of_softmax, Min = gradient_of_minimum, Max = gradient_of_minimum,
  KMin = gradient_of_minimum, KMax = gradient_of_minimum, Mean = gradient_with("Inv({n})"),
  Var = gradient_with("2*({F}-{a})/({n}-1)", of = "Mean"), Prod = gradient_with("{a}/{F}")
)
