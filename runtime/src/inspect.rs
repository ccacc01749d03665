//! `twin inspect`.

use crate::isa::Isa;
use crate::program::Program;
use anyhow::Result;
use clap::Args;
use object::{Object, ObjectSection, SectionKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
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
    println!("{}", describe(&program, arguments.json)?);
    Ok(())
}

/// What is in an executable, for people or as JSON.
///
/// # Errors
/// Never, for what a note can hold.
pub fn describe(program: &Program, json: bool) -> Result<String> {
    let report = Report {
        file: program.path.clone(),
        file_size: program.bytes().len() as u64,
        note: program.image().note,
        sections: [Isa::X86_64, Isa::Aarch64].map(|isa| (isa.to_string(), sizes(program.elf(isa)))).into(),
    };
    Ok(if json { serde_json::to_string_pretty(&report)? } else { text(&report) })
}

fn sizes(elf: &[u8]) -> Sizes {
    let mut sizes = Sizes::default();
    for section in object::File::parse(elf).iter().flat_map(|file| file.sections().collect::<Vec<_>>()) {
        let size = match section.kind() {
            SectionKind::Text => &mut sizes.text,
            SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => &mut sizes.read_only,
            SectionKind::Data | SectionKind::Tls => &mut sizes.data,
            SectionKind::UninitializedData | SectionKind::UninitializedTls => &mut sizes.zeroed,
            SectionKind::Debug | SectionKind::DebugString => &mut sizes.debug,
            _ => continue,
        };
        *size = size.saturating_add(section.size());
    }
    sizes
}

/// The report as people read it.
fn text(report: &Report) -> String {
    let note = &report.note;
    let range = &note.uniform;
    let mut lines = vec![
        format!("{}: twin program, {} bytes", report.file.display(), report.file_size),
        format!("  entry     {:#x}", note.entry),
        format!("  build-id  {}", note.build_id.as_deref().unwrap_or("none")),
        format!("  uniform   {} functions, {} data", note.uniform_functions, note.uniform_data),
        format!(
            "  travels   {:#x}-{:#x} ({} bytes) and the arena",
            range.start,
            range.end,
            range.end.saturating_sub(range.start)
        ),
    ];
    if note.tls.memory_size > 0 {
        lines.push(format!("  TLS       {} bytes, aligned to {}", note.tls.memory_size, note.tls.align));
    }
    lines.push("\nsegments, at the same addresses on both ISAs".to_owned());
    lines.extend(note.segments.iter().map(|s| format!("  {:#010x} {:>10}  {}", s.address, s.size, s.kind)));
    let row = |name: &str, cells: [&dyn Display; 5]| {
        cells.iter().fold(format!("{name:<9}"), |row, cell| row + &format!(" {cell:>10}"))
    };
    lines.push(format!("\n{}", row("image", [&"text", &"read-only", &"data", &"zeroed", &"debug"])));
    let images = report.sections.iter();
    lines.extend(images.map(|(isa, s)| row(isa, [&s.text, &s.read_only, &s.data, &s.zeroed, &s.debug])));
    lines.join("\n")
}
