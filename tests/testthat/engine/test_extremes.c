/* test_extremes.c: numbers at the ends of the range, through whole programs.
 *
 *   functions   digamma and trigamma at their poles and zeros against values computed with 2400
 *               bits (mpmath), by interpreter and kernel
 *   operations  every element-wise operation at NaN, Inf, zeros of both signs, subnormal, tiny,
 *               huge and special numbers: the kernel gives what the interpreter gives; where the
 *               result is subnormal, or comes from an exponential that is, the kernel may give 0
 *   weights     log-sum-exps with the whole cross product of extreme values and weights of two
 *               pairs, in both orders, against their definition in ?genred_reductions evaluated in
 *               long double; by interpreter, kernels (lanes of rows and of columns) and GPU (on the
 *               host) */
#include <float.h>

#include "../cuda/cu_public.h"
#include "check.h"

static const double nothing[] = {0};

/* The program's results for the arguments in data, column-major; false after a failed check. */
static bool call(const test *t, gr_backend backend, const double *const data[], result *r) {
  gr_program *p;
  gr_error err = {0};
  gr_array args[ARGS_MAX];
  gr_options opt = options(backend, 1);
  if (backend == GR_GPU) opt.device = &gr_cuda;
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return false;
  for (int k = 0; k < gr_program_nargs(p); k++) {
    gr_arg_info a = gr_program_arg(p, k);
    int64_t rows = a.category == GR_VI ? t->m : a.category == GR_VJ ? t->n : 1;
    args[k] = (gr_array){.data = data[k] ? data[k] : nothing, .rows = rows, .cols = a.dim, .stride = rows};
  }
  bool ok = check(run(p, args, &opt, r, &err) == GR_OK, "%s: %s %s", describe(t), err.message, err.log ? err.log : "");
  gr_program_free(p);
  gr_error_clear(&err);
  return ok;
}

static const char *backend_name(gr_backend b) { return b == GR_INTERPRETER ? "interpreter" : b == GR_CPU ? "kernel" : "GPU"; }

/* Equal: both NaN, the same infinity, or numbers within the tolerance relative to `want` or
 * `size`. */
static bool close_to(double got, double want, double tolerance, double size) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
  if (isinf(want) || isinf(got)) return want == got;
  return fabs(got - want) <= tolerance * fmax(fabs(want), size);
}

/* ---- functions ---- */

typedef struct value {
  double x, digamma, trigamma;
} value;

static const value values[] = {
    {-0x1.203af9ee75616p-50, 999999999999999.34508, 9.9999999999999984459e+29},
    {-0x1.56e1fc2f8f359p-997, 9.9999999999999997494e+299, INFINITY},
    {0x1.56e1fc2f8f359p-997, -9.9999999999999997494e+299, INFINITY},
    {-0x1.ad7f29abcaf48p-24, 9999999.4227841710576, 100000000000001.65398},
    {-0x1.0000000000000p-2, 2.9141391202135278304, 18.541879647671606498},
    {-0x1.0000000000000p-1, 0.036489973978576520559, 8.9348022005446793094},
    {-0x1.8000000000000p-1, -2.8941202000429320748, 18.975106932284888517},
    {-0x1.ffffffffffff8p-1, -1125899906842623.5772, 1.2676506002282294015e+30},
    {-0x1.0000000000004p+0, 1125899906842624.4228, 1.2676506002282294015e+30},
    {-0x1.ffffe00000000p-1, -1048575.577213142496, 1099511627778.6449337},
    {-0x1.0000100000000p+0, 1048576.4227818126926, 1099511627778.6449345},
    {-0x1.8000000000000p+0, 0.70315664064524318723, 9.3792466449891237539},
    {-0x1.ffffffffff000p+0, -1099511627775.0772157, 1.2089258196146291747e+24},
    {-0x1.0000200000000p+1, 262144.92277329180028, 68719476738.894934655},
    {-0x1.2666666666666p+1, 3.3173231575618227391, 14.725912160961291488},
    {-0x1.3fffffff80000p+3, -1073741821.648247408, 1152921504606846979.2},
    {-0x1.4000400000000p+3, 32770.351655094500738, 1073741827.1947020802},
    {-0x1.3000000000000p+3, 2.3030010342976863753, 9.7696874450302318856},
    {-0x1.02172b05ee25cp-1, 4.0429657172224963392e-15, 8.9397985587921337653},
    {-0x1.92d0cbc289d48p+0, 4.5714168112277889937e-15, 9.941513615924168624},
    {0x1.762d86356be3fp+0, -9.2412655217294275168e-17, 0.967672245447621255},
    {0x1.762d86356be40p+0, 1.2245374622004069031e-16, 0.96767224544762105837},
    {0x1.75c28f5c28f5cp+0, -0.0015805619870834521062, 0.96911962150988789455},
    {0x1.7851eb851eb85p+0, 0.0080664890113648684423, 0.96031620905115070189},
    {0x1.7a3d70a3d70a4p+0, 0.015244422601978308289, 0.95381351765750181602},
    {0x1.721ff2e48e8a7p+0, -0.015432345125451642723, 0.98188904767590502579},
    {0x1.0624dd2f1a9fcp-10, -1000.5755719318102797, 1000001.6425331958273},
    {0x1.0000000000000p-1, -1.9635100260214234794, 4.9348022005446793094},
    {0x1.0000000000000p+0, -0.57721566490153286061, 1.6449340668482264365},
    {0x1.8000000000000p+0, 0.036489973978576520559, 0.93480220054467930942},
    {0x1.8000000000000p+1, 0.92278433509846713939, 0.39493406684822643647},
    {0x1.4000000000000p+3, 2.2517525890667211076, 0.10516633568168574612},
    {0x1.f440000000000p+9, 6.9077553206487964271, 0.00099999991666669583331},
    {0x1.2a05f20000000p+33, 23.02585092989045684, 1.00000000005e-10},
    {-0x1.f420000000000p+9, 10.050097693066705875, 19.738209551699784882}};
