/* language_index.h: cases of numbers of rows and columns, and of random numbers (language.h). */
#ifndef GENRED_LANGUAGE_INDEX_H
#define GENRED_LANGUAGE_INDEX_H

/* In every level, contractions and wide sums, beside functions of other groups of the prelude. */
static const test indexed[] = {
    {.formula = "IndexI()*y-x*IndexJ()", .aliases = {"x=Vi(1)", "y=Vj(3)"}},
    {.formula = "IndexI()+2*IndexJ()+Rand(4294967295)", .aliases = {"x=Vi(1)", "y=Vj(1)"}},
    {.formula = "IfElse(IndexDiff()-2,x,y)+(IndexDiff()==0)*p", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}},
    {.formula = "Exp(-SqDist(x,y))*(IndexDiff()>=0)*b+Sum(x*IndexJ())",
     .aliases = {"x=Vi(12)", "y=Vj(12)", "b=Vj(20)"}, .lo = -0.1, .hi = 0.1},
    {.formula = "Sum(x*y*IndexI())*Exp(0-0.01*IndexJ())*IndexDiff()", .aliases = {"x=Vi(20)", "y=Vj(20)"}},
    {.formula = "Rand(7)*x+Rand(p)*y+Log(Rand(7)/Rand(-1))",
     .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"}, .lo = 0, .hi = 100},
    {.formula = "Lgamma(Abs(x)+Rand(2))+SoftDTW_SqDist(x,y,1)*Tan(IndexDiff()/50000)+Erf(y)",
     .aliases = {"x=Vi(3)", "y=Vj(3)"}},
    {.formula = "(x|y)*Rand(3)*b", .aliases = {"x=Vi(10)", "y=Vj(10)", "b=Vj(20)"}}};

/* With few rows, whose lanes are columns. */
static const test indexed_few[] = {
    {.formula = "Exp(-SqDist(x,y))*b*(IndexDiff()+Rand(1)*IndexJ())",
     .aliases = {"x=Vi(12)", "y=Vj(12)", "b=Vj(20)"}, .lo = -0.2, .hi = 0.2},
    {.formula = "Rand(p)+IfElse(IndexDiff()+4000,0,2)",
     .aliases = {"x=Vi(2)", "y=Vj(2)", "p=Pm(1)"}, .reduction = "KMax_ArgKMax", .k = 5},
    {.formula = "IndexJ()*x", .aliases = {"x=Vi(1)", "y=Vj(2)"}, .reduction = "Max_ArgMax"}};

static void index_operations(bool f64) {
  for (size_t k = 0; k < sizeof indexed / sizeof *indexed; k++) {
    test t = indexed[k];
    t.axis = (int)(k + f64) % 2, t.f64 = f64;
    t.m = t.axis ? 23 : 300, t.n = t.axis ? 300 : 23;
    (*each_case)(&t, f64 ? 1e-12 : 2e-5);
  }
  for (size_t k = 0; k < sizeof indexed_few / sizeof *indexed_few; k++) {
    test t = indexed_few[k];
    t.axis = 1, t.f64 = f64, t.m = 1 + (int)k, t.n = 5003;
    (*each_case)(&t, f64 ? 1e-12 : 1e-4);
  }
  for (int r = 0; r < RED_COUNT; r++) {
    const gr_redinfo *info = &gr_reds[r];
    bool product = info->family == FAM_Product;
    const char *formula = product ? "1+0.0001*Rand(5)*IndexDiff()" : "Round(IndexDiff()/4,0)*Rand(5)";
    reduction(info->name, formula, info->weight == NEED_Y ? "1+Rand(6)*b*b" : NULL, info->needs_k ? 3 : 0, f64);
  }
}

#endif
