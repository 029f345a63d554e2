# PyKeOps' own examples of block-sparse reductions, translated, against its numbers (version 2.3):
# cases/ranges.json, which cases/reference.py has made.  The translation of its conventions:
#
# * The parts of `ranges` have the same names and order; PyKeOps takes a tuple of all six.
# * It counts from 0, and intervals exclude their end: its row (a, b) is a + 1 to b here.  Labels of
#   clusters and indices of neighbours count from 0, too.  Slices are the same.
# * sort_clusters() leaves the order of the points of a cluster open; here they keep theirs.
# * Where no pair is kept, LogSumExp is NaN and indices are 0 there; here they are -Inf and NA.

read_peer <- function(name) {
  skip_if_not_installed("jsonlite")
  jsonlite::fromJSON(test_path("cases", name))
}

# `ranges` or one matrix of intervals of PyKeOps
from_peer <- function(x) {
  if (is.list(x)) return(lapply(x, from_peer))
  if (is.matrix(x)) cbind(x[, 1] + 1, x[, 2]) else as.numeric(x)
}

numbers <- function(x) {
  storage.mode(x) <- "double" # infinities are strings in the file
  x
}

tolerances <- c(float32 = 1e-5, float64 = 1e-10)

test_that("the examples in the documentation of PyKeOps' helpers", {
  peer <- read_peer("ranges.json")$documented
  with(peer$grid_cluster, expect_identical(grid_cluster(x, size), labels + 1L))
  with(peer$sort_clusters, {
    found <- sort_clusters(x, labels)
    expect_identical(found$x, sorted_x)
    expect_identical(found$labels, sorted_labels)
  })
  with(peer$cluster_ranges, expect_identical(cluster_ranges(labels), from_peer(ranges)))
  with(peer$cluster_centroids, {
    expect_equal(cluster_centroids(x, labels, weights), centroids, tolerance = 1e-15)
  })
  of <- peer$cluster_ranges_centroids
  expect_described <- function(found, peer) {
    expect_identical(found$ranges, from_peer(peer$ranges))
    expect_equal(found[-1], peer[-1], tolerance = 1e-15)
  }
  expect_described(cluster_ranges_centroids(of$x, of$labels), of$plain)
  expect_described(cluster_ranges_centroids(of$x, of$labels, of$weights), of$weighed)
  with(peer$from_matrix, {
    found <- from_matrix(from_peer(ranges_i), from_peer(ranges_j), keep)
    expect_identical(unclass(found), from_peer(made))
    expect_identical(unclass(swap_axes(found)), from_peer(swapped))
  })
})

# The data of reference.py
peer_rounded <- function(x) (floor(4096 * x) + 0.5) / 4096

peer_normal <- function(n, a, b) {
  k <- seq_len(n)
  radius <- sqrt(-2 * log((a * k) %% 1))
  angle <- 2 * pi * ((b * k) %% 1)
  radius * cbind(cos(angle), sin(angle))
}

peer_clouds <- function(m, n) {
  t <- 2 * pi * (seq_len(m) - 1) / m
  noise <- 0.01 * peer_normal(m, sqrt(2), sqrt(3))
  list(x = peer_rounded(cbind(0.4 + 0.4 * (t / 7) * cos(t), 0.5 + 0.3 * sin(t)) + noise),
       y = peer_rounded(peer_normal(n, sqrt(5), sqrt(7)) / 10 + 0.6),
       b = peer_rounded(sin(1.3 * seq_len(n))), e = peer_rounded(cos(0.7 * seq_len(m))))
}

