# The folder of compiled kernels.

default_cache_dir <- function() {
  if (nzchar(Sys.getenv("_R_CHECK_PACKAGE_NAME_"))) return(session_cache_dir())
  dir <- user_cache_dir()
  if (can_be_made(dir)) dir else session_cache_dir()
}

# The same as tools::R_user_dir("genred", "cache"), without loading the namespace of tools, which
# takes longer than a reduction.  A test compares the two.
user_cache_dir <- function() {
  home <- normalizePath("~")
  system <- if (.Platform$OS.type == "windows") file.path(Sys.getenv("LOCALAPPDATA"), "R", "cache")
    else if (Sys.info()[["sysname"]] == "Darwin") file.path(home, "Library", "Caches", "org.R-project.R")
    else file.path(home, ".cache")
  set <- Filter(nzchar, c(Sys.getenv("R_USER_CACHE_DIR"), Sys.getenv("XDG_CACHE_HOME"), system))
  file.path(set[1L], "R", "genred")
}

session_cache_dir <- function() file.path(tempdir(), "genred-cache")

# Whether the folder, or its nearest parent that exists, is writable.
can_be_made <- function(dir) {
  while (!dir.exists(dir) && dirname(dir) != dir) dir <- dirname(dir)
  file.access(dir, 2L) == 0L
}

cache_dir <- function() .Call(.ffi_settings_list)$cache_dir %or% ""

#' The cache of compiled kernels
#'
#' Compiled kernels are kept in a folder, where later sessions and concurrent processes find them.
#' `genred_cache_info()` describes the contents of the folder, `genred_cache_clear()` deletes them.
#' Files that genred did not create are left alone, and kernels that this session has loaded remain
#' usable.
#'
#' The folder holds at most 512 kernels and 256 MB; the least recently used are deleted first. In
#' memory, a session keeps the kernels of the last 512 operators that it used, and up to 256 more;
#' others are unloaded, and loaded again from the folder when they are needed.
#'
#' The folder is the option `genred.cache_dir`, then the environment variable `GENRED_CACHE_DIR`,
#' then `tools::R_user_dir("genred", "cache")`. Under `R CMD check`, and if the home folder is not
#' writable, it is a folder in [tempdir()]. For security, a folder or file that other users can
#' write to is not used. If the folder cannot be used, kernels are compiled for the session only,
#' and a message says so once.
#'
#' @return `genred_cache_info()`: an object of class `"genred_cache_info"`, a list with `dir` (the
#'   folder, or `""` for none), `files` (number of kernels on disk), `bytes` (their size) and
#'   `loaded` (number of kernels loaded in this session).
#'
#'   `genred_cache_clear()`: the number of deleted kernels, invisibly. Raises
#'   `genred_error_argument` if the folder cannot be read.
#' @seealso [genred_options]
#' @export
#' @examples
#' genred_cache_info()
genred_cache_info <- function() {
  dir <- cache_dir()
  size <- if (nzchar(dir) && dir.exists(dir)) checked(.Call(.ffi_cache, dir), sys.call()) else c(0, 0)
  structure(class = "genred_cache_info", list(
    dir = dir, files = size[1L], bytes = size[2L], loaded = .Call(.ffi_engine)$kernels
  ))
}

#' @rdname genred_cache_info
#' @export
genred_cache_clear <- function() {
  dir <- cache_dir()
  n <- if (nzchar(dir) && dir.exists(dir)) checked(.Call(.ffi_cache_clear, dir), sys.call()) else 0
  invisible(n)
}

#' @export
print.genred_cache_info <- function(x, ...) {
  cat("Kernel cache of genred\n")
  cat("  folder  ", if (nzchar(x$dir)) x$dir else "none: kernels are kept for the session only", "\n", sep = "")
  cat("  on disk ", counted(x$files, "kernel"), ", ", bytes_text(x$bytes), "\n", sep = "")
  cat("  loaded  ", counted(x$loaded, "kernel"), "\n", sep = "")
  invisible(x)
}

counted <- function(n, what) paste0(format(n, big.mark = ",", decimal.mark = "."), " ", what, if (n != 1) "s")

bytes_text <- function(bytes) format(structure(bytes, class = "object_size"), units = "auto", standard = "SI")
