/* language.h: programs that together use every operation, reduction and summation scheme.  Each is
 * passed to each_case, with the difference from the interpreter that its precision allows. */
#ifndef GENRED_LANGUAGE_H
#define GENRED_LANGUAGE_H

#include "check.h"

static bool (*each_case)(const test *t, double tolerance);

/* The number of the program of a case: successive cases that differ in sizes only share one. */
__attribute__((unused)) static int program_number(const test *t) {
  static char before[600], now[600];
  static int number = -1;
  snprintf(now, sizeof now, "%s %s %s %s %d %d %d %s", t->formula, t->formula2 ? t->formula2 : "", t->reduction ? t->reduction : "", t->scheme ? t->scheme : "", t->k, t->axis, t->f64,
           t->acc ? t->acc : "");
  if (strcmp(now, before) != 0) number++;
  memcpy(before, now, sizeof now);
  return number;
}

/* ---- every element-wise operation: categories of the arguments, broadcasting ---- */

typedef struct ew {
  gr_op op;
  const char *name;
  int arity;
  double lo, hi;
} ew;

#define EW(name, arity, cost, law, emitted, calls, reference, lo, hi, derivative, meaning) {OP_##name, #name, arity, lo, hi},
static const ew ews[] = {GR_OPS_EW(EW)};
#undef EW

static const char *call_text(const ew *op, const char *a, const char *b, const char *c) {
  static char s[200];
  if (op->op == OP_PowInt)
    snprintf(s, sizeof s, "Pow(%s,3)+Pow(%s,-2)", a, a);
  else if (op->op == OP_RoundAway)
    snprintf(s, sizeof s, "Round(%s,0)+Round(%s,1)", a, a);
  else
    snprintf(s, sizeof s, op->arity == 1 ? "%s(%s)" : op->arity == 2 ? "%s(%s,%s)" : "%s(%s,%s,%s)", op->name, a, b, c);
  return s;
}

/* Several operations with the same domain are terms of one formula: one compilation covers them. */
enum { TOGETHER = 6 };

typedef struct pattern {
  const char *aliases[5];
  int axis, m, n;
  const char *a[3], *b, *c; /* arguments: a by domain (within [-1,1], positive, any) */
  const char *wrap;
} pattern;

