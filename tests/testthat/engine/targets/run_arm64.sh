#!/bin/sh
# Installed beside a test program for arm64: runs it under the name of this script, so that it can
# start itself.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
case $PATH in "$here/bin:"*) ;; *) PATH=$here/bin:$PATH ;; esac
export PATH GR_EMULATED=1
exec qemu-aarch64 -L /usr/aarch64-linux-gnu -0 "$0" "$0.bin" "$@"