enum { VALUES = sizeof values / sizeof *values };

/* Below 0 the digamma function has zeros where two terms cancel: see ops.h. */
static double size_of(const value *v, bool trigamma) { return trigamma ? 0 : v->x < 0 ? fmax(1, log(1 - v->x)) : v->x == values[20].x ? 1e-30 : 0; }

static void functions(const char *formula, bool trigamma, bool f64, gr_backend backend) {
  double x[VALUES];
  result r;
  test t = {.formula = formula, .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .f64 = f64, .m = VALUES, .n = 1};
  for (int k = 0; k < VALUES; k++) x[k] = values[k].x;
  if (!call(&t, backend, (const double *const[]){x, NULL}, &r)) return;
  for (int k = 0; k < VALUES; k++) {
    double want = trigamma ? values[k].trigamma : values[k].digamma;
    if (!f64 && x[k] != (float)x[k]) continue;
    if (!f64) want = (float)want;
    check(close_to(r.v[0][k], want, !f64 ? 2e-6 : backend == GR_CPU ? 4e-15 : 5e-14, size_of(&values[k], trigamma)), "%s at %.17g (%s, %s): %.17g, not %.17g", formula, x[k], f64 ? "float64" : "float32",
          backend_name(backend), r.v[0][k], want);
  }
  free_result(&r);
}

/* Trigamma is Inf at its poles, digamma NaN; the derivative of trigamma is finite at positive
 * integers. */
static void poles(bool f64, gr_backend backend) {
  static const double x[] = {0, -0.0, -1, -2, -17, -123456, INFINITY, 1, 2, 3};
  result r;
  test t = {.formula = "Concat(Digamma(x),Concat(Trigamma(x),Grad(Trigamma(x),x,1)))", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .f64 = f64, .m = 10, .n = 1};
  if (!call(&t, backend, (const double *const[]){x, NULL}, &r)) return;
  for (int k = 0; k < 6; k++)
    check(isnan(r.v[0][k]) && r.v[0][10 + k] == INFINITY, "digamma and trigamma at %g (%s): %g, %g", x[k], backend_name(backend), r.v[0][k], r.v[0][10 + k]);
  check(r.v[0][6] == INFINITY && r.v[0][16] == 0, "digamma and trigamma at Inf (%s): %g, %g", backend_name(backend), r.v[0][6], r.v[0][16]);
  static const double slope[] = {-2.4041138063191885708, -0.40411380631918857080, -0.15411380631918857080};
  for (int k = 0; k < 3; k++)
    check(close_to(r.v[0][27 + k], slope[k], f64 ? 1e-13 : 1e-5, 0), "derivative of trigamma at %d (%s): %.17g", k + 1, backend_name(backend), r.v[0][27 + k]);
  free_result(&r);
}

