// Files and stdio: buffers, positions, descriptors and directories survive hops.
//#Stdin: first line
//#Stdin: 42 3.5
//#Stdin: the rest
//#ExpectFile
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

int main(void) {
    FILE *file = fopen("data.txt", "w+");
    for (int i = 0; i < 300; i++) {
        fprintf(file, "line %d\n", i);
    }
    rewind(file);
    char line[100];
    long total = 0;
    while (fgets(line, sizeof line, file)) {
        total += atoi(line + 5);
    }
    printf("%ld %ld %d\n", total, ftell(file), feof(file) != 0);
    fseek(file, -10, SEEK_END);
    ungetc('X', file);
    int pushed = fgetc(file), following = fgetc(file);
    printf("%c%c\n", pushed, following);
    fclose(file);

    struct stat status;
    stat("data.txt", &status);
    printf("size %ld, mode %o, regular %d\n", (long)status.st_size, status.st_mode & 0777 & ~022, S_ISREG(status.st_mode));
    int descriptor = open("data.txt", O_RDWR | O_APPEND);
    struct iovec parts[] = {{"abc", 3}, {"defg", 4}};
    printf("%zd\n", writev(descriptor, parts, 2));
    lseek(descriptor, -5, SEEK_END);
    char tail[6] = {0};
    ssize_t got = read(descriptor, tail, 5);
    printf("%zd %s\n", got, tail);
    printf("%zd\n", pread(descriptor, tail, 4, 0));
    ftruncate(descriptor, 10);
    fstat(descriptor, &status);
    printf("%ld\n", (long)status.st_size);
    int copy = dup2(descriptor, 77);
    close(descriptor);
    printf("%d %d\n", copy, fcntl(77, F_GETFL) & O_APPEND ? 1 : 0);
    close(77);

    mkdir("directory", 0755);
    chdir("directory");
    for (int i = 0; i < 5; i++) {
        snprintf(line, sizeof line, "file%d", i);
        close(creat(line, 0644));
    }
    rename("file0", "renamed");
    symlink("file1", "link");
    unlink("file2");
    DIR *directory = opendir(".");
    char names[10][20];
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] != '.') {
            strcpy(names[count++], entry->d_name);
        }
    }
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        printf("%s ", names[i]);
    }
    char cwd[4096];
    printf("%s\n", strrchr(getcwd(cwd, sizeof cwd), '/') + 1);
    ssize_t length = readlink("link", line, sizeof line);
    printf("%.*s %d\n", (int)length, line, lstat("link", &status) == 0 && S_ISLNK(status.st_mode));
    printf("%d %d\n", open("nowhere", O_RDONLY), errno == ENOENT);
    chdir("..");

    int number;
    double real;
    printf("%d\n", fgets(line, sizeof line, stdin) != NULL && scanf("%d %lf", &number, &real) == 2);
    char rest[20];
    int words = scanf("%19s", rest);
    printf("%s%d %g %s %d\n", line, number, real, rest, words);
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    for (int i = 0; i < 10; i++) {
        fprintf(memory, "%d,", i * i);
    }
    fclose(memory);
    printf("%s %zu\n", text, size);
    free(text);
    return 0;
}
