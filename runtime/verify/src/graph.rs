//! The reachable instructions of a function and how control goes from one to the next.

use crate::insn::{Flow, Insn};
use crate::isa::Isa;
use crate::polls::{self, Polls};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// An instruction of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InsnId(u32);

impl InsnId {
    /// Position in [`Graph::insns`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A basic block of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(u32);

impl BlockId {
    /// Position in [`Graph::blocks`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Instructions that are only entered at the first and left at the last.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its instructions.
    pub insns: Vec<InsnId>,
    /// Where control can go within the function.
    pub successors: Vec<BlockId>,
}

/// A function's code, and where it is.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    /// Instruction set.
    pub isa: &'static dyn Isa,
    /// First address.
    pub address: u64,
    /// All of it.
    pub bytes: &'a [u8],
    /// The polls of its image.
    pub polls: &'a Polls<'a>,
}

impl Code<'_> {
    /// Its addresses.
    pub fn range(&self) -> Range<u64> {
        self.address..self.address + self.bytes.len() as u64
    }

    /// Whether control can be at `address` within the function.
    pub fn contains(&self, address: u64) -> bool {
        self.range().contains(&address) || polls::is_step(address)
    }

    /// The bytes from `address` on.
    pub fn from(&self, address: u64) -> Option<&[u8]> {
        let offset = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes.get(offset..).filter(|rest| !rest.is_empty())
    }
}

/// The control-flow graph of a function; its first block is the entry.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Reachable instructions in the order of their addresses.
    pub insns: Vec<Insn>,
    /// Basic blocks; the first is the entry.
    pub blocks: Vec<Block>,
    /// Reachable addresses at which there is no instruction.
    pub undefined: Vec<u64>,
}

/// What the graph depends on beyond the code itself.
pub trait Knowledge {
    /// Whether the function at `address` can return.
    fn returns(&self, address: u64) -> bool;
}

impl Graph {
    /// Decodes what can be reached from the entry; `tables` are the targets of computed jumps by their address.
    pub fn build(code: &Code, tables: &HashMap<u64, BTreeSet<u64>>, knowledge: &impl Knowledge) -> Graph {
        let mut insns: BTreeMap<u64, Insn> = BTreeMap::new();
        let mut undefined = BTreeSet::new();
        let mut leaders = BTreeSet::from([code.address]);
        let mut work = vec![code.address];
        while let Some(start) = work.pop() {
            let mut address = start;
            while !insns.contains_key(&address) {
                let Some(mut decoded) = code.decode(address) else {
                    undefined.insert(address);
                    break;
                };
                let insn = decoded.pop().expect("at least one");
                insns.extend(decoded.into_iter().map(|insn| (insn.address, insn)));
                let next = successors(&insn, tables, code, knowledge);
                let falls_through = next.contains(&insn.end());
                let ends = insn.flow != Flow::Next && !insn.is_call();
                address = insn.end();
                insns.insert(insn.address, insn);
                if ends {
                    for target in next {
                        leaders.insert(target);
                        work.push(target);
                    }
                    break;
                }
                if !falls_through {
                    break;
                }
            }
        }
        leaders.retain(|leader| insns.contains_key(leader));
        let successors_of = |insn: &Insn| successors(insn, tables, code, knowledge);
        let mut graph = Graph { undefined: undefined.into_iter().collect(), ..Graph::default() };
        graph.link(code.address, insns, &leaders, successors_of);
        graph
    }

    fn link(
        &mut self,
        entry: u64,
        insns: BTreeMap<u64, Insn>,
        leaders: &BTreeSet<u64>,
        successors_of: impl Fn(&Insn) -> Vec<u64>,
    ) {
        let ids: HashMap<u64, InsnId> =
            insns.keys().enumerate().map(|(index, &address)| (address, InsnId(index as u32))).collect();
        self.insns = insns.into_values().collect();
        // The entry comes first.
        let starts =
            leaders.iter().copied().filter(|&l| l == entry).chain(leaders.iter().copied().filter(|&l| l != entry));
        let starts: Vec<u64> = starts.collect();
        let blocks: HashMap<u64, BlockId> =
            starts.iter().enumerate().map(|(index, &address)| (address, BlockId(index as u32))).collect();
        for start in starts {
            let mut block = Block { insns: Vec::new(), successors: Vec::new() };
            let mut address = start;
            while let Some(&id) = ids.get(&address) {
                block.insns.push(id);
                let insn = &self.insns[id.index()];
                let next = successors_of(insn);
                address = insn.end();
                let straight = next == [address];
                if !straight || blocks.contains_key(&address) {
                    block.successors = next.iter().filter_map(|target| blocks.get(target).copied()).collect();
                    break;
                }
            }
            self.blocks.push(block);
        }
    }

    /// The instruction.
    pub fn insn(&self, id: InsnId) -> &Insn {
        &self.insns[id.index()]
    }

    /// All blocks with their ids.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = (BlockId, &Block)> {
        self.blocks.iter().enumerate().map(|(index, block)| (BlockId(index as u32), block))
    }

    /// The blocks in front of each block.
    pub fn predecessors(&self) -> Vec<Vec<BlockId>> {
        let mut predecessors = vec![Vec::new(); self.blocks.len()];
        for (id, block) in self.blocks() {
            for next in &block.successors {
                predecessors[next.index()].push(id);
            }
        }
        predecessors
    }
}

/// Addresses in the function that control can go to behind `insn`.
fn successors(insn: &Insn, tables: &HashMap<u64, BTreeSet<u64>>, code: &Code, knowledge: &impl Knowledge) -> Vec<u64> {
    let mut next = match insn.flow {
        Flow::Next | Flow::CallTo(_) => vec![insn.end()],
        Flow::Call(target) => {
            // A call that does not return may be the last thing in front of other code.
            if knowledge.returns(target) { vec![insn.end()] } else { Vec::new() }
        }
        Flow::Jump(target) => vec![target],
        Flow::Branch(target, _) => vec![insn.end(), target],
        Flow::JumpTo(_) => tables.get(&insn.address).into_iter().flatten().copied().collect(),
        Flow::Return | Flow::Stop => Vec::new(),
    };
    next.retain(|target| code.contains(*target));
    next.dedup();
    next
}
