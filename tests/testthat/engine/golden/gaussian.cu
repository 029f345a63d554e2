#define REDUCTION const gr_reduction r = {0, (gr_family)0, 0, (gr_results)0, 2, 1, 1, false, false, false, false, 2, 1, 2}
GR_D void state_init(double *s) { REDUCTION; gr_state_init(&r, s, 1); }
GR_D void state_merge(double *a, const double *b, int64 ld) { REDUCTION; gr_state_merge(&r, a, ld, b, ld); }
GR_D double state_result(const double *s, int64 ld, int d, double count) { REDUCTION; return gr_state_result(&r, s, ld, d, count); }
enum { KEPT = 1, RESULTS = 2, NSTATE = 2 };
enum { THREADS = 128, TILE = 512, RECORD = 8, SPAN = 8 };
#define AT(n) (own + (n)) /* number n of the states of a thread's rows */

/* Parameters, and what depends on them only. */
extern "C" __global__ void gr_params(const gr_source *arg, T *P) {
  for (int k = threadIdx.x; k < 1; k += blockDim.x) P[k] = gr_take(arg[0], k, 0); /* G */
  __syncthreads();
  if (threadIdx.x > 0) return;
  const V minus1 = -v_set(P[0]);
  const V mult12 = v_set((T)0x1.71547652b82fep+0) * minus1;
  P[1] = (mult12)[0];
}

/* Rows base ... base + n. */
extern "C" __global__ void gr_rows(const gr_source *arg, const T *P, T *R, int64 ld, int64 base, int64 n) {
  const int64 block = (int64)blockDim.x * GR_L;
  for (int64 b = blockIdx.x * block; b < n; b += gridDim.x * block) {
    const gr_lanes at = {b + threadIdx.x, n - 1, (int)blockDim.x};
    v_put(R + 0 * ld, at, v_take(arg[1], 0, base, at));
    v_put(R + 1 * ld, at, v_take(arg[1], 1, base, at));
    v_put(R + 2 * ld, at, v_take(arg[1], 2, base, at));
  }
}

/* Columns base ... base + n. */
extern "C" __global__ void gr_columns(const gr_source *arg, const T *P, T *C, int64 ld, int64 base, int64 n) {
  const int64 block = (int64)blockDim.x * GR_L;
  for (int64 b = blockIdx.x * block; b < n; b += gridDim.x * block) {
    const gr_lanes at = {b + threadIdx.x, n - 1, (int)blockDim.x};
  }
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
  const V mult12 = v_set(P[1]);
  V X_i[3];
  X_i[0] = v_rows(Rv + 0 * ld_r, at);
  X_i[1] = v_rows(Rv + 1 * ld_r, at);
  X_i[2] = v_rows(Rv + 2 * ld_r, at);
  V sum[2];
  for (int64 b = from; b < to; b += TILE) {
    const int nc = to - b < TILE ? (int)(to - b) : TILE;
    __syncthreads();
    gr_read(arg[2], [&](auto take) {
      #pragma unroll
      for (int k = 0; k < 3; k++) {
        #pragma unroll 4
        for (int c = threadIdx.x; c < nc; c += THREADS) S[c * RECORD + k] = take(k, b + c);
      }
    });
    gr_read(arg[3], [&](auto take) {
      #pragma unroll
      for (int k = 0; k < 2; k++) {
        #pragma unroll 4
        for (int c = threadIdx.x; c < nc; c += THREADS) S[c * RECORD + (k + 3)] = take(k, b + c);
      }
    });
    __syncthreads();
    sum[0] = v_set(0);
    sum[1] = v_set(0);
    #pragma unroll 4
    for (int t = 0; t < (nc - y + ny - 1) / ny; t++) {
      const int c = y + t * ny;
      V Y_j[3];
      Y_j[0] = v_set(S[c * RECORD + 0]);
      Y_j[1] = v_set(S[c * RECORD + 1]);
      Y_j[2] = v_set(S[c * RECORD + 2]);
      V B_j[2];
      B_j[0] = v_set(S[c * RECORD + 3]);
      B_j[1] = v_set(S[c * RECORD + 4]);
      V subtract4[3];
      subtract4[0] = X_i[0] - Y_j[0];
      subtract4[1] = X_i[1] - Y_j[1];
      subtract4[2] = X_i[2] - Y_j[2];
      V square5[3];
      square5[0] = v_square(subtract4[0]);
      square5[1] = v_square(subtract4[1]);
      square5[2] = v_square(subtract4[2]);
      V sum6 = square5[0];
      sum6 += square5[1];
      sum6 += square5[2];
      const V mult13 = mult12 * sum6;
      const V exp2_14 = v_exp2(mult13);
      V mult15[2];
      mult15[0] = exp2_14 * B_j[0];
      mult15[1] = exp2_14 * B_j[1];
      sum[0] += mult15[0];
      sum[1] += mult15[1];
    }
    vd_store(AT(0), vd_load(AT(0)) + vd_of(sum[0]));
    vd_store(AT(1), vd_load(AT(1)) + vd_of(sum[1]));
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
