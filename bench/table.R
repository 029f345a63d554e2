# Prints tables with columns of fixed width, line by line, because some lines take a while.

number <- function(x, digits = 3) {
  if (is.na(x)) return("-")
  sub("\\.$", "", formatC(x, digits = digits, format = "fg", flag = "#", width = 1))
}
short <- function(x) if (is.na(x)) "-" else if (x == 0) "0" else sub("e([+-])0", "e\\1", sprintf("%.0e", x))
pairs_per_second <- function(ns) sprintf("%.2e", 1e9 / ns)
size <- function(x) if (x >= 1e5) sub("e\\+0?", "e", sprintf("%.0e", x)) else sprintf("%d", as.integer(x))

# widths: named by the headings, negative for left-aligned columns
print_table <- function(widths, groups = NULL) {
  print_line <- function(x) cat(sub(" +$", "", paste(sprintf("%*s", as.integer(widths), x), collapse = "")), "\n", sep = "")
  list(
    head = function() {
      if (!is.null(groups)) print_line(groups)
      print_line(names(widths))
      cat(strrep("-", sum(abs(widths))), "\n", sep = "")
    },
    line = function(...) print_line(c(...))
  )
}

case_columns <- c(work = -14, type = -8, M = 7, N = 7, D = 6, E = 5)
case_cells <- function(r) c(r$work, r$dtype, size(r$M), size(r$N), r$D, r$E)

# ns per pair and pairs per second of genred, the other times divided by genred's, and the errors
compare_table <- function(shown) {
  others <- setdiff(shown, "genred")
  erring <- intersect(shown, c("genred", "keops", "numpy", "limit"))
  title <- function(names) vapply(sides[names], `[[`, "", "title")
  named <- function(names, width) setNames(rep(width, length(names)), title(names))
  widths <- c(case_columns, genred = 9, `pairs/s` = 10, named(others, 10), named(erring, 9))
  groups <- rep("", length(widths))
  at <- length(case_columns) + 1
  groups[c(at, at + 2, at + 2 + length(others))] <- c("ns/pair", "ratio", "error")
  table <- print_table(widths, groups)
  list(head = table$head, line = function(r, rows) {
    rows <- rows[match(shown, rows$side), ]
    rownames(rows) <- shown
    own <- rows["genred", "value"]
    cell <- function(name, text) {
      state <- rows[name, "state"]
      if (is.na(state)) "-" else if (state != "ok") state else text(rows[name, ])
    }
    table$line(case_cells(r), number(own), pairs_per_second(own), vapply(others, cell, "", function(x) number(x$value / own)),
               vapply(erring, cell, "", function(x) short(x$error)))
  })
}

# Both types side by side; a step beyond 1.3, up or down, is marked.
steps_table <- function(by, part) {
  size_of <- part[[1L]][[by]]
  steps <- lapply(part, function(rows) exp(steps_of(rows[[by]], rows$value)))
  fits <- vapply(part, function(rows) fitted_constant(rows[[by]], rows$value), 0)
  cat(sprintf("%s, Gaussian, M = N = %d. Step: growth of the time per pair from one line to the next, divided by that of c + %s\n",
              c(D = "Dimension D", E = "Signals E")[by], part[[1L]]$M[1L], by))
  cat("(c, the constant part in units of one more ", c(D = "coordinate", E = "signal")[by], ", fitted: ",
      paste(names(part), number_list(fits), collapse = ", "), ")\n", sep = "")
  widths <- c(6, unlist(lapply(part, function(rows) c(`ns/pair` = 12, step = 8, 2))))
  names(widths) <- c(by, rep(c("ns/pair", "step", ""), length(part)))
  table <- print_table(widths, c("", unlist(lapply(names(part), function(type) c(type, "", "")))))
  table$head()
  for (k in seq_along(size_of)) {
    table$line(size_of[k], unlist(lapply(names(part), function(type) {
      step <- steps[[type]][k]
      c(number(part[[type]]$value[k]), number(step), if (!is.na(step) && max(step, 1 / step) > 1.3) "*" else "")
    })))
  }
  for (type in names(part)) {
    far <- which.max(abs(log(steps[[type]])))
    cat(sprintf("%s: largest step %s, from %s = %g to %g\n", type, number(steps[[type]][far]), by, size_of[far - 1], size_of[far]))
  }
  cat("\n")
}
number_list <- function(x) vapply(x, number, "")
