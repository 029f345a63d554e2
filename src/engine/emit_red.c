/* emit_red.c: the reductions inside a tile, for the lanes of one vector of rows: a family is six functions.
 * What is accumulated lives in local arrays and is folded into the state (doubles, see reduce.c) at the end of the tile:
 * sums of blocks of columns are added in double, so that the error of single precision does not grow with N. */
#include "gr.h"

static int formula_dim(const gr_emitter *e) { return e->p->red.dim; }

/* An array of accumulators: a local one, or a part of the workspace. `size` is in vectors V. */
static void array(gr_emitter *e, const char *type, const char *name, int n, int size) {
  gr_declare(e, type, name, n, e->p->red_work < 0 ? -1 : e->p->red_work + e->red_used);
  e->red_used += size;
}

/* One that should be local, whatever the size of the others. */
static void near_array(gr_emitter *e, const char *type, const char *name, int n, int vectors) {
  if (n * vectors <= GR_ON_STACK)
    gr_declare(e, type, name, n, -1);
  else
    array(e, type, name, n, n * vectors);
}

static const char *root(gr_emitter *e, gr_idx k) { return gr_value(e, e->p->root, k); }

/* The indices of the columns in the lanes. */
static const char *column(const gr_emitter *e) {
  static const char *const text[] = {"vi_set((TI)(b + c))", "vi_set((TI)(b + c + q))", "(vi_set((TI)(b + c)) + lane)",
                                     "(vi_set((TI)(b + c + q * GR_L)) + lane)"};
  return text[2 * e->p->by_columns + (e->p->group > 1)];
}

static const char *at(gr_emitter *e, gr_idx k, int off) { return gr_idx_text(e, (gr_idx){k.sym, k.off + off}); }

/* ---- Total ---- */

static void total_zero(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *load = e->p->acc64 ? "vd_load(AT(%s))" : "v_of(vd_load(AT(%s)))";
  (void)data;
  if (e->p->scheme == SUM_BLOCK) {
    gr_line(&e->out, e->p->acc64 ? "sum[%s] = vd_set(0);" : "sum[%s] = v_set(0);", i);
    return;
  }
  gr_str b = {.arena = e->c->arena};
  gr_putf(&b, load, i);
  gr_line(&e->out, "sum[%s] = %s;", i, b.s);
  if (e->p->scheme != SUM_KAHAN) return;
  b = (gr_str){.arena = e->c->arena};
  gr_putf(&b, load, at(e, k, formula_dim(e)));
  gr_line(&e->out, "lost[%s] = %s;", i, b.s);
}

static void total_begin(gr_emitter *e) {
  const char *type = e->p->acc64 ? "VD" : "V";
  int n = formula_dim(e), size = n * (e->p->acc64 && !e->p->f64 ? 2 : 1);
  array(e, type, "sum", n, size);
  if (e->p->scheme == SUM_KAHAN) array(e, type, "lost", n, size);
  gr_each(e, n, total_zero, NULL);
}

static void total_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *f = root(e, k), *type = e->p->acc64 ? "VD" : "V";
  (void)data;
  if (e->p->acc64) f = gr_format(e->c->arena, "vd_of(%s)", f);
  if (e->p->scheme == SUM_KAHAN)
    gr_line(&e->out, "{ const %s y = %s - lost[%s], t = sum[%s] + y; lost[%s] = (t - sum[%s]) - y; sum[%s] = t; }", type, f, i,
            i, i, i, i);
  else
    gr_line(&e->out, "sum[%s] += %s;", i, f);
}

static void total_step(gr_emitter *e) {
  if (!e->p->late) gr_each(e, formula_dim(e), total_component, NULL);
}

/* Adds a column's term to `a` for all columns of the group; the full group has a constant length. */
static void group_sum(gr_emitter *e, const char *term) {
  gr_line(&e->out, "if (nq == G)");
  gr_line(&e->out, "  for (int q = 0; q < G; q++) a += %s;", term);
  gr_line(&e->out, "else");
  gr_line(&e->out, "  for (int q = 0; q < nq; q++) a += %s;", term);
}

