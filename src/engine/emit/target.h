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
  /* the array of what each term is multiplied by, for a tile's column; NULL: 1 */
  const char *factor;
  int n;              /* components */
  int to, apart;      /* processors: workspace of the sums; how much further for the second rows */
  int entry;          /* GPUs: entry of the state that the first component is added to */
} gr_wide;

/* How a family of reductions is written: a function that may be NULL for each place in a kernel.
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
  /* the wide sum; NULL: all components are computed pair by pair */
  gr_wide (*wide)(gr_emitter *);
  /* cheap pairs of several columns are interleaved, to hide the latency of instructions */
  bool abreast;
  bool scheduled;   /* worth instruction scheduling before register allocation */
  /* GPUs: accumulators live as long as the thread; a tile neither begins nor ends them */
  bool across_tiles;
} gr_red_emitter;

/* Families with an emitter of their own, late_NAME, for plans whose wide sums come late
 * (gr_plan.late). */
#define GR_WIDE_FAMILIES(FAMILY) FAMILY(Total) FAMILY(ExpSum)

/* ---- targets ---- */

/* What the two targets of one language share. */
typedef struct gr_language {
  /* loops of pairs over at most so many components are marked to be unrolled */
  int unrolled;
  /* long kernels call functions out of line and keep values as soon as computed */
  bool eases_compiling;
  bool may_see_none;   /* a thread may have no column of a tile */
  unsigned prelude;    /* groups of the prelude that every kernel has */
  unsigned offered;    /* groups that it can have; the others are in prelude_cuda.h */
  /* by family; late: NULL where none is wide */
  const gr_red_emitter *const *reduction, *const *late;
  /* is this node of the current level kept? */
  bool (*keeps)(const gr_emitter *e, gr_ref r);
  /* keeps a component of a row or of a column */
  void (*keep)(gr_emitter *e, gr_ref r, gr_idx k);
  const char *(*kept)(gr_emitter *e, gr_ref r, gr_idx k); /* a scalar of the pair, after its tile */
} gr_language;

/* Lanes of a processor's vectors: rows or columns. */
typedef struct gr_c_scheme {
  bool state_per_lane; /* a row has a state for each lane, else one */
  const char *state;   /* what follows #define AT: entry n of the state */
  /* pairs */
  const char *parameters;         /* of the function of the pairs, before S */
  void (*begin)(gr_emitter *e);   /* its first lines, or NULL */
  const char *const *lanes;       /* declares the numbers of the lanes, or NULL */
  const char *row_loop, *row;     /* opens the loop over rows; names the current row */
  const char *column_loop;        /* opens the loop over the columns of a tile */
  const char *span_loop, *span_size, *in_span_loop, *in_span_column; /* the same in spans */
  /* register tiles: contractions before the pairs, wide sums after them */
  const char *tile_loop;          /* opens the loop over the rows of register tiles */
  const char *const *tile_rows;   /* names them */
  /* opens the loop over the vectors of rows of one; NULL: there is one */
  const char *tile_row_loop;
  const char *apart;              /* distance of what is kept for the second vector of rows */
  const char *contraction;        /* comment */
  const char *contraction_columns; /* the buffer of columns that a contraction reads */
  /* opens its loop over columns; names a group, or NULL */
  const char *contraction_loop, *contraction_group;
  /* selections */
  const char *span_index;         /* the indices of column q of a span, in the lanes */
  const char *lanes_of_column;    /* how many values of a span belong to one column */
  /* what follows #define COLUMNS: the indices of column q after the first */
  const char *index_of_column;
} gr_c_scheme;

/* How the threads of a block on a GPU share the pairs. */
typedef struct gr_cuda_scheme {
  int least_threads;         /* of a block along rows */
  int blocks, blocks_late;   /* that a multiprocessor shall hold; with wide sums */
  void (*definitions)(gr_emitter *e);  /* of the file scope, or NULL */
  const char *const *begin;            /* the first lines of the kernel of the pairs */
  /* names what lies in shared memory behind the columns, or NULL */
  void (*begin_shared)(gr_emitter *e);
  const char *begin_tile;              /* the first line of a tile, or NULL */
  /* what all threads compute together before the pairs, or NULL */
  void (*contractions)(gr_emitter *e);
  /* opens the loop over a tile's columns; names one, or NULL */
  const char *column_loop, *column;
  const char *const *merge;            /* merges the states of the threads of a row, or NULL */
} gr_cuda_scheme;

struct gr_target {
  const gr_language *in;
  const char *(*row)(gr_emitter *e, gr_ref r, gr_idx k); /* reads a component of a row */
  const char *(*column)(gr_emitter *e, gr_ref r, gr_idx k); /* of a column */
  const char *at_column;    /* the index of a column in what is kept for each column of a tile */
  const char *columns_seen; /* how many columns of a tile have gone into each state */
  const gr_c_scheme *c;       /* one of these two, by the language */
  const gr_cuda_scheme *cuda;
};
typedef struct gr_target gr_target;

extern const gr_target gr_target_rows, gr_target_columns;  /* target_c.c */
extern const gr_target gr_target_narrow, gr_target_tiled;  /* target_cuda.c */

#endif
