/* run.c: a program applied to arrays: checks, choice of the backend, work split over threads.
 *
 * Rows are cut into blocks; where there are few, columns are cut too, and the parts are merged in order.  The cuts depend
 * on the shapes only, so that the result does not depend on the number of threads.  A work item is one block of rows
 * against one part of the columns; it is computed in chunks of a few milliseconds, between which the calling thread looks for an
 * interrupt and reports progress.  Each thread has its own scratch; an item's state lives until it is finished.
 *
 * Memory: states of parts and groups that wait to be merged, at most `kept` together (or those of one part).  For each thread, the
 * packed rows and the states of a block, at most `cache` each (or 16 rows), the columns of a tile, at most 256 KB (or 16 columns, 48 of
 * squared distances; 128 with few rows), and the workspace of the kernel.  With dimensions up to some hundreds that is 1 to 2 MB a thread; at
 * dimension 10 000, 5 MB, and with few rows 10 MB in double precision. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

/* All thresholds of the run-time, in one place. Costs are in multiplications per pair (gr_plan.cost).
 *   tiny    Measured: the interpreter does 3e8 to 1e9 a second; compiling takes 0.1 s, reading a kernel from disk 0.5 ms.  So up to here
 *           the interpreter loses 3 ms at most to a kernel that lies on disk, and wins 0.1 s over one that does not.
 *           To a kernel that the program has, it always loses: a Gaussian at dimension 3, 1 x 1 0.5 us
 *           (kernel 0.4), 10 x 10 2.2 us (0.4), 200 x 200 510 us (6).
 *   serial  What a kernel does in a millisecond.  Measured, a Gaussian at dimension 3, 1000 x 1000
 *           (2.5e7), one thread and two (ms): 0.13 and 0.07 on an idle machine, but 0.13 and 2 to 14
 *           where the second core is busy: the caller waits for a thread that waits for its turn. */
static const struct {
  double tiny;          /* cost * pairs up to which "auto" interprets instead of compiling */
  double serial[2];     /* cost * pairs up to which one thread works: interpreter, kernel */
  double interp_second; /* cost * pairs per second: interpreter */
  double kernel_second; /* the same, kernel */
  double chunk;         /* seconds between looks for an interrupt */
  double poll;          /* seconds between calls of `interrupted` and `progress` */
  double item;          /* cost * pairs of a work item, of which there are at most so many: */
  int64_t items;
  int64_t rows_min, rows_max;        /* of a block of rows, where there are enough */
  int64_t columns_min; double part;  /* of a part of the columns: so many, and so much cost per row */
  int64_t few[3][2], few_columns;    /* lanes run over columns: rows at most, by kind of the plan and precision; columns at least */
  double few_cost[2];                /* of a row there, in lanes of a vector of 32 bytes full of rows */
  int64_t cache;        /* bytes of packed rows, or of state, per block */
  int64_t kept;         /* bytes of states that wait for the end, to be merged in order, of all items together */
  double patience;      /* seconds that the caller waits awake for the last items of other threads */
} tune = {.tiny = 2e6, .serial = {1e7, 5e7}, .interp_second = 3e8, .kernel_second = 5e10, .chunk = 0.02, .poll = 0.05, .item = 4e6, .items = 256,
          .rows_min = 256, .rows_max = 512, .columns_min = 512, .part = 1e5, .few = {{12, 16}, {7, 4}, {5, 6}}, .few_columns = 4096, .few_cost = {1.3, 1},
          .cache = 2 << 20, .kept = 24 << 20, .patience = 2e-4};

/* ---- arguments ---- */

static const char *category_name(gr_category c) { return c == GR_VI ? "i" : "j"; }

static gr_class wrong_width(const gr_arg *a, const gr_array *x, gr_error *err) {
  static const char *const text[] = {"Vi", "Vj", "Pm"};
  char what[32];
  snprintf(what, sizeof what, "%s(%d)", text[a->cat], a->dim);
  if (a->cat == GR_PM) return gr_fail(err, ERR_ArgLength, a->name, a->dim, what, (long long)(x->rows * x->cols));
  return gr_fail(err, ERR_ArgCols, a->name, a->dim, a->dim == 1 ? "" : "s", what, (long long)x->cols);
}

