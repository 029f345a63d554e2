/* batches.c: calls of many problems of one shape: the elements of a batch, or the columns of which
 * the values are wanted (map.c).
 *
 * Owns the checks of what describes a batch, and where the arrays and the results of an element
 * lie.  The first dimension of a batch varies fastest.
 * Guarantees: once a batch is checked, the places of its elements and of their results are computed
 * without overflow. */
#include "run/run.h"

static const int64_t places = PTRDIFF_MAX / (int64_t)sizeof(double); /* of doubles in memory */

/* The product of two counts; false: it is above `most`. */
static bool multiply(int64_t *by, int64_t factor, int64_t most) {
  if (factor > 0 && *by > most / factor) return false;
  *by *= factor;
  return true;
}

static gr_class check_sizes(const gr_batches *b, int n_args, gr_error *err) {
  if (b->n < 0 || b->n > GR_BATCH_DIMENSIONS)
    return gr_fail(err, ERR_BatchDims, GR_BATCH_DIMENSIONS, b->n);
  if (b->n > 0 && !b->size) return gr_fail(err, ERR_Null, "the sizes of the batch");
  if (b->n > 0 && n_args > 0 && !b->step) return gr_fail(err, ERR_Null, "the steps of the batch");
  for (int d = 0; d < b->n; d++)
    if (b->size[d] < 0) return gr_fail(err, ERR_BatchSize, d, (long long)b->size[d]);
  return GR_OK;
}

/* Where one dimension is empty, the others may have any size. */
static gr_class count_elements(gr_run *r, gr_error *err) {
  const gr_batches *b = r->batches;
  int64_t count = 1;
  for (int d = 0; d < b->n; d++)
    if (b->size[d] == 0) count = 0;
  for (int d = 0; d < b->n; d++)
    if (!multiply(&count, b->size[d], INT32_MAX))
      return gr_fail(err, ERR_BatchCount, (long long)INT32_MAX);
  r->elements = count;
  return GR_OK;
}

/* Numbers from the first to the last of an array. */
static int64_t extent(const gr_array *x) {
  return x->rows > 0 && x->cols > 0 ? x->rows + (x->cols - 1) * x->stride : 0;
}

/* The last element must lie within the address space. */
static gr_class check_steps(const gr_batches *b, const gr_arg *a, const gr_array *x,
                            const int64_t *step, gr_error *err) {
  int64_t left = places - extent(x);
  for (int d = 0; d < b->n; d++) {
    int64_t reach = b->size[d] - 1;
    if (step[d] < 0 || !multiply(&reach, step[d], left))
      return gr_fail(err, ERR_BatchStep, a->name, (long long)step[d], d, (long long)b->size[d]);
    left -= reach;
  }
  return GR_OK;
}

static gr_class check_arguments(const gr_run *r, gr_error *err) {
  const gr_batches *b = r->batches;
  for (int k = 0; k < r->n_args && r->elements != 1; k++) {
    const gr_arg *a = &r->p->args.arg[k];
    if (r->args[k].buffer) return gr_fail(err, ERR_BatchBuffer, a->name, (long long)r->elements);
    if (r->elements > 0 &&
        check_steps(b, a, &r->args[k], b->step + (int64_t)k * b->n, err) != GR_OK)
      return err->cls;
  }
  return GR_OK;
}

/* Results in memory, and pairs that are counted. */
static gr_class check_amount(const gr_run *r, gr_error *err) {
  int64_t results = r->elements, pairs = r->elements;
  if (!multiply(&results, gr_result_size(r), places))
    return gr_fail(err, ERR_BatchResult, (long long)r->elements, (long long)gr_result_size(r));
  if (!multiply(&pairs, r->rows, INT64_MAX / 2) || !multiply(&pairs, r->cols, INT64_MAX / 2))
    return gr_fail(err, ERR_BatchPairs, (long long)r->elements, (long long)r->rows,
                   (long long)r->cols);
  return GR_OK;
}

static gr_class check_outputs(const gr_run *r, gr_error *err) {
  for (int k = 0; r->out && k < r->p->plan->ask.red.nout; k++)
    if (r->out[k].buffer && r->elements != 1)
      return gr_fail(err, ERR_BatchKeep, (long long)r->elements);
  return GR_OK;
}

gr_class gr_batches_check(gr_run *r, gr_error *err) {
  if (!r->batches) return GR_OK;
  if (check_sizes(r->batches, r->n_args, err) != GR_OK || count_elements(r, err) != GR_OK ||
      check_arguments(r, err) != GR_OK || check_amount(r, err) != GR_OK)
    return err->cls;
  return check_outputs(r, err);
}

/* ---- elements ---- */

int64_t gr_result_size(const gr_run *r) {
  const gr_reduction *red = &r->p->plan->ask.red;
  return (r->p->plan->ask.both ? 1 : r->rows) * red->out_dim * red->k;
}

/* Column j as column 0. */
static void begin_at_column(const gr_run *r, int64_t j, gr_array *args) {
  for (int k = 0; k < r->n_args; k++) {
    gr_category cat = r->p->args.arg[k].cat;
    if (cat == GR_VJ) args[k].data += j;
    if (cat == GR_MIJ) args[k].data += j * args[k].stride;
  }
}

void gr_element_args(const gr_run *r, int64_t e, gr_array *args) {
  const gr_batches *b = r->batches;
  for (int k = 0; k < r->n_args; k++) args[k] = r->args[k]; /* NULL where there are none */
  if (r->map) begin_at_column(r, r->column + e, args);
  if (!b) return;
  for (int k = 0; k < r->n_args; k++)
    if (args[k].origin) args[k].origin += e * r->origins;
  for (int d = 0; d < b->n; d++) {
    int64_t next = e < b->size[d] ? 0 : e / b->size[d], at = e - next * b->size[d];
    for (int k = 0; k < r->n_args; k++)
      if (args[k].data) args[k].data += at * b->step[(int64_t)k * b->n + d];
    e = next;
  }
}

size_t gr_problem_bytes(int n_args) {
  size_t n = (size_t)n_args;
  return n * (sizeof(gr_array) + 2 * sizeof(double *)) + (2 * n + 2) * sizeof(int64_t);
}

/* From one component of an array of pairs to the next. */
static int64_t pairs_apart(const gr_arg *a, const gr_array *x) {
  return a->cat == GR_MIJ ? x->stride * (x->cols / a->dim) : 0;
}

gr_problem gr_problem_of(const gr_run *r, int64_t e, void *memory) {
  int n = r->n_args;
  bool same = !r->batches && !r->map;
  gr_array *own = memory;
  const gr_array *args = same ? r->args : own;
  const double **data = (const double **)(void *)(own + n);
  int64_t *stride = (int64_t *)(void *)(data + 2 * n);
  int64_t column = r->first[1] + (r->map ? r->column + e : 0);
  if (!same) gr_element_args(r, e, own);
  for (int k = 0; k < n; k++) {
    data[k] = args[k].data;
    data[n + k] = args[k].origin;
    stride[k] = args[k].stride;
    stride[n + 2 + k] = pairs_apart(&r->p->args.arg[k], &args[k]);
  }
  stride[n] = r->first[0];
  stride[n + 1] = column;
  return (gr_problem){
      .args = args, .first = {r->first[0], column}, .data = data, .stride = stride};
}
