/* bind.c: aliases and syntax tree to the typed graph.
 *
 * Names become variables, calls are checked against the operation table, macros are rewritten.  A macro's text is parsed
 * and bound in a scope where f g h are its expressions and n m its integers; errors inside point to the user's call. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

typedef struct binder {
  gr_ctx *c;
  gr_dag *g;
  gr_args *args;
  const gr_scope *in; /* NULL: the user's text */
} binder;

static const gr_span *place(const binder *b, const gr_ast *a) { return b->in ? &b->in->at : &a->at; }

/* ---- arguments of the program ---- */

static void add_arg(gr_ctx *c, gr_args *args, int pos, const gr_arg *x) {
  if (pos >= args->n) {
    gr_arg *more = gr_alloc(c->arena, (size_t)(pos + 1) * sizeof *more);
    if (args->n) memcpy(more, args->arg, (size_t)args->n * sizeof *more);
    args->arg = more;
    args->n = pos + 1;
  }
  gr_arg *old = &args->arg[pos];
  if (old->set && (old->cat != x->cat || old->dim != x->dim || (old->named && x->named)))
    gr_throw(c, &x->span, NULL, ERR_Position, pos);
  if (!old->set || x->named) *old = *x;
  old->set = true;
  if (!old->name) old->name = gr_format(c->arena, "arg%d", pos + 1);
}

static int check_position(gr_ctx *c, const gr_span *at, double pos) {
  if (pos < 0 || pos >= GR_MAX_ARGS) gr_throw(c, at, NULL, ERR_PositionRange, GR_MAX_ARGS - 1, (long long)pos);
  return (int)pos;
}

static int check_dim(gr_ctx *c, const gr_span *at, double dim) {
  if (dim < 1 || dim > GR_MAX_DIM) gr_throw(c, at, NULL, ERR_VarDim, GR_MAX_DIM, (long long)dim);
  return (int)dim;
}

/* Category by the constructor's name: GR_VI, GR_VJ, GR_PM, 3 for Var, -1 for none of them. */
static int constructor(const char *s, int n) {
  static const char *const names[] = {"Vi", "Vj", "Pm", "Var"};
  for (int k = 0; k < 4; k++)
    if ((int)strlen(names[k]) == n && strncmp(s, names[k], (size_t)n) == 0) return k;
  return -1;
}

/* The variable that Vi(pos, dim), Var(pos, dim, cat) or, in an alias, Vi(dim) stands for; v has nv integers. */
static int read_variable(gr_ctx *c, gr_args *args, gr_arg *x, int kind, const double *v, int nv, int next) {
  int pos = next;
  double dim = v[0];
  if (nv > 1) pos = check_position(c, &x->span, v[0]), dim = v[1];
  if (kind == 3 && (v[2] < 0 || v[2] > 2)) gr_throw(c, &x->span, NULL, ERR_VarCategory, (long long)v[2]);
  x->cat = (gr_category)(kind == 3 ? (int)v[2] : kind);
  x->dim = check_dim(c, &x->span, dim);
  add_arg(c, args, pos, x);
  return pos;
}

GR_NORETURN static void bad_alias(gr_ctx *c, const gr_token *t) {
  const char *shown = t->kind == TOK_END ? "the end"
                                         : gr_format(c->arena, "`%.*s`", t->span.len, t->span.text + t->span.start);
  gr_throw(c, &t->span, NULL, ERR_Alias, shown);
}

/* integers = NUMBER { "," NUMBER } ")" */
static int read_integers(gr_ctx *c, const gr_token *t, double *v) {
  int n = 0;
  for (;; t++) {
    double sign = t->kind == TOK_MINUS ? (t++, -1.0) : 1.0;
    if (t->kind != TOK_NUMBER || !t->is_int || n == 3) bad_alias(c, t);
    v[n++] = sign * t->num;
    t++;
    if (t->kind == TOK_RPAREN) break;
    if (t->kind != TOK_COMMA) bad_alias(c, t);
  }
  if (t[1].kind != TOK_END) bad_alias(c, t + 1);
  return n;
}

static void check_new_name(gr_ctx *c, const gr_args *args, const gr_arg *x) {
  for (int k = 0; k < args->n; k++)
    if (args->arg[k].named && strcmp(args->arg[k].name, x->name) == 0)
      gr_throw(c, &x->span, NULL, ERR_AliasTwice, x->name);
}

