/* plan.c: what is computed when.
 *
 * "row" is the index that is kept (lanes of the vectors run over rows), "col" the one that is reduced.  Every node has
 * a level by what it depends on: parameters once, rows once per block of rows, columns once per tile, pairs in the inner
 * loop.  Nodes that a deeper level reads are kept in buffers.  Wide element-wise nodes need no storage when they are
 * read once (or are as cheap to recompute as to load): they are expanded into the loop that reads them.
 *
 * A Sum over coordinates whose terms come from lower levels only (squared distances, scalar products, weighted norms,
 * any element-wise expression in x_d, y_d, p_d) is a contraction: a loop of its own computes it for all columns of a
 * tile before the pairs, in a register tile of rows and columns as a matrix product does.  Wide sums (many signals,
 * weights of exponentials) are the same after the pairs: a register tile of rows and components, summed over columns. */
#include <string.h>

#include "plan/plan.h"

static const gr_node *node(const gr_plan *p, gr_ref r) { return &p->ask.dag->node[r]; }
static bool is_view(const gr_node *n) { return gr_ops[n->op].flags & FLAG_VIEW; }
static bool is_free(const gr_node *n) { return n->op == OP_Const || n->op == OP_Zero || is_view(n); }

/* The node whose components a view shows. */
gr_ref gr_behind_views(const gr_plan *p, gr_ref r) {
  while (is_view(node(p, r))) r = node(p, r)->kid[0];
  return r;
}

static gr_level level_of(const gr_plan *p, unsigned cats) {
  unsigned row = p->ask.axis == 1 ? CAT_I : CAT_J, col = p->ask.axis == 1 ? CAT_J : CAT_I;
  if ((cats & row) && (cats & col)) return LEVEL_PAIR;
  return cats & row ? LEVEL_ROW : cats & col ? LEVEL_COL : LEVEL_PARAM;
}

/* ---- who reads what ---- */

/* Called for each (reader, kid) with the kid behind its views.  `once`: the reader takes each component at most once. */
static void read_kid(gr_plan *p, gr_level reader, gr_ref kid, bool once, bool *indexed) {
  kid = gr_behind_views(p, kid);
  const gr_node *n = node(p, kid);
  if (n->op == OP_Const || n->op == OP_Zero) return;
  gr_place *pl = &p->place[kid];
  if (pl->level == reader) {
    pl->uses++;
    if (!once) indexed[kid] = true;
  } else {
    pl->buffer = 0; /* wanted; numbered later */
    pl->read = true;
  }
}

static void count_uses(gr_plan *p, bool *indexed) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_node *n = node(p, r);
    if (!p->place[r].live || is_free(n)) continue;
    bool once = gr_ops[n->op].kind == KIND_EW || (gr_ops[n->op].flags & FLAG_ONCE);
    for (int k = 0; k < n->nkid; k++) read_kid(p, p->place[r].level, n->kid[k], once, indexed);
  }
  read_kid(p, LEVEL_PAIR, p->ask.root, true, indexed);
  if (p->ask.weight >= 0) read_kid(p, LEVEL_PAIR, p->ask.weight, true, indexed);
}

/* ---- storage ---- */

static bool stored(const gr_plan *p, gr_ref r) {
  r = gr_behind_views(p, r);
  return !p->place[r].inlined || node(p, r)->op == OP_Const || node(p, r)->op == OP_Zero;
}

/* How deep expansions nest at r; beyond a limit a node is stored, so that texts stay short. */
static int depth(const gr_plan *p, const int *depths, gr_ref r) {
  int most = 0;
  for (int k = 0; k < node(p, r)->nkid; k++) {
    gr_ref kid = gr_behind_views(p, node(p, r)->kid[k]);
    if (p->place[kid].inlined && depths[kid] > most) most = depths[kid];
  }
  return most + 1;
}

/* One cheap operation on stored values costs no more than a load of its result. */
static bool cheap(const gr_plan *p, const gr_node *n) {
  for (int k = 0; k < n->nkid; k++)
    if (!stored(p, n->kid[k])) return false;
  return gr_ops[n->op].cost <= 1;
}

