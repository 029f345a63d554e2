/* test_device.c: src/cuda from a call to its result, and the engine's interface to it
 * (run/device.c).
 *
 * No GPU is needed: programs run on the stand-ins for libcuda and NVRTC (fake/), where a C++
 * compiler has built them.  The driver is opened once in a process, so each test is a child of its
 * own; an argument names the one to run.  test_loader.c has the loading of the libraries. */
#define _GNU_SOURCE
#include "processes.h"
#include "stand_ins.h"

static bool says(const gr_error *err, const char *text) {
  return check(strstr(err->message, text) != NULL, "no \"%s\" in: %s", text, err->message);
}

/* ---- programs ---- */

static const test gaussian = {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 300, .n = 500, .lo = 0.1, .hi = 1};

/* Enough work for "auto" to prefer a GPU. */
static const test large = {.formula = "X-Y", .aliases = {"X=Vi(1)", "Y=Vj(1)"}, .reduction = "Min", .axis = 1, .m = 25000, .n = 25000};

typedef struct setting {
  const test *t;
  gr_program *p;
  gr_array args[ARGS_MAX + 4];
  gr_options opt;
  result expected;
} setting;

/* A program, its arguments, and the interpreter's result. */
static setting begin(const test *t) {
  setting s = {.t = t, .opt = options(GR_GPU, 2)};
  gr_error err = {0};
  gr_options slow = options(GR_INTERPRETER, 1);
  check(make(t, &s.p, &err) == GR_OK, "%s: %s", describe(t), err.message);
  make_args(s.p, t, s.args);
  check(run(s.p, s.args, &slow, &s.expected, &err) == GR_OK, "%s: %s", describe(t), err.message);
  s.opt.device = &gr_cuda;
  return s;
}

static void end(setting *s) {
  free_result(&s->expected);
  free_args(s->p, s->args);
  gr_program_free(s->p);
}

static gr_class run_reported(setting *s, result *r, gr_report *rep, gr_error *err) {
  gr_output out[2] = {{.data = NULL}};
  gr_result_info info = gr_program_result(s->p);
  *r = (result){.size = s->expected.size};
  for (int k = 0; k < info.n; k++) out[k].data = r->v[k] = malloc(sizeof(double) * (size_t)(r->size + 1));
  return gr_program_run(s->p, s->args, gr_program_nargs(s->p), out, &s->opt, rep, err);
}

static void check_result(const setting *s, const result *r, const char *what) {
  gr_result_info info = gr_program_result(s->p);
  for (int k = 0; k < info.n; k++) {
    double d = difference(r->v[k], s->expected.v[k], r->size);
    check(d <= (info.is_index[k] ? 0 : s->t->f64 ? 1e-13 : 1e-5), "%s, %s: result %d differs by %g", describe(s->t), what, k, d);
  }
}

/* Runs it; the result must be the interpreter's. */
static gr_report good(setting *s, const char *what) {
  gr_error err = {0};
  gr_report rep = {0};
  result r;
  if (check(run_reported(s, &r, &rep, &err) == GR_OK, "%s, %s: %s %s", describe(s->t), what, err.message, err.log ? err.log : "")) check_result(s, &r, what);
  free_result(&r);
  gr_error_clear(&err);
  return rep;
}

static gr_class bad(setting *s, gr_error *err) {
  gr_report rep = {0};
  result r;
  gr_class cls = run_reported(s, &r, &rep, err);
  free_result(&r);
  return cls;
}

static void nobody_there(void) {
  gr_error err = {0};
  setenv("GENRED_CUDA_DRIVER", "/nowhere/libcuda.so", 1);
  setting s = begin(&gaussian);
  check(bad(&s, &err) == GR_CUDA, "GPU without a driver");
  s.opt.device = NULL;
  check(bad(&s, &err) == GR_CUDA, "GPU without a backend");
  setting l = begin(&large);
  l.opt.backend = GR_AUTO;
  gr_report rep = good(&l, "auto without a GPU");
  check(rep.backend == GR_CPU && !rep.note[0] && rep.n_devices == 0, "auto without a GPU: backend %d, note \"%s\"", rep.backend, rep.note);
  end(&l);
  end(&s);
  gr_error_clear(&err);
}

