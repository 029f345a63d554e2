/* test_template.c: programs whose aliases leave dimensions open.  Filled with dimensions, a
 * template is the program that was declared with them: in its stages and kernels, for every
 * reduction, axis and precision, and in its results.  Errors that need no dimensions are those of a
 * declared program, when the template is made. */
#include "check.h"

/* `t` with the dimensions of its aliases, "x = Vi" or "p = Pm(2)", left open. */
static gr_class make_open(const test *t, gr_template **out, gr_error *err) {
  char text[ARGS_MAX][64];
  const char *alias[ARGS_MAX];
  int n = 0;
  for (; t->aliases[n]; n++) {
    snprintf(text[n], sizeof text[n], "%s", t->aliases[n]);
    char *dim = strchr(text[n], '(');
    if (dim && !strchr(dim, ',')) *dim = 0;
    alias[n] = text[n];
  }
  gr_spec spec = {.formula = t->formula, .formula2 = t->formula2, .aliases = alias, .n_aliases = n,
                  .reduction = t->reduction, .axis = t->axis, .opt_arg = t->k, .has_opt_arg = t->k != 0,
                  .dtype = t->f64 ? "float64" : "float32", .dtype_acc = t->acc ? t->acc : "auto",
                  .sum_scheme = t->scheme ? t->scheme : "auto"};
  return gr_template_new(&spec, out, err);
}

static char *stage(const gr_program *p, const char *name) {
  gr_error err = {0};
  char *text = NULL;
  check(gr_program_dump(p, name, &text, &err) == GR_OK, "%s", err.message);
  return text;
}

static void compare_stages(const gr_program *a, const gr_program *b, const test *t) {
  static const char *const names[] = {"tokens", "ast", "dag", "plan", "c", "cuda"};
  for (int k = 0; k < 6; k++) {
    char *x = stage(a, names[k]), *y = stage(b, names[k]);
    check(x && y && strcmp(x, y) == 0, "%s: the stage %s differs", describe(t), names[k]);
    free(x);
    free(y);
  }
}

static void compare_results(gr_program *a, gr_program *b, const gr_array *args, gr_backend backend,
                            const test *t) {
  gr_error err = {0};
  gr_options o = options(backend, 2);
  result x, y;
  check(run(a, args, &o, &x, &err) == GR_OK, "%s: %s", describe(t), err.message);
  check(run(b, args, &o, &y, &err) == GR_OK, "%s: %s", describe(t), err.message);
  bool same = x.size == y.size;
  for (int k = 0; same && k < gr_program_result(a).n; k++)
    same = memcmp(x.v[k], y.v[k], (size_t)x.size * sizeof(double)) == 0;
  check(same, "%s, backend %d: results differ", describe(t), (int)backend);
  free_result(&x);
  free_result(&y);
}

static bool same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

/* What a template says of itself: what its programs have in common. */
static void compare_descriptions(const gr_template *o, const gr_program *p, const test *t) {
  gr_result_info a = gr_template_result(o), b = gr_program_result(p);
  bool same = same_text(a.reduction, b.reduction) && a.axis == b.axis && a.k == b.k && a.n == b.n &&
              a.is_index[0] == b.is_index[0] && a.is_index[1] == b.is_index[1] &&
              same_text(a.dtype, b.dtype) && same_text(a.note, b.note) &&
              (a.dim == 0 || a.dim == b.dim) && gr_template_nargs(o) == gr_program_nargs(p);
  for (int k = 0; same && k < gr_program_nargs(p); k++) {
    gr_arg_info x = gr_template_arg(o, k), y = gr_program_arg(p, k);
    same = same_text(x.name, y.name) && x.category == y.category && (x.dim == 0 || x.dim == y.dim);
  }
  check(same, "%s: descriptions differ", describe(t));
}

