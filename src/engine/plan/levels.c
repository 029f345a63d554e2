/* levels.c: when each node is computed, who reads it, and which nodes are expanded where they are
 * read.
 *
 * A node's level follows from what it depends on: parameters once, rows once per block of rows,
 * columns once per tile, pairs in the inner loop.  Element-wise nodes of many components need no
 * storage when they are read once, or are as cheap to recompute as to load: they are expanded
 * into the loop that reads them. */
#include "plan/planner.h"

/* The node whose components a view shows. */
gr_ref gr_behind_views(const gr_plan *p, gr_ref r) {
  while (gr_is_view(gr_node_of(p, r))) r = gr_view_of(gr_node_of(p, r)).kid;
  return r;
}

static gr_level level_of(const gr_plan *p, unsigned cats) {
  unsigned row = p->ask.axis == 1 ? CAT_I : CAT_J, col = p->ask.axis == 1 ? CAT_J : CAT_I;
  if ((cats & row) && (cats & col)) return LEVEL_PAIR;
  return cats & row ? LEVEL_ROW : cats & col ? LEVEL_COL : LEVEL_PARAM;
}

/* ---- who reads what ---- */

/* Called for each pair of a reader and its argument `kid`.  once: the reader takes each
 * component at most once. */
static void read_kid(gr_plan *p, gr_level reader, gr_ref kid, bool once, bool *indexed) {
  kid = gr_behind_views(p, kid);
  if (gr_is_number(gr_node_of(p, kid))) return;
  gr_place *pl = &p->place[kid];
  if (pl->level != reader) {
    pl->read = true;
    return;
  }
  pl->uses++;
  if (!once) indexed[kid] = true;
}

static void count_uses(gr_plan *p, bool *indexed) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_node *n = gr_node_of(p, r);
    if (!p->place[r].live || gr_is_free(n)) continue;
    bool once = gr_ops[n->op].kind == KIND_EW || (gr_ops[n->op].flags & FLAG_ONCE);
    for (int k = 0; k < n->nkid; k++) read_kid(p, p->place[r].level, n->kid[k], once, indexed);
  }
  read_kid(p, LEVEL_PAIR, p->ask.root, true, indexed);
  if (p->ask.weight >= 0) read_kid(p, LEVEL_PAIR, p->ask.weight, true, indexed);
}

/* ---- what is expanded where it is read ---- */

static bool stored(const gr_plan *p, gr_ref r) {
  r = gr_behind_views(p, r);
  return !p->place[r].inlined || gr_is_number(gr_node_of(p, r));
}

/* How deep expansions nest at r; beyond a limit a node is stored, so that texts stay short. */
static int depth(const gr_plan *p, const int *depths, gr_ref r) {
  int most = 0;
  for (int k = 0; k < gr_node_of(p, r)->nkid; k++) {
    gr_ref kid = gr_behind_views(p, gr_node_of(p, r)->kid[k]);
    if (p->place[kid].inlined && depths[kid] > most) most = depths[kid];
  }
  return most + 1;
}

/* One cheap operation on stored values costs no more than a load of its result. */
static bool cheap(const gr_plan *p, const gr_node *n) {
  for (int k = 0; k < n->nkid; k++)
    if (!stored(p, n->kid[k])) return false;
  return gr_ops[n->op].cost <= 1;
}

static bool wants_inline(const gr_plan *p, gr_ref r, const bool *indexed, int *depths) {
  enum { DEPTH = 16 };
  const gr_node *n = gr_node_of(p, r);
  if (gr_is_free(n)) return true;
  if (gr_is_pair_var(n)) return n->dim > GR_UNROLL && !indexed[r] && p->place[r].uses <= 1;
  if (gr_ops[n->op].kind != KIND_EW || n->dim < p->least || indexed[r]) return false;
  depths[r] = depth(p, depths, r);
  return (p->place[r].uses <= 1 && depths[r] <= DEPTH) || cheap(p, n);
}

/* The dimension from which sums over coordinates, and wide sums, are worth loops of their own:
 * small where pairs take a function such as Exp.  A processor keeps a few dozen instructions in
 * flight, and is then limited by the latency of its chain of dependent ones: cutting that chain
 * is worth more than the loads and stores that it costs. */
static int loop_dimension(const gr_plan *p) {
  enum { FUNCTION = 14 };
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].live && p->place[r].level == LEVEL_PAIR &&
        gr_ops[gr_node_of(p, r)->op].cost >= FUNCTION)
      return 2;
  return gr_family_plan_of(p)->least;
}

bool gr_leaves_fit(const gr_plan *p, gr_ref r, bool scalars_too) {
  r = gr_behind_views(p, r);
  const gr_place *pl = &p->place[r];
  const gr_node *n = gr_node_of(p, r);
  if (pl->level < LEVEL_PAIR || gr_is_free(n)) return true;
  if (!pl->inlined || gr_is_var(n)) return scalars_too && n->dim == 1;
  for (int k = 0; k < n->nkid; k++)
    if (!gr_leaves_fit(p, n->kid[k], scalars_too)) return false;
  return true;
}

void gr_place_levels(gr_ctx *c, gr_plan *p) {
  int n = p->ask.dag->n;
  const bool *live = gr_live(p->ask.dag, p->ask.root, p->ask.weight, c->arena);
  bool *indexed = gr_alloc(c->arena, (size_t)n + 1);
  int *depths = gr_alloc(c->arena, ((size_t)n + 1) * sizeof *depths);
  p->place = gr_alloc(c->arena, (size_t)n * sizeof *p->place);
  for (gr_ref r = 0; r < n; r++)
    p->place[r] = (gr_place){.live = live[r],
                             .level = level_of(p, gr_node_of(p, r)->cats),
                             .buffer = -1,
                             .packed = -1,
                             .work = -1,
                             .slot = -1};
  count_uses(p, indexed);
  p->least = loop_dimension(p);
  for (gr_ref r = 0; r < n; r++) p->place[r].inlined = wants_inline(p, r, indexed, depths);
}
