#!/bin/sh
# All tests.  Installs what is missing (tools/setup.sh), then runs these steps:
#
#   engine     the C harness, plain and with AddressSanitizer and UndefinedBehaviorSanitizer; and the
#              engine as C23
#   platforms  a part of the harness for arm64 under qemu-user and for Windows under wine (for all of
#              it: make check-arm64, make check-windows in tests/testthat/engine)
#   layers     no R symbol in the engine, and the other rules of check_layers.sh
#   check      R CMD build, and R CMD check --as-cran of the result, which includes testthat on the
#              installed package: no error, no warning, and no note but those listed below
#
#   sh tools/test.sh [engine | platforms | layers | check ...]      all by default; from any folder
#
# Ends with "N passed, N failed, N skipped": the sum of the counts of the harness, the rules and
# testthat, and one for each other step.  Fails if anything failed or nothing ran.  Writes under
# build/ and tests/testthat/engine/build/.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
harness=$root/tests/testthat/engine
out=$root/build/test
export LC_ALL=C.UTF-8
started=$(date +%s)

sh "$root/tools/setup.sh" test || exit 1
. "$root/tools/install.sh"
rm -rf "$out"
mkdir -p "$out"

passed=0
failed=0
skipped=0
count() { passed=$((passed + $1)); failed=$((failed + $2)); skipped=$((skipped + ${3:-0})); }
title() { printf '\n== %s\n' "$1"; }
show() { sed 's/^/  /' "$1"; }

# verdict TEXT STATUS LOG: a step that counts as one test.
verdict() {
  if [ "$2" -eq 0 ]; then
    echo "  ok: $1"
    count 1 0
  else
    echo "  FAILED: $1; the end of $3:"
    tail -n 60 "$3" | sed 's/^/  | /'
    count 0 1
  fi
}

# count_line LOG: adds the last "N passed, N failed" of a log; a failure if there is none.
count_line() {
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$1" | tail -n 1)
  if [ -n "$line" ]; then
    # shellcheck disable=SC2046
    count $(echo "$line" | awk '{print $1, $3 + 0}')
  else
    echo "  FAILED: the program ended prematurely:"
    tail -n 40 "$1" | sed 's/^/  | /'
    count 0 1
  fi
}

# ---- engine --------------------------------------------------------------------------------------

harness_run() { # harness_run NAME MAKE-ARGUMENTS
  log=$out/$1.log
  shift
  if make -s -j 2 -C "$harness" "$@" all </dev/null >"$log" 2>&1; then
    ! grep -q 'warning:' "$log"
    verdict "the engine and its tests compile without a warning" $? "$log"
    make -s -C "$harness" "$@" check </dev/null >"$log" 2>&1
    grep -E '^  ' "$log"
    count_line "$log"
  else
    verdict "the engine and its tests compile" 1 "$log"
  fi
}

step_engine() {
  title "engine: C harness"
  harness_run harness
  title "engine: C harness under AddressSanitizer and UndefinedBehaviorSanitizer"
  harness_run harness-san SAN=1
  title "engine: as C23"
  make -s -C "$harness" c23 </dev/null >"$out/c23.log" 2>&1 && ! grep -q 'warning:' "$out/c23.log"
  verdict "compiles as C23 too, without a warning" $? "$out/c23.log"
}

# ---- platforms -----------------------------------------------------------------------------------

platform() { # platform NAME TITLE TOOL...
  log=$out/$1.log
  name=$1
  title "platforms: $2"
  shift 2
  for tool in "$@"; do
    PATH=$PATH:/usr/lib/wine command -v "$tool" >/dev/null 2>&1 && continue
    echo "  SKIPPED: $tool is not installed"
    count 0 0 1
    return
  done
  make -s -j 2 -C "$harness" "TARGET=$name" SHARE=16 there </dev/null >"$log" 2>&1 && ! grep -q 'warning:' "$log"
  verdict "compiles without a warning" $? "$log"
  make -s -C "$harness" SHARE=16 "check-$name" </dev/null >"$log" 2>&1
  grep -E '^  ' "$log"
  count_line "$log"
}

step_platforms() {
  platform arm64 "a part of the harness for arm64, under qemu-user" aarch64-linux-gnu-gcc qemu-aarch64
  platform windows "a part of the harness for Windows, under wine" x86_64-w64-mingw32-gcc wine64
}

# ---- layers --------------------------------------------------------------------------------------

