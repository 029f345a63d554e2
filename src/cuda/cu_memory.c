/* cu_memory.c: device memory and the copies to it.
 *
 * Owns the lists of a cu_gpu's blocks.  A block that is given back is kept, up to a bound, for the
 * next request of its size: on a device, an allocation takes longer than a small call.  All work of
 * a device is in one stream, so that a block can be reused at once.  Copies go through two staging
 * buffers of pinned memory: while one is copied, the other is filled (doubles are converted to
 * floats there, which halves the traffic).  A matrix that stays (gr_buffer) has the number of its
 * context: after a fault its entries are lost, and asking for them is an error. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cu.h"

/* All thresholds of this file.
 *   keep, keep_part   the most bytes of idle blocks, and the largest fraction of the memory
 *   threads           how many numbers are converted by several threads */
static const struct {
  int64_t keep;
  double keep_part;
  int64_t threads;
} tune = {.keep = (int64_t)1 << 30, .keep_part = 0.125, .threads = 1 << 17};

/* ---- blocks ---- */

/* Sizes are rounded up to few different ones, so that blocks can be reused: eighths of a power of
 * two, from 512 bytes. */
static size_t rounded(size_t bytes) {
  size_t step = 64;
  while (step * 16 <= bytes) step *= 2;
  bytes = (bytes + step - 1) / step * step;
  return bytes < 512 ? 512 : bytes;
}

static cu_block *find_idle(cu_gpu *g, size_t size) {
  for (cu_block **b = &g->idle; *b; b = &(*b)->next) {
    if ((*b)->size != size) continue;
    cu_block *found = *b;
    *b = found->next;
    g->idle_bytes -= size;
    return found;
  }
  return NULL;
}

static gr_class allocate(cu_gpu *g, size_t size, cu_block **b, gr_error *err) {
  cu_block *made = calloc(1, sizeof *made);
  if (!made) return gr_fail(err, ERR_NoMemory, "a block on the GPU", (long long)sizeof *made);
  made->size = size;
  gr_class cls = CU(g, err, cuMemAlloc_v2, &made->address, size);
  if (cls == GR_MEMORY && g->idle) {
    gr_error_clear(err);
    cu_give_idle(g);
    cls = CU(g, err, cuMemAlloc_v2, &made->address, size);
  }
  *b = cls ? NULL : made;
  if (cls) free(made);
  return cls;
}

gr_class cu_take(cu_gpu *g, size_t bytes, cu_block **b, gr_error *err) {
  size_t size = rounded(bytes);
  gr_class cls = GR_OK;
  *b = find_idle(g, size);
  if (!*b) cls = allocate(g, size, b, err);
  if (cls) return cls;
  (*b)->next = g->taken;
  g->taken = *b;
  return GR_OK;
}

static size_t keep_most(const cu_gpu *g) {
  double part = (double)g->info.memory * tune.keep_part;
  return (size_t)(part < (double)tune.keep ? part : (double)tune.keep);
}

static void free_block(cu_block *b, bool lost) {
  if (!lost) cu_now()->cuMemFree_v2(b->address);
  free(b);
}

/* The least recently used blocks are freed first. */
static void trim_idle(cu_gpu *g) {
  while (g->idle_bytes > keep_most(g)) {
    cu_block **last = &g->idle;
    while ((*last)->next) last = &(*last)->next;
    g->idle_bytes -= (*last)->size;
    free_block(*last, false);
    *last = NULL;
  }
}

void cu_give(cu_gpu *g, cu_block *b) {
  cu_block **at = &g->taken;
  if (!b) return;
  while (*at != b) at = &(*at)->next;
  *at = b->next;
  if (g->fault != CUDA_SUCCESS) {
    free_block(b, true);
    return;
  }
  b->next = g->idle;
  g->idle = b;
  g->idle_bytes += b->size;
  trim_idle(g);
}

static void free_list(cu_block **list, bool lost) {
  while (*list) {
    cu_block *next = (*list)->next;
    free_block(*list, lost);
    *list = next;
  }
}

void cu_give_idle(cu_gpu *g) {
  free_list(&g->idle, false);
  g->idle_bytes = 0;
}

void cu_free_memory(cu_gpu *g, bool lost) {
  free_list(&g->taken, lost);
  free_list(&g->idle, lost);
  g->idle_bytes = 0;
  for (int k = 0; k < CU_STAGES; k++) {
    if (g->staged[k] && !lost) cu_now()->cuEventDestroy_v2(g->staged[k]);
    if (g->stage[k] && !lost) cu_now()->cuMemFreeHost(g->stage[k]);
    g->stage[k] = NULL;
    g->staged[k] = NULL;
  }
}

/* ---- stages ---- */

