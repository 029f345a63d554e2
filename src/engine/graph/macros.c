/* macros.c: calls that are rewritten into other operations in a way that depends on dimensions,
 * a function gr_rewrite_NAME each, and the operators on formulas, Grad and its kin.  Rewrites
 * that do not depend on them are texts in ops.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/binder.h"

static gr_ref mk2(gr_binder *b, const gr_ast *a, gr_op op, gr_ref x, gr_ref y) {
  return gr_mk(b->g, gr_place_of(b, a), op, (gr_ref[]){x, y}, 2, NULL, 0);
}

static gr_ref elem(gr_binder *b, const gr_ast *a, gr_ref f, int k) {
  return gr_dim_of(b, f) > 1 ? gr_mk(b->g, gr_place_of(b, a), OP_Elem, &f, 1, &k, 1) : f;
}

gr_ref gr_rewrite_WeightedSqNorm(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  int ds = gr_dim_of(b, x->expr[0]), d = gr_dim_of(b, x->expr[1]);
  if (ds == 1) return gr_bind_in_call(b, a, "SqNormIso(f,g)", x);
  if (ds == d) return gr_bind_in_call(b, a, "SqNormDiag(f,g)", x);
  if (ds == (long long)d * d) return gr_bind_in_call(b, a, "SymSqNorm(f,g)", x);
  gr_bad_call(b, a, "the weight must have dimension 1, %d or %lld, it has %d", d, (long long)d * d,
              ds);
}

/* Decimals in double: 10^n and its inverse are applied so that no digit is lost to 0.1. */
gr_ref gr_rewrite_Round(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  static const char *const text[] = {"RoundAway(f*g)/g", "RoundAway(f/g)*g"};
  gr_actuals y = *x;
  int n = x->integer[0];
  int most = b->g->f64 ? 300 : 38; /* 10^n is a number of the working precision */
  if (abs(n) > most)
    gr_bad_call(b, a, "the number of decimals must be between %d and %d", -most, most);
  y.expr[1] = gr_mk_const(b->g, gr_place_of(b, a), pow(10, abs(n)));
  y.nexpr = 2;
  return gr_bind_in_call(b, a, text[n < 0], &y);
}

/* A B-spline of one degree more, from those of the degree before: w[k] = (x - t[k]) / (t[k+j] -
 * t[k]), and 0 between equal knots, which a denominator of 1 keeps out of the derivatives too. */
static gr_ref raise_degree(gr_binder *b, const gr_ast *a, const gr_actuals *x, gr_ref spline,
                           int j) {
  int knots = gr_dim_of(b, x->expr[0]), n = knots - 1 - j;
  gr_actuals w = {.expr = {x->expr[0], x->expr[1]}, .nexpr = 3, .integer = {knots - j, j}};
  w.expr[2] = gr_bind_in_call(b, a, "Extract(f,m,n)-Extract(f,0,n)", &w); /* widths of supports */
  gr_ref rise = gr_bind_in_call(b, a, "(g-Extract(f,0,n))*LessThan(0,h)/(h+Equal(h,0))", &w);
  gr_ref fall = gr_bind_in_call(b, a, "(Extract(f,m,n)-g)*LessThan(0,h)/(h+Equal(h,0))", &w);
  gr_actuals up = {.expr = {rise, spline}, .nexpr = 2, .integer = {n}};
  gr_actuals down = {.expr = {fall, spline}, .nexpr = 2, .integer = {n}};
  gr_ref first = gr_bind_in_call(b, a, "Extract(f,0,n)*Extract(g,0,n)", &up);
  return mk2(b, a, OP_Add, first, gr_bind_in_call(b, a, "Extract(f,1,n)*Extract(g,1,n)", &down));
}

/* The recursion of de Boor on vectors. */
gr_ref gr_rewrite_BSpline(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  int knots = gr_dim_of(b, x->expr[0]), order = x->integer[0];
  if (gr_dim_of(b, x->expr[1]) != 1) gr_bad_call(b, a, "the second argument must have dimension 1");
  if (order < 0 || order > knots - 2)
    gr_bad_call(b, a, "order %d needs at least %d knots, found %d", order, order + 2, knots);
  gr_actuals y = {.expr = {x->expr[0], x->expr[1]}, .nexpr = 2, .integer = {knots - 1}};
  gr_ref spline =
      gr_bind_in_call(b, a, "LessOrEqual(Extract(f,0,n),g)*LessThan(g,Extract(f,1,n))", &y);
  for (int j = 1; j <= order; j++) spline = raise_degree(b, a, x, spline, j);
  return spline;
}

/* Recurrence up to f + 10, then the asymptotic series; by reflection below 0.5.  An expression
 * like others, so that it has derivatives of any order (Abramowitz and Stegun 6.4.6, .7, .12).
 * The reflection takes the distance from the nearest pole, which is exact; above 0.5, where it
 * is not chosen, 0.5 stands for it, so that its derivatives are finite there. */
