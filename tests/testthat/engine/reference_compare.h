/* reference_compare.h: runs a call on both backends and compares the results with the
 * reference's. */
#ifndef GENRED_REFERENCE_COMPARE_H
#define GENRED_REFERENCE_COMPARE_H

/* ---- comparing ---- */

static bool quiet; /* while a failing case is reduced */

typedef struct row_terms {
  real *v, *e, *wv, *we;
  int64_t n;
} row_terms;

static void evaluate_terms(const setup *s, int64_t row, int64_t n, row_terms *t) {
  num out[DIM_MAX];
  int d = s->root->dim, dw = s->weight ? s->weight->dim : 0;
  t->n = n;
  for (int64_t j = 0; j < n; j++) {
    E.row[0] = s->axis == 2 ? j % s->m : s->axis == 1 ? row : j;
    E.row[1] = s->axis == 2 ? j / s->m : s->axis == 1 ? j : row;
    eval(s->root, out);
    for (int k = 0; k < d; k++) t->v[j * d + k] = out[k].v[0], t->e[j * d + k] = out[k].e[0];
    if (dw) eval(s->weight, out);
    for (int k = 0; k < dw; k++) t->wv[j * dw + k] = out[k].v[0], t->we[j * dw + k] = out[k].e[0];
  }
}

static bool value_agrees(const setup *s, range r, double got) {
  if (r.undecided) return true;
  if (r.nan) return isnan(got);
  real lo = r.lo, hi = r.hi;
  if (!s->f64) { /* the bounds as they are after rounding the result */
    if (isfinite(lo)) lo -= W.ulp * fabsl(lo) / 4;
    if (isfinite(hi)) hi += W.ulp * fabsl(hi) / 4;
  }
  return got >= lo && got <= hi;
}

static bool is_weak(const setup *s, range r) {
  if (r.undecided || isinf(r.hi - r.lo)) return true;
  return r.hi - r.lo > (s->f64 ? 1e-8L : 2e-3L) * (fabsl(r.hi + r.lo) + 1e-3L);
}

/* Which backend differs first, where, and how; for the report. */
static char finding[600];

static bool check_entry(const setup *s, const row_terms *t, const result *got, const char *who, int64_t row, int c, int dim) {
  const struct reduction_row *r = &reductions[s->red];
  int d = s->root->dim, K = s->k ? s->k : 1, shift = s->red == R_SHIFT || s->red == R_SHIFT_WEIGHT;
  bool scalar = r->scalar;
  terms f = {t->v + (scalar ? 0 : c), t->e + (scalar ? 0 : c), t->n, d};
  int dw = s->weight ? s->weight->dim : 1, cw = shift ? c - 1 : c;
  terms w = {t->wv + (cw < 0 ? 0 : cw), t->we + (cw < 0 ? 0 : cw), t->n, dw};
  terms all = {t->wv, t->we, t->n, dw};
  const terms *one = s->weight ? &w : NULL, *every = s->weight ? &all : NULL;
  for (int k = 0; k < K; k++) {
    int64_t at = row + got->rows * (k + K * c), stride = got->rows;
    if (r->value) {
      range want = reduce_value(s->red, &f, one, every, c, k);
      totals.values++;
      if (want.nan == false && is_weak(s, want) && !(isinf(want.lo) && want.lo == want.hi)) totals.weak++;
      double value = got->v[0][at];
      count_bound(want);
      if (!value_agrees(s, want, value)) {
        snprintf(finding, sizeof finding, "%s: row %lld, component %d of %d, neighbour %d: got %.17g, expected %.17Lg ... %.17Lg%s", who,
                 (long long)row, c, dim, k, value, want.lo, want.hi, want.nan ? " (NaN)" : "");
        return false;
      }
    }
    if (r->index) {
      real lo, hi;
      const double *v = got->v[r->value ? 1 : 0] + at;
      totals.values++;
      if (!index_agrees(&f, r->largest, k, *v, got->v[r->value ? 1 : 0] + (at - stride * k), stride, &lo, &hi)) {
        snprintf(finding, sizeof finding, "%s: row %lld, component %d of %d, neighbour %d: got index %.17g, value is in %.17Lg ... %.17Lg", who,
                 (long long)row, c, dim, k, *v, lo, hi);
        return false;
      }
    }
  }
  return true;
}

