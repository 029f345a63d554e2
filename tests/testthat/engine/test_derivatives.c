/* test_derivatives.c: derivatives, from the operation table, in double, by the interpreter.
 *
 * For each operation, each argument and each broadcasting pattern:
 *   adjoint identity   (e | Diff(F,v,u)) = (Grad(F,v,e) | u)                         to 1e-10
 *   forward rule       Diff(F,v,u) = (F(v + h u) - F(v - h u)) / 2h                  to 1e-6
 *   second order       the same two for Grad(F,v,e) instead of F
 * Then laws, and gradients as users write them, computed by kernels and by the interpreter. */
#include <ctype.h>

#include "check.h"

/* One formula in the variables x, y, z; X Y Z in the text stand for them. */
typedef struct shape {
  int dx, dy, dz, df;
} shape;

static double value(const char *formula, const shape *s, double lo, double hi) {
  char a[6][32];
  const int dims[] = {s->dx, s->dy, s->dz, s->df, 0, 0};
  snprintf(a[0], 32, "x=Vi(%d)", dims[0]);
  snprintf(a[1], 32, "y=Vj(%d)", dims[1]);
  snprintf(a[2], 32, "z=Pm(%d)", dims[2]);
  snprintf(a[3], 32, "e=Vi(%d)", dims[3]);
  test t = {.formula = formula, .aliases = {a[0], a[1], a[2], a[3], "unused=Vj(1)"}, .axis = 1, .f64 = true, .m = 3, .n = 4, .lo = lo, .hi = hi};
  gr_program *p;
  gr_error err = {0};
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", formula, err.message)) return NAN;
  gr_array args[8];
  result r;
  gr_options o = options(GR_INTERPRETER, 1);
  seed = 7;
  make_args(p, &t, args);
  check(run(p, args, &o, &r, &err) == GR_OK, "%s: %s", formula, err.message);
  double most = 0;
  for (int64_t k = 0; k < r.size; k++) most = fabs(r.v[0][k]) > most || isnan(r.v[0][k]) ? fabs(r.v[0][k]) : most;
  free_result(&r);
  free_args(p, args);
  gr_program_free(p);
  return most;
}

/* The text with X Y Z replaced: variable `which` moves by `step` times the direction sin(k +
 * variable), others stay. */
static char *with_step(const char *text, char which, const char *step) {
  static char s[8][60000];
  static int turn;
  char *to = s[turn = (turn + 1) % 8];
  for (const char *from = text; *text; text++) {
    /* of a name */
    bool inside = isalpha((unsigned char)text[1]) || (text > from && isalpha((unsigned char)text[-1]));
    if (inside || (*text != 'X' && *text != 'Y' && *text != 'Z'))
      *to++ = *text;
    else if (*text == which)
      to += sprintf(to, "(%c+(%s)*Cos(%c*3+1))", *text + 32, step, *text + 32);
    else
      *to++ = (char)(*text + 32);
  }
  *to = 0;
  return s[turn];
}

/* Both checks for F by the variable v (X, Y or Z); `slack` multiplies the tolerances. */
static void one_argument(const char *F, char v, const shape *s, double lo, double hi, double slack, const char *label) {
  static char text[400000];
  const char *plain = with_step(F, 0, "");
  char w = (char)(v + 32);
  /* The direction is Cos(3v+1), frozen: Grad and Diff take it as an expression, it is not
   * differentiated. */
  snprintf(text, sizeof text, "(e|Diff(%s,%c,Cos(%c*3+1)))-(Grad(%s,%c,e)|Cos(%c*3+1))", plain, w, w, plain, w, w);
  double gap = value(text, s, lo, hi);
  snprintf(text, sizeof text, "Abs(e|Diff(%s,%c,Cos(%c*3+1)))+1", plain, w, w);
  double scale = value(text, s, lo, hi);
  check(gap <= 1e-10 * scale * slack, "%s: adjoint identity in %c: %g of %g", label, w, gap, scale);
  snprintf(text, sizeof text, "Diff(%s,%c,Cos(%c*3+1))-((%s)-(%s))/0.00002", plain, w, w, with_step(F, v, "0.00001"), with_step(F, v, "-0.00001"));
  gap = value(text, s, lo, hi);
  snprintf(text, sizeof text, "Abs(Diff(%s,%c,Cos(%c*3+1)))+1", plain, w, w);
  scale = value(text, s, lo, hi);
  check(gap <= 1e-6 * scale * slack, "%s: central difference in %c: %g of %g", label, w, gap, scale);
}

