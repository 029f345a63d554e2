/* emit_pairs.c: plan to C: what is computed for pairs.
 *
 * Contractions and wide sums are functions of their own, called before and after the loop over a tile's columns: so the
 * compiler gives them all registers.  Both fill a register tile, vectors of rows by columns or components. */
#include "emit/emitter.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return &e->p->ask.dag->node[r]; }
static const gr_red_emitter *reduction(const gr_emitter *e) { return gr_red_emitter_of(e->p); }

/* ---- names for what pairs read often ---- */

static void local_component(gr_emitter *e, gr_idx k, const void *data) {
  gr_ref r = *(const gr_ref *)data;
  gr_line(&e->out, "%s[%s] = %s;", gr_node_name(e, r), gr_idx_text(e, k), gr_from_buffer(e, r, k));
}

/* Small vectors of a lower level get local names. */
void gr_declare_locals(gr_emitter *e, gr_level level) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    const gr_place *pl = &e->p->place[r];
    const gr_node *n = node(e, r);
    if (pl->level != level || !pl->read || n->dim > GR_UNROLL) continue;
    if (n->dim == 1) {
      gr_line(&e->out, "const V %s = %s;", gr_node_name(e, r), gr_from_buffer(e, r, (gr_idx){NULL, 0}));
    } else {
      gr_line(&e->out, "V %s[%d];", gr_node_name(e, r), n->dim);
      gr_each(e, n->dim, local_component, &r);
    }
  }
}

static void name_direct(gr_emitter *e, gr_ref r, int arg) {
  const char *name = gr_node_name(e, r);
  if (!e->p->place[r].direct) return;
  gr_line(&e->out, "double %s_left[%d * GR_L];", name, node(e, r)->dim);
  gr_line(&e->out, "const double *const %s_at = left ? take_left(arg[%d] + b, ld[%d], %d, left, %s_left) : arg[%d] + b;", name, arg, arg,
          node(e, r)->dim, name, arg);
  gr_line(&e->out, "const int64 %s_ld = left ? GR_L : ld[%d]; (void)%s_at, (void)%s_ld;", name, arg, name, name);
  if (!gr_has_origin(e, arg)) return;
  gr_line(&e->out, "double %s_from[%d];", name, node(e, r)->dim);
  gr_line(&e->out, "for (int k = 0; k < %d; k++) %s_from[k] = arg[%d][k];", node(e, r)->dim, name, e->p->ask.args->n + arg);
}

/* The columns that the first row reads from the arguments, from column b on; where they fill no
 * vector, from copies. */
static void name_columns(gr_emitter *e) {
  gr_line(&e->out, "const int left = nc %% GR_L;");
  gr_line(&e->out, "nc = (nc + GR_L - 1) / GR_L * GR_L;");
  gr_line(&e->out, "(void)arg, (void)ld, (void)left;");
  e->at = LEVEL_COL;
  gr_each_variable(e, name_direct);
  e->at = LEVEL_PAIR;
}

/* ---- register tiles: contractions before the pairs, wide sums after them ---- */

enum { K_BLOCK = 256 }; /* components of a contraction whose rows stay in the first-level cache */

typedef const char *tile_term(gr_emitter *e, const void *data, int row, int col);

/* a00 a01 ...: what `start` is for each, or 0. */
static void declare_tile(gr_emitter *e, int rows, int cols, const char *start) {
  gr_str s = {.arena = e->c->arena};
  for (int v = 0; v < rows; v++)
    for (int q = 0; q < cols; q++) {
      gr_putf(&s, "%sa%d%d = ", s.n ? ", " : "V ", v, q);
      gr_putf(&s, *start ? "b ? to[%s%s + %d] : v_set(0)" : "v_set(0)", v ? "TILE + " : "", start, q);
    }
  gr_line(&e->out, "%s;", s.s);
}

static void add_to_tile(gr_emitter *e, int rows, int cols, tile_term *term, const void *data) {
  for (int q = 0; q < cols; q++)
    for (int v = 0; v < rows; v++) gr_line(&e->out, "a%d%d += %s;", v, q, term(e, data, v, q));
}

