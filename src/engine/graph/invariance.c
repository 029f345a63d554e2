/* invariance.c: groups of variables that a formula reads through their differences only.
 *
 * Where every use of some variables is a difference among them (SqDist(x,y), x - y, (x - y)/s, their derivatives),
 * adding one vector to all of them changes nothing.  In single precision the run time then subtracts a common origin
 * in double before it rounds (origin.c), so that data far from 0 (metres of a map, seconds since 1970) keep the
 * digits that their differences are made of.
 *
 * Candidates are found from the subtractions and comparisons of the graph; whether a group qualifies is then decided
 * by propagation: the variables of the group move by a symbolic vector c, a linear operation moves as its arguments
 * do, and two arguments that move by the same node (the graph is hash-consed) have a fixed difference.  Anything else
 * that moves would change the value.  All of this happens in a copy of the graph, whose nodes are numbered as if it
 * had never been asked.  It is an optimization: where there is too much to look at, there are no more groups. */
#include <limits.h>
#include <string.h>

#include "graph/graph.h"

/* GROWTH  nodes that a propagation makes for each of the graph at most: zeros for two arguments, a repetition, the node itself
 * WORK    nodes that all propagations may visit */
enum { FIXED = -1, GROWTH = 4, NODES_MOST = GR_MAX_NODES / (2 * GROWTH), WORK = 2000000 };

typedef struct search {
  gr_dag *g;
  const gr_args *args;
  const bool *live;
  gr_ref last;
  int nodes; /* of the graph itself */
  int left;  /* nodes that may still be visited */
  gr_ref *by; /* of a propagation: the node by which each node moves, or FIXED */
  int *leader; /* of each argument: a forest, whose trees are the groups */
} search;

static gr_node *node(const search *s, gr_ref r) { return &s->g->node[r]; }

/* ---- candidates ---- */

static int leader(const search *s, int arg) {
  while (s->leader[arg] != arg) arg = s->leader[arg];
  return arg;
}

static void join(search *s, int a, int b) {
  if (a >= 0 && b >= 0 && s->args->arg[a].dim == s->args->arg[b].dim) s->leader[leader(s, a)] = leader(s, b);
}

static bool compares(gr_op op) {
  return op == OP_Equal || op == OP_NotEqual || op == OP_LessThan || op == OP_LessOrEqual;
}

/* The argument that node r would move with, or -1; *minus: the other way.  Of two factors the one that is no parameter moves. */
static int moves_with(search *s, gr_ref r, const int *with, bool *minus) {
  const gr_node *n = node(s, r);
  int a = n->nkid > 0 ? with[n->kid[0]] : -1, b = n->nkid > 1 ? with[n->kid[1]] : -1;
  bool minus_a = a >= 0 && minus[n->kid[0]], minus_b = b >= 0 && minus[n->kid[1]] != (n->op == OP_Subtract);
  minus[r] = (a >= 0 ? minus_a : minus_b) != (n->op == OP_Minus);
  switch (n->op) {
  case OP_Var: return n->ints[0];
  case OP_Add:
  case OP_Subtract:
    if (minus_a != minus_b) join(s, a, b); /* fall through */
  case OP_Concat:
  case OP_Complex: return a >= 0 ? a : b;
  case OP_IfElse:
    join(s, b, with[n->kid[2]]);
    return b >= 0 ? b : with[n->kid[2]];
  case OP_Mult:
  case OP_TensorDot: return a < 0 || (b >= 0 && node(s, n->kid[0])->cats == CAT_P) ? b : a;
  case OP_Divide:
  case OP_Minus: return a;
  default: break;
  }
  if (compares(n->op)) join(s, a, b);
  return gr_ops[n->op].flags & FLAG_LINEAR ? a : -1;
}

static void find_candidates(search *s) {
  int *with = gr_alloc(s->g->ctx->arena, ((size_t)s->last + 1) * sizeof *with);
  bool *minus = gr_alloc(s->g->ctx->arena, (size_t)s->last + 1);
  for (gr_ref r = 0; r <= s->last; r++) with[r] = s->live[r] ? moves_with(s, r, with, minus) : -1;
}

/* ---- propagation ---- */

typedef struct motion {
  bool breaks; /* a value depends on where the group lies */
  gr_ref *by;
} motion;

static gr_ref zero_like(const search *s, gr_ref r) { return gr_mk_zero(s->g, &node(s, r)->span, node(s, r)->dim); }

/* The operation of node r on other arguments. */
static gr_ref again(const search *s, gr_ref r, const gr_ref *kid) {
  gr_node n = *node(s, r);
  return gr_mk(s->g, &n.span, n.op, kid, n.nkid, n.ints, n.nint);
}

/* The motion of a node whose operation is linear in the arguments that move, the others at 0. */
static gr_ref linear(const search *s, const motion *m, gr_ref r) {
  gr_ref kid[GR_MAX_KIDS];
  for (int k = 0; k < node(s, r)->nkid; k++) {
    gr_ref from = node(s, r)->kid[k];
    kid[k] = m->by[from] == FIXED ? zero_like(s, from) : m->by[from];
  }
  return again(s, r, kid);
}

/* The same where it is linear in argument k alone. */
static gr_ref linear_in(const search *s, const motion *m, gr_ref r, int k) {
  gr_ref kid[GR_MAX_KIDS];
  memcpy(kid, node(s, r)->kid, sizeof kid);
  kid[k] = m->by[kid[k]];
  if (node(s, r)->op == OP_Mult && k == 1) /* s x and y s move alike */
    kid[1] = kid[0], kid[0] = m->by[node(s, r)->kid[1]];
  return again(s, r, kid);
}

