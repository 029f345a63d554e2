# The C interface for other packages: a client is compiled, loaded and called.

client <- c(
  "#include <genred.h>",
  "#include <Rinternals.h>",
  "#include <string.h>",
  "static SEXP text(const char *s) { return Rf_mkString(s); }",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_sum(SEXP formula, SEXP x, SEXP y, SEXP out, SEXP backend) {",
  "  const genred_api *g = genred_get_api();",
  "  const char *aliases[] = {\"x = Vi(2)\", \"y = Vj(2)\"};",
  "  char message[GENRED_MESSAGE];",
  "  genred_program *p;",
  "  genred_spec spec;",
  "  genred_array args[2];",
  "  genred_output result;",
  "  int64_t rows = 0;",
  "  if (!g) return text(\"another ABI\");",
  "  memset(&spec, 0, sizeof spec);",
  "  spec.formula = CHAR(STRING_ELT(formula, 0));",
  "  spec.aliases = aliases;",
  "  spec.n_aliases = 2;",
  "  spec.axis = 1;",
  "  spec.dtype = \"float64\";",
  "  if (g->program_new(&spec, &p, message) != GENRED_OK) return text(message);",
  "  /* rows 2, 3, ... of x: a block without a copy */",
  "  args[0].data = REAL(x) + 1; args[0].rows = Rf_nrows(x) - 1; args[0].cols = 2; args[0].stride = Rf_nrows(x);",
  "  args[1].data = REAL(y); args[1].rows = args[1].stride = Rf_nrows(y); args[1].cols = 2;",
  "  result.data = REAL(out); result.type = GENRED_DOUBLE;",
  "  if (g->program_rows(p, args, 2, &rows, message) == GENRED_OK && rows == args[0].rows &&",
  "      g->program_run(p, args, 2, &result, (genred_backend)Rf_asInteger(backend), 1, message) == GENRED_OK)",
  "    strcpy(message, g->program_arg(p, g->program_nargs(p) - 1).name);",
  "  g->program_free(p);",
  "  return text(message);",
  "}"
)

build <- function(extension, flags) {
  dir <- tempfile("client")
  dir.create(dir)
  file <- file.path(dir, paste0("client.", extension))
  writeLines(client, file)
  include <- paste0("-I", shQuote(system.file("include", package = "genred")))
  writeLines(c(paste("PKG_CPPFLAGS =", include), paste(if (extension == "c") "PKG_CFLAGS =" else "PKG_CXXFLAGS =", flags)),
             file.path(dir, "Makevars"))
  old <- setwd(dir)
  on.exit(setwd(old))
  log <- suppressWarnings(system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "-o", "client.so", basename(file)),
                                  stdout = TRUE, stderr = TRUE))
  list(file = file.path(dir, "client.so"), log = paste(log, collapse = "\n"))
}

for (language in c("c", "cpp")) local({
  language <- language
  test_that(paste("a client in", language, "compiles without a warning and computes"), {
    skip_on_os("windows")
    skip_if(language == "cpp" && Sys.which("g++") == "" && Sys.which("clang++") == "", "no C++ compiler")
    skip_if(Sys.which("make") == "" || !nzchar(system.file("include", "genred.h", package = "genred")))
    so <- build(language, "-Wall -Wextra -Werror")
    expect_true(file.exists(so$file), info = so$log)
    dll <- dyn.load(so$file)
    on.exit(dyn.unload(so$file))
    client_sum <- getNativeSymbolInfo("client_sum", dll)
    x <- matrix(c(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 3)
    y <- matrix(c(1, 2, 3, 4, 5, 6, 7, 8), 4)
    out <- numeric(2)
    expect_identical(.Call(client_sum, "Exp(-SqDist(x,y))", x, y, out, 1L), "y")
    want <- apply(x[-1, ], 1, function(p) sum(exp(-colSums((t(y) - p)^2))))
    expect_equal(out, want, tolerance = 1e-12)
    expect_match(.Call(client_sum, "Epx(-SqDist(x,y))", x, y, out, 1L), "unknown operation")
    expect_match(.Call(client_sum, "Exp(-x[5])", x, y, out, 1L), "outside")
    for (backend in 3:5) { # GENRED_GPU ...: the same, or why not
      out[] <- 0
      said <- .Call(client_sum, "Exp(-SqDist(x,y))", x, y, out, backend)
      if (said == "y") expect_equal(out, want, tolerance = 1e-12) else expect_match(said, "NVIDIA|NVRTC|GPU")
    }
  })
})
