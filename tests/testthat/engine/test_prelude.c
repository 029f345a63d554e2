/* test_prelude.c: the functions of prelude.h against those of libm in higher precision.
 *
 * A program of its own, linked with libm only.  Compile it with and without -DGR_F64=1, with the -m
 * and -O options that kernels are compiled with.
 *   test_prelude [stride]   float functions see every stride-th bit pattern (default 4093; 1: all
 *                           2^32), double functions a quarter as many random ones
 * Prints a line per function with the largest error in units in the last place and its argument; at
 * the end "N passed, N failed"; the exit status is 1 if any failed.  Every argument is one lane of
 * a vector among others, special values included, so that a lane that disturbs another one is
 * noticed.  The sign of zeros is compared. */

#ifdef _WIN32
#include "graph/trig_large.h"
#endif
#include "emit/prelude.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if GR_F64
typedef long double R; /* of the reference */
typedef uint64_t U;
#define REF(f) f##l
#define T_MAX DBL_MAX
#define T_MIN DBL_MIN
#else
typedef double R;
typedef uint32_t U;
#define REF(f) f
#define T_MAX FLT_MAX
#define T_MIN FLT_MIN
#endif

/* Where the C library itself is wrong, references are in quadruple precision: sinl uses the
 * instruction fsin for large arguments, whose pi has 66 bits, and lgammal has no correct digits
 * near 1 and 2. */
#ifdef _WIN32
#include <quadmath.h>

/* lgammaq changes the rounding mode. */
static R right(__float128 f(__float128), R x) {
  const unsigned mode = __builtin_ia32_stmxcsr();
  const R y = (R)f(x);
  __builtin_ia32_ldmxcsr(mode);
  return y;
}
#define RIGHT(f, x) right(f##q, x)
#else
#define RIGHT(f, x) REF(f)(x)
#endif

enum { BLOCK = 4096 };
static int passed, failed;
static unsigned long long stride = 4093;
static int draws = 1000000; /* of functions of more arguments */

static void verdict(int ok) { ok ? passed++ : failed++; }

static void check(int ok, const char *what) {
  if (!ok) printf("FAILED: %s\n", what);
  verdict(ok);
}

static uint64_t rnd(void) { /* xorshift */
  static uint64_t s = 88172645463325252u;
  s ^= s << 13;
  s ^= s >> 7;
  s ^= s << 17;
  return s;
}

static T uniform(T lo, T hi) { return lo + (hi - lo) * (T)((rnd() >> 11) * 0x1p-53); }

static T from_bits(U u) {
  T x;
  memcpy(&x, &u, sizeof x);
  return x;
}

static int same(T a, T b) { return (isnan(a) && isnan(b)) || (a == b && !signbit(a) == !signbit(b)); }

static int exponent(R x) { return x == 0 ? -30000 : REF(ilogb)(x); }

/* The distance of got from ref in units in the last place of T at ref, or at size if that is
 * larger; huge where only one of them is NaN or infinite. */
static double ulps(T got, R ref, R size) {
  const R top = REF(ldexp)(1, GR_BIAS + 1); /* stands for a result that overflows */
  T want = (T)ref;
  if (isnan(want) || isnan(got) || isinf(ref) || (want == 0 && got == 0)) return same(got, want) ? 0 : 1e30;
  R g = isinf(got) ? REF(copysign)(top, got) : got, r = REF(fabs)(ref) > top ? REF(copysign)(top, ref) : ref;
  int e = exponent(REF(fmax)(REF(fabs)(r), size));
  if (e < 1 - GR_BIAS) e = 1 - GR_BIAS;
  return (double)(REF(fabs)(g - r) / REF(ldexp)(1, e - GR_MANT));
}

#define EPS GR_K(FLT_EPSILON, DBL_EPSILON)
#define HALF GR_K(0.5f, 0.5)
#define BELOW_HALF GR_K(0.49999997f, 0.49999999999999994)
#define TINY GR_K(0x1p-149f, 0x1p-1074)
#define P22 GR_K(0x1p22f, 0x1p51) /* beyond P22 only halves are fractions */
#define P23 GR_K(0x1p23f, 0x1p52)

