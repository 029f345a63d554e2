/* genred.h: the interface of genred for C or C++ code in other R packages.
 *
 * The other package needs `LinkingTo: genred` and `Imports: genred` in DESCRIPTION, and
 * `importFrom(genred, Genred)` in NAMESPACE, so that genred is loaded.  Its code looks like this:
 *
 *     #include <Rinternals.h>
 *     #include <genred.h>
 *     const genred_api *g = genred_try_api();
 *     if (!g) ... genred is not loaded, or has a different ABI
 *     genred_spec spec = {0};
 *     const char *aliases[] = {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)"};
 *     char message[GENRED_MESSAGE];
 *     genred_program *p;
 *     spec.formula = "Exp(-SqDist(x,y)) * b";
 *     spec.aliases = aliases;
 *     spec.n_aliases = 3;
 *     spec.axis = 1;
 *     if (g->program_new(&spec, &p, message) != GENRED_OK) ...
 *     genred_array args[] = {{x, m, 3, m}, {y, n, 3, n}, {b, n, 1, n}};
 *     genred_output out = {a, GENRED_DOUBLE};
 *     if (g->program_run(p, args, 3, &out, GENRED_AUTO, 0, message) != GENRED_OK) ...
 *     g->program_free(p);
 *
 * All functions must be called on R's main thread.  They never jump (no R error or C++ exception
 * crosses them): each returns a status and, unless `message` is NULL, writes a message, which is
 * empty for GENRED_OK.  NULL pointers, negative counts, invalid strides and values outside of an
 * enumeration give GENRED_ARGUMENT. program_nargs, program_arg and program_result return zeros if
 * there is no such program or argument, and program_free(NULL) does nothing.
 *
 * It cannot be checked that a pointer refers to as many numbers as rows, columns and stride say,
 * that a string is terminated, and that a program has not been freed.
 *
 * Settings (compiler, cache folder, threads, GPU) are those of the R session.  If the user
 * interrupts a running reduction, it returns GENRED_INTERRUPT; the caller then frees its resources
 * and calls R_CheckUserInterrupt() or returns.  Compatible with C99 and C++11. */
#ifndef GENRED_H
#define GENRED_H

#include <stddef.h>
#include <stdint.h>

#include <R_ext/Rdynload.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GENRED_ABI 1        /* increases with every change of the table but additions at its end */
#define GENRED_MESSAGE 2048 /* bytes of a message buffer */

typedef enum genred_status {
  GENRED_OK = 0,
  GENRED_PARSE,     /* the text is not a formula */
  GENRED_DIMENSION, /* dimensions do not match */
  GENRED_ARGUMENT,  /* a setting, an array or a pointer is invalid */
  GENRED_COMPILER,  /* no compiler, or it failed */
  GENRED_CUDA,      /* no GPU can be used, or it failed */
  GENRED_MEMORY,    /* out of memory, or a limit was exceeded */
  GENRED_INTERRUPT, /* the user interrupted */
  GENRED_INTERNAL   /* a bug in genred */
} genred_status;

typedef enum genred_backend {
  GENRED_AUTO = 0,
  GENRED_CPU,
  GENRED_INTERPRETER,
  GENRED_GPU,    /* if it cannot be used: GENRED_CUDA, and the message says what was tried */
  GENRED_GPU_1D, /* the reduced index is not split */
  GENRED_GPU_2D  /* the reduced index is split */
} genred_backend;
typedef enum genred_type { GENRED_DOUBLE = 0, GENRED_INT64 } genred_type;
typedef enum genred_category {
  GENRED_VI = 0,
  GENRED_VJ = 1,
  GENRED_PM = 2,
  GENRED_MIJ = 3 /* a value, or several, for each pair (i, j) */
} genred_category;

/* Like the arguments of Genred() in R; fields that are 0 or NULL have their defaults. */
typedef struct genred_spec {
  const char *formula;
  const char *formula2;
  const char *const *aliases;
  int n_aliases;
  const char *reduction; /* NULL: "Sum" */
  int axis;              /* the index that is reduced: 0 is i, 1 is j, 2 is both */
  int k;                 /* K of KMin and the other K-fold reductions; 0: none */
  const char *dtype;      /* NULL: "float32" */
  const char *dtype_acc;  /* NULL: "auto" */
  const char *sum_scheme; /* NULL: "auto" */
} genred_spec;

