#!/bin/sh
# Stands beside a test program for arm64 and runs it, under its own name, so that it can start itself.
PATH=$(dirname "$0")/bin:$PATH exec qemu-aarch64 -L /usr/aarch64-linux-gnu -0 "$0" "$0.bin" "$@"
