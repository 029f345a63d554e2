/* ffi_call.c: a call of an operator.
 *
 * The fast path accepts plain vectors, matrices and arrays of numbers (ffi_shape.c), genred_arrays
 * and valid settings.  For anything else it returns NULL before it starts any work; R/call.R then
 * checks the arguments and settings one by one, converts or rejects them, and calls ffi_call_list.
 * A result is a matrix, an array, a genred_array, or a list of two of these; an object of class
 * genred_failure or genred_noted is a failure or a result with a message. */
#include "ffi.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
  FEW = 16,      /* arguments that need no allocation */
  LARGE = 1 << 20 /* elements of a result that is worth a handler for a failed allocation */
};

typedef struct call {
  SEXP spec;
  gr_backend backend;
  ffi_ids devices; /* named by the call or, later, by a setting */
  bool keep;       /* results stay on the GPU */
  SEXP ranges;     /* of a block-sparse call, or NULL */
  bool careful;    /* R has looked at the call: it is refused, not handed back */
  int n;
  SEXP *arg;       /* arguments as R objects */
  gr_array *array; /* the same for the engine */
  gr_batches batch; /* n = 0: none */
  int protects;
  bool share;     /* the states of a share of the columns are wanted, not results: */
  int64_t offset; /* its first column, in the whole */
  double *states;
  int64_t size;
  bool map; /* the values of all pairs are wanted (ffi_map.c) */
  double *values;
} call;

static bool read_flag(SEXP x, bool *flag) {
  if (Rf_isObject(x) || TYPEOF(x) != LGLSXP || XLENGTH(x) != 1 || LOGICAL(x)[0] == NA_LOGICAL) return false;
  *flag = LOGICAL(x)[0] != 0;
  return true;
}

