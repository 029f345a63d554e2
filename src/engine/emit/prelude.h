/* prelude.h: the vector math every emitted kernel starts with.
 *
 * Owns      the types of a kernel (T V VI TI VD), its loads, stores, masks and element-wise functions.
 * Assumes   gcc or clang in GNU mode; that it is the first text of the file (it includes nothing), or on Windows the first after
 *           trig_large.h; no -ffast-math.
 *           Options, defined before it:
 *             GR_F64       1: T is double, else float
 *             GR_VBYTES    bytes of V: 16, 32 or 64; if not given, the widest the target has
 *             GR_WITHOUT_x leaves out group x: exp, exp2, sigmoid, hyp (sinh, cosh, tanh, expm1), log (log, xlogx), log1p (log1p,
 *                          softplus), sin (sin, cos, sinxdivx), tan, asin (asin, acos), atan (atan, atan2), erf (erf, erfc),
 *                          gamma (lgamma, digamma), softmin.  Which of them an operation needs stands in emit.c, which
 *                          copies no others into a kernel (and no comments that begin a line, but for titles)
 * Guarantees  lanes are independent; NaN passes through; special values are those of C's functions; errors are at most
 *           4 units in the last place, mostly below 2; with or without contraction of a*b+c to an FMA.  Exceptions:
 *           v_lgamma and v_digamma of negative arguments, see there; an exp or exp2 that would be subnormal
 *           is 0, see gr_exp2 (where the target has no instruction that scales, see gr_scale).
 *           Nothing has external linkage, and libm is called only for lanes of v_sin, v_cos and v_tan above GR_TRIG_MAX
 *           (and, unoptimized or where the target has no such instruction, by v_sqrt and v_floor).
 * Method    argument reduction after Cody and Waite (constants in pieces so short that their multiples are exact), then
 *           polynomials made for this file: least squares on Chebyshev nodes with Lawson's reweighting, in 260 bits,
 *           one coefficient rounded at a time and the others fitted again (for erf, lgamma and digamma: Remez's
 *           exchange, then the same rounding).  Each is given with its largest error relative to the function. */

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

/* For short loops over pairs: a loop marked with GR_ABREAST is unrolled, and in the functions after GR_MIX instructions are ordered before
 * registers are given out, so that one column's do not wait for each other.  clang does this by itself. */
#if defined(__GNUC__) && !defined(__clang__)
/* What these passes look for (repeated work across branches, stores that nothing reads, tests known to be true) is not in this text: without
 * them gcc 12 needs a tenth fewer instructions, and kernels run as fast.  (Without the second scheduler, gcse or branch probabilities they are
 * 4 to 10 % slower in places.) */
_Pragma("GCC optimize(\"no-tree-pre\", \"no-dse\", \"no-tree-dominator-opts\", \"no-thread-jumps\", \"no-tree-pta\")")
#define GR_MIX _Pragma("GCC optimize(\"schedule-insns\", \"sched-pressure\", \"web\")")
#define GR_ABREAST _Pragma("GCC unroll 4")
/* A loop that keeps all units busy begins where the processor fetches, else up to 10 % slower by what stands before it. */
#define GR_ALIGNED __attribute__((optimize("align-loops=64")))
#else
#define GR_MIX
#define GR_ABREAST
#define GR_ALIGNED
#endif

typedef T V __attribute__((vector_size(GR_VBYTES), may_alias));
typedef TI VI __attribute__((vector_size(GR_VBYTES), may_alias)); /* integers, and masks: lanes 0 or -1 */
typedef double VD __attribute__((vector_size(GR_L * 8), may_alias));
typedef T GR_V1 __attribute__((vector_size(GR_VBYTES), may_alias, aligned(GR_TBYTES)));
typedef double GR_VD1 __attribute__((vector_size(GR_L * 8), may_alias, aligned(8)));
typedef long long GR_VL __attribute__((vector_size(GR_L * 8), may_alias));
typedef GR_TU GR_VN __attribute__((vector_size(GR_VBYTES), may_alias)); /* shifts right without the sign */
typedef T GR_BV __attribute__((vector_size(GR_VBYTES)));                /* what the compiler's builtins take */
typedef TI GR_BI __attribute__((vector_size(GR_VBYTES)));

#define GR_INF ((T)__builtin_inf())
#define GR_MAX GR_K(0x1.fffffep127f, 0x1.fffffffffffffp1023)
#define GR_NAN ((T)__builtin_nan(""))
#define GR_MANT GR_K(23, 52)    /* bits of the fraction */
#define GR_BIAS GR_K(127, 1023) /* of the exponent */
#define GR_SIGN (GR_K(-0x7fffffff, -0x7fffffffffffffffLL) - 1)
#define GR_NEAR GR_K(0x1.8p23f, 0x1.8p52) /* x + GR_NEAR holds the integer nearest to x in its low bits */
#define GR_PI_2 GR_K(0x1.921fb6p0f, 0x1.921fb54442d18p0)
#define GR_PI_2_LO GR_K(-0x1.777a5cp-25f, 0x1.1a62633145c07p-54) /* pi/2 = GR_PI_2 + GR_PI_2_LO */

/* ---- memory, constants, conversions ------------------------------------------------------------------------------ */

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

/* ---- selection --------------------------------------------------------------------------------------------------- */

