/* prelude_trig.h: trigonometric functions and their inverses (prelude.h). */

#ifndef GR_WITHOUT_sin
/* ---- sin, cos, tan ---- */

/* Up to here n below has so few bits that n times a piece of pi/2 is exact. */
#define GR_TRIG_MAX GR_K(0x1p11f, 0x1p20)

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

/* fn(a) for a >= 0 (or NaN).  a = n pi/2 + r; sin(r) to 2^-28 and 2^-58, cos(r) to 2^-33 and
 * 2^-63. */
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
#endif /* GR_WITHOUT_sin */

#ifndef GR_WITHOUT_tan
GR_FN V v_tan(V a) { return gr_signed(gr_trig(v_abs(a), GR_TAN), a); }
#endif /* GR_WITHOUT_tan */

#ifndef GR_WITHOUT_asin
/* ---- asin, acos ---- */

/* asin(a) where a <= 1/2, else asin(sqrt((1-a)/2)) = (pi/2 - asin(a)) / 2; NaN above 1.  To 2^-27
 * and 2^-56. */
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
#endif /* GR_WITHOUT_asin */

#ifndef GR_WITHOUT_atan
/* ---- atan ---- */

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

/* The angle of (x, y): by the smaller over the larger of |x| and |y|, then back to octant, half
 * plane, sign. */
GR_FN V v_atan2(V y, V x) {
  V b = v_abs(y), a = v_abs(x);
  VI steep = b > a;
  V num = v_sel(steep, a, b), den = v_sel(steep, b, a), t = num / den;
  t = v_sel(num == den, v_set(1), t); /* Inf / Inf */
  t = v_sel(den == 0, num, t);        /* 0 / 0; NaN stays */
  V p = gr_atan_unit(t);
  p = v_sel(steep, GR_PI_2 - (p - GR_PI_2_LO), p);
  /* the bits of -0.0 are negative, too */
  p = v_sel((VI)x < 0, 2 * GR_PI_2 - (p - 2 * GR_PI_2_LO), p);
  return gr_signed(p, y);
}
#endif /* GR_WITHOUT_atan */
