//! Arguments that do not travel in registers on both ISAs: variadic ones and those beyond the register budget
//! go to an *argument block* in the caller's frame, whose address is one more argument. The block has the shape
//! of the x86-64 stack argument area (System V psABI 3.2.3), so that clang's own `va_arg` code reads it.

use crate::convention::Conventions;
use crate::error::Unsupported;
use crate::ir::{FUNCTION_INDEX, Module, RETURN_INDEX, Type, Value};
use inkwell::llvm_sys::{LLVMTailCallKind, LLVMTypeKind};

/// Integer argument registers that both ISAs have under `preserve_none` (x86-64 has the fewer).
const INTEGER_REGISTERS: u64 = 12;
/// Floating-point argument registers of both ISAs.
const FLOAT_REGISTERS: u64 = 8;
/// Integer and floating-point result registers of both ISAs that we use.
const RESULT_REGISTERS: u64 = 2;

/// `va_list` of x86-64: offsets and the values that mark both register areas as used up.
const GP_OFFSET_END: u64 = 48;
const FP_OFFSET_END: u64 = 176;
const OVERFLOW_AREA: u64 = 8;
const REGISTER_SAVE_AREA: u64 = 16;
const VA_LIST_SIZE: u64 = 24;

/// Registers that a value occupies.
#[derive(Clone, Copy, Default)]
struct Registers {
    integer: u64,
    float: u64,
}

fn registers(module: Module, ty: Type) -> Registers {
    use LLVMTypeKind::*;
    match ty.kind() {
        LLVMVoidTypeKind => Registers::default(),
        LLVMIntegerTypeKind => Registers { integer: u64::from(ty.int_bits()).div_ceil(64).max(1), float: 0 },
        LLVMStructTypeKind => ty.fields().into_iter().fold(Registers::default(), |sum, field| {
            let r = registers(module, field);
            Registers { integer: sum.integer + r.integer, float: sum.float + r.float }
        }),
        LLVMArrayTypeKind => {
            let (element, length) = ty.array();
            let r = registers(module, element);
            Registers { integer: r.integer * length, float: r.float * length }
        }
        LLVMPointerTypeKind => Registers { integer: 1, float: 0 },
        // Small integer vectors may be widened by either ISA, never beyond 16 bytes an item.
        _ => Registers { integer: 0, float: module.store_size(ty).div_ceil(16) },
    }
}

/// How the arguments of one function type travel.
struct Plan {
    /// The type as lowered.
    ty: Type,
    /// Parameters that stay in registers.
    kept: Vec<usize>,
    /// Named parameters in the block with their offsets.
    in_block: Vec<(usize, u64)>,
    /// Where variadic arguments begin in the block.
    variadic_offset: u64,
    /// Whether there is a block.
    block: bool,
    /// Whether the result comes back through memory, whose address is then the first argument.
    result_in_memory: bool,
}

fn plan(module: Module, ty: Type) -> Plan {
    let params = ty.params();
    let result = registers(module, ty.ret());
    let result_in_memory = result.integer > RESULT_REGISTERS || result.float > RESULT_REGISTERS;
    let mut used = Registers { integer: u64::from(result_in_memory), float: 0 };
    let total = params.iter().fold(used, |sum, p| {
        let r = registers(module, *p);
        Registers { integer: sum.integer + r.integer, float: sum.float + r.float }
    });
    let block = ty.is_variadic() || total.integer > INTEGER_REGISTERS || total.float > FLOAT_REGISTERS;
    let mut kept = Vec::new();
    let mut in_block = Vec::new();
    let mut offset = 0;
    for (index, param) in params.iter().enumerate() {
        let r = registers(module, *param);
        let fits =
            used.integer + r.integer + u64::from(block) <= INTEGER_REGISTERS && used.float + r.float <= FLOAT_REGISTERS;
        if fits {
            used = Registers { integer: used.integer + r.integer, float: used.float + r.float };
            kept.push(index);
        } else {
            offset = place(module, *param, &mut offset);
            in_block.push((index, offset));
            offset += module.alloc_size(*param).next_multiple_of(8);
        }
    }
    let mut lowered: Vec<Type> = Vec::new();
    if result_in_memory {
        lowered.push(module.ptr());
    }
    lowered.extend(kept.iter().map(|&i| params[i]));
    if block {
        lowered.push(module.ptr());
    }
    let ret = if result_in_memory { module.void() } else { ty.ret() };
    Plan {
        ty: module.function_type(ret, &lowered, false),
        kept,
        in_block,
        variadic_offset: offset,
        block,
        result_in_memory,
    }
}