static void total_late(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "V a = sum[%s];", gr_idx_text(e, k));
  group_sum(e, root(e, k));
  gr_line(&e->out, "sum[%s] = a;", gr_idx_text(e, k));
}

static void total_group(gr_emitter *e) {
  if (!e->p->late) return;
  e->late = true;
  gr_each(e, formula_dim(e), total_late, NULL);
  e->late = false;
}

static void total_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *of = e->p->acc64 ? "" : "vd_of";
  (void)data;
  if (e->p->scheme == SUM_BLOCK)
    gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) + %s(sum[%s]));", i, i, of, i);
  else
    gr_line(&e->out, "vd_store(AT(%s), %s(sum[%s]));", i, of, i);
  if (e->p->scheme == SUM_KAHAN) gr_line(&e->out, "vd_store(AT(%s), %s(lost[%s]));", at(e, k, formula_dim(e)), of, i);
}

static void total_end(gr_emitter *e) { gr_each(e, formula_dim(e), total_fold, NULL); }

/* ---- selection: what Extremum with indices and Top share.  The best of a group of columns is compared with a limit, the last
 * value that would change what is kept; what follows is rare on data in random order.  NaN reaches no limit, and is not
 * the best of a group (v_min). ---- */

static const char *best_of(const gr_emitter *e) { return e->p->red.direction > 0 ? "v_min" : "v_max"; }
static const char *reaches(const gr_emitter *e) { return e->p->red.direction > 0 ? "<=" : ">="; }
static const char *worst(const gr_emitter *e) { return e->p->red.direction > 0 ? "GR_INF" : "-GR_INF"; }

static const char *const selection[] = {
    "GR_FN VI lanes(void) {",
    "  VI lane = vi_set(0);",
    "  for (int l = 0; l < GR_L; l++) lane[l] = l;",
    "  return lane;",
    "}",
    "",
    "GR_FN VI i_sel(VI m, VI a, VI b) { return (VI)v_sel(m, (V)a, (V)b); }",
    "",
    "/* The next number below; of -Inf, NaN, which nothing reaches. */",
    "GR_FN V v_below(V a) {",
    "  VI negative = (VI)a < 0;",
    "  return v_sel(a == 0, (V)vi_set(GR_SIGN | 1), (V)((VI)a - 1 - 2 * negative));",
    "}",
    "",
    "/* What a value must reach to be kept: anything where there is none, else what is better than the last of those kept. */", NULL};

static void select_support(gr_emitter *e) {
  const char *sign = e->p->red.direction > 0 ? "" : "-";
  for (const char *const *line = selection; *line; line++) gr_line(&e->out, "%s", *line);
  gr_line(&e->out, "GR_FN V limit_of(V last, VI none) { return v_sel(none, v_set(%s), %sv_below(%slast)); }", worst(e), sign, sign);
  gr_line(&e->out, "%s", "");
}

static void select_arrays(gr_emitter *e) {
  int n = formula_dim(e);
  near_array(e, "V", "least", n, 1);
  near_array(e, "V", "fg", n * e->p->group, 1);
}

static void least_none(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "least[%s] = v_set(%s);", gr_idx_text(e, k), worst(e));
}

static void select_group_begin(gr_emitter *e) { gr_each(e, formula_dim(e), least_none, NULL); }

static void select_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "fg[%s * G + q] = %s;", i, root(e, k));
  gr_line(&e->out, "least[%s] = %s(fg[%s * G + q], least[%s]);", i, best_of(e), i, i);
}

static void select_step(gr_emitter *e) { gr_each(e, formula_dim(e), select_component, NULL); }

/* ---- Extremum ---- */

static void extremum_support(gr_emitter *e) {
  if (e->p->red.index) select_support(e);
}

