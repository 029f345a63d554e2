/* device.c: the interface to a GPU backend: which calls go to a GPU, and what happens if it cannot
 * be used.
 *
 * A GPU is reached only through the table gr_options.device.  "GPU", "GPU_1D" and "GPU_2D" demand
 * one: a missing driver or device, or an unknown id, is an error.  "auto" uses a GPU if the work is
 * worth the transfer or the data are already there.  If that fails, the CPU computes and the report
 * says why, unless the machine simply has no GPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

/* All thresholds of this file.  Costs are those of run.c: cost * pairs, in multiplications.
 *   work    One thread executes 5e10 a second, so that 1e9 take 20 ms.  A call of a GPU takes some
 *           0.1 ms for launches and copies, but the first call of a formula takes 0.6 to 1.1 s in
 *           NVRTC (measured), against 0.1 s in a C compiler, which must be worth it.
 *   byte    Numbers on the host are converted and copied at about 2.5e9 bytes a second; this is the
 *           number of multiplications that a thread executes in the time that one byte takes.
 *   launch  A block-sparse call launches a kernel for each interval of each region, which takes
 *           about 10 us (not measured), and as long for each of three copies of a region's rows and
 *           states.  So does a batch, for each element.
 *   poll    seconds between calls of `interrupted` and `progress` */
static const struct {
  double work, byte, launch, poll;
} tune = {.work = 1e9, .byte = 20, .launch = 5e5, .poll = 0.05};

void gr_note(gr_report *report, gr_error *err) {
  snprintf(report->note, sizeof report->note, "%.500s", err->message);
  gr_whole_characters(report->note);
  gr_error_clear(err);
}

/* The same if a call with backend "auto" could not use the GPU. */
static void note_gpu(gr_report *report, gr_error *err) {
  snprintf(report->note, sizeof report->note, "the CPU is used because the GPU cannot be: %.460s", err->message);
  gr_whole_characters(report->note);
  gr_error_clear(err);
}

/* Whether a result stays on a GPU. */
static bool stays(const gr_run *r) {
  bool any = false;
  for (int k = 0; k < r->p->plan->ask.red.nout; k++) any = any || r->out[k].buffer;
  return any;
}

/* Whether an argument lies on a GPU. */
static bool resident(const gr_run *r) {
  bool any = false;
  for (int k = 0; k < r->n_args; k++) any = any || r->args[k].buffer;
  return any;
}

/* Whether a GPU pays off if that many numbers have to be transferred from the host. */
static bool pays(double work, double numbers) { return work > tune.work + tune.byte * 8 * numbers; }

/* Launches and copies. */
static double launches(const gr_run *r) {
  double n = 0;
  for (int64_t k = 0; k < r->n_regions; k++) n += (double)r->region[k].n + 3;
  return n * (double)gr_elements(r);
}

/* Whether "auto" should use a GPU for this call. */
static bool worth(const gr_run *r) {
  double numbers = 0, work = r->p->plan->cost * gr_pairs(r);
  if (stays(r) || (resident(r) && work > 0)) return true;
  if (r->n_regions > 1 || r->batches) work -= tune.launch * launches(r);
  for (int k = 0; k < r->n_args; k++) numbers += (double)r->args[k].rows * (double)r->args[k].cols;
  return pays(work, numbers * (double)gr_elements(r));
}

static gr_class check_ids(const gr_options *opt, int n, gr_error *err) {
  for (int k = 0; k < opt->n_devices; k++) {
    int id = opt->device_ids[k];
    if (id < 0 || id >= n) return gr_fail(err, ERR_DeviceId, id, n, n == 1 ? "" : "s");
    for (int l = 0; l < k; l++)
      if (opt->device_ids[l] == id) return gr_fail(err, ERR_DeviceTwice, id);
  }
  return GR_OK;
}

gr_class gr_device_check(const gr_options *opt, gr_error *err) {
  int n = 0;
  if (!opt->device) return gr_fail(err, ERR_NoGPU);
  return opt->device->count(&n, err) != GR_OK ? err->cls : check_ids(opt, n, err);
}