static const T special[] = {
    0, -0.0f, 1, -1, 2, -2, 3, 10, -10, 1000, -1000, 1e30f, -1e30f, T_MAX, -T_MAX, T_MIN, -T_MIN, TINY, -TINY, 8 * TINY,
    /* halves and large numbers, for the rounding functions */
    HALF, GR_K(0.625f, 0.625), -HALF, BELOW_HALF, -BELOW_HALF, 3 * HALF, 5 * HALF, -5 * HALF, P22 + HALF,
    P22 + 3 * HALF, -P22 - HALF, P23, P23 - HALF, P23 + 1, 2 * P23, GR_K(0x1p31f, 0x1p63),
    /* log, asin, atan2 near their corners */
    EPS, 1 + EPS, 1 - EPS / 2, (T)M_SQRT1_2, (T)M_SQRT2,
    /* exp: overflow, smallest normal result, the limits of the argument */
    GR_K(88.72283f, 709.782712893384), GR_K(88.72284f, 709.7827128933841), GR_K(-87.33654f, -708.3964185322641),
    GR_K(-87.5f, -708.5), GR_K(89, 710), GR_K(-103.9f, -745.1),
    /* exp2: the same */
    128, GR_K(0x1.fffffep6f, 0x1.fffffffffffffp9), 129, 1024, 1025, -126, -125.5f, -1022, -1021.5f,
    /* sinh, cosh: overflow */
    GR_K(89.415985f, 710.4758600739439), GR_K(89.41599f, 710.475860073944), GR_K(-89.415985f, -710.4758600739439),
    /* expm1, log1p, erf, gamma at their corners and zeros */
    -EPS, -1 + EPS / 2, -1 - EPS, 2 - EPS, 2 + 2 * EPS, GR_K(0.125f, 0.125), -1.5f, -2.5f,
    GR_K(-0.50000006f, -0.5000000000000001), 8 - 4 * EPS, 8, 17, -7, 26, -26, GR_K(1.4616321f, 1.4616321449683622),
    GR_K(-2.4570248f, -2.4570247382208006),
    /* sin: multiples of pi/4, and where the reduction changes */
    (T)M_PI, -(T)M_PI, (T)M_PI_2, (T)M_PI_4, 2048, GR_K(2048.0002f, 2049), 1048576, GR_K(1048577, 1048576.0000000001)};
enum { SPECIALS = sizeof special / sizeof *special + 4 };
static T special_at(int k) { /* the others, and NaN with a payload (R's NA) */
  static const U nan_bits = GR_K(0x7fc007a2u, 0x7ff80000000007a2u);
  return k > 3 ? special[k - 4] : k == 3 ? GR_INF : k == 2 ? -GR_INF : k == 1 ? from_bits(nan_bits) : GR_NAN;
}

/* ---- functions of one argument ---- */

/* clang-format off */
#define EACH_V(name, f)                                                     \
  static __attribute__((noinline)) void name(T *y, const T *x) {            \
    for (int i = 0; i < BLOCK; i += GR_L) v_store(y + i, f(v_load(x + i))); \
  }
#define UNARY(f) EACH_V(do_##f, v_##f)
UNARY(exp) UNARY(exp2) UNARY(log) UNARY(xlogx) UNARY(sin) UNARY(cos) UNARY(sinxdivx) UNARY(asin) UNARY(acos) UNARY(atan)
UNARY(sqrt) UNARY(rsqrt) UNARY(abs) UNARY(floor) UNARY(ceil) UNARY(round) UNARY(sign) UNARY(step) UNARY(relu)
UNARY(tan) UNARY(sinh) UNARY(cosh) UNARY(tanh) UNARY(expm1) UNARY(log1p) UNARY(sigmoid) UNARY(softplus)
UNARY(erf) UNARY(erfc) UNARY(lgamma) UNARY(digamma)

static R ref_sin(R x) { return RIGHT(sin, x); }
static R ref_cos(R x) { return RIGHT(cos, x); }
static R ref_tan(R x) { return RIGHT(tan, x); }
static R ref_lgamma(R x) { return RIGHT(lgamma, x); }
static R ref_xlogx(R x) { return x == 0 ? 0 : x * REF(log)(x); }
static R ref_sinxdivx(R x) { return x == 0 ? 1 : ref_sin(x) / x; }
static R ref_rsqrt(R x) { return x == 0 ? 0 : 1 / REF(sqrt)(x); }
static R ref_sign(R x) { return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x; }
static R ref_step(R x) { return x >= 0 ? 1 : x < 0 ? 0 : x; }
static R ref_relu(R x) { return x < 0 ? 0 : x; }
static R ref_sigmoid(R x) { return 1 / (1 + REF(exp)(-x)); }
static R ref_softplus(R x) { return isnan(x) ? x : REF(fmax)(x, 0) + REF(log1p)(REF(exp)(-REF(fabs)(x))); }

