/* base.h: memory, strings, errors, numbers as text, hashes, and the operating system.
 *
 * Memory: what a program owns lives in its arena, which is freed whole.  Compiler stages (text to emit) throw with gr_throw to
 * the one protected call in run/program.c and own nothing but arena memory.  Code of the operating system and of the run room
 * returns a gr_class, fills a caller-owned gr_error, and cleans up at one label. */
#ifndef GENRED_BASE_H
#define GENRED_BASE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "base/errs.h"

#if defined(__GNUC__)
#define GR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define GR_NORETURN __attribute__((noreturn))
#else
#define GR_PRINTF(f, a)
#define GR_NORETURN
#endif

/* ---- util.c: arena, string builder, errors ------------------------------------------------------------------- */

typedef struct gr_block gr_block;
typedef struct gr_arena {
  gr_block *head;
  struct gr_ctx *ctx; /* thrown to when memory ends; NULL: allocation returns NULL */
} gr_arena;

void *gr_alloc(gr_arena *a, size_t size); /* zeroed, 16-byte aligned */
char *gr_strndup(gr_arena *a, const char *s, size_t n);
char *gr_format(gr_arena *a, const char *fmt, ...) GR_PRINTF(2, 3);
void gr_arena_free(gr_arena *a);

/* A string that grows; owned by an arena, so a throw loses nothing. */
typedef struct gr_str {
  gr_arena *arena;
  char *s;
  size_t n, cap;
  int indent; /* of gr_line, in steps of two spaces */
} gr_str;

void gr_put(gr_str *b, const char *s);
void gr_putf(gr_str *b, const char *fmt, ...) GR_PRINTF(2, 3);
void gr_line(gr_str *b, const char *fmt, ...) GR_PRINTF(2, 3); /* one indented line; an empty one for "" */
void gr_line_begin(gr_str *b, const char *fmt, va_list ap);    /* the same without its end */

/* A stretch of one of the source texts (formula, formula2, an alias). */
typedef struct gr_span {
  const char *text, *what; /* the whole text; "formula", "formula2", "alias" */
  int start, len;
} gr_span;

typedef enum gr_errid {
#define ERR(name, cls, fmt) ERR_##name,
  GR_ERRORS(ERR)
#undef ERR
      ERR_COUNT
} gr_errid;

/* One compile: where throws go. */
typedef struct gr_ctx {
  jmp_buf *top;
  gr_error *err;
  gr_arena *arena;
} gr_ctx;

GR_NORETURN void gr_throw(gr_ctx *c, const gr_span *at, const char *hint, gr_errid id, ...);
gr_class gr_fail(gr_error *err, gr_errid id, ...); /* fills err, returns its class; for code that does not throw */
gr_class gr_failf(gr_error *err, gr_class cls, const char *fmt, ...) GR_PRINTF(3, 4);
void gr_whole_characters(char *text); /* UTF-8 that was cut by bytes */
const char *gr_span_text(gr_arena *a, const gr_span *at, const char *otherwise);
const char *gr_nearest(gr_arena *a, const char *name, const char *const *known, int n); /* or NULL */

/* Letters of ASCII, whatever the locale: those of ctype.h know more in some and, in Turkish, others. */
static inline bool gr_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool gr_is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool gr_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline char gr_lower_case(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* ---- number.c: numbers as text, whatever the locale ---------------------------------------------------------------- */

enum { GR_NUMBER = 48 }; /* characters of a number, its end included */
double gr_read_number(const char *s, size_t n); /* as strtod reads it where the decimal point is a point: digits, point, exponent */
const char *gr_number_text(double x, int digits, char *text); /* as "%.*g" writes it there */
const char *gr_hex_text(double x, char *text);                /* C's hexadecimal float: exact */

/* ---- hash.c --------------------------------------------------------------------------------------------------- */

typedef struct gr_sha256 {
  uint32_t h[8];
  uint64_t bytes;
  unsigned char block[64];
} gr_sha256;

void gr_sha256_init(gr_sha256 *s);
void gr_sha256_add(gr_sha256 *s, const void *data, size_t n);
void gr_sha256_hex(gr_sha256 *s, char hex[65]); /* finishes */
uint64_t gr_checksum(const void *data, size_t n); /* of a file that may be damaged */

/* ---- os.c: every #ifdef of an operating system ------------------------------------------------------------------------------ */

double gr_now(void); /* seconds, monotonic */
void gr_sleep(double seconds);
void *gr_aligned_alloc(size_t size); /* 64-byte aligned, or NULL */
void gr_aligned_free(void *p);
const char *gr_cpu_features(void); /* names that decide what -march=native means, for the cache key */
gr_class gr_dlopen(const char *path, void **handle, gr_error *err);
void *gr_dlsym(void *handle, const char *name);
void gr_dlclose(void *handle);
/* Runs argv[0] with argv (no shell), standard output and error into `log_path`; *status is the exit
 * code, or -1 where this process ignores SIGCHLD and nobody can know it.  A program that runs
 * longer than a minute is ended, with all that it started; so is one that runs when
 * watch->interrupted says stop (GR_INTERRUPT).  watch may be NULL.  The program's TMPDIR is the
 * log's folder. */
gr_class gr_spawn(const char *const *argv, const char *log_path, const gr_options *watch, int *status, gr_error *err);
gr_class gr_spawn_for(const char *const *argv, const char *log_path, double seconds, const gr_options *watch, int *status, gr_error *err);
bool gr_find_program(const char *name, char *path, size_t size); /* on PATH, or itself if it has a slash */
bool gr_real_path(const char *path, char *real, size_t size);
const char *gr_os_name(void); /* "windows", "macos", "posix": what compiler flags depend on */
bool gr_may_map(const char *path); /* a file deleted there while it is mapped stays readable: a local disk, not NFS */
bool gr_is_safe_path(const char *dir); /* no other user can put another folder in its place */
void gr_at_fork(void (*before)(void), void (*after)(void)); /* after: in both processes */
gr_class gr_make_private_dir(const char *dir, gr_error *err);    /* 0700, parents too; refused if others may write there */
gr_class gr_temp_dir(const char *parent, char *path, size_t size, gr_error *err); /* a fresh folder, 0700 */
void gr_remove_dir(const char *path);                                             /* with the files in it */
gr_class gr_read_file(const char *path, char **data, size_t *n, gr_error *err);   /* malloc'ed, NUL after the end */
/* The same of a file that is ours and that no other user can write to. */
gr_class gr_read_own_file(const char *path, char **data, size_t *n, gr_error *err);
/* A new file, mode 0600: all of it, or an error (no fsync). */
gr_class gr_write_file(const char *path, const void *data, size_t n, gr_error *err);
gr_class gr_rename(const char *from, const char *to, gr_error *err);

#endif
