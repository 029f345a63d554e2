# Partial results: pieces that merge to what one call gives, and what is refused.

refused <- function(code, says) expect_error(code, says, class = "genred_error_argument")

# ---- pieces against one call ---------------------------------------------------------------------

aliases <- c("X = Vi(3)", "Y = Vj(3)", "G = Pm(1)")
x <- points(31, 3)
y <- points(47, 3)
y[31:47, ] <- y[1:17, ] # ties
rownames(x) <- paste0("x", 1:31)
rownames(y) <- paste0("y", 1:47)

# Ends of n pieces of 1:total, some of them empty.
random_cuts <- function(total, n) c(0, sort(sample(0:total, n - 1, replace = TRUE)), total)

# The pieces of the reduced index; of both, a grid of blocks.
pieces_of <- function(op, axis, n, backend = "auto") {
  cut_i <- if (axis == 1) c(0, nrow(x)) else random_cuts(nrow(x), n)
  cut_j <- if (axis == 0) c(0, nrow(y)) else random_cuts(nrow(y), n)
  one <- function(a, b) {
    i <- seq_len(cut_i[a + 1] - cut_i[a]) + cut_i[a]
    j <- seq_len(cut_j[b + 1] - cut_j[b]) + cut_j[b]
    offset <- c(cut_i[a], cut_j[b], 0)[axis + 1]
    genred_partial(op, x[i, , drop = FALSE], y[j, , drop = FALSE], 0.5, offset = offset,
                   backend = backend)
  }
  grid <- expand.grid(a = seq_along(cut_i[-1]), b = seq_along(cut_j[-1]))
  Map(one, grid$a, grid$b)
}

expect_same_result <- function(got, want, selects, tolerance, info) {
  if (selects) return(expect_identical(got, want, info = info))
  expect_identical(dimnames(got), dimnames(want), info = info)
  expect_close(got, want, tolerance, info = info)
}

reductions <- names(genred:::reduction_forms)
selects <- function(name) grepl("Min|Max$|Arg|^KMax|Any|All|Count", name)

formula_of <- function(name) {
  if (name == "Prod") return("1 + G * (X - Y) / 100")
  if (grepl("Exp|SoftMax", name)) "-G * SqDist(X,Y)" else "Round(G * (X - Y), 1)"
}

for (backend in backends()) {
  test_that(paste("every reduction, axis and precision, in random pieces:", backend), {
    set.seed(1)
    for (name in reductions) for (axis in 0:2) for (dtype in c("float32", "float64")) {
      if (axis == 2 && grepl("Arg|KM", name)) next # no single index
      op <- Genred(formula_of(name), aliases, name, axis = axis, dtype = dtype,
                   opt_arg = if (grepl("KM", name)) 4,
                   formula2 = if (grepl("Weight", name)) "Y - X")
      want <- op(x, y, 0.5, backend = backend)
      parts <- sample(pieces_of(op, axis, 4, backend))
      info <- paste(name, axis, dtype)
      got <- genred_finish(op, do.call(genred_merge, parts))
      expect_same_result(got, want, selects(name), if (dtype == "float32") 1e-5 else 1e-12, info)
      expect_equal(genred_finish(Reduce(genred_merge, parts)), got, tolerance = 1e-12, info = info)
    }
  })
}

test_that("any grouping gives the same; one piece is the call", {
  set.seed(2)
  op <- Genred("SqDist(X,Y) * G", aliases, "KMin_ArgKMin", axis = 1, opt_arg = 5)
  p <- pieces_of(op, 1, 6)
  want <- op(x, y, 0.5)
  three <- genred_merge(p[[6]], p[[2]], p[[4]])
  grouped <- genred_merge(genred_merge(p[[5]], p[[1]]), three, p[[3]])
  expect_identical(genred_finish(grouped), want)
  whole <- genred_partial(op, G = 0.5, x, Y = y)
  expect_identical(genred_finish(whole), want)
  expect_identical(genred_merge(whole), whole)
  expect_identical(whole$columns, cbind(from = 1, to = 47))
  expect_identical(grouped$columns, whole$columns)
  expect_identical(names(genred_finish(partial = whole)), c("value", "index"))
  named <- stats::setNames(p, paste0("file", 1:6))
  expect_identical(genred_finish(op, do.call(genred_merge, named)), want)
})

