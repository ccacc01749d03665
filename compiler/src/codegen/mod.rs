//! Machine code for both ISAs at once: two stock LLVM code generators run side by side, and the machine passes of the
//! shim make them agree wherever the frame or the order of call sites is concerned.

mod agree;
mod shim;

use crate::isa::{self, Isa};
use crate::times::{self, Phase};
use crate::{ir, processor};
use agree::{Meeting, Side};
use anyhow::{Context as _, Result, anyhow};
use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
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

/// Compiles `bitcode`, which has these `functions` in this order, to objects for both ISAs (home first) with equal return
/// addresses and function sizes.
///
/// # Errors
/// If LLVM refuses; a violated invariant of the machine passes, with function, call site and instruction.
pub fn objects(bitcode: &[u8], functions: impl Iterator<Item = String>) -> Result<[Vec<u8>; 2]> {
    objects_of([bitcode; 2], functions)
}

fn objects_of(bitcode: [&[u8]; 2], functions: impl Iterator<Item = String>) -> Result<[Vec<u8>; 2]> {
    let meeting = Meeting::new(functions);
    let objects = generate(bitcode, &meeting, |machine, module| {
        shim::emit(machine, module).ok_or_else(|| anyhow!("LLVM cannot write an object"))
    })?;
    meeting.check()?;
    meeting.confirm(&objects)?;
    Ok(objects)
}

/// Assembly without padding, for inspection.
///
/// # Errors
/// As [`objects`].
pub fn texts(bitcode: &[u8], functions: impl Iterator<Item = String>) -> Result<[String; 2]> {
    let meeting = Meeting::new(functions);
    let texts = generate([bitcode; 2], &meeting, |machine, module| {
        let text = machine.write_to_memory_buffer(module, FileType::Assembly).map_err(|e| anyhow!("{e}"))?;
        Ok(String::from_utf8_lossy(text.as_slice()).trim_end_matches('\0').to_owned())
    })?;
    meeting.check()?;
    Ok(texts)
}

/// Runs both code generators up to what `write` makes.
fn generate<T: Send>(
    bitcode: [&[u8]; 2],
    meeting: &Meeting,
    write: impl Fn(&TargetMachine, &Module) -> Result<T> + Sync,
) -> Result<[T; 2]> {
    let (home, visitor) = std::thread::scope(|scope| {
        let visitor = scope.spawn(|| generate_one(bitcode[1], 1, meeting.side(1), &write));
        let home = generate_one(bitcode[0], 0, meeting.side(0), &write);
        let visitor = visitor.join().unwrap_or_else(|_| Err(anyhow!("code generator panicked")));
        (home, visitor)
    });
    Ok([home?, visitor?])
}

