/* target_cuda.c: the two targets of a GPU, whose kernels are CUDA C++: narrow and tiled
 * (plan_cuda.c).
 *
 * Owns        how threads read rows and columns, how values of the lower levels are kept, and the
 *             strings in which the two differ (gr_cuda_scheme).  emit_cuda.c describes the kernels
 *             and buffers.
 * Guarantees  in the narrow scheme, tx threads of a block lie along rows and the others along
 *             columns; in the tiled one all lie along rows, and terms of register tiles read
 *             streams (emit_cuda_tile.c). */
#include "emit/emitter.h"

/* Families that a GPU's threads reduce as a processor's lanes do. */
#define gr_cuda_Total gr_c_Total
#define gr_cuda_Product gr_c_Product
#define gr_cuda_Moments gr_c_Moments

#define FAMILY(name) extern const gr_red_emitter gr_cuda_##name;
GR_FAMILIES(FAMILY)
#undef FAMILY
#define FAMILY(name) extern const gr_red_emitter gr_cuda_late_##name;
GR_WIDE_FAMILIES(FAMILY)
#undef FAMILY

/* ---- what both share ---- */

/* Arrays are registers only where every index is a constant. */
enum { UNROLL = 64 };

/* Columns that pairs read are prepared by a kernel of their own, but for variables. */
static bool keeps(const gr_emitter *e, gr_ref r) {
  const gr_place *pl = &e->p->place[r];
  if (e->at == LEVEL_COL) return pl->packed >= 0;
  return pl->buffer >= 0 && (gr_node_of(e, r)->op != OP_Var || e->at == LEVEL_ROW);
}

static void keep(gr_emitter *e, gr_ref r, gr_idx k) {
  const gr_place *pl = &e->p->place[r];
  bool column = e->at == LEVEL_COL;
  const char *at = gr_idx_text(e, (gr_idx){k.sym, k.off + (column ? pl->packed : pl->buffer)});
  gr_line(&e->out, "v_put(%s + %s * ld, at, %s);", column ? "C" : "R", at, gr_value(e, r, k));
}

static const gr_red_emitter *const reductions[FAM_COUNT] = {
#define FAMILY(name) [FAM_##name] = &gr_cuda_##name,
    GR_FAMILIES(FAMILY)
#undef FAMILY
};
static const gr_red_emitter *const late[FAM_COUNT] = {
#define FAMILY(name) [FAM_##name] = &gr_cuda_late_##name,
    GR_WIDE_FAMILIES(FAMILY)
#undef FAMILY
};

static const gr_language in_cuda = {.unrolled = UNROLL,
                                    .may_see_none = true,
                                    .prelude = GR_PIECE(plain),
                                    .offered = GR_PIECE(plain) | GR_PIECE(softmin) | GR_PIECE(gamma) |
                                               GR_PIECE(index) | GR_PIECE(rand),
                                    .reduction = reductions,
                                    .late = late,
                                    .keeps = keeps,
                                    .keep = keep,
                                    .kept = gr_stream_value};

/* Where the nodes of rows and columns are computed, their variables come from the arguments. */
static const char *from_argument(gr_emitter *e, gr_ref r, gr_idx k) {
  return gr_format(e->c->arena, "v_take(arg[%d], %s, base, at)", gr_node_of(e, r)->ints[0], gr_idx_text(e, k));
}

static const char *row(gr_emitter *e, gr_ref r, gr_idx k) {
  if (e->at != LEVEL_PAIR) return from_argument(e, r, k);
  const char *at = gr_idx_text(e, (gr_idx){k.sym, k.off + e->p->place[r].buffer});
  return gr_format(e->c->arena, "v_rows(Rv + %s * ld_r, at)", at);
}

static const char *column(gr_emitter *e, gr_ref r, gr_idx k) {
  if (e->at != LEVEL_PAIR) return from_argument(e, r, k);
  const gr_place *pl = &e->p->place[r];
  const char *at = gr_idx_text(e, (gr_idx){k.sym, k.off + (pl->staged ? pl->buffer : pl->packed)});
  return gr_format(e->c->arena, pl->staged ? "v_set(S[c * RECORD + %s])" : "v_set(C[%s * ld_c + (b - c_base + c)])", at);
}

static const char *pair(gr_emitter *e, gr_ref r, gr_idx k) {
  return gr_format(e->c->arena, "v_pairs(arg[%d], %s, r0, at, b + c)", gr_node_of(e, r)->ints[0],
                   gr_idx_text(e, k));
}

static const char *row_number(gr_emitter *e) {
  if (e->at == LEVEL_PAIR) return "gr_lanes_at(first_row, at)";
  return gr_format(e->c->arena, "gr_lanes_at(arg[%d].ld + base, at)", e->p->ask.args->n);
}

static const char *column_number(gr_emitter *e) {
  if (e->at == LEVEL_PAIR) return "gr_one_at(first_column + b, c)";
  return gr_format(e->c->arena, "gr_lanes_at(arg[%d].ld + base, at)", e->p->ask.args->n + 1);
}

