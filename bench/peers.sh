#!/bin/sh
# Creates bench/venv with the Python packages that are compared (PyKeOps, NumPy, scikit-learn), and
# reports which R packages are installed.
#
#   sh bench/peers.sh       a second run only reports what is installed
#
# If something is missing (Python, its venv module, the network, a C++ compiler), it is reported,
# but not an error: the benchmark prints "missing" in that column.  PYTHON=... names another
# interpreter. kernlab and FNN are Debian's r-cran-kernlab and r-cran-fnn.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=$here/venv
python=$venv/bin/python
keops=2.3
modules="numpy pykeops scikit-learn"

say() { echo "peers: $*"; }
has() { "$python" -c "import importlib.metadata as m; m.version('$1')" 2>/dev/null; }

add() { # add NAME REQUIREMENT
  has "$1" && return
  say "installing $2 ..."
  "$python" -m pip install --quiet --disable-pip-version-check "$2" >"$venv/$1.log" 2>&1 ||
    say "$2 could not be installed: $(grep -i error "$venv/$1.log" | tail -n 1)"
}

make_venv() {
  [ -x "$python" ] && return
  command -v "${PYTHON:-python3}" >/dev/null 2>&1 || { say "no Python (python3)"; return 1; }
  "${PYTHON:-python3}" -m venv "$venv" >/dev/null 2>&1 && return
  rm -rf "$venv"
  say "Python cannot make a virtual environment (Debian: python3-venv)"
  return 1
}

if make_venv; then
  add numpy numpy
  add pykeops "pykeops==$keops"
  add scikit-learn scikit-learn
  command -v g++ >/dev/null 2>&1 || command -v c++ >/dev/null 2>&1 || say "no C++ compiler (g++): PyKeOps cannot work"
  for module in $modules; do
    if has "$module"; then
      say "$module $("$python" -c "import importlib.metadata as m; print(m.version('$module'))")"
    else
      say "$module is missing"
    fi
  done
else
  say "missing: $modules"
fi
Rscript --vanilla -e 'for (p in c("kernlab", "FNN")) {
  there <- nzchar(system.file(package = p))
  cat("peers:", p, if (there) format(packageVersion(p)) else paste0("is missing (Debian: r-cran-", tolower(p), ")"), "\n")
}'
exit 0
