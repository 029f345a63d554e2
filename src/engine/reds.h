/* reds.h: the reductions.  RED(name, family, direction, results, weight, needs_k, meaning)
 *
 * family     how partial results are kept, stepped and merged (reduce.c) and emitted (emit_red.c):
 *              Total     sums                                   state: D sums (kahan: D sums, D compensations)
 *              Extremum  the best value and where it is         state: D values [, D indices]
 *              Top       the K best, ascending by rank, stable  state: D*K values, D*K indices
 *              ExpSum    m = max f, s = sum of exp(f - m) w     state: m, then one s per weight component
 * direction  +1 the smallest is best, -1 the largest, 0 neither
 * results    V value, X index, VX both, R raw state, L m + log(s), Q s[1..]/s[0]
 * weight     N none, O optional, Y required (formula2)
 * The state is doubles, one array per entry; an index there is exact, -1 where there is none. */
#define GR_REDUCTIONS(RED)                                                                                             \
  RED(Sum, Total, 0, V, N, 0, "sum of f")                                                                              \
  RED(Min, Extremum, 1, V, N, 0, "smallest value of each component of f; NaN is never chosen")                         \
  RED(Max, Extremum, -1, V, N, 0, "largest value of each component of f; NaN is never chosen")                         \
  RED(ArgMin, Extremum, 1, X, N, 0, "index of the smallest value, the lowest on ties")                                 \
  RED(ArgMax, Extremum, -1, X, N, 0, "index of the largest value, the lowest on ties")                                 \
  RED(Min_ArgMin, Extremum, 1, VX, N, 0, "smallest value and its index")                                               \
  RED(Max_ArgMax, Extremum, -1, VX, N, 0, "largest value and its index")                                               \
  RED(KMin, Top, 1, V, N, 1, "the K smallest values, ascending")                                                       \
  RED(ArgKMin, Top, 1, X, N, 1, "indices of the K smallest values")                                                    \
  RED(KMin_ArgKMin, Top, 1, VX, N, 1, "the K smallest values and their indices")                                       \
  RED(Max_SumShiftExp, ExpSum, 0, R, O, 0, "m = max f and s = sum of exp(f - m)")                                      \
  RED(Max_SumShiftExpWeight, ExpSum, 0, R, Y, 0, "m = max f and s = sum of exp(f - m) w")                              \
  RED(LogSumExp, ExpSum, 0, L, O, 0, "log of the sum of exp(f) [w]")                                                   \
  RED(LogSumExpWeight, ExpSum, 0, L, Y, 0, "log of the sum of exp(f) w")                                               \
  RED(SumSoftMaxWeight, ExpSum, 0, Q, Y, 0, "sum of exp(f) w over sum of exp(f)")

/* Other spellings: SYN(spelling, name). */
#define GR_RED_SYNONYMS(SYN)                                                                                           \
  SYN(MinArgMin, Min_ArgMin)                                                                                           \
  SYN(MaxArgMax, Max_ArgMax)                                                                                           \
  SYN(KMinArgKMin, KMin_ArgKMin)                                                                                       \
  SYN(SoftMax, SumSoftMaxWeight)                                                                                       \
  SYN(MaxSumShiftExp, Max_SumShiftExp)                                                                                 \
  SYN(MaxSumShiftExpWeight, Max_SumShiftExpWeight)
