// The kernel's own interface: a system call of the x86-64 ABI on the ISA that this is.
#include "twin.h"

#if defined(__x86_64__)
#include "x86_64/kernel.inc"
#else
#include "aarch64/kernel.inc"
#endif
