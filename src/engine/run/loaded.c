/* loaded.c: the kernels in memory, counted by reference, and when they are unloaded.
 *
 * Owns the table of loaded kernels, the engine's only mutable state.  A kernel lies in a shared
 * object, alone or with the kernels that were compiled together with it.  Programs hold references
 * to kernels (gr_program_keep), and each counts as a reference to the object.  An object with
 * references stays loaded.  Objects without references (idle ones) are kept for reuse in the order
 * of their release; when there are more than GR_IDLE_OBJECTS, the one that was released first is
 * unloaded.
 *
 * Unloading is safe: a program is used by one thread at a time and holds its kernel while that
 * runs; kernels have no constructors, threads or state, and no pointers to their data exist
 * elsewhere.
 *
 * Different threads may use different programs concurrently.  A spin lock protects the table; it is
 * held for well under a microsecond, and never while an object is loaded or unloaded. fork() waits
 * for the lock (gr_at_fork), so that a child process starts with a free lock and a consistent
 * table. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "run/kernels.h"

enum {
  BUCKETS = 256,
  FACTS = 16 /* a further one replaces the oldest, which will be determined again */
};

typedef struct entry {
  struct entry *next;    /* in the bucket */
  struct entry *sibling; /* in the object */
  gr_object *object;
  gr_kernel_fn *fn;
  char key[GR_KEY + 1];
} entry;

struct gr_object {
  void *handle;
  entry *entries;
  int references;
  gr_object *newer, *older; /* neighbours in the list of idle objects */
};

static struct {
  atomic_flag lock;
  atomic_bool fork_safe;
  entry *bucket[BUCKETS];     /* by the first two digits of the key */
  gr_object *newest, *oldest; /* of the idle objects */
  int idle, kernels;
  char fact[FACTS][GR_KEY + 1];
  int next_fact, facts;
} table = {.lock = ATOMIC_FLAG_INIT};

/* ---- the lock -------------------------------------------------------------------------------- */

static void lock(void) {
  for (int k = 1; atomic_flag_test_and_set_explicit(&table.lock, memory_order_acquire); k++)
    if (k % 100 == 0) gr_sleep(2e-5); /* the owner of the lock may have been preempted */
}

static void unlock(void) { atomic_flag_clear_explicit(&table.lock, memory_order_release); }

static void enter(void) {
  lock();
  if (table.fork_safe) return;
  gr_at_fork(lock, unlock); /* under the lock, so that it is registered once */
  table.fork_safe = true;
}

/* ---- idle objects ---------------------------------------------------------------------------- */

static void add_idle(gr_object *o) {
  o->newer = NULL;
  o->older = table.newest;
  *(table.newest ? &table.newest->newer : &table.oldest) = o;
  table.newest = o;
  table.idle++;
}

static void remove_idle(gr_object *o) {
  *(o->newer ? &o->newer->older : &table.newest) = o->older;
  *(o->older ? &o->older->newer : &table.oldest) = o->newer;
  table.idle--;
}

/* ---- the table ------------------------------------------------------------------------------- */

static entry **bucket_of(const char *key) {
  char digits[3] = {key[0], key[1], 0};
  return &table.bucket[strtoul(digits, NULL, 16) % BUCKETS];
}

static void remove_entries(gr_object *o) {
  for (entry *e = o->entries; e; e = e->sibling) {
    entry **at = bucket_of(e->key);
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    table.kernels--;
  }
}

static void unload(gr_object *o) {
  if (!o) return;
  for (entry *e = o->entries, *next; e; e = next) {
    next = e->sibling;
    free(e);
  }
  if (o->handle) gr_dlclose(o->handle);
  free(o);
}

bool gr_loaded_find(const char *key, gr_kernel *k) {
  enter();
  const entry *e = *bucket_of(key);
  while (e && strcmp(e->key, key) != 0) e = e->next;
  if (e) {
    if (e->object->references++ == 0) remove_idle(e->object);
    *k = (gr_kernel){e->fn, e->object};
  }
  unlock();
  return e != NULL;
}

