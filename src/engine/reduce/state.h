/* state.h: the state of a reduction: how it begins, takes in another state and becomes a result.
 *
 * One source for the engine (reduce.c) and, as text, for kernels on devices: plain C that is C++ as
 * well, includes nothing and calls exp, log and fabs only.  The types are always there; the
 * functions are where GR_STATE (what stands before each of them) is defined.  State entry e of a
 * row is s[e * ld], so that one row's state may be contiguous (ld = 1) or a column of a block.
 *
 * A family FAM_NAME has init_NAME and merge_NAME here, size_NAME and step_NAME in reduce.c and
 * its row of the planner in plan/families.c; results RES_NAME have result_NAME here and dim_NAME
 * in reduce.c.  All are found by name, so that a family without one of them does not compile. */
#ifndef GENRED_STATE_TYPES
#define GENRED_STATE_TYPES

#define GR_FAMILIES(FAMILY)                                                                        \
  FAMILY(Total) FAMILY(Extremum) FAMILY(Top) FAMILY(ExpSum) FAMILY(Product) FAMILY(Moments)
#define FAMILY(name) FAM_##name,
typedef enum gr_family { GR_FAMILIES(FAMILY) FAM_COUNT } gr_family;
#undef FAMILY
#define GR_RESULTS(RES) RES(V) RES(X) RES(VX) RES(R) RES(L) RES(Q) RES(M) RES(B) RES(S)
#define RESULTS(name) RES_##name,
typedef enum gr_results { GR_RESULTS(RESULTS) RES_COUNT } gr_results;
#undef RESULTS

/* A reduction with its sizes.  State entry e of a row is state[e * ld]. */
typedef struct gr_reduction {
  int red; /* gr_red */
  gr_family family;
  int direction;
  gr_results results;
  int dim;     /* of the formula */
  int k;       /* K, or 1 */
  int nweight; /* ExpSum: components of s: 1 without weight, 1 + its dim for SumSoftMaxWeight */
  bool lead;       /* ExpSum: s[0] has weight 1 */
  bool has_weight; /* ExpSum: there is a weight formula */
  bool index;      /* Extremum: indices are kept too */
  bool kahan;      /* Total: compensations are kept too */
  int nstate;  /* doubles of state per row */
  int nout;    /* results */
  int out_dim; /* D of each result */
} gr_reduction;
#endif

#ifdef GR_STATE
/* ---- Total: D sums, and with Kahan's scheme D compensations (what the sums exceed) ---- */

GR_STATE void init_Total(const gr_reduction *r, double *s, int64_t ld) {
  for (int e = 0; e < r->nstate; e++) s[e * ld] = 0;
}

GR_STATE void kahan_add(double *sum, double *comp, double x) {
  volatile double y = x - *comp, t = *sum + y; /* so that the compiler keeps the compensation */
  *comp = (t - *sum) - y;
  *sum = t;
}

GR_STATE void total_add(const gr_reduction *r, double *s, int64_t ld, int d, double x) {
  if (r->kahan)
    kahan_add(&s[d * ld], &s[(r->dim + d) * ld], x);
  else
    s[d * ld] += x;
}

GR_STATE double total(const gr_reduction *r, const double *s, int64_t ld, int d) {
  double comp = r->kahan ? s[(r->dim + d) * ld] : 0;
  return comp == comp ? s[d * ld] - comp : s[d * ld]; /* an infinite sum has a NaN compensation */
}

GR_STATE void merge_Total(const gr_reduction *r, double *a, int64_t la, const double *b,
                          int64_t lb) {
  for (int d = 0; d < r->dim; d++) total_add(r, a, la, d, total(r, b, lb, d));
}

/* ---- Extremum: D values, and when asked for D indices ---- */

GR_STATE bool better(const gr_reduction *r, double x, double y) {
  return r->direction > 0 ? x < y : x > y;
}

