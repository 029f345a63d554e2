/* test_ranges.c: block-sparse calls: every reduction over every axis in both precisions gives what
 * its kept pairs give one by one, on the interpreter, as a kernel and on the libraries that stand
 * in for CUDA's; what is wrong with ranges is refused. */
#include "check.h"
#include "stand_ins.h"

/* ---- patterns ---- */

enum { MOST = 700 };

typedef struct pattern {
  gr_interval rows[MOST], columns[40 * MOST];
  int64_t ends[MOST];
  gr_ranges ranges;
  unsigned char *keep; /* of every pair, rows x cols */
  int64_t m, n;
} pattern;

static int64_t draw(int64_t lo, int64_t hi) {
  return lo + (int64_t)uniform(0, (double)(hi - lo + 1));
}
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void mark(pattern *s) {
  int64_t k = 0;
  s->keep = calloc((size_t)(s->m * s->n) + 1, 1);
  for (int64_t b = 0; b < s->ranges.n_blocks; b++)
    for (; k < s->ends[b]; k++)
      for (int64_t r = s->rows[b].first; r < s->rows[b].end; r++)
        memset(s->keep + r * s->n + s->columns[k].first, 1,
               (size_t)(s->columns[k].end - s->columns[k].first));
}

typedef enum kind {
  SPARSE,
  EMPTY,
  FULL,
  TOUCHING,
  SINGLE_ROWS,
  LONG_ROWS,
  BANDS,
  UNEVEN,
  KINDS
} kind;

/* The columns of one block; returns how many intervals. */
static int64_t draw_columns(kind how, int64_t block, int64_t n, gr_interval *to) {
  int64_t count = 0, at = 0;
  if (how == FULL) to[count++] = (gr_interval){0, n};
  if (how == LONG_ROWS && n > 20) to[count++] = (gr_interval){block % 7, n - block % 5};
  if (how == BANDS) to[count++] = (gr_interval){least(3 * block, n), least(3 * block + 20, n)};
  if (how == UNEVEN && block != 3) to[count++] = (gr_interval){n / 2, least(n / 2 + 2, n)};
  if (how == UNEVEN && block == 3) to[count++] = (gr_interval){0, n};
  while (count < 30 && (how == SPARSE || how == TOUCHING || how == SINGLE_ROWS) && block % 5 != 4 &&
         at < n) {
    int64_t first = how == TOUCHING && count % 3 ? at : draw(at, least(at + n / 6, n)),
            end = draw(first, least(first + n / 8, n));
    to[count++] = (gr_interval){first, end};
    at = end;
  }
  return count;
}

static pattern *draw_pattern(kind how, int64_t m, int64_t n) {
  pattern *s = calloc(1, sizeof *s);
  int64_t row = 0, columns = 0;
  s->m = m, s->n = n;
  for (int64_t b = 0; how != EMPTY && row < m && b < MOST - 1; b++) {
    int64_t first = how == TOUCHING || how == FULL || b % 3 ? row : draw(row, least(row + 4, m));
    int64_t end = how == SINGLE_ROWS || how == LONG_ROWS ? least(first + 1, m)
                  : how == UNEVEN && b == 3              ? m
                                                         : draw(first, least(first + 1 + m / 7, m));
    s->rows[b] = (gr_interval){first, end};
    columns += draw_columns(how, b, n, s->columns + columns);
    s->ends[b] = columns;
    s->ranges.n_blocks = b + 1;
    row = end;
  }
  s->ranges.rows = s->rows, s->ranges.ends = s->ends, s->ranges.columns = s->columns,
  s->ranges.n_columns = columns;
  mark(s);
  return s;
}

static void free_pattern(pattern *s) {
  free(s->keep);
  free(s);
}

/* ---- what is right ---- */

