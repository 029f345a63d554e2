/* test_kernels.c: kernels for GPUs, run on the host by the libraries that stand in for CUDA's
 * (fake/), compute the same as the interpreter: the whole language, either axis, sizes around warps
 * and blocks, every partition of the work, three schedules; and no barrier can be removed without
 * notice.
 *
 * Kernels are launched directly, with any shape of block and with rows and columns in several
 * launches, also as src/cuda seldom does.  Two processes share the programs.  In every third
 * program each memory access is checked (fake/block.c).
 *   GR_FULL=1        every schedule and shape for every program, all accesses checked
 *   GR_ONLY=Var(x    only programs whose description contains this */
#include <dlfcn.h>

#include "../cuda/cu_api.h"
#include "processes.h"
#include "language.h"

/* ---- the libraries ---- */

#define SYM(need, result, name, parameters) result(*name) parameters;
static struct {
  CU_DRIVER(SYM) CU_NVRTC(SYM)
  int (*leaks)(char *, size_t);
  int (*programs)(void);
  const char *(*fault)(void);
  bool found;
} cu;
#undef SYM

static const char *beside(const char *program, const char *library) {
  static char path[600];
  const char *slash = strrchr(program, '/');
  snprintf(path, sizeof path, "%.*s../fake/%s", slash ? (int)(slash + 1 - program) : 0, program, library);
  return path;
}

static void open_libraries(const char *program) {
  void *driver = dlopen(beside(program, "libcuda.so"), RTLD_NOW | RTLD_LOCAL), *nvrtc = dlopen(beside(program, "libnvrtc.so"), RTLD_NOW | RTLD_LOCAL);
  if (!driver || !nvrtc) return;
#define SYM(need, result, name, parameters) *(void **)&cu.name = dlsym(from, #name);
  void *from = driver;
  CU_DRIVER(SYM)
  from = nvrtc;
  CU_NVRTC(SYM)
#undef SYM
  *(void **)&cu.leaks = dlsym(driver, "fake_leaks");
  *(void **)&cu.fault = dlsym(driver, "fake_last_fault");
  *(void **)&cu.programs = dlsym(nvrtc, "fake_nvrtc_alive");
  cu.found = true;
}

/* ---- a program's kernels ---- */

enum { PARAMS, ROWS, COLUMNS, PAIRS, MERGE, MERGE_ROWS, FINISH, KERNELS };
static const char *const kernel_names[] = {"gr_params", "gr_rows", "gr_columns", "gr_pairs", "gr_merge", "gr_merge_rows", "gr_finish"};

typedef struct kernels {
  gr_cuda_layout layout;
  cu_module module;
  cu_function f[KERNELS];
} kernels;

/* Compiles; prints the compiler's output on failure. */
static char *compile(const char *text, size_t *bytes, char *log, size_t room) {
  const char *const options[] = {"--gpu-architecture=sm_90", "--std=c++17"};
  nv_program p;
  char *cubin = NULL;
  size_t n = 0;
  *log = 0;
  if (cu.nvrtcCreateProgram(&p, text, "kernel.cu", 0, NULL, NULL)) return NULL;
  if (cu.nvrtcCompileProgram(p, 2, options) == NVRTC_SUCCESS && cu.nvrtcGetCUBINSize(p, bytes) == NVRTC_SUCCESS) {
    cubin = malloc(*bytes);
    cu.nvrtcGetCUBIN(p, cubin);
  } else if (cu.nvrtcGetProgramLogSize(p, &n) == NVRTC_SUCCESS) {
    char *all = malloc(n);
    cu.nvrtcGetProgramLog(p, all);
    snprintf(log, room, "%s", all);
    free(all);
  }
  cu.nvrtcDestroyProgram(&p);
  return cubin;
}