/* alias = [ NAME "=" ] ( "Vi" | "Vj" | "Pm" | "Var" ) "(" integers */
static void bind_alias(gr_ctx *c, const char *text, int next, gr_args *args) {
  int n;
  double v[3];
  gr_token *t = gr_lex(c, text, "alias", &n);
  gr_arg x = {.span = t->span, .set = true, .group = -1};
  if (t->kind == TOK_NAME && t[1].kind == TOK_ASSIGN) {
    x.name = gr_strndup(c->arena, t->span.text + t->span.start, (size_t)t->span.len);
    x.named = true;
    check_new_name(c, args, &x);
    t += 2;
  }
  int kind = t->kind == TOK_NAME ? constructor(t->span.text + t->span.start, t->span.len) : -1;
  if (kind < 0) bad_alias(c, t);
  if (t[1].kind != TOK_LPAREN) bad_alias(c, t + 1);
  int nv = read_integers(c, t + 2, v);
  if (kind == 3 ? nv != 3 : nv > 2) bad_alias(c, t);
  read_variable(c, args, &x, kind, v, nv, next);
}

void gr_bind_aliases(gr_ctx *c, const char *const *alias, int n, gr_args *args) {
  if (n > GR_MAX_ARGS) gr_throw(c, NULL, NULL, ERR_PositionRange, GR_MAX_ARGS - 1, (long long)n - 1);
  for (int k = 0; k < n; k++) bind_alias(c, gr_strndup(c->arena, alias[k], strlen(alias[k])), k, args);
}

void gr_check_args(gr_ctx *c, const gr_args *args) {
  for (int k = 0; k < args->n; k++)
    if (!args->arg[k].set) gr_throw(c, NULL, NULL, ERR_PositionGap, k, args->n - 1);
}

/* ---- arguments of a call ---- */

/* Arguments of a call, sorted by kind. */
typedef struct actuals {
  gr_ref expr[GR_MAX_KIDS];
  int nexpr;
  int integer[2];
  int nint;
  const gr_ast *list[5];
  int nlist;
} actuals;

static gr_ref bind(binder *b, const gr_ast *a);

static bool integer_value(const binder *b, const gr_ast *a, int *value) {
  if (a->kind == AST_NUMBER && a->num == floor(a->num) && fabs(a->num) < INT_MAX) {
    *value = (int)a->num;
    return true;
  }
  if (!b->in || a->kind != AST_NAME || !strchr("nmdc", *a->name)) return false;
  *value = *a->name == 'n' ? b->in->n : *a->name == 'm' ? b->in->m : *a->name == 'd' ? b->in->d : b->in->c;
  return true;
}

static const char *arity_text(gr_arena *a, const char *signature) {
  const char *optional = strchr(signature, '?');
  int n = (int)(optional ? optional - signature : (long)strlen(signature));
  if (strchr(signature, '*')) return gr_format(a, "%d arguments or more", n - 1);
  if (optional) return gr_format(a, "%d or %d arguments", n, n + 1);
  return gr_format(a, "%d argument%s", n, n == 1 ? "" : "s");
}

static void check_arity(binder *b, const gr_ast *a, gr_op op) {
  const char *sig = gr_op_signature(op), *optional = strchr(sig, '?');
  int n = (int)strlen(sig);
  bool ok = strchr(sig, '*') ? a->n >= n - 1 : optional ? a->n == n - 1 || a->n == n - 2 : a->n == n;
  if (!ok) gr_throw(b->c, place(b, a), NULL, ERR_Arity, gr_ops[op].name, arity_text(b->c->arena, sig), a->n);
}

static void read_argument(binder *b, const gr_ast *a, gr_op op, int k, char letter, actuals *x) {
  const gr_ast *arg = a->arg[k];
  const gr_span *at = b->in ? &b->in->at : &arg->span;
  const char *name = gr_ops[op].name;
  if (letter == 'e' || letter == 'v') {
    if (arg->kind == AST_LIST) gr_throw(b->c, at, NULL, ERR_ExprArg, k + 1, name);
    x->expr[x->nexpr++] = bind(b, arg);
    if (letter == 'v' && b->g->node[x->expr[x->nexpr - 1]].op != OP_Var)
      gr_throw(b->c, at, NULL, ERR_NotVariable, k + 1, name);
  } else if (letter == 'i') {
    if (!integer_value(b, arg, &x->integer[x->nint++])) gr_throw(b->c, at, NULL, ERR_IntArg, k + 1, name);
  } else {
    x->list[x->nlist++] = arg;
    int value;
    bool ok = arg->kind == AST_LIST || integer_value(b, arg, &value); /* (3) is a number: a list of one */
    for (int i = 0; ok && i < arg->n; i++) ok = integer_value(b, arg->arg[i], &value);
    if (!ok) gr_throw(b->c, at, NULL, ERR_ListArg, k + 1, name);
  }
}

