#!/bin/sh
# Stands as cc and gcc on the PATH of the tests for arm64: the cross compiler, which does not know the processor that
# qemu-user imitates.
for arg do
  shift
  case $arg in -mcpu=native | -march=native) arg=-march=armv8-a ;; esac
  set -- "$@" "$arg"
done
exec aarch64-linux-gnu-gcc "$@"
