/* engine.h: the public face of the genred engine.
 *
 * Text and numbers in, text and numbers out: plain C11, no R, no CUDA, no printing, no exit.  A program is made
 * from strings (gr_program_new), asked about itself (gr_program_arg, gr_program_result, gr_program_dump) and run on
 * column-major arrays of double (gr_program_run).  Every fallible function fills a caller-owned gr_error and returns
 * GR_OK or the error's class; nothing longjmps across this header.  A program may be used by one thread at a time.
 * A pointer that is NULL where this header does not allow it, a negative count, a stride that does not fit, a number that names nothing in an
 * enumeration: GR_ARGUMENT (questions without an error answer with zeros).  The gr_error itself must be there.
 *
 * GPUs are reached through a table of functions that the caller hands in (gr_options.device); without one the engine knows none.
 */
#ifndef GENRED_ENGINE_H
#define GENRED_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_VERSION "0.1.0"

/* Classes of failure; the R side maps them to condition classes (genred_error_parse, ...). */
typedef enum gr_class {
  GR_OK = 0,
  GR_PARSE,      /* the text is not a formula */
  GR_DIMENSION,  /* dimensions do not fit */
  GR_ARGUMENT,   /* a setting or an argument of the call is wrong */
  GR_COMPILER,   /* no compiler, or it failed; gr_error.log has its output */
  GR_CUDA,       /* no device, driver or NVRTC, or they failed */
  GR_MEMORY,     /* out of memory, or a limit of the engine is reached */
  GR_INTERRUPT,  /* the caller's `interrupted` said stop */
  GR_INTERNAL    /* a bug in genred */
} gr_class;

#define GR_MESSAGE_MAX 2048

typedef struct gr_error {
  gr_class cls;
  char message[GR_MESSAGE_MAX]; /* several lines: text, formula, caret, suggestion */
  char *log;                    /* compiler output or NULL; freed by gr_error_clear */
} gr_error;

void gr_error_clear(gr_error *err);
const char *gr_class_name(gr_class cls); /* "parse", "dimension", ... */

/* ---- making a program --------------------------------------------------------------------------------------- */

typedef struct gr_spec {
  const char *formula;
  const char *formula2;        /* weight of LogSumExp, SumSoftMaxWeight, ...; NULL if none */
  const char *const *aliases;  /* "x = Vi(3)", ... */
  int n_aliases;
  const char *reduction;  /* "Sum", ...; NULL: not given (the formula may name it, else "Sum") */
  int axis;               /* index that is reduced: 0 = i, 1 = j, 2 = both; -1: not given (the formula may, else 0) */
  int opt_arg;            /* K of KMin and its kin; 0 or less with has_opt_arg is an error */
  int has_opt_arg;
  const char *dtype;      /* "float32" or "float64" */
  const char *dtype_acc;  /* "auto", "float32", "float64" */
  int use_double_acc;
  const char *sum_scheme; /* "auto", "direct_sum", "block_sum", "kahan_scheme" */
} gr_spec;

typedef struct gr_run gr_run;         /* a call under way, as a GPU backend sees it */
typedef struct gr_program gr_program; /* owns every string the accessors return */

gr_class gr_program_new(const gr_spec *spec, gr_program **out, gr_error *err);
void gr_program_free(gr_program *p);
/* Lets go of its kernels, which may then be unloaded; the next call finds them again.  Not while it
 * runs. */
void gr_program_let_go(gr_program *p);

typedef enum gr_category { GR_VI = 0, GR_VJ = 1, GR_PM = 2 } gr_category;

typedef struct gr_arg_info {
  const char *name; /* the alias, or "arg1", ... where the alias has no name */
  gr_category category;
  int dim;
} gr_arg_info;

int gr_program_nargs(const gr_program *p);
gr_arg_info gr_program_arg(const gr_program *p, int k); /* k-th argument of the call, from 0 */

