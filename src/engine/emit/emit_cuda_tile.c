/* emit_cuda_tile.c: what all threads of a block compute together in the tiled scheme (plan_cuda.c):
 * contractions before the pairs and wide sums after them, as a matrix product does it.
 *
 * A thread has 8 rows by some columns, or 8 rows by 8 components, in registers; what it reads goes
 * through shared memory, in chunks of coordinates or as 64 components of the tile's columns.  The
 * numbers that a term reads, from rows, columns or what pairs left, are `streams`: found while the
 * term is written, declared and loaded before it. */
#include <string.h>

#include "emit/emitter.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return gr_node_of(e, r); }

/* ---- streams ---- */

/* A number of a node as the term reads it: for a thread's rows [v], its columns [q], its components
 * [m]. */
const char *gr_stream_value(gr_emitter *e, gr_ref r, gr_idx k) {
  gr_tile *t = e->tile;
  gr_level level = e->p->place[r].level;
  const char *idx = gr_idx_text(e, k);
  int s = 0;
  while (s < t->n && (t->stream[s].r != r || strcmp(t->stream[s].idx, idx) != 0)) s++;
  if (s == GR_STREAMS) gr_throw(e->c, NULL, NULL, ERR_Internal, "too many streams");
  if (s == t->n) t->stream[t->n++] = (gr_stream){r, level, k.sym != NULL, idx, gr_format(e->c->arena, "%s_%d", gr_node_name(e, r), t->n)};
  const gr_stream *x = &t->stream[s];
  if (!t->wide) return gr_format(e->c->arena, level == LEVEL_ROW ? "%s[v]" : "%s[q]", x->name);
  if (level == LEVEL_COL) return gr_format(e->c->arena, x->varies ? "%s[m]" : "%s", x->name);
  return gr_format(e->c->arena, x->varies ? "%s[v][m]" : "%s[v]", x->name);
}

static const char *term(gr_emitter *e, gr_tile *t, gr_ref r, const char *component) {
  e->tile = t, e->late = t->wide;
  const char *s = gr_value(e, r, (gr_idx){component, 0});
  e->tile = NULL, e->late = false;
  return s;
}

/* Where component `idx` of the stream lies in memory, for row `at` of the block or column `at` of
 * the tile. */
static const char *in_memory(gr_emitter *e, const gr_stream *x, const char *at) {
  const gr_place *pl = &e->p->place[x->r];
  gr_arena *a = e->c->arena;
  if (x->level == LEVEL_ROW) return gr_format(a, "R[(%d + %s) * ld_r + block_row(%s)]", pl->buffer, x->idx, at);
  if (pl->packed >= 0) return gr_format(a, "C[(%d + %s) * ld_c + (b - c_base + %s)]", pl->packed, x->idx, at);
  return gr_format(a, "gr_take(arg[%d], %s, b + %s)", node(e, x->r)->ints[0], x->idx, at);
}

static int count(const gr_tile *t, gr_level level, bool varies) {
  int n = 0;
  for (int s = 0; s < t->n; s++) n += t->stream[s].level == level && t->stream[s].varies == varies;
  return n;
}

/* ---- contractions ---- */

static int columns_of_thread(const gr_plan *p) { return p->tile / 8; }

/* As many coordinates in a chunk as the slot has room for that takes the values afterwards. */
static int chunk_size(const gr_plan *p, const gr_tile *t) {
  int each = count(t, LEVEL_ROW, true) * GR_CUDA_THREADS + count(t, LEVEL_COL, true) * p->tile, n = 8;
  while (n > 1 && n * each > p->tile * GR_CUDA_THREADS) n /= 2;
  return n;
}

static void declare_fixed(gr_emitter *e, const gr_stream *x) {
  bool row = x->level == LEVEL_ROW;
  int n = row ? 8 : columns_of_thread(e->p);
  gr_line(&e->out, "V %s[%d];", x->name, n);
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, row ? "for (int v = 0; v < %d; v++) %s[v] = v_set(%s);" : "for (int q = 0; q < %d; q++) %s[q] = v_set(%s);", n, x->name,
          in_memory(e, x, row ? "ROW(v)" : "last_column(COLUMN(q))"));
}

/* The loop that reads numbers of a column stream, for any type that an argument has. */
static void open_reading(gr_emitter *e, const gr_stream *x) {
  if (e->p->place[x->r].packed < 0) gr_open(e, "gr_read(arg[%d], [&](auto take)", node(e, x->r)->ints[0]);
}

static void close_reading(gr_emitter *e, const gr_stream *x) {
  if (e->p->place[x->r].packed >= 0) return;
  e->out.indent--;
  gr_line(&e->out, "});");
}

