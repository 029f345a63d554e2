/* capi.h: what init.c calls of capi.c. */
#ifndef GENRED_CAPI_H
#define GENRED_CAPI_H
void capi_register(void); /* at load time */
#endif