typedef struct gr_result_info {
  const char *reduction; /* canonical name, "LogSumExp" */
  int axis;              /* 0: one row out per j; 1: one row out per i; 2: one row */
  int dim;               /* D: columns of a result row (of each of the K for KMin) */
  int k;                 /* K of KMin and its kin, else 0 */
  int n;                 /* number of results: 1, or 2 (value, index) */
  int is_index[2];       /* whether result r holds indices */
  const char *dtype;     /* "float32" or "float64" */
  const char *note;      /* how a reduction written in the formula was read, or NULL */
} gr_result_info;

gr_result_info gr_program_result(const gr_program *p);

/* Stages: "tokens", "ast", "dag", "plan", "c", "cuda".  *text is malloc'ed, NUL-terminated. */
gr_class gr_program_dump(const gr_program *p, const char *stage, char **text, gr_error *err);

/* ---- running it --------------------------------------------------------------------------------------------- */

/* How numbers lie on a device; the first four are types of arguments. */
typedef enum gr_storage_type { GR_DOUBLE = 0, GR_FLOAT, GR_HALF, GR_BFLOAT16, GR_INT } gr_storage_type;

/* A matrix on a device, made and freed through gr_device.  Component k of row r is entry r + k * rows.  GR_INT holds indices as
 * GR_R_INT does. */
typedef struct gr_buffer {
  int64_t rows, cols;
  gr_storage_type type;
  int device; /* id, from 0 */
  const double *range; /* of each column, on the host: its least, largest and first finite number (gr_range_of); NULL: not known */
  const double *vector; /* the numbers of an n x 1 matrix, which may stand for a parameter of n components; NULL: not known */
} gr_buffer;

/* Of n numbers: range[0] the least, [1] the largest, [2] the first, infinite ones and NaN left aside; NaN where none is left. */
void gr_range_of(const double *x, int64_t n, double range[3]);

/* Component k of row r is data[r + k * stride].  A Pm(d) is rows = 1, stride = 1.  Where buffer is not NULL the entries are its,
 * and data is not looked at; any backend takes it (the CPU from a copy).  The origin is the engine's: callers leave it NULL. */
typedef struct gr_array {
  const double *data;
  int64_t rows;
  int64_t cols;
  int64_t stride;
  const gr_buffer *buffer;
  const double *origin; /* one number for each component, subtracted in double before rounding; NULL: nothing is */
} gr_array;

typedef enum gr_backend {
  GR_AUTO = 0,
  GR_CPU,
  GR_INTERPRETER,
  GR_GPU,
  GR_GPU_1D, /* the columns are not split */
  GR_GPU_2D  /* they are */
} gr_backend;

typedef enum gr_otype {
  GR_F64,   /* double */
  GR_R_INT, /* int32_t, 1-based, INT32_MIN where there is none: an R integer */
  GR_I64    /* int64_t, 0-based, -1 where there is none */
} gr_otype;

/* Result r of row m, component d, neighbour k: data[m + rows * (k + K * d)]; K = 1 when the reduction has none.  Where buffer is not
 * NULL, the result stays there, in the same order (rows x K D; values GR_FLOAT or GR_DOUBLE as the program's precision is, indices GR_INT). */
typedef struct gr_output {
  void *data;
  gr_otype type;
  gr_buffer *buffer;
} gr_output;

typedef struct gr_device gr_device;

typedef struct gr_options {
  gr_backend backend;
  int threads;           /* at most this many; 1 = no parallel region at all */
  const char *cc;        /* compiler command, split as a shell does; NULL or "": search cc, gcc, clang */
  const char *cflags;    /* extra compiler flags or NULL */
  const char *cache_dir; /* existing or creatable folder for compiled kernels; NULL or "": none is kept */
  const char *tmp_dir;   /* existing folder for scratch files (never NULL for the CPU backend) */
  int (*interrupted)(void *ctx);               /* polled on the calling thread, about every 50 ms; may be NULL */
  void (*progress)(double fraction, void *ctx); /* likewise; may be NULL */
  void *ctx;
  const gr_device *device; /* how GPUs are reached; NULL: there are none */
  const int *device_ids;   /* which, from 0; of several each takes a part of the rows */
  int n_devices;           /* 0: the one where the arguments lie, else the first */
  int use_fast_math;       /* GPU: functions and divisions of less precision */
} gr_options;

