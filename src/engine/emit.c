/* emit.c: plan to C, the parts that every kernel shares: values, statements and the skeleton.
 *
 * The text is a pure function of the plan.  Lanes of a vector V are rows.  Buffers, in the working precision T:
 *   P[k]                    parameters                        (P, R, S, C and W lie one after the other in scratch)
 *   R[(v*NROW + k)*GR_L+l]  row v*GR_L + l
 *   S[k*TILE + c]           staged columns: as loaded, and what depends on one column only, lanes over columns
 *   C[(c/G*NCOL + k)*G + q] column c + q of a group of G: what pairs read
 *   W                       arrays too large for the stack
 * With by_columns, lanes are columns: pairs read S, rows are broadcast, and nothing is packed into C.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gr.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return &e->p->dag->node[r]; }

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
  if (!var) return gr_format(e->c->arena, "%s%d", s, r);
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

/* Lanes are columns: rows are broadcast, staged columns loaded. */
static const char *from_buffer_by_columns(gr_emitter *e, gr_level level, const char *t) {
  gr_arena *a = e->c->arena;
  if (level == LEVEL_PARAM) return gr_format(a, "v_set(P[%s])", t);
  if (level == LEVEL_ROW) return gr_format(a, "v_set(Rv[%s * GR_L])", t);
  return e->p->group == 1 ? gr_format(a, "v_load(C + %s * TILE + c)", t)
                          : gr_format(a, "v_load(C + %s * TILE + c + %s * GR_L)", t, e->col);
}

/* Component k of a node of a lower level, read from its buffer. */
static const char *from_buffer(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_place *pl = &e->p->place[r];
  gr_arena *a = e->c->arena;
  bool staged = pl->level == LEVEL_COL && (e->at == LEVEL_COL || e->p->by_columns);
  k.off += pl->level == LEVEL_COL && !staged ? pl->packed : pl->buffer;
  const char *t = gr_idx_text(e, k);
  if (e->p->by_columns && e->at == LEVEL_PAIR) return from_buffer_by_columns(e, pl->level, t);
  switch (pl->level) {
  case LEVEL_PARAM: return gr_format(a, "v_set(P[%s])", t);
  case LEVEL_ROW: return gr_format(a, "v_load(Rv + %s * GR_L)", t);
  default:
    if (staged) return gr_format(a, "v_load(S + %s * TILE + c)", t);
    return e->p->group == 1 ? gr_format(a, "v_set(Cg[%s])", t) : gr_format(a, "v_set(Cg[%s * G + %s])", t, e->col);
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
  if (e->late && pl->level == LEVEL_PAIR) return gr_format(e->c->arena, "%sg[%s]", name, e->col);
  return name;
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
    if (pl->contract)
      gr_line(&e->out, "const V %s = %sg[q];", gr_node_name(e, r), gr_node_name(e, r));
    else
      compute(e, r);
    if (pl->saved && !pl->contract) gr_line(&e->out, "%sg[q] = %s;", gr_node_name(e, r), gr_node_name(e, r));
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
  default: return gr_format(e->c->arena, "v_store(S + %s * TILE + c,", t);
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
  gr_line(&e->out, "for (int k = 0; k < %d; k++) /* %s */", node(e, r)->dim, e->p->args->arg[arg].name);
  const char *to = gr_idx_text(e, (gr_idx){"k", e->p->place[r].buffer});
  gr_line(&e->out, "  take_rows(arg[%d] + r0 + k * ld[%d], nr, R + %s * GR_L);", arg, arg, to);
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
  gr_line(&e->out, "for (int k = 0; k < %d; k++) /* %s */", node(e, r)->dim, e->p->args->arg[arg].name);
  const char *to = gr_idx_text(e, (gr_idx){"k", e->p->place[r].buffer});
  gr_line(&e->out, "  take_columns(arg[%d] + b + k * ld[%d], nc, S + %s * TILE);", arg, arg, to);
}

static void pack_columns(gr_emitter *e) {
  if (e->p->by_columns) return;
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].packed >= 0)
      gr_line(&e->out, "pack_columns(S + %d * TILE, nc, %d, C + %d * G);", e->p->place[r].buffer, node(e, r)->dim,
              e->p->place[r].packed);
}

