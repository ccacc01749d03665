//! Arguments that do not travel in registers on both ISAs: variadic ones and those beyond the register budget
//! go to an *argument block* in the caller's frame, whose address is one more argument. The block has the shape
//! of the x86-64 stack argument area (System V psABI 3.2.3), so that clang's own `va_arg` code reads it.
//!
//! Every argument has a place in the block, also those that travel in registers, and the block's address has a register
//! of its own. A call without a prototype fills both, and so reaches variadic functions and others alike.

use crate::convention::Conventions;
use crate::error::Unsupported;
use crate::ir::{FUNCTION_INDEX, Module, RETURN_INDEX, Type, Value};
use inkwell::llvm_sys::{LLVMTailCallKind, LLVMTypeKind};

/// Integer argument registers, the first ones and those for what comes then (`registers`). `preserve_none` has two more on
/// both ISAs: the next one holds the address of the block, and x86-64 needs the last one for the target of an indirect tail
/// call.
const INTEGER_REGISTERS: u64 = EARLY_REGISTERS + LATE_REGISTERS;
pub(super) const EARLY_REGISTERS: u64 = 6;
pub(super) const LATE_REGISTERS: u64 = 4;
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

/// Integer registers that a value occupies.
pub(super) fn integer_registers(module: Module, ty: Type) -> u64 {
    registers(module, ty).integer
}

/// Whether a value is one integer: others may travel in several registers.
fn is_integer(ty: Type) -> bool {
    matches!(ty.kind(), LLVMTypeKind::LLVMIntegerTypeKind | LLVMTypeKind::LLVMPointerTypeKind)
}

/// How the arguments of one function type travel.
struct Plan {
    /// The type as lowered.
    ty: Type,
    /// Parameters that stay in registers.
    kept: Vec<usize>,
    /// Integer registers that are left between those and the block's.
    spare: u64,
    /// Offsets of all named parameters in the block.
    offsets: Vec<u64>,
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
    let mut kept = Vec::new();
    let mut offsets = Vec::new();
    let mut end = 0;
    for (index, param) in params.iter().enumerate() {
        let r = registers(module, *param);
        let is_late = r.integer > 0 && used.integer + r.integer > EARLY_REGISTERS;
        let fits = used.integer + r.integer <= INTEGER_REGISTERS && used.float + r.float <= FLOAT_REGISTERS;
        // Nothing travels in registers of both kinds.
        let is_whole = used.integer >= EARLY_REGISTERS && r.integer == 1 && is_integer(*param);
        if fits && (!is_late || is_whole) {
            used = Registers { integer: used.integer + r.integer, float: used.float + r.float };
            kept.push(index);
        }
        let offset = u64::next_multiple_of(end, if module.abi_align(*param) > 8 { 16 } else { 8 });
        offsets.push(offset);
        end = offset + module.alloc_size(*param).next_multiple_of(8);
    }
    let block = ty.is_variadic() || kept.len() < params.len();
    let spare = if block { INTEGER_REGISTERS - used.integer } else { 0 };
    let mut lowered: Vec<Type> = Vec::new();
    if result_in_memory {
        lowered.push(module.ptr());
    }
    lowered.extend(kept.iter().map(|&i| params[i]));
    if block {
        lowered.extend((0..spare).map(|_| module.int(64)));
        lowered.push(module.ptr());
    }
    let ret = if result_in_memory { module.void() } else { ty.ret() };
    let ty = module.function_type(ret, &lowered, false);
    Plan { ty, kept, spare, offsets, variadic_offset: end, block, result_in_memory }
}

impl Plan {
    /// Whether parameter `index` is in the block only.
    fn is_in_memory(&self, index: usize) -> bool {
        index < self.offsets.len() && !self.kept.contains(&index)
    }
}

