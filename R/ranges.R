# Block-sparse calls: what `ranges` may be, and the helpers that make it.
#
# The fast path (src/ffi_ranges.c) accepts ranges that are valid and in the usual form.  All others
# come here, to be converted to that form, or refused with an error that names the part, the row and
# the value.

part_names <- c("ranges_i", "slices_i", "redranges_j", "ranges_j", "slices_j", "redranges_i")
halves <- list(part_names[1:3], part_names[4:6])

has_orders <- function(ranges) {
  !is.null(attr(ranges, "order_i")) || !is.null(attr(ranges, "order_j"))
}

# ---- checking ranges of a call -------------------------------------------------------------------

# As src/ffi_ranges.c takes them, or an error.  axis: the index that is reduced (2: both).
checked_ranges <- function(ranges, axis, info, values, call) {
  if (is.null(ranges)) return(NULL)
  refuse <- function(...) stop_genred("argument", ..., call = call)
  parts <- named_parts(ranges, refuse)
  size <- vapply(c("i", "j"), function(index) size_of(index, info, values), 0)
  check_size(ranges, size, refuse)
  needed <- halves[[if (axis == 0L) 2L else 1L]]
  if (is.null(parts[[needed[1L]]])) {
    refuse("`ranges` lacks the parts ", quoted(needed), ", which a reduction over ",
           c("i", "j", "i and j")[axis + 1L], " needs")
  }
  parts <- checked_halves(parts, size, refuse)
  structure(parts, order_i = checked_order(ranges, "order_i", size[["i"]], refuse),
            order_j = checked_order(ranges, "order_j", size[["j"]], refuse))
}

# The parts of ranges that are not used in a call yet.
checked_parts <- function(ranges, refuse) {
  parts <- named_parts(ranges, refuse)
  checked_halves(parts, made_for(ranges, refuse) %or% c(2^52, 2^52), refuse)
}

checked_halves <- function(parts, size, refuse) {
  for (half in halves) {
    if (!is.null(parts[[half[1L]]])) parts <- check_half(parts, half, size, refuse)
  }
  if (!.Call(.ffi_ranges_agree, parts)) {
    refuse("`ranges`: the parts for i (", quoted(halves[[1L]]), ") and those for j (",
           quoted(halves[[2L]]), ") do not keep the same pairs")
  }
  parts
}

# The six parts by name, NULL where a half was not given.
named_parts <- function(ranges, refuse) {
  if (!is.list(ranges) || is.data.frame(ranges)) {
    refuse("`ranges` must be NULL, or made by a helper such as from_matrix(), ",
           "or a list of the parts ", quoted(part_names[1:3]),
           " and, for reductions over i, ", quoted(part_names[4:6]), "; ", given_value(ranges))
  }
  count <- length(ranges)
  if (count != 3L && count != 6L) {
    refuse("`ranges` must have 3 or 6 parts (", quoted(part_names), "); it has ", count)
  }
  given <- names(ranges) %or% part_names[seq_len(count)]
  unknown <- setdiff(given, part_names)
  if (length(unknown)) {
    refuse("`ranges` has a part \"", unknown[1L], "\"; its parts are ", quoted(part_names))
  }
  if (anyDuplicated(given)) refuse("`ranges` has two parts \"", given[duplicated(given)][1L], "\"")
  parts <- stats::setNames(vector("list", 6L), part_names)
  parts[given] <- unclass(ranges)[seq_len(count)]
  check_halves(parts, refuse)
  parts
}

# Three parts of one index, or none.
check_halves <- function(parts, refuse) {
  absent <- vapply(parts, is.null, NA)
  for (half in list(1:3, 4:6)) {
    if (any(absent[half]) && !all(absent[half])) {
      lost <- part_names[half][absent[half]]
      refuse("`ranges` lacks the part ", quoted(lost[1L]), ", which belongs to ",
             quoted(setdiff(part_names[half], lost)))
    }
  }
  if (all(absent)) {
    refuse("`ranges` must have 3 or 6 parts (", quoted(part_names), "); all are NULL")
  }
}

# The number of values of an index that the arguments have.
size_of <- function(index, info, values) {
  along <- categories[[index]][info$category]
  k <- which(along > 0L)[1L]
  if (is.na(k)) return(1)
  as.numeric(if (along[k] == 1L) NROW(values[[k]]) else dim(values[[k]])[along[k]])
}

# The numbers of i and of j that a helper knew, or NULL.
made_for <- function(ranges, refuse) {
  size <- attr(ranges, "size")
  if (is.null(size)) return(NULL)
  if (length(size) != 2L || !is_whole(size)) {
    refuse("`ranges` was changed: its `size` is not the numbers of i and of j")
  }
  as.numeric(size)
}

