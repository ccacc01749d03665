// The runtime inside every twin program. It is compiled once for each ISA by `twin-cc -mtwin=native`: plain C and
// assembly, called from uniform code, never on the stack at a hop.
//
//   layout.h             what C and assembly both know
//   linux.h syscalls.h   kernel interface; the one table of system-call numbers of both ISAs
//   x86_64/ aarch64/     arch.h (registers, signal context); start.inc, uniform.inc, kernel.inc: included by the files
//                        of those names
//   start.S start.c      process start: arena, program stack, canonical auxv, environment of the runtime
//   arena.c              the region table; mmap, munmap, mremap, mprotect, madvise, brk
//   window.c             the memfd that holds the program's memory once it hops; copies, maps, hashes it
//   trap.c               the pages that polls access; what makes polls fault
//   poll.c               registers to slots and back, by the map of a poll
//   alloca.c             the second stack, for dynamic allocas
//   uniform.S            the poll's slow path, setjmp family, stack switches, the interruptible system call
//   syscall.c            __twin_syscall: what the runtime handles itself, what goes to home, what to the kernel
//   blocking.c           system calls with a time-out or a signal mask, and how a hop interrupts them
//   kernel.c             the kernel's own interface; on aarch64 the translation from the x86-64 ABI
//   signals.c            sigaction, masks, delivery of handlers, hop requests
//   process.c            fork, execve, exit, the runtime's own descriptors
//   thread.c             threads: start, end, the lock
//   hop.c                what a poll does; handing the program from one side to the other
//   visitor.c            the pair's partner process, and the system calls it asks home to do
//   exec.c               the exec vehicle: becoming the other image under the same PID
//   trace.c text.c       one line a hop; messages
//
// Four kinds of memory: `state` (in the window: both sides of a pair see it, it survives exec), `self` (the calling
// thread's part of it), `__twin_poll` (in the uniform data segment), and `process` (private to
// one process on one ISA).
//
// A word on reentrancy. The runtime's own code runs in three places: called from the program, in a signal handler, or
// (at home of a pair) in the loop that serves the visitor. While `here.deferring` is non-zero a signal handler does
// nothing but queue the signal; __twin_deliver runs the program's handlers later.
//
// A word on threads. Each thread of the program is a thread of the owner and, from its first hop on, one of the
// visitor; it hops on its own, and runs on one side at a time. What threads share (the regions, the window, the
// visitor, signal actions) is changed under `state.lock`, which is taken with signals deferred and never for longer than
// a system call that does not block.
#ifndef TWIN_H
#define TWIN_H

#include "layout.h"
#include "syscalls.h"

#if defined(__x86_64__)
#include "x86_64/arch.h"
#else
#include "aarch64/arch.h"
#endif

enum isa { NO_ISA, X86_64, AARCH64 };
enum vehicle { DEFAULT_VEHICLE, PAIR, EXEC };

#define PAGE 4096ul
#define STATE_SIZE (8ul << 20)
#define BRK_START (ARENA_START + STATE_SIZE)
#define BRK_LIMIT (ARENA_START + (8ul << 30))
// Where the uniform data segment lies in the window; the arena comes first, at offset address - ARENA_START.
#define WINDOW_UNIFORM (ARENA_END - ARENA_START)

#define MAX_SIGNALS_QUEUED 64
#define MAX_THREADS 256
#define MAX_CLOEXEC 4096
#define FIRST_OWN_DESCRIPTOR 900

static inline uint64_t page_up(uint64_t n) { return (n + PAGE - 1) & -PAGE; }

// A mapping inside the arena. Regions are sorted, do not overlap, and merge with equal neighbours.
struct region {
    uint64_t start, end;
    uint32_t protection;
    int32_t file;    // descriptor of a MAP_SHARED mapping, or WINDOW
    uint64_t offset; // in that file
    uint64_t origin; // 0: anonymous; else it is, or was read from, a file: a number of this one mapping
    uint64_t hash;
};
#define WINDOW (-1)

