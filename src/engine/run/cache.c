/* cache.c: compiled kernels on disk, found by content.
 *
 * Owns the cache folder's files KEY.so, KEY.cubin for what a GPU backend keeps there, and
 * KEY.plain, which says that a compiler refuses a flag.  KEY is the SHA-256 of everything that
 * decides what the compiler would write, the flags among it that it is really run with. Kernels
 * that were compiled together lie in one shared object, which then has a file for each key.  A
 * file is the shared object followed by a trailer with its key, its length and a checksum, so that
 * a damaged, shortened or renamed file is noticed before it is loaded.
 * What is loaded is what was checked.  A file counts only if the open descriptor says that it is
 * ours and that nobody else can write to it, and so does the folder; both are made so (0600,
 * 0700).  On a local disk a checked file is then mapped where it lies, by its path: nobody else
 * can put another file there, as the folder and all above it are out of others' reach
 * (gr_is_safe_path); and what our own processes put there under the same name is another copy of
 * the same kernel.  (A descriptor's name below /proc/self/fd would not do: dlopen takes equal
 * names for equal objects, and the numbers come again.)  Nothing ever writes to a file of the
 * cache, and a deleted one stays while it is mapped. Elsewhere (NFS, Windows, noexec, a folder
 * that others can replace) what is loaded is a copy of the bytes that were checked, in a
 * temporary folder.
 * Guarantees: processes that share a folder see whole files only (temporary name, then rename);
 * a cache that cannot be used costs a note in the report, not the result. */
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

#include "run/run.h"

enum {
  KERNEL_ABI = 3, /* of gr_kernel_fn: grows when its arguments change */
  LONG_PATH = 4096,
  CACHE_FILES = 512,
  DAY = 24 * 3600
};
static const int64_t cache_bytes = (int64_t)256 << 20;

/* ---- keys and trailers ------------------------------------------------------------------------------------------- */

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
  char abi[32];
  snprintf(abi, sizeof abi, "abi %d", KERNEL_ABI);
  gr_sha256_init(&h);
  add_text(&h, GR_VERSION);
  add_text(&h, abi);
  add_compiler(&h, cc, cflags);
  add_text(&h, text);
  gr_sha256_hex(&h, key);
}

/* Under which it is remembered that the compiler refuses the flag for this machine's own
 * instructions. */
static void make_refusal_key(char key[GR_KEY + 1], gr_compiler cc, const char *cflags) {
  gr_sha256 h;
  gr_sha256_init(&h);
  cc.plain = false;
  add_text(&h, "refuses");
  add_compiler(&h, &cc, cflags);
  gr_sha256_hex(&h, key);
}

enum { TRAILER = 133 };

/* Of fixed length, and compared whole: nothing is parsed. */
static void make_trailer(char trailer[TRAILER + 1], const char *key, const char *data, size_t n) {
  snprintf(trailer, TRAILER + 1, "\ngenred kernel %.64s checksum %016llx bytes %020llu\n", key,
           (unsigned long long)gr_checksum(data, n), (unsigned long long)n);
}

