/* emit_cuda.c: plan to CUDA C++: the kernels for a GPU.
 *
 * Owns      the kernels, in this order:
 *   gr_params      parameters, and what depends on them only, into P
 *   gr_rows        what pairs read of rows, into R[k * ld + row]
 *   gr_columns     what pairs read of columns and is no variable (or too wide for the stage), into
 *                  C[k * ld + column]
 *   gr_pairs       rows against columns, into states: entry e of row r of split s is state[(s *
 *                  NSTATE + e) * ld_state + r]
 *   gr_merge       split s takes in split s + half
 *   gr_merge_rows  row r takes in row r + half
 *   gr_finish      states to results that stay on the device
 * Behind the n arguments, arg[n].ld and arg[n + 1].ld are the numbers of row 0 and column 0 of the
 * call in the whole.
 * Assumes   a target that has a gr_cuda_scheme.  Values, statements, loops and most reductions are
 *           those of a processor's kernels, over the types of prelude_cuda.h: a vector V is GR_L
 *           rows of one thread, in registers.
 * Guarantees  the text is a pure function of the plan.
 *
 * In gr_pairs, tx threads of a block lie along rows, the others along columns; every thread has the
 * states of its rows for its columns, and at the end those along columns are merged.  The columns
 * of a tile are staged in shared memory, one after the other, as records.  Blocks along y are
 * splits of the columns.  Sums of a tile are added in double, as on a processor. */
#include "emit/emitter.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return gr_node_of(e, r); }

/* ---- the levels below the pairs ---- */

static void load_param(gr_emitter *e, gr_ref r, int arg) {
  gr_line(&e->out, "for (int k = threadIdx.x; k < %d; k += blockDim.x) P[%s] = gr_take(arg[%d], k, 0); /* %s */", node(e, r)->dim,
          gr_idx_text(e, (gr_idx){"k", e->p->place[r].buffer}), arg, e->p->ask.args->arg[arg].name);
}

static void emit_params(gr_emitter *e) {
  e->at = LEVEL_PARAM;
  gr_line(&e->out, "/* Parameters, and what depends on them only. */");
  gr_open(e, "extern \"C\" __global__ void gr_params(const gr_source *arg, T *P)");
  gr_each_variable(e, load_param);
  gr_line(&e->out, "__syncthreads();");
  gr_line(&e->out, "if (threadIdx.x > 0) return;");
  gr_compute_and_keep(e);
  gr_close(e);
}

/* Rows or columns base ... base + n, GR_L of them for each thread. */
static void emit_prepare(gr_emitter *e, gr_level level, const char *name, const char *into) {
  e->at = level;
  gr_open(e, "extern \"C\" __global__ void %s(const gr_source *arg, const T *P, T *%s, int64 ld, int64 base, int64 n)", name, into);
  gr_line(&e->out, "const int64 block = (int64)blockDim.x * GR_L;");
  gr_open(e, "for (int64 b = blockIdx.x * block; b < n; b += gridDim.x * block)");
  gr_line(&e->out, "const gr_lanes at = {b + threadIdx.x, n - 1, (int)blockDim.x};");
  gr_compute_and_keep(e);
  gr_close(e);
  gr_close(e);
}

static void emit_rows(gr_emitter *e) {
  gr_line(&e->out, "/* Rows base ... base + n. */");
  emit_prepare(e, LEVEL_ROW, "gr_rows", "R");
}

static void emit_columns(gr_emitter *e) {
  gr_line(&e->out, "/* Columns base ... base + n. */");
  emit_prepare(e, LEVEL_COL, "gr_columns", "C");
}

/* ---- pairs ---- */

static void name_first(gr_emitter *e) {
  int n = e->p->ask.args->n;
  if (gr_pairs_read_index(e))
    gr_line(&e->out, "const int64 first_row = arg[%d].ld + r0, first_column = arg[%d].ld;", n, n + 1);
}

/* Component by component, so that neighbouring threads read neighbouring numbers, some of them at
 * once. */
