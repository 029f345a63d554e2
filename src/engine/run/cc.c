/* cc.c: finds the C compiler and compiles the text of a kernel to a shared object.
 *
 * Owns the compiler flags and the reasons for them.  Assumes a driver compatible with gcc: gcc,
 * clang, or a wrapper such as `ccache gcc`.  Guarantees that a command is split into words as by a
 * POSIX shell (on Windows a backslash is an ordinary character) but never passed to one; that
 * finding the compiler starts no process; and that the output of a failed run (at most 64 KB) is
 * attached to the error and never printed.  A flag is dropped only if the compiler rejects that
 * flag: a kernel that does not compile is an error, and a run that fails once, out of memory or
 * killed, changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "run/kernels.h"

enum { LONG_PATH = 4096, LOG_MAX = 1 << 16 };

/* ---- splitting a command into words, as a shell does ----------------------------------------- */

typedef struct words {
  char **word; /* NULL-terminated, each malloc'ed */
  int n;
} words;

static void words_free(words *w) {
  for (int k = 0; k < w->n; k++) free(w->word[k]);
  free(w->word);
  *w = (words){0};
}

static gr_class words_add(words *w, const char *s, size_t n, gr_error *err) {
  char **grown = realloc(w->word, (size_t)(w->n + 2) * sizeof *grown);
  char *copy = malloc(n + 1);
  if (grown) w->word = grown;
  if (!grown || !copy) {
    free(copy);
    return gr_fail(err, ERR_NoMemory, "a command line", (long long)n);
  }
  memcpy(copy, s, n);
  copy[n] = 0;
  w->word[w->n++] = copy;
  w->word[w->n] = NULL;
  return GR_OK;
}

/* Whether a backslash in front of c, inside or outside quotes, escapes it.  On Windows, where paths
 * contain backslashes, it escapes quotes only. */
static bool is_escaped(char c, bool quoted) {
  if (strcmp(gr_os_name(), "windows") == 0) return c == '"' || (!quoted && c == '\'');
  return c && (!quoted || strchr("$`\"\\\n", c));
}

/* Writes one word without its quotes to out; returns its end, or NULL if a quote is not closed. */
static const char *unquote(const char *s, char *out, size_t *n) {
  char quote = 0;
  for (*n = 0; *s && (quote || !gr_is_space(*s)); s++) {
    if (quote ? *s == quote : *s == '\'' || *s == '"') {
      quote = quote ? 0 : *s;
      continue;
    }
    if (*s == '\\' && quote != '\'' && is_escaped(s[1], quote)) {
      s++;
      if (*s == '\n') continue;
    }
    out[(*n)++] = *s;
  }
  return quote ? NULL : s;
}

static gr_class split_words(words *w, const char *command, gr_error *err) {
  gr_class cls = GR_OK;
  char *buffer = malloc(strlen(command) + 1);
  if (!buffer) return gr_fail(err, ERR_NoMemory, "a command line", (long long)strlen(command));
  for (const char *s = command; !cls;) {
    size_t n;
    s += strspn(s, " \t\r\n\v\f");
    if (!*s) break;
    s = unquote(s, buffer, &n);
    cls = s ? words_add(w, buffer, n, err)
            : gr_failf(err, GR_ARGUMENT, "a quote is not closed in the compiler command or flags: %.500s", command);
  }
  free(buffer);
  return cls;
}

/* ---- finding the compiler -------------------------------------------------------------------- */

/* Hashes what an update of the program would change.  The real path is included because Nix and
 * Guix set the modification time of every file to 1. */
static void add_identity(gr_sha256 *h, const char *path) {
  char real[LONG_PATH], stamp[64];
  struct stat st = {0};
  if (!gr_real_path(path, real, sizeof real)) snprintf(real, sizeof real, "%s", path);
  stat(path, &st);
  snprintf(stamp, sizeof stamp, "%lld %lld", (long long)st.st_size, (long long)st.st_mtime);
  gr_sha256_add(h, real, strlen(real) + 1);
  gr_sha256_add(h, stamp, strlen(stamp) + 1);
}

