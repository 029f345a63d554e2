/* test_exact.c: interpreter and kernel against values of 20 digits, at arguments where some C
 * libraries are wrong: sine, cosine and tangent of large numbers, the logarithm of the gamma
 * function near its zeros and of subnormal numbers, rounding just below one half.
 *
 * Other tests compare kernels with the interpreter, which uses the functions of the C library. */
#include "check.h"

typedef struct row {
  double x, value[4];
  bool is_float; /* the argument is exact in single precision, and used in both */
} row;

/* sin, cos, tan, sin(x)/x; among the arguments the float and the double that are nearest to a
 * multiple of pi/2 */
static const row trig[] = {
    {0x1.2a05f2p33, {-0.48750602508751069153, 0.87311962267685600118, -0.55834963781124184656, -4.8750602508751069153e-11}, 1},
    {0x1.63784p17, {0.98319355924695760993, -0.18256622101390841926, -5.3854078470083197905, 5.4021475723800627467e-6}, 0},
    {0x1.0000000000002p52, {-0.80529837081375045477, -0.59286974451789936968, 1.3583057294795680679, -1.7881215859411050343e-16}, 0},
    {0x1.bc16d674ec8p59, {-0.99296932074040507621, 0.11837199021871073261, -8.3885496805936880001, -9.9296932074040507621e-19}, 0},
    {0x1.0f0cf064dd592p73, {-0.85220084976718880177, 0.5232147853951389455, -1.6287782256068988785, -8.5220084976718880177e-23}, 0},
    {0x1.7e43c8800759cp996, {-0.81788191211590859705, -0.57538611195754904669, 1.4214488238747244124, -8.178819121159085541e-301}, 0},
    {0x1.fffffffffffffp1023, {0.0049619547891840617905, -0.99998768942655993746, -0.0049620158744448949005, 2.7601789721270171495e-311}, 0},
#ifdef _WIN32 /* glibc 2.36 is 7 units in the last place off */
    {0x1.6ac5b262ca1ffp849, {1.0, -4.6871659242546276111e-19, -2133485385753703843.7, 1.8799209345007949055e-256}, 0},
#endif
    {0x1.2e5f0f521a58dp255, {-0.97482578012421593575, -0.22296793133814962826, 4.3720447791472335944, -1.4255336399665380517e-77}, 0},
    {-0x1.c6bf52634p49, {-0.85827279317023583552, -0.51319373778697025223, 1.672414782127583043, 8.5827279317023583552e-16}, 0},
    {0x1.002p11, {0.63002846015123548634, 0.77657204392088637617, 0.81129428374763889533, 0.00030748094687712810461}, 1},
    {0x1.86a08p16, {-0.44774657165721259579, -0.89416050436664478421, 0.50074519000854569579, -4.4774433293554791805e-6}, 1},
    {0x1.2a05f2p33, {-0.48750602508751069153, 0.87311962267685600118, -0.55834963781124184656, -4.8750602508751069153e-11}, 1},
    {0x1.5af1d8p66, {0.65657667785459028997, 0.75425928307010551814, 0.87049200797647192724, 6.565766646962178867e-21}, 1},
    {0x1.fffffep127, {-0.52187652333365854055, 0.85302103983030415805, -0.61179794983424806116, -1.5336573539268301007e-39}, 1},
    {0x1.f37c8ap95, {0.9999999999999999987, -1.6147697982476211876e-9, -619283318.95061386812, 1.2937984880686181083e-29}, 1},
    {-0x1.00038ap97, {0.57588344382517042113, -0.81753180924540286903, -0.70441717045447026332, -3.634139228292284512e-30}, 1},
};

