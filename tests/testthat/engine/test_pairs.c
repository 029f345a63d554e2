/* test_pairs.c: variables of pairs on GPUs, by the libraries that stand in for CUDA's (fake/):
 * every reduction over every axis in both precisions gives what the interpreter gives, on one
 * device and on several, in little memory, of arrays on the host and on a device, with ranges; and
 * of an array on the host nothing is read but what the ranges need. */
#define _GNU_SOURCE
#include "processes.h"
#include "stand_ins.h"

/* ---- programs and arrays ---- */

typedef struct pair_case {
  /* of c (pairs), y (by j) and x (by i); the weight is not negative */
  const char *formula, *weight;
  int dim;                      /* of c */
} pair_case;

static const pair_case cases[] = {{"c*y+x", "Abs(c)", 1},
                                  {"Exp(-0.25*c)+0.1*y", "Square(c*x)", 1},
                                  {"0.1*Sum(c*c)*y-x", "Abs(Elem(c,2))", 3},
                                  {"0.01*SqDist(c,y)", "Sum(Abs(c))", 12},
                                  {"0.01*c*y+x", "Square(c)", 12}};
enum { CASES = sizeof cases / sizeof *cases, SCALAR = CASES - 1 }; /* the last is a vector */

typedef struct arrays {
  double *v[3];
  gr_array args[3]; /* c, y, x */
  int64_t m, n;
} arrays;

/* Numbers between the columns of c are NaN, so that none of them is read. */
static arrays make_arrays(int dim, int64_t m, int64_t n) {
  arrays s = {.m = m, .n = n};
  int64_t ld = m + 3, cols = n * dim;
  s.v[0] = malloc(sizeof(double) * (size_t)(ld * cols + 1));
  s.v[1] = malloc(sizeof(double) * (size_t)(n + 1));
  s.v[2] = malloc(sizeof(double) * (size_t)(m + 1));
  for (int64_t k = 0; k < ld * cols; k++) s.v[0][k] = k % ld < m ? floor(uniform(-8, 9)) / 4 : NAN;
  for (int64_t k = 0; k < n; k++) s.v[1][k] = floor(uniform(-8, 9)) / 4;
  for (int64_t k = 0; k < m; k++) s.v[2][k] = floor(uniform(-8, 9)) / 4;
  s.args[0] = (gr_array){.data = s.v[0], .rows = m, .cols = cols, .stride = ld};
  s.args[1] = (gr_array){.data = s.v[1], .rows = n, .cols = 1, .stride = n};
  s.args[2] = (gr_array){.data = s.v[2], .rows = m, .cols = 1, .stride = m};
  return s;
}

static void free_arrays(arrays *s) {
  for (int k = 0; k < 3; k++) free(s->v[k]);
}

/* NULL where there is no such program: indices of both are refused. */
static gr_program *program(const pair_case *c, const char *reduction, int axis, bool f64) {
  char alias[32];
  gr_error err = {0};
  gr_program *p = NULL;
  snprintf(alias, sizeof alias, "c = Mij(%d)", c->dim);
  test t = {.formula = c->formula,
            .aliases = {alias, "y = Vj(1)", "x = Vi(1)"},
            .reduction = reduction,
            .axis = axis,
            .f64 = f64};
  int red = gr_red_find(reduction);
  if (gr_reds[red].weight != NEED_N) t.formula2 = c->weight;
  if (gr_reds[red].needs_k) t.k = 3;
  gr_class cls = make(&t, &p, &err);
  check(!cls || axis == 2, "%s %s: %s", reduction, c->formula, err.message);
  gr_error_clear(&err);
  return p;
}

/* ---- a run against the interpreter ---- */

static gr_class run_with(gr_program *p, const gr_array *args, const gr_ranges *ranges,
                         const gr_options *o, result *r, gr_error *err) {
  gr_result_info info = gr_program_result(p);
  int n_args = gr_program_nargs(p);
  gr_report rep;
  gr_output out[2] = {{.data = NULL}};
  int64_t rows;
  *r = (result){.rows = 0};
  if (gr_program_rows(p, args, n_args, &rows, err) != GR_OK) return err->cls;
  r->size = rows * info.dim * (info.k ? info.k : 1);
  for (int k = 0; k < info.n; k++)
    out[k].data = r->v[k] = malloc(sizeof(double) * (size_t)(r->size + 1));
  return gr_program_run_ranges(p, args, n_args, ranges, out, o, &rep, err);
}

