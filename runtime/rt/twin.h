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
//   alloca.c             the second stack, for dynamic allocas
//   uniform.S            the poll's slow path, setjmp family, stack switches, the interruptible system call
//   syscall.c            __twin_syscall: what the runtime handles itself, what goes to home, what to the kernel
//   blocking.c           system calls with a time-out or a signal mask, and how a hop interrupts them
//   kernel.c             the kernel's own interface; on aarch64 the translation from the x86-64 ABI
//   signals.c            sigaction, masks, delivery of handlers, hop requests
//   process.c            fork, execve, exit, the runtime's own descriptors
//   hop.c                what a poll does; handing the program from one side to the other
//   visitor.c            the pair's partner process, and the system calls it asks home to do
//   exec.c               the exec vehicle: becoming the other image under the same PID
//   trace.c text.c       one line a hop; messages
//
// Three kinds of memory: `state` (in the window: both sides of a pair see it, it survives exec), `__twin_poll` (in
// the uniform data segment: compiled code reads it), and `process` (private to one process on one ISA).
//
// A word on reentrancy. The program has one thread. The runtime's own code runs in three places: called from the
// program, in a signal handler, or (at home of a pair) in the loop that serves the visitor. While `process.deferring`
// is non-zero a signal handler does nothing but queue the signal; __twin_deliver runs the program's handlers later.
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
#define STATE_SIZE (4ul << 20)
#define BRK_START (ARENA_START + STATE_SIZE)
#define BRK_LIMIT (ARENA_START + (8ul << 30))
// Where the uniform data segment lies in the window; the arena comes first, at offset address - ARENA_START.
#define WINDOW_UNIFORM (ARENA_END - ARENA_START)

#define MAX_SIGNALS_QUEUED 64
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
enum turn { HOME, VISITOR, CALL, VISITOR_STARTS };
#define VISITOR_ENDED 0x10000u

struct hop_record {
    uint64_t number, pc, copied, mapped, started, finished;
    uint64_t waited; // from the request to the poll that took it; 0 without a request
    uint32_t from, to, vehicle;
    uint32_t complete; // the program has arrived and the line is not written yet
};

struct twin_state {
    uint64_t mask;         // blocked signals, as the program sees it
    uint64_t signal_depth; // nested handlers: no hop while there is one, its caller's frame belongs to one ISA
    uint64_t boot_tp[2];   // thread pointer until musl has made the TLS block

    struct alloca_stack alloca;
    struct registers registers;

    // The pair. `turn` says who runs; a side that sleeps on it says so in `sleeping`.
    uint32_t turn __attribute__((aligned(64)));
    uint32_t sleeping[2]; // by role
    uint32_t visitor_end; // its wait status with VISITOR_ENDED
    uint32_t interruptible;
    struct call call;
    long result;

    // Requests.
    uint32_t requested_isa, requested_vehicle;
    uint64_t requested_at; // with a trace; 0 if there is no request
    uint32_t home_wanted; // fork wants to be at home,
    uint32_t stay_home;   // and to stay there until it is done
    uint32_t hop_failed;  // do not try again: the reason has been said

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

    struct sigaction actions[SIGNALS + 1]; // by number
    struct sigaltstack altstack;
    uint64_t signals_queued, signals_taken;
    struct queued_signal queue[MAX_SIGNALS_QUEUED];

    struct interrupted interrupted;
    uint64_t handlers_run, ending_handlers_run; // the second ones are those without SA_RESTART

    // Over an exec hop: what exec changes.
    uint32_t cloexec_count;
    int32_t cloexec[MAX_CLOEXEC];
    char name[16];

    uint64_t hops;
    struct hop_record hop[2]; // by the low bit of its number
    uint64_t bytes_mapped;
    uint64_t uniform_hash[2]; // of the uniform data segment before and after __twin_poll

    char message[512];

    uint64_t generation; // changes with the table
    uint64_t region_count;
    struct region regions[];
};

