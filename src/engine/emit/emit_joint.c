/* emit_joint.c: several kernels as one text for one run of the compiler.
 *
 * One prelude, with the groups that any of them needs; behind it each kernel's own text as it stands in a file of its own.  In front
 * of that, the preprocessor is told to give a tail to every name that the text puts into the scope of the file
 * (`#define pairs pairs_TAIL`); after it, to forget this and the text's own macros.  The names are read off the text itself, so that
 * emitters need no list of them.  A name that is a local one in the same kernel, too, gets the tail there as well, which changes nothing.
 * Assumes of a kernel's own text, as the emitters write it: what stands in the scope of the file begins its line, what does not is
 * indented; a function's name is followed by a parenthesis at once, and no other one comes before; an enumeration has one line.  (Where
 * that does not hold, the joint text does not compile, and kernels are compiled alone.)
 * Guarantees that a kernel means what it means alone: the options of GR_MIX, which hold to the end of the file, are taken back. */
#include <string.h>

#include "emit/emitter.h"

/* What is done with a name of the file's scope. */
typedef void name_fn(gr_str *out, const char *name, int len, const char *tail);

static void give_tail(gr_str *out, const char *name, int len, const char *tail) {
  gr_putf(out, "#define %.*s %.*s_%s\n", len, name, len, name, tail);
}

static void forget(gr_str *out, const char *name, int len, const char *tail) {
  (void)tail;
  gr_putf(out, "#undef %.*s\n", len, name);
}

static bool is_word(char c) { return gr_is_letter(c) || gr_is_digit(c) || c == '_'; }
static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* The length of the word that ends before `end`, in a text that begins at `line`. */
static int word_before(const char *line, const char *end) {
  int n = 0;
  while (end - n > line && is_word(end[-n - 1])) n++;
  return n;
}

/* enum { A = 1, B = A }: what stands before each sign =.  (Comparisons have two, or another before it.) */
static void names_of_enum(gr_str *out, const char *line, const char *end, name_fn *f, const char *tail) {
  for (const char *s = line; s < end; s++) {
    if (!starts(s, " = ")) continue;
    int len = word_before(line, s);
    f(out, s - len, len, tail);
  }
}

/* typedef long long int64; typedef T group __attribute__((...)): the word at the end, or before the attribute. */
static void name_of_type(gr_str *out, const char *line, const char *end, name_fn *f, const char *tail) {
  const char *s = strstr(line, " __attribute__");
  if (!s || s > end) s = memchr(line, ';', (size_t)(end - line));
  if (!s) return; /* a structure: its closing line names it */
  int len = word_before(line, s);
  f(out, s - len, len, tail);
}

/* `static V pairs(...`: what stands before the first parenthesis. */
static void name_of_function(gr_str *out, const char *line, const char *end, name_fn *f, const char *tail) {
  const char *s = memchr(line, '(', (size_t)(end - line));
  int len = s ? word_before(line, s) : 0;
  if (len) f(out, s - len, len, tail);
}

/* } name; */
static void name_of_struct(gr_str *out, const char *line, const char *end, name_fn *f, const char *tail) {
  int len = word_before(line, end - 1);
  if (len && end[-1] == ';') f(out, end - 1 - len, len, tail);
}

static const struct {
  const char *starts;
  void (*names)(gr_str *out, const char *line, const char *end, name_fn *f, const char *tail);
} kinds[] = {{"enum ", names_of_enum}, {"typedef ", name_of_type}, {"}", name_of_struct}, {"", name_of_function}};

/* Calls f for each name that a line at the scope of the file makes, but for macros. */
static void names_of_line(gr_str *out, const char *line, const char *end, name_fn *f, const char *tail) {
  if (line == end || strchr(" #/", *line)) return; /* inside a function; preprocessor; comment */
  size_t k = 0;
  while (!starts(line, kinds[k].starts)) k++;
  kinds[k].names(out, line, end, f, tail);
}

static void each_name(gr_str *out, const char *text, name_fn *f, const char *tail) {
  for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) names_of_line(out, text, end, f, tail);
}

static void forget_macros(gr_str *out, const char *text) {
  static const char define[] = "#define ";
  for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
    const char *name = text + strlen(define);
    int len = 0;
    if (!starts(text, define)) continue;
    while (is_word(name[len])) len++;
    forget(out, name, len, NULL);
  }
}

static void emit_member(gr_str *out, gr_ctx *c, const gr_member *m) {
  gr_str own = {.arena = c->arena};
  gr_emit_own(&own, c, m->plan);
  gr_put(out, "\n");
  gr_emit_title(out, m->title);
  each_name(out, own.s, give_tail, m->tail);
  gr_put(out, "#pragma GCC push_options\n");
  gr_put(out, own.s);
  gr_put(out, "#pragma GCC pop_options\n");
  each_name(out, own.s, forget, m->tail);
  forget_macros(out, own.s);
}

char *gr_emit_joint(gr_ctx *c, const gr_member *m, int n) {
  gr_str out = {.arena = c->arena};
  const gr_plan **plan = gr_alloc(c->arena, (size_t)n * sizeof *plan);
  for (int k = 0; k < n; k++) plan[k] = m[k].plan;
  if (plan[0]->ask.f64) gr_put(&out, "#define GR_F64 1\n");
  gr_emit_prelude(&out, plan, n);
  for (int k = 0; k < n; k++) emit_member(&out, c, &m[k]);
  return out.s;
}
