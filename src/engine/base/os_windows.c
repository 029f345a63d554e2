/* os_windows.c: the operating system on Windows (mingw-w64).
 *
 * Implements base/os.h and the rest of the operating-system section of base/base.h.  Assumes that
 * the access control lists of the user's folders keep other users away, since there are no modes
 * to check.  Guarantees that a child process, with all the processes it started, ends within its
 * time limit or about a tenth of a second after the caller is interrupted. */
#include "base/os.h"

#if defined(_WIN32)
#include <direct.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <windows.h>

const char *gr_os_name(void) { return "windows"; }

int gr_make_folder(const char *path) { return _mkdir(path); }

/* Files inherit the access control lists of the user's folders. */
int gr_open_read(const char *path) { return open(path, O_RDONLY | O_BINARY); }
int gr_open_new(const char *path) { return open(path, O_WRONLY | O_CREAT | O_EXCL | O_BINARY, S_IREAD | S_IWRITE); }
int gr_open_own(const char *path) { return gr_open_read(path); }

void gr_at_fork(void (*before)(void), void (*after)(void)) { (void)before, (void)after; }

bool gr_is_separator(char c) { return c == '/' || c == '\\'; }

/* The prefix is "C:/", or the server and the share of "//server/share/". */
size_t gr_root_length(const char *path) {
  size_t n = 0;
  if (path[0] && path[1] == ':') return path[2] ? 3 : 2;
  if (!gr_is_separator(path[0]) || !gr_is_separator(path[1])) return 1;
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

static gr_class fail_windows(gr_error *err, const char *action, const char *path) {
  unsigned long e = GetLastError();
  bool space = e == ERROR_DISK_FULL || e == ERROR_HANDLE_DISK_FULL || e == ERROR_NOT_ENOUGH_MEMORY;
  return gr_failf(err, space ? GR_MEMORY : GR_COMPILER, "cannot %s '%s': Windows error %lu", action, path, e);
}

/* LoadLibrary() requires backslashes. */
gr_class gr_dlopen(const char *path, void **handle, gr_error *err) {
  char native[MAX_PATH];
  if (strlen(path) >= sizeof native) return gr_fail_long_path(err, path);
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

bool gr_may_map(const char *path) { return (void)path, false; } /* a loaded DLL cannot be deleted */
bool gr_is_safe_path(const char *dir) { return (void)dir, true; }

gr_class gr_rename(const char *from, const char *to, gr_error *err) {
  return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING) ? GR_OK : fail_windows(err, "rename", from);
}

/* Access control lists of the user's folders replace the check of modes. */
gr_class gr_check_private(const char *dir, gr_error *err) {
  DWORD a = GetFileAttributesA(dir);
  if (a != INVALID_FILE_ATTRIBUTES && a & FILE_ATTRIBUTE_DIRECTORY) return GR_OK;
  return gr_failf(err, GR_ARGUMENT, "'%s' is not a folder", dir);
}

const char *gr_system_temp(char *buffer, size_t size) {
  DWORD n = GetTempPathA((DWORD)size, buffer);
  return n > 0 && n < size ? buffer : ".";
}

bool gr_make_unique_folder(char *path) { /* ends in XXXXXX */
  char *tail = path + strlen(path) - 6;
  LARGE_INTEGER t;
  for (unsigned k = 0; k < 1000; k++) {
    QueryPerformanceCounter(&t);
    unsigned mixed = ((unsigned)t.QuadPart ^ (unsigned)GetCurrentProcessId() * 2654435761u) + k * 40503u;
    snprintf(tail, 7, "%06x", mixed & 0xffffffu);
    if (gr_make_folder(path) == 0) return true;
    if (errno != EEXIST) return false;
  }
  return false;
}

/* Quotes one argument for the C runtime of the child, which parses the command line: a backslash is
 * an escape only in front of a double quote. */
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

/* GR_OK if the process ended by itself. */
static gr_class wait_child(HANDLE process, double seconds, const gr_options *watch, gr_error *err,
                           const char *name) {
  double limit = gr_now() + seconds;
  while (WaitForSingleObject(process, (DWORD)(GR_WATCH_INTERVAL * 1000)) != WAIT_OBJECT_0) {
    if (gr_is_interrupted(watch)) return gr_fail_interrupted(err);
    if (gr_now() > limit) return gr_fail_timeout(err, name, seconds);
  }
  return GR_OK;
}

/* The job object contains the compiler's own child processes too, so that they end together.  The
 * log is opened for sharing because the child's console holds it and may outlive the child. */
gr_class gr_spawn_for(const char *const *argv, const char *log_path, double seconds, const gr_options *watch,
                      int *status, gr_error *err) {
  gr_class cls = GR_OK;
  SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
  STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  PROCESS_INFORMATION child = {0};
  DWORD code = 1, flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED;
  const DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
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

#endif
