/* block.h: a machine that runs the blocks of a kernel, one after the other, each thread a fiber (block.c). */
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

/* What memory a kernel may touch: 1 yes, 0 no, -1 not known (stack, constants). */
typedef int memory_check(const void *at, unsigned bytes, bool write);

typedef struct launch {
  void (*enter)(void **);
  void **arguments;
  shim_dim grid, block;
  size_t shared;
  memory_check *memory;
} launch;

shim_host *block_host(void); /* what shim_bind takes */
/* Runs all blocks; false with a fault when one did what a device does not allow. GENRED_FAKE_SCHEDULE: order, reverse, random. */
bool block_run(const launch *what, fault *why);

enum { FAKE_POISON = 0xff }; /* bytes of memory that nobody wrote: NaN in every floating type, -1 in every integer one */

#endif
