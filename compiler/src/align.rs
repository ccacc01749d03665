//! Gives every uniform call the same return address on both ISAs, by padding between call sites.
//!
//! Works on assembly text, where the assembler redoes branches and tables. Padding goes behind the last instruction
//! before the call that control never falls through, if there is one since the call before, else right in front
//! of the call. It only ever grows, so that the iteration ends: branch relaxation and alignment directives
//! react to padding.

use crate::codegen::assemble;
use crate::isa::{Isa, both};
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

/// Section with the offsets of all call sites and ends of functions; the linker drops it.
const OFFSETS: &str = ".twin.offsets";
/// Functions end at multiples of this.
const FUNCTION_ALIGN: u64 = 16;
/// More rounds than any program has been seen to need; two are usual.
const MAX_ROUNDS: usize = 64;

/// A place in one ISA's text where padding can go.
struct Gap {
    /// Name of the label behind it, for matching with the other ISA.
    label: String,
    /// Line in front of which padding is inserted.
    line: usize,
    /// Whether control runs through it.
    executed: bool,
    /// Bytes of padding so far.
    padding: u64,
    /// Whether this is the end of a function.
    end: bool,
    /// Offset of the label in its function, as last assembled.
    offset: u64,
}

/// One ISA's assembly with its gaps.
struct Text<'a> {
    isa: &'static dyn Isa,
    lines: Vec<&'a str>,
    /// Lines behind which the begin label of a function goes.
    begins: Vec<usize>,
    gaps: Vec<Gap>,
    object: Vec<u8>,
}

/// Assembles both texts (home first) into objects with equal return addresses and function sizes.
///
/// # Errors
/// If the texts do not have the same call sites in the same order, or an assembler refuses.
pub fn run(texts: &[String; 2]) -> Result<[Vec<u8>; 2]> {
    let isas = both();
    let mut texts = [Text::parse(isas[0], &texts[0]), Text::parse(isas[1], &texts[1])];
    let labels = texts.each_ref().map(|t| t.gaps.iter().map(|g| g.label.as_str()).collect::<Vec<_>>());
    if labels[0] != labels[1] {
        let odd = labels[0].iter().zip(&labels[1]).find(|(a, b)| a != b);
        bail!("internal error: call sites differ between the ISAs: {odd:?}");
    }
    let mut stale = [true, true];
    for _ in 0..MAX_ROUNDS {
        let [home, visitor] = &mut texts;
        std::thread::scope(|scope| -> Result<()> {
            let other = stale[1].then(|| scope.spawn(|| visitor.assemble()));
            if stale[0] {
                home.assemble()?;
            }
            match other {
                Some(thread) => thread.join().unwrap_or_else(|_| bail!("assembler panicked")),
                None => Ok(()),
            }
        })?;
        stale = pad(&mut texts);
        if stale == [false, false] {
            return Ok(texts.map(|t| t.object));
        }
    }
    bail!("internal error: return addresses could not be aligned in {MAX_ROUNDS} rounds")
}

/// Adds the padding that is missing; tells which texts have changed.
fn pad(texts: &mut [Text; 2]) -> [bool; 2] {
    let granule = texts.iter().map(|t| t.isa.granule()).max().expect("two texts");
    let mut added = [0, 0];
    let mut changed = [false, false];
    for k in 0..texts[0].gaps.len() {
        let end = texts[0].gaps[k].end;
        let multiple = if end { FUNCTION_ALIGN } else { granule };
        let at = [0, 1].map(|i| texts[i].gaps[k].offset + added[i]);
        let target = at[0].max(at[1]).next_multiple_of(multiple);
        for i in [0, 1] {
            let missing = target - at[i];
            if missing > 0 {
                texts[i].gaps[k].padding += missing;
                changed[i] = true;
                added[i] += missing;
            }
        }
        if end {
            added = [0, 0];
        }
    }
    changed
}

impl<'a> Text<'a> {
    fn parse(isa: &'static dyn Isa, text: &'a str) -> Text<'a> {
        let lines: Vec<&str> = text.lines().collect();
        let mut begins = Vec::new();
        let mut gaps = Vec::new();
        let mut function: Option<&str> = None;
        let mut inside = false;
        let mut last_instruction = 0;
        let mut barrier = None;
        for (number, line) in lines.iter().enumerate() {
            if let Some(rest) = line.strip_prefix("\t.type\t")
                && let Some((name, "@function")) = rest.rsplit_once(',')
            {
                function = Some(name);
            } else if let Some(label) = line.strip_suffix(':') {
                if Some(label) == function {
                    begins.push(number);
                    inside = true;
                    barrier = None;
                } else if inside && (label.starts_with(".Ltwin") || label.starts_with(".Lfunc_end")) {
                    let end = label.starts_with(".Lfunc_end");
                    let (line, executed) = match barrier {
                        _ if end => (number, false),
                        Some(behind) => (behind, false),
                        None => (last_instruction, true),
                    };
                    gaps.push(Gap { label: label.to_owned(), line, executed, padding: 0, end, offset: 0 });
                    barrier = None;
                    if end {
                        inside = false;
                        function = None;
                    }
                }
            } else if let Some(instruction) = line.strip_prefix('\t') {
                if instruction.starts_with(".p2align") {
                    // Padding in front of an alignment directive may be swallowed by it.
                    barrier = None;
                } else if !instruction.starts_with('.') {
                    last_instruction = number;
                    if isa.is_barrier(instruction.split_whitespace().next().unwrap_or_default()) {
                        barrier = Some(number + 1);
                    }
                }
            }
        }
        Text { isa, lines, begins, gaps, object: Vec::new() }
    }

    fn render(&self) -> String {
        let mut out = String::with_capacity(self.lines.iter().map(|l| l.len() + 1).sum::<usize>() + 4096);
        let mut begins = self.begins.iter().enumerate().peekable();
        let mut gaps = self.gaps.iter().peekable();
        for (number, line) in self.lines.iter().enumerate() {
            while let Some(gap) = gaps.next_if(|g| g.line == number) {
                if gap.padding > 0 {
                    out.push_str(&self.isa.padding(gap.padding, gap.executed));
                }
            }
            out.push_str(line);
            out.push('\n');
            if let Some((index, _)) = begins.next_if(|(_, at)| **at == number) {
                out.push_str(&format!(".Ltwin_begin{index}:\n"));
            }
        }
        out.push_str(&format!("\t.section\t{OFFSETS},\"e\",@progbits\n"));
        let mut function = 0;
        for gap in &self.gaps {
            out.push_str(&format!("\t.4byte\t{}-.Ltwin_begin{function}\n", gap.label));
            function += usize::from(gap.end);
        }
        out
    }

    fn assemble(&mut self) -> Result<()> {
        self.object = assemble(self.isa, &self.render())?;
        let file = object::File::parse(&*self.object).context("own object")?;
        let section = file.section_by_name(OFFSETS).context("own object has no offsets")?;
        let data = section.data()?;
        for (gap, bytes) in self.gaps.iter_mut().zip(data.chunks_exact(4)) {
            gap.offset = u32::from_le_bytes(bytes.try_into().expect("four bytes")).into();
        }
        Ok(())
    }
}
