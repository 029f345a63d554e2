# Translation of one-sided R formulas to strings of the formula language.  The string is written
# from R's parse tree, with the parentheses that the precedences of the formula language require, so
# that it means what R parsed.

formula_text <- function(x, what, call) {
  if (length(x) != 2L) {
    stop_genred("argument", "`", what, "` must be a one-sided formula, `~ expression`; this one has a left-hand side",
                call = call)
  }
  if (is.character(x[[2L]])) return(read_formula(x[[2L]], what, call))
  refuse <- function(...) stop_genred("parse", ..., call = call)
  tryCatch(expression_text(x[[2L]], refuse)$text, error = function(e) {
    if (inherits(e, "genred_error")) stop(e)
    refuse("the formula cannot be translated: ", conditionMessage(e))
  })
}

# Precedence in the formula language, loosest first.  All operators associate to the left, except
# powers.
language_precedence <- c("==" = 1, "!=" = 1, "<" = 1, "<=" = 1, ">" = 1, ">=" = 1, "|" = 2, "+" = 3, "-" = 3,
                         "*" = 4, "/" = 4, "unary" = 5, "^" = 6, "atom" = 7)

# Those that form chains such as a + b - c.
chained_operators <- setdiff(names(language_precedence), c("unary", "^", "atom"))

# The number of a row or a column, which R formulas count from 1.
numbers_from_one <- c("IndexI", "indexi", "IndexJ", "indexj")

piece <- function(text, precedence = "atom") list(text = text, precedence = language_precedence[[precedence]])

enclosed <- function(p, least) if (p$precedence < least) paste0("(", p$text, ")") else p$text

expression_text <- function(e, refuse) {
  if (is.name(e)) return(piece(as.character(e)))
  if (is.numeric(e) && length(e) == 1L && is.finite(e)) return(piece(number_text(e)))
  if (!is.call(e)) refuse("a formula cannot contain ", shown(e))
  if (!is.name(e[[1L]])) refuse("a formula cannot contain ", shown(e))
  name <- as.character(e[[1L]])
  args <- as.list(e)[-1L]
  if (name == "(") return(expression_text(args[[1L]], refuse))
  if (name == "[") return(subset_text(args, e, refuse))
  if (name == "c") return(piece(paste0("[", listed(args, refuse), "]")))
  if (name %in% names(language_precedence)) return(operator_text(name, args, refuse))
  if (name %in% numbers_from_one && !length(args)) return(piece(paste0(name, "() + 1"), "+"))
  is_identifier <- grepl("^[A-Za-z_.][A-Za-z0-9_.]*$", name, perl = TRUE)
  if (is_identifier) return(piece(paste0(name, "(", listed(args, refuse), ")")))
  refuse("`", name, "` is not an operator of the formula language, in ", shown(e))
}

operator_text <- function(name, args, refuse) {
  if (length(args) == 1L) {
    operand <- expression_text(args[[1L]], refuse)
    text <- enclosed(operand, language_precedence[["unary"]])
    return(if (name == "+") operand else piece(paste0(name, text), "unary"))
  }
  if (name != "^") return(chain_text(as.call(c(as.name(name), args)), refuse))
  own <- language_precedence[["^"]]
  left <- enclosed(expression_text(args[[1L]], refuse), own + 1)
  piece(paste0(left, "^", enclosed(expression_text(args[[2L]], refuse), own)), name)
}

# A sum of a thousand terms is a thousand nested calls, each the left operand of the next.  A loop,
# because recursion would exhaust R's stack.
chain_text <- function(e, refuse) {
  links <- list()
  while (is.call(e) && length(e) == 3L && is.name(e[[1L]]) && as.character(e[[1L]]) %in% chained_operators) {
    links[[length(links) + 1L]] <- e
    e <- e[[2L]]
  }
  left <- expression_text(e, refuse)
  for (link in rev(links)) {
    name <- as.character(link[[1L]])
    own <- language_precedence[[name]]
    left <- piece(paste(enclosed(left, own), name, enclosed(expression_text(link[[3L]], refuse), own + 1)), name)
  }
  left
}

# x[k] and x[a:b]
subset_text <- function(args, e, refuse) {
  if (length(args) != 2L) refuse("components are selected by x[k] or x[a:b], not ", shown(e))
  index <- args[[2L]]
  range <- is.call(index) && identical(index[[1L]], quote(`:`))
  parts <- lapply(if (range) as.list(index)[-1L] else list(index), function(x) expression_text(x, refuse)$text)
  x <- enclosed(expression_text(args[[1L]], refuse), language_precedence[["atom"]])
  piece(paste0(x, "[", paste(parts, collapse = ":"), "]"))
}

listed <- function(args, refuse) {
  paste(vapply(args, function(a) expression_text(a, refuse)$text, ""), collapse = ", ")
}

# The shortest string that is parsed to the same number.  The decimal point is always a period,
# independent of options(OutDec = ) and the locale.
number_text <- function(x) {
  for (digits in 15:17) {
    text <- gsub("[^0-9e+-]+", ".", formatC(x, digits = digits, width = 1L, format = "g", decimal.mark = "."))
    if (as.numeric(text) == x) return(text)
  }
  text
}

shown <- function(e) paste0("`", abbreviated(paste(deparse(e, nlines = 2L), collapse = " "), 60L), "`")
