/* ops.h: the operations of the formula language, the single source of truth.
 *
 * From these rows come the enum (OP_Exp), the parser's names and arities, the interpreter, the
 * planner's costs and sizes, the emitted kernels, the per-operation tests and the documentation.
 * There are five kinds:
 *
 * LEAF(name)                                        made by the binder
 * INDEX(name, signature, categories, cost, emitted, calls, reference, meaning) a number that
 *     follows from where a pair is: its row i and its column j, counted from 0 in the whole call.
 *     Its derivatives are 0.
 *     categories the indices that it depends on
 *     emitted    C of a kernel: @i and @j are gr_where (prelude_index.h), @s is the seed
 *     reference  C of the interpreter: i and j are int64_t, seed is a double, f64 tells the
 *                working precision
 * EW(name, arity, cost, law, emitted, calls, reference, lo, hi, derivative, meaning) element-wise
 *     with broadcasting of dimension 1; everything is in the row.
 *     cost       of a component, in units of one multiplication, for scheduling
 *     law        see below
 *     emitted    C of a kernel: @a @b @c are vectors (prelude.h), @n the integer parameter;
 *                accurate to 4 units in the last place over the whole domain unless the meaning
 *                says otherwise (test_prelude.c)
 *     calls      the group of the prelude whose functions that text calls (GR_PIECES of
 *                emit/emitter.h): plain, whose functions every kernel has, unless the operation
 *                needs another; operators: the text is an expression of operators and calls
 *                nothing, so that it stands in parentheses within another expression
 *     reference  C of the interpreter: a b c are double, n is int
 *     lo, hi     where tests draw the arguments
 *     derivative what each argument gets of the incoming gradient e, in our own language: f g h are
 *                the arguments, o is the result, n the integer parameter, m = n - 1; broadcasting
 *                is handled once, in diff.c
 * LOOP(name, signature, dimension, flags, law, stride, offset, cost, storage, calls, derivative,
 *      meaning)
 *     the functions dim_NAME (ops.c), ev_NAME (interp_loops.c) and emit_NAME (emit_loops.c) are
 *     found by name.
 *     flags      ONCE: reads each component of its argument once, in order;  SUM: adds the
 *                components of its argument
 *     stride, offset   of a view, which only renames components: component k is component stride *
 *                k + offset of f, where n is the first integer; stride OWN: no view, components of
 *                its own
 *     cost       of the node, as C, in units of one multiplication: d and c are the dimensions of f
 *                and g, o is that of the result, terms the number of products in each component of
 *                a TensorDot
 *     storage    vectors that hold the result while it is computed, as C, in the same terms
 *     calls      as above, of what emit_NAME writes
 *     derivative as above; d and c are the dimensions of f and g, n and m the integers; NULL:
 *     adjoint_NAME in diff.c
 * MACRO(name, signature, dimension, text, meaning) rewritten by the binder into the text, in our
 *     own language; where the text is NULL, rewrite_NAME (macros.c) makes the nodes, because they
 *     depend on dimensions.
 *
 * Signature: one letter per argument: e expression, v variable, i integer, l list of integers, s a
 * seed (an integer, or an expression of parameters); after ? optional; * repeats the last.  In the
 * text of a macro the expressions are called f g h, the integers n m, the dimensions of f and g
 * d c.
 *
 * Law: how the result depends on each argument, one letter per argument; "" where nothing is known.
 * Derivatives of loops, the test of linearity, rewrites that move factors and the search for
 * differences (invariance.c) follow from it.
 *     + -  terms of a sum, with their signs: linear in these arguments together
 *     *    factors of a product: linear in each of these arguments, the others being fixed
 *     |    the result is one of these arguments: linear in them together
 *     &    the result is made of the components of these arguments: linear in them together
 *     =    depends on the difference of these arguments only
 *     .    anything else */

