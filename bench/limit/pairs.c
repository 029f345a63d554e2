/* Ceilings: a_i = reduction over j of a kernel of x_i and y_j, written by hand for one kernel,
 * dimension and type.
 *
 * The method is that of gaussian.c.  Compile with -O3 -march=native and
 *   KERNEL one of LAPLACE      exp(-|x-y|) b
 *                 MULTIQUADRIC b / sqrt(1 + |x-y|^2)
 *                 MATERN       (1 + r + r^2/3) exp(-r) b with r = sqrt(5) |x-y|
 *                 LOGSUMEXP    log sum exp(-|x-y|^2)
 *                 GRADIENT     of exp(-g |x-y|^2) b in x: D sums
 *   D, F64        coordinates; 1: double, else float
 *   CV            columns side by side (4 is best nearly everywhere)
 * limit() is called through .C(), measures its own time and checks nothing; for finite arguments of
 * moderate size only. */
#include <math.h>
#include <stdlib.h>

#define LAPLACE 1
#define MULTIQUADRIC 2
#define MATERN 3
#define LOGSUMEXP 4
#define GRADIENT 5

#ifndef CV
#define CV 4
#endif
#define K PICK
#include "limit.h"

enum { BLOCK = 256 / CV * CV, SUMS = KERNEL == GRADIENT ? D : 1 };

static inline int any(VI m) {
#if WIDTH == 32
  return BUILTIN(movmsk, 256)((V)m) != 0;
#else
  TI one = 0;
  for (int l = 0; l < L; l++) one |= m[l];
  return one != 0;
#endif
}

static inline V root(V a) {
#if WIDTH == 64
  return BUILTIN(sqrt, 512_mask)(a, a, -1, 4);
#elif WIDTH == 32
  return BUILTIN(sqrt, 256)(a);
#else
  for (int l = 0; l < L; l++) a[l] = K(sqrtf, sqrt)(a[l]);
  return a;
#endif
}

/* 1 / sqrt(a) for normal a: in single precision the processor's estimate and one step of Newton's,
 * to 2^-22. */
static inline V inverse_root(V a) {
#if WIDTH == 32 && !F64
  V y = __builtin_ia32_rsqrtps256(a);
  return y * (1.5f - 0.5f * a * y * y);
#else
  return 1 / root(a);
#endif
}

/* 2^z for z <= 0; below LOWEST it is 2^LOWEST, which no sum notices. */
static inline V exp2v(V z) {
  z = larger(z, set(LOWEST));
  V t = z + NEAR, f = z - (t - NEAR), f2 = f * f;
#if F64
  V even = ((((0x1.e611a256ca2d2p-28 * f2 + 0x1.62bfcddd2a87dp-20) * f2 + 0x1.4309130c01a6bp-13) * f2 + 0x1.3b2ab6fba11f3p-7) * f2 +
            0x1.ebfbdff82c59cp-3) * f2 + 1;
  V odd = ((((0x1.e80b083835574p-32 * f2 + 0x1.b5261033d5af5p-24) * f2 + 0x1.ffcbfbf78eea3p-17) * f2 + 0x1.5d87fe78b3f6dp-10) * f2 +
           0x1.c6b08d704a0d3p-5) * f2 + 0x1.62e42fefa39efp-1;
  V p = odd * f + even;
#else
  V p = ((((0x1.417a7p-13f * f + 0x1.5f0948p-10f) * f + 0x1.3b2dd2p-7f) * f + 0x1.c6af7ap-5f) * f + 0x1.ebfbdcp-3f) * f;
  p = (p + 0x1.62e43p-1f) * f + 1;
  (void)f2;
#endif
  return (V)((VI)p + ((VI)t << SHIFT));
}

#define LOG2E K(0x1.715476p0f, 0x1.71547652b82fep0)

/* The value of a pair from its squared distance. */
static inline V value(V s, V b, V scale) {
  switch (KERNEL) {
  case LAPLACE: return exp2v(-LOG2E * root(s)) * b;
  case MULTIQUADRIC: return inverse_root(1 + s) * b;
  case MATERN: {
    V r = K(0x1.1e377ap1f, 0x1.1e3779b97f4a8p1) * root(s);
    return (1 + r + K(0x1.555556p-2f, 0x1.5555555555555p-2) * r * r) * exp2v(-LOG2E * r) * b;
  }
  default: return exp2v(scale * s) * b;
  }
}

