/* The floating-point environment of each ISA, in the terms of x86 (arch/bits/fenv.h). Native code. */
#include <fenv.h>

#if defined(__x86_64__)

static unsigned get(void)
{
	unsigned mxcsr;
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return mxcsr;
}

static void set(unsigned mxcsr)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr) : "memory");
}

/* MXCSR has the flags in bits 0-5 and the rounding mode in bits 13-14. */
static unsigned flags(void) { return get() & FE_ALL_EXCEPT; }
static void set_flags(unsigned value) { set((get() & ~63u) | value); }
static unsigned rounding(void) { return get() >> 3 & 0xc00; }
static void set_rounding(unsigned value) { set((get() & ~0x6000u) | value << 3); }

#elif defined(__aarch64__)

static const unsigned except_bits[] = {FE_INVALID, FE_DIVBYZERO, FE_OVERFLOW, FE_UNDERFLOW, FE_INEXACT};

/* FPSR has the flags IOC DZC OFC UFC IXC in bits 0-4. */
static unsigned flags(void)
{
	unsigned long fpsr;
	unsigned value = 0;
	__asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
	for (int i = 0; i < 5; i++)
		if (fpsr >> i & 1) value |= except_bits[i];
	return value;
}

static void set_flags(unsigned value)
{
	unsigned long fpsr;
	__asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
	fpsr &= ~0x9ful;
	for (int i = 0; i < 5; i++)
		if (value & except_bits[i]) fpsr |= 1ul << i;
	__asm__ volatile("msr fpsr, %0" : : "r"(fpsr) : "memory");
}

/* FPCR has the rounding mode in bits 22-23: nearest, up, down, zero. */
static unsigned rounding(void)
{
	static const unsigned short modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
	unsigned long fpcr;
	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return modes[fpcr >> 22 & 3];
}

static void set_rounding(unsigned value)
{
	unsigned long fpcr, mode = value == FE_UPWARD ? 1 : value == FE_DOWNWARD ? 2 : value == FE_TOWARDZERO ? 3 : 0;
	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	fpcr = (fpcr & ~(3ul << 22)) | mode << 22;
	__asm__ volatile("msr fpcr, %0" : : "r"(fpcr) : "memory");
}

#endif

int feclearexcept(int mask)
{
	set_flags(flags() & ~mask);
	return 0;
}

int feraiseexcept(int mask)
{
	set_flags(flags() | (mask & FE_ALL_EXCEPT));
	return 0;
}

int fetestexcept(int mask)
{
	return flags() & mask;
}

int fegetround(void)
{
	return rounding();
}

int __fesetround(int value)
{
	set_rounding(value);
	return 0;
}

int fegetenv(fenv_t *env)
{
	env->__round = rounding();
	env->__except = flags();
	return 0;
}

int fesetenv(const fenv_t *env)
{
	int dfl = env == FE_DFL_ENV;
	set_rounding(dfl ? FE_TONEAREST : env->__round);
	set_flags(dfl ? 0 : env->__except);
	return 0;
}
