# Operators whose aliases leave dimensions open, "x = Vi": each call takes them from its arguments.
#
# The specification of such an operator has aliases without parentheses.  A call goes on as one of
# the operator that has the dimensions written behind them (src/ffi_open.c), which is called the
# filled operator here.  In descriptions, dimensions that a call decides are NA.

open_aliases <- function(spec) !grepl("(", spec$aliases, fixed = TRUE)

is_open <- function(spec) any(open_aliases(spec))

# "Vi(3)"; "Vi" where the dimension is open.
type_text <- function(category, dim) ifelse(is.na(dim), category, paste0(category, "(", dim, ")"))

dim_limit <- function() .Call(.ffi_engine)$dim_limit

# ---- dimensions of arguments ---------------------------------------------------------------------

columns_of <- function(x) if (length(dim(x)) > 1L) dim(x)[2L] else 1L

# A matrix of one row, such as the gradient by a parameter, stands for the vector.
numbers_of <- function(x) {
  size <- dim(x)
  if (length(size) == 2L && size[1L] == 1L) size[2L] else if (length(size)) size[1L] else length(x)
}

components_of <- function(x) if (length(dim(x)) > 2L) dim(x)[3L] else 1L

# As dim_rules in src/ffi_open.c, and what these numbers count.
dim_rules <- list(Vi = columns_of, Vj = columns_of, Pm = numbers_of, Mij = components_of)
dim_units <- c(Vi = "columns", Vj = "columns", Pm = "numbers", Mij = "components")

# The dimension that an argument has, or NA if it has no shape at all.
value_dim <- function(x, category) {
  if (!(is.numeric(x) || is.logical(x) || length(dim(x)))) return(NA_integer_)
  as.integer(dim_rules[[category]](x))
}

# The description of the arguments with the dimensions that the values have.  It stays NA for values
# without a shape, which checked_arguments() refuses.
filled_info <- function(info, values, call) {
  for (k in which(is.na(info$dim))) {
    dim <- value_dim(values[[k]], info$category[k])
    if (!is.na(dim) && (dim < 1L || dim > dim_limit())) {
      stop_genred("argument", "argument `", info$name[k], "` (", info$category[k], ") must have between 1 and ",
                  dim_limit(), " ", dim_units[[info$category[k]]], "; ", given_value(values[[k]]), call = call)
    }
    info$dim[k] <- dim
  }
  info
}

# ---- filled operators ----------------------------------------------------------------------------

# dims: one for each argument.
filled_spec <- function(spec, dims, call = NULL) {
  if (!is_open(spec)) return(spec)
  checked(.Call(.ffi_fill, spec, as.integer(dims)), call)
}

# dims: named by argument, those of the operator and possibly more.
filled_operator <- function(op, dims) {
  names <- argument_names(op)
  if (inherits(op, "GenredGradient")) return(gradient_function(names, filled_plan(operator_plan(op), dims)))
  spec <- operator_spec(op)
  if (is_open(spec)) operator_function(filled_spec(spec, dims[names]), names, environment(op)$.by) else op
}

result_dim <- function(op) {
  if (inherits(op, "Genred")) return(operator_info(op)$result$dim)
  plan <- operator_plan(op)
  result_dim(plan$map %or% if (is.null(plan$terms)) plan$inner else plan$terms[[1L]])
}

# The plan of a gradient (R/grad_plan.R), all of whose operators are filled: the results of steps
# are arguments of the later ones.
filled_plan <- function(plan, dims) {
  plan$of <- filled_operator(plan$of, dims)
  if (!is.null(plan$terms) && inherits(plan$of, "Genred")) check_marked(operator_info(plan$of)$result)
  if (!is.null(plan$map)) plan$map <- filled_operator(plan$map, dims)
  for (k in seq_along(plan$stages)) {
    plan$stages[[k]]$op <- filled_operator(plan$stages[[k]]$op, dims)
    dims[[plan$stages[[k]]$name]] <- result_dim(plan$stages[[k]]$op)
  }
  if (is.null(plan$terms) && is.null(plan$map)) plan <- filled_selection(plan, dims)
  plan$terms <- if (!is.null(plan$terms)) lapply(plan$terms, filled_operator, dims)
  plan$kernels <- kernels_of(operators_of(plan), plan$kernels$args$name)
  plan
}

filled_selection <- function(plan, dims) {
  plan$dim <- dims[[plan$incoming]] <- result_dim(plan$of)
  plan$args$dim <- unname(dims[plan$args$name])
  plan$index <- filled_operator(plan$index, dims)
  plan$inner <- filled_operator(plan$inner, dims)
  plan
}

# ---- calls of gradients --------------------------------------------------------------------------

plan_is_open <- function(plan) any(vapply(plan$kernels$specs, is_open, NA))

# The plan for a call with these values.  Where they have no dimensions it stays as it is, for its
# first step to refuse them.
plan_for <- function(plan, values) {
  if (!plan_is_open(plan)) return(plan)
  dims <- dims_of_values(plan, values)
  if (anyNA(dims) || any(dims < 1L | dims > dim_limit())) return(plan)
  known <- Find(function(x) identical(x$dims, dims) && identical(x$plan, plan), session$plans)
  if (!is.null(known)) return(known$filled)
  check_incoming(plan, values, dims)
  filled <- filled_plan(plan, dims)
  session$plans <- utils::head(c(list(list(plan = plan, dims = dims, filled = filled)), session$plans), 16L)
  filled
}

# The declared dimensions, and where a call decides, those of the values.
dims_of_values <- function(plan, values) {
  at <- match(names(values), plan$kernels$args$name)
  category <- plan$kernels$args$category[at]
  category[is.na(category)] <- "Vi" # the incoming gradient of a selection
  dims <- as.integer(plan$kernels$args$dim[at])
  open <- is.na(dims) | names(values) %in% plan$incoming # which is checked by its own dimension
  dims[open] <- mapply(value_dim, values[open], category[open])
  dims <- stats::setNames(dims, names(values))
  # a matrix of one row is a vector, or a batch of numbers where the result is one
  name <- plan$incoming
  if (is.null(name) || is.na(dims[[name]]) || dims[[name]] == 1L || NROW(values[[name]]) != 1L) return(dims)
  if (category[match(name, names(values))] == "Pm" && result_dim(filled_operator(plan$of, dims)) == 1L) dims[[name]] <- 1L
  dims
}

# The incoming gradient has the shape of the result.  (Where the operator selects, that has up to
# three dimensions, and is checked when it is read.)
check_incoming <- function(plan, values, dims) {
  name <- plan$incoming
  if (is.null(name) || is.null(plan$terms)) return()
  of <- filled_operator(plan$of, dims)
  k <- if (inherits(of, "Genred")) operator_info(of)$result$k else 0L
  wanted <- if (k > 0L) k else result_dim(of)
  if (dims[[name]] == wanted) return()
  refuse_argument(values[[name]], list(name = name, category = row_category(plan$of), dim = wanted), call = NULL)
}
