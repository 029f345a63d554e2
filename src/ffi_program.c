/* ffi_program.c: native programs, found by the specification of their operator.
 *
 * An operator holds plain R data; its program lives in a table here, behind an external pointer
 * with a finalizer, and is made at the first call after construction, readRDS() or in another
 * process.  The table is keyed by the key string of the specification: R keeps one CHARSXP per
 * text, so two keys are equal when their pointers are.  Sets of WAYS entries bound it; what is
 * evicted is made again when it is needed.  It lets go of its kernels at once, as the collector may
 * come late: so a session has kernels loaded for SETS * WAYS programs, and the engine's limit of
 * others. */
#include "ffi.h"

#include <stdint.h>
#include <stdlib.h>

enum { SETS = 128, WAYS = 4 };

static struct {
  SEXP keys; /* STRSXP; "" where empty */
  SEXP pointers;
  unsigned char next[SETS]; /* way to evict */
  int made;
} table;

static void table_init(void) {
  if (table.keys) return;
  SEXP keys = PROTECT(Rf_allocVector(STRSXP, SETS * WAYS));
  SEXP pointers = PROTECT(Rf_allocVector(VECSXP, SETS * WAYS));
  R_PreserveObject(keys);
  R_PreserveObject(pointers);
  table.keys = keys;
  table.pointers = pointers;
  UNPROTECT(2);
}

static int set_of(SEXP key) {
  uintptr_t p = (uintptr_t)key;
  return (int)((p >> 4 ^ p >> 12 ^ p >> 20) % SETS);
}

static SEXP table_find(SEXP key) {
  int first = set_of(key) * WAYS;
  for (int w = first; w < first + WAYS; w++)
    if (STRING_ELT(table.keys, w) == key) return VECTOR_ELT(table.pointers, w);
  return R_NilValue;
}

static void let_go(SEXP pointer) {
  const ffi_op *op = pointer == R_NilValue ? NULL : R_ExternalPtrAddr(pointer);
  if (op && !op->busy) gr_program_let_go(op->program);
}

static void table_add(SEXP key, SEXP pointer) {
  int set = set_of(key), w = set * WAYS + table.next[set];
  let_go(VECTOR_ELT(table.pointers, w));
  table.next[set] = (unsigned char)((table.next[set] + 1) % WAYS);
  SET_STRING_ELT(table.keys, w, key);
  SET_VECTOR_ELT(table.pointers, w, pointer);
}

/* ---- making one ------------------------------------------------------------------------------------------------------ */

static void op_free(SEXP pointer) {
  ffi_op *op = R_ExternalPtrAddr(pointer);
  R_ClearExternalPtr(pointer);
  if (!op) return;
  gr_program_free(op->program);
  free(op->arg);
  free(op);
}

static const char *text_of(SEXP x) { return x == R_NilValue ? NULL : Rf_translateCharUTF8(STRING_ELT(x, 0)); }

static const char **texts_of(SEXP x) {
  const char **out = (const char **)R_alloc((size_t)XLENGTH(x) + 1, sizeof *out);
  for (R_xlen_t k = 0; k < XLENGTH(x); k++) out[k] = Rf_translateCharUTF8(STRING_ELT(x, k));
  return out;
}

static gr_spec spec_of(SEXP spec) {
  gr_spec s;
  SEXP opt_arg = VECTOR_ELT(spec, SPEC_OPT_ARG);
  s.formula = text_of(VECTOR_ELT(spec, SPEC_FORMULA));
  s.formula2 = text_of(VECTOR_ELT(spec, SPEC_FORMULA2));
  s.n_aliases = (int)XLENGTH(VECTOR_ELT(spec, SPEC_ALIASES));
  s.aliases = texts_of(VECTOR_ELT(spec, SPEC_ALIASES));
  s.reduction = text_of(VECTOR_ELT(spec, SPEC_REDUCTION));
  s.axis = Rf_asInteger(VECTOR_ELT(spec, SPEC_AXIS));
  s.has_opt_arg = opt_arg != R_NilValue;
  s.opt_arg = s.has_opt_arg ? Rf_asInteger(opt_arg) : 0;
  s.dtype = text_of(VECTOR_ELT(spec, SPEC_DTYPE));
  s.dtype_acc = text_of(VECTOR_ELT(spec, SPEC_DTYPE_ACC));
  s.use_double_acc = Rf_asLogical(VECTOR_ELT(spec, SPEC_DOUBLE_ACC)) == TRUE;
  s.sum_scheme = text_of(VECTOR_ELT(spec, SPEC_SCHEME));
  return s;
}

static ffi_op *op_new(const gr_spec *spec, gr_error *err) {
  ffi_op *op = calloc(1, sizeof *op);
  if (!op) goto memory;
  if (gr_program_new(spec, &op->program, err) != GR_OK) {
    free(op);
    return NULL;
  }
  op->result = gr_program_result(op->program);
  op->nargs = gr_program_nargs(op->program);
  op->arg = calloc((size_t)op->nargs + 1, sizeof *op->arg);
  if (!op->arg) goto memory;
  for (int k = 0; k < op->nargs; k++) op->arg[k] = gr_program_arg(op->program, k);
  return op;
memory:
  if (op) gr_program_free(op->program);
  free(op);
  err->cls = GR_MEMORY;
  snprintf(err->message, sizeof err->message, "out of memory (a program)");
  return NULL;
}

