# A call of an operator, after the fast path in C: results pass through, everything else is handled
# here.

# Every call ends here.  Plain results have no class; NULL means that the fast path did not accept
# the arguments, which are then checked one by one.
.finish <- function(result) {
  if (is.object(result) || is.null(result)) recover_call(result, parent.frame(), sys.call(-1L)) else result
}

recover_call <- function(result, frame, call) {
  if (inherits(result, "genred_array")) return(result)
  call <- brief_call(call)
  if (is.null(result)) result <- careful_call(frame, call)
  if (inherits(result, "genred_noted")) {
    say_once(paste0(result$note, if (result$interpreted) "\nThe interpreter is used instead: the same results, but slower."))
    return(result$result)
  }
  checked(result, call)
}

careful_call <- function(frame, call) {
  spec <- get(".spec", envir = frame)
  description <- checked(.Call(.ffi_describe, spec), call)
  info <- description$args
  need_arguments_of(info, frame, call)
  settings <- mget(call_settings, envir = frame)
  check_session_settings(call)
  settings <- checked_settings(settings, call)
  values <- mget(info$name, envir = frame)
  info <- filled_info(info, values, call)
  values <- checked_arguments(values, info, call)
  check_batch(values, info, settings$keep, call)
  settings$ranges <- checked_ranges(settings$ranges, description$result$axis, info, values, call)
  if (has_orders(settings$ranges)) return(call_in_order(spec, description, values, settings, call))
  run_checked(spec, values, settings, call)
}

run_checked <- function(spec, values, settings, call) {
  result <- .Call(.ffi_call_list, spec, settings$backend, settings$device_id, settings$ranges, settings$keep, values)
  if (is.null(result)) stop_genred("internal", "checked arguments were not accepted", call = call)
  result
}

# If the user changed an operator, its formula and its arguments may differ.
need_arguments_of <- function(info, frame, call) {
  lost <- setdiff(c(info$name, call_settings), ls(frame, all.names = TRUE))
  if (length(lost)) stop_genred("argument", "this operator was changed: it has no argument `", lost[1L], "`", call = call)
}

# Called in the frame of an operator when an argument is missing there.
.refuse_absent <- function() {
  frame <- parent.frame()
  spec <- get(".spec", envir = frame)
  info <- checked(.Call(.ffi_describe, spec))$args
  need_arguments_of(info, frame, brief_call(sys.call(-1L)))
  gone <- vapply(info$name, function(name) eval(call(".absent", as.name(name)), frame), NA)
  k <- which(gone)[1L]
  variable <- list(name = info$name[k], category = info$category[k], dim = info$dim[k])
  stop_genred("argument", "argument `", variable$name, "` is missing; it must be ", expected(variable), " (",
              type_text(variable$category, variable$dim), ")", call = brief_call(sys.call(-1L)))
}

# ---- settings of a call --------------------------------------------------------------------------

backend_names <- c("auto", "CPU", "interpreter", "GPU", "GPU_1D", "GPU_2D")

checked_settings <- function(settings, call) {
  backend <- check_backend(settings$backend, call)
  device_id <- check_device(settings$device_id, backend, call)
  keep <- read_flag(settings$keep, "keep", call)
  if (keep && !may_be_gpu(backend)) {
    stop_genred("argument", "`keep = TRUE` leaves the result on a GPU, but backend = \"", backend, "\" does not use one", call = call)
  }
  list(backend = backend, device_id = device_id, ranges = settings$ranges, keep = keep)
}

is_gpu <- function(backend) startsWith(backend, "GPU")

may_be_gpu <- function(backend) backend == "auto" || is_gpu(backend)

# The requested backend: argument, else option, else environment variable.
check_backend <- function(x, call) {
  what <- "`backend`"
  if (identical(x, "auto") && !is.null(getOption("genred.backend"))) {
    x <- getOption("genred.backend")
    what <- "option `genred.backend`"
  } else if (identical(x, "auto") && nzchar(Sys.getenv("GENRED_BACKEND"))) {
    x <- Sys.getenv("GENRED_BACKEND")
    what <- "environment variable `GENRED_BACKEND`"
  }
  if (!is.character(x) || length(x) != 1L || !x %in% backend_names) {
    many <- what == "`backend`" && !is.character(x)
    stop_genred("argument", what, " must be one of ", quoted(backend_names), "; ", given_value(x),
                if (many) "\n  (does the call have too many arguments?)", call = call)
  }
  x
}

# -1, or the numbers of up to 16 GPUs.
is_device_id <- function(x) {
  if (!is_whole(x) || length(x) > 16L || anyDuplicated(x)) return(FALSE)
  identical(as.numeric(x), -1) || all(x >= 0 & x <= 1e6)
}

check_device <- function(x, backend, call) {
  if (!is_device_id(x)) {
    stop_genred("argument", "`device_id` must be -1, or one or several different GPU numbers, which count from 0; ",
                given_value(x), call = call)
  }
  if (x[1L] >= 0 && !may_be_gpu(backend)) {
    stop_genred("argument", "`device_id` must be -1 with backend = \"", backend, "\"; ", given_value(x), call = call)
  }
  as.numeric(x)
}

# ---- notes and progress --------------------------------------------------------------------------

say_once <- function(note) {
  if (note %in% session$said) return()
  session$said <- c(session$said, note)
  message_genred(note)
}

# Called from C (src/ffi_poll.c) while an operator runs.  A number opens or moves the progress bar,
# NULL closes it.  Returns FALSE if no bar shall be shown.
.progress <- function(fraction) {
  if (is.null(fraction)) {
    if (!is.null(session$bar)) session$bar(NULL)
    session$bar <- NULL
    return(TRUE)
  }
  if (is.null(session$bar)) session$bar <- progress_bar()
  if (is.null(session$bar)) return(FALSE)
  session$bar(fraction)
  TRUE
}

progress_bar <- function() {
  wanted <- setting_flag("progress")
  if (isFALSE(wanted)) return(NULL)
  if (progressr_listens()) return(progressr_bar())
  if (!interactive() && !isTRUE(wanted)) return(NULL)
  if (requireNamespace("cli", quietly = TRUE) && cli::is_dynamic_tty()) return(cli_bar())
  text_bar()
}

progressr_listens <- function() {
  if (!"progressr" %in% loadedNamespaces()) return(FALSE)
  isTRUE(tryCatch(progressr::handlers(global = NA), error = function(e) FALSE)) || is_running(progressr::with_progress)
}

is_running <- function(fun) {
  for (k in seq_len(sys.nframe())) if (identical(sys.function(k), fun)) return(TRUE)
  FALSE
}

progressr_bar <- function() {
  env <- new.env()
  step <- progressr::progressor(steps = 100L, auto_finish = FALSE, on_exit = FALSE, envir = env)
  at <- 0
  function(fraction) {
    if (is.null(fraction)) return(step(type = "finish"))
    now <- floor(100 * fraction)
    if (now > at) step(amount = now - at)
    at <<- now
  }
}

cli_bar <- function() {
  env <- new.env()
  old <- options(cli.progress_show_after = 0)
  id <- cli::cli_progress_bar("genred", total = 100, .auto_close = FALSE, .envir = env)
  options(old)
  function(fraction) {
    if (is.null(fraction)) return(cli::cli_progress_done(id = id, .envir = env))
    cli::cli_progress_update(set = floor(100 * fraction), force = TRUE, id = id, .envir = env)
  }
}

text_bar <- function() {
  bar <- utils::txtProgressBar(style = 3, file = stderr())
  function(fraction) if (is.null(fraction)) close(bar) else utils::setTxtProgressBar(bar, fraction)
}
