/* emit_red.c: the reductions inside a tile, for the lanes of one vector of rows; those that select
 * are in emit_select.c, those that a GPU does in its own way in emit_cuda_red.c.
 *
 * Owns      the emitters gr_c_NAME and gr_c_late_NAME (target_c.c), and the accumulators of a tile:
 *           local arrays or parts of the workspace.
 * Guarantees  at the end of a tile they are added to the state, which is double (reduce/state.h):
 *           this is block summation, so that the error of single precision does not grow with the
 *           number of columns. */
#include "emit/emitter.h"

void gr_red_array(gr_emitter *e, const char *type, const char *name, int n, int size) {
  gr_declare(e, type, name, n, e->p->cpu.red_work < 0 ? -1 : e->p->cpu.red_work + e->red_used);
  e->red_used += size;
}

/* An array in the workspace with one part for each vector of rows of a register tile. */
static void array_of_rows(gr_emitter *e, const char *name, int work, const char *n) {
  gr_line(&e->out, e->p->cpu.rows > 1 ? "V *const %s = W + %d + v * %s;" : "V *const %s = W + %d;", name, work, n);
}

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
  gr_putf(&b, load, gr_idx_after(e, k, gr_formula_dim(e)));
  gr_line(&e->out, "lost[%s] = %s;", i, b.s);
}

static void total_declare(gr_emitter *e) {
  const char *type = e->p->ask.acc64 ? "VD" : "V";
  int n = gr_formula_dim(e), size = n * (e->p->ask.acc64 && !e->p->ask.f64 ? 2 : 1);
  gr_red_array(e, type, "sum", n, size);
  if (e->p->ask.scheme == SUM_KAHAN) gr_red_array(e, type, "lost", n, size);
}

static void total_begin(gr_emitter *e) { gr_each(e, gr_formula_dim(e), total_zero, NULL); }

static void total_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *f = gr_root_value(e, k), *type = e->p->ask.acc64 ? "VD" : "V";
  (void)data;
  if (e->p->ask.acc64) f = gr_format(e->c->arena, "vd_of(%s)", f);
  if (e->p->ask.scheme == SUM_KAHAN)
    gr_line(&e->out, "{ const %s y = %s - lost[%s], t = sum[%s] + y; lost[%s] = (t - sum[%s]) - y; sum[%s] = t; }", type, f, i,
            i, i, i, i);
  else
    gr_line(&e->out, "sum[%s] += %s;", i, f);
}

static void total_step(gr_emitter *e) { gr_each(e, gr_formula_dim(e), total_component, NULL); }

static void total_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *of = e->p->ask.acc64 ? "" : "vd_of";
  (void)data;
  if (e->p->ask.scheme == SUM_BLOCK)
    gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) + %s(sum[%s]));", i, i, of, i);
  else
    gr_line(&e->out, "vd_store(AT(%s), %s(sum[%s]));", i, of, i);
  if (e->p->ask.scheme == SUM_KAHAN) gr_line(&e->out, "vd_store(AT(%s), %s(lost[%s]));", gr_idx_after(e, k, gr_formula_dim(e)), of, i);
}

static void total_end(gr_emitter *e) { gr_each(e, gr_formula_dim(e), total_fold, NULL); }

const gr_red_emitter gr_c_Total = {
    .declare = total_declare, .begin = total_begin, .step = total_step, .end = total_end, .abreast = true};

/* With wide sums, which are never summed by Kahan's scheme. */
static void late_total_declare(gr_emitter *e) {
  array_of_rows(e, "sum", e->p->cpu.red_work, gr_format(e->c->arena, "%d", gr_formula_dim(e)));
}

static gr_wide total_wide(gr_emitter *e) {
  int n = gr_formula_dim(e);
  return (gr_wide){.term = e->p->ask.root, .n = n, .to = e->p->cpu.red_work, .apart = n};
}

const gr_red_emitter gr_c_late_Total = {
    .declare = late_total_declare, .end = total_end, .wide = total_wide, .abreast = true};

/* ---- ExpSum ---- */