/* Every word that is not an option may be a program: `ccache gcc -m64` is identified by both. */
static void make_identity(gr_compiler *c) {
  char path[LONG_PATH], hex[65];
  gr_sha256 h;
  gr_sha256_init(&h);
  for (int k = 0; k < c->n; k++) {
    const char *word = c->argv[k];
    gr_sha256_add(&h, word, strlen(word) + 1);
    if (word[0] != '-' && gr_find_program(word, path, sizeof path)) add_identity(&h, path);
  }
  gr_sha256_hex(&h, hex);
  snprintf(c->identity, sizeof c->identity, "%.400s %s", c->argv[0], hex);
}

#define HOW_TO \
  "Install a C compiler (gcc or clang), or name yours with options(genred.cc = \"/path/to/cc\") or the " \
  "environment variable GENRED_CC."

static gr_class find_any(words *w, char *path, size_t size, gr_error *err) {
  static const char *const names[] = {"cc", "gcc", "clang"};
  for (int k = 0; k < 3; k++)
    if (gr_find_program(names[k], path, size)) return words_add(w, path, strlen(path), err);
  return gr_failf(err, GR_COMPILER, "no C compiler was found: there is no cc, gcc or clang on the PATH.\n" HOW_TO);
}

static gr_class find_named(words *w, const char *cc, char *path, size_t size, gr_error *err) {
  gr_class cls = split_words(w, cc, err);
  if (cls) return cls;
  if (!gr_find_program(w->word[0], path, size))
    return gr_failf(err, GR_COMPILER, "the C compiler `%.500s` was not found%s.\n" HOW_TO, w->word[0],
                    strchr(w->word[0], '/') ? ", or is not a program" : " on the PATH");
  char *first = malloc(strlen(path) + 1);
  if (!first) return gr_fail(err, ERR_NoMemory, "a path", (long long)strlen(path));
  strcpy(first, path);
  free(w->word[0]);
  w->word[0] = first;
  return GR_OK;
}

gr_class gr_compiler_find(const char *cc, gr_compiler *out, gr_error *err) {
  char path[LONG_PATH];
  words w = {0};
  bool named = cc && cc[strspn(cc, " \t\r\n\v\f")];
  gr_class cls = named ? find_named(&w, cc, path, sizeof path, err) : find_any(&w, path, sizeof path, err);
  *out = (gr_compiler){0};
  if (cls) {
    words_free(&w);
    return cls;
  }
  out->argv = w.word;
  out->n = w.n;
  make_identity(out);
  return GR_OK;
}

void gr_compiler_free(gr_compiler *c) {
  words w = {c->argv, c->n};
  words_free(&w);
  *c = (gr_compiler){0};
}

/* ---- running the compiler -------------------------------------------------------------------- */

/* The flags for every compiler, and their reasons (times are those of gcc 12):
 *   -std=gnu11           the same language from every compiler
 *   -O3 -fno-math-errno -fno-trapping-math
 *                        allow the vectorisation of sqrt and of selections.  Never -ffast-math or
 *                        -Ofast: gcc and clang then link start-up code that makes the whole process
 *                        flush denormal numbers to zero.
 *   -nostdlib -fno-lto   no start files, libraries or linker plugin, which saves 8 ms of linking
 *                        (naming libm alone costs 5).  The functions that a kernel calls (memcpy,
 *                        sin) are in the process already; gr_dlopen makes sure of that.
 *   -pipe                compiler and assembler run concurrently, without a temporary file: 3 ms
 *   -fno-asynchronous-unwind-tables -fno-stack-protector -w
 *                        nothing unwinds through a kernel; less text for the assembler; no warnings
 * Passes that only gcc can disable are disabled in prelude.h, because clang rejects -fno-tree-pre
 * and similar flags.  Tried and not worth a flag: -fno-schedule-insns2 (compiles 4 % faster,
 * contractions are 10 % slower), -fno-gcse (1 %; 4 % slower in double precision),
 * -fno-tree-vectorize (1 %), other linkers or linker options (linking takes 3 ms). */
#define COMMON \
  "-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-asynchronous-unwind-tables", \
      "-fno-stack-protector", "-fno-lto", "-pipe", "-w", "-shared"

/* NATIVE and the flags after it are omitted if the compiler rejects NATIVE (see rejects_native).
 * Because of gcc bug 54412, gcc for Windows does not align the stack for AVX, so that only
 * unaligned vector moves may be used there. */
#if defined(__aarch64__) || defined(__arm__) || defined(__powerpc__)
#define NATIVE "-mcpu=native"
#else
#define NATIVE "-march=native"
#endif

