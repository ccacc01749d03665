//! Return addresses of bare polls. Nothing is behind them but a poll, and that at another place on each ISA; yet memory at a hop
//! holds one address for both.
//!
//! Unwinders look up the byte in front of it. So it is the address behind home's poll if the call frame information of both ISAs says of
//! that byte what it says of the poll; else the nearest such address that is nobody else's. If there is none, as where the ISAs have
//! their frames in different parts of the function, a few bytes at its end, a *landing*, are described as the poll is.

use super::code::Function;
use super::{Mark, granule};
use anyhow::{Result, ensure};
use std::collections::{HashMap, HashSet};

/// A bare poll of one ISA.
struct Poll {
    /// Where it goes on.
    offset: u64,
    row: u32,
}

/// One ISA's rows of call frame information: where each begins, and its number.
struct Rows(Vec<(u64, u32)>);

impl Rows {
    fn of(function: &Function) -> Rows {
        let rows = function.places.iter().filter_map(|place| match place.mark {
            Mark::Row(number) => Some((place.offset, number)),
            _ => None,
        });
        Rows([(0, 0)].into_iter().chain(rows).collect())
    }

    /// At the instruction that ends at `offset`.
    fn before(&self, offset: u64) -> u32 {
        self.0[self.0.partition_point(|(begin, _)| *begin < offset).max(1) - 1].1
    }
}

/// The bare polls of a function, by their sites.
fn polls(function: &Function, rows: &Rows) -> HashMap<u32, Poll> {
    let polls = function.places.iter().filter_map(|place| match place.mark {
        Mark::BarePoll { site, .. } => Some((site, Poll { offset: place.offset, row: rows.before(place.offset) })),
        _ => None,
    });
    polls.collect()
}

/// Chooses the return addresses of all bare polls of a function (home's first); tells whether there are enough landings. If not, they
/// have a place now, which moves the end of the function.
///
/// # Errors
/// If it has other bare polls on the other ISA.
pub fn choose(functions: [&mut Function; 2]) -> Result<bool> {
    let rows = functions.each_ref().map(|f| Rows::of(f));
    let [at_home, at_visitor] = [0, 1].map(|n| polls(functions[n], &rows[n]));
    let mut sites: Vec<u32> = at_home.keys().copied().collect();
    sites.sort_unstable_by_key(|site| at_home[site].offset);
    let agree = sites.len() == at_visitor.len() && sites.iter().all(|site| at_visitor.contains_key(site));
    ensure!(agree, "internal error: bare polls of `{}` differ between the ISAs", functions[0].name);
    if sites.is_empty() {
        return Ok(true);
    }
    let mut taken: HashSet<u64> = functions[0].sites().map(|(_, offset)| offset).collect();
    let room = functions[0].landings();
    let end = functions[0].places.last().map_or(0, |place| place.offset) - room;
    let mut landings = 0;
    let mut chosen = HashMap::new();
    for site in sites {
        let (home, visitor) = (&at_home[&site], &at_visitor[&site]);
        let is_described = |offset: &u64| [0, 1].map(|n| rows[n].before(*offset)) == [home.row, visitor.row];
        let near = (0..end).flat_map(|n| [home.offset + n, home.offset.saturating_sub(n)]);
        let free = near.filter(|offset| (1..=end).contains(offset) && !taken.contains(offset));
        let address = free.into_iter().find(is_described).map(|offset| (offset, 0)).unwrap_or_else(|| {
            landings += granule();
            (end + landings, landings)
        });
        taken.insert(address.0);
        chosen.insert(site, address);
    }
    let is_enough = landings <= room;
    for place in functions.into_iter().flat_map(|function| &mut function.places) {
        match &mut place.mark {
            Mark::BarePoll { site, returns_to, landing } => (*returns_to, *landing) = chosen[site],
            Mark::Landing(bytes) if !is_enough => *bytes = landings,
            _ => {}
        }
    }
    Ok(is_enough)
}

#[cfg(test)]
mod tests {
    use crate::align::code::{Code, Item};
    use crate::align::{Mark, run};
    use crate::isa::{HOME, Isa, VISITOR};

    /// What a function consists of.
    enum Part {
        Bytes(u64),
        Row(u32),
        Poll(u32),
        Call(u32),
    }
    use Part::{Bytes, Call, Poll, Row};