static const char *in_reading(gr_emitter *e, const gr_stream *x, const char *at) {
  return e->p->place[x->r].packed >= 0 ? in_memory(e, x, at) : gr_format(e->c->arena, "take(%s, b + %s)", x->idx, at);
}

/* A thread's share of a chunk goes through registers, so that the next one is on its way while one
 * is computed. */
static int share(const gr_emitter *e, const gr_stream *x, int chunk) {
  return x->level == LEVEL_ROW ? chunk : (chunk * e->p->tile + GR_CUDA_THREADS - 1) / GR_CUDA_THREADS;
}

static void declare_next(gr_emitter *e, const gr_stream *x, int rows, int columns, int chunk) {
  (void)rows, (void)columns;
  gr_line(&e->out, "T %s_next[%d];", x->name, share(e, x, chunk));
}

static void read_next(gr_emitter *e, const gr_stream *x, int rows, int columns, int chunk) {
  bool row = x->level == LEVEL_ROW;
  (void)rows, (void)columns;
  if (!row) open_reading(e, x);
  gr_line(&e->out, "#pragma unroll");
  gr_open(e, "for (int n = 0; n < %d; n++)", share(e, x, chunk));
  gr_line(&e->out, row ? "const int k = last_k(k0 + n);" : "const int at_n = threadIdx.x + n * THREADS, k = last_k(k0 + at_n / TILE);");
  gr_line(&e->out, "%s_next[n] = %s;", x->name, row ? in_memory(e, x, "threadIdx.x") : in_reading(e, x, "last_column(at_n % TILE)"));
  gr_close(e);
  if (!row) close_reading(e, x);
}

/* Chunks lie where the values of the contraction go afterwards. */
static void store_next(gr_emitter *e, const gr_stream *x, int rows, int columns, int chunk) {
  int n = share(e, x, chunk);
  gr_line(&e->out, "#pragma unroll");
  if (x->level == LEVEL_ROW)
    gr_line(&e->out, "for (int n = 0; n < %d; n++) chunk[(%d + n) * THREADS + threadIdx.x] = %s_next[n];", n, rows * chunk, x->name);
  else if (chunk * e->p->tile >= GR_CUDA_THREADS)
    gr_line(&e->out, "for (int n = 0; n < %d; n++) columns[%d * TILE + threadIdx.x + n * THREADS] = %s_next[n];", n, columns * chunk, x->name);
  else
    gr_line(&e->out, "for (int n = 0; n < 1; n++) if (threadIdx.x < %d * TILE) columns[%d * TILE + threadIdx.x] = %s_next[n];", chunk, columns * chunk, x->name);
}

static void load_chunk(gr_emitter *e, const gr_stream *x, int rows, int columns, int chunk) {
  bool row = x->level == LEVEL_ROW;
  int n = row ? 8 : columns_of_thread(e->p);
  gr_line(&e->out, "V %s[%d];", x->name, n);
  gr_line(&e->out, "#pragma unroll");
  if (row)
    gr_line(&e->out, "for (int v = 0; v < %d; v++) %s[v] = v_set(chunk[(k - k0 + %d) * THREADS + ROW(v)]);", n, x->name, rows * chunk);
  else
    gr_line(&e->out, "for (int q = 0; q < %d; q++) %s[q] = v_set(columns[(k - k0 + %d) * TILE + COLUMN(q)]);", n, x->name, columns * chunk);
}

/* Calls `f` for every stream that varies, with the number of those of its level before it. */
static void each_varying(gr_emitter *e, const gr_tile *t, int chunk, void (*f)(gr_emitter *, const gr_stream *, int, int, int)) {
  int rows = 0, columns = 0;
  for (int s = 0; s < t->n; s++) {
    const gr_stream *x = &t->stream[s];
    if (!x->varies) continue;
    f(e, x, rows, columns, chunk);
    rows += x->level == LEVEL_ROW, columns += x->level == LEVEL_COL;
  }
}

static void open_each(gr_emitter *e, const char *index, const char *n) {
  gr_line(&e->out, "#pragma unroll");
  gr_open(e, "for (int %s = 0; %s < %s; %s++)", index, index, n, index);
}

