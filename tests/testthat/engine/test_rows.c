/* test_rows.c: what the rows of ops.h and reds.h say of operations and reductions is true.
 *
 * Laws of element-wise operations are checked on their reference functions, views on graphs,
 * families of reductions on their states.  Laws of loops are what their derivatives are made of
 * (test_derivatives.c). */
#include "check.h"

/* ---- laws ---- */

enum { DRAWS = 200 };

static double value(gr_op op, const double *a) { return gr_ops[op].reference(a[0], a[1], a[2], 2); }

/* A whole number, so that sums and products of a few are exact. */
static double whole(void) { return floor(uniform(-9, 9)); }

static bool is_sum(gr_op op, const double *a) {
  double sum = 0;
  for (int k = 0; k < gr_ops[op].arity; k++) sum += gr_ops[op].law[k] == '-' ? -a[k] : a[k];
  return value(op, a) == sum;
}

static bool is_one_of(gr_op op, const double *a) {
  for (int k = 0; k < gr_ops[op].arity; k++)
    if (gr_ops[op].law[k] == '|' && value(op, a) == a[k]) return true;
  return false;
}

static bool is_linear_in(gr_op op, const double *a, int k) {
  double b[3] = {a[0], a[1], a[2]};
  b[k] *= 4;
  return value(op, b) == 4 * value(op, a);
}

static bool sees_differences(gr_op op, const double *a) {
  double c = whole(), b[3] = {a[0] + c, a[1] + c, a[2] + c};
  return value(op, b) == value(op, a);
}

static bool obeys(gr_op op, const double *a) {
  const char *law = gr_ops[op].law;
  if (strpbrk(law, "+-") && !is_sum(op, a)) return false;
  if (strchr(law, '|') && !is_one_of(op, a)) return false;
  if (strchr(law, '=') && !sees_differences(op, a)) return false;
  for (int k = 0; law[k]; k++)
    if (law[k] == '*' && !is_linear_in(op, a, k)) return false;
  return true;
}

static void laws(void) {
  for (int op = 0; op < OP_COUNT; op++) {
    const gr_opinfo *info = &gr_ops[op];
    if (info->kind != KIND_EW || !*info->law) continue;
    bool holds = (int)strlen(info->law) == info->arity;
    for (int i = 0; i < DRAWS && holds; i++) {
      double a[3] = {whole(), whole() + 0.5, whole()};
      holds = obeys((gr_op)op, a);
    }
    check(holds, "%s does not obey its law \"%s\"", info->name, info->law);
  }
}

/* ---- views ---- */

static void view(const char *formula, int stride, int offset) {
  test t = {.formula = formula, .aliases = {"x=Vi(6)", "s=Vi(1)"}, .reduction = "Sum", .axis = 1};
  gr_program *p;
  gr_error err = {.cls = GR_OK};
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", formula, err.message)) return;
  const gr_dag *g = p->dag;
  bool found = false;
  for (gr_ref r = 0; r < g->n; r++) {
    const gr_node *n = &g->node[r];
    if (!gr_is_view(n)) continue;
    gr_view v = gr_view_of(n);
    int last = v.stride * (n->dim - 1) + v.offset;
    found |= v.stride == stride && v.offset == offset;
    check(v.kid == n->kid[0] && last < g->node[v.kid].dim, "%s: the view passes its argument",
          formula);
  }
  check(found, "%s: no view with stride %d and offset %d", formula, stride, offset);
  gr_program_free(p);
}

static void views(void) {
  view("SumT(s,4)*Extract(x,0,4)", 0, 0);
  view("Elem(x,5)", 0, 5);
  view("Extract(x,2,3)", 1, 2);
  view("ComplexReal(x)", 2, 0);
  view("ComplexImag(x)", 2, 1);
}

/* ---- families ---- */

enum { ROOM = 64 };

static const double UNTOUCHED = 0x1.8p99;

static void blank(double *s) {
  for (int e = 0; e < ROOM; e++) s[e] = UNTOUCHED;
}

static bool ends_there(const double *s, const gr_reduction *r) {
  bool ends = true;
  for (int e = r->nstate; e < ROOM; e++) ends &= s[e] == UNTOUCHED;
  return ends;
}

/* A state is begun in all of its entries, and in no more. */
static void begins(const gr_reduction *r, const char *name) {
  double s[ROOM];
  bool all = true;
  blank(s);
  gr_red_init(r, s, 1, 1);
  for (int e = 0; e < r->nstate; e++) all &= s[e] != UNTOUCHED;
  check(all && ends_there(s, r), "%s begins other than its %d entries", name, r->nstate);
}

