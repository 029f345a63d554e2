/* test_batches.c: calls of many problems of one shape give what a call for each of them gives. */
#include "check.h"

int main(void) {
  enum { M = 3, N = 4 };
  test t = {.formula = "x*y*p", .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, .axis = 1};
  gr_error err = {0};
  gr_report rep;
  gr_program *p;
  double x[2 * M], y[N], g[3] = {1, 10, 100}, z[6 * M];
  gr_options o = options(GR_INTERPRETER, 1);
  own_folder();
  check(make(&t, &p, &err) == GR_OK, "%s", err.message);
  for (int i = 0; i < 2 * M; i++) x[i] = i + 1;
  for (int i = 0; i < N; i++) y[i] = i;
  gr_array args[] = {{.data = x, .rows = M, .cols = 1, .stride = M},
                     {.data = y, .rows = N, .cols = 1, .stride = N},
                     {.data = g, .rows = 1, .cols = 1, .stride = 1}};
  gr_batches b = {2, (int64_t[]){2, 3}, (int64_t[]){M, 0, 0, 0, 0, 1}};
  gr_output out = {.data = z};
  check(gr_program_run_batches(p, args, 3, NULL, &b, &out, &o, &rep, &err) == GR_OK, "%s",
        err.message);
  for (int e = 0; e < 6; e++)
    for (int i = 0; i < M; i++)
      check(z[e * M + i] == x[e % 2 * M + i] * 6 * g[e / 2], "%d %d: %g", e, i, z[e * M + i]);
  gr_program_free(p);
  return report();
}
