#if defined(__x86_64__)
#include "x86_64/start.S"
#else
#include "aarch64/start.S"
#endif

    .section .note.GNU-stack,"",%progbits