static bool load(gr_program *p, kernels *k, gr_error *err) {
  const char *text;
  char log[3000];
  size_t bytes;
  *k = (kernels){.module = NULL};
  if (gr_program_cuda(p, false, &text, &k->layout, err) != GR_OK) return check(false, "%s", err->message);
  char *cubin = compile(text, &bytes, log, sizeof log);
  if (!check(cubin != NULL, "%s does not compile:\n%s", p->spec.formula, log)) return false;
  bool ok = check(cu.cuModuleLoadData(&k->module, cubin) == CUDA_SUCCESS, "the module does not load");
  free(cubin);
  for (int f = 0; ok && f < KERNELS; f++) ok = check(cu.cuModuleGetFunction(&k->f[f], k->module, kernel_names[f]) == CUDA_SUCCESS, "no kernel %s", kernel_names[f]);
  if (ok && k->layout.shared > 48 << 10)
    ok = check(cu.cuFuncSetAttribute(k->f[PAIRS], CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)k->layout.shared) == CUDA_SUCCESS, "%zu bytes of shared memory", k->layout.shared);
  return ok;
}

/* ---- a run, cut as it pleases ---- */

typedef struct shape {
  int tx, nsplit;
  int64_t rows, cols; /* the most in a launch; columns a multiple of the tile */
  int schedule;
} shape;

typedef struct source {
  cu_address data;
  long long ld, type;
  cu_address origin;
  long long step, apart;
} source;

static const char *const schedules[] = {"order", "reverse", "random"};
enum { SOURCES_MAX = ARGS_MAX + 4, BUFFERS_MAX = SOURCES_MAX + 16 };

typedef struct work {
  const gr_program *p;
  const kernels *k;
  const gr_array *args;
  shape s;
  size_t T; /* in bytes */
  int64_t rows, cols, ld;
  cu_address buffer[BUFFERS_MAX];
  int n;
  cu_address arg, P, R, C, state, value, index;
  cu_result error;
} work;

static cu_address buffer(work *w, size_t bytes) {
  cu_address a = 0;
  if (!w->error) w->error = cu.cuMemAlloc_v2(&a, bytes ? bytes : 8);
  if (a) w->buffer[w->n++] = a;
  return a;
}

static void launch(work *w, int f, int64_t grid, int64_t grid_y, int block, size_t shared, void **arguments) {
  if (!w->error) w->error = cu.cuLaunchKernel(w->k->f[f], (unsigned)grid, (unsigned)grid_y, 1, (unsigned)block, 1, 1, (unsigned)shared, NULL, arguments, NULL);
}

/* Arguments as doubles or as floats in rotation; both represent them exactly. */
static source upload(work *w, int k) {
  const gr_array *a = &w->args[k];
  bool single = k % 2;
  size_t bytes = (size_t)(a->rows * a->cols) * (single ? 4 : 8);
  char *copy = malloc(bytes + 1);
  for (int64_t c = 0; c < a->cols; c++)
    for (int64_t r = 0; r < a->rows; r++) {
      double x = a->data[r + c * a->stride];
      if (single) ((float *)copy)[r + c * a->rows] = (float)x;
      else ((double *)copy)[r + c * a->rows] = x;
    }
  source s = {.data = buffer(w, bytes), .ld = a->rows, .type = single};
  if (!w->error && bytes) w->error = cu.cuMemcpyHtoDAsync_v2(s.data, copy, bytes, NULL);
  free(copy);
  return s;
}

