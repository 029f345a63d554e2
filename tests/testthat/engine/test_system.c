/* test_system.c: the operating system, the compiler and the cache (os.c, cc.c, cache.c).
 *
 * Works in folders of its own below TMPDIR.  A new process is this program again, with arguments:
 *   get CACHE TMP N CC [LIMIT]   gets kernel N and prints "origin value note|message"; LIMIT: no file may be larger
 *   bench [FILE.c]               prints what a compile, a hit on disk and a hit in memory cost
 * GR_TEST_CFLAGS: more compiler flags (under valgrind, which knows no AVX-512: -march=x86-64-v3).
 * Linux only: it looks at /proc, and mounts small file systems where it may. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include "run/run.h"

static int passed, failed;
static char base[256], self[4096];

#define CHECK(ok) check((ok) != 0, #ok, __LINE__, "")
#define CHECK_SAYS(text, part) check_says(text, part, #text " says", __LINE__)

static void check(bool ok, const char *what, int line, const char *more) {
  if (ok)
    passed++;
  else
    failed++, printf("line %d: %s  %s\n", line, what, more);
}

static void check_says(const char *text, const char *part, const char *what, int line) {
  check(strstr(text, part) != NULL, what, line, text);
}

/* A path below base, good for the next 4095 calls. */
static const char *at(const char *fmt, ...) GR_PRINTF(1, 2);
static const char *at(const char *fmt, ...) {
  static char ring[4096][512];
  static int turn;
  char *s = ring[turn++ % 4096];
  int n = snprintf(s, sizeof *ring, "%s/", base);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(s + n, sizeof *ring - (size_t)n, fmt, ap);
  va_end(ap);
  return s;
}

static void put(const char *path, const void *data, size_t n, mode_t mode) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, n, f) != n) printf("cannot write %s\n", path);
  if (f) fclose(f);
  chmod(path, mode);
}

static const char *script(const char *name, const char *body) {
  char text[2048];
  snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
  put(at("%s", name), text, strlen(text), 0755);
  return at("%s", name);
}

static char *slurp(const char *path, size_t *n) {
  gr_error err = {0};
  char *data = NULL;
  if (gr_read_file(path, &data, n, &err)) *n = 0;
  return data ? data : calloc(1, 1);
}

static void age(const char *path, long seconds) {
  struct utimbuf t = {time(NULL) - seconds, time(NULL) - seconds};
  utime(path, &t);
}

static int count_files(const char *dir) {
  int n = 0;
  DIR *d = opendir(dir);
  while (d && readdir(d)) n++;
  if (d) closedir(d);
  return d ? n - 2 : -1;
}

/* ---- os.c: children -------------------------------------------------------------------------------------------- */

static int shell(const char *command, double seconds, char *log, size_t size, gr_error *err) {
  const char *argv[] = {"/bin/sh", "-c", command, NULL};
  int status = -2;
  size_t n;
  gr_spawn_for(argv, at("log"), seconds, NULL, &status, err);
  char *text = slurp(at("log"), &n);
  snprintf(log, size, "%s", text);
  free(text);
  return status;
}

static bool is_running(long pid) {
  char path[64], line[512] = "";
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *f = fopen(path, "r");
  if (f && !fgets(line, sizeof line, f)) line[0] = 0;
  if (f) fclose(f);
  return line[0] && !strstr(line, ") Z");
}

/* Killed processes need a moment. */
static bool ends(long pid) {
  for (int k = 0; k < 500 && is_running(pid); k++) gr_sleep(0.01);
  return !is_running(pid);
}

static void on_alarm(int s) { (void)s; }

