/* ranges.c: a block-sparse call as regions.
 *
 * Owns the regions and their intervals, one block of memory.  Assumes ranges that
 * gr_validate_ranges has accepted.
 * Guarantees: the regions are in the order of the rows and cover them all; rows that belong to
 * no block are in regions without columns.  Intervals of columns that touch are joined, and so
 * are blocks whose rows touch and whose columns are the same: kernels are faster for longer
 * intervals and larger blocks.  Ranges that keep every pair become the region of a dense call. */
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

/* The columns of a block, which follow those of the regions before. */
static void add_columns(gr_region *g, gr_interval *to, const gr_interval *from, int64_t n) {
  g->interval = to;
  g->n = 0;
  for (int64_t k = 0; k < n; k++) {
    if (from[k].first == from[k].end) continue;
    if (g->n > 0 && to[g->n - 1].end == from[k].first)
      to[g->n - 1].end = from[k].end;
    else
      to[g->n++] = from[k];
  }
}

static bool same_columns(const gr_region *a, const gr_region *b) {
  return a->n == b->n &&
         (a->n == 0 || memcmp(a->interval, b->interval, (size_t)a->n * sizeof *a->interval) == 0);
}

/* Region g, which may be without rows, becomes the next one, or a part of the one before. */
static void add_region(gr_regions *s, const gr_region *g) {
  gr_region *last = s->n > 0 ? &s->region[s->n - 1] : NULL;
  if (g->r0 == g->r1) return;
  if (last && same_columns(last, g))
    last->r1 = g->r1;
  else
    s->region[s->n++] = *g;
}

gr_class gr_regions_make(gr_regions *s, const gr_ranges *r, int64_t rows, gr_error *err) {
  size_t most = 2 * (size_t)r->n_blocks + 1,
         size = most * sizeof *s->region + (size_t)r->n_columns * sizeof(gr_interval);
  int64_t row = 0, first = 0;
  *s = (gr_regions){.region = malloc(size)};
  if (!s->region) return gr_fail(err, ERR_NoMemory, "the blocks of a call", (long long)size);
  gr_interval *to = (gr_interval *)(void *)(s->region + most);
  for (int64_t k = 0; k < r->n_blocks; k++) {
    gr_region gap = {.r0 = row, .r1 = r->rows[k].first},
              block = {.r0 = r->rows[k].first, .r1 = r->rows[k].end};
    add_columns(&block, to, r->columns + first, r->ends[k] - first);
    to += block.n;
    add_region(s, &gap);
    add_region(s, &block);
    first = r->ends[k];
    row = block.r1;
  }
  add_region(s, &(gr_region){.r0 = row, .r1 = rows});
  return GR_OK;
}

void gr_regions_free(gr_regions *s) { free(s->region); }
