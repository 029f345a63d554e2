/* prelude_types.h: the types of a kernel, and loads, stores, conversions and selection of lanes
 * (prelude.h).
 *
 * Assumes   that it is the first text of the file. */

#if GR_F64
typedef double T;
typedef long long TI;
typedef unsigned long long GR_TU;
#define GR_TBYTES 8
#define GR_K(f32, f64) f64
#else
typedef float T;
typedef int TI;
typedef unsigned GR_TU;
#define GR_TBYTES 4
#define GR_K(f32, f64) f32
#endif

#ifndef GR_VBYTES
#if defined(__AVX512F__)
#define GR_VBYTES 64
#elif defined(__AVX__)
#define GR_VBYTES 32
#else
#define GR_VBYTES 16
#endif
#endif
#define GR_L (GR_VBYTES / GR_TBYTES)

/* Everything is inlined, so how a function would pass a vector does not matter. */
_Pragma("GCC diagnostic ignored \"-Wpsabi\"")
#define GR_FN static inline __attribute__((always_inline, unused))
#define GR_RARE static __attribute__((noinline, cold, unused))
#ifdef _WIN32
#define GR_EXPORT __attribute__((dllexport))
#else
#define GR_EXPORT __attribute__((visibility("default")))
#endif

/* For short loops over pairs: a loop marked with GR_ABREAST is unrolled, and the functions after
 * GR_MIX get instruction scheduling before register allocation, so that instructions of several
 * columns are interleaved and hide each other's latency.  clang does this by itself. */
#if defined(__GNUC__) && !defined(__clang__)
/* Kernels have none of what these passes look for (partial redundancies, dead stores, conditions
 * known to be true): without them gcc 12 executes a tenth fewer instructions, and kernels are as
 * fast.  (Without the second scheduler, gcse or branch probabilities some are 4 to 10 % slower.) */
_Pragma("GCC optimize(\"no-tree-pre\", \"no-dse\", \"no-tree-dominator-opts\", \"no-thread-jumps\", \"no-tree-pta\")")
#define GR_MIX _Pragma("GCC optimize(\"schedule-insns\", \"sched-pressure\", \"web\")")
#define GR_ABREAST _Pragma("GCC unroll 4")
/* A loop that keeps all execution units busy is aligned to a cache line: else it is up to 10 %
 * slower, depending on the code before it. */
#define GR_ALIGNED __attribute__((optimize("align-loops=64")))
#else
#define GR_MIX
#define GR_ABREAST
#define GR_ALIGNED
#endif

typedef T V __attribute__((vector_size(GR_VBYTES), may_alias));
/* integers, and masks: lanes 0 or -1 */
typedef TI VI __attribute__((vector_size(GR_VBYTES), may_alias));
typedef double VD __attribute__((vector_size(GR_L * 8), may_alias));
typedef T GR_V1 __attribute__((vector_size(GR_VBYTES), may_alias, aligned(GR_TBYTES)));
typedef double GR_VD1 __attribute__((vector_size(GR_L * 8), may_alias, aligned(8)));
typedef long long GR_VL __attribute__((vector_size(GR_L * 8), may_alias));
/* shifts right without the sign */
typedef GR_TU GR_VN __attribute__((vector_size(GR_VBYTES), may_alias));
/* what the compiler's builtins take */
typedef T GR_BV __attribute__((vector_size(GR_VBYTES)));
typedef TI GR_BI __attribute__((vector_size(GR_VBYTES)));

#define GR_INF ((T)__builtin_inf())
#define GR_MAX GR_K(0x1.fffffep127f, 0x1.fffffffffffffp1023)
#define GR_NAN ((T)__builtin_nan(""))
#define GR_MANT GR_K(23, 52)    /* bits of the fraction */
#define GR_BIAS GR_K(127, 1023) /* of the exponent */
#define GR_SIGN (GR_K(-0x7fffffff, -0x7fffffffffffffffLL) - 1)
#define GR_NEAR GR_K(0x1.8p23f, 0x1.8p52) /* low bits of x + GR_NEAR: the nearest integer */
#define GR_PI_2 GR_K(0x1.921fb6p0f, 0x1.921fb54442d18p0)
#define GR_PI_2_LO GR_K(-0x1.777a5cp-25f, 0x1.1a62633145c07p-54) /* pi/2 = GR_PI_2 + GR_PI_2_LO */

/* ---- memory, constants, conversions ---- */

GR_FN V v_load(const T *p) { return *(const V *)p; } /* p aligned to V */
GR_FN V v_loadu(const T *p) { return *(const GR_V1 *)p; }
GR_FN void v_store(T *p, V a) { *(GR_V1 *)p = a; }
GR_FN VD vd_load(const double *p) { return *(const GR_VD1 *)p; }
GR_FN void vd_store(double *p, VD a) { *(GR_VD1 *)p = a; }

GR_FN V v_set(T a) { return a - (V){0}; } /* minus keeps -0.0, and folds to a broadcast */
GR_FN VI vi_set(TI a) { return a - (VI){0}; }
GR_FN VD vd_set(double a) { return a - (VD){0}; }

