//! What does not need disassembly: headers, segments, symbols, data, thread-local storage.

use crate::binary::{Binary, Image, Section, Segment, Symbol, SymbolKind};
use crate::isa;
use crate::polls;
use crate::report::{Counts, Kind, PrivateRegion, Violation};
use crate::side::{Pair, Side};
use object::elf;
use std::collections::{BTreeMap, BTreeSet};

/// Distance from the thread pointer to the first thread-local variable, before alignment (DESIGN.md 3).
const TP_RESERVED: u64 = 16;
/// Prefix of symbols whose value is a variable's distance from the thread pointer (DESIGN.md 3).
const TP_OFFSET: &str = "__twin_tpoff.";

/// Why a section need not be the same on both ISAs.
const PRIVATE_SECTIONS: [(&str, &str); 8] = [
    (".note.gnu.build-id", "identifies the file; nothing refers to it"),
    (".rodata.private", "constant pools and jump tables of one ISA's code, and native objects' constants"),
    (polls::SECTION, "where one ISA's polls are, and go on"),
    (".eh_frame_hdr", "index of .eh_frame"),
    (".eh_frame", "how one ISA's frames are unwound"),
    (".got", "addresses that one ISA's native objects load"),
    (".data.private", "the runtime's own state, which does not travel"),
    (".bss.private", "the runtime's own state and native stack, which do not travel"),
];

/// Runs all checks of this file.
pub fn check(binary: &Binary, counts: &mut Counts, private: &mut Vec<PrivateRegion>) -> Vec<Violation> {
    let mut violations = Vec::new();
    headers(binary, &mut violations);
    segments(binary, &mut violations);
    symbols(binary, counts, &mut violations);
    data(binary, counts, &mut violations);
    private_regions(binary, counts, private, &mut violations);
    thread_local(binary, &mut violations);
    violations
}

/// A uniform range of addresses according to the note.
fn is_uniform_kind(kind: &str) -> bool {
    kind == "text" || kind.starts_with("uniform")
}

fn headers(binary: &Binary, violations: &mut Vec<Violation>) {
    let images = &binary.images;
    let entries = images.as_ref().map(|i| format!("{:#x}", i.header.entry));
    if !entries.agree() || images.home.header.entry != binary.note.entry {
        violations.push(Violation::new(Kind::Segment, "entry point", None, "differs").with_values(entries));
    }
    let kinds = images.as_ref().map(|i| i.header.kind);
    if kinds != (Pair { home: elf::ET_EXEC.0, visitor: elf::ET_EXEC.0 }) {
        violations
            .push(Violation::new(Kind::Segment, "ELF header", None, "not a static executable").with_values(kinds));
    }
}

fn describe(segment: Option<&Segment>) -> String {
    segment.map_or_else(
        || "missing".to_owned(),
        |s| {
            let flag = |bit: u32, letter: char| if s.flags & bit != 0 { letter } else { '-' };
            let rights: String =
                [flag(elf::PF_R.0, 'r'), flag(elf::PF_W.0, 'w'), flag(elf::PF_X.0, 'x')].iter().collect();
            format!("{:#x}+{:#x} {rights}", s.address, s.memory_size)
        },
    )
}

fn segments(binary: &Binary, violations: &mut Vec<Violation>) {
    let loads = Pair::new(|side| binary.images[side].segments_of(elf::PT_LOAD).collect::<Vec<_>>());
    let number = loads.home.len().max(loads.visitor.len());
    for n in 0..number {
        let segment = Pair::new(|side| loads[side].get(n).copied());
        let shape = segment.map(|s| s.map(|s| (s.address, s.memory_size, s.flags)));
        if !shape.agree() {
            let name = format!("segment {n}");
            let message = "differs in address, size or rights";
            violations.push(Violation::new(Kind::Segment, name, None, message).with_values(segment.map(describe)));
        }
    }
    for noted in binary.note.segments.iter().filter(|s| s.size > 0) {
        for side in Side::BOTH {
            let found = loads[side].iter().find(|s| s.address == noted.address);
            if found.is_none_or(|s| s.memory_size != noted.size) {
                let message = format!(
                    "{} bytes according to the Twin note, but {} on {}",
                    noted.size,
                    describe(found.copied()),
                    isa::of(side).name()
                );
                violations.push(Violation::new(
                    Kind::Segment,
                    format!("{} segment", noted.kind),
                    noted.address,
                    message,
                ));
            }
        }
    }
}

