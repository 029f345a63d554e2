/* emitter.h: what the files of this room share: where text is being written, and the pieces that it is made of. */
#ifndef GENRED_EMITTER_H
#define GENRED_EMITTER_H
#include "emit/emit.h"

/* ---- emit.c, emit_loops.c, emit_red.c: plan to C ------------------------------------------------------------------------ */

/* What every kernel starts with: the lines of prelude.h and prelude_gamma.h, without most comments (prelude_text.h is made by prelude.sed). */
extern const char *const gr_prelude[]; /* NULL-terminated */

/* What the term of a register tile reads (emit_cuda_tile.c). */
typedef struct gr_stream {
  gr_ref r;
  gr_level level;
  bool varies;      /* with the coordinate or component */
  const char *idx;  /* which component, as text */
  const char *name; /* of the thread's array of them */
} gr_stream;

enum { GR_STREAMS = 24 };
typedef struct gr_tile {
  bool wide; /* a wide sum, else a contraction */
  int n;
  gr_stream stream[GR_STREAMS];
} gr_tile;

/* Where text is being written. */
typedef struct gr_emitter {
  gr_ctx *c;
  gr_str out;
  const gr_plan *p;
  gr_level at;     /* level whose nodes are being computed */
  bool locals;     /* small lower-level vectors have local names */
  bool late;       /* in the loop over wide sums: pair-level scalars are read from what was kept of the tile */
  int row, col;    /* which of the register tile; -1: there is none */
  int red_used;    /* vectors of the accumulators' workspace that are taken */
  gr_tile *tile;   /* CUDA: the register tile whose term is being written, or NULL */
} gr_emitter;

/* A component: sym + off, or the constant off. */
typedef struct gr_idx {
  const char *sym;
  int off;
} gr_idx;

const char *gr_idx_text(gr_emitter *e, gr_idx k);
const char *gr_value(gr_emitter *e, gr_ref r, gr_idx k); /* C expression for a component of a node */
const char *gr_node_name(gr_emitter *e, gr_ref r);
bool gr_has_origin(const gr_emitter *e, int arg); /* an origin is subtracted from this argument */
void gr_declare(gr_emitter *e, const char *type, const char *name, int dim, int work);
/* Calls body for each component: written out up to GR_UNROLL, else in a loop over k. */
typedef void gr_body(gr_emitter *e, gr_idx k, const void *data);
void gr_each(gr_emitter *e, int dim, gr_body *body, const void *data);
void gr_open(gr_emitter *e, const char *fmt, ...) GR_PRINTF(2, 3); /* a line, then deeper */
void gr_close(gr_emitter *e);                                     /* "}" */
void gr_emit_loop_op(gr_emitter *e, gr_ref r); /* emit_loops.c: declares and fills the node's storage */

void gr_emit_level(gr_emitter *e); /* computes all nodes of the current level, in order */
void gr_compute_and_keep(gr_emitter *e); /* the same, and keeps what deeper levels read */
void gr_each_variable(gr_emitter *e, void (*line)(gr_emitter *, gr_ref, int arg)); /* calls `line` for each variable of it */
const char *gr_from_buffer(gr_emitter *e, gr_ref r, gr_idx k); /* component k of a node of a lower level */
const char *gr_at_column(const gr_emitter *e); /* the index of a column in what is kept for each column of a tile */
const char *gr_of_row(const gr_emitter *e);    /* where a vector of rows begins there */
void gr_emit_pairs(gr_emitter *e);             /* emit_pairs.c */
void gr_emit_entry(gr_emitter *e);             /* emit_entry.c: gr_kernel_fn */
void gr_declare_locals(gr_emitter *e, gr_level level);
void gr_emit_title(gr_str *out, const char *title);           /* as a comment */
void gr_emit_own(gr_str *out, gr_ctx *c, const gr_plan *p);   /* all that follows the prelude */
/* emit_text.c: the groups of prelude.h that these kernels, of one precision, need */
void gr_emit_prelude(gr_str *out, const gr_plan *const *plan, int n);
void gr_emit_support(gr_emitter *e, const char *text); /* the functions that `text` calls */

/* emit_red.c, emit_select.c: the reduction inside a tile, for the lanes of one vector of rows */
typedef struct gr_red_emitter {
  void (*support)(gr_emitter *);    /* functions of the file */
  void (*declare)(gr_emitter *);    /* names the accumulators */
  void (*begin)(gr_emitter *);      /* before the columns */
  void (*span_begin)(gr_emitter *); /* selections only: before the columns of a span */
  void (*step)(gr_emitter *);       /* for one column */
  void (*span)(gr_emitter *);       /* selections only: after the columns of a span */
  void (*tile)(gr_emitter *);       /* after the columns */
  void (*end)(gr_emitter *);        /* after the wide sums: into the state */
} gr_red_emitter;
const gr_red_emitter *gr_red_emitter_of(const gr_plan *p);
extern const gr_red_emitter gr_emit_extremum, gr_emit_top; /* emit_select.c */
/* An array of accumulators: a local one, or a part of the workspace. `size` is in vectors V. */
void gr_red_array(gr_emitter *e, const char *type, const char *name, int n, int size);
/* The wide sum of the plan: its term for a component, how many there are, and where in the workspace the sums go (for
 * the second vector of rows, how much further). */
typedef struct gr_wide {
  gr_ref term;
  const char *factor; /* of each term, for a tile's column; NULL: 1 */
  int n, to, apart;
} gr_wide;
gr_wide gr_emit_red_wide(gr_emitter *e);

/* ---- emit_cuda.c, emit_cuda_red.c: plan to CUDA C++ --------------------------------------------------------------------- */

/* What stands in front of every such text: state.h, prelude_cuda.h. */
extern const char *const gr_prelude_cuda[]; /* NULL-terminated */

extern const gr_red_emitter gr_emit_cuda_extremum, gr_emit_cuda_top, gr_emit_cuda_expsum; /* emit_cuda_red.c */
extern const gr_red_emitter gr_emit_cuda_late_total, gr_emit_cuda_late_expsum;
/* emit_cuda_tile.c */
const char *gr_stream_value(gr_emitter *e, gr_ref r, gr_idx k);
void gr_emit_cuda_slots(gr_emitter *e);
void gr_emit_cuda_contractions(gr_emitter *e);
void gr_emit_cuda_wide(gr_emitter *e);

#endif
