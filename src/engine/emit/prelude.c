/* prelude.c: the headers whose text kernels begin with, as text.
 *
 * The two headers that are included here are made by prelude.sh when the package is built: a line
 * each, with the group of the prelude that it belongs to. */
#include "emit/emitter.h"

const gr_prelude_line gr_prelude[] = {
#include "prelude_text.h"
    {PIECE_base, NULL}};

const gr_prelude_line gr_prelude_cuda[] = {
#include "cuda_text.h"
    {PIECE_base, NULL}};