// A system call in the x86-64 ABI.
struct call {
    long number;
    long arguments[6];
};

struct registers {
    uint64_t sp, tp;
    uint32_t fp_environment;
};

enum slot { SLOT_FREE, SLOT_FILLING, SLOT_FULL };

struct queued_signal {
    uint32_t status; // SLOT_*
    uint32_t forced; // its mask was right when it came (sigsuspend and the like): deliver it whatever the mask is now
    uint64_t order;
    struct siginfo info;
};

// A system call that a hop interrupted: see blocking.c.
struct interrupted {
    struct call call;
    uint64_t depth;
    int64_t timeout;   // nanoseconds, or -1
    uint64_t deadline; // when it ends
    uint64_t handlers, ending_handlers; // that had run before the call
    uint32_t valid;
};

// Of the second stack, for dynamic allocas; ((void **)tp)[1] points to it. uniform.S knows its first word.
struct alloca_stack {
    uint64_t top, limit;
};

// Who does something: VISITOR runs the program, home does a system call for it (CALL) or has the program (HOME).
enum turn { HOME, VISITOR, CALL, VISITOR_STARTS, VISITOR_LEAVES };
#define VISITOR_ENDED 0x10000u

// Between a thread of home and one of the visitor. A side that sleeps until the turn changes says so in `sleeping`.
struct hand {
    uint32_t turn;
    uint32_t sleeping[2]; // by role
} __attribute__((aligned(64)));

struct hop_record {
    uint64_t number, pc, copied, mapped, started, finished;
    uint64_t waited; // from the request to the poll that took it; 0 without a request
    uint32_t from, to, vehicle;
    uint32_t complete; // the program has arrived and the line is not written yet
};

// What a thread has in each of the two processes.
struct side {
    volatile uint32_t deferring;
    struct sigaltstack kernel_altstack; // that the kernel knows
};

// A thread of the program. ((void **)tp)[1] points to it.
struct thread {
    struct alloca_stack alloca;
    uint64_t mask;            // blocked signals, as the program sees it
    uint64_t signal_depth;    // nested handlers: no hop while there is one, its caller's frame belongs to one ISA
    uint64_t native_stack[2]; // where the runtime's stack ends, on x86-64 and on aarch64
    struct registers registers;
    struct side sides[2]; // by role
    uint32_t in_use;
    int32_t id, visitor_id; // the kernel's
    uint64_t clear_id; // what set_tid_address said

    struct hand hand;
    volatile uint32_t away; // it runs at the visitor
    uint32_t has_visitor;   // a thread of the visitor waits for it, or runs it
    uint32_t interruptible;
    struct call call;
    long result;

    // Requests.
    volatile uint8_t wanted; // as __twin_poll.wanted, for this thread
    uint32_t requested_isa, requested_vehicle;
    uint64_t requested_at; // with a trace; 0 if there is no request
    uint32_t poll_wanted;  // the system call that begins next is to end at once, until the thread polls
    uint32_t home_wanted;  // fork wants to be at home,
    uint32_t stay_home;    // and to stay there until it is done

    struct sigaltstack altstack;
    volatile uint32_t temporary_mask_active; // in a call that waits under another mask than its own
    uint64_t signals_queued, signals_taken;
    struct queued_signal queue[MAX_SIGNALS_QUEUED];

    struct interrupted interrupted;
    uint64_t handlers_run, ending_handlers_run; // the second ones are those without SA_RESTART

    uint64_t hops;
    struct hop_record hop[2]; // by the low bit of `hops`
};

// The visitor's first thread, which does what concerns all of it; for one thread of home at a time.
enum service { START_THREAD, FOLLOW, PAUSE };

struct twin_state {
    uint32_t lock; // 0: free, 1: taken, 2: and somebody waits
    uint32_t pause;  // odd: threads that get a nudge wait until it is another number,
    uint32_t paused; // and so many do
    uint32_t ending; // the process is about to end: so the visitor's end is no accident
    uint64_t boot_tp[2]; // thread pointer until musl has made the TLS block

