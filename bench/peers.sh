#!/bin/sh
# Makes bench/venv with the peers that come from PyPI: PyKeOps and NumPy.
#
#   sh bench/peers.sh       once; a second time it only says what is there
#
# Whatever is missing (Python, its venv module, the network, a C++ compiler) is said, and is no failure: the benchmark
# prints "missing" in that column.  PYTHON=... names another interpreter.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=$here/venv
python=$venv/bin/python
keops=2.3

say() { echo "peers: $*"; }
has() { "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is None)" 2>/dev/null; }

add() { # add MODULE REQUIREMENT
  has "$1" && return
  say "installing $2 ..."
  "$python" -m pip install --quiet --disable-pip-version-check "$2" >"$venv/$1.log" 2>&1 ||
    say "$2 could not be installed: $(grep -i error "$venv/$1.log" | tail -n 1)"
}

if [ ! -x "$python" ]; then
  command -v "${PYTHON:-python3}" >/dev/null 2>&1 || { say "no Python (python3): PyKeOps and NumPy will be missing"; exit 0; }
  "${PYTHON:-python3}" -m venv "$venv" >/dev/null 2>&1 || {
    rm -rf "$venv"
    say "Python cannot make a virtual environment (Debian: python3-venv): PyKeOps and NumPy will be missing"
    exit 0
  }
fi
add numpy numpy
add pykeops "pykeops==$keops"
command -v g++ >/dev/null 2>&1 || command -v c++ >/dev/null 2>&1 || say "no C++ compiler (g++): PyKeOps cannot work"

for module in numpy pykeops; do
  if has $module; then
    say "$module $("$python" -c "import importlib.metadata as m; print(m.version('$module'))")"
  else
    say "$module is missing"
  fi
done
exit 0
