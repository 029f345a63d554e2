/* test_batch_calls.c: batches as calls: how they are cut, what the thresholds look at, progress and
 * interrupts, matrices on a GPU, nothing to do, and what is refused. */
#include "batches.h"

/* ---- how batches are cut ---- */

/* States that wait to be merged belong to all elements together: no more where there are many. */
static void states_are_few(void) {
  for (int axis = 1; axis < 3; axis++)
    for (int64_t elements = 1; elements <= 100000; elements *= 10) {
      test t = {.formula = "Exp(-SqDist(x,y))", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .axis = axis};
      gr_interval all = {0, 500000};
      gr_region whole = {.r1 = 3000, .interval = &all, .n = 1};
      gr_error err = {0};
      gr_schedule s;
      gr_program *p;
      if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
      check(gr_schedule_make(&s, p->plan, true, elements, &whole, 1, &err) == GR_OK, "%s",
            err.message);
      int64_t states = s.slots * elements * (axis == 2 ? 1 : s.ld) * p->plan->ask.red.nstate;
      check(states * 8 <= (25 << 20) && s.n <= 300, "%d elements, axis %d: %lld states, %lld items",
            (int)elements, axis, (long long)states, (long long)s.n);
      check(elements > 1000 ? s.slots == 0 : elements > 1 || s.slots > 0,
            "%d elements, axis %d: %lld slots", (int)elements, axis, (long long)s.slots);
      gr_schedule_free(&s);
      gr_program_free(p);
    }
}

/* ---- thresholds look at the whole ---- */

/* Tiny elements, which "auto" interprets, but for many of which it takes a kernel; preparing calls
 * comes to the same. */
static void whole_counts(void) {
  test t = {.formula = "Exp(-SqDist(x,y))", .aliases = {"x=Vi(3)", "y=Vj(3)"}, .axis = 1, .m = 20, .n = 20};
  gr_options o = options(GR_AUTO, 2);
  gr_error err = {0};
  for (int64_t elements = 1; elements <= 1000; elements *= 1000) {
    gr_report rep;
    gr_program *p, *q;
    test other = t;
    other.formula = "Exp(-2*SqDist(x,y))";
    if (!check(make(&t, &p, &err) == GR_OK && make(&other, &q, &err) == GR_OK, "%s", err.message)) return;
    batch b = regular(p, &t, elements);
    b.shape = (gr_batches){1, b.size, b.step};
    gr_call calls[] = {{p, t.m, t.n, elements}, {q, t.m, t.n, elements}};
    gr_options fresh = o;
    fresh.cache_dir = NULL;
    check(gr_programs_prepare(calls, 2, &fresh, &rep) == GR_OK, "not prepared");
    check((rep.provenance == GR_COMPILED) == (elements > 1), "%d elements: prepared %d",
          (int)elements, (int)rep.provenance);
    result r = run_batch(p, &t, &b, NULL, &fresh, &rep);
    check(rep.backend == (elements > 1 ? GR_CPU : GR_INTERPRETER), "%d elements: backend %d",
          (int)elements, (int)rep.backend);
    check(elements == 1 || rep.provenance == GR_FROM_MEMORY, "the prepared kernel is not used");
    free_result(&r);
    free_batch(p, &b);
    gr_program_free(p);
    gr_program_free(q);
  }
}

static void negative_batches_are_not_prepared(void) {
  test t = {.formula = "x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1};
  gr_options o = options(GR_AUTO, 2);
  gr_error err = {0};
  gr_report rep;
  gr_call call = {.m = 1, .n = 1, .elements = -1};
  if (!check(make(&t, &call.program, &err) == GR_OK, "%s", err.message)) return;
  check(gr_programs_prepare(&call, 1, &o, &rep) == GR_ARGUMENT, "a negative batch is prepared");
  gr_program_free(call.program);
}

/* ---- progress and interrupts ---- */

typedef struct watch {
  double last;
  int told, asked, stop_at;
} watch;

static void tell(double fraction, void *ctx) {
  watch *w = ctx;
  check(fraction >= w->last && fraction <= 1, "progress goes from %g to %g", w->last, fraction);
  w->last = fraction;
  w->told++;
}

static int stop(void *ctx) {
  watch *w = ctx;
  return ++w->asked >= w->stop_at;
}

/* Of the whole batch, however small its elements are. */
static void progress_of_the_whole(void) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU};
  static const int64_t elements[] = {8000, 60000, 5000};
  for (int w = 0; w < (device ? 3 : 2); w++)
    for (int stopped = 0; stopped < 2; stopped++) {
      test t = {.formula = "Exp(Sin(Sum(Exp(Sin(x-y)))))",
                .aliases = {"x=Vi(3)", "y=Vj(3)"},
                .axis = 1,
                .m = 30,
                .n = w == 2 ? 5 : 60};
      watch seen = {.stop_at = stopped ? 1 : INT32_MAX};
      gr_options o = options(backends[w], 2);
      gr_error err = {0};
      gr_report rep;
      gr_program *p;
      o.device = device, o.interrupted = stop, o.progress = tell, o.ctx = &seen;
      if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
      batch b = regular(p, &t, elements[w]);
      b.shape = (gr_batches){1, b.size, b.step};
      result r = new_result(p, &t, b.elements);
      gr_output out = {.data = r.v[0]};
      gr_class cls = gr_program_run_batches(p, b.args, 2, NULL, &b.shape, &out, &o, &rep, &err);
      check(cls == (stopped ? GR_INTERRUPT : GR_OK), "backend %d: class %d", (int)o.backend, (int)cls);
      check(stopped || (seen.last == 1 && seen.told > 1), "backend %d: told %d times, last %g",
            (int)o.backend, seen.told, seen.last);
      check(stopped || w != 2 || rep.provenance != GR_FROM_MEMORY,
            "the report does not say where the kernel came from");
      check(seen.asked > 0, "backend %d: never asked", (int)o.backend);
      free_result(&r);
      free_batch(p, &b);
      gr_program_free(p);
    }
}

