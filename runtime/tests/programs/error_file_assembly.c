// Assembly outside functions is refused as well.
//#Error: error_file_assembly.c: file-scope assembly is not supported: `.globl start_here`
__asm__(".globl start_here\nstart_here:");

int main(void) { return 0; }
