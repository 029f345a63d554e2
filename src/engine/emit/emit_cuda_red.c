/* emit_cuda_red.c: the reductions that a GPU does in its own way; the others are emit_red.c's.
 *
 * Owns      the emitters gr_cuda_NAME and gr_cuda_late_NAME (target_cuda.c).
 * A thread's columns come in order, so that of equal values the first is that of the lowest index.
 * Selections compare every value with a limit, the last value that would change what is kept; what
 * follows is rare, and only then do the threads of a warp wait for each other. */
#include "emit/emitter.h"

/* ---- what both selections share ---- */

static void select_support(gr_emitter *e) {
  bool least = e->p->ask.red.direction > 0;
  const char *sign = least ? "" : "-";
  gr_line(&e->out, "#define WORST %s", least ? "GR_INF" : "(-GR_INF)");
  gr_line(&e->out, "#define BETTER %s", least ? "<" : ">");
  gr_line(&e->out, "#define REACHES %s", least ? "<=" : ">=");
  gr_line(&e->out, "/* What a value must reach to be kept: anything where there is none, else what is better than the last of those kept. */");
  gr_line(&e->out, "GR_FN V limit_of(V last, VI none) { return v_sel(none, v_set(WORST), %sv_below(%slast)); }", sign, sign);
  gr_put(&e->out, "\n");
}

/* ---- Extremum with indices ---- */

static void extremum_support(gr_emitter *e) {
  if (e->p->ask.red.index) select_support(e);
}

static void extremum_declare(gr_emitter *e) {
  gr_red_array(e, "V", "best", gr_formula_dim(e), 1);
  if (!e->p->ask.red.index) return;
  gr_red_array(e, "VI", "at_best", gr_formula_dim(e), 1);
  gr_red_array(e, "V", "limit", gr_formula_dim(e), 1);
}

static void extremum_load(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "best[%s] = v_of(vd_load(AT(%s)));", i, i);
  if (!e->p->ask.red.index) return;
  gr_line(&e->out, "at_best[%s] = int_of_vd(vd_load(AT(%s)));", i, gr_idx_after(e, k, gr_formula_dim(e)));
  gr_line(&e->out, "limit[%s] = limit_of(best[%s], at_best[%s] < 0);", i, i, i);
}

static void extremum_begin(gr_emitter *e) { gr_each(e, gr_formula_dim(e), extremum_load, NULL); }

static void extremum_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  if (!e->p->ask.red.index) {
    gr_line(&e->out, "best[%s] = %s(%s, best[%s]);", i, e->p->ask.red.direction > 0 ? "v_min" : "v_max", gr_root_value(e, k), i);
    return;
  }
  gr_open_block(e);
  gr_line(&e->out, "const V f = %s;", gr_root_value(e, k));
  gr_open(e, "if (vi_any(f REACHES limit[%s]))", i);
  gr_line(&e->out, "const VI hit = f REACHES limit[%s];", i);
  gr_line(&e->out, "best[%s] = v_sel(hit, f, best[%s]);", i, i);
  gr_line(&e->out, "at_best[%s] = i_sel(hit, vi_set((TI)(b + c)), at_best[%s]);", i, i);
  gr_line(&e->out, "limit[%s] = limit_of(best[%s], at_best[%s] < 0);", i, i, i);
  gr_close(e);
  gr_close(e);
}

static void extremum_step(gr_emitter *e) { gr_each(e, gr_formula_dim(e), extremum_component, NULL); }

static void extremum_store(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_line(&e->out, "vd_store(AT(%s), vd_of(best[%s]));", i, i);
  if (e->p->ask.red.index) gr_line(&e->out, "vd_store(AT(%s), vd_of_int(at_best[%s]));", gr_idx_after(e, k, gr_formula_dim(e)), i);
}

static void extremum_end(gr_emitter *e) { gr_each(e, gr_formula_dim(e), extremum_store, NULL); }

