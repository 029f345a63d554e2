/* prelude_gamma.h: lgamma and digamma (prelude.h). */

#ifndef GR_WITHOUT_gamma
/* ---- lgamma, digamma ---- */

/* While u >= top, at most so many times: u = u-1, the factor u goes to p and the term 1/u to the
 * sum n/p. */
GR_FN void gr_descend(T top, int times, V *u, V *p, V *n) {
  for (int i = 0; i < times; i++) {
    VI m = *u >= top;
    V d = v_sel(m, *u - 1, *u);
    *n = v_sel(m, *n * d + *p, *n);
    *p = v_sel(m, *p * d, *p);
    *u = d;
  }
}

/* a - m for the integer m nearest to a: exact. */
GR_FN V gr_fraction(V a) { return a - v_round(a); }

/* lgamma(2+t) / t for t in [-3/4, 1/4], to 2^-26 and 2^-56. */
GR_FN V gr_lgamma_poly(V t) {
  V t2 = t * t, t4 = t2 * t2;
#if GR_F64
  V p = GR_P4(t, t2, 0x1.9521ee21eb631p-19, 0x1.3b0dc341d3d61p-18, 0x1.89116cefeecf7p-19, 0x1.02ab7d594cceap-20);
  p = GR_P5(t, t2, t4, -0x1.3f04aa4501cc8p-17, 0x1.1257eaf2cfeddp-18, -0x1.285c63ccbf8c9p-19, 0x1.1f327eedc325p-19, p);
  p = GR_P5(t, t2, t4, -0x1.d3fd895b1e0dap-13, 0x1.a127e7bbaeb74p-14, -0x1.78cb9cbe548eap-15, 0x1.584e8fa1bdd33p-16, p);
  p = GR_P5(t, t2, t4, -0x1.e404fc21c3cabp-8, 0x1.7add6eb075007p-9, -0x1.38ac5bf7c780dp-10, 0x1.0b36ae2405ad6p-11, p);
  p = GR_P5(t, t2, t4, 0x1.b0ee6072093cep-2, 0x1.4a34cc4a60fa7p-2, -0x1.13e001a557591p-4, 0x1.51322ac7d74c1p-6, p);
#else
  V p = GR_P5(t, t2, t4, -0x1.e4e78p-8f, 0x1.74dc7cp-9f, -0x1.2c29fcp-10f, 0x1.e893dcp-11f,
              GR_P2(t, 0x1.021cc6p-11f, 0x1.21f1b4p-11f));
  p = GR_P5(t, t2, t4, 0x1.b0ee6p-2f, 0x1.4a34ccp-2f, -0x1.13df6p-4f, 0x1.513712p-6f, p);
#endif
  return p;
}

/* lgamma(a) for a >= -1/2.  From 8 on Stirling's series, to 2^-33 and 2^-63 of the result; below, a
 * = 2 + t after the recurrence in the direction in which nothing cancels, around 1 as lgamma(1 + a)
 * - log(a).  One logarithm for all. */
GR_FN V gr_lgamma(V a) {
  VI low = a < GR_K(0.25f, 0.25), one = a < GR_K(1.25f, 1.25), far = a >= 8;
  V u = a, p = v_set(1), n = v_set(0);
  gr_descend(GR_K(2.25f, 2.25), 6, &u, &p, &n);
  V l = v_log(v_sel(low, v_abs(a + a * a), v_sel(one | far, a, p)));
  V t = v_sel(low, a, v_sel(one, a - 1, u - 2)), near = t * gr_lgamma_poly(t) + v_sel(one, -l, l);
  V v = 1 / a, w = v * v;
#if GR_F64
  V w2 = w * w;
  V s = GR_P5(w, w2, w2 * w2, 0x1.5555555555517p-4, -0x1.6c16c169f9d42p-9, 0x1.a019f4df4ea06p-11,
              -0x1.380a69935d2f8p-11, GR_P2(w, 0x1.b5f6b4b89724cp-11, -0x1.a5f644f5c2551p-10));
#else
  V s = GR_P2(w, 0x1.55553cp-4f, -0x1.69bcb6p-9f);
#endif
  return v_sel(far, (a - GR_K(0.5f, 0.5)) * (l - 1) + (GR_K(0x1.acfe3ap-2f, 0x1.acfe390c97d69p-2) + v * s), near);
}

