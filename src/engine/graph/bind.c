/* bind.c: syntax tree to the typed graph.
 *
 * Names become variables, calls are checked against the operation table, macros are rewritten.
 * A macro's text is parsed and bound in a scope where f g h are its expressions and n m its
 * integers; errors inside point to the user's call. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/binder.h"

static gr_ref bind(gr_binder *b, const gr_ast *a);

/* ---- arguments of a call ---- */

bool gr_integer_value(const gr_binder *b, const gr_ast *a, int *value) {
  if (a->kind == AST_NUMBER && a->num == floor(a->num) && fabs(a->num) < INT_MAX) {
    *value = (int)a->num;
    return true;
  }
  if (!b->in || a->kind != AST_NAME || !strchr("nmdc", *a->name)) return false;
  *value = *a->name == 'n'   ? b->in->n
           : *a->name == 'm' ? b->in->m
           : *a->name == 'd' ? b->in->d
                             : b->in->c;
  return true;
}

static const char *arity_text(gr_arena *a, const char *signature) {
  const char *optional = strchr(signature, '?');
  int n = (int)(optional ? optional - signature : (long)strlen(signature));
  if (strchr(signature, '*')) return gr_format(a, "%d arguments or more", n - 1);
  if (optional) return gr_format(a, "%d or %d arguments", n, n + 1);
  return gr_format(a, "%d argument%s", n, n == 1 ? "" : "s");
}

static void check_arity(gr_binder *b, const gr_ast *a, gr_op op) {
  const char *sig = gr_op_signature(op), *optional = strchr(sig, '?');
  int n = (int)strlen(sig);
  bool ok = strchr(sig, '*') ? a->n >= n - 1
            : optional       ? a->n == n - 1 || a->n == n - 2
                             : a->n == n;
  if (!ok)
    gr_throw(b->c, gr_place_of(b, a), NULL, ERR_Arity, gr_ops[op].name,
             arity_text(b->c->arena, sig), a->n);
}

/* A list of integers; (3) is a number: a list of one. */
static bool is_list(const gr_binder *b, const gr_ast *a) {
  int value;
  bool ok = a->kind == AST_LIST || gr_integer_value(b, a, &value);
  for (int i = 0; ok && i < a->n; i++) ok = gr_integer_value(b, a->arg[i], &value);
  return ok;
}

static bool is_expression(const gr_binder *b, const gr_ast *a) {
  (void)b;
  return a->kind != AST_LIST;
}

static bool is_integer(const gr_binder *b, const gr_ast *a) {
  int value;
  return gr_integer_value(b, a, &value);
}

/* What the letters of signatures ask for. */
static const struct {
  char letter;
  bool (*is)(const gr_binder *b, const gr_ast *a);
  gr_errid otherwise;
} kinds[] = {{'e', is_expression, ERR_ExprArg},
             {'v', is_expression, ERR_ExprArg},
             {'s', is_expression, ERR_Seed},
             {'i', is_integer, ERR_IntArg},
             {'l', is_list, ERR_ListArg}};

void gr_check_kind(const gr_binder *b, const gr_ast *a, gr_op op, int k, char letter) {
  const gr_ast *arg = a->arg[k];
  const gr_span *at = b->in ? &b->in->at : &arg->span;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (kinds[i].letter != letter || kinds[i].is(b, arg)) continue;
    if (kinds[i].otherwise == ERR_Seed) gr_throw(b->c, at, NULL, ERR_Seed, gr_ops[op].name);
    gr_throw(b->c, at, NULL, kinds[i].otherwise, k + 1, gr_ops[op].name);
  }
}

/* A number is kept as an integer of 32 bits, whatever the working precision; anything else is an
 * expression. */
