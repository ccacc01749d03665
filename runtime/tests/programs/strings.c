// Character and wide-character functions, conversions, time: library calls between hops.
//#Flags: -D_GNU_SOURCE
//#ExpectFile
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

int main(void) {
    char text[] = "the quick,brown;fox jumps  over";
    char *save = NULL;
    for (char *word = strtok_r(text, " ,;", &save); word; word = strtok_r(NULL, " ,;", &save)) {
        printf("[%s]", word);
    }
    putchar('\n');
    char buffer[100];
    for (int i = 0; i < 20; i++) {
        memset(buffer, 'a' + i, sizeof buffer);
        memmove(buffer + 3, buffer, (size_t)(i * 3));
        buffer[50 + i] = 0;
        printf("%zu ", strlen(buffer) + strcspn(buffer, "xyz") + (size_t)(strchr(buffer, 'c') == buffer));
    }
    putchar('\n');
    printf("%ld %lu %g %d\n", strtol("-0x1f", NULL, 16), strtoul("777", NULL, 8), strtod("1.25e2x", NULL), atoi("12abc"));
    wchar_t wide[20] = L"wide";
    wcscat(wide, L" text");
    printf("%zu %ls %d\n", wcslen(wide), wide, (wchar_t)-1 < 0);
    printf("%d %d\n", (char)-1 < 0, (char)200);
    struct tm date = {.tm_year = 124, .tm_mon = 1, .tm_mday = 29, .tm_hour = 12};
    time_t when = timegm(&date);
    strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S %j %a", gmtime(&when));
    printf("%ld %s\n", (long)when, buffer);
    printf("%s %s\n", strstr("haystack with needle", "needle"), strpbrk("key=value", "="));
    char joined[64] = "";
    for (int i = 0; i < 8; i++) {
        strncat(joined, &"abcdefgh"[i], 2);
        joined[i] = (char)toupper(joined[i]);
    }
    printf("%s %d\n", joined, strncmp(joined, "ABB", 3));
    return 0;
}
