/* engine_calls.h: calls of some of the pairs, of many problems, without a reduction, in shares.
 *
 * A part of engine.h, which includes it and whose rules hold for it. */
#ifndef GENRED_ENGINE_CALLS_H
#define GENRED_ENGINE_CALLS_H

/* ---- block-sparse calls: some of the pairs ---- */

/* Block k: the rows rows[k] of the result meet the columns (values of the reduced index) in the
 * intervals columns[ends[k - 1]] ... columns[ends[k] - 1], where ends[-1] stands for 0.  The rows
 * of the blocks ascend without overlaps, and so do the columns of each block; intervals may be
 * empty.  Where both indices are reduced, rows are values of i. */
typedef struct gr_ranges {
  const gr_interval *rows; /* of the blocks */
  const int64_t *ends;     /* likewise; the last is n_columns */
  int64_t n_blocks;
  const gr_interval *columns;
  int64_t n_columns;
} gr_ranges;

/* Checks the arguments, then the ranges against their rows. */
gr_class gr_program_check_ranges(const gr_program *p, const gr_array *args, int n_args,
                                 const gr_ranges *ranges, gr_error *err);
/* gr_program_run with the pairs of some blocks only.  Rows that no block holds get what an empty
 * reduction gives.  ranges: NULL for all pairs. */
gr_class gr_program_run_ranges(gr_program *p, const gr_array *args, int n_args,
                               const gr_ranges *ranges, const gr_output *out, const gr_options *opt,
                               gr_report *report, gr_error *err);

/* ---- batches: many problems of one shape ---- */

/* The elements of a batch.  The arguments of a call describe the arrays of the first; in dimension
 * d of the batch, the array of argument k begins step[k * n + d] doubles further from one element
 * to the next (0: they share it).  Results of the elements follow one another, in the order in
 * which the first dimension varies fastest: each as gr_output has it.  A size of 0 makes an empty
 * batch. */
typedef struct gr_batches {
  int n;               /* dimensions, at most 16 */
  const int64_t *size; /* n of them, not negative */
  const int64_t *step; /* likewise, n for each argument */
} gr_batches;

/* gr_program_run_ranges for every element: all have the same ranges (NULL: all pairs), and indices
 * count within the element.  Unless there is exactly one element, arguments and results lie on the
 * host.  batches: NULL for one problem. */
gr_class gr_program_run_batches(gr_program *p, const gr_array *args, int n_args,
                                const gr_ranges *ranges, const gr_batches *batches,
                                const gr_output *out, const gr_options *opt, gr_report *report,
                                gr_error *err);

/* ---- without a reduction: the values of all pairs ---- */

/* For a program whose reduction is Sum with axis 1: M, N and the dimension of the formula.
 * GR_MEMORY where so many numbers have no room in the address space. */
gr_class gr_program_map_shape(const gr_program *p, const gr_array *args, int n_args, int64_t dim[3],
                              gr_error *err);
/* The values that such a program would sum: component d of the pair (i, j) becomes
 * out[i + M * (j + N * d)].  Pairs outside of the ranges (NULL: there are none) get 0.  Gradients
 * by a variable of pairs are computed so. */
gr_class gr_program_map(gr_program *p, const gr_array *args, int n_args, const gr_ranges *ranges,
                        double *out, const gr_options *opt, gr_report *report, gr_error *err);

/* ---- partial results: a share of the reduced index ---- */

/* A call whose columns (values of the reduced index) are split into shares leaves a block of states
 * for each share: one plain array of doubles that says what it holds and is checked wherever it is
 * read.  It may be saved, or sent to another process on a machine with the same byte order and the
 * same version of genred.  Blocks of disjoint shares are merged, in any grouping, and finished to
 * what one call gives: exactly where the reduction selects (Min, ArgKMin, ...; the lowest index
 * wins a tie), to its accuracy where it adds.  The caller sees to it that no column is in two
 * shares. */

/* Doubles of a block for these arguments. */
gr_class gr_states_size(const gr_program *p, const gr_array *args, int n_args, int64_t *size, gr_error *err);
/* The states of the columns in some intervals, ascending and without overlaps; none is fine.  args
 * are the whole arrays, so that indices count columns of the whole.  A GPU computes them where
 * opt->backend asks for one, or "auto" finds it worth while; they are handed out on the host. */
gr_class gr_program_partial(gr_program *p, const gr_array *args, int n_args, const gr_interval *interval, int64_t n_intervals,
                            double *states, int64_t size, const gr_options *opt, gr_report *report, gr_error *err);
/* The same where args are themselves the share: their columns are offset, offset + 1, ... of a
 * whole whose size need not be known.  Such a block does not merge with those of
 * gr_program_partial.  Where both indices are reduced, args may be any block of pairs, and the
 * offset has no effect; then no formula is taken that reads numbers of rows or columns. */
gr_class gr_program_share(gr_program *p, const gr_array *args, int n_args, int64_t offset,
                          double *states, int64_t size, const gr_options *opt, gr_report *report,
                          gr_error *err);

/* What a block of states says of itself. */
typedef struct gr_states_info {
  int64_t rows; /* of the results */
  double count; /* columns that went into each of them; pairs where both indices are reduced */
} gr_states_info;

/* GR_ARGUMENT where it is no whole, unchanged block of this program. */
gr_class gr_states_describe(const gr_program *p, const double *states, int64_t size,
                            gr_states_info *info, gr_error *err);
/* Block `into` takes in block `from`.  GR_ARGUMENT, and nothing is changed, where one of them is no
 * whole, unchanged block of this program, or they belong to calls of different shapes, or to calls
 * with different parameters or rows (which is not known of arguments that lay on a device). */
gr_class gr_states_merge(const gr_program *p, double *into, int64_t size_into, const double *from, int64_t size_from, gr_error *err);
/* The results of a block, on the host: out[k].buffer must be NULL. */
gr_class gr_states_finish(const gr_program *p, const double *states, int64_t size, const gr_output *out, gr_error *err);

#endif
