//! Links uniform fat objects and checks the images byte by byte.

mod common;
use common::Bench;
use common::uniform::start;
use object::write::{Comdat, Symbol, SymbolSection};
use object::{
    ComdatKind, Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};
use twin_linker::image::Image;

/// The bytes at an address of an image.
fn at(bytes: &[u8], address: u64, size: u64) -> Vec<u8> {
    let file = object::File::parse(bytes).expect("image");
    let section = file.sections().find_map(|s| s.data_range(address, size).ok().flatten());
    section.expect("in a section").to_vec()
}

fn address(bytes: &[u8], name: &str) -> u64 {
    let file = object::File::parse(bytes).expect("image");
    file.symbols().find(|s| s.name() == Ok(name)).unwrap_or_else(|| panic!("no symbol {name}")).address()
}

/// The word at symbol `name`, which must be the same in both images.
fn word(bytes: &[u8], name: &str) -> u64 {
    let image = Image::parse(bytes).expect("twin binary");
    let word = at(bytes, address(bytes, name), 8);
    assert_eq!(word, at(image.aarch64, address(image.aarch64, name), 8), "{name}");
    u64::from_le_bytes(word.try_into().expect("eight bytes"))
}

#[test]
fn thread_local_variables_have_offsets_from_the_thread_pointer() {
    let bench = Bench::new();
    bench.uniform("a.o", |half| {
        start(half);
        half.define(".tdata.local", SectionKind::Tls, ".local", &[1; 8]);
        half.define(".tbss.zero", SectionKind::UninitializedTls, "zero", &[0; 24]);
        for name in [".local", "zero", "other", "missing?"] {
            let (section, _) = half.define(&format!(".data.p{name}"), SectionKind::Data, &format!("p{name}"), &[0; 8]);
            let offset = half.undefined(&format!("__twin_tpoff.{name}"));
            half.pointer(section, 0, offset, 0);
        }
        for name in ["__twin_tls_image", "__twin_tls_filesz", "__twin_tls_memsz", "__twin_tls_align"] {
            let (section, _) = half.define(&format!(".data.p{name}"), SectionKind::Data, &format!("p{name}"), &[0; 8]);
            let symbol = half.undefined(name);
            half.pointer(section, 0, symbol, 0);
        }
    });
    bench.uniform("b.o", |half| {
        half.define(".tdata.other", SectionKind::Tls, "other", &[2; 8]);
    });
    bench.archive("b.a", &["b.o"], "crs");
    let bytes = bench.link(&["a.o", "b.a"]);
    assert_eq!(word(&bytes, "p.local"), 16);
    assert_eq!(word(&bytes, "pother"), 24);
    assert_eq!(word(&bytes, "pzero"), 32);
    assert_eq!(word(&bytes, "pmissing"), 0);
    assert_eq!(word(&bytes, "p__twin_tls_filesz"), 16);
    assert_eq!(word(&bytes, "p__twin_tls_memsz"), 40);
    assert_eq!(word(&bytes, "p__twin_tls_align"), 8);
    let image = word(&bytes, "p__twin_tls_image");
    assert_eq!(at(&bytes, image, 16), [[1; 8], [2; 8]].concat());
    let note = Image::parse(&bytes).expect("twin binary").note;
    assert_eq!((note.tls.file_size, note.tls.memory_size, note.tls.align), (16, 40, 8));
}

#[test]
fn linker_symbols_bound_the_uniform_data() {
    let bench = Bench::new();
    let names = [
        "__twin_uniform_start",
        "__twin_uniform_end",
        "__init_array_start",
        "__init_array_end",
        "__fini_array_start",
        "__fini_array_end",
        "__start_hooks",
        "__stop_hooks",
        "__executable_start",
        "_end",
    ];
    bench.uniform("a.o", |half| {
        let (_, function) = start(half);
        for name in names {
            let (section, _) = half.define(&format!(".data.p{name}"), SectionKind::Data, &format!("p{name}"), &[0; 8]);
            let symbol = half.undefined(name);
            half.pointer(section, 0, symbol, 0);
        }
        half.define(".bss.room", SectionKind::UninitializedData, "room", &[0; 5000]);
        half.define("hooks", SectionKind::Data, ".hook", &[7; 24]);
        for (section, name) in [(".init_array", ".late"), (".init_array.101", ".early"), (".init_array.9", ".first")] {
            let (section, _) = half.define(section, SectionKind::Data, name, &[0; 8]);
            half.pointer(section, 0, function, name.len() as i64);
        }
    });
    let bytes = bench.link(&["a.o"]);
    let note = Image::parse(&bytes).expect("twin binary").note;
    let value = |name: &str| word(&bytes, &format!("p{name}"));
    assert_eq!(value("__twin_uniform_start"), note.uniform.start);
    assert_eq!(value("__twin_uniform_end"), note.uniform.end);
    assert_eq!(value("__executable_start"), 0x40_0000);
    assert_eq!(value("__fini_array_start"), value("__fini_array_end"));
    assert_eq!(value("_end"), address(&bytes, "room") + 5000);
    assert_eq!(at(&bytes, value("__start_hooks"), 24), [7; 24]);
    assert_eq!(value("__stop_hooks") - value("__start_hooks"), 24);
    assert_eq!(value("__init_array_end") - value("__init_array_start"), 24);
    let entry = note.entry;
    let order: Vec<u64> = at(&bytes, value("__init_array_start"), 24)
        .chunks(8)
        .map(|c| u64::from_le_bytes(c.try_into().expect("word")) - entry)
        .collect();
    assert_eq!(order, [6, 6, 5], "first and early by priority, then late");
    let file = object::File::parse(&*bytes).expect("home");
    let last = file.segments().map(|s| s.address() + s.size()).max();
    assert_eq!(last, Some(note.uniform.end));
}