static const row lgammas[] = {
    {0x1.fffffffffffffp0, {-9.3876980655431167609e-17}, 0},
    {0x1.0000000000001p1, {1.8775396131086243061e-16}, 0},
    {0x1.fffffffffffffp-1, {6.4083812134800072426e-17}, 0},
    {0x1.0000000000001p0, {-1.2816762426960008403e-16}, 0},
    {0x0.0000000000001p-1022, {744.44007192138126231}, 0},
    {0x1.56e1fc2f8f359p-997, {690.77552789821370518}, 0},
    {0x1.3333333333333p-2, {1.0957979948180755606}, 0},
    {0x1.8p-1, {0.20328095143129537148}, 0},
    {0x1.4cccccccccccdp0, {-0.10817480950786047846}, 0},
    {0x1.b333333333333p0, {-0.095807697407065873788}, 0},
    {0x1.3333333333333p1, {0.21685932244884157388}, 0},
    {0x1.d99999999999ap1, {1.4280723266653881292}, 0},
    {0x1.9p3, {18.734347511936445702}, 1},
    {0x1.91p6, {360.28455963776423497}, 0},
    {0x1.2a05f2p33, {220258509288.81058147}, 0},
    {0x1.7e43c8800759cp996, {6.8977552789821374147e+302}, 0},
    {-0x1.3333333333333p-2, {1.4648400508576025305}, 0},
    {-0x1.8p-1, {1.5757045971498583848}, 0},
    {-0x1.8p0, {0.86004701537648101451}, 0},
    {0x1.fffffep0, {-5.0399815637755420711e-8}, 1},
    {0x1.000002p1, {1.0079965877070313142e-7}, 1},
    {0x1.fffffep-1, {3.4404737587236741235e-8}, 1},
    {0x1.000002p0, {-6.8809457642534711512e-8}, 1},
    {0x1.16c2p-133, {92.103409109664876904}, 1},
    {0x1p-2, {1.2880225246980774574}, 1},
    {0x1.9p3, {18.734347511936445702}, 1},
};

static void at(const char *formula, const row *rows, size_t n, int values, bool f64, gr_backend backend) {
  test t = {.formula = formula, .aliases = {"x=Vi(1)", "y=Vj(1)"}, .axis = 1, .f64 = f64, .m = 1, .n = 1};
  const char *how = backend == GR_CPU ? "kernel" : "interpreter";
  gr_program *p;
  gr_error err = {0};
  gr_array args[4];
  gr_options opt = options(backend, 1);
  if (!check(make(&t, &p, &err) == GR_OK, "%s: %s", formula, err.message)) return;
  make_args(p, &t, args);
  for (size_t k = 0; k < n; k++) {
    result r;
    if (!f64 && !rows[k].is_float) continue;
    *(double *)(uintptr_t)args[0].data = rows[k].x;
    if (!check(run(p, args, &opt, &r, &err) == GR_OK, "%s: %s", formula, err.message)) break;
    for (int i = 0; i < values; i++) {
      double want = rows[k].value[i], least = f64 ? 0x1p-1074 : 0x1p-149;
      double unit = want == 0 ? least : fmax(ldexp(1, ilogb(want) - (f64 ? 52 : 23)), least);
      double ulps = isfinite(want) && fabs(want) < (f64 ? INFINITY : 3e38) ? fabs(r.v[0][i] - want) / unit : 0;
      check(ulps <= 4, "%s of %s, component %d, at %.17g: %.17g, not %.17g", how, formula, i, rows[k].x, r.v[0][i], want);
    }
    free_result(&r);
  }
  free_args(p, args);
  gr_program_free(p);
}

/* The largest number below one half, and what it must not be rounded to. */
static void below_one_half(bool f64, gr_backend backend) {
  const double x = f64 ? 0x1.fffffffffffffp-2 : 0x1.fffffep-2;
  const row rows[] = {{x, {0}, true}, {-x, {0}, true}, {0.5, {1}, true}, {-2.5, {-3}, true}};
  at("Round(x,0)", rows, 4, 1, f64, backend);
}

int main(void) {
  static const gr_backend backends[] = {GR_INTERPRETER, GR_CPU};
  own_folder();
  for (int f64 = 0; f64 < 2; f64++)
    for (int b = 0; b < 2; b++) {
      at("Concat(Sin(x),Cos(x),Tan(x),SinXDivX(x))", trig, sizeof trig / sizeof *trig, 4, f64, backends[b]);
      at("Lgamma(x)", lgammas, sizeof lgammas / sizeof *lgammas, 1, f64, backends[b]);
      below_one_half(f64, backends[b]);
    }
  return report();
}
