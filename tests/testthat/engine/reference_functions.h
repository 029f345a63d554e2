/* reference_functions.h: the functions of one number, each with its derivatives.
 *
 * Most are found by Taylor series from a differential equation that the function solves; beside
 * each coefficient runs the sum of the absolute values of its terms, which is what rounding
 * errors are proportional to. */
#ifndef GENRED_REFERENCE_FUNCTIONS_H
#define GENRED_REFERENCE_FUNCTIONS_H

#include "reference.h"

/* On Windows sinl, cosl and tanl use the instruction fsin and its like, whose pi has 66 bits. */
#ifdef _WIN32
#include <quadmath.h>
static real sine(real x) { return (real)sinq(x); }
static real cosine(real x) { return (real)cosq(x); }
static real tangent(real x) { return (real)tanq(x); }
#else
static real sine(real x) { return sinl(x); }
static real cosine(real x) { return cosl(x); }
static real tangent(real x) { return tanl(x); }
#endif

enum { TERMS = LEVELS + 2 };

typedef struct series {
  real v[TERMS], m[TERMS];
} series;

static series series_of(real x, real slope) {
  series s = {{x, slope}, {fabsl(x), fabsl(slope)}};
  return s;
}

static series series_mul(const series *a, const series *b) {
  series r = {{0}, {0}};
  for (int k = 0; k < TERMS; k++)
    for (int i = 0; i <= k; i++) r.v[k] += a->v[i] * b->v[k - i], r.m[k] += a->m[i] * b->m[k - i];
  return r;
}

static series series_add(const series *a, const series *b, real sign) {
  series r;
  for (int k = 0; k < TERMS; k++) r.v[k] = a->v[k] + sign * b->v[k], r.m[k] = a->m[k] + b->m[k];
  return r;
}

static series series_pow(const series *a, real p) {
  series r = {{0}, {0}};
  real a0 = a->v[0], swell = a->m[0] / fabsl(a0);
  r.v[0] = p == 0.5L ? sqrtl(a0) : p == -0.5L ? 1 / sqrtl(a0) : p == -1 ? 1 / a0 : powl(a0, p);
  r.m[0] = fabsl(r.v[0]) * (1 + fabsl(p) * swell);
  for (int k = 1; k < TERMS; k++) {
    for (int i = 1; i <= k; i++) {
      real c = (p * i - (k - i)) / (k * a0);
      r.v[k] += c * a->v[i] * r.v[k - i];
      r.m[k] += fabsl(c) * a->m[i] * r.m[k - i] * swell;
    }
  }
  return r;
}

static series series_exp(const series *a) {
  series r = {{0}, {0}};
  r.v[0] = expl(a->v[0]);
  r.m[0] = fabsl(r.v[0]) * (1 + a->m[0]);
  for (int k = 1; k < TERMS; k++)
    for (int i = 1; i <= k; i++)
      r.v[k] += i * a->v[i] * r.v[k - i] / k, r.m[k] += i * a->m[i] * r.m[k - i] / k;
  return r;
}

/* The function with this value whose derivative is the series. */
static series series_integral(real value, const series *a) {
  series r = {{value}, {fabsl(value)}};
  for (int k = 1; k < TERMS; k++) r.v[k] = a->v[k - 1] / k, r.m[k] = a->m[k - 1] / k;
  return r;
}

static void to_jet(const series *s, int order, jet *j) {
  real factorial = 1;
  for (int k = 0; k <= order; k++) {
    if (k) factorial *= k;
    j->v[k] = s->v[k] * factorial, j->m[k] = s->m[k] * factorial;
  }
}

static void jet_constant(real v, int order, jet *j) {
  for (int k = 0; k <= order; k++) j->v[k] = k ? 0 : v, j->m[k] = k ? 0 : fabsl(v);
}

static void from_values(const real *v, int order, jet *j) {
  for (int k = 0; k <= order; k++) j->v[k] = v[k], j->m[k] = fabsl(v[k]);
}

/* ---- piecewise ---- */

