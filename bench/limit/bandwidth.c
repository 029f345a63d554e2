/* Memory bandwidth as the limit: the plain sum of three arrays of doubles, each read once.
 *
 * bench.R calls bandwidth() through .C(), like the kernels in this folder; it measures its own
 * time. */
#include <time.h>

typedef double V __attribute__((vector_size(32), aligned(8), may_alias));
#define L 4

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Four places are read side by side, as a kernel reads its columns: one place alone leaves the
 * memory idle. */
static double piece(const double *x, long n) {
  V s[8] = {{0}};
  double total = 0;
  const long part = n / 4 / (2 * L) * (2 * L);
  for (long k = 0; k < part; k += 2 * L)
    for (int p = 0; p < 8; p++) s[p] += *(const V *)(x + p / 2 * part + k + p % 2 * L);
  for (long k = 4 * part; k < n; k++) total += x[k];
  for (int p = 0; p < 8; p++)
    for (int l = 0; l < L; l++) total += s[p][l];
  return total;
}

static double sum(const double *x, long n, int threads) {
  double total = 0;
#pragma omp parallel for num_threads(threads) reduction(+ : total)
  for (int t = 0; t < threads; t++) total += piece(x + n * t / threads, n * (t + 1) / threads - n * t / threads);
  return total;
}

void bandwidth(double *x, double *y, double *b, int *nx, int *ny, int *nb, int *threads, double *out, double *seconds) {
  const double start = now();
  *out = sum(x, *nx, *threads) + sum(y, *ny, *threads) + sum(b, *nb, *threads);
  *seconds = now() - start;
}