static void upload_all(work *w) {
  source s[SOURCES_MAX + 2] = {{.ld = 0}};
  int n = gr_program_nargs(w->p);
  for (int k = 0; k < n; k++) s[k] = upload(w, k);
  w->arg = buffer(w, sizeof s);
  if (!w->error) w->error = cu.cuMemcpyHtoDAsync_v2(w->arg, s, (size_t)(n + 2) * sizeof *s, NULL);
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Columns c0 .. c1 prepared from column c0 on. */
static void pairs(work *w, int64_t r0, int64_t nr, int64_t c0, int64_t c1, bool first) {
  const gr_cuda_layout *l = &w->k->layout;
  int64_t n = c1 - c0, ld_c = n > 0 ? n : 1, tiles = (n + l->tile - 1) / l->tile;
  int64_t part = (tiles + w->s.nsplit - 1) / w->s.nsplit * l->tile, zero = 0, splits = w->s.nsplit;
  int anew = first, tx = w->s.tx;
  if (part == 0) part = l->tile;
  if (l->ncol) w->C = buffer(w, (size_t)(l->ncol * ld_c) * w->T);
  if (l->ncol && n > 0) launch(w, COLUMNS, 3, 1, 64, 0, (void *[]){&w->arg, &w->P, &w->C, &ld_c, &c0, &n});
  (void)zero;
  launch(w, PAIRS, (nr + tx * l->lanes - 1) / (tx * l->lanes), splits, l->threads, l->shared,
         (void *[]){&w->arg, &w->P, &w->R, &w->ld, &w->C, &ld_c, &c0, &w->state, &w->ld, &r0, &nr, &c0, &c1, &part, &tx, &anew});
}

/* Halves n until 1 is left. */
static void merge(work *w, int f, int64_t nr, int64_t n) {
  for (int64_t half; n > 1; n = half) {
    half = (n + 1) / 2;
    void *splits[] = {&w->state, &w->ld, &nr, &n, &half}, *rows[] = {&w->state, &w->ld, &n, &half};
    launch(w, f, 2, 1, 64, 0, f == MERGE ? splits : rows);
  }
}

/* Rows r0 ... r0 + nr against all columns, to one state per row. */
static void block_of_rows(work *w, int64_t r0, int64_t nr) {
  const gr_cuda_layout *l = &w->k->layout;
  int64_t step = (w->s.cols + l->tile - 1) / l->tile * l->tile;
  if (l->nrow) launch(w, ROWS, 2, 1, 128, 0, (void *[]){&w->arg, &w->P, &w->R, &w->ld, &r0, &nr});
  for (int64_t c = 0; c == 0 || c < w->cols; c += step) pairs(w, r0, nr, c, smaller(c + step, w->cols), c == 0);
  merge(w, MERGE, nr, w->s.nsplit);
}

static void finish(work *w, int64_t nr, int64_t at, int64_t rows) {
  double count = (double)w->cols * (w->p->plan->ask.both ? (double)w->rows : 1);
  launch(w, FINISH, 2, 1, 128, 0, (void *[]){&w->state, &w->ld, &nr, &count, &w->value, &w->index, &at, &rows});
}

static void run_all(work *w) {
  const gr_cuda_layout *l = &w->k->layout;
  const gr_reduction *red = &w->p->plan->ask.red;
  bool both = w->p->plan->ask.both;
  int64_t most = both ? w->rows : smaller(w->rows, w->s.rows), out = both ? 1 : w->rows, entries = red->out_dim * red->k;
  w->ld = most + 3;
  upload_all(w);
  w->P = buffer(w, (size_t)l->nparam * w->T);
  w->R = buffer(w, (size_t)(l->nrow * w->ld) * w->T);
  w->state = buffer(w, (size_t)(w->s.nsplit * (l->threads / w->s.tx) * red->nstate * w->ld) * 8);
  if (red->results != RES_X) w->value = buffer(w, (size_t)(out * entries) * w->T);
  if (red->results == RES_X || red->results == RES_VX) w->index = buffer(w, (size_t)(out * entries) * 4);
  if (l->nparam) launch(w, PARAMS, 1, 1, 64, 0, (void *[]){&w->arg, &w->P});
  for (int64_t r = 0; r < w->rows; r += most) {
    int64_t nr = smaller(most, w->rows - r);
    block_of_rows(w, r, nr);
    if (!both) finish(w, nr, r, w->rows);
  }
  if (both) merge(w, MERGE_ROWS, 0, w->rows);
  if (both) finish(w, 1, 0, 1);
}

/* Results in the form of the interpreter's: doubles, indices from 0. */
static void fetch(work *w, result *r) {
  int at = 0;
  char *raw = malloc((size_t)r->size * 8 + 1);
  if (w->value && !w->error) {
    w->error = cu.cuMemcpyDtoHAsync_v2(raw, w->value, (size_t)r->size * w->T, NULL);
    for (int64_t i = 0; i < r->size; i++) r->v[at][i] = w->T == 8 ? ((double *)raw)[i] : ((float *)raw)[i];
    at++;
  }
  if (w->index && !w->error) {
    w->error = cu.cuMemcpyDtoHAsync_v2(raw, w->index, (size_t)r->size * 4, NULL);
    for (int64_t i = 0; i < r->size; i++) r->v[at][i] = ((int *)raw)[i] == INT32_MIN ? -1 : ((int *)raw)[i] - 1;
  }
  free(raw);
}

static result empty_like(const result *a, int n) {
  result r = {.rows = a->rows, .size = a->size};
  for (int i = 0; i < n; i++) r.v[i] = malloc(sizeof(double) * (size_t)(a->size + 1));
  return r;
}

static cu_result run_shape(gr_program *p, const kernels *k, const gr_array *args, int64_t rows, int64_t cols, shape s, result *r) {
  work w = {.p = p, .k = k, .args = args, .s = s, .T = p->plan->ask.f64 ? 8 : 4, .rows = rows, .cols = cols};
  setenv("GENRED_FAKE_SCHEDULE", schedules[s.schedule], 1);
  run_all(&w);
  fetch(&w, r);
  for (int b = 0; b < w.n; b++) cu.cuMemFree_v2(w.buffer[b]);
  return w.error;
}

/* ---- differential ---- */

static shape next_shape(const kernels *k, int64_t rows, int64_t cols, int n) {
  shape s = {.nsplit = 1 + n / 2 % 3, .schedule = n % 3, .rows = n % 4 == 1 ? (rows + 1) / 2 : rows, .cols = n % 5 == 2 ? (cols + 1) / 2 : cols};
  for (s.tx = k->layout.tx_least; s.tx < k->layout.tx_most && n % 7 > 0; s.tx *= 2) n -= n % 7 > 0 ? 8 : 0;
  if (s.rows < 1) s.rows = 1;
  if (s.cols < 1) s.cols = 1;
  return s;
}

/* One of the program's results against the interpreter's. */
static bool agree(const test *t, const gr_program *p, const result *a, const result *b, shape s, double tolerance) {
  bool ok = true;
  for (int i = 0; i < gr_program_result(p).n; i++) {
    double d = difference(b->v[i], a->v[i], a->size);
    ok = check(d <= (gr_program_result(p).is_index[i] ? 0 : tolerance), "%s: result %d differs by %g (tx %d, %d splits, %d rows and %d columns at once, %s)", describe(t), i, d, s.tx,
               s.nsplit, (int)s.rows, (int)s.cols, schedules[s.schedule]) && ok;
  }
  return ok;
}

/* The size of an index; 1 where no variable has it. */
static int64_t length_of(const gr_program *p, const gr_array *args, gr_category index) {
  for (int k = 0; k < gr_program_nargs(p); k++)
    if (gr_program_arg(p, k).category == index) return args[k].rows;
  return 1;
}

/* False where a kernel faulted. */
static bool one_size(const test *t, gr_program *p, const kernels *k, double tolerance, int turn) {
  gr_array args[SOURCES_MAX];
  gr_error err = {0};
  gr_options slow = options(GR_INTERPRETER, 1);
  result a;
  make_args(p, t, args);
  int64_t m = length_of(p, args, GR_VI), n = length_of(p, args, GR_VJ), rows = p->plan->ask.axis == 1 ? m : n, cols = p->plan->ask.axis == 1 ? n : m;
  bool ok = check(run(p, args, &slow, &a, &err) == GR_OK, "%s: %s", describe(t), err.message);
  for (int again = 0; ok && rows > 0 && again < (getenv("GR_FULL") ? 12 : 1); again++) {
    shape s = next_shape(k, rows, cols, turn + again);
    result b = empty_like(&a, gr_program_result(p).n);
    cu_result error = run_shape(p, k, args, rows, cols, s, &b);
    ok = check(error == CUDA_SUCCESS, "%s: error %d, %s", describe(t), error, cu.fault());
    if (ok) agree(t, p, &a, &b, s, tolerance);
    free_result(&b);
  }
  free_result(&a);
  free_args(p, args);
  return ok;
}

static bool start(void) {
  cu_context c;
  return check(cu.cuInit(0) == CUDA_SUCCESS && cu.cuDevicePrimaryCtxRetain(&c, 0) == CUDA_SUCCESS && cu.cuCtxSetCurrent(c) == CUDA_SUCCESS, "the library starts");
}

/* After a fault nothing works until the device is reset. */
static void start_again(void) {
  cu.cuDevicePrimaryCtxReset_v2(0);
  start();
}

static int cases; /* so far */

/* The program at its own sizes and at odd ones. */
static bool on_device(const test *t, double tolerance) {
  static const int odd[] = {1, 2, 31, 33, 129, 300};
  gr_program *p;
  gr_error err = {0};
  kernels k;
  const char *only = getenv("GR_ONLY");
  int mine = cases++, program = program_number(t);
#ifdef __SANITIZE_ADDRESS__
  /* the kernels themselves are not sanitized */
  if (program % 16 > 1 && !getenv("GR_FULL")) return true;
#endif
  if (program % parts != part || (only && !strstr(describe(t), only))) return true;
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return false;
  setenv("GENRED_FAKE_CHECK", getenv("GR_FULL") || program / parts % 3 == 0 ? "1" : "0", 1);
  bool ok = load(p, &k, &err) && one_size(t, p, &k, tolerance, mine);
  test other = *t;
  other.m = odd[mine % 6], other.n = odd[mine / 6 % 6];
  if (ok && (getenv("GR_FULL") || mine % 4 == 0)) ok = one_size(&other, p, &k, 4 * tolerance, mine + 1);
  if (ok) cu.cuModuleUnload(k.module);
  else start_again();
  gr_program_free(p);
  gr_error_clear(&err);
  return true;
}

static void end(void) {
  char text[500];
  cu.cuDevicePrimaryCtxRelease_v2(0);
  check(cu.leaks(text, sizeof text) == 0 && cu.programs() == 0, "left behind: %s", text);
}

/* ---- no barrier can be left out ---- */

/* One program for each way in which the threads of a block cooperate, with several tiles, chunks
 * and passes, and with accesses that each barrier has to order (a computed parameter). */
static const test together[] = {
    {.formula = "Exp(-SqDist(x,y)*Exp(Sum(p)))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "p=Pm(3)"}},
    {.formula = "Exp(-SqDist(x*Exp(Sum(p)),Exp(y)))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "p=Pm(3)"}, .f64 = true},
    {.formula = "SqDist(x,y)*Exp(Sum(p))", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(3)"}, .reduction = "Min_ArgMin"},
    {.formula = "SqDist(x,y)*Exp(Sum(p))", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(3)"}, .reduction = "KMin_ArgKMin", .k = 5},
    {.formula = "SqDist(x,y)*Exp(Sum(p))", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(3)"}, .reduction = "Var"},
    {.formula = "1+0.001*(x|y)*Exp(Sum(p))", .aliases = {"x=Vi(3)", "y=Vj(3)", "p=Pm(3)"}, .reduction = "Prod"},
    {.formula = "-SqDist(x,y)*Exp(Sum(p))", .formula2 = "b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "p=Pm(3)"}, .reduction = "SumSoftMaxWeight"},
    {.formula = "Exp(-SqDist(x,y)*Exp(Sum(p)))*b", .aliases = {"x=Vi(100)", "y=Vj(100)", "b=Vj(2)", "p=Pm(3)"}, .lo = -0.2, .hi = 0.2},
    {.formula = "Exp(-SqDist(x,y)*Exp(Sum(p)))*(x|y)*b", .aliases = {"x=Vi(100)", "y=Vj(100)", "b=Vj(2)", "p=Pm(3)"}, .lo = -0.2, .hi = 0.2, .f64 = true},
    {.formula = "Exp(p*2)*SqDist(x,y)*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(150)", "p=Pm(150)"}},
    {.formula = "Exp(-SqDist(x,y)*Exp(Sum(p)))*b", .aliases = {"x=Vi(100)", "y=Vj(100)", "b=Vj(150)", "p=Pm(3)"}, .lo = -0.2, .hi = 0.2},
    {.formula = "(x|y)*Exp(Sum(p))", .formula2 = "b", .aliases = {"x=Vi(64)", "y=Vj(64)", "b=Vj(150)", "p=Pm(3)"}, .reduction = "SumSoftMaxWeight", .lo = -0.5, .hi = 0.5},
    {.formula = "(x|y)*Exp(Sum(p))", .aliases = {"x=Vi(64)", "y=Vj(64)", "p=Pm(3)"}, .reduction = "LogSumExp", .lo = -0.5, .hi = 0.5}};

static int barriers_in(const char *text) {
  int n = 0;
  while ((text = strstr(text, "__syncthreads()"))) text++, n++;
  return n;
}

/* Whether any schedule reveals that barrier n is missing: by its results, or, `watched`, by its
 * memory accesses. */
static bool is_noticed(const test *t, gr_program *p, const gr_array *args, const result *right, int n, bool watched) {
  char number[16];
  gr_error err = {0};
  kernels k;
  bool noticed = false;
  snprintf(number, sizeof number, "%d", n);
  setenv("GENRED_FAKE_DROP_BARRIER", number, 1);
  setenv("GENRED_FAKE_CHECK", watched ? "1" : "0", 1);
  if (!load(p, &k, &err)) return false;
  for (int s = 0; s < 3 && !noticed; s++) {
    shape how = {.tx = k.layout.tx_most > 4 ? k.layout.tx_most / 4 : k.layout.tx_most, .nsplit = 1, .rows = t->m, .cols = t->n, .schedule = s};
    if (how.tx < k.layout.tx_least) how.tx = k.layout.tx_least;
    result r = empty_like(right, gr_program_result(p).n);
    noticed = run_shape(p, &k, args, t->m, t->n, how, &r) != CUDA_SUCCESS;
    for (int i = 0; i < gr_program_result(p).n; i++) noticed = noticed || difference(r.v[i], right->v[i], right->size) > 1e-3;
    free_result(&r);
  }
  if (noticed && watched) start_again();
  else cu.cuModuleUnload(k.module);
  unsetenv("GENRED_FAKE_DROP_BARRIER");
  return noticed;
}

static void barriers_are_needed(void) {
  int all = 0, by_result = 0;
  for (size_t c = (size_t)part; c < sizeof together / sizeof *together; c += (size_t)parts) {
    test t = together[c];
    const char *text;
    gr_error err = {0};
    gr_program *p;
    gr_array args[SOURCES_MAX];
    gr_options slow = options(GR_INTERPRETER, 1);
    gr_cuda_layout layout;
    result right;
    t.axis = 1, t.m = 150, t.n = 700;
    if (!check(make(&t, &p, &err) == GR_OK && gr_program_cuda(p, false, &text, &layout, &err) == GR_OK, "%s: %s", describe(&t), err.message)) return;
    make_args(p, &t, args);
    check(run(p, args, &slow, &right, &err) == GR_OK, "%s: %s", describe(&t), err.message);
    check(!is_noticed(&t, p, args, &right, 0, true), "%s: something is noticed although no barrier is missing: %s", describe(&t), cu.fault());
    for (int n = 1; n <= barriers_in(text); n++, all++) {
      if (getenv("GR_FULL")) by_result += is_noticed(&t, p, args, &right, n, false);
      check(is_noticed(&t, p, args, &right, n, true), "%s: that barrier %d of %d is missing is not noticed", describe(&t), n, barriers_in(text));
    }
    free_result(&right);
    free_args(p, args);
    gr_program_free(p);
  }
  if (getenv("GR_FULL")) printf("%d barriers taken away one by one, %d change a result in one of three schedules\n", all, by_result);
}

/* ---- all of it ---- */

static void share(void) {
  if (!start()) return;
  each_case = on_device;
  whole_language();
  barriers_are_needed();
  end();
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  open_libraries(argv[0]);
  if (!cu.found) {
    printf("SKIPPED: the kernels for a GPU are not run, as there is no C++ compiler to make them for the host\n");
    check(true, "skipped");
    return report();
  }
  setenv("GENRED_FAKE_CACHE", temporary_folder(), 1);
  share_out(share);
  return report();
}
