//! Bad input gets one clear message with names, leaves no file, and never a panic.

mod common;
use common::uniform::{pair, start};
use common::{Bench, START};
use object::{SectionFlags, SectionKind, elf};
use twin_linker::args::Args;
use twin_linker::fat::{self, Kind};
use twin_linker::input::File;
use twin_linker::link;

#[test]
fn all_undefined_symbols_are_reported() {
    let bench = Bench::new();
    bench.native("a.o", "int foo(void), bar(void); int _start(void) { return foo() + bar() + foo(); }");
    assert_eq!(
        bench.fail(&["a.o"]),
        "twin-ld: error: undefined symbol: foo\n>>> referenced by a.o.c\n>>>               a.o:(_start)\n\
         >>> referenced by a.o.c\n>>>               a.o:(_start)\n\
         twin-ld: error: undefined symbol: bar\n>>> referenced by a.o.c\n>>>               a.o:(_start)\n"
    );
    bench.native("b.o", "int foo(void);\nint _start(void) {\n#ifdef __aarch64__\nfoo();\n#endif\nreturn 0; }");
    assert!(bench.fail(&["b.o"]).starts_with("twin-ld: error: undefined symbol: foo (on aarch64 only)\n"));
    bench.native("c.o", "void _start(void) {}");
    assert_eq!(bench.fail(&["c.o", "-e", "main"]), "twin-ld: error: undefined entry symbol: main\n");
}

#[test]
fn duplicate_symbols_are_reported_once() {
    let bench = Bench::new();
    bench.native("a.o", "void _start(void) {} void f(void) {}");
    bench.native("b.o", "void f(void) {}");
    let expected = "twin-ld: error: duplicate symbol: f\n>>> defined at a.o.c\n>>>            a.o:(f)\n\
                    >>> defined at b.o.c\n>>>            b.o:(f)\n";
    assert_eq!(bench.fail(&["a.o", "b.o"]), expected);
    bench.link(&["a.o", "b.o", "-z", "muldefs"]);
}

#[test]
fn both_isas_must_take_one_definition() {
    let bench = Bench::new();
    bench.native("a.o", "__attribute__((weak)) void f(void) {} void _start(void) { f(); }");
    bench.native("b.o", "#ifdef __x86_64__\nvoid f(void) {}\n#endif");
    let expected = "twin-ld: error: symbol f has different definitions on the two ISAs\n>>> defined at b.o on x86-64\n\
                    >>> defined at a.o on aarch64\n";
    assert_eq!(bench.fail(&["a.o", "b.o"]), expected);
}

#[test]
fn other_files_are_refused_by_name() {
    let bench = Bench::new();
    bench.write("text.o", b"INPUT(a.o)\n");
    assert!(bench.fail(&["text.o"]).contains("text.o: not an object or archive"));
    bench.write("empty.o", b"");
    assert!(bench.fail(&["empty.o"]).contains("empty.o: not an ELF object"));
    let (objects, _) = pair(|half| {
        start(half);
    });
    bench.write("plain.o", &objects[0]);
    assert!(bench.fail(&["plain.o"]).contains("plain.o: not a Twin object (made by another compiler?)"));
    assert!(bench.fail(&["missing.o"]).contains("cannot open missing.o: No such file"));
    assert!(bench.fail(&["plain.o", "-lmissing"]).contains("unable to find library -lmissing"));
    let swapped = fat::pack(&objects[0], &objects[0], &common::record(Kind::Native, &[]), None).expect("pack");
    bench.write("swapped.o", &swapped);
    let message = bench.fail(&["swapped.o"]);
    assert!(message.contains("swapped.o: aarch64 half: is for another machine"), "{message}");
}

#[test]
fn conventions_must_agree() {
    let bench = Bench::new();
    let (objects, mut record) = pair(|half| {
        let (section, _) = start(half);
        let foo = half.undefined("foo");
        half.pointer(section, 0, foo, 0);
    });
    record.uniform_refs = vec!["foo".to_owned()];
    bench.write("a.o", &fat::pack(&objects[0], &objects[1], &record, None).expect("pack"));
    let (objects, mut record) = pair(|half| {
        half.define(".text.foo", SectionKind::Text, "foo", &[0; 16]);
    });
    record.native_symbols = vec!["foo".to_owned()];
    bench.write("b.o", &fat::pack(&objects[0], &objects[1], &record, None).expect("pack"));
    let message = bench.fail(&["a.o", "b.o"]);
    assert_eq!(message, "twin-ld: error: foo is called as a uniform function in a.o but b.o defines it as native\n");
}

#[test]
fn uniform_data_cannot_refer_to_private_data() {
    let bench = Bench::new();
    bench.native("native.o", "int here = 1; int *const keep = &here;");
    bench.uniform("a.o", |half| {
        start(half);
        let (section, _) = half.define(".data.p", SectionKind::Data, "p", &[0; 8]);
        let here = half.undefined("here");
        half.pointer(section, 0, here, 0);
    });
    let message = bench.fail(&["a.o", "native.o"]);
    assert!(message.contains("a.o:(.data.p+0x0): R_X86_64_64"), "{message}");
    assert!(message.contains("against here of native.o in uniform data refers to data that are private"), "{message}");
}

