/* reference_eval2.h: the second half of reference_eval.h: selection, complex numbers,
 * derivatives, and the walk over the tree. */

/* ---- selection ---- */

static void one_hot(num f, int d, num *out) {
  num at = num_apply(jet_round, f, 0);
  for (int k = 0; k < d; k++) {
    out[k] = num_compare(at, num_exact(k), 0);
  }
}

static void eval_selection(const node *x, num a[KIDS][DIM_MAX], num *out) {
  const num *f = a[0];
  int d = x->dim, at = 0;
  for (int k = 0; k < d && x->o != O_Concat; k++) out[k] = num_zero();
  switch (x->o) {
    case O_Elem: out[0] = f[x->n[0]]; break;
    case O_ElemT: out[x->n[1]] = f[0]; break;
    case O_Extract: memcpy(out, f + x->n[0], sizeof *out * (size_t)d); break;
    case O_ExtractT: memcpy(out + x->n[0], f, sizeof *out * (size_t)x->k[0]->dim); break;
    case O_OneHot: one_hot(f[0], d, out); break;
    default:
      for (int c = 0; c < x->kids; at += x->k[c]->dim, c++) memcpy(out + at, a[c], sizeof *out * (size_t)x->k[c]->dim);
  }
}

/* ---- complex ---- */

typedef struct complex_num {
  num re, im;
} complex_num;

static complex_num complex_at(const num *x, int d, int k) {
  if (d == 2) k = 0;
  return (complex_num){x[2 * k], x[2 * k + 1]};
}

static complex_num complex_mul(complex_num a, complex_num b) {
  return (complex_num){num_add(num_mul(a.re, b.re), num_mul(a.im, b.im), -1),
                       num_add(num_mul(a.re, b.im), num_mul(a.im, b.re), 1)};
}

static complex_num complex_exp(complex_num a) {
  num r = num_apply(jet_exp, a.re, 4);
  return (complex_num){num_mul(r, num_apply(jet_cos, a.im, 4)), num_mul(r, num_apply(jet_sin, a.im, 4))};
}

static complex_num complex_binary(op o, complex_num a, complex_num b) {
  switch (o) {
    case O_ComplexAdd: return (complex_num){num_add(a.re, b.re, 1), num_add(a.im, b.im, 1)};
    case O_ComplexSubtract: return (complex_num){num_add(a.re, b.re, -1), num_add(a.im, b.im, -1)};
    case O_ComplexDivide: {
      num n = num_add(num_mul(b.re, b.re), num_mul(b.im, b.im), 1);
      b.im = num_minus(b.im);
      a = complex_mul(a, b);
      return (complex_num){num_div_any(a.re, n), num_div_any(a.im, n)};
    }
    default: return complex_mul(a, b);
  }
}

static num square_abs(complex_num z) { return num_add(num_mul(z.re, z.re), num_mul(z.im, z.im), 1); }

static complex_num eval_complex1(op o, complex_num z, num f) {
  switch (o) {
    case O_Real2Complex: return (complex_num){f, num_zero()};
    case O_Imag2Complex: return (complex_num){num_zero(), f};
    case O_ComplexExp1j: return (complex_num){num_apply(jet_cos, f, 4), num_apply(jet_sin, f, 4)};
    case O_Conj: return (complex_num){z.re, num_minus(z.im)};
    default: return complex_exp(z);
  }
}

static void eval_complex(const node *x, num a[KIDS][DIM_MAX], num *out) {
  const num *f = a[0];
  int df = x->k[0]->dim, dg = x->kids > 1 ? x->k[1]->dim : 0, half = x->dim / 2;
  switch (x->o) {
    case O_ComplexReal: case O_ComplexImag:
      for (int k = 0; k < x->dim; k++) out[k] = f[2 * k + (x->o == O_ComplexImag)];
      return;
    case O_ComplexSquareAbs: case O_ComplexAbs:
      for (int k = 0; k < x->dim; k++) {
        out[k] = square_abs((complex_num){f[2 * k], f[2 * k + 1]});
        if (x->o == O_ComplexAbs) out[k] = num_apply(jet_sqrt, out[k], 1);
      }
      return;
    case O_ComplexAngle:
      for (int k = 0; k < x->dim; k++) out[k] = atan2_of(f[2 * k + 1], f[2 * k]);
      return;
    case O_ComplexSum:
      out[0] = num_sum(f, df / 2, 2), out[1] = num_sum(f + 1, df / 2, 2);
      return;
    default: break;
  }
  for (int k = 0; k < half; k++) {
    complex_num z;
    if (x->o == O_Complex) z = (complex_num){bc(f, df, k), bc(a[1], dg, k)};
    else if (x->o == O_ComplexRealScal)
      z = (complex_num){num_mul(bc(f, df, k), a[1][2 * k]), num_mul(bc(f, df, k), a[1][2 * k + 1])};
    else if (x->o == O_ComplexSumT) z = (complex_num){f[0], f[1]};
    else if (x->kids == 2) z = complex_binary(x->o, complex_at(f, df, k), complex_at(a[1], dg, k));
    else if (x->o == O_Conj || x->o == O_ComplexExp) z = eval_complex1(x->o, (complex_num){f[2 * k], f[2 * k + 1]}, f[0]);
    else z = eval_complex1(x->o, (complex_num){f[0], f[0]}, f[k]);
    out[2 * k] = z.re, out[2 * k + 1] = z.im;
  }
}

