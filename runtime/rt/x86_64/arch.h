// x86-64: system calls, thread pointer, floating-point environment, signal context.
#ifndef TWIN_ARCH_H
#define TWIN_ARCH_H

#include "../linux.h"

#define THIS_ISA X86_64
#define OTHER_ISA AARCH64

static inline long raw6(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline void relax(void) { __builtin_ia32_pause(); }

static inline void set_thread_pointer(uint64_t tp) { raw6(158, 0x1002, (long)tp, 0, 0, 0, 0); } // ARCH_SET_FS

static inline uint64_t thread_pointer(void) {
    uint64_t tp;
    __asm__ volatile("mov %%fs:0, %0" : "=r"(tp));
    return tp;
}

// The canonical form of the floating-point environment is MXCSR without its exception masks: the status
// flags, denormals-are-zero (bit 6), rounding (13-14) and flush-to-zero (15).
#define FP_CANONICAL 0xe07fu

static inline uint32_t read_fp_environment(void) {
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr & FP_CANONICAL;
}

static inline void write_fp_environment(uint32_t canonical) {
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    mxcsr = (mxcsr & ~FP_CANONICAL) | canonical;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

// Over a poll, which is longer: to so many bytes behind its begin.
static inline void write_jump(char *at, uint32_t distance) {
    const uint32_t length = 5;
    distance -= length;
    *at = (char)0xe9;
    __builtin_memcpy(at + 1, &distance, sizeof distance);
}

// A call as long as a poll, which it replaces, to so many bytes behind its begin.
static inline void write_call(char *at, uint32_t distance) {
    distance -= POLL_LENGTH;
    at[0] = 0x2e; // a prefix that means nothing
    at[1] = (char)0xe8;
    __builtin_memcpy(at + 2, &distance, sizeof distance);
}

typedef struct program_context context;

static inline uint64_t *context_pc(context *c) { return &c->rip; }
static inline uint64_t *context_result(context *c) { return &c->rax; }

// Goes on in a function that returns to some address.
static inline void call_from(context *c, uint64_t function, uint64_t returns_to) {
    c->rsp -= sizeof returns_to;
    *(uint64_t *)c->rsp = returns_to;
    c->rip = function;
}

#endif