_Static_assert(offsetof(struct twin_state, mask) == STATE_MASK, "layout.h");
_Static_assert(offsetof(struct twin_state, signal_depth) == STATE_DEPTH, "layout.h");

#define state (*(struct twin_state *)ARENA_START)
#define MAX_REGIONS ((STATE_SIZE - sizeof(struct twin_state)) / sizeof(struct region))

// What compiled code and the poll's slow path look at.
struct poll {
    uint8_t requested;   // the byte that polls test: wanted, or stress is on
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
    volatile uint32_t deferring;
    volatile uint32_t away; // the owner's program runs at the visitor
    volatile uint32_t temporary_mask_active; // in a call that waits under another mask than state.mask
    int32_t window, image, executable; // descriptors: the memory, the aarch64 image, the x86-64 executable
    int32_t keeper, lifeline;          // process id; a pipe whose end tells the visitor that home is gone: visitor.c
    const char *path;                  // $PATH when the program started
};
extern struct twin_process __twin_process;
#define process __twin_process

// start.S, uniform.S
_Noreturn void __twin_enter(uint64_t main, long argc, char **argv, void *sp);
_Noreturn void __twin_continue(uint64_t sp);
long __twin_on_native_stack(long (*function)(void *), void *argument);
long __twin_interruptible(const volatile uint8_t *stop, long number, long a, long b, long c, long d, long e, long f);
extern const uint64_t __twin_interruptible_range[3]; // begin, end, stop
void __twin_sigreturn(void);
typedef __attribute__((preserve_none)) void (*handler_function)(int, struct siginfo *, struct program_context *);
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
long __twin_window_follow(void);
long __twin_window_duplicate(void);
long __twin_copy_range(int to, int from, uint64_t to_offset, uint64_t from_offset, uint64_t length);
void __twin_lift_file_limit(struct rlimit *before);
void __twin_restore_file_limit(const struct rlimit *before);
void __twin_hash_store(void);
void __twin_hash_check(void);

// syscall.c, blocking.c, kernel.c
long __twin_syscall(long number, long a, long b, long c, long d, long e, long f);
long __twin_syscall_cp(long number, long a, long b, long c, long d, long e, long f);
long __twin_local(const struct call *call, int interruptible);
long __twin_blocking(const volatile uint8_t *stop, const struct call *call);
long __twin_kernel(const volatile uint8_t *stop, const struct call *call);

// signals.c
void __twin_signals_start(void);
void __twin_signals_install(void);
void __twin_fault_handlers(void);
long __twin_sigaction(int signal, const struct sigaction *new, struct sigaction *old, size_t size);
long __twin_sigprocmask(int how, const sigset *new, sigset *old, size_t size);
long __twin_sigpending(sigset *set, size_t size);
long __twin_sigaltstack(const struct sigaltstack *new, struct sigaltstack *old);
#define ALL_SIGNALS (~0ul)
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
int __twin_is_own(int descriptor);
long __twin_close_range(unsigned first, unsigned last, unsigned flags);
_Noreturn void __twin_exit(int status);

// hop.c
uint64_t __twin_attention(uint64_t sp);
int __twin_want_home(void);
uint64_t __twin_now(void);
void __twin_arrive(void);
enum turn __twin_turn(void);
void __twin_wait_turn(enum turn turn);
void __twin_give_turn(enum turn turn);
void __twin_await_visit(void);

// visitor.c; a `const char *` result is a message about what went wrong, or 0
const char *__twin_visitor_start(void);
void __twin_visitor_end(void);
void __twin_serve(void);
long __twin_remote(const struct call *call, int interruptible);
_Noreturn void __twin_visit(const char *descriptors);
#define CALL_DIE (-1) // besides system-call numbers: end by the signal that is the first argument

// exec.c
const char *__twin_exec_hop(void);
_Noreturn void __twin_resume(const char *descriptors);
const char *__twin_find_qemu(void);
const char *__twin_extract_image(void);

// trace.c, text.c
void __twin_trace_request(void);
void __twin_trace_begin(uint64_t pc, enum isa to, enum vehicle vehicle);
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