/* The kept pairs by the interpreter, one by one. */
static void masked(gr_program *p, const gr_array *args, const pattern *s, result *r) {
  gr_error err = {0};
  check(gr_program_plan(p, PLAN_WRITTEN, &err) == GR_OK, "%s", err.message);
  const gr_plan *plan = p->plans[PLAN_WRITTEN];
  const gr_reduction *red = &plan->ask.red;
  double *state = malloc(2 * (size_t)red->nstate * sizeof *state), *total = state + red->nstate,
         pairs = 0;
  void *scratch = gr_aligned_alloc(gr_interp_bytes(plan));
  const gr_problem problem = {.args = args};
  gr_output out[2] = {{.data = r->v[0]}, {.data = r->v[1]}};
  gr_red_init(red, total, 1, 1);
  for (int64_t i = 0; i < s->m; i++) {
    double count = 0;
    gr_red_init(red, state, 1, 1);
    for (int64_t j = 0; j < s->n; j++)
      if (s->keep[i * s->n + j])
        gr_interp(plan, &problem, state, 1, i, i + 1, j, j + 1, scratch), count++;
    if (plan->ask.both)
      gr_red_merge(red, total, 1, state, 1);
    else
      gr_red_finish(red, state, 1, 1, out, i, s->m, count);
    pairs += count;
  }
  if (plan->ask.both) gr_red_finish(red, total, 1, 1, out, 0, 1, pairs);
  free(state);
  gr_aligned_free(scratch);
}

static result new_result(const gr_program *p, int64_t rows) {
  gr_result_info info = gr_program_result(p);
  result r = {.rows = info.axis == 2 ? 1 : rows};
  r.size = r.rows * info.dim * (info.k ? info.k : 1);
  for (int i = 0; i < info.n; i++) r.v[i] = calloc((size_t)r.size + 1, sizeof(double));
  return r;
}

static result run_sparse(gr_program *p, const gr_array *args, const pattern *s, const gr_options *o,
                         gr_report *rep) {
  gr_error err = {0};
  result r = new_result(p, s->m);
  gr_output out[2] = {{.data = r.v[0]}, {.data = r.v[1]}};
  check(gr_program_run_ranges(p, args, gr_program_nargs(p), &s->ranges, out, o, rep, &err) == GR_OK,
        "%s\n%s", err.message, err.log ? err.log : "");
  gr_error_clear(&err);
  return r;
}

static void compare(const gr_program *p, const test *t, const result *r, const result *right,
                    const char *what, bool bits) {
  for (int i = 0; i < gr_program_result(p).n; i++) {
    double d = difference(r->v[i], right->v[i], r->size), most = gr_program_result(p).is_index[i]
                                                                     ? 0
                                                                 : t->f64 ? 1e-12
                                                                          : 1e-5;
    bool same = memcmp(r->v[i], right->v[i], (size_t)r->size * sizeof(double)) == 0;
    check(bits ? same : d <= most, "%s, %s: result %d differs by %g", describe(t), what, i, d);
  }
}

/* ---- every reduction, axis and precision ---- */

static const gr_device
    *device; /* NULL where there is no C++ compiler for the libraries that stand in */

/* The same bits with any number of threads. */
static void check_backend(gr_program *p, const gr_array *args, const test *t, const pattern *s,
                          const result *right, gr_backend backend) {
  static const char *const names[] = {"auto", "kernel", "interpreter", "GPU", "GPU_1D", "GPU_2D"};
  gr_options o = options(backend, 1);
  gr_report rep = {0};
  o.device = device;
  o.cflags = "-O1";
  result one = run_sparse(p, args, s, &o, &rep);
  compare(p, t, &one, right, names[backend], false);
  for (o.threads = 2; !gr_is_gpu(backend) && o.threads < 6; o.threads += 3) {
    result more = run_sparse(p, args, s, &o, &rep);
    compare(p, t, &more, &one, "threads", true);
    free_result(&more);
  }
  free_result(&one);
}

static void check_pattern(gr_program *p, test *t, kind how, int64_t m, int64_t n, bool gpu) {
  gr_array args[ARGS_MAX];
  t->m = t->axis == 0 ? n : m, t->n = t->axis == 0 ? m : n;
  make_args(p, t, args);
  pattern *s = draw_pattern(how, m, n);
  result right = new_result(p, m);
  masked(p, args, s, &right);
  check_backend(p, args, t, s, &right, GR_INTERPRETER);
  check_backend(p, args, t, s, &right, GR_CPU);
  if (gpu && device) check_backend(p, args, t, s, &right, GR_GPU_1D);
  if (gpu && device) check_backend(p, args, t, s, &right, GR_GPU_2D);
  free_result(&right);
  free_pattern(s);
  free_args(p, args);
}

