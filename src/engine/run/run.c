/* run.c: a program applied to arrays: the checks of a call, and the choice of the backend.
 *
 * A call becomes regions (rows that share intervals of columns; one where it is dense), which go to
 * a GPU (device.c), or are cut into items (schedule.c) that run here (execute.c). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/kernels.h"
#include "run/schedule.h"

/* Thresholds. Costs are in multiplications per pair (gr_plan.cost).
 *   tiny  Measured: the interpreter does 3e8 to 1e9 a second; compiling takes 0.1 s, reading a
 *         kernel from disk 0.5 ms.  So up to here the interpreter loses 3 ms at most to a kernel
 *         that lies on disk, and wins 0.1 s over one that does not.  To a kernel that the program
 *         has, it always loses: a Gaussian at dimension 3, 1 x 1 0.5 us (kernel 0.4), 10 x 10 2.2
 *         us (0.4), 200 x 200 510 us (6).
 *   few   Lanes run over columns where there are few rows; see few_rows.  Merging: a Gaussian at
 *         dimension 3 and 1 row in each of 20 000 regions, rows and columns in lanes (ns a row):
 *         64 columns 350 and 210, 256 columns 720 and 290. */
static const struct {
  double tiny;         /* cost * pairs up to which "auto" interprets instead of compiling */
  int64_t few[3][2];   /* rows at most, by kind of the plan and precision */
  int64_t few_columns; /* columns at least, in a call of one region */
  double few_cost[2];  /* of a row there, in lanes of a vector of 32 bytes full of rows */
  double few_merge[2]; /* likewise, of merging the states of a row: always, and for each number */
} tune = {.tiny = 2e6,
          .few = {{12, 16}, {7, 4}, {5, 6}},
          .few_columns = 4096,
          .few_cost = {1.3, 1},
          .few_merge = {40, 60}};

/* ---- arguments ---- */

/* Fails for an array that is no Vi(dim), ... */
static gr_class wrong_width(const gr_arg *a, const gr_array *x, gr_error *err) {
  char what[32];
  snprintf(what, sizeof what, "%s(%d)", gr_category_word(a->cat), a->dim);
  if (a->cat == GR_MIJ) return gr_fail(err, ERR_ArgPairs, a->name, what, a->dim, (long long)x->cols);
  if (a->cat == GR_PM)
    return gr_fail(err, ERR_ArgLength, a->name, a->dim, what, (long long)(x->rows * x->cols));
  return gr_fail(err, ERR_ArgCols, a->name, a->dim, a->dim == 1 ? "" : "s", what,
                 (long long)x->cols);
}

static gr_class check_width(const gr_arg *a, const gr_array *x, gr_error *err) {
  bool fits = a->cat == GR_MIJ ? x->cols % a->dim == 0 : x->cols == a->dim;
  return fits && (a->cat != GR_PM || x->rows == 1) ? GR_OK : wrong_width(a, x, err);
}

/* How many values of an index an argument has; -1: it does not have the index. */
static int64_t extent(const gr_arg *a, const gr_array *x, gr_category index) {
  if (a->cat == GR_MIJ) return index == GR_VI ? x->rows : x->cols / a->dim;
  return a->cat == index ? x->rows : -1;
}

static bool in_columns(const gr_arg *a, gr_category index) {
  return a->cat == GR_MIJ && index == GR_VJ;
}
static const char *lines_of(const gr_arg *a, gr_category index) {
  return in_columns(a, index) ? "columns" : "rows";
}

/* Fails: two arguments do not agree on how many values an index has. */
static gr_class unequal(const gr_arg *a, int64_t n, const gr_arg *b, int64_t m, gr_category index,
                        gr_error *err) {
  bool alike = in_columns(a, index) == in_columns(b, index);
  const char *word = alike ? "" : in_columns(a, index) ? " columns" : " rows";
  return gr_fail(err, ERR_ArgRows, a->name, b->name, index == GR_VI ? "i" : "j", (long long)n, word,
                 (long long)m, lines_of(b, index));
}

/* The values of an index that the arguments have, 1 where none has it. */
static gr_class count_values(const gr_program *p, const gr_array *args, gr_category index,
                             int64_t *n, gr_error *err) {
  const long long most = INT32_MAX - 4096; /* indices are counted in 32 bits in single precision */
  const gr_arg *first = NULL;
  *n = 1;
  for (int k = 0; k < p->args.n; k++) {
    const gr_arg *a = &p->args.arg[k];
    int64_t more = extent(a, &args[k], index);
    if (more < 0) continue;
    if (more > most) return gr_fail(err, ERR_ArgHuge, a->name, (long long)more, lines_of(a, index), most);
    if (first && more != *n) return unequal(first, *n, a, more, index, err);
    if (!first) first = a, *n = more;
  }
  return GR_OK;
}

