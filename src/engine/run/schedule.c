/* schedule.c: a call cut into items of work.
 *
 * Owns the sizes of blocks of rows and of parts of columns.  A region (rows that share a list of
 * column intervals) is cut into blocks of rows that fit the cache, and, where that gives too few
 * items for many threads, its columns into parts.  The columns of a list are counted one after the
 * other, so that a part may hold pieces of several intervals; a dense call is one region with one
 * interval.
 * The elements of a batch share their regions, and so the items that are made here; the more there
 * are, the fewer items each is cut into.
 * Guarantees: every pair of a region belongs to exactly one item; the cuts depend on the plan and
 * the shapes only, so that results do not depend on the number of threads.
 *
 * Memory of a run: states in slots, at most `kept` together (or those of one part).  For each
 * thread, the packed rows and the states of a block, at most `cache` each (or 16 rows), the columns
 * of a tile, at most 256 KB (or 16 columns, 48 of squared distances; 128 with few rows), and the
 * workspace of the kernel.  With dimensions up to some hundreds that is 1 to 2 MB a thread; at
 * dimension 10 000, 5 MB, and with few rows 10 MB in double precision.  An item takes 28 bytes. */
#include <math.h>
#include <stdlib.h>

#include "run/schedule.h"

/* All thresholds of the cuts. Costs are in multiplications per pair (gr_plan.cost). */
static const struct {
  double second[2]; /* cost * pairs per second: interpreter, kernel */
  double chunk;     /* seconds between looks for an interrupt */
  double item;      /* cost * pairs of an item, of which there are at most so many: */
  int64_t items;
  int64_t rows_min, rows_max; /* of a block of rows, where there are enough */
  int64_t columns_min;        /* of a part: so many, */
  double part;                /* and so much cost per row */
  int64_t cache;              /* bytes of packed rows, or of state, per block */
  int64_t kept;               /* bytes of states that wait to be merged, of all items together */
} tune = {.second = {3e8, 5e10},
          .chunk = 0.02,
          .item = 4e6,
          .items = 256,
          .rows_min = 256,
          .rows_max = 512,
          .columns_min = 512,
          .part = 1e5,
          .cache = 2 << 20,
          .kept = 24 << 20};

static int64_t clamp(int64_t n, int64_t lo, int64_t hi) { return n < lo ? lo : n > hi ? hi : n; }
static int64_t ceiling(int64_t n, int64_t by) { return (n + by - 1) / by; }
static int64_t round_up(int64_t n, int64_t to) { return ceiling(n, to) * to; }

/* ---- sizes ---- */

/* What the cuts depend on. */
typedef struct measures {
  const gr_plan *plan;
  double speed; /* cost * pairs per second */
  int64_t elements;
  int64_t rows; /* of all regions of an element */
  double pairs; /* of all elements */
} measures;

/* How a region is cut, and the region's own size. */
typedef struct cuts {
  int64_t rows, blocks;   /* of a block; how many */
  int64_t columns, parts; /* of a part; how many */
  int64_t all_rows, all_columns;
} cuts;

static int64_t columns_of(const gr_region *g) {
  int64_t columns = 0;
  for (int64_t k = 0; k < g->n; k++) columns += g->interval[k].end - g->interval[k].first;
  return columns;
}

static bool by_columns(const gr_plan *p) { return p->target == TARGET_COLUMNS; }

/* The columns of a part: enough that packing rows and merging states do not show. */
static int64_t columns_least(const gr_plan *p) {
  double lists = gr_has_trait(p->ask.red.family, GR_KEEPS_LISTS) ? 1000.0 * p->ask.red.k : 0;
  return (int64_t)fmax(fmax(tune.part / p->cost, lists),
                       fmax(8.0 * p->ask.red.nstate, (double)tune.columns_min));
}

/* Rows of a block that the cache holds, and that one call of the kernel handles in time. */
static int64_t rows_most(const measures *m) {
  const gr_plan *p = m->plan;
  if (by_columns(p)) return 16; /* their merged states lie in the padding (execute.c) */
  int64_t row_bytes = p->width.row * (p->ask.f64 ? 8 : 4), state_bytes = p->ask.red.nstate * 8;
  int64_t widest = row_bytes > state_bytes ? row_bytes : state_bytes;
  int64_t most = clamp(tune.cache / (widest > 0 ? widest : 1) / 16 * 16, 16, tune.rows_max);
  return clamp((int64_t)(tune.chunk * m->speed / p->cost) / 16 * 16, 16, most);
}

