/* plan_print.c: a plan as text, for people and for the golden files of the tests. */
#include "plan/planner.h"

static void print_level(gr_str *b, const gr_plan *p, gr_level level) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_place *pl = &p->place[r];
    int at = pl->packed >= 0 ? pl->packed : pl->buffer;
    if (!pl->live || pl->level != level || gr_node_of(p, r)->op == OP_Const) continue;
    gr_putf(b, "  %%%-3d ", r);
    gr_print_node(b, p->ask.dag, r, p->ask.args);
    gr_putf(b, "  [%d]%s%s", gr_node_of(p, r)->dim, pl->inlined ? " inlined" : "",
            pl->contract ? " contraction" : "");
    if (at >= 0) gr_putf(b, " kept at %d", at);
    gr_put(b, "\n");
  }
}

static void print_reduction(gr_str *b, const gr_plan *p) {
  static const char *const scheme[] = {"block_sum", "direct_sum", "kahan_scheme"};
  gr_putf(b, "reduce %%%d", p->ask.root);
  if (p->ask.weight >= 0) gr_putf(b, " with weight %%%d", p->ask.weight);
  gr_putf(b, " by %s: %d numbers of state per row, sums %s%s\n", gr_reds[p->ask.red.red].name,
          p->ask.red.nstate, scheme[p->ask.scheme], p->ask.acc64 ? " in double" : "");
}

void gr_print_plan(gr_str *b, const gr_plan *p) {
  static const char *const title[] = {"once", "per row", "per column", "per pair"};
  bool by_i = p->ask.axis == 1;
  char cost[GR_NUMBER];
  gr_putf(b, "rows are %s, columns are %s%s\n", by_i ? "i" : "j", by_i ? "j" : "i",
          p->ask.both ? "; rows are reduced too" : "");
  for (int level = 0; level < LEVEL_COUNT; level++) {
    gr_putf(b, "%s:\n", title[level]);
    print_level(b, p, (gr_level)level);
  }
  print_reduction(b, p);
  gr_putf(b, "%s, tiles of %d columns, registers of %d x %d%s, cost %s\n",
          p->ask.f64 ? "float64" : "float32", p->tile, p->cpu.rows, p->cpu.columns,
          p->late ? ", wide sums apart" : "", gr_number_text(p->cost, 6, cost));
}
