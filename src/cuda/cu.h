/* cu.h: the CUDA backend's private header: shared types and prototypes, grouped by owning file.
 *
 * Functions return a gr_class and fill a caller-owned gr_error, as the engine's system code does.
 * Inside, GR_MEMORY with g->full means that the device is out of memory (cu_run.c tries again, then
 * reports GR_CUDA). */
#ifndef GENRED_CU_H
#define GENRED_CU_H

#include "cu_api.h"
#include "cu_public.h"
#include "run/run.h"

/* ---- cu_load.c: the libraries ---- */

#define SYM(need, result, name, parameters) result(CU_CALL *name) parameters;
typedef struct cu_driver {
  CU_DRIVER(SYM)
  char path[512];
  int version; /* 1000 * major + 10 * minor */
} cu_driver;
typedef struct cu_nvrtc {
  CU_NVRTC(SYM)
  char path[512];
  int major, minor;
} cu_nvrtc;
#undef SYM

gr_class cu_open_driver(cu_driver *d, gr_error *err);
/* newest: the driver's major version.  It may not load the code of a newer compiler, which is
 * therefore the last choice.  0: any. */
gr_class cu_open_nvrtc(cu_nvrtc *n, int newest, gr_error *err);

/* ---- cu_nvrtc.c: emitted text to code for a device ---- */

typedef struct cu_image { /* what cuModuleLoadData takes */
  char *data;             /* malloc'ed */
  size_t n;
} cu_image;

/* What is compiled for: architecture as 10 * major + minor, options. */
typedef struct cu_target {
  int architecture;
  bool fast_math;
} cu_target;

enum { CU_KEY = 65 };

/* Compiles, or finds in opt->cache_dir; `key` is that of text, target and compiler.  err: GR_CUDA,
 * with NVRTC's output as log.  If code for no architecture of this NVRTC runs on the target,
 * image->data is NULL and the class GR_OK: the caller knows the name of the device. */
gr_class cu_compile(const cu_nvrtc *n, const cu_target *target, const char *text,
                    const gr_options *opt, const char *key, cu_image *image, gr_report *report,
                    gr_error *err);
void cu_make_key(const cu_nvrtc *n, const cu_target *target, const char *text, char key[CU_KEY]);

/* ---- cu_device.c: devices and their contexts ---- */

typedef struct cu_block { /* device memory */
  struct cu_block *next;
  cu_address address;
  size_t size;
} cu_block;

enum { CU_STAGES = 2, CU_STAGE_BYTES = 8 << 20 };

typedef struct cu_kernels { /* a loaded module */
  struct cu_kernels *next;
  char key[CU_KEY];
  cu_module module;
  cu_function params, rows, columns, pairs, merge, merge_rows, finish;
  int resident; /* blocks of gr_pairs that a multiprocessor holds at once */
  gr_cuda_layout layout;
  double rate;     /* measured: pairs a second; 0: not yet */
  cu_block *head;  /* sources and parameters as they were at the last call, then P */
  char *head_copy; /* what lies there */
  bool head_valid;
} cu_kernels;

typedef struct cu_gpu {
  int id;
  cu_device device;
  gr_device_info info;
  int clock, shared_most, double_ratio; /* kHz, bytes, slowdown of double precision */
  /* while there is a context */
  uint64_t life; /* number of the context; 0: there is none */
  cu_context context;
  cu_stream stream;
  cu_kernels *kernels;
  cu_block *taken; /* all that is in use */
  cu_block *idle;  /* given back, kept for later calls */
  size_t idle_bytes;
  void *stage[CU_STAGES]; /* pinned memory that copies go through */
  cu_event staged[CU_STAGES];
  int next_stage;
  cu_event mark[4]; /* begin and end of the launches in flight */
  cu_result fault;  /* not SUCCESS: the context is past use, as this function said */
  const char *fault_call;
  bool full; /* memory ran out in this call */
} cu_gpu;

/* Initialises the driver and counts the devices.  Errors: there are none (n = 0), something is
 * wrong (n = -1), this is a forked child. */
gr_class cu_ready(int *n, gr_error *err);
const cu_driver *cu_now(void); /* after cu_ready */
/* Whatever uses contexts is between cu_begin and cu_end, which restores the caller's context and
 * resets a device after a fault. */
