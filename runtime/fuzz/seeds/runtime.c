// What every program has of the runtime, as a native object.
__attribute__((section(".twin.shared"))) unsigned char __twin_poll;
static int private = 5;
void __twin_poll_mapped(void) { private++; }
