/* cu_run.c: a program applied to arrays on one device or several.
 *
 * The rows are divided among the devices in proportion to their speed.  Each share is a cu_part, and
 * one loop on the calling thread feeds all of them, looks for interrupts and reports progress.
 * Arguments on a device are read there; if another device needs them, they are copied to the host
 * first.  Results that are wanted on a device stay there if it computes all rows, and else go through
 * the host.  When a device is out of memory, all memory that is kept for later calls is released and
 * the call starts again, once, in smaller blocks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cu.h"

/* Seconds between calls of `interrupted` and `progress`, and of sleep while all devices are busy. */
static const struct { double poll, nap; } tune = {.poll = 0.05, .nap = 5e-5};

enum { PARTS = 16 };

typedef struct job {
  cu_call call;
  int id[PARTS], n;
  cu_part part[PARTS];
  double *copy[2];
  double polled;
} job;

/* ---- which devices ---- */

/* The devices that the options name, else the one that has the first array, else device 0. */
static gr_class choose_devices(job *j, gr_error *err) {
  const gr_options *o = j->call.run->opt;
  if (o->n_devices > PARTS)
    return gr_failf(err, GR_ARGUMENT, "device_id: at most %d GPUs can share a call", PARTS);
  j->n = o->n_devices > 0 ? o->n_devices : 1;
  for (int k = 0; k < o->n_devices; k++) j->id[k] = o->device_ids[k];
  if (o->n_devices > 0) return GR_OK;
  for (int k = j->call.run->p->plan->ask.red.nout - 1; k >= 0; k--)
    if (j->call.out[k].buffer) j->id[0] = j->call.out[k].buffer->device;
  for (int k = j->call.n_args - 1; k >= 0; k--)
    if (j->call.args[k].buffer) j->id[0] = j->call.args[k].buffer->device;
  return GR_OK;
}

/* ---- arguments ---- */

/* Does a device of this call, or the program's guard, have to read this argument from the host? */
static bool needs_host(const job *j, int arg) {
  const gr_program *p = j->call.run->p;
  const gr_buffer *b = j->call.args[arg].buffer;
  bool needed = b->type == GR_INT || (p->guard.n > 0 && p->args.arg[arg].cat == GR_PM);
  for (int k = 0; k < j->n; k++) needed = needed || b->device != j->id[k];
  return needed;
}

/* Before cu_begin, as cu_get is a call of its own.  Pointers and copies are in one block of memory. */
static gr_class fetch_arguments(job *j, gr_error *err) {
  cu_call *c = &j->call;
  size_t size = (size_t)c->n_args * sizeof *c->data;
  for (int k = 0; k < c->n_args; k++)
    if (c->args[k].buffer && needs_host(j, k))
      size += (size_t)(c->args[k].rows * c->args[k].cols) * sizeof(double);
  c->data = malloc(size + 1);
  if (!c->data) return gr_fail(err, ERR_NoMemory, "arguments copied from a GPU", (long long)size);
  double *to = (double *)(void *)(c->data + c->n_args);
  for (int k = 0; k < c->n_args; k++) {
    const gr_buffer *b = c->args[k].buffer;
    c->data[k] = b ? NULL : c->args[k].data;
    if (!b || !needs_host(j, k)) continue;
    if (cu_get(b, to, b->rows, err) != GR_OK) return err->cls;
    c->data[k] = to;
    to += b->rows * b->cols;
  }
  return GR_OK;
}

/* Do the parameters allow the lowered kernels? */
static gr_class choose_kernels(job *j, gr_error *err) {
  cu_call *c = &j->call;
  const gr_program *p = c->run->p;
  if (p->guard.n == 0) return GR_OK;
  gr_array *here = malloc((size_t)c->n_args * sizeof *here);
  if (!here) return gr_fail(err, ERR_NoMemory, "arguments", (long long)c->n_args);
  for (int k = 0; k < c->n_args; k++) {
    here[k] = c->args[k];
    here[k].data = c->data[k];
    if (here[k].buffer) here[k].stride = here[k].rows;
  }
  c->written = !gr_condition_holds(&p->condition, here);
  free(here);
  return GR_OK;
}

/* ---- results ---- */

static int64_t result_rows(const job *j) {
  return j->call.run->p->plan->ask.both ? 1 : j->call.run->rows;
}

static int64_t result_size(const job *j) {
  const gr_reduction *red = &j->call.run->p->plan->ask.red;
  return result_rows(j) * red->out_dim * red->k;
}

