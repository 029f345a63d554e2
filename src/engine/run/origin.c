/* origin.c: the common origin of a group of variables (graph/invariance.c), from the arguments of a
 * call.
 *
 * An origin is subtracted in double precision before numbers are rounded to single precision.  For
 * each component it is a value of the group if the group is far from 0, that is, if the magnitude
 * of every value is at least FAR times the range of the values.  Then the difference from the
 * origin is smaller in magnitude than the value itself, so that rounding loses less.  Otherwise the
 * origin is 0, so that data around 0, or with detail near 0, keep the precision that floating point
 * has there.  Hence no value is rounded more coarsely than without an origin.
 *
 * For most data a few rows show that they are not far from 0.  Only if these rows are far are all
 * rows read, once, which costs about as much as reading them for a sum.  The result depends on the
 * values only, not on threads, parts or devices.  Elements of a batch have origins of their own,
 * which are found where the element is computed, while the cache holds its data. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

enum {
  FAR = 8,    /* gains at least three bits */
  GLANCE = 4, /* rows that are read first */
  SAMPLE = 16 /* rows that are read for a note */
};

typedef struct range {
  /* of the finite values; `first` is of the reduced index if it has any */
  double least, most, first;
  bool any, reduced;
} range;

/* Once false, it stays false whatever values are added. */
static bool is_far(const range *r) {
  double nearest = r->least > 0 ? r->least : -r->most;
  return r->most - r->least <= nearest / FAR;
}

/* Adds a value; returns whether the group is still far from 0. */
static bool add_value(range *r, double v, bool reduced) {
  if (!isfinite(v)) return true;
  if (!r->any || (reduced && !r->reduced)) r->first = v, r->reduced = reduced;
  if (!r->any || v < r->least) r->least = v;
  if (!r->any || v > r->most) r->most = v;
  r->any = true;
  return is_far(r);
}

static void range_of_finite(const double *x, int64_t n, double range[3]) {
  range[0] = INFINITY, range[1] = -INFINITY;
  for (int64_t k = 0; k < n; k++) {
    if (!isfinite(x[k])) continue;
    if (x[k] < range[0]) range[0] = x[k];
    if (x[k] > range[1]) range[1] = x[k];
  }
}

static double lesser(double a, double b) { return a < b ? a : b; }
static double larger(double a, double b) { return a > b ? a : b; }

/* Four independent chains of operations, which the processor executes in parallel.  Comparisons
 * with NaN are false, so that it is ignored; infinite numbers are rare, and handled by a second
 * pass. */
void gr_range_of(const double *x, int64_t n, double range[3]) {
  double a0 = INFINITY, a1 = a0, a2 = a0, a3 = a0, b0 = -INFINITY, b1 = b0, b2 = b0, b3 = b0;
  int64_t k = 0, first = 0;
  for (; k + 4 <= n; k += 4) {
    a0 = lesser(x[k], a0), a1 = lesser(x[k + 1], a1), a2 = lesser(x[k + 2], a2), a3 = lesser(x[k + 3], a3);
    b0 = larger(x[k], b0), b1 = larger(x[k + 1], b1), b2 = larger(x[k + 2], b2), b3 = larger(x[k + 3], b3);
  }
  for (; k < n; k++) a0 = lesser(x[k], a0), b0 = larger(x[k], b0);
  range[0] = lesser(lesser(a0, a1), lesser(a2, a3));
  range[1] = larger(larger(b0, b1), larger(b2, b3));
  while (first < n && !isfinite(x[first])) first++;
  range[2] = first < n ? x[first] : NAN;
  if (first < n && (!isfinite(range[0]) || !isfinite(range[1]))) range_of_finite(x, n, range);
  if (first == n) range[0] = range[1] = NAN;
}

static bool add_range(range *r, const double of[3], bool reduced) {
  return add_value(r, of[2], reduced) && add_value(r, of[0], reduced) && add_value(r, of[1], reduced);
}

/* The k-th of n rows, evenly spaced. */
static int64_t sample_row(int64_t rows, int k, int n) {
  return rows <= n ? k : k * (rows - 1) / (n - 1);
}

/* A few evenly spaced values.  Without a branch that depends on them: on random data such branches
 * take longer than all the rest, which counts where a batch has many small elements. */
static bool glance(range *r, const double *column, int64_t rows, bool reduced) {
  double least = INFINITY, most = -INFINITY;
  for (int k = 0; k < GLANCE && k < rows; k++) {
    double v = column[sample_row(rows, k, GLANCE)];
    if (!isfinite(v)) continue;
    least = lesser(v, least);
    most = larger(v, most);
  }
  return least > most || (add_value(r, least, reduced) && add_value(r, most, reduced));
}

/* Adds a component of all rows, or of a few evenly spaced rows.  An n x 1 matrix on a device may
 * represent a parameter of n components, whose values are either known or assumed to fill the range
 * of the matrix. */
static bool add_component(range *r, const gr_array *x, int64_t component, bool reduced, bool all) {
  const gr_buffer *b = x->buffer;
  double whole[3];
  if (b && b->rows != x->rows && b->vector) return add_value(r, b->vector[component], reduced);
  if (b) return !b->range || add_range(r, b->range + 3 * (b->cols == x->cols ? component : 0), reduced);
  const double *column = x->data + component * x->stride;
  if (!all) return glance(r, column, x->rows, reduced);
  gr_range_of(column, x->rows, whole);
  return add_range(r, whole, reduced);
}

