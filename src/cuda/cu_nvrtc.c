/* cu_nvrtc.c: emitted CUDA text to code for a device.
 *
 * The result is a cubin for the architecture of the device, if NVRTC knows that or an older one with
 * the same major number, whose code runs there too.  Else the toolkit is older than the device, and
 * the result is PTX for the newest older architecture, which the driver compiles.  Options:
 *   -std=c++17        the same language from every version since 11.2
 *   -default-device   unmarked functions, such as lambdas in kernels, are for the device
 *   -use_fast_math    only where the user asks: approximate division, roots and functions,
 *                     denormals as 0
 * By default, products and sums are contracted to fused multiply-adds, as on the CPU.  The output of
 * NVRTC becomes part of the error and is never printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cu.h"

enum { CUBIN_ABI = 1, ARCHITECTURES = 64, NOPTIONS = 4 }; /* CUBIN_ABI: of the kernels' arguments */

/* What NVRTC is asked for. */
typedef struct goal {
  int architecture;
  bool ptx;
} goal;

/* The newest known architecture for which `fits` up to `at_most`, or 0. */
static int newest_known(const int *known, int n, int at_least, int at_most) {
  int best = 0;
  for (int k = 0; k < n; k++)
    if (known[k] >= at_least && known[k] <= at_most && known[k] > best) best = known[k];
  return best;
}

/* Architecture 0: none fits.  A library that cannot list its architectures (before 11.2) is asked for
 * the device's own. */
static goal choose_goal(const cu_nvrtc *n, int architecture) {
  int known[ARCHITECTURES], count = 0;
  bool lists = n->nvrtcGetNumSupportedArchs && n->nvrtcGetSupportedArchs &&
               n->nvrtcGetNumSupportedArchs(&count) == NVRTC_SUCCESS && count > 0 &&
               count <= ARCHITECTURES && n->nvrtcGetSupportedArchs(known) == NVRTC_SUCCESS;
  bool cubins = n->nvrtcGetCUBINSize && n->nvrtcGetCUBIN;
  if (!lists) return (goal){architecture, !cubins};
  int same = newest_known(known, count, architecture / 10 * 10, architecture);
  if (same && cubins) return (goal){same, false};
  return (goal){newest_known(known, count, 0, architecture), true};
}

/* ---- the key ---- */

static void add_text(gr_sha256 *h, const char *s) { gr_sha256_add(h, s, strlen(s) + 1); }

void cu_make_key(const cu_nvrtc *n, const cu_target *target, const char *text, char key[CU_KEY]) {
  gr_sha256 h;
  char what[128];
  goal to = choose_goal(n, target->architecture);
  snprintf(what, sizeof what, "cuda abi %d nvrtc %d.%d %s_%d fast %d", CUBIN_ABI, n->major,
           n->minor, to.ptx ? "compute" : "sm", to.architecture, target->fast_math);
  gr_sha256_init(&h);
  add_text(&h, GR_VERSION);
  add_text(&h, what);
  add_text(&h, text);
  gr_sha256_hex(&h, key);
}

/* ---- compiling ---- */

static gr_class failed(const cu_nvrtc *n, const char *name, nv_result r, gr_error *err) {
  if (r == NVRTC_SUCCESS) return GR_OK;
  return gr_fail(err, ERR_Nvrtc, name, n->nvrtcGetErrorString(r));
}

/* NVRTC's output, malloc'ed, or NULL. */
static char *read_log(const cu_nvrtc *n, nv_program program) {
  size_t size = 0;
  if (n->nvrtcGetProgramLogSize(program, &size) != NVRTC_SUCCESS || size < 2) return NULL;
  char *log = malloc(size + 1);
  if (log && n->nvrtcGetProgramLog(program, log) == NVRTC_SUCCESS) {
    log[size] = 0;
    return log;
  }
  free(log);
  return NULL;
}

static gr_class compile_text(const cu_nvrtc *n, nv_program program, const goal *to, bool fast_math,
                             gr_error *err) {
  char architecture[64];
  const char *const options[NOPTIONS] = {architecture, "--std=c++17",
                                         "--device-as-default-execution-space", "--use_fast_math"};
  snprintf(architecture, sizeof architecture, "--gpu-architecture=%s_%d",
           to->ptx ? "compute" : "sm", to->architecture);
  nv_result r = n->nvrtcCompileProgram(program, fast_math ? NOPTIONS : NOPTIONS - 1, options);
  if (r == NVRTC_SUCCESS) return GR_OK;
  char *log = read_log(n, program);
  gr_fail(err, ERR_NvrtcText, n->major, n->minor, n->nvrtcGetErrorString(r));
  err->log = log;
  return err->cls;
}

static gr_class take_image(const cu_nvrtc *n, nv_program program, bool ptx, cu_image *image,
                           gr_error *err) {
  gr_class cls =
      ptx ? failed(n, "nvrtcGetPTXSize", n->nvrtcGetPTXSize(program, &image->n), err)
          : failed(n, "nvrtcGetCUBINSize", n->nvrtcGetCUBINSize(program, &image->n), err);
  if (cls) return cls;
  image->data = calloc(image->n + 1, 1);
  if (!image->data) return gr_fail(err, ERR_NoMemory, "a kernel", (long long)image->n);
  cls = ptx ? failed(n, "nvrtcGetPTX", n->nvrtcGetPTX(program, image->data), err)
            : failed(n, "nvrtcGetCUBIN", n->nvrtcGetCUBIN(program, image->data), err);
  if (!cls) return GR_OK;
  free(image->data);
  *image = (cu_image){0};
  return cls;
}

static gr_class compile(const cu_nvrtc *n, const goal *to, bool fast_math, const char *text,
                        cu_image *image, gr_error *err) {
  nv_program program = NULL;
  gr_class cls = failed(n, "nvrtcCreateProgram",
                        n->nvrtcCreateProgram(&program, text, "genred.cu", 0, NULL, NULL), err);
  if (!cls) cls = compile_text(n, program, to, fast_math, err);
  if (!cls) cls = take_image(n, program, to->ptx, image, err);
  if (program) n->nvrtcDestroyProgram(&program);
  return cls;
}

gr_class cu_compile(const cu_nvrtc *n, const cu_target *target, const char *text,
                    const gr_options *opt, const char *key, cu_image *image, gr_report *report,
                    gr_error *err) {
  goal to = choose_goal(n, target->architecture);
  bool has_cache = to.architecture && gr_cache_open(opt, report);
  *image = (cu_image){0};
  if (!to.architecture) return GR_OK;
  report->origin = GR_FROM_DISK;
  if (has_cache) image->data = gr_cache_read(opt->cache_dir, key, ".cubin", &image->n);
  if (image->data) return GR_OK;
  report->origin = GR_NO_KERNEL;
  double start = gr_now();
  gr_class cls = compile(n, &to, target->fast_math, text, image, err);
  report->seconds_compile = gr_now() - start;
  if (cls) return cls;
  report->origin = GR_COMPILED;
  if (has_cache) gr_cache_write(opt->cache_dir, key, ".cubin", image->data, image->n, report);
  return GR_OK;
}
