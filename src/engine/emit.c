/* emit.c: plan to C, the parts that every kernel shares: values, statements and the skeleton.
 *
 * The text is a pure function of the plan.  Lanes of a vector V are rows.  Buffers, in the working precision T:
 *   P[k]                    parameters                        (P, R, S, C and W lie one after the other in scratch)
 *   R[(v*NROW + k)*GR_L+l]  row v*GR_L + l
 *   S[k*LD + c]             staged columns: as loaded, and what depends on one column only
 *   C[(c/G*NCOL + k)*G + q] column c + q of a group of G: wide ones again, for loops over their components
 *   W                       what is kept for each column of a tile, and arrays too large for the stack
 * With by_columns, lanes are columns: rows are broadcast, nothing is packed into C, and the first row reads small variables of columns from
 * the arguments themselves (gr_place.direct) and stages them for the others.
 *
 * Contractions and wide sums are functions of their own, called before and after the loop over a tile's columns: so the
 * compiler gives them all registers.  Both fill a register tile, ROWS vectors of rows by COLS columns or components.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gr.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return &e->p->dag->node[r]; }
static const gr_red_emitter *reduction(const gr_emitter *e) { return gr_red_emitter_of(e->p); }

/* ---- lines ---- */

void gr_open(gr_emitter *e, const char *fmt, ...) {
  char line[256];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(line, sizeof line, fmt, ap);
  va_end(ap);
  gr_line(&e->out, *line ? "%s {" : "%s{", line);
  e->out.indent++;
}

void gr_close(gr_emitter *e) {
  e->out.indent--;
  gr_line(&e->out, "}");
}

const char *gr_idx_text(gr_emitter *e, gr_idx k) {
  if (!k.sym) return gr_format(e->c->arena, "%d", k.off);
  if (k.off) return gr_format(e->c->arena, "(%s + %d)", k.sym, k.off);
  return strchr(k.sym, ' ') && *k.sym != '(' ? gr_format(e->c->arena, "(%s)", k.sym) : k.sym;
}

void gr_each(gr_emitter *e, int dim, gr_body *body, const void *data) {
  if (dim <= GR_UNROLL) {
    for (int k = 0; k < dim; k++) body(e, (gr_idx){NULL, k}, data);
    return;
  }
  gr_open(e, "for (int k = 0; k < %d; k++)", dim);
  body(e, (gr_idx){"k", 0}, data);
  gr_close(e);
}

void gr_declare(gr_emitter *e, const char *type, const char *name, int dim, int work) {
  if (work >= 0)
    gr_line(&e->out, "%s *const %s = (%s *)(W + %d);", type, name, type, work);
  else
    gr_line(&e->out, "%s %s[%d];", type, name, dim);
}

/* ---- names ---- */

/* x_i, y_j, g_p for variables; operation and number, exp12, for other nodes: no two can be equal. */
const char *gr_node_name(gr_emitter *e, gr_ref r) {
  const gr_node *n = node(e, r);
  bool var = n->op == OP_Var, changed = false;
  const char *from = var ? e->p->args->arg[n->ints[0]].name : gr_ops[n->op].name;
  char *s = gr_strndup(e->c->arena, from, strlen(from));
  for (char *t = s; *t; t++) {
    if (!var) *t = *t == '_' ? 'd' : (char)tolower((unsigned char)*t);
    if (*t == '.') *t = '_', changed = true;
  }
  if (!var) return gr_format(e->c->arena, isdigit((unsigned char)s[strlen(s) - 1]) ? "%s_%d" : "%s%d", s, r); /* exp2_14 is not exp214 */
  const char *tail = n->cats == CAT_I ? "i" : n->cats == CAT_J ? "j" : "p";
  if (changed) return gr_format(e->c->arena, "%s_%d_%s", s, n->ints[0], tail);
  return gr_format(e->c->arena, "%s_%s", s, tail);
}

/* ---- values ---- */

static const char *constant(gr_emitter *e, double x) {
  const char *s = x != x            ? "__builtin_nan(\"\")"
                  : isinf(x)        ? (x > 0 ? "__builtin_inf()" : "-__builtin_inf()")
                  : x == floor(x) && fabs(x) < 1e9 ? gr_format(e->c->arena, "%.0f", x)
                                                   : gr_format(e->c->arena, "%.17g", x);
  if (x == 0 && signbit(x)) s = "-0.0";
  return gr_format(e->c->arena, "v_set((T)%s)", s);
}

/* Lanes are columns: rows are broadcast, columns loaded from the stage or, `direct`, from the argument. */
static const char *from_buffer_by_columns(gr_emitter *e, gr_ref r, gr_idx k) {
  gr_arena *a = e->c->arena;
  const gr_place *pl = &e->p->place[r];
  const char *of = gr_idx_text(e, k), *t = gr_idx_text(e, (gr_idx){k.sym, k.off + pl->buffer});
  if (pl->level == LEVEL_PARAM) return gr_format(a, "v_set(P[%s])", t);
  if (pl->level == LEVEL_ROW) return gr_format(a, "v_set(%s[%s * GR_L])", e->row < 0 ? "Rv" : "R0", t);
  const char *c = e->col < 0 || e->late ? "c" : gr_format(a, "c + %d * GR_L", e->col), *name = gr_node_name(e, r);
  if (!pl->direct) return gr_format(a, "v_load(S + %s * LD + %s)", t, c);
  return gr_format(a, "column(S + %s * LD + %s, %s_at + %s * %s_ld + %s, r)", t, c, name, of, name, c);
}

