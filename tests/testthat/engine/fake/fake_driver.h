/* fake_driver.h: what the parts of the libcuda that stands in for the driver's share.
 *
 *   fake_cuda.c     devices, contexts, error names, leaks; entry and exit of every function
 *   fake_stream.c   streams, events, and the work given to streams
 *   fake_memory.c   device buffers, pinned memory, copies
 *   fake_module.c   modules, functions, launches
 *
 * Every exported function is `r = enter(FN_name)`, its work where r is CUDA_SUCCESS, and
 * `return leave(FN_name, r)`: enter takes the lock, checks that the process, the context and the
 * device may be used, and injects failures; leave logs the call and releases the lock. */
#ifndef FAKE_DRIVER_H
#define FAKE_DRIVER_H

#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "block.h"
#include "fake.h"

#define SYM(need, result, name, parameters) result name parameters;
CU_DRIVER(SYM)
#undef SYM
#define SYM(need, result, name, parameters) FN_##name,
enum { CU_DRIVER(SYM) FN_COUNT, FN_kernel = FN_COUNT };
#undef SYM

enum {
  DEVICES_MAX = 8,
  GUARD_BYTES = 256, /* before and after each buffer */
  GUARD_FILL = 0xa7,
  SHARED_DEFAULT = 48 << 10, /* bytes of shared memory per block, and with the attribute set */
  SHARED_OPTIN = 227 << 10
};

/* ---- objects ---- */

typedef enum kind { MEMORY, PINNED, MODULE, STREAM, EVENT, KINDS } kind;

/* The first member of everything that has a handle: an entry of the list of living objects. */
typedef struct object {
  kind kind;
  struct object *next;
  cu_context owner;
} object;

struct cu_context_ {
  int device, retained;
  bool alive;      /* false after a reset, until it is retained again */
  cu_result fault; /* of a kernel; from then on every call that needs the context returns it */
};

typedef struct memory {
  object o;
  char *base; /* as malloc gave it; the buffer begins at least GUARD_BYTES behind */
  char *at;
  size_t bytes;
  region region;
} memory;

struct cu_function_ {
  const shim_kernel *kernel;
  struct cu_module_ *module;
  int dynamic; /* the most bytes of dynamic shared memory of a launch */
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
  void *snapshot;   /* a copy that `from` points to and that is freed with the work; or NULL */
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

typedef struct fake_state {
  pthread_mutex_t lock;
  fake_counts counts;
  pid_t process; /* the process that called cuInit; 0: none did */
  struct cu_context_ context[DEVICES_MAX];
  object *objects;
  size_t used[DEVICES_MAX];
  char fault[sizeof((fault *)NULL)->text]; /* why the last kernel failed */
  cu_result after; /* the injected failure of a function that does its work nevertheless */
} fake_state;

#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN fake_state fake_driver;
/* The context of the calling thread.  In the static storage of threads: LeakSanitizer loses its way
 * in what a library that is opened at run time allocates for each thread. */
extern HIDDEN __attribute__((tls_model("initial-exec"))) _Thread_local cu_context current;

/* ---- fake_cuda.c ---- */

/* A new object of the current context, all zero, or NULL; gone removes it from the list. */
HIDDEN void *born(kind k, size_t size);
HIDDEN void gone(object *o);
HIDDEN bool lives(kind k, const void *handle);
HIDDEN cu_result enter(int f);
HIDDEN cu_result leave(int f, cu_result r);
HIDDEN int injected_fault_of_kernel(void); /* the code of the next kernel, or 0 */
HIDDEN int capability(void);               /* 90 for 9.0 */
HIDDEN size_t total_memory(void);          /* bytes of each device */

/* ---- fake_stream.c ---- */

HIDDEN cu_result stream_ok(cu_stream s);
HIDDEN cu_result give(cu_stream s, work what); /* queues work; s = NULL: done at once */
HIDDEN void drain(cu_stream s);                /* does all work of a stream */
HIDDEN void drain_all(cu_context c);           /* of all streams of a context */
HIDDEN void discard(cu_stream s);              /* drops the work of a stream */

/* ---- fake_memory.c ---- */

HIDDEN void end_memory(memory *b);
HIDDEN bool guards_hold(const memory *b);
/* The buffer with its shadow (block.h) that holds this address or whose guard bytes do, or NULL. */
HIDDEN const region *kernel_memory(const void *at);

/* ---- fake_module.c ---- */

HIDDEN void end_module(cu_module m);

#endif