/// Offset at which an argument of type `ty` goes when the block is filled up to `offset`.
fn place(module: Module, ty: Type, offset: &mut u64) -> u64 {
    offset.next_multiple_of(if module.abi_align(ty) > 8 { 16 } else { 8 })
}

/// Lowers signatures, calls and `va_start` of `module`. Tells whether there was a `va_start`: reading from a
/// `va_list` can then be simplified.
pub fn run(module: Module, conventions: &mut Conventions) -> Result<bool, Unsupported> {
    for function in module.definitions() {
        let mut calls = Vec::new();
        for call in function.instructions().into_iter().filter(|i| i.is_call()) {
            match call.called_intrinsic().as_deref() {
                Some(name) if name.starts_with("llvm.va_copy") => va_copy(module, call),
                Some(name) if name.starts_with("llvm.va_end") => call.erase(),
                _ if conventions.is_uniform_convention(call) => calls.extend(PlannedCall::new(module, call)?),
                _ => {}
            }
        }
        let area = Area::new(module, function, &calls);
        for call in calls {
            call.lower(module, &area);
        }
    }
    let mut has_lists = false;
    for function in module.definitions() {
        if !conventions.is_native(function) {
            has_lists |= lower_definition(module, conventions, function);
        } else if function.value_type().is_variadic() {
            return Err(Unsupported::module(format!("native function `{}` is variadic", function.name())));
        }
    }
    Ok(has_lists)
}

/// A call that needs memory for arguments or its result.
struct PlannedCall {
    call: Value,
    plan: Plan,
    /// Arguments in the block with their offsets.
    placed: Vec<(usize, u64)>,
    /// Size and alignment of the block.
    size: u64,
    align: u64,
}

/// Memory in the caller's frame for the argument block and the result, one for all calls: arguments are stored when
/// all of them are known, and the result is read right behind the call.
struct Area {
    block: Option<Value>,
    result: Option<Value>,
}

impl Area {
    fn new(module: Module, caller: Value, calls: &[PlannedCall]) -> Area {
        let room = |size: u64, align: u64| {
            let entry = caller.blocks()[0].instructions()[0];
            (size > 0).then(|| module.before(entry).alloca(module.bytes(size.next_multiple_of(16)), align, ""))
        };
        let most = |of: &dyn Fn(&PlannedCall) -> u64| calls.iter().map(of).max().unwrap_or(0);
        Area { block: room(most(&|c| c.size), most(&|c| c.align)), result: room(most(&|c| c.result_size(module)), 16) }
    }
}

impl PlannedCall {
    fn new(module: Module, call: Value) -> Result<Option<PlannedCall>, Unsupported> {
        let plan = plan(module, call.call_type());
        if !plan.block && !plan.result_in_memory {
            return Ok(None);
        }
        if call.is_musttail() {
            return Err(Unsupported::at(call, "a guaranteed tail call with arguments in memory is not supported"));
        }
        let mut placed = plan.in_block.clone();
        let (mut size, mut align) = (plan.variadic_offset, 16);
        for (index, argument) in call.arguments().iter().enumerate().skip(call.call_type().params().len()) {
            let (ty, natural) = match call.call_type_attribute(index, "byval") {
                Some(ty) => (ty, call.call_int_attribute(index, "align").unwrap_or_else(|| module.abi_align(ty))),
                None => (argument.ty(), module.abi_align(argument.ty()).min(16)),
            };
            let at = size.next_multiple_of(natural.max(8));
            placed.push((index, at));
            size = at + module.alloc_size(ty).next_multiple_of(8);
            align = align.max(natural);
        }
        Ok(Some(PlannedCall { call, plan, placed, size, align }))
    }

    fn result_size(&self, module: Module) -> u64 {
        if self.plan.result_in_memory { module.alloc_size(self.call.call_type().ret()) } else { 0 }
    }

    fn lower(self, module: Module, area: &Area) {
        let PlannedCall { call, plan, placed, .. } = self;
        let arguments = call.arguments();
        let builder = module.before(call).located_like(call);
        let memory = area.result.filter(|_| plan.result_in_memory);
        let mut lowered = Vec::from_iter(memory);
        lowered.extend(plan.kept.iter().map(|&i| arguments[i]));
        if plan.block {
            let block = area.block.unwrap_or_else(|| module.ptr().null());
            for (index, offset) in placed {
                let at = builder.offset_by(block, offset);
                let argument = arguments[index];
                if let Some(ty) =
                    call.call_type_attribute(index, "byval").filter(|_| index >= call.call_type().params().len())
                {
                    builder.copy(at, argument, module.alloc_size(ty), 1);
                    continue;
                }
                // The whole word, as if it had come from a register: `syscall` reads what may be an int as a long.
                let is_narrow =
                    argument.ty().kind() == LLVMTypeKind::LLVMIntegerTypeKind && argument.ty().int_bits() < 64;
                let argument = if is_narrow { builder.to_i64(argument) } else { argument };
                builder.store(argument, at, if offset % 16 == 0 { 16 } else { 8 });
            }
            lowered.push(block);
        }
        let new = builder.call(plan.ty, call.callee(), &lowered, call.call_convention());
        new.set_tail_kind(LLVMTailCallKind::LLVMTailCallKindNoTail);
        copy_attributes(call, new, &plan);
        match memory {
            Some(memory) => {
                let ty = call.ty();
                call.replace_with(builder.load(ty, memory, module.abi_align(ty).min(16)));
            }
            None => call.replace_with(new),
        }
        call.erase();
    }
}

