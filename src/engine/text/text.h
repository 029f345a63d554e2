/* text.h: the formula as text: tokens, and the syntax tree. */
#ifndef GENRED_TEXT_H
#define GENRED_TEXT_H
#include "base/base.h"

/* Limits: beyond each, an error. */
enum {
  GR_MAX_SOURCE = 1 << 20, /* characters of a formula */
  GR_MAX_DEPTH = 500,      /* nesting in the text */
  GR_MAX_HEIGHT = 5000     /* of the syntax tree: terms of one long sum */
};

/* ---- lex.c, parse.c -------------------------------------------------------------------------------------------- */

typedef enum gr_tok {
  TOK_END, TOK_NUMBER, TOK_NAME, TOK_LPAREN, TOK_RPAREN, TOK_LBRACKET, TOK_RBRACKET, TOK_COMMA, TOK_COLON, TOK_ASSIGN,
  TOK_PLUS, TOK_MINUS, TOK_STAR, TOK_SLASH, TOK_POW, TOK_BAR, TOK_EQ, TOK_NE, TOK_LT, TOK_LE, TOK_GT, TOK_GE
} gr_tok;

typedef struct gr_token {
  gr_tok kind;
  gr_span span;
  double num; /* TOK_NUMBER */
  bool is_int;
} gr_token;

typedef enum gr_ast_kind { AST_NUMBER, AST_NAME, AST_CALL, AST_LIST } gr_ast_kind;

/* Operators are calls of the operation they mean: `a*b` is Mult(a,b). */
typedef struct gr_ast {
  gr_ast_kind kind;
  gr_span span; /* the whole expression; for a call of an operation, its name is in `name` */
  gr_span at;   /* what an error about this node points to: name or operator */
  const char *name;
  double num;
  bool is_int;
  int height;
  int n;
  struct gr_ast **arg;
} gr_ast;

gr_token *gr_lex(gr_ctx *c, const char *text, const char *what, int *n); /* ends with TOK_END */
gr_ast *gr_parse(gr_ctx *c, const char *text, const char *what);
void gr_print_tokens(gr_str *b, const gr_token *t, int n);
void gr_print_ast(gr_str *b, const gr_ast *a);

#endif
