# Helpers that make `ranges`: clusters of points, kept blocks, groups, bands, sparse patterns.

# ---- the class -----------------------------------------------------------------------------------

# parts: three or six.  size: the numbers of i and of j, where they are known.  order_i, order_j:
# of data that the caller has in another order.
new_ranges <- function(parts, size = NULL, order_i = NULL, order_j = NULL) {
  structure(parts, names = part_names[seq_along(parts)], size = size, order_i = order_i,
            order_j = order_j, class = "genred_ranges")
}

intervals <- function(first, last) matrix(as.numeric(c(first, last)), ncol = 2L)

# One interval of columns for each block of rows.
one_each <- function(rows, columns) list(rows, as.numeric(seq_len(nrow(rows))), columns)

pairs_of <- function(rows, ends, columns) {
  width <- function(x) x[, 2L] - x[, 1L] + 1
  met <- diff(c(0, c(0, cumsum(width(columns)))[ends + 1]))
  sum(width(rows) * met)
}

# Three or six parts remain ranges, with the size and the orders: without an order, ranges of groups
# that are not contiguous would keep other pairs.
#' @export
`[.genred_ranges` <- function(x, i) {
  parts <- unclass(x)[i]
  if (!length(parts) %in% c(3L, 6L)) return(parts)
  structure(parts, size = attr(x, "size"), order_i = attr(x, "order_i"),
            order_j = attr(x, "order_j"), class = "genred_ranges")
}

#' @export
format.genred_ranges <- function(x, ...) {
  parts <- checked_parts(x, refusal(NULL))
  half <- halves[[if (is.null(parts$ranges_i)) 2L else 1L]]
  rows <- parts[[half[1L]]]
  columns <- parts[[half[3L]]]
  size <- attr(x, "size") %or% c(max(0, rows), max(0, columns))
  kept <- pairs_of(rows, parts[[half[2L]]], columns)
  all <- prod(size)
  shape <- paste(format(size, trim = TRUE, scientific = FALSE), collapse = " x ")
  paste0(counted(nrow(rows), "block"), " of rows, ", counted(nrow(columns), "interval"),
         " of columns, ", if (all > 0) paste0(format(100 * kept / all, digits = 3L), " % of "),
         shape, " pairs kept",
         if (has_orders(x)) ", sorted by group")
}

#' @export
print.genred_ranges <- function(x, ...) {
  cat("<genred_ranges: ", format(x), ">\n", sep = "")
  invisible(x)
}

# ---- clusters ------------------------------------------------------------------------------------

#' Clusters of points
#'
#' Block-sparse calls (see [genred_ranges]) combine contiguous blocks of rows. These functions
#' divide points into clusters, sort data by cluster, and describe the clusters; [from_matrix()]
#' then states which pairs of clusters are kept.
#'
#' @param x A numeric matrix with a point in each row (a vector is a matrix with one column).
#'   `sort_clusters()` also takes a list of matrices and vectors with as many rows each.
#' @param size The edge length of the cells, or one length for each coordinate.
#' @param labels A label for each point: numbers, strings or a factor, in any order. The
#'   clusters are the distinct labels in increasing order (for a factor, the order of its levels).
#' @param weights `NULL` (all 1), or a weight for each point, 0 or more.
#' @return
#' * `grid_cluster()`: for each point the number of its cell. Only cells that contain points are
#'   numbered, from 1, by their first coordinate, then by the second, and so on.
#' * `cluster_ranges()`: a matrix with a row for each cluster: the first and the last row of its
#'   points once these are sorted by label.
#' * `cluster_centroids()`: a matrix with the (weighted) mean of the points of each cluster. If
#'   all weights of a cluster are 0, it is the unweighted mean.
#' * `cluster_ranges_centroids()`: a list of `ranges`, `centroids` and `weights`, the sums of the
#'   weights.
#' * `sort_clusters()`: a list of `x` and `labels` sorted by label, points of one cluster in
#'   their order, and `order`: `x$x` is `x[order, ]`.
#' @section Errors:
#' `genred_error_argument` if lengths differ, if values are missing, or if a point is too far from 0
#' for cells of the given `size`.
#' @seealso [genred_ranges] for an example, [from_matrix()].
#' @name clusters
NULL

