#!/bin/sh
# prelude.sh ENGINE cpu|cuda: the text that kernels of a processor or of a GPU begin with, as
# initializers of gr_prelude_line (prelude.c), from the headers in the folder ENGINE.  The
# processor's are those that prelude.h includes, in that order.
engine=$1
text() { sed -f "$engine/emit/prelude.sed" "$@"; }

case $2 in
cpu)
  echo '#ifdef _WIN32'
  text "$engine/graph/trig_large.h"
  echo '#endif'
  sed -n "s|^#include \"\(.*\)\"|$engine/\1|p" "$engine/emit/prelude.h" | xargs sed -f "$engine/emit/prelude.sed"
  ;;
cuda) text "$engine/reduce/state.h" "$engine/emit/prelude_cuda.h" "$engine/emit/prelude_cuda_math.h" ;;
*) exit 1 ;;
esac
