/* emit_red.c: the reductions inside a tile, for the lanes of one vector of rows: a family is five functions.
 * What is accumulated lives in local arrays and is folded into the state (doubles, see reduce.c) at the end of the tile:
 * sums of blocks of columns are added in double, so that the error of single precision does not grow with N. */
#include "gr.h"

static int formula_dim(const gr_emitter *e) { return e->p->red.dim; }

/* An array of accumulators: a local one, or a part of the workspace. `size` is in vectors V. */
static void array(gr_emitter *e, const char *type, const char *name, int n, int size) {
  gr_declare(e, type, name, n, e->p->red_work < 0 ? -1 : e->p->red_work + e->red_used);
  e->red_used += size;
}

/* An array in the workspace with one part for each vector of rows of a register tile. */
static void array_of_rows(gr_emitter *e, const char *name, int work, const char *n) {
  gr_line(&e->out, e->p->rows_at_once > 1 ? "V *const %s = W + %d + v * %s;" : "V *const %s = W + %d;", name, work, n);
}

static const char *root(gr_emitter *e, gr_idx k) { return gr_value(e, e->p->root, k); }

/* The indices of the columns in the lanes. */
static const char *column(const gr_emitter *e) { return e->p->by_columns ? "(vi_set((TI)(b + c)) + lane)" : "vi_set((TI)(b + c))"; }

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

static void total_declare(gr_emitter *e) {
  const char *type = e->p->acc64 ? "VD" : "V";
  int n = formula_dim(e), size = n * (e->p->acc64 && !e->p->f64 ? 2 : 1);
  if (e->p->late) {
    array_of_rows(e, "sum", e->p->red_work, gr_format(e->c->arena, "%d", n));
    return;
  }
  array(e, type, "sum", n, size);
  if (e->p->scheme == SUM_KAHAN) array(e, type, "lost", n, size);
}

static void total_begin(gr_emitter *e) {
  if (!e->p->late) gr_each(e, formula_dim(e), total_zero, NULL);
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

static gr_wide total_wide(const gr_emitter *e) {
  return (gr_wide){.term = e->p->root, .n = formula_dim(e), .to = e->p->red_work, .apart = formula_dim(e)};
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

/* ---- Extremum ---- */

static const char *compare(const gr_emitter *e) { return e->p->red.direction > 0 ? "<" : ">"; }

static void extremum_load(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "best[%s] = v_of(vd_load(AT(%s)));", i, i);
  if (e->p->red.index) gr_line(&e->out, "at[%s] = int_of_vd(vd_load(AT(%s)));", i, at(e, k, formula_dim(e)));
}

static void extremum_declare(gr_emitter *e) {
  array(e, "V", "best", formula_dim(e), formula_dim(e));
  if (e->p->red.index) array(e, "VI", "at", formula_dim(e), formula_dim(e));
}

static void extremum_begin(gr_emitter *e) { gr_each(e, formula_dim(e), extremum_load, NULL); }

static void extremum_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *f = root(e, k);
  (void)data;
  if (!e->p->red.index) {
    gr_line(&e->out, "best[%s] = %s(%s, best[%s]);", i, e->p->red.direction > 0 ? "v_min" : "v_max", f, i);
    return;
  }
  gr_line(&e->out, "{ const V f = %s; const VI m = (f %s best[%s]) | ((at[%s] < 0) & (f == f));", f, compare(e), i, i);
  gr_line(&e->out, "  best[%s] = v_sel(m, f, best[%s]); at[%s] = vi_sel(m, %s, at[%s]); }", i, i, i, column(e), i);
}

static void extremum_step(gr_emitter *e) { gr_each(e, formula_dim(e), extremum_component, NULL); }

static void extremum_store(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "vd_store(AT(%s), vd_of(best[%s]));", i, i);
  if (e->p->red.index) gr_line(&e->out, "vd_store(AT(%s), vd_of_int(at[%s]));", at(e, k, formula_dim(e)), i);
}

static void extremum_end(gr_emitter *e) { gr_each(e, formula_dim(e), extremum_store, NULL); }

