/* batches.h: batches for tests: drawn at random or regular, run at once or element by element. */
#ifndef GENRED_BATCHES_H
#define GENRED_BATCHES_H

#include "run/schedule.h"
#include "stand_ins.h"

/* NULL where there is no C++ compiler for the libraries that stand in for CUDA's */
static const gr_device *device;

/* ---- random batches ---- */

enum { DIMS = 3, MOST = 27 };

typedef struct batch {
  int64_t size[DIMS], step[ARGS_MAX * DIMS];
  gr_batches shape;
  int64_t elements;
  gr_array args[ARGS_MAX];
} batch;

static inline int64_t draw(int64_t lo, int64_t hi) {
  return lo + (int64_t)uniform(0, (double)(hi - lo + 1));
}

/* Room for all elements of an argument, with gaps between columns and between elements. */
static inline void draw_argument(const gr_program *p, const test *t, batch *b, int k) {
  gr_arg_info a = gr_program_arg(p, k);
  const int64_t rows_of[] = {[GR_VI] = t->m, [GR_VJ] = t->n, [GR_PM] = 1, [GR_MIJ] = t->m};
  int64_t rows = rows_of[a.category], cols = a.category == GR_MIJ ? t->n * a.dim : a.dim,
          stride = rows + (a.category == GR_PM ? 0 : draw(0, 2)), all = stride * cols;
  for (int d = 0; d < b->shape.n; d++) {
    bool shared = b->size[d] == 1 || draw(0, 2) == 0;
    int64_t *step = &b->step[k * b->shape.n + d];
    *step = shared ? 0 : all + draw(0, 3);
    all += *step * (b->size[d] - 1);
  }
  double lo = t->lo, hi = t->hi == t->lo ? 1 : t->hi, *x = malloc(sizeof *x * (size_t)(all + 1));
  for (int64_t i = 0; i < all; i++) x[i] = (float)uniform(lo, hi);
  b->args[k] = (gr_array){.data = x, .rows = rows, .cols = cols, .stride = stride};
}

static inline void draw_batch(const gr_program *p, const test *t, batch *b, int dims) {
  *b = (batch){.elements = 1};
  b->shape = (gr_batches){dims, b->size, b->step};
  for (int d = 0; d < dims; d++) b->elements *= b->size[d] = draw(1, 3);
  for (int k = 0; k < gr_program_nargs(p); k++) draw_argument(p, t, b, k);
}

static inline void free_batch(const gr_program *p, batch *b) { free_args(p, b->args); }

/* The arrays of one element. */
static inline void element(const gr_program *p, const batch *b, int64_t e, gr_array *args) {
  for (int k = 0; k < gr_program_nargs(p); k++) {
    int64_t rest = e;
    args[k] = b->args[k];
    for (int d = 0; d < b->shape.n; rest /= b->size[d++])
      args[k].data += rest % b->size[d] * b->step[k * b->shape.n + d];
  }
}

/* ---- results ---- */

static inline result new_result(const gr_program *p, const test *t, int64_t elements) {
  gr_result_info info = gr_program_result(p);
  result r = {.rows = info.axis == 2 ? 1 : info.axis == 1 ? t->m : t->n};
  r.size = r.rows * info.dim * (info.k ? info.k : 1);
  for (int i = 0; i < info.n; i++) {
    r.v[i] = malloc((size_t)(r.size * elements + 1) * sizeof(double));
    for (int64_t k = 0; k <= r.size * elements; k++) r.v[i][k] = -77; /* what nobody writes stays */
  }
  return r;
}

static inline void untouched(const gr_program *p, const test *t, const result *r, int64_t elements) {
  for (int i = 0; i < gr_program_result(p).n; i++)
    check(r->v[i][r->size * elements] == -77, "%s: written past the end", describe(t));
}

static inline result run_batch(gr_program *p, const test *t, const batch *b, const gr_ranges *ranges,
                        const gr_options *o, gr_report *rep) {
  gr_error err = {0};
  result r = new_result(p, t, b->elements);
  gr_output out[2] = {{.data = r.v[0]}, {.data = r.v[1]}};
  check(gr_program_run_batches(p, b->args, gr_program_nargs(p), ranges, &b->shape, out, o, rep,
                               &err) == GR_OK,
        "%s: %s\n%s", describe(t), err.message, err.log ? err.log : "");
  gr_error_clear(&err);
  untouched(p, t, &r, b->elements);
  return r;
}

