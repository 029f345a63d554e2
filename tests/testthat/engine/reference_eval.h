/* reference_eval.h: the value of a formula for one pair (i, j), straight from the tree. */
#ifndef GENRED_REFERENCE_EVAL_H
#define GENRED_REFERENCE_EVAL_H

#include "reference_tree.h"

/* Component `component` of variable `var` is perturbed by perturbation `bit`, with the given
 * weight. */
typedef struct perturbation {
  int var, component, bit;
  num weight; /* of the perturbations outside */
  bool weighted;
} perturbation;

static struct {
  const variable *vars;
  int64_t row[3]; /* i, j, 0 */
  perturbation p[64];
  int perturbations;
  long work;
  bool far; /* arguments lie near FAR, and their differences alone matter */
} E;

static const double FAR = 4800000;

static void eval(const node *x, num *out);

static num bc(const num *x, int dim, int k) { return x[dim == 1 ? 0 : k]; }

static num sum_of_products(const num *a, int step_a, const num *b, int step_b, int d) {
  num t[DIM_MAX];
  t[0] = num_nothing;
  for (int k = 0; k < d; k++) t[k] = num_mul(a[k * step_a], b[k * step_b]);
  return num_sum(t, d, 1);
}

static void eval_var(const node *x, num *out) {
  const variable *v = &E.vars[x->n[0]];
  for (int k = 0; k < x->dim; k++) {
    double t = v->data[E.row[v->cat] + k * v->stride];
    out[k] = E.far ? num_exact(t) : num_rounded(t);
    if (E.far) out[k].e[0] = W.ulp * 4; /* of about the differences */
    if (E.far && W.f64) out[k].e[0] = W.ulp * fabs(t);
  }
  for (int i = 0; i < E.perturbations; i++) {
    const perturbation *p = &E.p[i];
    if (p->var != x->n[0]) continue;
    num *t = &out[p->component];
    if (!p->weighted) t->v[p->bit] += 1;
    else
      for (int s = 0; s < p->bit; s++) t->v[s | p->bit] = p->weight.v[s], t->e[s | p->bit] = p->weight.e[s];
  }
}

static num ratio(real p, real q) { return num_div(num_exact(p), num_exact(q)); }

/* ---- element-wise ---- */

static num powf_of(num f, num g) { return num_apply(jet_exp, num_mul(g, num_apply(jet_log, f, 4)), 4); }

static num atan2_of(num f, num g) {
  num r = num_zero(), q;
  real x = g.v[0], y = f.v[0], h = hypotl(x, y), e = 0;
  bool steep = fabsl(y) > fabsl(x);
  if (W.levels) {
    if (h == 0) f.e[0] = INFINITY; /* no derivative there */
    q = num_apply(jet_atan, steep ? num_div(g, f) : num_div(f, g), 4);
    r = steep ? num_minus(q) : q;
  }
  if (h == 0 && isinf(f.e[0])) f.e[0] = 0;
  if (f.e[0] > 0 || g.e[0] > 0) {
    e = h > 2 * (f.e[0] + g.e[0]) ? 2 * (fabsl(x) * f.e[0] + fabsl(y) * g.e[0]) / (h * h) : INFINITY;
    if (x < 0 && fabsl(y) <= f.e[0]) e = INFINITY; /* either side of the cut */
  }
  if (y == 0 && x <= 0) e = INFINITY; /* the sign of 0 decides */
  settle(&r, 0, atan2l(y, x), e, fabsl(atan2l(y, x)), 4);
  return r;
}

static num hypot_of(num f, num g) {
  real max = W.max, min = W.min;
  num r = num_zero();
  real h = hypotl(f.v[0], g.v[0]);
  if (W.levels) {
    W.max = LDBL_MAX / 4, W.min = 0;
    r = num_apply(jet_sqrt, num_add(num_mul(f, f), num_mul(g, g), 1), 1);
    W.max = max, W.min = min;
  }
  if (isinf(f.v[0]) || isinf(g.v[0])) h = INFINITY;
  settle(&r, 0, h, f.e[0] + g.e[0], h, 3);
  return r;
}

static num truth(num f) { /* 1 where f is not 0 */
  num t = num_compare(f, num_zero(), 0);
  t.v[0] = 1 - t.v[0];
  return t;
}

static num both_of(num a, num b, bool or) {
  num r = num_zero();
  real lo_a = a.v[0] - a.e[0], lo_b = b.v[0] - b.e[0], hi_a = a.v[0] + a.e[0], hi_b = b.v[0] + b.e[0];
  real lo = or ? fmaxl(lo_a, lo_b) : lo_a * lo_b, hi = or ? fmaxl(hi_a, hi_b) : hi_a * hi_b;
  r.v[0] = (lo + hi) / 2, r.e[0] = (hi - lo) / 2;
  return r;
}

