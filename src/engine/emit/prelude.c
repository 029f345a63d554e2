/* prelude.c: prelude.h with prelude_gamma.h, and state.h with prelude_cuda.h, as text, for the emitted kernels.  The two headers with the text are made from them when
 * the package is built. */
#include "emit/emitter.h"

const char *const gr_prelude[] = {
#include "prelude_text.h"
    NULL};

const char *const gr_prelude_cuda[] = {
#include "cuda_text.h"
    NULL};
