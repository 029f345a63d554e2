/* test_device.c: src/cuda, from the loader to results, and the engine's seam to it.
 *
 * Nothing here needs a GPU.  Part one looks for libraries that are not there; part two compiles with the real NVRTC where one is found; part three
 * runs programs on the stand-ins for libcuda and NVRTC (fake/), where there is a C++ compiler to have built them.  The driver is opened once in a
 * process, so that every test is a child of its own, which tells its counts through a pipe. */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cuda/cu.h"
#include "check.h"

static char fakes[600], tmp[512];

/* ---- children ---- */

typedef void scenario(void);

static void in_child(const char *name, scenario *s) {
  int ends[2], counts[2] = {0, 0}, status = 0;
  fflush(stdout);
  if (pipe(ends) != 0) {
    check(false, "%s: no pipe", name);
    return;
  }
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    passed = failed = 0;
    s();
    counts[0] = passed, counts[1] = failed;
    fflush(stdout);
    _exit(write(ends[1], counts, sizeof counts) == sizeof counts ? 0 : 1);
  }
  close(ends[1]);
  bool told = read(ends[0], counts, sizeof counts) == sizeof counts;
  close(ends[0]);
  waitpid(pid, &status, 0);
  check(told && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s ended with status %d", name, status);
  passed += counts[0];
  failed += counts[1];
}

static bool says(const gr_error *err, const char *text) {
  return check(strstr(err->message, text) != NULL, "no \"%s\" in: %s", text, err->message);
}

/* ---- one: libraries that are not there ---- */

static void no_driver(void) {
  gr_error err = {0};
  cu_driver d;
  int n = 7;
  setenv("GENRED_CUDA_DRIVER", "/nowhere/libcuda.so", 1);
  check(cu_open_driver(&d, &err) == GR_CUDA, "a driver from nowhere");
  says(&err, "/nowhere/libcuda.so");
  says(&err, "GENRED_CUDA_DRIVER");
  check(err.log && strstr(err.log, "/nowhere/libcuda.so"), "the log tells the system's reason: %s", err.log ? err.log : "none");
  check(gr_cuda.count(&n, &err) == GR_CUDA && n == 0, "no driver, but %d devices", n);
  gr_error_clear(&err);
}

static void not_a_driver(void) {
  gr_error err = {0};
  cu_driver d;
  setenv("GENRED_CUDA_DRIVER", "libm.so.6", 1);
  check(cu_open_driver(&d, &err) == GR_CUDA, "libm is no driver");
  says(&err, "cuInit");
  gr_error_clear(&err);
}

static void usual_driver(void) {
  gr_error err = {0};
  cu_driver d;
  unsetenv("GENRED_CUDA_DRIVER");
  if (cu_open_driver(&d, &err) == GR_OK) {
    check(d.cuInit != NULL, "a driver without cuInit");
  } else {
    says(&err, "libcuda.so.1, libcuda.so, /usr/lib/wsl/lib/libcuda.so.1");
    check(err.log && strstr(err.log, "libcuda.so.1"), "the log tells why");
  }
  gr_error_clear(&err);
}

/* Every place that was looked at, in the order of looking; the environment names none that has one. */
static void no_nvrtc(void) {
  gr_error err = {0};
  cu_nvrtc n;
  mkdir("here", 0700), mkdir("here/lib64", 0700), mkdir("here/targets", 0700), mkdir("here/targets/x", 0700), mkdir("here/targets/x/lib", 0700);
  FILE *f = fopen("here/lib64/libnvrtc.so.12", "w");
  if (f) fputs("no library", f), fclose(f);
  setenv("CUDA_PATH", "here", 1);
  setenv("PATH", "/nowhere", 1);
  unsetenv("RETICULATE_PYTHON");
  unsetenv("GENRED_NVRTC");
  if (cu_open_nvrtc(&n, 0, &err) == GR_OK) {
    check(n.major >= 11, "NVRTC %d.%d", n.major, n.minor); /* this machine has one */
  } else {
    says(&err, "libnvrtc.so, libnvrtc.so.13, libnvrtc.so.12, libnvrtc.so.11.2, here/lib64, here/targets/x/lib");
    check(err.log && strstr(err.log, "here/lib64/libnvrtc.so.12"), "the log tells what was there and no library");
  }
  setenv("GENRED_NVRTC", "/nowhere/libnvrtc.so", 1);
  gr_error_clear(&err);
  check(cu_open_nvrtc(&n, 0, &err) == GR_CUDA, "an NVRTC from nowhere");
  says(&err, "/nowhere/libnvrtc.so, which GENRED_NVRTC names alone");
  gr_error_clear(&err);
}

