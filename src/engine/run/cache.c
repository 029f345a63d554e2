/* cache.c: compiled kernels on disk, addressed by content.
 *
 * Owns the files of the cache folder: KEY.so, KEY.cubin for a GPU backend, and KEY.plain, which
 * records that a compiler rejects a flag.  KEY is the SHA-256 of everything that determines the
 * output of the compiler, including the flags with which it is actually run.  Kernels that were
 * compiled together lie in one shared object, which is stored once for each key.  A file is the
 * shared object followed by a trailer with its key, its length and a checksum, so that a damaged,
 * truncated or renamed file is detected before it is loaded.
 *
 * Security: what is loaded is what was checked.  Folder and file must belong to us and not be
 * writable by others (they are created with modes 0700 and 0600); for files this is checked on the
 * open descriptor.  On a local disk the checked file is then mapped by its path: no other user can
 * replace it, because the folder and its parents are protected (gr_is_safe_path), and our own
 * processes only ever put another copy of the same kernel there.  (A path below /proc/self/fd would
 * not work: dlopen treats equal names as the same object, and descriptor numbers are reused.)
 * Files of the cache are never modified, and a deleted file persists while it is mapped.  Elsewhere
 * (NFS, Windows, noexec, a folder that others can replace) a copy of the checked bytes in a
 * temporary folder is loaded instead.
 *
 * Guarantees: processes that share a folder see complete files only (written under a temporary
 * name, then renamed); an unusable cache costs a note in the report, not the result. */
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "run/kernels.h"

enum {
  LONG_PATH = 4096,
  CACHE_FILES = 512, /* at most so many files in the folder */
  DAY = 24 * 3600    /* seconds */
};
#define KERNEL_ABI "abi 4" /* of gr_kernel_fn: increases when its arguments change */
static const int64_t cache_bytes = (int64_t)256 << 20; /* at most so many bytes in the folder */

/* ---- keys and trailers ----------------------------------------------------------------------- */

static void add_text(gr_sha256 *h, const char *s) { gr_sha256_add(h, s, strlen(s) + 1); }

static void add_compiler(gr_sha256 *h, const gr_compiler *cc, const char *cflags) {
  int n;
  const char *const *flags = gr_compile_flags(cc, &n);
  add_text(h, cc->identity);
  for (int k = 0; k < n; k++) add_text(h, flags[k]);
  add_text(h, cc->plain ? "without" : "with");
  add_text(h, cflags ? cflags : "");
  add_text(h, gr_cpu_features());
}

static void make_key(char key[GR_KEY + 1], const gr_compiler *cc, const char *cflags, const char *text) {
  gr_sha256 h;
  gr_sha256_init(&h);
  add_text(&h, GR_VERSION);
  add_text(&h, KERNEL_ABI);
  add_compiler(&h, cc, cflags);
  add_text(&h, text);
  gr_sha256_hex(&h, key);
}

/* The key under which is recorded that the compiler rejects the native flag. */
static void make_rejection_key(char key[GR_KEY + 1], gr_compiler cc, const char *cflags) {
  gr_sha256 h;
  gr_sha256_init(&h);
  cc.plain = false;
  add_text(&h, "refuses");
  add_compiler(&h, &cc, cflags);
  gr_sha256_hex(&h, key);
}

enum { TRAILER = 133 };

/* The trailer has a fixed length and is compared as a whole, so that nothing has to be parsed. */
static void make_trailer(char trailer[TRAILER + 1], const char *key, const char *data, size_t n) {
  snprintf(trailer, TRAILER + 1, "\ngenred kernel %.64s checksum %016llx bytes %020llu\n", key,
           (unsigned long long)gr_checksum(data, n), (unsigned long long)n);
}

/* The length of the shared object in a cache file of n bytes, or 0 if the trailer does not
 * match. */