static num clamp_of(num f, num a, num b) {
  num low = num_compare(f, a, 1), high = num_compare(b, f, 1), r = f;
  if (isnan(f.v[0]) || !(a.v[0] <= b.v[0])) {
    for (int s = 0; s < W.coefs; s++) r.e[s] = INFINITY; /* the language does not say */
    return r;
  }
  if (low.e[0] > 0) r = num_hull(r, a);
  else if (low.v[0] != 0) r = a;
  if (high.e[0] > 0) r = num_hull(r, b);
  else if (high.v[0] != 0) r = b;
  return r;
}

static num mod_of(num f, num m, num off) {
  num q = num_apply(jet_floor, num_div(num_add(f, off, -1), m), 0);
  return num_add(f, num_mul(m, q), -1);
}

static num round_of(num f, int digits) {
  if (!digits) return num_apply(jet_round, f, 0);
  num scale = num_exact(powl(10, abs(digits)));
  num t = digits > 0 ? num_mul(f, scale) : num_div(f, scale);
  t = num_apply(jet_round, t, 0);
  return digits > 0 ? num_div(t, scale) : num_mul(t, scale);
}

static num binary(op o, num a, num b) {
  switch (o) {
    case O_Add: return num_add(a, b, 1);
    case O_Subtract: return num_add(a, b, -1);
    case O_Mult: return num_mul(a, b);
    case O_Divide: return num_div(a, b);
    case O_Powf: return powf_of(a, b);
    case O_Atan2: return atan2_of(a, b);
    case O_Hypot: return hypot_of(a, b);
    case O_And: return both_of(truth(a), truth(b), false);
    case O_Or: return both_of(truth(a), truth(b), true);
    case O_Equal: return num_compare(a, b, 0);
    case O_NotEqual: a = num_compare(a, b, 0), a.v[0] = 1 - a.v[0]; return a;
    case O_LessThan: return num_compare(a, b, 1);
    default: return num_compare(a, b, 2);
  }
}

/* ---- vectors ---- */

static num extremum(const num *x, int d, bool largest, bool position) {
  int best = -1;
  num r;
  for (int k = 0; k < d; k++)
    if (!isnan(x[k].v[0]) && (best < 0 || (largest ? x[k].v[0] > x[best].v[0] : x[k].v[0] < x[best].v[0]))) best = k;
  if (best < 0) {
    r = num_exact(position ? 0 : NAN);
    /* of nothing but NaN: the language does not say */
    for (int s = 0; s < W.coefs; s++) r.e[s] = INFINITY;
    return r;
  }
  r = position ? num_exact(best) : x[best];
  for (int k = 0; k < d; k++) {
    real gap = fabsl(x[k].v[0] - x[best].v[0]), e = x[k].e[0] + x[best].e[0];
    if (k == best || e == 0 || gap > e) continue;
    r = num_hull(r, position ? num_exact(k) : x[k]);
  }
  return r;
}

static num rsqrt_norm(const num *x, int d) { return num_apply(jet_rsqrt, sum_of_products(x, 1, x, 1, d), 3); }

static num weighted(const num *s, int ds, const num *x, int d) {
  num t[DIM_MAX];
  if (ds == 1) return num_mul(s[0], sum_of_products(x, 1, x, 1, d));
  for (int k = 0; k < d; k++)
    t[k] = ds == d ? num_mul(s[k], num_mul(x[k], x[k])) : num_mul(x[k], sum_of_products(s + k * d, 1, x, 1, d));
  return num_sum(t, d, 1);
}

static void differences(const num *f, int df, const num *g, int dg, int d, num *out) {
  for (int k = 0; k < d; k++) out[k] = num_add(bc(f, df, k), bc(g, dg, k), -1);
}

/* ---- tensors ---- */

/* Entry of the row-major tensor of this shape at these positions. */
static int offset_of(const int *shape, int axes, const int *at) {
  int r = 0;
  for (int a = 0; a < axes; a++) r = r * shape[a] + at[a];
  return r;
}

static void positions_of(const int *shape, int axes, int offset, int *at) {
  for (int a = axes - 1; a >= 0; a--) at[a] = offset % shape[a], offset /= shape[a];
}

static bool listed(const int *list, int n, int a) {
  for (int k = 0; k < n; k++)
    if (list[k] == a) return true;
  return false;
}

/* lists: shape of f, shape of g, axes of f, axes of g, and a permutation of the axes of the
 * result as in R's and numpy's transposes: axis k of the result is axis perm[k] of the
 * contraction. */