static void extremum_load(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "best[%s] = v_of(vd_load(AT(%s)));", i, i);
  if (!e->p->red.index) return;
  gr_line(&e->out, "at[%s] = int_of_vd(vd_load(AT(%s)));", i, at(e, k, formula_dim(e)));
  gr_line(&e->out, "limit[%s] = limit_of(best[%s], at[%s] < 0);", i, i, i);
}

static void extremum_begin(gr_emitter *e) {
  near_array(e, "V", "best", formula_dim(e), 1);
  if (e->p->red.index) {
    near_array(e, "VI", "at", formula_dim(e), 1);
    near_array(e, "V", "limit", formula_dim(e), 1);
    select_arrays(e);
  }
  gr_each(e, formula_dim(e), extremum_load, NULL);
}

static void extremum_group_begin(gr_emitter *e) {
  if (e->p->red.index) select_group_begin(e);
}

static void extremum_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "best[%s] = %s(%s, best[%s]);", i, best_of(e), root(e, k), i);
}

static void extremum_step(gr_emitter *e) {
  if (e->p->red.index)
    select_step(e);
  else
    gr_each(e, formula_dim(e), extremum_component, NULL);
}

/* The best of the group is taken where it reaches the limit, at the first of its columns that has it. */
static void extremum_take(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_open(e, "if (vi_any(least[%s] %s limit[%s]))", i, reaches(e), i);
  gr_line(&e->out, "const V m = least[%s];", i);
  gr_line(&e->out, "const VI hit = m %s limit[%s];", reaches(e), i);
  gr_line(&e->out, "best[%s] = v_sel(hit, m, best[%s]);", i, i);
  gr_line(&e->out, "for (int q = nq - 1; q >= 0; q--) at[%s] = i_sel(hit & (fg[%s * G + q] == m), %s, at[%s]);", i, i, column(e), i);
  gr_line(&e->out, "limit[%s] = limit_of(best[%s], at[%s] < 0);", i, i, i);
  gr_close(e);
}

static void extremum_group(gr_emitter *e) {
  if (e->p->red.index) gr_each(e, formula_dim(e), extremum_take, NULL);
}

static void extremum_store(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "vd_store(AT(%s), vd_of(best[%s]));", i, i);
  if (e->p->red.index) gr_line(&e->out, "vd_store(AT(%s), vd_of_int(at[%s]));", at(e, k, formula_dim(e)), i);
}

static void extremum_end(gr_emitter *e) { gr_each(e, formula_dim(e), extremum_store, NULL); }

/* ---- Top: the sorted lists stay in the state.  Values that reach the limit wait in a room, each lane having its own count; when
 * a lane's room is full, and at the end of the tile, they enter the lists, all lanes at once.  Few are inserted one by one
 * (a list is passed once for four); many are sorted and merged, both by Batcher's bitonic network: in lists of K, the cost of
 * one is K steps or log(K)^2. ---- */

enum { TOP_ROOM = 32, TOP_INSERT = 32 }; /* up to how long lists there is insertion only */

static int top_list(int k) { /* a power of 2, for the network */
  int n = 1;
  while (n < k) n *= 2;
  return n;
}

static int top_room(int k) { return k > TOP_INSERT ? top_list(k) / 2 : (k + 3) / 4 * 4 + 8; }

int gr_top_vectors(const gr_plan *p) {
  int room = top_room(p->red.k);
  return (4 + p->group + 2 * room) * p->red.dim + 2 * (top_list(p->red.k) + room);
}

