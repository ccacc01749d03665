// The entry point. It refers to main, which is why it is an object of its own (crt1.o) and not in libtwin.a.

    .section .text._start,"ax",@progbits
    .globl _start
    .type _start,@function
_start:
    .cfi_startproc
    .cfi_undefined x30
    mov x29, #0
    mov x30, #0
    mov x0, sp
    adrp x1, main
    add x1, x1, :lo12:main
    bl __twin_start
    brk #1
    .cfi_endproc
    .size _start, . - _start