static void test_spawn(void) {
  gr_error err = {0};
  char log[4096];
  CHECK(shell("echo out; echo err >&2; exit 7", 60, log, sizeof log, &err) == 7 && !strcmp(log, "out\nerr\n"));
  CHECK(shell("cat; echo \"$0 $#\"", 60, log, sizeof log, &err) == 0 && !strcmp(log, "/bin/sh 0\n"));
  CHECK(shell("kill -9 $$", 60, log, sizeof log, &err) == 128 + 9);
  CHECK(err.cls == GR_OK);
  const char *argv[] = {"/nowhere/cc", NULL};
  int status = 0;
  CHECK(gr_spawn(argv, at("log"), NULL, &status, &err) == GR_COMPILER || status == 127); /* 127: valgrind's vfork is a fork */
  check_says(status == 127 ? "/nowhere/cc" : err.message, "/nowhere/cc", "message", __LINE__);

  sigset_t mask, old;
  sigfillset(&mask);
  sigprocmask(SIG_SETMASK, &mask, &old);
  signal(SIGPIPE, SIG_IGN);
  shell("cut -d' ' -f5 /proc/$$/stat; echo $$; grep -E 'SigBlk|SigIgn' /proc/self/status", 60, log, sizeof log, &err);
  sigprocmask(SIG_SETMASK, &old, NULL);
  signal(SIGPIPE, SIG_DFL);
  long group = 0, pid = 1;
  CHECK(sscanf(log, "%ld %ld", &group, &pid) == 2 && group == pid);
  CHECK_SAYS(log, "SigBlk:\t0000000000000000\nSigIgn:");
  CHECK((strtoul(strrchr(log, ':') + 1, NULL, 16) & 1ul << (SIGPIPE - 1)) == 0);

  struct sigaction act = {.sa_handler = on_alarm};
  struct itimerval fast = {{0, 1000}, {0, 1000}}, none = {{0, 0}, {0, 0}};
  sigaction(SIGALRM, &act, NULL);
  setitimer(ITIMER_REAL, &fast, NULL);
  CHECK(shell("sleep 0.1; exit 3", 60, log, sizeof log, &err) == 3);
  setitimer(ITIMER_REAL, &none, NULL);
  signal(SIGALRM, SIG_IGN); /* one may still be under way */

  signal(SIGCHLD, SIG_IGN);
  CHECK(shell("echo done; exit 3", 60, log, sizeof log, &err) == -1 && !strcmp(log, "done\n"));
  signal(SIGCHLD, SIG_DFL);
}

static void test_hang(void) {
  gr_error err = {0};
  char log[4096];
  double start = gr_now();
  shell("sleep 100 & echo $!; wait", 0.3, log, sizeof log, &err);
  CHECK(err.cls == GR_COMPILER && gr_now() - start < 20);
  CHECK_SAYS(err.message, "did not finish within 0.3 seconds");
  CHECK(ends(atol(log)));
  gr_error_clear(&err);
  start = gr_now();
  shell("trap '' TERM; sleep 100 & echo $!; wait", 0.1, log, sizeof log, &err); /* must be killed */
  CHECK(err.cls == GR_COMPILER && gr_now() - start < 20 && ends(atol(log)));
}

/* ---- os.c: files and folders ----------------------------------------------------------------------------------- */

static gr_class private_dir(const char *dir, const char *says) {
  gr_error err = {0};
  gr_class cls = gr_make_private_dir(dir, &err);
  if (cls != err.cls) CHECK(!"the class is in the error");
  CHECK_SAYS(err.message, says);
  return cls;
}

static void test_folders(void) {
  struct stat st;
  char deep[6000] = "";
  CHECK(private_dir(at("a/b//c/"), "") == GR_OK);
  CHECK(stat(at("a/b"), &st) == 0 && (st.st_mode & 0777) == 0700);
  CHECK(private_dir(at("a/b/c"), "") == GR_OK);
  chmod(at("a/b/c"), 0777);
  CHECK(private_dir(at("a/b/c"), "chmod 700") == GR_ARGUMENT);
  chmod(at("a/b/c"), 0720);
  CHECK(private_dir(at("a/b/c"), "other users can write") == GR_ARGUMENT);
  CHECK(symlink("b/c", at("a/bad")) == 0 && private_dir(at("a/bad"), "a/bad") == GR_ARGUMENT);
  chmod(at("a/b/c"), 0755);
  CHECK(private_dir(at("a/bad"), "") == GR_OK);
  if (geteuid() == 0) {
    CHECK(chown(at("a/b/c"), 12345, (gid_t)-1) == 0);
    CHECK(private_dir(at("a/b/c"), "another user (uid 12345") == GR_ARGUMENT);
  }
  put(at("plain"), "x", 1, 0600);
  CHECK(private_dir(at("plain"), "plain") != GR_OK);
  CHECK(private_dir(at("plain/x"), "plain") != GR_OK);
  CHECK(private_dir("", "empty") == GR_ARGUMENT);
  memset(deep, 'x', sizeof deep - 1);
  CHECK(private_dir(deep, "too long") == GR_ARGUMENT);
}