/* Concat(f, g, h, ...) = Concat(Concat(f, g), h) ... */
static gr_ref bind_repeated(binder *b, const gr_ast *a, gr_op op) {
  actuals x = {.nexpr = 0};
  for (int k = 0; k < a->n; k++) {
    read_argument(b, a, op, k, 'e', &x);
    if (x.nexpr == 2) {
      x.expr[0] = gr_mk(b->g, place(b, a), op, x.expr, 2, NULL, 0);
      x.nexpr = 1;
    }
  }
  return x.expr[0];
}

/* ---- tensors: all are one contraction in normal form (gr_axis) ---- */

enum { MAX_RANK = 16 };

typedef struct shape {
  int n, size[MAX_RANK], stride[MAX_RANK]; /* row-major */
} shape;

static void strides(shape *s) {
  for (int k = s->n - 1, step = 1; k >= 0; k--) {
    s->stride[k] = step;
    step *= s->size[k];
  }
}

GR_NORETURN static void bad(binder *b, const gr_ast *a, const char *text) {
  gr_throw(b->c, place(b, a), NULL, ERR_Dim, a->name, text);
}

static int read_list(binder *b, const gr_ast *a, const gr_ast *list, int *v) {
  int n = list->kind == AST_LIST ? list->n : 1;
  if (n > MAX_RANK) bad(b, a, gr_format(b->c->arena, "lists may have %d elements at most", MAX_RANK));
  for (int k = 0; k < n; k++) integer_value(b, list->kind == AST_LIST ? list->arg[k] : list, &v[k]);
  return n;
}

static shape read_shape(binder *b, const gr_ast *a, const gr_ast *list, gr_ref r) {
  shape s;
  long long total = 1;
  s.n = read_list(b, a, list, s.size);
  for (int k = 0; k < s.n; k++) {
    if (s.size[k] < 1) bad(b, a, "a shape has positive sizes only");
    total *= s.size[k];
    if (total > GR_MAX_DIM) break;
  }
  if (total != b->g->node[r].dim)
    bad(b, a, gr_format(b->c->arena, "the shape has %lld elements, but the argument has dimension %d", total,
                        b->g->node[r].dim));
  strides(&s);
  return s;
}

/* Gives the kept axes, in their order, the strides of the result, and makes the node. */
static gr_ref contraction(binder *b, const gr_ast *a, const gr_ref *fg, gr_axis *axis, int nkeep, int ncont) {
  int ints[2 + 4 * 2 * MAX_RANK] = {nkeep, ncont};
  for (int k = nkeep - 1, step = 1; k >= 0; k--) {
    axis[k].out = step;
    step = (int)fmin(INT_MAX, (double)step * axis[k].size); /* too large is found by the dimension rule */
  }
  memcpy(ints + 2, axis, (size_t)(nkeep + ncont) * sizeof *axis);
  return gr_mk(b->g, place(b, a), OP_TensorDot, fg, 2, ints, 2 + 4 * (nkeep + ncont));
}

static gr_ref rewrite_TensorProd(binder *b, const gr_ast *a, const actuals *x) {
  int df = b->g->node[x->expr[0]].dim, dg = b->g->node[x->expr[1]].dim;
  gr_axis axis[] = {{df, 0, 1, 0}, {dg, 0, 0, 1}};
  return contraction(b, a, x->expr, axis, 2, 0);
}

/* The other dimension of a matrix with `total` elements. */
static int other_side(binder *b, const gr_ast *a, int total, int side) {
  if (total % side)
    bad(b, a, gr_format(b->c->arena, "a matrix with %d elements does not fit a vector of dimension %d", total, side));
  return total / side;
}

static gr_ref rewrite_MatVecMult(binder *b, const gr_ast *a, const actuals *x) {
  int cols = b->g->node[x->expr[1]].dim, rows = other_side(b, a, b->g->node[x->expr[0]].dim, cols);
  gr_axis axis[] = {{rows, 0, cols, 0}, {cols, 0, 1, 1}};
  return contraction(b, a, x->expr, axis, 1, 1);
}

static gr_ref rewrite_VecMatMult(binder *b, const gr_ast *a, const actuals *x) {
  int rows = b->g->node[x->expr[0]].dim, cols = other_side(b, a, b->g->node[x->expr[1]].dim, rows);
  gr_axis axis[] = {{cols, 0, 0, 1}, {rows, 0, 1, cols}};
  return contraction(b, a, x->expr, axis, 1, 1);
}

