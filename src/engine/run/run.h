/* run.h: programs: made, compiled, kept, run. */
#ifndef GENRED_RUN_H
#define GENRED_RUN_H
#include "emit/emit.h"

/* GPUs whose kernels a program remembers; on others they are looked up at each call */
enum { GR_DEVICES = 8 };

/* ---- interp.c, interp_loops.c: the definition of the language ------------------------------- */

/* The arrays of one problem: a call, or an element of a batch. */
typedef struct gr_problem {
  const gr_array *args;      /* as the interpreter reads them */
  int64_t first[2];          /* numbers of row 0 and column 0 in the whole */
  const double *const *data; /* arg of gr_kernel_fn */
  const int64_t *stride;     /* ld of gr_kernel_fn */
} gr_problem;

/* Adds columns c0 .. c1 to the states of rows r0 .. r1 (entry 0 of the state is row r0). scratch:
 * gr_interp_bytes. */
void gr_interp(const gr_plan *p, const gr_problem *problem, double *state, int64_t ld, int64_t r0,
               int64_t r1, int64_t c0, int64_t c1, void *scratch);
size_t gr_interp_bytes(const gr_plan *p);

/* The values of a node for a strip of pairs: component k in lane l is v[k * comp + l * lane]. */
typedef struct gr_vals {
  double *v;
  int64_t comp, lane;
} gr_vals;

static inline double gr_at(const gr_vals *x, int64_t k, int64_t l) { return x->v[k * x->comp + l * x->lane]; }

/* The values, by node, of what depends on parameters alone; scratch: gr_interp_bytes. */
const gr_vals *gr_interp_parameters(const gr_plan *p, const gr_array *args, void *scratch);

/* Fills out (or lets it point into x[0], for a view) for `lanes` lanes. x[k] belongs to the k-th
 * argument. */
void gr_eval_loop_op(const gr_dag *g, gr_ref r, gr_vals *out, const gr_vals *x, int lanes);

/* ---- condition.c: what the lowered graph asks of parameters ---- */

typedef struct gr_condition {
  const gr_guard *guard;
  const gr_plan *plan; /* of the scales' nodes alone: places say which are live */
  void *scratch;       /* of the interpreter */
} gr_condition;

/* once all is lowered */
void gr_condition_init(gr_condition *condition, const gr_guard *guard, gr_dag *g, const gr_args *args);
/* May the lowered graph be used for these arguments?  Reads the parameters only, from the host. */
bool gr_condition_holds(const gr_condition *condition, const gr_array *args);
/* The same for all elements of a call, one of which is enough to say no. */
gr_class gr_condition_of_run(const gr_run *r, bool *holds, gr_error *err);

typedef struct gr_object gr_object; /* a shared object of kernels (kernels.h) */
typedef struct gr_wanted gr_wanted; /* a kernel that will be needed (kernels.h) */

/* ---- cache.c: compiled kernels on disk ------------------------------------------------------ */

/* Files KEY.so (kernels) and KEY.cubin (a GPU's).  The folder is made where need be; false: it
 * cannot be used, the report says why. */
bool gr_cache_open(const gr_options *opt, gr_report *report);
/* checked, malloc'ed; NULL: not there */
char *gr_cache_read(const char *dir, const char *key, const char *tail, size_t *n);
void gr_cache_write(const char *dir, const char *key, const char *tail, const char *data, size_t n, gr_report *report);

/* ---- device.c: the seam to a GPU backend ---------------------------------------------------- */

/* Rows r0 <= r < r1 of the results that share a list of intervals of columns.  The regions of a
 * call follow one another and cover all its rows; a dense call is one region with one interval. */
typedef struct gr_region {
  int64_t r0, r1;
  const gr_interval *interval; /* ascending, without overlaps */
  int64_t n;
} gr_region;

