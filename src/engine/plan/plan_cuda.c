/* plan_cuda.c: the plan for a GPU, made from the one for a processor.
 *
 * A lane is a row of a thread, in its registers; the columns of a tile are staged in shared memory;
 * arrays are a thread's own.  There are two schemes:
 *
 *   narrow  a thread has 1 to 4 rows and goes through the columns of a tile alone
 *   tiled   where a sum over more than 8 coordinates, or a wide sum of more than 8 components,
 *           is worth a matrix product: a block has 128 rows and up to 64 columns, of which a
 *           thread takes 8 x 8 at a time (`contract`), then a thread has one row for what is
 *           left of the pairs, and then 8 rows x 8 (in double 4) components of the wide sum
 *           (`late`).  What one phase leaves to the next lies in shared memory, in slots. */
#include "plan/planner.h"

/* ---- narrow: rows of a thread ---- */

/* Numbers of a thread's registers that one row takes. */
static int row_registers(const gr_plan *p) {
  int n = p->ask.red.nstate + gr_accumulators(p);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_place *pl = &p->place[r];
    bool held = pl->level == LEVEL_ROW ? pl->read && gr_node_of(p, r)->dim <= GR_UNROLL
                                       : pl->level == LEVEL_PAIR && !pl->inlined;
    if (pl->live && held) n += gr_node_of(p, r)->dim;
  }
  return n * (p->ask.f64 ? 2 : 1);
}

/* Each staged column is read once for all rows of a thread. */
static int narrow_lanes(const gr_plan *p) {
  int n = row_registers(p);
  return n <= 16 ? 4 : n <= 40 ? 2 : 1;
}

/* ---- staged columns ---- */

/* Columns lie in shared memory one after the other, so that vectors of four are loaded; an odd
 * number of these, so that threads that read different columns do so in different banks. */
static int record_size(const gr_plan *p) {
  int n = p->width.stage, vector = 16 / gr_number_bytes(p);
  if (n <= vector / 2) return n;
  n = (n + vector - 1) / vector;
  return (n > 2 ? n | 1 : n) * vector;
}

/* Columns that pairs read outside the loops that stage their own. */
static void mark_leaves(const gr_plan *p, gr_ref r, bool *read) {
  r = gr_behind_views(p, r);
  read[r] |= p->place[r].level == LEVEL_COL;
  if (p->place[r].level < LEVEL_PAIR || !p->place[r].inlined || gr_is_free(gr_node_of(p, r)))
    return;
  for (int k = 0; k < gr_node_of(p, r)->nkid; k++) mark_leaves(p, gr_node_of(p, r)->kid[k], read);
}

static void mark_read(const gr_plan *p, bool *read) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_place *pl = &p->place[r];
    if (!pl->live || pl->level != LEVEL_PAIR || pl->inlined || pl->contract) continue;
    for (int k = 0; k < gr_node_of(p, r)->nkid; k++) mark_leaves(p, gr_node_of(p, r)->kid[k], read);
  }
  if (!p->late || p->ask.weight >= 0) mark_leaves(p, p->ask.root, read);
  if (!p->late && p->ask.weight >= 0) mark_leaves(p, p->ask.weight, read);
}

/* What pairs read of columns, but for variables, is computed by a kernel before the pairs, into
 * memory (`packed`); where the columns of a tile do not fit into shared memory (staged is
 * false), pairs read all of it there, variables too. */
static void choose_columns(gr_plan *p, const bool *read, bool staged) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    bool variable = gr_is_var(gr_node_of(p, r)),
         column = pl->live && pl->level == LEVEL_COL && !gr_is_free(gr_node_of(p, r));
    pl->staged = staged && read[r];
    pl->packs = column && (variable ? !staged && read[r] : pl->read);
  }
}

static void place_columns(gr_plan *p, const bool *read) {
  enum { STAGE = 16 * 1024, TILE_MOST = 512, TILE_LEAST = 32 };
  for (int staged = 1; staged >= 0; staged--) {
    choose_columns(p, read, staged);
    gr_place_buffers(p);
    p->gpu.record = p->width.stage ? record_size(p) : 0;
    int most = STAGE / gr_number_bytes(p) / (p->gpu.record ? p->gpu.record : 1);
    if (p->target != TARGET_TILED)
      p->tile = most > TILE_MOST ? TILE_MOST : most / TILE_LEAST * TILE_LEAST;
    if (!staged || most >= (p->target == TARGET_TILED ? p->tile : TILE_LEAST)) return;
  }
}

/* ---- tiled ---- */

/* How often the expression at r reads numbers of this level, component by component or alone. */
static int count_leaves(const gr_plan *p, gr_ref r, gr_level level) {
  r = gr_behind_views(p, r);
  const gr_place *pl = &p->place[r];
  if (pl->level < LEVEL_PAIR || gr_is_free(gr_node_of(p, r))) return pl->level == level;
  int n = 0;
  for (int k = 0; pl->inlined && k < gr_node_of(p, r)->nkid; k++)
    n += count_leaves(p, gr_node_of(p, r)->kid[k], level);
  return n;
}

static bool few_leaves(const gr_plan *p, gr_ref r) {
  enum { MOST = 4 };
  return count_leaves(p, r, LEVEL_ROW) <= MOST && count_leaves(p, r, LEVEL_COL) <= MOST;
}