static gr_class check_arg(const gr_arg *a, const gr_array *x, gr_error *err) {
  const long long most = INT32_MAX - 4096; /* indices are counted in 32 bits in single precision */
  if (x->cols != a->dim || (a->cat == GR_PM && x->rows != 1)) return wrong_width(a, x, err);
  return x->rows > most ? gr_fail(err, ERR_ArgHuge, a->name, (long long)x->rows, most) : GR_OK;
}

/* M and N: the rows of the i and of the j arguments, 1 where there is none. */
static gr_class shape(const gr_program *p, const gr_array *args, int64_t mn[2], gr_error *err) {
  const gr_arg *first[2] = {NULL, NULL};
  mn[0] = mn[1] = 1;
  for (int k = 0; k < p->args.n; k++) {
    const gr_arg *a = &p->args.arg[k];
    if (check_arg(a, &args[k], err) != GR_OK) return err->cls;
    if (a->cat == GR_PM) continue;
    if (first[a->cat] && args[k].rows != mn[a->cat])
      return gr_fail(err, ERR_ArgRows, first[a->cat]->name, a->name, category_name(a->cat), (long long)mn[a->cat],
                     (long long)args[k].rows);
    if (!first[a->cat]) first[a->cat] = a, mn[a->cat] = args[k].rows;
  }
  return GR_OK;
}

static gr_class check_count(const gr_program *p, int n_args, gr_error *err) {
  if (n_args == p->args.n) return GR_OK;
  char names[256] = "";
  for (int k = 0; k < p->args.n; k++) {
    size_t n = strlen(names);
    snprintf(names + n, sizeof names - n, "%s%s", k ? ", " : "", p->args.arg[k].name);
  }
  return gr_fail(err, ERR_NArgs, p->args.n, names, n_args);
}

gr_class gr_program_rows(const gr_program *p, const gr_array *args, int n_args, int64_t *rows, gr_error *err) {
  int64_t mn[2];
  if (gr_validate_arrays(p, args, n_args, err) != GR_OK) return err->cls;
  if (!rows) return gr_fail(err, ERR_Null, "the place for the number of rows");
  if (check_count(p, n_args, err) != GR_OK || shape(p, args, mn, err) != GR_OK) return err->cls;
  *rows = p->plan->ask.both ? 1 : mn[p->plan->ask.axis == 1 ? 0 : 1];
  return GR_OK;
}

/* ---- one run ---- */

enum { LANES = GR_LANES_MAX }; /* states per row where lanes run over columns */

typedef struct job {
  const gr_plan *plan;
  const gr_array *args;
  const gr_output *out;
  const gr_options *opt;
  gr_kernel_fn *kernel; /* NULL: interpreter */
  int64_t rows, cols;
  int64_t block, nblock; /* rows per block */
  int64_t part, npart;   /* columns per part */
  int64_t chunk;         /* columns per call of the kernel */
  int64_t ld;            /* of the states: rows of a block, times the lanes where each has its own */
  const double **data;   /* the arguments as the kernel wants them */
  int64_t *stride;
  double *parts;         /* npart > 1: the states of all items */
  double *totals;        /* both indices are reduced: one row's state per group */
  int64_t group, ngroup; /* items taken together, one after the other; more than one only where both indices are reduced */
  size_t scratch_bytes, state_bytes;
  double polled;
  _Alignas(64) atomic_llong next; /* groups taken; with the next two in a line of the cache of their own */
  atomic_llong done;              /* columns times items finished */
  atomic_int stop;
} job;

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
static int64_t clamp(int64_t n, int64_t lo, int64_t hi) { return n < lo ? lo : n > hi ? hi : n; }

