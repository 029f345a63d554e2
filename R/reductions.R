# The help page of the reductions, which are defined in src/engine/reduce.

#' Reductions
#'
#' What each `reduction_op` of [Genred()] computes, and how it treats `NaN`, `Inf`, ties and an
#' empty set of pairs.
#'
#' Below, \eqn{f_j} is the value of the formula for one row of the result and the j-th of the N rows
#' over which it is reduced (for `axis = 2`: over all pairs). A formula with D components is reduced
#' component by component. \eqn{w_j} is the value of `formula2`, the weight.
#'
#' The *state* is what genred stores for each row of the result while it processes the pairs.
#' Threads, blocks and GPUs process subsets of the pairs, each with a state of its own, and the
#' states are merged. A state consists of a few doubles, also for `"float32"`.
#'
#' @section Sums:
#' \describe{
#'   \item{`"Sum"`}{\eqn{\sum_j f_j}{sum_j f_j}, D columns. The state is D sums (with `sum_scheme =
#'     "kahan_scheme"` also D corrections).}
#'   \item{`"Mean"`}{\eqn{\sum_j f_j / N}{sum_j f_j / N}, D columns. The state is D sums.}
#'   \item{`"Var"`}{the sample variance \eqn{\sum_j (f_j - \bar f)^2 / (N - 1)}{sum_j (f_j -
#'     mean(f))^2 / (N - 1)}, D columns. The state is the count, D means and D sums of squared
#'     deviations.}
#'   \item{`"Prod"`}{\eqn{\prod_j f_j}{prod_j f_j}, D columns. The state is D products.}
#'   \item{`"Count"`}{the number of pairs with \eqn{f_j \ne 0}{f_j != 0}, D columns. The state is D
#'     sums.}
#' }
#' `NaN` and `Inf` follow the usual arithmetic: one `NaN`, or `Inf` together with `-Inf`, makes a
#' sum or mean `NaN`; `Inf` times 0 makes a product `NaN`; one `NaN` or infinite value makes a
#' variance `NaN`. `"Count"` counts `NaN`, which is not 0. There are no ties. Of an empty set (N =
#' 0) the sum and the count are 0, the product is 1 and the mean is `NaN`; the variance of fewer
#' than two values is `NaN`.
#'
#' @section Minima and maxima:
#' \describe{
#'   \item{`"Min"`, `"Max"`}{the smallest or the largest value of each component, D columns. The
#'     state is D values.}
#'   \item{`"ArgMin"`, `"ArgMax"`}{its index, counted from 1, D columns. The state is D values and D
#'     indices.}
#'   \item{`"Min_ArgMin"`, `"Max_ArgMax"`}{both, as `list(value =, index =)`. The state is the
#'     same.}
#'   \item{`"KMin"`, `"KMax"`, `"ArgKMin"`, `"ArgKMax"`, `"KMin_ArgKMin"`, `"KMax_ArgKMax"`}{the K =
#'     `opt_arg` smallest values in ascending order, the K largest in descending order, their
#'     indices, or both; K columns, or an array rows x K x D. The state is K D values and K D
#'     indices.}
#'   \item{`"Any"`, `"All"`}{1 if \eqn{f_j \ne 0}{f_j != 0} for any pair, for all pairs, else 0; D
#'     columns. The state is D values.}
#' }
#' `NaN` is never chosen; `Inf` and `-Inf` are ordinary values. Among equal values (0 and -0 are
#' equal) the lowest index comes first, however the work is divided. `"Any"` and `"All"` treat `NaN`
#' as true. If the set is empty or all values are `NaN`, the minimum is `Inf`, the maximum is `-Inf`
#' and the index is `NA`; the same values fill the remaining places if there are fewer than K
#' values. Of an empty set `"Any"` is 0 and `"All"` is 1. Reductions that return indices, and
#' `"KMin"` and `"KMax"`, require `axis` 0 or 1.
#'
#' @section Sums of exponentials:
#' The formula has one component, and \eqn{m = \max_j f_j}{m = max_j f_j}. Exponentials are taken of
#' \eqn{f_j - m}, so that none overflows.
#' \describe{
#'   \item{`"LogSumExp"`}{\eqn{m + \log \sum_j \exp(f_j - m)}{m + log sum_j exp(f_j - m)}, one
#'     column; with `formula2`, which is optional, the same as `"LogSumExpWeight"`.}
#'   \item{`"LogSumExpWeight"`}{\eqn{m + \log \sum_j \exp(f_j - m) w_j}{m + log sum_j exp(f_j - m)
#'     w_j}, one column for each component of the weight.}
#'   \item{`"SumSoftMaxWeight"` (or `"SoftMax"`)}{\eqn{\sum_j \exp(f_j) w_j / \sum_j
#'     \exp(f_j)}{sum_j exp(f_j) w_j / sum_j exp(f_j)}, one column for each component of the weight:
#'     a mean of the weights, as in attention or Nadaraya-Watson regression.}
#'   \item{`"Max_SumShiftExp"`, `"Max_SumShiftExpWeight"`}{the columns m and \eqn{s = \sum_j
#'     \exp(f_j - m)}{s = sum_j exp(f_j - m)}, or \eqn{s = \sum_j \exp(f_j - m) w_j}{s = sum_j
#'     exp(f_j - m) w_j} for each component of the weight: the state itself, from which the other
#'     results are computed.}
#' }
#' The state is m and one s for each component of the weight; `"SumSoftMaxWeight"` has an additional
#' s without weight.
#'
#' *Values.* A pair with `f = -Inf` contributes nothing. If all are `-Inf`, m and the log-sum-exp
#' are `-Inf`, s is 0, and the softmax is `NaN`. If some are `Inf`, m and the log-sum-exp are `Inf`;
#' the pairs with `f = Inf` count as \eqn{\exp(f - m) = 1}{exp(f - m) = 1} each and all others are
#' negligible, so that the softmax is the mean of the weights of the former. `NaN` never becomes the
#' maximum, and makes the sums `NaN`. Ties are irrelevant. Of an empty set, m and the log-sum-exp
#' are `-Inf`, s is 0, and the softmax is `NaN`.
#'
#' *Weights.*
#' \itemize{
#'   \item 0: in `"LogSumExp"`, `"LogSumExpWeight"` and `"Max_SumShiftExpWeight"`, a pair whose
#'     weights are all 0 is ignored: it contributes nothing and is not considered for m, even if f
#'     is `NaN` or `Inf`. In `"SumSoftMaxWeight"` it counts in the denominator like any other pair.
#'   \item Negative weights are subtracted. The logarithm of a negative sum is `NaN`, that of 0 is
#'     `-Inf`.
#'   \item `Inf` and `-Inf`: the sum is infinite, however small \eqn{\exp(f - m)}{exp(f - m)} is; if
#'     both signs occur it is `NaN`. Only \eqn{\exp(-\infty) = 0}{exp(-Inf) = 0} times an infinite
#'     weight is `NaN`.
#'   \item `NaN`: the sum of that component is `NaN`.
#' }
#' An \eqn{\exp(f - m)}{exp(f - m)} below the smallest normal number of the precision (1e-38 in
#' `"float32"`, 2e-308 in `"float64"`) counts as 0 without weights and as that number with weights,
#' unless `f = -Inf`.
#'
#' @name genred_reductions
#' @seealso [Genred()], and [genred_operations()] for the operations of formulas.
#' @examples
#' x <- matrix(c(0, 1, NaN, 1), 4, 1)
#' one <- function(reduction, ...) Genred("Y", "Y = Vj(1)", reduction, axis = 1, ...)
#' one("Max_ArgMax")(x)             # the first of two, and NaN is not chosen
#' one("KMin", opt_arg = 4)(x)      # Inf because there is no fourth value
#' one("Sum")(x)
#'
#' # a weight of 0 excludes a pair, even if its value is NaN
#' weighted <- Genred("Y", c("Y = Vj(1)", "W = Vj(1)"), "LogSumExp", axis = 1, formula2 = "W")
#' weighted(x, matrix(c(1, 2, 0, 1), 4, 1))
#' log(exp(0) + 2 * exp(1) + exp(1))
NULL
