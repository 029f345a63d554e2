#!/bin/sh
# mutants.sh: deliberate mistakes in a copy of the engine must be caught: wrong derivative rules by test_derivatives, what is wrong with
# kernels that are compiled together by test_joint, with origins that are subtracted by test_origin.
# Prints "N passed, N failed" last, as the test programs do.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
src=$here/../../../src/engine
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

cp -R "$src"/* "$here/check.h" "$here/platform.h" "$work"
sh "$src/emit/prelude.sh" "$src" cpu >"$work/emit/prelude_text.h"
sh "$src/emit/prelude.sh" "$src" cuda >"$work/emit/cuda_text.h"
cd "$work" || exit 1
compile() { ${CC:-gcc} -std=gnu11 -O1 -fopenmp -w -I. "$@"; }
for file in */*.c; do compile -c "$file" || exit 1; done
mkdir tests
for test in test_derivatives test_joint test_origin; do compile -c "$here/$test.c" -o tests/$test.o || exit 1; done

# change FILE SOURCE TEST NAME SED-EXPRESSION: with FILE changed and SOURCE.c compiled again, TEST must fail.
change() {
  cp "$1" right
  sed "$5" right >"$1"
  if cmp -s "$1" right; then
    echo "FAILED: what makes $4 wrong is not there to be changed"
    failed=$((failed + 1))
    return
  fi
  compile -c "$2.c" && compile ./*.o "tests/$3.o" -o mutant -lm -ldl -lpthread || exit 1
  rm -rf scratch && mkdir scratch
  if GR_QUICK=1 TMPDIR=$work/scratch ./mutant >out 2>&1; then
    echo "FAILED: $3 does not notice a wrong $4"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
  mv right "$1"
  compile -c "$2.c" || exit 1
}

# Only ops.c holds the rules.
mutant() { change graph/ops.h graph/ops test_derivatives "derivative of $1" "$2"; }

mutant Subtract 's/"e; -e", "f - g"/"e; e", "f - g"/'
mutant Divide 's|"e/g; -e\*o/g"|"e/g; e*o/g"|'
mutant Sqrt 's/"e\*(0.5\*Rsqrt(f))"/"e*Rsqrt(f)"/'
mutant IfElse 's/IfElse(f,e,0); IfElse(f,0,e)/IfElse(f,e,0); IfElse(f,e,0)/'
mutant Atan2 's|; -e\*f/(Square(f)+Square(g))|; e*f/(Square(f)+Square(g))|'
mutant Concat 's/Extract(e,0,d); Extract(e,d,c)/Extract(e,0,d); Extract(e,0,c)/'
mutant Sinh 's/"e\*Cosh(f)"/"e*Sinh(f)"/'
mutant Extract 's/"ExtractT(e,n,d)"/"ExtractT(e,0,d)"/'

# Kernels compiled together: macros or functions of one hold for the next; two precisions in one text; only the first is kept on disk; one that is missing is
# compiled before its call; options of one hold for the next; what goes to a GPU is compiled for the processor; "auto" forgets the arguments' size.
change emit/emit_joint.c emit/emit_joint test_joint macros '/^  forget(out, \&own->macros);$/d'
change emit/emit_text.c emit/emit_text test_joint names 's/add_name(e, \&e->scope, name);/(void)name;/'
change run/prepare.c run/prepare test_joint precision 's/w->program->plan->ask.f64 != f64 || //'
change run/cache.c run/cache test_joint store 's/has_cache \&\& k < count; k++) gr_cache_write/has_cache \&\& k < 1; k++) gr_cache_write/'
change run/prepare.c run/prepare test_joint group 's/if (n < 2) return GR_OK;/if (n < 1) return GR_OK;/'
change emit/emit_joint.c emit/emit_joint test_joint options '/pop_options/d'
change run/prepare.c run/prepare test_joint device 's/!gr_device_expected(call, opt)/true/'
change run/device.c run/device test_joint numbers 's/numbers += size\[arg.category\] \* arg.dim/numbers += arg.dim/'

# Origins: of data that spread around 0; of groups of which a member is read by itself; unequal shifts.
change run/origin.c run/origin test_origin distance 's/return is_far(r);/return true;/'
change graph/invariance.c graph/invariance test_origin propagation 's/return !m.breaks \&\& m.by/return m.by/'
change graph/invariance.c graph/invariance test_origin difference 's/bool alike = a == b \&\& a != FIXED/bool alike = b != FIXED \&\& a != FIXED/'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