static gr_ref rewrite_Kron(binder *b, const gr_ast *a, const actuals *x) {
  shape f = read_shape(b, a, x->list[0], x->expr[0]), g = read_shape(b, a, x->list[1], x->expr[1]);
  gr_axis axis[2 * MAX_RANK];
  if (f.n != g.n) bad(b, a, gr_format(b->c->arena, "the shapes need equal lengths, found %d and %d", f.n, g.n));
  for (int k = 0; k < f.n; k++) {
    axis[2 * k] = (gr_axis){f.size[k], 0, f.stride[k], 0};
    axis[2 * k + 1] = (gr_axis){g.size[k], 0, 0, g.stride[k]};
  }
  return contraction(b, a, x->expr, axis, 2 * f.n, 0);
}

static void check_axes(binder *b, const gr_ast *a, const int *axis, int n, const shape *s) {
  for (int k = 0; k < n; k++) {
    if (axis[k] < 0 || axis[k] >= s->n)
      bad(b, a, gr_format(b->c->arena, "axis %d is outside 0 ... %d", axis[k], s->n - 1));
    for (int i = 0; i < k; i++)
      if (axis[i] == axis[k]) bad(b, a, gr_format(b->c->arena, "axis %d is named twice", axis[k]));
  }
}

static bool contains(const int *v, int n, int x) {
  for (int k = 0; k < n; k++)
    if (v[k] == x) return true;
  return false;
}

/* Kept axis k of the product goes to place permute[k] of the result. */
static void permute_axes(binder *b, const gr_ast *a, const gr_ast *list, gr_axis *axis, int n) {
  gr_axis from[2 * MAX_RANK];
  int to[MAX_RANK], m = read_list(b, a, list, to);
  memcpy(from, axis, (size_t)n * sizeof *axis);
  bool ok = m == n;
  for (int k = 0; ok && k < n; k++) ok = contains(to, n, k);
  if (!ok) bad(b, a, gr_format(b->c->arena, "the last list must be a permutation of 0 ... %d", n - 1));
  for (int k = 0; k < n; k++) axis[to[k]] = from[k];
}

static gr_ref rewrite_TensorDot(binder *b, const gr_ast *a, const actuals *x) {
  shape f = read_shape(b, a, x->list[0], x->expr[0]), g = read_shape(b, a, x->list[1], x->expr[1]);
  int cf[MAX_RANK], cg[MAX_RANK], nkeep = 0;
  int nf = read_list(b, a, x->list[2], cf), ng = read_list(b, a, x->list[3], cg);
  gr_axis axis[2 * MAX_RANK];
  check_axes(b, a, cf, nf, &f);
  check_axes(b, a, cg, ng, &g);
  if (nf != ng) bad(b, a, gr_format(b->c->arena, "%d axes cannot be contracted with %d", nf, ng));
  for (int k = 0; k < f.n; k++)
    if (!contains(cf, nf, k)) axis[nkeep++] = (gr_axis){f.size[k], 0, f.stride[k], 0};
  for (int k = 0; k < g.n; k++)
    if (!contains(cg, ng, k)) axis[nkeep++] = (gr_axis){g.size[k], 0, 0, g.stride[k]};
  if (x->nlist == 5) permute_axes(b, a, x->list[4], axis, nkeep);
  for (int k = 0; k < nf; k++) {
    if (f.size[cf[k]] != g.size[cg[k]])
      bad(b, a, gr_format(b->c->arena, "an axis of size %d cannot be contracted with one of size %d", f.size[cf[k]],
                          g.size[cg[k]]));
    axis[nkeep + k] = (gr_axis){f.size[cf[k]], 0, f.stride[cf[k]], g.stride[cg[k]]};
  }
  return contraction(b, a, x->expr, axis, nkeep, nf);
}

/* ---- macros ---- */

gr_ref gr_bind_text(gr_dag *g, const gr_scope *s, const char *text) {
  binder b = {.c = g->ctx, .g = g, .in = s};
  return bind(&b, gr_parse(g->ctx, text, "macro"));
}

/* Binds `text` with the arguments of a call in scope. */
static gr_ref bind_text(binder *b, const gr_ast *a, const char *text, const actuals *x) {
  gr_scope s = {.n = x->integer[0], .m = x->integer[1], .at = *place(b, a)};
  memcpy(s.expr, x->expr, sizeof s.expr);
  if (x->nexpr > 0) s.d = b->g->node[x->expr[0]].dim;
  if (x->nexpr > 1) s.c = b->g->node[x->expr[1]].dim;
  return gr_bind_text(b->g, &s, text);
}

