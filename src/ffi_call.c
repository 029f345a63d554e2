/* ffi_call.c: a call of an operator.
 *
 * The fast way takes what needs no judgement: plain matrices and vectors of numbers and the usual settings.  For
 * anything else it answers NULL before any work, and R/call.R looks at the arguments one by one, converts or refuses
 * them, and calls ffi_call_list.  A result is a matrix, an array or a list of two; anything with a class is a failure
 * or a result with a note. */
#include "ffi.h"

#include <limits.h>
#include <string.h>

enum { FEW = 16 };

typedef struct call {
  SEXP spec;
  gr_backend backend;
  int n;
  SEXP *arg;       /* as given */
  gr_array *array; /* the same for the engine */
  int protects;
} call;

static bool is_minus_one(SEXP x) {
  if (OBJECT(x)) return false;
  if (TYPEOF(x) == REALSXP) return XLENGTH(x) == 1 && REAL(x)[0] == -1;
  return TYPEOF(x) == INTSXP && XLENGTH(x) == 1 && INTEGER(x)[0] == -1;
}

/* ---- arguments ---------------------------------------------------------------------------------------------------- */

static bool is_plain(SEXP x) {
  return !Rf_isObject(x) && (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == LGLSXP);
}

/* Shape of a plain argument; false: it does not fit one of this category in an obvious way. */
static bool shape_of(SEXP x, const gr_arg_info *info, gr_array *a) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  int nd = dim == R_NilValue ? 0 : (int)XLENGTH(dim);
  R_xlen_t rows = XLENGTH(x), cols = 1;
  if (nd == 2) {
    rows = INTEGER(dim)[0];
    cols = INTEGER(dim)[1];
  } else if (nd > 2) {
    return false;
  }
  if (info->category == GR_PM) {
    if (nd == 2 && rows != 1 && cols != 1) return false;
    a->rows = 1;
    a->cols = XLENGTH(x);
    a->stride = 1;
    return true;
  }
  if (nd < 2 && info->dim != 1) return false;
  a->rows = rows;
  a->cols = cols;
  a->stride = rows;
  return true;
}

/* Integers and logicals become doubles here, NA included. */
static bool read_args(call *c, const ffi_op *op) {
  for (int k = 0; k < c->n; k++)
    if (!is_plain(c->arg[k]) || !shape_of(c->arg[k], &op->arg[k], &c->array[k])) return false;
  for (int k = 0; k < c->n; k++) {
    if (TYPEOF(c->arg[k]) != REALSXP) {
      c->arg[k] = PROTECT(Rf_coerceVector(c->arg[k], REALSXP));
      c->protects++;
    }
    c->array[k].data = REAL_RO(c->arg[k]);
    c->array[k].buffer = NULL;
  }
  return true;
}

/* ---- results ------------------------------------------------------------------------------------------------------- */

/* Row names of the first argument of the kept index that has some. */
static SEXP row_names(const call *c, const ffi_op *op, int64_t rows) {
  gr_category kept = op->result.axis == 1 ? GR_VI : GR_VJ;
  if (op->result.axis == 2) return R_NilValue;
  for (int k = 0; k < c->n; k++) {
    if (op->arg[k].category != kept) continue;
    SEXP x = c->arg[k], names = Rf_getAttrib(x, R_DimNamesSymbol);
    if (names == R_NilValue)
      names = Rf_getAttrib(x, R_NamesSymbol);
    else
      names = VECTOR_ELT(names, 0);
    if (TYPEOF(names) == STRSXP && XLENGTH(names) == rows) return names;
  }
  return R_NilValue;
}

static SEXP new_result(const gr_result_info *r, int which, int64_t rows, SEXP names) {
  SEXPTYPE type = r->is_index[which] ? INTSXP : REALSXP;
  bool cube = r->k > 0 && r->dim > 1;
  SEXP out;
  if (cube)
    out = Rf_alloc3DArray(type, (int)rows, r->k, r->dim);
  else
    out = Rf_allocMatrix(type, (int)rows, r->k > 0 ? r->k : r->dim);
  if (names == R_NilValue) return out;
  PROTECT(out);
  SEXP dimnames = PROTECT(Rf_allocVector(VECSXP, cube ? 3 : 2));
  SET_VECTOR_ELT(dimnames, 0, names);
  Rf_setAttrib(out, R_DimNamesSymbol, dimnames);
  UNPROTECT(2);
  return out;
}

static gr_output output_of(SEXP x) {
  gr_output o;
  bool index = TYPEOF(x) == INTSXP;
  o.buffer = NULL;
  o.type = index ? GR_R_INT : GR_F64;
  if (index)
    o.data = INTEGER(x);
  else
    o.data = REAL(x);
  return o;
}

/* One result, or list(value, index). */
static SEXP new_results(const ffi_op *op, int64_t rows, SEXP names, gr_output *out) {
  const char *pair[] = {"value", "index", ""};
  const gr_result_info *r = &op->result;
  if (r->n == 1) {
    SEXP one = new_result(r, 0, rows, names);
    out[0] = output_of(one);
    return one;
  }
  SEXP both = PROTECT(Rf_mkNamed(VECSXP, pair));
  for (int k = 0; k < 2; k++) {
    SET_VECTOR_ELT(both, k, new_result(r, k, rows, names));
    out[k] = output_of(VECTOR_ELT(both, k));
  }
  UNPROTECT(1);
  return both;
}

/* A result that comes with something to say, once per session. */
static SEXP noted(SEXP result, const gr_report *report) {
  const char *names[] = {"result", "note", "interpreted", ""};
  PROTECT(result);
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, result);
  SET_VECTOR_ELT(out, 1, Rf_mkString(report->note));
  SET_VECTOR_ELT(out, 2, Rf_ScalarLogical(report->backend == GR_INTERPRETER));
  Rf_setAttrib(out, R_ClassSymbol, Rf_mkString("genred_noted"));
  UNPROTECT(2);
  return out;
}