static const char *const top_text[] = {
    "/* What a list waits for: the limit; how many candidates each lane has, and the most of them. */",
    "typedef struct top {",
    "  V limit;",
    "  VI count;",
    "  int most;",
    "} top;",
    "",
    "/* Fills the lanes with nothing up to the fullest. */",
    "GR_APART void top_level(top *t, V *v, VI *w) {",
    "  for (int s = t->most; s-- > 0 && vi_any(t->count <= s);) {",
    "    VI there = t->count > s;",
    "    v[s] = v_sel(there, v[s], v_set(WORST)), w[s] = i_sel(there, w[s], vi_set(NONE));",
    "  }",
    "}",
    "",
    "/* Is one lane of two in the word? (Not all processors count bits.) */",
    "GR_FN int top_many(unsigned long long x) {",
    "  const unsigned long long ones = -1ull;",
    "  x -= x >> 1 & ones / 3;",
    "  x = (x & ones / 15 * 3) + (x >> 2 & ones / 15 * 3);",
    "  return (x + (x >> 4) & ones / 17) * (ones / 255) >> 56 > WORD * GR_L / 2;",
    "}",
    "",
    "/* Takes into the room what reaches the limit in nq columns, in their order: lane by lane, or where most lanes do, whole",
    " * columns. Returns whether the room may not hold another group. */",
    "GR_APART int top_take(top *t, const V *f, int nq, TI column, V *v, VI *w) {",
    "  for (int q = 0; q < nq; q += WORD) {",
    "    unsigned long long bits = 0;",
    "    for (int p = 0; p < WORD; p++) bits |= (unsigned long long)vi_bits(f[q + p] REACHES t->limit) << (p * GR_L);",
    "    if (nq < q + WORD) bits &= (1ull << (nq - q) * GR_L) - 1;",
    "    if (top_many(bits)) {",
    "      top_level(t, v, w);",
    "      GR_ROLLED",
    "      for (int p = q; p < nq && p < q + WORD; p++, t->most++) {",
    "        VI m = f[p] REACHES t->limit;",
    "        v[t->most] = v_sel(m, f[p], v_set(WORST)), w[t->most] = i_sel(m, COLUMNS(column, p), vi_set(NONE));",
    "      }",
    "      t->count = vi_set(t->most);",
    "    } else {",
    "      for (; bits; bits &= bits - 1) {",
    "        unsigned k = (unsigned)(q * GR_L + __builtin_ctzll(bits)), l = k % GR_L;",
    "        int s = (int)((TI *)&t->count)[l]++;",
    "        ((T *)v)[s * GR_L + l] = ((const T *)f)[k];",
    "        ((TI *)w)[s * GR_L + l] = column + k / PER_COLUMN;",
    "        if (s >= t->most) t->most = s + 1;",
    "      }",
    "    }",
    "  }",
    "  return t->most > ROOM - G;",
    "}",
    "",
    "/* Inserts n candidates (a multiple of 4) in the order in which they came. */",
    "GR_APART void top_insert(V *list, VI *at, const V *v, const VI *w, int n) {",
    "  for (int s = 0; s < n; s += 4) {",
    "    const V *c = v + s;",
    "    V f[4] = {c[0], c[1], c[2], c[3]};",
    "    VI i[4] = {w[s], w[s + 1], w[s + 2], w[s + 3]};",
    "    GR_ROLLED",
    "    for (int k = 0; k < TOP; k++) {",
    "      V a = list[k];",
    "      VI j = at[k];",
    "      for (int p = 0; p < 4; p++) {",
    "        VI m = c[p] BETTER a, old = j;",
    "        V was = a;",
    "        a = v_sel(m, f[p], a), j = i_sel(m, i[p], j);",
    "        f[p] = v_sel(m, was, f[p]), i[p] = i_sel(m, old, i[p]);",
    "      }",
    "      list[k] = a, at[k] = j;",
    "    }",
    "  }",
    "}",
    "", NULL};

