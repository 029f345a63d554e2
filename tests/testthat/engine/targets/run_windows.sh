#!/bin/sh
# Stands beside a test program for Windows and runs it under wine, with wine's own folders in the build folder and
# gcc.exe on the PATH.  The folder for temporary files gets the name that Windows has for it.
build=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
export WINEPREFIX="$build/wine" WINEDEBUG=-all WINEPATH="Z:$build/bin" GENRED_TMPDIR="Z:${TMPDIR:-/tmp}"
[ -d "$WINEPREFIX/drive_c/windows" ] || "$wine" wineboot -i >/dev/null 2>&1
exec "$wine" "$0.exe" "$@"
