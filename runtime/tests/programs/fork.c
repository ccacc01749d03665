// fork, pipes, wait, exec: parent and child both go on hopping.
//#ExpectFile
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int shared_by_copy = 1;

static long work(int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) {
        fflush(stdout);
        sum += i * shared_by_copy;
    }
    return sum;
}

int main(void) {
    int ends[2];
    pipe(ends);
    char *heap = malloc(100);
    strcpy(heap, "parent");
    pid_t children[4];
    pid_t self = getpid();
    fflush(stdout);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            shared_by_copy = i + 2;
            snprintf(heap, 100, "child %d", i);
            long message[2] = {i, work(20 + i)};
            write(ends[1], message, sizeof message);
            _exit(getppid() == self && strncmp(heap, "child", 5) == 0 ? i + 10 : 99);
        }
    }
    long results[4] = {0};
    for (int i = 0; i < 4; i++) {
        long message[2];
        read(ends[0], message, sizeof message);
        results[message[0]] = message[1];
    }
    for (int i = 0; i < 4; i++) {
        int status;
        pid_t ended = waitpid(children[i], &status, 0);
        printf("%d %ld %d %d\n", i, results[i], ended == children[i], WEXITSTATUS(status));
    }
    printf("%s %d %ld %d\n", heap, shared_by_copy, work(30), getpid() == self);

    // A child of a child.
    fflush(stdout);
    if (fork() == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            printf("grandchild %ld\n", work(5));
            exit(3);
        }
        int status;
        waitpid(grandchild, &status, 0);
        printf("child %d\n", WEXITSTATUS(status));
        exit(0);
    }
    wait(NULL);
    printf("system %d\n", WEXITSTATUS(system("exit 6")));
    FILE *pipe = popen("echo from a shell", "r");
    char line[50];
    printf("%s", fgets(line, sizeof line, pipe));
    printf("%d\n", pclose(pipe));
    fflush(stdout);
    if (fork() == 0) {
        execl("/bin/echo", "echo", "another", "program", (char *)NULL);
        _exit(1);
    }
    int status;
    wait(&status);
    printf("%d\n", status);
    return 0;
}
