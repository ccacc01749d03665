//! Polls: accesses to a poll page, which fault on a request. The table `.twin.polls` says where control goes on then, and what map its call
//! follows (DESIGN.md 5).

use crate::binary::{Binary, Image};
use crate::functions::{Function, Functions, Program};
use crate::insn::Insn;
use crate::report::{Kind, Violation};
use crate::side::Side;
use object::elf;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// The table (`linker/src/polls.rs`): six 32-bit words for each poll.
pub const SECTION: &str = ".twin.polls";
/// Symbol of the first poll page.
const FIRST_PAGE: &str = "__twin_poll_page";
/// From one poll page to the next.
const SPACING: u64 = 1 << 20;
/// Bytes of a poll page.
const PAGE: u64 = 4096;
/// Words of an entry of the table, and their bytes.
const WORDS: usize = 6;
const WORD: usize = 4;
/// What the runtime does for a poll has no code. Its steps are at these addresses, so many for each return address.
const FIRST_STEP: u64 = 1 << 40;
const STEPS: u64 = 8;

/// Where the steps of the poll are whose call returns to this address.
pub fn steps(returns_to: u64) -> u64 {
    FIRST_STEP + STEPS * returns_to
}

/// Whether `address` is that of a step, and no code.
pub fn is_step(address: u64) -> bool {
    address >= FIRST_STEP
}

/// The return address of the poll that has its steps at `address`; other addresses as they are.
pub fn place(address: u64) -> u64 {
    if is_step(address) { (address - FIRST_STEP) / STEPS } else { address }
}

/// An entry of the table.
#[derive(Clone, Copy)]
struct Entry {
    place: u64,
    /// Where control goes on if the poll faults; `None` if it is bare: then the runtime calls itself.
    cold: Option<u64>,
    /// 0 if there is no call.
    returns_to: u64,
    call: Call,
    /// The entry with the next return address.
    next: usize,
}

/// What the call of a poll does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Address of the map.
    pub map: u64,
    /// Where it goes on behind the call.
    pub resume: u64,
}

/// The polls of one image.
pub struct Polls<'a> {
    /// The image, which has their maps.
    pub image: &'a Image<'a>,
    /// The function that cold blocks call.
    pub function: Option<u64>,
    /// Where control goes on if a poll faults.
    pub faults: HashMap<u64, u64>,
    /// Calls by their return addresses.
    pub calls: HashMap<u64, Call>,
}

impl Polls<'_> {
    /// Those of `image`; `function` is the one that cold blocks call.
    pub fn read<'a>(image: &'a Image<'a>, function: Option<u64>) -> Polls<'a> {
        let entries = table(image);
        Polls {
            image,
            function,
            faults: entries.iter().map(|e| (e.place, e.cold.unwrap_or_else(|| steps(e.returns_to)))).collect(),
            calls: entries.iter().filter(|e| e.returns_to != 0).map(|e| (e.returns_to, e.call)).collect(),
        }
    }
}

fn table(image: &Image) -> Vec<Entry> {
    let bytes = image.section_bytes(SECTION);
    let words = |entry: &[u8]| -> [u64; WORDS] {
        std::array::from_fn(|n| u32::from_le_bytes(std::array::from_fn(|byte| entry[WORD * n + byte])).into())
    };
    let entry = |[place, cold, returns_to, resume, map, next]: [u64; WORDS]| Entry {
        place,
        cold: (cold != 0).then(|| place + cold),
        returns_to,
        call: Call { map, resume },
        next: next as usize,
    };
    bytes.chunks_exact(WORDS * WORD).map(|bytes| entry(words(bytes))).collect()
}

/// Every poll is in the table, every entry is a poll that goes on in its function, and the table is sorted, as it is searched.
pub fn check(binary: &Binary, program: &Program) -> Vec<Violation> {
    let mut violations = Vec::new();
    for side in Side::BOTH {
        let image = &binary.images[side];
        let table = table(image);
        let isa = image.isa.name();
        let mut report = |function: &str, place: u64, what: &str| {
            violations.push(Violation::new(Kind::Poll, function, place, format!("{isa}: {what}")));
        };
        check_entries(image, &program.functions[side], &table, &mut report);
        check_order(&table, &mut report);
        let pages = Pages::of(image);
        let known: HashSet<u64> = table.iter().map(|entry| entry.place).collect();
        for function in program.functions[side].values() {
            let polls = function.body.graph.insns.iter().filter(|insn| pages.is_poll(insn));
            for poll in polls.filter(|poll| !known.contains(&poll.address)) {
                report(&function.name, poll.address, "a poll is missing in the table");
            }
        }
    }
    violations
}

/// Reports what is wrong, in a function or a section, at an address.
type Report<'r> = dyn FnMut(&str, u64, &str) + 'r;

fn check_entries(image: &Image, functions: &Functions, table: &[Entry], report: &mut Report) {
    let pages = Pages::of(image);
    let mut last = 0;
    for entry in table {
        let place = entry.place;
        let Some(function) = function_at(functions, place) else {
            report(SECTION, place, "the table has a poll that is in no function");
            continue;
        };
        let mut report = |what: &str| report(&function.name, place, what);
        if place <= last {
            report("the table of polls is not sorted");
        }
        last = place;
        let bytes = function.code.get((place - function.address) as usize..).unwrap_or_default();
        if !image.isa.decode(bytes, place).is_some_and(|insn| pages.is_poll(&insn)) {
            report("what the table says is a poll does not access a poll page alone");
        }
        let goes_on = match entry.cold {
            Some(cold) => function.contains(cold) && (entry.returns_to == 0 || entry.call.resume == entry.returns_to),
            None => function.contains(entry.call.resume),
        };
        if !goes_on {
            report("a poll goes on elsewhere");
        }
    }
}

/// The order of return addresses: each entry once.
fn check_order(table: &[Entry], report: &mut Report) {
    let mut named = HashSet::new();
    let mut last: Option<Entry> = None;
    for entry in table {
        let Some(&next) = table.get(entry.next).filter(|_| named.insert(entry.next)) else {
            report(SECTION, entry.place, "the table names a poll that is not in it, or names one twice");
            break;
        };
        let is_sorted = last.is_none_or(|last| match last.returns_to.cmp(&next.returns_to) {
            Ordering::Less => true,
            Ordering::Equal => last.call == next.call,
            Ordering::Greater => false,
        });
        if !is_sorted {
            report(SECTION, next.place, "the table of polls is not sorted by return addresses");
        }
        last = Some(next);
    }
}

fn function_at(functions: &Functions, address: u64) -> Option<&Function> {
    let (_, function) = functions.range(..=address).next_back()?;
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
