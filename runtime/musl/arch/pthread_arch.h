/* Thread-local storage lies above the thread pointer on both ISAs, behind two words: the pointer itself and
 * one of the runtime's. */
static inline uintptr_t __get_tp()
{
	return (uintptr_t)__builtin_thread_pointer();
}

#define TLS_ABOVE_TP
#define GAP_ABOVE_TP 16

#define MC_PC gregs[REG_RIP]
