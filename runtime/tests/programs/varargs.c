// Variable arguments: a va_list that is live across hops, va_copy, va_list by pointer, vprintf, all kinds of types.
//#ExpectFile
//#Hop: every=1 every=2 every=13
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct point {
    double x, y;
};
struct tiny {
    char c;
};

static long sum(int count, ...) {
    va_list list, again;
    va_start(list, count);
    va_copy(again, list);
    long total = 0;
    for (int i = 0; i < count; i++) {
        total += va_arg(list, long);
        fflush(stdout);
    }
    for (int i = 0; i < count; i++) {
        total = total * 3 + va_arg(again, long);
        fflush(stdout);
    }
    va_end(again);
    va_end(list);
    return total;
}

static int next_int(va_list *list) {
    fflush(stdout);
    return va_arg(*list, int);
}

static void mixed(const char *kinds, ...) {
    va_list list;
    va_start(list, kinds);
    for (; *kinds; kinds++) {
        switch (*kinds) {
        case 'i':
            printf("int %d\n", next_int(&list));
            break;
        case 'l':
            printf("long %ld\n", va_arg(list, long));
            break;
        case 'd':
            printf("double %g\n", va_arg(list, double));
            break;
        case 's':
            printf("string %s\n", va_arg(list, const char *));
            break;
        case 'p': {
            struct point point = va_arg(list, struct point);
            printf("point %g %g\n", point.x, point.y);
            break;
        }
        case 't':
            printf("tiny %c\n", va_arg(list, struct tiny).c);
            break;
        case 'L': {
            long double value = va_arg(list, long double);
            printf("long double %d\n", (int)value);
            break;
        }
        case 'x': {
            __int128 value = va_arg(list, __int128);
            printf("int128 %lx %lx\n", (long)(value >> 64), (long)value);
            break;
        }
        }
    }
    va_end(list);
}

static void pass_on(char *out, size_t size, const char *format, va_list list) {
    va_list copy;
    va_copy(copy, list);
    int length = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    int again = vsnprintf(out, size, format, list);
    if (length != again) {
        printf("lengths %d %d\n", length, again);
    }
}

static const char *format(const char *format, ...) {
    static char text[200];
    va_list list;
    va_start(list, format);
    pass_on(text, sizeof text, format, list);
    va_end(list);
    return text;
}

int main(void) {
    printf("%ld\n", sum(12, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L, 11L, 12L));
    mixed("idlsptLxidipd", 1, 2.5, 3L, "four", (struct point){5, 6}, (struct tiny){'7'}, 10.0L, ((__int128)11 << 64) | 12, 13, 14.5, 15, (struct point){16, 17}, 18.0);
    puts(format("%d %s %.3f %c %#x %5.1e|%-5d|%05d", 1, "two", 3.0, '4', 5, 6.0, 7, 8));
    puts(format("%1$d %2$s %1$d", 9, "positions"));
    int read = 0;
    float number = 0;
    char word[20];
    int fields = sscanf("42 3.5 words here", "%d %f %19s", &read, &number, word);
    printf("%d %d %g %s\n", fields, read, (double)number, word);
    return 0;
}
