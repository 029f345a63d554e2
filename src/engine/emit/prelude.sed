# prelude.sed: headers of the prelude as initializers of gr_prelude_line, one for each line, for the
# compiler at run time: {PIECE_group, "text\n"}.  Comments that begin a line are left out, except
# for titles, and so are the two lines that enclose a group; the empty line behind a group belongs
# to it.  The hold space has the name of the group, with "-" behind it after the group's end.
1{
x
s/.*/base/
x
}
/^\/\* [^-].*\*\/$/d
/^\/\* [^-]/,/\*\/$/d
/^#ifndef GR_WITHOUT_/{
s///
h
d
}
/^#endif \/\* GR_WITHOUT_/{
x
s/$/-/
x
d
}
s/\\/\\\\/g
s/"/\\"/g
G
s/^\(.*\)\n\([a-z0-9]*\)-*$/{PIECE_\2, "\1\\n"},/
x
s/.*-$/base/
x
