/* test_selection.c: the K best values and their indices against a sort: ties, NaN, infinities, few
 * columns, every order of the columns.
 *
 * All values are small integers or infinite, so that every precision and both backends must give
 * the same bits. */
#include "check.h"

/* The value of column j of n.  The formula is x * round(y), where round(y) is computed once per
 * column; rows with different signs have different orders, and 0 * Inf is NaN. */
static double ties(int64_t j, int64_t n) { return (void)j, (void)n, floor(uniform(-4, 4)); }
static double any_order(int64_t j, int64_t n) { return (void)j, (void)n, floor(uniform(-4000, 4000)); }
static double ascending(int64_t j, int64_t n) { return (void)n, (double)j; }
static double descending(int64_t j, int64_t n) { return (double)(n - j); }
static double equal(int64_t j, int64_t n) { return (void)j, (void)n, 3; }
static double often_nan(int64_t j, int64_t n) { return (void)j, (void)n, uniform(0, 1) < 0.7 ? NAN : floor(uniform(-40, 40)); }
static double all_nan(int64_t j, int64_t n) { return (void)j, (void)n, NAN; }
static double often_infinite(int64_t j, int64_t n) {
  double u = uniform(0, 4);
  return (void)j, (void)n, u < 1 ? INFINITY : u < 2 ? -INFINITY : u < 3 ? NAN : floor(8 * u);
}
static double all_infinite(int64_t j, int64_t n) { return (void)j, (void)n, INFINITY; }
static double infinite_at_last(int64_t j, int64_t n) { return j < n / 2 ? INFINITY : j < 3 * n / 4 ? NAN : floor(uniform(-9, 9)); }
static double finite_at_first(int64_t j, int64_t n) { return j < 5 ? (double)(n - j) : INFINITY; }

static double (*const column[])(int64_t, int64_t) = {ties, any_order, ascending, descending, equal, often_nan, all_nan,
                                                     often_infinite, all_infinite, infinite_at_last, finite_at_first};
enum { NCOLUMN = sizeof column / sizeof *column };

typedef struct entry {
  double value;
  int64_t index;
} entry;

static double direction;

static int by_rank(const void *a, const void *b) {
  const entry *x = a, *y = b;
  double d = direction * x->value < direction * y->value ? -1 : direction * x->value > direction * y->value;
  return d != 0 ? (int)d : x->index < y->index ? -1 : 1;
}

/* Component d of row i by a sort, compared with what was computed. */
static bool right(const test *t, const gr_array *args, const result *r, int64_t i, int64_t d, int64_t k, entry *all) {
  int64_t n = 0;
  const gr_array *x = &args[0], *y = &args[1];
  for (int64_t j = 0; j < t->n; j++) {
    double f = x->data[i + d * x->stride] * y->data[j + d * y->stride];
    if (f == f) all[n++] = (entry){f, j};
  }
  qsort(all, (size_t)n, sizeof *all, by_rank);
  for (int64_t e = 0; e < k; e++) {
    int64_t at = i + t->m * (d * k + e);
    if (r->v[0][at] != (e < n ? all[e].value : direction * INFINITY) || r->v[1][at] != (double)(e < n ? all[e].index : -1)) return false;
  }
  return true;
}

static void compare(const test *t, gr_program *p, const gr_array *args, int64_t dim, int64_t k, const char *what, int which) {
  static const gr_backend backends[] = {GR_CPU, GR_INTERPRETER};
  entry *all = malloc(sizeof *all * (size_t)(t->n + 1));
  for (int b = 0; b < 2; b++) {
    gr_error err = {0};
    gr_options o = options(backends[b], 2);
    if (t->f64) o.cflags = "-O1"; /* double precision with options that compile fast */
    result r;
    int64_t wrong = 0;
    if (!check(run(p, args, &o, &r, &err) == GR_OK, "%s", err.message)) break;
    for (int64_t i = 0; i < t->m; i++)
      for (int64_t d = 0; d < dim; d++) wrong += !right(t, args, &r, i, d, k, all);
    check(wrong == 0, "%s, K = %d, columns %d: %d lists are wrong (%s)", describe(t), (int)k, which, (int)wrong, what);
    free_result(&r);
  }
  free(all);
}

static void fill(const test *t, gr_array *args, int64_t dim, int which) {
  double *x = (double *)args[0].data, *y = (double *)args[1].data;
  for (int64_t e = 0; e < t->m * dim; e++) x[e] = e % 5 == 4 ? 0 : e % 5 == 2 ? -1 : (double)(e % 5 + 1);
  for (int64_t e = 0; e < t->n * dim; e++) y[e] = column[which](e % t->n, t->n);
}

