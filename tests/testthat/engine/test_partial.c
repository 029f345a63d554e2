/* test_partial.c: shares of the columns leave blocks of states that merge to what one call gives,
 * for every reduction, axis, precision and backend; what is no block of the program is refused. */
#include "stand_ins.h"

static const gr_device *device;

typedef struct block {
  double *v;
  int64_t size;
} block;

static block share(gr_program *p, const gr_array *args, const gr_interval *interval, int64_t n,
                   const gr_options *o) {
  gr_error err = {0};
  gr_report rep = {0};
  block b = {NULL, 0};
  check(gr_states_size(p, args, gr_program_nargs(p), &b.size, &err) == GR_OK, "%s", err.message);
  b.v = malloc((size_t)b.size * sizeof(double));
  check(gr_program_partial(p, args, gr_program_nargs(p), interval, n, b.v, b.size, o, &rep, &err) ==
            GR_OK,
        "%s\n%s", err.message, err.log ? err.log : "");
  gr_error_clear(&err);
  return b;
}

static result place_for(const gr_program *p, const gr_array *args, gr_output out[2]) {
  gr_result_info info = gr_program_result(p);
  gr_error err = {0};
  result r = {.rows = 0};
  check(gr_program_rows(p, args, gr_program_nargs(p), &r.rows, &err) == GR_OK, "%s", err.message);
  r.size = r.rows * info.dim * (info.k ? info.k : 1);
  for (int k = 0; k < info.n; k++) {
    r.v[k] = malloc((size_t)(r.size + 1) * sizeof(double));
    out[k] = (gr_output){.data = r.v[k], .type = GR_F64};
  }
  return r;
}

/* The columns in n shares, some of them empty, some of several intervals: share k has every column
 * between cuts k and k + 1, less a hole that goes to the last share. */
enum { SHARES = 5 };

typedef struct split {
  gr_interval interval[SHARES][SHARES];
  int64_t n[SHARES];
} split;

static split draw_split(int64_t cols, int shares) {
  split s = {.n = {0}};
  int64_t cuts[SHARES + 1] = {0};
  for (int k = 1; k < shares; k++)
    cuts[k] =
        k == 2 ? cuts[1] : cuts[k - 1] + (int64_t)uniform(0, (double)(cols - cuts[k - 1] + 1));
  cuts[shares] = cols;
  for (int k = 0; k < shares; k++) {
    int64_t first = cuts[k], end = cuts[k + 1], hole = first + (end - first) / 3,
            after = hole + (end - first) / 5;
    bool holed = k < shares - 1 && after > hole;
    if (holed) s.interval[shares - 1][s.n[shares - 1]++] = (gr_interval){hole, after};
    if (holed) s.interval[k][s.n[k]++] = (gr_interval){first, hole}, first = after;
    if (end > first || k % 2) s.interval[k][s.n[k]++] = (gr_interval){first, end};
  }
  return s;
}

/* Selections are exact.  A product in single precision loses up to half a unit in the last place
 * with each of its factors, of which there are up to 13 200. */
static double allowed(const gr_program *p, const test *t, int k) {
  gr_family family = gr_reds[gr_red_find(gr_program_result(p).reduction)].family;
  if (gr_program_result(p).is_index[k] || family == FAM_Extremum || family == FAM_Top) return 0;
  return t->f64 ? 1e-12 : family == FAM_Product ? 2e-4 : 1e-5;
}

static void shares_give_the_whole(gr_program *p, const test *t, const gr_array *args,
                                  const gr_options *o, int64_t cols) {
  gr_error err = {0};
  result whole;
  if (!check(run(p, args, o, &whole, &err) == GR_OK, "%s: %s", describe(t), err.message)) return;
  for (int shares = 1; shares <= SHARES; shares++) {
    split s = draw_split(cols, shares);
    block sum = share(p, args, s.interval[0], s.n[0], o);
    for (int k = 1; k < shares; k++) {
      block more = share(p, args, s.interval[k], s.n[k], o);
      check(gr_states_merge(p, sum.v, sum.size, more.v, more.size, &err) == GR_OK, "%s: %s",
            describe(t), err.message);
      free(more.v);
    }
    gr_output out[2];
    result r = place_for(p, args, out);
    check(gr_states_finish(p, sum.v, sum.size, out, &err) == GR_OK, "%s: %s", describe(t),
          err.message);
    for (int k = 0; k < gr_program_result(p).n; k++) {
      double d = difference(r.v[k], whole.v[k], r.size);
      check(d <= allowed(p, t, k), "%s, %d shares, backend %d: result %d differs by %g",
            describe(t), shares, (int)o->backend, k, d);
    }
    free(sum.v);
    free_result(&r);
  }
  free_result(&whole);
}

