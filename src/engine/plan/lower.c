/* lower.c: the graph from which kernels are planned: rewrites that shorten what is computed for
 * each pair, made after all derivatives.  One function lower_NAME per operation that has a rewrite.
 *
 * The interpreter runs the graph as it was written, so that tests see where the two disagree.
 * Guarantees: for every value of rows and columns a rewrite gives what is written, up to
 * rounding, in the working precision, NaN, overflow and underflow included.  What it asks of
 * parameters is a condition of the guard, evaluated at each call (gr_condition_holds in run/);
 * where one does not hold, the call takes the kernel of the graph as written. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "plan/plan.h"

static gr_ref mk1(gr_dag *g, const gr_node *n, gr_op op, gr_ref a) {
  return gr_mk(g, &n->span, op, &a, 1, NULL, 0);
}

static gr_ref mk2(gr_dag *g, const gr_node *n, gr_op op, gr_ref a, gr_ref b) {
  return gr_mk(g, &n->span, op, (gr_ref[]){a, b}, 2, NULL, 0);
}

static bool of_pairs(const gr_dag *g, gr_ref r) { return gr_is_of_pairs(&g->node[r]); }
static bool is_fixed(const gr_dag *g, gr_ref r) { return !(g->node[r].cats & (CAT_I | CAT_J)); }

static double least_normal(const gr_dag *g) { return g->f64 ? DBL_MIN : (double)FLT_MIN; }
static double most(const gr_dag *g) { return g->f64 ? DBL_MAX : (double)FLT_MAX; }

/* ---- exp(c s) = 2^((c log2 e) s) ---- */

/* Of a product or quotient of a value of pairs and one that is not, where it is linear in the
 * former: which kid is the latter.  Anything else: -1. */
static int factor_of(const gr_dag *g, const gr_node *n) {
  if (gr_ops[n->op].kind != KIND_EW || n->nkid != 2 ||
      of_pairs(g, n->kid[0]) == of_pairs(g, n->kid[1]))
    return -1;
  int pairs = of_pairs(g, n->kid[1]);
  return gr_law(n, pairs) == '*' ? 1 - pairs : -1;
}

/* a = scale * rest.  Signs and at most two factors, which depend on parameters and constants alone,
 * are moved from a into the scale; returns the rest.  The outer factor is met first; a single one
 * is the inner. */
static gr_ref split_scale(gr_dag *g, gr_ref a, gr_scale *s) {
  for (;;) {
    const gr_node n = g->node[a];
    int c = factor_of(g, &n);
    if (gr_negates(&n) && of_pairs(g, n.kid[0])) {
      s->product = mk1(g, &n, n.op, s->product), a = n.kid[0];
    } else if (s->outer < 0 && c >= 0 && is_fixed(g, n.kid[c])) {
      s->product = mk2(g, &n, n.op, s->product, n.kid[c]), a = n.kid[1 - c];
      s->outer = s->inner, s->inner = n.kid[c];
    } else {
      return a;
    }
  }
}

/* Can k, which is c log2(e) or log2(e) / c, stand for c?  If k is finite and normal, c s and k s
 * are zero, infinite and NaN together, except where the exponential is 0, 1 or infinite anyway.
 * A c of 0, Inf or NaN gives a k that behaves like it.  The factor of 2 leaves room for the last
 * places in which functions of the kernel differ from the interpreter's. */
bool gr_scale_is_safe(const gr_dag *g, double c, double k) {
  if (c == 0 || !isfinite(c)) return true;
  return fabs(k) >= 2 * least_normal(g) && fabs(k) <= most(g) / 2;
}

/* d (c s) overflows, or loses its last places, where c s does, although k s may not.  With d in
 * this range the exponential is 0, infinite or 1 in these places, so that nobody can tell. */
bool gr_scale_is_moderate(const gr_dag *g, double d) {
  int range = g->f64 ? 500 : 60;
  return fabs(d) >= ldexp(1, -range) && fabs(d) <= ldexp(1, range);
}

static void add_scale(gr_dag *g, gr_guard *guard, gr_scale s) {
  if (guard->n == guard->cap) {
    guard->cap = guard->cap ? 2 * guard->cap : 4;
    gr_scale *more = gr_alloc(g->ctx->arena, (size_t)guard->cap * sizeof *more);
    if (guard->n) memcpy(more, guard->scale, (size_t)guard->n * sizeof *more);
    guard->scale = more;
  }
  guard->scale[guard->n++] = s;
}

static bool is_const(const gr_dag *g, gr_ref r) { return r < 0 || g->node[r].op == OP_Const; }
static double value(const gr_dag *g, gr_ref r) { return gr_rounded(g, g->node[r].num); }

/* 2^a needs no argument reduction with a constant in pieces, and the product of c with log2 e is
 * made once.  The error of the product, relative to exp, is |c s| times that of two more
 * roundings; without a factor Exp stays, which is exact to the last places for any argument.
 *
 * A factor that varies with the row or the column stays where it is, since checking all of them at
 * every call would be too much: 2^((c s) log2 e) takes one multiplication more per pair (a Gaussian
 * of dimension 3: 9 % of the time; Exp itself: 20 %). */
