//! Which functions and calls are native, which are uniform (DESIGN.md 3), and marks them with their calling
//! conventions.

use crate::calls;
use crate::ir::{Module, PRESERVE_NONE, RETURN_INDEX, Value, is_attribute};
use inkwell::llvm_sys::LLVMLinkage;
use inkwell::llvm_sys::LLVMOpcode::LLVMRet;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

/// How a module is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Functions are uniform unless they are on the list of native functions.
    Uniform,
    /// Every function is native.
    Leaf,
}

static NATIVE_FUNCTIONS: LazyLock<HashSet<&str>> = LazyLock::new(|| names(include_str!("../native-functions.txt")));
static LIBRARY_FUNCTIONS: LazyLock<HashSet<&str>> = LazyLock::new(|| names(include_str!("../library-functions.txt")));

fn names(list: &str) -> HashSet<&str> {
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Where it is set on the first parameter, AArch64 takes the registers that the C convention preserves for preserved,
/// whatever the convention of the call.
const RETURNED: &str = "returned";

/// Called by the polls that twin-cc inserts; a map lies behind the call (shim/map.cpp).
pub const POLL: &str = "__twin_poll_mapped";
/// A poll for the C library's own code.
const PLAIN_POLL: &str = "__twin_poll_slow";

fn is_poll(name: &str) -> bool {
    name == POLL || name == PLAIN_POLL
}

/// Whether `call` is that of a poll that twin-cc inserted.
pub fn is_poll_call(call: Value) -> bool {
    call.called_function().is_some_and(|function| function.name() == POLL)
}

/// Whether a function called `name` with external linkage has the native convention.
pub fn is_native_name(name: &str) -> bool {
    (name.starts_with("__twin_") && !is_poll(name)) || NATIVE_FUNCTIONS.contains(name)
}

/// Whether `name` is a function of the C library's.
pub fn is_library_name(name: &str) -> bool {
    LIBRARY_FUNCTIONS.contains(name)
}

fn is_native_by_name(function: &Value) -> bool {
    !function.is_local() && is_native_name(&function.name())
}

/// The conventions of all functions of a module.
pub struct Conventions {
    native: HashSet<Value>,
    /// Functions during which no hop can happen: calls of them need no uniform frame.
    quiet: HashSet<Value>,
    /// How much those of them turn in loops that are defined here (`calls`).
    turns: HashMap<Value, u64>,
    variadic_symbols: BTreeSet<String>,
    variadic_refs: BTreeSet<String>,
    unprototyped_refs: BTreeSet<String>,
}

/// Names for the layout record (`twin_linker::fat::Record`).
pub struct Symbols {
    /// Defined functions.
    pub native_symbols: Vec<String>,
    /// Defined functions.
    pub uniform_symbols: Vec<String>,
    /// Called functions.
    pub native_refs: Vec<String>,
    /// Called functions.
    pub uniform_refs: Vec<String>,
    /// Defined functions with `...`.
    pub variadic_symbols: Vec<String>,
    /// Called functions with `...`.
    pub variadic_refs: Vec<String>,
    /// Called functions without a prototype.
    pub unprototyped_refs: Vec<String>,
}

impl Conventions {
    /// Classifies every function of `module`.
    pub fn classify(module: Module, mode: Mode) -> Conventions {
        let mut native = HashSet::new();
        for function in module.functions() {
            let name = function.name();
            let leaf = mode == Mode::Leaf && !name.starts_with("llvm.") && !is_poll(&name);
            if leaf || is_native_by_name(&function) {
                native.insert(function);
            }
        }
        let mut conventions = Conventions {
            native,
            quiet: HashSet::new(),
            turns: HashMap::new(),
            variadic_symbols: BTreeSet::new(),
            variadic_refs: BTreeSet::new(),
            unprototyped_refs: BTreeSet::new(),
        };
        conventions.turns = calls::quiet(module, &conventions.native);
        conventions.quiet = conventions.turns.keys().copied().collect();
        for &function in &conventions.quiet {
            // Nobody outside the module relies on a local function's convention.
            if function.is_local() && !address_taken(function) && !function.value_type().is_variadic() {
                conventions.native.insert(function);
            }
        }
        conventions
    }

    /// Notes which functions are variadic, before that is lowered.
    pub fn note_prototypes(&mut self, module: Module) {
        for function in module.functions().into_iter().filter(|f| !f.is_local()) {
            let is_variadic = function.value_type().is_variadic();
            let names = match (function.is_declaration(), function.params().is_empty()) {
                (false, _) if is_variadic => &mut self.variadic_symbols,
                (true, false) if is_variadic => &mut self.variadic_refs,
                // Whoever passes nothing agrees with every definition: autoconf looks for functions as `char f(void)`.
                (true, true) => &mut self.unprototyped_refs,
                _ => continue,
            };
            names.insert(function.name());
        }
        for alias in module.aliases() {
            let variadic = |function: &Value| function.value_type().is_variadic();
            if alias.aliasee().and_then(Value::as_function).as_ref().is_some_and(variadic) {
                self.variadic_symbols.insert(alias.name());
            }
        }
    }

    /// Notes a native function that a pass has declared.
    pub fn add_native(&mut self, function: Value) {
        self.native.insert(function);
    }

    /// Notes the native functions that LLVM's passes have begun to call meanwhile, such as bcmp instead of memcmp.
    pub fn add_declared(&mut self, module: Module) {
        let is_native = |function: &Value| function.is_declaration() && is_native_by_name(function);
        self.native.extend(module.functions().into_iter().filter(is_native));
    }

    /// Whether `function` has the native convention.
    pub fn is_native(&self, function: Value) -> bool {
        self.native.contains(&function)
    }

    /// Whether `function` cannot reach a migration point.
    pub fn is_quiet(&self, function: Value) -> bool {
        self.quiet.contains(&function) || self.native.contains(&function)
    }

    /// How much the quiet functions of this module turn in loops, each with its callees.
    pub fn turns(&self) -> &HashMap<Value, u64> {
        &self.turns
    }

    /// Notes that `new` has taken the place of `old`.
    pub fn renamed(&mut self, old: Value, new: Value) {
        if let Some(turns) = self.turns.remove(&old) {
            self.turns.insert(new, turns);
        }
        for set in [&mut self.native, &mut self.quiet] {
            if set.remove(&old) {
                set.insert(new);
            }
        }
    }

    /// Whether `call` passes its arguments by the uniform convention.
    pub fn is_uniform_convention(&self, call: Value) -> bool {
        !is_free(call) && call.called_function().is_none_or(|f| !self.native.contains(&f))
    }

    /// Whether `instruction` calls what may reach a migration point.
    pub fn is_loud_call(&self, instruction: Value) -> bool {
        instruction.is_call()
            && self.is_uniform_convention(instruction)
            && instruction.called_function().is_none_or(|f| !self.quiet.contains(&f))
    }

    /// Whether a hop can happen during `call`, with the frame of its function on the stack.
    pub fn is_uniform_call(&self, call: Value) -> bool {
        self.is_loud_call(call) && !call.is_musttail() && !self.is_sibling_call(call)
    }

    /// Whether `call` stands in front of its function's return, so that it can be a jump: both code generators then
    /// make it one, which the label pass checks.
    pub fn is_sibling_call(&self, call: Value) -> bool {
        let (function, end) = (call.block().function(), call.next());
        if !self.is_loud_call(call) || !call.is_tail() || end.opcode() != LLVMRet {
            return false;
        }
        let returned = end.operands().first().copied();
        let returns_it = if call.ty().is_void() { returned.is_none() } else { returned == Some(call) };
        let extension =
            |attributes: Vec<_>| ["zeroext", "signext"].map(|name| attributes.iter().any(|a| is_attribute(*a, name)));
        returns_it
            && call.call_convention() == function.convention()
            && call.called_function().is_none_or(|f| f.linkage() != LLVMLinkage::LLVMExternalWeakLinkage)
            && extension(call.call_attributes(RETURN_INDEX)) == extension(function.attributes(RETURN_INDEX))
    }

    /// Native functions whose address is taken get a uniform wrapper: a function pointer is always uniform.
    pub fn wrap_natives(&mut self, module: Module, mode: Mode) {
        if mode == Mode::Leaf {
            return;
        }
        for function in module.functions() {
            if !self.is_native(function) || !address_taken(function) || function.is_local() {
                continue;
            }
            let calls: Vec<Value> =
                function.users().into_iter().filter(|u| u.is_call() && u.callee() == function).collect();
            let ty = function.value_type();
            let wrapper = module.function(&format!("twin.uniform.{}", function.name()), ty);
            function.replace_with(wrapper);
            for call in calls {
                let callee = call.operands().len() - 1;
                call.set_operand(callee, function);
            }
            let block = wrapper.append_block(module, "");
            let builder = module.at_end(block);
            let result = builder.call(ty, function, &wrapper.params(), 0);
            builder.ret((!ty.ret().is_void()).then_some(result));
            wrapper.set_linkage(LLVMLinkage::LLVMLinkOnceODRLinkage);
            self.quiet.insert(wrapper);
        }
    }

    /// Writes the conventions into the IR.
    pub fn apply(&self, module: Module) {
        for function in module.functions() {
            if !function.name().starts_with("llvm.") && !self.is_native(function) {
                function.set_convention(PRESERVE_NONE);
                for index in 1..=function.params().len() as u32 {
                    function.remove_attribute(index, RETURNED);
                }
            }
        }
        for function in module.definitions() {
            for call in function.instructions().into_iter().filter(|i| i.is_call()) {
                if self.is_uniform_convention(call) {
                    call.set_call_convention(PRESERVE_NONE);
                    for index in 1..=call.arguments().len() as u32 {
                        call.remove_call_attribute(index, RETURNED);
                    }
                }
            }
        }
    }

    /// Names for the layout record.
    pub fn symbols(self, module: Module) -> Symbols {
        let mut sets: [BTreeSet<String>; 4] = Default::default();
        for function in module.functions() {
            let name = function.name();
            if name.starts_with("llvm.") || function.is_local() {
                continue;
            }
            let column = if self.is_native(function) { 0 } else { 1 };
            if !function.is_declaration() {
                sets[column].insert(name);
            } else if function.has_uses() {
                sets[column + 2].insert(name);
            }
        }
        for alias in module.aliases() {
            if let Some(function) = alias.aliasee().and_then(Value::as_function) {
                sets[if self.is_native(function) { 0 } else { 1 }].insert(alias.name());
            }
        }
        let list = |set: BTreeSet<String>| set.into_iter().collect();
        let [native_symbols, uniform_symbols, native_refs, uniform_refs] = sets.map(list);
        Symbols {
            native_symbols,
            uniform_symbols,
            native_refs,
            uniform_refs,
            variadic_symbols: list(self.variadic_symbols),
            variadic_refs: list(self.variadic_refs),
            unprototyped_refs: list(self.unprototyped_refs),
        }
    }
}

/// Calls that are no calls by our convention: intrinsics and (empty) inline assembly.
pub fn is_free(call: Value) -> bool {
    call.callee().is_inline_asm() || call.called_intrinsic().is_some()
}

fn address_taken(function: Value) -> bool {
    function
        .users()
        .into_iter()
        .any(|user| !(user.is_call() && user.callee() == function && !user.arguments().contains(&function)))
}
