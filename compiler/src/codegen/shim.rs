//! The Rust side of the C++ shim (compiler/shim/shim.h).

use super::agree::{Needs, Side};
use crate::align::{Branch, Code, Item, Mark};
use inkwell::module::Module;
use inkwell::targets::TargetMachine;
use inkwell::values::{AsValueRef, FunctionValue};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::slice::from_raw_parts_mut;

/// Separates blocks in the list of call sites.
const BLOCK_END: u32 = u32::MAX;

/// What an item is (`Kind` in shim/emit.cpp), and what its fields mean.
mod kind {
    /// A section begins.
    pub const SECTION: u32 = 0;
    /// `a` bytes.
    pub const BYTES: u32 = 1;
    /// To a multiple of `a`, unless that takes more than `b` bytes.
    pub const ALIGNMENT: u32 = 2;
    /// Padding that is run through if `a` is 1; the answer is in `b`.
    pub const PADDING: u32 = 3;
    /// The end of a branch to label `number`, of `a` bytes or `b` if it is long; `c` is the bias of the distance, which has `d`
    /// bits in the short form. Answered by an `a` of 1 for the long form.
    pub const BRANCH: u32 = 4;
    /// Label `number`.
    pub const LABEL: u32 = 5;
    /// Function `number` begins.
    pub const BEGIN: u32 = 6;
    /// The return address of call site `number` of function `a`.
    pub const SITE: u32 = 7;
    /// Function `number` ends.
    pub const END: u32 = 8;
    /// A bare poll of function `a` goes on here, of site `number`; the answer in `b` is its return address, from the function's begin,
    /// in `c` how far behind all other code of the function that is if it is behind a landing, or 0.
    pub const BARE_POLL: u32 = 9;
    /// The row of call frame information of function `a` that has this `number` begins here.
    pub const ROW: u32 = 10;
    /// Place for landings of function `a`, which are in front of return addresses of bare polls; the answer in `b` is how many bytes.
    pub const LANDING: u32 = 11;
}

/// A part of the code.
#[repr(C)]
struct TwinItem {
    kind: u32,
    number: u32,
    a: i64,
    b: i64,
    c: i64,
    d: i64,
}

#[repr(C)]
struct TwinHost {
    context: *const c_void,
    reserve: extern "C" fn(*const c_void, *const c_char, *mut Needs) -> i64,
    frame: extern "C" fn(*const c_void, *const c_char, u64, i64, i64),
    block_order: extern "C" fn(*const c_void, *const c_char, *const u32, u64, *mut u32, u64) -> i64,
    bare_polls: extern "C" fn(*const c_void, *const c_char, *mut u32, u64) -> i64,
    align: extern "C" fn(*const c_void, *mut TwinItem, u64, *const *const c_char, u64) -> i64,
    padding: extern "C" fn(*const c_void, u64, u64, *mut u8),
    opposite: extern "C" fn(*const c_void, u32) -> u32,
    violation: extern "C" fn(*const c_void, *const c_char),
}

unsafe extern "C" {
    fn twin_install_passes();
    fn twin_configure_target(machine: inkwell::llvm_sys::target_machine::LLVMTargetMachineRef);
    fn twin_disable_indexed_modes(
        machine: inkwell::llvm_sys::target_machine::LLVMTargetMachineRef,
        function: inkwell::llvm_sys::prelude::LLVMValueRef,
    );
    fn twin_set_host(host: *const TwinHost);
    fn twin_emit(
        machine: inkwell::llvm_sys::target_machine::LLVMTargetMachineRef,
        module: inkwell::llvm_sys::prelude::LLVMModuleRef,
        object: *mut *mut c_char,
        size: *mut u64,
    ) -> c_int;
}

/// Hooks the machine passes into LLVM. Once a process.
pub fn install_passes() {
    // SAFETY: called once, before any code generator exists.
    unsafe { twin_install_passes() }
}

/// Sets the options that the C interface of LLVM lacks.
pub fn configure_target(machine: &TargetMachine) {
    // SAFETY: the machine lives through the call.
    unsafe { twin_configure_target(machine.as_mut_ptr()) }
}