/* One call of a program, its arguments checked. */
struct gr_run {
  gr_program *p;
  const gr_array *args; /* of a batch, those of its first element */
  int n_args;
  int64_t rows, cols;
  const gr_batches *batches; /* NULL: one problem */
  bool map;         /* values of pairs are wanted, not their sums; elements are columns (map.c) */
  int64_t elements; /* of a batch or map; all have these rows, columns and regions */
  int64_t column;   /* of a map: that of the first element */
  /* of all elements of a batch, `origins` numbers each; NULL: there are none to be found */
  double *origin;
  int64_t origins;
  int64_t first[2]; /* numbers of row 0 and column 0 in the whole, of which args may be a share */
  const gr_region *region;
  int64_t n_regions;
  const gr_output *out;
  /* not NULL: these are wanted, as gr_sink keeps them; the outputs are then empty */
  double *states;
  const gr_options *opt;
  gr_report *report;
};

double gr_pairs(const gr_run *r); /* in all regions of all elements */

/* ---- batches.c: the elements of a batch ---- */

enum { GR_BATCH_DIMENSIONS = 16 };

static inline int64_t gr_elements(const gr_run *r) {
  return r->batches || r->map ? r->elements : 1;
}
/* Counts the elements; what describes them may be anything. */
gr_class gr_batches_check(gr_run *r, gr_error *err);
int64_t gr_result_size(const gr_run *r); /* numbers of one element, in each result */
/* The arrays of element e. */
void gr_element_args(const gr_run *r, int64_t e, gr_array *args);
/* Element e as kernels and the interpreter take it, in gr_problem_bytes of memory. */
gr_problem gr_problem_of(const gr_run *r, int64_t e, void *memory);
size_t gr_problem_bytes(int n_args);

/* ---- ranges.c: block-sparse calls ---- */

/* Regions with memory of their own. */
typedef struct gr_regions {
  gr_region *region;
  int64_t n;
} gr_regions;

gr_class gr_regions_make(gr_regions *s, const gr_ranges *r, int64_t rows,
                         gr_error *err); /* of ranges that are valid */
void gr_regions_free(gr_regions *s);

static inline bool gr_is_gpu(gr_backend b) { return b >= GR_GPU; }

/* there is a device, and those asked for exist */
gr_class gr_device_check(const gr_options *opt, gr_error *err);
gr_class gr_device_choose(const gr_run *r, bool *device, gr_error *err);
/* goes to a GPU, or fails for want of one; all numbers on the host */
bool gr_device_expected(const gr_call *call, const gr_options *opt);
gr_class gr_device_run(const gr_run *r, gr_error *err);
/* "auto" goes on without the GPU; the report says why */
bool gr_device_forgive(const gr_run *r, gr_error *err);
/* The arguments with those that lie on a device copied to the host: one block to free, or NULL
 * where none does. */
gr_class gr_arrays_home(const gr_run *r, gr_array **home, gr_error *err);
/* the error becomes the report's note, and is cleared */
void gr_note(gr_report *report, gr_error *err);

/* ---- origin.c: common origins of groups of variables ---------------------------------------- */

/* Gives the arguments of a call the origins of the first element, and makes room for those of the
 * others: one block to free; NULL where the program has no groups. */
gr_class gr_origins(gr_run *r, void **block, gr_error *err);
/* Finds the origins of element e, whose arguments are given: once, before it is computed. */
void gr_origins_find(const gr_run *r, int64_t e, const gr_array *args);
/* Data that have none and would need one, in words; of a batch, some elements are looked at. */
bool gr_origins_note(const gr_run *r, char *note, size_t size);

/* ---- validate.c: what callers hand over ----------------------------------------------------- */

gr_class gr_validate_spec(const gr_spec *s, gr_error *err);
gr_class gr_validate_arrays(const gr_program *p, const gr_array *args, int n, gr_error *err);
gr_class gr_validate_outputs(const gr_program *p, const gr_output *out, int64_t rows, gr_error *err);
gr_class gr_validate_options(const gr_options *o, gr_error *err);
gr_class gr_validate_ranges(const gr_ranges *r, int64_t rows, int64_t cols, gr_error *err);

/* ---- states.c: states of rows in which all their columns are -------------------------------- */

/* Where they go: to the results, or as they are to `states`, where entry e of row r is number
 * e * rows + r. */
typedef struct gr_sink {
  const gr_output *out;
  double *states; /* NULL: to the results */
  int64_t rows;   /* of the results */
  int64_t first;  /* number in the results of row 0 */
  int64_t apart;  /* from that to row 0 of the next element */
} gr_sink;

