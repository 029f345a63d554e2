typedef long long int64;
enum { NROW = 3, NCOL = 3, TILE = 256, LD = TILE + 16, G = 4, SPAN = 8 };
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

/* dim components of nc columns: from staged to packed in groups, a few components at a time, whose lines the cache keeps. */
GR_FILL void pack_columns(const T *from, int nc, int dim, T *to) {
  for (int b = 0; b < dim; b += 16)
    for (int c = 0; c < WHOLE(nc); c += G)
      for (int k = b; k < b + 16 && k < dim; k++)
        __builtin_memcpy(to + (int64)c * NCOL + k * G, from + k * LD + c, G * sizeof(T));
}

/* Numbers of pairs for n lanes, `step` apart, then copies of the last: nothing else is read. */
GR_RARE void some_pairs(const double *x, int64 step, int n, V *to) {
  for (int l = 0; l < GR_L; l++) (*to)[l] = (T)x[(l < n ? l : n - 1) * step];
}
GR_FN V load_pairs(const double *x, int64 step, int n) {
  double apart[GR_L];
  V some;
  if (__builtin_expect(n < GR_L, 0)) {
    some_pairs(x, step, n, &some);
    return some;
  }
  if (step == 1) {
    __builtin_prefetch(x + 2 * GR_L);
    if (GR_L > 8) __builtin_prefetch(x + 2 * GR_L + 8);
    return v_of(vd_load(x));
  }
  for (int l = 0; l < GR_L; l++) apart[l] = x[l * step];
  return v_of(vd_load(apart));
}

/* Parameters, and what depends on them only. */
static void parameters(const double *const *arg, const int64 *ld, T *P, V *W) {
  (void)W;
}

/* Rows r0 ... r0 + nr. */
static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W) {
  (void)P, (void)W;
  take_rows(arg[0] + r0, ld[0], 0, 3, nr, R + 0 * GR_L); /* x */
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  take_columns(arg[1] + b, ld[1], 0, 3, nc, S + 0 * LD); /* y */
  take_columns(arg[3] + b, ld[3], 0, 2, nc, S + 3 * LD); /* b */
  pack_columns(S + 0 * LD, nc, 3, C + 0 * G);
}

/* Two vectors of rows with a tile of columns. */
GR_APART void sum_sum3(const T *P, const T *R0, const T *R1, const T *C, int nc, V *to) {
  (void)P, (void)R1;
  for (int c = 0; c < WHOLE(nc); c += G) {
    const T *Cg = C + (int64)c * NCOL;
    V a00 = v_set(0), a01 = v_set(0), a02 = v_set(0), a03 = v_set(0), a10 = v_set(0), a11 = v_set(0), a12 = v_set(0), a13 = v_set(0);
    #pragma GCC unroll 2
    for (int k = 0; k < 3; k++) {
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

/* All rows against columns b ... b + nc. */
static void pairs(const double *const *arg, const int64 *ld, int64 r0, const T *P, const T *R, const T *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)S, (void)C, (void)W, (void)b;
  const int64 c_ij_ld = ld[2], c_ij_apart = ld[9]; (void)c_ij_apart;
  const double *const c_ij_at = arg[2] + r0 + b * c_ij_ld;
  const int64 w_ij_ld = ld[4], w_ij_apart = ld[11]; (void)w_ij_apart;
  const double *const w_ij_at = arg[4] + r0 + b * w_ij_ld;
  V *const sum3t = W + 0;
  for (int t = 0; t < nr; t += 2 * GR_L) {
    const int nv = nr - t > GR_L ? 2 : 1;
    const T *R0 = R + (int64)t * NROW, *R1 = nv == 2 ? R0 + (int64)NROW * GR_L : R0;
    sum_sum3(P, R0, R1, C, nc, sum3t);
    for (int v = 0, r = t; v < nv; v++, r += GR_L) {
      const T *Rv = R + (int64)r * NROW; (void)Rv;
      const int nl = nr - r < GR_L ? nr - r : GR_L;
      V x_i[3];
      x_i[0] = v_load(Rv + 0 * GR_L);
      x_i[1] = v_load(Rv + 1 * GR_L);
      x_i[2] = v_load(Rv + 2 * GR_L);
      V sum[1];
      sum[0] = v_set(0);
      for (int c = 0; c < nc; c++) {
        const T *Cg = C + (int64)(c / G) * (NCOL * G) + c % G; (void)Cg;
        V y_j[3];
        y_j[0] = v_set(Cg[0 * G]);
        y_j[1] = v_set(Cg[1 * G]);
        y_j[2] = v_set(Cg[2 * G]);
        V b_j[2];
        b_j[0] = v_set(S[3 * LD + c]);
        b_j[1] = v_set(S[4 * LD + c]);
        const V sum3 = sum3t[v * TILE + c];
        const V exp4 = v_exp(sum3);
        const V c_ij = load_pairs(c_ij_at + r + c * c_ij_ld, 1, nl);
        const V mult6 = exp4 * c_ij;
        V w_ij[2];
        w_ij[0] = load_pairs(w_ij_at + r + c * w_ij_ld + 0 * w_ij_apart, 1, nl);
        w_ij[1] = load_pairs(w_ij_at + r + c * w_ij_ld + 1 * w_ij_apart, 1, nl);
        V sum10 = (b_j[0] * w_ij[0]);
        sum10 += (b_j[1] * w_ij[1]);
        const V mult11 = mult6 * sum10;
        sum[0] += mult11;
      }
      vd_store(AT(0), vd_load(AT(0)) + vd_of(sum[0]));
    }
  }
}

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, const int64 *interval, int64 n, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 0, *S = R + (int64)padded * 3, *C = S + 1360;
  V *W = (V *)(C + 768);
  parameters(arg, ld, P, W);
  rows(arg, ld, r0, nr, P, R, W);
  for (int64 b = 0, c1 = 0; b < c1 || n > 0; b += TILE) {
    if (b >= c1) b = interval[0], c1 = interval[1], interval += 2, n--;
    const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;
    columns(arg, ld, b, nc, P, S, C, W);
    pairs(arg, ld, r0, P, R, S, C, W, state, ld_state, nr, b, nc);
  }
}
