//! Values that phis join and that never live at the same time are one variable, a *web*: it has one slot, and its phis
//! need no code.

use super::bitset::BitSet;
use super::live::Liveness;
use crate::ir::{Block, Value};
use crate::loops::BlockId;
use std::collections::HashMap;

/// The webs of a function.
pub struct Webs {
    /// From the number of a value to its web.
    pub index: HashMap<usize, usize>,
    /// Numbers of the values of each web, ascending.
    pub members: Vec<Vec<usize>>,
    /// Numbers of the phis that are nothing but their web on all ways into their block.
    dissolved: BitSet,
}

/// What enters a dissolved phi from one predecessor.
pub enum Incoming {
    /// A value of the web itself, by its number: nothing to do.
    Member(usize),
    /// Anything else has to be copied.
    Copy,
}

impl Webs {
    /// Joins the values `across` calls and what enters their phis.
    pub fn new(live: &Liveness, across: &BitSet) -> Webs {
        let mut chosen = across.clone();
        let mut work: Vec<usize> = across.iter().collect();
        while let Some(n) = work.pop() {
            for (value, from) in incoming(live, live.values[n]) {
                // A copy at the end of a block that has other successors would be seen there, too.
                if let Some(&operand) = live.number.get(&value)
                    && live.cfg.successors[from.index()].len() > 1
                    && !chosen.contains(operand)
                {
                    chosen.insert(operand);
                    work.push(operand);
                }
            }
        }
        // A phi that takes them all on without a call behind it joins if that spares its code.
        let mut takers = BitSet::new(live.values.len());
        let mut work: Vec<usize> = chosen.iter().collect();
        while let Some(n) = work.pop() {
            for user in live.values[n].users().into_iter().filter(|u| u.is_instruction() && u.is_phi()) {
                if let Some(&phi) = live.number.get(&user)
                    && !chosen.contains(phi)
                {
                    chosen.insert(phi);
                    takers.insert(phi);
                    work.push(phi);
                }
            }
        }
        let numbers: Vec<usize> = chosen.iter().collect();
        let local: HashMap<usize, usize> = numbers.iter().enumerate().map(|(i, &n)| (n, i)).collect();
        let mut web: Vec<usize> = (0..numbers.len()).collect();
        let mut members: Vec<BitSet> = web
            .iter()
            .map(|&i| {
                let mut set = BitSet::new(numbers.len());
                set.insert(i);
                set
            })
            .collect();
        // A second return brings back an old point of the program with the slots of now.
        if !live.crossing.iter().any(|(call, _)| call.call_has_attribute("returns_twice")) {
            let mut clashes = clashes(live, &local);
            for (i, &n) in numbers.iter().enumerate() {
                for (value, _) in incoming(live, live.values[n]) {
                    let Some(&j) = live.number.get(&value).and_then(|n| local.get(n)) else { continue };
                    let (a, b) = (web[i], web[j]);
                    if a != b && !clashes[a].meets(&members[b]) {
                        let (joined, clashing) = (members[b].clone(), clashes[b].clone());
                        joined.iter().for_each(|k| web[k] = a);
                        members[a].union(&joined);
                        clashes[a].union(&clashing);
                    }
                }
            }
        }
        Webs::number(live, across, &takers, &numbers, &web)
    }

    /// Numbers the webs with a value that lives across a call.
    fn number(live: &Liveness, across: &BitSet, takers: &BitSet, numbers: &[usize], web: &[usize]) -> Webs {
        let mut number_of: HashMap<usize, usize> = HashMap::new();
        for (i, _) in numbers.iter().enumerate().filter(|(_, n)| across.contains(**n)) {
            let next = number_of.len();
            number_of.entry(web[i]).or_insert(next);
        }
        let mut members = vec![Vec::new(); number_of.len()];
        let mut index = HashMap::new();
        for (i, &n) in numbers.iter().enumerate() {
            if let Some(&number) = number_of.get(&web[i]) {
                members[number].push(n);
                index.insert(n, number);
            }
        }
        let mut webs = Webs { index, members, dissolved: BitSet::new(live.values.len()) };
        while {
            webs.dissolve(live);
            let is_useless = |n: &usize| takers.contains(*n) && !webs.dissolved.contains(*n);
            let useless: Vec<usize> = webs.index.keys().copied().filter(is_useless).collect();
            for n in &useless {
                let web = webs.index.remove(n).expect("a web");
                webs.members[web].retain(|m| m != n);
            }
            !useless.is_empty()
        } {}
        webs
    }

