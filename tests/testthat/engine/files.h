/* files.h: files and folders below the program's own temporary folder (own_folder in
 * platform.h). */
#ifndef GENRED_FILES_H
#define GENRED_FILES_H

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <utime.h>

#include "check.h"

/* A path below the temporary folder; valid during the next 1023 calls. */
static inline const char *at(const char *fmt, ...) GR_PRINTF(1, 2);
static inline const char *at(const char *fmt, ...) {
  static char ring[1024][1024];
  static int turn;
  char *s = ring[turn++ % 1024];
  int n = snprintf(s, sizeof *ring, "%s/", temporary_folder());
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(s + n, sizeof *ring - (size_t)n, fmt, ap);
  va_end(ap);
  return s;
}

static inline void put(const char *path, const void *data, size_t n, mode_t mode) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, n, f) != n) printf("cannot write %s\n", path);
  if (f) fclose(f);
  chmod(path, mode);
}

/* The bytes of a file, malloc'ed; empty where it cannot be read. */
static inline char *slurp(const char *path, size_t *n) {
  gr_error err = {0};
  char *data = NULL;
  if (gr_read_file(path, &data, n, &err)) *n = 0;
  gr_error_clear(&err);
  return data ? data : calloc(1, 1);
}

/* The text of a file without carriage returns, cut after 65535 bytes; valid until the next call. */
static inline const char *text_of(const char *path) {
  static char text[1 << 16];
  size_t n, kept = 0;
  char *data = slurp(path, &n);
  for (size_t k = 0; k < n && kept + 1 < sizeof text; k++)
    if (data[k] != '\r') text[kept++] = data[k];
  text[kept] = 0;
  free(data);
  return text;
}

/* The files in a folder whose names end in `suffix`, hidden ones excluded; -1: there is no
 * folder. */
static inline int count_files(const char *dir, const char *suffix) {
  int n = 0;
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
    size_t length = strlen(e->d_name), m = strlen(suffix);
    n += e->d_name[0] != '.' && length >= m && !strcmp(e->d_name + length - m, suffix);
  }
  if (d) closedir(d);
  return d ? n : -1;
}

/* The path of a folder's only file; valid until the next call. */
static inline const char *only_file(const char *dir) {
  static char path[2048];
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.') snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
  if (d) closedir(d);
  return path;
}

/* Makes a file older by so many seconds. */
static inline void age(const char *path, long seconds) {
  struct utimbuf t = {time(NULL) - seconds, time(NULL) - seconds};
  utime(path, &t);
}

#endif