/* gcc needs builtins for what GNU C has no words for; clang finds minps, blendv, roundps in the plain text.
 * GR_X86(min) is the builtin of this type and width. */
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
  return GR_K(__builtin_ia32_cmpd512_mask, __builtin_ia32_cmpq512_mask)((GR_BI)m, (GR_BI){0}, 4, -1) != 0; /* 4: != */
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

/* ---- rounding and other cheap functions -------------------------------------------------------------------------- */

GR_FN V v_abs(V a) { return (V)((VI)a & ~GR_SIGN); }
GR_FN V gr_signed(V a, V s) { return (V)((VI)a ^ ((VI)s & GR_SIGN)); } /* a, times -1 where s has the sign bit */

GR_FN V v_sqrt(V a) {
#if GR_GCC && GR_AVX512
  return GR_X86(sqrt)((GR_BV)a, (GR_BV)a, -1, 4);
#elif GR_GCC && defined(GR_X86)
  return GR_X86(sqrt)((GR_BV)a);
#else
  for (int l = 0; l < GR_L; l++) a[l] = GR_K(__builtin_sqrtf, __builtin_sqrt)(a[l]);
  return a;
#endif
}

GR_FN V v_floor(V a) {
#if GR_GCC && GR_AVX512
  return GR_K(__builtin_ia32_rndscaleps_mask, __builtin_ia32_rndscalepd_mask)((GR_BV)a, 9, (GR_BV)a, -1, 4);
#elif GR_GCC && GR_SSE4
  return GR_X86(round)((GR_BV)a, 9);
#elif GR_SSE4 || GR_AVX512 || defined(__aarch64__)
  for (int l = 0; l < GR_L; l++) a[l] = GR_K(__builtin_floorf, __builtin_floor)(a[l]);
  return a;
#else
  V big = v_set(GR_K(0x1p23f, 0x1p52)), b = v_abs(a), n = gr_signed((b + big) - big, a);
  return v_sel(b < big, n - v_bool(n > a), a);
#endif
}

GR_FN V v_ceil(V a) { return -v_floor(-a); }

/* floor(a b) + near, for near = GR_NEAR + k: low bits of an integer.  AVX-512 can round down (9). */
GR_FN V gr_floor_near(V a, T b, T near) {
#if GR_AVX512
  if (b != 1)
    return GR_K(__builtin_ia32_vfmaddps512_mask, __builtin_ia32_vfmaddpd512_mask)((GR_BV)a, (GR_BV)v_set(b), (GR_BV)v_set(near), -1, 9);
#if GR_GCC
  return GR_X86(add)((GR_BV)a, (GR_BV)v_set(near), (GR_BV)a, -1, 9);
#else
  return GR_K(__builtin_ia32_addps512, __builtin_ia32_addpd512)((GR_BV)a, (GR_BV)v_set(near), 9);
#endif
#else
  return v_floor(a * b) + near;
#endif
}

/* a 2^n for integers n, of any size: overflow gives Inf, underflow subnormal numbers and 0; and a less the integer nearest to
 * it, 0 for an infinite a.  By AVX-512's own instructions, whose builtins differ between compilers. */
#if GR_AVX512 && defined(__AVX512DQ__)
#define GR_SCALES 1
GR_FN V gr_scale(V a, V n) {
  V y;
  __asm__(GR_K("vscalefps", "vscalefpd") " %2, %1, %0" : "=v"(y) : "v"(a), "v"(n));
  return y;
}
GR_FN V gr_to_nearest(V a) {
  V y;
  __asm__(GR_K("vreduceps", "vreducepd") " $0, %1, %0" : "=v"(y) : "v"(a));
  return y;
}
#else
#define GR_SCALES 0
#endif

GR_FN V v_round(V a) { /* the fraction is exact, so 0.49999997 is below one half */
  V b = v_abs(a), n = v_floor(b);
  return gr_signed(n + v_bool(b - n >= GR_K(0.5f, 0.5)), a);
}

#ifndef GR_WITHOUT_plain
GR_FN V v_sign(V a) { return v_sel(a == a, v_bool(a > 0) - v_bool(a < 0), a); }
GR_FN V v_step(V a) { return v_sel(a == a, v_bool(a >= 0), a); }
GR_FN V v_relu(V a) { return v_max(v_set(0), a); }
GR_FN V v_clamp(V a, V lo, V hi) { return v_sel(a < lo, lo, v_min(hi, a)); }
GR_FN V v_ifelse(V a, V b, V c) { return v_sel(a >= 0, b, c); }
#endif

GR_FN V gr_rsqrt(V a) { return v_sel(a == 0, v_set(0), 1 / v_sqrt(a)); }

#if !GR_F64 && defined(GR_X86)
GR_RARE void gr_rsqrt_any(V *y, const V *a) { *y = gr_rsqrt(*a); }

/* The processor's estimate, to 1.5 2^-12, and one of Newton's steps: to 4 units in the last place, and less than half the time of a square
 * root and a division.  Where a lane is no normal positive number, those decide. */
GR_FN V v_rsqrt(V a) {
#if GR_AVX512
  V y = __builtin_ia32_rsqrt14ps512_mask((GR_BV)a, (GR_BV)a, -1);
#elif GR_VBYTES == 32
  V y = __builtin_ia32_rsqrtps256((GR_BV)a);
#else
  V y = __builtin_ia32_rsqrtps((GR_BV)a);
#endif
  y = y * (1.5f - (0.5f * a * y) * y);
  if (__builtin_expect(vi_any((VI)((GR_VN)a + 0x7f800000) >= -0x01000000), 0)) gr_rsqrt_any(&y, &a); /* normal ones wrap to the lowest */
  return y;
}
#else
GR_FN V v_rsqrt(V a) { return gr_rsqrt(a); }
#endif