/* ---- matrices on a GPU ---- */

/* One element is no batch: its arguments and its result may lie there. */
static void one_element_on_a_gpu(void) {
  enum { M = 9, N = 14 };
  test t = {.formula = "SqDist(x,y)", .aliases = {"x=Vi(2)", "y=Vj(2)"}, .axis = 1, .m = M, .n = N};
  gr_options o = options(GR_GPU, 1);
  gr_error err = {0};
  gr_report rep;
  gr_program *p;
  gr_buffer *x, *z;
  double got[M];
  if (!device || !check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  batch b = regular(p, &t, 1);
  b.shape = (gr_batches){1, b.size, b.step};
  o.device = device;
  result r = run_batch(p, &t, &b, NULL, &o, &rep);
  check(device->make(0, M, 2, GR_DOUBLE, &x, &err) == GR_OK &&
            device->make(0, M, 1, GR_FLOAT, &z, &err) == GR_OK &&
            device->put(x, b.args[0].data, M, &err) == GR_OK,
        "%s", err.message);
  gr_array args[] = {b.args[0], b.args[1]};
  gr_output out = {.buffer = z};
  args[0].data = NULL, args[0].buffer = x;
  check(gr_program_run_batches(p, args, 2, NULL, &b.shape, &out, &o, &rep, &err) == GR_OK &&
            device->get(z, got, M, &err) == GR_OK,
        "%s", err.message);
  check(difference(got, r.v[0], M) <= 1e-6, "a batch of one element differs");
  device->free(x);
  device->free(z);
  free_result(&r);
  free_batch(p, &b);
  gr_program_free(p);
}

/* ---- nothing to do ---- */

static void empty_batches(void) {
  static const int64_t sizes[][2] = {{0, 1}, {3, 0}, {0, 0}, {0, INT64_MAX}, {INT64_MAX, 0}};
  static const gr_backend backends[] = {GR_AUTO, GR_CPU, GR_INTERPRETER, GR_GPU};
  for (int axis = 0; axis < 3; axis++)
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
      for (int w = 0; w < (device ? 4 : 3); w++) {
        test t = {.formula = "SqDist(x,y)*p", .aliases = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)"}, .axis = axis, .m = 3, .n = 4};
        double none = -77;
        int64_t step[] = {3, 0, 4, 9, 1, 1};
        gr_array args[] = {{.data = &none, .rows = 3, .cols = 1, .stride = 3},
                           {.data = &none, .rows = 4, .cols = 1, .stride = 4},
                           {.data = &none, .rows = 1, .cols = 1, .stride = 1}};
        gr_batches shape = {2, sizes[k], step};
        gr_output out = {.data = k % 2 ? &none : NULL};
        gr_options o = options(backends[w], 2);
        gr_error err = {0};
        gr_report rep;
        gr_program *p;
        o.device = device;
        if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) continue;
        check(gr_program_run_batches(p, args, 3, NULL, &shape, &out, &o, &rep, &err) == GR_OK &&
                  none == -77,
              "%s", err.message);
        gr_program_free(p);
      }
}

/* ---- what is refused ---- */

typedef struct bad_call {
  gr_program *p;
  gr_array args[2];
  int64_t size[20], step[40];
  gr_batches shape;
  gr_output out;
  gr_options o;
  double x[6], y[8], z[24];
} bad_call;

static bad_call good_call(gr_program *p) {
  bad_call c = {.p = p, .size = {2, 1}, .step = {3, 0, 4, 0}, .o = options(GR_INTERPRETER, 1)};
  return c;
}

