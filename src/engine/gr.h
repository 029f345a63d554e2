/* gr.h: the engine's private header: shared types and prototypes, grouped by owning file.
 *
 * Memory: everything a program owns lives in its arena and is freed whole.  Compiler stages (lex ... emit) throw with
 * gr_throw to the one protected call in program.c and own nothing but arena memory.  OS code (os, cc, cache, run)
 * returns a gr_class, fills a caller-owned gr_error, and cleans up at one label. */
#ifndef GENRED_GR_H
#define GENRED_GR_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "errs.h"
#include "ops.h"
#include "reds.h"
#include "state.h"

#if defined(__GNUC__)
#define GR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define GR_NORETURN __attribute__((noreturn))
#else
#define GR_PRINTF(f, a)
#define GR_NORETURN
#endif

/* Limits: beyond each, an error. */
enum {
  GR_MAX_SOURCE = 1 << 20, /* characters of a formula */
  GR_MAX_DEPTH = 500,      /* nesting in the text */
  GR_MAX_HEIGHT = 5000,    /* of the syntax tree: terms of one long sum */
  GR_MAX_NODES = 1 << 16,
  GR_MAX_DIM = 1 << 20, /* of one expression */
  GR_MAX_ARGS = 1000,
  GR_MAX_K = 1024,
  GR_MAX_NUMBERS = 1 << 27, /* of a row's state, of a buffer, of the workspace (in vectors): their bytes fit an int */
  GR_MAX_KIDS = 3,
  GR_DEVICES = 8 /* GPUs whose kernels a program remembers; on others they are looked up at each call */
};

/* ---- util.c: arena, string builder, errors ------------------------------------------------------------------- */

typedef struct gr_block gr_block;
typedef struct gr_arena {
  gr_block *head;
  struct gr_ctx *ctx; /* thrown to when memory ends; NULL: allocation returns NULL */
} gr_arena;

void *gr_alloc(gr_arena *a, size_t size); /* zeroed, 16-byte aligned */
char *gr_strndup(gr_arena *a, const char *s, size_t n);
char *gr_format(gr_arena *a, const char *fmt, ...) GR_PRINTF(2, 3);
void gr_arena_free(gr_arena *a);

/* A string that grows; owned by an arena, so a throw loses nothing. */
typedef struct gr_str {
  gr_arena *arena;
  char *s;
  size_t n, cap;
  int indent; /* of gr_line, in steps of two spaces */
} gr_str;

void gr_put(gr_str *b, const char *s);
void gr_putf(gr_str *b, const char *fmt, ...) GR_PRINTF(2, 3);
void gr_line(gr_str *b, const char *fmt, ...) GR_PRINTF(2, 3); /* one indented line; an empty one for "" */
void gr_line_begin(gr_str *b, const char *fmt, va_list ap);    /* the same without its end */

/* A stretch of one of the source texts (formula, formula2, an alias). */
typedef struct gr_span {
  const char *text, *what; /* the whole text; "formula", "formula2", "alias" */
  int start, len;
} gr_span;

typedef enum gr_errid {
#define ERR(name, cls, fmt) ERR_##name,
  GR_ERRORS(ERR)
#undef ERR
      ERR_COUNT
} gr_errid;

/* One compile: where throws go. */
typedef struct gr_ctx {
  jmp_buf *top;
  gr_error *err;
  gr_arena *arena;
} gr_ctx;

GR_NORETURN void gr_throw(gr_ctx *c, const gr_span *at, const char *hint, gr_errid id, ...);
gr_class gr_fail(gr_error *err, gr_errid id, ...); /* fills err, returns its class; for code that does not throw */
gr_class gr_failf(gr_error *err, gr_class cls, const char *fmt, ...) GR_PRINTF(3, 4);
void gr_whole_characters(char *text); /* UTF-8 that was cut by bytes */
const char *gr_span_text(gr_arena *a, const gr_span *at, const char *otherwise);
const char *gr_nearest(gr_arena *a, const char *name, const char *const *known, int n); /* or NULL */