/* ---- on the stand-ins ---- */

static const test cases[] = {
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 300, .n = 129, .lo = 0.1, .hi = 1},
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 3, .n = 20000, .lo = 0.1, .hi = 1},
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 20, .n = 0, .lo = 0.1, .hi = 1},
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 0, .n = 20, .lo = 0.1, .hi = 1},
    {.formula = "SqDist(X,Y)", .aliases = {"X=Vi(3)", "Y=Vj(3)"}, .reduction = "KMin_ArgKMin", .k = 4, .axis = 0, .m = 700, .n = 129, .f64 = true},
    {.formula = "SqDist(X,Y)", .aliases = {"X=Vi(3)", "Y=Vj(3)"}, .axis = 2, .m = 700, .n = 129, .f64 = true},
    {.formula = "SqDist(X,Y)", .aliases = {"X=Vi(3)", "Y=Vj(3)"}, .axis = 2, .m = 0, .n = 129, .f64 = true},
    {.formula = "X-Y", .aliases = {"X=Vi(1)", "Y=Vj(1)"}, .reduction = "Min_ArgMin", .axis = 1, .m = 40, .n = 4000},
    {.formula = "IndexDiff()*X+IndexI()-Rand(3)*IndexJ()*Y", .aliases = {"X=Vi(1)", "Y=Vj(1)"}, .reduction = "Max_ArgMax", .axis = 0, .m = 300, .n = 700},
    {.formula = "SqDist(X,Y)*Rand(G)*IndexDiff()*IndexI()", .aliases = {"G=Pm(1)", "X=Vi(12)", "Y=Vj(12)"}, .axis = 2, .m = 700, .n = 129, .f64 = true}};
enum { NCASES = sizeof cases / sizeof *cases };

static void backends(void) {
  use_stand_ins();
  for (int k = 0; k < NCASES; k++) {
    setting s = begin(&cases[k]);
    for (int b = GR_GPU; b <= GR_GPU_2D; b++) {
      s.opt.backend = (gr_backend)b;
      gr_report rep = good(&s, b == GR_GPU ? "GPU" : b == GR_GPU_1D ? "GPU_1D" : "GPU_2D");
      bool split = rep.backend == GR_GPU_2D;
      check(b == GR_GPU || cases[k].n < 2 || cases[k].m == 0 || split == (b == GR_GPU_2D), "%s: asked for %d, ran %d", describe(&cases[k]), b, rep.backend);
      check(rep.n_devices == 1 && rep.device == 0 && rep.device_name[0], "the report names no device");
    }
    end(&s);
  }
  nothing_is_left("backends");
}

/* Rows partitioned over three devices, one of which may get none. */
static void several(void) {
  static const int ids[] = {2, 0, 1}, twice[] = {1, 1}, unknown[] = {0, 3};
  gr_error err = {0};
  use_stand_ins();
  setenv("GENRED_FAKE_DEVICES", "3", 1);
  for (int k = 0; k < NCASES; k++) {
    setting s = begin(&cases[k]);
    s.opt.device_ids = ids;
    s.opt.n_devices = 3;
    gr_report rep = good(&s, "three devices");
    check(rep.n_devices == 3 && rep.device == 2, "three devices: %d from %d on", rep.n_devices, rep.device);
    s.opt.n_devices = 2;
    s.opt.device_ids = twice;
    check(bad(&s, &err) == GR_ARGUMENT, "one device twice");
    s.opt.device_ids = unknown;
    check(bad(&s, &err) == GR_CUDA, "an unknown device");
    says(&err, "no GPU with device_id 3: 3 GPUs found");
    end(&s);
  }
  gr_error_clear(&err);
  nothing_is_left("several devices");
}

/* Matrices on the device: as arguments, as results, and both. */
static const int one_id[] = {1}, two_ids[] = {0, 1};

/* A program whose second and third argument are on device 0, as float and double. */
typedef struct resident {
  setting s;
  gr_buffer *buffer[2];
  const double *data[2]; /* the same on the host */
} resident;