static void jet_linear(real v, real slope, int order, jet *j) {
  jet_constant(v, order, j);
  if (order >= 1) j->v[1] = slope, j->m[1] = fabsl(slope);
}
static real sign_of(real x) { return isnan(x) ? x : x > 0 ? 1 : x < 0 ? -1 : 0; }
static void jet_abs(real x, int order, jet *j) { jet_linear(fabsl(x), sign_of(x), order, j); }
static void jet_sign(real x, int order, jet *j) { jet_constant(sign_of(x), order, j); }
static void jet_step(real x, int order, jet *j) { jet_constant(isnan(x) ? x : x >= 0, order, j); }
static void jet_relu(real x, int order, jet *j) { jet_linear(isnan(x) ? x : x >= 0 ? x : 0, x >= 0, order, j); }
static void jet_floor(real x, int order, jet *j) { jet_constant(floorl(x), order, j); }
static void jet_ceil(real x, int order, jet *j) { jet_constant(ceill(x), order, j); }
static void jet_round(real x, int order, jet *j) { jet_constant(roundl(x), order, j); }
static void jet_not(real x, int order, jet *j) { jet_constant(x == 0, order, j); }

/* ---- powers ---- */

static void jet_square(real x, int order, jet *j) {
  jet_constant(x * x, order, j);
  if (order >= 1) j->v[1] = 2 * x, j->m[1] = fabsl(2 * x);
  if (order >= 2) j->v[2] = j->m[2] = 2;
}
static int jet_power_of = 2; /* set by the caller */
static real whole_power(real x, int n) {
  real r = 1;
  for (int k = 0; k < abs(n); k++) r *= x;
  return n < 0 ? 1 / r : r;
}
static void jet_power(real x, int order, jet *j) {
  real c = 1;
  int n = jet_power_of;
  for (int k = 0; k <= order; k++, c *= n, n--) j->v[k] = c == 0 ? 0 : c * whole_power(x, n), j->m[k] = fabsl(j->v[k]);
}
static void jet_sqrt(real x, int order, jet *j) {
  series a = series_of(x, 1), r = series_pow(&a, 0.5L);
  to_jet(&r, order, j);
  j->m[0] = fabsl(j->v[0]);
  if (x == 0 || isinf(x)) jet_constant(sqrtl(x), order, j);
}
static void jet_rsqrt(real x, int order, jet *j) {
  series a = series_of(x, 1), r = series_pow(&a, -0.5L);
  to_jet(&r, order, j);
  j->m[0] = fabsl(j->v[0]);
  if (x == 0) jet_constant(0, order, j);
}

/* ---- exponentials ---- */

static void jet_exp(real x, int order, jet *j) {
  for (int k = 0; k <= order; k++) j->v[k] = j->m[k] = expl(x);
}
static void jet_exp2(real x, int order, jet *j) {
  real c = 1;
  for (int k = 0; k <= order; k++, c *= logl(2.0L)) j->v[k] = j->m[k] = c * exp2l(x);
}
static void jet_expm1(real x, int order, jet *j) {
  jet_exp(x, order, j);
  j->v[0] = expm1l(x), j->m[0] = fabsl(j->v[0]);
}
static void jet_log(real x, int order, jet *j) {
  real p = 1 / x;
  jet_constant(logl(x), order, j);
  for (int k = 1; k <= order; k++, p *= -(k - 1) / x) j->v[k] = p, j->m[k] = fabsl(p);
}
static void jet_log1p(real x, int order, jet *j) {
  jet_log(1 + x, order, j);
  for (int k = 1; k <= order; k++) j->m[k] *= k * (1 + fabsl(x)) / fabsl(1 + x);
  j->v[0] = log1pl(x), j->m[0] = fabsl(j->v[0]);
}
static void jet_xlogx(real x, int order, jet *j) {
  jet_log(x, order, j);
  for (int k = order; k >= 1; k--) {
    j->v[k] = x * j->v[k] + k * j->v[k - 1];
    j->m[k] = fabsl(x) * j->m[k] + k * j->m[k - 1];
  }
  j->v[0] = x == 0 ? 0 : x * logl(x), j->m[0] = fabsl(j->v[0]);
}
static void jet_sinh(real x, int order, jet *j) {
  for (int k = 0; k <= order; k++) j->v[k] = k % 2 ? coshl(x) : sinhl(x), j->m[k] = fabsl(j->v[k]);
}
static void jet_cosh(real x, int order, jet *j) {
  for (int k = 0; k <= order; k++) j->v[k] = k % 2 ? sinhl(x) : coshl(x), j->m[k] = fabsl(j->v[k]);
}
/* y' = a + b y + c y^2 from y(x) */
static series riccati(real y, real a, real b, real c) {
  series r = {{y}, {fabsl(y)}};
  for (int k = 0; k + 1 < TERMS; k++) {
    real v = b * r.v[k] + (k ? 0 : a), m = fabsl(b) * r.m[k] + (k ? 0 : fabsl(a));
    for (int i = 0; i <= k; i++) v += c * r.v[i] * r.v[k - i], m += fabsl(c) * r.m[i] * r.m[k - i];
    r.v[k + 1] = v / (k + 1), r.m[k + 1] = m / (k + 1);
  }
  return r;
}
static void jet_tanh(real x, int order, jet *j) {
  series r = riccati(tanhl(x), 1, 0, -1);
  to_jet(&r, order, j);
}
static real sigmoid(real x) { return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x)); }
static void jet_sigmoid(real x, int order, jet *j) {
  series r = riccati(isinf(x) ? x > 0 : sigmoid(x), 0, 1, -1);
  to_jet(&r, order, j);
}
static void jet_softplus(real x, int order, jet *j) {
  series d = riccati(isinf(x) ? x > 0 : sigmoid(x), 0, 1, -1);
  series r = series_integral(x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)), &d);
  to_jet(&r, order, j);
}

