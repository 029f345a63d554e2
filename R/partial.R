# Partial results: the state of a reduction over a share of the columns, as plain data.
#
# Reductions are monoids: the states of disjoint shares merge, in any grouping, to the state of
# all of them. A partial result holds a block of states, which the engine computes, merges and
# finishes (src/engine/run/states.c) and which records its program and shape. This file adds the
# operator, the row names, and which columns went in. A partial result may come from a file or
# another process, so that all of it is checked before it is used.

#' Partial results: reductions over data in pieces
#'
#' Reduces data that are not all in one place: in several files, on several machines, or larger
#' than the memory. `genred_partial()` computes the state of a reduction over one piece of the
#' data, `genred_merge()` merges the states of several pieces, and `genred_finish()` turns a state
#' into the result, the same that `op()` computes from all the data at once.
#'
#' *Columns* are the values of the index that is reduced: with `axis = 1` the rows of the `Vj`
#' arguments, with `axis = 0` those of the `Vi` arguments. A piece is some of the columns. The
#' arguments of the other index and the parameters must be the same for all pieces. With
#' `axis = 2`, where both indices are reduced, a piece may be any block of pairs: some values of i
#' with some values of j; a formula that reads their numbers, such as `IndexI()`, is an error there.
#'
#' All reductions have partial results. Minima, maxima and indices are exactly those of a single
#' call; sums, products and functions of them agree to the accuracy of the reduction. Pieces may
#' be of any size, even empty, and may be merged in any order and grouping, for example by
#' `Reduce(genred_merge, partials)` or, faster, `do.call(genred_merge, partials)`. The size of a
#' partial result is that of the result or a small multiple of it, and does not depend on the
#' number of columns.
#'
#' If `op` takes dimensions from its arguments, those of the pieces must agree.
#'
#' A partial result is a list of class `"genred_partial"` that holds plain data only. [saveRDS()],
#' sockets and clusters can transfer it to any machine with the same version of genred (in a
#' format that keeps all digits: `saveRDS(ascii = TRUE)` does not). Its elements are
#' \describe{
#'   \item{`version`}{the version of genred that computed it;}
#'   \item{`spec`}{the specification of the operator, a list whose element `key` identifies it;}
#'   \item{`states`}{the states, a vector of doubles with a checksum;}
#'   \item{`rows`, `names`}{the number of rows of the result, and their names or `NULL`;}
#'   \item{`count`}{the number of columns (with `axis = 2`, of pairs) that it covers;}
#'   \item{`columns`}{these columns: a matrix with one row for each interval and the columns
#'     `from` and `to`, or `NULL` if they are not known.}
#' }
#'
#' @param op An operator made by [Genred()], or one of [genred_grad()] that consists of a single
#'   reduction, such as the gradient of a sum. `genred_finish()` does not need it; if it is given,
#'   the partial result must be one of this operator.
#' @param ... For `genred_partial()`, the arguments of `op`, by position or by name, with the
#'   columns of one piece. For `genred_merge()`, one or more partial results.
#' @param offset The number of columns that come before this piece in the whole data. Indices in
#'   the result refer to the whole data, and merging pieces that share columns is an error. If
#'   `offset` is missing, it is 0 for reductions to an index, and if the formula reads the number
#'   of a column (by `IndexJ()`, `Rand()` and the like); otherwise the place of the piece is
#'   unknown, and shared columns are not detected.
#' @param backend,device_id As in a call of `op`; see [Genred()].
#' @param partial A partial result.
#'
#' @return `genred_partial()` and `genred_merge()` return an object of class `"genred_partial"`.
#'   `genred_finish()` returns what `op()` returns, with the row names of the pieces. If an index
#'   may exceed the largest integer, 2^31 - 1, indices are returned as doubles.
#' @section Errors:
#' `genred_error_argument`, with a message that says what differs, if partial results that are
#' merged have different operators, numbers of rows, row names, parameters or arguments of the
#' kept index, if they share columns, if they were computed by another version of genred, or if
#' they were changed or damaged. Operators of [genred_grad()] that consist of several reductions
#' (the gradients of `"LogSumExp"`, `"Mean"`, minima and others) have no partial results, because
#' their later reductions need the results of the first ones. Arguments are checked as in a call
#' of `op`, but cannot be batches.
#'
#' @section Data larger than memory:
#' Read one piece at a time and merge its state into that of the pieces before it, as in the
#' example. On a cluster, let each worker return the partial result of its files, and merge what
#' comes back:
#' ```
#' parts <- parallel::parLapply(cluster, files, function(file) ...)
#' genred_finish(do.call(genred_merge, parts))
#' ```
#' If the pieces and the order in which they are merged are fixed, the result does not depend on
#' the number of workers.
#'
#' @seealso [Genred()], [genred_reductions]
#' @export
#' @examples
#' # a Gaussian kernel sum over data in four files, of which one is in memory at a time
#' files <- tempfile(rep("part", 4), fileext = ".rds")
#' for (file in files) saveRDS(list(y = matrix(rnorm(3000), 1000), b = rnorm(1000)), file)
#'
#' op <- Genred("Exp(-SqDist(x,y)) * b", c("x = Vi(3)", "y = Vj(3)", "b = Vj(1)"), axis = 1)
#' x <- matrix(rnorm(60), 20)
#' total <- NULL
#' for (file in files) {
#'   part <- readRDS(file)
#'   state <- genred_partial(op, x, part$y, part$b)
#'   total <- if (is.null(total)) state else genred_merge(total, state)
#' }
#' total
#' a <- genred_finish(total)
#'
#' # the three nearest neighbours among all of them: indices need the offset of each file
#' nearest <- Genred("SqDist(x,y)", c("x = Vi(3)", "y = Vj(3)"), "ArgKMin", axis = 1, opt_arg = 3)
#' parts <- lapply(seq_along(files), function(k) {
#'   genred_partial(nearest, x, readRDS(files[k])$y, offset = 1000 * (k - 1))
#' })
#' index <- genred_finish(do.call(genred_merge, parts))
#'
#' # the same in one piece
#' y <- do.call(rbind, lapply(files, function(file) readRDS(file)$y))
#' b <- unlist(lapply(files, function(file) readRDS(file)$b))
#' max(abs(a - op(x, y, b)))
#' identical(index, nearest(x, y))
#' unlink(files)
genred_partial <- function(op, ..., offset = 0, backend = "auto", device_id = -1) {
  call <- brief_call(sys.call(), "genred_partial")
  if (missing(op)) stop_genred("argument", "argument `op` is missing", call = call)
  info <- partial_info(op, call)
  refuse_empty(substitute(list(...)), call)
  values <- matched_arguments(list(...), info$args, call)
  settings <- list(backend = backend, device_id = device_id, ranges = NULL, keep = FALSE)
  settings <- checked_settings(settings, call)
  check_session_settings(call)
  args <- filled_info(info$args, values, call)
  values <- checked_arguments(values, args, call)
  refuse_batch(values, args, call)
  spec <- filled_spec(operator_spec(op), args$dim, call)
  result <- checked(.Call(.ffi_describe, spec), call)$result
  offset <- read_offset(if (!missing(offset)) offset, result, call)
  got <- .Call(.ffi_share, spec, settings$backend, settings$device_id, offset %or% 0, values)
  if (is.null(got)) stop_genred("internal", "checked arguments were not accepted", call = call)
  got <- recover_call(got, NULL, call)
  new_partial(spec, got$states, got$names, offset)
}

