/* cu_part.c: one device's share of a call: its rows against their columns.
 *
 * Nested loops, as a position that cu_part_step moves on: blocks of rows, none of which reaches from
 * one region of the call into another; the intervals of the region; chunks of columns; groups of rows
 * (what one launch takes).  A window of the columns lies on the device: all that the call needs,
 * unless memory is short; then it follows the position.  At most two launches are in flight, so that
 * the caller can look for interrupts and feed other devices.  At the end of a block of rows splits
 * are merged, and states become results: on the device where these stay there, else on the host
 * (gr_sink_take), in double precision.
 *
 * The kernels are described in emit_cuda.c.  Arguments that lie on this device are read there; those
 * on the host are copied block by block in the working precision, with addresses such that row r of
 * the call is entry r. */
#include <stdlib.h>
#include <string.h>

#include "cu.h"

/* All thresholds of this file.
 *   launch   seconds that a launch shall take, by what was measured
 *   quick    seconds (by the estimate of cu_cut.c) below which a call is not measured, and waited for without looking up
 *   room     part of the free memory that is taken (sizes of blocks are rounded up by an eighth at most), and after it ran out all the same;
 *            what needs less than `small` bytes does not ask
 *   block, grid   of the kernels that go over rows or columns once */
static const struct {
  double launch, quick, room[2];
  size_t small;
  unsigned block, grid;
} tune = {.launch = 0.1, .quick = 0.02, .room = {0.85, 0.6}, .small = (size_t)256 << 20, .block = 128, .grid = 8192};

typedef struct source { /* an argument as kernels read it */
  cu_address data;
  long long ld, type;
  cu_address origin; /* doubles that are subtracted on the device, from what lay there before; 0: none */
} source;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static const gr_plan *plan_of(const cu_part *s) { return s->call->run->p->plan; }
static gr_storage_type type_of(const cu_part *s) { return plan_of(s)->ask.f64 ? GR_DOUBLE : GR_FLOAT; }
static int64_t number(const cu_part *s) { return (int64_t)cu_size_of(type_of(s)); }
static gr_category row_category(const cu_part *s) { return plan_of(s)->ask.axis == 1 ? GR_VI : GR_VJ; }
static gr_category col_category(const cu_part *s) { return plan_of(s)->ask.axis == 1 ? GR_VJ : GR_VI; }
static int64_t length(gr_interval i) { return i.end - i.first; }
static const gr_arg *arg_of(const cu_part *s, int k) { return &s->call->run->p->args.arg[k]; }

/* Is the argument read where it lies? */
static bool lies_here(const cu_part *s, int k) {
  const gr_buffer *b = s->call->args[k].buffer;
  return b && b->device == s->g->id && b->type != GR_INT;
}

/* ---- the position ---- */

static const gr_region *region_of(const cu_part *s) { return &s->call->run->region[s->region]; }
static int64_t intervals_of(const cu_part *s) { return region_of(s)->n > 0 ? region_of(s)->n : 1; }

/* A region without columns has one launch all the same, which starts the states. */
static gr_interval interval_of(const cu_part *s) { return region_of(s)->n > 0 ? region_of(s)->interval[s->interval] : (gr_interval){0, 0}; }

/* Rows of the block. */
static int64_t rows_here(const cu_part *s) {
  return least(least(s->cut.block_rows, s->first + s->rows - s->row), region_of(s)->r1 - s->row);
}

/* Columns on the device. */
static int64_t cols_here(const cu_part *s) { return least(s->cut.block_cols, s->call->columns.end - s->window); }

/* Columns of the next launch. */
static gr_interval chunk_of(const cu_part *s) {
  int64_t end = least(least(s->column + s->cut.chunk, interval_of(s).end), s->window + cols_here(s));
  return (gr_interval){s->column, end > s->column ? end : s->column};
}

/* The window follows the column of the position where it does not hold all columns. */
static void seek(cu_part *s, int64_t column) {
  bool inside = column == s->window || (column > s->window && column < s->window + cols_here(s));
  bool all = s->cut.block_cols >= length(s->call->columns);
  s->column = column;
  if (s->cols_ready && (inside || all)) return;
  s->window = all ? s->call->columns.first : column;
  s->cols_ready = false;
}

