/* families.c: storage and cost of the families of reductions, a row each.
 *
 * A family FAM_NAME of reduce/state.h has the row plan_NAME here, so that a family without one
 * does not compile. */
#include "plan/planner.h"

enum { TILE = 256, TILE_BYTES = 24 * 1024, LISTS_TILE = 1024, LISTS_BYTES = 100 * 1024 };

static int no_vectors(const gr_plan *p) { return (void)p, 0; }
static int state_vectors(const gr_plan *p) { return p->ask.red.nstate; }
static double each_component(const gr_reduction *r) { return r->dim; }
static bool never(const gr_reduction *r) { return (void)r, false; }
static gr_ref none(const gr_plan *p) { return (void)p, -1; }

/* ---- Total ---- */

static int total_accumulators(const gr_plan *p) {
  return p->ask.red.nstate * (p->ask.acc64 && !p->ask.f64 ? 2 : 1);
}
static gr_ref total_wide(const gr_plan *p) { return p->ask.scheme == SUM_BLOCK ? p->ask.root : -1; }

static const gr_family_plan plan_Total = {.accumulators = total_accumulators,
                                          .kept = no_vectors,
                                          .cost = each_component,
                                          .selects = never,
                                          .wide = total_wide,
                                          .least = 5,
                                          .most = TILE,
                                          .most_tiled = TILE,
                                          .bytes = TILE_BYTES};

/* ---- Extremum: with indices, values of a span of columns wait until they are compared ---- */

static bool with_index(const gr_reduction *r) { return r->index; }

static int extremum_accumulators(const gr_plan *p) {
  const gr_reduction *r = &p->ask.red;
  return r->nstate + (r->index ? (2 + GR_SPAN) * r->dim : 0);
}

static const gr_family_plan plan_Extremum = {.accumulators = extremum_accumulators,
                                             .kept = no_vectors,
                                             .cost = each_component,
                                             .selects = with_index,
                                             .wide = none,
                                             .least = 5,
                                             .most = TILE,
                                             .most_tiled = TILE,
                                             .bytes = TILE_BYTES};

/* ---- Top: sorted lists are read and written once a tile, which therefore is longer ---- */

int gr_top_list(int k) {
  int n = 1;
  while (n < k) n *= 2;
  return n;
}

int gr_top_room(int k) { return k > GR_TOP_INSERT ? gr_top_list(k) / 2 : (k + 3) / 4 * 4 + 8; }

static bool always(const gr_reduction *r) { return (void)r, true; }
static double top_cost(const gr_reduction *r) { return r->dim * (4 + r->k / 8.0); }

static int top_accumulators(const gr_plan *p) {
  int room = gr_top_room(p->ask.red.k);
  return (4 + GR_SPAN + 2 * room) * p->ask.red.dim + 2 * (gr_top_list(p->ask.red.k) + room);
}

static const gr_family_plan plan_Top = {.accumulators = top_accumulators,
                                        .kept = no_vectors,
                                        .cost = top_cost,
                                        .selects = always,
                                        .wide = none,
                                        .least = 5,
                                        .most = LISTS_TILE,
                                        .most_tiled = LISTS_TILE / 2,
                                        .bytes = LISTS_BYTES};

/* ---- ExpSum: exponentials wait for a tile's maximum, and so do weights that are not late ---- */

static int expsum_accumulators(const gr_plan *p) { return 1 + p->ask.red.nweight; }
static double expsum_cost(const gr_reduction *r) { return r->dim + 30 + r->nweight; }
static gr_ref expsum_wide(const gr_plan *p) { return p->ask.weight; }

static int expsum_kept(const gr_plan *p) {
  bool weights = p->ask.weight >= 0 && !p->late;
  return p->cpu.rows + (weights ? gr_node_of(p, p->ask.weight)->dim : 0);
}

static const gr_family_plan plan_ExpSum = {.accumulators = expsum_accumulators,
                                           .kept = expsum_kept,
                                           .cost = expsum_cost,
                                           .selects = never,
                                           .wide = expsum_wide,
                                           .wide_least = 1,
                                           .least = 2,
                                           .in_workspace = true,
                                           .most = TILE,
                                           .most_tiled = TILE,
                                           .bytes = TILE_BYTES};

/* ---- Product ---- */

static const gr_family_plan plan_Product = {.accumulators = state_vectors,
                                            .kept = no_vectors,
                                            .cost = each_component,
                                            .selects = never,
                                            .wide = none,
                                            .least = 5,
                                            .most = TILE,
                                            .most_tiled = TILE,
                                            .bytes = TILE_BYTES};

/* ---- Moments ---- */

static int moments_accumulators(const gr_plan *p) { return 3 * p->ask.red.dim; }

static const gr_family_plan plan_Moments = {.accumulators = moments_accumulators,
                                            .kept = no_vectors,
                                            .cost = each_component,
                                            .selects = never,
                                            .wide = none,
                                            .least = 5,
                                            .most = TILE,
                                            .most_tiled = TILE,
                                            .bytes = TILE_BYTES};

/* ---- the table ---- */

#define FAMILY(name) [FAM_##name] = &plan_##name,
static const gr_family_plan *const families[FAM_COUNT] = {GR_FAMILIES(FAMILY)};
#undef FAMILY

const gr_family_plan *gr_family_plan_of(const gr_plan *p) { return families[p->ask.red.family]; }
bool gr_selects(const gr_plan *p) { return gr_family_plan_of(p)->selects(&p->ask.red); }
int gr_accumulators(const gr_plan *p) { return gr_family_plan_of(p)->accumulators(p); }
gr_ref gr_wide_of(const gr_plan *p) { return gr_family_plan_of(p)->wide(p); }
