/* ffi_device.c: GPUs, and matrices that stay on them.
 *
 * A genred_array is a plain list that describes a matrix (R/array.R), with an external pointer to
 * its buffer, which a finalizer frees.  The pointer is NULL after readRDS() and in another process;
 * the list still describes what the matrix was.  R's garbage collector does not know about GPU
 * memory: when an allocation fails, the collector is run and the allocation tried once more.  This
 * is the only file of the glue that names the GPU backend. */
#include "ffi.h"

#include <stdio.h>
#include <string.h>

#include "cuda/cu_public.h"

static int living; /* number of buffers that R objects own */
static SEXP tag;   /* the tag of their external pointers */

const gr_device *ffi_gpus(void) { return &gr_cuda; }

static void shut_down(SEXP unused) {
  (void)unused;
  gr_cuda.shutdown();
}

/* Registers a finalizer that releases the GPUs when R exits. */
void ffi_device_init(void) {
  tag = Rf_install("genred_array");
  SEXP session = PROTECT(R_MakeExternalPtr(&living, R_NilValue, R_NilValue));
  R_PreserveObject(session);
  R_RegisterCFinalizerEx(session, shut_down, TRUE);
  UNPROTECT(1);
}

/* ---- the R object ---------------------------------------------------------------------------- */

static const char *const type_names[] = {"float64", "float32", "float16", "bfloat16", "integer"};

static SEXP pointer_of(SEXP x) {
  if (TYPEOF(x) != VECSXP || XLENGTH(x) != ARRAY_SIZE || !Rf_inherits(x, "genred_array")) return R_NilValue;
  SEXP pointer = VECTOR_ELT(x, ARRAY_POINTER);
  return TYPEOF(pointer) == EXTPTRSXP ? pointer : R_NilValue;
}

const gr_buffer *ffi_array_buffer(SEXP x) {
  SEXP pointer = pointer_of(x);
  return pointer != R_NilValue && R_ExternalPtrTag(pointer) == tag ? R_ExternalPtrAddr(pointer) : NULL;
}

static void drop(SEXP pointer) {
  gr_buffer *b = R_ExternalPtrAddr(pointer);
  R_ClearExternalPtr(pointer);
  if (!b) return;
  living--;
  gr_cuda.free(b);
}

