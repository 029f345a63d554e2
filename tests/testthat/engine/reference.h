/* reference.h: numbers of the reference evaluator.
 *
 * The reference is written from the description of the language alone and shares no code with
 * the engine.  A number is a value in long double with a bound on what evaluating the same thing
 * in the working precision may differ by, and with its derivatives: coefficient S of v is that
 * of the product of the perturbations in the set S, each of which squares to zero.  A derivative
 * of order L is thereby exact, by plain arithmetic.  An infinite bound says that the
 * working precision does not determine the value. */
#ifndef GENRED_REFERENCE_H
#define GENRED_REFERENCE_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef long double real;

enum { LEVELS = 3, COEFS = 1 << LEVELS };

typedef struct num {
  real v[COEFS], e[COEFS];
} num;

/* The working precision, and how many perturbations are there. */
static struct work {
  bool f64;
  real ulp, max, min;
  int levels, coefs;
} W;

static void work_in(bool f64) {
  W.f64 = f64;
  W.ulp = f64 ? DBL_EPSILON : FLT_EPSILON;
  W.max = f64 ? DBL_MAX : FLT_MAX;
  W.min = f64 ? DBL_MIN : FLT_MIN;
  W.levels = 0;
  W.coefs = 1;
}

static bool representable(real v) { return W.f64 ? (double)v == v : (float)v == v; }

static const num num_nothing;

static num num_zero(void) {
  num r = num_nothing;
  for (int s = 0; s < W.coefs; s++) r.v[s] = r.e[s] = 0;
  return r;
}

/* A value as it is after rounding to the working precision: v exact for the operands' values, e
 * the bound that comes from theirs, ulps the operation's own, of the magnitude mag. */
static void settle(num *r, int s, real v, real e, real mag, real ulps) {
  if (isnan(e) || isinf(e) || (s && !isfinite(v))) {
    r->v[s] = v, r->e[s] = INFINITY;
    return;
  }
  if (!isfinite(v)) {
    r->v[s] = v, r->e[s] = isnan(v) && e > 0 ? INFINITY : 0;
    return;
  }
  e += ulps * W.ulp * mag;
  real a = fabsl(v);
  if (a + e > W.max) {
    bool sure = a - e > W.max * (1 + W.ulp);
    r->v[s] = sure ? copysignl(INFINITY, v) : v;
    r->e[s] = sure && !s ? 0 : INFINITY;
    return;
  }
  if ((v != 0 || e > 0) && a - e < W.min) e += W.min; /* subnormal numbers may be flushed to 0 */
  r->v[s] = v, r->e[s] = e;
}

/* Likewise of a sum, product or quotient, which is exact where it fits. */
static void settle_exact(num *r, int s, real v, real e, real mag, real ulps) {
  bool exact = e == 0 && isfinite(v) && representable(v) && representable(mag) && (v == 0 || fabsl(v) >= W.min);
  settle(r, s, v, e, exact ? 0 : mag, ulps);
}

static num num_exact(real v) {
  num r = num_zero();
  r.v[0] = v;
  return r;
}

/* Whether these numbers add up exactly in any order: mag is the sum of their absolute values. */
static bool on_grid(const real *x, int64_t n, int64_t step, real mag) {
  if (!(mag > 0) || isinf(mag)) return mag == 0;
  real unit = W.ulp * exp2l(floorl(log2l(mag)));
  for (int64_t k = 0; k < n; k++)
    if (fmodl(x[k * step], unit) != 0) return false;
  return true;
}

/* A constant or an argument: rounded once where it does not fit. */
static num num_rounded(real v) {
  num r = num_zero();
  settle(&r, 0, v, 0, isnan(v) || representable(v) ? 0 : fabsl(v), 0.5L);
  if (isfinite(v) && representable(v)) r.v[0] = v, r.e[0] = 0;
  return r;
}

static bool nothing(const num *a, int s) { return a->v[s] == 0 && a->e[s] == 0; }

static bool sound_part(const num *a, int s) { return isfinite(a->v[s]) && isfinite(a->e[s]); }

static num num_add(num a, num b, int sign) {
  num r = num_nothing;
  for (int s = 0; s < W.coefs; s++) {
    real v = a.v[s] + sign * b.v[s];
    settle_exact(&r, s, v, a.e[s] + b.e[s], fabsl(v), 1);
    if (isnan(v) && !isnan(a.v[s]) && !isnan(b.v[s])) r.e[s] = INFINITY; /* likewise */
    if (s && nothing(&b, s)) r.v[s] = a.v[s], r.e[s] = a.e[s];
    if (s && nothing(&a, s)) r.v[s] = sign * b.v[s], r.e[s] = b.e[s];
  }
  return r;
}