static gr_ref breaks(motion *m) {
  m->breaks = true;
  return FIXED;
}

static bool opposite(const search *s, gr_ref a, gr_ref b) {
  return a != FIXED && b != FIXED && ((node(s, a)->op == OP_Minus && node(s, a)->kid[0] == b) || (node(s, b)->op == OP_Minus && node(s, b)->kid[0] == a));
}

/* Node r, of whose arguments some move. */
static gr_ref moved(const search *s, motion *m, gr_ref r) {
  const gr_node *n = node(s, r);
  gr_ref a = m->by[n->kid[0]], b = n->nkid > 1 ? m->by[n->kid[1]] : FIXED;
  bool alike = a == b && a != FIXED, bilinear = n->op == OP_Mult || (gr_ops[n->op].flags & FLAG_BILINEAR);
  if (compares(n->op)) return alike ? FIXED : breaks(m);
  if ((n->op == OP_Subtract && alike) || (n->op == OP_Add && opposite(s, a, b))) return FIXED;
  if (n->op == OP_IfElse) return a == FIXED && b == m->by[n->kid[2]] ? b : breaks(m);
  if (n->op == OP_Divide) return b == FIXED ? linear_in(s, m, r, 0) : breaks(m);
  if (bilinear) return a != FIXED && b != FIXED ? breaks(m) : linear_in(s, m, r, a == FIXED);
  bool sum = n->op == OP_Add || n->op == OP_Subtract || n->op == OP_Minus;
  return sum || (gr_ops[n->op].flags & FLAG_LINEAR) ? linear(s, m, r) : breaks(m);
}

/* A scalar motion of a vector is the same for all components. */
static gr_ref widen(const search *s, gr_ref r, gr_ref by) {
  int d = node(s, r)->dim;
  return by != FIXED && node(s, by)->dim < d ? gr_mk(s->g, &node(s, r)->span, OP_SumT, &by, 1, &d, 1) : by;
}

static bool any_moves(const search *s, const motion *m, gr_ref r) {
  for (int k = 0; k < node(s, r)->nkid; k++)
    if (m->by[node(s, r)->kid[k]] != FIXED) return true;
  return false;
}

/* Do formula and weight stay as they are when all of these variables move together? */
static bool invariant(search *s, const bool *member, int dim, gr_ref root, gr_ref weight) {
  motion m = {.by = s->by};
  gr_dag_cut(s->g, s->nodes);
  gr_ref c = gr_mk_var(s->g, &node(s, root)->span, INT_MIN + dim, GR_PM, dim); /* a variable of no program */
  s->left -= s->nodes;
  for (gr_ref r = 0; r <= s->last && !m.breaks; r++) {
    bool variable = node(s, r)->op == OP_Var;
    m.by[r] = FIXED;
    if (!s->live[r]) continue;
    if (variable && member[node(s, r)->ints[0]]) m.by[r] = c;
    if (!variable && any_moves(s, &m, r)) m.by[r] = widen(s, r, moved(s, &m, r));
  }
  return !m.breaks && m.by[root] == FIXED && (weight < 0 || m.by[weight] == FIXED);
}

/* ---- groups ---- */

/* The variables that are read and have this leader; without parameters where these are unwanted. */
static int members(const search *s, int of, bool parameters, const bool *read, bool *member) {
  int n = 0;
  for (int k = 0; k < s->args->n; k++) {
    member[k] = read[k] && leader(s, k) == of && (parameters || s->args->arg[k].cat != GR_PM);
    n += member[k];
  }
  return n;
}

static void find_groups(search *s, gr_args *args, gr_ref root, gr_ref weight) {
  gr_arena *a = s->g->ctx->arena;
  bool *read = gr_alloc(a, (size_t)args->n + 1), *member = gr_alloc(a, (size_t)args->n + 1);
  for (gr_ref r = 0; r <= s->last; r++)
    if (s->live[r] && node(s, r)->op == OP_Var) read[node(s, r)->ints[0]] = true;
  for (int k = 0; k < args->n && s->left > 0; k++) {
    if (leader(s, k) != k) continue;
    bool found = false;
    for (int parameters = 1; parameters >= 0 && !found; parameters--)
      found = members(s, k, parameters, read, member) > 1 && invariant(s, member, args->arg[k].dim, root, weight);
    for (int i = 0; i < args->n && found; i++)
      if (member[i]) args->arg[i].group = args->groups;
    args->groups += found;
  }
}

void gr_find_groups(const gr_dag *g, gr_args *args, gr_ref root, gr_ref weight) {
  gr_arena *a = g->ctx->arena;
  if (g->n > NODES_MOST || args->n < 2) return;
  search s = {.args = args, .live = gr_live(g, root, weight, a), .last = weight > root ? weight : root};
  s.g = gr_dag_scratch(g, GROWTH * g->n + 1);
  s.nodes = g->n;
  s.left = WORK;
  s.by = gr_alloc(a, ((size_t)s.last + 1) * sizeof *s.by);
  s.leader = gr_alloc(a, (size_t)args->n * sizeof *s.leader);
  for (int k = 0; k < args->n; k++) s.leader[k] = k;
  find_candidates(&s);
  find_groups(&s, args, root, weight);
}
