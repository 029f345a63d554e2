/* program.c: a program's life up to its plan: the pipeline from top to bottom is gr_program_new.
 *
 * A program is one arena.  Compiler stages throw; the throw lands in protected(), the only
 * setjmp.  An outline (gr_outline_new) is a program whose aliases may leave dimensions open: the
 * pipeline ends before the graph, and what follows from dimensions is 0 or not there. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/kernels.h"

/* Runs body(p) so that a throw inside fills err. */
static gr_class protected(gr_program *p, gr_error *err, void (*body)(gr_program *, void *),
                          void *data) {
  jmp_buf top;
  p->ctx = (gr_ctx){.top = &top, .err = err, .arena = &p->arena};
  p->arena.ctx = &p->ctx;
  if (setjmp(top) == 0) {
    err->cls = GR_OK;
    body(p, data);
  }
  p->ctx.top = NULL;
  p->arena.ctx = NULL;
  return err->cls;
}

/* ---- the specification ---- */

static const char *copy(gr_program *p, const char *s) {
  return s ? gr_strndup(&p->arena, s, strlen(s)) : NULL;
}

static void copy_spec(gr_program *p, const gr_spec *spec) {
  gr_spec *s = &p->spec;
  *s = *spec;
  s->formula = copy(p, spec->formula);
  s->formula2 = copy(p, spec->formula2);
  s->reduction = copy(p, spec->reduction);
  s->dtype = copy(p, spec->dtype);
  s->dtype_acc = copy(p, spec->dtype_acc);
  s->sum_scheme = copy(p, spec->sum_scheme);
  const char **alias = gr_alloc(&p->arena, (size_t)(spec->n_aliases + 1) * sizeof *alias);
  for (int k = 0; k < spec->n_aliases; k++) alias[k] = copy(p, spec->aliases[k]);
  s->aliases = alias;
}

/* The index of `value` among `choices`, which end with NULL; else throws. */
static int choice(gr_ctx *c, const char *what, const char *value, const char *const *choices) {
  gr_str list = {.arena = c->arena};
  for (int k = 0; choices[k]; k++) {
    if (value && strcmp(value, choices[k]) == 0) return k;
    gr_putf(&list, "%s\"%s\"", k ? ", " : "", choices[k]);
  }
  gr_throw(c, NULL, NULL, ERR_Choice, what, list.s, value ? value : "");
}

/* ---- a reduction named in the formula, in reduction_op, or both ---- */

static gr_red choose_reduction(gr_program *p, const gr_written *w) {
  gr_ctx *c = &p->ctx;
  const char *name = p->spec.reduction ? p->spec.reduction : w->name ? w->name : "Sum";
  int red = gr_red_find(name), n;
  if (red < 0) {
    const char *const *known = gr_red_names(&n);
    gr_throw(c, NULL, gr_nearest(c->arena, name, known, n), ERR_Reduction, name);
  }
  if (w->name && red != gr_red_find(w->name))
    gr_throw(c, &w->span, NULL, ERR_ReductionTwice, w->name, name);
  return (gr_red)red;
}

/* The tag names the category of the result: 0, by i, so that j is reduced, which is axis 1. */
static int choose_axis(gr_program *p, const gr_written *w) {
  int axis = p->spec.axis;
  if (axis < -1 || axis > 2) gr_throw(&p->ctx, NULL, NULL, ERR_AxisRange, axis);
  if (!w->name) return axis < 0 ? 0 : axis;
  int asked = 1 - w->tag;
  if (axis >= 0 && axis != asked)
    gr_throw(&p->ctx, &w->span, NULL, ERR_AxisTwice, w->tag ? "j" : "i", asked, axis);
  p->note = gr_format(
      &p->arena, "`%s_Reduction(..., %d)` is read as: result by %s, reduced over %s (axis = %d)",
      w->name, w->tag, w->tag ? "j" : "i", w->tag ? "i" : "j", asked);
  return asked;
}

static int choose_k(gr_program *p, const gr_redinfo *red, const gr_written *w) {
  bool given = p->spec.has_opt_arg || (w->name && red->needs_k);
  int k = p->spec.has_opt_arg ? p->spec.opt_arg : w->k;
  if (!red->needs_k && given) gr_throw(&p->ctx, NULL, NULL, ERR_NoOptArg, red->name);
  if (red->needs_k && !given) gr_throw(&p->ctx, NULL, NULL, ERR_OptArg, red->name);
  if (red->needs_k && (k < 1 || k > GR_MAX_K))
    gr_throw(&p->ctx, NULL, NULL, ERR_OptArgRange, GR_MAX_K, k);
  return k;
}

