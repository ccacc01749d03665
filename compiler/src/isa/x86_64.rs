//! x86-64: instructions of 1 to 15 bytes; `call` pushes the return address, so that it lies at CFA-8 by itself.

use super::Isa;

pub struct X86_64;

/// Bytes of no-operations (at most 10 bytes each without a cost in decoding) that take no longer than a jump.
const MOST_NOPS: u64 = 20;

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
        // aarch64 has atomic operations on 16 bytes as well. APX is more than `twin verify` can read.
        "+cx16,-egpr,-push2pop2,-ppx,-ndd,-ccmp,-nf,-zu"
    }

    fn assembler_features(&self) -> &'static str {
        ""
    }

    fn granule(&self) -> u64 {
        1
    }

    fn padding(&self, bytes: u64, executed: bool) -> String {
        let trap = |bytes: u64| format!("\t.skip\t{bytes}, 0xcc\n");
        match bytes {
            _ if !executed => trap(bytes),
            ..=MOST_NOPS => format!("\t.nops\t{bytes}\n"),
            // Encoded here: the assembler would choose the length of the jump anew.
            _ if bytes - 2 < 128 => format!("\t.byte\t0xeb, {}\n{}", bytes - 2, trap(bytes - 2)),
            _ => format!("\t.byte\t0xe9\n\t.long\t{}\n{}", bytes - 5, trap(bytes - 5)),
        }
    }

    fn trap(&self) -> &'static str {
        "\tud2"
    }

    /// The assembler chooses the length of each branch itself.
    fn far_branch(&self, _: &str) -> Option<String> {
        None
    }
}