/* Results are written to the device at once, or as doubles to the host and then copied. */
static gr_class prepare_results(job *j, gr_error *err) {
  const gr_plan *p = j->call.run->p->plan;
  const gr_output *out = j->call.run->out;
  j->call.stays = j->n == 1 && !p->ask.both;
  for (int k = 0; k < p->ask.red.nout; k++)
    j->call.stays = j->call.stays && out[k].buffer && out[k].buffer->device == j->id[0];
  if (j->call.stays) return GR_OK;
  for (int k = 0; k < p->ask.red.nout; k++) {
    if (!out[k].buffer) continue;
    j->copy[k] = malloc((size_t)(result_size(j) + 1) * sizeof(double));
    if (!j->copy[k]) return gr_fail(err, ERR_NoMemory, "a result", (long long)result_size(j));
    j->call.out[k] = (gr_output){.data = j->copy[k], .type = GR_F64};
  }
  return GR_OK;
}

/* Copies results that went through the host, where indices count from 0 and -1 means none. */
static gr_class put_results(job *j, gr_error *err) {
  const gr_output *out = j->call.run->out;
  for (int k = 0; k < j->call.run->p->plan->ask.red.nout && !err->cls; k++) {
    gr_buffer *b = out[k].buffer;
    if (!j->copy[k]) continue;
    for (int64_t i = 0; b->type == GR_INT && i < result_size(j); i++)
      j->copy[k][i] = j->copy[k][i] < 0 ? NAN : j->copy[k][i] + 1;
    cu_put(b, j->copy[k], b->rows, err);
  }
  return err->cls;
}

gr_sink cu_sink_of(const cu_call *c) {
  gr_sink s = gr_sink_of(c->run);
  s.out = c->out;
  return s;
}

/* Both indices are reduced: the states of all shares are merged in order. */
static void finish_total(job *j) {
  const gr_reduction *red = &j->call.run->p->plan->ask.red;
  gr_sink sink = cu_sink_of(&j->call);
  for (int k = 1; k < j->n; k++) gr_red_merge(red, j->part[0].total, 1, j->part[k].total, 1);
  gr_sink_take(red, &sink, j->part[0].total, 1, 0, 1, j->call.pairs);
}

/* ---- the shares ---- */

static double strength(const gr_device_info *info, int clock) {
  return (double)info->multiprocessors * clock;
}

/* Shares begin at multiples of 256 rows. */
static gr_class share_rows(job *j, gr_error *err) {
  double all = 0, before = 0;
  int64_t first = 0;
  for (int k = 0; k < j->n; k++) {
    j->part[k] = (cu_part){.call = &j->call};
    if (cu_use(j->id[k], &j->part[k].g, err) != GR_OK) {
      j->part[k].g = NULL;
      return err->cls;
    }
    all += strength(&j->part[k].g->info, j->part[k].g->clock);
  }
  for (int k = 0; k < j->n; k++) {
    cu_part *s = &j->part[k];
    before += strength(&s->g->info, s->g->clock);
    int64_t end = (int64_t)((double)j->call.run->rows * before / all / 256 + 0.5) * 256;
    if (k == j->n - 1 || end > j->call.run->rows) end = j->call.run->rows;
    s->first = first;
    s->rows = end - first;
    first = end;
  }
  return GR_OK;
}

static gr_class make_current(const job *j, const cu_part *s, gr_error *err) {
  return j->n == 1 ? GR_OK : CU(s->g, err, cuCtxSetCurrent, s->g->context);
}

static gr_class begin_parts(job *j, int attempt, gr_error *err) {
  if (share_rows(j, err) != GR_OK) return err->cls;
  for (int k = 0; k < j->n; k++)
    if (make_current(j, &j->part[k], err) != GR_OK ||
        cu_part_begin(&j->part[k], attempt, err) != GR_OK)
      return err->cls;
  return GR_OK;
}

/* ---- the loop ---- */

static gr_class poll(job *j, gr_error *err) {
  const gr_options *o = j->call.run->opt;
  double now = gr_now(), done = 0;
  if (now - j->polled < tune.poll) return GR_OK;
  j->polled = now;
  for (int k = 0; k < j->n; k++) done += j->part[k].done;
  if (o->progress) o->progress(fmin(done / j->call.pairs, 1), o->ctx);
  return o->interrupted && o->interrupted(o->ctx) ? gr_failf(err, GR_INTERRUPT, "interrupted")
                                                  : GR_OK;
}

static gr_class step_all(job *j, bool *busy, bool *moved, gr_error *err) {
  for (int k = 0; k < j->n; k++) {
    cu_part *s = &j->part[k];
    if (s->finished) continue;
    *busy = true;
    if (make_current(j, s, err) != GR_OK || cu_part_step(s, moved, err) != GR_OK) return err->cls;
  }
  return GR_OK;
}

/* Results that stay on a device are complete, and errors are known, when this returns. */
static gr_class wait_all(job *j, gr_error *err) {
  for (int k = 0; k < j->n && j->call.stays; k++)
    if (make_current(j, &j->part[k], err) != GR_OK ||
        CU(j->part[k].g, err, cuStreamSynchronize, j->part[k].g->stream) != GR_OK)
      return err->cls;
  return GR_OK;
}

