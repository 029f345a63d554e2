/* test_batches.c: calls of many problems of one shape.  Every reduction over every axis in both
 * precisions gives, bit by bit, what a call for each element gives: on the interpreter, as a kernel
 * and on the libraries that stand in for CUDA's, with and without ranges, on any number of threads;
 * origins and parameters are those of the element. */
#include "batches.h"

/* ---- every reduction, axis and precision ---- */

static const gr_ranges *some_ranges(int64_t rows, int64_t cols, bool any) {
  static gr_interval row[3], column[4];
  static const int64_t ends[] = {1, 1, 4};
  static gr_ranges r = {row, ends, 3, column, 4};
  row[0] = (gr_interval){0, rows / 3};
  row[1] = (gr_interval){rows / 3, rows / 2};
  row[2] = (gr_interval){rows / 2, rows};
  column[0] = (gr_interval){cols / 4, cols};
  column[1] = (gr_interval){0, cols / 5};
  column[2] = (gr_interval){cols / 3, cols / 2};
  column[3] = (gr_interval){cols / 2, cols - cols / 4};
  return any ? &r : NULL;
}

static void every_reduction(void) {
  static const int64_t sizes[][2] = {{7, 5}, {50, 33}, {3, 5000}, {1, 1}, {0, 4}, {6, 0}, {17, 60}};
  enum { SIZES = sizeof sizes / sizeof *sizes };
  for (int red = 0, turn = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis < 3; axis++)
      for (int f64 = 0; f64 < 2; f64++, turn++) {
        const gr_redinfo *info = &gr_reds[red];
        test t = {.formula = "SqDist(x,y)*p-y[0]",
                  .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"},
                  .reduction = info->name,
                  .axis = axis,
                  .f64 = f64,
                  .k = info->needs_k ? 4 : 0,
                  .lo = 0.2,
                  .hi = 0.9};
        gr_error err = {0};
        gr_program *p;
        if (info->weight == NEED_Y) t.formula2 = axis == 0 ? "x" : "y";
        if (make(&t, &p, &err) != GR_OK) { /* no index over both */
          check(axis == 2 && err.cls == GR_ARGUMENT, "%s: %s", describe(&t), err.message);
          continue;
        }
        for (int k = 0; k < SIZES; k++) {
          int64_t rows = sizes[k][0], cols = sizes[k][1];
          batch b;
          t.m = axis == 0 ? cols : rows, t.n = axis == 0 ? rows : cols;
          draw_batch(p, &t, &b, (turn + k) % (DIMS + 1));
          check_backends(p, &t, &b, some_ranges(rows, cols, (turn + k) % 2), true,
                         (turn + k) % 5 == 0 && cols < 1000);
          free_batch(p, &b);
        }
        gr_program_free(p);
      }
}

/* ---- a loop that shares nothing with the engine ---- */

static void independent(void) {
  enum { M = 5, N = 6, B = 2, C = 3 };
  static const char *const reds[] = {"Sum", "ArgMin"};
  double x[B * 2 * M], y[C * 2 * N], g[B * C];
  for (int k = 0; k < B * 2 * M; k++) x[k] = uniform(-1, 1);
  for (int k = 0; k < C * 2 * N; k++) y[k] = uniform(-1, 1);
  for (int k = 0; k < B * C; k++) g[k] = uniform(0.5, 1.5);
  for (int red = 0; red < 2; red++)
    for (int backend = GR_CPU; backend <= GR_INTERPRETER; backend++) {
      test t = {.formula = "Exp(-SqDist(x,y)*g)",
                .aliases = {"x=Vi(2)", "y=Vj(2)", "g=Pm(1)"},
                .reduction = reds[red],
                .axis = 1,
                .f64 = true,
                .m = M,
                .n = N};
      gr_array args[] = {{.data = x, .rows = M, .cols = 2, .stride = M},
                         {.data = y, .rows = N, .cols = 2, .stride = N},
                         {.data = g, .rows = 1, .cols = 1, .stride = 1}};
      batch b = {.size = {B, C}, .step = {2 * M, 0, 0, 2 * N, 1, B}, .elements = B * C};
      gr_options o = options((gr_backend)backend, 1);
      gr_error err = {0};
      gr_report rep;
      gr_program *p;
      memcpy(b.args, args, sizeof args);
      b.shape = (gr_batches){2, b.size, b.step};
      if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
      result r = run_batch(p, &t, &b, NULL, &o, &rep);
      for (int e = 0; e < B * C; e++)
        for (int i = 0; i < M; i++) {
          double sum = 0, least = INFINITY, at = -1;
          for (int j = 0; j < N; j++) {
            const double *u = x + e % B * 2 * M + i, *v = y + e / B * 2 * N + j;
            double d = pow(u[0] - v[0], 2) + pow(u[M] - v[N], 2), f = exp(-d * g[e]);
            sum += f;
            if (f < least) least = f, at = j;
          }
          double want = red ? at : sum, got = r.v[0][e * M + i];
          check(fabs(got - want) <= 1e-12, "%s: element %d, row %d: %g, not %g", describe(&t), e, i,
                got, want);
        }
      free_result(&r);
      gr_program_free(p);
    }
}