static int dim_of(const char *F, const shape *s) {
  char a[3][32];
  snprintf(a[0], 32, "x=Vi(%d)", s->dx);
  snprintf(a[1], 32, "y=Vj(%d)", s->dy);
  snprintf(a[2], 32, "z=Pm(%d)", s->dz);
  test t = {.formula = with_step(F, 0, ""), .aliases = {a[0], a[1], a[2]}, .axis = 1, .f64 = true};
  gr_program *p;
  gr_error err = {0};
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", F, err.message)) return 1;
  int d = gr_program_result(p).dim;
  gr_program_free(p);
  return d;
}

static bool mentions(const char *F, char v) {
  for (const char *t = F; *t; t++)
    if (*t == v && !isalpha((unsigned char)t[1]) && (t == F || !isalpha((unsigned char)t[-1]))) return true;
  return false;
}

static void every_argument(const char *F, shape s, double lo, double hi, double slack, bool second) {
  char grad[20000];
  s.df = dim_of(F, &s);
  for (const char *v = "XYZ"; *v; v++) {
    if (!mentions(F, *v)) continue;
    one_argument(F, *v, &s, lo, hi, slack, F);
    if (!second) continue;
    /* Second order: the gradient by v, with a fixed incoming gradient, differentiated by every
     * variable. */
    snprintf(grad, sizeof grad, "Grad(%s,%c,Sin(%s))", with_step(F, 0, ""), *v + 32, with_step(F, 0, ""));
    for (const char *w = "XYZ"; *w; w++) {
      if (!mentions(F, *w)) continue;
      /* Outside of Grad the moved variable has to be substituted before differentiating: only the
       * identity is checked. */
      char text[60000];
      shape t = s;
      t.df = *v == 'X' ? s.dx : *v == 'Y' ? s.dy : s.dz;
      snprintf(text, sizeof text, "(e|Diff(%s,%c,Cos(%c*3+1)))-(Grad(%s,%c,e)|Cos(%c*3+1))", grad, *w + 32, *w + 32, grad, *w + 32, *w + 32);
      double gap = value(text, &t, lo, hi);
      snprintf(text, sizeof text, "Abs(e|Diff(%s,%c,Cos(%c*3+1)))+1", grad, *w + 32, *w + 32);
      double scale = value(text, &t, lo, hi);
      check(gap <= 1e-10 * scale * slack, "%s: second order in %c, %c: %g of %g", F, *v + 32, *w + 32, gap, scale);
    }
  }
}

/* ---- element-wise operations, from the table ---- */

typedef struct ew {
  const char *name;
  int arity;
  double lo, hi;
} ew;

#define EW(name, arity, cost, law, emitted, calls, reference, lo, hi, derivative, meaning) {#name, arity, lo, hi},
static const ew ews[] = {GR_OPS_EW(EW)};
#undef EW

static void element_wise(void) {
  static const shape shapes[] = {{3, 3, 3, 0}, {1, 3, 3, 0}, {3, 1, 1, 0}, {1, 1, 3, 0}, {1, 1, 1, 0}, {3, 3, 1, 0}};
  for (size_t k = 0; k < sizeof ews / sizeof *ews; k++) {
    const ew *op = &ews[k];
    char F[200];
    if (strcmp(op->name, "PowInt") == 0)
      snprintf(F, sizeof F, "Pow(X,3)+Pow(X,-2)+Pow(X,0)");
    else if (strcmp(op->name, "RoundAway") == 0)
      snprintf(F, sizeof F, "Round(X,0)+Round(X,1)");
    else
      snprintf(F, sizeof F, op->arity == 1 ? "%s(X)" : op->arity == 2 ? "%s(X,Y)" : "%s(X,Y,Z)", op->name);
    double lo = op->lo, hi = op->hi;
    if (lo == 0) lo = 0.1;
    if (lo == -1 && hi == 1) lo = -0.9, hi = 0.9;
    if (lo < -5) lo = -3, hi = 3;
    for (int s = 0; s < (op->arity == 1 ? 1 : 6); s++) every_argument(F, shapes[s], lo, hi, 1, true);
  }
}

/* ---- loops and macros ---- */

