# Data far from zero in single precision (?Genred, "Single precision").

metres <- function(n, seed) {
  set.seed(seed)
  cbind(east = 4.5e5 + runif(n, 0, 1000), north = 4.8e6 + runif(n, 0, 1000))
}

centred <- function(x) sweep(x, 2, c(4.5e5, 4.8e6))

test_that("neighbours of map coordinates in metres are those of centred data", {
  x <- metres(500, 1); y <- metres(800, 2)
  d <- sq_dist(centred(x), centred(y))
  right <- t(apply(d, 1, order))[, 1:5]
  nearest <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), "ArgKMin", axis = "j", opt_arg = 5)
  by_column <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), "ArgMin", axis = "i")
  for (backend in backends()) {
    expect_identical(nearest(x, y, backend = backend), right)
    expect_identical(by_column(x, y, backend = backend)[, 1], apply(d, 2, which.min))
  }
})

test_that("a Gaussian on seconds since 1970, and its gradient, are as accurate as of centred data", {
  set.seed(3)
  s <- matrix(runif(300, 0, 3600)); t <- matrix(runif(400, 0, 3600)); b <- matrix(rnorm(400))
  far <- 1.7e9
  k <- exp(-sq_dist(s, t) / (2 * 600^2))
  smooth <- Genred("Exp(-SqDist(S,T) / (2 * H^2)) * B", c("S = Vi(1)", "T = Vj(1)", "B = Vj(1)", "H = Pm(1)"), axis = "j")
  slope <- genred_grad(smooth, "S")
  e <- matrix(1, 300)
  by_hand <- rowSums(k * -outer(s[, 1], t[, 1], "-") / 600^2 * rep(b, each = 300))
  for (backend in backends()) {
    expect_close(smooth(s + far, t + far, b, 600, backend = backend), k %*% b, 1e-5)
    expect_close(slope(s + far, t + far, b, 600, e, backend = backend), cbind(by_hand), 1e-5)
  }
})

test_that("a matrix for a GPU that single precision would blur is told of", {
  skip_without_fakes()
  got <- in_fresh_r({
    x <- cbind(4.5e5 + 1:50, 4.8e6 + 1:50)
    told <- function(code) tryCatch({code; "nothing"}, genred_message = function(m) conditionMessage(m))
    op <- Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), "ArgMin", axis = "j")
    right <- genred_array(x, dtype = "float64")
    list(far = told(genred_array(x + 1e8)), wide = told(genred_array(x)), near = told(genred_array(x - rep(c(4.5e5, 4.8e6), each = 50))),
         double = told(genred_array(x + 1e8, dtype = "float64")),
         same = identical(op(right, right, backend = "GPU")[, 1], 1:50), mixed = identical(op(x, right, backend = "GPU")[, 1], 1:50))
  }, fake_environment())
  expect_match(got$far, "column 1 of `x` lies far from zero")
  expect_identical(c(got$near, got$double), c("nothing", "nothing"))
  expect_match(got$wide, "column 1")
  expect_true(got$same)
  expect_true(got$mixed)
  expect_clean(got)
})

test_that("a few rows near zero keep their detail, and the loss of the others is told", {
  set.seed(5)
  s <- 1.6e9 + sort(runif(300) * 3600)
  op <- Genred("Square(X - Y)", c("X = Vi(1)", "Y = Vj(1)"), "Min", axis = "j")
  near <- matrix(runif(40) * 100); far <- matrix(1.6e9 + runif(20000))
  x <- rbind(far[1:1000, , drop = FALSE], near, far[-(1:1000), , drop = FALSE])
  suppressMessages(got <- op(near, x))
  expect_identical(got, matrix(0, 40))
  said <- fresh_r(c("o <- Genred('Square(X-Y)', c('X=Vi(1)','Y=Vj(1)'), 'ArgMin', axis = 1)", "s <- matrix(c(0, 1.6e9 + 1:300))",
                    "invisible(o(s, s))", "invisible(o(s, s))"))
  expect_length(grep("lie far from zero", said), 1L)
  expect_length(grep("interpreter", said), 0L)
})