/* Parts whose states, of all rows, may wait for the end. */
static int64_t parts_most(const measures *m) {
  double states = (double)(m->rows + GR_PAD) * (double)m->elements * m->plan->ask.red.nstate * 8 *
                  (by_columns(m->plan) ? GR_LANES_MAX : 1);
  return m->plan->ask.both ? tune.items : clamp((int64_t)(tune.kept / states), 1, tune.items);
}

/* Items of a region with so many pairs, in proportion to its share of the work. */
static int64_t items_most(const measures *m, double pairs) {
  return m->pairs > 0 ? clamp((int64_t)((double)tune.items * (pairs / m->pairs)), 1, tune.items)
                      : 1;
}

/* Columns are packed again for every block of rows, so that these are large.  Where that gives too
 * few items to share, columns are cut too, then blocks made smaller.  Blocks are of one size, as
 * far as 16 divides it: the last would else be small, and packing the columns for it in vain. */
static cuts cut(const measures *m, int64_t rows, int64_t cols) {
  const gr_plan *p = m->plan;
  cuts c = {.all_rows = rows, .all_columns = cols};
  int64_t most = rows_most(m), parts = parts_most(m),
          columns = clamp(cols / columns_least(p), 1, tune.items);
  double pairs = (double)rows * (double)cols;
  int64_t items = (int64_t)fmin(1 + p->cost * pairs / tune.item, (double)items_most(m, pairs));
  c.blocks = ceiling(rows, most);
  c.parts =
      clamp(c.blocks > 0 ? ceiling(items, c.blocks) : 1, 1, parts < columns ? parts : columns);
  c.rows = clamp(round_up(rows * c.parts / items, 16), most < tune.rows_min ? most : tune.rows_min,
                 most);
  c.blocks = ceiling(rows, c.rows);
  if (c.blocks) c.rows = round_up(ceiling(rows, c.blocks), 16);
  c.columns = round_up(ceiling(cols, c.parts), p->tile);
  c.parts = c.columns ? ceiling(cols, c.columns) : 1;
  return c;
}

/* The same, unless the last region had this size too: the work of small calls is no more than that
 * of a cut. */
static void cut_region(const measures *m, const gr_region *g, cuts *c) {
  int64_t rows = g->r1 - g->r0, columns = columns_of(g);
  if (rows != c->all_rows || columns != c->all_columns) *c = cut(m, rows, columns);
}

/* Columns of a call; whole tiles, unless pairs are so dear that tiles do not matter. */
static int64_t chunk_columns(const measures *m, int64_t block) {
  const gr_plan *p = m->plan;
  int64_t n = 1 + (int64_t)(tune.chunk * m->speed / p->cost / (double)(block ? block : 1));
  return n >= p->tile || by_columns(p) ? round_up(n, p->tile) : n;
}

/* ---- items ---- */

/* Of each piece all columns, as many as fill vectors, or those that do not. */
typedef enum fill { ALL, FULL, REST } fill;

static gr_interval select_columns(gr_interval piece, fill which) {
  int64_t middle = piece.end - (piece.end - piece.first) % GR_LANES_MAX;
  if (which == FULL) piece.end = middle;
  if (which == REST) piece.first = middle;
  return piece;
}

/* The next columns of a list go to the array of intervals; returns where the list goes on. */
static gr_walk add_pieces(gr_schedule *s, gr_walk w, int64_t columns, fill which) {
  while (columns > 0) {
    gr_interval piece = gr_walk_take(&w, columns), selected = select_columns(piece, which);
    columns -= piece.end - piece.first;
    if (selected.first < selected.end) s->interval[s->n_intervals++] = selected;
  }
  return w;
}

/* The next columns of a region, as an item that has no rows yet. */
static gr_item add_columns(gr_schedule *s, const gr_plan *p, gr_walk *w, int64_t columns) {
  gr_item it = {.first = (int32_t)s->n_intervals, .slot = -1};
  gr_walk after = add_pieces(s, *w, columns, by_columns(p) ? FULL : ALL);
  it.full = (int32_t)s->n_intervals - it.first;
  if (by_columns(p)) add_pieces(s, *w, columns, REST);
  it.n = (int32_t)s->n_intervals - it.first;
  it.columns = (int32_t)columns;
  *w = after;
  return it;
}

