#!/bin/sh
# Installed as cc, gcc and clang first on the PATH of the tests for arm64: calls the cross compiler,
# which cannot detect the processor that qemu-user emulates.
for arg do
  shift
  case $arg in -mcpu=native | -march=native) arg=-march=armv8-a ;; esac
  set -- "$@" "$arg"
done
case $0 in
*/clang) PATH=${PATH#*:} exec clang --target=aarch64-linux-gnu "$@" ;;
*) exec aarch64-linux-gnu-gcc "$@" ;;
esac
