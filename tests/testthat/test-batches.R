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

# Multiples of 1/16, which single precision adds and multiplies without rounding.
random_values <- function(own) {
  draw <- function(n) round(16 * rnorm(n)) / 16
  values <- Map(function(core, own) array(draw(prod(core, own)), c(core, own)), cores, own)
  values[c("G", "P")] <- lapply(values[c("G", "P")], abs) # P is a factor of weights
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

# ---- ranges --------------------------------------------------------------------------------------

test_that("ranges keep the same pairs in every element", {
  set.seed(3)
  kept <- matrix(runif(m * n) < 0.5, m, n)
  all_ranges <- list(from_matrix(cbind(1:m, 1:m), cbind(1:n, 1:n), kept), band_ranges(m, n, 1, 2),
                     group_ranges(c(2, 1, 3, 1, 2), c(1, 3, 2, 2, 1, 1, 2)))
  for (name in c("Sum", "KMin_ArgKMin", "LogSumExp")) for (axis in 0:1) for (ranges in all_ranges) {
    op <- make(name, axis, "float64")
    batch <- random_batch(names(categories))
    values <- random_values(batch$own)
    call_one <- function(part) function(v) {
      got <- do.call(op, c(v, list(ranges = ranges, backend = "interpreter")))
      if (is.list(got)) got[[part]] else got
    }
    for (backend in backends()) {
      got <- do.call(op, c(values, list(ranges = ranges, backend = backend)))
      want <- lapply(1:2, function(part) each_element(values, ranks, batch$size, call_one(part)))
      expect_results(got, if (is.list(got)) setNames(want, names(got)) else want[[1]], 1e-12, paste(name, axis, backend))
    }
  }
})

# ---- gradients -----------------------------------------------------------------------------------

gradient_formulas <- list(
  Sum = list("Exp(-G*SqDist(X,Y))*P*B"), Mean = list("Sin(G*(X-Y))*P*B"), Var = list("Sin(G*(X-Y))*P*B"),
  Prod = list("1+0.2*Sin(G*(X-Y))*P*B"), LogSumExp = list("G*(X|Y)+B*(P|X)"),
  LogSumExpWeight = list("G*(X|Y)", "Square(Y-X)*P*Exp(B)"), SumSoftMaxWeight = list("G*(X|Y)+B", "P*(Y-X)"),
  Min = list("G*(X-Y)*P+B"), Max = list("G*(X-Y)*P+B"), KMin = list("G*(X-Y)*P+B"), KMax = list("G*SqDist(X,Y)+B*(P|X)")
)

make_smooth <- function(name, axis) {
  given <- gradient_formulas[[name]]
  Genred(given[[1]], aliases, name, axis = axis, dtype = "float64", formula2 = if (length(given) > 1) given[[2]],
         opt_arg = if (grepl("KM", name)) 3)
}

# What the elements' gradients add up to: each is added to the part of the argument that it used.
gradient_by_elements <- function(by, name, values, e, e_rank, size) {
  x <- values[[name]]
  rank <- ranks[[name]]
  own <- if (rank == 1 && is.null(dim(x))) integer() else dim(x)[-seq_len(rank)]
  out <- array(0, c(if (rank == 1) cores[[name]] else dim(x)[seq_len(rank)], own))
  for (at in elements_of(size)) {
    v <- Map(element, values, ranks, list(at))
    g <- do.call(by, c(v, list(element(e, e_rank, at)), backend = "interpreter"))
    here <- c(rep(list(TRUE), rank), as.list(ifelse(own == 1, 1, at[seq_along(own)])))
    out <- do.call(`[<-`, c(list(out), here, list(value = do.call(`[`, c(list(out), here)) + as.vector(g))))
  }
  if (rank == 1 && !length(own)) matrix(out, 1) else out
}

for (name in names(gradient_formulas)) {
  test_that(paste("a gradient has the shape of its argument, and is the sum over the elements:", name), {
    set.seed(nchar(name))
    for (axis in if (grepl("M[ia][nx]$", name)) 0:1 else 0:2) {
      op <- make_smooth(name, axis)
      batch <- random_batch(names(categories))
      values <- lapply(random_values(batch$own), function(x) x / 2)
      e <- do.call(op, values)
      e[] <- rnorm(length(e))
      e_rank <- length(dim(e)) - length(batch$size)
      for (variable in names(values)) {
        by <- genred_grad(op, variable)
        backend <- if (variable %in% c("X", "P")) utils::tail(backends(), 1) else "interpreter"
        got <- do.call(by, c(values, list(e), backend = backend))
        info <- paste(name, axis, variable)
        x <- values[[variable]]
        vector <- ranks[[variable]] == 1 && (is.null(dim(x)) || identical(dim(x)[-1], 1L))
        expect_identical(dim(got), if (vector) c(1L, length(x)) else dim(x), info = info)
        want <- gradient_by_elements(by, variable, values, e, e_rank, batch$size)
        error <- max(abs(as.vector(got) - as.vector(want))) # some gradients are 0
        expect_lt(error, 1e-11 * (1 + max(abs(want))), label = info)
      }
    }
  })
}

test_that("gradients satisfy the adjoint identity where arguments are shared by elements", {
  set.seed(5)
  x <- array(rnorm(10), c(5, 2))
  y <- array(rnorm(14 * 3), c(7, 2, 3))
  b <- array(rnorm(7 * 2), c(7, 1, 1, 2))
  given <- list(X = x, Y = y, B = b, G = 0.7, P = array(1 + runif(6), c(2, 3)))
  for (name in setdiff(names(gradient_formulas), c("Min", "Max", "KMin", "KMax"))) {
    op <- make_smooth(name, 1)
    e <- do.call(op, given)
    expect_identical(dim(e)[-(1:2)], 3:2)
    e[] <- rnorm(length(e))
    for (variable in names(given)) {
      d <- given[[variable]]
      d[] <- rnorm(length(d))
      along <- function(h) {
        v <- given
        v[[variable]] <- v[[variable]] + h * d
        sum(e * do.call(op, v))
      }
      g <- do.call(genred_grad(op, variable), c(given, list(e)))
      h <- 1e-5
      slope <- (along(h) - along(-h)) / (2 * h)
      expect_lt(abs(sum(g * d) - slope), 1e-6 * (1 + abs(slope)))
    }
  }
})

test_that("gradients of gradients, in batches", {
  set.seed(6)
  given <- list(X = array(rnorm(20), c(5, 2, 2)), Y = array(rnorm(14), c(7, 2)), B = array(rnorm(14), c(7, 1, 2)), G = 0.5,
                P = c(1, 2))
  for (name in c("Sum", "Mean", "LogSumExp", "SumSoftMaxWeight")) for (axis in 0:2) {
    op <- make_smooth(name, axis)
    by_y <- genred_grad(op, "Y", "e")
    e <- do.call(op, given)
    e[] <- rnorm(length(e))
    more <- c(given, list(e = e))
    e2 <- do.call(by_y, more)
    expect_identical(dim(e2), dim(given$Y))
    e2[] <- rnorm(length(e2))
    for (variable in names(more)) {
      d <- more[[variable]]
      d[] <- rnorm(length(d))
      along <- function(h) {
        v <- more
        v[[variable]] <- v[[variable]] + h * d
        sum(e2 * do.call(by_y, v))
      }
      g <- do.call(genred_grad(by_y, variable), c(more, list(e2)))
      expect_identical(length(g), length(d), info = paste(name, axis, variable))
      h <- 1e-5
      slope <- (along(h) - along(-h)) / (2 * h)
      expect_lt(abs(sum(g * d) - slope), 1e-6 * (1 + abs(slope)))
    }
  }
})

test_that("an updated gradient still sums over the elements that share its argument", {
  op <- Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"), axis = 1, dtype = "float64")
  by <- genred_grad(op, "X")
  y <- array(1:12, c(4, 1, 3))
  e <- array(1, c(2, 1, 3))
  expect_equal(by(1:2, y, e), matrix(78, 2, 1))
  expect_equal(update(by, dtype = "float32")(1:2, y, e), matrix(78, 2, 1))
  again <- unserialize(serialize(by, NULL))
  expect_equal(again(1:2, y, e), matrix(78, 2, 1))
  sum_of <- update(by, formula = "Y", aliases = c("X = Vi(1)", "Y = Vj(1)", "e = Vi(1)"))
  expect_identical(dim(sum_of(1:2, y, e)), c(2L, 1L, 3L)) # no gradient any more
  environment(by)$.by <- list(name = "X")
  expect_error(by(1:2, y, e), "changed or damaged", class = "genred_error_argument")
})

# ---- arrays of pairs -----------------------------------------------------------------------------

test_that("arrays of pairs: one component, several, and batches", {
  set.seed(8)
  pairs <- array(rnorm(5 * 7 * 2 * 3), c(5, 7, 2, 3), list(letters[1:5], LETTERS[1:7], NULL, NULL))
  flat <- pairs[, , 1, ]
  x <- array(rnorm(5 * 3), c(5, 1, 3))
  rows <- band_ranges(5, 7, 1, 1)
  kept <- outer(1:5, 1:7, function(i, j) abs(i - j) <= 1)
  for (axis in 0:1) for (backend in backends()) {
    one <- Genred("C * X", c("C = Mij(1)", "X = Vi(1)"), axis = axis, dtype = "float64")
    two <- Genred("C * X", c("C = Mij(2)", "X = Vi(1)"), axis = axis, dtype = "float64")
    sum_of <- function(c, x, ranges = NULL) {
      if (!is.null(ranges)) c <- c * kept
      if (axis == 1) rowSums(c * x) else colSums(c * x)
    }
    for (ranges in list(NULL, rows)) {
      run <- function(op, c, x) op(c, x, ranges = ranges, backend = backend)
      names <- list(if (axis == 1) letters[1:5] else LETTERS[1:7], NULL)
      expect_identical(dimnames(run(one, flat[, , 1], x[, , 1])), names)
      expect_close(run(one, flat[, , 1], x[, , 1])[, 1], sum_of(flat[, , 1], x[, , 1], ranges), 1e-12)
      got <- run(two, pairs, x)
      expect_identical(dim(got), c(if (axis == 1) 5L else 7L, 2L, 3L))
      for (d in 1:2) for (k in 1:3) expect_close(got[, d, k], sum_of(pairs[, , d, k], x[, , k], ranges), 1e-12)
      expect_identical(dim(run(two, pairs[, , , 1], x[, , 1])), dim(got)[1:2])
      expect_identical(run(two, pairs[, , , 1, drop = FALSE], x)[, , 2], run(two, pairs[, , , 1], x[, , 2]))
      for (k in 1:3) expect_identical(run(one, flat, x)[, , k], run(one, flat[, , k], x[, , k])[, 1])
    }
  }
})

test_that("an array of pairs follows the order of groups along both of its indices", {
  set.seed(9)
  gi <- c(2, 1, 2, 1, 3)
  gj <- c(1, 3, 2, 2, 1, 3, 2)
  pairs <- array(rnorm(5 * 7 * 2), c(5, 7, 2))
  met <- outer(gi, gj, "==")
  op <- Genred("C", "C = Mij(1)", axis = 1, dtype = "float64")
  least <- Genred("C", "C = Mij(1)", "Min_ArgMin", axis = 0, dtype = "float64")
  got <- op(pairs, ranges = group_ranges(gi, gj))
  low <- least(pairs, ranges = group_ranges(gi, gj))
  for (k in 1:2) {
    expect_close(got[, 1, k], rowSums(pairs[, , k] * met), 1e-12)
    seen <- ifelse(met, pairs[, , k], Inf)
    expect_identical(low$index[, 1, k], apply(seen, 2, which.min))
    expect_close(low$value[, 1, k], apply(seen, 2, min), 1e-12)
  }
})

test_that("mistakes with arrays of pairs are named", {
  op <- Genred("C * X", c("C = Mij(2)", "X = Vi(1)"), axis = 1)
  refused(op(matrix(1, 5, 7), 1:5), "`C` (Mij(2))", "array, M x N x 2", "double matrix (5 x 7)")
  refused(op(1:2, 1:5), "`C` (Mij(2))", "vector of length 2")
  refused(op(array(1, c(5, 7, 3)), 1:5), "`C`", "(5 x 7 x 3)")
  refused(op(array(1, c(3, 5, 7, 2)), 1:5), "aperm(x, c(2, 3, 4, 1))")
  refused(op(array(1, c(5, 7, 2)), 1:4), "`C`", "`X`", "5", "4")
  refused(op(array(1, c(5, 7, 2, 3)), array(1, c(5, 1, 2))), "`C` and `X`", "3 elements in `C`", "2 in `X`")
  one <- Genred("C", "C = Mij(1)", axis = 1)
  refused(one(1:5), "`C` (Mij(1))", "a numeric matrix, M x N", "vector of length 5")
  refused(one(matrix(1, 5, 7), ranges = band_ranges(5, 6, 1, 1)), "5 x 6 pairs", "5 x 7")
  expect_identical(dim(one(data.frame(1:5, 2:6))), c(5L, 1L))
  expect_match(paste(capture.output(print(op)), collapse = "\n"), "C  Mij(2)  M x N x 2", fixed = TRUE)
  expect_match(paste(capture.output(print(one)), collapse = "\n"), "C  Mij(1)  M x N\n", fixed = TRUE)
})

# ---- names, kinds of numbers, sizes --------------------------------------------------------------

two <- Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"), axis = 1, dtype = "float64")

test_that("rows and dimensions of a batch keep their names", {
  x <- array(1:6, c(2, 1, 3), list(c("a", "b"), NULL, c("u", "v", "w")))
  y <- array(1:8, c(4, 1, 1, 2), list(NULL, "c", "one", c("p", "q")))
  expect_identical(dimnames(two(x, y)), list(c("a", "b"), NULL, c("u", "v", "w"), c("p", "q")))
  expect_identical(dimnames(two(unname(x), y)), list(NULL, NULL, NULL, c("p", "q")))
  expect_null(dimnames(two(unname(x), unname(y))))
  other <- update(two, axis = 0)
  expect_identical(dimnames(other(x, y)), list(NULL, NULL, c("u", "v", "w"), c("p", "q")))
  expect_identical(dimnames(two(x, c(k = 1, l = 2))), dimnames(x))
  both <- update(two, axis = 2)
  expect_identical(dim(both(x, y)), c(1L, 3L, 2L))
  expect_identical(dimnames(both(x, y)), list(NULL, c("u", "v", "w"), c("p", "q")))
  by <- genred_grad(two, "X")
  expect_identical(dimnames(by(x, y, two(x, y))), dimnames(x))
  expect_identical(dimnames(by(x[, , 1, drop = FALSE], y, two(x, y))), list(c("a", "b"), NULL, NULL))
  pair <- Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)"), "MinArgMin", axis = 1)
  expect_identical(lapply(pair(x, 1:3), dimnames), list(value = dimnames(x), index = dimnames(x)))
})