/* The arrays `args` on a GPU, the arrays `host` in the interpreter. */
static void same(gr_program *p, const gr_array *args, const gr_array *host, const gr_ranges *ranges,
                 const gr_options *o, const char *what) {
  gr_options slow = options(GR_INTERPRETER, 1);
  if (!p) return;
  gr_result_info info = gr_program_result(p);
  bool f64 = strcmp(info.dtype, "float64") == 0;
  gr_error err = {0};
  result a, b;
  bool ran = run_with(p, args, ranges, o, &a, &err) == GR_OK;
  check(ran, "%s %s: %s", info.reduction, what, err.message);
  check(run_with(p, host, ranges, &slow, &b, &err) == GR_OK, "%s", err.message);
  for (int k = 0; ran && k < info.n; k++) {
    double d = difference(a.v[k], b.v[k], a.size);
    check(d <= (info.is_index[k] ? 0 : f64 ? 1e-13 : 1e-5), "%s of %s over axis %d, %s: result %d differs by %g",
          info.reduction, p->spec.formula, info.axis, what, k, d);
  }
  free_result(&a), free_result(&b);
  gr_error_clear(&err);
}

static gr_options on_gpu(gr_backend backend) {
  gr_options o = options(backend, 2);
  o.device = &gr_cuda;
  return o;
}

/* ---- tests ---- */

/* All reductions, whose programs differ in what is kept of a pair. */
static void reductions(void) {
  use_stand_ins();
  for (int red = 0; red < RED_COUNT; red++)
    for (int axis = 0; axis < 3; axis++) {
      const pair_case *c = &cases[(red + axis) % SCALAR];
      arrays s = make_arrays(c->dim, 37, 70);
      gr_program *p = program(c, gr_reds[red].name, axis, (red + axis) % 2);
      gr_options o = on_gpu(GR_GPU);
      same(p, s.args, s.args, NULL, &o, "whole");
      gr_program_free(p);
      free_arrays(&s);
    }
  nothing_is_left("reductions");
}

static void shapes(void) {
  static const int64_t sizes[][2] = {{1, 1}, {1, 900}, {700, 1}, {300, 129}, {0, 20}, {20, 0}};
  use_stand_ins();
  for (int k = 0; k < CASES; k++)
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
      arrays s = make_arrays(cases[k].dim, sizes[n][0], sizes[n][1]);
      gr_program *p = program(&cases[k], "Sum", (int)(n + (size_t)k) % 2, n % 2);
      gr_options one = on_gpu(GR_GPU_1D), two = on_gpu(GR_GPU_2D);
      same(p, s.args, s.args, NULL, &one, "not split");
      same(p, s.args, s.args, NULL, &two, "split");
      gr_program_free(p);
      free_arrays(&s);
    }
  nothing_is_left("shapes");
}

/* Rows partitioned over devices, blocks of rows and columns. */
static void little_memory(void) {
  static const int ids[] = {2, 0, 1};
  use_stand_ins();
  setenv("GENRED_FAKE_DEVICES", "3", 1);
  setenv("GENRED_FAKE_MEMORY", "300000", 1);
  setenv("GENRED_FAKE_PROCESSORS", "1", 1);
  for (int k = 0; k < CASES; k++)
    for (int axis = 0; axis < 3; axis++) {
      arrays s = make_arrays(cases[k].dim, 700, 900);
      gr_program *p = program(&cases[k], axis == 1 ? "Min_ArgMin" : "Sum", axis, axis == 0);
      gr_options o = on_gpu(GR_GPU);
      same(p, s.args, s.args, NULL, &o, "little memory");
      o.device_ids = ids;
      o.n_devices = 3;
      same(p, s.args, s.args, NULL, &o, "three devices");
      gr_program_free(p);
      free_arrays(&s);
    }
  nothing_is_left("little memory");
}

/* Is the pair of row r and column c in the ranges? */
static bool covered(const gr_ranges *ranges, int64_t r, int64_t c) {
  for (int64_t b = 0; b < ranges->n_blocks; b++)
    for (int64_t i = b ? ranges->ends[b - 1] : 0; i < ranges->ends[b]; i++)
      if (r >= ranges->rows[b].first && r < ranges->rows[b].end &&
          c >= ranges->columns[i].first && c < ranges->columns[i].end)
        return true;
  return false;
}

