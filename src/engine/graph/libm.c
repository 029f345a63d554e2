/* libm.c: functions of the C library that are wrong in places on Windows, where the interpreter,
 * which is the definition of the language, has its own.  Elsewhere they are the library's
 * (graph.h).
 *   sin cos tan   of large arguments, see trig_large.h
 *   lgamma        near its zeros 1 and 2 no digit is right; of subnormal numbers it is Inf
 *   round         of the largest double below 1/2 it is 1 */
#include <math.h>

#include "graph/graph.h"

#if defined(_WIN32)
#include "graph/trig_large.h"

static double trig(double a, int fn) { return fabs(a) < 0.5 ? fn == 0 ? sin(a) : fn == 1 ? cos(a) : tan(a) : gr_trig_exact(fabs(a), fn); }

double ref_sin(double a) { return a <= -0.5 ? -trig(a, 0) : trig(a, 0); }
double ref_cos(double a) { return trig(a, 1); }
double ref_tan(double a) { return a <= -0.5 ? -trig(a, 2) : trig(a, 2); }

double ref_round(double a) {
  double whole = floor(fabs(a));
  return copysign(whole + (fabs(a) - whole >= 0.5), a);
}

/* lgamma(2 + t) for |t| <= 1/2: (1 - Euler's constant) t + sum of (-1)^k (zeta(k) - 1) / k t^k. */
static long double lgamma_near_2(long double t) {
  static const long double c[] = {
      0.422784335098467139393488L, 0.322467033424113218236208L, -0.067352301053198095133246L, 0.0205808084277845478790009L,
      -0.00738555102867398526627310L, 0.00289051033074152328575299L, -0.00119275391170326097711394L, 0.000509669524743042422335655L,
      -0.000223154758453579379761422L, 9.94575127818085337145960e-5L, -4.49262367381331417002075e-5L, 2.05072127756706915531665e-5L,
      -9.43948827526839590398743e-6L, 4.37486678990748780418179e-6L, -2.03921575380136623678190e-6L, 9.55141213040741983285718e-7L,
      -4.49246919876456604329429e-7L, 2.12071848055546658692314e-7L, -1.00432248239680996087208e-7L, 4.76981016936398056576019e-8L,
      -2.27110946089431649103200e-8L, 1.08386592148969540910749e-8L, -5.18347504197004665512125e-9L, 2.48367454380247831718501e-9L,
      -1.19214014058609120744255e-9L, 5.73136724167886201333020e-10L, -2.75952288512423314517815e-10L, 1.33047643742444894814972e-10L,
      -6.42296456383810002208245e-11L, 3.10442477473222727623922e-11L};
  long double sum = 0;
  for (int k = sizeof c / sizeof *c; k--;) sum = (sum + c[k]) * t;
  return sum;
}

/* For a >= 1/2: by that series; from 2.5 on by Stirling's, after the recurrence to 16. */
static long double lgamma_positive(long double a) {
  if (a < 1.5L) return lgamma_near_2(a - 1) - log1pl(a - 1);
  if (a < 2.5L) return lgamma_near_2(a - 2);
  long double factors = 1;
  for (; a < 16; a++) factors *= a;
  long double z = 1 / (a * a);
  long double tail = (1.0L / 12 - z * (1.0L / 360 - z * (1.0L / 1260 - z * (1.0L / 1680 - z * (1.0L / 1188 - z * (691.0L / 360360 - z / 156)))))) / a;
  return (a - 0.5L) * (logl(a) - 1) + (0.418938533204672741780330L + tail) - logl(factors);
}

/* By reflection below 1/2. */
double ref_lgamma(double a) {
  const long double pi = 3.14159265358979323846264L;
  if (isnan(a) || isinf(a)) return a * a;
  if (a >= 0.5) return (double)lgamma_positive(a);
  if (a <= 0 && a == floor(a)) return INFINITY;
  long double s = fabsl(sinl(pi * ((long double)a - ref_round(a))));
  return (double)(logl(pi / s) - lgamma_positive(1 - (long double)a));
}

#endif
