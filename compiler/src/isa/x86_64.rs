//! x86-64: instructions of 1 to 15 bytes; `call` pushes the return address, so that it lies at CFA-8 by itself.

use super::Isa;

#[derive(Debug)]
pub struct X86_64;

/// What is never run: `int3`.
const TRAP: u8 = 0xcc;
/// No-operations of 1 to 10 bytes, LLVM's.
const NOPS: [&[u8]; 10] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];
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

    fn granule(&self) -> u64 {
        1
    }

    fn padding(&self, bytes: u64, executed: bool) -> Vec<u8> {
        let mut code = Vec::new();
        match bytes {
            _ if !executed => {}
            ..=MOST_NOPS => {
                while code.len() < bytes as usize {
                    code.extend(NOPS[(bytes as usize - code.len()).min(NOPS.len()) - 1]);
                }
            }
            _ if bytes - 2 < 128 => code.extend([0xeb, bytes as u8 - 2]),
            _ => {
                code.push(0xe9);
                code.extend((bytes as u32 - 5).to_le_bytes());
            }
        }
        code.resize(bytes as usize, TRAP);
        code
    }

    fn opposite(&self, instruction: u32) -> u32 {
        unreachable!("{instruction:x}: all conditional branches have a long form")
    }
}

#[cfg(test)]
mod tests {
    use super::X86_64;
    use crate::isa::Isa;

    #[test]
    fn padding_has_the_length_that_is_asked_for() {
        for bytes in 0..300 {
            assert!([false, true].iter().all(|&executed| X86_64.padding(bytes, executed).len() == bytes as usize));
        }
        assert_eq!(X86_64.padding(13, true)[10..], [0x0f, 0x1f, 0]);
        assert_eq!(X86_64.padding(129, true)[..3], [0xeb, 127, 0xcc]);
        assert_eq!(X86_64.padding(130, true)[..6], [0xe9, 125, 0, 0, 0, 0xcc]);
    }
}
