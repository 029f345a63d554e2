# Block-sparse calls: against the dense masked result in base R, gradients, what is refused,
# helpers.

# The kept pairs as a logical matrix, by a loop over the parts of one half.
mask_of <- function(ranges, m, n, half = 1:3) {
  keep <- matrix(FALSE, if (half[1L] == 1L) m else n, if (half[1L] == 1L) n else m)
  rows <- ranges[[half[1L]]]
  ends <- c(0, ranges[[half[2L]]])
  columns <- ranges[[half[3L]]]
  for (k in seq_len(nrow(rows))) {
    for (l in seq_len(ends[k + 1] - ends[k]) + ends[k]) {
      keep[rows[k, 1]:rows[k, 2], columns[l, 1]:columns[l, 2]] <- TRUE
    }
  }
  if (half[1L] == 1L) keep else t(keep)
}

# Blocks with gaps between them, half of them kept.
random_ranges <- function(m, n, seed = 1) {
  set.seed(seed)
  blocks <- function(n) {
    ends <- sort(sample(n, min(n, 6)))
    x <- cbind(c(1, ends[-length(ends)] + 1), ends)
    unname(x[runif(nrow(x)) < 0.8, , drop = FALSE])
  }
  i <- blocks(m)
  j <- blocks(n)
  from_matrix(i, j, matrix(runif(nrow(i) * nrow(j)) < 0.5, nrow(i)))
}

masked <- function(f, keep, reduce) t(vapply(seq_len(nrow(f)), function(i) reduce(f[i, keep[i, ]],
    which(keep[i, ])), numeric(1)))

first_min <- function(v, at) if (length(v)) at[which.min(v)] else NA

reductions_of_rows <- list(
  Sum = function(v, at) sum(v),
  Mean = function(v, at) mean(v),
  Var = function(v, at) if (length(v) > 1) var(v) else NaN,
  Min = function(v, at) min(Inf, v),
  Max = function(v, at) max(-Inf, v),
  Prod = function(v, at) prod(v),
  ArgMin = first_min,
  LogSumExp = function(v, at) if (length(v)) max(v) + log(sum(exp(v - max(v)))) else -Inf,
  Count = function(v, at) sum(v != 0),
  Any = function(v, at) any(v != 0),
  All = function(v, at) all(v != 0)
)

m <- 70
n <- 90
x <- points(m, 2)
y <- points(n, 2)
d <- sq_dist(x, y)
aliases <- c("x = Vi(2)", "y = Vj(2)")

test_that("all reductions over j and over i give what the kept pairs give", {
  ranges <- random_ranges(m, n)
  keep <- mask_of(ranges, m, n)
  expect_identical(mask_of(ranges, m, n, 4:6), keep)
  expect_true(any(keep) && any(rowSums(keep) == 0) && any(colSums(keep) == 0))
  for (name in names(reductions_of_rows)) {
    for (dtype in c("float32", "float64")) {
      by_j <- Genred("SqDist(x,y)/4", aliases, name, axis = 1,
                     dtype = dtype) # products stay in the range of single precision
      by_i <- Genred("SqDist(x,y)/4", aliases, name, axis = 0, dtype = dtype)
      right_j <- c(masked(d / 4, keep, reductions_of_rows[[name]]))
      right_i <- c(masked(t(d) / 4, t(keep), reductions_of_rows[[name]]))
      for (backend in backends()) {
        tolerance <- if (dtype == "float64") 1e-12 else 1e-5
        expect_close(c(by_j(x, y, backend = backend, ranges = ranges)), right_j, tolerance,
                     paste(name, dtype, backend))
        expect_close(c(by_i(x, y, backend = backend, ranges = ranges)), right_i, tolerance,
                     paste(name, dtype, backend))
      }
    }
  }
})