check_size <- function(ranges, size, refuse) {
  known <- made_for(ranges, refuse)
  if (!is.null(known) && any(known != size)) {
    refuse("`ranges` was made for ", paste(known, collapse = " x "),
           " pairs; the arguments have ", paste(size, collapse = " x "))
  }
}

# Rows that ascend, and the columns of each block, which ascend too.
check_half <- function(parts, half, size, refuse) {
  by_i <- half[1L] == "ranges_i"
  if (!by_i) size <- rev(size)
  rows <- check_intervals(parts[[half[1L]]], half[1L], size[[1L]], refuse)
  columns <- check_intervals(parts[[half[3L]]], half[3L], size[[2L]], refuse)
  ends <- check_slices(parts[[half[2L]]], half, nrow(rows), nrow(columns), refuse)
  check_ascent(rows, rep(1L, nrow(rows)), half[1L], "of the blocks", refuse)
  block <- rep.int(seq_len(nrow(rows)), diff(c(0, ends)))
  check_ascent(columns, block, half[3L], "of one block", refuse)
  parts[half] <- list(rows, ends, columns)
  parts
}

# Numbers that count something, without a class.
check_whole <- function(x, part, refuse) {
  what <- paste0("`ranges$", part, "` must hold whole numbers; ")
  if (!is.numeric(x) || is.object(x)) refuse(what, given_value(x))
  bad <- which(!is.finite(x) | x != round(x))[1L]
  if (!is.na(bad)) refuse(what, place_of(x, bad), " is ", format(x[bad], digits = 15L))
}

# "row 3, column 2" or "element 3"
place_of <- function(x, k) {
  if (!is.matrix(x)) return(paste("element", k))
  paste0("row ", (k - 1L) %% nrow(x) + 1L, ", column ", (k - 1L) %/% nrow(x) + 1L)
}

check_intervals <- function(x, part, most, refuse) {
  if (!is.matrix(x) || ncol(x) != 2L) {
    refuse("`ranges$", part,
           "` must be a matrix with 2 columns, the first and the last of each interval; ",
           given_value(x))
  }
  check_whole(x, part, refuse)
  index <- if (endsWith(part, "i")) "i" else "j"
  outside <- which(x < 1 | x > most)[1L]
  if (!is.na(outside)) {
    refuse("`ranges$", part, "`: ", place_of(x, outside), " is ", format(x[outside], digits = 15L),
           "; ", index, " goes from 1 to ",
           format(most, digits = 15L))
  }
  empty <- which(x[, 1L] > x[, 2L])[1L]
  if (!is.na(empty)) {
    refuse("`ranges$", part, "`: row ", empty, " is ", row_text(x, empty),
           ", which ends before it begins; leave it out")
  }
  matrix(as.numeric(x), ncol = 2L)
}

row_text <- function(x, k) paste(format(x[k, ], digits = 15L, trim = TRUE), collapse = " to ")

check_slices <- function(x, half, blocks, columns, refuse) {
  part <- half[2L]
  check_whole(x, part, refuse)
  if (length(x) != blocks) {
    refuse("`ranges$", part, "` must have one element for each of the ", blocks,
           " rows of `ranges$", half[1L], "`; it has ", length(x))
  }
  x <- as.numeric(x)
  down <- which(diff(c(0, x)) < 0)[1L]
  if (!is.na(down)) {
    refuse("`ranges$", part, "` must not decrease: element ", down, " is ",
           format(x[down], digits = 15L), " after ",
           format(c(0, x)[down], digits = 15L))
  }
  last <- if (blocks) x[blocks] else 0
  if (last != columns) {
    refuse("`ranges$", part, "` must end with ", columns, ", the number of rows of `ranges$",
           half[3L], "`; it ends with ", format(last, digits = 15L))
  }
  x
}

# Within each block, an interval begins after the one before has ended.
check_ascent <- function(x, block, part, whose, refuse) {
  k <- seq_len(max(0L, nrow(x) - 1L))
  wrong <- k[block[k] == block[k + 1L] & x[k + 1L, 1L] <= x[k, 2L]][1L]
  if (is.na(wrong)) return()
  how <- if (x[wrong + 1L, 2L] < x[wrong, 1L]) "comes after" else "overlaps"
  if (how == "comes after") how <- "must come before, not after,"
  refuse("`ranges$", part, "`: the intervals ", whose, " must ascend without overlaps; row ",
         wrong + 1L, " (", row_text(x, wrong + 1L), ") ", how,
         " row ", wrong, " (", row_text(x, wrong), ")",
         if (whose == "of one block") paste0(", in block ", block[wrong]))
}

checked_order <- function(ranges, name, size, refuse) {
  x <- attr(ranges, name)
  if (is.null(x)) return(NULL)
  whole <- is.numeric(x) && !is.object(x) && length(x) == size && all(is.finite(x))
  if (!whole || !identical(sort(as.numeric(x)), as.numeric(seq_len(size)))) {
    refuse("`ranges` was changed: its `", name, "` is no order of ", size, " rows")
  }
  as.integer(x)
}

