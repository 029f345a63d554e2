/* error.c: filling a gr_error, thrown or returned, and suggestions for misspelt names.
 *
 * Errors of compiler stages carry a span of a source text; the message then shows its line with a
 * caret below.  The suggestion is the known name at the smallest edit distance
 * (Damerau-Levenshtein, optimal string alignment).  Messages are valid UTF-8 even where a long one
 * was truncated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

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

/* Length in bytes of the UTF-8 character that begins here, 0 if the bytes are not one. */
static int character_length(const unsigned char *s) {
  int n = *s < 0x80 ? 1 : *s >= 0xC2 && *s < 0xE0 ? 2 : *s >= 0xE0 && *s < 0xF0 ? 3 : *s >= 0xF0 && *s < 0xF5 ? 4 : 0;
  for (int k = 1; k < n; k++)
    if ((s[k] & 0xC0) != 0x80) return 0;
  return n;
}

/* Messages are truncated by bytes: an incomplete character is dropped at the end of the text and
 * becomes a question mark elsewhere. */
void gr_whole_characters(char *text) {
  for (char *s = text; *s;) {
    int n = character_length((const unsigned char *)s), rest = 1;
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

void gr_append(gr_error *err, const char *fmt, ...) {
  size_t n = strlen(err->message);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(err->message + n, sizeof err->message - n, fmt, ap);
  va_end(ap);
}

enum { SHOWN = 100 }; /* bytes of a source line that a message shows */

/* Whether c is a continuation byte of a UTF-8 character. */
static bool is_continuation(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* Appends the source line of the span, cut to a window around it, and a line with a caret below. */
static void show_span(gr_error *err, const gr_span *at) {
  const char *t = at->text;
  int from = at->start, to = at->start, len = (int)strlen(t);
  while (from > 0 && t[from - 1] != '\n' && at->start - from < SHOWN / 2) from--;
  while (to < len && t[to] != '\n' && to - from < SHOWN) to++;
  while (from < at->start && is_continuation(t[from])) from++;
  while (to < len && is_continuation(t[to])) to++;
  bool cut_left = from > 0 && t[from - 1] != '\n', cut_right = to < len && t[to] != '\n';
  gr_append(err, "\n  %s%.*s%s\n  %s", cut_left ? "..." : "", to - from, t + from, cut_right ? "..." : "",
         cut_left ? "   " : "");
  /* For alignment, tabs are repeated and continuation bytes of UTF-8 take no column. */
  for (int k = from; k < at->start; k++)
    if (!is_continuation(t[k])) gr_append(err, "%c", t[k] == '\t' ? '\t' : ' ');
  gr_append(err, "^");
  int end = at->start + at->len < to ? at->start + at->len : to;
  for (int k = at->start + 1; k < end; k++)
    if (!is_continuation(t[k])) gr_append(err, "~");
}

void gr_throw(gr_ctx *c, const gr_span *at, const char *hint, gr_errid id, ...) {
  va_list ap;
  va_start(ap, id);
  fill(c->err, errors[id].cls, errors[id].fmt, ap);
  va_end(ap);
  if (at && at->text) show_span(c->err, at);
  if (hint) gr_append(c->err, "\n%s", hint);
  gr_whole_characters(c->err->message);
  longjmp(*c->top, 1);
}

/* The text of the span (the name or sign of an operation), or `otherwise` if it is longer than
 * that. */
const char *gr_span_text(gr_arena *a, const gr_span *at, const char *otherwise) {
  return at->text && at->len > 0 && at->len < 40 ? gr_format(a, "%.*s", at->len, at->text + at->start) : otherwise;
}

/* Edit distance that ignores case and counts a transposition as one edit; 99 for names over 60
 * characters. */
static int distance(const char *s, const char *t) {
  int n = (int)strlen(s), m = (int)strlen(t), row[3][64];
  if (n > 60 || m > 60) return 99;
  for (int j = 0; j <= m; j++) row[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *now = row[i % 3], *last = row[(i + 2) % 3], *before_last = row[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      int a = gr_lower_case(s[i - 1]), b = gr_lower_case(t[j - 1]);
      int d = last[j - 1] + (a != b);
      if (last[j] + 1 < d) d = last[j] + 1;
      if (now[j - 1] + 1 < d) d = now[j - 1] + 1;
      if (i > 1 && j > 1 && a == gr_lower_case(t[j - 2]) && b == gr_lower_case(s[i - 2]) &&
          before_last[j - 2] + 1 < d)
        d = before_last[j - 2] + 1;
      now[j] = d;
    }
  }
  return row[n % 3][m];
}

/* Whether `name` is a prefix of `known`, ignoring case. */
static bool is_prefix(const char *known, const char *name) {
  while (*name && gr_lower_case(*known) == gr_lower_case(*name)) known++, name++;
  return !*name;
}

/* The known name at the smallest edit distance (at most a third of the length, plus 1), else the
 * first of which `name` is a prefix. */
const char *gr_nearest(gr_arena *a, const char *name, const char *const *known, int n) {
  int best = 1 + (int)strlen(name) / 3, at = -1;
  for (int k = 0; k < n; k++) { /* "" marks an operation that has no name in formulas */
    int d = *known[k] ? distance(name, known[k]) : best + 1;
    if (d <= best && (at < 0 || d < best)) best = d, at = k;
  }
  for (int k = 0; at < 0 && strlen(name) > 2 && k < n; k++)
    if (is_prefix(known[k], name)) at = k;
  return at < 0 ? NULL : gr_format(a, "Did you mean `%s`?", known[at]);
}