/* An empty state that is merged, on either side, changes nothing. */
static void merges(const gr_reduction *r, const char *name) {
  double s[ROOM], empty[ROOM], before[ROOM], f[3], w[2];
  size_t size = sizeof *s * (size_t)r->nstate;
  blank(s), blank(empty);
  gr_red_init(r, s, 1, 1);
  for (int j = 0; j < 9; j++) {
    for (int k = 0; k < 3; k++) f[k] = whole();
    for (int k = 0; k < 2; k++) w[k] = whole();
    gr_red_step(r, s, 1, f, 1, w, 1, j);
  }
  memcpy(before, s, size);
  gr_red_init(r, empty, 1, 1);
  gr_red_merge(r, s, 1, empty, 1);
  check(memcmp(s, before, size) == 0, "%s: an empty state changes another", name);
  gr_red_merge(r, empty, 1, s, 1);
  check(memcmp(empty, before, size) == 0, "%s: an empty state does not become another", name);
  check(ends_there(s, r) && ends_there(empty, r), "%s: more than its %d entries", name, r->nstate);
}

static void families(void) {
  for (int red = 0; red < RED_COUNT; red++)
    for (int kahan = 0; kahan < 2; kahan++) {
      const gr_redinfo *info = &gr_reds[red];
      bool scalar = gr_families[info->family].traits & GR_SCALAR_FORMULA;
      gr_reduction r;
      gr_reduction_init(&r, (gr_red)red, scalar ? 1 : 3, info->weight == NEED_N ? 0 : 2, 4, kahan);
      check(r.kahan == (kahan && (gr_families[info->family].traits & GR_PLAIN_SUMS)),
            "%s: Kahan's scheme", info->name);
      check(gr_families[info->family].size(&r) == r.nstate && r.nstate < ROOM,
            "%s: the size of its state", info->name);
      begins(&r, info->name);
      merges(&r, info->name);
    }
}

/* ---- what is reduced ---- */

static void rewritten(const char *reduction, const char *weight, const char *op, bool wanted) {
  test t = {.formula = "Sum(x*y)",
            .formula2 = weight,
            .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)"},
            .reduction = reduction,
            .axis = 1};
  gr_program *p;
  gr_error err = {.cls = GR_OK};
  char *text = NULL;
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", reduction, err.message)) return;
  check(gr_program_dump(p, "dag", &text, &err) == GR_OK && (strstr(text, op) != NULL) == wanted,
        "%s of%s: %s%s", reduction, weight ? " weighted" : "", wanted ? "no " : "", op);
  free(text);
  gr_program_free(p);
}

static void rewrites(void) {
  rewritten("Count", NULL, "NotEqual", true);
  rewritten("Any", NULL, "NotEqual", true);
  rewritten("All", NULL, "NotEqual", true);
  rewritten("Max", NULL, "NotEqual", false);
  rewritten("LogSumExp", NULL, "IfElse", false);
  rewritten("LogSumExp", "b", "IfElse", true);
  rewritten("Max_SumShiftExpWeight", "b", "IfElse", true);
  rewritten("SumSoftMaxWeight", "b", "IfElse", false);
}

/* ---- linearity ---- */

static void linear(const char *formula, bool wanted) {
  test t = {.formula = formula,
            .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"},
            .reduction = "Sum",
            .axis = 1};
  gr_program *p;
  gr_error err = {.cls = GR_OK};
  gr_class cls = make(&t, &p, &err);
  check((cls == GR_OK) == wanted, "%s is %s linear", formula, wanted ? "not" : "wrongly");
  if (cls == GR_OK) gr_program_free(p);
}

static void linearity(void) {
  linear("TraceOperator(IfElse(p,x,2*x),x)", true);
  linear("TraceOperator(IfElse(p,x,Zero(3)),x)", true);
  linear("TraceOperator(IfElse(p,x,y),x)", false);
  linear("TraceOperator(IfElse(x,x,2*x),x)", false);
  linear("TraceOperator(x/p-y*x,x)", true);
  linear("TraceOperator(p/x,x)", false);
  linear("TraceOperator(x+1,x)", false);
  linear("TraceOperator(x*x,x)", false);
  linear("TraceOperator(Extract(Concat(x,Zero(3)),1,3),x)", true);
  linear("TraceOperator(Extract(Concat(x,y),1,3),x)", false);
  linear("TraceOperator(LessThan(x,y),x)", false);
}

int main(void) {
  laws();
  views();
  families();
  rewrites();
  linearity();
  return report();
}
