#define REDUCTION const gr_reduction r = {9, (gr_family)2, 1, (gr_results)2, 1, 5, 1, false, false, true, false, 10, 2, 1}
GR_D void state_init(double *s) { REDUCTION; gr_state_init(&r, s, 1); }
GR_D void state_merge(double *a, const double *b, int64 ld) { REDUCTION; gr_state_merge(&r, a, ld, b, ld); }
GR_D double state_result(const double *s, int64 ld, int d, double count) { REDUCTION; return gr_state_result(&r, s, ld, d, count); }
enum { KEPT = 1, RESULTS = 5, NSTATE = 10 };
enum { THREADS = 128, TILE = 512, RECORD = 4, SPAN = 8 };
#define AT(n) (own + (n)) /* number n of the states of a thread's rows */

/* Parameters, and what depends on them only. */
extern "C" __global__ void gr_params(const gr_source *arg, T *P) {
  __syncthreads();
  if (threadIdx.x > 0) return;
}

/* Rows base ... base + n. */
extern "C" __global__ void gr_rows(const gr_source *arg, const T *P, T *R, int64 ld, int64 base, int64 n) {
  const int64 block = (int64)blockDim.x * GR_L;
  for (int64 b = blockIdx.x * block; b < n; b += gridDim.x * block) {
    const gr_lanes at = {b + threadIdx.x, n - 1, (int)blockDim.x};
    v_put(R + 0 * ld, at, v_take(arg[0], 0, base, at));
    v_put(R + 1 * ld, at, v_take(arg[0], 1, base, at));
    v_put(R + 2 * ld, at, v_take(arg[0], 2, base, at));
  }
}

/* Columns base ... base + n. */
extern "C" __global__ void gr_columns(const gr_source *arg, const T *P, T *C, int64 ld, int64 base, int64 n) {
  const int64 block = (int64)blockDim.x * GR_L;
  for (int64 b = blockIdx.x * block; b < n; b += gridDim.x * block) {
    const gr_lanes at = {b + threadIdx.x, n - 1, (int)blockDim.x};
  }
}

#define WORST GR_INF
#define BETTER <
#define REACHES <=
/* What a value must reach to be kept: anything where there is none, else what is better than the last of those kept. */
GR_FN V limit_of(V last, VI none) { return v_sel(none, v_set(WORST), v_below(last)); }

enum { TOP = 5 };
#define NONE GR_K(0x7fffffff, 0x7fffffffffffffffLL) /* index of none, above all others */
/* Lanes of f that reach the limit enter the list: a value goes down until it finds its place, and what was there goes on. */
GR_FN void top_insert(V *list, VI *index, V *limit, V f, TI column) {
  const VI hit = f REACHES *limit;
  VI i = i_sel(hit, vi_set(column), vi_set(NONE));
  f = v_sel(hit, f, v_set(WORST));
  #pragma unroll
  for (int k = 0; k < TOP; k++) {
    const V a = list[k];
    const VI j = index[k], m = (f BETTER a) | ((f == a) & (i < j));
    list[k] = v_sel(m, f, a), index[k] = i_sel(m, i, j);
    f = v_sel(m, a, f), i = i_sel(m, j, i);
  }
  *limit = limit_of(list[TOP - 1], index[TOP - 1] == NONE);
}

