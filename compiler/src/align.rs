//! Gives every uniform call the same return address on both ISAs, by padding between call sites.
//!
//! Works on assembly text, where the assembler redoes branches and tables. Padding goes where the machine passes found
//! it to cost least (`shim/pad.cpp`), or else right in front of the call. Each round assembles, takes the lengths of the code between the marks, and solves for the padding;
//! another round is needed only if branches have changed their length. A branch that the padding has put out of its
//! target's reach is written anew, in a form that reaches any distance.

use crate::codegen::{Refusal, assemble};
use crate::isa::{Isa, both};
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};
use std::borrow::Cow;
use std::collections::HashSet;

/// Section with the offsets of all marks; the linker drops it.
const OFFSETS: &str = ".twin.offsets";
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
    /// A return address (or the end of a function) that must be at one offset on both ISAs.
    Site { end: bool },
}

/// A mark in front of a line of text.
struct Place<'a> {
    mark: Mark,
    line: usize,
    /// Name of a site's label, for matching with the other ISA.
    label: &'a str,
    /// Offset in its function, as last assembled.
    offset: u64,
}

/// One ISA's assembly with its marks in order.
struct Text<'a> {
    isa: &'static dyn Isa,
    lines: Vec<Cow<'a, str>>,
    places: Vec<Place<'a>>,
    object: Vec<u8>,
}

/// Assembles both texts (home first) into objects with equal return addresses and function sizes.
///
/// # Errors
/// If the texts do not have the same call sites in the same order, or an assembler refuses.
pub fn run(texts: &[String; 2]) -> Result<[Vec<u8>; 2]> {
    let isas = both();
    let mut texts = [Text::parse(isas[0], &texts[0]), Text::parse(isas[1], &texts[1])];
    keep_common(&mut texts);
    let labels = texts.each_ref().map(|t| t.sites().map(|(_, p)| p.label).collect::<Vec<_>>());
    if labels[0] != labels[1] {
        let odd = labels[0].iter().zip(&labels[1]).find(|(a, b)| a != b);
        bail!("internal error: call sites differ between the ISAs: {odd:?}");
    }
    let mut stale = [true, true];
    for round in 0..MAX_ROUNDS {
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
        if aligned(&texts) {
            return Ok(texts.map(|t| t.object));
        }
        stale = solve(&mut texts, round >= GROWING_ROUNDS);
    }
    bail!("internal error: return addresses could not be aligned in {MAX_ROUNDS} rounds")
}

/// Forgets the sites that one code generator has found to be unreachable.
fn keep_common(texts: &mut [Text; 2]) {
    let labels = texts.each_ref().map(|t| t.sites().map(|(_, p)| p.label).collect::<HashSet<_>>());
    for (text, other) in texts.iter_mut().zip(labels.iter().rev()) {
        let is_lost = |place: &Place| matches!(place.mark, Mark::Site { .. }) && !other.contains(place.label);
        let lost: HashSet<usize> =
            (0..text.places.len()).filter(|&n| is_lost(&text.places[n])).flat_map(|n| [n - 1, n]).collect();
        let mut n = 0..;
        text.places.retain(|_| n.next().is_some_and(|n| !lost.contains(&n)));
    }
}

/// What the offset of a site must be a multiple of.
fn granule(end: bool) -> u64 {
    if end { FUNCTION_ALIGN } else { both().iter().map(|isa| isa.granule()).max().expect("two ISAs") }
}

/// Whether both texts came out with all sites at the same offsets.
fn aligned(texts: &[Text; 2]) -> bool {
    let [home, visitor] = texts;
    home.sites().zip(visitor.sites()).all(|((end, a), (_, b))| a.offset == b.offset && a.offset % granule(end) == 0)
}

/// Chooses the padding of all sites anew, or only adds to it; tells which texts have changed.
fn solve(texts: &mut [Text; 2], grow: bool) -> [bool; 2] {
    let mut walks =
        texts.each_mut().map(|text| Walk { grow, next: 0, position: 0, padding: None, changed: false, text });
    while let Some(end) = walks[0].walk_to_site() {
        walks[1].walk_to_site();
        let target = walks[0].position.max(walks[1].position).next_multiple_of(granule(end));
        for walk in &mut walks {
            walk.pad_to(target);
        }
    }
    walks.map(|walk| walk.changed)
}

/// Follows the marks of one text and says where they would be.
struct Walk<'t, 'a> {
    text: &'t mut Text<'a>,
    grow: bool,
    next: usize,
    /// Where the mark that was passed last would be, with its padding.
    position: u64,
    /// The padding mark for the next site.
    padding: Option<usize>,
    changed: bool,
}

impl Walk<'_, '_> {
    /// Goes to the next site; tells whether it is the end of a function, or `None` if there is none.
    fn walk_to_site(&mut self) -> Option<bool> {
        while self.next < self.text.places.len() {
            let n = self.next;
            self.next += 1;
            let place = &self.text.places[n];
            if !matches!(place.mark, Mark::Begin) {
                let before = &self.text.places[n - 1];
                self.position += place.offset - before.offset - before.mark.length(before.offset);
            }
            match place.mark {
                Mark::Begin => self.position = 0,
                Mark::Align { .. } => self.position += place.mark.length(self.position),
                Mark::Padding { bytes, .. } => {
                    self.padding = Some(n);
                    self.position += if self.grow { bytes } else { 0 };
                }
                Mark::Site { end } => return Some(end),
            }
        }
        None
    }