gr_ref gr_rewrite_Trigamma(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  static const char series[] =
      "Inv(Square(f))+Inv(Square(f+1))+Inv(Square(f+2))+Inv(Square(f+3))+Inv(Square(f+4))"
      "+Inv(Square(f+5))+Inv(Square(f+6))+Inv(Square(f+7))+Inv(Square(f+8))+Inv(Square(f+9))"
      "+Inv(f+10)+g/2"
      "+g*Inv(f+10)*(1/6-g*(1/30-g*(1/42-g*(1/30-g*(5/66-g*(691/2730-g*7/6))))))";
  static const char reflected[] =
      "IfElse(f-0.5,g,9.869604401089358"
      "/Square(Sin(3.141592653589793*IfElse(f-0.5,0.5,f-RoundAway(f))))-g)";
  gr_actuals y = {.nexpr = 2};
  y.expr[0] = gr_bind_in_call(b, a, "IfElse(f-0.5,f,1-f)", x);
  y.expr[1] = gr_bind_in_call(b, a, "Inv(Square(f+10))", &y);
  gr_actuals z = {.expr = {y.expr[0], y.expr[1]}, .nexpr = 2};
  z.expr[1] = gr_bind_in_call(b, a, series, &z);
  y = (gr_actuals){.expr = {x->expr[0], z.expr[1]}, .nexpr = 2};
  return gr_bind_in_call(b, a, reflected, &y);
}

/* An odd number of components ends with a real part. */
gr_ref gr_rewrite_ComplexSumT(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  gr_actuals y = *x;
  if (gr_dim_of(b, x->expr[0]) != 2)
    gr_bad_call(b, a, "the first argument must be a complex scalar, of dimension 2");
  if (x->integer[0] < 1) gr_bad_call(b, a, "the length must be 1 or more, not %d", x->integer[0]);
  y.integer[0] = (x->integer[0] + 1) / 2;
  y.integer[1] = x->integer[0];
  return gr_bind_in_call(b, a, "Extract(Complex(SumT(Elem(f,0),n),SumT(Elem(f,1),n)),0,m)", &y);
}

/* ---- derivatives ---- */

static void need_dim(gr_binder *b, const gr_ast *a, gr_ref r, int want, const char *which) {
  if (gr_dim_of(b, r) != want)
    gr_bad_call(b, a, "the %s must have dimension %d, it has %d", which, want, gr_dim_of(b, r));
}

gr_ref gr_rewrite_Grad(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  need_dim(b, a, x->expr[2], gr_dim_of(b, x->expr[0]), "incoming gradient");
  return gr_grad(b->g, gr_place_of(b, a), x->expr[0], x->expr[1], x->expr[2]);
}

gr_ref gr_rewrite_Diff(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  need_dim(b, a, x->expr[2], gr_dim_of(b, x->expr[1]), "direction");
  return gr_diff(b->g, gr_place_of(b, a), x->expr[0], x->expr[1], x->expr[2]);
}

/* Unit vector k of dimension d. */
static gr_ref unit(gr_binder *b, const gr_ast *a, int d, int k) {
  gr_ref one = gr_mk_const(b->g, gr_place_of(b, a), 1);
  return d == 1 ? one : gr_mk(b->g, gr_place_of(b, a), OP_ElemT, &one, 1, (int[]){d, k}, 2);
}

gr_ref gr_rewrite_GradMatrix(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  int d = gr_dim_of(b, x->expr[0]);
  gr_ref all = -1;
  for (int k = 0; k < d; k++) {
    gr_ref row = gr_grad(b->g, gr_place_of(b, a), x->expr[0], x->expr[1], unit(b, a, d, k));
    all = all < 0 ? row : mk2(b, a, OP_Concat, all, row);
  }
  return all;
}

/* Sum over k of w[k] d f[k] / d v[k]; a scalar f counts for every k; w = -1: ones. */
static gr_ref trace(gr_binder *b, const gr_ast *a, gr_ref f, gr_ref v, gr_ref w) {
  int d = gr_dim_of(b, v);
  gr_ref sum = -1;
  for (int k = 0; k < d; k++) {
    gr_ref part = elem(b, a, gr_diff(b->g, gr_place_of(b, a), f, v, unit(b, a, d, k)), k);
    if (w >= 0) part = mk2(b, a, OP_Mult, elem(b, a, w, k), part);
    sum = sum < 0 ? part : mk2(b, a, OP_Add, sum, part);
  }
  return sum;
}

gr_ref gr_rewrite_Divergence(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  need_dim(b, a, x->expr[0], gr_dim_of(b, x->expr[1]), "formula");
  return trace(b, a, x->expr[0], x->expr[1], -1);
}

gr_ref gr_rewrite_Laplacian(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  need_dim(b, a, x->expr[0], 1, "formula");
  gr_ref grad = gr_grad(b->g, gr_place_of(b, a), x->expr[0], x->expr[1],
                        gr_mk_const(b->g, gr_place_of(b, a), 1));
  return trace(b, a, grad, x->expr[1], -1);
}

static void need_linear(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  if (gr_is_linear(b->g, x->expr[0], x->expr[1])) return;
  const gr_node *v = &b->g->node[x->expr[1]];
  gr_throw(b->c, gr_place_of(b, a), NULL, ERR_NotLinear, a->name, b->args->arg[v->ints[0]].name);
}

gr_ref gr_rewrite_TraceOperator(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  int d = gr_dim_of(b, x->expr[1]), df = gr_dim_of(b, x->expr[0]);
  gr_ref w = x->nexpr > 2 ? x->expr[2] : -1;
  need_linear(b, a, x);
  if (df != 1) need_dim(b, a, x->expr[0], d, "formula");
  if (w >= 0 && gr_dim_of(b, w) != 1) need_dim(b, a, w, d, "weight");
  return trace(b, a, x->expr[0], x->expr[1], w);
}

gr_ref gr_rewrite_AdjointOperator(gr_binder *b, const gr_ast *a, const gr_actuals *x) {
  need_linear(b, a, x);
  return gr_rewrite_Grad(b, a, x);
}