static size_t checked_length(const char *key, const char *data, size_t n) {
  char trailer[TRAILER + 1];
  if (n <= TRAILER) return 0;
  make_trailer(trailer, key, data, n - TRAILER);
  return memcmp(data + n - TRAILER, trailer, TRAILER) == 0 ? n - TRAILER : 0;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Looks up the kernel of this key in a shared object with one or several kernels. */
static gr_class kernel_symbol(void *object, const char *key, gr_kernel_fn **fn, gr_error *err) {
  char name[64];
  snprintf(name, sizeof name, "gr_kernel_%.*s", GR_TAIL, key);
  void *symbol = gr_dlsym(object, name);
  if (!symbol) symbol = gr_dlsym(object, "gr_kernel");
  if (!symbol) return gr_failf(err, GR_COMPILER, "the compiled kernel has no function gr_kernel");
  memcpy(fn, &symbol, sizeof *fn); /* ISO C has no conversion from object to function pointers */
  return GR_OK;
}

/* Loads a copy in a new folder below parent.  Its name contains the key, because dlopen treats
 * equal names as the same object. */
static gr_class load_copy(const char *parent, const char *key, const char *data, size_t n, void **object,
                          gr_error *err) {
  char dir[LONG_PATH - 128], path[LONG_PATH];
  gr_class cls = gr_temp_dir(parent, dir, sizeof dir, err);
  if (cls) return cls;
  snprintf(path, sizeof path, "%s/%s.so", dir, key);
  cls = gr_write_file(path, data, n, err);
  if (!cls) cls = gr_dlopen(path, object, err);
  gr_remove_dir(dir);
  return cls;
}

/* Adds all kernels of the object, or none, to the table of loaded kernels, and references each. */
static gr_class add_loaded(void *object, gr_wanted *const *w, int n, gr_error *err) {
  gr_class cls = GR_OK;
  for (int k = 0; !cls && k < n; k++) cls = kernel_symbol(object, w[k]->key, &w[k]->kernel.fn, err);
  if (!cls) cls = gr_loaded_add(object, w, n, err);
  for (int k = 0; cls && k < n; k++) w[k]->kernel = (gr_kernel){NULL, NULL};
  if (cls) gr_dlclose(object);
  return cls;
}

static const char noexec_hint[] =
    "\n(If this folder is on a file system that is mounted noexec, set the environment variable TMPDIR to a folder "
    "from which programs may be run, and restart R.)";

/* If the temporary folder is full or mounted noexec, tries the cache folder. */
static gr_class load_bytes(const char *key, const char *data, size_t n, const gr_options *opt, bool has_cache,
                           void **object, gr_error *err) {
  gr_error first = {0}, second = {0};
  gr_class cls = load_copy(opt->tmp_dir, key, data, n, object, &first);
  if (cls && has_cache && !load_copy(opt->cache_dir, key, data, n, object, &second)) cls = GR_OK;
  if (cls) gr_failf(err, cls, "%.1500s%s", first.message, strstr(first.message, "cannot load") ? noexec_hint : "");
  gr_error_clear(&first);
  gr_error_clear(&second);
  return cls;
}

/* ---- the cache folder ------------------------------------------------------------------------ */

static const char rejection_suffix[] = ".plain";

/* Whether the name is KEY.so, KEY.cubin, KEY.plain or, while it is written, KEY.anything.tmp.  No
 * other file is ever counted or deleted. */
static bool is_ours(const char *name, bool *temporary, bool *kernel) {
  size_t n = strlen(name);
  if (n <= GR_KEY || strspn(name, "0123456789abcdef") != GR_KEY) return false;
  *temporary = name[GR_KEY] == '.' && n > 4 && !strcmp(name + n - 4, ".tmp");
  *kernel = !strcmp(name + GR_KEY, ".so") || !strcmp(name + GR_KEY, ".cubin");
  return *temporary || *kernel || !strcmp(name + GR_KEY, rejection_suffix);
}

typedef struct cache_file {
  char name[GR_KEY + 64];
  bool temporary, kernel;
  int64_t bytes;
  time_t used;
} cache_file;

static bool stat_file(const char *dir, const char *name, cache_file *e) {
  char path[LONG_PATH];
  struct stat st;
  if (!is_ours(name, &e->temporary, &e->kernel) || strlen(name) >= sizeof e->name) return false;
  if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path) return false;
  if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return false;
  strcpy(e->name, name);
  e->bytes = st.st_size;
  e->used = st.st_mtime;
  return true;
}

static void remove_file(const char *dir, const cache_file *e) {
  char path[LONG_PATH];
  if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, e->name) < sizeof path) remove(path);
}

