/* cu_cut.c: how the work of a call is divided into kernel launches.
 *
 * Where there are many rows, they fill the device.  Where there are few, the threads of a block lie
 * along columns too, and the columns are split over blocks, whose states are merged.  A launch
 * takes about tune.launch seconds at most, so that interrupts are noticed in time: columns are cut
 * into chunks by an estimate that depends on the plan, the shapes and the device only, so that
 * results do not depend on timings.  The number of rows of a launch does not change results and
 * follows the measured speed (cu_part.c). */
#include <math.h>

#include "cu.h"

/* All thresholds of this file.
 *   each      multiplications (of gr_plan.cost) that a multiprocessor does per clock cycle.
 *             Counted in instructions, cheap formulas reach five to ten times as much: the
 *             estimate is low so that no launch takes much longer than estimated.
 *   launch    estimated seconds of a launch
 *   columns   least cost of a split's columns for each row: below, merging states takes time
 *   thread    multiplications of a thread above which it is worth halving its columns at the price
 *             of one more merging step (some thousand clock cycles, counted by its loads)
 *   splits    the most splits; more do not help
 *   states    bytes of the states that are merged: every split has its own, and so does every
 *             thread of a block along columns
 *   full      least occupancy of the last wave of blocks for which columns are not split further */
static const struct {
  double each, launch, columns, thread;
  int splits;
  int64_t states;
  double full;
} tune = {.each = 24,
          .launch = 0.1,
          .columns = 4e3,
          .thread = 1e3,
          .splits = 4096,
          .states = (int64_t)256 << 20,
          .full = 0.93};

static int64_t at_least(int64_t n, int64_t least) { return n > least ? n : least; }
static int64_t at_most(int64_t n, int64_t most) { return n < most ? n : most; }
static int64_t ceiling(int64_t n, int64_t by) { return (n + by - 1) / by; }
static int64_t round_up(int64_t n, int64_t to) { return ceiling(n, to) * to; }

double cu_seconds(const cu_gpu *g, const gr_plan *p, double pairs) {
  double rate = tune.each * g->info.multiprocessors * 1e3 * g->clock;
  if (p->ask.f64 && g->double_ratio > 1) rate /= g->double_ratio;
  return pairs * p->cost / rate;
}

/* The number of splits for which there are enough columns. */
static int splits_most(const gr_plan *p, const gr_cuda_layout *l, int64_t cols) {
  double columns = fmax(fmax(tune.columns / p->cost, l->tile), 8.0 * p->ask.red.nstate);
  if (gr_has_trait(p->ask.red.family, GR_KEEPS_LISTS)) columns = fmax(columns, 64.0 * p->ask.red.k);
  return (int)at_least(at_most((int64_t)((double)cols / columns), tune.splits), 1);
}

/* The mean occupancy of the device while so many blocks run, `all` at a time. */
static double evenness(int64_t blocks, int64_t all) {
  return (double)blocks / (double)(ceiling(blocks, all) * all);
}

/* The least number of splits that keeps the device full, or as full as possible. */
static int choose_splits(int64_t blocks, int64_t all, int most) {
  if (blocks < all) return (int)at_most(ceiling(all, blocks), most);
  for (int n = 1; n <= 8 && n <= most; n++)
    if (evenness(blocks * n, all) >= tune.full) return n;
  return 1;
}

/* Multiplications of a thread if tx threads of its block lie along rows and the columns are split
 * `most` times. */
static double thread_work(const gr_plan *p, const gr_cuda_layout *l, int64_t cols, int most,
                          int tx) {
  return p->cost * l->lanes * (double)cols / most / (l->threads / tx);
}

/* Threads of a block along rows: halved while there are fewer rows than these take, or while rows
 * and splits leave multiprocessors idle, as long as threads have enough work. */
static int choose_tx(const gr_plan *p, const gr_cuda_layout *l, int64_t rows, int64_t cols,
                     int64_t all, int most, int64_t copies) {
  int tx = l->tx_most, few = l->tx_least;
  while (few < tx && l->threads / few > copies) few *= 2;
  while (
      tx > few && thread_work(p, l, cols, most, tx) > tune.thread &&
      ((int64_t)(tx / 2) * l->lanes >= rows || ceiling(rows, (int64_t)tx * l->lanes) * most < all))
    tx /= 2;
  return tx;
}

