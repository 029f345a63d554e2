# Batches: calls of many problems of one shape, against loops over the elements.

refused <- function(code, ...) {
  text <- conditionMessage(expect_error(code, class = "genred_error_argument"))
  for (says in c(...)) expect_match(text, says, fixed = TRUE)
}

# ---- shapes --------------------------------------------------------------------------------------

# A batch of 1 to 3 dimensions, and arguments that have some of them: each dimension is absent, 1,
# or whole; together they are as large as `size`.
random_batch <- function(names) {
  size <- sample(1:3, sample(3, 1), replace = TRUE)
  own <- lapply(names, function(name) {
    s <- ifelse(runif(length(size)) < 0.4, 1L, size)
    head(s, sample(0:length(s), 1))
  })
  own[[sample(3, 1)]] <- size # not of a parameter, of which a matrix of one column is a vector
  list(size = size, own = setNames(own, names))
}

rank_of <- function(category) if (category == "Pm") 1 else 2

# The part of x that belongs to the element `at`; a loop over dimensions, in base R.
element <- function(x, rank, at) {
  own <- dim(x)[-seq_len(rank)]
  if (!length(own)) return(x)
  index <- c(rep(list(TRUE), rank), as.list(ifelse(own == 1, 1, at[seq_along(own)])))
  part <- do.call(`[`, c(list(x), index, drop = FALSE))
  if (rank == 1) as.vector(part) else array(part, dim(x)[seq_len(rank)])
}

elements_of <- function(size) {
  at <- arrayInd(seq_len(prod(size)), size)
  lapply(seq_len(nrow(at)), function(k) at[k, ])
}

# The results of one call for each element, one after the other.
each_element <- function(values, ranks, size, call) {
  parts <- lapply(elements_of(size), function(at) call(Map(element, values, ranks, list(at))))
  array(unlist(parts), c(dim(as.array(parts[[1]])), size))
}

aliases <- c("X = Vi(2)", "Y = Vj(2)", "B = Vj(1)", "G = Pm(1)", "P = Pm(2)")
categories <- c(X = "Vi", Y = "Vj", B = "Vj", G = "Pm", P = "Pm")
ranks <- sapply(categories, rank_of)
m <- 5
n <- 7
cores <- list(X = c(m, 2), Y = c(n, 2), B = c(n, 1), G = 1, P = 2)

random_values <- function(own) {
  values <- Map(function(core, own) array(rnorm(prod(core, own)), c(core, own)), cores, own)
  values$G <- abs(values$G)
  lapply(values, function(v) if (length(dim(v)) == 1) as.vector(v) else v)
}

# ---- reductions in base R ------------------------------------------------------------------------

# F is rows x columns x D, W likewise; one function of the columns' values (columns x D, and of the
# weights) for each reduction.
by_component <- function(fun) function(f, w) apply(f, 2, fun)
k_first <- function(order) function(f, w) apply(f, 2, function(x) x[order(x)[1:3]])
arg_k <- function(order) function(f, w) apply(f, 2, function(x) order(x)[1:3])
ascending <- function(x) order(x)
descending <- function(x) order(-x)
shifted <- function(f, w) c(max(f), colSums(exp(f[, 1] - max(f)) * w))
one <- function(f, w) shifted(f, matrix(1, nrow(f), 1))

reference <- list(
  Sum = by_component(sum), Min = by_component(min), Max = by_component(max),
  ArgMin = by_component(which.min), ArgMax = by_component(which.max),
  Min_ArgMin = list(by_component(min), by_component(which.min)),
  Max_ArgMax = list(by_component(max), by_component(which.max)),
  KMin = k_first(ascending), ArgKMin = arg_k(ascending), KMin_ArgKMin = list(k_first(ascending), arg_k(ascending)),
  KMax = k_first(descending), ArgKMax = arg_k(descending),
  KMax_ArgKMax = list(k_first(descending), arg_k(descending)),
  Mean = by_component(mean), Var = by_component(var), Prod = by_component(prod),
  Count = by_component(function(x) sum(x != 0)), Any = by_component(function(x) any(x != 0)),
  All = by_component(function(x) all(x != 0)),
  LogSumExp = function(f, w) log(sum(exp(f))),
  LogSumExpWeight = function(f, w) log(colSums(exp(f[, 1]) * w)),
  SumSoftMaxWeight = function(f, w) colSums(exp(f[, 1]) * w) / sum(exp(f)),
  Max_SumShiftExp = one, Max_SumShiftExpWeight = shifted
)

