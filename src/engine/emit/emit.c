/* emit.c: plan to C: values, statements, the levels below the pairs, and the skeleton.
 *
 * Owns      what is common to all targets (values, statements), and the functions of a processor's
 *           kernel other than the pairs (emit_pairs.c): parameters, rows, columns and the entry.
 * Assumes   a plan that gr_check_sizes has passed.
 * Guarantees  the text is a pure function of the plan.
 *
 * Buffers of a processor's kernel, in the working precision T, one after the other in `scratch`:
 *   P[k]                    parameters, and what depends on them only
 *   R[(v*NROW + k)*GR_L+l]  row v*GR_L + l
 *   S[k*LD + c]             staged columns: as loaded, and what depends on one column only
 *   C[(c/G*NCOL + k)*G + q] column c + q of a group of G: wide ones again, packed for loops over
 *                           their components
 *   W                       what is kept for each column of a tile, and arrays too large for the
 *                           stack
 * The lanes of a vector V are rows or columns (target_c.c); copies of the last one fill the last
 * vector. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "emit/emitter.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return gr_node_of(e, r); }

/* ---- components ---- */

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
  if (e->at == LEVEL_PAIR && dim <= e->t->in->unrolled) gr_line(&e->out, "#pragma unroll");
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

/* Does an underscore and a number end it? */
static bool ends_numbered(const char *s) {
  size_t n = strlen(s), digits = 0;
  while (digits < n && gr_is_digit(s[n - 1 - digits])) digits++;
  return digits > 0 && digits < n && s[n - 1 - digits] == '_';
}

/* x_i, y_j, g_p, c_ij for variables, with the number of the argument where a dot became an
 * underscore (x.new: x_new_0_i) or where that would read the same (x_new_0: x_new_0_1_i); operation
 * and number, exp12, for other nodes: no two can be equal.  The tail keeps words of C and C++,
 * macros and our own names apart from aliases. */
const char *gr_node_name(gr_emitter *e, gr_ref r) {
  const gr_node *n = node(e, r);
  bool var = n->op == OP_Var, changed = false;
  const char *from = var ? e->p->ask.args->arg[n->ints[0]].name : gr_ops[n->op].name;
  char *s = gr_strndup(e->c->arena, from, strlen(from));
  for (char *t = s; *t; t++) {
    if (!var) *t = *t == '_' ? 'd' : gr_lower_case(*t);
    if (*t == '.') *t = '_', changed = true;
  }
  /* exp2_14 is not exp214 */
  if (!var) return gr_format(e->c->arena, gr_is_digit(s[strlen(s) - 1]) ? "%s_%d" : "%s%d", s, r);
  static const char *const tail[] = {[CAT_I] = "i", [CAT_J] = "j", [CAT_P] = "p", [CAT_I | CAT_J] = "ij"};
  if (changed || ends_numbered(s)) return gr_format(e->c->arena, "%s_%d_%s", s, n->ints[0], tail[n->cats]);
  return gr_format(e->c->arena, "%s_%s", s, tail[n->cats]);
}

/* ---- values ---- */

static const char *constant(gr_emitter *e, double x) {
  char hex[GR_NUMBER];
  const char *s = x != x            ? "GR_NAN"
                  : isinf(x)        ? (x > 0 ? "GR_INF" : "-GR_INF")
                  : x == floor(x) && fabs(x) < 1e9 ? gr_format(e->c->arena, "%.0f", x)
                                                   : gr_hex_text(x, hex);
  if (x == 0 && signbit(x)) s = "-0.0";
  return gr_format(e->c->arena, "v_set((T)%s)", s);
}

const char *gr_from_buffer(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_place *pl = &e->p->place[r];
  if (pl->level == LEVEL_PARAM) return gr_format(e->c->arena, "v_set(P[%s])", gr_idx_after(e, k, pl->buffer));
  return (pl->level == LEVEL_ROW ? e->t->row : e->t->column)(e, r, k);
}

