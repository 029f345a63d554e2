/* test_number.c: conversion of numbers: reading against strtod in the C locale, writing against
 * printf there, and the way from a formula to its kernel under a locale with a decimal comma and
 * under a Turkish one, where localedef can make them. */
#include <float.h>
#include <locale.h>
#include <sys/stat.h>

#include "check.h"

static int below(int n) { return (int)uniform(0, n) % n; }

static void read_one(const char *s) {
  double want = strtod(s, NULL), got = gr_read_number(s, strlen(s));
  check(memcmp(&want, &got, sizeof want) == 0, "%.60s... (%zu characters) is %a, read as %a", s, strlen(s), want, got);
}

/* ---- reading ---- */

static double random_double(void) {
  double x;
  uint64_t u = (uint64_t)uniform(0, 4294967296.0) << 32 | (uint64_t)uniform(0, 4294967296.0);
  if (below(4) == 0) u &= ((uint64_t)1 << 52) - 1 + ((uint64_t)3 << 52); /* subnormal, or nearly */
  u &= ~((uint64_t)1 << 63);
  memcpy(&x, &u, sizeof x);
  return isfinite(x) ? x : 1.5;
}

/* Digits, a point somewhere, perhaps an exponent. */
static void random_digits(char *s) {
  int n = 1 + below(below(3) ? 25 : 800), point = below(n + 1);
  for (int k = 0; k < n; k++) {
    if (k == point) *s++ = '.';
    *s++ = (char)('0' + (below(3) ? below(10) : below(2) * 9));
  }
  *s = 0;
  if (below(2)) sprintf(s, "%c%s%d", below(2) ? 'e' : 'E', below(2) ? "-" : below(2) ? "+" : "", below(below(2) ? 30 : 1200));
}

/* The midpoint between x and the next double, exact, and changed in its last digit or beyond it. */
static void middle(double x) {
  char s[1600];
  double next = nextafter(x, INFINITY);
  if (!isfinite(next)) return;
  long double m = (long double)x + ((long double)next - (long double)x) / 2;
  /* glibc writes all digits, and long double has room for one bit more */
  snprintf(s, sizeof s, "%.1100Lf", m);
  if ((double)m == m && m != x && m != next) return;
  read_one(s);
  size_t n = strlen(s);
  memcpy(s + n, "00001", 6);
  read_one(s);
  s[n] = 0;
  for (n = n - 1; s[n] == '0'; n--) s[n] = '9';
  if (s[n] != '.') s[n]--;
  read_one(s);
}

static void reading(void) {
  static const char *const row[] = {"0", "0.0", "00", "0e5", "0e-999999999999", "1", "0.1", ".5", "5.", "1e22", "1e23", "9007199254740993", "9007199254740992.999",
                                    "9007199254740993.0000000000000000000000000000000000001", "4.9e-324", "2.4703282292062327e-324",
                                    "2.4703282292062328e-324", "2.47e-324", "1e-400", "1e400", "1e99999999999999", "1.7976931348623157e308",
                                    "1.7976931348623158e308", "1.7976931348623159e308", "179769313486231580793e289", "2.2250738585072011e-308",
                                    "2.2250738585072014e-308", "6.631236846766476e-316", "0.000000000000000000000000000000000000000001e42", "123456789012345678901234567890e-30"};
  char s[1300];
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) read_one(row[k]);
  for (int k = 0; k < 60000; k++) {
    if (k % 3 == 0)
      snprintf(s, sizeof s, "%.*e", below(4) ? 16 : below(30), random_double());
    else
      random_digits(s);
    read_one(s);
  }
  for (int k = 0; k < 3000 && LDBL_MANT_DIG > 53; k++) middle(k % 2 ? ldexp(uniform(1, 2), below(2100) - 1074) : random_double());
  memset(s, '9', sizeof s); /* digits beyond those that are kept count as a nonzero remainder */
  s[1200] = 0;
  read_one(s);
  memcpy(s, "9007199254740993", 16), memset(s + 16, '0', 1000), s[17] = '.', s[1016] = '1', s[1017] = 0;
  read_one(s);
}

/* ---- writing ---- */