/* Letters of ASCII, whatever the locale: those of ctype.h know more in some and, in Turkish, others. */
static inline bool gr_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool gr_is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool gr_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline char gr_lower_case(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* ---- number.c: numbers as text, whatever the locale ---------------------------------------------------------------- */

enum { GR_NUMBER = 48 }; /* characters of a number, its end included */
double gr_read_number(const char *s, size_t n); /* as strtod reads it where the decimal point is a point: digits, point, exponent */
const char *gr_number_text(double x, int digits, char *text); /* as "%.*g" writes it there */
const char *gr_hex_text(double x, char *text);                /* C's hexadecimal float: exact */

/* ---- hash.c --------------------------------------------------------------------------------------------------- */

typedef struct gr_sha256 {
  uint32_t h[8];
  uint64_t bytes;
  unsigned char block[64];
} gr_sha256;

void gr_sha256_init(gr_sha256 *s);
void gr_sha256_add(gr_sha256 *s, const void *data, size_t n);
void gr_sha256_hex(gr_sha256 *s, char hex[65]); /* finishes */
uint64_t gr_checksum(const void *data, size_t n); /* of a file that may be damaged */

/* ---- lex.c, parse.c -------------------------------------------------------------------------------------------- */

typedef enum gr_tok {
  TOK_END, TOK_NUMBER, TOK_NAME, TOK_LPAREN, TOK_RPAREN, TOK_LBRACKET, TOK_RBRACKET, TOK_COMMA, TOK_COLON, TOK_ASSIGN,
  TOK_PLUS, TOK_MINUS, TOK_STAR, TOK_SLASH, TOK_POW, TOK_BAR, TOK_EQ, TOK_NE, TOK_LT, TOK_LE, TOK_GT, TOK_GE
} gr_tok;

typedef struct gr_token {
  gr_tok kind;
  gr_span span;
  double num; /* TOK_NUMBER */
  bool is_int;
} gr_token;

typedef enum gr_ast_kind { AST_NUMBER, AST_NAME, AST_CALL, AST_LIST } gr_ast_kind;

/* Operators are calls of the operation they mean: `a*b` is Mult(a,b). */
typedef struct gr_ast {
  gr_ast_kind kind;
  gr_span span; /* the whole expression; for a call of an operation, its name is in `name` */
  gr_span at;   /* what an error about this node points to: name or operator */
  const char *name;
  double num;
  bool is_int;
  int height;
  int n;
  struct gr_ast **arg;
} gr_ast;

gr_token *gr_lex(gr_ctx *c, const char *text, const char *what, int *n); /* ends with TOK_END */
gr_ast *gr_parse(gr_ctx *c, const char *text, const char *what);
void gr_print_tokens(gr_str *b, const gr_token *t, int n);
void gr_print_ast(gr_str *b, const gr_ast *a);

/* ---- ops.c: the operation table --------------------------------------------------------------------------------- */

typedef enum gr_op {
#define LEAF(name) OP_##name,
#define EW(name, ...) OP_##name,
#define LOOP(name, ...) OP_##name,
#define MACRO(name, ...) OP_##name,
  GR_OPS_LEAF(LEAF) GR_OPS_EW(EW) GR_OPS_LOOP(LOOP) GR_OPS_MACRO(MACRO)
#undef LEAF
#undef EW
#undef LOOP
#undef MACRO
      OP_COUNT
} gr_op;

typedef enum gr_kind { KIND_LEAF, KIND_EW, KIND_LOOP, KIND_MACRO } gr_kind;
enum { FLAG_VIEW = 1, FLAG_ONCE = 2, FLAG_LINEAR = 4, FLAG_BILINEAR = 8 };

typedef struct gr_dag gr_dag;
typedef struct gr_node gr_node;

typedef struct gr_opinfo {
  const char *name;
  gr_kind kind;
  const char *signature;
  const char *dimension; /* of the result, as text */
  int arity; /* element-wise: number of arguments */
  int cost, flags;
  const char *emitted; /* element-wise: C; macro: text */
  double lo, hi;
  const char *derivative; /* one rule per argument, separated by "; " */
  const char *meaning;
  double (*reference)(double a, double b, double c, int n); /* element-wise */
  int (*dim)(const gr_dag *g, const gr_node *n); /* loop: the dimension; throws where the arguments do not fit */
} gr_opinfo;

extern const gr_opinfo gr_ops[OP_COUNT];
/* By exact name, or by its lower-case spelling; -1: none.  Internal operations are found in our own texts only. */
int gr_op_find(const char *name, bool own_text);
const char *gr_op_signature(gr_op op);
const char *const *gr_op_names(gr_arena *a); /* OP_COUNT of them, "" for those that are internal */
double ref_powi(double a, int n);
double ref_softplus(double a);
double ref_digamma(double a);

/* ---- libm.c: functions of the C library, which has them wrong on Windows ---- */

#if defined(_WIN32)
double ref_sin(double a);
double ref_cos(double a);
double ref_tan(double a);
double ref_round(double a);
double ref_lgamma(double a);
#else
#define ref_sin sin
#define ref_cos cos
#define ref_tan tan
#define ref_round round
#define ref_lgamma lgamma
#endif

/* A TensorDot in normal form: integers nkeep, ncont, then per axis (kept ones in the order of the result, then contracted
 * ones) its size and its strides in the result, in f and in g. */
typedef struct gr_axis {
  int size, out, f, g;
} gr_axis;

static inline const gr_axis *gr_axes(const int *ints) { return (const gr_axis *)(ints + 2); }

/* ---- dag.c: hash-consed nodes ------------------------------------------------------------------------------------ */

typedef int gr_ref; /* index of a node; a kid's is smaller than its parent's */

/* Category sets: on what a node depends. */
enum { CAT_I = 1, CAT_J = 2, CAT_P = 4 };

struct gr_node {
  gr_op op;
  int dim;
  unsigned cats;
  int nkid;
  gr_ref kid[GR_MAX_KIDS];
  int nint;
  const int *ints; /* parameters of the operation; lists are stored as length, elements */
  double num;      /* OP_Const */
  gr_span span;    /* where it was first written; no part of its identity */
};

struct gr_dag {
  gr_ctx *ctx;
  gr_node *node;
  int n, cap;
  int *table, table_size; /* hash table of refs */
  bool f64;               /* the working precision */
};

struct gr_args;
gr_dag *gr_dag_new(gr_ctx *c, bool f64);
static inline double gr_rounded(const gr_dag *g, double x) { return g->f64 ? x : (double)(float)x; } /* to the working precision */
gr_dag *gr_dag_scratch(const gr_dag *g, int more); /* a copy with room for more nodes: what is made there leaves no trace in g */
void gr_dag_cut(gr_dag *g, int n);                 /* back to the first n nodes, in a scratch copy */
gr_ref gr_mk(gr_dag *g, const gr_span *at, gr_op op, const gr_ref *kid, int nkid, const int *ints, int nint);
gr_ref gr_mk_zero(gr_dag *g, const gr_span *at, int dim);
gr_ref gr_mk_const(gr_dag *g, const gr_span *at, double value);
gr_ref gr_mk_var(gr_dag *g, const gr_span *at, int arg, gr_category cat, int dim);
bool gr_is_const(const gr_dag *g, gr_ref r, double value);
/* f with the nodes from[k] replaced by to[k]. */
gr_ref gr_replace(gr_dag *g, gr_ref f, int n, const gr_ref *from, const gr_ref *to);
bool *gr_live(const gr_dag *g, gr_ref root, gr_ref root2, gr_arena *a); /* one flag per node; root2 may be -1 */
void gr_print_node(gr_str *b, const gr_dag *g, gr_ref r, const struct gr_args *args);
void gr_print_dag(gr_str *b, const gr_dag *g, gr_ref root, gr_ref root2, const struct gr_args *args);

/* ---- fold.c: rewrites that keep the value; called by the one constructor gr_mk ------------------------------------ */

gr_ref gr_fold(gr_dag *g, const gr_node *n); /* the node that replaces n, or -1 */

/* ---- lower.c: rewrites of the graph that kernels are planned from ------------------------------------------------------------- */

/* exp(d (c s)) is planned as 2^(k s): nodes `inner`, `outer` (-1: none) and `product` are c, d and k.
 * Right only where k can stand for c and d (gr_guard_holds). */
typedef struct gr_scale {
  gr_ref inner, outer, product;
} gr_scale;

/* What the lowered graph asks of the parameters of a call. */
typedef struct gr_guard {
  gr_scale *scale;
  int n, cap;
  struct gr_plan *plan; /* of these nodes alone: places say which are live */
  void *scratch;        /* of the interpreter */
} gr_guard;

/* f as it is planned, after all derivatives are taken; conditions are added to the guard. */
gr_ref gr_lower(gr_dag *g, gr_ref f, gr_guard *guard);
void gr_guard_prepare(gr_guard *guard, gr_dag *g, const struct gr_args *args); /* once all is lowered */
/* May the lowered graph be used for these arguments?  Reads the parameters only, from the host. */
bool gr_guard_holds(const gr_guard *guard, const gr_array *args);

/* ---- bind.c: aliases and AST to a DAG ------------------------------------------------------------------------------ */

typedef struct gr_arg {
  const char *name;
  bool named;
  gr_category cat;
  int dim;
  bool set; /* the position is taken */
  int group; /* of variables that are read through their differences only (invariance.c), from 0; -1: of none */
  gr_span span;
} gr_arg;

typedef struct gr_args {
  gr_arg *arg;
  int n;
  int groups;
} gr_args;

/* What the one-letter names mean inside a text of the tables: expressions f g h, e (incoming gradient), o (result);
 * integers n m, d c (dimensions of f and g). */
typedef struct gr_scope {
  gr_ref expr[3], e, o;
  int n, m, d, c;
  gr_span at; /* where errors point */
} gr_scope;

gr_ref gr_bind_text(gr_dag *g, const gr_scope *s, const char *text);

void gr_bind_aliases(gr_ctx *c, const char *const *alias, int n, gr_args *args);
gr_ref gr_bind(gr_dag *g, gr_args *args, const gr_ast *ast);
void gr_check_args(gr_ctx *c, const gr_args *args); /* no gap in the positions */

/* A reduction written in the formula: Name_Reduction(f, [K,] tag [, weight]). */
typedef struct gr_written {
  const char *name; /* "Sum", or NULL when the formula is none */
  const gr_ast *formula, *formula2;
  int tag, k;
  gr_span span;
} gr_written;

gr_written gr_read_reduction(gr_ctx *c, const gr_ast *ast);

/* ---- invariance.c: variables that are read through their differences only ------------------------------------------------ */

/* Sets gr_arg.group and gr_args.groups. */
void gr_find_groups(const gr_dag *g, gr_args *args, gr_ref root, gr_ref weight);

/* ---- diff.c: derivatives ------------------------------------------------------------------------------------------------------------- */

/* The gradient of f (a node) by the node v, applied to e: dimension of v.  One reverse sweep. */
gr_ref gr_grad(gr_dag *g, const gr_span *at, gr_ref f, gr_ref v, gr_ref e);
/* The derivative of f by v in the direction u: dimension of f.  One forward sweep. */
gr_ref gr_diff(gr_dag *g, const gr_span *at, gr_ref f, gr_ref v, gr_ref u);
bool gr_is_linear(gr_dag *g, gr_ref f, gr_ref v);

/* ---- reduce.c: the reduction table, on doubles ---------------------------------------------------------------------- */

typedef enum gr_red {
#define RED(name, ...) RED_##name,
  GR_REDUCTIONS(RED)
#undef RED
      RED_COUNT
} gr_red;

typedef enum gr_need { NEED_N, NEED_O, NEED_Y } gr_need;

typedef struct gr_redinfo {
  const char *name;
  gr_family family;
  int direction;
  gr_results results;
  gr_need weight;
  bool needs_k;
  const char *meaning;
} gr_redinfo;

extern const gr_redinfo gr_reds[RED_COUNT];
int gr_red_find(const char *name);
const char *const *gr_red_names(int *n); /* with the synonyms */

/* nstate: at most one more than GR_MAX_NUMBERS, which the caller refuses. */
void gr_reduction_init(gr_reduction *r, gr_red red, int dim, int weight_dim, int k, bool kahan);
void gr_red_init(const gr_reduction *r, double *state, int64_t ld, int64_t rows);
/* One pair: f has r->dim values (stride sf), w the weight's (stride sw). */
void gr_red_step(const gr_reduction *r, double *state, int64_t ld, const double *f, int64_t sf, const double *w,
                 int64_t sw, int64_t col);
void gr_red_merge(const gr_reduction *r, double *into, int64_t ld_into, const double *from, int64_t ld_from);
/* Writes rows m ... m + states of the outputs (rows in all) from the states, into each of which `count` pairs went. */
void gr_red_finish(const gr_reduction *r, const double *state, int64_t ld, int64_t states, const gr_output *out, int64_t m,
                   int64_t rows, double count);

/* ---- plan.c: what is computed when ------------------------------------------------------------------------------------ */

/* "row" is the index that is kept, "col" the one that is reduced. */
typedef enum gr_level { LEVEL_PARAM, LEVEL_ROW, LEVEL_COL, LEVEL_PAIR, LEVEL_COUNT } gr_level;

typedef enum gr_scheme { SUM_BLOCK, SUM_DIRECT, SUM_KAHAN } gr_scheme;

/* What the plan says of one node.  A node of a lower level that a deeper one needs is kept in its level's buffer. */
typedef struct gr_place {
  bool live;
  gr_level level;
  bool inlined;  /* no storage of its own: constants, views, what is cheap or used once; expanded where it is used */
  bool contract; /* a Sum over coordinates of lower levels' values: computed for a whole tile of columns by a loop of its own */
  bool saved;    /* a pair-level scalar that the loop over wide sums reads: kept for each column of the tile */
  int uses;      /* by nodes of its own level */
  bool read;     /* by a deeper level */
  bool staged;   /* columns: lies in the buffer of staged columns */
  bool direct;   /* by columns: staged by the first row, which reads it from the argument itself */
  int buffer;    /* offset in its level's buffer (columns: the staged one), or -1 */
  int packed;    /* wide columns that are read along their components: offset in the packed buffer, or -1 */
  int work;      /* offset in the workspace, in vectors, or -1: on the stack */
  int slot;      /* contract, saved: offset in the workspace of its values for a tile of columns */
} gr_place;

typedef struct gr_plan {
  /* what is asked for */
  const gr_dag *dag;
  const struct gr_args *args;
  gr_ref root, weight; /* weight: -1 */
  gr_reduction red;
  int axis;   /* 0: i is reduced, 1: j */
  bool both;  /* the rows' results are then reduced too */
  bool f64;   /* working precision */
  bool acc64; /* the inner sums are double */
  gr_scheme scheme;
  /* what was decided */
  gr_place *place; /* one per node */
  int nparam, nrow, nstage, ncol; /* components of the buffers; columns are staged, then packed */
  int least;  /* dimension from which sums over coordinates and wide sums are loops of their own */
  int nwork;  /* vectors of workspace */
  int red_work; /* where the accumulators lie in it, or -1: on the stack */
  int kept;   /* where what the reduction keeps for each column of a tile lies in it */
  int tile;   /* columns staged and packed together: a multiple of 16 */
  int rows_at_once, cols_at_once; /* the register tile of contractions and wide sums: vectors of rows, columns; 1 x 1 without these */
  bool by_columns; /* lanes run over columns, for few rows; each lane then has a state of its own */
  bool late;  /* components of a wide sum, or the weights of exponentials, are computed by a loop of their own after the tile */
  bool cuda;     /* for a GPU: a lane is a row of a thread; the fields below */
  int lanes;     /* rows of a thread */
  int record;    /* numbers from one staged column to the next; 0: columns are read from memory, prepared */
  bool tiled;    /* contractions or wide sums are computed by all threads of a block together, 8 rows and some columns each */
  int slots;     /* arrays of a tile in shared memory, one number for each row and column */
  int pass, passes; /* components of a wide sum that are taken at a time: 8 or 4 of a thread */
  int streams;   /* of these arrays of `pass` components of a tile's columns, staged in shared memory */
  bool reread;   /* ExpSum: the weights can be computed again after the exponentials */
  double cost; /* of a pair, in multiplications */
  bool calls;    /* functions such as Exp are so many that they are called, not inlined */
  bool lengthy;  /* so many operations that some passes of a compiler would take most of the time */
} gr_plan;

enum { GR_UNROLL = 8, GR_LANES_MAX = 16, GR_ON_STACK = 64, GR_SPAN = 8, GR_PAD = 16 };
/* Vector dimensions up to GR_UNROLL are written out; above, they are loops.  Arrays up to GR_ON_STACK vectors are
 * local variables; above, they lie in the workspace.  GR_PAD numbers between arrays whose size is a power of 2: else they
 * compete for the same lines of the cache. */

gr_plan *gr_plan_new(gr_ctx *c, const gr_plan *draft);
gr_plan *gr_plan_by_columns(gr_ctx *c, const gr_plan *p); /* the same for few rows */
gr_plan *gr_plan_cuda(gr_ctx *c, const gr_plan *p);       /* plan_cuda.c: the same for a GPU */
void gr_check_sizes(gr_ctx *c, const gr_plan *p); /* throws where a buffer or the workspace passes GR_MAX_NUMBERS */
gr_ref gr_behind_views(const gr_plan *p, gr_ref r);  /* the node whose components a view shows */
bool gr_is_function(gr_op op); /* element-wise, and a dozen instructions or more */
bool gr_leaves_fit(const gr_plan *p, gr_ref r, bool scalars_too);
void gr_place_buffers(gr_plan *p);
int gr_storage(const gr_dag *g, gr_ref r); /* vectors that a stored node needs */
int gr_accumulators(const gr_plan *p);      /* vectors that the reduction needs, but for those of a tile */
bool gr_selects(const gr_plan *p); /* the reduction keeps indices: a span of columns is compared with what is kept at once */
void gr_print_plan(gr_str *b, const gr_plan *p);

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
int gr_top_vectors(const gr_plan *p);                      /* workspace of a Top reduction */
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

char *gr_emit_c(gr_ctx *c, const gr_plan *p, const char *title);

/* emit_joint.c: several kernels, of one precision, as one text */
typedef struct gr_member {
  const gr_plan *plan;
  const char *title;
  const char *tail; /* of the names of its file scope: a kernel's function is gr_kernel_TAIL */
} gr_member;
char *gr_emit_joint(gr_ctx *c, const gr_member *m, int n);

/* Rows r0 <= r < r1 over columns c0 <= c < c1.  arg[k] is component 0 of row 0, ld[k] the stride between components;
 * behind the n arguments, arg[n + k] is the origin of argument k, a number for each component (NULL where it has no group).
 * state is nstate arrays of ld_state doubles (ld_state a multiple of 16 and at least r1 - r0 rounded up to 16), entry 0 belonging to
 * row r0; it is read and written.  scratch: 64-byte aligned, see gr_scratch_bytes.
 * In a kernel by columns the state of row r, lane l is entry 16 (r - r0) + l.  It takes a multiple of
 * 16 columns, each of which goes into some lane, or fewer than 16: then column c0 + l goes into lane l,
 * and the lanes from c1 - c0 on hold nothing that counts. */
typedef void gr_kernel_fn(const double *const *arg, const int64_t *ld, double *state, int64_t ld_state, int64_t r0,
                          int64_t r1, int64_t c0, int64_t c1, void *scratch);
size_t gr_scratch_bytes(const gr_plan *p, int64_t rows); /* rows a multiple of 16 */

/* ---- emit_cuda.c, emit_cuda_red.c: plan to CUDA C++ --------------------------------------------------------------------- */

/* What stands in front of every such text: state.h, prelude_cuda.h. */
extern const char *const gr_prelude_cuda[]; /* NULL-terminated */

/* How the kernels of a text are launched; emit_cuda.c says what they take. */
typedef struct gr_cuda_layout {
  int threads;            /* of a block of gr_pairs */
  int lanes;              /* rows of a thread */
  int tx_least, tx_most;  /* threads of a block that lie along rows: powers of 2 */
  size_t shared;          /* bytes of dynamic shared memory of gr_pairs */
  int nparam, nrow, ncol; /* numbers in P; components in R and C (0: no such buffer) */
  int tile;               /* columns staged together: parts are multiples */
} gr_cuda_layout;

/* Threads of a block; numbers between the components of neighbouring columns in a pass. */
enum { GR_CUDA_THREADS = 128, GR_CUDA_PAD = 4 };
size_t gr_cuda_shared(const gr_plan *p); /* plan_cuda.c: bytes of shared memory */

gr_cuda_layout gr_cuda_layout_of(const gr_plan *p); /* of a plan by gr_plan_cuda */
char *gr_emit_cuda(gr_ctx *c, const gr_plan *p, const char *title);
extern const gr_red_emitter gr_emit_cuda_extremum, gr_emit_cuda_top, gr_emit_cuda_expsum; /* emit_cuda_red.c */
extern const gr_red_emitter gr_emit_cuda_late_total, gr_emit_cuda_late_expsum;
/* emit_cuda_tile.c */
const char *gr_stream_value(gr_emitter *e, gr_ref r, gr_idx k);
void gr_emit_cuda_slots(gr_emitter *e);
void gr_emit_cuda_contractions(gr_emitter *e);
void gr_emit_cuda_wide(gr_emitter *e);

/* ---- interp.c, interp_loops.c: the definition of the language ------------------------------------------------------ */

/* Adds columns c0 .. c1 to the states of rows r0 .. r1 (entry 0 of the state is row r0). scratch: gr_interp_bytes. */
void gr_interp(const gr_plan *p, const gr_array *args, double *state, int64_t ld, int64_t r0, int64_t r1, int64_t c0,
               int64_t c1, void *scratch);
size_t gr_interp_bytes(const gr_plan *p);

/* The values of a node for a strip of pairs: component k in lane l is v[k * comp + l * lane]. */
typedef struct gr_vals {
  double *v;
  int64_t comp, lane;
} gr_vals;

static inline double gr_at(const gr_vals *x, int64_t k, int64_t l) { return x->v[k * x->comp + l * x->lane]; }

/* Evaluates what depends on parameters alone; scratch: gr_interp_bytes. */
const gr_vals *gr_interp_parameters(const gr_plan *p, const gr_array *args, void *scratch); /* by node */

/* Fills out (or lets it point into x[0], for a view) for `lanes` lanes. x[k] belongs to the k-th argument. */
void gr_eval_loop_op(const gr_dag *g, gr_ref r, gr_vals *out, const gr_vals *x, int lanes);

/* ---- os.c: every #ifdef of an operating system ------------------------------------------------------------------------------ */

double gr_now(void); /* seconds, monotonic */
void gr_sleep(double seconds);
void *gr_aligned_alloc(size_t size); /* 64-byte aligned, or NULL */
void gr_aligned_free(void *p);
const char *gr_cpu_features(void); /* names that decide what -march=native means, for the cache key */
gr_class gr_dlopen(const char *path, void **handle, gr_error *err);
void *gr_dlsym(void *handle, const char *name);
void gr_dlclose(void *handle);
/* Runs argv[0] with argv (no shell), standard output and error into `log_path`; *status is the exit
 * code, or -1 where this process ignores SIGCHLD and nobody can know it.  A program that runs
 * longer than a minute is ended, with all that it started; so is one that runs when
 * watch->interrupted says stop (GR_INTERRUPT).  watch may be NULL.  The program's TMPDIR is the
 * log's folder. */
gr_class gr_spawn(const char *const *argv, const char *log_path, const gr_options *watch, int *status, gr_error *err);
gr_class gr_spawn_for(const char *const *argv, const char *log_path, double seconds, const gr_options *watch, int *status, gr_error *err);
bool gr_find_program(const char *name, char *path, size_t size); /* on PATH, or itself if it has a slash */
bool gr_real_path(const char *path, char *real, size_t size);
const char *gr_os_name(void); /* "windows", "macos", "posix": what compiler flags depend on */
bool gr_may_map(const char *path); /* a file deleted there while it is mapped stays readable: a local disk, not NFS */
bool gr_is_safe_path(const char *dir); /* no other user can put another folder in its place */
void gr_at_fork(void (*before)(void), void (*after)(void)); /* after: in both processes */
gr_class gr_make_private_dir(const char *dir, gr_error *err);    /* 0700, parents too; refused if others may write there */
gr_class gr_temp_dir(const char *parent, char *path, size_t size, gr_error *err); /* a fresh folder, 0700 */
void gr_remove_dir(const char *path);                                             /* with the files in it */
gr_class gr_read_file(const char *path, char **data, size_t *n, gr_error *err);   /* malloc'ed, NUL after the end */
/* The same of a file that is ours and that no other user can write to. */
gr_class gr_read_own_file(const char *path, char **data, size_t *n, gr_error *err);
/* A new file, mode 0600: all of it, or an error (no fsync). */
gr_class gr_write_file(const char *path, const void *data, size_t n, gr_error *err);
gr_class gr_rename(const char *from, const char *to, gr_error *err);

/* ---- cc.c: find and run the compiler ------------------------------------------------------------------------------------------- */

typedef struct gr_compiler {
  char **argv; /* command words, malloc'ed; argv[0] is a path */
  int n;
  char identity[512]; /* path, size and time of change of the program: for the cache key */
  bool plain;         /* it refuses the flag for this machine's own instructions, so that it is run without */
} gr_compiler;

gr_class gr_compiler_find(const char *cc, gr_compiler *out, gr_error *err); /* cc as gr_options.cc */
void gr_compiler_free(gr_compiler *c);
const char *const *gr_compile_flags(const gr_compiler *cc, int *n); /* ours */
const char *gr_native_flag(void);                                    /* the one that is left out where cc->plain */
/* Compiles `text` (C) to the shared object `so_path`; scratch files go to `dir`.  Where it fails
 * and the compiler turns out to refuse the flag for this machine's own instructions, cc->plain is
 * set: then it is worth another try, under another key. */
gr_class gr_compile_c(gr_compiler *cc, const gr_options *opt, const char *text, const char *dir, const char *so_path, gr_error *err);

/* ---- loaded.c: kernels in memory --------------------------------------------------------------------------------- */

/* A kernel that somebody holds: it stays loaded until gr_kernel_drop. */
typedef struct gr_object gr_object;
typedef struct gr_kernel {
  gr_kernel_fn *fn; /* NULL: none */
  gr_object *object;
} gr_kernel;

enum { GR_KEY = 64, GR_TAIL = 16 }; /* digits of a kernel's key; those that its function's name has in a joint text */
enum { GR_IDLE_OBJECTS = 256 };     /* shared objects that stay loaded though nobody holds them */

/* A kernel that will be needed. */
typedef struct gr_wanted {
  gr_program *program;
  bool few;              /* of the program's two that are lowered */
  const char *text;      /* alone */
  char key[GR_KEY + 1];  /* made by gr_kernel_known */
  gr_kernel kernel;      /* none until it is found; then held */
} gr_wanted;

bool gr_loaded_find(const char *key, gr_kernel *k); /* and holds it */
/* Takes over the handle of an object with these kernels, whose fn are set; each is held.  Where it
 * fails the handle stays the caller's. */
gr_class gr_loaded_add(void *handle, gr_wanted *const *w, int n, gr_error *err);
void gr_kernel_drop(gr_kernel *k); /* none is fine */
/* What was found out and holds for this process: a key each. */
int gr_facts(void); /* how many */
bool gr_fact_known(const char *key);
void gr_fact_keep(const char *key);
/* The program's kernel, found with these settings. */
bool gr_program_has(const gr_program *p, int plan, const gr_options *opt);
void gr_program_keep(gr_program *p, int plan, const gr_options *opt, gr_kernel *k); /* takes it over; lets go of the one before */

/* ---- cache.c: compiled kernels on disk --------------------------------------------------------------------------- */

/* Files KEY.so (kernels) and KEY.cubin (a GPU's).  The folder is made where need be; false: it
 * cannot be used, the report says why. */
bool gr_cache_open(const gr_options *opt, gr_report *report);
char *gr_cache_read(const char *dir, const char *key, const char *tail, size_t *n); /* checked, malloc'ed; NULL: not there */
void gr_cache_write(const char *dir, const char *key, const char *tail, const char *data, size_t n, gr_report *report);

/* Is it in memory or in opt->cache_dir?  Then w->kernel is set. */
bool gr_kernel_known(gr_compiler *cc, const gr_options *opt, gr_wanted *w, gr_report *report);
/* Compiles the joint text of n kernels; each is kept, in memory and in opt->cache_dir, as if it had been compiled alone. */
gr_class gr_kernels_compile(gr_compiler *cc, const char *text, gr_wanted *const *w, int n, const gr_options *opt, gr_report *report,
                            gr_error *err);
/* The kernel of this text: from the table of loaded kernels, else from opt->cache_dir, else compiled (and stored there). */
gr_class gr_kernel_get(const char *text, const gr_options *opt, gr_kernel *kernel, gr_report *report, gr_error *err);

/* ---- device.c: the seam to a GPU backend -------------------------------------------------------------------------------------------------- */

/* One call of a program, its arguments checked. */
typedef struct gr_run {
  gr_program *p;
  const gr_array *args;
  int n_args;
  int64_t rows, cols;
  const gr_output *out;
  const gr_options *opt;
  gr_report *report;
} gr_run;

static inline bool gr_is_gpu(gr_backend b) { return b >= GR_GPU; }

gr_class gr_device_check(const gr_options *opt, gr_error *err); /* there is a device, and those asked for exist */
gr_class gr_device_choose(const gr_run *r, bool *device, gr_error *err);
bool gr_device_expected(const gr_call *call, const gr_options *opt); /* goes to a GPU, or fails for want of one; all numbers on the host */
gr_class gr_device_run(const gr_run *r, gr_error *err);
bool gr_device_forgive(const gr_run *r, gr_error *err); /* "auto" goes on without the GPU; the report says why */
/* The arguments with those that lie on a device copied to the host: one block to free, or NULL where none does. */
gr_class gr_arrays_home(const gr_run *r, gr_array **home, gr_error *err);
void gr_note(gr_report *report, gr_error *err); /* the error becomes the report's note, and is cleared */

/* ---- origin.c: common origins of groups of variables ------------------------------------------------------------------------ */

/* The arguments with their origins, one block to free; NULL where the program has no groups. */
gr_class gr_origins(const gr_program *p, const gr_array *args, gr_array **with, gr_error *err);
bool gr_origins_note(const gr_program *p, const gr_array *with, char *note, size_t size); /* data that have none and would need one, in words */

/* ---- validate.c: what callers hand over ---------------------------------------------------------------------------------------------- */

gr_class gr_validate_spec(const gr_spec *s, gr_error *err);
gr_class gr_validate_arrays(const gr_program *p, const gr_array *args, int n, gr_error *err);
gr_class gr_validate_outputs(const gr_program *p, const gr_output *out, int64_t rows, gr_error *err);
gr_class gr_validate_options(const gr_options *o, gr_error *err);

/* ---- program.c, run.c ---------------------------------------------------------------------------------------------------------------- */

/* The plans of a program, as two bits: lanes run over columns; the graph is as written, not lowered. */
enum { PLAN_FEW = 1, PLAN_WRITTEN = 2, PLANS = 4 };

struct gr_program {
  gr_arena arena;
  gr_ctx ctx;
  gr_spec spec; /* strings copied */
  gr_args args;
  gr_ast *ast, *ast2; /* ast2: NULL without a weight */
  gr_dag *dag;
  gr_plan draft[2];       /* what is asked for: lowered, as written */
  gr_plan *plan;          /* that of most calls: plans[0] */
  gr_plan *plans[PLANS];  /* made at their first need; PLAN_WRITTEN: also the interpreter's; the same as the others where nothing is lowered */
  gr_guard guard;         /* which of them a call may use */
  gr_plan *cuda[2];       /* lowered, as written; made at the first need */
  const char *cuda_text[2];
  const char *note;
  bool seen;              /* it has run, and its data were looked at for a note */
  gr_kernel_fn *kernel[PLANS]; /* found at the first need (gr_program_has) */
  struct {
    gr_object *object;
    char *settings; /* with which it was found */
  } held[PLANS];
  struct {
    uint64_t life; /* of the device's context: what it loaded is gone when it ends */
    void *kernels;
  } loaded[2][2][GR_DEVICES]; /* lowered, as written; without and with fast math; the device backend's */
};

gr_class gr_program_plan(gr_program *p, int plan, gr_error *err); /* p->plans[plan] is there */
/* The text of the kernel of one of the plans; lives as long as the program. */
gr_class gr_program_text(gr_program *p, int plan, const char **text, gr_error *err);
/* The text of the kernels for a GPU, and how they are launched; lives as long as the program. */
gr_class gr_program_cuda(gr_program *p, bool written, const char **text, gr_cuda_layout *layout, gr_error *err);
/* The joint text of kernels whose keys are known, of programs of one precision; malloc'ed. */
gr_class gr_programs_text(gr_wanted *const *wanted, int n, char **text, gr_error *err);
/* Would a call that goes to no GPU use a kernel, that of this plan?  rows: of the kept index. */
bool gr_wants_kernel(const gr_program *p, int64_t rows, int64_t cols, const gr_options *opt, int plan);
int gr_plan_of(const gr_program *p, int64_t rows, int64_t cols); /* 0 or PLAN_FEW, by the shape */

#endif
