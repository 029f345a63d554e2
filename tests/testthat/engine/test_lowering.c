/* test_lowering.c: kernels are planned from a lowered graph (plan/lower.c), while the interpreter
 * runs the graph as written: at the ends of the range of either precision both must give the value
 * of the formula as written.
 *
 * Cases with expected values evaluated in long double; parameters drawn from the whole range of
 * exponents; powers with exponents of 0 and near it; constants; sums by the interpreter. */
#include <float.h>
#include <sys/stat.h>

#include "../cuda/cu_public.h"
#include "check.h"

static bool gpu; /* the libraries that stand in for CUDA's were built (fake/) */

static void use_libraries(const char *program) {
  static const char *const names[] = {"libcuda.so", "libnvrtc.so"}, *const variables[] = {"GENRED_CUDA_DRIVER", "GENRED_NVRTC"};
  const char *slash = strrchr(program, '/');
  struct stat there;
  char path[600];
  gpu = true;
  for (int k = 0; k < 2; k++) {
    snprintf(path, sizeof path, "%.*s../fake/%s", slash ? (int)(slash + 1 - program) : 0, program, names[k]);
    set_variable(variables[k], path);
    gpu = gpu && stat(path, &there) == 0;
  }
}

/* ---- expected values ---- */

/* s: the squared distance */
typedef long double expected(long double s, long double p, long double q);

static long double gaussian(long double s, long double p, long double q) { return (void)q, expl(-s / (2 * p * p)); }
static long double decay(long double s, long double p, long double q) { return (void)q, expl(-p * s); }
static long double decay_by(long double s, long double p, long double q) { return (void)q, expl(-s / p); }
static long double decay_twice(long double s, long double p, long double q) { return expl(-p * (q * s)); }
static long double decay_past_the_end(long double s, long double p, long double q) { return expl(-p * (q * s > FLT_MAX ? INFINITY : q * s)); }
static long double growth(long double s, long double p, long double q) { return (void)q, expl(p * s); }
static long double constant_decay(long double s, long double p, long double q) { return (void)p, (void)q, expl(-3e38L * s); }
static long double constant_scale(long double s, long double p, long double q) { return (void)p, (void)q, expl(-s / 1e-310L); }
static long double laplace(long double s, long double p, long double q) { return (void)q, expl(-sqrtl(s) / p); }
static long double bare_root(long double s, long double p, long double q) { return (void)p, (void)q, 1 / sqrtl(s); }
static long double root(long double s, long double p, long double q) { return (void)p, (void)q, 1 / sqrtl(s + 1e-30L); }
static long double least_root(long double s, long double p, long double q) { return (void)p, (void)q, 1 / sqrtl(s + 1e-40f); }
static long double two_roots(long double s, long double p, long double q) {
  (void)p, (void)q;
  return s == 0 ? INFINITY : 1 / sqrtl((s + 1e-25L) * (s + 2e-25L));
}
static long double one(long double s, long double p, long double q) { return (void)s, (void)p, (void)q, 1; }
static long double infinite(long double s, long double p, long double q) { return (void)p, (void)q, s * INFINITY; }

typedef struct lowering_case {
  const char *formula;
  bool f64;
  double p, q;
  expected *want;
  bool on_gpu; /* too */
} lowering_case;