/* Lists the files of the cache, malloc'ed; none if there is no folder. */
static gr_class list_files(const char *dir, cache_file **list, int *n, gr_error *err) {
  gr_class cls = GR_OK;
  int cap = 0;
  *list = NULL;
  *n = 0;
  if (!dir || !*dir) return GR_OK;
  DIR *d = opendir(dir);
  if (!d && errno == ENOENT) return GR_OK;
  if (!d) return gr_failf(err, GR_ARGUMENT, "cannot read the cache folder '%s': %s", dir, strerror(errno));
  for (struct dirent *f; !cls && (f = readdir(d)) != NULL;) {
    if (*n == cap) {
      cap = cap ? 2 * cap : 64;
      cache_file *grown = realloc(*list, (size_t)cap * sizeof **list);
      if (grown)
        *list = grown;
      else
        cls = gr_fail(err, ERR_NoMemory, "the list of the cache", (long long)cap);
    }
    if (!cls && stat_file(dir, f->d_name, &(*list)[*n])) ++*n;
  }
  closedir(d);
  if (!cls) return GR_OK;
  free(*list);
  *list = NULL;
  *n = 0;
  return cls;
}

static int newest_first(const void *a, const void *b) {
  const cache_file *x = a, *y = b;
  if (x->used != y->used) return x->used < y->used ? 1 : -1;
  return strcmp(x->name, y->name);
}

/* Deletes the least recently used files beyond the limits, and temporary files that are an hour
 * old, which a terminated process has left. */
static void evict(const char *dir) {
  gr_error ignored = {0};
  cache_file *list;
  int n, kept = 0;
  int64_t bytes = 0;
  time_t now = time(NULL);
  if (list_files(dir, &list, &n, &ignored)) n = 0;
  if (n) qsort(list, (size_t)n, sizeof *list, newest_first);
  for (int k = 0; k < n; k++) {
    bool stale = list[k].temporary && list[k].used < now - 3600;
    if (list[k].temporary && !stale) continue;
    bytes += list[k].bytes;
    if (stale || ++kept > CACHE_FILES || bytes > cache_bytes) remove_file(dir, &list[k]);
  }
  free(list);
  gr_error_clear(&ignored);
}

gr_class gr_cache_info(const char *dir, int64_t *files, int64_t *bytes, gr_error *err) {
  cache_file *list;
  int n;
  if (!files || !bytes) return gr_fail(err, ERR_Null, "the address for a number");
  *files = *bytes = 0;
  gr_class cls = list_files(dir, &list, &n, err);
  for (int k = 0; k < n; k++)
    if (list[k].kernel) ++*files, *bytes += list[k].bytes;
  free(list);
  return cls;
}

gr_class gr_cache_clear(const char *dir, int64_t *files, gr_error *err) {
  cache_file *list;
  int n, left;
  if (!files) return gr_fail(err, ERR_Null, "the address for a number");
  *files = 0;
  gr_class cls = list_files(dir, &list, &n, err);
  for (int k = 0; k < n; k++) {
    remove_file(dir, &list[k]);
    *files += list[k].kernel;
  }
  free(list);
  if (cls) return cls;
  cls = list_files(dir, &list, &left, err);
  free(list);
  if (cls || left < n || n == 0) return cls;
  *files = 0;
  return gr_failf(err, GR_ARGUMENT, "the kernels in '%s' cannot be deleted", dir);
}

/* ---- one file -------------------------------------------------------------------------------- */

static bool cache_path(char path[LONG_PATH], const char *dir, const char *key, const char *suffix) {
  return (size_t)snprintf(path, LONG_PATH, "%s/%s%s", dir, key, suffix) < LONG_PATH;
}

/* Eviction uses the time of the last use, with a resolution of a day to avoid frequent writes. */
static void mark_used(const char *path) {
  struct stat st;
  if (stat(path, &st) == 0 && st.st_mtime < time(NULL) - DAY) utime(path, NULL);
}

/* Returns NULL if the file does not exist; and if it is damaged or not private, after deleting
 * it. */
char *gr_cache_read(const char *dir, const char *key, const char *suffix, size_t *n) {
  gr_error ignored = {0};
  char path[LONG_PATH], *data = NULL;
  if (!cache_path(path, dir, key, suffix)) return NULL;
  errno = 0;
  gr_class cls = gr_read_own_file(path, &data, n, &ignored);
  bool absent = errno == ENOENT;
  gr_error_clear(&ignored);
  if (cls && absent) return NULL;
  *n = cls ? 0 : checked_length(key, data, *n);
  if (*n) {
    mark_used(path);
    return data;
  }
  free(data);
  remove(path);
  return NULL;
}

/* A suffix that differs between all processes, threads and machines that share the folder. */
static void unique_suffix(char suffix[32]) {
  static atomic_uint count;
  gr_sha256 h;
  char parts[128], hex[65];
  snprintf(parts, sizeof parts, "%ld %u %lld %.9f %p", (long)getpid(), atomic_fetch_add(&count, 1),
           (long long)time(NULL), gr_now(), (void *)parts);
  gr_sha256_init(&h);
  add_text(&h, parts);
  gr_sha256_hex(&h, hex);
  snprintf(suffix, 32, ".%.16s.tmp", hex);
}

