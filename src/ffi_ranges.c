/* ffi_ranges.c: the ranges of a call, from R's list to the engine's structure.
 *
 * Accepts the usual form: 3 or 6 parts of whole numbers, in their order, with their own names or
 * without names (the three parts that are not needed may be NULL).  Anything else is left to
 * R/ranges.R, which converts it or says what is wrong with it.  In R, intervals count from 1 and
 * include their end; in the engine they count from 0 and exclude it. */
#include "ffi.h"

#include <string.h>

enum { PARTS = 6 };

static const char *const part_names[PARTS] = {"ranges_i", "slices_i", "redranges_j",
                                              "ranges_j", "slices_j", "redranges_i"};

/* ---- whole numbers ---- */

static bool is_number(SEXP x) {
  return !Rf_isObject(x) && (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP);
}

/* -1 for what is no whole number from 0 to 2^52. */
static int64_t whole(SEXP x, R_xlen_t k) {
  if (TYPEOF(x) == INTSXP)
    return INTEGER_RO(x)[k] >= 0 ? INTEGER_RO(x)[k] : -1; /* NA is negative */
  double v = REAL_RO(x)[k];
  return v >= 0 && v <= 4503599627370496.0 && v == (double)(int64_t)v ? (int64_t)v : -1;
}

/* A matrix of intervals, in memory of R's; NULL: it is none. */
static gr_interval *read_intervals(SEXP x, int64_t *n) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  if (!is_number(x) || TYPEOF(dim) != INTSXP || XLENGTH(dim) != 2 || INTEGER_RO(dim)[1] != 2)
    return NULL;
  *n = INTEGER_RO(dim)[0];
  gr_interval *out = (gr_interval *)R_alloc((size_t)*n + 1, sizeof *out);
  for (int64_t k = 0; k < *n; k++) {
    out[k].first = whole(x, k) - 1;
    out[k].end = whole(x, k + *n);
    if (out[k].first < 0 || out[k].end <= out[k].first) return NULL;
  }
  return out;
}

static int64_t *read_ends(SEXP x, int64_t n) {
  if (!is_number(x) || XLENGTH(x) != n) return NULL;
  int64_t *out = (int64_t *)R_alloc((size_t)n + 1, sizeof *out);
  for (int64_t k = 0; k < n; k++) {
    out[k] = whole(x, k);
    if (out[k] < (k ? out[k - 1] : 0)) return NULL;
  }
  return out;
}

/* ---- the list ---- */

/* The three parts from `first` on, which is 0 for rows that are values of i, 3 for those of j. */
static bool read_parts(SEXP list, int first, gr_ranges *r) {
  if (XLENGTH(list) < first + 3) return false;
  r->rows = read_intervals(VECTOR_ELT(list, first), &r->n_blocks);
  r->columns = read_intervals(VECTOR_ELT(list, first + 2), &r->n_columns);
  r->ends = r->rows ? read_ends(VECTOR_ELT(list, first + 1), r->n_blocks) : NULL;
  return r->rows && r->columns && r->ends &&
         (r->n_blocks ? r->ends[r->n_blocks - 1] : 0) == r->n_columns;
}

static bool names_fit(SEXP list) {
  SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  if (names == R_NilValue) return true;
  for (int k = 0; k < XLENGTH(list); k++)
    if (strcmp(CHAR(STRING_ELT(names, k)), part_names[k]) != 0) return false;
  return true;
}

static bool is_plain(SEXP x) {
  if (TYPEOF(x) != VECSXP || (XLENGTH(x) != 3 && XLENGTH(x) != PARTS) || !names_fit(x))
    return false;
  return !Rf_isObject(x) || Rf_inherits(x, "genred_ranges");
}

/* Helpers say how many rows their arguments have: NULL, or the numbers of i and of j. */
static bool size_fits(SEXP x, int64_t m, int64_t n) {
  SEXP size = Rf_getAttrib(x, Rf_install("size"));
  if (size == R_NilValue) return true;
  return is_number(size) && XLENGTH(size) == 2 && whole(size, 0) == m && whole(size, 1) == n;
}

/* ---- do both halves name the same pairs? ---- */

/* The finalizer of splitmix64 (Steele, Lea and Flood 2014), a hash: its values look random. */
static uint64_t mix(int64_t at) {
  uint64_t x = (uint64_t)at * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

static uint64_t weigh(gr_interval i, int64_t salt) {
  return mix(i.end + salt) - mix(i.first + salt);
}

/* The sum over all pairs of u_i v_j, modulo 2^64, of random u and v: the sums of u over intervals
 * are differences of one function.  Different sets of pairs have different sums, but for one in
 * about 2^60 (Freivalds' test). */
static uint64_t fingerprint(const gr_ranges *r, bool rows_are_i) {
  const int64_t salt = (int64_t)1 << 53, of_rows = rows_are_i ? 0 : salt,
                of_columns = salt - of_rows;
  uint64_t sum = 0;
  for (int64_t b = 0, k = 0; b < r->n_blocks; b++) {
    uint64_t columns = 0;
    for (; k < r->ends[b]; k++) columns += weigh(r->columns[k], of_columns);
    sum += columns * weigh(r->rows[b], of_rows);
  }
  return sum;
}

static bool halves_agree(SEXP list) {
  gr_ranges i, j;
  bool both = XLENGTH(list) == PARTS && VECTOR_ELT(list, 0) != R_NilValue &&
              VECTOR_ELT(list, 3) != R_NilValue;
  if (!both) return true;
  return read_parts(list, 0, &i) && read_parts(list, 3, &j) &&
         fingerprint(&i, true) == fingerprint(&j, false);
}

/* ---- for the others ---- */

bool ffi_ranges_read(SEXP x, bool rows_are_i, int64_t m, int64_t n, gr_ranges *r) {
  bool sorted = Rf_getAttrib(x, Rf_install("order_i")) == R_NilValue &&
                Rf_getAttrib(x, Rf_install("order_j")) == R_NilValue;
  return is_plain(x) && sorted && size_fits(x, m, n) && read_parts(x, rows_are_i ? 0 : 3, r) &&
         halves_agree(x);
}

/* Of six parts that are right each for itself. */
SEXP ffi_ranges_agree(SEXP x) { return Rf_ScalarLogical(TYPEOF(x) == VECSXP && halves_agree(x)); }