SEXP ffi_array_shell(SEXP dim, SEXP dimnames, gr_storage_type type, int device) {
  const char *names[] = {"pointer", "dim", "dimnames", "dtype", "device_id", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SEXP pointer = R_MakeExternalPtr(NULL, tag, R_NilValue);
  SET_VECTOR_ELT(out, ARRAY_POINTER, pointer);
  R_RegisterCFinalizerEx(pointer, drop, TRUE);
  SET_VECTOR_ELT(out, ARRAY_DIM, dim);
  SET_VECTOR_ELT(out, ARRAY_DIMNAMES, dimnames);
  SET_VECTOR_ELT(out, ARRAY_DTYPE, Rf_mkString(type_names[type]));
  SET_VECTOR_ELT(out, ARRAY_DEVICE, Rf_ScalarInteger(device));
  Rf_setAttrib(out, R_ClassSymbol, Rf_mkString("genred_array"));
  UNPROTECT(1);
  return out;
}

static gr_class make(int device, int64_t rows, int64_t cols, gr_storage_type type, gr_buffer **b, gr_error *err) {
  if (gr_cuda.make(device, rows, cols, type, b, err) == GR_OK || living == 0) return err->cls;
  int before = living;
  R_gc();
  if (living == before) return err->cls;
  gr_error_clear(err);
  return gr_cuda.make(device, rows, cols, type, b, err);
}

gr_buffer *ffi_array_fill(SEXP shell, gr_storage_type type, gr_error *err) {
  const int *dim = INTEGER(VECTOR_ELT(shell, ARRAY_DIM));
  int64_t cols = 1;
  gr_buffer *b = NULL;
  for (R_xlen_t k = 1; k < XLENGTH(VECTOR_ELT(shell, ARRAY_DIM)); k++) cols *= dim[k];
  if (make(Rf_asInteger(VECTOR_ELT(shell, ARRAY_DEVICE)), dim[0], cols, type, &b, err) != GR_OK) return NULL;
  R_SetExternalPtrAddr(VECTOR_ELT(shell, ARRAY_POINTER), b);
  living++;
  return b;
}

/* ---- entry points ---------------------------------------------------------------------------- */

static gr_storage_type named_type(SEXP dtype) {
  const char *name = CHAR(STRING_ELT(dtype, 0));
  int k = 0;
  while (k < GR_INT && strcmp(name, type_names[k]) != 0) k++;
  return (gr_storage_type)k;
}

/* x: doubles; dim: two integers. */
SEXP ffi_array_new(SEXP x, SEXP dim, SEXP dimnames, SEXP dtype, SEXP device) {
  gr_error err = {GR_OK, "", NULL};
  gr_storage_type type = named_type(dtype);
  if (type == GR_INT) return ffi_failf(GR_INTERNAL, "unknown type of a genred_array");
  SEXP out = PROTECT(ffi_array_shell(dim, dimnames, type, Rf_asInteger(device)));
  gr_buffer *b = ffi_array_fill(out, type, &err);
  if (b) gr_cuda.put(b, REAL(x), INTEGER(dim)[0], &err);
  if (err.cls != GR_OK) {
    drop(VECTOR_ELT(out, ARRAY_POINTER));
    out = ffi_fail(&err);
  }
  UNPROTECT(1);
  return out;
}

static SEXP as_indices(SEXP numbers) {
  R_xlen_t n = XLENGTH(numbers);
  SEXP out = Rf_allocVector(INTSXP, n);
  for (R_xlen_t k = 0; k < n; k++)
    INTEGER(out)[k] = ISNAN(REAL(numbers)[k]) ? NA_INTEGER : (int)REAL(numbers)[k];
  return out;
}

/* The entries as a vector. */
SEXP ffi_array_get(SEXP x) {
  gr_error err = {GR_OK, "", NULL};
  const gr_buffer *b = ffi_array_buffer(x);
  if (!b)
    return ffi_failf(GR_CUDA, "the entries of this genred_array are lost: they existed only in the session that created it");
  SEXP out = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)(b->rows * b->cols)));
  if (gr_cuda.get(b, REAL(out), b->rows, &err) != GR_OK)
    out = ffi_fail(&err);
  else if (b->type == GR_INT)
    out = as_indices(out);
  UNPROTECT(1);
  return out;
}

SEXP ffi_array_alive(SEXP x) { return Rf_ScalarLogical(ffi_array_buffer(x) != NULL); }

static SEXP describe_devices(int n) {
  const char *names[] = {"name", "memory", "capability", "multiprocessors", ""};
  gr_error err = {GR_OK, "", NULL};
  char version[32];
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_allocVector(STRSXP, n));
  SET_VECTOR_ELT(out, 1, Rf_allocVector(REALSXP, n));
  SET_VECTOR_ELT(out, 2, Rf_allocVector(STRSXP, n));
  SET_VECTOR_ELT(out, 3, Rf_allocVector(INTSXP, n));
  for (int k = 0; k < n; k++) {
    gr_device_info info = {"", 0, 0, 0, 0};
    if (gr_cuda.info(k, &info, &err) != GR_OK) gr_error_clear(&err);
    snprintf(version, sizeof version, "%d.%d", info.major, info.minor);
    SET_STRING_ELT(VECTOR_ELT(out, 0), k, Rf_mkChar(info.name));
    REAL(VECTOR_ELT(out, 1))[k] = (double)info.memory;
    SET_STRING_ELT(VECTOR_ELT(out, 2), k, Rf_mkChar(version));
    INTEGER(VECTOR_ELT(out, 3))[k] = info.multiprocessors;
  }
  UNPROTECT(1);
  return out;
}

/* list(driver, nvrtc, devices): the libraries, or why they cannot be used; the usable devices. */
SEXP ffi_devices(void) {
  const char *names[] = {"driver", "nvrtc", "devices", ""};
  gr_error err = {GR_OK, "", NULL};
  gr_device_libraries libraries = {"", ""};
  int n = 0;
  if (gr_cuda.count(&n, &err) != GR_OK) n = 0;
  gr_error_clear(&err);
  gr_cuda.libraries(&libraries);
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_mkString(libraries.driver));
  SET_VECTOR_ELT(out, 1, Rf_mkString(libraries.compiler));
  SET_VECTOR_ELT(out, 2, describe_devices(n));
  UNPROTECT(1);
  return out;
}
