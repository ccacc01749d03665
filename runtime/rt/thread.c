// Threads of the program: how one starts and ends, and the lock of what they share. A thread starts where its kernel's
// thread is, at home.
#include "twin.h"

#define ALLOCA_STACK (8ul << 20) // only what is touched counts
#define GUARD (64ul << 10)
#define CLONE_ARGUMENTS_ONLY (CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS | CLONE_DETACHED)

// Ulrich Drepper, "Futexes Are Tricky" (2011), mutex 2. Shared by processes.
void __twin_lock(uint32_t *lock) {
    uint32_t before = 0;
    if (__atomic_compare_exchange_n(lock, &before, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return;
    }
    while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE)) {
        RAW(futex, lock, FUTEX_WAIT, 2, 0);
    }
}

void __twin_unlock(uint32_t *lock) {
    if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2) {
        RAW(futex, lock, FUTEX_WAKE, 1);
    }
}

int __twin_others_are_away(void) {
    EACH_THREAD(thread) {
        if (thread != &self && __atomic_load_n(&thread->away, __ATOMIC_SEQ_CST)) {
            return 1;
        }
    }
    return 0;
}

static uint64_t first_native_stack(void) { return (uint64_t)__twin_native_stack + NATIVE_STACK_SIZE; }

// In the memory of this process, with a guard; returns its end, or 0.
uint64_t __twin_map_native_stack(void) {
    long start = RAW(mmap, 0, GUARD + NATIVE_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start < 0) {
        return 0;
    }
    RAW(mprotect, start, GUARD, PROT_NONE);
    return (uint64_t)start + GUARD + NATIVE_STACK_SIZE;
}

// Of a thread that did not start.
void __twin_unmap_native_stack(uint64_t end) {
    RAW(munmap, end - NATIVE_STACK_SIZE - GUARD, GUARD + NATIVE_STACK_SIZE);
}

// The end of the thread that is on this stack.
_Noreturn void __twin_exit_native_stack(uint64_t end) {
    uint64_t size = end == first_native_stack() ? 0 : GUARD + NATIVE_STACK_SIZE;
    __twin_unmap_and_exit(end - size, size);
}

// Of a process that starts: until musl has made the TLS block, the thread pointer is `boot_tp`.
void __twin_first_thread(void) {
    struct thread *first = &state.threads[0];
    first->in_use = 1;
    first->id = (int32_t)RAW(gettid);
    first->native_stack[THIS_ISA - 1] = first_native_stack();
    first->altstack.flags = SS_DISABLE;
    first->registers.tp = (uint64_t)state.boot_tp;
    state.boot_tp[0] = first->registers.tp;
    state.boot_tp[1] = (uint64_t)first;
    set_thread_pointer(first->registers.tp);
    state.thread_count = state.thread_slots = 1;
}

void __twin_nudge(const struct thread *thread) {
    struct siginfo nudge = {.signal = SIGURG, .code = SI_QUEUE, .queue.value = NUDGE_MAGIC};
    RAW(rt_tgsigqueueinfo, state.pid, thread->id, SIGURG, &nudge);
}

// In the handler of a nudge, of a thread on either side.
void __twin_wait_paused(void) {
    uint32_t pause = __atomic_load_n(&state.pause, __ATOMIC_SEQ_CST);
    if (pause % 2) {
        __atomic_add_fetch(&state.paused, 1, __ATOMIC_SEQ_CST);
        RAW(futex, &state.paused, FUTEX_WAKE, 1);
        while (__atomic_load_n(&state.pause, __ATOMIC_SEQ_CST) == pause) {
            RAW(futex, &state.pause, FUTEX_WAIT, pause, 0);
        }
    }
}

static void wait_for_paused(uint32_t wanted) {
    uint32_t paused;
    while ((paused = __atomic_load_n(&state.paused, __ATOMIC_SEQ_CST)) < wanted) {
        RAW(futex, &state.paused, FUTEX_WAIT, paused, 0);
    }
}

// Under `state.lock`, for fork: memory is copied as it is at one moment.
void __twin_pause_others(void) {
    uint32_t count = 0, visitors = 0;
    state.paused = 0;
    __atomic_add_fetch(&state.pause, 1, __ATOMIC_SEQ_CST);
    EACH_THREAD(thread) {
        if (thread != &self) {
            count++;
            visitors += thread->has_visitor;
            __twin_nudge(thread);
        }
    }
    wait_for_paused(count);
    if (visitors) {
        __twin_visitor_pause();
        wait_for_paused(count + visitors);
    }
}

void __twin_unpause_others(void) {
    __atomic_add_fetch(&state.pause, 1, __ATOMIC_SEQ_CST);
    RAW(futex, &state.pause, FUTEX_WAKE, MAX_THREADS * 2);
}

// Of a child of fork: its other threads are the parent's.
void __twin_only_thread(void) {
    state.pause = state.atomic_lock = 0;
    EACH_THREAD(thread) { thread->in_use = thread == &self; }
    state.thread_count = 1;
    self.id = (int32_t)RAW(gettid);
    self.has_visitor = 0;
    self.hop[0].complete = self.hop[1].complete = 0;
}