test_that("reductions over both, lists of neighbours, pairs of results", {
  ranges <- random_ranges(m, n, 2)
  keep <- mask_of(ranges, m, n)
  total <- Genred("SqDist(x,y)", aliases, axis = "ij", dtype = "float64")
  average <- Genred("SqDist(x,y)", aliases, "Mean", axis = "ij", dtype = "float64")
  near <- Genred("SqDist(x,y)", aliases, "KMin_ArgKMin", axis = 1, dtype = "float64", opt_arg = 4)
  inside <- d
  inside[!keep] <- Inf
  index <- t(apply(inside, 1, function(v) ifelse(is.finite(sort(v)[1:4]), order(v)[1:4], NA)))
  for (backend in backends()) {
    expect_equal(c(total(x, y, backend = backend, ranges = ranges)), sum(d[keep]),
                 tolerance = 1e-12)
    expect_equal(c(average(x, y, backend = backend, ranges = ranges)), mean(d[keep]),
                 tolerance = 1e-12)
    found <- near(x, y, backend = backend, ranges = ranges)
    expect_identical(found$index, index)
    expect_close(found$value, t(apply(inside, 1, function(v) sort(v)[1:4])), 1e-12)
  }
})

test_that("lists, integers, names in any order, and one half are taken", {
  op <- Genred("SqDist(x,y)", aliases, axis = 1, dtype = "float64")
  by_i <- Genred("SqDist(x,y)", aliases, axis = 0, dtype = "float64")
  made <- random_ranges(m, n, 3)
  six <- unclass(made)
  right <- op(x, y, ranges = made)
  plain <- lapply(six, function(p) {
    storage.mode(p) <- "integer"
    p
  })
  expect_identical(op(x, y, ranges = plain), right)
  expect_identical(op(x, y, ranges = unname(plain)), right)
  expect_identical(op(x, y, ranges = rev(plain)), right)
  expect_identical(op(x, y, ranges = plain[1:3]), right)
  expect_identical(op(x, y, ranges = unname(plain[1:3])), right)
  expect_identical(by_i(x, y, ranges = plain[4:6]), by_i(x, y, ranges = made))
  expect_identical(op(x, y, ranges = unserialize(serialize(made, NULL))), right)
  dimnames(plain$ranges_i) <- list(NULL, c("from", "to"))
  expect_identical(op(x, y, ranges = plain), right)
  expect_identical(op(as.data.frame(x), y, ranges = plain), right)
})

test_that("no pairs, all pairs, no rows", {
  op <- Genred("SqDist(x,y)", aliases, axis = 1, dtype = "float64")
  none <- from_matrix(cbind(1, m), cbind(1, n), matrix(FALSE))
  empty <- from_matrix(matrix(0, 0, 2), matrix(0, 0, 2), matrix(FALSE, 0, 0))
  expect_identical(c(op(x, y, ranges = none)), numeric(m))
  expect_identical(c(op(x, y, ranges = empty)), numeric(m))
  expect_identical(dim(op(x[0, ], y, ranges = empty)), c(0L, 1L))
  all <- from_matrix(cluster_ranges(rep(1:7, each = 10)), cbind(1, n), matrix(TRUE, 7, 1))
  expect_identical(op(x, y, ranges = all), op(x, y))
  rownames(x) <- paste0("r", seq_len(m))
  expect_identical(rownames(op(x, y, ranges = none)), rownames(x))
})

# ---- gradients -----------------------------------------------------------------------------------

test_that("gradients keep the same pairs: the adjoint identity", {
  ranges <- random_ranges(m, n, 4)
  b <- points(n, 1)
  all <- c(aliases, "b = Vj(1)", "p = Pm(1)")
  h <- 1e-5
  for (name in c("Sum", "LogSumExp", "Mean", "Var", "Min", "Prod")) {
    for (axis in 0:1) {
      op <- Genred("Exp(-p*SqDist(x,y)) * (2 + b)", all, name, axis = axis, dtype = "float64")
      used <- if (axis == 1L) rowSums(mask_of(ranges, m, n)) > 1 else colSums(mask_of(ranges, m,
          n)) > 1
      e <- ifelse(used, points(length(used), 1, 5), 0)
      at <- list(x = x, y = y, b = b, p = 0.5)
      value <- function(at) {
        v <- c(do.call(op, c(at, list(ranges = ranges))))
        sum((e * v)[used])
      }
      for (variable in names(at)) {
        u <- if (variable == "p") 1 else points(NROW(at[[variable]]), NCOL(at[[variable]]), 7)
        up <- down <- at
        up[[variable]] <- at[[variable]] + h * u
        down[[variable]] <- at[[variable]] - h * u
        slope <- (value(up) - value(down)) / (2 * h)
        gradient <- do.call(genred_grad(op, variable), c(at, list(e, ranges = ranges)))
        gradient[!is.finite(gradient)] <- 0
        expect_equal(sum(gradient * u), slope, tolerance = 1e-5, info = paste(name, axis, variable))
      }
    }
  }
})