static const char *const top_network[] = {
    "/* Orders pairs h apart in every 2 h of n (or those that lie opposite): the better, or of equals that of the lower index, first. */",
    "GR_APART void top_stage(V *v, VI *w, int n, int h, int opposite) {",
    "  for (; n > 0; n -= 2 * h, v += 2 * h, w += 2 * h)",
    "    for (int a = 0, b = opposite ? 2 * h - 1 : h; a < h; a++, b += opposite ? -1 : 1) {",
    "      V x = v[a], y = v[b];",
    "      VI i = w[a], j = w[b], m = (y BETTER x) | ((x == y) & (j < i));",
    "      v[a] = v_sel(m, y, x), v[b] = v_sel(m, x, y);",
    "      w[a] = i_sel(m, j, i), w[b] = i_sel(m, i, j);",
    "    }",
    "}",
    "",
    "/* Sorts the n candidates (a power of 2) behind a list, and merges them with it. */",
    "GR_APART void top_merge(V *list, VI *at, int n) {",
    "  for (int h = 1; h < n; h *= 2)",
    "    for (int g = h; g > 0; g /= 2) top_stage(list + LIST, at + LIST, n, g, g == h);",
    "  top_stage(list + LIST - n, at + LIST - n, 2 * n, n, 1);",
    "  for (int g = LIST / 2; g > 0; g /= 2) top_stage(list, at, LIST, g, 0);",
    "}",
    "", NULL};

static const char *const top_enter[] = {
    "/* The candidates enter the list in the state. Where they were inserted, infinite ones, which are better than none only, follow. */",
    "GR_APART void top_enter(top *t, const V *v, const VI *w, V *list, double *values, double *indices, int64 ld) {",
    "  VI *at = (VI *)(list + LIST + ROOM);",
    "  int n = (t->most + 3) / 4 * 4;",
    "  if (!n) return;", NULL};

static const char *const top_enter_network[] = {
    "  if (t->most > SHORT)",
    "    for (n = 2 * SHORT; n < t->most;) n *= 2;",
    "  for (int k = TOP; k < LIST; k++) list[k] = v_set(WORST), at[k] = vi_set(NONE);", NULL};

static const char *const top_enter_load[] = {
    "  GR_ROLLED",
    "  for (int k = 0; k < TOP; k++) {",
    "    VI i = int_of_vd(vd_load(indices + k * ld));",
    "    list[k] = v_of(vd_load(values + k * ld)), at[k] = i_sel(i < 0, vi_set(NONE), i);",
    "  }",
    "  for (int s = 0; s < n; s++) {",
    "    VI there = t->count > s;",
    "    list[LIST + s] = v_sel(there, v[s], v_set(WORST)), at[LIST + s] = i_sel(there, w[s], vi_set(NONE));",
    "  }", NULL};

static const char *const top_enter_rest[] = {
    "  {",
    "    top_insert(list, at, list + LIST, at + LIST, n);",
    "    for (int s = LIST; s < LIST + n; s++) {",
    "      VI rest = (list[s] == WORST) & (at[s] != NONE);",
    "      GR_ROLLED",
    "      for (int k = 0; k < TOP && vi_any(rest); k++) {",
    "        VI m = rest & (at[k] == NONE);",
    "        at[k] = i_sel(m, at[s], at[k]), rest &= ~m;",
    "      }",
    "    }",
    "  }",
    "  t->limit = limit_of(list[TOP - 1], at[TOP - 1] == NONE);",
    "  t->count = vi_set(0), t->most = 0;",
    "  GR_ROLLED",
    "  for (int k = 0; k < TOP; k++) {",
    "    vd_store(values + k * ld, vd_of(list[k]));",
    "    vd_store(indices + k * ld, vd_of_int(i_sel(at[k] == NONE, vi_set(-1), at[k])));",
    "  }",
    "}",
    "", NULL};

static void lines(gr_emitter *e, const char *const *line) {
  for (; *line; line++) gr_line(&e->out, "%s", *line);
}

