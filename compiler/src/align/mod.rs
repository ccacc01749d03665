//! Gives every uniform call the same return address on both ISAs, by padding between call sites.
//!
//! Works on assembly text, where the assembler redoes branches and tables. Padding goes where the machine passes found
//! it to cost least (`shim/pad.cpp`), or else right in front of the call. Each round assembles, takes the lengths of the
//! code between the marks, and solves for the padding; another round is needed only if branches have changed their
//! length, and it assembles only the functions in which that has moved something. The last round assembles everything.

mod text;

use crate::isa::both;
use crate::times::{self, Phase};
use anyhow::{Result, bail};
use std::collections::HashSet;
use text::{Function, Place, Text};

/// Functions end at multiples of this.
const FUNCTION_ALIGN: u64 = 16;
/// From this round on padding only grows, so that branches which keep changing their length come to rest.
const GROWING_ROUNDS: usize = 8;
/// More rounds than any program has been seen to need; two are usual.
const MAX_ROUNDS: usize = 64;

/// What is between two stretches of code of one ISA.
enum Mark {
    /// Begin of a function.
    Begin,
    /// Where padding for the next site can go, and whether control runs through it.
    Padding { bytes: u64, executed: bool },
    /// An alignment directive: to a multiple of `to` bytes unless that takes more than `limit`.
    Align { to: u64, limit: u64 },
    /// A return address (or the end of a function) that must be at one offset on both ISAs, and the line of the call.
    Site { end: bool, call: usize },
}

/// Assembles both texts (home first) into objects with equal return addresses and function sizes.
///
/// # Errors
/// If the texts do not have the same call sites in the same order, or an assembler refuses.
pub fn run(texts: &[String; 2]) -> Result<[Vec<u8>; 2]> {
    let _time = times::start(Phase::Padding(0));
    let isas = both();
    let mut texts = [Text::parse(isas[0], &texts[0]), Text::parse(isas[1], &texts[1])];
    keep_common(&mut texts);
    let labels = texts.each_ref().map(|t| t.sites().map(|(_, p)| p.label).collect::<Vec<_>>());
    if labels[0] != labels[1] {
        let odd = labels[0].iter().zip(&labels[1]).find(|(a, b)| a != b);
        bail!("internal error: call sites differ between the ISAs: {odd:?}");
    }
    let functions = texts[0].functions.len();
    let mut moved: Vec<usize> = (0..functions).collect();
    for round in 0..MAX_ROUNDS {
        // The second round is often the last, so that it tries for the whole.
        let whole = round == 1 || moved.is_empty();
        let assemble = |text: &mut Text| if whole { text.assemble() } else { text.measure(&moved) };
        times::round();
        let [home, visitor] = &mut texts;
        std::thread::scope(|scope| -> Result<()> {
            let other = scope.spawn(|| {
                let _time = times::start(Phase::Padding(1));
                assemble(visitor)
            });
            assemble(home)?;
            other.join().unwrap_or_else(|_| bail!("assembler panicked"))
        })?;
        moved = (0..functions).filter(|&n| !aligned(texts.each_ref().map(|t| &t.functions[n]))).collect();
        if whole && moved.is_empty() {
            return Ok(texts.map(|t| t.object));
        }
        for &n in &moved {
            solve(texts.each_mut().map(|t| &mut t.functions[n]), round >= GROWING_ROUNDS);
        }
    }
    bail!("internal error: return addresses could not be aligned in {MAX_ROUNDS} rounds")
}

/// Forgets the sites that one code generator has found to be unreachable.
fn keep_common(texts: &mut [Text; 2]) {
    let labels = texts.each_ref().map(|t| t.sites().map(|(_, p)| p.label).collect::<HashSet<_>>());
    for (text, other) in texts.iter_mut().zip(labels.iter().rev()) {
        text.keep_sites(|label| other.contains(label));
    }
}

/// What the offset of a site must be a multiple of.
fn granule(end: bool) -> u64 {
    if end { FUNCTION_ALIGN } else { both().iter().map(|isa| isa.granule()).max().expect("two ISAs") }
}

/// Whether a function came out with all sites at the same offsets.
fn aligned([home, visitor]: [&Function; 2]) -> bool {
    home.sites().zip(visitor.sites()).all(|((end, a), (_, b))| a.offset == b.offset && a.offset % granule(end) == 0)
}