const gr_red_emitter gr_cuda_Extremum = {.support = extremum_support,
                                         .declare = extremum_declare,
                                         .begin = extremum_begin,
                                         .step = extremum_step,
                                         .end = extremum_end,
                                         .across_tiles = true};

/* ---- Top: sorted lists, in registers where they are short ---- */

enum { TOP_UNROLL = 16 };

static const char *const top_text[] = {
    "/* Lanes of f that reach the limit enter the list: a value goes down until it finds its place, and what was there goes on. */",
    "GR_FN void top_insert(V *list, VI *index, V *limit, V f, TI column) {",
    "  const VI hit = f REACHES *limit;",
    "  VI i = i_sel(hit, vi_set(column), vi_set(NONE));",
    "  f = v_sel(hit, f, v_set(WORST));", NULL};

static const char *const top_rest[] = {
    "  for (int k = 0; k < TOP; k++) {",
    "    const V a = list[k];",
    "    const VI j = index[k], m = (f BETTER a) | ((f == a) & (i < j));",
    "    list[k] = v_sel(m, f, a), index[k] = i_sel(m, i, j);",
    "    f = v_sel(m, a, f), i = i_sel(m, j, i);",
    "  }",
    "  *limit = limit_of(list[TOP - 1], index[TOP - 1] == NONE);",
    "}",
    "", NULL};

static void unroll_top(gr_emitter *e, const char *indent) {
  gr_line(&e->out, e->p->ask.red.k <= TOP_UNROLL ? "%s#pragma unroll" : "%s#pragma unroll 1", indent);
}

static void top_support(gr_emitter *e) {
  select_support(e);
  gr_line(&e->out, "enum { TOP = %d };", e->p->ask.red.k);
  gr_line(&e->out, "#define NONE GR_K(0x7fffffff, 0x7fffffffffffffffLL) /* index of none, above all others */");
  gr_lines(e, top_text);
  unroll_top(e, "  ");
  gr_lines(e, top_rest);
}

static void top_declare(gr_emitter *e) {
  int n = gr_formula_dim(e);
  gr_red_array(e, "V", "list", n * e->p->ask.red.k, 1);
  gr_red_array(e, "VI", "index", n * e->p->ask.red.k, 1);
  gr_red_array(e, "V", "limit", n, 1);
}

static void top_load(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  unroll_top(e, "");
  gr_open(e, "for (int t = 0; t < TOP; t++)");
  gr_line(&e->out, "const VI i = int_of_vd(vd_load(AT(%d + %s * TOP + t)));", gr_formula_dim(e) * e->p->ask.red.k, i);
  gr_line(&e->out, "list[%s * TOP + t] = v_of(vd_load(AT(%s * TOP + t)));", i, i);
  gr_line(&e->out, "index[%s * TOP + t] = i_sel(i < 0, vi_set(NONE), i);", i);
  gr_close(e);
  gr_line(&e->out, "limit[%s] = limit_of(list[%s * TOP + TOP - 1], index[%s * TOP + TOP - 1] == NONE);", i, i, i);
}

static void top_begin(gr_emitter *e) { gr_each(e, gr_formula_dim(e), top_load, NULL); }

static void top_component(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  gr_open_block(e);
  gr_line(&e->out, "const V f = %s;", gr_root_value(e, k));
  gr_line(&e->out, "if (vi_any(f REACHES limit[%s])) top_insert(list + %s * TOP, index + %s * TOP, limit + %s, f, (TI)(b + c));", i, i, i, i);
  gr_close(e);
}

static void top_step(gr_emitter *e) { gr_each(e, gr_formula_dim(e), top_component, NULL); }

static void top_store(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_text(e, k);
  (void)data;
  unroll_top(e, "");
  gr_open(e, "for (int t = 0; t < TOP; t++)");
  gr_line(&e->out, "const VI i = index[%s * TOP + t];", i);
  gr_line(&e->out, "vd_store(AT(%s * TOP + t), vd_of(list[%s * TOP + t]));", i, i);
  gr_line(&e->out, "vd_store(AT(%d + %s * TOP + t), vd_of_int(i_sel(i == NONE, vi_set(-1), i)));", gr_formula_dim(e) * e->p->ask.red.k, i);
  gr_close(e);
}

