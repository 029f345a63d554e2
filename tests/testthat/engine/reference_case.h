/* reference_case.h: a random call: formula, arguments, reduction and options.  reference_compare.h
 * runs it. */
#ifndef GENRED_REFERENCE_CASE_H
#define GENRED_REFERENCE_CASE_H

#include "check.h"
#include "reference_reduce.h"

typedef struct setup {
  uint64_t seed;
  node *root, *weight;
  reduction red;
  int axis, k, nargs;
  bool f64, short_name;
  const char *scheme, *acc;
  int64_t m, n; /* rows of i and of j */
  bool positions, all_rows, in_formula; /* in_formula: the reduction is part of the formula */
  int order[VARIABLES]; /* the alias list names the arguments in this order */
  variable vars[VARIABLES];
  uint64_t data;
  bool doubles, far;
  text formula, formula2;
  char alias[VARIABLES][64];
  gr_program *program;
} setup;

static long cost_of_pair; /* of the case that is being made */

static const char *const names[] = {"x", "y", "g", "b", "lambda", "x_1", "sigma2", "Y", "A0", "for", "tt", "_z", "w",
                                    "double", "p9", "exponent"};

/* ---- counting ---- */

typedef struct tally {
  long values, weak, wrong;
  long bounds[64]; /* how many bounds are about 2^k units in the last place of the value */
  long drawn[O_COUNT];
} tally;

static tally totals;

static void count_operations(const node *x) {
  totals.drawn[x->o]++;
  for (int k = 0; k < x->kids; k++) count_operations(x->k[k]);
}

static void count_bound(range r) {
  real width = (r.hi - r.lo) / 2, size = fabsl(r.hi + r.lo) / 2;
  if (r.undecided || r.nan || !(width > 0) || !(size > 0) || isinf(width)) return;
  int k = (int)log2l(width / (size * W.ulp)) + 4;
  totals.bounds[k < 0 ? 0 : k > 63 ? 63 : k]++;
}

/* ---- drawing ---- */

static bool uses(const node *x, int var) {
  if (x->o == O_Var && x->n[0] == var) return true;
  for (int k = 0; k < x->kids; k++)
    if (uses(x->k[k], var)) return true;
  return false;
}

static bool used(const setup *s, int var) { return uses(s->root, var) || (s->weight && uses(s->weight, var)); }

static void name_variables(setup *s) {
  int from = roll(16);
  s->nargs = D.n;
  for (int k = 0; k < D.n; k++) {
    s->vars[k] = D.vars[k];
    s->vars[k].unused = !used(s, k);
    snprintf(s->vars[k].name, sizeof s->vars[k].name, "%s", names[(from + 5 * k) % 16]);
    s->order[k] = k;
  }
  s->positions = chance(30);
  for (int k = D.n - 1; s->positions && k > 0; k--) {
    int j = roll(k + 1), t = s->order[k];
    s->order[k] = s->order[j], s->order[j] = t;
  }
}

static void write_aliases(setup *s) {
  static const char *const forms[] = {"Vi", "Vj", "Pm"};
  for (int k = 0; k < s->nargs; k++) {
    const variable *v = &s->vars[s->order[k]];
    const char *gap = chance(60) ? " " : "";
    if (s->positions) snprintf(s->alias[k], sizeof s->alias[k], "%s%s=%s%s(%d,%d)", v->name, gap, gap, forms[v->cat], s->order[k], v->dim);
    else if (v->unused && chance(30)) snprintf(s->alias[k], sizeof s->alias[k], "%s(%d)", forms[v->cat], v->dim);
    else snprintf(s->alias[k], sizeof s->alias[k], "%s%s=%s%s(%d)", v->name, gap, gap, forms[v->cat], v->dim);
  }
}

static void write_formulas(setup *s) {
  print_variables = s->vars, print_positions = s->positions && !plain_print;
  print_formula(&s->formula, s->root);
  if (s->in_formula) {
    text t = s->formula;
    s->formula.n = 0;
    put(&s->formula, "%s_Reduction(%s, %d)", reductions[s->red].name, t.s, s->axis == 1 ? 0 : 1);
  }
  s->formula2.s[0] = 0;
  if (s->weight) print_formula(&s->formula2, s->weight);
}

static void draw_sizes(setup *s) {
  static const int sizes[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 257, 513, 1000, 4099};
  bool vi = false, vj = false;
  int64_t most = 60000 / (cost_of_pair + 1) + 2;
  for (int k = 0; k < s->nargs; k++) vi = vi || s->vars[k].cat == VI, vj = vj || s->vars[k].cat == VJ;
  int64_t *reduced = s->axis == 1 ? &s->n : &s->m, *kept = s->axis == 1 ? &s->m : &s->n;
  do *reduced = sizes[roll(22)];
  while (*reduced > most);
  do *kept = sizes[roll(22)];
  while (*kept > 3 && *kept * *reduced > 20000);
  if (s->axis == 2 && *kept * *reduced > most) *kept = 1 + roll(3);
  if (chance(2)) *reduced = 0;
  if (chance(1)) *kept = 0;
  if (!vi) s->m = 1;
  if (!vj) s->n = 1;
}