static void test_files(void) {
  gr_error err = {0};
  char dir[2048], *data;
  size_t n = 0;
  CHECK(gr_temp_dir(base, dir, sizeof dir, &err) == GR_OK && count_files(dir) == 0);
  CHECK(gr_write_file(at("%s/f", strrchr(dir, '/') + 1), "a\0b", 3, &err) == GR_OK);
  CHECK(gr_read_file(at("%s/f", strrchr(dir, '/') + 1), &data, &n, &err) == GR_OK && n == 3 &&
        !memcmp(data, "a\0b", 4));
  free(data);
  gr_remove_dir(dir);
  CHECK(count_files(dir) == -1);
  CHECK(gr_temp_dir("/dev/null/x", dir, sizeof dir, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "/dev/null/x");
  CHECK(gr_write_file(at("none/f"), "abc", 3, &err) == GR_COMPILER);
  CHECK(gr_write_file("/dev/full", "abc", 3, &err) == GR_COMPILER); /* what is there already is not written to */
  CHECK_SAYS(err.message, "/dev/full");
  CHECK(gr_read_file(at("none"), &data, &n, &err) == GR_COMPILER);
  CHECK(gr_read_file(base, &data, &n, &err) == GR_ARGUMENT);
  CHECK(gr_rename(at("none"), at("none2"), &err) == GR_COMPILER);
  void *p = gr_aligned_alloc(100);
  CHECK(p && (uintptr_t)p % 64 == 0);
  gr_aligned_free(p);
  CHECK(*gr_cpu_features() && gr_cpu_features() == gr_cpu_features() && *gr_simd_name());
}

/* ---- cc.c: finding the compiler -------------------------------------------------------------------------------- */

static bool words_are(const char *command, const char *const *expected) {
  gr_error err = {0};
  gr_compiler c = {0};
  bool same = gr_compiler_find(command, &c, &err) == GR_OK;
  int k = 1;
  for (; same && expected[k - 1]; k++) same = k < c.n && !strcmp(c.argv[k], expected[k - 1]);
  same = same && k == c.n;
  gr_compiler_free(&c);
  return same;
}

static void identity(const char *command, char id[512]) {
  gr_error err = {0};
  gr_compiler c = {0};
  CHECK(gr_compiler_find(command, &c, &err) == GR_OK);
  strcpy(id, c.identity);
  gr_compiler_free(&c);
}

static void test_find(void) {
  gr_error err = {0};
  gr_compiler c = {0};
  char one[512], two[512], command[4096];
  const char *cc = script("my cc", "exit 0");
  script("wrapped", "exit 0");
  snprintf(command, sizeof command, " '%s' -a \"b c\"d'e\"f' \\ g \"h\\\"\\$\\i\" ''\t$X ", cc);
  CHECK(words_are(command, (const char *[]){"-a", "b cde\"f", " g", "h\"$\\i", "", "$X", NULL}));
  CHECK(gr_compiler_find("cc 'x", &c, &err) == GR_ARGUMENT);
  CHECK_SAYS(err.message, "a quote is not closed");
  CHECK(gr_compiler_find("nosuchcc -x", &c, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "`nosuchcc` was not found on the PATH");
  CHECK_SAYS(err.message, "options(genred.cc");
  CHECK(gr_compiler_find(at("plain"), &c, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "not a program");

  snprintf(command, sizeof command, "'%s' '%s'", cc, at("wrapped"));
  identity(command, one);
  identity(command, two);
  CHECK(!strcmp(one, two));
  age(at("wrapped"), 1000);
  identity(command, two);
  CHECK(strcmp(one, two));
  identity(at("wrapped"), one);
  snprintf(command, sizeof command, "%s -m32", at("wrapped"));
  identity(command, two);
  CHECK(strcmp(one, two));

  char *path = strdup(getenv("PATH"));
  setenv("PATH", at("empty"), 1);
  CHECK(gr_compiler_find(NULL, &c, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "no cc, gcc or clang on the PATH");
  setenv("PATH", path, 1);
  free(path);
  CHECK(gr_compiler_find(" ", &c, &err) == GR_OK && c.n == 1 && c.argv[0][0] == '/');
  gr_compiler_free(&c);
  char text[512];
  CHECK(gr_compiler_info("gcc", text, sizeof text, &err) == GR_OK);
  CHECK_SAYS(text, "/gcc: ");
  CHECK_SAYS(text, "gcc ("); /* or a cross compiler of this name */
  CHECK(gr_compiler_info("nosuchcc", text, sizeof text, &err) == GR_COMPILER);
  gr_error_clear(&err);
}

/* ---- kernels --------------------------------------------------------------------------------------------------- */

static const char *kernel_text(int n) {
  static char text[512];
  snprintf(
      text, sizeof text,
      "double sin(double);\nvoid gr_kernel(const double *const *arg, const long *ld, double *state, long m, long r0, "
      "long r1, long c0, long c1, void *s) {\n  state[0] += %d + sin(arg[0][0]);\n}\n",
      n);
  return text;
}

static gr_options options(const char *cache, const char *tmp, const char *cc) {
  return (gr_options){.cc = cc, .cache_dir = cache, .tmp_dir = tmp, .cflags = getenv("GR_TEST_CFLAGS")};
}

/* The value of kernel n, or -1; the error is in err. */
static double value(int n, const gr_options *opt, gr_report *report, gr_error *err) {
  gr_kernel kernel;
  double zero = 0, state = 0;
  const double *arg[] = {&zero};
  *report = (gr_report){0};
  if (gr_kernel_get(kernel_text(n), opt, &kernel, report, err)) return -1;
  kernel.fn(arg, NULL, &state, 0, 0, 1, 0, 1, NULL);
  gr_kernel_drop(&kernel);
  return state;
}

static int child_get(int argc, char **argv) {
  gr_options opt = options(argv[2], argv[3], argv[5]);
  gr_report report;
  gr_error err = {0};
  if (argc > 6) {
    struct rlimit limit = {(rlim_t)atol(argv[6]), RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  double v = value(atoi(argv[4]), &opt, &report, &err);
  printf("%d %g %s|%s\n", (int)report.provenance, v, report.note, err.message);
  gr_error_clear(&err);
  return 0;
}

/* What a new process prints that gets kernel n. */
static const char *in_child(const char *cache, const char *tmp, int n, const char *cc, const char *limit) {
  static char out[4096];
  char number[16];
  const char *argv[] = {self, "get", cache, tmp, number, cc, limit, NULL};
  gr_error err = {0};
  int status = -1;
  size_t size;
  snprintf(number, sizeof number, "%d", n);
  gr_spawn(argv, at("child.log"), NULL, &status, &err);
  char *text = slurp(at("child.log"), &size);
  snprintf(out, sizeof out, "%s%.3000s", status == 0 ? "" : "crashed: ", text);
  free(text);
  return out;
}

static void test_kernel(void) {
  gr_error err = {0};
  gr_report report;
  const char *cache = at("k/cache"), *tmp = at("tmp");
  gr_options opt = options(cache, tmp, "");
  int before = gr_kernels_loaded();
  int64_t files, bytes;
  CHECK(value(1, &opt, &report, &err) == 1 && report.provenance == GR_COMPILED && report.seconds_compile > 0);
  CHECK(report.note[0] == 0 && count_files(tmp) == 0 && count_files(cache) == 1);
  CHECK(value(1, &opt, &report, &err) == 1 && report.provenance == GR_FROM_MEMORY && report.seconds_compile == 0);
  CHECK(value(2, &opt, &report, &err) == 2 && report.provenance == GR_COMPILED && gr_kernels_loaded() == before + 2);
  /* valgrind shows another processor to us than to the child, so the child has another key */
  check_says(in_child(cache, tmp, 1, "", NULL), getenv("GR_TEST_CFLAGS") ? "3 1 |\n" : "2 1 |\n", "hit", __LINE__);
  CHECK_SAYS(in_child("", tmp, 1, "", NULL), "3 1 |\n");
  CHECK_SAYS(in_child(cache, tmp, 1, "gcc", NULL), "3 1 |\n"); /* another path: another key */
  CHECK(gr_cache_info(cache, &files, &bytes, &err) == GR_OK && files >= 3 && bytes > 3000);
  opt.cflags = "-O1 -DX='a b'";
  CHECK(value(1, &opt, &report, &err) == 1 && report.provenance == GR_COMPILED);
  opt.cflags = "'";
  CHECK(value(1, &opt, &report, &err) == -1 && err.cls == GR_ARGUMENT);
  gr_error_clear(&err);

  pid_t pid = fork();
  if (pid == 0) { /* a forked child has the kernels, and makes new ones */
    opt = options(cache, tmp, "");
    bool good = value(1, &opt, &report, &err) == 1 && report.provenance == GR_FROM_MEMORY;
    good = good && value(77, &opt, &report, &err) == 77 && report.provenance == GR_COMPILED;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- a damaged cache ------------------------------------------------------------------------------------------- */

/* Puts these bytes where kernel 5 should be; a new process must notice, compile, and repair the file. */
static void damaged(const char *what, const char *file, const char *data, size_t n) {
  const char *cache = at("d"), *tmp = at("tmp"), *out;
  put(file, data, n, 0600);
  out = in_child(cache, tmp, 5, "", NULL);
  check(!strcmp(out, "3 5 |\n"), what, __LINE__, out);
  out = in_child(cache, tmp, 5, "", NULL);
  check(!strcmp(out, "2 5 |\n"), what, __LINE__, out);
}

static const char *only_file(const char *dir) {
  static char path[2048];
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.') snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
  if (d) closedir(d);
  return path;
}

static void test_damage(void) {
  char file[2048];
  size_t n, m;
  CHECK_SAYS(in_child(at("d"), at("tmp"), 5, "", NULL), "3 5 |\n");
  CHECK_SAYS(in_child(at("other"), at("tmp"), 6, "", NULL), "3 6 |\n");
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
  CHECK_SAYS(in_child(at("d"), at("tmp"), 5, "", NULL), "3 5 the kernel was not kept in the cache: cannot rename");
  free(good);
  free(other);
  free(bad);
}

/* ---- who may read and write ------------------------------------------------------------------------------------ */

static int mode_of(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

/* The folder's one file is not loaded, but compiled anew and replaced. */
static void refused(const char *what, const char *dir, int line) {
  const char *out = in_child(dir, at("tmp"), 5, "", NULL);
  check(!strcmp(out, "3 5 |\n"), what, line, out);
  out = in_child(dir, at("tmp"), 5, "", NULL);
  check(!strcmp(out, "2 5 |\n") && mode_of(only_file(dir)) == 0600, what, line, out);
}

static void test_modes(void) {
  char file[2048], script_text[512], other[2048];
  const char *dir = at("m");
  size_t n;
  mode_t mask = umask(0);
  snprintf(script_text, sizeof script_text, "for f; do :; done; stat -c %%a \"$f\" \"${f%%/*}\" >'%s'; exec gcc \"$@\"", at("modes"));
  CHECK_SAYS(in_child(at("m2"), at("tmp"), 5, script("cc_modes", script_text), NULL), "3 5 |\n");
  char *text = slurp(at("modes"), &n);
  CHECK(!strcmp(text, "600\n700\n")); /* the text of the kernel and its folder */
  free(text);
  CHECK_SAYS(in_child(dir, at("tmp"), 5, "", NULL), "3 5 |\n");
  umask(mask);
  strcpy(file, only_file(dir));
  CHECK(mode_of(file) == 0600 && mode_of(dir) == 0700 && count_files(dir) == 1);
  chmod(file, 0644); /* as before: others may read */
  CHECK_SAYS(in_child(dir, at("tmp"), 5, "", NULL), "2 5 |\n");
  chmod(file, 0620);
  refused("a group may write", dir, __LINE__);
  chmod(file, 0602);
  refused("others may write", dir, __LINE__);
  if (geteuid() == 0) {
    CHECK(chown(file, 12345, (gid_t)-1) == 0);
    refused("another user's", dir, __LINE__);
  }
  strcpy(other, at("elsewhere.so"));
  CHECK(rename(file, other) == 0 && symlink(other, file) == 0);
  refused("a link", dir, __LINE__);
  CHECK(mode_of(other) == 0600 && remove(file) == 0 && mkfifo(file, 0600) == 0);
  refused("a pipe", dir, __LINE__);

  gr_report report = {0};
  char key[GR_KEY + 1];
  snprintf(key, sizeof key, "%064d", 7);
  gr_cache_write(dir, key, ".cubin", "code", 4, &report); /* a GPU's go by the same rules */
  CHECK(mode_of(at("m/%s.cubin", key)) == 0600);
  char *data = gr_cache_read(dir, key, ".cubin", &n);
  CHECK(data && n == 4);
  free(data);
  chmod(at("m/%s.cubin", key), 0660);
  CHECK(!gr_cache_read(dir, key, ".cubin", &n) && access(at("m/%s.cubin", key), F_OK) != 0);
}

static bool is_mapped(const char *dir) {
  char line[8192];
  bool found = false;
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f)) found = found || strstr(line, dir);
  if (f) fclose(f);
  return found;
}

/* A folder that others can put another in place of: its file is read and checked, and a copy of what was read is loaded. */
static void test_paths(void) {
  gr_report report;
  gr_error err = {0};
  mkdir(at("loose"), 0700);
  mkdir(at("loose/in"), 0700);
  mkdir(at("loose/in/cache"), 0700);
  bool safe = gr_is_safe_path(at("loose/in/cache")); /* as far as TMPDIR is */
  CHECK_SAYS(in_child(at("loose/in/cache"), at("tmp"), 60, "", NULL), "3 60 |\n");
  CHECK_SAYS(in_child(at("tight"), at("tmp"), 61, "", NULL), "3 61 |\n");
  chmod(at("loose"), 01777);
  CHECK(gr_is_safe_path(at("loose/in/cache")) == safe);
  chmod(at("loose"), 0777);
  CHECK(!gr_is_safe_path(at("loose/in/cache")) && !gr_is_safe_path(at("loose/in")) && gr_is_safe_path(at("loose")) == safe);
  CHECK(gr_is_safe_path("/") && !gr_is_safe_path(at("none")));
  CHECK(symlink(at("loose/in"), at("detour")) == 0 && !gr_is_safe_path(at("detour/cache")));
  if (getenv("GR_TEST_CFLAGS")) return; /* valgrind: the child has another key */
  gr_options opt = options(at("loose/in/cache"), at("tmp"), "");
  CHECK(value(60, &opt, &report, &err) == 60 && report.provenance == GR_FROM_DISK && !is_mapped(at("loose/in/cache")));
  opt.cache_dir = at("tight");
  CHECK(value(61, &opt, &report, &err) == 61 && report.provenance == GR_FROM_DISK && is_mapped(at("tight")) == (safe && gr_may_map(at("tight"))));
}

static void test_unwritable(void) {
  char limit[32];
  const char *out, *tmp = at("tmp");
  CHECK_SAYS(in_child("/dev/null/x", tmp, 5, "", NULL), "3 5 the kernel was not kept in the cache: cannot ");
  mkdir(at("open"), 0700);
  chmod(at("open"), 0777);
  CHECK_SAYS(in_child(at("open"), tmp, 5, "", NULL), "3 5 the kernel was not kept in the cache: other users can write");
  CHECK(count_files(at("open")) == 0);
  CHECK_SAYS(in_child(at("d2"), "/dev/null/x", 5, "", NULL), "0 -1 |cannot create a temporary folder in '/dev/null/x'");
  CHECK_SAYS(in_child(at("d2"), tmp, 5, "", "100"), "0 -1 |cannot write '");
  CHECK_SAYS(in_child(at("d2"), tmp, 5, "", NULL), "3 5 |\n");
  CHECK_SAYS(in_child(at("d2"), "/dev/null/x", 5, "", NULL), "2 5 |\n"); /* loaded from the cache folder instead */
  struct stat st = {0};
  stat(only_file(at("d2")), &st); /* a disk that takes the shared object but not its trailer */
  snprintf(limit, sizeof limit, "%lld", (long long)st.st_size - 100);
  out = in_child(at("d3"), tmp, 5, "", limit);
  CHECK_SAYS(out, "3 5 the kernel was not kept in the cache: cannot write");
  CHECK(count_files(at("d3")) == 0 && count_files(tmp) == 0);
}

/* File systems that are full or noexec, where this process may mount them. */
static void test_mounts(void) {
  const char *cache = at("d4"), *small = at("small"), *noexec = at("noexec");
  mkdir(small, 0700);
  mkdir(noexec, 0700);
  if (mount("none", small, "tmpfs", 0, "size=8k,mode=700") != 0) {
    printf("skipped: full and noexec file systems (may not mount)\n");
    return;
  }
  CHECK_SAYS(in_child(small, at("tmp"), 5, "", NULL), "3 5 the kernel was not kept in the cache: cannot write");
  CHECK(count_files(small) == 0);
  put(at("small/fill"), small, 1, 0600);
  CHECK_SAYS(in_child(cache, small, 5, "", NULL), "0 -1 |");
  umount(small);
  CHECK(mount("none", noexec, "tmpfs", MS_NOEXEC, "mode=700") == 0);
  CHECK_SAYS(in_child(noexec, at("tmp"), 5, "", NULL), "3 5 |\n");
  CHECK_SAYS(in_child(noexec, at("tmp"), 5, "", NULL), "2 5 |\n");
  CHECK_SAYS(in_child(cache, noexec, 5, "", NULL), "3 5 |\n");
  CHECK_SAYS(in_child(cache, noexec, 5, "", NULL), "2 5 |\n");
  if (!getenv("GR_EMULATED")) /* qemu-user reads what it runs, and so does not mind */
    CHECK_SAYS(in_child(noexec, noexec, 5, "", NULL), "noexec, set the environment variable TMPDIR");
  umount(noexec);
}

/* ---- bad compilers --------------------------------------------------------------------------------------------- */

static gr_class compile_with(const char *name, const char *body, gr_error *err) {
  gr_report report;
  char command[2048];
  snprintf(command, sizeof command, "'%s'", script(name, body));
  gr_options opt = options(at("bad"), at("tmp"), command);
  gr_error_clear(err);
  double v = value(9, &opt, &report, err);
  CHECK(count_files(at("tmp")) == 0 && (v == 9 || report.provenance == GR_NO_KERNEL));
  return v == 9 ? GR_OK : err->cls;
}

static void test_compilers(void) {
  gr_error err = {0};
  CHECK(compile_with("cc_false", "exit 1", &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "cc_false` failed with status 1 without any output");
  CHECK(compile_with("cc_loud",
                     "i=0; while [ $i -lt 3000 ]; do echo 'a line of the compiler that says much'; i=$((i+1)); "
                     "done; exit 4",
                     &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "failed with status 4; the compiler's output is attached");
  CHECK(err.log && strlen(err.log) == 65536);
  CHECK(compile_with("cc_idle", "exit 0", &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "wrote no shared object");
  CHECK(compile_with("cc_empty", "while [ \"$1\" != -o ]; do shift; done; : >\"$2\"", &err) == GR_COMPILER);
  CHECK(compile_with("cc_garbage", "while [ \"$1\" != -o ]; do shift; done; echo garbage >\"$2\"", &err) ==
        GR_COMPILER);
  CHECK_SAYS(err.message, "cannot load");
  CHECK(compile_with("cc_main",
                     "while [ \"$1\" != -o ]; do shift; done; echo 'int x;' | exec gcc -shared -xc - -o \"$2\"",
                     &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "no function gr_kernel");
  CHECK(count_files(at("bad")) == 0);
  CHECK(compile_with("cc_old", "case \"$*\" in *native*) echo what is native; exit 1;; esac; exec gcc \"$@\"", &err) ==
        GR_OK);
  CHECK(err.cls == GR_OK && !err.log);

  gr_kernel kernel;
  gr_report report = {0};
  gr_options opt = options(at("bad"), at("tmp"), NULL);
  CHECK(gr_kernel_get("void gr_kernel(void) { nonsense; }\n", &opt, &kernel, &report, &err) == GR_COMPILER);
  CHECK(err.log && strstr(err.log, "nonsense"));
  signal(SIGCHLD, SIG_IGN); /* the exit status is unknown, what was written is not */
  CHECK(value(31, &opt, &report, &err) == 31);
  CHECK(gr_kernel_get("void gr_kernel(void) { nonsense; }\n", &opt, &kernel, &report, &err) == GR_COMPILER);
  signal(SIGCHLD, SIG_DFL);
  gr_error_clear(&err);
}

/* ---- many at once, eviction ------------------------------------------------------------------------------------ */

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
      gr_options opt = options(cache, tmp, NULL);
      gr_report report;
      gr_error err = {0};
      bool right =
          value(500, &opt, &report, &err) == 500 && !report.note[0] && value(501 + k / 4, &opt, &report, &err) > 0;
      _exit(right ? 0 : 1);
    }
  for (int k = 0, status = 1; k < 8; k++) good += waitpid(pid[k], &status, 0) == pid[k] && status == 0;
  CHECK(good == 8 && count_files(cache) == 3 && count_files(tmp) == 0);
  gr_options opt = options(cache, tmp, NULL);
  for (int k = 0; k < 4; k++) pthread_create(&thread[k], NULL, thread_get, &opt);
  for (int k = 0; k < 4; k++) {
    void *result = NULL;
    pthread_join(thread[k], &result);
    good += result != NULL;
  }
  CHECK(good == 12 && count_files(cache) == 4 && count_files(tmp) == 0);
}

static const char *fake(const char *dir, int n, const char *tail) { return at("%s/%064x%s", dir, (unsigned)n, tail); }

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
  CHECK_SAYS(in_child(at("e"), at("tmp"), 5, "", NULL), "3 5 |\n");
  CHECK(gr_cache_info(at("e"), &files, &bytes, &err) == GR_OK && files == 512);
  CHECK(access(fake("e", 510, ".so"), F_OK) == 0 && access(fake("e", 511, ".so"), F_OK) != 0);
  CHECK(access(fake("e", 1, ".dead.tmp"), F_OK) != 0 && access(fake("e", 1, ".live.tmp"), F_OK) == 0);
  for (int k = 0; k < 3; k++) {
    CHECK(truncate(fake("e", k, ".so"), (off_t)100 << 20) == 0);
    age(fake("e", k, ".so"), 10 + k);
  }
  CHECK_SAYS(in_child(at("e"), at("tmp"), 6, "", NULL), "3 6 |\n");
  CHECK(gr_cache_info(at("e"), &files, &bytes, &err) == GR_OK && files == 4 && bytes < (int64_t)256 << 20);
  CHECK(access(fake("e", 1, ".so"), F_OK) == 0 && access(fake("e", 2, ".so"), F_OK) != 0);
  CHECK(gr_cache_clear(at("e"), &files, &err) == GR_OK && files == 4);
  CHECK(count_files(at("e")) == 4); /* the foreign ones */
  CHECK(gr_cache_clear(at("nothing here"), &files, &err) == GR_OK && files == 0);
  CHECK(gr_cache_info("", &files, &bytes, &err) == GR_OK && files == 0 && bytes == 0);
  CHECK(gr_cache_info(at("plain"), &files, &bytes, &err) == GR_ARGUMENT);
}

/* ---- bench ----------------------------------------------------------------------------------------------------- */

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
  gr_options opt = options(at("bench"), at("tmp"), cc);
  for (int k = 0; k < N; k++) {
    snprintf(sized, sizeof sized, "/* %d */\n%s", k, text);
    double t0 = gr_now();
    if (gr_kernel_get(sized, &opt, &kernel, &report, &err)) printf("%s\n%s\n", err.message, err.log ? err.log : "");
    double t1 = gr_now();
    gr_kernel_get(sized, &opt, &kernel, &report, &err);
    compile[k] = t1 - t0;
    memory[k] = gr_now() - t1;
    pid_t pid = fork(); /* a new process whose table is empty: this program again */
    if (pid == 0) execl(self, self, "disk", opt.cache_dir, opt.tmp_dir, cc, sized, (char *)NULL);
    int status;
    waitpid(pid, &status, 0);
    char *t = slurp(at("tmp/time"), &(size_t){0});
    disk[k] = atof(t);
    free(t);
  }
  qsort(compile, N, sizeof *compile, by_size);
  qsort(memory, N, sizeof *memory, by_size);
  qsort(disk, N, sizeof *disk, by_size);
  printf("%-6s compile %5.1f ms (least %5.1f)   disk %6.1f us (least %6.1f)   memory %5.1f us (least %5.1f)\n", cc,
         1e3 * compile[N / 2], 1e3 * compile[0], 1e6 * disk[N / 2], 1e6 * disk[0], 1e6 * memory[N / 2],
         1e6 * memory[0]);
}

static int child_disk(char **argv) {
  gr_options opt = options(argv[2], argv[3], argv[4]);
  gr_report report;
  gr_error err = {0};
  gr_kernel kernel;
  char out[64];
  double start = gr_now();
  gr_kernel_get(argv[5], &opt, &kernel, &report, &err);
  snprintf(out, sizeof out, "%g", report.provenance == GR_FROM_DISK ? gr_now() - start : 1e9);
  snprintf(base, sizeof base, "%s/time", argv[3]);
  put(base, out, strlen(out), 0600);
  return 0;
}

/* ---- main ------------------------------------------------------------------------------------------------------ */

static void test_all(void) {
  int before = count_files("/proc/self/fd");
  test_spawn();
  test_hang();
  test_folders();
  test_files();
  test_find();
  test_kernel();
  test_damage();
  test_modes();
  test_paths();
  test_unwritable();
  test_mounts();
  test_compilers();
  test_sharing();
  test_eviction();
  CHECK(count_files("/proc/self/fd") == before); /* no descriptor leaked, no child left */
  CHECK(waitpid(-1, NULL, WNOHANG) == -1);
  CHECK(count_files(at("tmp")) == 0);
}

int main(int argc, char **argv) {
  gr_error err = {0};
  size_t n;
  if (argc > 5 && !strcmp(argv[1], "get")) return child_get(argc, argv);
  if (argc > 5 && !strcmp(argv[1], "disk")) return child_disk(argv);
  if (!realpath(argv[0], self) || gr_temp_dir(NULL, base, sizeof base, &err)) return 2;
  mkdir(at("tmp"), 0700);
  if (argc > 1 && !strcmp(argv[1], "bench")) {
    char *text = argc > 2 ? slurp(argv[2], &n) : strdup(kernel_text(1));
    bench("gcc", text);
    bench("clang", text);
    free(text);
  } else {
    test_all();
    printf("%d passed, %d failed\n", passed, failed);
  }
  const char *argv_rm[] = {"/bin/rm", "-rf", base, NULL};
  int status;
  gr_spawn(argv_rm, "/dev/null", NULL, &status, &err);
  return failed > 0;
}