/* ---- programs ---- */

static const test gaussian = {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 300, .n = 500, .lo = 0.1, .hi = 1};

/* Enough for "auto" to think of a GPU. */
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

/* The GPU's answer is the interpreter's. */
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

/* ---- two: the real NVRTC ---- */

static const char text_good[] = "extern \"C\" __global__ void gr_f(float *x) { x[threadIdx.x] *= 2.0f; }\n";
static const char text_bad[] = "extern \"C\" __global__ void gr_f(float *x) { nonsense; }\n";

/* What the engine writes goes through with our options. */
static gr_class text_emitted(const cu_nvrtc *n, const gr_options *opt) {
  const cu_target target = {90, false};
  gr_error err = {0};
  gr_report rep = {0};
  gr_program *p;
  gr_cuda_layout l;
  cu_image image = {0};
  const char *text;
  char key[CU_KEY];
  gr_class cls = make(&gaussian, &p, &err);
  if (!cls) cls = gr_program_cuda(p, false, &text, &l, &err);
  if (!cls) cu_make_key(n, &target, text, key);
  if (!cls) cls = cu_compile(n, &target, text, opt, key, &image, &rep, &err);
  if (err.log) printf("%s\n", err.log);
  free(image.data);
  gr_program_free(p);
  gr_error_clear(&err);
  return cls;
}

static void real_nvrtc(void) {
  static const int architectures[] = {75, 80, 90, 100};
  gr_error err = {0};
  gr_report rep = {0};
  cu_nvrtc n;
  cu_image image;
  char key[CU_KEY], other[CU_KEY];
  gr_options opt = options(GR_GPU, 1);
  opt.cache_dir = "cubins";
  if (cu_open_nvrtc(&n, 0, &err) != GR_OK) {
    printf("  skipped: no NVRTC on this machine\n");
    gr_error_clear(&err);
    return;
  }
  for (int k = 0; k < 4; k++) {
    cu_target t = {architectures[k], false};
    cu_make_key(&n, &t, text_good, key);
    check(cu_compile(&n, &t, text_good, &opt, key, &image, &rep, &err) == GR_OK && rep.provenance == GR_COMPILED, "sm_%d: %s", t.architecture, err.message);
    check(!image.data || (image.n > 4 && (!memcmp(image.data, "\177ELF", 4) || strstr(image.data, ".target"))), "sm_%d: neither a cubin nor PTX", t.architecture);
    bool known = image.data != NULL;
    free(image.data);
    check(cu_compile(&n, &t, text_good, &opt, key, &image, &rep, &err) == GR_OK && rep.provenance == GR_FROM_DISK && image.data && known, "sm_%d is kept", t.architecture);
    free(image.data);
  }
  cu_target fast = {90, true}, ancient = {30, false}, future = {999, false}, plain = {90, false};
  cu_make_key(&n, &plain, text_good, key);
  cu_make_key(&n, &fast, text_good, other);
  check(strcmp(key, other) != 0, "fast math has a key of its own");
  check(cu_compile(&n, &fast, text_good, &opt, other, &image, &rep, &err) == GR_OK && image.data, "fast math: %s", err.message);
  free(image.data);
  check(cu_compile(&n, &ancient, text_good, &opt, key, &image, &rep, &err) == GR_OK && !image.data, "no code for sm_30");
  free(image.data);
  cu_make_key(&n, &future, text_good, other);
  check(cu_compile(&n, &future, text_good, &opt, other, &image, &rep, &err) == GR_OK && image.data && strstr(image.data, ".target"), "PTX for what is newer");
  free(image.data);
  cu_make_key(&n, &plain, text_bad, key);
  check(cu_compile(&n, &plain, text_bad, &opt, key, &image, &rep, &err) == GR_CUDA && err.log && strstr(err.log, "nonsense"), "the log of a broken text: %s",
        err.log ? err.log : "none");
  check(rep.provenance == GR_NO_KERNEL && !image.data, "a broken text gave code");
  check(text_emitted(&n, &opt) == GR_OK, "an emitted text does not compile");
  int64_t files = 0, bytes;
  check(gr_cache_info(opt.cache_dir, &files, &bytes, &err) == GR_OK && files == 7, "the cache counts cubins");
  check(gr_cache_clear(opt.cache_dir, &files, &err) == GR_OK && files == 7, "the cache clears cubins");
  gr_error_clear(&err);
}