    /// Finds the phis that need no code.
    fn dissolve(&mut self, live: &Liveness) {
        self.dissolved = BitSet::new(live.values.len());
        for (&n, &own) in &self.index {
            let can_enter = |(value, from): (Value, BlockId)| {
                self.of(live, value) == Some(own) || live.cfg.successors[from.index()].len() == 1
            };
            if live.values[n].is_instruction()
                && live.values[n].is_phi()
                && incoming(live, live.values[n]).into_iter().all(can_enter)
            {
                self.dissolved.insert(n);
            }
        }
    }

    /// The web of `value`.
    pub fn of(&self, live: &Liveness, value: Value) -> Option<usize> {
        live.number.get(&value).and_then(|n| self.index.get(n)).copied()
    }

    /// Whether the value with this number is a phi that needs no code of its own.
    pub fn is_dissolved(&self, number: usize) -> bool {
        self.dissolved.contains(number)
    }

    /// Whether `value` is a phi that needs no code of its own.
    pub fn is_dissolved_phi(&self, live: &Liveness, value: Value) -> bool {
        live.number.get(&value).is_some_and(|n| self.is_dissolved(*n))
    }

    /// What enters the dissolved phi with this number, by predecessor.
    pub fn entries(&self, live: &Liveness, number: usize) -> Vec<(BlockId, Incoming)> {
        let own = self.index[&number];
        let entry = |(value, from): (Value, BlockId)| match live.number.get(&value) {
            Some(n) if self.index.get(n) == Some(&own) => (from, Incoming::Member(*n)),
            _ => (from, Incoming::Copy),
        };
        incoming(live, live.values[number]).into_iter().map(entry).collect()
    }

    /// Where code gives the values of a web: behind its definitions and in front of its phis.
    pub fn definitions(&self, live: &Liveness, web: usize) -> Vec<BlockId> {
        let mut blocks = Vec::new();
        for &n in &self.members[web] {
            if self.is_dissolved(n) {
                let copies = self.entries(live, n).into_iter().filter(|(_, i)| matches!(i, Incoming::Copy));
                blocks.extend(copies.map(|(from, _)| from));
            } else if live.values[n].is_instruction() {
                blocks.extend(live.cfg.id(live.values[n].block()));
            } else {
                blocks.push(BlockId(0));
            }
        }
        blocks
    }

    /// The blocks in which a web is used, each once.
    pub fn uses(&self, live: &Liveness, web: usize) -> Vec<BlockId> {
        let mut blocks: Vec<BlockId> = Vec::new();
        for &n in &self.members[web] {
            let value = live.values[n];
            for user in value.users().into_iter().filter(|u| u.is_instruction()) {
                if !user.is_phi() {
                    blocks.extend(live.cfg.id(user.block()));
                } else if !(self.is_dissolved_phi(live, user) && self.of(live, user) == Some(web)) {
                    let from = |block: Block| live.cfg.id(block);
                    blocks
                        .extend(user.incoming().into_iter().filter(|(v, _)| *v == value).filter_map(|(_, b)| from(b)));
                }
            }
        }
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }
}

/// What enters `value` if it is a phi, once for each predecessor.
fn incoming(live: &Liveness, value: Value) -> Vec<(Value, BlockId)> {
    if !value.is_instruction() || !value.is_phi() {
        return Vec::new();
    }
    let mut entries: Vec<(Value, BlockId)> =
        value.incoming().into_iter().filter_map(|(v, from)| Some((v, live.cfg.id(from)?))).collect();
    entries.sort_by_key(|(_, from)| *from);
    entries.dedup_by_key(|(_, from)| *from);
    entries
}

/// For each of the values in `local` those that live when it is defined, and the other way round.
fn clashes(live: &Liveness, local: &HashMap<usize, usize>) -> Vec<BitSet> {
    let mut clashes = vec![BitSet::new(local.len()); local.len()];
    let mut clash = |i: usize, j: usize| {
        if i != j {
            clashes[i].insert(j);
            clashes[j].insert(i);
        }
    };
    let arguments: Vec<usize> = (0..live.values.len())
        .take_while(|n| live.values[*n].is_argument())
        .filter_map(|n| local.get(&n).copied())
        .collect();
    for &i in &arguments {
        arguments.iter().for_each(|&j| clash(i, j));
    }
    for block in live.cfg.ids() {
        live.through(block.index(), &mut |instruction, behind| {
            let Some(&i) = live.number.get(&instruction).and_then(|n| local.get(n)) else { return };
            behind.iter().filter_map(|n| local.get(&n)).for_each(|&j| clash(i, j));
        });
        // Phis are defined at once.
        let phis: Vec<usize> = live.cfg.blocks[block.index()]
            .instructions()
            .into_iter()
            .take_while(|i| i.is_phi())
            .filter_map(|i| live.number.get(&i).and_then(|n| local.get(n)).copied())
            .collect();
        for &i in &phis {
            phis.iter().for_each(|&j| clash(i, j));
        }
    }
    clashes
}
