// The start of a process: the arena, the program's stack, its arguments, environment and auxiliary vector in a form
// that is the same on both ISAs; or what another process of Twin asks for in the environment (__TWIN_VISIT,
// __TWIN_RESUME, __TWIN_START).
#include "twin.h"

struct twin_process __twin_process = {
    .window = -1, .image = -1, .executable = -1, .lifeline = -1, .polls = -1,
};
__attribute__((section(".twin.shared"), aligned(64))) volatile struct poll __twin_poll;

#define MIN_STACK (64ul << 20)
#define MAX_STACK (1ul << 30)
#define STACK_GUARD (1ul << 20)
#define ALLOCA_STACK (64ul << 20)

struct initial_stack {
    long argc;
    char **argv, **envp;
    uint64_t (*auxv)[2];
};

static struct initial_stack parse_initial_stack(uint64_t *sp) {
    struct initial_stack stack = {(long)*sp, (char **)(sp + 1), (char **)(sp + *sp + 2), 0};
    char **end = stack.envp;
    while (*end) {
        end++;
    }
    stack.auxv = (uint64_t(*)[2])(end + 1);
    return stack;
}

// The text behind "NAME=" if `variable` starts so.
static const char *value_of(const char *variable, const char *name) {
    while (*name && *variable == *name) {
        variable++;
        name++;
    }
    return *name ? 0 : variable;
}

static int is_ours(const char *variable) { return value_of(variable, "__TWIN_") != 0; }

static void parse_stress(const char *text) {
    uint64_t every;
    const char *at = text;
    if (!__twin_parse_number(&at, &every) || *at || !every) {
        __twin_fatal(125, "__TWIN_STRESS must be a number from 1: ", text);
    }
    state.stress = (int64_t)every;
}

static void parse_vehicle(const char *text) {
    if (same_string(text, "pair")) {
        state.vehicle = PAIR;
    } else if (same_string(text, "exec")) {
        state.vehicle = EXEC;
    } else {
        __twin_fatal(125, "__TWIN_VEHICLE must be pair or exec: ", text);
    }
}

// Moves an inherited descriptor out of the program's sight.
static int adopt(int descriptor) {
    long own = __twin_own_descriptor(descriptor);
    if (own < 0) {
        return descriptor;
    }
    if (descriptor > 2) {
        RAW(close, descriptor);
    }
    return (int)own;
}

static void parse_trace(const char *text) {
    uint64_t file;
    const char *at = text;
    if (!__twin_parse_number(&at, &file) || *at || RAW(fcntl, file, F_GETFD) < 0) {
        __twin_fatal(125, "__TWIN_TRACE must be an open descriptor: ", text);
    }
    state.trace = adopt((int)file);
}

static void parse_hash(const char *text) {
    if (!same_string(text, "0") && !same_string(text, "1")) {
        __twin_fatal(125, "__TWIN_HASH must be 0 or 1: ", text);
    }
    state.check_hash = *text == '1';
}

static void parse_qemu(const char *text) {
    for (size_t i = 0; i < sizeof state.qemu - 1 && text[i]; i++) {
        state.qemu[i] = text[i];
    }
}

static void parse_start(const char *text) {
    int descriptors[2];
    if (!__twin_parse_descriptors(text, descriptors, 2)) {
        __twin_fatal(125, "__TWIN_START is for `twin run` only: ", text);
    }
    process.image = adopt(descriptors[0]);
    process.executable = adopt(descriptors[1]);
}

static const struct {
    const char *name;
    void (*parse)(const char *);
} variables[] = {
    {"__TWIN_STRESS=", parse_stress}, {"__TWIN_VEHICLE=", parse_vehicle}, {"__TWIN_TRACE=", parse_trace},
    {"__TWIN_HASH=", parse_hash},     {"__TWIN_QEMU=", parse_qemu},       {"__TWIN_START=", parse_start},
};

static void configure(char **envp) {
    for (; *envp; envp++) {
        if (!is_ours(*envp)) {
            const char *path = value_of(*envp, "PATH=");
            process.path = path ? path : process.path;
            continue;
        }
        size_t i = 0;
        const char *value = 0;
        while (i < sizeof variables / sizeof *variables && !(value = value_of(*envp, variables[i].name))) {
            i++;
        }
        if (!value) {
            __twin_fatal(125, "no such setting: ", *envp);
        }
        variables[i].parse(value);
    }
    if (THIS_ISA == AARCH64) {
        __twin_find_qemu(); // an exec hop loses $PATH; what it finds is kept
    }
}

