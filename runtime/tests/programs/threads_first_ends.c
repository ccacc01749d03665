// The first thread ends before the others; what /proc says of the process is then gone, and the others still hop and map files.
//#Flags: -pthread -D_GNU_SOURCE
//#ExpectFile
//#NoExec: the paths of the images are the first thread's
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_t first;
static volatile unsigned long sum;

static void *go_on(void *unused) {
    pthread_join(first, 0);
    char name[] = "/tmp/first_endsXXXXXX";
    int file = mkstemp(name);
    if (file < 0 || unlink(name) || ftruncate(file, 8192)) {
        perror(name);
    }
    for (int turn = 0; turn < 20; turn++) {
        char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096 * (turn % 2));
        page[turn]++;
        for (unsigned long i = 0; i < 20000; i++) {
            sum += i;
        }
        printf("%d: %d, the turn before %d\n", turn, page[turn], turn > 1 ? page[turn - 2] : 0);
        munmap(page, 4096);
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    first = pthread_self();
    pthread_create(&thread, 0, go_on, 0);
    pthread_exit(0);
}
