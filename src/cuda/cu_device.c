/* cu_device.c: devices, their primary contexts, and the modules loaded there.
 *
 * Owns the backend's only state: the libraries, one cu_gpu for each device, and which context was
 * current before a call.  A device's primary context (the one that other libraries of the process
 * use too) is retained at the first call that needs it and stays until cu_shutdown.  After a fault
 * (an error that the context never recovers from) it is reset: modules and memory are gone, which
 * whatever still refers to them can tell from cu_gpu.life, the number of the context.  Used by one
 * thread at a time; a call from inside a call (R code that a poll runs) and use in a forked child are
 * errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cu.h"

enum { DEVICES = 64 };

static struct {
  bool opened, ready, has_nvrtc, busy;
  long process; /* that initialised the driver */
  cu_driver driver;
  cu_nvrtc nvrtc;
  int n;
  cu_gpu gpu[DEVICES];
  uint64_t lives;
  cu_context previous; /* current before cu_begin */
} state;

const cu_driver *cu_now(void) { return &state.driver; }

/* ---- what the driver says ---- */

static const char *result_text(cu_result r, char text[256]) {
  const char *name = NULL, *what = NULL;
  state.driver.cuGetErrorName(r, &name);
  state.driver.cuGetErrorString(r, &what);
  snprintf(text, 256, "%s (%s)", name ? name : "an unknown error", what ? what : "no text");
  return text;
}

static gr_class driver_result(cu_result r, const char *name, gr_error *err) {
  char text[256];
  return r == CUDA_SUCCESS
             ? GR_OK
             : gr_fail(err, ERR_CudaDriver, name, state.driver.path, result_text(r, text));
}

/* The errors after which every call of the context fails: faults. */
static bool is_fault(cu_result r) {
  return (r >= CUDA_ERROR_ILLEGAL_ADDRESS && r <= CUDA_ERROR_LAUNCH_FAILED &&
          r != CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES) ||
         r == CUDA_ERROR_UNKNOWN;
}

gr_class cu_result_of(cu_gpu *g, cu_result r, const char *name, gr_error *err) {
  char text[256];
  if (r == CUDA_SUCCESS) return GR_OK;
  if (is_fault(r) && g->fault == CUDA_SUCCESS) g->fault = r, g->fault_call = name;
  gr_fail(err, ERR_Cuda, name, g->id, g->info.name, result_text(r, text));
  if (r == CUDA_ERROR_OUT_OF_MEMORY) g->full = true, err->cls = GR_MEMORY;
  return err->cls;
}

/* ---- the driver and its devices ---- */

static cu_result get_attributes(cu_gpu *g) {
  const struct {
    cu_attribute what;
    int *to;
  } wanted[] = {{CU_DEVICE_COMPUTE_CAPABILITY_MAJOR, &g->info.major},
                {CU_DEVICE_COMPUTE_CAPABILITY_MINOR, &g->info.minor},
                {CU_DEVICE_MULTIPROCESSOR_COUNT, &g->info.multiprocessors},
                {CU_DEVICE_CLOCK_RATE, &g->clock},
                {CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &g->shared_most},
                {CU_DEVICE_SINGLE_TO_DOUBLE_PERF_RATIO, &g->double_ratio}};
  for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
    cu_result r = state.driver.cuDeviceGetAttribute(wanted[k].to, wanted[k].what, g->device);
    if (r != CUDA_SUCCESS) return r;
  }
  return CUDA_SUCCESS;
}

static gr_class describe(cu_gpu *g, gr_error *err) {
  const cu_driver *d = &state.driver;
  size_t bytes = 0;
  if (driver_result(d->cuDeviceGet(&g->device, g->id), "cuDeviceGet", err) ||
      driver_result(d->cuDeviceGetName(g->info.name, (int)sizeof g->info.name, g->device),
                    "cuDeviceGetName", err) ||
      driver_result(d->cuDeviceTotalMem_v2(&bytes, g->device), "cuDeviceTotalMem_v2", err) ||
      driver_result(get_attributes(g), "cuDeviceGetAttribute", err))
    return err->cls;
  g->info.name[sizeof g->info.name - 1] = 0;
  g->info.memory = (int64_t)bytes;
  if (g->clock < 1) g->clock = 1000000; /* not every driver says; estimates need a number */
  return GR_OK;
}

