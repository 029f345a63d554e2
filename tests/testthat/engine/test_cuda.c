/* test_cuda.c: src/cuda as a whole, from a call to its result, on the libraries that stand in for
 * CUDA's (fake/).
 *
 * Programs of the language run in rotation as GPU, GPU_1D and GPU_2D, on one device or two, with
 * little memory, with work done late or at once, in three schedules.  Then every single call of the
 * driver and of NVRTC that a session makes fails once: there must be an error with its class or the
 * result of the CPU, no leak, and a next session that works.
 *   GR_FULL=1   all programs, instead of a share */
#include "language.h"
#include "processes.h"
#include "stand_ins.h"

/* ---- a call ---- */

typedef struct outcome {
  gr_class cls;
  gr_report report;
  gr_error err;
} outcome;

/* Runs it, and where that succeeds compares with the interpreter. */
static outcome call(const test *t, const gr_options *opt, double tolerance, const char *what) {
  outcome o = {.cls = GR_OK};
  gr_error err = {0};
  gr_program *p;
  gr_array args[ARGS_MAX + 4];
  gr_options slow = options(GR_INTERPRETER, 1);
  gr_output out[2] = {{.data = NULL}};
  result right, r = {0};
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return o;
  if (opt->backend == GR_AUTO) p->plan->cost = 1e12; /* enough for a GPU */
  make_args(p, t, args);
  check(run(p, args, &slow, &right, &err) == GR_OK, "%s: %s", describe(t), err.message);
  gr_result_info info = gr_program_result(p);
  for (int k = 0; k < info.n; k++) out[k].data = r.v[k] = malloc(sizeof(double) * (size_t)(right.size + 1));
  o.cls = gr_program_run(p, args, gr_program_nargs(p), out, opt, &o.report, &o.err);
  for (int k = 0; k < info.n && o.cls == GR_OK; k++) {
    double d = difference(r.v[k], right.v[k], right.size);
    check(d <= (info.is_index[k] ? 0 : tolerance), "%s, %s: result %d differs by %g", describe(t), what, k, d);
  }
  free_result(&right);
  free_result(&r);
  free_args(p, args);
  gr_program_free(p);
  return o;
}

/* ---- the language ---- */

static bool by_turns(const test *t, double tolerance) {
  static const char *const schedules[] = {"order", "reverse", "random"};
  static const gr_backend backends[] = {GR_GPU, GR_GPU_1D, GR_GPU_2D};
  static const int ids[] = {1, 0};
  static int turn;
  int program = program_number(t), every = getenv("GR_FULL") ? 1 : 9;
  if (program % every != 0 || program / every % parts != part) return true;
  gr_options o = options(backends[turn % 3], 1);
  o.device = &gr_cuda;
  o.device_ids = ids;
  o.n_devices = turn % 4 == 3 ? 2 : turn % 2;
  setenv("GENRED_FAKE_SCHEDULE", schedules[turn % 3], 1);
  setenv("GENRED_FAKE_EAGER", turn / 3 % 2 ? "1" : "0", 1);
  setenv("GENRED_FAKE_CHECK", turn / 2 % 2 ? "1" : "0", 1);
  char what[80];
  snprintf(what, sizeof what, "turn %d", turn++);
  outcome r = call(t, &o, tolerance, what);
  check(r.cls == GR_OK, "%s, %s: %s\n%.500s", describe(t), what, r.err.message, r.err.log ? r.err.log : "");
  gr_error_clear(&r.err);
  return true;
}

static void language(void) {
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  each_case = by_turns;
  whole_language();
  nothing_is_left("the language");
  setenv("GENRED_FAKE_DEVICES", "1", 1);
  setenv("GENRED_FAKE_CHECK", "0", 1);
  setenv("GENRED_FAKE_EAGER", "0", 1);
}

/* ---- every call fails ---- */

/* A session: programs with and without parameters, with prepared columns, with splits, over both
 * indices. */
