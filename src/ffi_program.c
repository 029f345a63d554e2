/* ffi_program.c: native programs, looked up by the specification of their operator.
 *
 * An operator contains plain R data.  Its program lies in a table here, behind an external pointer
 * with a finalizer, and is created at the first call after construction, after readRDS() or in
 * another process.  The table is keyed by the key string of the specification; R stores equal
 * strings in one CHARSXP, so that keys are compared by address.  It is a set-associative cache with
 * WAYS entries per set; evicted programs are created again when they are needed.  An evicted
 * program releases its kernels at once, because its finalizer may run much later: a session has the
 * kernels of at most SETS * WAYS programs loaded, and GR_IDLE_OBJECTS further objects that the
 * engine keeps.
 *
 * A specification may come from a file or have been changed by the user, so that it is validated
 * before use.  Only the object that was validated last is trusted: because the table refers to it,
 * R copies it before any modification. */
#include "ffi.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETS = 128, WAYS = 4 };

static struct {
  SEXP keys; /* STRSXP; "" if empty */
  SEXP pointers;
  SEXP specs; /* the specification that was validated last */
  unsigned char next[SETS]; /* way to evict */
  int made;
} table;

static void table_init(void) {
  if (table.keys) return;
  SEXP keys = PROTECT(Rf_allocVector(STRSXP, SETS * WAYS));
  SEXP pointers = PROTECT(Rf_allocVector(VECSXP, SETS * WAYS));
  R_PreserveObject(keys);
  SEXP specs = PROTECT(Rf_allocVector(VECSXP, SETS * WAYS));
  R_PreserveObject(pointers);
  R_PreserveObject(specs);
  table.keys = keys;
  table.pointers = pointers;
  table.specs = specs;
  UNPROTECT(3);
}

static int set_of(SEXP key) {
  uintptr_t p = (uintptr_t)key;
  return (int)((p >> 4 ^ p >> 12 ^ p >> 20) % SETS);
}

/* The index of a key in the table, or -1. */
static int table_find(SEXP key) {
  int first = set_of(key) * WAYS;
  for (int w = first; w < first + WAYS; w++)
    if (STRING_ELT(table.keys, w) == key) return w;
  return -1;
}

static void release_kernels(SEXP pointer) {
  const ffi_op *op = pointer == R_NilValue ? NULL : R_ExternalPtrAddr(pointer);
  if (op && !op->busy) gr_program_let_go(op->program);
}

static void table_add(SEXP key, SEXP spec, SEXP pointer) {
  int set = set_of(key), w = set * WAYS + table.next[set];
  release_kernels(VECTOR_ELT(table.pointers, w));
  table.next[set] = (unsigned char)((table.next[set] + 1) % WAYS);
  SET_STRING_ELT(table.keys, w, key);
  SET_VECTOR_ELT(table.pointers, w, pointer);
  SET_VECTOR_ELT(table.specs, w, spec);
}

/* ---- validating a specification -------------------------------------------------------------- */

static bool is_scalar(SEXP x, SEXPTYPE type) { return !Rf_isObject(x) && TYPEOF(x) == type && XLENGTH(x) == 1; }

static bool is_list(SEXP spec) { return TYPEOF(spec) == VECSXP && XLENGTH(spec) == SPEC_SIZE; }
static bool is_string(SEXP x) { return is_scalar(x, STRSXP) && STRING_ELT(x, 0) != NA_STRING; }
static bool is_integer(SEXP x) { return is_scalar(x, INTSXP) && INTEGER(x)[0] != NA_INTEGER; }
static bool is_flag(SEXP x) { return is_scalar(x, LGLSXP) && LOGICAL(x)[0] != NA_LOGICAL; }

static bool are_strings(SEXP x) {
  if (TYPEOF(x) != STRSXP || XLENGTH(x) > INT_MAX) return false;
  for (R_xlen_t k = 0; k < XLENGTH(x); k++)
    if (STRING_ELT(x, k) == NA_STRING) return false;
  return true;
}

static bool has_types(SEXP spec) {
  static const struct {
    bool (*is)(SEXP);
    bool optional;
  } type[SPEC_SIZE] = {[SPEC_KEY] = {is_string, false},       [SPEC_FORMULA] = {is_string, false},  [SPEC_FORMULA2] = {is_string, true},
                       [SPEC_ALIASES] = {are_strings, false}, [SPEC_REDUCTION] = {is_string, true}, [SPEC_AXIS] = {is_integer, false},
                       [SPEC_OPT_ARG] = {is_integer, true},   [SPEC_DTYPE] = {is_string, false},    [SPEC_DTYPE_ACC] = {is_string, false},
                       [SPEC_DOUBLE_ACC] = {is_flag, false},  [SPEC_SCHEME] = {is_string, false},   [SPEC_FAST_MATH] = {is_flag, false}};
  for (int k = 0; k < SPEC_SIZE; k++) {
    SEXP x = VECTOR_ELT(spec, k);
    if (!(x == R_NilValue && type[k].optional) && !type[k].is(x)) return false;
  }
  return true;
}

