/* reds.h: the reductions.  RED(name, family, direction, results, weight, needs_k, formula, meaning)
 *
 * family     how partial results are kept, stepped and merged (state.h, reduce.c), planned
 *              (plan/families.c) and emitted:
 *              Total     sums                                   state: D sums (kahan: D sums, D
 *                        compensations)
 *              Extremum  the best value and where it is         state: D values [, D indices]
 *              Top       the K best, ascending by rank, stable  state: D*K values, D*K indices
 *              ExpSum    m = max f, s = sum of exp(f - m) w     state: m, then one s per weight
 *                        component; exp(f - m) is 0 for f = -Inf only, so that an infinite w counts
 *                        (?genred_reductions)
 *              Product   products                               state: D products
 *              Moments   means and sums of squared deviations   state: the count, D means, D sums
 * direction  +1 the smallest is best, -1 the largest, 0 neither
 * results    V value, X index, VX both, R raw state, L m + log(s), Q s[1..]/s[0], M value over
 *            count, B value within 0 ... 1, S sample variance
 * weight     N none, O optional, Y required (formula2)
 * formula    what is reduced in place of f, in the language of formulas, or NULL: f itself.  Where
 *            a weight g is possible, this holds for calls with one only; e is then -Inf:
 *              f != 0, so that NaN counts as true f where some weight is not 0, else -Inf: a pair
 *              without weight must not set the maximum to which the exponentials of the others are
 *              relative
 * The state is doubles, one array per entry; an index there is exact, -1 where there is none. */
#define GR_WEIGHTED_ONLY "IfElse(-Sum(Abs(g)),e,f)"

#define GR_REDUCTIONS(RED)                                                                                             \
  RED(Sum, Total, 0, V, N, 0, NULL, "sum of f")                                                                        \
  RED(Min, Extremum, 1, V, N, 0, NULL, "smallest value of each component of f; NaN is never chosen")                   \
  RED(Max, Extremum, -1, V, N, 0, NULL, "largest value of each component of f; NaN is never chosen")                   \
  RED(ArgMin, Extremum, 1, X, N, 0, NULL, "index of the smallest value, the lowest on ties")                           \
  RED(ArgMax, Extremum, -1, X, N, 0, NULL, "index of the largest value, the lowest on ties")                           \
  RED(Min_ArgMin, Extremum, 1, VX, N, 0, NULL, "smallest value and its index")                                         \
  RED(Max_ArgMax, Extremum, -1, VX, N, 0, NULL, "largest value and its index")                                         \
  RED(KMin, Top, 1, V, N, 1, NULL, "the K smallest values, ascending")                                                 \
  RED(ArgKMin, Top, 1, X, N, 1, NULL, "indices of the K smallest values")                                              \
  RED(KMin_ArgKMin, Top, 1, VX, N, 1, NULL, "the K smallest values and their indices")                                 \
  RED(KMax, Top, -1, V, N, 1, NULL, "the K largest values, descending")                                                \
  RED(ArgKMax, Top, -1, X, N, 1, NULL, "indices of the K largest values")                                              \
  RED(KMax_ArgKMax, Top, -1, VX, N, 1, NULL, "the K largest values and their indices")                                 \
  RED(Mean, Total, 0, M, N, 0, NULL, "mean of f")                                                                      \
  RED(Var, Moments, 0, S, N, 0, NULL, "sample variance of f (divided by the count less 1)")                            \
  RED(Prod, Product, 0, V, N, 0, NULL, "product of f")                                                                 \
  RED(Count, Total, 0, V, N, 0, "NotEqual(f,0)", "number of pairs where f is not 0")                                   \
  RED(Any, Extremum, -1, B, N, 0, "NotEqual(f,0)", "1 if f is not 0 for any pair, else 0")                             \
  RED(All, Extremum, 1, B, N, 0, "NotEqual(f,0)", "1 if f is not 0 for all pairs, else 0")                             \
  RED(Max_SumShiftExp, ExpSum, 0, R, O, 0, GR_WEIGHTED_ONLY, "m = max f and s = sum of exp(f - m)")                    \
  RED(Max_SumShiftExpWeight, ExpSum, 0, R, Y, 0, GR_WEIGHTED_ONLY, "m = max f and s = sum of exp(f - m) w")            \
  RED(LogSumExp, ExpSum, 0, L, O, 0, GR_WEIGHTED_ONLY, "log of the sum of exp(f) [w]")                                 \
  RED(LogSumExpWeight, ExpSum, 0, L, Y, 0, GR_WEIGHTED_ONLY, "log of the sum of exp(f) w")                             \
  RED(SumSoftMaxWeight, ExpSum, 0, Q, Y, 0, NULL, "sum of exp(f) w over sum of exp(f)")

/* Other spellings: SYN(spelling, name). */
#define GR_RED_SYNONYMS(SYN)                                                                                           \
  SYN(MinArgMin, Min_ArgMin)                                                                                           \
  SYN(MaxArgMax, Max_ArgMax)                                                                                           \
  SYN(KMinArgKMin, KMin_ArgKMin)                                                                                       \
  SYN(KMaxArgKMax, KMax_ArgKMax)                                                                                       \
  SYN(SoftMax, SumSoftMaxWeight)                                                                                       \
  SYN(MaxSumShiftExp, Max_SumShiftExp)                                                                                 \
  SYN(MaxSumShiftExpWeight, Max_SumShiftExpWeight)
