/* origin.c: the common origin of a group of variables (invariance.c), found from the arguments of a call.
 *
 * An origin is subtracted in double precision before numbers are rounded to single precision.  It is a value of the
 * group, component by component, where the group lies far from 0: where in a sample of its rows no value is nearer to
 * 0 than the values are to each other.  There a number less the origin is never larger than the number itself was, so
 * that rounding loses less.  Elsewhere the origin is 0: data that spread around 0, or that have most of their detail
 * near 0, keep the precision that floating point gives them there.
 *
 * The sample is the same for any number of threads, parts or devices, so that results are too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gr.h"

int64_t gr_sample_row(int64_t rows, int k) {
  return rows <= GR_SAMPLE ? k : (int64_t)((double)k * (double)(rows - 1) / (GR_SAMPLE - 1));
}

static int sample_size(int64_t rows) { return rows < GR_SAMPLE ? (int)rows : GR_SAMPLE; }

/* Row k of the sample: from the host, or as the device remembers it. */
static double sampled(const gr_array *x, int64_t component, int k) {
  if (x->buffer) return x->buffer->sample[k + component * sample_size(x->buffer->rows)];
  return x->data[gr_sample_row(x->rows, k) + component * x->stride];
}

typedef struct range {
  double least, most, first; /* of the finite values; first of the reduced index where there is one */
  bool any, reduced;
} range;

/* No value is nearer to 0 than the values are to each other.  Once this is wrong, more values leave it so. */
static bool is_far(const range *r) { return r->least > 0 ? r->most - r->least <= r->least : r->most - r->least <= -r->most; }

/* Takes in the sample of x; false: the group is not far from 0. */
static bool look_at(range *r, const gr_array *x, int64_t component, bool reduced) {
  if (x->buffer && !x->buffer->sample) return true;
  for (int k = 0; k < sample_size(x->rows); k++) {
    double v = sampled(x, component, k);
    if (!isfinite(v)) continue;
    if (!r->any || (reduced && !r->reduced)) r->first = v, r->reduced = reduced;
    if (!r->any || v < r->least) r->least = v;
    if (!r->any || v > r->most) r->most = v;
    r->any = true;
    if (!is_far(r)) return false;
  }
  return true;
}

static double origin_of(const gr_program *p, const gr_array *args, int group, int64_t component) {
  gr_category reduced = p->plan->axis == 1 ? GR_VJ : GR_VI;
  range r = {.any = false};
  for (int k = 0; k < p->args.n; k++)
    if (p->args.arg[k].group == group && !look_at(&r, &args[k], component, p->args.arg[k].cat == reduced)) return 0;
  return r.first;
}

static int dim_of_group(const gr_args *args, int group) {
  int k = 0;
  while (args->arg[k].group != group) k++;
  return args->arg[k].dim;
}

gr_class gr_origins(const gr_program *p, const gr_array *args, gr_array **with, gr_error *err) {
  size_t n = (size_t)p->args.n, numbers = 0;
  *with = NULL;
  if (!p->args.groups) return GR_OK;
  for (int g = 0; g < p->args.groups; g++) numbers += (size_t)dim_of_group(&p->args, g);
  gr_array *copy = malloc(n * sizeof *copy + numbers * sizeof(double));
  if (!copy) return gr_fail(err, ERR_NoMemory, "origins of the arguments", (long long)(n * sizeof *copy));
  memcpy(copy, args, n * sizeof *copy);
  double *origin = (double *)(void *)(copy + n);
  for (int g = 0; g < p->args.groups; g++) {
    int dim = dim_of_group(&p->args, g);
    for (int d = 0; d < dim; d++) origin[d] = origin_of(p, args, g, d);
    for (int k = 0; k < p->args.n; k++)
      if (p->args.arg[k].group == g) copy[k].origin = origin;
    origin += dim;
  }
  *with = copy;
  return GR_OK;
}
