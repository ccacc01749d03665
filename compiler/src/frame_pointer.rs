//! Which functions keep a frame pointer: of those that can be on the stack at a hop, who is asked to (as at `-O0`), asks for
//! the address of a frame, or gets shorter by it (`slots/choice.rs`). The others do not touch the register.

use crate::ir::{FUNCTION_INDEX, Module, Value};

/// LLVM's attribute.
const NAME: &str = "frame-pointer";
/// Its values here.
const KEPT: &str = "all";
const UNTOUCHED: &str = "reserved";

/// Tells the code generators; `framed` are the functions that can be on the stack at a hop.
pub fn settle(module: Module, framed: &[Value]) {
    let asks = |i: Value| i.called_intrinsic().is_some_and(|name| name.starts_with("llvm.frameaddress"));
    let wanted = |function: &Value| {
        matches!(function.string_attribute(NAME).as_deref(), Some("all" | "non-leaf" | "non-leaf-no-reserve"))
            || function.instructions().into_iter().any(|i| i.is_call() && asks(i))
    };
    let values: Vec<&str> = framed.iter().map(|f| if wanted(f) { KEPT } else { UNTOUCHED }).collect();
    module.definitions().into_iter().for_each(|function| function.remove_string_attribute(NAME));
    framed.iter().zip(values).for_each(|(function, value)| set(module, *function, value));
}

/// Whether `function` has one.
pub fn is_kept(function: Value) -> bool {
    function.string_attribute(NAME).as_deref() == Some(KEPT)
}

/// Gives `function` one.
pub fn keep(module: Module, function: Value) {
    function.remove_string_attribute(NAME);
    set(module, function, KEPT);
}

fn set(module: Module, function: Value, value: &str) {
    function.add_attribute(FUNCTION_INDEX, module.string_attribute(NAME, value));
}