test_that("a gradient over the other axis needs the other half", {
  op <- Genred("SqDist(x,y)", aliases, axis = 1, dtype = "float64")
  ranges <- unclass(random_ranges(m, n))
  expect_silent(genred_grad(op, "x")(x, y, rep(1, m), ranges = ranges[1:3]))
  expect_error(genred_grad(op, "y")(x, y, rep(1, m), ranges = ranges[1:3]),
               "lacks the parts \"ranges_j\"", class = "genred_error_argument")
})

# ---- what is refused -----------------------------------------------------------------------------

test_that("whatever is wrong is refused with the place", {
  op <- Genred("SqDist(x,y)", aliases, axis = 1)
  by_i <- Genred("SqDist(x,y)", aliases, axis = 0)
  both <- Genred("SqDist(x,y)", aliases, axis = 2)
  good <- list(ranges_i = cbind(c(1, 11), c(10, 20)), slices_i = c(2, 3), redranges_j = cbind(c(1,
      21, 5), c(10, 30, 9)))
  six <- unclass(from_matrix(good$ranges_i, cbind(c(1, 21), c(10, 30)), matrix(c(TRUE, TRUE, FALSE,
      TRUE), 2)))
  expect_silent(op(x, y, ranges = good))
  expect_silent(op(x, y, ranges = six))
  set <- function(part, value, of = good) {
    of[[part]] <- value
    of
  }
  at <- function(part, k, value, of = good) {
    of[[part]][k] <- value
    of
  }
  refused <- function(ranges, message, op. = op) {
    expect_error(op.(x, y, ranges = ranges), message, fixed = TRUE, class = "genred_error_argument")
  }
  refused(1, "`ranges` must be NULL, or made by a helper")
  refused("near", "\"near\" was given")
  refused(sum, "a function was given")
  refused(data.frame(a = 1:2), "a data frame (2 x 1) was given")
  refused(cbind(1, 2), "a double matrix (1 x 2) was given")
  refused(list(), "3 or 6 parts (\"ranges_i\", \"slices_i\"")
  refused(unname(good[1:2]), "it has 2")
  refused(c(six, list(1)), "it has 7")
  refused(stats::setNames(good, c("ranges_i", "slices_i", "redrange_j")),
          "`ranges` has a part \"redrange_j\"")
  refused(stats::setNames(good, c("ranges_i", "slices_i", "slices_i")), "two parts \"slices_i\"")
  refused(six[c(1, 2, 4)],
          "lacks the part \"redranges_j\", which belongs to \"ranges_i\", \"slices_i\"")
  refused(list(NULL, NULL, NULL), "all are NULL")
  refused(six[4:6], "lacks the parts \"ranges_i\", \"slices_i\", \"redranges_j\", which a reduction over j needs")
  refused(good, "lacks the parts \"ranges_j\", \"slices_j\", \"redranges_i\", which a reduction over i needs", by_i)
  refused(six[4:6], "which a reduction over i and j needs", both)
  refused(set("ranges_i", c(1, 10)), "`ranges$ranges_i` must be a matrix with 2 columns")
  refused(set("redranges_j", cbind(1:3, 4:6, 7:9)), "an integer matrix (3 x 3) was given")
  refused(set("ranges_i", matrix("1", 2, 2)),
          "`ranges$ranges_i` must hold whole numbers; a character matrix")
  refused(set("ranges_i", matrix(TRUE, 2, 2)), "must hold whole numbers")
  refused(set("slices_i", factor(2:3)), "`ranges$slices_i` must hold whole numbers; a factor")
  refused(at("ranges_i", 4, NA), "`ranges$ranges_i` must hold whole numbers; row 2, column 2 is NA")
  refused(at("redranges_j", 2, NaN),
          "`ranges$redranges_j` must hold whole numbers; row 2, column 1 is NaN")
  refused(at("redranges_j", 5, Inf), "row 2, column 2 is Inf")
  refused(at("ranges_i", 2, 11.5), "row 2, column 1 is 11.5")
  refused(at("slices_i", 1, 1.5), "`ranges$slices_i` must hold whole numbers; element 1 is 1.5")
  refused(at("slices_i", 2, NA), "element 2 is NA")
  refused(at("ranges_i", 1, 0), "`ranges$ranges_i`: row 1, column 1 is 0; i goes from 1 to 70")
  refused(at("ranges_i", 1, -3), "row 1, column 1 is -3")
  refused(at("ranges_i", 4, 71), "row 2, column 2 is 71; i goes from 1 to 70")
  refused(at("redranges_j", 5, 91),
          "`ranges$redranges_j`: row 2, column 2 is 91; j goes from 1 to 90")
  refused(at("redranges_j", 5, 1e300), "is 1e+300; j goes from 1 to 90")
  refused(at("redranges_j", 5, 2^53), "is 9007199254740992; j goes")
  refused(at("ranges_i", 3, 0), "row 1, column 2 is 0")
  refused(at("ranges_i", 2, 21),
          "`ranges$ranges_i`: row 2 is 21 to 20, which ends before it begins")
  refused(at("redranges_j", 3, 10), "`ranges$redranges_j`: row 3 is 10 to 9")
  refused(at("ranges_i", 2, 10),
          "`ranges$ranges_i`: the intervals of the blocks must ascend without overlaps; row 2 (10 to 20) overlaps row 1 (1 to 10)")
  refused(set("ranges_i", good$ranges_i[2:1, ]),
          "row 2 (1 to 10) must come before, not after, row 1 (11 to 20)")
  refused(at("redranges_j", 2, 10), "row 2 (10 to 30) overlaps row 1 (1 to 10), in block 1")
  refused(set("redranges_j", good$redranges_j[c(2, 1, 3), ]),
          "row 2 (1 to 10) must come before, not after, row 1 (21 to 30), in block 1")
  refused(set("slices_i", c(1, 2, 3)),
          "one element for each of the 2 rows of `ranges$ranges_i`; it has 3")
  refused(set("slices_i", c(3, 2)), "`ranges$slices_i` must not decrease: element 2 is 2 after 3")
  refused(set("slices_i", c(-1, 3)), "element 1 is -1 after 0")
  refused(set("slices_i", c(1, 2)),
          "must end with 3, the number of rows of `ranges$redranges_j`; it ends with 2")
  refused(set("slices_i", c(2, 4)), "it ends with 4")
  refused(at("redranges_i", 1, 2, six), "do not keep the same pairs")
  refused(set("redranges_j", cbind(c(1, 21, 21), c(10, 30, 29)), c(good, six[4:6])),
          "do not keep the same pairs")
  refused(band_ranges(m, n + 1, 1, 1), "made for 70 x 91 pairs; the arguments have 70 x 90")
  refused(swap_axes(band_ranges(m, n, 1, 1)), "made for 90 x 70 pairs")
  grouped <- group_ranges(rep(1:2, m / 2), rep(1:2, n / 2))
  attr(grouped, "order_i") <- 1:3
  refused(grouped, "its `order_i` is no order of 70 rows")
  band <- band_ranges(m, n, 1, 1)
  for (size in list("a", c(m, NA), m, factor(c(m, n)))) {
    refused(structure(band, size = size), "its `size` is not the numbers of i and of j")
  }
  expect_error(print(structure(list(1, 2, 3), class = "genred_ranges")), "must be a matrix",
               class = "genred_error_argument")
})