static void emit_contraction(gr_emitter *e, gr_ref r) {
  gr_ref kid = node(e, r)->kid[0];
  gr_tile t = {.n = 0};
  const char *name = gr_node_name(e, r), *add = term(e, &t, kid, "k");
  int dim = node(e, kid)->dim, chunk = chunk_size(e->p, &t);
  gr_line(&e->out, "/* %s: 8 rows by %d columns of a thread. */", name, columns_of_thread(e->p));
  gr_open_block(e);
  gr_line(&e->out, "T *const chunk = (T *)%st, *const columns = chunk + %d * THREADS;", name, count(&t, LEVEL_ROW, true) * chunk);
  gr_line(&e->out, "V a[8][COLUMNS];");
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, "for (int n = 0; n < 8 * COLUMNS; n++) a[n / COLUMNS][n %% COLUMNS] = v_set(0);");
  for (int s = 0; s < t.n; s++)
    if (!t.stream[s].varies) declare_fixed(e, &t.stream[s]);
  gr_line(&e->out, "auto last_k = [](int k) { return k < %d ? k : %d; };", dim, dim - 1);
  each_varying(e, &t, chunk, declare_next);
  gr_open(e, "auto read = [&](int k0)");
  each_varying(e, &t, chunk, read_next);
  e->out.indent--;
  gr_line(&e->out, "};");
  gr_line(&e->out, "read(0);");
  gr_open(e, "for (int k0 = 0; k0 < %d; k0 += %d)", dim, chunk);
  gr_line(&e->out, "const int k1 = k0 + %d < %d ? k0 + %d : %d;", chunk, dim, chunk, dim);
  gr_line(&e->out, "__syncthreads();");
  each_varying(e, &t, chunk, store_next);
  gr_line(&e->out, "__syncthreads();");
  gr_line(&e->out, "if (k1 < %d) read(k1);", dim);
  gr_line(&e->out, "#pragma unroll 1 /* 8 columns are enough to do: two coordinates at once would spill */");
  gr_open(e, "for (int k = k0; k < k1; k++)");
  each_varying(e, &t, chunk, load_chunk);
  open_each(e, "v", "8");
  open_each(e, "q", "COLUMNS");
  gr_line(&e->out, "a[v][q] += %s;", add);
  gr_close(e);
  gr_close(e);
  gr_close(e);
  gr_close(e);
  gr_line(&e->out, "__syncthreads();");
  open_each(e, "q", "COLUMNS");
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, "for (int v = 0; v < 8; v++) %st[COLUMN(q) * THREADS + ROW(v)] = a[v][q];", name);
  gr_close(e);
  gr_close(e);
}

void gr_emit_cuda_contractions(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].live && e->p->place[r].contract) emit_contraction(e, r);
}

/* ---- wide sums ---- */

/* The components of a pass for the tile's columns, one column after the other, four at a time: so
 * neighbouring threads read neighbouring numbers, and write in different banks. */
static void stage_pass(gr_emitter *e, const gr_stream *x, int rows, int columns, int n) {
  (void)rows;
  if (x->level != LEVEL_COL) return;
  open_reading(e, x);
  gr_line(&e->out, "#pragma unroll 4");
  gr_open(e, "for (int n = threadIdx.x; n < TILE * PASS / 4; n += THREADS)");
  gr_line(&e->out, "const int c = n %% TILE, m0 = n / TILE * 4;");
  gr_line(&e->out, "#pragma unroll");
  gr_open(e, "for (int m = m0; m < m0 + 4; m++)");
  gr_line(&e->out, "const int k = k0 + m < %d ? k0 + m : %d;", n, n - 1);
  gr_line(&e->out, "wide[(%d * TILE + c) * PASS_LD + m] = %s;", columns, in_reading(e, x, "last_column(c)"));
  gr_close(e);
  gr_close(e);
  close_reading(e, x);
}

/* What a thread's terms read of rows does not depend on the column. */
static void declare_rows(gr_emitter *e, const gr_stream *x, int n) {
  if (x->level != LEVEL_ROW) return;
  if (!x->varies) {
    declare_fixed(e, x);
    return;
  }
  gr_line(&e->out, "V %s[8][WIDE];", x->name);
  open_each(e, "m", "WIDE");
  gr_line(&e->out, "const int k = k0 + COMPONENT(m) < %d ? k0 + COMPONENT(m) : %d;", n, n - 1);
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, "for (int v = 0; v < 8; v++) %s[v][m] = v_set(%s);", x->name, in_memory(e, x, "ROW(v)"));
  gr_close(e);
}

static void load_column(gr_emitter *e, const gr_stream *x, int rows, int columns, int chunk) {
  (void)rows, (void)chunk;
  if (x->level != LEVEL_COL) return;
  gr_line(&e->out, "V %s[WIDE];", x->name);
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, "for (int m = 0; m < WIDE; m++) %s[m] = v_set(wide[(%d * TILE + c) * PASS_LD + COMPONENT(m)]);", x->name, columns);
}

