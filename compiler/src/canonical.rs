//! First pass: refuses what cannot be uniform and removes what belongs to one ISA only.

use crate::error::Unsupported;
use crate::ir::{FUNCTION_INDEX, Module, Value};
use crate::processor;
use inkwell::llvm_sys::{LLVMLinkage, LLVMOpcode};

/// Function attributes that would make one ISA's code generator act differently, or ask for what has no
/// uniform form (stack protectors read an ISA-private canary; dynamic stack alignment moves the frame).
const DROPPED: [&str; 5] =
    ["min-legal-vector-width", "stack-protector-buffer-size", "probe-stack", "stackrealign", "stack-probe-size"];

/// Intrinsics that ask for what each ISA has in its own way, and what C programs call them.
const REFUSED: [(&str, &str); 6] = [
    ("llvm.eh.sjlj.", "__builtin_setjmp"),
    ("llvm.eh.return", "__builtin_eh_return"),
    ("llvm.eh.unwind.init", "__builtin_unwind_init"),
    ("llvm.read_register", "a variable in a register of one ISA"),
    ("llvm.read_volatile_register", "a variable in a register of one ISA"),
    ("llvm.write_register", "a variable in a register of one ISA"),
];

/// Number of C's calling convention. Others (`vectorcall`, `preserve_most` and so on) differ in which registers they
/// use, and not all of them exist on both ISAs.
const C: u32 = 0;

/// Number of the calling convention that `ms_abi` stands for.
const WIN64: u32 = 79;

/// Checks and canonicalises `module`.
pub fn run(module: Module) -> Result<(), Unsupported> {
    let asm = module.inline_asm();
    if !asm.trim().is_empty() {
        let first = asm.trim().lines().next().unwrap_or_default().to_owned();
        return Err(Unsupported::module(format!("file-scope assembly is not supported: `{first}`")));
    }
    if module.has_ifuncs() {
        return Err(Unsupported::module("GNU indirect functions (ifunc) are not supported"));
    }
    for function in module.functions() {
        for name in DROPPED {
            function.remove_string_attribute(name);
        }
        processor::settle(module, function);
        // Its `va_list` has another size.
        if function.convention() == WIN64 {
            let what = format!("function `{}`: attribute ms_abi is not supported", function.name());
            return Err(Unsupported::module(what));
        }
        if !function.name().starts_with("llvm.") {
            function.set_convention(C);
        }
        for name in ["optnone", "ssp", "sspstrong", "sspreq"] {
            function.remove_attribute(FUNCTION_INDEX, name);
        }
        if function.is_declaration() {
            let name = function.name();
            if name.starts_with("llvm.x86.") && function.has_uses() && name != "llvm.x86.sse2.pause" {
                let user = function.users()[0];
                return Err(Unsupported::at(user, format!("target intrinsic `{name}` is not supported")));
            }
            continue;
        }
        function.keep_address();
        if function.linkage() == LLVMLinkage::LLVMPrivateLinkage {
            function.set_linkage(LLVMLinkage::LLVMInternalLinkage);
        }
        for instruction in function.instructions() {
            check(module, instruction)?;
        }
    }
    for (index, global) in module.globals().into_iter().enumerate() {
        canonical_global(module, global, index);
    }
    Ok(())
}

/// Every datum gets a symbol, an explicit alignment, and a section of its own.
fn canonical_global(module: Module, global: Value, index: usize) {
    if global.name().starts_with("llvm.") {
        return;
    }
    if global.name().is_empty() {
        global.set_name(&format!(".twin.{index}"));
    }
    if global.linkage() == LLVMLinkage::LLVMPrivateLinkage {
        global.set_linkage(LLVMLinkage::LLVMInternalLinkage);
    }
    if !global.is_declaration() {
        global.keep_address();
        if global.alignment() == 0 {
            global.set_alignment(module.abi_align(global.value_type()));
        }
    }
}

fn check(module: Module, instruction: Value) -> Result<(), Unsupported> {
    if instruction.is_call()
        && let Some(name) = instruction.called_intrinsic()
        && let Some((_, what)) = REFUSED.iter().find(|(prefix, _)| name.starts_with(prefix))
    {
        return Err(Unsupported::at(instruction, format!("{what} is not supported")));
    }
    if instruction.is_call() {
        if instruction.call_convention() == WIN64 {
            return Err(Unsupported::at(instruction, "attribute ms_abi is not supported"));
        }
        instruction.set_call_convention(C);
    }
    match instruction.opcode() {
        LLVMOpcode::LLVMCall if instruction.callee().is_inline_asm() => inline_asm(module, instruction),
        LLVMOpcode::LLVMCall if instruction.called_intrinsic().as_deref() == Some("llvm.x86.sse2.pause") => {
            instruction.erase();
            Ok(())
        }
        LLVMOpcode::LLVMCallBr => Err(Unsupported::at(instruction, "asm goto is not supported")),
        LLVMOpcode::LLVMInvoke | LLVMOpcode::LLVMLandingPad => {
            Err(Unsupported::at(instruction, "exceptions are not supported"))
        }
        _ => Ok(()),
    }
}

/// Empty assembly is a barrier and stays one; a few idioms have a portable form; the rest is refused.
fn inline_asm(module: Module, call: Value) -> Result<(), Unsupported> {
    let (template, constraints) = call.callee().asm_text();
    let code = template.split(['\n', ';']).map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let code: Vec<&str> = code.collect();
    let builder = module.before(call).located_like(call);
    match code.as_slice() {
        [] if call.arguments().is_empty() && call.ty().is_void() => {
            builder.compiler_fence();
            call.erase();
        }
        [] => {
            let kept: Vec<&str> = constraints
                .split(',')
                .filter(|c| !matches!(*c, "~{dirflag}" | "~{fpsr}" | "~{flags}" | "~{cc}"))
                .collect();
            let barrier = builder.inline_asm(call.call_type(), "", &kept.join(","));
            let copy = builder.call(call.call_type(), barrier, &call.arguments(), 0);
            call.replace_with(copy);
            call.erase();
        }
        ["pause"] | ["rep", "nop"] | ["nop"] => call.erase(),
        ["mfence"] | ["lock", "addl $$0,0(%rsp)"] | ["sfence"] | ["lfence"] => {
            builder.fence();
            call.erase();
        }
        [first, ..] => {
            return Err(Unsupported::at(call, format!("inline assembly is not supported: `{first}`")));
        }
    }
    Ok(())
}
