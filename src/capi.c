/* capi.c: the table of functions for packages that link to genred (inst/include/genred.h).
 *
 * Translates between the structures of genred.h, which are stable, and those of the engine, which
 * may change.  The only R code that runs here reads the settings of the session and checks for an
 * interrupt; both are protected, so that R cannot jump over the frames of the client. */
#include "ffi.h"

#include <R_ext/Rdynload.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../inst/include/genred.h"

_Static_assert((int)GENRED_INTERNAL == (int)GR_INTERNAL && (int)GENRED_INTERRUPT == (int)GR_INTERRUPT &&
                   (int)GENRED_CUDA == (int)GR_CUDA,
               "the status codes of genred.h equal the error classes of engine.h");
_Static_assert((int)GENRED_GPU_2D == (int)GR_GPU_2D && (int)GENRED_CPU == (int)GR_CPU,
               "the backends of genred.h equal those of engine.h");
_Static_assert(GENRED_MESSAGE == GR_MESSAGE_MAX, "a message of the engine fits into a client's buffer");

static gr_program *engine(genred_program *p) { return (gr_program *)p; }
static const gr_program *engine_const(const genred_program *p) { return (const gr_program *)p; }

static gr_class refuse(gr_error *err, const char *message) {
  err->cls = GR_ARGUMENT;
  strcpy(err->message, message);
  return GR_ARGUMENT;
}

static genred_status status(gr_error *err, char *message) {
  genred_status s = (genred_status)err->cls;
  if (message) strcpy(message, s == GENRED_OK ? "" : err->message);
  gr_error_clear(err);
  return s;
}

/* The client's specification as the engine's; false, with err filled, if it has none or there is no
 * place for what is made from it. */
static bool read_spec(const genred_spec *spec, const void *place, gr_spec *s, gr_error *err) {
  const char *wrong = !spec    ? "the specification must not be NULL"
                      : !place ? "the address for the program or template must not be NULL"
                      : spec->axis < 0 || spec->axis > 2
                          ? "axis must be 0 (reduce over i), 1 (reduce over j) or 2 (both)"
                          : NULL;
  if (wrong) return refuse(err, wrong) == GR_OK;
  *s = (gr_spec){.formula = spec->formula, .formula2 = spec->formula2, .aliases = spec->aliases, .n_aliases = spec->n_aliases,
                 .reduction = spec->reduction, .axis = spec->axis, .opt_arg = spec->k, .has_opt_arg = spec->k != 0,
                 .dtype = spec->dtype ? spec->dtype : "float32",
                 .dtype_acc = spec->dtype_acc ? spec->dtype_acc : "auto",
                 .sum_scheme = spec->sum_scheme ? spec->sum_scheme : "auto"};
  return true;
}

static genred_status api_new(const genred_spec *spec, genred_program **program, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_spec s;
  gr_program *p = NULL;
  if (read_spec(spec, program, &s, &err)) gr_program_new(&s, &p, &err);
  if (program) *program = (genred_program *)p;
  return status(&err, message);
}

static void api_free(genred_program *program) { gr_program_free(engine(program)); }

static int api_nargs(const genred_program *program) { return gr_program_nargs(engine_const(program)); }

static genred_arg api_arg(const genred_program *program, int k) {
  gr_arg_info a = gr_program_arg(engine_const(program), k);
  genred_arg out = {a.name, (genred_category)a.category, a.dim};
  return out;
}

static genred_result api_result(const genred_program *program) {
  gr_result_info r = gr_program_result(engine_const(program));
  genred_result out = {r.n, {r.is_index[0], r.is_index[1]}, r.dim, r.k};
  return out;
}

/* The client's arrays as the engine's, malloc'ed; NULL with err filled.  The stride of a single
 * column is ignored. */
static gr_array *arrays(const void *owner, const char *no_owner, const genred_array *args, int n,
                        gr_error *err) {
  if (!owner || (!args && n > 0) || n < 0) {
    refuse(err, !owner  ? no_owner
                : n < 0 ? "the number of arguments must not be negative"
                        : "the list of arguments must not be NULL");
    return NULL;
  }
  gr_array *a = malloc(((size_t)n + 1) * sizeof *a);
  if (!a) {
    err->cls = GR_MEMORY;
    strcpy(err->message, "out of memory");
    return NULL;
  }
  for (int k = 0; k < n; k++)
    a[k] = (gr_array){.data = args[k].data, .rows = args[k].rows, .cols = args[k].cols,
                      .stride = args[k].cols > 1 ? args[k].stride : args[k].rows};
  return a;
}

static gr_array *arrays_for(const genred_program *program, const genred_array *args, int n, gr_error *err) {
  return arrays(program, "the program must not be NULL", args, n, err);
}

