// Uniform code and data of many kinds, in few bytes.
_Thread_local int counter = 7;
int table[4] = {1, 2, 3, 4};
const char *const words[] = {"the same", "on both"};
static int zeroed[8];
int common;
int helper(int n);
__attribute__((weak)) int twice(int n) {
    int before = helper(n) + counter;
    zeroed[n & 7] += before;
    return before + helper(table[n & 3]) + words[n & 1][0];
}