/// Whether the ISAs must agree on a symbol.
fn is_uniform(binary: &Binary, symbol: &Symbol) -> bool {
    let in_uniform = || {
        let mut segments = binary.note.segments.iter().filter(|s| is_uniform_kind(&s.kind));
        segments.any(|s| symbol.address.checked_sub(s.address).is_some_and(|offset| offset < s.size))
    };
    match symbol.kind {
        SymbolKind::ThreadLocal => true,
        _ if symbol.absolute => symbol.name.starts_with(TP_OFFSET),
        _ => in_uniform() && binary.native_object(symbol.address).is_none(),
    }
}

/// Where a symbol is and how large it is.
type Place = (u64, u64, SymbolKind);

fn symbols(binary: &Binary, counts: &mut Counts, violations: &mut Vec<Violation>) {
    let mut by_name: BTreeMap<&str, Pair<Vec<Place>>> = BTreeMap::new();
    let mut functions = BTreeSet::new();
    let mut data = BTreeSet::new();
    for side in Side::BOTH {
        for symbol in &binary.images[side].symbols {
            if !is_uniform(binary, symbol) {
                continue;
            }
            let place = (symbol.address, symbol.size, symbol.kind);
            by_name.entry(symbol.name).or_default()[side].push(place);
            match symbol.kind {
                SymbolKind::Function => _ = functions.insert(symbol.address),
                SymbolKind::Datum | SymbolKind::ThreadLocal => _ = data.insert((symbol.kind, symbol.address)),
                SymbolKind::Label => {}
            }
        }
    }
    counts.functions = functions.len() as u64;
    counts.data = data.len() as u64;
    let native: BTreeSet<u64> = binary
        .images
        .home
        .symbols
        .iter()
        .filter(|s| s.kind == SymbolKind::Function && binary.native_object(s.address).is_some())
        .map(|s| s.address)
        .collect();
    counts.native_functions = native.len() as u64;
    for (name, places) in &mut by_name {
        compare_places(name, places, violations);
    }
}

/// Reports what is left when equal places are taken away: a size, an address, or a symbol of one ISA only.
fn compare_places(name: &str, places: &mut Pair<Vec<Place>>, violations: &mut Vec<Violation>) {
    for list in [&mut places.home, &mut places.visitor] {
        list.sort_unstable();
        list.dedup();
    }
    let odd = Pair::new(|side| {
        places[side].iter().copied().filter(|p| !places[side.other()].contains(p)).collect::<Vec<Place>>()
    });
    let what = |kind: SymbolKind| match kind {
        SymbolKind::Function => "function",
        SymbolKind::Datum => "datum",
        SymbolKind::ThreadLocal => "thread-local variable",
        SymbolKind::Label => "symbol",
    };
    let mut visitors = odd.visitor;
    for home in odd.home {
        let same_address = visitors.iter().position(|v| v.0 == home.0);
        let Some(index) = same_address.or(if visitors.is_empty() { None } else { Some(0) }) else {
            let message = format!("{} exists on x86-64 only", what(home.2));
            violations.push(Violation::new(Kind::Symbol, name, home.0, message));
            continue;
        };
        let visitor = visitors.remove(index);
        let both = Pair { home, visitor };
        let violation = if home.0 != visitor.0 {
            let addresses = both.map(|p| format!("{:#x}", p.0));
            Violation::new(Kind::Symbol, name, None, format!("address of the {}", what(home.2))).with_values(addresses)
        } else {
            let sizes = both.map(|p| format!("{} bytes", p.1));
            Violation::new(Kind::Symbol, name, home.0, format!("size of the {}", what(home.2))).with_values(sizes)
        };
        violations.push(violation);
    }
    for visitor in visitors {
        let message = format!("{} exists on aarch64 only", what(visitor.2));
        violations.push(Violation::new(Kind::Symbol, name, visitor.0, message));
    }
}

fn data(binary: &Binary, counts: &mut Counts, violations: &mut Vec<Violation>) {
    for noted in binary.note.segments.iter().filter(|s| s.kind.starts_with("uniform")) {
        let bytes = Pair::new(|side| binary.images[side].bytes_from(noted.address));
        counts.bytes += bytes.home.len() as u64;
        if bytes.home.len() != bytes.visitor.len() {
            let sizes = bytes.map(|b| format!("{} bytes", b.len()));
            let message = "initialised part of the segment";
            let subject = format!("{} segment", noted.kind);
            violations.push(Violation::new(Kind::Data, subject, noted.address, message).with_values(sizes));
        }
        // One report for each datum.
        let mut reported = BTreeSet::new();
        for (offset, (home, visitor)) in bytes.home.iter().zip(bytes.visitor).enumerate() {
            if home == visitor {
                continue;
            }
            let address = noted.address + offset as u64;
            let (subject, start) = datum_at(&binary.images.home, address);
            if reported.insert(start) {
                let values = Pair { home, visitor }.map(|b| format!("{b:#04x}"));
                let message = format!("byte {} differs", address - start);
                violations.push(Violation::new(Kind::Data, subject, address, message).with_values(values));
            }
        }
    }
}

