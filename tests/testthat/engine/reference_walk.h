/* reference_walk.h: the last part of reference_eval.h: the walk over the tree of a formula. */
#ifndef GENRED_REFERENCE_WALK_H
#define GENRED_REFERENCE_WALK_H

/* ---- the walk ---- */

static void eval_constant(const node *x, num *out) {
  switch (x->o) {
    case O_Const: out[0] = num_rounded(strtold(x->text, NULL)); break;
    case O_IntCst: out[0] = num_rounded(x->n[0]); break;
    case O_IntInv: out[0] = ratio(1, x->n[0]); break;
    case O_RatCst: out[0] = ratio(x->n[0], x->n[1]); break;
    default:
      for (int k = 0; k < x->dim; k++) out[k] = num_zero();
  }
}

static void eval_vector(const node *x, num a[KIDS][DIM_MAX], num *out) {
  const num *f = a[0], *g = a[1];
  int df = x->k[0]->dim, dg = x->kids > 1 ? x->k[1]->dim : 0, dh = x->kids > 2 ? x->k[2]->dim : 0;
  int d = df > dg ? df : dg;
  num t[DIM_MAX];
  switch (x->o) {
    case O_Scalprod: out[0] = sum_of_products(f, df > 1, g, dg > 1, d); break;
    case O_SqNorm2: out[0] = sum_of_products(f, 1, f, 1, df); break;
    case O_Norm2: out[0] = num_apply(jet_sqrt, sum_of_products(f, 1, f, 1, df), 1); break;
    case O_Normalize:
      t[0] = rsqrt_norm(f, df);
      for (int k = 0; k < df; k++) out[k] = num_mul(f[k], t[0]);
      break;
    case O_SqDist:
      differences(f, df, g, dg, d, t);
      out[0] = sum_of_products(t, 1, t, 1, d);
      break;
    case O_Sum: out[0] = num_sum(f, df, 1); break;
    case O_SumT:
      for (int k = 0; k < x->dim; k++) out[k] = f[0];
      break;
    case O_Max: case O_ArgMax: case O_Min: case O_ArgMin:
      out[0] = extremum(f, df, x->o == O_Max || x->o == O_ArgMax, x->o == O_ArgMax || x->o == O_ArgMin);
      break;
    case O_WeightedSqDist:
      d = dg > dh ? dg : dh;
      differences(g, dg, a[2], dh, d, t);
      out[0] = weighted(f, df, t, d);
      break;
    default: out[0] = weighted(f, df, g, dg);
  }
}

static void eval_others(const node *x, num a[KIDS][DIM_MAX], num *out) {
  const num *f = a[0], *g = a[1];
  int df = x->k[0]->dim, dg = x->kids > 1 ? x->k[1]->dim : 0;
  switch (x->o) {
    case O_MatVecMult:
      for (int k = 0; k < x->dim; k++) out[k] = sum_of_products(f + k * dg, 1, g, 1, dg);
      break;
    case O_VecMatMult:
      for (int k = 0; k < x->dim; k++) out[k] = sum_of_products(f, 1, g + k, x->dim, df);
      break;
    case O_TensorProd:
      for (int k = 0; k < df; k++)
        for (int l = 0; l < dg; l++) out[k * dg + l] = num_mul(f[k], g[l]);
      break;
    case O_Kron: kron(x, f, g, out); break;
    case O_TensorDot: tensor_dot(x, f, g, out); break;
    case O_BSpline: bspline(f, df, g[0], x->n[0], out); break;
    default: out[0] = soft_dtw(f, df, g, dg, a[2][0]);
  }
}

static num power_of(num f, int n) {
  jet_power_of = n, exact_where_it_fits = n >= 0;
  num r = num_apply(jet_power, f, 1 + abs(n));
  exact_where_it_fits = false;
  return r;
}

/* The argument of an exponential as it may be computed: for one to the base 2, with a factor. */
static num scaled(num f) {
  if (isfinite(f.v[0])) f.e[0] += W.ulp * fabsl(f.v[0]);
  return f;
}

static void eval_elementwise(const node *x, num a[KIDS][DIM_MAX], num *out) {
  for (int k = 0; k < x->dim; k++) {
    num f = bc(a[0], x->k[0]->dim, k), g = x->kids > 1 ? bc(a[1], x->k[1]->dim, k) : f;
    num h = x->kids > 2 ? bc(a[2], x->k[2]->dim, k) : f;
    if (x->o == O_Minus) out[k] = num_minus(f);
    /* the language does not say */
    else if (x->o == O_Step && isnan(f.v[0])) out[k] = f, out[k].e[0] = INFINITY;
    else if (x->o == O_Exp && x->k[0]->o != O_Var) out[k] = num_apply(jet_exp, scaled(f), 4);
    else if (x->o <= LAST_UNARY) out[k] = num_apply(unaries[x->o - FIRST_UNARY].f, f, unaries[x->o - FIRST_UNARY].ulps);
    else if (x->o == O_Pow) out[k] = power_of(f, x->n[0]);
    else if (x->o == O_Mod) out[k] = mod_of(f, g, h);
    else if (x->o == O_Clamp) out[k] = clamp_of(f, g, h);
    else if (x->o == O_ClampInt) out[k] = clamp_of(f, num_rounded(x->n[0]), num_rounded(x->n[1]));
    else if (x->o == O_IfElse) out[k] = num_choose(f, g, h);
    else if (x->o == O_Round) out[k] = round_of(f, x->n[0]);
    else out[k] = binary(x->o, f, g);
  }
}

static bool is_elementwise(op o) {
  return (o >= FIRST_UNARY && o <= LAST_UNARY) || (o >= O_Add && o <= O_LessOrEqual);
}

static void eval(const node *x, num *out) {
  E.work += x->dim << W.levels;
  if (x->o == O_Var) {
    eval_var(x, out);
    return;
  }
  if (!x->kids) {
    eval_constant(x, out);
    return;
  }
  if (x->o >= O_Grad) {
    eval_derivative(x, out);
    return;
  }
  num(*a)[DIM_MAX] = malloc(sizeof(num[KIDS][DIM_MAX]));
  if (!a) abort();
  for (int c = 0; c < x->kids; c++) eval(x->k[c], a[c]);
  if (is_elementwise(x->o)) eval_elementwise(x, a, out);
  else if (x->o >= O_Elem && x->o <= O_OneHot) eval_selection(x, a, out);
  else if (x->o >= O_ComplexReal && x->o <= O_ComplexSumT) eval_complex(x, a, out);
  else if (x->o >= O_MatVecMult) eval_others(x, a, out);
  else eval_vector(x, a, out);
  free(a);
}

#endif
