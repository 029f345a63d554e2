#!/bin/sh
# The demo: installs what is missing, installs the package into build/lib, and runs tools/demo.R.
#
#   sh tools/demo.sh        from any folder
#
# Writes only under build/, apart from Debian packages that it installs.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
export LC_ALL=C.UTF-8

sh "$root/tools/setup.sh" demo
. "$root/tools/install.sh"
install_package --no-build-vignettes

export GENRED_CACHE_DIR="$root/build/cache"
exec Rscript --vanilla "$root/tools/demo.R" "$root/build/demo.png" </dev/null
