/* states.c: what becomes of the final states of rows: they are finished to results, or handed out
 * as a partial result.
 *
 * Owns the block of states that a share of the columns leaves (engine.h): a head of a few doubles,
 * then entry e of row r as number e * rows + r.  The numbers of the head are integers below 2^53,
 * so that a text format with 17 digits preserves a block.  A block names its program (a hash of
 * what the program was made from and of the version), the shape of its call and what all shares of
 * the call have in common (a checksum of the parameters and the rows), and has a checksum.
 * Guarantees: a block is accepted only if all of this matches.  Arbitrary numbers, a truncated or
 * altered block, and the block of another program are refused before their states are read. */
#include <string.h>

#include "run/run.h"

/* ---- where states go ---- */

static int64_t result_rows(const gr_program *p, int64_t rows) {
  return p->plan->ask.both ? 1 : rows;
}

enum { MAGIC, PROGRAM, ROWS, COLUMNS, COMMON, ENTRIES, COUNT, CHECK, HEAD };
enum { UNKNOWN = -1 }; /* COLUMNS, if a share came alone; COMMON, if arguments lay on a device */

gr_sink gr_sink_of(const gr_run *r) {
  gr_sink s = {
      .out = r->out, .rows = result_rows(r->p, r->rows), .apart = gr_result_size(r)};
  if (r->states) s.states = r->states + HEAD;
  if (r->map) { /* the rows of a column are those of the results from `first` on */
    s.rows = r->rows * r->cols;
    s.first = r->rows * r->column;
    s.apart = r->rows;
  }
  return s;
}

void gr_sink_take(const gr_reduction *red, const gr_sink *s, const double *state, int64_t ld,
                  int64_t first, int64_t rows, double count) {
  first += s->first;
  if (!s->states) {
    gr_red_finish(red, state, ld, rows, s->out, first, s->rows, count);
    return;
  }
  for (int e = 0; e < red->nstate; e++)
    memcpy(s->states + e * s->rows + first, state + e * ld, (size_t)rows * sizeof *state);
}

/* ---- the head of a block ---- */

static const double magic =
    0x6e53746173; /* read with another order of bytes, it is no integer of this size */

/* A hash as a double that is an integer. */
static double whole_number(uint64_t x) { return (double)(x >> 12); }

static void add_text(gr_sha256 *h, const char *s) {
  gr_sha256_add(h, s ? s : "", strlen(s ? s : "") + 1);
}

/* What a program was made from, defaults filled in. */
static double program_number(const gr_program *p) {
  const gr_request *ask = &p->ask[1];
  const int what[] = {ask->red.red, ask->red.k, ask->axis,  ask->both,
                      ask->f64,     ask->acc64, ask->scheme};
  gr_sha256 h;
  char hex[65];
  uint64_t first = 0;
  gr_sha256_init(&h);
  add_text(&h, GR_VERSION);
  add_text(&h, p->spec.formula);
  add_text(&h, p->spec.formula2);
  for (int k = 0; k < p->args.n; k++) {
    const gr_arg *a = &p->args.arg[k];
    add_text(&h, a->name);
    gr_sha256_add(&h, (const int[]){a->cat, a->dim}, 2 * sizeof(int));
  }
  gr_sha256_add(&h, what, sizeof what);
  gr_sha256_hex(&h, hex);
  for (int k = 0; k < 16; k++)
    first = first << 4 | (uint64_t)(hex[k] <= '9' ? hex[k] - '0' : hex[k] - 'a' + 10);
  return whole_number(first);
}

/* Of the whole block but for the checksum itself. */
static double checksum(const double *states, int64_t size) {
  uint64_t head = gr_checksum(states, CHECK * sizeof *states),
           rest = gr_checksum(states + HEAD, (size_t)(size - HEAD) * sizeof *states);
  return whole_number(head ^ (rest << 1 | rest >> 63));
}

static int64_t block_size(const gr_program *p, int64_t rows) {
  return HEAD + result_rows(p, rows) * p->plan->ask.red.nstate;
}

/* Why this is no block of states of the program; NULL: it is one. */
static const char *flaw(const gr_program *p, const double *states, int64_t size) {
  if (size < HEAD) return "it is too short";
  if (states[MAGIC] != magic) return "it does not begin like one";
  if (states[PROGRAM] != program_number(p)) return "it belongs to another program or version";
  if (!(states[ROWS] >= 0 && states[ROWS] <= (double)INT32_MAX)) return "it is damaged";
  if (size != block_size(p, (int64_t)states[ROWS])) return "it was cut or lengthened";
  return states[CHECK] != checksum(states, size) ? "it is damaged" : NULL;
}

