# Results of an independent implementation (PyKeOps 2.3, in double precision): see cases.json.  The
# tolerance is that of the file: 1e-6 of the largest absolute value, because some of its values
# depend on single-precision constants.

# In PyKeOps the loop variables of this operation and of its gradient shadow those of rows and
# columns, so that it reads other rows, also past the end; both are compared with the definition
# instead.
wrong_there <- c("v_SoftDTW", "v_gradSoftDTW")

matrix_of <- function(rows) do.call(rbind, lapply(rows, unlist))

argument_of <- function(arg) if (is.list(arg[[1]])) matrix_of(arg) else as.numeric(unlist(arg))

number_of <- function(v) {
  if (is.null(v)) return(NA_real_)
  if (is.character(v)) return(as.numeric(sub("Infinity", "Inf", v)))
  v
}

# A nested list of rows as a matrix, or as an array where rows have rows.
array_of <- function(rows) {
  deep <- is.list(rows[[1]]) && length(rows[[1]]) && is.list(rows[[1]][[1]])
  if (!deep) return(do.call(rbind, lapply(rows, function(r) vapply(r, number_of, 0))))
  d <- c(length(rows), length(rows[[1]]), length(rows[[1]][[1]]))
  flat <- vapply(rows, function(r) vapply(unlist(lapply(r, function(v) lapply(v, number_of))), as.numeric, 0), numeric(d[2] * d[3]))
  aperm(array(flat, c(d[3], d[2], d[1])), 3:1)
}

operator_of <- function(case) {
  Genred(case$formula, unlist(case$aliases), case$reduction_op, axis = case$axis, dtype = "float64",
         opt_arg = case$opt_arg, formula2 = case$formula2)
}

expect_case <- function(case, value) {
  both <- grepl("_Arg|(Min|Max)Arg", case$reduction_op)
  index <- grepl("^Arg", case$reduction_op)
  if (both) {
    expect_close(value$value, array_of(case$expected[[1]]), 1e-6, info = case$name)
    expect_close(value$index, array_of(case$expected[[2]]) + 1, 0, info = case$name)
  } else {
    expect_close(value, array_of(case$expected) + index, if (index) 0 else 1e-6, info = case$name)
  }
}

cases <- if (requireNamespace("jsonlite", quietly = TRUE)) {
  jsonlite::fromJSON(test_path("cases.json"), simplifyVector = FALSE)
}

for (case in cases) {
  test_that(paste("case", case$name), {
    skip_if(case$name %in% wrong_there, "the expected value is wrong")
    args <- lapply(case$args, argument_of)
    op <- operator_of(case)
    for (backend in backends()) expect_case(case, do.call(op, c(args, backend = backend)))
  })
}

test_that("SoftDTW_SqDist is soft dynamic time warping", {
  soft_min <- function(v, g) min(v) - g * log(sum(exp(-(v - min(v)) / g)))
  soft_dtw <- function(a, b, g) {
    r <- matrix(0, length(a), length(b))
    for (i in seq_along(a)) for (j in seq_along(b)) {
      before <- c(if (i > 1 && j > 1) r[i - 1, j - 1], if (i > 1) r[i - 1, j], if (j > 1) r[i, j - 1])
      r[i, j] <- (a[i] - b[j])^2 + if (length(before)) soft_min(before, g) else 0
    }
    r[length(a), length(b)]
  }
  x <- points(6, 4); y <- points(7, 5)
  dense <- apply(x, 1, function(a) sum(apply(y, 1, function(b) soft_dtw(a, b, 1.3))))
  op <- Genred("SoftDTW_SqDist(X,Y,G)", c("X = Vi(4)", "Y = Vj(5)", "G = Pm(1)"), axis = 1, dtype = "float64")
  for (backend in backends()) expect_close(op(x, y, 1.3, backend = backend), cbind(dense), 1e-12)
  grad <- Genred("Grad(SoftDTW_SqDist(X,Y,G),X,E)", c("X = Vi(4)", "Y = Vj(5)", "G = Pm(1)", "E = Vi(1)"), axis = 1, dtype = "float64")
  e <- points(6, 1)
  h <- 1e-5
  numeric <- sapply(1:4, function(k) {
    d <- matrix(h * (seq_len(4) == k), 6, 4, byrow = TRUE)
    (op(x + d, y, 1.3) - op(x - d, y, 1.3)) / (2 * h)
  })
  for (backend in backends()) expect_close(grad(x, y, 1.3, e, backend = backend), numeric * drop(e), 1e-8)

  # a long series, by the smoothing too: the table is larger than what a kernel keeps on its stack
  long <- c("X = Vi(40)", "Y = Vj(35)", "G = Pm(1)")
  op <- Genred("SoftDTW_SqDist(X,Y,G)", long, axis = 1, dtype = "float64")
  x <- points(3, 40); y <- points(4, 35)
  for (backend in backends()) {
    by_g <- Genred("Grad(SoftDTW_SqDist(X,Y,G),G,1)", long, axis = 1, dtype = "float64")
    expect_close(by_g(x, y, 1.3, backend = backend), (op(x, y, 1.3 + h) - op(x, y, 1.3 - h)) / (2 * h), 1e-7)
    by_y <- Genred("Grad(SoftDTW_SqDist(X,Y,G),Y,1)", long, axis = 0, dtype = "float64")
    d <- matrix(sin(1:140), 4)
    expect_close(sum(by_y(x, y, 1.3, backend = backend) * d), sum(op(x, y + h * d, 1.3) - op(x, y - h * d, 1.3)) / (2 * h), 1e-7)
  }
})