/* The dimension from which sums over coordinates, and wide sums, are worth loops of their own: small where pairs take a function
 * such as Exp.  A processor has room for a few dozen operations in flight, and its chain of dependent ones is then the limit: cutting it is worth more
 * than the loads and stores that this costs. */
static int loop_dimension(const gr_plan *p) {
  enum { FUNCTION = 14 };
  for (gr_ref r = 0; r < p->ask.dag->n; r++)
    if (p->place[r].live && p->place[r].level == LEVEL_PAIR && gr_ops[node(p, r)->op].cost >= FUNCTION) return 2;
  return p->ask.red.family == FAM_ExpSum ? 2 : 5;
}

enum { INLINE_DEPTH = 16 };

static bool wants_inline(const gr_plan *p, gr_ref r, const bool *indexed, int *depths) {
  const gr_node *n = node(p, r);
  if (is_free(n)) return true;
  if (gr_ops[n->op].kind != KIND_EW || n->dim < p->least || indexed[r]) return false;
  depths[r] = depth(p, depths, r);
  return (p->place[r].uses <= 1 && depths[r] <= INLINE_DEPTH) || cheap(p, n);
}

/* More than GR_MAX_NUMBERS is refused later (gr_check_sizes); until then no sum may pass what an int holds. */
static int add_size(int size, int64_t more) {
  int64_t sum = size + more;
  return sum > GR_MAX_NUMBERS ? GR_MAX_NUMBERS + 1 : (int)sum;
}

static int place_in(int *width, int dim) {
  int at = *width;
  *width = add_size(at, dim);
  return at;
}

void gr_check_sizes(gr_ctx *c, const gr_plan *p) {
  const struct {
    int size;
    const char *what;
  } part[] = {{p->width.param, "parameters"}, {p->width.row, "a row"}, {p->width.stage, "a column"}, {p->width.packed, "a column"}, {p->cpu.work, "intermediate results"}};
  for (size_t k = 0; k < sizeof part / sizeof *part; k++)
    if (part[k].size > GR_MAX_NUMBERS) gr_throw(c, NULL, NULL, ERR_SizeLimit, GR_MAX_NUMBERS, part[k].what);
}

void gr_place_buffers(gr_plan *p) {
  p->width.param = p->width.row = p->width.stage = p->width.packed = 0;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    int dim = node(p, r)->dim;
    if (!pl->live || is_free(node(p, r)) || pl->level == LEVEL_PAIR) continue;
    if (node(p, r)->op == OP_Var) pl->buffer = 0;
    if (pl->packed >= 0) pl->packed = place_in(&p->width.packed, dim);
    if (pl->buffer < 0 || (pl->level == LEVEL_COL && !pl->staged)) continue;
    pl->buffer = place_in(pl->level == LEVEL_PARAM ? &p->width.param : pl->level == LEVEL_ROW ? &p->width.row : &p->width.stage, dim);
  }
  if (p->width.row > GR_PAD) p->width.row |= 1; /* strides that are powers of 2 compete for the same lines of the cache */
  if (p->width.packed > GR_PAD) p->width.packed |= 1;
}

static int workspace(gr_plan *p, int64_t vectors) {
  int at = p->cpu.work;
  p->cpu.work = add_size(at, vectors);
  return at;
}

static int reserve(gr_plan *p, int vectors) {
  return vectors <= GR_ON_STACK ? -1 : workspace(p, vectors);
}

int gr_storage(const gr_dag *g, gr_ref r) {
  const gr_node *n = &g->node[r];
  int d = n->nkid ? g->node[n->kid[0]].dim : 0;
  if (n->op == OP_SoftDTW_SqDist) return d;
  if (n->op == OP_SoftDTW_Grad) return n->dim + d + d * g->node[n->kid[1]].dim;
  return n->dim;
}

bool gr_selects(const gr_plan *p) { return p->ask.red.family == FAM_Top || (p->ask.red.family == FAM_Extremum && p->ask.red.index); }

int gr_top_list(int k) {
  int n = 1;
  while (n < k) n *= 2;
  return n;
}

int gr_top_room(int k) { return k > GR_TOP_INSERT ? gr_top_list(k) / 2 : (k + 3) / 4 * 4 + 8; }