static genred_status api_rows(const genred_program *program, const genred_array *args, int n, int64_t *rows, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_array *a = arrays_for(program, args, n, &err);
  if (a) gr_program_rows(engine_const(program), a, n, rows, &err);
  free(a);
  return status(&err, message);
}

/* ---- templates ---- */

static genred_status api_template_new(const genred_spec *spec, genred_template **out,
                                      char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_spec s;
  gr_template *t = NULL;
  if (read_spec(spec, out, &s, &err)) gr_template_new(&s, &t, &err);
  if (out) *out = (genred_template *)t;
  return status(&err, message);
}

static void api_template_free(genred_template *t) { gr_template_free((gr_template *)t); }

static genred_status api_template_program(genred_template *t, const genred_array *args, int n,
                                          genred_program **program, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_program *p = NULL;
  gr_array *a = arrays(t, "the template must not be NULL", args, n, &err);
  if (a) gr_template_program((gr_template *)t, a, n, program ? &p : NULL, &err);
  if (program) *program = (genred_program *)p;
  free(a);
  return status(&err, message);
}

/* ---- calls ---- */

static void check_interrupt(void *unused) {
  (void)unused;
  R_CheckUserInterrupt();
}

static int interrupted(void *unused) {
  (void)unused;
  return !R_ToplevelExec(check_interrupt, NULL);
}

/* The client's results as the engine's. */
static gr_class outputs(const genred_program *program, const genred_output *out, gr_output results[2], gr_error *err) {
  if (!out) return refuse(err, "the list of results must not be NULL");
  for (int k = 0; k < gr_program_result(engine_const(program)).n; k++) {
    if (out[k].type != GENRED_DOUBLE && out[k].type != GENRED_INT64)
      return refuse(err, "the type of a result must be GENRED_DOUBLE or GENRED_INT64");
    results[k] = (gr_output){.data = out[k].data, .type = out[k].type == GENRED_INT64 ? GR_I64 : GR_F64};
  }
  return GR_OK;
}

static void read_settings(void *settings) { *(ffi_settings *)settings = ffi_settings_now(); }

/* The session's settings, which live in s, as options of a call. */
static gr_class options(ffi_settings *s, genred_backend backend, int threads, gr_options *opt,
                        gr_error *err) {
  if (threads < 0)
    return refuse(err, "the number of threads must be 0 (the session's setting) or more");
  memset(s, 0, sizeof *s);
  if (!R_ToplevelExec(read_settings, s))
    return refuse(err, "the settings of genred cannot be read");
  if (s->bad || (threads == 0 && ffi_threads_now() == 0)) {
    err->cls = GR_ARGUMENT;
    snprintf(err->message, sizeof err->message, "the setting %s is invalid; see ?genred_options",
             s->bad ? s->bad : "genred.threads or GENRED_THREADS");
    return err->cls;
  }
  *opt = (gr_options){.backend = (gr_backend)backend,
                      .threads = threads > 0 ? threads : ffi_threads_now(),
                      .cc = s->cc,
                      .cflags = s->cflags,
                      .cache_dir = s->cache_dir,
                      .tmp_dir = s->tmp_dir,
                      .interrupted = interrupted,
                      .device = ffi_gpus(),
                      .device_ids = s->devices.id,
                      .n_devices = s->devices.n};
  return GR_OK;
}

/* The client's ranges as the engine's, which are the same: rows and columns of intervals. */
_Static_assert(sizeof(genred_interval) == sizeof(gr_interval) &&
                   offsetof(genred_interval, end) == offsetof(gr_interval, end),
               "the client's intervals are the engine's");

static gr_ranges ranges_of(const genred_ranges *r) {
  return (gr_ranges){.rows = (const gr_interval *)r->rows,
                     .ends = r->ends,
                     .n_blocks = r->n_blocks,
                     .columns = (const gr_interval *)r->columns,
                     .n_columns = r->n_columns};
}

static gr_batches batches_of(const genred_batches *b) {
  return (gr_batches){.n = b->n, .size = b->size, .step = b->step};
}

/* A call of a program under way: the session's settings and the client's arrays. */
typedef struct call {
  gr_error err;
  gr_report report;
  gr_options opt;
  ffi_settings settings; /* what opt points to, */
  const void *top;       /* in R's memory from here on */
  gr_array *args;        /* NULL: it failed, see err */
} call;

static void begin(call *c, const genred_program *program, const genred_array *args, int n,
                  genred_backend backend, int threads) {
  c->err = (gr_error){GR_OK, "", NULL};
  c->top = vmaxget();
  c->args = NULL;
  if (options(&c->settings, backend, threads, &c->opt, &c->err) == GR_OK)
    c->args = arrays_for(program, args, n, &c->err);
}

static genred_status end(call *c, char *message) {
  free(c->args);
  vmaxset(c->top);
  return status(&c->err, message);
}