/* Component k of a node of a lower level, read from its buffer. */
static const char *from_buffer(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_place *pl = &e->p->place[r];
  gr_arena *a = e->c->arena;
  bool packed = pl->packed >= 0 && e->at == LEVEL_PAIR && !e->late;
  if (e->p->by_columns && e->at == LEVEL_PAIR) return from_buffer_by_columns(e, r, k);
  k.off += packed ? pl->packed : pl->buffer;
  const char *t = gr_idx_text(e, k);
  switch (pl->level) {
  case LEVEL_PARAM: return gr_format(a, "v_set(P[%s])", t);
  case LEVEL_ROW: return e->row < 0 ? gr_format(a, "v_load(Rv + %s * GR_L)", t) : gr_format(a, "v_load(R%d + %s * GR_L)", e->row, t);
  default:
    if (packed) return e->col <= 0 ? gr_format(a, "v_set(Cg[%s * G])", t) : gr_format(a, "v_set(Cg[%s * G + %d])", t, e->col);
    return gr_format(a, e->at == LEVEL_COL ? "v_load(S + %s * LD + c)" : "v_set(S[%s * LD + c])", t);
  }
}

/* The template of an element-wise operation with its arguments filled in. */
static const char *expression(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_node *n = node(e, r);
  gr_str s = {.arena = e->c->arena};
  const char *arg[3] = {"", "", ""};
  for (int i = 0; i < n->nkid; i++) arg[i] = gr_value(e, n->kid[i], k);
  for (const char *t = gr_ops[n->op].emitted; *t; t++) {
    if (*t != '@')
      gr_putf(&s, "%c", *t);
    else if (*++t == 'n')
      gr_putf(&s, "%d", n->ints[0]);
    else
      gr_put(&s, arg[*t - 'a']);
  }
  return s.s;
}

static bool is_call(const char *s) {
  size_t n = strlen(s);
  if (strncmp(s, "v_", 2) != 0 || s[n - 1] != ')') return false;
  int depth = 0;
  for (size_t k = 0; k + 1 < n; k++) {
    depth += s[k] == '(' ? 1 : s[k] == ')' ? -1 : 0;
    if (depth == 0 && s[k] == ')') return false;
  }
  return true;
}

static const char *from_storage(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_place *pl = &e->p->place[r];
  const char *name = gr_node_name(e, r);
  if (node(e, r)->dim > 1) return gr_format(e->c->arena, "%s[%s]", name, gr_idx_text(e, k));
  if (!e->late || pl->level != LEVEL_PAIR) return name;
  return gr_format(e->c->arena, e->row > 0 ? "%st[apart + %s]" : "%st[%s]", name, gr_at_column(e));
}

/* Where part 0 or 1 of complex number k lies. */
static gr_idx doubled(gr_emitter *e, gr_idx k, int part) {
  return (gr_idx){k.sym ? gr_format(e->c->arena, "2 * %s", k.sym) : NULL, 2 * k.off + part};
}

const char *gr_value(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_node *n = node(e, r);
  const gr_place *pl = &e->p->place[r];
  if (n->dim == 1) k = (gr_idx){NULL, 0};
  switch (n->op) {
  case OP_Const: return constant(e, n->num);
  case OP_Zero: return "v_set(0)";
  case OP_SumT: return gr_value(e, n->kid[0], (gr_idx){NULL, 0});
  case OP_Elem: return gr_value(e, n->kid[0], (gr_idx){NULL, n->ints[0]});
  case OP_Extract: k.off += n->ints[0]; return gr_value(e, n->kid[0], k);
  case OP_ComplexReal: return gr_value(e, n->kid[0], doubled(e, k, 0));
  case OP_ComplexImag: return gr_value(e, n->kid[0], doubled(e, k, 1));
  default: break;
  }
  if (pl->level == e->at && pl->inlined) {
    const char *s = expression(e, r, k);
    return is_call(s) ? s : gr_format(e->c->arena, "(%s)", s);
  }
  bool local = e->locals && n->dim <= GR_UNROLL && !k.sym;
  if (pl->level == e->at ? n->op == OP_Var : !local) return from_buffer(e, r, k);
  return from_storage(e, r, k);
}

const char *gr_at_column(const gr_emitter *e) { return e->p->by_columns ? "c / GR_L" : "c"; }

/* Where the second vector of rows begins in what is kept for each column of a tile. */
static const char *of_row(const gr_emitter *e) { return e->p->rows_at_once > 1 ? "v * TILE + " : ""; }

/* ---- statements: one stored node ---- */

static void store_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  gr_line(&e->out, "%s[%s] = %s;", gr_node_name(e, r), gr_idx_text(e, k), expression(e, r, k));
}

static void compute(gr_emitter *e, gr_ref r) {
  const gr_node *n = node(e, r);
  if (gr_ops[n->op].kind == KIND_LOOP) {
    gr_emit_loop_op(e, r);
  } else if (n->dim == 1) {
    gr_line(&e->out, "const V %s = %s;", gr_node_name(e, r), expression(e, r, (gr_idx){NULL, 0}));
  } else {
    gr_declare(e, "V", gr_node_name(e, r), n->dim, e->p->place[r].work);
    gr_each(e, n->dim, store_component, &r);
  }
}