static int top_vectors(const gr_plan *p) {
  int room = gr_top_room(p->ask.red.k);
  return (4 + GR_SPAN + 2 * room) * p->ask.red.dim + 2 * (gr_top_list(p->ask.red.k) + room);
}

int gr_accumulators(const gr_plan *p) {
  const gr_reduction *r = &p->ask.red;
  switch (r->family) {
  case FAM_Extremum: return r->nstate + (r->index ? (2 + GR_SPAN) * r->dim : 0);
  case FAM_Top: return top_vectors(p);
  case FAM_Total: return r->nstate * (p->ask.acc64 && !p->ask.f64 ? 2 : 1);
  case FAM_ExpSum: return 1 + r->nweight;
  case FAM_Moments: return 3 * r->dim;
  default: return r->nstate;
  }
}

/* What is kept for each column of a tile besides contractions: exponentials, and weights that cannot be computed late. */
static int kept_vectors(const gr_plan *p) {
  if (p->ask.red.family != FAM_ExpSum) return 0;
  return p->cpu.rows + (p->ask.weight >= 0 && !p->late ? node(p, p->ask.weight)->dim : 0);
}

static void place_workspace(gr_plan *p) {
  p->cpu.work = 0;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    if (!pl->live) continue;
    if (!pl->inlined && node(p, r)->op != OP_Var && !pl->contract) pl->work = reserve(p, gr_storage(p->ask.dag, r));
    if (pl->contract || pl->saved) pl->slot = workspace(p, p->tile * p->cpu.rows);
  }
  bool shared = p->late || p->ask.red.family == FAM_ExpSum; /* by functions */
  p->cpu.kept = workspace(p, (int64_t)p->tile * kept_vectors(p));
  p->cpu.red_work = shared ? workspace(p, (int64_t)gr_accumulators(p) * p->cpu.rows) : reserve(p, gr_accumulators(p));
}

/* ---- contractions and wide sums ---- */

/* The leaves of the expression that is expanded at r: are they all of lower levels, or (scalars_too) pair-level scalars as well. */
bool gr_leaves_fit(const gr_plan *p, gr_ref r, bool scalars_too) {
  r = gr_behind_views(p, r);
  const gr_place *pl = &p->place[r];
  const gr_node *n = node(p, r);
  if (pl->level < LEVEL_PAIR || is_free(n)) return true;
  if (!pl->inlined) return scalars_too && n->dim == 1;
  for (int k = 0; k < n->nkid; k++)
    if (!gr_leaves_fit(p, n->kid[k], scalars_too)) return false;
  return true;
}

/* Pair-level scalars that the loop over wide sums reads are kept for each column of the tile. */
static void save_leaves(gr_plan *p, gr_ref r) {
  r = gr_behind_views(p, r);
  p->place[r].staged = true; /* these sums run over columns, component by component */
  if (p->place[r].level < LEVEL_PAIR || is_free(node(p, r))) return;
  if (!p->place[r].inlined) {
    p->place[r].saved = true;
    return;
  }
  for (int k = 0; k < node(p, r)->nkid; k++) save_leaves(p, node(p, r)->kid[k]);
}

/* Is the term of a contraction the square of a row's value less a column's, or the other way round? */
static bool is_squared_difference(const gr_plan *p, gr_ref term) {
  if (node(p, term)->op != OP_Square) return false;
  const gr_node *n = node(p, node(p, term)->kid[0]);
  if (n->op != OP_Subtract) return false;
  return p->place[gr_behind_views(p, n->kid[0])].level != LEVEL_PAIR && p->place[gr_behind_views(p, n->kid[1])].level != LEVEL_PAIR;
}

/* Columns of a register tile with two vectors of rows.  A tile of 2 x 6 needs all 16 registers of a processor with AVX2: 12 sums, 2 rows, a column
 * and the difference; other terms need more, or (scalar products) keep the processor busy with 2 x 4.  Over few coordinates, to start and to store
 * 12 sums costs what the loop gains. */
static int tile_columns(const gr_plan *p) {
  enum { LONG = 20 };
  bool six = false;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    if (!p->place[r].contract) continue;
    gr_ref kid = node(p, r)->kid[0];
    if (node(p, kid)->dim < LONG || !is_squared_difference(p, kid)) return 4;
    six = true;
  }
  return six ? 6 : 4;
}

