/* prelude_cuda.h: the vectors of kernels for a GPU, in front of each of them.
 *
 * Owns      the types of such a kernel (T V VI TI VD), lanes, loads, stores and masks, under the
 *           names of prelude.h, so that the same emitted expressions serve both.  A V is GR_L
 *           numbers of one thread, in registers: GR_L rows.
 * Assumes   CUDA C++17 (NVRTC), no headers; GR_F64 and GR_L defined before; in front of it the text
 *           of state.h and what that needs (emit_cuda.c). */

#ifdef __CUDACC__
#pragma nv_diag_suppress 177 /* not every kernel calls every function */
#endif
#define GR_D static __device__ __forceinline__
#define GR_MEMBER __device__ __forceinline__
#define GR_FN GR_D
#define GR_RARE static __device__ __noinline__
#define GR_EACH _Pragma("unroll") for (int l = 0; l < GR_L; l++)

#if GR_F64
typedef double T;
typedef long long TI;
#define GR_TBYTES 8
#define GR_K(f32, f64) f64
#define GR_BITS(x) __double_as_longlong(x)
#define GR_UNBITS(x) __longlong_as_double(x)
#else
typedef float T;
typedef int TI;
#define GR_TBYTES 4
#define GR_K(f32, f64) f32
#define GR_BITS(x) __float_as_int(x)
#define GR_UNBITS(x) __int_as_float(x)
#endif

#define GR_INF GR_K(__int_as_float(0x7f800000), INFINITY)
#define GR_NAN GR_K(__int_as_float(0x7fc00000), NAN)
#define GR_MAX GR_K(0x1.fffffep127f, 0x1.fffffffffffffp1023)
#define GR_SIGN (GR_K(-0x7fffffff, -0x7fffffffffffffffLL) - 1)
#define GR_PI_2 GR_K(0x1.921fb6p0f, 0x1.921fb54442d18p0)
#define __builtin_expect(x, likely) (x)

/* ---- vectors ---- */

struct V;
struct VI { /* integers, and masks: lanes 0 or -1 */
  TI l[GR_L];
  VI() = default;
  GR_MEMBER VI(TI a) { GR_EACH this->l[l] = a; }
  GR_MEMBER explicit operator V() const; /* the same bits */
};
struct V {
  T l[GR_L];
  V() = default;
  GR_MEMBER V(T a) { GR_EACH this->l[l] = a; }
  GR_MEMBER T operator[](int k) const { return l[k]; }
  GR_MEMBER explicit operator VI() const;
};
#if GR_F64
typedef V VD;
#else
struct VD {
  double l[GR_L];
  VD() = default;
  GR_MEMBER VD(double a) { GR_EACH this->l[l] = a; }
};
#endif

#define GR_BINARY(R, A, op)                                                                                            \
  GR_D R operator op(A a, A b) {                                                                                       \
    R r;                                                                                                               \
    GR_EACH r.l[l] = a.l[l] op b.l[l];                                                                                 \
    return r;                                                                                                          \
  }
#define GR_ASSIGN(A, op)                                                                                               \
  GR_D A &operator op##=(A &a, A b) { return a = a op b; }
#define GR_COMPARE(A, op)                                                                                              \
  GR_D VI operator op(A a, A b) {                                                                                      \
    VI r;                                                                                                              \
    GR_EACH r.l[l] = -(TI)(a.l[l] op b.l[l]);                                                                          \
    return r;                                                                                                          \
  }
#define GR_ARITHMETIC(A)                                                                                               \
  GR_BINARY(A, A, +) GR_BINARY(A, A, -) GR_BINARY(A, A, *) GR_BINARY(A, A, /)                                          \
  GR_ASSIGN(A, +) GR_ASSIGN(A, -) GR_ASSIGN(A, *) GR_ASSIGN(A, /)                                                      \
  GR_D A operator-(A a) {                                                                                              \
    GR_EACH a.l[l] = -a.l[l];                                                                                          \
    return a;                                                                                                          \
  }