/* The columns of a part: enough that packing rows and merging states do not show. */
static int64_t columns_least(const gr_plan *p) {
  double lists = p->ask.red.family == FAM_Top ? 1000.0 * p->ask.red.k : 0; /* every part fills its own */
  return (int64_t)fmax(fmax(tune.part / p->cost, lists), fmax(8.0 * p->ask.red.nstate, (double)tune.columns_min));
}

/* Rows of a block that the cache holds, and that one call of the kernel handles in time. */
static int64_t rows_most(const gr_plan *p, double speed) {
  int64_t row_bytes = p->width.row * (p->ask.f64 ? 8 : 4), state_bytes = p->ask.red.nstate * 8;
  int64_t widest = row_bytes > state_bytes ? row_bytes : state_bytes;
  int64_t most = clamp(tune.cache / (widest > 0 ? widest : 1) / 16 * 16, 16, tune.rows_max);
  return clamp((int64_t)(tune.chunk * speed / p->cost) / 16 * 16, 16, most);
}

/* Parts whose states, of all rows, may wait for the end. */
static int64_t parts_most(const job *j) {
  double states = (double)(j->rows + GR_PAD) * j->plan->ask.red.nstate * 8 * (j->plan->target == TARGET_COLUMNS ? LANES : 1);
  return j->plan->ask.both ? tune.items : (int64_t)clamp((int64_t)(tune.kept / states), 1, tune.items);
}

/* Where both indices are reduced, every group of items leaves a state: no more of them than threads need, and than there is room for. */
static void group_items(job *j) {
  int64_t items = j->nblock * j->npart, most = clamp(tune.kept / (j->plan->ask.red.nstate * 8), 1, tune.items);
  j->group = j->plan->ask.both && items > most ? (items + most - 1) / most : 1;
  j->ngroup = (items + j->group - 1) / j->group;
}

/* Blocks of rows that fit the cache; columns are packed again for every block, so that these are large.  Where that gives
 * too few items to share, columns are cut too, then blocks made smaller.  Blocks are of one size, as far as 16 divides it: the last
 * would else be small, and packing the columns for it in vain.  Depends on shapes and plan only. */
static void cut(job *j) {
  const gr_plan *p = j->plan;
  double speed = j->kernel ? tune.kernel_second : tune.interp_second;
  int64_t most = rows_most(p, speed), parts = parts_most(j), columns = clamp(j->cols / columns_least(p), 1, tune.items);
  int64_t items = (int64_t)fmin(1 + p->cost * (double)j->rows * (double)j->cols / tune.item, (double)tune.items);
  int64_t nblock = (j->rows + most - 1) / most;
  j->npart = clamp(nblock > 0 ? (items + nblock - 1) / nblock : 1, 1, parts < columns ? parts : columns);
  j->block = clamp(round_up(j->rows * j->npart / items, 16), most < tune.rows_min ? most : tune.rows_min, most);
  j->nblock = (j->rows + j->block - 1) / j->block;
  if (j->nblock) j->block = round_up((j->rows + j->nblock - 1) / j->nblock, 16);
  j->part = round_up((j->cols + j->npart - 1) / j->npart, p->tile);
  j->npart = j->part ? (j->cols + j->part - 1) / j->part : 1;
  j->ld = (p->target == TARGET_COLUMNS ? j->rows * LANES : j->block) + GR_PAD;
  j->chunk = 1 + (int64_t)(tune.chunk * speed / p->cost / (double)(j->block ? j->block : 1));
  if (j->chunk >= p->tile || p->target == TARGET_COLUMNS) j->chunk = round_up(j->chunk, p->tile); /* else pairs are so dear that tiles do not matter */
  group_items(j);
}

static void poll(job *j, bool now) {
  const gr_options *o = j->opt;
  double t = gr_now();
  if (!now && t - j->polled < tune.poll) return;
  j->polled = t;
  if (o->progress) o->progress((double)j->done / ((double)j->cols * (double)j->nblock), o->ctx);
  if (o->interrupted && o->interrupted(o->ctx)) j->stop = 1;
}

