/* reference_reduce.h: reductions of the terms of one row, and whether a result agrees with them. */
#ifndef GENRED_REFERENCE_REDUCE_H
#define GENRED_REFERENCE_REDUCE_H

#include "reference_draw.h"

typedef enum reduction {
  R_SUM, R_MEAN, R_PROD, R_VAR, R_COUNT, R_ANY, R_ALL, R_MIN, R_MAX, R_ARGMIN, R_ARGMAX, R_MIN_ARGMIN, R_MAX_ARGMAX,
  R_KMIN, R_KMAX, R_ARGKMIN, R_ARGKMAX, R_KMIN_ARGKMIN, R_KMAX_ARGKMAX, R_SHIFT, R_SHIFT_WEIGHT, R_LSE, R_LSE_WEIGHT, R_SOFTMAX,
  REDUCTIONS
} reduction;

static const struct reduction_row {
  const char *name, *other;
  bool scalar, weight, k, value, index, largest;
} reductions[] = {
  [R_SUM] = {"Sum", "Sum", .value = true},
  [R_MEAN] = {"Mean", "Mean", .value = true},
  [R_PROD] = {"Prod", "Prod", .value = true},
  [R_VAR] = {"Var", "Var", .value = true},
  [R_COUNT] = {"Count", "Count", .value = true},
  [R_ANY] = {"Any", "Any", .value = true},
  [R_ALL] = {"All", "All", .value = true},
  [R_MIN] = {"Min", "Min", .value = true},
  [R_MAX] = {"Max", "Max", .value = true, .largest = true},
  [R_ARGMIN] = {"ArgMin", "ArgMin", .index = true},
  [R_ARGMAX] = {"ArgMax", "ArgMax", .index = true, .largest = true},
  [R_MIN_ARGMIN] = {"Min_ArgMin", "MinArgMin", .value = true, .index = true},
  [R_MAX_ARGMAX] = {"Max_ArgMax", "MaxArgMax", .value = true, .index = true, .largest = true},
  [R_KMIN] = {"KMin", "KMin", .k = true, .value = true},
  [R_KMAX] = {"KMax", "KMax", .k = true, .value = true, .largest = true},
  [R_ARGKMIN] = {"ArgKMin", "ArgKMin", .k = true, .index = true},
  [R_ARGKMAX] = {"ArgKMax", "ArgKMax", .k = true, .index = true, .largest = true},
  [R_KMIN_ARGKMIN] = {"KMin_ArgKMin", "KMinArgKMin", .k = true, .value = true, .index = true},
  [R_KMAX_ARGKMAX] = {"KMax_ArgKMax", "KMaxArgKMax", .k = true, .value = true, .index = true, .largest = true},
  [R_SHIFT] = {"Max_SumShiftExp", "Max_SumShiftExp", .scalar = true, .value = true},
  [R_SHIFT_WEIGHT] = {"Max_SumShiftExpWeight", "Max_SumShiftExpWeight", .scalar = true, .weight = true, .value = true},
  [R_LSE] = {"LogSumExp", "LogSumExp", .scalar = true, .value = true},
  [R_LSE_WEIGHT] = {"LogSumExpWeight", "LogSumExp", .scalar = true, .weight = true, .value = true},
  [R_SOFTMAX] = {"SumSoftMaxWeight", "SoftMax", .scalar = true, .weight = true, .value = true},
};

/* The terms of one component of one row: values and bounds. */
typedef struct terms {
  const real *v, *e;
  int64_t n;
  int step;
} terms;

static real term(const terms *t, int64_t j) { return t->v[j * t->step]; }
static real bound(const terms *t, int64_t j) { return t->e[j * t->step]; }

/* What a result may be: lo <= result <= hi, or NaN where nan. */
typedef struct range {
  real lo, hi;
  bool nan, undecided;
} range;

static range undecided(void) { return (range){-INFINITY, INFINITY, false, true}; }
static range exactly(real v) { return (range){v, v, isnan(v), false}; }
static range about(real v, real e) {
  if (isnan(e) || isinf(e)) return undecided();
  if (!isfinite(v)) return e > 0 && isnan(v) ? undecided() : exactly(v);
  if (fabsl(v) + e > W.max) { /* an accumulator of double precision may hold it */
    if (fabsl(v) - e <= W.max * (1 + W.ulp)) return undecided();
    return v > 0 ? (range){v - e, INFINITY, false, false} : (range){-INFINITY, v + e, false, false};
  }
  return (range){v - e, v + e, false, false};
}

/* ---- sums ---- */

static struct {
  real acc;  /* unit in the last place of the accumulator */
  real many; /* roundings that add up along a sum, in units of half an ulp */
} S;

/* The interpreter adds up one by one, in double precision. */
static void sums_of(int64_t n, const char *scheme, const char *acc, bool interpreter) {
  real blocks = 200 + (real)n / 200;
  S.acc = interpreter || !strcmp(acc, "float64") ? DBL_EPSILON : W.ulp;
  S.many = n < blocks || interpreter || !strcmp(scheme, "direct_sum") ? (real)n : blocks;
  if (!strcmp(scheme, "kahan_scheme")) S.many = n < 4 ? (real)n : 4;
}

