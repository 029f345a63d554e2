/* fold.c: rewrites that keep the value up to rounding, NaN and overflow included; called by the constructor.
 * One function per operation that has rules; each returns the simpler node, or -1.
 * At the end gr_lower, for the graph that is planned: it shortens what is done for pairs. */
#include <math.h>
#include <string.h>

#include "gr.h"

typedef gr_ref rule(gr_dag *g, const gr_node *n);

static const gr_node *kid(const gr_dag *g, const gr_node *n, int k) { return &g->node[n->kid[k]]; }

static gr_ref mk1(gr_dag *g, const gr_node *n, gr_op op, gr_ref a) { return gr_mk(g, &n->span, op, &a, 1, NULL, 0); }

static gr_ref mk2(gr_dag *g, const gr_node *n, gr_op op, gr_ref a, gr_ref b) {
  return gr_mk(g, &n->span, op, (gr_ref[]){a, b}, 2, NULL, 0);
}

static gr_ref mk_int(gr_dag *g, const gr_node *n, gr_op op, gr_ref a, int i) {
  return gr_mk(g, &n->span, op, &a, 1, &i, 1);
}

static bool is_zero(const gr_dag *g, gr_ref r) { return g->node[r].op == OP_Zero || gr_is_const(g, r, 0); }

/* Complex vectors are added part by part. */
static gr_ref add_complex(gr_dag *g, const gr_node *n) {
  gr_ref a[2], b[2], sum[2];
  memcpy(a, kid(g, n, 0)->kid, sizeof a);
  memcpy(b, kid(g, n, 1)->kid, sizeof b);
  for (int k = 0; k < 2; k++) sum[k] = mk2(g, n, n->op, a[k], b[k]);
  return mk2(g, n, OP_Complex, sum[0], sum[1]);
}

static bool both_complex(const gr_dag *g, const gr_node *n) {
  return kid(g, n, 0)->op == OP_Complex && kid(g, n, 1)->op == OP_Complex && kid(g, n, 0)->dim == kid(g, n, 1)->dim;
}

/* a + 0 = a (up to the sign of zero); a + (-b) = a - b */
static gr_ref fold_Add(gr_dag *g, const gr_node *n) {
  for (int k = 0; k < 2; k++)
    if (is_zero(g, n->kid[k]) && kid(g, n, 1 - k)->dim == n->dim) return n->kid[1 - k];
  if (both_complex(g, n)) return add_complex(g, n);
  if (kid(g, n, 1)->op == OP_Minus) return mk2(g, n, OP_Subtract, n->kid[0], kid(g, n, 1)->kid[0]);
  return -1;
}

/* a - 0 = a; 0 - b = -b; a - (-b) = a + b */
static gr_ref fold_Subtract(gr_dag *g, const gr_node *n) {
  if (is_zero(g, n->kid[1]) && kid(g, n, 0)->dim == n->dim) return n->kid[0];
  if (is_zero(g, n->kid[0]) && kid(g, n, 1)->dim == n->dim) return mk1(g, n, OP_Minus, n->kid[1]);
  if (both_complex(g, n)) return add_complex(g, n);
  if (kid(g, n, 1)->op == OP_Minus) return mk2(g, n, OP_Add, n->kid[0], kid(g, n, 1)->kid[0]);
  return -1;
}

/* 1 a = a 1 = a;  (-1) a = -a;  a a = a^2 */
static gr_ref fold_Mult(gr_dag *g, const gr_node *n) {
  for (int k = 0; k < 2; k++) {
    if (gr_is_const(g, n->kid[k], 1)) return n->kid[1 - k];
    if (gr_is_const(g, n->kid[k], -1)) return mk1(g, n, OP_Minus, n->kid[1 - k]);
  }
  return n->kid[0] == n->kid[1] ? mk1(g, n, OP_Square, n->kid[0]) : -1;
}

/* a / 1 = a;  1 / a = Inv(a) */
static gr_ref fold_Divide(gr_dag *g, const gr_node *n) {
  if (gr_is_const(g, n->kid[1], 1)) return n->kid[0];
  return gr_is_const(g, n->kid[0], 1) ? mk1(g, n, OP_Inv, n->kid[1]) : -1;
}

static gr_ref fold_Minus(gr_dag *g, const gr_node *n) {
  if (kid(g, n, 0)->op == OP_Zero) return n->kid[0];
  return kid(g, n, 0)->op == OP_Minus ? kid(g, n, 0)->kid[0] : -1;
}

/* (-a)^2 = |a|^2 = a^2 */
static gr_ref fold_Square(gr_dag *g, const gr_node *n) {
  gr_op op = kid(g, n, 0)->op;
  return op == OP_Minus || op == OP_Abs ? mk1(g, n, OP_Square, kid(g, n, 0)->kid[0]) : -1;
}

