//! `--gc-sections`: keeps what the entry point and the other roots reach on either ISA.

use crate::args::Args;
use crate::ids::{Id, SectionId, Side, SymbolId};
use crate::objects::Class;
use crate::program::{Definition, Program, Target};
use crate::synthetic;
use object::elf;
use rustc_hash::FxHashMap as HashMap;

/// Marks the sections that are not reached as not live.
pub fn run(args: &Args, program: &mut Program) {
    let mut marker = Marker { live: vec![false; program.sections.next_id().index()], pending: Vec::new(), program };
    marker.roots(args);
    marker.propagate();
    let live = marker.live;
    for (section, live) in program.sections.values_mut().zip(live) {
        section.live = live || section.class == Class::Unloaded;
    }
}

struct Marker<'p, 'a> {
    program: &'p Program<'a>,
    live: Vec<bool>,
    pending: Vec<SectionId>,
}

impl Marker<'_, '_> {
    fn mark(&mut self, section: SectionId) {
        if !std::mem::replace(&mut self.live[section.index()], true) {
            self.pending.push(section);
        }
    }

    fn mark_target(&mut self, target: Target) {
        if let Target::Section(section, _) = target {
            self.mark(section);
        }
    }

    fn mark_global(&mut self, id: SymbolId, side: Side, named: &HashMap<&str, Vec<SectionId>>) {
        let global = &self.program.globals[id];
        if global.definitions[side] == Some(Definition::Linker) {
            if let Some(name) = synthetic::bounded_section(&global.name) {
                named.get(name).into_iter().flatten().for_each(|&section| self.mark(section));
            }
        } else {
            self.mark_target(self.program.global_target(id, side));
        }
    }

    fn roots(&mut self, args: &Args) {
        let operands = args.definitions.iter().filter_map(|(_, expression)| synthetic::operand(expression).0);
        let named = [args.entry.as_str()].into_iter().chain(args.undefined.iter().map(String::as_str));
        for name in named.chain(operands) {
            if let Some(&id) = self.program.by_name.get(name) {
                Side::BOTH.into_iter().for_each(|side| self.mark_target(self.program.global_target(id, side)));
            }
        }
        for (id, section) in self.program.sections.iter() {
            let table =
                [".init", ".fini", ".preinit_array", ".ctors", ".dtors"].iter().any(|t| section.name.starts_with(t));
            let retained = section.flags.contains(elf::SHF_GNU_RETAIN) || section.kind == elf::SHT_NOTE;
            match section.class {
                // Unwinding tables and polls of a function that is dropped keep little alive; telling them apart is not worth it.
                Class::EhFrame | Class::Polls => self.table_roots(id),
                Class::Loaded(_) if table || retained => self.mark(id),
                _ => {}
            }
        }
    }

    /// What a table refers to besides the functions: personality routines and their data, maps of polls.
    fn table_roots(&mut self, id: SectionId) {
        for (_, target, _) in self.references(id) {
            if matches!(target, Target::Section(section, _) if !self.program.sections[section].is_code()) {
                self.mark_target(target);
            }
        }
    }

    fn propagate(&mut self) {
        let mut named: HashMap<&str, Vec<SectionId>> = HashMap::default();
        let program = self.program;
        for (id, section) in program.sections.iter() {
            named.entry(section.name).or_default().push(id);
        }
        while let Some(id) = self.pending.pop() {
            for (side, target, global) in self.references(id) {
                match global {
                    Some(global) => self.mark_global(global, side, &named),
                    None => self.mark_target(target),
                }
            }
        }
    }

    /// All that a section refers to on either ISA.
    fn references(&self, id: SectionId) -> Vec<(Side, Target, Option<SymbolId>)> {
        let section = &self.program.sections[id];
        let Some(object) = section.object else { return Vec::new() };
        let contents = section.contents.iter().filter_map(|(side, content)| Some((side, content.as_ref()?)));
        contents
            .flat_map(|(side, content)| content.relocations.iter().map(move |relocation| (side, relocation)))
            .map(|(side, relocation)| {
                let reference = self.program.relocation_target(object, side, relocation);
                (side, reference.target, reference.global)
            })
            .collect()
    }
}