/* ---- operations ---- */

#define EW(name, arity, cost, law, emitted, calls, reference, lo, hi, derivative, meaning) {#name, arity},
static const struct {
  const char *name;
  int arity;
} ops[] = {GR_OPS_EW(EW)};
#undef EW

static int extremes(bool f64, double *x) {
  static const double plain[] = {0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 1.5, -2.5, 3, 10, -10, 0.1, -0.1, 20, -20, 87, -87, 87.3, -87.3, 88.7, -88.7, 100, -100, 126, -126, 127.5, -127.5, 1e-6, -1e-6, INFINITY, -INFINITY, NAN};
  const double least = f64 ? DBL_MIN : FLT_MIN, most = f64 ? DBL_MAX : FLT_MAX, tiny = f64 ? 0x1p-1074 : 0x1p-149;
  const double range[] = {least, most, tiny, least / 4, least * 3, most / 3, f64 ? 708.3 : 87.33, f64 ? 709.7 : 88.72, f64 ? 1022 : 126, f64 ? 1e200 : 1e30, f64 ? 1e-200 : 1e-30};
  int n = 0;
  for (size_t k = 0; k < sizeof plain / sizeof *plain; k++) x[n++] = f64 ? plain[k] : (float)plain[k];
  for (size_t k = 0; k < sizeof range / sizeof *range; k++) x[n++] = f64 ? range[k] : (float)range[k], x[n] = -x[n - 1], n++;
  return n;
}

static bool is_one_of(const char *name, const char *list) {
  char word[40];
  snprintf(word, sizeof word, " %s ", name);
  return strstr(list, word) != NULL;
}

/* Whether `got` is an acceptable result of a kernel for `want`.  Powf is exp(g log f), so that the
 * rounding error of g log f is a relative error of the result. */
static bool agrees(const char *name, double got, double want, bool f64) {
  const double least = f64 ? DBL_MIN : FLT_MIN, most = f64 ? DBL_MAX : FLT_MAX;
  if (is_one_of(name, " Powf ") && want > 0 && fabs(log(fmin(got, most)) - log(fmin(want, most))) <= fabs(log(fmin(want, most))) * (f64 ? 1e-15 : 1e-6)) return true;
  /* see gr_exp2 */
  if (got == 0 && fabs(want) < least && is_one_of(name, " Exp Exp2 Powf Sigmoid Softplus Erfc ")) return true;
  /* near zeros on the negative axis */
  if (is_one_of(name, " Lgamma Digamma ") && fabs(got - want) < (f64 ? 1e-13 : 1e-4)) return true;
  if (fabs(want) < least && fabs(got - want) <= (f64 ? 0x1p-1072 : 0x1p-147)) return true;
  return close_to(got, want, f64 ? 1e-13 : 4e-6, 0);
}

static void operation(int op, bool f64, gr_backend backend) {
  enum { MOST = 80 };
  static double x[MOST], y[MOST], z[2] = {-0.25, 0.75};
  char formula[60];
  const char *name = ops[op].name;
  result a, b;
  int n = extremes(f64, x), pairs = ops[op].arity > 1 ? n : 1;
  extremes(f64, y);
  snprintf(formula, sizeof formula, is_one_of(name, " PowInt ") ? "Pow(x,3)" : is_one_of(name, " RoundAway ") ? "Round(x,0)" : ops[op].arity == 1 ? "%s(x)" : ops[op].arity == 2 ? "%s(x,p)" : "%s(x,p,q)", name);
  test t = {.formula = formula, .aliases = {"x=Vi(1)", "p=Pm(1)", "q=Pm(1)", "y=Vj(1)"}, .axis = 1, .f64 = f64, .m = n, .n = 1};
  for (int k = 0; k < pairs; k++) {
    const double *const data[] = {x, &y[k], &z[k % 2], NULL};
    if (!call(&t, GR_INTERPRETER, data, &a) || !call(&t, backend, data, &b)) return;
    for (int i = 0; i < n; i++)
      check(agrees(name, b.v[0][i], a.v[0][i], f64), "%s at %.17g, %.17g (%s, %s): %.17g, not %.17g", formula, x[i], y[k], f64 ? "float64" : "float32", backend_name(backend), b.v[0][i],
            a.v[0][i]);
    free_result(&a);
    free_result(&b);
  }
}