/* The next block of rows. */
static void begin_rows(cu_part *s, int64_t row) {
  s->row = row;
  s->finished = row >= s->first + s->rows;
  if (s->finished) return;
  while (region_of(s)->r1 <= row) s->region++;
  s->rows_ready = false;
  s->interval = s->group = 0;
  seek(s, interval_of(s).first);
}

static bool pairs_done(const cu_part *s) { return s->interval == intervals_of(s); }

/* After a launch of so many rows. */
static void advance(cu_part *s, int64_t rows) {
  int64_t end = chunk_of(s).end;
  s->group += rows;
  if (s->group < rows_here(s)) return;
  s->group = 0;
  if (end >= interval_of(s).end && ++s->interval == intervals_of(s)) return;
  seek(s, end > interval_of(s).first ? end : interval_of(s).first);
}

/* ---- memory ---- */

static cu_sizes sizes_of(const cu_part *s) {
  const gr_cuda_layout *l = &s->k->layout;
  cu_sizes size = {l->nrow * number(s), l->ncol * number(s)};
  for (int k = 0; k < s->call->n_args; k++) {
    int64_t bytes = lies_here(s, k) ? 0 : arg_of(s, k)->dim * number(s);
    if (arg_of(s, k)->cat == row_category(s)) size.row += bytes;
    if (arg_of(s, k)->cat == col_category(s)) size.col += bytes;
  }
  return size;
}

static size_t sources_bytes(const cu_part *s) { return (size_t)round_up(s->call->n_args * (int64_t)sizeof(source), 16); }

/* What the head holds of an argument: a parameter that comes from the host, or the origin of what lies on the device. */
static size_t held_bytes(const cu_part *s, int k) {
  bool here = lies_here(s, k);
  int64_t each = here && s->call->args[k].origin ? 8 : !here && arg_of(s, k)->cat == GR_PM ? number(s) : 0;
  return (size_t)round_up(arg_of(s, k)->dim * each, 16);
}

/* Sources, then what the head holds of each argument. */
static size_t head_bytes(const cu_part *s) {
  size_t n = sources_bytes(s);
  for (int k = 0; k < s->call->n_args; k++) n += held_bytes(s, k);
  return n;
}

/* The most that it can be, so that it is made once. */
static size_t head_most(const cu_part *s) {
  size_t n = sources_bytes(s) + (size_t)(s->k->layout.nparam * number(s)) + 16;
  for (int k = 0; k < s->call->n_args; k++)
    if (arg_of(s, k)->cat == GR_PM || arg_of(s, k)->group >= 0) n += (size_t)round_up(arg_of(s, k)->dim * (int64_t)sizeof(double), 16);
  return n;
}

static gr_class make_head(cu_part *s, gr_error *err) {
  cu_kernels *k = s->k;
  size_t n = head_most(s);
  s->head = calloc(1, n);
  if (!k->head_copy) k->head_copy = calloc(1, n);
  if (!s->head || !k->head_copy) return gr_fail(err, ERR_NoMemory, "arguments", (long long)n);
  return k->head ? GR_OK : cu_take(s->g, n, &k->head, err);
}

/* Small calls take what they need; large ones, and those that got none, ask what there is. */
static gr_class cut_to_memory(cu_part *s, int attempt, gr_error *err) {
  const cu_call *c = s->call;
  const gr_cuda_layout *l = &s->k->layout;
  size_t need = cu_cut_bytes(&s->cut, plan_of(s), l, &s->sizes), there = 0, total, room;
  if (attempt == 0 && need <= tune.small) return GR_OK;
  gr_class cls = CU(s->g, err, cuMemGetInfo_v2, &there, &total);
  if (cls) return cls;
  room = (size_t)(tune.room[attempt] * (double)(there + s->g->idle_bytes));
  if (attempt && room > need / 2) room = need / 2;
  if (need > room) cu_cut_blocks(&s->cut, plan_of(s), l, &s->sizes, s->rows, length(c->columns), room);
  return GR_OK;
}

static gr_class take(cu_part *s, int64_t bytes, cu_block **b, gr_error *err) {
  return bytes > 0 ? cu_take(s->g, (size_t)bytes, b, err) : GR_OK;
}