/* What pairs left for a column, or a column's number that is the same for all components. */
static void load_scalar(gr_emitter *e, const gr_stream *x) {
  if (x->level == LEVEL_COL && !x->varies) gr_line(&e->out, "const V %s = v_set(%s);", x->name, in_memory(e, x, "c"));
  if (x->level != LEVEL_PAIR) return;
  gr_line(&e->out, "V %s[8];", x->name);
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, "for (int v = 0; v < 8; v++) %s[v] = %st[c * THREADS + ROW(v)];", x->name, gr_node_name(e, x->r));
}

static void add_products(gr_emitter *e, const gr_tile *t, const gr_wide *w, const char *add) {
  int n = w->n;
  gr_open(e, "for (int c = 0; c < nc; c++)");
  each_varying(e, t, 0, load_column);
  for (int s = 0; s < t->n; s++) load_scalar(e, &t->stream[s]);
  if (w->factor) {
    gr_line(&e->out, "V factor[8];");
    gr_line(&e->out, "#pragma unroll");
    gr_line(&e->out, "for (int v = 0; v < 8; v++) factor[v] = %s[c * THREADS + ROW(v)];", w->factor);
  }
  open_each(e, "m", "WIDE");
  gr_line(&e->out, "const int k = k0 + COMPONENT(m) < %d ? k0 + COMPONENT(m) : %d; (void)k;", n, n - 1);
  gr_line(&e->out, "#pragma unroll");
  gr_line(&e->out, w->factor ? "for (int v = 0; v < 8; v++) sum[v][m] += factor[v] * %s;" : "for (int v = 0; v < 8; v++) sum[v][m] += %s;", add);
  gr_close(e);
  gr_close(e);
}

/* A thread's sums into the states, in double. */
static void emit_fold(gr_emitter *e, const gr_wide *w) {
  const char *keep = w->factor ? "* (double)folded[ROW(v)].l[0] + (double)sum[v][m].l[0]" : "+ (double)sum[v][m].l[0]";
  gr_open(e, "if (fold)");
  open_each(e, "m", "WIDE");
  gr_line(&e->out, "const int k = k0 + COMPONENT(m);");
  open_each(e, "v", "8");
  gr_line(&e->out, "double *const s = mine + (%d + k) * ld_state + row0 + ROW(v);", w->entry);
  gr_line(&e->out, "if (k < %d && row0 + ROW(v) <= at.last) *s = *s %s;", w->n, keep);
  gr_line(&e->out, "sum[v][m] = v_set(0);");
  gr_close(e);
  gr_close(e);
  gr_close(e);
}

void gr_emit_cuda_wide(gr_emitter *e) {
  gr_wide w = e->red->wide(e);
  gr_tile t = {.wide = true};
  const char *add = term(e, &t, w.term, "k");
  int n = w.n;
  gr_line(&e->out, "/* The components of the sum: 8 rows by %d components of a thread. */", e->p->gpu.pass / 8);
  gr_line(&e->out, e->p->gpu.passes == 1 ? "#pragma unroll" : "#pragma unroll 1");
  gr_open(e, "for (int p = 0; p < PASSES; p++)");
  gr_line(&e->out, "const int k0 = p * PASS;");
  gr_line(&e->out, "V(&sum)[8][WIDE] = sums[p];");
  if (e->p->gpu.passes > 1) gr_line(&e->out, "if (p > 0) __syncthreads();");
  each_varying(e, &t, n, stage_pass);
  gr_line(&e->out, "__syncthreads();");
  for (int s = 0; s < t.n; s++) declare_rows(e, &t.stream[s], n);
  if (w.factor) {
    gr_line(&e->out, "#pragma unroll");
    gr_line(&e->out, "for (int n = 0; n < 8 * WIDE; n++) sum[n / WIDE][n %% WIDE] *= scale[ROW(n / WIDE)];");
  }
  add_products(e, &t, &w, add);
  emit_fold(e, &w);
  gr_close(e);
}

/* ---- names of what lies in shared memory behind the staged columns ---- */

void gr_emit_cuda_slots(gr_emitter *e) {
  const gr_plan *p = e->p;
  gr_line(&e->out, "V *const slot = (V *)(S + TILE * RECORD); /* arrays of the tile's columns, a row for each thread */");
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].slot >= 0) gr_line(&e->out, "V *const %st = slot + %d * TILE * THREADS;", gr_node_name(e, r), p->place[r].slot);
  if (!p->late) return;
  gr_line(&e->out, "T *const wide = (T *)(slot + %d * TILE * THREADS);", p->gpu.slots);
  if (!e->red->wide(e).factor) return;
  gr_line(&e->out, "V *const term = slot + %d * TILE * THREADS;", p->cpu.kept);
  gr_line(&e->out, "V *const scale = (V *)(wide + %d * TILE * PASS_LD), *const folded = scale + THREADS;", p->gpu.streams);
}