step_layers() {
  title "layers: what may know what"
  make -s -C "$harness" layers </dev/null >"$out/layers.log" 2>&1
  show "$out/layers.log"
  count_line "$out/layers.log"
}

# ---- check ---------------------------------------------------------------------------------------

# Notes caused by the environment, not the package, as "START OF THE LINE AFTER
# `* checking `|reason".  There are none so far.
allowed_notes() {
  cat <<'END'
END
}

# The checks in a 00check.log that did not end in OK, without the allowed notes.  Of the tests only
# one line, because the report of testthat follows.
complaints() {
  allowed_notes >"$out/allowed"
  awk -v allowed="$out/allowed" '
    BEGIN { while ((getline line < allowed) > 0) { split(line, a, "|"); if (a[1] != "") ok[a[1]] = 1 } }
    function flush(  k) {
      if (block ~ /\.\.\.( \[[^\n]*\])? (NOTE|WARNING|ERROR)|\n (NOTE|WARNING|ERROR)|\n(ERROR|WARNING|NOTE)|Status: [^O\n]* ERROR/) {
        for (k in ok) if (index(block, "* checking " k) == 1 && block ~ /NOTE/) { block = ""; return }
        if (block ~ /^\* checking tests/) sub(/\n.*/, "\n", block)
        printf "%s", block
      }
      block = ""
    }
    /^\* / || /^Status:/ { flush() }
    { block = block $0 "\n" }
    END { flush() }' "$1"
}

run_check() {
  # Do not compare the clock with a time server, nor query CRAN: neither tests the package.
  export _R_CHECK_SYSTEM_CLOCK_=0 _R_CHECK_CRAN_INCOMING_=false _R_CHECK_CRAN_INCOMING_REMOTE_=false
  export _R_CHECK_TESTS_NLINES_=0 R_RD4PDF="times,hyper" NOT_CRAN=true
  manual=--no-manual
  command -v pdflatex >/dev/null 2>&1 && manual=
  # The substitute for the GPU driver is not part of the package; its tests use it if it is
  # available.
  make -s -C "$harness" fakes >"$out/fakes.log" 2>&1 && [ -f "$harness/build/fake/libcuda.so" ] &&
    export GENRED_TEST_FAKES="$harness/build/fake"
  cd "$out" && R CMD check --as-cran $manual "$tarball"
}

# The counts of testthat's summary line "[ FAIL 0 | WARN 0 | SKIP 3 | PASS 1234 ]" as "PASS FAIL
# SKIP WARN".
testthat_counts() {
  sed -n -E 's/^\[ FAIL ([0-9]+) \| WARN ([0-9]+) \| SKIP ([0-9]+) \| PASS ([0-9]+) \].*/\4 \1 \3 \2/p' "$1" | tail -n 1
}

step_check() {
  title "check: R CMD build and R CMD check --as-cran"
  install_package || { count 0 1; return; }
  (run_check) </dev/null >"$out/check.log" 2>&1
  status=$?
  checked=$out/genred.Rcheck/00check.log
  [ -f "$checked" ] || { verdict "R CMD check runs" 1 "$out/check.log"; return; }
  tail -n 1 "$checked" | sed 's/^/  R CMD check: /'
  complaints "$checked" >"$out/complaints"
  [ "$status" -eq 0 ] && [ ! -s "$out/complaints" ]
  verdict "no error, warning or note" $? "$out/complaints"

  title "check: testthat, in R CMD check"
  tests=$out/genred.Rcheck/tests
  rout=$(ls "$tests"/testthat.Rout.fail "$tests"/testthat.Rout 2>/dev/null | head -n 1)
  counts=$(testthat_counts "${rout:-/dev/null}")
  if [ -z "$counts" ]; then
    verdict "testthat runs to its end" 1 "${rout:-$out/check.log}"
    return
  fi
  set -- $counts
  # from the list of what was skipped (and failed) on
  awk '/^══/ {on = 1} /^\[ FAIL/ && on {exit} on' "$rout" | sed 's/^/  /'
  echo "  testthat: $1 passed, $2 failed, $3 skipped, $4 warnings"
  count "$1" "$2" "$3"
}

cd "$root" || exit 1
[ $# -gt 0 ] || set -- engine platforms layers check
for step in "$@"; do
  case $step in
    engine | platforms | layers | check) "step_$step" ;;
    *) echo "usage: sh tools/test.sh [engine | platforms | layers | check ...]" >&2; exit 2 ;;
  esac
done

printf '\n%d s; logs in build/test\n' $(($(date +%s) - started))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
