/* target_c.c: the two targets of a processor, whose kernels are C: lanes are rows, or columns.
 *
 * Owns        how pairs read rows and columns, how values of the lower levels are kept, and the
 *             strings in which the two differ (gr_c_scheme).  emit.c describes the buffers P, R, S,
 *             C and W.
 * Guarantees  by columns, rows are broadcast and nothing is packed into C; the first row reads
 *             small variables of columns from the arguments themselves (gr_place.direct), converts
 *             them and stages them for the other rows. */
#include "emit/emitter.h"

#define FAMILY(name) extern const gr_red_emitter gr_c_##name;
GR_FAMILIES(FAMILY)
#undef FAMILY
#define FAMILY(name) extern const gr_red_emitter gr_c_late_##name;
GR_WIDE_FAMILIES(FAMILY)
#undef FAMILY

/* ---- what both share ---- */

static const char *kept(gr_emitter *e, gr_ref r, gr_idx k) {
  (void)k;
  const char *format = e->row > 0 ? "%st[apart + %s]" : "%st[%s]";
  return gr_format(e->c->arena, format, gr_node_name(e, r), e->t->at_column);
}

static bool keeps(const gr_emitter *e, gr_ref r) {
  return e->p->place[r].buffer >= 0 && gr_node_of(e, r)->op != OP_Var;
}

static void keep(gr_emitter *e, gr_ref r, gr_idx k) {
  const char *at = gr_idx_text(e, (gr_idx){k.sym, k.off + e->p->place[r].buffer});
  const char *format = e->at == LEVEL_ROW ? "v_store(Rv + %s * GR_L, %s);" : "v_store(S + %s * LD + c, %s);";
  gr_line(&e->out, format, at, gr_value(e, r, k));
}

static const gr_red_emitter *const reductions[FAM_COUNT] = {
#define FAMILY(name) [FAM_##name] = &gr_c_##name,
    GR_FAMILIES(FAMILY)
#undef FAMILY
};
static const gr_red_emitter *const late[FAM_COUNT] = {
#define FAMILY(name) [FAM_##name] = &gr_c_late_##name,
    GR_WIDE_FAMILIES(FAMILY)
#undef FAMILY
};

static const gr_language in_c = {.eases_compiling = true,
                                 .prelude = GR_PIECE(base) | GR_PIECE(plain),
                                 .offered = ~0u,
                                 .reduction = reductions,
                                 .late = late,
                                 .keeps = keeps,
                                 .keep = keep,
                                 .kept = kept};

static const char *staged_index(gr_emitter *e, gr_ref r, gr_idx k) {
  return gr_idx_text(e, (gr_idx){k.sym, k.off + e->p->place[r].buffer});
}

/* Of lanes that are `step` apart in the argument, the first at row r and this column. */
static const char *pairs_from(gr_emitter *e, gr_ref r, gr_idx k, const char *column, bool step_by_ld) {
  gr_arena *a = e->c->arena;
  const char *name = gr_node_name(e, r), *row = "r", *step = step_by_ld ? gr_format(a, "%s_ld", name) : "1";
  const char *component = gr_node_of(e, r)->dim == 1 ? "" : gr_format(a, " + %s * %s_apart", gr_idx_text(e, k), name);
  bool by_i = e->p->ask.axis == 1;
  gr_calls(e, GR_PIECE(load_pairs));
  return gr_format(a, "load_pairs(%s_at + %s + %s * %s_ld%s, %s, nl)", name, by_i ? row : column, by_i ? column : row,
                   name, component, step);
}

/* ---- lanes are rows ---- */

static const char *rows_row(gr_emitter *e, gr_ref r, gr_idx k) {
  const char *at = staged_index(e, r, k);
  if (e->row < 0) return gr_format(e->c->arena, "v_load(Rv + %s * GR_L)", at);
  return gr_format(e->c->arena, "v_load(R%d + %s * GR_L)", e->row, at);
}

