/* interp.c: the interpreter: the slow, obvious definition of the language, the answer where there
 * is no compiler, and what runs where there is too little work for a kernel.
 *
 * Every node is evaluated for a strip of columns at a time, one operation after the other, in
 * double; in single precision every result is rounded to float (sums inside an operation and the
 * reduction's sums stay double).  The graph is the one that was written, not the lowered one
 * from which kernels are planned. */
#include <math.h>
#include <string.h>

#include "run/run.h"

/* ---- element-wise operations: a loop over lanes for each row of the table ---- */

typedef void ew_loop(int lanes, double *out, const double *a, int64_t sa, const double *b,
                     int64_t sb, const double *c, int64_t sc, int n);

#define EW(name, arity, cost, law, emitted, calls, reference, lo, hi, derivative, meaning)        \
  static void loop_##name(int lanes, double *out, const double *pa, int64_t sa, const double *pb, \
                          int64_t sb, const double *pc, int64_t sc, int n) {                      \
    for (int l = 0; l < lanes; l++) {                                                             \
      double a = pa[l * sa], b = pb[l * sb], c = pc[l * sc];                                      \
      (void)a, (void)b, (void)c, (void)n;                                                         \
      out[l] = reference;                                                                         \
    }                                                                                             \
  }
GR_OPS_EW(EW)
#undef EW

#define EW(name, ...) [OP_##name] = loop_##name,
static ew_loop *const ew_loops[OP_COUNT] = {GR_OPS_EW(EW)};
#undef EW

typedef struct interp {
  const gr_plan *p;
  const gr_array *args;
  const int64_t *first; /* gr_problem.first; NULL where only parameters are evaluated */
  int64_t row, col;     /* of the pair in the first lane */
  gr_vals *vals; /* one per node */
  double *block; /* the state of a strip, where it is merged with the row's; else NULL */
  int strip;     /* columns at a time */
} interp;

static void eval_ew(interp *in, gr_ref r, int lanes) {
  const gr_node *n = &in->p->ask.dag->node[r];
  gr_vals *out = &in->vals[r];
  for (int k = 0; k < n->dim; k++) {
    const double *v[3];
    int64_t s[3];
    for (int i = 0; i < 3; i++) {
      gr_ref kid = n->kid[i < n->nkid ? i : 0];
      const gr_vals *x = &in->vals[kid];
      v[i] = x->v + (in->p->ask.dag->node[kid].dim > 1 ? k * x->comp : 0);
      s[i] = x->lane;
    }
    ew_loops[n->op](lanes, out->v + k * out->comp, v[0], s[0], v[1], s[1], v[2], s[2],
                    n->nint ? n->ints[0] : 0);
  }
}

/* ---- nodes ---- */

static void eval_var(interp *in, gr_ref r, int64_t first, int lanes) {
  const gr_node *n = &in->p->ask.dag->node[r];
  const gr_array *x = &in->args[n->ints[0]];
  for (int k = 0; k < n->dim; k++) {
    double origin = x->origin ? x->origin[k] : 0;
    double *to = in->vals[r].v + k * in->vals[r].comp;
    const double *from = x->data + first + k * x->stride;
    for (int l = 0; l < lanes; l++) to[l] = from[l] - origin;
  }
}

/* A strip of the pairs of a row: i or j is the same for all of them. */
static void eval_pair_var(interp *in, gr_ref r, int lanes) {
  const gr_node *n = &in->p->ask.dag->node[r];
  const gr_array *x = &in->args[n->ints[0]];
  bool by_i = in->p->ask.axis == 1;
  int64_t i = by_i ? in->row : in->col, j = by_i ? in->col : in->row, N = x->cols / n->dim;
  for (int k = 0; k < n->dim; k++) {
    const double *from = x->data + i + x->stride * (j + N * k);
    for (int l = 0; l < lanes; l++)
      in->vals[r].v[k * in->vals[r].comp + l] = from[by_i ? x->stride * l : l];
  }
}

static void eval_leaf(interp *in, gr_ref r, int64_t first, int lanes) {
  const gr_node *n = &in->p->ask.dag->node[r];
  if (gr_is_pair_var(n))
    eval_pair_var(in, r, lanes);
  else if (gr_is_var(n))
    eval_var(in, r, first, lanes);
  else
    for (int k = 0; k < n->dim; k++)
      in->vals[r].v[k * in->vals[r].comp] = n->num; /* constants and zeros: one lane */
}

static void round_to_float(const gr_node *n, gr_vals *x, int lanes) {
  for (int k = 0; k < n->dim; k++)
    for (int l = 0; l < lanes; l++) x->v[k * x->comp + l] = (float)x->v[k * x->comp + l];
}

static void eval_node(interp *in, gr_ref r, int64_t first, int lanes) {
  const gr_node *n = &in->p->ask.dag->node[r];
  gr_vals x[GR_MAX_KIDS];
  switch (gr_ops[n->op].kind) {
  case KIND_LEAF: eval_leaf(in, r, first, lanes); break;
  case KIND_EW: eval_ew(in, r, lanes); break;
  default:
    for (int k = 0; k < n->nkid; k++) x[k] = in->vals[n->kid[k]];
    gr_eval_loop_op(in->p->ask.dag, r, &in->vals[r], x, lanes);
  }
  if (!in->p->ask.f64 && !gr_is_view(n)) round_to_float(n, &in->vals[r], lanes);
}