/* Columns c0 .. c1 into the state of rows r0 .. r1, in chunks. */
static void accumulate(job *j, double *state, int64_t r0, int64_t r1, int64_t c0, int64_t c1, void *scratch, bool caller) {
  for (int64_t c = c0; c < c1 && !j->stop; c += j->chunk) {
    int64_t end = c + j->chunk < c1 ? c + j->chunk : c1;
    if (j->kernel)
      j->kernel(j->data, j->stride, state, j->ld, r0, r1, c, end, scratch);
    else
      gr_interp(j->plan, j->args, state, j->ld, r0, r1, c, end, scratch);
    j->done += end - c;
    if (caller) poll(j, false);
  }
}

/* The states of the first lanes of every row join the row's own. */
static void merge_lanes(const job *j, double *own, const double *state, int64_t rows, int64_t lanes) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t l = 0; l < lanes; l++) gr_red_merge(&j->plan->ask.red, own + r, j->ld, state + r * LANES + l, j->ld);
}

/* The columns that do not fill all lanes come last, into fresh states, as the kernel spoils the lanes
 * that they leave. */
static void accumulate_by_columns(job *j, double *state, int64_t r0, int64_t r1, int64_t c0, int64_t c1, void *scratch,
                                  bool caller) {
  const gr_reduction *red = &j->plan->ask.red;
  int64_t rows = r1 - r0, whole = c0 + (c1 - c0) / LANES * LANES;
  double *own = state + rows * LANES; /* one state a row: in the padding, as there are no more than GR_PAD rows */
  accumulate(j, state, r0, r1, c0, whole, scratch, caller);
  merge_lanes(j, own, state, rows, LANES);
  if (c1 > whole) {
    gr_red_init(red, state, j->ld, rows * LANES);
    accumulate(j, state, r0, r1, whole, c1, scratch, caller);
    merge_lanes(j, own, state, rows, c1 - whole);
  }
  for (int e = 0; e < red->nstate; e++) memmove(state + e * j->ld, own + e * j->ld, (size_t)rows * sizeof *state);
}

static void finish(job *j, double *state, int64_t r0, int64_t r1) {
  gr_red_finish(&j->plan->ask.red, state, j->ld, r1 - r0, j->out, r0, j->rows, (double)j->cols);
}

/* The rows of an item into the state of its group, of which it is the first or comes after the others. */
static void reduce_rows(const job *j, double *state, int64_t rows, double *total, bool first) {
  const gr_reduction *red = &j->plan->ask.red;
  for (int64_t r = 1; r < rows; r++) gr_red_merge(red, state, j->ld, state + r, j->ld);
  if (!first) gr_red_merge(red, total, 1, state, j->ld);
  for (int e = 0; first && e < red->nstate; e++) total[e] = state[e * j->ld];
}

static void run_item(job *j, int64_t item, double *own_state, void *scratch, bool caller) {
  int64_t block = item / j->npart, part = item % j->npart;
  int64_t r0 = block * j->block, r1 = clamp(r0 + j->block, 0, j->rows);
  int64_t c0 = part * j->part, c1 = clamp(c0 + j->part, 0, j->cols);
  double *state = j->parts ? j->parts + (size_t)item * (j->state_bytes / sizeof(double)) : own_state;
  gr_red_init(&j->plan->ask.red, state, j->ld, j->ld); /* the padding too */
  if (j->plan->target == TARGET_COLUMNS)
    accumulate_by_columns(j, state, r0, r1, c0, c1, scratch, caller);
  else
    accumulate(j, state, r0, r1, c0, c1, scratch, caller);
  if (j->stop) return;
  if (j->totals)
    reduce_rows(j, state, r1 - r0, j->totals + item / j->group * j->plan->ask.red.nstate, item % j->group == 0);
  else if (!j->parts)
    finish(j, state, r0, r1);
}

