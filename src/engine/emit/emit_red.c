/* emit_red.c: the reductions inside a tile, for the lanes of one vector of rows: a family is eight functions; those that select are in
 * emit_select.c.
 * What is accumulated lives in local arrays and is folded into the state (doubles, see reduce.c) at the end of the tile:
 * sums of blocks of columns are added in double, so that the error of single precision does not grow with N. */
#include "emit/emitter.h"

static int formula_dim(const gr_emitter *e) { return e->p->ask.red.dim; }

void gr_red_array(gr_emitter *e, const char *type, const char *name, int n, int size) {
  gr_declare(e, type, name, n, e->p->cpu.red_work < 0 ? -1 : e->p->cpu.red_work + e->red_used);
  e->red_used += size;
}

/* An array in the workspace with one part for each vector of rows of a register tile. */
static void array_of_rows(gr_emitter *e, const char *name, int work, const char *n) {
  gr_line(&e->out, e->p->cpu.rows > 1 ? "V *const %s = W + %d + v * %s;" : "V *const %s = W + %d;", name, work, n);
}

static const char *root(gr_emitter *e, gr_idx k) { return gr_value(e, e->p->ask.root, k); }

static const char *at(gr_emitter *e, gr_idx k, int off) { return gr_idx_text(e, (gr_idx){k.sym, k.off + off}); }

/* ---- Total ---- */

static void total_zero(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *load = e->p->ask.acc64 ? "vd_load(AT(%s))" : "v_of(vd_load(AT(%s)))";
  (void)data;
  if (e->p->ask.scheme == SUM_BLOCK) {
    gr_line(&e->out, e->p->ask.acc64 ? "sum[%s] = vd_set(0);" : "sum[%s] = v_set(0);", i);
    return;
  }
  gr_str b = {.arena = e->c->arena};
  gr_putf(&b, load, i);
  gr_line(&e->out, "sum[%s] = %s;", i, b.s);
  if (e->p->ask.scheme != SUM_KAHAN) return;
  b = (gr_str){.arena = e->c->arena};
  gr_putf(&b, load, at(e, k, formula_dim(e)));
  gr_line(&e->out, "lost[%s] = %s;", i, b.s);
}

static void total_declare(gr_emitter *e) {
  const char *type = e->p->ask.acc64 ? "VD" : "V";
  int n = formula_dim(e), size = n * (e->p->ask.acc64 && !e->p->ask.f64 ? 2 : 1);
  if (e->p->late) {
    array_of_rows(e, "sum", e->p->cpu.red_work, gr_format(e->c->arena, "%d", n));
    return;
  }
  gr_red_array(e, type, "sum", n, size);
  if (e->p->ask.scheme == SUM_KAHAN) gr_red_array(e, type, "lost", n, size);
}

static void total_begin(gr_emitter *e) {
  if (!e->p->late) gr_each(e, formula_dim(e), total_zero, NULL);
}

static void total_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *f = root(e, k), *type = e->p->ask.acc64 ? "VD" : "V";
  (void)data;
  if (e->p->ask.acc64) f = gr_format(e->c->arena, "vd_of(%s)", f);
  if (e->p->ask.scheme == SUM_KAHAN)
    gr_line(&e->out, "{ const %s y = %s - lost[%s], t = sum[%s] + y; lost[%s] = (t - sum[%s]) - y; sum[%s] = t; }", type, f, i,
            i, i, i, i);
  else
    gr_line(&e->out, "sum[%s] += %s;", i, f);
}

static void total_step(gr_emitter *e) {
  if (!e->p->late) gr_each(e, formula_dim(e), total_component, NULL);
}

static gr_wide total_wide(const gr_emitter *e) {
  return (gr_wide){.term = e->p->ask.root, .n = formula_dim(e), .to = e->p->cpu.red_work, .apart = formula_dim(e)};
}