static resident begin_resident(const test *t) {
  static const gr_storage_type types[] = {GR_FLOAT, GR_DOUBLE};
  resident r = {.s = begin(t)};
  gr_error err = {0};
  for (int k = 0; k < 2; k++) {
    gr_array *a = &r.s.args[k + 1];
    check(gr_cuda.make(0, a->rows, a->cols, types[k], &r.buffer[k], &err) == GR_OK, "make: %s", err.message);
    check(gr_cuda.put(r.buffer[k], a->data, a->stride, &err) == GR_OK, "put: %s", err.message);
    r.data[k] = a->data;
    a->data = NULL, a->buffer = r.buffer[k];
  }
  return r;
}

static void end_resident(resident *r) {
  for (int k = 0; k < 2; k++) {
    r->s.args[k + 1].data = r->data[k];
    gr_cuda.free(r->buffer[k]);
  }
  end(&r->s);
}

static void resident_arguments(void) {
  use_stand_ins();
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  resident r = begin_resident(&cases[0]);
  setting *s = &r.s;
  gr_report rep = good(s, "resident");
  check(rep.device == 0, "ran on %d", rep.device);
  s->opt.backend = GR_AUTO;
  rep = good(s, "resident, auto");
  check(rep.n_devices == 1, "auto leaves the GPU where the data is");
  s->opt.device_ids = one_id, s->opt.n_devices = 1;
  good(s, "resident elsewhere");
  s->opt.device_ids = two_ids, s->opt.n_devices = 2;
  good(s, "resident on one of two");
  s->opt.backend = GR_CPU;
  rep = good(s, "resident, CPU");
  check(rep.backend == GR_CPU, "CPU");
  end_resident(&r);
  nothing_is_left("resident arguments");
}

static void resident_results(void) {
  gr_error err = {0};
  gr_report rep;
  gr_buffer *kept;
  use_stand_ins();
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  resident r = begin_resident(&cases[0]);
  setting *s = &r.s;
  s->opt = (gr_options){.backend = GR_GPU, .threads = 1, .tmp_dir = temporary_folder(), .device = &gr_cuda};
  gr_output out[2] = {{.data = NULL}};
  double *back = malloc(sizeof(double) * (size_t)s->expected.size);
  check(gr_cuda.make(0, 300, 2, GR_FLOAT, &kept, &err) == GR_OK, "make: %s", err.message);
  out[0].buffer = kept;
  for (int n = 1; n <= 2; n++) { /* on its device, and by way of the host */
    s->opt.device_ids = two_ids, s->opt.n_devices = n;
    check(gr_program_run(s->p, s->args, 4, out, &s->opt, &rep, &err) == GR_OK, "a result that stays: %s", err.message);
    check(gr_cuda.get(kept, back, 300, &err) == GR_OK, "get: %s", err.message);
    check(difference(back, s->expected.v[0], s->expected.size) < 1e-5, "a result that stays differs");
  }
  s->opt.backend = GR_CPU;
  check(gr_program_run(s->p, s->args, 4, out, &s->opt, &rep, &err) == GR_ARGUMENT, "the CPU's result stays on the GPU?");
  s->opt.backend = GR_GPU;
  gr_cuda.free(kept);
  check(gr_cuda.make(0, 300, 3, GR_FLOAT, &kept, &err) == GR_OK, "make: %s", err.message);
  out[0].buffer = kept;
  check(gr_program_run(s->p, s->args, 4, out, &s->opt, &rep, &err) == GR_ARGUMENT, "a result in a matrix of another shape");
  gr_cuda.free(kept);
  free(back);
  end_resident(&r);
  gr_error_clear(&err);
  nothing_is_left("resident results");
}