# ---- helpers -------------------------------------------------------------------------------------

test_that("clusters: cells, ranges, centroids, sorting", {
  expect_identical(grid_cluster(c(0.1, 2.5, 0.9, -3, 2.9), 1), c(2L, 3L, 2L, 1L, 3L))
  expect_identical(grid_cluster(cbind(c(0, 0, 1), c(5, 0, 0)), 1), c(2L, 1L, 3L))
  expect_identical(grid_cluster(matrix(0, 0, 3), 1), integer(0))
  expect_identical(length(unique(grid_cluster(points(50, 5), c(1, 2, 1, 2, 9)))),
                   max(grid_cluster(points(50, 5), c(1, 2, 1, 2, 9))))
  labels <- c("b", "a", "c", "a", "b", "b")
  expect_identical(cluster_ranges(labels), cbind(c(1, 3, 6), c(2, 5, 6)))
  expect_identical(cluster_ranges(integer(0)), matrix(0, 0, 2))
  p <- points(6, 2)
  expect_equal(cluster_centroids(p, labels), rbind(colMeans(p[c(2, 4), ]), colMeans(p[c(1, 5,
      6), ]), p[3, ]))
  w <- c(1, 0, 0, 2, 3, 4)
  weighed <- cluster_ranges_centroids(p, labels, w)
  expect_equal(weighed$centroids, rbind(p[4, ], (p[1, ] + 3 * p[5, ] + 4 * p[6, ]) / 8, p[3, ]))
  expect_identical(weighed$weights, c(2, 8, 0))
  expect_identical(weighed$ranges, cluster_ranges(labels))
  sorted <- sort_clusters(list(p, 1:6), labels)
  expect_identical(sorted$order, c(2L, 4L, 1L, 5L, 6L, 3L))
  expect_identical(sorted$x, list(p[sorted$order, ], sorted$order))
  expect_identical(sort_clusters(p, labels)$x, p[sorted$order, ])
  expect_identical(sorted$labels, sort(labels))
  expect_identical(cluster_ranges(factor(labels, levels = c("c", "b", "a"))), cbind(c(1, 2, 5),
      c(1, 4, 6)))
})