/* M and N. */
static gr_class shape(const gr_program *p, const gr_array *args, int64_t mn[2], gr_error *err) {
  for (int k = 0; k < p->args.n; k++)
    if (check_width(&p->args.arg[k], &args[k], err) != GR_OK) return err->cls;
  if (count_values(p, args, GR_VI, &mn[0], err) == GR_OK) count_values(p, args, GR_VJ, &mn[1], err);
  return err->cls;
}

gr_class gr_check_count(const gr_program *p, int n_args, gr_error *err) {
  if (n_args == p->args.n) return GR_OK;
  char names[256] = "";
  for (int k = 0; k < p->args.n; k++) {
    size_t n = strlen(names);
    snprintf(names + n, sizeof names - n, "%s%s", k ? ", " : "", p->args.arg[k].name);
  }
  return gr_fail(err, ERR_NArgs, p->args.n, names, n_args);
}

gr_class gr_check_call(const gr_program *p, const gr_array *args, int n_args, int64_t *rows,
                       int64_t *cols, gr_error *err) {
  int64_t mn[2];
  if (gr_validate_arrays(p, args, n_args, err) != GR_OK) return err->cls;
  if (gr_check_count(p, n_args, err) != GR_OK || shape(p, args, mn, err) != GR_OK) return err->cls;
  int kept = p->plan->ask.axis == 1 ? 0 : 1;
  *rows = mn[kept];
  *cols = mn[1 - kept];
  return GR_OK;
}

gr_class gr_program_rows(const gr_program *p, const gr_array *args, int n_args, int64_t *rows,
                         gr_error *err) {
  int64_t kept = 0, reduced = 0;
  if (!rows) return gr_fail(err, ERR_Null, "the place for the number of rows");
  if (gr_check_call(p, args, n_args, &kept, &reduced, err) != GR_OK) return err->cls;
  *rows = p->plan->ask.both ? 1 : kept;
  return GR_OK;
}

/* ---- backends ---- */

/* Do lanes run over columns?  Measured with 1e5 columns, vectors of 32 bytes, 1 to 16 rows (ms;
 * rows in lanes, columns in lanes): float32, a Gaussian at dimension 3, 4 rows 0.39 0.26, 6 rows
 * 0.39 0.37, 8 rows 0.39 0.47, 9 rows 0.71 0.52, 12 rows 0.72 0.68; at dimension 40, 6 rows 3.7
 * 3.0, 10 rows 4.1 4.1; 10 nearest, 5 rows 0.16 0.18, 9 rows 0.29 0.40.  float64, 4 rows 0.50 0.43,
 * 16 rows 1.80 1.70; at dimension 40, 4 rows 4.1 3.7, 6 rows 4.4 4.6.  The rule does not ask for
 * this machine's vectors: results would depend on it. */
static bool few_rows(const gr_plan *p, int64_t rows) {
  enum { NARROW, TILED, LISTS };
  int kind = gr_has_trait(p->ask.red.family, GR_KEEPS_LISTS) ? LISTS
             : p->cpu.rows > 1                         ? TILED
                                                       : NARROW;
  int64_t lanes = p->ask.f64 ? 4 : 8;
  double full = (double)((rows + lanes - 1) / lanes * lanes);
  return rows > 0 && rows <= tune.few[kind][p->ask.f64] &&
         (double)rows * tune.few_cost[p->ask.f64] <= full;
}