/* All blocks of rows share the intervals of their parts: those of the first block are made, the
 * others' items are copies of its. */
static void add_region(gr_schedule *s, const gr_plan *p, const gr_region *g, const cuts *c) {
  int64_t columns = columns_of(g);
  gr_walk w = {g->interval, g->interval + g->n, 0};
  gr_item *it = s->item + s->n;
  for (int64_t part = 0; part < c->parts && c->blocks > 0; part++)
    it[part] = add_columns(s, p, &w, clamp(columns - part * c->columns, 0, c->columns));
  for (int64_t b = 0; b < c->blocks; b++)
    for (int64_t part = 0; part < c->parts; part++) {
      gr_item *x = &it[b * c->parts + part];
      *x = it[part];
      x->r0 = (int32_t)(g->r0 + b * c->rows);
      x->r1 = (int32_t)clamp(x->r0 + c->rows, x->r0, g->r1);
      x->slot = c->parts > 1 && !p->ask.both ? (int32_t)s->slots++ : -1;
      s->pairs += (int64_t)(x->r1 - x->r0) * x->columns;
    }
  s->n += c->blocks * c->parts;
}

/* Where both indices are reduced, every group of items leaves a state: no more of them than threads
 * need, and than there is room for.  A single group is finished at once. */
static void group_items(gr_schedule *s, const gr_plan *p) {
  int64_t all = clamp(tune.kept / (p->ask.red.nstate * 8), 1, tune.items),
          most = clamp(all / s->elements, 1, all);
  s->group = 1;
  if (!p->ask.both || s->n == 0) return;
  s->group = ceiling(s->n, most);
  if (s->group == s->n) return;
  s->slots = ceiling(s->n, s->group);
  for (int64_t k = 0; k < s->n; k++) s->item[k].slot = (int32_t)(k / s->group);
}

/* Places for so many items and intervals. */
static gr_class make_room(gr_schedule *s, int64_t items, int64_t intervals, gr_error *err) {
  enum {
    ITEMS = sizeof s->few_items / sizeof *s->few_items,
    INTERVALS = sizeof s->few_intervals / sizeof *s->few_intervals
  };
  s->item = s->few_items;
  s->interval = s->few_intervals;
  s->memory = NULL;
  if (items <= ITEMS && intervals <= INTERVALS) return GR_OK;
  size_t size = (size_t)items * sizeof *s->item + (size_t)intervals * sizeof *s->interval;
  s->memory = malloc(size);
  if (!s->memory) return gr_fail(err, ERR_NoMemory, "the items of a call", (long long)size);
  s->interval = s->memory; /* first, as their numbers are the larger ones */
  s->item = (gr_item *)(void *)(s->interval + intervals);
  return GR_OK;
}

gr_class gr_schedule_make(gr_schedule *s, const gr_plan *p, bool kernel, int64_t elements,
                          const gr_region *region, int64_t n, gr_error *err) {
  measures m = {.plan = p, .speed = tune.second[kernel], .elements = elements};
  cuts c = {.all_rows = -1};
  int64_t items = 0, intervals = 0;
  s->elements = elements;
  s->n = s->n_intervals = s->slots = s->block = s->pairs = 0;
  for (int64_t k = 0; k < n; k++) {
    m.rows += region[k].r1 - region[k].r0;
    m.pairs += (double)(region[k].r1 - region[k].r0) * (double)columns_of(&region[k]);
  }
  m.pairs *= (double)elements;
  for (int64_t k = 0; k < n; k++) {
    cut_region(&m, &region[k], &c);
    items += c.blocks * c.parts;
    intervals += (region[k].n + c.parts) * (by_columns(p) ? 2 : 1);
    s->block = c.rows > s->block ? c.rows : s->block;
  }
  s->ld = (by_columns(p) ? clamp(m.rows, 0, s->block) * GR_LANES_MAX : s->block) + GR_PAD;
  s->chunk = chunk_columns(&m, s->block);
  if (make_room(s, items, intervals, err) != GR_OK) return err->cls;
  for (int64_t k = 0; k < n; k++) {
    cut_region(&m, &region[k], &c);
    add_region(s, p, &region[k], &c);
  }
  group_items(s, p);
  return GR_OK;
}

void gr_schedule_free(gr_schedule *s) { free(s->memory); }