static void top_support(gr_emitter *e) {
  int k = e->p->red.k;
  bool network = k > TOP_INSERT;
  select_support(e);
  gr_line(&e->out, "enum { TOP = %d, LIST = %d, ROOM = %d, SHORT = 8, PER_COLUMN = %s, WORD = G * GR_L <= 64 ? G : 64 / GR_L };", k, top_list(k),
          top_room(k), e->p->by_columns ? "1" : "GR_L");
  gr_line(&e->out, "#define COLUMNS(first, q) %s", e->p->by_columns ? "(vi_set((first) + (q) * GR_L) + lanes())" : "vi_set((first) + (q))");
  gr_line(&e->out, "#define NONE (TI)((GR_TU)-1 >> 1) /* index of none, above all others */");
  gr_line(&e->out, "#define GR_ROLLED _Pragma(\"GCC unroll 1\")");
  gr_line(&e->out, "#define WORST %s", worst(e));
  gr_line(&e->out, "#define BETTER %s", e->p->red.direction > 0 ? "<" : ">");
  gr_line(&e->out, "#define REACHES %s", reaches(e));
  gr_line(&e->out, "%s", "");
  lines(e, top_text);
  if (network) lines(e, top_network);
  lines(e, top_enter);
  if (network) lines(e, top_enter_network);
  lines(e, top_enter_load);
  if (network) gr_line(&e->out, "  if (n > SHORT)\n    top_merge(list, at, n);\n  else");
  lines(e, top_enter_rest);
}

static void top_load(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  int K = e->p->red.k;
  (void)data;
  gr_line(&e->out, "wait[%s].count = vi_set(0), wait[%s].most = 0;", i, i);
  gr_line(&e->out, "wait[%s].limit = limit_of(v_of(vd_load(AT(%s * %d + %d))), int_of_vd(vd_load(AT(%s * %d + %d))) < 0);", i, i, K, K - 1, i, K,
          formula_dim(e) * K + K - 1);
}

static void top_begin(gr_emitter *e) {
  int n = formula_dim(e), room = top_room(e->p->red.k), list = top_list(e->p->red.k);
  select_arrays(e);
  near_array(e, "top", "wait", n, 3);
  array(e, "V", "room", n * room, n * room);
  array(e, "VI", "from", n * room, n * room);
  array(e, "V", "list", 2 * (list + room), 2 * (list + room));
  gr_each(e, n, top_load, NULL);
}

static const char *enter(gr_emitter *e, gr_idx k) {
  const char *i = gr_idx_text(e, k);
  int K = e->p->red.k;
  return gr_format(e->c->arena,
                   "top_enter(&wait[%s], room + %s * ROOM, from + %s * ROOM, list, AT(%s * %d), AT(%s * %d + %d), ld_state);", i, i, i,
                   i, K, i, K, formula_dim(e) * K);
}

static void top_take(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "if (vi_any(least[%s] %s wait[%s].limit) &&", i, reaches(e), i);
  gr_line(&e->out, "    top_take(&wait[%s], fg + %s * G, nq, (TI)(b + c), room + %s * ROOM, from + %s * ROOM))", i, i, i, i);
  gr_line(&e->out, "  %s", enter(e, k));
}

static void top_group(gr_emitter *e) { gr_each(e, formula_dim(e), top_take, NULL); }

static void top_last(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "%s", enter(e, k));
}

static void top_end(gr_emitter *e) { gr_each(e, formula_dim(e), top_last, NULL); }

/* ---- ExpSum: the maximum of a group is found first, so that a pair costs one exponential and sums are rescaled once
 * per group.  `base` is the maximum made finite enough to subtract: -Inf becomes 0, and Inf - Inf is taken as 0. ---- */

static void expsum_begin(gr_emitter *e) {
  array(e, "V", "sum", e->p->red.nweight, e->p->red.nweight);
  gr_line(&e->out, "V top = v_set((T)-__builtin_inf());");
  gr_line(&e->out, "for (int k = 0; k < %d; k++) sum[k] = v_set(0);", e->p->red.nweight);
}

