//! Polls: code accesses a *poll page* where the process may hop, and the runtime makes these pages inaccessible to stop it.
//!
//! An instruction of the visitor reaches 1 MiB, so there is a poll page at the begin of the code and each [`SPACING`] bytes behind it.
//!
//! Objects have a section `.twin.polls` with five words for each poll (`compiler/shim/emit.cpp`): its address; the distance from it to the
//! block in which control goes on if it faults, or 0 if there is none (the poll is *bare*); its *return address*, which is the same on both
//! ISAs; where it goes on behind the call; the address of its map. An image has one table of these in the order of the polls' addresses.
//! A sixth word is the position of an entry: entries that the sixth words name one after the other are in the order of return addresses.
//! The runtime searches for either.

use crate::half::ENDIAN;
use crate::ids::{ObjectId, SectionId, Side, SymbolId};
use crate::layout::PAGE;
use crate::objects::{Class, Content};
use crate::program::{Program, Reference, Target};
use anyhow::{Context, Result, ensure};
use rustc_hash::FxHashMap as HashMap;

/// Name of the table, in objects and in images.
pub const SECTION: &str = ".twin.polls";
/// The first poll page, whoever mentions it: the runtime's name.
pub const FIRST_PAGE_SYMBOL: &str = "__twin_poll_pages";
/// The poll page in front of code that refers to it relative to its place; the first one for everything else.
pub const PAGE_SYMBOL: &str = "__twin_poll_page";
/// What polls call, also where no code does.
const FUNCTION: &str = "__twin_poll_mapped";
/// From one poll page to the next.
const SPACING: u64 = 1 << 20;
/// Bytes of an entry of an object's section.
const INPUT_SIZE: usize = 20;
/// Bytes of an entry of the table.
const ENTRY_SIZE: usize = 24;

/// Whether the program has poll pages.
pub fn are_in(program: &Program) -> bool {
    [PAGE_SYMBOL, FIRST_PAGE_SYMBOL].iter().any(|name| program.by_name.contains_key(*name))
}

/// A poll in the image.
struct Poll {
    /// The instruction.
    place: Target,
    /// How far behind it control goes on if it faults; 0 if it is bare.
    cold: u32,
    /// Return address, where it goes on, map; `None` if the other ISA found the call to be unreachable.
    call: [Option<Target>; 3],
}

/// The polls of one ISA.
#[derive(Default)]
pub struct Polls {
    entries: Vec<Poll>,
    /// [`PAGE_SYMBOL`], if anything mentions it.
    page: Option<SymbolId>,
    /// The table.
    pub section: Option<SectionId>,
}

impl Polls {
    /// Collects the polls of live functions and makes the table.
    ///
    /// # Errors
    /// If a section of polls is damaged; names the object. If there is nothing that polls could call.
    pub fn collect(program: &mut Program, side: Side) -> Result<Polls> {
        let mut entries = Vec::new();
        for section in program.sections.values() {
            if let (Class::Polls, Some(content)) = (section.class, &section.contents[side]) {
                add(program, side, section.object, content, &mut entries)
                    .with_context(|| format!("{}: section {SECTION}", program.object_name(section.object)))?;
            }
        }
        let has_function = || {
            let id = program.by_name.get(FUNCTION)?;
            Some(!matches!(program.global_target(*id, side), Target::Undefined | Target::UndefinedWeak))
        };
        ensure!(
            entries.is_empty() || has_function() == Some(true),
            "undefined symbol: {FUNCTION}\n>>> referenced by polls"
        );
        let section = (!entries.is_empty()).then(|| program.add_table(side, SECTION, 4, ENTRY_SIZE * entries.len()));
        Ok(Polls { entries, page: program.by_name.get(PAGE_SYMBOL).copied(), section })
    }

    /// Whether `reference` is to the poll page.
    pub fn is_page(&self, reference: &Reference) -> bool {
        reference.global.is_some() && reference.global == self.page
    }