    fn code(isa: &'static dyn Isa, parts: &[Part]) -> Code {
        let mut code = Code::new(isa, std::iter::once("f".to_owned()));
        code.push(Item::Section);
        code.mark(0, Mark::Begin);
        for part in parts {
            match *part {
                Bytes(bytes) => code.push(Item::Bytes(bytes)),
                Row(number) => code.mark(0, Mark::Row(number)),
                Poll(site) => code.mark(0, Mark::BarePoll { site, returns_to: 0, landing: 0 }),
                Call(site) => {
                    code.mark(0, Mark::Padding(0));
                    code.mark(0, Mark::Site(Some(site)));
                }
            }
        }
        code.mark(0, Mark::Padding(0));
        code.mark(0, Mark::Landing(0));
        code.mark(0, Mark::Site(None));
        code
    }

    /// The return addresses and landings of home's polls, which are the visitor's, too; and the end of the function.
    fn chosen(home: &[Part], visitor: &[Part]) -> (Vec<(u64, u64)>, u64) {
        let mut codes = [code(HOME, home), code(VISITOR, visitor)];
        let [home, visitor] = &mut codes;
        run([home, visitor]).expect("aligned");
        let polls = codes.each_ref().map(|code| {
            let of = |place: &crate::align::code::Place| match place.mark {
                Mark::BarePoll { site, returns_to, landing } => Some((site, returns_to, landing)),
                _ => None,
            };
            let mut polls: Vec<_> = code.functions[0].places.iter().filter_map(of).collect();
            polls.sort_unstable();
            polls
        });
        assert_eq!(polls[0], polls[1]);
        let ends = codes.each_ref().map(|code| code.functions[0].sites().last().expect("the end").1);
        assert_eq!(ends[0], ends[1]);
        (polls[0].iter().map(|&(_, returns_to, landing)| (returns_to, landing)).collect(), ends[0])
    }

    #[test]
    fn it_is_behind_the_poll() {
        let home = [Bytes(1), Row(1), Bytes(20), Poll(0), Bytes(20)];
        let visitor = [Bytes(8), Row(2), Bytes(8), Poll(0), Bytes(24)];
        assert_eq!(chosen(&home, &visitor), (vec![(21, 0)], 44));
    }

    #[test]
    fn it_is_nobody_elses() {
        let home = [Bytes(12), Poll(0), Poll(1), Call(2), Bytes(8)];
        let visitor = [Bytes(12), Poll(1), Call(2), Poll(0), Bytes(8)];
        let (polls, _) = chosen(&home, &visitor);
        assert_eq!(polls.iter().map(|poll| poll.1).collect::<Vec<_>>(), [0, 0]);
        assert_eq!(polls.iter().map(|poll| poll.0.abs_diff(12)).collect::<Vec<_>>(), [1, 1]);
        assert_ne!(polls[0], polls[1]);
    }

    #[test]
    fn it_is_where_both_have_the_frame() {
        // The visitor has it from 24 on only.
        let home = [Bytes(3), Row(1), Bytes(4), Poll(0), Bytes(40), Row(0), Bytes(1)];
        let visitor = [Bytes(24), Row(1), Bytes(4), Poll(0), Bytes(20)];
        assert_eq!(chosen(&home, &visitor), (vec![(25, 0)], 48));
    }

    #[test]
    fn it_is_a_landing_where_they_never_do() {
        let home = [Bytes(8), Row(1), Bytes(8), Poll(0), Bytes(4), Poll(1), Bytes(4), Row(0), Bytes(24)];
        let visitor = [Bytes(24), Row(1), Bytes(8), Poll(0), Bytes(4), Poll(1), Row(0), Bytes(4)];
        let (polls, end) = chosen(&home, &visitor);
        assert_eq!((polls, end), (vec![(end - 4, 4), (end, 8)], 56));
    }

    #[test]
    fn other_polls_are_an_error() {
        let mut codes = [code(HOME, &[Bytes(8), Poll(0)]), code(VISITOR, &[Bytes(8), Poll(1)])];
        let [home, visitor] = &mut codes;
        let error = run([home, visitor]).expect_err("differ").to_string();
        assert_eq!(error, "internal error: bare polls of `f` differ between the ISAs");
    }
}
