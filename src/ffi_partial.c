/* ffi_partial.c: blocks of states, the partial results of shares of the columns.
 *
 * A block is an R vector of doubles that R/partial.R keeps with its specification; ffi_share makes
 * it (ffi_call.c).  It may come from a file or another process: the engine checks a block before it
 * reads more than its head, so that only the types are looked at here. */
#include "ffi.h"

static bool is_block(SEXP x) { return TYPEOF(x) == REALSXP && !Rf_isObject(x); }

static SEXP no_block(void) {
  return ffi_failf(GR_ARGUMENT, "the states of a partial result must be a vector of doubles");
}

/* c(rows, count), or a failure. */
static SEXP describe(const ffi_op *op, SEXP states) {
  gr_error err = {GR_OK, "", NULL};
  gr_states_info info;
  if (!is_block(states)) return no_block();
  if (gr_states_describe(op->program, REAL_RO(states), XLENGTH(states), &info, &err) != GR_OK)
    return ffi_fail(&err);
  SEXP out = Rf_allocVector(REALSXP, 2);
  REAL(out)[0] = (double)info.rows;
  REAL(out)[1] = info.count;
  return out;
}

SEXP ffi_states_describe(SEXP spec, SEXP states) {
  ffi_op *op;
  SEXP out = PROTECT(ffi_op_get(spec, &op));
  if (op) out = describe(op, states);
  UNPROTECT(1);
  return out;
}

/* A list of blocks, at least one, in their order. */
static SEXP merge(const ffi_op *op, SEXP list) {
  gr_error err = {GR_OK, "", NULL};
  for (R_xlen_t k = 0; k < XLENGTH(list); k++)
    if (!is_block(VECTOR_ELT(list, k))) return no_block();
  SEXP sum = PROTECT(Rf_duplicate(VECTOR_ELT(list, 0)));
  R_xlen_t k = 0;
  while (err.cls == GR_OK && ++k < XLENGTH(list)) {
    SEXP next = VECTOR_ELT(list, k);
    gr_states_merge(op->program, REAL(sum), XLENGTH(sum), REAL_RO(next), XLENGTH(next), &err);
  }
  UNPROTECT(1);
  if (err.cls == GR_OK) return sum;
  return ffi_failf(err.cls, "partial result %lld cannot be merged with those before it: %s",
                   (long long)k + 1, err.message);
}

SEXP ffi_states_merge(SEXP spec, SEXP list) {
  ffi_op *op;
  SEXP out = PROTECT(ffi_op_get(spec, &op));
  if (op) out = merge(op, list);
  UNPROTECT(1);
  return out;
}

/* Indices from 0, and -1, as R counts them. */
static void count_from_one(double *index, R_xlen_t n) {
  for (R_xlen_t k = 0; k < n; k++) index[k] = index[k] < 0 ? NA_REAL : index[k] + 1;
}

/* A list of the results, without their dimensions.  wide: indices do not fit an integer, and are
 * doubles. */
static SEXP finish(const ffi_op *op, SEXP states, bool wide) {
  const gr_result_info *r = &op->result;
  gr_error err = {GR_OK, "", NULL};
  gr_states_info info;
  gr_output out[2];
  if (!is_block(states)) return no_block();
  if (gr_states_describe(op->program, REAL_RO(states), XLENGTH(states), &info, &err) != GR_OK)
    return ffi_fail(&err);
  R_xlen_t n = (R_xlen_t)info.rows * r->dim * (r->k > 0 ? r->k : 1);
  SEXP results = PROTECT(Rf_allocVector(VECSXP, r->n));
  for (int k = 0; k < r->n; k++) {
    bool integer = r->is_index[k] && !wide;
    SEXP x = Rf_allocVector(integer ? INTSXP : REALSXP, n);
    SET_VECTOR_ELT(results, k, x);
    out[k].data = integer ? (void *)INTEGER(x) : (void *)REAL(x);
    out[k].type = integer ? GR_R_INT : GR_F64;
    out[k].buffer = NULL;
  }
  gr_states_finish(op->program, REAL_RO(states), XLENGTH(states), out, &err);
  for (int k = 0; k < r->n && wide && err.cls == GR_OK; k++)
    if (r->is_index[k]) count_from_one(out[k].data, n);
  UNPROTECT(1);
  return err.cls == GR_OK ? results : ffi_fail(&err);
}

SEXP ffi_states_finish(SEXP spec, SEXP states, SEXP wide) {
  ffi_op *op;
  SEXP out = PROTECT(ffi_op_get(spec, &op));
  if (op) out = finish(op, states, Rf_asLogical(wide) == TRUE);
  UNPROTECT(1);
  return out;
}
