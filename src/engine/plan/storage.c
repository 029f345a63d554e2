/* storage.c: where values lie: the buffers of parameters, rows and columns, and the workspace.
 *
 * Sizes are in components (buffers) and in vectors (the workspace).  No sum of sizes overflows:
 * more than GR_MAX_NUMBERS is refused by gr_check_sizes, and until then counts as one more than
 * that. */
#include "plan/planner.h"

static int add_size(int size, int64_t more) {
  int64_t sum = size + more;
  return sum > GR_MAX_NUMBERS ? GR_MAX_NUMBERS + 1 : (int)sum;
}

static int place_in(int *width, int64_t size) {
  int at = *width;
  *width = add_size(at, size);
  return at;
}

void gr_check_sizes(gr_ctx *c, const gr_plan *p) {
  const struct {
    int size;
    const char *what;
  } part[] = {{p->width.param, "parameters"},
              {p->width.row, "a row"},
              {p->width.stage, "a column"},
              {p->width.packed, "a column"},
              {p->cpu.work, "intermediate results"}};
  for (size_t k = 0; k < sizeof part / sizeof *part; k++)
    if (part[k].size > GR_MAX_NUMBERS)
      gr_throw(c, NULL, NULL, ERR_SizeLimit, GR_MAX_NUMBERS, part[k].what);
}

/* ---- buffers ---- */

static int *width_of(gr_plan *p, gr_level level) {
  return level == LEVEL_PARAM ? &p->width.param
         : level == LEVEL_ROW ? &p->width.row
                              : &p->width.stage;
}

/* Of a node of a lower level. */
static void place_node(gr_plan *p, gr_ref r) {
  gr_place *pl = &p->place[r];
  int dim = gr_node_of(p, r)->dim;
  bool wanted = pl->read || gr_is_var(gr_node_of(p, r)),
       staged = pl->level != LEVEL_COL || pl->staged;
  if (pl->packs) pl->packed = place_in(&p->width.packed, dim);
  if (wanted && staged) pl->buffer = place_in(width_of(p, pl->level), dim);
}

void gr_place_buffers(gr_plan *p) {
  p->width = (gr_widths){0};
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    p->place[r].buffer = p->place[r].packed = -1;
    if (p->place[r].live && p->place[r].level != LEVEL_PAIR && !gr_is_free(gr_node_of(p, r)))
      place_node(p, r);
  }
  /* Strides that are powers of 2 compete for the same lines of the cache. */
  if (p->width.row > GR_PAD) p->width.row |= 1;
  if (p->width.packed > GR_PAD) p->width.packed |= 1;
}

/* ---- workspace ---- */

/* In the workspace; small arrays are on the stack. */
static int reserve(gr_plan *p, int vectors) {
  return vectors <= GR_ON_STACK ? -1 : place_in(&p->cpu.work, vectors);
}

void gr_place_workspace(gr_plan *p) {
  const gr_family_plan *family = gr_family_plan_of(p);
  bool shared = p->late || family->in_workspace; /* by functions of the kernel */
  p->cpu.work = 0;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    if (!pl->live) continue;
    bool stored = !gr_is_var(gr_node_of(p, r)) || pl->level == LEVEL_PAIR;
    if (!pl->inlined && stored && !pl->contract)
      pl->work = reserve(p, gr_storage(p->ask.dag, r));
    if (pl->contract || pl->saved) pl->slot = place_in(&p->cpu.work, p->tile * p->cpu.rows);
  }
  p->cpu.kept = place_in(&p->cpu.work, (int64_t)p->tile * family->kept(p));
  p->cpu.red_work = shared ? place_in(&p->cpu.work, (int64_t)gr_accumulators(p) * p->cpu.rows)
                           : reserve(p, gr_accumulators(p));
}