/* ---- weights ---- */

enum { COUNT = 9, CASES = COUNT * COUNT * COUNT * COUNT, COLUMNS = 300 };
static const double fs[COUNT] = {-INFINITY, -1e30, -200, -87.4, 0, 3, 1e30, INFINITY, NAN};
static const double ws[COUNT] = {0, -0.0, 1, -2, 1e-30, 1e10, INFINITY, -INFINITY, NAN};

typedef struct pair {
  double f[2], w[2];
} pair;

static pair case_number(int k) {
  return (pair){{fs[k % COUNT], fs[k / COUNT % COUNT]}, {ws[k / COUNT / COUNT % COUNT], ws[k / COUNT / COUNT / COUNT]}};
}

typedef struct answer {
  long double m, s, lead; /* largest f, sum of exp(f - m) w and of exp(f - m) */
  double error;           /* error bound of s: that of an exponential, times the weights */
} answer;

/* exp(f - m) is 1 for the largest f, 0 for f = -Inf and positive for every other. */
static long double factor_of(long double f, long double m) {
  if (isnan(f) || f == -INFINITY) return isnan(f) ? NAN : 0;
  return f == m ? 1 : fmaxl(expl(f - m), 1e-4000L);
}

static answer definition(const pair *p, bool softmax, bool f64) {
  answer a = {-INFINITY, 0, 0, 0};
  for (int k = 0; k < 2; k++)
    if ((softmax || p->w[k] != 0) && p->f[k] > a.m) a.m = p->f[k];
  for (int k = 0; k < 2; k++) {
    if (!softmax && p->w[k] == 0) continue;
    long double e = factor_of(p->f[k], a.m);
    a.s += e * p->w[k], a.lead += e;
    if (isfinite(p->w[k])) a.error += fabs(p->w[k]) * (f64 ? DBL_MIN : FLT_MIN);
  }
  return a;
}

static bool same_sum(double got, const answer *a, bool f64) {
  double want = (double)a->s;
  return close_to(got, want, f64 ? 1e-12 : 1e-5, 0) || fabs(got - want) <= 4 * a->error;
}

static bool same_log(double got, const answer *a, bool f64) {
  /* only an exponential that underflows is left */
  if (isfinite(a->s) && fabsl(a->s) < 1e6 * a->error && a->s != 0) return a->s < 0 || !isnan(got);
  return close_to(got, (double)(a->m + logl(a->s)), f64 ? 1e-12 : 1e-5, 1);
}

static bool same_softmax(double got, const answer *a, bool f64) {
  double want = (double)(a->s / a->lead);
  return close_to(got, want, f64 ? 1e-12 : 1e-5, 0) || fabs(got - want) <= 4 * a->error;
}

static void judge(const char *reduction, const pair *p, const double *got, int64_t ld, bool f64, const char *where) {
  bool softmax = strcmp(reduction, "SumSoftMaxWeight") == 0, log_sum = strcmp(reduction, "LogSumExp") == 0;
  pair q = *p;
  for (int k = 0; k < 2; k++)
    if (!f64) q.f[k] = (float)q.f[k], q.w[k] = (float)q.w[k];
  answer a = definition(&q, softmax, f64);
  bool ok = softmax ? same_softmax(got[0], &a, f64) : log_sum ? same_log(got[0], &a, f64) : close_to(got[0], (double)a.m, 0, 0) && same_sum(got[ld], &a, f64);
  check(ok, "%s of f = %g, %g with weights %g, %g (%s, %s): %g, not m = %Lg, s = %Lg, sum of exp %Lg", reduction, p->f[0], p->f[1], p->w[0], p->w[1], f64 ? "float64" : "float32", where,
        log_sum || softmax ? got[0] : got[ld], a.m, a.s, a.lead);
}

/* Lanes are rows, a case is a row: its pairs are two columns, the others have f = -Inf and weight
 * 0. */
