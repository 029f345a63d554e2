/* execute.c: the items of a schedule computed, on one thread or several.
 *
 * Owns the memory of a run: the states of the slots, and for each thread the state of its item, the
 * kernel's scratch and the arrays of the element that it is at.  Threads take groups of items, of
 * one element after the other, until there are none: several groups at a time where they are small.
 * An item is computed in calls of at most a chunk of columns, a few milliseconds, between which the
 * calling thread looks for an interrupt and reports progress.  States are merged in the order of
 * the schedule, so that neither the number of threads nor the order in which they finish changes a
 * bit of the result. */
#include <stdatomic.h>
#include <string.h>

#include "run/schedule.h"

/* Thresholds. Costs are in multiplications per pair (gr_plan.cost).
 *   serial    What a kernel does in a millisecond.  Measured, a Gaussian at dimension 3, 1000 x
 *             1000 (2.5e7), one thread and two (ms): 0.13 and 0.07 on an idle machine, but 0.13 and
 *             2 to 14 where the second core is busy: the caller waits for a thread that waits for
 *             its turn.
 *   take      cost * pairs of the groups that a thread takes at once, some 10 us: taking one costs
 *             as much as 500 pairs of that Gaussian where two threads do it at the same time
 *   look      what is done between looks at the clock: a millisecond of interpreter and kernel
 *   poll      seconds between calls of `interrupted` and `progress`
 *   patience  seconds that the caller waits without sleeping for the last items of other threads */
static const struct {
  double serial[2]; /* cost * pairs up to which one thread works: interpreter, kernel */
  double take, look[2];
  double poll, patience;
} tune = {.serial = {1e7, 5e7},
          .take = 5e5,
          .look = {3e5, 5e7},
          .poll = 0.05,
          .patience = 2e-4};

enum { LANES = GR_LANES_MAX }; /* states per row where lanes run over columns */

typedef struct job {
  const gr_plan *plan;
  const gr_reduction *red;
  const gr_schedule *s;
  const gr_run *run;
  const gr_sink *sink;
  gr_kernel_fn *kernel; /* NULL: the interpreter */
  double *slots;        /* states that wait to be merged, slot_size numbers each */
  size_t slot_size;
  size_t state_bytes, total_bytes, scratch_bytes, problem_bytes; /* of a thread */
  int64_t groups;       /* of an element */
  int64_t all, take;    /* groups of all elements; that a thread takes at once */
  int64_t pairs;        /* units of work of all elements */
  double polled;
  _Alignas(64) atomic_llong next; /* groups taken; with the next two in a cache line of their own */
  atomic_llong done;              /* units of work */
  atomic_int stop;
} job;

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static void poll(job *j) {
  const gr_options *o = j->run->opt;
  double t = gr_now();
  if (t - j->polled < tune.poll) return;
  j->polled = t;
  if (o->progress) o->progress((double)j->done / (double)j->pairs, o->ctx);
  if (o->interrupted && o->interrupted(o->ctx)) j->stop = 1;
}

/* ---- an item ---- */

/* What a thread computes with. */
typedef struct worker {
  job *j;
  void *scratch;
  double *state;      /* of an item whose state is not kept in a slot */
  double *total;      /* likewise of a group of items, where both indices are reduced */
  int64_t element;    /* that the thread is at; -1: none yet */
  gr_problem problem; /* its arrays, */
  void *arrays;       /* which are described in this memory */
  int64_t fresh;      /* units of work that job.done does not know of */
  bool caller;        /* this is the calling thread */
} worker;

/* The work done so far is made known. */
static void tell(worker *w) {
  w->j->done += w->fresh;
  w->fresh = 0;
  if (w->caller) poll(w->j);
}

static void locate(worker *w, int64_t element) {
  if (w->element == element) return;
  w->element = element;
  w->problem = gr_problem_of(w->j->run, element, w->arrays);
  if (w->j->groups == 1) gr_origins_find(w->j->run, element, w->problem.args);
}

/* The state that the item keeps to be merged. */
static double *slot_of(const job *j, int64_t element, const gr_item *it) {
  return j->slots + (size_t)(element * j->s->slots + it->slot) * j->slot_size;
}