static const test session[] = {
    {.formula = "Exp(-Exp(p)*SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "p=Pm(1)"}, .axis = 1, .m = 40, .n = 700},
    {.formula = "SqDist(Exp(x),Exp(y))", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .reduction = "KMin_ArgKMin", .k = 3, .axis = 0, .m = 700, .n = 33, .f64 = true},
    {.formula = "-SqDist(x,y)", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .reduction = "LogSumExp", .axis = 2, .m = 70, .n = 300}};
enum { SESSION = sizeof session / sizeof *session };

typedef struct failing {
  const char *function;
  int call;
  gr_backend backend;
} failing;

static const char *failing_text(const failing *f) {
  static char s[120];
  snprintf(s, sizeof s, "%s:%d with %s", f->function, f->call, f->backend == GR_AUTO ? "auto" : "GPU");
  return s;
}

/* With a failure f, in whatever call it happens; without one, every call must succeed. */
static void run_session(const failing *f, gr_backend backend) {
  gr_options o = options(backend, 1);
  o.device = &gr_cuda;
  o.cflags = "-O0";
  for (int k = 0; k < SESSION; k++) {
    outcome r = call(&session[k], &o, session[k].f64 ? 1e-12 : 1e-5, f ? failing_text(f) : "nothing fails");
    bool told = r.cls == GR_CUDA && r.err.message[0];
    check(r.cls == GR_OK || (f && told && backend == GR_GPU), "%s: class %d: %s", f ? failing_text(f) : "nothing fails", r.cls, r.err.message);
    bool elsewhere = r.cls == GR_OK && r.report.backend != GR_GPU_1D && r.report.backend != GR_GPU_2D;
    check(!elsewhere || (f && backend == GR_AUTO && (r.report.note[0] || !strcmp(f->function, "cuInit"))), "%s: backend %d without a note", f ? failing_text(f) : "nothing fails",
          r.report.backend);
    gr_error_clear(&r.err);
  }
}

/* In a process of its own: libraries are opened and the driver is started once. */
static void fail_once(const void *failure) {
  const failing *f = failure;
  char spec[100];
  gr_options o = options(GR_GPU, 1);
  snprintf(spec, sizeof spec, "%s:%d", f->function, f->call);
  setenv("GENRED_FAKE_FAIL", spec, 1);
  gr_error err = {0};
  gr_cache_clear(o.cache_dir, &(int64_t){0}, &err); /* so that NVRTC is called again */
  gr_error_clear(&err);
  run_session(f, f->backend);
  setenv("GENRED_FAKE_FAIL", "", 1);
  run_session(NULL, GR_GPU);
  nothing_is_left(failing_text(f));
}

static void one_session(const void *unused) {
  (void)unused;
  run_session(NULL, GR_GPU);
  nothing_is_left("a session");
}

/* Each call that a session makes; of functions that are called very often, the first calls and then
 * a sample. */
static void every_call_fails(void) {
  const char *log = at("calls"), *const *names = failing_names;
  int made = 0, used = 0;
  setenv("GENRED_FAKE_LOG", log, 1);
  in_child("a session", one_session, NULL);
  setenv("GENRED_FAKE_LOG", "", 1);
  for (size_t k = 0; k < FAILING_NAMES; k++) {
    int n = calls_of(log, strcmp(names[k], "kernel") ? names[k] : "cuLaunchKernel");
    used += n > 0;
    for (int c = 1; c <= n; c += c < 4 || getenv("GR_FULL") ? 1 : n / 4 + 1)
      for (int automatic = 0; automatic < 2; automatic++, made++)
        if (made % parts == part) {
          const failing f = {names[k], c, automatic ? GR_AUTO : GR_GPU};
          in_child(failing_text(&f), fail_once, &f);
        }
  }
  check(used > 35 && made > 150, "%d functions failed in %d sessions", used, made);
}

/* ---- data far from 0, on the host and on the device ---- */

enum { FAR_ROWS = 45, FAR_COLS = 600 };

/* Arguments on the device as `kind` says: h host, d double, f float, each for x, y and p. */
static void far_from_zero(const char *kind, int axis, int n_devices) {
  static const int ids[] = {0, 1};
  static double x[2 * FAR_ROWS], y[2 * FAR_COLS];
  double p[] = {1.7e9 + 3, 1.7e9 - 1}, *const data[] = {x, y, p};
  test t = {.formula = "Exp(-SqDist(x,y)/1000-SqDist(p,y)/2000)", .aliases = {"x=Vi(2)", "y=Vj(2)", "p=Pm(2)"}, .axis = axis};
  gr_array args[] = {{.data = x, .rows = FAR_ROWS, .cols = 2, .stride = FAR_ROWS}, {.data = y, .rows = FAR_COLS, .cols = 2, .stride = FAR_COLS},
                     {.data = p, .rows = 1, .cols = 2, .stride = 1}};
  gr_buffer *kept[3] = {NULL};
  gr_options o = options(GR_GPU, 1);
  gr_program *program;
  gr_error err = {0};
  result r;
  o.device = &gr_cuda, o.device_ids = ids, o.n_devices = n_devices;
  for (int k = 0; k < 2 * FAR_ROWS; k++) x[k] = 1.7e9 + uniform(0, 30);
  for (int k = 0; k < 2 * FAR_COLS; k++) y[k] = 1.7e9 + uniform(0, 30);
  for (int k = 0; k < 3; k++) {
    if (kind[k] == 'h') continue;
    gr_storage_type type = kind[k] == 'd' ? GR_DOUBLE : GR_FLOAT;
    check(!gr_cuda.make(0, args[k].rows, 2, type, &kept[k], &err) && !gr_cuda.put(kept[k], data[k], args[k].stride, &err), "%s", err.message);
    /* as rounded on the device */
    for (int64_t i = 0; type == GR_FLOAT && i < 2 * args[k].rows; i++) data[k][i] = (float)data[k][i];
    args[k].data = NULL, args[k].buffer = kept[k];
  }
  check(make(&t, &program, &err) == GR_OK && run(program, args, &o, &r, &err) == GR_OK, "%s: %s", kind, err.message);
  double worst = 0, most = 0;
  for (int i = 0; i < r.rows; i++) {
    long double sum = 0;
    for (int j = 0; j < (axis ? FAR_COLS : FAR_ROWS); j++) {
      int a = axis ? i : j, b = axis ? j : i;
      long double d = 0, e = 0;
      for (int c = 0; c < 2; c++) {
        d += powl((long double)x[a + c * FAR_ROWS] - y[b + c * FAR_COLS], 2);
        e += powl((long double)p[c] - y[b + c * FAR_COLS], 2);
      }
      sum += expl(-d / 1000 - e / 2000);
    }
    worst = fmax(worst, fabs((double)(r.v[0][i] - sum)));
    most = fmax(most, (double)sum);
  }
  check(worst <= 2e-6 * most, "far from 0, %s, axis %d, %d devices: off by %g of %g", kind, axis, n_devices, worst, most);
  free_result(&r);
  for (int k = 0; k < 3; k++) gr_cuda.free(kept[k]);
  gr_program_free(program);
}

/* A parameter that lies on the device as an n x 1 matrix, as R's vectors do. */
static void far_parameter(int n) {
  char x_alias[20], p_alias[20];
  snprintf(x_alias, sizeof x_alias, "x=Vi(%d)", n);
  snprintf(p_alias, sizeof p_alias, "p=Pm(%d)", n);
  test t = {.formula = "SqDist(x,p)*y", .aliases = {x_alias, p_alias, "y=Vj(1)"}, .axis = 1};
  double *x = malloc((size_t)n * sizeof *x), *p = malloc((size_t)n * sizeof *p), y = 1;
  gr_buffer *kept = NULL;
  gr_options o = options(GR_GPU, 1);
  gr_program *program;
  gr_error err = {0};
  result r;
  o.device = &gr_cuda;
  for (int k = 0; k < n; k++) x[k] = 1e8 * (1 + k % 3) + 0.25, p[k] = 1e8 * (1 + k % 3) + 0.75;
  check(!gr_cuda.make(0, n, 1, GR_DOUBLE, &kept, &err) && !gr_cuda.put(kept, p, n, &err), "%s", err.message);
  gr_array args[] = {{.data = x, .rows = 1, .cols = n, .stride = 1}, {.rows = 1, .cols = n, .stride = 1, .buffer = kept},
                     {.data = &y, .rows = 1, .cols = 1, .stride = 1}};
  check(make(&t, &program, &err) == GR_OK && run(program, args, &o, &r, &err) == GR_OK, "%d: %s", n, err.message);
  check(fabs(r.v[0][0] - 0.25 * n) < 1e-5 * n, "a parameter of %d components on the device: %g, not %g", n, r.v[0][0], 0.25 * n);
  args[1].cols = n + 1;
  o.backend = GR_INTERPRETER;
  result unused;
  check(run(program, args, &o, &unused, &err) == GR_ARGUMENT, "more components than the matrix on the device has");
  free_result(&unused);
  free_result(&r);
  gr_cuda.free(kept);
  gr_program_free(program);
  free(x);
  free(p);
}

static void all_far_from_zero(void) {
  static const char *const kinds[] = {"hhh", "ddd", "fff", "hdh", "dhh", "hhd", "fhd", "dfh"};
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) far_from_zero(kinds[k], k % 2, 1 + k % 3 / 2);
  far_parameter(2);
  far_parameter(17);
  far_parameter(1000);
  nothing_is_left("data far from 0");
  setenv("GENRED_FAKE_DEVICES", "1", 1);
}

/* In a process of its own, as the number of devices is asked once. */
static void far_session(const void *unused) {
  (void)unused;
  all_far_from_zero();
}

static void work(void) {
  char path[600];
  snprintf(path, sizeof path, "%.500s/part-%d", temporary_folder(), part);
  mkdir(path, 0700);
  setenv("TMPDIR", path, 1); /* a cache for each part, as the sessions clear it */
  every_call_fails();
  if (part == 0) in_child("data far from 0", far_session, NULL);
  language();
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  if (!find_stand_ins(argv[0])) {
    printf("SKIPPED: there is no C++ compiler for the libraries that stand in for CUDA's\n");
    check(true, "skipped");
    return report();
  }
  use_stand_ins();
  share_out(work);
  return report();
}
