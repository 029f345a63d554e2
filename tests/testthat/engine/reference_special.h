/* reference_special.h: one small formula for every operation, fed with special values; and
 * special values in every reduction. */
#ifndef GENRED_REFERENCE_SPECIAL_H
#define GENRED_REFERENCE_SPECIAL_H

#include "reference_case.h"

static node *fresh(int dim, draw how) {
  node *x = new_variable(dim, how);
  D.vars[x->n[0]].cat = VI;
  return x;
}

/* The n-th formula of nothing but this operation, or NULL. */
static node *example_of(op o, int n, draw how) {
  int d = n == 0 ? 1 : 3;
  if (n > 1 && o != O_Pow) return NULL;
  node *a = NULL, *b = NULL, *c = NULL;
  if (o <= LAST_UNARY) return o < FIRST_UNARY || n ? NULL : with_kids(o, 1, fresh(1, how), NULL, NULL);
  switch (o) {
    case O_Add: case O_Subtract: case O_Mult: case O_Divide: case O_Powf: case O_Atan2: case O_Hypot: case O_And: case O_Or:
    case O_Equal: case O_NotEqual: case O_LessThan: case O_LessOrEqual:
      a = fresh(1, how), b = fresh(1, how);
      return n ? NULL : with_kids(o, 1, a, b, NULL);
    case O_Mod: case O_Clamp: case O_IfElse:
      a = fresh(1, how), b = fresh(1, how), c = fresh(1, how);
      return n ? NULL : with_kids(o, 1, a, b, c);
    case O_Pow: return with_ints(with_kids(o, 1, fresh(1, how), NULL, NULL), 1, n - 1, 0);
    case O_ClampInt: return with_ints(with_kids(o, 1, fresh(1, how), NULL, NULL), 2, -1, 2 + n);
    case O_Round: return with_ints(with_kids(o, 1, fresh(1, how), NULL, NULL), 1, n, 0);
    case O_SqNorm2: case O_Norm2: case O_Sum: case O_Max: case O_Min: case O_ArgMax: case O_ArgMin:
      return with_kids(o, 1, fresh(d, how), NULL, NULL);
    case O_Normalize: return with_kids(o, d, fresh(d, how), NULL, NULL);
    case O_Scalprod: case O_SqDist: case O_SqNormDiag: case O_WeightedSqNorm:
      a = fresh(d, how), b = fresh(d, how);
      return with_kids(o, 1, a, b, NULL);
    case O_SqNormIso:
      a = fresh(1, how), b = fresh(d, how);
      return with_kids(o, 1, a, b, NULL);
    case O_ElemT: return with_ints(with_kids(o, 2, fresh(1, how), NULL, NULL), 2, 2, n);
    case O_OneHot: return with_ints(with_kids(o, d, fresh(1, how), NULL, NULL), 1, d, 0);
    case O_TensorProd: case O_MatVecMult:
      a = fresh(d, how), b = fresh(1, how);
      return with_kids(o, d, a, b, NULL);
    case O_BSpline:
      a = fresh(3 + n, KNOTS), b = fresh(1, how);
      return with_ints(with_kids(o, 2, a, b, NULL), 1, n, 0);
    case O_ComplexReal: case O_ComplexImag: case O_ComplexAbs: case O_ComplexSquareAbs: case O_ComplexAngle:
      return n ? NULL : with_kids(o, 1, fresh(2, how), NULL, NULL);
    case O_Real2Complex: case O_Imag2Complex: case O_ComplexExp1j: return n ? NULL : with_kids(o, 2, fresh(1, how), NULL, NULL);
    case O_Conj: case O_ComplexExp: return n ? NULL : with_kids(o, 2, fresh(2, how), NULL, NULL);
    case O_ComplexAdd: case O_ComplexSubtract: case O_ComplexMult: case O_ComplexDivide: case O_ComplexScal:
      a = fresh(2, how), b = fresh(2, how);
      return n ? NULL : with_kids(o, 2, a, b, NULL);
    case O_ComplexRealScal:
      a = fresh(1, how), b = fresh(2, how);
      return n ? NULL : with_kids(o, 2, a, b, NULL);
    default: return NULL;
  }
}

static node *un(op o, node *a) { return with_kids(o, a->dim, a, NULL, NULL); }
static node *bin(op o, node *a, node *b) { return with_kids(o, a->dim, a, b, NULL); }

