/* emit_select.c: reductions that select: smallest and largest values, their indices, the K best.
 *
 * Owns      the emitters gr_c_Extremum and gr_c_Top.
 * Columns come in spans of SPAN: the best of a span is compared with a limit, the last value that
 * would change what is kept; what follows is rare on data in random order.  NaN reaches no limit,
 * and is not the best of a span (v_min). */
#include "emit/emitter.h"

/* One that should be local, whatever the size of the others. */
static void near_array(gr_emitter *e, const char *type, const char *name, int n, int vectors) {
  if (n * vectors <= GR_ON_STACK)
    gr_declare(e, type, name, n, -1);
  else
    gr_red_array(e, type, name, n, n * vectors);
}

/* ---- what both families share ---- */

static const char *best_of(const gr_emitter *e) { return e->p->ask.red.direction > 0 ? "v_min" : "v_max"; }
static const char *reaches(const gr_emitter *e) { return e->p->ask.red.direction > 0 ? "<=" : ">="; }
static const char *worst(const gr_emitter *e) { return e->p->ask.red.direction > 0 ? "GR_INF" : "-GR_INF"; }

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
  const char *sign = e->p->ask.red.direction > 0 ? "" : "-";
  gr_in_scope(e, (const char *const[]){"lanes", "i_sel", "v_below", "limit_of", NULL});
  gr_lines(e, selection);
  gr_line(&e->out, "GR_FN V limit_of(V last, VI none) { return v_sel(none, v_set(%s), %sv_below(%slast)); }", worst(e), sign, sign);
  gr_line(&e->out, "%s", "");
}

static void select_arrays(gr_emitter *e) {
  int n = gr_formula_dim(e);
  near_array(e, "V", "least", n, 1);
  near_array(e, "V", "fg", n * GR_SPAN, 1);
}

static void least_none(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "least[%s] = v_set(%s);", gr_idx_text(e, k), worst(e));
}

static void select_span_begin(gr_emitter *e) { gr_each(e, gr_formula_dim(e), least_none, NULL); }

static void select_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "fg[%s * SPAN + q] = %s;", i, gr_root_value(e, k));
  gr_line(&e->out, "least[%s] = %s(fg[%s * SPAN + q], least[%s]);", i, best_of(e), i, i);
}

static void select_step(gr_emitter *e) { gr_each(e, gr_formula_dim(e), select_component, NULL); }

/* ---- Extremum ---- */

static void extremum_support(gr_emitter *e) {
  if (e->p->ask.red.index) select_support(e);
}

static void extremum_load(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "best[%s] = v_of(vd_load(AT(%s)));", i, i);
  if (!e->p->ask.red.index) return;
  gr_line(&e->out, "at[%s] = int_of_vd(vd_load(AT(%s)));", i, gr_idx_after(e, k, gr_formula_dim(e)));
  gr_line(&e->out, "limit[%s] = limit_of(best[%s], at[%s] < 0);", i, i, i);
}

static void extremum_declare(gr_emitter *e) {
  near_array(e, "V", "best", gr_formula_dim(e), 1);
  if (e->p->ask.red.index) {
    near_array(e, "VI", "at", gr_formula_dim(e), 1);
    near_array(e, "V", "limit", gr_formula_dim(e), 1);
    select_arrays(e);
  }
}

static void extremum_begin(gr_emitter *e) { gr_each(e, gr_formula_dim(e), extremum_load, NULL); }

static void extremum_span_begin(gr_emitter *e) {
  if (e->p->ask.red.index) select_span_begin(e);
}

static void extremum_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "best[%s] = %s(%s, best[%s]);", i, best_of(e), gr_root_value(e, k), i);
}

static void extremum_step(gr_emitter *e) {
  if (e->p->ask.red.index)
    select_step(e);
  else
    gr_each(e, gr_formula_dim(e), extremum_component, NULL);
}

/* The best of the span is taken where it reaches the limit, at the first of its columns that has
 * it. */
static void extremum_take(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_open(e, "if (vi_any(least[%s] %s limit[%s]))", i, reaches(e), i);
  gr_line(&e->out, "const V m = least[%s];", i);
  gr_line(&e->out, "const VI hit = m %s limit[%s];", reaches(e), i);
  gr_line(&e->out, "best[%s] = v_sel(hit, m, best[%s]);", i, i);
  gr_line(&e->out, "for (int q = nq - 1; q >= 0; q--) at[%s] = i_sel(hit & (fg[%s * SPAN + q] == m), %s, at[%s]);", i, i, e->t->c->span_index, i);
  gr_line(&e->out, "limit[%s] = limit_of(best[%s], at[%s] < 0);", i, i, i);
  gr_close(e);
}

static void extremum_span(gr_emitter *e) {
  if (e->p->ask.red.index) gr_each(e, gr_formula_dim(e), extremum_take, NULL);
}

static void extremum_store(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "vd_store(AT(%s), vd_of(best[%s]));", i, i);
  if (e->p->ask.red.index) gr_line(&e->out, "vd_store(AT(%s), vd_of_int(at[%s]));", gr_idx_after(e, k, gr_formula_dim(e)), i);
}

static void extremum_end(gr_emitter *e) { gr_each(e, gr_formula_dim(e), extremum_store, NULL); }

