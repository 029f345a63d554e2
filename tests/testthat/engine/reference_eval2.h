/* reference_eval2.h: the second part of reference_eval.h: selection, complex numbers,
 * derivatives. */

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

#include "reference_walk.h"
