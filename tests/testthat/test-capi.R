# The C interface for other packages: a client is compiled, loaded and called.

client <- c(
  "#include <Rinternals.h>",
  "#include <genred.h>",
  "#include <stdio.h>",
  "#include <string.h>",
  "static SEXP text(const char *s) { return Rf_mkString(s); }",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_sum(SEXP formula, SEXP x, SEXP y, SEXP out, SEXP backend) {",
  "  const genred_api *g = genred_get_api();",
  "  const char *aliases[] = {\"x = Vi(2)\", \"y = Vj(2)\"};",
  "  char message[GENRED_MESSAGE];",
  "  genred_program *p;",
  "  genred_spec spec;",
  "  genred_array args[2];",
  "  genred_output result;",
  "  int64_t rows = 0;",
  "  if (!g) return text(\"another ABI\");",
  "  memset(&spec, 0, sizeof spec);",
  "  spec.formula = CHAR(STRING_ELT(formula, 0));",
  "  spec.aliases = aliases;",
  "  spec.n_aliases = 2;",
  "  spec.axis = 1;",
  "  spec.dtype = \"float64\";",
  "  if (g->program_new(&spec, &p, message) != GENRED_OK) return text(message);",
  "  /* rows 2, 3, ... of x: a block without a copy */",
  "  args[0].data = REAL(x) + 1; args[0].rows = Rf_nrows(x) - 1; args[0].cols = 2; args[0].stride = Rf_nrows(x);",
  "  args[1].data = REAL(y); args[1].rows = args[1].stride = Rf_nrows(y); args[1].cols = 2;",
  "  result.data = REAL(out); result.type = GENRED_DOUBLE;",
  "  if (g->program_rows(p, args, 2, &rows, message) == GENRED_OK && rows == args[0].rows &&",
  "      g->program_run(p, args, 2, &result, (genred_backend)Rf_asInteger(backend), 1, message) == GENRED_OK)",
  "    strcpy(message, g->program_arg(p, g->program_nargs(p) - 1).name);",
  "  g->program_free(p);",
  "  return text(message);",
  "}"
)

# How the clients of the next tests begin: a program of two arguments, and a list of answers.
client_starts <- c(
  "  const genred_api *g = genred_try_api();",
  "  const char *aliases[] = {\"x = Vi(2)\", \"y = Vj(2)\"};",
  "  char message[GENRED_MESSAGE];",
  "  genred_program *p;",
  "  genred_spec spec;",
  "  genred_array args[2];",
  "  genred_output result;",
  "  genred_status status;",
  "  if (!g) return text(\"another ABI\");",
  "  said = 0;",
  "  answers = PROTECT(Rf_allocVector(STRSXP, 20));",
  "  memset(&spec, 0, sizeof spec);",
  "  spec.formula = \"SqDist(x,y)\"; spec.aliases = aliases; spec.n_aliases = 2; spec.axis = 1; spec.dtype = \"float64\";"
)

# Sums over blocks of pairs: rows 0 and 1 against columns 1 and 3, row 2 against none; then invalid
# ranges.
blocks <- c(
  "#define BLOCKS(CHANGE) { genred_interval rows[2] = {{0, 2}, {2, 3}}, columns[2] = {{1, 2}, {3, 4}}; int64_t ends[2] = {2, 2}; \\",
  "  genred_ranges r; r.rows = rows; r.ends = ends; r.n_blocks = 2; r.columns = columns; r.n_columns = 2; CHANGE; message[0] = 0; \\",
  "  status = g->program_run_ranges(p, args, 2, &r, &result, (genred_backend)Rf_asInteger(backend), 1, message); say((int)status, message); }",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_blocks(SEXP x, SEXP y, SEXP out, SEXP all, SEXP backend) {",
  client_starts,
  "  args[0].data = REAL(x); args[0].rows = args[0].stride = Rf_nrows(x); args[0].cols = 2;",
  "  args[1].data = REAL(y); args[1].rows = args[1].stride = Rf_nrows(y); args[1].cols = 2;",
  "  result.data = REAL(out); result.type = GENRED_DOUBLE;",
  "  g->program_new(&spec, &p, NULL);",
  "  BLOCKS((void)0);",
  "  result.data = REAL(all);",
  "  say((int)g->program_run_ranges(p, args, 2, NULL, &result, (genred_backend)Rf_asInteger(backend), 1, message), message);",
  "  BLOCKS(r.n_blocks = -1);",
  "  BLOCKS(r.rows = NULL);",
  "  BLOCKS(r.ends = NULL);",
  "  BLOCKS(r.columns = NULL);",
  "  BLOCKS(ends[1] = 3);",
  "  BLOCKS(rows[1].end = 4);",
  "  BLOCKS(columns[1].first = 1);",
  "  g->program_free(p);",
  "  answers = Rf_lengthgets(answers, said);",
  "  UNPROTECT(1);",
  "  return answers;",
  "}"
)

# Batches of 2 x 3 elements: x has the first dimension, y the second; then invalid ones.
batches <- c(
  "#define BATCH(CHANGE) { int64_t size[2] = {2, 3}, step[4] = {6, 0, 0, 8}; genred_batches b; b.n = 2; b.size = size; b.step = step; CHANGE; message[0] = 0; \\",
  "  status = g->program_run_batches(p, args, 2, NULL, &b, &result, (genred_backend)Rf_asInteger(backend), 1, message); say((int)status, message); }",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_batches(SEXP x, SEXP y, SEXP out, SEXP backend) {",
  client_starts,
  "  double none[1];",
  "  args[0].data = REAL(x); args[0].rows = args[0].stride = 3; args[0].cols = 2;",
  "  args[1].data = REAL(y); args[1].rows = args[1].stride = 4; args[1].cols = 2;",
  "  result.data = REAL(out); result.type = GENRED_DOUBLE;",
  "  g->program_new(&spec, &p, NULL);",
  "  BATCH((void)0);",
  "  result.data = none;",
  "  BATCH(size[1] = 0);",
  "  result.data = REAL(out);",
  "  BATCH(b.n = -1);",
  "  BATCH(b.n = 17);",
  "  BATCH(b.size = NULL);",
  "  BATCH(b.step = NULL);",
  "  BATCH(size[0] = -2);",
  "  BATCH(step[3] = -8);",
  "  BATCH(step[0] = (int64_t)1 << 61);",
  "  BATCH(size[0] = (int64_t)1 << 40);",
  "  g->program_free(p);",
  "  answers = Rf_lengthgets(answers, said);",
  "  UNPROTECT(1);",
  "  return answers;",
  "}"
)

# The values of all pairs, of blocks, and of all from an array of pairs: that result as an argument.
# Then what is wrong.
maps <- c(
  "#define MAP(CHANGE) { genred_array a[3]; genred_program *q = p; double *to = REAL(again); int64_t *shape = dim; int n = 3, threads = 1, where = Rf_asInteger(backend); \\",
  "  genred_ranges r; r.rows = rows; r.ends = ends; r.n_blocks = 2; r.columns = columns; r.n_columns = 2; memcpy(a, args, sizeof a); message[0] = 0; CHANGE; \\",
  "  status = shape != dim ? g->program_map_shape(q, a, n, shape, message) : g->program_map(q, a, n, &r, to, (genred_backend)where, threads, message); say((int)status, message); }",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_maps(SEXP x, SEXP y, SEXP all, SEXP again, SEXP shape, SEXP backend) {",
  "  const genred_api *g = genred_try_api();",
  "  const char *aliases[] = {\"c = Mij(2)\", \"x = Vi(2)\", \"y = Vj(2)\"};",
  "  const genred_interval rows[2] = {{0, 2}, {2, 3}}, columns[2] = {{1, 2}, {3, 4}};",
  "  const int64_t ends[2] = {1, 2};",
  "  char message[GENRED_MESSAGE];",
  "  int64_t dim[3] = {0, 0, 0};",
  "  genred_program *p = NULL;",
  "  genred_spec spec;",
  "  genred_array args[3];",
  "  genred_status status;",
  "  if (!g) return text(\"another ABI\");",
  "  said = 0;",
  "  answers = PROTECT(Rf_allocVector(STRSXP, 20));",
  "  memset(&spec, 0, sizeof spec);",
  "  spec.formula = \"x-y\"; spec.aliases = aliases + 1; spec.n_aliases = 2; spec.axis = 1; spec.dtype = \"float64\";",
  "  args[0].data = REAL(all); args[0].rows = args[0].stride = 3; args[0].cols = 8;",
  "  args[1].data = REAL(x); args[1].rows = args[1].stride = 3; args[1].cols = 2;",
  "  args[2].data = REAL(y); args[2].rows = args[2].stride = 4; args[2].cols = 2;",
  "  g->program_new(&spec, &p, NULL);",
  "  say((int)g->program_map_shape(p, args + 1, 2, dim, message), message);",
  "  for (int k = 0; k < 3; k++) INTEGER(shape)[k] = (int)dim[k];",
  "  say((int)g->program_map(p, args + 1, 2, NULL, REAL(all), (genred_backend)Rf_asInteger(backend), 1, message), message);",
  "  g->program_free(p);",
  "  spec.formula = \"c*x+y\"; spec.aliases = aliases; spec.n_aliases = 3;",
  "  g->program_new(&spec, &p, NULL);",
  "  MAP((void)0);",
  "  MAP(shape = NULL);",
  "  MAP(to = NULL);",
  "  MAP(q = NULL);",
  "  MAP(q = NULL; shape = NULL);",
  "  MAP(n = 2);",
  "  MAP(n = -1);",
  "  MAP(threads = -1);",
  "  MAP(where = 9);",
  "  MAP(r.n_columns = 1);",
  "  MAP(a[0].stride = 2);",
  "  MAP(a[0].data = NULL);",
  "  g->program_free(p);",
  "  spec.axis = 0;",
  "  g->program_new(&spec, &p, NULL);",
  "  MAP((void)0);",
  "  g->program_free(p);",
  "  answers = Rf_lengthgets(answers, said);",
  "  UNPROTECT(1);",
  "  return answers;",
  "}"
)

# Pieces of y, the last first, against one call: "" and the number of columns, or what is wrong.
pieces <- c(
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_pieces(SEXP x, SEXP y, SEXP axis, SEXP backend) {",
  "  enum { PIECES = 4, ROWS = 64, K = 3 };",
  "  const genred_api *g = genred_get_api();",
  "  const char *aliases[] = {\"x = Vi(2)\", \"y = Vj(2)\"};",
  "  genred_backend where = (genred_backend)Rf_asInteger(backend);",
  "  char message[GENRED_MESSAGE + 40];",
  "  double value[ROWS * K], merged_value[ROWS * K], columns = 0, *sum = NULL, *part = NULL;",
  "  int64_t index[ROWS * K], merged_index[ROWS * K], rows = 0, size = 0, n = Rf_nrows(y);",
  "  const int64_t cut[PIECES + 1] = {0, n / 3, n / 3, n - 1, n};",
  "  genred_program *p = NULL;",
  "  genred_spec spec;",
  "  genred_array args[2], piece[2];",
  "  genred_output out[2], merged[2];",
  "  memset(&spec, 0, sizeof spec);",
  "  spec.formula = \"SqDist(x,y)\"; spec.reduction = \"KMin_ArgKMin\"; spec.k = K; spec.axis = Rf_asInteger(axis); spec.dtype = \"float64\";",
  "  spec.aliases = aliases; spec.n_aliases = 2;",
  "  args[0].data = REAL(x); args[0].rows = args[0].stride = Rf_nrows(x); args[0].cols = 2;",
  "  args[1].data = REAL(y); args[1].rows = args[1].stride = n; args[1].cols = 2;",
  "  out[0].data = value; out[0].type = GENRED_DOUBLE; out[1].data = index; out[1].type = GENRED_INT64;",
  "  merged[0].data = merged_value; merged[0].type = GENRED_DOUBLE; merged[1].data = merged_index; merged[1].type = GENRED_INT64;",
  "  if (spec.axis == 0) { genred_array a = args[0]; args[0] = args[1]; args[1] = a; }",
  "  if (g->program_new(&spec, &p, message) != GENRED_OK) return text(message);",
  "  if (g->program_run(p, args, 2, out, where, 1, message) != GENRED_OK) goto done;",
  "  if (g->partial_size(p, args, 2, &size, message) != GENRED_OK) goto done;",
  "  sum = (double *)R_alloc((size_t)size, sizeof *sum);",
  "  part = (double *)R_alloc((size_t)size, sizeof *part);",
  "  for (int k = PIECES - 1; k >= 0; k--) {",
  "    genred_array *of = &piece[spec.axis];",
  "    memcpy(piece, args, sizeof piece);",
  "    of->data += cut[k]; of->rows = cut[k + 1] - cut[k];",
  "    if (g->partial_run(p, piece, 2, cut[k], k == PIECES - 1 ? sum : part, size, where, 1, message) != GENRED_OK) goto done;",
  "    if (k < PIECES - 1 && g->partial_merge(p, sum, size, part, size, message) != GENRED_OK) goto done;",
  "  }",
  "  if (g->partial_rows(p, sum, size, &rows, &columns, message) != GENRED_OK || g->partial_finish(p, sum, size, merged, message) != GENRED_OK) goto done;",
  "  if (memcmp(value, merged_value, (size_t)rows * K * sizeof *value) || memcmp(index, merged_index, (size_t)rows * K * sizeof *index)) strcpy(message, \"different\");",
  "  snprintf(message + strlen(message), 40, \" %d %d\", (int)rows, (int)columns);",
  "done:",
  "  g->program_free(p);",
  "  return text(message);",
  "}"
)

# Sums by a template with each of some numbers of columns; then what is wrong with a call.
templates <- c(
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_template(SEXP x, SEXP y, SEXP cols, SEXP out) {",
  "  const genred_api *g = genred_get_api();",
  "  const char *aliases[] = {\"x = Vi\", \"y = Vj\"};",
  "  char message[GENRED_MESSAGE];",
  "  genred_template *t, *none;",
  "  genred_program *p = NULL;",
  "  genred_spec spec;",
  "  genred_array args[2];",
  "  genred_output result;",
  "  said = 0;",
  "  answers = PROTECT(Rf_allocVector(STRSXP, 30));",
  "  memset(&spec, 0, sizeof spec);",
  "  spec.formula = \"Exp(-SqDist(x,y))\"; spec.aliases = aliases; spec.n_aliases = 2; spec.axis = 1; spec.dtype = \"float64\";",
  "  say((int)g->template_new(&spec, &t, message), message);",
  "  for (int k = 0; k < Rf_length(cols); k++) {",
  "    args[0].data = REAL(x); args[0].rows = args[0].stride = Rf_nrows(x); args[0].cols = INTEGER(cols)[k];",
  "    args[1].data = REAL(y); args[1].rows = args[1].stride = Rf_nrows(y); args[1].cols = INTEGER(cols)[k];",
  "    result.data = REAL(out) + k * Rf_nrows(x); result.type = GENRED_DOUBLE;",
  "    say((int)g->template_program(t, args, 2, &p, message), message);",
  "    say((int)g->program_run(p, args, 2, &result, GENRED_INTERPRETER, 1, message), message);",
  "    g->program_free(p);",
  "  }",
  "  SET_STRING_ELT(answers, said++, Rf_mkChar(\"--\"));",
  "  say((int)g->template_program(t, NULL, 2, &p, message), message);",
  "  say((int)g->template_program(t, args, 1, &p, message), message);",
  "  say((int)g->template_program(t, args, -1, &p, message), message);",
  "  say((int)g->template_program(t, args, 2, NULL, message), message);",
  "  say((int)g->template_program(NULL, args, 2, &p, message), message);",
  "  args[0].cols = 0;",
  "  say((int)g->template_program(t, args, 2, &p, message), message);",
  "  if (p) say(99, \"\");",
  "  say((int)g->template_new(NULL, &none, message), message);",
  "  say((int)g->template_new(&spec, NULL, message), message);",
  "  spec.axis = 5;",
  "  say((int)g->template_new(&spec, &none, message), message);",
  "  SET_STRING_ELT(answers, said++, Rf_mkChar(\"--\"));",
  "  spec.axis = 1;",
  "  args[0].cols = 2; args[1].cols = 3;",
  "  say((int)g->template_program(t, args, 2, &p, message), message);",
  "  say((int)g->program_new(&spec, &p, message), message);",
  "  spec.formula = \"Epx(x)\";",
  "  say((int)g->template_new(&spec, &none, message), message);",
  "  if (none || p) say(99, \"\");",
  "  g->template_free(NULL);",
  "  g->template_free(t);",
  "  answers = Rf_lengthgets(answers, said);",
  "  UNPROTECT(1);",
  "  return answers;",
  "}"
)

# Calls with one thing wrong each: "status message" of every one, the status written before it.
junk <- c(
  "static int said;",
  "static SEXP answers;",
  "static void say(int status, const char *message) {",
  "  char text[GENRED_MESSAGE + 20];",
  "  snprintf(text, sizeof text, \"%d %s\", status, message);",
  "  SET_STRING_ELT(answers, said++, Rf_mkChar(text));",
  "}",
  "#define NEW(CHANGE) { genred_spec s = good; genred_program *p = NULL; message[0] = 0; CHANGE; status = g->program_new(&s, &p, message); say((int)status, message); g->program_free(p); }",
  "#define RUN(CHANGE) { genred_array a[3]; genred_output out[2]; genred_program *p = program; int n = 3, backend = 2, threads = 1; memcpy(a, args, sizeof a); \\",
  "  out[0].data = value; out[1].data = index; out[0].type = GENRED_DOUBLE; out[1].type = GENRED_INT64; message[0] = 0; CHANGE; \\",
  "  status = g->program_run(p, a, n, out, (genred_backend)backend, threads, message); say((int)status, message); \\",
  "  if (status != GENRED_OK) { status = g->program_run(p, a, n, out, (genred_backend)backend, threads, NULL); if (status == GENRED_OK) say(99, \"\"); } }",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_junk(void) {",
  "  const genred_api *g = genred_try_api();",
  "  const char *aliases[] = {\"x = Vi(2)\", \"y = Vj(2)\", \"p = Pm(3)\"}, *hole[] = {\"x = Vi(2)\", NULL, \"p = Pm(3)\"};",
  "  double x[4] = {1, 2, 3, 4}, y[6] = {1, 2, 3, 4, 5, 6}, q[3] = {1, 1, 1}, value[2];",
  "  int64_t index[2], rows = -1, largest = ((int64_t)1 << 62) - 1 + ((int64_t)1 << 62);",
  "  genred_array args[3] = {{x, 2, 2, 2}, {y, 3, 2, 3}, {q, 1, 3, 1}};",
  "  char message[GENRED_MESSAGE];",
  "  genred_program *program = NULL;",
  "  genred_status status;",
  "  genred_spec good;",
  "  if (!g) return text(\"another ABI\");",
  "  said = 0;",
  "  answers = PROTECT(Rf_allocVector(STRSXP, 80));",
  "  memset(&good, 0, sizeof good);",
  "  good.formula = \"SqDist(x,y)+p[0]\"; good.aliases = aliases; good.n_aliases = 3; good.axis = 1; good.reduction = \"Min_ArgMin\"; good.dtype = \"float64\";",
  "  /* OK */",
  "  NEW((void)0);",
  "  g->program_new(&good, &program, NULL);",
  "  RUN((void)0);",
  "  RUN(out[1].data = value; out[1].type = GENRED_DOUBLE);",
  "  RUN(a[0].rows = 0; a[0].data = NULL; out[0].data = out[1].data = NULL);",
  "  RUN(a[1].rows = 0; a[1].data = NULL);",
  "  SET_STRING_ELT(answers, said++, Rf_mkChar(\"--\"));",
  "  say((int)g->program_new(NULL, &program, message), message);",
  "  if (program) return text(\"a program is left where none was made\");",
  "  g->program_new(&good, &program, NULL);",
  "  say((int)g->program_new(&good, NULL, message), message);",
  "  NEW(s.formula = NULL);",
  "  NEW(s.aliases = NULL);",
  "  NEW(s.aliases = hole);",
  "  NEW(s.n_aliases = -1);",
  "  NEW(s.n_aliases = 2000000000);",
  "  NEW(s.axis = 7);",
  "  NEW(s.k = -3);",
  "  NEW(s.dtype = \"float8\");",
  "  say((int)g->program_rows(NULL, args, 3, &rows, message), message);",
  "  say((int)g->program_rows(program, NULL, 3, &rows, message), message);",
  "  say((int)g->program_rows(program, args, -1, &rows, message), message);",
  "  say((int)g->program_rows(program, args, 2, &rows, message), message);",
  "  say((int)g->program_rows(program, args, 3, NULL, message), message);",
  "  RUN(p = NULL);",
  "  RUN(n = -5);",
  "  RUN(n = 1);",
  "  RUN(a[0].data = NULL);",
  "  RUN(a[2].data = NULL);",
  "  RUN(a[0].rows = -1);",
  "  RUN(a[1].rows = -largest);",
  "  RUN(a[1].rows = a[1].stride = largest);",
  "  RUN(a[0].cols = -2);",
  "  RUN(a[0].cols = largest);",
  "  RUN(a[0].stride = 1);",
  "  RUN(a[0].stride = 0);",
  "  RUN(a[0].stride = -2);",
  "  RUN(a[1].stride = largest);",
  "  RUN(a[2].rows = 2);",
  "  RUN(a[2].stride = -1);",
  "  RUN(out[0].data = NULL);",
  "  RUN(out[1].data = NULL);",
  "  RUN(out[0].type = GENRED_INT64);",
  "  RUN(out[0].type = (genred_type)7);",
  "  RUN(out[1].type = (genred_type)-1);",
  "  RUN(backend = 6);",
  "  RUN(backend = -1);",
  "  RUN(threads = -1);",
  "  {",
  "    double states[20], other[20];",
  "    genred_output out[2];",
  "    int64_t size = -1;",
  "    memset(out, 0, sizeof out);",
  "    out[0].data = value; out[1].data = index; out[1].type = GENRED_INT64;",
  "    if (g->partial_size(program, args, 3, &size, message) != GENRED_OK || size > 20 ||",
  "        g->partial_run(program, args, 3, 0, states, size, GENRED_INTERPRETER, 1, message) != GENRED_OK ||",
  "        g->partial_merge(program, states, size, states, size, NULL) != GENRED_OK ||",
  "        g->partial_rows(program, states, size, &rows, NULL, message) != GENRED_OK || rows != 2 || message[0])",
  "      return text(\"a partial result fails\");",
  "    say((int)g->partial_size(NULL, args, 3, &size, message), message);",
  "    say((int)g->partial_size(program, args, 2, &size, message), message);",
  "    say((int)g->partial_size(program, args, 3, NULL, message), message);",
  "    say((int)g->partial_run(NULL, args, 3, 0, states, size, GENRED_AUTO, 1, message), message);",
  "    say((int)g->partial_run(program, NULL, 3, 0, states, size, GENRED_AUTO, 1, message), message);",
  "    say((int)g->partial_run(program, args, 3, -1, states, size, GENRED_AUTO, 1, message), message);",
  "    say((int)g->partial_run(program, args, 3, largest, states, size, GENRED_AUTO, 1, message), message);",
  "    say((int)g->partial_run(program, args, 3, 0, NULL, size, GENRED_AUTO, 1, message), message);",
  "    say((int)g->partial_run(program, args, 3, 0, other, size - 1, GENRED_AUTO, 1, message), message);",
  "    say((int)g->partial_run(program, args, 3, 0, other, size, (genred_backend)9, 1, message), message);",
  "    say((int)g->partial_run(program, args, 3, 0, other, size, GENRED_AUTO, -1, message), message);",
  "    memcpy(other, states, sizeof other);",
  "    other[size - 1] += 1;",
  "    say((int)g->partial_merge(program, states, size, other, size, message), message);",
  "    say((int)g->partial_merge(program, other, size, states, size, message), message);",
  "    say((int)g->partial_merge(NULL, states, size, states, size, message), message);",
  "    say((int)g->partial_merge(program, NULL, size, states, size, message), message);",
  "    say((int)g->partial_merge(program, states, size, NULL, size, message), message);",
  "    say((int)g->partial_merge(program, states, size, states, -1, message), message);",
  "    say((int)g->partial_rows(program, other, size, &rows, NULL, message), message);",
  "    say((int)g->partial_rows(program, states, size, NULL, NULL, message), message);",
  "    say((int)g->partial_finish(program, other, size, out, message), message);",
  "    say((int)g->partial_finish(program, states, size - 1, out, message), message);",
  "    say((int)g->partial_finish(program, states, size, NULL, message), message);",
  "    say((int)g->partial_finish(NULL, states, size, out, message), message);",
  "    out[0].type = GENRED_INT64;",
  "    say((int)g->partial_finish(program, states, size, out, message), message);",
  "    out[0].type = GENRED_DOUBLE; out[1].data = NULL;",
  "    say((int)g->partial_finish(program, states, size, out, message), message);",
  "  }",
  "  say((int)g->program_run(program, NULL, 3, NULL, GENRED_AUTO, 1, message), message);",
  "  say((int)g->program_run(program, args, 3, NULL, GENRED_AUTO, 1, message), message);",
  "  g->program_free(NULL);",
  "  if (g->program_nargs(NULL) || g->program_arg(program, 3).name || g->program_arg(program, -1).name || g->program_arg(NULL, 0).dim || g->program_result(NULL).n)",
  "    say(99, \"\");",
  "  g->program_free(program);",
  "  answers = Rf_lengthgets(answers, said);",
  "  UNPROTECT(1);",
  "  return answers;",
  "}",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_loaded(void) { return Rf_ScalarLogical(genred_try_api() != NULL); }",
  "#ifdef __cplusplus",
  "extern \"C\"",
  "#endif",
  "SEXP client_get(void) { return Rf_ScalarLogical(genred_get_api() != NULL); }"
)

build <- function(extension, flags) {
  dir <- tempfile("client")
  dir.create(dir)
  file <- file.path(dir, paste0("client.", extension))
  writeLines(c(client, pieces, junk, blocks, batches, templates, maps), file)
  include <- paste0("-I", shQuote(system.file("include", package = "genred")))
  writeLines(c(paste("PKG_CPPFLAGS =", include), paste(if (extension == "c") "PKG_CFLAGS =" else "PKG_CXXFLAGS =", flags)),
             file.path(dir, "Makevars"))
  old <- setwd(dir)
  on.exit(setwd(old))
  log <- suppressWarnings(system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "-o", "client.so", basename(file)),
                                  stdout = TRUE, stderr = TRUE))
  list(file = file.path(dir, "client.so"), log = paste(log, collapse = "\n"))
}

for (language in c("c", "cpp")) local({
  language <- language
  test_that(paste("a client in", language, "compiles without a warning and computes"), {
    skip_on_os("windows")
    skip_if(language == "cpp" && Sys.which("g++") == "" && Sys.which("clang++") == "", "no C++ compiler")
    skip_if(Sys.which("make") == "" || !nzchar(system.file("include", "genred.h", package = "genred")))
    so <- build(language, "-Wall -Wextra -Werror")
    expect_true(file.exists(so$file), info = so$log)
    dll <- dyn.load(so$file)
    on.exit(dyn.unload(so$file))
    client_sum <- getNativeSymbolInfo("client_sum", dll)
    x <- matrix(c(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 3)
    y <- matrix(c(1, 2, 3, 4, 5, 6, 7, 8), 4)
    out <- numeric(2)
    expect_identical(.Call(client_sum, "Exp(-SqDist(x,y))", x, y, out, 1L), "y")
    want <- apply(x[-1, ], 1, function(p) sum(exp(-colSums((t(y) - p)^2))))
    expect_equal(out, want, tolerance = 1e-12)
    expect_match(.Call(client_sum, "Epx(-SqDist(x,y))", x, y, out, 1L), "unknown operation")
    expect_match(.Call(client_sum, "Exp(-x[5])", x, y, out, 1L), "outside")
    for (backend in 3:5) { # GENRED_GPU ...: the same, or why not
      out[] <- 0
      said <- .Call(client_sum, "Exp(-SqDist(x,y))", x, y, out, backend)
      if (said == "y") expect_equal(out, want, tolerance = 1e-12) else expect_match(said, "NVIDIA|NVRTC|GPU")
    }
    client_pieces <- getNativeSymbolInfo("client_pieces", dll)
    near <- points(60, 2)
    for (axis in 0:1) for (backend in 1:2) {
      expect_identical(.Call(client_pieces, points(20, 2), near, axis, backend), " 20 60")
    }
    some <- numeric(3)
    every <- numeric(3)
    answers <- .Call(getNativeSymbolInfo("client_blocks", dll), x, y, some, every, 1L)
    d <- outer(1:3, 1:4, Vectorize(function(i, j) sum((x[i, ] - y[j, ])^2)))
    expect_identical(answers[1:2], c("0 ", "0 "))
    expect_equal(some, c(d[1:2, 2] + d[1:2, 4], 0), tolerance = 1e-12)
    expect_equal(every, rowSums(d), tolerance = 1e-12)
    expect_match(answers[-(1:2)], "^3 .")
    xs <- array(stats::rnorm(12), c(3, 2, 2))
    ys <- array(stats::rnorm(24), c(4, 2, 3))
    all <- array(0, c(3, 2, 3))
    for (backend in 1:2) {
      all[] <- 0
      answers <- .Call(getNativeSymbolInfo("client_batches", dll), xs, ys, all, backend)
      expect_identical(answers[1:2], c("0 ", "0 "))
      for (b in 1:2) for (c in 1:3) {
        d <- outer(1:3, 1:4, Vectorize(function(i, j) sum((xs[i, , b] - ys[j, , c])^2)))
        expect_equal(all[, b, c], rowSums(d), tolerance = 1e-12)
      }
      expect_match(answers[-(1:2)], "^3 .")
    }
    values <- array(0, c(3, 4, 2))
    again <- values
    shape <- integer(3)
    within <- outer(1:3, 1:4, function(i, j) (i < 3 & j == 2) | (i == 3 & j == 4))
    for (backend in 1:2) {
      values[] <- 0
      again[] <- 7
      answers <- .Call(getNativeSymbolInfo("client_maps", dll), x, y, values, again, shape, backend)
      expect_identical(answers[1:3], c("0 ", "0 ", "0 "))
      expect_identical(shape, c(3L, 4L, 2L))
      for (d in 1:2) {
        expect_identical(values[, , d], outer(x[, d], y[, d], "-"))
        expect_equal(again[, , d], within * (values[, , d] * x[, d] + rep(y[, d], each = 3)), tolerance = 1e-12)
      }
      expect_length(answers, 15L)
      expect_match(answers[-(1:3)], "^3 .")
    }
    cols <- c(1L, 2L, 1L)
    sums <- matrix(0, 3, 3)
    answers <- .Call(getNativeSymbolInfo("client_template", dll), x, y, cols, sums)
    expect_equal(sums, vapply(cols, function(d) {
      rowSums(exp(-sq_dist(x[, seq_len(d), drop = FALSE], y[, seq_len(d), drop = FALSE])))
    }, numeric(3)), tolerance = 1e-12)
    parts <- split(answers, cumsum(answers == "--"))
    expect_identical(parts[[1]], rep("0 ", 7))
    expect_match(parts[[2]][-1], "^3 .")
    expect_match(parts[[3]][-1], c("^2 .*dimensions of the arguments: x = Vi\\(2\\), y = Vj\\(3\\)|^1 (argument `x` has no dimension|unknown operation)"))
    answers <- .Call(getNativeSymbolInfo("client_junk", dll))
    good <- seq_len(match("--", answers) - 1L)
    expect_identical(answers[good], rep("0 ", length(good)))
    expect_match(answers[-c(good, length(good) + 1L)], "^3 .") # GENRED_ARGUMENT and a message
    expect_true(.Call(getNativeSymbolInfo("client_loaded", dll)))
    # where genred is not loaded
    code <- sprintf("d <- dyn.load('%s'); f <- function(n) .Call(getNativeSymbolInfo(n, d)); cat(f('client_loaded'), inherits(try(f('client_get'), TRUE), 'try-error'))", so$file)
    expect_identical(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote(code)), stdout = TRUE), "FALSE TRUE")
  })
})