static void find_contractions(gr_plan *p) {
  bool any = false;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    if (!pl->live || pl->level != LEVEL_PAIR || node(p, r)->op != OP_Sum) continue;
    gr_ref kid = node(p, r)->kid[0];
    pl->contract = node(p, kid)->dim >= p->least && gr_leaves_fit(p, kid, false);
    any |= pl->contract;
  }
  bool expsum = p->ask.red.family == FAM_ExpSum, sum = p->ask.red.family == FAM_Total && p->ask.scheme == SUM_BLOCK && !p->ask.acc64;
  gr_ref wide = expsum ? p->ask.weight : p->ask.root;
  p->late = ((expsum && !p->ask.acc64) || sum) && wide >= 0 && node(p, wide)->dim >= (expsum ? 1 : p->least) && gr_leaves_fit(p, wide, true);
  if (p->late) save_leaves(p, wide);
  p->cpu.rows = any || p->late ? 2 : 1;
  p->cpu.columns = any || p->late ? tile_columns(p) : 1;
}

/* Columns with more than `least` components that the expression at r reads are packed. */
static void pack_leaves(gr_plan *p, gr_ref r, int least) {
  r = gr_behind_views(p, r);
  const gr_node *n = node(p, r);
  gr_place *pl = &p->place[r];
  if (pl->level == LEVEL_COL && n->dim > least) pl->packed = 0;
  if (pl->level != LEVEL_PAIR || !pl->inlined) return;
  for (int k = 0; k < n->nkid; k++) pack_leaves(p, n->kid[k], least);
}

/* Loops over components read columns best where these lie one after the other; a register tile takes all from there. */
static void find_packed(gr_plan *p) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_place *pl = &p->place[r];
    if (!pl->live || pl->level != LEVEL_PAIR || pl->inlined) continue;
    for (int k = 0; k < node(p, r)->nkid; k++) pack_leaves(p, node(p, r)->kid[k], pl->contract ? 0 : GR_UNROLL);
  }
  if (!p->late || p->ask.weight >= 0) pack_leaves(p, p->ask.root, GR_UNROLL);
  if (!p->late && p->ask.weight >= 0) pack_leaves(p, p->ask.weight, GR_UNROLL);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) { /* wide variables go there directly when nothing else reads them */
    gr_place *pl = &p->place[r];
    pl->staged |= pl->packed < 0 || pl->uses > 0 || node(p, r)->op != OP_Var || node(p, r)->dim <= GR_UNROLL;
  }
}

enum { TILE_MAX = 256, TILE_BYTES = 24 * 1024, WIDE_BYTES = 256 * 1024, KEPT_VECTORS = 1024, TOP_MAX = 1024, TOP_BYTES = 100 * 1024 };

/* A tile of columns should stay in the first-level cache; in the second, where register tiles use it often, or where sorted
 * lists are read and written once a tile, which then is longer. */
static int tile_size(const gr_plan *p) {
  bool tiled = p->cpu.rows > 1, top = p->ask.red.family == FAM_Top;
  int most = !top ? TILE_MAX : tiled ? TOP_MAX / 2 : TOP_MAX;
  int width = p->width.stage > p->width.packed ? p->width.stage : p->width.packed, bytes = (p->ask.f64 ? 8 : 4) * (width > 0 ? width : 1);
  int n = (tiled ? WIDE_BYTES : top ? TOP_BYTES : TILE_BYTES) / bytes, kept = kept_vectors(p);
  if (kept && n > KEPT_VECTORS / kept) n = KEPT_VECTORS / kept;
  int step = p->cpu.columns == 6 ? 48 : 16; /* groups and vectors fill it */
  n = (n < most ? n : most) / step * step;
  return n < step ? step : n;
}

/* A cell takes three exponentials and a logarithm; for the gradient once more on the way back. */
static double warping_cost(const gr_plan *p, const gr_node *n) {
  return (n->op == OP_SoftDTW_Grad ? 130.0 : 60.0) * node(p, n->kid[0])->dim * node(p, n->kid[1])->dim;
}

