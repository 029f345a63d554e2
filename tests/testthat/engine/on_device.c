/* on_device.c: the whole language on the GPU of this machine, compared with the interpreter.
 *
 * Not part of `make check`, as most machines have no GPU: bench/gpu.sh builds and runs it (`make
 * build/plain/on_device`).  Every program runs at its own sizes and at larger, odd ones, with
 * columns split, not split, and as the engine chooses, in rotation.
 *   on_device [N [K]]   every N-th program, starting with the K-th: shares for several processes */
#include "../cuda/cu_public.h"
#include "language.h"

static int every = 1, first, cases, turn;

static gr_options on_device(void) {
  static const gr_backend backends[] = {GR_GPU, GR_GPU_1D, GR_GPU_2D};
  gr_options opt = options(backends[turn++ % 3], 1);
  opt.device = &gr_cuda;
  return opt;
}

static void compare(const test *t, gr_program *p, double tolerance) {
  gr_array args[ARGS_MAX];
  gr_error err = {0};
  gr_options slow = options(GR_INTERPRETER, 1), fast = on_device();
  result a, b;
  make_args(p, t, args);
  bool ok = check(run(p, args, &slow, &a, &err) == GR_OK, "%s: %s", describe(t), err.message);
  if (ok && check(run(p, args, &fast, &b, &err) == GR_OK, "%s: %s\n%s", describe(t), err.message, err.log ? err.log : "")) {
    for (int i = 0; i < gr_program_result(p).n; i++) {
      double d = difference(b.v[i], a.v[i], a.size);
      check(d <= (gr_program_result(p).is_index[i] ? 0 : tolerance), "%s, backend %d: result %d differs by %g", describe(t), fast.backend, i, d);
    }
    free_result(&b);
  }
  if (ok) free_result(&a);
  free_args(p, args);
  gr_error_clear(&err);
}

static bool one_case(const test *t, double tolerance) {
  static const int64_t odd[][2] = {{1, 5000}, {301, 777}, {1999, 65}, {130, 2}, {17, 4099}};
  gr_program *p;
  gr_error err = {0};
  if (cases++ % every != first) return true;
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) return false;
  compare(t, p, tolerance);
  test other = *t;
  other.m = odd[turn % 5][0], other.n = odd[turn % 5][1];
  compare(&other, p, 4 * tolerance);
  gr_program_free(p);
  return true;
}

int main(int argc, char **argv) {
  int n = 0;
  gr_error err = {0};
  gr_device_info info;
  if (argc > 1) every = atoi(argv[1]) > 0 ? atoi(argv[1]) : 1;
  if (argc > 2) first = atoi(argv[2]) % every;
  if (gr_cuda.count(&n, &err) != GR_OK || n < 1 || gr_cuda.info(0, &info, &err) != GR_OK) {
    printf("no GPU: %s\n", err.message);
    return 2;
  }
  printf("%s, compute capability %d.%d\n", info.name, info.major, info.minor);
  each_case = one_case;
  whole_language();
  gr_cuda.shutdown();
  return report();
}