static gr_class make_stage(cu_gpu *g, int k, gr_error *err) {
  if (!g->staged[k] && CU(g, err, cuEventCreate, &g->staged[k], CU_EVENT_DISABLE_TIMING) != GR_OK)
    return err->cls;
  return CU(g, err, cuMemHostAlloc, &g->stage[k], CU_STAGE_BYTES, CU_HOST_ALLOC_PORTABLE);
}

gr_class cu_stage_wait(cu_gpu *g, int k, gr_error *err) {
  return CU(g, err, cuEventSynchronize, g->staged[k]);
}

gr_class cu_stage(cu_gpu *g, int *stage, gr_error *err) {
  int k = *stage = g->next_stage;
  g->next_stage = (k + 1) % CU_STAGES;
  return g->stage[k] ? cu_stage_wait(g, k, err) : make_stage(g, k, err);
}

/* Without an event that tells when a copy is done, it is waited for here: the next call fills the
 * staging buffer again. */
gr_class cu_stage_used(cu_gpu *g, int k, gr_error *err) {
  gr_class cls = CU(g, err, cuEventRecord, g->staged[k], g->stream);
  if (cls) cu_now()->cuStreamSynchronize(g->stream);
  return cls;
}

/* ---- numbers in other types ---- */

size_t cu_size_of(gr_storage_type type) {
  static const size_t size[] = {8, 4, 2, 2, 4};
  return size[type];
}

static uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static double float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* x / 2^shift to the nearest integer, ties to even. */
static uint32_t round_bits(uint32_t x, int shift) {
  uint32_t half = 1u << (shift - 1), rest = x & ((1u << shift) - 1), q = x >> shift;
  return q + (rest > half || (rest == half && (q & 1)));
}

static uint16_t to_bfloat(double v) {
  uint32_t u = bits_of((float)v);
  if (v != v) return (uint16_t)(u >> 16 | 64);
  return (uint16_t)((u >> 31 << 15) + round_bits(u & 0x7fffffffu, 16));
}

/* binary16, straight from the double: rounded once. */
static uint16_t to_half(double v) {
  uint16_t sign = signbit(v) ? 0x8000 : 0;
  double a = fabs(v);
  int e;
  if (v != v) return sign | 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  frexp(a, &e);                           /* 2^(e-1) <= a < 2^e */
  int unit = e - 11 < -24 ? -24 : e - 11; /* exponent of the last bit */
  int m = (int)nearbyint(ldexp(a, -unit));
  return (uint16_t)(sign | (a == 0 ? 0 : unit == -24 ? m : ((unit + 24) << 10) + m));
}

static double from_half(uint16_t h) {
  int e = h >> 10 & 31, m = h & 1023;
  double a = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
  return h & 0x8000 ? -a : a;
}

static double from_bfloat(uint16_t b) { return float_of((uint32_t)b << 16); }

/* An index of R's; NaN: there is none. */
static int32_t to_int(double v) { return v >= 1 && v <= INT32_MAX ? (int32_t)v : INT32_MIN; }

#define ALL(type_of, expression) \
  for (int64_t i = 0; i < n; i++) ((type_of *)to)[i] = expression

/* An origin is subtracted in single precision only. */
static void narrow(void *to, gr_storage_type type, const double *from, double origin, int64_t n) {
  switch (type) {
    case GR_DOUBLE: memcpy(to, from, (size_t)n * sizeof *from); break;
    case GR_FLOAT: ALL(float, (float)(from[i] - origin)); break;
    case GR_HALF: ALL(uint16_t, to_half(from[i])); break;
    case GR_BFLOAT16: ALL(uint16_t, to_bfloat(from[i])); break;
    case GR_INT: ALL(int32_t, to_int(from[i])); break;
  }
}

static void widen(double *to, gr_storage_type type, const void *from, int64_t n) {
  switch (type) {
    case GR_DOUBLE: memcpy(to, from, (size_t)n * sizeof *to); break;
    case GR_FLOAT: ALL(double, ((const float *)from)[i]); break;
    case GR_HALF: ALL(double, from_half(((const uint16_t *)from)[i])); break;
    case GR_BFLOAT16: ALL(double, from_bfloat(((const uint16_t *)from)[i])); break;
    case GR_INT:
      ALL(double, ((const int32_t *)from)[i] == INT32_MIN ? NAN : ((const int32_t *)from)[i]);
      break;
  }
}

/* ---- copies ---- */

/* Numbers first to first + n - 1 of a matrix on the host, in column-major order; neighbouring rows
 * are `step` apart, columns `stride`. */
typedef struct piece {
  const double *data, *origin;
  int64_t rows, step, stride, first, n;
} piece;

