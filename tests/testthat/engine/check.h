/* check.h: what the C tests share: counts of checks, programs made from strings, random arguments,
 * and the comparison of a kernel with the interpreter. */
#ifndef GENRED_CHECK_H
#define GENRED_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "run/kernels.h"

/* On Windows, stdio.h decides which printf is used, and so which formats are right. */
#ifdef __MINGW_PRINTF_FORMAT
#define PRINTF_KIND __MINGW_PRINTF_FORMAT
#else
#define PRINTF_KIND printf
#endif

static int passed, failed;

__attribute__((unused, format(PRINTF_KIND, 2, 3))) static bool check(bool ok, const char *fmt, ...) {
  va_list ap;
  ok ? passed++ : failed++;
  if (ok) return true;
  printf("FAILED: ");
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  return false;
}

__attribute__((unused)) static int report(void) {
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0 || passed == 0;
}

/* A condition that is its own message; that a text contains a part. */
#define CHECK(ok) check((ok) != 0, "line %d: %s", __LINE__, #ok)
#define CHECK_SAYS(text, part) check_says(text, part, __LINE__)

__attribute__((unused)) static bool check_says(const char *text, const char *part, int line) {
  return check(strstr(text, part) != NULL, "line %d: no \"%s\" in: %s", line, part, text);
}

/* ---- deterministic random numbers ---- */

static uint64_t seed = 42;

__attribute__((unused)) static double uniform(double lo, double hi) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * (double)(seed >> 11) / 9007199254740992.0;
}

/* ---- programs ---- */

enum { ARGS_MAX = 6 };

typedef struct test {
  const char *formula, *formula2;
  const char *aliases[ARGS_MAX + 1]; /* NULL-terminated */
  const char *reduction;
  int axis, k;
  bool f64;
  const char *scheme, *acc;
  int64_t m, n;
  double lo, hi; /* range of the arguments; 0, 0: -2 ... 2 */
} test;

__attribute__((unused)) static gr_class make(const test *t, gr_program **p, gr_error *err) {
  int n = 0;
  while (t->aliases[n]) n++;
  gr_spec spec = {.formula = t->formula, .formula2 = t->formula2, .aliases = t->aliases, .n_aliases = n,
                  .reduction = t->reduction, .axis = t->axis, .opt_arg = t->k, .has_opt_arg = t->k != 0,
                  .dtype = t->f64 ? "float64" : "float32", .dtype_acc = t->acc ? t->acc : "auto",
                  .sum_scheme = t->scheme ? t->scheme : "auto"};
  return gr_program_new(&spec, p, err);
}

/* Random arguments that float represents exactly, so that both precisions get the same numbers. */
__attribute__((unused)) static void make_args(const gr_program *p, const test *t, gr_array *args) {
  double lo = t->lo, hi = t->hi;
  if (lo == 0 && hi == 0) lo = -2, hi = 2;
  for (int k = 0; k < gr_program_nargs(p); k++) {
    gr_arg_info a = gr_program_arg(p, k);
    int64_t rows = a.category == GR_VI ? t->m : a.category == GR_VJ ? t->n : 1;
    double *x = malloc(sizeof *x * (size_t)(rows * a.dim + 1));
    for (int64_t i = 0; i < rows * a.dim; i++) x[i] = (float)uniform(lo, hi);
    args[k] = (gr_array){.data = x, .rows = rows, .cols = a.dim, .stride = rows};
  }
}

__attribute__((unused)) static void free_args(const gr_program *p, gr_array *args) {
  for (int k = 0; k < gr_program_nargs(p); k++) free((void *)args[k].data);
}

static const char *cache_folder(void) {
  static char path[512];
  if (!*path) snprintf(path, sizeof path, "%s/kernels", temporary_folder());
  return path;
}

__attribute__((unused)) static gr_options options(gr_backend backend, int threads) {
  return (gr_options){.backend = backend, .threads = threads, .tmp_dir = temporary_folder(), .cache_dir = cache_folder(),
                      .cc = getenv("GENRED_CC")};
}

typedef struct result {
  double *v[2];
  int64_t rows, size; /* size: numbers per result */
} result;

__attribute__((unused)) static gr_class run(gr_program *p, const gr_array *args, const gr_options *opt, result *r, gr_error *err) {
  gr_result_info info = gr_program_result(p);
  gr_report rep;
  *r = (result){.rows = 0};
  if (gr_program_rows(p, args, gr_program_nargs(p), &r->rows, err) != GR_OK) return err->cls;
  r->size = r->rows * info.dim * (info.k ? info.k : 1);
  gr_output out[2];
  for (int i = 0; i < info.n; i++) {
    r->v[i] = malloc(sizeof(double) * (size_t)(r->size + 1));
    out[i] = (gr_output){.data = r->v[i], .type = GR_F64}; /* indices too: 0-based, -1 */
  }
  return gr_program_run(p, args, gr_program_nargs(p), out, opt, &rep, err);
}

__attribute__((unused)) static void free_result(result *r) {
  free(r->v[0]);
  free(r->v[1]);
}

/* The largest difference relative to the largest absolute value; NaN and infinities must agree
 * exactly. */
__attribute__((unused)) static double difference(const double *a, const double *b, int64_t n) {
  double scale = 1e-300, most = 0;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(b[i]) && fabs(b[i]) > scale) scale = fabs(b[i]);
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(a[i]) || !isfinite(b[i])) {
      if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))) return INFINITY;
    } else if (fabs(a[i] - b[i]) / scale > most) {
      most = fabs(a[i] - b[i]) / scale;
    }
  }
  return most;
}

__attribute__((unused)) static const char *describe(const test *t) {
  static char s[400];
  snprintf(s, sizeof s, "%s(%.160s; %.60s) axis %d %s %dx%d %s %s", t->reduction ? t->reduction : "Sum", t->formula,
           t->formula2 ? t->formula2 : "", t->axis,
           t->f64 ? "float64" : "float32", (int)t->m, (int)t->n, t->scheme ? t->scheme : "", t->acc ? t->acc : "");
  return s;
}

/* Runs interpreter and kernel on the same arguments and compares both results. */
__attribute__((unused)) static bool both_with(const test *t, double tolerance, const char *cflags) {
  gr_program *p;
  gr_error err = {0};
  gr_array args[ARGS_MAX + 4];
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return false;
  make_args(p, t, args);
  gr_options slow = options(GR_INTERPRETER, 1), fast = options(GR_CPU, 2);
  fast.cflags = cflags;
  result a, b;
  bool ok = check(run(p, args, &slow, &a, &err) == GR_OK, "%s: %s", describe(t), err.message);
  ok = check(run(p, args, &fast, &b, &err) == GR_OK, "%s: %s\n%s", describe(t), err.message, err.log ? err.log : "") && ok;
  for (int i = 0; ok && i < gr_program_result(p).n; i++) {
    double d = difference(b.v[i], a.v[i], a.size);
    ok = check(d <= (gr_program_result(p).is_index[i] ? 0 : tolerance), "%s: result %d differs by %g", describe(t), i, d);
  }
  free_result(&a);
  free_result(&b);
  free_args(p, args);
  gr_program_free(p);
  gr_error_clear(&err);
  return ok;
}

/* Single precision with the options that users get, double precision with those that compile
 * fast. */
__attribute__((unused)) static bool both(const test *t, double tolerance) {
  return both_with(t, tolerance, t->f64 ? "-O1" : NULL);
}

#endif