static num num_minus(num a) {
  for (int s = 0; s < W.coefs; s++) a.v[s] = -a.v[s];
  return a;
}

static real product_error(const num *a, int s, const num *b, int t) {
  real x = fabsl(a->v[s]), y = fabsl(b->v[t]), ex = a->e[s], ey = b->e[t];
  if (ex == 0 && ey == 0) return 0;
  if (isinf(x) || isinf(y)) return (isinf(x) ? y > ey : x > ex) && !isinf(ex) && !isinf(ey) ? 0 : INFINITY;
  return (ey == 0 ? 0 : x * ey) + (ex == 0 ? 0 : y * ex) + (ex == 0 || ey == 0 ? 0 : ex * ey);
}

static num num_mul(num a, num b) {
  num r = num_nothing;
  for (int s = 0; s < W.coefs; s++) {
    real v = 0, e = 0, mag = 0, product[COEFS];
    int terms = 0;
    for (int t = s;; t = (t - 1) & s) { /* every subset t of s */
      int u = s & ~t;
      bool none = (nothing(&a, t) && sound_part(&b, u)) || (nothing(&b, u) && sound_part(&a, t));
      if (!s || !none) {
        real p = a.v[t] * b.v[u];
        v += p, mag += fabsl(p), e += product_error(&a, t, &b, u);
        product[terms++] = p;
      }
      if (!t) break;
    }
    if (!s) v = a.v[0] * b.v[0]; /* the sign of 0 */
    if (terms < 2 || on_grid(product, terms, 1, mag)) settle_exact(&r, s, v, e, s ? mag : fabsl(v), s ? terms + 1 : 1);
    else settle(&r, s, v, e, mag, terms + 1);
  }
  return r;
}

/* ---- functions of one number ---- */

/* The derivatives of a function at a point, and the magnitudes of what they are sums of. */
typedef struct jet {
  real v[LEVELS + 2], m[LEVELS + 2];
} jet;

typedef void (*function)(real x, int order, jet *j);

static real spread(real at, real lo, real hi) {
  if (at == lo && at == hi) return 0;
  if (isnan(at) && isnan(lo) && isnan(hi)) return 0;
  if (!isfinite(at) || !isfinite(lo) || !isfinite(hi)) return INFINITY;
  real a = fabsl(lo - at), b = fabsl(hi - at);
  return 1.5L * (a > b ? a : b);
}

/* d0 + d1 n + d2 n^2 / 2 + ...: a function of x from its derivatives at the value of x, n the
 * perturbation. */
static void num_chain(num *r, const num *x, const jet *j, const real *err, real ulps) {
  num n = *x, power;
  n.v[0] = n.e[0] = 0;
  power = n;
  real v[COEFS] = {0}, e[COEFS] = {0}, m[COEFS] = {0}, factorial = 1;
  for (int k = 1; k <= W.levels; k++) {
    if (k > 1) power = num_mul(power, n);
    factorial *= k;
    for (int s = 1; s < W.coefs; s++) {
      if (nothing(&power, s)) continue;
      real p = power.v[s] / factorial, q = power.e[s] / factorial, t = j->v[k] * p;
      v[s] += t, m[s] += fabsl(t);
      e[s] += (err[k] == 0 ? 0 : err[k] * (fabsl(p) + q)) + (q == 0 ? 0 : fabsl(j->v[k]) * q);
    }
  }
  for (int s = 1; s < W.coefs; s++) settle(r, s, v[s], e[s], m[s], ulps);
}

static bool exact_where_it_fits; /* set by the caller */

static num num_apply(function f, num x, real ulps) {
  num r = num_zero();
  jet j, lo, hi;
  real err[LEVELS + 1], a = x.v[0], e = x.e[0];
  int order = W.levels ? W.levels + 1 : 0;
  if (isinf(e)) {
    for (int s = 0; s < W.coefs; s++) r.v[s] = NAN, r.e[s] = INFINITY;
    return r;
  }
  f(a, order, &j);
  if (e > 0) f(a - e, order, &lo), f(a + e, order, &hi);
  for (int k = 0; k <= W.levels; k++) {
    err[k] = e > 0 ? spread(j.v[k], lo.v[k], hi.v[k]) : 0;
    /* an extremum between the points is missed */
    if (e > 0.3L && isfinite(a)) err[k] = err[k] > 0 || k || e > 2 ? INFINITY : 0;
    if (k) err[k] += W.ulp * (ulps * j.m[k] + (j.v[k + 1] == 0 || a == 0 ? 0 : 2 * fabsl(a * j.v[k + 1])));
  }
  real own = j.m[0];
  if (e == 0 && (ulps <= 1 || exact_where_it_fits)) settle_exact(&r, 0, j.v[0], 0, own, ulps);
  else settle(&r, 0, j.v[0], err[0], own, ulps);
  if (W.levels) num_chain(&r, &x, &j, err, 3);
  return r;
}

