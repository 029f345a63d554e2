#!/bin/sh
# The benchmark: prepares the peers, installs genred into build/lib, and prints a table per family.
#
#   sh bench/run.sh [--quick] [--all-peers] [FAMILY ...]
#
# Families: dimension signals shapes reductions kernels gradients sweep threads ranges mij memory
# latency; all by default.  Results are written to bench/results.csv, where the rows of a family
# replace those of its last run, and from there to the figures and the table of
# vignettes/performance.Rmd.
# --quick                 measures less, in under three minutes, and writes to build/bench instead
# --all-peers             runs PyKeOps with other compiler flags for every case, not only for a few
# GENRED_BENCH_LIB=FOLDER uses the genred that is installed there instead of building it
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
case " $* " in *" --quick "*)
  mkdir -p "$root/build/bench"
  set -- "$@" "--out=$root/build/bench/results.csv"
  ;;
esac
exec Rscript --vanilla "$root/bench/bench.R" "$@" </dev/null
