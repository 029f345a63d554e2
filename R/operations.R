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
#'   (of the result), `meaning`, `kind` (`"element-wise"`, `"loop"`, `"rewrite"` or `"constant"`)
#'   and `derivative` (`NA` if a function of the engine constructs it).
#' @section Operators:
#' `+ - * /` are `Add Subtract Mult Divide`; `**` and `^` are `Pow` for an integer constant, else
#' `Powf`; `|` is `Scalprod`; unary `-` is `Minus`; `== != < <= > >=` are
#' `Equal NotEqual LessThan LessOrEqual`; `x[n]` is `Elem(x,n)`, and `x[a:b]` is `Extract(x,a,b-a)`.
#' Names in lower case mean the same.
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
