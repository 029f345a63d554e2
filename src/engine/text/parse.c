/* parse.c: tokens to an abstract syntax tree, by recursive descent with a depth limit.
 *
 * Operators become calls of the operations that they denote, so that later stages handle calls
 * only.  The tree is not checked against the operation table here; graph/bind.c does that. */
#include <string.h>

#include "text/text.h"

typedef struct parser {
  gr_ctx *c;
  const gr_token *t;
  int depth;
} parser;

static gr_ast *expression(parser *p);

static const char *token_text(parser *p, const gr_token *t) {
  if (t->kind == TOK_END) return "the end";
  return gr_format(p->c->arena, "`%.*s`", t->span.len, t->span.text + t->span.start);
}

GR_NORETURN static void expected(parser *p, const char *what) {
  gr_throw(p->c, &p->t->span, NULL, ERR_Expected, what, token_text(p, p->t));
}

static bool accept(parser *p, gr_tok kind) {
  if (p->t->kind != kind) return false;
  p->t++;
  return true;
}

static void need(parser *p, gr_tok kind, const char *what) {
  if (!accept(p, kind)) expected(p, what);
}

static void enter(parser *p) {
  if (++p->depth > GR_MAX_DEPTH) gr_throw(p->c, &p->t->span, NULL, ERR_Depth, GR_MAX_DEPTH);
}

/* ---- nodes ---- */

static gr_ast *node(parser *p, gr_ast_kind kind, gr_span at) {
  gr_ast *a = gr_alloc(p->c->arena, sizeof *a);
  a->kind = kind;
  a->span = a->at = at;
  return a;
}

static gr_span join(gr_span a, gr_span b) {
  int end = b.start + b.len > a.start + a.len ? b.start + b.len : a.start + a.len;
  if (b.start < a.start) a.start = b.start;
  a.len = end - a.start;
  return a;
}

/* A long chain such as x+x+...+x is not nested in the text, but its tree is high, and bind.c
 * recurses over the tree. */
static void measure(parser *p, gr_ast *a) {
  for (int k = 0; k < a->n; k++)
    if (a->arg[k]->height >= a->height) a->height = a->arg[k]->height + 1;
  if (a->height > GR_MAX_HEIGHT) gr_throw(p->c, &a->at, NULL, ERR_Depth, GR_MAX_HEIGHT);
}

static gr_ast *call(parser *p, const char *name, gr_span at, int n, gr_ast *x, gr_ast *y, gr_ast *z) {
  gr_ast *a = node(p, AST_CALL, at), *arg[3] = {x, y, z};
  a->name = name;
  a->n = n;
  a->arg = gr_alloc(p->c->arena, (size_t)n * sizeof *a->arg);
  for (int k = 0; k < n; k++) {
    a->arg[k] = arg[k];
    a->span = join(a->span, arg[k]->span);
  }
  measure(p, a);
  return a;
}

/* ---- grammar ---- */

/* items = [ expression { "," expression } ] close */
static void items(parser *p, gr_ast *into, gr_tok close, const char *what) {
  int cap = 0;
  if (!accept(p, close)) {
    do {
      if (into->n == cap) {
        cap = cap ? 2 * cap : 4;
        gr_ast **more = gr_alloc(p->c->arena, (size_t)cap * sizeof *more);
        if (into->n) memcpy(more, into->arg, (size_t)into->n * sizeof *more);
        into->arg = more;
      }
      into->arg[into->n++] = expression(p);
    } while (accept(p, TOK_COMMA));
    need(p, close, what);
  }
  into->span = join(into->span, p->t[-1].span);
  measure(p, into);
}

/* name = NAME | NAME "(" items */
static gr_ast *name(parser *p) {
  gr_span at = p->t->span;
  const char *s = gr_strndup(p->c->arena, at.text + at.start, (size_t)at.len);
  p->t++;
  if (!accept(p, TOK_LPAREN)) {
    gr_ast *a = node(p, AST_NAME, at);
    a->name = s;
    return a;
  }
  bool list = strcmp(s, "Ind") == 0;
  gr_ast *a = node(p, list ? AST_LIST : AST_CALL, at);
  a->name = s;
  items(p, a, TOK_RPAREN, "`)` or `,`");
  return a;
}

/* paren = "(" expression ")" | "(" items.  It is a list if it is empty or contains a comma. */
static gr_ast *paren(parser *p) {
  gr_ast *list = node(p, AST_LIST, p->t->span);
  p->t++;
  items(p, list, TOK_RPAREN, "`)`");
  if (list->n != 1) return list;
  list->arg[0]->span = list->span; /* errors about the expression show the parentheses too */
  return list->arg[0];
}

/* primary = NUMBER | name | paren | "[" items */
static gr_ast *primary(parser *p) {
  gr_ast *a;
  switch (p->t->kind) {
  case TOK_NUMBER:
    a = node(p, AST_NUMBER, p->t->span);
    a->num = p->t->num;
    a->is_int = p->t->is_int;
    p->t++;
    return a;
  case TOK_NAME: return name(p);
  case TOK_LPAREN: return paren(p);
  case TOK_LBRACKET:
    a = node(p, AST_LIST, p->t->span);
    p->t++;
    items(p, a, TOK_RBRACKET, "`]` or `,`");
    return a;
  default: expected(p, "a number, a name or `(`");
  }
}