static gr_class take_blocks(cu_part *s, gr_error *err) {
  const gr_cuda_layout *l = &s->k->layout;
  const cu_cut *c = &s->cut;
  int64_t copies = (int64_t)c->nsplit * (l->threads / c->tx), n = number(s);
  s->ld = round_up(c->block_rows, 16);
  if (take(s, (s->sizes.row - l->nrow * n) * c->block_rows, &s->row_args, err) != GR_OK ||
      take(s, (s->sizes.col - l->ncol * n) * c->block_cols, &s->col_args, err) != GR_OK || take(s, l->nrow * n * s->ld, &s->R, err) != GR_OK ||
      take(s, l->ncol * n * c->block_cols, &s->C, err) != GR_OK)
    return err->cls;
  return take(s, copies * plan_of(s)->ask.red.nstate * 8 * s->ld, &s->state, err);
}

static gr_class make_total(cu_part *s, gr_error *err) {
  const gr_reduction *red = &plan_of(s)->ask.red;
  if (!plan_of(s)->ask.both) return GR_OK;
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
  s->sizes = sizes_of(s);
  s->cut = cu_cut_of(s->g, plan_of(s), &s->k->layout, s->k->resident, run->opt->backend, s->rows, c->most_columns);
  s->cut.block_cols = length(c->columns);
  s->timed = cu_seconds(s->g, plan_of(s), c->pairs * (double)s->rows / (double)(run->rows ? run->rows : 1)) > tune.quick;
  s->finished = s->rows == 0;
  cls = make_total(s, err);
  if (!cls) cls = make_head(s, err);
  if (!cls) cls = cut_to_memory(s, attempt, err);
  if (cls || s->finished) return cls;
  begin_rows(s, s->first);
  return take_blocks(s, err);
}

void cu_part_end(cu_part *s) {
  cu_block *const blocks[] = {s->row_args, s->col_args, s->R, s->C, s->state};
  if (s->g && s->g->life) cu_now()->cuCtxSetCurrent(s->g->context);
  for (size_t k = 0; s->g && k < sizeof blocks / sizeof *blocks; k++) cu_give(s->g, blocks[k]);
  free(s->head);
  free(s->total);
  *s = (cu_part){0};
}

/* ---- launches ---- */

static gr_class launch(cu_part *s, cu_function f, unsigned x, unsigned y, unsigned block, size_t shared, void **arguments, gr_error *err) {
  return CU(s->g, err, cuLaunchKernel, f, x, y, 1, block, 1, 1, (unsigned)shared, s->g->stream, arguments, NULL);
}

/* A kernel that goes over n things. */
static gr_class launch_over(cu_part *s, cu_function f, int64_t n, void **arguments, gr_error *err) {
  int64_t blocks = (n + tune.block - 1) / tune.block;
  return launch(s, f, (unsigned)least(blocks > 0 ? blocks : 1, tune.grid), 1, tune.block, 0, arguments, err);
}

static cu_address address(const cu_block *b) { return b ? b->address : 0; }

/* ---- arguments ---- */

/* Those of one category, rows first ... first + n of them, one after the other into a block. */
static gr_class load(cu_part *s, gr_category cat, const cu_block *b, int64_t first, int64_t n, gr_error *err) {
  const cu_call *c = s->call;
  source *sources = (source *)(void *)s->head;
  cu_address at = address(b);
  for (int k = 0; k < c->n_args; k++) {
    const gr_array *a = &c->args[k];
    if (arg_of(s, k)->cat != cat || lies_here(s, k)) continue;
    gr_array host = *a;
    host.data = c->data[k];
    sources[k] = (source){at - (cu_address)(first * number(s)), n, type_of(s), 0};
    if (n > 0 && cu_upload(s->g, at, type_of(s), &host, first, n, c->run->opt->threads, err) != GR_OK) return err->cls;
    at += (cu_address)(n * a->cols * number(s));
  }
  return GR_OK;
}

/* Numbers of a parameter from the host, as kernels read them. */
static void fill_parameter(const cu_part *s, int k, void *to) {
  const gr_array *a = &s->call->args[k];
  for (int64_t d = 0; d < a->cols; d++) {
    double v = s->call->data[k][d * a->stride];
    if (plan_of(s)->ask.f64)
      ((double *)to)[d] = v;
    else
      ((float *)to)[d] = (float)(v - (a->origin ? a->origin[d] : 0));
  }
}

