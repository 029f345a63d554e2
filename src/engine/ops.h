/* ops.h: the operations of the formula language, the single source of truth.
 *
 * From these rows come the enum (OP_Exp), the parser's names and arities, the interpreter, the emitted kernels, the
 * per-operation tests and the documentation.  Four kinds:
 *
 * LEAF(name)                                        made by the binder
 * EW(name, arity, cost, emitted, reference, lo, hi, meaning)
 *     element-wise with broadcasting of dimension 1; everything is in the row.
 *     cost       in units of one multiplication, for scheduling
 *     emitted    C of a kernel: @a @b @c are vectors (prelude.h), @n the integer parameter
 *     reference  C of the interpreter: a b c are double, n is int
 *     lo, hi     where tests draw the arguments
 * LOOP(name, signature, flags, meaning)             dim_NAME (ops.c), ev_NAME (interp_loops.c), emit_NAME (emit_loops.c)
 *     flags      VIEW: only renames components;  ONCE: reads each component of its argument once, in order
 * MACRO(name, signature, text, meaning)             rewritten by the binder into the text, in our own language
 *
 * Signature: one letter per argument: e expression, i integer, l list of integers; after ? optional; * repeats the last.
 * In the text of a macro the expressions are called f g h, the integers n m; where the text is NULL, bind.c has the
 * function (rewrite_NAME) because it depends on dimensions. */

#define GR_OPS_LEAF(LEAF)                                                                                              \
  LEAF(Var)                                                                                                            \
  LEAF(Const)                                                                                                          \
  LEAF(Zero)

#define GR_OPS_EW(EW)                                                                                                  \
  EW(Add, 2, 1, "@a + @b", a + b, -2, 2, "f + g")                                                                      \
  EW(Subtract, 2, 1, "@a - @b", a - b, -2, 2, "f - g")                                                                 \
  EW(Mult, 2, 1, "@a * @b", a *b, -2, 2, "f * g")                                                                      \
  EW(Divide, 2, 6, "@a / @b", a / b, 0.5, 2, "f / g")                                                                  \
  EW(Minus, 1, 1, "-@a", -a, -2, 2, "-f")                                                                              \
  EW(Inv, 1, 6, "1 / @a", 1 / a, 0.5, 2, "1 / f")                                                                      \
  EW(Square, 1, 1, "v_square(@a)", a *a, -2, 2, "f^2")                                                                 \
  EW(PowInt, 1, 4, "v_powi(@a, @n)", ref_powi(a, n), 0.5, 2, "f^n, n an integer constant")                             \
  EW(Exp, 1, 14, "v_exp(@a)", exp(a), -20, 20, "exponential")                                                          \
  EW(Log, 1, 16, "v_log(@a)", log(a), 0.01, 20, "natural logarithm")                                                   \
  EW(XLogX, 1, 18, "v_xlogx(@a)", a == 0 ? 0 : a * log(a), 0, 4, "f log f, and 0 at 0")                                \
  EW(Sin, 1, 16, "v_sin(@a)", sin(a), -20, 20, "sine")                                                                 \
  EW(Cos, 1, 16, "v_cos(@a)", cos(a), -20, 20, "cosine")                                                               \
  EW(SinXDivX, 1, 22, "v_sinxdivx(@a)", a == 0 ? 1 : sin(a) / a, -20, 20, "sin(f) / f, and 1 at 0")                    \
  EW(Asin, 1, 20, "v_asin(@a)", asin(a), -1, 1, "arc sine")                                                            \
  EW(Acos, 1, 20, "v_acos(@a)", acos(a), -1, 1, "arc cosine")                                                          \
  EW(Atan, 1, 20, "v_atan(@a)", atan(a), -20, 20, "arc tangent")                                                       \
  EW(Atan2, 2, 28, "v_atan2(@a, @b)", atan2(a, b), -2, 2, "angle of the point (g, f)")                                 \
  EW(Sqrt, 1, 6, "v_sqrt(@a)", sqrt(a), 0, 4, "square root")                                                           \
  EW(Rsqrt, 1, 12, "v_rsqrt(@a)", a == 0 ? 0 : 1 / sqrt(a), 0, 4, "1 / sqrt(f), and 0 at 0")                           \
  EW(Abs, 1, 1, "v_abs(@a)", fabs(a), -2, 2, "absolute value")                                                         \
  EW(Sign, 1, 3, "v_sign(@a)", a > 0 ? 1 : a < 0 ? -1 : a == a ? 0 : a, -2, 2, "sign, 0 at 0")                         \
  EW(Step, 1, 2, "v_step(@a)", a >= 0 ? 1 : a < 0 ? 0 : a, -2, 2, "1 where f >= 0, else 0")                            \
  EW(ReLU, 1, 1, "v_relu(@a)", a < 0 ? 0 : a, -2, 2, "max(f, 0)")                                                      \
  EW(Floor, 1, 1, "v_floor(@a)", floor(a), -9, 9, "largest integer not above f")                                       \
  EW(RoundAway, 1, 3, "v_round(@a)", round(a), -9, 9, "nearest integer, halves away from zero")                        \
  EW(Clamp, 3, 2, "v_clamp(@a, @b, @c)", a<b ? b : a> c ? c : a, -2, 2, "f limited to [g, h]")                         \
  EW(IfElse, 3, 2, "v_ifelse(@a, @b, @c)", a >= 0 ? b : c, -2, 2, "g where f >= 0, else h")                            \
  EW(Equal, 2, 2, "v_bool(@a == @b)", a == b, -2, 2, "1 where f == g, else 0")                                         \
  EW(NotEqual, 2, 2, "v_bool(@a != @b)", a != b, -2, 2, "1 where f != g, else 0")                                      \
  EW(LessThan, 2, 2, "v_bool(@a < @b)", a < b, -2, 2, "1 where f < g, else 0")                                         \
  EW(LessOrEqual, 2, 2, "v_bool(@a <= @b)", a <= b, -2, 2, "1 where f <= g, else 0")