points_matrix <- function(x, what, call) {
  if (is.data.frame(x)) x <- as.matrix(x)
  if (!(is.numeric(x) || is.logical(x)) || length(dim(x)) > 2L) {
    stop_genred("argument", "`", what, "` must be a numeric matrix; ", given_value(x), call = call)
  }
  x <- if (is.matrix(x)) x else matrix(x, ncol = 1L)
  bad <- which(!is.finite(x))[1L]
  if (!is.na(bad)) {
    stop_genred("argument", "`", what, "`: ", place_of(x, bad), " is ", format(x[bad]), call = call)
  }
  x
}

# A factor may have a level NA, which is missing, too.
check_labels <- function(labels, n, what, call) {
  refuse <- refusal(call)
  if (!typeof(labels) %in% c("logical", "integer", "double", "character") ||
      length(dim(labels)) > 1L) {
    refuse("`", what, "` must be a vector with a label for each row: numbers, ",
           "strings or a factor; ", given_value(labels))
  }
  if (!is.null(n) && length(labels) != n) {
    refuse("`", what, "` has ", counted(length(labels), "label"), " for ", counted(n, "row"))
  }
  missing <- which(is.na(if (is.factor(labels)) as.character(labels) else labels))[1L]
  if (!is.na(missing)) refuse("`", what, "`: label ", missing, " is missing")
  labels
}

check_weights <- function(weights, n, call) {
  if (is.null(weights)) return(rep(1, n))
  if (!is.numeric(weights) || length(weights) != n || anyNA(weights) ||
      any(weights < 0 | is.infinite(weights))) {
    stop_genred("argument", "`weights` must be NULL or ", n,
                " finite numbers that are not negative; ", given_value(weights), call = call)
  }
  as.numeric(weights)
}

# Numbers of the clusters, from 1, in the order of their labels.  Strings are ordered by their
# bytes, in any locale.
cluster_numbers <- function(labels) {
  if (is.factor(labels)) labels <- as.integer(labels)
  match(labels, sort(unique(as.vector(labels)), method = "radix"))
}

count_each <- function(number) tabulate(number, max(0L, number))

#' @rdname clusters
#' @export
grid_cluster <- function(x, size) {
  call <- brief_call(sys.call(), "grid_cluster")
  .need_arguments(c("x", "size"))
  x <- points_matrix(x, "x", call)
  positive <- is.numeric(size) && all(is.finite(size)) && all(size > 0)
  if (!positive || !length(size) %in% c(1L, ncol(x))) {
    stop_genred("argument", "`size` must be a positive number, or one for each of the ",
                counted(ncol(x), "coordinate"), "; ", given_value(size), call = call)
  }
  if (nrow(x) == 0L || ncol(x) == 0L) return(rep(1L, nrow(x)))
  cells <- floor(x / rep(rep_len(size, ncol(x)), each = nrow(x)))
  far <- which(!is.finite(cells))[1L]
  if (!is.na(far)) {
    stop_genred("argument", "`x`: ", place_of(x, far), " is ", format(x[far]),
                ", too far from 0 for cells of this `size`", call = call)
  }
  cells <- lapply(seq_len(ncol(x)), function(k) cells[, k])
  order <- do.call(base::order, c(cells, method = "radix"))
  other <- Reduce(`|`, lapply(cells, function(cell) diff(cell[order]) != 0))
  number <- integer(nrow(x))
  number[order] <- cumsum(c(1L, other))
  number
}

