/* test_limits.c: sizes whose products overflow an int, long names and long messages. */
#include "check.h"

static bool is_utf8(const char *s) {
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    int n = c < 0x80 ? 0 : c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC2 ? 1 : -1;
    if (n < 0) return false;
    for (; n > 0; n--)
      if (((unsigned char)*++s & 0xC0) != 0x80) return false;
  }
  return true;
}

static void refused(const test *t, gr_class want, const char *says) {
  gr_program *p = NULL;
  gr_error err = {0};
  gr_class cls = make(t, &p, &err);
  check(cls == want && strstr(err.message, says), "%.60s: class %d, %s", t->formula, cls, err.message);
  gr_program_free(p);
}

static void accepted(const test *t) {
  gr_program *p = NULL;
  gr_error err = {0};
  char *text = NULL;
  if (check(make(t, &p, &err) == GR_OK, "%.60s: %s", t->formula, err.message)) {
    check(gr_program_dump(p, "c", &text, &err) == GR_OK, "%.60s: %s", t->formula, err.message);
    free(text);
    check(gr_program_dump(p, "cuda", &text, &err) == GR_OK, "%.60s: %s", t->formula, err.message);
    free(text);
  }
  gr_program_free(p);
}

static void states(void) {
  refused(&(test){.formula = "x-y", .aliases = {"x=Vi(1048576)", "y=Vj(1048576)"}, .reduction = "KMin", .k = 1024}, GR_MEMORY, "limit");
  refused(&(test){.formula = "x-y", .aliases = {"x=Vi(1048576)", "y=Vj(1048576)"}, .reduction = "ArgKMax", .k = 65}, GR_MEMORY, "limit");
  accepted(&(test){.formula = "x-y", .aliases = {"x=Vi(1048576)", "y=Vj(1048576)"}, .reduction = "KMin", .k = 64});
  accepted(&(test){.formula = "x-y", .aliases = {"x=Vi(65536)", "y=Vj(65536)"}, .reduction = "KMin_ArgKMin", .k = 1024});
  accepted(&(test){.formula = "x-y", .aliases = {"x=Vi(1048576)", "y=Vj(1048576)"}, .reduction = "Min_ArgMin", .f64 = true});
  accepted(&(test){.formula = "x-y", .aliases = {"x=Vi(1048576)", "y=Vj(1048576)"}, .reduction = "Var"});
  accepted(&(test){.formula = "x-y", .aliases = {"x=Vi(1048576)", "y=Vj(1048576)"}, .scheme = "kahan_scheme"});
  accepted(&(test){.formula = "x|y", .formula2 = "x*y", .aliases = {"x=Vi(1048576)", "y=Vj(1048576)"}, .reduction = "SumSoftMaxWeight"});
}

/* term(1)+term(2)+ ... */
static void terms(const char *term, int n, gr_class want, const char *says) {
  gr_arena a = {NULL, NULL};
  gr_str b = {.arena = &a};
  for (int k = 1; k <= n; k++) {
    if (k > 1) gr_put(&b, "+");
    for (const char *t = term; *t; t++) gr_putf(&b, *t == '#' ? "%d" : "%c", *t == '#' ? k : *t);
  }
  refused(&(test){.formula = b.s, .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)", "u=Vi(1048576)", "v=Vj(1048576)"}, .axis = 1}, want, says);
  gr_arena_free(&a);
}

/* 4100 vectors of 2^20 numbers are 2^32. */
static void buffers(void) {
  terms("Sum(OneHot(x+y+#,1048576))", 4100, GR_MEMORY, "intermediate results");
  terms("Sum(OneHot(x+#,1048576)*y)", 4100, GR_MEMORY, "limit");
  terms("(OneHot(x+#,1048576)|OneHot(y+1,1048576))", 4100, GR_MEMORY, "a row");
  terms("(OneHot(y+#,1048576)|u)", 4100, GR_MEMORY, "a column");
  terms("(OneHot(p+#,1048576)|u*v)", 4100, GR_MEMORY, "parameters");
  terms("(OneHot(x+#,1048576)|OneHot(y+1,1048576))", 20, GR_OK, "");
}

/* Names that are longer than a line of a kernel. */
static void long_names(void) {
  static char alias[3][1000];
  static const char kind[3][8] = {"=Vi(3)", "=Vj(3)", "=Vj(1)"};
  char formula[4000];
  for (int k = 0; k < 3; k++) {
    memset(alias[k], 'a' + k, 900);
    strcpy(alias[k] + 900, kind[k]);
  }
  snprintf(formula, sizeof formula, "Exp(-SqDist(%.900s,%.900s))*%.900s", alias[0], alias[1], alias[2]);
  for (int few = 0; few < 2; few++) {
    test t = {.formula = formula, .aliases = {alias[0], alias[1], alias[2]}, .axis = 1, .m = few ? 2 : 40, .n = few ? 5000 : 70};
    both(&t, 1e-5);
  }
}

static void messages(void) {
  gr_arena a = {NULL, NULL};
  for (int shift = 0; shift < 4; shift++) {
    gr_str b = {.arena = &a};
    for (int k = 0; k < shift; k++) gr_put(&b, "x");
    for (int k = 0; k < 700; k++) gr_put(&b, k % 2 ? "\xe2\x82\xac" : "\xf0\x9f\x98\x80");
    test t[] = {{.formula = "x", .aliases = {"x=Vi(1)"}, .reduction = b.s}, {.formula = b.s, .aliases = {"x=Vi(1)"}}, {.formula = "x", .aliases = {b.s}},
                {.formula = gr_format(&a, "x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x*%s", b.s), .aliases = {"x=Vi(1)"}}};
    for (int k = 0; k < 4; k++) {
      gr_program *p = NULL;
      gr_error err = {0};
      check(make(&t[k], &p, &err) != GR_OK && is_utf8(err.message) && strlen(err.message) > 20, "a cut message: %s", err.message);
      gr_program_free(p);
    }
  }
  char s[] = "a\xe2\x82 b\xff\x80 \xc3\xa9 \xf0\x9f\x98";
  gr_whole_characters(s);
  check(strcmp(s, "a? b? \xc3\xa9 ") == 0 || strcmp(s, "a?? b?? \xc3\xa9 ") == 0, "whole characters: %s", s);
  gr_arena_free(&a);
}

int main(void) {
  own_folder();
  states();
  buffers();
  long_names();
  messages();
  return report();
}
