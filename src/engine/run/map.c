/* map.c: the values of a formula for all pairs, without a reduction: gradients by a variable of
 * pairs are such arrays.
 *
 * The sum over one column is the value itself, so column j is a problem of its own, whose results
 * begin at row j M of an array of M N rows.  Neither kernels nor the execution of items know more.
 * Columns are scheduled some thousands at a time, so that the memory this takes does not grow with
 * their number. */
#include <stdlib.h>
#include <string.h>

#include "run/schedule.h"

/* Rows of a block in schedule.c; blocks that are scheduled together. */
enum { BLOCK = 512, BLOCKS = 8192 };

/* Columns of regions, of which those from (region, interval, column) on are still to be
 * computed. */
typedef struct walk {
  const gr_run *run;
  int64_t region, interval, column;
} walk;

/* Columns that are scheduled together, each as a problem with one region and one interval. */
typedef struct group {
  gr_problem *problem;
  gr_region *region;
  gr_interval *interval;
  int64_t n, most;
  double pairs;
} group;

/* Moves on to a column that is there; false: there is none. */
static bool find_column(walk *w) {
  for (; w->region < w->run->n_regions; w->region++, w->interval = w->column = 0) {
    const gr_region *g = &w->run->region[w->region];
    for (; w->interval < g->n; w->interval++, w->column = 0)
      if (w->column < g->interval[w->interval].end - g->interval[w->interval].first) return true;
  }
  return false;
}

static void add_column(group *g, const walk *w, const gr_problem *shared) {
  const gr_region *from = &w->run->region[w->region];
  int64_t j = from->interval[w->interval].first + w->column;
  g->problem[g->n] = *shared;
  g->problem[g->n].out = j * w->run->rows;
  g->interval[g->n] = (gr_interval){j, j + 1};
  g->region[g->n] = (gr_region){
      .problem = g->n, .r0 = from->r0, .r1 = from->r1, .interval = &g->interval[g->n], .n = 1};
  g->pairs += (double)(from->r1 - from->r0);
  g->n++;
}

static bool next_group(group *g, walk *w, const gr_problem *shared) {
  g->n = 0, g->pairs = 0;
  for (; g->n < g->most && find_column(w); w->column++) add_column(g, w, shared);
  return g->n > 0;
}

/* ---- progress of all groups together ---- */

typedef struct part {
  const gr_options *whole;
  double before, share; /* fractions of the work */
} part;

static void part_progress(double fraction, void *ctx) {
  const part *p = ctx;
  p->whole->progress(p->before + p->share * fraction, p->whole->ctx);
}

static int part_interrupted(void *ctx) {
  const part *p = ctx;
  return p->whole->interrupted(p->whole->ctx);
}

static gr_options options_of(part *p) {
  gr_options o = *p->whole;
  o.ctx = p;
  if (o.progress) o.progress = part_progress;
  if (o.interrupted) o.interrupted = part_interrupted;
  return o;
}

/* ---- running ---- */

static gr_class run_group(const gr_run *r, const gr_plan *plan, gr_kernel_fn *kernel, const group *g,
                          const gr_options *opt, gr_error *err) {
  gr_schedule s;
  gr_sink sink = {.out = r->out, .rows = r->rows * r->cols};
  double seconds = r->report->seconds_run;
  int threads = r->report->threads;
  if (gr_schedule_make(&s, plan, kernel != NULL, g->problem, g->region, g->n, err) != GR_OK)
    return err->cls;
  gr_execute(plan, kernel, &s, &sink, opt, r->report, err);
  gr_schedule_free(&s);
  r->report->seconds_run += seconds;
  if (threads > r->report->threads) r->report->threads = threads;
  return err->cls;
}

gr_class gr_map_columns(const gr_run *r, const gr_plan *plan, gr_kernel_fn *kernel,
                        const gr_problem *shared, gr_error *err) {
  int64_t most = BLOCKS / (1 + r->rows / BLOCK) + 1;
  size_t size = (size_t)most * (sizeof(gr_problem) + sizeof(gr_region) + sizeof(gr_interval));
  double all = gr_pairs(r);
  walk w = {.run = r};
  part p = {.whole = r->opt};
  gr_options opt = options_of(&p);
  group g = {.most = most, .problem = malloc(size)};
  if (!g.problem) return gr_fail(err, ERR_NoMemory, "the columns of a call", (long long)size);
  g.region = (gr_region *)(void *)(g.problem + most);
  g.interval = (gr_interval *)(void *)(g.region + most);
  while (err->cls == GR_OK && next_group(&g, &w, shared)) {
    p.share = g.pairs / all;
    run_group(r, plan, kernel, &g, &opt, err);
    p.before += p.share;
    /* Many groups are shorter than the time between two looks for an interrupt. */
    if (!err->cls && opt.interrupted && opt.interrupted(opt.ctx)) gr_failf(err, GR_INTERRUPT, "interrupted");
  }
  free(g.problem);
  return err->cls;
}

/* ---- what callers see ---- */

static gr_class check_map(const gr_program *p, gr_error *err) {
  const gr_request *ask = &p->plan->ask;
  bool sum = ask->red.red == RED_Sum && ask->axis == 1 && !ask->both;
  return sum ? GR_OK : gr_fail(err, ERR_Map, gr_reds[ask->red.red].name, ask->both ? 2 : ask->axis);
}

gr_class gr_program_map_shape(const gr_program *p, const gr_array *args, int n_args, int64_t dim[3],
                              gr_error *err) {
  const int64_t most = PTRDIFF_MAX / (int64_t)sizeof(double);
  if (!dim) return gr_fail(err, ERR_Null, "the place for the shape");
  if (gr_check_call(p, args, n_args, &dim[0], &dim[1], err) != GR_OK || check_map(p, err) != GR_OK)
    return err->cls;
  dim[2] = p->plan->ask.red.out_dim;
  if (dim[0] > 0 && dim[1] > most / dim[0] / dim[2])
    return gr_fail(err, ERR_MapSize, (long long)dim[0], (long long)dim[1], (long long)dim[2]);
  return GR_OK;
}

gr_class gr_program_map(gr_program *p, const gr_array *args, int n_args, const gr_ranges *ranges,
                        double *out, const gr_options *opt, gr_report *report, gr_error *err) {
  int64_t dim[3];
  const gr_output to = {.data = out, .type = GR_F64};
  gr_run r = {.p = p, .args = args, .n_args = n_args, .map = true, .out = &to, .opt = opt, .report = report};
  if (!report) return gr_fail(err, ERR_Null, "the place for the report");
  *report = (gr_report){.backend = GR_AUTO};
  if (gr_program_map_shape(p, args, n_args, dim, err) != GR_OK || gr_validate_options(opt, err) != GR_OK)
    return err->cls;
  int64_t numbers = dim[0] * dim[1] * dim[2];
  if (!out && numbers > 0) return gr_fail(err, ERR_Null, "the memory of a result");
  if (ranges && numbers > 0) memset(out, 0, (size_t)numbers * sizeof *out);
  r.rows = dim[0], r.cols = dim[1];
  return ranges ? gr_run_sparse(&r, ranges, err) : gr_run_dense(&r, err);
}