/* The length of the shared object in a cache file of n bytes, or 0 if this is not the file of this key. */
static size_t checked_length(const char *key, const char *data, size_t n) {
  char trailer[TRAILER + 1];
  if (n <= TRAILER) return 0;
  make_trailer(trailer, key, data, n - TRAILER);
  return memcmp(data + n - TRAILER, trailer, TRAILER) == 0 ? n - TRAILER : 0;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* The kernel of this key in a shared object of its own, or of several. */
static gr_class find_kernel(void *object, const char *key, gr_kernel_fn **fn, gr_error *err) {
  char name[64];
  snprintf(name, sizeof name, "gr_kernel_%.*s", GR_TAIL, key);
  void *symbol = gr_dlsym(object, name);
  if (!symbol) symbol = gr_dlsym(object, "gr_kernel");
  if (!symbol) return gr_failf(err, GR_COMPILER, "the compiled kernel has no function gr_kernel");
  memcpy(fn, &symbol, sizeof *fn); /* ISO C has no cast from an object to a function */
  return GR_OK;
}

/* Loads a copy in a fresh folder below parent.  The name holds the key: dlopen takes equal names for equal objects. */
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

/* The object's kernels into the table of what is loaded, where each is then held; all or none. */
static gr_class keep(void *object, gr_wanted *const *w, int n, gr_error *err) {
  gr_class cls = GR_OK;
  for (int k = 0; !cls && k < n; k++) cls = find_kernel(object, w[k]->key, &w[k]->kernel.fn, err);
  if (!cls) cls = gr_loaded_add(object, w, n, err);
  for (int k = 0; cls && k < n; k++) w[k]->kernel = (gr_kernel){NULL, NULL};
  if (cls) gr_dlclose(object);
  return cls;
}

static const char noexec_hint[] =
    "\n(If this folder is on a file system mounted noexec, set the environment variable TMPDIR to a folder from which "
    "programs may run, and start again.)";

/* The temporary folder may be full or mounted noexec; then the cache folder may do. */
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

/* ---- the cache folder -------------------------------------------------------------------------------------------- */

static const char refusal_tail[] = ".plain";

/* KEY.so, KEY.cubin, KEY.plain, or KEY.anything.tmp while it is written; nothing else is ever
 * counted or deleted. */
static bool is_ours(const char *name, bool *temporary, bool *kernel) {
  size_t n = strlen(name);
  if (n <= GR_KEY || strspn(name, "0123456789abcdef") != GR_KEY) return false;
  *temporary = name[GR_KEY] == '.' && n > 4 && !strcmp(name + n - 4, ".tmp");
  *kernel = !strcmp(name + GR_KEY, ".so") || !strcmp(name + GR_KEY, ".cubin");
  return *temporary || *kernel || !strcmp(name + GR_KEY, refusal_tail);
}

typedef struct entry {
  char name[GR_KEY + 64];
  bool temporary, kernel;
  int64_t bytes;
  time_t used;
} entry;

static bool read_entry(const char *dir, const char *name, entry *e) {
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

static void remove_entry(const char *dir, const entry *e) {
  char path[LONG_PATH];
  if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, e->name) < sizeof path) remove(path);
}

/* Our files in dir, malloc'ed; none where there is no folder. */
static gr_class list_entries(const char *dir, entry **list, int *n, gr_error *err) {
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
      entry *grown = realloc(*list, (size_t)cap * sizeof **list);
      if (grown)
        *list = grown;
      else
        cls = gr_fail(err, ERR_NoMemory, "the list of the cache", (long long)cap);
    }
    if (!cls && read_entry(dir, f->d_name, &(*list)[*n])) ++*n;
  }
  closedir(d);
  if (!cls) return GR_OK;
  free(*list);
  *list = NULL;
  *n = 0;
  return cls;
}

static int newest_first(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->used != y->used) return x->used < y->used ? 1 : -1;
  return strcmp(x->name, y->name);
}

/* Keeps the newest within the bounds; temporary files an hour old were left by a process that died. */
static void evict(const char *dir) {
  gr_error ignored = {0};
  entry *list;
  int n, kept = 0;
  int64_t bytes = 0;
  time_t now = time(NULL);
  if (list_entries(dir, &list, &n, &ignored)) n = 0;
  if (n) qsort(list, (size_t)n, sizeof *list, newest_first);
  for (int k = 0; k < n; k++) {
    bool stale = list[k].temporary && list[k].used < now - 3600;
    if (list[k].temporary && !stale) continue;
    bytes += list[k].bytes;
    if (stale || ++kept > CACHE_FILES || bytes > cache_bytes) remove_entry(dir, &list[k]);
  }
  free(list);
  gr_error_clear(&ignored);
}

gr_class gr_cache_info(const char *dir, int64_t *files, int64_t *bytes, gr_error *err) {
  entry *list;
  int n;
  if (!files || !bytes) return gr_fail(err, ERR_Null, "the place for a number");
  *files = *bytes = 0;
  gr_class cls = list_entries(dir, &list, &n, err);
  for (int k = 0; k < n; k++)
    if (list[k].kernel) ++*files, *bytes += list[k].bytes;
  free(list);
  return cls;
}