/* The length of the slice a:b, as a node for Extract(f, a, b - a). */
static gr_ast *slice_length(parser *p, const gr_ast *from, const gr_ast *to) {
  gr_ast *a = node(p, AST_NUMBER, join(from->span, to->span));
  a->num = to->num - from->num;
  a->is_int = from->is_int && to->is_int;
  return a;
}

/* postfix = primary { "[" expression [ ":" expression ] "]" } */
static gr_ast *postfix(parser *p) {
  gr_ast *a = primary(p);
  while (p->t->kind == TOK_LBRACKET) {
    gr_span at = p->t->span;
    p->t++;
    gr_ast *from = expression(p);
    if (accept(p, TOK_COLON)) {
      gr_ast *to = expression(p);
      if (from->kind != AST_NUMBER || to->kind != AST_NUMBER || !from->is_int || !to->is_int)
        gr_throw(p->c, &at, NULL, ERR_IntArg, 2, "Extract");
      a = call(p, "Extract", at, 3, a, from, slice_length(p, from, to));
    } else {
      a = call(p, "Elem", at, 2, a, from, NULL);
    }
    need(p, TOK_RBRACKET, "`]`");
    a->span = join(a->span, p->t[-1].span);
  }
  return a;
}

static gr_ast *unary(parser *p);

/* power = postfix [ ("**" | "^") unary ].  Right-associative; binds tighter than a unary minus on
 * its left and looser than one on its right. */
static gr_ast *power(parser *p) {
  gr_ast *a = postfix(p);
  gr_span at = p->t->span;
  if (!accept(p, TOK_POW)) return a;
  return call(p, "**", at, 2, a, unary(p), NULL);
}

/* unary = "-" unary | "+" unary | power.  A minus in front of a number is folded into it. */
static gr_ast *unary(parser *p) {
  gr_span at = p->t->span;
  enter(p);
  gr_ast *a;
  if (accept(p, TOK_PLUS)) {
    a = unary(p);
  } else if (accept(p, TOK_MINUS)) {
    a = unary(p);
    if (a->kind == AST_NUMBER) {
      a->num = -a->num;
      a->span = join(at, a->span);
    } else {
      a = call(p, "Minus", at, 1, a, NULL, NULL);
    }
  } else {
    a = power(p);
  }
  p->depth--;
  return a;
}

/* Binary operators, loosest first; all associate to the left. */
static const struct {
  int level;
  gr_tok tok;
  const char *op;
  bool swap;
} binary_ops[] = {{0, TOK_EQ, "Equal", false},     {0, TOK_NE, "NotEqual", false}, {0, TOK_LT, "LessThan", false},
                  {0, TOK_LE, "LessOrEqual", false}, {0, TOK_GT, "LessThan", true},  {0, TOK_GE, "LessOrEqual", true},
                  {1, TOK_BAR, "Scalprod", false}, {2, TOK_PLUS, "Add", false},    {2, TOK_MINUS, "Subtract", false},
                  {3, TOK_STAR, "Mult", false},    {3, TOK_SLASH, "Divide", false}};
enum { LEVELS = 4, NBINARY = sizeof binary_ops / sizeof *binary_ops };

/* binary(level) = binary(level + 1) { operator binary(level + 1) } */
static gr_ast *binary(parser *p, int level) {
  if (level == LEVELS) return unary(p);
  gr_ast *a = binary(p, level + 1);
  for (int k = 0; k < NBINARY; k++) {
    if (binary_ops[k].level != level || p->t->kind != binary_ops[k].tok) continue;
    gr_span at = p->t->span;
    p->t++;
    gr_ast *b = binary(p, level + 1);
    bool swap = binary_ops[k].swap;
    a = call(p, binary_ops[k].op, at, 2, swap ? b : a, swap ? a : b, NULL);
    k = -1; /* look for the next operator of this level */
  }
  return a;
}

/* expression = binary(0): comparisons, then "|", then sums, then products */
static gr_ast *expression(parser *p) {
  enter(p);
  gr_ast *a = binary(p, 0);
  p->depth--;
  return a;
}

gr_ast *gr_parse(gr_ctx *c, const char *text, const char *what) {
  int n;
  parser p = {.c = c, .t = gr_lex(c, text, what, &n)};
  if (n == 1) gr_throw(c, NULL, NULL, ERR_Empty, what);
  gr_ast *a = expression(&p);
  if (p.t->kind != TOK_END) gr_throw(c, &p.t->span, NULL, ERR_Trailing, token_text(&p, p.t));
  return a;
}

void gr_print_ast(gr_str *b, const gr_ast *a) {
  char number[GR_NUMBER];
  switch (a->kind) {
  case AST_NUMBER: gr_put(b, gr_number_text(a->num, 17, number)); break;
  case AST_NAME: gr_put(b, a->name); break;
  case AST_CALL: gr_put(b, a->name); /* fall through */
  case AST_LIST:
    gr_put(b, a->kind == AST_LIST ? "[" : "(");
    for (int k = 0; k < a->n; k++) {
      if (k) gr_put(b, ", ");
      gr_print_ast(b, a->arg[k]);
    }
    gr_put(b, a->kind == AST_LIST ? "]" : ")");
  }
}
