# The functions of lazy tensors: one table of operations of the formula language under R's names,
# and the methods of R's group generics and functions, which look the operations up there.

# ---- the table -----------------------------------------------------------------------------------

# R's name: the operation (@a @b @c are the tensors, @n @m numbers or lists that are part of the
# formula), a rule for the number of components (size_rules), and the operation for complex tensors
# with the type of its result, where there is one.
lazy_operations <- list(
  # one argument, component by component
  exp = c("Exp(@a)", "widest", "ComplexExp(@a)", "complex"),
  expm1 = c("Expm1(@a)", "widest"),
  log = c("Log(@a)", "widest"),
  log1p = c("Log1p(@a)", "widest"),
  sqrt = c("Sqrt(@a)", "widest"),
  rsqrt = c("Rsqrt(@a)", "widest"),
  inv = c("Inv(@a)", "widest"),
  square = c("Square(@a)", "widest"),
  abs = c("Abs(@a)", "widest", "ComplexAbs(@a)", "number"),
  sign = c("Sign(@a)", "widest"),
  relu = c("ReLU(@a)", "widest"),
  floor = c("Floor(@a)", "widest"),
  ceiling = c("Ceil(@a)", "widest"),
  round_away = c("Round(@a, @n)", "widest"),
  sin = c("Sin(@a)", "widest"),
  cos = c("Cos(@a)", "widest"),
  tan = c("Tan(@a)", "widest"),
  asin = c("Asin(@a)", "widest"),
  acos = c("Acos(@a)", "widest"),
  atan = c("Atan(@a)", "widest"),
  sinh = c("Sinh(@a)", "widest"),
  cosh = c("Cosh(@a)", "widest"),
  tanh = c("Tanh(@a)", "widest"),
  sinxdivx = c("SinXDivX(@a)", "widest"),
  xlogx = c("XLogX(@a)", "widest"),
  sigmoid = c("Sigmoid(@a)", "widest"),
  softplus = c("Softplus(@a)", "widest"),
  erf = c("Erf(@a)", "widest"),
  erfc = c("Erfc(@a)", "widest"),
  lgamma = c("Lgamma(@a)", "widest"),
  digamma = c("Digamma(@a)", "widest"),
  trigamma = c("Trigamma(@a)", "widest"),
  # two and three arguments, component by component
  atan2 = c("Atan2(@a, @b)", "widest"),
  hypot = c("Hypot(@a, @b)", "widest"),
  modulo = c("Mod(@a, @b, 0)", "widest"),
  mod = c("Mod(@a, @b, @c)", "widest"),
  clamp = c("Clamp(@a, @b, @c)", "widest"),
  choose_sign = c("IfElse(@a, @b, @c)", "widest"),
  # vectors
  sqnorm2 = c("SqNorm2(@a)", "one"),
  norm2 = c("Norm2(@a)", "one"),
  normalize = c("Normalize(@a)", "widest"),
  sqdist = c("SqDist(@a, @b)", "one"),
  weightedsqnorm = c("WeightedSqNorm(@b, @a)", "ask"),
  weightedsqdist = c("WeightedSqDist(@c, @a, @b)", "ask"),
  component_sum = c("Sum(@a)", "one", "ComplexSum(@a)", "complex"),
  component_min = c("Min(@a)", "one"),
  component_max = c("Max(@a)", "one"),
  component_argmin = c("(ArgMin(@a) + 1)", "one"),
  component_argmax = c("(ArgMax(@a) + 1)", "one"),
  concat = c("Concat(@a, @b)", "total", "Concat(@a, @b)", "complex"),
  extract = c("Extract(@a, @n, @m)", "second", "Extract(@a, @n, @m)", "complex"),
  elem = c("Elem(@a, @n)", "one"),
  one_hot = c("OneHot(@a - 1, @n)", "first"),
  # matrices and tensors, stored row by row
  matvecmult = c("MatVecMult(@a, @b)", "ask"),
  vecmatmult = c("VecMatMult(@a, @b)", "ask"),
  tensorprod = c("TensorProd(@a, @b)", "product"),
  kron = c("Kron(@a, @b, @n, @m)", "product"),
  bspline = c("BSpline(@a, @b, @n)", "ask"),
  soft_dtw = c("SoftDTW_SqDist(@a, @b, @c)", "one"),
  # complex numbers
  exp1j = c("ComplexExp1j(@a)", "widest"),
  real2complex = c("Real2Complex(@a)", "widest"),
  imag2complex = c("Imag2Complex(@a)", "widest"),
  Re = c("@a", "widest", "ComplexReal(@a)", "number"),
  Im = c("0 * @a", "widest", "ComplexImag(@a)", "number"),
  Mod = c("Abs(@a)", "widest", "ComplexAbs(@a)", "number"),
  Arg = c("Atan2(0 * @a, @a)", "widest", "ComplexAngle(@a)", "number"),
  Conj = c("@a", "widest", "Conj(@a)", "complex"),
  # derivatives by a tensor of data
  gradient_by = c("Grad(@a, @b, @c)", "ask"),
  gradient_matrix = c("GradMatrix(@a, @b)", "product"),
  laplacian = c("Laplacian(@a, @b)", "one"),
  divergence = c("Divergence(@a, @b)", "one")
)

