/* trig_large.h: sine, cosine and tangent of arguments that are many times pi/2, for Windows.
 *
 * Owns the reduction by pi/2 of the whole range of doubles, and the three functions after it.  The
 * C library there leaves them to the processor's fsin, whose pi has 66 bits (sin(1e10) is right to
 * 10 digits, sin(1e300) to none).  Assumes gcc or clang for a 64-bit processor.  One source for the
 * interpreter (libm.c) and, as text in front of prelude.h, for kernels: it includes nothing.
 *
 * The method is Payne and Hanek's: of 2/pi only those 192 bits are multiplied whose product with
 * the argument's 53 bits is neither a multiple of 4 nor too small to matter.  No double is nearer
 * to a multiple of pi/2 than 2^-62, so that 75 bits are left. */

#ifndef GR_WITHOUT_sin
/* A word of zeros, then 2/pi. */
static const unsigned long long gr_two_pi[] = {
    0, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c,
    0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab};

/* a = 4 k pi/2 + n pi/2 + r with |r| <= pi/4, for finite a >= 1/2: returns n, and r to 60 bits. */
static __attribute__((unused)) unsigned gr_reduce_large(double a, long double *r) {
  __extension__ typedef unsigned __int128 wide;
  __extension__ typedef __int128 wide_signed;
  unsigned long long bits, w[3];
  __builtin_memcpy(&bits, &a, 8);
  const unsigned long long m = (bits & 0xfffffffffffffULL) | 0x10000000000000ULL; /* a = m 2^e */
  /* of the 192 bits, the first weighs 2/m */
  const int e = (int)(bits >> 52) - 1075, first = e + 62, s = first % 64;
  for (int k = 0; k < 3; k++) {
    const unsigned long long *t = gr_two_pi + first / 64 + k;
    w[k] = s ? t[0] << s | t[1] >> (64 - s) : t[0];
  }
  const wide low = (wide)m * w[2], mid = (wide)m * w[1] + (low >> 64);
  /* the product modulo 4: 2 bits, then the fraction */
  const unsigned long long high = m * w[0] + (unsigned long long)(mid >> 64);
  const wide f = ((wide)high << 64 | (unsigned long long)mid) << 2 | (unsigned long long)low >> 62;
  /* beyond one half it is the next multiple's, and negative */
  const wide_signed g = (wide_signed)f;
  *r = (long double)g * 0x1p-128L * 1.5707963267948966192313216916L;
  return (unsigned)(high >> 62) + (g < 0);
}

/* fn as in gr_trig: 0 sine, 1 cosine, 2 tangent. */
static __attribute__((unused)) double gr_trig_exact(double a, int fn) {
  long double r;
  if (!(a <= 0x1.fffffffffffffp1023)) return a - a; /* NaN */
  const unsigned n = gr_reduce_large(a, &r) + (fn == 1);
  const long double s = __builtin_sinl(r), c = __builtin_cosl(r);
  if (fn == 2) return (double)(n & 1 ? -c / s : s / c);
  return (double)((n & 2 ? -1 : 1) * (n & 1 ? c : s));
}
#endif /* GR_WITHOUT_sin */