static void try_test(const test *t, int64_t rows, int64_t cols, bool gpu) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU};
  gr_error err = {0};
  gr_array args[ARGS_MAX];
  gr_program *p;
  test sized = *t;
  sized.m = t->axis == 0 ? cols : rows, sized.n = t->axis == 0 ? rows : cols;
  gr_class cls = make(&sized, &p, &err);
  if (t->axis == 2 && cls == GR_ARGUMENT) return; /* it has no single index to give */
  if (!check(cls == GR_OK, "%s: %s", describe(&sized), err.message)) return;
  make_args(p, &sized, args);
  for (int b = 0; b < 2 + (gpu && device); b++) {
    gr_options o = options(backends[b], 2);
    o.cflags = "-O1";
    o.device = device;
    shares_give_the_whole(p, &sized, args, &o, cols);
  }
  free_args(p, args);
  gr_program_free(p);
}

/* The first of each family on a GPU too, and with few rows, where lanes are columns. */
static void every_reduction(void) {
  for (int red = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis < 3; axis++)
      for (int f64 = 0; f64 < 2; f64++) {
        const gr_redinfo *info = &gr_reds[red];
        bool first = red == 0 || info->family != gr_reds[red - 1].family;
        test t = {.formula = "Exp(-SqDist(x,y))*p",
                  .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(1)"},
                  .reduction = info->name,
                  .axis = axis,
                  .f64 = f64,
                  .lo = 0.5,
                  .hi = 1};
        t.k = info->needs_k ? 4 : 0;
        if (info->family == FAM_Product)
          t.formula = "1+(x|y)*p*1e-4"; /* a product stays within single precision */
        if (info->weight == NEED_Y || (info->weight == NEED_O && f64))
          t.formula2 = axis == 0 ? "x" : "y";
        try_test(&t, 33, 400, first && axis != 1 - f64);
        if (first && axis < 2) try_test(&t, 3, 40000, false);
      }
}

/* Sums that keep compensations; an origin that is subtracted; the graph as written. */
static void special_states(void) {
  test kahan = {
      .formula = "x*y", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .axis = 1, .scheme = "kahan_scheme"};
  test far = {.formula = "SqDist(x,y)",
              .aliases = {"x=Vi(3)", "y=Vj(3)"},
              .axis = 1,
              .lo = 1e6,
              .hi = 1.00001e6};
  try_test(&kahan, 20, 3000, true);
  try_test(&far, 20, 3000, true);
}

/* No rows, no columns, neither. */
static void nothing_at_all(void) {
  for (int axis = 0; axis < 3; axis++)
    for (int k = 0; k < 3; k++) {
      test t = {.formula = "x*y",
                .aliases = {"x=Vi(2)", "y=Vj(2)"},
                .axis = axis,
                .reduction = k == 1   ? "LogSumExp"
                             : k == 2 ? "Max"
                                      : "Sum",
                .f64 = true};
      if (k == 1) t.formula = "x|y";
      for (int s = 0; s < 4; s++) try_test(&t, s % 2 ? 5 : 0, s / 2 ? 7 : 0, true);
    }
}

/* ---- what is refused ---- */

static void refused(gr_class cls, const gr_error *err, const char *says, const char *what) {
  check(cls == GR_ARGUMENT && strstr(err->message, says), "%s: class %d, \"%s\"", what, (int)cls,
        err->message);
}

