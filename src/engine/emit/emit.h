/* emit.h: plans to text: C for processors, CUDA C++ for GPUs.
 *
 * Guarantees  the text is a pure function of the plan. */
#ifndef GENRED_EMIT_H
#define GENRED_EMIT_H
#include "plan/plan.h"

/* ---- kernels for a processor ---- */

char *gr_emit_c(gr_ctx *c, const gr_plan *p, const char *title);

/* Several kernels, of one precision, as one text */
typedef struct gr_member {
  const gr_plan *plan;
  const char *title;
  const char *tail; /* of the names of its file scope: a kernel's function is gr_kernel_TAIL */
} gr_member;
char *gr_emit_joint(gr_ctx *c, const gr_member *m, int n);

/* Rows r0 <= r < r1 over the columns of n intervals, none of them empty: of interval k those with
 * interval[2 k] <= c < interval[2 k + 1].  arg[k] is component 0 of row 0, ld[k] the stride between
 * components; behind the n arguments, arg[n + k] is the origin of argument k, a number for each
 * component (NULL where it has no group).  ld[n] and ld[n + 1] are the numbers that row 0 and
 * column 0 have in the whole, of which the arrays may be a share.  An array of pairs has ld[k]
 * between neighbouring j and ld[n + 2 + k] between components.  state is nstate arrays of
 * ld_state doubles (ld_state a multiple of 16 and at least r1 - r0 rounded up to 16), entry 0
 * belonging to row r0; it is read and written.  scratch: 64-byte aligned, see gr_scratch_bytes.  In
 * a kernel by columns the state of row r, lane l is entry 16 (r - r0) + l.  Each interval has a
 * multiple of 16 columns, each of which goes into some lane; or one interval has fewer than 16:
 * then its column l goes into lane l, and the lanes behind them hold nothing that counts. */
typedef void gr_kernel_fn(const double *const *arg, const int64_t *ld, double *state, int64_t ld_state, int64_t r0,
                          int64_t r1, const int64_t *interval, int64_t n, void *scratch);
size_t gr_scratch_bytes(const gr_plan *p, int64_t rows); /* rows a multiple of 16 */

/* ---- kernels for a GPU ---- */

/* How the kernels of a text are launched; emit_cuda.c says what they take. */
typedef struct gr_cuda_layout {
  int threads;            /* of a block of gr_pairs */
  int lanes;              /* rows of a thread */
  int tx_least, tx_most;  /* threads of a block that lie along rows: powers of 2 */
  size_t shared;          /* bytes of dynamic shared memory of gr_pairs */
  int nparam, nrow, ncol; /* numbers in P; components in R and C (0: no such buffer) */
  int tile;               /* columns staged together: parts are multiples */
} gr_cuda_layout;

gr_cuda_layout gr_cuda_layout_of(const gr_plan *p); /* of a plan by gr_plan_cuda */
char *gr_emit_cuda(gr_ctx *c, const gr_plan *p, const char *title);

#endif