/* A call for each element. */
static inline result run_each(gr_program *p, const test *t, const batch *b, const gr_ranges *ranges,
                       const gr_options *o) {
  gr_error err = {0};
  gr_report rep;
  gr_array args[ARGS_MAX];
  result r = new_result(p, t, b->elements);
  for (int64_t e = 0; e < b->elements; e++) {
    gr_output out[2] = {{.data = r.v[0] + e * r.size}, {.data = r.v[1] + e * r.size}};
    element(p, b, e, args);
    check(gr_program_run_ranges(p, args, gr_program_nargs(p), ranges, out, o, &rep, &err) == GR_OK,
          "%s: %s", describe(t), err.message);
  }
  gr_error_clear(&err);
  return r;
}

static inline bool same_bits(const gr_program *p, const result *a, const result *b, int64_t elements) {
  for (int i = 0; i < gr_program_result(p).n; i++)
    if (memcmp(a->v[i], b->v[i], (size_t)(a->size * elements) * sizeof(double))) return false;
  return true;
}

static inline void close_to(const gr_program *p, const test *t, const result *a, const result *b,
                     int64_t elements, const char *what) {
  for (int i = 0; i < gr_program_result(p).n; i++) {
    double d = difference(a->v[i], b->v[i], a->size * elements);
    double most = gr_program_result(p).is_index[i] ? 0 : t->f64 ? 1e-12 : 1e-5;
    check(d <= most, "%s, %s: result %d differs by %g", describe(t), what, i, d);
  }
}

/* A batch of one dimension whose arguments all vary. */
static inline batch regular(const gr_program *p, const test *t, int64_t elements) {
  batch b = {.size = {elements}, .elements = elements};
  for (int k = 0; k < gr_program_nargs(p); k++) {
    gr_arg_info a = gr_program_arg(p, k);
    int64_t rows = a.category == GR_VI ? t->m : a.category == GR_VJ ? t->n : 1;
    b.step[k] = rows * a.dim;
    double *x = malloc(sizeof *x * (size_t)(b.step[k] * elements + 1));
    for (int64_t i = 0; i < b.step[k] * elements; i++) x[i] = (float)uniform(-1, 1);
    b.args[k] = (gr_array){.data = x, .rows = rows, .cols = a.dim, .stride = rows};
  }
  return b;
}

/* ---- backends ---- */

/* Indices as the two kinds of integers. */
static inline void check_integers(gr_program *p, const test *t, const batch *b, const result *right) {
  gr_result_info info = gr_program_result(p);
  gr_options o = options(GR_CPU, 1);
  gr_error err = {0};
  gr_report rep;
  int64_t n = right->size * b->elements, *wide = malloc((size_t)(n + 1) * sizeof *wide);
  int32_t *narrow = malloc((size_t)(n + 1) * sizeof *narrow);
  double *value = malloc((size_t)(n + 1) * sizeof *value);
  o.cflags = "-O1";
  for (int kind = 0; kind < 2 && info.is_index[info.n - 1]; kind++) {
    gr_output out[2] = {{.data = value}, {.data = value}};
    out[info.n - 1] = kind ? (gr_output){.data = wide, .type = GR_I64}
                           : (gr_output){.data = narrow, .type = GR_R_INT};
    check(gr_program_run_batches(p, b->args, gr_program_nargs(p), NULL, &b->shape, out, &o, &rep,
                                 &err) == GR_OK,
          "%s", err.message);
    int64_t wrong = 0;
    for (int64_t k = 0; k < n; k++) {
      double want = right->v[info.n - 1][k];
      wrong += kind ? wide[k] != (int64_t)want
                    : narrow[k] != (want < 0 ? INT32_MIN : (int32_t)want + 1);
    }
    check(wrong == 0, "%s: %d integers are wrong", describe(t), (int)wrong);
  }
  free(wide);
  free(narrow);
  free(value);
}

/* Every backend gives, bit by bit if `bits`, what a call for each element gives. */
static inline void check_backends(gr_program *p, test *t, const batch *b, const gr_ranges *ranges,
                           bool bits, bool gpu) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU_1D, GR_GPU_2D};
  static const char *const names[] = {"interpreter", "kernel", "GPU_1D", "GPU_2D"};
  result slow = {.rows = 0};
  for (int k = 0; k < (gpu && device ? 4 : 2); k++) {
    gr_options o = options(backends[k], 2);
    gr_report rep;
    o.device = device;
    o.cflags = "-O1";
    result each = run_each(p, t, b, ranges, &o), all = run_batch(p, t, b, ranges, &o, &rep);
    if (k == 0) slow = each;
    if (bits || k > 1)
      check(same_bits(p, &all, &each, b->elements), "%s, %s: not what single calls give",
            describe(t), names[k]);
    close_to(p, t, &all, &slow, b->elements, names[k]);
    if (k > 0) free_result(&each);
    if (k == 1 && !ranges) check_integers(p, t, b, &all);
    free_result(&all);
  }
  free_result(&slow);
}

#endif
