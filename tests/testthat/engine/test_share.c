/* test_share.c: arrays that are themselves a share of the columns, or of the pairs: their blocks of
 * states merge to what one call of the whole gives, with its indices, for every reduction, axis,
 * precision and backend.  Blocks of calls with other rows or parameters are refused. */
#include "stand_ins.h"

static const gr_device *device;

typedef struct block {
  double *v;
  int64_t size;
} block;

/* Some rows of an array where it is. */
static gr_array rows_of(gr_array x, gr_interval rows) {
  x.data += rows.first;
  x.rows = rows.end - rows.first;
  return x;
}

/* The states of the pairs of some i and some j. */
static block share(gr_program *p, const gr_array *whole, gr_interval i, gr_interval j,
                   int64_t offset, const gr_options *o) {
  gr_error err = {0};
  gr_report rep = {0};
  gr_array args[ARGS_MAX];
  block b = {NULL, 0};
  int n = gr_program_nargs(p);
  for (int k = 0; k < n; k++) {
    gr_category c = gr_program_arg(p, k).category;
    args[k] = c == GR_PM ? whole[k] : rows_of(whole[k], c == GR_VI ? i : j);
  }
  check(gr_states_size(p, args, n, &b.size, &err) == GR_OK, "%s", err.message);
  b.v = malloc((size_t)b.size * sizeof(double));
  check(gr_program_share(p, args, n, offset, b.v, b.size, o, &rep, &err) == GR_OK, "%s\n%s",
        err.message, err.log ? err.log : "");
  gr_error_clear(&err);
  return b;
}

static void merge(gr_program *p, block *into, block from) {
  gr_error err = {0};
  if (!into->v) {
    *into = from;
    return;
  }
  check(gr_states_merge(p, into->v, into->size, from.v, from.size, &err) == GR_OK, "%s",
        err.message);
  free(from.v);
}

static result finish(gr_program *p, block b) {
  gr_result_info info = gr_program_result(p);
  gr_states_info says = {0};
  gr_error err = {0};
  gr_output out[2];
  check(gr_states_describe(p, b.v, b.size, &says, &err) == GR_OK, "%s", err.message);
  result r = {.rows = says.rows};
  r.size = r.rows * info.dim * (info.k ? info.k : 1);
  for (int k = 0; k < info.n; k++) {
    r.v[k] = malloc((size_t)(r.size + 1) * sizeof(double));
    out[k] = (gr_output){.data = r.v[k], .type = GR_F64};
  }
  check(gr_states_finish(p, b.v, b.size, out, &err) == GR_OK, "%s", err.message);
  return r;
}

/* The n-th of `of` shares of 0 ... total, the third of them empty. */
static gr_interval cut(int64_t total, int n, int of) {
  const int64_t at[] = {0, total / 3, total / 2, total / 2, total};
  return of == 1 ? (gr_interval){0, total} : (gr_interval){at[n], at[n + 1]};
}

/* All pairs, as a grid of shares in which the kept index is whole; the last comes first. */
static block merge_all(gr_program *p, const test *t, const gr_array *args, const gr_options *o) {
  enum { CUTS = 4 };
  int of_i = t->axis == 1 ? 1 : CUTS, of_j = t->axis == 0 ? 1 : CUTS;
  block sum = {NULL, 0};
  for (int a = of_i - 1; a >= 0; a--)
    for (int b = of_j - 1; b >= 0; b--) {
      gr_interval i = cut(t->m, a, of_i), j = cut(t->n, b, of_j);
      merge(p, &sum, share(p, args, i, j, t->axis == 1 ? j.first : t->axis == 0 ? i.first : 0, o));
    }
  return sum;
}

/* Selections are exact; a product in float32 loses half a unit with each of its factors. */
static double allowed(const gr_program *p, const test *t, int k) {
  gr_family family = gr_reds[gr_red_find(gr_program_result(p).reduction)].family;
  if (gr_program_result(p).is_index[k] || family == FAM_Extremum || family == FAM_Top) return 0;
  return t->f64 ? 1e-12 : family == FAM_Product ? 2e-4 : 1e-5;
}