static R ref_digamma(R x) {
  /* a double, and the rest */
  static const long double zero = 0x1.762d86356be3fp+0L, zero_lo = 9.549995429965697715184199e-17L;
  static const long double taylor[] = {
      0.967672245447621170427L, -0.442763168983592106093L, 0.258499760955651010624L, -0.163942705442406527504L,
      0.107824050691262365757L, -0.0721995612564547109261L, 0.0488042881641431072251L, -0.0331611264748473592923L,
      0.0225976482322181046596L, -0.0154247659049489591388L};
  R y = 0, w;
  if (x <= 0 && x == REF(floor)(x)) return NAN;
  if (fabsl(x - zero) < 0x1p-7L) {
    long double d = x - zero - zero_lo, sum = 0;
    for (int k = sizeof taylor / sizeof *taylor; k--;) sum = (sum + taylor[k]) * d;
    return (R)sum;
  }
  if (x < 0) {
    const R pi = (R)3.1415926535897932384626L;
    y = -pi / REF(tan)(pi * (x - REF(round)(x)));
    x = 1 - x;
  }
  for (; x < 30; x++) y -= 1 / x;
  w = 1 / (x * x);
  return y + REF(log)(x) - 1 / (2 * x) -
         w * (1 / (R)12 - w * (1 / (R)120 - w * (1 / (R)252 - w * (1 / (R)240 - w * (1 / (R)132 - w * 691 / 32760)))));
}

/* What v_lgamma and v_digamma promise on the negative axis. */
static R size_lgamma(R x) { return x < -2 ? REF(fmax)(1, ref_lgamma(-x)) : 0; }
static R size_digamma(R x) {
  if (!(x < 0)) return 0;
  R one = ref_digamma(1 - x), other = ref_digamma(x) - one;
  return REF(fmax)(1, REF(fmax)(one, REF(fabs)(other)));
}

typedef struct unary {
  const char *name;
  void (*f)(T *, const T *);
  R (*ref)(R);
  double most; /* units in the last place */
  T lo, hi;    /* where half of the random arguments are, some of them in the 16th of it */
  int flushed; /* 0 may stand for a subnormal result, see gr_exp2 */
  R (*size)(R);
} unary;

#define ENTRY(f, ref, most, lo, hi) {#f, do_##f, ref, most, lo, hi, 0, NULL}
#define FLUSHED(f, ref, most, lo, hi) {#f, do_##f, ref, most, lo, hi, 1, NULL}
#define SIZED(f, ref, most, lo, hi) {#f, do_##f, ref, most, lo, hi, 0, size_##f}
static const unary unaries[] = {
    /* where it scales, n is the nearest integer, else the floor */
    FLUSHED(exp, REF(exp), GR_SCALES ? 1 : 2, GR_K(-88, -709), GR_K(89, 710)),
    FLUSHED(exp2, REF(exp2), 2, GR_K(-127, -1023), GR_K(129, 1025)),
    ENTRY(log, REF(log), 2, GR_K(0.25f, 0.25), 4),
    ENTRY(xlogx, ref_xlogx, 3, 0, 4),
    ENTRY(sin, ref_sin, 2.5, -30, 30),
    ENTRY(cos, ref_cos, 2.5, -30, 30),
    ENTRY(sinxdivx, ref_sinxdivx, 3, -30, 30),
    ENTRY(asin, REF(asin), 3, -1, 1),
    ENTRY(acos, REF(acos), 3, -1, 1),
    ENTRY(atan, REF(atan), 3, -4, 4),
    ENTRY(sqrt, REF(sqrt), 0.5, 0, 4),
    ENTRY(rsqrt, ref_rsqrt, GR_K(3.9, 1.5), 0, 4),
    ENTRY(abs, REF(fabs), 0, -4, 4),
    ENTRY(floor, REF(floor), 0, -9, 9),
    ENTRY(ceil, REF(ceil), 0, -9, 9),
    ENTRY(round, REF(round), 0, -9, 9),
    ENTRY(sign, ref_sign, 0, -1, 1),
    ENTRY(step, ref_step, 0, -1, 1),
    ENTRY(relu, ref_relu, 0, -1, 1),
    ENTRY(tan, ref_tan, 4, -30, 30),
    ENTRY(sinh, REF(sinh), 4, GR_K(-90, -711), GR_K(90, 711)),
    ENTRY(cosh, REF(cosh), 4, GR_K(-90, -711), GR_K(90, 711)),
    ENTRY(tanh, REF(tanh), 4, GR_K(-10, -20), GR_K(10, 20)),
    ENTRY(expm1, REF(expm1), 4, GR_K(-18, -38), GR_K(90, 711)),
    ENTRY(log1p, REF(log1p), 4, -1, 4),
    FLUSHED(sigmoid, ref_sigmoid, 4, GR_K(-88, -710), GR_K(20, 40)),
    FLUSHED(softplus, ref_softplus, 4, GR_K(-88, -710), GR_K(20, 40)),
    ENTRY(erf, REF(erf), 4, -4, 6),
    FLUSHED(erfc, REF(erfc), 4, -6, GR_K(11, 28)),
    SIZED(lgamma, ref_lgamma, 4, -12, 24),
    SIZED(digamma, ref_digamma, 5, -12, 24)};