/// Keeps instruction selection for `function` from using loads and stores that write back an address.
pub fn disable_indexed_modes(machine: &TargetMachine, function: FunctionValue) {
    // SAFETY: both live through the call.
    unsafe { twin_disable_indexed_modes(machine.as_mut_ptr(), function.as_value_ref()) }
}

/// Runs `work` with the machine passes active on this thread and `side` as their host.
pub fn with_host<T>(side: &Side, work: impl FnOnce() -> T) -> T {
    let host = TwinHost {
        context: (side as *const Side).cast(),
        reserve,
        frame,
        block_order,
        bare_polls,
        align,
        padding,
        opposite,
        violation,
    };
    // SAFETY: the host outlives `work`, after which it is taken back.
    unsafe {
        twin_set_host(&host);
        let result = work();
        twin_set_host(std::ptr::null());
        result
    }
}

/// # Safety
/// `context` is the `Side` of [`with_host`], `name` a C string.
unsafe fn arguments<'a>(context: *const c_void, name: *const c_char) -> (&'a Side<'a>, String) {
    // SAFETY: see above.
    unsafe { (&*context.cast(), CStr::from_ptr(name).to_string_lossy().into_owned()) }
}

/// # Safety
/// `first` is that of an array of this length, which need not be anywhere if it is empty.
unsafe fn array<'a, T>(first: *mut T, length: u64) -> &'a mut [T] {
    // SAFETY: see above.
    if length == 0 { &mut [] } else { unsafe { from_raw_parts_mut(first, length as usize) } }
}

/// Puts what was agreed on to the begin of `out`; returns how much that is, or -1 if it is nothing.
fn answer(agreed: Option<Vec<u32>>, out: &mut [u32]) -> i64 {
    agreed.map_or(-1, |agreed| {
        out[..agreed.len()].copy_from_slice(&agreed);
        agreed.len() as i64
    })
}

extern "C" fn reserve(context: *const c_void, function: *const c_char, needs: *mut Needs) -> i64 {
    // SAFETY: the shim passes what it was given, and needs of its own.
    let (side, function, needs) = unsafe {
        let (side, function) = arguments(context, function);
        (side, function, &mut *needs)
    };
    match side.reserve(&function, *needs) {
        Some(agreed) => {
            *needs = agreed;
            0
        }
        None => -1,
    }
}

extern "C" fn frame(context: *const c_void, function: *const c_char, size: u64, locals: i64, slots: i64) {
    // SAFETY: the shim passes what it was given.
    let (side, function) = unsafe { arguments(context, function) };
    side.frame(&function, size, locals, slots);
}

extern "C" fn block_order(
    context: *const c_void,
    function: *const c_char,
    sites: *const u32,
    length: u64,
    order: *mut u32,
    calls: u64,
) -> i64 {
    // SAFETY: the shim passes what it was given, and arrays of the lengths that it names.
    let (side, function, sites, order) = unsafe {
        let (side, function) = arguments(context, function);
        let sites = std::slice::from_raw_parts(sites, length as usize);
        (side, function, sites, array(order, calls))
    };
    let blocks: Vec<Vec<u32>> = sites.split(|s| *s == BLOCK_END).map(<[u32]>::to_vec).collect();
    answer(side.block_order(&function, blocks), order)
}

extern "C" fn bare_polls(context: *const c_void, function: *const c_char, sites: *mut u32, count: u64) -> i64 {
    // SAFETY: the shim passes what it was given, and an array of the length that it names.
    let ((side, function), sites) = unsafe { (arguments(context, function), array(sites, count)) };
    answer(side.bare_polls(&function, sites.to_vec()), sites)
}

extern "C" fn violation(context: *const c_void, message: *const c_char) {
    // SAFETY: the shim passes what it was given.
    let (side, message) = unsafe { arguments(context, message) };
    side.violation(message);
}

