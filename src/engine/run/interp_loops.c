/* interp_loops.c: the definition of the operations that are not element-wise, one function each,
 * found by name: ev_NAME for one lane, or lanes_NAME for all of them.  Views have none: they
 * only move a pointer. */
#include <math.h>

#include "run/run.h"

/* What a function sees: the node, its arguments' nodes and values, and where the result goes. */
typedef struct eval {
  const gr_node *n, *kid[GR_MAX_KIDS];
  gr_vals *out;
  const gr_vals *x;
  int lanes;
} eval;

static double *out(const eval *e, int64_t k, int l) {
  return &e->out->v[k * e->out->comp + l * e->out->lane];
}
static double in(const eval *e, int which, int64_t k, int l) { return gr_at(&e->x[which], k, l); }

/* All lanes, component by component: most formulas have this operation, and spend much time in
 * it. */
static void lanes_Sum(const eval *e) {
  const gr_vals *x = &e->x[0];
  for (int l = 0; l < e->lanes; l++) *out(e, 0, l) = 0;
  for (int k = 0; k < e->kid[0]->dim; k++)
    for (int l = 0; l < e->lanes; l++) e->out->v[l] += x->v[k * x->comp + l * x->lane];
}

/* Value and position of the first component that is smallest (sign 1) or largest (-1). */
static void extreme(const eval *e, int l, int sign, double *value, double *position) {
  *value = sign * INFINITY;
  *position = 0;
  for (int k = 0; k < e->kid[0]->dim; k++) {
    double x = in(e, 0, k, l);
    if (sign > 0 ? x < *value : x > *value) *value = x, *position = k;
  }
}

static void ev_Max(const eval *e, int l) { extreme(e, l, -1, out(e, 0, l), &(double){0}); }
static void ev_Min(const eval *e, int l) { extreme(e, l, 1, out(e, 0, l), &(double){0}); }
static void ev_ArgMax(const eval *e, int l) { extreme(e, l, -1, &(double){0}, out(e, 0, l)); }
static void ev_ArgMin(const eval *e, int l) { extreme(e, l, 1, &(double){0}, out(e, 0, l)); }

static void lanes_Concat(const eval *e) {
  int n = e->kid[0]->dim;
  for (int k = 0; k < e->n->dim; k++)
    for (int l = 0; l < e->lanes; l++) *out(e, k, l) = k < n ? in(e, 0, k, l) : in(e, 1, k - n, l);
}

static void place_at(const eval *e, int l, int start) {
  for (int k = 0; k < e->n->dim; k++) {
    int from = k - start;
    *out(e, k, l) = from >= 0 && from < e->kid[0]->dim ? in(e, 0, from, l) : 0;
  }
}

static void ev_ElemT(const eval *e, int l) { place_at(e, l, e->n->ints[1]); }
static void ev_ExtractT(const eval *e, int l) { place_at(e, l, e->n->ints[0]); }

static void ev_OneHot(const eval *e, int l) {
  for (int k = 0; k < e->n->dim; k++) *out(e, k, l) = ref_round(in(e, 0, 0, l)) == k;
}

/* The positions in result, f and g that belong to the i-th combination of indices of n axes (the
 * last runs first). */
static gr_axis position(const gr_axis *axis, int n, int64_t i) {
  gr_axis at = {0, 0, 0, 0};
  for (int k = n - 1; k >= 0; k--) {
    int index = (int)(i % axis[k].size);
    i /= axis[k].size;
    at.out += index * axis[k].out;
    at.f += index * axis[k].f;
    at.g += index * axis[k].g;
  }
  return at;
}

static void ev_TensorDot(const eval *e, int l) {
  const gr_axis *axis = gr_axes(e->n->ints);
  int keep = e->n->ints[0], cont = e->n->ints[1];
  int64_t terms = 1;
  for (int k = 0; k < cont; k++) terms *= axis[keep + k].size;
  for (int64_t i = 0; i < e->n->dim; i++) {
    gr_axis at = position(axis, keep, i);
    double s = 0;
    for (int64_t t = 0; t < terms; t++) {
      gr_axis in_term = position(axis + keep, cont, t);
      s += in(e, 0, at.f + in_term.f, l) * in(e, 1, at.g + in_term.g, l);
    }
    *out(e, at.out, l) = s;
  }
}

static void ev_Complex(const eval *e, int l) {
  for (int k = 0; k < e->n->dim; k++) *out(e, k, l) = in(e, k % 2, k / 2, l);
}

static double soft_min(double a, double b, double c, double gamma) {
  double least = fmin(fmin(a, b), c);
  return least - gamma * log(exp((least - a) / gamma) + exp((least - b) / gamma) +
                             exp((least - c) / gamma));
}

static double square(double x) { return x * x; }

/* Cuturi and Blondel (2017), one column of the table at a time; the storage has dim(f)
 * components. */