/* ---- what is asked for ---- */

static bool choose_precision(gr_program *p) {
  static const char *const types[] = {"float32", "float64", NULL};
  return choice(&p->ctx, "dtype", p->spec.dtype, types) == 1;
}

static void choose_sums(gr_program *p, gr_request *ask, const gr_redinfo *red) {
  static const char *const accs[] = {"auto", "float32", "float64", NULL};
  static const char *const schemes[] = {"auto", "block_sum", "direct_sum", "kahan_scheme", NULL};
  static const gr_scheme scheme[] = {SUM_BLOCK, SUM_BLOCK, SUM_DIRECT, SUM_KAHAN};
  gr_ctx *c = &p->ctx;
  ask->f64 = p->dag->f64;
  int acc = choice(c, "dtype_acc", p->spec.dtype_acc, accs);
  if (ask->f64 && acc == 1)
    gr_throw(c, NULL, NULL, ERR_Choice, "dtype_acc with dtype = \"float64\"",
             "\"auto\", \"float64\"", "float32");
  ask->acc64 = !ask->f64 && (acc == 2 || p->spec.use_double_acc);
  ask->scheme = scheme[choice(c, "sum_scheme", p->spec.sum_scheme, schemes)];
  if (ask->scheme == SUM_KAHAN && !gr_has_trait(red->family, GR_PLAIN_SUMS))
    gr_throw(c, NULL, NULL, ERR_Choice, gr_format(c->arena, "sum_scheme of %s", red->name),
             "\"auto\", \"block_sum\", \"direct_sum\"", "kahan_scheme");
}

static void parse_weight(gr_program *p, const gr_redinfo *red, const gr_written *w) {
  const char *formula2 = p->spec.formula2;
  p->ast2 = formula2 ? gr_parse(&p->ctx, formula2, "formula2") : (gr_ast *)w->formula2;
  if (p->ast2 && red->weight == NEED_N) gr_throw(&p->ctx, NULL, NULL, ERR_NoWeight, red->name);
  if (!p->ast2 && red->weight == NEED_Y) gr_throw(&p->ctx, NULL, NULL, ERR_Weight, red->name);
}

/* What is reduced in place of f, by the row of the reduction (reds.h). */
static gr_ref rewrite_formula(gr_program *p, const gr_redinfo *red, gr_ref f, gr_ref w) {
  gr_scope s = {.expr = {f, w}, .at = p->dag->node[f].span};
  if (!red->formula || (red->weight != NEED_N && w < 0)) return f;
  if (w >= 0) s.e = gr_mk_const(p->dag, &s.at, -INFINITY);
  return gr_bind_text(p->dag, &s, red->formula);
}

/* Formula and weight as they are reduced; throws where they do not fit the reduction. */
static void bind_formulas(gr_program *p, gr_request *ask, const gr_redinfo *red,
                          const gr_written *w) {
  ask->root = gr_bind(p->dag, &p->args, w->formula);
  parse_weight(p, red, w);
  ask->weight = p->ast2 ? gr_bind(p->dag, &p->args, p->ast2) : -1;
  gr_check_args(&p->ctx, &p->args);
  const gr_node *f = &p->dag->node[ask->root];
  if (gr_has_trait(red->family, GR_SCALAR_FORMULA) && f->dim != 1)
    gr_throw(&p->ctx, &f->span, NULL, ERR_ScalarNeeded, red->name, f->dim);
  ask->root = rewrite_formula(p, red, ask->root, ask->weight);
}

static int dim_of(const gr_program *p, gr_ref r) { return r < 0 ? 0 : p->dag->node[r].dim; }

static void size_reduction(gr_program *p, gr_request *ask, gr_red red, int k, int dim,
                           int weight_dim) {
  gr_ctx *c = &p->ctx;
  gr_reduction_init(&ask->red, red, dim, weight_dim, k, ask->scheme == SUM_KAHAN);
  if (ask->red.nstate > GR_MAX_NUMBERS)
    gr_throw(c, NULL, NULL, ERR_StateLimit, gr_reds[red].name, GR_MAX_NUMBERS, dim,
             k ? gr_format(c->arena, ", K = %d", k) : "");
  if (ask->both && (ask->red.index || gr_has_trait(ask->red.family, GR_KEEPS_LISTS)))
    gr_throw(c, NULL, NULL, ERR_BothIndex, gr_reds[red].name);
}