static void every_reduction(void) {
  static const int64_t sizes[KINDS][2] = {{90, 160}, {20, 30},  {40, 70},  {70, 200},
                                          {60, 90},  {40, 300}, {100, 80}, {150, 300}};
  for (int red = 0, turn = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis < 3; axis++)
      for (int f64 = 0; f64 < 2; f64++, turn++) {
        const gr_redinfo *info = &gr_reds[red];
        test t = {.formula = "SqDist(x,y)*p-y[0]",
                  .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"},
                  .reduction = info->name,
                  .axis = axis,
                  .f64 = f64,
                  .lo = 0.2,
                  .hi = 0.9};
        gr_error err = {0};
        gr_program *p;
        t.k = info->needs_k ? 4 : 0;
        if (info->weight == NEED_Y) t.formula2 = axis == 0 ? "x" : "y";
        if (make(&t, &p, &err) != GR_OK) {
          check(axis == 2 && err.cls == GR_ARGUMENT, "%s: %s", describe(&t),
                err.message); /* no index over both */
          continue;
        }
        for (int how = 0; how < KINDS; how++)
          check_pattern(p, &t, how, sizes[how][0], sizes[how][1], (turn + how) % 4 == 0);
        gr_program_free(p);
      }
}

/* Few rows, whose lanes are columns; single rows and columns; a large and 40 small blocks. */
static void shapes(void) {
  static const int64_t sizes[][2] = {{1, 1}, {1, 9000}, {3, 12000}, {7, 9001}, {12, 8000}, {16, 16},
                                     {1, 3}, {5000, 3}, {2000, 1},  {0, 10},   {10, 0}};
  static const char *const reds[] = {"Sum", "ArgMin", "KMin_ArgKMin", "Mean", "Var", "LogSumExp"};
  for (int k = 0; k < 6; k++) {
    test t = {.formula = "SqDist(x,y)",
              .aliases = {"x=Vi(2)", "y=Vj(2)"},
              .reduction = reds[k],
              .axis = k % 2,
              .k = k == 2 ? 3 : 0,
              .f64 = k % 3 == 0};
    gr_error err = {0};
    gr_program *p;
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      for (int how = 0; how < KINDS; how++)
        if ((how != SINGLE_ROWS && how != LONG_ROWS) || sizes[i][0] < MOST)
          check_pattern(p, &t, how, sizes[i][0], sizes[i][1],
                        sizes[i][0] * sizes[i][1] < 10000 && how == k);
    gr_program_free(p);
  }
}

/* ---- against a loop that shares nothing with the engine ---- */

static void independent(void) {
  static const char *const reds[] = {"Sum", "Mean", "Min", "ArgMin"};
  enum { M = 131, N = 257 };
  for (int k = 0; k < 4; k++) {
    test t = {.formula = "Exp(-SqDist(x,y))*b",
              .aliases = {"x=Vi(2)", "y=Vj(2)", "b=Vj(1)"},
              .reduction = reds[k],
              .axis = 1,
              .f64 = true,
              .m = M,
              .n = N};
    gr_error err = {0};
    gr_program *p;
    gr_array args[ARGS_MAX];
    gr_report rep;
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
    make_args(p, &t, args);
    pattern *s = draw_pattern(SPARSE, M, N);
    gr_options o = options(GR_CPU, 2);
    o.cflags = "-O1";
    result r = run_sparse(p, args, s, &o, &rep), right = new_result(p, M);
    for (int i = 0; i < M; i++) {
      double sum = 0, n = 0, min = INFINITY, at = -1;
      for (int j = 0; j < N; j++) {
        if (!s->keep[i * N + j]) continue;
        double a = args[0].data[i] - args[1].data[j], b = args[0].data[i + M] - args[1].data[j + N],
               f = exp(-(a * a + b * b)) * args[2].data[j];
        sum += f, n++;
        if (f < min) min = f, at = j;
      }
      right.v[0][i] = k == 0 ? sum : k == 1 ? sum / n : k == 2 ? min : at;
    }
    compare(p, &t, &r, &right, "a loop", false);
    free_result(&r);
    free_result(&right);
    free_pattern(s);
    free_args(p, args);
    gr_program_free(p);
  }
}

/* ---- regions ---- */

