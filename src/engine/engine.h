/* engine.h: the public interface of the genred engine.
 *
 * Text and numbers in, text and numbers out: plain C11 without R, CUDA, printing or exit.  A
 * program is created from strings (gr_program_new), describes itself (gr_program_arg,
 * gr_program_result, gr_program_dump) and runs on column-major arrays of doubles (gr_program_run).
 *
 * Every function that can fail fills a caller-owned gr_error and returns GR_OK or the class of the
 * error; no longjmp crosses this interface.  A program may be used by one thread at a time.  A NULL
 * pointer where this header does not allow it, a negative count, an invalid stride or a value
 * outside of its enumeration gives GR_ARGUMENT; functions without a gr_error return zeros then.
 * The gr_error itself must not be NULL.
 *
 * GPUs are reached through a table of functions that the caller provides (gr_options.device).  Two
 * parts are files of their own: engine_calls.h, the other kinds of calls, and engine_gpu.h. */
#ifndef GENRED_ENGINE_H
#define GENRED_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_VERSION "0.2.0"

/* Error classes; R code maps them to condition classes (genred_error_parse, ...). */
typedef enum gr_class {
  GR_OK = 0,
  GR_PARSE,      /* the text is not a formula */
  GR_DIMENSION,  /* dimensions do not match */
  GR_ARGUMENT,   /* a setting or an argument of the call is invalid */
  GR_COMPILER,   /* no compiler, or it failed; gr_error.log has its output */
  GR_CUDA,       /* no device, driver or NVRTC, or one of them failed */
  GR_MEMORY,     /* out of memory, or a limit of the engine was exceeded */
  GR_INTERRUPT,  /* gr_options.interrupted asked to stop */
  GR_INTERNAL    /* a bug in genred */
} gr_class;

#define GR_MESSAGE_MAX 2048

typedef struct gr_error {
  gr_class cls;
  char message[GR_MESSAGE_MAX]; /* may have several lines: message, formula, caret, suggestion */
  char *log;                    /* compiler output or NULL; freed by gr_error_clear */
} gr_error;

void gr_error_clear(gr_error *err);
const char *gr_class_name(gr_class cls); /* "parse", "dimension", ... */

/* ---- creating a program ---------------------------------------------------------------------- */

typedef struct gr_spec {
  const char *formula;
  const char *formula2;        /* weight of LogSumExp, SumSoftMaxWeight, ...; NULL if none */
  const char *const *aliases;  /* "x = Vi(3)", ... */
  int n_aliases;
  const char *reduction;  /* "Sum", ...; NULL: not given (the formula may name it, else "Sum") */
  /* index that is reduced: 0 = i, 1 = j, 2 = both; -1: not given (the formula may, else 0) */
  int axis;
  /* K of KMin and the other K-fold reductions, if has_opt_arg; at least 1 */
  int opt_arg;
  int has_opt_arg;
  const char *dtype;      /* "float32" or "float64" */
  const char *dtype_acc;  /* "auto", "float32", "float64" */
  int use_double_acc;
  const char *sum_scheme; /* "auto", "direct_sum", "block_sum", "kahan_scheme" */
} gr_spec;

typedef struct gr_run gr_run;         /* a call under way, as a GPU backend sees it */
typedef struct gr_program gr_program; /* owns every string the accessors return */

gr_class gr_program_new(const gr_spec *spec, gr_program **out, gr_error *err);
void gr_program_free(gr_program *p); /* of a template: see gr_template_program */
/* Releases the kernels of the program, which may then be unloaded; the next call looks them up
 * again.  Must not be called while the program runs. */
void gr_program_let_go(gr_program *p);

/* GR_MIJ: of pairs, an explicit array with a value for each of them. */
typedef enum gr_category { GR_VI = 0, GR_VJ = 1, GR_PM = 2, GR_MIJ = 3 } gr_category;

typedef struct gr_arg_info {
  const char *name; /* the alias, or "arg1", ... where the alias has no name */
  gr_category category;
  int dim; /* 0: open, in a template */
} gr_arg_info;

int gr_program_nargs(const gr_program *p);
gr_arg_info gr_program_arg(const gr_program *p, int k); /* k-th argument of the call, from 0 */

typedef struct gr_result_info {
  const char *reduction; /* canonical name, "LogSumExp" */
  int axis;              /* 0: one result row per j; 1: one per i; 2: one row */
  int dim;               /* D: components of a result row (for KMin, of each of the K) */
  int k;                 /* K of KMin and the other K-fold reductions, else 0 */
  int n;                 /* number of results: 1, or 2 (value, index) */
  int is_index[2];       /* whether result r holds indices */
  int numbers[2];        /* whether the formula reads those of rows, columns, as IndexI() does */
  const char *dtype;     /* "float32" or "float64" */
  const char *note;      /* how a reduction in the formula was interpreted, or NULL */
} gr_result_info;

