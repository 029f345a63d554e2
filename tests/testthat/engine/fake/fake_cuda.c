/* fake_cuda.c: a libcuda that runs kernels on the host (block.c), takes what src/cuda asks for to the letter and tells what was left behind.
 *
 * Functions are declared by src/cuda/cu_api.h, so that a missing or a wrong one does not compile or link.  Work given to a stream is done as late
 * as the rules allow, when somebody waits for it or asks: what uses a result too early, or changes pinned memory too early, is seen.  Handles
 * are looked up among the living ones; memory starts as NaN, between guard bytes that are checked after every kernel; a kernel that faults
 * makes its context useless until the device is reset; a forked child can use nothing.  GENRED_FAKE_LOG and GENRED_FAKE_FAIL: fake.h. Besides:
 *   GENRED_FAKE_DEVICES   how many (1)
 *   GENRED_FAKE_MEMORY    bytes of each (1 GiB)
 *   GENRED_FAKE_CAPABILITY  "90"
 *   GENRED_FAKE_DRIVER    its version (12080)
 *   GENRED_FAKE_EAGER     1: work is done when it is given
 *   GENRED_FAKE_REPORT    a file to which what is alive at the end of the process is appended; nothing when all is well */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "block.h"
#include "fake.h"

#define SYM(need, result, name, parameters) result name parameters;
CU_DRIVER(SYM)
#undef SYM
#define SYM(need, result, name, parameters) FN_##name,
enum { CU_DRIVER(SYM) FN_COUNT, FN_kernel = FN_COUNT };
#undef SYM
#define SYM(need, result, name, parameters) #name,
static const char *const names[] = {CU_DRIVER(SYM) "kernel"};
#undef SYM
/* Every function of the table is here: a missing one is an error of the link (-z defs). */
#define SYM(need, result, name, parameters) (void (*)(void))name,
extern void (*const fake_cuda_functions[])(void);
void (*const fake_cuda_functions[])(void) = {CU_DRIVER(SYM)};
#undef SYM

enum { DEVICES_MAX = 8, GUARD_BYTES = 256, GUARD_FILL = 0xa7, SHARED_DEFAULT = 48 << 10, SHARED_OPTIN = 227 << 10, ARGUMENTS_MAX = 32 };

/* ---- what lives ---- */

typedef enum kind { MEMORY, PINNED, MODULE, STREAM, EVENT, KINDS } kind;

/* Everything with a handle begins with this and stands in one list. */
typedef struct object {
  kind kind;
  struct object *next;
  cu_context owner;
} object;

struct cu_context_ {
  int device, retained;
  bool alive;      /* a reset ends it; the next retain makes it anew */
  cu_result fault; /* of a kernel: the answer to everything from then on */
};

typedef struct memory {
  object o;
  char *base; /* as malloc gave it; the buffer begins GUARD_BYTES or more behind */
  char *at;
  size_t bytes;
  region region;
} memory;

struct cu_function_ {
  const shim_kernel *kernel;
  struct cu_module_ *module;
  int dynamic; /* bytes of shared memory that it may be given */
  struct cu_function_ *next;
};

struct cu_module_ {
  object o;
  void *library;
  const shim_kernel *kernels;
  cu_function functions;
};

typedef enum work_kind { COPY, LAUNCH, RECORD, WAIT } work_kind;

typedef struct work {
  work_kind kind;
  struct work *next;
  void *to;         /* COPY */
  const void *from;
  size_t bytes;
  void *snapshot;   /* what `from` points into, if it is ours */
  cu_function function; /* LAUNCH */
  launch launch;
  char *values;
  cu_event event;   /* RECORD, WAIT */
  uint64_t count;
} work;

struct cu_stream_ {
  object o;
  unsigned flags;
  work *first, **last;
};

struct cu_event_ {
  object o;
  unsigned flags;
  uint64_t recorded, done; /* how often */
  cu_stream stream;
  double when;
};

static struct {
  pthread_mutex_t lock;
  fake_counts counts;
  pid_t process; /* that called cuInit; 0: none did */
  struct cu_context_ context[DEVICES_MAX];
  object *objects;
  size_t used[DEVICES_MAX];
  char fault[sizeof((fault *)NULL)->text];
  cu_result after; /* an injected failure of a function that does its work all the same */
} d = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local cu_context current;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *born(kind k, size_t size) {
  object *o = calloc(1, size);
  if (!o) return NULL;
  o->kind = k;
  o->owner = current;
  o->next = d.objects;
  return d.objects = o;
}

