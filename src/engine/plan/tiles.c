/* tiles.c: loops of their own for sums over coordinates and for wide sums, packed columns, and how
 * long a tile is.
 *
 * A sum over coordinates whose terms come from lower levels only (squared distances, scalar
 * products, weighted norms, any element-wise expression in x_d, y_d, p_d) is a contraction: a
 * loop of its own computes it for all columns of a tile before the pairs, in a register tile of
 * rows and columns as a matrix product does (Goto and van de Geijn 2008).  Wide sums (many
 * signals, weights of exponentials) are the same after the pairs: a register tile of rows and
 * components, summed over columns. */
#include "plan/planner.h"

/* ---- contractions and wide sums ---- */

/* Scalars of pairs that the loop over wide sums reads are kept for each column of the tile. */
static void save_leaves(gr_plan *p, gr_ref r) {
  r = gr_behind_views(p, r);
  p->place[r].staged = true; /* these sums run over columns, component by component */
  if (p->place[r].level < LEVEL_PAIR || gr_is_free(gr_node_of(p, r))) return;
  if (!p->place[r].inlined) {
    p->place[r].saved = true;
    return;
  }
  for (int k = 0; k < gr_node_of(p, r)->nkid; k++) save_leaves(p, gr_node_of(p, r)->kid[k]);
}

static bool of_lower_level(const gr_plan *p, gr_ref r) {
  return p->place[gr_behind_views(p, r)].level != LEVEL_PAIR;
}

/* Whether the term of a contraction, of this operation, is worth 6 columns of a register tile. */
static bool six_Square(const gr_plan *p, const gr_node *term) {
  const gr_node *n = gr_node_of(p, term->kid[0]);
  bool difference = gr_law(n, 0) == '+' && n->nkid == 2 && gr_law(n, 1) == '-';
  return difference && of_lower_level(p, n->kid[0]) && of_lower_level(p, n->kid[1]);
}

static bool (*const six[OP_COUNT])(const gr_plan *, const gr_node *) = {[OP_Square] = six_Square};

/* Columns of a register tile with two vectors of rows.  A tile of 2 x 6 needs all 16 registers
 * of a processor with AVX2: 12 sums, 2 rows, a column and the difference; other terms need more,
 * or (scalar products) keep the processor busy with 2 x 4.  Over few coordinates, to start and
 * to store 12 sums costs what the loop gains. */
static int tile_columns(const gr_plan *p) {
  enum { LONG = 20 };
  bool any = false;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    if (!p->place[r].contract) continue;
    const gr_node *term = gr_node_of(p, gr_node_of(p, r)->kid[0]);
    if (term->dim < LONG || !six[term->op] || !six[term->op](p, term)) return 4;
    any = true;
  }
  return any ? 6 : 4;
}

/* Is the sum r a loop of its own? */
static bool is_contraction(const gr_plan *p, gr_ref r) {
  const gr_node *n = gr_node_of(p, r);
  if (!p->place[r].live || p->place[r].level != LEVEL_PAIR || !(gr_ops[n->op].flags & FLAG_SUM))
    return false;
  return gr_node_of(p, n->kid[0])->dim >= p->least && gr_leaves_fit(p, n->kid[0], false);
}

static bool has_late_sum(const gr_plan *p) {
  int least = gr_family_plan_of(p)->wide_least;
  gr_ref wide = gr_wide_of(p);
  if (wide < 0 || p->ask.acc64) return false;
  return gr_node_of(p, wide)->dim >= (least ? least : p->least) && gr_leaves_fit(p, wide, true);
}

void gr_find_contractions(gr_plan *p) {
  bool tiled = false;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    p->place[r].contract = is_contraction(p, r);
    tiled |= p->place[r].contract;
  }
  p->late = has_late_sum(p);
  if (p->late) save_leaves(p, gr_wide_of(p));
  tiled |= p->late;
  p->cpu.rows = tiled ? 2 : 1;
  p->cpu.columns = tiled ? tile_columns(p) : 1;
}

/* ---- packed columns ---- */

/* Columns with more than `least` components that the expression at r reads are packed. */
static void pack_leaves(gr_plan *p, gr_ref r, int least) {
  r = gr_behind_views(p, r);
  const gr_node *n = gr_node_of(p, r);
  gr_place *pl = &p->place[r];
  if (pl->level == LEVEL_COL && n->dim > least) pl->packs = true;
  if (pl->level != LEVEL_PAIR || !pl->inlined) return;
  for (int k = 0; k < n->nkid; k++) pack_leaves(p, n->kid[k], least);
}

/* Variables of columns go to the packed buffer directly where nothing else reads them. */
static bool is_staged(const gr_plan *p, gr_ref r) {
  const gr_place *pl = &p->place[r];
  const gr_node *n = gr_node_of(p, r);
  return pl->staged || !pl->packs || pl->uses > 0 || !gr_is_var(n) || n->dim <= GR_UNROLL;
}

/* Loops over components read columns best where these lie one after the other; a register tile
 * takes all from there. */
void gr_find_packed(gr_plan *p) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_place *pl = &p->place[r];
    const gr_node *n = gr_node_of(p, r);
    if (!pl->live || pl->level != LEVEL_PAIR || pl->inlined) continue;
    for (int k = 0; k < n->nkid; k++) pack_leaves(p, n->kid[k], pl->contract ? 0 : GR_UNROLL);
  }
  if (!p->late || p->ask.weight >= 0) pack_leaves(p, p->ask.root, GR_UNROLL);
  if (!p->late && p->ask.weight >= 0) pack_leaves(p, p->ask.weight, GR_UNROLL);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) p->place[r].staged = is_staged(p, r);
}

/* ---- the length of a tile ---- */

/* An array of pairs in which lanes are apart is read as a stream for each lane, a tile at a time,
 * and hardware prefetch needs some KB to pay.  (Sum of c b, 10 000 x 10 000, float64, axis 0, in
 * ms: tiles of 256 columns 71, 1024 44, 2048 36; a plain sum of the matrix 38.)  In single
 * precision tiles stay short, since their sums are what bounds the rounding error. */
static bool reads_streams(const gr_plan *p) {
  return p->ask.f64 && p->ask.axis == 0 && gr_reads_pairs(p);
}

/* A tile of columns should stay in the first-level cache; in the second where register tiles use
 * it often, or where the family says so. */
int gr_tile_size(const gr_plan *p) {
  enum { TILED_BYTES = 256 * 1024, KEPT_VECTORS = 1024, STREAM = 8 };
  const gr_family_plan *family = gr_family_plan_of(p);
  bool tiled = p->cpu.rows > 1;
  int most = tiled              ? family->most_tiled
             : reads_streams(p) ? STREAM * family->most
                                : family->most,
      kept = family->kept(p);
  int width = p->width.stage > p->width.packed ? p->width.stage : p->width.packed;
  int n = (tiled ? TILED_BYTES : family->bytes) / (gr_number_bytes(p) * (width > 0 ? width : 1));
  if (kept && n > KEPT_VECTORS / kept) n = KEPT_VECTORS / kept;
  int step = p->cpu.columns == 6 ? 48 : 16; /* whole groups and whole vectors */
  n = (n < most ? n : most) / step * step;
  return n < step ? step : n;
}