static void total_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *of = e->p->ask.acc64 ? "" : "vd_of";
  (void)data;
  if (e->p->ask.scheme == SUM_BLOCK)
    gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) + %s(sum[%s]));", i, i, of, i);
  else
    gr_line(&e->out, "vd_store(AT(%s), %s(sum[%s]));", i, of, i);
  if (e->p->ask.scheme == SUM_KAHAN) gr_line(&e->out, "vd_store(AT(%s), %s(lost[%s]));", at(e, k, formula_dim(e)), of, i);
}

static void total_end(gr_emitter *e) { gr_each(e, formula_dim(e), total_fold, NULL); }

/* ---- ExpSum: the maximum over the state and a tile is found first, so that a pair costs one exponential and sums are
 * rescaled once per tile.  `base` is the maximum made finite: what is subtracted. ---- */

static int weight_dim(const gr_emitter *e) { return e->p->ask.weight < 0 ? 0 : e->p->ask.dag->node[e->p->ask.weight].dim; }
static bool weights_kept(const gr_emitter *e) { return e->p->ask.weight >= 0 && !e->p->late; }

static void expsum_declare(gr_emitter *e) {
  array_of_rows(e, "term", e->p->cpu.kept, "TILE");
  array_of_rows(e, "sum", e->p->cpu.red_work, gr_format(e->c->arena, "%d", e->p->ask.red.nweight));
  array_of_rows(e, "top", e->p->cpu.red_work + e->p->cpu.rows * e->p->ask.red.nweight, "1");
  if (weights_kept(e)) gr_line(&e->out, "V *const weight = W + %d + TILE * %d;", e->p->cpu.kept, e->p->cpu.rows);
}

/* exp(f - base).  A factor of weights is 0 for f = -Inf only. */
static const char *expsum_factor(const gr_emitter *e) { return e->p->ask.weight < 0 ? "gr_exp_below" : "gr_factor_below"; }

static void expsum_base(gr_emitter *e) { gr_line(&e->out, "const V base = v_clamp(top[0], v_set(-GR_MAX), v_set(GR_MAX));"); }

static void expsum_begin(gr_emitter *e) { gr_line(&e->out, "V m = v_of(vd_load(AT(0)));"); }

static void keep_weight(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "weight[%s * TILE + %s] = %s;", gr_idx_text(e, k), gr_at_column(e), gr_value(e, e->p->ask.weight, k));
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
  gr_line(&e->out, e->p->ask.acc64 ? "VD a = vd_set(0);" : "V a = v_set(0);");
  gr_line(&e->out, e->p->ask.acc64 ? "for (int c = 0; c < n; c++) a += vd_of(term[c]) * vd_of(weight[%s * TILE + c]);"
                               : "for (int c = 0; c < n; c++) a += term[c] * weight[%s * TILE + c];", gr_idx_text(e, k));
  gr_line(&e->out, e->p->ask.acc64 ? "sum[%s] = v_of(a);" : "sum[%s] = a;", at(e, k, e->p->ask.red.lead));
  gr_close(e);
}

static void expsum_tile(gr_emitter *e) {
  gr_line(&e->out, e->p->target == TARGET_COLUMNS ? "const int n = nc / GR_L;" : "const int n = nc;");
  gr_line(&e->out, "top[0] = m;");
  expsum_base(e);
  gr_line(&e->out, e->p->ask.acc64 ? "VD s = vd_set(0);" : "V s = v_set(0);");
  gr_line(&e->out, "GR_ABREAST");
  gr_line(&e->out, e->p->ask.acc64 ? "for (int c = 0; c < n; c++) s += vd_of(term[c] = %s(term[c], base));"
                               : "for (int c = 0; c < n; c++) s += term[c] = %s(term[c], base);", expsum_factor(e));
  if (e->p->ask.red.lead || e->p->ask.weight < 0) gr_line(&e->out, e->p->ask.acc64 ? "sum[0] = v_of(s);" : "sum[0] = s;");
  if (weights_kept(e)) gr_each(e, weight_dim(e), expsum_weighted, NULL);
}

