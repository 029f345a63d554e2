/* ffi.h: the R boundary.
 *
 * The files ffi_*.c, capi.c and init.c are the only ones that see a SEXP, and they see the engine
 * only through engine.h.  An entry point (ffi_NAME, registered in init.c) never signals an R error
 * while it owns native resources: it returns a failure value (ffi_failure.c), and R code raises the
 * condition.  R vectors are allocated before native work starts. */
#ifndef GENRED_FFI_H
#define GENRED_FFI_H

#ifndef R_NO_REMAP
#define R_NO_REMAP
#endif
#ifndef STRICT_R_HEADERS
#define STRICT_R_HEADERS
#endif
#include <R.h>
#include <Rinternals.h>

#include <setjmp.h>
#include <stdbool.h>
#include <time.h>

#include "engine/engine.h"

/* ---- ffi_failure.c: errors as values --------------------------------------------------------- */

SEXP ffi_fail(gr_error *err); /* takes over err->log */
SEXP ffi_failf(gr_class cls, const char *fmt, ...);
/* a malloc'ed string as an R string; frees it, even if R runs out of memory */
SEXP ffi_take_text(char *text);
SEXP ffi_text(const char *text); /* UTF-8 */
SEXP ffi_namespace(void);

/* ---- ffi_settings.c: argument, option, environment variable ---------------------------------- */

enum { FFI_DEVICES = 16 };

typedef struct ffi_ids { /* numbers of GPUs; if there are none, the engine chooses */
  int n, id[FFI_DEVICES];
} ffi_ids;

typedef struct ffi_settings {
  const char *cc, *cflags, *cache_dir, *tmp_dir;
  ffi_ids devices;
  bool progress;   /* may be shown */
  const char *bad; /* the name of an invalid option or environment variable, or NULL */
} ffi_settings;

/* The strings live until the .Call returns. */
ffi_settings ffi_settings_now(void);
void ffi_settings_symbols(void); /* at load time */
/* Reads a backend; "auto" defers to option and environment variable.  False if there is no such
 * backend. */
bool ffi_backend(SEXP x, gr_backend *backend);
/* Reads numbers of GPUs, or -1 for none; false if the value is neither. */
bool ffi_read_ids(SEXP x, ffi_ids *ids);

/* ---- ffi_threads.c --------------------------------------------------------------------------- */

void ffi_threads_init(void); /* at load time */
int ffi_threads_now(void);   /* 0 if the option or environment variable is invalid */

/* ---- ffi_program.c: programs by their specification ------------------------------------------ */

/* The elements of the plain R list that specifies an operator; R/genred.R creates it. */
enum {
  SPEC_KEY, SPEC_FORMULA, SPEC_FORMULA2, SPEC_ALIASES, SPEC_REDUCTION, SPEC_AXIS, SPEC_OPT_ARG, SPEC_DTYPE,
  SPEC_DTYPE_ACC, SPEC_DOUBLE_ACC, SPEC_SCHEME, SPEC_FAST_MATH, SPEC_SIZE
};

typedef struct ffi_op {
  gr_program *program; /* NULL where dimensions are open: */
  gr_template *open;
  struct ffi_fillings *fillings;
  gr_result_info result;
  int nargs;
  gr_arg_info *arg;
  bool busy;       /* being executed */
  gr_report last;  /* of the last run; backend GR_AUTO before the first */
} ffi_op;

/* The program of this specification, created if necessary, behind an external pointer; or a failure
 * value, with *op NULL. */
SEXP ffi_op_get(SEXP spec, ffi_op **op);
bool ffi_spec_ok(SEXP spec); /* whether it has the types and the key that R/genred.R gives it */
/* The same for the specification of `open` with these dimensions. */
SEXP ffi_op_fill(SEXP spec, const ffi_op *open, const int *dims, ffi_op **op);
const ffi_op *ffi_op_known(SEXP spec); /* NULL: it would have to be created */

/* ---- ffi_open.c: operators whose aliases leave dimensions open ------------------------------- */

bool ffi_alias_open(SEXP alias);
/* Prepares an open operator; fillings is NULL if there is no memory. */
void ffi_open_init(ffi_op *open, SEXP pointer);
/* As ffi_op_get, for a call of an open operator with these arguments; R_NilValue, with *op NULL: R
 * is to look at them. */
SEXP ffi_open_get(ffi_op *open, SEXP spec, const SEXP *arg, int n, ffi_op **op);
const ffi_op *ffi_open_latest(const ffi_op *open); /* of the last call; NULL: none, or forgotten */

/* ---- ffi_poll.c: interrupts and progress while the engine runs ------------------------------- */

typedef struct ffi_poll {
  SEXP token;      /* of R_UnwindProtect; protected by the caller */
  jmp_buf landing;
  bool unwinding;  /* R code is jumping: stop the engine, then call ffi_poll_end */
  bool shown;      /* a progress bar is open */
  bool silent;     /* progress shall not be shown */
  double fraction;
  time_t start;
} ffi_poll;

void ffi_poll_start(ffi_poll *p, SEXP token);
int ffi_poll_interrupted(void *poll);
void ffi_poll_progress(double fraction, void *poll);
void ffi_poll_end(ffi_poll *p); /* closes the bar; does not return if R code is jumping */

/* ---- ffi_device.c: GPUs and matrices on them ------------------------------------------------- */