const gr_red_emitter gr_c_Extremum = {.support = extremum_support,
                                      .declare = extremum_declare,
                                      .begin = extremum_begin,
                                      .span_begin = extremum_span_begin,
                                      .step = extremum_step,
                                      .span = extremum_span,
                                      .end = extremum_end};

/* ---- Top ---- */

/* The sorted lists stay in the state.  Candidates, which reach the limit, wait in a room, where
 * each lane has a count of its own; when the room of a lane is full, and at the end of the tile,
 * they enter the lists, all lanes at once.  Few are inserted one by one (a list is passed once for
 * four); many are sorted and merged, both by Batcher's bitonic network: in a list of K, the cost
 * of one is K steps or log(K)^2. */

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
    " * columns. Returns whether the room may not hold another span. */",
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
    "  return t->most > ROOM - SPAN;",
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

/* Names of the fixed text. */
static const char *const top_names[] = {"TOP",      "LIST",     "ROOM",       "SHORT",     "PER_COLUMN", "WORD",      "top",
                                        "top_level", "top_many", "top_take", "top_insert", "top_stage", "top_merge", "top_enter",
                                        NULL};

static void top_definitions(gr_emitter *e) {
  int k = e->p->ask.red.k;
  gr_in_scope(e, top_names);
  gr_line(&e->out,
          "enum { TOP = %d, LIST = %d, ROOM = %d, SHORT = 8, PER_COLUMN = %s, "
          "WORD = SPAN * GR_L <= 64 ? SPAN : 64 / GR_L };",
          k, gr_top_list(k), gr_top_room(k), e->t->c->lanes_of_column);
  gr_macro(e, "COLUMNS", "%s", e->t->c->index_of_column);
  gr_macro(e, "NONE", " (TI)((GR_TU)-1 >> 1) /* index of none, above all others */");
  gr_macro(e, "GR_ROLLED", " _Pragma(\"GCC unroll 1\")");
  gr_macro(e, "WORST", " %s", worst(e));
  gr_macro(e, "BETTER", " %s", e->p->ask.red.direction > 0 ? "<" : ">");
  gr_macro(e, "REACHES", " %s", reaches(e));
}

static void top_support(gr_emitter *e) {
  bool network = e->p->ask.red.k > GR_TOP_INSERT;
  select_support(e);
  top_definitions(e);
  gr_put(&e->out, "\n");
  gr_lines(e, top_text);
  if (network) gr_lines(e, top_network);
  gr_lines(e, top_enter);
  if (network) gr_lines(e, top_enter_network);
  gr_lines(e, top_enter_load);
  if (network) gr_line(&e->out, "  if (n > SHORT)\n    top_merge(list, at, n);\n  else");
  gr_lines(e, top_enter_rest);
}

static void top_load(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  int K = e->p->ask.red.k;
  (void)data;
  gr_line(&e->out, "wait[%s].count = vi_set(0), wait[%s].most = 0;", i, i);
  gr_line(&e->out, "wait[%s].limit = limit_of(v_of(vd_load(AT(%s * %d + %d))), int_of_vd(vd_load(AT(%s * %d + %d))) < 0);", i, i, K, K - 1, i, K,
          gr_formula_dim(e) * K + K - 1);
}

static void top_declare(gr_emitter *e) {
  int n = gr_formula_dim(e), room = gr_top_room(e->p->ask.red.k), list = gr_top_list(e->p->ask.red.k);
  select_arrays(e);
  near_array(e, "top", "wait", n, 3);
  gr_red_array(e, "V", "room", n * room, n * room);
  gr_red_array(e, "VI", "from", n * room, n * room);
  gr_red_array(e, "V", "list", 2 * (list + room), 2 * (list + room));
}

static void top_begin(gr_emitter *e) { gr_each(e, gr_formula_dim(e), top_load, NULL); }

static const char *enter(gr_emitter *e, gr_idx k) {
  const char *i = gr_idx_text(e, k);
  int K = e->p->ask.red.k;
  return gr_format(e->c->arena,
                   "top_enter(&wait[%s], room + %s * ROOM, from + %s * ROOM, list, AT(%s * %d), AT(%s * %d + %d), ld_state);", i, i, i,
                   i, K, i, K, gr_formula_dim(e) * K);
}

static void top_take(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "if (vi_any(least[%s] %s wait[%s].limit) &&", i, reaches(e), i);
  gr_line(&e->out, "    top_take(&wait[%s], fg + %s * SPAN, nq, (TI)(b + g), room + %s * ROOM, from + %s * ROOM))", i, i, i, i);
  gr_line(&e->out, "  %s", enter(e, k));
}

static void top_span(gr_emitter *e) { gr_each(e, gr_formula_dim(e), top_take, NULL); }

static void top_last(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "%s", enter(e, k));
}

static void top_end(gr_emitter *e) { gr_each(e, gr_formula_dim(e), top_last, NULL); }

const gr_red_emitter gr_c_Top = {.support = top_support,
                                 .declare = top_declare,
                                 .begin = top_begin,
                                 .span_begin = select_span_begin,
                                 .step = select_step,
                                 .span = top_span,
                                 .end = top_end};
