/* test_combined.c: variables of pairs, numbers of rows and columns, batches, ranges, shares and
 * arrays of values, several of them in one call.  The interpreter, kernels and the libraries that
 * stand in for CUDA's give what a plain loop gives, or a call for each element.  GR_QUICK: some of
 * the reductions only. */
#define _GNU_SOURCE
#include "batches.h"
#include "processes.h"

/* Exact in single precision, and so are products. */
static double small_number(void) { return floor(uniform(-8, 9)) / 4; }

static gr_options on(gr_backend backend) {
  gr_options o = options(backend, 2);
  o.device = device;
  o.cflags = "-O1";
  return o;
}

static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU_1D, GR_GPU_2D};
static const char *const names[] = {"interpreter", "kernel", "GPU_1D", "GPU_2D"};
static int backends_there(void) { return device ? 4 : 2; }

static int reductions_apart(void) { return getenv("GR_QUICK") ? 9 : 1; }

/* ---- every reduction: a batch gives what its elements give ---- */

static const gr_ranges *some_ranges(int64_t rows, int64_t cols) {
  static gr_interval row[2], column[3];
  static const int64_t ends[] = {1, 3};
  static const gr_ranges r = {row, ends, 2, column, 3};
  row[0] = (gr_interval){0, rows / 3};
  row[1] = (gr_interval){rows / 2, rows};
  column[0] = (gr_interval){cols / 4, cols};
  column[1] = (gr_interval){0, cols / 5};
  column[2] = (gr_interval){cols / 3, cols - cols / 4};
  return &r;
}

/* A formula of everything that knows which pair it is at. */
static test of_pairs(int red, int axis, bool f64, int dim) {
  const gr_redinfo *info = &gr_reds[red];
  test t = {.formula = dim == 1 ? "0.3*c*y+Rand(p)*x+0.01*IndexDiff()+0.02*IndexI()"
                                : "0.1*Sum(c*c)*y+Rand(p)-0.01*IndexJ()*x+0.02*IndexDiff()",
            .aliases = {dim == 1 ? "c=Mij(1)" : "c=Mij(3)", "x=Vi(1)", "y=Vj(1)", "p=Pm(1)"},
            .reduction = info->name,
            .axis = axis,
            .f64 = f64,
            .k = info->needs_k ? 3 : 0,
            .lo = 0.2,
            .hi = 0.9};
  if (info->family == FAM_Product) t.formula = "1+0.001*Sum(c)*Rand(p)*x*y";
  if (info->family == FAM_Product && axis == 2) t.f64 = true; /* each factor is rounded */
  if (info->weight != NEED_N) t.formula2 = "Abs(Elem(c,0))+Rand(2)";
  return t;
}

static void batches(void) {
  static const int64_t sizes[][2] = {{37, 21}, {3, 2500}, {1, 1}, {0, 4}, {6, 0}, {18, 70}};
  enum { SIZES = sizeof sizes / sizeof *sizes };
  for (int red = 0, turn = 0; red < RED_COUNT; red += reductions_apart())
    for (int axis = 0; axis < 3; axis++, turn++) {
      test t = of_pairs(red, axis, (turn + red) % 2, turn % 4 ? 1 : 3);
      gr_error err = {0};
      gr_program *p;
      if (make(&t, &p, &err) != GR_OK) { /* no index over both */
        check(axis == 2 && err.cls == GR_ARGUMENT, "%s: %s", describe(&t), err.message);
        continue;
      }
      for (int k = 0; k < SIZES; k++) {
        int64_t rows = sizes[k][0], cols = sizes[k][1];
        batch b;
        t.m = axis == 0 ? cols : rows, t.n = axis == 0 ? rows : cols;
        draw_batch(p, &t, &b, (turn + k) % (DIMS + 1));
        check_backends(p, &t, &b, (turn + k) % 2 ? some_ranges(rows, cols) : NULL, true,
                       (turn + k) % 4 == 0 && cols < 1000);
        free_batch(p, &b);
      }
      gr_program_free(p);
    }
}

/* ---- sums and arrays of values against plain loops ---- */

enum { M = 23, N = 17, DIM = 2, B = 3, LD = M + 2 };

typedef struct numbers {
  double c[B][LD * N * DIM], x[M], y[B][N]; /* x is shared by all elements */
} numbers;