static const struct {
  const char *F;
  shape s;
  double lo, hi, slack;
} others[] = {
    {"Sum(X*Y)", {3, 3, 1, 0}, -1, 1, 1}, {"Max(X*Y)+Min(X-Y)", {3, 3, 1, 0}, -1, 1, 1}, {"ArgMax(X)*Y+ArgMin(X*Y)", {3, 3, 1, 0}, -1, 1, 1},
    {"SumT(X,4)*Y", {1, 4, 1, 0}, -1, 1, 1}, {"Elem(X*Y,1)", {3, 3, 1, 0}, -1, 1, 1}, {"Extract(X*Y,1,2)", {3, 3, 1, 0}, -1, 1, 1},
    {"ElemT(X*Y,4,2)", {1, 1, 1, 0}, -1, 1, 1}, {"ExtractT(X*Y,1,5)", {3, 3, 1, 0}, -1, 1, 1}, {"Concat(X*Y,Y,Z)", {3, 3, 2, 0}, -1, 1, 1},
    {"OneHot(X*4,5)*Y", {1, 5, 1, 0}, 0, 1, 1}, {"ComplexReal(X*Y)", {4, 4, 1, 0}, -1, 1, 1}, {"ComplexImag(X*Y)", {4, 4, 1, 0}, -1, 1, 1},
    {"Complex(X,Y)", {3, 3, 1, 0}, -1, 1, 1}, {"TensorDot(X,Y,[2,3],[3,2],[1],[0])", {6, 6, 1, 0}, -1, 1, 1},
    {"TensorDot(X,Y,[2,3,4],[3,5],[1],[0],[2,0,1])", {24, 15, 1, 0}, -1, 1, 1}, {"TensorDot(X,X*Y,[2,3],[2,3],[0,1],[0,1])", {6, 6, 1, 0}, -1, 1, 1},
    {"MatVecMult(X,Y)", {6, 3, 1, 0}, -1, 1, 1}, {"VecMatMult(X,Y)", {3, 6, 1, 0}, -1, 1, 1}, {"TensorProd(X,Y)", {3, 2, 1, 0}, -1, 1, 1},
    {"Kron(X,Y,[3,2],[2,2])", {6, 4, 1, 0}, -1, 1, 1}, {"SoftDTW_SqDist(X,Y,Z)", {3, 4, 1, 0}, 0.5, 1.5, 10}, {"SoftDTW_SqDist(X,Sin(X*Y),Z)", {3, 3, 1, 0}, 0.5, 1.5, 10},
    {"SoftDTW_SqDist(X,Y,Z)", {12, 9, 1, 0}, 0.5, 1.5, 10}, {"SoftDTW_SqDist(X,Y,Z)", {1, 4, 1, 0}, 0.5, 1.5, 10}, {"SoftDTW_SqDist(X,Y,Z)", {3, 1, 1, 0}, 0.5, 1.5, 10},
    {"SoftDTW_Grad(X,Y,Z)", {3, 2, 1, 0}, 0.5, 1.5, 10}, {"SoftDTW_Grad(X,X*Y,Z)", {2, 2, 1, 0}, 0.5, 1.5, 10},
    {"Pow(X,4)", {3, 1, 1, 0}, -1, 1, 1}, {"X**Y", {3, 3, 1, 0}, 0.5, 2, 1}, {"Scalprod(X,Y)", {3, 3, 1, 0}, -1, 1, 1}, {"SqNorm2(X-Y)", {3, 3, 1, 0}, -1, 1, 1},
    {"Norm2(X-Y)", {3, 3, 1, 0}, -1, 1, 1}, {"Normalize(X-Y)", {3, 3, 1, 0}, -1, 1, 1}, {"SqDist(X,Y)", {3, 3, 1, 0}, -1, 1, 1}, {"SqDist(X,Y)", {1, 3, 1, 0}, -1, 1, 1},
    {"SqNormIso(X,Y)", {1, 3, 1, 0}, -1, 1, 1}, {"SqNormDiag(X,Y)", {3, 3, 1, 0}, -1, 1, 1}, {"SymSqNorm(X,Y)", {9, 3, 1, 0}, -1, 1, 1},
    {"WeightedSqNorm(Z,X-Y)", {3, 3, 9, 0}, -1, 1, 1}, {"WeightedSqDist(Z,X,Y)", {3, 3, 3, 0}, -1, 1, 1}, {"Mod(X,Y,Z)", {3, 3, 1, 0}, 0.5, 1, 1},
    {"Round(X,2)*Y", {3, 3, 1, 0}, -1, 1, 1}, {"ClampInt(X*3,-1,2)", {3, 1, 1, 0}, -1, 1, 1}, {"IntCst(2)*X+IntInv(3)*Y+RatCst(1,3)", {3, 3, 1, 0}, -1, 1, 1},
    {"Trigamma(X*Y)", {3, 3, 1, 0}, 0.5, 3, 10}, {"SinXDivXDiff(X*4)", {5, 1, 1, 0}, -1, 1, 1}, {"BSpline(Z+Concat(-3,-2,-1,0,1,2,3,4),X*Y,3)", {1, 1, 8, 0}, 0, 0.5, 100},
    {"BSpline(Z+Concat(-3,-2,-1,0,1,2),X*Y,1)", {1, 1, 6, 0}, 0, 0.5, 100}, {"Real2Complex(X*Y)", {3, 3, 1, 0}, -1, 1, 1}, {"Imag2Complex(X*Y)", {3, 3, 1, 0}, -1, 1, 1},
    {"Conj(X)*Y", {4, 4, 1, 0}, -1, 1, 1}, {"ComplexSquareAbs(X)*Y", {6, 3, 1, 0}, -1, 1, 1}, {"ComplexAbs(X-Y)", {4, 4, 1, 0}, -1, 1, 1},
    {"ComplexAngle(X)+Y", {4, 2, 1, 0}, 0.1, 1, 1}, {"ComplexExp1j(X*Y)", {3, 3, 1, 0}, -1, 1, 1}, {"ComplexExp(X*Y)", {4, 4, 1, 0}, -1, 1, 1},
    {"ComplexAdd(X,Y)", {4, 2, 1, 0}, -1, 1, 1}, {"ComplexSubtract(X,Y)", {2, 4, 1, 0}, -1, 1, 1}, {"ComplexMult(X,Y)", {4, 4, 1, 0}, -1, 1, 1},
    {"ComplexDivide(X,Y)", {4, 4, 1, 0}, 0.5, 1, 1}, {"ComplexRealScal(X,Y)", {1, 4, 1, 0}, -1, 1, 1}, {"ComplexScal(X,Y)", {2, 6, 1, 0}, -1, 1, 1},
    {"ComplexSum(X)*Y", {6, 2, 1, 0}, -1, 1, 1}, {"ComplexSumT(X,3)*Y", {2, 1, 1, 0}, -1, 1, 1}, {"Powf(X,Y)", {3, 1, 1, 0}, 0.5, 2, 1},
    {"Grad(Exp(-SqDist(x,Y)),x,1)", {3, 3, 1, 0}, -1, 1, 1}, {"Diff(Exp(-SqDist(x,Y)),x,Z)", {3, 3, 3, 0}, -1, 1, 1}, {"GradMatrix(Normalize(x-Y),x)", {3, 3, 1, 0}, -1, 1, 1},
    {"Divergence(Exp(-SqDist(x,Y))*(x-Y),x)", {3, 3, 1, 0}, -1, 1, 1}, {"Laplacian(Exp(-SqDist(x,Y)),x)", {3, 3, 1, 0}, -1, 1, 1},
    {"TraceOperator(Sum(x*Y)*Z,x,Y)", {3, 3, 3, 0}, -1, 1, 1}, {"AdjointOperator(MatVecMult(Z,x),x,Y)", {3, 2, 6, 0}, -1, 1, 1},
};

