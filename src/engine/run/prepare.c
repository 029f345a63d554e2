/* prepare.c: compiles the missing kernels of several future calls together.
 *
 * A small kernel compiles in 70 to 110 ms.  Each further kernel in the same run of the compiler
 * saves about 40 ms of that (measured): starting the compiler, the prelude, linking, and functions
 * that are common to both.  Therefore an operator that consists of several programs announces its
 * calls first.  There is one run for each precision, because a source text has one precision.
 *
 * Guarantees: nothing is compiled that the calls would interpret or run on a GPU.  Parameters are
 * not known yet; if they require the kernel of the graph as written (see plan/lower.c), the call
 * compiles it.  A failure here has no effect: each call then looks for its kernel itself, compiles
 * it alone, and reports the error. */
#include <stdlib.h>
#include <string.h>

#include "run/kernels.h"

/* Maximum total length, in bytes, of the texts in one run of the compiler.  Long texts take seconds
 * to compile, so that sharing a run gains little, and the time limit of gr_spawn must suffice for
 * all. */
enum { TEXT_MOST = 512 * 1024 };

/* Whether the call needs a CPU kernel that its program does not have.  The GPU is queried last,
 * because that may load its driver. */
static bool lacks_kernel(const gr_call *call, const gr_options *opt, bool *few) {
  const gr_program *p = call->program;
  bool by_i = p->plan->ask.axis == 1;
  int64_t rows = by_i ? call->m : call->n, cols = by_i ? call->n : call->m;
  int plan = gr_plan_of(p, rows, cols);
  *few = plan == PLAN_FEW;
  double elements = call->elements > 0 ? (double)call->elements : 1;
  return gr_wants_kernel(p, elements * (double)rows * (double)cols, opt, plan) && !gr_program_has(p, plan, opt) &&
         !gr_device_expected(call, opt);
}

static int collect(const gr_call *call, int n, const gr_options *opt, gr_wanted *w) {
  int count = 0;
  for (int k = 0; k < n; k++) {
    gr_wanted x = {.program = call[k].program};
    if (lacks_kernel(&call[k], opt, &x.few)) w[count++] = x;
  }
  return count;
}

static bool is_among(gr_wanted *const *w, int n, const char *key) {
  for (int k = 0; k < n; k++)
    if (!strcmp(w[k]->key, key)) return true;
  return false;
}

/* The kernels that are neither in memory nor on disk, each once. */
static int find_missing(gr_compiler *cc, const gr_options *opt, gr_wanted *w, int n, gr_wanted **missing,
                        gr_report *report) {
  int count = 0;
  gr_error err = {0};
  for (int k = 0; k < n; k++) {
    if (w[k].kernel.fn || gr_program_text(w[k].program, w[k].few, &w[k].text, &err)) continue;
    if (gr_kernel_known(cc, opt, &w[k], report) || is_among(missing, count, w[k].key)) continue;
    missing[count++] = &w[k];
  }
  gr_error_clear(&err);
  return count;
}

/* Moves kernels of one precision to the front, as many as one run may compile; returns their
 * number. */
static int take_group(gr_wanted **missing, int n, bool f64) {
  int count = 0;
  size_t length = 0;
  for (int k = 0; k < n; k++) {
    gr_wanted *w = missing[k];
    size_t more = strlen(w->text);
    if (w->program->plan->ask.f64 != f64 || length + more > TEXT_MOST) continue;
    length += more;
    missing[k] = missing[count];
    missing[count++] = w;
  }
  return count;
}

static gr_class compile_group(gr_compiler *cc, const gr_options *opt, gr_wanted *const *group, int n, gr_report *report) {
  gr_error err = {0};
  char *text = NULL;
  if (n < 2) return GR_OK; /* a single kernel is compiled by its call */
  gr_class cls = gr_programs_text(group, n, &text, &err);
  if (!cls) cls = gr_kernels_compile(cc, text, group, n, opt, report, &err);
  free(text);
  gr_error_clear(&err);
  return cls;
}

/* Repeats if the compiler turns out to reject the native flag, because all keys change with the
 * flags. */
static gr_class prepare(gr_compiler *cc, const gr_options *opt, gr_wanted *w, int n, gr_wanted **missing, gr_report *report) {
  gr_class cls = GR_OK;
  bool plain;
  do {
    int count = find_missing(cc, opt, w, n, missing, report);
    plain = cc->plain;
    for (int f64 = 0; f64 < 2 && cls != GR_INTERRUPT && cc->plain == plain; f64++)
      cls = compile_group(cc, opt, missing, take_group(missing, count, f64), report);
  } while (cls != GR_INTERRUPT && cc->plain != plain);
  for (int k = 0; k < n; k++)
    if (w[k].kernel.fn) gr_program_keep(w[k].program, w[k].few, opt, &w[k].kernel);
  return cls == GR_INTERRUPT ? cls : GR_OK;
}

static bool is_sound(const gr_call *call, int n, const gr_options *opt) {
  gr_error ignored = {0};
  bool sound = n >= 0 && (n == 0 || call) && gr_validate_options(opt, &ignored) == GR_OK;
  for (int k = 0; sound && k < n; k++) sound = call[k].program && call[k].m >= 0 && call[k].n >= 0 && call[k].elements >= 0;
  return sound;
}

gr_class gr_programs_prepare(const gr_call *call, int n, const gr_options *opt, gr_report *report) {
  gr_compiler cc = {0};
  gr_error err = {0};
  gr_class cls = GR_OK;
  if (!report || !is_sound(call, n, opt)) return GR_ARGUMENT;
  *report = (gr_report){.backend = GR_CPU, .threads = 1};
  gr_wanted *w = malloc((size_t)n * sizeof *w), **missing = malloc((size_t)n * sizeof *missing);
  int count = w && missing ? collect(call, n, opt, w) : 0;
  if (count > 1 && !gr_compiler_find(opt->cc, &cc, &err)) cls = prepare(&cc, opt, w, count, missing, report);
  gr_compiler_free(&cc);
  gr_error_clear(&err);
  free(missing);
  free(w);
  return cls;
}