test_that("integers, logicals and NA are converted", {
  x <- array(c(1:5, NA), c(2, 1, 3))
  for (backend in backends()) {
    expect_identical(two(x, 2, backend = backend), 2 * x)
    expect_identical(two(x > 2, 2, backend = backend), 2 * (x > 2))
  }
  expect_identical(two(structure(x, class = "table"), 2), 2 * x)
  expect_identical(two(I(x), data.frame(y = 2)), 2 * x)
})

test_that("batches of one element, or of none", {
  for (backend in backends()) {
    expect_identical(two(array(1:2, c(2, 1, 1)), 3, backend = backend), array(c(3, 6), c(2, 1, 1)))
    expect_identical(two(array(1:2, c(2, 1, 1, 1)), 3, backend = backend), array(c(3, 6), c(2, 1, 1, 1)))
    expect_identical(two(array(0, c(2, 1, 0)), 3, backend = backend), array(0, c(2, 1, 0)))
    expect_identical(two(array(0, c(2, 1, 0, 1)), array(0, c(4, 1, 1, 5)), backend = backend), array(0, c(2, 1, 0, 5)))
    expect_identical(two(array(0, c(0, 1, 3)), 3, backend = backend), array(0, c(0, 1, 3)))
    expect_identical(two(array(1, c(2, 1, 3)), numeric(), backend = backend), array(0, c(2, 1, 3)))
  }
  by <- genred_grad(two, "X")
  none <- array(0, c(4, 1, 0))
  expect_identical(by(c(1, 2), none, two(c(1, 2), none)), matrix(0, 2, 1))
  selects <- genred_grad(update(two, reduction_op = "Max"), "Y")
  expect_identical(selects(array(0, c(2, 1, 0)), 1:3, array(0, c(2, 1, 0))), matrix(0, 3, 1))
})