static genred_status api_run_batches(genred_program *program, const genred_array *args, int n,
                                     const genred_ranges *ranges, const genred_batches *batches,
                                     const genred_output *out, genred_backend backend, int threads,
                                     char *message) {
  call c;
  begin(&c, program, args, n, backend, threads);
  gr_output results[2] = {{NULL, GR_F64, NULL}, {NULL, GR_F64, NULL}};
  gr_ranges some;
  gr_batches many;
  if (ranges) some = ranges_of(ranges);
  if (batches) many = batches_of(batches);
  if (c.args && outputs(program, out, results, &c.err) == GR_OK)
    gr_program_run_batches(engine(program), c.args, n, ranges ? &some : NULL,
                           batches ? &many : NULL, results, &c.opt, &c.report, &c.err);
  return end(&c, message);
}

static genred_status api_run_ranges(genred_program *program, const genred_array *args, int n,
                                    const genred_ranges *ranges, const genred_output *out,
                                    genred_backend backend, int threads, char *message) {
  return api_run_batches(program, args, n, ranges, NULL, out, backend, threads, message);
}

static genred_status api_run(genred_program *program, const genred_array *args, int n,
                             const genred_output *out, genred_backend backend, int threads,
                             char *message) {
  return api_run_ranges(program, args, n, NULL, out, backend, threads, message);
}

/* ---- arrays of pairs ---- */

static genred_status api_map_shape(const genred_program *program, const genred_array *args, int n,
                                   int64_t shape[3], char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_array *a = arrays_for(program, args, n, &err);
  if (a) gr_program_map_shape(engine_const(program), a, n, shape, &err);
  free(a);
  return status(&err, message);
}

static genred_status api_map(genred_program *program, const genred_array *args, int n,
                             const genred_ranges *ranges, double *values, genred_backend backend,
                             int threads, char *message) {
  call c;
  begin(&c, program, args, n, backend, threads);
  gr_ranges some;
  if (ranges) some = ranges_of(ranges);
  if (c.args)
    gr_program_map(engine(program), c.args, n, ranges ? &some : NULL, values, &c.opt, &c.report,
                   &c.err);
  return end(&c, message);
}

/* ---- partial results ---- */

static genred_status api_partial_size(const genred_program *program, const genred_array *args,
                                      int n, int64_t *size, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_array *a = arrays_for(program, args, n, &err);
  if (a) gr_states_size(engine_const(program), a, n, size, &err);
  free(a);
  return status(&err, message);
}

static genred_status api_partial_run(genred_program *program, const genred_array *args, int n,
                                     int64_t offset, double *states, int64_t size,
                                     genred_backend backend, int threads, char *message) {
  call c;
  begin(&c, program, args, n, backend, threads);
  if (c.args)
    gr_program_share(engine(program), c.args, n, offset, states, size, &c.opt, &c.report, &c.err);
  return end(&c, message);
}

static genred_status api_partial_merge(const genred_program *program, double *into,
                                       int64_t size_into, const double *from, int64_t size_from,
                                       char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_states_merge(engine_const(program), into, size_into, from, size_from, &err);
  return status(&err, message);
}

static genred_status api_partial_rows(const genred_program *program, const double *states,
                                      int64_t size, int64_t *rows, double *columns, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_states_info info = {0, 0};
  if (!rows)
    refuse(&err, "the place for the number of rows must be given, not NULL");
  else if (gr_states_describe(engine_const(program), states, size, &info, &err) == GR_OK)
    *rows = info.rows;
  if (columns && err.cls == GR_OK) *columns = info.count;
  return status(&err, message);
}

static genred_status api_partial_finish(const genred_program *program, const double *states,
                                        int64_t size, const genred_output *out, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_output results[2] = {{NULL, GR_F64, NULL}, {NULL, GR_F64, NULL}};
  if (outputs(program, out, results, &err) == GR_OK)
    gr_states_finish(engine_const(program), states, size, results, &err);
  return status(&err, message);
}

static const genred_api api = {.abi = GENRED_ABI,
                               .version = GR_VERSION,
                               .program_new = api_new,
                               .program_free = api_free,
                               .program_nargs = api_nargs,
                               .program_arg = api_arg,
                               .program_result = api_result,
                               .program_rows = api_rows,
                               .program_run = api_run,
                               .program_run_ranges = api_run_ranges,
                               .partial_size = api_partial_size,
                               .partial_run = api_partial_run,
                               .partial_merge = api_partial_merge,
                               .partial_rows = api_partial_rows,
                               .partial_finish = api_partial_finish,
                               .program_run_batches = api_run_batches,
                               .template_new = api_template_new,
                               .template_free = api_template_free,
                               .template_program = api_template_program,
                               .program_map_shape = api_map_shape,
                               .program_map = api_map};

static const genred_api *get_api(void) { return &api; }

void capi_register(void) { R_RegisterCCallable("genred", "genred_api_v1", (DL_FUNC)(void (*)(void))get_api); }