static double origin_of(const gr_program *p, const gr_array *args, int group, int64_t component) {
  gr_category reduced = p->plan->ask.axis == 1 ? GR_VJ : GR_VI;
  range r = {.any = false};
  for (int all = 0; all < 2; all++) {
    r = (range){.any = false};
    for (int k = 0; k < p->args.n; k++) {
      const gr_arg *a = &p->args.arg[k];
      if (a->group == group && !add_component(&r, &args[k], component, a->cat == reduced, all)) return 0;
    }
  }
  return r.first;
}

/* ---- a note on data most of which, but not all, are far from 0 ------------------------------- */

enum {
  LOST = 1000,     /* distance from 0, in units of the spread, that is worth a note */
  COMPONENTS = 16, /* components that are examined */
  VALUES = 256     /* size of the sample */
};

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Whether the distance from 0 of the middle half of a sample is more than LOST times its width (the
 * interquartile range).  *around is the median, *width the width. */
static bool mostly_far(const gr_program *p, const gr_array *args, int group, int64_t component, double *around,
                       double *width) {
  double v[VALUES];
  int n = 0;
  for (int k = 0; k < p->args.n; k++) {
    const gr_array *x = &args[k];
    if (p->args.arg[k].group != group || x->buffer) continue;
    for (int i = 0; i < SAMPLE && i < x->rows && n < VALUES; i++) {
      double a = x->data[sample_row(x->rows, i, SAMPLE) + component * x->stride];
      if (isfinite(a)) v[n++] = a;
    }
  }
  if (n < 8) return false;
  qsort(v, (size_t)n, sizeof *v, ascending);
  double low = v[n / 4], high = v[3 * n / 4 - 1];
  *around = v[n / 2], *width = high - low;
  return high > low && (low > 0 || high < 0) && fmin(fabs(low), fabs(high)) > LOST * *width;
}

/* Do the arguments, which have their origins, lose digits? */
static bool note_on(const gr_program *p, const gr_array *with, char *note, size_t size) {
  char at[GR_NUMBER], wide[GR_NUMBER];
  for (int k = 0; k < p->args.n; k++) {
    const gr_arg *a = &p->args.arg[k];
    double around, width;
    for (int d = 0; a->group >= 0 && d < a->dim && d < COMPONENTS; d++) {
      if (with[k].origin[d] != 0 || !mostly_far(p, with, a->group, d, &around, &width)) continue;
      gr_number_text(around, 2, at);
      gr_number_text(width, 2, wide);
      snprintf(note, size,
               "most values of `%s` (column %d) lie far from zero (around %s) compared with their spread (about %s), but "
               "not all, so that no common origin can be subtracted: in float32 their differences lose digits. Centre the "
               "data, leave out the exceptions, or use dtype = \"float64\"",
               a->name, d + 1, at, wide);
      return true;
    }
  }
  return false;
}

bool gr_origins_note(const gr_run *r, char *note, size_t size) {
  gr_array *args = malloc((size_t)r->n_args * sizeof *args);
  int64_t elements = gr_elements(r);
  bool any = false;
  for (int k = 0; args && k < SAMPLE && k < elements && !any; k++) {
    gr_element_args(r, sample_row(elements, k, SAMPLE), args);
    any = note_on(r->p, args, note, size);
  }
  free(args);
  return any;
}

/* ---- all arguments ---- */

static int dim_of_group(const gr_args *args, int group) {
  int k = 0;
  while (args->arg[k].group != group) k++;
  return args->arg[k].dim;
}

/* The origins of all groups. */
static void find(const gr_program *p, const gr_array *args, double *origin) {
  for (int g = 0; g < p->args.groups; g++)
    for (int d = 0, dim = dim_of_group(&p->args, g); d < dim; d++)
      *origin++ = origin_of(p, args, g, d);
}

void gr_origins_find(const gr_run *r, int64_t e, const gr_array *args) {
  if (r->origin && e > 0) find(r->p, args, r->origin + e * r->origins);
}

/* Every argument of a group gets those of the first element. */
static void set_origins(const gr_program *p, gr_array *args, const double *origin) {
  const double *of_group[GR_MAX_ARGS];
  for (int g = 0; g < p->args.groups; g++) {
    of_group[g] = origin;
    origin += dim_of_group(&p->args, g);
  }
  for (int k = 0; k < p->args.n; k++)
    if (p->args.arg[k].group >= 0) args[k].origin = of_group[p->args.arg[k].group];
}

/* The block: the arguments of the call, then the origins of all elements. */
gr_class gr_origins(gr_run *r, void **block, gr_error *err) {
  const gr_program *p = r->p;
  int64_t elements = gr_elements(r);
  size_t n = (size_t)p->args.n, numbers = 0;
  *block = NULL;
  if (!p->args.groups || elements == 0) return GR_OK;
  for (int g = 0; g < p->args.groups; g++) numbers += (size_t)dim_of_group(&p->args, g);
  size_t size = n * sizeof(gr_array) + (size_t)elements * numbers * sizeof(double);
  gr_array *args = malloc(size);
  if (!args) return gr_fail(err, ERR_NoMemory, "origins of the arguments", (long long)size);
  memcpy(args, r->args, n * sizeof *args);
  r->origin = (double *)(void *)(args + n);
  r->origins = (int64_t)numbers;
  find(p, r->args, r->origin);
  set_origins(p, args, r->origin);
  r->args = args;
  *block = args;
  return GR_OK;
}
