/* names.c: what a formula says without dimensions.
 *
 * Where aliases leave dimensions open, the graph cannot be made before a call.  Names, operations,
 * the number and the kind of their arguments, and numbers are checked when the formula is given: by
 * the functions of bind.c, in the order of the binder, so that the message is the one that it would
 * throw.  What depends on dimensions, and that the variable of a derivative is one, is left to the
 * binder. */
#include <string.h>

#include "graph/binder.h"

static void check(gr_binder *b, const gr_ast *a);

static bool is_expression(char letter) { return strchr("evs", letter) != NULL; }

static void check_arguments(gr_binder *b, const gr_ast *a, gr_op op) {
  const char *sig = gr_op_signature(op);
  bool repeated = strchr(sig, '*') != NULL;
  for (int k = 0, s = 0; k < a->n; k++, s++) {
    if (sig[s] == '?') s++;
    char letter = repeated ? 'e' : sig[s];
    gr_check_kind(b, a, op, k, letter);
    if (is_expression(letter)) check(b, a->arg[k]);
  }
}

static void check_call(gr_binder *b, const gr_ast *a) {
  int kind = gr_constructor(a->name, (int)strlen(a->name));
  if (kind >= 0) {
    gr_argument_declared(b, a, kind);
  } else if (strcmp(a->name, "**") == 0) {
    for (int k = 0; k < a->n; k++) check(b, a->arg[k]);
  } else {
    gr_op op = gr_operation_of(b, a);
    if (gr_ops[op].kind == KIND_INDEX) b->numbered |= gr_ops[op].cats;
    if (op == OP_Zero)
      gr_zero_dim(b, a);
    else
      check_arguments(b, a, op);
  }
}

static void check(gr_binder *b, const gr_ast *a) {
  switch (a->kind) {
  case AST_NUMBER: gr_check_number(b, a); break;
  case AST_NAME: gr_argument_named(b, a); break;
  case AST_CALL: check_call(b, a); break;
  default: gr_throw(b->c, &a->span, NULL, ERR_ListHere);
  }
}

unsigned gr_check_names(gr_dag *g, gr_args *args, const gr_ast *ast) {
  gr_binder b = {.c = g->ctx, .g = g, .args = args};
  check(&b, ast);
  return b.numbered;
}