static gr_ref fold_PowInt(gr_dag *g, const gr_node *n) {
  switch (n->ints[0]) {
  case 1: return n->kid[0];
  case 2: return mk1(g, n, OP_Square, n->kid[0]);
  case -1: return mk1(g, n, OP_Inv, n->kid[0]);
  default: return -1;
  }
}

static gr_ref fold_Sum(gr_dag *g, const gr_node *n) { return kid(g, n, 0)->dim == 1 ? n->kid[0] : -1; }

static gr_ref fold_SumT(gr_dag *g, const gr_node *n) {
  (void)g;
  return n->ints[0] == 1 ? n->kid[0] : -1;
}

/* Component m of a repeated, extracted or concatenated vector is a component of what it was made from. */
static gr_ref fold_Elem(gr_dag *g, const gr_node *n) {
  const gr_node *f = kid(g, n, 0);
  int m = n->ints[0];
  if (f->dim == 1) return n->kid[0];
  if (f->op == OP_SumT) return f->kid[0];
  if (f->op == OP_Extract) return mk_int(g, n, OP_Elem, f->kid[0], f->ints[0] + m);
  if (f->op == OP_ElemT) return m == f->ints[1] ? f->kid[0] : gr_mk_zero(g, &n->span, 1);
  if (f->op == OP_Zero) return gr_mk_zero(g, &n->span, 1);
  if (f->op == OP_Concat) {
    int d = kid(g, f, 0)->dim;
    return m < d ? mk_int(g, n, OP_Elem, f->kid[0], m) : mk_int(g, n, OP_Elem, f->kid[1], m - d);
  }
  return -1;
}

/* The parts of a complex vector made of parts. */
static gr_ref fold_part(gr_dag *g, const gr_node *n) {
  return kid(g, n, 0)->op == OP_Complex ? kid(g, n, 0)->kid[n->op == OP_ComplexImag] : -1;
}

static gr_ref fold_Extract(gr_dag *g, const gr_node *n) {
  const gr_node *f = kid(g, n, 0);
  if (n->dim == f->dim) return n->kid[0];
  if (n->dim == 1) return mk_int(g, n, OP_Elem, n->kid[0], n->ints[0]);
  if (f->op == OP_Extract)
    return gr_mk(g, &n->span, OP_Extract, f->kid, 1, (int[]){f->ints[0] + n->ints[0], n->dim}, 2);
  return -1;
}

static rule *const rules[OP_COUNT] = {
    [OP_Add] = fold_Add,       [OP_Subtract] = fold_Subtract, [OP_Mult] = fold_Mult,     [OP_Divide] = fold_Divide,
    [OP_Minus] = fold_Minus,   [OP_Square] = fold_Square,     [OP_PowInt] = fold_PowInt, [OP_Sum] = fold_Sum,
    [OP_SumT] = fold_SumT,     [OP_ComplexReal] = fold_part,  [OP_ComplexImag] = fold_part, [OP_Elem] = fold_Elem,         [OP_Extract] = fold_Extract};

/* An element-wise operation on constants is a constant, computed in double. */
static gr_ref fold_constants(gr_dag *g, const gr_node *n) {
  double v[3] = {0, 0, 0};
  if (gr_ops[n->op].kind != KIND_EW) return -1;
  for (int k = 0; k < n->nkid; k++) {
    if (kid(g, n, k)->op != OP_Const) return -1;
    v[k] = kid(g, n, k)->num;
  }
  return gr_mk_const(g, &n->span, gr_ops[n->op].reference(v[0], v[1], v[2], n->nint ? n->ints[0] : 0));
}

/* An element-wise operation on scalars, of which some are repeated, is done once and repeated. */
static gr_ref fold_repeated(gr_dag *g, const gr_node *n) {
  gr_ref scalar[GR_MAX_KIDS];
  if (gr_ops[n->op].kind != KIND_EW || n->dim == 1) return -1;
  for (int k = 0; k < n->nkid; k++) {
    if (kid(g, n, k)->op != OP_SumT && kid(g, n, k)->dim > 1) return -1;
    scalar[k] = kid(g, n, k)->op == OP_SumT ? kid(g, n, k)->kid[0] : n->kid[k];
  }
  return mk_int(g, n, OP_SumT, gr_mk(g, &n->span, n->op, scalar, n->nkid, n->ints, n->nint), n->dim);
}

gr_ref gr_fold(gr_dag *g, const gr_node *n) {
  gr_ref r = fold_constants(g, n);
  if (r < 0) r = fold_repeated(g, n);
  return r < 0 && rules[n->op] ? rules[n->op](g, n) : r;
}

