/* platform.h: what the tests want of the operating system. */
#ifndef GENRED_PLATFORM_H
#define GENRED_PLATFORM_H

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

#endif

__attribute__((unused)) static const char *temporary_folder(void) {
  const char *tmp = getenv(TMPDIR);
  return tmp ? tmp : "/tmp";
}

#endif