# ---- arguments -----------------------------------------------------------------------------------

# The description of an operator that is a single reduction.
partial_info <- function(op, call) {
  if (inherits(op, "GenredGradient")) {
    if (!is.null(operator_plan(op)$map)) {
      stop_genred("argument", "`op` has no partial results: it computes a value for each pair (", format(op),
                  "), without a reduction", call = call)
    }
    stop_genred("argument", "`op` has no partial results: it computes several reductions (",
                format(op), "), of which the later ones need results of the first", call = call)
  }
  if (!inherits(op, "Genred")) {
    stop_genred("argument", "`op` must be an operator made by Genred(); ", given_value(op),
                call = call)
  }
  as_called(operator_info(op), call)
}

# Raises an error for calls such as f(x, , y).
refuse_empty <- function(dots, call) {
  for (k in seq_along(dots)[-1L]) {
    if (!identical(dots[[k]], quote(expr = ))) next
    stop_genred("argument", "argument ", k - 1L, " of `...` is empty", call = call)
  }
}

# The values in the order of the operator's arguments: named ones by name, the others by position.
matched_arguments <- function(values, args, call) {
  refuse <- function(...) stop_genred("argument", ..., call = call)
  given <- names(values) %or% rep("", length(values))
  expected <- paste("the operator has", if (length(args$name)) "the arguments" else "no arguments",
                    if (length(args$name)) quoted(args$name))
  odd <- setdiff(given, c(args$name, ""))
  if (length(odd)) refuse(expected, ", and none called `", odd[1L], "`")
  twice <- given[nzchar(given) & duplicated(given)]
  if (length(twice)) refuse("argument `", twice[1L], "` is given twice")
  at <- match(args$name, given)
  free <- which(is.na(at))
  rest <- which(!nzchar(given))
  if (length(rest) > length(free)) {
    refuse(expected, "; ", counted(length(values), "value"), " given")
  }
  at[free[seq_along(rest)]] <- rest
  lost <- args$name[is.na(at)]
  if (length(lost)) refuse("argument `", lost[1L], "` is missing; ", expected)
  unname(values[at])
}

