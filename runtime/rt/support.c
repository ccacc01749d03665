// What compiled code calls by name: traps, and atomic operations on objects of any size.
#include "twin.h"

// The same signal on both ISAs.
_Noreturn void __twin_trap(void);
_Noreturn void __twin_trap(void) {
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile("udf #0");
#endif
    __builtin_unreachable();
}

// Sizes of one machine word or less are atomic for everybody, also for other processes on shared memory. For others there is
// one lock of the program's threads. Signals are deferred meanwhile: a handler may use the same object.
static void lock(void) {
    here.deferring++;
    __twin_lock(&state.atomic_lock);
}

static void unlock(void) {
    __twin_unlock(&state.atomic_lock);
    here.deferring--;
}

// The compiler knows these names as its own.
#define LIBRARY(name) __asm__("__atomic_" #name)
void atomic_load(size_t size, void *from, void *to, int order) LIBRARY(load);
void atomic_store(size_t size, void *to, void *from, int order) LIBRARY(store);
void atomic_exchange(size_t size, void *object, void *new, void *old, int order) LIBRARY(exchange);
int atomic_compare_exchange(size_t size, void *object, void *expected, void *new, int success,
                            int failure) LIBRARY(compare_exchange);
int atomic_is_lock_free(size_t size, const void *object) LIBRARY(is_lock_free);

static int is_one_access(size_t size, const void *object) {
    return size && size <= 8 && !(size & (size - 1)) && !((uint64_t)object & (size - 1));
}

#define EACH_SIZE(X) X(1, uint8_t) X(2, uint16_t) X(4, uint32_t) X(8, uint64_t)

void atomic_exchange(size_t size, void *object, void *new, void *old, int order) {
    (void)order;
    uint8_t before[8];
    switch (is_one_access(size, object) ? size : 0) {
#define EXCHANGE(bytes, type)                                                                                          \
    case bytes: {                                                                                                      \
        type value;                                                                                                    \
        __builtin_memcpy(&value, new, bytes);                                                                          \
        value = __atomic_exchange_n((type *)object, value, __ATOMIC_SEQ_CST);                                          \
        __builtin_memcpy(before, &value, bytes);                                                                       \
        __builtin_memcpy(old, before, bytes);                                                                          \
        return;                                                                                                        \
    }
        EACH_SIZE(EXCHANGE)
    }
    // `new` and `old` may be one.
    lock();
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = ((uint8_t *)new)[i];
        ((uint8_t *)old)[i] = ((uint8_t *)object)[i];
        ((uint8_t *)object)[i] = byte;
    }
    unlock();
}

int atomic_compare_exchange(size_t size, void *object, void *expected, void *new, int success, int failure) {
    (void)success, (void)failure;
    switch (is_one_access(size, object) ? size : 0) {
#define COMPARE_EXCHANGE(bytes, type)                                                                                  \
    case bytes: {                                                                                                      \
        type old, value;                                                                                               \
        __builtin_memcpy(&old, expected, bytes);                                                                       \
        __builtin_memcpy(&value, new, bytes);                                                                          \
        int same = __atomic_compare_exchange_n((type *)object, &old, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
        __builtin_memcpy(expected, &old, bytes);                                                                       \
        return same;                                                                                                   \
    }
        EACH_SIZE(COMPARE_EXCHANGE)
    }
    lock();
    int same = __builtin_memcmp(object, expected, size) == 0;
    __builtin_memcpy(same ? object : expected, same ? new : object, size);
    unlock();
    return same;
}

void atomic_load(size_t size, void *from, void *to, int order) {
    (void)order;
    switch (is_one_access(size, from) ? size : 0) {
#define LOAD(bytes, type)                                                                                              \
    case bytes: {                                                                                                      \
        type value = __atomic_load_n((type *)from, __ATOMIC_SEQ_CST);                                                  \
        __builtin_memcpy(to, &value, bytes);                                                                           \
        return;                                                                                                        \
    }
        EACH_SIZE(LOAD)
    }
    lock();
    __builtin_memcpy(to, from, size);
    unlock();
}

void atomic_store(size_t size, void *to, void *from, int order) {
    (void)order;
    switch (is_one_access(size, to) ? size : 0) {
#define STORE(bytes, type)                                                                                             \
    case bytes: {                                                                                                      \
        type value;                                                                                                    \
        __builtin_memcpy(&value, from, bytes);                                                                         \
        __atomic_store_n((type *)to, value, __ATOMIC_SEQ_CST);                                                         \
        return;                                                                                                        \
    }
        EACH_SIZE(STORE)
    }
    lock();
    __builtin_memcpy(to, from, size);
    unlock();
}

int atomic_is_lock_free(size_t size, const void *object) { return is_one_access(size, object); }
