/* fake_cuda.c: a libcuda that runs kernels on the host (block.c), checks that its caller keeps the
 * rules of the driver API, and reports leaks.
 *
 * Functions are declared by src/cuda/cu_api.h, so that one that is missing or has another type does
 * not compile or link.  Work given to a stream is done as late as the rules allow, when a caller
 * waits for it or asks for it, so that a caller which reads a result or overwrites pinned memory
 * too early gets a wrong result.  Handles must be in the list of living objects.  Memory starts as
 * NaN, between guard bytes that are checked after every kernel.  A kernel that faults makes its
 * context unusable until the device is reset.  A forked child can use nothing.
 *
 * Settings beside GENRED_FAKE_LOG and GENRED_FAKE_FAIL (fake.h), with their defaults:
 *   GENRED_FAKE_DEVICES     number of devices (1)
 *   GENRED_FAKE_MEMORY      bytes of each (1 GiB)
 *   GENRED_FAKE_CAPABILITY  compute capability (90)
 *   GENRED_FAKE_DRIVER      version of the driver (12080)
 *   GENRED_FAKE_EAGER       1: work is done when it is given
 *   GENRED_FAKE_REPORT      a file to which objects alive at the end of the process are appended */
#define _GNU_SOURCE
#include "fake_driver.h"

#define SYM(need, result, name, parameters) #name,
static const char *const names[] = {CU_DRIVER(SYM) "kernel"};
#undef SYM
/* Every function of the table is defined: a missing one is an error of the linker (-z defs). */
#define SYM(need, result, name, parameters) (void (*)(void))name,
extern void (*const fake_cuda_functions[])(void);
void (*const fake_cuda_functions[])(void) = {CU_DRIVER(SYM)};
#undef SYM

fake_state fake_driver = {.lock = PTHREAD_MUTEX_INITIALIZER};
_Thread_local cu_context current;

/* ---- objects ---- */

void *born(kind k, size_t size) {
  object *o = calloc(1, size);
  if (!o) return NULL;
  o->kind = k;
  o->owner = current;
  o->next = fake_driver.objects;
  return fake_driver.objects = o;
}

void gone(object *o) {
  object **at = &fake_driver.objects;
  while (*at != o) at = &(*at)->next;
  *at = o->next;
  free(o);
}

bool lives(kind k, const void *handle) {
  for (const object *o = fake_driver.objects; o; o = o->next)
    if (o == handle) return o->kind == k;
  return false;
}

/* ---- entering and leaving a function ---- */

typedef enum need { NOTHING, INITIALISED, CONTEXT } need;

static need need_of(int f) {
  switch (f) {
  case FN_cuInit: case FN_cuDriverGetVersion: case FN_cuGetErrorName: case FN_cuGetErrorString: return NOTHING;
  case FN_cuDeviceGetCount: case FN_cuDeviceGet: case FN_cuDeviceGetName: case FN_cuDeviceGetAttribute: case FN_cuDeviceTotalMem_v2:
  case FN_cuDevicePrimaryCtxRetain: case FN_cuDevicePrimaryCtxRelease_v2: case FN_cuDevicePrimaryCtxReset_v2: case FN_cuCtxSetCurrent:
  case FN_cuCtxGetCurrent: return INITIALISED;
  default: return CONTEXT;
  }
}