/* All kinds of columns, in numbers around K, a group, a vector, a tile. */
static void lists(int k, int dim, bool smallest, bool f64) {
  char xs[16], ys[16];
  snprintf(xs, sizeof xs, "x=Vi(%d)", dim);
  snprintf(ys, sizeof ys, "y=Vj(%d)", dim);
  test t = {.formula = "x*Round(y,0)", .aliases = {xs, ys}, .axis = 1, .f64 = f64, .k = k};
  t.reduction = k ? (smallest ? "KMin_ArgKMin" : "KMax_ArgKMax") : smallest ? "Min_ArgMin" : "Max_ArgMax";
  direction = smallest ? 1 : -1;
  gr_program *p;
  gr_error err = {0};
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", describe(&t), err.message)) return;
  int64_t K = k ? k : 1, sizes[][2] = {{19, 1}, {5, K > 1 ? K - 1 : 2}, {5, K}, {5, K + 1}, {19, 13}, {9, 2 * K + 77}, {21, 1100}, {2, 4096 + 1003}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int which = 0; which < NCOLUMN; which++) {
      if (sizes[s][1] > 1000 && dim > 1 && which % 4) continue;
      gr_array args[2];
      t.m = sizes[s][0], t.n = sizes[s][1];
      make_args(p, &t, args);
      fill(&t, args, dim, which);
      compare(&t, p, args, dim, K, "against a sort", which);
      free_args(p, args);
    }
  gr_program_free(p);
}

/* The state goes on from chunk to chunk and from part to part: enough columns for several of
 * each. */
static void many_columns(int k, bool f64) {
  static const int64_t rows[] = {2, 20};
  direction = 1;
  for (int s = 0; s < 2; s++)
    for (int which = 0; which < 4; which += 3) {
      test t = {.formula = "x*Round(y,0)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .f64 = f64, .k = k,
                .reduction = k ? "KMin_ArgKMin" : "Min_ArgMin", .m = rows[s], .n = 30011};
      gr_program *p;
      gr_error err = {0};
      gr_array args[2];
      if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", describe(&t), err.message)) return;
      make_args(p, &t, args);
      fill(&t, args, 1, which);
      compare(&t, p, args, 1, k ? k : 1, "many columns", which);
      free_args(p, args);
      gr_program_free(p);
    }
}

/* The other axis, through a contraction: squared distances of integer points. */
static void other_axis(int k, bool f64) {
  test t = {.formula = "SqDist(x,y)", .aliases = {"x=Vj(20)", "y=Vi(20)"}, .axis = 0, .f64 = f64, .k = k, .reduction = "KMin_ArgKMin",
            .m = 1234, .n = 21};
  gr_program *p;
  gr_error err = {0};
  gr_array args[2];
  result r[2];
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", describe(&t), err.message)) return;
  make_args(p, &t, args);
  for (int a = 0; a < 2; a++)
    for (int64_t e = 0; e < args[a].rows * 20; e++) ((double *)args[a].data)[e] = floor(args[a].data[e]);
  for (int b = 0; b < 2; b++) {
    gr_options o = options(b ? GR_INTERPRETER : GR_CPU, 1);
    check(run(p, args, &o, &r[b], &err) == GR_OK, "%s", err.message);
  }
  for (int v = 0; v < 2; v++)
    check(memcmp(r[0].v[v], r[1].v[v], sizeof(double) * (size_t)r[0].size) == 0, "%s: result %d", describe(&t), v);
  free_result(&r[0]);
  free_result(&r[1]);
  free_args(p, args);
  gr_program_free(p);
}

int main(void) {
  static const int ks[] = {0, 1, 2, 10, 37, 100, 300};
  own_folder();
  for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
    for (int f64 = 0; f64 < 2; f64++) {
      lists(ks[i], 1, true, f64);
      lists(ks[i], i % 2 ? 2 : 3, false, f64);
      if (ks[i] % 10 == 0 && ks[i] <= 100) many_columns(ks[i], f64);
    }
  lists(0, 12, true, false);
  lists(3, 12, false, true);
  lists(40, 12, true, false);
  lists(32, 1, true, false);
  lists(1024, 1, true, false);
  for (int f64 = 0; f64 < 2; f64++) {
    other_axis(10, f64);
    other_axis(50, f64);
  }
  return report();
}
