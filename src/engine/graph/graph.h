/* graph.h: what a formula means: operations, the graph, how it is made from the syntax tree,
 * derivatives. */
#ifndef GENRED_GRAPH_H
#define GENRED_GRAPH_H
#include "text/text.h"
#include "reduce/reduce.h"
#include "graph/ops.h"

/* Limits; beyond each there is an error. */
enum {
  GR_MAX_NODES = 1 << 16,
  GR_MAX_DIM = 1 << 20, /* of one expression */
  GR_MAX_ARGS = 1000,
  GR_MAX_KIDS = 3
};

/* ---- ops.c: the operation table ---- */

typedef enum gr_op {
#define LEAF(name) OP_##name,
#define INDEX(name, ...) OP_##name,
#define EW(name, ...) OP_##name,
#define LOOP(name, ...) OP_##name,
#define MACRO(name, ...) OP_##name,
  GR_OPS_LEAF(LEAF) GR_OPS_INDEX(INDEX) GR_OPS_EW(EW) GR_OPS_LOOP(LOOP) GR_OPS_MACRO(MACRO)
#undef LEAF
#undef INDEX
#undef EW
#undef LOOP
#undef MACRO
      OP_COUNT
} gr_op;

typedef enum gr_kind { KIND_LEAF, KIND_INDEX, KIND_EW, KIND_LOOP, KIND_MACRO } gr_kind;
enum { FLAG_ONCE = 1, FLAG_SUM = 2 };
enum { GR_OWN = -1 }; /* the stride of what is no view */

/* Category sets: what a node depends on. */
enum { CAT_I = 1, CAT_J = 2, CAT_P = 4 };

typedef struct gr_dag gr_dag;
typedef struct gr_node gr_node;
typedef int gr_ref; /* index of a node; a kid's is smaller than its parent's */

/* A row of ops.h, which says what the fields mean. */
typedef struct gr_opinfo {
  const char *name;
  gr_kind kind;
  const char *signature;
  const char *dimension; /* of the result, as text */
  int arity;             /* element-wise: number of arguments */
  int cost;              /* element-wise, index: of a component */
  unsigned cats;         /* index: the indices that it depends on */
  const char *law;
  int flags, stride;
  const char *emitted; /* element-wise, index: C; macro: text */
  double lo, hi;
  const char *derivative; /* one rule per argument, separated by "; " */
  const char *meaning;
  double (*reference)(double a, double b, double c, int n); /* element-wise */
  double (*at)(int64_t i, int64_t j, double seed, bool f64); /* index */
  /* Loops: the dimension (throws where the arguments do not fit), then the columns of ops.h. */
  int (*dim)(const gr_dag *g, const gr_node *n);
  int (*offset)(int n);
  double (*loop_cost)(double o, double d, double c, double terms);
  int (*loop_storage)(int o, int d, int c);
} gr_opinfo;

extern const gr_opinfo gr_ops[OP_COUNT];
/* By exact name, or by its lower-case spelling; -1: none.  Internal operations are found in our
 * own texts only. */
int gr_op_find(const char *name, bool own_text);
const char *gr_op_signature(gr_op op);
const char *const *gr_op_names(gr_arena *a); /* OP_COUNT of them, "" for those that are internal */

/* A view renames components of another node: its component k is component stride * k + offset of
 * `kid`. */
typedef struct gr_view {
  gr_ref kid;
  int stride, offset;
} gr_view;

gr_view gr_view_of(const gr_node *n);              /* of a view (gr_is_view) */
char gr_law(const gr_node *n, int k);              /* of its k-th argument: a letter of ops.h */
bool gr_negates(const gr_node *n);                 /* it is its argument with the other sign */
double gr_cost(const gr_dag *g, const gr_node *n); /* of computing it, in multiplications */
int gr_storage(const gr_dag *g, gr_ref r);         /* vectors that hold it while it is computed */

/* A random number in (0, 1) that is a function of i, j and the integer nearest to the seed, all
 * three modulo 2^32.  A seed counts as 0 where its magnitude is 2^53 or more, or it is NaN. */
double ref_rand(int64_t i, int64_t j, double seed, bool f64);
double ref_powi(double a, int n);
double ref_softplus(double a);
double ref_digamma(double a);

/* A TensorDot in normal form: integers nkeep, ncont, then per axis (kept ones in the order of
 * the result, then contracted ones) its size and its strides in the result, in f and in g. */
typedef struct gr_axis {
  int size, out, f, g;
} gr_axis;

static inline const gr_axis *gr_axes(const int *ints) { return (const gr_axis *)(ints + 2); }

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

/* ---- dag.c: hash-consed nodes ---- */

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

static inline bool gr_is_view(const gr_node *n) { return gr_ops[n->op].stride != GR_OWN; }
static inline bool gr_is_var(const gr_node *n) { return n->op == OP_Var; }
static inline bool gr_is_of_pairs(const gr_node *n) {
  return (n->cats & CAT_I) && (n->cats & CAT_J);
}
/* A variable of pairs, a Mij, which kernels read from the argument itself, where a pair is
 * computed. */