test_that("a matrix of one column, or of one row, is a parameter for all elements", {
  op <- Genred("P * X", c("P = Pm(2)", "X = Vi(2)"), axis = 1, dtype = "float64")
  x <- matrix(1, 3, 2)
  for (p in list(1:2, matrix(1:2, 1), matrix(1:2, 2))) expect_identical(op(p, x), cbind(rep(1, 3), 2))
  expect_identical(dim(op(matrix(1, 2, 4), x)), c(3L, 2L, 4L))
  expect_identical(dim(op(array(1, c(2, 1, 4)), x)), c(3L, 2L, 1L, 4L))
  op <- Genred("P * X", c("P = Pm(1)", "X = Vi(2)"), axis = 1, dtype = "float64")
  expect_identical(dim(op(matrix(1), x)), c(3L, 2L))
  expect_identical(op(matrix(1:2, 1), x), array(rep(c(1, 2), each = 6), c(3, 2, 2)))
  # a result of one element is a parameter of the next call, in a batch too
  total <- Genred("X", "X = Vi(2)", axis = 2, dtype = "float64")
  scaled <- Genred("P * X", c("P = Pm(2)", "X = Vi(2)"), axis = 1, dtype = "float64")
  expect_equal(scaled(total(x), x), matrix(3, 3, 2))
  expect_equal(scaled(total(array(1, c(3, 2, 4))), x), array(3, c(3, 2, 4)))
})

