/* fake_stream.c: streams and events in the stand-in for libcuda.
 *
 * A stream is a queue of copies, launches, records and waits, done in order, as late as the rules
 * allow.  Stream 0 waits for all others and is done at once.  A query does one piece of work, so
 * that a caller which polls sees the end. */
#define _GNU_SOURCE
#include <time.h>

#include "fake_driver.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- work ---- */

static void free_work(work *w) {
  free(w->snapshot);
  free(w->values);
  free(w);
}

static cu_result fault_of(fault_kind k) {
  return k == FAULT_ADDRESS ? CUDA_ERROR_ILLEGAL_ADDRESS : k == FAULT_INSTRUCTION ? CUDA_ERROR_ILLEGAL_INSTRUCTION : CUDA_ERROR_LAUNCH_FAILED;
}

/* Runs a kernel; afterwards no guard of any buffer may have changed. */
static cu_result run_kernel(const work *w) {
  fault why = {.kind = FAULT_NONE};
  int code = injected_fault_of_kernel();
  const char *name = w->function->kernel->name;
  if (code) snprintf(fake_driver.fault, sizeof fake_driver.fault, "%s: injected", name);
  if (code) return (cu_result)code;
  bool ok = block_run(&w->launch, &why);
  for (const object *o = fake_driver.objects; ok && o; o = o->next)
    if (o->kind <= PINNED && !guards_hold((const memory *)o)) {
      why = (fault){.kind = FAULT_ADDRESS};
      snprintf(why.text, sizeof why.text, "writes outside of a buffer of %zu bytes", ((const memory *)o)->bytes);
      ok = false;
    }
  if (ok) return CUDA_SUCCESS;
  snprintf(fake_driver.fault, sizeof fake_driver.fault, "%.40s: %.340s", name, why.text);
  if (fake_number("GENRED_FAKE_VERBOSE", 0)) fprintf(stderr, "%s\n", fake_driver.fault);
  return fault_of(why.kind);
}

static void advance(cu_stream s);

static void advance_until(cu_event e, uint64_t count) {
  while (e->done < count && e->stream && e->stream->first) advance(e->stream);
}

/* Does the oldest piece of work of a stream; after a fault it is dropped. */
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

void drain(cu_stream s) {
  while (s->first) advance(s);
}

void drain_all(cu_context c) {
  for (object *o = fake_driver.objects; o; o = o->next)
    if (o->kind == STREAM && o->owner == c) drain((cu_stream)o);
}

void discard(cu_stream s) {
  while (s->first) {
    work *w = s->first;
    s->first = w->next;
    free_work(w);
  }
  s->last = &s->first;
}

/* Queues work.  Stream 0 waits for all others, and its work is done at once. */
cu_result give(cu_stream s, work what) {
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

cu_result stream_ok(cu_stream s) { return !s || lives(STREAM, s) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE; }

/* ---- streams ---- */

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
  for (object *o = fake_driver.objects; o; o = o->next)
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

/* Each query does one piece of work. */
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
  drain_all(e->o.owner); /* work that refers to it */
  gone(&e->o);
  return CUDA_SUCCESS;
}

cu_result cuEventDestroy_v2(cu_event event) {
  cu_result r = enter(FN_cuEventDestroy_v2);
  if (!r) r = lives(EVENT, event) ? end_event(event) : CUDA_ERROR_INVALID_HANDLE;
  return leave(FN_cuEventDestroy_v2, r);
}
