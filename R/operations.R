# The operation table of the engine, as data and as a help page.

#' Operations of the formula language
#'
#' `genred_operations()` returns the table of operations that the engine itself works from: parser, interpreter, emitted kernels and
#' derivatives come from its rows.
#'
#' In the columns, f, g and h are the arguments that are expressions, v a variable, n and m integers; dim() is a dimension. Positions
#' count from 0. A complex vector holds real and imaginary parts in turn. Element-wise operations take arguments of equal dimension, or 1.
#' In `derivative`, e is the incoming gradient, o the result, d and c the dimensions of f and g: one rule per argument, separated by
#' semicolons; for a rewrite, the column has the text that the operation is rewritten into, whose derivative follows from its parts.
#'
#' @return A data frame with one row per operation and the columns `name`, `arguments`, `dimension` (of the result), `meaning`, `kind`
#'   (`"element-wise"`, `"loop"`, `"rewrite"`, `"constant"`) and `derivative` (`NA`: by a function of the engine).
#' @section Operators:
#' `+ - * /` are `Add Subtract Mult Divide`; `**` and `^` are `Pow` for an integer constant, else `Powf`; `|` is `Scalprod`; unary `-` is
#' `Minus`; `== != < <= > >=` are `Equal NotEqual LessThan LessOrEqual`; `x[n]` is `Elem(x,n)` and `x[a:b]` is `Extract(x,a,b-a)`.
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

# The table in the language of help pages; run when the documentation is made.
operations_section <- function() {
  ops <- genred_operations()
  escape <- function(x) gsub("([][%{}])", "\\\\\\1", x) # for markdown and for Rd
  rows <- paste0("\\code{", escape(ops$name), "(", escape(ops$arguments), ")} \\tab ", escape(ops$dimension), " \\tab ", escape(ops$meaning), " \\cr")
  c("@section Table:", "\\tabular{lll}{", "operation \\tab dimension \\tab meaning \\cr", rows, "}")
}
