test_that("the operation table is a data frame and a help page shows all of it", {
  ops <- genred_operations()
  expect_s3_class(ops, "data.frame")
  expect_named(ops, c("name", "arguments", "dimension", "meaning", "kind", "derivative"))
  expect_false(anyDuplicated(ops$name) > 0)
  expect_true(all(nzchar(ops$meaning) & nzchar(ops$dimension)))
  rd <- utils::capture.output(tools::Rd2txt(utils:::.getHelpFile(help("genred_operations", package = "genred")), fragment = FALSE))
  text <- paste(gsub("_\b", "", rd), collapse = " ")
  for (name in ops$name) expect_true(grepl(paste0(name, "("), text, fixed = TRUE), info = name)
})

test_that("the reductions that KeOps does not have, against base R", {
  x <- points(5, 1); y <- points(8, 1)
  d <- outer(drop(x), drop(y), "-")
  make <- function(red, f = "x-y", ...) Genred(f, c("x = Vi(1)", "y = Vj(1)"), red, axis = 1, dtype = "float64", ...)
  for (backend in backends()) {
    expect_close(make("Mean")(x, y, backend = backend), cbind(rowMeans(d)), 1e-13)
    expect_close(make("Var")(x, y, backend = backend), cbind(apply(d, 1, var)), 1e-13)
    expect_close(make("Prod")(x, y, backend = backend), cbind(apply(d, 1, prod)), 1e-13)
    expect_identical(make("Count", "x<y")(x, y, backend = backend), cbind(as.numeric(rowSums(d < 0))))
    expect_identical(make("Any", "y>x+1")(x, y, backend = backend), cbind(as.numeric(rowSums(d < -1) > 0)))
    expect_identical(make("All", "y<x+1")(x, y, backend = backend), cbind(as.numeric(rowSums(d <= -1) == 0)))
    expect_close(make("KMax", opt_arg = 3)(x, y, backend = backend), t(apply(d, 1, sort, decreasing = TRUE))[, 1:3], 1e-15)
    expect_identical(make("ArgKMax", opt_arg = 3)(x, y, backend = backend), t(apply(d, 1, order, decreasing = TRUE))[, 1:3])
    none <- points(0, 1)
    expect_identical(make("Count")(x, none, backend = backend), matrix(0, 5, 1))
    expect_identical(make("Any")(x, none, backend = backend), matrix(0, 5, 1))
    expect_identical(make("All")(x, none, backend = backend), matrix(1, 5, 1))
    expect_identical(make("Prod")(x, none, backend = backend), matrix(1, 5, 1))
    expect_true(all(is.nan(make("Mean")(x, none, backend = backend))))
    expect_true(all(is.nan(make("Var")(x, y[1, , drop = FALSE], backend = backend))))
  }
})

# Arguments as the table names them, for expressions of these dimensions.
arguments_of <- function(text, dims, ints, optional) {
  words <- strsplit(text, ", ", fixed = TRUE)[[1L]]
  if (!optional) words <- words[!startsWith(words, "[")]
  words <- gsub("^\\[|\\]$", "", words)
  values <- c(f = paste0("f", dims[1L]), g = paste0("g", dims[2L]), h = paste0("h", dims[3L]), "..." = "f1", v = paste0("g", dims[2L]),
              n = ints[1L], m = ints[2L], seed = "3", "shape of f" = "[2,2]", "shape of g" = "[2,2]", "axes of f" = "[1]", "axes of g" = "[0]", permutation = "[1,0]")
  unname(values[words])
}

test_that("every operation of the table is accepted as the table says, and with one argument less or more refused", {
  sizes <- 1:4
  aliases <- paste0(rep(c("f", "g", "h"), each = 4), sizes, " = V", rep(c("i", "j", "i"), each = 4), "(", sizes, ")")
  accepted <- function(name, args) {
    tryCatch(is.function(Genred(paste0(name, "(", paste(args, collapse = ", "), ")"), aliases, axis = 1)), genred_error = function(e) e)
  }
  dims <- expand.grid(f = c(3, 4, 1, 2), g = c(3, 1, 2, 4), h = c(3, 1, 2))
  ops <- genred_operations()
  for (k in seq_len(nrow(ops))) for (optional in unique(c(FALSE, grepl("[", ops$arguments[k], fixed = TRUE)))) {
    fine <- FALSE
    for (ints in list(c(1, 2), c(2, 1), c(3, 0))) for (d in seq_len(nrow(dims))) {
      args <- arguments_of(ops$arguments[k], unlist(dims[d, ]), ints, optional)
      # linear in the variable where the operation asks for it
      if (ops$name[k] %in% c("TraceOperator", "AdjointOperator")) args[1] <- args[2]
      if (!fine) fine <- isTRUE(accepted(ops$name[k], args))
    }
    expect_true(fine, info = paste0(ops$name[k], "(", ops$arguments[k], ")"))
  }
  for (k in seq_len(nrow(ops))) {
    args <- arguments_of(ops$arguments[k], c(1, 1, 1), c(1, 1), TRUE)
    fewer <- if (grepl("[", ops$arguments[k], fixed = TRUE)) length(args) - 2L else length(args) - 1L
    if (grepl("...", ops$arguments[k], fixed = TRUE)) fewer <- 1L
    if (fewer >= 0L) expect_s3_class(accepted(ops$name[k], args[seq_len(fewer)]), "genred_error_parse")
    if (!grepl("...", ops$arguments[k], fixed = TRUE)) expect_s3_class(accepted(ops$name[k], c(args, "f1")), "genred_error_parse")
  }
})

test_that("what is internal is neither listed nor accepted nor suggested", {
  for (text in c("PowInt(x)", "PowInt(3)", "PowInt(x,2)", "powint(x)", "RoundAway(x)", "Const()", "const()", "var()", "var(0,3,0)")) {
    e <- tryCatch(Genred(text, "x=Vi(3)"), error = identity)
    expect_s3_class(e, "genred_error_parse")
    expect_false(grepl("Did you mean `(PowInt|RoundAway|Const|Var)`", conditionMessage(e)), info = text)
  }
  expect_false(any(c("PowInt", "RoundAway", "Const", "Var") %in% genred_operations()$name))
  e <- tryCatch(Genred("z+x", c("x=Vi(3)", "Vi(3)")), error = identity)
  expect_false(grepl("Did you mean ``", conditionMessage(e), fixed = TRUE))
})
