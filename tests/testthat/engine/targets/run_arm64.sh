#!/bin/sh
# Stands beside a test program for arm64 and runs it, under its own name, so that it can start itself.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
case $PATH in "$here/bin:"*) ;; *) PATH=$here/bin:$PATH ;; esac
export PATH GR_EMULATED=1
exec qemu-aarch64 -L /usr/aarch64-linux-gnu -0 "$0" "$0.bin" "$@"