/* ---- three: on the stand-ins ---- */

static void use_fakes(void) {
  char path[700];
  snprintf(path, sizeof path, "%s/libcuda.so", fakes);
  setenv("GENRED_CUDA_DRIVER", path, 1);
  snprintf(path, sizeof path, "%s/libnvrtc.so", fakes);
  setenv("GENRED_NVRTC", path, 1);
  mkdir("objects", 0700);
  setenv("GENRED_FAKE_CACHE", "objects", 0); /* the host's compiler is slow */
}

/* What the driver still holds once all was given back. */
static void check_leaks(const char *what) {
  gr_error err = {0};
  void *handle, *symbol = NULL;
  int (*leaks)(char *, size_t);
  char text[2000] = "";
  gr_cuda.shutdown();
  if (gr_dlopen(getenv("GENRED_CUDA_DRIVER"), &handle, &err) == GR_OK) symbol = gr_dlsym(handle, "fake_leaks");
  memcpy(&leaks, &symbol, sizeof leaks);
  check(leaks && leaks(text, sizeof text) == 0, "%s: left behind: %s", what, text);
}

static const test cases[] = {
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 300, .n = 129, .lo = 0.1, .hi = 1},
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 3, .n = 20000, .lo = 0.1, .hi = 1},
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 20, .n = 0, .lo = 0.1, .hi = 1},
    {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 0, .n = 20, .lo = 0.1, .hi = 1},
    {.formula = "SqDist(X,Y)", .aliases = {"X=Vi(3)", "Y=Vj(3)"}, .reduction = "KMin_ArgKMin", .k = 4, .axis = 0, .m = 700, .n = 129, .f64 = true},
    {.formula = "SqDist(X,Y)", .aliases = {"X=Vi(3)", "Y=Vj(3)"}, .axis = 2, .m = 700, .n = 129, .f64 = true},
    {.formula = "SqDist(X,Y)", .aliases = {"X=Vi(3)", "Y=Vj(3)"}, .axis = 2, .m = 0, .n = 129, .f64 = true},
    {.formula = "X-Y", .aliases = {"X=Vi(1)", "Y=Vj(1)"}, .reduction = "Min_ArgMin", .axis = 1, .m = 40, .n = 4000}};
enum { NCASES = sizeof cases / sizeof *cases };

static void backends(void) {
  use_fakes();
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
  check_leaks("backends");
}

/* Rows shared over three devices; one of them gets none. */
static void several(void) {
  static const int ids[] = {2, 0, 1}, twice[] = {1, 1}, unknown[] = {0, 3};
  gr_error err = {0};
  use_fakes();
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
  check_leaks("several devices");
}

