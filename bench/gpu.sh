#!/bin/sh
# Everything that requires an NVIDIA GPU, in one run of under ten minutes: builds, compares the
# whole language on the device with the interpreter, from C (also under compute-sanitizer, if it is
# installed) and from R, and measures times (bench/gpu.R).
#
#   sh bench/gpu.sh [FOLDER]        writes logs and results to FOLDER (default: build/gpu)
#
# Requires the driver, NVRTC (of a CUDA toolkit, or the Python package), a C compiler, and R with
# testthat.  If R is not installed, a bundled one is used: .rbundle.txz in the root, with a folder
# .rbundle that contains `Rscript` and a library with genred and testthat.  PyKeOps and torch are
# measured as well if they are installed (GENRED_BENCH_PYTHON names a Python other than the
# default).
#   GENRED_GPU_SMALL=1    divides the sizes by 100
#   GENRED_GPU_EVERY=N    only every N-th program of the language
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
out=${1:-$root/build/gpu}
mkdir -p "$out" && out=$(CDPATH='' cd -- "$out" && pwd) || exit 1
harness=$root/tests/testthat/engine
summary=$out/summary.txt
: >"$summary"
failed=0
start=$(date +%s)

tell() { echo "$*" | tee -a "$summary"; }

# step NAME SECONDS COMMAND...: runs the command, writes its output to a log, and reports the
# outcome.
step() {
  name=$1 limit=$2
  shift 2
  before=$(date +%s)
  if [ "$1" = in_shares ]; then "$@"; else timeout "$limit" "$@"; fi >"$out/$name.log" 2>&1 </dev/null
  status=$?
  [ "$status" -eq 0 ] || failed=1
  tell "$(printf '%-22s %-10s %4d s   %s' "$name" "$([ "$status" -eq 0 ] && echo ok || echo "status $status")" $(($(date +%s) - before)) "$(tail -n 1 "$out/$name.log")")"
  return "$status"
}

# The number of processes that run the programs of the language: NVRTC takes most of the time.
in_shares() {
  k=0
  while [ "$k" -lt "$1" ]; do
    mkdir -p "$TMPDIR/$k"
    TMPDIR=$TMPDIR/$k timeout 230 "$harness/build/plain/on_device" $(($1 * ${GENRED_GPU_EVERY:-1})) "$k" >"$out/device-$k.log" 2>&1 &
    k=$((k + 1))
  done
  wait
  cat "$out"/device-*.log
  cat "$out"/device-*.log | awk -v n="$1" '/^[0-9]+ passed, [0-9]+ failed/ {p += $1; f += $3; k++} END {print p + 0 " passed, " f + n - k " failed"; exit p == 0 || f + n - k > 0}'
}

tell "$(date '+%Y-%m-%d %H:%M'), $(nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader 2>/dev/null | head -n 1)"

# ---- C: no R needed ----
TMPDIR=$(mktemp -d) && export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
if step build 120 make -s -C "$harness" build/plain/on_device; then
  step device 240 in_shares "$(nproc)"
  if command -v compute-sanitizer >/dev/null; then
    step memcheck 100 compute-sanitizer --tool memcheck --error-exitcode 9 "$harness/build/plain/on_device" 40
    step racecheck 60 compute-sanitizer --tool racecheck --error-exitcode 9 "$harness/build/plain/on_device" 80
  else
    tell "compute-sanitizer is not here"
  fi
fi

# ---- R ----
rscript=Rscript
if ! command -v Rscript >/dev/null && [ -f "$root/.rbundle.txz" ]; then
  (cd "$root" && tar xJf .rbundle.txz) && rscript=$root/.rbundle/Rscript
elif command -v Rscript >/dev/null; then
  library=$TMPDIR/library
  mkdir -p "$library"
  step install 120 sh -c "cd '$TMPDIR' && R CMD build --no-build-vignettes '$root' && R CMD INSTALL --no-docs -l '$library' genred_*.tar.gz"
  R_LIBS=$library${R_LIBS:+:$R_LIBS} && export R_LIBS
fi
if ! command -v "$rscript" >/dev/null; then
  tell "no R here, and no .rbundle.txz: nothing was run from R"
  exit "$failed"
fi
step R-suite 150 env GENRED_BACKEND=GPU "$rscript" --vanilla "$root/bench/gpu_suite.R" "$root/tests/testthat"
step measure 280 "$rscript" --vanilla "$root/bench/gpu.R" "--out=$out/gpu.csv" ${GENRED_GPU_SMALL:+--small}
cat "$out/measure.log" | tee -a "$summary"
tell "$(($(date +%s) - start)) s in all; logs in $out"
exit "$failed"