# The operations whose result is complex whatever the arguments are.
complex_makers <- c("exp1j", "real2complex", "imag2complex")

# The number of components of the result, of sizes and the numbers that are part of the formula.
size_rules <- list(
  widest = function(s, n, what) {
    size <- max(s)
    if (!all(s == 1 | s == size)) {
      stop_genred("dimension", "`", what, "`: tensors of ", paste(s, collapse = " and "), " components do not fit together; ",
                  "they must have equally many, or one")
    }
    size
  },
  one = function(s, n, what) {
    size_rules$widest(s, n, what)
    1
  },
  total = function(s, n, what) sum(s),
  product = function(s, n, what) prod(s),
  first = function(s, n, what) n[[1L]],
  second = function(s, n, what) n[[2L]],
  ask = function(s, n, what) NA_real_
)

# Applies a row of the table to tensors (numbers and vectors become parameters), with the integers n
# and m in the formula.  `what` is the function as the user knows it.
operation <- function(name, tensors, n = NULL, m = NULL, what = name) {
  row <- lazy_operations[[name]]
  tensors <- lapply(tensors, operand, what)
  types <- vapply(tensors, slot, "", "type")
  complex <- any(types == "complex")
  if (complex && length(row) < 4L) stop_genred("argument", "`", what, "` is not defined for complex tensors")
  if (complex) tensors <- lapply(tensors, as_complex)
  integers <- list(n, m)
  size <- size_rules[[row[2L]]](vapply(tensors, slot, 0, "size"), integers, what)
  form <- row[if (complex) 3L else 1L]
  # positions count the components of the language: a complex number is two
  scale <- if (complex) 2L else 1L
  if (!is.null(n)) form <- gsub("@n", list_text(scale * n), form, fixed = TRUE)
  if (!is.null(m)) form <- gsub("@m", list_text(scale * m), form, fixed = TRUE)
  type <- if (complex) row[4L] else if (name %in% complex_makers) "complex" else "number"
  out <- combined(tensors, form, 7, size, type, form_least(form))
  if (is.na(size)) attr(out, "size") <- asked_size(out)
  out
}

# Within the parentheses of a call anything can stand; next to an operator, only what binds tightly.
form_least <- function(form) if (grepl("@[a-z] [-+*/]|[-+*/] @[a-z]", form) || form == "@a") 7 else 0

list_text <- function(x) {
  text <- sprintf("%d", as.integer(x))
  if (length(x) == 1L) text else paste0("[", paste(text, collapse = ", "), "]")
}

# What the engine says the size is; its errors about dimensions are the user's.
asked_size <- function(x) operator_info(lazy_operator(x, "Sum", "j")$op)$result$dim

as_complex <- function(x) if (x@type == "complex") x else operation("real2complex", list(x))

