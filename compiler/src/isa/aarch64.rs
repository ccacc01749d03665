//! aarch64: instructions of 4 bytes; the prologue stores the frame record {x29, x30} at CFA-16.

use super::Isa;

pub struct Aarch64;

/// What is never run.
const TRAP: &str = "\tbrk\t#1";
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
        // Registers whose size is known at run time only have no place in frames of one size. The others are more than
        // `twin verify` can read.
        "-sve,-sme,-bf16,-i8mm,-mops,-cssc"
    }

    fn assembler_features(&self) -> &'static str {
        "+all"
    }

    fn granule(&self) -> u64 {
        4
    }

    fn padding(&self, bytes: u64, executed: bool) -> String {
        let fill = |words: u64, instruction: &str| format!("\t.rept\t{words}\n{instruction}\n\t.endr\n");
        match (bytes / 4, executed) {
            (words, false) => fill(words, TRAP),
            (words @ ..=MOST_NOPS, true) => fill(words, "\tnop"),
            (words, true) => format!("\tb\t#{bytes}\n{}", fill(words - 1, TRAP)),
        }
    }

    fn trap(&self) -> &'static str {
        TRAP
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

#[cfg(test)]
mod tests {
    use crate::align::run;
    use crate::codegen::{assemble, initialise};
    use crate::isa::VISITOR;
    use object::{Object, ObjectSection};

    /// First two instructions of a function that begins with `branch` across a call in front of which home has
    /// `bytes` bytes of code more, and the offset of the branch's target.
    fn padded(branch: &str, bytes: u64) -> ([u32; 2], u64) {
        initialise();
        let text = |first: &str, call: &str, last: &str| {
            let body = format!("{first}\n\t{call}\tg\n.Ltwin0_0:\n.LBB0_1:\n\t{last}\n.Lfunc_end0:\n");
            format!("\t.text\n\t.type\tf,@function\nf:\n{body}")
        };
        let texts = [text(&format!("\t.zero\t{bytes}, 0x90"), "callq", "retq"), text(branch, "bl", "ret")];
        let [_, visitor] = run(&texts).expect("objects");
        let file = object::File::parse(&*visitor).expect("own object");
        let code = file.section_by_name(".text").expect("code").data().expect("code").to_vec();
        let word = |n: usize| u32::from_le_bytes(code[n * 4..][..4].try_into().expect("four bytes"));
        // A call of home's has five bytes.
        ([word(0), word(1)], (bytes + 5).next_multiple_of(4))
    }

    /// What the assembler makes of one instruction.
    fn word(instruction: &str) -> u32 {
        let object = assemble(VISITOR, &format!("\t{instruction}\n")).expect("an instruction");
        let file = object::File::parse(&*object).expect("own object");
        let code = file.section_by_name(".text").expect("code").data().expect("code");
        u32::from_le_bytes(code.try_into().expect("one instruction"))
    }

    #[test]
    fn branches_reach_across_padding() {
        let (bits, others) = (40_000, 1_100_000);
        for (branch, opposite, bytes) in [
            ("tbz\tw1, #3, ", "tbnz\tw1, #3, ", bits),
            ("tbnz\tx2, #40, ", "tbz\tx2, #40, ", bits),
            ("cbz\tx3, ", "cbnz\tx3, ", others),
            ("cbnz\tw4, ", "cbz\tw4, ", others),
            ("b.eq\t", "b.ne\t", others),
            ("b.lo\t", "b.hs\t", others),
            ("b.gt\t", "b.le\t", others),
        ] {
            let ([first, second], target) = padded(&format!("\t{branch}.LBB0_1"), bytes);
            let expected = [word(&format!("{opposite}#8")), word(&format!("b\t#{}", target - 4))];
            assert_eq!([first, second], expected, "{branch}");
        }
    }

    #[test]
    fn a_branch_that_reaches_its_target_stays() {
        let ([first, _], target) = padded("\ttbz\tw1, #3, .LBB0_1", 32_000);
        assert_eq!(first, word(&format!("tbz\tw1, #3, #{target}")));
    }
}
