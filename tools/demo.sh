#!/bin/sh
# The demo: set-up, build and install into build/lib of this checkout, then tools/demo.R.
#
#   sh tools/demo.sh        from any folder; writes only under build/ (and installs Debian packages that are missing)
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
export LC_ALL=C.UTF-8

sh "$root/tools/setup.sh" demo
. "$root/tools/install.sh"
install_package --no-build-vignettes

export GENRED_CACHE_DIR="$root/build/cache"
exec Rscript --vanilla "$root/tools/demo.R" "$root/build/demo.png" </dev/null
