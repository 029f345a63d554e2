/* fake_module.c: modules, functions and launches in the stand-in for libcuda.
 *
 * An image is a shared object that the stand-in for NVRTC (fake_nvrtc.c) compiled, or "PTX": the
 * same in hexadecimal digits.  Shared memory per block, threads per block and occupancy have the
 * limits of an H100. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>

#include "fake_driver.h"

enum { ARGUMENTS_MAX = 32 }; /* of a kernel */

/* ---- modules ---- */

static bool function_lives(cu_function f) {
  for (const object *o = fake_driver.objects; o; o = o->next)
    if (o->kind == MODULE)
      for (cu_function g = ((cu_module)o)->functions; g; g = g->next)
        if (g == f) return true;
  return false;
}

static size_t elf_size(const void *image) {
  Elf64_Ehdr h;
  memcpy(&h, image, sizeof h);
  if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0) return 0;
  return h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* The bytes of the object that a PTX encodes; malloc'ed. */
static char *from_ptx(const char *s, size_t *bytes) {
  static const char head[] = "// fake PTX\n";
  if (strncmp(s, head, strlen(head)) != 0) return NULL;
  s += strlen(head);
  *bytes = strlen(s) / 2;
  char *out = malloc(*bytes + 1);
  for (size_t k = 0; out && k < *bytes; k++) out[k] = (char)(digit(s[2 * k]) << 4 | digit(s[2 * k + 1]));
  return out;
}

/* Loads the object from a file that is removed at once. */
static void *load_library(const void *object, size_t bytes) {
  const char *tmp = getenv("TMPDIR");
  char path[2048];
  snprintf(path, sizeof path, "%s/fake-module-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  int file = mkstemp(path);
  if (file < 0) return NULL;
  void *library = write(file, object, bytes) == (ssize_t)bytes ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!library && fake_number("GENRED_FAKE_VERBOSE", 0)) fprintf(stderr, "%s\n", dlerror());
  close(file);
  unlink(path);
  return library;
}

/* A cubin runs on devices of its generation, PTX on all that are not older. */
static bool fits(int arch, bool ptx) { return arch <= capability() && (ptx || arch / 10 == capability() / 10); }

static cu_result load(cu_module *module, const void *image) {
  size_t bytes = elf_size(image);
  char *decoded = bytes ? NULL : from_ptx(image, &bytes);
  if (!bytes || (memcmp(image, "//", 2) == 0 && !decoded)) return CUDA_ERROR_INVALID_IMAGE;
  void *library = load_library(decoded ? decoded : image, bytes);
  free(decoded);
  if (!library) return CUDA_ERROR_INVALID_IMAGE;
  const int *arch = dlsym(library, "shim_arch");
  const shim_kernel *kernels = dlsym(library, "shim_kernels");
  void (*bind)(shim_host *);
  *(void **)&bind = dlsym(library, "shim_bind");
  cu_result r = !arch || !kernels || !bind ? CUDA_ERROR_INVALID_IMAGE : fits(*arch, decoded != NULL) ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
  cu_module m = r ? NULL : born(MODULE, sizeof *m);
  if (!m) {
    dlclose(library);
    return r ? r : CUDA_ERROR_OUT_OF_MEMORY;
  }
  bind(block_host());
  m->library = library;
  m->kernels = kernels;
  *module = m;
  return CUDA_SUCCESS;
}

cu_result cuModuleLoadData(cu_module *module, const void *image) {
  cu_result r = enter(FN_cuModuleLoadData);
  return leave(FN_cuModuleLoadData, r ? r : load(module, image));
}

void end_module(cu_module m) {
  for (cu_function f = m->functions, next; f; f = next) {
    next = f->next;
    free(f);
  }
  dlclose(m->library);
  gone(&m->o);
}

static cu_result do_unload(cu_module m) {
  if (!lives(MODULE, m)) return CUDA_ERROR_INVALID_HANDLE;
  drain_all(m->o.owner);
  end_module(m);
  return CUDA_SUCCESS;
}

cu_result cuModuleUnload(cu_module module) {
  cu_result r = enter(FN_cuModuleUnload);
  return leave(FN_cuModuleUnload, r ? r : do_unload(module));
}

static cu_result do_get_function(cu_function *function, cu_module m, const char *name) {
  if (!lives(MODULE, m)) return CUDA_ERROR_INVALID_HANDLE;
  const shim_kernel *k = m->kernels;
  while (k->name && strcmp(k->name, name) != 0) k++;
  if (!k->name) return CUDA_ERROR_NOT_FOUND;
  cu_function f = calloc(1, sizeof *f);
  if (!f) return CUDA_ERROR_OUT_OF_MEMORY;
  *f = (struct cu_function_){.kernel = k, .module = m, .dynamic = SHARED_DEFAULT, .next = m->functions};
  *function = m->functions = f;
  return CUDA_SUCCESS;
}