static const lowering_case cases[] = {
    {"Exp(-SqDist(x,y)/(2*p**2))", true, 1e-155, 1, gaussian, false},
    {"Exp(-SqDist(x,y)/(2*p**2))", false, 1e-20, 1, gaussian, true},
    {"Exp(-SqDist(x,y)/(2*p**2))", false, 0.7, 1, gaussian, true},
    {"Exp(-SqDist(x,y)/(2*p**2))", true, 1e150, 1, gaussian, false},
    {"Exp(-p*SqDist(x,y))", false, 3e38, 1, decay, true},
    {"Exp(-p*SqDist(x,y))", true, 1.7e308, 1, decay, false},
    {"Exp(-p*SqDist(x,y))", false, 1e-44, 1, decay, false},
    {"Exp(-p*SqDist(x,y))", true, 1e-320, 1, decay, false},
    {"Exp(-p*SqDist(x,y))", false, 0, 1, decay, false},
    {"Exp(p*SqDist(x,y))", false, 3e38, 1, growth, false},
    {"Exp(-SqDist(x,y)/p)", false, 3e38, 1, decay_by, false},
    {"Exp(-SqDist(x,y)/p)", true, 1e-308, 1, decay_by, false},
    {"Exp(-SqDist(x,y)/p)", false, 1e-39, 1, decay_by, true},
    {"Exp(-Norm2(x-y)/p)", false, 1e-39, 1, laplace, false},
    {"Exp(-(p*(q*SqDist(x,y))))", false, 1e30, 1e30, decay_twice, false},
    {"Exp(-(p*(q*SqDist(x,y))))", false, 1e-30, 1e-30, decay_twice, false},
    {"Exp(-(p*(q*SqDist(x,y))))", true, 1e200, 1e200, decay_twice, false},
    {"Exp(-(p*(q*SqDist(x,y))))", false, 1e-38, 1e38, decay_past_the_end, false},
    {"Exp(-3e38*SqDist(x,y))", false, 1, 1, constant_decay, false},
    {"Exp(-SqDist(x,y)/1e-310)", true, 1, 1, constant_scale, false},
    {"1/Sqrt(SqDist(x,y)+1e-50)", false, 1, 1, bare_root, true},
    {"Inv(Sqrt(SqDist(x,y)+1e-30))", false, 1, 1, root, true},
    {"1/Sqrt((SqDist(x,y)+1e-25)*(SqDist(x,y)+2e-25))", false, 1, 1, two_roots, false},
    {"1/Sqrt(SqDist(x,y)+1e-40)", false, 1, 1, least_root, false},
    {"1+(1e-30*1e-30*1e30)*SqDist(x,y)", false, 1, 1, one, false},
    {"(1e30*1e30*1e-30)*SqDist(x,y)", false, 1, 1, infinite, false},
    {"SqDist(x,y)*Exp(100)*Exp(-99)", false, 1, 1, infinite, false}};

enum { ROWS = 6 };
static const double points[ROWS] = {0, 1e-3, 0.5, 1, 3, 1e18};

static double in_precision(long double x, bool f64) { return f64 ? (double)x : (double)(float)x; }

/* Equal up to rounding, and to results that a kernel may flush to 0. */
static bool close_to(double a, double b, bool f64, double tolerance) {
  if (!isfinite(a) || !isfinite(b)) return a == b || (isnan(a) && isnan(b));
  return fabs(a - b) <= tolerance * fabs(b) + (f64 ? 1e-306 : 1e-36);
}

static bool run_case(gr_program *p, const gr_array *args, gr_backend backend, double *out) {
  gr_error err = {0};
  gr_report rep;
  gr_options o = options(backend, 1);
  o.device = &gr_cuda;
  o.cflags = "-O1";
  gr_output to = {.data = out, .type = GR_F64};
  bool ok = check(gr_program_run(p, args, gr_program_nargs(p), &to, &o, &rep, &err) == GR_OK, "backend %d: %s\n%.500s", backend, err.message,
                  err.log ? err.log : "");
  gr_error_clear(&err);
  return ok;
}

