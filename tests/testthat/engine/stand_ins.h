/* stand_ins.h: a GPU backend on the libraries that stand in for CUDA's (fake/), for tests that are
 * not about them. */
#ifndef GENRED_STAND_INS_H
#define GENRED_STAND_INS_H

#include <sys/stat.h>

#include "../cuda/cu.h"
#include "check.h"

/* NULL where there are none: then there is no C++ compiler. */
__attribute__((unused)) static const gr_device *stand_in(const char *program) {
  static const char *const names[] = {"libcuda.so", "libnvrtc.so"}, *const variables[] = {
                                                                        "GENRED_CUDA_DRIVER",
                                                                        "GENRED_NVRTC"};
  const char *slash = strrchr(program, '/');
  char path[600];
  for (int k = 0; k < 2; k++) {
    struct stat there;
    snprintf(path, sizeof path, "%.*s../fake/%s", slash ? (int)(slash + 1 - program) : 0, program,
             names[k]);
    if (stat(path, &there) != 0) return NULL;
    setenv(variables[k], path, 1);
  }
  snprintf(path, sizeof path, "%s/objects", temporary_folder());
  mkdir(path, 0700);
  setenv("GENRED_FAKE_CACHE", path, 1);
  return &gr_cuda;
}

#endif
