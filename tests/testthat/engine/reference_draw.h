/* reference_draw.h: random formulas.  Each subtree is evaluated on a few pairs when it is made, and
 * replaced where its values are meaningless (overflow, NaN, infinite bounds). */
#ifndef GENRED_REFERENCE_DRAW_H
#define GENRED_REFERENCE_DRAW_H

#include "reference_eval.h"
#include "reference_print.h"

static struct {
  variable vars[VARIABLES];
  int n;
  uint64_t data; /* seed of the numbers */
  bool f64, doubles; /* doubles: arguments that single precision does not hold */
  bool far;          /* numbers of GENERAL lie far from the origin */
  int derivatives;   /* how many may still be nested */
} D;

/* ---- the numbers of variables ---- */

static double special(uint64_t z) {
  static const double both[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1, -1, 0.5, -0.5, 2.5, -3,
                                0.25, 1e5, -1e5, 88.5, -87.25, 1.5707963267948966, 2, 12};
  static const double f32[] = {0x1p-149, -0x1p-149, 0x1p-127, -0x1p-127, 0x1p-126, -0x1p-126,
                               FLT_MAX, -FLT_MAX, 0x1p100, -0x1p100, 0x1p-66, 0x1p63};
  static const double f64[] = {0x1p-1074, -0x1p-1074, 0x1p-1023, -0x1p-1023, DBL_MIN, -DBL_MIN,
                               DBL_MAX, -DBL_MAX, 0x1p800, -0x1p800, 0x1p-530, 0x1p511};
  int k = (int)(z % 31);
  return k < 12 ? (D.f64 ? f64[k] : f32[k]) : both[k - 12];
}

static double extreme(uint64_t z) {
  static const double v[] = {-INFINITY, -INFINITY, INFINITY, 1e30, -1e30, 0, 1, 700, -700, 88, -88, 1e3};
  return v[z % 12];
}

static bool chance_of(uint64_t z, int n) { return z % 4 < (uint64_t)n; } /* n in 4 */

static double number(int var, draw how, int64_t row, int component) {
  uint64_t z = mix(D.data ^ mix((uint64_t)var * 1000003u + (uint64_t)component) ^ mix((uint64_t)row + 77));
  double u = (double)(z >> 11) / 9007199254740992.0, v;
  switch (how) {
    case ABOVE_ZERO: v = 0.1 + 2 * u; break;
    case WITHIN_ONE: v = 1.9 * u - 0.95; break;
    case WHOLE: v = floor(7 * u) - 3; break;
    case KNOTS: v = 0.5 * component - 2 + 0.4 * u; break;
    case SPECIAL: return chance_of(z, 3) ? special(z >> 8) : (double)(float)(u - 0.5);
    case EXTREME: return chance_of(mix(D.data + (uint64_t)row / 16), 2) ? extreme(z >> 8) : D.f64 ? -INFINITY : 2 * u;
    case WIDE: v = (z & 1 ? 1 : -1) * exp(8 * u - 4); break;
    default: v = 4 * u - 2 + (D.far ? FAR : 0);
  }
  return D.doubles && how != WHOLE ? v : (double)(float)v;
}

enum { TRIES = 4 };

/* Three rows of each variable, for trying. */
static double trial[VARIABLES][TRIES * DIM_MAX];

static node *new_variable(int dim, draw how) {
  variable *v = &D.vars[D.n];
  *v = (variable){.cat = (category)(roll(20) < 8 ? VI : roll(12) < 9 ? VJ : PM), .dim = dim, .how = how};
  if (how == KNOTS) v->cat = PM;
  v->data = trial[D.n], v->rows = v->cat == PM ? 1 : TRIES, v->stride = TRIES;
  for (int r = 0; r < TRIES; r++)
    for (int k = 0; k < dim; k++) trial[D.n][r + k * TRIES] = number(D.n, how, v->cat == PM ? 0 : r, k);
  node *x = new_node(O_Var, dim);
  x->n[0] = D.n++;
  return x;
}

static node *constant(const char *s) {
  node *x = new_node(O_Const, 1);
  x->text = s;
  return x;
}

static node *a_constant(void) {
  static const char *const texts[] = {"2", "0.5", "3", "1", "1.5", "0.1", "7", "1e-1", "2.5e0", "0.25", "0.3333", "1.25"};
  switch (roll(8)) {
    case 0: return with_ints(new_node(O_IntCst, 1), 1, roll(9) - 4, 0);
    case 1: return with_ints(new_node(O_IntInv, 1), 1, roll(9) + 1, 0);
    case 2: return with_ints(new_node(O_RatCst, 1), 2, roll(9) - 4, roll(6) + 1);
    default: return constant(texts[roll(12)]);
  }
}

/* ---- trying ---- */

static bool sound(const node *x) {
  num out[DIM_MAX];
  E.vars = D.vars, E.perturbations = 0;
  work_in(D.f64);
  if (x->dim > DIM_MAX) return false;
  for (int t = 0; t < 3; t++) {
    E.row[0] = t, E.row[1] = t ? TRIES - t : 0, E.row[2] = 0;
    eval(x, out);
    for (int k = 0; k < x->dim; k++) {
      real v = fabsl(out[k].v[0]);
      if (!(v < 1e4L) || !(out[k].e[0] <= (D.f64 ? 1e-10L : 1e-3L) * (v + 1e-2L))) return false;
    }
  }
  return true;
}