/* Parameters from the host go with the sources; what lies on the device already is read there. */
static gr_class fill_head(cu_part *s, gr_error *err) {
  const cu_call *c = s->call;
  source *sources = (source *)(void *)s->head;
  size_t at = sources_bytes(s);
  for (int k = 0; k < c->n_args; k++) {
    const gr_array *a = &c->args[k];
    if (lies_here(s, k)) {
      sources[k] = (source){.ld = a->stride, .type = a->buffer->type, .origin = a->origin ? s->k->head->address + at : 0};
      if (cu_address_of(a->buffer, &sources[k].data, err) != GR_OK) return err->cls;
      if (a->origin) memcpy(s->head + at, a->origin, (size_t)a->cols * sizeof *a->origin);
    } else if (arg_of(s, k)->cat == GR_PM) {
      sources[k] = (source){s->k->head->address + at, 1, type_of(s), 0};
      fill_parameter(s, k, s->head + at);
    }
    at += held_bytes(s, k);
  }
  return GR_OK;
}

static bool has_parameters_here(const cu_part *s) {
  for (int k = 0; k < s->call->n_args; k++)
    if (arg_of(s, k)->cat == GR_PM && lies_here(s, k)) return true;
  return false;
}

static cu_address parameters(const cu_part *s) { return s->k->head->address + (cu_address)(head_bytes(s) + 15) / 16 * 16; }

/* What the last call left there may serve again: neither a copy nor gr_params is needed then. */
static gr_class send_head(cu_part *s, gr_error *err) {
  cu_kernels *k = s->k;
  size_t n = head_bytes(s);
  cu_address arg = k->head->address, P = parameters(s);
  if (k->head_valid && !memcmp(k->head_copy, s->head, n) && !has_parameters_here(s)) return GR_OK;
  k->head_valid = false;
  memcpy(k->head_copy, s->head, n);
  if (CU(s->g, err, cuMemcpyHtoDAsync_v2, arg, k->head_copy, n, s->g->stream) != GR_OK) return err->cls;
  if (k->layout.nparam && launch(s, k->params, 1, 1, tune.block, 0, (void *[]){&arg, &P}, err) != GR_OK) return err->cls;
  k->head_valid = true;
  return GR_OK;
}

/* gr_rows, gr_columns: n of them from `first` on. */
static gr_class prepare(cu_part *s, cu_function f, int components, const cu_block *into, int64_t ld, int64_t first, int64_t n, gr_error *err) {
  cu_address arg = s->k->head->address, P = parameters(s), to = address(into);
  long long stride = ld, base = first, count = n;
  if (components == 0 || n == 0) return GR_OK;
  return launch_over(s, f, n, (void *[]){&arg, &P, &to, &stride, &base, &count}, err);
}

/* The blocks of rows and columns where the position is. */
static gr_class make_ready(cu_part *s, gr_error *err) {
  const gr_cuda_layout *l = &s->k->layout;
  int64_t r0 = s->row, c0 = s->window;
  if (s->rows_ready && s->cols_ready) return GR_OK;
  if (!s->rows_ready && load(s, row_category(s), s->row_args, r0, rows_here(s), err) != GR_OK) return err->cls;
  if (!s->cols_ready && load(s, col_category(s), s->col_args, c0, cols_here(s), err) != GR_OK) return err->cls;
  if (fill_head(s, err) != GR_OK || send_head(s, err) != GR_OK) return err->cls;
  if (!s->rows_ready && prepare(s, s->k->rows, l->nrow, s->R, s->ld, r0, rows_here(s), err) != GR_OK) return err->cls;
  if (!s->cols_ready && prepare(s, s->k->columns, l->ncol, s->C, s->cut.block_cols, c0, cols_here(s), err) != GR_OK) return err->cls;
  s->rows_ready = s->cols_ready = true;
  return GR_OK;
}

/* ---- pairs ---- */

