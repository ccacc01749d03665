// A timer's signals come in the middle of a loop, while the program hops; its sums are not disturbed.
//#Expect: at least 20 ticks, sum is right, floats are right
//#Hop: every=1000 every=7001
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks;
static volatile double in_handler = 1;

static void tick(int signal) {
    (void)signal;
    ticks++;
    in_handler = in_handler * 1.5 + ticks;
    if (in_handler > 1e10) {
        in_handler = 1;
    }
}

__attribute__((noinline)) static unsigned step(unsigned x) { return x * 1664525u + 1013904223u; }
__attribute__((noinline)) static double half(double x) { return x * 0.5 + 1; }

int main(void) {
    struct itimerval interval = {{0, 1000}, {0, 1000}};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &interval, NULL);
    int right = 1, floats = 1;
    while (ticks < 20) {
        unsigned x = 1;
        double y = 0;
        for (int i = 0; i < 50000; i++) {
            x = step(x);
            y = half(y);
        }
        right &= x == 1919499729u;
        floats &= y == 2.0;
    }
    printf("at least 20 ticks, sum is %s, floats are %s\n", right ? "right" : "wrong", floats ? "right" : "wrong");
    return 0;
}
