/* test_long.c: long, deep and self-referring formulas: planning and emission visit each node once,
 * the source of kernels grows linearly, compilers finish, and kernels compute the same as the
 * interpreter. */
#include "check.h"

#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 10 };
#else
enum { SLOWER = 1 };
#endif

static const char *const aliases[] = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)", "q=Pm(1)", "v=Vj(20)", "u=Vj(1)", NULL};

/* f(f(...f(start))), where f is given by the text before and after its argument. */
static void nest(gr_str *b, int n, const char *before, const char *start, const char *after) {
  for (int k = 0; k < n; k++) gr_put(b, before);
  gr_put(b, start);
  for (int k = 0; k < n; k++) gr_put(b, after);
}

/* A sum or product of n terms, each with its number. */
static void chain(gr_str *b, int n, const char *sign, const char *term) {
  for (int k = 1; k <= n; k++) {
    if (k > 1) gr_put(b, sign);
    for (const char *t = term; *t; t++) {
      if (*t == '#')
        gr_putf(b, "%d", k);
      else if (*t == '@')
        gr_putf(b, "%d", k % 3);
      else
        gr_putf(b, "%c", *t);
    }
  }
}

static test of(const char *formula) {
  test t = {.formula = formula, .axis = 1, .m = 20, .n = 50, .lo = 0.1, .hi = 0.9};
  memcpy(t.aliases, aliases, sizeof aliases);
  return t;
}

/* ---- planning and emission ---- */

/* All stages, for the CPU and for a GPU, take at most a second of processor time, and each
 * character of the formula adds at most 600 characters of source. */
static void in_time(const char *what, const char *formula) {
  test t = of(formula);
  gr_error err = {0};
  gr_program *p = NULL;
  const char *text[3] = {"", "", ""};
  gr_cuda_layout layout;
  double start = own_seconds();
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", what, err.message)) return;
  for (int few = 0; few < 2; few++) check(gr_program_text(p, few, &text[few], &err) == GR_OK, "%s: %s", what, err.message);
  check(gr_program_cuda(p, false, &text[2], &layout, &err) == GR_OK, "%s: %s", what, err.message);
  double took = own_seconds() - start;
  if (!is_emulated()) check(took < SLOWER, "%s: planning and emission took %.1f s", what, took);
  for (int k = 0; k < 3; k++) check(strlen(text[k]) < 60000 + 600 * strlen(formula), "%s: %d characters of text", what, (int)strlen(text[k]));
  gr_program_free(p);
}

static const struct {
  int n;
  const char *head, *before, *start, *after, *tail;
} deep[] = {{30, "(", "Mod(", "x|y", ",p,q)", ")*v"},
            {120, "(", "Mod(", "x|y", ",q,p)", ")*v"},
            {120, "(", "ClampInt(", "x|y", ",0,1)", ")*v"},
            {60, "", "Square(", "x|y", ")+(x|y)", ""},
            {240, "", "IfElse(", "x|y", ",p,q)", ""},
            {120, "", "IfElse(p,", "x|y", ",q)*(x|y)", ""},
            {100, "Sum(", "Normalize(x+", "x", ")", "*y)"},
            {30, "Grad(Sum(", "Normalize(x+", "x", ")", "*y),x,u)"},
            {200, "Grad(", "Sin(", "x|y", ")", ",x,u)"},
            {60, "Grad(Sum(Grad(", "Sin(", "x|y", ")", ",x,1)),x,u)"},
            {20, "Grad(Sum(Grad(Sum(Grad(", "Sin(", "x|y", ")", ",x,1)),x,1)),x,u)"},
            {40, "Laplacian(", "Sin(", "x|y", ")", ",x)"}};