gr_class gr_cache_clear(const char *dir, int64_t *files, gr_error *err) {
  entry *list;
  int n, left;
  if (!files) return gr_fail(err, ERR_Null, "the place for a number");
  *files = 0;
  gr_class cls = list_entries(dir, &list, &n, err);
  for (int k = 0; k < n; k++) {
    remove_entry(dir, &list[k]);
    *files += list[k].kernel;
  }
  free(list);
  if (cls) return cls;
  cls = list_entries(dir, &list, &left, err);
  free(list);
  if (cls || left < n || n == 0) return cls;
  *files = 0;
  return gr_failf(err, GR_ARGUMENT, "the kernels in '%s' cannot be deleted", dir);
}

/* ---- one kernel on disk ------------------------------------------------------------------------------------------ */

static bool cache_path(char path[LONG_PATH], const char *dir, const char *key, const char *tail) {
  return (size_t)snprintf(path, LONG_PATH, "%s/%s%s", dir, key, tail) < LONG_PATH;
}

/* Eviction goes by the time of the last use, to the day. */
static void mark_used(const char *path) {
  struct stat st;
  if (stat(path, &st) == 0 && st.st_mtime < time(NULL) - DAY) utime(path, NULL);
}

/* NULL: not there, or damaged or not ours alone and now deleted. */
char *gr_cache_read(const char *dir, const char *key, const char *tail, size_t *n) {
  gr_error ignored = {0};
  char path[LONG_PATH], *data = NULL;
  if (!cache_path(path, dir, key, tail)) return NULL;
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

/* Differs between processes, threads and machines that share the folder. */
static void unique_tail(char tail[32]) {
  static atomic_uint count;
  gr_sha256 h;
  char parts[128], hex[65];
  snprintf(parts, sizeof parts, "%ld %u %lld %.9f %p", (long)getpid(), atomic_fetch_add(&count, 1),
           (long long)time(NULL), gr_now(), (void *)parts);
  gr_sha256_init(&h);
  add_text(&h, parts);
  gr_sha256_hex(&h, hex);
  snprintf(tail, 32, ".%.16s.tmp", hex);
}

static gr_class store(const char *dir, const char *key, const char *tail, const char *data, size_t n, gr_error *err) {
  char unique[32], path[LONG_PATH], temporary[LONG_PATH];
  unique_tail(unique);
  if (!cache_path(path, dir, key, tail) || !cache_path(temporary, dir, key, unique))
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

/* The first line of why, as a note. */
static void note_unkept(gr_report *report, const gr_error *why) {
  snprintf(report->note, sizeof report->note, "the kernel was not kept in the cache: %.*s",
           (int)strcspn(why->message, "\n"), why->message);
  gr_whole_characters(report->note);
}

bool gr_cache_open(const gr_options *opt, gr_report *report) {
  gr_error trouble = {0};
  bool wanted = opt->cache_dir && *opt->cache_dir;
  bool usable = wanted && !gr_make_private_dir(opt->cache_dir, &trouble);
  if (wanted && !usable) note_unkept(report, &trouble);
  gr_error_clear(&trouble);
  return usable;
}

void gr_cache_write(const char *dir, const char *key, const char *tail, const char *data, size_t n, gr_report *report) {
  gr_error trouble = {0};
  if (store(dir, key, tail, data, n, &trouble)) note_unkept(report, &trouble);
  gr_error_clear(&trouble);
}

/* ---- a compiler without a flag ----------------------------------------------------------------------------------- */

/* Costs a call nothing where no compiler refuses anything. */
static bool remember_refusal(const gr_compiler *cc, const gr_options *opt) {
  char key[GR_KEY + 1];
  if (!gr_facts()) return false;
  make_refusal_key(key, *cc, opt->cflags);
  return gr_fact_known(key);
}

static bool read_refusal(const gr_compiler *cc, const gr_options *opt) {
  size_t n;
  char key[GR_KEY + 1];
  make_refusal_key(key, *cc, opt->cflags);
  char *data = gr_cache_read(opt->cache_dir, key, refusal_tail, &n);
  if (data) gr_fact_keep(key);
  free(data);
  return data != NULL;
}

static void keep_refusal(const gr_compiler *cc, const gr_options *opt, bool has_cache, gr_report *report) {
  char key[GR_KEY + 1];
  make_refusal_key(key, *cc, opt->cflags);
  gr_fact_keep(key);
  if (has_cache) gr_cache_write(opt->cache_dir, key, refusal_tail, gr_native_flag(), strlen(gr_native_flag()), report);
}

/* Unless there is a note already. */
static void note_plain(const gr_compiler *cc, gr_report *report) {
  if (cc->plain && !*report->note)
    snprintf(report->note, sizeof report->note, "the C compiler `%.300s` refuses %s: kernels are compiled without it, and are slower",
             cc->argv[0], gr_native_flag());
}

/* ---- a kernel ---------------------------------------------------------------------------------------------------- */

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

/* The file of the cache itself, which gr_cache_read has just checked: half a millisecond less than a copy. */
static bool load_in_place(const char *dir, const char *key, void **object) {
  gr_error ignored = {0};
  char path[LONG_PATH];
  bool done = cache_path(path, dir, key, ".so") && gr_may_map(path) && gr_is_safe_path(dir) && !gr_dlopen(path, object, &ignored);
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
  if (!cls) cls = keep(object, &w, 1, err);
  free(data);
  return cls;
}

/* Compiles, loads, and then keeps what can be loaded; all or none.  Each has a file of its own, with all that was compiled together in
 * it: so it is found, checked and dropped like any other. */
static gr_class from_compiler(gr_compiler *cc, const char *text, gr_wanted *const *w, int count, const gr_options *opt, bool has_cache,
                              gr_report *report, gr_error *err) {
  char *data = NULL;
  void *object = NULL;
  size_t n = 0;
  bool plain = cc->plain;
  double start = gr_now();
  gr_class cls = compile(cc, text, opt, &data, &n, err);
  report->seconds_compile += gr_now() - start;
  if (cc->plain && !plain) keep_refusal(cc, opt, has_cache, report);
  if (!cls) cls = load_bytes(w[0]->key, data, n, opt, has_cache, &object, err);
  if (!cls) cls = keep(object, w, count, err);
  for (int k = 0; !cls && has_cache && k < count; k++) gr_cache_write(opt->cache_dir, w[k]->key, ".so", data, n, report);
  if (!cls) report->origin = GR_COMPILED;
  if (!cls) note_plain(cc, report);
  free(data);
  return cls;
}

/* Where the kernel is already, or GR_NO_KERNEL. */
static gr_origin find_known(gr_compiler *cc, const gr_options *opt, gr_wanted *w, bool *has_cache, gr_report *report) {
  gr_error ignored = {0};
  cc->plain = cc->plain || remember_refusal(cc, opt);
  make_key(w->key, cc, opt->cflags, w->text);
  bool in_memory = gr_loaded_find(w->key, &w->kernel);
  *has_cache = !in_memory && gr_cache_open(opt, report);
  if (*has_cache) from_disk(w, opt, &ignored);
  gr_error_clear(&ignored);
  if (*has_cache && !w->kernel.fn && !cc->plain && read_refusal(cc, opt)) return find_known(cc, opt, w, has_cache, report);
  if (!w->kernel.fn) return GR_NO_KERNEL;
  note_plain(cc, report);
  return in_memory ? GR_FROM_MEMORY : GR_FROM_DISK;
}

bool gr_kernel_known(gr_compiler *cc, const gr_options *opt, gr_wanted *w, gr_report *report) {
  bool has_cache;
  return find_known(cc, opt, w, &has_cache, report) != GR_NO_KERNEL;
}

gr_class gr_kernels_compile(gr_compiler *cc, const char *text, gr_wanted *const *w, int n, const gr_options *opt, gr_report *report,
                            gr_error *err) {
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
    report->origin = find_known(&cc, opt, w, &has_cache, report);
    plain = cc.plain;
    if (!w->kernel.fn) cls = from_compiler(&cc, text, &w, 1, opt, has_cache, report, err);
  } while (cls == GR_COMPILER && cc.plain != plain);
  *kernel = wanted.kernel;
  gr_compiler_free(&cc);
  return cls;
}
