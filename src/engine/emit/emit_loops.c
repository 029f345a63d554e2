/* emit_loops.c: the operations that are not element-wise: one function each, emit_NAME.
 *
 * Guarantees  it declares the storage of the node and fills it, in the loop over pairs and in the
 *           lower levels alike; all targets share it. */
#include <string.h>

#include "emit/emitter.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return gr_node_of(e, r); }
static int dim(const gr_emitter *e, gr_ref r) { return node(e, r)->dim; }

static const char *kid(gr_emitter *e, gr_ref r, int k, gr_idx i) { return gr_value(e, node(e, r)->kid[k], i); }
static gr_idx at(const char *sym) { return (gr_idx){sym, 0}; }
static gr_idx fixed(int k) { return (gr_idx){NULL, k}; }

/* The name under which component k is written. */
static const char *slot(gr_emitter *e, gr_ref r, gr_idx k) {
  const char *name = gr_node_name(e, r);
  return dim(e, r) == 1 ? name : gr_format(e->c->arena, "%s[%s]", name, gr_idx_text(e, k));
}

static void declare(gr_emitter *e, gr_ref r) {
  if (dim(e, r) == 1)
    gr_line(&e->out, "V %s;", gr_node_name(e, r));
  else
    gr_declare(e, "V", gr_node_name(e, r), dim(e, r), e->p->place[r].work);
}

/* ---- over the components of one vector ---- */

typedef struct fold_data {
  gr_ref r;
  const char *format; /* of name, component, name */
} fold_data;

static void fold_component(gr_emitter *e, gr_idx k, const void *data) {
  const fold_data *d = data;
  const char *name = gr_node_name(e, d->r);
  gr_line(&e->out, d->format, name, kid(e, d->r, 0, k), name);
}

static void emit_fold(gr_emitter *e, gr_ref r, const char *start, const char *format) {
  gr_line(&e->out, "V %s = %s;", gr_node_name(e, r), start);
  gr_each(e, dim(e, node(e, r)->kid[0]), fold_component, &(fold_data){r, format});
}

/* What is written out starts from the first term: 0 + a would be an operation, because of -0. */
static void emit_Sum(gr_emitter *e, gr_ref r) {
  int n = dim(e, node(e, r)->kid[0]);
  if (n > GR_UNROLL) {
    emit_fold(e, r, "v_set(0)", "%s += %s;");
    return;
  }
  const char *name = gr_node_name(e, r);
  gr_line(&e->out, "V %s = %s;", name, kid(e, r, 0, fixed(0)));
  for (int k = 1; k < n; k++) gr_line(&e->out, "%s += %s;", name, kid(e, r, 0, fixed(k)));
}

static void emit_Max(gr_emitter *e, gr_ref r) { emit_fold(e, r, "v_set(-GR_INF)", "%s = v_max(%s, %s);"); }
static void emit_Min(gr_emitter *e, gr_ref r) { emit_fold(e, r, "v_set(GR_INF)", "%s = v_min(%s, %s);"); }

static void arg_component(gr_emitter *e, gr_idx k, const void *data) {
  const fold_data *d = data;
  const char *name = gr_node_name(e, d->r);
  gr_line(&e->out, "{ const V f = %s; const VI m = f %s best; best = v_sel(m, f, best); %s = v_sel(m, v_set((T)%s), %s); }",
          kid(e, d->r, 0, k), d->format, name, gr_idx_text(e, k), name);
}

static void emit_arg(gr_emitter *e, gr_ref r, const char *compare, const char *worst) {
  gr_line(&e->out, "V %s = v_set(0);", gr_node_name(e, r));
  gr_open_block(e);
  gr_line(&e->out, "V best = v_set((T)%s);", worst);
  gr_each(e, dim(e, node(e, r)->kid[0]), arg_component, &(fold_data){r, compare});
  gr_close(e);
}

static void emit_ArgMax(gr_emitter *e, gr_ref r) { emit_arg(e, r, ">", "-GR_INF"); }
static void emit_ArgMin(gr_emitter *e, gr_ref r) { emit_arg(e, r, "<", "GR_INF"); }

/* ---- vectors made of vectors ---- */

typedef struct copy_data {
  gr_ref r;
  int kid; /* -1: zeros */
  int to;  /* offset in the result */
} copy_data;

static void copy_component(gr_emitter *e, gr_idx k, const void *data) {
  const copy_data *d = data;
  const char *value = d->kid < 0 ? "v_set(0)" : kid(e, d->r, d->kid, k);
  gr_line(&e->out, "%s = %s;", slot(e, d->r, (gr_idx){k.sym, k.off + d->to}), value);
}