static const struct {
  int n;
  const char *head, *sign, *term, *tail;
} wide[] = {{4900, "", "+", "#*(x|y)", ""},
            {4900, "", "+", "Exp(-SqDist(x,y)/#)", ""},
            {4900, "", "*", "(1+x[@]*y[@]/#)", ""},
            {1000, "Grad(", "+", "Exp(-#*SqDist(x,y))", ",x,u)"},
            {40, "Grad(Sum(Grad(", "*", "Sin(#*(x|y))", ",x,1)),x,u)"},
            {300, "", "+", "Grad(Sin(#*(x|y)),x,u)", ""}};

static void texts_stay_in_proportion(void) {
  for (size_t k = 0; k < sizeof deep / sizeof *deep; k++) {
    gr_arena a = {NULL, NULL};
    gr_str b = {.arena = &a};
    gr_put(&b, deep[k].head);
    nest(&b, deep[k].n, deep[k].before, deep[k].start, deep[k].after);
    gr_put(&b, deep[k].tail);
    in_time(gr_format(&a, "%d of %s...%s%s", deep[k].n, deep[k].before, deep[k].after, deep[k].tail), b.s);
    gr_arena_free(&a);
  }
  for (size_t k = 0; k < sizeof wide / sizeof *wide; k++) {
    gr_arena a = {NULL, NULL};
    gr_str b = {.arena = &a};
    gr_put(&b, wide[k].head);
    chain(&b, wide[k].n, wide[k].sign, wide[k].term);
    gr_put(&b, wide[k].tail);
    in_time(gr_format(&a, "%d of %s%s%s", wide[k].n, wide[k].head, wide[k].term, wide[k].tail), b.s);
    gr_arena_free(&a);
  }
}

/* ---- compiling and computing ---- */

/* Sums of 400 terms: 0.2 to 2 s each with gcc 12, but 11 to 24 s with inlined functions and all
 * optimization passes. */
static void long_sums(void) {
  static const char *const terms[] = {"Sin(#*u/400)*Cos((x|y)*#/400)/#", "Exp(-SqDist(x,y)/#)/#", "IfElse(x[@]-y[@],#*x[0],u*#)/400",
                                      "Log(#+SqDist(x,y))*x[@]/400", "Tanh(x[@]*#/400+y[@])*p/400", "x[@]*y[0]*u*#/400"};
  for (int k = 0; k < 12; k++) {
    gr_arena a = {NULL, NULL};
    gr_str b = {.arena = &a};
    chain(&b, 400, "+", terms[k % 6]);
    test t = of(b.s);
    bool few = k % 4 == 1;
    t.f64 = k < 6;
    if (few) t.m = 3, t.n = 4099;
    double start = children_seconds();
    both_with(&t, t.f64 ? 1e-11 : 1e-4, NULL);
    double took = children_seconds() - start;
    if (start >= 0) check(took < 8 * SLOWER, "400 of %s: compiling took %.1f s", terms[k % 6], took);
    gr_arena_free(&a);
  }
}

/* Only long formulas use calls instead of inlined functions, and compiler options. */
static void short_ones_are_as_they_were(void) {
  for (int n = 1; n <= 400; n *= 20) {
    gr_arena a = {NULL, NULL};
    gr_str b = {.arena = &a};
    chain(&b, n, "+", "Exp(-SqDist(x,y)/#)");
    test t = of(b.s);
    gr_error err = {0};
    gr_program *p = NULL;
    const char *text = "";
    check(make(&t, &p, &err) == GR_OK && gr_program_text(p, false, &text, &err) == GR_OK, "%s", err.message);
    check((strstr(text, "GR_APART V v_called_exp2(V a) { return v_exp2(a); }") != NULL) == (n == 400), "%d terms: functions called?", n);
    check((strstr(text, "no-ivopts") != NULL) == (n == 400), "%d terms: passes left out?", n);
    gr_program_free(p);
    gr_arena_free(&a);
  }
}

int main(void) {
  own_folder();
  if (is_emulated()) printf("SKIPPED: the time that planning and emission take (an emulator runs this)\n");
  if (children_seconds() < 0) printf("SKIPPED: the time that compilers take (not known on this system)\n");
  texts_stay_in_proportion();
  short_ones_are_as_they_were();
  long_sums();
  return report();
}