# Does the result depend on where a piece is in the whole data?
has_places <- function(result) any(result$index) || result$numbers[2L]

refuse_batch <- function(values, args, call) {
  first <- which(lengths(batches_of(values, args)) > 0L)[1L]
  if (is.na(first)) return()
  stop_genred("argument", "argument `", args$name[first], "` is a batch (", shape_text(values[[first]]),
              "), and batches have no partial results; compute those of its elements one by one",
              call = call)
}

# A number, or NULL if it is unknown (x is NULL) and the reduction does not need it.
read_offset <- function(x, result, call) {
  if (is.null(x)) return(if (has_places(result)) 0)
  if (length(x) != 1L || !is_whole(x) || x < 0 || x > 2^53) {
    stop_genred("argument", "`offset` must be the number of columns before these, a whole number ",
                "from 0; ", given_value(x), call = call)
  }
  if (result$axis != 2L) return(as.numeric(x))
  if (x == 0) return(NULL)
  stop_genred("argument", "`offset` has no meaning if both indices are reduced; ", given_value(x),
              call = call)
}

# ---- the object ----------------------------------------------------------------------------------

partial_fields <- c("version", "spec", "states", "rows", "names", "count", "columns")

genred_version <- function() .Call(.ffi_engine)$version

new_partial <- function(spec, states, names, offset) {
  said <- checked(.Call(.ffi_states_describe, spec, states))
  columns <- if (!is.null(offset)) intervals_of(offset + 1, offset + said[2L])
  structure(class = "genred_partial", list(
    version = genred_version(), spec = spec, states = states, rows = said[1L], names = names,
    count = said[2L], columns = columns
  ))
}

# Intervals as a matrix, without the empty ones.
intervals_of <- function(from, to) {
  kept <- from <= to
  cbind(from = unname(from[kept]), to = unname(to[kept]))
}

# The elements of a partial result, or an error in which it is called `what`.
checked_partial <- function(x, what, call) {
  refuse <- function(...) stop_genred("argument", what, " ", ..., call = call)
  invalid <- function(...) refuse("is not a valid partial result: ", ...)
  if (!inherits(x, "genred_partial")) {
    refuse("must be a partial result, made by genred_partial(); ", given_value(x),
           if (is.list(x) && !is.object(x)) "\n  do.call(genred_merge, x) merges a list of them")
  }
  x <- unclass(x)
  if (!is.list(x)) invalid("it is not a list")
  if (!is_text(x$version) || is.na(x$version)) invalid("it has no version")
  if (x$version != genred_version()) {
    refuse("was computed by genred ", x$version, ", but this is genred ", genred_version())
  }
  if (!identical(names(x), partial_fields)) invalid("its elements have wrong names, or none")
  if (!is_spec(x$spec)) invalid("its specification was changed or damaged")
  said <- .Call(.ffi_states_describe, x$spec, x$states)
  if (inherits(said, "genred_failure")) {
    stop_genred(said$class, what, ": ", said$message, call = call)
  }
  if (!identical(said, c(x$rows, x$count))) invalid("`rows` or `count` does not fit its states")
  if (!names_fit(x)) invalid("`names` does not fit its rows")
  if (!columns_fit(x)) invalid("`columns` does not fit its states")
  x
}

is_spec <- function(x) {
  valid <- !inherits(.Call(.ffi_spec, x), "genred_failure") && identical(names(x), spec_fields)
  valid && !is_open(x)
}