/* An object with n entries, without a handle; NULL if out of memory. */
static gr_object *new_object(gr_wanted *const *w, int n) {
  gr_object *o = calloc(1, sizeof *o);
  for (int k = 0; o && k < n; k++) {
    entry *e = malloc(sizeof *e);
    if (!e) {
      unload(o);
      return NULL;
    }
    *e = (entry){.sibling = o->entries, .object = o, .fn = w[k]->kernel.fn};
    memcpy(e->key, w[k]->key, sizeof e->key);
    o->entries = e;
  }
  return o;
}

/* Two threads may load the same kernel at the same time; then both entries are valid. */
gr_class gr_loaded_add(void *handle, gr_wanted *const *w, int n, gr_error *err) {
  gr_object *o = new_object(w, n);
  if (!o) return gr_fail(err, ERR_NoMemory, "a kernel", (long long)sizeof *o);
  o->handle = handle;
  o->references = n;
  enter();
  for (entry *e = o->entries; e; e = e->sibling) {
    entry **bucket = bucket_of(e->key);
    e->next = *bucket;
    *bucket = e;
    table.kernels++;
  }
  unlock();
  for (int k = 0; k < n; k++) w[k]->kernel.object = o;
  return GR_OK;
}

void gr_kernel_drop(gr_kernel *k) {
  gr_object *o = k->object, *last = NULL;
  *k = (gr_kernel){NULL, NULL};
  if (!o) return;
  enter();
  if (--o->references == 0) {
    add_idle(o);
    if (table.idle > GR_IDLE_OBJECTS) {
      last = table.oldest;
      remove_idle(last);
      remove_entries(last);
    }
  }
  unlock();
  unload(last);
}

int gr_kernels_loaded(void) {
  enter();
  int n = table.kernels;
  unlock();
  return n;
}

/* ---- facts ----------------------------------------------------------------------------------- */

int gr_facts(void) {
  enter();
  int n = table.facts;
  unlock();
  return n;
}

bool gr_fact_known(const char *key) {
  bool known = false;
  enter();
  for (int k = 0; k < FACTS && !known; k++) known = !strcmp(table.fact[k], key);
  unlock();
  return known;
}

void gr_fact_keep(const char *key) {
  enter();
  memcpy(table.fact[table.next_fact], key, GR_KEY + 1);
  table.next_fact = (table.next_fact + 1) % FACTS;
  table.facts++;
  unlock();
}

/* ---- the kernels of a program ---------------------------------------------------------------- */

static const char *text_or_empty(const char *s) { return s ? s : ""; }

/* The kernels of a program belong to a compiler command and its flags.  `settings` holds these two
 * strings, one after the other, each with its terminating NUL. */
bool gr_program_has(const gr_program *p, int plan, const gr_options *opt) {
  const char *settings = p->held[plan].settings, *cc = text_or_empty(opt->cc);
  return p->kernel[plan] && settings && !strcmp(settings, cc) && !strcmp(settings + strlen(cc) + 1, text_or_empty(opt->cflags));
}

void gr_program_keep(gr_program *p, int plan, const gr_options *opt, gr_kernel *k) {
  gr_kernel old = {p->kernel[plan], p->held[plan].object};
  const char *cc = text_or_empty(opt->cc), *cflags = text_or_empty(opt->cflags);
  size_t n = strlen(cc) + 1, m = strlen(cflags) + 1;
  char *settings = malloc(n + m); /* NULL: the next call looks the kernel up again */
  if (settings) {
    memcpy(settings, cc, n);
    memcpy(settings + n, cflags, m);
  }
  free(p->held[plan].settings);
  p->held[plan].settings = settings;
  p->held[plan].object = k->object;
  p->kernel[plan] = k->fn;
  *k = (gr_kernel){NULL, NULL};
  gr_kernel_drop(&old);
}

void gr_program_let_go(gr_program *p) {
  if (!p) return;
  for (int plan = 0; plan < PLANS; plan++) {
    gr_kernel old = {p->kernel[plan], p->held[plan].object};
    gr_kernel_drop(&old);
    free(p->held[plan].settings);
    p->kernel[plan] = NULL;
    p->held[plan].object = NULL;
    p->held[plan].settings = NULL;
  }
}
