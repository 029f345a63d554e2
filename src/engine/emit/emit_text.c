/* emit_text.c: the parts of a kernel whose text is fixed: the groups of prelude.h and the functions that fill buffers, of which
 * it gets those that it calls. */
#include <string.h>

#include "emit/emitter.h"

/* ---- functions ---- */

/* Functions of the file, the same in every kernel that calls them; a later one may call an earlier one.  They fill buffers: neither inlined nor
 * cloned, with explicit vectors, and their ends by one function without, because a compiler would otherwise spend more time on versions,
 * vectors and unrolled copies of these loops than on the pairs (gcc 12, dimension 3: 500 million instructions instead of 350; dimension
 * 100: 1030 instead of 420). */
static const struct {
  const char *call;
  const char *const line[24]; /* NULL at the end */
} support[] = {
    {"take_last(",
     {"/* n numbers less the origin, then copies of the last, `all` together.  (The empty statement keeps compilers from making vectors of it.) */",
      "GR_FILL void take_last(const double *x, double origin, int n, int all, T *to) {",
      "  for (int l = 0; l < all; l++) {",
      "    to[l] = (T)(x[l < n ? l : n - 1] - origin);",
      "    __asm__ volatile(\"\");",
      "  }",
      "}"}},
    {"take_vectors(",
     {"/* dim components, ld apart, of n rows or columns, less the origin, padded with copies of the last: to `component` and `vector` apart.  Components are",
      " * often in pages of their own, where hardware prefetch does not follow: so they are fetched some components before, and the last ones",
      " * farther along the component. */",
      "GR_FILL void take_vectors(const double *x, int64 ld, const double *from, int dim, int n, int padded, T *to, int64 component, int64 vector) {",
      "  for (int k = 0; k < dim; k++, x += ld, to += component) {",
      "    const double *ahead = k + 4 < dim ? x + 4 * ld : x + 512, origin = GR_TBYTES == 4 && from ? from[k] : 0;",
      "    T *next = to;",
      "    int m = 0;",
      "    for (; m + GR_L <= n; m += GR_L, next += vector) {",
      "      __builtin_prefetch(ahead + m);",
      "      __builtin_prefetch(ahead + m + GR_L / 2);",
      "      v_store(next, v_of(vd_load(x + m) - origin));",
      "    }",
      "    take_last(x + m, origin, n - m, padded - m, next);",
      "  }",
      "}"}},
    {"take_left(",
     {"/* n columns, fewer than a vector has lanes, padded with copies of the last. */",
      "GR_FILL const double *take_left(const double *x, int64 ld, int dim, int n, double *to) {",
      "  for (int k = 0; k < dim; k++)",
      "    for (int l = 0; l < GR_L; l++) {",
      "      to[k * GR_L + l] = x[k * ld + (l < n ? l : n - 1)];",
      "      __asm__ volatile(\"\");",
      "    }",
      "  return to;",
      "}"}},
    {"take_rows(",
     {"GR_FN void take_rows(const double *x, int64 ld, const double *from, int dim, int nr, T *to) {",
      "  take_vectors(x, ld, from, dim, nr, (nr + GR_L - 1) / GR_L * GR_L, to, GR_L, (int64)NROW * GR_L);",
      "}"}},
    {"take_columns(",
     {"GR_FN void take_columns(const double *x, int64 ld, const double *from, int dim, int nc, T *to) {",
      "  take_vectors(x, ld, from, dim, nc, (WHOLE(nc) + 15) / 16 * 16, to, LD, GR_L);",
      "}"}},
    {"take_packed(",
     {"/* The same in groups of columns, 6 as 4 and 2. */",
      "enum { FIRST = G == 6 ? 4 : G };",
      "typedef T group __attribute__((vector_size(FIRST * sizeof(T)), may_alias, aligned(GR_TBYTES)));",
      "typedef double group_taken __attribute__((vector_size(FIRST * 8), may_alias, aligned(8)));",
      "typedef T pair __attribute__((vector_size(2 * sizeof(T)), may_alias, aligned(GR_TBYTES)));",
      "typedef double pair_taken __attribute__((vector_size(16), may_alias, aligned(8)));",
      "GR_FILL void take_packed(const double *x, int64 ld, const double *from, int dim, int nc, T *to) {",
      "  for (int k = 0; k < dim; k++, x += ld, to += G) {",
      "    const double *ahead = k + 4 < dim ? x + 4 * ld : x, origin = GR_TBYTES == 4 && from ? from[k] : 0;",
      "    T *next = to;",
      "    int c = 0;",
      "    for (; c + G <= nc; c += G, next += (int64)NCOL * G) {",
      "      __builtin_prefetch(ahead + c);",
      "      *(group *)next = __builtin_convertvector(*(const group_taken *)(x + c) - origin, group);",
      "      if (G == 6) *(pair *)(next + 4) = __builtin_convertvector(*(const pair_taken *)(x + c + 4) - origin, pair);",
      "    }",
      "    for (; c < WHOLE(nc); c += G, next += (int64)NCOL * G) take_last(x + c, origin, nc - c, G, next);",
      "  }",
      "}"}},
    {"pack_columns(",
     {"/* dim components of nc columns: from staged to packed in groups, a few components at a time, whose lines the cache keeps. */",
      "GR_FILL void pack_columns(const T *from, int nc, int dim, T *to) {",
      "  for (int b = 0; b < dim; b += 16)",
      "    for (int c = 0; c < WHOLE(nc); c += G)",
      "      for (int k = b; k < b + 16 && k < dim; k++)",
      "        __builtin_memcpy(to + (int64)c * NCOL + k * G, from + k * LD + c, G * sizeof(T));",
      "}"}},
    /* The loop over columns exists twice, one for the first row: a compiler takes the question out of it.  In double precision there is nothing
     * to convert, and a stage would save nothing. */
    {"column(",
     {"/* Columns from x on: the first row converts and stages them. */",
      "GR_FN V column(T *stage, const double *x, double origin, int r) {",
      "  if (GR_TBYTES == 8) return v_of(vd_load(x));",
      "  if (r > 0) return v_load(stage);",
      "  const V a = v_of(vd_load(x) - origin);",
      "  v_store(stage, a);",
      "  return a;",
      "}"}}};