/* clang-format on */

typedef struct worst {
  double ulps;
  T x, x2, got;
  R ref;
} worst;

static void note(worst *w, T x, T x2, T got, R ref, R size) {
  double u = ulps(got, ref, size);
  if (u > w->ulps) *w = (worst){u, x, x2, got, ref};
}

static void report(const char *name, const worst *w, double most) {
  int ok = w->ulps <= most;
  printf("%-9s %-10s %10.3f  at %.17g, %.17g: %.17g, not %.17g\n", ok ? "" : "FAILED", name, w->ulps, (double)w->x,
         (double)w->x2, (double)w->got, (double)w->ref);
  verdict(ok);
}

/* The next BLOCK arguments: bit patterns, uniform ones, special ones, and numbers near multiples of
 * pi/2. */
static int fill(T *x, const unary *u, unsigned long long *at) {
  for (int i = 0; i < BLOCK; i++) {
    unsigned kind = rnd() % 16;
    if (kind == 0) {
      x[i] = special_at(rnd() % SPECIALS);
    } else if (kind == 1) {
      T near = (T)((long double)(rnd() % GR_K(1310, 667600)) * 1.5707963267948966192313216916L);
      x[i] = rnd() % 2 ? near : GR_K(nextafterf, nextafter)(near, rnd() % 2 ? 1e30f : 0);
    } else if (kind < 8) {
      x[i] = uniform(u->lo, u->hi) / (kind < 5 ? 16 : 1);
    } else {
      x[i] = from_bits(sizeof(U) == 4 ? (U)*at : (U)rnd());
      *at += stride;
    }
  }
  return *at < (sizeof(U) == 4 ? 1ull << 32 : 1ull << 30); /* long double is slow */
}

static void test_unary(const unary *u) {
  static T x[BLOCK] __attribute__((aligned(64))), y[BLOCK] __attribute__((aligned(64)));
  worst w = {0};
  unsigned long long at = rnd() % stride;
  int more;
  do {
    more = fill(x, u, &at);
    u->f(y, x);
    for (int i = 0; i < BLOCK; i++) {
      R ref = u->ref(x[i]);
      if (u->flushed && y[i] == 0 && REF(fabs)(ref) < T_MIN) ref = 0;
      note(&w, x[i], 0, y[i], ref, u->size ? u->size(x[i]) : 0);
    }
  } while (more);
  report(u->name, &w, u->most);
}

/* ---- functions of more arguments ---- */

typedef struct many {
  const char *name;
  V (*f)(V, V, V);
  R (*ref)(R, R, R);
  double most;
} many;

#define MANY(name, vector, reference)                                            \
  static V m_##name(V a, V b, V c) { return (void)a, (void)b, (void)c, vector; } \
  static R r_##name(R a, R b, R c) { return (void)a, (void)b, (void)c, reference; }
