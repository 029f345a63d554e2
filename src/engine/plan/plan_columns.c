/* plan_columns.c: the plan for few rows, where lanes of a vector are columns, made from the one by
 * rows.
 *
 * With few rows a column is used so seldom that staging it is much of the work, while memory
 * idles: the hardware prefetcher works best on columns that are read steadily between other work
 * (1 x 1e7 at dimension 3: 17.9 ms staged, 11.0 direct; the memory needs 10.5).  Columns of many
 * components would be more streams than it follows; what is computed for columns, contractions
 * and wide sums need the stage before the pairs. */
#include "plan/planner.h"

/* Is column r staged by the first row, which reads it from the argument itself? */
static bool is_direct(const gr_plan *p, gr_ref r) {
  const gr_place *pl = &p->place[r];
  const gr_node *n = gr_node_of(p, r);
  return gr_is_var(n) && pl->level == LEVEL_COL && pl->uses == 0 && n->dim <= GR_UNROLL;
}

/* No marked node, nor what one of pairs is made of, is read directly.  One loop over nodes, as
 * there may be exponentially many paths. */
static void stage_leaves(gr_plan *p, bool *marked) {
  for (gr_ref r = p->ask.dag->n - 1; r >= 0; r--) {
    const gr_node *n = gr_node_of(p, r);
    if (!marked[r]) continue;
    p->place[r].direct = false;
    for (int k = 0; k < n->nkid && (p->place[r].level == LEVEL_PAIR || gr_is_view(n)); k++)
      marked[n->kid[k]] = true;
  }
}

/* Sums over few coordinates are written out; is there still a contraction? */
static bool keep_wide_contractions(gr_plan *p, bool *marked) {
  bool any = false;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    gr_ref kid = pl->contract ? gr_node_of(p, r)->kid[0] : r;
    pl->contract = pl->contract && gr_node_of(p, kid)->dim > GR_UNROLL;
    if (pl->contract) any = marked[kid] = true;
  }
  return any;
}

/* A register tile is one row and 8 vectors of columns. */
gr_plan *gr_plan_by_columns(gr_ctx *c, const gr_plan *p) {
  enum { COLUMNS = 8, TILE_LEAST = COLUMNS * GR_LANES_MAX };
  gr_plan *few = gr_plan_copy(c, p);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &few->place[r];
    pl->packs = false, pl->staged = true, pl->direct = is_direct(p, r);
  }
  bool *marked = gr_alloc(c->arena, (size_t)p->ask.dag->n + 1),
       tiled = keep_wide_contractions(few, marked) || p->late;
  if (p->late) marked[gr_wide_of(p)] = true;
  stage_leaves(few, marked);
  gr_place_buffers(few);
  few->target = TARGET_COLUMNS;
  few->cpu.rows = 1;
  few->cpu.columns = tiled ? COLUMNS : 1;
  few->tile = (p->tile + TILE_LEAST - 1) / TILE_LEAST * TILE_LEAST;
  gr_place_workspace(few);
  gr_check_sizes(c, few);
  return few;
}
