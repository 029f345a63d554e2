/* shim_host.h: what a kernel compiled by the host's compiler (cuda_shim.h) and the machine that runs it (block.c) know of each other.
 *
 * C and C++, no other header.  The machine owns one shim_host and hands its address to every kernel library (shim_bind); what it says of the running
 * thread changes at each switch between threads, which happens inside `barrier` and `warp` only. */
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
  /* Waits for all threads of the block; returns how many came with `yes`. */
  int (*barrier)(int yes, int line);
  /* Waits for the lanes in mask; returns the ballot, or the bits of the lane that op and arg name. */
  shim_bits (*warp)(shim_warp_op op, unsigned mask, shim_bits bits, int arg, int width, int line);
  unsigned (*active)(void);
  void (*access)(const void *at, unsigned bytes, int write); /* every access to memory, of kernels compiled with SHIM_CHECK */
  void (*trap)(const char *what);
} shim_host;

/* A kernel of a library, which lists them in `shim_kernels`, ended by a name of NULL. */
typedef struct shim_kernel {
  const char *name;
  void (*enter)(void **arguments);
  const unsigned *sizes; /* of the arguments, in bytes, ended by 0 */
  unsigned threads;      /* __launch_bounds__, or 0 */
} shim_kernel;

#endif
