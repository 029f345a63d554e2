/* reference_print.h: a tree as the text of a formula, in one of its many spellings. */
#ifndef GENRED_REFERENCE_PRINT_H
#define GENRED_REFERENCE_PRINT_H

#include <ctype.h>
#include <stdarg.h>

#include "reference_tree.h"

/* ---- random numbers of the generator ---- */

static uint64_t dice = 1;

static uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int roll(int n) { /* 0 ... n - 1 */
  dice += 0x9e3779b97f4a7c15u;
  return (int)(mix(dice) % (uint64_t)n);
}

static bool chance(int percent) { return roll(100) < percent; }

/* ---- text ---- */

typedef struct text {
  char s[8192];
  size_t n;
} text;

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(t->s + t->n, sizeof t->s - t->n, fmt, ap);
  va_end(ap);
  t->n += (size_t)n;
  if (t->n >= sizeof t->s) abort();
}

static bool plain_print; /* canonical names and as few parentheses as can be, for reports */

static void space(text *t) {
  if (plain_print) return;
  int r = roll(20);
  put(t, "%s", r < 6 ? " " : r == 6 ? "  " : r == 7 ? "\n" : r == 8 ? "\t" : "");
}

/* Binding, from loosest to tightest. */
enum { P_COMPARE = 1, P_BAR, P_SUM, P_PRODUCT, P_MINUS, P_POWER, P_POSTFIX, P_ATOM };

static void print_at(text *t, const node *x, int least);

static void print_name(text *t, const char *name) {
  bool lower = !plain_print && chance(15);
  for (; *name; name++) put(t, "%c", lower ? tolower((unsigned char)*name) : *name);
}

static void print_list(text *t, const int *list, int n) {
  int form = roll(3);
  put(t, "%s", form == 0 ? "[" : form == 1 && n > 1 ? "(" : "Ind(");
  for (int k = 0; k < n; k++) put(t, "%s%d", k ? "," : "", list[k]);
  put(t, "%s", form == 0 ? "]" : ")");
}

static void print_call(text *t, const node *x) {
  bool first = true;
  print_name(t, op_names[x->o]);
  put(t, "(");
  for (int k = 0; k < x->kids; k++, first = false) {
    if (!first) put(t, ",");
    space(t);
    print_at(t, x->k[k], 0);
    space(t);
  }
  for (int k = 0; k < x->ints; k++, first = false) put(t, "%s%s%d", first ? "" : ",", !plain_print && chance(20) ? " " : "", x->n[k]);
  for (int k = 0; k < x->lists; k++, first = false) {
    put(t, ",");
    print_list(t, x->list[k], x->length[k]);
  }
  put(t, ")");
}

static void print_binary(text *t, const node *x, const char *sign, int left, int right) {
  print_at(t, x->k[0], left);
  space(t);
  put(t, "%s", sign);
  space(t);
  print_at(t, x->k[1], right);
}

static const variable *print_variables; /* names of the variables */
static bool print_positions;            /* variables of the core form here and there */

static void print_variable(text *t, const node *x) {
  const variable *v = &print_variables[x->n[0]];
  static const char *const forms[] = {"Vi", "Vj", "Pm"};
  if (!print_positions || plain_print || chance(60)) put(t, "%s", v->name);
  else if (chance(50)) put(t, "Var(%d,%d,%d)", x->n[0], v->dim, (int)v->cat);
  else put(t, "%s(%d,%d)", forms[v->cat], x->n[0], v->dim);
}

/* Prints x by an operator if it has one; the text must bind as tightly as `least`, or stands in
 * parentheses. */
static int binding_of(const node *x) {
  switch (x->o) {
    case O_Add: case O_Subtract: return P_SUM;
    case O_Mult: case O_Divide: return P_PRODUCT;
    case O_Minus: return P_MINUS;
    case O_Pow: return x->n[0] >= 0 ? P_POWER : P_ATOM;
    case O_Powf: return x->k[1]->o == O_Const && x->k[1]->text[strspn(x->k[1]->text, "0123456789")] == 0 ? P_ATOM : P_POWER;
    case O_Scalprod: return P_BAR;
    case O_Equal: case O_NotEqual: case O_LessThan: case O_LessOrEqual: return P_COMPARE;
    case O_Elem: case O_Extract: return P_POSTFIX;
    default: return P_ATOM;
  }
}

static void print_operator(text *t, const node *x) {
  bool turned = chance(30);
  switch (x->o) {
    case O_Add: print_binary(t, x, "+", P_SUM, P_PRODUCT); return;
    case O_Subtract: print_binary(t, x, "-", P_SUM, P_PRODUCT); return;
    case O_Mult: print_binary(t, x, "*", P_PRODUCT, P_MINUS); return;
    case O_Divide: print_binary(t, x, "/", P_PRODUCT, P_MINUS); return;
    case O_Minus:
      put(t, "-");
      space(t);
      print_at(t, x->k[0], P_MINUS);
      return;
    case O_Pow:
      print_at(t, x->k[0], P_POSTFIX);
      put(t, "%s%d", turned ? "^" : "**", x->n[0]);
      return;
    case O_Powf: print_binary(t, x, turned ? "^" : "**", P_POSTFIX, chance(50) ? P_POWER : P_MINUS); return;
    case O_Scalprod: print_binary(t, x, "|", P_BAR, P_SUM); return;
    case O_Equal: print_binary(t, x, "==", P_BAR, P_BAR); return;
    case O_NotEqual: print_binary(t, x, "!=", P_BAR, P_BAR); return;
    case O_LessThan: case O_LessOrEqual: {
      node other = *x;
      if (turned) other.k[0] = x->k[1], other.k[1] = x->k[0];
      print_binary(t, &other, x->o == O_LessThan ? (turned ? ">" : "<") : turned ? ">=" : "<=", P_BAR, P_BAR);
      return;
    }
    default:
      print_at(t, x->k[0], P_POSTFIX);
      put(t, "[");
      if (x->o == O_Elem) put(t, "%d", x->n[0]);
      else put(t, "%d:%d", x->n[0], x->n[0] + x->n[1]);
      put(t, "]");
  }
}

static void print_at(text *t, const node *x, int least) {
  if (x->o == O_Var) {
    print_variable(t, x);
    return;
  }
  if (x->o == O_Const) {
    put(t, least >= P_POSTFIX ? "(%s)" : "%s", x->text);
    return;
  }
  int binding = chance(75) || plain_print ? binding_of(x) : P_ATOM;
  if (x->o == O_Equal && binding == P_ATOM && !plain_print) binding = P_COMPARE;
  bool wrap = binding < least || (!plain_print && chance(4));
  if (wrap) {
    put(t, "(");
    space(t);
  }
  if (binding < P_ATOM) print_operator(t, x);
  else print_call(t, x);
  if (wrap) {
    space(t);
    put(t, ")");
  }
}

static void print_formula(text *t, const node *x) {
  t->n = 0, t->s[0] = 0;
  print_at(t, x, 0);
}

#endif
