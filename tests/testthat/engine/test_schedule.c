/* test_schedule.c: the schedule of a call has every pair once, in row blocks and column parts;
 * lists of intervals for single blocks of rows give what the interpreter gives pair by pair, on
 * every backend; neither the order of the items nor the number of threads changes a bit. */
#include "run/schedule.h"
#include "stand_ins.h"

static const gr_device *device;

static gr_program *program_of(const test *t, gr_array *args) {
  gr_error err = {0};
  gr_program *p = NULL;
  if (!check(make(t, &p, &err) == GR_OK, "%s: %s", describe(t), err.message)) exit(report());
  make_args(p, t, args);
  return p;
}

static const gr_plan *plan_of(gr_program *p, int which) {
  gr_error err = {0};
  check(gr_program_plan(p, which, &err) == GR_OK, "%s", err.message);
  return p->plans[which];
}

/* ---- every pair once ---- */

static int64_t length(gr_interval i) { return i.end - i.first; }

/* The columns of an item's intervals are marked; those that were marked already are counted. */
static int64_t mark(const gr_schedule *s, const gr_item *it, unsigned char *met) {
  int64_t twice = 0;
  for (int64_t k = it->first; k < it->first + it->n; k++)
    for (int64_t c = s->interval[k].first; c < s->interval[k].end; c++) twice += met[c]++;
  return twice;
}

static bool fits_lanes(const gr_schedule *s, const gr_plan *p, const gr_item *it) {
  if (p->target != TARGET_COLUMNS) return it->full == it->n;
  for (int64_t k = 0; k < it->n; k++) {
    int64_t n = length(s->interval[it->first + k]);
    if (k < it->full ? n % 16 != 0 : n >= 16) return false;
  }
  return true;
}

/* The items of the rows of item k, against the region they come from; returns the item behind them.
 */
static int64_t check_rows(const gr_schedule *s, const gr_plan *p, int64_t k, const gr_region *g,
                          int64_t cols) {
  unsigned char *met = calloc((size_t)cols + 1, 1), *asked = calloc((size_t)cols + 1, 1);
  const gr_item *first = &s->item[k];
  int64_t twice = 0, items = 0, columns = 0;
  for (int64_t i = 0; i < g->n; i++)
    memset(asked + g->interval[i].first, 1, (size_t)length(g->interval[i]));
  for (; k < s->n && s->item[k].r0 == first->r0; k++, items++) {
    const gr_item *it = &s->item[k];
    twice += mark(s, it, met);
    columns += it->columns;
    check(it->r1 == first->r1 && it->r1 - it->r0 <= s->block && it->r1 > it->r0,
          "items of the same rows differ, or a block is too large");
    check(fits_lanes(s, p, it), "intervals do not fit the lanes of the kernel");
  }
  check(twice == 0 && memcmp(met, asked, (size_t)cols) == 0,
        "rows %d ...: columns missing, or twice", (int)first->r0);
  for (int64_t c = 0; c < cols; c++) columns -= asked[c];
  check(columns == 0, "rows %d ...: the columns are counted wrong", (int)first->r0);
  if (!p->ask.both)
    check(items == 1 ? first->slot == -1 : first->slot >= 0, "one item has no slot, several have");
  free(met);
  free(asked);
  return k;
}

static void check_schedule(const gr_schedule *s, const gr_plan *p, const gr_region *region,
                           int64_t n, int64_t cols) {
  int64_t row = 0, pairs = 0, slot = -1;
  for (int64_t k = 0, r = 0; k < s->n;) {
    while (r < n && region[r].r1 <= s->item[k].r0) r++;
    if (!check(r < n && s->item[k].r0 == row, "rows from %d on are missing", (int)row)) return;
    row = s->item[k].r1;
    check(row <= region[r].r1, "a block reaches into the next region");
    k = check_rows(s, p, k, &region[r], cols);
  }
  for (int64_t k = 0; k < s->n; k++) {
    const gr_item *it = &s->item[k];
    pairs += (int64_t)it->columns * (it->r1 - it->r0);
    check(it->slot < s->slots && (it->slot < 0 || it->slot == slot || it->slot == slot + 1),
          "slots do not follow one another");
    if (it->slot >= 0) slot = it->slot;
  }
  check(row == (n ? region[n - 1].r1 : 0) && pairs == s->pairs,
        "rows or units of work are missing");
}

