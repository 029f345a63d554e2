/* map.c: the values of a formula for all pairs, without a reduction: gradients by a variable of
 * pairs are such arrays.
 *
 * The sum over one column is the value itself.  So the columns of an interval are the elements of a
 * batch, each with a single column and with results of its own, apart by the M rows of the array of
 * values (batches.c, gr_sink).  Neither kernels nor the execution of items know more. */
#include <stdlib.h>
#include <string.h>

#include "run/schedule.h"

/* ---- progress of several runs together ---- */

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

/* After each run, as many of them are shorter than the time between two looks for an interrupt. */
static gr_class look(const gr_options *o, gr_error *err) {
  if (err->cls || !o->interrupted || !o->interrupted(o->ctx)) return err->cls;
  return gr_failf(err, GR_INTERRUPT, "interrupted");
}

/* ---- on this machine's processor ---- */

/* Some columns, as elements that have the rows of a region. */
static gr_class run_columns(const gr_run *r, const gr_region *g, gr_interval columns,
                            const gr_plan *plan, gr_kernel_fn *kernel, const gr_options *opt,
                            gr_error *err) {
  const gr_interval one = {0, 1};
  const gr_region region = {.r0 = g->r0, .r1 = g->r1, .interval = &one, .n = 1};
  gr_run part = *r;
  gr_schedule s;
  double seconds = r->report->seconds_run;
  int threads = r->report->threads;
  part.column = columns.first;
  part.elements = columns.end - columns.first;
  part.origin = NULL; /* all columns have the origins of the call, which are known */
  part.origins = 0;
  part.opt = opt;
  gr_sink sink = gr_sink_of(&part);
  if (gr_schedule_make(&s, plan, kernel != NULL, part.elements, &region, 1, err) != GR_OK)
    return err->cls;
  gr_execute(plan, kernel, &s, &part, &sink, err);
  gr_schedule_free(&s);
  r->report->seconds_run += seconds;
  if (threads > r->report->threads) r->report->threads = threads;
  return err->cls;
}

gr_class gr_map_items(const gr_run *r, const gr_plan *plan, gr_kernel_fn *kernel, gr_error *err) {
  part p = {.whole = r->opt};
  gr_options opt = options_of(&p);
  double all = gr_pairs(r);
  for (int64_t k = 0; k < r->n_regions && !err->cls; k++) {
    const gr_region *g = &r->region[k];
    for (int64_t i = 0; i < g->n && !err->cls; i++) {
      int64_t columns = g->interval[i].end - g->interval[i].first;
      if (columns == 0) continue;
      p.share = (double)(g->r1 - g->r0) * (double)columns / all;
      run_columns(r, g, g->interval[i], plan, kernel, &opt, err);
      p.before += p.share;
      look(&opt, err);
    }
  }
  return err->cls;
}

/* ---- on a GPU: a call of the device for each column ---- */

/* The regions of a call with column j alone; false: none of them has it.  at: for each the interval
 * that comes next. */
static bool select_column(const gr_run *r, const gr_interval *column, gr_region *region,
                          int64_t *at) {
  bool any = false;
  for (int64_t k = 0; k < r->n_regions; k++) {
    const gr_region *g = &r->region[k];
    while (at[k] < g->n && g->interval[at[k]].end <= column->first) at[k]++;
    bool has = at[k] < g->n && g->interval[at[k]].first <= column->first;
    region[k] = (gr_region){.r0 = g->r0, .r1 = g->r1, .interval = column, .n = has};
    any = any || has;
  }
  return any;
}

gr_class gr_map_on_device(const gr_run *r, gr_error *err) {
  size_t n = (size_t)r->n_regions, size = n * (sizeof(gr_region) + sizeof(int64_t));
  part p = {.whole = r->opt, .share = 1 / (double)r->cols};
  gr_options opt = options_of(&p);
  gr_provenance provenance = GR_NO_KERNEL; /* of the first column that is computed */
  gr_region *region = calloc(1, size + 1);
  if (!region) return gr_fail(err, ERR_NoMemory, "the regions of a call", (long long)size);
  int64_t *at = (int64_t *)(void *)(region + n);
  gr_run one = *r;
  one.region = region;
  one.opt = &opt;
  for (; one.column < r->cols && !err->cls; one.column++) {
    const gr_interval column = {one.column, one.column + 1};
    if (!select_column(r, &column, region, at)) continue;
    r->opt->device->run(&one, err);
    if (provenance == GR_NO_KERNEL) provenance = r->report->provenance;
    p.before = (double)column.end / (double)r->cols;
    look(&opt, err);
  }
  free(region);
  r->report->provenance = provenance;
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
  gr_run r = {.p = p, .args = args, .n_args = n_args, .map = true, .elements = 1, .out = &to, .opt = opt, .report = report};
  if (!report) return gr_fail(err, ERR_Null, "the place for the report");
  *report = (gr_report){.backend = GR_AUTO};
  if (gr_program_map_shape(p, args, n_args, dim, err) != GR_OK || gr_validate_options(opt, err) != GR_OK)
    return err->cls;
  int64_t numbers = dim[0] * dim[1] * dim[2];
  if (!out && numbers > 0) return gr_fail(err, ERR_Null, "the memory of a result");
  if (ranges && gr_validate_ranges(ranges, dim[0], dim[1], err) != GR_OK) return err->cls;
  if (ranges && numbers > 0) memset(out, 0, (size_t)numbers * sizeof *out);
  r.rows = dim[0], r.cols = dim[1];
  return ranges ? gr_run_sparse(&r, ranges, err) : gr_run_dense(&r, err);
}
