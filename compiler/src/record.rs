//! Compares the two finished objects and packs them with their layout record into one fat object.

use crate::convention::Symbols;
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionIndex, SymbolKind};
use std::collections::{BTreeMap, HashMap};
use twin_linker::fat::{self, Kind, Record};

/// What must be equal in a uniform section: size and named symbols with their offsets.
#[derive(PartialEq, Eq, Debug, Default)]
struct Shape {
    size: u64,
    symbols: BTreeMap<String, u64>,
}

/// Packs objects (home first) and the bitcode for link-time optimisation; `symbols` come from [`crate::convention::Conventions::symbols`].
///
/// # Errors
/// An internal error that names section and values if a section with symbols differs between the ISAs.
pub fn pack(objects: &[Vec<u8>; 2], symbols: Symbols, bitcode: Option<&[u8]>) -> Result<Vec<u8>> {
    let [home, visitor] = objects.each_ref().map(|bytes| object::File::parse(&**bytes));
    let (home, visitor) = (shapes(&home?)?, shapes(&visitor?)?);
    for (name, shape) in &home {
        match visitor.get(name) {
            Some(other) if other == shape => {}
            other => bail!("internal error: section {name} differs between the ISAs: {shape:?} and {other:?}"),
        }
    }
    if let Some(name) = visitor.keys().find(|name| !home.contains_key(*name)) {
        bail!("internal error: section {name} exists on one ISA only");
    }
    let record = Record {
        version: Record::VERSION,
        kind: Kind::Uniform,
        uniform: home.into_keys().collect(),
        native_symbols: symbols.native_symbols,
        uniform_symbols: symbols.uniform_symbols,
        native_refs: symbols.native_refs,
        uniform_refs: symbols.uniform_refs,
        variadic_symbols: symbols.variadic_symbols,
        variadic_refs: symbols.variadic_refs,
        unprototyped_refs: symbols.unprototyped_refs,
    };
    fat::pack(&objects[0], &objects[1], &record, bitcode)
}

/// Uniform sections: those that hold a symbol of the program, and the tables of initialisers.
fn shapes(file: &object::File) -> Result<BTreeMap<String, Shape>> {
    let mut of_section: HashMap<SectionIndex, BTreeMap<String, u64>> = HashMap::new();
    for symbol in file.symbols() {
        let wanted =
            matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data | SymbolKind::Tls | SymbolKind::Unknown);
        let internal = symbol.name()?.starts_with('$') || symbol.name()?.starts_with(".L");
        if let (true, false, Some(section)) = (wanted, internal, symbol.section_index()) {
            of_section.entry(section).or_default().insert(symbol.name()?.to_owned(), symbol.address());
        }
    }
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    for section in file.sections() {
        let name = section.name().context("own object")?;
        let symbols = of_section.remove(&section.index());
        let is_table = [".init_array", ".fini_array", ".preinit_array"].iter().any(|t| name.starts_with(t));
        if symbols.is_some() || is_table {
            let shape = shapes.entry(name.to_owned()).or_default();
            shape.size += section.size();
            shape.symbols.extend(symbols.unwrap_or_default());
        }
    }
    Ok(shapes)
}