gr_sink gr_sink_of(const gr_run *r);
/* The states of `rows` rows from `first` on, into each of which `count` pairs went. */
void gr_sink_take(const gr_reduction *red, const gr_sink *s, const double *state, int64_t ld, int64_t first, int64_t rows, double count);

/* ---- map.c: the values of pairs ------------------------------------------------------------- */

gr_class gr_map_items(const gr_run *r, const gr_plan *plan, gr_kernel_fn *kernel, gr_error *err);
gr_class gr_map_on_device(const gr_run *r, gr_error *err);

/* ---- program.c, run.c ----------------------------------------------------------------------- */

/* The plans of a program, as two bits: lanes run over columns; the graph is as written, not
 * lowered. */
enum { PLAN_FEW = 1, PLAN_WRITTEN = 2, PLANS = 4 };

struct gr_program {
  int users; /* who hold it: the last that frees it ends it */
  gr_arena arena;
  gr_ctx ctx;
  gr_spec spec; /* strings copied */
  gr_args args;
  gr_ast *ast, *ast2; /* ast2: NULL without a weight */
  gr_dag *dag;
  gr_request ask[2];      /* lowered, as written */
  gr_plan *plan;          /* that of most calls: plans[0]; NULL: this is an outline */
  /* made at their first need; PLAN_WRITTEN: also the interpreter's; the same as the others where
   * nothing is lowered */
  gr_plan *plans[PLANS];
  unsigned numbered; /* CAT_I, CAT_J: indices whose numbers the formula reads, whatever by */
  unsigned counted;  /* those that it has as values, IndexI() and IndexJ() */
  gr_guard guard;         /* what the lowered graph asks for */
  gr_condition condition; /* which of them a call may use */
  gr_plan *cuda[2];       /* lowered, as written; made at the first need */
  const char *cuda_text[2];
  const char *note;
  bool seen;              /* it has run, and its data were looked at for a note */
  gr_kernel_fn *kernel[PLANS]; /* found at the first need (gr_program_has) */
  struct {
    gr_object *object;
    char *settings; /* with which it was found */
  } held[PLANS];
  /* the device backend's: lowered, as written; without and with fast math */
  struct {
    uint64_t life; /* of the device's context: what it loaded is gone when it ends */
    void *kernels;
  } loaded[2][2][GR_DEVICES];
};

/* A program that cannot run, of a specification whose aliases may leave dimensions open: its
 * arguments and its result have dimension 0 where it depends on a call. */
gr_class gr_outline_new(const gr_spec *spec, gr_program **out, gr_error *err);
gr_class gr_program_plan(gr_program *p, int plan, gr_error *err); /* p->plans[plan] is there */
/* The text of the kernel of one of the plans; lives as long as the program. */
gr_class gr_program_text(gr_program *p, int plan, const char **text, gr_error *err);
/* The text of the kernels for a GPU, and how they are launched; lives as long as the program. */
gr_class gr_program_cuda(gr_program *p, bool written, const char **text, gr_cuda_layout *layout, gr_error *err);
/* The joint text of kernels whose keys are known, of programs of one precision; malloc'ed. */
gr_class gr_programs_text(gr_wanted *const *wanted, int n, char **text, gr_error *err);
gr_class gr_check_count(const gr_program *p, int n_args, gr_error *err); /* of arguments */
/* Checks a call; its rows and columns. */
gr_class gr_check_call(const gr_program *p, const gr_array *args, int n_args, int64_t *rows, int64_t *cols, gr_error *err);
/* A call of checked arguments: of the pairs of ranges, which are checked here; of all pairs. */
gr_class gr_run_sparse(gr_run *r, const gr_ranges *ranges, gr_error *err);
gr_class gr_run_dense(gr_run *r, gr_error *err);
/* Runs a call of checked arguments that has its regions, with their common origins. */
gr_class gr_run_regions(gr_run *r, gr_error *err);
/* Would a call of so many pairs that goes to no GPU use a kernel, that of this plan? */
bool gr_wants_kernel(const gr_program *p, double pairs, const gr_options *opt, int plan);
int gr_plan_of(const gr_program *p, int64_t rows, int64_t cols); /* 0 or PLAN_FEW, by the shape */

#endif
