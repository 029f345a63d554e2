/* emit_text.c: lines, names of the file scope, and fixed text.
 *
 * Owns      which pieces of fixed text are called by the operations (from the column `calls` of
 *           graph/ops.h) and by these pieces in turn, and the functions of a processor's kernel
 *           that fill buffers.
 * Guarantees  a kernel has the groups of the prelude and the functions that it needs, and no
 *           others: whoever writes a call records what it calls (gr_calls); text that was written
 *           is not read. */
#include <string.h>

#include "emit/emitter.h"

/* ---- lines ---- */

static void open_brace(gr_emitter *e) {
  gr_put(&e->out, " {\n");
  e->out.indent++;
}

void gr_open(gr_emitter *e, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  gr_line_begin(&e->out, fmt, ap);
  va_end(ap);
  open_brace(e);
}

void gr_open_block(gr_emitter *e) {
  gr_line(&e->out, "{");
  e->out.indent++;
}

void gr_close(gr_emitter *e) {
  e->out.indent--;
  gr_line(&e->out, "}");
}

void gr_lines(gr_emitter *e, const char *const *line) {
  for (; *line; line++) gr_line(&e->out, "%s", *line);
}

/* ---- names of the file scope ---- */

static void add_name(gr_emitter *e, gr_names *names, const char *name) {
  if (names->n == names->cap) {
    const char **old = names->name;
    names->cap = 2 * names->cap + 16;
    names->name = gr_alloc(e->c->arena, (size_t)names->cap * sizeof *names->name);
    if (names->n) memcpy(names->name, old, (size_t)names->n * sizeof *names->name);
  }
  names->name[names->n++] = name;
}

void gr_in_scope(gr_emitter *e, const char *const *name) {
  for (; *name; name++) add_name(e, &e->scope, *name);
}

void gr_open_function(gr_emitter *e, const char *type, const char *name, const char *parameters, ...) {
  va_list ap;
  add_name(e, &e->scope, name);
  gr_putf(&e->out, "%s %s(", type, name);
  va_start(ap, parameters);
  gr_line_begin(&e->out, parameters, ap); /* in the file scope lines are not indented */
  va_end(ap);
  gr_put(&e->out, ")");
  open_brace(e);
}

void gr_macro(gr_emitter *e, const char *name, const char *fmt, ...) {
  va_list ap;
  add_name(e, &e->macros, name);
  gr_putf(&e->out, "#define %s", name);
  va_start(ap, fmt);
  gr_line_begin(&e->out, fmt, ap);
  va_end(ap);
  gr_put(&e->out, "\n");
}

/* ---- what calls what ---- */

