// The floating-point environment travels: rounding mode, exception flags, denormals, NaN payloads.
//#Flags: -frounding-math -ffp-model=strict -lm
//#ExpectFile
#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static volatile double one = 1, three = 3, tiny = 0x1p-1060, zero = 0, huge = 1e308;

static void polls(void) {
    for (volatile int i = 0; i < 10; i++) {
        fflush(stdout);
    }
}

static uint64_t bits(double d) {
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

static void flags(const char *what) {
    polls();
    printf("%s:%s%s%s%s%s\n", what, fetestexcept(FE_INEXACT) ? " inexact" : "", fetestexcept(FE_DIVBYZERO) ? " divbyzero" : "",
           fetestexcept(FE_OVERFLOW) ? " overflow" : "", fetestexcept(FE_UNDERFLOW) ? " underflow" : "",
           fetestexcept(FE_INVALID) ? " invalid" : "");
}

int main(void) {
    static const struct {
        const char *name;
        int mode;
    } modes[] = {{"nearest", FE_TONEAREST}, {"up", FE_UPWARD}, {"down", FE_DOWNWARD}, {"zero", FE_TOWARDZERO}};
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i].mode);
        polls();
        int same = fegetround() == modes[i].mode;
        double positive = one / three, negative = -one / three, rounded = rint(2.5 * one);
        float narrow = (float)positive;
        polls();
        fesetround(FE_TONEAREST);
        printf("%s %d %016lx %016lx %g %a\n", modes[i].name, same, bits(positive), bits(negative), rounded, (double)narrow);
    }
    feclearexcept(FE_ALL_EXCEPT);
    flags("none");
    volatile double result = one / three;
    flags("1/3");
    feclearexcept(FE_ALL_EXCEPT);
    result = one / zero;
    flags("1/0");
    feclearexcept(FE_DIVBYZERO);
    result = huge * huge;
    flags("huge");
    feclearexcept(FE_ALL_EXCEPT);
    result = tiny * 0x1p-10 / three;
    flags("tiny");
    feclearexcept(FE_ALL_EXCEPT);
    result = sqrt(-one);
    flags("sqrt");
    feraiseexcept(FE_OVERFLOW);
    flags("raised");
    fenv_t environment;
    feholdexcept(&environment);
    flags("held");
    result = one / zero;
    feupdateenv(&environment);
    flags("updated");
    (void)result;

    volatile double denormal = tiny;
    for (int i = 0; i < 12; i++) {
        denormal *= 0.5;
        polls();
    }
    printf("denormal %016lx\n", bits(denormal));
    uint64_t payload = 0x7ff8dead0000beefu;
    double nan;
    memcpy(&nan, &payload, sizeof nan);
    volatile double carried = nan;
    polls();
    double sum = carried + one;
    polls();
    printf("nan %016lx %016lx\n", bits(carried), bits(sum));
    return 0;
}
