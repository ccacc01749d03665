//! Which registers arguments travel in. `preserve_none` gives its first integer arguments four registers on x86-64 whose
//! numbers make instructions longer (r12 to r15), and only then those of the C convention. So the first four places stay
//! empty, or take the last arguments of a function with many. Both ISAs get one order, which AArch64 does not mind.
//! Small integers travel as an `int`: by themselves they would have an order of their own.

use super::signatures::{EARLY_REGISTERS, LATE_REGISTERS, integer_registers};
use crate::convention::Conventions;
use crate::ir::{FUNCTION_INDEX, Module, PRESERVE_NONE, RETURN_INDEX, Type, Value, is_attribute};
use inkwell::llvm_sys::prelude::LLVMAttributeRef;
use inkwell::llvm_sys::{LLVMOpcode, LLVMTypeKind};

/// Orders the parameters of all uniform functions and calls, whose signatures must have been lowered.
pub fn run(module: Module, conventions: &mut Conventions) {
    for call in module.definitions().into_iter().flat_map(|f| f.instructions()).filter(|i| i.is_call()) {
        if call.call_convention() == PRESERVE_NONE {
            order_call(module, call);
        }
    }
    for function in module.definitions().into_iter().filter(|f| f.convention() == PRESERVE_NONE) {
        order_definition(module, conventions, function);
    }
}

/// A parameter as ordered: one of the old ones, or a register that holds nothing.
#[derive(Clone, Copy)]
enum Parameter {
    Old(usize),
    Nothing,
}

/// The new order of the parameters of `ty`; `None` if there are no integer ones.
fn order(module: Module, ty: Type) -> Option<Vec<Parameter>> {
    let params = ty.params();
    let (mut early, mut late, mut place) = (Vec::new(), Vec::new(), 0);
    for (index, param) in params.iter().enumerate() {
        let registers = integer_registers(module, *param);
        let is_late = registers > 0 && (EARLY_REGISTERS..EARLY_REGISTERS + LATE_REGISTERS).contains(&place);
        if is_late { &mut late } else { &mut early }.push(Parameter::Old(index));
        place += registers;
    }
    late.resize(LATE_REGISTERS as usize, Parameter::Nothing);
    late.extend(early);
    (place > 0).then_some(late)
}

/// Bits of an `int`.
const INT: u32 = 32;

fn is_small(ty: Type) -> bool {
    ty.kind() == LLVMTypeKind::LLVMIntegerTypeKind && ty.int_bits() < INT
}

fn ordered_type(module: Module, ty: Type, order: &[Parameter]) -> Type {
    let params = ty.params();
    let of = |parameter: &Parameter| match parameter {
        Parameter::Old(index) if is_small(params[*index]) => module.int(INT),
        Parameter::Old(index) => params[*index],
        Parameter::Nothing => module.int(64),
    };
    let ordered: Vec<Type> = order.iter().map(of).collect();
    module.function_type(ty.ret(), &ordered, false)
}

/// The attribute indices of the result and all old parameters of `ty` with the new ones, but for those that change their type.
fn attributes(ty: Type, order: &[Parameter]) -> impl Iterator<Item = (u32, u32)> {
    let params = ty.params();
    let kept = order.iter().enumerate().filter_map(move |(new, parameter)| match parameter {
        Parameter::Old(old) if !is_small(params[*old]) => Some((*old as u32 + 1, new as u32 + 1)),
        _ => None,
    });
    kept.chain([(RETURN_INDEX, RETURN_INDEX)])
}

fn order_call(module: Module, call: Value) {
    let ty = call.call_type();
    let Some(order) = order(module, ty) else { return };
    let arguments = call.arguments();
    let builder = module.before(call).located_like(call);
    let of = |parameter: &Parameter| match parameter {
        Parameter::Old(index) if is_small(arguments[*index].ty()) => {
            let signed = is_signed(&call.call_attributes(*index as u32 + 1));
            builder.int_cast(arguments[*index], module.int(INT), signed)
        }
        Parameter::Old(index) => arguments[*index],
        Parameter::Nothing => module.int(64).poison(),
    };
    let ordered: Vec<Value> = order.iter().map(of).collect();
    let new = builder.call(ordered_type(module, ty, &order), call.callee(), &ordered, call.call_convention());
    for (old, index) in attributes(ty, &order).chain([(FUNCTION_INDEX, FUNCTION_INDEX)]) {
        call.call_attributes(old).into_iter().for_each(|attribute| new.add_call_attribute(index, attribute));
    }
    new.set_tail_kind(call.tail_kind());
    call.replace_with(new);
    call.erase();
}

fn order_definition(module: Module, conventions: &mut Conventions, function: Value) {
    let ty = function.value_type();
    let Some(order) = order(module, ty) else { return };
    let signed: Vec<bool> =
        (1..=ty.params().len()).map(|index| is_signed(&function.attributes(index as u32))).collect();
    let (new, old_params) = function.retype(module, ordered_type(module, ty, &order), attributes(ty, &order));
    conventions.renamed(function, new);
    for (parameter, value) in order.iter().zip(new.params()) {
        match *parameter {
            Parameter::Old(index) if is_small(old_params[index].ty()) => {
                narrow(module, new, old_params[index], value, signed[index]);
            }
            Parameter::Old(index) => old_params[index].replace_with(value),
            Parameter::Nothing => {}
        }
    }
    function.delete_function();
}

fn is_signed(attributes: &[LLVMAttributeRef]) -> bool {
    attributes.iter().any(|attribute| is_attribute(*attribute, "signext"))
}

/// Replaces the small integer `old` by `wide`, which a caller has extended; whoever extends it again takes that.
fn narrow(module: Module, function: Value, old: Value, wide: Value, signed: bool) {
    let extension = if signed { LLVMOpcode::LLVMSExt } else { LLVMOpcode::LLVMZExt };
    for user in old.users() {
        if user.is_instruction() && user.opcode() == extension && user.ty().int_bits() >= INT {
            user.replace_with(module.before(user).located_like(user).int_cast(wide, user.ty(), signed));
            user.erase();
        }
    }
    if !old.users().is_empty() {
        let start = function.blocks()[0].instructions()[0];
        old.replace_with(module.before(start).int_cast(wide, old.ty(), signed));
    }
}
