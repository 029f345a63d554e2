/* prelude_log.h: logarithms (prelude.h). */

#ifndef GR_WITHOUT_log
/* ---- log ---- */

/* a = 2^k (1+f) with 1+f in [sqrt(1/2), sqrt(2)), for a normal and positive: returns f. */
GR_FN V gr_log_reduce(V a, V *k) {
  const TI root = GR_K(0x3f3504f3, 0x3fe6a09e667f3bcdLL); /* bits of sqrt(1/2) */
  const T up = GR_K(0x1p23f, 0x1p52);
  VI t = (VI)((GR_VN)a + (((GR_TU)GR_BIAS << GR_MANT) - (GR_TU)root)); /* wraps for NaN */
  /* exponent to T by way of the bits */
  *k = (V)((VI)((GR_VN)t >> GR_MANT) | (VI)v_set(up)) - (up + GR_BIAS);
  return (V)((t & (((TI)1 << GR_MANT) - 1)) + root) - 1;
}

/* k ln2 + log(1+f).  With s = f/(2+f), log(1+f) = 2 atanh(s) = 2s + s R(s^2), and 2s is f - f^2/2 +
 * s f^2/2, where the largest term is exact.  R to 2^-30 and 2^-59. */
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
#endif /* GR_WITHOUT_log */

#ifndef GR_WITHOUT_log1p
/* For a > -1 log(u), where u is 1+a rounded, plus the c/u that the rounding lost; where k = 0, f is
 * a itself. */
GR_FN V gr_log1p(V a, V u) {
  V c = a - (u - 1), k, f = gr_log_reduce(u, &k);
  VI near = k == 0;
  return gr_log_sum(k, v_sel(near, a, f)) + v_sel(near, v_set(0), c / u);
}

GR_FN V v_log1p(V a) {
  /* -0.0, Inf and NaN stay */
  V u = 1 + a, edge = v_sel(u == 0, v_set(-GR_INF), v_sel(u < 0, v_set(GR_NAN), a));
  return v_sel((VI)(u > 0) & (VI)(u < GR_INF) & (VI)(a != 0), gr_log1p(a, u), edge);
}

GR_FN V v_softplus(V a) {
  V e = v_exp(-v_abs(a));
  return v_max(v_set(0), a) + gr_log1p(e, 1 + e);
}
#endif /* GR_WITHOUT_log1p */
