# The results as a CSV file.  A comment line per family before the table says when, on which machine
# and with which versions it was measured.

first_line <- function(command, ...) {
  out <- tryCatch(suppressWarnings(system2(command, c(...), stdout = TRUE, stderr = FALSE)), error = function(e) character())
  if (length(out)) out[1L] else "missing"
}

cpu_model <- function() {
  info <- if (file.exists("/proc/cpuinfo")) readLines("/proc/cpuinfo")
  c(sub(".*: *", "", grep("^model name", info, value = TRUE)), Sys.info()[["machine"]])[1L]
}

vectors <- function() {
  flags <- if (file.exists("/proc/cpuinfo")) paste(readLines("/proc/cpuinfo"), collapse = " ")
  c(names(Filter(function(f) any(grepl(f, flags)), c("AVX-512" = "avx512f", AVX2 = "avx2", NEON = "asimd"))), "unknown vectors")[1L]
}

python_version <- function(module) {
  if (!file.exists(python)) return("missing")
  first_line(python, "-c", shQuote(sprintf("import importlib.metadata as m; print(m.version('%s'))", module)))
}
r_version <- function(package) if (nzchar(system.file(package = package))) format(packageVersion(package)) else "missing"

# Determined once per run
machine_line <- local({
  line <- NULL
  function() {
    if (is.null(line)) {
      line <<- paste(c(
        format(Sys.time(), "%Y-%m-%d %H:%M"), paste0(cpu_model(), ", ", vectors()), paste(parallel::detectCores(), "cores"),
        first_line("gcc", "--version"), paste("genred", r_version("genred")), paste("R", getRversion()),
        paste("PyKeOps", python_version("pykeops")), paste("NumPy", python_version("numpy")),
        paste("scikit-learn", python_version("scikit-learn")), paste("kernlab", r_version("kernlab")), paste("FNN", r_version("FNN")),
        paste("medians of 3 to", repeats)
      ), collapse = "; ")
    }
    line
  }
})

read_results <- function(file) {
  if (!file.exists(file)) return(list(notes = character(), rows = NULL))
  notes <- sub("^# ", "", grep("^# ", readLines(file), value = TRUE))
  list(notes = setNames(sub("^[a-z]+: ", "", notes), sub(":.*", "", notes)), rows = read.csv(file, comment.char = "#"))
}

# Replaces the rows of one family.  (The sweep has two families of rows, sweep_D and sweep_E.)
store_results <- function(file, family, rows) {
  old <- read_results(file)
  home <- function(x) sub("_[DE]$", "", x)
  rows[c("value", "low", "error")] <- lapply(rows[c("value", "low", "error")], signif, 4)
  rows <- rbind(old$rows[home(old$rows$family) != family, ], rows)
  rows <- rows[order(match(home(rows$family), names(families))), ]
  old$notes[family] <- machine_line()
  notes <- old$notes[intersect(names(families), names(old$notes))]
  out <- file(file, "w")
  on.exit(close(out))
  writeLines(paste0("# ", names(notes), ": ", notes), out)
  write.csv(rows, out, row.names = FALSE, na = "", quote = FALSE)
}