/* Awake for a moment, as the others should soon be done. */
static void wait_for_others(job *j) {
  double start = gr_now();
  while (!j->stop && j->done < j->cols * j->nblock) {
    if (gr_now() - start > tune.patience) gr_sleep(5e-5);
    poll(j, false);
  }
}

/* Takes items until there are none; the caller's thread then stays to look for interrupts until all are done. */
static void work(job *j, char *memory, bool caller) {
  int64_t items = j->nblock * j->npart;
  double *state = (double *)memory;
  for (int64_t g; !j->stop && (g = j->next++) < j->ngroup;)
    for (int64_t item = g * j->group; !j->stop && item < items && item < (g + 1) * j->group; item++)
      run_item(j, item, state, memory + j->state_bytes, caller);
  if (caller) wait_for_others(j);
}

static void merge_parts(job *j) {
  size_t size = j->state_bytes / sizeof(double);
  for (int64_t b = 0; b < j->nblock; b++) {
    double *first = j->parts + (size_t)(b * j->npart) * size;
    int64_t r0 = b * j->block, r1 = clamp(r0 + j->block, 0, j->rows);
    for (int64_t part = 1; part < j->npart; part++)
      for (int64_t r = 0; r < r1 - r0; r++)
        gr_red_merge(&j->plan->ask.red, first + r, j->ld, first + (size_t)part * size + r, j->ld);
    finish(j, first, r0, r1);
  }
}

/* The one row of a reduction over both indices; with no rows at all, the neutral element. */
static void merge_totals(job *j) {
  const gr_reduction *red = &j->plan->ask.red;
  if (j->ngroup == 0) gr_red_init(red, j->totals, 1, 1);
  for (int64_t k = 1; k < j->ngroup; k++) gr_red_merge(red, j->totals, 1, j->totals + k * red->nstate, 1);
  gr_red_finish(red, j->totals, 1, 1, j->out, 0, 1, (double)j->rows * (double)j->cols);
}

static void run_threads(job *j, char *memory, int threads) {
  size_t each = j->state_bytes + j->scratch_bytes;
  if (threads == 1) { /* no parallel region at all: a forked child may not enter one */
    work(j, memory, true);
    return;
  }
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1)
#endif
  for (int t = 0; t < threads; t++) work(j, memory + (size_t)t * each, t == 0);
}

static int thread_count(const job *j) {
  int64_t n = j->opt->threads;
#ifndef _OPENMP
  n = 1;
#endif
  if (j->plan->cost * (double)j->rows * (double)j->cols <= tune.serial[j->kernel != NULL]) n = 1;
  return (int)clamp(n, 1, j->ngroup > 0 ? j->ngroup : 1);
}

static gr_class run_job(job *j, gr_report *report, gr_error *err) {
  cut(j);
  int threads = thread_count(j);
  j->state_bytes = (size_t)round_up(j->plan->ask.red.nstate * j->ld * 8, 64);
  size_t scratch = j->kernel ? gr_scratch_bytes(j->plan, j->block) : gr_interp_bytes(j->plan);
  j->scratch_bytes = (size_t)round_up((int64_t)scratch, 64);
  size_t own = (size_t)threads * (j->state_bytes + j->scratch_bytes);
  int64_t items = j->nblock * j->npart;
  size_t totals = j->plan->ask.both ? (size_t)(j->ngroup + 1) * (size_t)j->plan->ask.red.nstate * 8 : 0;
  size_t parts = j->npart > 1 && !totals ? (size_t)items * j->state_bytes : 0;
  char *memory = gr_aligned_alloc(own + parts + totals);
  if (!memory) return gr_fail(err, ERR_NoMemory, "scratch", (long long)(own + parts + totals));
  if (parts) j->parts = (double *)(memory + own);
  if (totals) j->totals = (double *)(memory + own + parts);
  j->polled = gr_now();
  run_threads(j, memory, threads);
  if (!j->stop && j->parts) merge_parts(j);
  if (!j->stop && j->totals) merge_totals(j);
  if (!j->stop && j->opt->progress) j->opt->progress(1, j->opt->ctx);
  gr_aligned_free(memory);
  report->threads = threads;
  return j->stop ? gr_failf(err, GR_INTERRUPT, "interrupted") : GR_OK;
}