/* A key under construction; without a buffer its length is only counted. */
typedef struct {
  char *to;
  size_t n;
} key_text;

static void put(key_text *key, const char *text) {
  size_t n = strlen(text);
  if (key->to) memcpy(key->to + key->n, text, n + 1);
  key->n += n;
}

/* ":5:hello" */
static void put_element(key_text *key, const char *text) {
  char head[32];
  snprintf(head, sizeof head, ":%lld:", (long long)strlen(text));
  put(key, head);
  put(key, text);
}

/* "-" for NULL, else the number of elements and each of them. */
static void put_field(key_text *key, SEXP x) {
  char text[32];
  if (x == R_NilValue) {
    put(key, "-");
    return;
  }
  snprintf(text, sizeof text, "%lld", (long long)XLENGTH(x));
  put(key, text);
  if (TYPEOF(x) == LGLSXP) put_element(key, LOGICAL(x)[0] ? "TRUE" : "FALSE");
  if (TYPEOF(x) == INTSXP) {
    snprintf(text, sizeof text, "%d", INTEGER(x)[0]);
    put_element(key, text);
  }
  for (R_xlen_t k = 0; TYPEOF(x) == STRSXP && k < XLENGTH(x); k++)
    put_element(key, Rf_translateCharUTF8(STRING_ELT(x, k)));
}

static void put_fields(key_text *key, SEXP spec) {
  for (int k = SPEC_KEY + 1; k < SPEC_SIZE; k++) {
    put_field(key, VECTOR_ELT(spec, k));
    put(key, ";");
  }
}

/* Different specifications have different keys, whatever characters they contain, because lengths
 * are part of the key.  Allocated by R_alloc. */
static const char *key_of(SEXP spec) {
  key_text key = {NULL, 0};
  put_fields(&key, spec);
  key.to = R_alloc(key.n + 1, 1);
  key.n = 0;
  put_fields(&key, spec);
  return key.to;
}

/* Whether the key belongs to the specification; otherwise another operator's program would be
 * found. */
static bool key_fits(SEXP spec) {
  const void *top = vmaxget();
  bool fits = strcmp(Rf_translateCharUTF8(STRING_ELT(VECTOR_ELT(spec, SPEC_KEY), 0)), key_of(spec)) == 0;
  vmaxset(top);
  return fits;
}

static SEXP not_ours(void) {
  return ffi_failf(GR_ARGUMENT, "this is not a valid operator of Genred(): its specification was changed or damaged, or "
                                "comes from another version of genred");
}

bool ffi_spec_ok(SEXP spec) { return is_list(spec) && has_types(spec) && key_fits(spec); }

SEXP ffi_key(SEXP spec) {
  return is_list(spec) && has_types(spec) ? Rf_ScalarString(Rf_mkCharCE(key_of(spec), CE_UTF8)) : not_ours();
}

SEXP ffi_spec(SEXP spec) { return ffi_spec_ok(spec) ? Rf_ScalarLogical(TRUE) : not_ours(); }

/* ---- creating a program ---------------------------------------------------------------------- */

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
  *op = NULL;
  table_init();
  if (!is_list(spec) || !is_string(VECTOR_ELT(spec, SPEC_KEY))) return not_ours();
  SEXP key = STRING_ELT(VECTOR_ELT(spec, SPEC_KEY), 0), pointer = R_NilValue;
  int at = table_find(key);
  if (at < 0 || VECTOR_ELT(table.specs, at) != spec) {
    if (!ffi_spec_ok(spec)) return not_ours();
    if (at >= 0) SET_VECTOR_ELT(table.specs, at, spec);
  }
  if (at >= 0) pointer = VECTOR_ELT(table.pointers, at);
  if (pointer != R_NilValue) *op = R_ExternalPtrAddr(pointer);
  if (*op) return pointer;

  /* R's garbage collector does not know how much memory evicted programs occupy. */
  if (++table.made % (SETS * WAYS) == 0) R_gc();
  gr_error err = {GR_OK, "", NULL};
  gr_spec s = spec_of(spec);
  pointer = PROTECT(R_MakeExternalPtr(NULL, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(pointer, op_free, TRUE);
  *op = op_new(&s, &err);
  if (*op) {
    R_SetExternalPtrAddr(pointer, *op);
    table_add(key, spec, pointer);
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

/* ---- describing a program -------------------------------------------------------------------- */

static SEXP text_value(const char *s) { return s ? ffi_text(s) : R_NilValue; }

static SEXP describe_args(const ffi_op *op) {
  static const char *const categories[] = {"Vi", "Vj", "Pm", "Mij"};
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
  static const char *const provenances[] = {"none", "memory", "disk", "compiled"};
  const char *names[] = {"backend",     "origin",    "threads", "seconds_compile",
                         "seconds_run", "device_id", "devices", "device_name",     ""};
  if (last->backend == GR_AUTO) return R_NilValue;
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, text_value(backends[last->backend]));
  SET_VECTOR_ELT(out, 1, text_value(provenances[last->provenance]));
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
