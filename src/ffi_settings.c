/* ffi_settings.c: the settings of a call, from options and environment variables.
 *
 * An argument takes precedence over the option genred.NAME, the option over the environment
 * variable GENRED_NAME, and that over the default.  They are read in C because every call of an
 * operator reads them.  An invalid value only sets ffi_settings.bad; R code
 * (check_session_settings() in R/options.R) then says what is wrong with it.  Defaults that R has
 * to determine (its compiler, the cache folder, the session's temporary folder) are set once per
 * session by .defaults(). */
#include "ffi.h"

#include <stdlib.h>
#include <string.h>

static SEXP sym_backend, sym_device, sym_cc, sym_cflags, sym_cache_dir, sym_progress, sym_defaults;

void ffi_settings_symbols(void) {
  sym_backend = Rf_install("genred.backend");
  sym_device = Rf_install("genred.device");
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

/* ---- GPUs, numbered from 0 ---- */

static bool add_id(double x, ffi_ids *ids) {
  if (!(x >= 0 && x <= 1e6) || x != (int)x || ids->n == FFI_DEVICES) return false;
  for (int k = 0; k < ids->n; k++)
    if (ids->id[k] == (int)x) return false;
  ids->id[ids->n++] = (int)x;
  return true;
}

bool ffi_read_ids(SEXP x, ffi_ids *ids) {
  bool real = TYPEOF(x) == REALSXP;
  ids->n = 0;
  if (Rf_isObject(x) || !(real || TYPEOF(x) == INTSXP) || XLENGTH(x) == 0) return false;
  R_xlen_t n = XLENGTH(x);
  for (R_xlen_t k = 0; k < n; k++) {
    double id = real ? REAL(x)[k] : INTEGER(x)[k];
    if (n == 1 && id == -1) return true;
    if (!add_id(id, ids)) return false;
  }
  return true;
}

/* "0" or "0,1"; "-1" means none. */
static bool ids_of_text(const char *text, ffi_ids *ids) {
  char *end = NULL;
  ids->n = 0;
  if (strcmp(text, "-1") == 0) return true;
  do {
    if (!add_id((double)strtol(text, &end, 10), ids) || end == text) return false;
    text = end + 1;
  } while (*end == ',');
  return *end == 0;
}

static void device_setting(ffi_settings *s) {
  SEXP option = Rf_GetOption1(sym_device);
  s->devices.n = 0;
  if (option != R_NilValue) {
    if (ffi_read_ids(option, &s->devices)) return;
    s->bad = CHAR(PRINTNAME(sym_device));
  } else {
    const char *env = getenv("GENRED_DEVICE");
    if (!env || !*env || ids_of_text(env, &s->devices)) return;
    s->bad = "GENRED_DEVICE";
  }
  s->devices.n = 0;
}

/* ---- progress: true, false, or not set ---- */

/* 1, 0, or -1 if the text is neither TRUE nor FALSE. */
static int flag_of_text(const char *text) {
  static const struct {
    const char *text;
    int value;
  } words[] = {{"TRUE", 1},  {"true", 1},  {"True", 1},  {"T", 1}, {"1", 1},
               {"FALSE", 0}, {"false", 0}, {"False", 0}, {"F", 0}, {"0", 0}};
  for (size_t k = 0; k < sizeof words / sizeof *words; k++)
    if (strcmp(text, words[k].text) == 0) return words[k].value;
  return -1;
}

static int flag_of(SEXP x) {
  if (is_string(x)) return flag_of_text(CHAR(STRING_ELT(x, 0)));
  if (Rf_isObject(x) || !(Rf_isNumeric(x) || Rf_isLogical(x)) || XLENGTH(x) != 1) return -1;
  int flag = Rf_asLogical(x);
  return flag == NA_LOGICAL ? -1 : flag;
}

/* Progress may be shown unless it is FALSE; whether the session is interactive is asked in R. */
static void progress_setting(ffi_settings *s) {
  SEXP option = Rf_GetOption1(sym_progress);
  const char *env = getenv("GENRED_PROGRESS");
  int flag = 1;
  if (option != R_NilValue) {
    flag = flag_of(option);
    if (flag < 0) s->bad = CHAR(PRINTNAME(sym_progress));
  } else if (env && *env) {
    flag = flag_of_text(env);
    if (flag < 0) s->bad = "GENRED_PROGRESS";
  }
  s->progress = flag != 0;
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
  device_setting(&s);
  progress_setting(&s);
  return s;
}

static bool named_backend(const char *name, gr_backend *backend) {
  static const struct {
    const char *name;
    gr_backend backend;
  } known[] = {{"auto", GR_AUTO}, {"CPU", GR_CPU},       {"interpreter", GR_INTERPRETER},
               {"GPU", GR_GPU},   {"GPU_1D", GR_GPU_1D}, {"GPU_2D", GR_GPU_2D}};
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

static SEXP ids_value(const ffi_ids *ids) {
  SEXP out = Rf_allocVector(INTSXP, ids->n);
  for (int k = 0; k < ids->n; k++) INTEGER(out)[k] = ids->id[k];
  return out;
}

static SEXP text_or_null(const char *s) { return s ? Rf_mkString(s) : R_NilValue; }

/* What a call would use now; devices is NULL if a setting is invalid. */
SEXP ffi_settings_list(void) {
  const char *names[] = {"cc", "cflags", "cache_dir", "tmp_dir", "progress", "devices", ""};
  ffi_settings s = ffi_settings_now();
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, text_or_null(s.cc));
  SET_VECTOR_ELT(out, 1, text_or_null(s.cflags));
  SET_VECTOR_ELT(out, 2, text_or_null(s.cache_dir));
  SET_VECTOR_ELT(out, 3, text_or_null(s.tmp_dir));
  SET_VECTOR_ELT(out, 4, Rf_ScalarLogical(s.progress));
  if (!s.bad) SET_VECTOR_ELT(out, 5, ids_value(&s.devices));
  UNPROTECT(1);
  return out;
}