gr_result_info gr_program_result(const gr_program *p);

/* Stages: "tokens", "ast", "dag", "plan", "c", "cuda".  *text is malloc'ed, NUL-terminated. */
gr_class gr_program_dump(const gr_program *p, const char *stage, char **text, gr_error *err);

/* ---- templates: programs by the dimensions of their arguments ---- */

/* Aliases of a template may leave the dimension open, "x = Vi": it is then taken from the arguments
 * of a call, and each choice of dimensions has a program of its own.  What does not depend on them
 * (syntax, names, settings) is checked when the template is made.  A template and its programs may
 * be used by one thread at a time. */
typedef struct gr_template gr_template;

int gr_dim_limit(void); /* the largest dimension of an argument */
gr_class gr_template_new(const gr_spec *spec, gr_template **out, gr_error *err);
void gr_template_free(gr_template *t);
/* As for programs, but dimensions that follow from a call are 0. */
int gr_template_nargs(const gr_template *t);
gr_arg_info gr_template_arg(const gr_template *t, int k);
gr_result_info gr_template_result(const gr_template *t);
/* "tokens" and "ast"; the other stages need dimensions. */
gr_class gr_template_dump(const gr_template *t, const char *stage, char **text, gr_error *err);
/* A new program; dims has one for each argument, and is read where it is open. */
gr_class gr_template_fill(const gr_template *t, const int *dims, gr_program **out, gr_error *err);

/* ---- running it ------------------------------------------------------------------------------ */

/* Types of numbers on a device; arguments have one of the first four. */
typedef enum gr_storage_type { GR_DOUBLE = 0, GR_FLOAT, GR_HALF, GR_BFLOAT16, GR_INT } gr_storage_type;

/* A matrix on a device, created and freed through gr_device, column by column: component k of row r
 * is entry r + k * rows.  GR_INT represents indices as GR_R_INT does. */
typedef struct gr_buffer {
  int64_t rows, cols;
  gr_storage_type type;
  int device; /* id, from 0 */
  /* gr_range_of each column, three numbers each, on the host; NULL: not known */
  const double *range;
  /* the numbers of an n x 1 matrix, which may be a parameter; NULL: not known */
  const double *vector;
} gr_buffer;

/* The minimum, maximum and first of the finite ones among n numbers; NaN if none is finite. */
void gr_range_of(const double *x, int64_t n, double range[3]);

/* Component k of row r is data[r + k * stride].  A Pm(d) has rows = 1 and stride = 1.  A Mij(d) has
 * rows = M and cols = N * d: component k of the pair (i, j) is data[i + stride * (j + N * k)].  If
 * buffer is not NULL, it holds the entries and data is ignored; every backend accepts it (the CPU
 * uses a copy).  Only the engine sets origin; callers leave it NULL. */
typedef struct gr_array {
  const double *data;
  int64_t rows;
  int64_t cols;
  int64_t stride;
  const gr_buffer *buffer;
  /* for each component, subtracted in double precision before rounding; or NULL */
  const double *origin;
} gr_array;

typedef enum gr_backend {
  GR_AUTO = 0,
  GR_CPU,
  GR_INTERPRETER,
  GR_GPU,
  GR_GPU_1D, /* the reduced index is not split */
  GR_GPU_2D  /* the reduced index is split */
} gr_backend;

typedef enum gr_otype {
  GR_F64,   /* double */
  GR_R_INT, /* int32_t, 1-based, INT32_MIN for none: an R integer */
  GR_I64    /* int64_t, 0-based, -1 for none */
} gr_otype;

/* Component d of neighbour k of row m is data[m + rows * (k + K * d)]; K = 1 for reductions without
 * K.  If buffer is not NULL, the result stays there in the same order, as a matrix of rows x K D
 * numbers: values as GR_FLOAT or GR_DOUBLE by the precision of the program, indices as GR_INT. */
typedef struct gr_output {
  void *data;
  gr_otype type;
  gr_buffer *buffer;
} gr_output;

typedef struct gr_device gr_device;