/* Chains that overflow, vanish or divide by nothing; d is SqDist(x,y). */
static node *chain_with_distance(int n, node *d, node *g) {
  switch (n) {
    case 0: case 1: return bin(O_Divide, constant("1"), un(O_Sqrt, d));
    case 2: case 3: return un(O_Exp, un(O_Minus, bin(O_Mult, g, d)));
    case 4: case 5: return un(O_Exp, un(O_Minus, d));
    case 6: case 7: return un(O_Exp, bin(O_Divide, d, un(O_Square, g)));
    case 8: case 9: return bin(O_Divide, constant("1"), un(O_Sqrt, bin(O_Add, d, constant("1e-37"))));
    case 10: return un(O_Log, bin(O_Add, d, constant("1e-30")));
    case 11: return un(O_Exp, bin(O_Mult, constant("1e30"), d));
    case 12: return un(O_Exp, bin(O_Divide, un(O_Minus, d), constant("1e-30")));
    case 13: return bin(O_Divide, constant("1"), bin(O_Add, constant("1"), d));
    case 14: return un(O_Exp, bin(O_Mult, bin(O_Mult, g, constant("1e20")), d));
    case 15: return un(O_Rsqrt, bin(O_Add, constant("1"), d));
    case 16: return un(O_Inv, bin(O_Add, constant("1"), bin(O_Mult, g, d)));
    default: return un(O_Exp, un(O_Minus, bin(O_Divide, un(O_Sqrt, d), g)));
  }
}

static node *chain_of_numbers(int n, node *x, node *y, node *g) {
  switch (n) {
    case 0: return bin(O_Mult, un(O_Exp, g), un(O_Exp, un(O_Minus, g)));
    case 1: return un(O_Log, un(O_Exp, x));
    case 2: return bin(O_Divide, bin(O_Mult, g, g), g);
    case 3: return bin(O_Divide, x, constant("3"));
    case 4: return un(O_Sqrt, un(O_Square, g));
    case 5: return un(O_Square, un(O_Sqrt, x));
    case 6: return un(O_Inv, un(O_Inv, g));
    case 7: return bin(O_Mult, x, constant("0"));
    case 8: return bin(O_Subtract, g, g);
    case 9: return bin(O_Divide, x, x);
    case 10: return bin(O_Add, g, constant("0"));
    case 11: return bin(O_Divide, constant("1"), bin(O_Add, x, y));
    case 12: return bin(O_Divide, g, bin(O_Add, g, x));
    case 13: return bin(O_Powf, x, constant("0.5"));
    case 14: return bin(O_Powf, g, constant("2.5"));
    case 15: return un(O_Minus, bin(O_Subtract, x, y));
    case 16: return bin(O_Mult, bin(O_Divide, constant("1"), g), g);
    case 17: return with_kids(O_Max, 1, with_kids(O_Concat, 2, x, y, NULL), NULL, NULL);
    case 18: return un(O_Exp, bin(O_Mult, un(O_Minus, g), x));
    case 19: return bin(O_Divide, bin(O_Mult, x, constant("1e30")), constant("1e30"));
    case 20: return un(O_Sqrt, bin(O_Mult, g, x));
    default: return un(O_Exp, un(O_Minus, with_kids(O_Norm2, 1, bin(O_Subtract, x, y), NULL, NULL)));
  }
}

enum { DISTANCE_CHAINS = 18, NUMBER_CHAINS = 22 };

static node *chain_of(int n, draw how) {
  int d = n < DISTANCE_CHAINS && n % 2 == 0 ? 2 : 1;
  node *x = fresh(d, how), *y = fresh(d, how), *g = fresh(1, how);
  if (n < DISTANCE_CHAINS) return chain_with_distance(n, with_kids(O_SqDist, 1, x, y, NULL), g);
  return chain_of_numbers(n - DISTANCE_CHAINS, x, y, g);
}

enum { SPECIAL_ROWS = 400, CHAINS = DISTANCE_CHAINS + NUMBER_CHAINS, CHAIN_SEEDS = 4, FAR_CASES = 48 };

static void special_setup(setup *s, bool f64, uint64_t from) {
  memset(s, 0, sizeof *s);
  memset(&D, 0, sizeof D);
  s->seed = from;
  D.data = s->data = mix(from), D.f64 = s->f64 = f64;
  dice = mix(from + 1);
  s->red = R_SUM, s->axis = 1, s->m = SPECIAL_ROWS, s->n = 1;
  s->scheme = s->acc = "auto", s->all_rows = true;
}

static bool finish_setup(setup *s, node *root) {
  s->root = root;
  if (!root) return false;
  plain_print = true;
  name_variables(s);
  s->positions = false;
  for (int k = 0; k < D.n; k++) s->order[k] = k, s->vars[k].unused = false, snprintf(s->vars[k].name, 24, "%s", names[k]);
  write_aliases(s);
  write_formulas(s);
  plain_print = false;
  return true;
}

