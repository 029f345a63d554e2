/* os.c: the operating system: clock, processor, files, folders, child processes, shared objects.
 *
 * Owns the #ifdefs of an OS (but for libm.c): POSIX (Linux, macOS, BSD) and Windows (mingw-w64).  What both have
 * under one name (stdio, stat, opendir, unlink) is used plainly, here and in cache.c.
 * Assumes paths in the encoding of the C library, and that the caller cleared `err`.
 * Guarantees: a status and a message that names the path; descriptors, memory, temporary files
 * and children are released on every way out; a child never sees the terminal's Ctrl-C, nor our
 * signal mask, and never outlives its time, nor the caller's patience (gr_options.interrupted),
 * by more than a tenth of a second. Files are made for their owner alone.
 * No state but the text of gr_cpu_features, written once. */
#if !defined(_WIN32)
#define _XOPEN_SOURCE 700
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#if defined(_WIN32)
#include <direct.h>
#include <malloc.h>
#include <windows.h>
#define READ_FLAGS O_BINARY
#else
#define READ_FLAGS O_CLOEXEC
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#endif
#if defined(__APPLE__)
#include <crt_externs.h>
#include <sys/mount.h>
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sys/vfs.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define X86 1
#else
#define X86 0
#endif

enum { LONG_PATH = 4096 };
static const int64_t file_limit = (int64_t)1 << 28; /* bytes that gr_read_file takes */
static const double look_again = 0.05;              /* seconds between looks for an interrupt while a child runs */

/* `what` is "write", "create the folder" ...: what could not be done to `path`. */
static gr_class fail_errno(gr_error *err, const char *what, const char *path) {
  int e = errno;
  bool space = e == ENOSPC || e == ENOMEM || e == EMFILE || e == ENFILE || e == EFBIG;
#ifdef EDQUOT
  space = space || e == EDQUOT;
#endif
  return gr_failf(err, space ? GR_MEMORY : GR_COMPILER, "cannot %s '%s': %s", what, path, e ? strerror(e) : "failed");
}

static gr_class fail_path(gr_error *err, const char *path) {
  return gr_failf(err, GR_ARGUMENT, "the path '%.200s...' is too long", path);
}

static gr_class fail_late(gr_error *err, const char *program, double seconds) {
  return gr_failf(err, GR_COMPILER, "'%s' did not finish within %s seconds and was stopped", program,
                  gr_number_text(seconds, 6, (char[GR_NUMBER]){0}));
}

static gr_class fail_interrupted(gr_error *err) { return gr_failf(err, GR_INTERRUPT, "interrupted"); }

/* ---- what the two kinds of system do each in their way ----------------------------------------------------------- */

static int make_folder(const char *path); /* 0, or -1 and errno */
static int open_new(const char *path);    /* to write what is not there yet, for us alone; a descriptor, or -1 and errno */
static int open_own(const char *path);    /* to read a file that nobody else can have written; likewise */
static bool told_to_stop(const gr_options *watch);

#if defined(_WIN32)

const char *gr_os_name(void) { return "windows"; }

static int make_folder(const char *path) { return _mkdir(path); }

/* The access lists of the user's folders hold for the files in them. */
static int open_new(const char *path) { return open(path, O_WRONLY | O_CREAT | O_EXCL | O_BINARY, S_IREAD | S_IWRITE); }
static int open_own(const char *path) { return open(path, O_RDONLY | O_BINARY); }

void gr_at_fork(void (*before)(void), void (*after)(void)) { (void)before, (void)after; }

static bool is_separator(char c) { return c == '/' || c == '\\'; }

/* What of a path is no folder that could be made: "C:/", or the server and the share of "//server/share/". */
static size_t root_length(const char *path) {
  size_t n = 0;
  if (path[0] && path[1] == ':') return path[2] ? 3 : 2;
  if (!is_separator(path[0]) || !is_separator(path[1])) return 1;
  for (int names = 0; names < 2 && path[n]; names++) {
    n += strspn(path + n, "/\\");
    n += strcspn(path + n, "/\\");
  }
  return n + (path[n] != 0);
}

double gr_now(void) {
  LARGE_INTEGER t, per_second;
  QueryPerformanceCounter(&t);
  QueryPerformanceFrequency(&per_second);
  return (double)t.QuadPart / (double)per_second.QuadPart;
}