    struct hand service;
    enum service service_wanted;
    struct thread *service_for;
    long service_result;
    uint32_t visitor_end; // its wait status with VISITOR_ENDED

    uint32_t hop_failed; // do not try again: the reason has been said

    // Configuration.
    int64_t stress;
    uint32_t vehicle, check_hash;
    int32_t trace;
    char qemu[512];

    // The program.
    int32_t pid;
    int32_t argc;
    char **argv;
    uint64_t stack_low, stack_high;
    uint64_t brk;
    uint32_t thread_count;
    uint32_t thread_slots; // so many of `threads` have ever been in use
    uint32_t atomic_lock; // of objects that are larger than a word: support.c

    struct sigaction actions[SIGNALS + 1]; // by number

    // Over an exec hop: what exec changes.
    uint32_t cloexec_count;
    int32_t cloexec[MAX_CLOEXEC];
    char name[16];

    uint64_t hops;
    uint64_t bytes_mapped;
    uint64_t uniform_hash[2]; // of the uniform data segment before and after __twin_poll

    char message[512];

    struct thread threads[MAX_THREADS];

    uint64_t generation; // changes with the table
    uint64_t region_count;
    struct region regions[];
};

_Static_assert(offsetof(struct thread, mask) == THREAD_MASK, "layout.h");
_Static_assert(offsetof(struct thread, signal_depth) == THREAD_DEPTH, "layout.h");
_Static_assert(offsetof(struct thread, native_stack) == THREAD_NATIVE_X86_64, "layout.h");
_Static_assert(offsetof(struct thread, native_stack) + 8 == THREAD_NATIVE_AARCH64, "layout.h");

#define state (*(struct twin_state *)ARENA_START)
#define MAX_REGIONS ((STATE_SIZE - sizeof(struct twin_state)) / sizeof(struct region))

// What the poll's slow path looks at.
struct poll {
    uint8_t requested;   // polls fault
    uint8_t wanted;      // something other than stress wants attention
    uint8_t unused[6];
    int64_t stress_left; // polls until the next hop of stress
    uint8_t cache_line[48];
};
_Static_assert(offsetof(struct poll, wanted) == POLL_WANTED, "layout.h");
_Static_assert(offsetof(struct poll, stress_left) == POLL_STRESS, "layout.h");
extern volatile struct poll __twin_poll;

// What belongs to one process on one ISA.
enum role { OWNER, GUEST };
struct twin_process {
    enum role role; // OWNER: this process has the PID and the descriptors; GUEST: the pair's visitor
    int32_t window, image, executable; // descriptors: the memory, the aarch64 image, the x86-64 executable
    int32_t polls;                     // and the poll page
    int32_t keeper, lifeline;          // process id; a pipe whose end tells the visitor that home is gone: visitor.c
    const char *path;                  // $PATH when the program started
};
extern struct twin_process __twin_process;
#define process __twin_process
#define self (*((struct thread **)thread_pointer())[1])
#define here (self.sides[process.role])

// Threads that the program has now; others' may come and go meanwhile.
#define EACH_THREAD(thread)                                                                                            \
    for (struct thread *thread = state.threads; thread < state.threads + state.thread_slots; thread++)                 \
        if (__atomic_load_n(&thread->in_use, __ATOMIC_ACQUIRE))

