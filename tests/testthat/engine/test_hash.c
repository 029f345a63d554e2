/* test_hash.c: SHA-256 (base/hash.c) on the examples of the standard and on strings in pieces; the
 * checksum depends on each bit and on the length. */
#include "check.h"

static const char *sha(const char *s, size_t n, size_t step) {
  static char hex[65];
  gr_sha256 h;
  gr_sha256_init(&h);
  for (size_t k = 0; k < n; k += step) gr_sha256_add(&h, s + k, n - k < step ? n - k : step);
  gr_sha256_hex(&h, hex);
  return hex;
}

static void checksums(void) {
  unsigned char data[80] = {0};
  for (size_t n = 0; n < sizeof data; n++) {
    uint64_t good = gr_checksum(data, n);
    check(good != gr_checksum(data, n + 1), "%d bytes and one more: the same checksum", (int)n);
    for (size_t bit = 0; bit < 8 * n; bit++) {
      data[bit / 8] ^= (unsigned char)(1 << bit % 8);
      check(good != gr_checksum(data, n), "bit %d of %d bytes changed: the same checksum", (int)bit, (int)n);
      data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    data[n] = (unsigned char)(37 * n + 1);
  }
}

int main(void) {
  static char a[1000000];
  const char *long_one = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  memset(a, 'a', sizeof a);
  check(!strcmp(sha("", 0, 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "another hash");
  check(!strcmp(sha("abc", 3, 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "another hash");
  check(!strcmp(sha(long_one, 56, 56), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"), "another hash");
  check(!strcmp(sha(a, sizeof a, 999), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"), "another hash");
  for (size_t n = 0; n < 200; n++) {
    char whole[65];
    strcpy(whole, sha(a, n, 200));
    check(!strcmp(whole, sha(a, n, 1)) && !strcmp(whole, sha(a, n, 63)), "%d characters in pieces: another hash", (int)n);
  }
  checksums();
  return report();
}
