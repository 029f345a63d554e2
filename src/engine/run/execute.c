/* execute.c: the items of a schedule computed, on one thread or several.
 *
 * Owns the memory of a run: the states of the slots, and for each thread the state of its item and
 * the kernel's scratch.  Threads take groups of items until there are none.  An item is computed in
 * calls of at most a chunk of columns, a few milliseconds, between which the calling thread looks
 * for an interrupt and reports progress.  States are merged in the order of the schedule, so that
 * neither the number of threads nor the order in which they finish changes a bit of the result. */
#include <stdatomic.h>
#include <string.h>

#include "run/schedule.h"

/* Thresholds. Costs are in multiplications per pair (gr_plan.cost).
 *   serial    What a kernel does in a millisecond.  Measured, a Gaussian at dimension 3, 1000 x
 *             1000 (2.5e7), one thread and two (ms): 0.13 and 0.07 on an idle machine, but 0.13 and
 *             2 to 14 where the second core is busy: the caller waits for a thread that waits for
 *             its turn.
 *   poll      seconds between calls of `interrupted` and `progress`
 *   patience  seconds that the caller waits without sleeping for the last items of other threads */
static const struct {
  double serial[2]; /* cost * pairs up to which one thread works: interpreter, kernel */
  double poll, patience;
} tune = {.serial = {1e7, 5e7}, .poll = 0.05, .patience = 2e-4};

enum { LANES = GR_LANES_MAX }; /* states per row where lanes run over columns */

typedef struct job {
  const gr_plan *plan;
  const gr_reduction *red;
  const gr_schedule *s;
  const gr_sink *sink;
  const gr_options *opt;
  gr_kernel_fn *kernel; /* NULL: the interpreter */
  double *slots;        /* states that wait to be merged, slot_size numbers each */
  size_t slot_size;
  size_t state_bytes, scratch_bytes; /* of a thread */
  double polled;
  _Alignas(64) atomic_llong next; /* groups taken; with the next two in a cache line of their own */
  atomic_llong done;              /* units of work */
  atomic_int stop;
} job;

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
static int64_t groups(const gr_schedule *s) { return (s->n + s->group - 1) / s->group; }

static void poll(job *j) {
  const gr_options *o = j->opt;
  double t = gr_now();
  if (t - j->polled < tune.poll) return;
  j->polled = t;
  if (o->progress) o->progress((double)j->done / (double)j->s->pairs, o->ctx);
  if (o->interrupted && o->interrupted(o->ctx)) j->stop = 1;
}

/* ---- an item ---- */

/* What a thread computes with. */
typedef struct worker {
  job *j;
  void *scratch;
  bool caller; /* the calling thread */
} worker;

static void compute(const worker *w, const gr_item *it, const gr_interval *interval, int64_t n,
                    double *state) {
  const job *j = w->j;
  const gr_problem *p = &j->s->problem[it->problem];
  if (j->kernel) {
    j->kernel(p->data, p->stride, state, j->s->ld, it->r0, it->r1, &interval->first, n, w->scratch);
    return;
  }
  for (int64_t k = 0; k < n; k++)
    gr_interp(j->plan, p, state, j->s->ld, it->r0, it->r1, interval[k].first, interval[k].end,
              w->scratch);
}

/* The intervals from the walk's position on that one call takes whole; 0: the next one is longer.
 */
static int64_t whole_intervals(const gr_walk *walk, int64_t most, int64_t *columns) {
  int64_t n = 0;
  for (*columns = 0; !walk->done && walk->at + n < walk->end; n++) {
    int64_t more = walk->at[n].end - walk->at[n].first;
    if (*columns + more > most) break;
    *columns += more;
  }
  return n;
}

/* A list of intervals into the state of an item, in calls of a chunk of columns. */
static void accumulate(const worker *w, const gr_item *it, const gr_interval *interval, int64_t n,
                       double *state) {
  job *j = w->j;
  gr_walk walk = {interval, interval + n, 0};
  while (walk.at < walk.end && !j->stop) {
    int64_t columns, whole = whole_intervals(&walk, j->s->chunk, &columns);
    if (whole) {
      compute(w, it, walk.at, whole, state);
      walk.at += whole;
    } else {
      gr_interval piece = gr_walk_take(&walk, j->s->chunk);
      columns = piece.end - piece.first;
      compute(w, it, &piece, 1, state);
    }
    j->done += columns * (it->r1 - it->r0);
    if (w->caller) poll(j);
  }
}