static gr_class store(const char *dir, const char *key, const char *suffix, const char *data, size_t n,
                      gr_error *err) {
  char unique[32], path[LONG_PATH], temporary[LONG_PATH];
  unique_suffix(unique);
  if (!cache_path(path, dir, key, suffix) || !cache_path(temporary, dir, key, unique))
    return gr_failf(err, GR_ARGUMENT, "the path '%.200s...' is too long", dir);
  char *whole = malloc(n + TRAILER + 1);
  if (!whole) return gr_fail(err, ERR_NoMemory, "a kernel", (long long)n);
  memcpy(whole, data, n);
  make_trailer(whole + n, key, data, n);
  gr_class cls = gr_write_file(temporary, whole, n + TRAILER, err);
  if (!cls) cls = gr_rename(temporary, path, err);
  if (cls)
    remove(temporary);
  else
    evict(dir);
  free(whole);
  return cls;
}

/* Notes the first line of the reason. */
static void note_not_stored(gr_report *report, const gr_error *why) {
  snprintf(report->note, sizeof report->note, "the kernel was not kept in the cache: %.*s",
           (int)strcspn(why->message, "\n"), why->message);
  gr_whole_characters(report->note);
}

bool gr_cache_open(const gr_options *opt, gr_report *report) {
  gr_error trouble = {0};
  bool wanted = opt->cache_dir && *opt->cache_dir;
  bool usable = wanted && !gr_make_private_dir(opt->cache_dir, &trouble);
  if (wanted && !usable) note_not_stored(report, &trouble);
  gr_error_clear(&trouble);
  return usable;
}

void gr_cache_write(const char *dir, const char *key, const char *suffix, const char *data, size_t n,
                    gr_report *report) {
  gr_error trouble = {0};
  if (store(dir, key, suffix, data, n, &trouble)) note_not_stored(report, &trouble);
  gr_error_clear(&trouble);
}

/* ---- compilers that reject the native flag --------------------------------------------------- */

/* Whether this session knows of it.  Computes no key as long as no compiler rejects the flag. */
static bool known_rejection(const gr_compiler *cc, const gr_options *opt) {
  char key[GR_KEY + 1];
  if (!gr_facts()) return false;
  make_rejection_key(key, *cc, opt->cflags);
  return gr_fact_known(key);
}

static bool stored_rejection(const gr_compiler *cc, const gr_options *opt) {
  size_t n;
  char key[GR_KEY + 1];
  make_rejection_key(key, *cc, opt->cflags);
  char *data = gr_cache_read(opt->cache_dir, key, rejection_suffix, &n);
  if (data) gr_fact_keep(key);
  free(data);
  return data != NULL;
}

static void store_rejection(const gr_compiler *cc, const gr_options *opt, bool has_cache, gr_report *report) {
  char key[GR_KEY + 1];
  make_rejection_key(key, *cc, opt->cflags);
  gr_fact_keep(key);
  const char *flag = gr_native_flag();
  if (has_cache) gr_cache_write(opt->cache_dir, key, rejection_suffix, flag, strlen(flag), report);
}

/* Notes that kernels are slower, unless there is another note. */
static void note_plain(const gr_compiler *cc, gr_report *report) {
  if (!cc->plain || *report->note) return;
  snprintf(report->note, sizeof report->note,
           "the C compiler `%.300s` refuses %s: kernels are compiled without it, and are slower", cc->argv[0],
           gr_native_flag());
}

/* ---- a kernel -------------------------------------------------------------------------------- */

static gr_class compile(gr_compiler *cc, const char *text, const gr_options *opt, char **data, size_t *n, gr_error *err) {
  char dir[LONG_PATH - 128], path[LONG_PATH];
  gr_class cls = gr_temp_dir(opt->tmp_dir, dir, sizeof dir, err);
  if (cls) return cls;
  snprintf(path, sizeof path, "%s/kernel.so", dir);
  cls = gr_compile_c(cc, opt, text, dir, path, err);
  if (!cls) cls = gr_read_file(path, data, n, err);
  gr_remove_dir(dir);
  return cls;
}

/* Loads the file in the cache, which gr_cache_read has just checked: half a millisecond faster than
 * a copy. */
