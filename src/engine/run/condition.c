/* condition.c: whether a call may use the kernel of the lowered graph.
 *
 * Lowering (plan/lower.c) rewrites exp(d (c s)) as 2^(k s), which is valid only if k = c d log2 e
 * neither overflows nor underflows.  That depends on the parameters of the call, and is therefore
 * checked at each call: the interpreter evaluates the scales, in 65 ns. */
#include "run/run.h"

void gr_condition_init(gr_condition *condition, const gr_guard *guard, gr_dag *g, const gr_args *args) {
  gr_arena *a = g->ctx->arena;
  condition->guard = guard;
  if (guard->n == 0) return;
  gr_plan *p = gr_alloc(a, sizeof *p);
  *p = (gr_plan){.ask.dag = g, .ask.args = args, .ask.root = -1, .ask.weight = -1, .ask.f64 = g->f64};
  p->place = gr_alloc(a, (size_t)g->n * sizeof *p->place);
  for (int k = 0; k < guard->n; k++) {
    const gr_scale *s = &guard->scale[k];
    const bool *live = gr_live(g, s->product, s->inner, a), *more = gr_live(g, s->product, s->outer, a);
    for (gr_ref r = 0; r < g->n; r++) p->place[r].live |= live[r] || more[r];
  }
  for (gr_ref r = 0; r < g->n; r++) p->place[r].level = LEVEL_PARAM;
  condition->plan = p;
  condition->scratch = gr_alloc(a, gr_interp_bytes(p));
}

/* Component i of node r, which has the dimension of the product, or 1. */
static double component(const gr_condition *condition, const gr_vals *v, gr_ref r, int i) {
  return gr_at(&v[r], condition->plan->ask.dag->node[r].dim > 1 ? i : 0, 0);
}

bool gr_condition_holds(const gr_condition *condition, const gr_array *args) {
  const gr_guard *guard = condition->guard;
  if (guard->n == 0) return true;
  const gr_dag *g = condition->plan->ask.dag;
  const gr_vals *v = gr_interp_parameters(condition->plan, args, condition->scratch);
  for (int k = 0; k < guard->n; k++) {
    const gr_scale *s = &guard->scale[k];
    for (int i = 0; i < g->node[s->product].dim; i++) {
      if (!gr_scale_is_safe(g, component(condition, v, s->inner, i), component(condition, v, s->product, i))) return false;
      if (s->outer >= 0 && !gr_scale_is_moderate(g, component(condition, v, s->outer, i))) return false;
    }
  }
  return true;
}