enum { GATHERED = 512 };

/* n numbers from row `row` of a column: where they are, or, if they are not neighbours, a copy. */
static const double *contiguous(const piece *p, int64_t row, int64_t column, int64_t n,
                                double copy[GATHERED]) {
  const double *from = p->data + row * p->step + column * p->stride;
  if (p->step == 1) return from;
  for (int64_t k = 0; k < n; k++) copy[k] = from[k * p->step];
  return copy;
}

static void fill_stage(char *stage, gr_storage_type type, const piece *p) {
  size_t size = cu_size_of(type);
  double copy[GATHERED];
  for (int64_t at = p->first, end = p->first + p->n; at < end;) {
    int64_t row = at % p->rows, run = p->rows - row < end - at ? p->rows - row : end - at;
    int64_t column = at / p->rows;
    if (p->step != 1) run = cu_least(run, GATHERED);
    narrow(stage + (size_t)(at - p->first) * size, type, contiguous(p, row, column, run, copy),
           p->origin ? p->origin[column] : 0, run);
    at += run;
  }
}

/* Large pieces are converted by several threads: one thread alone is slower than the copy. */
static void fill_with_threads(char *stage, gr_storage_type type, const piece *p, int threads) {
#ifdef _OPENMP
  if (threads > 1 && p->n >= tune.threads) {
    int64_t each = (p->n + threads - 1) / threads;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int t = 0; t < threads; t++) {
      piece mine = *p;
      mine.first += t * each;
      mine.n = p->n - t * each < each ? p->n - t * each : each;
      if (mine.n > 0) fill_stage(stage + (size_t)(t * each) * cu_size_of(type), type, &mine);
    }
    return;
  }
#endif
  (void)threads;
  fill_stage(stage, type, p);
}

/* A whole matrix. */
static gr_class upload(cu_gpu *g, cu_address to, gr_storage_type type, piece p, int64_t cols,
                       int threads, gr_error *err) {
  int64_t size = (int64_t)cu_size_of(type), most = CU_STAGE_BYTES / size, all = p.rows * cols;
  for (int64_t at = 0; at < all; at += most) {
    int stage;
    p.first = at;
    p.n = cu_least(all - at, most);
    if (cu_stage(g, &stage, err) != GR_OK) return err->cls;
    fill_with_threads(g->stage[stage], type, &p, threads);
    if (CU(g, err, cuMemcpyHtoDAsync_v2, to + (cu_address)(at * size), g->stage[stage],
           (size_t)(p.n * size), g->stream) != GR_OK ||
        cu_stage_used(g, stage, err) != GR_OK)
      return err->cls;
  }
  return GR_OK;
}

gr_class cu_upload(cu_gpu *g, cu_address to, gr_storage_type type, const gr_array *from,
                   int64_t first, int64_t rows, int threads, gr_error *err) {
  piece p = {.data = from->data + first,
             .origin = from->origin,
             .rows = rows,
             .step = 1,
             .stride = from->stride};
  return upload(g, to, type, p, from->cols, threads, err);
}

gr_class cu_upload_pairs(cu_gpu *g, cu_address to, gr_storage_type type, const double *data,
                         int64_t step, int64_t stride, int64_t rows, int64_t cols, int threads,
                         gr_error *err) {
  piece p = {.data = data, .rows = rows, .step = step, .stride = stride};
  return upload(g, to, type, p, cols, threads, err);
}

/* Copies a piece that has arrived in a staging buffer to its place in the matrix. */
static void empty_stage(const char *stage, gr_storage_type type, double *data, int64_t rows,
                        int64_t stride, int64_t first, int64_t n) {
  for (int64_t at = first; at < first + n;) {
    int64_t row = at % rows, run = rows - row < first + n - at ? rows - row : first + n - at;
    widen(data + at / rows * stride + row, type, stage + (size_t)(at - first) * cu_size_of(type),
          run);
    at += run;
  }
}

static gr_class download(cu_gpu *g, cu_address from, gr_storage_type type, double *data,
                         int64_t rows, int64_t cols, int64_t stride, gr_error *err) {
  int64_t size = (int64_t)cu_size_of(type), most = CU_STAGE_BYTES / size, all = rows * cols,
          before = -1;
  int stage = 0, last = 0;
  /* one piece is copied while another is emptied */
  for (int64_t at = 0; at < all + most; at += most) {
    if (at < all) {
      int64_t n = all - at < most ? all - at : most;
      if (cu_stage(g, &stage, err) != GR_OK ||
          CU(g, err, cuMemcpyDtoHAsync_v2, g->stage[stage], from + (cu_address)(at * size),
             (size_t)(n * size), g->stream) != GR_OK ||
          cu_stage_used(g, stage, err) != GR_OK)
        return err->cls;
    }
    if (before >= 0) {
      if (cu_stage_wait(g, last, err) != GR_OK) return err->cls;
      empty_stage(g->stage[last], type, data, rows, stride, before,
                  all - before < most ? all - before : most);
    }
    before = at < all ? at : -1;
    last = stage;
  }
  return GR_OK;
}