static gr_ref rewrite_WeightedSqNorm(binder *b, const gr_ast *a, const actuals *x) {
  int ds = b->g->node[x->expr[0]].dim, d = b->g->node[x->expr[1]].dim;
  if (ds == 1) return bind_text(b, a, "SqNormIso(f,g)", x);
  if (ds == d) return bind_text(b, a, "SqNormDiag(f,g)", x);
  if (ds == (long long)d * d) return bind_text(b, a, "SymSqNorm(f,g)", x);
  bad(b, a, gr_format(b->c->arena, "the weight must have dimension 1, %d or %lld, it has %d", d, (long long)d * d, ds));
}

/* Decimals in double: 10^n and its inverse are applied so that no digit is lost to 0.1. */
static gr_ref rewrite_Round(binder *b, const gr_ast *a, const actuals *x) {
  static const char *const text[] = {"RoundAway(f*g)/g", "RoundAway(f/g)*g"};
  actuals y = *x;
  int n = x->integer[0], most = b->g->f64 ? 300 : 38; /* 10^n is a number of the working precision */
  if (abs(n) > most) bad(b, a, gr_format(b->c->arena, "the number of decimals must be between %d and %d", -most, most));
  y.expr[1] = gr_mk_const(b->g, place(b, a), pow(10, abs(n)));
  y.nexpr = 2;
  return bind_text(b, a, text[n < 0], &y);
}

/* The recursion of de Boor on vectors: w[k] = (x - t[k]) / (t[k+j] - t[k]), and 0 between equal knots, which a denominator of 1
 * keeps out of the derivatives too. */
static gr_ref rewrite_BSpline(binder *b, const gr_ast *a, const actuals *x) {
  int knots = b->g->node[x->expr[0]].dim, order = x->integer[0];
  if (b->g->node[x->expr[1]].dim != 1) bad(b, a, "the second argument must have dimension 1");
  if (order < 0 || order > knots - 2)
    bad(b, a, gr_format(b->c->arena, "order %d needs at least %d knots, found %d", order, order + 2, knots));
  actuals y = {.expr = {x->expr[0], x->expr[1]}, .nexpr = 3, .integer = {knots - 1}};
  y.expr[2] = bind_text(b, a, "LessOrEqual(Extract(f,0,n),g)*LessThan(g,Extract(f,1,n))", &y);
  for (int j = 1; j <= order; j++) {
    actuals w = {.expr = {x->expr[0], x->expr[1]}, .nexpr = 3, .integer = {knots - j, j}};
    w.expr[2] = bind_text(b, a, "Extract(f,m,n)-Extract(f,0,n)", &w); /* widths of the supports, knots - j of them */
    actuals up = {.expr = {bind_text(b, a, "(g-Extract(f,0,n))*LessThan(0,h)/(h+Equal(h,0))", &w), y.expr[2]}, .nexpr = 2,
                  .integer = {knots - 1 - j}};
    actuals down = {.expr = {bind_text(b, a, "(Extract(f,m,n)-g)*LessThan(0,h)/(h+Equal(h,0))", &w), y.expr[2]}, .nexpr = 2,
                    .integer = {knots - 1 - j}};
    gr_ref terms[2] = {bind_text(b, a, "Extract(f,0,n)*Extract(g,0,n)", &up), bind_text(b, a, "Extract(f,1,n)*Extract(g,1,n)", &down)};
    y.expr[2] = gr_mk(b->g, place(b, a), OP_Add, terms, 2, NULL, 0);
  }
  return y.expr[2];
}

/* Recurrence up to f + 10, then the asymptotic series; by reflection below 0.5.  An expression like others, so that it has
 * derivatives of any order (Abramowitz and Stegun 6.4.6, .7, .12).  The reflection takes the distance
 * from the nearest pole, which is exact; above 0.5, where it is not chosen, 0.5 stands for it, so that its
 * derivatives are finite there. */
static gr_ref rewrite_Trigamma(binder *b, const gr_ast *a, const actuals *x) {
  actuals y = {.nexpr = 2};
  y.expr[0] = bind_text(b, a, "IfElse(f-0.5,f,1-f)", x);
  y.expr[1] = bind_text(b, a, "Inv(Square(f+10))", &y);
  actuals z = {.expr = {y.expr[0], y.expr[1]}, .nexpr = 2};
  z.expr[1] = bind_text(b, a,
                        "Inv(Square(f))+Inv(Square(f+1))+Inv(Square(f+2))+Inv(Square(f+3))+Inv(Square(f+4))+Inv(Square(f+5))"
                        "+Inv(Square(f+6))+Inv(Square(f+7))+Inv(Square(f+8))+Inv(Square(f+9))+Inv(f+10)+g/2"
                        "+g*Inv(f+10)*(1/6-g*(1/30-g*(1/42-g*(1/30-g*(5/66-g*(691/2730-g*7/6))))))", &z);
  y = (actuals){.expr = {x->expr[0], z.expr[1]}, .nexpr = 2};
  return bind_text(b, a, "IfElse(f-0.5,g,9.869604401089358/Square(Sin(3.141592653589793*IfElse(f-0.5,0.5,f-RoundAway(f))))-g)", &y);
}

