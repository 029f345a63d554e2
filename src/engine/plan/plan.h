/* plan.h: what is computed when and where: the plan of a kernel, which emitters turn into text
 * and the run time into calls. */
#ifndef GENRED_PLAN_H
#define GENRED_PLAN_H
#include "graph/graph.h"

/* ---- lower.c: rewrites of the graph from which kernels are planned ---- */

/* exp(d (c s)) is planned as 2^(k s): nodes `inner`, `outer` (-1: none) and `product` are c, d
 * and k.  Right only where k can stand for c and d (run/condition.c). */
typedef struct gr_scale {
  gr_ref inner, outer, product;
} gr_scale;

/* What the lowered graph asks of the parameters of a call. */
typedef struct gr_guard {
  gr_scale *scale;
  int n, cap;
} gr_guard;

/* f as it is planned, after all derivatives are taken; conditions are added to the guard. */
gr_ref gr_lower(gr_dag *g, gr_ref f, gr_guard *guard);
/* May the product stand for inner, and outer be left out?  These are values at a call. */
bool gr_scale_is_safe(const gr_dag *g, double inner, double product);
bool gr_scale_is_moderate(const gr_dag *g, double outer);

/* ---- the plan ---- */

/* "row" is the index that is kept, "col" the one that is reduced. */
typedef enum gr_level { LEVEL_PARAM, LEVEL_ROW, LEVEL_COL, LEVEL_PAIR, LEVEL_COUNT } gr_level;

typedef enum gr_scheme { SUM_BLOCK, SUM_DIRECT, SUM_KAHAN } gr_scheme;

/* What the plan says of one node. */
typedef struct gr_place {
  /* When it is computed, and who reads it. */
  bool live;
  gr_level level;
  int uses;  /* by nodes of its own level */
  bool read; /* by a deeper level, so that it is kept in its level's buffer */

  /* How it is computed, where not by a statement of its own. */
  bool inlined;  /* expanded where it is used: numbers, views, what is cheap or used once */
  bool contract; /* a sum over coordinates of lower levels' values, in a loop of its own */
  bool saved;    /* a scalar of pairs that the loop over wide sums reads, kept for a whole tile */

  /* Columns: in which buffers they are. */
  bool staged; /* in that of staged columns */
  bool direct; /* by columns: staged by the first row, which reads it from the argument itself */
  bool packs;  /* in the packed one: wide columns that are read along their components; on a GPU:
                * columns that a kernel prepares in memory before the pairs */

  /* Where it lies; -1: nowhere there. */
  int buffer; /* offset in its level's buffer (columns: the staged one), in components */
  int packed; /* offset in the packed buffer, in components */
  int work;   /* offset in the workspace, in vectors; -1: on the stack */
  int slot;   /* contract, saved: offset in the workspace, on a GPU number in shared memory, of its
               * values for a tile of columns */
} gr_place;

/* What is asked for. */
typedef struct gr_request {
  const gr_dag *dag;
  const struct gr_args *args;
  gr_ref root, weight; /* weight: -1 */
  gr_reduction red;
  int axis;   /* 0: i is reduced, 1: j */
  bool both;  /* the rows' results are then reduced too */
  bool f64;   /* working precision */
  bool acc64; /* the inner sums are double */
  gr_scheme scheme;
} gr_request;

/* Components of the buffers; columns are staged, then packed. */
typedef struct gr_widths {
  int param, row, stage, packed;
} gr_widths;

/* Tiles and workspace of a kernel for a processor. */
typedef struct gr_cpu_part {
  int work;     /* vectors of workspace */
  int red_work; /* where the accumulators lie in it, or -1: on the stack */
  int kept;     /* where it holds what the reduction keeps for each column of a tile; on a GPU: the
                 * slot of that, or -1 */
  int rows, columns; /* the register tile of contractions and wide sums: vectors of rows, columns;
                      * 1 x 1 without these */
} gr_cpu_part;