/* How buffers are filled: the same in every kernel.  Not inlined and with explicit vectors, because a compiler would
 * otherwise spend more time on unrolling these loops than on the pairs. */
static const char *const support[] = {
    "#define GR_APART static __attribute__((noinline, unused))",
    "GR_FN V v_square(V a) { return a * a; }",
    "",
    "/* One component of nr rows, into vectors that lie NROW vectors apart; the last is padded with copies. */",
    "GR_APART void take_rows(const double *x, int nr, T *to) {",
    "  int m = 0;",
    "  for (; m + GR_L <= nr; m += GR_L, to += (long)NROW * GR_L) v_store(to, v_of(vd_load(x + m)));",
    "  if (m == nr) return;",
    "  VD last = vd_set(x[nr - 1]);",
    "  for (int l = 0; m + l < nr; l++) last[l] = x[m + l];",
    "  v_store(to, v_of(last));",
    "}",
    "",
    "/* One component of nc columns, padded to whole vectors and groups with copies of the last. */",
    "GR_APART void take_columns(const double *x, int nc, T *to) {",
    "  int c = 0;",
    "  for (; c + GR_L <= nc; c += GR_L) v_store(to + c, v_of(vd_load(x + c)));",
    "  for (; c < nc; c++) to[c] = (T)x[c];",
    "  for (; c % 16; c++) to[c] = to[nc - 1];",
    "}",
    "",
    "/* dim components of nc columns: from staged to packed in groups. */",
    "GR_APART void pack_columns(const T *from, int nc, int dim, T *to) {",
    "  for (int c = 0; c < nc; c += G, to += (long)NCOL * G)",
    "    for (int k = 0; k < dim; k++) __builtin_memcpy(to + k * G, from + k * TILE + c, G * sizeof(T));",
    "}",
    NULL};

static void emit_columns(gr_emitter *e) {
  e->at = LEVEL_COL;
  gr_line(&e->out, "/* Columns b ... b + nc. */");
  gr_open(e, "static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W)");
  gr_line(&e->out, "(void)P, (void)W;");
  each_variable(e, load_column);
  if (has_nodes(e, LEVEL_COL)) {
    gr_open(e, gr_selects(e->p) ? "for (int c = 0; c < (nc + G - 1) / G * G; c += GR_L)" : "for (int c = 0; c < nc; c += GR_L)");
    compute_and_keep(e);
    gr_close(e);
  }
  pack_columns(e);
  gr_close(e);
}

/* ---- pairs ---- */

static void local_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  gr_line(&e->out, "%s[%s] = %s;", gr_node_name(e, r), gr_idx_text(e, k), from_buffer(e, r, k));
}

/* Small vectors of a lower level get local names. */
static void declare_locals(gr_emitter *e, gr_level level) {
  for (gr_ref r = 0; r < e->p->dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    const gr_node *n = node(e, r);
    bool read = level == LEVEL_COL ? pl->packed >= 0 : pl->buffer >= 0;
    if (pl->level != level || !read || n->dim > GR_UNROLL) continue;
    if (n->dim == 1) {
      gr_line(&e->out, "const V %s = %s;", gr_node_name(e, r), from_buffer(e, r, (gr_idx){NULL, 0}));
    } else {
      gr_line(&e->out, "V %s[%d];", gr_node_name(e, r), n->dim);
      gr_each(e, n->dim, local_component, &r);
    }
  }
}

/* Sums over coordinates for the columns of a group at once: one load of the row's vector serves them all. */
static void emit_contraction(gr_emitter *e, gr_ref r) {
  gr_ref kid = node(e, r)->kid[0];
  const char *name = gr_node_name(e, r);
  gr_str zero = {.arena = e->c->arena};
  for (int q = 0; q < e->p->group; q++) gr_putf(&zero, "%sa%d = v_set(0)", q ? ", " : "", q);
  gr_line(&e->out, "V %sg[G];", name);
  gr_open(e, "/* %s */", name);
  gr_line(&e->out, "V %s;", zero.s);
  gr_open(e, "for (int k = 0; k < %d; k++)", node(e, kid)->dim);
  for (int q = 0; q < e->p->group; q++) {
    e->col = gr_format(e->c->arena, "%d", q);
    gr_line(&e->out, "a%d += %s;", q, gr_value(e, kid, (gr_idx){"k", 0}));
  }
  gr_close(e);
  for (int q = 0; q < e->p->group; q++) gr_line(&e->out, "%sg[%d] = a%d;", name, q, q);
  gr_close(e);
}

