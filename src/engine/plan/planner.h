/* planner.h: what the files of this room share.  A plan is made in this order: levels, tiles,
 * storage, cost. */
#ifndef GENRED_PLANNER_H
#define GENRED_PLANNER_H
#include "plan/plan.h"

static inline const gr_node *gr_node_of(const gr_plan *p, gr_ref r) { return &p->ask.dag->node[r]; }
/* Numbers and views are expanded where they are read: they need neither time nor storage of
 * their own. */
static inline bool gr_is_free(const gr_node *n) { return gr_is_number(n) || gr_is_view(n); }
static inline int gr_number_bytes(const gr_plan *p) { return p->ask.f64 ? 8 : 4; }

/* ---- families.c: what the planner knows of a family of reductions ---- */

typedef struct gr_family_plan {
  int (*accumulators)(
      const gr_plan *p);         /* vectors that the reduction needs, but for those of a tile */
  int (*kept)(const gr_plan *p); /* vectors that it keeps for each column of a tile */
  double (*cost)(const gr_reduction *r); /* of taking in a pair, in multiplications */
  bool (*selects)(const gr_reduction *r);
  gr_ref (*wide)(
      const gr_plan *p); /* what a loop after the tile may sum, component by component, or -1 */
  int wide_least;        /* its dimension at least; 0: that of contractions */
  int least;         /* dimension from which loops of their own pay, where pairs take no function */
  bool in_workspace; /* accumulators are shared by functions of the kernel */
  /* Columns of a tile: without register tiles, with them; the bytes of staged columns without
   * register tiles. */
  int most, most_tiled, bytes;
} gr_family_plan;

const gr_family_plan *gr_family_plan_of(const gr_plan *p);
gr_ref gr_wide_of(const gr_plan *p); /* -1: the reduction has no wide sum */

/* ---- levels.c ---- */

void gr_place_levels(gr_ctx *c, gr_plan *p);
/* The leaves of the expression that is expanded at r: are all of lower levels or (scalars_too)
 * scalars of pairs? */
bool gr_leaves_fit(const gr_plan *p, gr_ref r, bool scalars_too);

/* ---- storage.c ---- */

void gr_place_buffers(gr_plan *p);
void gr_place_workspace(gr_plan *p);
void gr_check_sizes(
    gr_ctx *c, const gr_plan *p); /* throws where a buffer or the workspace passes GR_MAX_NUMBERS */

/* ---- tiles.c ---- */

void gr_find_contractions(gr_plan *p);
void gr_find_packed(gr_plan *p);
int gr_tile_size(const gr_plan *p);

/* ---- plan.c ---- */

gr_plan *gr_plan_copy(gr_ctx *c, const gr_plan *p); /* with places of its own */

#endif
