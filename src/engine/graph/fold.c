/* fold.c: rewrites that keep the value up to rounding, NaN and overflow included; called by the
 * constructor gr_mk.
 *
 * One function fold_NAME per operation that has rules; each returns the simpler node, or -1.
 * The rules hold in the working precision, in which constants are folded, too.  Rules that hold
 * for whole kinds of operations follow the table. */
#include <math.h>
#include <string.h>

#include "graph/graph.h"

typedef gr_ref rule(gr_dag *g, const gr_node *n);

static const gr_node *kid(const gr_dag *g, const gr_node *n, int k) { return &g->node[n->kid[k]]; }

static gr_ref mk1(gr_dag *g, const gr_node *n, gr_op op, gr_ref a) {
  return gr_mk(g, &n->span, op, &a, 1, NULL, 0);
}

static gr_ref mk2(gr_dag *g, const gr_node *n, gr_op op, gr_ref a, gr_ref b) {
  return gr_mk(g, &n->span, op, (gr_ref[]){a, b}, 2, NULL, 0);
}

static gr_ref mk_int(gr_dag *g, const gr_node *n, gr_op op, gr_ref a, int i) {
  return gr_mk(g, &n->span, op, &a, 1, &i, 1);
}

static bool is_zero(const gr_dag *g, gr_ref r) {
  return g->node[r].op == OP_Zero || gr_is_const(g, r, 0);
}

/* Complex vectors are added part by part. */
static gr_ref add_complex(gr_dag *g, const gr_node *n) {
  gr_ref a[2], b[2], sum[2];
  memcpy(a, kid(g, n, 0)->kid, sizeof a);
  memcpy(b, kid(g, n, 1)->kid, sizeof b);
  for (int k = 0; k < 2; k++) sum[k] = mk2(g, n, n->op, a[k], b[k]);
  return mk2(g, n, OP_Complex, sum[0], sum[1]);
}

static bool both_complex(const gr_dag *g, const gr_node *n) {
  return kid(g, n, 0)->op == OP_Complex && kid(g, n, 1)->op == OP_Complex &&
         kid(g, n, 0)->dim == kid(g, n, 1)->dim;
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

/* a^0 = 1 for every a, 0 and NaN among them, as pow says; its derivative is 0. */
static gr_ref ones(gr_dag *g, const gr_node *n) {
  gr_ref one = gr_mk_const(g, &n->span, 1);
  return n->dim == 1 ? one : mk_int(g, n, OP_SumT, one, n->dim);
}

static gr_ref fold_PowInt(gr_dag *g, const gr_node *n) {
  switch (n->ints[0]) {
  case 0: return ones(g, n);
  case 1: return n->kid[0];
  case 2: return mk1(g, n, OP_Square, n->kid[0]);
  case -1: return mk1(g, n, OP_Inv, n->kid[0]);
  default: return -1;
  }
}

static gr_ref fold_Sum(gr_dag *g, const gr_node *n) {
  return kid(g, n, 0)->dim == 1 ? n->kid[0] : -1;
}

static gr_ref fold_SumT(gr_dag *g, const gr_node *n) {
  (void)g;
  return n->ints[0] == 1 ? n->kid[0] : -1;
}

/* Component m of a repeated, extracted or concatenated vector is a component of what it was made
 * from. */
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
static gr_ref part(const gr_dag *g, const gr_node *n, int which) {
  return kid(g, n, 0)->op == OP_Complex ? kid(g, n, 0)->kid[which] : -1;
}

static gr_ref fold_ComplexReal(gr_dag *g, const gr_node *n) { return part(g, n, 0); }
static gr_ref fold_ComplexImag(gr_dag *g, const gr_node *n) { return part(g, n, 1); }

static gr_ref fold_Extract(gr_dag *g, const gr_node *n) {
  const gr_node *f = kid(g, n, 0);
  if (n->dim == f->dim) return n->kid[0];
  if (n->dim == 1) return mk_int(g, n, OP_Elem, n->kid[0], n->ints[0]);
  if (f->op == OP_Extract)
    return gr_mk(g, &n->span, OP_Extract, f->kid, 1, (int[]){f->ints[0] + n->ints[0], n->dim}, 2);
  return -1;
}

#define FOLDED(OP)                                                                                 \
  OP(Add) OP(Subtract) OP(Mult) OP(Divide) OP(Minus) OP(Square) OP(PowInt) OP(Sum) OP(SumT)        \
  OP(Elem) OP(Extract) OP(ComplexReal) OP(ComplexImag)
#define OP(name) [OP_##name] = fold_##name,
static rule *const rules[OP_COUNT] = {FOLDED(OP)};
#undef OP

/* An element-wise operation on constants is a constant, whose value in the working precision is
 * what the interpreter computes: it rounds after each step, so that 1e-30*1e-30*1e30 is 0 in
 * float32.  More digits are kept where they round to the same number. */
static gr_ref fold_constants(gr_dag *g, const gr_node *n) {
  double exact[3] = {0, 0, 0}, rounded[3] = {0, 0, 0};
  int m = n->nint ? n->ints[0] : 0;
  if (gr_ops[n->op].kind != KIND_EW) return -1;
  for (int k = 0; k < n->nkid; k++) {
    if (kid(g, n, k)->op != OP_Const) return -1;
    exact[k] = kid(g, n, k)->num;
    rounded[k] = gr_rounded(g, exact[k]);
  }
  double digits = gr_ops[n->op].reference(exact[0], exact[1], exact[2], m);
  double value = gr_rounded(g, gr_ops[n->op].reference(rounded[0], rounded[1], rounded[2], m));
  return gr_mk_const(g, &n->span, gr_rounded(g, digits) == value ? digits : value);
}

/* The scalar of which r is a repetition, or r itself. */
static gr_ref repeated(const gr_dag *g, gr_ref r) {
  const gr_node *n = &g->node[r];
  return n->dim > 1 && gr_is_view(n) && gr_view_of(n).stride == 0 ? n->kid[0] : r;
}

/* An element-wise operation on scalars, of which some are repeated, is done once and repeated. */
static gr_ref fold_repeated(gr_dag *g, const gr_node *n) {
  gr_ref scalar[GR_MAX_KIDS];
  if (gr_ops[n->op].kind != KIND_EW || n->dim == 1) return -1;
  for (int k = 0; k < n->nkid; k++) {
    scalar[k] = repeated(g, n->kid[k]);
    if (g->node[scalar[k]].dim > 1) return -1;
  }
  return mk_int(g, n, OP_SumT, gr_mk(g, &n->span, n->op, scalar, n->nkid, n->ints, n->nint),
                n->dim);
}

gr_ref gr_fold(gr_dag *g, const gr_node *n) {
  gr_ref r = fold_constants(g, n);
  if (r < 0) r = fold_repeated(g, n);
  return r < 0 && rules[n->op] ? rules[n->op](g, n) : r;
}
