//! Links native fat objects made by clang and runs both images.

mod common;
use common::{Bench, START};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::BTreeMap;
use twin_linker::image::Image;

/// Addresses of the named symbols of an image.
fn symbols(bytes: &[u8]) -> BTreeMap<String, u64> {
    let file = object::File::parse(bytes).expect("image");
    file.symbols().filter_map(|s| Some((s.name().ok()?.to_owned(), s.address()))).collect()
}

#[test]
fn runs_on_both_isas() {
    let bench = Bench::new();
    bench.native("start.o", START);
    bench.native(
        "main.o",
        r#"
        void put(const char *, unsigned long);
        extern int maybe(void) __attribute__((weak));
        static const char *const words[] = {"twin ", "binary\n"};
        int counter = 40;
        static int zero[100];
        int run(void) {
            put(words[0], 5);
            put(words[1], 7);
            if (maybe) return maybe();
            zero[3] = 2;
            return counter + zero[3];
        }"#,
    );
    bench.link(&["start.o", "main.o"]);
    assert_eq!(bench.run_both(), ("twin binary\n".to_owned(), Some(42)));
}

#[test]
fn functions_have_one_address_and_private_data_two() {
    let bench = Bench::new();
    bench.native("start.o", START);
    bench.native(
        "main.o",
        r#"
        #ifdef __aarch64__
        int only_here(void) { return 1; }
        int more[100] = {1};
        #endif
        int data = 2;
        int shared __attribute__((section(".twin.shared"))) = 3;
        int square(int x) { return x * x; }
        int run(void) { return square(data) + shared; }"#,
    );
    let bytes = bench.link(&["start.o", "main.o"]);
    assert_eq!(bench.run_both().1, Some(7));
    let image = Image::parse(&bytes).expect("twin binary");
    let (home, visitor) = (symbols(&bytes), symbols(image.aarch64));
    for name in ["_start", "put", "square", "run"] {
        assert_eq!(home[name], visitor[name], "{name}");
    }
    assert!(!home.contains_key("only_here") && visitor.contains_key("only_here"));
    // Where the other ISA has a function, this one traps.
    let file = object::File::parse(&*bytes).expect("home");
    let text = file.section_by_name(".text").expect("text");
    let at = (visitor["only_here"] - text.address()) as usize;
    assert_eq!(text.data().expect("code")[at..at + 8], [0xcc; 8]);
    let segments = &image.note.segments;
    assert!(segments.iter().all(|s| s.address % 4096 == 0 && s.size % 4096 == 0));
    assert!(segments.windows(2).all(|pair| pair[0].address + pair[0].size == pair[1].address));
    assert_eq!(image.aarch64_offset % 4096, 0);
    assert_eq!(image.note.entry, home["_start"]);
}

#[test]
fn uniform_data_of_native_objects_are_shared() {
    let bench = Bench::new();
    bench.native_with(
        "start.o",
        "int word __attribute__((section(\".twin.shared\"))) = 3; int other = 1; int *use = &other;
         void _start(void) { word = *use; }",
        &[],
        &[".twin.shared"],
    );
    let bytes = bench.link(&["start.o"]);
    let image = Image::parse(&bytes).expect("twin binary");
    let (home, visitor) = (symbols(&bytes), symbols(image.aarch64));
    assert_eq!(home["word"], visitor["word"]);
    let uniform = image.note.uniform.start..image.note.uniform.end;
    assert!(uniform.contains(&home["word"]) && !uniform.contains(&home["other"]));
}

#[test]
fn archives_give_what_either_isa_needs() {
    let bench = Bench::new();
    bench.native("start.o", START);
    bench.native(
        "main.o",
        "int both(void), here(void);\nint run(void) {\n#ifdef __aarch64__\nreturn both() + here();\n#else\nreturn both() + 5;\n#endif\n}",
    );
    bench.native("both.o", "int both(void) { return 10; }");
    bench.native("here.o", "#ifdef __aarch64__\nint here(void) { return 5; }\n#endif");
    bench.native("unused.o", "int undefined(void); int unused(void) { return undefined(); }");
    bench.native("again.o", "int both(void) { return 11; }");
    for flags in ["crs", "crS", "crsT"] {
        let name = format!("lib{flags}.a");
        bench.archive(&name, &["both.o", "here.o", "unused.o", "again.o"], flags);
        let library = format!("-l{flags}");
        bench.link(&["start.o", "-L.", &library, "main.o"]);
        assert_eq!(bench.run_both().1, Some(15), "{flags}");
    }
    std::fs::remove_file(bench.path("a.out")).expect("a.out");
    let message = bench.fail(&["start.o", "main.o", "--whole-archive", "libcrs.a"]);
    assert!(
        message.contains(
            "duplicate symbol: both\n>>> defined at both.o.c\n>>>            both.o:(both) in archive libcrs.a\n"
        ),
        "{message}"
    );
    assert!(bench.fail(&["start.o", "main.o", "-lcrs", "-L.", "-u", "unused"]).contains("undefined symbol: undefined"));
}

#[test]
fn symbols_can_be_wrapped_and_defined() {
    let bench = Bench::new();
    bench.native("start.o", START);
    bench.native("main.o", "int f(void); extern char value[]; int run(void) { return f() + (int)(long)value; }");
    bench.native("f.o", "int f(void) { return 1; }");
    bench.native("wrap.o", "int __real_f(void); int __wrap_f(void) { return __real_f() + 10; }");
    bench.link(&["start.o", "main.o", "f.o", "wrap.o", "--wrap=f", "--defsym=value=0x20", "--defsym=alias=run+0"]);
    assert_eq!(bench.run_both().1, Some(43));
}