/* Columns of a launch, so that one wave of rows takes tune.launch seconds. */
static int64_t choose_chunk(const cu_gpu *g, const gr_plan *p, const gr_cuda_layout *l,
                            const cu_cut *c, int64_t rows, int64_t cols) {
  double column = cu_seconds(g, p, (double)at_least(at_most(c->wave, rows), 1));
  int64_t unit = (int64_t)l->tile * c->nsplit;
  double columns = fmax(floor(tune.launch / column / (double)unit), 1) * (double)unit;
  return columns >= (double)cols ? at_least(cols, 1) : (int64_t)columns;
}

/* The columns of a split: whole tiles where there are enough. */
static void set_part(cu_cut *c, const gr_cuda_layout *l, bool forced) {
  c->part = ceiling(c->chunk, c->nsplit);
  if (!forced || c->part >= l->tile) c->part = round_up(c->part, l->tile);
  c->nsplit = (int)at_least(ceiling(c->chunk, c->part), 1);
}

cu_cut cu_cut_of(const cu_gpu *g, const gr_plan *p, const gr_cuda_layout *l, int resident,
                 gr_backend backend, int64_t rows, int64_t cols) {
  int64_t all = (int64_t)g->info.multiprocessors * resident;
  int most = backend == GR_GPU_1D ? 1 : splits_most(p, l, cols);
  int64_t copies = at_least(tune.states / (at_least(rows, 1) * p->ask.red.nstate * 8), 1);
  cu_cut c = {.nsplit = 1, .tx = l->tx_most, .block_rows = rows, .block_cols = cols};
  if (backend != GR_GPU_1D) {
    c.tx = choose_tx(p, l, rows, cols, all, (int)at_most(most, copies), copies);
    most = (int)at_least(at_most(most, copies / (l->threads / c.tx)), 1);
    c.nsplit = choose_splits(at_least(ceiling(rows, (int64_t)c.tx * l->lanes), 1), all, most);
  }
  bool forced = backend == GR_GPU_2D && c.nsplit < 2;
  if (forced) c.nsplit = (int)at_least(at_most(cols, 4), 1);
  c.wave = at_least(all / c.nsplit, 1) * c.tx * l->lanes;
  c.chunk = choose_chunk(g, p, l, &c, rows, cols);
  set_part(&c, l, forced);
  return c;
}

/* ---- memory ---- */

/* Each of the threads of a block along columns has a state of its own. */
static int64_t row_bytes(const cu_cut *c, const gr_plan *p, const cu_sizes *s, int threads) {
  return s->row + (int64_t)c->nsplit * (threads / c->tx) * p->ask.red.nstate * 8;
}

size_t cu_cut_bytes(const cu_cut *c, const gr_plan *p, const gr_cuda_layout *l, const cu_sizes *s) {
  return (size_t)(c->block_rows * row_bytes(c, p, s, l->threads) + c->block_cols * s->col +
                  c->block_rows * c->block_cols * s->pair);
}

/* How many fit where each takes `size` bytes; at least 1. */
static int64_t fit(int64_t bytes, int64_t size, int64_t most) {
  return at_most(most, at_least(bytes / size, 1));
}

/* Columns get memory first, as they are read for all rows; where pairs take memory, as much as
 * leaves room for as many rows as a wave has.  Blocks of columns are whole chunks, so that results
 * are the same as without blocks. */
void cu_cut_blocks(cu_cut *c, const gr_plan *p, const gr_cuda_layout *l, const cu_sizes *s,
                   int64_t rows, int64_t cols, size_t room) {
  int64_t row = at_least(row_bytes(c, p, s, l->threads), 1), col = at_least(s->col, 1),
          all = (int64_t)room;
  int64_t few = at_most(rows, c->wave), most = cols;
  if (s->pair) most = fit(all - few * row, col + few * s->pair, cols);
  int64_t for_rows = fit(all - at_most(all / 2, most * col), row + most * s->pair, rows);
  int64_t for_cols = fit(all - at_most(all, for_rows * row), col + for_rows * s->pair, cols);
  c->block_rows =
      for_rows < rows ? at_least(for_rows / c->wave * c->wave, at_most(for_rows, c->wave)) : rows;
  if (for_cols < c->chunk) {
    int64_t unit = for_cols < (int64_t)l->tile * c->nsplit ? l->tile : (int64_t)l->tile * c->nsplit;
    c->chunk = at_least(for_cols / unit * unit, at_most(for_cols, unit));
    set_part(c, l, false);
  }
  c->block_cols = for_cols < cols ? at_least(for_cols / c->chunk * c->chunk, 1) : cols;
}