/* Matrices on the device, of every type, as arguments; and results that stay. */
static void resident(void) {
  static const int second[] = {1}, both[] = {0, 1};
  gr_error err = {0};
  gr_buffer *b[2] = {NULL, NULL}, *kept = NULL, *index = NULL;
  use_fakes();
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  setting s = begin(&cases[0]);
  for (int k = 1; k < 3; k++) {
    const gr_array *a = &s.args[k];
    check(gr_cuda.make(0, a->rows, a->cols, k == 1 ? GR_FLOAT : GR_DOUBLE, &b[k - 1], &err) == GR_OK, "make: %s", err.message);
    check(gr_cuda.put(b[k - 1], a->data, a->stride, &err) == GR_OK, "put: %s", err.message);
    s.args[k].buffer = b[k - 1];
  }
  const double *data[] = {s.args[1].data, s.args[2].data};
  s.args[1].data = s.args[2].data = NULL;
  gr_report rep = good(&s, "resident");
  check(rep.device == 0, "ran on %d", rep.device);
  s.opt.backend = GR_AUTO;
  rep = good(&s, "resident, auto");
  check(rep.n_devices == 1, "auto leaves the GPU where the data is");
  s.opt.device_ids = second, s.opt.n_devices = 1;
  good(&s, "resident elsewhere");
  s.opt.device_ids = both, s.opt.n_devices = 2;
  good(&s, "resident on one of two");
  s.opt.backend = GR_CPU;
  rep = good(&s, "resident, CPU");
  check(rep.backend == GR_CPU, "CPU");

  s.opt = (gr_options){.backend = GR_GPU, .threads = 1, .tmp_dir = tmp, .device = &gr_cuda};
  gr_output out[2] = {{.data = NULL}};
  double *back = malloc(sizeof(double) * (size_t)s.expected.size);
  check(gr_cuda.make(0, 300, 2, GR_FLOAT, &kept, &err) == GR_OK, "make: %s", err.message);
  out[0].buffer = kept;
  for (int n = 1; n <= 2; n++) { /* where it lies, and by way of the host */
    s.opt.device_ids = both, s.opt.n_devices = n;
    check(gr_program_run(s.p, s.args, 4, out, &s.opt, &rep, &err) == GR_OK, "a result that stays: %s", err.message);
    check(gr_cuda.get(kept, back, 300, &err) == GR_OK, "get: %s", err.message);
    check(difference(back, s.expected.v[0], s.expected.size) < 1e-5, "a result that stays differs");
  }
  s.opt.backend = GR_CPU;
  check(gr_program_run(s.p, s.args, 4, out, &s.opt, &rep, &err) == GR_ARGUMENT, "the CPU's result stays on the GPU?");
  s.opt.backend = GR_GPU;
  gr_cuda.free(kept);
  check(gr_cuda.make(0, 300, 3, GR_FLOAT, &kept, &err) == GR_OK, "make: %s", err.message);
  out[0].buffer = kept;
  check(gr_program_run(s.p, s.args, 4, out, &s.opt, &rep, &err) == GR_ARGUMENT, "a result in a matrix of another shape");
  gr_cuda.free(kept);
  free(back);
  s.args[1].data = data[0], s.args[2].data = data[1];
  end(&s);

  setting m = begin(&cases[7]);
  double v[40], i[40];
  check(gr_cuda.make(0, 40, 1, GR_FLOAT, &kept, &err) == GR_OK && gr_cuda.make(0, 40, 1, GR_INT, &index, &err) == GR_OK, "make: %s", err.message);
  out[0].buffer = kept, out[1].buffer = index;
  for (int n = 1; n <= 2; n++) {
    m.opt.device_ids = both, m.opt.n_devices = n;
    check(gr_program_run(m.p, m.args, 2, out, &m.opt, &rep, &err) == GR_OK, "value and index stay: %s", err.message);
    check(gr_cuda.get(kept, v, 40, &err) == GR_OK && gr_cuda.get(index, i, 40, &err) == GR_OK, "get: %s", err.message);
    for (int k = 0; k < 40; k++) check(v[k] == m.expected.v[0][k] && i[k] == m.expected.v[1][k] + 1, "row %d: %g at %g", k, v[k], i[k]);
  }
  gr_cuda.free(kept);
  gr_cuda.free(index);
  end(&m);
  for (int k = 0; k < 2; k++) gr_cuda.free(b[k]);
  gr_error_clear(&err);
  check_leaks("resident");
}

/* There and back, in types that lose something: what comes back is the nearest number, ties to even. */
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
  use_fakes();
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
  check_leaks("types");
}

/* More than the device holds goes through in blocks, with the same result; too much for any block is an error, and the next call works. */
static void little_memory(void) {
  static const test wide = {.formula = "X-Y", .aliases = {"X=Vi(40)", "Y=Vj(40)"}, .reduction = "Max", .axis = 1, .m = 3000, .n = 2000};
  gr_error err = {0};
  use_fakes();
  setenv("GENRED_FAKE_MEMORY", "400000", 1);
  setting s = begin(&wide);
  good(&s, "in blocks");
  setenv("GENRED_FAKE_MEMORY", "4000", 1);
  gr_cuda.shutdown();
  check(bad(&s, &err) == GR_CUDA, "no memory at all: %s", err.message);
  setenv("GENRED_FAKE_MEMORY", "10000000", 1);
  good(&s, "with memory again");
  end(&s);
  gr_error_clear(&err);
  check_leaks("little memory");
}