test_that("sixteen dimensions are possible", {
  x <- array(1:2, c(1, 1, rep(1, 15), 2))
  expect_identical(two(x, 3), 3 * x)
})

# ---- mistakes ------------------------------------------------------------------------------------

test_that("every mistake is named with its argument, its shape and what is expected", {
  op <- Genred("Exp(-G*SqDist(X,Y))*P", c("X = Vi(3)", "Y = Vj(3)", "G = Pm(1)", "P = Pm(2)"), axis = 1)
  x <- array(0, c(5, 3, 4))
  y <- array(0, c(6, 3, 4))
  p <- 1:2
  # sizes that do not agree
  refused(op(x, y[, , 1:3], 1, p), "`X` and `Y`", "dimension 1", "4 elements in `X`", "3 in `Y`", "or 1")
  refused(op(array(0, c(5, 3, 4, 2)), array(0, c(6, 3, 1, 3)), 1, p), "dimension 2", "2 elements in `X`", "3 in `Y`")
  refused(op(x, y, matrix(1, 1, 3), p), "`X` and `G`", "4 elements", "3 in `G`")
  refused(op(x, y, 1, matrix(1, 2, 3)), "`X` and `P`", "3 in `P`")
  refused(op(x, y[, , 0], 1, p), "4 elements in `X` and 0 in `Y`")
  # wrong dimensions of an element
  refused(op(array(0, c(5, 2, 4)), y, 1, p), "`X` (Vi(3))", "matrix with 3 columns", "(5 x 2 x 4)", "dimension 2 must be 3")
  refused(op(array(0, c(4, 5, 3)), y, 1, p), "(4 x 5 x 3)", "come last: aperm(x, c(2, 3, 1))")
  refused(op(array(0, c(2, 4, 5, 3)), y, 1, p), "(2 x 4 x 5 x 3)", "aperm(x, c(3, 4, 1, 2))")
  refused(op(x, y, 1, matrix(1, 4, 2)), "`P` (Pm(2))", "vector of length 2", "(4 x 2)", "aperm(x, c(2, 1))")
  refused(op(x, y, 1, array(1, c(3, 4, 4))), "`P`", "(3 x 4 x 4)", "dimension 1 must be 2")
  refused(op(x, y, array(1, c(2, 1, 4)), p), "`G` (Pm(1))", "a number", "(2 x 1 x 4)", "dimension 1 must be 1")
  refused(op(x, y, 1:4, p), "`G`")
  refused(op(x[, 1, ], y, 1, p), "`X`", "3 columns", "4")
  refused(op(x, y[, , , drop = TRUE][, 1, 1], 1, p), "`Y`", "vector of length 6")
  # numbers of rows
  one <- Genred("X * Z * Y", c("X = Vi(1)", "Z = Vi(1)", "Y = Vj(1)"), axis = 1)
  refused(one(array(1, c(5, 1, 2)), array(1, c(4, 1, 2)), 1), "`X`", "`Z`", "5", "4")
  refused(one(matrix(1, 5, 3), 1:5, 1), "`X`", "1 column", "3")
  # kinds of objects
  refused(op(x, y, 1, data.frame(1:2, 1:2, 1:2, 1:2)), "`P`", "data frame (2 x 4)", "cannot be a batch")
  refused(op(array("1", c(5, 3, 4)), y, 1, p), "`X`", "character array (5 x 3 x 4)")
  refused(op(x + 1i, y, 1, p), "`X`", "complex array (5 x 3 x 4)", "Re()")
  refused(op(structure(x, class = "odd"), y, 1, p), "`X`", "an odd array (5 x 3 x 4)")
  refused(op(array(list(1), c(5, 3, 4)), y, 1, p), "`X`", "list array (5 x 3 x 4)")
  refused(op(array(0, c(5, 3, rep(1, 17))), y[, , 1], 1, p), "`X` has 17", "at most 16")
  # settings
  refused(op(x, y, 1, p, keep = TRUE), "`keep = TRUE`", "batches", "`X`")
  refused(op(x, y, 1, p, keep = TRUE, backend = "CPU"), "`keep = TRUE`", "CPU")
  refused(op(x, y, 1, p, ranges = band_ranges(4, 6, 1, 1)), "`ranges` was made for 4 x 6 pairs", "5 x 6")
  refused(op(x, y, 1, p, ranges = list(cbind(1, 9), 1, cbind(1, 6))), "ranges_i", "9")
  # what has no batches
  refused(genred_partial(op, x, y[, , 1], 1, p), "`X` is a batch (5 x 3 x 4)", "partial results")
  refused(genred_partial(op, x[, , 1], y[, , 1], 1, matrix(1, 2, 3)), "`P` is a batch (2 x 3)")
})

