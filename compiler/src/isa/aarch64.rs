//! aarch64: instructions of 4 bytes; the prologue stores the frame record {x29, x30} at CFA-16.

use super::Isa;

pub struct Aarch64;

/// What is never run.
const TRAP: &str = "brk\t#1";
/// Conditional branches of +-32 KiB or +-1 MiB in pairs of opposites; `b` reaches 128 MiB.
const OPPOSITES: [[&str; 2]; 9] = [
    ["tbz", "tbnz"],
    ["cbz", "cbnz"],
    ["b.eq", "b.ne"],
    ["b.hs", "b.lo"],
    ["b.mi", "b.pl"],
    ["b.vs", "b.vc"],
    ["b.hi", "b.ls"],
    ["b.ge", "b.lt"],
    ["b.gt", "b.le"],
];
/// More take longer than a jump.
const MOST_NOPS: u64 = 2;

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

    fn padding(&self, bytes: u64, executed: bool) -> String {
        let fill = |words: u64, instruction: &str| format!("\t.rept\t{words}\n\t{instruction}\n\t.endr\n");
        match (bytes / 4, executed) {
            (words, false) => fill(words, TRAP),
            (words @ ..=MOST_NOPS, true) => fill(words, "nop"),
            (words, true) => format!("\tb\t#{bytes}\n{}", fill(words - 1, TRAP)),
        }
    }

    fn far_branch(&self, line: &str) -> Option<String> {
        let (mnemonic, operands) = line.trim_start().split_once('\t')?;
        let opposite = OPPOSITES.iter().find_map(|[a, b]| match mnemonic {
            _ if mnemonic == *a => Some(b),
            _ if mnemonic == *b => Some(a),
            _ => None,
        })?;
        // What is tested comes first.
        let (tested, target) = operands.split_at(operands.rfind(' ').map_or(0, |space| space + 1));
        Some(format!("\t{opposite}\t{tested}#8\n\tb\t{target}"))
    }
}