/// Name and address of the datum, or else the section, at `address`.
fn datum_at(image: &Image, address: u64) -> (String, u64) {
    let covers = |start: u64, size: u64| address.checked_sub(start).is_some_and(|offset| offset < size);
    let datum = image.symbols.iter().find(|s| s.kind == SymbolKind::Datum && covers(s.address, s.size));
    if let Some(symbol) = datum {
        return (symbol.name.to_owned(), symbol.address);
    }
    let section = image.sections.iter().find(|s| covers(s.address, s.size));
    section.map_or(("unnamed data".to_owned(), address), |s| (s.name.clone(), s.address))
}

fn private_regions(
    binary: &Binary,
    counts: &mut Counts,
    private: &mut Vec<PrivateRegion>,
    violations: &mut Vec<Violation>,
) {
    let mut found: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for side in Side::BOTH {
        let in_private = |section: &&Section| {
            let mut segments = binary.note.segments.iter().filter(|s| !is_uniform_kind(&s.kind));
            segments.any(|s| section.address.checked_sub(s.address).is_some_and(|offset| offset < s.size))
        };
        for section in binary.images[side].sections.iter().filter(in_private).filter(|s| !s.thread_local) {
            found.entry(&section.name).or_default()[side as usize] += section.size;
        }
    }
    for (name, sizes) in found {
        let reason = PRIVATE_SECTIONS.iter().find(|(section, _)| *section == name).map(|(_, reason)| *reason);
        if reason.is_none() {
            let message = "is private to each ISA without a reason";
            violations.push(Violation::new(Kind::Data, name, None, message));
        }
        counts.private_bytes += sizes[0].max(sizes[1]);
        let reason = reason.unwrap_or("none").to_owned();
        private.push(PrivateRegion { name: name.to_owned(), sizes, reason });
    }
    let mut objects: BTreeMap<&str, u64> = BTreeMap::new();
    for native in &binary.note.native_text {
        *objects.entry(&native.object).or_default() += native.range.end - native.range.start;
    }
    private.extend(objects.into_iter().map(|(object, size)| PrivateRegion {
        name: object.to_owned(),
        sizes: [size; 2],
        reason: "code of a native object; never on the stack at a hop".to_owned(),
    }));
}

fn thread_local(binary: &Binary, violations: &mut Vec<Violation>) {
    let headers = Pair::new(|side| binary.images[side].segments_of(elf::PT_TLS).next().copied());
    let shape = headers.map(|h| h.map(|h| (h.address, h.file_size, h.memory_size, h.align)));
    let show = |h: Option<Segment>| {
        h.map_or_else(
            || "missing".to_owned(),
            |h| format!("{:#x}, {} of {} bytes, alignment {}", h.address, h.file_size, h.memory_size, h.align),
        )
    };
    let noted = (binary.note.tls.file_size, binary.note.tls.memory_size, binary.note.tls.align);
    let as_noted = headers.home.map_or(noted.1 == 0, |h| (h.file_size, h.memory_size, h.align) == noted);
    if !shape.agree() || !as_noted {
        let message = format!("differ, or are not as the Twin note says ({}, {}, {})", noted.0, noted.1, noted.2);
        violations
            .push(Violation::new(Kind::Tls, "thread-local storage", None, message).with_values(headers.map(show)));
    }
    for side in Side::BOTH {
        let memory_size = headers[side].map_or(0, |h| h.memory_size);
        let first = headers[side].map_or(TP_RESERVED, |h| TP_RESERVED.max(h.align));
        for symbol in &binary.images[side].symbols {
            let offset = if symbol.kind == SymbolKind::ThreadLocal {
                Some(symbol.address)
            } else if symbol.name.starts_with(TP_OFFSET) {
                symbol.address.checked_sub(first)
            } else {
                continue;
            };
            if offset.is_none_or(|o| o.saturating_add(symbol.size) > memory_size) {
                let message =
                    format!("{} is outside of the {memory_size} bytes of thread-local storage", isa::of(side).name());
                violations.push(Violation::new(Kind::Tls, symbol.name, symbol.address, message));
            }
        }
    }
}
