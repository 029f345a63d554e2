/* test_language.c: the interpreter against compiled kernels on programs enumerated from the tables
 * of operations and of reductions (language.h).
 *
 * GR_SHARE=n: every n-th program only. */
#include "language.h"

static int share = 1;

static bool in_share(const test *t, double tolerance) { return program_number(t) % share != 0 || both(t, tolerance); }

int main(void) {
  const char *n = getenv("GR_SHARE");
  own_folder();
  if (n && atoi(n) > 0) share = atoi(n);
  each_case = in_share;
  whole_language();
  return report();
}