#define GR_COMPARISONS(A) GR_COMPARE(A, <) GR_COMPARE(A, <=) GR_COMPARE(A, >) GR_COMPARE(A, >=) GR_COMPARE(A, ==) GR_COMPARE(A, !=)

GR_ARITHMETIC(V)
GR_COMPARISONS(V)
GR_COMPARISONS(VI)
#if !GR_F64
GR_ARITHMETIC(VD)
#endif
GR_BINARY(VI, VI, +)
GR_BINARY(VI, VI, -)
GR_BINARY(VI, VI, *)
GR_BINARY(VI, VI, &)
GR_BINARY(VI, VI, |)
GR_BINARY(VI, VI, ^)
GR_D VI operator~(VI a) {
  GR_EACH a.l[l] = ~a.l[l];
  return a;
}

GR_MEMBER VI::operator V() const {
  V r;
  GR_EACH r.l[l] = GR_UNBITS(this->l[l]);
  return r;
}
GR_MEMBER V::operator VI() const {
  VI r;
  GR_EACH r.l[l] = GR_BITS(this->l[l]);
  return r;
}

GR_D V v_set(T a) { return V(a); }
GR_D VI vi_set(TI a) { return VI(a); }
GR_D VD vd_set(double a) { return VD(a); }

#define GR_CONVERT(name, R, A, to)                                                                                     \
  GR_D R name(A a) {                                                                                                   \
    R r;                                                                                                               \
    GR_EACH r.l[l] = (to)a.l[l];                                                                                       \
    return r;                                                                                                          \
  }
GR_CONVERT(vd_of, VD, V, double)
GR_CONVERT(v_of, V, VD, T)
GR_CONVERT(int_of_vd, VI, VD, TI)
GR_CONVERT(vd_of_int, VD, VI, double)
GR_CONVERT(v_of_int, V, VI, T)

/* ---- memory ---- */

/* Lane l of a thread is row first + l * step, or the last row where there are no more. */

struct gr_lanes {
  int64 first, last;
  int step;
};

GR_D int64 lane_row(gr_lanes at, int l) {
  const int64 r = at.first + (int64)l * at.step;
  return r < at.last ? r : at.last;
}

GR_D V v_rows(const T *p, gr_lanes at) {
  V r;
  GR_EACH r.l[l] = p[lane_row(at, l)];
  return r;
}
GR_D void v_put(T *p, gr_lanes at, V a) {
  GR_EACH if (at.first + (int64)l * at.step <= at.last) p[at.first + (int64)l * at.step] = a.l[l];
}
/* Of states: the last row belongs to another thread, which may write it at the same time. */
GR_D VD vd_rows(const double *p, gr_lanes at) {
  VD r;
  GR_EACH r.l[l] = at.first + (int64)l * at.step <= at.last ? p[at.first + (int64)l * at.step] : 0;
  return r;
}
GR_D void vd_put(double *p, gr_lanes at, VD a) {
  GR_EACH if (at.first + (int64)l * at.step <= at.last) p[at.first + (int64)l * at.step] = a.l[l];
}
GR_D VD vd_load(const VD *p) { return *p; }
GR_D void vd_store(VD *p, VD a) { *p = a; }

/* Numbers as they are stored: IEEE binary16 and bfloat16 by their bits. */
GR_D float half_value(unsigned short h) {
  const unsigned e = h >> 10 & 31, m = h & 1023, s = (unsigned)(h & 0x8000) << 16;
  if (e == 0) return __int_as_float((int)(s | (unsigned)__float_as_int((float)m * 0x1p-24f)));
  return __int_as_float((int)(s | (e == 31 ? 0x7f800000u : (e + 112) << 23) | m << 13));
}

