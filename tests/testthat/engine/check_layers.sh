#!/bin/sh
# check_layers.sh SRC ENGINE.a CUDA.a: the layers of src/, checked on the objects and on the
# sources.
#
#   engine   no R, no CUDA, no printing, no exit, no mutable globals but those named below; its
#            rooms are layers: a room includes its own headers and the one header of each lower
#            room
#   cuda     the engine and CUDA, never R
#   glue     (src/*.c, src/*.h) of the engine and of src/cuda, the public headers only
#
# The strongest test is the link of a program with the whole engine and the C library only.  Each
# rule counts as one test.
src=$1
archive=$2
cuda=$3
passed=0
failed=0

rule() { # rule TEXT OFFENDERS: passes when there are none
  if [ -z "$2" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "  broken: $1"
    echo "$2" | sed 's/^/    /'
  fi
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# ---- the engine's objects ----

echo 'int main(void) { return 0; }' >"$tmp/main.c"
gcc "$tmp/main.c" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -fopenmp -lm -ldl -lpthread -o "$tmp/main" \
  >"$tmp/link" 2>&1 || { grep -q . "$tmp/link" || echo "the linker failed" >"$tmp/link"; }
rule "the engine links with the C library alone" "$(cat "$tmp/link")"

# FILE.o SYMBOL for the undefined symbols of the objects, and for their writable data.  Constants
# that contain addresses are in .data.rel.ro, which is read-only once loaded.
nm -A -u "$archive" | awk '{split($0, a, ":"); print a[2], $NF}' >"$tmp/undefined"
writable() {
  objdump -t "$1" | awk '
    / file format / {split($1, a, ":"); file = a[1]}
    $0 ~ /[ \t](\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $0 !~ /\.data\.rel\.ro/ && $NF !~ /^\./ {print file, $NF}' |
    sed 's/\.[0-9]*$//' | sort -u
}
writable "$archive" >"$tmp/data"

undefined() { grep -E " ($1)\$" "$tmp/undefined"; }
rule "no R symbol in the engine" "$(undefined 'R_.*|Rf_.*|R[EV]?[vV]?[pP]rintf|REprintf|REAL.*|INTEGER.*|LOGICAL.*|RAW|COMPLEX|CHAR|LENGTH|TYPEOF|SET_.*|VECTOR_.*|STRING_.*|[A-Z]*SXP|unif_rand|norm_rand|exp_rand|.*RNGstate')"
rule "no CUDA symbol in the engine" "$(undefined 'cu[A-Z].*|cuda.*|nvrtc.*|cu_.*|nvml.*')"
rule "the engine does not print" "$(undefined 'printf|vprintf|puts|putchar|putc|perror|stdout|stderr|__printf_chk|__vprintf_chk')"
rule "the engine does not exit" "$(undefined 'exit|abort|quick_exit|__assert_fail')"
rule "the engine runs no shell" "$(undefined 'system|popen|wordexp')"

# Writable data of static storage, FILE.o SYMBOL, and why it may be there.
cat >"$tmp/allowed" <<'END'
loaded.o table   the table of loaded kernels
cache.o count    makes the names of temporary files unique
os_cpu.o published the text of gr_cpu_features, written once
END
awk '{print $1, $2}' "$tmp/allowed" >"$tmp/allowed-data"
rule "no mutable globals in the engine beyond those named in check_layers.sh" "$(grep -vxF -f "$tmp/allowed-data" "$tmp/data")"

# ---- the objects of src/cuda ----

nm -A -u "$cuda" | awk '{split($0, a, ":"); print a[2], $NF}' >"$tmp/undefined"
rule "src/cuda takes no symbol of R or CUDA: libraries are opened at run time" "$(undefined 'R_.*|Rf_.*|[A-Z]*SXP|cu[A-Z].*|cuda.*|nvrtc.*|nvml.*')"
rule "src/cuda does not print, exit or run a shell" "$(undefined 'printf|vprintf|puts|putchar|putc|perror|stdout|stderr|exit|abort|system|popen')"
# The libraries, the devices and their contexts belong to the process, not to a program.
rule "no mutable globals in src/cuda beyond the state of cu_device.c" "$(writable "$cuda" | grep -vxF 'cu_device.o state')"

# ---- what the sources include ----

# FILE: HEADER for every #include of the files given, or FILE: LINE where it is not written in the
# usual way (a macro for the header, a comment in front, #include_next), which no rule allows.
includes() {
  for file in "$@"; do
    [ -f "$file" ] || continue
    sed -n -E -e 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]*)[>"].*/\1/p' -e t \
      -e '/^[[:space:]]*(\/\*.*\*\/)?[[:space:]]*#[[:space:]]*(include|import)/p' "$file" |
      sed "s|^|$(basename "$file"): |"
  done
}

r_headers='(R|Rinternals|Rdefines|Rmath|Rversion|Rconfig|R_ext/.*|S)\.h'
cuda_headers='(cuda|nvrtc|nvml|cuda_runtime|cu[A-Z_].*|cuda/.*|\.\./cuda/.*)\.?h?'
c_headers='(ctype|errno|float|inttypes|limits|math|setjmp|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|time)\.h'
posix='(cpuid|crt_externs|direct|dirent|dlfcn|fcntl|malloc|omp|pthread|sched|signal|spawn|unistd|utime|windows|sys/[a-z]*)\.h'

# The rooms of the engine, lowest first.
rooms='base text reduce graph plan emit run'

# FILE: HEADER for each include in DIR/ROOM that the order of the rooms does not allow: neither the
# room's own, nor engine.h, nor LOWER/LOWER.h of a lower room, nor C's, the system's or the
# generated headers.
upwards() { # upwards DIR
  lower='engine'
  for room in $rooms; do
    lower="$lower|$room/[a-z_]+"
    includes "$1/$room"/*.[ch] | sed "s|^|$room/|" | grep -vE ": (($lower)\.h|prelude_text\.h|cuda_text\.h|$c_headers|$posix)\$"
    lower="${lower%"|$room/"*}|$room/$room"
  done
}
rule "a room of the engine includes its own headers and those of lower rooms, C's and the system's" "$(upwards "$src/engine")"
rule "there are no rooms but those in the order, and no code outside of them" \
  "$(cd "$src/engine" && find . -name '*.[ch]' | grep -vE "^\./(engine(_calls|_gpu)?\.h|($(echo "$rooms" | tr ' ' '|'))/[a-z_]+\.[ch])\$")"
for room in $rooms; do
  rule "$room/$room.h has at most 300 lines" "$(awk -v most=300 'END {if (NR > most) print FILENAME, NR}' "$src/engine/$room/$room.h")"
done

# Wrong includes are caught: upwards, sideways into another room's private header, and R.
wrong() { # wrong ROOM HEADER [LINE]
  rm -rf "$tmp/copy" && mkdir "$tmp/copy" && cp -R "$src/engine"/* "$tmp/copy"
  printf '%s\n' "${3:-"#include \"$2\""}" >"$tmp/copy/$1/wrong.c"
  [ "$(upwards "$tmp/copy")" = "$1/wrong.c: $2" ] || echo "$1 may include $2"
}
odd() { wrong base "$1" "$1"; } # odd LINE
rule "an include upwards, of a private header or of R is caught" \
  "$(wrong graph plan/plan.h; wrong base run/run.h; wrong run emit/emitter.h; wrong plan R.h)"
rule "an include that is written in another way is caught" \
  "$(odd '#include HEADER'; odd '#include_next <R.h>'; odd '#import "plan/plan.h"'; odd '/* x */ #include "plan/plan.h"'
     wrong base ../plan/plan.h; wrong base plan/plan.h ' #  include"plan/plan.h"')"

includes "$src"/cuda/*.[ch] >"$tmp/cuda"
rule "src/cuda includes no R header" "$(grep -E ": $r_headers\$" "$tmp/cuda")"
rule "src/cuda includes its own headers, the engine's, C's and the system's" \
  "$(grep -vE ": (engine\.h|run/run\.h|cu(_api|_public)?\.h|$c_headers|$posix)\$" "$tmp/cuda")"
includes "$src"/*.[ch] >"$tmp/glue"
rule "the glue includes engine/engine.h, cuda/cu_public.h, its own header and its clients', R's, C's and the system's, nothing else" \
  "$(grep -vE ": (engine/engine\.h|cuda/cu_public\.h|ffi\.h|\.\./inst/include/genred\.h|$r_headers|$c_headers|$posix)\$" "$tmp/glue")"
rule "the glue sees no more of CUDA" "$(grep -E ": $cuda_headers\$" "$tmp/glue" | grep -v ': cuda/cu_public\.h$')"
sexp=$(grep -lw SEXP "$src"/engine/*.[ch] "$src"/engine/*/*.[ch] "$src"/cuda/*.[ch] 2>/dev/null)
rule "no SEXP in the engine or in src/cuda" "$sexp"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