static gr_class check_block(const gr_program *p, const double *states, int64_t size,
                            gr_error *err) {
  err->cls = GR_OK;
  if (!p || !states) return gr_fail(err, ERR_Null, p ? "the block of states" : "the program");
  const char *wrong = flaw(p, states, size);
  return wrong ? gr_fail(err, ERR_States, (long long)size, wrong) : GR_OK;
}

/* ---- shares of the columns ---- */

gr_class gr_states_size(const gr_program *p, const gr_array *args, int n_args, int64_t *size,
                        gr_error *err) {
  int64_t rows, cols;
  if (!size) return gr_fail(err, ERR_Null, "the place for the size");
  if (gr_check_call(p, args, n_args, &rows, &cols, err) != GR_OK) return err->cls;
  *size = block_size(p, rows);
  return GR_OK;
}

static gr_class check_intervals(const gr_interval *interval, int64_t n, int64_t cols,
                                gr_error *err) {
  int64_t before = 0;
  if (n < 0 || (n > 0 && !interval)) return gr_fail(err, ERR_Null, "the list of intervals");
  for (int64_t k = 0; k < n; k++) {
    const gr_interval *i = &interval[k];
    if (i->first < before || i->end < i->first || i->end > cols)
      return gr_fail(err, ERR_Intervals, (long long)cols, (long long)k + 1, (long long)i->first,
                     (long long)i->end);
    before = i->end;
  }
  return GR_OK;
}

/* Does every share of a call have all of this argument? */
static bool in_all_shares(const gr_request *ask, const gr_arg *a) {
  gr_category kept = ask->axis == 1 ? GR_VI : GR_VJ;
  return a->cat == GR_PM || (a->cat == kept && !ask->both);
}

/* A checksum of what all shares of a call have in common. */
static double common_number(const gr_program *p, const gr_array *args) {
  uint64_t sum = 0;
  for (int k = 0; k < p->args.n; k++) {
    const gr_array *x = &args[k];
    if (!in_all_shares(&p->plan->ask, &p->args.arg[k])) continue;
    if (x->buffer) return UNKNOWN;
    for (int64_t d = 0; d < x->cols && x->rows > 0; d++)
      sum = (sum << 1 | sum >> 63) ^
            gr_checksum(x->data + d * x->stride, (size_t)x->rows * sizeof *x->data);
  }
  return whole_number(sum);
}

static void write_head(const gr_run *r, const gr_array *args, int64_t size) {
  double *h = r->states;
  h[MAGIC] = magic;
  h[PROGRAM] = program_number(r->p);
  h[ROWS] = (double)r->rows;
  h[COLUMNS] = (double)r->cols;
  h[COMMON] = common_number(r->p, args);
  h[ENTRIES] = r->p->plan->ask.red.nstate;
  h[COUNT] = 0;
  for (int64_t k = 0; k < r->region->n; k++)
    h[COUNT] += (double)(r->region->interval[k].end - r->region->interval[k].first);
  h[CHECK] = checksum(h, size);
}

/* The states of some columns of arrays whose column 0 is number `offset` in the whole. */
static gr_class run_columns(gr_program *p, const gr_array *args, int n_args,
                            const gr_interval *interval, int64_t n_intervals, int64_t offset,
                            double *states, int64_t size, const gr_options *opt, gr_report *report,
                            gr_error *err) {
  const gr_output none[2] = {{.data = NULL}};
  gr_run r = {.p = p,
              .args = args,
              .n_args = n_args,
              .first = {0, offset},
              .out = none,
              .states = states,
              .opt = opt,
              .report = report,
              .n_regions = 1};
  if (!report || !states)
    return gr_fail(err, ERR_Null, report ? "the place for the states" : "the place for the report");
  *report = (gr_report){.backend = GR_AUTO};
  if (gr_check_call(p, args, n_args, &r.rows, &r.cols, err) != GR_OK ||
      gr_validate_options(opt, err) != GR_OK ||
      check_intervals(interval, n_intervals, r.cols, err) != GR_OK)
    return err->cls;
  if (size != block_size(p, r.rows))
    return gr_fail(err, ERR_StatesSize, (long long)size, (long long)block_size(p, r.rows));
  states[MAGIC] = 0; /* no block, unless all goes well */
  gr_region share = {.r1 = r.rows, .interval = interval, .n = n_intervals};
  r.region = &share;
  if (gr_run_regions(&r, err) == GR_OK) write_head(&r, args, size);
  return err->cls;
}

