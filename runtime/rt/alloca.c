// The second stack, for dynamic allocas and arrays of variable length, so that every frame has a static size. It grows
// upwards to a guard region; a release goes back to a mark.
#include "twin.h"

static struct alloca_stack *stack(void) { return ((struct alloca_stack **)thread_pointer())[1]; }

void *__twin_alloca_mark(void);
void *__twin_alloca(size_t size, size_t align);
void __twin_alloca_release(void *mark);

void *__twin_alloca_mark(void) { return (void *)stack()->top; }

void *__twin_alloca(size_t size, size_t align) {
    struct alloca_stack *s = stack();
    uint64_t mask = align < 16 ? 15 : align - 1;
    uint64_t start = (s->top + mask) & ~mask;
    if (size > s->limit - start || start > s->limit) {
        // Like a stack that overflows, whatever the size: the limit is where the guard begins.
        *(volatile char *)s->limit = 0;
    }
    s->top = start + size;
    return (void *)start;
}

void __twin_alloca_release(void *mark) { stack()->top = (uint64_t)mark; }
