/* test_language.c: interpreter against compiled kernels, enumerated from the operation table and the reduction table (language.h). */
#include "language.h"

int main(void) {
  each_case = both;
  whole_language();
  return report();
}
