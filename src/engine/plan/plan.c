/* plan.c: what is computed when: the plan of a kernel, step by step, and what it costs.
 *
 * "row" is the index that is kept (lanes of the vectors run over rows), "col" the one that is
 * reduced.  levels.c says when each node is computed, tiles.c which sums are loops of their own
 * and how many columns are taken together, storage.c where values lie.  The plan by rows made
 * here is the base of those for few rows (plan_columns.c) and for GPUs (plan_cuda.c). */
#include <string.h>

#include "plan/planner.h"

static double pair_cost(const gr_plan *p) {
  double cost = gr_family_plan_of(p)->cost(&p->ask.red);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_node *n = gr_node_of(p, r);
    if (p->place[r].live && p->place[r].level == LEVEL_PAIR && !gr_is_free(n))
      cost += gr_cost(p->ask.dag, n);
  }
  return cost;
}

bool gr_reads_pairs(const gr_plan *p) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].live && gr_is_pair_var(gr_node_of(p, r))) return true;
  return false;
}

bool gr_is_function(gr_op op) {
  enum { COST = 12 };
  return gr_ops[op].kind == KIND_EW && gr_ops[op].cost >= COST;
}

/* Long formulas.  Measured with gcc 12, the sum of Sin(k b) Cos(k (x|y)), 400 terms: 11 s; with
 * functions that are called 2.2 s, without the passes that `lengthy` switches off 0.9 s.  A call
 * costs pairs 20 % while all that is inlined fits the processor's instruction cache, which is
 * 100 to 200 times Exp; above, nothing. */
static void measure_text(gr_plan *p) {
  enum { FUNCTIONS = 2000, OPERATIONS = 500 }; /* cost of the one, number of the other */
  int functions = 0, operations = 0;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_node *n = gr_node_of(p, r);
    int times = n->dim <= GR_UNROLL ? n->dim : 1;
    if (!p->place[r].live || gr_ops[n->op].kind != KIND_EW) continue;
    operations += times;
    if (gr_is_function(n->op)) functions += times * gr_ops[n->op].cost;
  }
  p->calls = functions > FUNCTIONS;
  p->lengthy = operations > OPERATIONS;
}

gr_plan *gr_plan_new(gr_ctx *c, const gr_request *ask) {
  gr_plan *p = gr_alloc(c->arena, sizeof *p);
  p->ask = *ask;
  gr_place_levels(c, p);
  gr_find_contractions(p);
  gr_find_packed(p);
  gr_place_buffers(p);
  gr_check_sizes(c, p);
  p->tile = gr_tile_size(p);
  gr_place_workspace(p);
  gr_check_sizes(c, p);
  p->cost = pair_cost(p);
  measure_text(p);
  return p;
}

gr_plan *gr_plan_copy(gr_ctx *c, const gr_plan *p) {
  gr_plan *q = gr_alloc(c->arena, sizeof *q);
  size_t size = (size_t)p->ask.dag->n * sizeof *q->place;
  *q = *p;
  q->place = gr_alloc(c->arena, size);
  memcpy(q->place, p->place, size);
  return q;
}
