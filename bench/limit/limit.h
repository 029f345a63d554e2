/* limit.h: shared by the hand-written kernels of this folder: types, two builtins that gcc needs,
 * packing, and the clock.
 *
 * Define before including it: D (coordinates), F64 (1: double, else float), and for register tiles
 * RV and CV (vectors of rows, columns).  The default of WIDTH, the bytes of a vector, is the widest
 * of the target. */
#include <stddef.h>
#include <time.h>

#ifndef WIDTH
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#endif

#if F64
typedef double T;
typedef long long TI;
#define PICK(f32, f64) f64
#else
typedef float T;
typedef int TI;
#define PICK(f32, f64) f32
#endif
#define SHIFT PICK(23, 52) /* of the exponent's bits */
#define NEAR PICK(0x1.8p23f, 0x1.8p52)
#define LOWEST PICK(-125.0f, -1021.0) /* exponent of the smallest number that is not flushed */
#define L (WIDTH / (int)sizeof(T))
#define ROWS (RV * L)

typedef T V __attribute__((vector_size(WIDTH), may_alias));
typedef TI VI __attribute__((vector_size(WIDTH), may_alias));

static inline V set(T a) { return a - (V){0}; }

/* BUILTIN(max, 256) is that of this type. */
#define BUILTIN3(a, b, c) __builtin_ia32_##a##b##c
#define BUILTIN2(a, b, c) BUILTIN3(a, b, c)
#define BUILTIN(op, end) BUILTIN2(op, PICK(ps, pd), end)

/* gcc sees max and min in none of GNU C's own words. */
static inline V larger(V a, V b) {
#if WIDTH == 64 && defined(__AVX512F__)
  return BUILTIN(max, 512_mask)(a, b, b, -1, 4);
#elif WIDTH == 32 && defined(__AVX__)
  return BUILTIN(max, 256)(a, b);
#else
  VI m = a > b;
  return (V)(((VI)a & m) | ((VI)b & ~m));
#endif
}

static inline V smaller(V a, V b) {
#if WIDTH == 64 && defined(__AVX512F__)
  return BUILTIN(min, 512_mask)(a, b, b, -1, 4);
#elif WIDTH == 32 && defined(__AVX__)
  return BUILTIN(min, 256)(a, b);
#else
  VI m = a < b;
  return (V)(((VI)a & m) | ((VI)b & ~m));
#endif
}

/* ROWS rows of x, component by component; the last row is repeated. */
static inline void pack_rows(const double *x, int m, int i0, T *to) {
  for (int d = 0; d < D; d++)
    for (int l = 0; l < ROWS; l++) to[d * ROWS + l] = (T)x[(size_t)d * m + (i0 + l < m ? i0 + l : m - 1)];
}

/* The squared distances of a register tile. */
static inline void squares(const V *x, const T *y, V s[RV][CV]) {
#pragma GCC unroll 64
  for (int k = 0; k < RV * CV; k++) s[k / CV][k % CV] = set(0);
#if D <= 16
#pragma GCC unroll 16
#endif
  for (int d = 0; d < D; d++)
#pragma GCC unroll 16
    for (int q = 0; q < CV; q++)
#pragma GCC unroll 16
      for (int r = 0; r < RV; r++) {
        V e = x[d * RV + r] - y[d * CV + q];
        s[r][q] += e * e;
      }
}

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