// start.S, uniform.S
_Noreturn void __twin_enter(uint64_t main, long argc, char **argv, void *sp);
_Noreturn void __twin_continue(uint64_t sp);
void __twin_poll_mapped(void);
void __twin_poll_bare(void);
void __twin_poll_return(void);
long __twin_on_native_stack(long (*function)(void *), void *argument);
long __twin_interruptible(const volatile uint8_t *stop, long number, long a, long b, long c, long d, long e, long f);
extern const uint64_t __twin_interruptible_range[3]; // begin, end, stop
void __twin_sigreturn(void);
extern char __twin_native_stack[NATIVE_STACK_SIZE]; // of the first thread
struct clone {
    uint64_t flags, stack;
    int32_t *parent_id, *child_id; // as CLONE_PARENT_SETTID and CLONE_CHILD_CLEARTID want them
    uint64_t tp;
    void (*start)(void);
};
long __twin_clone(const struct clone *clone);
_Noreturn void __twin_enter_thread(uint64_t sp);
_Noreturn void __twin_unmap_and_exit(uint64_t stack, uint64_t size);
// A uniform function, whose arguments begin in the fifth register of this convention (compiler/src/lower/registers.rs).
typedef __attribute__((preserve_none)) void (*handler_function)(long, long, long, long, int, struct siginfo *,
                                                                struct program_context *);
void __twin_handler_on_stack(handler_function handler, int signal, struct siginfo *info,
                             struct program_context *context, uint64_t sp);

// linker
extern char __twin_uniform_start[], __twin_uniform_end[], _edata[];

// start.c
_Noreturn void __twin_start(uint64_t *sp, uint64_t main);

// arena.c
void __twin_arena_create(void);
long __twin_mmap(uint64_t address, uint64_t length, int protection, int flags, int file, uint64_t offset);
long __twin_munmap(uint64_t address, uint64_t length);
long __twin_mprotect(uint64_t address, uint64_t length, int protection);
long __twin_mremap(uint64_t address, uint64_t length, uint64_t new_length, int flags, uint64_t new_address);
long __twin_madvise(uint64_t address, uint64_t length, int advice);
long __twin_brk(uint64_t address);

// window.c
long __twin_window_open(uint64_t *copied);
long __twin_window_attach(void);
long __twin_window_follow_locked(void);
void __twin_window_follow(void);
long __twin_window_duplicate(void);
long __twin_copy_range(int to, int from, uint64_t to_offset, uint64_t from_offset, uint64_t length);
void __twin_lift_file_limit(struct rlimit *before);
void __twin_restore_file_limit(const struct rlimit *before);
void __twin_hash_store(void);
void __twin_hash_check(void);

// syscall.c, blocking.c, kernel.c
long __twin_syscall(long number, long a, long b, long c, long d, long e, long f);
long __twin_syscall0(long number);
long __twin_syscall1(long number, long a);
long __twin_syscall2(long number, long a, long b);
long __twin_syscall3(long number, long a, long b, long c);
long __twin_syscall4(long number, long a, long b, long c, long d);
long __twin_syscall5(long number, long a, long b, long c, long d, long e);
long __twin_syscall_cp(long number, long a, long b, long c, long d, long e, long f);
long __twin_local(const struct call *call, int interruptible);
long __twin_blocking(const volatile uint8_t *stop, const struct call *call);
long __twin_kernel(const volatile uint8_t *stop, const struct call *call);

// trap.c
// linker/src/polls.rs
struct poll_entry {
    uint32_t place, cold, returns_to, resume, map, next_by_return;
};
const struct poll_entry *__twin_find_poll(uint64_t returns_to);
int __twin_take_poll(context *context);
void __twin_arm_polls(int armed);
long __twin_map_polls(void);
void __twin_new_polls(void);

// signals.c
void __twin_signals_start(void);
void __twin_signals_install(void);
void __twin_fault_handlers(void);
long __twin_sigaction(int signal, const struct sigaction *new, struct sigaction *old, size_t size);
long __twin_sigprocmask(int how, const sigset *new, sigset *old, size_t size);
long __twin_sigpending(sigset *set, size_t size);
long __twin_sigaltstack(const struct sigaltstack *new, struct sigaltstack *old);
#define ALL_SIGNALS (~0ul)
// Not by the kernel, whatever the program's mask is: polls and requests.
#define NEVER_BLOCKED (signal_bit(SIGBUS) | signal_bit(SIGURG))
// To another thread, with SIGURG: end the system call that you are in, as you have been told to do something.
#define NUDGE_MAGIC 0x5457494f00000000ul
void __twin_kernel_mask(sigset mask);
void __twin_kernel_altstack(int enable);
void __twin_set_mask(sigset mask);
int __twin_force_queued(sigset mask);
void __twin_deliver(void);
void __twin_update_poll(void);
_Noreturn void __twin_die(int signal);