typedef enum gr_origin { GR_NO_KERNEL, GR_FROM_MEMORY, GR_FROM_DISK, GR_COMPILED } gr_origin;

typedef struct gr_report {
  gr_backend backend;  /* what ran: GR_CPU, GR_INTERPRETER, GR_GPU_1D or GR_GPU_2D */
  gr_origin origin;    /* where the kernel came from */
  int threads;         /* threads that took part */
  double seconds_compile, seconds_run;
  char note[512]; /* why "auto" did not use the compiler or the GPU, why the cache was not written, or why kernels are slower; else "" */
  int note_on_data; /* the note is about the arguments: digits that they lose */
  int device, n_devices; /* the first GPU that took part, and how many did (0: none) */
  char device_name[64];
} gr_report;

/* Checks the arguments (dimensions, M, N) and gives the number of result rows. */
gr_class gr_program_rows(const gr_program *p, const gr_array *args, int n_args, int64_t *rows, gr_error *err);

gr_class gr_program_run(gr_program *p, const gr_array *args, int n_args, const gr_output *out, const gr_options *opt,
                        gr_report *report, gr_error *err);

/* first <= j < end, counted from 0 over the whole of an index. */
typedef struct gr_interval {
  int64_t first, end;
} gr_interval;

/* ---- block-sparse calls: some of the pairs ---- */

/* Block k: the rows rows[k] of the result meet the columns (values of the reduced index) in the
 * intervals columns[ends[k - 1]] ... columns[ends[k] - 1], where ends[-1] stands for 0.  The rows
 * of the blocks ascend without overlaps, and so do the columns of each block; intervals may be
 * empty.  Where both indices are reduced, rows are values of i. */
typedef struct gr_ranges {
  const gr_interval *rows; /* of the blocks */
  const int64_t *ends;     /* likewise; the last is n_columns */
  int64_t n_blocks;
  const gr_interval *columns;
  int64_t n_columns;
} gr_ranges;

/* Checks the arguments, then the ranges against their rows. */
gr_class gr_program_check_ranges(const gr_program *p, const gr_array *args, int n_args,
                                 const gr_ranges *ranges, gr_error *err);
/* gr_program_run with the pairs of some blocks only.  Rows that no block holds get what an empty
 * reduction gives.  ranges: NULL for all pairs. */
gr_class gr_program_run_ranges(gr_program *p, const gr_array *args, int n_args,
                               const gr_ranges *ranges, const gr_output *out, const gr_options *opt,
                               gr_report *report, gr_error *err);

/* ---- partial results: a share of the reduced index ---- */

/* A call whose columns (values of the reduced index) are split into shares leaves a block of states
 * for each share: one plain array of doubles that says what it holds and is checked wherever it is
 * read.  It may be saved, or sent to another process on a machine with the same byte order and the
 * same version of genred.  Blocks of disjoint shares are merged, in any grouping, and finished to
 * what one call gives: exactly where the reduction selects (Min, ArgKMin, ...; the lowest index wins
 * a tie), to its accuracy where it adds.  The caller sees to it that no column is in two shares. */

/* Doubles of a block for these arguments. */
gr_class gr_states_size(const gr_program *p, const gr_array *args, int n_args, int64_t *size, gr_error *err);
/* The states of the columns in some intervals, ascending and without overlaps; none is fine.  args
 * are the whole arrays, so that indices count columns of the whole.  A GPU computes them where
 * opt->backend asks for one, or "auto" finds it worth while; they are handed out on the host. */
gr_class gr_program_partial(gr_program *p, const gr_array *args, int n_args, const gr_interval *interval, int64_t n_intervals,
                            double *states, int64_t size, const gr_options *opt, gr_report *report, gr_error *err);
/* Block `into` takes in block `from`.  GR_ARGUMENT, and nothing is changed, where one of them is no
 * whole, unchanged block of this program, or they belong to calls of different shapes. */