static void other_operations(void) {
  for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
    bool nested = strstr(others[k].F, "x,") != NULL || strstr(others[k].F, "SoftDTW_Grad") != NULL || others[k].s.dx > 10;
    every_argument(others[k].F, others[k].s, others[k].lo, others[k].hi, others[k].slack, !nested);
  }
}

static void table_is_covered(void) {
  for (int op = 0; op < OP_COUNT; op++) {
    char call[64];
    /* index operations, whose derivatives are 0, are tested in test_index.c */
    bool found = gr_ops[op].kind <= KIND_EW;
    snprintf(call, sizeof call, "%s(", gr_ops[op].name);
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) found |= strstr(others[k].F, call) != NULL;
    check(found, "operation %s has no test of its derivative", gr_ops[op].name);
  }
}

/* ---- laws: these are zero ---- */

static void laws(void) {
  static const struct {
    const char *zero;
    double scale;
  } table[] = {
      {"Laplacian(Exp(-SqDist(x,y)),x)-Divergence(Grad(Exp(-SqDist(x,y)),x,1),x)", 1},
      {"Laplacian(Exp(-SqDist(x,y)),x)-Elem(GradMatrix(Grad(Exp(-SqDist(x,y)),x,1),x),0)-Elem(GradMatrix(Grad(Exp(-SqDist(x,y)),x,1),x),4)"
       "-Elem(GradMatrix(Grad(Exp(-SqDist(x,y)),x,1),x),8)", 1},
      {"Laplacian(Exp(-SqDist(x,y)),x)-(4*SqDist(x,y)-6)*Exp(-SqDist(x,y))", 1},
      {"Grad(Exp(-SqDist(x,y)),x,1)+Grad(Exp(-SqDist(x,y)),y,1)", 1},
      {"Grad(Exp(-SqDist(x,y)),x,1)+2*(x-y)*Exp(-SqDist(x,y))", 1},
      {"GradMatrix(x*y,x)-Concat(y[0],0,0,0,y[1],0,0,0,y[2])", 1},
      {"TraceOperator(MatVecMult(TensorProd(x,y),z),z)-(x|y)", 1},
      {"TraceOperator(MatVecMult(TensorProd(x,y),z),z,e)-(x*y|e)", 1},
      {"AdjointOperator(MatVecMult(TensorProd(x,y),z),z,e)-y*(x|e)", 1},
      {"Divergence(z*x,z)-Sum(x)", 1},
      {"Grad(Sum(y),x,1)", 1},
  };
  const shape s = {3, 3, 3, 3};
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    double gap = value(table[k].zero, &s, -1, 1);
    check(gap <= 1e-13 * table[k].scale * 10, "%s = %g", table[k].zero, gap);
  }
}