static int weight_dim(const gr_emitter *e) { return e->p->weight < 0 ? 0 : e->p->dag->node[e->p->weight].dim; }
static bool weights_kept(const gr_emitter *e) { return e->p->weight >= 0 && !e->p->late; }

static void expsum_group_begin(gr_emitter *e) {
  gr_line(&e->out, "V fg[G];");
  if (!weights_kept(e)) return;
  int used = e->red_used, n = weight_dim(e);
  array(e, "V", "wg", e->p->group * n, e->p->group * n);
  e->red_used = used;
}

static void keep_weight(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "wg[%s * G + q] = %s;", gr_idx_text(e, k), gr_value(e, e->p->weight, k));
}

static void expsum_step(gr_emitter *e) {
  gr_line(&e->out, "fg[q] = %s;", root(e, (gr_idx){NULL, 0}));
  if (weights_kept(e)) gr_each(e, weight_dim(e), keep_weight, NULL);
}

static void expsum_sum(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = at(e, k, e->p->red.lead), *w;
  (void)data;
  w = e->p->late ? gr_value(e, e->p->weight, k) : gr_format(e->c->arena, "wg[%s * G + q]", gr_idx_text(e, k));
  gr_open(e, "%s", "");
  gr_line(&e->out, "V a = sum[%s] * keep;", i);
  group_sum(e, gr_format(e->c->arena, "fg[q] * %s", w));
  gr_line(&e->out, "sum[%s] = a;", i);
  gr_close(e);
}

static void expsum_group(gr_emitter *e) {
  gr_line(&e->out, "V m = top;");
  gr_line(&e->out, "for (int q = 0; q < nq; q++) m = v_max(fg[q], m);");
  gr_line(&e->out, "const V base = v_sel(m == v_set((T)-__builtin_inf()), v_set(0), m);");
  gr_line(&e->out, "const V keep = v_exp(v_sel(top == base, v_set(0), top - base));");
  gr_line(&e->out, "for (int q = 0; q < nq; q++) fg[q] = v_exp(v_sel(fg[q] == base, v_set(0), fg[q] - base));");
  gr_line(&e->out, "top = m;");
  e->late = true;
  e->col = "q";
  if (e->p->red.lead || e->p->weight < 0) {
    gr_open(e, "%s", "");
    gr_line(&e->out, "V a = sum[0] * keep;");
    group_sum(e, "fg[q]");
    gr_line(&e->out, "sum[0] = a;");
    gr_close(e);
  }
  gr_each(e, weight_dim(e), expsum_sum, NULL);
  e->late = false;
}

static void expsum_end(gr_emitter *e) {
  gr_open(e, "%s", "");
  gr_line(&e->out, "const V old = v_of(vd_load(AT(0))), m = v_max(top, old);");
  gr_line(&e->out, "const V base = v_sel(m == v_set((T)-__builtin_inf()), v_set(0), m);");
  gr_line(&e->out, "const VD keep = vd_of(v_exp(v_sel(old == base, v_set(0), old - base)));");
  gr_line(&e->out, "const VD add = vd_of(v_exp(v_sel(top == base, v_set(0), top - base)));");
  gr_line(&e->out, "vd_store(AT(0), vd_of(m));");
  gr_line(&e->out, "for (int k = 0; k < %d; k++) vd_store(AT(k + 1), vd_load(AT(k + 1)) * keep + vd_of(sum[k]) * add);",
          e->p->red.nweight);
  gr_close(e);
}

/* ---- Product ---- */

static void product_one(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "product[%s] = v_set(1);", gr_idx_text(e, k));
}

static void product_begin(gr_emitter *e) {
  array(e, "V", "product", formula_dim(e), formula_dim(e));
  gr_each(e, formula_dim(e), product_one, NULL);
}

static void product_component(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "product[%s] *= %s;", gr_idx_text(e, k), root(e, k));
}

