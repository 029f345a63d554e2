#!/bin/sh
# Ensures that the requirements of the demo or of the tests are installed.
#
#   sh tools/setup.sh demo | test
#
# On Debian 12 and similar systems, as root, it installs what is missing with apt-get.  If nothing
# is missing, it changes nothing.  Otherwise it says what is missing and fails.  A requirement is a
# line "KIND NAME PACKAGE": how to test for it, and the Debian package that provides it.
set -eu

goal=${1:-demo}
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
log=$root/build/setup.log
export LC_ALL=C.UTF-8

requirements() {
  cat <<'END'
command R r-base-core
command Rscript r-base-core
command make make
command gcc gcc
header stdlib.h libc6-dev
r ggplot2 r-cran-ggplot2
END
  [ "$goal" = demo ] || cat <<'END'
command pandoc pandoc
command qpdf qpdf
command tidy tidy
command g++ g++
sanitizer address gcc
r codetools r-cran-codetools
END
  [ "$goal" = demo ] || suggested | while read -r name; do
    echo "r $name r-cran-$(echo "$name" | tr '[:upper:]' '[:lower:]')"
  done
}

# The packages that DESCRIPTION suggests, one per line, without those that are part of R.
suggested() {
  awk '/^[^ \t]/ {on = /^Suggests:/} on {sub(/^Suggests:/, ""); gsub(/\([^)]*\)/, ""); gsub(/,/, " "); print}' \
    "$root/DESCRIPTION" | tr -s ' \t' '\n\n' |
    grep -vxE '|compiler|graphics|grDevices|grid|methods|parallel|splines|stats|stats4|tcltk|tools|utils'
}

# Those of the given R packages that are not installed, determined in one run of R.
missing_r() {
  command -v Rscript >/dev/null 2>&1 || { echo "$@"; return; }
  Rscript --vanilla -e 'p <- commandArgs(TRUE); cat(p[!nzchar(vapply(p, function(x) system.file(package = x), ""))])' "$@"
}

compiles() { # includes the header $1 with the flags that follow
  header=$1; shift
  command -v gcc >/dev/null 2>&1 || return 1
  tmp=$(mktemp -d) || return 1
  printf '#include <%s>\nint main(void) { return 0; }\n' "$header" >"$tmp/t.c"
  status=0; gcc "$@" "$tmp/t.c" -o "$tmp/t" -lm >/dev/null 2>&1 || status=1
  rm -rf "$tmp"
  return $status
}

# The Debian packages that provide what is missing, one per line.
missing() {
  # shellcheck disable=SC2046
  absent=" $(missing_r $(requirements | awk '$1 == "r" {print $2}')) "
  requirements | while read -r kind name package; do
    case $kind in
      command) command -v "$name" >/dev/null 2>&1 ;;
      header) compiles "$name" -fopenmp ;;
      sanitizer) compiles stdlib.h "-fsanitize=$name,undefined" ;;
      r) case $absent in *" $name "*) false ;; esac ;;
    esac || echo "$package"
  done | sort -u
}

run_apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1
}

case $goal in demo | test) ;; *) echo "usage: sh tools/setup.sh demo | test" >&2; exit 2 ;; esac

# The cross compilers and emulators for arm64 and Windows of the step `platforms` in tools/test.sh,
# which is skipped without them.
optional() {
  [ "$goal" = test ] || return 0
  command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 && [ -d /usr/aarch64-linux-gnu/lib ] || echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross
  command -v qemu-aarch64 >/dev/null 2>&1 || echo qemu-user
  command -v x86_64-w64-mingw32-gcc >/dev/null 2>&1 || echo gcc-mingw-w64-x86-64-win32
  [ -x /usr/lib/wine/wine64 ] || command -v wine64 >/dev/null 2>&1 || echo wine64
}

install_optional() {
  wanted=$(optional | tr '\n' ' ')
  [ -n "$wanted" ] && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ] || return 0
  mkdir -p "$root/build"
  echo "set-up: installing for the tests of other platforms: $wanted"
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || run_apt update || true
  # shellcheck disable=SC2086
  run_apt install -y --no-install-recommends $wanted ||
    echo "set-up: they could not be installed; those tests will be skipped"
}

need=$(missing | tr '\n' ' ')
[ -n "$need" ] || { install_optional; exit 0; }
install="install -y --no-install-recommends $need"

if ! command -v apt-get >/dev/null 2>&1; then
  echo "genred: this is not a Debian system. The following (Debian's names) must be installed first:" >&2
  echo "  $need" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "genred: some packages are missing, and only root can install them. As root:" >&2
  echo "  apt-get $install" >&2
  exit 1
fi

mkdir -p "$root/build"
: >"$log"
echo "set-up: installing $(echo "$need" | wc -w | tr -d ' ') Debian packages and their dependencies"
echo "set-up:   $need"
ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || run_apt update || true
# Package lists may be out of date: after a failure, update them and retry once.
# shellcheck disable=SC2086
run_apt $install || { run_apt update && run_apt $install; } || {
  tail -n 20 "$log" >&2
  echo "genred: apt-get could not install them (complete log: $log)" >&2
  exit 1
}
still=$(missing | tr '\n' ' ')
[ -z "$still" ] || { echo "genred: still missing after the installation: $still" >&2; exit 1; }
install_optional
echo "set-up: done"