static bool load_in_place(const char *dir, const char *key, void **object) {
  gr_error ignored = {0};
  char path[LONG_PATH];
  bool safe = cache_path(path, dir, key, ".so") && gr_may_map(path) && gr_is_safe_path(dir);
  bool done = safe && !gr_dlopen(path, object, &ignored);
  gr_error_clear(&ignored);
  return done;
}

static gr_class from_disk(gr_wanted *w, const gr_options *opt, gr_error *err) {
  void *object = NULL;
  size_t n;
  gr_class cls = GR_OK;
  char *data = gr_cache_read(opt->cache_dir, w->key, ".so", &n);
  if (!data) return GR_OK;
  if (!load_in_place(opt->cache_dir, w->key, &object)) cls = load_bytes(w->key, data, n, opt, true, &object, err);
  if (!cls) cls = add_loaded(object, &w, 1, err);
  free(data);
  return cls;
}

/* Compiles and loads the kernels, and stores them if that succeeded; all or none.  Each kernel has
 * a file of its own that contains all kernels compiled with it, so that it is found, checked and
 * evicted like any other. */
static gr_class from_compiler(gr_compiler *cc, const char *text, gr_wanted *const *w, int count, const gr_options *opt,
                              bool has_cache, gr_report *report, gr_error *err) {
  char *data = NULL;
  void *object = NULL;
  size_t n = 0;
  bool plain = cc->plain;
  double start = gr_now();
  gr_class cls = compile(cc, text, opt, &data, &n, err);
  report->seconds_compile += gr_now() - start;
  if (cc->plain && !plain) store_rejection(cc, opt, has_cache, report);
  if (!cls) cls = load_bytes(w[0]->key, data, n, opt, has_cache, &object, err);
  if (!cls) cls = add_loaded(object, w, count, err);
  for (int k = 0; !cls && has_cache && k < count; k++)
    gr_cache_write(opt->cache_dir, w[k]->key, ".so", data, n, report);
  if (!cls) report->provenance = GR_COMPILED;
  if (!cls) note_plain(cc, report);
  free(data);
  return cls;
}

/* Looks the kernel up in memory and on disk; GR_NO_KERNEL if it is in neither. */
static gr_provenance find_known(gr_compiler *cc, const gr_options *opt, gr_wanted *w, bool *has_cache, gr_report *report) {
  gr_error ignored = {0};
  cc->plain = cc->plain || known_rejection(cc, opt);
  make_key(w->key, cc, opt->cflags, w->text);
  bool in_memory = gr_loaded_find(w->key, &w->kernel);
  *has_cache = !in_memory && gr_cache_open(opt, report);
  if (*has_cache) from_disk(w, opt, &ignored);
  gr_error_clear(&ignored);
  if (*has_cache && !w->kernel.fn && !cc->plain && stored_rejection(cc, opt))
    return find_known(cc, opt, w, has_cache, report); /* with other flags, and hence another key */
  if (!w->kernel.fn) return GR_NO_KERNEL;
  note_plain(cc, report);
  return in_memory ? GR_FROM_MEMORY : GR_FROM_DISK;
}

bool gr_kernel_known(gr_compiler *cc, const gr_options *opt, gr_wanted *w, gr_report *report) {
  bool has_cache;
  return find_known(cc, opt, w, &has_cache, report) != GR_NO_KERNEL;
}

gr_class gr_kernels_compile(gr_compiler *cc, const char *text, gr_wanted *const *w, int n, const gr_options *opt,
                            gr_report *report, gr_error *err) {
  return from_compiler(cc, text, w, n, opt, gr_cache_open(opt, report), report, err);
}

gr_class gr_kernel_get(const char *text, const gr_options *opt, gr_kernel *kernel, gr_report *report, gr_error *err) {
  gr_compiler cc = {0};
  gr_wanted wanted = {.text = text}, *const w = &wanted;
  bool has_cache, plain;
  report->seconds_compile = 0;
  *kernel = wanted.kernel;
  gr_class cls = gr_compiler_find(opt->cc, &cc, err);
  if (cls) return cls;
  do {
    gr_error_clear(err);
    cls = GR_OK;
    report->provenance = find_known(&cc, opt, w, &has_cache, report);
    plain = cc.plain;
    if (!w->kernel.fn) cls = from_compiler(&cc, text, &w, 1, opt, has_cache, report, err);
  } while (cls == GR_COMPILER && cc.plain != plain);
  *kernel = wanted.kernel;
  gr_compiler_free(&cc);
  return cls;
}
