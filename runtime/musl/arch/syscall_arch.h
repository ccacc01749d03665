/* The system-call ABI is x86-64 Linux on both ISAs; the runtime translates where needed. */
#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

/* Each number of arguments has an entry of its own: zeros for the others would be most of the code of a call. */
long __twin_syscall0(long n);
long __twin_syscall1(long n, long a);
long __twin_syscall2(long n, long a, long b);
long __twin_syscall3(long n, long a, long b, long c);
long __twin_syscall4(long n, long a, long b, long c, long d);
long __twin_syscall5(long n, long a, long b, long c, long d, long e);
long __twin_syscall(long n, long a, long b, long c, long d, long e, long f);

static inline long __syscall0(long n) { return __twin_syscall0(n); }
static inline long __syscall1(long n, long a) { return __twin_syscall1(n, a); }
static inline long __syscall2(long n, long a, long b) { return __twin_syscall2(n, a, b); }
static inline long __syscall3(long n, long a, long b, long c) { return __twin_syscall3(n, a, b, c); }
static inline long __syscall4(long n, long a, long b, long c, long d) { return __twin_syscall4(n, a, b, c, d); }
static inline long __syscall5(long n, long a, long b, long c, long d, long e)
{
	return __twin_syscall5(n, a, b, c, d, e);
}
static inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	return __twin_syscall(n, a, b, c, d, e, f);
}

#define IPC_64 0
