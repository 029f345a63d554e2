/* A ceiling: a_i = sum_j exp(-g |x_i - y_j|^2) b_j, written by hand for one dimension and one type.
 *
 * bench.R compiles this file for each case and calls limit() through .C():
 *   D      coordinates           F64    1: double, else float
 *   RV     vectors of rows       CV     columns of the register tile: RV * CV vectors of distances
 *   WIDTH  bytes of a vector     (64, 32 or 16: the widest the target has)
 *
 * Method: each vector lane is a row.  The columns are packed in groups of CV, so that a broadcast
 * is one load at a constant offset.  exp(-g s) is 2^(c s) with c = -g / ln 2, computed once: the
 * integer part is added to the exponent bits, and a polynomial approximates the rest.  It is
 * specific to a Gaussian, whose exponents are not positive; the sum of one block of columns is
 * accumulated in V. limit() measures its own time, including packing but not the copies of .C(); it
 * checks nothing. */
#include <stdlib.h>
#include <string.h>

#include "limit.h"

#ifndef BLOCK
#define BLOCK (256 / CV * CV) /* columns: packed, they stay in the caches */
#endif

/* 2^z for z <= 0; below LOWEST it is 2^LOWEST, which no sum notices.  Taylor's polynomial in f in
 * [-1/2, 1/2], to 2e-8 (degree 6; 1e-16 with degree 12 in double), in Estrin's form: fewer steps
 * that wait for one another. */
static inline V exp2v(V z) {
  z = larger(z, set(LOWEST));
  V t = z + NEAR, f = z - (t - NEAR), f2 = f * f, f4 = f2 * f2;
#define P2(a, b) ((b) * f + (a))
#define P4(a, b, c, d) (P2(c, d) * f2 + P2(a, b))
#if F64
  V low = P4(1, 0.69314718055994530942, 0.24022650695910071233, 0.055504108664821579953);
  V mid = P4(0.0096181291076284771620, 0.0013333558146428443423, 1.5403530393381609954e-4, 1.5252733804059840280e-5);
  V top = P4(1.3215486790144309488e-6, 1.0178086009239699728e-7, 7.0549116208011233299e-9, 4.4455382718708114976e-10);
  V p = ((2.5678435993488205141e-11 * f4 + top) * f4 + mid) * f4 + low;
#else
  V low = P4(1, 0.693147181f, 0.240226507f, 0.0555041087f);
  V p = (1.54035304e-4f * f2 + P2(0.00961812911f, 0.00133335581f)) * f4 + low;
#endif
  return (V)((VI)p + ((VI)t << SHIFT));
}

/* nc columns in groups of CV: D components, then b; zero weights fill the last group. */
static void pack_columns(const double *y, const double *b, int n, int j0, int nc, T *to) {
  for (int c = 0; c < nc; c += CV, to += (D + 1) * CV)
    for (int q = 0; q < CV; q++) {
      int j = j0 + (c + q < nc ? c + q : nc - 1);
      for (int d = 0; d < D; d++) to[d * CV + q] = (T)y[(size_t)d * n + j];
      to[D * CV + q] = c + q < nc ? (T)b[j] : 0;
    }
}

static inline void tile(const V *x, const T *y, V scale, V sum[RV]) {
  V s[RV][CV];
  squares(x, y, s);
#pragma GCC unroll 64
  for (int k = 0; k < RV * CV; k++) sum[k / CV] += exp2v(scale * s[k / CV][k % CV]) * y[D * CV + k % CV];
}

static void block(const T *rows, const T *columns, int nc, T c, double *out, int m) {
  V sum[RV], scale = set(c);
  for (int r = 0; r < RV; r++) sum[r] = set(0);
  for (int j = 0; j < nc; j += CV) tile((const V *)rows, columns + (size_t)j * (D + 1), scale, sum);
  for (int l = 0; l < m; l++) out[l] += sum[l / L][l % L];
}

/* For .C(): x is m by D, y is n by D (by columns), out has m numbers. */
void limit(double *x, double *y, double *b, double *g, int *m, int *n, double *out, double *seconds) {
  const double start = now();
  const T c = (T)(-*g * 1.4426950408889634074);
  int groups = (*m + ROWS - 1) / ROWS;
  size_t row_bytes = (size_t)D * ROWS * sizeof(T);
  char *rows = aligned_alloc(64, (groups * row_bytes + 63) / 64 * 64);
  T *columns = aligned_alloc(64, ((size_t)(D + 1) * BLOCK * sizeof(T) + 63) / 64 * 64);
  for (int k = 0; k < groups; k++) pack_rows(x, *m, k * ROWS, (T *)(rows + k * row_bytes));
  memset(out, 0, (size_t)*m * sizeof *out);
  for (int j = 0; j < *n; j += BLOCK) {
    int nc = *n - j < BLOCK ? *n - j : BLOCK;
    pack_columns(y, b, *n, j, nc, columns);
    for (int k = 0; k < groups; k++) {
      int i0 = k * ROWS, rest = *m - i0;
      block((const T *)(rows + k * row_bytes), columns, nc, c, out + i0, rest < ROWS ? rest : ROWS);
    }
  }
  free(rows);
  free(columns);
  *seconds = now() - start;
}
