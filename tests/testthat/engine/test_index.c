/* test_index.c: IndexI(), IndexJ(), IndexDiff() and Rand(seed) are the numbers of the whole,
 * however a call is cut: on the interpreter, as kernels with rows and with columns in lanes, and on
 * the libraries that stand in for CUDA's; in shares with an offset.  test_rand.c has statistics.
 *
 * KMin with K = the number of columns gives every value of a formula as it is, with its column: so
 * values are compared to the last bit. */
#include "check.h"
#include "stand_ins.h"

static const gr_device *device;

/* ---- what is right ---- */

/* pcg3d (Jarzynski and Olano 2020). */
static void pcg3d(uint32_t v[3]) {
  for (int k = 0; k < 3; k++) v[k] = v[k] * 1664525u + 1013904223u;
  v[0] += v[1] * v[2], v[1] += v[2] * v[0], v[2] += v[0] * v[1];
  for (int k = 0; k < 3; k++) v[k] ^= v[k] >> 16;
  v[0] += v[1] * v[2], v[1] += v[2] * v[0], v[2] += v[0] * v[1];
}

static double random_number(int64_t i, int64_t j, uint32_t with, bool f64) {
  uint32_t v[3] = {(uint32_t)i, (uint32_t)j, with};
  pcg3d(v);
  if (!f64) return ldexp((double)(v[0] / 512) + 0.5, -23);
  return ldexp((double)(v[0] / 512) * 0x1p29 + (double)(v[1] / 8) + 0.5, -52);
}

typedef struct leaf {
  const char *formula;
  double (*value)(int64_t i, int64_t j, bool f64);
} leaf;

static double rounded(double x, bool f64) { return f64 ? x : (float)x; }
static double index_i(int64_t i, int64_t j, bool f64) { return (void)j, rounded((double)i, f64); }
static double index_j(int64_t i, int64_t j, bool f64) { return (void)i, rounded((double)j, f64); }
static double index_diff(int64_t i, int64_t j, bool f64) { return rounded((double)(i - j), f64); }
static double rand_7(int64_t i, int64_t j, bool f64) { return random_number(i, j, 7, f64); }
static double rand_minus(int64_t i, int64_t j, bool f64) {
  return random_number(i, j, UINT32_MAX - 1, f64);
}

static const leaf leaves[] = {{"IndexI()", index_i},     {"IndexJ()", index_j},
                              {"IndexDiff()", index_diff}, {"Rand(7)", rand_7},
                              {"Rand(-2)", rand_minus},    {"rand(4294967294)", rand_minus},
                              {"Rand(p)", rand_7},         {"Rand(2*p+q[1])", rand_minus}};
enum { LEAVES = sizeof leaves / sizeof *leaves };

/* ---- every value, on every backend ---- */

static const char *const backend_names[] = {"auto", "kernel", "interpreter", "GPU", "GPU_1D", "GPU_2D"};
static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU_1D, GR_GPU_2D};
enum { BACKENDS = sizeof backends / sizeof *backends };

static gr_options on(gr_backend backend) {
  gr_options o = options(backend, 2);
  o.device = device;
  o.cflags = "-O1";
  return o;
}

/* Parameters p = 7 and q = (0, -16). */
static void make_numbers(gr_program *p, const test *t, gr_array *args) {
  static const double parameters[2][2] = {{7}, {0, -16}};
  make_args(p, t, args);
  for (int k = 0; k < gr_program_nargs(p); k++)
    if (gr_program_arg(p, k).category == GR_PM)
      memcpy((void *)args[k].data, parameters[args[k].cols - 1], (size_t)args[k].cols * 8);
}

/* Entry `at` of row r of the results is column c: is it the value there? */
static bool value_is_right(const leaf *x, const test *t, const result *all, int64_t at, int64_t r) {
  int64_t c = (int64_t)all->v[1][at];
  if (c < 0) return false;
  double right = t->axis == 1 ? x->value(r, c, t->f64) : x->value(c, r, t->f64);
  return all->v[0][at] == right;
}