#[test]
fn uniform_bytes_must_be_equal() {
    let bench = Bench::new();
    bench.uniform("a.o", |half| {
        start(half);
        let byte = if half.is_home() { 1 } else { 2 };
        half.define(".data.x", SectionKind::Data, "x", &[0, 0, 0, 0, 0, byte, 0, 0]);
    });
    let message = bench.fail(&["a.o"]);
    let expected = "a.o: uniform data differ between the ISAs at x+0x5\n>>> 0000000000010000 on x86-64\n\
                    >>> 0000000000020000 on aarch64\n";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn symbols_of_uniform_sections_must_be_at_equal_offsets() {
    let bench = Bench::new();
    let (home, record) = pair(|half| {
        start(half);
        half.define(".data.x", SectionKind::Data, "x", &[0; 8]);
    });
    let (visitor, _) = pair(|half| {
        start(half);
        half.define(".data.x", SectionKind::Data, "y", &[0; 8]);
        half.define(".data.z", SectionKind::Data, "x", &[0; 8]);
    });
    bench.write("a.o", &fat::pack(&home[0], &visitor[1], &record, None).expect("pack"));
    let message = bench.fail(&["a.o"]);
    assert!(message.contains("a.o: symbol x is at .data.x+0x0 on x86-64 and at .data.z+0x0 on aarch64"), "{message}");
}

#[test]
fn overflow_names_place_and_values() {
    let bench = Bench::new();
    bench.native("a.o", "extern char far[]; void _start(void) { far[0] = 1; }");
    let message = bench.fail(&["a.o", "--defsym=far=0x123456789abc"]);
    assert!(message.contains("a.o:(function _start): R_X86_64_"), "{message}");
    assert!(message.contains("against far does not fit: 0x123456"), "{message}");
}

/// A small program with all kinds of tables.
fn victim(bench: &Bench) -> Vec<u8> {
    bench.native("victim.o", START);
    std::fs::read(bench.path("victim.o")).expect("object")
}

#[test]
fn truncated_objects_are_errors() {
    let bench = Bench::new();
    let bytes = victim(&bench);
    for length in 0..bytes.len() {
        let error = link_in_process(&bench, &bytes[..length]).expect_err("truncated");
        assert!(error.contains("damaged.o"), "{length}: {error}");
    }
}

#[test]
fn changed_bytes_never_panic() {
    let bench = Bench::new();
    let bytes = victim(&bench);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
        // Many changes are harmless; what matters is that the linker survives the others.
        let _ = link_in_process(&bench, &damaged);
    }
}

#[test]
fn truncated_archives_are_errors() {
    let bench = Bench::new();
    bench.native("run.o", "int run(void) { return 0; }");
    bench.native("start.o", START);
    bench.archive("whole.a", &["start.o", "run.o"], "crsD");
    let bytes = std::fs::read(bench.path("whole.a")).expect("archive");
    let link = |bytes: &[u8]| {
        let mut file = File::new("damaged.a", bytes.to_vec());
        file.whole_archive = true;
        link::link(&Args::default(), &[file]).map(drop).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(link(&bytes), Ok(()));
    // The last byte may be padding, which nobody misses.
    for length in 0..bytes.len() - 1 {
        // The magic alone is an archive without members.
        let error = link(&bytes[..length]).expect_err("truncated");
        assert!(error.starts_with("damaged.a") || length == 8 && error.contains("undefined"), "{length}: {error}");
    }
}

/// Found by fuzzing (ci/fuzz-readers): sections with other flags or names were not with the other initial values.
#[test]
fn thread_local_sections_stay_together() {
    let bench = Bench::new();
    for extra in [elf::SectionFlags(0), elf::SHF_EXECINSTR] {
        bench.uniform("a.o", |half| {
            start(half);
            half.define(".tdata.x", SectionKind::Tls, "x", &[1; 8]);
            let (section, _) = half.define("named", SectionKind::Tls, "y", &[2; 8]);
            half.define(".data.between", SectionKind::Data, "between", &[3; 64]);
            let sh_flags = elf::SHF_ALLOC | elf::SHF_TLS | extra;
            let flags = SectionFlags::Elf { sh_type: elf::SHT_PROGBITS, sh_flags };
            half.object.section_mut(section).flags = flags;
        });
        let bytes = bench.link(&["a.o"]);
        let image = twin_linker::image::Image::parse(&bytes).expect("twin binary");
        // Two words, and padding if one counts as code.
        let size = image.note.tls.file_size;
        assert!((16..=24).contains(&size), "{size} bytes of initial values");
    }
}

/// Links without a process, so that thousands of cases take a second.
fn link_in_process(bench: &Bench, bytes: &[u8]) -> Result<(), String> {
    let object = bench.write("damaged.o", bytes);
    let main = bench.path("run.o");
    if !main.exists() {
        bench.native("run.o", "int run(void) { return 0; }");
    }
    let inputs = [object, main].map(|path| path.display().to_string());
    let output = bench.path("damaged.out").display().to_string();
    let arguments = inputs.into_iter().chain(["-o".to_owned(), output]);
    let twin_linker::args::Command::Link(args, _) = twin_linker::args::parse(arguments).expect("arguments") else {
        panic!("not a link job");
    };
    twin_linker::link::run(&args).map_err(|error| format!("{error:#}"))
}