static void cases_as_written(void) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const lowering_case *k = &cases[c];
    test t = {.formula = k->formula, .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)", "q=Pm(1)"}, .axis = 1, .f64 = k->f64};
    gr_program *p;
    gr_error err = {0};
    double out[ROWS], y = 0;
    if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", k->formula, err.message)) continue;
    const gr_array args[] = {{.data = points, .rows = ROWS, .cols = 1, .stride = ROWS}, {.data = &y, .rows = 1, .cols = 1, .stride = 1},
                             {.data = &k->p, .rows = 1, .cols = 1, .stride = 1}, {.data = &k->q, .rows = 1, .cols = 1, .stride = 1}};
    for (int b = 0; b < (gpu && k->on_gpu ? 3 : 2); b++) {
      if (!run_case(p, args, backends[b], out)) continue;
      for (int i = 0; i < ROWS; i++) {
        long double s = in_precision(points[i], k->f64), P = in_precision(k->p, k->f64), Q = in_precision(k->q, k->f64);
        double want = in_precision(k->want(in_precision(s * s, k->f64), P, Q), k->f64);
        check(close_to(out[i], want, k->f64, k->f64 ? 1e-13 : 1e-5), "%s, %s, p = %g, x - y = %g, backend %d: %.9g, expected %.9g", k->formula,
              k->f64 ? "float64" : "float32", k->p, points[i], backends[b], out[i], want);
      }
    }
    gr_program_free(p);
  }
}

/* Few rows have their own plan, of either graph; a program can use another one in each call. */
static void plans_in_turn(void) {
  enum { COLUMNS = 5000 };
  static const double scales[] = {3e38, 1, 3e38, 0.5, 1e-45, NAN};
  double *y = calloc(COLUMNS, sizeof *y), x[40] = {0}, out[40];
  for (int rows = 2; rows <= 40; rows += 38) {
    test t = {.formula = "Exp(-p*SqDist(x,y))", .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, .axis = 1};
    gr_program *p;
    gr_error err = {0};
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) break;
    for (int k = 0; k < 6; k++) {
      const gr_array args[] = {{.data = x, .rows = rows, .cols = 1, .stride = rows}, {.data = y, .rows = COLUMNS, .cols = 1, .stride = COLUMNS},
                               {.data = &scales[k], .rows = 1, .cols = 1, .stride = 1}};
      double want = isnan(scales[k]) ? NAN : COLUMNS;
      if (run_case(p, args, GR_CPU, out)) check(close_to(out[rows - 1], want, false, 0), "%d rows, p = %g: %g", rows, scales[k], out[rows - 1]);
    }
    int own = rows == 2 ? PLAN_FEW : 0, other = PLAN_FEW - own;
    check(p->kernel[own] && p->kernel[own + PLAN_WRITTEN] && p->kernel[own] != p->kernel[own + PLAN_WRITTEN], "%d rows: two kernels", rows);
    check(!p->kernel[other] && !p->kernel[other + PLAN_WRITTEN], "%d rows: none for others", rows);
    gr_program_free(p);
  }
  free(y);
}

