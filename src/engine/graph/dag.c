/* dag.c: the typed graph.  Nodes are hash-consed in the one constructor, so equal subexpressions
 * are one node and a kid's index is smaller than its parent's: every later pass is one loop. */
#include <math.h>
#include <string.h>

#include "graph/graph.h"

gr_dag *gr_dag_new(gr_ctx *c, bool f64) {
  gr_dag *g = gr_alloc(c->arena, sizeof *g);
  g->ctx = c;
  g->f64 = f64;
  g->cap = 64;
  g->node = gr_alloc(c->arena, (size_t)g->cap * sizeof *g->node);
  g->table_size = 256;
  g->table = gr_alloc(c->arena, (size_t)g->table_size * sizeof *g->table);
  return g;
}

/* ---- hash table of node index + 1; 0 is free ---- */

static unsigned mix(unsigned h, unsigned x) { return (h ^ x) * 0x9E3779B1u ^ (h >> 15); }

static unsigned hash(const gr_node *n) {
  uint64_t bits;
  memcpy(&bits, &n->num, sizeof bits);
  unsigned h = mix(mix(mix(7, (unsigned)n->op), (unsigned)bits), (unsigned)(bits >> 32));
  for (int k = 0; k < n->nkid; k++) h = mix(h, (unsigned)n->kid[k]);
  for (int k = 0; k < n->nint; k++) h = mix(h, (unsigned)n->ints[k]);
  return h;
}

static bool same(const gr_node *a, const gr_node *b) {
  return a->op == b->op && a->nkid == b->nkid && a->nint == b->nint &&
         memcmp(&a->num, &b->num, sizeof a->num) == 0 &&
         memcmp(a->kid, b->kid, (size_t)a->nkid * sizeof *a->kid) == 0 &&
         (!a->nint || memcmp(a->ints, b->ints, (size_t)a->nint * sizeof *a->ints) == 0);
}

/* The slot that holds a node equal to n, or the free one where it belongs. */
static int *slot(gr_dag *g, const gr_node *n) {
  unsigned mask = (unsigned)g->table_size - 1, k = hash(n) & mask;
  while (g->table[k] && !same(&g->node[g->table[k] - 1], n)) k = (k + 1) & mask;
  return &g->table[k];
}

static void grow(gr_dag *g) {
  gr_node *more = gr_alloc(g->ctx->arena, 2 * (size_t)g->cap * sizeof *more);
  memcpy(more, g->node, (size_t)g->n * sizeof *more);
  g->node = more;
  g->cap *= 2;
  g->table_size *= 2;
  g->table = gr_alloc(g->ctx->arena, (size_t)g->table_size * sizeof *g->table);
  for (int k = 0; k < g->n; k++) *slot(g, &g->node[k]) = k + 1;
}

gr_dag *gr_dag_scratch(const gr_dag *g, int more) {
  gr_dag *s = gr_alloc(g->ctx->arena, sizeof *s);
  *s = *g;
  while (s->cap < g->n + more) s->cap *= 2, s->table_size *= 2;
  s->node = gr_alloc(g->ctx->arena, (size_t)s->cap * sizeof *s->node);
  s->table = gr_alloc(g->ctx->arena, (size_t)s->table_size * sizeof *s->table);
  memcpy(s->node, g->node, (size_t)g->n * sizeof *s->node);
  gr_dag_cut(s, g->n);
  return s;
}

void gr_dag_cut(gr_dag *g, int n) {
  g->n = n;
  memset(g->table, 0, (size_t)g->table_size * sizeof *g->table);
  for (int k = 0; k < n; k++) *slot(g, &g->node[k]) = k + 1;
}

static gr_ref intern(gr_dag *g, const gr_node *n) {
  int *at = slot(g, n);
  if (*at) return *at - 1;
  if (g->n >= GR_MAX_NODES) gr_throw(g->ctx, &n->span, NULL, ERR_NodeLimit, GR_MAX_NODES);
  if (g->n == g->cap) {
    grow(g);
    at = slot(g, n);
  }
  g->node[g->n] = *n;
  *at = ++g->n;
  return g->n - 1;
}

/* ---- dimensions ---- */

static int broadcast(gr_dag *g, const gr_node *n) {
  int d = 1;
  bool fits = true;
  for (int k = 0; k < n->nkid; k++) {
    int dk = g->node[n->kid[k]].dim;
    if (dk != 1 && d != 1 && dk != d) fits = false;
    if (dk > d) d = dk;
  }
  if (fits) return d;
  gr_str s = {.arena = g->ctx->arena};
  for (int k = 0; k < n->nkid; k++)
    gr_putf(&s, "%s%d", k == 0 ? "" : k == n->nkid - 1 ? " and " : ", ", g->node[n->kid[k]].dim);
  gr_throw(g->ctx, &n->span, NULL, ERR_Broadcast,
           gr_span_text(s.arena, &n->span, gr_ops[n->op].name), s.s);
}