/* Made by the binder or by the texts of these tables, under another name in a formula (f**n,
 * Round(f, 0)) or none: they are not listed, and the parser knows them in our own texts only. */
#define GR_OPS_INTERNAL(OP) OP(Var) OP(Const) OP(PowInt) OP(RoundAway)

#define GR_OPS_LEAF(LEAF)                                                                                              \
  LEAF(Var)                                                                                                            \
  LEAF(Const)                                                                                                          \
  LEAF(Zero)

#define GR_OPS_INDEX(INDEX)                                                                                            \
  INDEX(IndexI, "", CAT_I, 1, "v_index(@i)", index, (double)i,                                                         \
        "number of the row i, from 0")                                                                                 \
  INDEX(IndexJ, "", CAT_J, 1, "v_index(@j)", index, (double)j,                                                         \
        "number of the column j, from 0")                                                                              \
  INDEX(IndexDiff, "", CAT_I | CAT_J, 3, "v_index_diff(@i, @j)", index, (double)(i - j),                               \
        "i - j")                                                                                                       \
  INDEX(Rand, "s", CAT_I | CAT_J, 20, "v_rand(@i, @j, @s)", rand, ref_rand(i, j, seed, f64),                           \
        "random number in (0, 1), a function of i, j and the seed")

#define GR_OPS_EW(EW)                                                                                                  \
  EW(Add, 2, 1, "++", "@a + @b", operators, a + b, -2, 2,                                                              \
     "e; e", "f + g")                                                                                                  \
  EW(Subtract, 2, 1, "+-", "@a - @b", operators, a - b, -2, 2,                                                         \
     "e; -e", "f - g")                                                                                                 \
  EW(Mult, 2, 1, "**", "@a * @b", operators, a *b, -2, 2,                                                              \
     "e*g; e*f", "f * g")                                                                                              \
  EW(Divide, 2, 6, "*.", "@a / @b", operators, a / b, 0.5, 2,                                                          \
     "e/g; -e*o/g", "f / g")                                                                                           \
  EW(Minus, 1, 1, "-", "-@a", operators, -a, -2, 2,                                                                    \
     "-e", "-f")                                                                                                       \
  EW(Inv, 1, 6, "", "1 / @a", operators, 1 / a, 0.5, 2,                                                                \
     "-e*Square(o)", "1 / f")                                                                                          \
  EW(Square, 1, 1, "", "v_square(@a)", plain, a *a, -2, 2,                                                             \
     "2*e*f", "f^2")                                                                                                   \
  EW(PowInt, 1, 4, "", "v_powi(@a, @n)", plain, ref_powi(a, n), 0.5, 2,                                                \
     "e*n*f**m", "f^n, n an integer constant")                                                                         \
  EW(Exp, 1, 14, "", "v_exp(@a)", exp, exp(a), -20, 20,                                                                \
     "e*o", "exponential")                                                                                             \
  EW(Exp2, 1, 13, "", "v_exp2(@a)", exp2, exp2(a), -20, 20,                                                            \
     "e*o*0.6931471805599453", "2^f")                                                                                  \
  EW(Log, 1, 16, "", "v_log(@a)", log, log(a), 0.01, 20,                                                               \
     "e/f", "natural logarithm")                                                                                       \
  EW(Powf, 2, 30, "", "v_exp(@b * v_log(@a))", pow, exp(b * log(a)), 0.5, 2,                                           \
     "e*g*Powf(f,g-1); IfElse(-Abs(f),0,e*o*Log(f))", "f^g as exp(g log f)")                                           \
  EW(XLogX, 1, 18, "", "v_xlogx(@a)", log, a == 0 ? 0 : a * log(a), 0, 4,                                              \
     "e*(Log(f)+1)", "f log f, and 0 at 0")                                                                            \
  EW(Sin, 1, 16, "", "v_sin(@a)", sin, ref_sin(a), -20, 20,                                                            \
     "e*Cos(f)", "sine")                                                                                               \
  EW(Cos, 1, 16, "", "v_cos(@a)", sin, ref_cos(a), -20, 20,                                                            \
     "-e*Sin(f)", "cosine")                                                                                            \
  EW(SinXDivX, 1, 22, "", "v_sinxdivx(@a)", sin, a == 0 ? 1 : ref_sin(a) / a, -20, 20,                                 \
     "e*SinXDivXDiff(f)", "sin(f) / f, and 1 at 0")                                                                    \
  EW(Asin, 1, 20, "", "v_asin(@a)", asin, asin(a), -1, 1,                                                              \
     "e*Rsqrt(1-Square(f))", "arc sine")                                                                               \
  EW(Acos, 1, 20, "", "v_acos(@a)", asin, acos(a), -1, 1,                                                              \
     "-e*Rsqrt(1-Square(f))", "arc cosine")                                                                            \
  EW(Atan, 1, 20, "", "v_atan(@a)", atan, atan(a), -20, 20,                                                            \
     "e/(1+Square(f))", "arc tangent")                                                                                 \
  EW(Atan2, 2, 28, "", "v_atan2(@a, @b)", atan, atan2(a, b), -2, 2,                                                    \
     "e*g/(Square(f)+Square(g)); -e*f/(Square(f)+Square(g))", "angle of the point (g, f)")                             \
  EW(Sqrt, 1, 6, "", "v_sqrt(@a)", plain, sqrt(a), 0, 4,                                                               \
     "e*(0.5*Rsqrt(f))", "square root")                                                                                \
  EW(Rsqrt, 1, 12, "", "v_rsqrt(@a)", plain, a == 0 ? 0 : 1 / sqrt(a), 0, 4,                                           \
     "-0.5*e*(o*o*o)", "1 / sqrt(f), and 0 at 0")                                                                      \
  EW(Abs, 1, 1, "", "v_abs(@a)", plain, fabs(a), -2, 2,                                                                \
     "e*Sign(f)", "absolute value")                                                                                    \
  EW(Sign, 1, 3, "", "v_sign(@a)", plain, a > 0 ? 1 : a < 0 ? -1 : a == a ? 0 : a, -2, 2,                              \
     "0", "sign, 0 at 0")                                                                                              \
  EW(Step, 1, 2, "", "v_step(@a)", plain, a >= 0 ? 1 : a < 0 ? 0 : a, -2, 2,                                           \
     "0", "1 where f >= 0, else 0")                                                                                    \
  EW(ReLU, 1, 1, "", "v_relu(@a)", plain, a < 0 ? 0 : a, -2, 2,                                                        \
     "e*Step(f)", "max(f, 0)")                                                                                         \
  EW(Floor, 1, 1, "", "v_floor(@a)", plain, floor(a), -9, 9,                                                           \
     "0", "largest integer not above f")                                                                               \
  EW(RoundAway, 1, 3, "", "v_round(@a)", plain, ref_round(a), -9, 9,                                                   \
     "0", "nearest integer, halves away from zero")                                                                    \
  EW(Tan, 1, 20, "", "v_tan(@a)", tan, ref_tan(a), -1.3, 1.3,                                                          \
     "e*(1+Square(o))", "tangent")                                                                                     \
  EW(Tanh, 1, 24, "", "v_tanh(@a)", hyp, tanh(a), -4, 4,                                                               \
     "e*(1-Square(o))", "hyperbolic tangent")                                                                          \
  EW(Sinh, 1, 24, "", "v_sinh(@a)", hyp, sinh(a), -3, 3,                                                               \
     "e*Cosh(f)", "hyperbolic sine")                                                                                   \
  EW(Cosh, 1, 24, "", "v_cosh(@a)", hyp, cosh(a), -3, 3,                                                               \
     "e*Sinh(f)", "hyperbolic cosine")                                                                                 \
  EW(Sigmoid, 1, 22, "", "v_sigmoid(@a)", sigmoid, 1 / (1 + exp(-a)), -20, 20,                                         \
     "e*o*Sigmoid(-f)", "1 / (1 + exp(-f))")                                                                           \
  EW(Softplus, 1, 40, "", "v_softplus(@a)", log1p, ref_softplus(a), -20, 20,                                           \
     "e*Sigmoid(f)", "log(1 + exp(f))")                                                                                \
  EW(Log1p, 1, 20, "", "v_log1p(@a)", log1p, log1p(a), 0, 4,                                                           \
     "e/(1+f)", "log(1 + f)")                                                                                          \
  EW(Expm1, 1, 20, "", "v_expm1(@a)", hyp, expm1(a), -4, 4,                                                            \
     "e*(o+1)", "exp(f) - 1")                                                                                          \
  EW(Erf, 1, 30, "", "v_erf(@a)", erf, erf(a), -3, 3,                                                                  \
     "1.1283791670955126*e*Exp(-Square(f))", "error function")                                                         \
  EW(Erfc, 1, 34, "", "v_erfc(@a)", erf, erfc(a), -3, 3,                                                               \
     "-1.1283791670955126*e*Exp(-Square(f))", "1 less the error function")                                             \
  EW(Lgamma, 1, 80, "", "v_lgamma(@a)", gamma, ref_lgamma(a), 0.1, 9,                                                  \
     "e*Digamma(f)", "log of the absolute gamma function; below -2 to 4 ulp of max(Lgamma(-f), 1)")                    \
  EW(Digamma, 1, 80, "", "v_digamma(@a)", gamma, ref_digamma(a), 0.1, 9,                                               \
     "e*Trigamma(f)", "derivative of Lgamma; below 0 to 5 ulp of max(Digamma(1 - f), 1)")                              \
  EW(Ceil, 1, 1, "", "v_ceil(@a)", plain, ceil(a), -9, 9,                                                              \
     "0", "smallest integer not below f")                                                                              \
  EW(Hypot, 2, 14, "", "v_hypot(@a, @b)", plain, hypot(a, b), -2, 2,                                                   \
     "e*f/(o+Equal(o,0)); e*g/(o+Equal(o,0))", "sqrt(f^2 + g^2) without overflow")                                     \
  EW(And, 2, 3, "", "v_bool((VI)(@a != 0) & (VI)(@b != 0))", plain, a != 0 && b != 0, -2, 2,                           \
     "0; 0", "1 where neither f nor g is 0, else 0")                                                                   \
  EW(Or, 2, 3, "", "v_bool((VI)(@a != 0) | (VI)(@b != 0))", plain, a != 0 || b != 0, -2, 2,                            \
     "0; 0", "1 where f or g is not 0, else 0")                                                                        \
  EW(Not, 1, 2, "", "v_bool(@a == 0)", plain, a == 0, -2, 2,                                                           \
     "0", "1 where f is 0, else 0")                                                                                    \
  EW(Clamp, 3, 2, "", "v_clamp(@a, @b, @c)", plain, a<b ? b : a> c ? c : a, -2, 2,                                     \
     "IfElse(f-g,IfElse(h-f,e,0),0); IfElse(f-g,0,e); IfElse(f-g,IfElse(h-f,0,e),0)", "f limited to [g, h]")           \
  EW(IfElse, 3, 2, ".||", "v_ifelse(@a, @b, @c)", plain, a >= 0 ? b : c, -2, 2,                                        \
     "0; IfElse(f,e,0); IfElse(f,0,e)", "g where f >= 0, else h")                                                      \
  EW(Equal, 2, 2, "==", "v_bool(@a == @b)", plain, a == b, -2, 2,                                                      \
     "0; 0", "1 where f == g, else 0")                                                                                 \
  EW(NotEqual, 2, 2, "==", "v_bool(@a != @b)", plain, a != b, -2, 2,                                                   \
     "0; 0", "1 where f != g, else 0")                                                                                 \
  EW(LessThan, 2, 2, "==", "v_bool(@a < @b)", plain, a < b, -2, 2,                                                     \
     "0; 0", "1 where f < g, else 0")                                                                                  \
  EW(LessOrEqual, 2, 2, "==", "v_bool(@a <= @b)", plain, a <= b, -2, 2,                                                \
     "0; 0", "1 where f <= g, else 0")

