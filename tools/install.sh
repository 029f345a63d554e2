# Sourced by demo.sh and test.sh, with $root set.
#
# install_package [OPTIONS of R CMD build]: builds the package and installs it into build/lib.  Both
# use a copy of the sources, so that the checkout is not changed.  Sets $tarball to the source
# package.
#
# Build products and foreign files are not copied, because R CMD build copies all files, following
# symbolic links, before it applies .Rbuildignore.
copy_sources() {
  mkdir -p "$1" &&
    (cd "$root" && tar cf - --exclude=./.git --exclude=./build --exclude=./shared --exclude=./tests/testthat/engine/build .) | (cd "$1" && tar xf -)
}

install_package() {
  mkdir -p "$root/build/package" "$root/build/lib"
  rm -rf "$root/build/package"/* "$root/build/source"
  echo "building and installing genred ..."
  if (
    copy_sources "$root/build/source" &&
      cd "$root/build/package" &&
      R_LIBS="$root/build/lib" R CMD build "$@" "$root/build/source" &&
      R CMD INSTALL --library="$root/build/lib" genred_*.tar.gz
  ) </dev/null >"$root/build/install.log" 2>&1; then :; else
    tail -n 20 "$root/build/install.log" >&2
    echo "genred: the installation failed (complete log: $root/build/install.log)" >&2
    return 1
  fi
  rm -rf "$root/build/source"
  tarball=$(ls "$root"/build/package/genred_*.tar.gz)
  export R_LIBS="$root/build/lib"
}
