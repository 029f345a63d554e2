typedef long long int64;
enum { NROW = 65, NCOL = 65, TILE = 256, LD = TILE + 16, G = 4, SPAN = 8 };
#define AT(n) (state + (n) * ld_state + r) /* number n of the state of this vector of rows */
#define GR_APART static __attribute__((noinline, unused))
#define GR_FILL GR_APART __attribute__((noclone)) /* one version for all dimensions */
#define WHOLE(n) ((((n) + 7) / 8 * 8 + G - 1) / G * G) /* columns with the copies that fill groups and spans */
GR_FN V v_square(V a) { return a * a; }

/* n numbers less the origin, then copies of the last, `all` together.  (The empty statement keeps compilers from making vectors of it.) */
GR_FILL void take_last(const double *x, double origin, int n, int all, T *to) {
  for (int l = 0; l < all; l++) {
    to[l] = (T)(x[l < n ? l : n - 1] - origin);
    __asm__ volatile("");
  }
}

/* dim components, ld apart, of n rows or columns, less the origin, padded with copies of the last: to `component` and `vector` apart.  Components are
 * often in pages of their own, where hardware prefetch does not follow: so they are fetched some components before, and the last ones
 * farther along the component. */
GR_FILL void take_vectors(const double *x, int64 ld, const double *from, int dim, int n, int padded, T *to, int64 component, int64 vector) {
  for (int k = 0; k < dim; k++, x += ld, to += component) {
    const double *ahead = k + 4 < dim ? x + 4 * ld : x + 512, origin = GR_TBYTES == 4 && from ? from[k] : 0;
    T *next = to;
    int m = 0;
    for (; m + GR_L <= n; m += GR_L, next += vector) {
      __builtin_prefetch(ahead + m);
      __builtin_prefetch(ahead + m + GR_L / 2);
      v_store(next, v_of(vd_load(x + m) - origin));
    }
    take_last(x + m, origin, n - m, padded - m, next);
  }
}

GR_FN void take_rows(const double *x, int64 ld, const double *from, int dim, int nr, T *to) {
  take_vectors(x, ld, from, dim, nr, (nr + GR_L - 1) / GR_L * GR_L, to, GR_L, (int64)NROW * GR_L);
}

GR_FN void take_columns(const double *x, int64 ld, const double *from, int dim, int nc, T *to) {
  take_vectors(x, ld, from, dim, nc, (WHOLE(nc) + 15) / 16 * 16, to, LD, GR_L);
}

/* The same in groups of columns, 6 as 4 and 2. */
enum { FIRST = G == 6 ? 4 : G };
typedef T group __attribute__((vector_size(FIRST * sizeof(T)), may_alias, aligned(GR_TBYTES)));
typedef double group_taken __attribute__((vector_size(FIRST * 8), may_alias, aligned(8)));
typedef T pair __attribute__((vector_size(2 * sizeof(T)), may_alias, aligned(GR_TBYTES)));
typedef double pair_taken __attribute__((vector_size(16), may_alias, aligned(8)));
GR_FILL void take_packed(const double *x, int64 ld, const double *from, int dim, int nc, T *to) {
  for (int k = 0; k < dim; k++, x += ld, to += G) {
    const double *ahead = k + 4 < dim ? x + 4 * ld : x, origin = GR_TBYTES == 4 && from ? from[k] : 0;
    T *next = to;
    int c = 0;
    for (; c + G <= nc; c += G, next += (int64)NCOL * G) {
      __builtin_prefetch(ahead + c);
      *(group *)next = __builtin_convertvector(*(const group_taken *)(x + c) - origin, group);
      if (G == 6) *(pair *)(next + 4) = __builtin_convertvector(*(const pair_taken *)(x + c + 4) - origin, pair);
    }
    for (; c < WHOLE(nc); c += G, next += (int64)NCOL * G) take_last(x + c, origin, nc - c, G, next);
  }
}

/* Parameters, and what depends on them only. */
static void parameters(const double *const *arg, const int64 *ld, T *P, V *W) {
  (void)W;
}