/* ---- division ---- */

static void jet_inv(real x, int order, jet *j) {
  real p = 1 / x;
  for (int k = 0; k <= order; k++, p *= -k / x) j->v[k] = p, j->m[k] = fabsl(p);
}

static bool signed_zeros; /* whether the sign of a 0 is known, and with it that of its inverse */

static num num_div(num a, num b) {
  num r = num_zero();
  real x = a.v[0], y = b.v[0], v = x / y, e = 0;
  if (W.levels) r = num_mul(a, num_apply(jet_inv, b, 1));
  if (a.e[0] > 0 || b.e[0] > 0) {
    real gap = fabsl(y) - b.e[0];
    if (isinf(y) && isfinite(x)) e = isinf(a.e[0]) ? INFINITY : 0;
    else e = gap > 0 ? (a.e[0] + (b.e[0] == 0 ? 0 : fabsl(v) * b.e[0])) / gap : INFINITY;
    if (y == 0 && b.e[0] == 0 && fabsl(x) > a.e[0]) e = 0;
  }
  if (y == 0 && !signed_zeros) e = INFINITY;
  bool exact = e == 0 && isfinite(v) && v * y == x;
  if (exact) settle_exact(&r, 0, v, 0, fabsl(v), 1);
  else settle(&r, 0, v, e, fabsl(v), 1);
  return r;
}

/* Likewise, by whatever steps. */
static num num_div_any(num a, num b) {
  num r = num_div(a, b);
  settle(&r, 0, r.v[0], r.e[0], fabsl(r.v[0]), 3);
  return r;
}

/* ---- sums ---- */

/* Adds up x[0], x[step], ...; a sum of d terms in any order. */
static num num_sum(const num *x, int d, int step) {
  num r = num_nothing;
  for (int s = 0; s < W.coefs; s++) {
    real v = 0, e = 0, mag = 0;
    for (int k = 0; k < d; k++) {
      const num *t = x + k * step;
      v += t->v[s], e += t->e[s], mag += fabsl(t->v[s]);
    }
    bool exact = e == 0 && on_grid(x->v + s, d, (int64_t)step * (int64_t)(sizeof(num) / sizeof(real)), mag);
    settle(&r, s, v, e, exact ? 0 : mag, d > 1 ? 0.5L * d : 0);
    /* a fused multiply-add does not overflow where a product does */
    if (isinf(mag) && isnan(v)) r.e[s] = INFINITY;
  }
  return r;
}

/* ---- what is not smooth ---- */

/* 1 where a < b (a == b with `equal`), 0 where not, between the two where the bounds do not
 * tell. */
static num num_compare(num a, num b, int kind) { /* 0: ==, 1: <, 2: <= */
  real x = a.v[0], y = b.v[0], e = a.e[0] + b.e[0];
  num r = num_zero();
  bool sure = e == 0 || fabsl(x - y) > e || (!isinf(e) && (isnan(x) || isnan(y) || (isinf(x) != isinf(y))));
  if (sure) r.v[0] = kind == 0 ? x == y : kind == 1 ? x < y : x <= y;
  else r.v[0] = r.e[0] = 0.5L;
  return r;
}

static num num_hull(num a, num b) { /* either */
  for (int s = 0; s < W.coefs; s++) {
    if (nothing(&a, s) && nothing(&b, s)) continue;
    real e = a.e[s] > b.e[s] ? a.e[s] : b.e[s], d = fabsl(a.v[s] - b.v[s]);
    a.e[s] = isnan(d) ? INFINITY : e + d;
  }
  return a;
}

/* IfElse: g where f >= 0. */
static num num_choose(num f, num g, num h) {
  num c = num_compare(num_zero(), f, 2);
  return c.e[0] > 0 ? num_hull(g, h) : c.v[0] != 0 ? g : h;
}

#endif