/* The template of an element-wise operation with its arguments filled in. */
static const char *fill_in(gr_emitter *e, const gr_node *n, const char *const *arg) {
  gr_str s = {.arena = e->c->arena};
  gr_calls_of(e, n->op);
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

static const char *lower_case(gr_emitter *e, const char *name) {
  char *s = gr_strndup(e->c->arena, name, strlen(name));
  for (char *t = s; *t; t++) *t = gr_lower_case(*t);
  return s;
}

/* v_called_exp(a): functions of the file, where there are too many to be inlined. */
static const char *called_name(gr_emitter *e, const gr_node *n) {
  return gr_format(e->c->arena, "v_called_%s", lower_case(e, gr_ops[n->op].name));
}

static const char *call(gr_emitter *e, const gr_node *n, const char *const *arg, const char *type) {
  gr_str s = {.arena = e->c->arena};
  gr_putf(&s, "%s(", called_name(e, n));
  for (int i = 0; i < n->nkid; i++) gr_putf(&s, "%s%s%s", i ? ", " : "", type, arg[i]);
  gr_put(&s, ")");
  return s.s;
}

static bool is_called(const gr_emitter *e, const gr_node *n) { return e->p->calls && e->t->in->eases_compiling && gr_is_function(n->op); }

static void emit_called(gr_emitter *e) {
  static const char *const arg[GR_MAX_KIDS] = {"a", "b", "c"};
  bool done[OP_COUNT] = {false};
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    const gr_node *n = node(e, r);
    if (!e->p->place[r].live || !is_called(e, n) || done[n->op]) continue;
    gr_in_scope(e, (const char *const[]){called_name(e, n), NULL});
    gr_line(&e->out, "GR_APART V %s { return %s; }", call(e, n, arg, "V "), fill_in(e, n, arg));
    done[n->op] = true;
  }
}

/* An expression, and whether it can stand among operators without parentheses. */
typedef struct expr {
  const char *text;
  bool primary;
} expr;

/* The template of an operation that reads where the pair is. */
static const char *fill_in_index(gr_emitter *e, gr_ref r) {
  const gr_node *n = node(e, r);
  bool by_i = e->p->ask.axis == 1;
  gr_str s = {.arena = e->c->arena};
  gr_calls_of(e, n->op);
  for (const char *t = gr_ops[n->op].emitted; *t; t++) {
    if (*t != '@')
      gr_putf(&s, "%c", *t);
    else if (*++t != 's')
      gr_put(&s, ((*t == 'i') == by_i ? e->t->row_number : e->t->column_number)(e));
    else if (n->nint)
      gr_putf(&s, "%uu", (unsigned)n->ints[0]);
    else
      gr_putf(&s, "gr_seed(%s)", gr_value(e, n->kid[0], (gr_idx){NULL, 0}));
  }
  return s.s;
}

bool gr_pairs_read_index(const gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].live && e->p->place[r].level == LEVEL_PAIR && gr_is_index(node(e, r))) return true;
  return false;
}

bool gr_pairs_are_placed(const gr_emitter *e) { return gr_reads_pairs(e->p) || gr_pairs_read_index(e); }

static expr expression(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_node *n = node(e, r);
  const char *arg[GR_MAX_KIDS] = {"", "", ""};
  if (gr_is_pair_var(n)) return (expr){e->t->pair(e, r, k), true};
  if (gr_is_index(n)) return (expr){fill_in_index(e, r), true};
  for (int i = 0; i < n->nkid; i++) arg[i] = gr_value(e, n->kid[i], k);
  if (is_called(e, n)) return (expr){call(e, n, arg, ""), true};
  return (expr){fill_in(e, n, arg), !gr_is_of_operators(n->op)};
}

static const char *from_storage(gr_emitter *e, gr_ref r, gr_idx k) {
  if (node(e, r)->dim > 1) return gr_format(e->c->arena, "%s[%s]", gr_node_name(e, r), gr_idx_text(e, k));
  return e->late && e->p->place[r].level == LEVEL_PAIR ? e->t->in->kept(e, r, k) : gr_node_name(e, r);
}