/* ---- Top: sorted lists; a column that beats the worst in any lane is inserted in all lanes that it beats ---- */

static void top_declare(gr_emitter *e) {
  int n = formula_dim(e) * e->p->red.k;
  array(e, "V", "best", n, n);
  array(e, "VI", "at", n, n);
}

static void top_begin(gr_emitter *e) {
  int n = formula_dim(e) * e->p->red.k;
  gr_line(&e->out, "for (int s = 0; s < %d; s++) best[s] = v_of(vd_load(AT(s))), at[s] = int_of_vd(vd_load(AT(s + %d)));", n, n);
}

static void top_component(gr_emitter *e, gr_idx k, const void *data) {
  int K = e->p->red.k;
  const char *cmp = compare(e);
  (void)data;
  gr_open(e, "%s", "");
  gr_line(&e->out, "V f = %s;", root(e, k));
  gr_line(&e->out, "V *const v = best + %s * %d;", gr_idx_text(e, k), K);
  gr_line(&e->out, "VI *const w = at + %s * %d;", gr_idx_text(e, k), K);
  gr_open(e, "if (vi_any((f %s v[%d]) | ((w[%d] < 0) & (f == f))))", cmp, K - 1, K - 1);
  gr_line(&e->out, "VI i = %s, shift = vi_set(0);", column(e));
  gr_open(e, "for (int s = 0; s < %d; s++)", K);
  gr_line(&e->out, "const V vs = v[s];");
  gr_line(&e->out, "const VI ws = w[s];");
  gr_line(&e->out, "shift |= (f %s vs) | ((ws < 0) & (f == f));", cmp);
  gr_line(&e->out, "v[s] = v_sel(shift, f, vs), f = v_sel(shift, vs, f);");
  gr_line(&e->out, "w[s] = vi_sel(shift, i, ws), i = vi_sel(shift, ws, i);");
  gr_close(e);
  gr_close(e);
  gr_close(e);
}

static void top_step(gr_emitter *e) { gr_each(e, formula_dim(e), top_component, NULL); }

static void top_end(gr_emitter *e) {
  int n = formula_dim(e) * e->p->red.k;
  gr_line(&e->out, "for (int s = 0; s < %d; s++) vd_store(AT(s), vd_of(best[s])), vd_store(AT(s + %d), vd_of_int(at[s]));", n, n);
}

/* ---- ExpSum: the maximum over the state and a tile is found first, so that a pair costs one exponential and sums are
 * rescaled once per tile.  `base` is the maximum made finite: what is subtracted. ---- */

static int weight_dim(const gr_emitter *e) { return e->p->weight < 0 ? 0 : e->p->dag->node[e->p->weight].dim; }
static bool weights_kept(const gr_emitter *e) { return e->p->weight >= 0 && !e->p->late; }

static void expsum_declare(gr_emitter *e) {
  array_of_rows(e, "term", e->p->kept, "TILE");
  array_of_rows(e, "sum", e->p->red_work, gr_format(e->c->arena, "%d", e->p->red.nweight));
  array_of_rows(e, "top", e->p->red_work + e->p->rows_at_once * e->p->red.nweight, "1");
  if (weights_kept(e)) gr_line(&e->out, "V *const weight = W + %d + TILE * %d;", e->p->kept, e->p->rows_at_once);
}

static void expsum_base(gr_emitter *e) { gr_line(&e->out, "const V base = v_clamp(top[0], v_set(-GR_MAX), v_set(GR_MAX));"); }

static void expsum_begin(gr_emitter *e) { gr_line(&e->out, "V m = v_of(vd_load(AT(0)));"); }

static void keep_weight(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "weight[%s * TILE + %s] = %s;", gr_idx_text(e, k), gr_at_column(e), gr_value(e, e->p->weight, k));
}

static void expsum_step(gr_emitter *e) {
  const char *c = gr_at_column(e);
  gr_line(&e->out, "term[%s] = %s;", c, root(e, (gr_idx){NULL, 0}));
  gr_line(&e->out, "m = v_max(term[%s], m);", c);
  if (weights_kept(e)) gr_each(e, weight_dim(e), keep_weight, NULL);
}

