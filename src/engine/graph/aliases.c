/* aliases.c: the arguments of a program, from aliases such as "x = Vi(3)" and from variables inside
 * the formula.
 *
 * An alias without a dimension, "x = Vi", is open: its argument has dimension 0 until a template
 * (run/template.c) writes one behind it.
 *
 * Guarantees: a position is given once, or twice with the same category and dimension (which an
 * open alias leaves to be compared when it is known) and one name at most. */
#include <string.h>

#include "graph/binder.h"

static void add_arg(gr_ctx *c, gr_args *args, int pos, const gr_arg *x) {
  if (pos >= args->n) {
    gr_arg *more = gr_alloc(c->arena, (size_t)(pos + 1) * sizeof *more);
    if (args->n) memcpy(more, args->arg, (size_t)args->n * sizeof *more);
    args->arg = more;
    args->n = pos + 1;
  }
  gr_arg *old = &args->arg[pos];
  bool dims_differ = old->dim != x->dim && !old->open && !x->open;
  if (old->set && (old->cat != x->cat || dims_differ || (old->named && x->named)))
    gr_throw(c, &x->span, NULL, ERR_Position, pos);
  bool open = old->open || x->open;
  if (!old->set || x->named) *old = *x;
  old->open = open;
  if (open) old->dim = 0;
  old->set = true;
  if (!old->name) old->name = gr_format(c->arena, "arg%d", pos + 1);
}

static int check_position(gr_ctx *c, const gr_span *at, double pos) {
  if (pos < 0 || pos >= GR_MAX_ARGS)
    gr_throw(c, at, NULL, ERR_PositionRange, GR_MAX_ARGS - 1, (long long)pos);
  return (int)pos;
}

int gr_check_dim(gr_ctx *c, const gr_span *at, double dim) {
  if (dim < 1 || dim > GR_MAX_DIM) gr_throw(c, at, NULL, ERR_VarDim, GR_MAX_DIM, (long long)dim);
  return (int)dim;
}

static const char *const constructors[] = {"Vi", "Vj", "Pm", "Mij", "Var"};

const char *gr_category_word(gr_category cat) { return constructors[cat]; }

int gr_constructor(const char *s, int n) {
  for (int k = 0; k <= GR_ANY_VAR; k++)
    if ((int)strlen(constructors[k]) == n && strncmp(s, constructors[k], (size_t)n) == 0) return k;
  return -1;
}

int gr_read_variable(gr_ctx *c, gr_args *args, gr_arg *x, int kind, const double *v, int nv,
                     int next) {
  int pos = next;
  double dim = v[0];
  if (nv > 1) pos = check_position(c, &x->span, v[0]), dim = v[1];
  if (kind == GR_ANY_VAR && (v[2] < 0 || v[2] >= GR_ANY_VAR))
    gr_throw(c, &x->span, NULL, ERR_VarCategory, (long long)v[2]);
  x->cat = (gr_category)(kind == GR_ANY_VAR ? (int)v[2] : kind);
  x->dim = gr_check_dim(c, &x->span, dim);
  add_arg(c, args, pos, x);
  return pos;
}

GR_NORETURN static void bad_alias(gr_ctx *c, const gr_token *t) {
  const char *shown =
      t->kind == TOK_END ? "the end"
                         : gr_format(c->arena, "`%.*s`", t->span.len, t->span.text + t->span.start);
  gr_throw(c, &t->span, NULL, ERR_Alias, shown);
}

/* integers = NUMBER { "," NUMBER } ")" */
static int read_integers(gr_ctx *c, const gr_token *t, double *v) {
  int n = 0;
  for (;; t++) {
    double sign = t->kind == TOK_MINUS ? (t++, -1.0) : 1.0;
    if (t->kind != TOK_NUMBER || !t->is_int || n == 3) bad_alias(c, t);
    v[n++] = sign * t->num;
    t++;
    if (t->kind == TOK_RPAREN) break;
    if (t->kind != TOK_COMMA) bad_alias(c, t);
  }
  if (t[1].kind != TOK_END) bad_alias(c, t + 1);
  return n;
}

static void check_new_name(gr_ctx *c, const gr_args *args, const gr_arg *x) {
  for (int k = 0; k < args->n; k++)
    if (args->arg[k].named && strcmp(args->arg[k].name, x->name) == 0)
      gr_throw(c, &x->span, NULL, ERR_AliasTwice, x->name);
}

/* alias = [ NAME "=" ] ( category [ "(" integers ] | "Var" "(" integers ) */
static void bind_alias(gr_ctx *c, const char *text, int next, gr_args *args) {
  int n;
  double v[3];
  gr_token *t = gr_lex(c, text, "alias", &n);
  gr_arg x = {.span = t->span, .set = true, .group = -1};
  if (t->kind == TOK_NAME && t[1].kind == TOK_ASSIGN) {
    x.name = gr_strndup(c->arena, t->span.text + t->span.start, (size_t)t->span.len);
    x.named = true;
    check_new_name(c, args, &x);
    t += 2;
  }
  int kind = t->kind == TOK_NAME ? gr_constructor(t->span.text + t->span.start, t->span.len) : -1;
  if (kind < 0) bad_alias(c, t);
  if (t[1].kind == TOK_END && kind != GR_ANY_VAR) {
    x.cat = (gr_category)kind;
    x.open = true;
    add_arg(c, args, next, &x);
    return;
  }
  if (t[1].kind != TOK_LPAREN) bad_alias(c, t + 1);
  int nv = read_integers(c, t + 2, v);
  if (kind == GR_ANY_VAR ? nv != 3 : nv > 2) bad_alias(c, t);
  gr_read_variable(c, args, &x, kind, v, nv, next);
}

void gr_bind_aliases(gr_ctx *c, const char *const *alias, int n, gr_args *args) {
  if (n > GR_MAX_ARGS)
    gr_throw(c, NULL, NULL, ERR_PositionRange, GR_MAX_ARGS - 1, (long long)n - 1);
  for (int k = 0; k < n; k++)
    bind_alias(c, gr_strndup(c->arena, alias[k], strlen(alias[k])), k, args);
}

void gr_check_closed(gr_ctx *c, const gr_args *args) {
  for (int k = 0; k < args->n; k++)
    if (args->arg[k].open) gr_throw(c, &args->arg[k].span, NULL, ERR_AliasOpen, args->arg[k].name);
}

void gr_check_args(gr_ctx *c, const gr_args *args) {
  for (int k = 0; k < args->n; k++)
    if (!args->arg[k].set) gr_throw(c, NULL, NULL, ERR_PositionGap, k, args->n - 1);
}
