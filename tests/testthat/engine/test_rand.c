/* test_rand.c: are the numbers of Rand() random?  Those of neighbouring rows, columns and seeds,
 * from the first ones on, are uniform and independent, to the last bit that single precision keeps;
 * and the two precisions agree. */
#include "check.h"

enum { SIDE = 256, BINS = 64 };

static double chi_square(const int *count, int bins, double expected) {
  double sum = 0;
  for (int k = 0; k < bins; k++) sum += (count[k] - expected) * (count[k] - expected) / expected;
  return sum;
}

/* Whether a chi-square statistic is within 5 standard deviations of its mean. */
static bool plausible(double chi, int freedom) {
  return fabs(chi - freedom) < 5 * sqrt(2.0 * freedom);
}

/* Numbers of pairs of neighbours: uniform, alone and two together, in the upper bits, and
 * uncorrelated; from the first ones, where i, j and the seed have few bits. */
static void neighbours(int di, int dj, int ds) {
  static int alone[BINS], together[BINS * BINS];
  double sum = 0, squares = 0;
  int n = 0, agree[23] = {0};
  memset(alone, 0, sizeof alone), memset(together, 0, sizeof together);
  for (int s = 0; s < 4; s++)
    for (int i = 0; i < SIDE; i++)
      for (int j = 0; j < SIDE; j++, n++) {
        double a = ref_rand(i, j, s, false), b = ref_rand(i + di, j + dj, s + ds, false);
        alone[(int)(a * BINS)]++, together[(int)(a * BINS) * BINS + (int)(b * BINS)]++;
        sum += (a - 0.5) * (b - 0.5), squares += (a - 0.5) * (a - 0.5);
        uint32_t same = ~((uint32_t)(a * 0x1p23) ^ (uint32_t)(b * 0x1p23));
        for (int k = 0; k < 23; k++) agree[k] += same >> k & 1;
      }
  const char *what = "neighbours";
  check(plausible(chi_square(alone, BINS, n / (double)BINS), BINS - 1), "not uniform");
  check(plausible(chi_square(together, BINS * BINS, n / (double)(BINS * BINS)), BINS * BINS - 1),
        "%s (%d, %d, %d) depend on each other", what, di, dj, ds);
  check(fabs(sum / squares) * sqrt(n) < 5, "%s (%d, %d, %d) are correlated", what, di, dj, ds);
  for (int k = 0; k < 23; k++)
    check(fabs(agree[k] - n / 2.0) < 5 * sqrt(n / 4.0), "bit %d of %s (%d, %d, %d)", k, what, di, dj, ds);
}

static void statistics(void) {
  static const int steps[][3] = {{1, 0, 0}, {0, 1, 0},   {0, 0, 1},  {1, 1, 0},  {1, -1, 0}, {1, 0, -1},
                                 {0, 1, 1}, {2, 0, 0},   {0, 2, 0},  {0, 0, 2},  {16, 0, 0}, {0, 16, 0},
                                 {0, 0, 16}, {256, 0, 0}, {0, 256, 0}, {1, 1, 1}, {0, 1024, 0}, {65536, 0, 0}};
  for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) neighbours(steps[k][0], steps[k][1], steps[k][2]);
  for (int k = 0; k < 1000; k++) {
    double one = ref_rand(k, 3 * k, k % 7, false), two = ref_rand(k, 3 * k, k % 7, true);
    check(one > 0 && one < 1 && two > 0 && two < 1 && fabs(one - two) <= 0x1p-23, "%a and %a", one, two);
  }
}

int main(void) {
  statistics();
  return report();
}
