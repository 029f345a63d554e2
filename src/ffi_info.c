/* ffi_info.c: questions about the engine and its cache. */
#include "ffi.h"

static const char *text_of(SEXP x) {
  return TYPEOF(x) == STRSXP && XLENGTH(x) == 1 ? Rf_translateChar(STRING_ELT(x, 0)) : NULL;
}

/* The compiler that would be used, as "path (version)"; or a failure. */
SEXP ffi_compiler(SEXP cc) {
  char text[512];
  gr_error err = {GR_OK, "", NULL};
  if (gr_compiler_info(text_of(cc), text, sizeof text, &err) != GR_OK) return ffi_fail(&err);
  return Rf_mkString(text);
}

SEXP ffi_engine(void) {
  const char *names[] = {"version", "simd", "kernels", "dim_limit", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_mkString(GR_VERSION));
  SET_VECTOR_ELT(out, 1, Rf_mkString(gr_simd_name()));
  SET_VECTOR_ELT(out, 2, Rf_ScalarInteger(gr_kernels_loaded()));
  SET_VECTOR_ELT(out, 3, Rf_ScalarInteger(gr_dim_limit()));
  UNPROTECT(1);
  return out;
}

/* c(files, bytes) of a cache folder. */
SEXP ffi_cache(SEXP dir) {
  gr_error err = {GR_OK, "", NULL};
  int64_t files = 0, bytes = 0;
  if (gr_cache_info(text_of(dir), &files, &bytes, &err) != GR_OK) return ffi_fail(&err);
  SEXP out = Rf_allocVector(REALSXP, 2);
  REAL(out)[0] = (double)files;
  REAL(out)[1] = (double)bytes;
  return out;
}

/* The number of files that were deleted. */
SEXP ffi_cache_clear(SEXP dir) {
  gr_error err = {GR_OK, "", NULL};
  int64_t files = 0;
  if (gr_cache_clear(text_of(dir), &files, &err) != GR_OK) return ffi_fail(&err);
  return Rf_ScalarReal((double)files);
}

/* The operation table: a list of character vectors. */
SEXP ffi_operations(void) {
  const char *names[] = {"name", "arguments", "dimension", "meaning", "kind", "derivative", ""};
  int n = gr_operation_count();
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int c = 0; c < 6; c++) SET_VECTOR_ELT(out, c, Rf_allocVector(STRSXP, n));
  for (int k = 0; k < n; k++) {
    gr_operation row = gr_operation_row(k);
    const char *text[] = {row.name, row.arguments, row.dimension, row.meaning, row.kind, row.derivative};
    for (int c = 0; c < 6; c++) SET_STRING_ELT(VECTOR_ELT(out, c), k, text[c] ? Rf_mkChar(text[c]) : NA_STRING);
  }
  UNPROTECT(1);
  return out;
}