static void find_numbers(gr_program *p, const gr_request *ask) {
  const bool *live = gr_live(p->dag, ask->root, ask->weight, &p->arena);
  for (gr_ref r = 0; r < p->dag->n; r++) {
    const gr_opinfo *op = &gr_ops[p->dag->node[r].op];
    if (!live[r] || op->kind != KIND_INDEX) continue;
    p->numbered |= op->cats;
    if (op->cats != (CAT_I | CAT_J)) p->counted |= op->cats;
  }
}

/* Most calls take a plan of the lowered graph.  Those of the graph as written serve the
 * interpreter, and kernels where the lowered graph does not hold for the parameters of a call. */
static void lower(gr_program *p, gr_request ask) {
  p->ask[1] = ask;
  ask.root = gr_lower(p->dag, ask.root, &p->guard);
  if (ask.weight >= 0) ask.weight = gr_lower(p->dag, ask.weight, &p->guard);
  gr_condition_init(&p->condition, &p->guard, p->dag, &p->args);
  p->ask[0] = ask;
}

/* One of the plans, made at its first need; throws. */
static gr_plan *plan_of(gr_program *p, int k) {
  bool written = k & PLAN_WRITTEN;
  bool same = p->ask[1].root == p->ask[0].root && p->ask[1].weight == p->ask[0].weight;
  if (p->plans[k]) return p->plans[k];
  if (written && same) return p->plans[k] = plan_of(p, k - PLAN_WRITTEN);
  if (k & PLAN_FEW) return p->plans[k] = gr_plan_by_columns(&p->ctx, plan_of(p, k - PLAN_FEW));
  return p->plans[k] = gr_plan_new(&p->ctx, &p->ask[written]);
}

/* What does not depend on dimensions. */
typedef struct reading {
  gr_written w;
  gr_red red;
  int k;
  gr_request ask;
} reading;

static reading read_spec(gr_program *p) {
  gr_ctx *c = &p->ctx;
  reading r;
  p->ast = gr_parse(c, p->spec.formula, "formula");
  r.w = gr_read_reduction(c, p->ast);
  r.red = choose_reduction(p, &r.w);
  r.k = choose_k(p, &gr_reds[r.red], &r.w);
  p->dag = gr_dag_new(c, choose_precision(p));
  int axis = choose_axis(p, &r.w);
  r.ask = (gr_request){
      .dag = p->dag, .args = &p->args, .axis = axis == 0 ? 0 : 1, .both = axis == 2};
  return r;
}

/* The whole pipeline: text -> syntax tree -> graph (folded as it is made) -> plans.  Emission
 * waits for the first need. */
static void build(gr_program *p, void *data) {
  gr_ctx *c = &p->ctx;
  copy_spec(p, data);
  gr_bind_aliases(c, p->spec.aliases, p->spec.n_aliases, &p->args);
  gr_check_closed(c, &p->args);
  reading r = read_spec(p);
  gr_request *ask = &r.ask;
  bind_formulas(p, ask, &gr_reds[r.red], &r.w);
  choose_sums(p, ask, &gr_reds[r.red]);
  if (!ask->f64) gr_find_groups(p->dag, &p->args, ask->root, ask->weight);
  size_reduction(p, ask, r.red, r.k, dim_of(p, ask->root), dim_of(p, ask->weight));
  find_numbers(p, ask);
  lower(p, *ask);
  p->plan = plan_of(p, 0);
}

/* The pipeline as far as it goes without dimensions. */
static void outline(gr_program *p, void *data) {
  gr_ctx *c = &p->ctx;
  copy_spec(p, data);
  gr_bind_aliases(c, p->spec.aliases, p->spec.n_aliases, &p->args);
  reading r = read_spec(p);
  p->numbered = gr_check_names(p->dag, &p->args, r.w.formula);
  parse_weight(p, &gr_reds[r.red], &r.w);
  if (p->ast2) p->numbered |= gr_check_names(p->dag, &p->args, p->ast2);
  gr_check_args(c, &p->args);
  choose_sums(p, &r.ask, &gr_reds[r.red]);
  size_reduction(p, &r.ask, r.red, r.k, 1, 1);
  bool known = gr_has_trait(r.ask.red.family, GR_SCALAR_FORMULA) && !p->ast2;
  if (!known) r.ask.red.out_dim = 0;
  p->ask[0] = p->ask[1] = r.ask;
}

static gr_class make(const gr_spec *spec, void (*pipeline)(gr_program *, void *), gr_program **out,
                     gr_error *err) {
  *out = NULL;
  if (gr_validate_spec(spec, err) != GR_OK) return err->cls;
  gr_program *p = calloc(1, sizeof *p);
  if (!p) return gr_fail(err, ERR_NoMemory, "program", (long long)sizeof *p);
  p->users = 1;
  if (protected(p, err, pipeline, (void *)spec) != GR_OK) {
    gr_program_free(p);
    return err->cls;
  }
  *out = p;
  return GR_OK;
}

