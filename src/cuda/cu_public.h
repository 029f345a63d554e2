/* cu_public.h: the CUDA backend as its users see it: a table of functions to hand to the engine
 * (gr_options.device).
 *
 * Nothing of CUDA is touched before the first call of one of them; a machine without a driver
 * answers with GR_CUDA.  One thread at a time. */
#ifndef GENRED_CU_PUBLIC_H
#define GENRED_CU_PUBLIC_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const gr_device gr_cuda;

#ifdef __cplusplus
}
#endif
#endif
