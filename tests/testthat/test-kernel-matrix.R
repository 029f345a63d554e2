# Lazy tensors and operators as matrices, against dense matrices.

M <- 7
N <- 5
x <- points(M, 2, 21)
y <- points(N, 2, 22)
K <- exp(-sqdist(Vi(x, "float64"), Vj(y)) / 2)
k <- exp(-sq_dist(x, y) / 2)
S <- exp(-sqdist(Vi(x, "float64"), Vj(x)))
s <- exp(-sq_dist(x, x))

op <- Genred("Exp(-G * SqDist(X,Y)) * B", c("G = Pm(1)", "X = Vi(2)", "Y = Vj(2)", "B = Vj(1)"), axis = 1, dtype = "float64")
vector_op <- Genred("Exp(-SqDist(X,Y)) * (X - Y) * (B | X)", c("X = Vi(2)", "Y = Vj(2)", "B = Vj(2)"), axis = 1, dtype = "float64")

P <- cbind(1, x)
v <- points(M, 1, 23)[, 1]

# Kernel matrices and the same as dense matrices.
pairs <- list(
  tensor = list(K, k),
  transposed = list(t(K), t(k)),
  constant_rows = list(Vi(x[, 1], "float64") * 2, matrix(2 * x[, 1])),
  condition = list(K > 0.3, (k > 0.3) * 1),
  shift = list(S + 0.3 * identity_matrix(M), s + diag(0.3, M)),
  diagonal = list(diagonal_matrix(v), diag(v)),
  difference = list(2 * S - diagonal_matrix(v) / 2, 2 * s - diag(v) / 2),
  total = list(-(S + identity_matrix(M)) - (S * S + diagonal_matrix(v)), -(s + diag(M)) - (s * s + diag(v))),
  below = list(rbind(K, -2 * K, 1:N), rbind(k, -2 * k, 1:N)),
  beside = list(cbind(K, v, S), cbind(k, v, s)),
  saddle = list(rbind(cbind(S + 0.1 * identity_matrix(M), P), cbind(t(P), matrix(0, 3, 3))),
                rbind(cbind(s + diag(0.1, M), P), cbind(t(P), matrix(0, 3, 3)))),
  operator = list(kernel_matrix(op, G = 5, X = x, Y = y), exp(-5 * sq_dist(x, y))),
  turned = list(t(rbind(K, 2 * K)), t(rbind(k, 2 * k)))
)

test_that("every function of matrices agrees with the dense matrix", {
  for (name in names(pairs)) {
    A <- pairs[[name]][[1]]
    a <- unname(pairs[[name]][[2]])
    m <- nrow(a)
    n <- ncol(a)
    left <- points(m, 2, 24)
    right <- points(n, 3, 25)
    expect_equal(dim(A), dim(a), info = name)
    expect_equal(c(nrow(A), ncol(A), length(A)), c(m, n, m * n), info = name)
    close <- function(object, expected) {
      expect_identical(dim(object), dim(expected), info = name)
      expect_close(object, expected, 1e-12, info = name)
    }
    close(A %*% right, a %*% right)
    close(A %*% right[, 1], a %*% right[, 1])
    close(t(left) %*% A, t(left) %*% a)
    close(left[, 1] %*% A, left[, 1] %*% a)
    close(crossprod(A, left), crossprod(a, left))
    close(crossprod(left, A), crossprod(left, a))
    close(crossprod(left[, 1], A), crossprod(left[, 1], a))
    close(tcrossprod(A, t(right)), tcrossprod(a, t(right)))
    close(tcrossprod(t(left), t(A)), tcrossprod(t(left), t(a)))
    close(as.matrix(A) + 0, a)
    close(as.matrix(t(A)) + 0, t(a))
    close(diag(A), diag(a))
    close(rowSums(A), rowSums(a))
    close(colSums(A), colSums(a))
    close(rowMeans(A), rowMeans(a))
    close(sum(A), sum(a))
    close(colMeans(A), colMeans(a))
    close(A[2:1, ], a[2:1, , drop = n == 1] + 0)
    close(A[1, ], a[1, ])
    close(A[-1, 1, drop = FALSE], a[-1, 1, drop = FALSE])
    close(A[, c(TRUE, rep(FALSE, n - 1))], a[, 1])
    close(as.function(A)(right[, 1], NULL), c(a %*% right[, 1]))
    expect_output(print(A), paste(m, "x", n), info = name)
  }
})

test_that("a vector-valued operator is a matrix of blocks", {
  A <- kernel_matrix(vector_op, x, y)
  expect_identical(dim(A), c(2 * M, 2 * N))
  b <- points(2 * N, 1, 26)
  expect_close(A %*% b, matrix(vector_op(x, y, matrix(b, N))), 1e-13)
  a <- as.matrix(A)
  expect_close(A %*% b, a %*% b, 1e-13)
  e <- points(2 * M, 2, 27)
  expect_close(t(A) %*% e, t(a) %*% e, 1e-13)
  expect_close(t(t(A)) %*% b, a %*% b, 1e-13)
  expect_close(diag(A), diag(a), 1e-13)
  expect_close((A + matrix(1, 14, 10)) %*% b, (a + 1) %*% b, 1e-13)
})

