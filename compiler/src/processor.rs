//! Which processors code is made for: function attributes, so that link-time optimisation keeps apart what was compiled
//! with different options. clang's own are about home; the visitor's have names of their own until code generation.

use crate::ir::{FUNCTION_INDEX, Module, Value};
use crate::isa::{HOME, Isa};
use inkwell::llvm_sys::LLVMOpcode;

/// Names of LLVM's attributes.
const CPU: &str = "target-cpu";
const FEATURES: &str = "target-features";
const TUNE: &str = "tune-cpu";

/// What the same is called for the visitor.
const VISITOR: [(&str, &str); 3] = [(CPU, "twin-cpu"), (FEATURES, "twin-features"), (TUNE, "twin-tune-cpu")];

/// What clang tunes for when nobody asks for anything.
const GENERIC: &str = "generic";

/// Keeps LLVM from aligning the stack, which cannot be done in a frame of one layout for both ISAs.
const UNALIGNED: &str = "no-realign-stack";
/// The alignment that every frame has.
const ALIGNMENT: u64 = 16;

/// A processor of the visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// LLVM's name.
    pub cpu: String,
    /// LLVM's feature string.
    pub features: String,
    /// LLVM's name of the processor that code is to be fast on, if it is another.
    pub tune: Option<String>,
}

/// Notes in `module` what the visitor's code is made for.
pub fn note(module: Module, processor: &Processor) {
    let [cpu, features, tune] = VISITOR.map(|(_, name)| name);
    for function in module.definitions() {
        set(module, function, cpu, &processor.cpu);
        set(module, function, features, &processor.features);
        if let Some(processor) = &processor.tune {
            set(module, function, tune, processor);
        }
    }
}

/// Adds to the features of `function` what all code for home has.
pub fn settle(module: Module, function: Value) {
    add_features(module, function, HOME);
    if function.string_attribute(TUNE).is_some_and(|processor| processor == GENERIC) {
        function.remove_string_attribute(TUNE);
    }
}

/// Makes LLVM's attributes in `module` those for `isa`.
pub fn select(module: Module, isa: &dyn Isa) {
    if isa.name() == HOME.name() {
        return;
    }
    for function in module.functions() {
        for (name, visitor) in VISITOR {
            function.remove_string_attribute(name);
            if let Some(value) = function.string_attribute(visitor) {
                set(module, function, name, &value);
            }
        }
        add_features(module, function, isa);
    }
}

/// Spills wide registers of `function` with instructions for unaligned memory, unless it aligns its frame anyway.
pub fn keep_stack_alignment(module: Module, function: Value) {
    let wide = |i: &Value| i.opcode() == LLVMOpcode::LLVMAlloca && i.alignment() > ALIGNMENT;
    if !function.instructions().iter().any(wide) {
        set(module, function, UNALIGNED, "");
    }
}

fn add_features(module: Module, function: Value, isa: &dyn Isa) {
    if let Some(features) = function.string_attribute(FEATURES) {
        set(module, function, FEATURES, &format!("{features},{}", isa.features()));
    }
}

fn set(module: Module, function: Value, name: &str, value: &str) {
    function.add_attribute(FUNCTION_INDEX, module.string_attribute(name, value));
}
