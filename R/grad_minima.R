# Gradients of minima and maxima, which go to the selected pairs.

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