    /// The content of the table, when addresses are known.
    pub fn table(&self, program: &Program) -> Vec<u8> {
        let address = |target: Target| program.address(target) as u32;
        let words = |poll: &Poll| {
            let [returns_to, resume, map] = poll.call.map(|target| target.map_or(0, address));
            [address(poll.place), poll.cold, returns_to, resume, map]
        };
        let mut polls: Vec<[u32; 5]> = self.entries.iter().map(words).collect();
        polls.sort_unstable();
        let mut order: Vec<u32> = (0..polls.len() as u32).collect();
        order.sort_by_key(|&position| polls[position as usize][2]);
        let entries = polls.into_iter().zip(order).flat_map(|(poll, position)| poll.into_iter().chain([position]));
        entries.flat_map(u32::to_le_bytes).collect()
    }
}

fn add(
    program: &Program,
    side: Side,
    object: Option<ObjectId>,
    content: &Content,
    entries: &mut Vec<Poll>,
) -> Result<()> {
    let object = object.context("is nobody's")?;
    let relocations: HashMap<u64, _> = content.relocations.iter().map(|r| (r.r_offset.get(ENDIAN), r)).collect();
    ensure!(content.data.len().is_multiple_of(INPUT_SIZE), "ends within a poll");
    for (number, entry) in content.data.chunks_exact(INPUT_SIZE).enumerate() {
        let relocation = |word: usize| relocations.get(&((INPUT_SIZE * number + 4 * word) as u64));
        let target = |word: usize| {
            let relocation = relocation(word)?;
            match program.relocation_target(object, side, relocation).target {
                Target::Section(id, offset) => {
                    Some(Target::Section(id, offset.wrapping_add_signed(relocation.r_addend.get(ENDIAN))))
                }
                _ => None,
            }
        };
        ensure!(relocation(0).is_some(), "a poll has no address");
        // Nothing is left of a function that was dropped as a duplicate.
        let Some(place @ Target::Section(section, _)) = target(0) else { continue };
        if program.sections[section].live {
            let cold = u32::from_le_bytes(entry[4..8].try_into().expect("four bytes"));
            entries.push(Poll { place, cold, call: [2, 3, 4].map(target) });
        }
    }
    Ok(())
}

/// Poll pages among the code that starts at `text`.
#[derive(Clone, Copy)]
pub struct Pages {
    text: u64,
}

impl Pages {
    /// Those of the code that starts at `text`.
    pub fn of(text: u64) -> Pages {
        Pages { text }
    }

    /// The page in front of `address`.
    pub fn before(self, address: u64) -> u64 {
        self.text + address.saturating_sub(self.text) / SPACING * SPACING
    }

    /// Where `size` bytes fit that are to be at `address` or behind it, or `None` if they fit nowhere.
    pub fn place(self, address: u64, size: u64) -> Option<u64> {
        let page = self.before(address);
        let address = address.max(page + PAGE);
        match address.checked_add(size)? <= page + SPACING {
            true => Some(address),
            false if size <= SPACING - PAGE => Some(page + SPACING + PAGE),
            false => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_between_pages() {
        let pages = Pages::of(0x40_1000);
        let second = 0x50_1000;
        assert_eq!(pages.place(0x40_1000, 16), Some(0x40_2000));
        assert_eq!(pages.place(0x40_3000, 16), Some(0x40_3000));
        assert_eq!(pages.place(second - 16, 16), Some(second - 16));
        assert_eq!(pages.place(second - 16, 17), Some(second + PAGE));
        assert_eq!(pages.place(second + 16, 17), Some(second + PAGE));
        assert_eq!(pages.place(0x40_2000, SPACING - PAGE), Some(0x40_2000));
        assert_eq!(pages.place(0x40_2000, SPACING), None);
        assert_eq!((pages.before(second - 1), pages.before(second)), (0x40_1000, second));
    }
}
