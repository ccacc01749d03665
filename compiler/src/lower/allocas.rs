//! Allocas: static ones become parts of one object, `twin.locals`, which the machine passes place at the same
//! frame offset on both ISAs; dynamic ones move to the runtime's alloca stack, so that every frame is static.

use crate::convention::Conventions;
use crate::ir::{Module, Value};
use inkwell::llvm_sys::LLVMOpcode;

/// Name of the object that holds all locals of a function (shim/shim.h).
pub const LOCALS: &str = "twin.locals";

/// Frames are aligned to this many bytes; objects that want more are aligned by hand.
const FRAME_ALIGN: u64 = 16;

/// Rewrites the allocas of all uniform functions with frames: those in `functions`.
pub fn run(module: Module, conventions: &mut Conventions, functions: &[Value]) {
    for &function in functions {
        let (fixed, dynamic) = partition(function);
        remove_lifetimes(function);
        if !dynamic.is_empty() {
            lower_dynamic(module, conventions, function, &dynamic);
        }
        if !fixed.is_empty() {
            gather(module, function, fixed);
        }
    }
}

/// Bytes of the locals of `function`, when that has been rewritten.
pub fn locals_size(module: Module, function: Value) -> u64 {
    let is_locals = |i: &Value| i.opcode() == LLVMOpcode::LLVMAlloca && i.name() == LOCALS;
    let locals = function.blocks()[0].instructions().into_iter().find(is_locals);
    locals.map_or(0, |locals| module.alloc_size(locals.allocated_type()))
}

/// Moves the static allocas of `function` in front of its code, so that splitting its first block makes none of them
/// dynamic.
pub fn hoist(module: Module, function: Value) {
    let instructions = function.blocks()[0].instructions();
    let is_alloca = |i: &Value| i.opcode() == LLVMOpcode::LLVMAlloca;
    let leading = instructions.iter().take_while(|i| is_alloca(i)).count();
    for alloca in partition(function).0 {
        if !instructions[..leading].contains(&alloca) {
            alloca.move_before(module, instructions[leading]);
        }
    }
}

/// The static and the dynamic allocas of `function`.
fn partition(function: Value) -> (Vec<Value>, Vec<Value>) {
    let entry = function.blocks()[0];
    let allocas = function.instructions().into_iter().filter(|i| i.opcode() == LLVMOpcode::LLVMAlloca);
    allocas.partition(|a| a.block() == entry && a.operands()[0].constant_int().is_some())
}

/// Lifetime markers speak of allocas only.
fn remove_lifetimes(function: Value) {
    for call in function.instructions().into_iter().filter(|i| i.is_call()) {
        if call.called_intrinsic().is_some_and(|n| n.starts_with("llvm.lifetime.")) {
            call.erase();
        }
    }
}

fn lower_dynamic(module: Module, conventions: &mut Conventions, function: Value, dynamic: &[Value]) {
    let (ptr, i64) = (module.ptr(), module.int(64));
    let mark_type = module.function_type(ptr, &[], false);
    let release_type = module.function_type(module.void(), &[ptr], false);
    let alloca_type = module.function_type(ptr, &[i64, i64], false);
    let mut native = |name: &str, ty| {
        let function = module.function(name, ty);
        conventions.add_native(function);
        function
    };
    let mark = native("__twin_alloca_mark", mark_type);
    let release = native("__twin_alloca_release", release_type);
    let allocate = native("__twin_alloca", alloca_type);

    for call in function.instructions().into_iter().filter(|i| i.is_call()) {
        let builder = module.before(call).located_like(call);
        match call.called_intrinsic().as_deref() {
            Some(name) if name.starts_with("llvm.stacksave") => {
                call.replace_with(builder.call(mark_type, mark, &[], 0));
                call.erase();
            }
            Some(name) if name.starts_with("llvm.stackrestore") => {
                builder.call(release_type, release, &call.arguments(), 0);
                call.erase();
            }
            _ => {}
        }
    }
    let at_entry = module.before(function.blocks()[0].first_non_phi()).call(mark_type, mark, &[], 0);
    for block in function.blocks() {
        let end = block.terminator();
        if end.opcode() == LLVMOpcode::LLVMRet {
            // A guaranteed tail call leaves the frame before its `ret`.
            let before = block.instructions().into_iter().find(|i| i.is_call() && i.is_musttail()).unwrap_or(end);
            module.before(before).located_like(end).call(release_type, release, &[at_entry], 0);
        }
    }
    for alloca in dynamic {
        let builder = module.before(*alloca).located_like(*alloca);
        let element = module.alloc_size(alloca.allocated_type());
        let count = builder.to_i64(alloca.operands()[0]);
        let size = builder.mul(count, module.i64(element));
        let align = module.i64(alloca.alignment().max(FRAME_ALIGN));
        alloca.replace_with(builder.call(alloca_type, allocate, &[size, align], 0));
        alloca.erase();
    }
}

fn gather(module: Module, function: Value, allocas: Vec<Value>) {
    // Over-aligned objects first: their room includes what aligning by hand may skip.
    let mut offset = 0;
    let mut placed = Vec::new();
    for alloca in allocas {
        let count = alloca.operands()[0].constant_int().expect("static alloca");
        let size = module.alloc_size(alloca.allocated_type()) * count;
        let align = alloca.alignment().max(1);
        offset = u64::next_multiple_of(offset, align.min(FRAME_ALIGN));
        placed.push((alloca, offset, align));
        offset += size.max(1) + align.saturating_sub(FRAME_ALIGN);
    }
    let first = function.blocks()[0].instructions()[0];
    let locals = module.before(first).alloca(module.bytes(offset.next_multiple_of(FRAME_ALIGN)), FRAME_ALIGN, LOCALS);
    for (alloca, offset, align) in placed {
        // One address at the entry (for debug information), and one for each use: nothing lives across a call.
        for user in alloca.users() {
            if !user.is_instruction() {
                continue;
            }
            while let Some(index) = user.operands().into_iter().position(|o| o == alloca) {
                user.replace_use(index, address(module, locals, offset, align, user.use_place(index)));
            }
        }
        let remaining = address(module, locals, offset, align, alloca);
        alloca.replace_with(remaining);
        alloca.erase();
    }
}

fn address(module: Module, locals: Value, offset: u64, align: u64, before: Value) -> Value {
    let builder = module.before(before).located_like(before);
    if align <= FRAME_ALIGN {
        return builder.offset_by(locals, offset);
    }
    let raw = builder.offset_by(locals, offset + align - FRAME_ALIGN);
    let mask = module.i64(!(align - 1));
    builder.int_to_ptr(builder.and(builder.ptr_to_int(raw), mask))
}
