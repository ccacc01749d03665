//! Return addresses of bare polls. Nothing is behind them but a poll, and that at another place on each ISA; yet memory at a hop
//! holds one address for both. It is the one behind home's poll if the call frame information of both ISAs, which unwinders look up
//! for the byte in front of it, has the CFA there where it is at the poll; else the nearest such address that is no other poll's.

use super::Mark;
use super::code::Function;
use anyhow::{Result, ensure};
use std::collections::{HashMap, HashSet};

/// A bare poll of one ISA.
struct Poll {
    /// Where it goes on.
    offset: u64,
    row: u32,
}

/// Where one ISA's call frame information has the CFA.
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

/// Chooses the return addresses of all bare polls of a function.
///
/// # Errors
/// If it has other ones on the other ISA.
pub fn choose(home: &mut Function, visitor: &mut Function) -> Result<()> {
    let rows = [&*home, &*visitor].map(Rows::of);
    let [at_home, at_visitor] = [(&*home, &rows[0]), (&*visitor, &rows[1])].map(|(f, rows)| polls(f, rows));
    let mut sites: Vec<u32> = at_home.keys().copied().collect();
    sites.sort_unstable_by_key(|site| at_home[site].offset);
    let agree = sites.len() == at_visitor.len() && sites.iter().all(|site| at_visitor.contains_key(site));
    ensure!(agree, "internal error: bare polls of `{}` differ between the ISAs", home.name);
    if sites.is_empty() {
        return Ok(());
    }
    let end = home.places.last().map_or(0, |place| place.offset);
    let mut taken: HashSet<u64> = home.sites().map(|(_, offset)| offset).collect();
    let mut chosen = HashMap::new();
    for site in sites {
        let (poll, other) = (&at_home[&site], &at_visitor[&site]);
        let is_described = |offset: u64| rows[0].before(offset) == poll.row && rows[1].before(offset) == other.row;
        let near = (0..end).flat_map(|n| [poll.offset + n, poll.offset.saturating_sub(n)]);
        let mut free = near.filter(|offset| (1..=end).contains(offset) && !taken.contains(offset));
        let first = free.clone().next();
        // Nowhere, if the ISAs have their frames in different parts of the function.
        let offset = free.find(|offset| is_described(*offset)).or(first);
        ensure!(offset.is_some(), "internal error: `{}` has more polls than bytes", home.name);
        taken.extend(offset);
        chosen.extend(offset.map(|offset| (site, offset)));
    }
    for place in home.places.iter_mut().chain(&mut visitor.places) {
        if let Mark::BarePoll { site, returns_to } = &mut place.mark {
            *returns_to = chosen[site];
        }
    }
    Ok(())
}