/* ---- backends ---- */

/* Do lanes run over columns?  Measured with 1e5 columns, vectors of 32 bytes, 1 to 16 rows (ms; rows in lanes, columns in lanes): float32, a
 * Gaussian at dimension 3, 4 rows 0.39 0.26, 6 rows 0.39 0.37, 8 rows 0.39 0.47, 9 rows 0.71 0.52, 12 rows 0.72 0.68; at dimension 40, 6 rows 3.7 3.0,
 * 10 rows 4.1 4.1; 10 nearest, 5 rows 0.16 0.18, 9 rows 0.29 0.40.  float64, 4 rows 0.50 0.43, 16 rows 1.80 1.70; at dimension 40, 4 rows 4.1 3.7,
 * 6 rows 4.4 4.6.  The rule does not ask for this machine's vectors: results would depend on it. */
static bool few_rows(const gr_plan *p, int64_t rows, int64_t cols) {
  enum { NARROW, TILED, LISTS };
  int kind = p->ask.red.family == FAM_Top ? LISTS : p->cpu.rows > 1 ? TILED : NARROW;
  double full = (double)round_up(rows, p->ask.f64 ? 4 : 8);
  return rows > 0 && cols >= tune.few_columns && rows <= tune.few[kind][p->ask.f64] && (double)rows * tune.few_cost[p->ask.f64] <= full;
}

static gr_class find_kernel(gr_program *p, int plan, const gr_options *opt, gr_report *report, gr_error *err) {
  const char *text;
  gr_kernel kernel;
  if (gr_program_has(p, plan, opt)) {
    report->provenance = GR_FROM_MEMORY;
    return GR_OK;
  }
  if (gr_program_text(p, plan, &text, err) != GR_OK) return err->cls;
  gr_class cls = gr_kernel_get(text, opt, &kernel, report, err);
  if (!cls) gr_program_keep(p, plan, opt, &kernel);
  return cls;
}

gr_class gr_program_compile(gr_program *p, const gr_options *opt, gr_report *report, gr_error *err) {
  if (!p || !report) return gr_fail(err, ERR_Null, !p ? "the program" : "the place for the report");
  if (gr_validate_options(opt, err) != GR_OK) return err->cls;
  bool device = gr_is_gpu(opt->backend);
  *report = (gr_report){.backend = device ? opt->backend : GR_CPU, .threads = 1};
  err->cls = GR_OK;
  if (device) return gr_device_check(opt, err) != GR_OK ? err->cls : opt->device->compile(p, opt, report, err);
  return find_kernel(p, 0, opt, report, err);
}

/* "auto" interprets tiny work, unless the program has the kernel already. */
bool gr_wants_kernel(const gr_program *p, int64_t rows, int64_t cols, const gr_options *opt, int plan) {
  double work = p->plan->cost * (double)rows * (double)cols;
  return opt->backend != GR_INTERPRETER && work != 0 && (opt->backend != GR_AUTO || work > tune.tiny || gr_program_has(p, plan, opt));
}

int gr_plan_of(const gr_program *p, int64_t rows, int64_t cols) { return few_rows(p->plan, rows, cols) ? PLAN_FEW : 0; }

