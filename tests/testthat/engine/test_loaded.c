/* test_loaded.c: kernels in memory, and how failures of the compiler are handled (run/loaded.c,
 * run/prepare.c, and their part of cc.c, cache.c and base/os.c).
 *
 * Which kernels stay loaded; changed settings; a compiler that fails once, that refuses a flag,
 * that is killed, or that is interrupted.  Compilers are scripts that log each run; each has its
 * own name, and so its own cache keys.  A new process is this program again:
 *   run CACHE CC     runs a program with a kernel; prints "origin right|message note"
 * Linux only: it looks at /proc. */
#include <pthread.h>
#include <stdatomic.h>

#include "compilers.h"
#include "processes.h"

static const char *self;
static const test gauss = {"Exp(-SqDist(x,y))*b", NULL, {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, "Sum", 1, .m = 20, .n = 30};

/* Temporary files of the engine go to a folder of their own, which must be empty after every
 * call. */
static gr_options with(const char *cc, const char *cache) {
  gr_options opt = options(GR_CPU, 1);
  opt.cc = cc;
  opt.cache_dir = *cache ? at("%s", cache) : "";
  opt.tmp_dir = at("scratch");
  opt.cflags = "-O0";
  return opt;
}

static void scratch_is_empty(int line) {
  check(count_files(at("scratch"), "") == 0, "line %d: %d scratch files are left", line, count_files(at("scratch"), ""));
}

/* A program whose formula contains a number, and so has its own key. */
static gr_program *program(const test *t, double number) {
  char formula[300];
  gr_program *p = NULL;
  gr_error err = {0};
  test one = *t;
  snprintf(formula, sizeof formula, "%s*%g", t->formula, number);
  one.formula = formula;
  check(make(&one, &p, &err) == GR_OK, "%s: %s", formula, err.message);
  return p;
}

/* Runs it with a kernel; the values must be the interpreter's. */
static gr_class runs_right(gr_program *p, const test *t, const gr_options *opt, gr_report *rep, gr_error *err) {
  gr_array args[ARGS_MAX + 4];
  gr_options slow = options(GR_INTERPRETER, 1);
  result a = {.rows = 0}, b = {.rows = 0};
  gr_error_clear(err);
  make_args(p, t, args);
  bool ok = run(p, args, &slow, &a, err) == GR_OK && run(p, args, &slow, &b, err) == GR_OK;
  for (int64_t k = 0; ok && k < b.size; k++) b.v[0][k] = -1e30;
  gr_output out[2] = {{b.v[0], GR_F64, NULL}, {b.v[1], GR_F64, NULL}};
  gr_class cls = gr_program_run(p, args, gr_program_nargs(p), out, opt, rep, err);
  if (!cls) check(ok && difference(b.v[0], a.v[0], a.size) < 1e-4, "%s: wrong values", describe(t));
  free_result(&a);
  free_result(&b);
  free_args(p, args);
  return cls;
}

static gr_class run_once(const char *cc, const char *cache, double number, gr_report *rep, gr_error *err) {
  gr_options opt = with(cc, cache);
  gr_program *p = program(&gauss, number);
  gr_class cls = runs_right(p, &gauss, &opt, rep, err);
  gr_program_free(p);
  return cls;
}

/* ---- which kernels stay loaded ---- */

/* A compiler that takes no time: it copies an empty kernel. */
static const char *quick_compiler(const char *name) {
  char body[2000];
  snprintf(body, sizeof body, "while [ \"$1\" != -o ]; do shift; done; exec cp '%s' \"$2\"", at("nothing.so"));
  return compiler(name, body);
}

static bool make_nothing(void) {
  const char *source = at("nothing.c"), *const argv[] = {"/usr/bin/env", "gcc", "-shared", "-fPIC", "-nostdlib", "-o", at("nothing.so"), source, NULL};
  gr_error err = {0};
  int status = -1;
  FILE *f = fopen(source, "w");
  fputs("void gr_kernel(void) {}\n", f);
  fclose(f);
  return gr_spawn(argv, at("nothing.log"), NULL, &status, &err) == GR_OK && status == 0;
}

static int objects_mapped(void) {
  char line[4096], last[4096] = "";
  int n = 0;
  FILE *f = fopen("/proc/self/maps", "r");
  while (f && fgets(line, sizeof line, f)) {
    char *path = strchr(line, '/');
    if (path && strstr(path, ".so") && strstr(path, "genred-") && strcmp(path, last)) strcpy(last, path), n++;
  }
  if (f) fclose(f);
  return n;
}

/* Gets the kernel of source k and drops it at once. */
static gr_class pass_by(const gr_options *opt, int k, gr_report *rep) {
  char text[64];
  gr_kernel kernel;
  gr_error err = {0};
  snprintf(text, sizeof text, "void gr_kernel(void) {} /* %d */\n", k);
  *rep = (gr_report){.backend = GR_CPU};
  gr_class cls = gr_kernel_get(text, opt, &kernel, rep, &err);
  if (!cls) gr_kernel_drop(&kernel);
  gr_error_clear(&err);
  return cls;
}

static void many_pass_by(const gr_options *opt, int from, int to) {
  gr_report rep;
  int bad = 0;
  for (int k = from; k < to; k++) bad += pass_by(opt, k, &rep) != GR_OK || rep.provenance != GR_COMPILED;
  check(bad == 0, "%d of %d kernels are not there", bad, to - from);
}

static void test_bounded(void) {
  gr_options opt = with(quick_compiler("quick"), "");
  gr_report rep;
  gr_kernel held, same;
  gr_error err = {0};
  const char *text = "void gr_kernel(void) {} /* held */\n";
  int before = gr_kernels_loaded(), mapped = objects_mapped();
  check(gr_kernel_get(text, &opt, &held, &rep, &err) == GR_OK && gr_kernels_loaded() == before + 1, "a kernel: %s", err.message);
  many_pass_by(&opt, 0, 2 * GR_IDLE_OBJECTS);
  check(gr_kernels_loaded() <= GR_IDLE_OBJECTS + 1 && gr_kernels_loaded() >= GR_IDLE_OBJECTS, "%d kernels loaded", gr_kernels_loaded());
  check(objects_mapped() <= mapped + GR_IDLE_OBJECTS + 1, "%d objects mapped, %d before", objects_mapped(), mapped);
  check(pass_by(&opt, 2 * GR_IDLE_OBJECTS - 1, &rep) == GR_OK && rep.provenance == GR_FROM_MEMORY, "the last one has gone");
  check(pass_by(&opt, GR_IDLE_OBJECTS, &rep) == GR_OK && rep.provenance == GR_FROM_MEMORY, "the oldest that is kept has gone");
  many_pass_by(&opt, 2 * GR_IDLE_OBJECTS, 2 * GR_IDLE_OBJECTS + 1);
  check(pass_by(&opt, GR_IDLE_OBJECTS, &rep) == GR_OK && rep.provenance == GR_FROM_MEMORY, "what was used again is kept");
  check(pass_by(&opt, GR_IDLE_OBJECTS + 1, &rep) == GR_OK && rep.provenance == GR_COMPILED, "what was used longest ago is still there");
  check(pass_by(&opt, 0, &rep) == GR_OK && rep.provenance == GR_COMPILED, "the first one is still there");
  check(gr_kernel_get(text, &opt, &same, &rep, &err) == GR_OK && rep.provenance == GR_FROM_MEMORY && same.fn == held.fn, "what is held has gone");
  held.fn(NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL);
  gr_kernel_drop(&held);
  gr_kernel_drop(&same);
  gr_kernel_drop(&same);
  scratch_is_empty(__LINE__);
}

/* Programs hold their kernels; those in one shared object are unloaded together. */
static void test_joint_object(void) {
  enum { N = 3 };
  gr_options opt = with(compiler("joint", "exec gcc \"$@\""), "joint cache"), quick = with(quick_compiler("quick-too"), "");
  gr_program *p[N];
  gr_call call[N];
  gr_report rep;
  gr_error err = {0};
  for (int k = 0; k < N; k++) p[k] = program(&gauss, k + 0.5), call[k] = (gr_call){p[k], gauss.m, gauss.n, 0};
  many_pass_by(&quick, 0, GR_IDLE_OBJECTS);
  int full = gr_kernels_loaded();
  check(gr_programs_prepare(call, N, &opt, &rep) == GR_OK && rep.provenance == GR_COMPILED && runs(opt.cc) == 1, "not compiled together");
  for (int k = 1; k < N; k++) gr_program_free(p[k]);
  many_pass_by(&quick, GR_IDLE_OBJECTS, 2 * GR_IDLE_OBJECTS);
  check(gr_kernels_loaded() == full + N, "%d kernels, %d and %d expected", gr_kernels_loaded(), full, N);
  check(runs_right(p[0], &gauss, &opt, &rep, &err) == GR_OK && rep.provenance == GR_FROM_MEMORY, "the program has lost its kernel: %s", err.message);
  gr_program_free(p[0]);
  check(gr_kernels_loaded() == full + N - 1, "an object that nobody holds takes the place of one: %d, %d", gr_kernels_loaded(), full);
  many_pass_by(&quick, 2 * GR_IDLE_OBJECTS, 3 * GR_IDLE_OBJECTS);
  check(gr_kernels_loaded() == full, "the object is still there: %d kernels, %d", gr_kernels_loaded(), full);
  p[0] = program(&gauss, 0.5);
  check(runs_right(p[0], &gauss, &opt, &rep, &err) == GR_OK && rep.provenance == GR_FROM_DISK && runs(opt.cc) == 1, "from disk again: %s", err.message);
  gr_program_free(p[0]);
  gr_error_clear(&err);
}

/* ---- threads, and a fork among them ---- */

static const char *busy_cc;
static atomic_int stop;

static void *work(void *arg) {
  gr_options opt = with(busy_cc, "");
  gr_report rep;
  int first = (int)(intptr_t)arg, bad = 0;
  for (int k = 0; !stop; k = (k + 1) % 8) bad += pass_by(&opt, first + k, &rep) != GR_OK;
  return (void *)(intptr_t)bad;
}

static void test_threads(void) {
  pthread_t thread[3];
  gr_options opt = with(busy_cc = quick_compiler("busy"), "");
  gr_report rep;
  int good = 0, forks = 100;
  void *bad;
  for (int k = 0; k < 16; k++) pass_by(&opt, k, &rep);
  for (int k = 0; k < 3; k++) pthread_create(&thread[k], NULL, work, (void *)(intptr_t)(4 * k));
#if defined(__SANITIZE_ADDRESS__)
  forks = 0; /* a child may inherit a locked mutex of the sanitizer */
#endif
  if (is_emulated()) { /* a child may inherit a locked mutex of qemu-user, and hangs */
    printf("SKIPPED: forks among threads (a child may inherit a locked mutex of qemu-user)\n");
    forks = 0;
    gr_sleep(0.5);
  }
  for (int k = 0; k < forks; k++) {
    pid_t pid = fork();
    int status = -1;
    if (pid == 0) {
      alarm(300);
      _exit(pass_by(&opt, 3, &rep) == GR_OK && rep.provenance == GR_FROM_MEMORY && gr_kernels_loaded() > 0 ? 0 : 1);
    }
    good += waitpid(pid, &status, 0) == pid && status == 0;
  }
  stop = 1;
  check(good == forks, "%d of %d forked children found their kernel", good, forks);
  for (int k = 0; k < 3; k++) {
    pthread_join(thread[k], &bad);
    check(bad == NULL, "a thread missed %d kernels", (int)(intptr_t)bad);
  }
}

/* ---- other settings ---- */

static void test_settings(void) {
  gr_options opt = with(compiler("one", "exec gcc \"$@\""), "settings");
  const char *one = opt.cc, *two = compiler("two", "exec gcc \"$@\"");
  gr_program *p = program(&gauss, 1);
  gr_report rep;
  gr_error err = {0};
  const struct {
    const char *cc, *cflags;
    gr_provenance provenance;
  } step[] = {{one, "-O0", GR_COMPILED},    {one, "-O0", GR_FROM_MEMORY}, {one, "-O0 -DX", GR_COMPILED}, {one, "-O0 -DX", GR_FROM_MEMORY},
              {two, "-O0 -DX", GR_COMPILED}, {one, "-O0", GR_FROM_MEMORY}, {one, NULL, GR_COMPILED},      {one, "", GR_FROM_MEMORY}};
  for (size_t k = 0; k < sizeof step / sizeof *step; k++) {
    opt.cc = step[k].cc;
    opt.cflags = step[k].cflags;
    gr_class cls = runs_right(p, &gauss, &opt, &rep, &err);
    check(cls == GR_OK && rep.provenance == step[k].provenance, "step %d: from %d, not %d: %s", (int)k, rep.provenance, step[k].provenance, err.message);
  }
  check(runs(one) == 3 && runs(two) == 1, "%d and %d runs", runs(one), runs(two));
  opt.cflags = "--no-such-flag";
  check(runs_right(p, &gauss, &opt, &rep, &err) == GR_COMPILER, "what was compiled before hides a wrong flag");
  gr_program_free(p);
  gr_error_clear(&err);
}

/* ---- a compiler that fails ---- */

/* The output of a new process that runs a program with this compiler. */
static const char *in_new_process(const char *cache, const char *cc) {
  const char *argv[] = {self, "run", cache, cc, NULL};
  gr_error err = {0};
  int status = -1;
  gr_spawn(argv, at("child.log"), NULL, &status, &err);
  gr_error_clear(&err);
  return text_of(at("child.log"));
}

static int run_child(char **argv) {
  gr_report rep = {0};
  gr_error err = {0};
  gr_class cls = run_once(argv[3], argv[2], 1, &rep, &err);
  printf("%d %s %s\n", rep.provenance, cls ? err.message : failed ? "wrong" : "right", rep.note);
  gr_error_clear(&err);
  return 0;
}

/* A failure that the flag did not cause is an error, and never stores another kernel under this
 * key. */
static void test_fails_once(void) {
  gr_report rep;
  gr_error err = {0};
  const char *cc = compiler("once", "[ -e \"$0.done\" ] || { : >\"$0.done\"; echo no room; exit 1; }; exec gcc \"$@\"");
  check(run_once(cc, "once cache", 1, &rep, &err) == GR_COMPILER && err.log && strstr(err.log, "no room"), "fails once: %s", err.message);
  check(count_files(at("once cache"), "") == 0 && runs(cc) == 2 && runs_with(cc, "probe.c") == 1, "%d runs", runs(cc));
  check(run_once(cc, "once cache", 1, &rep, &err) == GR_OK && rep.provenance == GR_COMPILED && !*rep.note, "the second time: %s", err.message);
  check(runs_with(cc, gr_native_flag()) == 3 && count_files(at("once cache"), ".so") == 1, "%d with the flag", runs_with(cc, gr_native_flag()));
  check(strstr(in_new_process("once cache", cc), "2 right \n") != NULL, "in a new process: %s", in_new_process("once cache", cc));

  cc = compiler("twice", "[ -e \"$0.2\" ] || { [ -e \"$0.1\" ] && : >\"$0.2\"; : >\"$0.1\"; exit 1; }; exec gcc \"$@\"");
  check(run_once(cc, "twice cache", 1, &rep, &err) == GR_COMPILER && runs(cc) == 4, "fails twice: %s, %d runs", err.message, runs(cc));
  check(run_once(cc, "twice cache", 1, &rep, &err) == GR_OK && !*rep.note && runs_with(cc, gr_native_flag()) == 4, "then: %s", err.message);
  check(count_files(at("twice cache"), "") == 1, "%d files", count_files(at("twice cache"), ""));

  cc = compiler("killed", "case \"$*\" in *native*) kill -9 $$;; esac; exec gcc \"$@\"");
  check(run_once(cc, "killed cache", 1, &rep, &err) == GR_COMPILER && runs(cc) == 1, "killed: %s, %d runs", err.message, runs(cc));
  check(count_files(at("killed cache"), "") == 0, "a killed compiler leaves a kernel");

  cc = compiler("all", "exit 1");
  check(run_once(cc, "all cache", 1, &rep, &err) == GR_COMPILER && runs(cc) == 3, "always fails: %d runs", runs(cc));
  gr_error_clear(&err);
  scratch_is_empty(__LINE__);
}

static const char refusing[] = "case \"$*\" in *native*) echo what is native; exit 1;; esac; exec gcc \"$@\"";

static void test_refuses(void) {
  gr_report rep;
  gr_error err = {0};
  int64_t files, bytes;
  gr_arena a = {NULL, NULL};
  const char *cc = compiler("refuses", refusing), *cache = at("refuses cache");
  check(run_once(cc, "refuses cache", 1, &rep, &err) == GR_OK && rep.provenance == GR_COMPILED, "refuses: %s", err.message);
  check(strstr(rep.note, gr_format(&a, "refuses %s", gr_native_flag())) != NULL, "the note: %s", rep.note);
  check(runs(cc) == 5 && runs_with(cc, "native") == 3, "%d runs: the kernel, three questions, the kernel", runs(cc));
  check(run_once(cc, "refuses cache", 2, &rep, &err) == GR_OK && strstr(rep.note, "refuses") && runs(cc) == 6, "it is asked again: %d runs", runs(cc));
  check(run_once(cc, "refuses cache", 2, &rep, &err) == GR_OK && rep.provenance == GR_FROM_MEMORY, "from memory: %d", rep.provenance);
  check(count_files(cache, ".so") == 2 && count_files(cache, ".plain") == 1, "%d files", count_files(cache, ""));
  check(gr_cache_info(cache, &files, &bytes, &err) == GR_OK && files == 2, "%d kernels", (int)files);
  const char *said = in_new_process("refuses cache", cc);
  check(!strncmp(said, "2 right the C compiler `", 24) && strstr(said, gr_format(&a, "refuses %s", gr_native_flag())) && runs(cc) == 6, "a new process: %s", said);
  check(gr_cache_clear(cache, &files, &err) == GR_OK && files == 2 && count_files(cache, "") == 0, "%d cleared", (int)files);
  gr_arena_free(&a);
  scratch_is_empty(__LINE__);

  /* the same for kernels that are compiled together */
  cc = compiler("refuses-together", refusing);
  gr_options opt = with(cc, "together cache");
  gr_program *p[2] = {program(&gauss, 1), program(&gauss, 2)};
  gr_call call[2] = {{p[0], gauss.m, gauss.n, 0}, {p[1], gauss.m, gauss.n, 0}};
  check(gr_programs_prepare(call, 2, &opt, &rep) == GR_OK && rep.provenance == GR_COMPILED && strstr(rep.note, "refuses"), "together: %s", rep.note);
  for (int k = 0; k < 2; k++) {
    test t = gauss;
    check(runs_right(p[k], &t, &opt, &rep, &err) == GR_OK && rep.provenance == GR_FROM_MEMORY && runs(cc) == 5, "%s, %d runs", err.message, runs(cc));
    gr_program_free(p[k]);
  }
  gr_error_clear(&err);
}

/* ---- an interrupt while the compiler runs ---- */

static double interrupt_at;
static int looks;

static int interrupted(void *ctx) {
  (void)ctx;
  looks++;
  return interrupt_at > 0 && gr_now() > interrupt_at;
}

/* Whether the processes end whose ids the compiler wrote. */
static bool all_end(const char *cc) {
  char path[700];
  long pid;
  bool ended = true;
  snprintf(path, sizeof path, "%s.pids", cc);
  FILE *f = fopen(path, "r");
  if (!f) return false;
  while (fscanf(f, "%ld", &pid) == 1) {
    ended = ends(pid) && ended;
  }
  fclose(f);
  return ended;
}

/* Interrupts a compilation 0.2 s after its start; returns the time from then to its end. */
static double interrupt(gr_program *const *p, int n, const gr_options *opt, gr_class *cls) {
  gr_call call[2] = {{p[0], gauss.m, gauss.n, 0}, {n > 1 ? p[1] : NULL, gauss.m, gauss.n, 0}};
  gr_report rep;
  gr_error err = {0};
  looks = 0;
  interrupt_at = gr_now() + 0.2;
  *cls = n == 1 ? gr_program_compile(p[0], opt, &rep, &err) : gr_programs_prepare(call, n, opt, &rep);
  double took = gr_now() - interrupt_at;
  interrupt_at = 0;
  gr_error_clear(&err);
  return took;
}

static void test_interrupt(void) {
  const struct {
    const char *name, *body;
    int programs;
  } cases[] = {
      {"sleeps", "sleep 30 & echo $$ $! >>\"$0.pids\"; : >\"$TMPDIR/left\"; wait", 1},
      {"deaf", "trap '' TERM INT; sleep 30 & echo $$ $! >>\"$0.pids\"; while :; do wait; sleep 1; done", 1},
      {"deaf-child", "sh -c 'trap \"\" TERM; echo $$ >>\"$0.pids\"; while :; do sleep 1; done' \"$0\" & echo $$ >>\"$0.pids\"; wait", 1},
      {"together", "sleep 30 & echo $$ $! >>\"$0.pids\"; wait", 2},
      {"asked", "case \"$*\" in *probe.c) sleep 30 & echo $$ $! >>\"$0.pids\"; wait;; esac; exit 1", 1}};
  gr_program *p[2] = {program(&gauss, 1), program(&gauss, 2)};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    gr_class cls;
    gr_report rep;
    gr_error err = {0};
    char body[1000];
    snprintf(body, sizeof body, "if [ -e \"$0.go\" ]; then exec gcc \"$@\"; fi\n%s", cases[k].body);
    gr_options opt = with(compiler(cases[k].name, body), "interrupt cache");
    opt.interrupted = interrupted;
    double took = interrupt(p, cases[k].programs, &opt, &cls);
    check(cls == GR_INTERRUPT, "%s: class %d", cases[k].name, cls);
    /* instead of the 30 s of the sleep */
    check(took < 10, "%s: it took %.3f s", cases[k].name, took);
    /* one in 0.05 s */
    check(looks >= 1 && looks <= 12 + 20 * took, "%s: %d looks", cases[k].name, looks);
    check(all_end(opt.cc), "%s: a process is left", cases[k].name);
    scratch_is_empty(__LINE__);
    check(count_files(at("interrupt cache"), "") == (int)k, "%s: files in the cache", cases[k].name);
    char go[700];
    snprintf(go, sizeof go, "%s.go", opt.cc);
    fclose(fopen(go, "w"));
    check(runs_right(p[0], &gauss, &opt, &rep, &err) == GR_OK && rep.provenance == GR_COMPILED, "%s: the next call: %s", cases[k].name, err.message);
    gr_error_clear(&err);
  }
  gr_program_free(p[0]);
  gr_program_free(p[1]);
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 3 && !strcmp(argv[1], "run")) return run_child(argv);
  own_folder();
  mkdir(at("scratch"), 0700);
  if (check(make_nothing(), "no kernel that does nothing")) {
    test_bounded();
    test_joint_object();
    test_threads();
  }
  test_settings();
  test_fails_once();
  test_refuses();
  test_interrupt();
  return report();
}
