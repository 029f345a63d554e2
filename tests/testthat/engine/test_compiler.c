/* test_compiler.c: the C compiler as run/cc.c finds it, identifies it and runs it.
 *
 * Compilers are shell scripts.  POSIX only.
 * GR_TEST_CFLAGS: more flags for the compiler (valgrind knows no AVX-512: -march=x86-64-v3). */
#include <signal.h>

#include "compilers.h"
#include "tiny_kernel.h"

/* ---- finding the compiler ---- */

static bool words_are(const char *command, const char *const *expected) {
  gr_error err = {0};
  gr_compiler c = {0};
  bool same = gr_compiler_find(command, &c, &err) == GR_OK;
  int k = 1;
  for (; same && expected[k - 1]; k++) same = k < c.n && !strcmp(c.argv[k], expected[k - 1]);
  same = same && k == c.n;
  gr_compiler_free(&c);
  return same;
}

static void identity(const char *command, char id[512]) {
  gr_error err = {0};
  gr_compiler c = {0};
  CHECK(gr_compiler_find(command, &c, &err) == GR_OK);
  strcpy(id, c.identity);
  gr_compiler_free(&c);
}

static void test_commands(void) {
  gr_error err = {0};
  gr_compiler c = {0};
  char command[4096];
  const char *cc = script("my cc", "exit 0");
  snprintf(command, sizeof command, " '%s' -a \"b c\"d'e\"f' \\ g \"h\\\"\\$\\i\" ''\t$X ", cc);
  CHECK(words_are(command, (const char *[]){"-a", "b cde\"f", " g", "h\"$\\i", "", "$X", NULL}));
  CHECK(gr_compiler_find("cc 'x", &c, &err) == GR_ARGUMENT);
  CHECK_SAYS(err.message, "a quote is not closed");
  CHECK(gr_compiler_find("nosuchcc -x", &c, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "`nosuchcc` was not found on the PATH");
  CHECK_SAYS(err.message, "options(genred.cc");
  put(at("plain"), "x", 1, 0600);
  CHECK(gr_compiler_find(at("plain"), &c, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "not a program");
  gr_error_clear(&err);
}

/* The identity covers the compiler, every program and file that the command names, and the
 * flags. */
static void test_identity(void) {
  char one[512], two[512], command[4096];
  const char *cc = script("my cc", "exit 0");
  script("wrapped", "exit 0");
  snprintf(command, sizeof command, "'%s' '%s'", cc, at("wrapped"));
  identity(command, one);
  identity(command, two);
  CHECK(!strcmp(one, two));
  age(at("wrapped"), 1000);
  identity(command, two);
  CHECK(strcmp(one, two));
  identity(at("wrapped"), one);
  snprintf(command, sizeof command, "%s -m32", at("wrapped"));
  identity(command, two);
  CHECK(strcmp(one, two));
}

static void test_path(void) {
  gr_error err = {0};
  gr_compiler c = {0};
  char *path = strdup(getenv("PATH"));
  setenv("PATH", at("empty"), 1);
  CHECK(gr_compiler_find(NULL, &c, &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "no cc, gcc or clang on the PATH");
  setenv("PATH", path, 1);
  free(path);
  CHECK(gr_compiler_find(" ", &c, &err) == GR_OK && c.n == 1 && c.argv[0][0] == '/');
  gr_compiler_free(&c);
  char text[512];
  CHECK(gr_compiler_info("gcc", text, sizeof text, &err) == GR_OK);
  CHECK_SAYS(text, "/gcc: ");
  CHECK_SAYS(text, "gcc ("); /* or a cross compiler of this name */
  CHECK(gr_compiler_info("nosuchcc", text, sizeof text, &err) == GR_COMPILER);
  gr_error_clear(&err);
}

/* ---- compilers that fail ---- */

static gr_class compile_with(const char *name, const char *body, gr_error *err) {
  gr_report report;
  char command[2048];
  snprintf(command, sizeof command, "'%s'", script(name, body));
  gr_options opt = with(at("bad"), at("tmp"), command);
  gr_error_clear(err);
  double v = value(9, &opt, &report, err);
  CHECK(count_files(at("tmp"), "") == 0 && (v == 9 || report.provenance == GR_NO_KERNEL));
  return v == 9 ? GR_OK : err->cls;
}

static void test_compilers(void) {
  gr_error err = {0};
  CHECK(compile_with("cc_false", "exit 1", &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "cc_false` failed with status 1 without any output");
  CHECK(compile_with("cc_loud",
                     "i=0; while [ $i -lt 3000 ]; do echo 'a line of the compiler that says much'; i=$((i+1)); "
                     "done; exit 4",
                     &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "failed with status 4; the compiler's output is attached");
  CHECK(err.log && strlen(err.log) == 65536);
  CHECK(compile_with("cc_idle", "exit 0", &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "wrote no shared object");
  CHECK(compile_with("cc_empty", "while [ \"$1\" != -o ]; do shift; done; : >\"$2\"", &err) == GR_COMPILER);
  CHECK(compile_with("cc_garbage", "while [ \"$1\" != -o ]; do shift; done; echo garbage >\"$2\"", &err) ==
        GR_COMPILER);
  CHECK_SAYS(err.message, "cannot load");
  CHECK(compile_with("cc_main",
                     "while [ \"$1\" != -o ]; do shift; done; echo 'int x;' | exec gcc -shared -xc - -o \"$2\"",
                     &err) == GR_COMPILER);
  CHECK_SAYS(err.message, "no function gr_kernel");
  CHECK(count_files(at("bad"), "") == 0);
  CHECK(compile_with("cc_old", "case \"$*\" in *native*) echo what is native; exit 1;; esac; exec gcc \"$@\"", &err) ==
        GR_OK);
  CHECK(err.cls == GR_OK && !err.log);

  gr_kernel kernel;
  gr_report report = {0};
  gr_options opt = with(at("bad"), at("tmp"), NULL);
  CHECK(gr_kernel_get("void gr_kernel(void) { nonsense; }\n", &opt, &kernel, &report, &err) == GR_COMPILER);
  CHECK(err.log && strstr(err.log, "nonsense"));
  signal(SIGCHLD, SIG_IGN); /* the exit status is unknown, what was written is not */
  CHECK(value(31, &opt, &report, &err) == 31);
  CHECK(gr_kernel_get("void gr_kernel(void) { nonsense; }\n", &opt, &kernel, &report, &err) == GR_COMPILER);
  signal(SIGCHLD, SIG_DFL);
  gr_error_clear(&err);
}

/* ---- all tests ---- */

int main(void) {
  own_folder();
  mkdir(at("tmp"), 0700);
  test_commands();
  test_identity();
  test_path();
  test_compilers();
  CHECK(count_files(at("tmp"), "") == 0);
  return report();
}