/* All nodes of the current level, in order. */
static void compute_level(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    if (!pl->live || pl->level != e->at || pl->inlined || node(e, r)->op == OP_Var) continue;
    const char *name = gr_node_name(e, r);
    if (pl->contract)
      gr_line(&e->out, "const V %s = %st[%s%s];", name, name, of_row(e), gr_at_column(e));
    else
      compute(e, r);
    if (pl->saved && !pl->contract) gr_line(&e->out, "%st[%s%s] = %s;", name, of_row(e), gr_at_column(e), name);
  }
}

/* ---- lower levels: load the variables, compute the nodes, keep what deeper levels read ---- */

static bool has_nodes(const gr_emitter *e, gr_level level) {
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].level == level && e->p->place[r].buffer >= 0 && node(e, r)->op != OP_Var) return true;
  return false;
}

/* The destination of component k of a kept node, as text. */
static const char *destination(gr_emitter *e, gr_ref r, gr_idx k) {
  k.off += e->p->place[r].buffer;
  const char *t = gr_idx_text(e, k);
  switch (e->at) {
  case LEVEL_PARAM: return gr_format(e->c->arena, "P[%s] =", t);
  case LEVEL_ROW: return gr_format(e->c->arena, "v_store(Rv + %s * GR_L,", t);
  default: return gr_format(e->c->arena, "v_store(S + %s * LD + c,", t);
  }
}

static void keep_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  gr_line(&e->out, e->at == LEVEL_PARAM ? "%s (%s)[0];" : "%s %s);", destination(e, r, k), gr_value(e, r, k));
}

static void compute_and_keep(gr_emitter *e) {
  compute_level(e);
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].level == e->at && e->p->place[r].buffer >= 0 && node(e, r)->op != OP_Var)
      gr_each(e, node(e, r)->dim, keep_component, &r);
}

/* Calls `line` for each variable of the current level. */
static void each_variable(gr_emitter *e, void (*line)(gr_emitter *, gr_ref, int arg)) {
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].live && e->p->place[r].level == e->at && node(e, r)->op == OP_Var) line(e, r, node(e, r)->ints[0]);
}

static void load_param(gr_emitter *e, gr_ref r, int arg) {
  gr_line(&e->out, "for (int k = 0; k < %d; k++) P[%s] = (T)arg[%d][k * ld[%d]]; /* %s */", node(e, r)->dim,
          gr_idx_text(e, (gr_idx){"k", e->p->place[r].buffer}), arg, arg, e->p->args->arg[arg].name);
}

static void emit_params(gr_emitter *e) {
  e->at = LEVEL_PARAM;
  gr_line(&e->out, "/* Parameters, and what depends on them only. */");
  gr_open(e, "static void parameters(const double *const *arg, const int64 *ld, T *P, V *W)");
  gr_line(&e->out, "(void)W;");
  each_variable(e, load_param);
  compute_and_keep(e);
  gr_close(e);
}

static void load_row(gr_emitter *e, gr_ref r, int arg) {
  gr_line(&e->out, "take_rows(arg[%d] + r0, ld[%d], %d, nr, R + %d * GR_L); /* %s */", arg, arg, node(e, r)->dim, e->p->place[r].buffer,
          e->p->args->arg[arg].name);
}

static void emit_rows(gr_emitter *e) {
  e->at = LEVEL_ROW;
  gr_line(&e->out, "/* Rows r0 ... r0 + nr. */");
  gr_open(e, "static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W)");
  gr_line(&e->out, "(void)P, (void)W;");
  each_variable(e, load_row);
  if (has_nodes(e, LEVEL_ROW)) {
    gr_open(e, "for (int r = 0; r < nr; r += GR_L)");
    gr_line(&e->out, "T *Rv = R + (long)r * NROW;");
    compute_and_keep(e);
    gr_close(e);
  }
  gr_close(e);
}

static void load_column(gr_emitter *e, gr_ref r, int arg) {
  const gr_place *pl = &e->p->place[r];
  const char *name = e->p->args->arg[arg].name;
  int dim = node(e, r)->dim;
  if (pl->direct) return;
  if (pl->staged)
    gr_line(&e->out, "take_columns(arg[%d] + b, ld[%d], %d, nc, S + %d * LD); /* %s */", arg, arg, dim, pl->buffer, name);
  else
    gr_line(&e->out, "take_packed(arg[%d] + b, ld[%d], %d, nc, C + %d * G); /* %s */", arg, arg, dim, pl->packed, name);
}

static void pack_columns(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    if (pl->packed >= 0 && pl->staged)
      gr_line(&e->out, "pack_columns(S + %d * LD, nc, %d, C + %d * G);", pl->buffer, node(e, r)->dim, pl->packed);
  }
}

/* Functions of the file, the same in every kernel that calls them; a later one may call an earlier one.  They fill buffers: neither inlined nor
 * cloned, with explicit vectors, and their ends by one function without, because a compiler would otherwise spend more time on versions,
 * vectors and unrolled copies of these loops than on the pairs (gcc 12, dimension 3: 500 million instructions instead of 350; dimension
 * 100: 1030 instead of 420). */
