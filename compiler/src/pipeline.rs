//! All phases in order: bitcode in, fat object out.

use crate::convention::{Conventions, Mode, Symbols};
use crate::ir::{self, FUNCTION_INDEX, Value};
use crate::processor::{self, Processor};
use crate::times::{self, Phase};
use crate::{canonical, codegen, frame_pointer, isa, lower, lto, polls, record, slots};
use anyhow::{Context as _, Result, anyhow};
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::TargetMachine;
use twin_linker::lto::Job;

/// What the addresses of functions are multiples of.
const FUNCTION_ALIGN: u64 = 16;

/// How far the front end has optimised the bitcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// As far as asked for.
    Optimised,
    /// Only as much as is good before link-time optimisation; the rest, at this level (as behind `-O`), is done here,
    /// and the object carries the bitcode.
    ForLinkTime(&'a str),
}

/// Compiles the bitcode of one module, the visitor's half for `visitor` if one is asked for.
///
/// # Errors
/// [`crate::error::Unsupported`] for what Twin refuses in the program; anything else is an internal error.
pub fn compile(bitcode: &[u8], mode: Mode, input: Input, visitor: Option<&Processor>) -> Result<Vec<u8>> {
    codegen::initialise();
    let context = Context::create();
    let module = parse(&context, bitcode, "the front end's bitcode")?;
    let machine = codegen::target_machine(isa::HOME)?;
    if let Some(processor) = visitor {
        processor::note(ir::Module::new(&module), processor);
    }
    match input {
        Input::Optimised => compile_module(&module, &machine, mode, None),
        Input::ForLinkTime(level) => {
            let bitcode = module.write_bitcode_to_memory();
            optimise(&module, &machine, &format!("default<O{level}>"))?;
            compile_module(&module, &machine, mode, Some(bitcode.as_slice()))
        }
    }
}

/// Merges the modules of `job` and compiles them as one.
///
/// # Errors
/// As [`compile`]; and if the modules do not fit together.
pub fn compile_merged(job: &Job) -> Result<Vec<u8>> {
    codegen::initialise();
    let context = Context::create();
    let machine = codegen::target_machine(isa::HOME)?;
    let merged = context.create_module("link-time optimisation");
    for part in &job.modules {
        let bitcode = std::fs::read(&part.path).with_context(|| format!("cannot read {}", part.path.display()))?;
        let module = parse(&context, &bitcode, &part.name)?;
        lto::prepare(ir::Module::new(&module), job);
        merged.link_in_module(module).map_err(|e| anyhow!("{}: {e}", part.name))?;
    }
    lto::keep_large(ir::Module::new(&merged));
    let kept = lto::kept(ir::Module::new(&merged), job);
    optimise(&merged, &machine, &format!("internalize<{}>,lto<O{}>", kept.join(";"), lto::level(&job.level)))?;
    compile_module(&merged, &machine, Mode::Uniform, None)
}

fn parse<'c>(context: &'c Context, bitcode: &[u8], name: &str) -> Result<Module<'c>> {
    let buffer = MemoryBuffer::create_from_memory_range_copy(bitcode, name);
    Module::parse_bitcode_from_buffer(&buffer, context).map_err(|e| anyhow!("cannot read {name}: {e}"))
}

fn compile_module(module: &Module, machine: &TargetMachine, mode: Mode, bitcode: Option<&[u8]>) -> Result<Vec<u8>> {
    let symbols = lower_module(module, machine, mode)?;
    let functions = ir::Module::new(module).functions().into_iter().map(|f| f.name());
    let lowered = module.write_bitcode_to_memory();
    if let Some(dir) = std::env::var_os("TWIN_SAVE_TEMPS") {
        save(module, &codegen::texts(lowered.as_slice(), functions.clone())?, dir.as_ref())?;
    }
    let objects = codegen::objects(lowered.as_slice(), functions)?;
    let _time = times::start(Phase::Packing);
    record::pack(&objects, symbols, bitcode)
}

