/* reduce.c: the reductions on doubles: what a state is, how it starts, takes one pair, joins another and becomes results.
 *
 * One table row of five functions per family.  The emitted kernels keep the same state and step it their own way; the
 * interpreter uses `step`; threads and splits use `merge`.  State entry e of a row is state[e * ld], so that one row's
 * state may be contiguous (ld = 1) or a column of a block. */
#include <math.h>
#include <string.h>

#include "gr.h"

/* ---- the table ---- */

#define RED(name, family, direction, results, weight, needs_k, meaning)                                                \
  [RED_##name] = {#name, FAM_##family, direction, RES_##results, NEED_##weight, needs_k, meaning},
const gr_redinfo gr_reds[RED_COUNT] = {GR_REDUCTIONS(RED)};
#undef RED

#define RED(name, ...) #name,
#define SYN(name, ...) #name,
static const char *const names[] = {GR_REDUCTIONS(RED) GR_RED_SYNONYMS(SYN)};
#undef RED
#undef SYN
#define SYN(spelling, name) RED_##name,
static const gr_red synonyms[] = {GR_RED_SYNONYMS(SYN)};
#undef SYN

enum { NNAMES = sizeof names / sizeof *names };

const char *const *gr_red_names(int *n) {
  *n = NNAMES;
  return names;
}

int gr_red_find(const char *name) {
  for (int k = 0; k < NNAMES; k++)
    if (strcmp(names[k], name) == 0) return k < RED_COUNT ? k : (int)synonyms[k - RED_COUNT];
  return -1;
}

/* ---- Total: D sums, and with Kahan's scheme D compensations (what the sums are too large by) ---- */

static void total_init(const gr_reduction *r, double *s, int64_t ld) {
  for (int e = 0; e < r->nstate; e++) s[e * ld] = 0;
}

static void kahan_add(double *sum, double *comp, double x) {
  volatile double y = x - *comp, t = *sum + y; /* volatile: the compensation must survive the compiler */
  *comp = (t - *sum) - y;
  *sum = t;
}

static void total_add(const gr_reduction *r, double *s, int64_t ld, int d, double x) {
  if (r->kahan)
    kahan_add(&s[d * ld], &s[(r->dim + d) * ld], x);
  else
    s[d * ld] += x;
}

static void total_step(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf, const double *w,
                       int64_t sw, int64_t col) {
  (void)w, (void)sw, (void)col;
  for (int d = 0; d < r->dim; d++) total_add(r, s, ld, d, f[d * sf]);
}

static double total(const gr_reduction *r, const double *s, int64_t ld, int d) {
  double comp = r->kahan ? s[(r->dim + d) * ld] : 0;
  return comp == comp ? s[d * ld] - comp : s[d * ld]; /* an infinite sum has a NaN compensation */
}

static void total_merge(const gr_reduction *r, double *a, int64_t la, const double *b, int64_t lb) {
  for (int d = 0; d < r->dim; d++) total_add(r, a, la, d, total(r, b, lb, d));
}

/* ---- Extremum: D values, and when asked for D indices ---- */

static bool better(const gr_reduction *r, double x, double y) { return r->direction > 0 ? x < y : x > y; }

static void extremum_init(const gr_reduction *r, double *s, int64_t ld) {
  for (int d = 0; d < r->dim; d++) {
    s[d * ld] = r->direction * INFINITY;
    if (r->index) s[(r->dim + d) * ld] = -1;
  }
}

/* Offers value x at index i to entry d: ties keep the lowest index, NaN is never chosen. */
static void extremum_offer(const gr_reduction *r, double *s, int64_t ld, int d, double x, double i) {
  double *v = &s[d * ld];
  if (!r->index) {
    if (better(r, x, *v)) *v = x;
    return;
  }
  double *at = &s[(r->dim + d) * ld];
  if (x == x && i >= 0 && (*at < 0 || better(r, x, *v) || (x == *v && i < *at))) {
    *v = x;
    *at = i;
  }
}

static void extremum_step(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf, const double *w,
                          int64_t sw, int64_t col) {
  (void)w, (void)sw;
  for (int d = 0; d < r->dim; d++) extremum_offer(r, s, ld, d, f[d * sf], (double)col);
}

static void extremum_merge(const gr_reduction *r, double *a, int64_t la, const double *b, int64_t lb) {
  for (int d = 0; d < r->dim; d++)
    extremum_offer(r, a, la, d, b[d * lb], r->index ? b[(r->dim + d) * lb] : 0);
}

/* ---- Top: entry d*K + k is the k-th best of component d; values, then indices ---- */

static void top_init(const gr_reduction *r, double *s, int64_t ld) {
  int n = r->dim * r->k;
  for (int e = 0; e < n; e++) {
    s[e * ld] = r->direction * INFINITY;
    s[(n + e) * ld] = -1;
  }
}

/* Does value x at index i come before y at j?  Ties keep the lowest index, NaN and an index of -1 come before nothing. */
static bool before(const gr_reduction *r, double x, double i, double y, double j) {
  return x == x && i >= 0 && (j < 0 || better(r, x, y) || (x == y && i < j));
}

/* From the end of the list up, because most values change nothing. */
static void top_offer(const gr_reduction *r, double *s, int64_t ld, int d, double x, double i) {
  double *v = s + (int64_t)d * r->k * ld, *at = s + (int64_t)(r->dim + d) * r->k * ld;
  int k = r->k;
  for (; k > 0 && before(r, x, i, v[(k - 1) * ld], at[(k - 1) * ld]); k--)
    if (k < r->k) v[k * ld] = v[(k - 1) * ld], at[k * ld] = at[(k - 1) * ld];
  if (k < r->k) v[k * ld] = x, at[k * ld] = i;
}

static void top_step(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf, const double *w,
                     int64_t sw, int64_t col) {
  (void)w, (void)sw;
  for (int d = 0; d < r->dim; d++) top_offer(r, s, ld, d, f[d * sf], (double)col);
}

/* Two sorted lists: how many of each are among the K best is counted from the front, and they are moved from the back. */
static void top_merge_lists(const gr_reduction *r, double *v, double *at, int64_t ld, const double *w, const double *from, int64_t lf) {
  int a = 0, b = 0;
  while (a + b < r->k)
    if (before(r, w[b * lf], from[b * lf], v[a * ld], at[a * ld]))
      b++;
    else
      a++;
  for (int k = r->k - 1; b > 0; k--) {
    bool first = a == 0 || before(r, v[(a - 1) * ld], at[(a - 1) * ld], w[(b - 1) * lf], from[(b - 1) * lf]);
    v[k * ld] = first ? w[(b - 1) * lf] : v[(a - 1) * ld];
    at[k * ld] = first ? from[(b - 1) * lf] : at[(a - 1) * ld];
    first ? b-- : a--;
  }
}

static void top_merge(const gr_reduction *r, double *a, int64_t la, const double *b, int64_t lb) {
  for (int d = 0; d < r->dim; d++) {
    int64_t v = (int64_t)d * r->k, at = v + (int64_t)r->dim * r->k;
    top_merge_lists(r, a + v * la, a + at * la, la, b + v * lb, b + at * lb, lb);
  }
}

/* ---- ExpSum: m = max f, then s = sum of exp(f - m) w per weight component.  f = -Inf adds nothing. ---- */

static void expsum_init(const gr_reduction *r, double *s, int64_t ld) {
  s[0] = -INFINITY;
  for (int k = 1; k <= r->nweight; k++) s[k * ld] = 0;
}

/* Factors for the sums when maxima a (kept) and b (added) meet. */
static void expsum_factors(double a, double b, double *keep, double *add) {
  double e = a == b ? 1 : exp(-fabs(b - a));
  *keep = b > a ? e : 1;
  *add = b == -INFINITY ? 0 : b > a ? 1 : e;
}

static void expsum_step(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf, const double *w,
                        int64_t sw, int64_t col) {
  (void)sf, (void)col;
  double keep, add, weight = 1;
  expsum_factors(s[0], f[0], &keep, &add);
  if (f[0] > s[0]) s[0] = f[0];
  for (int k = 0; k < r->nweight; k++) {
    if (r->has_weight) weight = r->lead ? (k ? w[(k - 1) * sw] : 1) : w[k * sw];
    s[(k + 1) * ld] = s[(k + 1) * ld] * keep + weight * add;
  }
}

static void expsum_merge(const gr_reduction *r, double *a, int64_t la, const double *b, int64_t lb) {
  double keep, add;
  expsum_factors(a[0], b[0], &keep, &add);
  if (b[0] == -INFINITY) add = 1; /* its sums are 0, or NaN, which must stay */
  if (b[0] > a[0]) a[0] = b[0];
  for (int k = 1; k <= r->nweight; k++) a[k * la] = a[k * la] * keep + b[k * lb] * add;
}

/* ---- Product ---- */

static void product_init(const gr_reduction *r, double *s, int64_t ld) {
  for (int d = 0; d < r->dim; d++) s[d * ld] = 1;
}

static void product_step(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf, const double *w,
                         int64_t sw, int64_t col) {
  (void)w, (void)sw, (void)col;
  for (int d = 0; d < r->dim; d++) s[d * ld] *= f[d * sf];
}

static void product_merge(const gr_reduction *r, double *a, int64_t la, const double *b, int64_t lb) {
  for (int d = 0; d < r->dim; d++) a[d * la] *= b[d * lb];
}

/* ---- Moments: count, means, sums of squared deviations; merged as Chan, Golub and LeVeque (1983) ---- */

static void moments_init(const gr_reduction *r, double *s, int64_t ld) {
  for (int e = 0; e < r->nstate; e++) s[e * ld] = 0;
}

static void moments_step(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf, const double *w,
                         int64_t sw, int64_t col) {
  (void)w, (void)sw, (void)col;
  double n = ++s[0];
  for (int d = 0; d < r->dim; d++) {
    double *mean = &s[(1 + d) * ld], *squares = &s[(1 + r->dim + d) * ld], delta = f[d * sf] - *mean;
    *mean += delta / n;
    *squares += delta * (f[d * sf] - *mean);
  }
}

static void moments_merge(const gr_reduction *r, double *a, int64_t la, const double *b, int64_t lb) {
  double na = a[0], nb = b[0], n = na + nb;
  if (nb == 0) return;
  a[0] = n;
  for (int d = 0; d < r->dim; d++) {
    double delta = b[(1 + d) * lb] - a[(1 + d) * la];
    a[(1 + d) * la] += delta * (nb / n);
    a[(1 + r->dim + d) * la] += b[(1 + r->dim + d) * lb] + delta * delta * (na * nb / n);
  }
}

/* ---- results ---- */

static double result(const gr_reduction *r, const double *s, int64_t ld, int d, double count) {
  switch (r->results) {
  case RES_M: return total(r, s, ld, d) / count;
  case RES_B: return s[d * ld] > 0; /* of nothing: Any is 0 (-Inf), All is 1 (Inf) */
  case RES_S: return count > 1 ? s[(1 + r->dim + d) * ld] / (count - 1) : NAN;
  case RES_L: return s[0] + log(s[(d + 1) * ld]);
  case RES_Q: return s[(d + 2) * ld] / s[ld];
  default: return r->family == FAM_Total ? total(r, s, ld, d) : s[d * ld];
  }
}

/* Is entry e of the state component e of the result? */
static bool as_kept(const gr_reduction *r) {
  return !r->kahan && (r->results == RES_V || r->results == RES_R || r->results == RES_X || r->results == RES_VX);
}

/* Numbers for rows at ... at + n of one component. */
static void put(const gr_output *out, int64_t at, const double *x, int64_t n) {
  switch (out->type) {
  case GR_F64: memcpy((double *)out->data + at, x, (size_t)n * sizeof *x); break;
  case GR_R_INT:
    for (int64_t i = 0; i < n; i++) ((int32_t *)out->data)[at + i] = x[i] < 0 ? INT32_MIN : (int32_t)x[i] + 1;
    break;
  case GR_I64:
    for (int64_t i = 0; i < n; i++) ((int64_t *)out->data)[at + i] = (int64_t)x[i];
    break;
  }
}

/* Values and indices lie in the state as D*K entries each, k running first, as in the output.  Entry by entry, so that rows are
 * copied in order: with few columns this is a good part of the work. */
void gr_red_finish(const gr_reduction *r, const double *s, int64_t ld, int64_t states, const gr_output *out, int64_t m, int64_t rows,
                   double count) {
  int n = r->out_dim * r->k;
  bool value = r->results != RES_X, index = r->results == RES_X || r->results == RES_VX, kept = as_kept(r);
  for (int e = 0; e < n; e++) {
    if (value && kept) put(&out[0], m + rows * e, s + e * ld, states);
    for (int64_t i = 0; value && !kept && i < states; i++) {
      double x = result(r, s + i, ld, e, count);
      put(&out[0], m + rows * e + i, &x, 1);
    }
    if (index) put(&out[value], m + rows * e, s + (n + e) * ld, states);
  }
}

/* ---- dispatch ---- */

static const struct {
  void (*init)(const gr_reduction *, double *, int64_t);
  void (*step)(const gr_reduction *, double *, int64_t, const double *, int64_t, const double *, int64_t, int64_t);
  void (*merge)(const gr_reduction *, double *, int64_t, const double *, int64_t);
} families[FAM_COUNT] = {[FAM_Total] = {total_init, total_step, total_merge},
                         [FAM_Extremum] = {extremum_init, extremum_step, extremum_merge},
                         [FAM_Top] = {top_init, top_step, top_merge},
                         [FAM_ExpSum] = {expsum_init, expsum_step, expsum_merge},
                         [FAM_Product] = {product_init, product_step, product_merge},
                         [FAM_Moments] = {moments_init, moments_step, moments_merge}};

static int state_size(const gr_reduction *r) {
  switch (r->family) {
  case FAM_Total: return r->kahan ? 2 * r->dim : r->dim;
  case FAM_Extremum: return r->index ? 2 * r->dim : r->dim;
  case FAM_Top: return 2 * r->dim * r->k;
  case FAM_Product: return r->dim;
  case FAM_Moments: return 1 + 2 * r->dim;
  default: return 1 + r->nweight;
  }
}

void gr_reduction_init(gr_reduction *r, gr_red red, int dim, int weight_dim, int k, bool kahan) {
  const gr_redinfo *info = &gr_reds[red];
  *r = (gr_reduction){.red = red, .family = info->family, .direction = info->direction, .results = info->results,
                      .dim = dim, .k = info->needs_k ? k : 1};
  r->index = info->results == RES_X || info->results == RES_VX;
  r->kahan = kahan && r->family == FAM_Total;
  r->has_weight = weight_dim > 0;
  r->lead = info->results == RES_Q;
  r->nweight = (weight_dim > 0 ? weight_dim : 1) + r->lead;
  r->nstate = state_size(r);
  r->nout = info->results == RES_VX ? 2 : 1;
  r->out_dim = info->results == RES_L ? r->nweight : info->results == RES_Q ? weight_dim
             : info->results == RES_R ? 1 + r->nweight : dim;
}

void gr_red_init(const gr_reduction *r, double *state, int64_t ld, int64_t rows) {
  if (rows > 0) families[r->family].init(r, state, ld);
  for (int e = 0; e < r->nstate; e++)
    for (int64_t m = 1; m < rows; m++) state[e * ld + m] = state[e * ld];
}

void gr_red_step(const gr_reduction *r, double *state, int64_t ld, const double *f, int64_t sf, const double *w,
                 int64_t sw, int64_t col) {
  families[r->family].step(r, state, ld, f, sf, w, sw, col);
}

void gr_red_merge(const gr_reduction *r, double *into, int64_t ld_into, const double *from, int64_t ld_from) {
  families[r->family].merge(r, into, ld_into, from, ld_from);
}