/// Chooses the padding of all sites of a function anew, or only adds to it.
fn solve(functions: [&mut Function; 2], grow: bool) {
    let mut walks = functions.map(|f| Walk { places: &mut f.places, grow, next: 0, position: 0, padding: None });
    while let Some(end) = walks[0].walk_to_site() {
        walks[1].walk_to_site();
        let target = walks[0].position.max(walks[1].position).next_multiple_of(granule(end));
        for walk in &mut walks {
            walk.pad_to(target);
        }
    }
}

/// Follows the marks of one function and says where they would be.
struct Walk<'f, 'a> {
    places: &'f mut [Place<'a>],
    grow: bool,
    next: usize,
    /// Where the mark that was passed last would be, with its padding.
    position: u64,
    /// The padding mark for the next site.
    padding: Option<usize>,
}

impl Walk<'_, '_> {
    /// Goes to the next site; tells whether it is the end of a function, or `None` if there is none.
    fn walk_to_site(&mut self) -> Option<bool> {
        while self.next < self.places.len() {
            let n = self.next;
            self.next += 1;
            let place = &self.places[n];
            if let Some(before) = n.checked_sub(1).map(|n| &self.places[n]) {
                self.position += place.offset - before.offset - before.mark.length(before.offset);
            }
            match place.mark {
                Mark::Begin => {}
                Mark::Align { .. } => self.position += place.mark.length(self.position),
                Mark::Padding { bytes, .. } => {
                    self.padding = Some(n);
                    self.position += if self.grow { bytes } else { 0 };
                }
                Mark::Site { end, .. } => return Some(end),
            }
        }
        None
    }

    /// Lengthens the padding before the site so that it comes to be at `target`.
    fn pad_to(&mut self, target: u64) {
        let missing = target - self.position;
        self.position = target;
        if let Some(n) = self.padding.take()
            && let Mark::Padding { bytes, .. } = &mut self.places[n].mark
        {
            *bytes = missing + if self.grow { *bytes } else { 0 };
        }
    }
}

impl Mark {
    /// Bytes that it takes at `offset` of its function.
    fn length(&self, offset: u64) -> u64 {
        match *self {
            Mark::Begin | Mark::Site { .. } => 0,
            Mark::Padding { bytes, .. } => bytes,
            Mark::Align { to, limit } => {
                let bytes = offset.next_multiple_of(to) - offset;
                if bytes > limit { 0 } else { bytes }
            }
        }
    }

    /// Reads `.p2align N[, FILL[, LIMIT]]`.
    fn align(operands: &str) -> Mark {
        let mut operands = operands.split(',').map(str::trim);
        let log = operands.next().and_then(|o| o.parse().ok()).unwrap_or(0);
        let limit = operands.nth(1).and_then(|o| o.parse().ok()).unwrap_or(u64::MAX);
        Mark::Align { to: 1 << log, limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};

    /// Calls of functions named by letters, as a code generator writes them.
    fn text(call: &str, callees: &str) -> String {
        let calls = callees.chars().map(|name| format!("\t{call}\t{name}\n.Ltwin0_{name}:\n"));
        let calls: String = calls.collect();
        format!(
            "\t.section\t.text.f,\"ax\",@progbits\n\t.globl\tf\n\t.type\tf,@function\nf:\n{calls}.Lfunc_end0:\n\t.size\tf, .Lfunc_end0-f\n"
        )
    }

    #[test]
    fn a_call_that_one_isa_lost_is_a_trap() {
        crate::codegen::initialise();
        let called = |object: &[u8]| {
            let file = object::File::parse(object).expect("own object");
            let section = file.section_by_name(".text.f").expect("has code");
            let name = |target| match target {
                RelocationTarget::Symbol(index) => {
                    file.symbol_by_index(index).expect("a symbol").name().map(str::to_owned)
                }
                _ => Ok(String::new()),
            };
            let calls: String = section.relocations().map(|(_, r)| name(r.target()).expect("a name")).collect();
            (calls, section.data().expect("has code").to_vec())
        };
        let [home, visitor] = run(&[text("callq", "abc"), text("bl", "ac")]).expect("aligned");
        let ((calls, code), (others, other_code)) = (called(&home), called(&visitor));
        assert_eq!((calls.as_str(), others.as_str()), ("ac", "ac"));
        assert!(code.windows(2).any(|bytes| bytes == [0x0f, 0x0b]), "no ud2 in {code:x?}");
        assert_eq!(code.len(), other_code.len());
    }
}
