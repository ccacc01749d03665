//! x86-64: instructions of 1 to 15 bytes; `call` pushes the return address, so that it lies at CFA-8 by itself.

use super::Isa;

pub struct X86_64;

impl Isa for X86_64 {
    fn name(&self) -> &'static str {
        "x86_64"
    }

    fn triple(&self) -> &'static str {
        "x86_64-unknown-linux-musl"
    }

    fn cpu(&self) -> &'static str {
        "x86-64"
    }

    fn features(&self) -> &'static str {
        ""
    }

    fn granule(&self) -> u64 {
        1
    }

    fn is_barrier(&self, mnemonic: &str) -> bool {
        matches!(mnemonic, "jmp" | "jmpq" | "ret" | "retq" | "ud2")
    }

    fn padding(&self, bytes: u64, executed: bool) -> String {
        if executed { format!("\t.nops\t{bytes}\n") } else { format!("\t.skip\t{bytes}, 0xcc\n") }
    }
}
