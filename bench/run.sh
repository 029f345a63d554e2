#!/bin/sh
# The benchmark: peers, genred built and installed into build/lib, then a table per family.
#
#   sh bench/run.sh [--quick] [--all-peers] [FAMILY ...]
#
# Families: dimension signals shapes reductions kernels gradients sweep threads memory latency; all of them where none is named.
# The results go to bench/results.csv, where a family's rows replace those of its last run, and from there to the figures and the
# table of vignettes/performance.Rmd.  --quick measures less, in under three minutes, and writes to build/bench instead.
# --all-peers: PyKeOps with other compiler flags for every case, not only where an expert would look.
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
case " $* " in *" --quick "*)
  mkdir -p "$root/build/bench"
  set -- "$@" "--out=$root/build/bench/results.csv"
  ;;
esac
exec Rscript --vanilla "$root/bench/bench.R" "$@" </dev/null