/* The component of its argument that component k of a view shows. */
static gr_idx seen(gr_emitter *e, gr_view view, gr_idx k) {
  if (!view.stride) return (gr_idx){NULL, view.offset};
  const char *sym = k.sym && view.stride > 1 ? gr_format(e->c->arena, "%d * %s", view.stride, k.sym) : k.sym;
  return (gr_idx){sym, view.stride * k.off + view.offset};
}

const char *gr_value(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_node *n = node(e, r);
  const gr_place *pl = &e->p->place[r];
  if (n->dim == 1) k = (gr_idx){NULL, 0};
  if (n->op == OP_Const) return constant(e, n->num);
  if (n->op == OP_Zero) return "v_set(0)";
  if (gr_is_view(n)) return gr_value(e, n->kid[0], seen(e, gr_view_of(n), k));
  if (pl->level == e->at && pl->inlined) {
    expr x = expression(e, r, k);
    return x.primary ? x.text : gr_format(e->c->arena, "(%s)", x.text);
  }
  bool local = e->locals && n->dim <= GR_UNROLL && !k.sym;
  bool buffered = gr_is_var(n) && !gr_is_pair_var(n);
  if (pl->level == e->at ? buffered : !local) return gr_from_buffer(e, r, k);
  return from_storage(e, r, k);
}

const char *gr_of_row(const gr_emitter *e) { return e->p->cpu.rows > 1 ? "v * TILE + " : ""; }

/* ---- statements: one stored node ---- */

static void store_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  gr_line(&e->out, "%s[%s] = %s;", gr_node_name(e, r), gr_idx_text(e, k), expression(e, r, k).text);
}

static void compute(gr_emitter *e, gr_ref r) {
  const gr_node *n = node(e, r);
  if (gr_ops[n->op].kind == KIND_LOOP) {
    gr_emit_loop_op(e, r);
  } else if (n->dim == 1) {
    gr_line(&e->out, "const V %s = %s;", gr_node_name(e, r), expression(e, r, (gr_idx){NULL, 0}).text);
  } else {
    gr_declare(e, "V", gr_node_name(e, r), n->dim, e->p->place[r].work);
    gr_each(e, n->dim, store_component, &r);
  }
}

static void emit_node(gr_emitter *e, gr_ref r) {
  const gr_place *pl = &e->p->place[r];
  if (!pl->live || pl->level != e->at || pl->inlined) return;
  if (gr_is_var(node(e, r)) && !gr_is_pair_var(node(e, r))) return;
  const char *name = gr_node_name(e, r);
  if (pl->contract)
    gr_line(&e->out, "const V %s = %st[%s%s];", name, name, gr_of_row(e), e->t->at_column);
  else
    compute(e, r);
  if (pl->saved && !pl->contract) gr_line(&e->out, "%st[%s%s] = %s;", name, gr_of_row(e), e->t->at_column, name);
}

/* All nodes of the current level, in order. */
void gr_emit_level(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) emit_node(e, r);
}

/* ---- lower levels: load the variables, compute the nodes, keep what deeper levels read ---- */

static bool has_nodes(const gr_emitter *e, gr_level level) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].level == level && e->p->place[r].buffer >= 0 && node(e, r)->op != OP_Var) return true;
  return false;
}

static void keep_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  if (e->at == LEVEL_PARAM)
    gr_line(&e->out, "P[%s] = (%s)[0];", gr_idx_after(e, k, e->p->place[r].buffer), gr_value(e, r, k));
  else
    e->t->in->keep(e, r, k);
}

static bool is_kept(const gr_emitter *e, gr_ref r) {
  const gr_place *pl = &e->p->place[r];
  return pl->live && pl->level == e->at && e->t->in->keeps(e, r);
}

