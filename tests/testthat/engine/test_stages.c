/* test_stages.c: golden files. golden/NAME.f contains a formula and its settings, one "key value"
 * per line; beside it are the expected outputs of the stages: NAME.ast .dag .plan .c .cu, or
 * NAME.err for a formula that is refused.  Those that exist are compared.
 *
 * `make bless` rewrites them (those that exist; a new .f gets .dag or .err); the difference is
 * reviewed like code.  The .c and .cu files contain no prelude: they begin with the kernel's own
 * source. */
#include <dirent.h>

#include "check.h"
#include "emit/emitter.h"

static const struct {
  const char *name, *extension, *from; /* from: what it begins with, or NULL */
} stages[] = {{"ast", "ast", NULL}, {"dag", "dag", NULL}, {"plan", "plan", NULL}, {"c", "c", "typedef long long int64"}, {"cuda", "cu", "#define REDUCTION"}, {NULL, "err", NULL}};
enum { NSTAGES = 6, ERR = 5, DAG = 1 };

typedef struct golden {
  char text[4096];
  char *alias[16];
  gr_spec spec;
} golden;

static char *slurp(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  char *s = calloc(1, 1 << 16);
  size_t n = fread(s, 1, (1 << 16) - 1, f);
  s[n] = 0;
  fclose(f);
  return s;
}

static void setting(golden *g, const char *key, char *value) {
  gr_spec *s = &g->spec;
  if (strcmp(key, "formula") == 0) s->formula = value;
  if (strcmp(key, "formula2") == 0) s->formula2 = value;
  if (strcmp(key, "alias") == 0) g->alias[s->n_aliases++] = value;
  if (strcmp(key, "reduction") == 0) s->reduction = value;
  if (strcmp(key, "axis") == 0) s->axis = atoi(value);
  if (strcmp(key, "k") == 0) s->opt_arg = atoi(value), s->has_opt_arg = 1;
  if (strcmp(key, "dtype") == 0) s->dtype = value;
  if (strcmp(key, "sum_scheme") == 0) s->sum_scheme = value;
}

/* "\n" in a value is a line end. */
static void unescape(char *s) {
  char *to = s;
  for (; *s; s++) *to++ = s[0] == '\\' && s[1] == 'n' ? (s++, '\n') : *s;
  *to = 0;
}

static void read_golden(golden *g, const char *path) {
  char *s = slurp(path);
  snprintf(g->text, sizeof g->text, "%s", s);
  free(s);
  g->spec = (gr_spec){.axis = -1, .dtype = "float32", .dtype_acc = "auto", .sum_scheme = "auto"};
  for (char *line = strtok(g->text, "\n"); line; line = strtok(NULL, "\n")) {
    char *value = strchr(line, ' ');
    if (!value) continue;
    *value++ = 0;
    unescape(value);
    setting(g, line, value);
  }
  g->spec.aliases = (const char *const *)g->alias;
}

static char *print_stage(const gr_program *p, int stage, gr_error *err) {
  char *s;
  if (gr_program_dump(p, stages[stage].name, &s, err) != GR_OK) return NULL;
  char *from = stages[stage].from ? strstr(s, stages[stage].from) : NULL;
  if (from) memmove(s, from, strlen(from) + 1);
  return s;
}

static void compare(const char *path, const char *got, bool bless) {
  char *want = slurp(path);
  if (bless) {
    FILE *f = fopen(path, "wb");
    fputs(got, f);
    fclose(f);
  } else {
    check(want && strcmp(want, got) == 0, "%s: expected\n%s\ngot\n%s", path, want, got);
  }
  free(want);
}

static void one(const char *folder, const char *name, bool bless) {
  char path[512];
  golden g = {.spec = {0}};
  gr_program *p;
  gr_error err = {0};
  snprintf(path, sizeof path, "%s/%s.f", folder, name);
  read_golden(&g, path);
  gr_class cls = gr_program_new(&g.spec, &p, &err);
  char message[GR_MESSAGE_MAX + 100];
  snprintf(message, sizeof message, "%s: %s\n", gr_class_name(cls), err.message);
  int seen = 0;
  for (int s = 0; s < NSTAGES; s++) {
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, stages[s].extension);
    FILE *f = fopen(path, "rb");
    bool wanted = f != NULL || (bless && s == (cls == GR_OK ? DAG : ERR));
    if (f) fclose(f);
    if (!wanted) continue;
    seen++;
    char *got = s == ERR ? strdup(cls == GR_OK ? "no error\n" : message) : cls == GR_OK ? print_stage(p, s, &err) : strdup(message);
    compare(path, got, bless);
    free(got);
  }
  check(seen > 0, "golden %s has nothing to compare with", name);
  gr_program_free(p);
}

