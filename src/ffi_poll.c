/* ffi_poll.c: interrupts and progress while the engine runs.
 *
 * The engine calls both callbacks on the thread that called it, which is R's main thread.  R code
 * may jump (an interrupt, or a handler that exits): R_UnwindProtect catches the jump before it
 * crosses the engine's frames, the engine is told to stop and cleans up, and ffi_poll_end resumes
 * the jump.  So an interrupt is R's own condition, which tryCatch(interrupt = ) sees. */
#include "ffi.h"

enum { PATIENCE = 2 }; /* seconds before progress is shown */

void ffi_poll_start(ffi_poll *p, SEXP token) {
  p->token = token;
  p->unwinding = p->shown = p->silent = false;
  p->fraction = 0;
  p->start = time(NULL);
}

static void land(void *data, Rboolean jump) {
  if (jump) longjmp(((ffi_poll *)data)->landing, 1);
}

static void protected_call(ffi_poll *p, SEXP (*fun)(void *)) {
  if (p->unwinding) return;
  if (setjmp(p->landing))
    p->unwinding = true;
  else
    R_UnwindProtect(fun, p, land, p, p->token);
}

static SEXP check_interrupt(void *data) {
  (void)data;
  R_CheckUserInterrupt();
  return R_NilValue;
}

int ffi_poll_interrupted(void *poll) {
  ffi_poll *p = poll;
  protected_call(p, check_interrupt);
  return p->unwinding;
}

/* .progress(fraction) opens or moves the bar, .progress(NULL) closes it; FALSE: do not show
 * progress. */
static SEXP show(void *data) {
  ffi_poll *p = data;
  SEXP value = PROTECT(Rf_ScalarReal(p->fraction));
  SEXP call = PROTECT(Rf_lang2(Rf_install(".progress"), value));
  p->shown = true;
  p->silent = Rf_asLogical(Rf_eval(call, ffi_namespace())) != TRUE;
  UNPROTECT(2);
  return R_NilValue;
}

void ffi_poll_progress(double fraction, void *poll) {
  ffi_poll *p = poll;
  if (p->silent || (!p->shown && difftime(time(NULL), p->start) < PATIENCE)) return;
  p->fraction = fraction;
  protected_call(p, show);
}

static void hide(void *data) {
  (void)data;
  SEXP call = PROTECT(Rf_lang2(Rf_install(".progress"), R_NilValue));
  Rf_eval(call, ffi_namespace());
  UNPROTECT(1);
}

void ffi_poll_end(ffi_poll *p) {
  if (p->shown) R_ToplevelExec(hide, NULL);
  if (p->unwinding) R_ContinueUnwind(p->token);
}
