/* kernels.h: compiled kernels: made by the compiler, kept in memory and on disk. */
#ifndef GENRED_KERNELS_H
#define GENRED_KERNELS_H
#include "run/run.h"

/* ---- cc.c: find and run the compiler -------------------------------------------------------- */

typedef struct gr_compiler {
  char **argv; /* command words, malloc'ed; argv[0] is a path */
  int n;
  char identity[512]; /* path, size and time of change of the program: for the cache key */
  /* it refuses the flag for this machine's own instructions, so that it is run without */
  bool plain;
} gr_compiler;

/* cc as gr_options.cc */
gr_class gr_compiler_find(const char *cc, gr_compiler *out, gr_error *err);
void gr_compiler_free(gr_compiler *c);
const char *const *gr_compile_flags(const gr_compiler *cc, int *n); /* ours */
/* the one that is left out where cc->plain */
const char *gr_native_flag(void);
/* Compiles `text` (C) to the shared object `so_path`; scratch files go to `dir`.  Where it fails
 * and the compiler turns out to refuse the flag for this machine's own instructions, cc->plain is
 * set: then it is worth another try, under another key. */
gr_class gr_compile_c(gr_compiler *cc, const gr_options *opt, const char *text, const char *dir, const char *so_path, gr_error *err);

/* ---- loaded.c: kernels in memory ------------------------------------------------------------ */

/* A kernel that somebody holds: it stays loaded until gr_kernel_drop. */
typedef struct gr_kernel {
  gr_kernel_fn *fn; /* NULL: none */
  gr_object *object;
} gr_kernel;

/* digits of a kernel's key; those that its function's name has in a joint text */
enum { GR_KEY = 64, GR_TAIL = 16 };
enum { GR_IDLE_OBJECTS = 256 };     /* shared objects that stay loaded though nobody holds them */

/* A kernel that will be needed. */
struct gr_wanted {
  gr_program *program;
  bool few;              /* of the program's two that are lowered */
  const char *text;      /* alone */
  char key[GR_KEY + 1];  /* made by gr_kernel_known */
  gr_kernel kernel;      /* none until it is found; then held */
};

bool gr_loaded_find(const char *key, gr_kernel *k); /* and holds it */
/* Takes over the handle of an object with these kernels, whose fn are set; each is held.  Where it
 * fails the handle stays the caller's. */
gr_class gr_loaded_add(void *handle, gr_wanted *const *w, int n, gr_error *err);
void gr_kernel_drop(gr_kernel *k); /* none is fine */
/* What was found out and holds for this process: a key each. */
int gr_facts(void); /* how many */
bool gr_fact_known(const char *key);
void gr_fact_keep(const char *key);
/* The program's kernel, found with these settings. */
bool gr_program_has(const gr_program *p, int plan, const gr_options *opt);
/* takes it over; lets go of the one before */
void gr_program_keep(gr_program *p, int plan, const gr_options *opt, gr_kernel *k);

/* ---- cache.c, prepare.c: a text to its kernel ------------------------------------------------ */

/* Is it in memory or in opt->cache_dir?  Then w->kernel is set. */
bool gr_kernel_known(gr_compiler *cc, const gr_options *opt, gr_wanted *w, gr_report *report);
/* Compiles the joint text of n kernels; each is kept, in memory and in opt->cache_dir, as if it had
 * been compiled alone. */
gr_class gr_kernels_compile(gr_compiler *cc, const char *text, gr_wanted *const *w, int n, const gr_options *opt, gr_report *report,
                            gr_error *err);
/* The kernel of this text: from the table of loaded kernels, else from opt->cache_dir, else
 * compiled (and stored there). */
gr_class gr_kernel_get(const char *text, const gr_options *opt, gr_kernel *kernel, gr_report *report, gr_error *err);

#endif