/* Registers and shared memory of a kernel for a GPU, where a lane is a row of a thread. */
typedef struct gr_gpu_part {
  int lanes;  /* rows of a thread */
  int record; /* numbers from one staged column to the next; 0: columns are read from memory */
  int slots;  /* arrays of a tile in shared memory, one number for each row and column */
  int pass, passes; /* components of a wide sum that are taken at a time: 8 or 4 of a thread */
  int streams; /* of these, arrays of `pass` components of a tile's columns in shared memory */
  bool reread; /* ExpSum: the weights can be computed again after the exponentials */
} gr_gpu_part;

/* What a kernel is for, and what its lanes are. */
typedef enum gr_target_id {
  TARGET_ROWS,    /* processor: lanes of a vector are rows */
  TARGET_COLUMNS, /* processor, few rows: lanes are columns, each with a state of its own */
  TARGET_NARROW,  /* GPU: a thread has its rows to itself */
  TARGET_TILED    /* GPU: contractions or wide sums are computed by all threads of a block together,
                   * 8 rows and some columns each */
} gr_target_id;

typedef struct gr_plan {
  gr_request ask;
  /* Levels and places: shared by all targets. */
  gr_place *place; /* one per node */
  gr_widths width;
  int least;    /* dimension from which sums over coordinates and wide sums have their own loops */
  int tile;     /* columns staged and packed together: a multiple of 16 */
  bool late;    /* components of a wide sum, or the weights of exponentials, are computed by a loop
                 * of their own after the tile */
  double cost;  /* of a pair, in multiplications */
  bool calls;   /* functions such as Exp are so many that they are called, not inlined */
  bool lengthy; /* so many operations that some passes of a compiler would take most of the time */
  /* One of these, by the target. */
  gr_target_id target;
  gr_cpu_part cpu;
  gr_gpu_part gpu;
} gr_plan;

static inline bool gr_for_gpu(const gr_plan *p) { return p->target >= TARGET_NARROW; }

enum {
  GR_UNROLL = 8,     /* vector dimensions up to this are written out; above, they are loops */
  GR_LANES_MAX = 16, /* of a vector */
  GR_ON_STACK = 64,  /* arrays of so many vectors are local variables; above, in the workspace */
  GR_SPAN = 8,       /* columns that a selection compares at once */
  GR_PAD = 16        /* numbers between arrays whose size is a power of 2: else they compete for the
                      * same cache lines */
};

/* ---- plan.c, plan_columns.c, plan_cuda.c: plans for each target ---- */

/* They throw where sizes pass GR_MAX_NUMBERS. */
gr_plan *gr_plan_new(gr_ctx *c, const gr_request *ask);
gr_plan *gr_plan_by_columns(gr_ctx *c, const gr_plan *p); /* the same for few rows */
gr_plan *gr_plan_cuda(gr_ctx *c, const gr_plan *p);       /* the same for a GPU */
/* The name of an argument that kernels for a GPU cannot read; NULL: there is none. */
const char *gr_never_on_gpu(const struct gr_args *args);
bool gr_reads_pairs(const gr_plan *p); /* it has a variable of pairs */
bool gr_is_function(gr_op op); /* element-wise, and a dozen instructions or more */

/* ---- plan_print.c ---- */

void gr_print_plan(gr_str *b, const gr_plan *p);

/* ---- levels.c ---- */

gr_ref gr_behind_views(const gr_plan *p, gr_ref r); /* the node whose components a view shows */

/* ---- families.c: sizes that follow from the reduction ---- */

int gr_accumulators(const gr_plan *p); /* vectors of it, but for those of a tile */
bool gr_selects(const gr_plan *p); /* a span of columns is compared at once with what is kept */
/* A Top reduction: up to GR_TOP_INSERT entries, a list takes them by insertion; above, through a
 * network on a list whose length is a power of 2.  Entries wait in a room until there are enough
 * of them. */
enum { GR_TOP_INSERT = 32 };
int gr_top_list(int k);
int gr_top_room(int k);

/* ---- plan_cuda.c ---- */

/* Threads of a block; numbers between the components of neighbouring columns in a pass. */
enum { GR_CUDA_THREADS = 128, GR_CUDA_PAD = 4 };
size_t gr_cuda_shared(const gr_plan *p); /* bytes of shared memory */

#endif
