// errno from system calls and libm, and messages for it.
//#Flags: -lm
//#ExpectFile
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failing(int i) {
    errno = 0;
    switch (i % 6) {
    case 0: return open("/nowhere/at/all", O_RDONLY);
    case 1: return close(1234);
    case 2: return chdir("/dev/null");
    case 3: return (int)write(-1, "x", 1);
    case 4: return (int)strtol("99999999999999999999", NULL, 10) > 0 ? -1 : 0;
    default: return unlink("/");
    }
}

int main(void) {
    for (int i = 0; i < 12; i++) {
        int result = failing(i);
        int code = errno;
        fflush(stdout);
        printf("%d %d %d\n", result, code == EISDIR || code == EBUSY ? 0 : code, errno == code);
    }
    printf("%s\n", strerror(ENOENT));
    errno = 0;
    double big = strtod("1e999", NULL);
    printf("%g %d\n", big, errno == ERANGE);
    return 0;
}