static const test kinds[] = {
    {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}, .axis = 1},
    {.formula = "Exp(-SqDist(x,y))*b",
     .aliases = {"x=Vi(40)", "y=Vj(40)", "b=Vj(20)"},
     .axis = 0,
     .f64 = true},
    {.formula = "SqDist(x,y)",
     .aliases = {"x=Vi(3)", "y=Vj(3)"},
     .reduction = "KMin_ArgKMin",
     .k = 50,
     .axis = 1},
    {.formula = "Lgamma(1+SqDist(x,y))",
     .aliases = {"x=Vi(3)", "y=Vj(3)"},
     .axis = 2,
     .f64 = true}};

enum { KINDS = sizeof kinds / sizeof *kinds };

static void dense(void) {
  static const int64_t sizes[] = {0, 1, 3, 15, 16, 17, 100, 513, 4097, 30001, 200003};
  enum { SIZES = sizeof sizes / sizeof *sizes };
  gr_error err = {0};
  for (int k = 0; k < KINDS; k++) {
    gr_array args[ARGS_MAX];
    gr_program *p = program_of(&kinds[k], args);
    for (int which = 0; which < 2; which++)
      for (int m = 0; m < SIZES; m++)
        for (int n = 0; n < SIZES; n++) {
          const gr_plan *plan = plan_of(p, which);
          gr_interval all = {0, sizes[n]};
          gr_region whole = {.r1 = sizes[m], .interval = &all, .n = 1};
          gr_schedule s;
          if (sizes[m] * sizes[n] > 100000000 || (which == PLAN_FEW && sizes[m] > 16)) continue;
          check(gr_schedule_make(&s, plan, n % 2, 1, &whole, 1, &err) == GR_OK, "%s",
                err.message);
          check_schedule(&s, plan, &whole, 1, sizes[n]);
          gr_schedule_free(&s);
        }
    free_args(p, args);
    gr_program_free(p);
  }
}

/* ---- lists of intervals for blocks of rows ---- */

enum { REGIONS = 12, INTERVALS = 20 };

typedef struct lists {
  gr_region region[REGIONS];
  gr_interval interval[REGIONS * INTERVALS];
  int64_t n;
} lists;

static int64_t draw(int64_t lo, int64_t hi) {
  return lo + (int64_t)uniform(0, (double)(hi - lo + 1));
}

/* Some regions are empty, some have all columns, some hold empty intervals and neighbours that
 * touch. */
static void draw_lists(lists *l, int64_t rows, int64_t cols) {
  int64_t row = 0, used = 0;
  l->n = 0;
  while (row < rows) {
    gr_region *g = &l->region[l->n++];
    int64_t left = rows - row, most = draw(0, INTERVALS - 1), at = 0;
    *g = (gr_region){
        .r0 = row,
        .r1 = l->n == REGIONS
                  ? rows
                  : row + draw(1, left < 2 * rows / REGIONS + 1 ? left : 2 * rows / REGIONS + 1),
        .interval = l->interval + used};
    if (most == 1) l->interval[used + g->n++] = (gr_interval){0, cols};
    for (int64_t k = 0; most > 1 && k < most && at < cols; k++) {
      int64_t first = k % 3 ? draw(at, cols) : at, step = k % 4 ? 40 : cols / 2,
              end = draw(first, first + step < cols ? first + step : cols);
      l->interval[used + g->n++] = (gr_interval){first, end};
      at = end;
    }
    used += g->n;
    row = g->r1;
  }
}

static void random_lists_are_cut_whole(void) {
  gr_error err = {0};
  for (int k = 0; k < KINDS; k++) {
    gr_array args[ARGS_MAX];
    gr_program *p = program_of(&kinds[k], args);
    for (int turn = 0; turn < 60; turn++) {
      const gr_plan *plan = plan_of(p, turn % 2);
      int64_t rows = turn % 2 ? draw(1, 16) : draw(1, 3000), cols = draw(0, turn % 3 ? 900 : 40000);
      lists l;
      gr_schedule s;
      draw_lists(&l, rows, cols);
      check(gr_schedule_make(&s, plan, turn % 4 < 2, 1, l.region, l.n, &err) == GR_OK, "%s",
            err.message);
      check_schedule(&s, plan, l.region, l.n, cols);
      gr_schedule_free(&s);
    }
    free_args(p, args);
    gr_program_free(p);
  }
}