    /// Lengthens the padding before the site so that it comes to be at `target`.
    fn pad_to(&mut self, target: u64) {
        let missing = target - self.position;
        self.position = target;
        if let Some(n) = self.padding.take()
            && let Mark::Padding { bytes, .. } = &mut self.text.places[n].mark
        {
            let wanted = missing + if self.grow { *bytes } else { 0 };
            self.changed |= wanted != *bytes;
            *bytes = wanted;
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

impl<'a> Text<'a> {
    fn parse(isa: &'static dyn Isa, text: &'a str) -> Text<'a> {
        let mut places = Vec::new();
        let mut put = |line, label, mark| places.push(Place { mark, line, label, offset: 0 });
        let mut function: Option<&str> = None;
        let mut inside = false;
        let mut last_instruction = 0;
        // Where padding for the next site goes, and whether control runs through it.
        let mut chosen = None;
        for (number, line) in text.lines().enumerate() {
            if let Some(rest) = line.strip_prefix("\t.type\t")
                && let Some((name, "@function")) = rest.rsplit_once(',')
            {
                function = Some(name);
            } else if let Some(label) = line.strip_suffix(':') {
                if Some(label) == function {
                    put(number, "", Mark::Begin);
                    inside = true;
                    chosen = None;
                } else if label.starts_with(".Ltwinskipped") {
                    chosen = Some((number, false));
                } else if label.starts_with(".Ltwinexecuted") {
                    chosen = Some((number, true));
                } else if inside && (label.starts_with(".Ltwin") || label.starts_with(".Lfunc_end")) {
                    let end = label.starts_with(".Lfunc_end");
                    let (place, executed) =
                        if end { (number, false) } else { chosen.take().unwrap_or((last_instruction, true)) };
                    put(place, "", Mark::Padding { bytes: 0, executed });
                    put(number, label, Mark::Site { end });
                    inside = !end;
                }
            } else if let Some(instruction) = line.strip_prefix('\t') {
                if let Some(operands) = instruction.strip_prefix(".p2align") {
                    if inside {
                        put(number, "", Mark::align(operands));
                    }
                } else if !instruction.starts_with('.') {
                    last_instruction = number;
                }
            }
        }
        Text { isa, lines: text.lines().map(Cow::Borrowed).collect(), places, object: Vec::new() }
    }

    /// All sites, each with whether it is the end of a function.
    fn sites(&self) -> impl Iterator<Item = (bool, &Place<'a>)> {
        self.places.iter().filter_map(|place| match place.mark {
            Mark::Site { end } => Some((end, place)),
            _ => None,
        })
    }

    /// The text with labels at all marks, the padding, and the table of offsets; and where in it the lines have got to.
    fn render(&self) -> (String, Vec<usize>) {
        let mut out = String::with_capacity(self.lines.iter().map(|l| l.len() + 1).sum::<usize>() + 4096);
        let mut positions = Vec::with_capacity(self.lines.len());
        let mut places = self.places.iter().enumerate().peekable();
        for (number, line) in self.lines.iter().enumerate() {
            while let Some((index, place)) = places.next_if(|(_, p)| p.line == number) {
                out.push_str(&format!(".Ltwin_mark{index}:\n"));
                if let Mark::Padding { bytes: bytes @ 1.., executed } = place.mark {
                    out.push_str(&self.isa.padding(bytes, executed));
                }
            }
            positions.push(out.len());
            out.push_str(line);
            out.push('\n');
        }
        out.push_str(&format!("\t.section\t{OFFSETS},\"e\",@progbits\n"));
        let mut begin = 0;
        for (index, place) in self.places.iter().enumerate() {
            if matches!(place.mark, Mark::Begin) {
                begin = index;
            }
            out.push_str(&format!("\t.4byte\t.Ltwin_mark{index}-.Ltwin_mark{begin}\n"));
        }
        (out, positions)
    }

    fn assemble(&mut self) -> Result<()> {
        self.object = loop {
            let (text, positions) = self.render();
            match assemble(self.isa, &text) {
                Ok(object) => break object,
                Err(refusal) if self.lengthen(&refusal, &text, &positions) => {}
                Err(refusal) => bail!("internal error: {} assembler: {refusal}", self.isa.name()),
            }
        };
        let file = object::File::parse(&*self.object).context("own object")?;
        let section = file.section_by_name(OFFSETS).context("own object has no offsets")?;
        for (place, bytes) in self.places.iter_mut().zip(section.data()?.chunks_exact(4)) {
            place.offset = u32::from_le_bytes(bytes.try_into().expect("four bytes")).into();
        }
        Ok(())
    }

    /// Writes the branches of `text` that the assembler complains about in their long form; tells whether there are any.
    fn lengthen(&mut self, refusal: &Refusal, text: &str, positions: &[usize]) -> bool {
        let begins: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        let mut any = false;
        for number in refusal.complaints.iter().filter_map(|(number, _)| *number) {
            if let Some(begin) = begins.get(number)
                && let Ok(index) = positions.binary_search(begin)
                && let Some(far) = self.isa.far_branch(&self.lines[index])
            {
                self.lines[index] = far.into();
                any = true;
            }
        }
        any
    }
}
