/* diff.c: derivatives of a formula, from the rules of the operation table.
 *
 * gr_grad is one reverse sweep: every node between v and f gets its adjoint, and hands each
 * argument what the argument's rule makes of it.  gr_diff is one forward sweep of tangents.
 * Both make ordinary nodes, so that derivatives can be differentiated again, and common parts
 * are shared by the constructor.  Broadcasting is handled here and nowhere else: what goes to an
 * argument of dimension 1 is summed.  -1 stands for a derivative that is zero. */
#include <string.h>

#include "graph/graph.h"

typedef struct sweep {
  gr_dag *g;
  gr_span at;
  gr_ref f, v;
  bool *on;    /* nodes on a way from v to f */
  gr_ref *der; /* adjoint or tangent, -1: zero */
} sweep;

static gr_node *node(const sweep *s, gr_ref r) { return &s->g->node[r]; }

static gr_ref mk1(const sweep *s, gr_op op, gr_ref a) {
  return gr_mk(s->g, &s->at, op, &a, 1, NULL, 0);
}
static gr_ref mk2(const sweep *s, gr_op op, gr_ref a, gr_ref b) {
  return gr_mk(s->g, &s->at, op, (gr_ref[]){a, b}, 2, NULL, 0);
}

static gr_ref add(const sweep *s, gr_ref a, gr_ref b) {
  return a < 0 ? b : b < 0 ? a : mk2(s, OP_Add, a, b);
}

/* Marks the nodes that depend on v (up from v) and that f depends on (down from f). */
static sweep start(gr_dag *g, const gr_span *at, gr_ref f, gr_ref v) {
  gr_arena *a = g->ctx->arena;
  sweep s = {.g = g, .at = *at, .f = f, .v = v};
  bool *live = gr_live(g, f, -1, a);
  s.on = gr_alloc(a, (size_t)g->n);
  s.der = gr_alloc(a, (size_t)g->n * sizeof *s.der);
  for (gr_ref r = 0; r < g->n; r++) s.der[r] = -1;
  for (gr_ref r = v; r <= f; r++) {
    s.on[r] = r == v && live[r];
    for (int k = 0; live[r] && r != v && k < node(&s, r)->nkid; k++)
      s.on[r] |= s.on[node(&s, r)->kid[k]];
  }
  return s;
}

/* ---- rules ---- */

/* The k-th rule of a text "rule; rule; rule"; NULL: it is 0. */
static const char *rule_text(gr_arena *a, const char *rules, int k) {
  for (; k > 0; k--) rules = strchr(rules, ';') + 1;
  const char *end = strchr(rules, ';');
  char *text = gr_strndup(a, rules, end ? (size_t)(end - rules) : strlen(rules));
  while (*text == ' ') text++;
  return strcmp(text, "0") == 0 ? NULL : text;
}

static gr_ref apply_rule(const sweep *s, gr_ref r, int k, gr_ref e) {
  const gr_node *n = node(s, r);
  const char *text = rule_text(s->g->ctx->arena, gr_ops[n->op].derivative, k);
  if (!text) return -1;
  gr_scope scope = {.e = e, .o = r, .at = s->at, .d = node(s, n->kid[0])->dim};
  for (int i = 0; i < n->nkid; i++) scope.expr[i] = n->kid[i];
  if (n->nkid > 1) scope.c = node(s, n->kid[1])->dim;
  if (n->nint > 0) scope.n = n->ints[0];
  scope.m = n->nint > 1 ? n->ints[1] : scope.n - 1;
  return gr_bind_text(s->g, &scope, text);
}

/* out = f . g: the gradient by one of them is a contraction of e with the other, the axes the
 * same. */
