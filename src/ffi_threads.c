/* ffi_threads.c: how many threads a run may use.
 *
 * As in data.table, the number is passed to each parallel region, and omp_set_num_threads is never
 * called.  The default is the minimum of what the machine, the CPU affinity of the process, its
 * cgroup quota and the usual environment variables allow.  A forked child uses one thread, because
 * libgomp deadlocks there if the parent has run a parallel region; the fork handler only sets a
 * flag. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "ffi.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif
#ifndef _WIN32
#include <pthread.h>
#endif

static SEXP sym_threads, sym_mc_cores;
static volatile bool forked;

#ifndef _WIN32
static void after_fork(void) { forked = true; }

static void watch_forks(void) {
  static bool registered;
  if (!registered) pthread_atfork(NULL, NULL, after_fork);
  registered = true;
}
#else
static void watch_forks(void) {} /* Windows has no fork */
#endif

void ffi_threads_init(void) {
  sym_threads = Rf_install("genred.threads");
  sym_mc_cores = Rf_install("mc.cores");
  watch_forks();
}

/* ---- the limits; 0 for no limit -------------------------------------------------------------- */

static int limit_affinity(void) {
#ifdef __linux__
  for (int cpus = 1024; cpus <= 1 << 18; cpus *= 4) {
    cpu_set_t *set = CPU_ALLOC((size_t)cpus);
    if (!set) return 0;
    size_t size = CPU_ALLOC_SIZE((size_t)cpus);
    int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : -1;
    CPU_FREE(set);
    if (n > 0) return n;
  }
#endif
  return 0;
}

static bool read_line(const char *path, char *line, int size) {
  FILE *f = fopen(path, "r");
  if (!f) return false;
  bool ok = fgets(line, size, f) != NULL;
  fclose(f);
  return ok;
}

/* Rounds up: a quota of 1.5 processors allows two threads. */
static int cpus_of(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return 0;
  double n = quota / period;
  return n >= INT_MAX ? 0 : (int)n + (n > (int)n);
}

enum { PATH_SIZE = 4096 };

/* cgroup v2: cpu.max holds "max 100000" or "150000 100000". */
static int quota_v2(const char *dir) {
  char path[PATH_SIZE + 32], line[128];
  double quota, period;
  snprintf(path, sizeof path, "%s/cpu.max", dir);
  if (!read_line(path, line, sizeof line)) return 0;
  return sscanf(line, "%lf %lf", &quota, &period) == 2 ? cpus_of(quota, period) : 0;
}

static int quota_v1(const char *dir) {
  char path[PATH_SIZE + 32], quota[128], period[128];
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
  if (!read_line(path, quota, sizeof quota)) return 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
  if (!read_line(path, period, sizeof period)) return 0;
  return cpus_of(atof(quota), atof(period));
}

static int least(int a, int b) { return a == 0 ? b : b == 0 ? a : a < b ? a : b; }

/* The minimum of the quotas from the folder of this process' cgroup up to the root. */
static int quota_upwards(const char *root, const char *group, int (*quota)(const char *)) {
  char dir[PATH_SIZE];
  int limit = 0, top = (int)strlen(root);
  if (snprintf(dir, sizeof dir, "%s%s", root, group) >= (int)sizeof dir) return quota(root);
  for (;;) {
    limit = least(limit, quota(dir));
    char *slash = strrchr(dir + top, '/');
    if (!slash) return limit;
    *slash = 0;
  }
}

/* A line of /proc/self/cgroup is "0::/group" (cgroup v2) or "4:cpu,cpuacct:/group" (v1). */
static int limit_of_line(const char *root, char *line) {
  char dir[PATH_SIZE];
  line[strcspn(line, "\n")] = 0;
  char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
  if (!group) return 0;
  *group++ = 0;
  if (strcmp(group, "/") == 0) group = "";
  names++;
  if (!*names) return quota_upwards(root, group, quota_v2);
  if (strcmp(names, "cpu") != 0 && strncmp(names, "cpu,", 4) != 0 && !strstr(names, ",cpu")) return 0;
  snprintf(dir, sizeof dir, "%s/cpu", root);
  return quota_upwards(dir, group, quota_v1);
}

static int limit_cgroup(const char *root, const char *self) {
  char line[PATH_SIZE];
  int limit = least(quota_v2(root), 0);
  FILE *f = fopen(self, "r");
  if (!f) return limit;
  while (fgets(line, sizeof line, f)) limit = least(limit, limit_of_line(root, line));
  fclose(f);
  return limit;
}

static int limit_procs(void) {
#ifdef _OPENMP
  return omp_get_num_procs();
#else
  return 1;
#endif
}

static int positive(const char *text) {
  if (!text) return 0;
  char *end;
  long n = strtol(text, &end, 10);
  return end == text || n < 1 || n > INT_MAX ? 0 : (int)n;
}

static int env_count(const char *name) { return positive(getenv(name)); }