#ifndef GR_WITHOUT_plain
/* sqrt(a^2 + b^2): far from 1 both are scaled so that their squares are normal numbers.  Inf beats NaN. */
GR_FN V v_hypot(V a, V b) {
  const T up = GR_K(0x1p100f, 0x1p700), down = GR_K(0x1p-66f, 0x1p-520);
  a = v_abs(a), b = v_abs(b);
  V m = v_max(a, b);
  VI large = m > GR_K(0x1p62f, 0x1p510), small = m < GR_K(0x1p-50f, 0x1p-450);
  V s = v_sel(large, v_set(down), v_sel(small, v_set(up), v_set(1))), x = a * s, y = b * s;
  V h = v_sqrt(x * x + y * y) * v_sel(large, v_set(1 / down), v_sel(small, v_set(1 / up), v_set(1)));
  return v_sel((VI)(a == GR_INF) | (VI)(b == GR_INF), v_set(GR_INF), h);
}

/* a^n by squaring; n is a constant, so only the products remain. */
GR_FN V v_powi(V a, int n) {
  unsigned m = n < 0 ? 0u - (unsigned)n : (unsigned)n;
  V y = v_set(1);
#if GR_GCC
_Pragma("GCC unroll 32")
#endif
  for (; m; m >>= 1) {
    if (m & 1) y *= a;
    a *= a;
  }
  if (n < 0) y = 1 / y;
  return y;
}

/* Pieces of polynomials: Horner's scheme, and halves that do not wait for each other.  A sum of products is one
 * expression where it can be: clang contracts to an FMA only within a statement. */
#define GR_P2(x, a, b) ((a) + (x) * (b))
#define GR_P3(x, a, b, c) ((a) + (x) * ((b) + (x) * (c)))
#define GR_P4(x, x2, a, b, c, d) (GR_P2(x, a, b) + (x2)*GR_P2(x, c, d))
#define GR_P5(x, x2, x4, a, b, c, d, p) (GR_P4(x, x2, a, b, c, d) + (x4) * (p))
#endif

#ifndef GR_WITHOUT_exp
/* ---- exp --------------------------------------------------------------------------------------------------------- */

/* 2 exp(r) = 2 + 2r + r^2 q for |r| <= ln2 / 2: q to 2^-28 and 2^-57. */
GR_FN V gr_exp_centre(V r) {
#if GR_F64
  V x = r * r; /* even and odd powers apart: half as long a chain as Horner's */
  V even = GR_P3(x, 0x1.6c16c1847d148p-9, 0x1.a0199949bacap-15, 0x1.28ae142281a7p-21);
  V odd = GR_P3(x, 0x1.a01a01398ac66p-12, 0x1.71df04f2ded97p-18, 0x1.adb0e935b2e56p-25);
  return GR_P3(x, 0x1.000000000000ap0, 0x1.55555555506abp-4, even) + r * GR_P3(x, 0x1.5555555555507p-2, 0x1.1111111124be4p-6, odd);
#else
  return GR_P3(r, 0x1.fffffcp-1f, 0x1.555492p-2f, GR_P3(r, 0x1.5558bp-4f, 0x1.12398cp-6f, 0x1.6a4d18p-9f));
#endif
}

/* r = a - lo - n ln2 for the integer n = z - near. */
GR_FN V gr_exp_rest(V a, V lo, V z, T near) {
  V n = z - near, r = a - n * GR_K(0x1.62e4p-1f, 0x1.62e42fefa3p-1);
  return (r - lo) - n * GR_K(0x1.7f7d1cp-20f, 0x1.3de6af278ece6p-42);
}

/* q where exp(r) = 1 + r + r^2 q for r in [0, ln2], to 2^-28 and 2^-57. */
GR_FN V gr_exp_tail(V r) {
#if GR_F64
  V x = r * r;
  V even = GR_P3(x, 0x1.6c16aadfedcep-10, 0x1.9fe6a97de511dp-16, 0x1.1410fb00b7099p-22);
  V odd = GR_P3(x, 0x1.a01ca4127aedap-13, 0x1.74663ca569a33p-19, 0x1.2d3c4be5ba0ecp-25);
  return GR_P3(x, 0x1.ffffffffffe29p-2, 0x1.5555555231fd4p-5, even) +
         r * GR_P3(x, 0x1.5555555560377p-3, 0x1.1111118be994bp-7, odd);
#else
  return GR_P3(r, 0x1.00004cp-1f, 0x1.554338p-3f, GR_P3(r, 0x1.56dec8p-5f, 0x1.01ddd2p-7f, 0x1.f53444p-10f));
#endif
}

/* exp(a - lo), or for half = 1 and a >= 0 its half, which overflows later. */
#if GR_SCALES
/* exp = 2 exp(r) 2^(n-1), n the integer nearest to a / ln2. */
GR_FN V gr_exp(V a, V lo, int half) {
  a = v_min(v_set(GR_K(150, 1000)), v_max(v_set(GR_K(-150, -1000)), a)); /* Inf or 0 anyway; NaN passes */
  V z = (a - lo) * GR_K(0x1.715476p0f, 0x1.71547652b82fep0) + GR_NEAR, r = gr_exp_rest(a, lo, z, GR_NEAR);
  return gr_scale(2 + r * (2 + r * gr_exp_centre(r)), (z - GR_NEAR) - (T)(1 + half));
}
#else
/* exp = exp(r) 2^n with exp(r) in [1, 2]; the exponent field of 2^n is the low bits of z.  Limits beyond which
 * the result is Inf or 0 anyway keep n in range; NaN passes them.  1 / ln2 is a little too small, so that
 * rounding makes no n of -127 or 128 (double: -1023, 1024) where exp is neither 0 nor Inf. */
