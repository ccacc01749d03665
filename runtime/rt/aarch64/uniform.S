// What C cannot say: aarch64.
//
// Uniform functions get integers in x20 x21 ... x28 x0 ..., return them in x0, and preserve x29 only. Every function
// is in a section of its own, so that a symbol has one offset (0) on both ISAs.

#define STATE_HIGH 0x10 // the state lies at this << 32
#define STATE_MASK 0
#define STATE_DEPTH 8
#define POLL_WANTED 1
#define POLL_STRESS 8
#define NATIVE_STACK_SIZE 131072
#define ERESTART_POLL 512

#define JB_SP 0
#define JB_FP 8
#define JB_PC 16
#define JB_ALLOCA 24
#define JB_DEPTH 32
#define JB_HAS_MASK 64
#define JB_MASK 72

.macro function name
    .section .text.\name,"ax",@progbits
    .globl \name
    .type \name,@function
    .p2align 4
\name:
    .cfi_startproc
.endm

.macro end name
    .cfi_endproc
    .size \name, . - \name
.endm

.macro native_stack register
    adrp \register, __twin_native_stack+NATIVE_STACK_SIZE
    add \register, \register, :lo12:__twin_native_stack+NATIVE_STACK_SIZE
    mov sp, \register
.endm

// void __twin_poll_slow(void), uniform. In stress mode nearly every call ends before its frame is made.
function __twin_poll_slow
    adrp x9, __twin_poll
    add x9, x9, :lo12:__twin_poll
    ldrb w10, [x9, #POLL_WANTED]
    cbnz w10, 1f
    ldr x10, [x9, #POLL_STRESS]
    subs x10, x10, #1
    str x10, [x9, #POLL_STRESS]
    b.mi 1f
    ret
1:  stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov x29, sp
    .cfi_def_cfa_register x29
    mov x0, sp
    native_stack x9
    bl __twin_attention
    b __twin_continue
end __twin_poll_slow

// _Noreturn void __twin_continue(uint64_t sp): returns from a poll that may have been taken on the other ISA.
// At sp lie the saved frame pointer and the return address.
function __twin_continue
    .cfi_def_cfa x29, 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov sp, x0
    mov x29, x0
    bl __twin_deliver
    ldp x29, x30, [sp], #16
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    ret
end __twin_continue

// _Noreturn void __twin_enter(uint64_t main, long argc, char **argv, void *sp): starts the program on its own stack.
// The return address is 0, so that it is the same on both ISAs and ends every backtrace.
function __twin_enter
    .cfi_undefined x30
    mov sp, x3
    mov x20, x0
    mov x21, x1
    mov x22, x2
    mov x29, #0
    mov x30, #0
    b __libc_start_main
end __twin_enter

// long __twin_on_native_stack(long (*function)(void *), void *argument)
function __twin_on_native_stack
    stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov x29, sp
    .cfi_def_cfa_register x29
    native_stack x9
    mov x9, x0
    mov x0, x1
    blr x9
    mov sp, x29
    ldp x29, x30, [sp], #16
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    ret
end __twin_on_native_stack

// void __twin_handler_on_stack(handler, int signal, struct siginfo *, struct program_context *, uint64_t sp):
// calls a uniform signal handler on another stack.
function __twin_handler_on_stack
    stp x29, x30, [sp, #-160]!
    .cfi_def_cfa_offset 160
    .cfi_offset x29, -160
    .cfi_offset x30, -152
    mov x29, sp
    .cfi_def_cfa_register x29
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov w20, w1
    mov x21, x2
    mov x22, x3
    mov sp, x4
    blr x0
    mov sp, x29
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    ret
end __twin_handler_on_stack

// long __twin_interruptible(const volatile uint8_t *stop, long number, long a ... f)
// A signal handler that finds the program counter between begin and end makes it go on at stop: so there is no
// moment between the test of the byte and the system call in which a request goes unseen.
function __twin_interruptible
    mov x9, x0
    mov x8, x1
    mov x0, x2
    mov x1, x3
    mov x2, x4
    mov x3, x5
    mov x4, x6
    mov x5, x7
.Lbegin:
    ldrb w9, [x9]
    cbnz w9, .Lstop
    svc #0
.Lend:
    ret
.Lstop:
    mov x0, #-ERESTART_POLL
    ret
end __twin_interruptible

    .section .rodata.__twin_interruptible_range,"a",@progbits
    .globl __twin_interruptible_range
    .p2align 3
__twin_interruptible_range:
    .quad .Lbegin, .Lend, .Lstop

function __twin_sigreturn
    mov x8, #139
    svc #0
end __twin_sigreturn

// int setjmp(jmp_buf), int sigsetjmp(jmp_buf, int mask_too): uniform.
function setjmp
    .globl _setjmp
_setjmp:
    mov w21, #0
    b sigsetjmp
end setjmp

function sigsetjmp
    .globl __sigsetjmp
__sigsetjmp:
    mov x9, sp
    str x9, [x20, #JB_SP]
    str x29, [x20, #JB_FP]
    str x30, [x20, #JB_PC]
    mrs x9, tpidr_el0
    ldr x9, [x9, #8]
    ldr x9, [x9]
    str x9, [x20, #JB_ALLOCA]
    movz x9, #STATE_HIGH, lsl #32
    ldr x10, [x9, #STATE_DEPTH]
    str x10, [x20, #JB_DEPTH]
    ldr x10, [x9, #STATE_MASK]
    str x10, [x20, #JB_MASK]
    mov w10, w21
    str x10, [x20, #JB_HAS_MASK]
    mov x0, #0
    ret
end sigsetjmp

// void longjmp(jmp_buf, int value): uniform.
function longjmp
    .globl _longjmp, siglongjmp
_longjmp:
siglongjmp:
    ldr x9, [x20, #JB_HAS_MASK]
    cbz x9, 1f
    ldr x0, [x20, #JB_MASK]
    bl __twin_set_mask
1:  movz x9, #STATE_HIGH, lsl #32
    ldr x10, [x20, #JB_DEPTH]
    str x10, [x9, #STATE_DEPTH]
    mrs x9, tpidr_el0
    ldr x9, [x9, #8]
    ldr x10, [x20, #JB_ALLOCA]
    str x10, [x9]
    cmp w21, #0
    csinc w0, w21, wzr, ne
    ldr x30, [x20, #JB_PC]
    ldr x29, [x20, #JB_FP]
    ldr x9, [x20, #JB_SP]
    mov sp, x9
    ret
end longjmp

    .section .bss.__twin_native_stack,"aw",@nobits
    .globl __twin_native_stack
    .p2align 12
__twin_native_stack:
    .zero NATIVE_STACK_SIZE
