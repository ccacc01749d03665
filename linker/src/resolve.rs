//! Symbol resolution: which objects take part, and what defines each global symbol on each ISA.
//!
//! Archives are searched as one group, whatever their order: a member takes part as soon as an object refers
//! to a symbol that it defines on that ISA and that nothing before defines.

use crate::args::Args;
use crate::errors::Errors;
use crate::fat;
use crate::half::{self, Place, Symbol};
use crate::ids::{MemberId, ObjectId, Pair, Side, SymbolId, Table};
use crate::input::File;
use crate::isa;
use crate::lto::Merged;
use crate::objects::{self, Meaning};
use crate::program::{Definition, Program, Strength};
use crate::source::Sources;
use crate::synthetic;
use anyhow::{Context, Result, bail};
use object::elf;
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use std::collections::VecDeque;

/// Prefix of the symbols that stand for a thread-local variable's distance from the thread pointer.
pub const TP_OFFSET_PREFIX: &str = "__twin_tpoff.";
/// Name of the object that link-time optimisation made, for messages.
const MERGED: &str = "<link-time optimisation>";

/// The symbol that an object's undefined symbol `name` is about.
pub fn variable(name: &str) -> &str {
    name.strip_prefix(TP_OFFSET_PREFIX).unwrap_or(name)
}

/// Reads the objects among `files`, extracts the members that they need, and resolves all symbols. The `merged` object
/// stands where the first of those stands that it replaces, or behind all others.
///
/// # Errors
/// If a file is not a fat object or archive, or a symbol has several definitions.
pub fn run<'a>(args: &Args, files: &'a [File], merged: Option<&'a Merged>) -> Result<Program<'a>> {
    let is_replaced = |bytes: &[u8]| merged.is_some_and(|merged| merged.replaces(bytes));
    let mut resolver = Resolver::new(args);
    let mut explicit = Vec::new();
    for file in files {
        if file.is_archive() {
            for member in file.members()? {
                if file.whole_archive {
                    explicit.push((member.name, member.bytes));
                } else if !is_replaced(member.bytes) {
                    resolver.add_lazy(member.name, member.bytes)?;
                }
            }
        } else if file.is_text() {
            bail!("{}: not an object or archive (linker scripts are not supported)", file.path.display());
        } else if file.lazy {
            if !is_replaced(&file.bytes) {
                resolver.add_lazy(file.path.display().to_string(), &file.bytes)?;
            }
        } else {
            explicit.push((file.path.display().to_string(), &file.bytes));
        }
    }
    if let Some(merged) = merged {
        let at = explicit.iter().position(|(_, bytes)| merged.replaces(bytes)).unwrap_or(explicit.len());
        explicit.insert(at, (MERGED.to_owned(), &merged.bytes));
        explicit.retain(|(_, bytes)| !merged.replaces(bytes));
    }
    for (name, bytes) in explicit {
        resolver.add_object(&name, bytes)?;
    }
    resolver.add_roots();
    resolver.extract()?;
    resolver.check_sides();
    resolver.errors.check()?;
    Ok(resolver.program)
}

/// A member of an archive that may be needed.
struct Lazy<'a> {
    name: String,
    bytes: &'a [u8],
    extracted: bool,
}

struct Resolver<'a, 'r> {
    args: &'r Args,
    program: Program<'a>,
    groups: HashMap<&'a str, ObjectId>,
    members: Table<MemberId, Lazy<'a>>,
    lazy: Pair<HashMap<&'a str, MemberId>>,
    /// Symbols that were undefined when somebody referred to them.
    wanted: VecDeque<(Side, SymbolId)>,
    /// Symbols that two objects define.
    duplicates: HashSet<(SymbolId, ObjectId, ObjectId)>,
    sources: Sources,
    errors: Errors,
}

impl<'a, 'r> Resolver<'a, 'r> {
    fn new(args: &'r Args) -> Self {
        Resolver {
            args,
            program: Program::default(),
            groups: HashMap::default(),
            members: Table::default(),
            lazy: Pair::default(),
            wanted: VecDeque::new(),
            duplicates: HashSet::default(),
            sources: Sources::default(),
            errors: Errors::default(),
        }
    }

