// So does an intrinsic of one ISA.
//#Error: error_intrinsic.c:5: error: target intrinsic `llvm.x86.rdtsc` is not supported

int main(void) {
    return (int)__builtin_ia32_rdtsc();
}
