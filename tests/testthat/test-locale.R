# Numbers mean the same whatever the decimal mark of the session and of the locale.

decimals <- function() {
  p <- 0.125
  formulas <- list("Exp(-0.75*x)*1.5+1e-3", ~ exp(-0.75 * x) * 1.5 + 1e-3, ~ exp(-x * 0.75) * 1.5 + 0.001)
  for (formula in formulas) for (backend in backends()) {
    op <- Genred(formula, "x=Vi(1)", axis = 1, dtype = "float64")
    expect_identical(as.numeric(op(c(0, 1), backend = backend))[1L], 1.501)
    expect_match(genred_source(op, stage = "dag"), "0.75", fixed = TRUE)
    expect_equal(as.numeric(Genred(formula(op), "x=Vi(1)", axis = 1, dtype = "float64")(0)), 1.501)
  }
  expect_equal(as.numeric(genred_grad(Genred(~ exp(-0.5 * x), "x=Vi(1)", axis = 1, dtype = "float64"), "x")(0, 1)), -0.5)
  expect_output(print(op), "exp(-x * 0.75) * 1.5 + 0.001", fixed = TRUE)
  expect_silent(utils::capture.output(print(genred_info())))
}

test_that("options(OutDec = ) changes no formula", {
  with_options(list(OutDec = ","), decimals())
})

test_that("a locale with a decimal comma, or with Turkish letters, changes no formula", {
  skip_on_os("windows")
  folder <- tempfile("locales")
  dir.create(folder)
  old <- vapply(c("LC_NUMERIC", "LC_CTYPE"), Sys.getlocale, "")
  on.exit(for (k in names(old)) Sys.setlocale(k, old[[k]]), add = TRUE)
  use <- function(name, categories) {
    for (map in c("UTF-8", "ISO-8859-9")) if (nzchar(Sys.which("localedef"))) {
      suppressWarnings(system2("localedef", c("-c", "-i", name, "-f", map, shQuote(file.path(folder, paste0(name, ".", map)))), stdout = FALSE, stderr = FALSE))
    }
    set <- function(category) nzchar(suppressWarnings(Sys.setlocale(category, paste0(name, ".UTF-8"))))
    all(vapply(categories, set, NA))
  }
  with_env(c(LOCPATH = folder), {
    skip_if_not(use("de_DE", "LC_NUMERIC"), "no such locale")
    suppressWarnings(decimals())
    suppressWarnings(Sys.setlocale("LC_NUMERIC", "C"))
    skip_if_not(use("tr_TR", "LC_CTYPE"), "no such locale")
    decimals()
    expect_s3_class(Genred("ifelse(x,minus(x),inv(x))", "x=Vi(1)"), "Genred")
    expect_equal(with_env(c(GENRED_DTYPE = "float64"), environment(Genred("x", "x=Vi(1)"))$.spec$dtype), "float64")
  })
})