# ---- arithmetic and comparisons ------------------------------------------------------------------

# Operators of the language: precedence, and what each operand must bind like.
lazy_infix <- list(
  "+" = c(3, 3, 4), "-" = c(3, 3, 4), "*" = c(4, 4, 5), "/" = c(4, 4, 5),
  "==" = c(1, 2, 2), "!=" = c(1, 2, 2), "<" = c(1, 2, 2), "<=" = c(1, 2, 2), ">" = c(1, 2, 2), ">=" = c(1, 2, 2)
)

lazy_binary <- function(op, e1, e2) {
  if (op == "^") return(lazy_power(e1, e2))
  tensors <- list(operand(e1, op), operand(e2, op))
  if (tensors[[1L]]@type == "complex" || tensors[[2L]]@type == "complex") return(complex_binary(op, tensors))
  infix <- lazy_infix[[op]]
  if (is.null(infix)) return(lazy_other[[op]](tensors[[1L]], tensors[[2L]]))
  sizes <- c(tensors[[1L]]@size, tensors[[2L]]@size)
  if (sizes[1L] != sizes[2L]) size_rules$widest(sizes, NULL, op)
  combined(tensors, paste("@a", op, "@b"), infix[1L], max(sizes), if (infix[1L] == 1) "condition" else "number", infix[-1L])
}

lazy_other <- list(
  "%%" = function(x, y) operation("modulo", list(x, y), what = "%%"),
  "%/%" = function(x, y) floor(x / y),
  "&" = function(x, y) combined(list(x, y), "And(@a, @b)", 7, size_rules$widest(c(x@size, y@size), NULL, "&"), "condition"),
  "|" = function(x, y) {
    conditions <- c(x@type, y@type) == "condition"
    if (any(conditions) && !all(conditions)) {
      stop_genred("argument", "`|` is \"or\" between conditions and the scalar product between numbers; here, one side is a ",
                  "condition and the other a number\n  `x != 0` makes a condition of numbers, `x * 1` numbers of a condition")
    }
    size <- size_rules$widest(c(x@size, y@size), NULL, "|")
    if (all(conditions)) combined(list(x, y), "Or(@a, @b)", 7, size, "condition")
    else combined(list(x, y), "(@a | @b)", 7, 1, "number", c(2, 3))
  }
)

# A whole exponent is part of the formula, and so is 1/2, the square root; all others are
# parameters.
lazy_power <- function(x, y) {
  plain <- is.numeric(y) && !is.object(y) && length(y) == 1L && is.finite(y)
  if (!plain) return(general_power(x, y))
  if (is_lazy(x) && x@type == "complex") return(complex_power(x, y))
  if (y == 0.5) return(operation("sqrt", list(x), what = "^"))
  if (y != round(y) || abs(y) > 64) return(general_power(x, y))
  combined(list(x), sprintf("@a^%d", as.integer(y)), 6, x@size, "number", 7)
}

general_power <- function(x, y) {
  tensors <- list(operand(x, "^"), operand(y, "^"))
  if (any(vapply(tensors, slot, "", "type") == "complex")) {
    stop_genred("argument", "powers of complex tensors must be whole numbers, at least 1")
  }
  size <- size_rules$widest(vapply(tensors, slot, 0, "size"), NULL, "^")
  combined(tensors, "@a^@b", 6, size, "number", c(7, 6))
}

complex_power <- function(x, n) {
  if (n != round(n) || n < 1 || n > 64) stop_genred("argument", "powers of complex tensors must be whole numbers, at least 1")
  if (n == 1) return(x)
  half <- complex_power(x, n %/% 2)
  if (n %% 2 == 0) half * half else half * half * x
}

complex_forms <- c("+" = "ComplexAdd(@a, @b)", "-" = "ComplexSubtract(@a, @b)", "*" = "ComplexMult(@a, @b)",
                   "/" = "ComplexDivide(@a, @b)")

