/* arena.c: memory that is freed as a whole.
 *
 * An arena is a linked list of blocks; an allocation takes the next bytes of the newest block.  It
 * belongs to one compile or one program.  If it has a context, running out of memory throws;
 * otherwise the allocation returns NULL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

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

void *gr_alloc_raw(gr_arena *a, size_t size) {
  size = (size + 15) & ~(size_t)15;
  gr_block *b = a->head;
  if (!b || b->size - b->used < size) b = new_block(a, size);
  if (!b) return NULL;
  void *p = (char *)b + HEAD + b->used;
  b->used += size;
  return p;
}

void *gr_alloc(gr_arena *a, size_t size) {
  void *p = gr_alloc_raw(a, size);
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