static void compute(const worker *w, const gr_item *it, const gr_interval *interval, int64_t n,
                    double *state) {
  const job *j = w->j;
  const gr_problem *p = &w->problem;
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
static void accumulate(worker *w, const gr_item *it, const gr_interval *interval, int64_t n,
                       double *state) {
  const job *j = w->j;
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
    w->fresh += columns * (it->r1 - it->r0);
    if (j->plan->cost * (double)w->fresh > tune.look[j->kernel != NULL]) tell(w);
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
static void accumulate_by_columns(worker *w, const gr_item *it, double *state) {
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

/* The rows of an item into the one state of its group, whose first item starts it. */
static void reduce_rows(const job *j, const gr_item *it, double *state, double *total, bool first) {
  const gr_reduction *red = j->red;
  int64_t ld = j->s->ld;
  for (int64_t r = 1; r < it->r1 - it->r0; r++) gr_red_merge(red, state, ld, state + r, ld);
  if (!first) gr_red_merge(red, total, 1, state, ld);
  for (int e = 0; first && e < red->nstate; e++) total[e] = state[e * ld];
}

static void hand_over(const job *j, int64_t element, const gr_item *it, const double *state,
                      int64_t columns) {
  int64_t first = element * j->sink->apart + it->r0;
  gr_sink_take(j->red, j->sink, state, j->s->ld, first, it->r1 - it->r0, (double)columns);
}

/* The one row of an element where both indices are reduced. */
static void hand_over_total(const job *j, int64_t element, const double *total) {
  int64_t at = element * j->sink->apart;
  gr_sink_take(j->red, j->sink, total, 1, at, 1, (double)j->s->pairs);
}

/* States of an item that are read: kernels take whole vectors of rows; lanes that are columns have
 * a state each, and the rows' own follow. */
static int64_t states_used(const job *j, const gr_item *it) {
  return (it->r1 - it->r0) * (j->plan->target == TARGET_COLUMNS ? LANES : 1) + GR_PAD;
}

static void run_item(worker *w, const gr_item *it) {
  const job *j = w->j;
  bool kept = it->slot >= 0 && !j->plan->ask.both;
  double *state = kept ? slot_of(j, w->element, it) : w->state;
  gr_red_init(j->red, state, j->s->ld, states_used(j, it));
  if (j->plan->target == TARGET_COLUMNS)
    accumulate_by_columns(w, it, state);
  else
    accumulate(w, it, j->s->interval + it->first, it->n, state);
  if (!j->stop && !kept && !j->plan->ask.both)
    hand_over(j, w->element, it, state, it->columns);
}

/* Items from..to, to one state of the element: in their slot, or finished if there is none. */
static void run_totals(worker *w, int64_t from, int64_t to) {
  const job *j = w->j;
  const gr_item *it = j->s->item;
  double *total = it[from].slot < 0 ? w->total : slot_of(j, w->element, &it[from]);
  for (int64_t k = from; k < to && !j->stop; k++) {
    run_item(w, &it[k]);
    reduce_rows(j, &it[k], w->state, total, k == from);
  }
  if (!j->stop && it[from].slot < 0) hand_over_total(j, w->element, total);
}

static void run_group(worker *w, int64_t group) {
  const gr_schedule *s = w->j->s;
  int64_t all = w->j->groups, element = all == 1 ? group : group / all,
          from = (group - element * all) * s->group,
          to = from + s->group < s->n ? from + s->group : s->n;
  locate(w, element);
  if (w->j->plan->ask.both)
    run_totals(w, from, to);
  else
    run_item(w, &s->item[from]);
}

/* ---- threads ---- */

/* Without sleeping for a moment, as the others should soon be done. */
static void wait_for_others(job *j) {
  double start = 0;
  while (!j->stop && j->done < j->pairs) {
    if (start == 0) start = gr_now();
    if (gr_now() - start > tune.patience) gr_sleep(5e-5);
    poll(j);
  }
}

static worker worker_of(job *j, char *memory, bool caller) {
  char *total = memory + j->state_bytes, *scratch = total + j->total_bytes;
  return (worker){.j = j,
                  .scratch = scratch,
                  .state = (double *)(void *)memory,
                  .total = (double *)(void *)total,
                  .arrays = scratch + j->scratch_bytes,
                  .element = -1,
                  .caller = caller};
}

/* Takes groups of items until there are none; the calling thread then stays to look for interrupts
 * until all are done. */
static void work(job *j, char *memory, bool caller) {
  worker w = worker_of(j, memory, caller);
  for (int64_t g; !j->stop && (g = atomic_fetch_add(&j->next, j->take)) < j->all;)
    for (int64_t end = g + j->take < j->all ? g + j->take : j->all; g < end && !j->stop; g++)
      run_group(&w, g);
  tell(&w);
  if (caller) wait_for_others(j);
}

static size_t thread_bytes(const job *j) {
  return j->state_bytes + j->total_bytes + j->scratch_bytes + j->problem_bytes;
}

static void run_threads(job *j, char *memory, int threads) {
  size_t each = thread_bytes(j);
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
  int64_t n = j->run->opt->threads, most = j->all;
#ifndef _OPENMP
  n = 1;
#endif
  if (j->plan->cost * (double)j->pairs <= tune.serial[j->kernel != NULL]) n = 1;
  if (n > most) n = most;
  return n < 1 ? 1 : (int)n;
}

/* ---- merging ---- */

/* The items of some rows, from item k on, into the first's state; returns the item behind them. */
static int64_t merge_rows(const job *j, int64_t element, int64_t k) {
  const gr_item *first = &j->s->item[k];
  double *into = slot_of(j, element, first);
  int64_t rows = first->r1 - first->r0, columns = first->columns, ld = j->s->ld;
  for (k++; k < j->s->n; k++) {
    const gr_item *it = &j->s->item[k];
    if (it->r0 != first->r0) break;
    const double *from = slot_of(j, element, it);
    for (int64_t r = 0; r < rows; r++) gr_red_merge(j->red, into + r, ld, from + r, ld);
    columns += it->columns;
  }
  hand_over(j, element, first, into, columns);
  return k;
}

static void merge_parts(const job *j, int64_t element) {
  for (int64_t k = 0; k < j->s->n;) k = j->s->item[k].slot < 0 ? k + 1 : merge_rows(j, element, k);
}

/* The one row of an element where both indices are reduced, from several groups. */
static void merge_groups(const job *j, int64_t element) {
  double *total = j->slots + (size_t)(element * j->s->slots) * j->slot_size;
  for (int64_t k = 1; k < j->s->slots; k++)
    gr_red_merge(j->red, total, 1, total + (size_t)k * j->slot_size, 1);
  hand_over_total(j, element, total);
}

/* What is left when all items are computed.  `own`: memory for the neutral element, which is the
 * result of both indices where there are no rows at all. */
static void merge(const job *j, double *own) {
  bool both = j->plan->ask.both, nothing = both && j->s->n == 0;
  if (nothing) gr_red_init(j->red, own, 1, 1);
  for (int64_t e = 0; e < j->s->elements && (j->s->slots > 0 || nothing); e++)
    if (nothing)
      hand_over_total(j, e, own);
    else if (both)
      merge_groups(j, e);
    else
      merge_parts(j, e);
}

/* ---- all of it ---- */

/* What is counted in groups and in units of work. */
static void count(job *j) {
  const gr_schedule *s = j->s;
  j->groups = (s->n + s->group - 1) / s->group;
  j->all = j->groups * s->elements;
  j->pairs = s->pairs * s->elements;
  j->take = 1;
  if (j->all <= 1) return;
  double of_a_group = j->plan->cost * (double)j->pairs / (double)j->all;
  if (of_a_group < tune.take) j->take += (int64_t)(tune.take / (of_a_group + 1));
}

/* Bytes of memory that one thread needs. */
static void measure_thread(job *j) {
  const gr_plan *p = j->plan;
  size_t scratch = j->kernel ? gr_scratch_bytes(p, j->s->block) : gr_interp_bytes(p);
  j->state_bytes = (size_t)round_up(p->ask.red.nstate * j->s->ld * 8, 64);
  j->total_bytes = p->ask.both ? (size_t)round_up(p->ask.red.nstate * 8, 64) : 0;
  j->scratch_bytes = (size_t)round_up((int64_t)scratch, 64);
  j->problem_bytes = (size_t)round_up((int64_t)gr_problem_bytes(j->run->n_args), 64);
  j->slot_size = p->ask.both ? (size_t)p->ask.red.nstate : j->state_bytes / sizeof(double);
}

/* The origins of elements that several threads may compute; where an element is one group, the
 * thread that takes it finds them. */
static void find_origins(const job *j, void *arrays) {
  for (int64_t e = 0; e < j->s->elements && j->groups > 1 && j->run->origin; e++)
    gr_origins_find(j->run, e, gr_problem_of(j->run, e, arrays).args);
}

gr_class gr_execute(const gr_plan *p, gr_kernel_fn *kernel, const gr_schedule *s, const gr_run *run,
                    const gr_sink *sink, gr_error *err) {
  const gr_options *opt = run->opt;
  job j = {.plan = p, .red = &p->ask.red, .s = s, .run = run, .sink = sink, .kernel = kernel};
  count(&j);
  measure_thread(&j);
  int threads = thread_count(&j);
  size_t own = (size_t)threads * thread_bytes(&j);
  size_t slots = (size_t)(s->slots * s->elements) * j.slot_size * sizeof(double);
  char *memory = gr_aligned_alloc(own + slots);
  if (!memory) return gr_fail(err, ERR_NoMemory, "scratch", (long long)(own + slots));
  j.slots = (double *)(void *)(memory + own);
  j.polled = gr_now();
  double start = j.polled;
  find_origins(&j, memory);
  run_threads(&j, memory, threads);
  if (!j.stop) merge(&j, (double *)(void *)memory);
  if (!j.stop && opt->progress) opt->progress(1, opt->ctx);
  gr_aligned_free(memory);
  run->report->threads = threads;
  run->report->seconds_run = gr_now() - start;
  return j.stop ? gr_failf(err, GR_INTERRUPT, "interrupted") : GR_OK;
}
