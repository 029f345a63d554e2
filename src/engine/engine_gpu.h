/* engine_gpu.h: the interface of a GPU backend.
 *
 * A part of engine.h, which includes it and whose rules hold for it. */
#ifndef GENRED_ENGINE_GPU_H
#define GENRED_ENGINE_GPU_H

typedef struct gr_device_info {
  char name[64];
  int64_t memory; /* bytes */
  int major, minor; /* compute capability */
  int multiprocessors;
} gr_device_info;

/* The libraries of a backend: version and path, or why the library cannot be used. */
typedef struct gr_device_libraries {
  char driver[512], compiler[1024];
} gr_device_libraries;

/* A GPU backend.  The engine uses run, compile, count, get and put; callers use all but run and
 * compile.  Functions that fail set the class in err to GR_CUDA (or GR_INTERRUPT, GR_MEMORY,
 * GR_ARGUMENT). */
struct gr_device {
  /* The number of usable devices.  On error, n is 0 if there is no driver or no device, and -1 if
   * there is one that cannot be used. */
  gr_class (*count)(int *n, gr_error *err);
  gr_class (*info)(int id, gr_device_info *info, gr_error *err);
  void (*libraries)(gr_device_libraries *libraries);
  /* The engine has checked the arguments. */
  gr_class (*run)(const gr_run *run, gr_error *err);
  gr_class (*compile)(gr_program *p, const gr_options *opt, gr_report *report, gr_error *err);
  /* Creates a matrix on device `id` with undefined entries.  put and get copy all of it from and to
   * column-major doubles whose columns are `stride` apart (indices are 1-based, NaN for none). */
  gr_class (*make)(int id, int64_t rows, int64_t cols, gr_storage_type type, gr_buffer **out, gr_error *err);
  gr_class (*put)(gr_buffer *b, const double *data, int64_t stride, gr_error *err);
  gr_class (*get)(const gr_buffer *b, double *data, int64_t stride, gr_error *err);
  void (*free)(gr_buffer *b);   /* accepts NULL; allowed in a forked child and after a fault */
  void (*shutdown)(void);       /* releases everything; remaining buffers are lost */
};

#endif
