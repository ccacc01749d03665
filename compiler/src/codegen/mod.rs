//! Machine code for both ISAs at once: two stock LLVM code generators run side by side, and the machine passes of the
//! shim make them agree wherever the frame or the order of call sites is concerned.

mod agree;
mod shim;

pub use shim::{Refusal, assemble};

use crate::isa::{self, Isa};
use crate::times::{self, Phase};
use crate::{ir, processor};
use agree::{Meeting, Side};
use anyhow::{Result, anyhow};
use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::targets::{CodeModel, FileType, InitializationConfig, RelocMode, Target, TargetMachine, TargetTriple};
use std::ffi::CString;
use std::sync::Once;

/// Options of LLVM's code generators. Loop strength reduction, constant hoisting and the merging of globals
/// would each decide anew, once an ISA, what lives across calls or where data lie. Arguments are stored, not pushed,
/// so that frames stay static. Tidying up after atomic operations sinks equal calls on one ISA only. A small load is not
/// widened where its alignment would allow it: it would read parts of the frame that the other ISA does not.
const OPTIONS: [&str; 12] = [
    "twin-cc",
    "-disable-lsr",
    "-disable-cgp",
    "-disable-constant-hoisting",
    "-aarch64-enable-global-merge=false",
    "-aarch64-enable-promote-const=false",
    "-aarch64-enable-compress-jump-tables=false",
    "-tail-dup-placement=false",
    "-no-x86-call-frame-opt",
    "-x86-promote-anyext-load=false",
    "-aarch64-enable-atomic-cfg-tidy=false",
    "-enable-machine-outliner=never",
];

/// Prepares LLVM; may be called any number of times.
pub fn initialise() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Target::initialize_x86(&InitializationConfig::default());
        Target::initialize_aarch64(&InitializationConfig::default());
        let options: Vec<CString> = OPTIONS.iter().map(|o| CString::new(*o).expect("no NUL")).collect();
        let pointers: Vec<_> = options.iter().map(|o| o.as_ptr()).collect();
        // SAFETY: the strings live through the call; LLVM copies what it keeps.
        unsafe {
            inkwell::llvm_sys::support::LLVMParseCommandLineOptions(
                pointers.len() as i32,
                pointers.as_ptr(),
                std::ptr::null(),
            );
        }
        shim::install_passes();
    });
}

/// A code generator for `isa`.
///
/// # Errors
/// If LLVM was built without the target.
pub fn target_machine(isa: &dyn Isa) -> Result<TargetMachine> {
    let triple = TargetTriple::create(isa.triple());
    let target = Target::from_triple(&triple).map_err(|e| anyhow!("{e}"))?;
    let machine = target
        .create_target_machine(
            &triple,
            isa.cpu(),
            isa.features(),
            OptimizationLevel::Default,
            RelocMode::Static,
            CodeModel::Small,
        )
        .ok_or_else(|| anyhow!("LLVM cannot generate code for {}", isa.name()))?;
    shim::configure_target(&machine);
    Ok(machine)
}

/// What both code generators made of a module.
pub struct Generated {
    /// Assembly, home first.
    pub texts: [String; 2],
    /// A violated invariant of the machine passes, with function, call site and instruction.
    pub verdict: Result<()>,
}

/// Compiles `bitcode`, which has these `functions` in this order, to assembly for both ISAs.
///
/// # Errors
/// If LLVM refuses.
pub fn generate(bitcode: &[u8], functions: impl Iterator<Item = String>) -> Result<Generated> {
    let meeting = Meeting::new(functions);
    let (home, visitor) = std::thread::scope(|scope| {
        let visitor = scope.spawn(|| generate_one(bitcode, 1, meeting.side(1)));
        let home = generate_one(bitcode, 0, meeting.side(0));
        let visitor = visitor.join().unwrap_or_else(|_| Err(anyhow!("code generator panicked")));
        (home, visitor)
    });
    Ok(Generated { texts: [home?, visitor?], verdict: meeting.check() })
}

