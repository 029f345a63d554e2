/* reference_weighted.h: the second half of reference_reduce.h: reductions of exponentials, with
 * weights or without, and the choice among all reductions. */
#ifndef GENRED_REFERENCE_WEIGHTED_H
#define GENRED_REFERENCE_WEIGHTED_H

/* ---- exponentials ---- */

static range max_of(const terms *t) { return kth(t, true, 0); }

static bool all_decided(const terms *t) {
  for (int64_t j = 0; j < t->n; j++)
    if (isinf(bound(t, j)) || isnan(term(t, j))) return false;
  return true;
}

/* Sums of exp(f - m) w, and of their errors and absolute values. */
static void shifted(const terms *f, const terms *w, real m, real *v, real *e, real *mag) {
  *v = *e = *mag = 0;
  for (int64_t j = 0; j < f->n; j++) {
    real d = term(f, j) - m, p = expl(d), x = w ? term(w, j) : 1, ex = w ? bound(w, j) : 0;
    if (w && isfinite(x)) *e += W.min * fabsl(x); /* a factor is never below W.min */
    if (p == 0) continue;
    *v += p * x, *mag += p * fabsl(x);
    *e += p * fabsl(x) * (expm1l(bound(f, j)) + W.ulp * (6 + 2 * fabsl(d))) + p * ex;
  }
  *e += S.acc * (S.many / 2 + 1) * *mag + W.min;
}

/* A column whose weights are all 0 takes no part. */
static int64_t without_weightless(const terms *f, const terms *w, real *v, real *e) {
  int64_t n = 0;
  for (int64_t j = 0; j < f->n; j++) {
    bool none = true, doubt = false;
    for (int k = 0; k < w->step; k++) {
      real x = w->v[j * w->step + k], ex = w->e[j * w->step + k];
      none = none && x == 0 && ex == 0;
      doubt = doubt || (fabsl(x) <= ex && ex > 0);
    }
    if (none) continue;
    v[n] = term(f, j), e[n] = doubt ? INFINITY : bound(f, j);
    n++;
  }
  return n;
}

/* w: the weight of this component; w_all: the first of all weights. */
static range reduce_shift(const terms *f, const terms *w, const terms *w_all, int component) {
  range m = max_of(f);
  real v, e, mag;
  if (w_all && f->n) {
    real *kept = malloc(sizeof *kept * 2 * (size_t)f->n);
    terms some = {kept, kept + f->n, 0, 1};
    some.n = without_weightless(f, w_all, kept, kept + f->n);
    m = max_of(&some);
    free(kept);
  }
  if (!all_decided(f) || (w && !all_decided(w_all)) || m.undecided) return undecided();
  if (component == 0) return m;
  if (isinf(m.lo) || isinf(m.hi)) return f->n ? undecided() : exactly(0);
  shifted(f, w, (m.lo + m.hi) / 2, &v, &e, &mag);
  return about(v, e + mag * (m.hi - m.lo) + W.ulp * fabsl(v));
}

static range reduce_lse(const terms *f, const terms *w) {
  real v, e, mag;
  for (int64_t j = 0; !w && j < f->n; j++)
    if (isnan(term(f, j)) && bound(f, j) == 0) return exactly(NAN);
  if (!all_decided(f) || (w && !all_decided(w))) return undecided();
  range m = max_of(f);
  if (f->n == 0) return exactly(-INFINITY);
  if (isinf(m.lo) || isinf(m.hi)) return w || m.lo != m.hi ? undecided() : exactly(m.lo);
  real c = (m.lo + m.hi) / 2;
  shifted(f, w, c, &v, &e, &mag);
  if (v < -e) return exactly(NAN);
  if (mag == 0 && e <= W.min) return exactly(-INFINITY);
  if (v <= 2 * e || isnan(v)) return undecided();
  real r = c + logl(v);
  return about(r, 1.5L * e / v + W.ulp * (fabsl(c) + 4 * fabsl(logl(v)) + fabsl(r) + 1));
}

static range reduce_softmax(const terms *f, const terms *w) {
  real v, e, mag, n, en, magn;
  if (f->n == 0 || !all_decided(f) || !all_decided(w)) return undecided();
  range m = max_of(f);
  if (isinf(m.lo) || isinf(m.hi)) return undecided();
  real c = (m.lo + m.hi) / 2;
  shifted(f, w, c, &v, &e, &mag);
  shifted(f, NULL, c, &n, &en, &magn);
  if (n <= 2 * en) return undecided();
  real r = v / n;
  return about(r, (e + fabsl(r) * en) / (n - en) + 2 * W.ulp * fabsl(r));
}

static range reduce_value(reduction r, const terms *f, const terms *w, const terms *w_all, int component, int k) {
  switch (r) {
    case R_SUM: return reduce_sum(f, false);
    case R_MEAN: return reduce_sum(f, true);
    case R_PROD: return reduce_prod(f);
    case R_VAR: return reduce_var(f);
    case R_COUNT: case R_ANY: case R_ALL: return reduce_conditions(r, f);
    case R_SHIFT: case R_SHIFT_WEIGHT: return reduce_shift(f, w, w_all, component);
    case R_LSE: case R_LSE_WEIGHT: return reduce_lse(f, w);
    case R_SOFTMAX: return reduce_softmax(f, w);
    default: return kth(f, reductions[r].largest, k);
  }
}

#endif
