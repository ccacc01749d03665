//! All phases in order: bitcode in, fat object out.

use crate::convention::{Conventions, Mode};
use crate::ir::{self, Value};
use crate::{align, canonical, codegen, isa, lower, polls, record, slots};
use anyhow::{Context as _, Result, anyhow};
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::TargetMachine;

/// Compiles the bitcode of one module.
///
/// # Errors
/// [`crate::error::Unsupported`] for what Twin refuses in the program; anything else is an internal error.
pub fn compile(bitcode: &[u8], mode: Mode) -> Result<Vec<u8>> {
    codegen::initialise();
    let context = Context::create();
    let buffer = MemoryBuffer::create_from_memory_range_copy(bitcode, "input");
    let module = Module::parse_bitcode_from_buffer(&buffer, &context)
        .map_err(|e| anyhow!("cannot read the front end's bitcode: {e}"))?;
    let machine = codegen::target_machine(isa::HOME)?;
    let symbols = lower_module(&module, &machine, mode)?;
    let functions = ir::Module::new(&module).functions().into_iter().map(|f| f.name());
    let codegen::Generated { texts, verdict } =
        codegen::generate(module.write_bitcode_to_memory().as_slice(), functions)?;
    if let Some(dir) = std::env::var_os("TWIN_SAVE_TEMPS") {
        save(&module, &texts, dir.as_ref())?;
    }
    verdict?;
    let objects = align::run(&texts)?;
    record::pack(&objects, symbols)
}

/// The IR passes. Returns the symbols for the layout record.
fn lower_module(module: &Module, machine: &TargetMachine, mode: Mode) -> Result<[Vec<String>; 4]> {
    let ir = ir::Module::new(module);
    canonical::run(ir)?;
    let mut conventions = Conventions::classify(ir, mode);
    conventions.wrap_natives(ir, mode);
    conventions.apply(ir);
    lower::aggregates::run(ir, &conventions);
    if lower::signatures::run(ir, &mut conventions)? {
        passes(module, machine, "function(sroa,instcombine<no-verify-fixpoint>,simplifycfg)")?;
    }
    lower::tls::run(ir);
    lower::labels::run(ir);
    lower::vectors::run(ir);
    // Once, instead of once an ISA: they decide anew what lives across calls.
    passes(module, machine, "require<profile-summary>,function(codegenprepare)")?;
    if mode == Mode::Uniform {
        polls::run(ir, &conventions);
    }
    let framed: Vec<Value> = ir
        .definitions()
        .into_iter()
        .filter(|f| f.instructions().into_iter().any(|i| i.is_call() && conventions.is_uniform_call(i)))
        .collect();
    verify(module, "lowering")?;
    lower::allocas::run(ir, &mut conventions, &framed);
    slots::run(ir, &conventions, &framed);
    verify(module, "slot placement")?;
    passes(module, machine, "function(mem2reg)")?;
    slots::settle(&framed);
    slots::mark(ir, &conventions, &framed)?;
    verify(module, "marking")?;
    Ok(conventions.symbols(ir))
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