static bool read_settings(call *c, SEXP backend, SEXP device, SEXP ranges, SEXP keep) {
  c->ranges = ranges;
  if (!ffi_backend(backend, &c->backend) || !ffi_read_ids(device, &c->devices) ||
      !read_flag(keep, &c->keep))
    return false;
  bool here = c->backend == GR_CPU || c->backend == GR_INTERPRETER;
  return !here || (c->devices.n == 0 && !c->keep);
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Their shapes, and the batch that they make. */
static bool read_shapes(call *c, const ffi_op *op) {
  int longest = 0;
  for (int k = 0; k < c->n; k++) {
    int n = ffi_shape_read(c->arg[k], &op->arg[k], &c->array[k]);
    if (n < 0) return false;
    if (n > longest) longest = n;
  }
  return longest == 0 || (!c->keep && !c->share && ffi_batches_read(op, c->arg, longest, &c->batch));
}

/* Converts integers and logicals to doubles, including NA. */
static bool read_args(call *c, const ffi_op *op) {
  if (!read_shapes(c, op)) return false;
  for (int k = 0; k < c->n; k++) {
    if (c->array[k].buffer) continue;
    if (TYPEOF(c->arg[k]) != REALSXP) {
      c->arg[k] = PROTECT(Rf_coerceVector(c->arg[k], REALSXP));
      c->protects++;
    }
    c->array[k].data = REAL_RO(c->arg[k]);
  }
  return true;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* The number of values of an index, i (GR_VI) or j (GR_VJ), that the first argument with this index
 * has; 1 without one. */
static int64_t rows_of(const call *c, const ffi_op *op, gr_category index) {
  for (int k = 0; k < c->n; k++) {
    bool pairs = op->arg[k].category == GR_MIJ;
    if (pairs && index == GR_VJ) return c->array[k].cols / op->arg[k].dim;
    if (pairs || op->arg[k].category == index) return c->array[k].rows;
  }
  return 1;
}

/* NULL: all pairs.  false: R is to look at the ranges; or, if it has, they are wrong, see err. */
static bool read_ranges(const call *c, const ffi_op *op, gr_ranges *place, const gr_ranges **ranges,
                        gr_error *err) {
  *ranges = NULL;
  if (c->ranges == R_NilValue) return true;
  if (!ffi_ranges_read(c->ranges, op->result.axis != 0, rows_of(c, op, GR_VI),
                       rows_of(c, op, GR_VJ), place))
    return false;
  *ranges = place;
  return gr_program_check_ranges(op->program, c->array, c->n, place, err) == GR_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

typedef struct request {
  SEXPTYPE type;
  const ffi_shape *shape;
} request;

static SEXP allocate(void *data) {
  const request *q = data;
  const int *dim = q->shape->dim;
  if (q->shape->n == 2) return Rf_allocMatrix(q->type, dim[0], dim[1]);
  SEXP out = Rf_allocArray(q->type, PROTECT(ffi_shape_dim(q->shape)));
  UNPROTECT(1);
  return out;
}

static SEXP no_memory(SEXP condition, void *data) {
  (void)condition, (void)data;
  return R_NilValue;
}

/* NULL (with err filled) if R cannot allocate the result.  For small results the handler, which
 * takes some 10 us, is not worth it. */
static SEXP try_allocate(request *q, gr_error *err) {
  double n = ffi_shape_length(q->shape);
  if (n < LARGE) return allocate(q);
  SEXP out = R_tryCatchError(allocate, q, no_memory, NULL);
  if (out != R_NilValue) return out;
  err->cls = GR_MEMORY;
  snprintf(err->message, sizeof err->message, "out of memory (the result, %.0f bytes)", n * (q->type == INTSXP ? 4 : 8));
  return out;
}

static SEXP new_result(const gr_result_info *r, int which, const ffi_shape *shape, SEXP dimnames, gr_output *o,
                       gr_error *err) {
  bool index = r->is_index[which];
  request q = {index ? INTSXP : REALSXP, shape};
  SEXP out = PROTECT(try_allocate(&q, err));
  if (out == R_NilValue) {
    UNPROTECT(1);
    return out;
  }
  if (dimnames != R_NilValue) Rf_setAttrib(out, R_DimNamesSymbol, dimnames);
  o->buffer = NULL;
  o->type = index ? GR_R_INT : GR_F64;
  if (index)
    o->data = INTEGER(out);
  else
    o->data = REAL(out);
  UNPROTECT(1);
  return out;
}

/* A genred_array; o->buffer is NULL, and err filled, if there is no memory for it. */
static SEXP new_kept_result(const gr_result_info *r, int which, const ffi_shape *shape, SEXP dimnames, int device,
                            gr_output *o, gr_error *err) {
  gr_storage_type type = r->is_index[which] ? GR_INT : strcmp(r->dtype, "float64") == 0 ? GR_DOUBLE : GR_FLOAT;
  SEXP dim = PROTECT(ffi_shape_dim(shape));
  SEXP out = PROTECT(ffi_array_shell(dim, dimnames, type, device));
  o->data = NULL;
  o->type = GR_F64;
  o->buffer = ffi_array_fill(out, type, err);
  UNPROTECT(2);
  return out;
}

/* The GPU on which results stay: the first that is named, else that of the first argument on a
 * GPU. */
static int home_of(const call *c, const gr_options *opt) {
  for (int k = 0; k < c->n && opt->n_devices == 0; k++)
    if (c->array[k].buffer) return c->array[k].buffer->device;
  return opt->n_devices ? opt->device_ids[0] : 0;
}

/* The k-th result; err is filled if there is no memory for it. */
static SEXP one_result(const call *c, const ffi_op *op, int k, const ffi_shape *shape, int home, gr_output *out,
                       gr_error *err) {
  SEXP dimnames = PROTECT(ffi_result_names(op, c->arg, shape));
  SEXP result = c->keep ? new_kept_result(&op->result, k, shape, dimnames, home, &out[k], err)
                        : new_result(&op->result, k, shape, dimnames, &out[k], err);
  UNPROTECT(1);
  return result;
}

/* One result, or list(value, index); a failure value if err is filled. */
static SEXP new_results(const call *c, const ffi_op *op, int64_t rows, int home, gr_output *out, gr_error *err) {
  const char *pair[] = {"value", "index", ""};
  ffi_shape shape;
  ffi_result_shape(&op->result, rows, &c->batch, &shape);
  SEXP both;
  if (op->result.n == 1) {
    both = one_result(c, op, 0, &shape, home, out, err);
  } else {
    both = PROTECT(Rf_mkNamed(VECSXP, pair));
    for (int k = 0; k < 2 && err->cls == GR_OK; k++)
      SET_VECTOR_ELT(both, k, one_result(c, op, k, &shape, home, out, err));
    UNPROTECT(1);
  }
  return err->cls == GR_OK ? both : ffi_fail(err);
}

/* A result with a message, which R shows once per session. */
static SEXP noted(SEXP result, const gr_report *report) {
  const char *names[] = {"result", "note", "interpreted", ""};
  PROTECT(result);
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, result);
  SET_VECTOR_ELT(out, 1, ffi_text(report->note));
  SET_VECTOR_ELT(out, 2, Rf_ScalarLogical(report->backend == GR_INTERPRETER && !report->note_on_data));
  Rf_setAttrib(out, R_ClassSymbol, Rf_mkString("genred_noted"));
  UNPROTECT(2);
  return out;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Returns the name of an invalid setting, or NULL. */
static const char *read_options(call *c, gr_options *o) {
  ffi_settings s = ffi_settings_now();
  memset(o, 0, sizeof *o);
  o->backend = c->backend;
  o->threads = ffi_threads_now();
  o->cc = s.cc;
  o->cflags = s.cflags;
  o->cache_dir = s.cache_dir;
  o->tmp_dir = s.tmp_dir;
  o->interrupted = ffi_poll_interrupted;
  o->progress = s.progress ? ffi_poll_progress : NULL;
  o->device = ffi_gpus();
  o->use_fast_math = Rf_asLogical(VECTOR_ELT(c->spec, SPEC_FAST_MATH)) == TRUE;
  if (c->devices.n == 0) c->devices = s.devices;
  o->device_ids = c->devices.id;
  o->n_devices = c->devices.n;
  return s.bad ? s.bad : o->threads < 1 ? "genred.threads" : NULL;
}

static SEXP run_engine(call *c, ffi_op *op, const gr_ranges *ranges, gr_options *opt,
                       const gr_output *out, SEXP result) {
  gr_error err;
  gr_report report;
  ffi_poll poll;
  err.cls = GR_OK;
  err.message[0] = 0;
  err.log = NULL;
  memset(&report, 0, sizeof report);
  SEXP token = PROTECT(R_MakeUnwindCont());
  ffi_poll_start(&poll, token);
  opt->ctx = &poll;

  op->busy = true;
  gr_class cls = c->share ? gr_program_share(op->program, c->array, c->n, c->offset, c->states,
                                             c->size, opt, &report, &err)
                 : c->map ? gr_program_map(op->program, c->array, c->n, ranges, c->values, opt,
                                           &report, &err)
                          : gr_program_run_batches(op->program, c->array, c->n, ranges,
                                                   c->batch.n ? &c->batch : NULL, out, opt, &report, &err);
  op->busy = false;
  if (poll.unwinding) gr_error_clear(&err);
  ffi_poll_end(&poll);

  if (cls == GR_OK) {
    op->last = report;
    if (report.note[0]) result = noted(result, &report);
  } else {
    result = ffi_fail(&err);
  }
  UNPROTECT(1);
  return result;
}

/* list(states, names): a block of states, and the names of its rows. */
static SEXP run_share(call *c, ffi_op *op, gr_options *opt) {
  const char *names[] = {"states", "names", ""};
  gr_error err = {GR_OK, "", NULL};
  int64_t rows;
  if (gr_states_size(op->program, c->array, c->n, &c->size, &err) != GR_OK ||
      gr_program_rows(op->program, c->array, c->n, &rows, &err) != GR_OK)
    return ffi_fail(&err);
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SEXP states = Rf_allocVector(REALSXP, (R_xlen_t)c->size);
  SET_VECTOR_ELT(result, 0, states);
  SET_VECTOR_ELT(result, 1, ffi_row_names(op, c->arg, rows));
  c->states = REAL(states);
  result = run_engine(c, op, NULL, opt, NULL, result);
  UNPROTECT(1);
  return result;
}

static SEXP run_map(call *c, ffi_op *op, const gr_ranges *ranges, gr_options *opt) {
  SEXP result = PROTECT(ffi_map_result(op, c->array, c->n, &c->values));
  if (c->values) result = run_engine(c, op, ranges, opt, NULL, result);
  UNPROTECT(1);
  return result;
}

static SEXP run_op(call *c, ffi_op *op) {
  gr_error err = {GR_OK, "", NULL};
  gr_options opt;
  gr_output out[2];
  gr_ranges place;
  const gr_ranges *ranges;
  int64_t rows;
  if (c->n != op->nargs)
    return ffi_failf(GR_ARGUMENT, "this operator was changed: it has %d arguments, but its formula has %d", c->n,
                     op->nargs);
  if (op->busy) return ffi_failf(GR_ARGUMENT, "this operator is already running");
  if (read_options(c, &opt) || !read_args(c, op)) return R_NilValue;
  if (c->share) return run_share(c, op, &opt);
  if (gr_program_rows(op->program, c->array, c->n, &rows, &err) != GR_OK) return ffi_fail(&err);
  if (!read_ranges(c, op, &place, &ranges, &err))
    return c->careful && err.cls ? ffi_fail(&err) : R_NilValue;
  if (c->map) return run_map(c, op, ranges, &opt);
  if (rows > INT_MAX)
    return ffi_failf(GR_ARGUMENT, "the result would have %lld rows; a matrix in R has at most %d", (long long)rows,
                     INT_MAX);
  int home = home_of(c, &opt);
  SEXP result = PROTECT(new_results(c, op, rows, home, out, &err));
  if (c->keep && opt.n_devices == 0) {
    opt.device_ids = &home;
    opt.n_devices = 1;
  }
  if (err.cls == GR_OK) result = run_engine(c, op, ranges, &opt, out, result);
  UNPROTECT(1);
  return result;
}

/* careful: R has checked the arguments.  offset: of a share of the columns; NULL: all are there.
 * map: without the reduction. */
static SEXP run_call(SEXP spec, const SEXP *setting, SEXP *arg, int n, bool careful, const int64_t *offset, bool map) {
  call c = {.spec = spec,
            .careful = careful,
            .n = n,
            .arg = arg,
            .map = map,
            .share = offset != NULL,
            .offset = offset ? *offset : 0};
  gr_array few[FEW];
  ffi_op *op;
  if (!read_settings(&c, setting[0], setting[1], setting[2], setting[3])) return R_NilValue;
  c.array = n <= FEW ? few : (gr_array *)R_alloc((size_t)n, sizeof *c.array);
  SEXP result = PROTECT(ffi_op_get(spec, &op));
  if (op && op->open) {
    result = PROTECT(ffi_open_get(op, spec, arg, n, &op));
    c.protects++;
  }
  if (op) result = run_op(&c, op);
  UNPROTECT(1 + c.protects);
  return result;
}

/* ---- before the calls ------------------------------------------------------------------------ */

/* Compiles together the kernels for calls of these operators with m and n rows.  Returns a message
 * or NULL; errors are left for the calls to report. */
SEXP ffi_prepare(SEXP specs, SEXP m, SEXP n, SEXP backend, SEXP device, SEXP ranges) {
  gr_options opt;
  gr_report report;
  ffi_poll poll;
  ffi_op *op;
  int count = 0, size = TYPEOF(specs) == VECSXP ? (int)XLENGTH(specs) : 0;
  bool sized = TYPEOF(m) == REALSXP && TYPEOF(n) == REALSXP && XLENGTH(m) >= size && XLENGTH(n) >= size;
  if (size == 0 || !sized || !ffi_spec_ok(VECTOR_ELT(specs, 0))) return R_NilValue;
  call c = {.spec = VECTOR_ELT(specs, 0)};
  if (!read_settings(&c, backend, device, ranges, Rf_ScalarLogical(0)) || read_options(&c, &opt))
    return R_NilValue;
  gr_call *call = (gr_call *)R_alloc((size_t)size + 1, sizeof *call);
  SEXP kept = PROTECT(Rf_allocVector(VECSXP, size)); /* protects programs that the table evicts */
  for (int k = 0; k < size; k++) {
    SET_VECTOR_ELT(kept, k, ffi_op_get(VECTOR_ELT(specs, k), &op));
    if (!op || op->open || op->busy) continue;
    gr_call one = {op->program, (int64_t)REAL(m)[k], (int64_t)REAL(n)[k], 0};
    call[count++] = one;
  }
  SEXP token = PROTECT(R_MakeUnwindCont());
  ffi_poll_start(&poll, token);
  opt.ctx = &poll;
  gr_programs_prepare(call, count, &opt, &report);
  ffi_poll_end(&poll);
  UNPROTECT(2);
  return report.note[0] ? ffi_text(report.note) : R_NilValue;
}

/* ---- entry points ---------------------------------------------------------------------------- */

SEXP ffi_call(SEXP args) {
  SEXP few[FEW], *arg = few, head[5];
  args = CDR(args);
  for (int k = 0; k < 5; k++, args = CDR(args)) head[k] = CAR(args);
  int n = Rf_length(args);
  if (n > FEW) arg = (SEXP *)R_alloc((size_t)n, sizeof *arg);
  for (int k = 0; k < n; k++, args = CDR(args)) arg[k] = CAR(args);
  return run_call(head[0], head + 1, arg, n, false, NULL, false);
}

static SEXP run_list(SEXP spec, const SEXP *setting, SEXP args, const int64_t *offset, bool map) {
  int n = (int)XLENGTH(args);
  SEXP *arg = (SEXP *)R_alloc((size_t)n + 1, sizeof *arg);
  for (int k = 0; k < n; k++) arg[k] = VECTOR_ELT(args, k);
  return run_call(spec, setting, arg, n, true, offset, map);
}

SEXP ffi_call_list(SEXP spec, SEXP backend, SEXP device, SEXP ranges, SEXP keep, SEXP args) {
  const SEXP setting[] = {backend, device, ranges, keep};
  return run_list(spec, setting, args, NULL, false);
}

/* The values that the operator would sum, for all pairs (R/grad_rules.R). */
SEXP ffi_map(SEXP spec, SEXP backend, SEXP device, SEXP ranges, SEXP args) {
  SEXP keep = PROTECT(Rf_ScalarLogical(FALSE));
  const SEXP setting[] = {backend, device, ranges, keep};
  SEXP result = run_list(spec, setting, args, NULL, true);
  UNPROTECT(1);
  return result;
}

/* The arguments are a share of the columns, `offset` of which come before (R/partial.R). */
SEXP ffi_share(SEXP spec, SEXP backend, SEXP device, SEXP offset, SEXP args) {
  SEXP keep = PROTECT(Rf_ScalarLogical(FALSE));
  const SEXP setting[] = {backend, device, R_NilValue, keep};
  int64_t before = (int64_t)Rf_asReal(offset);
  SEXP result = run_list(spec, setting, args, &before, false);
  UNPROTECT(1);
  return result;
}