/* An odd number of components ends with a real part. */
static gr_ref rewrite_ComplexSumT(binder *b, const gr_ast *a, const actuals *x) {
  actuals y = *x;
  if (b->g->node[x->expr[0]].dim != 2) bad(b, a, "the first argument must be a complex scalar, of dimension 2");
  if (x->integer[0] < 1) bad(b, a, gr_format(b->c->arena, "the length must be 1 or more, not %d", x->integer[0]));
  y.integer[0] = (x->integer[0] + 1) / 2;
  y.integer[1] = x->integer[0];
  return bind_text(b, a, "Extract(Complex(SumT(Elem(f,0),n),SumT(Elem(f,1),n)),0,m)", &y);
}

/* ---- derivatives ---- */

static int dim_of(const binder *b, gr_ref r) { return b->g->node[r].dim; }

static void need_dim(binder *b, const gr_ast *a, gr_ref r, int want, const char *which) {
  if (dim_of(b, r) != want)
    bad(b, a, gr_format(b->c->arena, "the %s must have dimension %d, it has %d", which, want, dim_of(b, r)));
}

static gr_ref rewrite_Grad(binder *b, const gr_ast *a, const actuals *x) {
  need_dim(b, a, x->expr[2], dim_of(b, x->expr[0]), "incoming gradient");
  return gr_grad(b->g, place(b, a), x->expr[0], x->expr[1], x->expr[2]);
}

static gr_ref rewrite_Diff(binder *b, const gr_ast *a, const actuals *x) {
  need_dim(b, a, x->expr[2], dim_of(b, x->expr[1]), "direction");
  return gr_diff(b->g, place(b, a), x->expr[0], x->expr[1], x->expr[2]);
}

/* Unit vector k of dimension d. */
static gr_ref unit(binder *b, const gr_ast *a, int d, int k) {
  gr_ref one = gr_mk_const(b->g, place(b, a), 1);
  return d == 1 ? one : gr_mk(b->g, place(b, a), OP_ElemT, &one, 1, (int[]){d, k}, 2);
}

static gr_ref rewrite_GradMatrix(binder *b, const gr_ast *a, const actuals *x) {
  int d = dim_of(b, x->expr[0]);
  gr_ref rows[2] = {-1, -1};
  for (int k = 0; k < d; k++) {
    rows[k > 0] = gr_grad(b->g, place(b, a), x->expr[0], x->expr[1], unit(b, a, d, k));
    if (k > 0) rows[0] = gr_mk(b->g, place(b, a), OP_Concat, rows, 2, NULL, 0);
  }
  return rows[0];
}

/* Sum over k of w[k] d f[k] / d v[k]; a scalar f counts for every k; w = -1: ones. */
static gr_ref trace(binder *b, const gr_ast *a, gr_ref f, gr_ref v, gr_ref w) {
  int d = dim_of(b, v);
  gr_ref sum = -1;
  for (int k = 0; k < d; k++) {
    gr_ref part = gr_diff(b->g, place(b, a), f, v, unit(b, a, d, k));
    if (dim_of(b, part) > 1) part = gr_mk(b->g, place(b, a), OP_Elem, &part, 1, &k, 1);
    if (w >= 0) {
      gr_ref wk = dim_of(b, w) > 1 ? gr_mk(b->g, place(b, a), OP_Elem, &w, 1, &k, 1) : w;
      part = gr_mk(b->g, place(b, a), OP_Mult, (gr_ref[]){wk, part}, 2, NULL, 0);
    }
    sum = sum < 0 ? part : gr_mk(b->g, place(b, a), OP_Add, (gr_ref[]){sum, part}, 2, NULL, 0);
  }
  return sum;
}

static gr_ref rewrite_Divergence(binder *b, const gr_ast *a, const actuals *x) {
  need_dim(b, a, x->expr[0], dim_of(b, x->expr[1]), "formula");
  return trace(b, a, x->expr[0], x->expr[1], -1);
}

static gr_ref rewrite_Laplacian(binder *b, const gr_ast *a, const actuals *x) {
  need_dim(b, a, x->expr[0], 1, "formula");
  gr_ref grad = gr_grad(b->g, place(b, a), x->expr[0], x->expr[1], gr_mk_const(b->g, place(b, a), 1));
  return trace(b, a, grad, x->expr[1], -1);
}