/* ---- narrow ---- */

static const char *const begin_narrow[] = {
    "extern __shared__ __align__(16) unsigned char shared[];",
    "T *const S = (T *)shared; /* columns of a tile */",
    "const int x = threadIdx.x % tx, y = threadIdx.x / tx, ny = THREADS / tx;",
    "const gr_lanes at = {(int64)blockIdx.x * tx * GR_L + x, nr - 1, tx};",
    "const int64 from = c0 + blockIdx.y * part, to = c1 - from < part ? c1 : from + part;",
    "double *const mine = state + ((int64)y * gridDim.y + blockIdx.y) * NSTATE * ld_state;",
    "const T *const Rv = R;", NULL};

/* Threads along columns merge their states two by two, in memory. */
static const char *const merge_threads[] = {
    "for (int h = ny / 2; h > 0; h /= 2) {",
    "  __syncthreads();",
    "  if (y >= h) continue;",
    "  GR_EACH {",
    "    const int64 r = at.first + (int64)l * at.step;",
    "    if (r <= at.last) state_merge(mine + r, mine + (int64)h * gridDim.y * NSTATE * ld_state + r, ld_state);",
    "  }",
    "}", NULL};

static const gr_cuda_scheme narrow = {.least_threads = 1,
                                      .blocks = 4,
                                      .begin = begin_narrow,
                                      .column_loop = "for (int t = 0; t < (nc - y + ny - 1) / ny; t++)",
                                      .column = "const int c = y + t * ny;",
                                      .merge = merge_threads};

const gr_target gr_target_narrow = {.in = &in_cuda,
                                    .row = row,
                                    .column = column,
                                    .pair = pair,
                                    .row_number = row_number,
                                    .column_number = column_number,
                                    .at_column = "c * THREADS + x",
                                    .columns_seen = "seen",
                                    .cuda = &narrow};

/* ---- tiled ---- */

static const char *tiled_row(gr_emitter *e, gr_ref r, gr_idx k) {
  return e->tile ? gr_stream_value(e, r, k) : row(e, r, k);
}

static const char *tiled_column(gr_emitter *e, gr_ref r, gr_idx k) {
  return e->tile ? gr_stream_value(e, r, k) : column(e, r, k);
}

static void definitions(gr_emitter *e) {
  const gr_plan *p = e->p;
  gr_line(&e->out,
          "enum { COLUMNS = TILE / 8, PASS = %d, PASS_LD = PASS + %d, WIDE = PASS / 8, PASSES = %d, FOLD = 256 / TILE };",
          p->gpu.pass, GR_CUDA_PAD, p->gpu.passes);
  gr_line(&e->out, "/* The rows, columns and components of a thread: vectors of four where there are as many. */");
  gr_line(&e->out, "#define ROW(v) ((v) / 4 * 64 + rows8 + (v) %% 4)");
  gr_line(&e->out, "#define COLUMN(q) %s",
          p->tile == 64 ? "((q) / 4 * 32 + columns8 * 4 + (q) % 4)" : "(columns8 * COLUMNS + (q))");
  gr_line(&e->out, "#define COMPONENT(m) ((m) / 4 * 32 + columns8 * 4 + (m) %% 4)");
}

static const char *const begin_tiled[] = {
    "extern __shared__ __align__(16) unsigned char shared[];",
    "T *const S = (T *)shared; /* columns of a tile */",
    "const int x = threadIdx.x, y = 0, ny = 1, rows8 = x % 16 * 4, columns8 = x / 16;",
    "const int64 row0 = (int64)blockIdx.x * THREADS;",
    "const gr_lanes at = {row0 + x, nr - 1, 1};",
    "const int64 from = c0 + blockIdx.y * part, to = c1 - from < part ? c1 : from + part;",
    "double *const mine = state + (int64)blockIdx.y * NSTATE * ld_state;",
    "const T *const Rv = R;",
    "auto block_row = [=](int r) { return row0 + r < at.last ? row0 + r : at.last; };",
    "(void)rows8, (void)columns8, (void)block_row;", NULL};

static const gr_cuda_scheme tiled = {
    .least_threads = GR_CUDA_THREADS,
    .blocks = 3,
    .blocks_late = 2,
    .definitions = definitions,
    .begin = begin_tiled,
    .begin_shared = gr_emit_cuda_slots,
    .begin_tile = "auto last_column = [=](int c) { return c < nc ? c : nc - 1; }; (void)last_column;",
    .contractions = gr_emit_cuda_contractions,
    .column_loop = "for (int c = 0; c < nc; c++)"};

const gr_target gr_target_tiled = {.in = &in_cuda,
                                   .row = tiled_row,
                                   .column = tiled_column,
                                   .pair = pair,
                                   .row_number = row_number,
                                   .column_number = column_number,
                                   .at_column = "c * THREADS + x",
                                   .columns_seen = "seen",
                                   .cuda = &tiled};