# G * (X - Y) * P + B, or its first component for exponentials; the weights are Square(Y - X).
formula_values <- function(v) {
  out <- array(0, c(m, n, 2))
  for (d in 1:2) out[, , d] <- v$G * outer(v$X[, d], v$Y[, d], "-") * v$P[d] + rep(v$B, each = m)
  out
}
weight_values <- function(v) {
  out <- array(0, c(m, n, 2))
  for (d in 1:2) out[, , d] <- outer(v$X[, d], v$Y[, d], "-")^2
  out
}

# The result of one element, components last: rows x [K] x D.
reduced <- function(fun, v, axis, scalar) {
  f <- formula_values(v)
  w <- weight_values(v)
  if (scalar) f <- f[, , 1, drop = FALSE]
  if (axis == 2) {
    dim(f) <- c(1, m * n, dim(f)[3])
    dim(w) <- c(1, m * n, 2)
  } else if (axis == 0) {
    f <- aperm(f, c(2, 1, 3))
    w <- aperm(w, c(2, 1, 3))
  }
  slice <- function(x, i) matrix(x[i, , ], dim(x)[2])
  rows <- lapply(seq_len(dim(f)[1]), function(i) fun(slice(f, i), slice(w, i)))
  size <- dim(rows[[1]])
  if (is.null(size)) size <- length(rows[[1]])
  out <- aperm(array(unlist(rows), c(size, length(rows))), c(length(size) + 1, seq_along(size)))
  if (axis == 2) as.vector(out) else out # in a batch, a vector for each element
}

expect_results <- function(got, want, tolerance, info) {
  if (is.list(want)) {
    expect_identical(names(got), c("value", "index"), info = info)
    return(for (k in 1:2) expect_results(got[[k]], want[[k]], tolerance, info))
  }
  expect_identical(dim(got), dim(want), info = info)
  expect_close(got + 0, want + 0, tolerance, info = info)
}

make <- function(name, axis, dtype) {
  scalar <- grepl("Exp|SoftMax", name)
  formula <- if (scalar) "(G*(X-Y)*P+B)[0]" else "G*(X-Y)*P+B"
  Genred(formula, aliases, name, axis = axis, dtype = dtype, opt_arg = if (grepl("KM", name)) 3,
         formula2 = if (grepl("Weight", name)) "Square(Y-X)")
}

for (backend in backends()) for (dtype in c("float32", "float64")) {
  test_that(paste("every reduction and axis, random batches:", backend, dtype), {
    set.seed(if (dtype == "float32") 1 else 2)
    tolerance <- if (dtype == "float32") 1e-5 else 1e-12
    expect_setequal(names(reference), names(genred:::reduction_forms))
    for (name in names(reference)) for (axis in 0:2) {
      if (axis == 2 && grepl("Arg|KM", name)) next # no single index
      op <- make(name, axis, dtype)
      batch <- random_batch(names(categories))
      values <- random_values(batch$own)
      got <- do.call(op, c(values, backend = backend))
      want <- lapply(c(reference[[name]]), function(fun) {
        each_element(values, ranks, batch$size, function(v) reduced(fun, v, axis, grepl("Exp|SoftMax", name)))
      })
      info <- paste(name, axis, paste(sapply(values, function(v) paste(dim(v), collapse = "x")), collapse = ", "))
      expect_results(got, if (length(want) == 1) want[[1]] else want, tolerance, info)
    }
  })
}