typedef struct target {
  const char *os;
  const char *flags[16];
} target;

static const target targets[] = {
    {"windows", {COMMON, "-static-libgcc", NATIVE, "-Wa,-muse-unaligned-vector-move"}},
    {"macos", {COMMON, "-fPIC", "-Wl,-undefined,dynamic_lookup", NATIVE}},
    {"posix", {COMMON, "-fPIC", "-nostdlib", NATIVE}},
};

const char *gr_native_flag(void) { return NATIVE; }

const char *const *gr_compile_flags(const gr_compiler *cc, int *n) {
  int k = 0;
  while (strcmp(targets[k].os, gr_os_name()) != 0) k++;
  for (*n = 0; targets[k].flags[*n] && !(cc->plain && !strcmp(targets[k].flags[*n], NATIVE));) ++*n;
  return targets[k].flags;
}

/* The first 64 KB of the log, malloc'ed; or NULL. */
static char *read_log(const char *path) {
  FILE *f = fopen(path, "rb");
  char *text = f ? malloc(LOG_MAX + 1) : NULL;
  if (text) text[fread(text, 1, LOG_MAX, f)] = 0;
  if (f) fclose(f);
  return text;
}

static gr_class command(words *w, const gr_compiler *cc, const char *cflags, gr_error *err) {
  gr_class cls = GR_OK;
  int n;
  const char *const *flags = gr_compile_flags(cc, &n);
  for (int k = 0; !cls && k < cc->n; k++) cls = words_add(w, cc->argv[k], strlen(cc->argv[k]), err);
  for (int k = 0; !cls && k < n; k++) cls = words_add(w, flags[k], strlen(flags[k]), err);
  return cls || !cflags ? cls : split_words(w, cflags, err);
}

/* Runs the compiler once.  *status is 0 only if the shared object exists.  If the exit status
 * cannot be known (see gr_spawn), the existence of the file decides, which compilers delete when
 * they fail. */
static gr_class run_compiler(const gr_compiler *cc, const gr_options *opt, const char *c_path, const char *log_path,
                             const char *so_path, int *status, gr_error *err) {
  words w = {0};
  struct stat st;
  gr_class cls = command(&w, cc, opt->cflags, err);
  const char *const rest[] = {"-o", so_path, c_path};
  for (int k = 0; !cls && k < 3; k++) cls = words_add(&w, rest[k], strlen(rest[k]), err);
  if (!cls) {
    remove(so_path);
    cls = gr_spawn((const char *const *)w.word, log_path, opt, status, err);
  }
  if (!cls && *status <= 0) *status = stat(so_path, &st) == 0 && st.st_size > 0 ? 0 : -1;
  words_free(&w);
  return cls;
}

static gr_class fail_compile(const gr_compiler *cc, int status, const char *log_path, gr_error *err) {
  char *log = read_log(log_path);
  char how[64] = "wrote no shared object";
  if (status > 0) snprintf(how, sizeof how, "failed with status %d", status);
  gr_failf(err, GR_COMPILER, "the C compiler `%.1000s` %s%s", cc->argv[0], how,
           log && *log ? "; the compiler's output is attached" : " without any output");
  err->log = log;
  return GR_COMPILER;
}

/* A test program for the native flag: compiler and assembler must support the processor's vectors,
 * masks and conversions, not just accept the flag. */
static const char probe[] =
    "typedef float f __attribute__((vector_size(64)));\n"
    "typedef double d __attribute__((vector_size(64)));\n"
    "typedef int i __attribute__((vector_size(64)));\n"
    "f gr_floats(f x, f y) { i m = x < y; return (f)(((i)x & m) | ((i)y & ~m)) * y + x; }\n"
    "d gr_doubles(d x, d y) { return x * y + x; }\n"
    "void gr_convert(float *x, const double *y, const int *z, int n) {\n"
    "  for (int k = 0; k < n; k++) x[k] = (float)y[k] + (float)z[k];\n"
    "}\n";