# ---- ranges of sorted data, arguments in the caller's order --------------------------------------

# Sorts the arguments, calls, and puts the rows of the result and the indices in it back.
call_in_order <- function(spec, description, values, settings, call, run = run_checked) {
  is_map <- identical(run, run_map)
  if (settings$keep) {
    stop_genred("argument", "`keep = TRUE` needs data that are sorted by group: these `ranges` ",
                "carry an order, which is applied in R", call = call)
  }
  order <- list(i = attr(settings$ranges, "order_i"), j = attr(settings$ranges, "order_j"))
  attr(settings$ranges, "order_i") <- attr(settings$ranges, "order_j") <- NULL
  category <- description$args$category
  if (any(description$result$numbers)) {
    size <- vapply(c("i", "j"), size_of, 0, description$args, values)
    spec <- with_numbers(spec, description$args$name, max(size), call)
    values <- c(values, list(seq_len(size[[1L]]) - 1, seq_len(size[[2L]]) - 1))
    category <- c(category, "Vi", "Vj")
  }
  for (k in seq_along(category)) {
    for (index in c("i", "j")) {
      values[[k]] <- taken(values[[k]], categories[[index]][[category[k]]], order[[index]])
    }
  }
  result <- run(spec, values, settings, call)
  if (is_map) return(restore_pairs(result, order$i, order$j))
  axis <- description$result$axis
  if (axis == 2L) return(result)
  if (axis == 0L) order <- rev(order)
  restore_order(result, order[[1L]], order[[2L]])
}

# Sorting changes the numbers of rows and columns, so that a formula which reads them gets those of
# the caller as two further arguments.
with_numbers <- function(spec, names, size, call) {
  given <- given_arguments(spec)
  formulas <- c("formula", if (!is.null(spec$formula2)) "formula2")
  if (any(grepl(function_pattern("rand"), unlist(given[formulas]), perl = TRUE))) {
    stop_genred("argument", "these `ranges` sort the data by group, which changes the numbers of rows and columns that Rand() ",
                "depends on; sort the data by group before the call, or pass random numbers as a Mij(1)", call = call)
  }
  if (spec$dtype == "float32" && size > 2^24) {
    stop_genred("argument", "these `ranges` sort the data by group, and float32 does not have the numbers of all ",
                plain_number(size), " rows or columns; sort the data by group before the call, or use dtype = \"float64\"",
                call = call)
  }
  i <- fresh_name("row_number", names)
  j <- fresh_name("column_number", c(names, i))
  numbers <- c(indexi = i, indexj = j, indexdiff = paste0("(", i, "-", j, ")"))
  for (name in names(numbers)) {
    for (f in formulas) given[[f]] <- gsub(function_pattern(name, "\\s*\\)"), numbers[[name]], given[[f]], perl = TRUE)
  }
  at <- length(names) + 0:1
  given$aliases <- c(given$aliases, sprintf("%s = %s(%d,1)", c(i, j), c("Vi", "Vj"), at))
  read_spec(given, call)
}

# A call of this operation in a formula, up to the parenthesis and what follows.
function_pattern <- function(name, rest = "") paste0("(?i)(?<![A-Za-z0-9_.])", name, "\\s*\\(", rest)

# Along dimension `along` (0: none), in this order (NULL: as they are).
taken <- function(x, along, order) {
  if (is.null(order) || along == 0L) return(x)
  if (inherits(x, "genred_array")) x <- as.array(x)
  # not TRUE, which would be too long where there is nothing
  all <- rep(list(quote(expr = )), max(1L, length(dim(x))))
  all[[along]] <- order
  do.call(`[`, c(list(x), all, drop = FALSE))
}

# An array of pairs in the order of the caller.
restore_pairs <- function(x, rows, columns) {
  back <- function(order) if (!is.null(order)) order(order)
  if (inherits(x, "genred_failure")) return(x)
  if (inherits(x, "genred_noted")) {
    x$result <- restore_pairs(x$result, rows, columns)
    return(x)
  }
  taken(taken(x, 1L, back(rows)), 2L, back(columns))
}

# A result with a note, a pair of results, or one; a failure stays as it is.
restore_order <- function(x, rows, columns) {
  if (inherits(x, "genred_failure")) return(x)
  if (is.list(x)) {
    inner <- if (inherits(x, "genred_noted")) "result" else names(x)
    x[inner] <- lapply(unclass(x)[inner], restore_order, rows, columns)
    return(x)
  }
  if (is.integer(x) && !is.null(columns)) x[] <- columns[x]
  if (is.null(rows)) x else taken(x, 1L, order(rows))
}