static void need_linear(binder *b, const gr_ast *a, const actuals *x) {
  if (gr_is_linear(b->g, x->expr[0], x->expr[1])) return;
  const gr_node *v = &b->g->node[x->expr[1]];
  gr_throw(b->c, place(b, a), NULL, ERR_NotLinear, a->name, b->args->arg[v->ints[0]].name);
}

static gr_ref rewrite_TraceOperator(binder *b, const gr_ast *a, const actuals *x) {
  int d = dim_of(b, x->expr[1]), df = dim_of(b, x->expr[0]);
  gr_ref w = x->nexpr > 2 ? x->expr[2] : -1;
  need_linear(b, a, x);
  if (df != 1) need_dim(b, a, x->expr[0], d, "formula");
  if (w >= 0 && dim_of(b, w) != 1) need_dim(b, a, w, d, "weight");
  return trace(b, a, x->expr[0], x->expr[1], w);
}

static gr_ref rewrite_AdjointOperator(binder *b, const gr_ast *a, const actuals *x) {
  need_linear(b, a, x);
  return rewrite_Grad(b, a, x);
}

typedef gr_ref rewrite(binder *b, const gr_ast *a, const actuals *x);
static rewrite *const rewrites[OP_COUNT] = {[OP_MatVecMult] = rewrite_MatVecMult,
                                            [OP_VecMatMult] = rewrite_VecMatMult,
                                            [OP_TensorProd] = rewrite_TensorProd,
                                            [OP_Kron] = rewrite_Kron,
                                            [OP_TensorDot] = rewrite_TensorDot,
                                            [OP_WeightedSqNorm] = rewrite_WeightedSqNorm,
                                            [OP_Round] = rewrite_Round,
                                            [OP_BSpline] = rewrite_BSpline,
                                            [OP_ComplexSumT] = rewrite_ComplexSumT,
                                            [OP_Trigamma] = rewrite_Trigamma,
                                            [OP_Grad] = rewrite_Grad,
                                            [OP_Diff] = rewrite_Diff,
                                            [OP_GradMatrix] = rewrite_GradMatrix,
                                            [OP_Divergence] = rewrite_Divergence,
                                            [OP_Laplacian] = rewrite_Laplacian,
                                            [OP_TraceOperator] = rewrite_TraceOperator,
                                            [OP_AdjointOperator] = rewrite_AdjointOperator};

/* ---- expressions ---- */

/* f ** g: an integer constant is a power, 0.5 the square root, anything else exp(g log f). */
static gr_ref bind_power(binder *b, const gr_ast *a) {
  int n;
  gr_ref f = bind(b, a->arg[0]);
  if (integer_value(b, a->arg[1], &n)) return gr_mk(b->g, place(b, a), OP_PowInt, &f, 1, &n, 1);
  actuals x = {.expr = {f, bind(b, a->arg[1])}, .nexpr = 2};
  if (gr_is_const(b->g, x.expr[1], 0.5)) return gr_mk(b->g, place(b, a), OP_Sqrt, &f, 1, NULL, 0);
  return gr_mk(b->g, place(b, a), OP_Powf, x.expr, 2, NULL, 0);
}

/* Vi(pos, dim) and its kin inside a formula. */
static gr_ref bind_variable(binder *b, const gr_ast *a, int kind) {
  double v[3];
  int value;
  if (a->n != (kind == 3 ? 3 : 2))
    gr_throw(b->c, place(b, a), NULL, ERR_Arity, a->name,
             kind == 3 ? "3 arguments (position, dim, category)" : "2 arguments (position, dim) inside a formula", a->n);
  for (int k = 0; k < a->n; k++) {
    if (!integer_value(b, a->arg[k], &value)) gr_throw(b->c, place(b, a), NULL, ERR_IntArg, k + 1, a->name);
    v[k] = value;
  }
  gr_arg x = {.span = a->at, .set = true, .group = -1};
  int pos = read_variable(b->c, b->args, &x, kind, v, a->n, 0);
  return gr_mk_var(b->g, place(b, a), pos, x.cat, x.dim);
}

static gr_ref bind_zero(binder *b, const gr_ast *a) {
  int dim;
  if (a->n != 1) gr_throw(b->c, place(b, a), NULL, ERR_Arity, "Zero", "1 argument", a->n);
  if (!integer_value(b, a->arg[0], &dim)) gr_throw(b->c, place(b, a), NULL, ERR_IntArg, 1, "Zero");
  return gr_mk_zero(b->g, place(b, a), check_dim(b->c, place(b, a), dim));
}

