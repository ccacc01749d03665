#if defined(__x86_64__)
#include "x86_64/start.inc"
#else
#include "aarch64/start.inc"
#endif

    .section .note.GNU-stack,"",%progbits
