/* validate.c: checks of what callers pass, before it is used: pointers, counts, sizes,
 * enumerations.
 *
 * The caller remains responsible for what cannot be checked: that a pointer refers to as many
 * numbers as rows, columns and stride say, and that a string is terminated. */
#include <string.h>

#include "run/run.h"

static gr_class missing(gr_error *err, const char *what) { return gr_fail(err, ERR_Null, what); }

gr_class gr_validate_spec(const gr_spec *s, gr_error *err) {
  err->cls = GR_OK;
  if (!s) return missing(err, "the specification");
  if (!s->formula) return missing(err, "the formula");
  if (s->n_aliases < 0 || s->n_aliases > GR_MAX_ARGS) return gr_fail(err, ERR_Aliases, GR_MAX_ARGS, s->n_aliases);
  if (s->n_aliases && !s->aliases) return missing(err, "the list of aliases");
  for (int k = 0; k < s->n_aliases; k++)
    if (!s->aliases[k]) return missing(err, "an alias");
  return GR_OK;
}

/* Columns, which are `stride` numbers apart, must neither overlap nor exceed the address space. */
static bool stride_fits(const gr_array *x) {
  const int64_t most = PTRDIFF_MAX / (int64_t)sizeof(double);
  if (x->cols <= 1 || x->rows == 0) return x->rows <= most;
  return x->stride >= x->rows && x->stride <= most / x->cols;
}

/* The shape must be that of the matrix on the device, or one row with all its numbers for a
 * parameter. */
static gr_class validate_buffer(const gr_arg *a, const gr_array *x, gr_error *err) {
  const gr_buffer *b = x->buffer;
  bool same = x->rows == b->rows && x->cols == b->cols, vector = a->cat == GR_PM && x->rows == 1;
  bool all = b->rows > 0 && x->cols % b->rows == 0 && x->cols / b->rows == b->cols;
  if (same || (vector && all)) return GR_OK;
  return gr_fail(err, ERR_ArgBuffer, a->name, (long long)x->rows, (long long)x->cols, (long long)b->rows,
                 (long long)b->cols);
}

static gr_class validate_array(const gr_arg *a, const gr_array *x, gr_error *err) {
  long long rows = (long long)x->rows, cols = (long long)x->cols;
  if (rows < 0 || cols < 0) return gr_fail(err, ERR_ArgNegative, a->name, rows, cols);
  if (x->buffer) return validate_buffer(a, x, err);
  if (!stride_fits(x)) return gr_fail(err, ERR_ArgStride, a->name, (long long)x->stride, rows, cols);
  return x->data || x->rows == 0 || x->cols == 0 ? GR_OK : gr_fail(err, ERR_ArgNull, a->name);
}

gr_class gr_validate_arrays(const gr_program *p, const gr_array *args, int n, gr_error *err) {
  err->cls = GR_OK;
  if (!p) return missing(err, "the program");
  if (n > 0 && !args) return missing(err, "the list of arguments");
  for (int k = 0; k < n && k < p->args.n; k++)
    if (validate_array(&p->args.arg[k], &args[k], err) != GR_OK) return err->cls;
  return GR_OK;
}

gr_class gr_validate_outputs(const gr_program *p, const gr_output *out, int64_t rows, gr_error *err) {
  if (!out) return missing(err, "the list of results");
  gr_result_info info = gr_program_result(p);
  for (int k = 0; k < info.n; k++) {
    if (out[k].buffer) continue;
    if (!out[k].data && rows > 0) return missing(err, "the memory of a result");
    bool known = out[k].type == GR_F64 || out[k].type == GR_R_INT || out[k].type == GR_I64;
    if (!known || (!info.is_index[k] && out[k].type != GR_F64))
      return gr_fail(err, ERR_OutputType, k + 1, info.is_index[k] ? "doubles or integers" : "doubles", (int)out[k].type);
  }
  return GR_OK;
}

gr_class gr_validate_options(const gr_options *o, gr_error *err) {
  if (!o) return missing(err, "the options");
  if ((int)o->backend < GR_AUTO || (int)o->backend > GR_GPU_2D) return gr_fail(err, ERR_Backend, (int)o->backend);
  if (o->n_devices < 0 || (o->n_devices > 0 && !o->device_ids)) return missing(err, "the list of GPUs");
  if (o->threads < 0) return gr_fail(err, ERR_Threads, o->threads);
  return o->tmp_dir ? GR_OK : missing(err, "the folder for temporary files");
}

static gr_class validate_columns(const gr_ranges *r, int64_t block, int64_t first, int64_t cols,
                                 gr_error *err) {
  int64_t before = 0;
  for (int64_t k = first; k < r->ends[block]; k++) {
    gr_interval i = r->columns[k];
    if (i.first < before || i.end < i.first || i.end > cols)
      return gr_fail(err, ERR_RangesColumns, (long long)cols, (long long)k, (long long)block,
                     (long long)i.first, (long long)i.end);
    before = i.end;
  }
  return GR_OK;
}

gr_class gr_validate_ranges(const gr_ranges *r, int64_t rows, int64_t cols, gr_error *err) {
  int64_t row = 0, first = 0;
  err->cls = GR_OK;
  if (r->n_blocks < 0 || r->n_columns < 0)
    return gr_fail(err, ERR_RangesCount, (long long)r->n_blocks, (long long)r->n_columns);
  if (r->n_blocks > 0 && (!r->rows || !r->ends))
    return missing(err, r->rows ? "the ends of the blocks" : "the rows of the blocks");
  if (r->n_columns > 0 && !r->columns) return missing(err, "the columns of the blocks");
  for (int64_t k = 0; k < r->n_blocks; k++) {
    gr_interval i = r->rows[k];
    if (i.first < row || i.end < i.first || i.end > rows)
      return gr_fail(err, ERR_RangesRows, (long long)rows, (long long)k, (long long)i.first,
                     (long long)i.end);
    if (r->ends[k] < first || r->ends[k] > r->n_columns)
      return gr_fail(err, ERR_RangesEnds, (long long)k, (long long)first, (long long)r->n_columns,
                     (long long)r->ends[k]);
    if (validate_columns(r, k, first, cols, err) != GR_OK) return err->cls;
    row = i.end;
    first = r->ends[k];
  }
  return first == r->n_columns ? GR_OK
                               : gr_fail(err, ERR_RangesLeft, (long long)(r->n_columns - first));
}
