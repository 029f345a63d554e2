/* test_shapes.c: for every shape of work kernels compute the same as the interpreter, with the same
 * bits for any number of threads: few and many rows, either axis, rows that fill no vector, columns
 * that fill no tile.  Sums keep their accuracy, and memory its bounds.
 *
 * GR_SHARE=n: of the long lists, every n-th case only; under an emulator every 7th by default. */
#include "check.h"

static int share = 1, cases;

static void take_share(void) {
  const char *n = getenv("GR_SHARE");
  /* coprime to the periods of the lists */
  share = n && atoi(n) > 0 ? atoi(n) : is_emulated() ? 7 : 1;
  if (share > 1) printf("SKIPPED: of the long lists of shapes, %d of %d cases (GR_SHARE=1 runs all)\n", share - 1, share);
}

static bool in_share(void) { return cases++ % share == 0; }

static void some_with(const test *t, double tolerance, const char *cflags) {
  if (in_share()) both_with(t, tolerance, cflags);
}

/* Single precision with the options that users get, double precision with those that compile
 * fast. */
static void some(const test *t, double tolerance) { some_with(t, tolerance, t->f64 ? "-O1" : NULL); }

/* ---- bit for bit the same with any number of threads ---- */

static result run_on(gr_program *p, const gr_array *args, const gr_options *opt, int *threads) {
  gr_result_info info = gr_program_result(p);
  gr_error err = {0};
  gr_report rep = {0};
  gr_output out[2];
  result r = {0};
  check(gr_program_rows(p, args, gr_program_nargs(p), &r.rows, &err) == GR_OK, "%s", err.message);
  r.size = r.rows * info.dim * (info.k ? info.k : 1);
  for (int i = 0; i < info.n; i++) {
    r.v[i] = malloc(sizeof(double) * (size_t)(r.size + 1));
    out[i] = (gr_output){.data = r.v[i], .type = GR_F64};
  }
  check(gr_program_run(p, args, gr_program_nargs(p), out, opt, &rep, &err) == GR_OK, "%s\n%s", err.message, err.log ? err.log : "");
  if (threads) *threads = rep.threads;
  gr_error_clear(&err);
  return r;
}

static bool same(const gr_program *p, const result *a, const result *b) {
  for (int i = 0; i < gr_program_result(p).n; i++)
    if (memcmp(a->v[i], b->v[i], sizeof(double) * (size_t)a->size) != 0) return false;
  return true;
}

/* Pairs so expensive that a few of them are worth threads. */
#define DEAR "Lgamma(1+SqDist(x,y))*p"

static test dear(int red, bool f64, int axis, int64_t rows, int64_t cols) {
  const gr_redinfo *info = &gr_reds[red];
  test t = {.formula = DEAR, .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}, .reduction = info->name, .axis = axis, .f64 = f64, .lo = 0.1, .hi = 1};
  t.k = info->needs_k ? 5 : 0;
  if (info->weight == NEED_Y) t.formula2 = axis == 0 ? "x" : "y";
  t.m = axis == 1 ? rows : cols, t.n = axis == 1 ? cols : rows;
  return t;
}

static void threads_change_nothing(const test *t) {
  static const int counts[] = {2, 3, 5, 16};
  gr_error err = {0};
  gr_program *p;
  gr_array args[ARGS_MAX];
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  make_args(p, t, args);
  gr_options o = options(GR_CPU, 1);
  o.cflags = "-O1";
  result one = run_on(p, args, &o, NULL);
  for (int k = 0; k < 4; k++) {
    int threads = 0;
    o.threads = counts[k];
    result more = run_on(p, args, &o, &threads);
    check(same(p, &one, &more), "%s: %d threads", describe(t), o.threads);
#ifdef _OPENMP
    check(threads > 1, "%s: one thread only", describe(t));
#endif
    free_result(&more);
  }
  free_result(&one);
  free_args(p, args);
  gr_program_free(p);
}

