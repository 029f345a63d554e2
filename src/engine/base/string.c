/* string.c: a growing string, the text of every stage and of every kernel.
 *
 * Its buffer lies in an arena and doubles when it is full; abandoned buffers are freed with the
 * arena.  Requires an arena with a context, so that running out of memory throws. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"

/* The buffer is not cleared: on average a quarter of it is unused, and the system never has to
 * provide pages that are not written. */
static void reserve(gr_str *b, size_t more) {
  if (b->n + more + 1 <= b->cap) return;
  size_t cap = b->cap ? b->cap : 256;
  while (cap < b->n + more + 1) cap *= 2;
  char *s = gr_alloc_raw(b->arena, cap);
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
