# Gradients that take several operators: plans, their kernels, their validation, and how they run.

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