void gr_sleep(double seconds) { Sleep((DWORD)(seconds * 1000 + 0.5)); }

void *gr_aligned_alloc(size_t size) { return _aligned_malloc(size ? size : 64, 64); }
void gr_aligned_free(void *p) { _aligned_free(p); }

static gr_class fail_windows(gr_error *err, const char *what, const char *path) {
  unsigned long e = GetLastError();
  bool space = e == ERROR_DISK_FULL || e == ERROR_HANDLE_DISK_FULL || e == ERROR_NOT_ENOUGH_MEMORY;
  return gr_failf(err, space ? GR_MEMORY : GR_COMPILER, "cannot %s '%s': Windows error %lu", what, path, e);
}

/* LoadLibrary wants backslashes. */
gr_class gr_dlopen(const char *path, void **handle, gr_error *err) {
  char native[MAX_PATH];
  if (strlen(path) >= sizeof native) return fail_path(err, path);
  strcpy(native, path);
  for (char *p = native; *p; p++)
    if (*p == '/') *p = '\\';
  *handle = (void *)LoadLibraryA(native);
  return *handle ? GR_OK : fail_windows(err, "load", path);
}

void *gr_dlsym(void *handle, const char *name) { return (void *)(uintptr_t)GetProcAddress((HMODULE)handle, name); }

void gr_dlclose(void *handle) { FreeLibrary((HMODULE)handle); }

bool gr_find_program(const char *name, char *path, size_t size) {
  DWORD n = SearchPathA(NULL, name, ".exe", (DWORD)size, path, NULL);
  return n > 0 && n < size;
}

bool gr_real_path(const char *path, char *real, size_t size) { return _fullpath(real, path, size) != NULL; }

bool gr_may_map(const char *path) { return (void)path, false; } /* a loaded DLL cannot even be deleted */
bool gr_is_safe_path(const char *dir) { return (void)dir, true; }

gr_class gr_rename(const char *from, const char *to, gr_error *err) {
  return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING) ? GR_OK : fail_windows(err, "rename", from);
}

/* The user's folders have their own access lists; there is no mode to check. */
static gr_class check_private(const char *dir, gr_error *err) {
  DWORD a = GetFileAttributesA(dir);
  if (a != INVALID_FILE_ATTRIBUTES && a & FILE_ATTRIBUTE_DIRECTORY) return GR_OK;
  return gr_failf(err, GR_ARGUMENT, "'%s' is not a folder", dir);
}

static const char *system_temp(char *buffer, size_t size) {
  DWORD n = GetTempPathA((DWORD)size, buffer);
  return n > 0 && n < size ? buffer : ".";
}

static bool make_unique_folder(char *path) { /* ends in XXXXXX */
  char *tail = path + strlen(path) - 6;
  LARGE_INTEGER t;
  for (unsigned k = 0; k < 1000; k++) {
    QueryPerformanceCounter(&t);
    unsigned mixed = ((unsigned)t.QuadPart ^ (unsigned)GetCurrentProcessId() * 2654435761u) + k * 40503u;
    snprintf(tail, 7, "%06x", mixed & 0xffffffu);
    if (make_folder(path) == 0) return true;
    if (errno != EEXIST) return false;
  }
  return false;
}

/* One argument, quoted as the C runtime of the child takes it apart: backslashes count only before a quote. */
static char *quote_argument(char *out, const char *arg) {
  *out++ = '"';
  for (;; arg++) {
    size_t slashes = strspn(arg, "\\");
    arg += slashes;
    if (*arg == '"' || *arg == 0) slashes *= 2;
    memset(out, '\\', slashes);
    out += slashes;
    if (*arg == 0) break;
    if (*arg == '"') *out++ = '\\';
    *out++ = *arg;
  }
  *out++ = '"';
  *out++ = ' ';
  return out;
}

static char *command_line(const char *const *argv) {
  size_t n = 1;
  for (int k = 0; argv[k]; k++) n += 2 * strlen(argv[k]) + 4;
  char *line = malloc(n), *end = line;
  if (!line) return NULL;
  for (int k = 0; argv[k]; k++) end = quote_argument(end, argv[k]);
  *end = 0;
  return line;
}

