/* test_fuzz.c: random strings never crash the front end; random valid formulas give the same value
 * by the interpreter and by a kernel; junk in the structures that callers pass is refused with an
 * error class and a message.
 *
 * test_fuzz SECONDS SEED runs longer; the default is short. */
#include <time.h>

#include "check.h"

/* Processor time, in seconds, from a formula to the source of its kernels. */
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
  for (int plan = 0; plan < PLANS; plan++) check(gr_program_text(p, plan, &text, &err) == GR_OK, "%s: %s", describe(t), err.message);
  check(gr_program_cuda(p, false, &text, &layout, &err) == GR_OK, "%s: %s", describe(t), err.message);
  check(cpu() - start < DEADLINE, "%s: planning took %.1f s", describe(t), cpu() - start);
  gr_program_free(p);
}

/* Repeated arguments of macros are shared: 2^n paths, about n nodes. */
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

/* ---- junk from callers: NULL, negative, absurd, out of the enumeration ---- */

static int64_t odd_size(int64_t right) {
  static const int64_t odd[] = {-1, 0, 1, INT32_MIN, INT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX / 8, INT64_MIN + 1, (int64_t)1 << 61};
  return below(3) ? right : odd[below(10)];
}

static const char *odd_text(const char *right) {
  static const char *const odd[] = {NULL, "", " ", "\xff\xfe", "Sum", "float32", "x"};
  return below(4) ? right : odd[below(7)];
}

static void odd_spec(void) {
  const char *const aliases[] = {odd_text("x=Vi(2)"), odd_text("y=Vj(2)"), odd_text("p=Pm(3)")};
  gr_spec s = {.formula = odd_text("SqDist(x,y)+p[1]"), .formula2 = below(3) ? NULL : odd_text("y"), .aliases = below(8) ? aliases : NULL,
               .n_aliases = below(4) ? 3 : (int)odd_size(3), .reduction = odd_text("Min_ArgMin"), .axis = below(3) ? 1 : (int)odd_size(1), .opt_arg = below(3) ? 0 : (int)odd_size(3),
               .has_opt_arg = below(4) == 0, .dtype = odd_text("float64"), .dtype_acc = odd_text("auto"), .use_double_acc = below(2), .sum_scheme = odd_text("auto")};
  if (s.n_aliases > 3 && s.n_aliases <= GR_MAX_ARGS) s.n_aliases = 3;
  gr_program *p = NULL;
  gr_error err = {0};
  gr_class cls = gr_program_new(below(50) ? &s : NULL, below(50) ? &p : NULL, &err);
  check(cls == GR_OK ? p != NULL : p == NULL && *err.message && cls != GR_INTERNAL, "a junk specification: class %d, %s", cls, err.message);
  gr_program_free(p);
  gr_error_clear(&err);
}

/* Valid calls are computed; valid sizes that need more memory than there is are left out. */
static void odd_call(gr_program *p) {
  static double numbers[64], value[8];
  static int64_t index[8];
  gr_array right[] = {{.data = numbers, .rows = 3, .cols = 2, .stride = 8}, {.data = numbers, .rows = 5, .cols = 2, .stride = 16}, {.data = numbers, .rows = 1, .cols = 3, .stride = 2}}, a[3];
  for (int k = 0; k < 3; k++) {
    a[k] = (gr_array){.data = below(6) ? numbers : NULL, .rows = odd_size(right[k].rows), .cols = odd_size(right[k].cols), .stride = odd_size(right[k].stride)};
    if (a[k].rows > 8 && a[k].rows < INT32_MAX) a[k].rows = right[k].rows;
    if (a[k].stride > 16 && a[k].stride < INT64_MAX / 8) a[k].stride = right[k].stride;
  }
  gr_output out[] = {{.data = below(6) ? value : NULL, .type = (gr_otype)(below(4) ? GR_F64 : below(5) - 1)}, {.data = below(6) ? index : NULL, .type = (gr_otype)(below(4) ? GR_I64 : below(5) - 1)}};
  gr_options opt = options(below(3) ? GR_INTERPRETER : (gr_backend)(below(2) ? 1000 : -1), below(3) ? 1 : -below(3));
  opt.n_devices = below(6) ? 0 : below(3) - 1;
  if (below(20) == 0) opt.tmp_dir = NULL;
  gr_error err = {0};
  gr_report rep;
  int64_t rows;
  int n = below(8) ? 3 : below(5) - 1;
  gr_class cls = gr_program_rows(p, below(20) ? a : NULL, n, below(20) ? &rows : NULL, &err);
  check(cls == GR_OK || (*err.message && cls == GR_ARGUMENT), "junk arguments: class %d, %s", cls, err.message);
  gr_error_clear(&err);
  cls = gr_program_run(below(50) ? p : NULL, below(20) ? a : NULL, n, below(20) ? out : NULL, below(20) ? &opt : NULL, below(20) ? &rep : NULL, &err);
  check(cls == GR_OK || (*err.message && cls == GR_ARGUMENT), "a junk call: class %d, %s", cls, err.message);
  gr_error_clear(&err);
}

static void junk(int times) {
  test t = {.formula = "SqDist(x,y)+p[1]", .aliases = {"x=Vi(2)", "y=Vj(2)", "p=Pm(3)"}, .reduction = "Min_ArgMin", .axis = 1, .f64 = true};
  gr_program *p = NULL;
  gr_error err = {0};
  char *text = NULL;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  for (int k = 0; k < times; k++) odd_spec(), odd_call(p);
  check(gr_program_dump(NULL, "c", &text, &err) == GR_ARGUMENT && gr_program_dump(p, NULL, &text, &err) == GR_ARGUMENT &&
            gr_program_dump(p, "dag", NULL, &err) == GR_ARGUMENT, "junk asked for text");
  check(gr_program_nargs(NULL) == 0 && !gr_program_arg(p, 3).name && !gr_program_arg(p, -1).name && gr_program_result(NULL).n == 0, "junk questions");
  gr_program_free(p);
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 0, start = gr_now();
  own_folder();
  if (argc > 2) seed = (uint64_t)atoll(argv[2]);
  int n = 0;
  do {
    for (int k = 0; k < 500; k++) garbage();
    formulas();
    nested();
    junk(500);
    n++;
  } while (n < 40 || gr_now() - start < seconds);
  return report();
}
