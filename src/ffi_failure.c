/* ffi_failure.c: errors as R values.
 *
 * A failure is list(class, message, log) of class "genred_failure", which R/failure.R turns into a
 * classed condition.  While a native string is copied to R, `pending` owns it, so that it is not
 * leaked if R runs out of memory. */
#include "ffi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *pending;

static void hold(char *text) {
  if (pending != text) free(pending);
  pending = text;
}

SEXP ffi_text(const char *text) {
  SEXP chr = PROTECT(Rf_mkCharCE(text, CE_UTF8));
  SEXP out = Rf_ScalarString(chr);
  UNPROTECT(1);
  return out;
}

SEXP ffi_take_text(char *text) {
  hold(text);
  SEXP out = text ? ffi_text(text) : R_NilValue;
  hold(NULL);
  return out;
}

static SEXP failure(gr_class cls, const char *message, char *log) {
  const char *names[] = {"class", "message", "log", ""};
  hold(log);
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_mkString(gr_class_name(cls)));
  SET_VECTOR_ELT(out, 1, ffi_text(message));
  if (log) SET_VECTOR_ELT(out, 2, ffi_text(log));
  Rf_setAttrib(out, R_ClassSymbol, Rf_mkString("genred_failure"));
  hold(NULL);
  UNPROTECT(1);
  return out;
}

SEXP ffi_fail(gr_error *err) {
  char *log = err->log;
  err->log = NULL;
  return failure(err->cls, err->message, log);
}

SEXP ffi_failf(gr_class cls, const char *fmt, ...) {
  char message[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(message, sizeof message, fmt, ap);
  va_end(ap);
  return failure(cls, message, NULL);
}

SEXP ffi_namespace(void) {
  static SEXP ns;
  if (!ns) {
    SEXP name = PROTECT(Rf_mkString("genred"));
    ns = R_FindNamespace(name);
    R_PreserveObject(ns);
    UNPROTECT(1);
  }
  return ns;
}
