#define REDUCTION const gr_reduction r = {23, (gr_family)3, 0, (gr_results)5, 1, 1, 65, true, true, false, false, 66, 1, 64}
GR_D void state_init(double *s) { REDUCTION; gr_state_init(&r, s, 1); }
GR_D void state_merge(double *a, const double *b, int64 ld) { REDUCTION; gr_state_merge(&r, a, ld, b, ld); }
GR_D double state_result(const double *s, int64 ld, int d, double count) { REDUCTION; return gr_state_result(&r, s, ld, d, count); }
enum { KEPT = 0, RESULTS = 64, NSTATE = 66 };
enum { THREADS = 128, TILE = 64, RECORD = 0, SPAN = 8 };
#define AT(n) (own + (n)) /* number n of the states of a thread's rows */
enum { COLUMNS = TILE / 8, PASS = 64, PASS_LD = PASS + 4, WIDE = PASS / 8, PASSES = 1, FOLD = 256 / TILE };
/* The rows, columns and components of a thread: vectors of four where there are as many. */
#define ROW(v) ((v) / 4 * 64 + rows8 + (v) % 4)
#define COLUMN(q) ((q) / 4 * 32 + columns8 * 4 + (q) % 4)
#define COMPONENT(m) ((m) / 4 * 32 + columns8 * 4 + (m) % 4)

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
    for (int k = 0; k < 64; k++) {
      v_put(R + k * ld, at, v_take(arg[0], k, base, at));
    }
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
extern "C" __global__ void __launch_bounds__(THREADS, 2)
gr_pairs(const gr_source *arg, const T *__restrict__ P, const T *__restrict__ R, int64 ld_r, const T *__restrict__ C, int64 ld_c,
         int64 c_base, double *state, int64 ld_state, int64 r0, int64 nr, int64 c0, int64 c1, int64 part, int tx, int anew) {
  extern __shared__ __align__(16) unsigned char shared[];
  T *const S = (T *)shared; /* columns of a tile */
  const int x = threadIdx.x, y = 0, ny = 1, rows8 = x % 16 * 4, columns8 = x / 16;
  const int64 row0 = (int64)blockIdx.x * THREADS;
  const gr_lanes at = {row0 + x, nr - 1, 1};
  const int64 from = c0 + blockIdx.y * part, to = c1 - from < part ? c1 : from + part;
  double *const mine = state + (int64)blockIdx.y * NSTATE * ld_state;
  const T *const Rv = R;
  auto block_row = [=](int r) { return row0 + r < at.last ? row0 + r : at.last; };
  (void)rows8, (void)columns8, (void)block_row;
  V *const slot = (V *)(S + TILE * RECORD); /* arrays of the tile's columns, a row for each thread */
  V *const sum3t = slot + 0 * TILE * THREADS;
  T *const wide = (T *)(slot + 1 * TILE * THREADS);
  V *const term = slot + 0 * TILE * THREADS;
  V *const scale = (V *)(wide + 1 * TILE * PASS_LD), *const folded = scale + THREADS;
  if (anew) {
    double start[NSTATE];
    state_init(start);
    for (int e = 0; e < NSTATE; e++) vd_put(mine + e * ld_state, at, vd_set(start[e]));
  }
  V sums[PASSES][8][WIDE];
  #pragma unroll
  for (int n = 0; n < PASSES * 8 * WIDE; n++) sums[n / (8 * WIDE)][n / WIDE % 8][n % WIDE] = v_set(0);
  V top = v_of(vd_rows(mine, at)), m;
  V s = v_set(0);
  for (int64 b = from; b < to; b += TILE) {
    const int nc = to - b < TILE ? (int)(to - b) : TILE;
    const bool fold = (b - from) / TILE % FOLD == FOLD - 1 || b + TILE >= to;
    auto last_column = [=](int c) { return c < nc ? c : nc - 1; }; (void)last_column;
    /* sum3: 8 rows by 8 columns of a thread. */
    {
      T *const chunk = (T *)sum3t, *const columns = chunk + 8 * THREADS;
      V a[8][COLUMNS];
      #pragma unroll
      for (int n = 0; n < 8 * COLUMNS; n++) a[n / COLUMNS][n % COLUMNS] = v_set(0);
      auto last_k = [](int k) { return k < 64 ? k : 63; };
      T x_i_1_next[8];
      T y_j_2_next[4];
      auto read = [&](int k0) {
        #pragma unroll
        for (int n = 0; n < 8; n++) {
          const int k = last_k(k0 + n);
          x_i_1_next[n] = R[(0 + k) * ld_r + block_row(threadIdx.x)];
        }
        gr_read(arg[1], [&](auto take) {
          #pragma unroll
          for (int n = 0; n < 4; n++) {
            const int at_n = threadIdx.x + n * THREADS, k = last_k(k0 + at_n / TILE);
            y_j_2_next[n] = take(k, b + last_column(at_n % TILE));
          }
        });
      };
      read(0);
      for (int k0 = 0; k0 < 64; k0 += 8) {
        const int k1 = k0 + 8 < 64 ? k0 + 8 : 64;
        __syncthreads();
        #pragma unroll
        for (int n = 0; n < 8; n++) chunk[(0 + n) * THREADS + threadIdx.x] = x_i_1_next[n];
        #pragma unroll
        for (int n = 0; n < 4; n++) columns[0 * TILE + threadIdx.x + n * THREADS] = y_j_2_next[n];
        __syncthreads();
        if (k1 < 64) read(k1);
        #pragma unroll 1 /* 8 columns are enough to do: two coordinates at once would spill */
        for (int k = k0; k < k1; k++) {
          V x_i_1[8];
          #pragma unroll
          for (int v = 0; v < 8; v++) x_i_1[v] = v_set(chunk[(k - k0 + 0) * THREADS + ROW(v)]);
          V y_j_2[8];
          #pragma unroll
          for (int q = 0; q < 8; q++) y_j_2[q] = v_set(columns[(k - k0 + 0) * TILE + COLUMN(q)]);
          #pragma unroll
          for (int v = 0; v < 8; v++) {
            #pragma unroll
            for (int q = 0; q < COLUMNS; q++) {
              a[v][q] += (x_i_1[v] * y_j_2[q]);
            }
          }
        }
      }
      __syncthreads();
      #pragma unroll
      for (int q = 0; q < COLUMNS; q++) {
        #pragma unroll
        for (int v = 0; v < 8; v++) sum3t[COLUMN(q) * THREADS + ROW(v)] = a[v][q];
      }
    }
    __syncthreads();
    m = top;
    for (int c = 0; c < nc; c++) {
      const V sum3 = sum3t[c * THREADS + x];
      term[c * THREADS + x] = sum3;
      m = v_max(term[c * THREADS + x], m);
    }
    const V base = v_clamp(m, v_set(-GR_MAX), v_set(GR_MAX));
    scale[x] = gr_factor_below(top, base);
    top = m;
    s *= scale[x];
    for (int c = 0; c < nc; c++) s += term[c * THREADS + x] = gr_factor_below(term[c * THREADS + x], base);
    if (fold) {
      folded[x] = gr_factor_below(v_of(vd_rows(mine, at)), base);
      vd_put(mine, at, vd_of(top));
      vd_put(mine + ld_state, at, vd_rows(mine + ld_state, at) * vd_of(folded[x]) + vd_of(s));
      s = v_set(0);
    }
    /* The components of the sum: 8 rows by 8 components of a thread. */
    #pragma unroll
    for (int p = 0; p < PASSES; p++) {
      const int k0 = p * PASS;
      V(&sum)[8][WIDE] = sums[p];
      gr_read(arg[2], [&](auto take) {
        #pragma unroll 4
        for (int n = threadIdx.x; n < TILE * PASS / 4; n += THREADS) {
          const int c = n % TILE, m0 = n / TILE * 4;
          #pragma unroll
          for (int m = m0; m < m0 + 4; m++) {
            const int k = k0 + m < 64 ? k0 + m : 63;
            wide[(0 * TILE + c) * PASS_LD + m] = take(k, b + last_column(c));
          }
        }
      });
      __syncthreads();
      #pragma unroll
      for (int n = 0; n < 8 * WIDE; n++) sum[n / WIDE][n % WIDE] *= scale[ROW(n / WIDE)];
      for (int c = 0; c < nc; c++) {
        V b_j_1[WIDE];
        #pragma unroll
        for (int m = 0; m < WIDE; m++) b_j_1[m] = v_set(wide[(0 * TILE + c) * PASS_LD + COMPONENT(m)]);
        V factor[8];
        #pragma unroll
        for (int v = 0; v < 8; v++) factor[v] = term[c * THREADS + ROW(v)];
        #pragma unroll
        for (int m = 0; m < WIDE; m++) {
          const int k = k0 + COMPONENT(m) < 64 ? k0 + COMPONENT(m) : 63; (void)k;
          #pragma unroll
          for (int v = 0; v < 8; v++) sum[v][m] += factor[v] * b_j_1[m];
        }
      }
      if (fold) {
        #pragma unroll
        for (int m = 0; m < WIDE; m++) {
          const int k = k0 + COMPONENT(m);
          #pragma unroll
          for (int v = 0; v < 8; v++) {
            double *const s = mine + (2 + k) * ld_state + row0 + ROW(v);
            if (k < 64 && row0 + ROW(v) <= at.last) *s = *s * (double)folded[ROW(v)].l[0] + (double)sum[v][m].l[0];
            sum[v][m] = v_set(0);
          }
        }
      }
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
