// The entry point. It refers to main, which is why it is an object of its own (crt1.o) and not in libtwin.a.

    .section .text._start,"ax",@progbits
    .globl _start
    .type _start,@function
_start:
    .cfi_startproc
    .cfi_undefined %rip
    xor %ebp, %ebp
    mov %rsp, %rdi
    lea main(%rip), %rsi
    and $-16, %rsp
    call __twin_start
    hlt
    .cfi_endproc
    .size _start, . - _start