/* The first reduction of each family in both precisions, all shapes and over both indices; the
 * others in one combination each, in rotation. */
static void every_reduction_shares_its_work(void) {
  static const int64_t sizes[][2] = {{3, 500003}, {1, 1500000}, {20003, 81}, {18, 90000}, {2, 700001}};
  int turn = 0;
  for (int red = 0; red < RED_COUNT; red++) {
    bool first = red == 0 || gr_reds[red].family != gr_reds[red - 1].family;
    for (int k = 0; k < (first ? 10 : 1); k++, turn++) {
      if (!in_share()) continue;
      const int64_t *size = sizes[turn % 5];
      test t = dear(red, first ? k / 5 : turn % 2, turn % 2, size[0], size[1]);
      threads_change_nothing(&t);
      t.axis = 2;
      if (k % 5 == 1 && gr_reds[red].results == RES_V && gr_reds[red].family != FAM_Top) threads_change_nothing(&t);
    }
  }
}

/* ---- few rows: lanes run over columns ---- */

static const char *const few_formulas[][2] = {
    {"Exp(-SqDist(x,y))*b", NULL},                /* small variables: read from the arguments */
    {"Exp(-SqDist(Exp(y),x))*Sum(y)*b", NULL},    /* values of columns: in a buffer */
    /* a contraction over more coordinates than are unrolled */
    {"(w|Exp(x[0]*w))*Exp(y[0])", NULL},
    {"Exp(-SqDist(x,y))*w", NULL},                /* a wide sum */
    {"Exp(-SqDist(x,y))*y", NULL},                /* one that includes small variables */
    {"b", NULL},                                  /* no rows at all */
    {"x*b", NULL},
    {"SqDist(x,y)*p", "y"}};

static void few_rows_are_what_many_are(void) {
  static const char *const reds[] = {"Sum", "Max_ArgMax", "KMin_ArgKMin", "Var", "Prod", "LogSumExp"};
  static const int64_t rows[] = {1, 2, 3, 6, 12, 5};
  for (size_t f = 0; f < sizeof few_formulas / sizeof *few_formulas; f++)
    for (int k = 0; k < 6; k++) {
      test t = {.formula = few_formulas[f][0], .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "w=Vj(20)", "p=Pm(1)"}, .reduction = reds[k],
                .axis = 1, .k = k == 2 ? 4 : 0, .f64 = (f + (size_t)k) % 2, .m = rows[(f + (size_t)k) % 6], .n = 4099 + 16 * k + k, .lo = 0.2, .hi = 0.9};
      if (k == 5) { /* of a scalar, with a weight for some */
        t.formula = f % 2 ? "-SqDist(x,y)" : "(w|w)*x[1]-p";
        t.formula2 = few_formulas[f][1] ? few_formulas[f][1] : few_formulas[f][0];
      }
      if (k == 4) t.lo = 0.99, t.hi = 1.01, t.formula = "1+(x|y)*b*1e-4";
      some(&t, t.f64 ? 1e-11 : 4e-4);
    }
}

/* Columns that fill no vector: of equal ones the first is chosen, whatever lanes they are in, and
 * the padding of the last vector does not count. */
/* The first row of x everywhere, in memory that ends at an inaccessible page. */
static guarded repeat_first(gr_array *x) {
  size_t bytes = (size_t)(x->rows * x->cols) * sizeof(double);
  guarded g = guarded_new(bytes);
  double *to = (double *)(void *)(g.end - bytes);
  for (int64_t k = 0; k < x->rows * x->cols; k++) to[k] = x->data[k / x->rows * x->rows];
  x->data = to;
  return g;
}

