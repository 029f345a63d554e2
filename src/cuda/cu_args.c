/* cu_args.c: the arguments of a call on one device.
 *
 * Arguments that lie on this device are read there; those on the host are copied block by block in
 * the working precision, with addresses such that row r of the call is entry r.  The head tells
 * kernels where each argument lies; it holds parameters from the host, and the origins of what lies
 * on the device.  It stays there from call to call, and is sent again only where it has changed. */
#include <stdlib.h>
#include <string.h>

#include "cu.h"

/* An argument as kernels read it; behind the arguments, ld is the number of row 0 of the call in
 * the whole, then that of column 0. */
typedef struct source {
  cu_address data;
  long long ld, type;
  cu_address
      origin; /* doubles that are subtracted on the device, from what lay there before; 0: none */
  /* of pairs: component k of row r and column c is number r * step + c * ld + k * apart */
  long long step, apart;
} source;

static gr_category row_category(const cu_part *s) {
  return cu_plan_of(s)->ask.axis == 1 ? GR_VI : GR_VJ;
}
static gr_category col_category(const cu_part *s) {
  return cu_plan_of(s)->ask.axis == 1 ? GR_VJ : GR_VI;
}
static const gr_arg *arg_of(const cu_part *s, int k) { return &s->call->run->p->args.arg[k]; }

/* Is the argument read where it lies? */
static bool lies_here(const cu_part *s, int k) {
  const gr_buffer *b = s->call->args[k].buffer;
  return b && b->device == s->g->id && b->type != GR_INT;
}

/* ---- sizes ---- */

cu_sizes cu_sizes_of(const cu_part *s) {
  const gr_cuda_layout *l = &s->k->layout;
  cu_sizes size = {.row = l->nrow * cu_number(s), .col = l->ncol * cu_number(s)};
  for (int k = 0; k < s->call->n_args; k++) {
    int64_t bytes = lies_here(s, k) ? 0 : arg_of(s, k)->dim * cu_number(s);
    if (arg_of(s, k)->cat == row_category(s)) size.row += bytes;
    if (arg_of(s, k)->cat == col_category(s)) size.col += bytes;
    if (arg_of(s, k)->cat == GR_MIJ) size.pair += bytes;
  }
  return size;
}

static size_t sources_bytes(const cu_part *s) {
  return (size_t)cu_round_up((s->call->n_args + 2) * (int64_t)sizeof(source), 16);
}

/* Bytes in the head of an argument: a parameter from the host, or the origin of an argument that
 * lies on the device. */
static size_t held_bytes(const cu_part *s, int k) {
  bool here = lies_here(s, k);
  int64_t each = here && s->call->args[k].origin       ? 8
                 : !here && arg_of(s, k)->cat == GR_PM ? cu_number(s)
                                                       : 0;
  return (size_t)cu_round_up(arg_of(s, k)->dim * each, 16);
}

/* Sources, then what the head holds of each argument. */
static size_t head_bytes(const cu_part *s) {
  size_t n = sources_bytes(s);
  for (int k = 0; k < s->call->n_args; k++) n += held_bytes(s, k);
  return n;
}

/* An upper bound over all calls, so that the head is allocated once. */
static size_t head_most(const cu_part *s) {
  size_t n = sources_bytes(s) + (size_t)(s->k->layout.nparam * cu_number(s)) + 16;
  for (int k = 0; k < s->call->n_args; k++)
    if (arg_of(s, k)->cat == GR_PM || arg_of(s, k)->group >= 0)
      n += (size_t)cu_round_up(arg_of(s, k)->dim * (int64_t)sizeof(double), 16);
  return n;
}

gr_class cu_make_head(cu_part *s, gr_error *err) {
  cu_kernels *k = s->k;
  size_t n = head_most(s);
  s->head = calloc(1, n);
  if (!k->head_copy) k->head_copy = calloc(1, n);
  if (!s->head || !k->head_copy) return gr_fail(err, ERR_NoMemory, "arguments", (long long)n);
  return k->head ? GR_OK : cu_take(s->g, n, &k->head, err);
}

/* ---- the numbers ---- */

