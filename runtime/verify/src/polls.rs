//! Polls: accesses to a poll page, which fault on a request. The table `.twin.polls` says where control goes on then (DESIGN.md 5).

use crate::binary::{Binary, Image};
use crate::functions::{Function, Program};
use crate::insn::Insn;
use crate::report::{Kind, Violation};
use crate::side::Side;
use object::elf;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// The table: pairs of 32-bit words, the address of a poll and how far behind it control goes on if it faults.
pub const SECTION: &str = ".twin.polls";
/// Symbol of the first poll page.
const FIRST_PAGE: &str = "__twin_poll_page";
/// From one poll page to the next.
const SPACING: u64 = 1 << 20;
/// Bytes of a poll page.
const PAGE: u64 = 4096;
/// Bytes of an entry of the table.
const ENTRY: usize = 8;

/// The polls of one image.
pub struct Polls<'a> {
    /// The image, which has their maps.
    pub image: &'a Image<'a>,
    /// The function that has a map behind each call of it.
    pub call: Option<u64>,
    /// Where control goes on if a poll faults.
    pub cold: HashMap<u64, u64>,
}

impl Polls<'_> {
    /// Those of `image`; `call` is the function that cold blocks call.
    pub fn read<'a>(image: &'a Image<'a>, call: Option<u64>) -> Polls<'a> {
        Polls { image, call, cold: table(image).collect() }
    }
}

fn table(image: &Image) -> impl Iterator<Item = (u64, u64)> {
    let bytes = image.section_bytes(SECTION).into_owned();
    let entries = bytes.len() / ENTRY;
    let word = move |at: usize| u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")));
    (0..entries).map(move |entry| {
        let place = word(ENTRY * entry);
        (place, place + word(ENTRY * entry + 4))
    })
}

/// Every poll is in the table, every entry is a poll that goes on in its function, and the table is sorted, as it is searched.
pub fn check(binary: &Binary, program: &Program) -> Vec<Violation> {
    let mut violations = Vec::new();
    for side in Side::BOTH {
        let image = &binary.images[side];
        let isa = image.isa.name();
        let pages = Pages::of(image);
        let table: Vec<(u64, u64)> = table(image).collect();
        let known: HashSet<u64> = table.iter().map(|(place, _)| *place).collect();
        let mut last = 0;
        for (place, cold) in table {
            let mut report = |function: &str, what: &str| {
                violations.push(Violation::new(Kind::Poll, function, place, format!("{isa}: {what}")));
            };
            let Some(function) = function_at(program, side, place) else {
                report(SECTION, "the table has a poll that is in no function");
                continue;
            };
            if place <= last {
                report(&function.name, "the table of polls is not sorted");
            }
            last = place;
            let bytes = function.code.get((place - function.address) as usize..).unwrap_or_default();
            if !image.isa.decode(bytes, place).is_some_and(|insn| pages.is_poll(&insn)) {
                report(&function.name, "what the table says is a poll does not access a poll page alone");
            }
            if !function.contains(cold) {
                report(&function.name, "a poll goes on outside of its function");
            }
        }
        for function in program.functions[side].values() {
            for insn in function.body.graph.insns.iter().filter(|insn| !known.contains(&insn.address)) {
                if pages.is_poll(insn) {
                    let message = format!("{isa}: a poll is missing in the table");
                    violations.push(Violation::new(Kind::Poll, &function.name, insn.address, message));
                }
            }
        }
    }
    violations
}

fn function_at(program: &Program, side: Side, address: u64) -> Option<&Function> {
    let (_, function) = program.functions[side].range(..=address).next_back()?;
    function.contains(address).then_some(function)
}

/// The poll pages of an image: the addresses of the first one, and of the end of the code.
struct Pages(Option<Range<u64>>);

impl Pages {
    fn of(image: &Image) -> Pages {
        let first = image.symbols.iter().find(|symbol| symbol.name == FIRST_PAGE).map(|symbol| symbol.address);
        Pages(first.and_then(|first| {
            let code = image.segments_of(elf::PT_LOAD).find(|segment| segment.contains(first))?;
            Some(first..code.address + code.memory_size)
        }))
    }

    /// Whether an instruction reads a poll page, and nothing else.
    fn is_poll(&self, insn: &Insn) -> bool {
        let ([access], Some(range)) = (&insn.accesses[..], &self.0) else { return false };
        let address = access.displacement as u64;
        let is_absolute = access.base.is_none() && access.index.is_none();
        let is_in_page = range.contains(&address) && (address - range.start) % SPACING < PAGE;
        is_absolute && access.reads && !access.writes && is_in_page
    }
}
