/* capi.c: the table for packages that link to genred (inst/include/genred.h).
 *
 * Translates between the client's structures and the engine's; the client's stay as they are while the engine's may
 * change.  The only R code that runs here reads the session's settings and looks for an interrupt, both so that R cannot
 * jump over the client's frames. */
#include "ffi.h"

#include <R_ext/Rdynload.h>
#include <stdlib.h>
#include <string.h>

#include "../inst/include/genred.h"

_Static_assert((int)GENRED_INTERNAL == (int)GR_INTERNAL && (int)GENRED_INTERRUPT == (int)GR_INTERRUPT &&
                   (int)GENRED_CUDA == (int)GR_CUDA,
               "the client's status codes are the engine's classes");
_Static_assert((int)GENRED_GPU_2D == (int)GR_GPU_2D && (int)GENRED_CPU == (int)GR_CPU, "the client's backends are the engine's");
_Static_assert(GENRED_MESSAGE == GR_MESSAGE_MAX, "a client's message holds an engine's");

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

static genred_status api_new(const genred_spec *spec, genred_program **program, char *message) {
  gr_error err = {GR_OK, "", NULL};
  if (program) *program = NULL;
  if (!spec || !program) {
    refuse(&err, spec ? "the place for the program must be given, not NULL" : "the specification must be given, not NULL");
    return status(&err, message);
  }
  if (spec->axis < 0 || spec->axis > 2) {
    refuse(&err, "axis must be 0 (reduce i), 1 (reduce j) or 2 (both)");
    return status(&err, message);
  }
  gr_spec s = {.formula = spec->formula, .formula2 = spec->formula2, .aliases = spec->aliases, .n_aliases = spec->n_aliases,
               .reduction = spec->reduction, .axis = spec->axis, .opt_arg = spec->k, .has_opt_arg = spec->k != 0,
               .dtype = spec->dtype ? spec->dtype : "float32",
               .dtype_acc = spec->dtype_acc ? spec->dtype_acc : "auto",
               .sum_scheme = spec->sum_scheme ? spec->sum_scheme : "auto"};
  gr_program *p;
  if (gr_program_new(&s, &p, &err) == GR_OK) *program = (genred_program *)p;
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

/* The client's arrays as the engine's: malloc'ed, or NULL. The stride of a single column is of no account. */
static gr_array *arrays(const genred_program *program, const genred_array *args, int n, gr_error *err) {
  if (!program || (!args && n > 0) || n < 0) {
    refuse(err, !program ? "the program must be given, not NULL" : n < 0 ? "the number of arguments cannot be negative" : "the list of arguments must be given, not NULL");
    return NULL;
  }
  gr_array *a = malloc(((size_t)n + 1) * sizeof *a);
  if (!a) {
    err->cls = GR_MEMORY;
    strcpy(err->message, "out of memory");
    return NULL;
  }
  for (int k = 0; k < n; k++)
    a[k] = (gr_array){.data = args[k].data, .rows = args[k].rows, .cols = args[k].cols, .stride = args[k].cols > 1 ? args[k].stride : args[k].rows};
  return a;
}

static genred_status api_rows(const genred_program *program, const genred_array *args, int n, int64_t *rows, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_array *a = arrays(program, args, n, &err);
  if (a) gr_program_rows(engine_const(program), a, n, rows, &err);
  free(a);
  return status(&err, message);
}

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
  if (!out) return refuse(err, "the list of results must be given, not NULL");
  for (int k = 0; k < gr_program_result(engine_const(program)).n; k++) {
    if (out[k].type != GENRED_DOUBLE && out[k].type != GENRED_INT64)
      return refuse(err, "the type of a result must be GENRED_DOUBLE or GENRED_INT64");
    results[k] = (gr_output){.data = out[k].data, .type = out[k].type == GENRED_INT64 ? GR_I64 : GR_F64};
  }
  return GR_OK;
}

static void read_settings(void *settings) { *(ffi_settings *)settings = ffi_settings_now(); }

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

static genred_status api_run_ranges(genred_program *program, const genred_array *args, int n,
                                    const genred_ranges *ranges, const genred_output *out,
                                    genred_backend backend, int threads, char *message) {
  gr_error err = {GR_OK, "", NULL};
  gr_report report;
  ffi_settings s;
  if (threads < 0) {
    refuse(&err, "the number of threads must be 0 (the session's setting) or more");
    return status(&err, message);
  }
  const void *top = vmaxget();
  memset(&s, 0, sizeof s);
  if (!R_ToplevelExec(read_settings, &s)) {
    refuse(&err, "the settings of genred cannot be read");
    return status(&err, message);
  }
  gr_options opt = {.backend = (gr_backend)backend, .threads = threads > 0 ? threads : ffi_threads_now(), .cc = s.cc,
                    .cflags = s.cflags, .cache_dir = s.cache_dir, .tmp_dir = s.tmp_dir, .interrupted = interrupted,
                    .device = ffi_gpus(), .device_ids = s.devices.id, .n_devices = s.devices.n};
  if (opt.threads < 1) opt.threads = 1;
  gr_array *a = arrays(program, args, n, &err);
  gr_output results[2] = {{NULL, GR_F64, NULL}, {NULL, GR_F64, NULL}};
  gr_ranges some;
  if (ranges) some = ranges_of(ranges);
  if (a && outputs(program, out, results, &err) == GR_OK)
    gr_program_run_ranges(engine(program), a, n, ranges ? &some : NULL, results, &opt, &report,
                          &err);
  free(a);
  vmaxset(top);
  return status(&err, message);
}

static genred_status api_run(genred_program *program, const genred_array *args, int n,
                             const genred_output *out, genred_backend backend, int threads,
                             char *message) {
  return api_run_ranges(program, args, n, NULL, out, backend, threads, message);
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
                               .program_run_ranges = api_run_ranges};

static const genred_api *get_api(void) { return &api; }

void capi_register(void) { R_RegisterCCallable("genred", "genred_api_v1", (DL_FUNC)(void (*)(void))get_api); }
