/* os_posix.c: the operating system on POSIX systems (Linux, macOS, BSD).
 *
 * Implements base/os.h and the rest of the operating-system section of base/base.h.  Guarantees
 * that a child process receives neither the terminal's Ctrl-C nor our signal mask, and that it
 * ends, with its process group, at most a tenth of a second after its time limit or after the
 * caller is interrupted (gr_options.interrupted). */
#include "base/os.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <crt_externs.h>
#include <sys/mount.h>
#elif defined(__linux__)
#include <sys/vfs.h>
#endif

const char *gr_os_name(void) {
#if defined(__APPLE__)
  return "macos";
#else
  return "posix";
#endif
}

int gr_make_folder(const char *path) { return mkdir(path, 0700); }

int gr_open_read(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }

int gr_open_new(const char *path) { return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); }

/* Checks owner and mode of the open descriptor, not of the path, so that the file cannot be
 * replaced between check and use.  O_NONBLOCK: opening a named pipe must not block. */
int gr_open_own(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return fd;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH))) return fd;
  close(fd);
  errno = EPERM;
  return -1;
}

void gr_at_fork(void (*before)(void), void (*after)(void)) { pthread_atfork(before, after, after); }

bool gr_is_separator(char c) { return c == '/'; }
size_t gr_root_length(const char *path) { return (void)path, 1; }

double gr_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A signal may cut it short, which is harmless because all callers poll. */
void gr_sleep(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
}

void *gr_aligned_alloc(size_t size) {
  void *p = NULL;
  return posix_memalign(&p, 64, size ? size : 64) == 0 ? p : NULL;
}
void gr_aligned_free(void *p) { free(p); }

/* RTLD_NOW reports a missing symbol here instead of ending the process at the first call.  Kernels
 * are linked to no library; if libm was loaded with local visibility (as in R embedded in Python),
 * the second attempt makes its symbols global first. */
gr_class gr_dlopen(const char *path, void **handle, gr_error *err) {
  *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!*handle && (dlopen("libm.so.6", RTLD_LAZY | RTLD_GLOBAL) || dlopen("libm.so", RTLD_LAZY | RTLD_GLOBAL)))
    *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (*handle) return GR_OK;
  const char *why = dlerror();
  return gr_failf(err, GR_COMPILER, "cannot load '%s': %s", path, why ? why : "failed");
}

void *gr_dlsym(void *handle, const char *name) { return dlsym(handle, name); }

void gr_dlclose(void *handle) { dlclose(handle); }

/* ---- programs and paths ---------------------------------------------------------------------- */

