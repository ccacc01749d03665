//! Cheap values that would live across a uniform call are computed again at their uses instead of being kept; phis of one
//! and the same address are that address.

use super::live::Liveness;
use crate::convention::Conventions;
use crate::ir::{Module, Value};
use crate::loops::Cfg;
use inkwell::llvm_sys::LLVMOpcode;

/// A longer chain of operations costs more than a load.
const MAX_DEPTH: u32 = 3;

/// Phis that are looked through for one address.
const MAX_PHIS: usize = 64;

/// Rewrites `function`.
pub fn run(module: Module, conventions: &Conventions, function: Value) {
    for phi in function.instructions().into_iter().filter(|i| i.is_phi()) {
        if let Some(address) = only_address(phi) {
            phi.replace_with(module.before(phi.block().first_non_phi()).clone_of(address));
            phi.erase();
        }
    }
    let live = Liveness::new(Cfg::new(function), conventions);
    let candidates = Candidates::new(function, &live);
    // Users before their operands, so that chains are cloned whole.
    for &value in live.values.iter().rev() {
        if !candidates.is_kept(value) || !candidates.is_cheap(value, 0) {
            continue;
        }
        for user in value.users() {
            if !user.is_instruction() || live.cfg.id(user.block()).is_none() {
                continue;
            }
            while let Some(index) = user.operands().into_iter().position(|o| o == value) {
                user.replace_use(index, candidates.clone(module, value, user.use_place(index)));
            }
        }
        if !value.has_uses() {
            value.erase();
        }
    }
}

/// What lives across uniform calls.
struct Candidates<'a> {
    live: &'a Liveness,
    /// The frequencies of the calls that each value lives across, in all.
    calls: Vec<Option<f64>>,
    frequency: Vec<f64>,
}

impl Candidates<'_> {
    fn new(function: Value, live: &Liveness) -> Candidates<'_> {
        let frequency = live.cfg.frequencies(function);
        let mut calls = vec![None; live.values.len()];
        for (call, crossing) in &live.crossing {
            let here = live.cfg.id(call.block()).map_or(0.0, |block| frequency[block.index()]);
            crossing.iter().for_each(|&n| *calls[n].get_or_insert(0.0) += here);
        }
        Candidates { live, calls, frequency }
    }

    /// Whether it would live across a call if nothing were done.
    fn is_kept(&self, value: Value) -> bool {
        self.live.number.get(&value).is_some_and(|&n| self.calls[n].is_some())
    }

    /// Whether `value` can be had at any point from constants, the frame, and values that are kept anyway.
    fn is_cheap(&self, value: Value, depth: u32) -> bool {
        use LLVMOpcode::*;
        if !value.is_instruction() || depth > MAX_DEPTH {
            return false;
        }
        match value.opcode() {
            LLVMCall => value.called_intrinsic().is_some_and(|n| n.starts_with("llvm.thread.pointer")),
            LLVMAnd if self.is_used_often(value) => false,
            // Offsets that vary would have to be kept themselves.
            LLVMGetElementPtr | LLVMPtrToInt | LLVMIntToPtr | LLVMAnd => {
                let operands = value.operands();
                operands[1..].iter().all(|o| is_constant(*o)) && self.is_base(operands[0], depth)
            }
            // The scalar is kept instead, and no register of undefined elements.
            LLVMInsertElement => {
                let operands = value.operands();
                operands[0].is_undefined() && is_constant(operands[2])
            }
            _ => false,
        }
    }

    fn is_base(&self, value: Value, depth: u32) -> bool {
        is_constant(value) || self.is_kept(value) || is_frame(value) || self.is_cheap(value, depth + 1)
    }

    /// Whether an instruction at each use would be executed more often than a store, and loads behind the calls.
    fn is_used_often(&self, value: Value) -> bool {
        let of = |instruction: Value| self.live.cfg.id(instruction.block()).map_or(0.0, |b| self.frequency[b.index()]);
        let uses: f64 = value.users().into_iter().filter(|user| user.is_instruction()).map(of).sum();
        let calls = self.live.number.get(&value).and_then(|&n| self.calls[n]).unwrap_or(0.0);
        uses > of(value) + calls
    }

    fn clone(&self, module: Module, value: Value, before: Value) -> Value {
        let copy = module.before(before).clone_of(value);
        for (index, operand) in value.operands().into_iter().enumerate() {
            if operand.is_instruction() && !is_frame(operand) && self.is_cheap(operand, 0) {
                copy.set_operand(index, self.clone(module, operand, copy));
            }
        }
        copy
    }
}

