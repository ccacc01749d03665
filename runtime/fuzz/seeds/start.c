// An entry point, a jump table, a frame with something in it.
int twice(int n), other(int n), more(int *n);
int helper(int n) {
    switch (n) {
    case 0: return other(12);
    case 1: return twice(7);
    case 2: return other(n) + 9;
    case 3: more(&n); return n;
    case 4: return 5;
    case 5: return other(1) * 3;
    default: return n;
    }
}
void _start(void) { more((int[]){helper(4), helper(5)}); }
