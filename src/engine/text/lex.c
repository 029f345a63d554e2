/* lex.c: text to tokens.  Assumes nothing about the text; every token records its span.
 *
 *   number   12  0.5  .5  1e-3        name   a letter, _ or . followed by letters, digits, _ and .
 *
 * Names may contain dots, as in R (`x.new`); a dot followed by a digit starts a number. */
#include <stdlib.h>
#include <string.h>

#include "text/text.h"

typedef struct lexer {
  gr_ctx *c;
  const char *text, *what;
  int pos;
} lexer;

/* A symbol precedes its prefixes, so that the first match is the longest. */
static const struct {
  const char *text;
  gr_tok kind;
} symbols[] = {{"**", TOK_POW},    {"==", TOK_EQ},       {"!=", TOK_NE},      {"<=", TOK_LE},    {">=", TOK_GE},
               {"<", TOK_LT},      {">", TOK_GT},        {"=", TOK_ASSIGN},   {"^", TOK_POW},    {"+", TOK_PLUS},
               {"-", TOK_MINUS},   {"*", TOK_STAR},      {"/", TOK_SLASH},    {"|", TOK_BAR},    {"(", TOK_LPAREN},
               {")", TOK_RPAREN},  {"[", TOK_LBRACKET},  {"]", TOK_RBRACKET}, {",", TOK_COMMA},  {":", TOK_COLON}};

static bool is_letter(char ch) { return gr_is_letter(ch) || ch == '_'; }

static gr_span span_here(const lexer *x, int len) {
  return (gr_span){.text = x->text, .what = x->what, .start = x->pos, .len = len};
}

static int name_length(const char *s) {
  int n = 0;
  while (is_letter(s[n]) || gr_is_digit(s[n]) || s[n] == '.') n++;
  return n;
}

static int digits(const char *s) {
  int n = 0;
  while (gr_is_digit(s[n])) n++;
  return n;
}

/* The length of a number; *is_int is set unless it has a decimal point or an exponent. */
static int number_length(const char *s, bool *is_int) {
  int n = digits(s);
  *is_int = true;
  if (s[n] == '.') n += 1 + digits(s + n + 1), *is_int = false;
  if (s[n] == 'e' || s[n] == 'E') {
    int sign = s[n + 1] == '+' || s[n + 1] == '-', more = digits(s + n + 1 + sign);
    if (more) n += 1 + sign + more, *is_int = false;
  }
  return n;
}

static gr_token lex_number(lexer *x) {
  const char *s = x->text + x->pos;
  gr_token t = {.kind = TOK_NUMBER};
  int n = number_length(s, &t.is_int);
  int glued = name_length(s + n); /* 3x, 1.2.3, 0x1F */
  t.span = span_here(x, n + glued);
  if (glued) gr_throw(x->c, &t.span, NULL, ERR_Number, gr_strndup(x->c->arena, s, (size_t)(n + glued)));
  t.num = gr_read_number(s, (size_t)n);
  return t;
}

static gr_token lex_symbol(lexer *x) {
  const char *s = x->text + x->pos;
  for (size_t k = 0; k < sizeof symbols / sizeof *symbols; k++) {
    size_t n = strlen(symbols[k].text);
    if (strncmp(s, symbols[k].text, n) == 0) return (gr_token){.kind = symbols[k].kind, .span = span_here(x, (int)n)};
  }
  int n = 1; /* include the continuation bytes of a UTF-8 character */
  while (((unsigned char)s[0] & 0x80) && ((unsigned char)s[n] & 0xC0) == 0x80) n++;
  gr_span at = span_here(x, n);
  const char *shown = (unsigned char)s[0] < 32 ? gr_format(x->c->arena, "number %d", s[0])
                                               : gr_format(x->c->arena, "`%.*s`", n, s);
  gr_throw(x->c, &at, NULL, ERR_Char, shown);
}

static gr_token lex_one(lexer *x) {
  while (gr_is_space(x->text[x->pos])) x->pos++;
  const char *s = x->text + x->pos;
  gr_token t;
  if (!*s)
    t = (gr_token){.kind = TOK_END, .span = span_here(x, 1)};
  else if (gr_is_digit(*s) || (*s == '.' && gr_is_digit(s[1])))
    t = lex_number(x);
  else if (is_letter(*s) || (*s == '.' && (is_letter(s[1]) || s[1] == '.')))
    t = (gr_token){.kind = TOK_NAME, .span = span_here(x, name_length(s))};
  else
    t = lex_symbol(x);
  if (t.kind != TOK_END) x->pos += t.span.len;
  return t;
}

gr_token *gr_lex(gr_ctx *c, const char *text, const char *what, int *n) {
  size_t len = strlen(text);
  if (len > GR_MAX_SOURCE)
    gr_throw(c, NULL, NULL, ERR_TooLong, what, (long long)len, (long long)GR_MAX_SOURCE);
  lexer x = {.c = c, .text = text, .what = what};
  int cap = 64;
  gr_token *tok = gr_alloc(c->arena, (size_t)cap * sizeof *tok);
  *n = 0;
  do {
    if (*n == cap) {
      gr_token *more = gr_alloc(c->arena, 2 * (size_t)cap * sizeof *tok);
      memcpy(more, tok, (size_t)cap * sizeof *tok);
      tok = more;
      cap *= 2;
    }
    tok[*n] = lex_one(&x);
  } while (tok[(*n)++].kind != TOK_END);
  return tok;
}

void gr_print_tokens(gr_str *b, const gr_token *t, int n) {
  for (int k = 0; k < n - 1; k++) {
    const gr_span *at = &t[k].span;
    gr_line(b, "%3d  %.*s", at->start, at->len, at->text + at->start);
  }
}
