/* genred.h: genred from the C or C++ code of another R package.
 *
 * In the other package: `LinkingTo: genred` and `Imports: genred` in DESCRIPTION, `importFrom(genred, Genred)` in
 * NAMESPACE (so that genred is loaded), and
 *
 *     #include <Rinternals.h>
 *     #include <genred.h>
 *     const genred_api *g = genred_try_api();
 *     if (!g) ... genred is not loaded, or has another ABI
 *     genred_spec spec = {0};
 *     const char *aliases[] = {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)"};
 *     char message[GENRED_MESSAGE];
 *     genred_program *p;
 *     spec.formula = "Exp(-SqDist(x,y)) * b"; spec.aliases = aliases; spec.n_aliases = 3; spec.axis = 1;
 *     if (g->program_new(&spec, &p, message) != GENRED_OK) ...
 *     genred_array args[] = {{x, m, 3, m}, {y, n, 3, n}, {b, n, 1, n}};
 *     genred_output out = {a, GENRED_DOUBLE};
 *     if (g->program_run(p, args, 3, &out, GENRED_AUTO, 0, message) != GENRED_OK) ...
 *     g->program_free(p);
 *
 * Everything is to be called on R's main thread.  No function of the table jumps (no R error, no C++ exception crosses it): each
 * returns a status and writes a message (empty where the status is GENRED_OK), unless `message` is NULL.  Pointers that are NULL, negative counts,
 * strides that do not fit and numbers that are in no enumeration give GENRED_ARGUMENT; what a program is asked about itself, program_nargs,
 * program_arg and program_result, answers with zeros where there is no such program or argument, and program_free(NULL) does nothing.
 * Not checked, because it cannot be: that a pointer leads to as many numbers as its rows, columns and stride say, that a text ends, and that a
 * program has not been freed.  Settings (compiler, cache folder, threads, GPU) are those of the R session. A running
 * reduction answers to the user's interrupt with GENRED_INTERRUPT; the caller then frees what it holds and calls
 * R_CheckUserInterrupt() or returns.  C99 and C++11.
 */
#ifndef GENRED_H
#define GENRED_H

#include <stddef.h>
#include <stdint.h>

#include <R_ext/Rdynload.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GENRED_ABI 1       /* grows when the table changes in a way that is not an addition at its end */
#define GENRED_MESSAGE 2048 /* bytes of a message buffer */

typedef enum genred_status {
  GENRED_OK = 0,
  GENRED_PARSE,     /* the text is not a formula */
  GENRED_DIMENSION, /* dimensions do not fit */
  GENRED_ARGUMENT,  /* a setting, an array or a pointer is wrong */
  GENRED_COMPILER,  /* no compiler, or it failed */
  GENRED_CUDA,      /* no GPU can be used, or it failed */
  GENRED_MEMORY,    /* out of memory, or a limit is reached */
  GENRED_INTERRUPT, /* the user interrupted */
  GENRED_INTERNAL   /* a bug in genred */
} genred_status;

typedef enum genred_backend {
  GENRED_AUTO = 0,
  GENRED_CPU,
  GENRED_INTERPRETER,
  GENRED_GPU,    /* or GENRED_CUDA, with what was tried */
  GENRED_GPU_1D, /* the reduced index is not split */
  GENRED_GPU_2D  /* it is */
} genred_backend;
typedef enum genred_type { GENRED_DOUBLE = 0, GENRED_INT64 } genred_type;
typedef enum genred_category { GENRED_VI = 0, GENRED_VJ = 1, GENRED_PM = 2 } genred_category;

/* As the arguments of Genred() in R; a field that is 0 or NULL has the default. */
typedef struct genred_spec {
  const char *formula;
  const char *formula2;
  const char *const *aliases;
  int n_aliases;
  const char *reduction; /* NULL: "Sum" */
  int axis;              /* the index that is reduced: 0 is i, 1 is j, 2 is both */
  int k;                 /* of KMin and its kin; 0: none */
  const char *dtype;      /* NULL: "float32" */
  const char *dtype_acc;  /* NULL: "auto" */
  const char *sum_scheme; /* NULL: "auto" */
} genred_spec;