gr_class gr_program_new(const gr_spec *spec, gr_program **out, gr_error *err) {
  if (!out) return gr_fail(err, ERR_Null, "the place for the program");
  return make(spec, build, out, err);
}

gr_class gr_outline_new(const gr_spec *spec, gr_program **out, gr_error *err) {
  return make(spec, outline, out, err);
}

void gr_program_free(gr_program *p) {
  if (!p || --p->users > 0) return;
  gr_program_let_go(p);
  gr_arena_free(&p->arena);
  free(p);
}

/* ---- asking about it ---- */

int gr_program_nargs(const gr_program *p) { return p ? p->args.n : 0; }

gr_arg_info gr_program_arg(const gr_program *p, int k) {
  if (k < 0 || k >= gr_program_nargs(p)) return (gr_arg_info){.name = NULL};
  const gr_arg *a = &p->args.arg[k];
  return (gr_arg_info){.name = a->name, .category = a->cat, .dim = a->dim};
}

gr_result_info gr_program_result(const gr_program *p) {
  if (!p) return (gr_result_info){.n = 0};
  const gr_request *ask = &p->ask[0];
  const gr_reduction *r = &ask->red;
  bool by_i = ask->axis == 1;
  gr_result_info info = {.reduction = gr_reds[r->red].name,
                         .axis = ask->both ? 2 : ask->axis,
                         .dim = r->out_dim,
                         .k = gr_reds[r->red].needs_k ? r->k : 0,
                         .n = r->nout,
                         .numbers = {(p->numbered & (by_i ? CAT_I : CAT_J)) != 0,
                                     (p->numbered & (by_i ? CAT_J : CAT_I)) != 0},
                         .dtype = ask->f64 ? "float64" : "float32",
                         .note = p->note};
  info.is_index[info.n - 1] = r->index; /* indices come last */
  return info;
}

/* ---- the stages as text ---- */

/* What the emitted kernel has on top. */
static const char *title(const gr_program *p, gr_arena *a) {
  gr_str b = {.arena = a};
  const gr_plan *plan = p->plan;
  const char *over = plan->ask.both ? "i and j" : plan->ask.axis == 1 ? "j" : "i";
  gr_putf(&b, "genred: %s over %s of\n  %s", gr_reds[plan->ask.red.red].name, over,
          p->spec.formula);
  if (p->spec.formula2) gr_putf(&b, "\nwith weight\n  %s", p->spec.formula2);
  gr_put(&b, p->args.n ? "\nwhere\n " : "");
  for (int k = 0; k < p->args.n; k++)
    gr_putf(&b, "%s %s = %s(%d)", k ? "," : "", p->args.arg[k].name,
            gr_category_word(p->args.arg[k].cat), p->args.arg[k].dim);
  return b.s;
}

static void make_plan(gr_program *p, void *data) { plan_of(p, *(const int *)data); }

gr_class gr_program_plan(gr_program *p, int plan, gr_error *err) {
  err->cls = GR_OK;
  return p->plans[plan] ? GR_OK : protected(p, err, make_plan, &plan);
}

typedef struct text_data {
  int plan;
  const char *text;
} text_data;

static void make_text(gr_program *p, void *data) {
  text_data *d = data;
  d->text = gr_emit_c(&p->ctx, plan_of(p, d->plan), title(p, &p->arena));
}

gr_class gr_program_text(gr_program *p, int plan, const char **text, gr_error *err) {
  text_data d = {.plan = plan};
  if (protected(p, err, make_text, &d) == GR_OK) *text = d.text;
  return err->cls;
}

static void make_cuda(gr_program *p, void *data) {
  bool written = *(const bool *)data;
  p->cuda[written] = gr_plan_cuda(&p->ctx, plan_of(p, written ? PLAN_WRITTEN : 0));
  p->cuda_text[written] = gr_emit_cuda(&p->ctx, p->cuda[written], title(p, &p->arena));
}

gr_class gr_program_cuda(gr_program *p, bool written, const char **text, gr_cuda_layout *layout,
                         gr_error *err) {
  err->cls = GR_OK;
  if (!p->cuda_text[written] && protected(p, err, make_cuda, &written) != GR_OK) return err->cls;
  *text = p->cuda_text[written];
  *layout = gr_cuda_layout_of(p->cuda[written]);
  return GR_OK;
}

typedef struct joint_data {
  gr_wanted *const *wanted;
  int n;
  gr_str text;
} joint_data;

