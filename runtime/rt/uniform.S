#if defined(__x86_64__)
#include "x86_64/uniform.inc"
#else
#include "aarch64/uniform.inc"
#endif

    .section .note.GNU-stack,"",%progbits