static const struct {
  const char *call;
  const char *const line[20];
} support[] = {
    {"take_last(",
     {"/* n numbers, then copies of the last, `all` together.  (The empty statement keeps compilers from making vectors of it.) */",
      "GR_FILL void take_last(const double *x, int n, int all, T *to) {",
      "  for (int l = 0; l < all; l++) {",
      "    to[l] = (T)x[l < n ? l : n - 1];",
      "    __asm__ volatile(\"\");",
      "  }",
      "}"}},
    {"take_vectors(",
     {"/* dim components, ld apart, of n rows or columns, padded with copies of the last: to `component` and `vector` apart.  Components are",
      " * often in pages of their own, where no processor looks ahead by itself: so they are fetched some components before. */",
      "GR_FILL void take_vectors(const double *x, int64 ld, int dim, int n, int padded, T *to, long component, long vector) {",
      "  for (int k = 0; k < dim; k++, x += ld, to += component) {",
      "    const double *ahead = k + 4 < dim ? x + 4 * ld : x;",
      "    T *next = to;",
      "    int m = 0;",
      "    for (; m + GR_L <= n; m += GR_L, next += vector) {",
      "      __builtin_prefetch(ahead + m);",
      "      v_store(next, v_of(vd_load(x + m)));",
      "    }",
      "    take_last(x + m, n - m, padded - m, next);",
      "  }",
      "}"}},
    {"take_rows(",
     {"GR_FN void take_rows(const double *x, int64 ld, int dim, int nr, T *to) {",
      "  take_vectors(x, ld, dim, nr, (nr + GR_L - 1) / GR_L * GR_L, to, GR_L, (long)NROW * GR_L);",
      "}"}},
    {"take_columns(",
     {"GR_FN void take_columns(const double *x, int64 ld, int dim, int nc, T *to) {",
      "  take_vectors(x, ld, dim, nc, (nc + 15) / 16 * 16, to, LD, GR_L);",
      "}"}},
    {"take_packed(",
     {"/* The same in groups of columns. */",
      "typedef T group __attribute__((vector_size(G * sizeof(T)), may_alias, aligned(GR_TBYTES)));",
      "typedef double group_taken __attribute__((vector_size(G * 8), may_alias, aligned(8)));",
      "GR_FILL void take_packed(const double *x, int64 ld, int dim, int nc, T *to) {",
      "  for (int k = 0; k < dim; k++, x += ld, to += G) {",
      "    const double *ahead = k + 4 < dim ? x + 4 * ld : x;",
      "    T *next = to;",
      "    int c = 0;",
      "    for (; c + G <= nc; c += G, next += (long)NCOL * G) {",
      "      __builtin_prefetch(ahead + c);",
      "      *(group *)next = __builtin_convertvector(*(const group_taken *)(x + c), group);",
      "    }",
      "    for (; c < WHOLE(nc); c += G, next += (long)NCOL * G) take_last(x + c, nc - c, G, next);",
      "  }",
      "}"}},
    {"pack_columns(",
     {"/* dim components of nc columns: from staged to packed in groups, a few components at a time, whose lines the cache keeps. */",
      "GR_FILL void pack_columns(const T *from, int nc, int dim, T *to) {",
      "  for (int b = 0; b < dim; b += 16)",
      "    for (int c = 0; c < WHOLE(nc); c += G)",
      "      for (int k = b; k < b + 16 && k < dim; k++)",
      "        __builtin_memcpy(to + (long)c * NCOL + k * G, from + k * LD + c, G * sizeof(T));",
      "}"}},
    /* The loop over columns exists twice, one for the first row: a compiler takes the question out of it.  In double precision there is nothing
     * to convert, and a stage would save nothing. */
    {"column(",
     {"/* Columns from x on: the first row converts and stages them. */",
      "GR_FN V column(T *stage, const double *x, int r) {",
      "  if (GR_TBYTES == 8) return v_of(vd_load(x));",
      "  if (r > 0) return v_load(stage);",
      "  const V a = v_of(vd_load(x));",
      "  v_store(stage, a);",
      "  return a;",
      "}"}}};

static void emit_columns(gr_emitter *e) {
  e->at = LEVEL_COL;
  gr_line(&e->out, "/* Columns b ... b + nc. */");
  gr_open(e, "static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W)");
  gr_line(&e->out, "(void)P, (void)W;");
  each_variable(e, load_column);
  if (has_nodes(e, LEVEL_COL)) {
    gr_open(e, "for (int c = 0; c < WHOLE(nc); c += GR_L)");
    compute_and_keep(e);
    gr_close(e);
  }
  pack_columns(e);
  gr_close(e);
}

/* ---- names for what pairs read often ---- */

static void local_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  gr_line(&e->out, "%s[%s] = %s;", gr_node_name(e, r), gr_idx_text(e, k), from_buffer(e, r, k));
}