static void all_values(const leaf *x, int axis, bool f64, int64_t rows, int64_t cols) {
  test t = {.formula = x->formula,
            .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)", "q=Pm(2)"},
            .reduction = "KMin_ArgKMin",
            .k = (int)cols,
            .axis = axis,
            .f64 = f64,
            .m = axis ? rows : cols,
            .n = axis ? cols : rows};
  gr_program *p;
  gr_error err = {0};
  gr_array args[ARGS_MAX];
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", describe(&t), err.message)) return;
  make_numbers(p, &t, args);
  for (int b = 0; b < (device ? BACKENDS : 2); b++) {
    gr_options o = on(backends[b]);
    result all;
    bool ok = run(p, args, &o, &all, &err) == GR_OK;
    check(ok, "%s: %s\n%s", describe(&t), err.message, err.log ? err.log : "");
    for (int64_t n = 0; ok && n < all.size; n++) ok = value_is_right(x, &t, &all, n, n % rows);
    check(ok, "%s, %s: a wrong value", describe(&t), backend_names[backends[b]]);
    free_result(&all);
    gr_error_clear(&err);
  }
  free_args(p, args);
  gr_program_free(p);
}

static void every_value(void) {
  for (int k = 0; k < LEAVES; k++)
    for (int axis = 0; axis < 2; axis++)
      for (int f64 = 0; f64 < 2; f64++) all_values(&leaves[k], axis, f64, 37, 45);
}

/* ---- few rows, long rows, no variables ---- */

/* The sum of a formula that is exact in the working precision. */
static void sum_is(const test *t, const double *right, const char *what) {
  gr_program *p;
  gr_error err = {0};
  gr_array args[ARGS_MAX];
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  make_args(p, t, args);
  for (int b = 0; b < (device ? BACKENDS : 2); b++) {
    gr_options o = on(backends[b]);
    result r;
    bool ok = run(p, args, &o, &r, &err) == GR_OK;
    check(ok, "%s: %s\n%s", describe(t), err.message, err.log ? err.log : "");
    for (int64_t k = 0; ok && k < r.size; k++)
      check(r.v[0][k] == right[k], "%s, %s: number %d is %g, not %g", what,
            backend_names[backends[b]], (int)k, r.v[0][k], right[k]);
    free_result(&r);
    gr_error_clear(&err);
  }
  free_args(p, args);
  gr_program_free(p);
}

/* Lanes are columns there, the last of them with copies. */
static void few_rows(void) {
  enum { N = 9007 };
  for (int axis = 0; axis < 2; axis++)
    for (int f64 = 0; f64 < 2; f64++)
      for (int rows = 1; rows < 4; rows++) {
        test t = {.formula = axis ? "IndexDiff()==0-5000" : "IndexDiff()==5000",
                  .aliases = {"x=Vi(1)", "y=Vj(1)"},
                  .axis = axis,
                  .f64 = f64,
                  .m = axis ? rows : N,
                  .n = axis ? N : rows};
        sum_is(&t, (const double[]){1, 1, 1}, "one pair of a row");
        t.reduction = "Max";
        t.formula = axis ? "IndexJ()" : "IndexI()";
        sum_is(&t, (const double[]){N - 1, N - 1, N - 1}, "the last column");
        t.reduction = "ArgMax";
        sum_is(&t, (const double[]){N - 1, N - 1, N - 1}, "the last column's index");
        t.formula = "Rand(1)==Rand(1)";
        t.reduction = "Sum";
        sum_is(&t, (const double[]){N, N, N}, "a number equals itself");
        t.formula = "(Rand(1)==Rand(2))+(Rand(3)<=0)+(Rand(3)>=1)";
        sum_is(&t, (const double[]){0, 0, 0}, "numbers differ, between 0 and 1");
      }
}

static void without_variables(void) {
  test t = {.formula = "1+IndexI()+IndexJ()+IndexDiff()", .axis = 1};
  sum_is(&t, (const double[]){1}, "one pair");
  t.aliases[0] = "y=Vj(1)", t.n = 100;
  sum_is(&t, (const double[]){100}, "one row");
  t.axis = 0;
  double right[100];
  for (int j = 0; j < 100; j++) right[j] = 1;
  sum_is(&t, right, "rows of one column");
  t.axis = 2, t.formula = "IndexJ()-IndexI()";
  sum_is(&t, (const double[]){4950}, "both indices");
}

/* ---- shares with an offset ---- */

typedef struct piece {
  double *v;
  int64_t size;
} piece;

