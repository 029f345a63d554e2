# genred compared with other programs, hand-written kernels and memory bandwidth, timed in one run.
#
#   Rscript bench/bench.R [--quick] [--all-peers] [--out=FILE] [FAMILY ...]
#
# sh bench/run.sh builds, installs and prepares the peers first.  A time is the median of three to
# `repeats` calls after a warm-up, on one thread; the programs ("sides") take turns within each
# repeat, so that other load on the machine affects all of them.  These times do not include
# compilation (see the family latency); for genred and the hand-written kernels, which start from
# R's doubles, they include the conversion to float32.

library(genred)
root <- normalizePath(dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L])))
for (name in c("works", "families", "peers", "sides", "measure", "table", "store", "latency", "memory", "ranges", "batches", "figures")) {
  source(file.path(root, paste0(name, ".R")))
}

arguments <- commandArgs(TRUE)
flags <- grep("^--", arguments, value = TRUE)
quick <- "--quick" %in% flags
all_peers <- "--all-peers" %in% flags
repeats <- if (quick) 3L else 7L
budget <- if (quick) 1 else 3 # seconds to time a case, but at least three repeats
store <- c(sub("^--out=", "", grep("^--out=", flags, value = TRUE)), file.path(root, "results.csv"))[1L]
options(genred.cache_dir = Sys.getenv("GENRED_BENCH_CACHE", file.path(tempdir(), "cache")))
genred_threads(1)

# ---- another process of this script: calls one function and prints its result -----------------

child <- function(f, ..., env = character()) {
  rscript <- file.path(R.home("bin"), "Rscript")
  given <- tempfile(fileext = ".rds")
  saveRDS(list(f = f, args = list(...)), given)
  env <- c(env, GENRED_BENCH_CALL = given, GENRED_BENCH_CACHE = getOption("genred.cache_dir"))
  out <- system2(rscript, c("--vanilla", shQuote(file.path(root, "bench.R"))), stdout = TRUE, env = paste0(names(env), "=", shQuote(env)))
  scan(text = tail(out, 1L), quiet = TRUE)
}

if (nzchar(Sys.getenv("GENRED_BENCH_CALL"))) {
  given <- readRDS(Sys.getenv("GENRED_BENCH_CALL"))
  cat(do.call(given$f, given$args), "\n")
  quit()
}

# ---- the families --------------------------------------------------------------------------------

known <- c("--quick", "--all-peers", names(families))
wrong <- setdiff(arguments, c(known, grep("^--out=", arguments, value = TRUE)))
if (length(wrong)) {
  cat("unknown argument: ", wrong[1L], "\nusage: sh bench/run.sh [--quick] [--all-peers] [--out=FILE] [FAMILY ...]\nfamilies: ",
      paste(names(families), collapse = " "), "\n", sep = "")
  quit(status = 2)
}
chosen <- intersect(names(families), arguments)
if (!length(chosen)) chosen <- names(families)

cat(machine_line(), "\nTimes of genred in ns per pair; ratio: the other program's time divided by genred's; above 1 genred is faster.\n",
    "error: largest in 50 rows, against double precision. PyKeOps as installed; tuned: -march=native -ffast-math; direct: and direct_sum.\n",
    "NumPy: dense, a chunk of rows at a time, BLAS; base R, kernlab: dense, some rows, doubles; ceiling: bench/limit.\n", sep = "")
peers <- peers_new()
begun <- Sys.time()
for (name in chosen) {
  family <- families[[name]]
  if (!family$peers) peers_stop(peers) # because their threads may be spinning
  set.seed(1)
  cases <- family$cases(quick)
  if (nrow(cases)) {
    cases <- both_types(cases, quick)
    cases$family <- name
  }
  cat("\n", family$title, " [", name, "]\n\n", sep = "")
  rows <- get(paste0("run_", family$run))(cases, family)
  if (!is.null(rows)) store_results(store, name, rows)
}
peers_stop(peers)
cat(sprintf("\n%.0f s; results in %s\n", as.numeric(Sys.time() - begun, units = "secs"), store))
invisible(draw_figures(store, if (quick || normalizePath(dirname(store)) != root) dirname(store) else file.path(dirname(root), "vignettes")))
