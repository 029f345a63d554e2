/* test_random.c: random formulas, and special values in every operation, against a reference that
 * shares no code with the engine.
 *
 *   GR_RANDOM=10000   a campaign of so many formulas
 *   GR_SEED=123       one of them again; with GR_RANDOM a campaign that starts there
 *   GR_SPECIAL=1      special values only, with the compiler flags that users get
 *
 * By default: the same formulas each time, and some that change daily. */
#include <signal.h>
#include <time.h>

#include "reference_special.h"

enum { BATCH = 128 };

static setup batch[BATCH];
static setup *current;

static void on_crash(int sig) {
  if (current) {
    printf("FAILED: signal %d in\n", sig);
    describe_setup(current);
  }
  fflush(stdout);
  _Exit(1);
}

static void backends_for(gr_options opt[2], bool as_users) {
  opt[0] = options(GR_INTERPRETER, 1);
  opt[1] = options(GR_CPU, 2);
  opt[1].cache_dir = NULL;
  if (!as_users) opt[1].cflags = "-O1";
}

/* ---- making a mismatch small ---- */

static int attempts;

/* Whether the changed case still differs. */
static bool still_wrong(setup *s, int bad) {
  gr_error err = {0};
  gr_options opt[2];
  bool wrong = false;
  if (attempts-- <= 0) return false;
  for (int k = 0; k < s->nargs; k++) s->vars[k].unused = !used(s, k);
  write_formulas(s);
  backends_for(opt, true);
  if (build(s, &err)) {
    int now = compare(s, bad & 1 ? opt : opt, bad & 2 ? 2 : 1, &err);
    wrong = (now & bad) != 0;
  }
  gr_program_free(s->program);
  gr_error_clear(&err);
  s->program = NULL;
  return wrong;
}

static bool settle_on(setup *s, node **slot, node *other, int bad) {
  node *was = *slot;
  *slot = other;
  if (still_wrong(s, bad)) return true;
  *slot = was;
  return false;
}

static void shrink_node(setup *s, node **slot, int bad) {
  node *x = *slot;
  for (int k = 0; k < x->kids; k++)
    if (x->k[k]->dim == x->dim && settle_on(s, slot, x->k[k], bad)) {
      shrink_node(s, slot, bad);
      return;
    }
  for (int k = 0; k < x->kids; k++) {
    if (x->o >= O_Grad && k == 1) continue;
    for (int v = 0; v < s->nargs && x->k[k]->kids; v++)
      if (s->vars[v].dim == x->k[k]->dim) {
        node *leaf_node = new_node(O_Var, s->vars[v].dim);
        leaf_node->n[0] = v;
        if (settle_on(s, &x->k[k], leaf_node, bad)) break;
      }
    if (x->k[k]->kids && x->k[k]->dim == 1) settle_on(s, &x->k[k], constant("0.5"), bad);
    if (x->k[k]->kids) shrink_node(s, &x->k[k], bad);
  }
}

static void shrink(setup *s, int bad) {
  plain_print = true, attempts = 150;
  quiet = true;
  if (!still_wrong(s, bad)) attempts = 0;
  for (bool again = true; again && attempts > 0;) { /* the formula itself: any subtree of it */
    again = false;
    for (int k = 0; k < s->root->kids && !again; k++) {
      reduction red = s->red;
      if (!s->weight) s->red = s->k ? s->red : R_SUM;
      if (s->weight && s->root->k[k]->dim != 1) continue;
      again = settle_on(s, &s->root, s->root->k[k], bad);
      if (!again) s->red = red, again = !s->weight && settle_on(s, &s->root, s->root->k[k], bad);
    }
  }
  if (s->weight) { /* a sum of the weight or of the formula alone */
    setup was = *s;
    s->weight = NULL, s->red = R_SUM;
    if (!still_wrong(s, bad)) s->root = was.weight;
    if (s->root == was.weight && !still_wrong(s, bad)) *s = was;
  }
  shrink_node(s, &s->root, bad);
  if (s->weight) shrink_node(s, &s->weight, bad);
  int64_t m = s->m, n = s->n;
  for (int64_t size = 1; size <= 3 && attempts > 0; size += 2) {
    s->m = m < size ? m : size, s->n = n < size ? n : size;
    if (still_wrong(s, bad)) break;
    s->m = m, s->n = n;
  }
  attempts = 1;
  quiet = false;
  bool wrong = still_wrong(s, bad);
  printf("  made smaller%s:\n", wrong ? "" : " (but not repeated)");
  describe_setup(s);
  plain_print = false;
}

/* ---- a campaign ---- */