/* Small vectors of a lower level get local names. */
static void declare_locals(gr_emitter *e, gr_level level) {
  for (gr_ref r = 0; r < e->p->dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    const gr_node *n = node(e, r);
    if (pl->level != level || !pl->read || n->dim > GR_UNROLL) continue;
    if (n->dim == 1) {
      gr_line(&e->out, "const V %s = %s;", gr_node_name(e, r), from_buffer(e, r, (gr_idx){NULL, 0}));
    } else {
      gr_line(&e->out, "V %s[%d];", gr_node_name(e, r), n->dim);
      gr_each(e, n->dim, local_component, &r);
    }
  }
}

static void name_direct(gr_emitter *e, gr_ref r, int arg) {
  const char *name = gr_node_name(e, r);
  if (!e->p->place[r].direct) return;
  gr_line(&e->out, "const double *const %s_at = arg[%d] + b;", name, arg);
  gr_line(&e->out, "const int64 %s_ld = ld[%d]; (void)%s_at, (void)%s_ld;", name, arg, name, name);
}

/* The columns that the first row reads from the arguments, from column b on. */
static void name_columns(gr_emitter *e) {
  gr_line(&e->out, "(void)arg, (void)ld;");
  e->at = LEVEL_COL;
  each_variable(e, name_direct);
  e->at = LEVEL_PAIR;
}

/* ---- register tiles: contractions before the pairs, wide sums after them ---- */

enum { K_BLOCK = 256 }; /* components of a contraction whose rows stay in the first-level cache */

typedef const char *tile_term(gr_emitter *e, const void *data, int row, int col);

/* a00 a01 ...: what `start` is for each, or 0. */
static void declare_tile(gr_emitter *e, int rows, int cols, const char *start) {
  gr_str s = {.arena = e->c->arena};
  for (int v = 0; v < rows; v++)
    for (int q = 0; q < cols; q++) {
      gr_putf(&s, "%sa%d%d = ", s.n ? ", " : "V ", v, q);
      gr_putf(&s, *start ? "b ? to[%s%s + %d] : v_set(0)" : "v_set(0)", v ? "TILE + " : "", start, q);
    }
  gr_line(&e->out, "%s;", s.s);
}

static void add_to_tile(gr_emitter *e, int rows, int cols, tile_term *term, const void *data) {
  for (int q = 0; q < cols; q++)
    for (int v = 0; v < rows; v++) gr_line(&e->out, "a%d%d += %s;", v, q, term(e, data, v, q));
}

static const char *contraction_term(gr_emitter *e, const void *data, int row, int col) {
  e->row = row, e->col = col;
  const char *s = gr_value(e, *(const gr_ref *)data, (gr_idx){"k", 0});
  e->row = e->col = -1;
  return s;
}

/* Sums over coordinates, for all columns of a tile. */
static void emit_contraction(gr_emitter *e, gr_ref r) {
  gr_ref kid = node(e, r)->kid[0];
  int dim = node(e, kid)->dim, rows = e->p->rows_at_once, cols = e->p->cols_at_once;
  bool few = e->p->by_columns, blocks = dim > K_BLOCK;
  const char *at = gr_at_column(e);
  gr_line(&e->out, few ? "/* One row with a tile of columns. */" : "/* Two vectors of rows with a tile of columns. */");
  gr_open(e, "GR_APART void sum_%s(const T *P, const T *R0, const T *R1, const T *%s, int nc, V *to)", gr_node_name(e, r), few ? "S" : "C");
  gr_line(&e->out, "(void)P, (void)R1;");
  if (blocks) gr_open(e, "for (int b = 0; b < %d; b += %d)", dim, K_BLOCK);
  gr_open(e, few ? "for (int c = 0; c < nc; c += G * GR_L)" : "for (int c = 0; c < WHOLE(nc); c += G)");
  if (!few) gr_line(&e->out, "const T *Cg = C + (long)c * NCOL;");
  declare_tile(e, rows, cols, blocks ? at : "");
  if (blocks) gr_line(&e->out, "const int end = b + %d < %d ? b + %d : %d;", K_BLOCK, dim, K_BLOCK, dim);
  gr_line(&e->out, "#pragma GCC unroll 2");
  gr_open(e, "for (int k = %s; k < %s; k++)", blocks ? "b" : "0", blocks ? "end" : gr_format(e->c->arena, "%d", dim));
  add_to_tile(e, rows, cols, contraction_term, &kid);
  gr_close(e);
  for (int v = 0; v < rows; v++)
    for (int q = 0; q < cols; q++) gr_line(&e->out, "to[%s%s + %d] = a%d%d;", v ? "TILE + " : "", at, q, v, q);
  if (blocks) gr_close(e);
  gr_close(e);
  gr_close(e);
  gr_put(&e->out, "\n");
}

typedef struct wide_data {
  const gr_wide *wide;
  const char *k; /* of the first component of the tile */
} wide_data;

static const char *wide_term(gr_emitter *e, const void *data, int row, int col) {
  const wide_data *d = data;
  e->row = row, e->late = true;
  const char *s = gr_value(e, d->wide->term, (gr_idx){d->k, col});
  e->row = -1, e->late = false;
  return d->wide->factor ? gr_format(e->c->arena, row ? "%s[apart + %s] * %s" : "%s[%s] * %s", d->wide->factor, gr_at_column(e), s) : s;
}