static void draw_reduction(setup *s, int depth) {
  static const int common[] = {R_SUM, R_SUM, R_SUM, R_SUM, R_LSE, R_MIN_ARGMIN, R_SOFTMAX, R_KMIN_ARGKMIN};
  static const char *const schemes[] = {"auto", "auto", "direct_sum", "block_sum", "kahan_scheme"};
  static const char *const accs[] = {"auto", "auto", "auto", "float64"};
  s->red = (reduction)(chance(50) ? common[roll(8)] : roll(REDUCTIONS));
  const struct reduction_row *r = &reductions[s->red];
  s->short_name = chance(50);
  s->axis = chance(45) ? 1 : chance(80) ? 0 : 2;
  if (s->axis == 2 && (r->index || r->k)) s->axis = 1;
  s->k = r->k ? (chance(80) ? 1 + roll(6) : chance(80) ? 1 + roll(40) : 1 + roll(200)) : 0;
  s->in_formula = !r->k && !r->weight && s->axis != 2 && chance(10);
  s->scheme = schemes[roll(s->red == R_SUM || s->red == R_MEAN ? 5 : 4)], s->acc = accs[roll(4)];
  s->root = make_tree(r->scalar ? 1 : r->k ? dims[roll(3)] : a_dim(17), depth);
  s->weight = r->weight ? make_tree(a_dim(5), depth - 1) : NULL;
}

static void draw_setup(setup *s, uint64_t from) {
  memset(s, 0, sizeof *s);
  memset(&D, 0, sizeof D);
  s->seed = from;
  dice = mix(from);
  D.data = mix(dice), D.f64 = s->f64 = chance(50), D.doubles = chance(20), D.derivatives = chance(85) ? 2 : 3;
  s->data = D.data, s->doubles = D.doubles;
  draw_reduction(s, 1 + roll(4));
  if (chance(20) && D.n < VARIABLES) new_variable(1 + roll(3), GENERAL);
  E.work = 0;
  num out[DIM_MAX];
  E.vars = D.vars, E.perturbations = 0, work_in(s->f64);
  memset(E.row, 0, sizeof E.row), E.far = false;
  eval(s->root, out);
  if (s->weight) eval(s->weight, out);
  cost_of_pair = E.work;
  count_operations(s->root);
  name_variables(s);
  write_aliases(s);
  write_formulas(s);
  draw_sizes(s);
}

static void fill_data(setup *s) {
  D.data = s->data, D.doubles = s->doubles, D.far = s->far, D.f64 = s->f64;
  for (int k = 0; k < s->nargs; k++) {
    variable *v = &s->vars[k];
    v->rows = v->cat == VI ? s->m : v->cat == VJ ? s->n : 1;
    v->stride = v->cat == PM ? 1 : v->rows + (int64_t)(mix(s->data + (uint64_t)k) % 3);
    v->data = malloc(sizeof *v->data * (size_t)(v->stride * v->dim + 1));
    for (int64_t i = 0; i < v->stride * v->dim; i++) v->data[i] = NAN;
    for (int64_t r = 0; r < v->rows; r++)
      for (int c = 0; c < v->dim; c++) v->data[r + c * v->stride] = number(k, v->how, r, c);
  }
}

static void free_data(setup *s) {
  for (int k = 0; k < s->nargs; k++) {
    free(s->vars[k].data);
    s->vars[k].data = NULL;
  }
}

/* ---- telling ---- */

static void describe_setup(const setup *s) {
  const struct reduction_row *r = &reductions[s->red];
  printf("  seed %llu: %s(%s%s%s)", (unsigned long long)s->seed, s->short_name ? r->other : r->name, s->formula.s,
         s->weight ? " ; " : "", s->formula2.s);
  printf("\n  aliases:");
  for (int k = 0; k < s->nargs; k++) printf(" \"%s\"", s->alias[k]);
  printf("\n  axis %d, k %d, %s, scheme %s, acc %s, %lld x %lld\n", s->axis, s->k, s->f64 ? "float64" : "float32", s->scheme, s->acc,
         (long long)s->m, (long long)s->n);
}

static bool build(setup *s, gr_error *err) {
  const char *alias[VARIABLES];
  for (int k = 0; k < s->nargs; k++) alias[k] = s->alias[k];
  const struct reduction_row *r = &reductions[s->red];
  const char *name = s->in_formula ? NULL : s->short_name ? r->other : r->name;
  gr_spec spec = {.formula = s->formula.s, .formula2 = s->weight ? s->formula2.s : NULL, .aliases = alias, .n_aliases = s->nargs,
                  .reduction = name, .axis = s->in_formula ? -1 : s->axis, .opt_arg = s->k, .has_opt_arg = s->k != 0,
                  .dtype = s->f64 ? "float64" : "float32", .dtype_acc = s->acc, .sum_scheme = s->scheme};
  return gr_program_new(&spec, &s->program, err) == GR_OK;
}

#include "reference_compare.h"

#endif