/* Numbers between the columns of c are NaN, so that none of them is read. */
static void draw_numbers(numbers *v, gr_array args[3]) {
  for (int e = 0; e < B; e++) {
    for (int k = 0; k < LD * N * DIM; k++) v->c[e][k] = k % LD < M ? small_number() : NAN;
    for (int j = 0; j < N; j++) v->y[e][j] = small_number();
  }
  for (int i = 0; i < M; i++) v->x[i] = small_number();
  args[0] = (gr_array){.data = v->c[0], .rows = M, .cols = N * DIM, .stride = LD};
  args[1] = (gr_array){.data = v->x, .rows = M, .cols = 1, .stride = M};
  args[2] = (gr_array){.data = v->y[0], .rows = N, .cols = 1, .stride = N};
}

static const char formula[] = "c*y+Concat(IndexDiff()*x,IndexJ()+Rand(5))-IndexI()";

static test of_formula(int axis, bool f64) {
  return (test){.formula = formula,
                .aliases = {"c=Mij(2)", "x=Vi(1)", "y=Vj(1)"},
                .axis = axis,
                .f64 = f64,
                .m = M,
                .n = N};
}

/* Component d of the formula at a pair of element e. */
static double value(const numbers *v, int e, int i, int j, int d, bool f64) {
  double more = d == 0 ? (i - j) * v->x[i] : j + ref_rand(i, j, 5, f64);
  return v->c[e][i + LD * (j + N * d)] * v->y[e][j] + more - i;
}

static bool in_ranges(const gr_ranges *ranges, int64_t row, int64_t column) {
  for (int64_t b = 0, k = 0; ranges && b < ranges->n_blocks; b++)
    for (; k < ranges->ends[b]; k++)
      if (row >= ranges->rows[b].first && row < ranges->rows[b].end &&
          column >= ranges->columns[k].first && column < ranges->columns[k].end)
        return true;
  return !ranges;
}

static void sum_is_right(const numbers *v, const test *t, const gr_ranges *ranges, int e,
                         const double *got, const char *backend) {
  bool by_i = t->axis == 1;
  int rows = by_i ? M : N, cols = by_i ? N : M;
  for (int d = 0; d < DIM; d++)
    for (int r = 0; r < rows; r++) {
      double sum = 0, size = 1;
      for (int k = 0; k < cols; k++) {
        if (!in_ranges(ranges, r, k)) continue;
        double one = by_i ? value(v, e, r, k, d, t->f64) : value(v, e, k, r, d, t->f64);
        sum += one, size += fabs(one);
      }
      check(fabs(got[r + rows * d] - sum) <= (t->f64 ? 1e-14 : 1e-6) * size,
            "%s, %s: element %d, row %d: %.9g, not %.9g", describe(t), backend, e, r,
            got[r + rows * d], sum);
    }
}

/* c and y differ from element to element, x does not. */
static void sums(void) {
  static const int64_t size[] = {B}, step[] = {LD * N * DIM, 0, N};
  static const gr_batches shape = {1, size, step};
  static numbers v;
  gr_array args[3];
  draw_numbers(&v, args);
  for (int axis = 0; axis < 2; axis++)
    for (int f64 = 0; f64 < 2; f64++)
      for (int sparse = 0; sparse < 2; sparse++) {
        test t = of_formula(axis, f64);
        gr_error err = {0};
        gr_report rep;
        gr_program *p;
        double got[B * M * DIM];
        gr_output out = {.data = got};
        int rows = axis ? M : N;
        const gr_ranges *ranges = sparse ? some_ranges(rows, M + N - rows) : NULL;
        if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
        for (int b = 0; b < backends_there(); b++) {
          gr_options o = on(backends[b]);
          check(gr_program_run_batches(p, args, 3, ranges, &shape, &out, &o, &rep, &err) == GR_OK,
                "%s\n%s", err.message, err.log ? err.log : "");
          for (int e = 0; e < B; e++)
            sum_is_right(&v, &t, ranges, e, got + e * rows * DIM, names[b]);
        }
        gr_program_free(p);
      }
}

