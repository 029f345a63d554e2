# What an independent implementation (PyKeOps 2.3, in double precision) computed: see cases.json.  The tolerance is that of the
# file: 1e-6 of the largest absolute value, because some of its values carry single-precision constants.

derivatives <- c(
  "grad_Minus", "grad_Inv", "grad_Exp", "grad_Sin", "grad_Cos", "grad_Atan", "grad_Square", "grad_Abs",
  "grad_Sign", "grad_Step", "grad_ReLU", "grad_SinXDivX", "grad_Log", "grad_XLogX", "grad_Sqrt", "grad_Rsqrt",
  "grad_Asin", "grad_Acos", "grad_Pow3", "grad_Powf", "grad_Atan2", "grad_ClampInt", "grad_IfElse",
  "v_gradNorm2", "v_gradNormalize", "v_gradSqDist", "v_gradWSN3", "v_gradWSN9", "v_gradSum", "v_gradMax",
  "v_gradElem", "v_gradExtract", "v_gradConcat", "v_gradMatVec", "v_gradMatVecA", "v_gradTensorProd",
  "v_gradTensorDot", "v_gradSoftDTW", "c_grad_Mult", "c_grad_SqAbs", "d_grad_gauss", "d_grad_gauss_y",
  "d_grad_gauss_b", "d_grad2", "d_grad_mixed", "d_GradMatrix", "d_Divergence", "d_Laplacian", "d_Diff",
  "k_hamiltonian"
)

complex <- c(
  "c_ComplexReal", "c_ComplexImag", "c_Conj", "c_ComplexAbs", "c_ComplexSquareAbs", "c_ComplexAngle",
  "c_ComplexExp", "c_ComplexSum", "c_Mult", "c_Divide", "c_RealScal", "c_R2C", "c_I2C", "c_SumT", "c_Exp1j"
)

# PyKeOps names the loops of this operation as its rows and columns and so reads other rows (also beyond the end); here
# the operation is compared with its definition instead.
wrong_there <- "v_SoftDTW"

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
    skip_if(case$name %in% derivatives, "derivatives are not in this version")
    skip_if(case$name %in% complex, "complex operations are not in this version")
    skip_if(case$name %in% wrong_there, "the expected value is wrong")
    args <- lapply(case$args, argument_of)
    op <- operator_of(case)
    for (backend in backends()) expect_case(case, do.call(op, c(args, backend = backend)))
  })
}

test_that("only what is not in this version is skipped", {
  skip_if_not_installed("jsonlite")
  uses <- function(pattern) {
    hit <- vapply(cases, function(case) grepl(pattern, case$formula), NA)
    vapply(cases[hit], `[[`, "", "name")
  }
  by_derivative <- uses("\\b(Grad|Diff|GradMatrix|Divergence|Laplacian|TraceOperator|AdjointOperator)\\(")
  by_complex <- setdiff(uses("Complex|Conj"), by_derivative)
  expect_setequal(derivatives, by_derivative)
  expect_setequal(complex, by_complex)
})

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
})
