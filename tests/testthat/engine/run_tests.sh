#!/bin/sh
# run_tests.sh BUILD PROGRAM...: runs the test programs one after the other and adds up their
# counts.  A program that ends without the line "N passed, N failed" (a crash, a report of a
# sanitizer) counts as one failure.
build=$1; shift
passed=0; failed=0
for program in "$@"; do
  name=$(basename "$program")
  out=$build/$name.out
  scratch=$(mktemp -d) || exit 1
  start=$(date +%s)
  TMPDIR=$scratch "$program" >"$out" 2>&1 </dev/null
  status=$?
  rm -rf "$scratch"
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$out" | tail -n 1)
  p=$(echo "$line" | awk '{print $1 + 0}'); f=$(echo "$line" | awk '{print $3 + 0}')
  if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
  if [ "$p" -eq 0 ] && [ "$f" -eq 0 ]; then f=1; fi
  printf '  %-24s %6d passed %4d failed %5d s\n' "$name" "$p" "$f" $(($(date +%s) - start))
  grep -E '^ *(SKIPPED|skipped): ' "$out" | sed 's/^ */      /'
  [ "$f" -eq 0 ] || { echo "  -- $name, exit status $status, last lines:"; tail -n 40 "$out" | sed 's/^/  | /'; }
  passed=$((passed + p)); failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