SEXP ffi_op_get(SEXP spec, ffi_op **op) {
  SEXP key = STRING_ELT(VECTOR_ELT(spec, SPEC_KEY), 0);
  table_init();
  SEXP pointer = table_find(key);
  *op = pointer == R_NilValue ? NULL : R_ExternalPtrAddr(pointer);
  if (*op) return pointer;

  if (++table.made % (SETS * WAYS) == 0) R_gc(); /* R's collector does not see the memory of programs that were evicted */
  gr_error err = {GR_OK, "", NULL};
  gr_spec s = spec_of(spec);
  pointer = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(pointer, op_free, TRUE);
  *op = op_new(&s, &err);
  if (*op) {
    R_SetExternalPtrAddr(pointer, *op);
    table_add(key, pointer);
  } else {
    pointer = ffi_fail(&err);
  }
  UNPROTECT(1);
  return pointer;
}

SEXP ffi_make(SEXP spec) {
  ffi_op *op;
  SEXP out = ffi_op_get(spec, &op);
  return op ? Rf_ScalarLogical(TRUE) : out;
}

SEXP ffi_dump(SEXP spec, SEXP stage) {
  ffi_op *op;
  gr_error err = {GR_OK, "", NULL};
  char *text = NULL;
  SEXP pointer = PROTECT(ffi_op_get(spec, &op));
  if (op) {
    gr_class cls = gr_program_dump(op->program, CHAR(STRING_ELT(stage, 0)), &text, &err);
    pointer = cls == GR_OK ? ffi_take_text(text) : ffi_fail(&err);
  }
  UNPROTECT(1);
  return pointer;
}

/* ---- what it says about itself ------------------------------------------------------------------------------------------ */

static SEXP text_value(const char *s) { return s ? Rf_mkString(s) : R_NilValue; }

static SEXP describe_args(const ffi_op *op) {
  static const char *const categories[] = {"Vi", "Vj", "Pm"};
  const char *names[] = {"name", "category", "dim", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SEXP name = Rf_allocVector(STRSXP, op->nargs);
  SET_VECTOR_ELT(out, 0, name);
  SEXP category = Rf_allocVector(STRSXP, op->nargs);
  SET_VECTOR_ELT(out, 1, category);
  SEXP dim = Rf_allocVector(INTSXP, op->nargs);
  SET_VECTOR_ELT(out, 2, dim);
  for (int k = 0; k < op->nargs; k++) {
    SET_STRING_ELT(name, k, Rf_mkCharCE(op->arg[k].name, CE_UTF8));
    SET_STRING_ELT(category, k, Rf_mkChar(categories[op->arg[k].category]));
    INTEGER(dim)[k] = op->arg[k].dim;
  }
  UNPROTECT(1);
  return out;
}

static SEXP describe_result(const gr_result_info *r) {
  const char *names[] = {"reduction", "axis", "dim", "k", "index", "dtype", "note", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, text_value(r->reduction));
  SET_VECTOR_ELT(out, 1, Rf_ScalarInteger(r->axis));
  SET_VECTOR_ELT(out, 2, Rf_ScalarInteger(r->dim));
  SET_VECTOR_ELT(out, 3, Rf_ScalarInteger(r->k));
  SEXP index = Rf_allocVector(LGLSXP, r->n);
  SET_VECTOR_ELT(out, 4, index);
  for (int k = 0; k < r->n; k++) LOGICAL(index)[k] = r->is_index[k] != 0;
  SET_VECTOR_ELT(out, 5, text_value(r->dtype));
  SET_VECTOR_ELT(out, 6, text_value(r->note));
  UNPROTECT(1);
  return out;
}

static SEXP describe_last(const gr_report *last) {
  static const char *const backends[] = {NULL, "CPU", "interpreter", "GPU", "GPU_1D", "GPU_2D"};
  static const char *const origins[] = {"none", "memory", "disk", "compiled"};
  const char *names[] = {"backend", "origin", "threads", "seconds_compile", "seconds_run", "device_id", "devices", "device_name", ""};
  if (last->backend == GR_AUTO) return R_NilValue;
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, text_value(backends[last->backend]));
  SET_VECTOR_ELT(out, 1, text_value(origins[last->origin]));
  SET_VECTOR_ELT(out, 2, Rf_ScalarInteger(last->threads));
  SET_VECTOR_ELT(out, 3, Rf_ScalarReal(last->seconds_compile));
  SET_VECTOR_ELT(out, 4, Rf_ScalarReal(last->seconds_run));
  if (last->n_devices > 0) SET_VECTOR_ELT(out, 5, Rf_ScalarInteger(last->device));
  SET_VECTOR_ELT(out, 6, Rf_ScalarInteger(last->n_devices));
  SET_VECTOR_ELT(out, 7, text_value(last->device_name));
  UNPROTECT(1);
  return out;
}

SEXP ffi_describe(SEXP spec) {
  const char *names[] = {"args", "result", "last", ""};
  ffi_op *op;
  SEXP pointer = PROTECT(ffi_op_get(spec, &op));
  if (!op) {
    UNPROTECT(1);
    return pointer;
  }
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, describe_args(op));
  SET_VECTOR_ELT(out, 1, describe_result(&op->result));
  SET_VECTOR_ELT(out, 2, describe_last(&op->last));
  UNPROTECT(2);
  return out;
}
