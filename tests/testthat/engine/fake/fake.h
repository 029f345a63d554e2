/* fake.h: settings from the environment, injected failures and a log of calls, for both libraries
 * that stand in for CUDA's.
 *
 * Settings are read at each use, so that a test can change them within its process.
 *   GENRED_FAKE_FAIL   which calls fail: "cuMemAlloc_v2:3" the third from now on, "NAME:*" every
 *                      one, "NAME:2+" the second and all later ones; a third field is the code
 *                      returned; several items are separated by commas.  Counts restart when the
 *                      value changes. Functions that release something do so nevertheless.
 *                      "kernel:2": the second kernel that runs faults with a bad address.
 *   GENRED_FAKE_LOG    a file to which each call is appended, with the code that it returned */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cu_api.h"

/* Beside CUDA's functions, for tests. */
int fake_nvrtc_alive(void);              /* the number of programs that were not destroyed */
/* the number of living objects, with a line for each kind */
int fake_leaks(char *text, size_t size);
const char *fake_last_fault(void);       /* the reason of the last fault of a kernel, or "" */

static inline long fake_number(const char *variable, long otherwise) {
  const char *s = getenv(variable);
  return s && *s ? strtol(s, NULL, 10) : otherwise;
}

enum { FAKE_FUNCTIONS = 64 };

typedef struct fake_counts {
  char spec[512];
  int calls[FAKE_FUNCTIONS];
} fake_counts;

/* Whether an item "NAME:WHICH[:CODE]" names this call. */
static inline bool fake_matches(const char *item, const char *name, int call, int *code) {
  size_t n = strlen(name);
  char *end;
  if (strncmp(item, name, n) != 0 || item[n] != ':') return false;
  const char *which = item + n + 1;
  long from = strtol(which, &end, 10);
  bool all = *which == '*', hit = all || call == from || (*end == '+' && call > from);
  end = all ? (char *)which + 1 : end + (*end == '+');
  if (hit && *end == ':') *code = (int)strtol(end + 1, NULL, 10);
  return hit;
}

/* The code with which this call of function f is to fail, or 0. */
static inline int fake_failure(fake_counts *c, int f, const char *name, int plausible) {
  const char *spec = getenv("GENRED_FAKE_FAIL");
  if (!spec) spec = "";
  if (strncmp(spec, c->spec, sizeof c->spec - 1) != 0) {
    memset(c, 0, sizeof *c);
    snprintf(c->spec, sizeof c->spec, "%s", spec);
  }
  c->calls[f]++;
  for (const char *item = c->spec; *item;) {
    int code = plausible;
    if (fake_matches(item, name, c->calls[f], &code)) return code;
    item += strcspn(item, ",");
    item += *item == ',';
  }
  return 0;
}

static inline void fake_log(const char *name, int result) {
  const char *path = getenv("GENRED_FAKE_LOG");
  FILE *f = path && *path ? fopen(path, "a") : NULL;
  if (!f) return;
  fprintf(f, "%s %d\n", name, result);
  fclose(f);
}

#endif