test_that("from_matrix and swap_axes are those of PyKeOps in R's conventions", {
  ri <- cbind(c(1, 4, 9), c(3, 8, 9))
  rj <- cbind(c(1, 6), c(5, 7))
  made <- from_matrix(ri, rj, matrix(c(TRUE, FALSE, TRUE, TRUE, TRUE, FALSE), 3))
  expect_identical(unclass(made), list(
    ranges_i = ri, slices_i = c(2, 3, 4), redranges_j = rbind(c(1, 5), c(6, 7), c(6, 7), c(1, 5)),
    ranges_j = rj, slices_j = c(2, 4), redranges_i = rbind(c(1, 3), c(9, 9), c(1, 3), c(4, 8))
  ))
  swapped <- swap_axes(made)
  expect_identical(unname(unclass(swapped)), unname(unclass(made)[c(4:6, 1:3)]))
  expect_identical(swap_axes(swapped), made)
  expect_output(print(made),
                "genred_ranges: 3 blocks of rows, 4 intervals of columns, 57.1 % of 9 x 7 pairs kept", fixed = TRUE)
  expect_output(print(from_matrix(matrix(0, 0, 2), rj, matrix(FALSE, 0, 2))), "0 blocks",
                fixed = TRUE)
})

test_that("groups meet where labels are equal, in the order of the caller", {
  set.seed(9)
  gi <- sample(c("a", "b", "c", "only i"), m, TRUE)
  gj <- sample(c("c", "a", "b", "only j"), n, TRUE)
  same <- outer(gi, gj, "==")
  ranges <- group_ranges(gi, gj)
  expect_output(print(ranges), "sorted by group", fixed = TRUE)
  rownames(x) <- paste0("r", seq_len(m))
  op <- Genred("SqDist(x,y)", aliases, axis = 1, dtype = "float64")
  near <- Genred("SqDist(x,y)", aliases, "Min_ArgMin", axis = 0, dtype = "float64")
  three <- Genred("Concat(x-y, Sum(x*y))", aliases, "ArgKMin", axis = 1, opt_arg = 2,
                  dtype = "float64")
  total <- Genred("SqDist(x,y)", aliases, axis = "ij", dtype = "float64")
  for (backend in backends()) {
    found <- op(x, y, backend = backend, ranges = ranges)
    expect_close(c(found), rowSums(d * same), 1e-12)
    expect_identical(rownames(found), rownames(x))
    at <- near(x, y, backend = backend, ranges = ranges)
    expect_identical(c(at$index), apply(ifelse(same, d, NA), 2, function(v) if (all(is.na(v))) NA
                                        else which.min(v)))
    expect_close(c(at$value), apply(ifelse(same, d, Inf), 2, min), 1e-12)
    expect_equal(c(total(x, y, backend = backend, ranges = ranges)), sum(d[same]))
    k <- three(x, y, backend = backend, ranges = ranges)
    expect_identical(dim(k), c(as.integer(m), 2L, 3L))
    v <- ifelse(same, outer(x[, 1], y[, 1], "-"), Inf)
    expect_identical(unname(k[, 1, 1]), apply(v, 1, function(r) if (all(is.infinite(r))) NA
        else which.min(r)))
  }
  expect_error(op(x, y, ranges = ranges, keep = TRUE), "carry an order",
               class = "genred_error_argument")
  by_y <- genred_grad(op, "y")
  expect_close(by_y(x, y, rep(1, m), ranges = ranges), t(vapply(seq_len(n),
      function(j) colSums(2 * same[, j] * (rep(1, m) %o% y[j, ] - unname(x))), numeric(2))), 1e-12)
  lse <- genred_grad(Genred("SqDist(x,y)", aliases, "LogSumExp", axis = 1, dtype = "float64"), "y")
  w <- exp(d) * same
  w <- ifelse(rowSums(w) > 0, 1 / rowSums(w), 0) * w
  expect_close(lse(x, y, as.numeric(rowSums(same) > 0), ranges = ranges)[colSums(same) > 0, ],
               (2 * (colSums(w) * y - t(w) %*% unname(x)))[colSums(same) > 0, ], 1e-11)
  # contiguous groups need no order, wherever they lie
  expect_false(genred:::has_orders(group_ranges(c(3, 3, 1, 2), c(1, 1, 2, 3))))
  expect_identical(unclass(group_ranges(c(2, 2, 1)))[1:3], unclass(group_ranges(factor(c("b", "b",
      "a"))))[1:3])
})