/* `cols` components from k on. */
static void emit_wide_tile(gr_emitter *e, const gr_wide *w, int cols, const char *k) {
  declare_tile(e, e->p->rows_at_once, cols, "");
  gr_line(&e->out, "#pragma GCC unroll 2");
  gr_open(e, e->p->by_columns ? "for (int c = 0; c < nc; c += GR_L)" : "for (int c = 0; c < nc; c++)");
  add_to_tile(e, e->p->rows_at_once, cols, wide_term, &(wide_data){w, k});
  gr_close(e);
  for (int v = 0; v < e->p->rows_at_once; v++)
    for (int q = 0; q < cols; q++) gr_line(&e->out, "to[%s + %d] = a%d%d;", k, q + v * w->apart, v, q);
}

/* Names of what is kept for each column of a tile. */
static void name_kept(gr_emitter *e, bool all) {
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].slot >= 0 && (all || e->p->place[r].saved))
      gr_line(&e->out, "V *const %st = W + %d;", gr_node_name(e, r), e->p->place[r].slot);
}

/* The components of a wide sum, summed over the columns of a tile. */
static void emit_wide_sums(gr_emitter *e) {
  gr_wide w = gr_emit_red_wide(e);
  enum { MOST = 6 };
  int tiles = (w.n + MOST - 1) / MOST, cols = (w.n + tiles - 1) / tiles, whole = w.n / cols * cols;
  gr_line(&e->out, "/* The components of the sum, for the columns of a tile. */");
  gr_open(e, "GR_APART void wide_sums(const T *P, const T *R0, const T *R1, const T *S, V *W, int nc, int apart)");
  gr_line(&e->out, "(void)P, (void)R0, (void)R1, (void)S, (void)apart;");
  name_kept(e, false);
  if (w.factor) gr_line(&e->out, "const V *const %s = W + %d;", w.factor, e->p->kept);
  gr_line(&e->out, "V *const to = W + %d;", w.to);
  if (whole) {
    gr_open(e, "for (int k = 0; k < %d; k += %d)", whole, cols);
    emit_wide_tile(e, &w, cols, "k");
    gr_close(e);
  }
  if (w.n > whole) {
    gr_open(e, "%s", "");
    gr_line(&e->out, "enum { k = %d };", whole);
    emit_wide_tile(e, &w, w.n - whole, "k");
    gr_close(e);
  }
  gr_close(e);
  gr_put(&e->out, "\n");
}

/* ---- pairs ---- */

/* Cheap pairs wait for one another: several at a time, and their instructions mixed, keep the processor busy. */
enum { ABREAST_COST = 80 };
static bool abreast(const gr_plan *p) {
  return p->red.family == FAM_Total && p->cols_at_once == 1 && p->cost <= ABREAST_COST;
}

/* The loop over columns (by columns: over vectors of them); for selections in spans, of which the last is filled with copies. */
static void open_columns(gr_emitter *e) {
  bool few = e->p->by_columns;
  if (!gr_selects(e->p)) {
    gr_open(e, few ? "for (int c = 0; c < nc; c += GR_L)" : "for (int c = 0; c < nc; c++)");
    return;
  }
  gr_open(e, few ? "for (int g = 0; g < nc; g += SPAN * GR_L)" : "for (int g = 0; g < nc; g += SPAN)");
  gr_line(&e->out, few ? "const int nq = nc - g < SPAN * GR_L ? (nc - g) / GR_L : SPAN;" : "const int nq = nc - g < SPAN ? nc - g : SPAN;");
  reduction(e)->span_begin(e);
  gr_open(e, few ? "for (int q = 0; q < nq; q++)" : "for (int q = 0; q < SPAN; q++)");
  gr_line(&e->out, few ? "const int c = g + q * GR_L;" : "const int c = g + q;");
}

static void close_columns(gr_emitter *e) {
  gr_close(e);
  if (!gr_selects(e->p)) return;
  reduction(e)->span(e);
  gr_close(e);
}

static void emit_columns_loop(gr_emitter *e) {
  if (abreast(e->p)) gr_line(&e->out, "GR_ABREAST");
  open_columns(e);
  if (e->p->ncol && !e->p->by_columns)
    gr_line(&e->out, e->p->cols_at_once > 1 ? "const T *Cg = C + (long)(c / G) * (NCOL * G) + c %% G; (void)Cg;" : "const T *Cg = C + (long)c * NCOL; (void)Cg;");
  e->locals = true;
  declare_locals(e, LEVEL_COL);
  compute_level(e);
  reduction(e)->step(e);
  e->locals = false;
  close_columns(e);
}

/* One row, or vector of rows: its place in the buffers and its state. */
static void emit_row(gr_emitter *e) {
  if (e->p->by_columns)
    gr_line(&e->out, "const T *Rv = R + (long)(r / GR_L) * NROW * GR_L + r %% GR_L; (void)Rv;");
  else
    gr_line(&e->out, "const T *Rv = R + (long)r * NROW; (void)Rv;");
}

static void open_rows(gr_emitter *e) {
  if (e->p->by_columns)
    gr_open(e, "for (int r = 0; r < nr; r++)");
  else if (e->p->rows_at_once == 1)
    gr_open(e, "for (int r = 0; r < nr; r += GR_L)");
  else
    gr_open(e, "for (int v = 0, r = t; v < nv; v++, r += GR_L)");
}