static gr_class launch_pairs(cu_part *s, int64_t rows, gr_error *err) {
  const gr_cuda_layout *l = &s->k->layout;
  const cu_cut *c = &s->cut;
  gr_interval columns = chunk_of(s);
  cu_address arg = s->k->head->address, P = parameters(s), R = address(s->R) + (cu_address)(s->group * number(s)), C = address(s->C);
  cu_address state = s->state->address + (cu_address)(s->group * 8);
  long long ld = s->ld, ld_c = c->block_cols, c_base = s->window, r0 = s->row + s->group, nr = rows, c0 = columns.first, c1 = columns.end;
  long long part = c->part;
  int tx = c->tx, anew = s->interval == 0 && columns.first == interval_of(s).first;
  void *arguments[] = {&arg, &P, &R, &ld, &C, &ld_c, &c_base, &state, &ld, &r0, &nr, &c0, &c1, &part, &tx, &anew};
  int64_t blocks = (rows + (int64_t)tx * l->lanes - 1) / ((int64_t)tx * l->lanes);
  return launch(s, s->k->pairs, (unsigned)blocks, (unsigned)c->nsplit, (unsigned)l->threads, l->shared, arguments, err);
}

static gr_class launch_marked(cu_part *s, int64_t rows, gr_error *err) {
  cu_gpu *g = s->g;
  int m = s->mark;
  double pairs = (double)rows * (double)length(chunk_of(s));
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
  int64_t left = rows_here(s) - s->group;
  if (!s->timed) return left;
  double seconds = (double)c->wave * (double)least(c->chunk, s->call->most_columns);
  seconds = s->k->rate > 0 ? seconds / s->k->rate : cu_seconds(s->g, plan_of(s), seconds);
  double waves = seconds > 0 ? tune.launch / seconds : 1e6;
  int64_t n = (int64_t)(waves < 1 ? 1 : waves > 1e6 ? 1e6 : waves);
  int64_t rows = n * c->wave;
  return left - rows < c->wave / 2 ? left : rows;
}

/* Looks at the launches in flight, the oldest first; *room: there is room for another. */
static gr_class look(cu_part *s, int at_most, bool *room, gr_error *err) {
  cu_gpu *g = s->g;
  while (s->pending > at_most) {
    int m = s->pending == 2 ? s->mark : 1 - s->mark;
    float ms = 0;
    cu_result r = cu_now()->cuEventQuery(g->mark[2 * m + 1]);
    if (r == CUDA_ERROR_NOT_READY) break;
    if (cu_result_of(g, r, "cuEventQuery", err) != GR_OK || CU(g, err, cuEventElapsedTime, &ms, g->mark[2 * m], g->mark[2 * m + 1]) != GR_OK)
      return err->cls;
    if (ms > 0.1f) s->k->rate = s->pairs[m] / (1e-3 * ms);
    s->pending--;
  }
  *room = s->pending <= at_most;
  return GR_OK;
}

/* ---- results of a block of rows ---- */

static gr_class merge_splits(cu_part *s, gr_error *err) {
  cu_address state = s->state->address;
  long long ld = s->ld, nr = rows_here(s);
  for (long long n = s->cut.nsplit, half; n > 1; n = half) {
    half = (n + 1) / 2;
    if (launch_over(s, s->k->merge, (n - half) * nr, (void *[]){&state, &ld, &nr, &n, &half}, err) != GR_OK) return err->cls;
  }
  return GR_OK;
}

static gr_class merge_rows(cu_part *s, gr_error *err) {
  cu_address state = s->state->address;
  long long ld = s->ld;
  for (long long n = rows_here(s), half; n > 1; n = half) {
    half = (n + 1) / 2;
    if (launch_over(s, s->k->merge_rows, n - half, (void *[]){&state, &ld, &n, &half}, err) != GR_OK) return err->cls;
  }
  return GR_OK;
}

/* Columns that each row of the block has met. */
static double columns_met(const cu_part *s) {
  double n = 0;
  for (int64_t k = 0; k < region_of(s)->n; k++) n += (double)length(region_of(s)->interval[k]);
  return n;
}

static gr_class finish_there(cu_part *s, gr_error *err) {
  const cu_call *c = s->call;
  const gr_reduction *red = &plan_of(s)->ask.red;
  cu_address state = s->state->address, to[2] = {0, 0};
  bool value = red->results != RES_X;
  for (int k = 0; k < red->nout; k++)
    if (cu_address_of(c->out[k].buffer, &to[value ? k : 1], err) != GR_OK) return err->cls;
  long long ld = s->ld, nr = rows_here(s), at = s->row, rows = c->run->rows;
  double count = columns_met(s);
  return launch_over(s, s->k->finish, nr * red->out_dim * red->k, (void *[]){&state, &ld, &nr, &count, &to[0], &to[1], &at, &rows}, err);
}