// process.c
long __twin_fork(int signal);
long __twin_own_descriptor(int descriptor);
long __twin_new_memory(const char *name);
int __twin_is_own(int descriptor);
long __twin_close_range(unsigned first, unsigned last, unsigned flags);
_Noreturn void __twin_exit(int status);

// thread.c
void __twin_lock(uint32_t *lock);
void __twin_unlock(uint32_t *lock);
int __twin_others_are_away(void);
void __twin_first_thread(void);
uint64_t __twin_map_native_stack(void);
void __twin_unmap_native_stack(uint64_t end);
_Noreturn void __twin_exit_native_stack(uint64_t end);
long __twin_start_thread(const long *arguments);
_Noreturn void __twin_end_thread(uint64_t unmapped, uint64_t size);
void __twin_only_thread(void);
void __twin_nudge(const struct thread *thread);
void __twin_pause_others(void);
void __twin_unpause_others(void);
void __twin_wait_paused(void);
void __twin_resumed_thread(void);

// hop.c
uint64_t __twin_attention(uint64_t sp);
int __twin_want_home(void);
uint64_t __twin_now(void);
void __twin_arrive(void);
enum turn __twin_turn(const struct hand *hand);
void __twin_wait_turn(struct hand *hand, enum turn turn);
void __twin_give_turn(struct hand *hand, enum turn turn);
void __twin_await_visit(void);

// visitor.c; a `const char *` result is a message about what went wrong, or 0
const char *__twin_visitor_start(void);
void __twin_visitor_end(void);
void __twin_serve(void);
const char *__twin_visitor_start_thread(void);
void __twin_visitor_end_thread(void);
void __twin_visitor_follow(void);
void __twin_visitor_pause(void);
_Noreturn void __twin_visitor_leave(void);
long __twin_remote(const struct call *call, int interruptible);
_Noreturn void __twin_visit(const char *descriptors);
// Besides system-call numbers: end by the signal that is the first argument; end a thread and unmap its stack.
enum { CALL_DIE = -1, CALL_UNMAP_AND_EXIT = -2 };

// exec.c
const char *__twin_exec_hop(void);
_Noreturn void __twin_resume(const char *descriptors);
const char *__twin_find_qemu(void);
const char *__twin_extract_image(void);

// trace.c, text.c
void __twin_trace_begin(uint64_t pc, enum isa to, enum vehicle vehicle);
void __twin_trace_cancel(void);
void __twin_trace_copied(uint64_t bytes);
void __twin_trace_end(void);
void __twin_trace_flush(void);
struct text {
    size_t length;
    char *bytes;
    size_t capacity;
};
void __twin_put(struct text *text, const char *string);
void __twin_put_number(struct text *text, uint64_t number);
void __twin_put_hex(struct text *text, uint64_t number);
void __twin_say(const char *message, const char *detail);
_Noreturn void __twin_fatal(int status, const char *message, const char *detail);
_Noreturn void __twin_abandon(const char *message);
int __twin_parse_number(const char **text, uint64_t *number);
int __twin_parse_descriptors(const char *text, int *descriptors, int count);

static inline int same_string(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

// RAW(mmap, ...): a system call of this ISA's kernel.
#define RAW_SIX(a, b, c, d, e, f, ...) (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)
#define RAW(name, ...) raw6(NR_##name, RAW_SIX(__VA_ARGS__ __VA_OPT__(, ) 0, 0, 0, 0, 0, 0))

#endif
