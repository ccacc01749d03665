//! Runs the phases of a link job.

use crate::args::Args;
use crate::ids::{Pair, Side};
use crate::input::File;
use crate::program::{Program, Target};
use crate::relocate::Image;
use crate::{
    conventions, eh_frame, gc, got, input, layout, lto, map, output, polls, relocatable, reproduce, resolve, synthetic,
    trace, verify,
};
use anyhow::{Context, Result, bail};

/// What comes out of a link job.
pub struct Linked {
    /// The twin binary, or the fat object.
    pub executable: Vec<u8>,
    /// The map, if it is wanted.
    pub map: Option<String>,
    /// What `--trace` and the like ask for.
    pub trace: String,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Reads the inputs, links them and writes the twin binary.
///
/// # Errors
/// [`crate::errors::Errors`] for several errors of one phase, or the first error otherwise. Nothing is written then.
pub fn run(args: &Args) -> Result<()> {
    let files = input::read_all(args)?;
    reproduce::save(args, &files)?;
    let linked = link(args, &files)?;
    output::write(&args.output, &linked.executable, if args.relocatable { 0o666 } else { 0o777 })?;
    linked.warnings.iter().for_each(|warning| eprintln!("twin-ld: warning: {warning}"));
    print!("{}", linked.trace);
    write_reports(args, &files, linked.map.as_deref())
}

/// Links files in memory.
///
/// # Errors
/// [`crate::errors::Errors`] for several errors of one phase, or the first error otherwise.
pub fn link(args: &Args, files: &[File]) -> Result<Linked> {
    let mut program = resolve::run(args, files, None)?;
    if args.relocatable {
        conventions::check(&program)?;
        let executable = relocatable::merge(args, &program)?;
        return Ok(Linked { executable, map: None, trace: trace::render(args, &program), warnings: Vec::new() });
    }
    let merged = lto::run(args, files, &program)?;
    if merged.is_some() {
        program = resolve::run(args, files, merged.as_ref())?;
    }
    conventions::check(&program)?;
    synthetic::allocate_commons(&mut program);
    synthetic::define(&mut program);
    synthetic::check_required(args, &program)?;
    if args.gc_sections {
        gc::run(args, &mut program);
    }
    let frames = Pair::try_new(|side| eh_frame::collect(&mut program, side))?;
    let polls = Pair::try_new(|side| polls::Polls::collect(&mut program, side))?;
    let mut warnings = Vec::new();
    let gots = got::scan(&mut program, args.unresolved, &mut warnings)?;
    let build_id = output::add_build_id(args, &mut program);
    let layout = layout::run(args, &mut program)?;
    synthetic::assign(args, &mut program, &layout)?;
    let entry = entry(args, &program)?;
    let image = |side| Image {
        program: &program,
        layout: &layout,
        side,
        got: &gots[side],
        frames: &frames[side],
        polls: &polls[side],
    };
    let contents = std::thread::scope(|scope| {
        let visitor = scope.spawn(|| image(Side::Visitor).bytes());
        let home = image(Side::Home).bytes()?;
        let visitor = visitor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        anyhow::Ok(Pair { home, visitor })
    })?;
    verify::run(&program, &layout, &contents)?;
    let writer = output::Writer { args, program: &program, layout: &layout, entry, build_id };
    let executable = writer.file(contents)?;
    let wants_map = args.print_map || args.map.is_some();
    let map = wants_map.then(|| map::render(&program, &layout));
    Ok(Linked { executable, map, trace: trace::render(args, &program), warnings })
}

/// Address of the entry point, which both ISAs share.
fn entry(args: &Args, program: &Program) -> Result<u64> {
    let name = &args.entry;
    let Some(&id) = program.by_name.get(name.as_str()) else { bail!("undefined entry symbol: {name}") };
    let addresses = Pair::try_new(|side| match program.global_target(id, side) {
        Target::Undefined | Target::UndefinedWeak | Target::Dropped => bail!("undefined entry symbol: {name}"),
        target => Ok(program.address(target)),
    })?;
    if addresses.home != addresses.visitor {
        let [home, visitor] = Side::BOTH.map(|side| addresses[side]);
        bail!("entry symbol {name} is at {home:#x} on one ISA and at {visitor:#x} on the other");
    }
    Ok(addresses.home)
}

fn write_reports(args: &Args, files: &[File], map: Option<&str>) -> Result<()> {
    if let Some(map) = map {
        let (to_stdout, to_file) = args.map.iter().partition::<Vec<_>, _>(|path| path.as_os_str() == "-");
        for path in to_file {
            std::fs::write(path, map).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if args.print_map || !to_stdout.is_empty() {
            print!("{map}");
        }
    }
    if let Some(path) = &args.dependency_file {
        let escape = |path: &std::path::Path| path.display().to_string().replace(' ', "\\ ");
        let mut text = format!("{}:", escape(&args.output));
        for file in files {
            text.push_str(&format!(" \\\n  {}", escape(&file.path)));
        }
        // An empty rule for each input, so that make survives its removal.
        for file in files {
            text.push_str(&format!("\n\n{}:", escape(&file.path)));
        }
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