static void try_test(const test *t, bool kernels) {
  gr_error err = {0};
  gr_program *closed, *p;
  gr_template *open;
  gr_array args[ARGS_MAX];
  gr_class cls = make(t, &closed, &err);
  char message[GR_MESSAGE_MAX];
  strcpy(message, err.message);
  if (cls != GR_OK) { /* such as an index over both axes */
    check(make_open(t, &open, &err) == cls, "%s: refused with dimensions only", describe(t));
    check(strcmp(err.message, message) == 0, "%s: %s, but %s", describe(t), message, err.message);
    return;
  }
  if (!check(make_open(t, &open, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  compare_descriptions(open, closed, t);
  make_args(closed, t, args);
  int n = gr_program_nargs(closed);
  if (check(gr_template_program(open, args, n, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) {
    compare_stages(p, closed, t);
    compare_results(p, closed, args, GR_INTERPRETER, t);
    if (kernels) compare_results(p, closed, args, GR_CPU, t);
    gr_program_free(p);
  }
  free_args(closed, args);
  gr_program_free(closed);
  gr_template_free(open);
}

static void try_reductions(void) {
  for (int red = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis <= 2; axis++)
      for (int f64 = 0; f64 <= 1; f64++) {
        const gr_redinfo *r = &gr_reds[red];
        test t = {.formula = gr_has_trait(r->family, GR_SCALAR_FORMULA) ? "-SqDist(x,y)*g" : "(x-y)*b*g",
                  .formula2 = r->weight == NEED_Y ? "b" : NULL,
                  .aliases = {"x = Vi(3)", "y = Vj(3)", "g = Pm(1)", "b = Vj(1)", "unused = Vi(2)"},
                  .reduction = r->name, .axis = axis, .k = r->needs_k ? 2 : 0, .f64 = f64, .m = 7, .n = 9};
        try_test(&t, axis == 1 && !f64);
      }
}

static void try_forms(void) {
  static const test tests[] = {
      {.formula = "Sum_Reduction(Exp(-SqDist(x,y))*b, 0)", .aliases = {"x = Vi (2) ", "y=Vj(2)", " b = Vj(4)"}, .axis = 1},
      {.formula = "Vi(0,3)*Vj(1,3)", .aliases = {"Vi(3)", "Vj(3)"}, .axis = 1},
      {.formula = "Var(0,2,0)|y", .aliases = {"Vi(2)", "y = Vj(2)"}, .axis = 0},
      {.formula = "MatVecMult(A,x)+y", .aliases = {"A = Pm(6)", "x = Vi(3)", "y = Vj(2)"}, .axis = 1},
      {.formula = "x[1]+y[0:2]+Concat(x[0],y[1])**2", .aliases = {"x = Vi(2)", "y = Vj(2)"}, .axis = 1},
      {.formula = "Grad(Exp(-SqDist(x,y))*b,x,e)", .aliases = {"x = Vi(2)", "y = Vj(2)", "b = Vj(3)", "e = Vi(3)"}, .axis = 1},
      {.formula = "Zero(2)+IfElse(x,y,1e-3)", .aliases = {"x = Vi(2)", "y = Vj(2)"}, .axis = 1},
      {.formula = "x+z", .aliases = {"x = Vi(2)", "y = Vj(3)", "z = Vi(2,2)"}, .axis = 1},
      {.formula = "x+z", .aliases = {"x = Vi(1,2)", "Vi(2)", "z = Vi(0,2)"}, .axis = 1},
      {.formula = "x+z", .aliases = {"Vi(1,2)", "x = Vi(2)", "z = Vi(0,2)"}, .axis = 1},
      {.formula = "TraceOperator(x*y,x,y)", .aliases = {"x = Vi(2)", "y = Vj(2)"}, .axis = 1},
      {.formula = "0.5", .aliases = {"x = Vi(2)", "y = Vj(3)"}, .axis = 1},
  };
  for (size_t k = 0; k < sizeof tests / sizeof *tests; k++) {
    test t = tests[k];
    t.m = 5, t.n = 6, t.f64 = k % 2;
    try_test(&t, true);
  }
}

/* ---- errors ---- */

/* What is wrong whatever the dimensions are is said when the template is made, in the same
 * words. */
static void try_early_errors(void) {
  static const char *const formulas[] = {
      "Epx(x)*y", "x+", "x y", "", "x $ y", "Exp(x,y)", "Exp", "z*y", "x+Exp(zz)", "[1,2]*y", "Elem(x,y)", "Grad([1],x,y)",
      "Extract(x,1)", "TensorDot(x,y,x,2,1,1)", "x*1e99", "Vi(3)*x", "Vi(2,2000000000)", "Vi(0,0)", "Var(1,2,7)", "Vi(200000,1)", "Vi(3,2)",
      "Zero(x)", "Zero(1,2)", "x+Sum_Reduction(y,0)", "Smu_Reduction(x,0)", "Sum_Reduction(x)", "Max_Reduction(x,0)", "Vj(0,2)*y",
      "Concat(x)", "Vi*x", "Var", "(x*(y+Epx(x)))|y", "Epx(x)**y",
      "x**z", "TraceOperator(x,x,Epx(y))", "TraceOperator(x,x,[1])"};
  for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++)
    for (int second = 0; second <= 1; second++) {
      test t = {.formula = second ? "x|y" : formulas[k], .formula2 = second ? formulas[k] : NULL,
                .aliases = {"x = Vi(2)", "y = Vj(2)"}, .reduction = second ? "SoftMax" : "Sum", .axis = 1};
      gr_error closed = {0}, open = {0};
      gr_program *p;
      gr_template *o;
      if (make(&t, &p, &closed) == GR_OK) {
        check(false, "`%s` is no error", formulas[k]);
        continue;
      }
      check(make_open(&t, &o, &open) == closed.cls && !o, "`%s`: %s", formulas[k], open.message);
      check(strcmp(open.message, closed.message) == 0, "`%s`: %s, but %s", formulas[k], closed.message, open.message);
    }
}

static gr_template *of_gauss(void) {
  test t = {.formula = "Exp(-g*SqDist(x,y))*b", .aliases = {"g = Pm(1)", "x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, .axis = 1,
            .f64 = true};
  gr_template *o;
  gr_error err = {0};
  check(make_open(&t, &o, &err) == GR_OK, "%s", err.message);
  return o;
}

static double numbers[1000];

static gr_array shaped(int64_t rows, int64_t cols) {
  return (gr_array){.data = numbers, .rows = rows, .cols = cols, .stride = rows};
}

/* A Mij has N columns for each component; without a Vj it has one component. */
static void try_pairs(void) {
  static const char *const alias[] = {"c = Mij", "x = Vi(1)", "y = Vj(1)"};
  static const struct {
    int n_aliases;
    int64_t rows, cols; /* of c; 5 rows of y */
    int dim;            /* 0: refused by the program */
  } calls[] = {{3, 4, 5, 1}, {3, 4, 15, 3}, {3, 4, 12, 0}, {3, 4, 3, 0}, {2, 4, 15, 1}};
  for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
    gr_spec spec = {.formula = "c", .aliases = alias, .n_aliases = calls[k].n_aliases, .axis = 1, .dtype = "float64",
                    .dtype_acc = "auto", .sum_scheme = "auto"};
    gr_array args[] = {shaped(calls[k].rows, calls[k].cols), shaped(4, 1), shaped(5, 1)};
    gr_template *o;
    gr_program *p;
    gr_error err = {0};
    int64_t rows;
    CHECK(gr_template_new(&spec, &o, &err) == GR_OK);
    CHECK(gr_template_program(o, args, spec.n_aliases, &p, &err) == GR_OK);
    gr_class cls = gr_program_rows(p, args, spec.n_aliases, &rows, &err);
    CHECK(cls == (calls[k].dim ? GR_OK : GR_ARGUMENT));
    if (calls[k].dim) CHECK(gr_program_arg(p, 0).dim == calls[k].dim);
    gr_program_free(p);
    gr_template_free(o);
  }
}

static gr_class ask(gr_template *o, int64_t g, int64_t x, int64_t y, int64_t b, gr_program **p, gr_error *err) {
  gr_array args[] = {shaped(1, g), shaped(4, x), shaped(5, y), shaped(5, b)};
  return gr_template_program(o, args, 4, p, err);
}

static void try_late_errors(void) {
  static const struct {
    int64_t dim[4];
    gr_class cls;
    const char *says[3];
  } calls[] = {
      {{1, 3, 2, 2}, GR_DIMENSION, {"SqDist", "  Exp(-g*SqDist(x,y))*b\n", "\nwith the dimensions of the arguments: g = Pm(1), x = Vi(3), y = Vj(2), b = Vj(2)"}},
      {{2, 3, 3, 3}, GR_DIMENSION, {"found 2 and 3", "^", "g = Pm(2)"}},
      {{1, 0, 3, 2}, GR_ARGUMENT, {"argument `x` must have between 1 and", "columns, it has 0"}},
      {{0, 3, 3, 2}, GR_ARGUMENT, {"argument `g` must have between 1 and", "numbers, it has 0"}},
      {{1, 3, -3, 2}, GR_ARGUMENT, {"argument `y`", "it has -3"}},
      {{1, 3, 3, GR_MAX_DIM + 1}, GR_ARGUMENT, {"argument `b`", "between 1 and"}},
      {{1, 3, 3, INT64_C(1) << 40}, GR_ARGUMENT, {"argument `b`", "it has 1099511627776"}},
  };
  gr_template *o = of_gauss();
  for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
    const int64_t *d = calls[k].dim;
    gr_program *p = NULL;
    gr_error err = {0};
    CHECK(ask(o, d[0], d[1], d[2], d[3], &p, &err) == calls[k].cls && !p);
    for (int i = 0; i < 3 && calls[k].says[i]; i++) CHECK_SAYS(err.message, calls[k].says[i]);
  }
  gr_template_free(o);
}

/* Only what the arguments determined is told. */
static void try_mixed(void) {
  static const char *const alias[] = {"x = Vi(3)", "y = Vj"};
  gr_spec spec = {.formula = "x|y", .aliases = alias, .n_aliases = 2, .axis = 1, .dtype = "float32", .dtype_acc = "auto",
                  .sum_scheme = "auto"};
  gr_template *o;
  gr_program *p;
  gr_error err = {0};
  gr_array args[] = {shaped(4, 7), shaped(5, 2)};
  CHECK(gr_template_new(&spec, &o, &err) == GR_OK && gr_template_arg(o, 0).dim == 3 && gr_template_arg(o, 1).dim == 0);
  CHECK(gr_template_program(o, args, 2, &p, &err) == GR_DIMENSION);
  CHECK_SAYS(err.message, "\nwith the dimensions of the arguments: y = Vj(2)");
  gr_template_free(o);
}

/* Two aliases of one argument: it is open if one of them is. */
static void try_shared(void) {
  static const char *const alias[2][3] = {{"x = Vi(1,2)", "Vi", "z = Vi(0,2)"}, {"Vi(1,2)", "x = Vi", "z = Vi(0,2)"}};
  for (int k = 0; k < 2; k++) {
    gr_spec spec = {.formula = "x+z", .aliases = alias[k], .n_aliases = 3, .axis = 1, .dtype = "float32", .dtype_acc = "auto",
                    .sum_scheme = "auto"};
    gr_template *o;
    gr_error err = {0};
    CHECK(gr_template_new(&spec, &o, &err) == GR_OK);
    CHECK(gr_template_arg(o, 0).dim == 2 && gr_template_arg(o, 1).dim == 0);
    CHECK(strcmp(gr_template_arg(o, 1).name, "x") == 0);
    gr_template_free(o);
  }
}

/* An alias and a variable of the formula at one position agree when the dimension is known. */
static void try_conflicts(void) {
  test t = {.formula = "Vi(0,3)+y", .aliases = {"x = Vi(3)", "y = Vj(3)"}, .axis = 1};
  gr_template *o;
  gr_program *p;
  gr_error err = {0};
  gr_array three[] = {shaped(4, 3), shaped(5, 3)}, four[] = {shaped(4, 4), shaped(5, 3)};
  CHECK(make_open(&t, &o, &err) == GR_OK);
  CHECK(gr_template_program(o, three, 2, &p, &err) == GR_OK);
  gr_program_free(p);
  CHECK(gr_template_program(o, four, 2, &p, &err) == GR_PARSE);
  CHECK_SAYS(err.message, "position 0 is used by two different arguments");
  CHECK_SAYS(err.message, "x = Vi(4)");
  gr_template_free(o);
  t.formula = "Vj(0,3)";
  CHECK(make_open(&t, &o, &err) == GR_PARSE && !o);
}

static void try_bad_aliases(void) {
  static const char *const bad[] = {"x = Vk", "x = Vi Vi", "x = Var", "x =", "x", "x = Vi(", "x = Vi()", "= Vi", "3", ""};
  gr_error err = {0};
  gr_template *o;
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    gr_spec spec = {.formula = "1", .aliases = &bad[k], .n_aliases = 1, .axis = 1, .dtype = "float32", .dtype_acc = "auto",
                    .sum_scheme = "auto"};
    check(gr_template_new(&spec, &o, &err) == GR_PARSE && !o, "`%s` is an alias", bad[k]);
    CHECK_SAYS(err.message, "an alias has the form");
  }
}

static void try_bad_calls(void) {
  gr_template *o = of_gauss(), *none;
  gr_program *p;
  gr_error err = {0};
  gr_array args[4] = {{0}};
  int dims[4] = {1, 3, 3, 2};
  char *text;
  CHECK(gr_template_new(NULL, &none, &err) == GR_ARGUMENT);
  CHECK(gr_template_new(NULL, NULL, &err) == GR_ARGUMENT);
  CHECK(gr_template_program(o, NULL, 4, &p, &err) == GR_ARGUMENT);
  CHECK(gr_template_program(o, args, 3, &p, &err) == GR_ARGUMENT);
  CHECK_SAYS(err.message, "4 arguments expected (g, x, y, b), 3 given");
  CHECK(gr_template_program(o, args, -1, &p, &err) == GR_ARGUMENT);
  CHECK(gr_template_program(o, args, 4, NULL, &err) == GR_ARGUMENT);
  CHECK(gr_template_program(NULL, args, 4, &p, &err) == GR_ARGUMENT);
  CHECK(gr_template_fill(o, NULL, &p, &err) == GR_ARGUMENT);
  CHECK(gr_template_fill(NULL, dims, &p, &err) == GR_ARGUMENT);
  CHECK(gr_template_fill(o, dims, NULL, &err) == GR_ARGUMENT);
  CHECK(gr_template_fill(o, dims, &p, &err) == GR_OK && gr_program_arg(p, 1).dim == 3);
  gr_program_free(p);
  CHECK(gr_template_dump(o, "ast", &text, &err) == GR_OK);
  free(text);
  CHECK(gr_template_dump(o, "dag", &text, &err) == GR_ARGUMENT);
  CHECK_SAYS(err.message, "needs dimensions; those of `g`, `x`, `y`, `b` come from the arguments");
  CHECK(gr_template_dump(o, "x", &text, &err) == GR_ARGUMENT);
  CHECK(gr_template_dump(NULL, "ast", &text, &err) == GR_ARGUMENT);
  CHECK(gr_template_nargs(NULL) == 0 && gr_template_arg(NULL, 0).name == NULL && gr_template_result(NULL).n == 0);
  gr_template_free(NULL);
  gr_template_free(o);

  const char *alias = "x = Vi";
  gr_spec spec = {.formula = "x", .aliases = &alias, .n_aliases = 1, .axis = 1, .dtype = "float32", .dtype_acc = "auto",
                  .sum_scheme = "auto"};
  CHECK(gr_program_new(&spec, &p, &err) == GR_PARSE && !p);
  CHECK_SAYS(err.message, "argument `x` has no dimension");
}

/* ---- programs ---- */

/* Programs stay while they are used: the same for the same dimensions, for 64 of them; those that a
 * template dropped, and those of a template that is gone, still compute. */
static void try_many(void) {
  enum { MANY = 70, HELD = 64 };
  gr_template *o = of_gauss();
  gr_program *p[MANY], *again;
  gr_error err = {0};
  for (int d = 1; d <= MANY; d++) {
    if (d > 1) { /* dimension 1 is asked for all the time */
      CHECK(ask(o, 1, 1, 1, 1, &again, &err) == GR_OK && again == p[0]);
      gr_program_free(again);
    }
    CHECK(ask(o, 1, d, d, 1, &p[d - 1], &err) == GR_OK && gr_program_arg(p[d - 1], 1).dim == d);
  }
  for (int d = 1; d <= MANY; d++) { /* from the last back: a new one pushes out no other */
    int k = d == 1 ? 0 : MANY + 1 - d;
    bool held = k == 0 || k > MANY - HELD;
    CHECK(ask(o, 1, k + 1, k + 1, 1, &again, &err) == GR_OK);
    if (held) CHECK(again == p[k]);
    if (!held) CHECK(again != p[k]);
    gr_program_free(again);
  }
  gr_template_free(o);
  for (int d = 1; d <= MANY; d++) {
    gr_array args[] = {shaped(1, 1), shaped(2, d), shaped(5, d), shaped(5, 1)};
    gr_options opt = options(GR_INTERPRETER, 1);
    result r;
    numbers[0] = 1;
    CHECK(run(p[d - 1], args, &opt, &r, &err) == GR_OK && r.rows == 2);
    free_result(&r);
    gr_program_free(p[d - 1]);
  }
}

/* One kernel for all programs of the same dimensions, whether they were declared or not. */
static void try_kernels(void) {
  gr_template *o[2] = {of_gauss(), of_gauss()};
  test t = {.formula = "Exp(-g*SqDist(x,y))*b", .aliases = {"g = Pm(1)", "x = Vi(5)", "y = Vj(5)", "b = Vj(2)"}, .axis = 1,
            .f64 = true};
  gr_program *p[4];
  gr_error err = {0};
  gr_options opt = options(GR_CPU, 1);
  opt.cache_dir = NULL;
  CHECK(ask(o[0], 1, 5, 5, 2, &p[0], &err) == GR_OK && ask(o[1], 1, 5, 5, 2, &p[1], &err) == GR_OK &&
        ask(o[0], 1, 5, 5, 2, &p[2], &err) == GR_OK && make(&t, &p[3], &err) == GR_OK);
  for (int k = 0; k < 4; k++) {
    gr_report rep = {0};
    CHECK(gr_program_compile(p[k], &opt, &rep, &err) == GR_OK);
    CHECK(rep.provenance == (k == 0 ? GR_COMPILED : GR_FROM_MEMORY));
  }
  for (int k = 0; k < 4; k++) gr_program_free(p[k]);
  for (int k = 0; k < 2; k++) gr_template_free(o[k]);
}

int main(void) {
  try_reductions();
  try_forms();
  try_early_errors();
  try_late_errors();
  try_mixed();
  try_shared();
  try_pairs();
  try_conflicts();
  try_bad_aliases();
  try_bad_calls();
  try_many();
  try_kernels();
  return report();
}