static const pattern patterns[] = {
    /* pairs of dimension 3, a scalar by j, a parameter */
    {{"x=Vi(3)", "y=Vj(3)", "s=Vj(1)", "p=Pm(1)"}, 1, 37, 41, {"(x*y)", "(x+y)", "(x-y)"}, "s", "p", "%s*s"},
    /* dimension 12, which is a loop; one level at a time */
    {{"x=Vi(12)", "y=Vj(12)", "p=Pm(1)"}, 0, 19, 33, {"x", "x", "x"}, "p", "y", "%s"},
    /* scalars, the columns' level */
    {{"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}, 1, 19, 33, {"y", "y", "y"}, "p", "p", "Sum(%s)*(x|y)"}};

static int domain(const ew *op) { return op->lo >= -1 && op->hi <= 1 ? 0 : op->lo >= 0 ? 1 : 2; }

static void element_wise_pattern(const pattern *p, int which, bool f64) {
  enum { N = sizeof ews / sizeof *ews };
  for (size_t k = 0; k < N;) {
    gr_str formula = {.arena = &(gr_arena){NULL, NULL}};
    test t = {.axis = p->axis, .f64 = f64, .m = p->m, .n = p->n, .lo = 1e9, .hi = 0};
    int n = 0;
    for (; k < N && n < TOGETHER; k++) {
      const ew *op = &ews[k];
      if (n && (op->lo / 2 != t.lo || op->hi / 2 != t.hi)) break;
      t.lo = op->lo / 2, t.hi = op->hi / 2;
      gr_putf(&formula, n++ ? ", " : "Concat(");
      gr_putf(&formula, p->wrap, call_text(op, p->a[which < 0 ? domain(op) : which], p->b, p->c));
    }
    if (n == 1) gr_put(&formula, ", x");
    gr_put(&formula, ")");
    if (t.lo == 0) t.lo = 0.01;
    memcpy(t.aliases, p->aliases, sizeof p->aliases);
    t.formula = formula.s;
    (*each_case)(&t, f64 ? 1e-13 : 1e-5);
    gr_arena_free(formula.arena);
  }
}

static void element_wise(bool f64) {
  for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) element_wise_pattern(&patterns[k], -1, f64);
}

/* ---- the other operations and the rewrites ---- */

static const test loops[] = {
    /* names of C, C++, compilers and preludes; names that differ in a dot and an underscore */
    {.formula = "int*v_exp+GR_L*gr_kernel+class*template", .aliases = {"int=Vi(3)", "v_exp=Vj(3)", "GR_L=Pm(1)", "gr_kernel=Vj(1)", "class=Vi(1)", "template=Vj(3)"}},
    {.formula = "linux*main+float*arg+new*R", .aliases = {"linux=Vi(9)", "main=Vj(9)", "float=Pm(1)", "arg=Vj(1)", "new=Vi(1)", "R=Vj(9)"}},
    {.formula = "x.new*x_new_0+x_new*x_new_0_1+.a*_a", .aliases = {"x.new=Vi(3)", "x_new_0=Vi(3)", "x_new=Vj(3)", "x_new_0_1=Vi(1)", ".a=Vj(3)", "_a=Vj(1)"}},
    {.formula = "SqDist(if,NULL)*Exp(-SqDist(unix,state))+Square(inline*this)", .aliases = {"if=Vi(12)", "NULL=Vj(12)", "unix=Vi(3)", "state=Vj(3)", "inline=Pm(1)", "this=Vj(1)"}},
    {.formula = "Max(x*y)+Min(x-y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "Max(x*y)+Min(x-y)", .aliases = {"x=Vi(20)", "y=Vj(20)"}},
    {.formula = "ArgMax(x*y)+10*ArgMin(x-y)", .aliases = {"x=Vi(5)", "y=Vj(5)"}},
    {.formula = "ArgMax(x*y)+100*ArgMin(x-y)", .aliases = {"x=Vi(50)", "y=Vj(50)"}},
    {.formula = "SumT(x|y,4)*p", .aliases = {"x=Vi(5)", "y=Vj(5)", "p=Pm(4)"}},
    {.formula = "SumT(x|y,40)*p", .aliases = {"x=Vi(5)", "y=Vj(5)", "p=Pm(40)"}},
    {.formula = "Elem(x*y,1)*x[0]+Elem(y,2)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "Elem(x*y,17)*x[0]+Elem(y,12)", .aliases = {"x=Vi(30)", "y=Vj(30)"}},
    {.formula = "Extract(x*y,1,2)*x[0:2]", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "Extract(Exp(x*y),3,20)*x[4:24]", .aliases = {"x=Vi(30)", "y=Vj(30)"}},
    {.formula = "ElemT(x|y,4,2)*ElemT(p,4,2)", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}},
    {.formula = "ElemT(x|y,40,39)+y", .aliases = {"x=Vi(40)", "y=Vj(40)"}},
    {.formula = "ExtractT(x*y,1,5)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "ExtractT(x*y,11,50)-ExtractT(y,0,50)", .aliases = {"x=Vi(30)", "y=Vj(30)"}},
    {.formula = "Concat(x*y,x,p)", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(2)"}},
    {.formula = "Concat(Sin(x*y),x,p,Concat(p,y))", .aliases = {"x=Vi(30)", "y=Vj(30)", "p=Pm(2)"}},
    {.formula = "OneHot(3*y,5)*Elem(x,0)", .aliases = {"x=Vi(3)", "y=Vj(1)"}},
    {.formula = "OneHot(20*Abs(y*x[2]),30)", .aliases = {"x=Vi(3)", "y=Vj(1)"}},
    {.formula = "MatVecMult(A,x)", .aliases = {"A=Vj(12)", "x=Vi(3)"}},
    {.formula = "MatVecMult(A,x-y)", .aliases = {"A=Pm(6)", "x=Vi(3)", "y=Vj(3)"}},
    {.formula = "MatVecMult(A,Sin(x-y))", .aliases = {"A=Pm(220)", "x=Vi(20)", "y=Vj(20)"}},
    {.formula = "VecMatMult(x,A)", .aliases = {"A=Vj(12)", "x=Vi(3)"}},
    {.formula = "VecMatMult(Exp(x*y),A)|y", .aliases = {"A=Pm(144)", "x=Vi(12)", "y=Vj(12)"}},
    {.formula = "TensorProd(x,y)", .aliases = {"x=Vi(3)", "y=Vj(2)"}},
    {.formula = "TensorProd(x-y,Cos(y))", .aliases = {"x=Vi(13)", "y=Vj(13)"}},
    {.formula = "Kron(x,y,[3],[2])", .aliases = {"x=Vi(3)", "y=Vj(2)"}},
    {.formula = "Kron(x,y,[3,2],[2,2])", .aliases = {"x=Vi(6)", "y=Vj(4)"}},
    {.formula = "TensorDot(x,y,Ind(2,3),Ind(3,2),Ind(1),Ind(0))", .aliases = {"x=Vi(6)", "y=Vj(6)"}},
    {.formula = "TensorDot(x,y,Ind(2,2,3),Ind(3,2),Ind(2,1),Ind(0,1))", .aliases = {"x=Vi(12)", "y=Vj(6)"}},
    {.formula = "TensorDot(x,y,[2,3,4],[3,5],[1],[0],[2,0,1])", .aliases = {"x=Vi(24)", "y=Vj(15)"}},
    {.formula = "TensorDot(x,y,[2,3],[2,3],[0,1],[0,1])", .aliases = {"x=Vi(6)", "y=Vj(6)"}},
    {.formula = "BSpline(k,x*y,3)", .aliases = {"k=Pm(9)", "x=Vi(1)", "y=Vj(1)"}},
    {.formula = "BSpline(k,x*y,0)|p", .aliases = {"k=Pm(9)", "x=Vi(1)", "y=Vj(1)", "p=Vi(8)"}},
    {.formula = "BSpline(k,x*y,2)", .aliases = {"k=Vj(4)", "x=Vi(1)", "y=Vj(1)"}},
    {.formula = "SoftDTW_SqDist(x,y,Abs(g)+1)", .aliases = {"x=Vi(4)", "y=Vj(5)", "g=Pm(1)"}},
    {.formula = "SoftDTW_SqDist(x,x-y,Abs(g)+1)", .aliases = {"x=Vi(20)", "y=Vj(20)", "g=Pm(1)"}},
    {.formula = "SoftDTW_Grad(x,y,Abs(g)+1)", .aliases = {"x=Vi(4)", "y=Vj(5)", "g=Pm(1)"}},
    {.formula = "SoftDTW_Grad(x,x-y,Abs(g)+0.3)", .aliases = {"x=Vi(9)", "y=Vj(9)", "g=Vj(1)"}},
    {.formula = "SoftDTW_Grad(x,y[0],g)+SoftDTW_Grad(x[0],y,g)", .aliases = {"x=Vi(6)", "y=Vj(6)", "g=Pm(1)"}},
    {.formula = "Grad(SoftDTW_SqDist(x,y,2),x,p)", .aliases = {"x=Vi(30)", "y=Vj(20)", "p=Vi(1)"}},
    {.formula = "WeightedSqNorm(s,x-y)", .aliases = {"s=Pm(1)", "x=Vi(3)", "y=Vj(3)"}},
    {.formula = "WeightedSqNorm(s,x-y)", .aliases = {"s=Vj(3)", "x=Vi(3)", "y=Vj(3)"}},
    {.formula = "WeightedSqDist(s,x,y)", .aliases = {"s=Pm(9)", "x=Vi(3)", "y=Vj(3)"}},
    {.formula = "WeightedSqDist(s,x,y)", .aliases = {"s=Pm(144)", "x=Vi(12)", "y=Vj(12)"}},
    {.formula = "Normalize(x)-Normalize(y)*Norm2(x-y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "Normalize(x)|Normalize(y-x)", .aliases = {"x=Vi(30)", "y=Vj(30)"}},
    {.formula = "ClampInt(x-y,-1,2)+Clamp(x,-0.5,p)", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}},
    {.formula = "Mod(x,Abs(y)+1,p)", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}},
    {.formula = "Powf(Abs(x)+0.1,y)+(Abs(x)+1)**y+(x*x)**0.5", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "IntCst(3)*x-IntInv(4)*y+RatCst(1,3)+Zero(3)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "(x<y)*p+(x>=y)*(x!=p)", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}},
    {.formula = "ComplexMult(x,Conj(y))-ComplexAdd(x,y)", .aliases = {"x=Vi(4)", "y=Vj(4)"}},
    {.formula = "ComplexDivide(x,ComplexSubtract(x,y))", .aliases = {"x=Vi(4)", "y=Vj(4)"}},
    {.formula = "ComplexMult(ComplexExp(x),ComplexScal(p,y))", .aliases = {"x=Vi(24)", "y=Vj(24)", "p=Pm(2)"}},
    {.formula = "ComplexRealScal(p,ComplexExp1j(x*y))", .aliases = {"x=Vi(13)", "y=Vj(13)", "p=Pm(1)"}},
    {.formula = "ComplexAbs(x)+ComplexAngle(y)+ComplexSquareAbs(x-y)", .aliases = {"x=Vi(24)", "y=Vj(24)"}},
    {.formula = "ComplexReal(x*y)-ComplexImag(y)", .aliases = {"x=Vi(24)", "y=Vj(24)"}},
    {.formula = "ComplexSumT(ComplexSum(x*y),5)", .aliases = {"x=Vi(24)", "y=Vj(24)"}},
    {.formula = "Real2Complex(x*y)+Imag2Complex(x-y)+Complex(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "Trigamma(Abs(x*y)+0.2)+Trigamma(x-0.3)*0.01", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "And(Round(x,0),y<0)+2*Or(Round(x,0),y<0)+4*Not(Round(x,0))+8*Ceil(x*y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "SinXDivXDiff(x*y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "Grad(Exp(-SqDist(x,y)),x,x[0])", .aliases = {"x=Vi(13)", "y=Vj(13)"}, .lo = -0.3, .hi = 0.3},
    {.formula = "Diff(Exp(-SqDist(x,y)),x,y)", .aliases = {"x=Vi(13)", "y=Vj(13)"}, .lo = -0.3, .hi = 0.3},
    {.formula = "GradMatrix(Normalize(x-y),x)", .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "Divergence(Exp(-SqDist(x,y))*(x-y),x)+Laplacian(Exp(-SqDist(x,y)),x)", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .lo = -1, .hi = 1},
    {.formula = "TraceOperator(Sum(x*y)*p,x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(3)"}},
    {.formula = "AdjointOperator(MatVecMult(p,x),x,y)", .aliases = {"x=Vi(3)", "y=Vj(2)", "p=Pm(6)"}},
    {.formula = "p", .aliases = {"p=Pm(3)"}},
    {.formula = "x", .aliases = {"x=Vi(3)", "y=Vj(1)"}},
    {.formula = "y*2", .aliases = {"x=Vi(3)", "y=Vj(20)"}},
    {.formula = "Exp(x)*p", .aliases = {"x=Vi(20)", "y=Vj(2)", "p=Pm(20)"}},
    {.formula = "3", .aliases = {"x=Vi(3)", "y=Vj(1)"}},
    {.formula = "Zero(20)+x[0]", .aliases = {"x=Vi(3)", "y=Vj(1)"}},
    {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(100)", "y=Vj(100)", "b=Vj(33)"}, .lo = -0.1, .hi = 0.1},
    {.formula = "(x|y)*b+SqDist(x,y)*c", .aliases = {"x=Vi(17)", "y=Vj(17)", "b=Vj(33)", "c=Vi(33)"}},
    {.formula = "Exp(-Sum(Abs(x-y)*w*p+v))*Sum(Square(y-x[3])*x)", .aliases = {"x=Vi(10)", "y=Vj(10)", "w=Vj(1)", "v=Vi(1)", "p=Pm(10)"}, .lo = -0.5, .hi = 0.5},
    {.formula = "SqDist(x,y)*Exp(-Sum(Square(x-y)/s))*(x-y)", .aliases = {"x=Vi(6)", "y=Vj(6)", "s=Pm(6)"}, .lo = 0.3, .hi = 1},
    {.formula = "(x|y)*Exp(-SqDist(x,y))", .aliases = {"x=Vi(300)", "y=Vj(300)"}, .lo = -0.1, .hi = 0.1},
    {.formula = "Exp(-Sum(Abs(x-y)))*(b-a)", .aliases = {"x=Vi(9)", "y=Vj(9)", "b=Vj(70)", "a=Vi(70)"}},
    {.formula = "Sum(x*y*Exp(-SqDist(x,y)))*b", .aliases = {"x=Vi(10)", "y=Vj(10)", "b=Vj(10)"}},
    {.formula = "(x-y)*Exp(-SqDist(x,y))*Sum(Square(x-y)*y)", .aliases = {"x=Vi(90)", "y=Vj(90)"}, .lo = -0.1, .hi = 0.1},
};

static void loop_operations(bool f64) {
  for (size_t k = 0; k < sizeof loops / sizeof *loops; k++) {
    static const int64_t sizes[][2] = {{23, 300}, {1, 5}};
    int axis = (int)(k + f64) % 2; /* each formula sees both axes and both precisions */
    for (int s = 0; s < 2; s++) {
        test t = loops[k];
        t.axis = axis;
        t.f64 = f64;
        t.m = sizes[s][axis ? 0 : 1];
        t.n = sizes[s][axis ? 1 : 0];
        (*each_case)(&t, f64 ? 1e-12 : 2e-5);
    }
  }
}

/* Every loop operation and macro of the table occurs in a formula above or in element_wise(). */
static void table_is_covered(void) {
  static const char *const elsewhere[] = {"Scalprod", "SqNorm2", "SqNormIso", "SqNormDiag", "SymSqNorm", "Pow", "Round"};
  for (int op = 0; op < OP_COUNT; op++) {
    char call[64];
    bool found = gr_ops[op].kind <= KIND_EW; /* a leaf, an index, element-wise */
    snprintf(call, sizeof call, "%s(", gr_ops[op].name);
    for (size_t k = 0; k < sizeof loops / sizeof *loops; k++) found |= strstr(loops[k].formula, call) != NULL;
    for (size_t k = 0; k < sizeof elsewhere / sizeof *elsewhere; k++) found |= strcmp(elsewhere[k], gr_ops[op].name) == 0;
    check(found, "operation %s has no test", gr_ops[op].name);
  }
}

/* ---- reductions ---- */

static void reduction(const char *name, const char *formula, const char *formula2, int k, bool f64) {
  static const int64_t sizes[][2] = {{37, 530}, {1, 1}, {5, 3}, {33, 0}, {0, 7}, {16, 4}};
  static int count;
  int axis = count++ % 2;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      test t = {.formula = formula, .formula2 = formula2, .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "a=Vi(20)", "c=Vj(20)"},
                .reduction = name, .axis = axis, .k = k, .f64 = f64, .m = sizes[s][axis ? 0 : 1], .n = sizes[s][axis ? 1 : 0]};
      (*each_case)(&t, f64 ? 1e-12 : 1e-5);
  }
}

static void reductions(bool f64) {
  for (int r = 0; r < RED_COUNT; r++) {
    const gr_redinfo *info = &gr_reds[r];
    bool expsum = info->family == FAM_ExpSum;
    /* The values are on a grid, so that there are ties, and equal in both backends. */
    /* near 1, so that products stay in the range of single precision */
    bool product = info->family == FAM_Product;
    const char *narrow = product ? "1+0.01*(x-y)" : expsum ? "-SqDist(x,y)" : "Round(x*4,0)-Round(y*4,0)", *wide = product ? "1+0.01*a*c" : expsum ? "(a|c)" : "Round(a*4,0)*Round(c,0)";
    const char *inf = "IfElse(x[0:1]-y[0:1],1/Zero(1),-1/Zero(1))", *nan = "Sqrt(Round(x[0]-y[0],0))+Log(x[1])";
    if (info->weight != NEED_Y) {
      reduction(info->name, narrow, NULL, info->needs_k ? 4 : 0, f64);
      reduction(info->name, wide, NULL, info->needs_k ? 3 : 0, f64);
      reduction(info->name, inf, NULL, info->needs_k ? 4 : 0, f64);
      if (info->family != FAM_Total && info->family != FAM_Product && info->family != FAM_Moments) reduction(info->name, nan, NULL, info->needs_k ? 2 : 0, f64);
    }
    if (info->weight != NEED_N) {
      /* Weights are positive: the logarithm of a sum with cancellation has no correct digits. */
      reduction(info->name, narrow, "Square(b)", 0, f64);
      reduction(info->name, narrow, "Exp(x)", 0, f64);
      reduction(info->name, wide, "Square(c*a)", 0, f64);
      reduction(info->name, narrow, "Abs(c)*SqDist(x,y)", 0, f64);
      reduction(info->name, narrow, "Concat(Square(x-y),Exp(x*y))", 0, f64);
      reduction(info->name, inf, "1+b*b", 0, f64);
    }
  }
}

/* Few rows and many columns: vector lanes are columns, in every family of reductions, with
 * contractions, wide sums, and a last vector that is not full.  Long sums do not cancel. */
static void few_rows(bool f64) {
  static const test few[] = {
      {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)"}},
      {.formula = "Exp(-SqDist(x,y))*(b*x[0]-p)", .aliases = {"x=Vi(12)", "y=Vj(12)", "b=Vj(20)", "p=Pm(20)"}, .lo = -0.5, .hi = 0.5},
      {.formula = "Sin(y)*Cos(x)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .scheme = "direct_sum", .lo = 0, .hi = 1.5},
      {.formula = "Sin(y)*Cos(x)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .scheme = "kahan_scheme", .lo = 0, .hi = 1.5},
      {.formula = "Sin(y)*Cos(x)", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .acc = "float64", .lo = 0, .hi = 1.5},
      {.formula = "Round(4*x,0)-Round(40*y,0)", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .reduction = "Max_ArgMax"},
      {.formula = "Round(4*x,0)-Round(40*y,0)", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .reduction = "KMin_ArgKMin", .k = 5},
      {.formula = "Round(8*SqDist(x,y),0)", .aliases = {"x=Vi(12)", "y=Vj(12)"}, .reduction = "ArgMin", .lo = -0.5, .hi = 0.5},
      {.formula = "-SqDist(x,y)", .aliases = {"x=Vi(12)", "y=Vj(12)"}, .reduction = "LogSumExp", .lo = -0.5, .hi = 0.5},
      {.formula = "x|y", .formula2 = "b", .aliases = {"x=Vi(12)", "y=Vj(12)", "b=Vj(20)"}, .reduction = "SumSoftMaxWeight", .lo = 0, .hi = 0.5},
      {.formula = "x*y", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .reduction = "Var"},
      {.formula = "1+0.0001*x*y", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .reduction = "Prod"},
      {.formula = "y", .aliases = {"y=Vj(2)"}, .reduction = "Mean", .lo = 0, .hi = 1}};
  for (size_t k = 0; k < sizeof few / sizeof *few; k++)
    for (int m = 1; m < 4; m += 2) {
      test t = few[k];
      t.axis = 1, t.f64 = f64, t.m = m, t.n = 4096 + 1000 * m + 7;
      (*each_case)(&t, f64 ? 1e-12 : 1e-4); /* a product of thousands of rounded factors */
    }
}

static void sums(void) {
  static const char *const schemes[] = {"block_sum", "direct_sum", "kahan_scheme"}, *const accs[] = {"auto", "float64"};
  for (int s = 0; s < 3; s++)
    for (int a = 0; a < 2; a++)
      for (int f64 = 0; f64 < 2; f64++)
        for (int wide = 0; wide < 2; wide++) {
          test t = {.formula = wide ? "Exp(-SqDist(x,y))*c" : "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "c=Vj(100)"},
                    .axis = 1, .f64 = f64, .m = 21, .n = 1000, .scheme = schemes[s], .acc = accs[a]};
          (*each_case)(&t, f64 ? 1e-12 : 1e-5);
        }
}
#include "language_index.h"
static void whole_language(void) {
  table_is_covered();
  for (int f64 = 0; f64 < 2; f64++) {
    element_wise(f64);
    loop_operations(f64);
    reductions(f64);
    few_rows(f64), index_operations(f64);
  }
  sums();
}

#endif
