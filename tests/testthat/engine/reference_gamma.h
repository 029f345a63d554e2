/* reference_gamma.h: the second half of reference_functions.h: the gamma functions, and the
 * derivative of sin(x) / x as a function of its own. */
#ifndef GENRED_REFERENCE_GAMMA_H
#define GENRED_REFERENCE_GAMMA_H

/* ---- gamma functions ---- */

/* The n-th derivative of the digamma function: upwards to where the asymptotic series holds. */
static real polygamma(int n, real x, real *mag) {
  static const real bernoulli[] = {1 / 6.0L, -1 / 30.0L, 1 / 42.0L, -1 / 30.0L, 5 / 66.0L, -691 / 2730.0L, 7 / 6.0L, -3617 / 510.0L};
  real sum = 0, m = 0, sign = n % 2 ? -1 : 1, factorial = 1, factorial1 = 1;
  for (int k = 2; k <= n; k++) factorial *= k;
  for (int k = 2; k < n; k++) factorial1 *= k;
  if (isinf(x)) return *mag = 0, x < 0 ? NAN : n ? 0 : x; /* below 0 there are poles all the way */
  if (x <= 0 && x == floorl(x)) return *mag = n % 2 ? INFINITY : NAN;
  if (x < -1e4L) return *mag = INFINITY, INFINITY;
  for (; x < 25; x++) {
    real t = -sign * factorial / powl(x, n + 1);
    sum += t, m += fabsl(t);
  }
  real t = n ? -sign * (factorial1 / powl(x, n) + factorial / (2 * powl(x, n + 1))) : logl(x) - 1 / (2 * x);
  real asymptotic = 0, c = n ? factorial * (n + 1) / 2 : 0.5L; /* (2k+n-1)! / (2k)! */
  for (int k = 1; k <= 8; k++) {
    asymptotic += bernoulli[k - 1] * c * powl(x, -(2 * k + n));
    if (n) c *= (2.0L * k + n) * (2 * k + n + 1) / ((2.0L * k + 1) * (2 * k + 2));
    else c = 0.5L / (k + 1);
  }
  t -= sign * asymptotic;
  *mag = m + fabsl(t);
  return sum + t;
}
static void jet_polygamma(int from, real x, int order, jet *j) {
  for (int k = 0; k <= order; k++) j->v[k] = polygamma(from + k, x, &j->m[k]);
}
static void jet_digamma(real x, int order, jet *j) {
  jet_polygamma(0, x, order, j);
  real unused, m = x < 0 ? polygamma(0, 1 - x, &unused) : 0;
  j->m[0] = fabsl(j->v[0]);
  if (x < 0 && j->m[0] < (m > 1 ? m : 1)) j->m[0] = m > 1 ? m : 1;
}
static void jet_trigamma(real x, int order, jet *j) { jet_polygamma(1, x, order, j); }
static void jet_lgamma(real x, int order, jet *j) {
  for (int k = 1; k <= order; k++) j->v[k] = polygamma(k - 1, x, &j->m[k]);
  j->v[0] = lgammal(x), j->m[0] = fabsl(j->v[0]);
  if (x < -2 && j->m[0] < lgammal(-x)) j->m[0] = lgammal(-x);
  if (x < -2 && j->m[0] < 1) j->m[0] = 1;
}

/* The derivative of sin(x) / x as an operation of its own. */
static void jet_sinc1(real x, int order, jet *j) {
  jet t;
  jet_sinc(x, order < LEVELS + 1 ? order + 1 : order, &t);
  for (int k = 0; k <= order; k++) {
    j->v[k] = k < LEVELS + 1 ? t.v[k + 1] : 0;
    j->m[k] = k < LEVELS + 1 ? t.m[k + 1] : 0;
  }
  /* a difference for |x| >= 0.5 */
  j->m[0] = fabsl(x) < 0.5L ? fabsl(j->v[0]) : (fabsl(cosine(x)) + fabsl(sine(x) / x)) / fabsl(x);
}

#endif
