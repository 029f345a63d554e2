/* fake_memory.c: device buffers, pinned memory and copies in the stand-in for libcuda.
 *
 * Buffers start as NaN (FAKE_POISON) and lie between guard bytes, which must be unchanged after
 * every kernel and when the buffer is freed.  Host memory that is not pinned is read when a copy is
 * asked for, and written before the call returns. */
#define _GNU_SOURCE
#include "fake_driver.h"

/* ---- buffers ---- */

bool guards_hold(const memory *b) {
  for (size_t k = 0; k < GUARD_BYTES; k++)
    if ((unsigned char)b->at[-1 - (long)k] != GUARD_FILL || (unsigned char)b->at[b->bytes + k] != GUARD_FILL) return false;
  return true;
}

/* Asked for each access of a kernel that reports them; the shadow is made at the first. */
const region *kernel_memory(const void *at) {
  const char *p = at;
  for (object *o = fake_driver.objects; o; o = o->next) {
    memory *b = (memory *)o;
    if (o->kind > PINNED || p < b->at - GUARD_BYTES || p >= b->at + b->bytes + GUARD_BYTES) continue;
    if (!b->region.shadow) b->region = (region){b->at, b->bytes, calloc(b->bytes / SHADOW_PIECE + 1, sizeof(shadow))};
    return &b->region;
  }
  return NULL;
}

static memory *new_memory(kind k, size_t bytes) {
  memory *b = born(k, sizeof *b);
  char *p = b ? malloc(bytes + 2 * GUARD_BYTES + 256) : NULL;
  if (b && !p) gone(&b->o);
  if (!p) return NULL;
  b->base = p;
  b->at = (char *)(((uintptr_t)p + GUARD_BYTES + 255) & ~(uintptr_t)255);
  b->bytes = bytes;
  memset(b->at - GUARD_BYTES, GUARD_FILL, GUARD_BYTES);
  memset(b->at, FAKE_POISON, bytes);
  memset(b->at + bytes, GUARD_FILL, GUARD_BYTES);
  return b;
}

void end_memory(memory *b) {
  if (b->o.kind == MEMORY) fake_driver.used[b->o.owner->device] -= b->bytes;
  memset(b->at, FAKE_POISON, b->bytes);
  free(b->base);
  free(b->region.shadow);
  gone(&b->o);
}

/* The buffer of this kind that holds the bytes, or NULL; for bytes = 0 the one that begins
 * there. */
static memory *holder(kind k, const void *at, size_t bytes) {
  const char *p = at;
  for (object *o = fake_driver.objects; o; o = o->next) {
    memory *b = (memory *)o;
    if (o->kind == k && (bytes ? p >= b->at && p < b->at + b->bytes && bytes <= (size_t)(b->at + b->bytes - p) : p == b->at)) return b;
  }
  return NULL;
}

static cu_result do_alloc(cu_address *address, size_t bytes) {
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  size_t *used = &fake_driver.used[current->device];
  if (bytes > total_memory() || *used > total_memory() - bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  memory *b = new_memory(MEMORY, bytes);
  if (!b) return CUDA_ERROR_OUT_OF_MEMORY;
  *used += bytes;
  *address = (cu_address)(uintptr_t)b->at;
  return CUDA_SUCCESS;
}

cu_result cuMemAlloc_v2(cu_address *address, size_t bytes) {
  cu_result r = enter(FN_cuMemAlloc_v2);
  return leave(FN_cuMemAlloc_v2, r ? r : do_alloc(address, bytes));
}

static cu_result free_memory(kind k, const void *at) {
  memory *b = holder(k, at, 0);
  if (!b) return CUDA_ERROR_INVALID_VALUE;
  drain_all(b->o.owner);
  bool ok = guards_hold(b);
  end_memory(b);
  if (!ok) snprintf(fake_driver.fault, sizeof fake_driver.fault, "a buffer was written outside of its bounds");
  return ok ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
}

cu_result cuMemFree_v2(cu_address address) {
  cu_result r = enter(FN_cuMemFree_v2);
  if (!r && address) r = free_memory(MEMORY, (void *)(uintptr_t)address);
  return leave(FN_cuMemFree_v2, r);
}

cu_result cuMemGetInfo_v2(size_t *free, size_t *total) {
  cu_result r = enter(FN_cuMemGetInfo_v2);
  if (!r) {
    size_t used = fake_driver.used[current->device];
    *total = total_memory();
    *free = used < *total ? *total - used : 0;
  }
  return leave(FN_cuMemGetInfo_v2, r);
}

static cu_result do_host_alloc(void **at, size_t bytes, unsigned flags) {
  if (!bytes || flags & ~7u) return CUDA_ERROR_INVALID_VALUE;
  memory *b = new_memory(PINNED, bytes);
  if (!b) return CUDA_ERROR_OUT_OF_MEMORY;
  *at = b->at;
  return CUDA_SUCCESS;
}

cu_result cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  cu_result r = enter(FN_cuMemHostAlloc);
  return leave(FN_cuMemHostAlloc, r ? r : do_host_alloc(memory, bytes, flags));
}

cu_result cuMemFreeHost(void *memory) {
  cu_result r = enter(FN_cuMemFreeHost);
  if (!r) r = free_memory(PINNED, memory);
  return leave(FN_cuMemFreeHost, r);
}

/* ---- copies ---- */

static cu_result copy(void *to, const void *from, size_t bytes, cu_stream s, bool reads_host, bool writes_host) {
  if (stream_ok(s)) return CUDA_ERROR_INVALID_HANDLE;
  if (bytes == 0) return CUDA_SUCCESS;
  if ((!reads_host && !holder(MEMORY, from, bytes)) || (!writes_host && !holder(MEMORY, to, bytes))) return CUDA_ERROR_INVALID_VALUE;
  work w = {.kind = COPY, .to = to, .from = from, .bytes = bytes};
  if (reads_host && !holder(PINNED, from, bytes)) {
    w.snapshot = malloc(bytes);
    if (!w.snapshot) return CUDA_ERROR_OUT_OF_MEMORY;
    w.from = memcpy(w.snapshot, from, bytes);
  }
  cu_result r = give(s, w);
  if (s && writes_host && !holder(PINNED, to, bytes)) drain(s);
  return r ? r : current->fault;
}

cu_result cuMemcpyHtoDAsync_v2(cu_address to, const void *from, size_t bytes, cu_stream stream) {
  cu_result r = enter(FN_cuMemcpyHtoDAsync_v2);
  return leave(FN_cuMemcpyHtoDAsync_v2, r ? r : copy((void *)(uintptr_t)to, from, bytes, stream, true, false));
}

cu_result cuMemcpyDtoHAsync_v2(void *to, cu_address from, size_t bytes, cu_stream stream) {
  cu_result r = enter(FN_cuMemcpyDtoHAsync_v2);
  return leave(FN_cuMemcpyDtoHAsync_v2, r ? r : copy(to, (void *)(uintptr_t)from, bytes, stream, false, true));
}

cu_result cuMemcpyDtoDAsync_v2(cu_address to, cu_address from, size_t bytes, cu_stream stream) {
  cu_result r = enter(FN_cuMemcpyDtoDAsync_v2);
  return leave(FN_cuMemcpyDtoDAsync_v2, r ? r : copy((void *)(uintptr_t)to, (void *)(uintptr_t)from, bytes, stream, false, false));
}