gr_class cu_begin(gr_error *err);
void cu_end(gr_error *err);
gr_class cu_use(int id, cu_gpu **g, gr_error *err); /* device `id` with its context made current */
/* written: of the graph as written, else of the lowered one */
gr_class cu_kernels_of(cu_gpu *g, gr_program *p, bool written, const gr_options *opt,
                       cu_kernels **k, gr_report *report, gr_error *err);
/* The class of what `name` returned on g. */
gr_class cu_result_of(cu_gpu *g, cu_result r, const char *name, gr_error *err);
#define CU(g, err, name, ...) cu_result_of(g, cu_now()->name(__VA_ARGS__), #name, err)
gr_class cu_count(int *n, gr_error *err);
gr_class cu_info(int id, gr_device_info *info, gr_error *err);
void cu_libraries(gr_device_libraries *libraries);
gr_class cu_compile_program(gr_program *p, const gr_options *opt, gr_report *report, gr_error *err);
void cu_shutdown(void);
/* The device, if it is still in that context and this is no forked child, else NULL. */
cu_gpu *cu_gpu_of(int id, uint64_t life);

/* ---- cu_memory.c: buffers, copies, matrices that stay ---- */

gr_class cu_take(cu_gpu *g, size_t bytes, cu_block **b, gr_error *err); /* 256-byte aligned */
void cu_give(cu_gpu *g, cu_block *b);                                   /* NULL is fine */
void cu_give_idle(cu_gpu *g);              /* frees the blocks that are kept */
void cu_free_memory(cu_gpu *g, bool lost); /* all blocks; lost: with their context */
/* `rows` rows of a matrix of the host, from `first` on, less its origin, to the device as `type`,
 * contiguous; returns while the last copies are in flight. */
gr_class cu_upload(cu_gpu *g, cu_address to, gr_storage_type type, const gr_array *from,
                   int64_t first, int64_t rows, int threads, gr_error *err);
/* A block of an array of pairs to the device as `type`, column after column: that of row r and
 * column c is data[r * step + c * stride]. */
gr_class cu_upload_pairs(cu_gpu *g, cu_address to, gr_storage_type type, const double *data,
                         int64_t step, int64_t stride, int64_t rows, int64_t cols, int threads,
                         gr_error *err);
/* The next stage, once no copy uses it any more; and that a copy out of or into it was enqueued. */
gr_class cu_stage(cu_gpu *g, int *stage, gr_error *err);
gr_class cu_stage_used(cu_gpu *g, int stage, gr_error *err);
gr_class cu_stage_wait(cu_gpu *g, int stage, gr_error *err);

typedef struct cu_matrix { /* what a gr_buffer is */
  gr_buffer shape;
  uint64_t life; /* of the context it lies in */
  cu_block *block;
  double *range; /* what shape.range points to */
} cu_matrix;

size_t cu_size_of(gr_storage_type type);
/* Where a matrix's numbers lie; err where they are lost. */
gr_class cu_address_of(const gr_buffer *b, cu_address *at, gr_error *err);
gr_class cu_make(int id, int64_t rows, int64_t cols, gr_storage_type type, gr_buffer **out,
                 gr_error *err);
gr_class cu_put(gr_buffer *b, const double *data, int64_t stride, gr_error *err);
gr_class cu_get(const gr_buffer *b, double *data, int64_t stride, gr_error *err);
void cu_free(gr_buffer *b);

/* ---- cu_cut.c: how work is cut into launches ---- */

typedef struct cu_cut {
  int64_t block_rows, block_cols; /* that are on the device at once */
  int64_t chunk;                  /* columns of a launch */
  int64_t wave; /* rows that fill the device once: launches take multiples of it */
  int64_t part; /* columns of a split */
  int nsplit, tx;
} cu_cut;

/* What one row, one column and one pair of a call take on the device, in bytes (rows: besides the
 * state). */
typedef struct cu_sizes {
  int64_t row, col, pair;
} cu_sizes;

cu_cut cu_cut_of(const cu_gpu *g, const gr_plan *p, const gr_cuda_layout *l, int resident,
                 gr_backend backend, int64_t rows, int64_t cols);
/* Blocks so that all fits into `room` bytes. */
void cu_cut_blocks(cu_cut *c, const gr_plan *p, const gr_cuda_layout *l, const cu_sizes *s,
                   int64_t rows, int64_t cols, size_t room);
size_t cu_cut_bytes(const cu_cut *c, const gr_plan *p, const gr_cuda_layout *l, const cu_sizes *s);
/* Seconds that so many pairs take, as far as can be said before any was measured. */
double cu_seconds(const cu_gpu *g, const gr_plan *p, double pairs);

