// What C and assembly both know.
#ifndef TWIN_LAYOUT_H
#define TWIN_LAYOUT_H

// The arena: see DESIGN.md 2. The state lies at its start.
#define ARENA_START 0x400000000
#define ARENA_END 0xc00000000

// In struct thread.
#define THREAD_MASK 16
#define THREAD_DEPTH 24
#define THREAD_NATIVE_X86_64 32
#define THREAD_NATIVE_AARCH64 40

// In struct poll.
#define POLL_WANTED 1
#define POLL_STRESS 8

// Bytes of a poll; the registers that its map can name, and what memory they take.
#if defined(__x86_64__)
#define POLL_LENGTH 6
#define POLL_INTEGERS 16
#define POLL_VECTORS 16
#else
#define POLL_LENGTH 4
#define POLL_INTEGERS 32
#define POLL_VECTORS 32
#endif
#define POLL_BANK (POLL_INTEGERS * 8 + POLL_VECTORS * 16)
// Where __twin_poll_return goes on. The address in front of it is the function's, too: debuggers look that up.
#define POLL_RETURN 4

#define NATIVE_STACK_SIZE 131072

// A system call was not done: poll, then do it again.
#define ERESTART_POLL 512

// jmp_buf, which musl declares as it does for x86-64.
#define JB_SP 0
#define JB_FP 8
#define JB_PC 16
#define JB_ALLOCA 24
#define JB_DEPTH 32
#define JB_HAS_MASK 64
#define JB_MASK 72

#endif
