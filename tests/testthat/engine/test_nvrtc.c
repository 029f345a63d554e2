/* test_nvrtc.c: kernels compiled by the real NVRTC, where it is installed (no GPU is needed): they
 * compile for all generations of devices, and the kernels that matter most for speed spill no
 * registers.
 *   GR_FULL=1   every program of the language for every generation, instead of a rotating share
 *   GR_SHOW=1   prints registers and spilled bytes of each */
#include "../cuda/cu.h"
#include "processes.h"
#include "language.h"

static cu_nvrtc nvrtc;
static int known[64], n_known; /* architectures */
static const int generations[] = {75, 80, 90, 100};
enum { GENERATIONS = sizeof generations / sizeof *generations };
#ifdef __SANITIZE_ADDRESS__
enum { EVERY = 150 }; /* little of the time is spent in sanitized code */
#else
enum { EVERY = 17 };
#endif

static bool is_known(int architecture) {
  for (int k = 0; k < n_known; k++)
    if (known[k] == architecture) return true;
  return false;
}

/* ---- a compile, and what ptxas said of it ---- */

typedef struct compiled {
  bool ok;
  char *log;
} compiled;

static compiled compile(const char *text, int architecture) {
  char which[64];
  const char *const options[] = {which, "--std=c++17", "--device-as-default-execution-space", "--ptxas-options=-v"};
  compiled c = {.ok = false};
  nv_program p;
  size_t n = 0;
  snprintf(which, sizeof which, "--gpu-architecture=sm_%d", architecture);
  if (nvrtc.nvrtcCreateProgram(&p, text, "kernel.cu", 0, NULL, NULL) != NVRTC_SUCCESS) return c;
  c.ok = nvrtc.nvrtcCompileProgram(p, 4, options) == NVRTC_SUCCESS;
  nvrtc.nvrtcGetProgramLogSize(p, &n);
  c.log = calloc(n + 1, 1);
  nvrtc.nvrtcGetProgramLog(p, c.log);
  nvrtc.nvrtcDestroyProgram(&p);
  return c;
}

/* Registers of a kernel and spilled bytes; false where the log does not contain them. */
static bool usage(const char *log, const char *kernel, int *registers, int *frame, int *spilled) {
  char name[80];
  int loads;
  snprintf(name, sizeof name, "Function properties for %s\n", kernel);
  const char *s = strstr(log, name), *bytes = s ? strchr(s + strlen(name), '.') : NULL, *used = s ? strstr(s, "Used ") : NULL;
  if (!bytes || !used) return false;
  return sscanf(bytes, ". %d bytes stack frame, %d bytes spill stores, %d bytes spill loads", frame, spilled, &loads) == 3 && sscanf(used, "Used %d", registers) == 1;
}

/* ---- the kernels that time is spent in ---- */

static const test standard[] = {
    {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}},
    {.formula = "Exp(-p*SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "p=Pm(1)"}, .f64 = true},
    {.formula = "Exp(-Norm2(x-y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}},
    {.formula = "-SqDist(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .reduction = "LogSumExp"},
    {.formula = "Grad(Exp(-SqDist(x,y))*b,x,e)", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "e=Vi(1)"}},
    {.formula = "SqDist(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .reduction = "KMin_ArgKMin", .k = 10},
    {.formula = "SqDist(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .reduction = "Min_ArgMin"},
    {.formula = "SqDist(x,y)", .aliases = {"x=Vi(100)", "y=Vj(100)"}, .reduction = "KMin_ArgKMin", .k = 10},
    {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(100)", "y=Vj(100)", "b=Vj(1)"}},
    {.formula = "x|y", .formula2 = "b", .aliases = {"x=Vi(64)", "y=Vj(64)", "b=Vj(64)"}, .reduction = "SumSoftMaxWeight"}};

static void check_usage(const test *t, const char *log, int architecture) {
  int registers = 0, frame = 0, spilled = 0;
  if (!check(usage(log, "gr_pairs", &registers, &frame, &spilled), "%s, sm_%d: ptxas does not tell", describe(t), architecture)) return;
  if (getenv("GR_SHOW")) printf("  sm_%d %3d registers %4d bytes of local memory %4d spilled  %s\n", architecture, registers, frame, spilled, describe(t));
  check(spilled == 0 && frame == 0, "%s, sm_%d: %d bytes of local memory, %d of them spilled", describe(t), architecture, frame, spilled);
}

/* Whether there is a warning other than that of an unused variable. */
static bool warns(const char *log) {
  while ((log = strstr(log, "warning #")))
    if (strncmp(log, "warning #550-D", 14) != 0) return true;
    else log++;
  return false;
}

static void with_text(const test *t, int architecture, bool in_registers) {
  const char *text;
  gr_program *p = NULL;
  gr_error err = {0};
  gr_cuda_layout layout;
  if (!is_known(architecture)) return;
  if (!check(make(t, &p, &err) == GR_OK && gr_program_cuda(p, false, &text, &layout, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  compiled c = compile(text, architecture);
  check(c.ok && !warns(c.log), "%s, sm_%d:\n%.600s", describe(t), architecture, c.log);
  if (c.ok && in_registers) check_usage(t, c.log, architecture);
  free(c.log);
  gr_program_free(p);
}

static void standard_kernels_spill_nothing(void) {
  for (int k = part; k < (int)(sizeof standard / sizeof *standard) * GENERATIONS; k += parts) {
    test t = standard[k / GENERATIONS];
    t.axis = 1;
    with_text(&t, generations[k % GENERATIONS], true);
  }
}

/* ---- the language ---- */

/* Sizes do not matter here: a program is compiled once. */
static bool compiles(const test *t, double tolerance) {
  static int last = -1;
  int mine = program_number(t), every = getenv("GR_FULL") ? 1 : EVERY;
  (void)tolerance;
  if (mine == last) return true;
  last = mine;
  if (mine % every != 0 || mine / every % parts != part) return true;
  for (int g = 0; g < GENERATIONS; g++)
    if (getenv("GR_FULL") || mine / every / parts % GENERATIONS == g) with_text(t, generations[g], false);
  return true;
}

static void work(void) {
  standard_kernels_spill_nothing();
  each_case = compiles;
  whole_language();
}

int main(void) {
  gr_error err = {0};
  own_folder();
  if (cu_open_nvrtc(&nvrtc, 0, &err) != GR_OK || !nvrtc.nvrtcGetSupportedArchs || nvrtc.nvrtcGetNumSupportedArchs(&n_known) != NVRTC_SUCCESS || n_known > 64) {
    printf("SKIPPED: no NVRTC was found that lists its architectures\n");
    check(true, "skipped");
    gr_error_clear(&err);
    return report();
  }
  nvrtc.nvrtcGetSupportedArchs(known);
  share_out(work);
  return report();
}