GR_FN V gr_exp(V a, V lo, int half) {
  const T near = GR_NEAR + (GR_BIAS - half);
  a = v_min(v_set(half ? GR_K(89.7f, 710.6) : GR_K(89, 710)), v_max(v_set(GR_K(-87.5f, -708.5)), a));
  V z = gr_floor_near(a - lo, GR_K(0x1.71547p0f, 0x1.71547652b82f8p0), near), r = gr_exp_rest(a, lo, z, near);
  return (1 + (r + r * r * gr_exp_tail(r))) * (V)((VI)z << GR_MANT);
}
#endif

GR_FN V v_exp(V a) { return gr_exp(a, v_set(0), 0); }
#endif

#ifndef GR_WITHOUT_exp2
/* ---- exp2 -------------------------------------------------------------------------------------------------------- */

#if GR_SCALES
/* 2^a = 2 2^f 2^(a-f-1), f = a less the nearest integer: 2 2^f to 2^-28 and 2^-57. */
GR_FN V v_exp2(V a) {
  V f = gr_to_nearest(a);
#if GR_F64
  V x = f * f; /* even and odd powers apart, as in gr_exp_centre */
  V even = GR_P3(x, 0x1.3b2ab6fba11f3p-7, 0x1.4309130c01a6bp-13, GR_P2(x, 0x1.62bfcddd2a87dp-20, 0x1.e611a256ca2d2p-28));
  V odd = GR_P3(x, 0x1.5d87fe78b3f6dp-10, 0x1.ffcbfbf78eea3p-17, GR_P2(x, 0x1.b5261033d5af5p-24, 0x1.e80b083835574p-32));
  V p = GR_P3(x, 1, 0x1.ebfbdff82c59cp-3, even) + f * GR_P3(x, 0x1.62e42fefa39efp-1, 0x1.c6b08d704a0d3p-5, odd);
#else
  V p = GR_P3(f, 1, 0x1.62e43p-1f, GR_P3(f, 0x1.ebfbdcp-3f, 0x1.c6af7ap-5f, GR_P3(f, 0x1.3b2dd2p-7f, 0x1.5f0948p-10f, 0x1.417a7p-13f)));
#endif
  return gr_scale(p, a - f);
}
GR_FN V gr_exp2(V a, T least) { return v_exp2(v_max(v_set(least), a)); }
#define GR_EXP2_LEAST GR_K(-126, -1022)
#else
/* 2^a for a in [least, 128 or 1024], below as at least.  It is 2^f 2^n with n = floor(a) = t - near and
 * f = a - n, both exact, and 2^f in [1, 2] to 2^-28 and 2^-58.  The exponent field of 2^n is the low bits
 * of t: all ones (Inf) for overflow, and 0 at GR_EXP2_ZERO: what would be subnormal is 0, which also avoids
 * slow arithmetic. */
#define GR_EXP2_ZERO GR_K(-127, -1023)
#define GR_EXP2_LEAST (GR_EXP2_ZERO + 1)
GR_FN V gr_exp2(V a, T least) {
  const T near = GR_NEAR + GR_BIAS;
  a = v_max(v_set(least), a);
  V t = gr_floor_near(a, 1, near), f = a - (t - near);
#if GR_F64
  V x = f * f; /* even and odd powers apart, as in gr_exp_tail */
  V even = GR_P3(x, 0x1.3b2ab6f723bbcp-7, 0x1.4308f9e990c2ep-13, GR_P2(x, 0x1.628efd7aefbfcp-20, 0x1.c2b375b08d944p-28));
  V odd = GR_P3(x, 0x1.5d87ff4f71797p-10, 0x1.ffcfcc9ebf956p-17, GR_P2(x, 0x1.b861d3371efdp-24, 0x1.586ed9d3ff151p-31));
  V p = GR_P3(x, 1, 0x1.ebfbdff82c027p-3, even) + f * GR_P3(x, 0x1.62e42fefa39f5p-1, 0x1.c6b08d70660b2p-5, odd);
#else
  V p = GR_P3(f, 1, 0x1.62e42cp-1f, GR_P3(f, 0x1.ebfd3ap-3f, 0x1.c68af6p-5f, GR_P3(f, 0x1.3cfd82p-7f, 0x1.47373ap-10f, 0x1.c4456cp-13f)));
#endif
  return p * (V)((VI)t << GR_MANT);
}

GR_FN V v_exp2(V a) { return gr_exp2(v_min(v_set(GR_K(128, 1024)), a), GR_EXP2_ZERO); }
#endif

/* exp(a - top) for weights that are added up, the largest of them 1: a <= top, which is finite, but a = Inf counts as top.  The
 * relative error grows with |a - top|, by which exp falls faster: it is never seen in the sum. */
GR_FN V gr_exponent_below(V a, V top) { return v_min(v_set(0), a - top) * GR_K(0x1.715476p0f, 0x1.71547652b82fep0); }
#if GR_SCALES
GR_FN V gr_exp_below(V a, V top) { return v_exp2(gr_exponent_below(a, top)); }
#else
GR_FN V gr_exp_below(V a, V top) { return gr_exp2(gr_exponent_below(a, top), GR_EXP2_ZERO); }
#endif