static void complete(gr_dag *g, gr_node *n) {
  for (int k = 0; k < n->nkid; k++) n->cats |= g->node[n->kid[k]].cats;
  n->dim = gr_ops[n->op].kind == KIND_LOOP ? gr_ops[n->op].dim(g, n) : broadcast(g, n);
  if (n->dim > GR_MAX_DIM)
    gr_throw(g->ctx, &n->span, NULL, ERR_DimLimit, gr_ops[n->op].name, (long long)n->dim,
             GR_MAX_DIM);
}

/* ---- constructors ---- */

gr_ref gr_mk(gr_dag *g, const gr_span *at, gr_op op, const gr_ref *kid, int nkid, const int *ints,
             int nint) {
  gr_node n = {.op = op, .nkid = nkid, .nint = nint, .span = *at};
  memcpy(n.kid, kid, (size_t)nkid * sizeof *kid);
  if (nint) {
    int *own = gr_alloc(g->ctx->arena, (size_t)nint * sizeof *own);
    memcpy(own, ints, (size_t)nint * sizeof *own);
    n.ints = own;
  }
  complete(g, &n);
  gr_ref simpler = gr_fold(g, &n);
  return simpler >= 0 ? simpler : intern(g, &n);
}

gr_ref gr_mk_const(gr_dag *g, const gr_span *at, double value) {
  return intern(g, &(gr_node){.op = OP_Const, .dim = 1, .num = value, .span = *at});
}

/* A leaf with one integer: the argument of a Var, the dimension of a Zero. */
static gr_ref leaf(gr_dag *g, const gr_span *at, gr_op op, int value, unsigned cats, int dim) {
  int *ints = gr_alloc(g->ctx->arena, sizeof *ints);
  *ints = value;
  return intern(
      g, &(gr_node){.op = op, .dim = dim, .cats = cats, .nint = 1, .ints = ints, .span = *at});
}

gr_ref gr_mk_var(gr_dag *g, const gr_span *at, int arg, gr_category cat, int dim) {
  static const unsigned cats[] = {CAT_I, CAT_J, CAT_P, CAT_I | CAT_J};
  return leaf(g, at, OP_Var, arg, cats[cat], dim);
}

gr_ref gr_mk_zero(gr_dag *g, const gr_span *at, int dim) {
  return leaf(g, at, OP_Zero, dim, 0, dim);
}

bool gr_is_const(const gr_dag *g, gr_ref r, double value) {
  return g->node[r].op == OP_Const && g->node[r].num == value;
}

gr_ref gr_replace(gr_dag *g, gr_ref f, int n, const gr_ref *from, const gr_ref *to) {
  gr_ref *map = gr_alloc(g->ctx->arena, (size_t)(f + 1) * sizeof *map);
  const bool *live = gr_live(g, f, -1, g->ctx->arena);
  for (gr_ref r = 0; r <= f; r++) {
    gr_node x = g->node[r];
    map[r] = r;
    bool changed = false;
    for (int k = 0; live[r] && k < x.nkid; k++) {
      changed |= map[x.kid[k]] != x.kid[k];
      x.kid[k] = map[x.kid[k]];
    }
    if (changed) map[r] = gr_mk(g, &x.span, x.op, x.kid, x.nkid, x.ints, x.nint);
    for (int k = 0; k < n; k++)
      if (r == from[k]) map[r] = to[k];
  }
  return map[f];
}

/* ---- printing ---- */

static void mark(const gr_dag *g, gr_ref root, bool *live) {
  live[root] = true;
  for (int k = root; k >= 0; k--)
    for (int i = 0; live[k] && i < g->node[k].nkid; i++) live[g->node[k].kid[i]] = true;
}

bool *gr_live(const gr_dag *g, gr_ref root, gr_ref root2, gr_arena *a) {
  bool *live = gr_alloc(a, (size_t)g->n + 1);
  mark(g, root, live);
  if (root2 >= 0) mark(g, root2, live);
  return live;
}

void gr_print_node(gr_str *b, const gr_dag *g, gr_ref r, const gr_args *args) {
  const gr_node *n = &g->node[r];
  char number[GR_NUMBER];
  if (n->op == OP_Const) {
    gr_put(b, gr_number_text(n->num, 17, number));
  } else if (n->op == OP_Var) {
    gr_put(b, args->arg[n->ints[0]].name);
  } else {
    gr_putf(b, "%s(", gr_ops[n->op].name);
    for (int k = 0; k < n->nkid; k++) gr_putf(b, "%s%%%d", k ? ", " : "", n->kid[k]);
    for (int k = 0; k < n->nint; k++) gr_putf(b, "%s%d", k || n->nkid ? ", " : "", n->ints[k]);
    gr_put(b, ")");
  }
}

void gr_print_dag(gr_str *b, const gr_dag *g, gr_ref root, gr_ref root2, const gr_args *args) {
  const bool *live = gr_live(g, root, root2, b->arena);
  for (int k = 0; k < g->n; k++) {
    if (!live[k]) continue;
    unsigned c = g->node[k].cats;
    gr_putf(b, "%%%-3d [%d] %c%c%c  ", k, g->node[k].dim, c & CAT_I ? 'i' : '-',
            c & CAT_J ? 'j' : '-', c & CAT_P ? 'p' : '-');
    gr_print_node(b, g, k, args);
    gr_put(b, k == root ? "  <- formula\n" : k == root2 ? "  <- formula2\n" : "\n");
  }
}
