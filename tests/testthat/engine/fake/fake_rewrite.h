/* fake_rewrite.h: kernels of CUDA C++ rewritten for the host's compiler, and a growing string. */
#ifndef FAKE_REWRITE_H
#define FAKE_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* A string of n characters that grows; all zero: empty, with s = NULL.  Out of memory aborts. */
typedef struct text {
  char *s;
  size_t n, room;
} text;

HIDDEN void add(text *t, const char *s, size_t n);
HIDDEN void addf(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline bool starts(const char *s, const char *word) { return strncmp(s, word, strlen(word)) == 0; }

/* Appends the source s to out, so changed that it compiles behind cuda_shim.h, and a table of its
 * kernels.  The barrier number `drop`, counted from 1, is removed. */
HIDDEN void rewrite(const char *s, long drop, text *out);

#endif