extern "C" fn align(
    context: *const c_void,
    items: *mut TwinItem,
    count: u64,
    names: *const *const c_char,
    functions: u64,
) -> i64 {
    // SAFETY: the shim passes what it was given, and arrays of the lengths that it names.
    let (side, items, names) = unsafe {
        let items = array(items, count);
        let names = if functions == 0 { &[] } else { std::slice::from_raw_parts(names, functions as usize) };
        (&*context.cast::<Side>(), items, names)
    };
    // SAFETY: the names are C strings.
    let names = names.iter().map(|name| unsafe { CStr::from_ptr(*name).to_string_lossy().into_owned() });
    let mut code = Code::new(side.isa(), names);
    items.iter().fold(None, |function, item| push(&mut code, item, function));
    let answered = side.align(code, |code| {
        for (item, answer) in items.iter_mut().zip(&code.items) {
            match answer {
                Item::Branch(branch) => item.a = branch.is_long.into(),
                Item::Place(function, index) => match code.functions[*function].places[*index].mark {
                    Mark::Padding(bytes) => item.b = bytes as i64,
                    Mark::BarePoll { returns_to, landing, .. } => {
                        (item.b, item.c) = (returns_to as i64, landing as i64);
                    }
                    Mark::Landing(bytes) => item.b = bytes as i64,
                    _ => {}
                },
                _ => {}
            }
        }
    });
    if answered { 0 } else { -1 }
}

/// Adds an item to the code; tells in which function the next one is.
fn push(code: &mut Code, item: &TwinItem, function: Option<usize>) -> Option<usize> {
    let number = item.number as usize;
    let align = (item.a as u64, item.b as u64);
    match (item.kind, function) {
        (kind::SECTION, _) => code.push(Item::Section),
        (kind::BYTES, _) => code.push(Item::Bytes(item.a as u64)),
        (kind::ALIGNMENT, None) => code.push(Item::Align { to: align.0, limit: align.1 }),
        (kind::ALIGNMENT, Some(function)) => code.mark(function, Mark::Align { to: align.0, limit: align.1 }),
        (kind::PADDING, Some(function)) => code.mark(function, Mark::Padding(0)),
        (kind::BRANCH, _) => {
            let target = (item.number != u32::MAX).then_some(number);
            let reach = (code.isa.granule() as i64) << (item.d - 1);
            code.push(Item::Branch(Branch::new(target, [item.a as u64, item.b as u64], item.c, reach)));
        }
        (kind::LABEL, _) => code.push(Item::Label(number)),
        (kind::BEGIN, None) => {
            code.mark(number, Mark::Begin);
            return Some(number);
        }
        (kind::SITE, Some(function)) if item.a == function as i64 => code.mark(function, Mark::Site(Some(item.number))),
        (kind::BARE_POLL, Some(function)) if item.a == function as i64 => {
            code.mark(function, Mark::BarePoll { site: item.number, returns_to: 0, landing: 0 });
        }
        (kind::ROW, Some(function)) if item.a == function as i64 => code.mark(function, Mark::Row(item.number)),
        (kind::LANDING, Some(function)) if item.a == function as i64 => code.mark(function, Mark::Landing(0)),
        (kind::END, Some(function)) if number == function => {
            code.mark(function, Mark::Site(None));
            return None;
        }
        (kind, function) => panic!("item {kind} with number {number} in function {function:?}"),
    }
    function
}

extern "C" fn padding(context: *const c_void, executed: u64, bytes: u64, out: *mut u8) {
    // SAFETY: the shim passes what it was given, and an array of the length that it names.
    let (side, out) = unsafe { (&*context.cast::<Side>(), from_raw_parts_mut(out, bytes as usize)) };
    out.copy_from_slice(&side.isa().padding(bytes, executed != 0));
}

extern "C" fn opposite(context: *const c_void, instruction: u32) -> u32 {
    // SAFETY: the shim passes what it was given.
    unsafe { &*context.cast::<Side>() }.isa().opposite(instruction)
}

/// Writes the object of `module`, or `None` if LLVM cannot.
pub fn emit(machine: &TargetMachine, module: &Module) -> Option<Vec<u8>> {
    let mut object = std::ptr::null_mut();
    let mut size = 0;
    // SAFETY: both live through the call; the result is copied and freed with the allocator it came from.
    unsafe {
        if twin_emit(machine.as_mut_ptr(), module.as_mut_ptr(), &mut object, &mut size) != 0 {
            return None;
        }
        let bytes = std::slice::from_raw_parts(object.cast::<u8>(), size as usize).to_vec();
        libc::free(object.cast());
        Some(bytes)
    }
}
