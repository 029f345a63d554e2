/* test_mij.c: variables of pairs.  Every reduction over every axis in both precisions gives what
 * the same formula gives whose array is a product of variables of rows and columns; sums are also
 * compared with plain loops.  Arrays end where memory ends, and numbers between their columns are
 * NaN, so that nothing else is read. */
#include "check.h"

/* ---- arguments ---- */

/* c = a * b, component by component, with the same numbers: small integers, so that the product is
 * exact. */
typedef struct pair_case {
  const char *with, *with2;       /* formula and weight (which is not negative), of c y x */
  const char *without, *without2; /* the same of a b y x */
  int dim, wide;                  /* of c; of y */
} pair_case;

static const pair_case cases[] = {
    {"c", "Abs(c)", "a*b", "Abs(a*b)", 1, 1},
    {"Exp(-0.25*c)*y+x", "Square(c*y)", "Exp(-0.25*a*b)*y+x", "Square(a*b*y)", 1, 1},
    {"c*y", "c*c*Square(y)", "a*b*y", "a*b*a*b*Square(y)", 1, 20},
    {"c+y", "Abs(c*y)", "a*b+y", "Abs(a*b*y)", 3, 3},
    {"c*y+c", "Abs(c-y)", "a*b*y+a*b", "Abs(a*b-y)", 12, 12},
    {"Sum(c*y)", "c*c", "Sum(a*b*y)", "a*b*a*b", 12, 12},
    {"0.01*SqDist(c,y)", "Square(Concat(y,c))", "0.01*SqDist(a*b,y)", "Square(Concat(y,a*b))", 12, 12},
    {"MatVecMult(c,y)", "Abs(Elem(c,7))", "MatVecMult(a*b,y)", "Abs(Elem(a*b,7))", 12, 4},
    {"Elem(c,1)*x", "Abs(Extract(c,1,2))", "Elem(a*b,1)*x", "Abs(Extract(a*b,1,2))", 3, 1},
    {"SqDist(y,x)+c", "c*c", "SqDist(y,x)+a*b", "a*b*a*b", 1, 6},
};
/* Products of many factors near 1. */
static const pair_case near_one = {"1+0.001*c*y", NULL, "1+0.001*(a*b)*y", NULL, 1, 2};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct arrays {
  guarded memory;
  gr_array c, a, b, y, x;
  int64_t m, n;
} arrays;

static double small_integer(void) { return floor(uniform(-4, 5)); }

static gr_array matrix(int64_t rows, int cols, double (*number)(void)) {
  double *v = malloc(sizeof *v * (size_t)(rows * cols + 1));
  for (int64_t k = 0; k < rows * cols; k++) v[k] = number();
  return (gr_array){.data = v, .rows = rows, .cols = cols, .stride = rows};
}

static double half_integer(void) { return small_integer() / 2; }

/* The product, whose last column ends where memory ends. */
static void make_product(arrays *s, int dim, int64_t gap) {
  int64_t stride = s->m + gap, cols = s->n * dim;
  size_t numbers = (size_t)(cols > 0 ? stride * cols - gap : 0);
  s->memory = guarded_new(numbers * sizeof(double) + 8);
  double *v = (double *)(void *)s->memory.end - numbers;
  for (size_t k = 0; k < numbers; k++) v[k] = NAN;
  for (int k = 0; k < dim; k++)
    for (int64_t j = 0; j < s->n; j++)
      for (int64_t i = 0; i < s->m; i++)
        v[i + stride * (j + s->n * k)] = s->a.data[i + k * s->m] * s->b.data[j + k * s->n];
  s->c = (gr_array){.data = v, .rows = s->m, .cols = cols, .stride = stride};
}

static arrays make_arrays(const pair_case *c, int64_t m, int64_t n, int64_t gap) {
  arrays s = {.m = m, .n = n};
  s.a = matrix(m, c->dim, small_integer);
  s.b = matrix(n, c->dim, small_integer);
  s.y = matrix(n, c->wide, half_integer);
  s.x = matrix(m, 1, half_integer);
  make_product(&s, c->dim, gap);
  return s;
}