MANY(atan2, v_atan2(a, b), REF(atan2)(a, b))
MANY(hypot, v_hypot(a, b), REF(hypot)(a, b))
MANY(min, v_min(a, b), a < b ? a : b)
MANY(max, v_max(a, b), a > b ? a : b)
MANY(clamp, v_clamp(a, b, c), a<b ? b : a> c ? c : a)
MANY(ifelse, v_ifelse(a, b, c), a >= 0 ? b : c)
MANY(sel, v_sel(a < b, b, c), a < b ? b : c)
MANY(bool, v_bool(a <= b), a <= b)
MANY(sel_by, v_of(vd_sel_by(a != b, vd_of(b), vd_of(c))), a != b ? b : c)
MANY(powi0, v_powi(a, 0), 1)
MANY(powi1, v_powi(a, 1), a)
MANY(powi2, v_powi(a, 2), a *a)
MANY(powi3, v_powi(a, 3), a *a *a)
MANY(powi7, v_powi(a, 7), REF(pow)(a, 7))
MANY(powi_1, v_powi(a, -1), 1 / a)

static const many manies[] = {
    {"atan2", m_atan2, r_atan2, 3}, {"hypot", m_hypot, r_hypot, 2}, {"min", m_min, r_min, 0},
    {"max", m_max, r_max, 0},       {"clamp", m_clamp, r_clamp, 0}, {"ifelse", m_ifelse, r_ifelse, 0},
    {"sel", m_sel, r_sel, 0},       {"bool", m_bool, r_bool, 0},    {"sel_by", m_sel_by, r_sel_by, 0},
    {"powi0", m_powi0, r_powi0, 0}, {"powi1", m_powi1, r_powi1, 0}, {"powi2", m_powi2, r_powi2, 0.5},
    {"powi3", m_powi3, r_powi3, 2}, {"powi7", m_powi7, r_powi7, 6}, {"powi-1", m_powi_1, r_powi_1, 0.5}};

static T draw(void) {
  int kind = rnd() % 4;
  return kind == 0 ? special_at(rnd() % SPECIALS) : kind == 1 ? from_bits((U)rnd()) : uniform(-2, 2);
}

static void test_many(const many *m) {
  worst w = {0};
  for (int i = 0; i < draws / GR_L; i++) {
    V a, b, c, y;
    for (int l = 0; l < GR_L; l++) a[l] = draw(), b[l] = rnd() % 8 ? draw() : a[l], c[l] = draw();
    y = m->f(a, b, c);
    for (int l = 0; l < GR_L; l++) note(&w, a[l], b[l], y[l], m->ref(a[l], b[l], c[l]), 0);
  }
  report(m->name, &w, m->most);
}

/* ---- memory, constants, conversions ---- */

static int all_same(V a, T x) {
  for (int l = 0; l < GR_L; l++)
    if (!same(a[l], x)) return 0;
  return 1;
}

static void test_memory(void) {
  static T in[3 * GR_L] __attribute__((aligned(64))), out[3 * GR_L];
  static double d[2 * GR_L], e[2 * GR_L];
  int ok_v = 1, ok_d = 1;
  for (int i = 0; i < 3 * GR_L; i++) in[i] = (T)i;
  for (int i = 0; i < 2 * GR_L; i++) d[i] = i + 0.1;
  for (int s = 0; s < GR_L; s++) {
    v_store(out + s, v_loadu(in + s));
    vd_store(e + s, vd_load(d + s));
    for (int l = 0; l < GR_L; l++) ok_v &= out[s + l] == in[s + l], ok_d &= e[s + l] == d[s + l];
  }
  check(ok_v, "v_loadu, v_store");
  check(ok_d, "vd_load, vd_store");
  check(v_load(in)[GR_L - 1] == GR_L - 1 && v_load(in + GR_L)[0] == GR_L, "v_load");
}

static void test_constants(void) {
  volatile T z = -0.0f;
  check(all_same(v_set(z), -0.0f), "v_set keeps -0");
  for (int k = 0; k < SPECIALS; k++) check(all_same(v_set(special_at(k)), special_at(k)), "v_set");
  check(vi_set(-7)[GR_L - 1] == -7 && vd_set(0.1)[0] == 0.1, "vi_set, vd_set");
  check(signbit(vd_set(z)[GR_L - 1]), "vd_set keeps -0");
}