static void resident_indices(void) {
  gr_error err = {0};
  gr_report rep;
  gr_buffer *kept, *index;
  gr_output out[2] = {{.data = NULL}};
  use_stand_ins();
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  setting m = begin(&cases[7]);
  double v[40], i[40];
  check(gr_cuda.make(0, 40, 1, GR_FLOAT, &kept, &err) == GR_OK && gr_cuda.make(0, 40, 1, GR_INT, &index, &err) == GR_OK, "make: %s", err.message);
  out[0].buffer = kept, out[1].buffer = index;
  for (int n = 1; n <= 2; n++) {
    m.opt.device_ids = two_ids, m.opt.n_devices = n;
    check(gr_program_run(m.p, m.args, 2, out, &m.opt, &rep, &err) == GR_OK, "value and index stay: %s", err.message);
    check(gr_cuda.get(kept, v, 40, &err) == GR_OK && gr_cuda.get(index, i, 40, &err) == GR_OK, "get: %s", err.message);
    for (int k = 0; k < 40; k++) check(v[k] == m.expected.v[0][k] && i[k] == m.expected.v[1][k] + 1, "row %d: %g at %g", k, v[k], i[k]);
  }
  gr_cuda.free(kept);
  gr_cuda.free(index);
  end(&m);
  gr_error_clear(&err);
  nothing_is_left("resident indices");
}

/* A round trip through types with less precision gives the nearest number, ties to even. */
static void types(void) {
  static const double from[] = {0, -0.0, 1, -1.5, 65504, 65519, 65520, 1e9, -1e9, 6e-8, 2e-8, 3.0e-8, 1 + 1.0 / 2048, 1 + 3.0 / 2048, 1 + 1.0 / 256, 1 + 3.0 / 256, NAN, 7};
  static const double half[] = {0, -0.0, 1, -1.5, 65504, 65504, INFINITY, INFINITY, -INFINITY, 0x1p-24, 0, 0x1p-24, 1, 1 + 1.0 / 512, 1 + 1.0 / 256, 1 + 3.0 / 256, NAN, 7};
  static const double whole[] = {NAN, NAN, 1, NAN, 65504, 65519, 65520, 1e9, NAN, NAN, NAN, NAN, 1, 1, 1, 1, NAN, 7};
  static const struct {
    gr_storage_type type;
    const double *expected;
  } kinds[] = {{GR_DOUBLE, from}, {GR_HALF, half}, {GR_INT, whole}};
  enum { N = sizeof from / sizeof *from };
  gr_error err = {0};
  double to[N];
  use_stand_ins();
  for (int k = 0; k < 3; k++) {
    gr_buffer *b;
    check(gr_cuda.make(0, N / 2, 2, kinds[k].type, &b, &err) == GR_OK, "make: %s", err.message);
    check(gr_cuda.put(b, from, N / 2, &err) == GR_OK && gr_cuda.get(b, to, N / 2, &err) == GR_OK, "there and back: %s", err.message);
    for (int i = 0; i < N; i++)
      check(memcmp(&to[i], &kinds[k].expected[i], 8) == 0 || (isnan(to[i]) && isnan(kinds[k].expected[i])), "type %d: %a becomes %a", kinds[k].type, from[i], to[i]);
    gr_cuda.free(b);
  }
  gr_buffer *b;
  const double x[] = {1 + 1.0 / 256, 1 + 3.0 / 256, NAN, -INFINITY, 1e-40}, y[] = {1, 1 + 1.0 / 64, NAN, -INFINITY, 0x1p-133};
  check(gr_cuda.make(0, 5, 1, GR_BFLOAT16, &b, &err) == GR_OK && gr_cuda.put(b, x, 5, &err) == GR_OK && gr_cuda.get(b, to, 5, &err) == GR_OK, "bfloat16: %s", err.message);
  for (int i = 0; i < 5; i++) check(to[i] == y[i] || (isnan(to[i]) && isnan(y[i])), "bfloat16: %a becomes %a", x[i], to[i]);
  gr_cuda.free(b);
  gr_error_clear(&err);
  nothing_is_left("types");
}

/* What exceeds the memory of the device is computed in blocks, with the same result; where no block
 * fits, the call fails and the next one works. */
