/* ffi_map.c: arrays of pairs as results, of gradients by a variable of pairs.
 *
 * Such a result may be far larger than all arguments together.  So its size is found first, and
 * where R has no memory for it the message says how large it would be. */
#include "ffi.h"

#include <limits.h>

static SEXP allocate(void *data) {
  const int64_t *dim = data;
  if (dim[2] == 1) return Rf_allocMatrix(REALSXP, (int)dim[0], (int)dim[1]);
  return Rf_alloc3DArray(REALSXP, (int)dim[0], (int)dim[1], (int)dim[2]);
}

static SEXP no_memory(SEXP condition, void *data) {
  (void)condition, (void)data;
  return R_NilValue;
}

SEXP ffi_map_result(const ffi_op *op, const gr_array *args, int n, double **values) {
  gr_error err = {GR_OK, "", NULL};
  int64_t dim[3];
  *values = NULL;
  if (gr_program_map_shape(op->program, args, n, dim, &err) != GR_OK) return ffi_fail(&err);
  double numbers = (double)dim[0] * (double)dim[1] * (double)dim[2];
  SEXP out = numbers > (double)R_XLEN_T_MAX ? R_NilValue : R_tryCatchError(allocate, dim, no_memory, NULL);
  if (out == R_NilValue)
    return ffi_failf(GR_MEMORY, "out of memory: the result would be an array of %lld x %lld x %lld numbers, %.0f bytes",
                     (long long)dim[0], (long long)dim[1], (long long)dim[2], 8 * numbers);
  *values = REAL(out);
  return out;
}
