/* cu_api.h: what genred knows of CUDA: the few types, numbers and functions of the driver and of
 * NVRTC that it uses.
 *
 * Own declarations: no CUDA header is ever included, so that the package compiles where there is
 * none.  Names of functions are those of the libraries, because they are looked up by them; numbers
 * are those of the CUDA headers, which never change (a new meaning gets a new symbol, hence the
 * _v2).  From the two tables of functions come the struct of pointers and the loader (cu_load.c),
 * and the libraries that stand in for the real ones in the tests, which therefore cannot drift
 * apart.  The header is C and C++. */
#ifndef GENRED_CU_API_H
#define GENRED_CU_API_H

#include <stddef.h>

#if defined(_WIN32) && !defined(_WIN64)
#define CU_CALL __stdcall
#else
#define CU_CALL
#endif

/* ---- types: handles are pointers that only the driver looks into ---- */

typedef int cu_device;
typedef unsigned long long cu_address; /* of device memory; 0: none */
typedef struct cu_context_ *cu_context;
typedef struct cu_module_ *cu_module;
typedef struct cu_function_ *cu_function;
typedef struct cu_stream_ *cu_stream;
typedef struct cu_event_ *cu_event;
typedef struct nv_program_ *nv_program;

/* Results of the driver: CODE(name, number, what it means). */
#define CU_RESULTS(CODE)                                                          \
  CODE(SUCCESS, 0, "no error")                                                    \
  CODE(ERROR_INVALID_VALUE, 1, "invalid argument")                                \
  CODE(ERROR_OUT_OF_MEMORY, 2, "out of memory")                                   \
  CODE(ERROR_NOT_INITIALIZED, 3, "initialization error")                          \
  CODE(ERROR_DEINITIALIZED, 4, "driver shutting down")                            \
  CODE(ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected")                \
  CODE(ERROR_INVALID_DEVICE, 101, "invalid device ordinal")                       \
  CODE(ERROR_INVALID_IMAGE, 200, "device kernel image is invalid")                \
  CODE(ERROR_INVALID_CONTEXT, 201, "invalid device context")                      \
  CODE(ERROR_NO_BINARY_FOR_GPU, 209, "no kernel image is available for execution on the device") \
  CODE(ERROR_INVALID_PTX, 218, "a PTX JIT compilation failed")                    \
  CODE(ERROR_UNSUPPORTED_PTX_VERSION, 222, "the provided PTX was compiled with an unsupported toolchain.") \
  CODE(ERROR_INVALID_HANDLE, 400, "invalid resource handle")                      \
  CODE(ERROR_NOT_FOUND, 500, "named symbol not found")                            \
  CODE(ERROR_NOT_READY, 600, "device not ready")                                  \
  CODE(ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered")    \
  CODE(ERROR_LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch") \
  CODE(ERROR_LAUNCH_TIMEOUT, 702, "the launch timed out and was terminated")      \
  CODE(ERROR_CONTEXT_IS_DESTROYED, 709, "context is destroyed")                   \
  CODE(ERROR_ASSERT, 710, "device-side assert triggered")                         \
  CODE(ERROR_HARDWARE_STACK_ERROR, 714, "hardware stack error")                   \
  CODE(ERROR_ILLEGAL_INSTRUCTION, 715, "an illegal instruction was encountered")  \
  CODE(ERROR_MISALIGNED_ADDRESS, 716, "misaligned address")                       \
  CODE(ERROR_INVALID_ADDRESS_SPACE, 717, "operation not supported on global/shared address space") \
  CODE(ERROR_INVALID_PC, 718, "invalid program counter")                          \
  CODE(ERROR_LAUNCH_FAILED, 719, "unspecified launch failure")                    \
  CODE(ERROR_SYSTEM_DRIVER_MISMATCH, 803, "system has unsupported display driver / cuda driver combination") \
  CODE(ERROR_UNKNOWN, 999, "unknown error")

#define CODE(name, number, text) CUDA_##name = number,
typedef enum cu_result { CU_RESULTS(CODE) } cu_result;
#undef CODE

typedef enum cu_attribute {
  CU_DEVICE_MAX_THREADS_PER_BLOCK = 1,
  CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK = 8,
  CU_DEVICE_CLOCK_RATE = 13, /* kHz */
  CU_DEVICE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_SINGLE_TO_DOUBLE_PERF_RATIO = 87,
  CU_DEVICE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97
} cu_attribute;

typedef enum cu_function_attribute {
  CU_FUNC_MAX_THREADS_PER_BLOCK = 0,
  CU_FUNC_SHARED_SIZE_BYTES = 1,
  CU_FUNC_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_NUM_REGS = 4,
  CU_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8
} cu_function_attribute;

enum { CU_STREAM_NON_BLOCKING = 1, CU_EVENT_DEFAULT = 0, CU_EVENT_DISABLE_TIMING = 2, CU_HOST_ALLOC_PORTABLE = 1 };

typedef enum nv_result {
  NVRTC_SUCCESS = 0,
  NVRTC_ERROR_OUT_OF_MEMORY = 1,
  NVRTC_ERROR_PROGRAM_CREATION_FAILURE = 2,
  NVRTC_ERROR_INVALID_INPUT = 3,
  NVRTC_ERROR_INVALID_PROGRAM = 4,
  NVRTC_ERROR_INVALID_OPTION = 5,
  NVRTC_ERROR_COMPILATION = 6,
  NVRTC_ERROR_BUILTIN_OPERATION_FAILURE = 7,
  NVRTC_ERROR_INTERNAL_ERROR = 11
} nv_result;

/* ---- functions: SYM(need, result, name, parameters); need: NEEDED, or OPTIONAL where an old library may lack it ---- */

#define CU_DRIVER(SYM)                                                                                                     \
  SYM(NEEDED, cu_result, cuInit, (unsigned flags))                                                                         \
  SYM(NEEDED, cu_result, cuDriverGetVersion, (int *version))                                                               \
  SYM(NEEDED, cu_result, cuDeviceGetCount, (int *count))                                                                   \
  SYM(NEEDED, cu_result, cuDeviceGet, (cu_device *device, int ordinal))                                                    \
  SYM(NEEDED, cu_result, cuDeviceGetName, (char *name, int size, cu_device device))                                        \
  SYM(NEEDED, cu_result, cuDeviceGetAttribute, (int *value, cu_attribute attribute, cu_device device))                     \
  SYM(NEEDED, cu_result, cuDeviceTotalMem_v2, (size_t *bytes, cu_device device))                                           \
  SYM(NEEDED, cu_result, cuDevicePrimaryCtxRetain, (cu_context *context, cu_device device))                                \
  SYM(NEEDED, cu_result, cuDevicePrimaryCtxRelease_v2, (cu_device device))                                                 \
  SYM(NEEDED, cu_result, cuDevicePrimaryCtxReset_v2, (cu_device device))                                                   \
  SYM(NEEDED, cu_result, cuCtxSetCurrent, (cu_context context))                                                            \
  SYM(NEEDED, cu_result, cuCtxGetCurrent, (cu_context *context))                                                           \
  SYM(NEEDED, cu_result, cuModuleLoadData, (cu_module *module, const void *image))                                         \
  SYM(NEEDED, cu_result, cuModuleUnload, (cu_module module))                                                               \
  SYM(NEEDED, cu_result, cuModuleGetFunction, (cu_function *function, cu_module module, const char *name))                 \
  SYM(NEEDED, cu_result, cuFuncGetAttribute, (int *value, cu_function_attribute attribute, cu_function function))          \
  SYM(NEEDED, cu_result, cuFuncSetAttribute, (cu_function function, cu_function_attribute attribute, int value))           \
  SYM(NEEDED, cu_result, cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                      \
      (int *blocks, cu_function function, int threads, size_t shared))                                                     \
  SYM(NEEDED, cu_result, cuMemAlloc_v2, (cu_address *address, size_t bytes))                                               \
  SYM(NEEDED, cu_result, cuMemFree_v2, (cu_address address))                                                               \
  SYM(NEEDED, cu_result, cuMemGetInfo_v2, (size_t *free, size_t *total))                                                   \
  SYM(NEEDED, cu_result, cuMemHostAlloc, (void **memory, size_t bytes, unsigned flags))                                    \
  SYM(NEEDED, cu_result, cuMemFreeHost, (void *memory))                                                                    \
  SYM(NEEDED, cu_result, cuMemcpyHtoDAsync_v2, (cu_address to, const void *from, size_t bytes, cu_stream stream))          \
  SYM(NEEDED, cu_result, cuMemcpyDtoHAsync_v2, (void *to, cu_address from, size_t bytes, cu_stream stream))                \
  SYM(NEEDED, cu_result, cuMemcpyDtoDAsync_v2, (cu_address to, cu_address from, size_t bytes, cu_stream stream))           \
  SYM(NEEDED, cu_result, cuLaunchKernel,                                                                                   \
      (cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,        \
       unsigned block_z, unsigned shared, cu_stream stream, void **arguments, void **extra))                               \
  SYM(NEEDED, cu_result, cuStreamCreate, (cu_stream *stream, unsigned flags))                                              \
  SYM(NEEDED, cu_result, cuStreamDestroy_v2, (cu_stream stream))                                                           \
  SYM(NEEDED, cu_result, cuStreamSynchronize, (cu_stream stream))                                                          \
  SYM(NEEDED, cu_result, cuStreamQuery, (cu_stream stream))                                                                \
  SYM(NEEDED, cu_result, cuStreamWaitEvent, (cu_stream stream, cu_event event, unsigned flags))                            \
  SYM(NEEDED, cu_result, cuEventCreate, (cu_event *event, unsigned flags))                                                 \
  SYM(NEEDED, cu_result, cuEventRecord, (cu_event event, cu_stream stream))                                                \
  SYM(NEEDED, cu_result, cuEventQuery, (cu_event event))                                                                   \
  SYM(NEEDED, cu_result, cuEventSynchronize, (cu_event event))                                                             \
  SYM(NEEDED, cu_result, cuEventElapsedTime, (float *milliseconds, cu_event start, cu_event end))                          \
  SYM(NEEDED, cu_result, cuEventDestroy_v2, (cu_event event))                                                              \
  SYM(NEEDED, cu_result, cuGetErrorName, (cu_result result, const char **name))                                            \
  SYM(NEEDED, cu_result, cuGetErrorString, (cu_result result, const char **text))

/* GetCUBIN came with 11.1, the list of architectures with 11.2. */
#define CU_NVRTC(SYM)                                                                                                      \
  SYM(NEEDED, nv_result, nvrtcVersion, (int *major, int *minor))                                                           \
  SYM(NEEDED, nv_result, nvrtcCreateProgram,                                                                               \
      (nv_program *program, const char *text, const char *name, int n_headers, const char *const *headers,                 \
       const char *const *include_names))                                                                                  \
  SYM(NEEDED, nv_result, nvrtcCompileProgram, (nv_program program, int n_options, const char *const *options))             \
  SYM(OPTIONAL, nv_result, nvrtcGetCUBINSize, (nv_program program, size_t *bytes))                                         \
  SYM(OPTIONAL, nv_result, nvrtcGetCUBIN, (nv_program program, char *cubin))                                               \
  SYM(NEEDED, nv_result, nvrtcGetPTXSize, (nv_program program, size_t *bytes))                                             \
  SYM(NEEDED, nv_result, nvrtcGetPTX, (nv_program program, char *ptx))                                                     \
  SYM(NEEDED, nv_result, nvrtcGetProgramLogSize, (nv_program program, size_t *bytes))                                      \
  SYM(NEEDED, nv_result, nvrtcGetProgramLog, (nv_program program, char *log))                                              \
  SYM(NEEDED, nv_result, nvrtcDestroyProgram, (nv_program * program))                                                      \
  SYM(NEEDED, const char *, nvrtcGetErrorString, (nv_result result))                                                       \
  SYM(OPTIONAL, nv_result, nvrtcGetNumSupportedArchs, (int *n))                                                            \
  SYM(OPTIONAL, nv_result, nvrtcGetSupportedArchs, (int *architectures))

#endif
