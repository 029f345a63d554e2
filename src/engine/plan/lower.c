/* lower.c: the graph that kernels are planned from: rewrites that shorten what is done for pairs,
 * made after all derivatives.
 *
 * The interpreter runs the graph as it was written, so that tests see where the two disagree.
 * Guarantees: for every value of rows and columns a rewrite gives what is written, up to rounding,
 * in the working precision, NaN, overflow and underflow included.  What it asks of parameters is a
 * condition of the guard, evaluated at each call (gr_guard_holds); where one does not hold, the
 * call takes the kernel of the graph as written. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "plan/plan.h"

static gr_ref mk1(gr_dag *g, const gr_node *n, gr_op op, gr_ref a) { return gr_mk(g, &n->span, op, &a, 1, NULL, 0); }

static gr_ref mk2(gr_dag *g, const gr_node *n, gr_op op, gr_ref a, gr_ref b) {
  return gr_mk(g, &n->span, op, (gr_ref[]){a, b}, 2, NULL, 0);
}

static bool of_pairs(const gr_dag *g, gr_ref r) { return (g->node[r].cats & CAT_I) && (g->node[r].cats & CAT_J); }
static bool is_fixed(const gr_dag *g, gr_ref r) { return !(g->node[r].cats & (CAT_I | CAT_J)); }

static double least_normal(const gr_dag *g) { return g->f64 ? DBL_MIN : (double)FLT_MIN; }
static double most(const gr_dag *g) { return g->f64 ? DBL_MAX : (double)FLT_MAX; }

/* ---- exp(c s) = 2^((c log2 e) s) ---- */

/* Of a product (or quotient) of a value of pairs and one that is not: which kid is the latter.
 * Anything else: -1. */
static int factor_of(const gr_dag *g, const gr_node *n) {
  bool first = n->nkid > 0 && of_pairs(g, n->kid[0]), second = n->nkid > 1 && of_pairs(g, n->kid[1]);
  if (n->op == OP_Mult && first != second) return first;
  return n->op == OP_Divide && first && !second ? 1 : -1;
}

/* a = scale * rest.  Signs and at most two factors, which depend on parameters and constants alone,
 * are moved from a into the scale; returns the rest.  The outer factor is met first; a single one
 * is the inner. */
static gr_ref split_scale(gr_dag *g, gr_ref a, gr_scale *s) {
  for (;;) {
    const gr_node n = g->node[a];
    int c = factor_of(g, &n);
    if (n.op == OP_Minus && of_pairs(g, n.kid[0])) {
      s->product = mk1(g, &n, OP_Minus, s->product), a = n.kid[0];
    } else if (s->outer < 0 && c >= 0 && is_fixed(g, n.kid[c])) {
      s->product = mk2(g, &n, n.op, s->product, n.kid[c]), a = n.kid[1 - c];
      s->outer = s->inner, s->inner = n.kid[c];
    } else {
      return a;
    }
  }
}

/* Can k, which is c log2(e) or log2(e) / c, stand for c?  If k is finite and normal, c s and k s are
 * zero, infinite and NaN together, except where the exponential is 0, 1 or infinite anyway.  A c of
 * 0, Inf or NaN gives a k that behaves like it.  The factor of 2 leaves room for the last places
 * in which functions of the kernel differ from the interpreter's. */
bool gr_scale_is_safe(const gr_dag *g, double c, double k) {
  if (c == 0 || !isfinite(c)) return true;
  return fabs(k) >= 2 * least_normal(g) && fabs(k) <= most(g) / 2;
}

/* d (c s) overflows, or loses its last places, where c s does, although k s may not.  With d in this
 * range the exponential is 0, infinite or 1 in these places, so that nobody can tell. */
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
  if (known && s.inner >= 0 && !gr_scale_is_safe(g, value(g, s.inner), value(g, s.product))) return r;
  if (known && s.outer >= 0 && !gr_scale_is_moderate(g, value(g, s.outer))) return r;
  if (!known) add_scale(g, guard, s);
  return mk1(g, &n, OP_Exp2, mk2(g, &n, OP_Mult, s.product, rest));
}

/* ---- 1/sqrt(a) = Rsqrt(a) where a cannot be 0 ---- */

enum { BOUND_DEPTH = 8 };

/* A lower bound of a node's values that holds in the working precision for all variables (or the
 * value is NaN): sums and products are rounded, which keeps their order.  What is below the least
 * normal number counts as 0; -1: nothing is known. */
static double lower_bound(const gr_dag *g, gr_ref r, int depth) {
  const gr_node *n = &g->node[r];
  double a = -1, b = -1, bound;
  if (depth == BOUND_DEPTH) return -1;
  if (n->nkid > 0) a = lower_bound(g, n->kid[0], depth + 1);
  if (n->nkid > 1) b = lower_bound(g, n->kid[1], depth + 1);
  switch (n->op) {
  case OP_Const: bound = gr_rounded(g, n->num); break;
  case OP_Zero:
  case OP_Exp:
  case OP_Exp2:
  case OP_Abs:
  case OP_Square:
  case OP_Sqrt: bound = 0; break;
  case OP_Sum:
  case OP_SumT: bound = a; break;
  case OP_Mult: bound = a < 0 || b < 0 ? -1 : gr_rounded(g, a * b); break;
  case OP_Add: bound = a < 0 || b < 0 ? -1 : gr_rounded(g, a + b); break;
  default: bound = -1;
  }
  return bound >= least_normal(g) ? bound : bound >= 0 ? 0 : -1;
}

/* Rsqrt takes less time in single precision. */
static gr_ref lower_inverse(gr_dag *g, gr_ref r) {
  const gr_node n = g->node[r], *root = &g->node[n.kid[n.nkid - 1]];
  if (root->op != OP_Sqrt || !of_pairs(g, n.kid[n.nkid - 1]) || lower_bound(g, root->kid[0], 0) <= 0) return r;
  gr_ref y = mk1(g, &n, OP_Rsqrt, root->kid[0]);
  return n.op == OP_Inv ? y : mk2(g, &n, OP_Mult, n.kid[0], y);
}

/* ---- the graph ---- */

static gr_ref lower(gr_dag *g, gr_ref r, gr_guard *guard) {
  switch (g->node[r].op) {
  case OP_Exp: return lower_Exp(g, r, guard);
  case OP_Inv:
  case OP_Divide: return g->f64 ? r : lower_inverse(g, r);
  default: return r;
  }
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