static void stage_node(gr_emitter *e, gr_ref r) {
  const gr_place *pl = &e->p->place[r];
  bool prepared = pl->packed >= 0;
  if (!prepared) gr_open(e, "gr_read(arg[%d], [&](auto take)", node(e, r)->ints[0]);
  gr_line(&e->out, "#pragma unroll");
  gr_open(e, "for (int k = 0; k < %d; k++)", node(e, r)->dim);
  gr_line(&e->out, "#pragma unroll 4");
  gr_line(&e->out, "for (int c = threadIdx.x; c < nc; c += THREADS) S[c * RECORD + %s] = %s;", gr_idx_text(e, (gr_idx){"k", pl->buffer}),
          prepared ? gr_format(e->c->arena, "C[(%d + k) * ld_c + (b - c_base + c)]", pl->packed) : "take(k, b + c)");
  gr_close(e);
  if (prepared) return;
  e->out.indent--;
  gr_line(&e->out, "});");
}

/* Before wide sums all threads have waited since they read the last tile's columns. */
static void stage_columns(gr_emitter *e) {
  if (e->p->gpu.record && !e->p->late) gr_line(&e->out, "__syncthreads();");
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    if (pl->live && pl->level == LEVEL_COL && pl->staged && pl->buffer >= 0) stage_node(e, r);
  }
  gr_part(e, e->t->cuda->contractions);
  if (e->p->gpu.record || e->t->cuda->contractions) gr_line(&e->out, "__syncthreads();");
}

static void emit_column(gr_emitter *e) {
  e->locals = true;
  gr_declare_locals(e, LEVEL_COL);
  gr_emit_level(e);
  gr_part(e, e->red->step);
  e->locals = false;
}

/* Exponentials come in spans: their maximum is taken before. */
static void emit_span(gr_emitter *e) {
  gr_open(e, "for (int g = y; g < nc; g += SPAN * ny)");
  gr_part(e, e->red->span_begin);
  gr_line(&e->out, "#pragma unroll");
  gr_open(e, "for (int q = 0; q < SPAN; q++)");
  gr_line(&e->out, "const int c = g + q * ny;");
  gr_line(&e->out, "if (c >= nc) continue;");
  emit_column(e);
  gr_close(e);
  gr_part(e, e->red->span);
  gr_close(e);
}

enum { UNROLL_COST = 120 }; /* of a pair, up to which several are interleaved to hide latency */

static void emit_columns_loop(gr_emitter *e) {
  const gr_cuda_scheme *s = e->t->cuda;
  if (e->p->cost <= UNROLL_COST) gr_line(&e->out, "#pragma unroll 4");
  gr_open(e, "%s", s->column_loop);
  if (s->column) gr_line(&e->out, "%s", s->column);
  emit_column(e);
  gr_close(e);
}

/* Selections keep their lists across tiles: there is nothing to add up in double. */
static void emit_tiles(gr_emitter *e) {
  bool across = e->red->across_tiles;
  gr_part(e, e->red->declare);
  if (across) gr_part(e, e->red->begin);
  gr_open(e, "for (int64 b = from; b < to; b += TILE)");
  gr_line(&e->out, "const int nc = to - b < TILE ? (int)(to - b) : TILE;");
  if (e->p->late) gr_line(&e->out, "const bool fold = (b - from) / TILE %% FOLD == FOLD - 1 || b + TILE >= to;");
  if (e->t->cuda->begin_tile) gr_line(&e->out, "%s", e->t->cuda->begin_tile);
  stage_columns(e);
  if (!across) gr_part(e, e->red->begin);
  (e->red->span ? emit_span : emit_columns_loop)(e);
  if (!across) gr_part(e, e->red->end);
  if (e->p->late) gr_emit_cuda_wide(e);
  gr_close(e);
  if (across) gr_part(e, e->red->end);
}

static const char *const begin_own[] = {
    "VD own[NSTATE];",
    "if (anew || y) {",
    "  double start[NSTATE];",
    "  state_init(start);",
    "  for (int e = 0; e < NSTATE; e++) own[e] = vd_set(start[e]);",
    "} else {",
    "  for (int e = 0; e < NSTATE; e++) own[e] = vd_rows(mine + e * ld_state, at);",
    "}", NULL};