test_that("operators over i, without the argument left out, and with words that resemble its name", {
  over_i <- Genred("Exp(-SqDist(X,Y)) * B", c("X = Vi(2)", "Y = Vj(2)", "B = Vi(1)"), axis = 0, dtype = "float64")
  A <- kernel_matrix(over_i, x, y)
  expect_identical(dim(A), c(N, M) + 0)
  expect_close(A %*% v, over_i(x, y, v), 1e-13)
  whole <- Genred("Exp(-SqDist(X,Y))", c("X = Vi(2)", "Y = Vj(2)"), axis = 1, dtype = "float64")
  expect_close(as.matrix(kernel_matrix(whole, x, y)), exp(-sq_dist(x, y)), 1e-13)
  words <- Genred("Exp(-SqDist(X,X_1)) * X_ * Sum(X_1)", c("X = Vi(2)", "X_1 = Vj(2)", "X_ = Vj(1)"), axis = 1, dtype = "float64")
  b <- points(N, 1, 28)
  expect_close(kernel_matrix(words, x, y) %*% b, words(x, y, b), 1e-13)
})

test_that("variables by position, and with names of operations", {
  by_position <- Genred("Exp(-SqDist(Vi(1,2),Vj(2,2))) * Vj(0,1)", c("B = Vj(0,1)", "X = Vi(1,2)", "Y = Vj(2,2)"), axis = 1, dtype = "float64")
  expect_close(as.matrix(kernel_matrix(by_position, X = x, Y = y)), exp(-sq_dist(x, y)), 1e-13)
  odd <- Genred("Exp(-SqDist(Exp,Y)) * Sum", c("Exp = Vi(2)", "Y = Vj(2)", "Sum = Vj(1)"), axis = 1, dtype = "float64")
  expect_close(as.matrix(kernel_matrix(odd, x, y)), exp(-sq_dist(x, y)), 1e-13)
})

test_that("row names of the data and column names of the other side stay", {
  named <- x
  rownames(named) <- letters[1:M]
  b <- matrix(1, N, 2, dimnames = list(NULL, c("u", "v")))
  A <- exp(-sqdist(Vi(named), Vj(y)))
  expect_identical(dimnames(A %*% b), list(letters[1:M], c("u", "v")))
  expect_identical(names(rowSums(A)), letters[1:M])
  rownames(y) <- LETTERS[1:N]
  A <- exp(-sqdist(Vi(named, "float64"), Vj(y)))
  expect_identical(dimnames(A), list(letters[1:M], LETTERS[1:N]))
  expect_identical(dimnames(as.matrix(A)), dimnames(A))
  expect_identical(dimnames(as.matrix(t(A))), rev(dimnames(A)))
  expect_identical(A["b", c("C", "A")], as.matrix(A)["b", c("C", "A")])
  expect_identical(colnames(A[1:2, ]), LETTERS[1:N])
  expect_error(A["z", ], "out of bounds", class = "genred_error_argument")
})

test_that("a tensor of j on the other side", {
  b <- points(N, 2, 32)
  expect_close(K %*% Vj(b), k %*% b, 1e-13)
  expect_close(K %*% (Vj(b)^2), k %*% b^2, 1e-13)
})

test_that("complex signals and complex kernels", {
  b <- complex(real = points(N, 1, 29), imaginary = points(N, 1, 30))
  expect_close(K %*% b, k %*% b, 1e-13)
  A <- exp(1i * (Vi(x, "float64") | Vj(y)))
  a <- exp(1i * x %*% t(y))
  expect_close(A %*% b, a %*% b, 1e-13)
  expect_close(as.matrix(A), a, 1e-13)
  expect_close(A[2, 3], a[2, 3], 1e-13)
  expect_close(diag(A), diag(a), 1e-13)
})

test_that("blocks of entries: a matrix in many parts", {
  old <- genred:::entries_at_once
  assignInNamespace("entries_at_once", 20, "genred")
  on.exit(assignInNamespace("entries_at_once", old, "genred"))
  expect_close(as.matrix(K), k, 1e-13)
  both <- array(c(outer(x[, 1], y[, 1], "-"), outer(x[, 2], y[, 2], "-")), c(M, N, 2))
  expect_close(as.array(Vi(x, "float64") - Vj(y)), both, 1e-13)
})

test_that("eigenvalues by products alone agree with the dense ones", {
  f <- as.function(S)
  u <- rep(1, M)
  for (step in 1:400) {
    u <- f(u, NULL)
    u <- u / sqrt(sum(u^2))
  }
  expect_close(sum(u * f(u, NULL)), eigen(s)$values[1], 1e-8)
  skip_if_not_installed("RSpectra")
  expect_close(RSpectra::eigs_sym(as.function(S), 3, n = M)$values, eigen(s)$values[1:3], 1e-8)
})

