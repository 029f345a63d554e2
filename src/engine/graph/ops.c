/* ops.c: the operation table made from ops.h, look-up by name, and the dimension rules of the
 * loop operations. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/graph.h"

double ref_powi(double a, int n) { return pow(a, n); }
double ref_softplus(double a) { return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a)); }

/* Taylor's series at the zero 1.46..., which is taken from a in two pieces: to 2^-60 for |a -
 * 1.46...| <= 1/2. */
static double digamma_near_zero(double a) {
  static const double taylor[] = {
      0.96767224544762117,       -0.442763168983592106,     0.258499760955651011,
      -0.163942705442406528,     0.107824050691262366,      -0.0721995612564547109,
      0.0488042881641431072,     -0.0331611264748473593,    0.0225976482322181047,
      -0.0154247659049489591,    0.0105387916166121754,     -0.00720453438635686824,
      0.00492678139572985345,    -0.00336980165543932808,   0.00230512632673492784,
      -0.00157693677143019726,   0.00107882520191629658,    -0.00073807093899600513,
      0.000504953265834602035,   -0.0003454680251063077,    0.000236356015640270528,
      -0.000161706220919748034,  0.000110633727687474109,   -0.0000756917958219506592,
      0.0000517857579522208087,  -0.0000354300709476596063, 0.0000242400661186013177,
      -0.0000165842422718541334, 0.0000113463845846638498,  -7.76281766846209443e-6,
      5.31106092088986339e-6,    -3.63365078980104567e-6,   2.48602273312953795e-6,
      -1.70085388543326066e-6,   1.16366753635488427e-6,    -7.9614254312419704e-7,
      5.44694193066944528e-7,    -3.72661612834382296e-7,   2.54962655202155426e-7,
      -1.74436951177277452e-7};
  double d = (a - 0x1.762d86356be3fp0) - 0x1.b86a722197829p-54, sum = 0;
  for (int k = sizeof taylor / sizeof *taylor; k--;) sum = (sum + taylor[k]) * d;
  return sum;
}

/* From 10 on the asymptotic series; below, by recurrence to an interval of length 1 around the
 * zero, so that large terms do not cancel; by reflection below 0 (Abramowitz and Stegun 6.3.5,
 * .7, .18).  The distance from the nearest pole is exact; near one its term is so large that
 * what 1 - a loses does not count. */