static void copy(gr_emitter *e, gr_ref r, int which, int to, int n) {
  gr_each(e, n, copy_component, &(copy_data){r, which, to});
}

static void emit_Concat(gr_emitter *e, gr_ref r) {
  int n = dim(e, node(e, r)->kid[0]);
  declare(e, r);
  copy(e, r, 0, 0, n);
  copy(e, r, 1, n, dim(e, r) - n);
}

static void place_kid(gr_emitter *e, gr_ref r, int start) {
  int n = dim(e, node(e, r)->kid[0]);
  declare(e, r);
  copy(e, r, -1, 0, start);
  copy(e, r, 0, start, n);
  copy(e, r, -1, start + n, dim(e, r) - start - n);
}

static void emit_ElemT(gr_emitter *e, gr_ref r) { place_kid(e, r, node(e, r)->ints[1]); }
static void emit_ExtractT(gr_emitter *e, gr_ref r) { place_kid(e, r, node(e, r)->ints[0]); }

static void complex_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  const char *re = k.sym ? gr_format(e->c->arena, "2 * %s", k.sym) : gr_format(e->c->arena, "%d", 2 * k.off);
  gr_line(&e->out, "%s[%s] = %s, %s[%s + 1] = %s;", gr_node_name(e, r), re, kid(e, r, 0, k), gr_node_name(e, r), re,
          kid(e, r, 1, k));
}

static void emit_Complex(gr_emitter *e, gr_ref r) {
  declare(e, r);
  gr_each(e, dim(e, r) / 2, complex_component, &r);
}

static void hot_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  gr_line(&e->out, "%s = v_bool(v_round(%s) == v_set((T)%s));", slot(e, r, k), kid(e, r, 0, fixed(0)), gr_idx_text(e, k));
}

static void emit_OneHot(gr_emitter *e, gr_ref r) {
  declare(e, r);
  gr_each(e, dim(e, r), hot_component, &r);
}

/* ---- contraction in normal form (gr_axis) ---- */

/* Loops k0 k1 ... over the kept axes; inside them l0 l1 ... over the contracted ones. */

static const char *position(gr_emitter *e, const gr_axis *axis, int n, int keep, size_t stride) {
  gr_str s = {.arena = e->c->arena};
  for (int k = 0; k < n; k++) {
    int step = *(const int *)((const char *)&axis[k] + stride);
    if (step) gr_putf(&s, "%s%c%d * %d", s.n ? " + " : "", k < keep ? 'k' : 'l', k < keep ? k : k - keep, step);
  }
  return s.n ? gr_format(e->c->arena, "(%s)", s.s) : "0";
}

static void emit_TensorDot(gr_emitter *e, gr_ref r) {
  const gr_axis *axis = gr_axes(node(e, r)->ints);
  int keep = node(e, r)->ints[0], cont = node(e, r)->ints[1];
  const char *out = position(e, axis, keep, keep, offsetof(gr_axis, out));
  const char *f = kid(e, r, 0, at(position(e, axis, keep + cont, keep, offsetof(gr_axis, f))));
  const char *g = kid(e, r, 1, at(position(e, axis, keep + cont, keep, offsetof(gr_axis, g))));
  declare(e, r);
  for (int k = 0; k < keep; k++) gr_open(e, "for (int k%d = 0; k%d < %d; k%d++)", k, k, axis[k].size, k);
  if (!keep) gr_open_block(e);
  gr_line(&e->out, "V a = v_set(0);");
  for (int k = 0; k < cont; k++)
    gr_line(&e->out, "for (int l%d = 0; l%d < %d; l%d++)", k, k, axis[keep + k].size, k);
  gr_line(&e->out, "  a += %s * %s;", f, g);
  gr_line(&e->out, "%s = a;", slot(e, r, at(out)));
  for (int k = 0; k < keep || k == 0; k++) gr_close(e);
}

/* ---- soft dynamic time warping (Cuturi and Blondel 2017) ---- */

/* One column of the table at a time. */

