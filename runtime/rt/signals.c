// Signals. The owner of the descriptors gets them, by way of one trampoline for all handlers of the program.
//
// Handlers are uniform functions; a handler runs at signal depth + 1, and no hop happens while the depth is above 0,
// because its caller (the trampoline) is native. There are two ways to a handler:
//   * the program runs in this process: the trampoline calls it at once;
//   * it runs at the visitor, or the runtime is at work (here.deferring): the signal goes into the thread's queue
//     and __twin_deliver calls the handler, at the next poll or at the end of a system call, on whichever ISA the
//     program is.
// The kernel's mask is always the program's, but for SIGURG, which asks for hops, and SIGBUS, which polls raise (trap.c): those
// are never blocked.
#include "twin.h"

#define KERNEL_SIGSET_SIZE 8
// What a program can block: so its mask is never ALL_SIGNALS.
#define MASKABLE (~(signal_bit(SIGKILL) | signal_bit(SIGSTOP)))

// A SIGURG is a hop request if it carries this value (or none at all: `kill -URG`). The low bytes: ISA and vehicle.
#define REQUEST_MAGIC 0x5457494e00000000ul

static int is_handler(uint64_t handler) { return handler != SIG_DFL && handler != SIG_IGN; }
static int is_fault(int signal) {
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL || signal == SIGTRAP;
}

void __twin_kernel_mask(sigset mask) {
    mask = mask == ALL_SIGNALS ? mask : mask & ~NEVER_BLOCKED;
    RAW(rt_sigprocmask, SIG_SETMASK, &mask, 0, KERNEL_SIGSET_SIZE);
}

// Of the process that runs the program now.
static void change_mask(sigset mask) {
    mask &= MASKABLE;
    if (process.role == GUEST) {
        struct call call = {SYS_rt_sigprocmask, {SIG_SETMASK, (long)&mask, 0, KERNEL_SIGSET_SIZE}};
        __twin_remote(&call, 0);
    } else {
        // The kernel first: a handler that runs right now restores what the kernel has.
        __twin_kernel_mask(mask);
        self.mask = mask;
        __twin_update_poll();
    }
}

void __twin_set_mask(sigset mask) {
    change_mask(mask);
    __twin_deliver();
}

long __twin_sigprocmask(int how, const sigset *new, sigset *old, size_t size) {
    if (size != KERNEL_SIGSET_SIZE || (new && (how < SIG_BLOCK || how > SIG_SETMASK))) {
        return -EINVAL;
    }
    sigset before = self.mask;
    if (new) {
        sigset set = *new;
        change_mask(how == SIG_BLOCK ? before | set : how == SIG_UNBLOCK ? before & ~set : set);
    }
    if (old) {
        *old = before;
    }
    return 0;
}

// The queue. Handlers of the owner fill it (one may interrupt another); the program's side empties it.

static void enqueue(int signal, const struct siginfo *info, int forced) {
    for (int i = 0; i < MAX_SIGNALS_QUEUED; i++) {
        struct queued_signal *slot = &self.queue[i];
        if (signal < 32 && slot->info.signal == signal &&
            __atomic_load_n(&slot->status, __ATOMIC_ACQUIRE) == SLOT_FULL) {
            return; // a standard signal is pending once
        }
    }
    for (int i = 0; i < MAX_SIGNALS_QUEUED; i++) {
        struct queued_signal *slot = &self.queue[i];
        uint32_t expected = SLOT_FREE;
        if (!__atomic_compare_exchange_n(&slot->status, &expected, SLOT_FILLING, 0, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED)) {
            continue;
        }
        slot->info = *info;
        slot->info.signal = signal;
        slot->forced = (uint32_t)forced;
        slot->order = __atomic_add_fetch(&self.signals_queued, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->status, SLOT_FULL, __ATOMIC_RELEASE);
        return;
    }
}