static void little_memory(void) {
  static const test wide = {.formula = "X-Y", .aliases = {"X=Vi(40)", "Y=Vj(40)"}, .reduction = "Max", .axis = 1, .m = 3000, .n = 2000};
  static const test numbers = {.formula = "Sum(X-Y)+IndexI()-3*IndexJ()+Rand(1)*IndexDiff()", .aliases = {"X=Vi(40)", "Y=Vj(40)"}, .reduction = "Max_ArgMax", .axis = 1, .m = 3000, .n = 2000};
  gr_error err = {0};
  use_stand_ins();
  setenv("GENRED_FAKE_MEMORY", "400000", 1);
  setting s = begin(&numbers);
  good(&s, "in blocks");
  end(&s);
  s = begin(&wide);
  good(&s, "in blocks");
  setenv("GENRED_FAKE_MEMORY", "4000", 1);
  gr_cuda.shutdown();
  check(bad(&s, &err) == GR_CUDA, "no memory at all: %s", err.message);
  setenv("GENRED_FAKE_MEMORY", "10000000", 1);
  good(&s, "with memory again");
  end(&s);
  gr_error_clear(&err);
  nothing_is_left("little memory");
}

/* The first and the second call of every function fails in turn. */
static void failures(void) {
  static const test t = {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 30, .n = 3000, .lo = 0.1, .hi = 1};
  gr_error err = {0};
  char fail[64];
  use_stand_ins();
  setting s = begin(&t);
  for (size_t k = 0; k < FAILING_NAMES; k++)
    for (int call = 1; call <= 2; call++) {
      snprintf(fail, sizeof fail, "%s:%d", failing_names[k], call);
      gr_cuda.shutdown(); /* contexts, modules and memory are made again */
      gr_cache_clear(s.opt.cache_dir, &(int64_t){0}, &err);
      setenv("GENRED_FAKE_FAIL", fail, 1);
      gr_class cls = bad(&s, &err);
      check(cls == GR_OK || (cls == GR_CUDA && err.message[0]), "%s: class %d: %s", fail, cls, err.message);
      setenv("GENRED_FAKE_FAIL", "", 1);
      gr_error_clear(&err);
      good(&s, fail);
    }
  setenv("GENRED_FAKE_FAIL", "cuLaunchKernel:*", 1);
  s.opt.backend = GR_AUTO;
  gr_buffer *b = NULL;
  check(gr_cuda.make(0, s.args[2].rows, 3, GR_DOUBLE, &b, &err) == GR_OK && gr_cuda.put(b, s.args[2].data, s.args[2].stride, &err) == GR_OK, "put: %s", err.message);
  s.args[2].buffer = b; /* "auto" prefers the GPU */
  gr_report rep = good(&s, "auto, where launches fail");
  check((rep.backend == GR_CPU || rep.backend == GR_INTERPRETER) && strstr(rep.note, "cuLaunchKernel") && rep.n_devices == 0, "the note: %s", rep.note);
  setenv("GENRED_FAKE_FAIL", "kernel:1", 1);
  s.opt.backend = GR_GPU;
  check(bad(&s, &err) == GR_CUDA, "a kernel that faults");
  says(&err, "matrices that were on it are lost");
  setenv("GENRED_FAKE_FAIL", "", 1);
  check(bad(&s, &err) == GR_CUDA, "a matrix that is lost");
  says(&err, "its entries are lost");
  s.args[2].buffer = NULL;
  good(&s, "after a fault");
  gr_cuda.free(b);
  end(&s);
  gr_error_clear(&err);
  nothing_is_left("failures");
}

static int stop_at, asked;
static int stop(void *ctx) {
  (void)ctx;
  return ++asked >= stop_at;
}
static void note_progress(double fraction, void *ctx) { *(double *)ctx = fraction; }

/* For a device that seems very slow, work is split into many launches, two of which are in flight,
 * and the caller is asked for an interrupt in between. */
