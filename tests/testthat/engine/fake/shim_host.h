/* shim_host.h: the interface between a kernel compiled for the host (cuda_shim.h) and block.c,
 * which runs it.
 *
 * C and C++, without other headers.  block.c owns one shim_host and passes its address to every
 * kernel library (shim_bind).  Its fields that describe the running thread change at each switch
 * between threads, which happens inside of `barrier` and `warp` only. */
#ifndef SHIM_HOST_H
#define SHIM_HOST_H

typedef unsigned long long shim_bits;

typedef struct shim_dim {
  unsigned x, y, z;
} shim_dim;

typedef enum shim_warp_op { SHIM_SYNC, SHIM_BALLOT, SHIM_IDX, SHIM_UP, SHIM_DOWN, SHIM_XOR } shim_warp_op;

typedef struct shim_host {
  shim_dim thread, block, block_dim, grid_dim;
  void *shared; /* dynamic shared memory of the block */
  /* Waits for all threads of the block; returns the number of those that passed `yes`. */
  int (*barrier)(int yes, int line);
  /* Waits for the lanes in mask; returns the ballot, or the bits of the lane that op and arg
   * select. */
  shim_bits (*warp)(shim_warp_op op, unsigned mask, shim_bits bits, int arg, int width, int line);
  unsigned (*active)(void);
  /* Called at every memory access of kernels compiled with SHIM_CHECK. */
  void (*access)(const void *at, unsigned bytes, int write);
  void (*trap)(const char *what);
} shim_host;

/* A kernel of a library; the array `shim_kernels` lists them and ends with a name of NULL. */
typedef struct shim_kernel {
  const char *name;
  void (*enter)(void **arguments);
  const unsigned *sizes; /* of the arguments, in bytes, ended by 0 */
  unsigned threads;      /* __launch_bounds__, or 0 */
} shim_kernel;

#endif