test_that("empty pieces, no rows, and nothing at all", {
  for (name in c("Sum", "Min", "ArgMin", "LogSumExp", "Mean", "Var", "Prod", "Any", "All")) {
    op <- Genred("Sum(X - Y) * G", aliases, name, axis = 1, dtype = "float64")
    none <- genred_partial(op, x, y[0, ], 0.5, offset = 12)
    expect_identical(none$count, 0)
    expect_identical(nrow(none$columns), 0L)
    expect_identical(genred_finish(none), op(x, y[0, ], 0.5), info = name)
    all <- genred_partial(op, x, y, 0.5, offset = 0)
    expect_identical(genred_finish(genred_merge(none, all, none)), genred_finish(all), info = name)
    expect_identical(dim(genred_finish(genred_partial(op, x[0, ], y, 0.5))), c(0L, 1L))
  }
})

test_that("row names come from the piece that has some", {
  op <- Genred("SqDist(X,Y) * G", aliases, "Sum", axis = 1)
  a <- genred_partial(op, unname(x), y[1:9, ], 0.5)
  b <- genred_partial(op, x, y[10:47, ], 0.5)
  expect_null(rownames(genred_finish(a)))
  expect_identical(rownames(genred_finish(genred_merge(a, b))), rownames(x))
  expect_identical(rownames(genred_finish(genred_merge(b, a))), rownames(x))
})

test_that("indices are those of the whole, also beyond the integers", {
  op <- Genred("SqDist(X,Y) * G", aliases, "Min_ArgMin", axis = 1)
  far <- 3e9
  end <- genred_partial(op, x, y[20:47, ], 0.5, offset = far)
  got <- genred_finish(genred_merge(end, genred_partial(op, x, y[1:19, ], 0.5, offset = 100)))
  want <- op(x, y, 0.5)
  expect_identical(got$value, want$value)
  expect_type(got$index, "double")
  expect_identical(got$index, want$index + ifelse(want$index > 19, far - 19, 100))
  none <- genred_finish(genred_partial(op, x, y * NaN, 0.5, offset = far))
  expect_identical(none$index[1:3, 1], c(x1 = NA_real_, x2 = NA_real_, x3 = NA_real_))
  refused(genred_partial(op, x, y, 0.5, offset = 2^53), "offset")
})

test_that("data far from zero: each piece subtracts an origin of its own", {
  op <- Genred("Exp(-SqDist(X,Y) * G)", aliases, axis = 1)
  exact <- Genred("Exp(-SqDist(X,Y) * G)", aliases, axis = 1, dtype = "float64")
  parts <- lapply(list(1:20, 21:47), function(j) genred_partial(op, x + 1e6, y[j, ] + 1e6, 0.5))
  expect_close(genred_finish(do.call(genred_merge, parts)), exact(x + 1e6, y + 1e6, 0.5), 1e-5)
})

test_that("a gradient that is a sum has partial results, one of several reductions has none", {
  op <- Genred("Exp(-SqDist(X,Y) * G)", aliases, axis = 1, dtype = "float64")
  e <- matrix(runif(31), 31)
  by_x <- genred_grad(op, "X")
  parts <- lapply(list(1:20, 21:47), function(j) genred_partial(by_x, x, y[j, ], 0.5, e))
  expect_close(genred_finish(do.call(genred_merge, parts)), by_x(x, y, 0.5, e), 1e-12)
  by_g <- genred_grad(op, "G") # both indices: blocks of pairs
  blocks <- list(list(1:10, 1:47), list(11:31, 1:5), list(11:31, 6:47))
  parts <- lapply(blocks, function(b) {
    genred_partial(by_g, x[b[[1]], ], y[b[[2]], ], 0.5, e[b[[1]], , drop = FALSE])
  })
  expect_identical(do.call(genred_merge, parts)$count, 31 * 47)
  expect_close(genred_finish(do.call(genred_merge, parts)), by_g(x, y, 0.5, e), 1e-12)
  plan <- genred_grad(Genred("-SqDist(X,Y) * G", aliases, "LogSumExp", axis = 1), "X")
  refused(genred_partial(plan, x, y, 0.5, e), "computes several reductions \\(gradient by X of")
  refused(genred_finish(plan, parts[[1]]), "computes several reductions")
})

# ---- it is plain data ----------------------------------------------------------------------------