#[test]
fn common_and_weak_symbols_are_merged() {
    let bench = Bench::new();
    for (name, size) in [("a.o", 8), ("b.o", 64)] {
        bench.uniform(name, |half| {
            half.object.add_common_symbol(
                Symbol {
                    name: b"shared".to_vec(),
                    value: 0,
                    size,
                    kind: SymbolKind::Data,
                    scope: SymbolScope::Linkage,
                    weak: false,
                    section: SymbolSection::Common,
                    flags: SymbolFlags::None,
                },
                size,
                16,
            );
            half.define(".data.w", SectionKind::Data, "weak?", name.as_bytes().first_chunk::<1>().expect("byte"));
        });
    }
    bench.uniform("c.o", |half| {
        start(half);
        let (section, _) = half.define(".data.p", SectionKind::Data, "p", &[0; 24]);
        for (index, name) in ["shared", "weak", "nowhere?"].into_iter().enumerate() {
            let symbol = half.undefined(name);
            half.pointer(section, 8 * index as u64, symbol, 0);
        }
    });
    bench.uniform("d.o", |half| {
        half.define(".data.w", SectionKind::Data, "weak", b"d");
    });
    let bytes = bench.link(&["a.o", "b.o", "c.o"]);
    let pointers = at(&bytes, address(&bytes, "p"), 24);
    assert_eq!(word(&bytes, "p"), address(&bytes, "shared"));
    assert_eq!(address(&bytes, "shared") % 16, 0);
    assert_eq!(at(&bytes, address(&bytes, "weak"), 1), b"a");
    assert_eq!(pointers[16..], [0; 8]);
    let bytes = bench.link(&["a.o", "b.o", "c.o", "d.o"]);
    assert_eq!(at(&bytes, address(&bytes, "weak"), 1), b"d");
}

#[test]
fn one_comdat_group_of_each_name_is_kept() {
    let bench = Bench::new();
    for name in ["a.o", "b.o"] {
        bench.uniform(name, |half| {
            if name == "a.o" {
                start(half);
            }
            let (section, symbol) = half.define(".data.once", SectionKind::Data, "once", &[name.as_bytes()[0]; 8]);
            half.object.add_comdat(Comdat { kind: ComdatKind::Any, symbol, sections: vec![section] });
            let pointer = format!("p{}", &name[..1]);
            let (section, _) = half.define(&format!(".data.{pointer}"), SectionKind::Data, &pointer, &[0; 8]);
            half.pointer(section, 0, symbol, 0);
        });
    }
    let bytes = bench.link(&["a.o", "b.o"]);
    assert_eq!(word(&bytes, "pa"), address(&bytes, "once"));
    assert_eq!(word(&bytes, "pb"), address(&bytes, "once"));
    assert_eq!(word(&bytes, "once"), u64::from_le_bytes([b'a'; 8]));
}

#[test]
fn alignment_holds_on_both_isas() {
    let bench = Bench::new();
    bench.uniform("a.o", |half| {
        start(half);
        half.define(".data.odd", SectionKind::Data, "odd", &[1; 3]);
        let id = half.object.add_section(Vec::new(), b".data.wide".to_vec(), SectionKind::Data);
        // The ISAs may ask for different alignments of one section.
        let align = if half.is_home() { 64 } else { 4096 };
        half.object.append_section_data(id, &[2; 8], align);
        half.define(".text.f", SectionKind::Text, "f", &[0; 12]);
    });
    let bytes = bench.link(&["a.o"]);
    assert_eq!(address(&bytes, "f") % 16, 0);
    let image = Image::parse(&bytes).expect("twin binary");
    assert_eq!(image.note.segments.len(), 5);
}