static void free_arrays(arrays *s) {
  const double *own[] = {s->a.data, s->b.data, s->y.data, s->x.data};
  for (int k = 0; k < 4; k++) free((void *)own[k]);
  guarded_free(&s->memory);
}

/* ---- the two programs ---- */

static gr_class pair_program(const pair_case *c, bool with, const char *reduction, int axis, bool f64,
                             gr_program **p, gr_error *err) {
  char alias[4][32];
  int red = gr_red_find(reduction), n = 0;
  if (with) snprintf(alias[n++], sizeof *alias, "c = Mij(%d)", c->dim);
  if (!with) snprintf(alias[n++], sizeof *alias, "a = Vi(%d)", c->dim);
  if (!with) snprintf(alias[n++], sizeof *alias, "b = Vj(%d)", c->dim);
  snprintf(alias[n++], sizeof *alias, "y = Vj(%d)", c->wide);
  snprintf(alias[n++], sizeof *alias, "x = Vi(1)");
  test t = {.formula = with ? c->with : c->without, .reduction = reduction, .axis = axis, .f64 = f64};
  if (gr_reds[red].weight != NEED_N) t.formula2 = with ? c->with2 : c->without2;
  if (gr_reds[red].needs_k) t.k = 3;
  for (int k = 0; k < n; k++) t.aliases[k] = alias[k];
  return make(&t, p, err);
}

static int arguments(const arrays *s, bool with, gr_array *args) {
  int n = 0;
  if (with) args[n++] = s->c;
  if (!with) args[n++] = s->a, args[n++] = s->b;
  args[n++] = s->y, args[n++] = s->x;
  return n;
}

/* ---- ways to run ---- */

typedef enum way { WHOLE, RANGES, PARTIAL, WAYS } way;

/* A third of the rows with two intervals of columns, the next with one, the others with none. */
static gr_class run_ranges(gr_program *p, const gr_array *args, int n, int64_t rows, int64_t cols,
                           const gr_output *out, const gr_options *o, gr_error *err) {
  gr_report rep;
  const gr_interval blocks[] = {{0, rows / 3}, {rows / 3, 2 * rows / 3}},
                    columns[] = {{cols / 5, cols / 2}, {cols - cols / 3, cols}, {1 < cols, cols}};
  const int64_t ends[] = {2, 3};
  const gr_ranges ranges = {blocks, ends, 2, columns, 3};
  return gr_program_run_ranges(p, args, n, &ranges, out, o, &rep, err);
}

/* Two halves of the columns, each a list of intervals, merged. */
static gr_class run_partial(gr_program *p, const gr_array *args, int n, int64_t cols,
                            const gr_output *out, const gr_options *o, gr_error *err) {
  gr_report rep;
  int64_t size, cut = cols / 3;
  const gr_interval first[] = {{0, cut}}, rest[] = {{cut, cols - cols / 4}, {cols - cols / 4, cols}};
  if (gr_states_size(p, args, n, &size, err) != GR_OK) return err->cls;
  double *a = malloc(sizeof *a * (size_t)size), *b = malloc(sizeof *b * (size_t)size);
  if (gr_program_partial(p, args, n, rest, 2, a, size, o, &rep, err) == GR_OK &&
      gr_program_partial(p, args, n, first, 1, b, size, o, &rep, err) == GR_OK &&
      gr_states_merge(p, a, size, b, size, err) == GR_OK)
    gr_states_finish(p, a, size, out, err);
  free(a), free(b);
  return err->cls;
}

