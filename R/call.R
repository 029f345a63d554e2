# A call of an operator, after the fast way: results pass through, everything else is looked at here.

# Every call ends here.  Plain results have no class; NULL means that C wants the arguments looked at.
.finish <- function(result) {
  if (is.object(result) || is.null(result)) recover_call(result, parent.frame(), sys.call(-1L)) else result
}

recover_call <- function(result, frame, call) {
  if (inherits(result, "genred_array")) return(result)
  call <- brief_call(call)
  if (is.null(result)) result <- careful_call(frame, call)
  if (inherits(result, "genred_noted")) {
    say_once(paste0(result$note, if (result$interpreted) "\nThe interpreter computes meanwhile: the same results, more slowly."))
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
  settings <- checked_settings(settings, call)
  values <- checked_arguments(mget(info$name, envir = frame), info, call)
  settings$ranges <- checked_ranges(settings$ranges, description$result$axis, info, values, call)
  if (has_orders(settings$ranges)) return(call_in_order(spec, description, values, settings, call))
  run_checked(spec, values, settings, call)
}

run_checked <- function(spec, values, settings, call) {
  result <- .Call(.ffi_call_list, spec, settings$backend, settings$device_id, settings$ranges, settings$keep, values)
  if (is.null(result)) stop_genred("internal", "the arguments were not understood", call = call)
  result
}

# Of an operator that was changed, formula and arguments may differ.
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
              variable$category, "(", variable$dim, "))", call = brief_call(sys.call(-1L)))
}

# ---- settings of a call ----------------------------------------------------------------------------------------------

backend_names <- c("auto", "CPU", "interpreter", "GPU", "GPU_1D", "GPU_2D")

checked_settings <- function(settings, call) {
  backend <- check_backend(settings$backend, call)
  device_id <- check_device(settings$device_id, backend, call)
  keep <- read_flag(settings$keep, "keep", call)
  if (keep && !may_be_gpu(backend)) {
    stop_genred("argument", "`keep = TRUE` leaves the result on a GPU, which backend = \"", backend, "\" does not use", call = call)
  }
  list(backend = backend, device_id = device_id, ranges = settings$ranges, keep = keep)
}

is_gpu <- function(backend) startsWith(backend, "GPU")

may_be_gpu <- function(backend) backend == "auto" || is_gpu(backend)

# The backend that is asked for, by argument, option or environment.
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
                if (many) "\n  (were there too many arguments?)", call = call)
  }
  x
}

# One number is enough; of several GPUs each takes a part of the rows.
check_device <- function(x, backend, call) {
  if (length(x) > 16L || !is_whole(x) || !(identical(as.numeric(x), -1) || all(x >= 0)) || anyDuplicated(x) || any(x > 1e6)) {
    stop_genred("argument", "`device_id` must be -1, or the number of a GPU, from 0, or several; ", given_value(x), call = call)
  }
  if (x[1L] >= 0 && !may_be_gpu(backend)) {
    stop_genred("argument", "`device_id` must be -1 with backend = \"", backend, "\"; ", given_value(x), call = call)
  }
  as.numeric(x)
}

# ---- notes and progress ------------------------------------------------------------------------------------------------

say_once <- function(note) {
  if (note %in% session$said) return()
  session$said <- c(session$said, note)
  message_genred(note)
}

# Called from C (src/ffi_poll.c) while an operator runs: a fraction opens or moves the bar, NULL closes it.  FALSE: no
# bar is wanted.
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