static double pair_cost(const gr_plan *p) {
  double cost = p->ask.red.dim * (p->ask.red.family == FAM_Top ? 4 + p->ask.red.k / 8.0 : 1) + (p->ask.red.family == FAM_ExpSum ? 30 + p->ask.red.nweight : 0);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_node *n = node(p, r);
    if (!p->place[r].live || p->place[r].level != LEVEL_PAIR || is_free(n)) continue;
    double dim = n->dim;
    if (gr_ops[n->op].kind == KIND_LOOP && n->nkid && node(p, n->kid[0])->dim > dim) dim = node(p, n->kid[0])->dim;
    if (n->op == OP_TensorDot)
      for (int k = 0; k < n->ints[1]; k++) dim *= gr_axes(n->ints)[n->ints[0] + k].size;
    cost += n->op == OP_SoftDTW_SqDist || n->op == OP_SoftDTW_Grad ? warping_cost(p, n) : dim * gr_ops[n->op].cost;
  }
  return cost;
}

bool gr_is_function(gr_op op) {
  enum { COST = 12 };
  return gr_ops[op].kind == KIND_EW && gr_ops[op].cost >= COST;
}

/* Long formulas.  Measured with gcc 12, the sum of Sin(k b) Cos(k (x|y)), 400 terms: 11 s; with
 * functions that are called 2.2 s, without the passes that `lengthy` switches off 0.9 s.  A call
 * costs pairs 20 % while all that is inlined fits the processor's instruction cache, which is 100
 * to 200 times Exp; above, nothing. */
static void measure_text(gr_plan *p) {
  enum { FUNCTIONS = 2000, OPERATIONS = 500 }; /* cost of the one, number of the other */
  int functions = 0, operations = 0;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_node *n = node(p, r);
    int times = n->dim <= GR_UNROLL ? n->dim : 1;
    if (!p->place[r].live || gr_ops[n->op].kind != KIND_EW) continue;
    operations += times;
    if (gr_is_function(n->op)) functions += times * gr_ops[n->op].cost;
  }
  p->calls = functions > FUNCTIONS;
  p->lengthy = operations > OPERATIONS;
}

gr_plan *gr_plan_new(gr_ctx *c, const gr_request *ask) {
  gr_plan *p = gr_alloc(c->arena, sizeof *p);
  p->ask = *ask;
  int n = p->ask.dag->n;
  p->place = gr_alloc(c->arena, (size_t)n * sizeof *p->place);
  bool *live = gr_live(p->ask.dag, p->ask.root, p->ask.weight, c->arena), *indexed = gr_alloc(c->arena, (size_t)n + 1);
  for (gr_ref r = 0; r < n; r++)
    p->place[r] = (gr_place){.live = live[r], .level = level_of(p, node(p, r)->cats), .buffer = -1, .packed = -1, .work = -1, .slot = -1};
  int *depths = gr_alloc(c->arena, ((size_t)n + 1) * sizeof *depths);
  count_uses(p, indexed);
  p->least = loop_dimension(p);
  for (gr_ref r = 0; r < n; r++) p->place[r].inlined = wants_inline(p, r, indexed, depths);
  find_contractions(p);
  find_packed(p);
  gr_place_buffers(p);
  gr_check_sizes(c, p);
  p->tile = tile_size(p);
  place_workspace(p);
  gr_check_sizes(c, p);
  p->cost = pair_cost(p);
  measure_text(p);
  return p;
}

/* With few rows a column is used so seldom that staging is much of the work, and memory waits meanwhile: the processor's own looking
 * ahead works best on columns that are read steadily between other work (1 x 1e7 at dimension 3: 17.9 ms staged, 11.0 direct; the
 * memory needs 10.5).  Wide ones would be more streams than it follows; what is computed for columns, contractions and wide sums
 * need the stage before. */
static bool is_direct(const gr_plan *p, gr_ref r) {
  const gr_place *pl = &p->place[r];
  return node(p, r)->op == OP_Var && pl->level == LEVEL_COL && pl->uses == 0 && node(p, r)->dim <= GR_UNROLL;
}

/* No marked node, nor what one of pairs is made of, is read directly.  One loop over nodes, as
 * paths may be exponentially many. */
static void stage_leaves(gr_plan *p, bool *marked) {
  for (gr_ref r = p->ask.dag->n - 1; r >= 0; r--) {
    const gr_node *n = node(p, r);
    if (!marked[r]) continue;
    p->place[r].direct = false;
    for (int k = 0; k < n->nkid && (p->place[r].level == LEVEL_PAIR || is_view(n)); k++) marked[n->kid[k]] = true;
  }
}

