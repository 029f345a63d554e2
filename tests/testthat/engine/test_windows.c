/* test_windows.c: child processes, files, the compiler and the cache on Windows, where there is no
 * shell (test_system.c, test_compiler.c and test_cache.c are for POSIX systems).
 *
 * A new process is this program again: "get" (tiny_kernel.h), or
 *   args ...   prints the arguments that follow, one per line, and exits with status 7
 *   sleep      sleeps for 100 seconds */
#include "tiny_kernel.h"

static const char *backslashes(const char *path) {
  static char s[1024];
  snprintf(s, sizeof s, "%s", path);
  for (char *p = s; *p; p++)
    if (*p == '/') *p = '\\';
  return s;
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
  check(strcmp(text_of(at("log")), want) == 0, "arguments arrive as\n%s", text_of(at("log")));
  check(gr_spawn(missing, at("log"), NULL, &status, &err) == GR_COMPILER && strstr(err.message, "nowhere.exe"), "a program that is not there: %s", err.message);
  gr_error_clear(&err);
  double start = gr_now();
  check(gr_spawn_for(sleeper, at("log"), 0.5, NULL, &status, &err) == GR_COMPILER && strstr(err.message, "did not finish within 0.5 seconds"), "a time limit: %s", err.message);
  check(gr_now() - start < 60, "the limit is not kept");
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
  check(gr_temp_dir(temporary_folder(), path, sizeof path, &err) == GR_OK && gr_temp_dir(temporary_folder(), fresh, sizeof fresh, &err) == GR_OK && strcmp(path, fresh) != 0, "%s", err.message);
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

static void kernels(void) {
  gr_error err = {0};
  gr_report report;
  gr_options opt = with(at("k/cache"), at("tmp"), "");
  const char *cache = at("k/cache");
  char cc[MAX_PATH + 16], quoted[MAX_PATH + 32], version[512], path[MAX_PATH];
  int64_t files = 0, bytes = 0;
  check(value(1, &opt, &report, &err) == 1 && report.provenance == GR_COMPILED && !report.note[0], "compiled: %s %s", err.message, report.note);
  check(value(1, &opt, &report, &err) == 1 && report.provenance == GR_FROM_MEMORY, "from memory: %s", err.message);
  check(strcmp(in_new_process(cache, at("tmp"), 1, "", NULL), "2 1 |\n") == 0, "from disk: %s", text_of(at("child.log")));
  check(strcmp(in_new_process("", at("tmp"), 1, "", NULL), "3 1 |\n") == 0, "without a cache: %s", text_of(at("child.log")));
  check(gr_find_program("gcc", path, sizeof path) && strstr(path, "gcc.exe"), "gcc is found as '%s'", path);
  snprintf(cc, sizeof cc, "%s", backslashes(path));
  check(strcmp(in_new_process(at("k2"), at("tmp"), 2, cc, NULL), "3 2 |\n") == 0, "a path with backslashes, %s: %s", cc, text_of(at("child.log")));
  snprintf(quoted, sizeof quoted, "\"%s\" -O1 -DX='a b'", cc);
  check(strcmp(in_new_process(at("k2"), at("tmp"), 2, quoted, NULL), "3 2 |\n") == 0, "in quotes, and with flags, %s: %s", quoted, text_of(at("child.log")));
  check(gr_compiler_info("gcc", version, sizeof version, &err) == GR_OK && strstr(version, "GCC"), "version: %s %s", version, err.message);
  check(gr_cache_info(cache, &files, &bytes, &err) == GR_OK && files == 1 && bytes > 1000, "%d files", (int)files);
  check(gr_cache_clear(cache, &files, &err) == GR_OK && files == 1, "the kernel in use is a copy, the cache can be cleared: %s", err.message);
  check(strstr(in_new_process(at("k2"), at("tmp"), 3, "nowhere", NULL), "was not found on the PATH") != NULL, "no such compiler: %s", text_of(at("child.log")));
  gr_kernel kernel;
  check(gr_kernel_get("void gr_kernel(void) { nonsense; }\n", &opt, &kernel, &report, &err) == GR_COMPILER && err.log && strstr(err.log, "nonsense"), "what the compiler says: %s",
        err.log ? err.log : err.message);
  gr_error_clear(&err);
}

static void damage(void) {
  gr_error err = {0};
  char *data = NULL;
  size_t n = 0;
  const char *cache = at("damaged");
  in_new_process(cache, at("tmp"), 5, "", NULL);
  check(gr_read_file(only_file(cache), &data, &n, &err) == GR_OK && n > 1000, "%s", err.message);
  for (int k = 0; k < 2 && n; k++) {
    data[n / 2] ^= 1;
    const char *file = only_file(cache);
    remove(file); /* existing files are not overwritten */
    check(gr_write_file(file, data, k ? n / 2 : n, &err) == GR_OK, "%s", err.message);
    check(strcmp(in_new_process(cache, at("tmp"), 5, "", NULL), "3 5 |\n") == 0, "a damaged file: %s", text_of(at("child.log")));
    check(strcmp(in_new_process(cache, at("tmp"), 5, "", NULL), "2 5 |\n") == 0, "it is mended: %s", text_of(at("child.log")));
    check(count_files(cache, "") == 1, "nothing else stays");
  }
  free(data);
  check(strstr(in_new_process(at("plain/x"), at("tmp"), 5, "", NULL), "3 5 the kernel was not kept in the cache: cannot ") != NULL, "a cache that cannot be: %s", text_of(at("child.log")));
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "args")) {
    for (int k = 2; k < argc; k++) printf("%s\n", argv[k]);
    return 7;
  }
  if (argc > 1 && !strcmp(argv[1], "sleep")) return Sleep(100000), 0;
  if (argc > 5 && !strcmp(argv[1], "get")) return child_get(argv);
  GetModuleFileNameA(NULL, self, sizeof self);
  own_folder();
  if (!check(mkdir(at("tmp")) == 0, "no folder for temporary files")) return report();
  check(strcmp(gr_os_name(), "windows") == 0, "this is Windows");
  children();
  folders();
  kernels();
  damage();
  return report();
}