static void emit_group(gr_emitter *e) {
  if (e->p->by_columns) {
    gr_open(e, "for (int c = 0; c < nc; c += G * GR_L)");
    gr_line(&e->out, "const int nq = nc - c < G * GR_L ? (nc - c) / GR_L : G;");
  } else {
    gr_open(e, "for (int c = 0; c < nc; c += G)");
    gr_line(&e->out, "const T *Cg = C + (long)c * NCOL;");
    gr_line(&e->out, "const int nq = nc - c < G ? nc - c : G; (void)Cg;");
  }
  for (gr_ref r = 0; r < e->p->dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    if (pl->live && pl->contract)
      emit_contraction(e, r);
    else if (pl->saved)
      gr_line(&e->out, "V %sg[G];", gr_node_name(e, r));
  }
  gr_emit_red_group_begin(e);
  e->col = "q";
  /* A selection may look at the copies that fill the last group, and so has a loop of constant length. */
  gr_open(e, "for (int q = 0; q < %s; q++)", gr_selects(e->p) && !e->p->by_columns ? "G" : "nq");
  e->locals = true;
  declare_locals(e, LEVEL_COL);
  compute_level(e);
  gr_emit_red_step(e);
  e->locals = false;
  gr_close(e);
  gr_emit_red_group(e);
  gr_close(e);
}

static void emit_single(gr_emitter *e) {
  gr_open(e, e->p->by_columns ? "for (int c = 0; c < nc; c += GR_L)" : "for (int c = 0; c < nc; c++)");
  if (!e->p->by_columns) gr_line(&e->out, "const T *Cg = C + (long)c * NCOL; (void)Cg;");
  e->locals = true;
  declare_locals(e, LEVEL_COL);
  compute_level(e);
  gr_emit_red_step(e);
  e->locals = false;
  gr_close(e);
}

static void emit_pairs(gr_emitter *e) {
  e->at = LEVEL_PAIR;
  gr_emit_red_support(e);
  gr_line(&e->out, "/* All rows against columns b ... b + nc. */");
  gr_open(e,
          "static void pairs(const T *P, const T *R, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc)");
  gr_line(&e->out, "(void)P, (void)R, (void)C, (void)W, (void)b;");
  declare_locals(e, LEVEL_PARAM);
  if (e->p->by_columns) {
    gr_line(&e->out, "VI lane = vi_set(0);");
    gr_line(&e->out, "for (int l = 0; l < GR_L; l++) lane[l] = l;");
    gr_line(&e->out, "(void)lane;");
    gr_open(e, "for (int r = 0; r < nr; r++)");
    gr_line(&e->out, "const T *Rv = R + (long)(r / GR_L) * NROW * GR_L + r %% GR_L; (void)Rv;");
  } else {
    gr_open(e, "for (int r = 0; r < nr; r += GR_L)");
    gr_line(&e->out, "const T *Rv = R + (long)r * NROW; (void)Rv;");
  }
  declare_locals(e, LEVEL_ROW);
  gr_emit_red_begin(e);
  if (e->p->group > 1)
    emit_group(e);
  else
    emit_single(e);
  gr_emit_red_end(e);
  gr_close(e);
  gr_close(e);
}

/* ---- the whole text ---- */