static void make_joint(gr_program *view, void *data) {
  joint_data *d = data;
  gr_member *m = gr_alloc(&view->arena, (size_t)d->n * sizeof *m);
  for (int k = 0; k < d->n; k++) {
    const gr_program *p = d->wanted[k]->program;
    char *tail = gr_strndup(&view->arena, d->wanted[k]->key, GR_TAIL);
    m[k] = (gr_member){p->plans[d->wanted[k]->few ? PLAN_FEW : 0], title(p, &view->arena), tail};
  }
  d->text.arena = &view->arena;
  gr_put(&d->text, gr_emit_joint(&view->ctx, m, d->n));
}

/* A copy that outlives the arena, malloc'ed, or NULL. */
static char *taken(const gr_str *s, gr_error *err) {
  char *text = malloc(s->n + 1);
  if (text)
    memcpy(text, s->s ? s->s : "", s->n + 1);
  else
    gr_fail(err, ERR_NoMemory, "text", (long long)s->n + 1);
  return text;
}

gr_class gr_programs_text(gr_wanted *const *wanted, int n, char **text, gr_error *err) {
  gr_program view = {.note = NULL};
  joint_data d = {.wanted = wanted, .n = n};
  *text = NULL;
  if (protected(&view, err, make_joint, &d) == GR_OK) *text = taken(&d.text, err);
  gr_arena_free(&view.arena);
  return err->cls;
}

static void dump_tokens(gr_program *p, gr_str *b) {
  int n;
  gr_token *t = gr_lex(&p->ctx, p->spec.formula, "formula", &n);
  gr_print_tokens(b, t, n);
}

static void dump_ast(gr_program *p, gr_str *b) {
  gr_print_ast(b, p->ast);
  gr_put(b, "\n");
}

static void dump_dag(gr_program *p, gr_str *b) {
  gr_print_dag(b, p->dag, p->plan->ask.root, p->plan->ask.weight, &p->args);
}
static void dump_plan(gr_program *p, gr_str *b) { gr_print_plan(b, p->plan); }
static void dump_c(gr_program *p, gr_str *b) {
  gr_put(b, gr_emit_c(&p->ctx, p->plan, title(p, &p->arena)));
}
static void dump_cuda(gr_program *p, gr_str *b) {
  gr_put(b, gr_emit_cuda(&p->ctx, gr_plan_cuda(&p->ctx, p->plan), title(p, &p->arena)));
}

static const struct {
  const char *name;
  bool outlines; /* have it, too */
  void (*dump)(gr_program *, gr_str *);
} stages[] = {{"tokens", true, dump_tokens}, {"ast", true, dump_ast}, {"dag", false, dump_dag},
              {"plan", false, dump_plan},    {"c", false, dump_c},    {"cuda", false, dump_cuda}};

/* "`x`, `y`": the arguments whose dimension is open. */
static const char *open_names(const gr_program *p, gr_arena *a) {
  gr_str b = {.arena = a};
  for (int k = 0; k < p->args.n; k++)
    if (p->args.arg[k].open) gr_putf(&b, "%s`%s`", b.n ? ", " : "", p->args.arg[k].name);
  return b.s;
}

typedef struct dump_data {
  const char *stage;
  gr_str text;
} dump_data;

static void dump(gr_program *p, void *data) {
  dump_data *d = data;
  d->text = (gr_str){.arena = &p->arena};
  for (size_t k = 0; k < sizeof stages / sizeof *stages; k++) {
    if (strcmp(stages[k].name, d->stage) != 0) continue;
    if (!p->plan && !stages[k].outlines)
      gr_throw(&p->ctx, NULL, NULL, ERR_OpenStage, d->stage, open_names(p, &p->arena));
    stages[k].dump(p, &d->text);
    return;
  }
  gr_throw(&p->ctx, NULL, NULL, ERR_Stage, d->stage);
}

/* The text is made in an arena of its own, which is dropped again: a program does not grow by
 * being looked at. */
gr_class gr_program_dump(const gr_program *p, const char *stage, char **text, gr_error *err) {
  const char *missing = !p       ? "the program"
                        : !stage ? "the stage"
                        : !text  ? "the place for the text"
                                 : NULL;
  if (missing) return gr_fail(err, ERR_Null, missing);
  gr_program view = *p;
  view.arena = (gr_arena){0};
  dump_data d = {.stage = stage};
  *text = NULL;
  if (protected(&view, err, dump, &d) == GR_OK) *text = taken(&d.text, err);
  gr_arena_free(&view.arena);
  return err->cls;
}
