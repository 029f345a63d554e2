/* block.c: runs the blocks of a kernel on the host, one after the other.  Every thread of a block
 * is a fiber with its own stack; barriers and shuffles switch between fibers.
 *
 * Owns the stacks, which are kept for the next launch, and the shared memory of the running block,
 * which starts as NaN and lies between guard bytes.  A fiber runs until it waits; the schedule
 * chooses the next one: in order, in reverse, or at random from a fixed seed.
 *
 * Faults are: threads that wait at different barriers, a deadlock, writes past shared memory, and
 * bad addresses.  Kernels compiled with SHIM_CHECK report every memory access; further faults are
 * then data races on shared memory (two accesses, one a write, that no barrier orders), reads of
 * uninitialized shared memory, and accesses outside of the buffers of the caller.
 *
 * One launch at a time: the caller holds a lock.  Fibers are switched as in Engelschall, "Portable
 * multithreading" (2000): a context is made once, and setjmp and longjmp do the rest. */
#define _GNU_SOURCE
#include "block.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { THREADS_MAX = 1024, WARP = 32, STACK = 512 << 10, PAGE = 64 << 10, GUARD = 256, SHARED_MAX = 256 << 10 };

/* gcc's built-in jumps save three words, and sanitizers do not intercept them. */
#if defined(__GNUC__) && !defined(__clang__)
typedef void *jump[5];
#define JUMP_SAVE(b) __builtin_setjmp(b)
#define JUMP(b) __builtin_longjmp(b, 1)
#define ALONE __attribute__((noipa)) /* no interprocedural register allocation */
#else
typedef jmp_buf jump;
#define JUMP_SAVE(b) _setjmp(b)
#define JUMP(b) _longjmp(b, 1)
#define ALONE __attribute__((noinline))
#endif

typedef enum state { READY, AT_BARRIER, AT_WARP, DONE } state;

typedef struct fiber {
  jump at;
  char *stack;
  ucontext_t start;
  bool made;
  state state;
  int line;       /* where it waits */
  int yes;        /* of its barrier */
  shim_warp_op op;
  unsigned mask;
  shim_bits bits; /* what it gives to its warp, then what it receives */
  int arg, width;
} fiber;

static struct machine {
  shim_host host;
  fiber fiber[THREADS_MAX];
  jump scheduler;
  ucontext_t origin;
  sigjmp_buf signalled;
  int running, threads, done;
  void (*enter)(void **);
  void **arguments;
  find_region *find;
  fault fault;
  unsigned random;
  int order[THREADS_MAX];
  /* barriers so far; at the start of the launch; of the block */
  uint32_t epoch, launch_epoch, block_epoch;
  uint32_t warp_epoch[THREADS_MAX / WARP];
  size_t shared_size;
  shadow shadow[SHARED_MAX / SHADOW_PIECE + 1];
  char shared[SHARED_MAX + 2 * GUARD] __attribute__((aligned(1024)));
} m;

/* ---- switching ---- */

/* gcc requires setjmp and longjmp on a buffer to be in different functions. */
static ALONE void leave_fiber(void) { JUMP(m.scheduler); }

static ALONE void to_scheduler(void) {
  if (JUMP_SAVE(m.fiber[m.running].at) == 0) leave_fiber();
}

