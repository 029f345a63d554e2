/* reference_draw2.h: the second half of reference_draw.h: vectors, tensors, complex numbers,
 * derivatives. */

static const int dims[] = {1, 2, 3, 5, 9, 17};

static int a_dim(int most) {
  int d;
  if (most >= 17 && chance(4)) return (int[]){33, 64, 65, 100}[roll(4)];
  do d = dims[chance(70) ? roll(4) : roll(6)];
  while (d > most);
  return d;
}

static node *make_scalar(int depth) {
  static const op ones[] = {O_SqNorm2, O_Norm2, O_Sum, O_Max, O_Min, O_ArgMax, O_ArgMin};
  int d = a_dim(17), r = roll(9);
  if (r < 3) return with_kids(ones[roll(7)], 1, make_tree(d, depth), NULL, NULL);
  if (r < 5) return with_kids(r == 3 ? O_Scalprod : O_SqDist, 1, make_tree(d, depth), make_tree(d, depth), NULL);
  if (r == 5) {
    int k = roll(d);
    return with_ints(with_kids(O_Elem, 1, make_tree(d, depth), NULL, NULL), 1, k, 0);
  }
  if (r == 6 && depth < 3) {
    node *g = make_tree(1, depth);
    g = with_kids(O_Add, 1, with_kids(O_Sigmoid, 1, g, NULL, NULL), constant("0.125"), NULL);
    return with_kids(O_SoftDTW_SqDist, 1, make_tree(1 + roll(5), depth), make_tree(1 + roll(5), depth), g);
  }
  d = a_dim(9);
  int form = roll(3), ds = form == 0 ? 1 : form == 1 ? d : d * d;
  node *s = make_tree(ds, depth), *g = make_tree(d, depth);
  op same = form == 0 ? O_SqNormIso : form == 1 ? O_SqNormDiag : O_SymSqNorm;
  if (roll(2)) return with_kids(O_WeightedSqDist, 1, s, g, make_tree(d, depth));
  return with_kids(roll(2) ? same : O_WeightedSqNorm, 1, s, g, NULL);
}

static node *make_selection(int dim, int depth) {
  int r = roll(7), p;
  node *x;
  switch (r) {
    case 0: return with_ints(with_kids(O_SumT, dim, make_tree(1, depth), NULL, NULL), 1, dim, 0);
    case 1: x = with_kids(O_ElemT, dim, make_tree(1, depth), NULL, NULL); return with_ints(x, 2, dim, roll(dim));
    case 2: p = roll(4); return with_ints(with_kids(O_Extract, dim, make_tree(dim + p, depth), NULL, NULL), 2, roll(p + 1), dim);
    case 3: p = 1 + roll(dim); return with_ints(with_kids(O_ExtractT, dim, make_tree(p, depth), NULL, NULL), 2, roll(dim - p + 1), dim);
    case 4: return with_ints(with_kids(O_OneHot, dim, make_tree(1, depth), NULL, NULL), 1, dim, 0);
    case 5: return with_kids(O_Normalize, dim, make_tree(dim, depth), NULL, NULL);
    default: break;
  }
  if (dim == 1) return make_unary(1, depth);
  p = 1 + roll(dim - 1);
  if (dim > 2 && p > 1 && chance(30)) {
    int q = 1 + roll(p - 1);
    return with_kids(O_Concat, dim, make_tree(q, depth), make_tree(p - q, depth), make_tree(dim - p, depth));
  }
  return with_kids(O_Concat, dim, make_tree(p, depth), make_tree(dim - p, depth), NULL);
}

static void set_list(node *x, int l, int n, const int *v) {
  x->length[l] = n;
  for (int k = 0; k < n; k++) x->list[l][k] = v[k];
}

static node *make_tensor_dot(int dim, int depth) {
  int p = 1, c1 = 1 + roll(3), c2 = 1 + roll(2), contf[2] = {0}, contg[2] = {0}, both = roll(2), two = roll(2), sf[AXES], sg[AXES];
  for (int k = 2; k < dim; k++)
    if (dim % k == 0 && chance(50)) p = k;
  int q = dim / p, nf = 0, ng = 0;
  /* f has the axes c1 p (c2) or p c1 (c2), g those of c2 and c1 around q */
  if (both) contf[0] = nf, sf[nf++] = c1;
  sf[nf++] = p;
  if (!both) contf[0] = nf, sf[nf++] = c1;
  if (two) contf[1] = nf, sf[nf++] = c2;
  if (two && chance(50)) contg[1] = ng, sg[ng++] = c2;
  else two = two ? 2 : 0;
  sg[ng++] = q;
  contg[0] = ng, sg[ng++] = c1;
  if (two == 2) contg[1] = ng, sg[ng++] = c2;
  int df = 1, dg = 1;
  for (int k = 0; k < nf; k++) df *= sf[k];
  for (int k = 0; k < ng; k++) dg *= sg[k];
  if (df > DIM_MAX / 2 || dg > DIM_MAX / 2) return make_arithmetic(dim, depth);
  node *x = with_kids(O_TensorDot, dim, make_tree(df, depth), make_tree(dg, depth), NULL);
  set_list(x, 0, nf, sf), set_list(x, 1, ng, sg), set_list(x, 2, two ? 2 : 1, contf), set_list(x, 3, two ? 2 : 1, contg);
  x->lists = 4;
  if (chance(40)) {
    int order = roll(2);
    set_list(x, 4, 2, (int[]){order, 1 - order});
    x->lists = 5;
  }
  return x;
}

