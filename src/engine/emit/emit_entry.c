/* emit_entry.c: plan to C: the function of a kernel that is called, and the scratch that it takes.
 *
 * Owns the order of the buffers in the scratch: the emitted text and gr_scratch_bytes are both made
 * from lay_out.  Parameters are computed and rows are packed once for all intervals of columns. */
#include "emit/emitter.h"

/* ---- scratch ---- */

/* The buffers of a kernel lie one after the other in its scratch: so many numbers, and so many for
 * each row, whose number is a multiple of 16.  All of them are multiples of 16.  The workspace W,
 * vectors of up to 64 bytes, follows. */
typedef struct buffer {
  const char *name;
  int64_t numbers, per_row;
} buffer;

enum { BUFFERS = 4 };

static void lay_out(const gr_plan *p, buffer b[BUFFERS]) {
  b[0] = (buffer){"P", (p->width.param + 15) / 16 * 16, 0};
  b[1] = (buffer){"R", 0, p->width.row};
  b[2] = (buffer){"S", (int64_t)(p->tile + GR_PAD) * p->width.stage, 0};
  b[3] = (buffer){"C", (int64_t)p->tile * p->width.packed, 0};
}

/* What is added to the beginning of a buffer to find the end of it, as text. */
static const char *extent(gr_emitter *e, const buffer *b) {
  return b->per_row ? gr_format(e->c->arena, "(int64)padded * %lld", (long long)b->per_row)
                    : gr_format(e->c->arena, "%lld", (long long)b->numbers);
}

static void declare_buffers(gr_emitter *e) {
  buffer b[BUFFERS];
  gr_str s = {.arena = e->c->arena};
  lay_out(e->p, b);
  gr_putf(&s, "T *%s = scratch", b[0].name);
  for (int k = 1; k < BUFFERS; k++)
    gr_putf(&s, ", *%s = %s + %s", b[k].name, b[k - 1].name, extent(e, &b[k - 1]));
  gr_line(&e->out, "%s;", s.s);
  gr_line(&e->out, "V *W = (V *)(%s + %s);", b[BUFFERS - 1].name, extent(e, &b[BUFFERS - 1]));
}

size_t gr_scratch_bytes(const gr_plan *p, int64_t rows) {
  buffer b[BUFFERS];
  /* by columns, a last group that is not full is read past the stage */
  size_t numbers = GR_LANES_MAX * 8;
  lay_out(p, b);
  for (int k = 0; k < BUFFERS; k++) numbers += (size_t)(b[k].numbers + rows * b[k].per_row);
  return numbers * (p->ask.f64 ? 8 : 4) + (size_t)p->cpu.work * 64 + 64;
}

/* ---- the function ---- */

/* What functions are told where arrays of pairs are read, as arguments. */
static const char *place(const gr_emitter *e) { return gr_reads_pairs(e->p) ? e->t->c->place : ""; }

/* Columns b ... of an interval that ends before c1; closes the loop over tiles. */
static void emit_tile(gr_emitter *e, const char *given) {
  gr_line(&e->out, "const int nc = c1 - b < TILE ? (int)(c1 - b) : TILE;");
  gr_line(&e->out, "columns(arg, ld, b, nc, P, S, C, W);");
  gr_line(&e->out, "pairs(%s%sP, R, S, C, W, state, ld_state, nr, b, nc);", place(e), given);
  gr_close(e);
}

/* A function of its own, as the size of a tile is to be a constant where there are many columns. */
static void emit_tiles_by_columns(gr_emitter *e) {
  gr_open_function(e, "static void", "tiles",
                   "%sconst double *const *arg, const int64 *ld, const T *P, const T *R, T *S, T *C, V *W, "
                   "double *state, int64 ld_state, int nr, int64 c0, int64 c1",
                   gr_reads_pairs(e->p) ? e->t->c->placed : "");
  gr_open(e, "for (int64 b = c0; b < c1; b += TILE)");
  emit_tile(e, "arg, ld, ");
  gr_close(e);
  gr_put(&e->out, "\n");
}

/* One loop over the tiles of all intervals: a compiler takes a tenth longer over a nest of two. */
static void emit_tiles(gr_emitter *e) {
  gr_open(e, "for (int64 b = 0, c1 = 0; b < c1 || n > 0; b += TILE)");
  gr_line(&e->out, "if (b >= c1) b = interval[0], c1 = interval[1], interval += 2, n--;");
  emit_tile(e, "");
}

/* Fewer columns than 16: column c0 + l belongs in lane l. */
static void call_tiles_by_columns(gr_emitter *e) {
  gr_open(e, "for (int64 k = 0; k < n; k++)");
  gr_line(&e->out, "const int64 c0 = interval[2 * k], c1 = interval[2 * k + 1];");
  gr_line(&e->out, "if (c1 - c0 >= 16)");
  gr_line(&e->out, "  tiles(%sarg, ld, P, R, S, C, W, state, ld_state, nr, c0, c1);", place(e));
  gr_line(&e->out, "else");
  gr_line(&e->out, "  for (int64 b = c0; b < c1; b += GR_L)");
  gr_line(&e->out,
          "    tiles(%sarg, ld, P, R, S, C, W, state + (b - c0), ld_state, nr, b, b + GR_L < c1 ? b "
          "+ GR_L : c1);",
          place(e));
  gr_close(e);
}

void gr_emit_entry(gr_emitter *e) {
  bool few = e->t->c->state_per_lane;
  if (few) emit_tiles_by_columns(e);
  gr_open_function(e, "GR_EXPORT void", "gr_kernel",
                   "const double *const *arg, const int64 *ld, double *state, int64 ld_state, int64 r0, "
                   "int64 r1, const int64 *interval, int64 n, void *scratch");
  gr_line(&e->out, "const int nr = (int)(r1 - r0), padded = (nr + 15) / 16 * 16;");
  declare_buffers(e);
  gr_line(&e->out, "parameters(arg, ld, P, W);");
  gr_line(&e->out, "rows(arg, ld, r0, nr, P, R, W);");
  if (few)
    call_tiles_by_columns(e);
  else
    emit_tiles(e);
  gr_close(e);
}