/* ---- cu_part.c: one device's share of a call ---- */

typedef struct cu_call {
  const gr_run *run;    /* program, regions, options, report */
  const gr_array *args; /* stride and dimensions; data where they are on the host */
  const double **data;  /* on the host; NULL: on the device, wherever it is needed */
  int n_args;
  gr_interval columns;  /* the first and the last of all regions, and what lies between */
  int64_t most_columns; /* that any row meets */
  double pairs;
  gr_output out[2]; /* on the host, unless `stays` */
  bool stays;
  bool written; /* the lowered kernels do not fit these parameters */
} cu_call;

typedef struct cu_part {
  const cu_call *call;
  cu_gpu *g;
  cu_kernels *k;
  int64_t first, rows; /* of the call */
  cu_sizes sizes;
  cu_cut cut;
  cu_block *row_args, *col_args, *pair_args, *R, *C, *state;
  int64_t ld;    /* of the states and of R */
  char *head;    /* as it will be on the device */
  double *total; /* both indices are reduced: the state of all rows so far */
  /* the position: row of the call and its region; interval of the region, and column; rows of the
   * block that are launched already */
  int64_t row, region, interval, column, group;
  int64_t window; /* the first of the columns on the device */
  bool rows_ready, cols_ready;
  bool timed;  /* launches are long enough to be measured and polled */
  int pending; /* of these in flight, */
  int mark;    /* and where the next one's marks are */
  double pairs[2];
  double done; /* pairs that were launched */
  bool finished;
} cu_part;

static inline int64_t cu_least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t cu_round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
static inline int64_t cu_length(gr_interval i) { return i.end - i.first; }
static inline const gr_plan *cu_plan_of(const cu_part *s) { return s->call->run->p->plan; }
static inline gr_storage_type cu_type_of(const cu_part *s) {
  return cu_plan_of(s)->ask.f64 ? GR_DOUBLE : GR_FLOAT;
}
static inline int64_t cu_number(const cu_part *s) {
  return (int64_t)cu_size_of(cu_type_of(s));
} /* bytes */
static inline cu_address cu_address_in(const cu_block *b) { return b ? b->address : 0; }

/* Memory for blocks of rows and columns that fit; attempt 1 is after memory ran out. */
gr_class cu_part_begin(cu_part *s, int attempt, gr_error *err);
/* Enqueues the next piece of work, or finds that it has to wait (*moved stays). */
gr_class cu_part_step(cu_part *s, bool *moved, gr_error *err);
void cu_part_end(cu_part *s);
gr_class cu_launch(cu_part *s, cu_function f, unsigned x, unsigned y, unsigned block, size_t shared,
                   void **arguments, gr_error *err);
/* A kernel whose threads share n rows or columns. */
gr_class cu_launch_over(cu_part *s, cu_function f, int64_t n, void **arguments, gr_error *err);

/* ---- cu_position.c: where it is in its share ---- */

void cu_begin_rows(cu_part *s, int64_t row); /* a block of rows, or the end of the share */
void cu_advance(cu_part *s, int64_t rows);   /* after a launch of so many rows */
bool cu_first_columns(const cu_part *s);     /* the next launch starts the states of its rows */
bool cu_pairs_done(const cu_part *s);        /* of the block of rows */
int64_t cu_rows_here(const cu_part *s);      /* of the block */
int64_t cu_cols_here(const cu_part *s);      /* on the device, from s->window on */
gr_interval cu_chunk_of(const cu_part *s);   /* columns of the next launch */
const gr_region *cu_region_of(const cu_part *s); /* that the block of rows is in */
double cu_columns_met(const cu_part *s);     /* by each row of the block, in all */

/* ---- cu_args.c: arguments on the device ---- */

cu_sizes cu_sizes_of(const cu_part *s);
gr_class cu_make_head(cu_part *s, gr_error *err);
/* Loads the block of rows and the window of columns of the position. */
gr_class cu_make_ready(cu_part *s, gr_error *err);
cu_address cu_parameters(const cu_part *s); /* where P lies */

/* ---- cu_results.c: states to results ---- */

gr_sink cu_sink_of(const cu_call *c); /* cu_run.c: where states go that come to the host */
gr_class cu_finish(cu_part *s, gr_error *err);

/* ---- cu_run.c: a program applied to arrays ---- */

gr_class cu_run(const gr_run *run, gr_error *err);

#endif