/* GR_OK: it ended by itself. */
static gr_class wait_child(HANDLE process, double seconds, const gr_options *watch, gr_error *err, const char *name) {
  double limit = gr_now() + seconds;
  while (WaitForSingleObject(process, (DWORD)(look_again * 1000)) != WAIT_OBJECT_0) {
    if (told_to_stop(watch)) return fail_interrupted(err);
    if (gr_now() > limit) return fail_late(err, name, seconds);
  }
  return GR_OK;
}

/* The job holds the compiler's own children too, so that all of them end with it. */
gr_class gr_spawn_for(const char *const *argv, const char *log_path, double seconds, const gr_options *watch, int *status, gr_error *err) {
  gr_class cls = GR_OK;
  SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
  STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  PROCESS_INFORMATION child = {0};
  DWORD code = 1, flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED;
  const DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE; /* the child's console may outlive it, and holds the log */
  HANDLE job = CreateJobObjectA(NULL, NULL);
  HANDLE in = CreateFileA("NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit, OPEN_EXISTING, 0, NULL);
  HANDLE log = CreateFileA(log_path, GENERIC_WRITE, shared, &inherit, CREATE_ALWAYS, 0, NULL);
  char *line = command_line(argv);
  if (log == INVALID_HANDLE_VALUE) {
    cls = fail_windows(err, "write", log_path);
    goto out;
  }
  start.hStdInput = in;
  start.hStdOutput = start.hStdError = log;
  if (!line || !CreateProcessA(argv[0], line, NULL, NULL, TRUE, flags, NULL, NULL, &start, &child)) {
    cls = fail_windows(err, "run", argv[0]);
    goto out;
  }
  AssignProcessToJobObject(job, child.hProcess);
  ResumeThread(child.hThread);
  cls = wait_child(child.hProcess, seconds, watch, err, argv[0]);
  if (cls) {
    TerminateJobObject(job, 1);
    WaitForSingleObject(child.hProcess, 5000);
    goto out;
  }
  GetExitCodeProcess(child.hProcess, &code);
  *status = (int)code;
out:
  free(line);
  if (child.hThread) CloseHandle(child.hThread);
  if (child.hProcess) CloseHandle(child.hProcess);
  if (in != INVALID_HANDLE_VALUE) CloseHandle(in);
  if (log != INVALID_HANDLE_VALUE) CloseHandle(log);
  if (job) CloseHandle(job);
  return cls;
}

#else /* POSIX */

const char *gr_os_name(void) {
#if defined(__APPLE__)
  return "macos";
#else
  return "posix";
#endif
}

static int make_folder(const char *path) { return mkdir(path, 0700); }

static int open_new(const char *path) { return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); }

/* Owner and mode are those of the open file, so that nobody can put another in its place after the
 * look.  O_NONBLOCK: a pipe with this name must not make us wait. */
static int open_own(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return fd;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH))) return fd;
  close(fd);
  errno = EPERM;
  return -1;
}

void gr_at_fork(void (*before)(void), void (*after)(void)) { pthread_atfork(before, after, after); }

static bool is_separator(char c) { return c == '/'; }
static size_t root_length(const char *path) { return (void)path, 1; }

double gr_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A signal may end it early: the callers poll. */
void gr_sleep(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
}

void *gr_aligned_alloc(size_t size) {
  void *p = NULL;
  return posix_memalign(&p, 64, size ? size : 64) == 0 ? p : NULL;
}
void gr_aligned_free(void *p) { free(p); }

/* RTLD_NOW: a symbol that is missing is an error here, not the end of the process at the first call.  Kernels name no
 * library; where the process has its libm out of sight (R inside Python), a second try shows it to them. */
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