static void interrupts(void) {
  static const int both[] = {0, 1};
  gr_error err = {0};
  double fraction = 0;
  cu_gpu *g;
  int launches = 0;
  const char *log = at("calls");
  use_stand_ins();
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  check(cu_begin(&err) == GR_OK, "%s", err.message);
  for (int k = 0; k < 2; k++) {
    check(cu_use(k, &g, &err) == GR_OK, "%s", err.message);
    g->clock = 1, g->info.multiprocessors = 1;
  }
  cu_end(&err);
  for (int k = 0; k < NCASES; k++) {
    setting s = begin(&cases[k]);
    s.opt.interrupted = stop;
    s.opt.progress = note_progress;
    s.opt.ctx = &fraction;
    s.opt.device_ids = both;
    s.opt.n_devices = 1 + k % 2;
    stop_at = 1 << 30, fraction = 0;
    remove(log);
    setenv("GENRED_FAKE_LOG", log, 1);
    good(&s, "slowly");
    setenv("GENRED_FAKE_LOG", "", 1);
    check(fraction == 1, "progress ends at %g", fraction);
    launches += calls_of(log, "cuEventElapsedTime");
    end(&s);
  }
  check(launches > NCASES + 4, "%d launches were measured", launches);
  setting s = begin(&(test){.formula = "Sum(Exp(Sin(X*Y)))", .aliases = {"X=Vi(8)", "Y=Vj(8)"}, .axis = 1, .m = 6000, .n = 6000, .f64 = true, .reduction = "Max"});
  s.opt.interrupted = stop;
  stop_at = 2, asked = 0;
  remove(log);
  setenv("GENRED_FAKE_LOG", log, 1);
  check(bad(&s, &err) == GR_INTERRUPT && asked == 2, "class %d, asked %d times", err.cls, asked);
  setenv("GENRED_FAKE_LOG", "", 1);
  check(calls_of(log, "cuLaunchKernel") <= 8, "stopped after %d launches", calls_of(log, "cuLaunchKernel"));
  end(&s);
  gr_error_clear(&err);
  nothing_is_left("interrupts");
}

static void forked(void) {
  gr_error err = {0};
  gr_buffer *b = NULL;
  int status = 0;
  use_stand_ins();
  setting s = begin(&gaussian);
  check(gr_cuda.make(0, 5, 5, GR_FLOAT, &b, &err) == GR_OK, "make: %s", err.message);
  good(&s, "before the fork");
  pid_t pid = fork();
  if (pid == 0) {
    failed = 0;
    check(bad(&s, &err) == GR_CUDA, "a forked child");
    says(&err, "forked");
    setting l = begin(&large);
    l.opt.backend = GR_AUTO;
    gr_report rep = good(&l, "auto in a forked child");
    check(rep.backend == GR_CPU && strstr(rep.note, "forked"), "auto in a forked child: %d %s", rep.backend, rep.note);
    gr_cuda.free(b);
    gr_cuda.shutdown();
    _exit(failed != 0);
  }
  waitpid(pid, &status, 0);
  check(status == 0, "the child failed");
  good(&s, "after the fork");
  gr_cuda.free(b);
  end(&s);
  nothing_is_left("forked");
}

/* A repeated call allocates nothing and compiles nothing. */
static void repeated(void) {
  const char *log = at("calls");
  use_stand_ins();
  setting s = begin(&gaussian);
  good(&s, "first");
  remove(log);
  setenv("GENRED_FAKE_LOG", log, 1);
  gr_report rep = good(&s, "again");
  setenv("GENRED_FAKE_LOG", "", 1);
  check(rep.provenance == GR_FROM_MEMORY, "found in %d", rep.provenance);
  check(calls_of(log, "cuMemAlloc_v2") == 0 && calls_of(log, "cuMemHostAlloc") == 0 && calls_of(log, "nvrtcCompileProgram") == 0, "allocates or compiles again");
  check(calls_of(log, "cuLaunchKernel") > 0, "nothing ran");
  end(&s);
  nothing_is_left("repeated");
}

int main(int argc, char **argv) {
  static const scenario without[] = {{"nobody_there", nobody_there}},
                        with[] = {{"backends", backends},
                                  {"several", several},
                                  {"resident_arguments", resident_arguments},
                                  {"resident_results", resident_results},
                                  {"resident_indices", resident_indices},
                                  {"types", types},
                                  {"little_memory", little_memory},
                                  {"failures", failures},
                                  {"interrupts", interrupts},
                                  {"forked", forked},
                                  {"repeated", repeated}};
  const char *only = argc > 1 ? argv[1] : NULL;
  own_folder();
  run_scenarios(without, sizeof without / sizeof *without, only);
  if (find_stand_ins(argv[0]))
    run_scenarios(with, sizeof with / sizeof *with, only);
  else
    printf("  skipped: without a C++ compiler there are no stand-ins for CUDA's libraries\n");
  return report();
}
