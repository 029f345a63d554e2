/* test_laws.c: what must hold whatever the implementation: splits and threads change nothing, rows
 * are independent, sums keep their accuracy, an interrupt stops the work, bad input is refused. */
#include "check.h"

static gr_program *program(const test *t, gr_array *args) {
  gr_program *p = NULL;
  gr_error err = {0};
  check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message);
  if (p && args) make_args(p, t, args);
  return p;
}

static result run_with(gr_program *p, const gr_array *args, gr_backend backend, int threads) {
  gr_error err = {0};
  gr_options o = options(backend, threads);
  result r;
  check(run(p, args, &o, &r, &err) == GR_OK, "%s", err.message);
  return r;
}

static const char *const reds[] = {"Sum", "Min_ArgMin", "KMin_ArgKMin", "LogSumExp"};
static const int ks[] = {0, 0, 7, 0};
enum { NREDS = 4 };

static test problem(int which, int64_t m, int64_t n, bool f64) {
  return (test){.formula = "SqDist(x,y)*p", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}, .reduction = reds[which], .axis = 1,
                .k = ks[which], .f64 = f64, .m = m, .n = n, .lo = 0.1, .hi = 1};
}

/* The same bits with 1, 2, 3 and 7 threads, for few rows (columns are split) and for many. */
static void threads_change_nothing(void) {
  static const int64_t sizes[][2] = {{3, 60000}, {5000, 300}, {70, 20000}};
  for (int which = 0; which < NREDS; which++)
    for (int s = 0; s < 3; s++) {
      test t = problem(which, sizes[s][0], sizes[s][1], s == 1);
      gr_array args[4];
      gr_program *p = program(&t, args);
      result one = run_with(p, args, GR_CPU, 1);
      for (int threads = 2; threads < 8; threads += threads == 3 ? 4 : 1) {
        result more = run_with(p, args, GR_CPU, threads);
        for (int i = 0; i < gr_program_result(p).n; i++)
          check(memcmp(one.v[i], more.v[i], sizeof(double) * (size_t)one.size) == 0, "%s: %d threads", describe(&t), threads);
        free_result(&more);
      }
      free_result(&one);
      free_args(p, args);
      gr_program_free(p);
    }
}

/* The result of a row does not depend on the rows around it (other vector lanes, other blocks). */
static void rows_are_independent(void) {
  for (int which = 0; which < NREDS; which++) {
    test t = problem(which, 131, 777, false);
    gr_array args[4], some[4];
    gr_program *p = program(&t, args);
    result all = run_with(p, args, GR_CPU, 1);
    memcpy(some, args, sizeof some);
    some[0].data += 50; /* rows 50 .. 59; the stride stays */
    some[0].rows = 10;
    result few = run_with(p, some, GR_CPU, 1);
    gr_result_info info = gr_program_result(p);
    int64_t per_row = few.size / 10, wrong = 0;
    for (int i = 0; i < info.n; i++)
      for (int64_t k = 0; k < per_row; k++)
        for (int r = 0; r < 10; r++) wrong += few.v[i][r + 10 * k] != all.v[i][50 + r + 131 * k];
    check(wrong == 0, "%s: %d numbers change with the rows beside", describe(&t), (int)wrong);
    free_result(&all);
    free_result(&few);
    free_args(p, args);
    gr_program_free(p);
  }
}

/* i and j swapped, with the axis, is the same reduction. */
static void axes_are_symmetric(void) {
  test a = {.formula = "Exp(-SqDist(x,y))*(x|w)", .aliases = {"x=Vi(5)", "y=Vj(5)", "w=Vj(5)"}, .axis = 1, .m = 40, .n = 333};
  test b = {.formula = "Exp(-SqDist(x,y))*(x|w)", .aliases = {"x=Vj(5)", "y=Vi(5)", "w=Vi(5)"}, .axis = 0, .m = 333, .n = 40};
  gr_array args[4];
  gr_program *p = program(&a, args), *q = program(&b, NULL);
  result r = run_with(p, args, GR_CPU, 1), s = run_with(q, args, GR_CPU, 1);
  check(memcmp(r.v[0], s.v[0], sizeof(double) * (size_t)r.size) == 0, "axes swapped");
  free_result(&r);
  free_result(&s);
  free_args(p, args);
  gr_program_free(p);
  gr_program_free(q);
}