/* Those functions that the text calls, or that one of them calls. */
void gr_emit_support(gr_emitter *e, const char *text) {
  enum { N = sizeof support / sizeof *support };
  bool called[N];
  for (int k = N - 1; k >= 0; k--) {
    called[k] = strstr(text, support[k].call) != NULL;
    for (int m = k + 1; m < N; m++)
      for (const char *const *line = support[m].line; called[m] && *line; line++) called[k] |= strstr(*line, support[k].call) != NULL;
  }
  for (int k = 0; k < N; k++) {
    if (!called[k]) continue;
    gr_put(&e->out, "\n");
    for (const char *const *line = support[k].line; *line; line++) gr_line(&e->out, "%s", *line);
  }
}

/* ---- vector math ---- */

/* The groups of prelude.h: the operations that need them, and the groups that they need themselves.  Kernels for a GPU take `shared` ones, the
 * others are prelude_cuda.h's. */
static const struct {
  const char *name;
  gr_op op[4];
  const char *needs[2];
  bool shared;
} groups[] = {{"plain", {0}, {NULL}, true},
              {"exp", {OP_Exp, OP_Powf}, {NULL}, false},
              {"exp2", {OP_Exp2}, {NULL}, false},
              {"sigmoid", {OP_Sigmoid}, {"exp"}, false},
              {"hyp", {OP_Tanh, OP_Sinh, OP_Cosh, OP_Expm1}, {"exp"}, false},
              {"log", {OP_Log, OP_Powf, OP_XLogX}, {NULL}, false},
              {"log1p", {OP_Log1p, OP_Softplus}, {"exp", "log"}, false},
              {"sin", {OP_Sin, OP_Cos, OP_SinXDivX}, {NULL}, false},
              {"tan", {OP_Tan}, {"sin"}, false},
              {"asin", {OP_Asin, OP_Acos}, {NULL}, false},
              {"atan", {OP_Atan, OP_Atan2}, {NULL}, false},
              {"erf", {OP_Erf, OP_Erfc}, {"exp"}, false},
              {"gamma", {OP_Lgamma, OP_Digamma}, {"log", "sin"}, true},
              {"softmin", {OP_SoftDTW_SqDist, OP_SoftDTW_Grad}, {"exp", "log"}, true}};
enum { GROUPS = sizeof groups / sizeof *groups };

static void find_groups(const gr_plan *const *plan, int n, bool used[GROUPS]) {
  bool op[OP_COUNT] = {false};
  for (int k = 0; k < n; k++) {
    for (gr_ref r = 0; r < plan[k]->ask.dag->n; r++) op[plan[k]->ask.dag->node[r].op] |= plan[k]->place[r].live;
    op[OP_Exp2] |= plan[k]->ask.red.family == FAM_ExpSum;
  }
  for (int k = 0; k < GROUPS; k++) {
    used[k] = !groups[k].op[0];
    for (int i = 0; i < 4 && groups[k].op[i]; i++) used[k] |= op[groups[k].op[i]];
  }
  for (int k = 0; k < GROUPS; k++)
    for (int i = 0; used[k] && i < 2 && groups[k].needs[i]; i++)
      for (int m = 0; m < GROUPS; m++) used[m] |= strcmp(groups[m].name, groups[k].needs[i]) == 0;
}

static bool starts(const char *line, const char *with) { return strncmp(line, with, strlen(with)) == 0; }

/* Does the kernel take the group whose name the line begins with? */
static bool takes_group(bool cuda, const bool used[GROUPS], const char *name) {
  for (int k = 0; k < GROUPS; k++)
    if (used[k] && starts(name, groups[k].name) && name[strlen(groups[k].name)] == '\n') return groups[k].shared || !cuda;
  return false;
}

/* In prelude.h a group stands between `#ifndef GR_WITHOUT_name` and its #endif; these two lines are left out, too. */
void gr_emit_prelude(gr_str *out, const gr_plan *const *plan, int n) {
  static const char mark[] = "#ifndef GR_WITHOUT_";
  bool used[GROUPS], ungrouped = gr_target_of(plan[0])->c != NULL, wanted = ungrouped, empty = false;
  int depth = 0;
  find_groups(plan, n, used);
  for (const char *const *line = gr_prelude; *line; line++) {
    if (starts(*line, mark)) {
      wanted = takes_group(!ungrouped, used, *line + sizeof mark - 1), depth = 1;
      continue;
    }
    if (depth) {
      depth += starts(*line, "#if") - starts(*line, "#endif");
      if (!depth) {
        wanted = ungrouped;
        continue;
      }
    }
    if (wanted && !(empty && **line == '\n')) gr_put(out, *line);
    empty = **line == '\n';
  }
}
