// Arguments, environment and auxiliary vector.
//#Args: one two,three -x
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv, char **envp) {
    for (int i = 1; i < argc; i++) {
        printf("%d: %s\n", i, argv[i]);
    }
    printf("%d %d %d\n", argv[argc] == NULL, envp == environ, strstr(argv[0], "environment") != NULL);
    printf("PATH=%s\n", getenv("PATH"));
    int count = 0;
    for (char **e = environ; *e; e++) {
        count += strncmp(*e, "__TWIN", 6) == 0;
    }
    printf("%d of the runtime's\n", count);
    setenv("TWIN_TEST", "value", 1);
    setenv("TWIN_TEST", "another", 1);
    fflush(stdout);
    putenv("OTHER=thing");
    printf("%s %s %d\n", getenv("TWIN_TEST"), getenv("OTHER"), getenv("NOTHING") == NULL);
    unsetenv("TWIN_TEST");
    fflush(stdout);
    printf("%d\n", getenv("TWIN_TEST") == NULL);
    printf("%lu %d %d %d\n", getauxval(AT_PAGESZ), getauxval(AT_RANDOM) != 0, getauxval(AT_UID) == getuid(), getauxval(AT_ENTRY) != 0);
    printf("%ld\n", sysconf(_SC_PAGESIZE));
    return 0;
}