test_that("some parts of ranges of groups keep the order", {
  op <- Genred("x*y", c("x = Vi(1)", "y = Vj(1)"), axis = 1, dtype = "float64")
  ranges <- group_ranges(c(1, 2, 1), c("2", "1", "3", "2"))
  expect_identical(c(op(1:3, 1:4, ranges = ranges[1:3])), c(2, 10, 6))
  expect_identical(op(1:3, 1:4, ranges = ranges[6:1]), op(1:3, 1:4, ranges = ranges))
  expect_output(print(ranges[1:3]), "sorted by group")
  expect_identical(attributes(ranges[1:2]), list(names = c("ranges_i", "slices_i")))
})

test_that("ties go to the lowest index of the caller's order", {
  op <- Genred("x*y", c("x = Vi(1)", "y = Vj(1)"), "ArgMin", axis = 1, dtype = "float64")
  gj <- c("b", "a", "b", "a", "b")
  expect_identical(c(op(c(1, 1, 1), rep(1, 5), ranges = group_ranges(c("b", "a", "z"), gj))), c(1L,
      2L, NA))
})

test_that("bands and sparse patterns", {
  ones <- Genred("1", c("x = Vi(1)", "y = Vj(1)"), axis = 1, dtype = "float64")
  i <- matrix(1:8, 8, 11)
  j <- matrix(1:11, 8, 11, byrow = TRUE)
  for (band in list(c(1, 2), c(0, 0), c(Inf, 0), c(0, Inf), c(-2, 3), c(3, -2), c(-9, 99), c(-20,
      3), c(-2, 1))) {
    ranges <- band_ranges(8, 11, band[1], band[2])
    keep <- i - band[1] <= j & j <= i + band[2]
    expect_identical(mask_of(ranges, 8, 11), keep, info = band)
    expect_identical(mask_of(ranges, 8, 11, 4:6), keep, info = band)
    expect_identical(c(ones(1:8, 1:11, ranges = ranges)), as.numeric(rowSums(keep)))
  }
  pattern <- matrix(c(TRUE, FALSE, TRUE, FALSE, FALSE, FALSE, TRUE, TRUE, TRUE, FALSE, FALSE,
                      TRUE), 3)
  expect_identical(mask_of(sparse_ranges(pattern), 3, 4), pattern)
  expect_identical(mask_of(sparse_ranges(1 * pattern), 3, 4, 4:6), pattern)
  ri <- cluster_ranges(c(1, 1, 2, 3))
  rj <- cluster_ranges(c(1, 2, 2, 3, 4, 4))
  expect_identical(unclass(sparse_ranges(pattern, ri, rj)), unclass(from_matrix(ri, rj, pattern)))
  skip_if_not_installed("Matrix")
  for (sparse in list(Matrix::Matrix(pattern, sparse = TRUE), Matrix::Matrix(1 * pattern,
      sparse = TRUE))) {
    expect_identical(sparse_ranges(sparse), sparse_ranges(pattern))
  }
  triangle <- Matrix::bandSparse(6, 6, k = -2:0)
  expect_identical(mask_of(sparse_ranges(triangle), 6, 6), unname(as.matrix(triangle)) != 0)
})