static struct queued_signal *first_deliverable(sigset mask) {
    struct queued_signal *first = 0;
    if (self.signals_queued == self.signals_taken) {
        return 0;
    }
    for (int i = 0; i < MAX_SIGNALS_QUEUED; i++) {
        struct queued_signal *slot = &self.queue[i];
        if (__atomic_load_n(&slot->status, __ATOMIC_ACQUIRE) == SLOT_FULL &&
            (slot->forced || !(mask & signal_bit(slot->info.signal))) && (!first || slot->order < first->order)) {
            first = slot;
        }
    }
    return first;
}

// For calls that wait with another mask: whether that lets a queued signal through.
int __twin_force_queued(sigset mask) {
    struct queued_signal *slot = first_deliverable(mask);
    if (slot) {
        slot->forced = 1;
    }
    return slot != 0;
}

static void want_attention(struct thread *thread) {
    thread->wanted = 1;
    __twin_poll.wanted = 1;
    if (!__atomic_exchange_n(&__twin_poll.requested, 1, __ATOMIC_SEQ_CST)) {
        __twin_arm_polls(1);
    }
}

// Polls no longer fault, unless somebody wants attention again meanwhile.
static void disarm(void) {
    if (!state.stress && __atomic_exchange_n(&__twin_poll.requested, 0, __ATOMIC_SEQ_CST)) {
        __twin_arm_polls(0);
        if (__twin_poll.requested) {
            __twin_arm_polls(1);
        }
    }
}

// Arms the polls if there is a reason. They are disarmed before the reasons are looked at: a signal handler (of home,
// perhaps, while this is the visitor) or another thread that adds a reason meanwhile arms them after that. Where no hop can happen
// a request is no reason yet: every poll would fault for nothing.
void __twin_update_poll(void) {
    self.wanted = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    int may_hop = !self.signal_depth && !self.stay_home;
    if ((may_hop && (self.requested_isa || self.home_wanted)) || self.poll_wanted || first_deliverable(self.mask)) {
        self.wanted = 1;
    }
    __twin_poll.wanted = 0;
    disarm();
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    EACH_THREAD(thread) {
        if (thread->wanted) {
            want_attention(thread);
        }
    }
}

long __twin_sigpending(sigset *set, size_t size) {
    long result = RAW(rt_sigpending, set, size);
    for (int i = 0; result >= 0 && i < MAX_SIGNALS_QUEUED; i++) {
        if (__atomic_load_n(&self.queue[i].status, __ATOMIC_ACQUIRE) == SLOT_FULL) {
            *set |= signal_bit(self.queue[i].info.signal) & self.mask;
        }
    }
    return result;
}

// Calling a handler.

static int is_on(const struct sigaltstack *stack, uint64_t sp) {
    return !(stack->flags & SS_DISABLE) && sp - stack->base <= stack->size;
}

// On the stack that we are on, or on the one that ends at `stack`.
static void call_handler(const struct sigaction *action, int signal, struct siginfo *info,
                         struct program_context *context, uint64_t stack) {
    handler_function handler = (handler_function)action->handler;
    self.handlers_run++;
    self.ending_handlers_run += !(action->flags & SA_RESTART);
    self.signal_depth++;
    if (stack) {
        __twin_handler_on_stack(handler, signal, info, context, stack & -16ul);
    } else {
        handler(0, 0, 0, 0, signal, info, context);
    }
    self.signal_depth--;
}

// Of a handler that wants the thread to look at something before it waits: ends the system call that it is in, or about to
// make.
void __twin_interrupt(void);
void __twin_interrupt(void) {
    self.poll_wanted = 1;
    want_attention(&self);
}

static void run_queued(int signal, struct siginfo *info) {
    struct sigaction action = state.actions[signal];
    if (!is_handler(action.handler)) {
        if (action.handler == SIG_DFL && signal != SIGURG) {
            // The program took its handler away meanwhile: the kernel knows what the default is.
            __twin_syscall(SYS_tgkill, state.pid, self.id, signal, 0, 0, 0);
        }
        return;
    }
    sigset mask = self.mask;
    uint64_t frame = (uint64_t)__builtin_frame_address(0);
    struct program_context context = {0};
    context.mask = mask;
    context.stack = self.altstack;
    context.rsp = context.rbp = frame;
    context.rip = (uint64_t)__builtin_return_address(0);
    if (action.flags & SA_RESETHAND) {
        state.actions[signal].handler = SIG_DFL;
    }
    change_mask(mask | action.mask | (action.flags & SA_NODEFER ? 0 : signal_bit(signal)));
    int switch_stack = action.flags & SA_ONSTACK && self.altstack.size && !is_on(&self.altstack, frame);
    call_handler(&action, signal, info, &context, switch_stack ? self.altstack.base + self.altstack.size : 0);
    change_mask(context.mask);
}