/// One of the address computations that enter `phi`, if all of them are the same and possible anywhere.
fn only_address(phi: Value) -> Option<Value> {
    let mut phis = vec![phi];
    let mut found: Option<Value> = None;
    let mut next = 0;
    while next < phis.len() {
        for (value, _) in phis[next].incoming() {
            if value.is_instruction() && value.is_phi() {
                if !phis.contains(&value) {
                    phis.push(value);
                }
                continue;
            }
            let is_address = value.is_instruction() && value.opcode() == LLVMOpcode::LLVMGetElementPtr;
            let anywhere = |o: &Value| !o.is_instruction() || is_frame(*o);
            if !is_address || !value.operands().iter().all(anywhere) {
                return None;
            }
            let same =
                |other: Value| other.indexed_type() == value.indexed_type() && other.operands() == value.operands();
            if !same(*found.get_or_insert(value)) {
                return None;
            }
        }
        next += 1;
        if phis.len() > MAX_PHIS {
            return None;
        }
    }
    found
}

fn is_constant(value: Value) -> bool {
    !value.is_instruction() && !value.is_argument()
}

fn is_frame(value: Value) -> bool {
    value.is_instruction() && value.opcode() == LLVMOpcode::LLVMAlloca
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convention::Mode;
    use crate::ir::parse_text;
    use inkwell::context::Context;

    /// Whether a phi of these two address computations is one address.
    fn is_one(a: &str, b: &str) -> bool {
        let text = format!(
            "define ptr @example(i1 %c, ptr %p) {{\nentry:\n %q = load ptr, ptr %p\n br i1 %c, label %then, label %else\n\
             then:\n %a = {a}\n br label %join\nelse:\n %b = {b}\n br label %join\n\
             join:\n %phi = phi ptr [ %a, %then ], [ %b, %else ]\n ret ptr %phi\n}}\n"
        );
        let context = Context::create();
        let module = parse_text(&context, &text);
        let function = Module::new(&module).definitions()[0];
        let phi = function.instructions().into_iter().find(|i| i.is_phi());
        only_address(phi.expect("a phi")).is_some()
    }

    #[test]
    fn a_vector_of_one_element_is_kept_as_that() {
        let text = "@variable = external global i64
            declare void @callee()
            define void @example(i64 %n) {
                %v = insertelement <4 x i64> poison, i64 %n, i64 0
                call void @callee()
                store volatile <4 x i64> %v, ptr @variable
                ret void
            }";
        let context = Context::create();
        let module = parse_text(&context, text);
        let module = Module::new(&module);
        let function = module.definitions()[0];
        run(module, &Conventions::classify(module, Mode::Uniform), function);
        let opcodes: Vec<LLVMOpcode> = function.instructions().into_iter().map(|i| i.opcode()).collect();
        assert_eq!(opcodes[..2], [LLVMOpcode::LLVMCall, LLVMOpcode::LLVMInsertElement]);
    }

    #[test]
    fn a_phi_of_equal_addresses_is_one_address() {
        let field = "getelementptr i8, ptr %p, i64 8";
        assert!(is_one(field, field));
        assert!(!is_one(field, "getelementptr i8, ptr %p, i64 16"));
        assert!(!is_one(field, "getelementptr i64, ptr %p, i64 8"));
        // It may be another one where the phi is.
        assert!(!is_one("getelementptr i8, ptr %q, i64 8", "getelementptr i8, ptr %q, i64 8"));
    }
}