/* Sums over few coordinates are written out; is there still a contraction? */
static bool keep_wide_contractions(gr_plan *p, bool *marked) {
  bool any = false;
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    gr_place *pl = &p->place[r];
    gr_ref kid = pl->contract ? node(p, r)->kid[0] : r;
    pl->contract = pl->contract && node(p, kid)->dim > GR_UNROLL;
    if (pl->contract) any = marked[kid] = true;
  }
  return any;
}

/* A register tile is one row and 8 vectors of columns. */
gr_plan *gr_plan_by_columns(gr_ctx *c, const gr_plan *p) {
  enum { COLUMNS = 8, TILE_LEAST = COLUMNS * GR_LANES_MAX };
  gr_plan *few = gr_alloc(c->arena, sizeof *few);
  *few = *p;
  few->place = gr_alloc(c->arena, (size_t)p->ask.dag->n * sizeof *few->place);
  memcpy(few->place, p->place, (size_t)p->ask.dag->n * sizeof *few->place);
  for (gr_ref r = 0; r < p->ask.dag->n; r++) few->place[r].packed = -1, few->place[r].staged = true, few->place[r].direct = is_direct(p, r);
  bool *marked = gr_alloc(c->arena, (size_t)p->ask.dag->n + 1), tiled = keep_wide_contractions(few, marked) || p->late;
  if (p->late) marked[p->ask.red.family == FAM_ExpSum ? p->ask.weight : p->ask.root] = true;
  stage_leaves(few, marked);
  gr_place_buffers(few);
  few->target = TARGET_COLUMNS;
  few->cpu.rows = 1;
  few->cpu.columns = tiled ? COLUMNS : 1;
  few->tile = (p->tile + TILE_LEAST - 1) / TILE_LEAST * TILE_LEAST;
  place_workspace(few);
  gr_check_sizes(c, few);
  return few;
}

/* ---- printing ---- */

static void print_level(gr_str *b, const gr_plan *p, gr_level level) {
  for (gr_ref r = 0; r < p->ask.dag->n; r++) {
    const gr_place *pl = &p->place[r];
    if (!pl->live || pl->level != level || node(p, r)->op == OP_Const) continue;
    gr_putf(b, "  %%%-3d ", r);
    gr_print_node(b, p->ask.dag, r, p->ask.args);
    gr_putf(b, "  [%d]%s%s", node(p, r)->dim, pl->inlined ? " inlined" : "", pl->contract ? " contraction" : "");
    if (pl->buffer >= 0) gr_putf(b, " kept at %d", pl->packed >= 0 ? pl->packed : pl->buffer);
    gr_put(b, "\n");
  }
}

void gr_print_plan(gr_str *b, const gr_plan *p) {
  static const char *const title[] = {"once", "per row", "per column", "per pair"};
  static const char *const scheme[] = {"block_sum", "direct_sum", "kahan_scheme"};
  gr_putf(b, "rows are %s, columns are %s%s\n", p->ask.axis == 1 ? "i" : "j", p->ask.axis == 1 ? "j" : "i",
          p->ask.both ? "; rows are reduced too" : "");
  for (int level = 0; level < LEVEL_COUNT; level++) {
    gr_putf(b, "%s:\n", title[level]);
    print_level(b, p, (gr_level)level);
  }
  gr_putf(b, "reduce %%%d", p->ask.root);
  if (p->ask.weight >= 0) gr_putf(b, " with weight %%%d", p->ask.weight);
  gr_putf(b, " by %s: %d numbers of state per row, sums %s%s\n", gr_reds[p->ask.red.red].name, p->ask.red.nstate,
          scheme[p->ask.scheme], p->ask.acc64 ? " in double" : "");
  char cost[GR_NUMBER];
  gr_putf(b, "%s, tiles of %d columns, registers of %d x %d%s, cost %s\n", p->ask.f64 ? "float64" : "float32", p->tile, p->cpu.rows,
          p->cpu.columns, p->late ? ", wide sums apart" : "", gr_number_text(p->cost, 6, cost));
}