/* ---- what they give ---- */

/* The interpreter, pair by pair where the mask says so. */
static void masked(gr_program *p, const gr_array *args, const lists *l, int64_t rows, int64_t cols,
                   const gr_output *out) {
  const gr_plan *plan = plan_of(p, PLAN_WRITTEN);
  const gr_reduction *red = &plan->ask.red;
  bool both = plan->ask.both;
  double *state = malloc(2 * (size_t)red->nstate * sizeof *state), *total = state + red->nstate,
         pairs = 0;
  void *scratch = gr_aligned_alloc(gr_interp_bytes(plan));
  const gr_problem problem = {.args = args};
  unsigned char *mask = malloc((size_t)cols + 1);
  gr_red_init(red, total, 1, 1);
  for (int64_t k = 0; k < l->n; k++)
    for (int64_t r = l->region[k].r0; r < l->region[k].r1; r++) {
      int64_t n = 0;
      memset(mask, 0, (size_t)cols + 1);
      for (int64_t i = 0; i < l->region[k].n; i++)
        memset(mask + l->region[k].interval[i].first, 1, (size_t)length(l->region[k].interval[i]));
      gr_red_init(red, state, 1, 1);
      for (int64_t c = 0; c < cols; c++)
        if (mask[c]) gr_interp(plan, &problem, state, 1, r, r + 1, c, c + 1, scratch), n++;
      if (both)
        gr_red_merge(red, total, 1, state, 1);
      else
        gr_red_finish(red, state, 1, 1, out, r, rows, (double)n);
      pairs += (double)n;
    }
  if (both) gr_red_finish(red, total, 1, 1, out, 0, 1, pairs);
  free(state);
  free(mask);
  gr_aligned_free(scratch);
}

static const test masks[] = {
    {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}, .axis = 1},
    {.formula = "Exp(-SqDist(x,y))*b",
     .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"},
     .reduction = "Mean",
     .axis = 0,
     .f64 = true},
    {.formula = "SqDist(x,y)",
     .aliases = {"x=Vi(20)", "y=Vj(20)"},
     .reduction = "KMin_ArgKMin",
     .k = 5,
     .axis = 1},
    {.formula = "SqDist(x,y)",
     .aliases = {"x=Vi(3)", "y=Vj(3)"},
     .reduction = "Max_ArgMax",
     .axis = 0},
    {.formula = "-SqDist(x,y)",
     .formula2 = "b",
     .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(30)"},
     .reduction = "SumSoftMaxWeight",
     .axis = 1,
     .f64 = true},
    {.formula = "x*y", .aliases = {"x=Vi(1)", "y=Vj(1)"}, .reduction = "Var", .axis = 1},
    {.formula = "x*y",
     .aliases = {"x=Vi(2)", "y=Vj(2)"},
     .reduction = "Sum",
     .axis = 1,
     .scheme = "kahan_scheme"},
    {.formula = "Exp(-SqDist(x,y))*b", .aliases = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"}, .axis = 2},
    {.formula = "-SqDist(x,y)",
     .aliases = {"x=Vi(3)", "y=Vj(3)"},
     .reduction = "LogSumExp",
     .axis = 2,
     .f64 = true}};