// The stack of the program and the one for its dynamic allocas, each with a guard below its end.
static void create_stacks(void) {
    struct rlimit limit = {0, 0};
    RAW(prlimit64, 0, RLIMIT_STACK, 0, &limit);
    uint64_t size = limit.soft < MIN_STACK ? MIN_STACK : limit.soft > MAX_STACK ? MAX_STACK : page_up(limit.soft);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    uint64_t high = ARENA_END;
    uint64_t alloca_high = high - size - STACK_GUARD;
    long error = __twin_mmap(high - size, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    error |= __twin_mmap(high - size - STACK_GUARD, STACK_GUARD, PROT_NONE, flags, -1, 0);
    error |= __twin_mmap(alloca_high - ALLOCA_STACK, ALLOCA_STACK, PROT_READ | PROT_WRITE, flags, -1, 0);
    error |= __twin_mmap(alloca_high - ALLOCA_STACK - STACK_GUARD, STACK_GUARD, PROT_NONE, flags, -1, 0);
    if (error < 0) {
        __twin_fatal(125, "there is no memory for the stack", "");
    }
    state.stack_low = high - size;
    state.stack_high = high;
    state.threads[0].alloca = (struct alloca_stack){alloca_high - ALLOCA_STACK, alloca_high};
}

static size_t string_size(const char *string) {
    size_t size = 1;
    while (*string++) {
        size++;
    }
    return size;
}

static void copy(char *to, const void *from, size_t size) {
    for (size_t i = 0; i < size; i++) {
        to[i] = ((const char *)from)[i];
    }
}

// The value of an entry of the auxiliary vector, 0 if there is none.
static uint64_t auxiliary(const struct initial_stack *stack, uint64_t type) {
    for (uint64_t(*a)[2] = stack->auxv; (*a)[0] != AT_NULL; a++) {
        if ((*a)[0] == type) {
            return (*a)[1];
        }
    }
    return 0;
}

// The program's stack, filled from the top down.
struct push {
    uint64_t sp;
};

static char *push_bytes(struct push *stack, const void *bytes, size_t size) {
    stack->sp -= size;
    copy((char *)stack->sp, bytes, size);
    return (char *)stack->sp;
}

// Entries of the auxiliary vector that say the same on both ISAs. The others describe the processor or the kernel's
// own pages. No HWCAP: code that looks there finds a processor without extensions.
static int is_canonical(uint64_t type) {
    static const uint8_t kept[] = {
        AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_FLAGS, AT_ENTRY, AT_UID, AT_EUID,
        AT_GID, AT_EGID, AT_CLKTCK, AT_SECURE, AT_RANDOM, AT_EXECFN,
    };
    for (size_t i = 0; i < sizeof kept; i++) {
        if (kept[i] == type) {
            return 1;
        }
    }
    return 0;
}

// Copies the vectors and what they point to; returns the new stack pointer, at argc.
static uint64_t copy_vectors(const struct initial_stack *from) {
    long environment = 0, auxiliary = 2;
    uint64_t bytes = 0;
    for (char **e = from->envp; *e; e++) {
        if (!is_ours(*e)) {
            environment++;
            bytes += string_size(*e);
        }
    }
    for (long i = 0; i < from->argc; i++) {
        bytes += string_size(from->argv[i]);
    }
    for (uint64_t(*a)[2] = from->auxv; (*a)[0] != AT_NULL; a++) {
        auxiliary++;
    }
    uint64_t words = (uint64_t)(1 + from->argc + 1 + environment + 1 + 2 * auxiliary);
    if (bytes + 8 * words > (state.stack_high - state.stack_low) / 4) {
        __twin_fatal(126, "the arguments and the environment are too long", "");
    }

    struct push stack = {state.stack_high - 8}; // the last word stays 0, as after a kernel's exec
    for (uint64_t(*a)[2] = from->auxv; (*a)[0] != AT_NULL; a++) {
        if ((*a)[0] == AT_EXECFN) {
            (*a)[1] = (uint64_t)push_bytes(&stack, (char *)(*a)[1], string_size((char *)(*a)[1]));
        } else if ((*a)[0] == AT_RANDOM) {
            (*a)[1] = (uint64_t)push_bytes(&stack, (char *)(*a)[1], 16);
        }
    }
    uint64_t strings = stack.sp - bytes;
    stack.sp = strings;
    uint64_t *vectors = (uint64_t *)((strings - 8 * words) & -16ul);
    uint64_t *at = vectors;
    *at++ = (uint64_t)from->argc;
    for (long i = 0; i < from->argc; i++) {
        size_t size = string_size(from->argv[i]);
        copy((char *)strings, from->argv[i], size);
        *at++ = strings;
        strings += size;
    }
    *at++ = 0;
    for (char **e = from->envp; *e; e++) {
        if (!is_ours(*e)) {
            size_t size = string_size(*e);
            copy((char *)strings, *e, size);
            *at++ = strings;
            strings += size;
        }
    }
    *at++ = 0;
    for (uint64_t(*a)[2] = from->auxv; (*a)[0] != AT_NULL; a++) {
        if (is_canonical((*a)[0])) {
            *at++ = (*a)[0];
            *at++ = (*a)[1];
        }
    }
    *at++ = AT_HWCAP;
    *at++ = 0;
    *at++ = AT_NULL;
    *at = 0;
    return (uint64_t)vectors;
}

void __twin_set_tp(void *tp) {
    ((void **)tp)[0] = tp;
    ((void **)tp)[1] = &self;
    self.registers.tp = (uint64_t)tp;
    set_thread_pointer((uint64_t)tp);
}

_Noreturn void __twin_start(uint64_t *sp, uint64_t main) {
    struct initial_stack stack = parse_initial_stack(sp);
    int trusted = !auxiliary(&stack, AT_SECURE); // else the environment belongs to somebody with fewer rights
    for (char **e = stack.envp; *e && trusted; e++) {
        const char *visit = value_of(*e, "__TWIN_VISIT=");
        const char *resume = value_of(*e, "__TWIN_RESUME=");
        if (visit) {
            __twin_visit(visit);
        }
        if (resume) {
            __twin_resume(resume);
        }
    }
    __twin_arena_create();
    __twin_first_thread();
    state.pid = (int32_t)RAW(getpid);
    state.vehicle = PAIR;
    state.trace = -1;
    if (trusted) {
        configure(stack.envp);
    }
    create_stacks();
    __twin_new_polls();
    __twin_signals_start();
    uint64_t *vectors = (uint64_t *)copy_vectors(&stack);
    state.argc = (int32_t)stack.argc;
    state.argv = (char **)(vectors + 1);
    __twin_poll.stress_left = state.stress - 1;
    __twin_update_poll();
    __twin_enter(main, stack.argc, state.argv, vectors);
}