complex_binary <- function(op, tensors) {
  if (!op %in% names(complex_forms)) stop_genred("argument", "`", op, "` is not defined for complex tensors")
  size <- size_rules$widest(vapply(tensors, slot, 0, "size"), NULL, op)
  real <- vapply(tensors, slot, "", "type") != "complex"
  if (op == "*" && any(real)) return(combined(tensors[order(!real)], "ComplexRealScal(@a, @b)", 7, size, "complex"))
  if (op == "/" && real[2L]) return(combined(tensors, "ComplexRealScal(Inv(@b), @a)", 7, size, "complex"))
  combined(lapply(tensors, as_complex), complex_forms[[op]], 7, size, "complex")
}

lazy_unary <- function(op, x) {
  if (op == "+") return(x)
  combined(list(x), "-@a", 5, x@size, if (x@type == "complex") "complex" else "number", 5)
}

setMethod("Ops", signature("LazyTensor", "LazyTensor"), function(e1, e2) lazy_binary(.Generic, e1, e2))
setMethod("Ops", signature("LazyTensor", "ANY"), function(e1, e2) lazy_binary(.Generic, e1, e2))
setMethod("Ops", signature("ANY", "LazyTensor"), function(e1, e2) lazy_binary(.Generic, e1, e2))
setMethod("Ops", signature("LazyTensor", "KernelOperator"), function(e1, e2) operator_arithmetic(.Generic, e1, e2))
setMethod("Ops", signature("KernelOperator", "LazyTensor"), function(e1, e2) operator_arithmetic(.Generic, e1, e2))
setMethod("Ops", signature("LazyTensor", "missing"), function(e1, e2) lazy_unary(.Generic, e1))
setMethod("!", "LazyTensor", function(x) combined(list(operand_real(x, "!")), "Not(@a)", 7, x@size, "condition"))

operand_real <- function(x, what) {
  if (x@type == "complex") stop_genred("argument", "`", what, "` is not defined for complex tensors")
  x
}

# ---- functions of R ------------------------------------------------------------------------------

# Functions of the group Math that are made of others.
lazy_math <- list(
  log2 = function(x) log(x) / log(2),
  log10 = function(x) log(x) / log(10),
  trunc = function(x) sign(x) * floor(abs(x)),
  asinh = function(x) sign(x) * log1p(abs(x) + x^2 / (1 + sqrt(1 + x^2))),
  acosh = function(x) log(x + sqrt(x - 1) * sqrt(x + 1)),
  atanh = function(x) 0.5 * log1p(2 * x / (1 - x)),
  cospi = function(x) cos(pi * (x - 2 * round(x / 2))),
  sinpi = function(x) sin(pi * (x - 2 * round(x / 2))),
  tanpi = function(x) tan(pi * (x - round(x)))
)

math_hints <- c(gamma = "; exp(lgamma(x)) is its absolute value")

setMethod("Math", "LazyTensor", function(x) {
  if (.Generic %in% names(lazy_operations)) return(operation(.Generic, list(x)))
  composed <- lazy_math[[.Generic]]
  if (is.null(composed)) {
    hint <- if (.Generic %in% names(math_hints)) math_hints[[.Generic]] else ""
    stop_genred("argument", "`", .Generic, "` is not defined for lazy tensors", hint)
  }
  composed(x)
})

setMethod("log", "LazyTensor", function(x, ...) {
  natural <- operation("log", list(x))
  if (...length() == 0L) return(natural)
  natural / log(...elt(1L))
})

setMethod("trunc", "LazyTensor", function(x, ...) lazy_math$trunc(x))

# Halves go to the even neighbour, as in R; the language rounds them away from zero.
setMethod("round", "LazyTensor", function(x, digits = 0) {
  whole <- is.numeric(digits) && length(digits) == 1L && is.finite(digits) && digits == round(digits)
  if (!whole) stop_genred("argument", "`digits` must be a whole number; ", given_value(digits))
  away <- operation("round_away", list(operand_real(x, "round")), digits, what = "round")
  if (digits != 0) return(away)
  away - sign(x) * (abs(away - x) == 0.5) * (away %% 2)^2
})