/* Whether the compiler accepts the test program, with the native flag or (plain) without it. */
static gr_class accepts_probe(gr_compiler cc, bool plain, const gr_options *opt, const char *dir, bool *works, gr_error *err) {
  char c_path[LONG_PATH], log_path[LONG_PATH], so_path[LONG_PATH];
  int status = -1;
  cc.plain = plain;
  snprintf(c_path, sizeof c_path, "%.4000s/probe.c", dir);
  snprintf(log_path, sizeof log_path, "%.4000s/probe.log", dir);
  snprintf(so_path, sizeof so_path, "%.4000s/probe.so", dir);
  gr_class cls = run_compiler(&cc, opt, c_path, log_path, so_path, &status, err);
  *works = status == 0;
  return cls;
}

/* Called after a kernel failed to compile.  The native flag is the cause if the test program fails
 * with it, compiles without it, and fails with it again; one repetition guards against sporadic
 * failures. */
static gr_class rejects_native(const gr_compiler *cc, const gr_options *opt, const char *dir, bool *rejects,
                               gr_error *err) {
  static const bool plain[] = {false, true, false};
  char c_path[LONG_PATH];
  *rejects = false;
  snprintf(c_path, sizeof c_path, "%.4000s/probe.c", dir);
  gr_class cls = gr_write_file(c_path, probe, sizeof probe - 1, err);
  for (int k = 0; k < 3; k++) {
    bool works = false;
    if (!cls) cls = accepts_probe(*cc, plain[k], opt, dir, &works, err);
    if (cls || works != plain[k]) return cls;
  }
  *rejects = true;
  return GR_OK;
}

/* Whether the compiler itself reported failure; from 128 on, a signal terminated it. */
static bool is_rejection(int status) { return status == -1 || (status > 0 && status < 128); }

gr_class gr_compile_c(gr_compiler *cc, const gr_options *opt, const char *text, const char *dir, const char *so_path,
                      gr_error *err) {
  char c_path[LONG_PATH], log_path[LONG_PATH];
  gr_error trouble = {0};
  int status = -1;
  int n = snprintf(c_path, sizeof c_path, "%s/kernel.c", dir);
  snprintf(log_path, sizeof log_path, "%s/kernel.log", dir);
  if (n + 2 >= LONG_PATH) return gr_failf(err, GR_ARGUMENT, "the path '%.200s...' is too long", dir);
  gr_class cls = gr_write_file(c_path, text, strlen(text), err);
  if (!cls) cls = run_compiler(cc, opt, c_path, log_path, so_path, &status, err);
  if (cls || status == 0) return cls;
  if (!cc->plain && is_rejection(status)) rejects_native(cc, opt, dir, &cc->plain, &trouble);
  bool stop = trouble.cls == GR_INTERRUPT;
  gr_error_clear(&trouble);
  return stop ? gr_failf(err, GR_INTERRUPT, "interrupted") : fail_compile(cc, status, log_path, err);
}

/* ---- its version ----------------------------------------------------------------------------- */

static gr_class ask_version(const gr_compiler *cc, const char *dir, char *text, size_t size, gr_error *err) {
  char log_path[LONG_PATH];
  words w = {0};
  int status = -1;
  gr_class cls = GR_OK;
  for (int k = 0; !cls && k < cc->n; k++) cls = words_add(&w, cc->argv[k], strlen(cc->argv[k]), err);
  if (!cls) cls = words_add(&w, "--version", 9, err);
  snprintf(log_path, sizeof log_path, "%.4000s/version", dir);
  if (!cls) cls = gr_spawn((const char *const *)w.word, log_path, NULL, &status, err);
  words_free(&w);
  if (cls) return cls;
  if (status > 0) return fail_compile(cc, status, log_path, err);
  char *log = read_log(log_path);
  snprintf(text, size, "%s: %.*s", cc->argv[0], log ? (int)strcspn(log, "\r\n") : 0, log ? log : "");
  free(log);
  return GR_OK;
}

gr_class gr_compiler_info(const char *cc, char *text, size_t size, gr_error *err) {
  gr_compiler compiler = {0};
  char dir[LONG_PATH];
  if (!text || !size) return gr_fail(err, ERR_Null, "the buffer for the text");
  gr_class cls = gr_compiler_find(cc, &compiler, err);
  if (cls) return cls;
  cls = gr_temp_dir(NULL, dir, sizeof dir, err);
  if (!cls) {
    cls = ask_version(&compiler, dir, text, size, err);
    gr_remove_dir(dir);
  }
  gr_compiler_free(&compiler);
  return cls;
}
