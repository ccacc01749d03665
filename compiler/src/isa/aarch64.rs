//! aarch64: instructions of 4 bytes; the prologue stores the frame record {x29, x30} at CFA-16.

use super::Isa;

#[derive(Debug)]
pub struct Aarch64;

/// What is never run: `brk #1`.
const TRAP: u32 = 0xd420_0020;
const NOP: u32 = 0xd503_201f;
/// `b` to itself; it reaches 128 MiB.
const JUMP: u32 = 0x1400_0000;
/// The opcode of `b.cond`, and which bits are opcode.
const CONDITIONAL: [u32; 2] = [0x5400_0000, 0xff00_0000];
/// The same for `cbz`, `cbnz`, `tbz` and `tbnz`.
const TESTING: [u32; 2] = [0x3400_0000, 0x7c00_0000];
/// More take longer than a jump.
const MOST_NOPS: u32 = 2;

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
        // Registers whose size is known at run time only have no place in frames of one size. The others are more than
        // `twin verify` can read.
        "-sve,-sme,-bf16,-i8mm,-mops,-cssc"
    }

    fn granule(&self) -> u64 {
        4
    }

    fn padding(&self, bytes: u64, executed: bool) -> Vec<u8> {
        let words = bytes as u32 / 4;
        let (first, others) = match words {
            _ if !executed => (TRAP, TRAP),
            ..=MOST_NOPS => (NOP, NOP),
            _ => (JUMP | words, TRAP),
        };
        (0..words).flat_map(|n| if n == 0 { first } else { others }.to_le_bytes()).collect()
    }

    fn opposite(&self, instruction: u32) -> u32 {
        // The lowest bit of a condition or of the opcode.
        let bit = match instruction {
            _ if instruction & CONDITIONAL[1] == CONDITIONAL[0] => 1,
            _ if instruction & TESTING[1] == TESTING[0] => 1 << 24,
            _ => panic!("{instruction:x} is no conditional branch"),
        };
        instruction ^ bit
    }
}

#[cfg(test)]
mod tests {
    use super::Aarch64;
    use crate::isa::Isa;

    #[test]
    fn branches_have_opposites() {
        for (branch, opposite) in [
            (0x3600_0001, 0x3700_0001), // tbz w1, #0
            (0xb748_0002, 0xb648_0002), // tbnz x2, #41
            (0xb400_0003, 0xb500_0003), // cbz x3
            (0x3500_0004, 0x3400_0004), // cbnz w4
            (0x5400_0000, 0x5400_0001), // b.eq
            (0x5400_000d, 0x5400_000c), // b.le
        ] {
            assert_eq!(Aarch64.opposite(branch), opposite);
            assert_eq!(Aarch64.opposite(opposite), branch);
        }
    }

    #[test]
    fn long_padding_is_jumped_over() {
        let words = |bytes, executed| {
            let code = Aarch64.padding(bytes, executed);
            code.chunks(4).map(|w| u32::from_le_bytes(w.try_into().expect("four bytes"))).collect::<Vec<_>>()
        };
        assert_eq!(words(8, true), [0xd503_201f; 2]);
        assert_eq!(words(12, true), [0x1400_0003, 0xd420_0020, 0xd420_0020]);
        assert_eq!(words(12, false), [0xd420_0020; 3]);
    }
}