static void call_contractions(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].contract)
      gr_line(&e->out, "sum_%s(P, R0, R1, %s, nc, %st);", gr_node_name(e, r), e->p->by_columns ? "S" : "C", gr_node_name(e, r));
}

/* Vectors of rows two by two: contractions, then the pairs of each, then wide sums. */
static void open_register_tile(gr_emitter *e) {
  if (e->p->by_columns) {
    gr_open(e, "for (int r = 0; r < nr; r++)");
    gr_line(&e->out, "const T *R0 = R + (long)(r / GR_L) * NROW * GR_L + r %% GR_L, *R1 = R0; (void)R1;");
  } else {
    gr_open(e, "for (int t = 0; t < nr; t += 2 * GR_L)");
    gr_line(&e->out, "const int nv = nr - t > GR_L ? 2 : 1;");
    gr_line(&e->out, "const T *R0 = R + (long)t * NROW, *R1 = nv == 2 ? R0 + (long)NROW * GR_L : R0;");
  }
  call_contractions(e);
}

static void emit_pairs_loop(gr_emitter *e) {
  bool tiled = e->p->cols_at_once > 1, inner = tiled && !e->p->by_columns;
  if (tiled) open_register_tile(e);
  if (!tiled || inner) open_rows(e);
  emit_row(e);
  declare_locals(e, LEVEL_ROW);
  reduction(e)->declare(e);
  reduction(e)->begin(e);
  emit_columns_loop(e);
  reduction(e)->tile(e);
  if (e->p->late) {
    if (inner) gr_close(e);
    gr_line(&e->out, "wide_sums(P, R0, R1, S, W, nc, %s);", inner ? "nv == 2 ? TILE : 0" : "0");
    if (inner) {
      open_rows(e);
      reduction(e)->declare(e);
    }
  }
  reduction(e)->end(e);
  if (inner) gr_close(e);
  gr_close(e);
}

static void emit_pairs(gr_emitter *e) {
  e->at = LEVEL_PAIR;
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].contract) emit_contraction(e, r);
  if (e->p->late) emit_wide_sums(e);
  reduction(e)->support(e);
  if (abreast(e->p) || e->p->red.family == FAM_ExpSum) gr_line(&e->out, "GR_MIX");
  gr_line(&e->out, "/* All rows against columns b ... b + nc. */");
  gr_open(e, "static void pairs(%sT *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc)",
          e->p->by_columns ? "const double *const *arg, const int64 *ld, const T *P, const T *R, " : "const T *P, const T *R, const ");
  gr_line(&e->out, "(void)P, (void)R, (void)S, (void)C, (void)W, (void)b;");
  if (e->p->by_columns) name_columns(e);
  name_kept(e, true);
  declare_locals(e, LEVEL_PARAM);
  if (e->p->by_columns) {
    gr_line(&e->out, "VI lane = vi_set(0);");
    gr_line(&e->out, "for (int l = 0; l < GR_L; l++) lane[l] = l;");
    gr_line(&e->out, "(void)lane;");
  }
  emit_pairs_loop(e);
  gr_close(e);
}

/* ---- the whole text ---- */

/* The groups of prelude.h: the operations that need them, and the groups that they need themselves. */
static const struct {
  const char *name;
  gr_op op[4];
  const char *needs[2];
} groups[] = {{"exp", {OP_Exp, OP_Powf}, {NULL}},
              {"exp2", {OP_Exp2}, {NULL}},
              {"sigmoid", {OP_Sigmoid}, {"exp"}},
              {"hyp", {OP_Tanh, OP_Sinh, OP_Cosh, OP_Expm1}, {"exp"}},
              {"log", {OP_Log, OP_Powf, OP_XLogX}, {NULL}},
              {"log1p", {OP_Log1p, OP_Softplus}, {"exp", "log"}},
              {"sin", {OP_Sin, OP_Cos, OP_SinXDivX}, {NULL}},
              {"tan", {OP_Tan}, {"sin"}},
              {"asin", {OP_Asin, OP_Acos}, {NULL}},
              {"atan", {OP_Atan, OP_Atan2}, {NULL}},
              {"erf", {OP_Erf, OP_Erfc}, {"exp"}},
              {"gamma", {OP_Lgamma, OP_Digamma}, {"log", "sin"}},
              {"softmin", {OP_SoftDTW_SqDist, OP_SoftDTW_Grad}, {"exp", "log"}}};
enum { GROUPS = sizeof groups / sizeof *groups };

static void find_groups(const gr_emitter *e, bool used[GROUPS]) {
  bool op[OP_COUNT] = {false};
  for (gr_ref r = 0; r < e->p->dag->n; r++) op[node(e, r)->op] |= e->p->place[r].live;
  op[OP_Exp2] |= e->p->red.family == FAM_ExpSum;
  for (int k = 0; k < GROUPS; k++) {
    used[k] = false;
    for (int i = 0; i < 4 && groups[k].op[i]; i++) used[k] |= op[groups[k].op[i]];
  }
  for (int k = 0; k < GROUPS; k++)
    for (int i = 0; used[k] && i < 2 && groups[k].needs[i]; i++)
      for (int m = 0; m < GROUPS; m++) used[m] |= strcmp(groups[m].name, groups[k].needs[i]) == 0;
}

static bool starts(const char *line, const char *with) { return strncmp(line, with, strlen(with)) == 0; }

