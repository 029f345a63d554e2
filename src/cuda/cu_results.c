/* cu_results.c: the states of a block of rows, once all its columns are in them, become results.
 *
 * Splits of the columns are merged on the device, and where both indices are reduced, so are the
 * rows.  Results that stay on the device are made there; else states travel to the host in pieces,
 * and gr_sink_take makes results of them, or keeps them, in double precision. */
#include <stdlib.h>

#include "cu.h"

static gr_class merge_splits(cu_part *s, gr_error *err) {
  cu_address state = s->state->address;
  long long ld = s->ld, nr = cu_rows_here(s);
  for (long long n = s->cut.nsplit, half; n > 1; n = half) {
    half = (n + 1) / 2;
    if (cu_launch_over(s, s->k->merge, (n - half) * nr, (void *[]){&state, &ld, &nr, &n, &half},
                       err) != GR_OK)
      return err->cls;
  }
  return GR_OK;
}

static gr_class merge_rows(cu_part *s, gr_error *err) {
  cu_address state = s->state->address;
  long long ld = s->ld;
  for (long long n = cu_rows_here(s), half; n > 1; n = half) {
    half = (n + 1) / 2;
    if (cu_launch_over(s, s->k->merge_rows, n - half, (void *[]){&state, &ld, &n, &half}, err) !=
        GR_OK)
      return err->cls;
  }
  return GR_OK;
}

static gr_class finish_there(cu_part *s, gr_error *err) {
  const cu_call *c = s->call;
  const gr_reduction *red = &cu_plan_of(s)->ask.red;
  cu_address state = s->state->address, to[2] = {0, 0};
  bool value = red->results != RES_X;
  for (int k = 0; k < red->nout; k++)
    if (cu_address_of(c->out[k].buffer, &to[value ? k : 1], err) != GR_OK) return err->cls;
  long long ld = s->ld, nr = cu_rows_here(s), at = s->row, rows = c->run->rows;
  double count = cu_columns_met(s);
  return cu_launch_over(s, s->k->finish, nr * red->out_dim * red->k,
                        (void *[]){&state, &ld, &nr, &count, &to[0], &to[1], &at, &rows}, err);
}

/* States of rows r ... r + n of the block, with n between entries. */
static gr_class fetch(cu_part *s, double *to, int64_t r, int64_t n, gr_error *err) {
  int nstate = cu_plan_of(s)->ask.red.nstate;
  cu_address from = s->state->address;
  if (n == s->ld)
    return CU(s->g, err, cuMemcpyDtoHAsync_v2, to, from, (size_t)(n * nstate) * 8, s->g->stream);
  for (int e = 0; e < nstate; e++)
    if (CU(s->g, err, cuMemcpyDtoHAsync_v2, to + e * n, from + (cu_address)(e * s->ld + r) * 8,
           (size_t)n * 8, s->g->stream) != GR_OK)
      return err->cls;
  return GR_OK;
}

/* States that have arrived, n between entries, of which `rows` are rows. */
static void take_in(cu_part *s, double *state, int64_t n, int64_t r, int64_t rows) {
  const gr_reduction *red = &cu_plan_of(s)->ask.red;
  if (cu_plan_of(s)->ask.both) {
    gr_red_merge(red, s->total, 1, state, n);
    return;
  }
  gr_sink sink = cu_sink_of(s->call);
  gr_sink_take(red, &sink, state, n, s->row + r, rows, cu_columns_met(s));
}

/* One state does not fit a staging buffer. */
static gr_class finish_wide(cu_part *s, int64_t rows, gr_error *err) {
  double *state = malloc((size_t)cu_plan_of(s)->ask.red.nstate * 8);
  gr_class cls =
      state ? GR_OK
            : gr_fail(err, ERR_NoMemory, "a state", (long long)cu_plan_of(s)->ask.red.nstate);
  for (int64_t r = 0; !cls && r < rows; r++) {
    cls = fetch(s, state, r, 1, err);
    if (!cls) cls = CU(s->g, err, cuStreamSynchronize, s->g->stream);
    if (!cls) take_in(s, state, 1, r, 1);
  }
  free(state);
  return cls;
}

/* While the states of some rows are copied, those of the rows before become results. */
static gr_class finish_here(cu_part *s, gr_error *err) {
  int64_t rows = cu_plan_of(s)->ask.both ? 1 : cu_rows_here(s),
          each = CU_STAGE_BYTES / (8 * (int64_t)cu_plan_of(s)->ask.red.nstate);
  bool whole = s->ld <= each && (rows > 1 || s->ld <= 64);
  int64_t n = whole ? s->ld : cu_least(each, rows), before = -1;
  int stage = 0, last = 0;
  if (n < 1) return finish_wide(s, rows, err);
  for (int64_t r = 0; r < rows + n; r += n) {
    if (r < rows &&
        (cu_stage(s->g, &stage, err) != GR_OK ||
         fetch(s, s->g->stage[stage], r, n < s->ld ? cu_least(n, rows - r) : n, err) != GR_OK ||
         cu_stage_used(s->g, stage, err) != GR_OK))
      return err->cls;
    if (before >= 0) {
      if (cu_stage_wait(s->g, last, err) != GR_OK) return err->cls;
      take_in(s, s->g->stage[last], n < s->ld ? cu_least(n, rows - before) : n, before,
              cu_least(n, rows - before));
    }
    before = r < rows ? r : -1;
    last = stage;
  }
  return GR_OK;
}

gr_class cu_finish(cu_part *s, gr_error *err) {
  if (merge_splits(s, err) != GR_OK || (cu_plan_of(s)->ask.both && merge_rows(s, err) != GR_OK))
    return err->cls;
  return s->call->stays ? finish_there(s, err) : finish_here(s, err);
}
