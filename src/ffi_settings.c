/* ffi_settings.c: an argument beats the option genred.NAME, which beats the environment variable GENRED_NAME, which
 * beats the default.  Read here, in C, because every call of an operator reads them.  The defaults that R has to work
 * out (its compiler, the cache folder, the session's temporary folder) come once per session, from .defaults(). */
#include "ffi.h"

#include <stdlib.h>
#include <string.h>

static SEXP sym_backend, sym_cc, sym_cflags, sym_cache_dir, sym_progress, sym_defaults;

void ffi_settings_symbols(void) {
  sym_backend = Rf_install("genred.backend");
  sym_cc = Rf_install("genred.cc");
  sym_cflags = Rf_install("genred.cflags");
  sym_cache_dir = Rf_install("genred.cache_dir");
  sym_progress = Rf_install("genred.progress");
  sym_defaults = Rf_install(".defaults");
}

static struct {
  bool ready;
  char *cc, *cache_dir, *tmp_dir;
} defaults;

static bool is_string(SEXP x) {
  return TYPEOF(x) == STRSXP && XLENGTH(x) == 1 && STRING_ELT(x, 0) != NA_STRING;
}

static const char *text_setting(SEXP option, const char *env, const char **bad) {
  SEXP x = Rf_GetOption1(option);
  if (is_string(x)) return Rf_translateChar(STRING_ELT(x, 0));
  if (x != R_NilValue) *bad = CHAR(PRINTNAME(option));
  const char *text = getenv(env);
  return text && *text ? text : NULL;
}

static char *copy_of(SEXP x, char *old) {
  free(old);
  if (!is_string(x)) return NULL;
  const char *text = Rf_translateChar(STRING_ELT(x, 0));
  char *copy = malloc(strlen(text) + 1);
  return copy ? strcpy(copy, text) : NULL;
}

/* Called by .defaults() in R/options.R. */
SEXP ffi_defaults(SEXP cc, SEXP cache_dir, SEXP tmp_dir) {
  defaults.cc = copy_of(cc, defaults.cc);
  defaults.cache_dir = copy_of(cache_dir, defaults.cache_dir);
  defaults.tmp_dir = copy_of(tmp_dir, defaults.tmp_dir);
  defaults.ready = true;
  return R_NilValue;
}

static void need_defaults(void) {
  if (defaults.ready) return;
  SEXP call = PROTECT(Rf_lang1(sym_defaults));
  Rf_eval(call, ffi_namespace());
  UNPROTECT(1);
}

static const char *expand_home(const char *path) {
  if (!path || path[0] != '~') return path;
  path = R_ExpandFileName(path); /* a static buffer of R */
  return strcpy(R_alloc(strlen(path) + 1, 1), path);
}

ffi_settings ffi_settings_now(void) {
  ffi_settings s;
  need_defaults();
  s.bad = NULL;
  s.cc = text_setting(sym_cc, "GENRED_CC", &s.bad);
  if (!s.cc || !*s.cc) s.cc = defaults.cc;
  s.cflags = text_setting(sym_cflags, "GENRED_CFLAGS", &s.bad);
  s.cache_dir = text_setting(sym_cache_dir, "GENRED_CACHE_DIR", &s.bad);
  s.cache_dir = s.cache_dir ? expand_home(s.cache_dir) : defaults.cache_dir;
  s.tmp_dir = defaults.tmp_dir;
  SEXP progress = Rf_GetOption1(sym_progress);
  s.progress = !(TYPEOF(progress) == LGLSXP && XLENGTH(progress) == 1 && LOGICAL(progress)[0] == FALSE);
  return s;
}

static bool named_backend(const char *name, gr_backend *backend) {
  static const struct {
    const char *name;
    gr_backend backend;
  } known[] = {{"auto", GR_AUTO}, {"CPU", GR_CPU}, {"interpreter", GR_INTERPRETER}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    if (strcmp(name, known[k].name) == 0) {
      *backend = known[k].backend;
      return true;
    }
  return false;
}

bool ffi_backend(SEXP x, gr_backend *backend) {
  if (!is_string(x) || !named_backend(CHAR(STRING_ELT(x, 0)), backend)) return false;
  if (*backend != GR_AUTO) return true;
  SEXP option = Rf_GetOption1(sym_backend);
  if (option != R_NilValue) return is_string(option) && named_backend(CHAR(STRING_ELT(option, 0)), backend);
  const char *env = getenv("GENRED_BACKEND");
  return !env || !*env || named_backend(env, backend);
}

static SEXP text_or_null(const char *s) { return s ? Rf_mkString(s) : R_NilValue; }

/* What a call would use now. */
SEXP ffi_settings_list(void) {
  const char *names[] = {"cc", "cflags", "cache_dir", "tmp_dir", "progress", ""};
  ffi_settings s = ffi_settings_now();
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, text_or_null(s.cc));
  SET_VECTOR_ELT(out, 1, text_or_null(s.cflags));
  SET_VECTOR_ELT(out, 2, text_or_null(s.cache_dir));
  SET_VECTOR_ELT(out, 3, text_or_null(s.tmp_dir));
  SET_VECTOR_ELT(out, 4, Rf_ScalarLogical(s.progress));
  UNPROTECT(1);
  return out;
}