/* Rewrites by the planner: exp of a product as a power of two, 1/sqrt of a positive number as
 * Rsqrt.  The result must be that of the formula as written, which an IfElse between the two
 * operations preserves. */
static void planned_as_written(void) {
  static const char *const formulas[][2] = {
      {"Exp(-p*SqDist(x,y)/q)", "Exp(IfElse(SqDist(x,y),-p*SqDist(x,y)/q,0))"},
      {"Exp(-Norm2(x-y)*(p*2))*Exp(q*(x|y))", "Exp(IfElse(SqDist(x,y),-Norm2(x-y)*(p*2),0))*Exp(IfElse(SqDist(x,y),q*(x|y),0))"},
      {"Exp(-Exp(-(p*SqDist(x,y))))", "Exp(IfElse(SqDist(x,y),-Exp(IfElse(SqDist(x,y),-(p*SqDist(x,y)),0)),0))"},
      {"q/Sqrt(0.5+p*p*SqDist(x,y))", "q/IfElse(SqDist(x,y),Sqrt(0.5+p*p*SqDist(x,y)),0)"},
      {"Inv(Sqrt(Abs(x*y*p)+Exp(p)))", "Inv(IfElse(SqDist(x,y),Sqrt(Abs(x*y*p)+Exp(p)),0))"},
      {"q/Sqrt(Square(x-y)*p)", "q/IfElse(SqDist(x,y),Sqrt(Square(x-y)*p),0)"}};
  const double p_values[] = {0.7, 0, -3, 300, -300, INFINITY, -INFINITY, NAN};
  for (size_t f = 0; f < sizeof formulas / sizeof *formulas; f++)
    for (int k = 0; k < 16; k++) {
      test t = {.aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)", "q=Vi(1)"}, .axis = 1, .f64 = k % 2, .m = 37, .n = 50, .lo = 0.1, .hi = 1};
      gr_array args[4];
      t.formula = formulas[f][0];
      gr_program *scaled = program(&t, args);
      t.formula = formulas[f][1];
      gr_program *plain = program(&t, NULL);
      const double *drawn = args[2].data;
      args[2].data = (double *)&p_values[k / 2];
      for (int backend = GR_CPU; backend <= GR_INTERPRETER; backend++) {
        result r = run_with(scaled, args, (gr_backend)backend, 1), s = run_with(plain, args, (gr_backend)backend, 1);
        double most = t.f64 ? 1e-12 : 1e-3;
        int wrong = 0;
        for (int64_t i = 0; i < r.size; i++) {
          double a = r.v[0][i], b = s.v[0][i];
          wrong += !(a == b || (a != a && b != b) || fabs(a - b) <= most * fabs(b) + 1e-37);
        }
        check(wrong == 0, "%s, p = %g: %d numbers differ from what is written", formulas[f][0], p_values[k / 2], wrong);
        free_result(&r);
        free_result(&s);
      }
      args[2].data = (double *)drawn;
      free_args(scaled, args);
      gr_program_free(scaled);
      gr_program_free(plain);
    }
}

/* Reduced over both indices: the sum (or minimum, or log-sum-exp) of the rows' results; none of
 * nothing. */
static void both_indices(void) {
  static const char *const names[] = {"Sum", "Min", "LogSumExp"};
  static const int64_t sizes[][2] = {{700, 90}, {3, 50000}, {0, 5}, {5, 0}};
  for (int which = 0; which < 3; which++)
    for (int s = 0; s < 4; s++)
      for (int backend = GR_CPU; backend <= GR_INTERPRETER; backend++) {
        test t = problem(0, sizes[s][0], sizes[s][1], true);
        t.reduction = names[which];
        gr_array args[4];
        gr_program *rows = program(&t, args);
        t.axis = 2;
        gr_program *all = program(&t, NULL);
        result r = run_with(rows, args, GR_CPU, 1), a = run_with(all, args, (gr_backend)backend, 2);
        double want = which == 1 ? INFINITY : which == 2 ? -INFINITY : 0;
        for (int64_t k = 0; k < r.size; k++) {
          double v = r.v[0][k];
          want = which == 1 ? fmin(want, v) : which == 0 ? want + v : want == v ? v + (isinf(v) ? 0 : log(2)) : fmax(want, v) + log1p(exp(-fabs(want - v)));
        }
        check(a.size == 1 && (a.v[0][0] == want || fabs(a.v[0][0] - want) < 1e-11 * fabs(want)), "%s over both: %.17g, expected %.17g", names[which],
              a.v[0][0], want);
        free_result(&r);
        free_result(&a);
        free_args(rows, args);
        gr_program_free(rows);
        gr_program_free(all);
      }
}

