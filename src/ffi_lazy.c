/* ffi_lazy.c: which leaves of two lazy tensors (R/lazy.R) are the same.
 *
 * A leaf is a list of its kind (a string), its value and plain descriptions.  Leaves are the same
 * if their kinds are equal and their values are the same object in memory: equal values in
 * different objects stay different arguments, so that the specification of an expression does not
 * depend on its data. */
#include "ffi.h"

enum { LEAF_KIND, LEAF_VALUE };

static bool same_leaf(SEXP a, SEXP b) {
  return STRING_ELT(VECTOR_ELT(a, LEAF_KIND), 0) == STRING_ELT(VECTOR_ELT(b, LEAF_KIND), 0) &&
         VECTOR_ELT(a, LEAF_VALUE) == VECTOR_ELT(b, LEAF_VALUE);
}

static bool is_leaf(SEXP x) {
  return TYPEOF(x) == VECSXP && XLENGTH(x) > LEAF_VALUE && TYPEOF(VECTOR_ELT(x, LEAF_KIND)) == STRSXP &&
         XLENGTH(VECTOR_ELT(x, LEAF_KIND)) == 1;
}

static bool are_leaves(SEXP x) {
  if (TYPEOF(x) != VECSXP) return false;
  for (R_xlen_t k = 0; k < XLENGTH(x); k++)
    if (!is_leaf(VECTOR_ELT(x, k))) return false;
  return true;
}

SEXP ffi_shared_leaves(SEXP a, SEXP b) {
  if (!are_leaves(a) || !are_leaves(b)) return ffi_failf(GR_ARGUMENT, "this is not a valid lazy tensor: its data were changed or damaged");
  SEXP out = Rf_allocVector(INTSXP, XLENGTH(b));
  for (R_xlen_t k = 0; k < XLENGTH(b); k++) {
    INTEGER(out)[k] = 0;
    for (R_xlen_t l = 0; l < XLENGTH(a) && !INTEGER(out)[k]; l++)
      if (same_leaf(VECTOR_ELT(a, l), VECTOR_ELT(b, k))) INTEGER(out)[k] = (int)l + 1;
  }
  return out;
}