static result run_lists(gr_program *p, const gr_array *args, const lists *l, int64_t rows,
                        int64_t cols, const gr_options *o, gr_report *rep) {
  gr_result_info info = gr_program_result(p);
  gr_error err = {0};
  gr_output out[2] = {{.data = NULL}};
  result r = {.rows = info.axis == 2 ? 1 : rows};
  r.size = r.rows * info.dim * (info.k ? info.k : 1);
  for (int i = 0; i < info.n; i++)
    out[i].data = r.v[i] = calloc((size_t)r.size + 1, sizeof(double));
  if (!o) {
    masked(p, args, l, rows, cols, out);
    return r;
  }
  gr_run call = {.p = p,
                 .args = args,
                 .n_args = gr_program_nargs(p),
                 .rows = rows,
                 .cols = cols,
                 .region = l->region,
                 .n_regions = l->n,
                 .out = out,
                 .opt = o,
                 .report = rep};
  check(gr_run_regions(&call, &err) == GR_OK, "%s\n%s", err.message, err.log ? err.log : "");
  gr_error_clear(&err);
  return r;
}

static void compare(const gr_program *p, const test *t, const result *r, const result *right,
                    const char *what, bool bits) {
  for (int i = 0; i < gr_program_result(p).n; i++) {
    double d = difference(r->v[i], right->v[i], r->size), most = gr_program_result(p).is_index[i]
                                                                     ? 0
                                                                 : t->f64 ? 1e-11
                                                                          : 4e-4;
    bool same = memcmp(r->v[i], right->v[i], (size_t)r->size * sizeof(double)) == 0;
    check(bits ? same : d <= most, "%s, %s: result %d differs by %g", describe(t), what, i, d);
  }
}

static void lists_give(test t, int64_t rows, int64_t cols) {
  gr_array args[ARGS_MAX];
  gr_report rep = {0};
  lists l;
  t.m = t.axis == 0 ? cols : rows, t.n = t.axis == 0 ? rows : cols;
  gr_program *p = program_of(&t, args);
  draw_lists(&l, rows, cols);
  result right = run_lists(p, args, &l, rows, cols, NULL, NULL);
  const gr_backend backends[] = {GR_INTERPRETER, GR_CPU, GR_GPU, GR_GPU_2D};
  for (int b = 0; b < (device ? 4 : 2); b++) {
    gr_options o = options(backends[b], 1);
    o.device = device;
    o.cflags = "-O1";
    static const char *const names[] = {"interpreter", "kernel", "GPU", "GPU_2D"};
    result one = run_lists(p, args, &l, rows, cols, &o, &rep);
    compare(p, &t, &one, &right, names[b], false);
    for (o.threads = 2; b < 2 && o.threads < 6; o.threads += 3) {
      result more = run_lists(p, args, &l, rows, cols, &o, &rep);
      compare(p, &t, &more, &one, "threads", true);
      free_result(&more);
    }
    free_result(&one);
  }
  free_result(&right);
  free_args(p, args);
  gr_program_free(p);
}

static void lists_give_what_masks_give(void) {
  for (size_t k = 0; k < sizeof masks / sizeof *masks; k++) {
    lists_give(masks[k], 70, 300);
    lists_give(masks[k], 600, 90);
    lists_give(masks[k], 5, 900);
  }
}

/* A GPU whose memory holds some of the columns at a time: a window of them follows the intervals.
 */
static void lists_in_little_memory(void) {
  static const char *const sizes[] = {"40000", "60000", "200000"};
  if (!device) return;
  for (int k = 0; k < 3; k++) {
    gr_report rep = {0};
    device->shutdown();
    setenv("GENRED_FAKE_MEMORY", sizes[k], 1);
    for (size_t m = 0; m < 4; m++) {
      test t = masks[m];
      gr_array args[ARGS_MAX];
      lists l;
      int64_t rows = 150, cols = 2500;
      gr_options o = options(GR_GPU, 1);
      o.device = device;
      t.m = t.axis == 0 ? cols : rows, t.n = t.axis == 0 ? rows : cols;
      gr_program *p = program_of(&t, args);
      draw_lists(&l, rows, cols);
      result right = run_lists(p, args, &l, rows, cols, NULL, NULL),
             r = run_lists(p, args, &l, rows, cols, &o, &rep);
      compare(p, &t, &r, &right, "little memory", false);
      free_result(&r);
      free_result(&right);
      free_args(p, args);
      gr_program_free(p);
    }
  }
  device->shutdown();
  unsetenv("GENRED_FAKE_MEMORY");
}

