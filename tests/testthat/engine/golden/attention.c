typedef long long int64;
enum { NROW = 64, NCOL = 128, TILE = 48, G = 8 };
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
}

/* Rows r0 ... r0 + nr. */
static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W) {
  (void)P, (void)W;
  for (int k = 0; k < 64; k++) /* x */
    take_rows(arg[0] + r0 + k * ld[0], nr, R + k * GR_L);
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  for (int k = 0; k < 64; k++) /* y */
    take_columns(arg[1] + b + k * ld[1], nc, S + k * TILE);
  for (int k = 0; k < 64; k++) /* b */
    take_columns(arg[2] + b + k * ld[2], nc, S + (k + 64) * TILE);
  pack_columns(S + 0 * TILE, nc, 64, C + 0 * G);
  pack_columns(S + 64 * TILE, nc, 64, C + 64 * G);
}

/* All rows against columns b ... b + nc. */
static void pairs(const T *P, const T *R, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)C, (void)W, (void)b;
  for (int r = 0; r < nr; r += GR_L) {
    const T *Rv = R + (long)r * NROW; (void)Rv;
    V *const sum = (V *)(W + 0);
    V top = v_of(vd_load(AT(0)));
    V base = v_clamp(top, v_set(-GR_MAX), v_set(GR_MAX));
    for (int k = 0; k < 65; k++) sum[k] = v_set(0);
    for (int c = 0; c < nc; c += G) {
      const T *Cg = C + (long)c * NCOL;
      const int nq = nc - c < G ? nc - c : G; (void)Cg;
      V sum3g[G];
      /* sum3 */ {
        V a0 = v_set(0), a1 = v_set(0), a2 = v_set(0), a3 = v_set(0), a4 = v_set(0), a5 = v_set(0), a6 = v_set(0), a7 = v_set(0);
        for (int k = 0; k < 64; k++) {
          a0 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 0]));
          a1 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 1]));
          a2 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 2]));
          a3 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 3]));
          a4 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 4]));
          a5 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 5]));
          a6 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 6]));
          a7 += (v_load(Rv + k * GR_L) * v_set(Cg[k * G + 7]));
        }
        sum3g[0] = a0;
        sum3g[1] = a1;
        sum3g[2] = a2;
        sum3g[3] = a3;
        sum3g[4] = a4;
        sum3g[5] = a5;
        sum3g[6] = a6;
        sum3g[7] = a7;
      }
      V fg[G];
      for (int q = 0; q < G; q++) {
        const V sum3 = sum3g[q];
        fg[q] = sum3;
      }
      for (int q = nq; q < G; q++) fg[q] = v_set((T)-__builtin_inf());
      V m = top;
      for (int q = 0; q < G; q++) m = v_max(fg[q], m);
      if (vi_any(m > top)) {
        const V old = top;
        top = m;
        base = v_clamp(top, v_set(-GR_MAX), v_set(GR_MAX));
        const V keep = gr_exp_below(old, base);
        for (int k = 0; k < 65; k++) sum[k] *= keep;
      }
      for (int q = 0; q < G; q++) fg[q] = gr_exp_below(fg[q], base);
      for (int q = 0; q < G; q++) sum[0] += fg[q];
      for (int k = 0; k < 64; k++) {
        {
          V a = sum[(k + 1)];
          if (nq == G)
            for (int q = 0; q < G; q++) a += fg[q] * v_set(Cg[(k + 64) * G + q]);
          else
            for (int q = 0; q < nq; q++) a += fg[q] * v_set(Cg[(k + 64) * G + q]);
          sum[(k + 1)] = a;
        }
      }
    }
    {
      const VD keep = vd_of(gr_exp_below(v_of(vd_load(AT(0))), base));
      vd_store(AT(0), vd_of(top));
      for (int k = 0; k < 65; k++) vd_store(AT(k + 1), vd_load(AT(k + 1)) * keep + vd_of(sum[k]));
    }
  }
}

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, int64 c0, int64 c1, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 0, *S = R + (long)padded * NROW, *C = S + TILE * 128;
  V *W = (V *)(C + TILE * NCOL);
  parameters(arg, ld, P, W);
  rows(arg, ld, r0, nr, P, R, W);
  for (int64 b = c0; b < c1; b += TILE) {
    const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;
    columns(arg, ld, b, nc, P, S, C, W);
    pairs(P, R, C, W, state, ld_state, nr, b, nc);
  }
}
