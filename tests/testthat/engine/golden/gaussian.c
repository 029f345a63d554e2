typedef long long int64;
enum { NROW = 3, NCOL = 5, TILE = 256, G = 1 };
#define AT(n) (state + (n) * ld_state + r) /* number n of the state of this vector of rows */
#define GR_APART static __attribute__((noinline, unused))
GR_FN V v_square(V a) { return a * a; }

/* One component of nr rows, into vectors that lie NROW vectors apart; the last is padded with copies. */
GR_APART void take_rows(const double *x, int nr, T *to) {
  int m = 0;
  for (; m + GR_L <= nr; m += GR_L, to += (long)NROW * GR_L) v_store(to, v_of(vd_load(x + m)));
  if (m == nr) return;
  VD last = vd_set(x[nr - 1]);
  for (int l = 0; m + l < nr; l++) last[l] = x[m + l];
  v_store(to, v_of(last));
}

/* One component of nc columns, padded to whole vectors and groups with copies of the last. */
GR_APART void take_columns(const double *x, int nc, T *to) {
  int c = 0;
  for (; c + GR_L <= nc; c += GR_L) v_store(to + c, v_of(vd_load(x + c)));
  for (; c < nc; c++) to[c] = (T)x[c];
  for (; c % 16; c++) to[c] = to[nc - 1];
}

/* dim components of nc columns: from staged to packed in groups. */
GR_APART void pack_columns(const T *from, int nc, int dim, T *to) {
  for (int c = 0; c < nc; c += G, to += (long)NCOL * G)
    for (int k = 0; k < dim; k++) __builtin_memcpy(to + k * G, from + k * TILE + c, G * sizeof(T));
}

/* Parameters, and what depends on them only. */
static void parameters(const double *const *arg, const int64 *ld, T *P, V *W) {
  (void)W;
  for (int k = 0; k < 1; k++) P[k] = (T)arg[0][k * ld[0]]; /* G */
  const V minus1 = -v_set(P[0]);
  const V mult12 = v_set((T)1.4426950408889634) * minus1;
  P[1] = (mult12)[0];
}

/* Rows r0 ... r0 + nr. */
static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W) {
  (void)P, (void)W;
  for (int k = 0; k < 3; k++) /* X */
    take_rows(arg[1] + r0 + k * ld[1], nr, R + k * GR_L);
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  for (int k = 0; k < 3; k++) /* Y */
    take_columns(arg[2] + b + k * ld[2], nc, S + k * TILE);
  for (int k = 0; k < 2; k++) /* B */
    take_columns(arg[3] + b + k * ld[3], nc, S + (k + 3) * TILE);
  pack_columns(S + 0 * TILE, nc, 3, C + 0 * G);
  pack_columns(S + 3 * TILE, nc, 2, C + 3 * G);
}

/* All rows against columns b ... b + nc. */
static void pairs(const T *P, const T *R, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)C, (void)W, (void)b;
  const V G_p = v_set(P[0]);
  const V mult12 = v_set(P[1]);
  for (int r = 0; r < nr; r += GR_L) {
    const T *Rv = R + (long)r * NROW; (void)Rv;
    V X_i[3];
    X_i[0] = v_load(Rv + 0 * GR_L);
    X_i[1] = v_load(Rv + 1 * GR_L);
    X_i[2] = v_load(Rv + 2 * GR_L);
    V sum[2];
    sum[0] = v_set(0);
    sum[1] = v_set(0);
    GR_ABREAST
    for (int c = 0; c < nc; c++) {
      const T *Cg = C + (long)c * NCOL; (void)Cg;
      V Y_j[3];
      Y_j[0] = v_set(Cg[0]);
      Y_j[1] = v_set(Cg[1]);
      Y_j[2] = v_set(Cg[2]);
      V B_j[2];
      B_j[0] = v_set(Cg[3]);
      B_j[1] = v_set(Cg[4]);
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

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, int64 c0, int64 c1, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 16, *S = R + (long)padded * NROW, *C = S + TILE * 5;
  V *W = (V *)(C + TILE * NCOL);
  parameters(arg, ld, P, W);
  rows(arg, ld, r0, nr, P, R, W);
  for (int64 b = c0; b < c1; b += TILE) {
    const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;
    columns(arg, ld, b, nc, P, S, C, W);
    pairs(P, R, C, W, state, ld_state, nr, b, nc);
  }
}
