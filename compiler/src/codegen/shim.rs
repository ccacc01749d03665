//! The Rust side of the C++ shim (compiler/shim/shim.h).

use super::agree::Side;
use inkwell::targets::TargetMachine;
use inkwell::values::{AsValueRef, FunctionValue};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;

/// Separates blocks in the list of call sites.
const BLOCK_END: u32 = u32::MAX;

#[repr(C)]
struct TwinHost {
    context: *const c_void,
    reserve: extern "C" fn(*const c_void, *const c_char, *mut u64, *mut u64, *mut u64) -> i64,
    frame: extern "C" fn(*const c_void, *const c_char, u64, i64, i64),
    block_order: extern "C" fn(*const c_void, *const c_char, *const u32, u64, *mut u32, u64) -> i64,
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
    fn twin_assemble(
        triple: *const c_char,
        cpu: *const c_char,
        features: *const c_char,
        text: *const c_char,
        length: u64,
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
    let host = TwinHost { context: (side as *const Side).cast(), reserve, frame, block_order, violation };
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

extern "C" fn reserve(
    context: *const c_void,
    function: *const c_char,
    above: *mut u64,
    below: *mut u64,
    pointer: *mut u64,
) -> i64 {
    // SAFETY: the shim passes what it was given, and three integers of its own.
    let (side, function, above, below, pointer) = unsafe {
        let (side, function) = arguments(context, function);
        (side, function, &mut *above, &mut *below, &mut *pointer)
    };
    match side.reserve(&function, [*above, *below, *pointer]) {
        Some(agreed) => {
            [*above, *below, *pointer] = agreed;
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
        (side, function, sites, std::slice::from_raw_parts_mut(order, calls as usize))
    };
    let blocks: Vec<Vec<u32>> = sites.split(|s| *s == BLOCK_END).map(<[u32]>::to_vec).collect();
    match side.block_order(&function, blocks) {
        Some(agreed) => {
            order[..agreed.len()].copy_from_slice(&agreed);
            agreed.len() as i64
        }
        None => -1,
    }
}

extern "C" fn violation(context: *const c_void, message: *const c_char) {
    // SAFETY: the shim passes what it was given.
    let (side, message) = unsafe { arguments(context, message) };
    side.violation(message);
}

/// Why an assembler made nothing.
#[derive(Debug)]
pub struct Refusal {
    /// Messages, each with the line that it is about, counted from 0, if it is about one.
    pub complaints: Vec<(Option<usize>, String)>,
}

impl Refusal {
    fn parse(text: &str) -> Refusal {
        let complaint = |line: &str| {
            let (number, message) = line.split_once('\t').unwrap_or(("", line));
            (number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)), message.to_owned())
        };
        Refusal { complaints: text.lines().map(complaint).collect() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let messages: Vec<&str> = self.complaints.iter().map(|(_, message)| message.as_str()).collect();
        f.write_str(&messages.join("\n"))
    }
}

/// Assembles `text`.
///
/// # Errors
/// The assembler's diagnostics.
pub fn assemble(isa: &dyn crate::isa::Isa, text: &str) -> Result<Vec<u8>, Refusal> {
    let [triple, cpu, features] =
        [isa.triple(), isa.cpu(), isa.assembler_features()].map(|s| CString::new(s).expect("no NUL"));
    let mut object = std::ptr::null_mut();
    let mut size = 0;
    // SAFETY: all strings live through the call; the result is copied and freed with the allocator it came from.
    let (status, bytes) = unsafe {
        let status = twin_assemble(
            triple.as_ptr(),
            cpu.as_ptr(),
            features.as_ptr(),
            text.as_ptr().cast(),
            text.len() as u64,
            &mut object,
            &mut size,
        );
        let bytes = std::slice::from_raw_parts(object.cast::<u8>(), size as usize).to_vec();
        libc::free(object.cast());
        (status, bytes)
    };
    if status == 0 { Ok(bytes) } else { Err(Refusal::parse(&String::from_utf8_lossy(&bytes))) }
}
