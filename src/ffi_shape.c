/* ffi_shape.c: the shapes of arguments and results, as R has them.
 *
 * An argument is a vector, a matrix or an array whose first dimensions, as many as its category has
 * (its rank), are those of one problem; the dimensions after them number the elements of a batch.
 * Each of these is 1, which serves all elements, or as large as that of the other arguments;
 * absent ones count as 1.  A result has one dimension for each that the longest argument has.
 *
 * Takes what needs no judgement; anything else is left to R/check.R, which says what is wrong. */
#include "ffi.h"

#include <string.h>

/* ---- one argument ---------------------------------------------------------------------------- */

/* The dimensions of an argument: of one problem, then of a batch. */
typedef struct dims {
  int n, rank;
  const int *size;
} dims;

/* Which dimension, from 0, is that of the components.  Pairs with one component have none. */
static int components_at(const gr_arg_info *info) {
  static const int at[] = {[GR_VI] = 1, [GR_VJ] = 1, [GR_PM] = 0, [GR_MIJ] = 2};
  return at[info->category];
}

static int rank_of(const gr_arg_info *info) {
  return components_at(info) + (info->category != GR_MIJ || info->dim > 1);
}

/* R's vectors become matrices of one column easily, and gradients by a parameter are matrices of
 * one row: both stand for the vector.  A row of one number is a column. */
static bool is_vector(const dims *d, const gr_arg_info *info) {
  return info->category == GR_PM && d->n == 2 && (d->size[1] == 1 || (d->size[0] == 1 && info->dim > 1));
}

static dims dims_of(SEXP x, const gr_arg_info *info) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  dims d = {0, rank_of(info), NULL};
  if (dim == R_NilValue) return d;
  d.n = (int)XLENGTH(dim);
  d.size = INTEGER_RO(dim);
  if (is_vector(&d, info)) d.n = 0;
  return d;
}

static int batch_dims(const dims *d) { return d->n > d->rank ? d->n - d->rank : 0; }

/* Vi and Vj: a matrix, or a vector if there is one component. */
static bool read_rows(const dims *d, R_xlen_t length, const gr_arg_info *info, gr_array *a) {
  bool vector = d->n < 2;
  *a = (gr_array){.rows = vector ? length : d->size[0], .cols = vector ? 1 : d->size[1]};
  a->stride = a->rows;
  return !vector || info->dim == 1;
}

static bool read_parameter(const dims *d, R_xlen_t length, const gr_arg_info *info, gr_array *a) {
  (void)info;
  *a = (gr_array){.rows = 1, .cols = d->n < 2 ? length : d->size[0], .stride = 1};
  return true;
}

static bool read_pairs(const dims *d, R_xlen_t length, const gr_arg_info *info, gr_array *a) {
  (void)length;
  if (d->n < d->rank) return false;
  *a = (gr_array){.rows = d->size[0], .cols = (int64_t)d->size[1] * info->dim, .stride = d->size[0]};
  return true;
}

typedef bool shape_reader(const dims *d, R_xlen_t length, const gr_arg_info *info, gr_array *a);

static shape_reader *const readers[] = {
    [GR_VI] = read_rows, [GR_VJ] = read_rows, [GR_PM] = read_parameter, [GR_MIJ] = read_pairs};

/* Of what the engine cannot see, since it is given the array of one element. */
static bool components_fit(const dims *d, const gr_arg_info *info) {
  int at = components_at(info);
  bool unseen = d->n > d->rank || info->category == GR_MIJ;
  return !unseen || at >= d->rank || d->size[at] == info->dim;
}

static bool is_plain(SEXP x) {
  return !Rf_isObject(x) && (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == LGLSXP);
}

/* A matrix on a GPU, which is stored column by column as in R. */
static bool read_on_gpu(SEXP x, const gr_arg_info *info, gr_array *a) {
  const gr_buffer *b = ffi_array_buffer(x);
  bool vector = info->category == GR_PM;
  if (!b || XLENGTH(VECTOR_ELT(x, ARRAY_DIM)) != 2 || rank_of(info) > 2) return false;
  if (vector && b->rows != 1 && b->cols != 1) return false;
  *a = (gr_array){.rows = b->rows, .cols = b->cols, .stride = b->rows, .buffer = b};
  if (vector) *a = (gr_array){.rows = 1, .cols = b->rows * b->cols, .stride = 1, .buffer = b};
  return true;
}

