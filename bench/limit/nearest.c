/* A ceiling: the K nearest of n points to each of m, by squared distances, written by hand for one
 * dimension and one type.
 *
 * Compiled for each case; limit() is called through .C():
 *   D      coordinates           F64    1: double, else float
 *   RV     vectors of rows       CV     columns of the register tile: RV * CV vectors of distances
 *   K      neighbours            WIDTH  bytes of a vector (64, 32 or 16: the widest the target has)
 *
 * Method: each vector lane is a row.  The minimum of CV columns is compared with the largest of the
 * K distances that each row has so far; if it is smaller in some lane, a bit mask tells which
 * distances to insert, one by one, into the sorted list of the row.  For data in random order these
 * are K (1 + log(n / K)) insertions per row.  For finite data only: no NaN, no infinities. limit()
 * measures its own time, including packing but not the copies of .C(); it checks nothing. */
#include <stdlib.h>
#include <string.h>

#include "limit.h"

#ifndef BLOCK
#define BLOCK (1024 / CV * CV) /* columns: packed, they stay in the caches */
#endif

/* The lanes where a < b, lane 0 the lowest bit. */
static inline unsigned below(V a, V b) {
#if WIDTH == 64 && defined(__AVX512F__)
  return BUILTIN(cmp, 512_mask)(a, b, 17, -1, 4);
#elif WIDTH == 32 && defined(__AVX__)
  return (unsigned)BUILTIN(movmsk, 256)((V)(a < b));
#else
  VI m = a < b;
  unsigned bits = 0;
  for (int l = 0; l < L; l++) bits |= (unsigned)(m[l] != 0) << l;
  return bits;
#endif
}

/* What a row has by now: distances, ascending, and where they are from. */
typedef struct list {
  T v[K];
  int at[K];
} list;

/* nc columns in groups of CV; the last is infinitely far where it is not full. */
static void pack_columns(const double *y, int n, int j0, int nc, T *to) {
  for (int c = 0; c < nc; c += CV, to += D * CV)
    for (int d = 0; d < D; d++)
      for (int q = 0; q < CV; q++) to[d * CV + q] = c + q < nc ? (T)y[(size_t)d * n + j0 + c + q] : (T)__builtin_inf();
}

static inline void insert(list *s, T f, int j) {
  int k = K - 1;
  for (; k > 0 && f < s->v[k - 1]; k--) s->v[k] = s->v[k - 1], s->at[k] = s->at[k - 1];
  s->v[k] = f;
  s->at[k] = j;
}

enum { WORD = CV * L <= 64 ? CV : 64 / L }; /* columns whose lanes fit a mask */

/* Distances of one vector of rows to CV columns, some of which are below the worst. */
static __attribute__((noinline)) void take(const V *s, V *worst, list *lists, int j) {
  for (int p = 0; p < CV; p += WORD) {
    unsigned long long bits = 0;
    for (int q = 0; q < WORD; q++) bits |= (unsigned long long)below(s[p + q], *worst) << (q * L);
    for (; bits; bits &= bits - 1) {
      int k = __builtin_ctzll(bits), l = k % L;
      T f = ((const T *)s)[p * L + k];
      if (f < lists[l].v[K - 1]) insert(&lists[l], f, j + p + k / L);
      ((T *)worst)[l] = lists[l].v[K - 1];
    }
  }
}

static void block(const V *x, const T *columns, int nc, list *lists, int j) {
  V worst[RV];
  for (int l = 0; l < ROWS; l++) worst[l / L][l % L] = lists[l].v[K - 1];
  for (int c = 0; c < nc; c += CV) {
    const T *y = columns + (size_t)c * D;
    V s[RV][CV];
    squares(x, y, s);
#pragma GCC unroll 16
    for (int r = 0; r < RV; r++) {
      V least = s[r][0];
#pragma GCC unroll 16
      for (int q = 1; q < CV; q++) least = smaller(s[r][q], least);
      if (below(least, worst[r])) take(s[r], &worst[r], lists + r * L, j + c);
    }
  }
}

/* For .C(): x is m by D, y is n by D (by columns), out has m by K numbers, which count from 1. */
void limit(double *x, double *y, int *m, int *n, int *out, double *seconds) {
  const double start = now();
  int groups = (*m + ROWS - 1) / ROWS;
  size_t row_bytes = (size_t)D * ROWS * sizeof(T);
  char *rows = aligned_alloc(64, (groups * row_bytes + 63) / 64 * 64);
  T *columns = aligned_alloc(64, ((size_t)D * BLOCK * sizeof(T) + 63) / 64 * 64);
  list *lists = malloc((size_t)groups * ROWS * sizeof *lists);
  for (int k = 0; k < groups; k++) pack_rows(x, *m, k * ROWS, (T *)(rows + k * row_bytes));
  for (int i = 0; i < groups * ROWS; i++)
    for (int k = 0; k < K; k++) lists[i].v[k] = (T)__builtin_inf(), lists[i].at[k] = -1;
  for (int j = 0; j < *n; j += BLOCK) {
    int nc = *n - j < BLOCK ? *n - j : BLOCK;
    pack_columns(y, *n, j, nc, columns);
    for (int k = 0; k < groups; k++) block((const V *)(rows + k * row_bytes), columns, nc, lists + k * ROWS, j);
  }
  for (int i = 0; i < *m; i++)
    for (int k = 0; k < K; k++) out[(size_t)k * *m + i] = lists[i].at[k] + 1;
  free(rows);
  free(columns);
  free(lists);
  *seconds = now() - start;
}