/* In long kernels each value is kept as soon as it is computed, so that few are live at a time. */
void gr_compute_and_keep(gr_emitter *e) {
  bool at_once = e->p->lengthy && e->t->in->eases_compiling;
  if (!at_once) gr_emit_level(e);
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    if (at_once) emit_node(e, r);
    if (is_kept(e, r)) gr_each(e, node(e, r)->dim, keep_component, &r);
  }
}

/* Calls `line` for each variable of the current level. */
void gr_each_variable(gr_emitter *e, void (*line)(gr_emitter *, gr_ref, int arg)) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].live && e->p->place[r].level == e->at && node(e, r)->op == OP_Var) line(e, r, node(e, r)->ints[0]);
}

bool gr_has_origin(const gr_emitter *e, int arg) { return e->p->ask.args->arg[arg].group >= 0 && !e->p->ask.f64; }

/* Where the origin of an argument lies, as text; 0: it has none. */
static const char *origin(gr_emitter *e, int arg) {
  return gr_has_origin(e, arg) ? gr_format(e->c->arena, "arg[%d]", e->p->ask.args->n + arg) : "0";
}

static void load_param(gr_emitter *e, gr_ref r, int arg) {
  const char *less = gr_has_origin(e, arg) ? gr_format(e->c->arena, " - %s[k]", origin(e, arg)) : "";
  gr_line(&e->out, "for (int k = 0; k < %d; k++) P[%s] = (T)%sarg[%d][k * ld[%d]]%s%s; /* %s */", node(e, r)->dim,
          gr_idx_text(e, (gr_idx){"k", e->p->place[r].buffer}), *less ? "(" : "", arg, arg, less, *less ? ")" : "",
          e->p->ask.args->arg[arg].name);
}

static void emit_params(gr_emitter *e) {
  e->at = LEVEL_PARAM;
  gr_line(&e->out, "/* Parameters, and what depends on them only. */");
  gr_open_function(e, "static void", "parameters", "const double *const *arg, const int64 *ld, T *P, V *W");
  gr_line(&e->out, "(void)W;");
  gr_each_variable(e, load_param);
  gr_compute_and_keep(e);
  gr_close(e);
}

static void load_row(gr_emitter *e, gr_ref r, int arg) {
  gr_calls(e, GR_PIECE(take_rows));
  gr_line(&e->out, "take_rows(arg[%d] + r0, ld[%d], %s, %d, nr, R + %d * GR_L); /* %s */", arg, arg, origin(e, arg), node(e, r)->dim,
          e->p->place[r].buffer, e->p->ask.args->arg[arg].name);
}

static void emit_rows(gr_emitter *e) {
  e->at = LEVEL_ROW;
  gr_line(&e->out, "/* Rows r0 ... r0 + nr. */");
  gr_open_function(e, "static void", "rows",
                   "const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W");
  gr_line(&e->out, "(void)P, (void)W;");
  gr_each_variable(e, load_row);
  if (has_nodes(e, LEVEL_ROW)) {
    gr_open(e, "for (int r = 0; r < nr; r += GR_L)");
    gr_line(&e->out, "T *Rv = R + (int64)r * NROW;");
    gr_compute_and_keep(e);
    gr_close(e);
  }
  gr_close(e);
}

static void load_column(gr_emitter *e, gr_ref r, int arg) {
  const gr_place *pl = &e->p->place[r];
  const char *name = e->p->ask.args->arg[arg].name;
  int dim = node(e, r)->dim;
  if (pl->direct) return;
  gr_calls(e, pl->staged ? GR_PIECE(take_columns) : GR_PIECE(take_packed));
  if (pl->staged)
    gr_line(&e->out, "take_columns(arg[%d] + b, ld[%d], %s, %d, nc, S + %d * LD); /* %s */", arg, arg, origin(e, arg), dim, pl->buffer, name);
  else
    gr_line(&e->out, "take_packed(arg[%d] + b, ld[%d], %s, %d, nc, C + %d * G); /* %s */", arg, arg, origin(e, arg), dim, pl->packed, name);
}