setMethod("signif", "LazyTensor", function(x, digits = 6) {
  stop_genred("argument", "`signif` is not defined for lazy tensors; round(x, digits) is")
})

setMethod("Complex", "LazyTensor", function(z) operation(.Generic, list(z)))

setGeneric("atan2")
setMethod("atan2", signature("LazyTensor", "ANY"), function(y, x) operation("atan2", list(y, x)))
setMethod("atan2", signature("LazyTensor", "LazyTensor"), function(y, x) operation("atan2", list(y, x)))
setMethod("atan2", signature("ANY", "LazyTensor"), function(y, x) operation("atan2", list(y, x)))

# A condition chooses where it is true; numbers are true where they are not 0, as in R.
setGeneric("ifelse")
setMethod("ifelse", "LazyTensor", function(test, yes, no) lazy_ifelse(test, yes, no))

lazy_ifelse <- function(test, yes, no) {
  branches <- list(operand(yes, "ifelse"), operand(no, "ifelse"))
  if (test@type != "condition") test <- test != 0
  out <- operation("choose_sign", c(list(combined(list(test), "@a - 0.5", 3, test@size, "number", 4)), branches), what = "ifelse")
  if (branches[[1L]]@type == "condition" && branches[[2L]]@type == "condition") attr(out, "type") <- "condition"
  out
}

setGeneric("pnorm")
setMethod("pnorm", "LazyTensor", function(q, mean = 0, sd = 1, lower.tail = TRUE, log.p = FALSE) {
  z <- (q - mean) / sd * sqrt(0.5)
  p <- 0.5 * (if (lower.tail) erfc(-z) else erfc(z))
  if (log.p) log(p) else p
})

setGeneric("dnorm")
setMethod("dnorm", "LazyTensor", function(x, mean = 0, sd = 1, log = FALSE) {
  z <- (x - mean) / sd
  if (log) -0.5 * z^2 - log(sd * sqrt(2 * pi)) else exp(-0.5 * z^2) / (sd * sqrt(2 * pi))
})

setGeneric("plogis")
setMethod("plogis", "LazyTensor", function(q, location = 0, scale = 1, lower.tail = TRUE, log.p = FALSE) {
  z <- (q - location) / scale
  if (!lower.tail) z <- -z
  if (log.p) -softplus(-z) else sigmoid(z)
})

# Base's pmin() and pmax() get here when one of their arguments is a tensor.
setMethod("is.na", "LazyTensor", function(x) {
  stop_genred("argument", "is.na(), and with it pmin() and pmax(), is not defined for lazy tensors; minimum(x, y) and ",
              "maximum(x, y) are, and `x != x` is a condition that is true where x is NaN")
})

# ---- components ----------------------------------------------------------------------------------

# x[k], x[a:b] and x[c(3, 1)]: from 1, the end included.
lazy_components <- function(x, index) {
  valid <- is.numeric(index) && length(index) > 0L && all(is.finite(index)) && all(index == round(index))
  if (!valid) stop_genred("argument", "components are selected by x[k] or x[a:b]; ", given_value(index))
  if (all(index < 0)) index <- seq_len(x@size)[index]
  if (!length(index) || any(index < 1 | index > x@size)) {
    stop_genred("argument", "the tensor has ", counted(x@size, "component"), ", which count from 1; there is no component ",
                format(index[index < 1 | index > x@size][1L]))
  }
  if (identical(as.numeric(index), as.numeric(seq_len(x@size)))) return(x)
  starts <- c(1L, which(diff(index) != 1) + 1L)
  runs <- lapply(split(index, cumsum(seq_along(index) %in% starts)), function(run) component_run(x, run[1L], length(run)))
  if (length(runs) == 1L) runs[[1L]] else do.call(concat, unname(runs))
}

component_run <- function(x, from, count) {
  if (count == 1L && x@type != "complex") operation("elem", list(x), from - 1, what = "[")
  else operation("extract", list(x), from - 1, count, what = "[")
}