double ref_digamma(double a) {
  const double pi = 3.14159265358979323846;
  if (a <= 0)
    return a == floor(a) ? NAN : ref_digamma(1 - a) - pi / ref_tan(pi * (a - ref_round(a)));
  if (a < 0.97) return digamma_near_zero(a + 1) - 1 / a;
  double sum = 0;
  for (; a > 1.97 && a < 10; sum += 1 / a) a--;
  if (a < 10) return sum + digamma_near_zero(a);
  double z = 1 / (a * a);
  return log(a) - 0.5 / a -
         z * (1.0 / 12 -
              z * (1.0 / 120 -
                   z * (1.0 / 252 -
                        z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
}

/* ---- reference functions of the element-wise operations ---- */

#define EW(name, arity, cost, law, emitted, calls, reference, lo, hi, derivative, meaning)         \
  static double ref_##name(double a, double b, double c, int n) {                                  \
    (void)a, (void)b, (void)c, (void)n;                                                            \
    return reference;                                                                              \
  }
GR_OPS_EW(EW)
#undef EW

/* ---- dimension rules ---- */

static int kid_dim(const gr_dag *g, const gr_node *n, int k) { return g->node[n->kid[k]].dim; }

GR_NORETURN GR_PRINTF(3, 4) static void bad(const gr_dag *g, const gr_node *n, const char *fmt,
                                            ...) {
  char text[160];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  const char *call = gr_span_text(g->ctx->arena, &n->span, gr_ops[n->op].name);
  gr_throw(g->ctx, &n->span, NULL, ERR_Dim, call, text);
}

static void need_scalar(const gr_dag *g, const gr_node *n, int k) {
  static const char *const nth[] = {"first", "second", "third"};
  if (kid_dim(g, n, k) != 1)
    bad(g, n, "the %s argument must have dimension 1, it has %d", nth[k], kid_dim(g, n, k));
}

static int dim_one(const gr_dag *g, const gr_node *n) {
  (void)g, (void)n;
  return 1;
}

#define dim_Sum dim_one
#define dim_Max dim_one
#define dim_Min dim_one
#define dim_ArgMax dim_one
#define dim_ArgMin dim_one

static int length(const gr_dag *g, const gr_node *n, int size) {
  if (size < 1) bad(g, n, "the length must be 1 or more, not %d", size);
  return size;
}

static int dim_SumT(const gr_dag *g, const gr_node *n) {
  need_scalar(g, n, 0);
  return length(g, n, n->ints[0]);
}

static int dim_Elem(const gr_dag *g, const gr_node *n) {
  int d = kid_dim(g, n, 0);
  if (n->ints[0] < 0 || n->ints[0] >= d)
    bad(g, n, "position %d is outside 0 ... %d (positions count from 0)", n->ints[0], d - 1);
  return 1;
}

static int dim_Extract(const gr_dag *g, const gr_node *n) {
  int d = kid_dim(g, n, 0), start = n->ints[0], size = length(g, n, n->ints[1]);
  if (start < 0 || start > d - size)
    bad(g, n, "%d components from position %d on do not lie in a vector of dimension %d", size,
        start, d);
  return size;
}

static int dim_ElemT(const gr_dag *g, const gr_node *n) {
  need_scalar(g, n, 0);
  int size = length(g, n, n->ints[0]), at = n->ints[1];
  if (at < 0 || at >= size)
    bad(g, n, "position %d is outside 0 ... %d (positions count from 0)", at, size - 1);
  return size;
}

static int dim_ExtractT(const gr_dag *g, const gr_node *n) {
  int d = kid_dim(g, n, 0), start = n->ints[0], size = length(g, n, n->ints[1]);
  if (start < 0 || start > size - d)
    bad(g, n, "a vector of dimension %d at position %d does not fit into length %d", d, start,
        size);
  return size;
}

static int dim_Concat(const gr_dag *g, const gr_node *n) {
  return kid_dim(g, n, 0) + kid_dim(g, n, 1);
}

static int dim_OneHot(const gr_dag *g, const gr_node *n) {
  need_scalar(g, n, 0);
  return length(g, n, n->ints[0]);
}

static int dim_TensorDot(const gr_dag *g, const gr_node *n) {
  long long d = 1;
  for (int k = 0; k < n->ints[0]; k++) {
    d *= gr_axes(n->ints)[k].size;
    if (d > GR_MAX_DIM) gr_throw(g->ctx, &n->span, NULL, ERR_DimLimit, "TensorDot", d, GR_MAX_DIM);
  }
  return (int)d;
}

/* Half of a complex vector: real and imaginary parts alternate. */
static int dim_half(const gr_dag *g, const gr_node *n) {
  int d = kid_dim(g, n, 0);
  if (d % 2) bad(g, n, "a complex vector has an even dimension, not %d", d);
  return d / 2;
}

#define dim_ComplexReal dim_half
#define dim_ComplexImag dim_half

static int dim_Complex(const gr_dag *g, const gr_node *n) {
  int a = kid_dim(g, n, 0), b = kid_dim(g, n, 1);
  if (a != b) bad(g, n, "%d real parts cannot go with %d imaginary parts", a, b);
  return 2 * a;
}

static int dim_SoftDTW_SqDist(const gr_dag *g, const gr_node *n) {
  need_scalar(g, n, 2);
  return 1;
}

/* The whole table of n x m cells is stored. */
static int dim_SoftDTW_Grad(const gr_dag *g, const gr_node *n) {
  int rows = kid_dim(g, n, 0), columns = kid_dim(g, n, 1);
  need_scalar(g, n, 2);
  if ((rows + 2LL) * (columns + 1LL) > GR_MAX_DIM)
    bad(g, n, "a gradient through %d x %d cells is too large: their number is limited to %d", rows,
        columns, GR_MAX_DIM);
  return rows + columns + 1;
}

/* ---- the table ---- */

/* In each component of a TensorDot. */
static double products(const gr_node *n) {
  double terms = 1;
  for (int k = 0; k < n->ints[1]; k++) terms *= gr_axes(n->ints)[n->ints[0] + k].size;
  return terms;
}

/* The columns of a loop operation as functions of what they are written in. */
#define LOOP(name, signature, dimension, flags, law, stride, offset, cost, storage,                \
             calls, derivative, meaning)                                                           \
  static int offset_##name(int n) { return (void)n, offset; }                                      \
  static double cost_##name(double o, double d, double c, double terms) {                          \
    return (void)o, (void)d, (void)c, (void)terms, cost;                                           \
  }                                                                                                \
  static int storage_##name(int o, int d, int c) { return (void)o, (void)d, (void)c, storage; }