static void product_step(gr_emitter *e) { gr_each(e, formula_dim(e), product_component, NULL); }

static void product_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) * vd_of(product[%s]));", i, i, i);
}

static void product_end(gr_emitter *e) { gr_each(e, formula_dim(e), product_fold, NULL); }

/* ---- Moments: in a tile, sums of f - c and of their squares, c the value at the tile's first column; at its end, as count,
 * mean and squares, merged into the state as reduce.c does ---- */

static void moments_zero(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "sum[%s] = squares[%s] = first[%s] = v_set(0);", i, i, i);
}

static void moments_begin(gr_emitter *e) {
  int n = formula_dim(e);
  array(e, "V", "sum", n, n);
  array(e, "V", "squares", n, n);
  array(e, "V", "first", n, n);
  gr_line(&e->out, "int seen = 0;");
  gr_each(e, n, moments_zero, NULL);
}

static void moments_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "{ const V f = %s; if (!seen) first[%s] = f;", root(e, k), i);
  gr_line(&e->out, "  const V d = f - first[%s]; sum[%s] += d; squares[%s] += d * d; }", i, i, i);
}

static void moments_step(gr_emitter *e) {
  gr_each(e, formula_dim(e), moments_component, NULL);
  gr_line(&e->out, "seen = 1;");
}

static void moments_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *mean = at(e, k, 1), *dev = at(e, k, 1 + formula_dim(e));
  (void)data;
  gr_open(e, "%s", "");
  gr_line(&e->out, "const VD s = vd_of(sum[%s]), old = vd_load(AT(%s));", i, mean);
  gr_line(&e->out, "const VD delta = vd_of(first[%s]) + s / count - old;", i);
  gr_line(&e->out, "vd_store(AT(%s), old + delta * (count / n));", mean);
  gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) + vd_of(squares[%s]) - s * s / count + delta * delta * (before * count / n));",
          dev, dev, i);
  gr_close(e);
}

static void moments_end(gr_emitter *e) {
  gr_line(&e->out, "const VD count = vd_set(%s), before = vd_load(AT(0)), n = before + count;", e->p->by_columns ? "nc / GR_L" : "nc");
  gr_each(e, formula_dim(e), moments_fold, NULL);
  gr_line(&e->out, "vd_store(AT(0), n);");
}

/* ---- dispatch ---- */

static void nothing(gr_emitter *e) { (void)e; }

static const struct {
  void (*support)(gr_emitter *), (*begin)(gr_emitter *), (*group_begin)(gr_emitter *), (*step)(gr_emitter *), (*group)(gr_emitter *),
      (*end)(gr_emitter *);
} families[FAM_COUNT] = {
    [FAM_Total] = {nothing, total_begin, nothing, total_step, total_group, total_end},
    [FAM_Extremum] = {extremum_support, extremum_begin, extremum_group_begin, extremum_step, extremum_group, extremum_end},
    [FAM_Top] = {top_support, top_begin, select_group_begin, select_step, top_group, top_end},
    [FAM_ExpSum] = {nothing, expsum_begin, expsum_group_begin, expsum_step, expsum_group, expsum_end},
    [FAM_Product] = {nothing, product_begin, nothing, product_step, nothing, product_end},
    [FAM_Moments] = {nothing, moments_begin, nothing, moments_step, nothing, moments_end}};

void gr_emit_red_support(gr_emitter *e) { families[e->p->red.family].support(e); }
void gr_emit_red_begin(gr_emitter *e) {
  e->red_used = 0;
  families[e->p->red.family].begin(e);
}
void gr_emit_red_group_begin(gr_emitter *e) { families[e->p->red.family].group_begin(e); }
void gr_emit_red_step(gr_emitter *e) { families[e->p->red.family].step(e); }
void gr_emit_red_group(gr_emitter *e) { families[e->p->red.family].group(e); }
void gr_emit_red_end(gr_emitter *e) { families[e->p->red.family].end(e); }