test_that("files, text and other processes carry it", {
  op <- Genred("SqDist(X,Y) * G", aliases, "KMax_ArgKMax", axis = 1, opt_arg = 3)
  p <- genred_partial(op, x, y, 0.5)
  file <- tempfile()
  for (ascii in c(FALSE, NA)) { # NA: hexadecimal numbers
    saveRDS(p, file, ascii = ascii)
    expect_identical(readRDS(file), p)
    expect_identical(genred_finish(readRDS(file)), op(x, y, 0.5))
  }
  dput(p, file, control = c("all", "digits17"))
  expect_identical(genred_finish(op, dget(file)), op(x, y, 0.5))
  expect_identical(unserialize(serialize(p, NULL)), p)
})

test_that("a cluster of processes computes pieces", {
  skip_unless_installed()
  cluster <- parallel::makeCluster(2, "PSOCK")
  on.exit(parallel::stopCluster(cluster))
  parallel::clusterCall(cluster, function(paths) .libPaths(paths), .libPaths())
  op <- Genred("SqDist(X,Y) * G", aliases, "ArgKMin", axis = 1, opt_arg = 7)
  shares <- split(1:47, rep(1:4, c(10, 20, 7, 10)))
  jobs <- lapply(shares, function(j) list(offset = j[1] - 1, y = y[j, ]))
  parts <- parallel::parLapply(cluster, jobs, function(job, op, x) {
    genred::genred_partial(op, x, job$y, 0.5, offset = job$offset, backend = "interpreter")
  }, op, x)
  want <- op(x, y, 0.5, backend = "interpreter")
  expect_identical(genred_finish(do.call(genred_merge, parts)), want)
})

test_that("it prints what it is", {
  op <- Genred("SqDist(X,Y) * G", aliases, "ArgKMin", axis = 1, opt_arg = 7)
  some <- lapply(c(1, 3, 5, 7, 9, 11, 1300), function(j) {
    genred_partial(op, x, y[1, , drop = FALSE], 0.5, offset = j - 1)
  })
  said <- utils::capture.output(shown <- withVisible(print(do.call(genred_merge, some))))
  expect_match(said, "<genred_partial> a[i, 1:7] = argmin7_j Sq", fixed = TRUE, all = FALSE)
  expect_match(said, "rows +31$", all = FALSE)
  expect_match(said, "columns  7 (1, 3, 5, 7, 9, ...)", fixed = TRUE, all = FALSE)
  expect_false(shown$visible)
  both <- Genred("SqDist(X,Y) * G", aliases, "Mean", axis = 2)
  expect_output(print(genred_partial(both, x, y, 0.5)), "rows +1\n +pairs +1,457\n")
  three <- genred_merge(some[[1]], genred_partial(op, x, y[1:2, ], 0.5, offset = 1))
  expect_output(print(three), "columns  3 (1 to 3)", fixed = TRUE)
})

test_that("GPUs compute pieces", {
  skip_without_fakes()
  got <- in_fresh_r(variables = fake_environment(), code = {
    x <- points(37, 3)
    y <- points(53, 3)
    make <- function(...) Genred(..., aliases = c("X = Vi(3)", "Y = Vj(3)"), dtype = "float64")
    ops <- list(make("Exp(-SqDist(X,Y))", axis = 1),
                make("SqDist(X,Y)", reduction_op = "KMin_ArgKMin", axis = 0, opt_arg = 3))
    lapply(ops, function(op) {
      over_i <- genred:::operator_info(op)$result$axis == 0L
      one <- function(rows, data) {
        args <- if (over_i) list(x[rows, ], y) else list(x, y[rows, ])
        if (data == "kept") args <- lapply(args, genred_array, dtype = "float64")
        do.call(genred_partial, c(list(op), args, offset = rows[1] - 1, backend = "GPU"))
      }
      parts <- list(one(1:11, "kept"), one(12:30, "host"), one(31:(if (over_i) 37 else 53), "kept"))
      last <- genred:::operator_info(op)$last$backend
      list(got = genred_finish(do.call(genred_merge, parts)), last = last,
           want = op(x, y, backend = "interpreter"))
    })
  })
  expect_match(got[[1]]$last, "GPU")
  expect_close(got[[1]]$got, got[[1]]$want, 1e-12)
  expect_identical(got[[2]]$got$index, got[[2]]$want$index)
  expect_close(got[[2]]$got$value, got[[2]]$want$value, 1e-12)
  expect_clean(got)
})

# ---- what is refused -----------------------------------------------------------------------------

op <- Genred("SqDist(X,Y) * G", aliases, "ArgMin", axis = 1)
sums <- Genred("SqDist(X,Y) * G", aliases, "Sum", axis = 1)
first <- genred_partial(op, x, y[1:20, ], 0.5, backend = "interpreter")
second <- genred_partial(op, x, y[21:47, ], 0.5, offset = 20, backend = "interpreter")
some <- genred_partial(sums, x, y[1:20, ], 0.5, backend = "interpreter")

