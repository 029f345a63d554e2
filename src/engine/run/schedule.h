/* schedule.h: a call as data: the items of work that a problem is cut into.  All elements of a
 * batch have the same items, which are made once. */
#ifndef GENRED_SCHEDULE_H
#define GENRED_SCHEDULE_H
#include "run/run.h"

/* A block of rows against a list of intervals of columns.  A kernel whose lanes are columns takes
 * multiples of 16 columns in one call, and fewer than 16 into fresh states (gr_kernel_fn): its
 * `full` intervals of the first kind come first, those of the second kind follow.  With other
 * kernels, and the interpreter, all intervals are full.  Numbers have 32 bits, as rows and columns
 * have (ERR_ArgHuge): calls with a million rows have thousands of items. */
typedef struct gr_item {
  int32_t r0, r1;
  int32_t first, n, full; /* its intervals in gr_schedule.interval */
  int32_t slot;           /* of the state that is kept to be merged; -1: finished at once */
  int32_t columns;        /* in all its intervals: each is a unit of work for each row */
} gr_item;

/* Items of the same rows follow one another, and their states are merged in this order.  Where both
 * indices are reduced, so are `group` items at a time, to one row's state in their common slot. All
 * numbers are those of one element. */
typedef struct gr_schedule {
  int64_t elements;
  gr_item *item;
  gr_interval *interval;
  int64_t n, n_intervals;
  int64_t slots;
  int64_t group; /* items that one thread computes one after the other: 1, or all of one slot */
  int64_t block; /* rows of an item: at most so many, a multiple of 16 */
  int64_t ld;    /* of an item's state: its rows, times the lanes where each has its own, padded */
  int64_t chunk; /* columns of one call of the kernel, at most */
  int64_t pairs; /* units of work in its items */
  void *memory;  /* where they do not fit in here */
  gr_item few_items[4]; /* small calls allocate nothing */
  gr_interval few_intervals[8];
} gr_schedule;

/* Cuts the regions of a call into items.  The cuts depend on the plan, on whether a kernel or the
 * interpreter will run, and on the shapes, never on the machine or the number of threads. */
gr_class gr_schedule_make(gr_schedule *s, const gr_plan *p, bool kernel, int64_t elements,
                          const gr_region *region, int64_t n, gr_error *err);
void gr_schedule_free(gr_schedule *s);

/* A position in a list of intervals that is read piece by piece. */
typedef struct gr_walk {
  const gr_interval *at, *end;
  int64_t done; /* columns of *at */
} gr_walk;

/* The next piece: up to `most` columns of one interval. There must be one: w->at < w->end. */
static inline gr_interval gr_walk_take(gr_walk *w, int64_t most) {
  int64_t first = w->at->first + w->done, left = w->at->end - first;
  gr_interval piece = {first, first + (left < most ? left : most)};
  w->done += piece.end - first;
  if (piece.end == w->at->end) w->at++, w->done = 0;
  return piece;
}

/* execute.c: computes all items of all elements of the call, merges their states in the order of
 * the schedule and hands them over to the sink. */
gr_class gr_execute(const gr_plan *p, gr_kernel_fn *kernel, const gr_schedule *s, const gr_run *run,
                    const gr_sink *sink, gr_error *err);

#endif