GR_STATE void init_Extremum(const gr_reduction *r, double *s, int64_t ld) {
  for (int d = 0; d < r->dim; d++) {
    s[d * ld] = r->direction * INFINITY;
    if (r->index) s[(r->dim + d) * ld] = -1;
  }
}

/* Offers value x at index i to entry d: ties keep the lowest index, NaN is never chosen. */
GR_STATE void extremum_offer(const gr_reduction *r, double *s, int64_t ld, int d, double x,
                             double i) {
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

GR_STATE void merge_Extremum(const gr_reduction *r, double *a, int64_t la, const double *b,
                             int64_t lb) {
  for (int d = 0; d < r->dim; d++)
    extremum_offer(r, a, la, d, b[d * lb], r->index ? b[(r->dim + d) * lb] : 0);
}

/* ---- Top: entry d*K + k is the k-th best of component d; values, then indices ---- */

GR_STATE void init_Top(const gr_reduction *r, double *s, int64_t ld) {
  int n = r->dim * r->k;
  for (int e = 0; e < n; e++) {
    s[e * ld] = r->direction * INFINITY;
    s[(n + e) * ld] = -1;
  }
}

/* Does value x at index i come before y at j?  Ties keep the lowest index, NaN and an index of
 * -1 come before nothing. */
GR_STATE bool before(const gr_reduction *r, double x, double i, double y, double j) {
  return x == x && i >= 0 && (j < 0 || better(r, x, y) || (x == y && i < j));
}

/* Two sorted lists: how many of each are among the K best is counted from the front, and they
 * are moved from the back. */
GR_STATE void top_merge_lists(const gr_reduction *r, double *v, double *at, int64_t ld,
                              const double *w, const double *from, int64_t lf) {
  int a = 0, b = 0;
  while (a + b < r->k)
    if (before(r, w[b * lf], from[b * lf], v[a * ld], at[a * ld]))
      b++;
    else
      a++;
  for (int k = r->k - 1; b > 0; k--) {
    int64_t mine = (a - 1) * ld, other = (b - 1) * lf;
    bool first = a == 0 || before(r, v[mine], at[mine], w[other], from[other]);
    v[k * ld] = first ? w[other] : v[mine];
    at[k * ld] = first ? from[other] : at[mine];
    first ? b-- : a--;
  }
}

GR_STATE void merge_Top(const gr_reduction *r, double *a, int64_t la, const double *b, int64_t lb) {
  for (int d = 0; d < r->dim; d++) {
    int64_t v = (int64_t)d * r->k, at = v + (int64_t)r->dim * r->k;
    top_merge_lists(r, a + v * la, a + at * la, la, b + v * lb, b + at * lb, lb);
  }
}

/* ---- ExpSum: m = max f, then s = sum of exp(f - m) w per weight component ---- */

/* f = -Inf adds nothing. */

GR_STATE void init_ExpSum(const gr_reduction *r, double *s, int64_t ld) {
  s[0] = -INFINITY;
  for (int k = 1; k <= r->nweight; k++) s[k * ld] = 0;
}

/* Factors for the sums when maxima a (kept) and b (added) meet: 0 for b = -Inf only, as weights
 * may be infinite, and 0 times Inf is NaN. */
GR_STATE void expsum_factors(double a, double b, double *keep, double *add) {
  const double least = 0x1p-1022;
  double e = a == b ? 1 : exp(-fabs(b - a));
  if (e < least) e = least;
  *keep = b > a ? e : 1;
  *add = b == -INFINITY ? 0 : b > a ? 1 : e;
}

GR_STATE void merge_ExpSum(const gr_reduction *r, double *a, int64_t la, const double *b,
                           int64_t lb) {
  double keep, add;
  expsum_factors(a[0], b[0], &keep, &add);
  if (b[0] == -INFINITY) add = 1; /* its sums are 0, or NaN, which must stay */
  if (b[0] > a[0]) a[0] = b[0];
  for (int k = 1; k <= r->nweight; k++) a[k * la] = a[k * la] * keep + b[k * lb] * add;
}

/* ---- Product ---- */

GR_STATE void init_Product(const gr_reduction *r, double *s, int64_t ld) {
  for (int d = 0; d < r->dim; d++) s[d * ld] = 1;
}

GR_STATE void merge_Product(const gr_reduction *r, double *a, int64_t la, const double *b,
                            int64_t lb) {
  for (int d = 0; d < r->dim; d++) a[d * la] *= b[d * lb];
}

/* ---- Moments: count, means, sums of squared deviations ---- */

/* Merged as Chan, Golub and LeVeque (1983). */

GR_STATE void init_Moments(const gr_reduction *r, double *s, int64_t ld) {
  for (int e = 0; e < r->nstate; e++) s[e * ld] = 0;
}

GR_STATE void merge_Moments(const gr_reduction *r, double *a, int64_t la, const double *b,
                            int64_t lb) {
  double na = a[0], nb = b[0], n = na + nb;
  if (nb == 0) return;
  a[0] = n;
  for (int d = 0; d < r->dim; d++) {
    double delta = b[(1 + d) * lb] - a[(1 + d) * la];
    a[(1 + d) * la] += delta * (nb / n);
    a[(1 + r->dim + d) * la] += b[(1 + r->dim + d) * lb] + delta * delta * (na * nb / n);
  }
}

/* ---- results: component d of the result of a state into which `count` pairs went ---- */

GR_STATE double result_V(const gr_reduction *r, const double *s, int64_t ld, int d, double count) {
  return (void)count, r->family == FAM_Total ? total(r, s, ld, d) : s[d * ld];
}
#define result_X result_V /* indices follow the values */
#define result_VX result_V
#define result_R result_V

GR_STATE double result_L(const gr_reduction *r, const double *s, int64_t ld, int d, double count) {
  return (void)r, (void)count, s[0] + log(s[(d + 1) * ld]);
}

GR_STATE double result_Q(const gr_reduction *r, const double *s, int64_t ld, int d, double count) {
  return (void)r, (void)count, s[(d + 2) * ld] / s[ld];
}

GR_STATE double result_M(const gr_reduction *r, const double *s, int64_t ld, int d, double count) {
  return total(r, s, ld, d) / count;
}

GR_STATE double result_B(const gr_reduction *r, const double *s, int64_t ld, int d, double count) {
  return (void)r, (void)count, s[d * ld] > 0; /* of no pairs: Any is 0 (-Inf), All is 1 (Inf) */
}

GR_STATE double result_S(const gr_reduction *r, const double *s, int64_t ld, int d, double count) {
  return count > 1 ? s[(1 + r->dim + d) * ld] / (count - 1) : NAN;
}

/* ---- by family and results ---- */

/* These are switches, which a compiler folds where the reduction is a constant, as in a kernel. */

GR_STATE double gr_state_result(const gr_reduction *r, const double *s, int64_t ld, int d,
                                double count) {
  switch (r->results) {
#define RESULTS(name) case RES_##name: return result_##name(r, s, ld, d, count);
    GR_RESULTS(RESULTS)
#undef RESULTS
  case RES_COUNT: break;
  }
  return NAN;
}

GR_STATE void gr_state_init(const gr_reduction *r, double *s, int64_t ld) {
  switch (r->family) {
#define FAMILY(name) case FAM_##name: init_##name(r, s, ld); break;
    GR_FAMILIES(FAMILY)
#undef FAMILY
  case FAM_COUNT: break;
  }
}

/* State a takes in state b. */
GR_STATE void gr_state_merge(const gr_reduction *r, double *a, int64_t la, const double *b,
                             int64_t lb) {
  switch (r->family) {
#define FAMILY(name) case FAM_##name: merge_##name(r, a, la, b, lb); break;
    GR_FAMILIES(FAMILY)
#undef FAMILY
  case FAM_COUNT: break;
  }
}
#endif
