/* prelude.c: prelude.h as text, for the emitted kernels.  prelude_text.h is made from it when the package is built. */
#include "gr.h"

const char *const gr_prelude[] = {
#include "prelude_text.h"
    NULL};