static void equal_columns(const char *red, bool f64, int64_t m, int64_t n, const char *formula, const char *cflags) {
  test t = {.formula = formula, .aliases = {"x=Vi(3)", "y=Vj(3)", "w=Vj(11)"}, .reduction = red, .axis = 1, .f64 = f64, .m = m, .n = n, .k = *red == 'K' ? 3 : 0};
  gr_error err = {0};
  gr_program *p;
  gr_array args[3];
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", describe(&t), err.message)) return;
  make_args(p, &t, args);
  const double *random[] = {args[1].data, args[2].data};
  guarded equal[] = {repeat_first(&args[1]), repeat_first(&args[2])};
  gr_options o = options(GR_CPU, 1);
  o.cflags = cflags;
  result r = run_on(p, args, &o, NULL);
  gr_result_info info = gr_program_result(p);
  for (int i = 0; i < info.n; i++)
    for (int64_t e = 0; info.is_index[i] && e < r.size; e++)
      check(r.v[i][e] == (double)(e / m), "%s: index %g at %d", describe(&t), r.v[i][e], (int)e);
  for (int k = 0; k < 2; k++) {
    guarded_free(&equal[k]);
    args[k + 1].data = random[k];
  }
  free_result(&r);
  free_args(p, args);
  gr_program_free(p);
}

static const char *const widths[] = {"-O1 -DGR_VBYTES=16", "-O1 -DGR_VBYTES=32", "-O1 -DGR_VBYTES=64", NULL};

static void ties_go_to_the_first(void) {
  static const char *const reds[] = {"ArgMin", "ArgMax", "Max_ArgMax", "KMin_ArgKMin", "Min_ArgMin"};
  static const char *const formulas[] = {"SqDist(x,y)", "Exp(-SqDist(x,y))*Sum(y)", "SqDist(x,y)*(w|Exp(x[0]*w))"};
  for (int64_t n = 4096; n <= 4130; n++) {
    int turn = (int)(n % 5);
    for (int64_t m = 1; m <= 16; m += n == 4099 ? 1 : 5)
      equal_columns(reds[turn], n / 5 % 2, m, n, formulas[n % 3], widths[n % 4]);
    equal_columns("ArgMin", false, 1 + n % 7, n, "SqDist(x,y)", NULL);
  }
}

/* All families, with 1 to 16 rows and every remainder, in vectors of every size. */
static void columns_that_fill_no_vector(void) {
  static const char *const reds[] = {"Sum", "Max", "Min_ArgMin", "KMin", "Var", "Prod", "LogSumExp", "SumSoftMaxWeight", "Count"};
  static const char *const schemes[] = {"block_sum", "direct_sum", "kahan_scheme"};
  for (int64_t n = 4096; n <= 4130; n++)
    for (int k = 0; k < 9; k++) {
      bool f64 = (n + k) % 2;
      test t = {.formula = "SqDist(x,y)*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "w=Vj(11)"}, .reduction = reds[k], .axis = 1, .f64 = f64,
                .m = 1 + (n * 7 + k) % 16, .n = n, .k = k == 3 ? 7 : 0, .lo = 0.2, .hi = 0.9};
      if (k == 0) t.scheme = schemes[n % 3];
      if (k == 5) t.lo = 0.99, t.hi = 1.01, t.formula = "1+(x|y)*b*1e-4";
      if (k == 7) t.formula2 = n % 3 ? "w" : "y*x";
      some_with(&t, f64 ? 1e-11 : 4e-4, widths[n % 4]);
    }
}

/* Sizes around those of vectors, tiles and blocks, and around that where vector lanes change from
 * rows to columns. */
static void odd_sizes(void) {
  static const int64_t rows[] = {1, 4, 5, 7, 8, 9, 12, 13, 16, 17, 33, 255, 257, 511, 513, 1025};
  static const char *const reds[] = {"Sum", "ArgMin"};
  for (int r = 0; r < 16; r++)
    for (int k = 0; k < 4; k++) {
      int64_t cols = rows[r] > 16 ? 257 : 4097 + 15 * (r % 2);
      test t = {.formula = "SqDist(x,y)*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}, .reduction = reds[k / 2], .axis = 1, .f64 = k % 2,
                .m = rows[r], .n = cols};
      some(&t, t.f64 ? 1e-12 : 1e-5);
    }
}

