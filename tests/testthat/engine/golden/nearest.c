typedef long long int64;
enum { NROW = 3, NCOL = 0, TILE = 256, LD = TILE + 16, G = 1 };
#define AT(n) (state + (n) * ld_state + r) /* number n of the state of this vector of rows */
#define GR_APART static __attribute__((noinline, unused))
GR_FN V v_square(V a) { return a * a; }

/* dim components, ld apart, of nr rows: vectors of rows lie NROW vectors apart; the last is padded with copies.  Components are often in
 * pages of their own, where no processor looks ahead by itself: so they are fetched some components before. */
GR_APART void take_rows(const double *x, int64 ld, int dim, int nr, T *to) {
  for (int k = 0; k < dim; k++, x += ld, to += GR_L) {
    const double *ahead = k + 4 < dim ? x + 4 * ld : x;
    T *next = to;
    int m = 0;
    for (; m + GR_L <= nr; m += GR_L, next += (long)NROW * GR_L) {
      __builtin_prefetch(ahead + m);
      v_store(next, v_of(vd_load(x + m)));
    }
    if (m == nr) continue;
    VD last = vd_set(x[nr - 1]);
    for (int l = 0; m + l < nr; l++) last[l] = x[m + l];
    v_store(next, v_of(last));
  }
}

/* dim components of nc columns, padded to whole vectors and groups with copies of the last. */
GR_APART void take_columns(const double *x, int64 ld, int dim, int nc, T *to) {
  for (int k = 0; k < dim; k++, x += ld, to += LD) {
    const double *ahead = k + 4 < dim ? x + 4 * ld : x;
    int c = 0;
    for (; c + GR_L <= nc; c += GR_L) {
      __builtin_prefetch(ahead + c);
      v_store(to + c, v_of(vd_load(x + c)));
    }
    for (; c < nc; c++) to[c] = (T)x[c];
    for (; c % 16; c++) to[c] = to[nc - 1];
  }
}

/* The same in groups; the last is padded with copies. */
GR_APART void take_packed(const double *x, int64 ld, int dim, int nc, T *to) {
  for (int k = 0; k < dim; k++, x += ld, to += G) {
    const double *ahead = k + 4 < dim ? x + 4 * ld : x;
    T *next = to;
    int c = 0;
    for (; c + G <= nc; c += G, next += (long)NCOL * G) {
      __builtin_prefetch(ahead + c);
      for (int q = 0; q < G; q++) next[q] = (T)x[c + q];
    }
    for (int q = 0; c < nc && q < G; q++) next[q] = (T)x[c + q < nc ? c + q : nc - 1];
  }
}

/* dim components of nc columns: from staged to packed in groups, a few components at a time, whose lines the cache keeps. */
GR_APART void pack_columns(const T *from, int nc, int dim, T *to) {
  for (int b = 0; b < dim; b += 16)
    for (int c = 0; c < nc; c += G)
      for (int k = b; k < b + 16 && k < dim; k++)
        __builtin_memcpy(to + (long)c * NCOL + k * G, from + k * LD + c, G * sizeof(T));
}

/* Parameters, and what depends on them only. */
static void parameters(const double *const *arg, const int64 *ld, T *P, V *W) {
  (void)W;
}

/* Rows r0 ... r0 + nr. */
static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W) {
  (void)P, (void)W;
  take_rows(arg[0] + r0, ld[0], 3, nr, R + 0 * GR_L); /* x */
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  take_columns(arg[1] + b, ld[1], 3, nc, S + 0 * LD); /* y */
}

/* All rows against columns b ... b + nc. */
static void pairs(const T *P, const T *R, const T *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)S, (void)C, (void)W, (void)b;
  for (int r = 0; r < nr; r += GR_L) {
    const T *Rv = R + (long)r * NROW; (void)Rv;
    V x_i[3];
    x_i[0] = v_load(Rv + 0 * GR_L);
    x_i[1] = v_load(Rv + 1 * GR_L);
    x_i[2] = v_load(Rv + 2 * GR_L);
    V best[5];
    VI at[5];
    for (int s = 0; s < 5; s++) best[s] = v_of(vd_load(AT(s))), at[s] = int_of_vd(vd_load(AT(s + 5)));
    for (int c = 0; c < nc; c++) {
      V y_j[3];
      y_j[0] = v_set(S[0 * LD + c]);
      y_j[1] = v_set(S[1 * LD + c]);
      y_j[2] = v_set(S[2 * LD + c]);
      V subtract2[3];
      subtract2[0] = x_i[0] - y_j[0];
      subtract2[1] = x_i[1] - y_j[1];
      subtract2[2] = x_i[2] - y_j[2];
      V square3[3];
      square3[0] = v_square(subtract2[0]);
      square3[1] = v_square(subtract2[1]);
      square3[2] = v_square(subtract2[2]);
      V sum4 = square3[0];
      sum4 += square3[1];
      sum4 += square3[2];
      const V sqrt5 = v_sqrt(sum4);
      {
        V f = sqrt5;
        V *const v = best + 0 * 5;
        VI *const w = at + 0 * 5;
        if (vi_any((f < v[4]) | ((w[4] < 0) & (f == f)))) {
          VI i = vi_set((TI)(b + c)), shift = vi_set(0);
          for (int s = 0; s < 5; s++) {
            const V vs = v[s];
            const VI ws = w[s];
            shift |= (f < vs) | ((ws < 0) & (f == f));
            v[s] = v_sel(shift, f, vs), f = v_sel(shift, vs, f);
            w[s] = vi_sel(shift, i, ws), i = vi_sel(shift, ws, i);
          }
        }
      }
    }
    for (int s = 0; s < 5; s++) vd_store(AT(s), vd_of(best[s])), vd_store(AT(s + 5), vd_of_int(at[s]));
  }
}

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, int64 c0, int64 c1, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 0, *S = R + (long)padded * NROW, *C = S + LD * 3;
  V *W = (V *)(C + TILE * NCOL);
  parameters(arg, ld, P, W);
  rows(arg, ld, r0, nr, P, R, W);
  for (int64 b = c0; b < c1; b += TILE) {
    const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;
    columns(arg, ld, b, nc, P, S, C, W);
    pairs(P, R, S, C, W, state, ld_state, nr, b, nc);
  }
}
