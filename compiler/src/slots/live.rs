//! Which SSA values live across which uniform calls.

use super::bitset::BitSet;
use crate::convention::Conventions;
use crate::ir::Value;
use crate::loops::Cfg;
use inkwell::llvm_sys::{LLVMOpcode, LLVMTypeKind};
use std::collections::HashMap;

/// Liveness of one function.
pub struct Liveness {
    /// The graph that the rest refers to.
    pub cfg: Cfg,
    /// Numbered values: arguments and instructions with a result.
    pub values: Vec<Value>,
    /// Number of each value.
    pub number: HashMap<Value, usize>,
    /// Values that live into each block (not counting its phis).
    pub live_in: Vec<BitSet>,
    /// Uniform calls in order, each with the values that live across it in ascending order.
    pub crossing: Vec<(Value, Vec<usize>)>,
    calls: HashMap<Value, usize>,
}

impl Liveness {
    /// Analyses the function of `cfg`.
    pub fn new(cfg: Cfg, conventions: &Conventions) -> Liveness {
        let function = cfg.blocks[0].function();
        let mut values = function.params();
        for block in &cfg.blocks {
            values.extend(block.instructions().into_iter().filter(|i| is_tracked(*i)));
        }
        let number: HashMap<Value, usize> = values.iter().enumerate().map(|(i, &v)| (v, i)).collect();
        let empty = BitSet::new(values.len());
        let mut live = Liveness {
            live_in: vec![empty; cfg.blocks.len()],
            crossing: Vec::new(),
            calls: HashMap::new(),
            cfg,
            values,
            number,
        };
        let mut changed = true;
        while changed {
            changed = false;
            for block in live.cfg.ids().rev() {
                let set = live.through(block.index(), &mut |_, _| {});
                if set != live.live_in[block.index()] {
                    live.live_in[block.index()] = set;
                    changed = true;
                }
            }
        }
        let mut crossing = Vec::new();
        for block in live.cfg.ids() {
            let mut here = Vec::new();
            live.through(block.index(), &mut |instruction, set| {
                if instruction.is_call() && conventions.is_uniform_call(instruction) {
                    let own = live.number.get(&instruction);
                    here.push((instruction, set.iter().filter(|n| Some(n) != own).collect()));
                }
            });
            here.reverse();
            crossing.extend(here);
        }
        live.calls = crossing.iter().enumerate().map(|(i, (call, _))| (*call, i)).collect();
        live.crossing = crossing;
        live
    }

    /// Values that live across `instruction`, if that is a uniform call.
    pub fn crossing_of(&self, instruction: Value) -> Option<&[usize]> {
        self.calls.get(&instruction).map(|&i| &*self.crossing[i].1)
    }

    /// Values that live out of block `index`.
    fn live_out(&self, index: usize) -> BitSet {
        let mut set = BitSet::new(self.values.len());
        let block = self.cfg.blocks[index];
        for successor in &self.cfg.successors[index] {
            set.union(&self.live_in[successor.index()]);
            for phi in self.cfg.blocks[successor.index()].instructions().into_iter().take_while(|i| i.is_phi()) {
                for (value, from) in phi.incoming() {
                    if let (true, Some(&n)) = (from == block, self.number.get(&value)) {
                        set.insert(n);
                    }
                }
            }
        }
        set
    }

    /// Goes backward through a block; `visit` sees what lives right behind each instruction. Returns what lives in.
    pub fn through(&self, index: usize, visit: &mut dyn FnMut(Value, &BitSet)) -> BitSet {
        let mut set = self.live_out(index);
        for instruction in self.cfg.blocks[index].instructions().into_iter().rev() {
            visit(instruction, &set);
            if let Some(&n) = self.number.get(&instruction) {
                set.remove(n);
            }
            if !instruction.is_phi() {
                for operand in instruction.operands() {
                    if let Some(&n) = self.number.get(&operand) {
                        set.insert(n);
                    }
                }
            }
        }
        set
    }
}

/// Allocas are constants of the frame; everything else with a result may have to be kept.
fn is_tracked(instruction: Value) -> bool {
    instruction.opcode() != LLVMOpcode::LLVMAlloca
        && !matches!(
            instruction.ty().kind(),
            LLVMTypeKind::LLVMVoidTypeKind | LLVMTypeKind::LLVMTokenTypeKind | LLVMTypeKind::LLVMMetadataTypeKind
        )
}