static gr_class work(job *j, gr_error *err) {
  j->polled = gr_now();
  for (bool busy = true; busy && !err->cls;) {
    bool moved = false;
    busy = false;
    if (step_all(j, &busy, &moved, err) != GR_OK || poll(j, err) != GR_OK) break;
    if (busy && !moved) gr_sleep(tune.nap);
  }
  if (err->cls || wait_all(j, err) != GR_OK) return err->cls;
  if (j->call.run->opt->progress) j->call.run->opt->progress(1, j->call.run->opt->ctx);
  return GR_OK;
}

static void write_report(const job *j) {
  const cu_part *s = &j->part[0];
  gr_report *r = j->call.run->report;
  int splits = 1;
  for (int k = 0; k < j->n; k++)
    if (j->part[k].cut.nsplit > splits) splits = j->part[k].cut.nsplit;
  r->backend = splits > 1 ? GR_GPU_2D : GR_GPU_1D;
  r->device = j->id[0];
  r->n_devices = j->n;
  snprintf(r->device_name, sizeof r->device_name, "%.63s", s->g->info.name);
}

static gr_class attempt(job *j, int n, gr_error *err) {
  if (begin_parts(j, n, err) == GR_OK && work(j, err) == GR_OK) {
    if (j->call.run->p->plan->ask.both) finish_total(j);
    write_report(j);
  }
  return err->cls;
}

/* ---- errors ---- */

static cu_gpu *full_device(const job *j) {
  for (int k = 0; k < j->n; k++)
    if (j->part[k].g && j->part[k].g->full) return j->part[k].g;
  return NULL;
}

static void end_parts(job *j) {
  for (int k = 0; k < j->n; k++) cu_part_end(&j->part[k]);
}

static gr_class fail_memory(const cu_gpu *g, double need, gr_error *err) {
  size_t there = 0, total = 0;
  cu_now()->cuCtxSetCurrent(g->context);
  cu_now()->cuMemGetInfo_v2(&there, &total);
  return gr_fail(err, ERR_CudaMemory, g->id, g->info.name, (long long)(need / 1048576),
                 (long long)(there >> 20), (long long)(g->info.memory >> 20));
}

/* Bytes that the share of a device needs. */
static double memory_needed(const job *j, const cu_gpu *g) {
  for (int k = 0; k < j->n; k++) {
    const cu_part *s = &j->part[k];
    if (s->g == g && s->k)
      return (double)cu_cut_bytes(&s->cut, j->call.run->p->plan, &s->k->layout, &s->sizes);
  }
  return 0;
}

static gr_class run_job(job *j, gr_error *err) {
  attempt(j, 0, err);
  cu_gpu *g = full_device(j);
  if (err->cls == GR_MEMORY && g) {
    end_parts(j);
    for (int k = 0; k < j->n; k++) {
      cu_gpu *one;
      gr_error_clear(err);
      if (cu_use(j->id[k], &one, err) != GR_OK) break;
      cu_give_idle(one);
      one->full = false;
    }
    if (!err->cls) attempt(j, 1, err);
    g = full_device(j);
    if (err->cls == GR_MEMORY && g) fail_memory(g, memory_needed(j, g), err);
  }
  for (int k = 0; k < j->n; k++)
    if (j->part[k].g) j->part[k].g->full = false;
  end_parts(j);
  return err->cls;
}

/* Which columns the regions of the call need, and how many pairs there are. */
static void measure_columns(cu_call *c) {
  const gr_run *run = c->run;
  c->pairs = gr_pairs(run);
  for (int64_t k = 0; k < run->n_regions; k++) {
    const gr_region *g = &run->region[k];
    int64_t columns = 0;
    for (int64_t i = 0; i < g->n; i++) columns += g->interval[i].end - g->interval[i].first;
    if (columns > c->most_columns) c->most_columns = columns;
    if (columns == 0) continue;
    int64_t first = g->interval[0].first, end = g->interval[g->n - 1].end;
    if (c->columns.end == 0 || first < c->columns.first) c->columns.first = first;
    if (end > c->columns.end) c->columns.end = end;
  }
}

gr_class cu_run(const gr_run *run, gr_error *err) {
  job *j = calloc(1, sizeof *j);
  if (!j) return gr_fail(err, ERR_NoMemory, "a call", (long long)sizeof *j);
  err->cls = GR_OK;
  j->call = (cu_call){.run = run, .args = run->args, .n_args = run->n_args};
  for (int k = 0; k < run->p->plan->ask.red.nout; k++) j->call.out[k] = run->out[k];
  measure_columns(&j->call);
  if (choose_devices(j, err) == GR_OK && fetch_arguments(j, err) == GR_OK &&
      choose_kernels(j, err) == GR_OK && prepare_results(j, err) == GR_OK &&
      cu_begin(err) == GR_OK) {
    run_job(j, err);
    cu_end(err);
    if (!err->cls) put_results(j, err);
  }
  free(j->call.data);
  free(j->copy[0]);
  free(j->copy[1]);
  free(j);
  return err->cls;
}
