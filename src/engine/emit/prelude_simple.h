/* prelude_simple.h: square roots, rounding and other functions of a few instructions
 * (prelude.h). */

/* ---- rounding and other cheap functions ---- */

GR_FN V v_abs(V a) { return (V)((VI)a & ~GR_SIGN); }
/* a, times -1 where s has the sign bit */
GR_FN V gr_signed(V a, V s) { return (V)((VI)a ^ ((VI)s & GR_SIGN)); }

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

/* floor(a b) + near, for near = GR_NEAR + k: low bits of an integer.  AVX-512 can round down
 * (9). */
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

/* a 2^n for integers n, of any size: overflow gives Inf, underflow subnormal numbers and 0; and a
 * less the integer nearest to it, 0 for an infinite a.  By AVX-512's own instructions, whose
 * builtins differ between compilers. */
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
#endif /* GR_WITHOUT_plain */

GR_FN V gr_rsqrt(V a) { return v_sel(a == 0, v_set(0), 1 / v_sqrt(a)); }

#if !GR_F64 && defined(GR_X86)
GR_RARE void gr_rsqrt_any(V *y, const V *a) { *y = gr_rsqrt(*a); }

/* The processor's estimate, to 1.5 2^-12, and one step of Newton's method: to 4 units in the last
 * place, in less than half the time of a square root and a division.  Where a lane is not a normal
 * positive number, these are computed instead. */
GR_FN V v_rsqrt(V a) {
#if GR_AVX512
  V y = __builtin_ia32_rsqrt14ps512_mask((GR_BV)a, (GR_BV)a, -1);
#elif GR_VBYTES == 32
  V y = __builtin_ia32_rsqrtps256((GR_BV)a);
#else
  V y = __builtin_ia32_rsqrtps((GR_BV)a);
#endif
  y = y * (1.5f - (0.5f * a * y) * y);
  /* normal ones wrap to the lowest */
  if (__builtin_expect(vi_any((VI)((GR_VN)a + 0x7f800000) >= -0x01000000), 0)) gr_rsqrt_any(&y, &a);
  return y;
}
#else
GR_FN V v_rsqrt(V a) { return gr_rsqrt(a); }
#endif

#ifndef GR_WITHOUT_plain
/* sqrt(a^2 + b^2): far from 1 both are scaled so that their squares are normal numbers.  Inf beats
 * NaN. */
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

/* Pieces of polynomials: Horner's scheme, and halves that are computed independently.  A sum of
 * products is one expression where it can be: clang contracts to an FMA only within a statement. */
#define GR_P2(x, a, b) ((a) + (x) * (b))
#define GR_P3(x, a, b, c) ((a) + (x) * ((b) + (x) * (c)))
#define GR_P4(x, x2, a, b, c, d) (GR_P2(x, a, b) + (x2)*GR_P2(x, c, d))
#define GR_P5(x, x2, x4, a, b, c, d, p) (GR_P4(x, x2, a, b, c, d) + (x4) * (p))
#endif /* GR_WITHOUT_plain */
