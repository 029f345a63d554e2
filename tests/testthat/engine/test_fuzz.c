/* test_fuzz.c: random texts never crash the front end, and random formulas that make sense give the same value in the
 * interpreter and in a compiled kernel.  test_fuzz SECONDS SEED runs longer; the default is short. */
#include <time.h>

#include "check.h"

/* Seconds of the processor from a formula to the texts of its kernels. */
#ifdef __SANITIZE_ADDRESS__
enum { DEADLINE = 10 };
#else
enum { DEADLINE = 1 };
#endif

static double cpu(void) { return (double)clock() / CLOCKS_PER_SEC; }

static const char *const pieces[] = {"x", "y", "p", "z", "Exp", "Sum", "Elem", "Concat", "TensorDot", "Vi", "Var", "Sum_Reduction", "(", ")", "[", "]",
                                     ",", ":", "+", "-", "*", "/", "**", "^", "|", "==", "<", ">=", "=", "0", "1", "2", "3", "0.5", "1e-3", "1e", "-1",
                                     "99999999999", " ", "\n", "\t", "\"", ";", "\\", "\xc3\xa9", "\x01", "Clamp(x,-1,2)", "Ind(2,3)", "IfElse"};
enum { NPIECES = sizeof pieces / sizeof *pieces };

static int below(int n) { return (int)uniform(0, n) % n; }

static void random_text(char *s, size_t size) {
  size_t n = 0;
  int parts = 1 + below(20);
  for (int k = 0; k < parts; k++) n += (size_t)snprintf(s + n, size - n, "%s", pieces[below(NPIECES)]);
}

static void garbage(void) {
  char formula[512], alias[512];
  random_text(formula, sizeof formula);
  random_text(alias, sizeof alias);
  test t = {.formula = formula, .aliases = {"x=Vi(3)", "y = Vj(3)", "p=Pm(1)", below(4) ? "z=Vi(1)" : alias}, .axis = below(3) - 1};
  gr_program *p = NULL;
  gr_error err = {0};
  double start = cpu();
  gr_class cls = make(&t, &p, &err);
  check((cls == GR_OK) == (p != NULL) && (cls == GR_OK || *err.message), "%s: class %d", formula, cls);
  check(cls != GR_INTERNAL, "%s: %s", formula, err.message);
  char *text = NULL;
  if (p) check(gr_program_dump(p, "c", &text, &err) == GR_OK, "%s: %s", formula, err.message);
  check(cpu() - start < DEADLINE, "%s: planning took %.1f s", formula, cpu() - start);
  free(text);
  gr_program_free(p);
  gr_error_clear(&err);
}

/* A random expression of dimension d or 1, bounded so that no value overflows. */
static void expression(gr_str *b, int depth, int d) {
  static const char *const unary[] = {"Sin(", "Cos(", "Atan(", "Abs(", "ReLU(", "Square(Sin(", "Sqrt(Abs(", "-(", "Exp(-Abs("};
  static const char *const binary[] = {" + ", " - ", " * "};
  static const char *const scalar[] = {"Sum(", "Norm2(", "Max(", "Min(", "Elem(", "SqNorm2("};
  static const char *const leaves[] = {"x", "y", "p", "x", "y", "0.75", "s"};
  char end[32] = ")";
  if (depth == 0) {
    gr_put(b, leaves[below(7)]);
    return;
  }
  switch (below(4)) {
  case 0: {
    const char *f = unary[below(9)];
    gr_put(b, f);
    expression(b, depth - 1, d);
    gr_put(b, strchr(f, '(') != strrchr(f, '(') ? "))" : ")");
    break;
  }
  case 1:
  case 2:
    gr_put(b, "(");
    expression(b, depth - 1, d);
    gr_put(b, binary[below(3)]);
    expression(b, depth - 1, d);
    gr_put(b, ")");
    break;
  default: {
    const char *f = scalar[below(6)];
    if (*f == 'E') snprintf(end, sizeof end, "+x,%d)", below(d));
    gr_putf(b, "Sin(%s", f);
    expression(b, depth - 1, d);
    gr_putf(b, "%s)", end);
  }
  }
}

static void plan_in_time(const test *t) {
  gr_program *p = NULL;
  gr_error err = {0};
  const char *text;
  gr_cuda_layout layout;
  double start = cpu();
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  for (int few = 0; few < 2; few++) check(gr_program_text(p, few, &text, &err) == GR_OK, "%s: %s", describe(t), err.message);
  check(gr_program_cuda(p, &text, &layout, &err) == GR_OK, "%s: %s", describe(t), err.message);
  check(cpu() - start < DEADLINE, "%s: planning took %.1f s", describe(t), cpu() - start);
  gr_program_free(p);
}

/* What macros repeat is shared: 2^n paths, some n nodes. */
static void shared(gr_str *b, int depth) {
  static const char *const before[] = {"Mod(", "ClampInt(", "Round(", "Square(", "IfElse(s,"}, *const after[] = {",p,s)", ",0,1)", ",2)", ")*p", ",p)*s"};
  int f = below(5);
  if (depth == 0) {
    gr_put(b, "(x|y)");
    return;
  }
  gr_put(b, before[f]);
  shared(b, depth - 1);
  gr_put(b, after[f]);
}

static void nested(void) {
  gr_arena a = {NULL, NULL};
  gr_str b = {.arena = &a};
  gr_put(&b, "(");
  shared(&b, 10 + below(60));
  gr_put(&b, ")*v");
  test t = {.formula = b.s, .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)", "s=Vj(1)", "v=Vj(20)"}, .axis = below(2), .f64 = below(2)};
  plan_in_time(&t);
  gr_arena_free(&a);
}

static void formulas(void) {
  static const char *const vi[] = {"x=Vi(2)", "x=Vi(5)", "x=Vi(9)", "x=Vi(33)"}, *const vj[] = {"y=Vj(2)", "y=Vj(5)", "y=Vj(9)", "y=Vj(33)"};
  static const int dims[] = {2, 5, 9, 33};
  gr_arena a = {NULL, NULL};
  gr_str b = {.arena = &a};
  int d = below(4), f64 = below(2);
  gr_put(&b, "Concat(");
  for (int k = 0; k < 3; k++) {
    if (k) gr_put(&b, ", ");
    expression(&b, 2 + below(4), dims[d]);
  }
  gr_put(&b, ")");
  test t = {.formula = b.s, .aliases = {vi[d], vj[d], "p=Pm(1)", "s=Vj(1)"}, .axis = below(2), .f64 = f64, .m = 1 + below(40), .n = 1 + below(300),
            .lo = -1, .hi = 1};
  plan_in_time(&t);
  both(&t, f64 ? 1e-11 : 1e-4);
  gr_arena_free(&a);
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 0, start = gr_now();
  if (argc > 2) seed = (uint64_t)atoll(argv[2]);
  int n = 0;
  do {
    for (int k = 0; k < 500; k++) garbage();
    formulas();
    nested();
    n++;
  } while (n < 40 || gr_now() - start < seconds);
  return report();
}