/* The states of the first lanes of every row join the row's own. */
static void merge_lanes(const job *j, double *own, const double *state, int64_t rows,
                        int64_t lanes) {
  int64_t ld = j->s->ld;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t l = 0; l < lanes; l++)
      gr_red_merge(j->red, own + r, ld, state + r * LANES + l, ld);
}

/* Lanes are columns.  An interval that does not fill all lanes goes into fresh states, as the
 * kernel spoils the lanes that it leaves. */
static void accumulate_by_columns(const worker *w, const gr_item *it, double *state) {
  const job *j = w->j;
  const gr_interval *interval = j->s->interval + it->first;
  int64_t rows = it->r1 - it->r0, ld = j->s->ld;
  double *own =
      state +
      rows * LANES; /* one state a row: in the padding, as there are no more than GR_PAD rows */
  accumulate(w, it, interval, it->full, state);
  merge_lanes(j, own, state, rows, LANES);
  for (int64_t k = it->full; k < it->n && !j->stop; k++) {
    gr_red_init(j->red, state, ld, rows * LANES);
    accumulate(w, it, interval + k, 1, state);
    merge_lanes(j, own, state, rows, interval[k].end - interval[k].first);
  }
  for (int e = 0; e < j->red->nstate; e++)
    memmove(state + e * ld, own + e * ld, (size_t)rows * sizeof *state);
}

/* The rows of an item into the one state of its slot, whose first item starts it. */
static void reduce_rows(const job *j, const gr_item *it, double *state, bool first) {
  const gr_reduction *red = j->red;
  int64_t ld = j->s->ld;
  double *total = j->slots + (size_t)it->slot * j->slot_size;
  for (int64_t r = 1; r < it->r1 - it->r0; r++) gr_red_merge(red, state, ld, state + r, ld);
  if (!first) gr_red_merge(red, total, 1, state, ld);
  for (int e = 0; first && e < red->nstate; e++) total[e] = state[e * ld];
}

static void hand_over(const job *j, const gr_item *it, const double *state, int64_t columns) {
  int64_t first = j->s->problem[it->problem].out + it->r0;
  gr_sink_take(j->red, j->sink, state, j->s->ld, first, it->r1 - it->r0, (double)columns);
}

/* States of an item that are read: kernels take whole vectors of rows; lanes that are columns have
 * a state each, and the rows' own follow. */
static int64_t states_used(const job *j, const gr_item *it) {
  return (it->r1 - it->r0) * (j->plan->target == TARGET_COLUMNS ? LANES : 1) + GR_PAD;
}

/* own: the thread's state, for items whose state nobody waits for. */
static void run_item(const worker *w, int64_t k, double *own) {
  const job *j = w->j;
  const gr_item *it = &j->s->item[k];
  bool both = j->plan->ask.both, kept = it->slot >= 0 && !both;
  double *state = kept ? j->slots + (size_t)it->slot * j->slot_size : own;
  gr_red_init(j->red, state, j->s->ld, states_used(j, it));
  if (j->plan->target == TARGET_COLUMNS)
    accumulate_by_columns(w, it, state);
  else
    accumulate(w, it, j->s->interval + it->first, it->n, state);
  if (j->stop) return;
  if (both)
    reduce_rows(j, it, state, k % j->s->group == 0);
  else if (!kept)
    hand_over(j, it, state, it->columns);
}

/* ---- threads ---- */

/* Without sleeping for a moment, as the others should soon be done. */
static void wait_for_others(job *j) {
  double start = 0;
  while (!j->stop && j->done < j->s->pairs) {
    if (start == 0) start = gr_now();
    if (gr_now() - start > tune.patience) gr_sleep(5e-5);
    poll(j);
  }
}