/* For "auto": a GPU that cannot be used is worth a note, the absence of any GPU is not. */
static gr_class choose_freely(const gr_run *r, bool *device, gr_error *err) {
  int n = 0;
  *device = r->opt->device && worth(r);
  if (!*device) return GR_OK;
  if (r->opt->device->count(&n, err) == GR_OK) return check_ids(r->opt, n, err);
  *device = false;
  if (stays(r)) return err->cls;
  if (n < 0)
    note_gpu(r->report, err);
  else
    gr_error_clear(err);
  return GR_OK;
}

gr_class gr_device_choose(const gr_run *r, bool *device, gr_error *err) {
  *device = gr_is_gpu(r->opt->backend);
  if (r->map && !*device) return GR_OK; /* a launch for each column does not pay by itself */
  if (*device) return gr_device_check(r->opt, err);
  if (r->opt->backend == GR_AUTO) return choose_freely(r, device, err);
  return stays(r) ? gr_fail(err, ERR_KeepHere) : GR_OK;
}

/* With "auto", if there is no usable device, the CPU will compute. */
bool gr_device_expected(const gr_call *call, const gr_options *opt) {
  const double size[] = {[GR_VI] = (double)call->m,
                         [GR_VJ] = (double)call->n,
                         [GR_PM] = 1,
                         [GR_MIJ] = (double)call->m * (double)call->n};
  double numbers = 0, elements = (double)call->elements;
  int n;
  gr_error ignored = {0};
  if (opt->backend != GR_AUTO || !opt->device) return gr_is_gpu(opt->backend);
  for (int k = 0; k < gr_program_nargs(call->program); k++) {
    gr_arg_info arg = gr_program_arg(call->program, k);
    numbers += size[arg.category] * arg.dim;
  }
  double work = call->program->plan->cost * size[GR_VI] * size[GR_VJ];
  if (elements > 0) work = elements * (work - 4 * tune.launch), numbers *= elements;
  bool expected = pays(work, numbers) && opt->device->count(&n, &ignored) == GR_OK;
  gr_error_clear(&ignored);
  return expected;
}

static gr_class check_outputs(const gr_run *r, gr_error *err) {
  const gr_reduction *red = &r->p->plan->ask.red;
  static const char *const names[] = {"float64", "float32", "float16", "bfloat16", "integer"};
  for (int k = 0; k < red->nout; k++) {
    const gr_buffer *b = r->out[k].buffer;
    bool index = red->results == RES_X || k == 1;
    gr_storage_type type = index ? GR_INT : r->p->plan->ask.f64 ? GR_DOUBLE : GR_FLOAT;
    int64_t rows = r->p->plan->ask.both ? 1 : r->rows, cols = (int64_t)red->out_dim * red->k;
    if (b && (b->rows != rows || b->cols != cols || b->type != type))
      return gr_fail(err, ERR_KeepType, k + 1, (long long)rows, (long long)cols, names[type]);
  }
  return GR_OK;
}

/* ---- batches: one call of the device for each element ---- */

/* How far a batch is; `element` is the one under way. */
typedef struct progress {
  const gr_options *opt;
  int64_t element, elements;
  double polled;
} progress;

/* Of the whole batch, at most once in a while, as elements may be small. */
static void tell_progress(double fraction, void *ctx) {
  progress *p = ctx;
  double now = gr_now();
  if (now - p->polled < tune.poll) return;
  p->polled = now;
  p->opt->progress(((double)p->element + fraction) / (double)p->elements, p->opt->ctx);
}

static int ask_interrupted(void *ctx) {
  const progress *p = ctx;
  return p->opt->interrupted(p->opt->ctx);
}