/* A parameter on the device is inspected too; the kernels loaded there alternate. */
static void on_device(void) {
  static const double scales[] = {3e38, 1, 1e-45, 3e38}, zero[3] = {0};
  test t = {.formula = "Exp(-p*SqDist(x,y))", .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, .axis = 1};
  gr_program *p;
  gr_error err = {0};
  double out[3];
  if (!gpu || !check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  for (int k = 0; k < 8; k++) {
    gr_buffer *b = NULL;
    if (!check(gr_cuda.make(0, 1, 1, GR_FLOAT, &b, &err) == GR_OK && gr_cuda.put(b, &scales[k / 2], 1, &err) == GR_OK, "%s", err.message)) break;
    const gr_array args[] = {{.data = zero, .rows = 3, .cols = 1, .stride = 3}, {.data = zero, .rows = 3, .cols = 1, .stride = 3},
                             {.data = k % 2 ? &scales[k / 2] : NULL, .rows = 1, .cols = 1, .stride = 1, .buffer = k % 2 ? NULL : b}};
    if (run_case(p, args, GR_GPU, out)) check(out[0] == 3 && out[2] == 3, "p = %g%s: %g", scales[k / 2], k % 2 ? "" : " on the device", out[0]);
    gr_cuda.free(b);
  }
  gr_program_free(p);
}

/* Without a compiler "auto" interprets, whatever the parameters. */
static void no_compiler(void) {
  enum { SIZE = 3000 };
  const double zero[SIZE] = {0}, p = 3e38;
  test t = {.formula = "Exp(-p*SqDist(x,y))", .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, .axis = 1};
  gr_program *q;
  gr_error err = {0};
  gr_report rep = {0};
  gr_options o = options(GR_AUTO, 1);
  double *out = malloc(SIZE * sizeof *out);
  const gr_array args[] = {{.data = zero, .rows = SIZE, .cols = 1, .stride = SIZE}, {.data = zero, .rows = SIZE, .cols = 1, .stride = SIZE},
                           {.data = &p, .rows = 1, .cols = 1, .stride = 1}};
  o.cc = "/nonexistent/cc";
  check(make(&t, &q, &err) == GR_OK && gr_program_run(q, args, 3, &(gr_output){.data = out, .type = GR_F64}, &o, &rep, &err) == GR_OK &&
            rep.backend == GR_INTERPRETER && rep.note[0] && out[SIZE - 1] == SIZE, "no compiler: %s %s", err.message, rep.note);
  free(out);
  gr_program_free(q);
  gr_error_clear(&err);
}

/* ---- what is lowered: else the cases above would show nothing ---- */

static void lowered_or_not(void) {
  static const struct {
    const char *formula, *holds;
    bool f64;
  } graphs[] = {{"Exp(-p*SqDist(x,y))", "Exp2", true}, {"Exp(-SqDist(x,y)/(2*p**2))", "Exp2", false},
                {"Exp(-0.5*SqDist(x,y)/Square(p))", "Exp2", false}, {"Exp(-1e30*(1e-30*SqDist(x,y)))", "Exp(", false},
                {"Exp(-SqDist(x,y)*w)", "Exp2", true},           {"Exp(-3e38*SqDist(x,y))", "Exp(", false},
                {"Exp(-3e38*SqDist(x,y))", "Exp2", true},        {"1/Sqrt(SqDist(x,y)+1e-30)", "Rsqrt", false},
                {"1/Sqrt(SqDist(x,y)+1e-50)", "Inv(", false},    {"1/Sqrt(SqDist(x,y)+1e-40)", "Inv(", false},    {"1/Sqrt(SqDist(x,y)+1e-30)", "Inv(", true},
                {"1/Sqrt((SqDist(x,y)+1e-25)*(SqDist(x,y)+2e-25))", "Inv(", false}};
  for (size_t k = 0; k < sizeof graphs / sizeof *graphs; k++) {
    test t = {.formula = graphs[k].formula, .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)", "w=Vj(1)"}, .axis = 1, .f64 = graphs[k].f64};
    gr_program *p;
    gr_error err = {0};
    char *text = NULL;
    check(make(&t, &p, &err) == GR_OK && gr_program_dump(p, "dag", &text, &err) == GR_OK && strstr(text, graphs[k].holds), "%s, %s: no %s in\n%s",
          t.formula, t.f64 ? "float64" : "float32", graphs[k].holds, text ? text : err.message);
    free(text);
    gr_program_free(p);
  }
}

/* ---- search ---- */

static const char *const kinds[] = {"Exp(-p*SqDist(x,y))",
                                    "Exp(-SqDist(x,y)/(2*p**2))",
                                    "Exp(-SqDist(x,y)/p)",
                                    "Exp(SqDist(x,y)*p)",
                                    "Exp(-(SqDist(x,y)*(p*q)))",
                                    "Exp(-p*(q*SqDist(x,y)))",
                                    "Exp(-SqDist(x,y)*p/q)",
                                    "Exp(-(p/q)*SqDist(x,y))",
                                    "Exp(-Norm2(x-y)/p)",
                                    "Exp(-0.5*SqDist(x,y)/Square(p))",
                                    "Exp(-SqDist(x,y)*0.5*p)",
                                    "Exp(-(p*(-(q*(SqDist(x,y)*3)))))",
                                    "Exp(-(-(p*(-Norm2(x-y)))))",
                                    "Exp(-WeightedSqDist(r,x,y))",
                                    "Exp(-p*(x|y))",
                                    "Exp(r*(x-y))",
                                    "Exp(-Exp(-p*SqDist(x,y)))",
                                    "Exp(-SqDist(x,y)*w)",
                                    "Exp(-Norm2(x-y)/Square(w))",
                                    "Exp(-p*(w*SqDist(x,y)))",
                                    "Exp(-1e-3*SqDist(x,y))+Exp(-p*SqDist(x,y))",
                                    "q/Sqrt(1+SqDist(x,y))",
                                    "1/Sqrt(Abs(p)+SqDist(x,y)+1e-30)",
                                    "Inv(Sqrt(p*p*SqDist(x,y)+1e-37))",
                                    "1/Sqrt((SqDist(x,y)+1e-18)*(SqDist(x,y)+1e-18))",
                                    "Exp(-p*SqDist(x,y))/Sqrt(0.25+SqDist(x,y))"};
enum { KINDS = sizeof kinds / sizeof *kinds, DRAWS = 60, SEARCH_ROWS = 24 };

/* Any exponent of the precision, including subnormal numbers and exponents that overflow. */
static double draw(bool f64, bool special) {
  static const double specials[] = {0, INFINITY, NAN, -0.0, 1, -1};
  if (special && uniform(0, 1) < 0.1) return specials[(int)uniform(0, 6)];
  double x = pow(10, uniform(0, 1) < 0.5 ? uniform(-3, 3) : f64 ? uniform(-324, 309) : uniform(-46, 39));
  return in_precision(uniform(0, 1) < 0.3 ? -x : x, f64);
}

static int disagreements(gr_program *p, const test *t, char *which, size_t size) {
  double x[SEARCH_ROWS * 3], y[3], scalar[3], r[3], a[SEARCH_ROWS * 3], b[SEARCH_ROWS * 3];
  int wrong = 0;
  const gr_array args[] = {{.data = x, .rows = SEARCH_ROWS, .cols = 3, .stride = SEARCH_ROWS}, {.data = y, .rows = 1, .cols = 3, .stride = 1},
                           {.data = &scalar[0], .rows = 1, .cols = 1, .stride = 1},     {.data = &scalar[1], .rows = 1, .cols = 1, .stride = 1},
                           {.data = r, .rows = 1, .cols = 3, .stride = 1},              {.data = &scalar[2], .rows = 1, .cols = 1, .stride = 1}};
  for (int n = 0; n < DRAWS; n++) {
    for (int k = 0; k < 3; k++) scalar[k] = draw(t->f64, true), r[k] = draw(t->f64, true), y[k] = draw(t->f64, false);
    for (int k = 0; k < SEARCH_ROWS * 3; k++) x[k] = k % SEARCH_ROWS < 4 ? y[k / SEARCH_ROWS] : draw(t->f64, false);
    if (!run_case(p, args, GR_INTERPRETER, a) || !run_case(p, args, GR_CPU, b)) return 1;
    for (int k = 0; k < SEARCH_ROWS * gr_program_result(p).dim; k++) {
      if (close_to(b[k], a[k], t->f64, t->f64 ? 1e-11 : 2e-3)) continue;
      int i = k % SEARCH_ROWS;
      if (!wrong++)
        snprintf(which, size, "p = %.9g, q = %.9g, w = %.9g, r = %g %g %g, x = %.9g %.9g %.9g, y = %.9g %.9g %.9g: %.9g, the kernel %.9g", scalar[0], scalar[1], scalar[2],
                 r[0], r[1], r[2], x[i], x[i + SEARCH_ROWS], x[i + 2 * SEARCH_ROWS], y[0], y[1], y[2], a[k], b[k]);
    }
  }
  return wrong;
}

static void kernels_as_written(void) {
  for (int k = 0; k < 2 * KINDS; k++) {
    test t = {.formula = kinds[k / 2], .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)", "q=Pm(1)", "r=Pm(3)", "w=Vj(1)"}, .axis = 1, .f64 = k % 2};
    gr_program *p;
    gr_error err = {0};
    char which[500] = "";
    if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", t.formula, err.message)) continue;
    int wrong = disagreements(p, &t, which, sizeof which);
    check(wrong == 0, "%s, %s: %d of %d values are not what is written: %s", t.formula, t.f64 ? "float64" : "float32", wrong,
          DRAWS * SEARCH_ROWS * gr_program_result(p).dim, which);
    gr_program_free(p);
  }
}

/* ---- powers ---- */

static long double is_one(long double x) { return (void)x, 1; }
static long double is_zero(long double x) { return (void)x, 0; }
static long double is_x(long double x) { return x; }
static long double square(long double x) { return x * x; }
static long double twice(long double x) { return 2 * x; }
static long double inverse(long double x) { return 1 / x; }
static long double less_square(long double x) { return -1 / (x * x); }
static long double three_squares(long double x) { return 3 * x * x; }
static long double six(long double x) { return 6 * x; }
static long double is_six(long double x) { return (void)x, 6; }
static long double is_two(long double x) { return (void)x, 2; }

static void powers(void) {
  static const struct {
    const char *formula;
    long double (*want)(long double);
    bool at_nan; /* is the value at NaN NaN? */
  } rules[] = {{"x**0", is_one, false},
               {"Pow(x*y,0)", is_one, false},
               {"x**0*y", is_one, false},
               {"Grad(x**0,x,y)", is_zero, false},
               {"x**1", is_x, true},
               {"Grad(x**1,x,y)", is_one, false},
               {"Grad(Grad(x**1,x,y),x,y)", is_zero, false},
               {"x**2", square, true},
               {"Grad(x**2,x,y)", twice, true},
               {"Grad(Grad(x**2,x,y),x,y)", is_two, false},
               {"Grad(x**3,x,y)", three_squares, true},
               {"Grad(Grad(x**3,x,y),x,y)", six, true},
               {"Grad(Grad(Grad(x**3,x,y),x,y),x,y)", is_six, false},
               {"x**-1", inverse, true},
               {"Grad(x**-1,x,y)", less_square, true},
               {"Diff(x**0,x,y)", is_zero, false}};
  static const double x[] = {0, -0.0, 1, -2, INFINITY, NAN, 0.5}, y = 1;
  enum { N = sizeof x / sizeof *x };
  for (size_t k = 0; k < 2 * sizeof rules / sizeof *rules; k++) {
    test t = {.formula = rules[k / 2].formula, .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .f64 = k % 2};
    const gr_array args[] = {{.data = x, .rows = N, .cols = 1, .stride = N}, {.data = &y, .rows = 1, .cols = 1, .stride = 1}};
    double out[N];
    gr_program *p;
    gr_error err = {0};
    if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", t.formula, err.message)) continue;
    for (int backend = GR_CPU; backend <= GR_INTERPRETER; backend++)
      for (int i = 0; run_case(p, args, (gr_backend)backend, out) && i < N; i++) {
        double want = (double)rules[k / 2].want(x[i]);
        if (isnan(x[i]) && rules[k / 2].at_nan) want = NAN;
        check(close_to(out[i], want, t.f64, 1e-6), "%s at %g, backend %d: %g, expected %g", t.formula, x[i], backend, out[i], want);
      }
    gr_program_free(p);
  }
  test wide = {.formula = "(x+y)**0", .aliases = {"x=Vi(12)", "y=Vj(12)"}, .axis = 1, .m = 5, .n = 7};
  both(&wide, 0);
}

/* ---- constants ---- */

static void constants(void) {
  static const struct {
    const char *formula;
    bool f64, ok;
  } rules[] = {{"x*-1e300", false, false}, {"x*-1e300", true, true},    {"x*1e400", true, false},     {"x*3.4e38", false, true},
               {"x*3.41e38", false, false}, {"x*1e-50", false, true},    {"IfElse(x,1e39,0)", false, false}, {"x+Round(x,38)", false, true},
               {"Round(x,39)", false, false}, {"Round(x,-39)", false, false}, {"Round(x,300)", true, true},  {"x**1e39", false, false},
               {"Clamp(x,-1e39,1)", false, false}, {"x+1e30*1e30", false, true}};
  for (size_t k = 0; k < sizeof rules / sizeof *rules; k++) {
    test t = {.formula = rules[k].formula, .aliases = {"x=Vi(1)"}, .axis = 1, .f64 = rules[k].f64};
    gr_program *p;
    gr_error err = {0};
    check((make(&t, &p, &err) == GR_OK) == rules[k].ok, "%s, %s: %s", t.formula, t.f64 ? "float64" : "float32", err.message);
    if (!rules[k].ok) check((err.cls == GR_ARGUMENT || err.cls == GR_DIMENSION) && strchr(err.message, '^'), "%s: %s", t.formula, err.message);
    gr_program_free(p);
  }
}

/* ---- the interpreter's sums ---- */

static double interpret(const char *formula, const char *reduction, const char *scheme, const double *y, int n, double p) {
  test t = {.formula = formula, .aliases = {"y=Vj(1)", "p=Pm(1)"}, .reduction = reduction, .axis = 1, .f64 = true, .scheme = scheme};
  const gr_array args[] = {{.data = y, .rows = n, .cols = 1, .stride = n}, {.data = &p, .rows = 1, .cols = 1, .stride = 1}};
  gr_program *q;
  gr_error err = {0};
  double out = NAN;
  if (!check(make(&t, &q, &err) == GR_OK, "%s: %s", formula, err.message)) return out;
  run_case(q, args, GR_INTERPRETER, &out);
  gr_program_free(q);
  return out;
}

static void long_sums(void) {
  enum { N = 1000000 };
  double *y = malloc(N * sizeof *y), plain, worst = 0;
  for (int which = 0; which < 3; which++) { /* equal terms; terms of any magnitude; a trend */
    long double sum = 0, exps = 0, squares = 0;
    plain = 0;
    for (int i = 0; i < N; i++) {
      y[i] = which == 0 ? 0.1 : which == 1 ? uniform(0, 1) : 1 + 1e-6 * i;
      sum += y[i], exps += expl(y[i]), plain += y[i];
    }
    for (int i = 0; i < N; i++) squares += (y[i] - sum / N) * (y[i] - sum / N);
    const struct {
      const char *reduction, *scheme;
      long double want;
    } sums[] = {{"Sum", "block_sum", sum}, {"Mean", "auto", sum / N}, {"LogSumExp", "block_sum", logl(exps)}, {"Sum", "kahan_scheme", sum}};
    for (int k = 0; k < 4; k++) {
      double got = interpret("y*p", sums[k].reduction, sums[k].scheme, y, N, 1), error = fabs((double)((got - sums[k].want) / sums[k].want));
      worst = fmax(worst, error);
      check(error <= 3e-13, "%s by %s of 1e6 terms (%d): error %g", sums[k].reduction, sums[k].scheme, which, error);
    }
    double var = interpret("y*p", "Var", "auto", y, N, 1), want = (double)(squares / (N - 1));
    check(which == 0 ? fabs(var) < 1e-20 : fabs(var - want) <= 5e-12 * want, "Var of 1e6 terms (%d): %.17g, expected %.17g", which, var, want);
    check(interpret("y*p", "Sum", "direct_sum", y, N, 1) == plain, "direct_sum adds one after the other (%d)", which);
  }
  printf("  sums of 1e6 terms, interpreted: worst error %.2g\n", worst);
  free(y);
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  use_libraries(argv[0]);
  cases_as_written();
  plans_in_turn();
  on_device();
  no_compiler();
  lowered_or_not();
  kernels_as_written();
  powers();
  constants();
  long_sums();
  gr_cuda.shutdown();
  return report();
}