GR_FN VD vd_of(V a) { return __builtin_convertvector(a, VD); }
GR_FN V v_of(VD a) { return __builtin_convertvector(a, V); }
GR_FN VI int_of_vd(VD a) { return __builtin_convertvector(a, VI); } /* truncates */
#if GR_F64
/* For |a| < 2^51, added as bits: x86 before AVX-512DQ cannot convert long long. */
GR_FN VD vd_of_int(VI a) { return (VD)(a + (VI)v_set(GR_NEAR)) - GR_NEAR; }
GR_FN V v_of_int(VI a) { return vd_of_int(a); }
#else
GR_FN VD vd_of_int(VI a) { return __builtin_convertvector(a, VD); }
GR_FN V v_of_int(VI a) { return __builtin_convertvector(a, V); }
#endif

/* ---- selection ---- */

/* gcc needs builtins for what GNU C has no words for; clang finds minps, blendv, roundps in the
 * plain text.  GR_X86(min) is the builtin of this type and width. */
#define GR_PASTE3(a, b, c) __builtin_ia32_##a##b##c
#define GR_PASTE(a, b, c) GR_PASTE3(a, b, c)
#if GR_VBYTES == 64 && defined(__AVX512F__)
#define GR_X86(op) GR_PASTE(op, GR_K(ps, pd), 512_mask)
#define GR_AVX512 1
#elif GR_VBYTES == 32 && defined(__AVX__)
#define GR_X86(op) GR_PASTE(op, GR_K(ps, pd), 256)
#define GR_SSE4 1
#elif GR_VBYTES == 16 && defined(__SSE2__)
#define GR_X86(op) GR_PASTE(op, GR_K(ps, pd), )
#ifdef __SSE4_1__
#define GR_SSE4 1
#endif
#endif
#ifdef __clang__
#define GR_GCC 0
#else
#define GR_GCC 1
#endif

GR_FN VI vi_sel(VI m, VI a, VI b) { return (a & m) | (b & ~m); }
#if GR_GCC && GR_SSE4
GR_FN V v_sel(VI m, V a, V b) { return GR_X86(blendv)((GR_BV)b, (GR_BV)a, (GR_BV)m); }
#else
GR_FN V v_sel(VI m, V a, V b) { return (V)vi_sel(m, (VI)a, (VI)b); }
#endif

#if GR_F64
GR_FN VD vd_sel_by(VI m, VD a, VD b) { return v_sel(m, a, b); }
#else
GR_FN VD vd_sel_by(VI m, VD a, VD b) {
  GR_VL w = __builtin_convertvector(m, GR_VL);
  return (VD)(((GR_VL)a & w) | ((GR_VL)b & ~w));
}
#endif

#if GR_AVX512
GR_FN int vi_any(VI m) {
  /* 4: != */
  return GR_K(__builtin_ia32_cmpd512_mask, __builtin_ia32_cmpq512_mask)((GR_BI)m, (GR_BI){0}, 4, -1) != 0;
}
#elif defined(GR_X86)
GR_FN int vi_any(VI m) { return GR_X86(movmsk)((GR_BV)m) != 0; }
#else
GR_FN int vi_any(VI m) {
  TI any = 0;
  for (int l = 0; l < GR_L; l++) any |= m[l];
  return any != 0;
}
#endif

/* The lanes of a mask as bits, lane 0 the lowest. */
#if GR_AVX512
GR_FN unsigned vi_bits(VI m) { return GR_K(__builtin_ia32_cmpd512_mask, __builtin_ia32_cmpq512_mask)((GR_BI)m, (GR_BI){0}, 4, -1); }
#elif defined(GR_X86)
GR_FN unsigned vi_bits(VI m) { return (unsigned)GR_X86(movmsk)((GR_BV)m); }
#else
GR_FN unsigned vi_bits(VI m) {
  unsigned bits = 0;
  for (int l = 0; l < GR_L; l++) bits |= (unsigned)(m[l] != 0) << l;
  return bits;
}
#endif

GR_FN V v_bool(VI m) { return (V)(m & (VI)v_set(1)); }

/* a < b ? a : b and a > b ? a : b: b where either is NaN. */
#if GR_GCC && GR_AVX512
GR_FN V v_min(V a, V b) { return GR_X86(min)((GR_BV)a, (GR_BV)b, (GR_BV)b, -1, 4); }
GR_FN V v_max(V a, V b) { return GR_X86(max)((GR_BV)a, (GR_BV)b, (GR_BV)b, -1, 4); }
#elif GR_GCC && defined(GR_X86)
GR_FN V v_min(V a, V b) { return GR_X86(min)((GR_BV)a, (GR_BV)b); }
GR_FN V v_max(V a, V b) { return GR_X86(max)((GR_BV)a, (GR_BV)b); }
#else
GR_FN V v_min(V a, V b) { return v_sel(a < b, a, b); }
GR_FN V v_max(V a, V b) { return v_sel(a > b, a, b); }
#endif
