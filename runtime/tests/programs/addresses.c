// Static locals and string literals compared by address; weak, alias and common symbols; sections of one's own.
//#Flags: -fcommon
//#ExpectFile
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int common;
int common;
int target = 7;
extern int other_name __attribute__((alias("target")));
static int implementation(int x) { fflush(stdout); return x * 2; }
int alias(int x) __attribute__((alias("implementation")));
__attribute__((weak)) int weak_default(int x) { return x + 1; }
extern int nowhere(int) __attribute__((weak));
extern int no_datum __attribute__((weak));

struct entry {
    const char *name;
    int value;
};
#define ENTRY(N, V)                                                                                                    \
    static const struct entry entry_##N __attribute__((used, section("entries"))) = {#N, V};
ENTRY(one, 1)
ENTRY(two, 2)
ENTRY(three, 3)
extern const struct entry __start_entries[], __stop_entries[];

static int *counter(void) {
    static int count;
    count++;
    return &count;
}
static const char *literal(void) { return "a literal"; }
static const int *volatile remembered;
static struct {
    const void *self;
    const char *text;
    int (*function)(int);
    int *datum;
} table = {&table, "text", alias, &target};

int main(void) {
    const char *first = literal();
    int *where = counter();
    int local = 5;
    remembered = &local;
    uintptr_t before = (uintptr_t)&local ^ (uintptr_t)where ^ (uintptr_t)first ^ (uintptr_t)main;
    for (int i = 0; i < 20; i++) {
        fflush(stdout);
        if (counter() != where || literal() != first || remembered != &local || table.self != &table ||
            ((uintptr_t)&local ^ (uintptr_t)where ^ (uintptr_t)first ^ (uintptr_t)main) != before) {
            puts("an address has changed");
        }
    }
    other_name++;
    common += 4;
    printf("%d %d %d %d\n", *where, target, common, *table.datum);
    printf("%d %d %d %d\n", alias(21), table.function(4), weak_default(1), alias == table.function);
    printf("%d %d\n", nowhere == NULL, &no_datum == NULL);
    int total = 0;
    for (const struct entry *e = __start_entries; e < __stop_entries; e++) {
        total = total * 10 + e->value;
    }
    printf("%td entries, %d, %s\n", __stop_entries - __start_entries, total, table.text);
    return 0;
}
