#!/bin/sh
# Installed beside a test program for Windows: runs it under wine, with gcc.exe on the PATH and with
# the Windows name of the temporary folder.  wine's own folders lie outside of the checkout: they
# contain a link to /, which R CMD build would follow.
build=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
wine=$(command -v wine64 || echo /usr/lib/wine/wine64)
export WINEPREFIX="${GENRED_WINEPREFIX:-/tmp/genred-wine-$(id -u)}" WINEDEBUG=-all WINEPATH="Z:$build/bin" GENRED_TMPDIR="Z:${TMPDIR:-/tmp}"
[ -d "$WINEPREFIX/drive_c/windows" ] || "$wine" wineboot -i >/dev/null 2>&1
exec "$wine" "$0.exe" "$@"
