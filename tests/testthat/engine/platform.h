/* platform.h: what the tests want of the operating system. */
#ifndef GENRED_PLATFORM_H
#define GENRED_PLATFORM_H

#include <stdbool.h>
#include <stdlib.h>

/* Memory for `bytes` that ends where a page begins that nobody may read. */
typedef struct guarded {
  char *pages, *end; /* whole pages, and where what may be used ends */
  size_t bytes;      /* of them, the last one included */
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

/* TMPDIR is wine's own: run_windows.sh gives it to us by another name. */
#define TMPDIR "GENRED_TMPDIR"

/* The most memory that this process has had, in KB; -1: not known. */
__attribute__((unused)) static long peak_kb(void) { return -1; }

__attribute__((unused)) static double seconds_of(FILETIME t) { return 1e-7 * ((double)t.dwHighDateTime * 4294967296.0 + (double)t.dwLowDateTime); }

/* Processor time of this process, in seconds. */
__attribute__((unused)) static double own_seconds(void) {
  FILETIME begin, end, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &begin, &end, &kernel, &user)) return 0;
  return seconds_of(kernel) + seconds_of(user);
}

/* Processor time of the programs that this process started and that have ended, in seconds; negative: not known. */
__attribute__((unused)) static double children_seconds(void) { return -1; }

__attribute__((unused)) static void set_variable(const char *name, const char *value) { _putenv_s(name, value); }

#else
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

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

#endif

__attribute__((unused)) static const char *temporary_folder(void) {
  const char *tmp = getenv(TMPDIR);
  return tmp ? tmp : "/tmp";
}

/* An emulator runs this program (targets/): how long something takes says nothing then. */
__attribute__((unused)) static bool is_emulated(void) { return getenv("GR_EMULATED") != NULL; }

#endif