test_that("calls of genred_partial that are wrong", {
  refused(genred_partial(), "`op` is missing")
  for (junk in list(NULL, 1, "Sum", sum, list(), first)) {
    refused(genred_partial(junk, x, y, 0.5), "`op` must be an operator made by Genred\\(\\)")
  }
  refused(genred_partial(op), "argument `X` is missing")
  refused(genred_partial(op, x, y), "`G` is missing; the operator has the arguments \"X\", \"Y\"")
  refused(genred_partial(op, x, , 0.5), "argument 2 of `...` is empty")
  refused(genred_partial(op, x, y, 0.5, 7), "has the arguments \"X\", \"Y\", \"G\"; 4 values given")
  refused(genred_partial(op, x, y, 0.5, H = 7), "none called `H`")
  refused(genred_partial(op, x, y, X = x, X = x), "`X` is given twice")
  refused(genred_partial(op, x[, 1:2], y, 0.5), "`X` .*must be a numeric matrix with 3 columns")
  refused(genred_partial(op, as.data.frame(letters), y, 0.5), "its column `letters`")
  three <- Genred("X * Y", c("X = Vi(1)", "Y = Vj(1)", "Z = Vj(1)"), axis = 1)
  refused(genred_partial(three, 1, 1:3, 1:4), "have 3 and 4 rows")
  for (junk in list(-1, 0.5, NA, NaN, Inf, "0", c(0, 1), numeric(), 1e300, list(0), TRUE)) {
    refused(genred_partial(op, x, y, 0.5, offset = junk), "`offset` must be")
  }
  both <- Genred("SqDist(X,Y) * G", aliases, axis = 2)
  refused(genred_partial(both, x, y, 0.5, offset = 3), "both indices are reduced")
  expect_null(genred_partial(both, x, y, 0.5, offset = 0)$columns)
  refused(genred_partial(op, x, y, 0.5, backend = "TPU"), "`backend`")
  refused(genred_partial(op, x, y, 0.5, backend = "CPU", device_id = 0), "`device_id`")
  expect_error(genred_partial(op, x, y, stop("the user's own")), "the user's own")
})

test_that("partial results that do not belong together", {
  other <- function(...) genred_partial(update(op, ...), x, y[21:47, ], 0.5, offset = 20)
  refused(genred_merge(first, other(dtype = "float64")),
          "1 and partial result 2 .*operators, whose `dtype` is \"float32\" and \"float64\"")
  refused(genred_merge(first, other(formula = "2 * SqDist(X,Y) * G")), "whose `formula` is")
  refused(genred_merge(first, other(reduction_op = "ArgMax")),
          "whose `reduction_op` is \"ArgMin\" and \"ArgMax\"")
  refused(genred_merge(first, other(sum_scheme = "direct_sum")), "whose `sum_scheme` is")
  refused(genred_merge(first, second, some),
          "partial results 1 to 2 and partial result 3 .*whose `reduction_op`")
  with_rows <- function(x, g = 0.5) genred_partial(op, x, y[21:47, ], g, offset = 20)
  refused(genred_merge(first, with_rows(x[1:7, ])), "they have 31 and 7 rows")
  refused(genred_merge(first, with_rows(x[31:1, ])), "row 1 is called \"x1\" and \"x31\"")
  refused(genred_merge(first, with_rows(x, 0.25)), "different values of the parameters")
  refused(genred_merge(first, with_rows(x + 1e-9)),
          "different values of the parameters or of the arguments of the kept index")
  refused(genred_merge(first, genred_partial(op, x, y[47, , drop = FALSE], 0.5, offset = 90),
                       with_rows(x, 0.25)),
          "^partial result 3 cannot be merged with those before it: ")
  refused(genred_merge(first, first), "both hold columns 1 to 20; `offset`")
  refused(genred_merge(second, genred_partial(op, x, y[1:21, ], 0.5)), "both hold column 21")
  refused(genred_merge(first, second, genred_partial(op, x, y[1:5, ], 0.5, offset = 42)),
          "partial results 1 to 2 and partial result 3 .*both hold columns 43 to 47")
  known <- genred_partial(sums, x, y[1:20, ], 0.5, offset = 0)
  refused(genred_merge(known, known), "both hold columns 1 to 20")
  expect_identical(genred_merge(some, some)$count, 40) # not known from where they come
  expect_null(genred_merge(known, some)$columns)
})