static node *make_tensor(int dim, int depth) {
  int r = roll(6), k = 1 + roll(4), p = 1;
  if (r == 0 && dim * k <= 48) return with_kids(O_MatVecMult, dim, make_tree(dim * k, depth), make_tree(k, depth), NULL);
  if (r == 1 && dim * k <= 48) return with_kids(O_VecMatMult, dim, make_tree(k, depth), make_tree(dim * k, depth), NULL);
  for (int q = 2; q <= dim; q++)
    if (dim % q == 0 && chance(50)) p = q;
  if (r == 2) return with_kids(O_TensorProd, dim, make_tree(p, depth), make_tree(dim / p, depth), NULL);
  if (r == 3) {
    node *x = with_kids(O_Kron, dim, make_tree(p, depth), make_tree(dim / p, depth), NULL);
    int axes = 1 + roll(2), f[2] = {p, 1}, g[2] = {dim / p, 1};
    if (axes == 2) {
      for (int q = 2; q <= p; q++)
        if (p % q == 0 && chance(50)) f[0] = p / q, f[1] = q;
      for (int q = 2; q <= dim / p; q++)
        if (dim / p % q == 0 && chance(50)) g[0] = dim / p / q, g[1] = q;
    }
    set_list(x, 0, axes, f), set_list(x, 1, axes, g);
    x->lists = 2;
    return x;
  }
  if (r == 4 && dim <= 9) {
    int order = roll(4);
    node *knots = leaf(dim + order + 1, KNOTS);
    if (!knots) return make_arithmetic(dim, depth);
    return with_ints(with_kids(O_BSpline, dim, knots, make_tree(1, depth), NULL), 1, order, 0);
  }
  return make_tensor_dot(dim, depth);
}

static node *make_complex(int dim, int depth) {
  if (dim % 2) {
    static const op real_of[] = {O_ComplexReal, O_ComplexImag, O_ComplexAbs, O_ComplexSquareAbs, O_ComplexAngle};
    return with_kids(real_of[roll(5)], dim, make_tree(2 * dim, depth), NULL, NULL);
  }
  int r = roll(11), half = dim / 2;
  static const op pairs[] = {O_ComplexAdd, O_ComplexSubtract, O_ComplexMult, O_ComplexDivide};
  if (r < 4) {
    int da = dim, db = chance(25) ? 2 : dim;
    node *a = make_tree(chance(50) ? da : db, depth), *b = make_tree(a->dim == dim ? db : dim, depth);
    return with_kids(pairs[r], dim, a, b, NULL);
  }
  if (r == 4) return with_kids(chance(50) ? O_Real2Complex : O_Imag2Complex, dim, make_tree(half, depth), NULL, NULL);
  if (r == 5) return with_kids(O_Complex, dim, make_tree(half, depth), make_tree(half, depth), NULL);
  if (r == 6) return with_kids(O_ComplexExp1j, dim, make_tree(half, depth), NULL, NULL);
  if (r == 7) return with_kids(chance(50) ? O_Conj : O_ComplexExp, dim, make_tree(dim, depth), NULL, NULL);
  if (r == 8) return with_kids(O_ComplexRealScal, dim, make_tree(chance(50) ? 1 : half, depth), make_tree(dim, depth), NULL);
  if (r == 9) return with_kids(O_ComplexScal, dim, make_tree(2, depth), make_tree(dim, depth), NULL);
  if (dim == 2) return with_kids(O_ComplexSum, 2, make_tree(2 * a_dim(9), depth), NULL, NULL);
  return with_ints(with_kids(O_ComplexSumT, dim, make_tree(2, depth), NULL, NULL), 1, dim, 0);
}

/* ---- derivatives ---- */

static void variables_in(const node *x, int dim, const node **found, int *n) {
  if (x->o == O_Var && x->dim == dim && *n < 32) found[(*n)++] = x;
  for (int k = 0; k < x->kids; k++) variables_in(x->k[k], dim, found, n);
}

static node *copy_variable(const node *v) {
  node *x = new_node(O_Var, v->dim);
  x->n[0] = v->n[0];
  return x;
}

