#!/bin/sh
# mutants.sh: deliberately wrong derivative rules, each in a copy of the operation table, must be caught by test_derivatives.
# Prints "N passed, N failed" last, as the test programs do.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
src=$here/../../../src/engine
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# Only ops.c holds the rules; the rest of the engine is compiled once.
sed -f "$src/prelude.sed" "$src/prelude.h" >"$work/prelude_text.h"
sed -f "$src/prelude.sed" "$src/state.h" "$src/prelude_cuda.h" >"$work/cuda_text.h"
cp "$src"/*.[ch] "$here/check.h" "$here/test_derivatives.c" "$work"
cd "$work" || exit 1
compile() { ${CC:-gcc} -std=gnu11 -O1 -fopenmp -w -I. "$@"; }
for file in *.c; do
  case $file in ops.c) ;; *) compile -c "$file" || exit 1 ;; esac
done
cp ops.h right.h

# mutant NAME SED-EXPRESSION
mutant() {
  sed "$2" right.h >ops.h
  if cmp -s ops.h right.h; then
    echo "FAILED: the rule of $1 is not there to be changed"
    failed=$((failed + 1))
    return
  fi
  compile -c ops.c && compile ./*.o -o mutant -lm -ldl -lpthread || exit 1
  if GR_QUICK=1 ./mutant >out 2>&1; then
    echo "FAILED: a wrong derivative of $1 is not noticed"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
}

mutant Subtract 's/"e; -e", "f - g"/"e; e", "f - g"/'
mutant Divide 's|"e/g; -e\*o/g"|"e/g; e*o/g"|'
mutant Sqrt 's/"e\*(0.5\*Rsqrt(f))"/"e*Rsqrt(f)"/'
mutant IfElse 's/IfElse(f,e,0); IfElse(f,0,e)/IfElse(f,e,0); IfElse(f,e,0)/'
mutant Atan2 's|; -e\*f/(Square(f)+Square(g))|; e*f/(Square(f)+Square(g))|'
mutant Concat 's/Extract(e,0,d); Extract(e,d,c)/Extract(e,0,d); Extract(e,0,c)/'
mutant Sinh 's/"e\*Cosh(f)"/"e*Sinh(f)"/'
mutant Extract 's/"ExtractT(e,n,d)"/"ExtractT(e,0,d)"/'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