/* CV columns: their squared distances s and differences e. */
static inline void distances(const V *x, const T *y, V s[CV], V e[CV][D]) {
#pragma GCC unroll 16
  for (int q = 0; q < CV; q++) {
    s[q] = set(0);
#pragma GCC unroll 16
    for (int d = 0; d < D; d++) {
      e[q][d] = x[d] - y[d * CV + q];
      s[q] += e[q][d] * e[q][d];
    }
  }
}

static inline void tile(const V *x, const T *y, V scale, V *sum, V *top) {
  V s[CV], e[CV][D];
  distances(x, y, s, e);
#if KERNEL == LOGSUMEXP
  V m = *top;
#pragma GCC unroll 16
  for (int q = 0; q < CV; q++) m = larger(s[q] *= -LOG2E, m);
  if (any(m > *top)) sum[0] *= exp2v(*top - m), *top = m;
#pragma GCC unroll 16
  for (int q = 0; q < CV; q++) sum[0] += exp2v(s[q] - m);
#else
#pragma GCC unroll 16
  for (int q = 0; q < CV; q++) {
    V f = value(s[q], set(y[D * CV + q]), scale);
    if (KERNEL != GRADIENT) sum[0] += f;
#pragma GCC unroll 16
    for (int d = 0; d < D && KERNEL == GRADIENT; d++) sum[d] += f * e[q][d];
  }
#endif
}

/* One vector of rows against nc packed columns; out has SUMS numbers for each of m rows, for
 * LOGSUMEXP the maximum too. */
static void block(const V *x, const T *columns, int nc, T c, double *out, double *most, int m, int lanes) {
  V sum[SUMS], top = set(-1e30f), scale = set(c);
  for (int k = 0; k < SUMS; k++) sum[k] = set(0);
  for (int l = 0; l < lanes; l++) top[l] = (T)most[l];
  for (int j = 0; j < nc; j += CV) tile(x, columns + (size_t)j * (D + 1), scale, sum, &top);
  for (int l = 0; l < lanes; l++) {
    double old = most[l], now = KERNEL == LOGSUMEXP && top[l] > old ? top[l] : old;
    for (int k = 0; k < SUMS; k++)
      out[(size_t)k * m + l] = KERNEL == LOGSUMEXP ? out[l] * exp2(old - now) + sum[k][l] * exp2(top[l] - now)
                                                   : out[(size_t)k * m + l] + (KERNEL == GRADIENT ? 2 * c / LOG2E : 1) * sum[k][l];
    most[l] = now;
  }
}

/* nc columns in groups of CV: D components, then b.  The last group is filled with columns that add
 * nothing. */
static void pack_columns(const double *y, const double *b, int n, int j0, int nc, T *to) {
  for (int c = 0; c < nc; c += CV, to += (D + 1) * CV)
    for (int q = 0; q < CV; q++) {
      int j = j0 + (c + q < nc ? c + q : nc - 1);
      for (int d = 0; d < D; d++) to[d * CV + q] = c + q < nc || KERNEL != LOGSUMEXP ? (T)y[(size_t)d * n + j] : (T)1e10;
      to[D * CV + q] = c + q < nc ? (T)b[j] : 0;
    }
}

/* For .C(): x is m by D, y is n by D (by columns), out is m by SUMS. */
void limit(double *x, double *y, double *b, double *g, int *m, int *n, double *out, double *seconds) {
  const double start = now();
  const T c = (T)(-*g * 1.4426950408889634074);
  V *rows = aligned_alloc(64, (size_t)(*m / L + 1) * D * sizeof(V) / 64 * 64 + 64);
  T *columns = aligned_alloc(64, ((size_t)(D + 1) * BLOCK * sizeof(T) + 63) / 64 * 64);
  double *most = malloc((size_t)*m * sizeof *most);
  for (int i = 0; i < *m; i += L)
    for (int k = 0; k < D * L; k++) rows[i / L * D + k / L][k % L] = (T)x[(size_t)(k / L) * *m + (i + k % L < *m ? i + k % L : *m - 1)];
  for (int i = 0; i < *m; i++) most[i] = -1e30;
  for (size_t k = 0; k < (size_t)*m * SUMS; k++) out[k] = 0;
  for (int j = 0; j < *n; j += BLOCK) {
    int nc = *n - j < BLOCK ? *n - j : BLOCK;
    pack_columns(y, b, *n, j, nc, columns);
    for (int i = 0; i < *m; i += L) block(rows + i / L * D, columns, nc, c, out + i, most + i, *m, *m - i < L ? *m - i : L);
  }
  for (int i = 0; i < *m && KERNEL == LOGSUMEXP; i++) out[i] = log(out[i]) + most[i] / 1.4426950408889634074;
  free(rows);
  free(columns);
  free(most);
  *seconds = now() - start;
}