static void junk_is_refused(void) {
  test t = {.formula = "SqDist(x,y)",
            .aliases = {"x=Vi(3)", "y=Vj(3)"},
            .axis = 1,
            .m = 7,
            .n = 30},
       other = t, longer = t;
  gr_program *p, *q;
  gr_array args[ARGS_MAX], more[ARGS_MAX];
  gr_error err = {0};
  gr_output out[2];
  gr_options o = options(GR_INTERPRETER, 1);
  other.reduction = "Max";
  longer.n = 31;
  if (!check(make(&t, &p, &err) == GR_OK && make(&other, &q, &err) == GR_OK, "%s", err.message))
    return;
  make_args(p, &t, args);
  make_args(p, &longer, more);
  gr_interval half = {0, 15};
  block good = share(p, args, &half, 1, &o), of_other = share(q, args, &half, 1, &o),
        of_longer = share(p, more, &half, 1, &o);
  result r = place_for(p, args, out);
  size_t bytes = (size_t)good.size * sizeof(double);
  double *bad = malloc(bytes + sizeof(double)), *before = malloc(bytes);
  memcpy(before, good.v, bytes);
  for (int64_t k = 0; k < good.size; k++) /* every number changed in its lowest bit, or to junk */
    for (int junk = 0; junk < 3; junk++) {
      memcpy(bad, good.v, bytes);
      if (junk)
        bad[k] = junk == 1 ? NAN : -1e300;
      else
        ((unsigned char *)&bad[k])[0] ^= 1;
      refused(gr_states_finish(p, bad, good.size, out, &err), &err, "no block of states",
              "a block that was changed");
      refused(gr_states_merge(p, good.v, good.size, bad, good.size, &err), &err,
              "no block of states", "a block that was changed");
    }
  for (int64_t n = 0; n < good.size; n++)
    refused(gr_states_finish(p, good.v, n, out, &err), &err, "no block of states",
            "a block that was cut");
  memcpy(bad, good.v, bytes);
  bad[good.size] = 0;
  refused(gr_states_finish(p, bad, good.size + 1, out, &err), &err, "lengthened", "a longer block");
  refused(gr_states_merge(p, good.v, good.size, of_other.v, of_other.size, &err), &err,
          "another program", "another program's block");
  refused(gr_states_merge(p, good.v, good.size, of_longer.v, of_longer.size, &err), &err,
          "different calls", "a block of a longer call");
  refused(gr_states_merge(p, good.v, good.size, NULL, good.size, &err), &err, "NULL", "no block");
  refused(gr_states_finish(NULL, good.v, good.size, out, &err), &err, "NULL", "no program");
  check(memcmp(before, good.v, bytes) == 0, "a block that refused another was changed");
  check(gr_states_finish(p, good.v, good.size, out, &err) == GR_OK, "%s", err.message);
  free(bad);
  free(before);
  free(good.v);
  free(of_other.v);
  free(of_longer.v);
  free_result(&r);
  free_args(p, args);
  free_args(p, more);
  gr_program_free(p);
  gr_program_free(q);
}

static void wrong_calls_are_refused(void) {
  test t = {
      .formula = "SqDist(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .axis = 1, .m = 7, .n = 30};
  static const gr_interval wrong[][2] = {{{-1, 3}, {4, 5}},
                                         {{5, 4}, {6, 7}},
                                         {{0, 31}, {31, 31}},
                                         {{0, 5}, {4, 6}},
                                         {{10, 12}, {0, 3}}};
  gr_program *p;
  gr_array args[ARGS_MAX];
  gr_error err = {0};
  gr_report rep;
  gr_options o = options(GR_INTERPRETER, 1);
  int64_t size = 0;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  make_args(p, &t, args);
  check(gr_states_size(p, args, 2, &size, &err) == GR_OK, "%s", err.message);
  double *v = malloc((size_t)size * sizeof *v);
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
    refused(gr_program_partial(p, args, 2, wrong[k], 2, v, size, &o, &rep, &err), &err, "ascend",
            "intervals");
  refused(gr_program_partial(p, args, 2, NULL, 2, v, size, &o, &rep, &err), &err, "NULL",
          "no intervals");
  refused(gr_program_partial(p, args, 2, NULL, -1, v, size, &o, &rep, &err), &err, "NULL",
          "a negative count");
  refused(gr_program_partial(p, args, 2, NULL, 0, v, size - 1, &o, &rep, &err), &err, "are needed",
          "too small a place");
  refused(gr_program_partial(p, args, 2, NULL, 0, NULL, size, &o, &rep, &err), &err, "NULL",
          "no place");
  refused(gr_program_partial(p, args, 2, NULL, 0, v, size, &o, NULL, &err), &err, "NULL",
          "no report");
  refused(gr_program_partial(p, args, 1, NULL, 0, v, size, &o, &rep, &err), &err,
          "arguments expected", "too few arguments");
  refused(gr_states_size(p, args, 2, NULL, &err), &err, "NULL", "no place for the size");
  o.backend = GR_GPU;
  check(gr_program_partial(p, args, 2, NULL, 0, v, size, &o, &rep, &err) == GR_CUDA,
        "a GPU that is not there: %s", err.message);
  free(v);
  free_args(p, args);
  gr_program_free(p);
}

int main(int argc, char **argv) {
  (void)argc;
  device = stand_in(argv[0]);
  junk_is_refused();
  wrong_calls_are_refused();
  nothing_at_all();
  special_states();
  every_reduction();
  if (device) device->shutdown();
  return report();
}
