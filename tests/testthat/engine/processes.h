/* processes.h: tests in child processes, whose counts are added to those of the parent (POSIX
 * only).
 *
 * The driver of a GPU is opened once in a process, and some settings are read once: such tests get
 * a process each (in_child).  Long tests are shared between two processes (share_out). */
#ifndef GENRED_PROCESSES_H
#define GENRED_PROCESSES_H

#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int part, parts = 1; /* this process takes the cases with number % parts == part */

typedef struct child {
  pid_t pid; /* -1: there is none */
  int counts; /* the end of a pipe from which its counts are read */
} child;

/* A child that does the work with counts from 0. */
static inline child start_child(void (*work)(const void *), const void *argument) {
  int ends[2], counts[2];
  child c = {-1, -1};
  fflush(stdout);
  if (pipe(ends) != 0) return c;
  c = (child){fork(), ends[0]};
  if (c.pid == 0) {
    close(ends[0]);
    passed = failed = 0;
    work(argument);
    fflush(stdout);
    counts[0] = passed, counts[1] = failed;
    _exit(write(ends[1], counts, sizeof counts) != sizeof counts);
  }
  close(ends[1]);
  return c;
}

/* Waits for a child and adds its counts; one that ends early is a failure. */
static inline void add_child(child c, const char *name) {
  int status = 1, counts[2] = {0, 0};
  bool told = c.pid > 0 && read(c.counts, counts, sizeof counts) == sizeof counts;
  if (c.pid > 0) waitpid(c.pid, &status, 0);
  if (c.counts >= 0) close(c.counts);
  check(told && status == 0, "%s: the process ended early with status %d", name, status);
  passed += counts[0], failed += counts[1];
}

static inline void in_child(const char *name, void (*work)(const void *), const void *argument) {
  add_child(start_child(work, argument), name);
}

static inline void call_work(const void *work) { (*(void (*const *)(void))work)(); }

/* The work in two processes at once, each with a part of the cases. */
static inline void share_out(void (*work)(void)) {
  parts = 2;
  part = 1;
  child second = start_child(call_work, &work);
  part = 0;
  work();
  add_child(second, "the second half");
}

typedef struct scenario {
  const char *name;
  void (*run)(void);
} scenario;

/* Each in a child of its own; with `only`, the one of that name. */
static inline void run_scenarios(const scenario *s, size_t n, const char *only) {
  for (size_t k = 0; k < n; k++)
    if (!only || !strcmp(only, s[k].name)) in_child(s[k].name, call_work, &s[k].run);
}

/* Whether a process exists and is no zombie (Linux). */
static inline bool is_running(long pid) {
  char path[64], line[512] = "";
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *f = fopen(path, "r");
  if (f && !fgets(line, sizeof line, f)) line[0] = 0;
  if (f) fclose(f);
  return line[0] && !strstr(line, ") Z");
}

/* Whether a process that was killed ends, which takes a moment. */
static inline bool ends(long pid) {
  for (int k = 0; k < 3000 && is_running(pid); k++) gr_sleep(0.01);
  return !is_running(pid);
}

#endif