/* Nodes of pairs and of columns have a lane for each column of the strip, the others one lane. */
static void eval_level(interp *in, gr_level level, int64_t first, int lanes) {
  for (gr_ref r = 0; r < in->p->ask.dag->n; r++)
    if (in->p->place[r].live && in->p->place[r].level == level) eval_node(in, r, first, lanes);
}

/* ---- scratch ---- */

static bool has_lanes(const gr_plan *p, gr_ref r) {
  return p->place[r].level == LEVEL_COL || p->place[r].level == LEVEL_PAIR;
}

enum { STRIP = 64, SCRATCH = 4 << 20 };

static int strip_of(const gr_plan *p) {
  int64_t per_lane = 1;
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].live && has_lanes(p, r)) per_lane += gr_storage(p->ask.dag, r);
  int64_t n = SCRATCH / 8 / per_lane;
  return n < 1 ? 1 : n > STRIP ? STRIP : (int)n;
}

/* Terms of a strip are added to a state of their own, which is then merged with the row's:
 * rounding errors of as many additions as there are strips accumulate, not of as many as there
 * are terms. */
static bool sums_in_blocks(const gr_plan *p) {
  return p->ask.scheme == SUM_BLOCK && gr_has_trait(p->ask.red.family, GR_SUMS_IN_BLOCKS);
}

size_t gr_interp_bytes(const gr_plan *p) {
  size_t n = 0, strip = (size_t)strip_of(p);
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].live) n += (size_t)gr_storage(p->ask.dag, r) * (has_lanes(p, r) ? strip : 1);
  if (sums_in_blocks(p)) n += (size_t)p->ask.red.nstate;
  return n * sizeof(double) + (size_t)p->ask.dag->n * sizeof(gr_vals) + 64;
}

static void lay_out(interp *in, void *scratch) {
  const gr_plan *p = in->p;
  in->vals = scratch;
  in->strip = strip_of(p);
  double *next = (double *)(in->vals + p->ask.dag->n);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    if (!p->place[r].live) continue;
    int lanes = has_lanes(p, r) ? in->strip : 1;
    in->vals[r] = (gr_vals){.v = next, .comp = lanes, .lane = has_lanes(p, r)};
    next += (size_t)gr_storage(p->ask.dag, r) * (size_t)lanes;
  }
  in->block = sums_in_blocks(p) ? next : NULL;
}

const gr_vals *gr_interp_parameters(const gr_plan *p, const gr_array *args, void *scratch) {
  interp in = {.p = p, .args = args};
  lay_out(&in, scratch);
  eval_level(&in, LEVEL_PARAM, 0, 1);
  return in.vals;
}

/* ---- the loop over pairs ---- */

static void step_strip(const interp *in, double *state, int64_t ld, int64_t col, int lanes) {
  const gr_vals *f = &in->vals[in->p->ask.root],
                *w = in->p->ask.weight < 0 ? f : &in->vals[in->p->ask.weight];
  for (int l = 0; l < lanes; l++)
    gr_red_step(&in->p->ask.red, state, ld, f->v + l * f->lane, f->comp, w->v + l * w->lane,
                w->comp, col + l);
}

/* The same for sums, without a state of the strip: many small calls spend their time here. */
static void add_strip(const interp *in, double *state, int64_t ld, int lanes) {
  const gr_vals *f = &in->vals[in->p->ask.root];
  for (int d = 0; d < in->p->ask.red.dim; d++) {
    double s = 0;
    for (int l = 0; l < lanes; l++) s += gr_at(f, d, l);
    state[d * ld] += s;
  }
}

static void reduce_strip(const interp *in, double *state, int64_t ld, int64_t col, int lanes) {
  const gr_reduction *red = &in->p->ask.red;
  if (!in->block) {
    step_strip(in, state, ld, col, lanes);
    return;
  }
  if (gr_has_trait(red->family, GR_PLAIN_SUMS)) {
    add_strip(in, state, ld, lanes);
    return;
  }
  gr_red_init(red, in->block, 1, 1);
  step_strip(in, in->block, 1, col, lanes);
  gr_red_merge(red, state, ld, in->block, 1);
}

void gr_interp(const gr_plan *p, const gr_problem *problem, double *state, int64_t ld, int64_t r0,
               int64_t r1, int64_t c0, int64_t c1, void *scratch) {
  interp in = {.p = p, .args = problem->args, .first = problem->first};
  lay_out(&in, scratch);
  eval_level(&in, LEVEL_PARAM, 0, 1);
  for (int64_t c = c0; c < c1; c += in.strip) {
    int lanes = c1 - c < in.strip ? (int)(c1 - c) : in.strip;
    in.col = c;
    eval_level(&in, LEVEL_COL, c, lanes);
    for (int64_t r = r0; r < r1; r++) {
      in.row = r;
      eval_level(&in, LEVEL_ROW, r, 1);
      eval_level(&in, LEVEL_PAIR, 0, lanes);
      reduce_strip(&in, state + (r - r0), ld, c, lanes);
    }
  }
}
