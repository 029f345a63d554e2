/* fake_rewrite.c: rewrites kernels of CUDA C++ for the host's compiler.
 *
 * No parser: comments and string literals are copied, a kernel is recognized by __global__ or a
 * macro that expands to it, dynamic shared memory by its declaration.  cuda_shim.h defines the rest
 * of the language. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_rewrite.h"

/* ---- a growing string ---- */

void add(text *t, const char *s, size_t n) {
  if (t->n + n + 1 > t->room) {
    t->room = 2 * (t->n + n) + 256;
    t->s = realloc(t->s, t->room);
    if (!t->s) abort();
  }
  memcpy(t->s + t->n, s, n);
  t->n += n;
  t->s[t->n] = 0;
}

void addf(text *t, const char *fmt, ...) {
  char line[2048];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(line, sizeof line, fmt, ap);
  va_end(ap);
  add(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* ---- rewriting ---- */

static const char *skip_space(const char *s) {
  while (isspace((unsigned char)*s)) s++;
  return s;
}

static const char *skip_name(const char *s) {
  while (isalnum((unsigned char)*s) || *s == '_') s++;
  return s;
}

/* "extern __shared__ [__align__(n)] TYPE NAME[];" becomes a macro NAME.  Returns the rest, or NULL
 * where s does not begin such a declaration. */
static const char *shared_declaration(const char *s, text *out) {
  if (!starts(s, "extern")) return NULL;
  const char *type = skip_space(s + 6);
  if (!starts(type, "__shared__")) return NULL;
  type = skip_space(type + 10);
  if (starts(type, "__align__")) type = skip_space(strchr(type, ')') + 1);
  const char *end = strchr(type, '['), *stop = strchr(type, ';'), *name;
  if (!end || !stop || end > stop) return NULL;
  for (name = end; name > type && skip_name(name - 1) != name - 1; name--) {}
  addf(out, "\n#undef %.*s\n#define %.*s ((%.*s *)shim->shared)\n", (int)(end - name), name, (int)(end - name), name, (int)(name - type), type);
  return stop + 1;
}

/* The end of the comment or string literal that begins at s, or NULL where none does. */
static const char *aside(const char *s) {
  const char *end;
  if (starts(s, "//")) return s + strcspn(s, "\n");
  if (starts(s, "/*")) return (end = strstr(s, "*/")) ? end + 2 : s + strlen(s);
  if (*s != '"') return NULL;
  for (end = s + 1; *end && *end != '"'; end++)
    if (*end == '\\' && end[1]) end++;
  return *end ? end + 1 : end;
}

/* Words that begin a kernel: __global__ and the macros that expand to it. */
typedef struct starters {
  char name[4][64];
  int n;
} starters;

static void note_macro(const char *s, starters *known) {
  if (!starts(s, "#define ")) return;
  const char *name = skip_space(s + 8), *global = strstr(s, "__global__");
  if (!global || global > s + strcspn(s, "\n") || known->n == 4) return;
  snprintf(known->name[known->n++], sizeof *known->name, "%.*s", (int)(skip_name(name) - name), name);
}

/* Adds a row to the table for "__global__ void [__launch_bounds__(n)] NAME(" at s. */
static void note_kernel(const char *s, const starters *known, text *table) {
  char threads[64] = "0";
  size_t word = (size_t)(skip_name(s) - s);
  int k = 0;
  while (k < known->n && (strlen(known->name[k]) != word || strncmp(s, known->name[k], word) != 0)) k++;
  if (k == known->n) return;
  for (s = skip_space(s + word); starts(s, "void") || starts(s, "__launch_bounds__"); s = skip_space(s)) {
    bool bounds = *s == '_';
    s = skip_space(skip_name(s));
    if (!bounds) continue;
    snprintf(threads, sizeof threads, "%.*s", (int)strcspn(s + 1, ",)"), s + 1);
    s = strchr(s, ')') + 1;
  }
  if (skip_name(s) != s && *skip_space(skip_name(s)) == '(') addf(table, "SHIM_KERNEL(%.*s, %s)\n", (int)(skip_name(s) - s), s, threads);
}

void rewrite(const char *s, long drop, text *out) {
  text table = {0};
  starters known = {{"__global__"}, 1};
  long barriers = 0;
  bool in_word = false;
  addf(out, "#include \"cuda_shim.h\"\n#line 1 \"kernel.cu\"\n");
  while (*s) {
    const char *next = aside(s);
    if (!next && !in_word) {
      note_macro(s, &known);
      note_kernel(s, &known, &table);
      next = shared_declaration(s, out);
      if (next) {
        s = next;
        continue;
      }
      if (starts(s, "__syncthreads()") && ++barriers == drop) {
        addf(out, "shim_no_barrier()");
        s += strlen("__syncthreads()");
        continue;
      }
    }
    if (!next) next = s + 1;
    in_word = isalnum((unsigned char)*s) || *s == '_';
    add(out, s, (size_t)(next - s));
    s = next;
  }
  addf(out, "\nextern \"C\" const shim_kernel shim_kernels[] = {\n%s{nullptr, nullptr, nullptr, 0}};\n", table.s ? table.s : "");
  free(table.s);
}
