// What C cannot say: x86-64.
//
// Uniform functions get integers in r12 r13 r14 r15 rdi ..., return them in rax, and preserve rbp only. Every function
// is in a section of its own, so that a symbol has one offset (0) on both ISAs.

#define STATE 0x1000000000
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

// void __twin_poll_slow(void), uniform. In stress mode nearly every call ends before its frame is made.
function __twin_poll_slow
    cmpb $0, __twin_poll+POLL_WANTED(%rip)
    jne 1f
    decq __twin_poll+POLL_STRESS(%rip)
    js 1f
    ret
1:  push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    mov %rsp, %rdi
    lea __twin_native_stack+NATIVE_STACK_SIZE(%rip), %rsp
    call __twin_attention
    mov %rax, %rdi
    jmp __twin_continue
end __twin_poll_slow

// _Noreturn void __twin_continue(uint64_t sp): returns from a poll that may have been taken on the other ISA.
// At sp lie the saved frame pointer and the return address.
function __twin_continue
    .cfi_def_cfa %rbp, 16
    .cfi_offset %rbp, -16
    mov %rdi, %rsp
    mov %rdi, %rbp
    call __twin_deliver
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
end __twin_continue

// _Noreturn void __twin_enter(uint64_t main, long argc, char **argv, void *sp): starts the program on its own stack.
// The return address is 0, so that it is the same on both ISAs and ends every backtrace.
function __twin_enter
    .cfi_undefined %rip
    mov %rcx, %rsp
    mov %rdi, %r12
    mov %rsi, %r13
    mov %rdx, %r14
    xor %ebp, %ebp
    push $0
    jmp __libc_start_main
end __twin_enter

// long __twin_on_native_stack(long (*function)(void *), void *argument)
function __twin_on_native_stack
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    lea __twin_native_stack+NATIVE_STACK_SIZE(%rip), %rsp
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov %rbp, %rsp
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
end __twin_on_native_stack

// void __twin_handler_on_stack(handler, int signal, struct siginfo *, struct program_context *, uint64_t sp):
// calls a uniform signal handler on another stack.
function __twin_handler_on_stack
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    .cfi_offset %rbx, -24
    .cfi_offset %r12, -32
    .cfi_offset %r13, -40
    .cfi_offset %r14, -48
    .cfi_offset %r15, -56
    mov %esi, %r12d
    mov %rdx, %r13
    mov %rcx, %r14
    mov %r8, %rsp
    call *%rdi
    lea -40(%rbp), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
end __twin_handler_on_stack

// long __twin_interruptible(const volatile uint8_t *stop, long number, long a ... f)
// A signal handler that finds the program counter between begin and end makes it go on at stop: so there is no
// moment between the test of the byte and the system call in which a request goes unseen.
function __twin_interruptible
    mov %rdi, %r11
    mov %rsi, %rax
    mov %rdx, %rdi
    mov %rcx, %rsi
    mov %r8, %rdx
    mov %r9, %r10
    mov 8(%rsp), %r8
    mov 16(%rsp), %r9
.Lbegin:
    cmpb $0, (%r11)
    jne .Lstop
    syscall
.Lend:
    ret
.Lstop:
    mov $-ERESTART_POLL, %rax
    ret
end __twin_interruptible

    .section .rodata.__twin_interruptible_range,"a",@progbits
    .globl __twin_interruptible_range
    .p2align 3
__twin_interruptible_range:
    .quad .Lbegin, .Lend, .Lstop

function __twin_sigreturn
    mov $15, %eax
    syscall
end __twin_sigreturn

// int setjmp(jmp_buf), int sigsetjmp(jmp_buf, int mask_too): uniform.
function setjmp
    .globl _setjmp
_setjmp:
    xor %r13d, %r13d
    jmp sigsetjmp
end setjmp

function sigsetjmp
    .globl __sigsetjmp
__sigsetjmp:
    mov (%rsp), %rax
    lea 8(%rsp), %rcx
    mov %rcx, JB_SP(%r12)
    mov %rbp, JB_FP(%r12)
    mov %rax, JB_PC(%r12)
    mov %fs:8, %rcx
    mov (%rcx), %rcx
    mov %rcx, JB_ALLOCA(%r12)
    movabs $STATE, %rcx
    mov STATE_DEPTH(%rcx), %rdx
    mov %rdx, JB_DEPTH(%r12)
    mov STATE_MASK(%rcx), %rdx
    mov %rdx, JB_MASK(%r12)
    mov %r13d, %edx
    mov %rdx, JB_HAS_MASK(%r12)
    xor %eax, %eax
    ret
end sigsetjmp

// void longjmp(jmp_buf, int value): uniform.
function longjmp
    .globl _longjmp, siglongjmp
_longjmp:
siglongjmp:
    cmpq $0, JB_HAS_MASK(%r12)
    je 1f
    mov JB_MASK(%r12), %rdi
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    call __twin_set_mask
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
1:  movabs $STATE, %rcx
    mov JB_DEPTH(%r12), %rdx
    mov %rdx, STATE_DEPTH(%rcx)
    mov %fs:8, %rcx
    mov JB_ALLOCA(%r12), %rdx
    mov %rdx, (%rcx)
    mov %r13d, %eax
    cmp $1, %eax
    adc $0, %eax
    mov JB_PC(%r12), %rdx
    mov JB_FP(%r12), %rbp
    mov JB_SP(%r12), %rsp
    jmp *%rdx
end longjmp

    .section .bss.__twin_native_stack,"aw",@nobits
    .globl __twin_native_stack
    .p2align 12
__twin_native_stack:
    .zero NATIVE_STACK_SIZE
