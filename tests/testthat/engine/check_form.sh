#!/bin/sh
# check_form.sh ROOT: the form of the package's sources, as opposed to what they do.
#
#   functions   in C, at most 60 lines from the first line of the signature to the closing brace;
#               in src/, the median over all functions is below 15 lines
#   files       .c files at most 500 lines, .h files at most 300 (the engine's public header, which
#               is its manual, 400)
#   prose       lines that hold a comment (C, R with roxygen, sh, make) and lines of text in
#               Markdown at most 100 characters; code blocks, tables and links are exempt
#   fences      of code in Markdown on lines of their own, and closed
#   space       no white space at the end of a line
#
# A small lexer in awk finds functions: it skips comments, strings and preprocessor lines, and takes
# a brace outside of all braces for a function's body where a ")" without "=" stands before it.
# Characters are counted, not bytes.  Generated files (prelude_text.h, cuda_text.h, man/, golden/,
# build/) are left out.  Each rule counts as one test, and so does each deliberate mistake that must
# be caught.  Prints "N passed, N failed" last.
root=$1
export LC_ALL=C
passed=0
failed=0

rule() { # rule TEXT OFFENDERS: passes when there are none
  if [ -z "$2" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "  broken: $1"
    echo "$2" | sed "s|$root/||; s/^/    /"
  fi
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# ---- the lexer ----

# C files: "FILE:LINE: NAME LINES" for each function, or, with prose=1, "FILE:LINE: LENGTH
# characters" for each line that holds a comment and is longer than `most` characters.
cat >"$tmp/c.awk" <<'END'
# The characters of a UTF-8 string: all bytes but continuation bytes.
function width(s) { gsub(/[\200-\277]/, "", s); return length(s) }
function restart() { comment = directive = depth = head_line = 0; head = "" }

# The name of the function whose signature is `head`, or "" where it is none.
function name_of(head,  parts) {
  gsub(/__attribute__ *\(\([^()]*(\([^()]*\))*[^()]*\)\)/, "", head)
  sub(/ *noexcept *$/, "", head)
  if (head !~ /\)[ \t]*$/ || head ~ /[=]/) return ""
  sub(/[ \t]*\(.*/, "", head)
  split(head, parts, /[ \t*]+/)
  return parts[split(head, parts, /[ \t*]+/)]
}

function brace_opens() {
  if (depth == 0 && head ~ /extern[ \t]*"[^"]*"[ \t]*$/) { head = ""; return } # extern "C" {
  if (depth++ > 0) return
  name = name_of(head)
  start = head_line
}

function brace_closes() {
  if (depth == 0) return # that of extern "C"
  if (--depth > 0) return
  if (name != "" && !prose) printf "%s:%d: %s %d\n", FILENAME, start, name, FNR - start + 1
  name = head = ""
}

function code(c) {
  if (c == "{") brace_opens()
  else if (c == "}") brace_closes()
  else if (depth > 0) return
  else if (c == ";") head = ""
  else {
    if (head == "" && c !~ /^[ \t]*$/) head_line = FNR
    if (head != "" || c !~ /^[ \t]*$/) head = head c
  }
}

FNR == 1 { restart() }

{
  line = $0
  held = comment # whether this line holds a comment
  # a macro that stands alone, before a function
  if (depth == 0 && head ~ /\)[ \t]*$/ && line ~ /^[A-Za-z_]/) head = ""
  if (!comment && (directive || line ~ /^[ \t]*#/)) directive = 1
  while (line != "") {
    if (comment) {
      at = index(line, "*/")
      if (!at) break
      line = substr(line, at + 2)
      comment = 0
      continue
    }
    if (!match(line, /"([^"\\]|\\.)*"|'([^'\\]|\\.)+'|\/\*|\/\/|[{};]/)) {
      if (!directive) code(line)
      break
    }
    before = substr(line, 1, RSTART - 1)
    token = substr(line, RSTART, RLENGTH)
    line = substr(line, RSTART + RLENGTH)
    if (!directive && before != "") code(before)
    if (token == "/*") comment = held = 1
    else if (token == "//") { held = 1; break }
    else if (!directive) code(token)
  }
  if (directive && $0 !~ /\\$/) directive = 0
  if (!directive && !comment && depth == 0) { # the end of a line of a signature, or of none
    if ($0 ~ /^[ \t]*$/) head = "" # what stands before an empty line is no signature
    else if (head != "") head = head " "
  }
  if (prose && held && width($0) > most) printf "%s:%d: %d characters\n", FILENAME, FNR, width($0)
}
END

# Files whose comments begin with "#" (R, sh, make).  A "#" inside a string is taken for a comment
# only where white space precedes it.
cat >"$tmp/hash.awk" <<'END'
function width(s) { gsub(/[\200-\277]/, "", s); return length(s) }
/^[ \t]*#|[ \t]#+[' ]/ && !/https?:\/\// && width($0) > most { printf "%s:%d: %d characters\n", FILENAME, FNR, width($0) }
END

# Markdown: code blocks are fenced or indented by four spaces; code that is run inside a line does
# not count.
cat >"$tmp/markdown.awk" <<'END'
function width(s) { gsub(/[\200-\277]/, "", s); return length(s) }
FNR == 1 { fenced = 0 }
/^ *```/ { fenced = !fenced; next }
fenced || /^    / || /^ *\|/ || /https?:\/\// || /\]\(/ { next }
{ gsub(/`r [^`]*`/, "") }
width($0) > most { printf "%s:%d: %d characters\n", FILENAME, FNR, width($0) }
END

# ---- the rules, of files whose names are read from the standard input ----

on_each() { xargs -r awk "$@"; }
functions() { on_each -f "$tmp/c.awk"; }
too_long() { awk -v most=60 '$NF > most'; } # of functions
median() { awk '{print $NF}' | sort -n | awk '{n[NR] = $1} END {print NR ? n[int((NR + 1) / 2)] : 0}'; }
oversized() { # oversized MOST
  on_each -v most="$1" 'FNR == 1 {flush()} {file = FILENAME; n = FNR} END {flush()}
    function flush() { if (n > most) printf "%s: %d lines\n", file, n; n = 0 }'
}
wide_c() { on_each -v prose=1 -v most=100 -f "$tmp/c.awk"; }
wide_hash() { on_each -v most=100 -f "$tmp/hash.awk"; }
wide_markdown() { on_each -v most=100 -f "$tmp/markdown.awk"; }
# A fence that shares its line with text, or that is never closed.
loose_fences() {
  on_each 'FNR == 1 {open(); n = 0} {file = FILENAME}
    /```/ {n++; if ($0 !~ /^ *```([a-z]*|[{].*[}])$/) printf "%s:%d: text beside a fence\n", file, FNR}
    END {open()}
    function open() { if (n % 2) printf "%s: a fence is not closed\n", file }'
}
trailing() { on_each '/[ \t\r]$/ {printf "%s:%d: white space at the end\n", FILENAME, FNR}'; }

