/* os.c: files, folders and time limits of child processes, as far as all operating systems agree.
 *
 * Assumes that paths are in the encoding of the C library and that the caller has cleared `err`.
 * Guarantees a status and a message that names the path, and that descriptors and memory are
 * released on every way out.  Files and folders are created for their owner alone. */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t file_limit = (int64_t)1 << 28; /* the largest file, in bytes, that is read */
static const double run_limit = 60;                 /* seconds that gr_spawn lets a child run */

/* ---- errors ---------------------------------------------------------------------------------- */

static bool is_exhaustion(int e) {
#ifdef EDQUOT
  if (e == EDQUOT) return true;
#endif
  return e == ENOSPC || e == ENOMEM || e == EMFILE || e == ENFILE || e == EFBIG;
}

gr_class gr_fail_errno(gr_error *err, const char *action, const char *path) {
  int e = errno;
  const char *reason = e ? strerror(e) : "failed";
  return gr_failf(err, is_exhaustion(e) ? GR_MEMORY : GR_COMPILER, "cannot %s '%s': %s", action, path, reason);
}

gr_class gr_fail_long_path(gr_error *err, const char *path) {
  return gr_failf(err, GR_ARGUMENT, "the path '%.200s...' is too long", path);
}

gr_class gr_fail_timeout(gr_error *err, const char *program, double seconds) {
  return gr_failf(err, GR_COMPILER, "'%s' did not finish within %s seconds and was stopped", program,
                  gr_number_text(seconds, 6, (char[GR_NUMBER]){0}));
}

gr_class gr_fail_interrupted(gr_error *err) { return gr_failf(err, GR_INTERRUPT, "interrupted"); }

/* ---- child processes ------------------------------------------------------------------------- */

gr_class gr_spawn(const char *const *argv, const char *log_path, const gr_options *watch, int *status, gr_error *err) {
  return gr_spawn_for(argv, log_path, run_limit, watch, status, err);
}

/* Progress is 0 because the computation has not begun while a child runs. */
bool gr_is_interrupted(const gr_options *watch) {
  if (watch && watch->progress) watch->progress(0, watch->ctx);
  return watch && watch->interrupted && watch->interrupted(watch->ctx);
}

/* ---- folders --------------------------------------------------------------------------------- */

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Creates the folder and its parents; another process may create one of them at the same time. */
static gr_class make_folders(char *path, gr_error *err) {
  for (char *p = path + gr_root_length(path);; p++) {
    if (!gr_is_separator(*p) && *p != 0) continue;
    char end = *p;
    *p = 0;
    bool made = is_folder(path) || gr_make_folder(path) == 0 || (errno == EEXIST && is_folder(path));
    gr_class cls = made ? GR_OK : gr_fail_errno(err, "create the folder", path);
    *p = end;
    if (cls || !end) return cls;
  }
}

gr_class gr_make_private_dir(const char *dir, gr_error *err) {
  char path[GR_LONG_PATH];
  size_t n = strlen(dir);
  if (n == 0) return gr_failf(err, GR_ARGUMENT, "the name of the folder is empty");
  if (n >= sizeof path) return gr_fail_long_path(err, dir);
  memcpy(path, dir, n + 1);
  while (n > 1 && gr_is_separator(path[n - 1])) path[--n] = 0;
  if (!is_folder(path)) {
    gr_class cls = make_folders(path, err);
    if (cls) return cls;
  }
  return gr_check_private(path, err);
}

gr_class gr_temp_dir(const char *parent, char *path, size_t size, gr_error *err) {
  char buffer[GR_LONG_PATH];
  if (!parent || !*parent) parent = gr_system_temp(buffer, sizeof buffer);
  int n = snprintf(path, size, "%s/genred-XXXXXX", parent);
  if (n < 0 || (size_t)n >= size) return gr_fail_long_path(err, parent);
  return gr_make_unique_folder(path) ? GR_OK : gr_fail_errno(err, "create a temporary folder in", parent);
}

/* unlink() fails on "." and "..", which readdir() lists as well. */
void gr_remove_dir(const char *path) {
  DIR *d = opendir(path);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    char file[GR_LONG_PATH];
    if ((size_t)snprintf(file, sizeof file, "%s/%s", path, e->d_name) < sizeof file) unlink(file);
  }
  closedir(d);
  rmdir(path);
}

/* ---- files ----------------------------------------------------------------------------------- */

static gr_class read_stream(FILE *f, const char *path, char **data, size_t *n, gr_error *err) {
  struct stat st;
  if (fstat(fileno(f), &st) != 0) return gr_fail_errno(err, "read", path);
  if (!S_ISREG(st.st_mode)) return gr_failf(err, GR_ARGUMENT, "'%s' is not a regular file", path);
  if (st.st_size > file_limit)
    return gr_failf(err, GR_ARGUMENT, "'%s' is larger than %lld bytes", path, (long long)file_limit);
  char *text = malloc((size_t)st.st_size + 1);
  if (!text) return gr_fail(err, ERR_NoMemory, "reading a file", (long long)st.st_size);
  *n = fread(text, 1, (size_t)st.st_size, f);
  text[*n] = 0;
  if (!ferror(f)) return *data = text, GR_OK;
  gr_class cls = gr_fail_errno(err, "read", path);
  free(text);
  return cls;
}

/* Closes fd, which is -1 where the file could not be opened. */
static gr_class read_descriptor(int fd, const char *path, char **data, size_t *n, gr_error *err) {
  FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
  gr_class cls = f ? read_stream(f, path, data, n, err) : gr_fail_errno(err, "read", path);
  if (f)
    fclose(f);
  else if (fd >= 0)
    close(fd);
  return cls;
}

gr_class gr_read_file(const char *path, char **data, size_t *n, gr_error *err) {
  return read_descriptor(gr_open_read(path), path, data, n, err);
}

gr_class gr_read_own_file(const char *path, char **data, size_t *n, gr_error *err) {
  return read_descriptor(gr_open_own(path), path, data, n, err);
}

/* Without fsync a file may be short or empty after a system crash; readers must verify its
 * content, as run/cache.c does with a checksum. */
gr_class gr_write_file(const char *path, const void *data, size_t n, gr_error *err) {
  int fd = gr_open_new(path);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
  if (!f) {
    gr_class cls = gr_fail_errno(err, "write", path);
    if (fd >= 0) close(fd);
    return cls;
  }
  errno = 0;
  bool good = fwrite(data, 1, n, f) == n && fflush(f) == 0;
  int e = errno;
  if (fclose(f) != 0 && good) good = false, e = errno;
  errno = e;
  return good ? GR_OK : gr_fail_errno(err, "write", path);
}
