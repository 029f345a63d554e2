/* invariance.c: groups of variables that a formula reads through their differences only.
 *
 * Where every use of some variables is a difference among them (SqDist(x,y), x - y, (x - y)/s,
 * their derivatives), adding one vector to all of them changes nothing.  In single precision the
 * run time then subtracts a common origin in double before it rounds (origin.c), so that data far
 * from 0 (metres of a map, seconds since 1970) keep the digits that their differences are made of.
 *
 * Candidates are found from the subtractions and comparisons of the graph; whether a group
 * qualifies is then decided by propagation: the variables of the group move by a symbolic vector
 * c, a linear operation moves as its arguments do, and two arguments that move by the same node
 * (the graph is hash-consed) have a fixed difference.  Anything else that moves would change the
 * value.  All of this happens in a copy of the graph, whose nodes are numbered as if it had
 * never been asked.  It is an optimization: where there is too much to look at, there are no
 * more groups. */
#include <limits.h>
#include <string.h>

#include "graph/graph.h"

/* GROWTH  nodes that a propagation makes for each of the graph at most: zeros for two arguments, a
 *         repetition, the node itself
 * WORK    nodes that all propagations may visit */
enum { FIXED = -1, GROWTH = 4, NODES_MOST = GR_MAX_NODES / (2 * GROWTH), WORK = 2000000 };

typedef struct search {
  gr_dag *g;
  const gr_args *args;
  const bool *live;
  gr_ref last;
  int nodes;   /* of the graph itself */
  int left;    /* nodes that may still be visited */
  gr_ref *by;  /* of a propagation: the node by which each node moves, or FIXED */
  int *leader; /* of each argument: a forest, whose trees are the groups */
} search;

static gr_node *node(const search *s, gr_ref r) { return &s->g->node[r]; }

/* ---- candidates, from the laws of the operations (ops.h) ---- */

static int leader(const search *s, int arg) {
  while (s->leader[arg] != arg) arg = s->leader[arg];
  return arg;
}

static void join(search *s, int a, int b) {
  if (a >= 0 && b >= 0 && s->args->arg[a].dim == s->args->arg[b].dim)
    s->leader[leader(s, a)] = leader(s, b);
}

/* What moves with a node: an argument of the program, or -1; minus: the other way. */
typedef struct candidate {
  int arg;
  bool minus;
} candidate;

/* The arguments k before and `next` meet in a node: those that form a difference are candidates
 * for one group. */
static candidate meet(search *s, const gr_node *n, int k, candidate before, candidate next) {
  char law = gr_law(n, k);
  bool sum = law == '+' || law == '-', alike = law == '|' || law == '=';
  if (alike || (sum && before.minus != next.minus)) join(s, before.arg, next.arg);
  if (law != '*') return before;
  bool parameter = node(s, n->kid[0])->cats == CAT_P; /* else the first factor moves */
  return (candidate){parameter ? next.arg : before.arg, before.minus != next.minus};
}

static candidate moves_with(search *s, gr_ref r, const candidate *with) {
  const gr_node *n = node(s, r);
  candidate found = {.arg = -1};
  if (n->op == OP_Var) return (candidate){.arg = n->ints[0]};
  for (int k = 0; k < n->nkid; k++) {
    candidate next = with[n->kid[k]];
    if (next.arg < 0 || gr_law(n, k) == '.') continue;
    if (gr_law(n, k) == '-') next.minus = !next.minus;
    found = found.arg < 0 ? next : meet(s, n, k, found, next);
  }
  return gr_law(n, 0) == '=' ? (candidate){.arg = -1} : found;
}

static void find_candidates(search *s) {
  candidate *with = gr_alloc(s->g->ctx->arena, ((size_t)s->last + 1) * sizeof *with);
  for (gr_ref r = 0; r <= s->last; r++)
    with[r] = s->live[r] ? moves_with(s, r, with) : (candidate){.arg = -1};
}

/* ---- propagation ---- */

typedef struct motion {
  bool breaks; /* a value depends on where the group lies */
  gr_ref *by;
} motion;

