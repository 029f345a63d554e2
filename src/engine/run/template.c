/* template.c: programs whose aliases leave dimensions open, "x = Vi".
 *
 * A template has an outline, which is what can be known and checked without dimensions
 * (program.c), and one program for each choice of them, made when it is first asked for: the
 * program of the same specification with the dimensions written behind the open aliases, "x = Vi"
 * as "x = Vi(3)", which therefore has the kernels of a program that was declared so.
 *
 * A program has two holders, the template and whoever asked for it: where the template drops the
 * least recently used one, it stays as long as the other needs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/run.h"

enum {
  PROGRAMS = 64, /* that a template holds */
  NAMED = 12     /* arguments whose dimensions a message names */
};

typedef struct member {
  gr_program *program;
  int64_t used; /* when it was last asked for */
} member;

struct gr_template {
  gr_program *outline;
  int *dims; /* of the arguments of member k: from k * nargs on */
  member member[PROGRAMS];
  int n;
  int64_t clock; /* counts what was asked for */
};

/* ---- dimensions ---- */

static int64_t columns(const gr_template *t, const gr_array *args, int k) {
  (void)t;
  return args[k].cols;
}

/* N columns for each component; where no Vj tells N, there is one component.  Columns that do not
 * fit are left to the program to refuse. */
static int64_t components(const gr_template *t, const gr_array *args, int k) {
  int64_t n = 0;
  for (int i = 0; i < gr_template_nargs(t) && n == 0; i++)
    if (gr_template_arg(t, i).category == GR_VJ) n = args[i].rows;
  return n > 0 && args[k].cols > n ? args[k].cols / n : 1;
}

/* How an argument tells its dimension, by category. */
static const struct {
  int64_t (*dim)(const gr_template *t, const gr_array *args, int k);
  const char *unit;
} open_rules[] = {[GR_VI] = {columns, "columns"},
                  [GR_VJ] = {columns, "columns"},
                  [GR_PM] = {columns, "numbers"},
                  [GR_MIJ] = {components, "components"}};

static const gr_arg *arg_of(const gr_template *t, int k) { return &t->outline->args.arg[k]; }

static gr_class check_dim(const gr_arg *a, int64_t dim, gr_error *err) {
  if (!a->open || (dim >= 1 && dim <= GR_MAX_DIM)) return GR_OK;
  return gr_fail(err, ERR_OpenDim, a->name, GR_MAX_DIM, open_rules[a->cat].unit, (long long)dim);
}

static gr_class read_dims(const gr_template *t, const gr_array *args, int *dims, gr_error *err) {
  for (int k = 0; k < gr_template_nargs(t); k++) {
    const gr_arg *a = arg_of(t, k);
    int64_t dim = a->open ? open_rules[a->cat].dim(t, args, k) : a->dim;
    if (check_dim(a, dim, err) != GR_OK) return err->cls;
    dims[k] = (int)dim;
  }
  return GR_OK;
}

/* ---- programs ---- */

/* The aliases with their dimensions, in one block to free; NULL without memory. */
static const char **closed_aliases(const gr_template *t, const int *dims) {
  const gr_spec *s = &t->outline->spec;
  size_t list = (size_t)(s->n_aliases + 1) * sizeof(char *), size = list, digits = 16;
  for (int k = 0; k < s->n_aliases; k++) size += strlen(s->aliases[k]) + digits;
  const char **alias = malloc(size);
  if (!alias) return NULL;
  char *to = (char *)alias + list;
  for (int k = 0; k < s->n_aliases; k++) {
    size_t room = strlen(s->aliases[k]) + digits;
    alias[k] = to;
    if (strchr(s->aliases[k], '('))
      snprintf(to, room, "%s", s->aliases[k]);
    else
      snprintf(to, room, "%s(%d)", s->aliases[k], dims[k]);
    to += room;
  }
  return alias;
}

/* Adds to an error which dimensions the arguments had. */
static void add_dims(const gr_template *t, const int *dims, gr_error *err) {
  int named = 0;
  for (int k = 0; k < gr_template_nargs(t) && named < NAMED; k++) {
    const gr_arg *a = arg_of(t, k);
    if (!a->open) continue;
    gr_append(err, "%s%s = %s(%d)", named ? ", " : "\nwith the dimensions of the arguments: ", a->name,
              gr_category_word(a->cat), dims[k]);
    if (++named == NAMED) gr_append(err, ", ...");
  }
  gr_whole_characters(err->message);
}

