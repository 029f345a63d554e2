/* tiny_kernel.h: kernels of three lines that return their number, got by this process or by a new
 * one.
 *
 * A new process is this program again, with the arguments "get CACHE TMP N CC"; it prints
 * "ORIGIN VALUE NOTE|MESSAGE", where the origin is a gr_origin: 2 from disk, 3 compiled. */
#ifndef GENRED_TINY_KERNEL_H
#define GENRED_TINY_KERNEL_H

#include "files.h"

static char self[4096]; /* the path of this program */

#ifdef _WIN32
#define EXPORTED "__attribute__((dllexport)) "
#define INT64 "long long"
#else
#define EXPORTED ""
#define INT64 "long"
#endif

/* Valid until the next call. */
static inline const char *kernel_text(int n) {
  static char text[512];
  snprintf(text, sizeof text,
           "double sin(double);\n" EXPORTED "void gr_kernel(const double *const *arg, const " INT64 " *ld, double *state, " INT64 " m, " INT64
           " r0, " INT64 " r1, " INT64 " c0, " INT64 " c1, void *s) {\n  state[0] += %d + sin(arg[0][0]);\n}\n",
           n);
  return text;
}

/* GR_TEST_CFLAGS: more flags for the compiler. */
static inline gr_options with(const char *cache, const char *tmp, const char *cc) {
  return (gr_options){.cc = cc, .cache_dir = cache, .tmp_dir = tmp, .cflags = getenv("GR_TEST_CFLAGS")};
}

/* The value of kernel n, or -1 with the error in err. */
static inline double value(int n, const gr_options *opt, gr_report *report, gr_error *err) {
  gr_kernel kernel;
  double zero = 0, state = 0;
  const double *arg[] = {&zero};
  *report = (gr_report){0};
  if (gr_kernel_get(kernel_text(n), opt, &kernel, report, err)) return -1;
  kernel.fn(arg, NULL, &state, 0, 0, 1, 0, 1, NULL);
  gr_kernel_drop(&kernel);
  return state;
}

/* What the new process does. */
static inline int child_get(char **argv) {
  gr_options opt = with(argv[2], argv[3], argv[5]);
  gr_report report;
  gr_error err = {0};
  double v = value(atoi(argv[4]), &opt, &report, &err);
  printf("%d %g %s|%s\n", (int)report.provenance, v, report.note, err.message);
  gr_error_clear(&err);
  return 0;
}

/* The output of a new process that gets kernel n; valid until the next call.  `more` is one more
 * argument, or NULL. */
static inline const char *in_new_process(const char *cache, const char *tmp, int n, const char *cc, const char *more) {
  static char out[4096];
  char number[16];
  const char *argv[] = {self, "get", cache, tmp, number, cc, more, NULL};
  gr_error err = {0};
  int status = -1;
  snprintf(number, sizeof number, "%d", n);
  gr_spawn(argv, at("child.log"), NULL, &status, &err);
  gr_error_clear(&err);
  snprintf(out, sizeof out, "%s%.3000s", status == 0 ? "" : "crashed: ", text_of(at("child.log")));
  return out;
}

#endif