static inline bool gr_is_pair_var(const gr_node *n) { return gr_is_var(n) && gr_is_of_pairs(n); }
static inline bool gr_is_index(const gr_node *n) { return gr_ops[n->op].kind == KIND_INDEX; }
static inline bool gr_is_number(const gr_node *n) {
  return gr_ops[n->op].kind == KIND_LEAF && !gr_is_var(n);
}

struct gr_dag {
  gr_ctx *ctx;
  gr_node *node;
  int n, cap;
  int *table, table_size; /* hash table of refs */
  bool f64;               /* the working precision */
};

struct gr_args;
gr_dag *gr_dag_new(gr_ctx *c, bool f64);
/* To the working precision. */
static inline double gr_rounded(const gr_dag *g, double x) { return g->f64 ? x : (double)(float)x; }
/* A copy with room for more nodes: what is made there leaves no trace in g. */
gr_dag *gr_dag_scratch(const gr_dag *g, int more);
void gr_dag_cut(gr_dag *g, int n); /* back to the first n nodes, in a scratch copy */
gr_ref gr_mk(gr_dag *g, const gr_span *at, gr_op op, const gr_ref *kid, int nkid, const int *ints,
             int nint);
gr_ref gr_mk_zero(gr_dag *g, const gr_span *at, int dim);
gr_ref gr_mk_const(gr_dag *g, const gr_span *at, double value);
gr_ref gr_mk_var(gr_dag *g, const gr_span *at, int arg, gr_category cat, int dim);
bool gr_is_const(const gr_dag *g, gr_ref r, double value);
/* f with the nodes from[k] replaced by to[k]. */
gr_ref gr_replace(gr_dag *g, gr_ref f, int n, const gr_ref *from, const gr_ref *to);
/* One flag per node; root2 may be -1. */
bool *gr_live(const gr_dag *g, gr_ref root, gr_ref root2, gr_arena *a);
void gr_print_node(gr_str *b, const gr_dag *g, gr_ref r, const struct gr_args *args);
void gr_print_dag(gr_str *b, const gr_dag *g, gr_ref root, gr_ref root2,
                  const struct gr_args *args);

/* ---- fold.c: rewrites that keep the value; called by the one constructor gr_mk ---- */

gr_ref gr_fold(gr_dag *g, const gr_node *n); /* the node that replaces n, or -1 */

/* ---- aliases.c: the arguments of a program ---- */

typedef struct gr_arg {
  const char *name;
  bool named;
  gr_category cat;
  int dim;   /* 0 where it is open */
  bool open; /* declared without a dimension, "x = Vi" */
  bool set;  /* the position is taken */
  int group; /* from 0: of variables that are read through differences (invariance.c); -1: none */
  gr_span span;
} gr_arg;

typedef struct gr_args {
  gr_arg *arg;
  int n;
  int groups;
} gr_args;

const char *gr_category_word(gr_category cat); /* Vi, Vj, Pm, Mij */
void gr_bind_aliases(gr_ctx *c, const char *const *alias, int n, gr_args *args);
void gr_check_args(gr_ctx *c, const gr_args *args); /* no gap in the positions */
void gr_check_closed(gr_ctx *c, const gr_args *args); /* every argument has a dimension */

/* ---- bind.c, macros.c, tensors.c: syntax tree to graph ---- */

/* What the one-letter names mean inside a text of the tables: expressions f g h, e (incoming
 * gradient), o (result); integers n m, d c (dimensions of f and g). */
typedef struct gr_scope {
  gr_ref expr[3], e, o;
  int n, m, d, c;
  gr_span at; /* where errors point */
} gr_scope;

gr_ref gr_bind_text(gr_dag *g, const gr_scope *s, const char *text);
gr_ref gr_bind(gr_dag *g, gr_args *args, const gr_ast *ast);

/* ---- names.c: what a formula says without dimensions ---- */

/* Throws where gr_bind would, whatever the dimensions of open arguments were; adds the variables
 * that the formula declares.  Returns the indices whose numbers it reads: of CAT_I and CAT_J. */
unsigned gr_check_names(gr_dag *g, gr_args *args, const gr_ast *ast);

/* A reduction written in the formula: Name_Reduction(f, [K,] tag [, weight]). */
typedef struct gr_written {
  const char *name; /* "Sum", or NULL when the formula is none */
  const gr_ast *formula, *formula2;
  int tag, k;
  gr_span span;
} gr_written;

gr_written gr_read_reduction(gr_ctx *c, const gr_ast *ast);

/* ---- invariance.c: variables that are read through their differences only ---- */

/* Sets gr_arg.group and gr_args.groups. */
void gr_find_groups(const gr_dag *g, gr_args *args, gr_ref root, gr_ref weight);

/* ---- diff.c: derivatives ---- */

/* The gradient of f (a node) by the node v, applied to e: dimension of v.  One reverse sweep. */
gr_ref gr_grad(gr_dag *g, const gr_span *at, gr_ref f, gr_ref v, gr_ref e);
/* The derivative of f by v in the direction u: dimension of f.  One forward sweep. */
gr_ref gr_diff(gr_dag *g, const gr_span *at, gr_ref f, gr_ref v, gr_ref u);
bool gr_is_linear(gr_dag *g, gr_ref f, gr_ref v);

#endif