gr_class gr_states_merge(const gr_program *p, double *into, int64_t size_into, const double *from, int64_t size_from, gr_error *err);
/* The results of a block, on the host: out[k].buffer must be NULL. */
gr_class gr_states_finish(const gr_program *p, const double *states, int64_t size, const gr_output *out, gr_error *err);

/* Compiles (or finds) the kernel without running it. */
gr_class gr_program_compile(gr_program *p, const gr_options *opt, gr_report *report, gr_error *err);

/* A call to come: a program, and the rows of its i and of its j arguments (1 where it has none). */
typedef struct gr_call {
  gr_program *program;
  int64_t m, n;
} gr_call;

/* Finds the processor's kernels that these calls will use, if they use one, in memory and on disk;
 * those that are missing are compiled together, in one run of the compiler for each precision.
 * What fails here the calls do by themselves, and report; GR_INTERRUPT alone is returned.  For
 * calls that go to a GPU nothing is done; "auto" is decided as if all arguments and results lay on
 * the host: calls with others need not be told of. report: origin (GR_COMPILED if there was such a
 * run), seconds_compile, note (why the cache was not written). */
gr_class gr_programs_prepare(const gr_call *call, int n, const gr_options *opt, gr_report *report);

/* ---- GPUs ------------------------------------------------------------------------------------------------------ */

typedef struct gr_device_info {
  char name[64];
  int64_t memory; /* bytes */
  int major, minor; /* compute capability */
  int multiprocessors;
} gr_device_info;

/* The libraries behind it: version and path, or why there is none. */
typedef struct gr_device_libraries {
  char driver[512], compiler[1024];
} gr_device_libraries;

/* What a GPU backend offers.  For the engine: run, compile, count, get, put.  For its callers: all but run and compile.
 * Functions that fail leave GR_CUDA in err (or GR_INTERRUPT, GR_MEMORY, GR_ARGUMENT). */
struct gr_device {
  /* Devices that can be used.  With an error, n is 0 where there is no driver or no device, -1 where something is wrong with them. */
  gr_class (*count)(int *n, gr_error *err);
  gr_class (*info)(int id, gr_device_info *info, gr_error *err);
  void (*libraries)(gr_device_libraries *libraries);
  gr_class (*run)(const gr_run *run, gr_error *err); /* the arguments have passed the engine's checks */
  gr_class (*compile)(gr_program *p, const gr_options *opt, gr_report *report, gr_error *err);
  /* A matrix on device `id`, its entries not set; put and get copy all of it, from and to column-major doubles with `stride` between
   * columns (indices are 1-based, NaN where there is none). */
  gr_class (*make)(int id, int64_t rows, int64_t cols, gr_storage_type type, gr_buffer **out, gr_error *err);
  gr_class (*put)(gr_buffer *b, const double *data, int64_t stride, gr_error *err);
  gr_class (*get)(const gr_buffer *b, double *data, int64_t stride, gr_error *err);
  void (*free)(gr_buffer *b);   /* NULL is fine; also in a forked child, and after a fault */
  void (*shutdown)(void);       /* gives everything back; buffers that live on are lost */
};

/* ---- the engine itself -------------------------------------------------------------------------------------- */

/* The compiler that would be used: path and version line, or a message in err. */
gr_class gr_compiler_info(const char *cc, char *text, size_t size, gr_error *err);
const char *gr_simd_name(void); /* widest vectors of this CPU, "AVX2" */

/* Bytes and number of kernels in a cache folder; clear deletes them. Files that are not ours are left alone. */
gr_class gr_cache_info(const char *dir, int64_t *files, int64_t *bytes, gr_error *err);
gr_class gr_cache_clear(const char *dir, int64_t *files, gr_error *err);
int gr_kernels_loaded(void); /* kernels of living programs, and those of up to 256 shared objects more, the last that were used */

/* The operation table as text. */
typedef struct gr_operation {
  const char *name, *kind, *dimension, *meaning;
  const char *derivative; /* rules in the formula language (of a rewrite, what it is rewritten into), or NULL */
  char arguments[80];
} gr_operation;

int gr_operation_count(void);
gr_operation gr_operation_row(int k); /* from 0; the texts are static */

#ifdef __cplusplus
}
#endif
#endif
