/* reduce.h: what a reduction is: its state, and how states begin, take in a pair, merge and
 * become results. */
#ifndef GENRED_REDUCE_H
#define GENRED_REDUCE_H
#include "base/base.h"
#include "reduce/reds.h"
#include "reduce/state.h"

/* Limits: beyond each, an error. */
enum {
  GR_MAX_K = 1024,
  GR_MAX_NUMBERS = 1 << 27 /* of a row's state, of a buffer, of the workspace (in vectors): their
                            * bytes fit in an int */
};

/* ---- reduce.c: the reduction table, on doubles ---- */

typedef enum gr_red {
#define RED(name, ...) RED_##name,
  GR_REDUCTIONS(RED)
#undef RED
      RED_COUNT
} gr_red;

typedef enum gr_need { NEED_N, NEED_O, NEED_Y } gr_need;

typedef struct gr_redinfo {
  const char *name;
  gr_family family;
  int direction;
  gr_results results;
  gr_need weight;
  bool needs_k;
  const char *formula; /* what is reduced in place of the formula, see reds.h, or NULL */
  const char *meaning;
} gr_redinfo;

extern const gr_redinfo gr_reds[RED_COUNT];

/* What a family asks for and allows: bits of gr_familyinfo.traits. */
enum {
  GR_SCALAR_FORMULA = 1, /* the formula has dimension 1 */
  /* K entries with the indices of one axis: both cannot be reduced; each split of the reduced index
   * fills a list of its own */
  GR_KEEPS_LISTS = 2,
  GR_PLAIN_SUMS = 4,     /* entries are sums of components, which Kahan's scheme may compensate */
  GR_SUMS_IN_BLOCKS = 8  /* errors grow with the number of terms: states of blocks are merged */
};

typedef struct gr_familyinfo {
  const char *name;
  unsigned traits;
  int64_t (*size)(const gr_reduction *r); /* entries of the state */
  /* One pair; see gr_red_step. */
  void (*step)(const gr_reduction *r, double *s, int64_t ld, const double *f, int64_t sf,
               const double *w, int64_t sw, int64_t col);
} gr_familyinfo;

extern const gr_familyinfo gr_families[FAM_COUNT];

static inline bool gr_has_trait(gr_family family, unsigned trait) {
  return (gr_families[family].traits & trait) != 0;
}

int gr_red_find(const char *name);
const char *const *gr_red_names(int *n); /* with the synonyms */

/* nstate: at most one more than GR_MAX_NUMBERS, which the caller refuses. */
void gr_reduction_init(gr_reduction *r, gr_red red, int dim, int weight_dim, int k, bool kahan);
void gr_red_init(const gr_reduction *r, double *state, int64_t ld, int64_t rows);
/* One pair: f has r->dim values (stride sf), w the weight's (stride sw). */
void gr_red_step(const gr_reduction *r, double *state, int64_t ld, const double *f, int64_t sf,
                 const double *w, int64_t sw, int64_t col);
void gr_red_merge(const gr_reduction *r, double *into, int64_t ld_into, const double *from,
                  int64_t ld_from);
/* Adds `offset` to the indices in the states of some rows; -1, where there is none, stays. */
void gr_red_shift(const gr_reduction *r, double *state, int64_t ld, int64_t rows, double offset);
/* Writes rows m ... m + states of the outputs (of `rows` rows) from the states, into each of
 * which `count` pairs went. */
void gr_red_finish(const gr_reduction *r, const double *state, int64_t ld, int64_t states,
                   const gr_output *out, int64_t m, int64_t rows, double count);

#endif