test_that("helpers refuse what they cannot take", {
  refused <- function(code, message) expect_error(code, message, fixed = TRUE,
      class = "genred_error_argument")
  refused(grid_cluster("a", 1), "`x` must be a numeric matrix")
  refused(grid_cluster(c(1, NA), 1), "`x`: row 2, column 1 is NA")
  refused(grid_cluster(cbind(1, 2), c(1, 1, 1)), "one for each of the 2 coordinates")
  refused(grid_cluster(1, 0), "`size` must be a positive number")
  refused(cluster_ranges(list(1)), "must be a vector with a label for each row")
  refused(cluster_ranges(c(1, NA)), "label 2 is missing")
  refused(cluster_centroids(cbind(1:3), 1:2), "has 2 labels for 3 rows")
  refused(cluster_centroids(cbind(1:3), 1:3, c(1, -1, 1)), "that are not negative")
  refused(sort_clusters(list(1:3, 1:2), 1:3), "has 3 labels for 2 rows")
  ri <- cbind(1, 4)
  refused(from_matrix(c(1, 4), ri, matrix(TRUE)), "`ranges_i` must be a matrix with 2 columns")
  refused(from_matrix(rbind(ri, ri), ri, matrix(TRUE, 2, 1)),
          "`ranges_i`: the intervals of the blocks must ascend")
  refused(from_matrix(ri, ri, matrix(TRUE, 2, 1)), "`keep` must be a logical matrix (1 x 1)")
  refused(from_matrix(ri, ri, matrix(NA)), "`keep`: row 1, column 1 is NA")
  refused(swap_axes(1), "`ranges` must be NULL")
  refused(swap_axes(list(1, 2, 3)), "`ranges$ranges_i` must be a matrix with 2 columns")
  expect_null(swap_axes(NULL))
  refused(group_ranges(c(1, NA), 1), "`gi`: label 2 is missing")
  refused(band_ranges(-1, 1, 0, 0), "`m` must be a whole number")
  refused(band_ranges(1, 1, 0.5, 0), "`below` must be a whole number, or Inf")
  refused(sparse_ranges("a"), "`pattern` must be a logical matrix")
  refused(sparse_ranges(matrix(NA)), "`pattern`: row 1, column 1 is NA")
  refused(sparse_ranges(matrix(TRUE, 2, 1), ri, ri),
          "`pattern` (2 x 1) must have a row for each of the 1 block")
})

test_that("helpers name an argument that is missing", {
  missing <- function(code, name) {
    e <- expect_error(code, paste0("argument `", name, "` is missing"), fixed = TRUE,
                      class = "genred_error_argument")
    expect_identical(e$call[[1L]], substitute(code)[[1L]])
  }
  missing(grid_cluster(), "x")
  missing(grid_cluster(1), "size")
  missing(cluster_ranges(), "labels")
  missing(cluster_centroids(1), "labels")
  missing(cluster_ranges_centroids(1), "labels")
  missing(sort_clusters(1), "labels")
  missing(from_matrix(cbind(1, 1), cbind(1, 1)), "keep")
  missing(swap_axes(), "ranges")
  missing(group_ranges(), "gi")
  missing(band_ranges(1, 2, 3), "above")
  missing(sparse_ranges(), "pattern")
})