/* Pointers into the call itself, where it lies now. */
static void connect(bad_call *c) {
  c->args[0] = (gr_array){.data = c->x, .rows = 3, .cols = 1, .stride = 3};
  c->args[1] = (gr_array){.data = c->y, .rows = 4, .cols = 1, .stride = 4};
  c->shape = (gr_batches){2, c->size, c->step};
  c->out = (gr_output){.data = c->z};
}

static void refused(bad_call *c, const char *part) {
  gr_error err = {0};
  gr_report rep;
  gr_class cls = gr_program_run_batches(c->p, c->args, 2, NULL, &c->shape, &c->out, &c->o, &rep, &err);
  check(part ? cls == GR_ARGUMENT && strstr(err.message, part) : cls == GR_OK,
        "expected '%s', got %d '%s'", part ? part : "", (int)cls, err.message);
  *c = good_call(c->p);
  connect(c);
}

static void wrong_batches(void) {
  test t = {.formula = "x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1};
  gr_buffer there = {.rows = 3, .cols = 1}, result = {.rows = 3, .cols = 1, .type = GR_FLOAT};
  gr_error err = {0};
  gr_report rep;
  gr_program *p;
  if (!check(make(&t, &p, &err) == GR_OK, "%s", err.message)) return;
  bad_call c = good_call(p);
  connect(&c);
  refused(&c, NULL);
  c.shape.n = 0, refused(&c, NULL);
  c.shape.n = 0, c.shape.size = c.shape.step = NULL, refused(&c, NULL);
  c.shape.n = -1, refused(&c, "between 0 and 16 dimensions, not -1");
  c.shape.n = 17, refused(&c, "between 0 and 16 dimensions, not 17");
  c.shape.n = INT32_MAX, refused(&c, "dimensions");
  c.shape.size = NULL, refused(&c, "the sizes of the batch");
  c.shape.step = NULL, refused(&c, "the steps of the batch");
  c.size[1] = -1, refused(&c, "dimension 1 must not be negative: -1");
  c.size[0] = INT64_MIN, refused(&c, "dimension 0 must not be negative");
  c.size[0] = 0, c.size[1] = -1, refused(&c, "must not be negative");
  c.size[0] = (int64_t)INT32_MAX + 1, refused(&c, "more than 2147483647 elements");
  c.size[0] = c.size[1] = (int64_t)1 << 32, refused(&c, "more than 2147483647 elements");
  c.size[0] = INT64_MAX, refused(&c, "elements");
  c.step[0] = -1, refused(&c, "`x`: a step of -1 in dimension 0");
  c.step[3] = INT64_MIN, refused(&c, "`y`: a step of -9223372036854775808 in dimension 1");
  c.step[2] = INT64_MAX, refused(&c, "`y`: a step of 9223372036854775807 in dimension 0");
  c.step[0] = (int64_t)1 << 60, refused(&c, "`x`: a step");
  c.size[1] = 3, c.step[0] = c.step[1] = (int64_t)1 << 59, refused(&c, "in dimension 1 of the batch");
  c.args[0].rows = 1 << 30, c.args[0].stride = 1 << 30, c.size[0] = INT32_MAX, c.step[0] = c.step[2] = 0,
  refused(&c, "too large");
  c.out.data = NULL, refused(&c, "the memory of a result");
  c.out.type = GR_I64, refused(&c, "must be stored as doubles");
  c.args[0].data = NULL, refused(&c, "data of argument `x`");
  c.args[0].data = NULL, c.args[0].buffer = &there, refused(&c, "`x` lies on a GPU");
  c.size[0] = 0, c.args[0].buffer = &there, refused(&c, "in a batch of 0 elements");
  c.out.buffer = &result, refused(&c, "batch of 2 elements cannot stay on a GPU");
  c.o.threads = -1, refused(&c, "threads");
  check(gr_program_run_batches(p, c.args, 2, NULL, &c.shape, NULL, &c.o, &rep, &err) == GR_ARGUMENT &&
            gr_program_run_batches(p, c.args, 2, NULL, &c.shape, &c.out, NULL, &rep, &err) == GR_ARGUMENT &&
            gr_program_run_batches(p, c.args, 2, NULL, &c.shape, &c.out, &c.o, NULL, &err) == GR_ARGUMENT &&
            gr_program_run_batches(p, NULL, 2, NULL, &c.shape, &c.out, &c.o, &rep, &err) == GR_ARGUMENT &&
            gr_program_run_batches(NULL, c.args, 2, NULL, &c.shape, &c.out, &c.o, &rep, &err) == GR_ARGUMENT &&
            gr_program_run_batches(p, c.args, 1, NULL, &c.shape, &c.out, &c.o, &rep, &err) == GR_ARGUMENT,
        "NULL is taken");
  gr_program_free(p);
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  device = stand_in(argv[0]);
  wrong_batches();
  empty_batches();
  states_are_few();
  whole_counts();
  negative_batches_are_not_prepared();
  progress_of_the_whole();
  one_element_on_a_gpu();
  if (device) device->shutdown();
  return report();
}
