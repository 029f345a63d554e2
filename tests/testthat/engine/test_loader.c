/* test_loader.c: how src/cuda finds and opens the driver and NVRTC, and what it compiles with
 * NVRTC.
 *
 * No GPU is needed: libraries are looked for that are not there, and where NVRTC is installed it
 * compiles.  The driver is opened once in a process, so each test is a child of its own; an
 * argument names the one to run. */
#include <unistd.h>

#include "../cuda/cu.h"
#include "files.h"
#include "processes.h"

static bool says(const gr_error *err, const char *text) {
  return check(strstr(err->message, text) != NULL, "no \"%s\" in: %s", text, err->message);
}

/* ---- libraries that are not there ---- */

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

/* The message lists every place that was searched, in order. */
static void no_nvrtc(void) {
  gr_error err = {0};
  cu_nvrtc n;
  static const char *const folders[] = {"here", "here/lib64", "here/targets", "here/targets/x", "here/targets/x/lib"};
  for (int k = 0; k < 5; k++) mkdir(folders[k], 0700);
  put("here/lib64/libnvrtc.so.12", "no library", 10, 0600);
  setenv("CUDA_PATH", "here", 1);
  setenv("PATH", "/nowhere", 1);
  unsetenv("RETICULATE_PYTHON");
  unsetenv("GENRED_NVRTC");
  if (cu_open_nvrtc(&n, 0, &err) == GR_OK) {
    check(n.major >= 11, "NVRTC %d.%d", n.major, n.minor); /* there is one on this machine */
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

static const test gaussian = {.formula = "Exp(-G*SqDist(X,Y))*B", .aliases = {"G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"}, .axis = 1, .m = 300, .n = 500, .lo = 0.1, .hi = 1};

/* ---- the real NVRTC ---- */

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

/* A cubin, or PTX, for each architecture; the second time from the cache. */
static void each_architecture(const cu_nvrtc *n, const gr_options *opt) {
  static const int architectures[] = {75, 80, 90, 100};
  gr_error err = {0};
  gr_report rep = {0};
  cu_image image;
  char key[CU_KEY];
  for (int k = 0; k < 4; k++) {
    cu_target t = {architectures[k], false};
    cu_make_key(n, &t, text_good, key);
    check(cu_compile(n, &t, text_good, opt, key, &image, &rep, &err) == GR_OK && rep.provenance == GR_COMPILED, "sm_%d: %s",
          t.architecture, err.message);
    bool known = image.data != NULL;
    check(!known || (image.n > 4 && (!memcmp(image.data, "\177ELF", 4) || strstr(image.data, ".target"))),
          "sm_%d: neither a cubin nor PTX", t.architecture);
    free(image.data);
    check(cu_compile(n, &t, text_good, opt, key, &image, &rep, &err) == GR_OK && rep.provenance == GR_FROM_DISK && image.data && known,
          "sm_%d is not in the cache", t.architecture);
    free(image.data);
  }
  gr_error_clear(&err);
}

/* Whether code comes out, and PTX where `ptx`. */
static void one_target(const cu_nvrtc *n, const gr_options *opt, cu_target t, bool code, bool ptx) {
  gr_error err = {0};
  gr_report rep = {0};
  cu_image image;
  char key[CU_KEY];
  cu_make_key(n, &t, text_good, key);
  check(cu_compile(n, &t, text_good, opt, key, &image, &rep, &err) == GR_OK && (image.data != NULL) == code, "sm_%d%s: %s",
        t.architecture, t.fast_math ? ", fast math" : "", err.message);
  check(!ptx || (image.data && strstr(image.data, ".target")), "no PTX for sm_%d", t.architecture);
  free(image.data);
  gr_error_clear(&err);
}

static void broken_text(const cu_nvrtc *n, const gr_options *opt) {
  const cu_target t = {90, false};
  gr_error err = {0};
  gr_report rep = {0};
  cu_image image;
  char key[CU_KEY];
  cu_make_key(n, &t, text_bad, key);
  check(cu_compile(n, &t, text_bad, opt, key, &image, &rep, &err) == GR_CUDA && err.log && strstr(err.log, "nonsense"),
        "the log of a broken text: %s", err.log ? err.log : "none");
  check(rep.provenance == GR_NO_KERNEL && !image.data, "a broken text gave code");
  gr_error_clear(&err);
}

static void real_nvrtc(void) {
  const cu_target fast = {90, true}, ancient = {30, false}, future = {999, false}, plain = {90, false};
  gr_error err = {0};
  cu_nvrtc n;
  char key[CU_KEY], other[CU_KEY];
  int64_t files = 0, bytes;
  gr_options opt = options(GR_GPU, 1);
  opt.cache_dir = "cubins";
  if (cu_open_nvrtc(&n, 0, &err) != GR_OK) {
    printf("  skipped: no NVRTC on this machine\n");
    gr_error_clear(&err);
    return;
  }
  each_architecture(&n, &opt);
  cu_make_key(&n, &plain, text_good, key);
  cu_make_key(&n, &fast, text_good, other);
  check(strcmp(key, other) != 0, "fast math has a key of its own");
  one_target(&n, &opt, fast, true, false);
  one_target(&n, &opt, ancient, false, false);
  one_target(&n, &opt, future, true, true);
  broken_text(&n, &opt);
  check(text_emitted(&n, &opt) == GR_OK, "an emitted text does not compile");
  check(gr_cache_info(opt.cache_dir, &files, &bytes, &err) == GR_OK && files == 7, "the cache counts cubins");
  check(gr_cache_clear(opt.cache_dir, &files, &err) == GR_OK && files == 7, "the cache clears cubins");
  gr_error_clear(&err);
}

int main(int argc, char **argv) {
  static const scenario all[] = {
      {"no_driver", no_driver}, {"not_a_driver", not_a_driver}, {"usual_driver", usual_driver}, {"no_nvrtc", no_nvrtc}, {"real_nvrtc", real_nvrtc}};
  own_folder();
  if (chdir(temporary_folder()) != 0) return 2;
  run_scenarios(all, sizeof all / sizeof *all, argc > 1 ? argv[1] : NULL);
  return report();
}
