/* text.h: from the text of a formula to tokens and to the abstract syntax tree. */
#ifndef GENRED_TEXT_H
#define GENRED_TEXT_H
#include "base/base.h"

/* Limits; exceeding one is an error. */
enum {
  GR_MAX_SOURCE = 1 << 20, /* bytes of a formula */
  GR_MAX_DEPTH = 500,      /* levels of nesting in the text */
  GR_MAX_HEIGHT = 5000     /* height of the syntax tree, such as the number of terms of a sum */
};

/* ---- lex.c, parse.c -------------------------------------------------------------------------- */

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

/* Operators are calls of operations: `a*b` is Mult(a,b). */
typedef struct gr_ast {
  gr_ast_kind kind;
  gr_span span; /* the whole expression */
  gr_span at;   /* what errors about this node point to: the name or operator */
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
