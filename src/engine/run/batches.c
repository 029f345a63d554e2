/* batches.c: calls of many problems of one shape: the elements of a batch.
 *
 * Owns the checks of what describes a batch, and where the arrays and the results of an element
 * lie.  The first dimension of a batch varies fastest.
 * Guarantees: once a batch is checked, the places of its elements and of their results are computed
 * without overflow. */
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

enum { DIMENSIONS = 16 };

static const int64_t places = PTRDIFF_MAX / (int64_t)sizeof(double); /* of doubles in memory */

/* The product of two counts; false: it is above `most`. */
static bool multiply(int64_t *by, int64_t factor, int64_t most) {
  if (factor > 0 && *by > most / factor) return false;
  *by *= factor;
  return true;
}

static gr_class check_sizes(const gr_batches *b, int n_args, gr_error *err) {
  if (b->n < 0 || b->n > DIMENSIONS) return gr_fail(err, ERR_BatchDims, DIMENSIONS, b->n);
  if (b->n > 0 && !b->size) return gr_fail(err, ERR_Null, "the sizes of the batch");
  if (b->n > 0 && n_args > 0 && !b->step) return gr_fail(err, ERR_Null, "the steps of the batch");
  for (int d = 0; d < b->n; d++)
    if (b->size[d] < 0) return gr_fail(err, ERR_BatchSize, d, (long long)b->size[d]);
  return GR_OK;
}

/* Empty dimensions are counted last: where there is one, the others are not too large. */
static gr_class count_elements(const gr_batches *b, int64_t *count, gr_error *err) {
  *count = 1;
  for (int d = 0; d < b->n; d++)
    if (b->size[d] == 0) *count = 0;
  for (int d = 0; d < b->n && *count > 0; d++)
    if (!multiply(count, b->size[d], INT32_MAX))
      return gr_fail(err, ERR_BatchCount, (long long)INT32_MAX);
  return GR_OK;
}

/* Numbers from the first to the last of an array. */
static int64_t extent(const gr_array *x) {
  return x->rows > 0 && x->cols > 0 ? x->rows + (x->cols - 1) * x->stride : 0;
}

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

static gr_class check_arguments(const gr_program *p, const gr_batches *b, int64_t count,
                                const gr_array *args, gr_error *err) {
  for (int k = 0; k < p->args.n; k++) {
    const gr_arg *a = &p->args.arg[k];
    if (args[k].buffer && count != 1)
      return gr_fail(err, ERR_BatchBuffer, a->name, (long long)count);
    if (!args[k].buffer && count > 0 &&
        check_steps(b, a, &args[k], b->step + (int64_t)k * b->n, err) != GR_OK)
      return err->cls;
  }
  return GR_OK;
}

static int64_t result_size(const gr_program *p, int64_t rows) {
  const gr_reduction *red = &p->plan->ask.red;
  return (p->plan->ask.both ? 1 : rows) * red->out_dim * red->k;
}

static gr_class check_results(const gr_program *p, int64_t rows, int64_t count,
                              const gr_output *out, gr_error *err) {
  int64_t all = count, each = result_size(p, rows);
  if (gr_validate_outputs(p, out, count > 0 ? (p->plan->ask.both ? 1 : rows) : 0, err) != GR_OK)
    return err->cls;
  for (int k = 0; k < p->plan->ask.red.nout; k++)
    if (out[k].buffer && count != 1) return gr_fail(err, ERR_BatchKeep, (long long)count);
  return multiply(&all, each, places)
             ? GR_OK
             : gr_fail(err, ERR_BatchResult, (long long)count, (long long)each);
}

static void element_of(const gr_batches *b, int64_t e, const gr_array *args, int n_args,
                       gr_array *to) {
  memcpy(to, args, (size_t)n_args * sizeof *to);
  for (int d = 0; d < b->n; d++) {
    int64_t at = e % b->size[d];
    for (int k = 0; k < n_args; k++)
      if (to[k].data) to[k].data += at * b->step[(int64_t)k * b->n + d];
    e /= b->size[d];
  }
}

static gr_output shifted(const gr_output *o, int64_t by) {
  static const size_t size[] = {
      [GR_F64] = sizeof(double), [GR_R_INT] = sizeof(int32_t), [GR_I64] = sizeof(int64_t)};
  gr_output to = *o;
  if (!o->buffer) to.data = (char *)o->data + (size_t)by * size[o->type];
  return to;
}

gr_class gr_program_run_batches(gr_program *p, const gr_array *args, int n_args,
                                const gr_ranges *ranges, const gr_batches *batches,
                                const gr_output *out, const gr_options *opt, gr_report *report,
                                gr_error *err) {
  int64_t rows, cols, count;
  if (!batches) return gr_program_run_ranges(p, args, n_args, ranges, out, opt, report, err);
  if (!report) return gr_fail(err, ERR_Null, "the place for the report");
  *report = (gr_report){.backend = GR_AUTO};
  if (gr_check_call(p, args, n_args, &rows, &cols, err) != GR_OK ||
      gr_validate_options(opt, err) != GR_OK || check_sizes(batches, n_args, err) != GR_OK ||
      count_elements(batches, &count, err) != GR_OK ||
      check_arguments(p, batches, count, args, err) != GR_OK ||
      check_results(p, rows, count, out, err) != GR_OK)
    return err->cls;
  gr_array *element = malloc(((size_t)n_args + 1) * sizeof *element);
  if (!element) return gr_fail(err, ERR_NoMemory, "arguments", (long long)n_args);
  for (int64_t e = 0; e < count && !err->cls; e++) {
    gr_output at[2] = {{.data = NULL}};
    for (int k = 0; k < p->plan->ask.red.nout; k++)
      at[k] = shifted(&out[k], e * result_size(p, rows));
    element_of(batches, e, args, n_args, element);
    gr_program_run_ranges(p, element, n_args, ranges, at, opt, report, err);
  }
  free(element);
  return err->cls;
}