/* In prelude.h a group stands between `#ifndef GR_WITHOUT_name` and its #endif; these two lines are left out, too. */
static void emit_prelude(gr_emitter *e) {
  static const char mark[] = "#ifndef GR_WITHOUT_";
  bool used[GROUPS], wanted = true, empty = false;
  int depth = 0;
  find_groups(e, used);
  for (const char *const *line = gr_prelude; *line; line++) {
    if (starts(*line, mark)) {
      const char *name = *line + sizeof mark - 1;
      wanted = false, depth = 1;
      for (int k = 0; k < GROUPS; k++) wanted |= used[k] && starts(name, groups[k].name) && name[strlen(groups[k].name)] == '\n';
      continue;
    }
    if (depth) {
      depth += starts(*line, "#if") - starts(*line, "#endif");
      if (!depth) {
        wanted = true;
        continue;
      }
    }
    if (wanted && !(empty && **line == '\n')) gr_put(&e->out, *line);
    empty = **line == '\n';
  }
}

/* The title as a comment; a formula can hold no comment signs, but may have several lines. */
static void emit_title(gr_emitter *e, const char *title) {
  gr_put(&e->out, "/* ");
  for (const char *t = title; *t; t++) gr_putf(&e->out, t[0] == '*' && t[1] == '/' ? "* " : *t == '\n' ? "\n * " : "%c", *t);
  gr_put(&e->out, "\n */\n");
}

static void emit_entry(gr_emitter *e) {
  gr_open(e, "GR_EXPORT void gr_kernel(const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, int64 r1, "
             "int64 c0, int64 c1, void *scratch)");
  gr_line(&e->out, "const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;");
  gr_line(&e->out, "T *P = scratch, *R = P + %d, *S = R + (long)padded * NROW, *C = S + LD * %d;", (e->p->nparam + 15) / 16 * 16,
          e->p->nstage);
  gr_line(&e->out, "V *W = (V *)(C + TILE * NCOL);");
  gr_line(&e->out, "parameters(arg, ld, P, W);");
  gr_line(&e->out, "rows(arg, ld, r0, nr, P, R, W);");
  gr_open(e, "for (int64 b = c0; b < c1; b += TILE)");
  gr_line(&e->out, "const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;");
  gr_line(&e->out, "columns(arg, ld, b, nc, P, S, C, W);");
  gr_line(&e->out, e->p->by_columns ? "pairs(arg, ld, P, R, S, C, W, state, ld_state, nr, b, nc);" : "pairs(P, R, S, C, W, state, ld_state, nr, b, nc);");
  gr_close(e);
  gr_close(e);
}

/* Those functions that the text calls, or that one of them calls. */
static void emit_support(gr_emitter *e, const char *text) {
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

/* What the file has before its functions. */
static void emit_head(gr_emitter *e, const char *title) {
  const gr_plan *p = e->p;
  emit_title(e, title);
  if (p->f64) gr_line(&e->out, "#define GR_F64 1");
  emit_prelude(e);
  gr_put(&e->out, "\n");
  gr_line(&e->out, "typedef long long int64;");
  gr_line(&e->out, "enum { NROW = %d, NCOL = %d, TILE = %d, LD = TILE + %d, G = %d, SPAN = %d };", p->nrow, p->ncol, p->tile, GR_PAD, p->cols_at_once, GR_SPAN);
  if (p->by_columns)
    gr_line(&e->out, "#define AT(n) (state + (n) * ld_state + r * 16) /* number n of the states of this row, one per lane */");
  else
    gr_line(&e->out, "#define AT(n) (state + (n) * ld_state + r) /* number n of the state of this vector of rows */");
  gr_line(&e->out, "#define GR_APART static __attribute__((noinline, unused))");
  gr_line(&e->out, "#define GR_FILL GR_APART __attribute__((noclone)) /* one version for all dimensions */");
  gr_line(&e->out, "#define WHOLE(n) (((n) + 7) / 8 * 8) /* columns with the copies that fill groups and spans */");
  gr_line(&e->out, "GR_FN V v_square(V a) { return a * a; }");
}

char *gr_emit_c(gr_ctx *c, const gr_plan *p, const char *title) {
  gr_emitter body = {.c = c, .out = {.arena = c->arena}, .p = p, .row = -1, .col = -1}, whole = body;
  void (*const part[])(gr_emitter *) = {emit_params, emit_rows, emit_columns, emit_pairs, emit_entry};
  for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
    gr_put(&body.out, "\n");
    part[k](&body);
  }
  emit_head(&whole, title);
  emit_support(&whole, body.out.s);
  gr_put(&whole.out, body.out.s);
  return whole.out.s;
}

/* Must agree with emit_entry. */
size_t gr_scratch_bytes(const gr_plan *p, int64_t rows) {
  size_t t = p->f64 ? 8 : 4, n = (size_t)(p->nparam + 15) / 16 * 16 + (size_t)rows * (size_t)p->nrow;
  n += (size_t)(p->tile + GR_PAD) * (size_t)p->nstage + (size_t)p->tile * (size_t)p->ncol;
  n += GR_LANES_MAX * 8; /* by columns, a last group that is not full is read (not used) past the stage */
  return n * t + (size_t)p->nwork * 64 + 64;
}
