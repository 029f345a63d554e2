/* cu_position.c: where one device is in its share of a call.
 *
 * Owns four nested loops, as a position that is moved on launch by launch: blocks of rows, none of
 * which reaches from one region of the call into another; the intervals of the region; chunks of
 * columns; groups of rows (what one launch takes).  A window of the columns lies on the device: all
 * that the call needs, unless memory is short; then it follows the position.
 * Guarantees: every pair of the share is in exactly one launch, and each block of rows has at least
 * one, which starts its states, even where its region has no columns. */
#include "cu.h"

const gr_region *cu_region_of(const cu_part *s) { return &s->call->run->region[s->region]; }
static int64_t intervals_of(const cu_part *s) { return cu_region_of(s)->n > 0 ? cu_region_of(s)->n : 1; }

/* A region without columns has one launch all the same, which starts the states. */
static gr_interval interval_of(const cu_part *s) {
  return cu_region_of(s)->n > 0 ? cu_region_of(s)->interval[s->interval] : (gr_interval){0, 0};
}

/* Rows of the block. */
int64_t cu_rows_here(const cu_part *s) {
  return cu_least(cu_least(s->cut.block_rows, s->first + s->rows - s->row),
                  cu_region_of(s)->r1 - s->row);
}

/* Columns on the device. */
int64_t cu_cols_here(const cu_part *s) {
  return cu_least(s->cut.block_cols, s->call->columns.end - s->window);
}

/* Columns of the next launch. */
gr_interval cu_chunk_of(const cu_part *s) {
  int64_t end =
      cu_least(cu_least(s->column + s->cut.chunk, interval_of(s).end), s->window + cu_cols_here(s));
  return (gr_interval){s->column, end > s->column ? end : s->column};
}

/* The window follows the column of the position where it does not hold all columns. */
static void seek(cu_part *s, int64_t column) {
  bool inside = column == s->window || (column > s->window && column < s->window + cu_cols_here(s));
  bool all = s->cut.block_cols >= cu_length(s->call->columns);
  s->column = column;
  if (s->cols_ready && (inside || all)) return;
  s->window = all ? s->call->columns.first : column;
  s->cols_ready = false;
}

/* The next block of rows. */
void cu_begin_rows(cu_part *s, int64_t row) {
  s->row = row;
  s->finished = row >= s->first + s->rows;
  if (s->finished) return;
  while (cu_region_of(s)->r1 <= row) s->region++;
  s->rows_ready = false;
  s->interval = s->group = 0;
  seek(s, interval_of(s).first);
}

bool cu_first_columns(const cu_part *s) {
  return s->interval == 0 && s->column == interval_of(s).first;
}
bool cu_pairs_done(const cu_part *s) { return s->interval == intervals_of(s); }

/* After a launch of so many rows. */
void cu_advance(cu_part *s, int64_t rows) {
  int64_t end = cu_chunk_of(s).end;
  s->group += rows;
  if (s->group < cu_rows_here(s)) return;
  s->group = 0;
  if (end >= interval_of(s).end && ++s->interval == intervals_of(s)) return;
  seek(s, end > interval_of(s).first ? end : interval_of(s).first);
}

/* Columns that each row of the block has met. */
double cu_columns_met(const cu_part *s) {
  double n = 0;
  for (int64_t k = 0; k < cu_region_of(s)->n; k++) n += (double)cu_length(cu_region_of(s)->interval[k]);
  return n;
}