/* Register tiles of 2 x 6: columns that fill no group, no span of 8, no vector and no tile (of 240,
 * 192 or 96); packed from the argument, from a buffer, from values computed per column, from one
 * component; two tiles in one plan; a last vector of rows only. */
static const struct {
  const char *formula, *formula2, *reduction;
  int k;
} six[] = {{"Exp(-0.01*SqDist(x,y))*b", NULL, "Sum", 0},
           {"SqDist(x,Square(y))", NULL, "KMin_ArgKMin", 3},
           {"SqNorm2(x-b)+SqDist(x,y)", NULL, "Max_ArgMax", 0},
           {"Grad(Exp(-0.01*SqDist(x,y)),x,b)", NULL, "Sum", 0},
           {"-0.01*SqDist(x,y)", "y", "SumSoftMaxWeight", 0}};

static void groups_of_columns(void) {
  static const int64_t ends[][2] = {{1, 18}, {93, 99}, {190, 195}, {236, 262}};
  for (size_t f = 0; f < sizeof six / sizeof *six; f++)
    for (int wide = 0; wide < 4; wide++)
      for (int s = 0; s < 4; s++)
        for (int64_t n = ends[s][0]; n < ends[s][1]; n++) {
          bool even = n % 2 == 0;
          test t = {.formula = six[f].formula, .formula2 = six[f].formula2, .reduction = six[f].reduction, .k = six[f].k, .axis = 1, .f64 = wide % 2,
                    .aliases = {wide < 2 ? "x=Vi(20)" : "x=Vi(300)", wide < 2 ? "y=Vj(20)" : "y=Vj(300)", "b=Vj(1)"}, .n = n};
          t.m = even ? 5 : 21;
          some(&t, t.f64 ? 1e-11 : 1e-4);
        }
}