static gr_class find_kernel(gr_program *p, int plan, const gr_options *opt, gr_report *report,
                            gr_error *err) {
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

gr_class gr_program_compile(gr_program *p, const gr_options *opt, gr_report *report,
                            gr_error *err) {
  if (!p || !report) return gr_fail(err, ERR_Null, !p ? "the program" : "the place for the report");
  if (gr_validate_options(opt, err) != GR_OK) return err->cls;
  bool device = gr_is_gpu(opt->backend);
  *report = (gr_report){.backend = device ? opt->backend : GR_CPU, .threads = 1};
  err->cls = GR_OK;
  if (device)
    return gr_device_check(opt, err) != GR_OK ? err->cls
                                              : opt->device->compile(p, opt, report, err);
  return find_kernel(p, 0, opt, report, err);
}

/* "auto" interprets tiny work, unless the program has the kernel already. */
bool gr_wants_kernel(const gr_program *p, double pairs, const gr_options *opt, int plan) {
  double work = p->plan->cost * pairs;
  return opt->backend != GR_INTERPRETER && work != 0 &&
         (opt->backend != GR_AUTO || work > tune.tiny || gr_program_has(p, plan, opt));
}

int gr_plan_of(const gr_program *p, int64_t rows, int64_t cols) {
  return cols >= tune.few_columns && few_rows(p->plan, rows) ? PLAN_FEW : 0;
}

/* What a region gains where lanes run over columns, in lanes of a vector of 32 bytes: lanes that no
 * row would fill, less the merging of the lanes' states, for each row once and for each interval,
 * whose last columns do not fill a vector.  In regions that are not small, columns in lanes take
 * about twice as long. */
static double gain_by_columns(const gr_plan *p, const gr_region *g) {
  int64_t rows = g->r1 - g->r0, lanes = p->ask.f64 ? 4 : 8,
          full = (rows + lanes - 1) / lanes * lanes;
  bool few = few_rows(p, rows);
  double merging = (double)rows * (tune.few_merge[0] + tune.few_merge[1] * p->ask.red.nstate);
  double spared = few ? (double)full - tune.few_cost[p->ask.f64] * (double)rows : -(double)rows;
  double gain = -merging;
  for (int64_t k = 0; k < g->n; k++)
    gain += spared * (double)(g->interval[k].end - g->interval[k].first) - merging;
  return gain;
}

static double pairs_of_element(const gr_run *r) {
  double pairs = 0;
  for (int64_t k = 0; k < r->n_regions; k++) {
    const gr_region *g = &r->region[k];
    for (int64_t i = 0; i < g->n; i++)
      pairs += (double)(g->r1 - g->r0) * (double)(g->interval[i].end - g->interval[i].first);
  }
  return pairs;
}

double gr_pairs(const gr_run *r) { return pairs_of_element(r) * (double)gr_elements(r); }

/* 0 or PLAN_FEW, by what is better for all regions of an element together. */
static int plan_of_regions(const gr_run *r) {
  double gain = 0;
  if (r->rows == 0 || r->map) return 0;
  if (r->n_regions == 1)
    return gr_plan_of(r->p, r->rows, (int64_t)(pairs_of_element(r) / (double)r->rows));
  for (int64_t k = 0; k < r->n_regions; k++)
    if (r->region[k].n > 0) gain += gain_by_columns(r->p->plan, &r->region[k]);
  return gain > 0 ? PLAN_FEW : 0;
}

/* The kernel, if one is wanted.  "auto" interprets everything where there is no working compiler,
 * or no room for its files (the note says so). */
static gr_class choose_backend(const gr_run *r, int *plan, gr_error *err) {
  gr_report *report = r->report;
  int which = plan_of_regions(r);
  report->backend = GR_INTERPRETER;
  report->threads = 1;
  *plan = PLAN_WRITTEN;
  bool holds = true;
  if (r->opt->backend != GR_INTERPRETER && gr_condition_of_run(r, &holds, err) != GR_OK)
    return err->cls;
  if (!holds) which |= PLAN_WRITTEN;
  if (!gr_wants_kernel(r->p, gr_pairs(r), r->opt, which)) return GR_OK;
  report->backend = GR_CPU;
  if (find_kernel(r->p, which, r->opt, report, err) == GR_OK) *plan = which;
  if (!err->cls || r->opt->backend == GR_CPU) return err->cls;
  if (err->cls != GR_COMPILER && err->cls != GR_MEMORY) return err->cls;
  report->backend = GR_INTERPRETER;
  report->provenance = GR_NO_KERNEL;
  gr_note(report, err);
  return GR_OK;
}

/* ---- running it ---- */

static gr_class run_items(const gr_run *r, int plan, gr_error *err) {
  gr_program *p = r->p;
  gr_sink sink = gr_sink_of(r);
  gr_schedule s;
  gr_kernel_fn *kernel = r->report->backend == GR_CPU ? p->kernel[plan] : NULL;
  if (r->map) return gr_map_items(r, p->plans[plan], kernel, err);
  if (gr_schedule_make(&s, p->plans[plan], kernel != NULL, gr_elements(r), r->region, r->n_regions,
                       err) != GR_OK)
    return err->cls;
  gr_execute(p->plans[plan], kernel, &s, r, &sink, err);
  gr_schedule_free(&s);
  return err->cls;
}

/* On this machine's processor. */
static gr_class run_here(const gr_run *r, gr_error *err) {
  int plan;
  if (choose_backend(r, &plan, err) != GR_OK || gr_program_plan(r->p, plan, err) != GR_OK)
    return err->cls;
  bool results = gr_elements(r) > 0 && (r->rows > 0 || r->p->plan->ask.both);
  return results ? run_items(r, plan, err) : GR_OK;
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

/* Single precision has all integers up to 2^24: IndexI() and IndexJ() beyond are told of. */
static void note_numbers(const gr_run *r) {
  const int64_t most = (int64_t)1 << 24;
  const gr_request *ask = &r->p->plan->ask;
  int64_t end[2] = {r->first[0] + r->rows, r->first[1] + r->cols};
  for (int k = 0; k < 2 && !ask->f64 && !r->report->note[0]; k++) {
    bool i = (k == 0) == (ask->axis == 1);
    if (!(r->p->counted & (i ? CAT_I : CAT_J)) || end[k] <= most) continue;
    snprintf(r->report->note, sizeof r->report->note,
             "float32 has all integers up to 16777216: Index%s() is rounded above.  Use IndexDiff(), "
             "or dtype = \"float64\"",
             i ? "I" : "J");
    r->report->note_on_data = true;
  }
}

gr_class gr_run_regions(gr_run *r, gr_error *err) {
  void *block;
  bool any = gr_pairs(r) > 0; /* else the elements of a batch may not have got their origins */
  if (gr_origins(r, &block, err) != GR_OK) return err->cls;
  const gr_array *args = r->args;
  run_anywhere(r, err);
  r->args = args;
  if (block && any && !r->p->seen && !err->cls && !r->report->note[0])
    r->report->note_on_data = gr_origins_note(r, r->report->note, sizeof r->report->note);
  r->p->seen = r->p->seen || any;
  if (!err->cls) note_numbers(r);
  free(block);
  return err->cls;
}

gr_class gr_run_sparse(gr_run *r, const gr_ranges *ranges, gr_error *err) {
  gr_regions s;
  if (gr_validate_ranges(ranges, r->rows, r->cols, err) != GR_OK ||
      gr_regions_make(&s, ranges, r->rows, err) != GR_OK)
    return err->cls;
  r->region = s.region;
  r->n_regions = s.n;
  gr_run_regions(r, err);
  gr_regions_free(&s);
  return err->cls;
}

gr_class gr_run_dense(gr_run *r, gr_error *err) {
  gr_interval all = {0, r->cols};
  gr_region whole = {.r1 = r->rows, .interval = &all, .n = 1};
  r->region = &whole;
  r->n_regions = 1;
  return gr_run_regions(r, err);
}

gr_class gr_program_run_batches(gr_program *p, const gr_array *args, int n_args,
                                const gr_ranges *ranges, const gr_batches *batches,
                                const gr_output *out, const gr_options *opt, gr_report *report,
                                gr_error *err) {
  gr_run r = {.p = p,
              .args = args,
              .n_args = n_args,
              .batches = batches,
              .out = out,
              .opt = opt,
              .report = report};
  if (!report) return gr_fail(err, ERR_Null, "the place for the report");
  *report = (gr_report){.backend = GR_AUTO};
  if (gr_check_call(p, args, n_args, &r.rows, &r.cols, err) != GR_OK ||
      gr_validate_options(opt, err) != GR_OK || gr_batches_check(&r, err) != GR_OK)
    return err->cls;
  int64_t rows = p->plan->ask.both ? 1 : r.rows;
  if (gr_validate_outputs(p, out, gr_elements(&r) > 0 ? rows : 0, err) != GR_OK) return err->cls;
  return ranges ? gr_run_sparse(&r, ranges, err) : gr_run_dense(&r, err);
}

gr_class gr_program_run_ranges(gr_program *p, const gr_array *args, int n_args,
                               const gr_ranges *ranges, const gr_output *out, const gr_options *opt,
                               gr_report *report, gr_error *err) {
  return gr_program_run_batches(p, args, n_args, ranges, NULL, out, opt, report, err);
}

gr_class gr_program_run(gr_program *p, const gr_array *args, int n_args, const gr_output *out,
                        const gr_options *opt, gr_report *report, gr_error *err) {
  return gr_program_run_ranges(p, args, n_args, NULL, out, opt, report, err);
}

gr_class gr_program_check_ranges(const gr_program *p, const gr_array *args, int n_args,
                                 const gr_ranges *ranges, gr_error *err) {
  int64_t rows, cols;
  if (gr_check_call(p, args, n_args, &rows, &cols, err) != GR_OK) return err->cls;
  return ranges ? gr_validate_ranges(ranges, rows, cols, err)
                : gr_fail(err, ERR_Null, "the ranges");
}