gr_class gr_program_partial(gr_program *p, const gr_array *args, int n_args,
                            const gr_interval *interval, int64_t n_intervals, double *states,
                            int64_t size, const gr_options *opt, gr_report *report, gr_error *err) {
  return run_columns(p, args, n_args, interval, n_intervals, 0, states, size, opt, report, err);
}

/* The states of a call become those of a share of another: of its columns from `offset` on, or,
 * where both indices are reduced, of some of its pairs, which are then counted one by one. */
static void make_share(const gr_program *p, double *states, int64_t size, double offset) {
  int64_t rows = result_rows(p, (int64_t)states[ROWS]);
  gr_red_shift(&p->plan->ask.red, states + HEAD, rows, rows, offset);
  states[COLUMNS] = UNKNOWN;
  if (p->plan->ask.both) states[COUNT] *= states[ROWS], states[ROWS] = 1;
  states[CHECK] = checksum(states, size);
}

gr_class gr_program_share(gr_program *p, const gr_array *args, int n_args, int64_t offset,
                          double *states, int64_t size, const gr_options *opt, gr_report *report,
                          gr_error *err) {
  const int64_t exact = (int64_t)1 << 53; /* indices are doubles */
  int64_t rows, cols;
  if (gr_check_call(p, args, n_args, &rows, &cols, err) != GR_OK) return err->cls;
  if (offset < 0 || offset > exact - cols)
    return gr_fail(err, ERR_Offset, (long long)(exact - cols), (long long)offset);
  if (p->plan->ask.both && p->numbered) return gr_fail(err, ERR_ShareNumbers);
  const gr_interval all = {0, cols};
  if (run_columns(p, args, n_args, &all, 1, offset, states, size, opt, report, err) == GR_OK)
    make_share(p, states, size, (double)offset);
  return err->cls;
}

static double count_of(const gr_program *p, const double *states) {
  return states[COUNT] * (p->plan->ask.both ? states[ROWS] : 1);
}

gr_class gr_states_describe(const gr_program *p, const double *states, int64_t size,
                            gr_states_info *info, gr_error *err) {
  if (!info) return gr_fail(err, ERR_Null, "the place for the description");
  if (check_block(p, states, size, err) != GR_OK) return err->cls;
  info->rows = result_rows(p, (int64_t)states[ROWS]);
  info->count = count_of(p, states);
  return GR_OK;
}

/* Do the shares of two blocks belong to one call? */
static gr_class check_shares(const gr_program *p, const double *a, const double *b, gr_error *err) {
  if (a[ROWS] != b[ROWS] || a[COLUMNS] != b[COLUMNS])
    return gr_fail(err, ERR_StatesShape, (long long)a[ROWS], (long long)a[COLUMNS],
                   (long long)b[ROWS], (long long)b[COLUMNS]);
  if (a[COMMON] != b[COMMON] && a[COMMON] != UNKNOWN && b[COMMON] != UNKNOWN)
    return gr_fail(err, ERR_StatesCommon,
                   p->plan->ask.both ? "" : " or of the arguments of the kept index");
  return GR_OK;
}

gr_class gr_states_merge(const gr_program *p, double *into, int64_t size_into, const double *from,
                         int64_t size_from, gr_error *err) {
  if (check_block(p, into, size_into, err) != GR_OK ||
      check_block(p, from, size_from, err) != GR_OK || check_shares(p, into, from, err) != GR_OK)
    return err->cls;
  int64_t rows = result_rows(p, (int64_t)into[ROWS]);
  for (int64_t r = 0; r < rows; r++)
    gr_red_merge(&p->plan->ask.red, into + HEAD + r, rows, from + HEAD + r, rows);
  if (into[COMMON] == UNKNOWN) into[COMMON] = from[COMMON];
  into[COUNT] += from[COUNT];
  into[CHECK] = checksum(into, size_into);
  return GR_OK;
}

gr_class gr_states_finish(const gr_program *p, const double *states, int64_t size,
                          const gr_output *out, gr_error *err) {
  if (check_block(p, states, size, err) != GR_OK) return err->cls;
  int64_t rows = result_rows(p, (int64_t)states[ROWS]);
  if (gr_validate_outputs(p, out, rows, err) != GR_OK) return err->cls;
  for (int k = 0; k < p->plan->ask.red.nout; k++)
    if (out[k].buffer) return gr_fail(err, ERR_KeepHere);
  gr_red_finish(&p->plan->ask.red, states + HEAD, rows, rows, out, 0, rows, count_of(p, states));
  return GR_OK;
}
