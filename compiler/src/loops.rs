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

    /// For each block those that it dominates with no other block in between.
    pub fn dominated(&self) -> Vec<Vec<BlockId>> {
        let mut dominated = vec![Vec::new(); self.blocks.len()];
        self.ids().skip(1).for_each(|block| dominated[self.dominator[block.index()].index()].push(block));
        dominated
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

/// How many times the loops of a function can turn at most.
pub struct Turns {
    /// For each loop: until it ends, together with the functions that it calls and the loops inside. Those that do not end soon
    /// have polls of their own, by which each of their turns comes but the first: only what is in that one counts.
    pub of_loop: Vec<u64>,
    /// For one run of the function.
    pub of_function: u64,
}

impl Turns {
    /// So many turns need no migration point: they take tens of microseconds.
    const FEW: u64 = 16384;

    /// Analyses `function`; `callees` says how much the functions turn that it calls, where that is known.
    pub fn new(function: Value, cfg: &Cfg, loops: &[Loop], callees: &HashMap<Value, u64>) -> Turns {
        let bounds: HashMap<Block, u64> = function.blocks().into_iter().zip(loop_bounds(function)).collect();
        // Turns of callees, by the innermost loop around the call; the last entry is outside of all loops.
        let mut innermost = vec![loops.len(); cfg.blocks.len()];
        let mut parent = vec![loops.len(); loops.len()];
        for (number, each) in loops.iter().enumerate() {
            parent[number] = innermost[each.header.index()];
            each.blocks.iter().for_each(|block| innermost[block.index()] = number);
        }
        let mut inside = vec![0u64; loops.len() + 1];
        for (block, &number) in cfg.blocks.iter().zip(&innermost) {
            let calls = block.instructions().into_iter().filter(|i| i.is_call());
            for turns in calls.filter_map(|call| callees.get(&call.called_function()?)) {
                inside[number] = inside[number].saturating_add(*turns);
            }
        }
        // What comes by no poll.
        let mut unpolled = inside.clone();
        let mut of_loop = vec![0; loops.len()];
        for (number, each) in loops.iter().enumerate().rev() {
            let bound = bounds.get(&cfg.blocks[each.header.index()]).copied().filter(|turns| *turns > 0);
            let times = |turns: u64| bound.unwrap_or(u64::MAX).saturating_mul(turns.saturating_add(1));
            of_loop[number] = times(unpolled[number]);
            let outer = parent[number];
            inside[outer] = inside[outer].saturating_add(times(inside[number]));
            let at_once = if of_loop[number] <= Turns::FEW { of_loop[number] } else { unpolled[number] };
            unpolled[outer] = unpolled[outer].saturating_add(at_once);
        }
        // A retreating edge that is no back edge closes an irreducible cycle.
        let is_reducible = cfg.retreating_edges().iter().all(|(from, to)| cfg.dominates(*to, *from));
        let of_function = if is_reducible { inside[loops.len()] } else { u64::MAX };
        Turns { of_loop, of_function }
    }

    /// Whether so many turns end soon.
    pub fn is_few(&self, turns: u64) -> bool {
        turns <= Turns::FEW
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Module, parse_text};
    use inkwell::context::Context;

    /// Turns of three loops, outermost first, that turn so often: as often as an argument says if that is `%n`.
    fn turns(limits: [&str; 3]) -> Vec<u64> {
        let [outer, middle, inner] = limits;
        let text = format!(
            "define void @example(i64 %n) {{\nentry:\n br label %a\n\
             a:\n %i = phi i64 [ 0, %entry ], [ %i2, %a.latch ]\n br label %b\n\
             b:\n %j = phi i64 [ 0, %a ], [ %j2, %b.latch ]\n br label %c\n\
             c:\n %k = phi i64 [ 0, %b ], [ %k2, %c ]\n %k2 = add nuw i64 %k, 1\n %kc = icmp ult i64 %k2, {inner}\n\
             br i1 %kc, label %c, label %b.latch\n\
             b.latch:\n %j2 = add nuw i64 %j, 1\n %jc = icmp ult i64 %j2, {middle}\n br i1 %jc, label %b, label %a.latch\n\
             a.latch:\n %i2 = add nuw i64 %i, 1\n %ic = icmp ult i64 %i2, {outer}\n br i1 %ic, label %a, label %end\n\
             end:\n ret void\n}}\n"
        );
        let context = Context::create();
        let module = parse_text(&context, &text);
        let function = Module::new(&module).definitions()[0];
        let cfg = Cfg::new(function);
        Turns::new(function, &cfg, &cfg.loops(), &HashMap::new()).of_loop
    }

    #[test]
    fn loops_with_polls_count_for_one_turn() {
        assert_eq!(turns(["3", "5", "7"]), [3 * (1 + 5 * (1 + 7)), 5 * (1 + 7), 7]);
        assert_eq!(turns(["3", "5", "%n"]), [3 * (1 + 5), 5, u64::MAX]);
        assert_eq!(turns(["300", "%n", "1000"]), [300 * (1 + 1000), u64::MAX, 1000]);
    }
}