static ALONE void fail(fault_kind kind, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Ends the launch: none of its fibers runs again. */
static void fail(fault_kind kind, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  m.fault.kind = kind;
  int n = snprintf(m.fault.text, sizeof m.fault.text, "block (%u, %u, %u), thread %d: ", m.host.block.x, m.host.block.y, m.host.block.z, m.running);
  vsnprintf(m.fault.text + n, sizeof m.fault.text - (size_t)n, fmt, ap);
  va_end(ap);
  leave_fiber();
  abort();
}

/* The loop of a fiber: one kernel after the other.  It is left in to_scheduler, after a fault for
 * good. */
static void live(void) {
  for (;;) {
    m.enter(m.arguments);
    m.fiber[m.running].state = DONE;
    m.done++;
    to_scheduler();
  }
}

static ALONE void start(fiber *f) {
  getcontext(&f->start);
  f->start.uc_stack.ss_sp = f->stack + PAGE;
  f->start.uc_stack.ss_size = STACK;
  f->start.uc_link = &m.origin;
  makecontext(&f->start, live, 0);
  f->made = true;
  swapcontext(&m.origin, &f->start);
}

static ALONE void enter_fiber(int t) {
  fiber *f = &m.fiber[t];
  if (f->made) JUMP(f->at);
  start(f);
}

/* Calls f; control comes back when f returns or jumps to the scheduler. */
static ALONE void until_left(void (*f)(int), int t) {
  if (JUMP_SAVE(m.scheduler) == 0) f(t);
}

static void run_fiber(int t) {
  shim_host *h = &m.host;
  unsigned u = (unsigned)t;
  m.running = t;
  h->thread = (shim_dim){u % h->block_dim.x, u / h->block_dim.x % h->block_dim.y, u / h->block_dim.x / h->block_dim.y};
  until_left(enter_fiber, t);
}

/* ---- waiting ---- */

static void wait_as(state s, int line) {
  fiber *f = &m.fiber[m.running];
  f->state = s;
  f->line = line;
  to_scheduler();
}

static int barrier(int yes, int line) {
  m.fiber[m.running].yes = yes;
  wait_as(AT_BARRIER, line);
  return m.fiber[m.running].yes;
}

/* The lane that a shuffle reads: its own where the wanted one is outside of its segment. */
static int source(const fiber *f, int lane) {
  int first = lane & ~(f->width - 1), last = first + f->width - 1, from = lane;
  switch (f->op) {
  case SHIM_IDX: return first + (f->arg & (f->width - 1));
  case SHIM_UP: from = lane - f->arg; return from >= first ? from : lane;
  case SHIM_DOWN: from = lane + f->arg; return from <= last ? from : lane;
  case SHIM_XOR: from = lane ^ f->arg; return from <= last ? from : lane;
  default: return lane;
  }
}

/* All lanes of the mask have arrived: each gets what it asked for.  A lane outside of the mask has
 * no defined value. */
static void exchange(int first, unsigned mask) {
  shim_bits brought[WARP], ballot = 0;
  for (int l = 0; l < WARP; l++) {
    brought[l] = mask >> l & 1 ? m.fiber[first + l].bits : ~0ull;
    if (mask >> l & 1 && m.fiber[first + l].bits) ballot |= 1ull << l;
  }
  for (int l = 0; l < WARP; l++) {
    fiber *f = &m.fiber[first + l];
    if (!(mask >> l & 1)) continue;
    f->bits = f->op <= SHIM_BALLOT ? ballot : brought[source(f, l)];
    f->state = READY;
  }
}

static unsigned present(int first) { /* lanes that the block has */
  int n = m.threads - first;
  return n >= WARP ? 0xffffffffu : (1u << n) - 1;
}

static shim_bits warp(shim_warp_op op, unsigned mask, shim_bits bits, int arg, int width, int line) {
  int lane = m.running % WARP, first = m.running - lane;
  fiber *f = &m.fiber[m.running];
  if (!(mask >> lane & 1)) fail(FAULT_LAUNCH, "line %d: lane %d is not in its own mask %08x", line, lane, mask);
  mask &= present(first);
  f->op = op, f->mask = mask, f->bits = bits, f->arg = arg, f->width = width;
  f->state = AT_WARP, f->line = line;
  for (int l = 0; l < WARP; l++) {
    const fiber *g = &m.fiber[first + l];
    if (!(mask >> l & 1)) continue;
    if (g->state != AT_WARP) {
      to_scheduler();
      return f->bits;
    }
    if (g->line != line || g->op != op || g->mask != mask)
      fail(FAULT_LAUNCH, "lanes %d and %d of a warp wait for each other at lines %d and %d with masks %08x and %08x", lane, l, line, g->line, mask, g->mask);
  }
  exchange(first, mask);
  if (op == SHIM_SYNC && mask == present(first)) m.warp_epoch[first / WARP]++;
  return f->bits;
}

static unsigned active(void) {
  int first = m.running / WARP * WARP;
  unsigned mask = 0;
  for (int l = 0; l < WARP && first + l < m.threads; l++)
    if (m.fiber[first + l].state != DONE) mask |= 1u << l;
  return mask;
}

static void trap(const char *what) { fail(FAULT_LAUNCH, "%s", what); }

/* No fiber can go on alone; where all wait at the same barrier, it releases them. */
static ALONE void release_barrier(int unused) {
  static const char *const states[] = {"ready", "at a barrier", "in a warp operation", "done"};
  int yes = 0;
  (void)unused;
  for (int t = 0; t < m.threads; t++) {
    const fiber *f = &m.fiber[t], *g = &m.fiber[0];
    if (f->state != AT_BARRIER || g->state != AT_BARRIER || f->line != g->line) {
      m.running = t;
      fail(FAULT_LAUNCH, "%s, line %d, while thread 0 is %s, line %d: the block cannot go on", states[f->state], f->line, states[g->state], g->line);
    }
    yes += f->yes;
  }
  for (int t = 0; t < m.threads; t++) m.fiber[t].state = READY, m.fiber[t].yes = yes;
  m.epoch++;
}

/* ---- who may touch what ---- */

typedef struct touched {
  const char *what;
  bool shared; /* memory of the block, uninitialized at its start */
  size_t at;   /* of the piece, in bytes */
} touched;

/* Whether an access of another thread, at `when` and in epoch `warp_when` of its warp, happened
 * before what the running thread does now. */
static bool in_order(const touched *t, uint32_t when, uint32_t warp_when, int other) {
  int warp = m.running / WARP;
  if (when < (t->shared ? m.block_epoch : m.launch_epoch)) return true;
  if (when < m.block_epoch) return false; /* another block */
  return when < m.epoch || other == m.running || (other / WARP == warp && warp_when < m.warp_epoch[warp]);
}

static void write_piece(shadow *s, const touched *t) {
  int warp = m.running / WARP;
  if (!in_order(t, s->read, s->read_warp, s->reader) || (s->read == m.epoch && (s->many_warps || (s->many && s->read_warp == m.warp_epoch[warp]))))
    fail(FAULT_LAUNCH, "race: writes byte %zu of %s, which thread %d read with no barrier between", t->at, t->what, s->reader);
  s->wrote = m.epoch, s->wrote_warp = m.warp_epoch[warp], s->writer = (uint16_t)m.running;
}

static void read_piece(shadow *s, const touched *t) {
  int warp = m.running / WARP;
  bool again = s->read == m.epoch, apart = again && s->reader / WARP != warp;
  if (t->shared && s->wrote < m.block_epoch) fail(FAULT_LAUNCH, "reads byte %zu of %s, which nobody wrote", t->at, t->what);
  s->many_warps = again && (s->many_warps || apart);
  s->many = again && !apart && s->read_warp == m.warp_epoch[warp] && (s->many || s->reader != m.running);
  s->read = m.epoch, s->read_warp = m.warp_epoch[warp], s->reader = (uint16_t)m.running;
}

static void touch_pieces(shadow *s, touched t, unsigned bytes, bool write) {
  size_t last = (t.at + bytes - 1) / SHADOW_PIECE;
  for (size_t k = t.at / SHADOW_PIECE; k <= last; k++) {
    t.at = k * SHADOW_PIECE;
    if (!in_order(&t, s[k].wrote, s[k].wrote_warp, s[k].writer))
      fail(FAULT_LAUNCH, "race: %s byte %zu of %s, which thread %d wrote with no barrier between", write ? "writes" : "reads", t.at, t.what, s[k].writer);
    write ? write_piece(&s[k], &t) : read_piece(&s[k], &t);
  }
}

static void touch(const void *p, unsigned bytes, int write) {
  const char *at = p;
  bool shared = at >= m.shared && at < m.shared + sizeof m.shared;
  region own = {m.shared + GUARD, m.shared_size, m.shadow};
  const region *r = shared ? &own : m.find ? m.find(p) : NULL;
  const char *what = shared ? "shared memory" : "a buffer";
  if (!r) return;
  if (at < r->at || at + bytes > r->at + r->bytes) fail(FAULT_ADDRESS, "%s %u bytes at %td of %s of %zu bytes", write ? "writes" : "reads", bytes, at - r->at, what, r->bytes);
  if ((bytes & (bytes - 1)) == 0 && (uintptr_t)at % bytes) fail(FAULT_ADDRESS, "%u bytes at %td of %s: misaligned", bytes, at - r->at, what);
  if (r->shadow) touch_pieces(r->shadow, (touched){what, shared, (size_t)(at - r->at)}, bytes, write);
}

/* ---- a block ---- */

static unsigned draw(unsigned below) {
  m.random = m.random * 1664525u + 1013904223u;
  return (unsigned)((uint64_t)m.random * below >> 32);
}

typedef enum schedule { IN_ORDER, REVERSE, RANDOM } schedule;

static schedule chosen(void) {
  const char *s = getenv("GENRED_FAKE_SCHEDULE");
  return !s || s[0] == 'o' ? IN_ORDER : strcmp(s, "reverse") == 0 ? REVERSE : RANDOM;
}

static void arrange(schedule s) {
  for (int t = 0; t < m.threads; t++) m.order[t] = s == REVERSE ? m.threads - 1 - t : t;
  for (int t = m.threads - 1; s == RANDOM && t > 0; t--) {
    int u = (int)draw((unsigned)t + 1), swap = m.order[t];
    m.order[t] = m.order[u], m.order[u] = swap;
  }
}

static ALONE void check_guards(int unused) {
  (void)unused;
  for (int k = 0; k < GUARD; k++)
    if ((unsigned char)m.shared[k] != 0xa5 || (unsigned char)m.shared[GUARD + m.shared_size + (size_t)k] != 0xa5)
      fail(FAULT_ADDRESS, "writes past the %zu bytes of shared memory", m.shared_size);
}

static void new_block(void) {
  memset(m.shared, 0xa5, GUARD);
  memset(m.shared + GUARD, FAKE_POISON, m.shared_size);
  memset(m.shared + GUARD + m.shared_size, 0xa5, GUARD);
  m.block_epoch = ++m.epoch;
  memset(m.warp_epoch, 0, sizeof m.warp_epoch);
  for (int t = 0; t < m.threads; t++) m.fiber[t].state = READY;
  m.done = 0;
}

/* Sweeps over the threads until all are done. */
static void run_block(schedule s) {
  new_block();
  while (m.done < m.threads && !m.fault.kind) {
    bool moved = false;
    arrange(s);
    for (int k = 0; k < m.threads && !m.fault.kind; k++) {
      if (m.fiber[m.order[k]].state != READY) continue;
      moved = true;
      run_fiber(m.order[k]);
    }
    if (!moved && !m.fault.kind) until_left(release_barrier, 0);
  }
  if (!m.fault.kind) until_left(check_guards, 0);
}

static void run_grid(const launch *l, schedule s) {
  uint64_t n = (uint64_t)l->grid.x * l->grid.y * l->grid.z;
  for (uint64_t k = 0; k < n && !m.fault.kind; k++) {
    uint64_t b = s == REVERSE ? n - 1 - k : k;
    m.host.block = (shim_dim){(unsigned)(b % l->grid.x), (unsigned)(b / l->grid.x % l->grid.y), (unsigned)(b / l->grid.x / l->grid.y)};
    run_block(s);
  }
}

/* ---- stacks ---- */

static bool make_stacks(int n) {
  for (int t = 0; t < n; t++) {
    fiber *f = &m.fiber[t];
    if (f->stack) continue;
    char *p = mmap(NULL, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    mprotect(p, PAGE, PROT_NONE);
    f->stack = p;
  }
  return true;
}

/* After a fault fibers are in the middle of a kernel: they are made again. */
static void forget_fibers(void) {
  for (int t = 0; t < THREADS_MAX; t++) m.fiber[t].made = false;
}

/* ---- signals: what a bad address or instruction is on the host ---- */

static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
enum { CAUGHT = sizeof caught / sizeof *caught };

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)context;
  m.fault.kind = number == SIGSEGV || number == SIGBUS ? FAULT_ADDRESS : FAULT_INSTRUCTION;
  snprintf(m.fault.text, sizeof m.fault.text, "block (%u, %u, %u), thread %d: signal %d at address %p", m.host.block.x, m.host.block.y, m.host.block.z,
           m.running, number, info->si_addr);
  siglongjmp(m.signalled, 1);
}