#define GR_OPS_LOOP(LOOP)                                                                                              \
  LOOP(Sum, "e", "1", ONCE | SUM, "+", OWN, 0, d, o, plain,                                                            \
       "SumT(e,d)", "sum of the components")                                                                           \
  LOOP(Max, "e", "1", ONCE, "", OWN, 0, d, o, plain,                                                                   \
       "e*OneHot(ArgMax(f),d)", "largest component; NaN is never chosen")                                              \
  LOOP(Min, "e", "1", ONCE, "", OWN, 0, d, o, plain,                                                                   \
       "e*OneHot(ArgMin(f),d)", "smallest component; NaN is never chosen")                                             \
  LOOP(ArgMax, "e", "1", ONCE, "", OWN, 0, d, o, plain,                                                                \
       "0", "position, from 0, of the largest component")                                                              \
  LOOP(ArgMin, "e", "1", ONCE, "", OWN, 0, d, o, plain,                                                                \
       "0", "position, from 0, of the smallest component")                                                             \
  LOOP(SumT, "ei", "n", 0, "+", 0, 0, 0, o, plain,                                                                     \
       "Sum(e)", "the scalar f repeated n times")                                                                      \
  LOOP(Elem, "ei", "1", 0, "+", 0, n, 0, o, plain,                                                                     \
       "ElemT(e,d,n)", "component n of f, from 0")                                                                     \
  LOOP(Extract, "eii", "m", 0, "+", 1, n, 0, o, plain,                                                                 \
       "ExtractT(e,n,d)", "the m components of f from n on")                                                           \
  LOOP(ElemT, "eii", "n", 0, "+", OWN, 0, o, o, plain,                                                                 \
       "Elem(e,m)", "vector of length n with the scalar f at position m, else 0")                                      \
  LOOP(ExtractT, "eii", "m", 0, "+", OWN, 0, o, o, plain,                                                              \
       "Extract(e,n,d)", "vector of length m with f from position n on, else 0")                                       \
  LOOP(Concat, "ee*", "dim(f) + dim(g) + ...", ONCE, "&&", OWN, 0, o, o, plain,                                        \
       "Extract(e,0,d); Extract(e,d,c)", "the components of f, then those of g, ...")                                  \
  LOOP(OneHot, "ei", "n", 0, "", OWN, 0, o, o, plain,                                                                  \
       "0", "vector of length n with 1 at position round(f), else 0")                                                  \
  LOOP(ComplexReal, "e", "dim(f) / 2", 0, "+", 2, 0, 0, o, plain,                                                      \
       "Real2Complex(e)", "real parts of a complex vector (re, im, re, im, ...)")                                      \
  LOOP(ComplexImag, "e", "dim(f) / 2", 0, "+", 2, 1, 0, o, plain,                                                      \
       "Imag2Complex(e)", "imaginary parts of a complex vector")                                                       \
  LOOP(Complex, "ee", "2 dim(f)", 0, "&&", OWN, 0, o, o, plain,                                                        \
       "ComplexReal(e); ComplexImag(e)", "complex vector of real parts f and imaginary parts g")                       \
  LOOP(TensorDot, "eellll?l", "product of the axes kept", 0, "**", OWN, 0, (o > d ? o : d) * terms, o, plain,          \
       NULL, "contraction of the tensors f and g, of the given shapes, along the given axes")                          \
  LOOP(SoftDTW_SqDist, "eee", "1", 0, "", OWN, 0, 60 * d * c, d, softmin,                                              \
       NULL, "soft dynamic time warping of f and g, squared distance, smoothing h")                                    \
  LOOP(SoftDTW_Grad, "eee", "dim(f) + dim(g) + 1", 0, "", OWN, 0, 130 * d * c, o + d + d * c, softmin,                 \
       NULL, "gradient of SoftDTW_SqDist by f, g and h, one after the other; its own derivative for short series only")