/* Rows 0 ... nr of R against columns c0 ... c1, in parts. */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
gr_pairs(const gr_source *arg, const T *__restrict__ P, const T *__restrict__ R, int64 ld_r, const T *__restrict__ C, int64 ld_c,
         int64 c_base, double *state, int64 ld_state, int64 r0, int64 nr, int64 c0, int64 c1, int64 part, int tx, int anew) {
  extern __shared__ __align__(16) unsigned char shared[];
  T *const S = (T *)shared; /* columns of a tile */
  const int x = threadIdx.x % tx, y = threadIdx.x / tx, ny = THREADS / tx;
  const gr_lanes at = {(int64)blockIdx.x * tx * GR_L + x, nr - 1, tx};
  const int64 from = c0 + blockIdx.y * part, to = c1 - from < part ? c1 : from + part;
  double *const mine = state + ((int64)y * gridDim.y + blockIdx.y) * NSTATE * ld_state;
  const T *const Rv = R;
  VD own[NSTATE];
  if (anew || y) {
    double start[NSTATE];
    state_init(start);
    for (int e = 0; e < NSTATE; e++) own[e] = vd_set(start[e]);
  } else {
    for (int e = 0; e < NSTATE; e++) own[e] = vd_rows(mine + e * ld_state, at);
  }
  V x_i[3];
  x_i[0] = v_rows(Rv + 0 * ld_r, at);
  x_i[1] = v_rows(Rv + 1 * ld_r, at);
  x_i[2] = v_rows(Rv + 2 * ld_r, at);
  V list[5];
  VI index[5];
  V limit[1];
  #pragma unroll
  for (int t = 0; t < TOP; t++) {
    const VI i = int_of_vd(vd_load(AT(5 + 0 * TOP + t)));
    list[0 * TOP + t] = v_of(vd_load(AT(0 * TOP + t)));
    index[0 * TOP + t] = i_sel(i < 0, vi_set(NONE), i);
  }
  limit[0] = limit_of(list[0 * TOP + TOP - 1], index[0 * TOP + TOP - 1] == NONE);
  for (int64 b = from; b < to; b += TILE) {
    const int nc = to - b < TILE ? (int)(to - b) : TILE;
    __syncthreads();
    gr_read(arg[1], [&](auto take) {
      #pragma unroll
      for (int k = 0; k < 3; k++) {
        #pragma unroll 4
        for (int c = threadIdx.x; c < nc; c += THREADS) S[c * RECORD + k] = take(k, b + c);
      }
    });
    __syncthreads();
    #pragma unroll 4
    for (int t = 0; t < (nc - y + ny - 1) / ny; t++) {
      const int c = y + t * ny;
      V y_j[3];
      y_j[0] = v_set(S[c * RECORD + 0]);
      y_j[1] = v_set(S[c * RECORD + 1]);
      y_j[2] = v_set(S[c * RECORD + 2]);
      V subtract2[3];
      subtract2[0] = x_i[0] - y_j[0];
      subtract2[1] = x_i[1] - y_j[1];
      subtract2[2] = x_i[2] - y_j[2];
      V square3[3];
      square3[0] = v_square(subtract2[0]);
      square3[1] = v_square(subtract2[1]);
      square3[2] = v_square(subtract2[2]);
      V sum4 = square3[0];
      sum4 += square3[1];
      sum4 += square3[2];
      const V sqrt5 = v_sqrt(sum4);
      {
        const V f = sqrt5;
        if (vi_any(f REACHES limit[0])) top_insert(list + 0 * TOP, index + 0 * TOP, limit + 0, f, (TI)(b + c));
      }
    }
  }
  #pragma unroll
  for (int t = 0; t < TOP; t++) {
    const VI i = index[0 * TOP + t];
    vd_store(AT(0 * TOP + t), vd_of(list[0 * TOP + t]));
    vd_store(AT(5 + 0 * TOP + t), vd_of_int(i_sel(i == NONE, vi_set(-1), i)));
  }
  for (int e = 0; e < NSTATE; e++) vd_put(mine + e * ld_state, at, own[e]);
  for (int h = ny / 2; h > 0; h /= 2) {
    __syncthreads();
    if (y >= h) continue;
    GR_EACH {
      const int64 r = at.first + (int64)l * at.step;
      if (r <= at.last) state_merge(mine + r, mine + (int64)h * gridDim.y * NSTATE * ld_state + r, ld_state);
    }
  }
}

/* Split s of n takes in split s + half. */
extern "C" __global__ void gr_merge(double *state, int64 ld_state, int64 nr, int64 n, int64 half) {
  for (int64 k = GR_FIRST; k < (n - half) * nr; k += GR_STEP) {
    const int64 split = k / nr;
    double *const s = state + split * NSTATE * ld_state + (k - split * nr);
    state_merge(s, s + half * NSTATE * ld_state, ld_state);
  }
}

/* Row r of n takes in row r + half. */
extern "C" __global__ void gr_merge_rows(double *state, int64 ld_state, int64 n, int64 half) {
  for (int64 r = GR_FIRST; r < n - half; r += GR_STEP) state_merge(state + r, state + r + half, ld_state);
}

/* States to rows at ... at + nr of results; indices count from 1, INT_MIN where there is none. */
extern "C" __global__ void gr_finish(const double *state, int64 ld_state, int64 nr, double count, T *value, int *index, int64 at, int64 rows) {
  for (int64 r = GR_FIRST; r < nr; r += GR_STEP)
    for (int e = 0; e < RESULTS; e++) {
      const double *const s = state + r;
      if (value) value[at + r + rows * e] = (T)(KEPT ? s[e * ld_state] : state_result(s, ld_state, e, count));
      if (!index) continue;
      const double i = s[(RESULTS + e) * ld_state];
      index[at + r + rows * e] = i < 0 ? -2147483647 - 1 : (int)i + 1;
    }
}