static void tensor_dot(const node *x, const num *f, const num *g, num *out) {
  int nf = x->length[0], ng = x->length[1], nc = x->length[2], kept = 0, size = 1;
  int shape[2 * AXES], of[2 * AXES], contracted[AXES];
  for (int a = 0; a < nf; a++)
    if (!listed(x->list[2], nc, a)) shape[kept] = x->list[0][a], of[kept++] = a;
  for (int a = 0; a < ng; a++)
    if (!listed(x->list[3], nc, a)) shape[kept] = x->list[1][a], of[kept++] = nf + a;
  for (int c = 0; c < nc; c++) size *= contracted[c] = x->list[0][x->list[2][c]];
  for (int o = 0; o < x->dim; o++) {
    int at[2 * AXES], plain[2 * AXES], permuted[2 * AXES], pf[AXES] = {0}, pg[AXES] = {0}, pc[AXES];
    num t[DIM_MAX];
    for (int k = 0; k < kept; k++) permuted[k] = shape[x->lists == 5 ? x->list[4][k] : k];
    positions_of(permuted, kept, o, at);
    for (int k = 0; k < kept; k++) plain[x->lists == 5 ? x->list[4][k] : k] = at[k];
    for (int k = 0; k < kept; k++) *(of[k] < nf ? &pf[of[k]] : &pg[of[k] - nf]) = plain[k];
    for (int s = 0; s < size; s++) {
      positions_of(contracted, nc, s, pc);
      for (int c = 0; c < nc; c++) pf[x->list[2][c]] = pc[c], pg[x->list[3][c]] = pc[c];
      t[s] = num_mul(f[offset_of(x->list[0], nf, pf)], g[offset_of(x->list[1], ng, pg)]);
    }
    out[o] = num_sum(t, size, 1);
  }
}

static void kron(const node *x, const num *f, const num *g, num *out) {
  int axes = x->length[0], shape[AXES], at[AXES], pf[AXES], pg[AXES];
  for (int a = 0; a < axes; a++) shape[a] = x->list[0][a] * x->list[1][a];
  for (int o = 0; o < x->dim; o++) {
    positions_of(shape, axes, o, at);
    for (int a = 0; a < axes; a++) pf[a] = at[a] / x->list[1][a], pg[a] = at[a] % x->list[1][a];
    out[o] = num_mul(f[offset_of(x->list[0], axes, pf)], g[offset_of(x->list[1], axes, pg)]);
  }
}

/* ---- others ---- */

static num part(num x, num from, num to) { /* (x - from) / (to - from), and 0 where that is 0 / 0 */
  num width = num_add(to, from, -1);
  if (nothing(&width, 0)) return num_zero();
  return num_div(num_add(x, from, -1), width);
}

static void bspline(const num *t, int knots, num x, int order, num *out) {
  num b[DIM_MAX];
  for (int k = 0; k < knots - 1; k++)
    /* t[k] <= x < t[k + 1] */
    b[k] = both_of(num_compare(t[k], x, 2), num_compare(x, t[k + 1], 1), false);
  for (int p = 1; p <= order; p++)
    for (int k = 0; k < knots - 1 - p; k++)
      b[k] = num_add(num_mul(part(x, t[k], t[k + p]), b[k]), num_mul(part(x, t[k + p + 1], t[k + 1]), b[k + 1]), 1);
  for (int k = 0; k < knots - 1 - order; k++) out[k] = b[k];
}

static num soft_min(const num *x, int n, num gamma) {
  num t[3], least = x[0];
  if (n == 1) return x[0];
  for (int k = 1; k < n; k++) least = x[k].v[0] < least.v[0] ? x[k] : least;
  for (int s = 1; s < W.coefs; s++) least.v[s] = least.e[s] = 0; /* a shift that cancels */
  least.e[0] = 0;
  for (int k = 0; k < n; k++) t[k] = num_apply(jet_exp, num_div(num_add(least, x[k], -1), gamma), 4);
  return num_add(least, num_mul(gamma, num_apply(jet_log, num_sum(t, n, 1), 4)), -1);
}

static num soft_dtw(const num *x, int n, const num *y, int m, num gamma) {
  static num r[8][8];
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < m; j++) {
      num from[3], d = num_add(x[i], y[j], -1), c = num_mul(d, d);
      int k = 0;
      if (i) from[k++] = r[i - 1][j];
      if (j) from[k++] = r[i][j - 1];
      if (i && j) from[k++] = r[i - 1][j - 1];
      r[i][j] = k ? num_add(c, soft_min(from, k, gamma), 1) : c;
    }
  }
  return r[n - 1][m - 1];
}

#include "reference_eval2.h"

#endif