#define GR_OPS_LOOP(LOOP)                                                                                              \
  LOOP(Sum, "e", ONCE, "sum of the components")                                                                        \
  LOOP(Max, "e", ONCE, "largest component; NaN is never chosen")                                                       \
  LOOP(Min, "e", ONCE, "smallest component; NaN is never chosen")                                                      \
  LOOP(ArgMax, "e", ONCE, "position, from 0, of the largest component")                                                \
  LOOP(ArgMin, "e", ONCE, "position, from 0, of the smallest component")                                               \
  LOOP(SumT, "ei", VIEW, "the scalar f repeated n times")                                                              \
  LOOP(Elem, "ei", VIEW, "component n of f, from 0")                                                                   \
  LOOP(Extract, "eii", VIEW, "the m components of f from n on")                                                        \
  LOOP(ElemT, "eii", 0, "vector of length n with the scalar f at position m, else 0")                                  \
  LOOP(ExtractT, "eii", 0, "vector of length m with f from position n on, else 0")                                     \
  LOOP(Concat, "ee*", ONCE, "the components of f, then those of g, ...")                                               \
  LOOP(OneHot, "ei", 0, "vector of length n with 1 at position round(f), else 0")                                      \
  LOOP(TensorDot, "eellll?l", 0, "contraction of the tensors f and g, of the given shapes, along the given axes")                    \
  LOOP(BSpline, "eei", 0, "the B-splines of degree n on the knots f, at the scalar g")                                 \
  LOOP(SoftDTW_SqDist, "eee", 0, "soft dynamic time warping of the series f and g, squared distance, smoothing h")

#define GR_OPS_MACRO(MACRO)                                                                                            \
  MACRO(Pow, "ei", "f**n", "f^n, n an integer constant")                                                               \
  MACRO(Powf, "ee", "Exp(g*Log(f))", "f^g as exp(g log f)")                                                            \
  MACRO(Scalprod, "ee", "Sum(f*g)", "scalar product; also written f|g")                                                \
  MACRO(SqNorm2, "e", "Sum(Square(f))", "squared Euclidean norm")                                                      \
  MACRO(Norm2, "e", "Sqrt(Sum(Square(f)))", "Euclidean norm")                                                          \
  MACRO(Normalize, "e", "f*Rsqrt(Sum(Square(f)))", "f over its Euclidean norm, and 0 at 0")                            \
  MACRO(SqDist, "ee", "Sum(Square(f-g))", "squared Euclidean distance")                                                \
  MACRO(SqNormIso, "ee", "f*Sum(Square(g))", "f |g|^2, f a scalar")                                                    \
  MACRO(SqNormDiag, "ee", "Sum(f*Square(g))", "sum of f[k] g[k]^2")                                                    \
  MACRO(SymSqNorm, "ee", "Sum(g*MatVecMult(f,g))", "g' F g, f the matrix F, row-major")                                \
  MACRO(MatVecMult, "ee", NULL, "matrix f (row-major, dim(g) columns) times vector g")                                 \
  MACRO(VecMatMult, "ee", NULL, "vector f times matrix g (row-major, dim(f) rows)")                                    \
  MACRO(TensorProd, "ee", NULL, "outer product, row-major: f[k] g[l]")                                                 \
  MACRO(Kron, "eell", NULL, "Kronecker product of the tensors f and g, of the given shapes")                           \
  MACRO(WeightedSqNorm, "ee", NULL, "SqNormIso, SqNormDiag or SymSqNorm by the dimension of f: 1, d or d*d")           \
  MACRO(WeightedSqDist, "eee", "WeightedSqNorm(f,g-h)", "WeightedSqNorm(f, g - h)")                                    \
  MACRO(Mod, "eee", "f-g*Floor((f-h)/g)", "f modulo g with offset h: f - g floor((f - h) / g)")                        \
  MACRO(Round, "ei", NULL, "f rounded to n decimals, halves away from zero")                                           \
  MACRO(ClampInt, "eii", "Clamp(f,n,m)", "f limited to [n, m]")                                                        \
  MACRO(IntCst, "i", "n", "the constant n")                                                                            \
  MACRO(IntInv, "i", "1/n", "the constant 1/n")                                                                        \
  MACRO(RatCst, "ii", "n/m", "the constant n/m")