static void finish_batch(int n, bool as_users) {
  gr_call call[BATCH];
  gr_options opt[2];
  gr_report rep;
  int calls = 0;
  backends_for(opt, as_users);
  for (int k = 0; k < n; k++)
    if (batch[k].program) call[calls++] = (gr_call){batch[k].program, batch[k].m, batch[k].n, 0};
  gr_programs_prepare(call, calls, &opt[1], &rep);
  for (int k = 0; k < n; k++) {
    setup *s = current = &batch[k];
    gr_error err = {0};
    if (!s->program) continue;
    int bad = compare(s, opt, 2, &err);
    gr_program_free(s->program);
    s->program = NULL;
    gr_error_clear(&err);
    if (!check(!bad, "%s%s", bad & 1 ? "interpreter " : "", bad & 2 ? "kernel" : "")) {
      describe_setup(s);
      if (!s->all_rows && totals.wrong++ < 100) shrink(s, bad);
    }
    fflush(stdout);
  }
  current = NULL;
  free_nodes();
}

static void campaign(uint64_t from, int n) {
  for (int done = 0; done < n;) {
    int size = n - done < BATCH ? n - done : BATCH;
    for (int k = 0; k < size; k++) {
      gr_error err = {0};
      draw_setup(&batch[k], from + (uint64_t)(done + k));
      current = &batch[k];
      if (!build(&batch[k], &err)) {
        check(false, "%s", err.message);
        describe_setup(&batch[k]);
        totals.wrong++;
      }
      gr_error_clear(&err);
    }
    finish_batch(size, done / BATCH % 4 == 3);
    done += size;
    if (n > 1000) fprintf(stderr, "%d: %ld values, %ld undecided, %ld wrong\n", done, totals.values, totals.weak, totals.wrong);
  }
}

typedef bool (*maker)(setup *s, int n, bool f64);

/* precisions: 1 single, 2 double, 3 both, 0 either, by turns. */
static void specials(maker make_case, int count, int precisions, bool as_users) {
  for (int f64 = 0; f64 < 2; f64++) {
    for (int n = 0, k = 0; n < count; n++) {
      gr_error err = {0};
      int turn = precisions ? precisions : 1 << mix((uint64_t)n) % 2;
      bool is = turn & 1 << f64 && make_case(&batch[k], n, f64);
      if (is && !build(&batch[k], &err)) {
        check(false, "%s", err.message);
        describe_setup(&batch[k]);
      }
      gr_error_clear(&err);
      k += is;
      if (k == BATCH || n == count - 1) finish_batch(k, as_users && !f64), k = 0;
    }
  }
}

/* How tight the bounds are, and what never came up. */
static void describe_campaign(void) {
  long all = 0, sum = 0;
  for (int k = 0; k < 64; k++) all += totals.bounds[k];
  for (int k = 0; k < 64; k++) {
    sum += totals.bounds[k];
    if (totals.bounds[k]) printf("bounds up to %g units in the last place: %.1f %%\n", ldexp(1, k - 3), 100.0 * (double)sum / (double)all);
  }
  for (int o = O_Const + 1; o < O_COUNT; o++)
    if (!totals.drawn[o]) printf("never drawn: %s\n", op_names[o]);
}

/* Special values, ties and zeros in every operation and every reduction. */
static void all_specials(bool thorough) {
  int some = thorough ? 3 : 0;
  specials(special_case, 2 * O_COUNT, 3, thorough);
  specials(chain_case, CHAINS * CHAIN_SEEDS, some, thorough);
  specials(derivative_case, 12 * O_COUNT, some, thorough);
  specials(far_case, FAR_CASES, thorough ? 3 : 1, thorough);
  specials(reduction_case, 12 * REDUCTIONS, some, thorough);
}

int main(void) {
  const char *count = getenv("GR_RANDOM"), *from = getenv("GR_SEED"), *special = getenv("GR_SPECIAL");
  uint64_t today = (uint64_t)time(NULL) / 86400 * 100000;
  own_folder();
  signal(SIGSEGV, on_crash);
  signal(SIGABRT, on_crash);
  signal(SIGFPE, on_crash);
  if (special) {
    all_specials(true);
  } else if (count || from) {
    campaign(from ? strtoull(from, NULL, 10) : today, count ? atoi(count) : 1);
  } else {
    all_specials(false);
    campaign(1, 64);
    printf("seed of the day: %llu\n", (unsigned long long)today);
    campaign(today, 64);
  }
  if (totals.values > 1000000) describe_campaign();
  double share = totals.values ? 100.0 * (double)totals.weak / (double)totals.values : 0;
  printf("%ld values compared, %.2f %% undecided\n", totals.values, share);
  check(share < 15, "too many values say nothing: %.2f %%", share);
  return report();
}