static void read_seed(gr_binder *b, const gr_ast *a, const gr_span *at, const char *name,
                      gr_actuals *x) {
  gr_ref seed = bind(b, a);
  const gr_node *n = &b->g->node[seed];
  if (n->dim != 1 || (n->cats & (CAT_I | CAT_J))) gr_throw(b->c, at, NULL, ERR_Seed, name);
  if (!gr_is_number(n)) {
    x->expr[x->nexpr++] = seed;
    return;
  }
  if (n->num != floor(n->num) || n->num < INT32_MIN || n->num > UINT32_MAX)
    gr_throw(b->c, at, NULL, ERR_Seed, name);
  x->integer[x->nint++] = (int)(uint32_t)(int64_t)n->num;
}

static void read_argument(gr_binder *b, const gr_ast *a, gr_op op, int k, char letter,
                          gr_actuals *x) {
  const gr_ast *arg = a->arg[k];
  const gr_span *at = b->in ? &b->in->at : &arg->span;
  gr_check_kind(b, a, op, k, letter);
  if (letter == 's') {
    read_seed(b, arg, at, gr_ops[op].name, x);
  } else if (letter == 'e' || letter == 'v') {
    x->expr[x->nexpr++] = bind(b, arg);
    if (letter == 'v' && b->g->node[x->expr[x->nexpr - 1]].op != OP_Var)
      gr_throw(b->c, at, NULL, ERR_NotVariable, k + 1, gr_ops[op].name);
  } else if (letter == 'i') {
    gr_integer_value(b, arg, &x->integer[x->nint++]);
  } else {
    x->list[x->nlist++] = arg;
  }
}

/* Concat(f, g, h, ...) = Concat(Concat(f, g), h) ... */
static gr_ref bind_repeated(gr_binder *b, const gr_ast *a, gr_op op) {
  gr_actuals x = {.nexpr = 0};
  for (int k = 0; k < a->n; k++) {
    read_argument(b, a, op, k, 'e', &x);
    if (x.nexpr == 2) {
      x.expr[0] = gr_mk(b->g, gr_place_of(b, a), op, x.expr, 2, NULL, 0);
      x.nexpr = 1;
    }
  }
  return x.expr[0];
}

/* ---- texts of our own ---- */

void gr_bad_call(gr_binder *b, const gr_ast *a, const char *fmt, ...) {
  char text[160];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  gr_throw(b->c, gr_place_of(b, a), NULL, ERR_Dim, a->name, text);
}

gr_ref gr_bind_text(gr_dag *g, const gr_scope *s, const char *text) {
  gr_binder b = {.c = g->ctx, .g = g, .in = s};
  return bind(&b, gr_parse(g->ctx, text, "macro"));
}

gr_ref gr_bind_in_call(gr_binder *b, const gr_ast *a, const char *text, const gr_actuals *x) {
  gr_scope s = {.n = x->integer[0], .m = x->integer[1], .at = *gr_place_of(b, a)};
  memcpy(s.expr, x->expr, sizeof s.expr);
  if (x->nexpr > 0) s.d = gr_dim_of(b, x->expr[0]);
  if (x->nexpr > 1) s.c = gr_dim_of(b, x->expr[1]);
  return gr_bind_text(b->g, &s, text);
}

/* ---- expressions ---- */

#define OP(name) [OP_##name] = gr_rewrite_##name,
static gr_rewrite *const rewrites[OP_COUNT] = {GR_REWRITTEN(OP)};
#undef OP

/* f ** g: an integer constant is a power, 0.5 the square root, anything else exp(g log f). */
static gr_ref bind_power(gr_binder *b, const gr_ast *a) {
  int n;
  gr_ref f = bind(b, a->arg[0]);
  if (gr_integer_value(b, a->arg[1], &n))
    return gr_mk(b->g, gr_place_of(b, a), OP_PowInt, &f, 1, &n, 1);
  gr_actuals x = {.expr = {f, bind(b, a->arg[1])}, .nexpr = 2};
  if (gr_is_const(b->g, x.expr[1], 0.5))
    return gr_mk(b->g, gr_place_of(b, a), OP_Sqrt, &f, 1, NULL, 0);
  return gr_mk(b->g, gr_place_of(b, a), OP_Powf, x.expr, 2, NULL, 0);
}

