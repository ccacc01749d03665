//! aarch64: instructions of 4 bytes; the prologue stores the frame record {x29, x30} at CFA-16.

use super::Isa;

pub struct Aarch64;

/// `nop` and `brk #1`.
const NOP: u32 = 0xd503_201f;
const BRK: u32 = 0xd420_0020;

impl Isa for Aarch64 {
    fn name(&self) -> &'static str {
        "aarch64"
    }

    fn triple(&self) -> &'static str {
        "aarch64-unknown-linux-musl"
    }

    fn cpu(&self) -> &'static str {
        "generic"
    }

    fn features(&self) -> &'static str {
        ""
    }

    fn granule(&self) -> u64 {
        4
    }

    fn is_barrier(&self, mnemonic: &str) -> bool {
        matches!(mnemonic, "b" | "br" | "ret" | "brk" | "udf")
    }

    fn padding(&self, bytes: u64, executed: bool) -> String {
        format!("\t.fill\t{}, 4, {:#x}\n", bytes / 4, if executed { NOP } else { BRK })
    }
}