static gr_wide expsum_wide(const gr_emitter *e) {
  return (gr_wide){e->p->ask.weight, "term", weight_dim(e), e->p->cpu.red_work + e->p->ask.red.lead, e->p->ask.red.nweight};
}

static void expsum_end(gr_emitter *e) {
  gr_open(e, "%s", "");
  expsum_base(e);
  gr_line(&e->out, "const VD keep = vd_of(%s(v_of(vd_load(AT(0))), base));", expsum_factor(e));
  gr_line(&e->out, "vd_store(AT(0), vd_of(top[0]));");
  gr_line(&e->out, "for (int k = 0; k < %d; k++) vd_store(AT(k + 1), vd_load(AT(k + 1)) * keep + vd_of(sum[k]));", e->p->ask.red.nweight);
  gr_close(e);
}

/* ---- Product ---- */

static void product_one(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "product[%s] = v_set(1);", gr_idx_text(e, k));
}

static void product_declare(gr_emitter *e) { gr_red_array(e, "V", "product", formula_dim(e), formula_dim(e)); }
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
  gr_red_array(e, "V", "sum", n, n);
  gr_red_array(e, "V", "squares", n, n);
  gr_red_array(e, "V", "first", n, n);
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
  gr_line(&e->out, "seen++;");
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

/* A GPU's thread may have no column of the tile. */
static void moments_end(gr_emitter *e) {
  if (gr_for_gpu(e->p)) gr_open(e, "if (seen)");
  gr_line(&e->out, "const VD count = vd_set(%s), before = vd_load(AT(0)), n = before + count;", gr_for_gpu(e->p) ? "seen" : e->p->target == TARGET_COLUMNS ? "nc / GR_L" : "nc");
  gr_each(e, formula_dim(e), moments_fold, NULL);
  gr_line(&e->out, "vd_store(AT(0), n);");
  if (gr_for_gpu(e->p)) gr_close(e);
}

/* ---- dispatch ---- */

static void nothing(gr_emitter *e) { (void)e; }

static const gr_red_emitter total = {nothing, total_declare, total_begin, nothing, total_step, nothing, nothing, total_end};
static const gr_red_emitter expsum = {nothing, expsum_declare, expsum_begin, nothing, expsum_step, nothing, expsum_tile, expsum_end};
static const gr_red_emitter product = {nothing, product_declare, product_begin, nothing, product_step, nothing, nothing, product_end};
static const gr_red_emitter moments = {nothing, moments_declare, moments_begin, nothing, moments_step, nothing, nothing, moments_end};

const gr_red_emitter *gr_red_emitter_of(const gr_plan *p) {
  static const gr_red_emitter *const families[FAM_COUNT] = {
      [FAM_Total] = &total,     [FAM_Extremum] = &gr_emit_extremum, [FAM_Top] = &gr_emit_top,
      [FAM_ExpSum] = &expsum, [FAM_Product] = &product,       [FAM_Moments] = &moments};
  static const gr_red_emitter *const cuda[FAM_COUNT] = {
      [FAM_Extremum] = &gr_emit_cuda_extremum, [FAM_Top] = &gr_emit_cuda_top, [FAM_ExpSum] = &gr_emit_cuda_expsum};
  if (gr_for_gpu(p) && p->late) return p->ask.red.family == FAM_ExpSum ? &gr_emit_cuda_late_expsum : &gr_emit_cuda_late_total;
  return gr_for_gpu(p) && cuda[p->ask.red.family] ? cuda[p->ask.red.family] : families[p->ask.red.family];
}

/* Only these two have wide sums. */
gr_wide gr_emit_red_wide(gr_emitter *e) { return e->p->ask.red.family == FAM_ExpSum ? expsum_wide(e) : total_wide(e); }