/* What no range has is NaN. */
static void ranges(void) {
  static const gr_interval blocks[] = {{0, 100}, {120, 300}, {300, 301}},
                           columns[] = {{0, 3}, {50, 180}, {7, 8}, {0, 200}};
  static const int64_t ends[] = {2, 3, 4};
  const gr_ranges r = {blocks, ends, 3, columns, 4};
  use_stand_ins();
  for (int memory = 0; memory < 2; memory++) {
    if (memory) setenv("GENRED_FAKE_MEMORY", "200000", 1), setenv("GENRED_FAKE_PROCESSORS", "1", 1);
    for (int k = 0; k < CASES; k++)
      for (int axis = 0; axis < 2; axis++) {
        int64_t m = axis == 1 ? 400 : 200, n = axis == 1 ? 200 : 400;
        arrays s = make_arrays(cases[k].dim, m, n);
        gr_program *p = program(&cases[k], k % 2 || k >= SCALAR ? "Sum" : "LogSumExp", axis, axis == 0);
        gr_options o = on_gpu(GR_GPU);
        for (int64_t j = 0; j < n * cases[k].dim; j++)
          for (int64_t i = 0; i < m; i++)
            if (!covered(&r, axis == 1 ? i : j % n, axis == 1 ? j % n : i))
              s.v[0][i + s.args[0].stride * j] = NAN;
        same(p, s.args, s.args, &r, &o, memory ? "ranges in little memory" : "ranges");
        gr_program_free(p);
        free_arrays(&s);
      }
  }
  nothing_is_left("ranges");
}

/* The array says that it has 1000 columns; memory ends behind the 200 that the ranges need. */
static void not_read(void) {
  static const gr_interval rows[] = {{0, 70}, {70, 100}}, columns[] = {{0, 40}, {90, 200}, {13, 17}};
  static const int64_t ends[] = {2, 3};
  const gr_ranges r = {rows, ends, 2, columns, 3};
  use_stand_ins();
  for (int f64 = 0; f64 < 2; f64++) {
    arrays s = make_arrays(1, 100, 1000);
    guarded memory = guarded_new(100 * 200 * sizeof(double));
    double *c = (double *)(void *)memory.end - 100 * 200;
    for (int k = 0; k < 100 * 200; k++) c[k] = floor(uniform(-8, 9)) / 4;
    s.args[0].data = c;
    s.args[0].stride = 100;
    gr_program *p = program(&cases[0], "Sum", 1, f64);
    gr_options o = on_gpu(GR_GPU);
    same(p, s.args, s.args, &r, &o, "numbers that are not there");
    gr_program_free(p);
    free_arrays(&s);
    guarded_free(&memory);
  }
  nothing_is_left("numbers that are not there");
}

/* Kernels with register tiles: contractions, and wide sums after the pairs. */
static void tiled(void) {
  static const struct {
    const char *formula, *weight, *reduction;
  } of[] = {{"Exp(-0.1*SqDist(X,Y)-c)*B", NULL, "Sum"},
            {"c-0.1*SqDist(X,Y)", NULL, "KMin_ArgKMin"},
            {"c-0.1*SqDist(X,Y)", "B", "SumSoftMaxWeight"},
            {"c*(X|Y)", "c*c*B", "SumSoftMaxWeight"}};
  use_stand_ins();
  for (size_t k = 0; k < sizeof of / sizeof *of; k++)
    for (int f64 = 0; f64 < 2; f64++) {
      test t = {.formula = of[k].formula,
                .formula2 = of[k].weight,
                .reduction = of[k].reduction,
                .k = gr_reds[gr_red_find(of[k].reduction)].needs_k ? 5 : 0,
                .aliases = {"c=Mij(1)", "X=Vi(24)", "Y=Vj(24)", "B=Vj(40)"},
                .axis = 1,
                .f64 = f64,
                .m = 300,
                .n = 150};
      gr_error err = {0};
      gr_program *p;
      gr_array args[ARGS_MAX + 4];
      if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
      char *text = NULL;
      check(gr_program_dump(p, "cuda", &text, &err) == GR_OK && strstr(text, "#define COLUMN("),
            "%s has no register tiles", t.formula);
      free(text);
      arrays s = make_arrays(1, 300, 150);
      make_args(p, &t, args);
      free((void *)args[0].data);
      args[0] = s.args[0];
      gr_options o = on_gpu(GR_GPU);
      same(p, args, args, NULL, &o, "tiled");
      args[0].data = NULL;
      free_args(p, args);
      free_arrays(&s);
      gr_program_free(p);
    }
  nothing_is_left("tiled");
}