/* On failure, *n is 0 where there is no device, else -1. */
static gr_class initialise(int *n, gr_error *err) {
  const cu_driver *d = &state.driver;
  char text[256];
  int count = 0;
  cu_result r = d->cuInit(0);
  if (r == CUDA_SUCCESS) r = d->cuDeviceGetCount(&count);
  *n = r == CUDA_ERROR_NO_DEVICE || (r == CUDA_SUCCESS && count == 0) ? 0 : -1;
  if (*n == 0)
    return gr_fail(err, ERR_NoDevices,
                   r == CUDA_SUCCESS ? "cuDeviceGetCount says 0" : result_text(r, text));
  if (driver_result(r, "cuInit", err) ||
      driver_result(d->cuDriverGetVersion(&state.driver.version), "cuDriverGetVersion", err))
    return err->cls;
  state.process = (long)getpid();
  state.n = count < DEVICES ? count : DEVICES;
  for (int k = 0; k < state.n; k++) {
    state.gpu[k] = (cu_gpu){.id = k};
    if (describe(&state.gpu[k], err) != GR_OK) return err->cls;
  }
  state.ready = true;
  return GR_OK;
}

static bool in_forked_child(void) { return state.process && state.process != (long)getpid(); }

gr_class cu_ready(int *n, gr_error *err) {
  *n = in_forked_child() ? -1 : 0;
  if (*n < 0) return gr_fail(err, ERR_Forked);
  if (!state.opened && cu_open_driver(&state.driver, err) != GR_OK) return err->cls;
  state.opened = true;
  if (!state.ready && initialise(n, err) != GR_OK) return err->cls;
  *n = state.n;
  return GR_OK;
}

gr_class cu_count(int *n, gr_error *err) { return cu_ready(n, err); }

gr_class cu_info(int id, gr_device_info *info, gr_error *err) {
  int n;
  if (cu_ready(&n, err) != GR_OK) return err->cls;
  if (id < 0 || id >= n) return gr_fail(err, ERR_DeviceId, id, n, n == 1 ? "" : "s");
  *info = state.gpu[id].info;
  return GR_OK;
}

static gr_class need_nvrtc(gr_error *err) {
  if (!state.has_nvrtc && cu_open_nvrtc(&state.nvrtc, state.driver.version / 1000, err) != GR_OK)
    return err->cls;
  state.has_nvrtc = true;
  return GR_OK;
}

void cu_libraries(gr_device_libraries *l) {
  gr_error err = {0};
  int n;
  if (cu_ready(&n, &err) == GR_OK)
    snprintf(l->driver, sizeof l->driver, "CUDA %d.%d (%.400s)", state.driver.version / 1000,
             state.driver.version % 1000 / 10, state.driver.path);
  else
    snprintf(l->driver, sizeof l->driver, "%.500s", err.message);
  if (!state.ready) /* searching may run a process (cu_load.c), and nobody would use what it finds */
    snprintf(l->compiler, sizeof l->compiler, "not looked for, as there is no GPU");
  else if (need_nvrtc(&err) == GR_OK)
    snprintf(l->compiler, sizeof l->compiler, "NVRTC %d.%d (%.500s)", state.nvrtc.major,
             state.nvrtc.minor, state.nvrtc.path);
  else
    snprintf(l->compiler, sizeof l->compiler, "%.1000s", err.message);
  gr_error_clear(&err);
}

/* ---- contexts ---- */

static void drop_modules(cu_gpu *g, bool lost) {
  while (g->kernels) {
    cu_kernels *next = g->kernels->next;
    if (!lost) state.driver.cuModuleUnload(g->kernels->module);
    free(g->kernels->head_copy);
    free(g->kernels);
    g->kernels = next;
  }
}

/* Releases the context with all that is in it.  lost: after a fault, when only a reset helps. */
static void drop_context(cu_gpu *g, bool lost) {
  const cu_driver *d = &state.driver;
  drop_modules(g, lost);
  cu_free_memory(g, lost);
  for (int k = 0; k < 4 && !lost; k++)
    if (g->mark[k]) d->cuEventDestroy_v2(g->mark[k]);
  if (g->stream && !lost) d->cuStreamDestroy_v2(g->stream);
  if (lost) d->cuDevicePrimaryCtxReset_v2(g->device);
  d->cuDevicePrimaryCtxRelease_v2(g->device);
  *g = (cu_gpu){.id = g->id,
                .device = g->device,
                .info = g->info,
                .clock = g->clock,
                .shared_most = g->shared_most,
                .double_ratio = g->double_ratio};
}