/* The code of an injected failure where none is given: one that the function really returns. */
static cu_result plausible(int f) {
  switch (f) {
  case FN_cuInit: return CUDA_ERROR_NO_DEVICE;
  case FN_cuDevicePrimaryCtxRetain: case FN_cuMemAlloc_v2: case FN_cuMemHostAlloc: case FN_cuStreamCreate: case FN_cuEventCreate: return CUDA_ERROR_OUT_OF_MEMORY;
  case FN_cuModuleLoadData: return CUDA_ERROR_NO_BINARY_FOR_GPU;
  case FN_cuModuleGetFunction: return CUDA_ERROR_NOT_FOUND;
  case FN_cuLaunchKernel: return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  case FN_cuStreamSynchronize: case FN_cuStreamQuery: case FN_cuEventSynchronize: case FN_cuEventQuery: case FN_cuMemcpyDtoHAsync_v2: return CUDA_ERROR_LAUNCH_FAILED;
  case FN_kernel: return CUDA_ERROR_ILLEGAL_ADDRESS;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
}

static cu_result refused(int f) {
  need n = need_of(f);
  if (n == NOTHING && (f != FN_cuInit || !fake_driver.process || fake_driver.process == getpid())) return CUDA_SUCCESS;
  if (fake_driver.process != getpid()) return CUDA_ERROR_NOT_INITIALIZED; /* a fork */
  if (n != CONTEXT) return CUDA_SUCCESS;
  if (!current) return CUDA_ERROR_INVALID_CONTEXT;
  if (!current->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  return current->fault;
}

/* No call can succeed after one of these. */
static bool spoils(cu_result r) {
  return r == CUDA_ERROR_ILLEGAL_ADDRESS || (r >= CUDA_ERROR_LAUNCH_TIMEOUT && r <= CUDA_ERROR_LAUNCH_FAILED);
}

/* Functions that release something do so even where they return an error, one of earlier work. */
static bool gives_back(int f) {
  return f == FN_cuMemFree_v2 || f == FN_cuMemFreeHost || f == FN_cuModuleUnload || f == FN_cuStreamDestroy_v2 || f == FN_cuEventDestroy_v2 ||
         f == FN_cuDevicePrimaryCtxRelease_v2 || f == FN_cuDevicePrimaryCtxReset_v2;
}

cu_result enter(int f) {
  pthread_mutex_lock(&fake_driver.lock);
  cu_result r = refused(f), injected = r ? CUDA_SUCCESS : (cu_result)fake_failure(&fake_driver.counts, f, names[f], plausible(f));
  if (spoils(injected) && need_of(f) == CONTEXT) current->fault = injected;
  fake_driver.after = gives_back(f) ? injected : CUDA_SUCCESS;
  return r ? r : fake_driver.after ? CUDA_SUCCESS : injected;
}

cu_result leave(int f, cu_result r) {
  if (!r) r = fake_driver.after;
  fake_log(names[f], (int)r);
  pthread_mutex_unlock(&fake_driver.lock);
  return r;
}

int injected_fault_of_kernel(void) {
  return fake_failure(&fake_driver.counts, FN_kernel, names[FN_kernel], plausible(FN_kernel));
}

/* ---- devices ---- */

static int devices(void) {
  long n = fake_number("GENRED_FAKE_DEVICES", 1);
  return n < 0 ? 0 : n > DEVICES_MAX ? DEVICES_MAX : (int)n;
}

int capability(void) { return (int)fake_number("GENRED_FAKE_CAPABILITY", 90); }
size_t total_memory(void) { return (size_t)fake_number("GENRED_FAKE_MEMORY", 1l << 30); }

static cu_result do_init(unsigned flags) {
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (devices() == 0) return CUDA_ERROR_NO_DEVICE;
  fake_driver.process = getpid();
  return CUDA_SUCCESS;
}

cu_result cuInit(unsigned flags) {
  cu_result r = enter(FN_cuInit);
  return leave(FN_cuInit, r ? r : do_init(flags));
}

cu_result cuDriverGetVersion(int *version) {
  cu_result r = enter(FN_cuDriverGetVersion);
  if (!r) *version = (int)fake_number("GENRED_FAKE_DRIVER", 12080);
  return leave(FN_cuDriverGetVersion, r);
}

cu_result cuDeviceGetCount(int *count) {
  cu_result r = enter(FN_cuDeviceGetCount);
  if (!r) *count = devices();
  return leave(FN_cuDeviceGetCount, r);
}

static cu_result device_exists(cu_device device) { return device >= 0 && device < devices() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE; }

cu_result cuDeviceGet(cu_device *device, int ordinal) {
  cu_result r = enter(FN_cuDeviceGet);
  if (!r) r = device_exists(ordinal);
  if (!r) *device = ordinal;
  return leave(FN_cuDeviceGet, r);
}

cu_result cuDeviceGetName(char *name, int size, cu_device device) {
  cu_result r = enter(FN_cuDeviceGetName);
  if (!r) r = device_exists(device);
  if (!r) snprintf(name, (size_t)size, "Fake device %d", device);
  return leave(FN_cuDeviceGetName, r);
}

/* The attributes of an H100. */
static cu_result do_attribute(int *value, cu_attribute a, cu_device device) {
  if (device_exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  switch (a) {
  case CU_DEVICE_MAX_THREADS_PER_BLOCK: *value = 1024; break;
  case CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK: *value = SHARED_DEFAULT; break;
  case CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = SHARED_OPTIN; break;
  case CU_DEVICE_CLOCK_RATE: *value = 1980000; break;
  case CU_DEVICE_MULTIPROCESSOR_COUNT: *value = (int)fake_number("GENRED_FAKE_PROCESSORS", 132); break;
  case CU_DEVICE_COMPUTE_CAPABILITY_MAJOR: *value = capability() / 10; break;
  case CU_DEVICE_COMPUTE_CAPABILITY_MINOR: *value = capability() % 10; break;
  case CU_DEVICE_SINGLE_TO_DOUBLE_PERF_RATIO: *value = 2; break;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

cu_result cuDeviceGetAttribute(int *value, cu_attribute attribute, cu_device device) {
  cu_result r = enter(FN_cuDeviceGetAttribute);
  return leave(FN_cuDeviceGetAttribute, r ? r : do_attribute(value, attribute, device));
}

cu_result cuDeviceTotalMem_v2(size_t *bytes, cu_device device) {
  cu_result r = enter(FN_cuDeviceTotalMem_v2);
  if (!r) r = device_exists(device);
  if (!r) *bytes = total_memory();
  return leave(FN_cuDeviceTotalMem_v2, r);
}

/* ---- contexts ---- */

/* Ends everything that a context owns; its work is dropped. */
static void end_all(cu_context c) {
  for (object *o = fake_driver.objects; o; o = o->next)
    if (o->kind == STREAM && o->owner == c) discard((cu_stream)o);
  for (object *o = fake_driver.objects, *next; o; o = next) {
    next = o->next;
    if (o->owner != c) continue;
    if (o->kind <= PINNED) end_memory((memory *)o);
    else if (o->kind == MODULE) end_module((cu_module)o);
    else gone(o);
  }
}

static void end_context(cu_context c) {
  end_all(c);
  c->alive = false;
  c->fault = CUDA_SUCCESS;
  c->retained = 0;
}

static cu_result do_retain(cu_context *context, cu_device device) {
  if (device_exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  cu_context c = &fake_driver.context[device];
  c->device = device;
  c->alive = true;
  c->retained++;
  *context = c;
  return CUDA_SUCCESS;
}

cu_result cuDevicePrimaryCtxRetain(cu_context *context, cu_device device) {
  cu_result r = enter(FN_cuDevicePrimaryCtxRetain);
  return leave(FN_cuDevicePrimaryCtxRetain, r ? r : do_retain(context, device));
}

/* The last release ends the context; by then its owner should have released everything else. */
static cu_result do_release(cu_device device) {
  if (device_exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  cu_context c = &fake_driver.context[device];
  if (c->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--c->retained == 0) c->alive = false;
  return CUDA_SUCCESS;
}

cu_result cuDevicePrimaryCtxRelease_v2(cu_device device) {
  cu_result r = enter(FN_cuDevicePrimaryCtxRelease_v2);
  return leave(FN_cuDevicePrimaryCtxRelease_v2, r ? r : do_release(device));
}

cu_result cuDevicePrimaryCtxReset_v2(cu_device device) {
  cu_result r = enter(FN_cuDevicePrimaryCtxReset_v2);
  if (!r) r = device_exists(device);
  if (!r) end_context(&fake_driver.context[device]);
  return leave(FN_cuDevicePrimaryCtxReset_v2, r);
}

cu_result cuCtxSetCurrent(cu_context context) {
  cu_result r = enter(FN_cuCtxSetCurrent);
  bool known = !context || (context >= fake_driver.context && context < fake_driver.context + DEVICES_MAX);
  if (!r && !known) r = CUDA_ERROR_INVALID_CONTEXT;
  if (!r && context && !context->alive) r = CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (!r) current = context;
  return leave(FN_cuCtxSetCurrent, r);
}

cu_result cuCtxGetCurrent(cu_context *context) {
  cu_result r = enter(FN_cuCtxGetCurrent);
  if (!r) *context = current;
  return leave(FN_cuCtxGetCurrent, r);
}

/* ---- error names ---- */

static const struct {
  cu_result code;
  const char *name, *text;
} results[] = {
#define CODE(name, number, text) {CUDA_##name, "CUDA_" #name, text},
    CU_RESULTS(CODE)
#undef CODE
};

static cu_result words(cu_result result, const char **name, const char **text) {
  for (size_t k = 0; k < sizeof results / sizeof *results; k++) {
    if (results[k].code != result) continue;
    if (name) *name = results[k].name;
    if (text) *text = results[k].text;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

cu_result cuGetErrorName(cu_result result, const char **name) {
  cu_result r = enter(FN_cuGetErrorName);
  return leave(FN_cuGetErrorName, r ? r : words(result, name, NULL));
}

cu_result cuGetErrorString(cu_result result, const char **text) {
  cu_result r = enter(FN_cuGetErrorString);
  return leave(FN_cuGetErrorString, r ? r : words(result, NULL, text));
}

/* ---- leaks ---- */

const char *fake_last_fault(void) { return fake_driver.fault; }

int fake_leaks(char *text, size_t size) {
  static const char *const what[KINDS] = {"device buffers", "pinned buffers", "modules", "streams", "events"};
  int n[KINDS] = {0}, retained = 0, all = 0;
  size_t used = 0;
  for (const object *o = fake_driver.objects; o; o = o->next) n[o->kind]++;
  for (int k = 0; k < DEVICES_MAX; k++) retained += fake_driver.context[k].retained;
  if (size) *text = 0;
  for (int k = 0; k < KINDS; k++) {
    if (n[k] && used < size) used += (size_t)snprintf(text + used, size - used, "%s: %d\n", what[k], n[k]);
    all += n[k];
  }
  if (retained && used < size) snprintf(text + used, size - used, "contexts retained: %d\n", retained);
  return all + retained;
}

__attribute__((destructor)) static void report(void) {
  char text[1000];
  const char *path = getenv("GENRED_FAKE_REPORT");
  if (!path || !*path || fake_driver.process != getpid() || !fake_leaks(text, sizeof text)) return;
  FILE *f = fopen(path, "a");
  if (!f) return;
  fputs(text, f);
  fclose(f);
}
