/* cuda_shim.h: the part of CUDA C++ that kernels use, for the host's C++ compiler.
 *
 * fake_nvrtc.c compiles it in front of a kernel's source.  It includes no system header, as NVRTC
 * offers none: only what is built into CUDA may be declared here.  Warps have 32 lanes; barriers
 * and shuffles are block.c's.  Declarations of dynamic shared memory are rewritten by
 * fake_rewrite.c; static __shared__ variables are not supported. */
#ifndef CUDA_SHIM_H
#define CUDA_SHIM_H

#include "shim_host.h"

static shim_host *shim;
extern "C" __attribute__((no_sanitize("thread"))) void shim_bind(shim_host *host) { shim = host; }

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (shim->thread)
#define blockIdx (shim->block)
#define blockDim (shim->block_dim)
#define gridDim (shim->grid_dim)
#define warpSize 32

/* ---- waiting for other threads ---- */

#define __syncthreads() ((void)shim->barrier(0, __LINE__))
#define __syncthreads_count(yes) (shim->barrier((yes) != 0, __LINE__))
#define __syncthreads_or(yes) (shim->barrier((yes) != 0, __LINE__) != 0)
#define __syncthreads_and(yes) (shim->barrier((yes) == 0, __LINE__) == 0)
#define shim_no_barrier() ((void)0) /* what a removed barrier becomes */

template <class T> static inline T shim_shuffle(shim_warp_op op, unsigned mask, T v, int arg, int width, int line) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  shim_bits bits = 0;
  __builtin_memcpy(&bits, &v, sizeof v);
  bits = shim->warp(op, mask, bits, arg, width, line);
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}