test_that("the example of a block-sparse Gaussian has PyKeOps' numbers", {
  peer <- read_peer("ranges.json")$block_sparse
  data <- peer_clouds(peer$m, peer$n)
  sigma <- peer$sigma

  # clusters, of the points in their first order
  x_labels <- grid_cluster(data$x, peer$eps)
  y_labels <- grid_cluster(data$y, peer$eps)
  expect_identical(x_labels, peer$x_labels + 1L)
  expect_identical(y_labels, peer$y_labels + 1L)
  x_clusters <- cluster_ranges_centroids(data$x, x_labels)
  y_clusters <- cluster_ranges_centroids(data$y, y_labels)
  expect_identical(x_clusters$ranges, from_peer(peer$x_ranges))
  expect_identical(y_clusters$ranges, from_peer(peer$y_ranges))
  expect_equal(x_clusters$centroids, peer$x_centroids, tolerance = 1e-14)
  expect_equal(y_clusters$centroids, peer$y_centroids, tolerance = 1e-14)
  expect_equal(x_clusters$weights, peer$x_weights)

  xs <- sort_clusters(list(data$x / sigma, data$e), x_labels)
  ys <- sort_clusters(list(data$y / sigma, data$b), y_labels)
  x <- xs$x[[1]]
  e <- xs$x[[2]]
  y <- ys$x[[1]]
  b <- ys$x[[2]]

  # what is kept
  keep <- sq_dist(x_clusters$centroids, y_clusters$centroids) < (4 * sigma)^2
  expect_identical(lapply(seq_len(nrow(keep)), function(k) which(keep[k, ])),
                   lapply(peer$keep, function(l) as.integer(l) + 1L))
  ranges <- from_matrix(x_clusters$ranges, y_clusters$ranges, keep)
  expect_identical(unclass(ranges), from_peer(peer$ranges))
  mask <- keep[xs$labels, ys$labels]
  expect_equal(sum(mask), peer$kept_pairs)

  # the results, in the first order of the points
  x_back <- order(xs$order)
  y_back <- order(ys$order)
  some <- (rowSums(mask) > 0)[x_back]
  three <- (rowSums(mask) >= 3)[x_back]
  aliases <- c("x = Vi(2)", "y = Vj(2)")
  weighed <- c(aliases, "b = Vj(1)")
  for (dtype in names(tolerances)) {
    numbers_of <- lapply(peer$results[[dtype]], numbers)
    compare <- function(found, name, rows = TRUE) {
      expect_close(found[rows, , drop = FALSE], numbers_of[[name]][rows, , drop = FALSE],
                   tolerances[[dtype]], paste(name, dtype))
    }
    sum_j <- Genred("Exp(-SqDist(x,y)/2) * b", weighed, axis = 1, dtype = dtype)
    sum_i <- Genred("Exp(-SqDist(x,y)/2) * e", c(aliases, "e = Vi(1)"), axis = 0, dtype = dtype)
    log_sum <- Genred("-SqDist(x,y)/2", aliases, "LogSumExp", axis = 1, dtype = dtype)
    least <- Genred("SqDist(x,y)", aliases, "Min", axis = 1, dtype = dtype)
    nearest <- Genred("SqDist(x,y)", aliases, "ArgKMin", axis = 1, dtype = dtype, opt_arg = 3)
    for (backend in backends()) {
      call_kept <- function(op, ...) op(x, y, ..., backend = backend, ranges = ranges)
      compare(sum_j(x, y, b, backend = backend)[x_back, , drop = FALSE], "full")
      compare(call_kept(sum_j, b)[x_back, , drop = FALSE], "kept")
      compare(call_kept(sum_i, e)[y_back, , drop = FALSE], "kept_i")
      compare(call_kept(genred_grad(sum_j, "x"), b, e)[x_back, ], "gradient_x")
      compare(call_kept(genred_grad(sum_j, "y"), b, e)[y_back, ], "gradient_y")
      logs <- call_kept(log_sum)[x_back, , drop = FALSE]
      compare(logs, "logsumexp", some)
      expect_true(all(logs[!some] == -Inf) && all(is.na(numbers_of$logsumexp[!some])))
      compare(call_kept(least)[x_back, , drop = FALSE], "min")
      index <- call_kept(nearest)[x_back, ]
      index[] <- ys$order[index]
      expect_identical(index[three, ] - 1, numbers_of$argkmin[three, ])
      expect_identical(rowSums(!is.na(index)), pmin(3, rowSums(mask)[x_back]))
    }
  }
})

test_that("ranges of PyKeOps, brought into R's conventions, are taken as they are", {
  peer <- read_peer("ranges.json")$block_sparse
  data <- peer_clouds(peer$m, peer$n)
  xs <- sort_clusters(data$x / peer$sigma, peer$x_labels)
  ys <- sort_clusters(list(data$y / peer$sigma, data$b), peer$y_labels)
  op <- Genred("Exp(-SqDist(x,y)/2) * b", c("x = Vi(2)", "y = Vj(2)", "b = Vj(1)"), axis = 1,
               dtype = "float64")
  found <- op(xs$x, ys$x[[1]], ys$x[[2]], ranges = from_peer(peer$ranges))
  expect_close(found, numbers(peer$results$float64$kept)[xs$order, , drop = FALSE], 1e-10)
})
