/* hash.c: SHA-256 (FIPS 180-4), which names compiled kernels in the cache, and a checksum of files.
 *
 * The caller owns the state: gr_sha256_init, any number of gr_sha256_add, then one gr_sha256_hex.
 * Portable arithmetic: hashing 20 KB of kernel text takes less than a tenth of a millisecond. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void message_schedule(uint32_t w[64], const unsigned char *p) {
  for (int t = 0; t < 16; t++, p += 4) w[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  for (int t = 16; t < 64; t++) {
    uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
    uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
}

/* One round.  Only two of the eight state words change, so the callers rotate the arguments instead
 * of moving the words. */
static inline void one_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g,
                             uint32_t *h, uint32_t word) {
  uint32_t t = *h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + word;
  *d += t;
  *h = t + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));
}

static void compress(uint32_t h[8], const unsigned char *block) {
  uint32_t w[64];
  message_schedule(w, block);
  for (int t = 0; t < 64; t++) w[t] += round_constant[t];
  uint32_t s[8];
  memcpy(s, h, sizeof s);
  for (int t = 0; t < 64; t += 8) {
    one_round(s[0], s[1], s[2], &s[3], s[4], s[5], s[6], &s[7], w[t]);
    one_round(s[7], s[0], s[1], &s[2], s[3], s[4], s[5], &s[6], w[t + 1]);
    one_round(s[6], s[7], s[0], &s[1], s[2], s[3], s[4], &s[5], w[t + 2]);
    one_round(s[5], s[6], s[7], &s[0], s[1], s[2], s[3], &s[4], w[t + 3]);
    one_round(s[4], s[5], s[6], &s[7], s[0], s[1], s[2], &s[3], w[t + 4]);
    one_round(s[3], s[4], s[5], &s[6], s[7], s[0], s[1], &s[2], w[t + 5]);
    one_round(s[2], s[3], s[4], &s[5], s[6], s[7], s[0], &s[1], w[t + 6]);
    one_round(s[1], s[2], s[3], &s[4], s[5], s[6], s[7], &s[0], w[t + 7]);
  }
  for (int k = 0; k < 8; k++) h[k] += s[k];
}

void gr_sha256_init(gr_sha256 *s) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(s->h, start, sizeof start);
  s->bytes = 0;
}

void gr_sha256_add(gr_sha256 *s, const void *data, size_t n) {
  const unsigned char *p = data;
  size_t used = s->bytes % 64;
  s->bytes += n;
  if (used) {
    size_t take = n < 64 - used ? n : 64 - used;
    memcpy(s->block + used, p, take);
    if (used + take < 64) return;
    compress(s->h, s->block);
    p += take, n -= take;
  }
  for (; n >= 64; p += 64, n -= 64) compress(s->h, p);
  if (n) memcpy(s->block, p, n);
}

void gr_sha256_hex(gr_sha256 *s, char hex[65]) {
  static const unsigned char padding[64] = {0x80};
  unsigned char length[8];
  uint64_t bits = s->bytes * 8;
  for (int k = 0; k < 8; k++) length[k] = (unsigned char)(bits >> (56 - 8 * k));
  gr_sha256_add(s, padding, 1 + (119 - s->bytes % 64) % 64);
  gr_sha256_add(s, length, 8);
  for (int k = 0; k < 8; k++) snprintf(hex + 8 * k, 9, "%08lx", (unsigned long)s->h[k]);
}

/* Each step is a bijection of the sum for a given word, and of the word for a given sum.  A change
 * within one 8-byte word is therefore always detected; other changes are missed with probability
 * 2^-64.  Protects against accidental damage, not tampering; a hundred times as fast as SHA-256. */
uint64_t gr_checksum(const void *data, size_t n) {
  const unsigned char *p = data;
  uint64_t sum = n;
  while (n > 0) {
    uint64_t word = 0;
    size_t take = n < sizeof word ? n : sizeof word;
    memcpy(&word, p, take);
    sum = (sum ^ word) * 0x9e3779b97f4a7c15;
    sum ^= sum >> 32;
    p += take, n -= take;
  }
  return sum;
}