static const char *contraction_term(gr_emitter *e, const void *data, int row, int col) {
  e->row = row, e->col = col;
  const char *s = gr_value(e, *(const gr_ref *)data, (gr_idx){"k", 0});
  e->row = e->col = -1;
  return s;
}

/* Sums over coordinates, for all columns of a tile. */
static void emit_contraction(gr_emitter *e, gr_ref r) {
  gr_ref kid = node(e, r)->kid[0];
  int dim = node(e, kid)->dim, rows = e->p->cpu.rows, cols = e->p->cpu.columns;
  bool few = e->p->target == TARGET_COLUMNS, blocks = dim > K_BLOCK;
  const char *at = gr_at_column(e);
  gr_line(&e->out, few ? "/* One row with a tile of columns. */" : "/* Two vectors of rows with a tile of columns. */");
  gr_open(e, "GR_APART %svoid sum_%s(const T *P, const T *R0, const T *R1, const T *%s, int nc, V *to)", cols == 6 ? "GR_ALIGNED " : "",
          gr_node_name(e, r), few ? "S" : "C");
  gr_line(&e->out, "(void)P, (void)R1;");
  if (blocks) gr_open(e, "for (int b = 0; b < %d; b += %d)", dim, K_BLOCK);
  gr_open(e, few ? "for (int c = 0; c < nc; c += G * GR_L)" : "for (int c = 0; c < WHOLE(nc); c += G)");
  if (!few) gr_line(&e->out, "const T *Cg = C + (int64)c * NCOL;");
  declare_tile(e, rows, cols, blocks ? at : "");
  if (blocks) gr_line(&e->out, "const int end = b + %d < %d ? b + %d : %d;", K_BLOCK, dim, K_BLOCK, dim);
  gr_line(&e->out, "#pragma GCC unroll 2");
  gr_open(e, "for (int k = %s; k < %s; k++)", blocks ? "b" : "0", blocks ? "end" : gr_format(e->c->arena, "%d", dim));
  add_to_tile(e, rows, cols, contraction_term, &kid);
  gr_close(e);
  for (int v = 0; v < rows; v++)
    for (int q = 0; q < cols; q++) gr_line(&e->out, "to[%s%s + %d] = a%d%d;", v ? "TILE + " : "", at, q, v, q);
  if (blocks) gr_close(e);
  gr_close(e);
  gr_close(e);
  gr_put(&e->out, "\n");
}

typedef struct wide_data {
  const gr_wide *wide;
  const char *k; /* of the first component of the tile */
} wide_data;

static const char *wide_term(gr_emitter *e, const void *data, int row, int col) {
  const wide_data *d = data;
  e->row = row, e->late = true;
  const char *s = gr_value(e, d->wide->term, (gr_idx){d->k, col});
  e->row = -1, e->late = false;
  return d->wide->factor ? gr_format(e->c->arena, row ? "%s[apart + %s] * %s" : "%s[%s] * %s", d->wide->factor, gr_at_column(e), s) : s;
}

/* `cols` components from k on. */
static void emit_wide_tile(gr_emitter *e, const gr_wide *w, int cols, const char *k) {
  declare_tile(e, e->p->cpu.rows, cols, "");
  gr_line(&e->out, "#pragma GCC unroll 2");
  gr_open(e, e->p->target == TARGET_COLUMNS ? "for (int c = 0; c < nc; c += GR_L)" : "for (int c = 0; c < nc; c++)");
  add_to_tile(e, e->p->cpu.rows, cols, wide_term, &(wide_data){w, k});
  gr_close(e);
  for (int v = 0; v < e->p->cpu.rows; v++)
    for (int q = 0; q < cols; q++) gr_line(&e->out, "to[%s + %d] = a%d%d;", k, q + v * w->apart, v, q);
}