static bool is_program(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool gr_find_program(const char *name, char *path, size_t size) {
  if (strchr(name, '/')) return (size_t)snprintf(path, size, "%s", name) < size && is_program(path);
  const char *dirs = getenv("PATH");
  if (!*name) return false;
  for (const char *p = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin";; p++) {
    int n = (int)strcspn(p, ":"); /* an empty entry is the current folder */
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
  /* ext2 to 4, xfs, btrfs, tmpfs, overlay, zfs, f2fs.  On others another machine may delete what is mapped here. */
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

/* Can nobody else put another folder in its place?  Everything above must be ours or root's, and
 * either not writable for others or sticky (as /tmp is): there they cannot rename what is not
 * theirs. */
bool gr_is_safe_path(const char *dir) {
  char *path = realpath(dir, NULL);
  bool safe = path != NULL, top = false;
  while (safe && !top) {
    struct stat st;
    char *slash = strrchr(path, '/');
    top = slash == path;
    slash[top] = 0; /* the folder above, in the end "/" */
    safe = stat(path, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
           (!(st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_mode & S_ISVTX);
  }
  free(path);
  return safe;
}

gr_class gr_rename(const char *from, const char *to, gr_error *err) {
  return rename(from, to) == 0 ? GR_OK : fail_errno(err, "rename", from);
}

/* Whoever can write where compiled code lies can run it as us.  A link is followed: its target must pass. */
static gr_class check_private(const char *dir, gr_error *err) {
  struct stat st;
  if (stat(dir, &st) != 0) return fail_errno(err, "use the folder", dir);
  if (!S_ISDIR(st.st_mode)) return gr_failf(err, GR_ARGUMENT, "'%s' is not a folder", dir);
  if (st.st_uid != geteuid())
    return gr_failf(err, GR_ARGUMENT,
                    "the folder '%s' belongs to another user (uid %ld, not %ld): choose a folder "
                    "of your own",
                    dir, (long)st.st_uid, (long)geteuid());
  if (st.st_mode & (S_IWGRP | S_IWOTH))
    return gr_failf(err, GR_ARGUMENT,
                    "other users can write to the folder '%s' (mode %04o): run chmod 700 on it, or "
                    "choose another",
                    dir, (unsigned)(st.st_mode & 07777));
  return GR_OK;
}

static const char *system_temp(char *buffer, size_t size) {
  const char *dir = getenv("TMPDIR");
  snprintf(buffer, size, "%s", dir && *dir && access(dir, W_OK) == 0 ? dir : "/tmp");
  return buffer;
}

static bool make_unique_folder(char *path) { return mkdtemp(path) != NULL; }

static char **environment(void) {
#if defined(__APPLE__)
  return *_NSGetEnviron();
#else
  extern char **environ;
  return environ;
#endif
}

/* Ours, but with the folder of the child's log as TMPDIR: what a compiler that is killed leaves
 * there goes with the folder.  One block, malloc'ed, or NULL. */
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

/* Own process group: the terminal's Ctrl-C is R's to handle.  Default signals: R ignores or catches some. */
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
  return bad ? fail_errno(err, "run", argv[0]) : GR_OK;
}

/* Polls: a blocking wait has no time limit, and SIGCHLD belongs to R.  The steps cost a compile 0.2
 * ms on average. Past the limit, or when the caller is told to stop, the whole group is asked to
 * end (gcc then deletes its scratch files) and a little later made to: 2 s, or 30 ms where somebody
 * waits.  What is left of a group whose first process has ended is killed too. */
static gr_class wait_child(pid_t pid, double seconds, const gr_options *watch, int *status, gr_error *err, const char *name) {
  double limit = gr_now() + seconds, look = gr_now() + look_again;
  gr_class cls = GR_OK;
  for (int raw = 0;;) {
    pid_t got = waitpid(pid, &raw, WNOHANG);
    if (got == pid) *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    if (got < 0 && errno != EINTR) *status = -1; /* ECHILD: this process ignores SIGCHLD, so nobody will know the status */
    if (got == pid || (got < 0 && errno != EINTR)) break;
    double now = gr_now();
    bool late = now > limit, stop = false;
    if (!cls && now >= look) {
      stop = told_to_stop(watch);
      look = gr_now() + look_again;
    }
    if (cls && late) kill(-pid, SIGKILL);
    if (!cls && (late || stop)) {
      cls = stop ? fail_interrupted(err) : fail_late(err, name, seconds);
      kill(-pid, SIGTERM);
      limit = gr_now() + (stop ? 0.03 : 2);
    }
    gr_sleep(0.0004);
  }
  if (cls) kill(-pid, SIGKILL);
  return cls;
}

gr_class gr_spawn_for(const char *const *argv, const char *log_path, double seconds, const gr_options *watch, int *status, gr_error *err) {
  pid_t pid = 0;
  gr_class cls = start_child(argv, log_path, &pid, err);
  return cls ? cls : wait_child(pid, seconds, watch, status, err, argv[0]);
}

#endif

/* ---- children ---------------------------------------------------------------------------------------------------- */

gr_class gr_spawn(const char *const *argv, const char *log_path, const gr_options *watch, int *status, gr_error *err) {
  return gr_spawn_for(argv, log_path, 60, watch, status, err);
}

/* While a child runs the caller's work has not begun. */
static bool told_to_stop(const gr_options *watch) {
  if (watch && watch->progress) watch->progress(0, watch->ctx);
  return watch && watch->interrupted && watch->interrupted(watch->ctx);
}

/* ---- files and folders ------------------------------------------------------------------------------------------- */

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Creates the folder and its parents; one that another process makes meanwhile is as good. */
static gr_class make_folders(char *path, gr_error *err) {
  for (char *p = path + root_length(path);; p++) {
    if (!is_separator(*p) && *p != 0) continue;
    char end = *p;
    *p = 0;
    bool made = is_folder(path) || make_folder(path) == 0 || (errno == EEXIST && is_folder(path));
    gr_class cls = made ? GR_OK : fail_errno(err, "create the folder", path);
    *p = end;
    if (cls || !end) return cls;
  }
}

gr_class gr_make_private_dir(const char *dir, gr_error *err) {
  char path[LONG_PATH];
  size_t n = strlen(dir);
  if (n == 0) return gr_failf(err, GR_ARGUMENT, "the name of the folder is empty");
  if (n >= sizeof path) return fail_path(err, dir);
  memcpy(path, dir, n + 1);
  while (n > 1 && is_separator(path[n - 1])) path[--n] = 0;
  if (!is_folder(path)) {
    gr_class cls = make_folders(path, err);
    if (cls) return cls;
  }
  return check_private(path, err);
}

gr_class gr_temp_dir(const char *parent, char *path, size_t size, gr_error *err) {
  char buffer[LONG_PATH];
  if (!parent || !*parent) parent = system_temp(buffer, sizeof buffer);
  int n = snprintf(path, size, "%s/genred-XXXXXX", parent);
  if (n < 0 || (size_t)n >= size) return fail_path(err, parent);
  return make_unique_folder(path) ? GR_OK : fail_errno(err, "create a temporary folder in", parent);
}

void gr_remove_dir(const char *path) {
  DIR *d = opendir(path);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    char file[LONG_PATH];
    if ((size_t)snprintf(file, sizeof file, "%s/%s", path, e->d_name) < sizeof file) unlink(file); /* "." stays */
  }
  closedir(d);
  rmdir(path);
}

/* Takes over fd, which may be -1. */
static gr_class read_open(int fd, const char *path, char **data, size_t *n, gr_error *err) {
  gr_class cls = GR_OK;
  struct stat st;
  char *text = NULL;
  FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
  if (!f || fstat(fd, &st) != 0) {
    cls = fail_errno(err, "read", path);
    goto out;
  }
  if (!S_ISREG(st.st_mode) || st.st_size > file_limit) {
    cls = gr_failf(err, GR_ARGUMENT, "'%s' is not a file, or larger than %lld bytes", path, (long long)file_limit);
    goto out;
  }
  text = malloc((size_t)st.st_size + 1);
  if (!text) {
    cls = gr_fail(err, ERR_NoMemory, "reading a file", (long long)st.st_size);
    goto out;
  }
  *n = fread(text, 1, (size_t)st.st_size, f);
  text[*n] = 0;
  if (ferror(f)) cls = fail_errno(err, "read", path);
out:
  if (f)
    fclose(f);
  else if (fd >= 0)
    close(fd);
  if (cls)
    free(text);
  else
    *data = text;
  return cls;
}

gr_class gr_read_file(const char *path, char **data, size_t *n, gr_error *err) {
  return read_open(open(path, O_RDONLY | READ_FLAGS), path, data, n, err);
}

gr_class gr_read_own_file(const char *path, char **data, size_t *n, gr_error *err) { return read_open(open_own(path), path, data, n, err); }

/* No fsync: after a crash of the machine a file may be short or empty, and readers must check (cache.c does). */
gr_class gr_write_file(const char *path, const void *data, size_t n, gr_error *err) {
  int fd = open_new(path);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
  if (!f) {
    if (fd >= 0) close(fd);
    return fail_errno(err, "write", path);
  }
  errno = 0;
  bool good = fwrite(data, 1, n, f) == n && fflush(f) == 0;
  int why = errno;
  if (fclose(f) != 0 && good) good = false, why = errno;
  errno = why;
  return good ? GR_OK : fail_errno(err, "write", path);
}

/* ---- the processor ----------------------------------------------------------------------------------------------- */

#if X86

#define FEATURES(F)                                                                                                 \
  F("sse4.2")                                                                                                       \
  F("avx")                                                                                                          \
  F("avx2") F("fma") F("bmi2") F("avx512f") F("avx512cd") F("avx512bw") F("avx512dq") F("avx512vl") F("avx512ifma") \
      F("avx512vbmi")

/* Names for people, then the words of cpuid, which decide: vendor, model, features (leaf 1's ebx differs by core). */
static void describe_cpu(char *s, size_t size) {
  unsigned v[4] = {0}, a[4] = {0}, b[4] = {0}, c[4] = {0}, d[4] = {0};
  size_t n = 0;
#define F(name) \
  if (__builtin_cpu_supports(name)) n += (size_t)snprintf(s + n, size - n, "%s ", name);
  FEATURES(F)
#undef F
  __get_cpuid(0, &v[0], &v[1], &v[2], &v[3]);
  __get_cpuid(1, &a[0], &a[1], &a[2], &a[3]);
  __get_cpuid_count(7, 0, &b[0], &b[1], &b[2], &b[3]);
  __get_cpuid_count(7, 1, &c[0], &c[1], &c[2], &c[3]);
  __get_cpuid(0x80000001u, &d[0], &d[1], &d[2], &d[3]);
  snprintf(s + n, size - n, "x86-%d %.4s%.4s%.4s %08x %08x %08x %08x %08x %08x %08x %08x %08x", (int)sizeof(void *) * 8,
           (char *)&v[1], (char *)&v[3], (char *)&v[2], a[0], a[2], a[3], b[1], b[2], b[3], c[0], d[2], d[3]);
}

const char *gr_simd_name(void) {
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
  if (__builtin_cpu_supports("avx")) return "AVX";
  return "SSE2";
}

#else

/* The lines of /proc/cpuinfo that compilers look at for =native; the first processor stands for all. */
static size_t describe_proc(char *s, size_t size) {
  const char *const keys[] = {"CPU implementer", "CPU part", "CPU variant", "Features", "cpu\t", "isa", "uarch"};
  char line[1024];
  size_t n = 0;
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f && fgets(line, sizeof line, f) && (line[0] != '\n' || n == 0))
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
      if (!strncmp(line, keys[k], strlen(keys[k])) && n + strlen(line) < size)
        n += (size_t)snprintf(s + n, size - n, "%.*s;", (int)strcspn(line, "\n"), line);
  if (f) fclose(f);
  return n;
}

static void describe_cpu(char *s, size_t size) {
#if defined(__APPLE__)
  size_t n = size;
  if (sysctlbyname("machdep.cpu.brand_string", s, &n, NULL, 0) == 0) return;
#endif
  if (describe_proc(s, size)) return;
#if defined(_WIN32)
  snprintf(s, size, "%s", getenv("PROCESSOR_IDENTIFIER") ? getenv("PROCESSOR_IDENTIFIER") : "unknown");
#else
  struct utsname u;
  snprintf(s, size, "%s", uname(&u) >= 0 ? u.machine : "unknown");
#endif
}

const char *gr_simd_name(void) {
#if defined(__aarch64__) || defined(__ARM_NEON)
  return "NEON";
#else
  return "none";
#endif
}

#endif

/* Threads that come at once each make the same text, and one of them stays. */
const char *gr_cpu_features(void) {
  static _Atomic(char *) kept;
  char *none = NULL, *text = atomic_load(&kept);
  if (text) return text;
  text = calloc(1, 1024);
  if (!text) return "unknown";
  describe_cpu(text, 1024);
  if (atomic_compare_exchange_strong(&kept, &none, text)) return text;
  free(text);
  return none;
}