static gr_ref adjoint_TensorDot(const sweep *s, gr_ref r, int k, gr_ref e) {
  const gr_node *n = node(s, r);
  int total = n->ints[0] + n->ints[1], nkeep = 0,
      *ints = gr_alloc(s->g->ctx->arena, (size_t)(2 + 4 * total) * sizeof(int));
  gr_axis *to = (gr_axis *)(ints + 2);
  for (int pass = 0; pass < 2; pass++) /* first the axes of the result, then those summed over */
    for (int i = 0; i < total; i++) {
      gr_axis x = gr_axes(n->ints)[i];
      int mine = k == 0 ? x.f : x.g, other = k == 0 ? x.g : x.f;
      if ((mine != 0) == (pass == 0))
        *to++ = (gr_axis){x.size, mine, x.out, other}, nkeep += pass == 0;
    }
  ints[0] = nkeep;
  ints[1] = total - nkeep;
  return gr_mk(s->g, &s->at, OP_TensorDot, (gr_ref[]){e, n->kid[1 - k]}, 2, ints, 2 + 4 * total);
}

/* ---- soft dynamic time warping ---- */

/* The gradient is a loop of its own (SoftDTW_Grad); the derivative of that is written out. */

static gr_ref extract(const sweep *s, gr_ref f, int start, int n) {
  return gr_mk(s->g, &s->at, OP_Extract, &f, 1, (int[]){start, n}, 2);
}

/* Where the part of argument k starts in the gradient by all of them. */
static int part_start(const sweep *s, gr_ref r, int k) {
  int start = 0;
  for (int i = 0; i < k; i++) start += node(s, node(s, r)->kid[i])->dim;
  return start;
}

static gr_ref adjoint_SoftDTW_SqDist(const sweep *s, gr_ref r, int k, gr_ref e) {
  gr_node n = *node(s, r);
  gr_ref all = gr_mk(s->g, &s->at, OP_SoftDTW_Grad, n.kid, 3, NULL, 0);
  return mk2(s, OP_Mult, e, extract(s, all, part_start(s, r, k), node(s, n.kid[k])->dim));
}

/* One cell of the table, from its three neighbours f g h; e is the cost, o the smoothing. */
static const char soft_cell[] =
    "e+IfElse(f-g,IfElse(g-h,h,g),IfElse(f-h,h,f))"
    "-o*Log(Exp((IfElse(f-g,IfElse(g-h,h,g),IfElse(f-h,h,f))-f)/o)"
    "+Exp((IfElse(f-g,IfElse(g-h,h,g),IfElse(f-h,h,f))-g)/"
    "o)+Exp((IfElse(f-g,IfElse(g-h,h,g),IfElse(f-h,h,f))-h)/o))";

/* SoftDTW in simple operations, which can be differentiated to any order.  The text grows with
 * the table: its second derivatives take seconds to compile from series of 8 on, and the limit
 * of nodes is soon reached. */
static gr_ref expand_SoftDTW(const sweep *s, gr_ref x, gr_ref y, gr_ref gamma) {
  int n = node(s, x)->dim, m = node(s, y)->dim;
  gr_ref *row = gr_alloc(s->g->ctx->arena, (size_t)n * sizeof *row);
  for (int j = 0; j < m; j++) {
    gr_ref before = -1;
    for (int i = 0; i < n; i++) {
      gr_ref xi = gr_mk(s->g, &s->at, OP_Elem, &x, 1, &i, 1),
             yj = gr_mk(s->g, &s->at, OP_Elem, &y, 1, &j, 1);
      gr_scope c = {.o = gamma, .at = s->at, .e = mk1(s, OP_Square, mk2(s, OP_Subtract, xi, yj))};
      gr_ref left = row[i];
      if (i && j) {
        c.expr[0] = before, c.expr[1] = left, c.expr[2] = row[i - 1];
        row[i] = gr_bind_text(s->g, &c, soft_cell);
      } else {
        row[i] = i ? mk2(s, OP_Add, c.e, row[i - 1]) : j ? mk2(s, OP_Add, c.e, left) : c.e;
      }
      before = left;
    }
  }
  return row[n - 1];
}

/* The gradient of (e | SoftDTW_Grad) by argument k.  The arguments may depend on each other:
 * stand-ins, variables that exist in no program, keep them apart; e stands for itself, since
 * nothing is differentiated by a part of it. */
