/* binder.h: what the files that bind a syntax tree share: where names are looked up, the
 * arguments of a call, and the rewrites of macros. */
#ifndef GENRED_BINDER_H
#define GENRED_BINDER_H
#include "graph/graph.h"

typedef struct gr_binder {
  gr_ctx *c;
  gr_dag *g;
  gr_args *args;
  const gr_scope *in; /* NULL: the user's text */
  unsigned numbered;  /* of names.c: indices whose numbers the text reads */
} gr_binder;

/* Arguments of a call, sorted by kind. */
typedef struct gr_actuals {
  gr_ref expr[GR_MAX_KIDS];
  int nexpr;
  int integer[2];
  int nint;
  const gr_ast *list[5];
  int nlist;
} gr_actuals;

/* Where errors in a call point: inside a macro's text, to the user's call. */
static inline const gr_span *gr_place_of(const gr_binder *b, const gr_ast *a) {
  return b->in ? &b->in->at : &a->at;
}
static inline int gr_dim_of(const gr_binder *b, gr_ref r) { return b->g->node[r].dim; }

/* ---- aliases.c ---- */

/* Category by the constructor's name: that of engine.h, GR_ANY_VAR for Var, -1 for none of them. */
enum { GR_ANY_VAR = GR_MIJ + 1 };
int gr_constructor(const char *s, int n);
/* The variable that Vi(pos, dim), Var(pos, dim, cat) or, in an alias, Vi(dim) stands for; v has
 * nv integers.  The position. */
int gr_read_variable(gr_ctx *c, gr_args *args, gr_arg *x, int kind, const double *v, int nv,
                     int next);
int gr_check_dim(gr_ctx *c, const gr_span *at, double dim);

/* ---- bind.c: what a call says, also without dimensions ---- */

bool gr_integer_value(const gr_binder *b, const gr_ast *a, int *value);
/* The operation of a call, with as many arguments as it takes; throws. */
gr_op gr_operation_of(gr_binder *b, const gr_ast *a);
/* The k-th argument is what the signature's letter asks for: an expression, an integer or a list;
 * throws. */
void gr_check_kind(const gr_binder *b, const gr_ast *a, gr_op op, int k, char letter);
/* The argument that a name stands for, and the one that Vi(pos, dim) or its kin declares; throw. */
int gr_argument_named(gr_binder *b, const gr_ast *a);
int gr_argument_declared(gr_binder *b, const gr_ast *a, int kind);
int gr_zero_dim(gr_binder *b, const gr_ast *a);
void gr_check_number(gr_binder *b, const gr_ast *a);
/* Binds `text` of our own with the arguments of a call in scope. */
gr_ref gr_bind_in_call(gr_binder *b, const gr_ast *a, const char *text, const gr_actuals *x);
/* Throws: dimensions do not fit. */
GR_NORETURN void gr_bad_call(gr_binder *b, const gr_ast *a, const char *fmt, ...) GR_PRINTF(3, 4);

/* ---- macros.c, tensors.c: calls whose rewriting depends on dimensions ---- */

#define GR_REWRITTEN(OP)                                                                           \
  OP(MatVecMult) OP(VecMatMult) OP(TensorProd) OP(Kron) OP(TensorDot) OP(WeightedSqNorm)           \
  OP(Round) OP(BSpline) OP(ComplexSumT) OP(Trigamma) OP(Grad) OP(Diff) OP(GradMatrix)              \
  OP(Divergence) OP(Laplacian) OP(TraceOperator) OP(AdjointOperator)
typedef gr_ref gr_rewrite(gr_binder *b, const gr_ast *a, const gr_actuals *x);
#define OP(name) gr_rewrite gr_rewrite_##name;
GR_REWRITTEN(OP)
#undef OP

#endif
