/* test_origin.c: data far from 0 in single precision.  Where a formula reads some variables only
 * through their differences, a common origin is subtracted first (graph/invariance.c,
 * run/origin.c).  Interpreter, kernels and the stand-in for a GPU against long double. */
#include <math.h>

#include "check.h"

/* ---- which variables form a group ---- */

typedef struct grouping {
  const char *formula, *aliases[5], *groups; /* a letter for each argument, - for none */
} grouping;

static const grouping groupings[] = {
    {"SqDist(x,y)", {"x=Vi(3)", "y=Vj(3)"}, "aa"},
    {"Exp(-SqDist(x,y)*g)*b", {"x=Vi(3)", "y=Vj(3)", "g=Pm(1)", "b=Vj(1)"}, "aa--"},
    {"Exp(-SqDist(x/s,y/s))", {"x=Vi(3)", "y=Vj(3)", "s=Pm(3)"}, "aa-"},
    {"Exp(-SqDist(s*x,y*s))", {"x=Vi(3)", "y=Vj(3)", "s=Pm(1)"}, "aa-"},
    {"Norm2(MatVecMult(A,x)-MatVecMult(A,y))", {"x=Vi(2)", "y=Vj(2)", "A=Pm(4)"}, "aa-"},
    {"WeightedSqDist(s,x,y)", {"x=Vi(2)", "y=Vj(2)", "s=Pm(4)"}, "aa-"},
    {"Grad(Exp(-SqDist(x,y)),x,e)", {"x=Vi(3)", "y=Vj(3)", "e=Vi(1)"}, "aa-"},
    {"Grad(Grad(Exp(-SqDist(x,y)),x,e),y,f)", {"x=Vi(2)", "y=Vj(2)", "e=Vi(1)", "f=Vj(2)"}, "aa--"},
    {"Abs(x[0]-y[0])+Square(y[2]-x[2])", {"x=Vi(3)", "y=Vj(3)"}, "aa"},
    {"Sum(x)-Sum(y)", {"x=Vi(3)", "y=Vj(3)"}, "aa"},
    {"IfElse(x-y,x-p,p-y)", {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, "aaa"},
    {"Square((x+p)-y)", {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, "aa-"},
    {"Square((x-p)-y)", {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, "aa-"},
    {"(x<y)*Exp(y-x)", {"x=Vi(1)", "y=Vj(1)"}, "aa"},
    {"SqDist(x,y)+SqDist(u,v)", {"x=Vi(2)", "y=Vj(2)", "u=Vi(2)", "v=Vj(2)"}, "aabb"},
    {"SqDist(Concat(x,u),Concat(y,v))", {"x=Vi(2)", "y=Vj(2)", "u=Vi(1)", "v=Vj(1)"}, "aa--"},
    {"Exp(-SqDist(x,y))*(b*x[0]-p)", {"x=Vi(3)", "y=Vj(3)", "b=Vj(12)", "p=Pm(12)"}, "----"},
    {"Exp(-SqDist(x,y))*(b-p)", {"x=Vi(3)", "y=Vj(3)", "b=Vj(12)", "p=Pm(12)"}, "aabb"},
    {"SqNorm2(x-y+0*b)", {"x=Vi(2)", "y=Vj(2)", "b=Vj(2)"}, "aa-"},
    {"Square(-x+y)", {"x=Vi(3)", "y=Vj(3)"}, "aa"},
    {"Exp(-SqDist(-x,-y))", {"x=Vi(3)", "y=Vj(3)"}, "aa"},
    {"Square(-1*y+x)+Square((-1*x)-(-1*y))", {"x=Vi(3)", "y=Vj(3)"}, "aa"},
    {"Square(1-y+x)", {"x=Vi(3)", "y=Vj(3)"}, "aa"},
    {"Square(x+b-(y+b))", {"x=Vi(3)", "y=Vj(3)", "b=Vj(3)"}, "aa-"},
    /* no group: the position itself matters */
    {"Square(-x-y)", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"(x|y)", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"SqNorm2(x)+SqNorm2(y)-2*(x|y)", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"SqDist(x,y)*x[0]", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"SqDist(x,y)*y", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"Exp(-SqDist(x,y)/(x[0]*y[0]))", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"SqDist(2*x,y)", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"SqDist(x+y,y)", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"Max(x)-Max(y)", {"x=Vi(3)", "y=Vj(3)"}, "--"},
    {"SqDist(b*x,c*y)", {"x=Vi(3)", "y=Vj(3)", "b=Vi(1)", "c=Vj(1)"}, "----"},
    {"Round(x-y,1)+Floor(x)", {"x=Vi(1)", "y=Vj(1)"}, "--"}};

/* Very many variables, each in its own difference: the search for groups gives up in time, and the
 * formula is unchanged. */
static void test_many(void) {
  enum { CHAINS = 200, N = 4 * CHAINS };
  static char formula[1 << 16], text[N][24];
  static const char *aliases[N];
  size_t n = 0;
  for (int c = 0; c < 2; c++) {
    for (int k = 0; k < CHAINS; k++) n += (size_t)snprintf(formula + n, sizeof formula - n, "%s(", c && !k ? "+" : "");
    n += (size_t)snprintf(formula + n, sizeof formula - n, "x0");
    for (int k = 0; k < CHAINS; k++)
      n += (size_t)snprintf(formula + n, sizeof formula - n, "*%d.5+x%d-y%d)", k % 7, c * CHAINS + k, c * CHAINS + k);
  }
  for (int k = 0; k < N; k++) {
    snprintf(text[k], sizeof text[k], "%s%d=%s(1)", k % 2 ? "y" : "x", k / 2, k % 2 ? "Vj" : "Vi");
    aliases[k] = text[k];
  }
  for (int f64 = 0; f64 < 2; f64++) {
    gr_spec spec = {.formula = formula, .aliases = aliases, .n_aliases = N, .axis = 1, .dtype = f64 ? "float64" : "float32", .dtype_acc = "auto",
                    .sum_scheme = "auto"};
    gr_program *p;
    gr_error err = {0};
    double start = own_seconds();
    check(gr_program_new(&spec, &p, &err) == GR_OK, "%d variables: %s", N, err.message);
    check(own_seconds() - start < 5, "%d variables: %g s", N, own_seconds() - start);
    gr_program_free(p);
  }
}

static void test_groups(void) {
  for (size_t k = 0; k < sizeof groupings / sizeof *groupings; k++) {
    const grouping *g = &groupings[k];
    test t = {.formula = g->formula, .axis = 1};
    gr_program *p;
    gr_error err = {0};
    memcpy(t.aliases, g->aliases, sizeof g->aliases);
    if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", g->formula, err.message)) continue;
    for (int i = 0; i < p->args.n; i++) {
      int want = g->groups[i] == '-' ? -1 : g->groups[i] - 'a';
      check(p->args.arg[i].group == want, "%s: %s is in group %d, not %d", g->formula, p->args.arg[i].name, p->args.arg[i].group, want);
    }
    gr_program_free(p);
    t.f64 = true;
    if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", g->formula, err.message)) continue;
    check(p->args.groups == 0, "%s: double precision needs no origin", g->formula);
    gr_program_free(p);
  }
}

/* ---- results ---- */

/* Data around `at`, of width `spread`, on a grid of 2^-20 of the width: differences are exact in
 * double. */
static void fill(double *x, int64_t rows, int cols, double at, double spread) {
  for (int64_t i = 0; i < rows * cols; i++) x[i] = at * (double)(1 + i / rows) + spread * round(uniform(-0.5, 0.5) * 1048576) / 1048576;
}

typedef long double reference(const double *x, int64_t m, const double *y, int64_t n, int64_t i, int64_t j, double s);

static long double sqdist(const double *x, int64_t m, const double *y, int64_t n, int64_t i, int64_t j, double s) {
  long double sum = 0;
  for (int k = 0; k < 3; k++) sum += ((long double)x[i + k * m] - y[j + k * n]) * ((long double)x[i + k * m] - y[j + k * n]);
  return sum / ((long double)s * s);
}

static long double gaussian(const double *x, int64_t m, const double *y, int64_t n, int64_t i, int64_t j, double s) {
  return expl(-sqdist(x, m, y, n, i, j, s));
}

static long double slope(const double *x, int64_t m, const double *y, int64_t n, int64_t i, int64_t j, double s) {
  return -2 * ((long double)x[i] - y[j]) / ((long double)s * s) * gaussian(x, m, y, n, i, j, s);
}

static const struct {
  const char *formula;
  reference *f;
} sums[] = {{"SqDist(x,y)/Square(s)", sqdist},
            {"Exp(-SqDist(x,y)/Square(s))", gaussian},
            {"Exp(-SqDist(x/s,y/s))", gaussian},
            {"Elem(Grad(Exp(-SqDist(x,y)/Square(s)),x,IntCst(1)),0)", slope},
            {"Exp(-SqNorm2(Concat(x,x)-Concat(y,y))/(2*Square(s)))", gaussian}};

typedef struct place {
  double at, spread, tolerance; /* of the result, relative to the largest */
} place;

static void test_sum(size_t which, place at, int64_t m, int64_t n, gr_backend backend, int threads) {
  test t = {.formula = sums[which].formula, .aliases = {"x=Vi(3)", "y=Vj(3)", "s=Pm(1)"}, .axis = 1};
  double *x = malloc(sizeof *x * (size_t)(3 * m)), *y = malloc(sizeof *y * (size_t)(3 * n)), s = at.spread, scale = 0, worst = 0;
  gr_array args[] = {{.data = x, .rows = m, .cols = 3, .stride = m}, {.data = y, .rows = n, .cols = 3, .stride = n},
                     {.data = &s, .rows = 1, .cols = 1, .stride = 1}};
  gr_options opt = options(backend, threads);
  gr_program *p;
  gr_error err = {0};
  result r;
  fill(x, m, 3, at.at, at.spread);
  fill(y, n, 3, at.at, at.spread);
  check(make(&t, &p, &err) == GR_OK && run(p, args, &opt, &r, &err) == GR_OK, "%s: %s", t.formula, err.message);
  for (int64_t i = 0; i < m; i += 1 + m / 50) {
    long double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += sums[which].f(x, m, y, n, i, j, s);
    scale = fmax(scale, fabs((double)sum));
    worst = fmax(worst, fabs((double)(r.v[0][i] - sum)));
  }
  check(worst <= at.tolerance * scale, "%s at %g, %g wide, %dx%d: off by %g of %g", t.formula, at.at, at.spread, (int)m, (int)n, worst, scale);
  free_result(&r);
  gr_program_free(p);
  free(x);
  free(y);
}

static const place places[] = {{4.8e6, 1e3, 2e-6}, {1.7e9, 3600, 2e-6}, {-4.5e5, 10, 2e-6}, {1e15, 1e3, 2e-6}, {1e30, 1e18, 2e-6}, {0, 1, 2e-6},
                               {3, 1, 2e-6}};

static void test_sums(void) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU};
  for (size_t w = 0; w < sizeof sums / sizeof *sums; w++)
    for (size_t k = 0; k < sizeof places / sizeof *places; k++)
      for (int b = 0; b < 2; b++) {
        test_sum(w, places[k], 33, 300, backends[b], 1);
        test_sum(w, places[k], 700, 65, backends[b], 2);
        test_sum(w, places[k], 2, 4500, backends[b], 2); /* few rows: lanes are columns */
      }
}

/* Wide data: contractions read packed columns. */
static void test_wide(void) {
  enum { M = 40, N = 50, D = 37 };
  static double x[M * D], y[N * D];
  gr_array args[] = {{.data = x, .rows = M, .cols = D, .stride = M}, {.data = y, .rows = N, .cols = D, .stride = N}};
  fill(x, M, D, 1e7, 2);
  fill(y, N, D, 1e7, 2);
  for (int axis = 0; axis < 2; axis++)
    for (int b = 0; b < 2; b++) {
      test t = {.formula = b ? "SqDist(x,y)" : "Sum(Abs(x-y))", .aliases = {"x=Vi(37)", "y=Vj(37)"}, .axis = axis, .reduction = "Min"};
      gr_options opt = options(GR_CPU, 1);
      gr_program *p;
      gr_error err = {0};
      result r;
      check(make(&t, &p, &err) == GR_OK && run(p, args, &opt, &r, &err) == GR_OK, "%s: %s", t.formula, err.message);
      for (int64_t i = 0; i < (axis ? M : N); i++) {
        double least = INFINITY;
        for (int64_t j = 0; j < (axis ? N : M); j++) {
          double sum = 0;
          for (int k = 0; k < D; k++) {
            double d = axis ? x[i + k * M] - y[j + k * N] : x[j + k * M] - y[i + k * N];
            sum += b ? d * d : fabs(d);
          }
          least = fmin(least, sum);
        }
        check(fabs(r.v[0][i] - least) <= 2e-6 * least, "%s, axis %d: %.9g, not %.9g", t.formula, axis, r.v[0][i], least);
      }
      free_result(&r);
      gr_program_free(p);
    }
}

/* ---- neighbours on a map: every index is the right one ---- */

static void test_neighbours(int64_t m, int64_t n) {
  test t = {.formula = "SqDist(x,y)", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .axis = 1, .reduction = "ArgKMin", .k = 3};
  double *x = malloc(sizeof *x * (size_t)(2 * m)), *y = malloc(sizeof *y * (size_t)(2 * n));
  gr_array args[] = {{.data = x, .rows = m, .cols = 2, .stride = m}, {.data = y, .rows = n, .cols = 2, .stride = n}};
  gr_program *p;
  gr_error err = {0};
  int wrong[2] = {0, 0};
  for (int64_t i = 0; i < m; i++) x[i] = 4.5e5 + uniform(0, 1000), x[i + m] = 4.8e6 + uniform(0, 1000);
  for (int64_t i = 0; i < n; i++) y[i] = 4.5e5 + uniform(0, 1000), y[i + n] = 4.8e6 + uniform(0, 1000);
  check(make(&t, &p, &err) == GR_OK, "%s", err.message);
  for (int b = 0; b < 2; b++) {
    gr_options opt = options(b ? GR_CPU : GR_INTERPRETER, 2);
    result r;
    check(run(p, args, &opt, &r, &err) == GR_OK, "%s", err.message);
    for (int64_t i = 0; i < m; i++) {
      int64_t best = 0;
      double least = INFINITY, second = INFINITY;
      for (int64_t j = 0; j < n; j++) {
        double d = pow(x[i] - y[j], 2) + pow(x[i + m] - y[j + n], 2);
        if (d < least) second = least, least = d, best = j;
        else if (d < second) second = d;
      }
      wrong[b] += second - least > 1e-3 * least && (int64_t)r.v[0][i] != best;
    }
    free_result(&r);
  }
  check(wrong[0] == 0 && wrong[1] == 0, "%d x %d neighbours: %d, %d are wrong", (int)m, (int)n, wrong[0], wrong[1]);
  gr_program_free(p);
  free(x);
  free(y);
}

/* ---- data that must not be moved ---- */

/* Detail near 0 and a few points far away, an origin that is not finite, infinite values: accuracy
 * is not worse than without an origin. */
static void test_near_zero(void) {
  enum { N = 40 };
  static double x[N], y[N];
  test t = {.formula = "Abs(x-y)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .reduction = "Min"};
  gr_array args[] = {{.data = x, .rows = N, .cols = 1, .stride = N}, {.data = y, .rows = N, .cols = 1, .stride = N}};
  gr_options opt = options(GR_CPU, 1);
  gr_program *p;
  gr_error err = {0};
  result r;
  check(make(&t, &p, &err) == GR_OK, "%s", err.message);
  for (int k = 0; k < N; k++) x[k] = ldexp(1 + k, -30), y[k] = ldexp(1.5 + k, -30);
  y[0] = 1000;
  check(run(p, args, &opt, &r, &err) == GR_OK, "%s", err.message);
  for (int k = 2; k < N; k++) check(r.v[0][k] == ldexp(0.5, -30), "near 0: row %d is %g", k, r.v[0][k]);
  free_result(&r);
  for (int k = 0; k < N; k++) x[k] = 1e9 + k, y[k] = 1e9 + k + 0.25;
  y[0] = INFINITY, y[1] = NAN, x[3] = -INFINITY;
  check(run(p, args, &opt, &r, &err) == GR_OK, "%s", err.message);
  for (int k = 2; k < N; k++) check(r.v[0][k] == (k == 3 ? INFINITY : 0.25), "beside infinite values: row %d is %g", k, r.v[0][k]);
  free_result(&r);
  gr_program_free(p);
}

/* A cluster near 0 among very many rows far away keeps its nearest neighbours: rows that a sample
 * would miss are inspected. */
static void test_hidden_cluster(void) {
  enum { N = 50000, FROM = 100, TO = 300 };
  test t = {.formula = "Abs(x-y)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .reduction = "Min"};
  double *x = malloc(sizeof *x * N), *y = malloc(sizeof *y * N);
  gr_array args[] = {{.data = x + FROM, .rows = TO - FROM, .cols = 1, .stride = TO - FROM}, {.data = y, .rows = N, .cols = 1, .stride = N}};
  gr_options opt = options(GR_CPU, 1);
  gr_program *p;
  gr_error err = {0};
  result r;
  for (int k = 0; k < N; k++) x[k] = y[k] = 1.6e9 + k % 1000;
  for (int k = FROM; k < TO; k++) y[k] = (k - FROM) * 0.5 + 0.125, x[k] = 1.6e9 + k;
  check(make(&t, &p, &err) == GR_OK && run(p, args, &opt, &r, &err) == GR_OK, "%s", err.message);
  free_result(&r);
  for (int k = FROM; k < TO; k++) x[k] = (k - FROM) * 0.5;
  args[0] = (gr_array){.data = x, .rows = N, .cols = 1, .stride = N};
  check(run(p, args, &opt, &r, &err) == GR_OK, "%s", err.message);
  for (int k = FROM; k < TO; k++) check(r.v[0][k] == 0.125, "row %d of a cluster near 0: %g", k, r.v[0][k]);
  free_result(&r);
  gr_program_free(p);
  free(x);
  free(y);
}

/* No rows, or no columns. */
static void test_empty(void) {
  static const int64_t shapes[][2] = {{0, 0}, {0, 5}, {5, 0}, {1, 1}};
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
    test t = {.formula = "SqDist(x,y)", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .axis = 1, .m = shapes[k][0], .n = shapes[k][1], .lo = 1e6, .hi = 1.001e6};
    both(&t, 1e-5);
  }
}

int main(void) {
  own_folder();
  test_groups();
  test_many();
  test_sums();
  test_wide();
  test_neighbours(2000, 2000);
  test_neighbours(3, 5000);
  test_near_zero();
  test_hidden_cluster();
  test_empty();
  return report();
}
