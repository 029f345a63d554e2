# The operation table of the engine, as a data frame and as a help page.

#' Operations of the formula language
#'
#' `genred_operations()` returns the table of operations from which the engine derives its parser,
#' its interpreter, the kernels and the derivatives.
#'
#' In the columns, f, g and h are arguments that are expressions, v is a variable, n and m are
#' integers, and dim() is a dimension. Positions count from 0. A complex vector holds real and
#' imaginary parts in turn (interleaved). Arguments of element-wise operations must have equal
#' dimensions, or dimension 1.
#'
#' In `derivative`, e is the incoming gradient, o the result, and d and c are the dimensions of f
#' and g. There is one rule per argument, separated by semicolons. For a rewrite, the column
#' contains the expression that replaces the operation, and whose derivative is taken.
#'
#' @return A data frame with one row per operation and the columns `name`, `arguments`, `dimension`
#'   (of the result), `meaning`, `kind` (`"element-wise"`, `"loop"`, `"rewrite"`, `"index"` or
#'   `"constant"`) and `derivative` (`NA` if a function of the engine constructs it).
#' @section Operators:
#' `+ - * /` are `Add Subtract Mult Divide`; `**` and `^` are `Pow` for an integer constant, else
#' `Powf`; `|` is `Scalprod`; unary `-` is `Minus`; `== != < <= > >=` are
#' `Equal NotEqual LessThan LessOrEqual`; `x[n]` is `Elem(x,n)`, and `x[a:b]` is `Extract(x,a,b-a)`.
#' Names in lower case mean the same.
#' @section Numbers of rows and columns:
#' `IndexI()` and `IndexJ()` are the numbers of the pair's row i and column j, and `IndexDiff()` is
#' i - j. `Exp(-SqDist(x,y)) * (IndexDiff() != 0)` leaves out the diagonal, `IndexDiff() >= 0` is a
#' causal mask, `Abs(IndexDiff()) <= 5` a band. Numbers count from 0 in strings, as all positions
#' there, and from 1 in R formulas. They are those of the whole call, in blocks, on several GPUs,
#' with `ranges` that sort the data, and in pieces of a partial result with an `offset`. In single
#' precision `IndexDiff()` is exact below 2^24 in magnitude and has the right sign beyond;
#' `IndexI()` and `IndexJ()` are exact below 2^24, and a message says so where there are more. All
#' derivatives are 0.
#' @section Random numbers:
#' `Rand(seed)` is a number in (0, 1), uniformly distributed, that follows from i, j and the seed
#' alone: it is the same whenever the same formula is evaluated, on the CPU and on GPUs, for any
#' number of threads, and in gradients. Different seeds give independent numbers, equal ones the
#' same. `Exp(-SqDist(x,y)) * (Rand(1) < 0.9)` drops a tenth of the pairs; `f - Log(-Log(Rand(1)))`
#' with `"ArgKMax"` draws K columns without replacement, with probabilities proportional to `Exp(f)`
#' (Gumbel's trick).
#'
#' The seed is an integer of 32 bits, or an expression of dimension 1 made of parameters, so that
#' each call may have its own: `Rand(s)` with `"s = Pm(1)"`. Such a value is rounded to the nearest
#' integer, halves away from 0, of which the lowest 32 bits count; `NaN` and magnitudes of 2^53 or
#' more count as 0. Of i and j, too, the lowest 32 bits count. In single precision numbers have the
#' form (k + 1/2) 2^-23, in double precision (k + 1/2) 2^-52; the two differ by less than 2^-23. The
#' generator is pcg3d of M. Jarzynski and M. Olano, Hash functions for GPU rendering, *Journal of
#' Computer Graphics Techniques* 9(3), 2020, which is not made for cryptography. With ranges that
#' sort the data (see [group_ranges()]), `Rand()` is an error.
#' @eval operations_section()
#' @seealso [Genred()], [genred_grad()]
#' @export
#' @examples
#' head(genred_operations()[c("name", "arguments", "meaning")])
#' subset(genred_operations(), name == "Norm2")
genred_operations <- function() {
  as.data.frame(.Call(.ffi_operations), stringsAsFactors = FALSE)
}

# The table as markup for the help page; called by roxygen2.
operations_section <- function() {
  ops <- genred_operations()
  escape <- function(x) gsub("([][%{}])", "\\\\\\1", x) # for markdown and for Rd
  rows <- paste0("\\code{", escape(ops$name), "(", escape(ops$arguments), ")} \\tab ", escape(ops$dimension), " \\tab ",
                 escape(ops$meaning), " \\cr")
  c("@section Table:", "\\tabular{lll}{", "operation \\tab dimension \\tab meaning \\cr", rows, "}")
}
