/* target.c: where an emitter begins: the target and the reduction's emitters are found from the
 * plan. */
#include "emit/emitter.h"

const gr_target *gr_target_of(const gr_plan *p) {
  static const gr_target *const targets[] = {[TARGET_ROWS] = &gr_target_rows,
                                             [TARGET_COLUMNS] = &gr_target_columns,
                                             [TARGET_NARROW] = &gr_target_narrow,
                                             [TARGET_TILED] = &gr_target_tiled};
  return targets[p->target];
}

gr_emitter gr_emitter_of(gr_ctx *c, const gr_plan *p) {
  const gr_target *t = gr_target_of(p);
  return (gr_emitter){.c = c,
                      .out = {.arena = c->arena},
                      .p = p,
                      .t = t,
                      .red = (p->late ? t->in->late : t->in->reduction)[p->ask.red.family],
                      .row = -1,
                      .col = -1};
}
