/* One floating-point environment for both ISAs; constants are those of x86. */
#define FE_INVALID    1
#define __FE_DENORM   2
#define FE_DIVBYZERO  4
#define FE_OVERFLOW   8
#define FE_UNDERFLOW  16
#define FE_INEXACT    32

#define FE_ALL_EXCEPT 61

#define FE_TONEAREST  0
#define FE_DOWNWARD   0x400
#define FE_UPWARD     0x800
#define FE_TOWARDZERO 0xc00

typedef unsigned short fexcept_t;

typedef struct {
	unsigned short __round;
	unsigned short __except;
	unsigned int __unused[7];
} fenv_t;

#define FE_DFL_ENV      ((const fenv_t *) -1)