static void ev_SoftDTW_SqDist(const eval *e, int l) {
  int n = e->kid[0]->dim, m = e->kid[1]->dim;
  for (int j = 0; j < m; j++) {
    double y = in(e, 1, j, l), before = *out(e, 0, l);
    *out(e, 0, l) = square(in(e, 0, 0, l) - y) + (j ? before : 0);
    for (int i = 1; i < n; i++) {
      double left = *out(e, i, l), up = *out(e, i - 1, l), d = square(in(e, 0, i, l) - y);
      *out(e, i, l) = d + (j ? soft_min(before, left, up, in(e, 2, 0, l)) : up);
      before = left;
    }
  }
  *out(e, 0, l) = *out(e, n - 1, l);
}

/* The derivatives of the soft minimum of r[]: by r[k] in w[k], by gamma returned. */
static double soft_min_back(const double r[3], double gamma, double w[3]) {
  double least = fmin(fmin(r[0], r[1]), r[2]), s = 0, mean = 0;
  for (int k = 0; k < 3; k++) s += w[k] = exp((least - r[k]) / gamma);
  for (int k = 0; k < 3; k++) mean += (w[k] /= s) * ((r[k] - least) / gamma);
  return -log(s) - mean;
}

/* The table of ev_SoftDTW_SqDist, all of it, by columns from component R of the storage on. */
static void fill_table(const eval *e, int l, int R) {
  int n = e->kid[0]->dim, m = e->kid[1]->dim;
  double gamma = in(e, 2, 0, l);
  for (int j = 0; j < m; j++)
    for (int i = 0; i < n; i++) {
      int at = R + j * n + i;
      double d = square(in(e, 0, i, l) - in(e, 1, j, l)), before = 0;
      if (i && j)
        before = soft_min(*out(e, at - n - 1, l), *out(e, at - n, l), *out(e, at - 1, l), gamma);
      else if (i || j)
        before = *out(e, i ? at - 1 : at - n, l);
      *out(e, at, l) = d + before;
    }
}

/* Back through the table, a cell hands its share of the gradient on to its three neighbours
 * (Cuturi and Blondel 2017, algorithm 2).  The storage has the result, one column E of shares
 * (while it is read it turns into the column before), and the table R by columns. */
static void ev_SoftDTW_Grad(const eval *e, int l) {
  int n = e->kid[0]->dim, m = e->kid[1]->dim, E = n + m + 1, R = E + n;
  double gamma = in(e, 2, 0, l);
  for (int k = 0; k < R; k++) *out(e, k, l) = k == R - 1;
  fill_table(e, l, R);
  for (int j = m - 1; j >= 0; j--) {
    double corner = 0; /* what cell (i + 1, j) gives to (i, j - 1) */
    for (int i = n - 1; i >= 0; i--) {
      int at = R + j * n + i;
      double w[3] = {0, j > 0, j == 0}, t = *out(e, E + i, l),
             d = 2 * t * (in(e, 0, i, l) - in(e, 1, j, l));
      *out(e, i, l) += d;
      *out(e, n + j, l) -= d;
      const double r[3] = {i && j ? *out(e, at - n - 1, l) : 0, j ? *out(e, at - n, l) : 0,
                           i ? *out(e, at - 1, l) : 0};
      if (i && j) *out(e, n + m, l) += t * soft_min_back(r, gamma, w);
      *out(e, E + i, l) = t * w[1] + corner;
      corner = t * w[0];
      if (i) *out(e, E + i - 1, l) += t * w[2];
    }
  }
}

/* ---- dispatch ---- */

#define ev_Sum NULL    /* lanes_Sum */
#define ev_Concat NULL /* lanes_Concat */
#define ev_SumT NULL
#define ev_Elem NULL
#define ev_Extract NULL
#define ev_ComplexReal NULL
#define ev_ComplexImag NULL
#define LOOP(name, ...) [OP_##name] = ev_##name,
static void (*const by_lane[OP_COUNT])(const eval *, int) = {GR_OPS_LOOP(LOOP)};
#undef LOOP
static void (*const all_lanes[OP_COUNT])(const eval *) = {
    [OP_Sum] = lanes_Sum, [OP_Concat] = lanes_Concat};

void gr_eval_loop_op(const gr_dag *g, gr_ref r, gr_vals *result, const gr_vals *x, int lanes) {
  eval e = {.n = &g->node[r], .out = result, .x = x, .lanes = lanes};
  if (gr_is_view(e.n)) {
    gr_view view = gr_view_of(e.n);
    *result = (gr_vals){
        .v = x->v + view.offset * x->comp, .comp = view.stride * x->comp, .lane = x->lane};
    return;
  }
  for (int k = 0; k < e.n->nkid; k++) e.kid[k] = &g->node[e.n->kid[k]];
  if (all_lanes[e.n->op])
    all_lanes[e.n->op](&e);
  else
    for (int l = 0; l < lanes; l++) by_lane[e.n->op](&e, l);
}
