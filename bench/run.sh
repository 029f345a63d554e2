#!/bin/sh
# The benchmark: peers, genred built and installed into build/lib, then the two tables.
#
#   sh bench/run.sh [--quick]
#
# GENRED_BENCH_LIB=FOLDER takes the genred that is installed there instead of building one.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
export LC_ALL=C.UTF-8

sh "$root/bench/peers.sh"
if [ -n "${GENRED_BENCH_LIB:-}" ]; then
  export R_LIBS="$GENRED_BENCH_LIB"
else
  . "$root/tools/install.sh"
  install_package --no-build-vignettes
fi
Rscript --vanilla "$root/bench/bench.R" "$@" </dev/null
echo
exec Rscript --vanilla "$root/bench/latency.R" </dev/null