/* Column-major: component k of row r is data[r + k * stride].  R, Armadillo and Eigen matrices, and blocks of them, pass
 * without a copy.  A Pm(d) has 1 row, d columns and stride 1.  The stride is at least the rows where there are several columns.  0 rows are
 * a value (an empty sum is 0); `data` may then be NULL. */
typedef struct genred_array {
  const double *data;
  int64_t rows, cols, stride;
} genred_array;

/* Where a result goes: component d of neighbour k (of K, 1 without) of row r is data[r + rows * (k + K * d)].
 * Indices are int64_t, or doubles where these are asked for; they count from 0, and are -1 where there is none. */
typedef struct genred_output {
  void *data;
  genred_type type; /* GENRED_DOUBLE for values; GENRED_INT64 or GENRED_DOUBLE for indices */
} genred_output;

/* first <= index < end, from 0. */
typedef struct genred_interval {
  int64_t first, end;
} genred_interval;

/* Blocks of pairs, of a block-sparse call.  Block k: the rows rows[k] of the result meet the columns (values of the reduced index) in the
 * intervals columns[ends[k - 1]] ... columns[ends[k] - 1], where ends[-1] stands for 0.  The rows of the blocks ascend without overlaps, and
 * so do the columns of each block.  Where both indices are reduced, rows are values of i. */
typedef struct genred_ranges {
  const genred_interval *rows; /* n_blocks of them */
  const int64_t *ends;         /* likewise; the last is n_columns */
  int64_t n_blocks;
  const genred_interval *columns;
  int64_t n_columns;
} genred_ranges;

typedef struct genred_arg {
  const char *name;
  genred_category category;
  int dim;
} genred_arg;

typedef struct genred_result {
  int n;           /* results: 1, or 2 (value, index) */
  int is_index[2]; /* whether result r holds indices */
  int dim;         /* components of a row */
  int k;           /* neighbours, 0 where the reduction has none */
} genred_result;

typedef struct genred_program genred_program;

typedef struct genred_api {
  int abi;
  const char *version;
  genred_status (*program_new)(const genred_spec *spec, genred_program **program, char *message); /* *program is NULL where it fails */
  void (*program_free)(genred_program *program);
  int (*program_nargs)(const genred_program *program);
  genred_arg (*program_arg)(const genred_program *program, int k); /* the name lives as long as the program */
  genred_result (*program_result)(const genred_program *program);
  /* Checks the arrays and gives the number of result rows. */
  genred_status (*program_rows)(const genred_program *program, const genred_array *args, int n_args, int64_t *rows,
                                char *message);
  /* threads: at most so many; 0 for the session's setting.  out has one element per result. */
  genred_status (*program_run)(genred_program *program, const genred_array *args, int n_args, const genred_output *out,
                               genred_backend backend, int threads, char *message);
  /* With the pairs of some blocks only; the others' rows get what an empty reduction gives.  ranges: NULL for all pairs.
   * Not in genred 0.1.0, whose table ends before this. */
  genred_status (*program_run_ranges)(genred_program *program, const genred_array *args, int n_args,
                                      const genred_ranges *ranges, const genred_output *out,
                                      genred_backend backend, int threads, char *message);
} genred_api;

/* The table, or NULL if the installed genred has another ABI.  Where genred is not loaded this raises an R error, which is how R_GetCCallable
 * answers, and which jumps over the caller's frames: with importFrom(genred, Genred) in NAMESPACE it is always loaded.  Else see below. */
static inline const genred_api *genred_get_api(void) {
  typedef const genred_api *(*getter)(void);
  const genred_api *api = ((getter)R_GetCCallable("genred", "genred_api_v1"))();
  return api->abi == GENRED_ABI ? api : NULL;
}

/* The same with NULL, and no R error, where genred is not loaded.  There where <Rinternals.h> is included before this file. */
#ifdef R_INTERNALS_H_
static inline SEXP genred_found(void *api) {
  *(const genred_api **)api = genred_get_api();
  return R_NilValue;
}

static inline SEXP genred_not_found(SEXP condition, void *api) {
  (void)condition;
  *(const genred_api **)api = NULL;
  return R_NilValue;
}

static inline const genred_api *genred_try_api(void) {
  const genred_api *api = NULL;
  R_tryCatchError(genred_found, &api, genred_not_found, &api);
  return api;
}
#endif

#ifdef __cplusplus
}
#endif
#endif
