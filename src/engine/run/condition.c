/* condition.c: whether a call may use the kernel of the lowered graph.
 *
 * Lowering (plan/lower.c) rewrites exp(d (c s)) as 2^(k s), which is valid only if k = c d log2 e
 * neither overflows nor underflows.  That depends on the parameters of the call, and is therefore
 * checked at each call: the interpreter evaluates the scales, in 65 ns.  All elements of a batch
 * have to agree, as they share a kernel. */
#include <stdlib.h>

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

/* The elements of a call without those whose parameters others have too. */
static int64_t distinct(const gr_run *r, gr_run *some, gr_batches *b, int64_t *size) {
  *some = *r;
  *b = *r->batches;
  b->size = size;
  some->batches = b;
  some->elements = 1;
  for (int d = 0; d < b->n; d++) {
    size[d] = 1;
    for (int k = 0; k < r->n_args; k++)
      if (r->p->args.arg[k].cat == GR_PM && b->step[(int64_t)k * b->n + d] != 0)
        size[d] = r->batches->size[d];
    some->elements *= size[d];
  }
  return some->elements;
}

gr_class gr_condition_of_run(const gr_run *r, bool *holds, gr_error *err) {
  const gr_condition *condition = &r->p->condition;
  int64_t size[GR_BATCH_DIMENSIONS];
  gr_batches b;
  gr_run some;
  *holds = true;
  if (condition->guard->n == 0 || gr_elements(r) == 0) return GR_OK;
  if (!r->batches) {
    *holds = gr_condition_holds(condition, r->args);
    return GR_OK;
  }
  gr_array *args = malloc((size_t)r->n_args * sizeof *args);
  if (!args) return gr_fail(err, ERR_NoMemory, "arguments", (long long)r->n_args);
  for (int64_t e = 0, n = distinct(r, &some, &b, size); e < n && *holds; e++) {
    gr_element_args(&some, e, args);
    *holds = gr_condition_holds(condition, args);
  }
  free(args);
  return GR_OK;
}