static result run_way(gr_program *p, const gr_array *args, int n, way how, const gr_options *o) {
  gr_result_info info = gr_program_result(p);
  gr_error err = {0};
  gr_report rep;
  result r = {.rows = 0};
  int64_t rows, cols;
  gr_output out[2];
  check(gr_check_call(p, args, n, &rows, &cols, &err) == GR_OK, "%s", err.message);
  r.rows = info.axis == 2 ? 1 : rows;
  r.size = r.rows * info.dim * (info.k ? info.k : 1);
  for (int k = 0; k < info.n; k++) {
    r.v[k] = calloc((size_t)r.size + 1, sizeof(double));
    out[k] = (gr_output){.data = r.v[k]};
  }
  if (how == WHOLE) gr_program_run(p, args, n, out, o, &rep, &err);
  if (how == RANGES) run_ranges(p, args, n, rows, cols, out, o, &err);
  if (how == PARTIAL) run_partial(p, args, n, cols, out, o, &err);
  check(err.cls == GR_OK, "%s\n%s", err.message, err.log ? err.log : "");
  gr_error_clear(&err);
  return r;
}

/* ---- all reductions ---- */

static double allowed(const gr_program *p, int k, bool f64) {
  if (gr_program_result(p).is_index[k]) return 0;
  bool product = gr_reds[gr_red_find(gr_program_result(p).reduction)].family == FAM_Product;
  return f64 ? 1e-12 : product ? 2e-4 : 1e-5;
}

static void compare(const gr_program *p, const result *r, const result *right, bool f64, const char *what) {
  for (int k = 0; k < gr_program_result(p).n; k++) {
    double d = difference(r->v[k], right->v[k], r->size);
    check(d <= allowed(p, k, f64), "%s: result %d differs by %g", what, k, d);
  }
}

/* Few rows take the plan with columns in lanes. */
static void try_call(gr_program *with, gr_program *without, const pair_case *c, bool f64, int64_t m, int64_t n,
                     const char *name) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU};
  gr_array args[4], others[5];
  arrays s = make_arrays(c, m, n, m % 3);
  int k = arguments(&s, true, args), l = arguments(&s, false, others);
  char what[400];
  for (way how = WHOLE; how < WAYS; how++) {
    gr_options slow = options(GR_INTERPRETER, 1);
    result right = run_way(without, others, l, how, &slow);
    for (int b = 0; b < 2; b++) {
      gr_options o = options(backends[b], 2);
      if (f64) o.cflags = "-O1";
      result r = run_way(with, args, k, how, &o);
      snprintf(what, sizeof what, "%s(%s) axis %d %s %dx%d backend %d way %d", name, c->with,
               gr_program_result(with).axis, f64 ? "float64" : "float32", (int)m, (int)n, (int)backends[b], (int)how);
      compare(with, &r, &right, f64, what);
      free_result(&r);
    }
    free_result(&right);
  }
  free_arrays(&s);
}

static void try_case(const pair_case *c, const char *reduction, int axis, bool f64) {
  static const int64_t sizes[][2] = {{1, 1}, {17, 33}, {70, 301}, {5, 5003}, {1, 4100}, {600, 23}};
  gr_program *with = NULL, *without = NULL;
  gr_error err = {0};
  gr_class cls = pair_program(c, true, reduction, axis, f64, &with, &err);
  gr_class other = pair_program(c, false, reduction, axis, f64, &without, &err);
  check(cls == other, "%s of %s: %s", reduction, c->with, err.message);
  for (size_t k = 0; cls == GR_OK && other == GR_OK && k < sizeof sizes / sizeof *sizes; k++) {
    bool turned = axis == 0;
    try_call(with, without, c, f64, sizes[k][turned], sizes[k][!turned], reduction);
  }
  gr_program_free(with);
  gr_program_free(without);
  gr_error_clear(&err);
}

static void all_reductions(void) {
  for (int red = 0, k = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis < 3; axis++)
      for (int f64 = 0; f64 < 2; f64++, k++) {
        bool product = gr_reds[red].family == FAM_Product;
        try_case(product ? &near_one : &cases[k % CASES], gr_reds[red].name, axis, f64);
      }
}

static void all_cases(void) {
  static const char *const reductions[] = {"Sum", "KMin_ArgKMin", "SumSoftMaxWeight"};
  for (int c = 0; c < CASES; c++)
    for (int k = 0; k < 3; k++)
      for (int axis = 0; axis < 2; axis++) try_case(&cases[c], reductions[k], axis, (c + k + axis) % 2);
}

/* ---- plain loops ---- */