/* The values of all pairs, and of those in ranges, against the interpreter's. */
static void maps(void) {
  static const gr_interval rows[] = {{0, 30}, {31, 70}}, columns[] = {{0, 4}, {9, 20}, {13, 17}};
  static const int64_t ends[] = {2, 3};
  const gr_ranges r = {rows, ends, 2, columns, 3};
  use_stand_ins();
  for (int k = 0; k < CASES; k++)
    for (int sparse = 0; sparse < 2; sparse++) {
      arrays s = make_arrays(cases[k].dim, 70, 21);
      gr_program *p = program(&cases[k], "Sum", 1, k % 2);
      gr_options o = on_gpu(GR_GPU), slow = options(GR_INTERPRETER, 1);
      gr_error err = {0};
      gr_report rep;
      int64_t dim[3];
      check(gr_program_map_shape(p, s.args, 3, dim, &err) == GR_OK, "%s", err.message);
      int64_t n = dim[0] * dim[1] * dim[2];
      double *a = malloc(sizeof *a * (size_t)n), *b = malloc(sizeof *b * (size_t)n);
      const gr_ranges *these = sparse ? &r : NULL;
      check(gr_program_map(p, s.args, 3, these, a, &o, &rep, &err) == GR_OK, "%s", err.message);
      check(rep.n_devices == 1, "the map did not run on a GPU");
      check(gr_program_map(p, s.args, 3, these, b, &slow, &rep, &err) == GR_OK, "%s", err.message);
      double d = difference(a, b, n);
      check(d <= (k % 2 ? 1e-13 : 1e-5), "map of %s: differs by %g", cases[k].formula, d);
      free(a), free(b);
      gr_program_free(p);
      free_arrays(&s);
    }
  nothing_is_left("maps");
}

/* The array lies on the device, as M x N d numbers of every type that arguments have. */
static void resident(void) {
  static const int other[] = {1};
  use_stand_ins();
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  for (int type = GR_DOUBLE; type <= GR_BFLOAT16; type++)
    for (int axis = 0; axis < 2; axis++) {
      gr_error err = {0};
      arrays s = make_arrays(3, 60, 45);
      for (int64_t k = 0; k < s.args[0].stride * s.args[0].cols; k++) s.v[0][k] = rint(s.v[0][k]);
      gr_array args[3];
      gr_buffer *b;
      memcpy(args, s.args, sizeof args);
      check(gr_cuda.make(0, 60, 45 * 3, (gr_storage_type)type, &b, &err) == GR_OK, "%s", err.message);
      check(gr_cuda.put(b, s.args[0].data, s.args[0].stride, &err) == GR_OK, "%s", err.message);
      args[0] = (gr_array){.rows = 60, .cols = 45 * 3, .stride = 60, .buffer = b};
      gr_program *p = program(&cases[2], "Sum", axis, true);
      gr_options o = on_gpu(GR_GPU);
      same(p, args, s.args, NULL, &o, "on the device");
      o.backend = GR_CPU;
      same(p, args, s.args, NULL, &o, "copied to the host");
      o = on_gpu(GR_GPU);
      o.device_ids = other, o.n_devices = 1;
      same(p, args, s.args, NULL, &o, "on another device");
      gr_program_free(p);
      gr_cuda.free(b);
      free_arrays(&s);
    }
  nothing_is_left("arrays on a device");
}

int main(int argc, char **argv) {
  static const scenario with[] = {{"reductions", reductions},
                                  {"shapes", shapes},
                                  {"little_memory", little_memory},
                                  {"ranges", ranges},
                                  {"not_read", not_read},
                                  {"tiled", tiled},
                                  {"maps", maps},
                                  {"resident", resident}};
  own_folder();
  if (!find_stand_ins(argv[0])) {
    printf("SKIPPED: there is no C++ compiler for the libraries that stand in for CUDA's\n");
    check(true, "skipped");
    return report();
  }
  run_scenarios(with, sizeof with / sizeof *with, argc > 1 ? argv[1] : NULL);
  return report();
}