# Paths below the folders given whose names match one of the patterns, written "*.c *.h".
files() { # files PATTERNS FOLDER...
  (
    set -f
    patterns=$1
    shift
    tests=
    for pattern in $patterns; do tests="$tests -o -name $pattern"; done
    # shellcheck disable=SC2086
    find "$@" \( -name build -o -name golden -o -name '*.Rcheck' \) -prune -o -type f \( ${tests# -o } \) -print |
      grep -vE '/(prelude_text|cuda_text)\.h$' | sort
  )
}

# ---- that mistakes are caught ----

lines() { awk -v n="$1" -v text="$2" 'BEGIN {while (n-- > 0) print text}'; }

# must_be NAME EXPECTED FOUND: that a deliberate mistake is reported as expected, "" where it is
# none.
must_be() { rule "the check of form: $1" "$([ "$2" = "$3" ] || echo "\"$3\" instead of \"$2\"")"; }

caught() {
  wrong=$tmp/wrong.c
  head='static const int table[] = {1, 2};
/* a brace in a comment: { */
static const char *brace = "{";
#define BODY(x) \
  do { x } while (0)
extern "C" {'
  { echo "$head"; echo "int f(int a,"; echo "      int b) {"; lines 57 "  /* } */ a++, g('}');"; echo "}"; echo "int h(void) { return 0; }"; } >"$wrong"
  must_be "functions of 60 lines and of one are found, and pass" "$wrong:7: f 60
$wrong:67: h 1" "$(echo "$wrong" | functions)"
  must_be "60 lines pass" "" "$(echo "$wrong" | functions | too_long)"
  { echo "$head"; echo "static gr_class __attribute__((unused)) f(int a) {"; lines 59 "  if (a) { a++; }"; echo "}"; } >"$wrong"
  must_be "a function of 61 lines" "$wrong:7: f 61" "$(echo "$wrong" | functions | too_long)"
  must_be "the median" "3" "$(printf 'a 1\nb 3\nc 90\n' | median)"
  lines 500 "int x;" >"$wrong"
  must_be "500 lines pass" "" "$(echo "$wrong" | oversized 500)"
  lines 501 "int x;" >"$wrong"
  must_be "a file of 501 lines" "$wrong: 501 lines" "$(echo "$wrong" | oversized 500)"
  x100=$(lines 100 x | tr -d '\n')
  printf '/* %.94s */\n/* %.95s */\nint %s;\n' "$x100" "$x100" "$x100" >"$wrong"
  must_be "a comment of 101 characters, not code" "$wrong:2: 101 characters" "$(echo "$wrong" | wide_c)"
  printf '/*\n %s\n*/ int %.80s; // %s\n' "$x100" "$x100" "x" >"$wrong"
  must_be "a comment's second line" "$wrong:2: 101 characters" "$(echo "$wrong" | wide_c)"
  printf '/* %.93s\303\251 */\n' "$x100" >"$wrong"
  must_be "characters are counted, not bytes" "" "$(echo "$wrong" | wide_c)"
  printf "#' %.97s\n#' %.98s\nx <- \"%s\"\n" "$x100" "$x100" "$x100" >"$wrong"
  must_be "a roxygen line of 101 characters" "$wrong:2: 101 characters" "$(echo "$wrong" | wide_hash)"
  printf '%s\n%sx\n```\n%sx\n```\n| %s |\n    %s\n' "$x100" "$x100" "$x100" "$x100" "$x100" >"$wrong"
  must_be "a line of Markdown of 101 characters" "$wrong:2: 101 characters" "$(echo "$wrong" | wide_markdown)"
  printf '```r x\n```\n```{r, a = 1}\n  y ```\n```\n' >"$wrong"
  must_be "text beside a fence, and an open one" "$wrong:1: text beside a fence
$wrong:4: text beside a fence
$wrong: a fence is not closed" "$(echo "$wrong" | loose_fences)"
  printf 'int x; \nint y;\n\t\n' >"$wrong"
  must_be "white space at the end" "$wrong:1: white space at the end
$wrong:3: white space at the end" "$(echo "$wrong" | trailing)"
}
caught

# ---- the package ----

harness=$root/tests/testthat/engine

files '*.c *.h' "$root/src" | functions >"$tmp/functions"
rule "src: functions of at most 60 lines" "$(too_long <"$tmp/functions")"
middle=$(median <"$tmp/functions")
rule "src: the median of the functions' lengths is below 15 lines" "$([ "$middle" -lt 15 ] || echo "$middle lines")"
rule "src: there are functions" "$([ "$(wc -l <"$tmp/functions")" -gt 500 ] || echo "fewer than 500 were found")"
rule "tests: functions of at most 60 lines" "$(files '*.c *.h' "$harness" | functions | too_long)"
for room in src tests/testthat/engine; do
  rule "$room: .c files of at most 500 lines" "$(files '*.c' "$root/$room" | oversized 500)"
  rule "$room: .h files of at most 300 lines" "$(files '*.h' "$root/$room" | oversized 300)"
done
rule "R: files of at most 500 lines" "$(files '*.R' "$root/R" | oversized 500)"
for room in src R tests tools bench inst; do
  rule "$room: comments of at most 100 characters" \
    "$(files '*.c *.h' "$root/$room" | wide_c; files '*.R *.sh Makefile Makevars*' "$root/$room" | wide_hash)"
done
markdown() { ls "$root"/*.md; files '*.md *.Rmd' "$root/vignettes" "$root/inst" "$root/bench" "$root/tests"; }
rule "Markdown: lines of text of at most 100 characters" "$(markdown | wide_markdown)"
rule "Markdown: fences of code stand alone" "$(markdown | loose_fences)"
rule "no white space at the end of lines" \
  "$({ ls "$root"/*.md "$root/Makefile" "$root/DESCRIPTION"
       files '*.c *.h *.R *.sh *.md *.Rmd *.awk *.sed Makefile Makevars*' "$root/src" "$root/R" "$root/tests" \
         "$root/tools" "$root/bench" "$root/inst" "$root/vignettes"; } | trailing)"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
