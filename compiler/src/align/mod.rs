//! Gives every uniform call the same return address on both ISAs, by padding between call sites.
//!
//! Works on what the code generators are about to write: stretches of code, branches that have a short and a long form,
//! and marks. Padding goes where the machine passes found it to cost least (`shim/pad.cpp`), or else right in front of
//! the call. Each round measures, and solves for the padding; another round is needed only if branches have changed
//! their length, and it measures only what that has moved.

mod code;
mod returns;

pub(crate) use code::{Branch, Code, Item};

use crate::isa::both;
use crate::times;
use anyhow::{Result, bail};
use code::{Function, Place};

/// From this round on padding only grows, so that branches which keep changing their length come to rest.
const GROWING_ROUNDS: usize = 8;
/// More rounds than any program has been seen to need; two are usual.
const MAX_ROUNDS: usize = 64;

/// What is between two stretches of code of one ISA.
#[derive(Debug)]
pub(crate) enum Mark {
    /// Begin of a function.
    Begin,
    /// Where padding for the next site can go, and how much there is.
    Padding(u64),
    /// An alignment directive: to a multiple of `to` bytes unless that takes more than `limit`.
    Align { to: u64, limit: u64 },
    /// A return address by the number of its site, or the end of a function: what must be at one offset on both ISAs.
    Site(Option<u32>),
    /// Where a bare poll goes on; the offset that is its return address on both ISAs, and if that is behind a landing, how far
    /// behind all other code.
    BarePoll { site: u32, returns_to: u64, landing: u64 },
    /// From here on a row of the call frame information holds. Equal ones have the same number; the first one has 0.
    Row(u32),
    /// Bytes at the end of a function, landings, that are there for the call frame information to describe them.
    Landing(u64),
}

/// Chooses padding with which both codes (home first) have equal return addresses and function sizes.
///
/// # Errors
/// If they do not have the same call sites in the same order.
pub(crate) fn run(mut codes: [&mut Code; 2]) -> Result<()> {
    let [home, visitor] = codes.each_ref().map(|code| &code.functions);
    if home.len() != visitor.len() {
        bail!("internal error: functions differ between the ISAs: {} and {}", home.len(), visitor.len());
    }
    for (a, b) in home.iter().zip(visitor) {
        let numbers = [a, b].map(|f| f.sites().map(|(number, _)| number).collect::<Vec<_>>());
        if a.name != b.name || numbers[0] != numbers[1] {
            let odd = numbers[0].iter().zip(&numbers[1]).find(|(a, b)| a != b);
            let other = if a.name == b.name { String::new() } else { format!(" and `{}`", b.name) };
            bail!("internal error: call sites of `{}`{other} differ between the ISAs: {odd:?}", a.name);
        }
    }
    let functions = home.len();
    let mut moved: Vec<usize> = (0..functions).collect();
    for round in 0..MAX_ROUNDS {
        times::round(moved.len());
        codes.iter_mut().for_each(|code| code.measure(&moved));
        // What has moved in a section can move what is behind it.
        moved = (0..functions).filter(|&n| !aligned(codes.each_ref().map(|c| &c.functions[n]))).collect();
        if moved.is_empty() {
            for n in 0..functions {
                if !returns::choose(codes.each_mut().map(|code| &mut code.functions[n]))? {
                    moved.push(n);
                }
            }
            if moved.is_empty() {
                return Ok(());
            }
            // Landings are as long on both ISAs, and have not been measured yet.
            continue;
        }
        let [home, visitor] = &mut codes;
        for &n in &moved {
            solve([&mut home.functions[n], &mut visitor.functions[n]], round >= GROWING_ROUNDS);
        }
    }
    bail!("internal error: return addresses could not be aligned in {MAX_ROUNDS} rounds")
}

/// What the offset of a site must be a multiple of.
fn granule() -> u64 {
    both().iter().map(|isa| isa.granule()).max().expect("two ISAs")
}

/// Whether a function came out with all sites at the same offsets.
fn aligned([home, visitor]: [&Function; 2]) -> bool {
    home.sites().zip(visitor.sites()).all(|((_, a), (_, b))| a == b && a % granule() == 0)
}

/// Chooses the padding of all sites of a function anew, or only adds to it.
fn solve(functions: [&mut Function; 2], grow: bool) {
    let mut walks = functions.map(|f| Walk { places: &mut f.places, grow, next: 0, position: 0, padding: None });
    while walks[0].walk_to_site() {
        walks[1].walk_to_site();
        let target = walks[0].position.max(walks[1].position).next_multiple_of(granule());
        for walk in &mut walks {
            walk.pad_to(target);
        }
    }
}

/// Follows the marks of one function and says where they would be.
struct Walk<'f> {
    places: &'f mut [Place],
    grow: bool,
    next: usize,
    /// Where the mark that was passed last would be, with its padding.
    position: u64,
    /// The padding mark for the next site.
    padding: Option<usize>,
}

impl Walk<'_> {
    /// Goes to the next site; tells whether there is one.
    fn walk_to_site(&mut self) -> bool {
        while self.next < self.places.len() {
            let n = self.next;
            self.next += 1;
            let place = &self.places[n];
            if let Some(before) = n.checked_sub(1).map(|n| &self.places[n]) {
                self.position += place.offset - before.offset - before.mark.length(before.offset);
            }
            match place.mark {
                Mark::Begin | Mark::BarePoll { .. } | Mark::Row(_) => {}
                Mark::Align { .. } => self.position += place.mark.length(self.position),
                Mark::Landing(bytes) => self.position += bytes,
                Mark::Padding(bytes) => {
                    self.padding = Some(n);
                    self.position += if self.grow { bytes } else { 0 };
                }
                Mark::Site(_) => return true,
            }
        }
        false
    }

    /// Lengthens the padding before the site so that it comes to be at `target`.
    fn pad_to(&mut self, target: u64) {
        let missing = target - self.position;
        self.position = target;
        if let Some(n) = self.padding.take()
            && let Mark::Padding(bytes) = &mut self.places[n].mark
        {
            *bytes = missing + if self.grow { *bytes } else { 0 };
        }
    }
}

impl Mark {
    /// Bytes that it takes at `offset` of its function.
    fn length(&self, offset: u64) -> u64 {
        match *self {
            Mark::Begin | Mark::Site(_) | Mark::BarePoll { .. } | Mark::Row(_) => 0,
            Mark::Padding(bytes) | Mark::Landing(bytes) => bytes,
            Mark::Align { to, limit } => {
                let bytes = offset.next_multiple_of(to) - offset;
                if bytes > limit { 0 } else { bytes }
            }
        }
    }
}
