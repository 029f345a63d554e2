/* test_system.c: the operating system as base/os.c wraps it: child processes, files and folders.
 *
 * Linux only: it looks at /proc.  test_windows.c is its counterpart on Windows. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/time.h>

#include "files.h"
#include "processes.h"

/* ---- child processes ---- */

static int shell(const char *command, double seconds, char *log, size_t size, gr_error *err) {
  const char *argv[] = {"/bin/sh", "-c", command, NULL};
  int status = -2;
  gr_spawn_for(argv, at("log"), seconds, NULL, &status, err);
  snprintf(log, size, "%.4000s", text_of(at("log")));
  return status;
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
  /* 127: under valgrind, where vfork is fork */
  CHECK(gr_spawn(argv, at("log"), NULL, &status, &err) == GR_COMPILER || status == 127);
  CHECK_SAYS(status == 127 ? "/nowhere/cc" : err.message, "/nowhere/cc");
}

/* A child has its own process group, no blocked signals, and default actions. */
static void test_signals_of_children(void) {
  gr_error err = {0};
  char log[4096];
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
}

/* Calls that a signal interrupts are resumed; a parent that ignores SIGCHLD gets no status. */
static void test_signals(void) {
  gr_error err = {0};
  char log[4096];
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
  CHECK(err.cls == GR_COMPILER && gr_now() - start < 60);
  CHECK_SAYS(err.message, "did not finish within 0.3 seconds");
  CHECK(ends(atol(log)));
  gr_error_clear(&err);
  start = gr_now();
  shell("trap '' TERM; sleep 100 & echo $!; wait", 0.1, log, sizeof log, &err); /* must be killed */
  CHECK(err.cls == GR_COMPILER && gr_now() - start < 60 && ends(atol(log)));
}

/* ---- files and folders ---- */

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
  CHECK(gr_temp_dir(temporary_folder(), dir, sizeof dir, &err) == GR_OK && count_files(dir, "") == 0);
  CHECK(gr_write_file(at("%s/f", strrchr(dir, '/') + 1), "a\0b", 3, &err) == GR_OK);
  CHECK(gr_read_file(at("%s/f", strrchr(dir, '/') + 1), &data, &n, &err) == GR_OK && n == 3 &&
        !memcmp(data, "a\0b", 4));
  free(data);
  gr_remove_dir(dir);
  CHECK(count_files(dir, "") == -1);
  CHECK(gr_temp_dir("/dev/null/x", dir, sizeof dir, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "/dev/null/x");
  CHECK(gr_write_file(at("none/f"), "abc", 3, &err) == GR_COMPILER);
  /* existing files are not overwritten */
  CHECK(gr_write_file("/dev/full", "abc", 3, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "/dev/full");
  CHECK(gr_read_file(at("none"), &data, &n, &err) == GR_COMPILER);
  CHECK(gr_read_file(temporary_folder(), &data, &n, &err) == GR_ARGUMENT);
  CHECK(gr_rename(at("none"), at("none2"), &err) == GR_COMPILER);
  void *p = gr_aligned_alloc(100);
  CHECK(p && (uintptr_t)p % 64 == 0);
  gr_aligned_free(p);
  CHECK(*gr_cpu_features() && gr_cpu_features() == gr_cpu_features() && *gr_simd_name());
}

/* ---- all tests ---- */

int main(void) {
  own_folder();
  int before = count_files("/proc/self/fd", "");
  test_spawn();
  test_signals_of_children();
  test_signals();
  test_hang();
  test_folders();
  test_files();
  CHECK(count_files("/proc/self/fd", "") == before); /* no descriptor is left open */
  CHECK(waitpid(-1, NULL, WNOHANG) == -1);           /* and no child is left */
  return report();
}
