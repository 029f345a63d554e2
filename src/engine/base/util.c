/* util.c: arena, string builder, errors.
 *
 * An arena is a list of blocks freed together; it belongs to one compile or one program.  When it has a context, running
 * out of memory throws.  Errors thrown by compiler stages carry a span; the message shows the line it stands in with
 * a caret below.  Suggestions are the known name at the smallest edit distance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* ---- arena ---- */

struct gr_block {
  gr_block *next;
  size_t used, size;
};

enum { BLOCK = 16 * 1024, HEAD = (sizeof(gr_block) + 15) & ~15 };

static gr_block *new_block(gr_arena *a, size_t need) {
  size_t size = need > BLOCK ? need : BLOCK;
  gr_block *b = malloc(HEAD + size);
  if (!b) {
    if (a->ctx) gr_throw(a->ctx, NULL, NULL, ERR_NoMemory, "formula", (long long)need);
    return NULL;
  }
  *b = (gr_block){.next = a->head, .used = 0, .size = size};
  return a->head = b;
}

/* Not set to 0: a long string's buffer is half empty, and pages that nobody touches cost nothing. */
static void *take(gr_arena *a, size_t size) {
  size = (size + 15) & ~(size_t)15;
  gr_block *b = a->head;
  if (!b || b->size - b->used < size) b = new_block(a, size);
  if (!b) return NULL;
  void *p = (char *)b + HEAD + b->used;
  b->used += size;
  return p;
}

void *gr_alloc(gr_arena *a, size_t size) {
  void *p = take(a, size);
  return p ? memset(p, 0, size) : NULL;
}

void gr_arena_free(gr_arena *a) {
  while (a->head) {
    gr_block *next = a->head->next;
    free(a->head);
    a->head = next;
  }
}

char *gr_strndup(gr_arena *a, const char *s, size_t n) {
  char *p = gr_alloc(a, n + 1);
  return p ? memcpy(p, s, n) : NULL;
}

char *gr_format(gr_arena *a, const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  char *p = gr_alloc(a, (size_t)n + 1);
  if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
  va_end(ap);
  va_end(again);
  return p;
}

/* ---- string builder ---- */

static void reserve(gr_str *b, size_t more) {
  if (b->n + more + 1 <= b->cap) return;
  size_t cap = b->cap ? b->cap : 256;
  while (cap < b->n + more + 1) cap *= 2;
  char *s = take(b->arena, cap);
  if (b->n) memcpy(s, b->s, b->n);
  s[b->n] = 0;
  b->s = s;
  b->cap = cap;
}

static void put_n(gr_str *b, const char *s, size_t n) {
  reserve(b, n);
  memcpy(b->s + b->n, s, n);
  b->n += n;
  b->s[b->n] = 0;
}

void gr_put(gr_str *b, const char *s) { put_n(b, s, strlen(s)); }

static void put_v(gr_str *b, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  reserve(b, (size_t)n);
  vsnprintf(b->s + b->n, (size_t)n + 1, fmt, again);
  va_end(again);
  b->n += (size_t)n;
}

void gr_putf(gr_str *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  put_v(b, fmt, ap);
  va_end(ap);
}

void gr_line_begin(gr_str *b, const char *fmt, va_list ap) {
  for (int k = 0; k < b->indent; k++) put_n(b, "  ", 2);
  put_v(b, fmt, ap);
}

void gr_line(gr_str *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (*fmt) gr_line_begin(b, fmt, ap);
  va_end(ap);
  put_n(b, "\n", 1);
}

/* ---- errors ---- */

static const struct {
  gr_class cls;
  const char *fmt;
} errors[ERR_COUNT] = {
#define ERR(name, cls, fmt) {cls, fmt},
    GR_ERRORS(ERR)
#undef ERR
};

const char *gr_class_name(gr_class cls) {
  static const char *const name[] = {"ok",     "parse",     "dimension", "argument", "compiler",
                                     "cuda",   "memory",    "interrupt", "internal"};
  return name[cls];
}

void gr_error_clear(gr_error *err) {
  free(err->log);
  *err = (gr_error){.cls = GR_OK};
}

/* Bytes of the character that begins here, 0 where none does. */
static int character(const unsigned char *s) {
  int n = *s < 0x80 ? 1 : *s >= 0xC2 && *s < 0xE0 ? 2 : *s >= 0xE0 && *s < 0xF0 ? 3 : *s >= 0xF0 && *s < 0xF5 ? 4 : 0;
  for (int k = 1; k < n; k++)
    if ((s[k] & 0xC0) != 0x80) return 0;
  return n;
}

/* Texts are cut by bytes: a character that is not whole is left out at the end, and is a question mark elsewhere. */
void gr_whole_characters(char *text) {
  for (char *s = text; *s;) {
    int n = character((const unsigned char *)s), rest = 1;
    while (n == 0 && ((unsigned char)s[rest] & 0xC0) == 0x80) rest++;
    if (n == 0 && !s[rest] && (unsigned char)*s >= 0xC2)
      *s = 0;
    else if (n == 0)
      *s++ = '?';
    else
      s += n;
  }
}