test_that("mistakes in calls of gradients are named", {
  op <- Genred("Exp(-SqDist(X,Y))", c("X = Vi(3)", "Y = Vj(3)"), "Max", axis = 1)
  sum_of <- update(op, reduction_op = "Sum")
  mean_of <- update(op, reduction_op = "Mean")
  x <- array(0, c(5, 3, 4))
  y <- matrix(0, 6, 3)
  for (by in lapply(list(op, sum_of, mean_of), genred_grad, "X", "e")) {
    refused(by(x, y, array(1, c(5, 1, 3))), "`X` and `e`", "4 elements in `X`", "3 in `e`")
    refused(by(x, array(0, c(6, 3, 3)), array(1, c(5, 1, 4))), "`X` and `Y`")
    refused(by(x, y, array(1, c(5, 1, 4)), keep = TRUE), "`keep = TRUE`", "`X`")
    refused(by(x, y, array(1, c(4, 1, 4))), "`e`")
    refused(by(array(0, c(4, 5, 3)), y, 1:5), "aperm(x, c(2, 3, 1))")
  }
})

# ---- GPUs ----------------------------------------------------------------------------------------

test_that("batches on a GPU: the same numbers, and nothing stays there", {
  skip_without_fakes()
  got <- in_fresh_r({
    library(genred)
    op <- Genred("Exp(-SqDist(X,Y))*B", c("X = Vi(2)", "Y = Vj(2)", "B = Vj(1)"), axis = 1, dtype = "float64")
    x <- array(points(40, 2), c(20, 2, 2))
    y <- points(9, 2)
    b <- array(points(27, 1), c(9, 1, 1, 3))
    here <- function(op, ...) op(..., backend = "interpreter")
    there <- function(op, ...) op(..., backend = "GPU")
    mean_of <- genred_grad(update(op, reduction_op = "Mean"), "Y")
    max_of <- genred_grad(update(op, reduction_op = "Max"), "B")
    e <- here(op, x, y, b)
    held <- genred_array(y)
    list(
      error = max(abs(there(op, x, y, b) - e)),
      mean = max(abs(there(mean_of, x, y, b, e) - here(mean_of, x, y, b, e))),
      max = max(abs(there(max_of, x, y, b, e) - here(max_of, x, y, b, e))),
      keep = failed(op(x, y, b, backend = "GPU", keep = TRUE)),
      held = failed(op(x, held, b)),
      row = failed(Genred("P * X", c("P = Pm(2)", "X = Vi(1)"))(genred_array(matrix(1, 2, 3)), 1))
    )
  }, fake_environment())
  for (what in c("error", "mean", "max")) expect_lt(got[[what]], 1e-12)
  expect_match(got$keep[2], "`keep = TRUE`")
  expect_identical(got$held[1], "genred_error_argument")
  expect_match(got$held[2], "argument `Y` is a genred_array, but argument `X` is a batch (20 x 2 x 2)", fixed = TRUE)
  expect_match(got$row[2], "a genred_array cannot be a batch", fixed = TRUE)
  expect_clean(got)
})
