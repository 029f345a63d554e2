/* test_windows.c: what os.c, cc.c and cache.c do on Windows.  (test_system.c is for systems that have a shell.)
 *
 * A new process is this program again, with arguments:
 *   args ...              prints the arguments that follow, one a line, and exits with status 7
 *   sleep                 sleeps for 100 seconds
 *   get CACHE TMP N CC    gets kernel N and prints "origin value note|message" */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include <windows.h>

#include "check.h"

static char base[512], self[MAX_PATH];

/* A path below base, good for the next calls. */
static const char *at(const char *name) {
  static char ring[64][1024];
  static int turn;
  char *s = ring[turn++ % 64];
  snprintf(s, sizeof *ring, "%s/%s", base, name);
  return s;
}

static const char *backslashes(const char *path) {
  static char s[1024];
  snprintf(s, sizeof s, "%s", path);
  for (char *p = s; *p; p++)
    if (*p == '/') *p = '\\';
  return s;
}

static const char *log_of(const char *path) {
  static char text[1 << 16];
  gr_error err = {0};
  char *data = NULL;
  size_t n;
  text[0] = 0;
  if (gr_read_file(path, &data, &n, &err) == GR_OK) snprintf(text, sizeof text, "%s", data);
  free(data);
  gr_error_clear(&err);
  char *to = text;
  for (const char *s = text; *s; s++)
    if (*s != '\r') *to++ = *s;
  *to = 0;
  return text;
}

static int count_files(const char *dir) {
  int n = 0;
  DIR *d = opendir(dir);
  while (d && readdir(d)) n++;
  if (d) closedir(d);
  return d ? n - 2 : -1;
}

/* ---- children ---- */

static void children(void) {
  static const char *const odd[] = {"plain", "", "two words", "a\"b", "C:\\x\\", "C:\\x y\\", "\\\"", "\\\\\"q\\\\", "-DX='a b'", "%PATH%", "^&|<>", NULL};
  const char *argv[16] = {self, "args"}, *missing[] = {at("nowhere.exe"), NULL}, *sleeper[] = {self, "sleep", NULL};
  char want[512] = "";
  gr_error err = {0};
  int status = 0;
  for (int k = 0; odd[k]; k++) {
    argv[k + 2] = odd[k];
    snprintf(want + strlen(want), sizeof want - strlen(want), "%s\n", odd[k]);
  }
  check(gr_spawn(argv, at("log"), NULL, &status, &err) == GR_OK && status == 7, "the exit status of a child: %d %s", status, err.message);
  check(strcmp(log_of(at("log")), want) == 0, "arguments arrive as\n%s", log_of(at("log")));
  check(gr_spawn(missing, at("log"), NULL, &status, &err) == GR_COMPILER && strstr(err.message, "nowhere.exe"), "a program that is not there: %s", err.message);
  gr_error_clear(&err);
  double start = gr_now();
  check(gr_spawn_for(sleeper, at("log"), 0.5, NULL, &status, &err) == GR_COMPILER && strstr(err.message, "did not finish within 0.5 seconds"), "a time limit: %s", err.message);
  check(gr_now() - start < 20, "it is kept");
  gr_error_clear(&err);
}

/* ---- files and folders ---- */