int ffi_shape_read(SEXP x, const gr_arg_info *info, gr_array *a) {
  if (!is_plain(x)) return read_on_gpu(x, info, a) ? 0 : -1;
  dims d = dims_of(x, info);
  return readers[info->category](&d, XLENGTH(x), info, a) && components_fit(&d, info) ? batch_dims(&d) : -1;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The sizes of the batch, and how far apart the elements of this argument are: 0 where it has one
 * for all.  false: it does not fit the arguments before it. */
static bool join(const dims *d, int n, int64_t *size, int64_t *step) {
  int64_t apart = 1;
  for (int k = 0; k < d->rank && k < d->n; k++) apart *= d->size[k];
  for (int k = 0; k < n; k++) {
    int64_t own = k < batch_dims(d) ? d->size[d->rank + k] : 1;
    step[k] = own == 1 ? 0 : apart;
    apart *= own;
    if (own == 1 || own == size[k]) continue;
    if (size[k] != 1) return false;
    size[k] = own;
  }
  return true;
}

bool ffi_batches_read(const ffi_op *op, const SEXP *arg, int n, gr_batches *b) {
  if (n > FFI_BATCH_DIMS) return false;
  int64_t *size = (int64_t *)R_alloc((size_t)n, sizeof *size);
  int64_t *step = (int64_t *)R_alloc((size_t)n * (size_t)op->nargs, sizeof *step);
  for (int d = 0; d < n; d++) size[d] = 1;
  for (int k = 0; k < op->nargs; k++) {
    dims d = dims_of(arg[k], &op->arg[k]);
    if (!is_plain(arg[k]) || !join(&d, n, size, step + (size_t)k * (size_t)n)) return false;
  }
  *b = (gr_batches){n, size, step};
  return true;
}

/* ---- results --------------------------------------------------------------------------------- */

static void append(ffi_shape *s, int64_t size) { s->dim[s->n++] = (int)size; }

void ffi_result_shape(const gr_result_info *r, int64_t rows, const gr_batches *b, ffi_shape *s) {
  s->n = 0;
  /* in a batch, the one row of a reduction over both indices is a parameter's: a vector */
  if (r->axis != 2 || b->n == 0) append(s, rows);
  if (r->k > 0) append(s, r->k);
  if (r->k == 0 || r->dim > 1) append(s, r->dim);
  s->rank = s->n;
  for (int d = 0; d < b->n; d++) append(s, b->size[d]);
}

double ffi_shape_length(const ffi_shape *s) {
  double n = 1;
  for (int k = 0; k < s->n; k++) n *= s->dim[k];
  return n;
}

SEXP ffi_shape_dim(const ffi_shape *s) {
  SEXP dim = Rf_allocVector(INTSXP, s->n);
  memcpy(INTEGER(dim), s->dim, (size_t)s->n * sizeof *s->dim);
  return dim;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Along dimension `at` of an argument; R_NilValue unless there are `size` of them. */
static SEXP names_along(SEXP x, int at, int64_t size) {
  bool array = TYPEOF(x) == VECSXP;
  SEXP all = array ? VECTOR_ELT(x, ARRAY_DIMNAMES) : Rf_getAttrib(x, R_DimNamesSymbol), names = R_NilValue;
  if (all != R_NilValue)
    names = VECTOR_ELT(all, at);
  else if (!array && at == 0)
    names = Rf_getAttrib(x, R_NamesSymbol);
  return TYPEOF(names) == STRSXP && XLENGTH(names) == size ? names : R_NilValue;
}

/* Along which dimension of an argument of this category the kept index runs; -1: along none. */
static int kept_along(gr_category category, int axis) {
  static const int at[3][4] = {{-1, 0, -1, 1}, {0, -1, -1, 0}, {-1, -1, -1, -1}};
  return at[axis][category];
}

SEXP ffi_row_names(const ffi_op *op, const SEXP *arg, int64_t rows) {
  SEXP names = R_NilValue;
  for (int k = 0; k < op->nargs && names == R_NilValue; k++) {
    int at = kept_along(op->arg[k].category, op->result.axis);
    if (at >= 0) names = names_along(arg[k], at, rows);
  }
  return names;
}

/* Of the first argument that has them. */
static SEXP batch_names(const ffi_op *op, const SEXP *arg, int at, int64_t size) {
  SEXP names = R_NilValue;
  for (int k = 0; k < op->nargs && names == R_NilValue; k++) {
    dims d = dims_of(arg[k], &op->arg[k]);
    if (at < batch_dims(&d)) names = names_along(arg[k], d.rank + at, size);
  }
  return names;
}

SEXP ffi_result_names(const ffi_op *op, const SEXP *arg, const ffi_shape *s) {
  SEXP rows = ffi_row_names(op, arg, s->dim[0]), dimnames = R_NilValue;
  if (rows == R_NilValue && s->n == s->rank) return R_NilValue;
  dimnames = PROTECT(Rf_allocVector(VECSXP, s->n));
  bool any = rows != R_NilValue;
  SET_VECTOR_ELT(dimnames, 0, rows);
  for (int d = s->rank; d < s->n; d++) {
    SEXP names = batch_names(op, arg, d - s->rank, s->dim[d]);
    any = any || names != R_NilValue;
    SET_VECTOR_ELT(dimnames, d, names);
  }
  UNPROTECT(1);
  return any ? dimnames : R_NilValue;
}