static void sums(int axis, bool f64) {
  enum { M = 37, N = 530, D = 2 };
  test t = {.formula = "c*y", .aliases = {"c = Mij(2)", "y = Vj(1)"}, .axis = axis, .f64 = f64};
  gr_error err = {0};
  gr_program *p;
  double right[D * (N + M)] = {0};
  int64_t rows = axis ? M : N;
  pair_case like = {.dim = D, .wide = 1};
  arrays s = make_arrays(&like, M, N, 5);
  gr_array args[] = {s.c, s.y};
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  for (int k = 0; k < D; k++)
    for (int j = 0; j < N; j++)
      for (int i = 0; i < M; i++)
        right[(axis ? i : j) + k * rows] += s.c.data[i + s.c.stride * (j + N * k)] * s.y.data[j];
  for (int b = 0; b < 2; b++) {
    gr_options o = options(b ? GR_CPU : GR_INTERPRETER, 1);
    result r;
    check(run(p, args, &o, &r, &err) == GR_OK, "%s", err.message);
    check(difference(r.v[0], right, D * rows) <= (f64 ? 1e-14 : 1e-6), "sum over axis %d", axis);
    free_result(&r);
  }
  free_arrays(&s);
  gr_program_free(p);
}

/* The interpreter's gradient by c of (Sum(c^3 y), e): no reduction but Sum is needed to see what
 * Grad makes of a variable of pairs. */
static void gradient_inside(void) {
  const char *const formulas[][2] = {{"Grad(c*c*y,c,x)", "2*c*y*x"},
                                     {"Grad(Sum(Exp(c)*y),c,x)", "Exp(c)*y*x"},
                                     {"Diff(c*c,c,x)", "2*c*x"},
                                     {"Laplacian(SqNorm2(c),c)", "2*1+0*c"}};
  for (int k = 0; k < 4; k++) {
    result r[2];
    gr_error err = {0};
    pair_case like = {.dim = 1, .wide = 1};
    arrays s = make_arrays(&like, 19, 40, 0);
    gr_array args[] = {s.c, s.y, s.x};
    for (int side = 0; side < 2; side++) {
      gr_program *p;
      gr_options o = options(GR_CPU, 1);
      test t = {.formula = formulas[k][side], .aliases = {"c = Mij(1)", "y = Vj(1)", "x = Vi(1)"}, .axis = 1, .f64 = true};
      check(make(&t, &p, &err) == GR_OK && run(p, args, &o, &r[side], &err) == GR_OK, "%s", err.message);
      gr_program_free(p);
    }
    check(difference(r[0].v[0], r[1].v[0], r[0].size) < 1e-13, "%s", formulas[k][0]);
    free_result(&r[0]), free_result(&r[1]);
    free_arrays(&s);
  }
}

/* ---- mistakes ---- */

static void refused(const char *formula, const char *alias, const gr_array *c, const gr_array *y, gr_class cls,
                    const char *part) {
  gr_error err = {0};
  gr_program *p = NULL;
  gr_options o = options(GR_CPU, 1);
  result r = {.rows = 0};
  test t = {.formula = formula, .aliases = {alias, "y = Vj(1)"}, .axis = 1, .f64 = true};
  gr_class got = make(&t, &p, &err);
  if (got == GR_OK) {
    gr_array args[] = {*c, *y};
    got = run(p, args, &o, &r, &err);
    free_result(&r);
  }
  check(got == cls, "%s: class %d", formula, (int)got);
  CHECK_SAYS(err.message, part);
  gr_program_free(p);
  gr_error_clear(&err);
}

