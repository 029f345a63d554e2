#!/bin/sh
# mutants.sh: mutation tests.  Deliberate mistakes in a copy of the engine must make a test fail:
# wrong derivative rules test_derivatives, mistakes in the joint compilation of kernels test_joint,
# mistakes in the subtraction of a common origin test_origin, and mistakes about where the numbers
# of an element, a column or a pair lie test_mij and test_combined.  Prints "N passed, N failed"
# last, as the test programs do.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
src=$here/../../../src/engine
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

mkdir "$work/engine"
cp -R "$src"/* "$here"/*.h "$work/engine"
cp -R "$src/../cuda" "$work/cuda"
if [ -d "$here/build/fake" ]; then cp -R "$here/build/fake" "$work/fake"; fi
cd "$work/engine" || exit 1
sh "$src/emit/prelude.sh" "$src" cpu >emit/prelude_text.h
sh "$src/emit/prelude.sh" "$src" cuda >emit/cuda_text.h
compile() { ${CC:-gcc} -std=gnu11 -O1 -fopenmp -w -I. "$@"; }
for file in */*.c ../cuda/*.c; do compile -c "$file" || exit 1; done
mkdir tests
for test in test_derivatives test_joint test_origin test_rows test_mij test_combined; do compile -c "$here/$test.c" -o tests/$test.o || exit 1; done

# change FILE SOURCE TEST NAME SED-EXPRESSION: changes FILE and compiles SOURCE.c; then TEST must
# fail.
change() {
  cp "$1" right
  sed "$5" right >"$1"
  if cmp -s "$1" right; then
    echo "FAILED: the code to be changed for a wrong $4 was not found"
    failed=$((failed + 1))
    return
  fi
  compile -c "$2.c" && compile ./*.o "tests/$3.o" -o mutant -lm -ldl -lpthread || exit 1
  rm -rf scratch && mkdir scratch
  if GR_QUICK=1 TMPDIR=$work/engine/scratch ./mutant >out 2>&1; then
    echo "FAILED: $3 does not notice a wrong $4"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
  mv right "$1"
  compile -c "$2.c" || exit 1
}

# The rules of derivatives are compiled into ops.c only.
mutant() { change graph/ops.h graph/ops test_derivatives "derivative of $1" "$2"; }

mutant Subtract 's/"e; -e", "f - g"/"e; e", "f - g"/'
mutant Divide 's|"e/g; -e\*o/g"|"e/g; e*o/g"|'
mutant Sqrt 's/"e\*(0.5\*Rsqrt(f))"/"e*Rsqrt(f)"/'
mutant IfElse 's/IfElse(f,e,0); IfElse(f,0,e)/IfElse(f,e,0); IfElse(f,e,0)/'
mutant Atan2 's|; -e\*f/(Square(f)+Square(g))|; e*f/(Square(f)+Square(g))|'
mutant Concat 's/Extract(e,0,d); Extract(e,d,c)/Extract(e,0,d); Extract(e,0,c)/'
mutant Sinh 's/"e\*Cosh(f)"/"e*Sinh(f)"/'
mutant Extract 's/"ExtractT(e,n,d)"/"ExtractT(e,0,d)"/'

# Other columns of the rows.
change graph/ops.h graph/ops test_rows "law of Subtract" 's/EW(Subtract, 2, 1, "+-"/EW(Subtract, 2, 1, "++"/'
change graph/ops.h graph/ops test_rows "law of Divide" 's/EW(Divide, 2, 6, "\*\."/EW(Divide, 2, 6, "**"/'
change graph/ops.h graph/ops test_rows "offset of ComplexImag" 's/"+", 2, 1, 0, o,/"+", 2, 0, 0, o,/'
change reduce/reds.h reduce/reduce test_rows "formula of Any" 's/B, N, 0, "NotEqual(f,0)"/B, N, 0, NULL/'
change reduce/reduce.c reduce/reduce test_rows "size of Moments" 's/return 1 + 2 \* r->dim/return 2 * r->dim/'

# Kernels compiled together: macros or functions of one are visible in the next; two precisions in
# one source; only the first is stored on disk; a single missing kernel is compiled before its call;
# compiler options of one apply to the next; kernels of calls that go to a GPU are compiled for the
# processor; "auto" ignores the size of the arguments.
change emit/emit_joint.c emit/emit_joint test_joint macros '/^  forget(out, \&own->macros);$/d'
change emit/emit_text.c emit/emit_text test_joint names 's/add_name(e, \&e->scope, name);/(void)name;/'
change run/prepare.c run/prepare test_joint precision 's/w->program->plan->ask.f64 != f64 || //'
change run/cache.c run/cache test_joint store 's/!cls \&\& has_cache \&\& k < count; k++)/!cls \&\& has_cache \&\& k < 1; k++)/'
change run/prepare.c run/prepare test_joint group 's/if (n < 2) return GR_OK;/if (n < 1) return GR_OK;/'
change emit/emit_joint.c emit/emit_joint test_joint options '/pop_options/d'
change run/prepare.c run/prepare test_joint device 's/!gr_device_expected(call, opt)/true/'
change run/device.c run/device test_joint numbers 's/numbers += size\[arg.category\] \* arg.dim/numbers += arg.dim/'

# Origins: subtracted from data that spread around 0; for groups of which a variable is also read by
# itself; for unequal shifts.
change run/origin.c run/origin test_origin distance 's/return is_far(r);/return true;/'
change graph/invariance.c graph/invariance test_origin propagation 's/return !m.breaks \&\& m.by/return m.by/'
change graph/invariance.c graph/invariance test_origin difference 's/bool alike = a == b \&\& a != FIXED/bool alike = b != FIXED \&\& a != FIXED/'

# Where numbers lie: the columns of an array of values; elements of a batch with two dimensions; the
# number of the first column; lanes behind the last row; and on a GPU the components of pairs, the
# block of them, and the number of the first column.
change run/map.c run/map test_combined "column of an array of values" 's/part.column = columns.first/part.column = 0/'
change run/states.c run/states test_combined "place of a column's values" 's/.first = r->rows \* r->column/.first = 0/'
change run/batches.c run/batches test_combined "step of a batch" 's/at \* b->step\[(int64_t)k \* b->n + d\]/at * b->step[(int64_t)d * r->n_args + k]/'
change run/batches.c run/batches test_combined "number of the first column" 's/stride\[n + 1\] = column;/stride[n + 1] = r->first[1];/'
change emit/emit_text.c emit/emit_text test_mij "lane behind the last row" 's/(l < n ? l : n - 1) \* step/l * step/'
if [ -f ../fake/libnvrtc.so ]; then
  change ../cuda/cu_args.c ../cuda/cu_args test_combined "stride of a component on a GPU" 's/rows, cu_type_of(s), 0, 1, component}/rows, cu_type_of(s), 0, 1, rows}/'
  change ../cuda/cu_args.c ../cuda/cu_args test_combined "stride of pairs on the host" 's/by_i ? ld : 1, type, 0, by_i ? 1 : ld, apart/by_i ? 1 : ld, type, 0, by_i ? ld : 1, apart/'
  change ../cuda/cu_args.c ../cuda/cu_args test_combined "block of pairs on a GPU" 's/at - (cu_address)((s->row + s->window \* rows)/at - (cu_address)((s->row)/'
  change ../cuda/cu_args.c ../cuda/cu_args test_combined "number of the first column on a GPU" 's/ld = c->run->first\[k\]/ld = c->run->first[0]/'
else
  echo "SKIPPED: mutants of the GPU backend, as there are no stand-ins for CUDA's libraries"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