/* Columns first ... first + n of the arrays as arrays of their own. */
static piece share(gr_program *p, const gr_array *args, gr_category reduced, int64_t first, int64_t n,
                   int64_t offset, const gr_options *o, gr_report *rep) {
  gr_array part[ARGS_MAX];
  gr_error err = {0};
  piece s = {NULL, 0};
  int count = gr_program_nargs(p);
  for (int k = 0; k < count; k++) {
    part[k] = args[k];
    if (gr_program_arg(p, k).category == reduced) part[k].data += first, part[k].rows = n;
  }
  check(gr_states_size(p, part, count, &s.size, &err) == GR_OK, "%s", err.message);
  s.v = malloc((size_t)s.size * sizeof(double));
  check(gr_program_share(p, part, count, offset, s.v, s.size, o, rep, &err) == GR_OK, "%s\n%s",
        err.message, err.log ? err.log : "");
  gr_error_clear(&err);
  return s;
}

static void finish(gr_program *p, piece *s, result *r) {
  gr_error err = {0};
  gr_output out[2];
  for (int k = 0; k < gr_program_result(p).n; k++)
    out[k] = (gr_output){.data = r->v[k] = malloc((size_t)(r->size + 1) * 8), .type = GR_F64};
  check(gr_states_finish(p, s->v, s->size, out, &err) == GR_OK, "%s", err.message);
  free(s->v);
}

static void shares_are_of_the_whole(const test *t, bool gpu) {
  gr_program *p;
  gr_error err = {0};
  gr_array args[ARGS_MAX];
  gr_options slow = options(GR_INTERPRETER, 1);
  result whole;
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  make_args(p, t, args);
  check(run(p, args, &slow, &whole, &err) == GR_OK, "%s", err.message);
  gr_category reduced = t->axis == 1 ? GR_VJ : GR_VI;
  int64_t cols = t->axis == 1 ? t->n : t->m, cut = cols / 3;
  for (int b = 0; b < (gpu && device ? BACKENDS : 2); b++) {
    gr_options o = on(backends[b]);
    gr_report rep;
    piece s = share(p, args, reduced, cut, cols - cut, cut, &o, &rep),
          more = share(p, args, reduced, 0, cut, 0, &o, &rep);
    result r = {.size = whole.size};
    check(gr_states_merge(p, s.v, s.size, more.v, more.size, &err) == GR_OK, "%s", err.message);
    finish(p, &s, &r);
    for (int k = 0; k < gr_program_result(p).n; k++) {
      double d = difference(r.v[k], whole.v[k], r.size);
      check(d <= (gr_program_result(p).is_index[k] ? 0 : t->f64 ? 1e-12 : 1e-5),
            "%s, %s: result %d of shares differs by %g", describe(t), backend_names[backends[b]], k, d);
    }
    free(more.v);
    free_result(&r);
  }
  free_result(&whole);
  free_args(p, args);
  gr_program_free(p);
}

static void every_reduction(void) {
  for (int red = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis < 2; axis++)
      for (int f64 = 0; f64 < 2; f64++)
        for (int few = 0; few < 2; few++) {
          const gr_redinfo *info = &gr_reds[red];
          int64_t rows = few ? 3 : 33, cols = few ? 15001 : 400;
          test t = {.formula = "Exp(-Abs(IndexDiff()-x)/200)*Rand(2)+IndexJ()/1000-IndexI()/3000",
                    .aliases = {"x=Vi(1)", "y=Vj(1)"},
                    .reduction = info->name,
                    .axis = axis,
                    .k = info->needs_k ? 4 : 0,
                    .f64 = f64,
                    .m = axis ? rows : cols,
                    .n = axis ? cols : rows};
          if (info->family == FAM_Product) t.formula = "1+Rand(2)*(IndexDiff()>=3)*1e-5";
          if (info->weight == NEED_Y) t.formula2 = "Concat(Rand(1),IndexI(),IndexJ())/100";
          shares_are_of_the_whole(&t, red % 3 == axis && f64 == few);
        }
}

/* Far from the beginning: exact where the difference is below 2^24 (in double precision 2^53), of
 * the right sign and size elsewhere. */