names_fit <- function(x) {
  is.null(x$names) || (is.character(x$names) && !is.object(x$names) && length(x$names) == x$rows)
}

# Are these ascending, disjoint intervals with `count` columns?
columns_fit <- function(x) {
  at <- x$columns
  result <- .Call(.ffi_describe, x$spec)$result
  if (is.null(at)) return(!has_places(result))
  if (result$axis == 2L || !is.double(at) || !is.matrix(at) || is.object(at)) return(FALSE)
  if (!identical(colnames(at), c("from", "to"))) return(FALSE)
  if (nrow(at) > 0L && !is_whole(c(at))) return(FALSE)
  steps <- diff(c(0, t(at))) # to each `from` at least 1, to each `to` at least 0
  all(steps >= rep(c(1, 0), nrow(at))) && sum(at[, 2L] - at[, 1L] + 1) == x$count
}

# ---- merging -------------------------------------------------------------------------------------

#' @rdname genred_partial
#' @export
genred_merge <- function(...) {
  call <- brief_call(sys.call(), "genred_merge")
  refuse_empty(substitute(list(...)), call)
  parts <- unname(list(...))
  if (!length(parts)) stop_genred("argument", "there is no partial result to merge", call = call)
  names <- paste("partial result", seq_along(parts))
  parts <- Map(function(x, what) checked_partial(x, what, call), parts, names)
  sum <- parts[[1L]]
  for (k in seq_along(parts)[-1L]) {
    before <- if (k == 2L) names[1L] else paste("partial results 1 to", k - 1L)
    sum <- merged_facts(sum, parts[[k]], c(before, names[k]), call)
  }
  sum$states <- checked(.Call(.ffi_states_merge, sum$spec, lapply(parts, `[[`, "states")), call)
  structure(sum, class = "genred_partial")
}

# Was this partial result computed by an operator with this specification, or by an equal one, whose
# arguments were only written in another way?
is_of <- function(x, spec) {
  if (x$spec$key == spec$key) return(TRUE)
  x$spec$fast_math == spec$fast_math &&
    !inherits(.Call(.ffi_states_describe, spec, x$states), "genred_failure")
}

# Merges all but the states of two partial results, which errors call `what`.
merged_facts <- function(a, b, what, call) {
  refuse <- function(...) {
    stop_genred("argument", what[1L], " and ", what[2L], " cannot be merged: ", ..., call = call)
  }
  if (!is_of(b, a$spec)) refuse(different_operators(a$spec, b$spec))
  if (a$rows != b$rows) refuse("they have ", format(a$rows), " and ", format(b$rows), " rows")
  if (!is.null(a$names) && !is.null(b$names) && !identical(a$names, b$names)) {
    k <- which(!mapply(identical, a$names, b$names))[1L]
    refuse("row ", k, " is called \"", a$names[k], "\" and \"", b$names[k], "\"")
  }
  columns <- sorted_columns(a$columns, b$columns)
  shared <- overlap_of(columns)
  if (length(shared)) {
    refuse("both hold ", interval_text(shared), "; `offset` of genred_partial() is the number ",
           "of columns before a piece")
  }
  a["names"] <- list(a$names %or% b$names)
  a["columns"] <- list(joined(columns))
  a$count <- a$count + b$count
  a
}

# Names the first field that differs, and its values: `dtype` is "float32" and "float64".
different_operators <- function(a, b) {
  field <- Find(function(name) !identical(a[[name]], b[[name]]), setdiff(spec_fields, "key"))
  value <- function(x) {
    abbreviated(paste(deparse(x[[field]], width.cutoff = 500L), collapse = " "), 120L)
  }
  renamed <- c(reduction = "reduction_op", double_acc = "use_double_acc", scheme = "sum_scheme",
               fast_math = "use_fast_math")
  argument <- if (field %in% names(renamed)) renamed[[field]] else field
  paste0("they have different operators, whose `", argument, "` is ", value(a), " and ", value(b))
}

# The intervals of both in ascending order; NULL if one of them is unknown.
sorted_columns <- function(a, b) {
  if (is.null(a) || is.null(b)) return(NULL)
  both <- rbind(a, b)
  both[order(both[, 1L]), , drop = FALSE]
}