/* Takes groups of items until there are none; the calling thread then stays to look for interrupts
 * until all are done. */
static void work(job *j, char *memory, bool caller) {
  const gr_schedule *s = j->s;
  worker w = {j, memory + j->state_bytes, caller};
  double *state = (double *)(void *)memory;
  for (int64_t g, all = groups(s); !j->stop && (g = j->next++) < all;)
    for (int64_t k = g * s->group; !j->stop && k < s->n && k < (g + 1) * s->group; k++)
      run_item(&w, k, state);
  if (caller) wait_for_others(j);
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
  int64_t n = j->opt->threads, most = groups(j->s);
#ifndef _OPENMP
  n = 1;
#endif
  if (j->plan->cost * (double)j->s->pairs <= tune.serial[j->kernel != NULL]) n = 1;
  if (n > most) n = most;
  return n < 1 ? 1 : (int)n;
}

/* ---- merging ---- */

/* The items of some rows, from item k on, into the first's state; returns the item behind them. */
static int64_t merge_rows(const job *j, int64_t k) {
  const gr_item *first = &j->s->item[k];
  double *into = j->slots + (size_t)first->slot * j->slot_size;
  int64_t rows = first->r1 - first->r0, columns = first->columns, ld = j->s->ld;
  for (k++; k < j->s->n; k++) {
    const gr_item *it = &j->s->item[k];
    if (it->problem != first->problem || it->r0 != first->r0) break;
    const double *from = j->slots + (size_t)it->slot * j->slot_size;
    for (int64_t r = 0; r < rows; r++) gr_red_merge(j->red, into + r, ld, from + r, ld);
    columns += it->columns;
  }
  hand_over(j, first, into, columns);
  return k;
}

static void merge_parts(const job *j) {
  for (int64_t k = 0; k < j->s->n;) k = j->s->item[k].slot < 0 ? k + 1 : merge_rows(j, k);
}

/* The one row of a reduction over both indices; with no rows at all, the neutral element. */
static void merge_totals(const job *j) {
  if (j->s->slots == 0) gr_red_init(j->red, j->slots, 1, 1);
  for (int64_t k = 1; k < j->s->slots; k++)
    gr_red_merge(j->red, j->slots, 1, j->slots + (size_t)k * j->slot_size, 1);
  gr_sink_take(j->red, j->sink, j->slots, 1, 0, 1, (double)j->s->pairs);
}

gr_class gr_execute(const gr_plan *p, gr_kernel_fn *kernel, const gr_schedule *s,
                    const gr_sink *sink, const gr_options *opt, gr_report *report, gr_error *err) {
  bool both = p->ask.both;
  job j = {.plan = p, .red = &p->ask.red, .s = s, .sink = sink, .opt = opt, .kernel = kernel};
  int threads = thread_count(&j);
  j.state_bytes = (size_t)round_up(p->ask.red.nstate * s->ld * 8, 64);
  j.scratch_bytes =
      (size_t)round_up((int64_t)(kernel ? gr_scratch_bytes(p, s->block) : gr_interp_bytes(p)), 64);
  j.slot_size = both ? (size_t)p->ask.red.nstate : j.state_bytes / sizeof(double);
  size_t own = (size_t)threads * (j.state_bytes + j.scratch_bytes);
  size_t slots = (size_t)(s->slots + both) * j.slot_size * sizeof(double);
  char *memory = gr_aligned_alloc(own + slots);
  if (!memory) return gr_fail(err, ERR_NoMemory, "scratch", (long long)(own + slots));
  j.slots = (double *)(void *)(memory + own);
  j.polled = gr_now();
  double start = j.polled;
  run_threads(&j, memory, threads);
  if (!j.stop && both) merge_totals(&j);
  if (!j.stop && !both) merge_parts(&j);
  if (!j.stop && opt->progress) opt->progress(1, opt->ctx);
  gr_aligned_free(memory);
  report->threads = threads;
  report->seconds_run = gr_now() - start;
  return j.stop ? gr_failf(err, GR_INTERRUPT, "interrupted") : GR_OK;
}