static void top_end(gr_emitter *e) { gr_each(e, gr_formula_dim(e), top_store, NULL); }

const gr_red_emitter gr_cuda_Top = {.support = top_support,
                                    .declare = top_declare,
                                    .begin = top_begin,
                                    .step = top_step,
                                    .end = top_end,
                                    .across_tiles = true};

/* ---- ExpSum ---- */

/* The maximum over a span of columns is found first; `base`, made finite, is what is subtracted. */

static bool weights_kept(const gr_emitter *e) { return e->p->ask.weight >= 0 && !e->p->gpu.reread; }

static void expsum_declare(gr_emitter *e) {
  gr_line(&e->out, "V top, sum[%d], term[SPAN];", e->p->ask.red.nweight);
  if (weights_kept(e)) gr_line(&e->out, "V weight[%d * SPAN];", gr_weight_dim(e));
}

static void zero_sum(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "sum[%s] = v_set(0);", gr_idx_text(e, k));
}

static void expsum_begin(gr_emitter *e) {
  gr_line(&e->out, "top = v_of(vd_load(AT(0)));");
  gr_each(e, e->p->ask.red.nweight, zero_sum, NULL);
}

static void no_weight(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "weight[%s * SPAN + q] = v_set(0);", gr_idx_text(e, k));
}

static void expsum_span_begin(gr_emitter *e) {
  gr_line(&e->out, "V m = top;");
  gr_line(&e->out, "#pragma unroll");
  gr_open(e, "for (int q = 0; q < SPAN; q++)");
  gr_line(&e->out, "term[q] = v_set(-GR_INF);");
  if (weights_kept(e)) gr_each(e, gr_weight_dim(e), no_weight, NULL);
  gr_close(e);
}

static void keep_weight(gr_emitter *e, gr_idx k, const void *data) {
  (void)data;
  gr_line(&e->out, "weight[%s * SPAN + q] = %s;", gr_idx_text(e, k), gr_value(e, e->p->ask.weight, k));
}

static void expsum_step(gr_emitter *e) {
  gr_line(&e->out, "term[q] = %s;", gr_root_value(e, (gr_idx){NULL, 0}));
  gr_line(&e->out, "m = v_max(term[q], m);");
  if (weights_kept(e)) gr_each(e, gr_weight_dim(e), keep_weight, NULL);
}

/* What is read again lies in the column of the span, or in its last where there are no more (times
 * an exponential that is 0). */
static void add_weighted(gr_emitter *e, gr_idx k, const void *data) {
  const char *to = gr_idx_after(e, k, e->p->ask.red.lead);
  (void)data;
  gr_open_block(e);
  gr_line(&e->out, "V a = sum[%s] * keep;", to);
  gr_line(&e->out, "#pragma unroll");
  if (weights_kept(e)) {
    gr_line(&e->out, "for (int q = 0; q < SPAN; q++) a += term[q] * weight[%s * SPAN + q];", gr_idx_text(e, k));
  } else {
    gr_open(e, "for (int q = 0; q < SPAN; q++)");
    gr_line(&e->out, "const int c = g + q * ny;");
    gr_line(&e->out, "if (c < nc) a += term[q] * %s;", gr_value(e, e->p->ask.weight, k));
    gr_close(e);
  }
  gr_line(&e->out, "sum[%s] = a;", to);
  gr_close(e);
}

static void expsum_span(gr_emitter *e) {
  bool lead = e->p->ask.red.lead || e->p->ask.weight < 0;
  gr_line(&e->out, "const V base = v_clamp(m, v_set(-GR_MAX), v_set(GR_MAX)), keep = %s(top, base);", gr_exp_function(e));
  gr_line(&e->out, "V s = v_set(0);");
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, "for (int q = 0; q < SPAN; q++) s += term[q] = %s(term[q], base);", gr_exp_function(e));
  gr_line(&e->out, "top = m;");
  if (lead) gr_line(&e->out, "sum[0] = sum[0] * keep + s;");
  if (e->p->ask.weight >= 0) gr_each(e, gr_weight_dim(e), add_weighted, NULL);
}

