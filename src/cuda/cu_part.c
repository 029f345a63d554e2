/* cu_part.c: one device's share of a call: its rows against their columns.
 *
 * Owns the device memory of the share and its launches.  cu_part_step enqueues one piece of work
 * and moves the position on (cu_position.c).  At most two launches are in flight, so that the
 * caller can look for interrupts and feed other devices.  The kernels are described in emit_cuda.c.
 */
#include <stdlib.h>

#include "cu.h"

/* All thresholds of this file.
 *   launch   seconds that a launch should take, by the measured speed
 *   quick    estimated seconds (cu_cut.c) of a call whose launches are neither measured nor polled
 *   room     fraction of the free memory that is used at the first attempt (sizes of blocks are
 *            rounded up by an eighth at most) and after the device was out of memory
 *   small    bytes up to which the free memory is not asked for
 *   block, grid   threads and blocks of kernels that visit each row or column once */
static const struct {
  double launch, quick, room[2];
  size_t small;
  unsigned block, grid;
} tune = {.launch = 0.1,
          .quick = 0.02,
          .room = {0.85, 0.6},
          .small = (size_t)256 << 20,
          .block = 128,
          .grid = 8192};

/* ---- memory ---- */

/* Small calls just allocate; large ones, and second attempts, are fitted to the free memory. */
static gr_class cut_to_memory(cu_part *s, int attempt, gr_error *err) {
  const cu_call *c = s->call;
  const gr_cuda_layout *l = &s->k->layout;
  size_t need = cu_cut_bytes(&s->cut, cu_plan_of(s), l, &s->sizes), there = 0, total, room;
  if (attempt == 0 && need <= tune.small) return GR_OK;
  gr_class cls = CU(s->g, err, cuMemGetInfo_v2, &there, &total);
  if (cls) return cls;
  room = (size_t)(tune.room[attempt] * (double)(there + s->g->idle_bytes));
  if (attempt && room > need / 2) room = need / 2;
  if (need > room)
    cu_cut_blocks(&s->cut, cu_plan_of(s), l, &s->sizes, s->rows, cu_length(c->columns), room);
  return GR_OK;
}

static gr_class take(cu_part *s, int64_t bytes, cu_block **b, gr_error *err) {
  return bytes > 0 ? cu_take(s->g, (size_t)bytes, b, err) : GR_OK;
}

static gr_class take_blocks(cu_part *s, gr_error *err) {
  const gr_cuda_layout *l = &s->k->layout;
  const cu_cut *c = &s->cut;
  int64_t copies = (int64_t)c->nsplit * (l->threads / c->tx), n = cu_number(s);
  s->ld = cu_round_up(c->block_rows, 16);
  if (take(s, (s->sizes.row - l->nrow * n) * c->block_rows, &s->row_args, err) != GR_OK ||
      take(s, (s->sizes.col - l->ncol * n) * c->block_cols, &s->col_args, err) != GR_OK ||
      take(s, s->sizes.pair * c->block_rows * c->block_cols, &s->pair_args, err) != GR_OK ||
      take(s, l->nrow * n * s->ld, &s->R, err) != GR_OK ||
      take(s, l->ncol * n * c->block_cols, &s->C, err) != GR_OK)
    return err->cls;
  return take(s, copies * cu_plan_of(s)->ask.red.nstate * 8 * s->ld, &s->state, err);
}

static gr_class make_total(cu_part *s, gr_error *err) {
  const gr_reduction *red = &cu_plan_of(s)->ask.red;
  if (!cu_plan_of(s)->ask.both) return GR_OK;
  s->total = malloc((size_t)red->nstate * sizeof *s->total);
  if (!s->total) return gr_fail(err, ERR_NoMemory, "a state", (long long)red->nstate);
  gr_red_init(red, s->total, 1, 1);
  return GR_OK;
}

gr_class cu_part_begin(cu_part *s, int attempt, gr_error *err) {
  const cu_call *c = s->call;
  const gr_run *run = c->run;
  gr_class cls = cu_kernels_of(s->g, run->p, c->written, run->opt, &s->k, run->report, err);
  if (cls) return cls;
  s->sizes = cu_sizes_of(s);
  s->cut = cu_cut_of(s->g, cu_plan_of(s), &s->k->layout, s->k->resident, run->opt->backend, s->rows,
                     c->most_columns);
  s->cut.block_cols = cu_length(c->columns);
  s->timed =
      cu_seconds(s->g, cu_plan_of(s),
                 c->pairs * (double)s->rows / (double)(run->rows ? run->rows : 1)) > tune.quick;
  s->finished = s->rows == 0;
  cls = make_total(s, err);
  if (!cls) cls = cu_make_head(s, err);
  if (!cls) cls = cut_to_memory(s, attempt, err);
  if (cls || s->finished) return cls;
  cu_begin_rows(s, s->first);
  return take_blocks(s, err);
}

void cu_part_end(cu_part *s) {
  cu_block *const blocks[] = {s->row_args, s->col_args, s->pair_args, s->R, s->C, s->state};
  if (s->g && s->g->life) cu_now()->cuCtxSetCurrent(s->g->context);
  for (size_t k = 0; s->g && k < sizeof blocks / sizeof *blocks; k++) cu_give(s->g, blocks[k]);
  free(s->head);
  free(s->total);
  *s = (cu_part){0};
}

