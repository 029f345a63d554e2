/* os.h: what os.c, os_posix.c, os_windows.c and os_cpu.c share; private to these files.
 *
 * Only they depend on the operating system at compile time (besides graph/libm.c).  os.c holds what
 * both families of systems do alike, in terms of the primitives below; os_posix.c (Linux, macOS,
 * BSD) and os_windows.c (mingw-w64) each implement these and the rest of base.h; os_cpu.c
 * describes the processor.  What both families offer under one name (stdio, stat, opendir, unlink)
 * is called directly, here and in run/cache.c. */
#ifndef GENRED_OS_H
#define GENRED_OS_H

/* Feature-test macros must precede every system header: include this file first. */
#if !defined(_WIN32)
#define _XOPEN_SOURCE 700
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif
#endif

#include "base/base.h"

enum { GR_LONG_PATH = 4096 };   /* bytes of a path, including the terminating NUL */
#define GR_WATCH_INTERVAL 0.05  /* seconds between checks for an interrupt while a child runs */

/* ---- os.c ---- */

/* "cannot ACTION 'PATH': reason", from errno.  GR_MEMORY if a resource (disk space, memory, file
 * descriptors) is exhausted, else GR_COMPILER. */
gr_class gr_fail_errno(gr_error *err, const char *action, const char *path);
gr_class gr_fail_long_path(gr_error *err, const char *path);
gr_class gr_fail_timeout(gr_error *err, const char *program, double seconds);
gr_class gr_fail_interrupted(gr_error *err);
/* Whether watch->interrupted asks to stop; also reports progress 0.  watch may be NULL. */
bool gr_is_interrupted(const gr_options *watch);

/* ---- os_posix.c, os_windows.c ---- */

/* Each returns a file descriptor, or -1 with errno set. */
int gr_open_read(const char *path);
/* for writing, readable by its owner alone; fails if it exists */
int gr_open_new(const char *path);
int gr_open_own(const char *path); /* for reading; fails if another user can write to the file */

int gr_make_folder(const char *path);         /* 0, or -1 with errno set */
bool gr_make_unique_folder(char *path);       /* replaces the final XXXXXX; false with errno set */
gr_class gr_check_private(const char *dir, gr_error *err); /* a folder that only we can write to */
const char *gr_system_temp(char *buffer, size_t size);     /* buffer, or a string constant */
bool gr_is_separator(char c);                 /* of the parts of a path */
size_t gr_root_length(const char *path);      /* length of the prefix that cannot be created */

#endif
