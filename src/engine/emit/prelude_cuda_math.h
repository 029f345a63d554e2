/* prelude_cuda_math.h: element-wise functions of kernels for a GPU, behind prelude_cuda.h.
 *
 * Guarantees  as prelude.h: 4 units in the last place, NaN passes through.  Functions are CUDA's
 *           own (CUDA C++ Programming Guide, Mathematical Functions); exp2 of float is the
 *           processor's instruction, which flushes subnormal numbers to 0. */

/* ---- functions ---- */

#define GR_LANEWISE(name, f)                                                                                           \
  GR_D V name(V a) {                                                                                                   \
    GR_EACH a.l[l] = f(a.l[l]);                                                                                        \
    return a;                                                                                                          \
  }
#define GR_UNARY(x, f32, f64) GR_LANEWISE(v_##x, GR_K(f32, f64))

GR_UNARY(abs, fabsf, fabs)
GR_UNARY(sqrt, sqrtf, sqrt)
GR_UNARY(floor, floorf, floor)
GR_UNARY(ceil, ceilf, ceil)
GR_UNARY(round, roundf, round)
GR_UNARY(exp, expf, exp)
GR_UNARY(expm1, expm1f, expm1)
GR_UNARY(log, logf, log)
GR_UNARY(log1p, log1pf, log1p)
GR_UNARY(sin, sinf, sin)
GR_UNARY(cos, cosf, cos)
GR_UNARY(tan, tanf, tan)
GR_UNARY(asin, asinf, asin)
GR_UNARY(acos, acosf, acos)
GR_UNARY(atan, atanf, atan)
GR_UNARY(sinh, sinhf, sinh)
GR_UNARY(cosh, coshf, cosh)
GR_UNARY(tanh, tanhf, tanh)
GR_UNARY(erf, erff, erf)
GR_UNARY(erfc, erfcf, erfc)

GR_D V v_atan2(V a, V b) {
  GR_EACH a.l[l] = GR_K(atan2f, atan2)(a.l[l], b.l[l]);
  return a;
}

#if defined(__CUDACC__) && !GR_F64
GR_D float gr_exp2(float a) {
  asm("ex2.approx.ftz.f32 %0, %0;" : "+f"(a));
  return a;
}
#else
GR_D T gr_exp2(T a) { return GR_K(exp2f, exp2)(a); }
#endif
GR_LANEWISE(v_exp2, gr_exp2)
GR_D V gr_exponent_below(V a, V top) { return v_min(v_set(0), a - top) * GR_K(0x1.715476p0f, 0x1.71547652b82fep0); }
GR_D V gr_exp_below(V a, V top) { return v_exp2(gr_exponent_below(a, top)); }
GR_D V gr_factor_below(V a, V top) { return v_sel(a == -GR_INF, v_set(0), v_exp2(v_max(v_set(GR_K(-126, -1022)), gr_exponent_below(a, top)))); }

GR_D T gr_rsqrt(T a) { return a == 0 ? (T)0 : GR_K(rsqrtf, rsqrt)(a); }
GR_LANEWISE(v_rsqrt, gr_rsqrt)
GR_D V v_sigmoid(V a) { return 1 / (1 + v_exp(-a)); }
GR_D V v_softplus(V a) { return v_max(v_set(0), a) + v_log1p(v_exp(-v_abs(a))); }
GR_D V v_xlogx(V a) { return v_sel(a == 0, v_set(0), a * v_log(a)); }
GR_D V v_sinxdivx(V a) { return v_sel(a == 0, v_set(1), v_sin(a) / a); }
GR_D V v_square(V a) { return a * a; }