#' @rdname clusters
#' @export
cluster_ranges <- function(labels) {
  .need_arguments("labels")
  labels <- check_labels(labels, NULL, "labels", brief_call(sys.call(), "cluster_ranges"))
  last <- cumsum(as.numeric(count_each(cluster_numbers(labels))))
  intervals(c(0, last)[seq_along(last)] + 1, last)
}

#' @rdname clusters
#' @export
cluster_centroids <- function(x, labels, weights = NULL) {
  call <- brief_call(sys.call(), "cluster_centroids")
  .need_arguments(c("x", "labels"))
  x <- points_matrix(x, "x", call)
  centroids_of(x, cluster_numbers(check_labels(labels, nrow(x), "labels", call)),
               check_weights(weights, nrow(x), call))
}

# Weights are divided by the largest of their cluster, so that their sums do not overflow.
centroids_of <- function(x, number, weights) {
  if (nrow(x) == 0L) return(x)
  largest <- vapply(split(weights, number), max, 0, USE.NAMES = FALSE)[number]
  weights <- ifelse(largest == 0, 1, weights / largest)
  unname(rowsum(x * weights, number) / rowsum(weights, number)[, 1L])
}

#' @rdname clusters
#' @export
cluster_ranges_centroids <- function(x, labels, weights = NULL) {
  call <- brief_call(sys.call(), "cluster_ranges_centroids")
  .need_arguments(c("x", "labels"))
  x <- points_matrix(x, "x", call)
  number <- cluster_numbers(check_labels(labels, nrow(x), "labels", call))
  weights <- check_weights(weights, nrow(x), call)
  list(ranges = cluster_ranges(number), centroids = centroids_of(x, number, weights),
       weights = unname(rowsum(weights, number)[, 1L]))
}

#' @rdname clusters
#' @export
sort_clusters <- function(x, labels) {
  call <- brief_call(sys.call(), "sort_clusters")
  .need_arguments(c("x", "labels"))
  several <- is.list(x) && !is.object(x)
  check_labels(labels, NULL, "labels", call)
  for (k in seq_along(if (several) x else 1L)) {
    what <- if (several) paste0("x[[", k, "]]") else "x"
    check_sortable(if (several) x[[k]] else x, what, length(labels), refusal(call))
  }
  order <- order(cluster_numbers(labels), method = "radix")
  sorted <- function(one) if (length(dim(one)) == 2L) one[order, , drop = FALSE] else one[order]
  list(x = if (several) lapply(x, sorted) else sorted(x), labels = labels[order], order = order)
}

# A matrix, a data frame, or a vector, with a row for each label.
check_sortable <- function(x, what, n, refuse) {
  rows <- length(dim(x)) == 2L || (is.atomic(x) && !is.null(x) && length(dim(x)) < 2L)
  if (!rows) refuse("`", what, "` must be a matrix or a vector; ", given_value(x))
  if (NROW(x) != n) {
    refuse("`labels` has ", counted(n, "label"), " for ", counted(NROW(x), "row"), " of `", what,
           "`")
  }
}

# ---- ranges --------------------------------------------------------------------------------------