/* Column-major: component k of row r is data[r + k * stride].  R, Armadillo and Eigen matrices, and
 * blocks of them, are passed without a copy.  A Pm(d) has 1 row, d columns and stride 1.  A Mij(d)
 * has M rows and N d columns: component k of the pair (i, j) is data[i + stride * (j + N * k)].
 * With several columns, the stride is at least the number of rows. 0 rows are valid (an empty sum
 * is 0); `data` may then be NULL. */
typedef struct genred_array {
  const double *data;
  int64_t rows, cols, stride;
} genred_array;

/* Where a result is stored: component d of neighbour k of row r is data[r + rows * (k + K * d)]; K
 * is 1 for reductions without neighbours.  Indices are int64_t, or doubles on request; they count
 * from 0, and -1 stands for none. */
typedef struct genred_output {
  void *data;
  genred_type type; /* GENRED_DOUBLE for values; GENRED_INT64 or GENRED_DOUBLE for indices */
} genred_output;

/* first <= index < end, from 0. */
typedef struct genred_interval {
  int64_t first, end;
} genred_interval;

/* Blocks of pairs, of a block-sparse call.  Block k: the rows rows[k] of the result meet the
 * columns (values of the reduced index) in the intervals columns[ends[k - 1]] ...
 * columns[ends[k] - 1], where ends[-1] stands for 0.  The rows of the blocks ascend without
 * overlaps, and so do the columns of each block.  Where both indices are reduced, rows are values
 * of i. */
typedef struct genred_ranges {
  const genred_interval *rows; /* n_blocks of them */
  const int64_t *ends;         /* likewise; the last is n_columns */
  int64_t n_blocks;
  const genred_interval *columns;
  int64_t n_columns;
} genred_ranges;

/* The elements of a batch: many problems of one shape.  The arrays of the call are those of the
 * first element; in dimension d of the batch, array k begins step[k * n + d] doubles further from
 * one element to the next (0: they share it).  Results of the elements follow one another, the
 * first dimension varying fastest; each lies as genred_output says.  So in R, batch dimensions come
 * last: an M x 3 x 10 array is an M x 3 array for each of 10 elements, with a step of 3 M. */
typedef struct genred_batches {
  int n;               /* dimensions, at most 16 */
  const int64_t *size; /* n of them; 0: the batch is empty */
  const int64_t *step; /* n for each argument, not negative */
} genred_batches;

typedef struct genred_arg {
  const char *name;
  genred_category category;
  int dim;
} genred_arg;

typedef struct genred_result {
  int n;           /* results: 1, or 2 (value, index) */
  int is_index[2]; /* whether result r holds indices */
  int dim;         /* components of a row */
  int k;           /* number of neighbours; 0 if the reduction has none */
} genred_result;

typedef struct genred_program genred_program;
typedef struct genred_template genred_template;