static gr_ref zero_like(const search *s, gr_ref r) {
  return gr_mk_zero(s->g, &node(s, r)->span, node(s, r)->dim);
}

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
  if (k == 1 && gr_ops[node(s, r)->op].kind == KIND_EW) { /* s x and y s move alike */
    gr_ref moves = kid[1];
    kid[1] = kid[0], kid[0] = moves;
  }
  return again(s, r, kid);
}

static gr_ref breaks(motion *m) {
  m->breaks = true;
  return FIXED;
}

static bool is_minus(const search *s, gr_ref a, gr_ref b) {
  return gr_negates(node(s, a)) && node(s, a)->kid[0] == b;
}

static bool opposite(const search *s, gr_ref a, gr_ref b) {
  return a != FIXED && b != FIXED && (is_minus(s, a, b) || is_minus(s, b, a));
}

/* A sum of which two arguments move and whose value stays. */
static bool cancels(const search *s, const motion *m, const gr_node *n) {
  if (n->nkid < 2 || gr_law(n, 0) == '&') return false;
  gr_ref a = m->by[n->kid[0]], b = m->by[n->kid[1]];
  bool alike = a == b && a != FIXED;
  return gr_law(n, 0) == gr_law(n, 1) ? opposite(s, a, b) : alike;
}

/* Node r, of whose arguments some move. */
static gr_ref moved(const search *s, motion *m, gr_ref r) {
  const gr_node *n = node(s, r);
  int moving = 0, last = 0, same = 0;
  for (int k = 0; k < n->nkid; k++) {
    if (m->by[n->kid[k]] == FIXED) continue;
    if (gr_law(n, k) == '.') return breaks(m);
    moving++, last = k;
  }
  gr_ref by = m->by[n->kid[last]];
  for (int k = 0; k < n->nkid; k++) same += gr_law(n, k) == '.' || m->by[n->kid[k]] == by;
  switch (gr_law(n, last)) {
  case '=': return same == n->nkid ? FIXED : breaks(m);
  case '|': return same == n->nkid ? by : breaks(m);
  case '*': return moving == 1 ? linear_in(s, m, r, last) : breaks(m);
  default: return cancels(s, m, n) ? FIXED : linear(s, m, r);
  }
}

/* A scalar motion of a vector is the same for all components. */
static gr_ref widen(const search *s, gr_ref r, gr_ref by) {
  int d = node(s, r)->dim;
  return by != FIXED && node(s, by)->dim < d
             ? gr_mk(s->g, &node(s, r)->span, OP_SumT, &by, 1, &d, 1)
             : by;
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
  int nowhere = INT_MIN + dim; /* a variable of no program */
  gr_ref c = gr_mk_var(s->g, &node(s, root)->span, nowhere, GR_PM, dim);
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

/* The variables that are read and have this leader; without parameters where these are unwanted.
 * An array of pairs is none of them: it is no point that has an origin. */
static int members(const search *s, int of, bool parameters, const bool *read, bool *member) {
  int n = 0;
  for (int k = 0; k < s->args->n; k++) {
    gr_category cat = s->args->arg[k].cat;
    member[k] = read[k] && leader(s, k) == of && cat != GR_MIJ && (parameters || cat != GR_PM);
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
      found = members(s, k, parameters, read, member) > 1 &&
              invariant(s, member, args->arg[k].dim, root, weight);
    for (int i = 0; i < args->n && found; i++)
      if (member[i]) args->arg[i].group = args->groups;
    args->groups += found;
  }
}

void gr_find_groups(const gr_dag *g, gr_args *args, gr_ref root, gr_ref weight) {
  gr_arena *a = g->ctx->arena;
  if (g->n > NODES_MOST || args->n < 2) return;
  search s = {
      .args = args, .live = gr_live(g, root, weight, a), .last = weight > root ? weight : root};
  s.g = gr_dag_scratch(g, GROWTH * g->n + 1);
  s.nodes = g->n;
  s.left = WORK;
  s.by = gr_alloc(a, ((size_t)s.last + 1) * sizeof *s.by);
  s.leader = gr_alloc(a, (size_t)args->n * sizeof *s.leader);
  for (int k = 0; k < args->n; k++) s.leader[k] = k;
  find_candidates(&s);
  find_groups(&s, args, root, weight);
}