static void weights_by_rows(const char *reduction, bool f64, gr_backend backend, int step) {
  static double x[4 * CASES], y[COLUMNS], masked = -INFINITY;
  test t = {.formula = "IfElse(t-1.5,p,IfElse(t-0.5,x[2],x[0]))", .formula2 = "IfElse(t-1.5,0,IfElse(t-0.5,x[3],x[1]))", .aliases = {"x=Vi(4)", "t=Vj(1)", "p=Pm(1)"},
            .reduction = reduction, .axis = 1, .f64 = f64, .m = CASES / step, .n = COLUMNS};
  result r;
  for (int k = 0; k < t.m; k++) {
    pair p = case_number(k * step);
    x[k] = p.f[0], x[t.m + k] = p.w[0], x[2 * t.m + k] = p.f[1], x[3 * t.m + k] = p.w[1];
  }
  for (int c = 0; c < COLUMNS; c++) y[c] = c == 1 ? 0 : c == (f64 ? 2 : COLUMNS - 2) ? 1 : 2;
  if (!call(&t, backend, (const double *const[]){x, y, &masked}, &r)) return;
  for (int k = 0; k < t.m; k++) {
    pair p = case_number(k * step);
    judge(reduction, &p, r.v[0] + k, t.m, f64, backend_name(backend));
  }
  free_result(&r);
}

/* Weights of columns, and one row (lanes are columns) or some; a call for each case. */
static void weights_by_columns(const char *reduction, bool f64, gr_backend backend, int step, int rows) {
  enum { N = 40 };
  double y[2 * N];
  static const double zero[40];
  test t = {.formula = "IfElse(x,y[0],y[1])", .formula2 = "y[1]", .aliases = {"x=Vi(1)", "y=Vj(2)"}, .reduction = reduction, .axis = 1, .f64 = f64, .m = rows, .n = N};
  for (int k = 0; k < CASES; k += step) {
    pair p = case_number(k);
    result r;
    for (int c = 0; c < N; c++) y[c] = -INFINITY, y[N + c] = 0;
    y[3] = p.f[0], y[N + 3] = p.w[0], y[20] = p.f[1], y[N + 20] = p.w[1];
    if (!call(&t, backend, (const double *const[]){zero, y}, &r)) return;
    judge(reduction, &p, r.v[0], rows, f64, backend_name(backend));
    free_result(&r);
  }
}

static void weights(const char *reduction, bool f64, bool gpu) {
  weights_by_rows(reduction, f64, GR_INTERPRETER, 1);
  weights_by_rows(reduction, f64, GR_CPU, 1);
  weights_by_columns(reduction, f64, GR_CPU, 13, 1);
  weights_by_columns(reduction, f64, GR_CPU, 13, 40);
  if (gpu) weights_by_rows(reduction, f64, GR_GPU, 5);
  if (gpu) weights_by_columns(reduction, f64, GR_GPU, 61, 3);
}

/* ---- all of it ---- */

/* The libraries that stand in for CUDA's. */
static bool use_libraries(const char *program) {
  const char *slash = strrchr(program, '/');
  char path[600];
  static const char *const names[] = {"libcuda.so", "libnvrtc.so"}, *const variables[] = {"GENRED_CUDA_DRIVER", "GENRED_NVRTC"};
  int n = 0;
  gr_error err = {0};
  for (int k = 0; k < 2; k++) {
    snprintf(path, sizeof path, "%.*s../fake/%s", slash ? (int)(slash + 1 - program) : 0, program, names[k]);
    set_variable(variables[k], path);
  }
  bool there = gr_cuda.count(&n, &err) == GR_OK && n > 0;
  gr_error_clear(&err);
  return there;
}

int main(int argc, char **argv) {
  static const char *const reductions[] = {"LogSumExp", "Max_SumShiftExpWeight", "SumSoftMaxWeight"};
  (void)argc;
  bool gpu = use_libraries(argv[0]);
  own_folder();
  for (int f64 = 0; f64 < 2; f64++) {
    for (int kernel = 0; kernel < 2; kernel++) {
      gr_backend backend = kernel ? GR_CPU : GR_INTERPRETER;
      functions("Digamma(x)", false, f64, backend);
      functions("Trigamma(x)", true, f64, backend);
      poles(f64, backend);
    }
    for (size_t op = 0; op < sizeof ops / sizeof *ops; op++) operation((int)op, f64, GR_CPU);
    for (int k = 0; k < 3; k++) weights(reductions[k], f64, gpu);
  }
  gr_cuda.shutdown();
  return report();
}
