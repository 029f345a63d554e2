/* emit_joint.c: several kernels as one text, for one run of the compiler.
 *
 * Owns      the order: one prelude, with the groups that any of the kernels needs, then each
 *           kernel's own text exactly as it is in a file of its own.
 * Method    in front of a kernel the preprocessor is told to give a suffix to every name that the
 *           kernel declares in the scope of the file (`#define pairs pairs_SUFFIX`); behind it, to
 *           forget these and the kernel's own macros.  Where such a name is a local one too, it
 *           gets the suffix there as well, which changes nothing.
 * Assumes   the emitters have declared all of these names (gr_in_scope, gr_open_function,
 *           gr_macro).  Where one is missing and two kernels have it, the text does not compile,
 *           and kernels are compiled alone.
 * Guarantees  a kernel means what it means alone: options of GR_MIX, which hold to the end of the
 *           file, are taken back. */
#include "emit/emitter.h"

static void forget(gr_str *out, const gr_names *names) {
  for (int k = 0; k < names->n; k++) gr_putf(out, "#undef %s\n", names->name[k]);
}

static void emit_member(gr_str *out, const gr_emitter *own, const gr_member *m) {
  gr_put(out, "\n");
  gr_emit_title(out, m->title);
  for (int k = 0; k < own->scope.n; k++)
    gr_putf(out, "#define %s %s_%s\n", own->scope.name[k], own->scope.name[k], m->tail);
  gr_put(out, "#pragma GCC push_options\n");
  gr_put(out, own->out.s);
  gr_put(out, "#pragma GCC pop_options\n");
  forget(out, &own->scope);
  forget(out, &own->macros);
}

char *gr_emit_joint(gr_ctx *c, const gr_member *m, int n) {
  gr_str out = {.arena = c->arena};
  gr_emitter *own = gr_alloc(c->arena, (size_t)n * sizeof *own);
  unsigned pieces = 0;
  for (int k = 0; k < n; k++) {
    own[k] = gr_emit_own(c, m[k].plan);
    pieces |= own[k].pieces;
  }
  if (own[0].p->ask.f64) gr_put(&out, "#define GR_F64 1\n");
  gr_emit_prelude(&out, own[0].t->in, pieces);
  for (int k = 0; k < n; k++) emit_member(&out, &own[k], &m[k]);
  return out.s;
}
