# prelude.h and prelude_gamma.h as C strings, for the compiler at run time: without the comments that begin a line, but for titles.
/^\/\* [^-].*\*\/$/d
/^\/\* [^-]/,/\*\/$/d
s/\\/\\\\/g
s/"/\\"/g
s/^/"/
s/$/\\n",/