/* Those of one category, rows first ... first + n of them, one after the other into a block. */
static gr_class load(cu_part *s, gr_category cat, const cu_block *b, int64_t first, int64_t n,
                     gr_error *err) {
  const cu_call *c = s->call;
  source *sources = (source *)(void *)s->head;
  cu_address at = cu_address_in(b);
  for (int k = 0; k < c->n_args; k++) {
    const gr_array *a = &c->args[k];
    if (arg_of(s, k)->cat != cat || lies_here(s, k)) continue;
    gr_array host = *a;
    host.data = c->data[k];
    sources[k] = (source){.data = at - (cu_address)(first * cu_number(s)), .ld = n, .type = cu_type_of(s)};
    if (n > 0 &&
        cu_upload(s->g, at, cu_type_of(s), &host, first, n, c->run->opt->threads, err) != GR_OK)
      return err->cls;
    at += (cu_address)(n * a->cols * cu_number(s));
  }
  return GR_OK;
}

/* ---- pairs ---- */

/* How an array of pairs with these strides between i, j and components is read, by rows and
 * columns. */
static source pair_source(const cu_part *s, cu_address data, gr_storage_type type, int64_t ld,
                          int64_t apart) {
  bool by_i = row_category(s) == GR_VI;
  return (source){data, by_i ? ld : 1, type, 0, by_i ? 1 : ld, apart};
}

/* The block of rows and one interval of the columns of component d, to their place among the
 * columns on the device. */
static gr_class load_pairs_of(cu_part *s, int k, int64_t d, cu_address at, gr_interval columns,
                              gr_error *err) {
  const gr_array *a = &s->call->args[k];
  int64_t rows = cu_rows_here(s), n = a->cols / arg_of(s, k)->dim;
  source natural = pair_source(s, 0, GR_DOUBLE, a->stride, a->stride * n);
  const double *data = s->call->data[k] + s->row * natural.step + columns.first * natural.ld +
                       d * natural.apart;
  at += (cu_address)(rows * (columns.first - s->window) * cu_number(s));
  return cu_upload_pairs(s->g, at, cu_type_of(s), data, natural.step, natural.ld, rows,
                         cu_length(columns), s->call->run->opt->threads, err);
}

/* What the region of the rows needs of component d; the numbers of other columns are not read. */
static gr_class load_component(cu_part *s, int k, int64_t d, cu_address at, gr_error *err) {
  const gr_region *g = cu_region_of(s);
  int64_t end = s->window + cu_cols_here(s);
  for (int64_t i = 0; i < g->n; i++) {
    gr_interval part = g->interval[i];
    if (part.first < s->window) part.first = s->window;
    if (part.end > end) part.end = end;
    if (part.first < part.end && load_pairs_of(s, k, d, at, part, err) != GR_OK) return err->cls;
  }
  return GR_OK;
}

/* The pairs of the block of rows and the columns on the device, with rows as the fastest index, so
 * that neighbouring threads read neighbouring numbers. */
static gr_class load_pairs(cu_part *s, gr_error *err) {
  source *sources = (source *)(void *)s->head;
  int64_t rows = cu_rows_here(s), component = rows * cu_cols_here(s);
  cu_address at = cu_address_in(s->pair_args);
  for (int k = 0; k < s->call->n_args; k++) {
    if (arg_of(s, k)->cat != GR_MIJ || lies_here(s, k)) continue;
    sources[k] = (source){at - (cu_address)((s->row + s->window * rows) * cu_number(s)),
                          rows, cu_type_of(s), 0, 1, component};
    for (int64_t d = 0; d < arg_of(s, k)->dim; d++) {
      if (load_component(s, k, d, at, err) != GR_OK) return err->cls;
      at += (cu_address)(component * cu_number(s));
    }
  }
  return GR_OK;
}

/* ---- parameters, and the head ---- */

/* Numbers of a parameter from the host, as kernels read them. */
static void fill_parameter(const cu_part *s, int k, void *to) {
  const gr_array *a = &s->call->args[k];
  for (int64_t d = 0; d < a->cols; d++) {
    double v = s->call->data[k][d * a->stride];
    if (cu_plan_of(s)->ask.f64)
      ((double *)to)[d] = v;
    else
      ((float *)to)[d] = (float)(v - (a->origin ? a->origin[d] : 0));
  }
}

/* How an argument is read that lies on the device, but for its address. */
static source resident_source(const cu_part *s, int k) {
  const gr_array *a = &s->call->args[k];
  if (arg_of(s, k)->cat == GR_MIJ)
    return pair_source(s, 0, a->buffer->type, a->stride, a->stride * (a->cols / arg_of(s, k)->dim));
  return (source){.ld = a->stride, .type = a->buffer->type};
}