/* Rows r0 ... r0 + nr. */
static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W) {
  (void)P, (void)W;
  take_rows(arg[0] + r0, ld[0], 0, 64, nr, R + 0 * GR_L); /* x */
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  take_packed(arg[1] + b, ld[1], 0, 64, nc, C + 0 * G); /* y */
  take_columns(arg[2] + b, ld[2], 0, 64, nc, S + 0 * LD); /* b */
}

/* Two vectors of rows with a tile of columns. */
GR_APART void sum_sum3(const T *P, const T *R0, const T *R1, const T *C, int nc, V *to) {
  (void)P, (void)R1;
  for (int c = 0; c < WHOLE(nc); c += G) {
    const T *Cg = C + (int64)c * NCOL;
    V a00 = v_set(0), a01 = v_set(0), a02 = v_set(0), a03 = v_set(0), a10 = v_set(0), a11 = v_set(0), a12 = v_set(0), a13 = v_set(0);
    #pragma GCC unroll 2
    for (int k = 0; k < 64; k++) {
      a00 += (v_load(R0 + k * GR_L) * v_set(Cg[k * G]));
      a10 += (v_load(R1 + k * GR_L) * v_set(Cg[k * G]));
      a01 += (v_load(R0 + k * GR_L) * v_set(Cg[k * G + 1]));
      a11 += (v_load(R1 + k * GR_L) * v_set(Cg[k * G + 1]));
      a02 += (v_load(R0 + k * GR_L) * v_set(Cg[k * G + 2]));
      a12 += (v_load(R1 + k * GR_L) * v_set(Cg[k * G + 2]));
      a03 += (v_load(R0 + k * GR_L) * v_set(Cg[k * G + 3]));
      a13 += (v_load(R1 + k * GR_L) * v_set(Cg[k * G + 3]));
    }
    to[c + 0] = a00;
    to[c + 1] = a01;
    to[c + 2] = a02;
    to[c + 3] = a03;
    to[TILE + c + 0] = a10;
    to[TILE + c + 1] = a11;
    to[TILE + c + 2] = a12;
    to[TILE + c + 3] = a13;
  }
}

/* The components of the sum, for the columns of a tile. */
GR_APART void wide_sums(const T *P, const T *R0, const T *R1, const T *S, V *W, int nc, int apart) {
  (void)P, (void)R0, (void)R1, (void)S, (void)apart;
  const V *const term = W + 512;
  V *const to = W + 1025;
  for (int k = 0; k < 60; k += 6) {
    V a00 = v_set(0), a01 = v_set(0), a02 = v_set(0), a03 = v_set(0), a04 = v_set(0), a05 = v_set(0), a10 = v_set(0), a11 = v_set(0), a12 = v_set(0), a13 = v_set(0), a14 = v_set(0), a15 = v_set(0);
    #pragma GCC unroll 2
    for (int c = 0; c < nc; c++) {
      a00 += term[c] * v_set(S[k * LD + c]);
      a10 += term[apart + c] * v_set(S[k * LD + c]);
      a01 += term[c] * v_set(S[(k + 1) * LD + c]);
      a11 += term[apart + c] * v_set(S[(k + 1) * LD + c]);
      a02 += term[c] * v_set(S[(k + 2) * LD + c]);
      a12 += term[apart + c] * v_set(S[(k + 2) * LD + c]);
      a03 += term[c] * v_set(S[(k + 3) * LD + c]);
      a13 += term[apart + c] * v_set(S[(k + 3) * LD + c]);
      a04 += term[c] * v_set(S[(k + 4) * LD + c]);
      a14 += term[apart + c] * v_set(S[(k + 4) * LD + c]);
      a05 += term[c] * v_set(S[(k + 5) * LD + c]);
      a15 += term[apart + c] * v_set(S[(k + 5) * LD + c]);
    }
    to[k + 0] = a00;
    to[k + 1] = a01;
    to[k + 2] = a02;
    to[k + 3] = a03;
    to[k + 4] = a04;
    to[k + 5] = a05;
    to[k + 65] = a10;
    to[k + 66] = a11;
    to[k + 67] = a12;
    to[k + 68] = a13;
    to[k + 69] = a14;
    to[k + 70] = a15;
  }
  {
    enum { k = 60 };
    V a00 = v_set(0), a01 = v_set(0), a02 = v_set(0), a03 = v_set(0), a10 = v_set(0), a11 = v_set(0), a12 = v_set(0), a13 = v_set(0);
    #pragma GCC unroll 2
    for (int c = 0; c < nc; c++) {
      a00 += term[c] * v_set(S[k * LD + c]);
      a10 += term[apart + c] * v_set(S[k * LD + c]);
      a01 += term[c] * v_set(S[(k + 1) * LD + c]);
      a11 += term[apart + c] * v_set(S[(k + 1) * LD + c]);
      a02 += term[c] * v_set(S[(k + 2) * LD + c]);
      a12 += term[apart + c] * v_set(S[(k + 2) * LD + c]);
      a03 += term[c] * v_set(S[(k + 3) * LD + c]);
      a13 += term[apart + c] * v_set(S[(k + 3) * LD + c]);
    }
    to[k + 0] = a00;
    to[k + 1] = a01;
    to[k + 2] = a02;
    to[k + 3] = a03;
    to[k + 65] = a10;
    to[k + 66] = a11;
    to[k + 67] = a12;
    to[k + 68] = a13;
  }
}

