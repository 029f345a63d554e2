/* base.h: memory, strings, errors, numbers as text, hashes, and the operating system.
 *
 * Everything that a program owns lies in its arena, which is freed as a whole.  Compiler stages
 * (from text to emit) throw with gr_throw to the one protected call in run/program.c and own
 * nothing but arena memory.  Code that deals with the operating system, and the run room, returns a
 * gr_class, fills a caller-owned gr_error, and releases its resources at one label. */
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

/* ---- arena.c --------------------------------------------------------------------------------- */

typedef struct gr_block gr_block;
typedef struct gr_arena {
  gr_block *head;
  struct gr_ctx *ctx; /* where running out of memory throws to; NULL: allocation returns NULL */
} gr_arena;

void *gr_alloc(gr_arena *a, size_t size);     /* zeroed, 16-byte aligned */
void *gr_alloc_raw(gr_arena *a, size_t size); /* not zeroed, 16-byte aligned */
char *gr_strndup(gr_arena *a, const char *s, size_t n);
char *gr_format(gr_arena *a, const char *fmt, ...) GR_PRINTF(2, 3);
void gr_arena_free(gr_arena *a);

/* ---- string.c -------------------------------------------------------------------------------- */

/* A growing string.  Its arena owns the memory, so that a throw leaks nothing. */
typedef struct gr_str {
  gr_arena *arena;
  char *s;
  size_t n, cap;
  int indent; /* of gr_line, in units of two spaces */
} gr_str;

void gr_put(gr_str *b, const char *s);
void gr_putf(gr_str *b, const char *fmt, ...) GR_PRINTF(2, 3);
/* One indented line; an empty one for "". */
void gr_line(gr_str *b, const char *fmt, ...) GR_PRINTF(2, 3);
void gr_line_begin(gr_str *b, const char *fmt, va_list ap);    /* the same without the newline */

/* ---- error.c --------------------------------------------------------------------------------- */

/* A part of one of the source texts (formula, formula2, an alias). */
typedef struct gr_span {
  const char *text, *what; /* the whole source text, and "formula", "formula2" or "alias" */
  int start, len;
} gr_span;

typedef enum gr_errid {
#define ERR(name, cls, fmt) ERR_##name,
  GR_ERRORS(ERR)
#undef ERR
      ERR_COUNT
} gr_errid;

/* The context of one compile: where throws go. */
typedef struct gr_ctx {
  jmp_buf *top;
  gr_error *err;
  gr_arena *arena;
} gr_ctx;

GR_NORETURN void gr_throw(gr_ctx *c, const gr_span *at, const char *hint, gr_errid id, ...);
/* For code that does not throw: fills err and returns its class. */
gr_class gr_fail(gr_error *err, gr_errid id, ...);
gr_class gr_failf(gr_error *err, gr_class cls, const char *fmt, ...) GR_PRINTF(3, 4);
void gr_append(gr_error *err, const char *fmt, ...) GR_PRINTF(2, 3); /* to its message */
void gr_whole_characters(char *text); /* makes text that was truncated by bytes valid */
const char *gr_span_text(gr_arena *a, const gr_span *at, const char *otherwise);
/* "Did you mean `...`?" with the most similar of the n known names, or NULL. */
const char *gr_nearest(gr_arena *a, const char *name, const char *const *known, int n);

/* Classes of ASCII characters.  The functions of ctype.h depend on the locale: some locales have
 * more letters, and in Turkish tolower('I') is not 'i'. */
static inline bool gr_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool gr_is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool gr_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline char gr_lower_case(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* ---- number.c: numbers as text, in any locale as in the C locale ----------------------------- */

enum { GR_NUMBER = 48 }; /* size of a buffer for a number, including the terminating NUL */
double gr_read_number(const char *s, size_t n); /* as strtod: digits, decimal point, exponent */
const char *gr_number_text(double x, int digits, char *text); /* as printf with "%.*g" */
const char *gr_hex_text(double x, char *text);                /* a C hexadecimal constant: exact */

/* ---- hash.c ---------------------------------------------------------------------------------- */

typedef struct gr_sha256 {
  uint32_t h[8];
  uint64_t bytes;
  unsigned char block[64];
} gr_sha256;

void gr_sha256_init(gr_sha256 *s);
void gr_sha256_add(gr_sha256 *s, const void *data, size_t n);
void gr_sha256_hex(gr_sha256 *s, char hex[65]); /* ends the computation */
uint64_t gr_checksum(const void *data, size_t n); /* detects damaged files; not cryptographic */

/* ---- os.c, os_posix.c, os_windows.c, os_cpu.c: the operating system -------------------------- */

double gr_now(void); /* seconds, monotonic */
void gr_sleep(double seconds);
void *gr_aligned_alloc(size_t size); /* 64-byte aligned, or NULL */
void gr_aligned_free(void *p);
const char *gr_cpu_features(void); /* what -march=native depends on; part of cache keys */
gr_class gr_dlopen(const char *path, void **handle, gr_error *err);
void *gr_dlsym(void *handle, const char *name);
void gr_dlclose(void *handle);
/* Runs argv[0] with arguments argv, without a shell, and writes its standard output and error to
 * log_path.  *status is its exit code, or -1 if that cannot be known because this process ignores
 * SIGCHLD.  The program and all processes it started are ended after a minute (gr_spawn_for: after
 * `seconds`; GR_COMPILER) or when watch->interrupted asks for it (GR_INTERRUPT). watch may be NULL.
 * The program's TMPDIR is the folder of the log. */
gr_class gr_spawn(const char *const *argv, const char *log_path, const gr_options *watch, int *status, gr_error *err);
gr_class gr_spawn_for(const char *const *argv, const char *log_path, double seconds, const gr_options *watch,
                      int *status, gr_error *err);
/* a path, or a name to look up in PATH */
bool gr_find_program(const char *name, char *path, size_t size);
bool gr_real_path(const char *path, char *real, size_t size);
const char *gr_os_name(void);      /* "windows", "macos" or "posix": compiler flags depend on it */
/* a mapped file stays readable after deletion: a local disk, not NFS */
bool gr_may_map(const char *path);
bool gr_is_safe_path(const char *dir); /* no other user can replace this folder */
void gr_at_fork(void (*before)(void), void (*after)(void)); /* after: in both processes */
/* Creates the folder and its parents with mode 0700; fails if other users can write to it. */
gr_class gr_make_private_dir(const char *dir, gr_error *err);
/* a new folder, mode 0700 */
gr_class gr_temp_dir(const char *parent, char *path, size_t size, gr_error *err);
void gr_remove_dir(const char *path); /* and the files in it; not its subfolders */
/* *data is malloc'ed; a NUL follows the n bytes. */
gr_class gr_read_file(const char *path, char **data, size_t *n, gr_error *err);
/* The same, but fails unless the file is ours and no other user can write to it. */
gr_class gr_read_own_file(const char *path, char **data, size_t *n, gr_error *err);
/* Writes a new file with mode 0600, completely or with an error.  There is no fsync. */
gr_class gr_write_file(const char *path, const void *data, size_t n, gr_error *err);
gr_class gr_rename(const char *from, const char *to, gr_error *err);

#endif
