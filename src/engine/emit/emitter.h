/* emitter.h: what the files of this room share: where text is being written, and the pieces it is
 * made of.
 *
 * Assumes     an emitter made by gr_emitter_of; one emitter writes one text, from its plan alone.
 * Guarantees  strings that functions return live as long as the arena of the context. */
#ifndef GENRED_EMITTER_H
#define GENRED_EMITTER_H
#include "emit/emit.h"
#include "emit/target.h"

/* ---- fixed text (emit_text.c, prelude.c) ---- */

/* Pieces of fixed text, of which a kernel gets those that it needs, in this order: the groups of
 * the prelude (`base` is what stands in none), and functions of a processor's kernel that fill
 * buffers.  Two have no text of their own: `operators`, which are C's, and `pow`, which is two
 * other groups. */
#define GR_PIECES(PIECE)                                                                          \
  PIECE(operators) PIECE(base) PIECE(plain) PIECE(exp) PIECE(exp2) PIECE(sigmoid) PIECE(hyp)      \
  PIECE(log) PIECE(pow) PIECE(log1p) PIECE(sin) PIECE(tan) PIECE(asin) PIECE(atan) PIECE(erf)     \
  PIECE(softmin) PIECE(gamma) PIECE(take_last) PIECE(take_vectors) PIECE(take_left)               \
  PIECE(take_rows) PIECE(take_columns) PIECE(take_packed) PIECE(pack_columns) PIECE(column)       \
  PIECE(load_pairs)

typedef enum gr_piece {
#define PIECE(name) PIECE_##name,
  GR_PIECES(PIECE)
#undef PIECE
      PIECE_COUNT
} gr_piece;
#define GR_PIECE(name) (1u << PIECE_##name) /* sets of pieces */

/* A line of the prelude, and the group that it belongs to. */
typedef struct gr_prelude_line {
  gr_piece piece;
  const char *text;
} gr_prelude_line;

/* The headers prelude_*.h, and those in front of kernels for a GPU only: reduce/state.h and
 * prelude_cuda.h.  Without most comments; NULL-terminated. */
extern const gr_prelude_line gr_prelude[], gr_prelude_cuda[];

/* ---- the emitter ---- */

/* Names that grow in number. */
typedef struct gr_names {
  const char **name;
  int n, cap;
} gr_names;

/* Numbers that a term of a register tile reads (emit_cuda_tile.c). */
typedef struct gr_stream {
  gr_ref r;
  gr_level level;
  bool varies;      /* with the coordinate or component */
  const char *idx;  /* which component, as C */
  const char *name; /* of the thread's array of them */
} gr_stream;

enum { GR_STREAMS = 24 };
typedef struct gr_tile {
  bool wide; /* a wide sum, else a contraction */
  int n;
  gr_stream stream[GR_STREAMS];
} gr_tile;

struct gr_emitter {
  gr_ctx *c;
  gr_str out;
  const gr_plan *p;
  const gr_target *t;
  const gr_red_emitter *red; /* of the plan's reduction, on this target */
  gr_level at;     /* level whose nodes are being computed */
  bool locals;     /* small vectors of lower levels have local names */
  bool late;       /* in the loop over wide sums: scalars of the pair were kept for the tile */
  int row, col;    /* which of the register tile; -1: there is none */
  int red_used;    /* vectors of the accumulators' workspace that are taken */
  gr_tile *tile;   /* GPU: the register tile whose term is being written, or NULL */
  unsigned pieces; /* of fixed text that what is written calls */
  gr_names scope, macros; /* what the text declares in the scope of the file; names of macros */
};

/* target.c */
const gr_target *gr_target_of(const gr_plan *p);
gr_emitter gr_emitter_of(gr_ctx *c, const gr_plan *p);

static inline const gr_node *gr_node_of(const gr_emitter *e, gr_ref r) { return &e->p->ask.dag->node[r]; }

/* Calls a function of a reduction or of a target that may be NULL. */
static inline void gr_part(gr_emitter *e, void (*f)(gr_emitter *)) {
  if (f) f(e);
}

/* What is being written calls these pieces. */
static inline void gr_calls(gr_emitter *e, unsigned pieces) { e->pieces |= pieces; }
void gr_calls_of(gr_emitter *e, gr_op op); /* what the text of an operation calls (emit_text.c) */
/* That text is an expression of operators, else a call. */
bool gr_is_of_operators(gr_op op);

/* ---- lines (emit_text.c) ---- */

