/* test_cache.c: kernels in the cache on disk (run/cache.c): what is stored, found, refused,
 * repaired and evicted, by one process and by several.
 *
 *   test_cache bench [FILE.c]   prints the times of a compilation, of a hit on disk and in memory
 * A new process is this program again: "get" (tiny_kernel.h), with a sixth argument that limits the
 * size of files, and "disk".
 * GR_TEST_CFLAGS: more flags for the compiler (valgrind knows no AVX-512: -march=x86-64-v3).
 * Linux only: it looks at /proc, and mounts small file systems where it may. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "compilers.h"
#include "tiny_kernel.h"

/* ---- a kernel from compiler, disk and memory ---- */

static void test_kernel(void) {
  gr_error err = {0};
  gr_report report;
  const char *cache = at("k/cache"), *tmp = at("tmp");
  gr_options opt = with(cache, tmp, "");
  int before = gr_kernels_loaded();
  int64_t files, bytes;
  CHECK(value(1, &opt, &report, &err) == 1 && report.provenance == GR_COMPILED && report.seconds_compile > 0);
  CHECK(report.note[0] == 0 && count_files(tmp, "") == 0 && count_files(cache, "") == 1);
  CHECK(value(1, &opt, &report, &err) == 1 && report.provenance == GR_FROM_MEMORY && report.seconds_compile == 0);
  CHECK(value(2, &opt, &report, &err) == 2 && report.provenance == GR_COMPILED && gr_kernels_loaded() == before + 2);
  /* Under valgrind the processor of this process differs from that of the child, and so does the
   * key. */
  CHECK_SAYS(in_new_process(cache, tmp, 1, "", NULL), getenv("GR_TEST_CFLAGS") ? "3 1 |\n" : "2 1 |\n");
  CHECK_SAYS(in_new_process("", tmp, 1, "", NULL), "3 1 |\n");
  CHECK_SAYS(in_new_process(cache, tmp, 1, "gcc", NULL), "3 1 |\n"); /* another path: another key */
  CHECK(gr_cache_info(cache, &files, &bytes, &err) == GR_OK && files >= 3 && bytes > 3000);
  opt.cflags = "-O1 -DX='a b'";
  CHECK(value(1, &opt, &report, &err) == 1 && report.provenance == GR_COMPILED);
  opt.cflags = "'";
  CHECK(value(1, &opt, &report, &err) == -1 && err.cls == GR_ARGUMENT);
  gr_error_clear(&err);
}

