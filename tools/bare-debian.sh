#!/bin/sh
# Runs demo.sh and test.sh on a minimal Debian 12, installed into a folder with nothing added but
# git.
#
#   sh tools/bare-debian.sh [FOLDER]      as root, with debootstrap installed
#
# FOLDER is created, and removed at the end (KEEP=1 leaves it).  The scripts run on a copy of the
# files of this checkout that git tracks or would add, and the time of each is printed.  The package
# mirror, its options and its keys are those of this machine's apt.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tree=${1:-$(mktemp -d)/bare}
suite=bookworm

[ "$(id -u)" -eq 0 ] || { echo "this script must be run as root, because it uses chroot" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "this script requires debootstrap: apt-get install debootstrap" >&2; exit 1; }
[ ! -e "$tree" ] || { echo "$tree exists already" >&2; exit 1; }

leave() {
  status=$?
  umount "$tree/dev/shm" "$tree/proc" 2>/dev/null || true
  # never delete anything in a file system that is still mounted
  if [ -z "${KEEP:-}" ] && ! grep -q " $tree/" /proc/mounts; then rm -rf "$tree"; fi
  exit $status
}
trap leave EXIT
trap 'exit 130' INT TERM

timed() { # timed NAME COMMAND...
  name=$1; shift
  from=$(date +%s)
  "$@" </dev/null || { echo "== $name FAILED after $(($(date +%s) - from)) s"; return 1; }
  echo "== $name took $(($(date +%s) - from)) s"
}

inside() { chroot "$tree" env -i HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

make_tree() {
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' "Codename: $suite" | head -n 1)
  debootstrap --variant=minbase "$suite" "$tree" ${mirror:+"$mirror"} >"$tree.log" 2>&1 || { tail "$tree.log"; return 1; }
  cp /etc/resolv.conf /etc/hosts "$tree/etc/"
  apt-config dump | grep -iE '^Acquire::(https?|check)' >"$tree/etc/apt/apt.conf.d/00host" || true
  mount -t proc proc "$tree/proc" || return 1
  mkdir -p "$tree/dev/shm"
  mount -t tmpfs tmpfs "$tree/dev/shm" || return 1
  inside sh -c 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git' \
    >"$tree.log" 2>&1 || { tail "$tree.log"; return 1; }
  rm -f "$tree.log"
  mkdir -p "$tree/root/genred"
  (cd "$root" && git ls-files -co --exclude-standard | tar -cf - -T -) | tar -xf - -C "$tree/root/genred"
}

timed "the bare system" make_tree
timed "sh tools/demo.sh (with its set-up)" inside sh /root/genred/tools/demo.sh
timed "sh tools/demo.sh (once more)" inside sh /root/genred/tools/demo.sh
timed "sh tools/test.sh (with its set-up)" inside sh /root/genred/tools/test.sh