static gr_ref adjoint_SoftDTW_Grad(const sweep *s, gr_ref r, int k, gr_ref e) {
  gr_ref real[4], fake[4], slope = -1;
  memcpy(real, node(s, r)->kid, 3 * sizeof *real);
  real[3] = e;
  for (int i = 0; i < 4; i++)
    fake[i] = gr_mk_var(s->g, &s->at, -1 - i - 4 * r, GR_PM, node(s, real[i])->dim);
  gr_ref whole = expand_SoftDTW(s, fake[0], fake[1], fake[2]), one = gr_mk_const(s->g, &s->at, 1);
  for (int i = 0; i < 3; i++) {
    gr_ref part = extract(s, fake[3], part_start(s, r, i), node(s, real[i])->dim);
    slope = add(s, slope,
                mk1(s, OP_Sum, mk2(s, OP_Mult, part, gr_grad(s->g, &s->at, whole, fake[i], one))));
  }
  return gr_replace(s->g, gr_grad(s->g, &s->at, slope, fake[k], one), 4, fake, real);
}

/* Operations whose derivative is no text. */
#define WITHOUT_TEXT(OP) OP(TensorDot) OP(SoftDTW_SqDist) OP(SoftDTW_Grad)
#define OP(name) [OP_##name] = adjoint_##name,
static gr_ref (*const adjoints[OP_COUNT])(const sweep *, gr_ref, int, gr_ref) = {WITHOUT_TEXT(OP)};
#undef OP

/* What argument k of node r gets when the node's adjoint is e, before broadcasting; -1: nothing. */
static gr_ref adjoint(const sweep *s, gr_ref r, int k, gr_ref e) {
  gr_op op = node(s, r)->op;
  return adjoints[op] ? adjoints[op](s, r, k, e) : apply_rule(s, r, k, e);
}

/* ---- reverse ---- */

gr_ref gr_grad(gr_dag *g, const gr_span *at, gr_ref f, gr_ref v, gr_ref e) {
  sweep s = start(g, at, f, v);
  s.der[f] = e;
  for (gr_ref r = f; r > v; r--) {
    if (!s.on[r] || s.der[r] < 0) continue;
    for (int k = 0; k < node(&s, r)->nkid; k++) {
      gr_ref kid = node(&s, r)->kid[k];
      if (!s.on[kid]) continue;
      gr_ref part = adjoint(&s, r, k, s.der[r]);
      if (part >= 0 && node(&s, kid)->dim == 1 && node(&s, part)->dim > 1)
        part = mk1(&s, OP_Sum, part);
      s.der[kid] = add(&s, s.der[kid], part);
    }
  }
  return s.on[v] && s.der[v] >= 0 ? s.der[v] : gr_mk_zero(g, at, g->node[v].dim);
}

/* ---- forward ---- */

static gr_ref tangent_or_zero(const sweep *s, gr_ref kid) {
  return s->der[kid] >= 0 ? s->der[kid] : gr_mk_zero(s->g, &s->at, node(s, kid)->dim);
}

/* The node's operation on other arguments. */
static gr_ref again(const sweep *s, gr_ref r, const gr_ref *kid) {
  gr_node n = *node(s, r);
  return gr_mk(s->g, &s->at, n.op, kid, n.nkid, n.ints, n.nint);
}

static gr_ref tangent_linear(const sweep *s, gr_ref r) {
  gr_ref kid[GR_MAX_KIDS];
  for (int k = 0; k < node(s, r)->nkid; k++) kid[k] = tangent_or_zero(s, node(s, r)->kid[k]);
  return again(s, r, kid);
}

static gr_ref tangent_bilinear(const sweep *s, gr_ref r) {
  gr_ref sum = -1;
  for (int k = 0; k < 2; k++) {
    gr_ref kid[2] = {node(s, r)->kid[0], node(s, r)->kid[1]};
    if (s->der[kid[k]] < 0) continue;
    kid[k] = s->der[kid[k]];
    sum = add(s, sum, again(s, r, kid));
  }
  return sum;
}

/* Element-wise: the Jacobian is diagonal, the rule serves both ways.  Scalar: its gradient times
 * the tangent. */