/* For lanes of a below -1/2: log(pi / |a sin(pi a)|) - lgamma(-a). */
GR_RARE void gr_lgamma_negative(V *y, const V *a) {
  V b = -*a, f = gr_fraction(b), s = v_sin(2 * GR_PI_2 * v_abs(f));
  V r = -v_log(b * s * GR_K(0x1.45f306p-2f, 0x1.45f306dc9c883p-2)) - gr_lgamma(b);
  r = v_sel((VI)(f == 0) | (VI)(b == GR_INF), v_set(GR_INF), r);
  *y = v_sel(b > GR_K(0.5f, 0.5), r, *y);
}

/* log|gamma(a)|, Inf at the poles.  Below -2 it has zeros, where two terms cancel: the error there
 * is at most 4 units in the last place of lgamma(|a|) or 1, whichever is larger. */
GR_FN V v_lgamma(V a) {
  V y = gr_lgamma(a);
  if (__builtin_expect(vi_any(a < GR_K(-0.5f, -0.5)), 0)) gr_lgamma_negative(&y, &a);
  return y;
}

/* digamma(c+t) / (c+t-z) for c+t in [1, 17/8), where z = 1.46... is the zero, to 2^-28 and 2^-55.
 * The c of v_digamma are those whose first coefficients are nearly representable. */
GR_FN V gr_digamma_poly(V t) {
  V t2 = t * t, t4 = t2 * t2;
#if GR_F64
  V p = GR_P4(t, t2, 0x1.f25c034b4e43dp-16, -0x1.f55f0b6ac8375p-18, 0x1.8483a7389b6ebp-15, -0x1.2e6762de6b8fp-15);
  p = GR_P5(t, t2, t4, 0x1.4ae7e788d6dc8p-12, -0x1.9d9096c1d0bf8p-13, 0x1.25f355c0b915ap-13, -0x1.9ac99d8855e18p-14, p);
  p = GR_P5(t, t2, t4, 0x1.fc81fe99e854cp-10, -0x1.43a74a2c64f4cp-10, 0x1.9c800e4f27729p-11, -0x1.072e9bfe49b59p-11, p);
  p = GR_P5(t, t2, t4, 0x1.84f64bb7c7329p-7, -0x1.edf79b087b601p-8, 0x1.3a0545e75c869p-8, -0x1.8f878ff991a0bp-9, p);
  p = GR_P5(t, t2, t4, 0x1.370ef577757b4p-4, -0x1.82c22bb8d467ep-5, 0x1.e5d02e5c75aecp-6, -0x1.32df1eb0973c5p-6, p);
  p = GR_P5(t, t2, t4, 0x1.d8460bd8ada82p-1, -0x1.9148486460a18p-2, 0x1.b1e0e8203ee26p-3, -0x1.fde7ee9df93fcp-4, p);
#else
  V p = GR_P4(t, t2, 0x1.7758dp-7f, -0x1.df54dep-8f, 0x1.f1443p-8f, -0x1.3e1728p-8f);
  p = GR_P5(t, t2, t4, 0x1.3ead84p-4f, -0x1.8e4b66p-5f, 0x1.f98adp-6f, -0x1.40e522p-6f, p);
  p = GR_P5(t, t2, t4, 0x1.d9d908p-1f, -0x1.94b20ep-2f, 0x1.b7e978p-3f, -0x1.03df7ap-3f, p);
#endif
  return p;
}

/* digamma(a) for a > 0.  From 5 on log(a) - 1/(2a) - 1/(12 a^2) + ..., to 2^-34 and 2^-60; below,
 * the recurrence brings a to [1, 17/8), and its terms are the fraction n/p. */
