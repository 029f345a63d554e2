/* prelude_erf.h: the error function (prelude.h). */

#ifndef GR_WITHOUT_erf
/* ---- erf, erfc ---- */

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

/* erfc(b) for b >= 5/8: exp(-b^2) times erfc(b) exp(b^2) = P(t) q with q = 1/(b+K), t = (b-K) q, P
 * to 2^-29 and 2^-56.  h is b in so few bits that h^2 is exact, and the rest of b^2 goes to exp
 * apart.  What the sums b+K and P = c + t p lose to rounding is added at the end.  From the limit
 * on it is 0. */
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
#endif /* GR_WITHOUT_erf */