typedef struct gr_options {
  gr_backend backend;
  int threads;           /* maximum number; 1: no parallel region at all */
  const char *cc;        /* compiler command, split as by a shell; NULL or "": cc, gcc or clang */
  const char *cflags;    /* additional compiler flags, or NULL */
  const char *cache_dir; /* folder for compiled kernels, created if necessary; NULL or "": none */
  const char *tmp_dir;   /* existing folder for temporary files */
  /* polled on the calling thread, about every 50 ms; may be NULL */
  int (*interrupted)(void *ctx);
  void (*progress)(double fraction, void *ctx); /* likewise; may be NULL */
  void *ctx;
  const gr_device *device; /* the GPU backend; NULL: none */
  const int *device_ids;   /* from 0; each of several computes a part of the rows */
  int n_devices;           /* 0: the GPU that holds the arguments, else the first */
  int use_fast_math;       /* GPU: less accurate functions and divisions */
} gr_options;

typedef enum gr_provenance { GR_NO_KERNEL, GR_FROM_MEMORY, GR_FROM_DISK, GR_COMPILED } gr_provenance;

typedef struct gr_report {
  gr_backend backend;  /* the one that ran: GR_CPU, GR_INTERPRETER, GR_GPU_1D or GR_GPU_2D */
  gr_provenance provenance; /* where the kernel came from */
  int threads;         /* number of threads that were used */
  double seconds_compile, seconds_run;
  /* Why "auto" did not use the compiler or the GPU, why the cache was not written, why kernels are
   * slower, or that arguments lose digits; else "". */
  char note[512];
  int note_on_data;      /* whether the note is about the arguments */
  int device, n_devices; /* the first GPU that was used, and their number (0: none) */
  char device_name[64];
} gr_report;

/* Checks the arguments (dimensions, M, N) and sets the number of result rows. */
gr_class gr_program_rows(const gr_program *p, const gr_array *args, int n_args, int64_t *rows, gr_error *err);

gr_class gr_program_run(gr_program *p, const gr_array *args, int n_args, const gr_output *out, const gr_options *opt,
                        gr_report *report, gr_error *err);

/* The program for arguments of these dimensions, which are all that is read, made if it is not one
 * of the 64 that were asked for last.  The caller frees it; it may outlive the template. */
gr_class gr_template_program(gr_template *t, const gr_array *args, int n_args, gr_program **out, gr_error *err);

/* first <= j < end, counted from 0 over the whole of an index. */
typedef struct gr_interval {
  int64_t first, end;
} gr_interval;

#include "engine_calls.h"
#include "engine_gpu.h"

/* ---- kernels made ahead of calls ------------------------------------------------------------- */

/* Finds or compiles the kernel without running it. */
gr_class gr_program_compile(gr_program *p, const gr_options *opt, gr_report *report, gr_error *err);

/* A future call: a program, the numbers of rows of its i and j arguments (1 if it has none), and of
 * the elements of its batch (0: it has none). */
typedef struct gr_call {
  gr_program *program;
  int64_t m, n;
  int64_t elements;
} gr_call;

/* Finds the CPU kernels that these calls will use in memory and on disk, and compiles the missing
 * ones together, in one run of the compiler for each precision.  Failures are left for the calls to
 * repeat and report; only GR_INTERRUPT and GR_ARGUMENT are returned.  Nothing is done for calls
 * that will run on a GPU; for "auto" all arguments and results are assumed to lie on the host. Sets
 * in the report the provenance (GR_COMPILED if the compiler was run), seconds_compile, and note
 * (why the cache was not written). */
gr_class gr_programs_prepare(const gr_call *call, int n, const gr_options *opt, gr_report *report);

/* ---- the engine itself ----------------------------------------------------------------------- */

/* Path and version line of the compiler that would be used. */
gr_class gr_compiler_info(const char *cc, char *text, size_t size, gr_error *err);
const char *gr_simd_name(void); /* the widest vector instructions of this CPU, such as "AVX2" */

/* Number and bytes of the kernels in a cache folder; clear deletes them.  Other files are left
 * alone. */
gr_class gr_cache_info(const char *dir, int64_t *files, int64_t *bytes, gr_error *err);
gr_class gr_cache_clear(const char *dir, int64_t *files, gr_error *err);
/* Number of kernels in memory: those of existing programs, and of up to 256 further shared
 * objects. */
int gr_kernels_loaded(void);

/* The operation table as strings. */
typedef struct gr_operation {
  const char *name, *kind, *dimension, *meaning;
  /* rules in the formula language (for a rewrite: the replacement), or NULL */
  const char *derivative;
  char arguments[80];
} gr_operation;

int gr_operation_count(void);
gr_operation gr_operation_row(int k); /* from 0; the strings are static */

#ifdef __cplusplus
}
#endif
#endif
