typedef long long int64;
enum { NROW = 3, NCOL = 3, TILE = 1024, G = 8 };
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
  for (int k = 0; k < 3; k++) /* x */
    take_rows(arg[0] + r0 + k * ld[0], nr, R + k * GR_L);
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  for (int k = 0; k < 3; k++) /* y */
    take_columns(arg[1] + b + k * ld[1], nc, S + k * TILE);
  pack_columns(S + 0 * TILE, nc, 3, C + 0 * G);
}

GR_FN VI lanes(void) {
  VI lane = vi_set(0);
  for (int l = 0; l < GR_L; l++) lane[l] = l;
  return lane;
}

GR_FN VI i_sel(VI m, VI a, VI b) { return (VI)v_sel(m, (V)a, (V)b); }

/* The next number below; of -Inf, NaN, which nothing reaches. */
GR_FN V v_below(V a) {
  VI negative = (VI)a < 0;
  return v_sel(a == 0, (V)vi_set(GR_SIGN | 1), (V)((VI)a - 1 - 2 * negative));
}

/* What a value must reach to be kept, when the last of those kept is from column `at`: anything in place of none, else
 * what is better. */
GR_FN V limit_of(V last, VI at) { return v_sel(at < 0, v_set(GR_INF), v_below(last)); }

enum { TOP = 5, LIST = 8, ROOM = 16, SHORT = 8, PER_COLUMN = GR_L, WORD = G * GR_L <= 64 ? G : 64 / GR_L };
#define COLUMNS(first, q) vi_set((first) + (q))
#define WORST GR_INF
#define BETTER <
#define REACHES <=

/* Fills the rooms of all lanes with nothing up to that of the fullest, which is returned. */
GR_APART int top_level(V *v, VI *w, VI *count) {
  int most = 0;
  for (int l = 0; l < GR_L; l++) most = (int)(*count)[l] > most ? (int)(*count)[l] : most;
  for (int s = most; s-- > 0 && vi_any(*count <= s);) {
    VI there = *count > s;
    v[s] = v_sel(there, v[s], v_set(WORST)), w[s] |= ~there;
  }
  return most;
}

/* Is one lane of two in the word? (Not all processors count bits.) */
GR_FN int top_most(unsigned long long x) {
  const unsigned long long ones = -1ull;
  x -= x >> 1 & ones / 3;
  x = (x & ones / 15 * 3) + (x >> 2 & ones / 15 * 3);
  return (x + (x >> 4) & ones / 17) * (ones / 255) >> 56 > WORD * GR_L / 2;
}

/* Of the lanes of nq columns, takes into the room those that reach the limit, in the order of columns; where most lanes do,
 * all, after the lanes have been made equally full. Returns whether the room may not hold another group. */
GR_APART int top_take(const V *f, int nq, V limit, TI column, V *v, VI *w, VI *count) {
  int most = 0;
  for (int q = 0; q < nq; q += WORD) {
    unsigned long long bits = 0;
    for (int p = 0; p < WORD; p++) bits |= (unsigned long long)vi_bits(f[q + p] REACHES limit) << (p * GR_L);
    if (nq < q + WORD) bits &= (1ull << (nq - q) * GR_L) - 1;
    if (top_most(bits)) {
      most = top_level(v, w, count) - 1;
      for (int p = q; p < nq && p < q + WORD; p++) {
        VI m = f[p] REACHES limit;
        most++, v[most] = v_sel(m, f[p], v_set(WORST)), w[most] = COLUMNS(column, p) | ~m;
      }
      *count = vi_set(most + 1);
    } else {
      for (; bits; bits &= bits - 1) {
        unsigned k = (unsigned)(q * GR_L + __builtin_ctzll(bits)), l = k % GR_L;
        int s = (int)((TI *)count)[l]++;
        ((T *)v)[s * GR_L + l] = ((const T *)f)[k];
        ((TI *)w)[s * GR_L + l] = column + k / PER_COLUMN;
        if (s > most) most = s;
      }
    }
  }
  return most >= ROOM - G;
}

/* Inserts n candidates (a multiple of 4) in the order in which they came. */
GR_APART void top_insert(V *list, VI *at, const V *v, const VI *w, int n) {
  for (int s = 0; s < n; s += 4) {
    const V *c = v + s;
    V f[4] = {c[0], c[1], c[2], c[3]};
    VI i[4] = {w[s], w[s + 1], w[s + 2], w[s + 3]};
    for (int k = 0; k < TOP; k++) {
      V a = list[k];
      VI j = at[k];
      for (int p = 0; p < 4; p++) {
        VI m = c[p] BETTER a, old = j;
        V was = a;
        a = v_sel(m, f[p], a), j = i_sel(m, i[p], j);
        f[p] = v_sel(m, was, f[p]), i[p] = i_sel(m, old, i[p]);
      }
      list[k] = a, at[k] = j;
    }
  }
}

