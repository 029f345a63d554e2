/* tensors.c: products of matrices and tensors, all of which are one contraction in normal form
 * (gr_axis). */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "graph/binder.h"

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

static int read_list(gr_binder *b, const gr_ast *a, const gr_ast *list, int *v) {
  int n = list->kind == AST_LIST ? list->n : 1;
  if (n > MAX_RANK) gr_bad_call(b, a, "lists may have %d elements at most", MAX_RANK);
  for (int k = 0; k < n; k++)
    gr_integer_value(b, list->kind == AST_LIST ? list->arg[k] : list, &v[k]);
  return n;
}

static shape read_shape(gr_binder *b, const gr_ast *a, const gr_ast *list, gr_ref r) {
  shape s;
  long long total = 1;
  s.n = read_list(b, a, list, s.size);
  for (int k = 0; k < s.n; k++) {
    if (s.size[k] < 1) gr_bad_call(b, a, "a shape has positive sizes only");
    total *= s.size[k];
    if (total > GR_MAX_DIM) break;
  }
  if (total != gr_dim_of(b, r))
    gr_bad_call(b, a, "the shape has %lld elements, but the argument has dimension %d", total,
                gr_dim_of(b, r));
  strides(&s);
  return s;
}

/* Gives the kept axes, in their order, the strides of the result, and makes the node.  A stride
 * that overflows belongs to a result that the dimension rule refuses. */
static gr_ref contraction(gr_binder *b, const gr_ast *a, const gr_ref *fg, gr_axis *axis, int nkeep,
                          int ncont) {
  int ints[2 + 4 * 2 * MAX_RANK] = {nkeep, ncont};
  for (int k = nkeep - 1, step = 1; k >= 0; k--) {
    axis[k].out = step;
    step = (int)fmin(INT_MAX, (double)step * axis[k].size);
  }
  memcpy(ints + 2, axis, (size_t)(nkeep + ncont) * sizeof *axis);
  return gr_mk(b->g, gr_place_of(b, a), OP_TensorDot, fg, 2, ints, 2 + 4 * (nkeep + ncont));
}

gr_ref gr_rewrite_TensorProd(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  int df = gr_dim_of(b, x->expr[0]), dg = gr_dim_of(b, x->expr[1]);
  gr_axis axis[] = {{df, 0, 1, 0}, {dg, 0, 0, 1}};
  return contraction(b, a, x->expr, axis, 2, 0);
}

/* The other dimension of a matrix with `total` elements. */
static int other_side(gr_binder *b, const gr_ast *a, int total, int side) {
  if (total % side)
    gr_bad_call(b, a, "a matrix with %d elements does not fit a vector of dimension %d", total,
                side);
  return total / side;
}

gr_ref gr_rewrite_MatVecMult(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  int cols = gr_dim_of(b, x->expr[1]), rows = other_side(b, a, gr_dim_of(b, x->expr[0]), cols);
  gr_axis axis[] = {{rows, 0, cols, 0}, {cols, 0, 1, 1}};
  return contraction(b, a, x->expr, axis, 1, 1);
}

gr_ref gr_rewrite_VecMatMult(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  int rows = gr_dim_of(b, x->expr[0]), cols = other_side(b, a, gr_dim_of(b, x->expr[1]), rows);
  gr_axis axis[] = {{cols, 0, 0, 1}, {rows, 0, 1, cols}};
  return contraction(b, a, x->expr, axis, 1, 1);
}

gr_ref gr_rewrite_Kron(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  shape f = read_shape(b, a, x->list[0], x->expr[0]), g = read_shape(b, a, x->list[1], x->expr[1]);
  gr_axis axis[2 * MAX_RANK];
  if (f.n != g.n) gr_bad_call(b, a, "the shapes need equal lengths, found %d and %d", f.n, g.n);
  for (int k = 0; k < f.n; k++) {
    axis[2 * k] = (gr_axis){f.size[k], 0, f.stride[k], 0};
    axis[2 * k + 1] = (gr_axis){g.size[k], 0, 0, g.stride[k]};
  }
  return contraction(b, a, x->expr, axis, 2 * f.n, 0);
}

static void check_axes(gr_binder *b, const gr_ast *a, const int *axis, int n, const shape *s) {
  for (int k = 0; k < n; k++) {
    if (axis[k] < 0 || axis[k] >= s->n)
      gr_bad_call(b, a, "axis %d is outside 0 ... %d", axis[k], s->n - 1);
    for (int i = 0; i < k; i++)
      if (axis[i] == axis[k]) gr_bad_call(b, a, "axis %d is named twice", axis[k]);
  }
}

static bool contains(const int *v, int n, int x) {
  for (int k = 0; k < n; k++)
    if (v[k] == x) return true;
  return false;
}

/* Kept axis k of the product goes to place permute[k] of the result. */
static void permute_axes(gr_binder *b, const gr_ast *a, const gr_ast *list, gr_axis *axis, int n) {
  gr_axis from[2 * MAX_RANK];
  int to[MAX_RANK], m = read_list(b, a, list, to);
  memcpy(from, axis, (size_t)n * sizeof *axis);
  bool ok = m == n;
  for (int k = 0; ok && k < n; k++) ok = contains(to, n, k);
  if (!ok) gr_bad_call(b, a, "the last list must be a permutation of 0 ... %d", n - 1);
  for (int k = 0; k < n; k++) axis[to[k]] = from[k];
}

gr_ref gr_rewrite_TensorDot(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  shape f = read_shape(b, a, x->list[0], x->expr[0]), g = read_shape(b, a, x->list[1], x->expr[1]);
  int cf[MAX_RANK], cg[MAX_RANK], nkeep = 0;
  int nf = read_list(b, a, x->list[2], cf), ng = read_list(b, a, x->list[3], cg);
  gr_axis axis[2 * MAX_RANK];
  check_axes(b, a, cf, nf, &f);
  check_axes(b, a, cg, ng, &g);
  if (nf != ng) gr_bad_call(b, a, "%d axes cannot be contracted with %d", nf, ng);
  for (int k = 0; k < f.n; k++)
    if (!contains(cf, nf, k)) axis[nkeep++] = (gr_axis){f.size[k], 0, f.stride[k], 0};
  for (int k = 0; k < g.n; k++)
    if (!contains(cg, ng, k)) axis[nkeep++] = (gr_axis){g.size[k], 0, 0, g.stride[k]};
  if (x->nlist == 5) permute_axes(b, a, x->list[4], axis, nkeep);
  for (int k = 0; k < nf; k++) {
    if (f.size[cf[k]] != g.size[cg[k]])
      gr_bad_call(b, a, "an axis of size %d cannot be contracted with one of size %d",
                  f.size[cf[k]], g.size[cg[k]]);
    axis[nkeep + k] = (gr_axis){f.size[cf[k]], 0, f.stride[cf[k]], g.stride[cg[k]]};
  }
  return contraction(b, a, x->expr, axis, nkeep, nf);
}