/* ---- launches ---- */

gr_class cu_launch(cu_part *s, cu_function f, unsigned x, unsigned y, unsigned block, size_t shared,
                   void **arguments, gr_error *err) {
  return CU(s->g, err, cuLaunchKernel, f, x, y, 1, block, 1, 1, (unsigned)shared, s->g->stream,
            arguments, NULL);
}

/* A kernel whose threads share n rows or columns. */
gr_class cu_launch_over(cu_part *s, cu_function f, int64_t n, void **arguments, gr_error *err) {
  int64_t blocks = (n + tune.block - 1) / tune.block;
  return cu_launch(s, f, (unsigned)cu_least(blocks > 0 ? blocks : 1, tune.grid), 1, tune.block, 0,
                   arguments, err);
}

/* ---- pairs ---- */

static gr_class launch_pairs(cu_part *s, int64_t rows, gr_error *err) {
  const gr_cuda_layout *l = &s->k->layout;
  const cu_cut *c = &s->cut;
  gr_interval columns = cu_chunk_of(s);
  cu_address arg = s->k->head->address, P = cu_parameters(s),
             R = cu_address_in(s->R) + (cu_address)(s->group * cu_number(s)),
             C = cu_address_in(s->C);
  cu_address state = s->state->address + (cu_address)(s->group * 8);
  long long ld = s->ld, ld_c = c->block_cols, c_base = s->window, r0 = s->row + s->group, nr = rows,
            c0 = columns.first, c1 = columns.end;
  long long part = c->part;
  int tx = c->tx, anew = cu_first_columns(s);
  void *arguments[] = {&arg, &P,  &R,  &ld, &C,  &ld_c, &c_base, &state,
                       &ld,  &r0, &nr, &c0, &c1, &part, &tx,     &anew};
  int64_t blocks = (rows + (int64_t)tx * l->lanes - 1) / ((int64_t)tx * l->lanes);
  return cu_launch(s, s->k->pairs, (unsigned)blocks, (unsigned)c->nsplit, (unsigned)l->threads,
                   l->shared, arguments, err);
}

static gr_class launch_marked(cu_part *s, int64_t rows, gr_error *err) {
  cu_gpu *g = s->g;
  int m = s->mark;
  double pairs = (double)rows * (double)cu_length(cu_chunk_of(s));
  if (s->timed && CU(g, err, cuEventRecord, g->mark[2 * m], g->stream) != GR_OK) return err->cls;
  if (launch_pairs(s, rows, err) != GR_OK) return err->cls;
  s->done += pairs;
  if (!s->timed) return GR_OK;
  s->pairs[m] = pairs;
  s->mark = 1 - m;
  s->pending++;
  return CU(g, err, cuEventRecord, g->mark[2 * m + 1], g->stream);
}

/* Rows of the next launch: whole waves. */
static int64_t group_rows(const cu_part *s) {
  const cu_cut *c = &s->cut;
  int64_t left = cu_rows_here(s) - s->group;
  if (!s->timed) return left;
  double seconds = (double)c->wave * (double)cu_least(c->chunk, s->call->most_columns);
  seconds = s->k->rate > 0 ? seconds / s->k->rate : cu_seconds(s->g, cu_plan_of(s), seconds);
  double waves = seconds > 0 ? tune.launch / seconds : 1e6;
  int64_t n = (int64_t)(waves < 1 ? 1 : waves > 1e6 ? 1e6 : waves);
  int64_t rows = n * c->wave;
  return left - rows < c->wave / 2 ? left : rows;
}

/* Polls the launches in flight, the oldest first; *room: there may be another one. */
static gr_class look(cu_part *s, int at_most, bool *room, gr_error *err) {
  cu_gpu *g = s->g;
  while (s->pending > at_most) {
    int m = s->pending == 2 ? s->mark : 1 - s->mark;
    float ms = 0;
    cu_result r = cu_now()->cuEventQuery(g->mark[2 * m + 1]);
    if (r == CUDA_ERROR_NOT_READY) break;
    if (cu_result_of(g, r, "cuEventQuery", err) != GR_OK ||
        CU(g, err, cuEventElapsedTime, &ms, g->mark[2 * m], g->mark[2 * m + 1]) != GR_OK)
      return err->cls;
    if (ms > 0.1f) s->k->rate = s->pairs[m] / (1e-3 * ms);
    s->pending--;
  }
  *room = s->pending <= at_most;
  return GR_OK;
}

/* ---- steps ---- */

gr_class cu_part_step(cu_part *s, bool *moved, gr_error *err) {
  bool room = false, last = cu_pairs_done(s);
  if (look(s, last ? 0 : 1, &room, err) != GR_OK || !room) return err->cls;
  *moved = true;
  if (last) {
    if (cu_finish(s, err) == GR_OK) cu_begin_rows(s, s->row + cu_rows_here(s));
    return err->cls;
  }
  if (cu_make_ready(s, err) != GR_OK) return err->cls;
  int64_t rows = group_rows(s);
  if (launch_marked(s, rows, err) == GR_OK) cu_advance(s, rows);
  return err->cls;
}