/* The maximum over the state and a tile is found first, so that a pair costs one exponential and
 * sums are rescaled once per tile.  `base` is the maximum made finite: what is subtracted. */

static bool weights_kept(const gr_emitter *e) { return e->p->ask.weight >= 0 && !e->p->late; }

static void expsum_declare(gr_emitter *e) {
  array_of_rows(e, "term", e->p->cpu.kept, "TILE");
  array_of_rows(e, "sum", e->p->cpu.red_work, gr_format(e->c->arena, "%d", e->p->ask.red.nweight));
  array_of_rows(e, "top", e->p->cpu.red_work + e->p->cpu.rows * e->p->ask.red.nweight, "1");
  if (weights_kept(e)) gr_line(&e->out, "V *const weight = W + %d + TILE * %d;", e->p->cpu.kept, e->p->cpu.rows);
}

static void expsum_base(gr_emitter *e) { gr_line(&e->out, "const V base = v_clamp(top[0], v_set(-GR_MAX), v_set(GR_MAX));"); }

static void expsum_begin(gr_emitter *e) { gr_line(&e->out, "V m = v_of(vd_load(AT(0)));"); }

static void keep_weight(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "weight[%s * TILE + %s] = %s;", gr_idx_text(e, k), e->t->at_column, gr_value(e, e->p->ask.weight, k));
}

static void expsum_step(gr_emitter *e) {
  const char *c = e->t->at_column;
  gr_line(&e->out, "term[%s] = %s;", c, gr_root_value(e, (gr_idx){NULL, 0}));
  gr_line(&e->out, "m = v_max(term[%s], m);", c);
  if (weights_kept(e)) gr_each(e, gr_weight_dim(e), keep_weight, NULL);
}

static void expsum_weighted(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_open_block(e);
  gr_line(&e->out, e->p->ask.acc64 ? "VD a = vd_set(0);" : "V a = v_set(0);");
  gr_line(&e->out, e->p->ask.acc64 ? "for (int c = 0; c < n; c++) a += vd_of(term[c]) * vd_of(weight[%s * TILE + c]);"
                               : "for (int c = 0; c < n; c++) a += term[c] * weight[%s * TILE + c];", gr_idx_text(e, k));
  gr_line(&e->out, e->p->ask.acc64 ? "sum[%s] = v_of(a);" : "sum[%s] = a;", gr_idx_after(e, k, e->p->ask.red.lead));
  gr_close(e);
}

static void expsum_tile(gr_emitter *e) {
  gr_line(&e->out, "const int n = %s;", e->t->columns_seen);
  gr_line(&e->out, "top[0] = m;");
  expsum_base(e);
  gr_line(&e->out, e->p->ask.acc64 ? "VD s = vd_set(0);" : "V s = v_set(0);");
  gr_line(&e->out, "GR_ABREAST");
  gr_line(&e->out, e->p->ask.acc64 ? "for (int c = 0; c < n; c++) s += vd_of(term[c] = %s(term[c], base));"
                               : "for (int c = 0; c < n; c++) s += term[c] = %s(term[c], base);", gr_exp_function(e));
  if (e->p->ask.red.lead || e->p->ask.weight < 0) gr_line(&e->out, e->p->ask.acc64 ? "sum[0] = v_of(s);" : "sum[0] = s;");
  if (weights_kept(e)) gr_each(e, gr_weight_dim(e), expsum_weighted, NULL);
}

static void expsum_end(gr_emitter *e) {
  gr_open_block(e);
  expsum_base(e);
  gr_line(&e->out, "const VD keep = vd_of(%s(v_of(vd_load(AT(0))), base));", gr_exp_function(e));
  gr_line(&e->out, "vd_store(AT(0), vd_of(top[0]));");
  gr_line(&e->out, "for (int k = 0; k < %d; k++) vd_store(AT(k + 1), vd_load(AT(k + 1)) * keep + vd_of(sum[k]));", e->p->ask.red.nweight);
  gr_close(e);
}

const gr_red_emitter gr_c_ExpSum = {.declare = expsum_declare,
                                    .begin = expsum_begin,
                                    .step = expsum_step,
                                    .tile = expsum_tile,
                                    .end = expsum_end,
                                    .scheduled = true};