static bool is_reduction(const char *name) {
  size_t n = strlen(name);
  return n > 10 && strcmp(name + n - 10, "_Reduction") == 0;
}

GR_NORETURN static void unknown_op(binder *b, const gr_ast *a) {
  if (is_reduction(a->name)) gr_throw(b->c, place(b, a), NULL, ERR_ReductionHere);
  gr_throw(b->c, place(b, a), gr_nearest(b->c->arena, a->name, gr_op_names(b->c->arena), OP_COUNT), ERR_UnknownOp, a->name);
}

static gr_ref bind_call(binder *b, const gr_ast *a) {
  int kind = constructor(a->name, (int)strlen(a->name));
  if (kind >= 0) return bind_variable(b, a, kind);
  if (strcmp(a->name, "**") == 0) return bind_power(b, a);
  int op = gr_op_find(a->name, b->in != NULL);
  if (op < 0) unknown_op(b, a);
  if (op == OP_Zero) return bind_zero(b, a);
  check_arity(b, a, (gr_op)op);
  const char *sig = gr_op_signature((gr_op)op);
  if (strchr(sig, '*')) return bind_repeated(b, a, (gr_op)op);
  actuals x = {.nexpr = 0};
  for (int k = 0, s = 0; k < a->n; k++, s++) {
    if (sig[s] == '?') s++;
    read_argument(b, a, (gr_op)op, k, sig[s], &x);
  }
  if (rewrites[op]) return rewrites[op](b, a, &x);
  if (gr_ops[op].kind == KIND_MACRO) return bind_text(b, a, gr_ops[op].emitted, &x);
  return gr_mk(b->g, place(b, a), (gr_op)op, x.expr, x.nexpr, x.integer, x.nint);
}

static gr_ref bind_macro_name(binder *b, const gr_ast *a) {
  int n;
  if (integer_value(b, a, &n)) return gr_mk_const(b->g, &b->in->at, n);
  return *a->name == 'e' ? b->in->e : *a->name == 'o' ? b->in->o : b->in->expr[*a->name - 'f'];
}

static gr_ref bind_name(binder *b, const gr_ast *a) {
  if (b->in) return bind_macro_name(b, a);
  const char **known = gr_alloc(b->c->arena, (size_t)(b->args->n + 1) * sizeof *known);
  for (int k = 0; k < b->args->n; k++) {
    const gr_arg *x = &b->args->arg[k];
    known[k] = x->named ? x->name : "";
    if (x->named && strcmp(x->name, a->name) == 0) return gr_mk_var(b->g, &a->at, k, x->cat, x->dim);
  }
  if (gr_op_find(a->name, false) >= 0) gr_throw(b->c, &a->at, NULL, ERR_OpAsVar, a->name);
  gr_throw(b->c, &a->at, gr_nearest(b->c->arena, a->name, known, b->args->n), ERR_UnknownVar, a->name);
}

static gr_ref bind_number(binder *b, const gr_ast *a) {
  if (!isfinite(gr_rounded(b->g, a->num)))
    gr_throw(b->c, &a->span, NULL, ERR_NumberRange, gr_span_text(b->c->arena, &a->span, "number"), b->g->f64 ? "float64" : "float32",
             b->g->f64 ? "1.8e308" : "3.4e38");
  return gr_mk_const(b->g, place(b, a), a->num);
}

static gr_ref bind(binder *b, const gr_ast *a) {
  switch (a->kind) {
  case AST_NUMBER: return bind_number(b, a);
  case AST_NAME: return bind_name(b, a);
  case AST_CALL: return bind_call(b, a);
  default: gr_throw(b->c, b->in ? &b->in->at : &a->span, NULL, ERR_ListHere);
  }
}

gr_ref gr_bind(gr_dag *g, gr_args *args, const gr_ast *ast) {
  binder b = {.c = g->ctx, .g = g, .args = args};
  return bind(&b, ast);
}

/* ---- a reduction written in the formula ---- */

gr_written gr_read_reduction(gr_ctx *c, const gr_ast *a) {
  gr_written w = {.formula = a, .tag = -1};
  if (a->kind != AST_CALL || !is_reduction(a->name)) return w;
  binder b = {.c = c};
  int v[2], nv = 0, k = 1;
  char *name = gr_strndup(c->arena, a->name, strlen(a->name) - 10);
  int red = gr_red_find(name), n;
  const char *const *known = gr_red_names(&n);
  if (red < 0) gr_throw(c, &a->at, gr_nearest(c->arena, name, known, n), ERR_Reduction, name);
  while (k < a->n && nv < 2 && integer_value(&b, a->arg[k], &v[nv])) k++, nv++;
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