static void far_away(void) {
  static const int64_t offsets[] = {0, 16777216 - 30, 16777216 - 10, 1 << 29, ((int64_t)1 << 32) + 7,
                                    ((int64_t)1 << 50) + 3};
  enum { ROWS = 40, COLS = 33 };
  for (int k = 0; k < 6; k++)
    for (int f64 = 0; f64 < 2; f64++)
      for (int b = 0; b < (device ? BACKENDS : 2); b++)
        for (int l = 0; l < 4; l++) {
          test t = {.formula = leaves[l].formula,
                    .aliases = {"x=Vi(1)", "y=Vj(1)"},
                    .reduction = "KMin_ArgKMin",
                    .k = COLS,
                    .axis = 1,
                    .f64 = f64,
                    .m = ROWS,
                    .n = COLS};
          gr_program *p;
          gr_error err = {0};
          gr_array args[ARGS_MAX];
          gr_options o = on(backends[b]);
          gr_report rep;
          if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
          make_args(p, &t, args);
          piece s = share(p, args, GR_VJ, 0, COLS, offsets[k], &o, &rep);
          bool told = l == 1 && !f64 && offsets[k] + COLS > 1 << 24;
          check(told == (strstr(rep.note, "IndexJ() is rounded") != NULL) && rep.note_on_data == told,
                "a note: \"%s\"", rep.note);
          result r = {.size = ROWS * COLS};
          finish(p, &s, &r);
          bool ok = true;
          for (int64_t n = 0; n < r.size; n++) ok &= value_is_right(&leaves[l], &t, &r, n, n % ROWS);
          check(ok, "%s, %s, offset %lld: a wrong value", describe(&t), backend_names[backends[b]],
                (long long)offsets[k]);
          free_result(&r);
          free_args(p, args);
          gr_program_free(p);
        }
}