/* States of rows r ... r + n of the block, with n between entries. */
static gr_class fetch(cu_part *s, double *to, int64_t r, int64_t n, gr_error *err) {
  int nstate = plan_of(s)->ask.red.nstate;
  cu_address from = s->state->address;
  if (n == s->ld) return CU(s->g, err, cuMemcpyDtoHAsync_v2, to, from, (size_t)(n * nstate) * 8, s->g->stream);
  for (int e = 0; e < nstate; e++)
    if (CU(s->g, err, cuMemcpyDtoHAsync_v2, to + e * n, from + (cu_address)(e * s->ld + r) * 8, (size_t)n * 8, s->g->stream) != GR_OK) return err->cls;
  return GR_OK;
}

/* States that have arrived, n between entries, of which `rows` are rows. */
static void take_in(cu_part *s, double *state, int64_t n, int64_t r, int64_t rows) {
  const gr_reduction *red = &plan_of(s)->ask.red;
  if (plan_of(s)->ask.both) {
    gr_red_merge(red, s->total, 1, state, n);
    return;
  }
  gr_sink sink = cu_sink_of(s->call);
  gr_sink_take(red, &sink, state, n, s->row + r, rows, columns_met(s));
}

/* One state is wider than a stage. */
static gr_class finish_wide(cu_part *s, int64_t rows, gr_error *err) {
  double *state = malloc((size_t)plan_of(s)->ask.red.nstate * 8);
  gr_class cls = state ? GR_OK : gr_fail(err, ERR_NoMemory, "a state", (long long)plan_of(s)->ask.red.nstate);
  for (int64_t r = 0; !cls && r < rows; r++) {
    cls = fetch(s, state, r, 1, err);
    if (!cls) cls = CU(s->g, err, cuStreamSynchronize, s->g->stream);
    if (!cls) take_in(s, state, 1, r, 1);
  }
  free(state);
  return cls;
}

/* While some rows' states are on their way, those before become results. */
static gr_class finish_here(cu_part *s, gr_error *err) {
  int64_t rows = plan_of(s)->ask.both ? 1 : rows_here(s), each = CU_STAGE_BYTES / (8 * (int64_t)plan_of(s)->ask.red.nstate);
  bool whole = s->ld <= each && (rows > 1 || s->ld <= 64);
  int64_t n = whole ? s->ld : least(each, rows), before = -1;
  int stage = 0, last = 0;
  if (n < 1) return finish_wide(s, rows, err);
  for (int64_t r = 0; r < rows + n; r += n) {
    if (r < rows && (cu_stage(s->g, &stage, err) != GR_OK || fetch(s, s->g->stage[stage], r, n < s->ld ? least(n, rows - r) : n, err) != GR_OK ||
                     cu_stage_used(s->g, stage, err) != GR_OK))
      return err->cls;
    if (before >= 0) {
      if (cu_stage_wait(s->g, last, err) != GR_OK) return err->cls;
      take_in(s, s->g->stage[last], n < s->ld ? least(n, rows - before) : n, before, least(n, rows - before));
    }
    before = r < rows ? r : -1;
    last = stage;
  }
  return GR_OK;
}

static gr_class finish(cu_part *s, gr_error *err) {
  if (merge_splits(s, err) != GR_OK || (plan_of(s)->ask.both && merge_rows(s, err) != GR_OK)) return err->cls;
  return s->call->stays ? finish_there(s, err) : finish_here(s, err);
}

/* ---- steps ---- */

gr_class cu_part_step(cu_part *s, bool *moved, gr_error *err) {
  bool room = false, last = pairs_done(s);
  if (look(s, last ? 0 : 1, &room, err) != GR_OK || !room) return err->cls;
  *moved = true;
  if (last) {
    if (finish(s, err) == GR_OK) begin_rows(s, s->row + rows_here(s));
    return err->cls;
  }
  if (make_ready(s, err) != GR_OK) return err->cls;
  int64_t rows = group_rows(s);
  if (launch_marked(s, rows, err) == GR_OK) advance(s, rows);
  return err->cls;
}