fn va_copy(module: Module, call: Value) {
    let arguments = call.arguments();
    module.before(call).located_like(call).copy(arguments[0], arguments[1], VA_LIST_SIZE, 8);
    call.erase();
}

fn copy_attributes(old: Value, new: Value, plan: &Plan) {
    for attribute in old.call_attributes(FUNCTION_INDEX) {
        new.add_call_attribute(FUNCTION_INDEX, attribute);
    }
    // What was said of the arguments' memory does not hold for the block.
    new.remove_call_attribute(FUNCTION_INDEX, "memory");
    new.remove_call_attribute(FUNCTION_INDEX, "allocsize");
    if !plan.result_in_memory {
        for attribute in old.call_attributes(RETURN_INDEX) {
            new.add_call_attribute(RETURN_INDEX, attribute);
        }
    }
    let shift = 1 + u32::from(plan.result_in_memory);
    for (position, &index) in plan.kept.iter().enumerate() {
        for attribute in old.call_attributes(index as u32 + 1) {
            new.add_call_attribute(position as u32 + shift, attribute);
        }
    }
}

/// Tells whether there was a `va_start`.
fn lower_definition(module: Module, conventions: &mut Conventions, function: Value) -> bool {
    let ty = function.value_type();
    let plan = plan(module, ty);
    if !plan.block && !plan.result_in_memory {
        return false;
    }
    let mut has_lists = false;
    let kept_in_place = plan.kept.iter().enumerate().take_while(|(a, b)| a == *b).count();
    let attributes = if plan.result_in_memory { 0 } else { kept_in_place };
    let (new, old_params) = function.retype(module, plan.ty, attributes);
    new.remove_attribute(FUNCTION_INDEX, "memory");
    new.remove_attribute(FUNCTION_INDEX, "allocsize");
    if plan.result_in_memory {
        for attribute in ["noundef", "zeroext", "signext", "noalias", "nonnull"] {
            new.remove_attribute(RETURN_INDEX, attribute);
        }
    }
    conventions.renamed(function, new);
    let params = new.params();
    let first = usize::from(plan.result_in_memory);
    for (position, &index) in plan.kept.iter().enumerate() {
        old_params[index].replace_with(params[position + first]);
    }
    let entry = new.blocks()[0].instructions()[0];
    let builder = module.before(entry);
    if plan.block {
        let block = params[params.len() - 1];
        for &(index, offset) in &plan.in_block {
            let ty = old_params[index].ty();
            let align = if offset % 16 == 0 { 16 } else { 8 };
            let value = builder.load(ty, builder.offset_by(block, offset), align);
            old_params[index].replace_with(value);
        }
        for call in new.instructions().into_iter().filter(|i| i.is_call()) {
            if call.called_intrinsic().is_some_and(|n| n.starts_with("llvm.va_start")) {
                va_start(module, call, block, plan.variadic_offset);
                has_lists = true;
            }
        }
    }
    if plan.result_in_memory {
        for block in new.blocks() {
            let terminator = block.terminator();
            if terminator.opcode() == inkwell::llvm_sys::LLVMOpcode::LLVMRet {
                let value = terminator.operands()[0];
                let builder = module.before(terminator).located_like(terminator);
                builder.store(value, params[0], module.abi_align(value.ty()));
                builder.ret(None);
                terminator.erase();
            }
        }
    }
    function.delete_function();
    has_lists
}

fn va_start(module: Module, call: Value, block: Value, variadic_offset: u64) {
    let list = call.arguments()[0];
    let builder = module.before(call).located_like(call);
    let i32 = module.int(32);
    builder.store(i32.constant(GP_OFFSET_END), list, 8);
    builder.store(i32.constant(FP_OFFSET_END), builder.offset_by(list, 4), 4);
    let first = builder.offset_by(block, variadic_offset);
    builder.store(first, builder.offset_by(list, OVERFLOW_AREA), 8);
    builder.store(module.ptr().null(), builder.offset_by(list, REGISTER_SAVE_AREA), 8);
    call.erase();
}
