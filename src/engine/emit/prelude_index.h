/* prelude_index.h: where a pair is: numbers of rows and columns, and random numbers that follow
 * from them (prelude.h; kernels for a GPU have it behind prelude_cuda_math.h).
 *
 * Owns      v_index, v_index_diff and v_rand, for processors and GPUs; below, GR_MEMBER tells that
 *           it is a GPU.
 * Guarantees  numbers below 2^24 (in double precision 2^53) and differences of that size are exact;
 *           others are rounded.  v_rand gives the interpreter's numbers to the last bit (ref_rand
 *           in graph/ops.c, which says whose method it is). */

#ifndef GR_WITHOUT_index
/* ---- numbers of rows and columns ---- */

/* The number of each lane's row or column is first + k + lane. */
typedef struct gr_where {
  long long first;
  TI k;
  VI lane;
} gr_where;

#ifdef GR_MEMBER
GR_FN gr_where gr_lanes_at(long long first, gr_lanes at) {
  gr_where w = {first + at.first, 0, vi_set(0)};
  GR_EACH w.lane.l[l] = (TI)(lane_row(at, l) - at.first);
  return w;
}
#else
GR_FN VI gr_lane_numbers(void) {
  VI lane = vi_set(0);
  for (int l = 0; l < GR_L; l++) lane[l] = l;
  return lane;
}
GR_FN gr_where gr_lanes_at(long long first, int k) {
  gr_where w = {first, k, gr_lane_numbers()};
  return w;
}
/* behind `last`, copies of it */
GR_FN gr_where gr_lanes_until(long long first, int k, int last) {
  VI all = gr_lane_numbers() + k;
  gr_where w = {first, 0, vi_sel(all < last, all, vi_set(last))};
  return w;
}
#endif
GR_FN gr_where gr_one_at(long long first, int k) {
  gr_where w = {first, k, vi_set(0)};
  return w;
}

/* The part of an integer that is converted together with k and lane; the rest, 0 unless the
 * integer is huge, is added after that. */
GR_FN long long gr_convertible(long long a) {
  const long long most = GR_K(1LL << 29, 1LL << 50);
  return a > most ? most : a < -most ? -most : a;
}

GR_FN V v_index(gr_where a) {
  const long long part = gr_convertible(a.first);
  return v_of_int(vi_set((TI)part + a.k) + a.lane) + v_set((T)(a.first - part));
}
GR_FN V v_index_diff(gr_where a, gr_where b) {
  const long long first = a.first - b.first, part = gr_convertible(first);
  return v_of_int(vi_set((TI)part + a.k) + a.lane - (vi_set(b.k) + b.lane)) + v_set((T)(first - part));
}
#endif /* GR_WITHOUT_index */

#ifndef GR_WITHOUT_rand
/* ---- random numbers ---- */

/* Words of 32 bits in lanes; the bits of a fraction, from the upper ones of two words. */
#ifdef GR_MEMBER
struct GR_U {
  unsigned l[GR_L];
  GR_U() = default;
  GR_MEMBER GR_U(unsigned a) { GR_EACH this->l[l] = a; }
};
GR_BINARY(GR_U, GR_U, +)
GR_BINARY(GR_U, GR_U, *)
GR_BINARY(GR_U, GR_U, ^)
GR_BINARY(GR_U, GR_U, >>)
GR_CONVERT(gr_words, GR_U, VI, unsigned)
GR_FN GR_U gr_word(unsigned a) { return GR_U(a); }
GR_FN VI gr_random_bits(GR_U x, GR_U y) {
  VI r;
  GR_EACH r.l[l] = GR_K((TI)(x.l[l] >> 9), (TI)(x.l[l] >> 9) << 29 | (TI)(y.l[l] >> 3));
  return r;
}
#else
typedef unsigned GR_U __attribute__((vector_size(GR_L * 4), may_alias));
GR_FN GR_U gr_word(unsigned a) { return a - (GR_U){0}; }
#if GR_F64
GR_FN GR_U gr_words(VI a) { return __builtin_convertvector(a, GR_U); }
GR_FN VI gr_random_bits(GR_U x, GR_U y) {
  return __builtin_convertvector(x >> 9, VI) << 29 | __builtin_convertvector(y >> 3, VI);
}
#else
GR_FN GR_U gr_words(VI a) { return (GR_U)a; }
GR_FN VI gr_random_bits(GR_U x, GR_U y) { return (void)y, (VI)(x >> 9); }
#endif
#endif

GR_FN unsigned gr_seed(V a) {
  const T s = v_round(a)[0], most = GR_K(0x1p53f, 0x1p53);
  return s > -most && s < most ? (unsigned)(long long)s : 0u;
}

GR_FN GR_U gr_random_word(gr_where a) {
  return (gr_word((unsigned)a.first + (unsigned)a.k) + gr_words(a.lane)) * gr_word(1664525u) + gr_word(1013904223u);
}

/* Behind the bits of 1 the fraction gives 1 + k 2^-23 (2^-52): less 1 and plus half a step, which
 * are one number. */
GR_FN V v_rand(gr_where i, gr_where j, unsigned seed) {
  GR_U x = gr_random_word(i), y = gr_random_word(j), z = gr_word(seed * 1664525u + 1013904223u);
  x = x + y * z, y = y + z * x, z = z + x * y;
  x = x ^ (x >> gr_word(16)), y = y ^ (y >> gr_word(16)), z = z ^ (z >> gr_word(16));
  x = x + y * z, y = y + z * x;
  return (V)(gr_random_bits(x, y) | (VI)v_set(1)) - GR_K(0x1.fffffep-1f, 0x1.fffffffffffffp-1);
}
#endif /* GR_WITHOUT_rand */