/* A kernel contains the parts of the prelude and the functions that fill buffers which it calls,
 * and no others. */
static void only_what_is_called(void) {
  static const struct {
    const char *formula;
    const char *has[4], *lacks[6];
  } row[] = {{"Exp(-SqDist(x,y))", {"v_exp2(V a)", "take_rows(", "take_last("}, {"v_exp(V a)", "v_log(V a)", "take_packed(", "GR_WITHOUT", "Method"}},
             {"Sum(Log1p(Square(x-y)))", {"v_exp(V a)", "v_log(V a)", "v_log1p(V a)"}, {"v_exp2(V a)", "v_sin(V a)", "gr_lgamma(V a)", "GR_WITHOUT"}},
             {"Sum(Digamma(x+y))", {"v_log(V a)", "v_sin(V a)", "v_digamma(V a)"}, {"v_tan(V a)", "v_erf(V a)", "GR_WITHOUT"}}};
  static const char *const aliases[] = {"x = Vi(3)", "y = Vj(3)"};
  for (size_t r = 0; r < sizeof row / sizeof *row; r++) {
    gr_spec spec = {.formula = row[r].formula, .aliases = aliases, .n_aliases = 2, .axis = 1, .dtype = "float32", .dtype_acc = "auto", .sum_scheme = "auto"};
    gr_program *p = NULL;
    gr_error err = {0};
    char *text = NULL;
    gr_class cls = gr_program_new(&spec, &p, &err);
    if (!cls) cls = gr_program_dump(p, "c", &text, &err);
    if (!check(cls == GR_OK, "%s: %s", row[r].formula, err.message)) continue;
    for (int k = 0; k < 4 && row[r].has[k]; k++) check(strstr(text, row[r].has[k]) != NULL, "the kernel of %s has %s", row[r].formula, row[r].has[k]);
    for (int k = 0; k < 6 && row[r].lacks[k]; k++) check(!strstr(text, row[r].lacks[k]), "the kernel of %s has no %s", row[r].formula, row[r].lacks[k]);
    free(text);
    gr_program_free(p);
  }
}

/* Is the text one call, whose parenthesis closes at the end? */
static bool is_call(const char *s) {
  int depth = 0;
  if (strncmp(s, "v_", 2) != 0) return false;
  for (; *s; s++) {
    depth += (*s == '(') - (*s == ')');
    if (depth == 0 && *s == ')') return s[1] == 0;
  }
  return false;
}

/* The functions of the prelude that an operation's text calls are in the groups that it names. */
static void is_defined(gr_op op, const char *prelude) {
  char name[32];
  for (const char *s = gr_ops[op].emitted; (s = strstr(s, "v_")); s++) {
    snprintf(name, sizeof name, "V %.*s(", (int)strcspn(s, "("), s); /* its definition */
    check(strstr(prelude, name) != NULL, "%s: the groups that it names define %s...)",
          gr_ops[op].name, name);
  }
}

/* The column `calls` agrees with the text that it describes. */
static void columns_agree(void) {
  static const gr_language in = {.prelude = GR_PIECE(base) | GR_PIECE(plain), .offered = ~0u};
  for (gr_op op = 0; op < OP_COUNT; op++) {
    if (gr_ops[op].kind != KIND_EW) continue;
    gr_arena arena = {0};
    gr_emitter e = {0};
    gr_str prelude = {.arena = &arena};
    check(gr_is_of_operators(op) == !is_call(gr_ops[op].emitted),
          "%s is a call or an expression of operators", gr_ops[op].name);
    gr_calls_of(&e, op);
    gr_emit_prelude(&prelude, &in, e.pieces);
    gr_put(&prelude, "V v_square("); /* which a kernel defines itself */
    is_defined(op, prelude.s);
    gr_arena_free(&arena);
  }
}

int main(int argc, char **argv) {
  const char *folder = "golden";
  bool bless = argc > 1 && strcmp(argv[1], "bless") == 0;
  DIR *d = opendir(folder);
  if (!check(d != NULL, "the folder %s exists", folder)) return report();
  for (struct dirent *e; (e = readdir(d));) {
    char name[256];
    size_t n = strlen(e->d_name);
    if (n < 3 || strcmp(e->d_name + n - 2, ".f") != 0) continue;
    snprintf(name, sizeof name, "%.*s", (int)n - 2, e->d_name);
    one(folder, name, bless);
  }
  closedir(d);
  only_what_is_called();
  columns_agree();
  return report();
}