static void expsum_fold(gr_emitter *e, gr_idx k, const void *data) {
  const char *i = gr_idx_after(e, k, 1);
  (void)data;
  gr_line(&e->out, "vd_store(AT(%s), vd_load(AT(%s)) * keep + vd_of(sum[%s]));", i, i, gr_idx_text(e, k));
}

static void expsum_end(gr_emitter *e) {
  gr_line(&e->out, "const V base = v_clamp(top, v_set(-GR_MAX), v_set(GR_MAX));");
  gr_line(&e->out, "const VD keep = vd_of(%s(v_of(vd_load(AT(0))), base));", gr_exp_function(e));
  gr_line(&e->out, "vd_store(AT(0), vd_of(top));");
  gr_each(e, e->p->ask.red.nweight, expsum_fold, NULL);
}

const gr_red_emitter gr_cuda_ExpSum = {.declare = expsum_declare,
                                       .begin = expsum_begin,
                                       .span_begin = expsum_span_begin,
                                       .step = expsum_step,
                                       .span = expsum_span,
                                       .end = expsum_end};

/* ---- wide sums ---- */

/* Threads compute what the terms of their rows share; emit_cuda_tile.c adds up the components. */

static gr_wide total_wide(gr_emitter *e) { return (gr_wide){.term = e->p->ask.root, .n = gr_formula_dim(e)}; }

const gr_red_emitter gr_cuda_late_Total = {.wide = total_wide};

static void late_declare(gr_emitter *e) {
  gr_line(&e->out, "V top = v_of(vd_rows(mine, at)), m;");
  if (e->p->ask.red.lead) gr_line(&e->out, "V s = v_set(0);");
}

static void late_begin(gr_emitter *e) { gr_line(&e->out, "m = top;"); }

static void late_step(gr_emitter *e) {
  const char *c = e->t->at_column;
  gr_line(&e->out, "term[%s] = %s;", c, gr_root_value(e, (gr_idx){NULL, 0}));
  gr_line(&e->out, "m = v_max(term[%s], m);", c);
}

static const char *const late_text[] = {
    "const V base = v_clamp(m, v_set(-GR_MAX), v_set(GR_MAX));",
    "scale[x] = gr_factor_below(top, base);",
    "top = m;", NULL};

static void late_end(gr_emitter *e) {
  const char *c = e->t->at_column;
  bool lead = e->p->ask.red.lead;
  gr_lines(e, late_text);
  if (lead) gr_line(&e->out, "s *= scale[x];");
  gr_line(&e->out, lead ? "for (int c = 0; c < nc; c++) s += term[%s] = gr_factor_below(term[%s], base);"
                        : "for (int c = 0; c < nc; c++) term[%s] = gr_factor_below(term[%s], base);", c, c);
  gr_open(e, "if (fold)");
  gr_line(&e->out, "folded[x] = gr_factor_below(v_of(vd_rows(mine, at)), base);");
  gr_line(&e->out, "vd_put(mine, at, vd_of(top));");
  if (lead) gr_line(&e->out, "vd_put(mine + ld_state, at, vd_rows(mine + ld_state, at) * vd_of(folded[x]) + vd_of(s));");
  if (lead) gr_line(&e->out, "s = v_set(0);");
  gr_close(e);
}

static gr_wide late_wide(gr_emitter *e) {
  int lead = e->p->ask.red.lead;
  return (gr_wide){.term = e->p->ask.weight, .factor = "term", .n = gr_weight_dim(e), .entry = 1 + lead};
}

const gr_red_emitter gr_cuda_late_ExpSum = {
    .declare = late_declare, .begin = late_begin, .step = late_step, .end = late_end, .wide = late_wide};