/* ---- threads ---- */

static void threads(void) {
  static const struct {
    const char *reduction;
    int axis;
    int64_t m, n, elements;
  } cases[] = {{"Sum", 1, 60, 60, 800},  {"Sum", 2, 60, 60, 800},  {"LogSumExp", 0, 30, 50, 900},
               {"ArgMin", 1, 70, 70, 700}, {"Sum", 1, 3, 9000, 90}, {"Sum", 2, 700, 1500, 3},
               {"Sum", 1, 20, 90000, 2}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    test t = {.formula = "Exp(-SqDist(x,y))",
              .aliases = {"x=Vi(3)", "y=Vj(3)"},
              .reduction = cases[k].reduction,
              .axis = cases[k].axis,
              .m = cases[k].m,
              .n = cases[k].n};
    gr_error err = {0};
    gr_report rep;
    gr_program *p;
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
    batch b = regular(p, &t, cases[k].elements);
    b.shape = (gr_batches){1, b.size, b.step};
    gr_options o = options(GR_CPU, 1);
    result one = run_batch(p, &t, &b, NULL, &o, &rep), each = run_each(p, &t, &b, NULL, &o);
    close_to(p, &t, &one, &each, b.elements, "a call for each");
    for (o.threads = 2; o.threads < 7; o.threads += 2) {
      result more = run_batch(p, &t, &b, NULL, &o, &rep);
      check(rep.threads > 1, "%s: one thread only", describe(&t));
      check(same_bits(p, &more, &one, b.elements), "%s: %d threads change bits", describe(&t),
            o.threads);
      free_result(&more);
    }
    free_result(&one);
    free_result(&each);
    free_batch(p, &b);
    gr_program_free(p);
  }
}

/* ---- origins ---- */