static void run_guarded(const launch *l) {
  static char alternative[64 << 10];
  struct sigaction on = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK}, before[CAUGHT];
  stack_t other = {.ss_sp = alternative, .ss_size = sizeof alternative}, stack_before;
  sigemptyset(&on.sa_mask);
  sigaltstack(&other, &stack_before);
  for (int k = 0; k < CAUGHT; k++) sigaction(caught[k], &on, &before[k]);
  if (sigsetjmp(m.signalled, 1) == 0) run_grid(l, chosen());
  for (int k = 0; k < CAUGHT; k++) sigaction(caught[k], &before[k], NULL);
  sigaltstack(&stack_before, NULL);
}

/* ---- the face ---- */

shim_host *block_host(void) { return &m.host; }

bool block_run(const launch *l, fault *why) {
  uint64_t threads = (uint64_t)l->block.x * l->block.y * l->block.z;
  m.fault = (fault){.kind = FAULT_NONE};
  m.threads = (int)threads;
  if (threads > THREADS_MAX || l->shared > SHARED_MAX || !make_stacks(m.threads)) {
    *why = (fault){.kind = FAULT_LAUNCH, .text = "more threads or shared memory than there are"};
    return false;
  }
  m.host.shared = m.shared + GUARD;
  m.host.block_dim = l->block, m.host.grid_dim = l->grid;
  m.host.barrier = barrier, m.host.warp = warp, m.host.active = active, m.host.access = touch, m.host.trap = trap;
  m.enter = l->enter, m.arguments = l->arguments, m.find = l->find;
  m.shared_size = l->shared;
  m.random = 12345;
  m.launch_epoch = m.epoch + 1;
  run_guarded(l);
  if (m.fault.kind) forget_fibers();
  *why = m.fault;
  return !m.fault.kind;
}