static void test_conversions(void) {
  int ok = 1;
  for (int r = 0; r < 10000; r++) {
    VI k;
    for (int l = 0; l < GR_L; l++) k[l] = (TI)((int64_t)rnd() >> (GR_K(32, 13) + rnd() % GR_K(32, 51)));
    VD d = vd_of_int(k);
    V t = v_of_int(k);
    VI back = int_of_vd(d);
    for (int l = 0; l < GR_L; l++) ok &= d[l] == (double)k[l] && t[l] == (T)k[l] && back[l] == k[l];
    ok &= all_same(v_of(vd_of(v_set((T)k[0]))), (T)k[0]);
  }
  check(ok, "conversions");
  check(all_same(v_of(vd_of(v_set(GR_NAN))), GR_NAN), "NaN through VD");
}

static void test_masks(void) {
  int ok = !vi_any(vi_set(0)) && vi_any(vi_set(-1));
  for (int l = 0; l < GR_L; l++) {
    VI m = vi_set(0), s;
    m[l] = -1;
    ok &= vi_any(m) && vi_bits(m) == 1u << l && vi_bits(~m) == ((1u << (GR_L - 1) << 1) - 1) - (1u << l);
    s = vi_sel(m, vi_set(5), vi_set(9));
    for (int k = 0; k < GR_L; k++) ok &= s[k] == (k == l ? 5 : 9);
  }
  check(ok, "vi_any, vi_bits, vi_sel");
}

/* ---- numbers of rows and columns ---- */

/* ref_rand of graph/ops.c, to the last bit. */
static double random_number(uint32_t x, uint32_t y, uint32_t z) {
  x = x * 1664525u + 1013904223u, y = y * 1664525u + 1013904223u, z = z * 1664525u + 1013904223u;
  x += y * z, y += z * x, z += x * y;
  x ^= x >> 16, y ^= y >> 16, z ^= z >> 16;
  x += y * z, y += z * x;
  return GR_TBYTES == 8 ? ((double)((uint64_t)(x >> 9) << 29 | y >> 3) + 0.5) * 0x1p-52 : ((double)(x >> 9) + 0.5) * 0x1p-23;
}

static void test_numbers(void) {
  static const long long from[] = {0, 3, 16777210, 1LL << 31, (1LL << 32) - 3, 1LL << 40, (1LL << 53) - 100};
  int wrong = 0;
  for (int n = 0; n < 49 * 40; n++) {
    const long long i = from[n % 7], j = from[n / 7 % 7];
    const int k = n / 49, last = k + 1;
    gr_where rows = gr_lanes_at(i, k), column = gr_one_at(j, 7), copies = gr_lanes_until(j, k, last);
    V one = v_index(rows), diff = v_index_diff(rows, column), back = v_index_diff(column, rows), end = v_index(copies), some = v_rand(rows, column, (unsigned)n);
    for (int l = 0; l < GR_L; l++) {
      const long long a = i + k + l, b = j + 7, c = j + (k + l < last ? k + l : last);
      wrong += one[l] != (T)a || diff[l] != (T)(a - b) || back[l] != (T)(b - a) || end[l] != (T)c;
      wrong += some[l] != random_number((uint32_t)a, (uint32_t)b, (uint32_t)n);
    }
  }
  wrong += gr_seed(v_set(-2.5)) != -3u || gr_seed(v_set(GR_NAN)) != 0 || gr_seed(v_set(GR_INF)) != 0;
  wrong ? failed++ : passed++;
  if (wrong) printf("FAILED: %d numbers of rows and columns\n", wrong);
}

int main(int argc, char **argv) {
  const char *share = getenv("GR_SHARE"); /* a share of the default, see targets/ */
  if (share && atoi(share) > 0) stride *= (unsigned)atoi(share), draws /= atoi(share);
  if (argc > 1) stride = strtoull(argv[1], NULL, 10);
  printf("%s, %d bytes; largest error in units in the last place\n", GR_K("float", "double"), GR_VBYTES);
  for (size_t k = 0; k < sizeof unaries / sizeof *unaries; k++) test_unary(&unaries[k]);
  for (size_t k = 0; k < sizeof manies / sizeof *manies; k++) test_many(&manies[k]);
  test_memory();
  test_constants();
  test_conversions();
  test_masks();
  test_numbers();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