struct gr_half { unsigned short bits; };
struct gr_bfloat { unsigned short bits; };
GR_D double gr_number(double x) { return x; }
GR_D float gr_number(float x) { return x; }
GR_D float gr_number(gr_half x) { return half_value(x.bits); }
GR_D float gr_number(gr_bfloat x) { return __int_as_float((int)((unsigned)x.bits << 16)); }

/* Number `at` of the data, less component k of the origin where there is one: in double, and then
 * rounded. */
template <class S> GR_D T gr_number_at(const gr_source &x, int k, int64 at) {
  const auto v = gr_number(((const S *)x.data)[at]);
  return x.origin ? (T)(v - x.origin[k]) : (T)v;
}

/* Not inlined: it is large, and where it is called often (gr_read) few arguments need it. */
GR_RARE T gr_take(const gr_source &x, int k, int64 r) {
  const int64 at = r + k * x.ld;
  switch ((int)x.type) {
  case 0: return gr_number_at<double>(x, k, at);
  case 1: return gr_number_at<float>(x, k, at);
  case 2: return gr_number_at<gr_half>(x, k, at);
  default: return gr_number_at<gr_bfloat>(x, k, at);
  }
}

/* Component k of the pairs of a thread's rows, counted from row0, and column c. */
GR_D V v_pairs(const gr_source &x, int k, int64 row0, gr_lanes at, int64 c) {
  const int64 from = c * x.ld + k * x.apart;
  V r;
  GR_EACH {
    const int64 n = from + (row0 + lane_row(at, l)) * x.step;
    r.l[l] = x.type == GR_K(1, 0) ? ((const T *)x.data)[n] : gr_take(x, 0, n);
  }
  return r;
}

struct gr_own { /* reads an argument whose numbers are T */
  const T *__restrict__ data;
  int64 ld;
  GR_MEMBER T operator()(int k, int64 r) const { return data[r + k * ld]; }
};
struct gr_any {
  const gr_source *x;
  GR_MEMBER T operator()(int k, int64 r) const { return gr_take(*x, k, r); }
};

/* f(reader): the loop in f is compiled twice, so that arguments of the usual type are read without
 * a branch on the type. */
template <class F> GR_D void gr_read(const gr_source &x, F f) {
  if (x.type == GR_K(1, 0) && !x.origin)
    f(gr_own{(const T *)x.data, x.ld});
  else
    f(gr_any{&x});
}

GR_D V v_take(const gr_source &x, int k, int64 base, gr_lanes at) {
  V r;
  GR_EACH r.l[l] = gr_take(x, k, base + lane_row(at, l));
  return r;
}

/* ---- selection ---- */

GR_D VI vi_sel(VI m, VI a, VI b) {
  GR_EACH b.l[l] = m.l[l] ? a.l[l] : b.l[l];
  return b;
}
GR_D VI i_sel(VI m, VI a, VI b) { return vi_sel(m, a, b); }
GR_D V v_sel(VI m, V a, V b) {
  GR_EACH b.l[l] = m.l[l] ? a.l[l] : b.l[l];
  return b;
}
GR_D bool vi_any(VI m) {
  TI any = 0;
  GR_EACH any |= m.l[l];
  return any != 0;
}
GR_D V v_bool(VI m) {
  V r;
  GR_EACH r.l[l] = m.l[l] ? (T)1 : (T)0;
  return r;
}

/* a < b ? a : b and a > b ? a : b: b where either is NaN. */
GR_D V v_min(V a, V b) { return v_sel(a < b, a, b); }
GR_D V v_max(V a, V b) { return v_sel(a > b, a, b); }

/* The next number below; of -Inf, NaN, which nothing reaches. */
GR_D V v_below(V a) {
  VI i = (VI)a;
  GR_EACH a.l[l] = a.l[l] == 0 ? GR_UNBITS(GR_SIGN | 1) : GR_UNBITS(i.l[l] + (i.l[l] < 0 ? 1 : -1));
  return a;
}