static void expsum_weighted(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_open(e, "%s", "");
  gr_line(&e->out, "V a = v_set(0);");
  gr_line(&e->out, "for (int c = 0; c < n; c++) a += term[c] * weight[%s * TILE + c];", gr_idx_text(e, k));
  gr_line(&e->out, "sum[%s] = a;", at(e, k, e->p->red.lead));
  gr_close(e);
}

static void expsum_tile(gr_emitter *e) {
  gr_line(&e->out, e->p->by_columns ? "const int n = nc / GR_L;" : "const int n = nc;");
  gr_line(&e->out, "top[0] = m;");
  expsum_base(e);
  gr_line(&e->out, "V s = v_set(0);");
  gr_line(&e->out, "GR_ABREAST");
  gr_line(&e->out, "for (int c = 0; c < n; c++) s += term[c] = gr_exp_below(term[c], base);");
  if (e->p->red.lead || e->p->weight < 0) gr_line(&e->out, "sum[0] = s;");
  if (weights_kept(e)) gr_each(e, weight_dim(e), expsum_weighted, NULL);
}

static gr_wide expsum_wide(const gr_emitter *e) {
  return (gr_wide){e->p->weight, "term", weight_dim(e), e->p->red_work + e->p->red.lead, e->p->red.nweight};
}

static void expsum_end(gr_emitter *e) {
  gr_open(e, "%s", "");
  expsum_base(e);
  gr_line(&e->out, "const VD keep = vd_of(gr_exp_below(v_of(vd_load(AT(0))), base));");
  gr_line(&e->out, "vd_store(AT(0), vd_of(top[0]));");
  gr_line(&e->out, "for (int k = 0; k < %d; k++) vd_store(AT(k + 1), vd_load(AT(k + 1)) * keep + vd_of(sum[k]));", e->p->red.nweight);
  gr_close(e);
}

/* ---- Product ---- */

static void product_one(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "product[%s] = v_set(1);", gr_idx_text(e, k));
}

static void product_declare(gr_emitter *e) { array(e, "V", "product", formula_dim(e), formula_dim(e)); }
static void product_begin(gr_emitter *e) { gr_each(e, formula_dim(e), product_one, NULL); }

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

static void moments_declare(gr_emitter *e) {
  int n = formula_dim(e);
  array(e, "V", "sum", n, n);
  array(e, "V", "squares", n, n);
  array(e, "V", "first", n, n);
}

static void moments_begin(gr_emitter *e) {
  gr_line(&e->out, "int seen = 0;");
  gr_each(e, formula_dim(e), moments_zero, NULL);
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
  void (*declare)(gr_emitter *), (*begin)(gr_emitter *), (*step)(gr_emitter *), (*tile)(gr_emitter *), (*end)(gr_emitter *);
} families[FAM_COUNT] = {
    [FAM_Total] = {total_declare, total_begin, total_step, nothing, total_end},
    [FAM_Extremum] = {extremum_declare, extremum_begin, extremum_step, nothing, extremum_end},
    [FAM_Top] = {top_declare, top_begin, top_step, nothing, top_end},
    [FAM_ExpSum] = {expsum_declare, expsum_begin, expsum_step, expsum_tile, expsum_end},
    [FAM_Product] = {product_declare, product_begin, product_step, nothing, product_end},
    [FAM_Moments] = {moments_declare, moments_begin, moments_step, nothing, moments_end}};

void gr_emit_red_declare(gr_emitter *e) {
  e->red_used = 0;
  families[e->p->red.family].declare(e);
}
void gr_emit_red_begin(gr_emitter *e) { families[e->p->red.family].begin(e); }
void gr_emit_red_step(gr_emitter *e) { families[e->p->red.family].step(e); }
void gr_emit_red_tile(gr_emitter *e) { families[e->p->red.family].tile(e); }
void gr_emit_red_end(gr_emitter *e) { families[e->p->red.family].end(e); }

/* Only these two have wide sums. */
gr_wide gr_emit_red_wide(gr_emitter *e) { return e->p->red.family == FAM_ExpSum ? expsum_wide(e) : total_wide(e); }
