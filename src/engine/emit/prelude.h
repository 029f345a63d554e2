/* prelude.h: the vector math that every kernel of a processor begins with.
 *
 * Owns      the headers that are included here, by subject: the types of a kernel (T V VI TI VD),
 *           its loads, stores and masks, and element-wise functions.  Kernels do not include them:
 *           they begin with their text (prelude.c), in this order.
 * Assumes   gcc or clang in GNU mode; that it is the first text of the file (it includes nothing of
 *           C's), or on Windows the first after trig_large.h; no -ffast-math.
 *           Options, defined before it:
 *             GR_F64       1: T is double, else float
 *             GR_VBYTES    bytes of V: 16, 32 or 64; if not given, the widest that the compiler's
 *                          target has
 *             GR_WITHOUT_x leaves out group x (GR_PIECES in emitter.h)
 *           A group stands between `#ifndef GR_WITHOUT_x` and `#endif` with the same name behind
 *           it, and an empty line follows; prelude.sed finds it by these lines.  Which group an
 *           operation needs stands in its row of graph/ops.h; a kernel has no others.
 * Guarantees  lanes are independent; NaN passes through; special values are those of C's functions;
 *           errors are at most 4 units in the last place, mostly below 2; with or without
 *           contraction of a*b+c to an FMA.  Exceptions: v_lgamma and v_digamma of negative
 *           arguments, see there; an exp or exp2 that would be subnormal is 0, see gr_exp2 (where
 *           the target has no instruction that scales, see gr_scale).  Nothing has external
 *           linkage, and libm is called only for lanes of v_sin, v_cos and v_tan above GR_TRIG_MAX
 *           (and, unoptimized or where the target has no such instruction, by v_sqrt and v_floor).
 * Method    argument reduction after Cody and Waite (constants in pieces so short that their
 *           multiples are exact), then polynomials made for these files: least squares on Chebyshev
 *           nodes with Lawson's reweighting, in 260 bits, one coefficient rounded at a time and the
 *           others fitted again (for erf, lgamma and digamma: Remez's exchange, then the same
 *           rounding).  Each is given with its largest error relative to the function. */
#include "emit/prelude_types.h"
#include "emit/prelude_simple.h"
#include "emit/prelude_exp.h"
#include "emit/prelude_log.h"
#include "emit/prelude_trig.h"
#include "emit/prelude_erf.h"
#include "emit/prelude_softmin.h"
#include "emit/prelude_gamma.h"
#include "emit/prelude_index.h"