/* Which groups of prelude functions the formula needs. */
static const struct {
  const char *group;
  gr_op op[4];
} uses[] = {{"exp", {OP_Exp, OP_Powf, OP_SoftDTW_SqDist}},
            {"log", {OP_Log, OP_Powf, OP_XLogX, OP_SoftDTW_SqDist}},
            {"sin", {OP_Sin, OP_Cos, OP_SinXDivX}},
            {"asin", {OP_Asin, OP_Acos}},
            {"atan", {OP_Atan, OP_Atan2}},
            {"tan", {OP_Tan}},
            {"hyp", {OP_Tanh, OP_Sinh, OP_Cosh, OP_Expm1}},
            {"log1p", {OP_Log1p, OP_Softplus}},
            {"sigmoid", {OP_Sigmoid}},
            {"erf", {OP_Erf, OP_Erfc}},
            {"gamma", {OP_Lgamma, OP_Digamma}}};

static bool op_used(const gr_emitter *e, gr_op op) {
  for (gr_ref r = 0; r < e->p->dag->n; r++)
    if (e->p->place[r].live && node(e, r)->op == op) return true;
  return false;
}

static void emit_uses(gr_emitter *e) {
  gr_line(&e->out, "#define GR_LEAN 1");
  for (size_t k = 0; k < sizeof uses / sizeof *uses; k++) {
    bool used = k == 0 && e->p->red.family == FAM_ExpSum;
    for (int i = 0; i < 4 && uses[k].op[i]; i++) used |= op_used(e, uses[k].op[i]);
    if (used) gr_line(&e->out, "#define GR_USE_%s 1", uses[k].group);
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
  gr_line(&e->out, "T *P = scratch, *R = P + %d, *S = R + (long)padded * NROW, *C = S + TILE * %d;", (e->p->nparam + 15) / 16 * 16,
          e->p->nstage);
  gr_line(&e->out, "V *W = (V *)(C + TILE * NCOL);");
  gr_line(&e->out, "parameters(arg, ld, P, W);");
  gr_line(&e->out, "rows(arg, ld, r0, nr, P, R, W);");
  gr_open(e, "for (int64 b = c0; b < c1; b += TILE)");
  gr_line(&e->out, "const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;");
  gr_line(&e->out, "columns(arg, ld, b, nc, P, S, C, W);");
  gr_line(&e->out, e->p->by_columns ? "pairs(P, R, S, W, state, ld_state, nr, b, nc);" : "pairs(P, R, C, W, state, ld_state, nr, b, nc);");
  gr_close(e);
  gr_close(e);
}

char *gr_emit_c(gr_ctx *c, const gr_plan *p, const char *title) {
  gr_emitter e = {.c = c, .out = {.arena = c->arena}, .p = p, .col = "0"};
  emit_title(&e, title);
  if (p->f64) gr_line(&e.out, "#define GR_F64 1");
  emit_uses(&e);
  for (const char *const *line = gr_prelude; *line; line++) gr_put(&e.out, *line);
  gr_put(&e.out, "\n");
  gr_line(&e.out, "typedef long long int64;");
  gr_line(&e.out, "enum { NROW = %d, NCOL = %d, TILE = %d, G = %d };", p->nrow, p->ncol, p->tile, p->group);
  if (p->by_columns)
    gr_line(&e.out, "#define AT(n) (state + (n) * ld_state + r * 16) /* number n of the states of this row, one per lane */");
  else
    gr_line(&e.out, "#define AT(n) (state + (n) * ld_state + r) /* number n of the state of this vector of rows */");
  for (const char *const *line = support; *line; line++) gr_line(&e.out, "%s", *line);
  void (*const part[])(gr_emitter *) = {emit_params, emit_rows, emit_columns, emit_pairs, emit_entry};
  for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
    gr_put(&e.out, "\n");
    part[k](&e);
  }
  return e.out.s;
}

/* Must agree with emit_entry. */
size_t gr_scratch_bytes(const gr_plan *p, int64_t rows) {
  size_t t = p->f64 ? 8 : 4, n = (size_t)(p->nparam + 15) / 16 * 16 + (size_t)rows * (size_t)p->nrow;
  n += (size_t)p->tile * (size_t)(p->nstage + p->ncol);
  n += GR_LANES_MAX * 8; /* by columns, a last group that is not full is read (not used) past the stage */
  return n * t + (size_t)p->nwork * 64 + 64;
}