// Runs the handlers of the queued signals that are not blocked. On the program's stack.
void __twin_deliver(void) {
    if (here.deferring) {
        return;
    }
    struct queued_signal *slot;
    while ((slot = first_deliverable(self.mask))) {
        struct siginfo info = slot->info;
        self.signals_taken++;
        __atomic_store_n(&slot->status, SLOT_FREE, __ATOMIC_RELEASE);
        __twin_update_poll();
        run_queued(info.signal, &info);
    }
}

// The trampoline.

// A signal that the program does not see at once ends the system call that it interrupts.
static void stop_system_call(context *context, int is_request) {
    uint64_t pc = *context_pc(context);
    if (pc >= __twin_interruptible_range[0] && pc < __twin_interruptible_range[1]) {
        *context_pc(context) = __twin_interruptible_range[2];
    } else if (is_request && pc == __twin_interruptible_range[1] && (long)*context_result(context) == -EINTR) {
        *context_result(context) = (uint64_t)-ERESTART_POLL;
    }
}

static int is_request(const struct siginfo *info) {
    return info->code == SI_USER || info->code == SI_TKILL ||
           (info->code == SI_QUEUE && info->queue.value >> 32 == REQUEST_MAGIC >> 32);
}

static void note_request(const struct siginfo *info) {
    uint64_t value = info->code == SI_QUEUE ? info->queue.value : 0;
    enum isa now_at = self.away ? OTHER_ISA : THIS_ISA;
    enum isa other = now_at == X86_64 ? AARCH64 : X86_64;
    uint32_t isa = value & 0xff, vehicle = value >> 8 & 0xff;
    EACH_THREAD(thread) {
        if (!thread->requested_isa) {
            thread->requested_at = state.trace >= 0 ? __twin_now() : 0;
        }
        thread->requested_vehicle = vehicle == PAIR || vehicle == EXEC ? vehicle : DEFAULT_VEHICLE;
        thread->requested_isa = isa == X86_64 || isa == AARCH64 ? isa : (uint32_t)other;
        want_attention(thread);
        if (thread != &self) {
            __twin_nudge(thread);
        }
    }
}

// In this process, right now: the program's own stack or its alternate one, as the kernel chose.
static void run_now(int signal, struct siginfo *info, context *kernel_context) {
    struct sigaction action = state.actions[signal];
    if (action.flags & SA_RESETHAND) {
        state.actions[signal].handler = SIG_DFL;
    }
    // The kernel's context of a guest has the visitor's mask; the kernel's mask lacks what is never blocked.
    sigset before = process.role == GUEST ? self.mask : kernel_context->mask | (self.mask & NEVER_BLOCKED);
    self.mask = (before | action.mask | (action.flags & SA_NODEFER ? 0 : signal_bit(signal))) & MASKABLE;
#if defined(__x86_64__)
    struct program_context *context = kernel_context;
#else
    struct program_context forged = {0}, *context = &forged;
    forged.stack = kernel_context->stack;
    forged.mask = before;
    forged.rsp = kernel_context->sp;
    forged.rbp = kernel_context->x[29];
    forged.rip = kernel_context->pc;
    forged.cr2 = kernel_context->fault_address;
#endif
    call_handler(&action, signal, info, context, 0);
    // The handler may have changed the mask that it returns to.
    self.mask = (context->mask & ~NEVER_BLOCKED) | (before & NEVER_BLOCKED);
    if (process.role == OWNER) {
        kernel_context->mask = self.mask & ~NEVER_BLOCKED;
    }
    __twin_update_poll();
}

// Whether the signal comes from a poll; goes on where that leads then.
static int is_poll(int signal, const struct siginfo *info, context *context) {
    return signal == SIGBUS && info->code > 0 && __twin_take_poll(context);
}