typedef struct genred_api {
  int abi;
  const char *version;
  /* Sets *program to NULL on failure. */
  genred_status (*program_new)(const genred_spec *spec, genred_program **program, char *message);
  void (*program_free)(genred_program *program);
  int (*program_nargs)(const genred_program *program);
  genred_arg (*program_arg)(const genred_program *program, int k); /* the program owns the name */
  genred_result (*program_result)(const genred_program *program);
  /* Checks the arrays and sets the number of result rows. */
  genred_status (*program_rows)(const genred_program *program, const genred_array *args, int n_args, int64_t *rows,
                                char *message);
  /* threads: their maximum number; 0 for the session's setting.  out has one element per result. */
  genred_status (*program_run)(genred_program *program, const genred_array *args, int n_args, const genred_output *out,
                               genred_backend backend, int threads, char *message);

  /* With the pairs of some blocks only; rows outside of them get what an empty reduction gives.
   * ranges: NULL for all pairs.  Not in genred 0.1.0, whose table ends before this. */
  genred_status (*program_run_ranges)(genred_program *program, const genred_array *args, int n_args,
                                      const genred_ranges *ranges, const genred_output *out,
                                      genred_backend backend, int threads, char *message);

  /* Partial results; not in genred 0.1.0.  If the columns (values of the reduced index) of the
   * arguments are one piece of the data, their reduction leaves a block of states: partial_size
   * doubles, plain data with a checksum.  A block may be saved, or sent to a machine with the same
   * byte order and the same version of genred.  Blocks of disjoint pieces are merged, in any
   * grouping, and finished to the results for all their columns.  Where both indices are reduced, a
   * piece is any block of pairs.
   *
   * GENRED_ARGUMENT if a block was cut or changed, belongs to another program, or comes from other
   * parameters or other arguments of the kept index.  Pieces that share columns are not noticed. */
  genred_status (*partial_size)(const genred_program *program, const genred_array *args,
                                int n_args, int64_t *size, char *message);
  /* offset: columns of the whole data before these; indices in results refer to the whole data. */
  genred_status (*partial_run)(genred_program *program, const genred_array *args, int n_args,
                               int64_t offset, double *states, int64_t size,
                               genred_backend backend, int threads, char *message);
  /* Merges `from` into `into`, which is unchanged if this fails. */
  genred_status (*partial_merge)(const genred_program *program, double *into, int64_t size_into,
                                 const double *from, int64_t size_from, char *message);
  /* The number of result rows and, unless NULL, of the columns (where both indices are reduced, of
   * the pairs) that the block covers. */
  genred_status (*partial_rows)(const genred_program *program, const double *states, int64_t size,
                                int64_t *rows, double *columns, char *message);
  /* out: as for program_run. */
  genred_status (*partial_finish)(const genred_program *program, const double *states, int64_t size,
                                  const genred_output *out, char *message);

  /* program_run_ranges for every element of a batch, in one call: the same ranges in all of them.
   * Indices count within the element.  batches: NULL for one problem.  Not in genred 0.1.0. */
  genred_status (*program_run_batches)(genred_program *program, const genred_array *args,
                                       int n_args, const genred_ranges *ranges,
                                       const genred_batches *batches, const genred_output *out,
                                       genred_backend backend, int threads, char *message);

  /* Templates; not in genred 0.1.0.  Aliases may leave out the dimension, "x = Vi": it is then
   * taken from the columns of the arrays (that of a Mij is 1 unless a Vj tells N), and each choice
   * of dimensions is a program of its own.
   * What does not depend on dimensions is checked by template_new; program_new refuses such
   * aliases. */
  genred_status (*template_new)(const genred_spec *spec, genred_template **out, char *message);
  void (*template_free)(genred_template *t); /* its programs remain; NULL: does nothing */
  /* The program for arrays with so many columns, made if it is not one of the last 64 that were
   * asked for.  The caller frees it with program_free; asking again for it costs little, so that
   * this may be done around each call.  *program is NULL on failure. */
  genred_status (*template_program)(genred_template *t, const genred_array *args, int n_args,
                                    genred_program **program, char *message);

  /* Arrays of pairs as results: the values that a program whose reduction is Sum with axis 1 would
   * sum, without summing them.  Not in genred 0.1.0.  program_map_shape sets shape to M, N and the
   * dimension of the formula; GENRED_ARGUMENT for another reduction or axis, GENRED_MEMORY if so
   * many numbers have no room in memory. */
  genred_status (*program_map_shape)(const genred_program *program, const genred_array *args,
                                     int n_args, int64_t shape[3], char *message);
  /* Component d of the pair (i, j) becomes values[i + M * (j + N * d)], so that the result is a Mij
   * argument of other calls, with stride M.  Pairs outside of the ranges get 0; ranges: NULL for
   * all pairs. */
  genred_status (*program_map)(genred_program *program, const genred_array *args, int n_args,
                               const genred_ranges *ranges, double *values, genred_backend backend,
                               int threads, char *message);
} genred_api;

/* Returns the table, or NULL if the installed genred has a different ABI.  If genred is not loaded,
 * R_GetCCallable raises an R error, which jumps over the caller's frames.  With importFrom(genred,
 * Genred) in NAMESPACE it is always loaded; otherwise use genred_try_api().  The table grows at its
 * end: a package that calls a function that version 0.1.0 does not have needs Imports: genred
 * (> 0.1.0) in its DESCRIPTION. */
static inline const genred_api *genred_get_api(void) {
  typedef const genred_api *(*getter)(void);
  const genred_api *api = ((getter)R_GetCCallable("genred", "genred_api_v1"))();
  return api->abi == GENRED_ABI ? api : NULL;
}

/* The same, but returns NULL if genred is not loaded.  Available if <Rinternals.h> is included
 * before this file. */
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