/* A reduction over both indices: many blocks share a state, whichever index is that of the rows. */
static void many_blocks_share_states(void) {
  static const char *const reds[] = {"Sum", "Max", "LogSumExp", "Var"};
  for (int k = 0; k < 4; k++)
    for (int f = 0; f < 4; f++) {
      test t = {.formula = "x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .reduction = reds[k], .axis = 2, .f64 = f % 2, .lo = 0.1, .hi = 1};
      t.m = f < 2 ? 300001 : 2, t.n = f < 2 ? 2 : 300001;
      some(&t, t.f64 ? 1e-12 : 1e-6);
    }
}

/* Interpreter and kernel share the groups of columns; so the expected value is counted. */
static void every_pair_counts_once(void) {
  static const int64_t sizes[][2] = {{300001, 2}, {2, 300001}, {1, 100000}, {513, 700}, {1000, 1000}};
  for (int s = 0; s < 5; s++)
    for (int backend = GR_CPU; backend <= GR_INTERPRETER; backend++) {
      test t = {.formula = "1+0*x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 2, .f64 = true, .m = sizes[s][0], .n = sizes[s][1]};
      gr_error err = {0};
      gr_program *p;
      gr_array args[2];
      if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
      make_args(p, &t, args);
      gr_options o = options((gr_backend)backend, 2);
      result r = run_on(p, args, &o, NULL);
      check(r.v[0][0] == (double)(t.m * t.n), "%s: %g pairs", describe(&t), r.v[0][0]);
      free_result(&r);
      free_args(p, args);
      gr_program_free(p);
    }
}

/* Calls of one program with few rows and with many, alternating. */
static void shapes_take_turns(void) {
  test t = {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}, .axis = 1, .m = 40, .n = 5000};
  gr_error err = {0};
  gr_program *p;
  gr_array args[4];
  check(make(&t, &p, &err) == GR_OK, "%s", err.message);
  make_args(p, &t, args);
  gr_options o = options(GR_CPU, 2);
  result all = run_on(p, args, &o, NULL);
  for (int64_t m = 1; m < 40; m += m < 12 ? 1 : 9) {
    gr_array some[4];
    memcpy(some, args, sizeof some);
    some[0].rows = m;
    result few = run_on(p, some, &o, NULL);
    double most = 0;
    for (int64_t r = 0; r < m; r++) most = fmax(most, fabs(few.v[0][r] - all.v[0][r]));
    check(most < 1e-2, "%d rows differ by %g from the same rows among others", (int)m, most);
    free_result(&few);
  }
  free_result(&all);
  free_args(p, args);
  gr_program_free(p);
}

/* ---- "auto" ---- */

static gr_report report_of(gr_program *p, const gr_array *args, const gr_options *opt) {
  gr_error err = {0};
  gr_report rep = {0};
  double out[2000];
  check(gr_program_run(p, args, gr_program_nargs(p), &(gr_output){.data = out, .type = GR_F64}, opt, &rep, &err) == GR_OK, "%s", err.message);
  return rep;
}

/* Tiny work is interpreted until the program has the kernel for its shape; work of a millisecond is
 * done by one thread. */
static void auto_takes_the_kernel_that_is_there(void) {
  test t = {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}, .axis = 1, .m = 2000, .n = 5000};
  gr_error err = {0};
  gr_program *p;
  gr_array args[3], some[3];
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  make_args(p, &t, args);
  memcpy(some, args, sizeof some);
  gr_options o = options(GR_AUTO, 2);
  some[0].rows = some[1].rows = some[2].rows = 10;
  check(report_of(p, some, &o).backend == GR_INTERPRETER, "\"auto\" compiles for 10 x 10");
  gr_report rep = report_of(p, args, &o);
  check(rep.backend == GR_CPU, "\"auto\" interprets 2000 x 5000");
#ifdef _OPENMP
  check(rep.threads == 2, "2000 x 5000 has one thread");
#endif
  rep = report_of(p, some, &o);
  check(rep.backend == GR_CPU && rep.provenance == GR_FROM_MEMORY && rep.threads == 1, "\"auto\" interprets 10 x 10 although the kernel is there");
  some[0].rows = some[1].rows = some[2].rows = 1000;
  check(report_of(p, some, &o).threads == 1, "1000 x 1000 takes a fraction of a millisecond, and has two threads");
  some[0].rows = 1, some[1].rows = some[2].rows = 5000;
  check(report_of(p, some, &o).backend == GR_INTERPRETER, "\"auto\" compiles another kernel for 1 x 5000");
  free_args(p, args);
  gr_program_free(p);
}

/* ---- accuracy ---- */

/* The error of a sum of n terms in single precision: bounded by that of a tile, whatever n is. */
/* Sums of exponentials too are double within a block where double accumulators are requested: the
 * weighted mean of equal values is that value. */
static void exponentials_in_double(void) {
  test t = {.formula = "Square(y)", .formula2 = "w", .aliases = {"w=Vi(3)", "y=Vj(1)"}, .reduction = "SumSoftMaxWeight", .axis = 1, .acc = "float64"};
  static const int64_t columns[] = {250, 5000};
  for (int k = 0; k < 2; k++) {
    gr_error err = {0};
    gr_program *p;
    gr_array args[ARGS_MAX];
    gr_options o = options(GR_CPU, 1);
    result r;
    t.m = 5, t.n = columns[k];
    if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", describe(&t), err.message)) return;
    make_args(p, &t, args);
    check(run(p, args, &o, &r, &err) == GR_OK, "%s: %s", describe(&t), err.message);
    for (int64_t i = 0; i < r.size; i++)
      check(fabs(r.v[0][i] - args[0].data[i]) <= 2e-7 * fabs(args[0].data[i]), "%s: %.9g, not %.9g", describe(&t), r.v[0][i], args[0].data[i]);
    free_result(&r);
    free_args(p, args);
    gr_program_free(p);
  }
}