test_that("the package Matrix on the other side", {
  skip_if_not_installed("Matrix")
  B <- Matrix::Matrix(points(N, 2, 31))
  sparse <- Matrix::rsparsematrix(M, M, 0.4)
  diagonal <- Matrix::Diagonal(x = 1:M)
  expect_silent(out <- K %*% B)
  expect_close(out, k %*% as.matrix(B), 1e-13)
  expect_close(S %*% sparse, s %*% as.matrix(sparse), 1e-13)
  expect_close(sparse %*% S, as.matrix(sparse) %*% s, 1e-13)
  expect_close(crossprod(S, sparse), s %*% as.matrix(sparse), 1e-13)
  expect_close(crossprod(sparse, S), t(as.matrix(sparse)) %*% s, 1e-13)
  expect_close(tcrossprod(S, sparse), s %*% t(as.matrix(sparse)), 1e-13)
  expect_close(tcrossprod(sparse, S), as.matrix(sparse) %*% s, 1e-13)
  expect_silent(A <- S + 0.5 * diagonal)
  expect_close(as.matrix(A), s + diag(0.5 * (1:M)), 1e-13)
  expect_close(as.matrix(diagonal + S), s + diag(1:M), 1e-13)
  expect_silent(rowSums(S))
  expect_close(as.matrix(Matrix::t(S)), t(s), 1e-13)
})

test_that("the package Matrix loaded afterwards changes nothing", {
  skip_unless_installed()
  skip_if_not_installed("Matrix")
  lines <- fresh_r(c(
    "Sys.setenv(GENRED_CACHE_DIR = tempfile())",
    "x <- matrix(as.numeric(1:6), 3) / 10",
    "K <- exp(-sqdist(Vi(x, 'float64'), Vj(x)))",
    "a <- K %*% 1:3",
    "suppressPackageStartupMessages(library(Matrix))",
    "stopifnot(identical(a, K %*% 1:3), identical(a, K %*% Matrix(1:3)), identical(c(a), rowSums(K * Vj(c(1, 2, 3)))))",
    "stopifnot(inherits(t(K), 'LazyTensor'), length(diag(K)) == 3, identical(t(a), crossprod(1:3, K)))",
    "cat('same\\n')"
  ))
  expect_identical(lines, "same")
})

test_that("large matrices are refused as dense ones, with their size", {
  big <- Vi(points(1e5, 1)) - Vj(points(2e5, 1))
  expect_error(as.matrix(big), "100000 x 200000 entries, which take 160 GB", class = "genred_error_memory")
  expect_error(big[, ], "100000 x 200000", class = "genred_error_memory")
  expect_error(as.matrix(K, limit = 10), class = "genred_error_memory")
  expect_error(as.array(Vi(x) - Vj(y), limit = 10), "7 x 5 x 2", class = "genred_error_memory")
})

test_that("mistakes with matrices", {
  argument <- function(code, words) expect_error(code, words, class = "genred_error_argument")
  argument(S + identity_matrix(3), "7 x 7 and 3 x 3 do not fit")
  argument(S * identity_matrix(M), "entry by entry")
  argument(identity_matrix(M) + 1, "identity_matrix")
  argument(identity_matrix(M) %*% 1:3, "do not fit together")
  argument(identity_matrix(-1), "number of rows")
  argument(diagonal_matrix("a"), "entries of the diagonal")
  argument(rbind(K, S), "5 and 7 columns")
  argument(cbind(K, 1:3), "7 entries")
  argument(rbind(K, "a"), "5 entries")
  argument(identity_matrix(2) %*% identity_matrix(2), "two kernel matrices")
  argument(rowSums(K, dims = 2), "`dims`")
  argument(exp(S + identity_matrix(M)), "lazy tensors")
  argument(max(S + identity_matrix(M)), "lazy tensors")
  argument(kernel_matrix(mean, x), "made by Genred")
  argument(kernel_matrix(op, X = x), "`Y`, `B`")
  argument(kernel_matrix(op, 5, x, H = y), "no argument `H`")
  argument(kernel_matrix(op, 1, 2, 3, 4, 5), "more arguments")
  argument(kernel_matrix(op, G = 5, Y = y, B = 1:N), "must be a Vj")
  argument(kernel_matrix(op, G = 5, X = x[, 1], Y = y), "X")
  square <- Genred("SqDist(X,Y) * Square(B)", c("X = Vi(2)", "Y = Vj(2)", "B = Vj(1)"), axis = 1)
  argument(kernel_matrix(square, x, y), "not linear in `B`")
  argument(kernel_matrix(Genred("SqDist(X,Y)", c("X = Vi(2)", "Y = Vj(2)"), "Min", axis = 1), x, y), "reduction Sum")
})

test_that("an operator that takes dimensions from its arguments", {
  open <- Genred("Exp(-G * SqDist(X,Y)) * B", c("G = Pm", "X = Vi", "Y = Vj", "B = Vj"), axis = 1, dtype = "float64")
  A <- kernel_matrix(open, G = 0.5, X = x, Y = y)
  expect_identical(dim(A), c(M, N) + 0)
  expect_close(A %*% points(N, 3, 33), k %*% points(N, 3, 33), 1e-13)
})