fn generate_one<T>(
    bitcode: &[u8],
    index: usize,
    side: Side,
    write: impl Fn(&TargetMachine, &Module) -> Result<T>,
) -> Result<T> {
    let _time = times::start(Phase::Code(index));
    let isa = isa::both()[index];
    let work = || -> Result<T> {
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(bitcode, "twin");
        let module = Module::parse_bitcode_from_buffer(&buffer, &context)
            .map_err(|e| anyhow!("cannot read own bitcode: {e}"))?;
        let machine = target_machine(isa)?;
        module.set_triple(&machine.get_triple());
        module.set_data_layout(&machine.get_target_data().get_data_layout());
        processor::select(ir::Module::new(&module), isa);
        module.get_functions().for_each(|function| shim::disable_indexed_modes(&machine, function));
        shim::with_host(&side, || write(&machine, &module)).with_context(|| isa.name())
    };
    let result = work();
    side.leave();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse_text;
    use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};
    use std::collections::{HashMap, HashSet};

    /// Assembly for both ISAs, or the first violation.
    fn compile(body: &str) -> Result<[String; 2]> {
        compile_with("all", body)
    }

    fn compile_with(frame_pointer: &str, body: &str) -> Result<[String; 2]> {
        texts(bitcode(frame_pointer, body).as_slice(), names())
    }

    /// A module with `body` as its only function.
    fn bitcode(frame_pointer: &str, body: &str) -> MemoryBuffer<'static> {
        initialise();
        let text = format!(
            "declare void @llvm.experimental.stackmap(i64, i32, ...)\n\
             declare preserve_nonecc void @callee()\n\
             declare preserve_nonecc void @other()\n\
             declare preserve_nonecc void @__twin_poll_mapped()\n\
             declare preserve_nonecc void @taker(i32)\n\
             declare void @many([40 x i64])\n\
             declare i64 @llvm.ctlz.i64(i64, i1)\n\
             @__twin_poll_page = external hidden global i32\n\
             @variable = external hidden global i64\n\
             !0 = !{{!\"branch_weights\", i32 1, i32 2000}}\n\
             define preserve_nonecc i64 @example(ptr %p) \"frame-pointer\"=\"{frame_pointer}\" {{\n{body}\n}}\n"
        );
        let context = Context::create();
        parse_text(&context, &text).write_bitcode_to_memory()
    }

    fn names() -> impl Iterator<Item = String> {
        std::iter::once("example".to_owned())
    }

    /// Who is called, and the code.
    fn code(object: &[u8]) -> (Vec<String>, Vec<u8>) {
        let file = object::File::parse(object).expect("own object");
        let section = file.section_by_name(".text.example").expect("has code");
        let called = section.relocations().filter_map(|(_, relocation)| match relocation.target() {
            RelocationTarget::Symbol(index) => {
                Some(file.symbol_by_index(index).expect("a symbol").name().expect("a name").to_owned())
            }
            _ => None,
        });
        (called.collect(), section.data().expect("has code").to_vec())
    }

    #[test]
    fn a_call_that_one_isa_lost_is_a_trap() {
        let call = |site, name| {
            format!(
                "call void (i64, i32, ...) @llvm.experimental.stackmap(i64 {site}, i32 0)
                 call preserve_nonecc void @{name}()\n"
            )
        };
        let both = format!("{}{}", call(1, "callee"), call(3, "callee"));
        let more = format!("{}{}{}", call(1, "callee"), call(2, "other"), call(3, "callee"));
        for (bodies, trap) in [([&more, &both], &[0x0f, 0x0b][..]), ([&both, &more], &[0x20, 0x00, 0x20, 0xd4])] {
            let [home, visitor] = bodies.map(|body| bitcode("all", &format!("{body} ret i64 0")));
            let objects = objects_of([home.as_slice(), visitor.as_slice()], names()).expect("aligned");
            let codes = objects.each_ref().map(|object| code(object));
            for (called, code) in &codes {
                assert_eq!(
                    (called.as_slice(), code.len()),
                    (&["callee", "callee"].map(str::to_owned)[..], codes[0].1.len())
                );
            }
            let lost = &codes[usize::from(bodies[1] == &more)].1;
            assert!(lost.windows(trap.len()).any(|bytes| bytes == trap), "{lost:x?}");
        }
    }

    /// Home's stores are longer, so that padding moves the target of the visitor's branch out of its reach, 32 KiB.
    #[test]
    fn a_branch_reaches_across_padding() {
        let stores = "store volatile i64 0, ptr @callee\n".repeat(7000);
        let body = format!(
            "%bits = load volatile i64, ptr @callee
             %bit = and i64 %bits, 8
             %none = icmp eq i64 %bit, 0
             br i1 %none, label %end, label %more
             more:
             {stores} {CALL}
             br label %end
             end:
             store volatile i64 1, ptr @callee
             ret i64 0"
        );
        let objects = objects(bitcode("all", &body).as_slice(), names()).expect("aligned");
        let [home, visitor] = objects.map(|object| code(&object).1);
        assert!(home.len() == visitor.len() && home.len() > 40_000, "{}, {}", home.len(), visitor.len());
        let words: Vec<_> = visitor.chunks(4).map(|w| u32::from_le_bytes(w.try_into().expect("four bytes"))).collect();
        let tests = |word: &u32| word & 0x7e00_0000 == 0x3600_0000;
        let at = words.iter().position(tests).expect("tests a bit");
        // Two instructions further, over a jump to behind the call.
        assert_eq!((words[at] >> 5 & 0x3fff, words[at + 1] >> 26), (2, 0b0_0101));
        let call = words.iter().rposition(|word| word >> 26 == 0b10_0101).expect("a call");
        let target = at + 1 + (words[at + 1] & 0x03ff_ffff) as usize;
        assert!(target > call && target < words.len(), "{target}, {call}");
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

    /// A poll around which a value lives; its cold block also does what `cold` says, and goes on behind what `next` says.
    fn polling(cold: &str, next: &str) -> MemoryBuffer<'static> {
        let poll = CALL.replace("@callee", "@__twin_poll_mapped");
        let first = CALL.replace("i64 7", "i64 6");
        let body = format!(
            "%twin.slots = alloca [64 x i8], align 16
             {first}
             %v = load volatile i64, ptr @variable
             {TEST}
             cold:
             {cold}
             store i64 %v, ptr %twin.slots
             {poll}
             %again = load i64, ptr %twin.slots
             br label %end
             next:
             {next}
             br label %end
             end:
             %r = phi i64 [ %v, %next ], [ %again, %cold ]
             ret i64 %r"
        );
        bitcode("reserved", &body)
    }

    /// A poll's test, which branches to `%cold` or to `%next`.
    const TEST: &str = "%word = load volatile i32, ptr @__twin_poll_page
                        %wanted = icmp ne i32 %word, 0
                        br i1 %wanted, label %cold, label %next, !prof !0";

    /// The only entry of an object's table of polls: its words, and the addends of their relocations.
    fn entry(object: &[u8]) -> [(u32, Option<i64>); 5] {
        let file = object::File::parse(object).expect("own object");
        let section = file.section_by_name(".twin.polls").expect("polls");
        let data = section.data().expect("polls");
        assert_eq!(data.len(), 20);
        let addends: HashMap<u64, i64> = section.relocations().map(|(at, r)| (at, r.addend())).collect();
        std::array::from_fn(|n| {
            let word = u32::from_le_bytes(std::array::from_fn(|byte| data[4 * n + byte]));
            (word, addends.get(&(4 * n as u64)).copied())
        })
    }

    /// A register that is saved and loaded again.
    fn assert_maps_a_register(object: &[u8]) {
        let file = object::File::parse(object).expect("own object");
        let map = file.section_by_name(".rodata.twin.maps").expect("maps").data().expect("maps");
        assert_eq!(map.len(), 4);
        let (count, word) = (u16::from_le_bytes([map[0], map[1]]), u16::from_le_bytes([map[2], map[3]]));
        // Any register, 8 bytes, saved and loaded, anywhere near the stack pointer.
        assert_eq!((count, word & 0x3e0), (1, 3 << 6 | 1 << 8 | 1 << 9), "{word:#x}");
    }

    /// How far behind itself a bare poll goes on, on each ISA; it has no cold block, and one return address.
    fn bare(bitcode: MemoryBuffer) -> [i64; 2] {
        const LENGTHS: [i64; 2] = [6, 4];
        let objects = objects(bitcode.as_slice(), names()).expect("no violation");
        let entries = objects.each_ref().map(|object| {
            assert!(!code(object).0.iter().any(|called| called == "__twin_poll_mapped"), "calls");
            let [place, cold, returns_to, resume, map] = entry(object);
            assert!(cold == (0, None) && map.1.is_some(), "{:?}", entry(object));
            [place, returns_to, resume].map(|(_, addend)| addend.expect("an address"))
        });
        let [[_, home, _], [_, visitor, _]] = entries;
        assert!(home > 0 && home == visitor, "{home}, {visitor}");
        [0, 1].map(|n| entries[n][2] - entries[n][0] - LENGTHS[n])
    }

    #[test]
    fn a_poll_with_nothing_but_its_call_is_bare() {
        assert_eq!(bare(polling("", "")), [0, 0]);
        for object in objects(polling("", "").as_slice(), names()).expect("no violation") {
            assert_maps_a_register(&object);
        }
    }

    #[test]
    fn a_bare_poll_goes_on_where_its_cold_block_would() {
        let behind = bare(polling("", "store volatile i64 1, ptr @variable"));
        assert!(behind.iter().all(|distance| *distance > 0), "{behind:?}");
    }

    #[test]
    fn a_poll_that_does_more_than_call_has_a_cold_block() {
        let more = "store volatile i64 1, ptr @variable";
        for object in objects(polling(more, "").as_slice(), names()).expect("no violation") {
            assert!(code(&object).0.iter().any(|called| called == "__twin_poll_mapped"), "does not call");
            assert_maps_a_register(&object);
            let [_, cold, returns_to, resume, _] = entry(&object);
            assert!(cold.0 > 0 && returns_to.1.is_some(), "{:?}", entry(&object));
            assert_eq!(returns_to, resume);
        }
    }

    /// Nothing else in the function needs one, in whose loop LLVM would put no prologue.
    #[test]
    fn the_frame_of_a_poll_alone_is_in_its_cold_block() {
        let poll = CALL.replace("@callee", "@__twin_poll_mapped");
        let body = format!(
            "br label %loop
             loop:
             %v = load volatile i64, ptr @variable
             %more = icmp ne i64 %v, 0
             br i1 %more, label %poll, label %end
             poll:
             {}
             cold:
             {poll}
             br label %loop
             end:
             ret i64 0",
            TEST.replace("%next", "%loop")
        );
        for (text, frame) in compile_with("reserved", &body).expect("no violation").iter().zip(["rsp", "sp"]) {
            let (hot, cold) = text.split_once("\tret").expect("returns");
            assert!(!hot.contains(frame) && cold.contains(frame) && cold.contains("__twin_poll_mapped"), "{text}");
        }
    }

    /// `bsr` leaves its result alone if its operand is 0. Behind a bare poll that would be what the other ISA left there.
    #[test]
    fn registers_are_defined_anew_behind_a_bare_poll() {
        let poll = CALL.replace("@callee", "@__twin_poll_mapped");
        let first = CALL.replace("i64 7", "i64 6");
        let count = |name: &str| {
            format!(
                "%{name} = call i64 asm sideeffect \"\", \"=r\"()
                 %{name}.bits = call i64 @llvm.ctlz.i64(i64 %{name}, i1 true)
                 call void asm sideeffect \"\", \"r,r\"(i64 %{name}.bits, i64 %{name})"
            )
        };
        let body = format!(
            "{first}\n {}\n {TEST}\n cold:\n {poll}\n br label %next\n next:\n {}\n ret i64 0",
            count("a"),
            count("b")
        );
        let [home, _] = compile_with("reserved", &body).expect("no violation");
        assert!(home.contains("testl\t%esp") && !home.contains("callq\t__twin_poll_mapped"), "not bare: {home}");
        let results = home.lines().filter_map(|line| line.trim().strip_prefix("bsrq\t")?.rsplit_once(", %r"));
        let results: Vec<&str> = results.map(|(_, register)| register).collect();
        assert!(results.len() == 2 && results[0] == results[1], "{home}");
        assert_eq!(home.matches(&format!("xorl\t%e{0}, %e{0}", results[0])).count(), 2, "{home}");
    }

    /// Loops get exits of their own, so that LLVM no longer sees that the default of the first switch is unreachable.
    #[test]
    fn nothing_branches_to_where_nothing_is() {
        const CASES: [char; 4] = ['a', 'b', 'c', 'd'];
        let switch = |name: &str, next: &str| {
            let targets = CASES.map(|case| format!("i64 {}, label %{name}.{case}", case as u32)).join(" ");
            let blocks = CASES.map(|case| {
                let number = case as u32 * 3;
                format!("{name}.{case}:\n store volatile i64 {number}, ptr @variable\n br label %{next}\n")
            });
            format!(
                "%{name}.kind = load volatile i64, ptr %p
                 switch i64 %{name}.kind, label %never [{targets}]\n{}",
                blocks.concat()
            )
        };
        let body = format!(
            "br label %loop
             loop:
             %left = load volatile i64, ptr @variable
             %more = icmp ne i64 %left, 0
             br i1 %more, label %again, label %last
             again:
             {}
             last:
             {}
             end:
             ret i64 0
             never:
             unreachable",
            switch("again", "loop"),
            switch("last", "end")
        );
        let [_, visitor] = compile_with("reserved", &body).expect("no violation");
        assert_eq!(visitor.matches("\tcmp\t").count(), 2 * (CASES.len() - 1), "{visitor}");
    }

    #[test]
    fn jump_tables_have_no_holes() {
        const CASES: usize = 16;
        let targets =
            (0..CASES).map(|case| format!("i64 {}, label %case{case}", 2 * case)).collect::<Vec<_>>().join(" ");
        let blocks: String = (0..CASES)
            .map(|case| format!("case{case}:\n store volatile i64 {case}, ptr @variable\n br label %end\n"))
            .collect();
        let body = format!(
            "%kind = load volatile i64, ptr %p
             switch i64 %kind, label %never [{targets}]
             {blocks}
             end:
             ret i64 0
             never:
             unreachable"
        );
        for text in compile_with("reserved", &body).expect("no violation") {
            let (_, table) = text.split_once("\n.LJTI0_0:\n").expect("a table");
            let entries = table.lines().map_while(|line| Some(line[line.find(".LBB")?..].split(['-', '\t']).next()));
            let entries: Vec<_> = entries.collect();
            let distinct: HashSet<_> = entries.iter().collect();
            assert_eq!((entries.len(), distinct.len()), (2 * CASES - 1, CASES), "{text}");
        }
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