/// Lowers signatures, calls and `va_start` of `module`. Tells whether there was a `va_start`: reading from a
/// `va_list` can then be simplified.
pub fn run(module: Module, conventions: &mut Conventions) -> Result<bool, Unsupported> {
    let mut tail_calls = Vec::new();
    for function in module.definitions() {
        let mut calls = Vec::new();
        for call in function.instructions().into_iter().filter(|i| i.is_call()) {
            match call.called_intrinsic().as_deref() {
                Some(name) if name.starts_with("llvm.va_copy") => va_copy(module, call),
                Some(name) if name.starts_with("llvm.va_end") => call.erase(),
                _ if conventions.is_uniform_convention(call) => calls.extend(PlannedCall::new(module, call)),
                _ => {}
            }
        }
        let (tail, calls): (Vec<_>, Vec<_>) = calls.into_iter().partition(|c| c.call.is_musttail());
        tail_calls.extend(tail);
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
    for call in tail_calls {
        call.lower_tail(module);
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
    fn new(module: Module, call: Value) -> Option<PlannedCall> {
        let declared = call.called_function().map(Value::value_type);
        let call_type = call.call_type();
        // A cast may hide that the callee is variadic.
        let ty = declared.filter(|d| d.is_variadic() && is_prefix(*d, call_type)).unwrap_or(call_type);
        let plan = plan(module, ty);
        if !plan.block && !plan.result_in_memory {
            return None;
        }
        let named = ty.params().len();
        // Without a prototype, clang's call is variadic and has named arguments only.
        let arguments = call.arguments();
        let has_prototype = !ty.is_variadic() || arguments.len() > named || declared == Some(ty);
        let in_block = |index: &usize| !has_prototype || plan.is_in_memory(*index);
        let mut placed: Vec<_> = (0..named).filter(in_block).map(|index| (index, plan.offsets[index])).collect();
        let (mut size, mut align) = (plan.variadic_offset, 16);
        for (index, argument) in arguments.iter().enumerate().skip(named) {
            let (ty, natural) = match call.call_type_attribute(index, "byval") {
                Some(ty) => (ty, call.call_int_attribute(index, "align").unwrap_or_else(|| module.abi_align(ty))),
                // clang's `va_arg` rounds the address up for vectors of more than 16 bytes.
                None => (argument.ty(), module.abi_align(argument.ty())),
            };
            let at = size.next_multiple_of(natural.max(8));
            placed.push((index, at));
            size = at + module.alloc_size(ty).next_multiple_of(8);
            align = align.max(natural);
        }
        Some(PlannedCall { call, plan, placed, size, align })
    }

    fn result_size(&self, module: Module) -> u64 {
        if self.plan.result_in_memory { module.alloc_size(self.call.call_type().ret()) } else { 0 }
    }

    fn lower(self, module: Module, area: &Area) {
        let memory = area.result.filter(|_| self.plan.result_in_memory);
        let new = self.replacement(module, memory, area.block);
        new.set_tail_kind(LLVMTailCallKind::LLVMTailCallKindNoTail);
        let call = self.call;
        match memory {
            Some(memory) => {
                let ty = call.ty();
                let builder = module.before(call).located_like(call);
                call.replace_with(builder.load(ty, memory, module.abi_align(ty).min(16)));
            }
            None => call.replace_with(new),
        }
        call.erase();
    }

    /// The caller has a parameter list like the callee's, and passes on the memory that it was given itself: it has
    /// read its own arguments already.
    fn lower_tail(self, module: Module) {
        let params = self.call.block().function().params();
        let memory = params.first().copied().filter(|_| self.plan.result_in_memory);
        let new = self.replacement(module, memory, params.last().copied());
        new.set_tail_kind(LLVMTailCallKind::LLVMTailCallKindMustTail);
        if memory.is_some() {
            let end = self.call.block().terminator();
            module.before(end).located_like(end).ret(None);
            end.erase();
        } else {
            self.call.replace_with(new);
        }
        self.call.erase();
    }

    /// The call as lowered, in front of the old one.
    fn replacement(&self, module: Module, result: Option<Value>, block: Option<Value>) -> Value {
        let PlannedCall { call, plan, placed, size, .. } = self;
        let arguments = call.arguments();
        let builder = module.before(*call).located_like(*call);
        let mut lowered = Vec::from_iter(result);
        lowered.extend(plan.kept.iter().map(|&i| arguments[i]));
        if plan.block {
            let block = block.filter(|_| *size > 0).unwrap_or_else(|| module.ptr().null());
            for &(index, offset) in placed {
                let at = builder.offset_by(block, offset);
                let argument = arguments[index];
                if let Some(ty) = call.call_type_attribute(index, "byval") {
                    builder.copy(at, argument, module.alloc_size(ty), 1);
                    continue;
                }
                // The whole word, as if it had come from a register: `syscall` reads what may be an int as a long.
                let is_narrow =
                    argument.ty().kind() == LLVMTypeKind::LLVMIntegerTypeKind && argument.ty().int_bits() < 64;
                let argument = if is_narrow { builder.to_i64(argument) } else { argument };
                builder.store(argument, at, if offset % 16 == 0 { 16 } else { 8 });
            }
            lowered.extend((0..plan.spare).map(|_| module.int(64).poison()));
            lowered.push(block);
        }
        let new = builder.call(plan.ty, call.callee(), &lowered, call.call_convention());
        copy_attributes(*call, new, plan);
        new
    }
}

/// Whether the parameters of `ty` begin with those of `variadic`.
fn is_prefix(variadic: Type, ty: Type) -> bool {
    !variadic.params().is_empty() && ty.ret() == variadic.ret() && ty.params().starts_with(&variadic.params())
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
    let kept_in_place = plan.kept.iter().enumerate().take_while(|(a, b)| a == *b).count() as u32;
    let attributes = if plan.result_in_memory { 0..0 } else { RETURN_INDEX..kept_in_place + 1 };
    let attributes = attributes.map(|index| (index, index));
    let (new, old_params) = function.retype(module, plan.ty, attributes);
    new.remove_attribute(FUNCTION_INDEX, "memory");
    new.remove_attribute(FUNCTION_INDEX, "allocsize");
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
        for index in (0..old_params.len()).filter(|&i| plan.is_in_memory(i)) {
            let (ty, offset) = (old_params[index].ty(), plan.offsets[index]);
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
            let returns = terminator.opcode() == inkwell::llvm_sys::LLVMOpcode::LLVMRet;
            if returns && !block.instructions().into_iter().any(|i| i.is_call() && i.is_musttail()) {
                let value = terminator.operands()[0];
                let builder = module.before(terminator).located_like(terminator);
                builder.store(value, params[0], module.abi_align(value.ty()).min(16));
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
