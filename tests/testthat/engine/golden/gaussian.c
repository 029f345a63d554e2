typedef long long int64;
enum { NROW = 3, NCOL = 0, TILE = 256, LD = TILE + 16, G = 1, SPAN = 8 };
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

/* Parameters, and what depends on them only. */
static void parameters(const double *const *arg, const int64 *ld, T *P, V *W) {
  (void)W;
  for (int k = 0; k < 1; k++) P[k] = (T)arg[0][k * ld[0]]; /* G */
  const V minus1 = -v_set(P[0]);
  const V mult12 = v_set((T)0x1.71547652b82fep+0) * minus1;
  P[1] = (mult12)[0];
}

/* Rows r0 ... r0 + nr. */
static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W) {
  (void)P, (void)W;
  take_rows(arg[1] + r0, ld[1], arg[5], 3, nr, R + 0 * GR_L); /* X */
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  take_columns(arg[2] + b, ld[2], arg[6], 3, nc, S + 0 * LD); /* Y */
  take_columns(arg[3] + b, ld[3], 0, 2, nc, S + 3 * LD); /* B */
}

GR_MIX
/* All rows against columns b ... b + nc. */
static void pairs(const T *P, const T *R, const T *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)S, (void)C, (void)W, (void)b;
  const V mult12 = v_set(P[1]);
  for (int r = 0; r < nr; r += GR_L) {
    const T *Rv = R + (int64)r * NROW; (void)Rv;
    V X_i[3];
    X_i[0] = v_load(Rv + 0 * GR_L);
    X_i[1] = v_load(Rv + 1 * GR_L);
    X_i[2] = v_load(Rv + 2 * GR_L);
    V sum[2];
    sum[0] = v_set(0);
    sum[1] = v_set(0);
    GR_ABREAST
    for (int c = 0; c < nc; c++) {
      V Y_j[3];
      Y_j[0] = v_set(S[0 * LD + c]);
      Y_j[1] = v_set(S[1 * LD + c]);
      Y_j[2] = v_set(S[2 * LD + c]);
      V B_j[2];
      B_j[0] = v_set(S[3 * LD + c]);
      B_j[1] = v_set(S[4 * LD + c]);
      V subtract4[3];
      subtract4[0] = X_i[0] - Y_j[0];
      subtract4[1] = X_i[1] - Y_j[1];
      subtract4[2] = X_i[2] - Y_j[2];
      V square5[3];
      square5[0] = v_square(subtract4[0]);
      square5[1] = v_square(subtract4[1]);
      square5[2] = v_square(subtract4[2]);
      V sum6 = square5[0];
      sum6 += square5[1];
      sum6 += square5[2];
      const V mult13 = mult12 * sum6;
      const V exp2_14 = v_exp2(mult13);
      V mult15[2];
      mult15[0] = exp2_14 * B_j[0];
      mult15[1] = exp2_14 * B_j[1];
      sum[0] += mult15[0];
      sum[1] += mult15[1];
    }
    vd_store(AT(0), vd_load(AT(0)) + vd_of(sum[0]));
    vd_store(AT(1), vd_load(AT(1)) + vd_of(sum[1]));
  }
}

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, const int64 *interval, int64 n, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 16, *S = R + (int64)padded * 3, *C = S + 1360;
  V *W = (V *)(C + 0);
  parameters(arg, ld, P, W);
  rows(arg, ld, r0, nr, P, R, W);
  for (int64 b = 0, c1 = 0; b < c1 || n > 0; b += TILE) {
    if (b >= c1) b = interval[0], c1 = interval[1], interval += 2, n--;
    const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;
    columns(arg, ld, b, nc, P, S, C, W);
    pairs(P, R, S, C, W, state, ld_state, nr, b, nc);
  }
}
