/* gcc_windows.c: a gcc.exe for wine that passes its arguments to the cross compiler of the host.
 *
 * With it the engine's code for Windows finds, starts and waits for a compiler as it would there,
 * and loads the DLL that the compiler wrote.  wine can start programs of the host, but neither
 * waits for them nor captures their output: a shell writes output and exit status to files, which
 * this program polls.  Paths in the arguments are translated to those of the host. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

typedef char *unix_name(const WCHAR *);

enum { LINE = 32768 };

/* The host's name of X:\..., or NULL; wine's kernel32 knows it. */
static char *host_path(const char *path) {
  unix_name *ask;
  WCHAR wide[4096];
  FARPROC p = GetProcAddress(GetModuleHandleA("kernel32.dll"), "wine_get_unix_file_name");
  if (!p || !MultiByteToWideChar(CP_ACP, 0, path, -1, wide, 4096)) return NULL;
  memcpy(&ask, &p, sizeof ask);
  return ask(wide);
}

/* Quoted by the rules of Windows: backslashes are special only before a quote. */
static void put_quoted(char *line, const char *arg) {
  size_t n = strlen(line), slashes = 0;
  if (strlen(arg) * 2 + n + 4 > LINE) exit(3);
  char *out = line + n;
  *out++ = '"';
  for (; *arg; arg++) {
    for (; *arg == '"' && slashes; slashes--) *out++ = '\\';
    slashes = *arg == '\\' ? slashes + 1 : 0;
    if (*arg == '"') *out++ = '\\';
    *out++ = *arg;
  }
  for (; slashes; slashes--) *out++ = '\\';
  strcpy(out, "\" ");
}

static void put_argument(char *line, const char *arg) {
  char *host = arg[0] && arg[1] == ':' ? host_path(arg) : NULL;
  put_quoted(line, host ? host : arg);
}

/* The output of the compiler. */
static void hand_on(const char *path) {
  FILE *f = fopen(path, "r");
  for (int c; f && (c = getc(f)) != EOF;) putchar(c);
  if (f) fclose(f);
  remove(path);
}

/* The exit status that the shell wrote. */
static int wait_for(const char *done) {
  for (int k = 0; k < 60000; k++) {
    int status;
    FILE *f = fopen(done, "r");
    bool read = f && fscanf(f, "%d", &status) == 1;
    if (f) fclose(f);
    if (read) return remove(done), status;
    Sleep(2);
  }
  return 4;
}

int main(int argc, char **argv) {
  static char line[LINE], dir[MAX_PATH], done[MAX_PATH + 64], out[MAX_PATH + 72];
  STARTUPINFOA start = {.cb = sizeof start};
  PROCESS_INFORMATION child;
  GetTempPathA(sizeof dir, dir);
  /* wine reuses process ids, and the shell of a killed process still writes its status */
  LARGE_INTEGER now;
  QueryPerformanceCounter(&now);
  snprintf(done, sizeof done, "%s\\gcc-%lu-%llx", dir, (unsigned long)GetCurrentProcessId(), (unsigned long long)now.QuadPart);
  remove(done);
  char *host = host_path(done);
  if (!host) return fputs("gcc_windows.c works under wine only\n", stderr), 2;
  put_quoted(line, "sh");
  put_quoted(line, "-c");
  put_quoted(line, "x86_64-w64-mingw32-gcc \"$@\" >\"$0.out\" 2>&1; echo $? >\"$0.tmp\"; mv \"$0.tmp\" \"$0\"");
  put_quoted(line, host);
  for (int k = 1; k < argc; k++) put_argument(line, argv[k]);
  if (!CreateProcessA("\\\\?\\unix\\bin\\sh", line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child))
    return fprintf(stderr, "cannot start the host's shell: Windows error %lu\n", (unsigned long)GetLastError()), 2;
  int status = wait_for(done);
  snprintf(out, sizeof out, "%s.out", done);
  hand_on(out);
  return status;
}
