/* platform.h: what the tests want of the operating system. */
#ifndef GENRED_PLATFORM_H
#define GENRED_PLATFORM_H

#include <stdlib.h>

#if defined(_WIN32)

/* TMPDIR is wine's own: run_windows.sh gives it to us by another name. */
#define TMPDIR "GENRED_TMPDIR"

/* The most memory that this process has had, in KB; -1: not known. */
__attribute__((unused)) static long peak_kb(void) { return -1; }

#else
#include <sys/resource.h>

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