/* Wide columns are packed for the loops over their components; late ones read the stage. */
static const char *rows_column(gr_emitter *e, gr_ref r, gr_idx k) {
  gr_arena *a = e->c->arena;
  if (e->at == LEVEL_COL) return gr_format(a, "v_load(S + %s * LD + c)", staged_index(e, r, k));
  int packed = e->p->place[r].packed;
  if (packed < 0 || e->late) return gr_format(a, "v_set(S[%s * LD + c])", staged_index(e, r, k));
  const char *at = gr_idx_text(e, (gr_idx){k.sym, k.off + packed});
  return e->col > 0 ? gr_format(a, "v_set(Cg[%s * G + %d])", at, e->col) : gr_format(a, "v_set(Cg[%s * G])", at);
}

/* The columns that fill the last span of a selection are copies of the last one. */
static const char *rows_pair(gr_emitter *e, gr_ref r, gr_idx k) {
  return pairs_from(e, r, k, gr_selects(e->p) ? "(c < nc ? c : nc - 1)" : "c", e->p->ask.axis != 1);
}

static const char *const two_vectors[] = {
    "const int nv = nr - t > GR_L ? 2 : 1;",
    "const T *R0 = R + (int64)t * NROW, *R1 = nv == 2 ? R0 + (int64)NROW * GR_L : R0;", NULL};

static const gr_c_scheme by_rows = {
    .state = "(n) (state + (n) * ld_state + r) /* number n of the state of this vector of rows */",
    .parameters = "const T *P, const T *R, const ",
    .placed = "const double *const *arg, const int64 *ld, int64 r0, ",
    .place = "arg, ld, r0, ",
    .row_loop = "for (int r = 0; r < nr; r += GR_L)",
    .row = "const T *Rv = R + (int64)r * NROW; (void)Rv;",
    .lanes_read = "const int nl = nr - r < GR_L ? nr - r : GR_L;",
    .column_loop = "for (int c = 0; c < nc; c++)",
    .span_loop = "for (int g = 0; g < nc; g += SPAN)",
    .span_size = "const int nq = nc - g < SPAN ? nc - g : SPAN;",
    .in_span_loop = "for (int q = 0; q < SPAN; q++)",
    .in_span_column = "const int c = g + q;",
    .tile_loop = "for (int t = 0; t < nr; t += 2 * GR_L)",
    .tile_rows = two_vectors,
    .tile_row_loop = "for (int v = 0, r = t; v < nv; v++, r += GR_L)",
    .apart = "nv == 2 ? TILE : 0",
    .contraction = "/* Two vectors of rows with a tile of columns. */",
    .contraction_columns = "C",
    .contraction_loop = "for (int c = 0; c < WHOLE(nc); c += G)",
    .contraction_group = "const T *Cg = C + (int64)c * NCOL;",
    .span_index = "vi_set((TI)(b + g + q))",
    .lanes_of_column = "GR_L",
    .index_of_column = "(first, q) vi_set((first) + (q))"};

const gr_target gr_target_rows = {
    .in = &in_c, .row = rows_row, .column = rows_column, .pair = rows_pair, .at_column = "c", .columns_seen = "nc", .c = &by_rows};

/* ---- lanes are columns ---- */

static const char *columns_row(gr_emitter *e, gr_ref r, gr_idx k) {
  if (e->at != LEVEL_PAIR) return rows_row(e, r, k);
  return gr_format(e->c->arena, "v_set(%s[%s * GR_L])", e->row < 0 ? "Rv" : "R0", staged_index(e, r, k));
}

static const char *columns_column(gr_emitter *e, gr_ref r, gr_idx k) {
  if (e->at != LEVEL_PAIR) return rows_column(e, r, k);
  gr_arena *a = e->c->arena;
  const char *t = staged_index(e, r, k), *of = gr_idx_text(e, k), *name = gr_node_name(e, r);
  const char *c = e->col < 0 || e->late ? "c" : gr_format(a, "c + %d * GR_L", e->col);
  if (!e->p->place[r].direct) return gr_format(a, "v_load(S + %s * LD + %s)", t, c);
  bool origin = gr_has_origin(e, gr_node_of(e, r)->ints[0]);
  const char *from = origin ? gr_format(a, "%s_from[%s]", name, of) : "0";
  gr_calls(e, GR_PIECE(column));
  return gr_format(a, "column(S + %s * LD + %s, %s_at + %s * %s_ld + %s, %s, r)", t, c, name, of, name, c, from);
}