static gr_class make_context(cu_gpu *g, gr_error *err) {
  gr_class cls = CU(g, err, cuDevicePrimaryCtxRetain, &g->context, g->device);
  if (cls) return cls;
  g->life = ++state.lives;
  cls = CU(g, err, cuCtxSetCurrent, g->context);
  if (!cls) cls = CU(g, err, cuStreamCreate, &g->stream, CU_STREAM_NON_BLOCKING);
  for (int k = 0; k < 4 && !cls; k++)
    cls = CU(g, err, cuEventCreate, &g->mark[k], CU_EVENT_DEFAULT);
  if (cls && g->fault == CUDA_SUCCESS) drop_context(g, false); /* else cu_end does */
  return cls;
}

gr_class cu_use(int id, cu_gpu **g, gr_error *err) {
  if (id < 0 || id >= state.n)
    return gr_fail(err, ERR_DeviceId, id, state.n, state.n == 1 ? "" : "s");
  *g = &state.gpu[id];
  if ((*g)->life) return CU(*g, err, cuCtxSetCurrent, (*g)->context);
  if (make_context(*g, err) == GR_MEMORY) err->cls = GR_CUDA; /* smaller blocks would not help */
  if (err->cls) (*g)->full = false;
  return err->cls;
}

gr_class cu_begin(gr_error *err) {
  int n;
  if (cu_ready(&n, err) != GR_OK) return err->cls;
  if (state.busy) return gr_fail(err, ERR_CudaBusy);
  state.busy = true;
  if (state.driver.cuCtxGetCurrent(&state.previous) != CUDA_SUCCESS) state.previous = NULL;
  return GR_OK;
}

void cu_end(gr_error *err) {
  char text[256];
  for (int k = 0; k < state.n; k++) {
    cu_gpu *g = &state.gpu[k];
    if (g->fault == CUDA_SUCCESS) continue;
    gr_fail(err, ERR_CudaFault, g->id, g->info.name, g->fault_call, result_text(g->fault, text));
    if (state.previous == g->context) state.previous = NULL;
    drop_context(g, true);
  }
  state.driver.cuCtxSetCurrent(state.previous);
  state.busy = false;
}

cu_gpu *cu_gpu_of(int id, uint64_t life) {
  cu_gpu *g = id >= 0 && id < state.n ? &state.gpu[id] : NULL;
  return g && g->life == life && life && !in_forked_child() ? g : NULL;
}

void cu_shutdown(void) {
  gr_error ignored = {0};
  if (!state.ready || in_forked_child() || cu_begin(&ignored) != GR_OK) return;
  for (int k = 0; k < state.n; k++) {
    cu_gpu *g = &state.gpu[k];
    if (!g->life) continue;
    if (state.previous == g->context) state.previous = NULL;
    if (state.driver.cuCtxSetCurrent(g->context) == CUDA_SUCCESS)
      state.driver.cuStreamSynchronize(g->stream);
    drop_context(g, false);
  }
  cu_end(&ignored);
  gr_error_clear(&ignored);
}

/* ---- modules ---- */

static gr_class find_functions(cu_gpu *g, cu_kernels *k, gr_error *err) {
  const struct {
    cu_function *to;
    const char *name;
  } wanted[] = {{&k->params, "gr_params"},   {&k->rows, "gr_rows"},
                {&k->columns, "gr_columns"}, {&k->pairs, "gr_pairs"},
                {&k->merge, "gr_merge"},     {&k->merge_rows, "gr_merge_rows"},
                {&k->finish, "gr_finish"}};
  for (size_t j = 0; j < sizeof wanted / sizeof *wanted; j++)
    if (CU(g, err, cuModuleGetFunction, wanted[j].to, k->module, wanted[j].name) != GR_OK)
      return err->cls;
  return GR_OK;
}

/* More than 48 KB of shared memory must be asked for kernel by kernel. */
static gr_class prepare_pairs(cu_gpu *g, cu_kernels *k, gr_error *err) {
  enum { PLAIN = 48 << 10 };
  const gr_cuda_layout *l = &k->layout;
  if (l->shared > (size_t)g->shared_most && l->shared > PLAIN)
    return gr_fail(err, ERR_CudaShared, (long long)l->shared, g->id, g->info.name, g->shared_most);
  if (l->shared > PLAIN && CU(g, err, cuFuncSetAttribute, k->pairs,
                              CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)l->shared) != GR_OK)
    return err->cls;
  if (CU(g, err, cuOccupancyMaxActiveBlocksPerMultiprocessor, &k->resident, k->pairs, l->threads,
         l->shared) != GR_OK)
    return err->cls;
  if (k->resident < 1) k->resident = 1;
  return GR_OK;
}