static const char *const begin_late[] = {
    "if (anew) {",
    "  double start[NSTATE];",
    "  state_init(start);",
    "  for (int e = 0; e < NSTATE; e++) vd_put(mine + e * ld_state, at, vd_set(start[e]));",
    "}",
    "V sums[PASSES][8][WIDE];",
    "#pragma unroll",
    "for (int n = 0; n < PASSES * 8 * WIDE; n++) sums[n / (8 * WIDE)][n / WIDE % 8][n % WIDE] = v_set(0);", NULL};

static const char *const end_own[] = {"for (int e = 0; e < NSTATE; e++) vd_put(mine + e * ld_state, at, own[e]);", NULL};

static void emit_pairs(gr_emitter *e) {
  const gr_cuda_scheme *s = e->t->cuda;
  e->at = LEVEL_PAIR;
  gr_part(e, e->red->support);
  gr_line(&e->out, "/* Rows 0 ... nr of R against columns c0 ... c1, in parts. */");
  gr_line(&e->out, "extern \"C\" __global__ void __launch_bounds__(THREADS, %d)", e->p->late ? s->blocks_late : s->blocks);
  gr_line(&e->out, "gr_pairs(const gr_source *arg, const T *__restrict__ P, const T *__restrict__ R, int64 ld_r, "
                   "const T *__restrict__ C, int64 ld_c,");
  gr_open(e, "         int64 c_base, double *state, int64 ld_state, int64 r0, int64 nr, int64 c0, int64 c1, int64 part, "
             "int tx, int anew)");
  gr_lines(e, s->begin);
  name_first(e);
  gr_part(e, s->begin_shared);
  gr_lines(e, e->p->late ? begin_late : begin_own);
  gr_declare_locals(e, LEVEL_PARAM);
  gr_declare_locals(e, LEVEL_ROW);
  emit_tiles(e);
  if (!e->p->late) gr_lines(e, end_own);
  if (s->merge) gr_lines(e, s->merge);
  gr_close(e);
}

/* ---- after the pairs ---- */

static const char *const after_pairs[] = {
    "/* Split s of n takes in split s + half. */",
    "extern \"C\" __global__ void gr_merge(double *state, int64 ld_state, int64 nr, int64 n, int64 half) {",
    "  for (int64 k = GR_FIRST; k < (n - half) * nr; k += GR_STEP) {",
    "    const int64 split = k / nr;",
    "    double *const s = state + split * NSTATE * ld_state + (k - split * nr);",
    "    state_merge(s, s + half * NSTATE * ld_state, ld_state);",
    "  }",
    "}",
    "",
    "/* Row r of n takes in row r + half. */",
    "extern \"C\" __global__ void gr_merge_rows(double *state, int64 ld_state, int64 n, int64 half) {",
    "  for (int64 r = GR_FIRST; r < n - half; r += GR_STEP) state_merge(state + r, state + r + half, ld_state);",
    "}",
    "",
    "/* States to rows at ... at + nr of results; indices count from 1, INT_MIN where there is none. */",
    "extern \"C\" __global__ void gr_finish(const double *state, int64 ld_state, int64 nr, double count, T *value, int *index, int64 at, int64 rows) {",
    "  for (int64 r = GR_FIRST; r < nr; r += GR_STEP)",
    "    for (int e = 0; e < RESULTS; e++) {",
    "      const double *const s = state + r;",
    "      if (value) value[at + r + rows * e] = (T)(KEPT ? s[e * ld_state] : state_result(s, ld_state, e, count));",
    "      if (!index) continue;",
    "      const double i = s[(RESULTS + e) * ld_state];",
    "      index[at + r + rows * e] = i < 0 ? -2147483647 - 1 : (int)i + 1;",
    "    }",
    "}", NULL};

static void emit_after(gr_emitter *e) { gr_lines(e, after_pairs); }

/* ---- the whole text ---- */