/* Vi(pos, dim) and its kin inside a formula. */
int gr_argument_declared(gr_binder *b, const gr_ast *a, int kind) {
  double v[3];
  int value;
  if (a->n != (kind == GR_ANY_VAR ? 3 : 2))
    gr_throw(b->c, gr_place_of(b, a), NULL, ERR_Arity, a->name,
             kind == GR_ANY_VAR ? "3 arguments (position, dim, category)"
                                : "2 arguments (position, dim) inside a formula",
             a->n);
  for (int k = 0; k < a->n; k++) {
    if (!gr_integer_value(b, a->arg[k], &value))
      gr_throw(b->c, gr_place_of(b, a), NULL, ERR_IntArg, k + 1, a->name);
    v[k] = value;
  }
  gr_arg x = {.span = a->at, .set = true, .group = -1};
  return gr_read_variable(b->c, b->args, &x, kind, v, a->n, 0);
}

static gr_ref variable(gr_binder *b, const gr_ast *a, int k) {
  return gr_mk_var(b->g, gr_place_of(b, a), k, b->args->arg[k].cat, b->args->arg[k].dim);
}

int gr_zero_dim(gr_binder *b, const gr_ast *a) {
  int dim;
  if (a->n != 1) gr_throw(b->c, gr_place_of(b, a), NULL, ERR_Arity, "Zero", "1 argument", a->n);
  if (!gr_integer_value(b, a->arg[0], &dim))
    gr_throw(b->c, gr_place_of(b, a), NULL, ERR_IntArg, 1, "Zero");
  return gr_check_dim(b->c, gr_place_of(b, a), dim);
}

static bool is_reduction(const char *name) {
  size_t n = strlen(name);
  return n > 10 && strcmp(name + n - 10, "_Reduction") == 0;
}

GR_NORETURN static void unknown_op(gr_binder *b, const gr_ast *a) {
  if (is_reduction(a->name)) gr_throw(b->c, gr_place_of(b, a), NULL, ERR_ReductionHere);
  gr_throw(b->c, gr_place_of(b, a),
           gr_nearest(b->c->arena, a->name, gr_op_names(b->c->arena), OP_COUNT), ERR_UnknownOp,
           a->name);
}

gr_op gr_operation_of(gr_binder *b, const gr_ast *a) {
  int op = gr_op_find(a->name, b->in != NULL);
  if (op < 0) unknown_op(b, a);
  if (op != OP_Zero) check_arity(b, a, (gr_op)op);
  return (gr_op)op;
}

static gr_ref bind_call(gr_binder *b, const gr_ast *a) {
  int kind = gr_constructor(a->name, (int)strlen(a->name));
  if (kind >= 0) return variable(b, a, gr_argument_declared(b, a, kind));
  if (strcmp(a->name, "**") == 0) return bind_power(b, a);
  gr_op op = gr_operation_of(b, a);
  if (op == OP_Zero) return gr_mk_zero(b->g, gr_place_of(b, a), gr_zero_dim(b, a));
  const char *sig = gr_op_signature(op);
  if (strchr(sig, '*')) return bind_repeated(b, a, op);
  gr_actuals x = {.nexpr = 0};
  for (int k = 0, s = 0; k < a->n; k++, s++) {
    if (sig[s] == '?') s++;
    read_argument(b, a, op, k, sig[s], &x);
  }
  if (rewrites[op]) return rewrites[op](b, a, &x);
  if (gr_ops[op].kind == KIND_MACRO) return gr_bind_in_call(b, a, gr_ops[op].emitted, &x);
  return gr_mk(b->g, gr_place_of(b, a), op, x.expr, x.nexpr, x.integer, x.nint);
}