static void emit_SoftDTW_SqDist(gr_emitter *e, gr_ref r) {
  int n = dim(e, node(e, r)->kid[0]), m = dim(e, node(e, r)->kid[1]);
  const char *w = gr_format(e->c->arena, "%sw", gr_node_name(e, r));
  const char *x0 = kid(e, r, 0, fixed(0)), *xk = kid(e, r, 0, at("k")), *y0 = kid(e, r, 1, fixed(0)), *yl = kid(e, r, 1, at("l"));
  const char *g = kid(e, r, 2, fixed(0));
  gr_declare(e, "V", w, n, e->p->place[r].work);
  gr_line(&e->out, "{ const V d = %s - %s; %s[0] = d * d; }", x0, y0, w);
  gr_line(&e->out, "for (int k = 1; k < %d; k++) { const V d = %s - %s; %s[k] = %s[k - 1] + d * d; }", n, xk, y0, w, w);
  gr_open(e, "for (int l = 1; l < %d; l++)", m);
  gr_line(&e->out, "const V d0 = %s - %s;", x0, yl);
  gr_line(&e->out, "V before = %s[0];", w);
  gr_line(&e->out, "%s[0] += d0 * d0;", w);
  gr_open(e, "for (int k = 1; k < %d; k++)", n);
  gr_line(&e->out, "const V d = %s - %s, left = %s[k], s = v_softmin(before, left, %s[k - 1], %s);", xk, yl, w, w, g);
  gr_line(&e->out, "before = left;");
  gr_line(&e->out, "%s[k] = d * d + s;", w);
  gr_close(e);
  gr_close(e);
  gr_line(&e->out, "const V %s = %s[%d];", gr_node_name(e, r), w, n - 1);
}

/* The same table, kept whole, and back through it: interp_loops.c has the method in plain words. */
static void emit_SoftDTW_Grad(gr_emitter *e, gr_ref r) {
  int n = dim(e, node(e, r)->kid[0]), m = dim(e, node(e, r)->kid[1]);
  const char *name = gr_node_name(e, r), *x = kid(e, r, 0, at("k")), *y = kid(e, r, 1, at("l")), *g = kid(e, r, 2, fixed(0));
  gr_declare(e, "V", name, gr_storage(e->p->ask.dag, r), e->p->place[r].work);
  gr_open_block(e);
  gr_line(&e->out, "enum { n = %d, m = %d };", n, m);
  gr_line(&e->out, "V *const dx = %s, *const dy = dx + n, *const dg = dy + m, *const E = dg + 1, *const table = E + n;", name);
  gr_open(e, "for (int l = 0; l < m; l++) for (int k = 0; k < n; k++)");
  gr_line(&e->out, "V *const R = table + l * n + k;");
  gr_line(&e->out, "const V d = %s - %s, s = l && k ? v_softmin(R[-n - 1], R[-n], R[-1], %s) : k ? R[-1] : l ? R[-n] : v_set(0);", x, y, g);
  gr_line(&e->out, "R[0] = d * d + s;");
  gr_close(e);
  gr_line(&e->out, "for (int k = 0; k < n + m + 1 + n; k++) dx[k] = v_set(k == n + m + n);");
  gr_open(e, "for (int l = m - 1; l >= 0; l--)");
  gr_line(&e->out, "V corner = v_set(0);");
  gr_open(e, "for (int k = n - 1; k >= 0; k--)");
  gr_line(&e->out, "const V t = E[k], d = 2 * t * (%s - %s), *const R = table + l * n + k;", x, y);
  gr_line(&e->out, "V w[3] = {v_set(0), l ? t : v_set(0), l ? v_set(0) : t};");
  gr_line(&e->out, "if (l && k) dg[0] += t * v_softmin_back(R[-n - 1], R[-n], R[-1], %s, t, w);", g);
  gr_line(&e->out, "dx[k] += d, dy[l] -= d;");
  gr_line(&e->out, "E[k] = w[1] + corner, corner = w[0];");
  gr_line(&e->out, "if (k) E[k - 1] += w[2];");
  gr_close(e);
  gr_close(e);
  gr_close(e);
}

/* ---- dispatch; views have no storage and never come here ---- */

static void emit_view(gr_emitter *e, gr_ref r) {
  gr_throw(e->c, NULL, NULL, ERR_Internal, gr_ops[node(e, r)->op].name);
}
#define emit_SumT emit_view
#define emit_Elem emit_view
#define emit_Extract emit_view
#define emit_ComplexReal emit_view
#define emit_ComplexImag emit_view

void gr_emit_loop_op(gr_emitter *e, gr_ref r) {
  static void (*const table[OP_COUNT])(gr_emitter *, gr_ref) = {
#define LOOP(name, ...) [OP_##name] = emit_##name,
      GR_OPS_LOOP(LOOP)
#undef LOOP
  };
  gr_calls_of(e, node(e, r)->op);
  table[node(e, r)->op](e, r);
}