/* The same for weights, which may be infinite: not below the smallest normal number but for a = -Inf. */
GR_FN V gr_factor_below(V a, V top) { return (V)((VI)gr_exp2(gr_exponent_below(a, top), GR_EXP2_LEAST) & (VI)(a != -GR_INF)); }
#endif

#ifndef GR_WITHOUT_sigmoid
GR_FN V v_sigmoid(V a) { return 1 / (1 + v_exp(-a)); }
#endif

#ifndef GR_WITHOUT_hyp
/* ---- sinh, cosh, tanh, expm1 ------------------------------------------------------------------------------------- */

/* With n the integer nearest to a / ln2, s = 2^(n-1) and t = 1/s: 2 exp(r) - 2 has no constant term to lose the
 * others in. */
GR_FN V gr_expm1(V a) {
  const T near = GR_NEAR + (GR_BIAS - 1);
  a = v_min(v_set(GR_K(89, 710)), v_max(v_set(GR_K(-20, -40)), a));
  V z = a * GR_K(0x1.715476p0f, 0x1.71547652b82fep0) + near, r = gr_exp_rest(a, v_set(0), z, near);
  GR_VN s = (GR_VN)z << GR_MANT, t = ((GR_TU)(2 * GR_BIAS) << GR_MANT) - s;
  return ((2 - (V)t) + (2 * r + r * r * gr_exp_centre(r))) * (V)s;
}

GR_FN V v_expm1(V a) { return v_sel(a == 0, a, gr_expm1(a)); } /* keeps -0.0 */

GR_FN V v_tanh(V a) { /* 1 from the limit on */
  V t = gr_expm1(v_min(v_set(GR_K(20, 40)), 2 * v_abs(a)));
  return gr_signed(t / (2 + t), a);
}

/* Below 1 a series, to 2^-31 and 2^-61; above, e = exp(|a|) / 2 and 1 / (4 e). */
GR_FN V v_sinh(V a) {
  V b = v_abs(a), e = gr_exp(b, v_set(0), 1), z = b * b;
#if GR_F64
  V p = GR_P3(z, 0x1.ae6470e70c6b6p-26, 0x1.61168859988d1p-33, 0x1.b5ecc96c90fe5p-41);
  p = GR_P4(z, z * z, 0x1.5555555555556p-3, 0x1.111111111101ap-7, 0x1.a01a01a038032p-13,
            (0x1.71de3a3a1005ep-19 + z * p));
#else
  V p = GR_P4(z, z * z, 0x1.555556p-3f, 0x1.1110e2p-7f, 0x1.a0214p-13f, 0x1.75acbp-19f);
#endif
  return gr_signed(v_sel(b < 1, b + b * z * p, e - GR_K(0.25f, 0.25) / e), a);
}

GR_FN V v_cosh(V a) {
  V e = gr_exp(v_abs(a), v_set(0), 1);
  return e + GR_K(0.25f, 0.25) / e;
}
#endif

#ifndef GR_WITHOUT_log
/* ---- log --------------------------------------------------------------------------------------------------------- */

/* a = 2^k (1+f) with 1+f in [sqrt(1/2), sqrt(2)), for a normal and positive: returns f. */
GR_FN V gr_log_reduce(V a, V *k) {
  const TI root = GR_K(0x3f3504f3, 0x3fe6a09e667f3bcdLL); /* bits of sqrt(1/2) */
  const T up = GR_K(0x1p23f, 0x1p52);
  VI t = (VI)((GR_VN)a + (((GR_TU)GR_BIAS << GR_MANT) - (GR_TU)root)); /* wraps for NaN */
  *k = (V)((VI)((GR_VN)t >> GR_MANT) | (VI)v_set(up)) - (up + GR_BIAS); /* exponent to T by way of the bits */
  return (V)((t & (((TI)1 << GR_MANT) - 1)) + root) - 1;
}

/* k ln2 + log(1+f).  With s = f/(2+f), log(1+f) = 2 atanh(s) = 2s + s R(s^2), and 2s is f - f^2/2 + s f^2/2, where the
 * largest term is exact.  R to 2^-30 and 2^-59. */
GR_FN V gr_log_sum(V k, V f) {
  V s = f / (2 + f), h = GR_K(0.5f, 0.5) * f * f, z = s * s;
#if GR_F64
  V z2 = z * z;
  V R = z * (GR_P4(z, z2, 0x1.5555555555593p-1, 0x1.999999997fa54p-2, 0x1.24924942212dap-2, 0x1.c71c51e1c29c7p-3) +
             z2 * z2 * (GR_P2(z, 0x1.7466473716dfep-3, 0x1.39a0dea3dd495p-3) + z2 * 0x1.2f0e4d100d079p-3));
#else
  V R = z * ((0x1.31e1f2p-2f * z + 0x1.995ecep-2f) * z + 0x1.55557ap-1f);
#endif
  const T ln2_hi = GR_K(0x1.62e4p-1f, 0x1.62e42fefa3p-1), ln2_lo = GR_K(0x1.7f7d1cp-20f, 0x1.3de6af278ece6p-42);
  return k * ln2_hi - ((h - (s * (h + R) + k * ln2_lo)) - f);
}

