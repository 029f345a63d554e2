/* emit_pairs.c: plan to C: what is computed for pairs, in a processor's kernel.
 *
 * Owns      the function `pairs`, and contractions and wide sums.  These are functions of their
 *           own, called before and after the loop over the columns of a tile, so that the compiler
 *           gives all registers to each.  Both accumulate in a register tile: vectors of rows by
 *           columns or by components.
 * Assumes   a target that has a gr_c_scheme; loops and names that differ between the two are
 *           strings of it. */
#include "emit/emitter.h"

static const gr_node *node(const gr_emitter *e, gr_ref r) { return gr_node_of(e, r); }

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

/* Coordinates k0 ... of a contraction: all of them, or a block. */
static void emit_coordinates(gr_emitter *e, gr_ref kid, bool blocks) {
  int dim = node(e, kid)->dim;
  if (blocks) gr_line(&e->out, "const int end = b + %d < %d ? b + %d : %d;", K_BLOCK, dim, K_BLOCK, dim);
  gr_line(&e->out, "#pragma GCC unroll 2");
  if (blocks)
    gr_open(e, "for (int k = b; k < end; k++)");
  else
    gr_open(e, "for (int k = 0; k < %d; k++)", dim);
  add_to_tile(e, e->p->cpu.rows, e->p->cpu.columns, contraction_term, &kid);
  gr_close(e);
}

/* Sums over coordinates, for all columns of a tile. */
static void emit_contraction(gr_emitter *e, gr_ref r) {
  const gr_c_scheme *s = e->t->c;
  gr_ref kid = node(e, r)->kid[0];
  int dim = node(e, kid)->dim, rows = e->p->cpu.rows, cols = e->p->cpu.columns;
  bool blocks = dim > K_BLOCK;
  const char *at = e->t->at_column;
  gr_line(&e->out, "%s", s->contraction);
  gr_open_function(e, cols == 6 ? "GR_APART GR_ALIGNED void" : "GR_APART void",
                   gr_format(e->c->arena, "sum_%s", gr_node_name(e, r)),
                   "const T *P, const T *R0, const T *R1, const T *%s, int nc, V *to", s->contraction_columns);
  gr_line(&e->out, "(void)P, (void)R1;");
  if (blocks) gr_open(e, "for (int b = 0; b < %d; b += %d)", dim, K_BLOCK);
  gr_open(e, "%s", s->contraction_loop);
  if (s->contraction_group) gr_line(&e->out, "%s", s->contraction_group);
  declare_tile(e, rows, cols, blocks ? at : "");
  emit_coordinates(e, kid, blocks);
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
  if (!d->wide->factor) return s;
  const char *format = row ? "%s[apart + %s] * %s" : "%s[%s] * %s";
  return gr_format(e->c->arena, format, d->wide->factor, e->t->at_column, s);
}

/* `cols` components from k on. */
static void emit_wide_tile(gr_emitter *e, const gr_wide *w, int cols, const char *k) {
  declare_tile(e, e->p->cpu.rows, cols, "");
  gr_line(&e->out, "#pragma GCC unroll 2");
  gr_open(e, "%s", e->t->c->column_loop);
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
  gr_wide w = e->red->wide(e);
  enum { MOST = 6 };
  int tiles = (w.n + MOST - 1) / MOST, cols = (w.n + tiles - 1) / tiles, whole = w.n / cols * cols;
  gr_line(&e->out, "/* The components of the sum, for the columns of a tile. */");
  gr_open_function(e, "GR_APART void", "wide_sums",
                   "const T *P, const T *R0, const T *R1, const T *S, V *W, int nc, int apart");
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
    gr_open_block(e);
    gr_line(&e->out, "enum { k = %d };", whole);
    emit_wide_tile(e, &w, w.n - whole, "k");
    gr_close(e);
  }
  gr_close(e);
  gr_put(&e->out, "\n");
}

/* ---- pairs ---- */

/* The latency of cheap pairs is hidden by instructions of other pairs: several columns are
 * interleaved. */
enum { ABREAST_COST = 80 };
static bool abreast(const gr_emitter *e) {
  return e->red->abreast && e->p->cpu.columns == 1 && e->p->cost <= ABREAST_COST;
}

/* The loop over columns, or vectors of them; for selections in spans, the last of which is filled
 * with copies. */
static void open_columns(gr_emitter *e) {
  const gr_c_scheme *s = e->t->c;
  if (!gr_selects(e->p)) {
    gr_open(e, "%s", s->column_loop);
    return;
  }
  gr_open(e, "%s", s->span_loop);
  gr_line(&e->out, "%s", s->span_size);
  gr_part(e, e->red->span_begin);
  gr_open(e, "%s", s->in_span_loop);
  gr_line(&e->out, "%s", s->in_span_column);
}