test_that("an operator that is only written in another way is the same", {
  usual <- Genred("SqDist(X,Y) * G", aliases, axis = 1)
  other <- Genred("SqDist(X,Y) * G", as.list(gsub(" ", "", aliases)), "Sum", axis = "j",
                  dtype = "float32")
  one <- genred_partial(usual, x, y[1:20, ], 0.5)
  two <- genred_partial(other, x, y[21:47, ], 0.5)
  expect_close(genred_finish(other, genred_merge(one, two)), usual(x, y, 0.5), 1e-6)
  fast <- update(usual, use_fast_math = TRUE)
  refused(genred_finish(fast, one), "whose `use_fast_math` is TRUE and FALSE")
})

test_that("what is no partial result, or was changed", {
  refused(genred_merge(), "no partial result to merge")
  refused(genred_merge(list(first, second)), "list of length 2 was given\n  do.call\\(genred_merge")
  refused(genred_merge(first, ), "argument 2 of `...` is empty")
  for (junk in list(NULL, 1, "a", list(), unclass(first), op)) {
    refused(genred_merge(first, junk), "partial result 2 must be a partial result, made by")
    refused(genred_finish(junk), "`partial` must be a partial result")
  }
  refused(genred_finish(), "`partial` is missing")
  refused(genred_finish(sums, first),
          "`partial` does not belong to `op`: .*whose `reduction_op` is \"Sum\" and \"ArgMin\"")
  refused(genred_finish(1, first), "`op` must be an operator")
  with_field <- function(name, value) {
    p <- unclass(first)
    p[name] <- list(value)
    structure(p, class = "genred_partial")
  }
  changed <- function(p, says) {
    refused(genred_merge(second, p), paste0("partial result 2.*", says))
    refused(genred_finish(op, p), paste0("`partial`.*", says))
    refused(print(p), says)
  }
  flipped <- replace(first$states, length(first$states), first$states[1] + 1)
  spec <- first$spec
  spec$dtype <- "float64"
  changed(structure(list(), class = "genred_partial"), "has no version")
  changed(structure("a", class = "genred_partial"), "it is not a list")
  changed(with_field("version", "0.0.9"), "computed by genred 0.0.9, but this is genred")
  changed(with_field("version", NA_character_), "has no version")
  changed(with_field("version", 1), "has no version")
  changed(with_field("extra", 1), "elements have wrong names, or none")
  changed(structure(unname(unclass(first)), class = "genred_partial"), "has no version")
  changed(structure(rev(unclass(first)), class = "genred_partial"), "elements have wrong names")
  for (value in list(NULL, 1, list(), spec, unname(first$spec), first$spec[-1])) {
    changed(with_field("spec", value), "its specification was changed or damaged")
  }
  states <- first$states
  for (value in list(NULL, "a", 1:28, list(1), structure(states, class = "Date"))) {
    changed(with_field("states", value), "must be a vector of doubles")
  }
  others <- list(numeric(), states[-1], c(states, 0), flipped, rev(states), states * NaN,
                 some$states)
  for (value in others) {
    changed(with_field("states", value), "not a block of states of this program")
  }
  counts <- "`rows` or `count` does not fit"
  for (value in list(NULL, 30, "31", c(31, 1), NA)) changed(with_field("rows", value), counts)
  for (value in list(NULL, 19, NaN)) changed(with_field("count", value), counts)
  for (value in list("a", 1:31, list(), factor(rownames(x)))) {
    changed(with_field("names", value), "`names` does not fit")
  }
  at <- function(...) matrix(c(...), ncol = 2, byrow = TRUE, dimnames = list(NULL, c("from", "to")))
  others <- list(NULL, 1:2, at(0, 19), at(1, 21), at(1, 10, 10, 19), at(11, 20, 1, 10),
                 at(1.5, 20.5), at(NA, 20), unname(at(1, 20)), list(), "a", at("1", "20"))
  for (value in others) {
    changed(with_field("columns", value), "`columns` does not fit")
  }
})

test_that("an alias may have any name that operators allow", {
  odd <- Genred("op * offset + SqDist(x,partial)",
                c("op = Pm(1)", "offset = Pm(1)", "x = Vi(1)", "partial = Vj(1)"), axis = 1)
  expect_identical(genred_finish(genred_partial(odd, 2, 3, 1:4, 1:5)), odd(2, 3, 1:4, 1:5))
})
