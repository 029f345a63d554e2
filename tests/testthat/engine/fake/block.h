/* block.h: runs the blocks of a kernel on the host, each thread a fiber (block.c). */
#ifndef FAKE_BLOCK_H
#define FAKE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim_host.h"

typedef enum fault_kind { FAULT_NONE, FAULT_ADDRESS, FAULT_LAUNCH, FAULT_INSTRUCTION } fault_kind;

typedef struct fault {
  fault_kind kind;
  char text[400];
} fault;

/* The last accesses to a piece of memory: threads, and when, in barriers passed so far by all
 * blocks and by the warp. */
typedef struct shadow {
  uint32_t wrote, wrote_warp, read, read_warp;
  uint16_t writer, reader;
  bool many, many_warps; /* readers since the last write */
} shadow;

enum { SHADOW_PIECE = 4 }; /* bytes */

/* A buffer of the device, with a shadow for every piece of it. */
typedef struct region {
  const char *at;
  size_t bytes;
  shadow *shadow;
} region;

/* The buffer at an address or close to it; NULL for stacks and constants. */
typedef const region *find_region(const void *at);

typedef struct launch {
  void (*enter)(void **);
  void **arguments;
  shim_dim grid, block;
  size_t shared;
  find_region *find;
} launch;

shim_host *block_host(void); /* what shim_bind takes */
/* Runs all blocks; false with the reason where one does what a device does not allow.
 * GENRED_FAKE_SCHEDULE: order, reverse, random. */
bool block_run(const launch *what, fault *why);

/* The bytes of uninitialized memory: NaN in every floating-point type, -1 in every integer type. */
enum { FAKE_POISON = 0xff };

#endif
