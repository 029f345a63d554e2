/* os_cpu.c: a description of the processor, for cache keys and for users.
 *
 * Kernels are compiled with -march=native; the description distinguishes all processors for which
 * compilers may resolve that differently.  Its only state is that string, written once. */
#include "base/os.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if !defined(_WIN32)
#include <sys/utsname.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

#define FEATURES(F)                                                                                                 \
  F("sse4.2")                                                                                                       \
  F("avx")                                                                                                          \
  F("avx2") F("fma") F("bmi2") F("avx512f") F("avx512cd") F("avx512bw") F("avx512dq") F("avx512vl") F("avx512ifma") \
      F("avx512vbmi")

/* Names for human readers, then the cpuid registers that distinguish processors: vendor, model,
 * features.  ebx of leaf 1 is left out because it holds the number of the current core. */
static void describe_cpu(char *s, size_t size) {
  unsigned v[4] = {0}, a[4] = {0}, b[4] = {0}, c[4] = {0}, d[4] = {0};
  size_t n = 0;
#define F(name) \
  if (__builtin_cpu_supports(name)) n += (size_t)snprintf(s + n, size - n, "%s ", name);
  FEATURES(F)
#undef F
  __get_cpuid(0, &v[0], &v[1], &v[2], &v[3]);
  __get_cpuid(1, &a[0], &a[1], &a[2], &a[3]);
  __get_cpuid_count(7, 0, &b[0], &b[1], &b[2], &b[3]);
  __get_cpuid_count(7, 1, &c[0], &c[1], &c[2], &c[3]);
  __get_cpuid(0x80000001u, &d[0], &d[1], &d[2], &d[3]);
  snprintf(s + n, size - n, "x86-%d %.4s%.4s%.4s %08x %08x %08x %08x %08x %08x %08x %08x %08x", (int)sizeof(void *) * 8,
           (char *)&v[1], (char *)&v[3], (char *)&v[2], a[0], a[2], a[3], b[1], b[2], b[3], c[0], d[2], d[3]);
}

const char *gr_simd_name(void) {
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
  if (__builtin_cpu_supports("avx")) return "AVX";
  return "SSE2";
}

#else

/* The lines of /proc/cpuinfo that compilers read for -march=native, of the first processor. */
static size_t describe_proc(char *s, size_t size) {
  const char *const keys[] = {"CPU implementer", "CPU part", "CPU variant", "Features", "cpu\t", "isa", "uarch"};
  char line[1024];
  size_t n = 0;
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f && fgets(line, sizeof line, f) && (line[0] != '\n' || n == 0))
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
      if (!strncmp(line, keys[k], strlen(keys[k])) && n + strlen(line) < size)
        n += (size_t)snprintf(s + n, size - n, "%.*s;", (int)strcspn(line, "\n"), line);
  if (f) fclose(f);
  return n;
}

static void describe_cpu(char *s, size_t size) {
#if defined(__APPLE__)
  size_t n = size;
  if (sysctlbyname("machdep.cpu.brand_string", s, &n, NULL, 0) == 0) return;
#endif
  if (describe_proc(s, size)) return;
#if defined(_WIN32)
  snprintf(s, size, "%s", getenv("PROCESSOR_IDENTIFIER") ? getenv("PROCESSOR_IDENTIFIER") : "unknown");
#else
  struct utsname u;
  snprintf(s, size, "%s", uname(&u) >= 0 ? u.machine : "unknown");
#endif
}

const char *gr_simd_name(void) {
#if defined(__aarch64__) || defined(__ARM_NEON)
  return "NEON";
#else
  return "none";
#endif
}

#endif

/* Threads that arrive at the same time each make the string, and one of them publishes it. */
const char *gr_cpu_features(void) {
  static _Atomic(char *) published;
  char *none = NULL, *text = atomic_load(&published);
  if (text) return text;
  text = calloc(1, 1024);
  if (!text) return "unknown";
  describe_cpu(text, 1024);
  if (atomic_compare_exchange_strong(&published, &none, text)) return text;
  free(text);
  return none;
}