static gr_ref bind_macro_name(gr_binder *b, const gr_ast *a) {
  int n;
  if (gr_integer_value(b, a, &n)) return gr_mk_const(b->g, &b->in->at, n);
  return *a->name == 'e' ? b->in->e : *a->name == 'o' ? b->in->o : b->in->expr[*a->name - 'f'];
}

int gr_argument_named(gr_binder *b, const gr_ast *a) {
  const char **known = gr_alloc(b->c->arena, (size_t)(b->args->n + 1) * sizeof *known);
  for (int k = 0; k < b->args->n; k++) {
    const gr_arg *x = &b->args->arg[k];
    known[k] = x->named ? x->name : "";
    if (x->named && strcmp(x->name, a->name) == 0) return k;
  }
  if (gr_op_find(a->name, false) >= 0) gr_throw(b->c, &a->at, NULL, ERR_OpAsVar, a->name);
  if (gr_constructor(a->name, (int)strlen(a->name)) >= 0)
    gr_throw(b->c, &a->at, NULL, ERR_VarInFormula, a->name, a->name);
  gr_throw(b->c, &a->at, gr_nearest(b->c->arena, a->name, known, b->args->n), ERR_UnknownVar,
           a->name);
}

static gr_ref bind_name(gr_binder *b, const gr_ast *a) {
  return b->in ? bind_macro_name(b, a) : variable(b, a, gr_argument_named(b, a));
}

void gr_check_number(gr_binder *b, const gr_ast *a) {
  if (!isfinite(gr_rounded(b->g, a->num)))
    gr_throw(b->c, &a->span, NULL, ERR_NumberRange, gr_span_text(b->c->arena, &a->span, "number"),
             b->g->f64 ? "float64" : "float32", b->g->f64 ? "1.8e308" : "3.4e38");
}

static gr_ref bind_number(gr_binder *b, const gr_ast *a) {
  gr_check_number(b, a);
  return gr_mk_const(b->g, gr_place_of(b, a), a->num);
}

static gr_ref bind(gr_binder *b, const gr_ast *a) {
  switch (a->kind) {
  case AST_NUMBER: return bind_number(b, a);
  case AST_NAME: return bind_name(b, a);
  case AST_CALL: return bind_call(b, a);
  default: gr_throw(b->c, b->in ? &b->in->at : &a->span, NULL, ERR_ListHere);
  }
}

gr_ref gr_bind(gr_dag *g, gr_args *args, const gr_ast *ast) {
  gr_binder b = {.c = g->ctx, .g = g, .args = args};
  return bind(&b, ast);
}

/* ---- a reduction written in the formula ---- */

gr_written gr_read_reduction(gr_ctx *c, const gr_ast *a) {
  gr_written w = {.formula = a, .tag = -1};
  if (a->kind != AST_CALL || !is_reduction(a->name)) return w;
  gr_binder b = {.c = c};
  int v[2], nv = 0, k = 1;
  char *name = gr_strndup(c->arena, a->name, strlen(a->name) - 10);
  int red = gr_red_find(name), n;
  const char *const *known = gr_red_names(&n);
  if (red < 0) gr_throw(c, &a->at, gr_nearest(c->arena, name, known, n), ERR_Reduction, name);
  while (k < a->n && nv < 2 && gr_integer_value(&b, a->arg[k], &v[nv])) k++, nv++;
  bool needs_k = gr_reds[red].needs_k;
  if (nv != (needs_k ? 2 : 1) || a->n > k + 1 || v[nv - 1] < 0 || v[nv - 1] > 1)
    gr_throw(c, &a->at, NULL, ERR_ReductionTag, a->name);
  w.name = gr_reds[red].name;
  w.formula = a->arg[0];
  w.formula2 = k < a->n ? a->arg[k] : NULL;
  w.tag = v[nv - 1];
  w.k = needs_k ? v[0] : 0;
  w.span = a->at;
  return w;
}