static range reduce_sum(const terms *t, bool mean) {
  real v = 0, e = 0, mag = 0;
  if (mean && t->n == 0) return undecided();
  for (int64_t j = 0; j < t->n; j++) v += term(t, j), e += bound(t, j), mag += fabsl(term(t, j));
  if (isfinite(v) && mag > W.max) return undecided();
  bool exact = e == 0 && isfinite(v) && on_grid(t->v, t->n, t->step, mag);
  if (!exact && isfinite(mag)) e += S.acc * S.many * mag / 2 + W.ulp * fabsl(v) + (t->n ? W.min : 0);
  if (mean) v /= t->n, e = e / t->n + (isfinite(v) ? W.ulp * fabsl(v) : 0);
  return about(v, e);
}

static range reduce_prod(const terms *t) {
  real v = 1, wide = 1, high = 1, low = 1;
  for (int64_t j = 0; j < t->n; j++) {
    real a = fabsl(term(t, j));
    v *= term(t, j), wide *= a + bound(t, j);
    if (a > 1) high *= a;
    else if (a > 0) low *= a;
  }
  if (isnan(v) || isinf(wide) || high > W.max || (low < W.min && v != 0)) return undecided();
  return about(v, wide - fabsl(v) + (t->n + 1) * W.ulp * fabsl(v));
}

static range reduce_var(const terms *t) {
  real mean = 0, s = 0, e = 0, most = 0, e_mean = 0;
  if (t->n < 2) return undecided();
  for (int64_t j = 0; j < t->n; j++) {
    mean += term(t, j) / t->n, e_mean += bound(t, j) / t->n;
    if (fabsl(term(t, j)) > most) most = fabsl(term(t, j));
  }
  if (!isfinite(mean) || most > sqrtl(W.max) / (t->n + 1)) return undecided();
  e_mean += S.acc * S.many * most;
  for (int64_t j = 0; j < t->n; j++) {
    real d = fabsl(term(t, j) - mean), ed = bound(t, j) + e_mean + W.ulp * (fabsl(term(t, j)) + fabsl(mean));
    s += d * d, e += 2 * d * ed + ed * ed;
  }
  return about(s / (t->n - 1), (e + (S.many + 4) * S.acc * s) / (t->n - 1) + W.ulp * s / (t->n - 1) + W.min);
}

static range reduce_conditions(reduction r, const terms *t) {
  int64_t least = 0, most = 0;
  for (int64_t j = 0; j < t->n; j++) {
    real a = fabsl(term(t, j)), e = bound(t, j);
    if (isnan(a)) most++;
    else if (a > e) least++, most++;
    else if (e > 0) most++;
  }
  if (r == R_COUNT) return (range){(real)least, (real)most, false, false};
  if (r == R_ANY) return (range){least > 0, most > 0, false, false};
  return (range){least == t->n, most == t->n, false, false};
}

/* ---- extrema ---- */

static int compare_reals(const void *a, const void *b) {
  real x = *(const real *)a, y = *(const real *)b;
  return (x > y) - (x < y);
}

/* The numbers v + sign e that are not NaN in ascending (of the largest: descending) order;
 * returns how many. */
static int64_t sorted(const terms *t, bool largest, int sign, real *out) {
  int64_t n = 0;
  for (int64_t j = 0; j < t->n; j++) {
    real v = term(t, j), e = bound(t, j);
    if (largest) v = -v;
    if (isinf(e)) out[n++] = sign * INFINITY; /* it may be anything, NaN too */
    else if (!isnan(v)) out[n++] = isinf(v) ? v : v + sign * e;
  }
  qsort(out, (size_t)n, sizeof *out, compare_reals);
  return n;
}

static bool doubtful(const terms *t) {
  for (int64_t j = 0; j < t->n; j++)
    if (isinf(bound(t, j))) return true;
  return false;
}

/* The k-th smallest (largest) value, from 0. */
static range kth(const terms *t, bool largest, int k) {
  real *x = malloc(sizeof *x * (size_t)(t->n + 1));
  range r = {largest ? -INFINITY : INFINITY, largest ? -INFINITY : INFINITY, false, false};
  int64_t n = sorted(t, largest, -1, x);
  real lo = k < n ? x[k] : INFINITY;
  n = sorted(t, largest, 1, x);
  real hi = k < n ? x[k] : INFINITY;
  if (k < n) r = largest ? (range){-hi, -lo, false, false} : (range){lo, hi, false, false};
  if (doubtful(t) && (isinf(lo) || isinf(hi))) r.undecided = true;
  free(x);
  return r;
}

/* Whether index `got` can be the k-th one; before: the indices that were given for 0 ... k - 1. */
static bool index_agrees(const terms *t, bool largest, int k, double got, const double *before, int64_t stride, real *lo, real *hi) {
  range r = kth(t, largest, k);
  int64_t n = 0;
  *lo = r.lo, *hi = r.hi;
  for (int64_t j = 0; j < t->n; j++) n += !isnan(term(t, j)) || isinf(bound(t, j));
  if (got == -1) return k >= n || (doubtful(t) && r.undecided);
  if (!(got >= 0 && got < t->n) || got != floor(got)) return false;
  if (k >= n) return false;
  int64_t at = (int64_t)got;
  real v = term(t, at), e = bound(t, at);
  for (int b = 0; b < k; b++)
    if (before[b * stride] == got) return false;
  if (isinf(e)) return true;
  if (isnan(v)) return false;
  if (!r.undecided && (v - e > r.hi || v + e < r.lo)) return false;
  for (int64_t j = 0; e == 0 && j < at; j++) { /* a tie: the lowest first */
    bool taken = false;
    if (bound(t, j) != 0 || term(t, j) != v) continue;
    for (int b = 0; b < k; b++) taken = taken || before[b * stride] == (double)j;
    if (!taken) return false;
  }
  return true;
}

#include "reference_weighted.h"

#endif
