# Peak resident memory of one call, without the memory in use before it and the result, each case in
# a new process.  Linux only: the peak is read from and reset in /proc.  The kernel counts in
# batches of pages, so that the last megabyte is uncertain.

# Freed memory is returned to the system at once; otherwise the call would reuse memory that the
# creation of the data left behind.
give_back <- c(MALLOC_MMAP_THRESHOLD_ = "65536", MALLOC_TRIM_THRESHOLD_ = "65536")

status_mb <- function(field) {
  line <- grep(paste0("^", field, ":"), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

memory_child <- function(r) {
  data <- new_data(r)
  op <- operator_of(r)
  args <- c(unname(values_of(r, data)), backend = "CPU")
  invisible(gc())
  try(writeLines("5", "/proc/self/clear_refs"), silent = TRUE) # resets the peak
  before <- status_mb("VmHWM")
  result <- do.call(op, args)
  max(0, status_mb("VmHWM") - before - 8 * length(result) / 2^20)
}

run_memory <- function(cases, family) {
  if (!file.exists("/proc/self/status")) {
    cat("missing: this system has no /proc\n")
    return(NULL)
  }
  table <- print_table(c(case_columns, `in + out` = 10, beyond = 10, matrix = 12, ` ` = 4))
  table$head()
  rows <- lapply(seq_len(nrow(cases)), function(k) {
    r <- as.list(cases[k, ])
    w <- works[[r$work]]
    mb <- child("memory_child", r, env = give_back)
    data <- 8 * (r$M * r$D + r$N * (r$D + r$E) + r$M * w$width(r)) / 2^20
    table$line(case_cells(r), number(data), number(mb), number(8 * r$M * r$N / 2^20), if (mb < 64) "" else " *")
    result_row(r, "genred", mb, unit = "MB")
  })
  cat("MB. matrix: M x N doubles, which dense methods store. *: 64 MB or more\n")
  do.call(rbind, rows)
}