/* log sum exp(f + c) = c + log sum exp(f), far outside the range of exp. */
static void logsumexp_shifts(void) {
  for (int f64 = 0; f64 < 2; f64++) {
    test t = {.formula = "p-SqDist(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}, .reduction = "LogSumExp", .axis = 1,
              .f64 = f64, .m = 10, .n = 100};
    gr_array args[4];
    gr_program *p = program(&t, args);
    /* near 8192 the spacing of floats is 1e-3 */
    double *shift = (double *)args[2].data, tolerance = f64 ? 1e-12 : 1e-2;
    *shift = 0;
    result zero = run_with(p, args, GR_CPU, 1);
    for (int sign = -1; sign < 2; sign += 2) {
      *shift = sign * 8192.0;
      result far = run_with(p, args, GR_CPU, 1);
      for (int r = 0; r < 10; r++)
        check(fabs(far.v[0][r] - *shift - zero.v[0][r]) < tolerance * 10, "shift %g: %g and %g", *shift, far.v[0][r], zero.v[0][r]);
      free_result(&far);
    }
    free_result(&zero);
    free_args(p, args);
    gr_program_free(p);
  }
}

/* The error of a sum in single precision does not grow with the number of terms. */
static void sums_stay_accurate(void) {
  static const char *const schemes[] = {"block_sum", "kahan_scheme"};
  for (int s = 0; s < 2; s++) {
    test t = {.formula = "y", .aliases = {"y=Vj(1)"}, .axis = 1, .m = 1, .n = 20000000, .lo = 0.1, .hi = 1, .scheme = schemes[s]};
    gr_array args[2];
    gr_program *p = program(&t, args);
    long double exact = 0;
    for (int64_t k = 0; k < t.n; k++) exact += (long double)args[0].data[k];
    result r = run_with(p, args, GR_CPU, 2);
    check(fabsl(r.v[0][0] - exact) / exact < 2e-7, "%s: relative error %g", schemes[s], (double)(fabsl(r.v[0][0] - exact) / exact));
    free_result(&r);
    free_args(p, args);
    gr_program_free(p);
  }
}

/* ---- interrupts and progress ---- */

typedef struct watch {
  int calls, stop_at;
  double last;
  bool ordered;
} watch;

static int interrupted(void *ctx) {
  watch *w = ctx;
  return ++w->calls == w->stop_at;
}

static void progress(double fraction, void *ctx) {
  watch *w = ctx;
  w->ordered &= fraction >= w->last && fraction <= 1;
  w->last = fraction;
}

/* Chunks of work are sized for real processors: under an emulator the amount of work done shows how
 * soon a call stopped, time does not. */
static void interrupts_stop(void) {
  if (is_emulated()) printf("SKIPPED: the time until an interrupt is answered (an emulator runs this)\n");
  static const gr_backend backends[] = {GR_CPU, GR_INTERPRETER};
  for (int b = 0; b < 2; b++)
    for (int threads = 1; threads < 3; threads++) {
      test t = problem(0, 400000, 400000, false);
      gr_array args[4];
      gr_program *p = program(&t, args);
      gr_error err = {0};
      gr_report rep;
      watch w = {.stop_at = 2, .ordered = true};
      gr_options o = options(backends[b], threads);
      o.interrupted = interrupted, o.progress = progress, o.ctx = &w;
      double *v = malloc(sizeof *v * (size_t)t.m), start = gr_now();
      gr_output out = {.data = v, .type = GR_F64};
      gr_class cls = gr_program_run(p, args, 3, &out, &o, &rep, &err);
      double took = gr_now() - start;
      check(cls == GR_INTERRUPT && w.last < 0.05, "interrupt after %g of the work, class %d", w.last, cls);
      if (!is_emulated()) check(took < 30, "interrupt after %g s", took);
      check(w.ordered && w.last > 0, "progress is reported in order, last %g", w.last);
      free(v);
      free_args(p, args);
      gr_program_free(p);
    }
}

