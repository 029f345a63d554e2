/* platform.h: what the tests need of the operating system: guarded memory, processor time, a
 * temporary folder of the program's own. */
#ifndef GENRED_PLATFORM_H
#define GENRED_PLATFORM_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Memory whose end is the begin of a page that may not be accessed. */
typedef struct guarded {
  char *pages, *end; /* the first page, and the end of what may be accessed */
  size_t bytes;      /* of all pages, the guard included */
} guarded;

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#undef near
#undef far
#undef FAR

__attribute__((unused)) static guarded guarded_new(size_t bytes) {
  size_t page = 65536;
  DWORD before;
  guarded g = {.bytes = (bytes + page - 1) / page * page + page};
  g.pages = VirtualAlloc(NULL, g.bytes, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  g.end = g.pages + g.bytes - page;
  VirtualProtect(g.end, page, PAGE_NOACCESS, &before);
  return g;
}

__attribute__((unused)) static void guarded_free(guarded *g) { VirtualFree(g->pages, 0, MEM_RELEASE); }

/* wine sets TMPDIR itself: targets/run_windows.sh passes the folder by another name. */
#define TMPDIR "GENRED_TMPDIR"

/* The peak of the resident memory of this process, in KB; -1: not known. */
__attribute__((unused)) static long peak_kb(void) { return -1; }

__attribute__((unused)) static double seconds_of(FILETIME t) {
  return 1e-7 * ((double)t.dwHighDateTime * 4294967296.0 + (double)t.dwLowDateTime);
}

/* Processor time of this process, in seconds. */
__attribute__((unused)) static double own_seconds(void) {
  FILETIME begin, end, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &begin, &end, &kernel, &user)) return 0;
  return seconds_of(kernel) + seconds_of(user);
}

/* Processor time of the child processes that have ended, in seconds; negative: not known. */
__attribute__((unused)) static double children_seconds(void) { return -1; }

__attribute__((unused)) static void set_variable(const char *name, const char *value) { _putenv_s(name, value); }

/* Makes a folder with a new name in the place of the X at the end of path. */
__attribute__((unused)) static bool make_fresh(char *path) { return _mktemp(path) && mkdir(path) == 0; }

#else
#include <sys/mman.h>
#include <sys/resource.h>

__attribute__((unused)) static guarded guarded_new(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  guarded g = {.bytes = (bytes + page - 1) / page * page + page};
  g.pages = mmap(NULL, g.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  g.end = g.pages + g.bytes - page;
  mprotect(g.end, page, PROT_NONE);
  return g;
}

__attribute__((unused)) static void guarded_free(guarded *g) { munmap(g->pages, g->bytes); }

#define TMPDIR "TMPDIR"

__attribute__((unused)) static long peak_kb(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

__attribute__((unused)) static double used_seconds(int whose) {
  struct rusage u;
  getrusage(whose, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

__attribute__((unused)) static double own_seconds(void) { return used_seconds(RUSAGE_SELF); }
__attribute__((unused)) static double children_seconds(void) { return used_seconds(RUSAGE_CHILDREN); }
__attribute__((unused)) static void set_variable(const char *name, const char *value) { setenv(name, value, 1); }
__attribute__((unused)) static bool make_fresh(char *path) { return mkdtemp(path) != NULL; }

#endif

/* ---- a folder of the program's own ---- */

__attribute__((unused)) static const char *temporary_folder(void) {
  const char *tmp = getenv(TMPDIR);
  return tmp && *tmp ? tmp : "/tmp";
}

/* Removes a file, or a folder with all that it contains; links are not followed. */
__attribute__((unused)) static void remove_tree(const char *path) {
  char inner[4096];
  if (remove(path) == 0 || rmdir(path) == 0) return;
  DIR *d = opendir(path);
  for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    if (snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) < (int)sizeof inner) remove_tree(inner);
  }
  if (d) closedir(d);
  rmdir(path);
}

static char own_path[600]; /* "": this process has made no folder */
static int owner;     /* the process that made it; a forked child does not remove it */

__attribute__((unused)) static void remove_own_folder(void) {
  if (*own_path && owner == (int)getpid()) remove_tree(own_path);
}

/* Makes an empty folder below the temporary one, which it replaces for this process and its
 * children.  It is removed when this process exits, except for loaded DLLs on Windows. */
__attribute__((unused)) static void own_folder(void) {
  snprintf(own_path, sizeof own_path, "%s/test-XXXXXX", temporary_folder());
  if (!make_fresh(own_path)) {
    printf("cannot make a folder in %s\n", temporary_folder());
    exit(2);
  }
  owner = (int)getpid();
  set_variable(TMPDIR, own_path);
  atexit(remove_own_folder);
}

/* Whether an emulator runs this program (targets/), which makes measured times meaningless. */
__attribute__((unused)) static bool is_emulated(void) { return getenv("GR_EMULATED") != NULL; }

#endif