    fn add_lazy(&mut self, name: String, bytes: &'a [u8]) -> Result<()> {
        if !bytes.starts_with(&elf::ELFMAG) {
            return Ok(());
        }
        let fat = fat::unpack(bytes).with_context(|| name.clone())?;
        let halves = Pair { home: Some(bytes), visitor: fat.map(|fat| fat.aarch64) };
        let id = self.members.next_id();
        for (side, half) in halves.iter() {
            let Some(half) = half else { continue };
            for symbol in half::defined_names(half, side).with_context(|| name.clone())? {
                self.lazy[side].entry(symbol).or_insert(id);
            }
        }
        self.members.push(Lazy { name, bytes, extracted: false });
        Ok(())
    }

    /// Symbols that the command line refers to.
    fn add_roots(&mut self) {
        let operands = self.args.definitions.iter().filter_map(|(_, expression)| synthetic::operand(expression).0);
        // An object has no entry.
        let entry = (!self.args.relocatable).then_some(self.args.entry.as_str());
        let names = entry.into_iter().chain(self.args.undefined.iter().map(String::as_str));
        let names: Vec<String> = names.chain(operands).map(str::to_owned).collect();
        for (name, _) in &self.args.definitions {
            let id = self.program.intern(name.clone());
            self.program.globals[id].definitions = Pair::new(|_| Some(Definition::Linker));
        }
        for name in names {
            let id = self.program.intern(name);
            for side in Side::BOTH {
                self.refer(side, id, Strength::Weak);
                self.wanted.push_back((side, id));
            }
        }
    }

    fn extract(&mut self) -> Result<()> {
        while let Some((side, symbol)) = self.wanted.pop_front() {
            let global = &self.program.globals[symbol];
            if global.definitions[side].is_some() {
                continue;
            }
            let Some(&member) = self.lazy[side].get(&*global.name) else { continue };
            let member = &mut self.members[member];
            if !member.extracted {
                member.extracted = true;
                let (name, bytes) = (member.name.clone(), member.bytes);
                self.add_object(&name, bytes)?;
            }
        }
        Ok(())
    }

    fn add_object(&mut self, name: &str, bytes: &'a [u8]) -> Result<()> {
        let id = self.program.objects.next_id();
        let mut object = objects::read(name, bytes, id, &mut self.program.sections, &mut self.groups)?;
        let mut definitions = Vec::new();
        for side in Side::BOTH {
            let half = &mut object.sides[side];
            let locals = half.symbols.iter().enumerate().filter(|(_, s)| s.is_local() && s.kind == elf::STT_TLS);
            let local_tls: HashMap<&str, usize> = locals.map(|(index, s)| (s.name, index)).collect();
            let weak = half.symbols.iter().filter(|s| s.is_weak() && s.place == Place::Undefined);
            let weak_names: Vec<&str> = weak.map(|s| s.name).collect();
            for (index, symbol) in half.symbols.iter().enumerate().skip(1) {
                if symbol.is_local() {
                    continue;
                }
                let dropped = matches!(symbol.place, Place::Section(section) if half.sections[section].is_none());
                if symbol.place != Place::Undefined && !dropped {
                    let global = self.program.intern(symbol.name);
                    half.meanings[index] = Meaning::Global(global);
                    definitions.push((side, index, global, *symbol));
                    continue;
                }
                let strength = if symbol.is_weak() { Strength::Weak } else { Strength::Strong };
                half.meanings[index] = match symbol.name.strip_prefix(TP_OFFSET_PREFIX) {
                    Some(variable) => match local_tls.get(variable) {
                        Some(&local) => Meaning::TpOffsetOfLocal(local),
                        None => {
                            let weak = weak_names.contains(&variable);
                            let id = self.program.intern(variable);
                            self.refer(side, id, if weak { Strength::Weak } else { strength });
                            Meaning::TpOffsetOf(id)
                        }
                    },
                    None => {
                        let id = self.intern_wrapped(symbol.name);
                        self.refer(side, id, strength);
                        Meaning::Global(id)
                    }
                };
            }
        }
        self.program.objects.push(object);
        for (side, index, global, symbol) in definitions {
            self.define(side, id, index, global, &symbol);
        }
        Ok(())
    }