/* ---- making ---- */

static node *make_tree(int dim, int depth);

static node *leaf(int dim, draw how) {
  if (dim == 1 && how == GENERAL && chance(20)) return a_constant();
  if (how == GENERAL && chance(3)) return with_ints(new_node(O_Zero, dim), 1, dim, 0);
  int same[VARIABLES], n = 0, wide = -1;
  for (int k = 0; k < D.n; k++) {
    if (D.vars[k].dim == dim && (how == GENERAL || D.vars[k].how == how)) same[n++] = k;
    if (D.vars[k].dim > dim) wide = k;
  }
  if (D.n < VARIABLES - 2 && (n == 0 || chance(35))) {
    static const draw some[] = {GENERAL, GENERAL, ABOVE_ZERO, WITHIN_ONE, WHOLE};
    return new_variable(dim, how != GENERAL ? how : some[roll(5)]);
  }
  if (n) {
    node *x = new_node(O_Var, dim);
    x->n[0] = same[roll(n)];
    return x;
  }
  if (how != GENERAL) return NULL;
  if (wide >= 0) {
    node *x = new_node(O_Var, D.vars[wide].dim);
    x->n[0] = wide;
    int from = roll(x->dim - dim + 1);
    if (dim == 1) return with_ints(with_kids(O_Elem, 1, x, NULL, NULL), 1, from, 0);
    return with_ints(with_kids(O_Extract, dim, x, NULL, NULL), 2, from, dim);
  }
  return dim == 1 ? a_constant() : with_ints(with_kids(O_SumT, dim, a_constant(), NULL, NULL), 1, dim, 0);
}

/* f made fit for a domain. */
static node *fit(node *f, domain where) {
  int r = roll(4);
  if (where == ANY || chance(3)) return f;
  if (where == SMALL) return r < 2 ? f : with_kids(r == 2 ? O_Tanh : O_Sin, f->dim, f, NULL, NULL);
  if (where == UNIT) return with_kids(r < 2 ? O_Tanh : r == 2 ? O_Sin : O_Erf, f->dim, f, NULL, NULL);
  node *x = r == 0 ? leaf(f->dim, ABOVE_ZERO) : NULL;
  if (x) return x;
  if (r == 1) return with_kids(O_Add, f->dim, with_kids(O_Square, f->dim, f, NULL, NULL), constant("0.5"), NULL);
  if (r == 2) return with_kids(O_Sigmoid, f->dim, f, NULL, NULL);
  return with_kids(O_Add, f->dim, with_kids(O_Abs, f->dim, f, NULL, NULL), constant("0.125"), NULL);
}

static int part_of(int dim) { return chance(25) ? 1 : dim; }

static node *make_unary(int dim, int depth) {
  op o = (op)(FIRST_UNARY + roll(LAST_UNARY - FIRST_UNARY + 1));
  return with_kids(o, dim, fit(make_tree(dim, depth), unaries[o - FIRST_UNARY].where), NULL, NULL);
}

static node *make_arithmetic(int dim, int depth) {
  static const op all[] = {O_Add, O_Subtract, O_Mult, O_Divide, O_Add, O_Subtract, O_Mult, O_Divide, O_Powf, O_Atan2, O_Hypot, O_And,
                           O_Or, O_Equal, O_NotEqual, O_LessThan, O_LessOrEqual};
  op o = all[roll(17)];
  int da = part_of(dim), db = da < dim ? dim : part_of(dim);
  node *a = make_tree(da, depth), *b = make_tree(db, depth);
  if (o == O_Powf) a = fit(a, POSITIVE), b = fit(b, SMALL);
  if (o == O_Divide) b = fit(b, POSITIVE);
  return with_kids(o, dim, a, b, NULL);
}

static node *make_ternary(int dim, int depth) {
  int r = roll(6), p = roll(4);
  node *f = make_tree(dim, depth);
  if (r == 0) {
    node *n = new_node(O_Pow, dim);
    n->kids = 1, n->k[0] = f;
    n->n[0] = roll(9) - 3, n->ints = 1;
    if (n->n[0] < 0) n->k[0] = fit(f, POSITIVE);
    return n;
  }
  if (r == 1) return with_ints(with_kids(O_ClampInt, dim, f, NULL, NULL), 2, -roll(3), roll(3));
  if (r == 2) return with_ints(with_kids(O_Round, dim, f, NULL, NULL), 1, roll(4), 0);
  node *g = make_tree(part_of(dim), depth), *h = make_tree(part_of(dim), depth);
  if (r == 3) return with_kids(O_IfElse, dim, f, g, h);
  if (r == 4) return with_kids(O_Mod, dim, f, fit(g, POSITIVE), h);
  node *low = with_kids(O_Minus, 1, with_kids(O_Abs, 1, make_tree(1, depth), NULL, NULL), NULL, NULL);
  return p ? with_kids(O_Clamp, dim, f, low, fit(g, POSITIVE)) : with_kids(O_Clamp, dim, f, constant("0.25"), constant("1.5"));
}

#include "reference_draw2.h"

#endif
