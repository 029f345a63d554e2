# Sourced by demo.sh and test.sh, with $root set.
# install_package [R CMD build's options]: builds the package from the checkout and installs it into build/lib; both see
# a copy of the sources, so the tree stays as it is.  Leaves the path of the source package in $tarball.
#
# R CMD build copies everything and follows links before it looks at .Rbuildignore: so what is built and what is not ours stays away.
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
    echo "genred: the installation failed (whole log: $root/build/install.log)" >&2
    return 1
  fi
  rm -rf "$root/build/source"
  tarball=$(ls "$root"/build/package/genred_*.tar.gz)
  export R_LIBS="$root/build/lib"
}