static void pack_columns(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    if (pl->packed < 0 || !pl->staged) continue;
    gr_calls(e, GR_PIECE(pack_columns));
    gr_line(&e->out, "pack_columns(S + %d * LD, nc, %d, C + %d * G);", pl->buffer, node(e, r)->dim, pl->packed);
  }
}

static void emit_columns(gr_emitter *e) {
  e->at = LEVEL_COL;
  gr_line(&e->out, "/* Columns b ... b + nc. */");
  gr_open_function(e, "static void", "columns",
                   "const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W");
  gr_line(&e->out, "(void)P, (void)W;");
  gr_each_variable(e, load_column);
  if (has_nodes(e, LEVEL_COL)) {
    gr_open(e, "for (int c = 0; c < WHOLE(nc); c += GR_L)");
    gr_compute_and_keep(e);
    gr_close(e);
  }
  pack_columns(e);
  gr_close(e);
}

/* ---- the whole text ---- */

/* The title as a comment; a formula can hold no comment signs, but may have several lines. */
void gr_emit_title(gr_str *out, const char *title) {
  gr_put(out, "/* ");
  for (const char *t = title; *t; t++) gr_putf(out, t[0] == '*' && t[1] == '/' ? "* " : *t == '\n' ? "\n * " : "%c", *t);
  gr_put(out, "\n */\n");
}

/* What a kernel has before its functions. */
static void emit_head(gr_emitter *e) {
  const gr_plan *p = e->p;
  gr_in_scope(e, (const char *const[]){"int64", "NROW", "NCOL", "TILE", "LD", "G", "SPAN", "v_square", NULL});
  gr_line(&e->out, "typedef long long int64;");
  gr_line(&e->out, "enum { NROW = %d, NCOL = %d, TILE = %d, LD = TILE + %d, G = %d, SPAN = %d };", p->width.row,
          p->width.packed, p->tile, GR_PAD, p->cpu.columns, GR_SPAN);
  gr_macro(e, "AT", "%s", e->t->c->state);
  gr_macro(e, "GR_APART", " static __attribute__((noinline, unused))");
  gr_macro(e, "GR_FILL", " GR_APART __attribute__((noclone)) /* one version for all dimensions */");
  gr_macro(e, "WHOLE", "(n) ((((n) + 7) / 8 * 8 + G - 1) / G * G) /* columns with the copies that fill groups and spans */");
  gr_line(&e->out, "GR_FN V v_square(V a) { return a * a; }");
  emit_called(e);
  if (!p->lengthy) return;
  gr_line(&e->out, "#if defined(__GNUC__) && !defined(__clang__)");
  gr_line(&e->out, "#pragma GCC optimize(\"no-ivopts\", \"no-gcse-after-reload\", \"no-tree-loop-distribution\", "
                   "\"no-predictive-commoning\", \"ira-region=one\")");
  gr_line(&e->out, "#endif");
}

/* The functions come first, and tell what the head has to have. */
gr_emitter gr_emit_own(gr_ctx *c, const gr_plan *p) {
  static void (*const part[])(gr_emitter *) = {emit_params, emit_rows, emit_columns, gr_emit_pairs, gr_emit_entry};
  gr_emitter e = gr_emitter_of(c, p);
  for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
    gr_put(&e.out, "\n");
    part[k](&e);
  }
  gr_str functions = e.out;
  e.out = (gr_str){.arena = c->arena};
  emit_head(&e);
  gr_emit_support(&e);
  gr_put(&e.out, functions.s);
  return e;
}

char *gr_emit_c(gr_ctx *c, const gr_plan *p, const char *title) {
  gr_str out = {.arena = c->arena};
  gr_emitter own = gr_emit_own(c, p);
  gr_emit_title(&out, title);
  if (p->ask.f64) gr_put(&out, "#define GR_F64 1\n");
  gr_emit_prelude(&out, own.t->in, own.pieces);
  gr_put(&out, "\n");
  gr_put(&out, own.out.s);
  return out.s;
}
