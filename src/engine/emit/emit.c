/* emit.c: plan to C: values, statements, the levels below the pairs, and the skeleton.
 *
 * The text is a pure function of the plan.  Lanes of a vector V are rows.  Buffers, in the working precision T:
 *   P[k]                    parameters                        (P, R, S, C and W lie one after the other in scratch)
 *   R[(v*NROW + k)*GR_L+l]  row v*GR_L + l
 *   S[k*LD + c]             staged columns: as loaded, and what depends on one column only
 *   C[(c/G*NCOL + k)*G + q] column c + q of a group of G: wide ones again, for loops over their components
 *   W                       what is kept for each column of a tile, and arrays too large for the stack
 * With by_columns, lanes are columns: rows are broadcast, nothing is packed into C, and the first row reads small variables of columns from
 * the arguments themselves (gr_place.direct) and stages them for the others.  Copies of the last column fill the last vector.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "emit/emitter.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return &e->p->ask.dag->node[r]; }

/* ---- lines ---- */

void gr_open(gr_emitter *e, const char *fmt, ...) {
  va_list ap;
  size_t empty = e->out.n + 2 * (size_t)e->out.indent;
  va_start(ap, fmt);
  gr_line_begin(&e->out, fmt, ap);
  va_end(ap);
  gr_put(&e->out, e->out.n > empty ? " {\n" : "{\n");
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

/* In a kernel for a GPU, arrays are registers only where every index is a constant. */
enum { CUDA_UNROLL = 64 };

void gr_each(gr_emitter *e, int dim, gr_body *body, const void *data) {
  if (dim <= GR_UNROLL) {
    for (int k = 0; k < dim; k++) body(e, (gr_idx){NULL, k}, data);
    return;
  }
  if (gr_for_gpu(e->p) && e->at == LEVEL_PAIR && dim <= CUDA_UNROLL) gr_line(&e->out, "#pragma unroll");
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

/* x_i, y_j, g_p for variables, with the number of the argument where a dot became an underscore (x.new: x_new_0_i) or where that would read the
 * same (x_new_0: x_new_0_1_i); operation and number, exp12, for other nodes: no two can be equal.  The tail keeps words of C and C++, macros and
 * our own names apart from aliases. */
const char *gr_node_name(gr_emitter *e, gr_ref r) {
  const gr_node *n = node(e, r);
  bool var = n->op == OP_Var, changed = false;
  const char *from = var ? e->p->ask.args->arg[n->ints[0]].name : gr_ops[n->op].name;
  char *s = gr_strndup(e->c->arena, from, strlen(from));
  for (char *t = s; *t; t++) {
    if (!var) *t = *t == '_' ? 'd' : gr_lower_case(*t);
    if (*t == '.') *t = '_', changed = true;
  }
  if (!var) return gr_format(e->c->arena, gr_is_digit(s[strlen(s) - 1]) ? "%s_%d" : "%s%d", s, r); /* exp2_14 is not exp214 */
  const char *tail = n->cats == CAT_I ? "i" : n->cats == CAT_J ? "j" : "p";
  if (changed || ends_numbered(s)) return gr_format(e->c->arena, "%s_%d_%s", s, n->ints[0], tail);
  return gr_format(e->c->arena, "%s_%s", s, tail);
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

/* Lanes are columns: rows are broadcast, columns loaded from the stage or, `direct`, from the argument. */
static const char *from_buffer_by_columns(gr_emitter *e, gr_ref r, gr_idx k) {
  gr_arena *a = e->c->arena;
  const gr_place *pl = &e->p->place[r];
  const char *of = gr_idx_text(e, k), *t = gr_idx_text(e, (gr_idx){k.sym, k.off + pl->buffer});
  if (pl->level == LEVEL_PARAM) return gr_format(a, "v_set(P[%s])", t);
  if (pl->level == LEVEL_ROW) return gr_format(a, "v_set(%s[%s * GR_L])", e->row < 0 ? "Rv" : "R0", t);
  const char *c = e->col < 0 || e->late ? "c" : gr_format(a, "c + %d * GR_L", e->col), *name = gr_node_name(e, r);
  if (!pl->direct) return gr_format(a, "v_load(S + %s * LD + %s)", t, c);
  const char *from = gr_has_origin(e, node(e, r)->ints[0]) ? gr_format(a, "%s_from[%s]", name, of) : "0";
  return gr_format(a, "column(S + %s * LD + %s, %s_at + %s * %s_ld + %s, %s, r)", t, c, name, of, name, c, from);
}

/* Variables come from the arguments where a level is computed, from buffers where pairs are. */
static const char *from_buffer_cuda(gr_emitter *e, gr_ref r, gr_idx k) {
  if (e->tile) return gr_stream_value(e, r, k);
  const gr_place *pl = &e->p->place[r];
  gr_arena *a = e->c->arena;
  const char *of = gr_idx_text(e, k);
  bool global = pl->level == LEVEL_COL && !pl->staged;
  k.off += global ? pl->packed : pl->buffer;
  const char *t = gr_idx_text(e, k);
  if (pl->level == LEVEL_PARAM) return gr_format(a, "v_set(P[%s])", t);
  if (e->at != LEVEL_PAIR) return gr_format(a, "v_take(arg[%d], %s, base, at)", node(e, r)->ints[0], of);
  if (pl->level == LEVEL_ROW) return gr_format(a, "v_rows(Rv + %s * ld_r, at)", t);
  return gr_format(a, global ? "v_set(C[%s * ld_c + (b - c_base + c)])" : "v_set(S[c * RECORD + %s])", t);
}

/* Component k of a node of a lower level, read from its buffer. */
const char *gr_from_buffer(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_place *pl = &e->p->place[r];
  gr_arena *a = e->c->arena;
  if (gr_for_gpu(e->p)) return from_buffer_cuda(e, r, k);
  bool packed = pl->packed >= 0 && e->at == LEVEL_PAIR && !e->late;
  if (e->p->target == TARGET_COLUMNS && e->at == LEVEL_PAIR) return from_buffer_by_columns(e, r, k);
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
static const char *fill_in(gr_emitter *e, const gr_node *n, const char *const *arg) {
  gr_str s = {.arena = e->c->arena};
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

/* v_called_exp(a): functions of the file, where they are too many to be inlined. */
static const char *call(gr_emitter *e, const gr_node *n, const char *const *arg, const char *type) {
  gr_str s = {.arena = e->c->arena};
  gr_putf(&s, "v_called_%s(", lower_case(e, gr_ops[n->op].name));
  for (int i = 0; i < n->nkid; i++) gr_putf(&s, "%s%s%s", i ? ", " : "", type, arg[i]);
  gr_put(&s, ")");
  return s.s;
}

static bool is_called(const gr_emitter *e, const gr_node *n) { return e->p->calls && !gr_for_gpu(e->p) && gr_is_function(n->op); }

static void emit_called(gr_emitter *e) {
  static const char *const arg[GR_MAX_KIDS] = {"a", "b", "c"};
  bool done[OP_COUNT] = {false};
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    const gr_node *n = node(e, r);
    if (!e->p->place[r].live || !is_called(e, n) || done[n->op]) continue;
    gr_line(&e->out, "GR_APART V %s { return %s; }", call(e, n, arg, "V "), fill_in(e, n, arg));
    done[n->op] = true;
  }
}

static const char *expression(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_node *n = node(e, r);
  const char *arg[GR_MAX_KIDS] = {"", "", ""};
  for (int i = 0; i < n->nkid; i++) arg[i] = gr_value(e, n->kid[i], k);
  return is_called(e, n) ? call(e, n, arg, "") : fill_in(e, n, arg);
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
  if (e->tile) return gr_stream_value(e, r, k);
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
  if (pl->level == e->at ? n->op == OP_Var : !local) return gr_from_buffer(e, r, k);
  return from_storage(e, r, k);
}

const char *gr_at_column(const gr_emitter *e) { return gr_for_gpu(e->p) ? "c * THREADS + x" : e->p->target == TARGET_COLUMNS ? "c / GR_L" : "c"; }

/* Where the second vector of rows begins in what is kept for each column of a tile. */
const char *gr_of_row(const gr_emitter *e) { return e->p->cpu.rows > 1 ? "v * TILE + " : ""; }

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

static void emit_node(gr_emitter *e, gr_ref r) {
  const gr_place *pl = &e->p->place[r];
  if (!pl->live || pl->level != e->at || pl->inlined || node(e, r)->op == OP_Var) return;
  const char *name = gr_node_name(e, r);
  if (pl->contract)
    gr_line(&e->out, "const V %s = %st[%s%s];", name, name, gr_of_row(e), gr_at_column(e));
  else
    compute(e, r);
  if (pl->saved && !pl->contract) gr_line(&e->out, "%st[%s%s] = %s;", name, gr_of_row(e), gr_at_column(e), name);
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

/* The destination of component k of a kept node, as text. */
static const char *destination(gr_emitter *e, gr_ref r, gr_idx k) {
  bool prepared = gr_for_gpu(e->p) && e->at == LEVEL_COL;
  k.off += prepared ? e->p->place[r].packed : e->p->place[r].buffer;
  const char *t = gr_idx_text(e, k);
  if (gr_for_gpu(e->p) && e->at != LEVEL_PARAM) return gr_format(e->c->arena, "v_put(%s + %s * ld, at,", prepared ? "C" : "R", t);
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

/* Kept for deeper levels; variables too where these do not read the arguments. */
static bool is_kept(const gr_emitter *e, gr_ref r) {
  const gr_place *pl = &e->p->place[r];
  if (!pl->live || pl->level != e->at) return false;
  if (gr_for_gpu(e->p) && e->at == LEVEL_COL) return pl->packed >= 0;
  return pl->buffer >= 0 && (node(e, r)->op != OP_Var || (gr_for_gpu(e->p) && e->at == LEVEL_ROW));
}

/* In long texts each at once, so that few values live at a time. */
void gr_compute_and_keep(gr_emitter *e) {
  bool at_once = e->p->lengthy && !gr_for_gpu(e->p);
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
  gr_open(e, "static void parameters(const double *const *arg, const int64 *ld, T *P, V *W)");
  gr_line(&e->out, "(void)W;");
  gr_each_variable(e, load_param);
  gr_compute_and_keep(e);
  gr_close(e);
}

static void load_row(gr_emitter *e, gr_ref r, int arg) {
  gr_line(&e->out, "take_rows(arg[%d] + r0, ld[%d], %s, %d, nr, R + %d * GR_L); /* %s */", arg, arg, origin(e, arg), node(e, r)->dim,
          e->p->place[r].buffer, e->p->ask.args->arg[arg].name);
}

static void emit_rows(gr_emitter *e) {
  e->at = LEVEL_ROW;
  gr_line(&e->out, "/* Rows r0 ... r0 + nr. */");
  gr_open(e, "static void rows(const double *const *arg, const int64 *ld, int64 r0, int nr, const T *P, T *R, V *W)");
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
  if (pl->staged)
    gr_line(&e->out, "take_columns(arg[%d] + b, ld[%d], %s, %d, nc, S + %d * LD); /* %s */", arg, arg, origin(e, arg), dim, pl->buffer, name);
  else
    gr_line(&e->out, "take_packed(arg[%d] + b, ld[%d], %s, %d, nc, C + %d * G); /* %s */", arg, arg, origin(e, arg), dim, pl->packed, name);
}

static void pack_columns(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    if (pl->packed >= 0 && pl->staged)
      gr_line(&e->out, "pack_columns(S + %d * LD, nc, %d, C + %d * G);", pl->buffer, node(e, r)->dim, pl->packed);
  }
}

static void emit_columns(gr_emitter *e) {
  e->at = LEVEL_COL;
  gr_line(&e->out, "/* Columns b ... b + nc. */");
  gr_open(e, "static void columns(const double *const *arg, const int64 *ld, int64 b, int nc, const T *P, T *S, T *C, V *W)");
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
  gr_line(&e->out, "typedef long long int64;");
  gr_line(&e->out, "enum { NROW = %d, NCOL = %d, TILE = %d, LD = TILE + %d, G = %d, SPAN = %d };", p->width.row, p->width.packed, p->tile, GR_PAD, p->cpu.columns, GR_SPAN);
  if (p->target == TARGET_COLUMNS)
    gr_line(&e->out, "#define AT(n) (state + (n) * ld_state + r * 16) /* number n of the states of this row, one per lane */");
  else
    gr_line(&e->out, "#define AT(n) (state + (n) * ld_state + r) /* number n of the state of this vector of rows */");
  gr_line(&e->out, "#define GR_APART static __attribute__((noinline, unused))");
  gr_line(&e->out, "#define GR_FILL GR_APART __attribute__((noclone)) /* one version for all dimensions */");
  gr_line(&e->out, "#define WHOLE(n) ((((n) + 7) / 8 * 8 + G - 1) / G * G) /* columns with the copies that fill groups and spans */");
  gr_line(&e->out, "GR_FN V v_square(V a) { return a * a; }");
  emit_called(e);
  if (!p->lengthy) return;
  gr_line(&e->out, "#if defined(__GNUC__) && !defined(__clang__)");
  gr_line(&e->out, "#pragma GCC optimize(\"no-ivopts\", \"no-gcse-after-reload\", \"no-tree-loop-distribution\", \"no-predictive-commoning\", "
                   "\"ira-region=one\")");
  gr_line(&e->out, "#endif");
}

/* What a kernel has of its own: all that follows the prelude. */
void gr_emit_own(gr_str *out, gr_ctx *c, const gr_plan *p) {
  gr_emitter body = {.c = c, .out = {.arena = c->arena}, .p = p, .row = -1, .col = -1}, whole = body;
  void (*const part[])(gr_emitter *) = {emit_params, emit_rows, emit_columns, gr_emit_pairs, gr_emit_entry};
  for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
    gr_put(&body.out, "\n");
    part[k](&body);
  }
  emit_head(&whole);
  gr_emit_support(&whole, body.out.s);
  gr_put(out, whole.out.s);
  gr_put(out, body.out.s);
}

char *gr_emit_c(gr_ctx *c, const gr_plan *p, const char *title) {
  gr_str out = {.arena = c->arena};
  gr_emit_title(&out, title);
  if (p->ask.f64) gr_put(&out, "#define GR_F64 1\n");
  gr_emit_prelude(&out, &p, 1);
  gr_put(&out, "\n");
  gr_emit_own(&out, c, p);
  return out.s;
}