static gr_ref tangent_by_rules(const sweep *s, gr_ref r) {
  gr_ref sum = -1;
  bool ew = gr_ops[node(s, r)->op].kind == KIND_EW;
  for (int k = 0; k < node(s, r)->nkid; k++) {
    gr_ref u = s->der[node(s, r)->kid[k]];
    if (u < 0) continue;
    gr_ref part = adjoint(s, r, k, ew ? u : gr_mk_const(s->g, &s->at, 1));
    if (part >= 0 && !ew) part = mk1(s, OP_Sum, mk2(s, OP_Mult, part, u));
    sum = add(s, sum, part);
  }
  return sum;
}

/* The derivative of a gradient is symmetric: what the arguments together do to the result is
 * what the reverse rule gives them, one after the other, for the incoming gradient made of their
 * tangents. */
static gr_ref tangent_SoftDTW_Grad(const sweep *s, gr_ref r) {
  gr_ref u = -1, t = -1;
  for (int k = 0; k < node(s, r)->nkid; k++) {
    gr_ref part = tangent_or_zero(s, node(s, r)->kid[k]);
    u = u < 0 ? part : mk2(s, OP_Concat, u, part);
  }
  for (int k = 0; k < node(s, r)->nkid; k++) {
    gr_ref part = adjoint(s, r, k, u);
    t = t < 0 ? part : mk2(s, OP_Concat, t, part);
  }
  return t;
}

static gr_ref (*const tangents[OP_COUNT])(const sweep *,
                                          gr_ref) = {[OP_SoftDTW_Grad] = tangent_SoftDTW_Grad};

/* Element-wise operations have their rules, which make shorter graphs. */
static gr_ref tangent(const sweep *s, gr_ref r) {
  const gr_node *n = node(s, r);
  if (tangents[n->op]) return tangents[n->op](s, r);
  if (gr_ops[n->op].kind == KIND_EW || gr_law(n, 0) == '.') return tangent_by_rules(s, r);
  return gr_law(n, 0) == '*' ? tangent_bilinear(s, r) : tangent_linear(s, r);
}

/* A tangent that was found with fewer components than the node has is the same for all of them. */
static gr_ref widen(const sweep *s, gr_ref r, gr_ref t) {
  int d = node(s, r)->dim;
  return t >= 0 && node(s, t)->dim < d ? gr_mk(s->g, &s->at, OP_SumT, &t, 1, &d, 1) : t;
}

gr_ref gr_diff(gr_dag *g, const gr_span *at, gr_ref f, gr_ref v, gr_ref u) {
  sweep s = start(g, at, f, v);
  if (s.on[v]) s.der[v] = u;
  for (gr_ref r = v + 1; r <= f; r++)
    if (s.on[r]) s.der[r] = widen(&s, r, tangent(&s, r));
  return s.der[f] >= 0 ? s.der[f] : gr_mk_zero(g, at, g->node[f].dim);
}

/* ---- linearity ---- */

static bool is_zero(const sweep *s, gr_ref r) { return node(s, r)->op == OP_Zero; }

/* Is node r linear in v when its arguments that depend on v are?  Of a product one may depend on
 * v; of arguments in which it is linear together, all must that are not zero. */
static bool step_is_linear(const sweep *s, gr_ref r) {
  const gr_node *n = node(s, r);
  int moving = 0, fixed = 0, factors = 0;
  for (int k = 0; k < n->nkid; k++) {
    bool moves = s->on[n->kid[k]];
    char law = gr_law(n, k);
    if (moves && (law == '.' || law == '=')) return false;
    moving += moves;
    factors += moves && law == '*';
    fixed += !moves && law != '.' && law != '*' && !is_zero(s, n->kid[k]);
  }
  return factors ? moving == 1 : fixed == 0;
}

bool gr_is_linear(gr_dag *g, gr_ref f, gr_ref v) {
  sweep s = start(g, &g->node[f].span, f, v);
  for (gr_ref r = v + 1; r <= f; r++)
    if (s.on[r] && !step_is_linear(&s, r)) return false;
  return s.on[f] || g->node[f].op == OP_Zero;
}