// SIGBUS has our handler whatever the program wants: what the kernel would do without one.
static void default_of_bus_error(const struct siginfo *info) {
    uint64_t handler = state.actions[SIGBUS].handler;
    int blocked = (self.mask & signal_bit(SIGBUS)) != 0, raised = info->code > 0;
    if (raised ? blocked || !is_handler(handler) : !blocked && handler == SIG_DFL) {
        __twin_die(SIGBUS);
    }
}

static void on_signal(int signal, struct siginfo *info, context *context) {
    if (is_poll(signal, info, context)) {
        return;
    }
    if (signal == SIGBUS) {
        default_of_bus_error(info);
    }
    if (signal == SIGURG && info->code == SI_QUEUE && info->queue.value == NUDGE_MAGIC) {
        __twin_wait_paused();
        stop_system_call(context, 1);
        return;
    }
    int request = signal == SIGURG && is_request(info);
    if (request) {
        note_request(info);
        stop_system_call(context, 1);
        if (info->code == SI_QUEUE) {
            return;
        }
    }
    int masked = (self.mask & NEVER_BLOCKED & signal_bit(signal)) != 0;
    if (!is_handler(state.actions[signal].handler)) {
        if (masked && signal == SIGBUS && state.actions[signal].handler == SIG_DFL) {
            enqueue(signal, info, 0);
        }
        return;
    }
    if (here.deferring && is_fault(signal) && info->code > 0) {
        // The runtime itself is at fault, and would be again and again.
        struct sigaction action = {SIG_DFL, SA_RESTORER, (uint64_t)__twin_sigreturn, 0};
        RAW(rt_sigaction, signal, &action, 0, KERNEL_SIGSET_SIZE);
    } else if (here.deferring || masked) {
        enqueue(signal, info, self.temporary_mask_active);
        if (!masked) {
            want_attention(&self);
            stop_system_call(context, 0);
        }
    } else {
        run_now(signal, info, context);
        if (self.poll_wanted) {
            stop_system_call(context, 0);
        }
    }
}

// What the kernel of the owner has to know of an action.
static long install(int signal) {
    const struct sigaction *action = &state.actions[signal];
    struct sigaction kernel = {action->handler, action->flags | SA_RESTORER, (uint64_t)__twin_sigreturn, action->mask};
    if (signal == SIGURG) { // without SA_RESTART: a request ends a call that blocks
        kernel.handler = (uint64_t)on_signal;
        kernel.flags = SA_SIGINFO | SA_RESTORER;
        kernel.mask = 0;
    } else if (is_handler(action->handler) || signal == SIGBUS) {
        kernel.handler = (uint64_t)on_signal;
        kernel.flags |= SA_SIGINFO;
    }
    if (signal == SIGBUS) { // our handler is not over when it calls the program's, which polls
        kernel.flags = (kernel.flags & ~SA_RESETHAND) | SA_NODEFER;
    }
    kernel.mask &= ~NEVER_BLOCKED;
    return RAW(rt_sigaction, signal, &kernel, 0, KERNEL_SIGSET_SIZE);
}

long __twin_sigaction(int signal, const struct sigaction *new, struct sigaction *old, size_t size) {
    if (signal < 1 || signal > SIGNALS || size != KERNEL_SIGSET_SIZE ||
        (new && (signal == SIGKILL || signal == SIGSTOP))) {
        return -EINVAL;
    }
    struct sigaction before = state.actions[signal];
    if (new) {
        state.actions[signal] = *new;
        long error = install(signal);
        if (error < 0) {
            state.actions[signal] = before;
            return error;
        }
    }
    if (old) {
        *old = before;
    }
    return 0;
}