GR_MIX
/* All rows against columns b ... b + nc. */
static void pairs(const T *P, const T *R, const T *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)S, (void)C, (void)W, (void)b;
  V *const sum3t = W + 0;
  for (int t = 0; t < nr; t += 2 * GR_L) {
    const int nv = nr - t > GR_L ? 2 : 1;
    const T *R0 = R + (int64)t * NROW, *R1 = nv == 2 ? R0 + (int64)NROW * GR_L : R0;
    sum_sum3(P, R0, R1, C, nc, sum3t);
    for (int v = 0, r = t; v < nv; v++, r += GR_L) {
      const T *Rv = R + (int64)r * NROW; (void)Rv;
      V *const term = W + 512 + v * TILE;
      V *const sum = W + 1024 + v * 65;
      V *const top = W + 1154 + v * 1;
      V m = v_of(vd_load(AT(0)));
      for (int c = 0; c < nc; c++) {
        const T *Cg = C + (int64)(c / G) * (NCOL * G) + c % G; (void)Cg;
        const V sum3 = sum3t[v * TILE + c];
        term[c] = sum3;
        m = v_max(term[c], m);
      }
      const int n = nc;
      top[0] = m;
      const V base = v_clamp(top[0], v_set(-GR_MAX), v_set(GR_MAX));
      V s = v_set(0);
      GR_ABREAST
      for (int c = 0; c < n; c++) s += term[c] = gr_factor_below(term[c], base);
      sum[0] = s;
    }
    wide_sums(P, R0, R1, S, W, nc, nv == 2 ? TILE : 0);
    for (int v = 0, r = t; v < nv; v++, r += GR_L) {
      V *const term = W + 512 + v * TILE;
      V *const sum = W + 1024 + v * 65;
      V *const top = W + 1154 + v * 1;
      {
        const V base = v_clamp(top[0], v_set(-GR_MAX), v_set(GR_MAX));
        const VD keep = vd_of(gr_factor_below(v_of(vd_load(AT(0))), base));
        vd_store(AT(0), vd_of(top[0]));
        for (int k = 0; k < 65; k++) vd_store(AT(k + 1), vd_load(AT(k + 1)) * keep + vd_of(sum[k]));
      }
    }
  }
}

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, const int64 *interval, int64 n, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 0, *S = R + (int64)padded * 65, *C = S + 17408;
  V *W = (V *)(C + 16640);
  parameters(arg, ld, P, W);
  rows(arg, ld, r0, nr, P, R, W);
  for (int64 b = 0, c1 = 0; b < c1 || n > 0; b += TILE) {
    if (b >= c1) b = interval[0], c1 = interval[1], interval += 2, n--;
    const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;
    columns(arg, ld, b, nc, P, S, C, W);
    pairs(P, R, S, C, W, state, ld_state, nr, b, nc);
  }
}