/* A forked child has the kernels of its parent, and can make new ones. */
static void test_fork(void) {
  gr_error err = {0};
  gr_report report;
  const char *cache = at("k/cache"), *tmp = at("tmp");
  gr_options opt = with(cache, tmp, "");
  CHECK(value(1, &opt, &report, &err) == 1);
  pid_t pid = fork();
  if (pid == 0) {
    bool good = value(1, &opt, &report, &err) == 1 && report.provenance == GR_FROM_MEMORY;
    good = good && value(77, &opt, &report, &err) == 77 && report.provenance == GR_COMPILED;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- a damaged cache ---- */

/* Writes these bytes to the file of kernel 5; a new process must notice, compile and replace it. */
static void damaged(const char *what, const char *file, const char *data, size_t n) {
  const char *cache = at("d"), *tmp = at("tmp"), *out;
  put(file, data, n, 0600);
  out = in_new_process(cache, tmp, 5, "", NULL);
  check(!strcmp(out, "3 5 |\n"), "%s: %s", what, out);
  out = in_new_process(cache, tmp, 5, "", NULL);
  check(!strcmp(out, "2 5 |\n"), "%s: %s", what, out);
}

static void test_damage(void) {
  char file[2048];
  size_t n, m;
  CHECK_SAYS(in_new_process(at("d"), at("tmp"), 5, "", NULL), "3 5 |\n");
  CHECK_SAYS(in_new_process(at("other"), at("tmp"), 6, "", NULL), "3 6 |\n");
  strcpy(file, only_file(at("d")));
  char *good = slurp(file, &n), *other = slurp(only_file(at("other")), &m), *bad = malloc(n + 1);
  CHECK(n > 1000 && m > 1000);
  damaged("empty", file, good, 0);
  damaged("one byte", file, good, 1);
  damaged("half", file, good, n / 2);
  damaged("one byte short", file, good, n - 1);
  damaged("no trailer", file, good, n - 133);
  damaged("another key's", file, other, m);
  memcpy(bad, good, n);
  bad[n / 2] ^= 1;
  damaged("one bit", file, bad, n);
  memcpy(bad, good, n);
  bad[n - 3] ^= 1;
  damaged("one bit of the trailer", file, bad, n);
  bad[n - 3] ^= 1;
  bad[n] = 0;
  damaged("one byte more", file, bad, n + 1);
  memset(bad, 'x', n);
  damaged("other text", file, bad, n);
  remove(file);
  mkdir(file, 0700);
  put(strcat(strcpy(bad, file), "/x"), "x", 1, 0600);
  CHECK_SAYS(in_new_process(at("d"), at("tmp"), 5, "", NULL), "3 5 the kernel was not kept in the cache: cannot rename");
  free(good);
  free(other);
  free(bad);
}

/* ---- who may read and write ---- */

static int mode_of(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

/* The only file of the folder is not loaded: the kernel is compiled, and the file replaced. */
static void refused(const char *what, const char *dir) {
  const char *out = in_new_process(dir, at("tmp"), 5, "", NULL);
  check(!strcmp(out, "3 5 |\n"), "%s: %s", what, out);
  out = in_new_process(dir, at("tmp"), 5, "", NULL);
  check(!strcmp(out, "2 5 |\n") && mode_of(only_file(dir)) == 0600, "%s: %s", what, out);
}

/* Code for GPUs is kept by the same rules. */
static void test_modes_of_cubins(const char *dir) {
  size_t n;
  gr_report report = {0};
  char key[GR_KEY + 1];
  snprintf(key, sizeof key, "%064d", 7);
  gr_cache_write(dir, key, ".cubin", "code", 4, &report);
  CHECK(mode_of(at("m/%s.cubin", key)) == 0600);
  char *data = gr_cache_read(dir, key, ".cubin", &n);
  CHECK(data && n == 4);
  free(data);
  chmod(at("m/%s.cubin", key), 0660);
  CHECK(!gr_cache_read(dir, key, ".cubin", &n) && access(at("m/%s.cubin", key), F_OK) != 0);
}

static void test_modes(void) {
  char file[2048], script_text[512], other[2048];
  const char *dir = at("m");
  mode_t mask = umask(0);
  snprintf(script_text, sizeof script_text, "for f; do :; done; stat -c %%a \"$f\" \"${f%%/*}\" >'%s'; exec gcc \"$@\"", at("modes"));
  CHECK_SAYS(in_new_process(at("m2"), at("tmp"), 5, script("cc_modes", script_text), NULL), "3 5 |\n");
  CHECK(!strcmp(text_of(at("modes")), "600\n700\n")); /* the kernel's source and its folder */
  CHECK_SAYS(in_new_process(dir, at("tmp"), 5, "", NULL), "3 5 |\n");
  umask(mask);
  strcpy(file, only_file(dir));
  CHECK(mode_of(file) == 0600 && mode_of(dir) == 0700 && count_files(dir, "") == 1);
  chmod(file, 0644); /* others may read, as in caches of earlier versions */
  CHECK_SAYS(in_new_process(dir, at("tmp"), 5, "", NULL), "2 5 |\n");
  chmod(file, 0620);
  refused("a group may write", dir);
  chmod(file, 0602);
  refused("others may write", dir);
  if (geteuid() == 0) {
    CHECK(chown(file, 12345, (gid_t)-1) == 0);
    refused("another user's", dir);
  }
  strcpy(other, at("elsewhere.so"));
  CHECK(rename(file, other) == 0 && symlink(other, file) == 0);
  refused("a link", dir);
  CHECK(mode_of(other) == 0600 && remove(file) == 0 && mkfifo(file, 0600) == 0);
  refused("a pipe", dir);

  test_modes_of_cubins(dir);
}

static bool is_mapped(const char *dir) {
  char line[8192];
  bool found = false;
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f)) found = found || strstr(line, dir);
  if (f) fclose(f);
  return found;
}

/* In a folder that other users can replace, a file is read and checked, and a copy of what was read
 * is loaded. */
static void test_paths(void) {
  gr_report report;
  gr_error err = {0};
  mkdir(at("loose"), 0700);
  mkdir(at("loose/in"), 0700);
  mkdir(at("loose/in/cache"), 0700);
  bool safe = gr_is_safe_path(at("loose/in/cache")); /* as far as TMPDIR is */
  CHECK_SAYS(in_new_process(at("loose/in/cache"), at("tmp"), 60, "", NULL), "3 60 |\n");
  CHECK_SAYS(in_new_process(at("tight"), at("tmp"), 61, "", NULL), "3 61 |\n");
  chmod(at("loose"), 01777);
  CHECK(gr_is_safe_path(at("loose/in/cache")) == safe);
  chmod(at("loose"), 0777);
  CHECK(!gr_is_safe_path(at("loose/in/cache")) && !gr_is_safe_path(at("loose/in")) && gr_is_safe_path(at("loose")) == safe);
  CHECK(gr_is_safe_path("/") && !gr_is_safe_path(at("none")));
  CHECK(symlink(at("loose/in"), at("detour")) == 0 && !gr_is_safe_path(at("detour/cache")));
  if (getenv("GR_TEST_CFLAGS")) return; /* valgrind: the child has another key */
  gr_options opt = with(at("loose/in/cache"), at("tmp"), "");
  CHECK(value(60, &opt, &report, &err) == 60 && report.provenance == GR_FROM_DISK && !is_mapped(at("loose/in/cache")));
  opt.cache_dir = at("tight");
  CHECK(value(61, &opt, &report, &err) == 61 && report.provenance == GR_FROM_DISK && is_mapped(at("tight")) == (safe && gr_may_map(at("tight"))));
}

static void test_unwritable(void) {
  char limit[32];
  const char *out, *tmp = at("tmp");
  CHECK_SAYS(in_new_process("/dev/null/x", tmp, 5, "", NULL), "3 5 the kernel was not kept in the cache: cannot ");
  mkdir(at("open"), 0700);
  chmod(at("open"), 0777);
  CHECK_SAYS(in_new_process(at("open"), tmp, 5, "", NULL), "3 5 the kernel was not kept in the cache: other users can write");
  CHECK(count_files(at("open"), "") == 0);
  CHECK_SAYS(in_new_process(at("d2"), "/dev/null/x", 5, "", NULL), "0 -1 |cannot create a temporary folder in '/dev/null/x'");
  CHECK_SAYS(in_new_process(at("d2"), tmp, 5, "", "100"), "0 -1 |cannot write '");
  CHECK_SAYS(in_new_process(at("d2"), tmp, 5, "", NULL), "3 5 |\n");
  /* loaded from the cache */
  CHECK_SAYS(in_new_process(at("d2"), "/dev/null/x", 5, "", NULL), "2 5 |\n");
  struct stat st = {0};
  /* a disk with room for the shared object but not for its trailer */
  stat(only_file(at("d2")), &st);
  snprintf(limit, sizeof limit, "%lld", (long long)st.st_size - 100);
  out = in_new_process(at("d3"), tmp, 5, "", limit);
  CHECK_SAYS(out, "3 5 the kernel was not kept in the cache: cannot write");
  CHECK(count_files(at("d3"), "") == 0 && count_files(tmp, "") == 0);
}

/* File systems that are full or noexec, where this process may mount them. */
static void test_mounts(void) {
  const char *cache = at("d4"), *small = at("small"), *noexec = at("noexec");
  mkdir(small, 0700);
  mkdir(noexec, 0700);
  if (mount("none", small, "tmpfs", 0, "size=8k,mode=700") != 0) {
    printf("SKIPPED: full and noexec file systems (may not mount)\n");
    return;
  }
  CHECK_SAYS(in_new_process(small, at("tmp"), 5, "", NULL), "3 5 the kernel was not kept in the cache: cannot write");
  CHECK(count_files(small, "") == 0);
  put(at("small/fill"), small, 1, 0600);
  CHECK_SAYS(in_new_process(cache, small, 5, "", NULL), "0 -1 |");
  umount(small);
  CHECK(mount("none", noexec, "tmpfs", MS_NOEXEC, "mode=700") == 0);
  CHECK_SAYS(in_new_process(noexec, at("tmp"), 5, "", NULL), "3 5 |\n");
  CHECK_SAYS(in_new_process(noexec, at("tmp"), 5, "", NULL), "2 5 |\n");
  CHECK_SAYS(in_new_process(cache, noexec, 5, "", NULL), "3 5 |\n");
  CHECK_SAYS(in_new_process(cache, noexec, 5, "", NULL), "2 5 |\n");
  if (!is_emulated()) /* qemu-user reads what it executes, and ignores noexec */
    CHECK_SAYS(in_new_process(noexec, noexec, 5, "", NULL), "noexec, set the environment variable TMPDIR");
  umount(noexec);
}

/* ---- many at once, eviction ---- */

static void *thread_get(void *arg) {
  gr_error err = {0};
  gr_report report;
  gr_kernel kernel;
  if (gr_kernel_get("void gr_kernel(void) {}\n", arg, &kernel, &report, &err)) return NULL;
  gr_kernel_drop(&kernel);
  return arg;
}

static void test_sharing(void) {
  char cache[2048], tmp[2048];
  pid_t pid[8];
  pthread_t thread[4];
  int good = 0;
  strcpy(cache, at("shared"));
  strcpy(tmp, at("tmp"));
  for (int k = 0; k < 8; k++)
    if ((pid[k] = fork()) == 0) {
      gr_options opt = with(cache, tmp, NULL);
      gr_report report;
      gr_error err = {0};
      bool right =
          value(500, &opt, &report, &err) == 500 && !report.note[0] && value(501 + k / 4, &opt, &report, &err) > 0;
      _exit(right ? 0 : 1);
    }
  for (int k = 0, status = 1; k < 8; k++) good += waitpid(pid[k], &status, 0) == pid[k] && status == 0;
  CHECK(good == 8 && count_files(cache, "") == 3 && count_files(tmp, "") == 0);
  gr_options opt = with(cache, tmp, NULL);
  for (int k = 0; k < 4; k++) pthread_create(&thread[k], NULL, thread_get, &opt);
  for (int k = 0; k < 4; k++) {
    void *result = NULL;
    pthread_join(thread[k], &result);
    good += result != NULL;
  }
  CHECK(good == 12 && count_files(cache, "") == 4 && count_files(tmp, "") == 0);
}

static const char *fake(const char *dir, int n, const char *suffix) {
  return at("%s/%064x%s", dir, (unsigned)n, suffix);
}

static void test_eviction(void) {
  gr_error err = {0};
  int64_t files, bytes;
  const char *const foreign[] = {"e/notes.txt", "e/0123.so", "e/.hidden", "e/x.tmp"};
  mkdir(at("e"), 0700);
  for (int k = 0; k < 600; k++) {
    put(fake("e", k, ".so"), "x", 1, 0600);
    age(fake("e", k, ".so"), 1000 + k);
  }
  for (int k = 0; k < 4; k++) {
    put(at("%s", foreign[k]), "x", 1, 0600);
    age(at("%s", foreign[k]), 1000000);
  }
  put(fake("e", 1, ".dead.tmp"), "x", 1, 0600);
  age(fake("e", 1, ".dead.tmp"), 4000);
  put(fake("e", 1, ".live.tmp"), "x", 1, 0600);
  CHECK_SAYS(in_new_process(at("e"), at("tmp"), 5, "", NULL), "3 5 |\n");
  CHECK(gr_cache_info(at("e"), &files, &bytes, &err) == GR_OK && files == 512);
  CHECK(access(fake("e", 510, ".so"), F_OK) == 0 && access(fake("e", 511, ".so"), F_OK) != 0);
  CHECK(access(fake("e", 1, ".dead.tmp"), F_OK) != 0 && access(fake("e", 1, ".live.tmp"), F_OK) == 0);
  for (int k = 0; k < 3; k++) {
    CHECK(truncate(fake("e", k, ".so"), (off_t)100 << 20) == 0);
    age(fake("e", k, ".so"), 10 + k);
  }
  CHECK_SAYS(in_new_process(at("e"), at("tmp"), 6, "", NULL), "3 6 |\n");
  CHECK(gr_cache_info(at("e"), &files, &bytes, &err) == GR_OK && files == 4 && bytes < (int64_t)256 << 20);
  CHECK(access(fake("e", 1, ".so"), F_OK) == 0 && access(fake("e", 2, ".so"), F_OK) != 0);
  CHECK(gr_cache_clear(at("e"), &files, &err) == GR_OK && files == 4);
  CHECK(count_files(at("e"), "") == 3); /* the foreign ones, one of which is hidden */
  CHECK(gr_cache_clear(at("nothing here"), &files, &err) == GR_OK && files == 0);
  CHECK(gr_cache_info("", &files, &bytes, &err) == GR_OK && files == 0 && bytes == 0);
  put(at("plain"), "x", 1, 0600);
  CHECK(gr_cache_info(at("plain"), &files, &bytes, &err) == GR_ARGUMENT);
}

/* ---- times ---- */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void bench(const char *cc, const char *text) {
  enum { N = 30 };
  double compile[N], memory[N], disk[N];
  char sized[65536];
  gr_error err = {0};
  gr_report report;
  gr_kernel kernel;
  gr_options opt = with(at("bench"), at("tmp"), cc);
  for (int k = 0; k < N; k++) {
    snprintf(sized, sizeof sized, "/* %d */\n%s", k, text);
    double t0 = gr_now();
    if (gr_kernel_get(sized, &opt, &kernel, &report, &err)) printf("%s\n%s\n", err.message, err.log ? err.log : "");
    double t1 = gr_now();
    gr_kernel_get(sized, &opt, &kernel, &report, &err);
    compile[k] = t1 - t0;
    memory[k] = gr_now() - t1;
    pid_t pid = fork(); /* a new process, which has no kernels in memory */
    if (pid == 0) execl(self, self, "disk", opt.cache_dir, opt.tmp_dir, cc, sized, (char *)NULL);
    int status;
    waitpid(pid, &status, 0);
    disk[k] = atof(text_of(at("tmp/time")));
  }
  qsort(compile, N, sizeof *compile, by_size);
  qsort(memory, N, sizeof *memory, by_size);
  qsort(disk, N, sizeof *disk, by_size);
  printf("%-6s compile %5.1f ms (least %5.1f)   disk %6.1f us (least %6.1f)   memory %5.1f us (least %5.1f)\n", cc,
         1e3 * compile[N / 2], 1e3 * compile[0], 1e6 * disk[N / 2], 1e6 * disk[0], 1e6 * memory[N / 2],
         1e6 * memory[0]);
}

static int child_disk(char **argv) {
  gr_options opt = with(argv[2], argv[3], argv[4]);
  gr_report report;
  gr_error err = {0};
  gr_kernel kernel;
  char out[64];
  double start = gr_now();
  gr_kernel_get(argv[5], &opt, &kernel, &report, &err);
  snprintf(out, sizeof out, "%g", report.provenance == GR_FROM_DISK ? gr_now() - start : 1e9);
  put(at("tmp/time"), out, strlen(out), 0600);
  return 0;
}

/* ---- all tests ---- */

static void test_all(void) {
  int before = count_files("/proc/self/fd", "");
  test_kernel();
  test_fork();
  test_damage();
  test_modes();
  test_paths();
  test_unwritable();
  test_mounts();
  test_sharing();
  test_eviction();
  CHECK(count_files("/proc/self/fd", "") == before); /* no descriptor is left open */
  CHECK(count_files(at("tmp"), "") == 0);
}

static void measure(const char *file) {
  size_t n;
  char *text = file ? slurp(file, &n) : strdup(kernel_text(1));
  bench("gcc", text);
  bench("clang", text);
  free(text);
}

/* No file that this process writes may be larger than so many bytes. */
static void limit_files(const char *bytes) {
  struct rlimit limit = {(rlim_t)atol(bytes), RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
}

int main(int argc, char **argv) {
  if (argc > 6 && !strcmp(argv[1], "get")) limit_files(argv[6]);
  if (argc > 5 && !strcmp(argv[1], "get")) return child_get(argv);
  if (argc > 5 && !strcmp(argv[1], "disk")) return child_disk(argv);
  if (!realpath(argv[0], self)) return 2;
  own_folder();
  mkdir(at("tmp"), 0700);
  if (argc > 1 && !strcmp(argv[1], "bench")) return measure(argv[2]), 0;
  test_all();
  return report();
}