static void try_backend(gr_program *p, const test *t, const gr_array *args, const gr_options *o) {
  gr_error err = {0};
  result whole;
  if (!check(run(p, args, o, &whole, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  block all = merge_all(p, t, args, o);
  result r = finish(p, all);
  check(r.size == whole.size, "%s: %d rows", describe(t), (int)r.rows);
  for (int k = 0; k < gr_program_result(p).n; k++) {
    double d = difference(r.v[k], whole.v[k], whole.size);
    check(d <= allowed(p, t, k), "%s, backend %d: result %d differs by %g", describe(t),
          (int)o->backend, k, d);
  }
  free(all.v);
  free_result(&r);
  free_result(&whole);
}

static void try_test(const test *t, bool gpu) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU};
  gr_error err = {0};
  gr_array args[ARGS_MAX];
  gr_program *p;
  gr_class cls = make(t, &p, &err);
  if (t->axis == 2 && cls == GR_ARGUMENT) return; /* it has no single index to give */
  if (!check(cls == GR_OK, "%s: %s", describe(t), err.message)) return;
  make_args(p, t, args);
  for (int b = 0; b < 2 + (gpu && device); b++) {
    gr_options o = options(backends[b], 2);
    o.cflags = "-O1";
    o.device = device;
    try_backend(p, t, args, &o);
  }
  free_args(p, args);
  gr_program_free(p);
}

/* With ties, so that indices show; the first of each family on a GPU too. */
static void every_reduction(void) {
  for (int red = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis < 3; axis++)
      for (int f64 = 0; f64 < 2; f64++) {
        const gr_redinfo *info = &gr_reds[red];
        bool first = red == 0 || info->family != gr_reds[red - 1].family;
        test t = {.formula = "Round(SqDist(x,y)*p,1)",
                  .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"},
                  .reduction = info->name,
                  .axis = axis,
                  .f64 = f64,
                  .m = 33,
                  .n = 160,
                  .lo = 0.5,
                  .hi = 1};
        t.k = info->needs_k ? 4 : 0;
        if (info->family == FAM_Product) t.formula = "1+(x|y)*p*1e-3";
        if (info->weight == NEED_Y || (info->weight == NEED_O && f64))
          t.formula2 = axis == 0 ? "x" : "y";
        try_test(&t, first && axis != 1 - f64);
      }
}

/* ---- what is refused ---- */

static void refused(gr_class cls, const gr_error *err, const char *says, const char *what) {
  check(cls == GR_ARGUMENT && strstr(err->message, says), "%s: class %d, \"%s\"", what, (int)cls,
        err->message);
}

/* A share whose rows, then whose parameter, differs in one number, and one whose columns do. */
static void other_data_are_refused(void) {
  for (int axis = 0; axis < 3; axis++) {
    test t = {.formula = "SqDist(x,y)*p",
              .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(2)"},
              .axis = axis,
              .m = 7,
              .n = 9};
    gr_program *p;
    gr_array args[ARGS_MAX];
    gr_error err = {0};
    gr_options o = options(GR_INTERPRETER, 1);
    if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
    make_args(p, &t, args);
    gr_interval i = {0, t.m}, j = {0, t.n};
    block one = share(p, args, i, j, 0, &o);
    for (int k = 0; k < 3; k++) {
      double *changed = (double *)args[k].data, before = changed[1];
      changed[1] += 1e-9;
      block other = share(p, args, i, j, 0, &o);
      changed[1] = before;
      gr_class cls = gr_states_merge(p, one.v, one.size, other.v, other.size, &err);
      if (k == 2 || (axis != 2 && k != axis))
        refused(cls, &err, "different values of the parameters", "other data");
      else
        check(cls == GR_OK, "columns of another share: %s", err.message);
      free(other.v);
    }
    free(one.v);
    free_args(p, args);
    gr_program_free(p);
  }
}

static void wrong_calls_are_refused(void) {
  test t = {.formula = "SqDist(x,y)",
            .aliases = {"x=Vi(3)", "y=Vj(3)"},
            .reduction = "ArgMin",
            .axis = 1,
            .m = 7,
            .n = 9};
  const int64_t most = (int64_t)1 << 53;
  gr_program *p;
  gr_array args[ARGS_MAX];
  gr_error err = {0};
  gr_report rep;
  gr_states_info says;
  gr_options o = options(GR_INTERPRETER, 1);
  int64_t size = 0;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  make_args(p, &t, args);
  check(gr_states_size(p, args, 2, &size, &err) == GR_OK, "%s", err.message);
  double *v = malloc((size_t)size * sizeof *v);
  refused(gr_program_share(p, args, 2, -1, v, size, &o, &rep, &err), &err, "offset",
          "a negative offset");
  refused(gr_program_share(p, args, 2, most - 8, v, size, &o, &rep, &err), &err, "offset",
          "too large an offset");
  refused(gr_program_share(p, args, 2, INT64_MAX, v, size, &o, &rep, &err), &err, "offset",
          "too large an offset");
  refused(gr_program_share(p, args, 2, 0, v, size + 1, &o, &rep, &err), &err, "are needed",
          "too large a place");
  refused(gr_program_share(p, args, 2, 0, NULL, size, &o, &rep, &err), &err, "NULL", "no place");
  refused(gr_program_share(p, args, 2, 0, v, size, NULL, &rep, &err), &err, "NULL", "no options");
  refused(gr_program_share(p, args, 1, 0, v, size, &o, &rep, &err), &err, "arguments expected",
          "too few arguments");
  refused(gr_program_share(NULL, args, 2, 0, v, size, &o, &rep, &err), &err, "NULL", "no program");
  check(gr_program_share(p, args, 2, most - 9, v, size, &o, &rep, &err) == GR_OK,
        "the largest offset: %s", err.message);
  check(gr_states_describe(p, v, size, &says, &err) == GR_OK && says.rows == 7 && says.count == 9,
        "what it holds: %s", err.message);
  refused(gr_states_describe(p, v, size, NULL, &err), &err, "NULL", "no place for the description");
  refused(gr_states_describe(p, v, size - 1, &says, &err), &err, "not a block of states",
          "a block that was cut");
  free(v);
  free_args(p, args);
  gr_program_free(p);
}

int main(int argc, char **argv) {
  (void)argc;
  device = stand_in(argv[0]);
  other_data_are_refused();
  wrong_calls_are_refused();
  every_reduction();
  if (device) device->shutdown();
  return report();
}