static void maps(void) {
  static numbers v;
  gr_array args[3];
  draw_numbers(&v, args);
  for (int f64 = 0; f64 < 2; f64++)
    for (int sparse = 0; sparse < 2; sparse++)
      for (int b = 0; b < backends_there(); b++) {
        test t = of_formula(1, f64);
        gr_options o = on(backends[b]);
        gr_error err = {0};
        gr_report rep;
        gr_program *p;
        double got[M * N * DIM];
        int64_t dim[3];
        const gr_ranges *ranges = sparse ? some_ranges(M, N) : NULL;
        if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
        CHECK(gr_program_map_shape(p, args, 3, dim, &err) == GR_OK);
        CHECK(dim[0] == M && dim[1] == N && dim[2] == DIM);
        check(gr_program_map(p, args, 3, ranges, got, &o, &rep, &err) == GR_OK, "%s\n%s",
              err.message, err.log ? err.log : "");
        bool first = backends[b] == GR_GPU_1D && !sparse; /* compiles, for its first column */
        check(!first || rep.provenance == GR_COMPILED, "a kernel from %d", (int)rep.provenance);
        for (int k = 0; k < M * N * DIM; k++) {
          int i = k % M, j = k / M % N, d = k / M / N;
          double want = in_ranges(ranges, i, j) ? value(&v, 0, i, j, d, f64) : 0;
          check(fabs(got[k] - want) <= (f64 ? 1e-14 : 4e-7) * (1 + fabs(want) + i + j),
                "%s of a map: pair %d, %d: %.9g, not %.9g", names[b], i, j, got[k], want);
        }
        gr_program_free(p);
      }
}

/* Data far from 0 in single precision have one origin for all columns. */
static void maps_far_away(void) {
  enum { SIDE = 30 };
  test t = {.formula = "SqDist(x,y)+IndexJ()", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .axis = 1};
  double x[2 * SIDE], y[2 * SIDE], got[SIDE * SIDE];
  gr_array args[] = {{.data = x, .rows = SIDE, .cols = 2, .stride = SIDE},
                     {.data = y, .rows = SIDE, .cols = 2, .stride = SIDE}};
  gr_error err = {0};
  gr_report rep;
  gr_program *p;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  check(p->args.groups > 0, "%s has no origins", t.formula);
  for (int k = 0; k < 2 * SIDE; k++) x[k] = 3e8 + small_number(), y[k] = 3e8 + small_number();
  for (int b = 0; b < backends_there(); b++) {
    gr_options o = on(backends[b]);
    check(gr_program_map(p, args, 2, NULL, got, &o, &rep, &err) == GR_OK, "%s", err.message);
    for (int k = 0; k < SIDE * SIDE; k++) {
      int i = k % SIDE, j = k / SIDE;
      double want = pow(x[i] - y[j], 2) + pow(x[i + SIDE] - y[j + SIDE], 2) + j;
      check(got[k] == want, "%s: pair %d, %d: %g, not %g", names[b], i, j, got[k], want);
    }
  }
  gr_program_free(p);
}

/* Without arguments there is one pair. */
static void map_of_nothing(void) {
  test t = {.formula = "IndexJ()+3", .axis = 1};
  gr_error err = {0};
  gr_report rep;
  gr_program *p;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  for (int b = 0; b < backends_there(); b++) {
    gr_options o = on(backends[b]);
    double got = -1;
    check(gr_program_map(p, NULL, 0, NULL, &got, &o, &rep, &err) == GR_OK, "%s", err.message);
    check(got == 3, "%s: %g", names[b], got);
  }
  gr_program_free(p);
}

/* ---- shares ---- */

typedef struct block {
  double *v;
  int64_t size;
} block;

/* Columns first ... end of the call: of a Mij(d), copied, as its components are apart. */
static gr_array columns_of(const gr_program *p, const gr_array *x, int k, int axis, int64_t first,
                           int64_t end) {
  gr_arg_info a = gr_program_arg(p, k);
  int64_t n = end - first;
  gr_array part = *x;
  if (a.category == (axis == 1 ? GR_VJ : GR_VI) || (a.category == GR_MIJ && axis == 0)) {
    part.data += first, part.rows = n;
  } else if (a.category == GR_MIJ) {
    double *v = malloc(sizeof *v * (size_t)(x->rows * n * a.dim + 1));
    for (int64_t c = 0; c < n * a.dim; c++)
      for (int64_t i = 0; i < x->rows; i++)
        v[i + x->rows * c] = x->data[i + x->stride * (first + c % n + x->cols / a.dim * (c / n))];
    part = (gr_array){.data = v, .rows = x->rows, .cols = n * a.dim, .stride = x->rows};
  }
  return part;
}

static block share(gr_program *p, const gr_array *args, int axis, int64_t first, int64_t end,
                   const gr_options *o) {
  gr_error err = {0};
  gr_report rep;
  gr_array part[ARGS_MAX];
  block b = {NULL, 0};
  int n = gr_program_nargs(p);
  for (int k = 0; k < n; k++) part[k] = columns_of(p, &args[k], k, axis, first, end);
  check(gr_states_size(p, part, n, &b.size, &err) == GR_OK, "%s", err.message);
  b.v = malloc((size_t)b.size * sizeof *b.v);
  check(gr_program_share(p, part, n, first, b.v, b.size, o, &rep, &err) == GR_OK, "%s\n%s",
        err.message, err.log ? err.log : "");
  if (axis == 1) free((void *)part[0].data);
  gr_error_clear(&err);
  return b;
}