/* The elements of a genred_array; R/array.R reads them. */
enum { ARRAY_POINTER, ARRAY_DIM, ARRAY_DIMNAMES, ARRAY_DTYPE, ARRAY_DEVICE, ARRAY_SIZE };

void ffi_device_init(void); /* at load time */
const gr_device *ffi_gpus(void);
/* NULL if x is not a genred_array, or its entries are lost */
const gr_buffer *ffi_array_buffer(SEXP x);
/* Creates a genred_array of two or three dimensions without GPU memory; the second function
 * allocates that, and returns NULL with err filled if it cannot. */
SEXP ffi_array_shell(SEXP dim, SEXP dimnames, gr_storage_type type, int device);
gr_buffer *ffi_array_fill(SEXP shell, gr_storage_type type, gr_error *err);

/* ---- ffi_ranges.c: block-sparse calls -------------------------------------------------------- */

/* Reads the half of `ranges` whose rows are values of i, or of j, for arguments with m and n rows;
 * its memory lives until the .Call ends.  false: R is to look at it. */
bool ffi_ranges_read(SEXP x, bool rows_are_i, int64_t m, int64_t n, gr_ranges *r);

/* ---- ffi_shape.c: shapes of arguments and results -------------------------------------------- */

enum { FFI_BATCH_DIMS = 16 }; /* as many as the engine takes */

/* Describes a plain argument or a genred_array but for its numbers, for a batch the array of the
 * first element.  Returns the number of its dimensions that number elements of a batch, or -1 if it
 * is not obviously an argument of this kind. */
int ffi_shape_read(SEXP x, const gr_arg_info *info, gr_array *a);
/* The batch of arguments of which the longest has n > 0 such dimensions; its memory lives until the
 * .Call ends.  false: sizes do not agree, or there are too many dimensions, or a genred_array. */
bool ffi_batches_read(const ffi_op *op, const SEXP *arg, int n, gr_batches *b);

typedef struct ffi_shape { /* of a result */
  int n, rank;             /* number of dimensions, and of those of one element of a batch */
  int dim[3 + FFI_BATCH_DIMS];
} ffi_shape;

/* b->n is 0 if there is no batch; rows and sizes of dimensions fit an int. */
void ffi_result_shape(const gr_result_info *r, int64_t rows, const gr_batches *b, ffi_shape *s);
double ffi_shape_length(const ffi_shape *s);
SEXP ffi_shape_dim(const ffi_shape *s);
/* Names of the first argument that has any and belongs to the kept index: of `rows` rows, or
 * R_NilValue. */
SEXP ffi_row_names(const ffi_op *op, const SEXP *arg, int64_t rows);
SEXP ffi_result_names(const ffi_op *op, const SEXP *arg, const ffi_shape *s); /* dimnames */

/* ---- ffi_map.c: arrays of pairs as results --------------------------------------------------- */

/* The array M x N (x D) for the values of a program for all pairs, whose numbers are then *values;
 * a failure value, with *values NULL, where there is no memory for it. */
SEXP ffi_map_result(const ffi_op *op, const gr_array *args, int n, double **values);

/* ---- capi.c: the table for packages that link to genred -------------------------------------- */

void capi_register(void); /* at load time */

/* ---- entry points ---------------------------------------------------------------------------- */

SEXP ffi_call(SEXP args); /* by .External: spec, backend, device_id, ranges, keep, arguments ... */
SEXP ffi_call_list(SEXP spec, SEXP backend, SEXP device, SEXP ranges, SEXP keep, SEXP args);
SEXP ffi_map(SEXP spec, SEXP backend, SEXP device, SEXP ranges, SEXP args);
SEXP ffi_share(SEXP spec, SEXP backend, SEXP device, SEXP offset, SEXP args);
SEXP ffi_states_describe(SEXP spec, SEXP states);
SEXP ffi_states_merge(SEXP spec, SEXP list);
SEXP ffi_states_finish(SEXP spec, SEXP states, SEXP wide);
SEXP ffi_prepare(SEXP specs, SEXP m, SEXP n, SEXP backend, SEXP device, SEXP ranges);
SEXP ffi_ranges_agree(SEXP x);
SEXP ffi_make(SEXP spec);
SEXP ffi_key(SEXP spec);
SEXP ffi_spec(SEXP spec);
SEXP ffi_fill(SEXP spec, SEXP dims);
SEXP ffi_dump(SEXP spec, SEXP stage);
SEXP ffi_describe(SEXP spec);
SEXP ffi_defaults(SEXP cc, SEXP cache_dir, SEXP tmp_dir);
SEXP ffi_settings_list(void);
SEXP ffi_threads(void);
SEXP ffi_cgroup(SEXP root, SEXP self);
SEXP ffi_compiler(SEXP cc);
SEXP ffi_engine(void);
SEXP ffi_operations(void);
SEXP ffi_array_new(SEXP x, SEXP dim, SEXP dimnames, SEXP dtype, SEXP device);
SEXP ffi_array_get(SEXP x);
SEXP ffi_array_alive(SEXP x);
SEXP ffi_devices(void);
/* for each leaf of b, the position in a of the same leaf, or 0 */
SEXP ffi_shared_leaves(SEXP a, SEXP b);
SEXP ffi_cache(SEXP dir);
SEXP ffi_cache_clear(SEXP dir);

#endif