static gr_class fill(gr_error *err, gr_class cls, const char *fmt, va_list ap) {
  free(err->log);
  err->log = NULL;
  err->cls = cls;
  vsnprintf(err->message, sizeof err->message, fmt, ap);
  return cls;
}

gr_class gr_fail(gr_error *err, gr_errid id, ...) {
  va_list ap;
  va_start(ap, id);
  gr_class cls = fill(err, errors[id].cls, errors[id].fmt, ap);
  va_end(ap);
  gr_whole_characters(err->message);
  return cls;
}

gr_class gr_failf(gr_error *err, gr_class cls, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fill(err, cls, fmt, ap);
  va_end(ap);
  gr_whole_characters(err->message);
  return cls;
}

static void append(gr_error *err, const char *fmt, ...) GR_PRINTF(2, 3);
static void append(gr_error *err, const char *fmt, ...) {
  size_t n = strlen(err->message);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(err->message + n, sizeof err->message - n, fmt, ap);
  va_end(ap);
}

enum { SHOWN = 100 }; /* characters of a line that an error shows */

static bool continues(char c) { return ((unsigned char)c & 0xC0) == 0x80; } /* a character of UTF-8 */

/* The line of the text that holds the span, cut to a window around it, and a caret line below. */
static void show_span(gr_error *err, const gr_span *at) {
  const char *t = at->text;
  int from = at->start, to = at->start, len = (int)strlen(t);
  while (from > 0 && t[from - 1] != '\n' && at->start - from < SHOWN / 2) from--;
  while (to < len && t[to] != '\n' && to - from < SHOWN) to++;
  while (from < at->start && continues(t[from])) from++;
  while (to < len && continues(t[to])) to++;
  bool cut_left = from > 0 && t[from - 1] != '\n', cut_right = to < len && t[to] != '\n';
  append(err, "\n  %s%.*s%s\n  %s", cut_left ? "..." : "", to - from, t + from, cut_right ? "..." : "",
         cut_left ? "   " : "");
  /* Tabs stay tabs, and the bytes after the first of a UTF-8 character take no column. */
  for (int k = from; k < at->start; k++)
    if (!continues(t[k])) append(err, "%c", t[k] == '\t' ? '\t' : ' ');
  append(err, "^");
  int end = at->start + at->len < to ? at->start + at->len : to;
  for (int k = at->start + 1; k < end; k++)
    if (!continues(t[k])) append(err, "~");
}

void gr_throw(gr_ctx *c, const gr_span *at, const char *hint, gr_errid id, ...) {
  va_list ap;
  va_start(ap, id);
  fill(c->err, errors[id].cls, errors[id].fmt, ap);
  va_end(ap);
  if (at && at->text) show_span(c->err, at);
  if (hint) append(c->err, "\n%s", hint);
  gr_whole_characters(c->err->message);
  longjmp(*c->top, 1);
}

/* What the user wrote there, an operation's name or sign; `otherwise` where the span is not that short. */
const char *gr_span_text(gr_arena *a, const gr_span *at, const char *otherwise) {
  return at->text && at->len > 0 && at->len < 40 ? gr_format(a, "%.*s", at->len, at->text + at->start) : otherwise;
}

/* Edit distance with transpositions, by characters without case; both shorter than 64. */
static int distance(const char *s, const char *t) {
  int n = (int)strlen(s), m = (int)strlen(t), row[3][64];
  if (n > 60 || m > 60) return 99;
  for (int j = 0; j <= m; j++) row[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      int a = gr_lower_case(s[i - 1]), b = gr_lower_case(t[j - 1]);
      int d = last[j - 1] + (a != b);
      if (last[j] + 1 < d) d = last[j] + 1;
      if (now[j - 1] + 1 < d) d = now[j - 1] + 1;
      if (i > 1 && j > 1 && a == gr_lower_case(t[j - 2]) && b == gr_lower_case(s[i - 2]) &&
          before[j - 2] + 1 < d)
        d = before[j - 2] + 1;
      now[j] = d;
    }
  }
  return row[n % 3][m];
}

/* `known` begins with `name`, whatever the case. */
static bool begins(const char *known, const char *name) {
  while (*name && gr_lower_case(*known) == gr_lower_case(*name)) known++, name++;
  return !*name;
}

/* The nearest by edit distance, else the first that the name is the beginning of. */
const char *gr_nearest(gr_arena *a, const char *name, const char *const *known, int n) {
  int best = 1 + (int)strlen(name) / 3, at = -1;
  for (int k = 0; k < n; k++) { /* "" stands for what cannot be written */
    int d = *known[k] ? distance(name, known[k]) : best + 1;
    if (d <= best && (at < 0 || d < best)) best = d, at = k;
  }
  for (int k = 0; at < 0 && strlen(name) > 2 && k < n; k++)
    if (begins(known[k], name)) at = k;
  return at < 0 ? NULL : gr_format(a, "Did you mean `%s`?", known[at]);
}