/* Long lists for few rows: lanes are columns, and many intervals fill no vector. */
static void few_rows_with_lists(void) {
  for (size_t k = 0; k < sizeof masks / sizeof *masks; k++)
    for (int64_t rows = 1; rows < 5; rows += 2) {
      test t = masks[k];
      gr_array args[ARGS_MAX];
      gr_report rep = {0};
      int64_t cols = 9000, at = 0;
      lists l = {.n = 1};
      l.region[0] = (gr_region){.r1 = rows, .interval = l.interval};
      for (int i = 0; i < 100 && at < cols; i++) {
        int64_t first = at + draw(0, 20), end = first + (i % 3 ? draw(1, 200) : draw(1, 20));
        if (end > cols) break;
        l.interval[l.region[0].n++] = (gr_interval){first, end};
        at = end;
      }
      t.m = t.axis == 0 ? cols : rows, t.n = t.axis == 0 ? rows : cols;
      gr_program *p = program_of(&t, args);
      result right = run_lists(p, args, &l, rows, cols, NULL, NULL);
      gr_options o = options(GR_CPU, 1);
      result r = run_lists(p, args, &l, rows, cols, &o, &rep);
      compare(p, &t, &r, &right, "few rows", false);
      free_result(&r);
      free_result(&right);
      free_args(p, args);
      gr_program_free(p);
    }
}

/* ---- the order of the items ---- */

/* Items of the same rows stay together, as their states are merged in that order. */
static void reverse_rows(gr_schedule *s) {
  gr_item *to = malloc((size_t)s->n * sizeof *to);
  for (int64_t k = s->n, at = 0; k > 0;) {
    int64_t n = 1;
    while (k > n && s->item[k - n - 1].r0 == s->item[k - 1].r0) n++;
    k -= n;
    memcpy(to + at, s->item + k, (size_t)n * sizeof *to);
    at += n;
  }
  memcpy(s->item, to, (size_t)s->n * sizeof *to);
  free(to);
}

static void order_changes_nothing(void) {
  static const int64_t sizes[][2] = {{3000, 500}, {40, 120000}};
  for (int k = 0; k < KINDS - 1; k++)
    for (int shape = 0; shape < 2; shape++) {
      test t = kinds[k];
      int64_t rows = sizes[shape][0], cols = sizes[shape][1];
      gr_array args[ARGS_MAX];
      gr_error err = {0};
      gr_report rep = {0};
      gr_options o = options(GR_INTERPRETER, 2);
      t.m = t.axis == 0 ? cols : rows, t.n = t.axis == 0 ? rows : cols;
      gr_program *p = program_of(&t, args);
      const gr_plan *plan = plan_of(p, PLAN_WRITTEN);
      gr_interval all = {0, cols};
      gr_region whole = {.r1 = rows, .interval = &all, .n = 1};
      gr_run call = {.p = p,
                     .args = args,
                     .n_args = gr_program_nargs(p),
                     .rows = rows,
                     .cols = cols,
                     .opt = &o,
                     .report = &rep};
      size_t size = (size_t)(rows * plan->ask.red.nstate);
      double *states[2] = {malloc(size * sizeof(double)), malloc(size * sizeof(double))};
      for (int turn = 0; turn < 2; turn++) {
        gr_schedule s;
        gr_sink sink = {.states = states[turn], .rows = rows};
        check(gr_schedule_make(&s, plan, false, 1, &whole, 1, &err) == GR_OK, "%s", err.message);
        check(s.n > 1, "%s: one item only", describe(&t));
        if (turn) reverse_rows(&s);
        check(gr_execute(plan, NULL, &s, &call, &sink, &err) == GR_OK, "%s", err.message);
        gr_schedule_free(&s);
      }
      check(memcmp(states[0], states[1], size * sizeof(double)) == 0,
            "%s: the order of the items changes the states", describe(&t));
      free(states[0]);
      free(states[1]);
      free_args(p, args);
      gr_program_free(p);
    }
}

int main(int argc, char **argv) {
  (void)argc;
  own_folder();
  device = stand_in(argv[0]);
  dense();
  random_lists_are_cut_whole();
  order_changes_nothing();
  few_rows_with_lists();
  lists_give_what_masks_give();
  lists_in_little_memory();
  if (device) device->shutdown();
  return report();
}
