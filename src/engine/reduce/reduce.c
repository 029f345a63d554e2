/* reduce.c: the reductions on doubles: the table made from reds.h, the size of a state, how it
 * takes in a pair, and results.
 *
 * What a device needs too is in state.h: init, merge, result.  Emitted kernels keep the same
 * state and step it their own way; the interpreter uses `step`; threads and splits use `merge`. */
#include <math.h>
#include <string.h>

#include "reduce/reduce.h"

#undef GR_STATE
#define GR_STATE static
#include "reduce/state.h"

/* ---- the table ---- */

#define RED(name, family, direction, results, weight, needs_k, formula, meaning)                   \
  [RED_##name] = {#name, FAM_##family, direction, RES_##results, NEED_##weight, needs_k,           \
                  formula, meaning},
const gr_redinfo gr_reds[RED_COUNT] = {GR_REDUCTIONS(RED)};
#undef RED

#define RED(name, ...) #name,
#define SYN(name, ...) #name,
static const char *const names[] = {GR_REDUCTIONS(RED) GR_RED_SYNONYMS(SYN)};
#undef RED
#undef SYN
#define SYN(spelling, name) RED_##name,
static const gr_red synonyms[] = {GR_RED_SYNONYMS(SYN)};
#undef SYN

enum { NNAMES = sizeof names / sizeof *names };

const char *const *gr_red_names(int *n) {
  *n = NNAMES;
  return names;
}

int gr_red_find(const char *name) {
  for (int k = 0; k < NNAMES; k++)
    if (strcmp(names[k], name) == 0) return k < RED_COUNT ? k : (int)synonyms[k - RED_COUNT];
  return -1;
}

/* ---- Total: D sums, and with Kahan's scheme D compensations ---- */

enum { traits_Total = GR_PLAIN_SUMS | GR_SUMS_IN_BLOCKS };
static int64_t size_Total(const gr_reduction *r) { return r->kahan ? 2 * r->dim : r->dim; }

static void step_Total(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf,
                       const double *w, int64_t sw, int64_t col) {
  (void)w, (void)sw, (void)col;
  for (int d = 0; d < r->dim; d++) total_add(r, s, ld, d, f[d * sf]);
}

/* ---- Extremum: D values, and when asked for D indices ---- */

enum { traits_Extremum = 0 };
static int64_t size_Extremum(const gr_reduction *r) { return r->index ? 2 * r->dim : r->dim; }

static void step_Extremum(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf,
                          const double *w, int64_t sw, int64_t col) {
  (void)w, (void)sw;
  for (int d = 0; d < r->dim; d++) extremum_offer(r, s, ld, d, f[d * sf], (double)col);
}

/* ---- Top: entry d*K + k is the k-th best of component d; values, then indices ---- */

enum { traits_Top = GR_KEEPS_LISTS };
static int64_t size_Top(const gr_reduction *r) { return 2 * (int64_t)r->dim * r->k; }

/* From the end of the list up, because most values change nothing. */
static void top_offer(const gr_reduction *r, double *s, int64_t ld, int d, double x, double i) {
  double *v = s + (int64_t)d * r->k * ld, *at = s + (int64_t)(r->dim + d) * r->k * ld;
  int k = r->k;
  for (; k > 0 && before(r, x, i, v[(k - 1) * ld], at[(k - 1) * ld]); k--)
    if (k < r->k) v[k * ld] = v[(k - 1) * ld], at[k * ld] = at[(k - 1) * ld];
  if (k < r->k) v[k * ld] = x, at[k * ld] = i;
}

static void step_Top(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf,
                     const double *w, int64_t sw, int64_t col) {
  (void)w, (void)sw;
  for (int d = 0; d < r->dim; d++) top_offer(r, s, ld, d, f[d * sf], (double)col);
}

/* ---- ExpSum: m = max f, then s = sum of exp(f - m) w per weight component ---- */

enum { traits_ExpSum = GR_SCALAR_FORMULA | GR_SUMS_IN_BLOCKS };
static int64_t size_ExpSum(const gr_reduction *r) { return 1 + r->nweight; }

static void step_ExpSum(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf,
                        const double *w, int64_t sw, int64_t col) {
  (void)sf, (void)col;
  double keep, add, weight = 1;
  expsum_factors(s[0], f[0], &keep, &add);
  if (f[0] > s[0]) s[0] = f[0];
  for (int k = 0; k < r->nweight; k++) {
    if (r->has_weight) weight = r->lead ? (k ? w[(k - 1) * sw] : 1) : w[k * sw];
    s[(k + 1) * ld] = s[(k + 1) * ld] * keep + weight * add;
  }
}

/* ---- Product ---- */

enum { traits_Product = 0 };
static int64_t size_Product(const gr_reduction *r) { return r->dim; }

static void step_Product(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf,
                         const double *w, int64_t sw, int64_t col) {
  (void)w, (void)sw, (void)col;
  for (int d = 0; d < r->dim; d++) s[d * ld] *= f[d * sf];
}

/* ---- Moments: count, means, sums of squared deviations ---- */

enum { traits_Moments = GR_SUMS_IN_BLOCKS };
static int64_t size_Moments(const gr_reduction *r) { return 1 + 2 * r->dim; }

static void step_Moments(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf,
                         const double *w, int64_t sw, int64_t col) {
  (void)w, (void)sw, (void)col;
  double n = ++s[0];
  for (int d = 0; d < r->dim; d++) {
    double *mean = &s[(1 + d) * ld], *squares = &s[(1 + r->dim + d) * ld],
           delta = f[d * sf] - *mean;
    *mean += delta / n;
    *squares += delta * (f[d * sf] - *mean);
  }
}

