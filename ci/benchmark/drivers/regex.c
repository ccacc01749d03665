// The C library's regular expressions, over N kilobytes of text line by line.
#include "text.h"
#include <regex.h>
#include <string.h>

int main(int argc, char **argv) {
    size_t size = argument(argc, argv) * 1000;
    const char *const patterns[] = {
        "[a-z]+@[a-z]+\\.org", "(^| )[0-9]+( |$)", "(ra|ne|to)+(mil|sha)", "k[^ ]*(ur|vi) .*den", "([a-z])([a-z])a "
    };
    for (int i = 0; i < 5; i++) {
        char *text = make_text(size);
        regex_t regex;
        if (regcomp(&regex, patterns[i], REG_EXTENDED) != 0) {
            fprintf(stderr, "regex: cannot compile %s\n", patterns[i]);
            return 1;
        }
        long lines = 0, length = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            regmatch_t match[3];
            if (regexec(&regex, line, 3, match, 0) == 0) {
                lines++;
                length += match[0].rm_eo - match[0].rm_so;
            }
        }
        printf("%s: %ld lines, %ld characters\n", patterns[i], lines, length);
        regfree(&regex);
        free(text);
    }
}