/* ---- derivatives in kernels, compiled ---- */

static void kernels(void) {
  static const char *const F[] = {"Exp(-SqDist(x,y))*b", "Exp(-Norm2(x-y))*b", "Inv(1+SqDist(x,y))*b", "(1+Norm2(x-y))*Exp(-Norm2(x-y))*b", "ComplexAbs(ComplexExp(ComplexMult(x,y)))",
                                  "BSpline(k,Sum(x*y),3)", "SoftDTW_SqDist(x,y,1+b*b)"};
  for (size_t k = 0; k < sizeof F / sizeof *F; k++)
    for (int wide = 0; wide < 2; wide++) {
      char formula[300];
      snprintf(formula, sizeof formula, k == 4 ? "Grad(%s,x,p*SumT(1,%d))" : k == 5 ? "Grad(%s,x,k[0:5])" : "Grad(%s,x,p)", F[k], wide ? 10 : 2);
      test t = {.formula = formula, .aliases = {wide ? "x=Vi(20)" : "x=Vi(4)", wide ? "y=Vj(20)" : "y=Vj(4)", "b=Vj(1)", "p=Pm(1)", "k=Pm(9)"},
                .axis = 1, .f64 = true, .m = 19, .n = 70, .lo = -0.5, .hi = 0.5};
      both(&t, 1e-12);
    }
}

/* The gradient costs at most four times as many operations as the value, as the plan counts
 * them. */
static void gradients_are_cheap(void) {
  static const char *const F[] = {"Exp(-SqDist(x,y))*b", "Exp(-Norm2(x-y))*b", "Inv(1+SqDist(x,y))*b", "(1+Norm2(x-y))*Exp(-Norm2(x-y))*b",
                                  "(1+Norm2(x-y)+Square(Norm2(x-y))/3)*Exp(-Norm2(x-y))*b", "-Norm2(x-y)*b", "-SqDist(x,y)/b", "x|y"};
  for (size_t k = 0; k < sizeof F / sizeof *F; k++) {
    char grad[300];
    snprintf(grad, sizeof grad, "Grad(%s,x,e)", F[k]);
    double cost[2];
    for (int i = 0; i < 2; i++) {
      test t = {.formula = i ? grad : F[k], .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "e=Vi(1)"}, .axis = 1};
      gr_program *p;
      gr_error err = {0};
      if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", t.formula, err.message)) return;
      cost[i] = p->plan->cost;
      gr_program_free(p);
    }
    check(cost[1] <= 4 * cost[0], "%s: the gradient costs %g, the value %g", F[k], cost[1], cost[0]);
  }
}

int main(void) {
  own_folder();
  table_is_covered();
  element_wise();
  other_operations();
  laws();
  if (!getenv("GR_QUICK")) kernels(); /* for mutants.sh: the rules only */
  gradients_are_cheap();
  return report();
}
