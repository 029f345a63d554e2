/* test_joint.c: several kernels in one run of the compiler (emit/emit_joint.c, run/prepare.c, and
 * their part of run/cache.c).
 *
 * Compilers are scripts that log each run and call gcc or clang; each has its own name, and so its
 * own cache keys.  GR_QUICK: kernels are not optimized.  A new process is this program again:
 *   alone CACHE CC K F   runs program K in precision F (f32, f64); prints the origin of the kernel
 *                        and "right" if its values are the interpreter's */
#include "compilers.h"

enum { MOST = 32 };

/* One kernel of each kind: every family of reductions, register tiles, wide sums, blocks of
 * components, workspaces, long lists (a bitonic sorting network), columns as vector lanes (few
 * rows), parts of the prelude that others lack, and equal names in several. */
static const test tests[] = {
    {"Exp(-SqDist(x,y))*b", NULL, {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, "Sum", 1, .m = 20, .n = 30},
    {"Exp(-SqDist(x,y))*b", NULL, {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, "Sum", 0, .m = 20, .n = 30},
    {"-SqDist(x,y)", NULL, {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, "LogSumExp", 1, .m = 20, .n = 30},
    {"-SqDist(x,y)", "b", {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, "SumSoftMaxWeight", 1, .m = 20, .n = 30},
    {"-SqDist(x,y)", "b", {"x = Vi(40)", "y = Vj(40)", "b = Vj(20)"}, "SumSoftMaxWeight", 1, .m = 37, .n = 50},
    {"SqDist(x,y)", NULL, {"x = Vi(300)", "y = Vj(300)"}, "ArgKMin", 1, 3, .m = 20, .n = 70},
    {"SqDist(x,y)", NULL, {"x = Vi(2)", "y = Vj(2)"}, "KMin_ArgKMin", 1, 40, .m = 20, .n = 200},
    {"x-y", NULL, {"x = Vi(2)", "y = Vj(2)"}, "KMax", 1, 5, .m = 20, .n = 200},
    {"SqDist(x,y)", NULL, {"x = Vi(2)", "y = Vj(2)"}, "Min_ArgMin", 1, .m = 20, .n = 30},
    {"(x|y)*b", NULL, {"x = Vi(12)", "y = Vj(12)", "b = Vj(12)"}, "Sum", 1, .m = 20, .n = 30},
    {"Sin(x*y)+Log(Square(x)+1)", NULL, {"x = Vi(1)", "y = Vj(1)"}, "Var", 1, .m = 20, .n = 30},
    {"1+0.1*Tanh(x*y)", NULL, {"x = Vi(1)", "y = Vj(1)"}, "Prod", 1, .m = 20, .n = 30},
    {"Exp(-SqDist(x,y))*b", NULL, {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, "Sum", 1, .m = 2, .n = 5000},
    {"SqDist(x,y)", NULL, {"x = Vi(20)", "y = Vj(20)"}, "ArgMin", 1, .m = 2, .n = 5000},
    {"Exp(-SqDist(x,y))*b", NULL, {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"}, "Sum", 1, .scheme = "kahan_scheme", .acc = "float64",
     .m = 20, .n = 30},
    {"Grad(Exp(-g*SqDist(x,y)),x,e)*b", NULL, {"x = Vi(70)", "y = Vj(70)", "b = Vj(1)", "e = Vi(1)", "g = Pm(1)"}, "Sum", 1,
     .m = 20, .n = 30},
    {"MatVecMult(a,y)", NULL, {"a = Pm(100)", "y = Vj(10)", "x = Vi(1)"}, "Sum", 1, .m = 20, .n = 30}};
enum { TESTS = sizeof tests / sizeof *tests };

static gr_options with(const char *cc, const char *cache) {
  gr_options opt = options(GR_CPU, 1);
  opt.cc = cc;
  opt.cache_dir = at("%s", cache);
  opt.cflags = getenv("GR_QUICK") ? "-O0" : NULL;
  return opt;
}

/* ---- programs ---- */

static int make_all(gr_program **p, const test *t, int n, bool f64) {
  gr_error err = {0};
  for (int k = 0; k < n; k++) {
    test one = t[k];
    one.f64 = f64;
    if (one.f64) one.acc = NULL;
    if (!check(make(&one, &p[k], &err) == GR_OK, "%s: %s", describe(&one), err.message)) exit(1);
  }
  return n;
}

static void free_all(gr_program **p, int n) {
  for (int k = 0; k < n; k++) gr_program_free(p[k]);
}

static gr_report prepare(gr_program **p, const test *t, int n, const gr_options *opt) {
  gr_call call[MOST];
  gr_report rep;
  for (int k = 0; k < n; k++) call[k] = (gr_call){p[k], t[k].m, t[k].n, 0};
  gr_programs_prepare(call, n, opt, &rep);
  return rep;
}

/* Whether the kernel's values are the interpreter's. */
static bool agrees(gr_program *p, const test *t, const gr_options *opt, gr_report *rep, gr_error *err) {
  gr_array args[ARGS_MAX + 4];
  gr_options slow = options(GR_INTERPRETER, 1);
  result a, b;
  make_args(p, t, args);
  bool ok = run(p, args, &slow, &a, err) == GR_OK && run(p, args, &slow, &b, err) == GR_OK;
  gr_output out[2] = {{b.v[0], GR_F64, NULL}, {b.v[1], GR_F64, NULL}};
  for (int64_t k = 0; k < b.size; k++) b.v[0][k] = -1e30;
  ok = ok && gr_program_run(p, args, gr_program_nargs(p), out, opt, rep, err) == GR_OK;
  double worst = 0;
  for (int i = 0; ok && i < gr_program_result(p).n; i++) worst = fmax(worst, difference(b.v[i], a.v[i], a.size));
  free_result(&a);
  free_result(&b);
  free_args(p, args);
  return ok && worst < 1e-4;
}

/* All calls find their kernels in memory and compute what the interpreter computes. */
static void all_agree(gr_program **p, const test *t, int n, const gr_options *opt, gr_provenance origin) {
  for (int k = 0; k < n; k++) {
    gr_report rep = {0};
    gr_error err = {0};
    check(agrees(p[k], &t[k], opt, &rep, &err), "%s: %s\n%s", describe(&t[k]), err.message, err.log ? err.log : "");
    check(rep.provenance == origin, "%s: kernel from %d instead of %d", describe(&t[k]), rep.provenance, origin);
    gr_error_clear(&err);
  }
}

static bool has(const char *name) {
  char path[4096];
  return gr_find_program(name, path, sizeof path);
}

/* ---- one run for all ---- */

static void test_one_run(const char *cc, const char *cache, bool f64) {
  gr_program *p[TESTS];
  gr_options opt = with(cc, cache);
  gr_error err = {0};
  int64_t files, bytes;
  int n = make_all(p, tests, TESTS, f64), loaded = gr_kernels_loaded();
  if (f64 && !opt.cflags) opt.cflags = "-O1";
  gr_report rep = prepare(p, tests, n, &opt);
  check(runs(cc) == 1 && rep.provenance == GR_COMPILED && rep.seconds_compile > 0 && !*rep.note, "%s: %d runs, %s", cc, runs(cc), rep.note);
  all_agree(p, tests, n, &opt, GR_FROM_MEMORY);
  prepare(p, tests, n, &opt);
  check(runs(cc) == 1 && gr_kernels_loaded() == loaded + n, "%s: %d runs, %d kernels in the end", cc, runs(cc),
        gr_kernels_loaded() - loaded);
  check(gr_cache_info(opt.cache_dir, &files, &bytes, &err) == GR_OK && files == n && bytes > 1000 * n, "%d files in the cache", (int)files);
  free_all(p, n);
}

static const char *self;

static const char *alone(const char *cc, const char *cache, int k, bool f64) {
  static char out[200];
  char number[16];
  gr_error err = {0};
  int status = -1;
  snprintf(number, sizeof number, "%d", k);
  const char *const argv[] = {self, "alone", at("%s", cache), cc, number, f64 ? "f64" : "f32", NULL};
  gr_spawn(argv, at("alone.log"), NULL, &status, &err);
  snprintf(out, sizeof out, "%d: %.100s", status, text_of(at("alone.log")));
  gr_error_clear(&err);
  return out;
}

/* Another process that needs one of the kernels finds it by its own key; a damaged file is noticed,
 * and its kernel compiled again, alone. */
static void test_found_alone(const char *cc, const char *cache) {
  for (int k = 0; k < TESTS; k++) {
    const char *out = alone(cc, cache, k, false);
    check(!strcmp(out, "0: 2 right\n"), "%s: %s", describe(&tests[k]), out);
  }
  check(runs(cc) == 1, "%d runs", runs(cc));
  char command[2048];
  gr_error err = {0};
  int status;
  snprintf(command, sizeof command, "for f in '%s'/*.so; do printf x | dd of=\"$f\" bs=1 seek=2000 conv=notrunc; done", at("%s", cache));
  const char *const argv[] = {"/bin/sh", "-c", command, NULL};
  gr_spawn(argv, at("log"), NULL, &status, &err);
  check(status == 0 && !strcmp(alone(cc, cache, 3, false), "0: 3 right\n"), "a damaged joint object is not noticed");
  check(!strcmp(alone(cc, cache, 3, false), "0: 2 right\n") && runs(cc) == 2, "a damaged joint object: %d runs", runs(cc));
}

static void test_clear(const char *cc, const char *cache) {
  gr_program *p[2];
  gr_options opt = with(cc, cache);
  gr_error err = {0};
  int64_t files;
  int before = runs(cc);
  make_all(p, tests, 2, false);
  check(gr_cache_clear(opt.cache_dir, &files, &err) == GR_OK && files == TESTS, "%d files cleared", (int)files);
  all_agree(p, tests, 2, &opt, GR_FROM_MEMORY); /* loaded kernels stay */
  check(runs(cc) == before, "%d runs", runs(cc));
  free_all(p, 2);
}

/* ---- what is compiled, and what is not ---- */

static void test_choice(void) {
  const char *cc = compiler("choice", "exec gcc -O1 \"$@\"");
  gr_options opt = with(cc, "choice cache"), tiny = opt;
  gr_program *p[6], *q[6];
  gr_report rep;
  gr_error err = {0};
  test few = tests[0];
  few.m = 2, few.n = 5000;
  make_all(p, tests, 6, false);
  make_all(q, tests, 6, false);

  tiny.backend = GR_AUTO;
  rep = prepare(p, tests, 6, &tiny);
  check(runs(cc) == 0 && rep.provenance == GR_NO_KERNEL, "\"auto\" compiles for tiny work");
  tiny.backend = GR_INTERPRETER;
  prepare(p, tests, 6, &tiny);
  prepare(p, tests, 0, &opt);
  prepare(p, tests, 1, &opt);
  check(runs(cc) == 0, "%d runs for nothing, or for one alone", runs(cc));

  /* alone; then two others, of which one is there twice, and few rows of the first */
  all_agree(p, tests, 1, &opt, GR_COMPILED);
  gr_call one[] = {{q[0], 20, 30, 0}, {p[4], 37, 50, 0}};
  gr_programs_prepare(one, 2, &opt, &rep);
  check(runs(cc) == 1 && q[0]->kernel[0] == p[0]->kernel[0] && !p[4]->kernel[0],
        "one that is there and one that is not: %d runs", runs(cc));
  gr_call call[] = {{p[0], 20, 30, 0}, {p[2], 20, 30, 0}, {q[2], 20, 30, 0}, {p[0], 2, 5000, 0}, {p[3], 20, 0, 0}};
  gr_programs_prepare(call, 5, &opt, &rep);
  check(runs(cc) == 2, "%d runs", runs(cc));
  check(p[0]->kernel[1] && p[0]->kernel[1] != p[0]->kernel[0] && !p[3]->kernel[0], "few rows, no columns");
  check(agrees(p[0], &few, &opt, &rep, &err) && rep.provenance == GR_FROM_MEMORY, "few rows");
  all_agree(q + 2, tests + 2, 1, &opt, GR_FROM_MEMORY);
  free_all(p, 6);
  free_all(q, 6);
  gr_error_clear(&err);
}

/* Kernels compiled together have the same precision. */
static void test_precisions(void) {
  const char *cc = compiler("precisions", "exec gcc -O1 \"$@\"");
  gr_options opt = with(cc, "precisions cache");
  gr_program *p[6];
  test t[6];
  for (int k = 0; k < 6; k++) t[k] = tests[k % 3];
  make_all(p, t, 3, false);
  make_all(p + 3, t, 3, true);
  prepare(p, t, 6, &opt);
  check(runs(cc) == 2, "%d runs for two precisions", runs(cc));
  all_agree(p, t, 6, &opt, GR_FROM_MEMORY);
  free_all(p, 6);
}

/* ---- GPUs: counted, but never called here ---- */

static gr_class one_device(int *n, gr_error *err) {
  (void)err;
  *n = 1;
  return GR_OK;
}

static gr_class broken_device(int *n, gr_error *err) {
  *n = -1;
  return gr_fail(err, ERR_NoGPU);
}

static const gr_device one = {.count = one_device}, broken = {.count = broken_device};

/* The device that is expected before a call is the one that the call chooses. */
static void test_expected(gr_program *p, const test *t, const gr_device *device) {
  static const gr_backend backends[] = {GR_AUTO, GR_CPU, GR_INTERPRETER};
  gr_output out[2] = {{NULL, GR_F64, NULL}, {NULL, GR_F64, NULL}};
  gr_array args[ARGS_MAX + 4] = {{0}};
  gr_error err = {0};
  int gpu = 0;
  for (int64_t m = 10; m <= 10000000; m *= 10)
    for (int64_t n = 10; n <= 10000000; n *= 10)
      for (int b = 0; b < 3; b++) {
        gr_report rep = {0};
        gr_options opt = options(backends[b], 1);
        opt.device = device;
        for (int k = 0; k < gr_program_nargs(p); k++) {
          gr_arg_info a = gr_program_arg(p, k);
          args[k].rows = a.category == GR_VI ? m : a.category == GR_VJ ? n : 1;
          args[k].cols = a.dim;
        }
        gr_call call = {p, m, n, 0};
        bool by_i = p->plan->ask.axis == 1, chosen;
        gr_interval columns = {0, by_i ? n : m};
        gr_region whole = {.r1 = by_i ? m : n, .interval = &columns, .n = 1};
        gr_run r = {.p = p, .args = args, .n_args = gr_program_nargs(p), .rows = whole.r1, .cols = columns.end, .region = &whole, .n_regions = 1,
                    .out = out, .opt = &opt, .report = &rep};
        check(gr_device_choose(&r, &chosen, &err) == GR_OK && gr_device_expected(&call, &opt) == chosen, "%s: %lld x %lld, backend %d", describe(t),
              (long long)m, (long long)n, (int)backends[b]);
        gpu += chosen;
      }
  check(device == &one ? gpu > 5 && gpu < 44 : gpu == 0, "%s: %d of 49 sizes go to the GPU", describe(t), gpu);
  gr_error_clear(&err);
}

static void test_device(void) {
  const char *cc = compiler("device", "exec gcc -O1 \"$@\"");
  gr_options opt = with(cc, "device cache");
  gr_program *p[4];
  test large[4];
  make_all(p, tests, 4, false);
  for (int k = 0; k < 4; k++) {
    test_expected(p[k], &tests[k], &one);
    test_expected(p[k], &tests[k], &broken);
    large[k] = tests[k], large[k].m = large[k].n = 100000;
  }
  for (opt.backend = GR_GPU; opt.backend <= GR_GPU_2D; opt.backend++) {
    gr_report none = prepare(p, tests, 4, &opt);
    opt.device = &one;
    gr_report there = prepare(p, large, 4, &opt);
    opt.device = NULL;
    check(runs(cc) == 0 && none.provenance == GR_NO_KERNEL && there.provenance == GR_NO_KERNEL, "backend %d: %d runs", (int)opt.backend, runs(cc));
  }
  opt.backend = GR_AUTO;
  opt.device = &one;
  prepare(p, large, 4, &opt);
  check(runs(cc) == 0, "\"auto\" compiles what goes to the GPU: %d runs", runs(cc));
  large[0].m = large[0].n = large[2].m = large[2].n = 1000;
  prepare(p, large, 4, &opt);
  check(runs(cc) == 1 && p[0]->kernel[0] && p[2]->kernel[0] && !p[1]->kernel[0] && !p[3]->kernel[0], "two of four stay here: %d runs", runs(cc));
  opt.device = &broken;
  gr_report rep = prepare(p, large, 4, &opt);
  check(runs(cc) == 2 && p[1]->kernel[0] && p[3]->kernel[0] && !*rep.note, "with a broken GPU all are compiled: %d runs, %s", runs(cc), rep.note);
  free_all(p, 4);
}

/* ---- what fails ---- */

static void test_fallback(void) {
  const char *cc = compiler("fallback", "for last; do :; done; grep -q push_options \"$last\" && exit 1; exec gcc -O1 \"$@\"");
  gr_options opt = with(cc, "fallback cache");
  gr_program *p[3];
  make_all(p, tests, 3, false);
  gr_report rep = prepare(p, tests, 3, &opt);
  check(runs(cc) == 2 && rep.provenance == GR_NO_KERNEL && !p[0]->kernel[0], "%d runs: together, and a question about the flag", runs(cc));
  all_agree(p, tests, 3, &opt, GR_COMPILED);
  check(runs(cc) == 5, "%d runs: then one by one", runs(cc));
  free_all(p, 3);
}

/* An object that lacks half of its functions is not used at all. */
static void test_half(void) {
  const char *cc = compiler("half", "for last; do :; done; grep -q push_options \"$last\" || exec gcc -O1 \"$@\"\n"
                                    "awk '/push_options/ {n++} n < 2 || /pop_options/' \"$last\" >\"$last.half.c\"\n"
                                    "while [ $# -gt 1 ]; do case $1 in -o) out=$2;; esac; shift; done\n"
                                    "exec gcc -w -O1 -shared -fPIC -o \"$out\" \"$last.half.c\"");
  gr_options opt = with(cc, "half cache");
  gr_program *p[3];
  gr_error err = {0};
  int64_t files = 0, bytes;
  make_all(p, tests, 3, false);
  gr_report rep = prepare(p, tests, 3, &opt);
  gr_cache_info(opt.cache_dir, &files, &bytes, &err);
  check(runs(cc) == 1 && rep.provenance == GR_NO_KERNEL && !p[0]->kernel[0] && files == 0, "half an object: %d runs", runs(cc));
  all_agree(p, tests, 3, &opt, GR_COMPILED);
  free_all(p, 3);
}

static void test_errors(void) {
  gr_program *p[2];
  gr_report rep;
  gr_error err = {0};
  make_all(p, tests, 2, false);
  gr_options opt = with(compiler("broken", "echo it is broken; exit 3"), "broken cache");
  rep = prepare(p, tests, 2, &opt);
  check(rep.provenance == GR_NO_KERNEL && !agrees(p[0], &tests[0], &opt, &rep, &err) && err.cls == GR_COMPILER && err.log &&
            strstr(err.log, "it is broken"),
        "a broken compiler: %s", err.message);
  gr_error_clear(&err);
  opt.cc = at("no such compiler");
  rep = prepare(p, tests, 2, &opt);
  check(rep.provenance == GR_NO_KERNEL && !agrees(p[0], &tests[0], &opt, &rep, &err) && strstr(err.message, "was not found"),
        "no compiler: %s", err.message);
  gr_error_clear(&err);
  opt = with(compiler("unkept", "exec gcc -O1 \"$@\""), "");
  opt.cache_dir = "/dev/null/x";
  rep = prepare(p, tests, 2, &opt);
  check(rep.provenance == GR_COMPILED && strstr(rep.note, "not kept in the cache"), "no cache: %s", rep.note);
  all_agree(p, tests, 2, &opt, GR_FROM_MEMORY);
  check(runs(opt.cc) == 1, "%d runs without a cache", runs(opt.cc));
  free_all(p, 2);
}

/* ---- the text ---- */

static int count(const char *text, const char *part) {
  int n = 0;
  for (; (text = strstr(text, part)) != NULL; text++) n++;
  return n;
}

static const char *own(const char *text) { return strstr(text, "typedef long long int64;"); }

/* The joint source contains each kernel's own source unchanged, and the prelude once. */
static void test_text(void) {
  gr_program *p[TESTS];
  gr_wanted w[TESTS], *each[TESTS];
  gr_error err = {0};
  char *joint;
  int n = make_all(p, tests, TESTS, false);
  for (int k = 0; k < n; k++) {
    w[k] = (gr_wanted){.program = p[k], .few = k % 2};
    each[k] = &w[k];
    snprintf(w[k].key, sizeof w[k].key, "%064d", k);
    gr_program_text(p[k], w[k].few, &w[k].text, &err);
  }
  if (!check(gr_programs_text(each, n, &joint, &err) == GR_OK, "%s", err.message)) return;
  for (int k = 0; k < n; k++) check(own(w[k].text) && strstr(joint, own(w[k].text)), "%s: another text", describe(&tests[k]));
  check(count(joint, "typedef float T;") == 1, "%d preludes", count(joint, "typedef float T;"));
  check(count(joint, "\n#pragma GCC push_options\n") == n && count(joint, "\n#pragma GCC pop_options\n") == n,
        "options of one hold for others");
  check(strstr(joint, "#define pairs pairs_0000000000000000\n") && strstr(joint, "#define TILE TILE_") && strstr(joint, "#undef AT\n"),
        "names");
  free(joint);
  free_all(p, n);
}

static int child(char **argv) {
  int k = atoi(argv[4]);
  gr_program *p;
  gr_report rep = {0};
  gr_error err = {0};
  test t = tests[k];
  t.f64 = !strcmp(argv[5], "f64");
  gr_options opt = options(GR_CPU, 1);
  opt.cache_dir = argv[2];
  opt.cc = argv[3];
  opt.cflags = getenv("GR_QUICK") ? "-O0" : NULL;
  if (make(&t, &p, &err) != GR_OK) return 1;
  bool right = agrees(p, &t, &opt, &rep, &err);
  printf("%d %s\n", rep.provenance, right ? "right" : err.message);
  gr_program_free(p);
  gr_error_clear(&err);
  return 0;
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 5 && !strcmp(argv[1], "alone")) return child(argv);
  own_folder();
  const char *gcc = compiler("gcc_f32", "exec gcc \"$@\"");
  test_text();
  test_one_run(gcc, "gcc cache", false);
  test_found_alone(gcc, "gcc cache");
  test_clear(gcc, "gcc cache");
  test_one_run(compiler("gcc_f64", "exec gcc \"$@\""), "f64 cache", true);
  if (has("clang"))
    test_one_run(compiler("clang_f32", "exec clang \"$@\""), "clang cache", false);
  else
    printf("skipped: clang (it is not there)\n");
  test_choice();
  test_precisions();
  test_device();
  test_fallback();
  test_half();
  test_errors();
  return report();
}