static const char *columns_pair(gr_emitter *e, gr_ref r, gr_idx k) {
  return pairs_from(e, r, k, "c", e->p->ask.axis == 1);
}

/* Where the first row reads the columns of a variable: in the argument or, where they fill no
 * vector, in a copy. */
static void name_direct(gr_emitter *e, gr_ref r, int arg) {
  const char *name = gr_node_name(e, r);
  int dim = gr_node_of(e, r)->dim;
  if (!e->p->place[r].direct) return;
  gr_calls(e, GR_PIECE(take_left));
  gr_line(&e->out, "double %s_left[%d * GR_L];", name, dim);
  gr_line(&e->out,
          "const double *const %s_at = left ? take_left(arg[%d] + b, ld[%d], %d, left, %s_left) : arg[%d] + b;", name,
          arg, arg, dim, name, arg);
  gr_line(&e->out, "const int64 %s_ld = left ? GR_L : ld[%d]; (void)%s_at, (void)%s_ld;", name, arg, name, name);
  if (!gr_has_origin(e, arg)) return;
  gr_line(&e->out, "double %s_from[%d];", name, dim);
  gr_line(&e->out, "for (int k = 0; k < %d; k++) %s_from[k] = arg[%d][k];", dim, name, e->p->ask.args->n + arg);
}

static void name_columns(gr_emitter *e) {
  gr_line(&e->out, "const int left = nc %% GR_L;");
  gr_line(&e->out, "nc = (nc + GR_L - 1) / GR_L * GR_L;");
  gr_line(&e->out, "(void)arg, (void)ld, (void)left;");
  if (gr_reads_pairs(e->p)) gr_line(&e->out, "const int nl = left ? left : GR_L;");
  e->at = LEVEL_COL;
  gr_each_variable(e, name_direct);
  e->at = LEVEL_PAIR;
}

static const char *const lane_numbers[] = {
    "VI lane = vi_set(0);", "for (int l = 0; l < GR_L; l++) lane[l] = l;", "(void)lane;", NULL};
static const char *const one_row[] = {
    "const T *R0 = R + (int64)(r / GR_L) * NROW * GR_L + r % GR_L, *R1 = R0; (void)R1;", NULL};

static const gr_c_scheme by_columns = {
    .state_per_lane = true,
    .state = "(n) (state + (n) * ld_state + r * 16) /* number n of the states of this row, one per lane */",
    .parameters = "const double *const *arg, const int64 *ld, const T *P, const T *R, ",
    .placed = "int64 r0, ",
    .place = "r0, ",
    .begin = name_columns,
    .lanes = lane_numbers,
    .row_loop = "for (int r = 0; r < nr; r++)",
    .row = "const T *Rv = R + (int64)(r / GR_L) * NROW * GR_L + r % GR_L; (void)Rv;",
    .column_loop = "for (int c = 0; c < nc; c += GR_L)",
    .span_loop = "for (int g = 0; g < nc; g += SPAN * GR_L)",
    .span_size = "const int nq = nc - g < SPAN * GR_L ? (nc - g) / GR_L : SPAN;",
    .in_span_loop = "for (int q = 0; q < nq; q++)",
    .in_span_column = "const int c = g + q * GR_L;",
    .tile_loop = "for (int r = 0; r < nr; r++)",
    .tile_rows = one_row,
    .apart = "0",
    .contraction = "/* One row with a tile of columns. */",
    .contraction_columns = "S",
    .contraction_loop = "for (int c = 0; c < nc; c += G * GR_L)",
    .span_index = "(vi_set((TI)(b + g + q * GR_L)) + lane)",
    .lanes_of_column = "1",
    .index_of_column = "(first, q) (vi_set((first) + (q) * GR_L) + lanes())"};

const gr_target gr_target_columns = {.in = &in_c,
                                     .row = columns_row,
                                     .column = columns_column,
                                     .pair = columns_pair,
                                     .at_column = "c / GR_L",
                                     .columns_seen = "nc / GR_L",
                                     .c = &by_columns};
