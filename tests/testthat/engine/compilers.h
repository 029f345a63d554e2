/* compilers.h: shell scripts that stand for C compilers and count how often they are run. */
#ifndef GENRED_COMPILERS_H
#define GENRED_COMPILERS_H

#include "files.h"

static inline const char *script(const char *name, const char *body) {
  char text[4200];
  snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
  put(at("%s", name), text, strlen(text), 0755);
  return at("%s", name);
}

/* A script that appends its command line to NAME.runs before it does the rest. */
static inline const char *compiler(const char *name, const char *body) {
  char text[4096];
  snprintf(text, sizeof text, "echo \"$*\" >>'%s.runs'\n%s", at("%s", name), body);
  return script(name, text);
}

/* The runs of this compiler whose command line contains `part`. */
static inline int runs_with(const char *cc, const char *part) {
  char path[1100], line[8192];
  int n = 0;
  snprintf(path, sizeof path, "%s.runs", cc);
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f)) n += strstr(line, part) != NULL;
  if (f) fclose(f);
  return n;
}

static inline int runs(const char *cc) { return runs_with(cc, ""); }

#endif