/* The arguments of a row: what is kept, and the first columns. */
static void tell_arguments(const setup *s, int64_t row, int64_t columns) {
  for (int k = 0; k < s->nargs; k++) {
    const variable *v = &s->vars[k];
    bool kept = s->axis != 2 && v->cat == (s->axis == 1 ? VI : VJ);
    if (v->unused) continue;
    printf("    %s%s:", v->name, kept || v->cat == PM ? "" : columns > 3 ? ", first columns" : ", columns");
    for (int64_t r = kept ? row : 0; r < (kept ? row + 1 : v->rows) && r < (kept ? row + 1 : 3); r++)
      for (int c = 0; c < v->dim && c < 20; c++) printf("%s%.9g", c ? "," : " ", v->data[r + c * v->stride]);
    printf("\n");
  }
}

static bool check_row(const setup *s, int64_t row, const result *got, const char *const *who, int backends, int dim, int64_t columns, int *bad) {
  size_t d = (size_t)s->root->dim, dw = s->weight ? (size_t)s->weight->dim : 1, n = (size_t)columns + 1;
  row_terms t = {malloc(sizeof(real) * n * d), malloc(sizeof(real) * n * d), malloc(sizeof(real) * n * dw), malloc(sizeof(real) * n * dw), 0};
  bool ok = true;
  evaluate_terms(s, row, columns, &t);
  for (int b = 0; b < backends; b++) {
    sums_of(columns, s->scheme, s->acc, b == 0);
    for (int c = 0; c < dim && !(*bad & 1 << b); c++)
      if (!check_entry(s, &t, &got[b], who[b], row, c, dim)) {
        *bad |= 1 << b;
        ok = false;
        if (!quiet) printf("  %s\n", finding);
        if (!quiet) tell_arguments(s, row, columns);
      }
  }
  free(t.v), free(t.e), free(t.wv), free(t.we);
  return ok;
}

/* Where comparing all rows takes long: the first, the last, and some between. */
static int64_t next_row(const setup *s, int64_t row, int64_t rows) {
  if (s->all_rows || row < 1 || row + 2 > rows || E.work < 1000) return row + 1;
  return row + 1 + (int64_t)(mix((uint64_t)row ^ s->data) % (uint64_t)((rows - row) / 2 + 1));
}

/* Runs a program that is built on every backend and compares; returns the backends that differ
 * (1: the first, 2: the second). */
static int compare(setup *s, const gr_options *opt, int backends, gr_error *err) {
  static const char *const who[] = {"interpreter", "kernel"};
  gr_array args[VARIABLES];
  gr_result_info info = gr_program_result(s->program);
  result got[2] = {{{NULL, NULL}, 0, 0}, {{NULL, NULL}, 0, 0}};
  const struct reduction_row *r = &reductions[s->red];
  int bad = 0, dim = s->root->dim;
  fill_data(s);
  if (r->weight) dim = s->weight->dim + (s->red == R_SHIFT_WEIGHT);
  else if (s->red == R_SHIFT) dim = 2;
  for (int k = 0; k < s->nargs; k++) {
    const variable *v = &s->vars[k];
    args[k] = (gr_array){.data = v->data, .rows = v->rows, .cols = v->dim, .stride = v->stride};
  }
  if (gr_program_nargs(s->program) != s->nargs || info.dim != dim || info.n != r->value + r->index || info.k != s->k) {
    if (!quiet) printf("  result of dimension %d (expected %d), %d results, k %d, %d arguments\n", info.dim, dim, info.n, info.k, gr_program_nargs(s->program));
    bad = 1;
  }
  for (int b = 0; b < backends && !bad; b++)
    if (run(s->program, args, &opt[b], &got[b], err) != GR_OK) {
      if (!quiet) printf("  %s: %s\n%s\n", who[b], err->message, err->log ? err->log : "");
      bad |= 1 << b;
    }
  int64_t rows = s->axis == 2 ? 1 : s->axis == 1 ? s->m : s->n, columns = s->axis == 2 ? s->m * s->n : s->axis == 1 ? s->n : s->m;
  if (!bad && got[0].rows != rows) printf("  %lld rows, expected %lld\n", (long long)got[0].rows, (long long)rows), bad = 1;
  E.vars = s->vars, E.perturbations = 0, E.work = 0;
  E.far = s->far, signed_zeros = s->all_rows;
  work_in(s->f64);
  for (int64_t row = 0; row < rows && !bad; row = next_row(s, row, rows)) {
    if (E.work > 200000 && row < rows - 1 && !s->all_rows) row = rows - 1;
    check_row(s, row, got, who, backends, dim, columns, &bad);
  }
  for (int b = 0; b < backends; b++) free_result(&got[b]);
  free_data(s);
  return bad;
}

#endif