GR_FN V v_log(V a) {
  VI low = a < GR_K(0x1p-126f, 0x1p-1022); /* subnormal: scaled up */
  V k, f = gr_log_reduce(v_sel(low, a * GR_K(0x1p23f, 0x1p52), a), &k);
  V y = gr_log_sum(k - (V)(low & (VI)v_set(GR_MANT)), f);
  V edge = v_sel(a == 0, v_set(-GR_INF), v_sel(a < 0, v_set(GR_NAN), a)); /* Inf and NaN stay */
  return v_sel((VI)(a > 0) & (VI)(a < GR_INF), y, edge);
}

GR_FN V v_xlogx(V a) { return v_sel(a == 0, v_set(0), a * v_log(a)); }
#endif

#ifndef GR_WITHOUT_log1p
/* For a > -1 log(u), where u is 1+a rounded, plus the c/u that the rounding lost; where k = 0, f is a itself. */
GR_FN V gr_log1p(V a, V u) {
  V c = a - (u - 1), k, f = gr_log_reduce(u, &k);
  VI near = k == 0;
  return gr_log_sum(k, v_sel(near, a, f)) + v_sel(near, v_set(0), c / u);
}

GR_FN V v_log1p(V a) {
  V u = 1 + a, edge = v_sel(u == 0, v_set(-GR_INF), v_sel(u < 0, v_set(GR_NAN), a)); /* -0.0, Inf and NaN stay */
  return v_sel((VI)(u > 0) & (VI)(u < GR_INF) & (VI)(a != 0), gr_log1p(a, u), edge);
}

GR_FN V v_softplus(V a) {
  V e = v_exp(-v_abs(a));
  return v_max(v_set(0), a) + gr_log1p(e, 1 + e);
}
#endif

#ifndef GR_WITHOUT_sin
/* ---- sin, cos, tan ----------------------------------------------------------------------------------------------- */

#define GR_TRIG_MAX GR_K(0x1p11f, 0x1p20) /* up to here n below has so few bits that n times a piece of pi/2 is exact */

enum { GR_SIN, GR_COS, GR_TAN };

GR_RARE void gr_trig_large(T *y, const T *a, int fn) {
  for (int l = 0; l < GR_L; l++)
    if (a[l] > GR_TRIG_MAX)
#ifdef _WIN32
      y[l] = (T)gr_trig_exact(a[l], fn);
#else
      y[l] = fn == GR_COS   ? GR_K(__builtin_cosf, __builtin_cos)(a[l])
             : fn == GR_SIN ? GR_K(__builtin_sinf, __builtin_sin)(a[l])
                            : GR_K(__builtin_tanf, __builtin_tan)(a[l]);
#endif
}

/* fn(a) for a >= 0 (or NaN).  a = n pi/2 + r; sin(r) to 2^-28 and 2^-58, cos(r) to 2^-33 and 2^-63. */
GR_FN V gr_trig(V a, int fn) {
  V z = a * GR_K(0x1.45f306p-1f, 0x1.45f306dc9c883p-1) + GR_NEAR, n = z - GR_NEAR;
  V r = a - n * GR_K(0x1.921p0f, 0x1.921fb544p0);
  r = r - n * GR_K(0x1.f6ap-13f, 0x1.0b4611a6p-34);
  r = r - n * GR_K(0x1.11p-26f, 0x1.3198a2ep-69);
  r = r - n * GR_K(0x1.68c234p-39f, 0x1.b839a252049c1p-104);
  V x = r * r;
#if GR_F64
  V x2 = x * x;
  V s = GR_P4(x, x2, -0x1.5555555555549p-3, 0x1.111111110f89ep-7, -0x1.a01a019c146fp-13, 0x1.71de35793aaeap-19) +
        x2 * x2 * GR_P2(x, -0x1.ae5e66e0a9e44p-26, 0x1.5d93123e74b06p-33);
  V c = GR_P4(x, x2, 0x1.555555555554bp-5, -0x1.6c16c16c1500fp-10, 0x1.a01a019c8e19ep-16, -0x1.27e4f7f08b02cp-22) +
        x2 * x2 * GR_P2(x, 0x1.1ee9daf53fe28p-29, -0x1.8fa60237ede65p-37);
#else
  V s = (-0x1.9955bp-13f * x + 0x1.11077cp-7f) * x - 0x1.555546p-3f;
  V c = (0x1.99e904p-16f * x - 0x1.6c0c2ap-10f) * x + 0x1.55554ap-5f;
#endif
  s = r + r * x * s;
  c = (1 - GR_K(0.5f, 0.5) * x) + x * x * c;
  VI quadrant = (VI)z + (TI)(fn == GR_COS), odd = -(quadrant & 1);
  V y = v_sel(odd, c, s);
  if (fn == GR_TAN)
    y = gr_signed(y, (V)(odd & GR_SIGN)) / v_sel(odd, s, c);
  else
    y = (V)((VI)y ^ ((quadrant & 2) << (GR_TBYTES * 8 - 2)));
  if (__builtin_expect(vi_any(a > GR_TRIG_MAX), 0)) gr_trig_large((T *)&y, (const T *)&a, fn);
  return y;
}

GR_FN V v_sin(V a) { return gr_signed(gr_trig(v_abs(a), GR_SIN), a); }
GR_FN V v_cos(V a) { return gr_trig(v_abs(a), GR_COS); }
GR_FN V v_sinxdivx(V a) { return v_sel(a == 0, v_set(1), gr_trig(v_abs(a), GR_SIN) / v_abs(a)); }
#endif