static void write_one(double x) {
  static const int digits[] = {17, 6, 1, 15};
  char want[64], got[GR_NUMBER];
  for (int k = 0; k < 4; k++) {
    snprintf(want, sizeof want, "%.*g", digits[k], x);
    check(strcmp(want, gr_number_text(x, digits[k], got)) == 0, "%%.%dg of %a: %s, not %s", digits[k], x, want, got);
  }
  if (!isfinite(x)) return;
  double back = strtod(gr_hex_text(x, got), NULL);
  check(memcmp(&x, &back, sizeof x) == 0, "%a is written as %s", x, got);
}

static void writing(void) {
  static const double row[] = {0, 1, -1, 0.1, 123456, 1234567, 100000, 1e5, 1e6, 1e16, 1e17, 1e-4, 1e-5, 0.00012345, 9.9999995, 999999.5, 1e100, 4.9e-324, 1.7976931348623157e308};
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) write_one(row[k]), write_one(-row[k]);
  write_one(INFINITY), write_one(-INFINITY);
  for (int k = 0; k < 20000; k++) write_one(k % 2 ? random_double() : -uniform(0, 1000));
}

/* ---- locales ---- */

/* What a formula with decimal numbers gives, and how it is shown. */
static void formulas(const char *locale) {
  double x = 0, out = 0;
  test t = {.formula = "Exp(-0.75*x)*1.5+ifelse(x,0.125,2.5e-1)", .aliases = {"x=Vi(1)"}, .axis = 1, .f64 = true};
  gr_array arg = {.data = &x, .rows = 1, .cols = 1, .stride = 1};
  gr_output o = {.data = &out, .type = GR_F64};
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU};
  static const char *const stages[] = {"ast", "dag", "plan", "c", "cuda"};
  gr_program *p = NULL;
  gr_error err = {0};
  gr_report rep;
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", locale, err.message)) return;
  for (int k = 0; k < 2; k++) {
    gr_options opt = options(backends[k], 1);
    gr_class cls = gr_program_run(p, &arg, 1, &o, &opt, &rep, &err);
    check(cls == GR_OK && out == 1.625, "%s: %g, %s", locale, out, err.message);
  }
  for (int k = 0; k < 5; k++) {
    char *text = NULL;
    check(gr_program_dump(p, stages[k], &text, &err) == GR_OK, "%s: %s", locale, err.message);
    const char *own = text && k == 3 ? strstr(text, "typedef long long int64") : text;
    check(own && !strstr(own, "0,75") && !strstr(own, "1,5"), "%s: the %s has a decimal comma", locale, stages[k]);
    if (k < 2) check(own && strstr(own, "0.75"), "%s: the %s shows 0.75", locale, stages[k]);
    free(text);
  }
  gr_program_free(p);
  char s[GR_NUMBER];
  check(gr_read_number("0.75", 4) == 0.75 && strcmp(gr_number_text(0.75, 17, s), "0.75") == 0, "%s: 0.75", locale);
  check(gr_op_find("ifelse", false) == OP_IfElse && gr_op_find("minus", false) == OP_Minus, "%s: letters without case", locale);
}

#ifdef _WIN32
static bool use_locale(const char *name, const char *map, const char *windows) { return (void)name, (void)map, setlocale(LC_ALL, windows) != NULL; }
#else
/* Makes the locale; false: it cannot be made or used. */
static bool use_locale(const char *name, const char *map, const char *windows) {
  char folder[400], command[1000];
  (void)windows;
  snprintf(folder, sizeof folder, "%s/locales", temporary_folder());
  mkdir(folder, 0700);
  snprintf(command, sizeof command, "localedef -c -i %s -f %s '%s/%s.%s' >/dev/null 2>&1", name, map, folder, name, map);
  set_variable("LOCPATH", folder);
  if (system(command) < 0) return false;
  snprintf(command, sizeof command, "%s.%s", name, map);
  return setlocale(LC_ALL, command) || setlocale(LC_ALL, name);
}
#endif

static void locales(void) {
  static const struct {
    const char *name, *map, *windows;
  } row[] = {{"de_DE", "UTF-8", "German_Germany.1252"}, {"tr_TR", "ISO-8859-9", "Turkish_Turkey.1254"}, {"fa_IR", "UTF-8", "Persian_Iran.1256"}};
  formulas("C");
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
    if (use_locale(row[k].name, row[k].map, row[k].windows))
      formulas(row[k].name);
    else
      printf("the locale %s cannot be made here\n", row[k].name);
    setlocale(LC_ALL, "C");
  }
}

int main(void) {
  own_folder();
  reading();
  writing();
  locales();
  return report();
}