void gr_open(gr_emitter *e, const char *fmt, ...) GR_PRINTF(2, 3); /* a line with a brace */
void gr_open_block(gr_emitter *e);                     /* a brace alone */
void gr_close(gr_emitter *e);                          /* the closing brace */
void gr_lines(gr_emitter *e, const char *const *line); /* as they are, up to NULL */

/* Every name of the file scope goes through one of these, so that kernels can share a file
 * (emit_joint.c): names that are declared by what is written next, up to NULL; the definition of a
 * function; a macro. */
void gr_in_scope(gr_emitter *e, const char *const *name);
void gr_open_function(gr_emitter *e, const char *type, const char *name, const char *parameters, ...)
    GR_PRINTF(4, 5);
void gr_macro(gr_emitter *e, const char *name, const char *fmt, ...) GR_PRINTF(3, 4);

/* ---- values and statements (emit.c, emit_loops.c) ---- */

const char *gr_idx_text(gr_emitter *e, gr_idx k);
/* The C expression for a component of a node; the same from the buffer of a lower level. */
const char *gr_value(gr_emitter *e, gr_ref r, gr_idx k);
const char *gr_from_buffer(gr_emitter *e, gr_ref r, gr_idx k);
const char *gr_node_name(gr_emitter *e, gr_ref r);
bool gr_has_origin(const gr_emitter *e, int arg); /* an origin is subtracted from this argument */
void gr_declare(gr_emitter *e, const char *type, const char *name, int dim, int work);
/* Calls body for each component: written out up to GR_UNROLL, else in a loop over k. */
typedef void gr_body(gr_emitter *e, gr_idx k, const void *data);
void gr_each(gr_emitter *e, int dim, gr_body *body, const void *data);
void gr_emit_loop_op(gr_emitter *e, gr_ref r); /* declares and fills the storage of a node */
void gr_emit_level(gr_emitter *e);       /* computes all nodes of the current level, in order */
void gr_compute_and_keep(gr_emitter *e); /* the same, and keeps what deeper levels read */
/* Calls `line` for each variable of the current level. */
void gr_each_variable(gr_emitter *e, void (*line)(gr_emitter *, gr_ref, int arg));
/* Where the second vector of rows begins in what is kept for each column of a tile. */
const char *gr_of_row(const gr_emitter *e);

void gr_emit_pairs(gr_emitter *e); /* emit_pairs.c */
void gr_emit_entry(gr_emitter *e); /* emit_entry.c: gr_kernel_fn */
void gr_declare_locals(gr_emitter *e, gr_level level);

/* ---- whole texts (emit.c, emit_text.c) ---- */

void gr_emit_title(gr_str *out, const char *title); /* as a comment */
/* The emitter of all that follows the prelude of a processor's kernel, in `out`. */
gr_emitter gr_emit_own(gr_ctx *c, const gr_plan *p);
/* The groups of the prelude among these pieces and the pieces that these need, in this language. */
void gr_emit_prelude(gr_str *out, const gr_language *in, unsigned pieces);
void gr_emit_support(gr_emitter *e); /* the functions among the pieces */

/* ---- reductions (emit_red.c, emit_select.c, emit_cuda_red.c) ---- */

/* An array of accumulators: a local one, or a part of the workspace; `size` is in vectors V. */
void gr_red_array(gr_emitter *e, const char *type, const char *name, int n, int size);

static inline int gr_formula_dim(const gr_emitter *e) { return e->p->ask.red.dim; }
static inline int gr_weight_dim(const gr_emitter *e) {
  return e->p->ask.weight < 0 ? 0 : gr_node_of(e, e->p->ask.weight)->dim;
}
static inline const char *gr_root_value(gr_emitter *e, gr_idx k) { return gr_value(e, e->p->ask.root, k); }
/* The index that lies `off` behind k. */
static inline const char *gr_idx_after(gr_emitter *e, gr_idx k, int off) {
  return gr_idx_text(e, (gr_idx){k.sym, k.off + off});
}
/* The function of exp(f - base); a factor of weights is 0 for f = -Inf only. */
static inline const char *gr_exp_function(gr_emitter *e) {
  gr_calls(e, GR_PIECE(exp2));
  return e->p->ask.weight < 0 ? "gr_exp_below" : "gr_factor_below";
}

/* ---- register tiles of a GPU (emit_cuda_tile.c) ---- */

const char *gr_stream_value(gr_emitter *e, gr_ref r, gr_idx k);
void gr_emit_cuda_slots(gr_emitter *e);
void gr_emit_cuda_contractions(gr_emitter *e);
void gr_emit_cuda_wide(gr_emitter *e);

#endif