static bool is_program(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool gr_find_program(const char *name, char *path, size_t size) {
  if (strchr(name, '/')) return (size_t)snprintf(path, size, "%s", name) < size && is_program(path);
  const char *dirs = getenv("PATH");
  if (!*name) return false;
  for (const char *p = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin";; p++) {
    int n = (int)strcspn(p, ":"); /* an empty entry means the current folder */
    int len = snprintf(path, size, "%.*s/%s", n ? n : 1, n ? p : ".", name);
    if (len > 0 && (size_t)len < size && is_program(path)) return true;
    p += n;
    if (!*p) return false;
  }
}

bool gr_real_path(const char *path, char *real, size_t size) {
  char *found = realpath(path, NULL);
  bool fits = found && (size_t)snprintf(real, size, "%s", found) < size;
  free(found);
  return fits;
}

bool gr_may_map(const char *path) {
#if defined(__linux__)
  /* ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS.  On network file systems another machine
   * may delete a file that is mapped here. */
  static const unsigned long local[] = {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0x2FC12FC1, 0xF2F52010};
  struct statfs fs;
  if (statfs(path, &fs) != 0) return false;
  for (size_t k = 0; k < sizeof local / sizeof *local; k++)
    if (((unsigned long)fs.f_type & 0xFFFFFFFFul) == local[k]) return true;
  return false;
#elif defined(__APPLE__)
  struct statfs fs;
  return statfs(path, &fs) == 0 && (fs.f_flags & MNT_LOCAL);
#else
  return (void)path, false;
#endif
}

/* Whether no other user can replace the folder: every folder above it must belong to us or to root,
 * and be either not writable by others or sticky like /tmp, where users can rename only files of
 * their own. */
bool gr_is_safe_path(const char *dir) {
  char *path = realpath(dir, NULL);
  bool safe = path != NULL, top = false;
  while (safe && !top) {
    struct stat st;
    char *slash = strrchr(path, '/');
    top = slash == path;
    slash[top] = 0; /* the parent folder, finally "/" */
    safe = stat(path, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
           (!(st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_mode & S_ISVTX);
  }
  free(path);
  return safe;
}

gr_class gr_rename(const char *from, const char *to, gr_error *err) {
  return rename(from, to) == 0 ? GR_OK : gr_fail_errno(err, "rename", from);
}

/* Whoever can write to the folder of compiled kernels can make us run any code.  Symbolic links are
 * followed, and their target is checked. */
gr_class gr_check_private(const char *dir, gr_error *err) {
  struct stat st;
  if (stat(dir, &st) != 0) return gr_fail_errno(err, "use the folder", dir);
  if (!S_ISDIR(st.st_mode)) return gr_failf(err, GR_ARGUMENT, "'%s' is not a folder", dir);
  if (st.st_uid != geteuid())
    return gr_failf(err, GR_ARGUMENT,
                    "the folder '%s' belongs to another user (uid %ld, not %ld): choose a folder of your own", dir,
                    (long)st.st_uid, (long)geteuid());
  if (st.st_mode & (S_IWGRP | S_IWOTH))
    return gr_failf(err, GR_ARGUMENT,
                    "other users can write to the folder '%s' (mode %04o): run chmod 700 on it, or choose another", dir,
                    (unsigned)(st.st_mode & 07777));
  return GR_OK;
}

const char *gr_system_temp(char *buffer, size_t size) {
  const char *dir = getenv("TMPDIR");
  snprintf(buffer, size, "%s", dir && *dir && access(dir, W_OK) == 0 ? dir : "/tmp");
  return buffer;
}

bool gr_make_unique_folder(char *path) { return mkdtemp(path) != NULL; }

/* ---- child processes ------------------------------------------------------------------------- */

static char **environment(void) {
#if defined(__APPLE__)
  return *_NSGetEnviron();
#else
  extern char **environ;
  return environ;
#endif
}

/* Our environment with the folder of the child's log as TMPDIR, so that temporary files of a killed
 * compiler are deleted with that folder.  One malloc'ed block, or NULL. */
static char **child_environment(const char *log_path) {
  static const char name[] = "TMPDIR=";
  char **own = environment();
  const char *slash = strrchr(log_path, '/');
  size_t n = 0, length = slash ? (size_t)(slash - log_path) : 0;
  while (own && own[n]) n++;
  char **all = malloc((n + 2) * sizeof *all + sizeof name + length), **next = all;
  if (!all) return NULL;
  char *tmpdir = (char *)(all + n + 2);
  snprintf(tmpdir, sizeof name + length, "%s%.*s", name, (int)length, log_path);
  if (length) *next++ = tmpdir;
  for (size_t k = 0; k < n; k++)
    if (!length || strncmp(own[k], name, sizeof name - 1) != 0) *next++ = own[k];
  *next = NULL;
  return all;
}

/* A process group of its own keeps the terminal's Ctrl-C away from the child: R handles it.
 * Signals are reset to their defaults because R ignores or catches some. */
static int set_attributes(posix_spawnattr_t *attr) {
  sigset_t none, reset;
  sigemptyset(&none);
  sigemptyset(&reset);
  const int signals[] = {SIGINT, SIGQUIT, SIGPIPE, SIGCHLD, SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2, SIGXFSZ};
  for (size_t k = 0; k < sizeof signals / sizeof *signals; k++) sigaddset(&reset, signals[k]);
  posix_spawnattr_setsigmask(attr, &none);
  posix_spawnattr_setsigdefault(attr, &reset);
  posix_spawnattr_setpgroup(attr, 0);
  return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int set_files(posix_spawn_file_actions_t *files, const char *log_path) {
  int bad = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
  if (!bad) bad = posix_spawn_file_actions_addopen(files, 1, log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!bad) bad = posix_spawn_file_actions_adddup2(files, 1, 2);
  return bad;
}

static gr_class start_child(const char *const *argv, const char *log_path, pid_t *pid, gr_error *err) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;
  bool has_files = false, has_attr = false;
  int bad = ENOMEM;
  char **variables = child_environment(log_path);
  if (!variables) goto out;
  if ((bad = posix_spawn_file_actions_init(&files)) != 0) goto out;
  has_files = true;
  if ((bad = posix_spawnattr_init(&attr)) != 0) goto out;
  has_attr = true;
  if ((bad = set_files(&files, log_path)) != 0) goto out;
  if ((bad = set_attributes(&attr)) != 0) goto out;
  bad = posix_spawn(pid, argv[0], &files, &attr, (char *const *)(uintptr_t)argv, variables);
out:
  free(variables);
  if (has_files) posix_spawn_file_actions_destroy(&files);
  if (has_attr) posix_spawnattr_destroy(&attr);
  errno = bad;
  return bad ? gr_fail_errno(err, "run", argv[0]) : GR_OK;
}

/* Whether the child has ended; then *status is its exit code, as a shell counts it.  With SIGCHLD
 * ignored in this process, waitpid() fails with ECHILD, and the status (-1) remains unknown. */
static bool has_ended(pid_t pid, int *status) {
  int raw = 0;
  pid_t got = waitpid(pid, &raw, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return false;
  *status = got < 0 ? -1 : WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return true;
}

/* Polls, because a blocking wait has no time limit and SIGCHLD belongs to R; the polling interval
 * of 0.4 ms delays a compile by 0.2 ms on average.  After the time limit or an interrupt the
 * process group gets SIGTERM (so that gcc deletes its temporary files) and SIGKILL 2 s later, or 30
 * ms later if the user has interrupted and is waiting.  Processes that outlive the group's leader
 * are killed as well. */
static gr_class wait_child(pid_t pid, double seconds, const gr_options *watch, int *status, gr_error *err,
                           const char *name) {
  double limit = gr_now() + seconds, next_check = gr_now() + GR_WATCH_INTERVAL;
  gr_class cls = GR_OK;
  while (!has_ended(pid, status)) {
    double now = gr_now();
    bool late = now > limit, stop = false;
    if (!cls && now >= next_check) {
      stop = gr_is_interrupted(watch);
      next_check = gr_now() + GR_WATCH_INTERVAL;
    }
    if (cls && late) kill(-pid, SIGKILL);
    if (!cls && (late || stop)) {
      cls = stop ? gr_fail_interrupted(err) : gr_fail_timeout(err, name, seconds);
      kill(-pid, SIGTERM);
      limit = gr_now() + (stop ? 0.03 : 2);
    }
    gr_sleep(0.0004);
  }
  if (cls) kill(-pid, SIGKILL);
  return cls;
}

gr_class gr_spawn_for(const char *const *argv, const char *log_path, double seconds, const gr_options *watch,
                      int *status, gr_error *err) {
  pid_t pid = 0;
  gr_class cls = start_child(argv, log_path, &pid, err);
  return cls ? cls : wait_child(pid, seconds, watch, status, err, argv[0]);
}

#endif