static gr_ref lower_Exp(gr_dag *g, gr_ref r, gr_guard *guard) {
  const gr_node n = g->node[r];
  gr_scale s = {.inner = -1, .outer = -1, .product = gr_mk_const(g, &n.span, 1.4426950408889634)};
  gr_ref rest = split_scale(g, n.kid[0], &s);
  bool known = is_const(g, s.inner) && is_const(g, s.outer) && is_const(g, s.product);
  if (rest == n.kid[0] && factor_of(g, &g->node[rest]) < 0) return r;
  if (known && s.inner >= 0 && !gr_scale_is_safe(g, value(g, s.inner), value(g, s.product)))
    return r;
  if (known && s.outer >= 0 && !gr_scale_is_moderate(g, value(g, s.outer))) return r;
  if (!known) add_scale(g, guard, s);
  return mk1(g, &n, OP_Exp2, mk2(g, &n, OP_Mult, s.product, rest));
}

/* ---- 1/sqrt(a) = Rsqrt(a) where a cannot be 0 ---- */

enum { BOUND_DEPTH = 8 };

/* Lower bounds of the values of operations, from those a and b of their arguments; -1: nothing
 * is known. */
static double bound_Const(const gr_dag *g, const gr_node *n, double a, double b) {
  return (void)a, (void)b, gr_rounded(g, n->num);
}
static double bound_Sum(const gr_dag *g, const gr_node *n, double a, double b) {
  return (void)g, (void)n, (void)b, a;
}
static double bound_Mult(const gr_dag *g, const gr_node *n, double a, double b) {
  return (void)n, a < 0 || b < 0 ? -1 : gr_rounded(g, a * b);
}
static double bound_Add(const gr_dag *g, const gr_node *n, double a, double b) {
  return (void)n, a < 0 || b < 0 ? -1 : gr_rounded(g, a + b);
}
static double bound_Abs(const gr_dag *g, const gr_node *n, double a, double b) {
  return (void)g, (void)n, (void)a, (void)b, 0;
}
#define bound_Zero bound_Abs
#define bound_Exp bound_Abs
#define bound_Exp2 bound_Abs
#define bound_Square bound_Abs
#define bound_Sqrt bound_Abs
#define bound_SumT bound_Sum

#define BOUNDED(OP)                                                                                \
  OP(Const) OP(Zero) OP(Exp) OP(Exp2) OP(Abs) OP(Square) OP(Sqrt) OP(Sum) OP(SumT) OP(Mult)        \
  OP(Add)
#define OP(name) [OP_##name] = bound_##name,
static double (*const bounds[OP_COUNT])(const gr_dag *, const gr_node *, double,
                                        double) = {BOUNDED(OP)};
#undef OP

/* A lower bound of a node's values that holds in the working precision for all variables (or the
 * value is NaN): sums and products are rounded, which keeps their order.  What is below the
 * least normal number counts as 0. */
static double lower_bound(const gr_dag *g, gr_ref r, int depth) {
  const gr_node *n = &g->node[r];
  double a = -1, b = -1;
  if (depth == BOUND_DEPTH || !bounds[n->op]) return -1;
  if (n->nkid > 0) a = lower_bound(g, n->kid[0], depth + 1);
  if (n->nkid > 1) b = lower_bound(g, n->kid[1], depth + 1);
  double bound = bounds[n->op](g, n, a, b);
  return bound >= least_normal(g) ? bound : bound >= 0 ? 0 : -1;
}

/* y / Sqrt(a), or 1 / Sqrt(a): Rsqrt takes less time in single precision. */
static gr_ref by_root(gr_dag *g, gr_ref r, gr_ref numerator, gr_ref root) {
  const gr_node n = g->node[r], *of = &g->node[root];
  bool root_of_pairs = of->op == OP_Sqrt && of_pairs(g, root);
  if (g->f64 || !root_of_pairs || lower_bound(g, of->kid[0], 0) <= 0) return r;
  gr_ref inverse = mk1(g, &n, OP_Rsqrt, of->kid[0]);
  return numerator < 0 ? inverse : mk2(g, &n, OP_Mult, numerator, inverse);
}

static gr_ref lower_Inv(gr_dag *g, gr_ref r, gr_guard *guard) {
  return (void)guard, by_root(g, r, -1, g->node[r].kid[0]);
}

static gr_ref lower_Divide(gr_dag *g, gr_ref r, gr_guard *guard) {
  return (void)guard, by_root(g, r, g->node[r].kid[0], g->node[r].kid[1]);
}

/* ---- the graph ---- */

#define LOWERED(OP) OP(Exp) OP(Inv) OP(Divide)
#define OP(name) [OP_##name] = lower_##name,
static gr_ref (*const rules[OP_COUNT])(gr_dag *, gr_ref, gr_guard *) = {LOWERED(OP)};
#undef OP

static gr_ref lower(gr_dag *g, gr_ref r, gr_guard *guard) {
  gr_op op = g->node[r].op;
  return rules[op] ? rules[op](g, r, guard) : r;
}

gr_ref gr_lower(gr_dag *g, gr_ref f, gr_guard *guard) {
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
    if (live[r] && of_pairs(g, map[r])) map[r] = lower(g, map[r], guard);
  }
  return map[f];
}