/* Every call of every function fails in turn: the first time it is called, and a later one. */
static void failures(void) {
#define SYM(need, result, name, parameters) #name,
  static const char *const names[] = {CU_DRIVER(SYM) CU_NVRTC(SYM) "kernel"};
#undef SYM
  static const test t = {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 30, .n = 3000, .lo = 0.1, .hi = 1};
  gr_error err = {0};
  char fail[64];
  use_fakes();
  setting s = begin(&t);
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    for (int call = 1; call <= 2; call++) {
      snprintf(fail, sizeof fail, "%s:%d", names[k], call);
      gr_cuda.shutdown(); /* so that contexts, modules and memory are made anew */
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
  s.args[2].buffer = b; /* so that "auto" takes the GPU */
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
  check_leaks("failures");
}

static int stop_at, asked;
static int stop(void *ctx) {
  (void)ctx;
  return ++asked >= stop_at;
}
static void note_progress(double fraction, void *ctx) { *(double *)ctx = fraction; }

static int calls_of(const char *log, const char *name) {
  char line[200];
  int n = 0;
  FILE *f = fopen(log, "r");
  while (f && fgets(line, sizeof line, f)) n += !strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ';
  if (f) fclose(f);
  return n;
}

/* A device that is taken for a very slow one: work is cut into many launches, two are in flight, and the caller is asked in between. */
static void interrupts(void) {
  static const int both[] = {0, 1};
  gr_error err = {0};
  double fraction = 0;
  char log[600];
  cu_gpu *g;
  int launches = 0;
  use_fakes();
  setenv("GENRED_FAKE_DEVICES", "2", 1);
  snprintf(log, sizeof log, "%s/calls", tmp);
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
  double start = gr_now();
  check(bad(&s, &err) == GR_INTERRUPT && asked == 2, "class %d, asked %d times", err.cls, asked);
  check(gr_now() - start < 2, "stopped after %g s", gr_now() - start);
  end(&s);
  gr_error_clear(&err);
  check_leaks("interrupts");
}

static void forked(void) {
  gr_error err = {0};
  gr_buffer *b = NULL;
  int status = 0;
  use_fakes();
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
  check_leaks("forked");
}

/* A repeated call allocates nothing, compiles nothing, sends parameters that are the same not again. */
static void repeated(void) {
  char log[600];
  use_fakes();
  setting s = begin(&gaussian);
  good(&s, "first");
  snprintf(log, sizeof log, "%s/calls", tmp);
  remove(log);
  setenv("GENRED_FAKE_LOG", log, 1);
  gr_report rep = good(&s, "again");
  setenv("GENRED_FAKE_LOG", "", 1);
  check(rep.provenance == GR_FROM_MEMORY, "found in %d", rep.provenance);
  check(calls_of(log, "cuMemAlloc_v2") == 0 && calls_of(log, "cuMemHostAlloc") == 0 && calls_of(log, "nvrtcCompileProgram") == 0, "allocates or compiles again");
  check(calls_of(log, "cuLaunchKernel") > 0, "nothing ran");
  end(&s);
  check_leaks("repeated");
}

#define EACH(S) S(backends) S(several) S(resident) S(types) S(little_memory) S(failures) S(interrupts) S(forked) S(repeated)

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    scenario *run;
  } without[] = {{"no_driver", no_driver}, {"not_a_driver", not_a_driver}, {"usual_driver", usual_driver}, {"no_nvrtc", no_nvrtc}, {"nobody_there", nobody_there},
                 {"real_nvrtc", real_nvrtc}},
#define S(name) {#name, name},
    with[] = {EACH(S)};
#undef S
  char self[500] = "", path[700];
  snprintf(tmp, sizeof tmp, "%s", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  if (!realpath(argv[0], self)) return 2;
  *strrchr(self, '/') = 0;
  snprintf(fakes, sizeof fakes, "%s/../fake", self);
  if (chdir(tmp) != 0) return 2;
  snprintf(path, sizeof path, "%s/libnvrtc.so", fakes);
  bool built = access(path, R_OK) == 0;
  for (size_t k = 0; k < sizeof without / sizeof *without; k++)
    if (argc < 2 || !strcmp(argv[1], without[k].name)) in_child(without[k].name, without[k].run);
  for (size_t k = 0; k < sizeof with / sizeof *with && built; k++)
    if (argc < 2 || !strcmp(argv[1], with[k].name)) in_child(with[k].name, with[k].run);
  if (!built) printf("  skipped: without a C++ compiler there are no stand-ins for CUDA's libraries\n");
  return report();
}