static void folders(void) {
  gr_error err = {0};
  char path[1024], fresh[1024];
  struct stat st;
  check(gr_make_private_dir(at("a/b//c/"), &err) == GR_OK && stat(at("a/b/c"), &st) == 0, "nested folders: %s", err.message);
  snprintf(path, sizeof path, "%s", backslashes(at("d\\e\\f\\")));
  check(gr_make_private_dir(path, &err) == GR_OK && stat(at("d/e/f"), &st) == 0, "nested folders, '%s': %s", path, err.message);
  check(gr_write_file(at("plain"), "x", 1, &err) == GR_OK, "%s", err.message);
  check(gr_make_private_dir(at("plain"), &err) != GR_OK, "a file is no folder");
  gr_error_clear(&err);
  check(gr_make_private_dir(at("plain/x"), &err) != GR_OK, "a folder in a file");
  gr_error_clear(&err);
  check(gr_temp_dir(base, path, sizeof path, &err) == GR_OK && gr_temp_dir(base, fresh, sizeof fresh, &err) == GR_OK && strcmp(path, fresh) != 0, "%s", err.message);
  snprintf(fresh, sizeof fresh, "%s/file", path);
  check(gr_write_file(fresh, "\r\n\0x", 4, &err) == GR_OK, "%s", err.message);
  char *data = NULL;
  size_t n = 0;
  check(gr_read_file(fresh, &data, &n, &err) == GR_OK && n == 4 && memcmp(data, "\r\n\0x", 4) == 0, "bytes are kept");
  free(data);
  check(gr_rename(fresh, at("plain"), &err) == GR_OK && stat(at("plain"), &st) == 0 && st.st_size == 4, "a rename replaces: %s", err.message);
  gr_remove_dir(path);
  check(stat(path, &st) != 0, "a folder is removed");
  check(gr_temp_dir(NULL, path, sizeof path, &err) == GR_OK, "the system's folder for temporary files: %s", err.message);
  gr_remove_dir(path);
  check(gr_temp_dir(at("nowhere"), path, sizeof path, &err) != GR_OK, "a parent that is not there");
  gr_error_clear(&err);
}

/* ---- kernels ---- */

static const char *kernel_text(int n) {
  static char text[512];
  snprintf(text, sizeof text,
           "double sin(double);\n__attribute__((dllexport)) void gr_kernel(const double *const *arg, const long long *ld, double *state, long long m, "
           "long long r0, long long r1, long long c0, long long c1, void *s) {\n  state[0] += %d + sin(arg[0][0]);\n}\n",
           n);
  return text;
}

/* The value of kernel n, or -1; the error is in err. */
static double value(int n, const gr_options *opt, gr_report *report, gr_error *err) {
  gr_kernel kernel;
  double state = 0, zero = 0;
  const double *arg[] = {&zero};
  *report = (gr_report){.provenance = GR_NO_KERNEL};
  if (gr_kernel_get(kernel_text(n), opt, &kernel, report, err)) return -1;
  kernel.fn(arg, NULL, &state, 0, 0, 1, 0, 1, NULL);
  gr_kernel_drop(&kernel);
  return state;
}

static gr_options with(const char *cache, const char *cc) { return (gr_options){.cc = cc, .cache_dir = cache, .tmp_dir = at("tmp")}; }

static int child_get(char **argv) {
  gr_options opt = {.cc = argv[5], .cache_dir = argv[2], .tmp_dir = argv[3]};
  gr_report report;
  gr_error err = {0};
  double v = value(atoi(argv[4]), &opt, &report, &err);
  printf("%d %g %s|%s\n", report.provenance, v, report.note, err.message);
  return 0;
}

/* What a new process gets. */
static const char *in_child(const char *cache, int n, const char *cc) {
  char number[16];
  const char *argv[] = {self, "get", cache, at("tmp"), number, cc, NULL};
  gr_error err = {0};
  int status = -1;
  snprintf(number, sizeof number, "%d", n);
  gr_spawn(argv, at("log"), NULL, &status, &err);
  gr_error_clear(&err);
  return log_of(at("log"));
}