/* Element e as a call of its own; `args` has room for its arrays. */
static gr_class run_element(const gr_run *r, int64_t e, gr_array *args, const gr_options *opt,
                            gr_error *err) {
  static const size_t size[] = {
      [GR_F64] = sizeof(double), [GR_R_INT] = sizeof(int32_t), [GR_I64] = sizeof(int64_t)};
  gr_output out[2] = {{.data = NULL}};
  gr_run one = *r;
  gr_element_args(r, e, args);
  gr_origins_find(r, e, args);
  for (int k = 0; k < r->p->plan->ask.red.nout; k++) {
    out[k] = r->out[k];
    out[k].data = (char *)out[k].data + (size_t)(e * gr_result_size(r)) * size[out[k].type];
  }
  one.args = args;
  one.batches = NULL;
  one.out = out;
  one.opt = opt;
  return r->opt->device->run(&one, err);
}

/* Elements follow one another; the report says where the kernel of the first came from. */
static gr_class run_elements(const gr_run *r, gr_error *err) {
  progress now = {.opt = r->opt, .elements = r->elements, .polled = gr_now()};
  gr_options opt = *r->opt;
  gr_provenance provenance = GR_NO_KERNEL;
  gr_array *args = malloc((size_t)r->n_args * sizeof *args);
  if (!args) return gr_fail(err, ERR_NoMemory, "arguments", (long long)r->n_args);
  opt.ctx = &now;
  if (opt.progress) opt.progress = tell_progress;
  if (opt.interrupted) opt.interrupted = ask_interrupted;
  double asked = now.polled;
  for (; now.element < now.elements && !err->cls; now.element++) {
    run_element(r, now.element, args, &opt, err);
    if (now.element == 0) provenance = r->report->provenance;
    if (err->cls || !opt.interrupted || gr_now() - asked < tune.poll) continue;
    asked = gr_now();
    if (ask_interrupted(&now)) gr_failf(err, GR_INTERRUPT, "interrupted");
  }
  free(args);
  r->report->provenance = provenance;
  if (!err->cls && r->opt->progress) r->opt->progress(1, r->opt->ctx);
  return err->cls;
}

gr_class gr_device_run(const gr_run *r, gr_error *err) {
  double start = gr_now();
  err->cls = GR_OK;
  if (check_outputs(r, err) != GR_OK) return err->cls;
  r->report->backend = r->opt->backend == GR_AUTO ? GR_GPU : r->opt->backend;
  r->report->threads = 1;
  for (int k = 0; k < r->p->plan->ask.red.nout; k++) /* these described the previous contents */
    if (r->out[k].buffer) r->out[k].buffer->range = r->out[k].buffer->vector = NULL;
  if (r->batches && r->elements != 1)
    run_elements(r, err);
  else if (r->map)
    gr_map_on_device(r, err);
  else
    r->opt->device->run(r, err);
  r->report->seconds_run = gr_now() - start - r->report->seconds_compile;
  return err->cls;
}

bool gr_device_forgive(const gr_run *r, gr_error *err) {
  if (r->opt->backend != GR_AUTO || err->cls != GR_CUDA || stays(r)) return false;
  *r->report = (gr_report){.backend = GR_AUTO};
  note_gpu(r->report, err);
  return true;
}

gr_class gr_arrays_home(const gr_run *r, gr_array **home, gr_error *err) {
  size_t size = (size_t)r->n_args * sizeof(gr_array);
  *home = NULL;
  if (!resident(r)) return GR_OK;
  for (int k = 0; k < r->n_args; k++)
    if (r->args[k].buffer) size += (size_t)(r->args[k].rows * r->args[k].cols) * sizeof(double);
  gr_array *a = malloc(size);
  if (!a) return gr_fail(err, ERR_NoMemory, "arguments copied from the GPU", (long long)size);
  double *to = (double *)(void *)(a + r->n_args);
  for (int k = 0; k < r->n_args; k++) {
    a[k] = r->args[k];
    if (!a[k].buffer) continue;
    if (!r->opt->device)
      gr_fail(err, ERR_NoGPU);
    else
      r->opt->device->get(a[k].buffer, to, a[k].buffer->rows, err);
    if (err->cls) break;
    a[k].data = to;
    a[k].stride = a[k].rows;
    a[k].buffer = NULL;
    to += a[k].rows * a[k].cols;
  }
  if (err->cls)
    free(a);
  else
    *home = a;
  return err->cls;
}