/* ---- the run ----------------------------------------------------------------------------------------------------------- */

/* The option that is wrong, or NULL. */
static const char *read_options(gr_backend backend, gr_options *o) {
  ffi_settings s = ffi_settings_now();
  memset(o, 0, sizeof *o);
  o->backend = backend;
  o->threads = ffi_threads_now();
  o->cc = s.cc;
  o->cflags = s.cflags;
  o->cache_dir = s.cache_dir;
  o->tmp_dir = s.tmp_dir;
  o->interrupted = ffi_poll_interrupted;
  o->progress = s.progress ? ffi_poll_progress : NULL;
  return s.bad ? s.bad : o->threads < 1 ? "genred.threads" : NULL;
}

static SEXP run_engine(call *c, ffi_op *op, const gr_output *out, SEXP result) {
  gr_error err;
  gr_report report;
  gr_options opt;
  ffi_poll poll;
  const char *bad = read_options(c->backend, &opt);
  if (bad) return ffi_failf(GR_ARGUMENT, "the option %s has a value that it cannot have; see ?genred_options", bad);
  err.cls = GR_OK;
  err.message[0] = 0;
  err.log = NULL;
  memset(&report, 0, sizeof report);
  SEXP token = PROTECT(R_MakeUnwindCont());
  ffi_poll_start(&poll, token);
  opt.ctx = &poll;

  op->busy = true;
  gr_class cls = gr_program_run(op->program, c->array, c->n, out, &opt, &report, &err);
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

static SEXP run_op(call *c, ffi_op *op) {
  gr_error err = {GR_OK, "", NULL};
  gr_output out[2];
  int64_t rows;
  if (c->n != op->nargs) return ffi_failf(GR_INTERNAL, "%d arguments where %d are needed", c->n, op->nargs);
  if (op->busy) return ffi_failf(GR_ARGUMENT, "this operator is running already");
  if (!read_args(c, op)) return R_NilValue;
  if (gr_program_rows(op->program, c->array, c->n, &rows, &err) != GR_OK) return ffi_fail(&err);
  if (rows > INT_MAX)
    return ffi_failf(GR_ARGUMENT, "the result would have %lld rows; a matrix in R has at most %d", (long long)rows,
                     INT_MAX);
  SEXP result = PROTECT(new_results(op, rows, row_names(c, op, rows), out));
  result = run_engine(c, op, out, result);
  UNPROTECT(1);
  return result;
}

static SEXP run_call(SEXP spec, SEXP backend, SEXP device, SEXP ranges, SEXP *arg, int n) {
  call c = {spec, GR_AUTO, n, arg, NULL, 0};
  gr_array few[FEW];
  ffi_op *op;
  if (ranges != R_NilValue || !is_minus_one(device) || !ffi_backend(backend, &c.backend)) return R_NilValue;
  c.array = n <= FEW ? few : (gr_array *)R_alloc((size_t)n, sizeof *c.array);
  SEXP result = PROTECT(ffi_op_get(spec, &op));
  if (op) result = run_op(&c, op);
  UNPROTECT(1 + c.protects);
  return result;
}

/* ---- before the calls --------------------------------------------------------------------------------------------------------- */

/* The kernels of calls to come, of these operators with m and n rows.  A note, or NULL: what is wrong is left to the calls. */
SEXP ffi_prepare(SEXP specs, SEXP m, SEXP n, SEXP backend, SEXP device, SEXP ranges) {
  gr_options opt;
  gr_report report;
  gr_backend how;
  ffi_op *op;
  int count = 0, size = (int)XLENGTH(specs);
  if (ranges != R_NilValue || !is_minus_one(device) || !ffi_backend(backend, &how) || read_options(how, &opt)) return R_NilValue;
  gr_call *call = (gr_call *)R_alloc((size_t)size + 1, sizeof *call);
  SEXP kept = PROTECT(Rf_allocVector(VECSXP, size)); /* the programs, while the table may drop them */
  for (int k = 0; k < size; k++) {
    SET_VECTOR_ELT(kept, k, ffi_op_get(VECTOR_ELT(specs, k), &op));
    if (!op || op->busy) continue;
    gr_call one = {op->program, (int64_t)REAL(m)[k], (int64_t)REAL(n)[k]};
    call[count++] = one;
  }
  gr_programs_prepare(call, count, &opt, &report);
  UNPROTECT(1);
  return report.note[0] ? Rf_mkString(report.note) : R_NilValue;
}

/* ---- entry points ---------------------------------------------------------------------------------------------------------- */

SEXP ffi_call(SEXP args) {
  SEXP few[FEW], *arg = few, head[4];
  args = CDR(args);
  for (int k = 0; k < 4; k++, args = CDR(args)) head[k] = CAR(args);
  int n = Rf_length(args);
  if (n > FEW) arg = (SEXP *)R_alloc((size_t)n, sizeof *arg);
  for (int k = 0; k < n; k++, args = CDR(args)) arg[k] = CAR(args);
  return run_call(head[0], head[1], head[2], head[3], arg, n);
}

SEXP ffi_call_list(SEXP spec, SEXP backend, SEXP device, SEXP ranges, SEXP args) {
  int n = (int)XLENGTH(args);
  SEXP *arg = (SEXP *)R_alloc((size_t)n + 1, sizeof *arg);
  for (int k = 0; k < n; k++) arg[k] = VECTOR_ELT(args, k);
  return run_call(spec, backend, device, ranges, arg, n);
}