static const char *const definitions[] = {
    "typedef long long int64;",
    "typedef long long int64_t;",
    "struct gr_source { /* an argument: component k of row r is data[r + k * ld], of type double, float, half, bfloat16 */",
    "  const void *data;",
    "  int64 ld, type;",
    "  const double *origin; /* what is still to be subtracted, for each component; or null */",
    "  int64 step, apart; /* of pairs: component k of row r, column c is data[r * step + c * ld + k * apart] */",
    "};",
    "#define INFINITY __longlong_as_double(0x7ff0000000000000LL)",
    "#define NAN __longlong_as_double(0x7ff8000000000000LL)",
    "#define GR_STATE static __device__ __forceinline__",
    "#define GR_FIRST (blockIdx.x * (int64)blockDim.x + threadIdx.x)",
    "#define GR_STEP (gridDim.x * (int64)blockDim.x)", NULL};

static const char *truth(bool x) { return x ? "true" : "false"; }

static void emit_reduction(gr_emitter *e) {
  const gr_reduction *r = &e->p->ask.red;
  bool kept = !r->kahan && (r->results == RES_V || r->results == RES_R || r->results == RES_X || r->results == RES_VX);
  gr_line(&e->out, "/* %s */", gr_reds[r->red].name);
  gr_line(&e->out, "#define REDUCTION const gr_reduction r = {%d, (gr_family)%d, %d, (gr_results)%d, %d, %d, %d, %s, %s, %s, %s, %d, %d, %d}", r->red,
          (int)r->family, r->direction, (int)r->results, r->dim, r->k, r->nweight, truth(r->lead), truth(r->has_weight), truth(r->index), truth(r->kahan),
          r->nstate, r->nout, r->out_dim);
  gr_line(&e->out, "GR_D void state_init(double *s) { REDUCTION; gr_state_init(&r, s, 1); }");
  gr_line(&e->out, "GR_D void state_merge(double *a, const double *b, int64 ld) { REDUCTION; gr_state_merge(&r, a, ld, b, ld); }");
  gr_line(&e->out, "GR_D double state_result(const double *s, int64 ld, int d, double count) { REDUCTION; return gr_state_result(&r, s, ld, d, count); }");
  gr_line(&e->out, "enum { KEPT = %d, RESULTS = %d, NSTATE = %d };", kept, r->out_dim * r->k, r->nstate);
}

static void emit_head(gr_emitter *e, const char *title) {
  const gr_plan *p = e->p;
  gr_emit_title(&e->out, title);
  gr_line(&e->out, "#define GR_F64 %d", p->ask.f64);
  gr_line(&e->out, "#define GR_L %d /* rows of a thread */", p->gpu.lanes);
  gr_lines(e, definitions);
  gr_put(&e->out, "\n");
  for (const gr_prelude_line *line = gr_prelude_cuda; line->text; line++) gr_put(&e->out, line->text);
  gr_emit_prelude(&e->out, e->t->in, e->pieces);
  gr_put(&e->out, "\n");
  emit_reduction(e);
  gr_line(&e->out, "enum { THREADS = %d, TILE = %d, RECORD = %d, SPAN = %d };", GR_CUDA_THREADS, p->tile, p->gpu.record,
          GR_SPAN);
  gr_line(&e->out, "#define AT(n) (own + (n)) /* number n of the states of a thread's rows */");
  gr_part(e, e->t->cuda->definitions);
}

/* The kernels come first, and tell what the head has to have. */
char *gr_emit_cuda(gr_ctx *c, const gr_plan *p, const char *title) {
  static void (*const part[])(gr_emitter *) = {emit_params, emit_rows, emit_columns, emit_pairs, emit_after};
  gr_emitter e = gr_emitter_of(c, p);
  for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
    gr_put(&e.out, "\n");
    part[k](&e);
  }
  gr_str kernels = e.out;
  e.out = (gr_str){.arena = c->arena};
  emit_head(&e, title);
  gr_put(&e.out, kernels.s);
  return e.out.s;
}

gr_cuda_layout gr_cuda_layout_of(const gr_plan *p) {
  return (gr_cuda_layout){.threads = GR_CUDA_THREADS,
                          .lanes = p->gpu.lanes,
                          .tx_least = gr_target_of(p)->cuda->least_threads,
                          .tx_most = GR_CUDA_THREADS,
                          .shared = gr_cuda_shared(p),
                          .nparam = p->width.param,
                          .nrow = p->width.row,
                          .ncol = p->width.packed,
                          .tile = p->tile};
}