/* __LINE__ of the caller identifies the barrier. */
#define SHIM_LINE int line = __builtin_LINE()
template <class T> static inline T __shfl_sync(unsigned mask, T v, int lane, int width = 32, SHIM_LINE) { return shim_shuffle(SHIM_IDX, mask, v, lane, width, line); }
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, int by, int width = 32, SHIM_LINE) { return shim_shuffle(SHIM_UP, mask, v, by, width, line); }
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, int by, int width = 32, SHIM_LINE) { return shim_shuffle(SHIM_DOWN, mask, v, by, width, line); }
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32, SHIM_LINE) { return shim_shuffle(SHIM_XOR, mask, v, with, width, line); }
static inline unsigned __ballot_sync(unsigned mask, int yes, SHIM_LINE) { return (unsigned)shim->warp(SHIM_BALLOT, mask, yes != 0, 0, 32, line); }
static inline int __any_sync(unsigned mask, int yes, SHIM_LINE) { return __ballot_sync(mask, yes, line) != 0; }
static inline int __all_sync(unsigned mask, int yes, SHIM_LINE) { return __ballot_sync(mask, !yes, line) == 0; }
static inline void __syncwarp(unsigned mask = 0xffffffffu, SHIM_LINE) { shim->warp(SHIM_SYNC, mask, 0, 0, 32, line); }
static inline unsigned __activemask() { return shim->active(); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __trap() { shim->trap("__trap"); }

/* ---- vectors ---- */

#define SHIM_VECTORS(V) V(float, float, 4) V(double, double, 8) V(int, int, 4) V(uint, unsigned, 4) V(longlong, long long, 8)
#define V(name, T, size)                                                                                       \
  struct __align__(2 * size) name##2 { T x, y; };                                                              \
  struct name##3 { T x, y, z; };                                                                               \
  struct __align__(16) name##4 { T x, y, z, w; };                                                              \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                            \
  static inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                    \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SHIM_VECTORS(V)
#undef V

/* ---- mathematics: each for double, for float, and for float with an f behind its name ---- */

#define SHIM_MATH(F1, F2)                                                                                      \
  F1(acos) F1(acosh) F1(asin) F1(asinh) F1(atan) F1(atanh) F1(cbrt) F1(ceil) F1(cos) F1(cosh) F1(erf) F1(erfc) \
  F1(exp) F1(exp2) F1(exp10) F1(expm1) F1(fabs) F1(floor) F1(lgamma) F1(log) F1(log10) F1(log1p) F1(log2)      \
  F1(nearbyint) F1(rint) F1(round) F1(sin) F1(sinh) F1(sqrt) F1(tan) F1(tanh) F1(tgamma) F1(trunc)             \
  F2(atan2) F2(copysign) F2(fdim) F2(fmax) F2(fmin) F2(fmod) F2(hypot) F2(pow) F2(remainder)
#define F1(name)                                                                                               \
  extern "C" double name(double) noexcept;                                                                     \
  extern "C" float name##f(float) noexcept;                                                                    \
  static inline float name(float x) { return name##f(x); }
#define F2(name)                                                                                               \
  extern "C" double name(double, double) noexcept;                                                             \
  extern "C" float name##f(float, float) noexcept;                                                             \
  static inline float name(float x, float y) { return name##f(x, y); }
SHIM_MATH(F1, F2)
#undef F1
#undef F2
extern "C" double fma(double, double, double) noexcept;
extern "C" float fmaf(float, float, float) noexcept;
extern "C" double ldexp(double, int) noexcept;
extern "C" float ldexpf(float, int) noexcept;
static inline float fma(float a, float b, float c) { return fmaf(a, b, c); }
static inline float ldexp(float x, int n) { return ldexpf(x, n); }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline double sinpi(double x) { return sin(3.14159265358979323846 * fmod(x, 2.0)); }
static inline double cospi(double x) { return cos(3.14159265358979323846 * fmod(x, 2.0)); }
static inline float sinpif(float x) { return (float)sinpi((double)x); }
static inline float cospif(float x) { return (float)cospi((double)x); }
static inline void sincosf(float x, float *s, float *c) { *s = sinf(x), *c = cosf(x); }
static inline void sincos(double x, double *s, double *c) { *s = sin(x), *c = cos(x); }

/* Approximate functions of the device, here exact, and operations that must not be contracted. */
static inline float __expf(float x) { return expf(x); }
static inline float __exp10f(float x) { return exp10f(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __log2f(float x) { return log2f(x); }
static inline float __log10f(float x) { return log10f(x); }
static inline float __sinf(float x) { return sinf(x); }
static inline float __cosf(float x) { return cosf(x); }
static inline float __tanf(float x) { return tanf(x); }
static inline float __powf(float x, float y) { return powf(x, y); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frsqrt_rn(float x) { return 1 / sqrtf(x); }
static inline float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1 : 0; }
#define SHIM_ROUNDED(T, add, sub, mul, div, fused, fma)                                                        \
  static inline T add(T a, T b) { volatile T r = a + b; return r; }                                            \
  static inline T sub(T a, T b) { volatile T r = a - b; return r; }                                            \
  static inline T mul(T a, T b) { volatile T r = a * b; return r; }                                            \
  static inline T div(T a, T b) { return a / b; }                                                              \
  static inline T fused(T a, T b, T c) { return fma(a, b, c); }
SHIM_ROUNDED(float, __fadd_rn, __fsub_rn, __fmul_rn, __fdiv_rn, __fmaf_rn, fmaf)
SHIM_ROUNDED(double, __dadd_rn, __dsub_rn, __dmul_rn, __ddiv_rn, __fma_rn, fma)

#define T(type)                                                                                                \
  static inline bool isnan(type x) { return __builtin_isnan(x); }                                              \
  static inline bool isinf(type x) { return __builtin_isinf(x); }                                              \
  static inline bool isfinite(type x) { return __builtin_isfinite(x); }                                        \
  static inline bool signbit(type x) { return __builtin_signbit(x); }                                          \
  static inline type min(type a, type b) { return __builtin_fmin(a, b); }                                      \
  static inline type max(type a, type b) { return __builtin_fmax(a, b); }
T(float) T(double)
#undef T
#define T(type)                                                                                                \
  static inline type min(type a, type b) { return a < b ? a : b; }                                             \
  static inline type max(type a, type b) { return a > b ? a : b; }
T(int) T(unsigned) T(long) T(unsigned long) T(long long) T(unsigned long long)
#undef T
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long abs(long x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return fabs(x); }

/* ---- bits, conversions, memory ---- */

#define SHIM_CAST(name, to, from)                                                                              \
  static inline to name(from x) { to y; static_assert(sizeof x == sizeof y, ""); __builtin_memcpy(&y, &x, sizeof y); return y; }
SHIM_CAST(__float_as_int, int, float)
SHIM_CAST(__float_as_uint, unsigned, float)
SHIM_CAST(__int_as_float, float, int)
SHIM_CAST(__uint_as_float, float, unsigned)
SHIM_CAST(__double_as_longlong, long long, double)
SHIM_CAST(__longlong_as_double, double, long long)
static inline int __double2hiint(double x) { return (int)(__double_as_longlong(x) >> 32); }
static inline int __double2loint(double x) { return (int)__double_as_longlong(x); }
static inline double __hiloint2double(int hi, int lo) { return __longlong_as_double((long long)(((shim_bits)(unsigned)hi << 32) | (unsigned)lo)); }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline int __float2int_rd(float x) { return (int)floorf(x); }
static inline int __double2int_rn(double x) { return (int)rint(x); }
static inline int __double2int_rd(double x) { return (int)floor(x); }
static inline float __double2float_rn(double x) { return (float)x; }
static inline float __int2float_rn(int x) { return (float)x; }
static inline double __int2double_rn(int x) { return (double)x; }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(shim_bits x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((shim_bits)x) : 64; }
template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
template <class T> static inline void __stcs(T *p, T v) { *p = v; }
extern "C" void *memcpy(void *, const void *, unsigned long) noexcept;
extern "C" void *memset(void *, int, unsigned long) noexcept;
#define assert(ok) ((ok) ? (void)0 : shim->trap("assert(" #ok ")"))

/* ---- how a kernel is entered with the addresses of its arguments ---- */

template <int... I> struct shim_places {};
template <int N, int... I> struct shim_count : shim_count<N - 1, N - 1, I...> {};
template <int... I> struct shim_count<0, I...> { typedef shim_places<I...> places; };
template <class... A, int... I> static inline void shim_apply(void (*f)(A...), void **p, shim_places<I...>) { f(*(A *)p[I]...); }
template <class... A> static inline void shim_call(void (*f)(A...), void **p) { shim_apply(f, p, typename shim_count<sizeof...(A)>::places()); }
template <class... A> struct shim_sizes_of {
  static constexpr unsigned sizes[] = {sizeof(A)..., 0};
};
template <class... A> static constexpr const unsigned *shim_sizes(void (*)(A...)) { return shim_sizes_of<A...>::sizes; }
#define SHIM_KERNEL(name, threads) {#name, [](void **p) { shim_call(name, p); }, shim_sizes(name), threads},

/* ---- every access to memory is reported: what -fsanitize=thread calls ---- */

#ifdef SHIM_CHECK
#define SHIM_CALLED(symbol, name, parameters, body)                                                            \
  extern "C" void name parameters __asm__(symbol);                                                             \
  extern "C" __attribute__((no_sanitize("thread"))) void name parameters { body; }
#define SHIM_ACCESS(n)                                                                                         \
  SHIM_CALLED("__tsan_read" #n, shim_read##n, (void *p), shim->access(p, n, 0))                                \
  SHIM_CALLED("__tsan_write" #n, shim_write##n, (void *p), shim->access(p, n, 1))                              \
  SHIM_CALLED("__tsan_unaligned_read" #n, shim_unaligned_read##n, (void *p), shim->access(p, n, 0))            \
  SHIM_CALLED("__tsan_unaligned_write" #n, shim_unaligned_write##n, (void *p), shim->access(p, n, 1))
SHIM_ACCESS(1) SHIM_ACCESS(2) SHIM_ACCESS(4) SHIM_ACCESS(8) SHIM_ACCESS(16)
SHIM_CALLED("__tsan_read_range", shim_read_range, (void *p, long n), shim->access(p, (unsigned)n, 0))
SHIM_CALLED("__tsan_write_range", shim_write_range, (void *p, long n), shim->access(p, (unsigned)n, 1))
SHIM_CALLED("__tsan_init", shim_init, (), )
SHIM_CALLED("__tsan_func_entry", shim_func_entry, (void *), )
SHIM_CALLED("__tsan_func_exit", shim_func_exit, (void *), )
#endif

#endif