/* An infinite value, worse than all others, is better than none. */
GR_APART void top_append(V *list, VI *at, const V *v, const VI *w, int n) {
  for (int l = 0; l < GR_L; l++)
    for (int s = 0, k = 0; s < n; s++) {
      if (v[s][l] != WORST || w[s][l] < 0) continue;
      while (k < TOP && at[k][l] >= 0) k++;
      if (k < TOP) list[k][l] = WORST, at[k][l] = w[s][l];
    }
}

/* The candidates of all lanes enter the lists in the state, which change the limit. */
GR_APART void top_enter(V *limit, V *v, VI *w, VI *count, V *list, double *values, double *indices, int64 ld) {
  VI *at = (VI *)(list + LIST), endless = vi_set(0);
  int n = top_level(v, w, count), even = (n + 3) / 4 * 4;
  if (!n) return;
  for (int k = 0; k < TOP; k++) list[k] = v_of(vd_load(values + k * ld)), at[k] = int_of_vd(vd_load(indices + k * ld));
  for (int s = n; s < even; s++) v[s] = v_set(WORST), w[s] = vi_set(-1);
  for (int s = 0; s < n; s++) endless |= (v[s] == WORST) & (w[s] >= 0);
  { top_insert(list, at, v, w, even); if (vi_any(endless)) top_append(list, at, v, w, n); }
  for (int k = 0; k < TOP; k++) vd_store(values + k * ld, vd_of(list[k])), vd_store(indices + k * ld, vd_of_int(at[k]));
  *limit = limit_of(list[TOP - 1], at[TOP - 1]);
  *count = vi_set(0);
}

/* All rows against columns b ... b + nc. */
static void pairs(const T *P, const T *R, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)C, (void)W, (void)b;
  for (int r = 0; r < nr; r += GR_L) {
    const T *Rv = R + (long)r * NROW; (void)Rv;
    V x_i[3];
    x_i[0] = v_load(Rv + 0 * GR_L);
    x_i[1] = v_load(Rv + 1 * GR_L);
    x_i[2] = v_load(Rv + 2 * GR_L);
    V limit[1];
    V least[1];
    V fg[8];
    VI count[1];
    V room[16];
    VI from[16];
    V list[16];
    limit[0] = limit_of(v_of(vd_load(AT(0 * 5 + 4))), int_of_vd(vd_load(AT(0 * 5 + 9))));
    count[0] = vi_set(0);
    for (int c = 0; c < nc; c += G) {
      const T *Cg = C + (long)c * NCOL;
      const int nq = nc - c < G ? nc - c : G; (void)Cg;
      least[0] = v_set(GR_INF);
      for (int q = 0; q < G; q++) {
        V y_j[3];
        y_j[0] = v_set(Cg[0 * G + q]);
        y_j[1] = v_set(Cg[1 * G + q]);
        y_j[2] = v_set(Cg[2 * G + q]);
        V subtract2[3];
        subtract2[0] = x_i[0] - y_j[0];
        subtract2[1] = x_i[1] - y_j[1];
        subtract2[2] = x_i[2] - y_j[2];
        V square3[3];
        square3[0] = v_square(subtract2[0]);
        square3[1] = v_square(subtract2[1]);
        square3[2] = v_square(subtract2[2]);
        V sum4 = v_set(0);
        sum4 += square3[0];
        sum4 += square3[1];
        sum4 += square3[2];
        const V sqrt5 = v_sqrt(sum4);
        fg[0 * G + q] = sqrt5;
        least[0] = v_min(fg[0 * G + q], least[0]);
      }
      if (vi_any(least[0] <= limit[0]) &&
          top_take(fg + 0 * G, nq, limit[0], (TI)(b + c), room + 0 * ROOM, from + 0 * ROOM, &count[0]))
        top_enter(&limit[0], room + 0 * ROOM, from + 0 * ROOM, &count[0], list, AT(0 * 5), AT(0 * 5 + 5), ld_state);
    }
    top_enter(&limit[0], room + 0 * ROOM, from + 0 * ROOM, &count[0], list, AT(0 * 5), AT(0 * 5 + 5), ld_state);
  }
}

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, int64 c0, int64 c1, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 0, *S = R + (long)padded * NROW, *C = S + TILE * 3;
  V *W = (V *)(C + TILE * NCOL);
  parameters(arg, ld, P, W);
  rows(arg, ld, r0, nr, P, R, W);
  for (int64 b = c0; b < c1; b += TILE) {
    const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;
    columns(arg, ld, b, nc, P, S, C, W);
    pairs(P, R, C, W, state, ld_state, nr, b, nc);
  }
}