/* GENRED_THREADS: a number of threads, or 0 for the default. */
static bool env_is_bad(const char *text) {
  if (!text || !*text) return false;
  return text[strspn(text, "0123456789")] != 0 || (positive(text) == 0 && text[strspn(text, "0")] != 0);
}

static int count_of(SEXP x) {
  if ((TYPEOF(x) != INTSXP && TYPEOF(x) != REALSXP) || XLENGTH(x) != 1) return 0;
  double n = Rf_asReal(x);
  return n >= 1 && n <= INT_MAX ? (int)n : 0;
}

static int limit_check(void) {
  const char *text = getenv("_R_CHECK_LIMIT_CORES_");
  if (!text || !*text || strcmp(text, "false") == 0 || strcmp(text, "FALSE") == 0) return 0;
  return 2;
}

/* ---- the number of threads ------------------------------------------------------------------- */

enum { L_PROCS, L_AFFINITY, L_CGROUP, L_OMP, L_OMP_LIMIT, L_MC_OPTION, L_MC_ENV, L_CHECK, L_COUNT };

static const char *const limit_names[] = {
    "processors", "affinity", "cgroup quota", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "option mc.cores",
    "MC_CORES", "_R_CHECK_LIMIT_CORES_", ""};

/* The first three are read once per session. */
static void read_limits(int *limit) {
  static int machine[3];
  static bool known;
  if (!known) {
    machine[L_PROCS] = limit_procs();
    machine[L_AFFINITY] = limit_affinity();
    machine[L_CGROUP] = limit_cgroup("/sys/fs/cgroup", "/proc/self/cgroup");
    known = true;
  }
  memcpy(limit, machine, sizeof machine);
  limit[L_OMP] = env_count("OMP_NUM_THREADS");
  limit[L_OMP_LIMIT] = env_count("OMP_THREAD_LIMIT");
  limit[L_MC_OPTION] = count_of(Rf_GetOption1(sym_mc_cores));
  limit[L_MC_ENV] = env_count("MC_CORES");
  limit[L_CHECK] = limit_check();
}

/* A requested number is limited only by what would fail or is forbidden. */
static int asked_count(int asked, const int *limit) {
  asked = asked > 1024 ? 1024 : asked;
  return least(least(asked, limit[L_OMP_LIMIT]), limit[L_CHECK]);
}

static int default_count(const int *limit) {
  int n = 0;
  for (int k = 0; k < L_COUNT; k++) n = least(n, limit[k]);
  return n > 0 ? n : 1;
}

/* The number of threads that is asked for, 0 if none is; whether the option, or the environment
 * variable if there is no option, is not a number. */
typedef struct request {
  int option, env;
  bool bad;
} request;

static request request_now(void) {
  SEXP x = Rf_GetOption1(sym_threads);
  const char *text = getenv("GENRED_THREADS");
  request r = {count_of(x), positive(text), false};
  if (x == R_NilValue)
    r.bad = env_is_bad(text);
  else if (!r.option)
    r.bad = !Rf_isNumeric(x) || XLENGTH(x) != 1 || Rf_asReal(x) != 0; /* 0: the default */
  return r;
}

static int count_threads(const int *limit, const request *r) {
#ifndef _OPENMP
  return 1;
#endif
  if (forked) return 1;
  int asked = r->option ? r->option : r->env;
  return asked ? asked_count(asked, limit) : default_count(limit);
}

int ffi_threads_now(void) {
  int limit[L_COUNT];
  request r = request_now();
  if (r.bad) return 0;
  if (forked) return 1;
  read_limits(limit);
  return count_threads(limit, &r);
}

static SEXP count_or_na(int n) { return Rf_ScalarInteger(n > 0 ? n : NA_INTEGER); }

SEXP ffi_threads(void) {
  const char *names[] = {"threads", "option", "env", "forked", "openmp", "limits", ""};
  int limit[L_COUNT];
  read_limits(limit);
  request r = request_now();
  int n = count_threads(limit, &r);
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_ScalarInteger(n));
  SET_VECTOR_ELT(out, 1, count_or_na(r.option));
  SET_VECTOR_ELT(out, 2, count_or_na(r.env));
  SET_VECTOR_ELT(out, 3, Rf_ScalarLogical(forked));
#ifdef _OPENMP
  SET_VECTOR_ELT(out, 4, Rf_ScalarLogical(TRUE));
#else
  SET_VECTOR_ELT(out, 4, Rf_ScalarLogical(FALSE));
#endif
  SEXP limits = Rf_mkNamed(INTSXP, (const char **)limit_names);
  SET_VECTOR_ELT(out, 5, limits);
  for (int k = 0; k < L_COUNT; k++) INTEGER(limits)[k] = limit[k] > 0 ? limit[k] : NA_INTEGER;
  UNPROTECT(1);
  return out;
}

/* For tests: the quota found under another root. */
SEXP ffi_cgroup(SEXP root, SEXP self) {
  return count_or_na(limit_cgroup(CHAR(STRING_ELT(root, 0)), CHAR(STRING_ELT(self, 0))));
}