/* Parameters from the host go with the sources; what lies on the device already is read there. */
static gr_class fill_head(cu_part *s, gr_error *err) {
  const cu_call *c = s->call;
  source *sources = (source *)(void *)s->head;
  size_t at = sources_bytes(s);
  for (int k = 0; k < 2; k++) sources[c->n_args + k] = (source){.ld = c->run->first[k]};
  for (int k = 0; k < c->n_args; k++) {
    const gr_array *a = &c->args[k];
    if (lies_here(s, k)) {
      sources[k] = resident_source(s, k);
      if (a->origin) sources[k].origin = s->k->head->address + at;
      if (cu_address_of(a->buffer, &sources[k].data, err) != GR_OK) return err->cls;
      if (a->origin) memcpy(s->head + at, a->origin, (size_t)a->cols * sizeof *a->origin);
    } else if (arg_of(s, k)->cat == GR_PM) {
      sources[k] = (source){.data = s->k->head->address + at, .ld = 1, .type = cu_type_of(s)};
      fill_parameter(s, k, s->head + at);
    }
    at += held_bytes(s, k);
  }
  return GR_OK;
}

static bool has_parameters_here(const cu_part *s) {
  for (int k = 0; k < s->call->n_args; k++)
    if (arg_of(s, k)->cat == GR_PM && lies_here(s, k)) return true;
  return false;
}

cu_address cu_parameters(const cu_part *s) {
  return s->k->head->address + (cu_address)(head_bytes(s) + 15) / 16 * 16;
}

/* If the head is as the last call left it, neither a copy nor gr_params is needed. */
static gr_class send_head(cu_part *s, gr_error *err) {
  cu_kernels *k = s->k;
  size_t n = head_bytes(s);
  cu_address arg = k->head->address, P = cu_parameters(s);
  if (k->head_valid && !memcmp(k->head_copy, s->head, n) && !has_parameters_here(s)) return GR_OK;
  k->head_valid = false;
  memcpy(k->head_copy, s->head, n);
  if (CU(s->g, err, cuMemcpyHtoDAsync_v2, arg, k->head_copy, n, s->g->stream) != GR_OK)
    return err->cls;
  if (k->layout.nparam && cu_launch_over(s, k->params, 1, (void *[]){&arg, &P}, err) != GR_OK)
    return err->cls;
  k->head_valid = true;
  return GR_OK;
}

/* gr_rows, gr_columns: n of them from `first` on. */
static gr_class prepare(cu_part *s, cu_function f, int components, const cu_block *into, int64_t ld,
                        int64_t first, int64_t n, gr_error *err) {
  cu_address arg = s->k->head->address, P = cu_parameters(s), to = cu_address_in(into);
  long long stride = ld, base = first, count = n;
  if (components == 0 || n == 0) return GR_OK;
  return cu_launch_over(s, f, n, (void *[]){&arg, &P, &to, &stride, &base, &count}, err);
}

/* The blocks of rows and columns where the position is. */
gr_class cu_make_ready(cu_part *s, gr_error *err) {
  const gr_cuda_layout *l = &s->k->layout;
  int64_t r0 = s->row, c0 = s->window;
  if (s->rows_ready && s->cols_ready) return GR_OK;
  if (!s->rows_ready && load(s, row_category(s), s->row_args, r0, cu_rows_here(s), err) != GR_OK)
    return err->cls;
  if (!s->cols_ready && load(s, col_category(s), s->col_args, c0, cu_cols_here(s), err) != GR_OK)
    return err->cls;
  if (load_pairs(s, err) != GR_OK || fill_head(s, err) != GR_OK || send_head(s, err) != GR_OK)
    return err->cls;
  if (!s->rows_ready &&
      prepare(s, s->k->rows, l->nrow, s->R, s->ld, r0, cu_rows_here(s), err) != GR_OK)
    return err->cls;
  if (!s->cols_ready && prepare(s, s->k->columns, l->ncol, s->C, s->cut.block_cols, c0,
                                cu_cols_here(s), err) != GR_OK)
    return err->cls;
  s->rows_ready = s->cols_ready = true;
  return GR_OK;
}