    /// The symbol that an undefined `name` stands for under `--wrap`.
    fn intern_wrapped(&mut self, name: &'a str) -> SymbolId {
        if self.args.wrap.contains(name) {
            return self.program.intern(format!("__wrap_{name}"));
        }
        match name.strip_prefix("__real_") {
            Some(real) if self.args.wrap.contains(real) => self.program.intern(real),
            _ => self.program.intern(name),
        }
    }

    fn refer(&mut self, side: Side, id: SymbolId, strength: Strength) {
        let global = &mut self.program.globals[id];
        global.references[side] = global.references[side].max(strength);
        if strength == Strength::Strong && global.definitions[side].is_none() {
            self.wanted.push_back((side, id));
        }
    }

    fn define(&mut self, side: Side, object: ObjectId, index: usize, id: SymbolId, symbol: &Symbol) {
        let new = match symbol.place {
            Place::Common => Definition::Common(object, symbol.size, symbol.value),
            _ => Definition::Object(object, index),
        };
        let old = self.program.globals[id].definitions[side];
        let merged = match (old, new) {
            (None, new) => new,
            (Some(Definition::Common(a, size, align)), Definition::Common(b, other_size, other_align)) => {
                let largest = if other_size > size { b } else { a };
                Definition::Common(largest, size.max(other_size), align.max(other_align))
            }
            (Some(old @ Definition::Common(..)), new) => {
                if symbol.is_weak() {
                    old
                } else {
                    new
                }
            }
            (Some(old @ Definition::Object(..)), new) => {
                let old_is_weak = self.program.defining_symbol(id, side).is_some_and(Symbol::is_weak);
                match new {
                    Definition::Common(..) => {
                        if old_is_weak {
                            new
                        } else {
                            old
                        }
                    }
                    _ if symbol.is_weak() => old,
                    _ if old_is_weak => new,
                    _ => {
                        self.duplicate(side, id, old, (object, index));
                        old
                    }
                }
            }
            (Some(old @ (Definition::Allocated(..) | Definition::Linker)), _) => old,
        };
        self.program.globals[id].definitions[side] = Some(merged);
    }

    fn duplicate(&mut self, side: Side, id: SymbolId, old: Definition, new: (ObjectId, usize)) {
        const DEFINED: &str = ">>> defined at ";
        let Definition::Object(object, index) = old else { return };
        // The other half of the same objects says the same.
        let is_new = self.duplicates.insert((id, object, new.0));
        if self.args.allow_multiple_definition || !is_new {
            return;
        }
        let mut message = format!("duplicate symbol: {}", self.program.globals[id].name);
        for (object, index) in [(object, index), new] {
            let half = &self.program.objects[object].sides[side];
            let symbol = &half.symbols[index];
            let section = match symbol.place {
                Place::Section(section) => half.sections[section],
                _ => None,
            };
            let place = match section {
                Some(section) => self.sources.place(&self.program, section, side, symbol.value, DEFINED.len()),
                None => self.program.objects[object].name.clone(),
            };
            message.push_str(&format!("\n{DEFINED}{place}"));
        }
        self.errors.push(message);
    }

    /// The two halves of a fat object define a symbol together, or one of them alone does.
    fn check_sides(&mut self) {
        for global in self.program.globals.values() {
            if let Pair { home: Some(Definition::Object(home, _)), visitor: Some(Definition::Object(visitor, _)) } =
                global.definitions
                && home != visitor
            {
                let place = |object: ObjectId, side| {
                    format!("\n>>> defined at {} on {}", self.program.objects[object].name, isa::of(side).name())
                };
                self.errors.push(format!(
                    "symbol {} has different definitions on the two ISAs{}{}",
                    global.name,
                    place(home, Side::Home),
                    place(visitor, Side::Visitor),
                ));
            }
        }
    }
}