#define GR_OPS_MACRO(MACRO)                                                                                            \
  MACRO(Pow, "ei", "dim(f)", "f**n", "f^n, n an integer constant")                                                     \
  MACRO(Scalprod, "ee", "1", "Sum(f*g)", "scalar product; also written f|g")                                           \
  MACRO(SqNorm2, "e", "1", "Sum(Square(f))", "squared Euclidean norm")                                                 \
  MACRO(Norm2, "e", "1", "Sqrt(Sum(Square(f)))", "Euclidean norm")                                                     \
  MACRO(Normalize, "e", "dim(f)", "f*Rsqrt(Sum(Square(f)))", "f over its Euclidean norm, and 0 at 0")                  \
  MACRO(SinXDivXDiff, "e", "dim(f)",                                                                                   \
        "IfElse(Abs(f)-0.5,(Cos(f)-SinXDivX(f))/(f+Equal(f,0)),f*(-1/3+Square(f)*(1/30+Square(f)*(-1/840+"             \
        "Square(f)*(1/45360+Square(f)*(-1/3991680+Square(f)*(1/518918400-Square(f)/93405312000)))))))",                 \
        "derivative of SinXDivX, by its series up to 0.5")                                                             \
  MACRO(SqDist, "ee", "1", "Sum(Square(f-g))", "squared Euclidean distance")                                           \
  MACRO(SqNormIso, "ee", "1", "f*Sum(Square(g))", "f |g|^2, f a scalar")                                               \
  MACRO(SqNormDiag, "ee", "1", "Sum(f*Square(g))", "sum of f[k] g[k]^2")                                               \
  MACRO(SymSqNorm, "ee", "1", "Sum(g*MatVecMult(f,g))", "g' F g, f the matrix F, row-major")                           \
  MACRO(MatVecMult, "ee", "dim(f) / dim(g)", NULL, "matrix f (row-major, dim(g) columns) times vector g")              \
  MACRO(VecMatMult, "ee", "dim(g) / dim(f)", NULL, "vector f times matrix g (row-major, dim(f) rows)")                 \
  MACRO(TensorProd, "ee", "dim(f) dim(g)", NULL, "outer product, row-major: f[k] g[l]")                                \
  MACRO(Kron, "eell", "dim(f) dim(g)", NULL, "Kronecker product of the tensors f and g, of the given shapes")          \
  MACRO(WeightedSqNorm, "ee", "1", NULL, "SqNormIso, SqNormDiag or SymSqNorm by the dimension of f: 1, d or d*d")      \
  MACRO(WeightedSqDist, "eee", "1", "WeightedSqNorm(f,g-h)", "WeightedSqNorm(f, g - h)")                               \
  MACRO(Mod, "eee", "equal, or 1", "f-g*Floor((f-h)/g)", "f modulo g with offset h: f - g floor((f - h) / g)")         \
  MACRO(Round, "ei", "dim(f)", NULL, "f rounded to n decimals, halves away from zero")                                 \
  MACRO(ClampInt, "eii", "dim(f)", "Clamp(f,n,m)", "f limited to [n, m]")                                              \
  MACRO(IntCst, "i", "1", "n", "the constant n")                                                                       \
  MACRO(IntInv, "i", "1", "1/n", "the constant 1/n")                                                                   \
  MACRO(RatCst, "ii", "1", "n/m", "the constant n/m")                                                                  \
  MACRO(Trigamma, "e", "equal, or 1", NULL, "derivative of Digamma")                                                   \
  MACRO(BSpline, "eei", "dim(f) - n - 1", NULL, "the B-splines of degree n on the knots f, at the scalar g")           \
  MACRO(Real2Complex, "e", "2 dim(f)", "Complex(f,Zero(d))", "f as a complex vector")                                  \
  MACRO(Imag2Complex, "e", "2 dim(f)", "Complex(Zero(d),f)", "i f")                                                    \
  MACRO(Conj, "e", "dim(f)", "Complex(ComplexReal(f),-ComplexImag(f))", "complex conjugate")                           \
  MACRO(ComplexSquareAbs, "e", "dim(f) / 2", "Square(ComplexReal(f))+Square(ComplexImag(f))", "squared absolute values") \
  MACRO(ComplexAbs, "e", "dim(f) / 2", "Sqrt(ComplexSquareAbs(f))", "absolute values")                                 \
  MACRO(ComplexAngle, "e", "dim(f) / 2", "Atan2(ComplexImag(f),ComplexReal(f))", "arguments, between -pi and pi")      \
  MACRO(ComplexExp1j, "e", "2 dim(f)", "Complex(Cos(f),Sin(f))", "exp(i f), f real")                                   \
  MACRO(ComplexExp, "e", "dim(f)", "ComplexRealScal(Exp(ComplexReal(f)),ComplexExp1j(ComplexImag(f)))", "exponential") \
  MACRO(ComplexAdd, "ee", "equal, or 2", "Complex(ComplexReal(f)+ComplexReal(g),ComplexImag(f)+ComplexImag(g))", "f + g") \
  MACRO(ComplexSubtract, "ee", "equal, or 2", "Complex(ComplexReal(f)-ComplexReal(g),ComplexImag(f)-ComplexImag(g))", "f - g") \
  MACRO(ComplexMult, "ee", "equal, or 2", "Complex(ComplexReal(f)*ComplexReal(g)-ComplexImag(f)*ComplexImag(g),ComplexReal(f)*ComplexImag(g)+ComplexImag(f)*ComplexReal(g))", "f g") \
  MACRO(ComplexDivide, "ee", "equal, or 2", "ComplexRealScal(Inv(ComplexSquareAbs(g)),ComplexMult(f,Conj(g)))", "f / g") \
  MACRO(ComplexRealScal, "ee", "dim(g)", "Complex(f*ComplexReal(g),f*ComplexImag(g))", "f g, f real")                  \
  MACRO(ComplexScal, "ee", "dim(g)", "ComplexMult(f,g)", "f g, f a complex scalar")                                    \
  MACRO(ComplexSum, "e", "2", "Complex(Sum(ComplexReal(f)),Sum(ComplexImag(f)))", "sum of the complex components")     \
  MACRO(ComplexSumT, "ei", "n", NULL, "the complex scalar f repeated: n numbers re, im, re, ...")                      \
  MACRO(Grad, "eve", "dim(v)", NULL, "adjoint of the derivative of f by the variable g, applied to h (of the dimension of f)") \
  MACRO(Diff, "eve", "dim(f)", NULL, "derivative of f by the variable g in the direction h (of the dimension of g)")   \
  MACRO(GradMatrix, "ev", "dim(f) dim(v)", NULL, "Jacobian of f by the variable g, row-major: dim(f) x dim(g)")        \
  MACRO(Divergence, "ev", "1", NULL, "sum over k of d f[k] / d g[k]; f and the variable g of equal dimension")         \
  MACRO(Laplacian, "ev", "1", NULL, "Divergence of the gradient of the scalar f by the variable g")                    \
  MACRO(TraceOperator, "ev?e", "1", NULL, "trace of f, linear in the variable g, times h or weighted by h")            \
  MACRO(AdjointOperator, "eve", "dim(v)", NULL, "adjoint of f, linear in the variable g, applied to h")