/* A tree of dimension df that has a variable of dimension dv in it, if it can be. */
static node *make_function(int df, int dv, int depth, node **v) {
  const node *found[32];
  int n = 0;
  node *f = make_tree(df, depth);
  variables_in(f, dv, found, &n);
  if (n) {
    *v = copy_variable(found[roll(n)]);
    return f;
  }
  node *x = leaf(dv, chance(50) ? GENERAL : ABOVE_ZERO);
  if (!x || x->o != O_Var) x = D.n < VARIABLES ? new_variable(dv, GENERAL) : NULL;
  if (!x) return NULL;
  *v = copy_variable(x);
  if (dv == df) {
    static const op smooth[] = {O_Sin, O_Tanh, O_Square, O_Atan, O_Sigmoid, O_Softplus, O_Erf, O_Minus};
    return with_kids(chance(50) ? O_Mult : O_Add, df, f, with_kids(smooth[roll(8)], df, x, NULL, NULL), NULL);
  }
  return with_kids(O_Mult, df, f, with_kids(chance(50) ? O_SqNorm2 : O_Norm2, 1, x, NULL, NULL), NULL);
}

static node *linear_in(node *v, int depth) {
  int d = v->dim, r = roll(3);
  node *g;
  for (int tries = 0; tries < 5; tries++) {
    const node *found[32];
    int k = 0;
    bool free_of_v = true;
    g = make_tree(r == 2 ? d * d : r == 1 ? 1 : d, depth);
    variables_in(g, d, found, &k);
    while (k-- > 0) free_of_v = free_of_v && found[k]->n[0] != v->n[0];
    if (free_of_v) return r == 2 ? with_kids(O_MatVecMult, d, g, v, NULL) : with_kids(O_Mult, d, v, g, NULL);
  }
  return with_kids(O_Mult, d, v, constant("2"), NULL);
}

static node *make_derivative(int dim, int depth) {
  int levels = D.derivatives, r = roll(8);
  node *f = NULL, *v = NULL, *x = NULL;
  if (levels < 1) return NULL;
  D.derivatives--;
  int df = a_dim(5), dv = a_dim(5);
  if (r < 3 && dim <= 9 && (f = make_function(df, dim, depth, &v))) {
    D.derivatives++;
    x = with_kids(O_Grad, dim, f, v, make_tree(df, depth));
  } else if (r < 5 && (f = make_function(dim, dv, depth, &v))) {
    D.derivatives++;
    x = with_kids(O_Diff, dim, f, v, make_tree(dv, depth));
  } else if (r == 5 && dim <= 9) {
    v = leaf(dim, GENERAL);
    if (v->o == O_Var) {
      node *l = linear_in(copy_variable(v), depth);
      D.derivatives++;
      if (dim == 1 && chance(60)) x = with_kids(O_TraceOperator, 1, l, v, chance(50) ? make_tree(1, depth) : NULL);
      else x = with_kids(O_AdjointOperator, dim, l, v, make_tree(dim, depth));
    }
  } else if (dim == 1 && r == 6) {
    if ((f = make_function(dv, dv, depth, &v))) x = with_kids(O_Divergence, 1, f, v, NULL);
  } else if (dim == 1 && levels >= 2) {
    D.derivatives--;
    if ((f = make_function(1, dv, depth, &v))) x = with_kids(O_Laplacian, 1, f, v, NULL);
  } else if (r == 7) {
    int p = 1;
    for (int q = 2; q <= dim; q++)
      if (dim % q == 0 && chance(50)) p = q;
    if (dim / p <= 5 && (f = make_function(p, dim / p, depth, &v))) x = with_kids(O_GradMatrix, dim, f, v, NULL);
  }
  D.derivatives = levels;
  return x;
}

static node *make_tree_once(int dim, int depth) {
  if (depth <= 0 || pooled > POOL / 2 || chance(8)) return leaf(dim, GENERAL);
  int r = roll(100);
  if (r < 22) return make_unary(dim, depth - 1);
  if (r < 44) return make_arithmetic(dim, depth - 1);
  if (r < 52) return make_ternary(dim, depth - 1);
  if (r < 68 && dim == 1) return make_scalar(depth - 1);
  if (r < 76) return make_selection(dim, depth - 1);
  if (r < 84) return make_tensor(dim, depth - 1);
  if (r < 91 && dim <= 18) return make_complex(dim, depth - 1);
  node *x = make_derivative(dim, depth - 1);
  return x ? x : make_arithmetic(dim, depth - 1);
}

static node *make_tree(int dim, int depth) {
  for (int tries = 0; tries < 6; tries++) {
    int n = D.n, derivatives = D.derivatives;
    node *x = make_tree_once(dim, depth);
    if (x && x->dim == dim && (chance(3) || sound(x))) return x;
    D.n = n, D.derivatives = derivatives;
  }
  return leaf(dim, GENERAL);
}