static void sums_stay_accurate(void) {
  static const struct {
    const char *scheme;
    double most; /* relative error */
  } schemes[] = {{"block_sum", 1e-6}, {"kahan_scheme", 2e-7}, {"direct_sum", 1e-3}};
  static const int64_t rows[] = {1, 3, 64};
  for (int s = 0; s < 3; s++)
    for (int k = 0; k < 3; k++) {
      int64_t n = k == 0 ? 10000000 : 1000000;
      test t = {.formula = "x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .m = rows[k], .n = n, .lo = 0.1, .hi = 1, .scheme = schemes[s].scheme};
      gr_error err = {0};
      gr_program *p;
      gr_array args[2];
      check(make(&t, &p, &err) == GR_OK, "%s", err.message);
      make_args(p, &t, args);
      double exact = 0, most = 0, lost = 0; /* Kahan's sum in double */
      for (int64_t j = 0; j < n; j++) {
        volatile double y = args[1].data[j] - lost, sum = exact + y;
        lost = (sum - exact) - y;
        exact = sum;
      }
      gr_options o = options(GR_CPU, 2);
      result r = run_on(p, args, &o, NULL);
      for (int64_t m = 0; m < t.m; m++) most = fmax(most, fabs(r.v[0][m] / (args[0].data[m] * exact) - 1));
      check(most < schemes[s].most, "%s, %d terms, %d rows: relative error %g", t.scheme, (int)n, (int)t.m, most);
      free_result(&r);
      free_args(p, args);
      gr_program_free(p);
    }
}

/* ---- memory ---- */

/* Memory that a call needs beyond its arguments.  The peak of a process only rises, so that earlier
 * cases hide what later ones share with them. */
static void memory_is_bounded(void) {
  static const struct {
    const char *formula, *x, *y, *b, *reduction;
    int k;
    int64_t m, n;
    int axis, threads;
  } cases[] = {{"SqDist(x,y)", "x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "KMin_ArgKMin", 10, 1, 1000000, 1, 2},
               {"-SqDist(x,y)", "x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "LogSumExp", 0, 2, 1000000, 1, 16},
               {"Exp(-SqDist(x,y))*b", "x=Vi(3)", "y=Vj(3)", "b=Vj(64)", "Sum", 0, 2, 200000, 1, 2},
               {"Exp(-SqDist(x,y))*b", "x=Vi(3)", "y=Vj(3)", "b=Vj(512)", "Sum", 0, 512, 20000, 1, 4},
               {"SqDist(x,y)", "x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "KMin_ArgKMin", 1000, 300, 100000, 1, 2},
               {"Exp(-SqDist(x,y))*b", "x=Vi(3)", "y=Vj(3)", "b=Vj(512)", "Sum", 0, 300000, 30, 2, 2}};
  if (peak_kb() <= 0) return;
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    test t = {.formula = cases[c].formula, .aliases = {cases[c].x, cases[c].y, cases[c].b}, .reduction = cases[c].reduction,
              .axis = cases[c].axis, .k = cases[c].k, .m = cases[c].m, .n = cases[c].n};
    gr_error err = {0};
    gr_program *p;
    gr_array args[4];
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
    make_args(p, &t, args);
    gr_options o = options(GR_CPU, cases[c].threads);
    long before = peak_kb();
    result r = run_on(p, args, &o, NULL);
    check(peak_kb() - before < 48 << 10, "%s: took %ld KB", describe(&t), peak_kb() - before);
    free_result(&r);
    free_args(p, args);
    gr_program_free(p);
  }
}

int main(void) {
  own_folder();
  take_share();
  few_rows_are_what_many_are();
  odd_sizes();
  ties_go_to_the_first();
  columns_that_fill_no_vector();
  groups_of_columns();
  many_blocks_share_states();
  every_pair_counts_once();
  shapes_take_turns();
  every_reduction_shares_its_work();
  auto_takes_the_kernel_that_is_there();
  sums_stay_accurate();
  exponentials_in_double();
  memory_is_bounded();
  return report();
}
