// A report made of printf formats: every conversion, widths and precisions from arguments, and a formatter of our own
// on top of vsnprintf.
//#ExpectFile
//#Hop: every=1 every=3 every=101
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char page[1 << 16];
static size_t used;

static void add(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(page + used, sizeof page - used, format, arguments);
    va_end(arguments);
    if (length > 0) {
        used += (size_t)length;
    }
}

struct item {
    const char *name;
    int quantity;
    double price;
};

static void invoice(const struct item *items, size_t count) {
    double total = 0;
    add("%-12s|%8s|%10s|%12s\n", "item", "quantity", "price", "sum");
    add("%.*s\n", 45, "------------------------------------------------------------");
    for (size_t i = 0; i < count; i++) {
        double sum = items[i].quantity * items[i].price;
        total += sum;
        add("%-12s|%8d|%10.2f|%12.2f\n", items[i].name, items[i].quantity, items[i].price, sum);
    }
    add("%-12s|%8s|%10s|%12.2f\n", "total", "", "", total);
}

static void integers(void) {
    static const long values[] = {0, 1, -1, 42, -4711, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        long v = values[i];
        add("%20ld|%-20ld|%+ld|% ld|%020ld|%lx|%#lo|%hhd|%hu\n", v, v, v, v, v, (unsigned long)v, (unsigned long)v,
            (signed char)v, (unsigned short)v);
    }
}

static void floats(void) {
    static const double values[] = {0.0, -0.0, 1.0, 3.14159265358979, 1e-10, 6.02214076e23, 1.0 / 3, 2.5e-308};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double v = values[i];
        add("%f|%12.4e|%g|%#.3g|%a|%+.0f|%*.*f\n", v, v, v, v, v, v, 14, (int)i, v);
    }
}

int main(void) {
    static const struct item items[] = {{"bolt", 1000, 0.07}, {"nut", 1000, 0.05}, {"washer", 2500, 0.015},
                                        {"bracket", 12, 14.5}, {"hinge", 8, 23.99}};
    invoice(items, sizeof items / sizeof *items);
    integers();
    floats();
    add("%c%c%c %5.2s| %-6s| %6s| %% %s\n", 'a', 'b', 'c', "string", "left", "right", "");
    add("%d %s %f %c %ld %g %u %x %lld %e\n", 1, "two", 3.0, '4', 5L, 6.5, 7u, 0x8, 9LL, 10.0);
    fputs(page, stdout);
    size_t lines = 0;
    for (const char *at = page; (at = strchr(at, '\n')); at++) {
        lines++;
    }
    printf("%zu characters, %zu lines\n", used, lines);
    return 0;
}