gr_class gr_template_fill(const gr_template *t, const int *dims, gr_program **out, gr_error *err) {
  if (!t || !dims || !out)
    return gr_fail(err, ERR_Null, !t     ? "the template"
                                  : !out ? "the place for the program"
                                         : "the list of dimensions");
  *out = NULL;
  err->cls = GR_OK;
  for (int k = 0; k < gr_template_nargs(t); k++)
    if (check_dim(arg_of(t, k), dims[k], err) != GR_OK) return err->cls;
  const char **alias = closed_aliases(t, dims);
  if (!alias) return gr_fail(err, ERR_NoMemory, "aliases", (long long)gr_template_nargs(t));
  gr_spec spec = t->outline->spec;
  spec.aliases = alias;
  if (gr_program_new(&spec, out, err) != GR_OK) add_dims(t, dims, err);
  free(alias);
  return err->cls;
}

static int *dims_of(const gr_template *t, int member) {
  return t->dims + (size_t)member * (size_t)gr_template_nargs(t);
}

/* The place of the member with these dimensions, or -1. */
static int find(const gr_template *t, const int *dims) {
  size_t size = (size_t)gr_template_nargs(t) * sizeof *dims;
  for (int k = 0; k < t->n; k++)
    if (memcmp(dims_of(t, k), dims, size) == 0) return k;
  return -1;
}

/* A free place, or that of the member that was not asked for the longest. */
static int place(gr_template *t) {
  if (t->n < PROGRAMS) return t->n++;
  int oldest = 0;
  for (int k = 1; k < PROGRAMS; k++)
    if (t->member[k].used < t->member[oldest].used) oldest = k;
  gr_program_free(t->member[oldest].program);
  return oldest;
}

/* The program of dims, which are a row of the table beyond its members. */
static gr_class program_of(gr_template *t, const int *dims, gr_program **out, gr_error *err) {
  int at = find(t, dims);
  if (at < 0) {
    if (gr_template_fill(t, dims, out, err) != GR_OK) return err->cls;
    at = place(t);
    memcpy(dims_of(t, at), dims, (size_t)gr_template_nargs(t) * sizeof *dims);
    t->member[at].program = *out;
  }
  t->member[at].used = ++t->clock;
  *out = t->member[at].program;
  (*out)->users++;
  return GR_OK;
}

gr_class gr_template_program(gr_template *t, const gr_array *args, int n_args, gr_program **out,
                           gr_error *err) {
  err->cls = GR_OK;
  if (!out) return gr_fail(err, ERR_Null, "the place for the program");
  *out = NULL;
  if (!t || (n_args > 0 && !args))
    return gr_fail(err, ERR_Null, t ? "the list of arguments" : "the template");
  if (gr_check_count(t->outline, n_args, err) != GR_OK) return err->cls;
  int *dims = dims_of(t, PROGRAMS);
  return read_dims(t, args, dims, err) == GR_OK ? program_of(t, dims, out, err) : err->cls;
}

/* ---- the template itself ---- */

gr_class gr_template_new(const gr_spec *spec, gr_template **out, gr_error *err) {
  if (!out) return gr_fail(err, ERR_Null, "the place for the template");
  *out = NULL;
  gr_template *t = calloc(1, sizeof *t);
  if (!t) return gr_fail(err, ERR_NoMemory, "template", (long long)sizeof *t);
  if (gr_outline_new(spec, &t->outline, err) == GR_OK) {
    t->dims = calloc((size_t)(PROGRAMS + 1) * (size_t)(gr_template_nargs(t) + 1), sizeof *t->dims);
    if (!t->dims) gr_fail(err, ERR_NoMemory, "template", (long long)gr_template_nargs(t));
  }
  if (err->cls == GR_OK)
    *out = t;
  else
    gr_template_free(t);
  return err->cls;
}

void gr_template_free(gr_template *t) {
  if (!t) return;
  for (int k = 0; k < t->n; k++) gr_program_free(t->member[k].program);
  gr_program_free(t->outline);
  free(t->dims);
  free(t);
}

int gr_dim_limit(void) { return GR_MAX_DIM; }

int gr_template_nargs(const gr_template *t) { return t ? gr_program_nargs(t->outline) : 0; }

gr_arg_info gr_template_arg(const gr_template *t, int k) {
  return gr_program_arg(t ? t->outline : NULL, k);
}

gr_result_info gr_template_result(const gr_template *t) {
  return gr_program_result(t ? t->outline : NULL);
}

gr_class gr_template_dump(const gr_template *t, const char *stage, char **text, gr_error *err) {
  return t ? gr_program_dump(t->outline, stage, text, err) : gr_fail(err, ERR_Null, "the template");
}