/* ---- bad input ---- */

static gr_class make_class(const char *formula, const char *alias) {
  test t = {.formula = formula, .aliases = {alias}, .axis = 1};
  gr_program *p = NULL;
  gr_error err = {0};
  gr_class cls = make(&t, &p, &err);
  gr_program_free(p);
  return cls;
}

static char *repeat(const char *what, size_t times, const char *end) {
  size_t n = strlen(what);
  char *s = malloc(n * times + strlen(end) + 1);
  for (size_t k = 0; k < times; k++) memcpy(s + k * n, what, n);
  strcpy(s + n * times, end);
  return s;
}

static void hostile_formulas_are_refused(void) {
  static const struct {
    const char *what;
    size_t times;
    const char *end;
    gr_class cls;
  } cases[] = {{"(", 100000, "x", GR_PARSE}, {"x+", 5000000, "x", GR_PARSE}, {"-", 100000, "x", GR_PARSE}, {"x+", 100000, "x", GR_PARSE},
               {"x**", 100000, "x", GR_PARSE}, {"Exp(", 100000, "x", GR_PARSE}, {"x[0]", 100000, "[0]", GR_PARSE},
               {"x+", 2000, "x", GR_OK}, {"(", 100, "x", GR_PARSE}, {"x,", 100000, "x", GR_PARSE}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    char *s = repeat(cases[k].what, cases[k].times, cases[k].end);
    gr_class cls = make_class(s, "x=Vi(1)");
    check(cls == cases[k].cls, "%lld times %s: class %d", (long long)cases[k].times, cases[k].what, cls);
    free(s);
  }
  check(make_class("SumT(x,1000000000)", "x=Vi(1)") == GR_DIMENSION, "a dimension past the limit");
  check(make_class("Concat(SumT(x,1000000),SumT(x,1000000))", "x=Vi(1)") == GR_DIMENSION, "a dimension past the limit");
  check(make_class("TensorProd(SumT(x,100000),SumT(x,100000))", "x=Vi(1)") == GR_DIMENSION, "a dimension past the limit");
  check(make_class("Elem(x,-1)", "x=Vi(1)") == GR_DIMENSION, "a negative position");
  check(make_class("Elem(x,1e30)", "x=Vi(1)") == GR_PARSE, "a position that is no integer");
  check(make_class("x", "x=Vi(99999999999999999999)") == GR_DIMENSION, "a huge dimension");
}

static void shapes_are_checked(void) {
  test t = problem(0, 4, 5, true);
  gr_array args[4], bad[4];
  gr_program *p = program(&t, args);
  gr_error err = {0};
  int64_t rows;
  check(gr_program_rows(p, args, 3, &rows, &err) == GR_OK && rows == 4, "rows");
  check(gr_program_rows(p, args, 2, &rows, &err) == GR_ARGUMENT, "two arguments of three: %s", err.message);
  memcpy(bad, args, sizeof bad);
  bad[1].cols = 2;
  check(gr_program_rows(p, bad, 3, &rows, &err) == GR_ARGUMENT && strstr(err.message, "`y` must have 3 columns"), "%s", err.message);
  bad[1].cols = 3, bad[2].cols = 2;
  check(gr_program_rows(p, bad, 3, &rows, &err) == GR_ARGUMENT && strstr(err.message, "`p` must have length 1"), "%s", err.message);
  bad[2].cols = 1, bad[0].rows = INT64_C(1) << 40;
  check(gr_program_rows(p, bad, 3, &rows, &err) == GR_ARGUMENT, "%s", err.message);
  free_args(p, args);
  gr_program_free(p);
}

int main(void) {
  own_folder();
  threads_change_nothing();
  rows_are_independent();
  axes_are_symmetric();
  planned_as_written();
  both_indices();
  logsumexp_shifts();
  sums_stay_accurate();
  interrupts_stop();
  hostile_formulas_are_refused();
  shapes_are_checked();
  return report();
}
