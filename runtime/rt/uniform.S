#if defined(__x86_64__)
#include "x86_64/uniform.S"
#else
#include "aarch64/uniform.S"
#endif

    .section .note.GNU-stack,"",%progbits
