/* cu_load.c: finds and opens libcuda and NVRTC.
 *
 * Owns the list of places to search and the structures of function pointers, made from the tables in
 * cu_api.h.  The environment variables GENRED_CUDA_DRIVER and GENRED_NVRTC name one library each,
 * which is then the only one tried.  Guarantees: an error names all
 * files and folders that were tried, and its log has the system's reason for each library that was
 * found but could not be loaded.  A loaded library is never closed. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cu.h"

enum { LONG_PATH = 1024, MATCHES = 16, NAME = 256 };

/* ---- where libraries are, by operating system ---- */

typedef struct places {
  const char *os;
  const char *drivers[4];
  const char *nvrtc[5];       /* for the system's own search */
  const char *prefix;         /* of NVRTC's file in a folder */
  const char *within[4];      /* folders of a CUDA installation */
  const char *parent, *child; /* installations: parent/child... */
} places;

static const places all_places[] = {
    {"windows",
     {"nvcuda.dll"},
     {"nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"},
     "nvrtc64_",
     {"bin", "bin/x64"},
     "C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA",
     "v"},
    {"macos", {"libcuda.dylib"}, {"libnvrtc.dylib"}, "libnvrtc.", {"lib"}, "/usr/local", "cuda"},
    {"posix",
     {"libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"},
     {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"},
     "libnvrtc.so",
     {"lib64", "lib"},
     "/usr/local",
     "cuda"},
};

static const places *here(void) {
  int k = 0;
  while (strcmp(all_places[k].os, gr_os_name()) != 0) k++;
  return &all_places[k];
}

/* ---- what was tried ---- */

typedef struct search {
  cu_driver *driver; /* one of the two is looked for */
  cu_nvrtc *nvrtc;
  int newest;
  bool found, last_choice;
  char tried[1400];
  gr_error why; /* of the last library that was there */
  char *log;
} search;

static void add_tried(search *s, const char *what) {
  size_t n = strlen(s->tried);
  snprintf(s->tried + n, sizeof s->tried - n, "%s%s", n ? ", " : "", what);
}

static void tell_why(search *s) {
  size_t n = s->log ? strlen(s->log) : 0, more = strlen(s->why.message) + 2;
  char *grown = realloc(s->log, n + more);
  if (!grown) return;
  snprintf(grown + n, more, "%s\n", s->why.message);
  s->log = grown;
}

/* ---- a library ---- */

typedef struct symbol {
  const char *name;
  size_t at;
  bool needed;
} symbol;

enum { NEEDED = 1, OPTIONAL = 0 };
#define SYM(need, result, name, parameters) {#name, offsetof(cu_driver, name), need},
static const symbol driver_symbols[] = {CU_DRIVER(SYM)};
#undef SYM
#define SYM(need, result, name, parameters) {#name, offsetof(cu_nvrtc, name), need},
static const symbol nvrtc_symbols[] = {CU_NVRTC(SYM)};
#undef SYM

static gr_class find_symbols(void *handle, const char *path, const symbol *s, size_t n, void *into,
                             gr_error *err) {
  for (size_t k = 0; k < n; k++) {
    void *address = gr_dlsym(handle, s[k].name);
    if (!address && s[k].needed) return gr_fail(err, ERR_NoSymbol, path, s[k].name);
    memcpy((char *)into + s[k].at, &address,
           sizeof address); /* ISO C has no cast from an object to a function */
  }
  return GR_OK;
}

static gr_class open_driver(void *handle, const char *path, cu_driver *d, gr_error *err) {
  gr_class cls = find_symbols(handle, path, driver_symbols,
                              sizeof driver_symbols / sizeof *driver_symbols, d, err);
  snprintf(d->path, sizeof d->path, "%s", path);
  return cls;
}

static gr_class open_nvrtc(void *handle, const char *path, cu_nvrtc *n, gr_error *err) {
  gr_class cls = find_symbols(handle, path, nvrtc_symbols,
                              sizeof nvrtc_symbols / sizeof *nvrtc_symbols, n, err);
  snprintf(n->path, sizeof n->path, "%s", path);
  nv_result r = cls ? NVRTC_SUCCESS : n->nvrtcVersion(&n->major, &n->minor);
  return cls || r == NVRTC_SUCCESS
             ? cls
             : gr_fail(err, ERR_Nvrtc, "nvrtcVersion", n->nvrtcGetErrorString(r));
}

/* Takes the library, unless a better one may follow. */
static void take_nvrtc(search *s, const cu_nvrtc *n) {
  bool good = s->newest == 0 || n->major <= s->newest;
  if (!good && s->last_choice) return;
  *s->nvrtc = *n;
  s->found = good;
  s->last_choice = !good;
}

static void try_library(search *s, const char *path) {
  void *handle;
  cu_nvrtc n;
  if (s->found) return;
  gr_class cls = gr_dlopen(path, &handle, &s->why);
  if (!cls && s->driver) {
    cls = open_driver(handle, path, s->driver, &s->why);
    s->found = !cls;
  } else if (!cls) {
    cls = open_nvrtc(handle, path, &n, &s->why);
    if (!cls) take_nvrtc(s, &n);
  }
  if (cls) tell_why(s);
}

/* Opens the library that an environment variable names; false: the variable is not set.  The reason
 * of a failure is part of the message. */
static bool try_named(search *s, const char *variable) {
  const char *path = getenv(variable);
  if (!path || !*path) return false;
  try_library(s, path);
  if (s->found || s->last_choice) return true;
  snprintf(s->tried, sizeof s->tried, "%.400s, which %s names alone (%.800s)", path, variable,
           s->why.message);
  return true;
}

static gr_class fail(search *s, gr_errid id, gr_error *err) {
  gr_class cls = gr_fail(err, id, s->tried);
  err->log = s->log;
  s->log = NULL;
  return cls;
}

static void search_end(search *s) {
  free(s->log);
  gr_error_clear(&s->why);
}

/* ---- the driver ---- */

gr_class cu_open_driver(cu_driver *d, gr_error *err) {
  search s = {.driver = d};
  gr_class cls = GR_OK;
  if (!try_named(&s, "GENRED_CUDA_DRIVER"))
    for (const char *const *name = here()->drivers; *name && !s.found; name++) {
      add_tried(&s, *name);
      try_library(&s, *name);
    }
  if (!s.found) cls = fail(&s, ERR_NoDriver, err);
  search_end(&s);
  return cls;
}

/* ---- NVRTC ---- */

typedef char match[NAME];

static int later_first(const void *a, const void *b) { return -strcmp(a, b); }

/* The names in a folder with this prefix, the highest first; never many, and at most MATCHES. */
static int matches(const char *dir, const char *prefix, match *list) {
  int n = 0;
  DIR *d = opendir(dir);
  for (struct dirent *e; d && n < MATCHES && (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.' && !strncmp(e->d_name, prefix, strlen(prefix)) &&
        !strstr(e->d_name, ".alt."))
      n += (size_t)snprintf(list[n], NAME, "%s", e->d_name) < NAME;
  if (d) closedir(d);
  if (n) qsort(list, (size_t)n, sizeof *list, later_first);
  return n;
}

static bool join(char path[LONG_PATH], const char *dir, const char *name) {
  return (size_t)snprintf(path, LONG_PATH, "%s/%s", dir, name) < LONG_PATH;
}

/* A missing folder is not mentioned where others of its kind are tried too. */
static void try_folder(search *s, const char *dir, bool mention) {
  match file[MATCHES];
  char path[LONG_PATH];
  if (s->found || (!mention && access(dir, R_OK) != 0)) return;
  add_tried(s, dir);
  int n = matches(dir, here()->prefix, file);
  for (int k = 0; k < n && !s->found; k++)
    if (join(path, dir, file[k])) try_library(s, path);
}

/* Searches the library folder in each folder of `folder`, as in targets/x86_64-linux/lib or
 * nvidia/cuda_nvrtc/lib. */
static void try_children(search *s, const char *dir, const char *prefix, const char *within) {
  match child[MATCHES];
  char path[LONG_PATH], library[LONG_PATH];
  int n = matches(dir, prefix, child);
  for (int k = 0; k < n && !s->found; k++)
    if (join(path, dir, child[k]) && join(library, path, within)) try_folder(s, library, false);
}

static void try_installation(search *s, const char *root) {
  char path[LONG_PATH];
  for (const char *const *within = here()->within; *within; within++)
    if (join(path, root, *within)) try_folder(s, path, within == here()->within);
  if (join(path, root, "targets")) try_children(s, path, "", "lib");
}

static void try_installations(search *s) {
  match child[MATCHES];
  char path[LONG_PATH];
  const places *p = here();
  int n = matches(p->parent, p->child, child);
  if (n == 0 && join(path, p->parent, p->child)) add_tried(s, path);
  for (int k = 0; k < n && !s->found; k++)
    if (join(path, p->parent, child[k])) try_installation(s, path);
}

static void try_variables(search *s) {
  static const char *const variables[] = {"CUDA_PATH", "CUDA_HOME", "CONDA_PREFIX"};
  for (int k = 0; k < 3 && !s->found; k++) {
    const char *root = getenv(variables[k]);
    if (root && *root) try_installation(s, root);
  }
}

/* The folders of Python's packages, one a line, malloc'ed; NULL: not known. */
static char *python_folders(const char *python) {
  gr_error ignored = {0};
  char dir[LONG_PATH - 16], log[LONG_PATH], *text = NULL;
  size_t n;
  int status = -1;
  const char *const argv[] = {python, "-c", "import sys; print('\\n'.join(sys.path))", NULL};
  if (!gr_temp_dir(NULL, dir, sizeof dir, &ignored)) {
    if (join(log, dir, "log") && !gr_spawn_for(argv, log, 10, NULL, &status, &ignored) &&
        status <= 0)
      gr_read_file(log, &text, &n, &ignored);
    gr_remove_dir(dir);
  }
  gr_error_clear(&ignored);
  return text;
}

/* The wheels nvidia-cuda-nvrtc and nvidia-cuda-nvrtc-cu12: tried last, as this runs a process. */
static void try_python(search *s) {
  char python[LONG_PATH], path[LONG_PATH];
  const char *named = getenv("RETICULATE_PYTHON");
  if (s->found) return;
  if (!(named && *named && gr_find_program(named, python, sizeof python)) &&
      !gr_find_program("python3", python, sizeof python) &&
      !gr_find_program("python", python, sizeof python))
    return;
  snprintf(path, sizeof path, "the packages of %.900s", python);
  add_tried(s, path);
  char *folders = python_folders(python);
  for (char *line = folders ? strtok(folders, "\r\n") : NULL; line && !s->found;
       line = strtok(NULL, "\r\n"))
    if (join(path, line, "nvidia")) {
      try_children(s, path, "cu", "lib");
      try_children(s, path, "cu", "bin");
    }
  free(folders);
}

static void try_usual(search *s) {
  for (const char *const *name = here()->nvrtc; *name && !s->found; name++) {
    add_tried(s, *name);
    try_library(s, *name);
  }
  try_variables(s);
  try_installations(s);
  try_python(s);
}

gr_class cu_open_nvrtc(cu_nvrtc *n, int newest, gr_error *err) {
  search s = {.nvrtc = n, .newest = newest};
  gr_class cls = GR_OK;
  if (!try_named(&s, "GENRED_NVRTC")) try_usual(&s);
  if (!s.found && !s.last_choice) cls = fail(&s, ERR_NoNvrtc, err);
  search_end(&s);
  return cls;
}