static void gone(object *o) {
  object **at = &d.objects;
  while (*at != o) at = &(*at)->next;
  *at = o->next;
  free(o);
}

static bool lives(kind k, const void *handle) {
  for (const object *o = d.objects; o; o = o->next)
    if (o == handle) return o->kind == k;
  return false;
}

static bool function_lives(cu_function f) {
  for (const object *o = d.objects; o; o = o->next)
    if (o->kind == MODULE)
      for (cu_function g = ((cu_module)o)->functions; g; g = g->next)
        if (g == f) return true;
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

/* With what an injected failure of the function looks like a real one. */
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
  if (n == NOTHING && (f != FN_cuInit || !d.process || d.process == getpid())) return CUDA_SUCCESS;
  if (d.process != getpid()) return CUDA_ERROR_NOT_INITIALIZED; /* a fork does not take the driver along */
  if (n != CONTEXT) return CUDA_SUCCESS;
  if (!current) return CUDA_ERROR_INVALID_CONTEXT;
  if (!current->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  return current->fault;
}

static bool spoils(cu_result r) { /* no call can succeed after one of these */
  return r == CUDA_ERROR_ILLEGAL_ADDRESS || (r >= CUDA_ERROR_LAUNCH_TIMEOUT && r <= CUDA_ERROR_LAUNCH_FAILED);
}

/* What gives something back does so whatever it says: an error that it tells is one of earlier work. */
static bool gives_back(int f) {
  return f == FN_cuMemFree_v2 || f == FN_cuMemFreeHost || f == FN_cuModuleUnload || f == FN_cuStreamDestroy_v2 || f == FN_cuEventDestroy_v2 ||
         f == FN_cuDevicePrimaryCtxRelease_v2 || f == FN_cuDevicePrimaryCtxReset_v2;
}

static cu_result enter(int f) {
  pthread_mutex_lock(&d.lock);
  cu_result r = refused(f), injected = r ? CUDA_SUCCESS : (cu_result)fake_failure(&d.counts, f, names[f], plausible(f));
  if (spoils(injected) && need_of(f) == CONTEXT) current->fault = injected;
  d.after = gives_back(f) ? injected : CUDA_SUCCESS;
  return r ? r : d.after ? CUDA_SUCCESS : injected;
}

static cu_result leave(int f, cu_result r) {
  if (!r) r = d.after;
  fake_log(names[f], (int)r);
  pthread_mutex_unlock(&d.lock);
  return r;
}

/* ---- devices ---- */

static int devices(void) {
  long n = fake_number("GENRED_FAKE_DEVICES", 1);
  return n < 0 ? 0 : n > DEVICES_MAX ? DEVICES_MAX : (int)n;
}

static int capability(void) { return (int)fake_number("GENRED_FAKE_CAPABILITY", 90); }
static size_t total_memory(void) { return (size_t)fake_number("GENRED_FAKE_MEMORY", 1l << 30); }

static cu_result do_init(unsigned flags) {
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (devices() == 0) return CUDA_ERROR_NO_DEVICE;
  d.process = getpid();
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

/* Those of an H100. */
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

/* ---- streams: work is done when somebody waits for it ---- */

static void free_work(work *w) {
  free(w->snapshot);
  free(w->values);
  free(w);
}

/* Of kernels that tell of every access; the shadow is made at the first. */
static const region *kernel_memory(const void *at) {
  const char *p = at;
  for (object *o = d.objects; o; o = o->next) {
    memory *b = (memory *)o;
    if (o->kind > PINNED || p < b->at - GUARD_BYTES || p >= b->at + b->bytes + GUARD_BYTES) continue;
    if (!b->region.shadow) b->region = (region){b->at, b->bytes, calloc(b->bytes / SHADOW_PIECE + 1, sizeof(shadow))};
    return &b->region;
  }
  return NULL;
}

static bool guards_hold(const memory *b) {
  for (size_t k = 0; k < GUARD_BYTES; k++)
    if ((unsigned char)b->at[-1 - (long)k] != GUARD_FILL || (unsigned char)b->at[b->bytes + k] != GUARD_FILL) return false;
  return true;
}

static cu_result fault_of(fault_kind k) {
  return k == FAULT_ADDRESS ? CUDA_ERROR_ILLEGAL_ADDRESS : k == FAULT_INSTRUCTION ? CUDA_ERROR_ILLEGAL_INSTRUCTION : CUDA_ERROR_LAUNCH_FAILED;
}

/* Runs a kernel; afterwards no guard of any buffer may have changed. */
static cu_result run_kernel(const work *w) {
  fault why = {.kind = FAULT_NONE};
  int code = fake_failure(&d.counts, FN_kernel, names[FN_kernel], plausible(FN_kernel));
  const char *name = w->function->kernel->name;
  if (code) snprintf(d.fault, sizeof d.fault, "%s: injected", name);
  if (code) return (cu_result)code;
  bool ok = block_run(&w->launch, &why);
  for (const object *o = d.objects; ok && o; o = o->next)
    if (o->kind <= PINNED && !guards_hold((const memory *)o)) {
      why = (fault){.kind = FAULT_ADDRESS};
      snprintf(why.text, sizeof why.text, "writes outside of a buffer of %zu bytes", ((const memory *)o)->bytes);
      ok = false;
    }
  if (ok) return CUDA_SUCCESS;
  snprintf(d.fault, sizeof d.fault, "%.40s: %.340s", name, why.text);
  if (fake_number("GENRED_FAKE_VERBOSE", 0)) fprintf(stderr, "%s\n", d.fault);
  return fault_of(why.kind);
}

static void advance(cu_stream s);

static void advance_until(cu_event e, uint64_t count) {
  while (e->done < count && e->stream && e->stream->first) advance(e->stream);
}

/* The oldest piece of work of a stream. After a fault nothing is done any more. */
static void advance(cu_stream s) {
  work *w = s->first;
  if (!w) return;
  s->first = w->next;
  if (!s->first) s->last = &s->first;
  cu_context c = s->o.owner;
  switch (w->kind) {
  case COPY:
    if (!c->fault) memcpy(w->to, w->from, w->bytes);
    break;
  case LAUNCH:
    if (!c->fault) c->fault = run_kernel(w);
    break;
  case RECORD:
    if (w->event->done < w->count) w->event->done = w->count;
    w->event->when = now();
    break;
  case WAIT: advance_until(w->event, w->count); break;
  }
  free_work(w);
}

static void drain(cu_stream s) {
  while (s->first) advance(s);
}

static void drain_all(cu_context c) {
  for (object *o = d.objects; o; o = o->next)
    if (o->kind == STREAM && o->owner == c) drain((cu_stream)o);
}

/* Gives a stream work. Stream 0 waits for all others and is done at once. */
static cu_result give(cu_stream s, work what) {
  struct cu_stream_ own = {.o = {.kind = STREAM, .owner = current}};
  own.last = &own.first;
  work *w = malloc(sizeof *w);
  if (!w) return CUDA_ERROR_OUT_OF_MEMORY;
  *w = what;
  w->next = NULL;
  if (!s) drain_all(current);
  cu_stream to = s ? s : &own;
  *to->last = w;
  to->last = &w->next;
  if (!s || fake_number("GENRED_FAKE_EAGER", 0)) drain(to);
  return current->fault;
}

static cu_result stream_ok(cu_stream s) { return !s || lives(STREAM, s) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE; }

static cu_result do_stream_create(cu_stream *stream, unsigned flags) {
  if (flags & ~(unsigned)CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  cu_stream s = born(STREAM, sizeof *s);
  if (!s) return CUDA_ERROR_OUT_OF_MEMORY;
  s->flags = flags;
  s->last = &s->first;
  *stream = s;
  return CUDA_SUCCESS;
}

cu_result cuStreamCreate(cu_stream *stream, unsigned flags) {
  cu_result r = enter(FN_cuStreamCreate);
  return leave(FN_cuStreamCreate, r ? r : do_stream_create(stream, flags));
}

static cu_result end_stream(cu_stream s) {
  drain(s);
  for (object *o = d.objects; o; o = o->next)
    if (o->kind == EVENT && ((cu_event)o)->stream == s) ((cu_event)o)->stream = NULL;
  gone(&s->o);
  return CUDA_SUCCESS;
}

cu_result cuStreamDestroy_v2(cu_stream stream) {
  cu_result r = enter(FN_cuStreamDestroy_v2);
  if (!r) r = lives(STREAM, stream) ? end_stream(stream) : CUDA_ERROR_INVALID_HANDLE;
  return leave(FN_cuStreamDestroy_v2, r);
}

static cu_result do_synchronize(cu_stream s) {
  if (stream_ok(s)) return CUDA_ERROR_INVALID_HANDLE;
  if (s) drain(s);
  else drain_all(current);
  return current->fault;
}

cu_result cuStreamSynchronize(cu_stream stream) {
  cu_result r = enter(FN_cuStreamSynchronize);
  return leave(FN_cuStreamSynchronize, r ? r : do_synchronize(stream));
}

/* Whoever asks often enough sees the end. */
static cu_result do_query(cu_stream s) {
  if (stream_ok(s)) return CUDA_ERROR_INVALID_HANDLE;
  bool busy = s && s->first;
  if (busy) advance(s);
  return current->fault ? current->fault : busy ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

cu_result cuStreamQuery(cu_stream stream) {
  cu_result r = enter(FN_cuStreamQuery);
  return leave(FN_cuStreamQuery, r ? r : do_query(stream));
}

static cu_result do_wait(cu_stream s, cu_event e, unsigned flags) {
  if (stream_ok(s) || !lives(EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  return give(s, (work){.kind = WAIT, .event = e, .count = e->recorded});
}

cu_result cuStreamWaitEvent(cu_stream stream, cu_event event, unsigned flags) {
  cu_result r = enter(FN_cuStreamWaitEvent);
  return leave(FN_cuStreamWaitEvent, r ? r : do_wait(stream, event, flags));
}

/* ---- events ---- */

static cu_result do_event_create(cu_event *event, unsigned flags) {
  if (flags & ~3u) return CUDA_ERROR_INVALID_VALUE;
  cu_event e = born(EVENT, sizeof *e);
  if (!e) return CUDA_ERROR_OUT_OF_MEMORY;
  e->flags = flags;
  *event = e;
  return CUDA_SUCCESS;
}

cu_result cuEventCreate(cu_event *event, unsigned flags) {
  cu_result r = enter(FN_cuEventCreate);
  return leave(FN_cuEventCreate, r ? r : do_event_create(event, flags));
}

static cu_result do_record(cu_event e, cu_stream s) {
  if (stream_ok(s) || !lives(EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  if (s && s->o.owner != e->o.owner) return CUDA_ERROR_INVALID_HANDLE;
  e->stream = s;
  return give(s, (work){.kind = RECORD, .event = e, .count = ++e->recorded});
}

cu_result cuEventRecord(cu_event event, cu_stream stream) {
  cu_result r = enter(FN_cuEventRecord);
  return leave(FN_cuEventRecord, r ? r : do_record(event, stream));
}

static cu_result do_event_query(cu_event e) {
  if (!lives(EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  bool busy = e->done < e->recorded;
  if (busy && e->stream) advance(e->stream);
  return current->fault ? current->fault : busy ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

cu_result cuEventQuery(cu_event event) {
  cu_result r = enter(FN_cuEventQuery);
  return leave(FN_cuEventQuery, r ? r : do_event_query(event));
}

static cu_result do_event_synchronize(cu_event e) {
  if (!lives(EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  advance_until(e, e->recorded);
  return current->fault;
}

cu_result cuEventSynchronize(cu_event event) {
  cu_result r = enter(FN_cuEventSynchronize);
  return leave(FN_cuEventSynchronize, r ? r : do_event_synchronize(event));
}

static cu_result do_elapsed(float *milliseconds, cu_event a, cu_event b) {
  if (!lives(EVENT, a) || !lives(EVENT, b) || (a->flags | b->flags) & CU_EVENT_DISABLE_TIMING || !a->recorded || !b->recorded) return CUDA_ERROR_INVALID_HANDLE;
  if (a->done < a->recorded || b->done < b->recorded) return CUDA_ERROR_NOT_READY;
  *milliseconds = (float)(1e3 * (b->when - a->when));
  return CUDA_SUCCESS;
}

cu_result cuEventElapsedTime(float *milliseconds, cu_event start, cu_event end) {
  cu_result r = enter(FN_cuEventElapsedTime);
  return leave(FN_cuEventElapsedTime, r ? r : do_elapsed(milliseconds, start, end));
}

static cu_result end_event(cu_event e) {
  drain_all(e->o.owner); /* work that knows it */
  gone(&e->o);
  return CUDA_SUCCESS;
}

cu_result cuEventDestroy_v2(cu_event event) {
  cu_result r = enter(FN_cuEventDestroy_v2);
  if (!r) r = lives(EVENT, event) ? end_event(event) : CUDA_ERROR_INVALID_HANDLE;
  return leave(FN_cuEventDestroy_v2, r);
}

/* ---- memory ---- */

static memory *new_memory(kind k, size_t bytes) {
  memory *b = born(k, sizeof *b);
  char *p = b ? malloc(bytes + 2 * GUARD_BYTES + 256) : NULL;
  if (b && !p) gone(&b->o);
  if (!p) return NULL;
  b->base = p;
  b->at = (char *)(((uintptr_t)p + GUARD_BYTES + 255) & ~(uintptr_t)255);
  b->bytes = bytes;
  memset(b->at - GUARD_BYTES, GUARD_FILL, GUARD_BYTES);
  memset(b->at, FAKE_POISON, bytes);
  memset(b->at + bytes, GUARD_FILL, GUARD_BYTES);
  return b;
}

static void end_memory(memory *b) {
  if (b->o.kind == MEMORY) d.used[b->o.owner->device] -= b->bytes;
  memset(b->at, FAKE_POISON, b->bytes);
  free(b->base);
  free(b->region.shadow);
  gone(&b->o);
}

/* The buffer of that kind which holds the bytes, or NULL; with bytes = 0 the one that begins there. */
static memory *holder(kind k, const void *at, size_t bytes) {
  const char *p = at;
  for (object *o = d.objects; o; o = o->next) {
    memory *b = (memory *)o;
    if (o->kind == k && (bytes ? p >= b->at && p < b->at + b->bytes && bytes <= (size_t)(b->at + b->bytes - p) : p == b->at)) return b;
  }
  return NULL;
}

static cu_result do_alloc(cu_address *address, size_t bytes) {
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  size_t *used = &d.used[current->device];
  if (bytes > total_memory() || *used > total_memory() - bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  memory *b = new_memory(MEMORY, bytes);
  if (!b) return CUDA_ERROR_OUT_OF_MEMORY;
  *used += bytes;
  *address = (cu_address)(uintptr_t)b->at;
  return CUDA_SUCCESS;
}

cu_result cuMemAlloc_v2(cu_address *address, size_t bytes) {
  cu_result r = enter(FN_cuMemAlloc_v2);
  return leave(FN_cuMemAlloc_v2, r ? r : do_alloc(address, bytes));
}

static cu_result free_memory(kind k, const void *at) {
  memory *b = holder(k, at, 0);
  if (!b) return CUDA_ERROR_INVALID_VALUE;
  drain_all(b->o.owner);
  bool ok = guards_hold(b);
  end_memory(b);
  if (!ok) snprintf(d.fault, sizeof d.fault, "a buffer was written outside of its bounds");
  return ok ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
}

cu_result cuMemFree_v2(cu_address address) {
  cu_result r = enter(FN_cuMemFree_v2);
  if (!r && address) r = free_memory(MEMORY, (void *)(uintptr_t)address);
  return leave(FN_cuMemFree_v2, r);
}

cu_result cuMemGetInfo_v2(size_t *free, size_t *total) {
  cu_result r = enter(FN_cuMemGetInfo_v2);
  if (!r) {
    size_t used = d.used[current->device];
    *total = total_memory();
    *free = used < *total ? *total - used : 0;
  }
  return leave(FN_cuMemGetInfo_v2, r);
}

static cu_result do_host_alloc(void **at, size_t bytes, unsigned flags) {
  if (!bytes || flags & ~7u) return CUDA_ERROR_INVALID_VALUE;
  memory *b = new_memory(PINNED, bytes);
  if (!b) return CUDA_ERROR_OUT_OF_MEMORY;
  *at = b->at;
  return CUDA_SUCCESS;
}

cu_result cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  cu_result r = enter(FN_cuMemHostAlloc);
  return leave(FN_cuMemHostAlloc, r ? r : do_host_alloc(memory, bytes, flags));
}

cu_result cuMemFreeHost(void *memory) {
  cu_result r = enter(FN_cuMemFreeHost);
  if (!r) r = free_memory(PINNED, memory);
  return leave(FN_cuMemFreeHost, r);
}

/* Host memory that is not pinned is read when the call is made, and written before it returns. */
static cu_result copy(void *to, const void *from, size_t bytes, cu_stream s, bool reads_host, bool writes_host) {
  if (stream_ok(s)) return CUDA_ERROR_INVALID_HANDLE;
  if (bytes == 0) return CUDA_SUCCESS;
  if ((!reads_host && !holder(MEMORY, from, bytes)) || (!writes_host && !holder(MEMORY, to, bytes))) return CUDA_ERROR_INVALID_VALUE;
  work w = {.kind = COPY, .to = to, .from = from, .bytes = bytes};
  if (reads_host && !holder(PINNED, from, bytes)) {
    w.snapshot = malloc(bytes);
    if (!w.snapshot) return CUDA_ERROR_OUT_OF_MEMORY;
    w.from = memcpy(w.snapshot, from, bytes);
  }
  cu_result r = give(s, w);
  if (s && writes_host && !holder(PINNED, to, bytes)) drain(s);
  return r ? r : current->fault;
}

cu_result cuMemcpyHtoDAsync_v2(cu_address to, const void *from, size_t bytes, cu_stream stream) {
  cu_result r = enter(FN_cuMemcpyHtoDAsync_v2);
  return leave(FN_cuMemcpyHtoDAsync_v2, r ? r : copy((void *)(uintptr_t)to, from, bytes, stream, true, false));
}

cu_result cuMemcpyDtoHAsync_v2(void *to, cu_address from, size_t bytes, cu_stream stream) {
  cu_result r = enter(FN_cuMemcpyDtoHAsync_v2);
  return leave(FN_cuMemcpyDtoHAsync_v2, r ? r : copy(to, (void *)(uintptr_t)from, bytes, stream, false, true));
}

cu_result cuMemcpyDtoDAsync_v2(cu_address to, cu_address from, size_t bytes, cu_stream stream) {
  cu_result r = enter(FN_cuMemcpyDtoDAsync_v2);
  return leave(FN_cuMemcpyDtoDAsync_v2, r ? r : copy((void *)(uintptr_t)to, (void *)(uintptr_t)from, bytes, stream, false, false));
}

/* ---- modules ---- */

static size_t elf_size(const void *image) {
  Elf64_Ehdr h;
  memcpy(&h, image, sizeof h);
  if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0) return 0;
  return h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* The bytes of the object that a fake PTX stands for; malloc'ed. */
static char *from_ptx(const char *s, size_t *bytes) {
  static const char head[] = "// fake PTX\n";
  if (strncmp(s, head, strlen(head)) != 0) return NULL;
  s += strlen(head);
  *bytes = strlen(s) / 2;
  char *out = malloc(*bytes + 1);
  for (size_t k = 0; out && k < *bytes; k++) out[k] = (char)(digit(s[2 * k]) << 4 | digit(s[2 * k + 1]));
  return out;
}

/* Writes the object to a file that is gone once it is loaded. */
static void *load_library(const void *object, size_t bytes) {
  const char *tmp = getenv("TMPDIR");
  char path[2048];
  snprintf(path, sizeof path, "%s/fake-module-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  int file = mkstemp(path);
  if (file < 0) return NULL;
  void *library = write(file, object, bytes) == (ssize_t)bytes ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!library && fake_number("GENRED_FAKE_VERBOSE", 0)) fprintf(stderr, "%s\n", dlerror());
  close(file);
  unlink(path);
  return library;
}

/* A cubin runs on devices of its generation, PTX on all that are not older. */
static bool fits(int arch, bool ptx) { return arch <= capability() && (ptx || arch / 10 == capability() / 10); }

static cu_result load(cu_module *module, const void *image) {
  size_t bytes = elf_size(image);
  char *decoded = bytes ? NULL : from_ptx(image, &bytes);
  if (!bytes || (memcmp(image, "//", 2) == 0 && !decoded)) return CUDA_ERROR_INVALID_IMAGE;
  void *library = load_library(decoded ? decoded : image, bytes);
  free(decoded);
  if (!library) return CUDA_ERROR_INVALID_IMAGE;
  const int *arch = dlsym(library, "shim_arch");
  const shim_kernel *kernels = dlsym(library, "shim_kernels");
  void (*bind)(shim_host *);
  *(void **)&bind = dlsym(library, "shim_bind");
  cu_result r = !arch || !kernels || !bind ? CUDA_ERROR_INVALID_IMAGE : fits(*arch, decoded != NULL) ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
  cu_module m = r ? NULL : born(MODULE, sizeof *m);
  if (!m) {
    dlclose(library);
    return r ? r : CUDA_ERROR_OUT_OF_MEMORY;
  }
  bind(block_host());
  m->library = library;
  m->kernels = kernels;
  *module = m;
  return CUDA_SUCCESS;
}

cu_result cuModuleLoadData(cu_module *module, const void *image) {
  cu_result r = enter(FN_cuModuleLoadData);
  return leave(FN_cuModuleLoadData, r ? r : load(module, image));
}

static void end_module(cu_module m) {
  for (cu_function f = m->functions, next; f; f = next) {
    next = f->next;
    free(f);
  }
  dlclose(m->library);
  gone(&m->o);
}

static cu_result do_unload(cu_module m) {
  if (!lives(MODULE, m)) return CUDA_ERROR_INVALID_HANDLE;
  drain_all(m->o.owner);
  end_module(m);
  return CUDA_SUCCESS;
}

cu_result cuModuleUnload(cu_module module) {
  cu_result r = enter(FN_cuModuleUnload);
  return leave(FN_cuModuleUnload, r ? r : do_unload(module));
}

static cu_result do_get_function(cu_function *function, cu_module m, const char *name) {
  if (!lives(MODULE, m)) return CUDA_ERROR_INVALID_HANDLE;
  const shim_kernel *k = m->kernels;
  while (k->name && strcmp(k->name, name) != 0) k++;
  if (!k->name) return CUDA_ERROR_NOT_FOUND;
  cu_function f = calloc(1, sizeof *f);
  if (!f) return CUDA_ERROR_OUT_OF_MEMORY;
  *f = (struct cu_function_){.kernel = k, .module = m, .dynamic = SHARED_DEFAULT, .next = m->functions};
  *function = m->functions = f;
  return CUDA_SUCCESS;
}

cu_result cuModuleGetFunction(cu_function *function, cu_module module, const char *name) {
  cu_result r = enter(FN_cuModuleGetFunction);
  return leave(FN_cuModuleGetFunction, r ? r : do_get_function(function, module, name));
}

static int threads_most(cu_function f) { return f->kernel->threads ? (int)f->kernel->threads : 1024; }

static cu_result do_function_attribute(int *value, cu_function_attribute a, cu_function f) {
  if (!function_lives(f)) return CUDA_ERROR_INVALID_HANDLE;
  switch (a) {
  case CU_FUNC_MAX_THREADS_PER_BLOCK: *value = threads_most(f); break;
  case CU_FUNC_SHARED_SIZE_BYTES: case CU_FUNC_LOCAL_SIZE_BYTES: *value = 0; break;
  case CU_FUNC_NUM_REGS: *value = 64; break;
  case CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = f->dynamic; break;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

cu_result cuFuncGetAttribute(int *value, cu_function_attribute attribute, cu_function function) {
  cu_result r = enter(FN_cuFuncGetAttribute);
  return leave(FN_cuFuncGetAttribute, r ? r : do_function_attribute(value, attribute, function));
}

cu_result cuFuncSetAttribute(cu_function function, cu_function_attribute attribute, int value) {
  cu_result r = enter(FN_cuFuncSetAttribute);
  if (!r && !function_lives(function)) r = CUDA_ERROR_INVALID_HANDLE;
  if (!r && (attribute != CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value > SHARED_OPTIN)) r = CUDA_ERROR_INVALID_VALUE;
  if (!r) function->dynamic = value;
  return leave(FN_cuFuncSetAttribute, r);
}

/* By threads, registers (64 a thread) and shared memory. */
static cu_result do_occupancy(int *blocks, cu_function f, int threads, size_t shared) {
  if (!function_lives(f)) return CUDA_ERROR_INVALID_HANDLE;
  if (threads <= 0 || threads > 1024) return CUDA_ERROR_INVALID_VALUE;
  int by_threads = 1024 / ((threads + 31) / 32 * 32), by_shared = (int)((228u << 10) / (shared + 1024));
  *blocks = threads > threads_most(f) || shared > (size_t)f->dynamic ? 0 : by_threads < by_shared ? by_threads : by_shared;
  return CUDA_SUCCESS;
}

cu_result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, cu_function function, int threads, size_t shared) {
  cu_result r = enter(FN_cuOccupancyMaxActiveBlocksPerMultiprocessor);
  return leave(FN_cuOccupancyMaxActiveBlocksPerMultiprocessor, r ? r : do_occupancy(blocks, function, threads, shared));
}

/* ---- launches ---- */

/* The arguments' values, which are taken when the kernel is launched: addresses, then what they point to. */
static char *take_arguments(const unsigned *sizes, void **arguments) {
  size_t n = 0, bytes = 0;
  while (sizes[n]) bytes += (sizes[n++] + 15u) & ~15u;
  if (n > ARGUMENTS_MAX || (n && !arguments)) return NULL;
  char *out = malloc(ARGUMENTS_MAX * sizeof(void *) + bytes), *at = out + ARGUMENTS_MAX * sizeof(void *);
  for (size_t k = 0; out && k < n; k++) {
    ((void **)out)[k] = at;
    memcpy(at, arguments[k], sizes[k]);
    at += (sizes[k] + 15u) & ~15u;
  }
  return out;
}

static cu_result do_launch(cu_function f, shim_dim grid, shim_dim block, unsigned shared, cu_stream s, void **arguments) {
  uint64_t threads = (uint64_t)block.x * block.y * block.z;
  if (!function_lives(f) || stream_ok(s)) return CUDA_ERROR_INVALID_HANDLE;
  if (f->module->o.owner != current || (s && s->o.owner != current)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!grid.x || !grid.y || !grid.z || !threads || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return CUDA_ERROR_INVALID_VALUE;
  if (threads > 1024 || block.z > 64 || shared > (unsigned)f->dynamic) return CUDA_ERROR_INVALID_VALUE;
  if (threads > (uint64_t)threads_most(f)) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  char *values = take_arguments(f->kernel->sizes, arguments);
  if (!values) return CUDA_ERROR_INVALID_VALUE;
  launch l = {.enter = f->kernel->enter, .arguments = (void **)values, .grid = grid, .block = block, .shared = shared, .find = kernel_memory};
  return give(s, (work){.kind = LAUNCH, .function = f, .launch = l, .values = values});
}

cu_result cuLaunchKernel(cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                         unsigned shared, cu_stream stream, void **arguments, void **extra) {
  cu_result r = enter(FN_cuLaunchKernel);
  if (!r && extra) r = CUDA_ERROR_INVALID_VALUE;
  if (!r) r = do_launch(function, (shim_dim){grid_x, grid_y, grid_z}, (shim_dim){block_x, block_y, block_z}, shared, stream, arguments);
  return leave(FN_cuLaunchKernel, r);
}

/* ---- contexts ---- */

/* Everything that a context owns, without finishing its work. */
static void end_all(cu_context c) {
  for (object *o = d.objects; o; o = o->next)
    while (o->kind == STREAM && o->owner == c && ((cu_stream)o)->first) {
      cu_stream s = (cu_stream)o;
      work *w = s->first;
      s->first = w->next;
      free_work(w);
    }
  for (object *o = d.objects, *next; o; o = next) {
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
  cu_context c = &d.context[device];
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

/* The last release ends the context, and with it what it owns: by then nothing should be there. */
static cu_result do_release(cu_device device) {
  if (device_exists(device)) return CUDA_ERROR_INVALID_DEVICE;
  cu_context c = &d.context[device];
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
  if (!r) end_context(&d.context[device]);
  return leave(FN_cuDevicePrimaryCtxReset_v2, r);
}

cu_result cuCtxSetCurrent(cu_context context) {
  cu_result r = enter(FN_cuCtxSetCurrent);
  bool known = !context || (context >= d.context && context < d.context + DEVICES_MAX);
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

/* ---- words ---- */

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

/* ---- what was left behind ---- */

const char *fake_last_fault(void) { return d.fault; }

int fake_leaks(char *text, size_t size) {
  static const char *const what[KINDS] = {"device buffers", "pinned buffers", "modules", "streams", "events"};
  int n[KINDS] = {0}, retained = 0, all = 0;
  size_t used = 0;
  for (const object *o = d.objects; o; o = o->next) n[o->kind]++;
  for (int k = 0; k < DEVICES_MAX; k++) retained += d.context[k].retained;
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
  if (!path || !*path || d.process != getpid() || !fake_leaks(text, sizeof text)) return;
  FILE *f = fopen(path, "a");
  if (!f) return;
  fputs(text, f);
  fclose(f);
}