/* ---- angles ---- */

static void jet_sin(real x, int order, jet *j) {
  real v[] = {sine(x), cosine(x), -sine(x), -cosine(x), sine(x), cosine(x)};
  from_values(v, order, j);
}
static void jet_cos(real x, int order, jet *j) {
  real v[] = {cosine(x), -sine(x), -cosine(x), sine(x), cosine(x), -sine(x)};
  from_values(v, order, j);
}
static void jet_tan(real x, int order, jet *j) {
  series r = riccati(tangent(x), 1, 0, 1);
  to_jet(&r, order, j);
}
static series one_and_square(real x, real sign) { /* 1 + sign x^2 */
  series a = series_of(x, 1), s = series_mul(&a, &a);
  series one = {{1}, {1}};
  return series_add(&one, &s, sign);
}
static void jet_asin(real x, int order, jet *j) {
  series u = one_and_square(x, -1), d = series_pow(&u, -0.5L), r = series_integral(asinl(x), &d);
  to_jet(&r, order, j);
}
static void jet_acos(real x, int order, jet *j) {
  jet_asin(x, order, j);
  for (int k = 1; k <= order; k++) j->v[k] = -j->v[k];
  j->v[0] = acosl(x), j->m[0] = fabsl(j->v[0]);
}
static void jet_atan(real x, int order, jet *j) {
  series u = one_and_square(x, 1), d = series_pow(&u, -1), r = series_integral(atanl(x), &d);
  to_jet(&r, order, j);
}
static void jet_erf(real x, int order, jet *j) {
  series a = series_of(x, 1), s = series_mul(&a, &a), zero = {{0}, {0}};
  s = series_add(&zero, &s, -1);
  series d = series_exp(&s);
  for (int k = 0; k < TERMS; k++) d.v[k] *= 1.12837916709551257389615890312154517L, d.m[k] *= 1.12837916709551257389615890312154517L;
  series r = series_integral(erfl(x), &d);
  to_jet(&r, order, j);
}
static void jet_erfc(real x, int order, jet *j) {
  jet_erf(x, order, j);
  for (int k = 1; k <= order; k++) j->v[k] = -j->v[k];
  j->v[0] = erfcl(x), j->m[0] = fabsl(j->v[0]);
}
/* sin(x) / x: the k-th derivative is that of the power series, term by term. */
static void jet_sinc(real x, int order, jet *j) {
  real ax = fabsl(x);
  if (ax > 3) {
    series a = series_of(x, 1), inv = series_pow(&a, -1), s = {{0}, {0}};
    jet t;
    jet_sin(x, TERMS - 1, &t);
    real factorial = 1;
    for (int k = 0; k < TERMS; k++, factorial *= k) s.v[k] = t.v[k] / factorial, s.m[k] = 1 / factorial;
    series r = series_mul(&s, &inv);
    to_jet(&r, order, j);
  } else {
    for (int k = 0; k <= order; k++) {
      real sum = 0, c = 1; /* (-1)^n x^(2n-k) (2n)! / (2n-k)! / (2n+1)! */
      for (int n = 0; n < 40; n++) {
        c = n ? -c / ((2.0L * n) * (2 * n + 1)) : 1;
        if (2 * n < k) continue;
        real t = c;
        for (int i = 0; i < k; i++) t *= 2 * n - i;
        sum += t * powl(x, 2 * n - k);
      }
      j->v[k] = sum, j->m[k] = fabsl(sum);
      if (k >= 2) j->m[k] += ax >= 1 ? 2 * k : 2 * k / powl(ax, k - 1); /* from quotients by x */
    }
  }
  j->v[0] = x == 0 ? 1 : sine(x) / x, j->m[0] = fabsl(j->v[0]);
}

#include "reference_gamma.h"

#endif
