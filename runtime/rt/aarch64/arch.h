// aarch64: system calls, thread pointer, floating-point environment, signal context.
#ifndef TWIN_ARCH_H
#define TWIN_ARCH_H

#include "../linux.h"

#define THIS_ISA AARCH64
#define OTHER_ISA X86_64

static inline long raw6(long number, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

static inline void relax(void) { __asm__ volatile("yield"); }

static inline void set_thread_pointer(uint64_t tp) { __asm__ volatile("msr tpidr_el0, %0" : : "r"(tp)); }

static inline uint64_t thread_pointer(void) {
    uint64_t tp;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(tp));
    return tp;
}

// The canonical form of the floating-point environment is that of x86-64's MXCSR: see x86_64/arch.h.
enum {
    MXCSR_INVALID = 1, MXCSR_DENORMAL = 2, MXCSR_DIVIDE = 4, MXCSR_OVERFLOW = 8, MXCSR_UNDERFLOW = 16,
    MXCSR_INEXACT = 32, MXCSR_FLUSH = 0x8040, // denormals-are-zero and flush-to-zero: FPCR.FZ is both
};
enum { FPSR_IOC = 1, FPSR_DZC = 2, FPSR_OFC = 4, FPSR_UFC = 8, FPSR_IXC = 16, FPSR_IDC = 128 };
enum { FPCR_FZ = 1 << 24, FPCR_ROUNDING = 3 << 22 };
#define FPSR_FLAGS 0x9ful

// Rounding upwards (1) and downwards (2) are the other way round on x86-64.
static inline uint32_t swap_rounding(uint32_t mode) { return mode == 1 ? 2 : mode == 2 ? 1 : mode; }

static inline uint32_t read_fp_environment(void) {
    uint64_t fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(fpcr), "=r"(fpsr));
    uint32_t canonical = swap_rounding(fpcr >> 22 & 3) << 13 | (fpcr & FPCR_FZ ? MXCSR_FLUSH : 0);
    canonical |= (fpsr & FPSR_IOC ? MXCSR_INVALID : 0) | (fpsr & FPSR_IDC ? MXCSR_DENORMAL : 0);
    canonical |= (fpsr & FPSR_DZC ? MXCSR_DIVIDE : 0) | (fpsr & FPSR_OFC ? MXCSR_OVERFLOW : 0);
    canonical |= (fpsr & FPSR_UFC ? MXCSR_UNDERFLOW : 0) | (fpsr & FPSR_IXC ? MXCSR_INEXACT : 0);
    return canonical;
}

static inline void write_fp_environment(uint32_t canonical) {
    uint64_t fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(fpcr), "=r"(fpsr));
    fpcr &= ~(uint64_t)(FPCR_FZ | FPCR_ROUNDING);
    fpcr |= (uint64_t)swap_rounding(canonical >> 13 & 3) << 22 | (canonical & MXCSR_FLUSH ? FPCR_FZ : 0);
    fpsr &= ~FPSR_FLAGS;
    fpsr |= (canonical & MXCSR_INVALID ? FPSR_IOC : 0) | (canonical & MXCSR_DENORMAL ? FPSR_IDC : 0);
    fpsr |= (canonical & MXCSR_DIVIDE ? FPSR_DZC : 0) | (canonical & MXCSR_OVERFLOW ? FPSR_OFC : 0);
    fpsr |= (canonical & MXCSR_UNDERFLOW ? FPSR_UFC : 0) | (canonical & MXCSR_INEXACT ? FPSR_IXC : 0);
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(fpcr), "r"(fpsr));
}

// Over a poll: to so many bytes behind its begin.
static inline void write_jump(char *at, uint32_t distance) {
    *(uint32_t *)at = 0x14000000u | (distance >> 2 & 0x3ffffff);
}

// A call in the place of a poll: to so many bytes behind its begin.
static inline void write_call(char *at, uint32_t distance) {
    *(uint32_t *)at = 0x94000000u | (distance >> 2 & 0x3ffffff);
}

// What the kernel hands a signal handler: struct ucontext, of which these are the interesting parts.
typedef struct {
    uint64_t flags, link;
    struct sigaltstack stack;
    sigset mask;
    uint64_t unused[15];
    uint64_t unaligned;
    uint64_t fault_address;
    uint64_t x[31];
    uint64_t sp, pc, pstate;
} context;

static inline uint64_t *context_pc(context *c) { return &c->pc; }
static inline uint64_t *context_result(context *c) { return &c->x[0]; }

// Goes on in a function that returns to some address. Nothing is in the link register where code polls.
static inline void call_from(context *c, uint64_t function, uint64_t returns_to) {
    c->x[30] = returns_to;
    c->pc = function;
}

#endif