test_that("labels are numbers, strings or factors, none of them missing", {
  for (labels in list(as.raw(1:2), c(1i, 2i), list(1, 2), mean)) {
    for (helper in list(cluster_ranges, group_ranges)) {
      expect_error(helper(labels), "with a label for each row: numbers, strings or a factor",
                   class = "genred_error_argument")
    }
  }
  level <- factor(c("a", NA), exclude = NULL)
  expect_error(cluster_ranges(level), "`labels`: label 2 is missing",
               class = "genred_error_argument")
  expect_error(group_ranges(level), "`gi`: label 2 is missing", class = "genred_error_argument")
  expect_error(group_ranges("a", level), "`gj`: label 2 is missing",
               class = "genred_error_argument")
  expect_error(sort_clusters(1:2, 1), "`labels` has 1 label for 2 rows of `x`",
               class = "genred_error_argument")
})

test_that("labels that are numbers and labels that are strings meet where == says so", {
  gi <- c(0.3, 0.1 + 0.2, 1e5, 7)
  gj <- c("7", "0.3", "100000", "1e+05")
  expect_identical(mask_of(group_ranges(gi, gj), 4, 4), outer(gi, gj, "=="))
  expect_identical(mask_of(group_ranges(gj, gi), 4, 4, 4:6), outer(gj, gi, "=="))
})

test_that("what cannot be sorted by cluster is refused", {
  refused <- function(x, message) {
    expect_error(sort_clusters(x, 1:2), message, fixed = TRUE, class = "genred_error_argument")
  }
  refused(mean, "`x` must be a matrix or a vector; a function was given")
  refused(array(1:8, c(2, 2, 2)), "an integer array (2 x 2 x 2) was given")
  refused(list(1:2, quote(a)), "`x[[2]]` must be a matrix or a vector; a piece of R code was given")
  refused(list(1:2, list(1, 2)), "`x[[2]]` must be a matrix or a vector; a list of length 2")
  refused(list(1:2, NULL), "`x[[2]]` must be a matrix or a vector; NULL was given")
  expect_error(sort_clusters(list(), NULL), class = "genred_error_argument")
})

test_that("huge and tiny numbers do not merge clusters or lose them", {
  expect_error(grid_cluster(cbind(0, c(1, -2e300)), 1e-300),
               "`x`: row 2, column 2 is -2e+300, too far from 0", fixed = TRUE,
               class = "genred_error_argument")
  p <- cbind(1:4)
  w <- c(1e308, 1e308, 1e-320, 1e-320)
  expect_equal(cluster_centroids(p, c(1, 1, 2, 2), w), cbind(c(1.5, 3.5)))
  # the cost is that of the rows that keep a pair
  narrow <- band_ranges(.Machine$integer.max, 2, 1, 0)
  expect_identical(narrow$ranges_i, cbind(1:3, 1:3) + 0)
  expect_identical(band_ranges(2, .Machine$integer.max, 0, 1)$ranges_j, cbind(1:3, 1:3) + 0)
})

test_that("all classes of sparse patterns", {
  skip_if_not_installed("Matrix")
  square <- matrix(c(1, 0, 0, 1, 1, 0, 0, 1, 1), 3) == 1
  for (x in list(square, square | t(square), diag(3) == 1, diag(3) < 0)) {
    for (kind in c("nMatrix", "lMatrix", "dMatrix")) {
      for (form in c("CsparseMatrix", "TsparseMatrix", "RsparseMatrix")) {
        sparse <- methods::as(methods::as(Matrix::Matrix(x, sparse = TRUE), kind), form)
        expect_identical(sparse_ranges(sparse), sparse_ranges(x), info = class(sparse))
      }
      expect_identical(sparse_ranges(methods::as(Matrix::Matrix(x, sparse = TRUE), kind)),
                       sparse_ranges(x))
    }
  }
  keep <- Matrix::Matrix(diag(2), sparse = TRUE)
  expect_error(from_matrix(cbind(1:2, 1:2), cbind(1:2, 1:2), keep), "sparse_ranges() takes",
               fixed = TRUE, class = "genred_error_argument")
})
