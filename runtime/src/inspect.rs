//! `twin inspect`.

use crate::isa::Isa;
use crate::program::Program;
use anyhow::Result;
use clap::Args;
use object::{Object, ObjectSection, SectionKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use twin_linker::image::Note;

/// What was written on the command line.
#[derive(Args)]
pub struct InspectArguments {
    /// Show it as JSON
    #[arg(long)]
    json: bool,
    /// The executable
    program: PathBuf,
}

#[derive(Serialize)]
struct Report {
    file: PathBuf,
    file_size: u64,
    #[serde(flatten)]
    note: Note,
    /// Sizes of the sections in memory, by ISA.
    sections: BTreeMap<String, Sizes>,
}

#[derive(Default, Serialize)]
struct Sizes {
    text: u64,
    read_only: u64,
    data: u64,
    zeroed: u64,
    debug: u64,
}

/// Prints what is in an executable.
///
/// # Errors
/// If it is not a twin program.
pub fn inspect(arguments: &InspectArguments) -> Result<()> {
    // There is no program to run: the statuses of `twin run` do not apply.
    let program = Program::open(&arguments.program).map_err(|e| anyhow::anyhow!("{e}"))?;
    let report = Report {
        file: arguments.program.clone(),
        file_size: program.bytes().len() as u64,
        note: program.image().note,
        sections: [Isa::X86_64, Isa::Aarch64].map(|isa| (isa.to_string(), sizes(program.elf(isa)))).into(),
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn sizes(elf: &[u8]) -> Sizes {
    let mut sizes = Sizes::default();
    for section in object::File::parse(elf).iter().flat_map(|file| file.sections().collect::<Vec<_>>()) {
        *match section.kind() {
            SectionKind::Text => &mut sizes.text,
            SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => &mut sizes.read_only,
            SectionKind::Data | SectionKind::Tls => &mut sizes.data,
            SectionKind::UninitializedData | SectionKind::UninitializedTls => &mut sizes.zeroed,
            SectionKind::Debug | SectionKind::DebugString => &mut sizes.debug,
            _ => continue,
        } += section.size();
    }
    sizes
}

fn print(report: &Report) {
    let note = &report.note;
    println!("{}: twin program, {} bytes", report.file.display(), report.file_size);
    println!("  entry     {:#x}", note.entry);
    println!("  build-id  {}", note.build_id.as_deref().unwrap_or("none"));
    println!("  uniform   {} functions, {} data", note.uniform_functions, note.uniform_data);
    let range = &note.uniform;
    println!("  travels   {:#x}-{:#x} ({} bytes) and the arena", range.start, range.end, range.end - range.start);
    if note.tls.memory_size > 0 {
        println!("  TLS       {} bytes, aligned to {}", note.tls.memory_size, note.tls.align);
    }
    println!("\nsegments, at the same addresses on both ISAs");
    for segment in &note.segments {
        println!("  {:#010x} {:>10}  {}", segment.address, segment.size, segment.kind);
    }
    println!("\n{:<9} {:>10} {:>10} {:>10} {:>10} {:>10}", "image", "text", "read-only", "data", "zeroed", "debug");
    for (isa, s) in &report.sections {
        println!("{isa:<9} {:>10} {:>10} {:>10} {:>10} {:>10}", s.text, s.read_only, s.data, s.zeroed, s.debug);
    }
}