static void find_tiled(gr_plan *p) {
  gr_ref wide = gr_wide_of(p);
  p->target = TARGET_NARROW;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    gr_ref kid = pl->contract ? gr_node_of(p, r)->kid[0] : r;
    pl->contract = pl->contract && gr_node_of(p, kid)->dim > GR_UNROLL && few_leaves(p, kid);
    if (pl->contract) p->target = TARGET_TILED;
  }
  p->late = p->late && gr_node_of(p, wide)->dim > GR_UNROLL && few_leaves(p, wide);
  if (p->late) p->target = TARGET_TILED;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) p->place[r].saved &= p->late;
}

/* A slot that a contraction leaves: its value for a row and column is read, before nodes after
 * it, by the thread that then writes there. */
static int left_slot(const gr_plan *p, gr_ref before, bool *taken) {
  for (gr_ref r = 0; r < before; r++) {
    const gr_place *pl = &p->place[r];
    if (!pl->contract || pl->saved || taken[r]) continue;
    taken[r] = true;
    return pl->slot;
  }
  return -1;
}

static int take_slot(gr_plan *p, gr_ref before, bool *taken) {
  int slot = left_slot(p, before, taken);
  return slot >= 0 ? slot : p->gpu.slots++;
}

static void place_slots(gr_plan *p, bool *taken) {
  p->gpu.slots = 0;
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].live && p->place[r].contract) p->place[r].slot = p->gpu.slots++;
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].live && p->place[r].saved && !p->place[r].contract)
      p->place[r].slot = take_slot(p, r, taken);
  p->cpu.kept = p->late && gr_family_plan_of(p)->kept(p) ? take_slot(p, p->ask.dag->n, taken) : -1;
}

/* Components of the wide sum that are taken at a time; a thread holds what it reads of rows,
 * too. */
static void choose_passes(gr_plan *p) {
  gr_ref wide = gr_wide_of(p);
  p->gpu.pass = p->ask.f64 || (p->late && count_leaves(p, wide, LEVEL_ROW)) ? 32 : 64;
  p->gpu.passes = p->late ? (gr_node_of(p, wide)->dim + p->gpu.pass - 1) / p->gpu.pass : 0;
  p->gpu.streams = p->late ? count_leaves(p, wide, LEVEL_COL) : 0;
}

size_t gr_cuda_shared(const gr_plan *p) {
  const gr_gpu_part *g = &p->gpu;
  size_t tile = (size_t)p->tile, n = tile * (size_t)g->record;
  size_t slots = (size_t)g->slots * GR_CUDA_THREADS,
         streams = (size_t)g->streams * (size_t)(g->pass + GR_CUDA_PAD);
  if (p->target == TARGET_TILED) n += tile * (slots + streams) + 2 * GR_CUDA_THREADS;
  return n * (size_t)gr_number_bytes(p);
}

static gr_plan *start(gr_ctx *c, const gr_plan *p) {
  gr_plan *q = gr_plan_copy(c, p);
  q->target = TARGET_NARROW;
  q->cpu = (gr_cpu_part){.rows = 1, .columns = 1, .red_work = -1, .kept = -1};
  q->gpu = (gr_gpu_part){.reread = p->ask.weight >= 0 && gr_leaves_fit(p, p->ask.weight, false)};
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &q->place[r];
    pl->direct = false;
    pl->work = pl->slot = -1;
  }
  return q;
}

/* Tiles of 64, 32 or 16 columns, of which a thread has 8, 4 or 2. */
static gr_plan *try_tiled(gr_ctx *c, const gr_plan *p) {
  enum { SHARED_MOST = 60 * 1024 };
  for (int tile = p->ask.f64 ? 32 : 64; tile >= 16; tile /= 2) {
    gr_plan *q = start(c, p);
    find_tiled(q);
    if (q->target != TARGET_TILED) return NULL;
    bool *read = gr_alloc(c->arena, 2 * ((size_t)p->ask.dag->n + 1)), *taken = read + p->ask.dag->n;
    mark_read(q, read);
    q->gpu.lanes = 1, q->tile = tile;
    place_slots(q, taken);
    choose_passes(q);
    place_columns(q, read);
    gr_check_sizes(c, q);
    if (gr_cuda_shared(q) <= SHARED_MOST) return q;
  }
  return NULL;
}

const char *gr_never_on_gpu(const gr_args *args) {
  for (int k = 0; k < args->n; k++)
    if (args->arg[k].cat == GR_MIJ) return args->arg[k].name;
  return NULL;
}

gr_plan *gr_plan_cuda(gr_ctx *c, const gr_plan *p) {
  const char *never = gr_never_on_gpu(p->ask.args);
  if (never) gr_throw(c, NULL, NULL, ERR_MijGPU, never);
  gr_plan *q = try_tiled(c, p);
  if (q) return q;
  q = start(c, p);
  q->late = false;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) q->place[r].contract = q->place[r].saved = false;
  bool *read = gr_alloc(c->arena, (size_t)p->ask.dag->n + 1);
  mark_read(q, read);
  place_columns(q, read);
  gr_check_sizes(c, q);
  q->gpu.lanes = narrow_lanes(q);
  return q;
}