# The first columns, c(from, to), that two of these sorted intervals share; NULL if there are none.
overlap_of <- function(at) {
  if (is.null(at)) return(NULL)
  k <- which(utils::head(at[, 2L], -1L) >= at[-1L, 1L])
  if (length(k)) c(at[k[1L] + 1L, 1L], min(at[k[1L], 2L], at[k[1L] + 1L, 2L]))
}

# Adjacent intervals become one.
joined <- function(at) {
  if (is.null(at) || nrow(at) < 2L) return(at)
  apart <- at[-1L, 1L] != at[-nrow(at), 2L] + 1
  intervals_of(at[c(TRUE, apart), 1L], at[c(apart, TRUE), 2L])
}

# ---- results -------------------------------------------------------------------------------------

#' @rdname genred_partial
#' @export
genred_finish <- function(op, partial) {
  call <- brief_call(sys.call(), "genred_finish")
  if (missing(partial) && missing(op)) {
    stop_genred("argument", "argument `partial` is missing", call = call)
  }
  if (missing(partial)) {
    partial <- checked_partial(op, "`partial`", call)
  } else {
    if (!missing(op)) partial_info(op, call)
    partial <- checked_partial(partial, "`partial`", call)
    if (!missing(op)) expect_operator(partial, operator_spec(op), call)
  }
  wide <- max(partial$columns, 0) > .Machine$integer.max
  results <- checked(.Call(.ffi_states_finish, partial$spec, partial$states, wide), call)
  info <- checked(.Call(.ffi_describe, partial$spec), call)$result
  results <- lapply(results, shaped_result, info, partial)
  if (length(results) == 1L) results[[1L]] else stats::setNames(results, c("value", "index"))
}

expect_operator <- function(partial, wanted, call) {
  if (is_open(wanted) && length(wanted$aliases) == length(partial$spec$aliases)) {
    filled <- .Call(.ffi_fill, wanted, .Call(.ffi_describe, partial$spec)$args$dim)
    if (!inherits(filled, "genred_failure")) wanted <- filled
  }
  if (is_of(partial, wanted)) return()
  stop_genred("argument", "`partial` does not belong to `op`: ",
              different_operators(wanted, partial$spec), call = call)
}

# The dimensions (rows x D, rows x K, or rows x K x D) and row names that a call of the operator
# gives.
shaped_result <- function(x, result, partial) {
  neighbours <- if (result$k > 0L) result$k
  dim(x) <- c(partial$rows, neighbours, if (is.null(neighbours) || result$dim > 1L) result$dim)
  if (is.null(partial$names)) return(x)
  dimnames(x) <- c(list(partial$names), rep(list(NULL), length(dim(x)) - 1L))
  x
}

# ---- printing ------------------------------------------------------------------------------------

#' @export
print.genred_partial <- function(x, ...) {
  part <- checked_partial(x, "`x`", brief_call(sys.call(-1L), "print"))
  op <- operator_function(part$spec, .Call(.ffi_describe, part$spec)$args$name)
  counts <- if (operator_info(op)$result$axis == 2L) "  pairs    " else "  columns  "
  formula <- abbreviated(format(op), max(40L, getOption("width") - 18L))
  cat("<genred_partial> ", formula, "\n", sep = "")
  cat("  rows     ", plain_number(part$rows), "\n", sep = "")
  cat(counts, count_text(part), "\n", sep = "")
  cat("  ", precision_text(part$spec), ", ", bytes_text(8 * length(part$states)), ", genred ",
      part$version, "\n", sep = "")
  invisible(x)
}

plain_number <- function(x) {
  format(x, digits = 16L, big.mark = ",", decimal.mark = ".", scientific = FALSE, trim = TRUE)
}

# "20 (1 to 10, 31 to 40)"
count_text <- function(part) {
  at <- part$columns
  shown <- utils::head(seq_len(NROW(at)), 5L)
  if (!length(shown)) return(plain_number(part$count))
  where <- vapply(shown, function(k) interval_text(at[k, ], c("", "")), "")
  more <- if (NROW(at) > length(shown)) ", ..."
  paste0(plain_number(part$count), " (", paste(where, collapse = ", "), more, ")")
}

interval_text <- function(at, what = c("column ", "columns ")) {
  if (at[1L] == at[2L]) return(paste0(what[1L], plain_number(at[1L])))
  paste0(what[2L], plain_number(at[1L]), " to ", plain_number(at[2L]))
}
