/* init.c: registration; no logic. */
#include "ffi.h"

#include <R_ext/Rdynload.h>
#include <R_ext/Visibility.h>

#define FUNC(name) (DL_FUNC)(void (*)(void)) & name
#define CALL(name, n) {#name, FUNC(name), n}

static const R_CallMethodDef calls[] = {
    CALL(ffi_call_list, 6), CALL(ffi_prepare, 6), CALL(ffi_ranges_agree, 1), CALL(ffi_make, 1), CALL(ffi_key, 1), CALL(ffi_spec, 1), CALL(ffi_fill, 2), CALL(ffi_dump, 2),   CALL(ffi_describe, 1),
    CALL(ffi_defaults, 3),  CALL(ffi_settings_list, 0), CALL(ffi_threads, 0), CALL(ffi_cgroup, 2),
    CALL(ffi_compiler, 1),  CALL(ffi_engine, 0), CALL(ffi_operations, 0),   CALL(ffi_cache, 1),  CALL(ffi_cache_clear, 1),
    CALL(ffi_map, 5),       CALL(ffi_share, 5),     CALL(ffi_states_describe, 2), CALL(ffi_states_merge, 2),
    CALL(ffi_states_finish, 3),
    CALL(ffi_array_new, 5), CALL(ffi_array_get, 1), CALL(ffi_array_alive, 1), CALL(ffi_devices, 0),
    CALL(ffi_shared_leaves, 2),
    {NULL, NULL, 0}};

static const R_ExternalMethodDef externals[] = {{"ffi_call", FUNC(ffi_call), -1}, {NULL, NULL, 0}};

void attribute_visible R_init_genred(DllInfo *dll);

void attribute_visible R_init_genred(DllInfo *dll) {
  R_registerRoutines(dll, NULL, calls, NULL, externals);
  R_useDynamicSymbols(dll, FALSE);
  R_forceSymbols(dll, TRUE);
  capi_register();
  ffi_settings_symbols();
  ffi_threads_init();
  ffi_device_init();
}