#ifndef GR_WITHOUT_tan
GR_FN V v_tan(V a) { return gr_signed(gr_trig(v_abs(a), GR_TAN), a); }
#endif

#ifndef GR_WITHOUT_asin
/* ---- asin, acos -------------------------------------------------------------------------------------------------- */

/* asin(a) where a <= 1/2, else asin(sqrt((1-a)/2)) = (pi/2 - asin(a)) / 2; NaN above 1.  To 2^-27 and 2^-56. */
GR_FN V gr_asin(V a, VI large) {
  V z = v_sel(large, GR_K(0.5f, 0.5) * (1 - a), a * a), x = v_sel(large, v_sqrt(z), a);
#if GR_F64
  V z2 = z * z, z4 = z2 * z2;
  V p = GR_P4(z, z2, 0x1.aabf550d1357p-8, 0x1.40a923cac2727p-6, -0x1.0ae645b8528f8p-6, 0x1.05c9289b769a1p-5);
  p = GR_P4(z, z2, 0x1.6e89ef7909b43p-6, 0x1.1c6c26b4cd22ep-6, 0x1.c6f8a0f27504fp-7, 0x1.8ee37c6014931p-7) + z4 * p;
  p = GR_P4(z, z2, 0x1.5555555555386p-3, 0x1.333333336f9edp-4, 0x1.6db6db41cb615p-5, 0x1.f1c72c6e7644fp-6) + z4 * p;
#else
  V p = (((0x1.59c3e8p-5f * z + 0x1.8bbec8p-6f) * z + 0x1.748954p-5f) * z + 0x1.33017p-4f) * z + 0x1.5555cap-3f;
#endif
  return x + x * z * p;
}

GR_FN V v_asin(V a) {
  VI large = v_abs(a) > GR_K(0.5f, 0.5);
  V p = gr_asin(v_abs(a), large);
  return gr_signed(v_sel(large, GR_PI_2 - (2 * p - GR_PI_2_LO), p), a);
}

GR_FN V v_acos(V a) {
  VI large = v_abs(a) > GR_K(0.5f, 0.5);
  V p = gr_asin(v_abs(a), large);
  V far = v_sel(a < 0, 2 * GR_PI_2 - (2 * p - 2 * GR_PI_2_LO), 2 * p);
  return v_sel(large, far, GR_PI_2 - (gr_signed(p, a) - GR_PI_2_LO));
}
#endif

#ifndef GR_WITHOUT_atan
/* ---- atan -------------------------------------------------------------------------------------------------------- */

/* atan(t) for t in [0, 1] (or NaN), to 2^-28 and 2^-57. */
GR_FN V gr_atan_unit(V t) {
  V z = t * t, z2 = z * z, z4 = z2 * z2;
#if GR_F64
  V p = GR_P4(z, z2, -0x1.79d7bc32e136p-9, 0x1.b37334380e7e1p-11, -0x1.3ec2ef08611b4p-13, 0x1.bb37e33422857p-17);
  p = GR_P4(z, z2, -0x1.e9da191cd682p-6, 0x1.68169a79baed9p-6, -0x1.c749a89793417p-7, 0x1.d7581338427ffp-8) + z4 * p;
  p = GR_P4(z, z2, -0x1.ae5dcdc567ef5p-5, 0x1.82d8bf824a8f8p-5, -0x1.599eb73ea9081p-5, 0x1.2c23f7f1d4651p-5) + z4 * p;
  p = GR_P4(z, z2, -0x1.745d11a3a50edp-4, 0x1.3b136625b5621p-4, -0x1.110e4dae3528p-4, 0x1.e1bb7f73f52c5p-5) + z4 * p;
  p = GR_P4(z, z2, -0x1.5555555555525p-2, 0x1.99999999954a5p-3, -0x1.249249237c0d7p-3, 0x1.c71c717f233d2p-4) + z4 * p;
#else
  V p = GR_P4(z, z2, -0x1.55553ep-2f, 0x1.9991eap-3f, -0x1.2420fap-3f, 0x1.c092d8p-4f) +
        z4 * (GR_P4(z, z2, -0x1.5820ccp-4f, 0x1.da8934p-5f, -0x1.fe553ep-6f, 0x1.65253ep-7f) + z4 * -0x1.d54f2ap-10f);
#endif
  return t + t * z * p;
}

GR_FN V v_atan(V a) {
  V b = v_abs(a);
  VI large = b > 1;
  V p = gr_atan_unit(v_sel(large, 1 / b, b));
  return gr_signed(v_sel(large, GR_PI_2 - (p - GR_PI_2_LO), p), a);
}

/* The angle of (x, y): by the smaller over the larger of |x| and |y|, then back to octant, half plane, sign. */
GR_FN V v_atan2(V y, V x) {
  V b = v_abs(y), a = v_abs(x);
  VI steep = b > a;
  V num = v_sel(steep, a, b), den = v_sel(steep, b, a), t = num / den;
  t = v_sel(num == den, v_set(1), t); /* Inf / Inf */
  t = v_sel(den == 0, num, t);        /* 0 / 0; NaN stays */
  V p = gr_atan_unit(t);
  p = v_sel(steep, GR_PI_2 - (p - GR_PI_2_LO), p);
  p = v_sel((VI)x < 0, 2 * GR_PI_2 - (p - 2 * GR_PI_2_LO), p); /* the bits of -0.0 are negative, too */
  return gr_signed(p, y);
}
#endif