static void close_columns(gr_emitter *e) {
  gr_close(e);
  if (!gr_selects(e->p)) return;
  gr_part(e, e->red->span);
  gr_close(e);
}

static void name_group(gr_emitter *e) {
  if (!e->p->width.packed) return;
  gr_line(&e->out, e->p->cpu.columns > 1 ? "const T *Cg = C + (int64)(c / G) * (NCOL * G) + c %% G; (void)Cg;"
                                         : "const T *Cg = C + (int64)c * NCOL; (void)Cg;");
}

static void emit_columns_loop(gr_emitter *e) {
  if (abreast(e)) gr_line(&e->out, "GR_ABREAST");
  open_columns(e);
  name_group(e);
  e->locals = true;
  gr_declare_locals(e, LEVEL_COL);
  gr_emit_level(e);
  gr_part(e, e->red->step);
  e->locals = false;
  close_columns(e);
}

/* ---- arrays of pairs ---- */

/* Where the pair of row r0 and column b is in an argument; its strides. */
static void name_pairs(gr_emitter *e, gr_ref r, int arg) {
  const char *name = gr_node_name(e, r);
  bool by_i = e->p->ask.axis == 1;
  int apart = e->p->ask.args->n + 2 + arg;
  gr_line(&e->out, "const int64 %s_ld = ld[%d], %s_apart = ld[%d]; (void)%s_apart;", name, arg, name, apart, name);
  gr_line(&e->out, "const double *const %s_at = arg[%d] + %s + %s * %s_ld;", name, arg, by_i ? "r0" : "b",
          by_i ? "b" : "r0", name);
}

/* ---- rows ---- */

static void call_contractions(gr_emitter *e) {
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++) {
    const char *name = gr_node_name(e, r);
    if (e->p->place[r].contract)
      gr_line(&e->out, "sum_%s(P, R0, R1, %s, nc, %st);", name, e->t->c->contraction_columns, name);
  }
}

/* One row, or vector of rows, with the columns of a tile, up to the wide sums. */
static void emit_row(gr_emitter *e) {
  gr_line(&e->out, "%s", e->t->c->row);
  if (e->t->c->lanes_read && gr_reads_pairs(e->p)) gr_line(&e->out, "%s", e->t->c->lanes_read);
  gr_declare_locals(e, LEVEL_ROW);
  gr_part(e, e->red->declare);
  gr_part(e, e->red->begin);
  emit_columns_loop(e);
  gr_part(e, e->red->tile);
}

static void call_wide_sums(gr_emitter *e) {
  gr_line(&e->out, "wide_sums(P, R0, R1, S, W, nc, %s);", e->t->c->apart);
}

static void emit_rows(gr_emitter *e) {
  gr_open(e, "%s", e->t->c->row_loop);
  emit_row(e);
  gr_part(e, e->red->end);
  gr_close(e);
}

/* The rows of a register tile: contractions, then the pairs of each vector of rows, then wide
 * sums. */
static void emit_tiles_of_rows(gr_emitter *e) {
  const char *row_loop = e->t->c->tile_row_loop;
  gr_open(e, "%s", e->t->c->tile_loop);
  gr_lines(e, e->t->c->tile_rows);
  call_contractions(e);
  if (row_loop) gr_open(e, "%s", row_loop);
  emit_row(e);
  if (e->p->late) {
    if (row_loop) gr_close(e);
    call_wide_sums(e);
    if (row_loop) {
      gr_open(e, "%s", row_loop);
      gr_part(e, e->red->declare);
    }
  }
  gr_part(e, e->red->end);
  if (row_loop) gr_close(e);
  gr_close(e);
}

void gr_emit_pairs(gr_emitter *e) {
  const gr_c_scheme *s = e->t->c;
  e->at = LEVEL_PAIR;
  for (gr_ref r = 0; r < e->p->ask.dag->n; r++)
    if (e->p->place[r].contract) emit_contraction(e, r);
  if (e->p->late) emit_wide_sums(e);
  gr_part(e, e->red->support);
  if (abreast(e) || e->red->scheduled) gr_line(&e->out, "GR_MIX");
  gr_line(&e->out, "/* All rows against columns b ... b + nc. */");
  gr_open_function(e, "static void", "pairs",
                   "%s%sT *S, const T *C, V *W, double *state, int64 ld_state, int nr, int64 b, int nc",
                   gr_reads_pairs(e->p) ? s->placed : "", s->parameters);
  gr_line(&e->out, "(void)P, (void)R, (void)S, (void)C, (void)W, (void)b;");
  gr_part(e, s->begin);
  gr_each_variable(e, name_pairs);
  name_kept(e, true);
  gr_declare_locals(e, LEVEL_PARAM);
  if (s->lanes) gr_lines(e, s->lanes);
  if (e->p->cpu.columns > 1)
    emit_tiles_of_rows(e);
  else
    emit_rows(e);
  gr_close(e);
}