/* All pairs in pieces are one region, as in a dense call. */
static void whole_is_dense(void) {
  gr_interval rows[] = {{0, 3}, {3, 3}, {3, 10}}, columns[] = {{0, 4}, {4, 4}, {4, 9}, {0, 9}};
  int64_t ends[] = {3, 3, 4};
  gr_ranges r = {rows, ends, 3, columns, 4};
  gr_regions s;
  gr_error err = {0};
  check(gr_validate_ranges(&r, 10, 9, &err) == GR_OK, "%s", err.message);
  check(gr_regions_make(&s, &r, 10, &err) == GR_OK, "%s", err.message);
  check(s.n == 1 && s.region[0].r0 == 0 && s.region[0].r1 == 10 && s.region[0].n == 1, "%d regions",
        (int)s.n);
  check(s.region[0].interval[0].first == 0 && s.region[0].interval[0].end == 9, "columns");
  gr_regions_free(&s);
}

/* ---- what is refused ---- */

static void refused(gr_ranges r, const char *part) {
  gr_error err = {0};
  check(gr_validate_ranges(&r, 10, 20, &err) == GR_ARGUMENT && strstr(err.message, part),
        "expected '%s', got '%s'", part, err.message);
}

static void wrong_ranges(void) {
  gr_interval rows[] = {{0, 3}, {3, 10}}, columns[] = {{0, 4}, {6, 20}, {2, 3}};
  int64_t ends[] = {2, 3};
  const gr_ranges right = {rows, ends, 2, columns, 3};
  gr_ranges r = right;
  gr_error err = {0};
  check(gr_validate_ranges(&right, 10, 20, &err) == GR_OK, "%s", err.message);
  r.n_blocks = -1, refused(r, "cannot have -1 blocks"), r = right;
  r.n_columns = -5, refused(r, "-5 intervals"), r = right;
  r.rows = NULL, refused(r, "the rows of the blocks"), r = right;
  r.ends = NULL, refused(r, "the ends of the blocks"), r = right;
  r.columns = NULL, refused(r, "the columns of the blocks"), r = right;
  r.n_blocks = 1, refused(r, "1 intervals of columns belong to no block"), r = right;
  r.n_columns = 2, refused(r, "between 2 and 2, not 3"), r = right;
  ends[0] = 4, refused(r, "ends of block 0"), ends[0] = 2;
  ends[1] = 1, refused(r, "ends of block 1"), ends[1] = 3;
  rows[1].end = 11, refused(r, "those of block 1 are 3 to 11"), rows[1].end = 10;
  rows[1].first = 2, refused(r, "block 1"), rows[1].first = 3;
  rows[0].first = -1, refused(r, "block 0"), rows[0].first = 0;
  rows[0] = (gr_interval){3, 2}, refused(r, "block 0"), rows[0] = (gr_interval){0, 3};
  columns[1].end = INT64_MAX, refused(r, "interval 1, of block 0"), columns[1].end = 20;
  columns[1].first = 3, refused(r, "interval 1"), columns[1].first = 6;
  columns[2] = (gr_interval){INT64_MIN, 3}, refused(r, "interval 2, of block 1"),
  columns[2] = (gr_interval){2, 3};
  columns[2] = (gr_interval){3, 2}, refused(r, "interval 2"), columns[2] = (gr_interval){2, 3};
}

/* A call refuses them before it runs. */
static void calls_refuse(void) {
  test t = {.formula = "x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 0, .m = 5, .n = 7};
  gr_error err = {0};
  gr_report rep = {0};
  gr_program *p;
  gr_array args[ARGS_MAX];
  double sums[7];
  gr_output out = {.data = sums};
  gr_options o = options(GR_INTERPRETER, 1);
  gr_interval rows = {0, 7}, columns = {0, 7};
  int64_t ends = 1;
  gr_ranges r = {&rows, &ends, 1, &columns, 1};
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  make_args(p, &t, args);
  check(gr_program_run_ranges(p, args, 2, &r, &out, &o, &rep, &err) == GR_ARGUMENT,
        "columns of the other axis are taken");
  check(gr_program_check_ranges(p, args, 2, &r, &err) == GR_ARGUMENT &&
            gr_program_check_ranges(p, args, 2, NULL, &err) == GR_ARGUMENT,
        "not checked");
  columns.end = 5;
  check(gr_program_check_ranges(p, args, 2, &r, &err) == GR_OK &&
            gr_program_run_ranges(p, args, 2, &r, &out, &o, &rep, &err) == GR_OK,
        "%s", err.message);
  free_args(p, args);
  gr_program_free(p);
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  device = stand_in(argv[0]);
  whole_is_dense();
  wrong_ranges();
  calls_refuse();
  independent();
  shapes();
  every_reduction();
  if (device) device->shutdown();
  return report();
}
