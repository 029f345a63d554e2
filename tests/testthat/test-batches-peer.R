# PyKeOps' own examples of batches, translated, against its numbers (version 2.3):
# cases/batches.json, which cases/reference.py has made.  In PyKeOps batch dimensions come first
# and the last dimension of an array varies fastest; here they come last and the first varies
# fastest: (B1, B2, M, D) is M x D x B1 x B2, and a parameter (B1, B2, D) is D x B1 x B2.  Indices
# count from 0 there.

# The arrays are flat in the file; `inner`: the dimensions that are not of the batch.
array_of_peer <- function(values, shape, inner) {
  n <- length(shape)
  a <- array(values, rev(shape))
  aperm(a, c(inner:1, if (n > inner) n:(inner + 1)))
}

peer_argument <- function(arg) {
  wave <- sin(arg$frequency * seq_len(prod(arg$shape)))
  values <- arg$offset + arg$scale * (floor(4096 * wave) + 0.5) / 4096
  array_of_peer(values, arg$shape, if (grepl("= *Pm", arg$alias)) 1 else 2)
}

peer_batches <- if (requireNamespace("jsonlite", quietly = TRUE)) {
  jsonlite::fromJSON(test_path("cases", "batches.json"), simplifyDataFrame = FALSE)
}

for (case in peer_batches) {
  test_that(paste("batches of PyKeOps:", case$name), {
    args <- lapply(case$args, peer_argument)
    aliases <- vapply(case$args, `[[`, "", "alias")
    if (!is.null(case$gradient)) aliases <- head(aliases, -1) # without the incoming gradient
    index <- startsWith(case$reduction, "Arg")
    for (dtype in names(case$expected)) {
      op <- Genred(case$formula, aliases, case$reduction, axis = case$axis, dtype = dtype,
                   opt_arg = case$opt_arg, formula2 = case$formula2)
      if (!is.null(case$gradient)) op <- genred_grad(op, case$gradient)
      right <- array_of_peer(case$expected[[dtype]], case$shape, 2)
      tolerance <- if (index) 0 else c(float32 = 1e-5, float64 = 1e-10)[[dtype]]
      for (backend in backends()) {
        found <- do.call(op, c(args, backend = backend))
        expect_identical(dim(found), dim(right))
        expect_close(found, right + index, tolerance, paste(case$name, dtype, backend))
      }
    }
  })
}