#ifndef GR_WITHOUT_erf
/* ---- erf, erfc --------------------------------------------------------------------------------------------------- */

/* erf(a) for |a| <= 5/8, to 2^-30 and 2^-56. */
GR_FN V gr_erf_near(V a) {
  V z = a * a, z2 = z * z, z4 = z2 * z2;
#if GR_F64
  V p = GR_P5(z, z2, z4, 0x1.565bccbd8604p-8, -0x1.c02d9e7145725p-11, 0x1.f99f8f8165ddep-14, -0x1.f471977856578p-17,
              GR_P2(z, 0x1.b3a0b9463baf8p-20, -0x1.244a8ecac37edp-23));
  p = GR_P5(z, z2, z4, 0x1.06eba8214db68p-3, -0x1.812746b0379abp-2, 0x1.ce2f21a03f4c6p-4, -0x1.b82ce3111e23ep-6, p);
#else
  V p = GR_P5(z, z2, z4, 0x1.06eba8p-3f, -0x1.812742p-2f, 0x1.ce2d8ep-4f, -0x1.b7f29ap-6f,
              GR_P2(z, 0x1.524464p-8f, -0x1.78e2f6p-11f));
#endif
  return a + a * p;
}

/* erfc(b) for b >= 5/8: exp(-b^2) times erfc(b) exp(b^2) = P(t) q with q = 1/(b+K), t = (b-K) q, P to 2^-29 and 2^-56.
 * h is b in so few bits that h^2 is exact, and the rest of b^2 goes to exp apart.  What the sums b+K and P = c + t p
 * lose to rounding is added at the end.  From the limit on it is 0. */
GR_FN V gr_erfc_far(V b) {
  b = v_min(v_set(GR_K(11, 28)), b);
  V h = (V)((VI)b & ~GR_K(0xfff, 0x7ffffffLL)), e = gr_exp(-h * h, (b - h) * (b + h), 0);
  const T K = GR_K(2.3125f, 2.25), c = GR_K(0x1.0b3444p0f, 0x1.0a3667d87642cp0);
  V s = b + K, s_lo = v_sel(b > K, K - (s - b), b - (s - K));
  V q = 1 / s, t = (b - K) * q, t2 = t * t, t4 = t2 * t2;
#if GR_F64
  V p = GR_P5(t, t2, t4, -0x1.3aa29eb268421p-21, 0x1.47873432d174cp-23, 0x1.c3af666e1e0b7p-23, -0x1.5f1d31661edeap-32,
              -0x1.2a0707c0483e7p-25);
  p = GR_P5(t, t2, t4, 0x1.c208d91cf2907p-18, 0x1.78cd5bc9cd002p-18, 0x1.4f5c56d23bec4p-22, -0x1.572637f6af1bfp-20, p);
  p = GR_P5(t, t2, t4, 0x1.2b98731e575ap-12, 0x1.8c741f674e653p-16, -0x1.ace2fdabff5c6p-15, -0x1.0fa949092eb15p-16, p);
  p = GR_P5(t, t2, t4, 0x1.7e081eac5a6c3p-7, -0x1.a1e7d0c6686ffp-11, -0x1.acc7d826cff47p-10, 0x1.529a77050d558p-14, p);
  p = GR_P5(t, t2, t4, -0x1.8100c5b8f7575p-1, 0x1.7c6f13976e831p-2, -0x1.9e8ecc61795a5p-4, -0x1.d94a10bfec105p-9, p);
#else
  V p = GR_P5(t, t2, t4, 0x1.803b42p-7f, -0x1.f88798p-10f, -0x1.8733bap-10f, 0x1.18bfbep-12f, 0x1.d07444p-13f);
  p = GR_P5(t, t2, t4, -0x1.8845bp-1f, 0x1.927984p-2f, -0x1.e5229cp-4f, 0x1.a3d1eap-9f, p);
#endif
  V P = c + t * p, P_lo = t * p - (P - c);
  return e * q * P + e * q * (P_lo - P * s_lo * q);
}

GR_FN V v_erf(V a) {
  V b = v_abs(a);
  return gr_signed(v_sel(b < GR_K(0.625f, 0.625), gr_erf_near(b), 1 - gr_erfc_far(b)), a);
}

GR_FN V v_erfc(V a) {
  V b = v_abs(a), y = gr_erfc_far(b);
  return v_sel(b < GR_K(0.625f, 0.625), 1 - gr_erf_near(a), v_sel(a < 0, 2 - y, y));
}
#endif

#ifndef GR_WITHOUT_softmin
/* ---- the soft minimum -g log(sum exp(-a/g)) of three, for dynamic time warping ----------------------------------- */

GR_FN V v_softmin(V a, V b, V c, V g) {
  V least = v_min(v_min(a, b), c);
  return least - g * v_log(v_exp((least - a) / g) + v_exp((least - b) / g) + v_exp((least - c) / g));
}

/* Its derivatives: by a, b and c times t go to w[0 ... 2], that by g is returned. */
GR_FN V v_softmin_back(V a, V b, V c, V g, V t, V *w) {
  V least = v_min(v_min(a, b), c), x = (least - a) / g, y = (least - b) / g, z = (least - c) / g;
  V p = v_exp(x), q = v_exp(y), r = v_exp(z), s = p + q + r;
  t = t / s;
  w[0] = t * p, w[1] = t * q, w[2] = t * r;
  return (p * x + q * y + r * z) / s - v_log(s);
}
#endif