#[test]
fn garbage_is_collected() {
    let bench = Bench::new();
    bench.native("start.o", START);
    bench.native(
        "main.o",
        r#"
        int missing(void);
        int unused(void) { return missing(); }
        static int *kept = &(int){3};
        __attribute__((section("hooks"), used)) static int hook = 4;
        extern int __start_hooks[], __stop_hooks[];
        int run(void) { return *kept + __start_hooks[0] + (int)(__stop_hooks - __start_hooks); }"#,
    );
    let bytes = bench.link(&["start.o", "main.o", "--gc-sections"]);
    assert_eq!(bench.run_both().1, Some(8));
    assert!(!symbols(&bytes).contains_key("unused"));
}

#[test]
fn unwinding_tables_are_complete() {
    let bench = Bench::new();
    let tables = ["-fasynchronous-unwind-tables"];
    bench.native_with("start.o", START, &tables, &[]);
    let source = "int f(int x) { return x; } int unused(void) { return f(3); } int run(void) { return f(0); }";
    bench.native_with("main.o", source, &tables, &[]);
    let bytes = bench.link(&["start.o", "main.o", "--gc-sections"]);
    let image = Image::parse(&bytes).expect("twin binary");
    for image in [&bytes, image.aarch64] {
        let file = object::File::parse(image).expect("image");
        let header = file.section_by_name(".eh_frame_hdr").expect("header");
        let data = header.data().expect("data");
        let word = |at: usize| i32::from_le_bytes(data[at..at + 4].try_into().expect("word"));
        assert_eq!(data[..4], [1, 0x1b, 0x03, 0x3b]);
        let eh_frame = file.section_by_name(".eh_frame").expect("frames");
        assert_eq!(header.address() as i64 + 4 + i64::from(word(4)), eh_frame.address() as i64);
        let addresses: Vec<u64> =
            (0..word(8) as usize).map(|i| header.address().wrapping_add_signed(word(12 + 8 * i).into())).collect();
        assert!(addresses.is_sorted());
        let by_name = symbols(image);
        assert!(addresses.contains(&by_name["run"]) && addresses.contains(&by_name["_start"]));
        assert!(!by_name.contains_key("unused"));
    }
}

#[test]
fn binutils_find_nothing_to_complain_about() {
    let bench = Bench::new();
    bench.native_with("start.o", START, &["-g"], &[]);
    bench.native_with("main.o", "static int f(int x) { return x + 1; } int run(void) { return f(1); }", &["-g"], &[]);
    bench.link(&["start.o", "main.o", "-Map=map", "--dependency-file=deps"]);
    bench.run_both();
    assert!(std::fs::read_to_string(bench.path("map")).expect("map").contains("main.o:(.text.run)"));
    assert!(
        std::fs::read_to_string(bench.path("deps")).expect("rule").starts_with("a.out: \\\n  start.o \\\n  main.o\n")
    );
    for (tool, file) in [("readelf", "a.out"), ("aarch64-linux-gnu-readelf", "a.out.aarch64")] {
        let arguments = ["-aW", "--debug-dump=info,line,frames,loc,Ranges"];
        let output = std::process::Command::new(tool).args(arguments).arg(bench.path(file)).output().expect("readelf");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{tool}");
        assert!(text.contains("DW_AT_name") && text.contains("main.o.c") && !text.contains("Warning"), "{text}");
    }
}

#[test]
fn options_strip_and_name_the_build() {
    let bench = Bench::new();
    bench.native_with(
        "start.o",
        "static int f(void) { return 1; } int (*p)(void) = f; void _start(void) {}",
        &["-g"],
        &[],
    );
    let link = |options: &[&str]| bench.link(&[&["start.o"], options].concat());
    let plain = link(&[]);
    assert_eq!(plain, link(&[]), "the same input gives the same bytes");
    let sections = |bytes: &[u8]| -> Vec<String> {
        let file = object::File::parse(bytes).expect("image");
        file.sections().filter_map(|s| Some(s.name().ok()?.to_owned())).collect()
    };
    let has = |bytes: &[u8], name: &str| sections(bytes).iter().any(|s| s == name);
    assert!(has(&plain, ".debug_info") && has(&plain, ".symtab"));
    assert!(!has(&link(&["-S"]), ".debug_info") && has(&link(&["-S"]), ".symtab"));
    assert!(!has(&link(&["-s"]), ".debug_info") && !has(&link(&["-s"]), ".symtab"));
    assert!(symbols(&plain).contains_key("f") && !symbols(&link(&["-x"])).contains_key("f"));
    let id = |bytes: &[u8]| Image::parse(bytes).expect("twin binary").note.build_id;
    assert_eq!(id(&plain).expect("hash").len(), 40);
    assert_eq!(id(&link(&["--build-id=0x12ab"])).as_deref(), Some("12ab"));
    assert_eq!(id(&link(&["--build-id=none"])), None);
    let file = object::File::parse(&*plain).expect("home");
    let expected = id(&plain).expect("hash");
    let found: String = file.build_id().expect("note").expect("id").iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(found, expected);
}
