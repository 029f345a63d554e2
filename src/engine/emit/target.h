/* target.h: what differs between the targets of the emitters.
 *
 * Owns        the types of a target and of the emitters of a reduction.  There are four values, one
 *             for each gr_target_id: two in target_c.c, two in target_cuda.c; target.c picks one.
 * Assumes     nothing about how text is made: a target holds functions, strings of C and a few
 *             numbers.
 * Guarantees  a file that writes for several targets asks e->t and never which target it is.
 * The idea is tinygrad's: back ends that differ by strings and a few functions. */
#ifndef GENRED_TARGET_H
#define GENRED_TARGET_H
#include "plan/plan.h"

typedef struct gr_emitter gr_emitter;

/* A component of a node: sym + off, or the constant off where sym is NULL. */
typedef struct gr_idx {
  const char *sym;
  int off;
} gr_idx;

/* ---- reductions ---- */

/* A wide sum, whose components are computed by a loop of its own after the pairs of a tile. */
typedef struct gr_wide {
  gr_ref term;        /* what is summed */
  const char *factor; /* array of a factor of the terms, one for each column of a tile; NULL: 1 */
  int n;              /* components */
  int to, apart;      /* processors: workspace of the sums; how much further for the second rows */
  int entry;          /* GPUs: entry of the state that the first component is added to */
} gr_wide;

/* How a family of reductions is written: a function, which may be NULL, for each place in a kernel.
 * Accumulators belong to the lanes of one vector of rows. */
typedef struct gr_red_emitter {
  void (*support)(gr_emitter *);    /* functions of the file scope */
  void (*declare)(gr_emitter *);    /* declares the accumulators */
  void (*begin)(gr_emitter *);      /* before the columns of a tile */
  void (*span_begin)(gr_emitter *); /* before the columns of a span */
  void (*step)(gr_emitter *);       /* for one column */
  void (*span)(gr_emitter *);       /* after the columns of a span */
  void (*tile)(gr_emitter *);       /* after the columns of a tile */
  void (*end)(gr_emitter *);        /* after the wide sums: from the accumulators to the state */
  gr_wide (*wide)(gr_emitter *);    /* the wide sum; NULL: there is none */
  bool abreast;      /* cheap pairs of several columns are interleaved to hide latency */
  bool scheduled;    /* worth instruction scheduling before register allocation */
  bool across_tiles; /* GPUs: accumulators live as long as the thread, across tiles */
} gr_red_emitter;

/* Families that have another emitter, late_NAME, for plans with a wide sum (gr_plan.late). */
#define GR_WIDE_FAMILIES(FAMILY) FAMILY(Total) FAMILY(ExpSum)

/* ---- targets ---- */

/* What the two targets of one language share. */
typedef struct gr_language {
  int unrolled;         /* loops of pairs over at most so many components are to be unrolled */
  bool eases_compiling; /* long kernels call functions out of line and keep values at once */
  bool may_see_none;    /* a thread may have no column of a tile */
  unsigned prelude;     /* groups of the prelude that every kernel has */
  unsigned offered;     /* groups that it can have; the others are in prelude_cuda_math.h */
  const gr_red_emitter *const *reduction; /* by family */
  const gr_red_emitter *const *late;      /* by family, of wide sums; NULL: has none */
  bool (*keeps)(const gr_emitter *e, gr_ref r); /* is this node of the current level kept? */
  void (*keep)(gr_emitter *e, gr_ref r, gr_idx k); /* keeps a component of a row or a column */
  const char *(*kept)(gr_emitter *e, gr_ref r, gr_idx k); /* a scalar of the pair, after its tile */
} gr_language;

/* Lanes of a processor's vectors: rows or columns.  A loop is the line that opens it. */
typedef struct gr_c_scheme {
  bool state_per_lane; /* a row has a state for each lane, else one */
  const char *state;   /* what follows #define AT: entry n of the state */
  /* pairs */
  const char *parameters;       /* of the function of the pairs, before S */
  const char *placed, *place;   /* before these, where arrays of pairs are read; as arguments */
  void (*begin)(gr_emitter *e); /* its first lines, or NULL */
  const char *const *lanes;     /* declares the numbers of the lanes, or NULL */
  const char *row_loop;         /* over rows, or vectors of them */
  const char *row;              /* names the current one */
  const char *lanes_read;       /* declares how many lanes of it have pairs, or NULL */
  const char *column_loop;      /* over the columns of a tile, or vectors of them */
  const char *row_number, *column_number; /* in pairs, see gr_target */
  /* the same in spans: over spans, the columns of one, over these columns, the current column */
  const char *span_loop, *span_size, *in_span_loop, *in_span_column;
  const char *in_span_number; /* column_number: that of the last column for copies of it */
  /* register tiles: contractions before the pairs, wide sums after them */
  const char *tile_loop;           /* over the rows of register tiles */
  const char *const *tile_rows;    /* names them */
  const char *tile_row_loop;       /* over the vectors of rows of a tile; NULL: it has one */
  const char *apart;               /* distance of what is kept for the second vector of rows */
  const char *contraction;         /* a comment */
  const char *contraction_columns; /* the buffer of columns that a contraction reads */
  const char *contraction_loop;    /* over columns */
  const char *contraction_group;   /* names a group of packed columns, or NULL */
  /* selections */
  const char *span_index;      /* the indices of column q of a span, in the lanes */
  const char *lanes_of_column; /* how many values of a span belong to one column */
  const char *index_of_column; /* follows #define COLUMNS: indices of column q after the first */
} gr_c_scheme;

/* How the threads of a block on a GPU share the pairs. */
typedef struct gr_cuda_scheme {
  int least_threads;                   /* of a block along rows */
  int blocks, blocks_late;             /* that a multiprocessor shall hold; with a wide sum */
  void (*definitions)(gr_emitter *e);  /* of the file scope, or NULL */
  const char *const *begin;            /* the first lines of the kernel of the pairs */
  void (*begin_shared)(gr_emitter *e); /* names what is behind the columns in shared memory */
  const char *begin_tile;              /* the first line of a tile, or NULL */
  void (*contractions)(gr_emitter *e); /* what a block computes together before pairs, or NULL */
  const char *column_loop, *column;    /* over a tile's columns; names the current one, or NULL */
  const char *const *merge;            /* merges the states of the threads of a row, or NULL */
} gr_cuda_scheme;

struct gr_target {
  const gr_language *in;
  const char *(*row)(gr_emitter *e, gr_ref r, gr_idx k);    /* reads a component of a row */
  const char *(*column)(gr_emitter *e, gr_ref r, gr_idx k); /* the same of a column */
  const char *(*pair)(gr_emitter *e, gr_ref r, gr_idx k);   /* the same of a variable of pairs */
  const char *(*row_number)(gr_emitter *e);    /* numbers of the rows in the lanes, a gr_where */
  const char *(*column_number)(gr_emitter *e); /* the same of columns */
  const char *at_column;      /* index of a column in what is kept for each column of a tile */
  const char *columns_seen;   /* how many columns of a tile have gone into each state */
  const gr_c_scheme *c;       /* one of these two, by the language */
  const gr_cuda_scheme *cuda;
};
typedef struct gr_target gr_target;

extern const gr_target gr_target_rows, gr_target_columns;  /* target_c.c */
extern const gr_target gr_target_narrow, gr_target_tiled;  /* target_cuda.c */

#endif
