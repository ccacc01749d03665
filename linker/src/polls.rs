//! Polls: code accesses a *poll page* where the process may hop, and the runtime makes these pages inaccessible to stop it.
//!
//! An instruction of the visitor reaches 1 MiB, so there is a poll page at the begin of the code and each [`SPACING`] bytes behind it.
//! Objects have a section `.twin.polls` with two words for each poll: its address, and the distance from it to where control goes on
//! if it faults (`compiler/shim/emit.cpp`). An image has one, sorted by addresses, of the functions in it: the runtime searches it.

use crate::half::ENDIAN;
use crate::ids::{SectionId, Side, SymbolId};
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
/// From one poll page to the next.
const SPACING: u64 = 1 << 20;
/// Bytes of an entry of the table.
const ENTRY_SIZE: usize = 8;

/// Whether the program has poll pages.
pub fn are_in(program: &Program) -> bool {
    [PAGE_SYMBOL, FIRST_PAGE_SYMBOL].iter().any(|name| program.by_name.contains_key(*name))
}

/// A poll in the image.
pub struct Poll {
    /// The instruction.
    place: Target,
    /// How far behind it control goes on if it faults.
    distance: u32,
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
    /// If a section of polls is damaged; names the object.
    pub fn collect(program: &mut Program, side: Side) -> Result<Polls> {
        let mut entries = Vec::new();
        for (id, section) in program.sections.iter() {
            if let (Class::Polls, Some(content)) = (section.class, &section.contents[side]) {
                add(program, side, id, content, &mut entries)
                    .with_context(|| format!("{}: section {SECTION}", program.object_name(section.object)))?;
            }
        }
        let section = (!entries.is_empty()).then(|| program.add_table(side, SECTION, 4, ENTRY_SIZE * entries.len()));
        Ok(Polls { entries, page: program.by_name.get(PAGE_SYMBOL).copied(), section })
    }

    /// Whether `reference` is to the poll page.
    pub fn is_page(&self, reference: &Reference) -> bool {
        reference.global.is_some() && reference.global == self.page
    }

    /// The content of the table, when addresses are known.
    pub fn table(&self, program: &Program) -> Vec<u8> {
        let mut polls: Vec<(u64, u32)> =
            self.entries.iter().map(|poll| (program.address(poll.place), poll.distance)).collect();
        polls.sort_unstable();
        polls.into_iter().flat_map(|(place, distance)| [place as u32, distance]).flat_map(u32::to_le_bytes).collect()
    }
}

fn add(program: &Program, side: Side, id: SectionId, content: &Content, entries: &mut Vec<Poll>) -> Result<()> {
    let object = program.sections[id].object.context("is nobody's")?;
    let places: HashMap<u64, _> = content.relocations.iter().map(|r| (r.r_offset.get(ENDIAN), r)).collect();
    ensure!(content.data.len().is_multiple_of(ENTRY_SIZE), "ends within a poll");
    for (number, entry) in content.data.chunks_exact(ENTRY_SIZE).enumerate() {
        let relocation = places.get(&((number * ENTRY_SIZE) as u64)).context("a poll has no address")?;
        let Target::Section(section, offset) = program.relocation_target(object, side, relocation).target else {
            continue;
        };
        if program.sections[section].live {
            let place = Target::Section(section, offset.wrapping_add_signed(relocation.r_addend.get(ENDIAN)));
            let distance = u32::from_le_bytes(entry[4..].try_into().expect("four bytes"));
            entries.push(Poll { place, distance });
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