#' Ranges of block-sparse calls
#'
#' With the argument `ranges`, an operator is evaluated for some blocks of pairs (i, j) only. These
#' functions make that argument.
#'
#' @section Format:
#' A list with the parts `ranges_i`, `slices_i` and `redranges_j` and, for reductions over i and
#' gradients of arguments indexed by j, also `ranges_j`, `slices_j` and `redranges_i`; with these
#' names, or in this order. `ranges_i` has a row for each block of rows of the result: the first
#' and the last i. Block k is reduced over the intervals of j in the rows `slices_i[k-1] + 1` to
#' `slices_i[k]` of `redranges_j` (`slices_i[0]` stands for 0), which hold the first and the last j
#' of each interval. All numbers count from 1, and intervals include both ends. Blocks are in
#' ascending order and do not overlap; the same is true of the intervals of each block.
#'
#' A row that belongs to no block gets the result of an empty reduction, see [genred_reductions];
#' `"Mean"` and `"Var"` divide by the number of j over which the row is reduced. With `axis = 2`
#' the reduction is over all pairs that are kept.
#'
#' Invalid ranges are an error of class `genred_error_argument` that names the part, the row and
#' the value. If all six parts are given, both halves must keep the same pairs.
#'
#' @section Speed:
#' The time is proportional to the number of pairs that are kept if blocks have at least some 32
#' rows and intervals as many columns. Every block of rows is filled up to vectors of up to 16
#' rows, so that blocks of a single row, as in `band_ranges()` and in patterns of single rows, take
#' up to 16 times as long per pair, unless their intervals are long.
#'
#' @param ranges_i,ranges_j The blocks of rows and of columns, matrices as [cluster_ranges()]
#'   makes them.
#' @param keep A logical matrix: `keep[k, l]` says whether block k of the rows and block l of the
#'   columns are combined.
#' @param ranges What a helper has made, a list of the parts, or `NULL` (all pairs).
#' @param gi,gj The group of each i and of each j: vectors of labels or factors. i and j meet
#'   where their labels are equal. Groups need not be contiguous: if they are not, the ranges
#'   include the order by which each call sorts its arguments; results are in the caller's order.
#' @param m,n The numbers of i and of j.
#' @param below,above Whole numbers, or `Inf`: i meets j where `i - below <= j` and `j <= i +
#'   above`.
#' @param pattern A logical matrix, or a sparse one of package Matrix, whose non-zero (`TRUE`)
#'   entries are kept. An entry stands for a pair of blocks of `ranges_i` and `ranges_j`; without
#'   `ranges_i` a row is a single i, and without `ranges_j` a column is a single j.
#' @return An object of class `"genred_ranges"`, for the argument `ranges` of operators. It holds
#' plain data only. `swap_axes(NULL)` is `NULL`.
#'
#' `from_matrix()` keeps the pairs of blocks that are `TRUE` in a matrix, `group_ranges()` the
#' pairs with equal labels, `band_ranges()` a band around the diagonal, and `sparse_ranges()` the
#' non-zero entries of a sparse pattern. `swap_axes()` exchanges i and j.
#' @seealso [clusters], [Genred()].
#' @name genred_ranges
#' @aliases ranges
#' @examples
#' set.seed(1)
#' x <- matrix(runif(3000), 1000)
#' y <- matrix(runif(6000), 2000)
#' b <- runif(2000)
#'
#' # points in cells of side 0.2; pairs of cells whose centres are less than 0.5 apart
#' xs <- sort_clusters(x, grid_cluster(x, 0.2))
#' ys <- sort_clusters(list(y, b), grid_cluster(y, 0.2))
#' cx <- cluster_ranges_centroids(xs$x, xs$labels)
#' cy <- cluster_ranges_centroids(ys$x[[1]], ys$labels)
#' d2 <- outer(rowSums(cx$centroids^2), rowSums(cy$centroids^2), "+") -
#'   2 * cx$centroids %*% t(cy$centroids)
#' near <- from_matrix(cx$ranges, cy$ranges, d2 < 0.5^2)
#' near
#'
#' op <- Genred("Exp(-50*SqDist(x,y)) * b", c("x = Vi(3)", "y = Vj(3)", "b = Vj(1)"), axis = 1)
#' a <- op(xs$x, ys$x[[1]], ys$x[[2]], ranges = near)
#' max(abs(a - op(xs$x, ys$x[[1]], ys$x[[2]]))) # what was left out
#'
#' # the nearest neighbour with the same label
#' nearest <- Genred("SqDist(x,y)", c("x = Vi(3)", "y = Vj(3)"), "ArgMin", axis = 1)
#' gi <- sample(letters[1:5], 1000, TRUE)
#' gj <- sample(letters[1:5], 2000, TRUE)
#' at <- nearest(x, y, ranges = group_ranges(gi, gj))
#' all(gi == gj[at])
NULL

