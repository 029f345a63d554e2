/* prelude_softmin.h: the soft minimum of three numbers (prelude.h). */

#ifndef GR_WITHOUT_softmin
/* ---- the soft minimum -g log(sum exp(-a/g)) of three, for dynamic time warping ---- */

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
#endif /* GR_WITHOUT_softmin */
