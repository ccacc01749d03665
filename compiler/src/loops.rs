//! The control-flow graph of a function: numbering, dominators, natural loops, their bounds, and block frequencies.

use crate::ir::{Block, Value, block_frequencies, loop_bounds};
use std::collections::HashMap;

/// Number of a reachable block of a [`Cfg`], in reverse post-order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockId(pub u32);

impl BlockId {
    /// For indexing tables that have an entry a block.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A natural loop.
pub struct Loop {
    /// Its only entry.
    pub header: BlockId,
    /// Its blocks, the header included.
    pub blocks: Vec<BlockId>,
    /// Sources of the back edges.
    pub latches: Vec<BlockId>,
}

/// The graph of the reachable blocks.
pub struct Cfg {
    /// Blocks in reverse post-order; the entry is first.
    pub blocks: Vec<Block>,
    /// Successors without repetitions.
    pub successors: Vec<Vec<BlockId>>,
    /// Predecessors without repetitions.
    pub predecessors: Vec<Vec<BlockId>>,
    ids: HashMap<Block, BlockId>,
    dominator: Vec<BlockId>,
}

impl Cfg {
    /// Analyses `function`.
    pub fn new(function: Value) -> Cfg {
        let entry = function.blocks()[0];
        let mut order = Vec::new();
        let mut seen = HashMap::from([(entry, ())]);
        let mut stack = vec![(entry, entry.successors().into_iter())];
        while let Some((block, rest)) = stack.last_mut() {
            match rest.next() {
                Some(next) => {
                    if seen.insert(next, ()).is_none() {
                        stack.push((next, next.successors().into_iter()));
                    }
                }
                None => {
                    order.push(*block);
                    stack.pop();
                }
            }
        }
        order.reverse();
        let ids: HashMap<Block, BlockId> = order.iter().enumerate().map(|(i, &b)| (b, BlockId(i as u32))).collect();
        let mut successors = vec![Vec::new(); order.len()];
        let mut predecessors = vec![Vec::new(); order.len()];
        for (i, block) in order.iter().enumerate() {
            for next in block.successors() {
                let next = ids[&next];
                if !successors[i].contains(&next) {
                    successors[i].push(next);
                    predecessors[next.index()].push(BlockId(i as u32));
                }
            }
        }
        let dominator = dominators(&predecessors);
        Cfg { blocks: order, successors, predecessors, ids, dominator }
    }

    /// The number of `block`, unless it is unreachable.
    pub fn id(&self, block: Block) -> Option<BlockId> {
        self.ids.get(&block).copied()
    }

    /// All block numbers in reverse post-order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = BlockId> + use<> {
        (0..self.blocks.len() as u32).map(BlockId)
    }

    /// Whether `a` dominates `b`.
    pub fn dominates(&self, a: BlockId, mut b: BlockId) -> bool {
        while b > a {
            b = self.dominator[b.index()];
        }
        a == b
    }

    /// Edges against reverse post-order. Besides back edges of natural loops these are the closing edges of
    /// irreducible cycles, so that every cycle holds one.
    pub fn retreating_edges(&self) -> Vec<(BlockId, BlockId)> {
        self.ids()
            .flat_map(|b| self.successors[b.index()].iter().filter(move |s| **s <= b).map(move |s| (b, *s)))
            .collect()
    }

    /// Natural loops, outer ones first.
    pub fn loops(&self) -> Vec<Loop> {
        let mut by_header: Vec<Vec<BlockId>> = vec![Vec::new(); self.blocks.len()];
        for (from, to) in self.retreating_edges() {
            if self.dominates(to, from) {
                by_header[to.index()].push(from);
            }
        }
        let mut loops = Vec::new();
        for header in self.ids() {
            let latches = std::mem::take(&mut by_header[header.index()]);
            if latches.is_empty() {
                continue;
            }
            let mut inside = vec![false; self.blocks.len()];
            inside[header.index()] = true;
            let mut work = latches.clone();
            while let Some(block) = work.pop() {
                if !std::mem::replace(&mut inside[block.index()], true) {
                    work.extend(&self.predecessors[block.index()]);
                }
            }
            let blocks = self.ids().filter(|b| inside[b.index()]).collect();
            loops.push(Loop { header, blocks, latches });
        }
        loops
    }

    /// How often each block runs for one run of the function, by profile or by static heuristics.
    pub fn frequencies(&self, function: Value) -> Vec<f64> {
        let of_block: HashMap<Block, f64> = function.blocks().into_iter().zip(block_frequencies(function)).collect();
        self.blocks.iter().map(|block| of_block[block]).collect()
    }
}

/// How many times the loops of a function can turn at most, where that is known.
pub struct Bounds(HashMap<Block, u64>);

impl Bounds {
    /// A cycle of no more turns than this, nested ones included, needs no migration point of its own.
    const FEW: u64 = 1024;

    /// Analyses `function`.
    pub fn new(function: Value) -> Bounds {
        Bounds(function.blocks().into_iter().zip(loop_bounds(function)).filter(|(_, turns)| *turns > 0).collect())
    }

    /// Whether `each` ends soon whatever the data, together with the loops around which it turns.
    pub fn is_short(&self, cfg: &Cfg, each: &Loop, loops: &[Loop]) -> bool {
        let nested = loops.iter().filter(|inner| each.blocks.binary_search(&inner.header).is_ok());
        let turns = nested.map(|inner| self.0.get(&cfg.blocks[inner.header.index()]).copied());
        turns.map(|t| t.unwrap_or(u64::MAX)).fold(1, u64::saturating_mul) <= Bounds::FEW
    }
}

/// Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
fn dominators(predecessors: &[Vec<BlockId>]) -> Vec<BlockId> {
    let entry = BlockId(0);
    let mut dominator: Vec<Option<BlockId>> = vec![None; predecessors.len()];
    dominator[0] = Some(entry);
    let mut changed = true;
    while changed {
        changed = false;
        for block in 1..predecessors.len() {
            let mut new: Option<BlockId> = None;
            for &p in &predecessors[block] {
                if dominator[p.index()].is_none() {
                    continue;
                }
                new = Some(match new {
                    None => p,
                    Some(mut a) => {
                        let mut b = p;
                        while a != b {
                            while a > b {
                                a = dominator[a.index()].expect("processed");
                            }
                            while b > a {
                                b = dominator[b.index()].expect("processed");
                            }
                        }
                        a
                    }
                });
            }
            if dominator[block] != new {
                dominator[block] = new;
                changed = true;
            }
        }
    }
    dominator.into_iter().map(|d| d.unwrap_or(entry)).collect()
}

/// Whether `function` may turn in a cycle for long.
pub fn has_long_loop(function: Value) -> bool {
    let cfg = Cfg::new(function);
    let edges = cfg.retreating_edges();
    if edges.is_empty() {
        return false;
    }
    let (loops, bounds) = (cfg.loops(), Bounds::new(function));
    // A retreating edge that is no back edge closes an irreducible cycle.
    edges.iter().any(|(from, to)| !cfg.dominates(*to, *from)) || loops.iter().any(|l| !bounds.is_short(&cfg, l, &loops))
}