/* Names of what is kept for each column of a tile. */
static void name_kept(gr_emitter *e, bool all) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].slot >= 0 && (all || e->p->place[r].saved))
      gr_line(&e->out, "V *const %st = W + %d;", gr_node_name(e, r), e->p->place[r].slot);
}

/* The components of a wide sum, summed over the columns of a tile. */
static void emit_wide_sums(gr_emitter *e) {
  gr_wide w = gr_emit_red_wide(e);
  enum { MOST = 6 };
  int tiles = (w.n + MOST - 1) / MOST, cols = (w.n + tiles - 1) / tiles, whole = w.n / cols * cols;
  gr_line(&e->out, "/* The components of the sum, for the columns of a tile. */");
  gr_open(e, "GR_APART void wide_sums(const T *P, const T *R0, const T *R1, const T *S, V *W, int nc, int apart)");
  gr_line(&e->out, "(void)P, (void)R0, (void)R1, (void)S, (void)apart;");
  name_kept(e, false);
  if (w.factor) gr_line(&e->out, "const V *const %s = W + %d;", w.factor, e->p->cpu.kept);
  gr_line(&e->out, "V *const to = W + %d;", w.to);
  if (whole) {
    gr_open(e, "for (int k = 0; k < %d; k += %d)", whole, cols);
    emit_wide_tile(e, &w, cols, "k");
    gr_close(e);
  }
  if (w.n > whole) {
    gr_open(e, "%s", "");
    gr_line(&e->out, "enum { k = %d };", whole);
    emit_wide_tile(e, &w, w.n - whole, "k");
    gr_close(e);
  }
  gr_close(e);
  gr_put(&e->out, "\n");
}

/* ---- pairs ---- */

/* Cheap pairs wait for one another: several at a time, and their instructions mixed, keep the processor busy. */
enum { ABREAST_COST = 80 };
static bool abreast(const gr_plan *p) {
  return p->ask.red.family == FAM_Total && p->cpu.columns == 1 && p->cost <= ABREAST_COST;
}

/* The loop over columns (by columns: over vectors of them); for selections in spans, of which the last is filled with copies. */
static void open_columns(gr_emitter *e) {
  bool few = e->p->target == TARGET_COLUMNS;
  if (!gr_selects(e->p)) {
    gr_open(e, few ? "for (int c = 0; c < nc; c += GR_L)" : "for (int c = 0; c < nc; c++)");
    return;
  }
  gr_open(e, few ? "for (int g = 0; g < nc; g += SPAN * GR_L)" : "for (int g = 0; g < nc; g += SPAN)");
  gr_line(&e->out, few ? "const int nq = nc - g < SPAN * GR_L ? (nc - g) / GR_L : SPAN;" : "const int nq = nc - g < SPAN ? nc - g : SPAN;");
  reduction(e)->span_begin(e);
  gr_open(e, few ? "for (int q = 0; q < nq; q++)" : "for (int q = 0; q < SPAN; q++)");
  gr_line(&e->out, few ? "const int c = g + q * GR_L;" : "const int c = g + q;");
}

static void close_columns(gr_emitter *e) {
  gr_close(e);
  if (!gr_selects(e->p)) return;
  reduction(e)->span(e);
  gr_close(e);
}

static void emit_columns_loop(gr_emitter *e) {
  if (abreast(e->p)) gr_line(&e->out, "GR_ABREAST");
  open_columns(e);
  if (e->p->width.packed && e->p->target != TARGET_COLUMNS)
    gr_line(&e->out, e->p->cpu.columns > 1 ? "const T *Cg = C + (int64)(c / G) * (NCOL * G) + c %% G; (void)Cg;" : "const T *Cg = C + (int64)c * NCOL; (void)Cg;");
  e->locals = true;
  gr_declare_locals(e, LEVEL_COL);
  gr_emit_level(e);
  reduction(e)->step(e);
  e->locals = false;
  close_columns(e);
}