/* Data far from 0 in single precision, elsewhere in every element, and around 0 in some. */
static void origins(void) {
  enum { M = 40, N = 30, D = 3, E = 12 };
  static const double at[] = {4.8e6, 0, -1.7e9, 3e7, 1e12, 0.5};
  test t = {.formula = "SqDist(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .axis = 1, .m = M, .n = N};
  gr_error err = {0};
  gr_report rep;
  gr_program *p;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  batch b = regular(p, &t, E);
  b.shape = (gr_batches){1, b.size, b.step};
  for (int e = 0; e < E; e++) {
    double *x = (double *)b.args[0].data + e * M * D, *y = (double *)b.args[1].data + e * N * D;
    for (int k = 0; k < M * D; k++) x[k] = at[e % 6] * (1 + k / M) + ldexp(round(ldexp(x[k], 12)), -12);
    for (int k = 0; k < N * D; k++) y[k] = at[e % 6] * (1 + k / N) + ldexp(round(ldexp(y[k], 12)), -12);
  }
  check_backends(p, &t, &b, NULL, true, true);
  gr_options o = options(GR_CPU, 1);
  result r = run_batch(p, &t, &b, NULL, &o, &rep);
  for (int e = 0; e < E; e++)
    for (int i = 0; i < M; i++) {
      const double *x = b.args[0].data + e * M * D + i, *y = b.args[1].data + e * N * D;
      double sum = 0;
      for (int j = 0; j < N; j++)
        for (int k = 0; k < D; k++) sum += pow(x[k * M] - y[j + k * N], 2);
      check(fabs(r.v[0][e * M + i] - sum) <= 1e-5 * sum, "element %d, row %d: %g, not %g", e, i,
            r.v[0][e * M + i], sum);
    }
  free_result(&r);
  free_batch(p, &b);
  gr_program_free(p);
}

/* Most values of one element are far from 0, but not all: the note says so. */
static void note_on_one_element(void) {
  enum { N = 20, E = 5 };
  test t = {.formula = "SqDist(x,y)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .m = N, .n = N};
  gr_options o = options(GR_INTERPRETER, 1);
  gr_error err = {0};
  gr_report rep;
  for (int bad = 0; bad < 2; bad++) {
    gr_program *p;
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
    batch b = regular(p, &t, E);
    b.shape = (gr_batches){1, b.size, b.step};
    for (int k = 1; k < N && bad; k++) ((double *)b.args[0].data)[3 * N + k] += 1e6;
    for (int k = 1; k < N && bad; k++) ((double *)b.args[1].data)[3 * N + k] += 1e6;
    result r = run_batch(p, &t, &b, NULL, &o, &rep);
    check(bad ? rep.note_on_data && strstr(rep.note, "far from zero") : !*rep.note, "note: %s",
          rep.note);
    free_result(&r);
    free_batch(p, &b);
    gr_program_free(p);
  }
}

/* Without pairs there is nothing to tell of, but there is with the next call. */
static void no_note_on_nothing(void) {
  enum { N = 20, E = 5 };
  test t = {.formula = "SqDist(x,y)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .m = 0, .n = N};
  gr_options o = options(GR_INTERPRETER, 1);
  gr_error err = {0};
  gr_report rep;
  gr_program *p;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  for (; t.m <= N; t.m += N) {
    batch b = regular(p, &t, E);
    b.shape = (gr_batches){1, b.size, b.step};
    for (int k = 0; k < E * N; k++) ((double *)b.args[1].data)[k] += k % N ? 1e6 : 0;
    for (int k = 0; k < E * (int)t.m; k++) ((double *)b.args[0].data)[k] += 1e6;
    result r = run_batch(p, &t, &b, NULL, &o, &rep);
    check((t.m > 0) == (strstr(rep.note, "far from zero") != NULL), "%d rows: \"%s\"", (int)t.m,
          rep.note);
    free_result(&r);
    free_batch(p, &b);
  }
  gr_program_free(p);
}

/* ---- conditions on parameters ---- */

/* The lowered kernel asks for parameters that hold in all elements; where they fail in one, whose
 * number is `bad`, all take the kernel of the graph as it was written. */
static void conditions(void) {
  enum { E = 6 };
  for (int bad = -1; bad < E; bad += 2)
    for (int shared = 0; shared < 2; shared++) {
      test t = {.formula = "Exp(-SqDist(x,y)/p)",
                .aliases = {"x=Vi(2)", "y=Vj(2)", "p=Pm(1)"},
                .axis = 1,
                .f64 = true,
                .m = 9,
                .n = 11};
      gr_error err = {0};
      gr_program *p;
      if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
      batch b = regular(p, &t, E);
      b.shape = (gr_batches){1, b.size, b.step};
      for (int e = 0; e < E; e++) ((double *)b.args[2].data)[e] = e == bad ? 1e-308 : 2 + e;
      if (shared) b.step[2] = 0;
      gr_options o = options(GR_CPU, 1);
      gr_report rep;
      result r = run_batch(p, &t, &b, NULL, &o, &rep);
      bool written = bad >= 0 && !shared;
      check((p->kernel[PLAN_WRITTEN] != NULL) == written, "element %d of %d%s: the wrong kernel", bad,
            E, shared ? ", shared" : "");
      check_backends(p, &t, &b, NULL, false, true);
      free_result(&r);
      free_batch(p, &b);
      gr_program_free(p);
    }
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  device = stand_in(argv[0]);
  independent();
  conditions();
  origins();
  note_on_one_element();
  no_note_on_nothing();
  threads();
  every_reduction();
  if (device) device->shutdown();
  return report();
}