static void mistakes(void) {
  static const double v[64];
  const gr_array y = {.data = v, .rows = 4, .cols = 1, .stride = 4}, none = {.data = v, .cols = 1};
  gr_array c = {.data = v, .rows = 3, .cols = 5, .stride = 3};
  refused("c*y", "c = Mij(1)", &c, &y, GR_ARGUMENT, "both indexed by j but have 5 columns and 4 rows");
  c.cols = 4, c.stride = 2;
  refused("c*y", "c = Mij(1)", &c, &y, GR_ARGUMENT, "a stride of 2 does not fit 3 rows and 4 columns");
  c.stride = 3;
  refused("c*y", "c = Mij(3)", &c, &y, GR_ARGUMENT, "a multiple of 3: it has 4");
  c.data = NULL;
  refused("c*y", "c = Mij(1)", &c, &y, GR_ARGUMENT, "must not be NULL");
  c.data = v, c.rows = -1;
  refused("c*y", "c = Mij(1)", &c, &y, GR_ARGUMENT, "cannot have -1 rows");
  c.rows = 1, c.cols = (int64_t)1 << 40, c.stride = 1;
  refused("c*y", "c = Mij(1)", &c, &none, GR_ARGUMENT, "1099511627776 columns; the limit is");
  refused("c", "c = Mij(0)", &c, &y, GR_DIMENSION, "must be between 1");
  refused("c", "c = Mij(1,2,3)", &c, &y, GR_PARSE, "found `Mij`");
  refused("Mij(2)", "c = Mij(1)", &c, &y, GR_PARSE, "2 arguments (position, dim)");
  refused("Var(0,1,4)", "c = Mij(1)", &c, &y, GR_PARSE, "3 (pairs), not 4");
  refused("Vi(0,1)", "c = Mij(1)", &c, &y, GR_PARSE, "position 0 is used by two different arguments");
}

/* No rows, no columns; an array that no formula reads still says how many there are. */
static void edges(void) {
  double out[4] = {7, 7, 7, 7}, v[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const struct {
    const char *formula;
    int64_t m, n;
    double right;
  } try[] = {{"c", 2, 0, 0}, {"c", 0, 2, 7}, {"1", 2, 4, 4}, {"Mij(0,1)", 1, 8, 36}, {"Var(0,1,3)", 1, 8, 36}};
  for (size_t k = 0; k < sizeof try / sizeof *try; k++)
    for (int b = 0; b < 2; b++) {
      gr_error err = {0};
      gr_report rep;
      gr_program *p;
      gr_options o = options(b ? GR_CPU : GR_INTERPRETER, 1);
      test t = {.formula = try[k].formula, .aliases = {"c = Mij(1)"}, .axis = 1, .f64 = true};
      const gr_array c = {.data = v, .rows = try[k].m, .cols = try[k].n, .stride = try[k].m};
      const gr_output to = {.data = out};
      out[0] = 7;
      check(make(&t, &p, &err) == GR_OK && gr_program_run(p, &c, 1, &to, &o, &rep, &err) == GR_OK, "%s", err.message);
      check(out[0] == try[k].right, "%s: %g", try[k].formula, out[0]);
      gr_program_free(p);
    }
}

/* Until kernels for GPUs read arrays of pairs, they say so. */
static void on_a_gpu(void) {
  static const double v[4];
  const gr_array y = {.data = v, .rows = 2, .cols = 1, .stride = 2}, c = {.data = v, .rows = 2, .cols = 2, .stride = 2};
  const gr_array args[] = {c, y};
  gr_error err = {0};
  gr_program *p;
  result r;
  char *text = NULL;
  test t = {.formula = "c*y", .aliases = {"c = Mij(1)", "y = Vj(1)"}, .axis = 1};
  gr_options o = options(GR_GPU, 1);
  check(make(&t, &p, &err) == GR_OK, "%s", err.message);
  CHECK(run(p, args, &o, &r, &err) == GR_CUDA);
  CHECK_SAYS(err.message, "arrays of pairs (Mij) are not read on a GPU");
  free_result(&r);
  gr_error_clear(&err);
  CHECK(gr_program_dump(p, "cuda", &text, &err) == GR_CUDA);
  gr_error_clear(&err);
  gr_program_free(p);
}

int main(void) {
  for (int axis = 0; axis < 2; axis++)
    for (int f64 = 0; f64 < 2; f64++) sums(axis, f64);
  gradient_inside();
  mistakes();
  edges();
  on_a_gpu();
  all_cases();
  all_reductions();
  return report();
}