#' @rdname genred_ranges
#' @export
from_matrix <- function(ranges_i, ranges_j, keep) {
  refuse <- refusal(brief_call(sys.call(), "from_matrix"))
  .need_arguments(c("ranges_i", "ranges_j", "keep"))
  ranges_i <- check_blocks(ranges_i, "ranges_i", refuse)
  ranges_j <- check_blocks(ranges_j, "ranges_j", refuse)
  fits <- is.matrix(keep) && (is.logical(keep) || is.numeric(keep)) &&
    identical(dim(keep), c(nrow(ranges_i), nrow(ranges_j)))
  if (!fits) refuse("`keep` must be a logical matrix (", nrow(ranges_i), " x ", nrow(ranges_j),
                    "); ", given_value(keep),
                    if (isS4(keep)) "\n  sparse_ranges() takes a sparse matrix of blocks")
  if (anyNA(keep)) refuse("`keep`: ", place_of(keep, which(is.na(keep))[1L]), " is NA")
  at <- which(keep != 0)
  block_ranges((at - 1L) %% nrow(keep) + 1L, (at - 1L) %/% nrow(keep) + 1L, ranges_i, ranges_j)
}

refusal <- function(call) function(...) stop_genred("argument", ..., call = call)

# Blocks of rows or columns of any number.
check_blocks <- function(x, what, refuse) {
  refuse_part <- function(...) refuse(sub("ranges$", "", paste0(...), fixed = TRUE))
  x <- check_intervals(x, what, 2^52, refuse_part)
  check_ascent(x, rep(1L, nrow(x)), what, "of the blocks", refuse_part)
  x
}

# The kept blocks k[], l[], which are sorted by l, then k.
block_ranges <- function(k, l, ranges_i, ranges_j, size = NULL) {
  by_row <- order(k, method = "radix")
  half <- function(of, n, with, other) {
    list(cumsum(as.numeric(tabulate(of, n))), other[with, , drop = FALSE])
  }
  i <- half(k, nrow(ranges_i), l[by_row], ranges_j)
  j <- half(l, nrow(ranges_j), k, ranges_i)
  new_ranges(list(ranges_i, i[[1L]], i[[2L]], ranges_j, j[[1L]], j[[2L]]), size)
}

#' @rdname genred_ranges
#' @export
swap_axes <- function(ranges) {
  .need_arguments("ranges")
  if (is.null(ranges)) return(NULL)
  parts <- checked_parts(ranges, refusal(brief_call(sys.call(), "swap_axes")))
  size <- attr(ranges, "size")
  new_ranges(unname(parts[c(4:6, 1:3)]), if (!is.null(size)) rev(size),
             attr(ranges, "order_j"), attr(ranges, "order_i"))
}

#' @rdname genred_ranges
#' @export
group_ranges <- function(gi, gj = gi) {
  call <- brief_call(sys.call(), "group_ranges")
  .need_arguments("gi")
  force(gj) # before gi changes
  gi <- plain_labels(check_labels(gi, NULL, "gi", call))
  gj <- plain_labels(check_labels(gj, NULL, "gj", call))
  if (is.character(gi)) gj <- as.character(gj) # numbers and strings are compared as by ==
  if (is.character(gj)) gi <- as.character(gi)
  i <- groups_of(gi)
  j <- groups_of(gj)
  with_j <- match(i$labels, j$labels)
  with_i <- match(j$labels, i$labels)
  meet <- function(own, other, with) {
    found <- !is.na(with)
    one_each(own$ranges[found, , drop = FALSE], other$ranges[with[found], , drop = FALSE])
  }
  new_ranges(c(meet(i, j, with_j), meet(j, i, with_i)), c(length(gi), length(gj)), i$order, j$order)
}