/* ---- families ---- */

#define FAMILY(name) [FAM_##name] = {#name, traits_##name, size_##name, step_##name},
const gr_familyinfo gr_families[FAM_COUNT] = {GR_FAMILIES(FAMILY)};
#undef FAMILY

/* ---- results ---- */

/* The dimension of each result; dim_weight: of the weight, 0 without one. */
static int dim_V(const gr_reduction *r, int dim_weight) { return (void)dim_weight, r->dim; }
static int dim_R(const gr_reduction *r, int dim_weight) { return (void)dim_weight, 1 + r->nweight; }
static int dim_L(const gr_reduction *r, int dim_weight) { return (void)dim_weight, r->nweight; }
static int dim_Q(const gr_reduction *r, int dim_weight) { return (void)r, dim_weight; }
#define dim_X dim_V
#define dim_VX dim_V
#define dim_M dim_V
#define dim_B dim_V
#define dim_S dim_V

#define RESULTS(name) [RES_##name] = dim_##name,
static int (*const result_dims[RES_COUNT])(const gr_reduction *, int) = {GR_RESULTS(RESULTS)};
#undef RESULTS

/* What there is, values and indices, and whether the state is the values (result_V), entry by
 * entry. */
static const struct {
  bool value, index, kept;
} results[RES_COUNT] = {
    [RES_V] = {true, false, true}, [RES_X] = {false, true, true}, [RES_VX] = {true, true, true},
    [RES_R] = {true, false, true}, [RES_L] = {.value = true},     [RES_Q] = {.value = true},
    [RES_M] = {.value = true},     [RES_B] = {.value = true},     [RES_S] = {.value = true}};

/* Numbers for rows at ... at + n of one component. */
static void put(const gr_output *out, int64_t at, const double *x, int64_t n) {
  switch (out->type) {
  case GR_F64: memcpy((double *)out->data + at, x, (size_t)n * sizeof *x); break;
  case GR_R_INT:
    for (int64_t i = 0; i < n; i++)
      ((int32_t *)out->data)[at + i] = x[i] < 0 ? INT32_MIN : (int32_t)x[i] + 1;
    break;
  case GR_I64:
    for (int64_t i = 0; i < n; i++) ((int64_t *)out->data)[at + i] = (int64_t)x[i];
    break;
  }
}

/* Values and indices lie in the state as D*K entries each, k running first, as in the output.
 * Entry by entry, so that rows are copied in order: with few columns this is a good part of the
 * work. */
void gr_red_finish(const gr_reduction *r, const double *s, int64_t ld, int64_t states,
                   const gr_output *out, int64_t m, int64_t rows, double count) {
  int n = r->out_dim * r->k;
  bool value = results[r->results].value, index = results[r->results].index,
       kept = results[r->results].kept && !r->kahan;
  for (int e = 0; e < n; e++) {
    if (value && kept) put(&out[0], m + rows * e, s + e * ld, states);
    for (int64_t i = 0; value && !kept && i < states; i++) {
      double x = gr_state_result(r, s + i, ld, e, count);
      put(&out[0], m + rows * e + i, &x, 1);
    }
    if (index) put(&out[value], m + rows * e, s + (n + e) * ld, states);
  }
}

/* ---- a reduction with its sizes, and its states ---- */

void gr_reduction_init(gr_reduction *r, gr_red red, int dim, int weight_dim, int k, bool kahan) {
  const gr_redinfo *info = &gr_reds[red];
  *r = (gr_reduction){.red = red,
                      .family = info->family,
                      .direction = info->direction,
                      .results = info->results,
                      .dim = dim,
                      .k = info->needs_k ? k : 1};
  r->index = results[info->results].index;
  r->kahan = kahan && gr_has_trait(r->family, GR_PLAIN_SUMS);
  r->has_weight = weight_dim > 0;
  r->lead = info->results == RES_Q;
  r->nweight = (weight_dim > 0 ? weight_dim : 1) + r->lead;
  int64_t state = gr_families[r->family].size(r);
  r->nstate = state > GR_MAX_NUMBERS ? GR_MAX_NUMBERS + 1 : (int)state;
  r->nout = results[info->results].value + results[info->results].index;
  r->out_dim = result_dims[info->results](r, weight_dim);
}

void gr_red_init(const gr_reduction *r, double *state, int64_t ld, int64_t rows) {
  if (rows > 0) gr_state_init(r, state, ld);
  for (int e = 0; e < r->nstate && rows > 0; e++) {
    double first = state[e * ld];
    for (int64_t m = 1; m < rows; m++) state[e * ld + m] = first;
  }
}

void gr_red_step(const gr_reduction *r, double *state, int64_t ld, const double *f, int64_t sf,
                 const double *w, int64_t sw, int64_t col) {
  gr_families[r->family].step(r, state, ld, f, sf, w, sw, col);
}

void gr_red_merge(const gr_reduction *r, double *into, int64_t ld_into, const double *from,
                  int64_t ld_from) {
  gr_state_merge(r, into, ld_into, from, ld_from);
}

/* Indices are the second dim * k entries of a state (reds.h). */
void gr_red_shift(const gr_reduction *r, double *state, int64_t ld, int64_t rows, double offset) {
  int n = r->dim * r->k;
  if (r->family != FAM_Top && !r->index) return;
  for (int e = n; e < 2 * n; e++)
    for (int64_t m = 0; m < rows; m++)
      if (state[e * ld + m] >= 0) state[e * ld + m] += offset;
}
