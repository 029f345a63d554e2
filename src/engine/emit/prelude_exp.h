/* prelude_exp.h: exponentials and hyperbolic functions (prelude.h). */

#ifndef GR_WITHOUT_exp
/* ---- exp ---- */

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
  /* Inf or 0 anyway; NaN passes */
  a = v_min(v_set(GR_K(150, 1000)), v_max(v_set(GR_K(-150, -1000)), a));
  V z = (a - lo) * GR_K(0x1.715476p0f, 0x1.71547652b82fep0) + GR_NEAR, r = gr_exp_rest(a, lo, z, GR_NEAR);
  return gr_scale(2 + r * (2 + r * gr_exp_centre(r)), (z - GR_NEAR) - (T)(1 + half));
}
#else
/* exp = exp(r) 2^n with exp(r) in [1, 2]; the exponent field of 2^n is the low bits of z.  Limits
 * beyond which the result is Inf or 0 anyway keep n in range; NaN passes them.  1 / ln2 is a little
 * too small, so that rounding makes no n of -127 or 128 (double: -1023, 1024) where exp is neither
 * 0 nor Inf. */
GR_FN V gr_exp(V a, V lo, int half) {
  const T near = GR_NEAR + (GR_BIAS - half);
  a = v_min(v_set(half ? GR_K(89.7f, 710.6) : GR_K(89, 710)), v_max(v_set(GR_K(-87.5f, -708.5)), a));
  V z = gr_floor_near(a - lo, GR_K(0x1.71547p0f, 0x1.71547652b82f8p0), near), r = gr_exp_rest(a, lo, z, near);
  return (1 + (r + r * r * gr_exp_tail(r))) * (V)((VI)z << GR_MANT);
}
#endif

GR_FN V v_exp(V a) { return gr_exp(a, v_set(0), 0); }
#endif /* GR_WITHOUT_exp */

#ifndef GR_WITHOUT_exp2
/* ---- exp2 ---- */

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
/* 2^a for a in [least, 128 or 1024], below as at least.  It is 2^f 2^n with n = floor(a) = t - near
 * and f = a - n, both exact, and 2^f in [1, 2] to 2^-28 and 2^-58.  The exponent field of 2^n is
 * the low bits of t: all ones (Inf) for overflow, and 0 at GR_EXP2_ZERO: what would be subnormal is
 * 0, which also avoids slow arithmetic. */
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

/* exp(a - top) for weights that are added up, the largest of them 1: a <= top, which is finite, but
 * a = Inf counts as top.  The relative error grows with |a - top|, by which exp falls faster: it is
 * never seen in the sum. */
GR_FN V gr_exponent_below(V a, V top) { return v_min(v_set(0), a - top) * GR_K(0x1.715476p0f, 0x1.71547652b82fep0); }
#if GR_SCALES
GR_FN V gr_exp_below(V a, V top) { return v_exp2(gr_exponent_below(a, top)); }
#else
GR_FN V gr_exp_below(V a, V top) { return gr_exp2(gr_exponent_below(a, top), GR_EXP2_ZERO); }
#endif

/* The same for weights, which may be infinite: not below the smallest normal number, except
 * for a = -Inf. */
GR_FN V gr_factor_below(V a, V top) { return (V)((VI)gr_exp2(gr_exponent_below(a, top), GR_EXP2_LEAST) & (VI)(a != -GR_INF)); }
#endif /* GR_WITHOUT_exp2 */

#ifndef GR_WITHOUT_sigmoid
GR_FN V v_sigmoid(V a) { return 1 / (1 + v_exp(-a)); }
#endif /* GR_WITHOUT_sigmoid */

#ifndef GR_WITHOUT_hyp
/* ---- sinh, cosh, tanh, expm1 ---- */

/* With n the integer nearest to a / ln2, s = 2^(n-1) and t = 1/s: 2 exp(r) - 2 has no constant term
 * to lose the others in. */
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
#endif /* GR_WITHOUT_hyp */