plain_labels <- function(x) if (is.factor(x)) as.character(x) else as.vector(x)

# Groups in the order of their first element; order: NULL where they are contiguous.
groups_of <- function(labels) {
  distinct <- unique(labels)
  number <- match(labels, distinct)
  list(labels = distinct, ranges = cluster_ranges(number),
       order = if (is.unsorted(number)) order(number, method = "radix"))
}

#' @rdname genred_ranges
#' @export
band_ranges <- function(m, n, below, above) {
  refuse <- refusal(brief_call(sys.call(), "band_ranges"))
  .need_arguments(c("m", "n", "below", "above"))
  for (name in c("m", "n")) {
    x <- get(name)
    if (!is_whole(x) || length(x) != 1L || x < 0 || x > .Machine$integer.max) {
      refuse("`", name, "` must be a whole number, 0 or more; ", given_value(x))
    }
  }
  for (name in c("below", "above")) {
    x <- get(name)
    if (!is.numeric(x) || length(x) != 1L || is.na(x) || (is.finite(x) && x != round(x))) {
      refuse("`", name, "` must be a whole number, or Inf; ", given_value(x))
    }
  }
  half <- function(m, n, below, above) {
    at <- max(1, 1 - above) - 1 + seq_len(max(0, min(m, n + below) - max(0, -above)))
    first <- pmax(1, at - below)
    last <- pmin(n, at + above)
    some <- first <= last
    one_each(intervals(at[some], at[some]), intervals(first[some], last[some]))
  }
  new_ranges(c(half(m, n, below, above), half(n, m, above, below)), c(m, n))
}

#' @rdname genred_ranges
#' @export
sparse_ranges <- function(pattern, ranges_i = NULL, ranges_j = NULL) {
  refuse <- refusal(brief_call(sys.call(), "sparse_ranges"))
  .need_arguments("pattern")
  kept <- pattern_entries(pattern, refuse)
  whole <- is.null(ranges_i) && is.null(ranges_j)
  blocks <- function(x, what, n) {
    if (is.null(x)) intervals(seq_len(n), seq_len(n)) else check_blocks(x, what, refuse)
  }
  ranges_i <- blocks(ranges_i, "ranges_i", nrow(pattern))
  ranges_j <- blocks(ranges_j, "ranges_j", ncol(pattern))
  if (nrow(ranges_i) != nrow(pattern) || nrow(ranges_j) != ncol(pattern)) {
    refuse("`pattern` (", nrow(pattern), " x ", ncol(pattern), ") must have a row for each of the ",
           counted(nrow(ranges_i), "block"), " of `ranges_i` and a column for each of the ",
           counted(nrow(ranges_j), "block"), " of `ranges_j`")
  }
  block_ranges(kept$row, kept$col, ranges_i, ranges_j, if (whole) dim(pattern))
}

# Rows and columns of what is not 0, sorted by column, then row.
pattern_entries <- function(x, refuse) {
  if (is.matrix(x) && (is.logical(x) || is.numeric(x))) {
    if (anyNA(x)) refuse("`pattern`: ", place_of(x, which(is.na(x))[1L]), " is NA")
    at <- which(x != 0, arr.ind = TRUE)
  } else if (isS4(x) && requireNamespace("Matrix", quietly = TRUE) && inherits(x, "Matrix")) {
    if (anyNA(x)) refuse("`pattern` holds NA")
    # a pattern is compared with nothing: for some classes of unit diagonal, `!=` fails
    at <- Matrix::which(if (inherits(x, "nMatrix")) x else x != 0, arr.ind = TRUE)
  } else {
    refuse("`pattern` must be a logical matrix, or a sparse one of package Matrix; ",
           given_value(x))
  }
  at <- at[order(at[, 2L], at[, 1L], method = "radix"), , drop = FALSE]
  list(row = at[, 1L], col = at[, 2L])
}
