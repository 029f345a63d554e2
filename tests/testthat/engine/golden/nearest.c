typedef long long int64;
enum { NROW = 3, NCOL = 0, TILE = 1024, LD = TILE + 16, G = 1, SPAN = 8 };
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
}

/* Rows r0 ... r0 + nr. */
static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W) {
  (void)P, (void)W;
  take_rows(arg[0] + r0, ld[0], arg[2], 3, nr, R + 0 * GR_L); /* x */
}

/* Columns b ... b + nc. */
static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W) {
  (void)P, (void)W;
  take_columns(arg[1] + b, ld[1], arg[3], 3, nc, S + 0 * LD); /* y */
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

/* What a value must reach to be kept: anything where there is none, else what is better than the last of those kept. */
GR_FN V limit_of(V last, VI none) { return v_sel(none, v_set(GR_INF), v_below(last)); }

enum { TOP = 5, LIST = 8, ROOM = 16, SHORT = 8, PER_COLUMN = GR_L, WORD = SPAN * GR_L <= 64 ? SPAN : 64 / GR_L };
#define COLUMNS(first, q) vi_set((first) + (q))
#define NONE (TI)((GR_TU)-1 >> 1) /* index of none, above all others */
#define GR_ROLLED _Pragma("GCC unroll 1")
#define WORST GR_INF
#define BETTER <
#define REACHES <=

/* What a list waits for: the limit; how many candidates each lane has, and the most of them. */
typedef struct top {
  V limit;
  VI count;
  int most;
} top;

/* Fills the lanes with nothing up to the fullest. */
GR_APART void top_level(top *t, V *v, VI *w) {
  for (int s = t->most; s-- > 0 && vi_any(t->count <= s);) {
    VI there = t->count > s;
    v[s] = v_sel(there, v[s], v_set(WORST)), w[s] = i_sel(there, w[s], vi_set(NONE));
  }
}

/* Is one lane of two in the word? (Not all processors count bits.) */
GR_FN int top_many(unsigned long long x) {
  const unsigned long long ones = -1ull;
  x -= x >> 1 & ones / 3;
  x = (x & ones / 15 * 3) + (x >> 2 & ones / 15 * 3);
  return (x + (x >> 4) & ones / 17) * (ones / 255) >> 56 > WORD * GR_L / 2;
}

/* Takes into the room what reaches the limit in nq columns, in their order: lane by lane, or where most lanes do, whole
 * columns. Returns whether the room may not hold another span. */
GR_APART int top_take(top *t, const V *f, int nq, TI column, V *v, VI *w) {
  for (int q = 0; q < nq; q += WORD) {
    unsigned long long bits = 0;
    for (int p = 0; p < WORD; p++) bits |= (unsigned long long)vi_bits(f[q + p] REACHES t->limit) << (p * GR_L);
    if (nq < q + WORD) bits &= (1ull << (nq - q) * GR_L) - 1;
    if (top_many(bits)) {
      top_level(t, v, w);
      GR_ROLLED
      for (int p = q; p < nq && p < q + WORD; p++, t->most++) {
        VI m = f[p] REACHES t->limit;
        v[t->most] = v_sel(m, f[p], v_set(WORST)), w[t->most] = i_sel(m, COLUMNS(column, p), vi_set(NONE));
      }
      t->count = vi_set(t->most);
    } else {
      for (; bits; bits &= bits - 1) {
        unsigned k = (unsigned)(q * GR_L + __builtin_ctzll(bits)), l = k % GR_L;
        int s = (int)((TI *)&t->count)[l]++;
        ((T *)v)[s * GR_L + l] = ((const T *)f)[k];
        ((TI *)w)[s * GR_L + l] = column + k / PER_COLUMN;
        if (s >= t->most) t->most = s + 1;
      }
    }
  }
  return t->most > ROOM - SPAN;
}

/* Inserts n candidates (a multiple of 4) in the order in which they came. */
GR_APART void top_insert(V *list, VI *at, const V *v, const VI *w, int n) {
  for (int s = 0; s < n; s += 4) {
    const V *c = v + s;
    V f[4] = {c[0], c[1], c[2], c[3]};
    VI i[4] = {w[s], w[s + 1], w[s + 2], w[s + 3]};
    GR_ROLLED
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

/* The candidates enter the list in the state. Where they were inserted, infinite ones, which are better than none only, follow. */
GR_APART void top_enter(top *t, const V *v, const VI *w, V *list, double *values, double *indices, int64 ld) {
  VI *at = (VI *)(list + LIST + ROOM);
  int n = (t->most + 3) / 4 * 4;
  if (!n) return;
  GR_ROLLED
  for (int k = 0; k < TOP; k++) {
    VI i = int_of_vd(vd_load(indices + k * ld));
    list[k] = v_of(vd_load(values + k * ld)), at[k] = i_sel(i < 0, vi_set(NONE), i);
  }
  for (int s = 0; s < n; s++) {
    VI there = t->count > s;
    list[LIST + s] = v_sel(there, v[s], v_set(WORST)), at[LIST + s] = i_sel(there, w[s], vi_set(NONE));
  }
  {
    top_insert(list, at, list + LIST, at + LIST, n);
    for (int s = LIST; s < LIST + n; s++) {
      VI rest = (list[s] == WORST) & (at[s] != NONE);
      GR_ROLLED
      for (int k = 0; k < TOP && vi_any(rest); k++) {
        VI m = rest & (at[k] == NONE);
        at[k] = i_sel(m, at[s], at[k]), rest &= ~m;
      }
    }
  }
  t->limit = limit_of(list[TOP - 1], at[TOP - 1] == NONE);
  t->count = vi_set(0), t->most = 0;
  GR_ROLLED
  for (int k = 0; k < TOP; k++) {
    vd_store(values + k * ld, vd_of(list[k]));
    vd_store(indices + k * ld, vd_of_int(i_sel(at[k] == NONE, vi_set(-1), at[k])));
  }
}

/* All rows against columns b ... b + nc. */
static void pairs(const T *P, const T *R, const T *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc) {
  (void)P, (void)R, (void)S, (void)C, (void)W, (void)b;
  for (int r = 0; r < nr; r += GR_L) {
    const T *Rv = R + (int64)r * NROW; (void)Rv;
    V x_i[3];
    x_i[0] = v_load(Rv + 0 * GR_L);
    x_i[1] = v_load(Rv + 1 * GR_L);
    x_i[2] = v_load(Rv + 2 * GR_L);
    V least[1];
    V fg[8];
    top wait[1];
    V *const room = (V *)(W + 0);
    VI *const from = (VI *)(W + 16);
    V *const list = (V *)(W + 32);
    wait[0].count = vi_set(0), wait[0].most = 0;
    wait[0].limit = limit_of(v_of(vd_load(AT(0 * 5 + 4))), int_of_vd(vd_load(AT(0 * 5 + 9))) < 0);
    for (int g = 0; g < nc; g += SPAN) {
      const int nq = nc - g < SPAN ? nc - g : SPAN;
      least[0] = v_set(GR_INF);
      for (int q = 0; q < SPAN; q++) {
        const int c = g + q;
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
        fg[0 * SPAN + q] = sqrt5;
        least[0] = v_min(fg[0 * SPAN + q], least[0]);
      }
      if (vi_any(least[0] <= wait[0].limit) &&
          top_take(&wait[0], fg + 0 * SPAN, nq, (TI)(b + g), room + 0 * ROOM, from + 0 * ROOM))
        top_enter(&wait[0], room + 0 * ROOM, from + 0 * ROOM, list, AT(0 * 5), AT(0 * 5 + 5), ld_state);
    }
    top_enter(&wait[0], room + 0 * ROOM, from + 0 * ROOM, list, AT(0 * 5), AT(0 * 5 + 5), ld_state);
  }
}

GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, const int64 *interval, int64 n, void *scratch) {
  const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;
  T *P = scratch, *R = P + 0, *S = R + (int64)padded * 3, *C = S + 3120;
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