fn generate_one(bitcode: &[u8], index: usize, side: Side) -> Result<String> {
    let _time = times::start(Phase::Code(index));
    let isa = isa::both()[index];
    let work = || -> Result<String> {
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(bitcode, "twin");
        let module = inkwell::module::Module::parse_bitcode_from_buffer(&buffer, &context)
            .map_err(|e| anyhow!("cannot read own bitcode: {e}"))?;
        let machine = target_machine(isa)?;
        module.set_triple(&machine.get_triple());
        module.set_data_layout(&machine.get_target_data().get_data_layout());
        processor::select(ir::Module::new(&module), isa);
        module.get_functions().for_each(|function| shim::disable_indexed_modes(&machine, function));
        let text = shim::with_host(&side, || machine.write_to_memory_buffer(&module, FileType::Assembly))
            .map_err(|e| anyhow!("{}: {e}", isa.name()))?;
        Ok(String::from_utf8_lossy(text.as_slice()).trim_end_matches('\0').to_owned())
    };
    let result = work();
    side.leave();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assembly for both ISAs, or the first violation.
    fn compile(body: &str) -> Result<[String; 2]> {
        compile_with("all", body)
    }

    fn compile_with(frame_pointer: &str, body: &str) -> Result<[String; 2]> {
        initialise();
        let text = format!(
            "declare void @llvm.experimental.stackmap(i64, i32, ...)\n\
             declare preserve_nonecc void @callee()\n\
             declare preserve_nonecc void @taker(i32)\n\
             declare void @many([40 x i64])\n\
             define preserve_nonecc i64 @example(ptr %p) \"frame-pointer\"=\"{frame_pointer}\" {{\n{body}\n}}\n"
        );
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
        let module = context.create_module_from_ir(buffer).expect("valid IR");
        let functions = module.get_functions().map(|f| f.get_name().to_string_lossy().into_owned());
        let generated = generate(module.write_bitcode_to_memory().as_slice(), functions)?;
        generated.verdict?;
        Ok(generated.texts)
    }

    const CALL: &str = "call void (i64, i32, ...) @llvm.experimental.stackmap(i64 7, i32 0)\n\
                        call preserve_nonecc void @callee()\n";

    #[test]
    fn a_value_behind_a_call_of_its_own_is_fine() {
        let texts = compile(&format!("{CALL} %v = load i64, ptr @callee\n ret i64 %v")).expect("no violation");
        assert!(texts.iter().all(|text| text.contains("example:")));
    }

    /// Neither ISA touches the register, and memory below the return address means nothing.
    #[test]
    fn a_frame_without_frame_pointer() {
        for private in ["", "%a = alloca [3000 x i8]\n store volatile i8 0, ptr %a\n"] {
            let body = format!("{private} {CALL} %v = load i64, ptr @callee\n ret i64 %v");
            for text in compile_with("reserved", &body).expect("no violation") {
                for unwanted in ["bp", "x29", "w29", "push", "pop"] {
                    assert!(!text.contains(unwanted), "{unwanted}: {text}");
                }
            }
        }
    }

    /// AArch64 does not address more than 255 bytes of outgoing arguments without one.
    #[test]
    fn a_frame_pointer_that_one_isa_wants() {
        let texts = compile_with("reserved", &format!("call void @many([40 x i64] zeroinitializer)\n{CALL} ret i64 0"));
        let [home, visitor] = texts.expect("no violation");
        assert!(home.contains("pushq\t%rbp") && visitor.contains("stp\tx29, x30"), "{home}\n{visitor}");
    }

    /// What happens if the passes on the IR forget a slot: the register allocator has to spill the value.
    #[test]
    fn a_value_across_a_uniform_call_is_named() {
        let error = compile(&format!("%v = load volatile i64, ptr %p\n {CALL} ret i64 %v")).expect_err("a violation");
        let text = error.to_string();
        let (place, instruction) = text.split_once("; read by ").expect("who reads it");
        assert_eq!(place, "internal error: aarch64: function `example`: spill slot 0 lives across uniform call site 7");
        assert!(instruction.contains("LDRXui %stack.0, 0 ::") && instruction.ends_with(" (and 1 more)"), "{text}");
    }

    /// The address behind what is stored to both vectors of a pair is the one of the second pair, which a call lies in front of.
    #[test]
    fn an_address_that_is_written_back_is_computed_again() {
        let pair = |name: &str| {
            format!(
                "%{name} = load volatile <2 x float>, ptr @callee
                 %{name}8 = shufflevector <2 x float> %{name}, <2 x float> poison,
                 <8 x i32> <i32 0, i32 poison, i32 1, i32 poison, i32 poison, i32 poison, i32 poison, i32 poison>"
            )
        };
        let body = format!(
            "%twin.slots = alloca [64 x i8], align 16
             {}\n store <8 x float> %a8, ptr %twin.slots, align 16\n {CALL}
             {}\n %second = getelementptr i8, ptr %twin.slots, i64 32\n store <8 x float> %b8, ptr %second, align 16
             {}
             %r = load volatile i64, ptr %twin.slots\n ret i64 %r",
            pair("a"),
            pair("b"),
            CALL.replace("i64 7", "i64 8")
        );
        let texts = compile(&body).expect("no violation");
        assert_eq!(texts[1].matches("st2\t").count(), 2, "{}", texts[1]);
    }

    /// Instruction selection moves bits between kinds of registers through memory: two halves in, the whole out.
    #[test]
    fn an_object_that_is_written_in_pieces_does_not_live_across_a_call() {
        let body = format!(
            "br label %loop
             loop:
             %v = load atomic i128, ptr @callee acquire, align 16
             %f = bitcast i128 %v to fp128
             store volatile fp128 %f, ptr @callee
             {CALL}
             %more = load volatile i1, ptr @callee
             br i1 %more, label %loop, label %end
             end:
             ret i64 0"
        );
        compile(&body).expect("no violation");
    }

    /// An object that instruction selection makes for itself is no slot either.
    #[test]
    fn a_dynamic_frame_is_named() {
        let body = format!(
            "%n = load volatile i64, ptr %p\n %a = alloca i8, i64 %n\n store volatile i8 0, ptr %a\n {CALL} ret i64 0"
        );
        let text = compile(&body).expect_err("a violation").to_string();
        assert!(text.contains("function `example`: the size of the frame is not static"), "{text}");
    }

    /// A choice between floating-point numbers is a branch; what comes behind it may still need the flags of its compare,
    /// so that nothing that writes flags can be put there.
    #[test]
    fn a_constant_is_made_again_in_front_of_live_flags() {
        let zero = "call preserve_nonecc void @taker(i32 0)\n";
        let body = format!(
            "{zero} {CALL}
             %x = load volatile i64, ptr @callee\n %y = load volatile i64, ptr @callee
             %a = load volatile float, ptr @callee\n %b = load volatile float, ptr @callee
             %less = icmp ult i64 %x, %y
             %f = select i1 %less, float %a, float %b
             br i1 %less, label %then, label %end
             then:
             %v = load volatile i32, ptr @callee
             br label %end
             end:
             %r = phi i32 [ 0, %0 ], [ %v, %then ]
             %i = bitcast float %f to i32
             %s = add i32 %r, %i
             %w = zext i32 %s to i64
             ret i64 %w"
        );
        compile(&body).expect("no violation");
    }
}