/* ---- matrices that stay ---- */

/* For whoever asked for a matrix, out of memory is an error of the device. */
static gr_class done(cu_gpu *g, gr_error *err) {
  if (g && g->full && err->cls == GR_MEMORY) err->cls = GR_CUDA;
  cu_end(err);
  return err->cls;
}

gr_class cu_make(int id, int64_t rows, int64_t cols, gr_storage_type type, gr_buffer **out,
                 gr_error *err) {
  cu_gpu *g = NULL;
  *out = NULL;
  cu_matrix *m = calloc(1, sizeof *m);
  if (!m) return gr_fail(err, ERR_NoMemory, "a matrix", (long long)sizeof *m);
  err->cls = GR_OK;
  if (cu_begin(err) != GR_OK) {
    free(m);
    return err->cls;
  }
  if (cu_use(id, &g, err) == GR_OK) {
    cu_take(g, (size_t)(rows * cols) * cu_size_of(type), &m->block, err);
    m->life = g->life;
  }
  m->shape = (gr_buffer){.rows = rows, .cols = cols, .type = type, .device = id};
  done(g, err);
  if (err->cls)
    free(m);
  else
    *out = &m->shape;
  return err->cls;
}

static const cu_matrix *matrix_of(const gr_buffer *b) { return (const cu_matrix *)(const void *)b; }

gr_class cu_address_of(const gr_buffer *b, cu_address *at, gr_error *err) {
  const cu_matrix *m = matrix_of(b);
  if (!cu_gpu_of(b->device, m->life)) return gr_fail(err, ERR_CudaLost, b->device);
  *at = m->block->address;
  return GR_OK;
}

enum { VECTOR_MOST = 1 << 16 };

/* The range of each column, and the numbers of a short vector, are kept on the host, where origins
 * are chosen (origin.c).  If there is no memory for them, they are not known. */
static void keep_range(cu_matrix *m, const gr_array *from) {
  size_t ranges = 3 * (size_t)from->cols,
         vector = from->cols == 1 && from->rows <= VECTOR_MOST ? (size_t)from->rows : 0;
  free(m->range);
  m->shape.range = m->range = malloc((ranges + vector) * sizeof *m->range + 1);
  m->shape.vector = NULL;
  if (!m->range) return;
  for (int64_t c = 0; c < from->cols; c++)
    gr_range_of(from->data + c * from->stride, from->rows, m->range + 3 * c);
  if (!vector) return;
  m->shape.vector = memcpy(m->range + ranges, from->data, vector * sizeof *m->range);
}

gr_class cu_put(gr_buffer *b, const double *data, int64_t stride, gr_error *err) {
  cu_gpu *g = NULL;
  cu_address at = 0;
  gr_array from = {.data = data, .rows = b->rows, .cols = b->cols, .stride = stride};
  err->cls = GR_OK;
  if (cu_begin(err) != GR_OK) return err->cls;
  if (cu_address_of(b, &at, err) == GR_OK && cu_use(b->device, &g, err) == GR_OK &&
      cu_upload(g, at, b->type, &from, 0, b->rows, 1, err) == GR_OK)
    CU(g, err, cuStreamSynchronize, g->stream);
  if (!err->cls) keep_range((cu_matrix *)(void *)b, &from);
  return done(g, err);
}

gr_class cu_get(const gr_buffer *b, double *data, int64_t stride, gr_error *err) {
  cu_gpu *g = NULL;
  cu_address at = 0;
  err->cls = GR_OK;
  if (cu_begin(err) != GR_OK) return err->cls;
  if (cu_address_of(b, &at, err) == GR_OK && cu_use(b->device, &g, err) == GR_OK)
    download(g, at, b->type, data, b->rows, b->cols, stride, err);
  return done(g, err);
}

/* Called by finalizers, at any time, even during a call: the current context is restored. */
void cu_free(gr_buffer *b) {
  cu_gpu *g = b ? cu_gpu_of(b->device, matrix_of(b)->life) : NULL;
  cu_context now = NULL;
  if (g) {
    cu_now()->cuCtxGetCurrent(&now);
    cu_now()->cuCtxSetCurrent(g->context);
    cu_give(g, matrix_of(b)->block);
    cu_now()->cuCtxSetCurrent(now);
  }
  if (b) free(matrix_of(b)->range);
  free(b);
}