long __twin_sigaltstack(const struct sigaltstack *new, struct sigaltstack *old) {
    const uint64_t minimum = 2048;
    struct sigaltstack before = self.altstack;
    int on = is_on(&before, (uint64_t)__builtin_frame_address(0));
    if (new) {
        if (on) {
            return -EPERM;
        }
        if (new->flags & ~(SS_DISABLE | SS_ONSTACK)) {
            return -EINVAL;
        }
        if (!(new->flags & SS_DISABLE) && new->size < minimum) {
            return -ENOMEM;
        }
        self.altstack = *new;
        if (new->flags & SS_DISABLE) {
            self.altstack = (struct sigaltstack){.flags = SS_DISABLE};
        }
        __twin_kernel_altstack(1);
    }
    if (old) {
        *old = before;
        old->flags = on ? SS_ONSTACK : before.size ? 0 : SS_DISABLE;
    }
    return 0;
}

// Tells this process's kernel the program's alternate stack, or that there is none: while the program is away.
void __twin_kernel_altstack(int enable) {
    struct sigaltstack *known = &here.kernel_altstack;
    struct sigaltstack wanted = self.altstack;
    if (!enable || !wanted.size) {
        wanted = (struct sigaltstack){.flags = SS_DISABLE};
    }
    if (wanted.base != known->base || wanted.size != known->size) {
        RAW(sigaltstack, &wanted, 0);
        *known = wanted;
    }
}

void __twin_signals_start(void) {
    RAW(rt_sigprocmask, SIG_BLOCK, 0, &self.mask, KERNEL_SIGSET_SIZE);
    self.altstack.flags = SS_DISABLE;
    for (int signal = 1; signal <= SIGNALS; signal++) {
        RAW(rt_sigaction, signal, 0, &state.actions[signal], KERNEL_SIGSET_SIZE); // what exec left ignored
    }
    install(SIGURG);
    install(SIGBUS);
    __twin_kernel_mask(self.mask);
}

// After an exec hop, which keeps only what is ignored.
void __twin_signals_install(void) {
    for (int signal = 1; signal <= SIGNALS; signal++) {
        if (signal != SIGKILL && signal != SIGSTOP) {
            install(signal);
        }
    }
    __twin_kernel_altstack(1);
}

static void on_nudge(int signal) {
    (void)signal;
    __twin_wait_paused();
}

// A guest gets no signals but those that its own instructions raise, and nudges to pause.
static void on_fault(int signal, struct siginfo *info, context *context) {
    if (is_poll(signal, info, context)) {
        return;
    }
    if (here.deferring || !is_handler(state.actions[signal].handler) || self.mask & signal_bit(signal)) {
        __twin_die(signal);
    }
    run_now(signal, info, context);
}

void __twin_fault_handlers(void) {
    sigset faults = 0;
    for (int signal = 1; signal <= SIGNALS; signal++) {
        if (is_fault(signal)) {
            struct sigaction action = {(uint64_t)on_fault, SA_SIGINFO | SA_RESTORER | SA_NODEFER | SA_ONSTACK,
                                       (uint64_t)__twin_sigreturn, 0};
            RAW(rt_sigaction, signal, &action, 0, KERNEL_SIGSET_SIZE);
            faults |= signal_bit(signal);
        }
    }
    struct sigaction action = {(uint64_t)on_nudge, SA_RESTORER, (uint64_t)__twin_sigreturn, 0};
    RAW(rt_sigaction, SIGURG, &action, 0, KERNEL_SIGSET_SIZE);
    faults |= signal_bit(SIGURG);
    RAW(rt_sigprocmask, SIG_UNBLOCK, &faults, 0, KERNEL_SIGSET_SIZE);
}

// Ends the program as the default action of `signal` does.
_Noreturn void __twin_die(int signal) {
    if (process.role == GUEST) {
        struct call call = {CALL_DIE, {signal}};
        __twin_remote(&call, 0);
    }
    __twin_visitor_end();
    struct sigaction action = {SIG_DFL, SA_RESTORER, (uint64_t)__twin_sigreturn, 0};
    RAW(rt_sigaction, signal, &action, 0, KERNEL_SIGSET_SIZE);
    sigset set = signal_bit(signal);
    RAW(kill, RAW(getpid), signal);
    RAW(rt_sigprocmask, SIG_UNBLOCK, &set, 0, KERNEL_SIGSET_SIZE);
    for (;;) { // the signal's default is not deadly
        RAW(exit_group, 128 + signal);
    }
}
