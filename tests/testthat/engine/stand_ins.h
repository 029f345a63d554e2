/* stand_ins.h: the libraries that stand in for libcuda and NVRTC (fake/), as the tests use them. */
#ifndef GENRED_STAND_INS_H
#define GENRED_STAND_INS_H

#include "../cuda/cu.h"
#include "files.h"

static char stand_ins[600]; /* the folder that holds them */

/* Whether they were built, which takes a C++ compiler; `program` is argv[0]. */
static inline bool find_stand_ins(const char *program) {
  char path[4096];
  if (!realpath(program, path)) return false;
  *strrchr(path, '/') = 0;
  snprintf(stand_ins, sizeof stand_ins, "%.500s/../fake", path);
  snprintf(path, sizeof path, "%s/libnvrtc.so", stand_ins);
  return access(path, R_OK) == 0;
}

/* Makes src/cuda open them; compiled kernels are kept, as the host's compiler is slow. */
static inline void use_stand_ins(void) {
  char path[700];
  snprintf(path, sizeof path, "%s/libcuda.so", stand_ins);
  setenv("GENRED_CUDA_DRIVER", path, 1);
  snprintf(path, sizeof path, "%s/libnvrtc.so", stand_ins);
  setenv("GENRED_NVRTC", path, 1);
  mkdir(at("objects"), 0700);
  setenv("GENRED_FAKE_CACHE", at("objects"), 0);
}

/* The GPU backend on the stand-ins, for tests that are not about them; NULL without stand-ins. */
static inline const gr_device *stand_in(const char *program) {
  if (!find_stand_ins(program)) return NULL;
  use_stand_ins();
  return &gr_cuda;
}

/* A function of one of the two libraries beside CUDA's, or NULL. */
static inline void *stand_in_symbol(const char *variable, const char *name) {
  gr_error err = {0};
  void *library, *symbol = NULL;
  if (gr_dlopen(getenv(variable), &library, &err) == GR_OK) symbol = gr_dlsym(library, name);
  gr_error_clear(&err);
  return symbol;
}

/* Shuts the backend down; then the stand-ins must hold nothing. */
static inline void nothing_is_left(const char *after) {
  int (*leaks)(char *, size_t), (*programs)(void);
  void *leaks_symbol = stand_in_symbol("GENRED_CUDA_DRIVER", "fake_leaks");
  void *programs_symbol = stand_in_symbol("GENRED_NVRTC", "fake_nvrtc_alive");
  char text[2000] = "";
  memcpy(&leaks, &leaks_symbol, sizeof leaks);
  memcpy(&programs, &programs_symbol, sizeof programs);
  gr_cuda.shutdown();
  if (!check(leaks && programs, "%s: the stand-ins do not open", after)) return;
  check(leaks(text, sizeof text) == 0 && programs() == 0, "%s: not given back: %s", after, text);
}

/* The calls of a function in a log that GENRED_FAKE_LOG named. */
static inline int calls_of(const char *log, const char *name) {
  char line[200];
  int n = 0;
  FILE *f = fopen(log, "r");
  while (f && fgets(line, sizeof line, f)) n += !strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ';
  if (f) fclose(f);
  return n;
}

/* Everything that can be made to fail: each function of the driver and of NVRTC, and a kernel. */
#define SYM(need, result, name, parameters) #name,
static const char *const failing_names[] __attribute__((unused)) = {CU_DRIVER(SYM) CU_NVRTC(SYM) "kernel"};
#undef SYM
enum { FAILING_NAMES = sizeof failing_names / sizeof *failing_names };

#endif