// Of a process that exec made: it has one thread, as it had before.
void __twin_resumed_thread(void) {
    EACH_THREAD(thread) {
        thread->native_stack[THIS_ISA - 1] = first_native_stack();
        thread->sides[OWNER] = (struct side){.deferring = 0};
        set_thread_pointer(thread->registers.tp);
    }
    self.id = (int32_t)RAW(gettid);
    RAW(set_tid_address, self.clear_id);
}

static struct thread *free_thread(void) {
    for (uint32_t i = 0; i < state.thread_slots; i++) {
        if (!state.threads[i].in_use) {
            return &state.threads[i];
        }
    }
    return state.thread_slots < MAX_THREADS ? &state.threads[state.thread_slots] : 0;
}

static long open_window(void *unused) {
    (void)unused;
    uint64_t copied;
    struct rlimit limit;
    __twin_kernel_mask(ALL_SIGNALS);
    __twin_lift_file_limit(&limit);
    long error = __twin_window_open(&copied);
    __twin_restore_file_limit(&limit);
    __twin_kernel_mask(self.mask);
    return error;
}

static long map_alloca_stack(struct alloca_stack *stack) {
    long start = __twin_mmap(0, ALLOCA_STACK + GUARD, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start < 0) {
        return start;
    }
    uint64_t limit = (uint64_t)start + ALLOCA_STACK;
    *stack = (struct alloca_stack){(uint64_t)start, limit};
    return __twin_mprotect(limit, GUARD, PROT_NONE);
}

static void unmap_alloca_stack(const struct alloca_stack *stack) {
    __twin_munmap(stack->limit - ALLOCA_STACK, ALLOCA_STACK + GUARD);
}

static void start(void) {
    write_fp_environment(self.registers.fp_environment);
    here.deferring = 0;
    __twin_deliver();
    __twin_enter_thread(self.registers.sp);
}

// clone, under `state.lock`, as musl makes a thread: on its stack lie a uniform function and two arguments for it. Memory is
// moved into the window now, while nobody else can change it.
long __twin_start_thread(const long *arguments) {
    const uint64_t flags = (uint64_t)arguments[0], tp = (uint64_t)arguments[4];
    if ((flags & ~(uint64_t)CLONE_ARGUMENTS_ONLY) != CLONE_OF_THREAD || !(flags & CLONE_SETTLS)) {
        return -ENOSYS;
    }
    struct thread *thread = free_thread();
    if (!thread) {
        return -EAGAIN;
    }
    if (process.window < 0 && __twin_on_native_stack(open_window, 0) < 0) {
        return -EAGAIN;
    }
    *thread = (struct thread){
        .mask = self.mask, .altstack.flags = SS_DISABLE, .sides[OWNER].deferring = 1,
        .registers = {.sp = (uint64_t)arguments[1], .tp = tp, .fp_environment = self.registers.fp_environment},
        .requested_isa = self.away ? OTHER_ISA : NO_ISA, .wanted = self.away != 0,
    };
    uint64_t stack = __twin_map_native_stack();
    if (!stack) {
        return -EAGAIN;
    }
    if (map_alloca_stack(&thread->alloca) < 0) {
        __twin_unmap_native_stack(stack);
        return -EAGAIN;
    }
    thread->native_stack[THIS_ISA - 1] = stack;
    ((uint64_t *)tp)[0] = tp;
    ((struct thread **)tp)[1] = thread;
    struct clone clone = {flags, stack, (int32_t *)arguments[2], (int32_t *)arguments[3], tp, start};
    state.thread_count++;
    __atomic_store_n(&thread->in_use, 1, __ATOMIC_RELEASE);
    state.thread_slots += thread == &state.threads[state.thread_slots];
    __twin_update_poll();
    long id = __twin_clone(&clone);
    if (id < 0) {
        thread->in_use = 0;
        state.thread_count--;
        unmap_alloca_stack(&thread->alloca);
        __twin_unmap_native_stack(stack);
    } else {
        thread->id = (int32_t)id;
    }
    return id;
}

// Signals for the process that this thread took, and did not come to handle.
static void pass_on_signals(void) {
    for (int i = 0; i < MAX_SIGNALS_QUEUED; i++) {
        if (self.queue[i].status == SLOT_FULL && self.queue[i].info.code != SI_TKILL) {
            RAW(kill, state.pid, self.queue[i].info.signal);
        }
    }
}

// Under `state.lock`, of a thread that is not the last one; unmaps its stack if it has a size.
_Noreturn void __twin_end_thread(uint64_t unmapped, uint64_t size) {
    __twin_kernel_mask(ALL_SIGNALS);
    __twin_visitor_end_thread();
    pass_on_signals();
    struct thread *thread = &self; // the way to it may lie in what is unmapped
    unmap_alloca_stack(&thread->alloca);
    if (size) {
        __twin_munmap(unmapped, size);
    }
    uint64_t stack = thread->native_stack[THIS_ISA - 1];
    state.thread_count--;
    __atomic_store_n(&thread->in_use, 0, __ATOMIC_RELEASE);
    __twin_unlock(&state.lock);
    __twin_exit_native_stack(stack);
}
