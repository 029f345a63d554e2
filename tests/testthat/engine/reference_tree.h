/* reference_tree.h: formulas as trees, and the table of what can be in them. */
#ifndef GENRED_REFERENCE_TREE_H
#define GENRED_REFERENCE_TREE_H

#include "reference_functions.h"

/* The domain that an argument must have for a meaningful result. */
typedef enum domain { ANY, SMALL, POSITIVE, UNIT } domain;

/* Functions of one number: name, derivatives, accuracy in units of the last place, domain. */
#define UNARY_OPERATIONS(X) \
  X(Minus, NULL, 0, ANY) X(Square, jet_square, 1, ANY) X(Inv, jet_inv, 1, POSITIVE) \
  X(Exp, jet_exp, 4, SMALL) X(Exp2, jet_exp2, 4, SMALL) X(Log, jet_log, 4, POSITIVE) X(XLogX, jet_xlogx, 5, POSITIVE) \
  X(Sin, jet_sin, 4, ANY) X(Cos, jet_cos, 4, ANY) X(SinXDivX, jet_sinc, 5, ANY) X(SinXDivXDiff, jet_sinc1, 5, ANY) \
  X(Asin, jet_asin, 4, UNIT) X(Acos, jet_acos, 4, UNIT) X(Atan, jet_atan, 4, ANY) X(Sqrt, jet_sqrt, 1, POSITIVE) \
  X(Rsqrt, jet_rsqrt, 3, POSITIVE) X(Abs, jet_abs, 0, ANY) X(Sign, jet_sign, 0, ANY) X(Step, jet_step, 0, ANY) \
  X(ReLU, jet_relu, 0, ANY) X(Floor, jet_floor, 0, ANY) X(Tan, jet_tan, 4, UNIT) \
  X(Tanh, jet_tanh, 4, ANY) X(Sinh, jet_sinh, 4, SMALL) X(Cosh, jet_cosh, 4, SMALL) X(Sigmoid, jet_sigmoid, 4, ANY) \
  X(Softplus, jet_softplus, 4, ANY) X(Log1p, jet_log1p, 4, POSITIVE) X(Expm1, jet_expm1, 4, SMALL) X(Erf, jet_erf, 4, ANY) \
  X(Erfc, jet_erfc, 4, SMALL) X(Lgamma, jet_lgamma, 5, POSITIVE) X(Digamma, jet_digamma, 5, POSITIVE) \
  X(Trigamma, jet_trigamma, 5, POSITIVE) X(Ceil, jet_ceil, 0, ANY) X(Not, jet_not, 0, ANY)

/* The others: the arguments that are expressions come first in each, then integers, then lists. */
#define OTHER_OPERATIONS(X) \
  X(Zero) X(IntCst) X(IntInv) X(RatCst) X(Add) X(Subtract) X(Mult) X(Divide) X(Pow) X(Powf) X(Atan2) X(Hypot) X(And) X(Or) \
  X(Mod) X(Clamp) X(ClampInt) X(IfElse) X(Round) X(Equal) X(NotEqual) X(LessThan) X(LessOrEqual) X(Scalprod) X(SqNorm2) \
  X(Norm2) X(Normalize) X(SqDist) X(Sum) X(SumT) X(Max) X(Min) X(ArgMax) X(ArgMin) X(SqNormIso) X(SqNormDiag) X(SymSqNorm) \
  X(WeightedSqNorm) X(WeightedSqDist) X(Elem) X(ElemT) X(Extract) X(ExtractT) X(Concat) X(OneHot) X(MatVecMult) \
  X(VecMatMult) X(TensorProd) X(Kron) X(TensorDot) X(BSpline) X(SoftDTW_SqDist) X(ComplexReal) X(ComplexImag) X(ComplexAbs) \
  X(ComplexSquareAbs) X(ComplexAngle) X(Real2Complex) X(Imag2Complex) X(Complex) X(Conj) X(ComplexExp) X(ComplexExp1j) \
  X(ComplexAdd) X(ComplexSubtract) X(ComplexMult) X(ComplexDivide) X(ComplexRealScal) X(ComplexScal) X(ComplexSum) \
  X(ComplexSumT) X(Grad) X(Diff) X(GradMatrix) X(Divergence) X(Laplacian) X(TraceOperator) X(AdjointOperator)

typedef enum op {
  O_Var, O_Const,
#define X(name, jet, ulps, domain) O_##name,
  UNARY_OPERATIONS(X)
#undef X
#define X(name) O_##name,
  OTHER_OPERATIONS(X)
#undef X
  O_COUNT
} op;

static const char *const op_names[] = {
  "", "",
#define X(name, jet, ulps, domain) #name,
  UNARY_OPERATIONS(X)
#undef X
#define X(name) #name,
  OTHER_OPERATIONS(X)
#undef X
};

static const struct unary {
  function f;
  int ulps;
  domain where;
} unaries[] = {
#define X(name, jet, ulps, domain) {jet, ulps, domain},
  UNARY_OPERATIONS(X)
#undef X
};

static const op FIRST_UNARY = O_Minus, LAST_UNARY = O_Not;

enum { DIM_MAX = 128, KIDS = 4, LISTS = 5, AXES = 4 };

typedef struct node node;
struct node {
  op o;
  int dim, kids, ints, lists;
  node *k[KIDS];
  int n[3];             /* of a variable, n[0] is its number */
  int list[LISTS][AXES], length[LISTS];
  const char *text;     /* of a constant */
};

enum { POOL = 1 << 18 };

static node *pool[POOL];
static int pooled;

static node *new_node(op o, int dim) {
  node *x = pooled < POOL ? calloc(1, sizeof *x) : NULL;
  if (!x) abort();
  pool[pooled++] = x;
  x->o = o, x->dim = dim;
  return x;
}

static void free_nodes(void) {
  while (pooled > 0) free(pool[--pooled]);
}

static node *with_kids(op o, int dim, node *a, node *b, node *c) {
  node *x = new_node(o, dim);
  node *k[] = {a, b, c};
  while (x->kids < 3 && k[x->kids]) x->k[x->kids] = k[x->kids], x->kids++;
  return x;
}

static node *with_ints(node *x, int count, int n, int m) {
  x->ints = count, x->n[0] = n, x->n[1] = m;
  return x;
}

/* ---- variables ---- */

typedef enum category { VI, VJ, PM } category;

/* How the numbers of a variable are drawn. */
typedef enum draw { GENERAL, ABOVE_ZERO, WITHIN_ONE, WHOLE, KNOTS, WIDE, SPECIAL, EXTREME } draw;

enum { VARIABLES = 8 };

typedef struct variable {
  category cat;
  int dim;
  draw how;
  bool unused;
  char name[24];
  double *data; /* rows x dim, column-major with stride */
  int64_t rows, stride;
} variable;

#endif