/* Three shares, the second empty, the last first. */
static void shares_of(gr_program *p, const test *t, const gr_array *args, const result *whole,
                      int which) {
  gr_options o = on(backends[which]);
  gr_result_info info = gr_program_result(p);
  int64_t cols = t->axis == 1 ? t->n : t->m, at[] = {0, cols / 3, cols / 3, cols};
  gr_error err = {0};
  block sum = {NULL, 0};
  for (int k = 2; k >= 0; k--) {
    block b = share(p, args, t->axis, at[k], at[k + 1], &o);
    if (k == 2) {
      sum = b;
      continue;
    }
    check(gr_states_merge(p, sum.v, sum.size, b.v, b.size, &err) == GR_OK, "%s", err.message);
    free(b.v);
  }
  result r = new_result(p, t, 1);
  gr_output out[2] = {{.data = r.v[0]}, {.data = r.v[1]}};
  check(gr_states_finish(p, sum.v, sum.size, out, &err) == GR_OK, "%s", err.message);
  for (int k = 0; k < info.n; k++) {
    double d = difference(r.v[k], whole->v[k], whole->size);
    check(d <= (info.is_index[k] ? 0 : t->f64 ? 1e-12 : 2e-5),
          "%s, %s: result %d of shares differs by %g", describe(t), names[which], k, d);
  }
  free(sum.v);
  free_result(&r);
}

static void shares(void) {
  for (int red = 0, turn = 0; red < RED_COUNT; red += reductions_apart())
    for (int axis = 0; axis < 2; axis++, turn++) {
      test t = of_pairs(red, axis, (turn + red) % 2, turn % 3 ? 1 : 3);
      int64_t rows = turn % 5 ? 33 : 2, cols = turn % 5 ? 90 : 2000;
      gr_options slow = on(GR_INTERPRETER);
      gr_error err = {0};
      gr_program *p;
      batch b;
      result whole;
      t.m = axis ? rows : cols, t.n = axis ? cols : rows;
      if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", describe(&t), err.message)) continue;
      draw_batch(p, &t, &b, 0);
      check(run(p, b.args, &slow, &whole, &err) == GR_OK, "%s", err.message);
      for (int k = 0; k < (turn % 4 == 0 ? backends_there() : 2); k++)
        shares_of(p, &t, b.args, &whole, k);
      free_result(&whole);
      free_batch(p, &b);
      gr_program_free(p);
    }
}

/* ---- GPUs with little memory ---- */

static void little_memory(void) {
  use_stand_ins();
  setenv("GENRED_FAKE_MEMORY", "300000", 1);
  setenv("GENRED_FAKE_PROCESSORS", "1", 1);
  device = &gr_cuda;
  for (int axis = 0; axis < 3; axis++)
    for (int dim = 1; dim < 4; dim += 2)
      for (int sparse = 0; sparse < 2; sparse++) {
        test t = of_pairs(gr_red_find(sparse && axis < 2 ? "Min_ArgMin" : "Sum"), axis, axis == 0, dim);
        gr_error err = {0};
        gr_program *p;
        batch b;
        t.m = 350, t.n = 420;
        if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
        draw_batch(p, &t, &b, 1);
        gr_options o = on(GR_GPU), slow = on(GR_INTERPRETER);
        gr_report rep;
        const gr_ranges *ranges = sparse ? some_ranges(axis ? t.m : t.n, axis ? t.n : t.m) : NULL;
        result got = run_batch(p, &t, &b, ranges, &o, &rep),
               want = run_each(p, &t, &b, ranges, &slow);
        check(rep.n_devices == 1, "%s did not run on a GPU", describe(&t));
        close_to(p, &t, &got, &want, b.elements, "little memory");
        free_result(&got), free_result(&want);
        free_batch(p, &b);
        gr_program_free(p);
      }
  nothing_is_left("little memory");
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  if (find_stand_ins(argv[0])) in_child("little memory", call_work, &(void (*)(void)){little_memory});
  device = stand_in(argv[0]);
  map_of_nothing();
  maps_far_away();
  maps();
  sums();
  shares();
  batches();
  if (device) device->shutdown();
  return report();
}