/* ---- what only the plan sees ---- */

static bool of_pairs(const gr_dag *g, gr_ref r) { return (g->node[r].cats & CAT_I) && (g->node[r].cats & CAT_J); }

/* a = scale * rest: takes the factors that are not of pairs, signs among them, from a into the scale; returns the rest. */
static gr_ref split_scale(gr_dag *g, gr_ref a, gr_ref *scale) {
  for (;;) {
    const gr_node n = g->node[a];
    bool first = n.nkid > 0 && of_pairs(g, n.kid[0]), second = n.nkid > 1 && of_pairs(g, n.kid[1]);
    if (n.op == OP_Minus && first)
      *scale = mk1(g, &n, OP_Minus, *scale), a = n.kid[0];
    else if (n.op == OP_Mult && first != second)
      *scale = mk2(g, &n, OP_Mult, *scale, n.kid[first]), a = n.kid[second];
    else if (n.op == OP_Divide && first && !second)
      *scale = mk2(g, &n, OP_Divide, *scale, n.kid[1]), a = n.kid[0];
    else
      return a;
  }
}

/* exp(c s) is 2^((c log2 e) s), and where c is no value of pairs (a parameter, a constant, a sign) its product with log2 e is made
 * only once: 2^a needs no argument reduction with a constant in pieces.  The error of the product, relative to exp, is |c s| times
 * that of two more roundings; without a factor Exp stays, which is exact to the last places for any argument. */
static gr_ref lower_Exp(gr_dag *g, gr_ref r) {
  const gr_node n = g->node[r];
  gr_ref scale = gr_mk_const(g, &n.span, 1.4426950408889634), rest = split_scale(g, n.kid[0], &scale);
  return rest == n.kid[0] ? r : mk1(g, &n, OP_Exp2, mk2(g, &n, OP_Mult, scale, rest));
}

/* Is it known without its variables that a node is not negative (or NaN), or even positive?  Looks a few levels deep. */
static bool not_negative(const gr_dag *g, gr_ref r, bool positive, int levels) {
  const gr_node *n = &g->node[r];
  if (levels-- == 0) return false;
  switch (n->op) {
  case OP_Const: return positive ? n->num > 0 : n->num >= 0;
  case OP_Exp:
  case OP_Exp2:
  case OP_Abs:
  case OP_Square:
  case OP_Sqrt: return !positive;
  case OP_Sum:
  case OP_SumT: return not_negative(g, n->kid[0], positive, levels);
  case OP_Mult: return not_negative(g, n->kid[0], positive, levels) && not_negative(g, n->kid[1], positive, levels);
  case OP_Add:
    return not_negative(g, n->kid[0], false, levels) && not_negative(g, n->kid[1], false, levels) &&
           (!positive || not_negative(g, n->kid[0], true, levels) || not_negative(g, n->kid[1], true, levels));
  default: return false;
  }
}

/* 1/sqrt(a) is Rsqrt(a), which takes less time in single precision, but for a = 0: where that cannot be. */
static gr_ref lower_inverse(gr_dag *g, gr_ref r) {
  const gr_node n = g->node[r], *root = &g->node[n.kid[n.nkid - 1]];
  if (root->op != OP_Sqrt || !of_pairs(g, n.kid[n.nkid - 1]) || !not_negative(g, root->kid[0], true, 8)) return r;
  gr_ref y = mk1(g, &n, OP_Rsqrt, root->kid[0]);
  return n.op == OP_Inv ? y : mk2(g, &n, OP_Mult, n.kid[0], y);
}

static gr_ref lower(gr_dag *g, gr_ref r, bool f64) {
  switch (g->node[r].op) {
  case OP_Exp: return lower_Exp(g, r);
  case OP_Inv:
  case OP_Divide: return f64 ? r : lower_inverse(g, r);
  default: return r;
  }
}

gr_ref gr_lower(gr_dag *g, gr_ref f, bool f64) {
  gr_ref *map = gr_alloc(g->ctx->arena, (size_t)(f + 1) * sizeof *map);
  const bool *live = gr_live(g, f, -1, g->ctx->arena);
  for (gr_ref r = 0; r <= f; r++) {
    gr_node n = g->node[r];
    map[r] = r;
    bool changed = false;
    for (int k = 0; live[r] && k < n.nkid; k++) {
      changed |= map[n.kid[k]] != n.kid[k];
      n.kid[k] = map[n.kid[k]];
    }
    if (changed) map[r] = gr_mk(g, &n.span, n.op, n.kid, n.nkid, n.ints, n.nint);
    if (live[r] && of_pairs(g, map[r])) map[r] = lower(g, map[r], f64);
  }
  return map[f];
}