#define INDEX(name, signature, categories, cost, emitted, calls, ...) [OP_##name] = PIECE_##calls,
#define EW(name, arity, cost, law, emitted, calls, ...) [OP_##name] = PIECE_##calls,
#define LOOP(name, signature, dimension, flags, law, stride, offset, cost, storage, calls, ...)    \
  [OP_##name] = PIECE_##calls,
static const gr_piece called[OP_COUNT] = {GR_OPS_INDEX(INDEX) GR_OPS_EW(EW) GR_OPS_LOOP(LOOP)};
#undef INDEX
#undef EW
#undef LOOP

bool gr_is_of_operators(gr_op op) { return called[op] == PIECE_operators; }

void gr_calls_of(gr_emitter *e, gr_op op) { gr_calls(e, 1u << called[op]); }

/* The pieces that a piece calls: earlier ones. */
static const unsigned calls[PIECE_COUNT] = {[PIECE_sigmoid] = GR_PIECE(exp),
                                            [PIECE_hyp] = GR_PIECE(exp),
                                            [PIECE_pow] = GR_PIECE(exp) | GR_PIECE(log),
                                            [PIECE_log1p] = GR_PIECE(exp) | GR_PIECE(log),
                                            [PIECE_tan] = GR_PIECE(sin),
                                            [PIECE_erf] = GR_PIECE(exp),
                                            [PIECE_softmin] = GR_PIECE(exp) | GR_PIECE(log),
                                            [PIECE_gamma] = GR_PIECE(log) | GR_PIECE(sin),
                                            [PIECE_rand] = GR_PIECE(index),
                                            [PIECE_take_vectors] = GR_PIECE(take_last),
                                            [PIECE_take_rows] = GR_PIECE(take_vectors),
                                            [PIECE_take_columns] = GR_PIECE(take_vectors),
                                            [PIECE_take_packed] = GR_PIECE(take_last)};

static unsigned with_called(unsigned pieces) {
  for (int k = PIECE_COUNT - 1; k >= 0; k--)
    if (pieces >> k & 1) pieces |= calls[k];
  return pieces;
}

void gr_emit_prelude(gr_str *out, const gr_language *in, unsigned pieces) {
  pieces = (with_called(pieces) | in->prelude) & in->offered;
  for (const gr_prelude_line *line = gr_prelude; line->text; line++)
    if (pieces >> line->piece & 1) gr_put(out, line->text);
}

/* ---- functions that fill buffers ---- */

/* The same in every kernel that has them.  They are neither inlined nor cloned and use explicit
 * vectors, and one function without vectors does the ends of all, because a compiler would
 * otherwise spend more time on specialized, vectorized and unrolled versions of these loops than on
 * the pairs (gcc 12, dimension 3: 500 million instructions instead of 350; dimension 100: 1030
 * instead of 420). */
static const struct support {
  gr_piece piece;
  const char *const name[7]; /* of the file scope; NULL at the end */
  const char *const line[24]; /* NULL at the end */
} support[] = {
    {PIECE_take_last,
     {"take_last"},
     {"/* n numbers less the origin, then copies of the last, `all` together.  (The empty statement keeps compilers from making vectors of it.) */",
      "GR_FILL void take_last(const double *x, double origin, int n, int all, T *to) {",
      "  for (int l = 0; l < all; l++) {",
      "    to[l] = (T)(x[l < n ? l : n - 1] - origin);",
      "    __asm__ volatile(\"\");",
      "  }",
      "}"}},
    {PIECE_take_vectors,
     {"take_vectors"},
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
    {PIECE_take_left,
     {"take_left"},
     {"/* n columns, fewer than a vector has lanes, padded with copies of the last. */",
      "GR_FILL const double *take_left(const double *x, int64 ld, int dim, int n, double *to) {",
      "  for (int k = 0; k < dim; k++)",
      "    for (int l = 0; l < GR_L; l++) {",
      "      to[k * GR_L + l] = x[k * ld + (l < n ? l : n - 1)];",
      "      __asm__ volatile(\"\");",
      "    }",
      "  return to;",
      "}"}},
    {PIECE_take_rows,
     {"take_rows"},
     {"GR_FN void take_rows(const double *x, int64 ld, const double *from, int dim, int nr, T *to) {",
      "  take_vectors(x, ld, from, dim, nr, (nr + GR_L - 1) / GR_L * GR_L, to, GR_L, (int64)NROW * GR_L);",
      "}"}},
    {PIECE_take_columns,
     {"take_columns"},
     {"GR_FN void take_columns(const double *x, int64 ld, const double *from, int dim, int nc, T *to) {",
      "  take_vectors(x, ld, from, dim, nc, (WHOLE(nc) + 15) / 16 * 16, to, LD, GR_L);",
      "}"}},
    {PIECE_take_packed,
     {"FIRST", "group", "group_taken", "pair", "pair_taken", "take_packed"},
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
    {PIECE_pack_columns,
     {"pack_columns"},
     {"/* dim components of nc columns: from staged to packed in groups, a few components at a time, whose lines the cache keeps. */",
      "GR_FILL void pack_columns(const T *from, int nc, int dim, T *to) {",
      "  for (int b = 0; b < dim; b += 16)",
      "    for (int c = 0; c < WHOLE(nc); c += G)",
      "      for (int k = b; k < b + 16 && k < dim; k++)",
      "        __builtin_memcpy(to + (int64)c * NCOL + k * G, from + k * LD + c, G * sizeof(T));",
      "}"}},
    /* The compiler makes two versions of the loop over columns, one for the first row.  In double
     * precision there is nothing to convert, so that a stage would save nothing. */
    {PIECE_column,
     {"column"},
     {"/* Columns from x on: the first row converts and stages them. */",
      "GR_FN V column(T *stage, const double *x, double origin, int r) {",
      "  if (GR_TBYTES == 8) return v_of(vd_load(x));",
      "  if (r > 0) return v_load(stage);",
      "  const V a = v_of(vd_load(x) - origin);",
      "  v_store(stage, a);",
      "  return a;",
      "}"}},
    /* A tile has more columns than hardware prefetch follows, so the lines of the vector after the
     * next are fetched, which the rows after the next read.  (Sum of c b, 10 000 x 10 000, axis 1,
     * in ms: float32 38 and 30, float64 53 and 29; a plain sum of the matrix 31.) */
    {PIECE_load_pairs,
     {"some_pairs", "load_pairs"},
     {"/* Numbers of pairs for n lanes, `step` apart, then copies of the last: nothing else is read. */",
      "GR_RARE void some_pairs(const double *x, int64 step, int n, V *to) {",
      "  for (int l = 0; l < GR_L; l++) (*to)[l] = (T)x[(l < n ? l : n - 1) * step];",
      "}",
      "GR_FN V load_pairs(const double *x, int64 step, int n) {",
      "  double apart[GR_L];",
      "  V some;",
      "  if (__builtin_expect(n < GR_L, 0)) {",
      "    some_pairs(x, step, n, &some);",
      "    return some;",
      "  }",
      "  if (step == 1) {",
      "    __builtin_prefetch(x + 2 * GR_L);",
      "    if (GR_L > 8) __builtin_prefetch(x + 2 * GR_L + 8);",
      "    return v_of(vd_load(x));",
      "  }",
      "  for (int l = 0; l < GR_L; l++) apart[l] = x[l * step];",
      "  return v_of(vd_load(apart));",
      "}"}}};

void gr_emit_support(gr_emitter *e) {
  unsigned pieces = with_called(e->pieces);
  for (const struct support *s = support; s < support + sizeof support / sizeof *support; s++) {
    if (!(pieces >> s->piece & 1)) continue;
    gr_in_scope(e, s->name);
    gr_put(&e->out, "\n");
    gr_lines(e, s->line);
  }
}
