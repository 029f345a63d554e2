/* number.c: decimal numbers to doubles and back, independent of the locale.
 *
 * strtod and printf use the decimal point of the locale; formulas and kernels always use a period.
 * Reading is correctly rounded: the digits become a big integer, which is multiplied or divided by
 * the power of ten exactly and rounded once, to nearest, ties to even. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

/* ---- big integers, little-endian ---- */

/* DIGITS exceeds the significant digits of any double and of any midpoint between two doubles
 * (768).  Of the digits beyond it only matters whether one is not 0.  WORDS holds 3.33 * 1130 + 64
 * bits: DIGITS digits, the last of which stands for 10^-1130. */
enum { DIGITS = 800, WORDS = 160 };

typedef struct big {
  uint32_t word[WORDS];
  int n;
} big;

static void push(big *b, uint64_t carry) {
  for (; carry; carry >>= 32) b->word[b->n++] = (uint32_t)carry;
}

static void multiply(big *b, uint32_t by, uint32_t plus) {
  uint64_t carry = plus;
  for (int k = 0; k < b->n; k++) {
    carry += (uint64_t)b->word[k] * by;
    b->word[k] = (uint32_t)carry;
    carry >>= 32;
  }
  push(b, carry);
}

/* Divides in place and returns the remainder. */
static uint32_t divide(big *b, uint32_t by) {
  uint64_t rest = 0;
  for (int k = b->n - 1; k >= 0; k--) {
    rest = rest << 32 | b->word[k];
    b->word[k] = (uint32_t)(rest / by);
    rest %= by;
  }
  while (b->n && !b->word[b->n - 1]) b->n--;
  return (uint32_t)rest;
}

static int bits(const big *b) {
  int n = 32 * b->n;
  for (uint32_t top = b->n ? b->word[b->n - 1] : 1; b->n && !(top & 0x80000000u); top <<= 1) n--;
  return n;
}

static bool bit(const big *b, int k) { return k >= 0 && k < 32 * b->n && (b->word[k / 32] >> k % 32 & 1); }

/* The double nearest to b 2^e2 or, if `more`, to a number slightly above it. */
static double rounded(const big *b, int e2, bool more) {
  /* exponents of the first and last bits */
  int top = bits(b) - 1 + e2, last = top - 52 < -1074 ? -1074 : top - 52;
  uint64_t m = 0;
  for (int k = top - e2; k >= last - e2; k--) m = m << 1 | bit(b, k);
  bool half = bit(b, last - e2 - 1);
  for (int k = 0; !more && k < last - e2 - 1 && k < 32 * b->n; k++) more = bit(b, k);
  if (half && (more || (m & 1))) m++;
  return ldexp((double)m, last);
}

/* ---- reading ---- */

typedef struct decimal {
  char digit[DIGITS + 1];
  int n;       /* number of digits; the first is not 0 */
  int64_t e10; /* the value is the integer of these digits times 10^e10 */
} decimal;

/* Parses digits, decimal point, digits, exponent; at least one digit must be there. */
static decimal scan(const char *s, size_t n) {
  decimal d = {.n = 0};
  bool point = false, more = false;
  size_t k = 0;
  for (; k < n && (s[k] == '.' || (s[k] >= '0' && s[k] <= '9')); k++) {
    if (s[k] == '.') {
      point = true;
      continue;
    }
    bool kept = d.n < DIGITS && (d.n || s[k] != '0');
    if (kept) d.digit[d.n++] = s[k];
    more |= d.n == DIGITS && !kept && s[k] != '0';
    d.e10 += (d.n && !kept) - point;
  }
  if (more) d.digit[d.n++] = '1', d.e10--;
  if (k == n) return d;
  bool negative = s[k + 1] == '-';
  int64_t e = 0;
  for (k += 1 + (s[k + 1] == '-' || s[k + 1] == '+'); k < n; k++)
    if (e < 100000000) e = 10 * e + (s[k] - '0');
  d.e10 += negative ? -e : e;
  return d;
}

double gr_read_number(const char *s, size_t n) {
  enum { TEN9 = 1000000000 };
  decimal d = scan(s, n);
  if (d.n == 0 || d.n + d.e10 < -330) return 0;
  if (d.n + d.e10 > 310) return INFINITY;
  big b = {.n = 0};
  for (int k = 0; k < d.n; k++) multiply(&b, 10, (uint32_t)(d.digit[k] - '0'));
  int e10 = (int)d.e10, e2 = 0;
  for (; e10 > 0; e10--) multiply(&b, 10, 0);
  /* Shift left so that 64 or more bits remain after the divisions.  Repeated integer division gives
   * the exact quotient; `more` records whether a remainder was lost. */
  for (int need = 64 - e10 * 10 / 3; e10 < 0 && bits(&b) < need; e2 -= 16) multiply(&b, 1 << 16, 0);
  bool more = false;
  for (; e10 <= -9; e10 += 9) more |= divide(&b, TEN9) != 0;
  for (; e10 < 0; e10++) more |= divide(&b, 10) != 0;
  return rounded(&b, e2, more);
}

/* ---- writing ---- */

/* Writes x as "%.*g" does in the C locale. */
const char *gr_number_text(double x, int digits, char *text) {
  char e[GR_NUMBER + 24], d[GR_NUMBER];
  if (!isfinite(x)) {
    snprintf(text, GR_NUMBER, "%s", x != x ? "nan" : x > 0 ? "inf" : "-inf");
    return text;
  }
  /* -d.ddde+dd, where the decimal point of the locale may be several bytes long */
  snprintf(e, sizeof e, "%.*e", digits - 1, x);
  int n = 0, exponent = 0;
  const char *at = e;
  for (; *at != 'e'; at++)
    if (*at >= '0' && *at <= '9') d[n++] = *at;
  for (const char *t = at + 2; *t; t++) exponent = 10 * exponent + (*t - '0');
  if (at[1] == '-') exponent = -exponent;
  while (n > 1 && d[n - 1] == '0') n--;
  char *to = text;
  bool scientific = exponent < -4 || exponent >= digits;
  int before = scientific ? 1 : exponent + 1; /* digits before the decimal point */
  if (signbit(x)) *to++ = '-';
  if (before <= 0) *to++ = '0';
  for (int k = 0; k < before; k++) *to++ = k < n ? d[k] : '0';
  if (n > before) *to++ = '.';
  for (int k = before; k < n; k++) *to++ = k < 0 ? '0' : d[k];
  *to = 0;
  if (scientific) snprintf(to, GR_NUMBER - (size_t)(to - text), "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
  return text;
}

/* Writes a finite number exactly, as a hexadecimal floating constant of C. */
const char *gr_hex_text(double x, char *text) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  int exponent = (int)(u >> 52 & 2047);
  uint64_t m = u & (((uint64_t)1 << 52) - 1);
  char digit[14];
  int n = 13;
  for (int k = 12; k >= 0; k--, m >>= 4) digit[k] = "0123456789abcdef"[m & 15];
  while (n && digit[n - 1] == '0') n--;
  bool zero = exponent == 0 && n == 0;
  snprintf(text, GR_NUMBER, "%s0x%d%s%.*sp%+d", u >> 63 ? "-" : "", exponent > 0, n ? "." : "", n, digit,
           zero ? 0 : exponent ? exponent - 1023 : -1022);
  return text;
}