/* Any error other than a fault or out of memory means that the code does not fit the driver or the
 * device. */
static gr_class load_module(cu_gpu *g, cu_kernels *k, const cu_image *image, gr_error *err) {
  char text[256];
  cu_result r = state.driver.cuModuleLoadData(&k->module, image->data);
  if (r == CUDA_SUCCESS || r == CUDA_ERROR_OUT_OF_MEMORY || is_fault(r))
    return cu_result_of(g, r, "cuModuleLoadData", err);
  return gr_fail(err, ERR_CudaLoad, state.driver.version / 1000, state.driver.version % 1000 / 10,
                 state.nvrtc.major, state.nvrtc.minor, g->id, g->info.name, result_text(r, text));
}

static gr_class load_kernels(cu_gpu *g, const char *key, const cu_image *image,
                             const gr_cuda_layout *l, cu_kernels **out, gr_error *err) {
  cu_kernels *k = calloc(1, sizeof *k);
  if (!k) return gr_fail(err, ERR_NoMemory, "a kernel", (long long)sizeof *k);
  memcpy(k->key, key, CU_KEY);
  k->layout = *l;
  gr_class cls = load_module(g, k, image, err);
  if (!cls) cls = find_functions(g, k, err);
  if (!cls) cls = prepare_pairs(g, k, err);
  if (!cls) {
    k->next = g->kernels;
    *out = g->kernels = k;
    return GR_OK;
  }
  if (k->module && g->fault == CUDA_SUCCESS) state.driver.cuModuleUnload(k->module);
  free(k);
  return cls;
}

static gr_class make_kernels(cu_gpu *g, gr_program *p, bool written, const gr_options *opt,
                             cu_kernels **out, gr_report *report, gr_error *err) {
  const cu_target target = {10 * g->info.major + g->info.minor, opt->use_fast_math != 0};
  const char *text;
  char key[CU_KEY];
  cu_image image = {0};
  gr_cuda_layout l;
  if (need_nvrtc(err) != GR_OK || gr_program_cuda(p, written, &text, &l, err) != GR_OK)
    return err->cls;
  cu_make_key(&state.nvrtc, &target, text, key);
  report->origin = GR_FROM_MEMORY;
  for (*out = g->kernels; *out; *out = (*out)->next)
    if (!memcmp((*out)->key, key, CU_KEY)) return GR_OK;
  gr_class cls = cu_compile(&state.nvrtc, &target, text, opt, key, &image, report, err);
  if (cls) return cls;
  cls = image.data ? load_kernels(g, key, &image, &l, out, err)
                   : gr_fail(err, ERR_CudaOld, state.nvrtc.major, state.nvrtc.minor,
                             state.nvrtc.path, g->id, g->info.name, g->info.major, g->info.minor);
  free(image.data);
  return cls;
}

gr_class cu_kernels_of(cu_gpu *g, gr_program *p, bool written, const gr_options *opt,
                       cu_kernels **k, gr_report *report, gr_error *err) {
  int fast = opt->use_fast_math != 0;
  bool remembered = g->id < GR_DEVICES;
  report->origin = GR_FROM_MEMORY;
  if (remembered && p->loaded[written][fast][g->id].life == g->life) {
    *k = p->loaded[written][fast][g->id].kernels;
    return GR_OK;
  }
  if (make_kernels(g, p, written, opt, k, report, err) != GR_OK) return err->cls;
  if (remembered)
    p->loaded[written][fast][g->id].life = g->life, p->loaded[written][fast][g->id].kernels = *k;
  return GR_OK;
}

gr_class cu_compile_program(gr_program *p, const gr_options *opt, gr_report *report,
                            gr_error *err) {
  cu_gpu *g;
  cu_kernels *k;
  if (cu_begin(err) != GR_OK) return err->cls;
  gr_class cls = cu_use(opt->n_devices ? opt->device_ids[0] : 0, &g, err);
  if (!cls) cls = cu_kernels_of(g, p, false, opt, &k, report, err);
  if (cls == GR_MEMORY) err->cls = GR_CUDA;
  cu_end(err);
  return err->cls;
}

const gr_device gr_cuda = {.count = cu_count,
                           .info = cu_info,
                           .libraries = cu_libraries,
                           .run = cu_run,
                           .compile = cu_compile_program,
                           .make = cu_make,
                           .put = cu_put,
                           .get = cu_get,
                           .free = cu_free,
                           .shutdown = cu_shutdown};
