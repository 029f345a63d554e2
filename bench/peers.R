# The Python sides: peers.py answers requests, one process for each set of compiler flags and number
# of threads.  Requests are sent through a pipe, and answers come back through a named pipe.

python <- file.path(root, "venv", "bin", "python")
processes <- list(
  plain = list(sides = c("keops", "numpy", "sklearn"), flags = ""),
  tuned = list(sides = c("tuned", "direct"), flags = "-march=native -ffast-math")
)

process_start <- function(name, threads) {
  answers <- tempfile("answers")
  system2("mkfifo", shQuote(answers))
  # a folder of kernels for each set of flags, so that they are never mixed up
  variables <- c(paste0(c("OMP", "OPENBLAS", "MKL"), "_NUM_THREADS=", threads),
                 paste0("CXXFLAGS=", shQuote(processes[[name]]$flags)),
                 paste0("KEOPS_CACHE_FOLDER=", shQuote(file.path(root, "venv", paste0("keops-", name)))))
  log <- file.path(tempdir(), paste0("peers-", name, ".log"))
  # the final word ends the wait for a process that has died
  command <- c("(env", variables, shQuote(c(python, file.path(root, "peers.py"), answers)), ">", shQuote(log),
               "2>&1; echo failed >", shQuote(answers), ")")
  to <- pipe(paste(command, collapse = " "), "w")
  list(to = to, from = fifo(answers, "r", blocking = TRUE))
}

# The running processes, started on demand; closing their pipe ends them and waits for that.
peers_new <- function() new.env()
peers_stop <- function(peers) {
  for (name in ls(peers)) for (connection in peers[[name]]) close(connection)
  rm(list = ls(peers), envir = peers)
}

# The answer, or character() if the process died
ask <- function(process, ...) {
  tryCatch({
    writeLines(paste(..., sep = "\t"), process$to)
    flush(process$to)
    readLines(process$from, 1L)
  }, error = function(e) character())
}

write_data <- function(data) {
  for (v in names(data)) writeBin(as.double(data[[v]]), file.path(tempdir(), paste0(v, ".bin")))
}

# The parts by name in PyKeOps' conventions: it counts from 0, and intervals exclude their end;
# slices are the same.
python_ranges <- function(ranges) {
  lapply(unclass(ranges), function(x) if (is.matrix(x)) cbind(x[, 1L] - 1, x[, 2L]) else x)
}

# r$threads and r$block, and data$ranges, are given where they are not 1, all, and NULL.
side_python <- function(name) function(r, data, peers) {
  if (!file.exists(python)) return("missing")
  home <- names(processes)[vapply(processes, function(p) name %in% p$sides, NA)]
  threads <- if (is.null(r$threads)) 1 else r$threads
  process <- paste0(home, threads)
  if (is.null(peers[[process]])) peers[[process]] <- process_start(home, threads)
  w <- works[[r$work]]
  aliases <- aliases_of(r)
  call <- paste0(name, r$block)
  if (!is.null(data$ranges)) write_data(python_ranges(data$ranges))
  request <- c(side = name, call = call, work = r$work, dtype = r$dtype, m = r$M, n = r$N,
               d = r$D, e = r$E, k = w$k, formula = w$formula, formula2 = w$formula2,
               reduction = w$reduction,
               aliases = paste(paste0(names(aliases), "=", aliases), collapse = ";"),
               folder = tempdir(), ranges = if (!is.null(data$ranges)) "given")
  words <- paste0(names(request), "=", format_plain(request), collapse = "\t")
  state <- ask(peers[[process]], "prepare", words)
  if (!identical(state, "ok")) return(if (length(state)) state else "failed")
  result <- readBin(file.path(tempdir(), paste0(call, ".bin")), "double", r$M * w$width(r))
  # NA if it died
  time <- function() c(suppressWarnings(as.numeric(ask(peers[[process]], "time", call))), NA)[1L]
  list(result = matrix(result, r$M) + w$index, time = time)
}

# Numbers are strings in a character vector; 1e+05 becomes 100000.
format_plain <- function(x) {
  number <- grepl("^[0-9]+e\\+[0-9]+$", x)
  x[number] <- format(as.numeric(x[number]), scientific = FALSE, trim = TRUE)
  x
}