GR_OPS_LOOP(LOOP)
#undef LOOP

enum { ONCE = FLAG_ONCE, SUM = FLAG_SUM, OWN = GR_OWN };
static const char *const ew_signature[] = {"", "e", "ee", "eee"};

#define LEAF(name)                                                                                 \
  [OP_##name] = {#name, KIND_LEAF, "", "", 0, 0, "", 0, OWN, NULL,                                 \
                 0, 0, NULL, "", NULL, NULL, NULL, NULL, NULL},
#define EW(name, arity, cost, law, emitted, calls, reference, lo, hi, derivative, meaning)         \
  [OP_##name] = {#name, KIND_EW, NULL, "equal, or 1", arity, cost, law, 0, OWN, emitted,           \
                 lo, hi, derivative, meaning, ref_##name, NULL, NULL, NULL, NULL},
#define LOOP(name, signature, dimension, flags, law, stride, offset, cost, storage,                \
             calls, derivative, meaning)                                                           \
  [OP_##name] = {#name, KIND_LOOP, signature, dimension, 0, 0, law, flags, stride, NULL,           \
                 0, 0, derivative, meaning, NULL, dim_##name, offset_##name, cost_##name,          \
                 storage_##name},
#define MACRO(name, signature, dimension, text, meaning)                                           \
  [OP_##name] = {#name, KIND_MACRO, signature, dimension, 0, 0, "", 0, OWN, text,                  \
                 0, 0, NULL, meaning, NULL, NULL, NULL, NULL, NULL},
const gr_opinfo gr_ops[OP_COUNT] = {GR_OPS_LEAF(LEAF) GR_OPS_EW(EW) GR_OPS_LOOP(LOOP)
                                        GR_OPS_MACRO(MACRO)};
#undef LEAF
#undef EW
#undef LOOP
#undef MACRO

#define LEAF(name) #name,
#define EW(name, ...) #name,
#define LOOP(name, ...) #name,
#define MACRO(name, ...) #name,
static const char *const names[OP_COUNT] = {GR_OPS_LEAF(LEAF) GR_OPS_EW(EW) GR_OPS_LOOP(LOOP)
                                                GR_OPS_MACRO(MACRO)};

#define OP(name) [OP_##name] = true,
static const bool internal[OP_COUNT] = {GR_OPS_INTERNAL(OP)};
#undef OP

const char *gr_op_signature(gr_op op) {
  return gr_ops[op].kind == KIND_EW ? ew_signature[gr_ops[op].arity] : gr_ops[op].signature;
}

/* `name` is `known` written in lower case. */
static bool lower_case_of(const char *name, const char *known) {
  for (; *name && *known; name++, known++)
    if (*name != gr_lower_case(*known)) return false;
  return !*name && !*known;
}

int gr_op_find(const char *name, bool own_text) {
  for (int k = 0; k < OP_COUNT; k++)
    if (strcmp(names[k], name) == 0) return own_text || !internal[k] ? k : -1;
  for (int k = 0; k < OP_COUNT; k++)
    if (!internal[k] && lower_case_of(name, names[k])) return k;
  return -1;
}

const char *const *gr_op_names(gr_arena *a) {
  const char **known = gr_alloc(a, OP_COUNT * sizeof *known);
  for (int k = 0; k < OP_COUNT; k++) known[k] = internal[k] ? "" : names[k];
  return known;
}

/* ---- what follows from the rows ---- */

gr_view gr_view_of(const gr_node *n) {
  const gr_opinfo *op = &gr_ops[n->op];
  return (gr_view){
      .kid = n->kid[0], .stride = op->stride, .offset = op->offset(n->nint ? n->ints[0] : 0)};
}

char gr_law(const gr_node *n, int k) { return *gr_ops[n->op].law ? gr_ops[n->op].law[k] : '.'; }

bool gr_negates(const gr_node *n) { return strcmp(gr_ops[n->op].law, "-") == 0; }

static int kid_dim_or_0(const gr_dag *g, const gr_node *n, int k) {
  return k < n->nkid ? kid_dim(g, n, k) : 0;
}

/* A number of pairs is read once, from memory: at 10 GB a second, in the time of this many
 * multiplications. */
enum { PAIR_READ = 20 };

double gr_cost(const gr_dag *g, const gr_node *n) {
  const gr_opinfo *op = &gr_ops[n->op];
  if (gr_is_pair_var(n)) return (double)n->dim * PAIR_READ;
  if (!op->loop_cost) return (double)n->dim * op->cost;
  double terms =
      gr_law(n, 0) == '*' ? products(n) : 1; /* the only loop that is a product is TensorDot */
  return op->loop_cost(n->dim, kid_dim_or_0(g, n, 0), kid_dim_or_0(g, n, 1), terms);
}

int gr_storage(const gr_dag *g, gr_ref r) {
  const gr_node *n = &g->node[r];
  const gr_opinfo *op = &gr_ops[n->op];
  return op->loop_storage ? op->loop_storage(n->dim, kid_dim_or_0(g, n, 0), kid_dim_or_0(g, n, 1))
                          : n->dim;
}

/* ---- the table as text, for documentation ---- */

/* "f, g, n": expressions f g h (or v, a variable), integers n m, lists. */
static void arguments_text(const char *sig, char *out, size_t size) {
  static const char *const e[] = {"f", "g", "h"}, *const i[] = {"n", "m"};
  static const char *const l[] = {"shape of f", "shape of g", "axes of f", "axes of g",
                                  "permutation"};
  int ne = 0, ni = 0, nl = 0;
  bool optional = false;
  *out = 0;
  for (; *sig; sig++) {
    size_t n = strlen(out);
    if (*sig == '?') {
      optional = true;
      continue;
    }
    const char *arg = *sig == '*'   ? "..."
                      : *sig == 'e' ? e[ne++]
                      : *sig == 'v' ? (ne++, "v")
                      : *sig == 'i' ? i[ni++]
                                    : l[nl++];
    snprintf(out + n, size - n, "%s%s%s%s", n ? ", " : "", optional ? "[" : "", arg,
             optional ? "]" : "");
  }
}

int gr_operation_count(void) {
  int n = 0;
  for (int op = 0; op < OP_COUNT; op++) n += !internal[op];
  return n;
}

/* The k-th that is not internal. */
static gr_op public_op(int k) {
  int op = 0;
  for (; internal[op] || k > 0; op++) k -= !internal[op];
  return (gr_op)op;
}

gr_operation gr_operation_row(int k) {
  static const char *const kinds[] = {"constant", "element-wise", "loop", "rewrite"};
  gr_op op = public_op(k);
  const gr_opinfo *x = &gr_ops[op];
  gr_operation row = {
      .name = x->name, .kind = kinds[x->kind], .dimension = x->dimension, .meaning = x->meaning};
  row.derivative = x->derivative ? x->derivative : x->kind == KIND_MACRO ? x->emitted : NULL;
  arguments_text(op == OP_Zero ? "i" : gr_op_signature(op), row.arguments, sizeof row.arguments);
  if (op == OP_Zero) row.dimension = "n", row.meaning = "vector of n zeros";
  return row;
}