GR_FN V gr_digamma(V a) {
  VI low = a < 1, far = a >= 5;
  V u = v_sel(low, a + 1, a), p = v_sel(low, a, v_set(1)), n = v_sel(low, v_set(-1), v_set(0));
  gr_descend(GR_K(2.125f, 2.125), 3, &u, &p, &n);
  V v = v_sel(far, v_set(1), n) / v_sel(far, a, p), w = v * v;
#if GR_F64
  V w2 = w * w;
  V s = GR_P4(w, w2, 0x1.efa16a447661bp-8, -0x1.4feeee8f65cbcp-6, 0x1.1231fb978530cp-4, -0x1.4c428e55d2b2ap-3);
  s = GR_P5(w, w2, w2 * w2, 0x1.5555555555379p-4, -0x1.1111110e578dap-7, 0x1.04103b5b36c2ep-8, -0x1.110e25f0a225dp-8,
            s);
#else
  V s = GR_P3(w, 0x1.555548p-4f, -0x1.10d592p-7f, 0x1.e0ad22p-9f);
#endif
  V d = (u - GR_K(0x1.762d86p0f, 0x1.762d86356be3fp0)) - GR_K(0x1.ab5f2p-27f, 0x1.b86a722197829p-54);
  V near = d * gr_digamma_poly(u - GR_K(1.5625f, 1.5703125)) + v;
  return v_sel(far, v_log(a) - (GR_K(0.5f, 0.5) * v + w * s), near);
}

/* pi / tan(pi f) for |f| <= 1/2, where it is 1/f - f p(f^2): to 2^-30 and 2^-56 of 1. */
GR_FN V gr_pi_cot(V f) {
  V z = f * f, z2 = z * z, z4 = z2 * z2;
#if GR_F64
  V p = GR_P5(z, z2, z4, 0x1.036747cfff1abp1, 0x1.cc52cd0d6e2e3p0, 0x1.8cfa75436505ap1, -0x1.1f75979f0e3a7p1,
              GR_P3(z, 0x1.a3ef03b2acc9ep3, -0x1.03d437f46ca01p4, 0x1.13f14d2f3d1a9p4));
  p = GR_P5(z, z2, z4, 0x1.0041305081751p1, 0x1.000fdd7a06bd1p1, 0x1.000997cec2c18p1, 0x1.ff5cd7d150bfp0, p);
  p = GR_P5(z, z2, z4, 0x1.a51a6625307d4p1, 0x1.151322ac7d5d9p1, 0x1.0470984c274f9p1, 0x1.010b36a4dde4p1, p);
#else
  V p = GR_P4(z, z2, 0x1.eaf69p0f, 0x1.4de714p1f, -0x1.915c1ap-2f, 0x1.9f55e4p2f);
  p = GR_P5(z, z2, z4, 0x1.a51a66p1f, 0x1.151346p1f, 0x1.046858p1f, 0x1.01dd7ep1f, p);
#endif
  return 1 / f - f * p;
}

/* For negative lanes of a: digamma(1 - a) - pi / tan(pi a). */
GR_RARE void gr_digamma_negative(V *y, const V *a) {
  V f = gr_fraction(*a), r = gr_digamma(1 - *a) - gr_pi_cot(f);
  *y = v_sel(*a < 0, v_sel(f == 0, v_set(GR_NAN), r), *y);
}

/* NaN at the poles, 0 among them, and at -Inf.  Below 0 it has zeros, where two terms cancel: the
 * error there is at most 5 units in the last place of the largest of digamma(1 - a), pi / tan(pi a)
 * and 1. */
GR_FN V v_digamma(V a) {
  V y = gr_digamma(a);
  if (__builtin_expect(vi_any(a < 0), 0)) gr_digamma_negative(&y, &a);
  return v_sel(a == 0, v_set(GR_NAN), y);
}
#endif /* GR_WITHOUT_gamma */
