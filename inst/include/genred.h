/* genred.h: genred from the C or C++ code of another R package.
 *
 * In the other package: `LinkingTo: genred` and `Imports: genred` in DESCRIPTION, `importFrom(genred, Genred)` in
 * NAMESPACE (so that genred is loaded), and
 *
 *     #include <genred.h>
 *     const genred_api *g = genred_get_api();
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
 * Everything is to be called on R's main thread.  No function jumps (no R error, no C++ exception crosses it): each
 * returns a status and writes a message.  Settings (compiler, cache folder, threads, GPU) are those of the R session. A running
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
  GENRED_ARGUMENT,  /* a setting or an array is wrong */
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
  int axis;              /* the index that is reduced: 0 is i, 1 is j */
  int k;                 /* of KMin and its kin; 0: none */
  const char *dtype;      /* NULL: "float32" */
  const char *dtype_acc;  /* NULL: "auto" */
  const char *sum_scheme; /* NULL: "auto" */
} genred_spec;

/* Column-major: component k of row r is data[r + k * stride].  R, Armadillo and Eigen matrices, and blocks of them, pass
 * without a copy.  A Pm(d) has 1 row, d columns and stride 1. */
typedef struct genred_array {
  const double *data;
  int64_t rows, cols, stride;
} genred_array;

/* Where a result goes: component d of neighbour k (of K, 1 without) of row r is data[r + rows * (k + K * d)].
 * Indices are int64_t, count from 0, and are -1 where there is none. */
typedef struct genred_output {
  void *data;
  genred_type type; /* GENRED_INT64 for indices */
} genred_output;

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
  genred_status (*program_new)(const genred_spec *spec, genred_program **program, char *message);
  void (*program_free)(genred_program *program);
  int (*program_nargs)(const genred_program *program);
  genred_arg (*program_arg)(const genred_program *program, int k); /* the name lives as long as the program */
  genred_result (*program_result)(const genred_program *program);
  /* Checks the arrays and gives the number of result rows. */
  genred_status (*program_rows)(const genred_program *program, const genred_array *args, int n_args, int64_t *rows,
                                char *message);
  /* threads: 0 for the session's setting.  out has one element per result. */
  genred_status (*program_run)(genred_program *program, const genred_array *args, int n_args, const genred_output *out,
                               genred_backend backend, int threads, char *message);
} genred_api;

/* The table, or NULL if the installed genred has another ABI. */
static inline const genred_api *genred_get_api(void) {
  typedef const genred_api *(*getter)(void);
  const genred_api *api = ((getter)R_GetCCallable("genred", "genred_api_v1"))();
  return api->abi == GENRED_ABI ? api : NULL;
}

#ifdef __cplusplus
}
#endif
#endif