static gr_wide expsum_wide(gr_emitter *e) {
  const gr_reduction *red = &e->p->ask.red;
  return (gr_wide){.term = e->p->ask.weight,
                   .factor = "term",
                   .n = gr_weight_dim(e),
                   .to = e->p->cpu.red_work + red->lead,
                   .apart = red->nweight};
}

/* With weights that come late. */
const gr_red_emitter gr_c_late_ExpSum = {.declare = expsum_declare,
                                         .begin = expsum_begin,
                                         .step = expsum_step,
                                         .tile = expsum_tile,
                                         .end = expsum_end,
                                         .wide = expsum_wide,
                                         .scheduled = true};

/* ---- Product ---- */

static void product_one(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "product[%s] = v_set(1);", gr_idx_text(e, k));
}

static void product_declare(gr_emitter *e) { gr_red_array(e, "V", "product", gr_formula_dim(e), gr_formula_dim(e)); }
static void product_begin(gr_emitter *e) { gr_each(e, gr_formula_dim(e), product_one, NULL); }

static void product_component(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "product[%s] *= %s;", gr_idx_text(e, k), gr_root_value(e, k));
}

static void product_step(gr_emitter *e) { gr_each(e, gr_formula_dim(e), product_component, NULL); }

static void product_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) * vd_of(product[%s]));", i, i, i);
}

static void product_end(gr_emitter *e) { gr_each(e, gr_formula_dim(e), product_fold, NULL); }

const gr_red_emitter gr_c_Product = {
    .declare = product_declare, .begin = product_begin, .step = product_step, .end = product_end};

/* ---- Moments ---- */

/* In a tile, sums of f - c and of their squares, where c is the value at the tile's first column;
 * at its end they are merged into the state, as count, mean and squares (reduce/state.h). */

static void moments_zero(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "sum[%s] = squares[%s] = first[%s] = v_set(0);", i, i, i);
}

static void moments_declare(gr_emitter *e) {
  int n = gr_formula_dim(e);
  gr_red_array(e, "V", "sum", n, n);
  gr_red_array(e, "V", "squares", n, n);
  gr_red_array(e, "V", "first", n, n);
}

static void moments_begin(gr_emitter *e) {
  gr_line(&e->out, "int seen = 0;");
  gr_each(e, gr_formula_dim(e), moments_zero, NULL);
}

static void moments_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "{ const V f = %s; if (!seen) first[%s] = f;", gr_root_value(e, k), i);
  gr_line(&e->out, "  const V d = f - first[%s]; sum[%s] += d; squares[%s] += d * d; }", i, i, i);
}

static void moments_step(gr_emitter *e) {
  gr_each(e, gr_formula_dim(e), moments_component, NULL);
  gr_line(&e->out, "seen++;");
}

static void moments_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k), *mean = gr_idx_after(e, k, 1), *dev = gr_idx_after(e, k, 1 + gr_formula_dim(e));
  (void)data;
  gr_open_block(e);
  gr_line(&e->out, "const VD s = vd_of(sum[%s]), old = vd_load(AT(%s));", i, mean);
  gr_line(&e->out, "const VD delta = vd_of(first[%s]) + s / count - old;", i);
  gr_line(&e->out, "vd_store(AT(%s), old + delta * (count / n));", mean);
  gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) + vd_of(squares[%s]) - s * s / count + delta * delta * (before * count / n));",
          dev, dev, i);
  gr_close(e);
}

static void moments_end(gr_emitter *e) {
  if (e->t->in->may_see_none) gr_open(e, "if (seen)");
  gr_line(&e->out, "const VD count = vd_set(%s), before = vd_load(AT(0)), n = before + count;", e->t->columns_seen);
  gr_each(e, gr_formula_dim(e), moments_fold, NULL);
  gr_line(&e->out, "vd_store(AT(0), n);");
  if (e->t->in->may_see_none) gr_close(e);
}

const gr_red_emitter gr_c_Moments = {
    .declare = moments_declare, .begin = moments_begin, .step = moments_step, .end = moments_end};