static void kernels(void) {
  gr_error err = {0};
  gr_report report;
  gr_options opt = with(at("k/cache"), "");
  const char *cache = at("k/cache");
  char cc[MAX_PATH + 16], quoted[MAX_PATH + 32], version[512], path[MAX_PATH];
  int64_t files = 0, bytes = 0;
  check(value(1, &opt, &report, &err) == 1 && report.provenance == GR_COMPILED && !report.note[0], "compiled: %s %s", err.message, report.note);
  check(value(1, &opt, &report, &err) == 1 && report.provenance == GR_FROM_MEMORY, "from memory: %s", err.message);
  check(strcmp(in_child(cache, 1, ""), "2 1 |\n") == 0, "from disk: %s", log_of(at("log")));
  check(strcmp(in_child("", 1, ""), "3 1 |\n") == 0, "without a cache: %s", log_of(at("log")));
  check(gr_find_program("gcc", path, sizeof path) && strstr(path, "gcc.exe"), "gcc is found as '%s'", path);
  snprintf(cc, sizeof cc, "%s", backslashes(path));
  check(strcmp(in_child(at("k2"), 2, cc), "3 2 |\n") == 0, "a path with backslashes, %s: %s", cc, log_of(at("log")));
  snprintf(quoted, sizeof quoted, "\"%s\" -O1 -DX='a b'", cc);
  check(strcmp(in_child(at("k2"), 2, quoted), "3 2 |\n") == 0, "in quotes, and with flags, %s: %s", quoted, log_of(at("log")));
  check(gr_compiler_info("gcc", version, sizeof version, &err) == GR_OK && strstr(version, "GCC"), "version: %s %s", version, err.message);
  check(gr_cache_info(cache, &files, &bytes, &err) == GR_OK && files == 1 && bytes > 1000, "%d files", (int)files);
  check(gr_cache_clear(cache, &files, &err) == GR_OK && files == 1, "the kernel in use is a copy, the cache can be cleared: %s", err.message);
  check(strstr(in_child(at("k2"), 3, "nowhere"), "was not found on the PATH") != NULL, "no such compiler: %s", log_of(at("log")));
  gr_kernel kernel;
  check(gr_kernel_get("void gr_kernel(void) { nonsense; }\n", &opt, &kernel, &report, &err) == GR_COMPILER && err.log && strstr(err.log, "nonsense"), "what the compiler says: %s",
        err.log ? err.log : err.message);
  gr_error_clear(&err);
}

static const char *only_file(const char *dir) {
  static char path[2048];
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.') snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
  if (d) closedir(d);
  return path;
}

static void damage(void) {
  gr_error err = {0};
  char *data = NULL;
  size_t n = 0;
  const char *cache = at("damaged");
  in_child(cache, 5, "");
  check(gr_read_file(only_file(cache), &data, &n, &err) == GR_OK && n > 1000, "%s", err.message);
  for (int k = 0; k < 2 && n; k++) {
    data[n / 2] ^= 1;
    const char *file = only_file(cache);
    remove(file); /* what is there is not written to */
    check(gr_write_file(file, data, k ? n / 2 : n, &err) == GR_OK, "%s", err.message);
    check(strcmp(in_child(cache, 5, ""), "3 5 |\n") == 0, "a damaged file: %s", log_of(at("log")));
    check(strcmp(in_child(cache, 5, ""), "2 5 |\n") == 0, "it is mended: %s", log_of(at("log")));
    check(count_files(cache) == 1, "nothing else stays");
  }
  free(data);
  check(strstr(in_child(at("plain/x"), 5, ""), "3 5 the kernel was not kept in the cache: cannot ") != NULL, "a cache that cannot be: %s", log_of(at("log")));
}

int main(int argc, char **argv) {
  gr_error err = {0};
  if (argc > 1 && !strcmp(argv[1], "args")) {
    for (int k = 2; k < argc; k++) printf("%s\n", argv[k]);
    return 7;
  }
  if (argc > 1 && !strcmp(argv[1], "sleep")) return Sleep(100000), 0;
  if (argc > 5 && !strcmp(argv[1], "get")) return child_get(argv);
  GetModuleFileNameA(NULL, self, sizeof self);
  if (!check(gr_temp_dir(temporary_folder(), base, sizeof base, &err) == GR_OK && mkdir(at("tmp")) == 0, "%s", err.message)) return report();
  check(strcmp(gr_os_name(), "windows") == 0, "this is Windows");
  children();
  folders();
  kernels();
  damage();
  return report();
}
