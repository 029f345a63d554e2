/* ffi_open.c: operators whose aliases leave dimensions open.
 *
 * A call takes the dimensions from its arguments, and goes on as a call of the operator whose
 * specification has them written behind the open aliases, "x = Vi" as "x = Vi(3)": its program is
 * that of any operator with this specification, and is looked up by its key (ffi_program.c).  An
 * open operator remembers the specifications of its recent calls, so that the key is not made at
 * each of them; this memory is a cache, and plain data stay all that an operator consists of. */
#include "ffi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  RECENT = 64, /* specifications that an operator remembers */
  FEW = 16,    /* arguments that need no allocation */
  DIGITS = 16  /* room for "(2147483647)" */
};

struct ffi_fillings {
  SEXP specs; /* a list, which the operator's external pointer protects */
  int n, latest;
  uint64_t clock, used[RECENT];
  int dims[]; /* of filling k: from k * nargs on; those being looked up: from RECENT * nargs on */
};

/* ---- dimensions of arguments ----------------------------------------------------------------- */

typedef struct extent {
  int nd;
  const int *dim; /* nd of them */
  R_xlen_t length;
} extent;

/* False where R is to look at the argument. */
static bool read_extent(SEXP x, extent *e) {
  bool plain = !Rf_isObject(x) && (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == LGLSXP);
  if (!plain && !ffi_array_buffer(x)) return false;
  SEXP dim = plain ? Rf_getAttrib(x, R_DimSymbol) : VECTOR_ELT(x, ARRAY_DIM);
  e->nd = dim == R_NilValue ? 0 : (int)XLENGTH(dim);
  e->dim = e->nd ? INTEGER(dim) : NULL;
  e->length = XLENGTH(x);
  return true;
}

static R_xlen_t columns(const extent *e) { return e->nd < 2 ? 1 : e->dim[1]; }

/* Gradients by a parameter are matrices of one row, which stand for the vector. */
static R_xlen_t numbers(const extent *e) {
  bool row = e->nd == 2 && e->dim[0] == 1;
  return e->nd < 1 ? e->length : e->dim[row];
}

static R_xlen_t components(const extent *e) { return e->nd < 3 ? 1 : e->dim[2]; }

static R_xlen_t (*const dim_rules[])(const extent *) = {
    [GR_VI] = columns, [GR_VJ] = columns, [GR_PM] = numbers, [GR_MIJ] = components};

/* Open dimensions; closed ones are 0.  False where R is to look at the arguments, also because a
 * dimension is beyond what a program may have. */
static bool read_dims(const ffi_op *open, const SEXP *arg, int *dims) {
  extent e;
  for (int k = 0; k < open->nargs; k++) {
    dims[k] = 0;
    if (open->arg[k].dim > 0) continue;
    if (!read_extent(arg[k], &e)) return false;
    R_xlen_t dim = dim_rules[open->arg[k].category](&e);
    if (dim < 1 || dim > gr_dim_limit()) return false;
    dims[k] = (int)dim;
  }
  return true;
}

/* ---- specifications -------------------------------------------------------------------------- */

bool ffi_alias_open(SEXP alias) { return strchr(CHAR(alias), '(') == NULL; }

static SEXP filled_alias(SEXP alias, int dim) {
  const char *text = Rf_translateCharUTF8(alias);
  size_t room = strlen(text) + DIGITS;
  char *to = R_alloc(room, 1);
  snprintf(to, room, "%s(%d)", text, dim);
  return Rf_mkCharCE(to, CE_UTF8);
}

/* A valid specification with dimensions behind its open aliases.  An alias without a dimension has
 * no position either: it declares the argument of its own number. */