/* And everything when there is no working compiler or no room for its files (the note says so). */
static gr_class choose_backend(const gr_run *r, int *plan, gr_error *err) {
  gr_report *report = r->report;
  int which = gr_plan_of(r->p, r->rows, r->cols);
  report->backend = GR_INTERPRETER;
  report->threads = 1;
  *plan = PLAN_WRITTEN;
  if (r->opt->backend != GR_INTERPRETER && !gr_condition_holds(&r->p->condition, r->args)) which |= PLAN_WRITTEN;
  if (!gr_wants_kernel(r->p, r->rows, r->cols, r->opt, which)) return GR_OK;
  report->backend = GR_CPU;
  if (find_kernel(r->p, which, r->opt, report, err) == GR_OK) *plan = which;
  if (!err->cls || r->opt->backend == GR_CPU) return err->cls;
  if (err->cls != GR_COMPILER && err->cls != GR_MEMORY) return err->cls;
  report->backend = GR_INTERPRETER;
  report->provenance = GR_NO_KERNEL;
  gr_note(report, err);
  return GR_OK;
}

/* What kernels take of the arguments: their data, then their origins; and their strides. */
static void hand_over(const gr_run *r, const double **data, int64_t *stride) {
  for (int k = 0; k < r->n_args; k++) {
    data[k] = r->args[k].data;
    data[r->n_args + k] = r->args[k].origin;
    stride[k] = r->args[k].stride;
  }
}

/* On this machine's processor. */
static gr_class run_here(const gr_run *r, gr_error *err) {
  enum { FEW = 16 };
  gr_program *p = r->p;
  int64_t stride_few[FEW];
  const double *data_few[2 * FEW];
  job j = {.args = r->args, .out = r->out, .opt = r->opt, .rows = r->rows, .cols = r->cols, .data = data_few, .stride = stride_few};
  int plan;
  if (choose_backend(r, &plan, err) != GR_OK || gr_program_plan(p, plan, err) != GR_OK) return err->cls;
  j.plan = p->plans[plan];
  if (r->report->backend == GR_CPU) j.kernel = p->kernel[plan];
  double start = gr_now();
  void *many = NULL;
  if (r->n_args > FEW) {
    many = malloc((size_t)r->n_args * (2 * sizeof *j.data + sizeof *j.stride));
    if (!many) return gr_fail(err, ERR_NoMemory, "arguments", (long long)r->n_args);
    j.stride = many;
    j.data = (const double **)(j.stride + r->n_args);
  }
  hand_over(r, j.data, j.stride);
  if (j.rows > 0 || p->plan->ask.both) run_job(&j, r->report, err);
  free(many);
  r->report->seconds_run = gr_now() - start;
  return err->cls;
}

static gr_class run_anywhere(gr_run *r, gr_error *err) {
  bool device;
  gr_array *home;
  if (gr_device_choose(r, &device, err) != GR_OK) return err->cls;
  if (device && (gr_device_run(r, err) == GR_OK || !gr_device_forgive(r, err))) return err->cls;
  if (gr_arrays_home(r, &home, err) != GR_OK) return err->cls;
  if (home) r->args = home;
  run_here(r, err);
  free(home);
  return err->cls;
}

gr_class gr_program_run(gr_program *p, const gr_array *args, int n_args, const gr_output *out, const gr_options *opt,
                        gr_report *report, gr_error *err) {
  int64_t mn[2];
  gr_array *with;
  if (!report) return gr_fail(err, ERR_Null, "the place for the report");
  *report = (gr_report){.backend = GR_AUTO};
  if (gr_validate_arrays(p, args, n_args, err) != GR_OK || gr_validate_options(opt, err) != GR_OK) return err->cls;
  if (check_count(p, n_args, err) != GR_OK || shape(p, args, mn, err) != GR_OK) return err->cls;
  int kept = p->plan->ask.axis == 1 ? 0 : 1;
  if (gr_validate_outputs(p, out, p->plan->ask.both ? 1 : mn[kept], err) != GR_OK) return err->cls;
  gr_run r = {p, args, n_args, mn[kept], mn[1 - kept], out, opt, report};
  if (gr_origins(p, args, &with, err) != GR_OK) return err->cls;
  if (with) r.args = with;
  run_anywhere(&r, err);
  if (with && !p->seen && !err->cls && !report->note[0]) report->note_on_data = gr_origins_note(p, with, report->note, sizeof report->note);
  p->seen = true;
  free(with);
  return err->cls;
}