cu_result cuModuleGetFunction(cu_function *function, cu_module module, const char *name) {
  cu_result r = enter(FN_cuModuleGetFunction);
  return leave(FN_cuModuleGetFunction, r ? r : do_get_function(function, module, name));
}

static int threads_most(cu_function f) { return f->kernel->threads ? (int)f->kernel->threads : 1024; }

static cu_result do_function_attribute(int *value, cu_function_attribute a, cu_function f) {
  if (!function_lives(f)) return CUDA_ERROR_INVALID_HANDLE;
  switch (a) {
  case CU_FUNC_MAX_THREADS_PER_BLOCK: *value = threads_most(f); break;
  case CU_FUNC_SHARED_SIZE_BYTES: case CU_FUNC_LOCAL_SIZE_BYTES: *value = 0; break;
  case CU_FUNC_NUM_REGS: *value = 64; break;
  case CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = f->dynamic; break;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

cu_result cuFuncGetAttribute(int *value, cu_function_attribute attribute, cu_function function) {
  cu_result r = enter(FN_cuFuncGetAttribute);
  return leave(FN_cuFuncGetAttribute, r ? r : do_function_attribute(value, attribute, function));
}

cu_result cuFuncSetAttribute(cu_function function, cu_function_attribute attribute, int value) {
  cu_result r = enter(FN_cuFuncSetAttribute);
  if (!r && !function_lives(function)) r = CUDA_ERROR_INVALID_HANDLE;
  if (!r && (attribute != CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value > SHARED_OPTIN)) r = CUDA_ERROR_INVALID_VALUE;
  if (!r) function->dynamic = value;
  return leave(FN_cuFuncSetAttribute, r);
}

/* By threads (1024 of 64 registers each) and by shared memory (228 KiB, 1 KiB reserved per
 * block). */
static cu_result do_occupancy(int *blocks, cu_function f, int threads, size_t shared) {
  if (!function_lives(f)) return CUDA_ERROR_INVALID_HANDLE;
  if (threads <= 0 || threads > 1024) return CUDA_ERROR_INVALID_VALUE;
  int by_threads = 1024 / ((threads + 31) / 32 * 32), by_shared = (int)((228u << 10) / (shared + 1024));
  *blocks = threads > threads_most(f) || shared > (size_t)f->dynamic ? 0 : by_threads < by_shared ? by_threads : by_shared;
  return CUDA_SUCCESS;
}

cu_result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, cu_function function, int threads, size_t shared) {
  cu_result r = enter(FN_cuOccupancyMaxActiveBlocksPerMultiprocessor);
  return leave(FN_cuOccupancyMaxActiveBlocksPerMultiprocessor, r ? r : do_occupancy(blocks, function, threads, shared));
}

/* ---- launches ---- */

/* A copy of the values of the arguments at the launch: addresses, then what they point to. */
static char *take_arguments(const unsigned *sizes, void **arguments) {
  size_t n = 0, bytes = 0;
  while (sizes[n]) bytes += (sizes[n++] + 15u) & ~15u;
  if (n > ARGUMENTS_MAX || (n && !arguments)) return NULL;
  char *out = malloc(ARGUMENTS_MAX * sizeof(void *) + bytes), *at = out + ARGUMENTS_MAX * sizeof(void *);
  for (size_t k = 0; out && k < n; k++) {
    ((void **)out)[k] = at;
    memcpy(at, arguments[k], sizes[k]);
    at += (sizes[k] + 15u) & ~15u;
  }
  return out;
}

static cu_result do_launch(cu_function f, shim_dim grid, shim_dim block, unsigned shared, cu_stream s, void **arguments) {
  uint64_t threads = (uint64_t)block.x * block.y * block.z;
  if (!function_lives(f) || stream_ok(s)) return CUDA_ERROR_INVALID_HANDLE;
  if (f->module->o.owner != current || (s && s->o.owner != current)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!grid.x || !grid.y || !grid.z || !threads || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return CUDA_ERROR_INVALID_VALUE;
  if (threads > 1024 || block.z > 64 || shared > (unsigned)f->dynamic) return CUDA_ERROR_INVALID_VALUE;
  if (threads > (uint64_t)threads_most(f)) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  char *values = take_arguments(f->kernel->sizes, arguments);
  if (!values) return CUDA_ERROR_INVALID_VALUE;
  launch l = {.enter = f->kernel->enter, .arguments = (void **)values, .grid = grid, .block = block, .shared = shared, .find = kernel_memory};
  return give(s, (work){.kind = LAUNCH, .function = f, .launch = l, .values = values});
}

cu_result cuLaunchKernel(cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                         unsigned shared, cu_stream stream, void **arguments, void **extra) {
  cu_result r = enter(FN_cuLaunchKernel);
  if (!r && extra) r = CUDA_ERROR_INVALID_VALUE;
  if (!r) r = do_launch(function, (shim_dim){grid_x, grid_y, grid_z}, (shim_dim){block_x, block_y, block_z}, shared, stream, arguments);
  return leave(FN_cuLaunchKernel, r);
}