/* The n-th call with special values, or false where there are no more. */
static bool special_case(setup *s, int n, bool f64) {
  special_setup(s, f64, 900000000u + (uint64_t)n);
  return n / 2 < O_COUNT && finish_setup(s, example_of((op)(n / 2), n % 2, SPECIAL));
}

/* Chains; where seed > 0, y is indexed by j and g is a parameter. */
static bool chain_case(setup *s, int n, bool f64) {
  int seed = n % CHAIN_SEEDS;
  special_setup(s, f64, 930000000u + (uint64_t)n);
  node *f = chain_of(n / CHAIN_SEEDS, SPECIAL);
  if (f && seed) D.vars[1].cat = seed % 2 ? VJ : PM, D.vars[2].cat = PM;
  return finish_setup(s, f);
}

/* Derivatives by every argument, where there are zeros and ties. */
static bool derivative_case(setup *s, int n, bool f64) {
  int o = n / 12, arg = n / 4 % 3;
  special_setup(s, f64, 910000000u + (uint64_t)n);
  s->m = 60;
  node *f = example_of((op)o, n % 2, n / 2 % 2 ? WHOLE : GENERAL), *v;
  if (!f || arg >= f->kids) return false;
  v = copy_variable(f->k[arg]);
  node *e = f->dim == 1 ? constant("1") : fresh(f->dim, WHOLE);
  return finish_setup(s, with_kids(O_Grad, v->dim, f, v, e));
}

/* Ties, NaN and infinities in every reduction. */
static bool reduction_case(setup *s, int n, bool f64) {
  int r = n / 12, how = n % 3, d = n / 3 % 2 ? 1 : 3, axis = n / 6 % 2;
  static const int sizes[] = {1, 7, 64, 100, 257, 600, 4099, 9001};
  special_setup(s, f64, 920000000u + (uint64_t)n);
  s->red = (reduction)r, s->axis = axis;
  const struct reduction_row *row = &reductions[r];
  node *f = fresh(row->scalar ? 1 : d, (draw[]){WHOLE, SPECIAL, EXTREME}[how]);
  D.vars[f->n[0]].cat = axis ? VJ : VI;
  node *p = fresh(1, WHOLE);
  D.vars[p->n[0]].cat = axis ? VI : VJ;
  s->k = row->k ? 1 + n % 5 * 7 : 0;
  if (row->weight) {
    s->weight = fresh(d, (draw[]){ABOVE_ZERO, WHOLE, SPECIAL, EXTREME}[n / 3 % 4]);
    D.vars[s->weight->n[0]].cat = axis ? VJ : VI;
  }
  int64_t size = sizes[roll(8)], rows = 1 + roll(5);
  s->m = axis ? rows : size, s->n = axis ? size : rows;
  if (how == 0) f = with_kids(O_Add, f->dim, f, p, NULL);
  return finish_setup(s, f);
}

/* Data far from the origin: what depends on differences alone is as exact as these. */
static bool far_case(setup *s, int n, bool f64) {
  static const reduction reds[] = {R_SUM, R_KMIN_ARGKMIN, R_LSE, R_MIN_ARGMIN};
  int form = n / 8, d = n % 2 ? 3 : 1;
  special_setup(s, f64, 940000000u + (uint64_t)n);
  D.far = s->far = true, D.doubles = s->doubles = true;
  s->red = reds[n / 2 % 4], s->k = reductions[s->red].k ? 3 : 0, s->m = 20, s->n = 70;
  node *x = fresh(d, GENERAL), *y = fresh(d, GENERAL), *w, *f;
  D.vars[y->n[0]].cat = VJ;
  node *apart = with_kids(O_SqDist, 1, x, y, NULL);
  switch (form) {
    case 0: f = apart; break;
    case 1: f = un(O_Exp, bin(O_Divide, un(O_Minus, apart), constant("2"))); break;
    case 2: f = with_kids(O_Norm2, 1, with_kids(O_Subtract, d, x, y, NULL), NULL, NULL); break;
    case 3: f = with_kids(O_Sum, 1, un(O_Abs, bin(O_Subtract, y, x)), NULL, NULL); break;
    case 4:
      w = with_ints(with_kids(O_SumT, d, constant("0.5"), NULL, NULL), 1, d, 0);
      f = with_kids(O_WeightedSqDist, 1, w, x, y);
      break;
    case 5: f = with_kids(O_Sum, 1, with_kids(O_Grad, d, apart, copy_variable(x), constant("1")), NULL, NULL); break;
    default: return false;
  }
  return finish_setup(s, f);
}

#endif