/* ---- derivatives ---- */

static num derivative_part(const num *x, int bit) {
  num r = num_zero();
  for (int s = 0; s < bit; s++) r.v[s] = x->v[s | bit], r.e[s] = x->e[s | bit];
  return r;
}

/* out: the derivative of f in one direction: along component c of the variable, or along the
 * vector u. */
static void directional(const node *f, int var, int c, const num *u, int du, num *out) {
  int bit = W.coefs, before = E.perturbations;
  num inner[DIM_MAX];
  if (W.levels == LEVELS) abort();
  if (!u) E.p[E.perturbations++] = (perturbation){.var = var, .component = c, .bit = bit};
  else
    for (int k = 0; k < du; k++)
      E.p[E.perturbations++] = (perturbation){.var = var, .component = k, .bit = bit, .weight = u[k], .weighted = true};
  W.levels++, W.coefs *= 2;
  eval(f, inner);
  W.levels--, W.coefs /= 2;
  E.perturbations = before;
  for (int k = 0; k < f->dim; k++) out[k] = derivative_part(&inner[k], bit);
}

/* Divergence of the gradient: the sum of second derivatives. */
static num laplacian(const node *f, const node *v) {
  num t[DIM_MAX];
  for (int c = 0; c < v->dim; c++) {
    int bit = W.coefs, before = E.perturbations;
    num inner;
    if (W.levels + 2 > LEVELS) abort();
    E.p[E.perturbations++] = (perturbation){.var = v->n[0], .component = c, .bit = bit};
    E.p[E.perturbations++] = (perturbation){.var = v->n[0], .component = c, .bit = 2 * bit};
    W.levels += 2, W.coefs *= 4;
    eval(f, &inner);
    W.levels -= 2, W.coefs /= 4;
    E.perturbations = before;
    t[c] = num_zero();
    for (int s = 0; s < bit; s++) t[c].v[s] = inner.v[s | 3 * bit], t[c].e[s] = inner.e[s | 3 * bit];
  }
  return num_sum(t, v->dim, 1);
}

static void eval_derivative(const node *x, num *out) {
  const node *f = x->k[0], *v = x->k[1];
  num third[DIM_MAX], column[DIM_MAX], t[DIM_MAX];
  int d3 = x->kids > 2 ? x->k[2]->dim : 0;
  if (d3) eval(x->k[2], third);
  if (x->o == O_Laplacian) {
    out[0] = laplacian(f, v);
    return;
  }
  if (x->o == O_Diff) {
    directional(f, v->n[0], 0, third, d3, out);
    return;
  }
  for (int c = 0; c < v->dim; c++) {
    directional(f, v->n[0], c, NULL, 0, column);
    if (x->o == O_Grad || x->o == O_AdjointOperator) {
      for (int k = 0; k < f->dim; k++) t[k] = num_mul(column[k], bc(third, d3, k));
      out[c] = num_sum(t, f->dim, 1);
    } else if (x->o == O_GradMatrix) {
      for (int k = 0; k < f->dim; k++) out[k * v->dim + c] = column[k];
    } else {
      t[c] = d3 ? num_mul(column[c], bc(third, d3, c)) : column[c];
    }
  }
  if (x->o == O_Divergence || x->o == O_TraceOperator) out[0] = num_sum(t, v->dim, 1);
}

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
    else if (x->o == O_Step && isnan(f.v[0])) out[k] = f, out[k].e[0] = INFINITY; /* the language does not say */
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