static void pairs_have_no_place(void) {
  test t = {.formula = "IndexI()+x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 2, .m = 5, .n = 6};
  gr_program *p;
  gr_error err = {0};
  gr_array args[ARGS_MAX];
  gr_options o = options(GR_INTERPRETER, 1);
  gr_report rep;
  double states[20];
  int64_t size;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  make_args(p, &t, args);
  check(gr_states_size(p, args, 2, &size, &err) == GR_OK && size < 20, "%s", err.message);
  check(gr_program_share(p, args, 2, 0, states, size, &o, &rep, &err) == GR_ARGUMENT &&
            strstr(err.message, "numbers of its rows and columns"),
        "%s", err.message);
  free_args(p, args);
  gr_program_free(p);
}

/* ---- seeds that are parameters ---- */

/* The nearest integer, halves away from 0, modulo 2^32; 0 where there is none. */
static void seeds(void) {
  static const struct {
    double p;
    uint32_t seed;
  } of[] = {{0, 0},      {1.4, 1},         {2.5, 3},      {-0.4, 0},       {-1, UINT32_MAX}, {-2.5, UINT32_MAX - 2},
            {NAN, 0},    {INFINITY, 0},    {-INFINITY, 0}, {0x1p32, 0},    {0x1.8p31, 3u << 30}, {-0x1p31, 1u << 31},
            {0x1p52, 0}, {0x1.000002p30, (1u << 30) + 128}, {0x1p53, 0}, {0x1.8p100, 0}, {-0x1p60, 0}};
  for (int f64 = 0; f64 < 2; f64++) {
    test t = {.formula = "Rand(p)", .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, .reduction = "Max", .axis = 1, .f64 = f64, .m = 3, .n = 1};
    gr_program *p;
    gr_error err = {0};
    gr_array args[ARGS_MAX];
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
    make_args(p, &t, args);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
      for (int b = 0; b < (device ? BACKENDS : 2); b++) {
        gr_options o = on(backends[b]);
        result r;
        *(double *)args[2].data = of[k].p;
        check(run(p, args, &o, &r, &err) == GR_OK, "%s\n%s", err.message, err.log ? err.log : "");
        for (int i = 0; i < 3; i++)
          check(r.v[0][i] == random_number(i, 0, of[k].seed, f64), "seed %g on %s", of[k].p,
                backend_names[backends[b]]);
        free_result(&r);
      }
    free_args(p, args);
    gr_program_free(p);
  }
}

/* ---- the graph ---- */

static void dump_has(const char *formula, const char *stage, const char *part, bool there) {
  test t = {.formula = formula, .aliases = {"x=Vi(2)", "y=Vj(2)", "p=Pm(1)"}, .axis = 1};
  gr_program *p;
  gr_error err = {0};
  char *text = NULL;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  check(gr_program_dump(p, stage, &text, &err) == GR_OK, "%s", err.message);
  check((strstr(text, part) != NULL) == there, "%s: \"%s\" in\n%s", formula, part, text);
  free(text);
  gr_program_free(p);
}

static void graphs(void) {
  /* equal ones are one node */
  dump_has("Rand(1)-Rand(1)*2", "dag", "%1   [1] ij-  Rand(1)\n%2   [1] ---  2\n", true);
  dump_has("Rand(1)-Rand(2)*2", "dag", "%2   [1] ---  2\n%3   [1] ij-  Rand(2)\n", true);
  dump_has("Rand(2*2)+IndexI()*x", "dag", "i--  IndexI()", true);
  dump_has("Rand(2*2)+indexi()*x", "dag", "Rand(4)", true);
  dump_has("IndexJ()+IndexDiff()", "dag", "-j-  IndexJ()", true);
  dump_has("Rand(p)", "dag", "ijp  Rand(%", true);
  /* derivatives are 0, whatever the seed is made of */
  dump_has("Grad(Rand(p)*x[0]+IndexDiff(),p,2)", "dag", "Zero(1)  <- formula", true);
  dump_has("Diff(Rand(p)+IndexI(),p,2)", "dag", "Zero(1)  <- formula", true);
  dump_has("Grad(SqDist(x,y)*(IndexDiff()==0),x,1)", "dag", "IndexDiff()", true);
  /* rows and columns have their own numbers before the pairs; kernels without have none */
  dump_has("IndexI()*IndexJ()*(x|y)", "c", "first_row", false);
  dump_has("IndexDiff()*(x|y)", "c", "first_row", true);
  dump_has("x|y", "c", "v_index", false);
  dump_has("IndexDiff()*(x|y)", "c", "v_rand", false);
}

/* A mask moves no variable; a seed that would move with its group keeps it from having an
 * origin. */
static void origins(void) {
  static const struct {
    const char *formula;
    int groups;
  } of[] = {{"SqDist(x,y)*(IndexDiff()==0)*Rand(3)", 1}, {"SqDist(x,y)*IndexI()", 1}, {"(x-p)*Rand(p)", 0}};
  for (int k = 0; k < 3; k++) {
    test t = {.formula = of[k].formula, .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, .axis = 1};
    gr_program *p;
    gr_error err = {0};
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
    check(p->args.groups == of[k].groups, "%s: %d groups", of[k].formula, p->args.groups);
    gr_program_free(p);
  }
}

static void refused(const char *formula, const char *says) {
  test t = {.formula = formula, .aliases = {"x=Vi(1)", "y=Vj(3)", "p=Pm(1)", "q=Pm(2)"}, .axis = 1};
  gr_program *p = NULL;
  gr_error err = {0};
  check(make(&t, &p, &err) == GR_PARSE, "%s: class %d", formula, (int)err.cls);
  check_says(err.message, says, __LINE__);
  check_says(err.message, "^", __LINE__);
  gr_program_free(p);
  gr_error_clear(&err);
}

static void wrong_formulas(void) {
  refused("x*IndexI(1)", "`IndexI` takes 0 arguments, found 1\n  x*IndexI(1)\n    ^");
  refused("IndexJ(x)", "`IndexJ` takes 0 arguments, found 1");
  refused("IndexDiff(0)+x", "`IndexDiff` takes 0 arguments, found 1");
  refused("IndexI+x", "`IndexI` is an operation");
  refused("x+Rand()", "`Rand` takes 1 argument, found 0");
  refused("Rand(1,2)", "`Rand` takes 1 argument, found 2");
  refused("Rand", "`Rand` is an operation");
  for (int k = 0; k < 8; k++) {
    static const char *const seeds[] = {"x+Rand(x)",  "Rand(p*y[0])",      "Rand(1.5)",  "Rand(q)",
                                        "Rand([1])", "Rand(IndexI())", "Rand(5e9)", "Rand(Rand(1))"};
    refused(seeds[k], "the seed of `Rand` must be an integer of 32 bits, or an expression");
  }
  refused("Indexx()", "unknown operation `Indexx`");
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  device = stand_in(argv[0]);
  wrong_formulas();
  graphs();
  origins();
  every_value();
  few_rows();
  without_variables();
  seeds();
  far_away();
  pairs_have_no_place();
  every_reduction();
  if (device) device->shutdown();
  return report();
}