/// The IR passes. Returns the symbols for the layout record.
fn lower_module(module: &Module, machine: &TargetMachine, mode: Mode) -> Result<Symbols> {
    let mut time = times::start(Phase::Lowering);
    let ir = ir::Module::new(module);
    let optimised = !ir.definitions().iter().any(|f| f.has_attribute(FUNCTION_INDEX, "optnone"));
    canonical::run(ir)?;
    lower::returns::run(ir);
    if lower::wide::prepare(ir) {
        passes(module, machine, lower::wide::EXPANSION)?;
        lower::wide::shifts(ir);
    }
    let mut conventions = Conventions::classify(ir, mode);
    conventions.wrap_natives(ir, mode);
    conventions.apply(ir);
    conventions.note_prototypes(ir);
    lower::aggregates::run(ir, &conventions);
    if lower::signatures::run(ir, &mut conventions)? {
        passes(module, machine, "function(sroa,instcombine<no-verify-fixpoint>,simplifycfg)")?;
    }
    lower::registers::run(ir, &mut conventions);
    lower::tls::run(ir);
    lower::labels::number(ir);
    lower::vectors::run(ir);
    // Once, instead of once an ISA: they decide anew what lives across calls. The first two leave no repeated load and
    // no constant condition at -O0, by which only one of the ISAs would see that a call cannot be reached; twice there,
    // because a load is known as soon as a loop is found not to turn.
    const KNOWN: &str = "early-cse<memssa>,sccp";
    let rounds = if optimised { KNOWN.to_owned() } else { format!("{KNOWN},{KNOWN}") };
    passes(module, machine, &format!("function({rounds})"))?;
    lower::aggregates::remove_self_copies(ir);
    if optimised {
        ir::reduce_strength(ir, machine, &codegen::target_machine(isa::VISITOR)?);
    }
    passes(module, machine, "require<profile-summary>,function(codegenprepare)")?;
    conventions.add_declared(ir);
    if mode == Mode::Uniform {
        ir.definitions().into_iter().for_each(|function| lower::allocas::hoist(ir, function));
        polls::run(ir, &conventions);
    }
    let framed: Vec<Value> = ir
        .definitions()
        .into_iter()
        .filter(|f| f.instructions().into_iter().any(|i| i.is_call() && conventions.is_uniform_call(i)))
        .collect();
    frame_pointer::settle(ir, &framed);
    verify(module, "lowering")?;
    lower::allocas::run(ir, &mut conventions, &framed);
    for function in ir.definitions() {
        processor::keep_stack_alignment(ir, function);
        // Where several functions share a section, they begin at the same offsets.
        function.set_alignment(function.alignment().max(FUNCTION_ALIGN));
    }
    time.turn_to(Phase::Slots);
    slots::run(ir, &conventions, &framed)?;
    verify(module, "slot placement")?;
    passes(module, machine, "function(mem2reg)")?;
    slots::settle(&ir.definitions());
    lower::labels::resolve(ir);
    slots::mark(ir, &conventions, &framed)?;
    verify(module, "marking")?;
    Ok(conventions.symbols(ir))
}

/// Runs LLVM's optimisation pipeline `names` as clang does.
fn optimise(module: &Module, machine: &TargetMachine, names: &str) -> Result<()> {
    let _time = times::start(Phase::Optimiser);
    let options = PassBuilderOptions::create();
    options.set_loop_slp_vectorization(true);
    module.run_passes(names, machine, options).map_err(|e| anyhow!("internal error: {names}: {e}"))
}

/// Runs passes of LLVM's.
fn passes(module: &Module, machine: &TargetMachine, names: &str) -> Result<()> {
    module.run_passes(names, machine, PassBuilderOptions::create()).map_err(|e| anyhow!("internal error: {names}: {e}"))
}

fn verify(module: &Module, phase: &str) -> Result<()> {
    module.verify().map_err(|e| anyhow!("internal error: invalid IR after {phase}: {e}"))
}

/// Keeps IR and assembly for inspection.
fn save(module: &Module, texts: &[String; 2], dir: &std::path::Path) -> Result<()> {
    let name = module.get_source_file_name().to_string_lossy().replace('/', "_");
    std::fs::write(dir.join(format!("{name}.ll")), module.print_to_string().to_bytes())
        .with_context(|| format!("{}", dir.display()))?;
    for (isa, text) in isa::both().iter().zip(texts) {
        std::fs::write(dir.join(format!("{name}.{}.s", isa.name())), text)?;
    }
    Ok(())
}