static SEXP filled_spec(SEXP spec, const int *dims) {
  const void *top = vmaxget();
  SEXP out = PROTECT(Rf_shallow_duplicate(spec));
  SEXP aliases = Rf_duplicate(VECTOR_ELT(spec, SPEC_ALIASES));
  SET_VECTOR_ELT(out, SPEC_ALIASES, aliases);
  for (R_xlen_t k = 0; k < XLENGTH(aliases); k++)
    if (ffi_alias_open(STRING_ELT(aliases, k)))
      SET_STRING_ELT(aliases, k, filled_alias(STRING_ELT(aliases, k), dims[k]));
  SET_VECTOR_ELT(out, SPEC_KEY, ffi_key(out));
  vmaxset(top);
  UNPROTECT(1);
  return out;
}

/* The specification with these dimensions, one for each argument, if there is such a program. */
SEXP ffi_fill(SEXP spec, SEXP dims) {
  ffi_op *open, *op = NULL;
  SEXP out = PROTECT(ffi_op_get(spec, &open));
  bool fits = open && open->open && TYPEOF(dims) == INTSXP && XLENGTH(dims) == open->nargs;
  SEXP filled = PROTECT(fits ? filled_spec(spec, INTEGER(dims)) : spec);
  if (fits)
    out = ffi_op_fill(filled, open, INTEGER(dims), &op);
  else if (open)
    out = ffi_failf(GR_INTERNAL, "there must be an open operator and a dimension for each argument");
  UNPROTECT(2);
  return op ? filled : out;
}

/* ---- recent calls ---------------------------------------------------------------------------- */

void ffi_open_init(ffi_op *open, SEXP pointer) {
  size_t rows = RECENT + 1, size = rows * (size_t)open->nargs * sizeof(int);
  SEXP specs = Rf_allocVector(VECSXP, RECENT);
  R_SetExternalPtrProtected(pointer, specs);
  open->fillings = calloc(1, sizeof *open->fillings + size);
  if (open->fillings) open->fillings->specs = specs;
}

static int *dims_of(const ffi_op *open, int k) { return open->fillings->dims + (size_t)k * (size_t)open->nargs; }

/* The place of the filling with these dimensions, or -1; most calls repeat the one before. */
static int find(const ffi_op *open, const int *dims) {
  const struct ffi_fillings *f = open->fillings;
  size_t size = (size_t)open->nargs * sizeof *dims;
  if (f->n && memcmp(dims_of(open, f->latest), dims, size) == 0) return f->latest;
  for (int k = 0; k < f->n; k++)
    if (memcmp(dims_of(open, k), dims, size) == 0) return k;
  return -1;
}

static int place(struct ffi_fillings *f) {
  if (f->n < RECENT) return f->n++;
  int oldest = 0;
  for (int k = 1; k < RECENT; k++)
    if (f->used[k] < f->used[oldest]) oldest = k;
  return oldest;
}

static void remember(ffi_op *open, const int *dims, SEXP spec) {
  int at = place(open->fillings);
  memcpy(dims_of(open, at), dims, (size_t)open->nargs * sizeof *dims);
  SET_VECTOR_ELT(open->fillings->specs, at, spec);
  open->fillings->latest = at;
}

SEXP ffi_open_get(ffi_op *open, SEXP spec, const SEXP *arg, int n, ffi_op **op) {
  struct ffi_fillings *f = open->fillings;
  *op = NULL;
  if (n != open->nargs) { /* for the call to refuse */
    *op = open;
    return R_NilValue;
  }
  int few[FEW], *dims = n <= FEW ? few : (int *)R_alloc((size_t)n, sizeof *dims);
  if (!read_dims(open, arg, dims)) return R_NilValue;
  int at = find(open, dims);
  SEXP filled = PROTECT(at < 0 ? filled_spec(spec, dims) : VECTOR_ELT(f->specs, at));
  SEXP pointer = PROTECT(ffi_op_fill(filled, open, dims, op));
  if (*op && at < 0) remember(open, dims, filled);
  if (*op && at >= 0) f->latest = at;
  if (*op) f->used[f->latest] = ++f->clock;
  UNPROTECT(2);
  return pointer;
}

const ffi_op *ffi_open_latest(const ffi_op *open) {
  const struct ffi_fillings *f = open->fillings;
  return f->n ? ffi_op_known(VECTOR_ELT(f->specs, f->latest)) : NULL;
}