/* One row, or vector of rows: its place in the buffers and its state. */
static void emit_row(gr_emitter *e) {
  if (e->p->target == TARGET_COLUMNS)
    gr_line(&e->out, "const T *Rv = R + (int64)(r / GR_L) * NROW * GR_L + r %% GR_L; (void)Rv;");
  else
    gr_line(&e->out, "const T *Rv = R + (int64)r * NROW; (void)Rv;");
}

static void open_rows(gr_emitter *e) {
  if (e->p->target == TARGET_COLUMNS)
    gr_open(e, "for (int r = 0; r < nr; r++)");
  else if (e->p->cpu.rows == 1)
    gr_open(e, "for (int r = 0; r < nr; r += GR_L)");
  else
    gr_open(e, "for (int v = 0, r = t; v < nv; v++, r += GR_L)");
}

static void call_contractions(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].contract)
      gr_line(&e->out, "sum_%s(P, R0, R1, %s, nc, %st);", gr_node_name(e, r), e->p->target == TARGET_COLUMNS ? "S" : "C", gr_node_name(e, r));
}

/* Vectors of rows two by two: contractions, then the pairs of each, then wide sums. */
static void open_register_tile(gr_emitter *e) {
  if (e->p->target == TARGET_COLUMNS) {
    gr_open(e, "for (int r = 0; r < nr; r++)");
    gr_line(&e->out, "const T *R0 = R + (int64)(r / GR_L) * NROW * GR_L + r %% GR_L, *R1 = R0; (void)R1;");
  } else {
    gr_open(e, "for (int t = 0; t < nr; t += 2 * GR_L)");
    gr_line(&e->out, "const int nv = nr - t > GR_L ? 2 : 1;");
    gr_line(&e->out, "const T *R0 = R + (int64)t * NROW, *R1 = nv == 2 ? R0 + (int64)NROW * GR_L : R0;");
  }
  call_contractions(e);
}

static void emit_pairs_loop(gr_emitter *e) {
  bool tiled = e->p->cpu.columns > 1, inner = tiled && e->p->target != TARGET_COLUMNS;
  if (tiled) open_register_tile(e);
  if (!tiled || inner) open_rows(e);
  emit_row(e);
  gr_declare_locals(e, LEVEL_ROW);
  reduction(e)->declare(e);
  reduction(e)->begin(e);
  emit_columns_loop(e);
  reduction(e)->tile(e);
  if (e->p->late) {
    if (inner) gr_close(e);
    gr_line(&e->out, "wide_sums(P, R0, R1, S, W, nc, %s);", inner ? "nv == 2 ? TILE : 0" : "0");
    if (inner) {
      open_rows(e);
      reduction(e)->declare(e);
    }
  }
  reduction(e)->end(e);
  if (inner) gr_close(e);
  gr_close(e);
}

void gr_emit_pairs(gr_emitter *e) {
  e->at = LEVEL_PAIR;
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].contract) emit_contraction(e, r);
  if (e->p->late) emit_wide_sums(e);
  reduction(e)->support(e);
  if (abreast(e->p) || e->p->ask.red.family == FAM_ExpSum) gr_line(&e->out, "GR_MIX");
  gr_line(&e->out, "/* All rows against columns b ... b + nc. */");
  gr_open(e, "static void pairs(%sT *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc)",
          e->p->target == TARGET_COLUMNS ? "const double *const *arg, const int64 *ld, const T *P, const T *R, " : "const T *P, const T *R, const ");
  gr_line(&e->out, "(void)P, (void)R, (void)S, (void)C, (void)W, (void)b;");
  if (e->p->target == TARGET_COLUMNS) name_columns(e);
  name_kept(e, true);
  gr_declare_locals(e, LEVEL_PARAM);
  if (e->p->target == TARGET_COLUMNS) {
    gr_line(&e->out, "VI lane = vi_set(0);");
    gr_line(&e->out, "for (int l = 0; l < GR_L; l++) lane[l] = l;");
    gr_line(&e->out, "(void)lane;");
  }
  emit_pairs_loop(e);
  gr_close(e);
}
