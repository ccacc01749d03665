//! The options that users of ld know, side by side with ld.lld on the home halves of the same objects.

mod common;
use common::{Bench, START};
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol, elf};
use std::collections::BTreeSet;
use std::process::{Command, Output};

/// Ends the name of the home half of an object that [`Bench::native`] makes.
const HOME: &str = ".x86_64-unknown-linux-musl.o";

/// Links `arguments` with ld.lld to `lld.out`; names of objects and archives mean their home halves.
fn lld(bench: &Bench, arguments: &[&str]) -> Output {
    let arguments = arguments.iter().map(|argument| match argument.strip_suffix(".a") {
        Some(name) => format!("{name}.home.a"),
        None if argument.ends_with(".o") => format!("{argument}{HOME}"),
        None => (*argument).to_owned(),
    });
    let mut command = Command::new("ld.lld-22");
    command.args(["-static", "-o", "lld.out"]).args(arguments).current_dir(bench.path(""));
    command.output().expect("ld.lld-22 runs")
}

/// What ld.lld says, as if it were about twin-ld's objects.
fn translated(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("ld.lld-22:", "twin-ld:").replace("ld.lld:", "twin-ld:");
    text.replace(HOME, "").replace(".home.a", ".a")
}

/// Makes an archive of fat objects and one of their home halves.
fn archive(bench: &Bench, name: &str, members: &[&str]) {
    bench.archive(name, members, "crs");
    let halves: Vec<String> = members.iter().map(|member| format!("{member}{HOME}")).collect();
    let halves: Vec<&str> = halves.iter().map(String::as_str).collect();
    bench.archive(&name.replace(".a", ".home.a"), &halves, "crs");
}

fn functions(bytes: &[u8]) -> BTreeSet<String> {
    let file = object::File::parse(bytes).expect("image");
    let functions = file.symbols().filter(|s| s.kind() == object::SymbolKind::Text && s.is_definition());
    functions.map(|s| s.name().expect("name").to_owned()).collect()
}

/// Objects and archives that need one another in every way.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.native("start.o", START);
    bench.native(
        "main.o",
        r#"
        int f(void);
        extern char value[] __attribute__((weak));
        int unused(void) { return 1; }
        __attribute__((section("hooks"), used, retain)) static int hook = 4;
        extern int __start_hooks[], __stop_hooks[];
        int run(void) { return f() + (int)(long)value + __start_hooks[0] + (int)(__stop_hooks - __start_hooks); }"#,
    );
    bench.native("f.o", "int g(void); int f(void) { return g(); } int unused_f(void) { return g(); }");
    bench.native("g.o", "int h(void); int g(void) { return h() + 1; }");
    bench.native("h.o", "int h(void) { return 2; } int back(void); int unused_h(void) { return back(); }");
    bench.native("back.o", "int back(void) { return 3; }");
    bench.native("wrap.o", "int __real_g(void); int __wrap_g(void) { return __real_g() + 10; }");
    bench.native("extra.o", "int extra(void) { return 9; }");
    archive(&bench, "one.a", &["f.o", "h.o", "extra.o"]);
    archive(&bench, "two.a", &["g.o", "back.o"]);
    bench
}

#[test]
fn programs_come_out_alike() {
    let bench = bench();
    let objects = ["start.o", "main.o"];
    let group = ["--start-group", "one.a", "two.a", "--end-group"];
    let cases: [&[&str]; 16] = [
        &[],
        &["--gc-sections"],
        &["--gc-sections", "-u", "extra"],
        &["--gc-sections", "--undefined=unused"],
        &["-u", "nowhere"],
        &["--defsym=value=0x20"],
        &["--defsym", "value=7", "--defsym=other=run+4"],
        &["--wrap=g", "wrap.o"],
        &["--wrap", "g", "wrap.o", "--gc-sections"],
        &["--push-state", "--whole-archive", "--pop-state"],
        &["--allow-multiple-definition", "f.o", "-u", "extra"],
        &["-z", "muldefs", "-z", "now", "-zrelro", "-z", "max-page-size=4096"],
        &["--strip-debug", "--eh-frame-hdr", "--hash-style=gnu", "-O2", "--as-needed"],
        &["--no-gc-sections", "--gc-sections", "--no-gc-sections"],
        &["--start-lib", "extra.o", "back.o", "--end-lib", "-u", "extra"],
        &["--allow-shlib-undefined", "--Bno-symbolic", "--no-undefined", "-z", "defs", "--no-mmap-output-file"],
    ];
    for case in cases {
        let arguments = [&objects[..], case, &group].concat();
        let theirs = lld(&bench, &arguments);
        assert!(theirs.status.success(), "{case:?}: {}", translated(&theirs.stderr));
        let ours = bench.link(&arguments);
        let program = bench.path("lld.out");
        assert_eq!(bench.run(program.to_str().expect("UTF-8"), &[]), bench.run_both(), "{case:?}");
        assert_eq!(functions(&std::fs::read(program).expect("lld.out")), functions(&ours), "{case:?}");
    }
    // Without a group, GNU ld would miss what is behind; lld and twin-ld do not. All members, wanted or not:
    let arguments = ["start.o", "--whole-archive", "one.a", "--no-whole-archive", "two.a", "main.o"];
    assert!(lld(&bench, &arguments).status.success());
    let ours = bench.link(&arguments);
    assert!(functions(&ours).contains("extra"));
    assert_eq!(functions(&std::fs::read(bench.path("lld.out")).expect("lld.out")), functions(&ours));
}

#[test]
fn reports_are_alike() {
    let bench = bench();
    let cases: [&[&str]; 5] = [
        &["--trace"],
        &["-t"],
        &["-y", "g", "--trace-symbol=run"],
        &["--gc-sections", "--print-gc-sections"],
        &["--cref", "extra.o", "--allow-multiple-definition", "g.o"],
    ];
    for options in cases {
        let arguments = [&["start.o", "main.o", "f.o", "g.o", "h.o", "back.o"], options].concat();
        // lld names the sections without content, too.
        let lines = |text: String| {
            text.lines().filter(|line| !line.ends_with("(.text)")).map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let theirs = lines(translated(&lld(&bench, &arguments).stdout));
        let ours = bench.ld(&arguments);
        assert!(!theirs.is_empty(), "{options:?}");
        assert_eq!(lines(String::from_utf8_lossy(&ours.stdout).into_owned()), theirs, "{options:?}");
    }
}

#[test]
fn maps_have_the_same_columns() {
    let bench = bench();
    let arguments = ["start.o", "main.o", "f.o", "g.o", "h.o", "back.o"];
    assert!(lld(&bench, &[&arguments[..], &["-Map=lld.map"]].concat()).status.success());
    bench.link(&[&arguments[..], &["-Map", "twin.map"]].concat());
    let read = |name: &str| translated(&std::fs::read(bench.path(name)).expect("map"));
    let (theirs, ours) = (read("lld.map"), read("twin.map"));
    assert_eq!(theirs.lines().next(), ours.lines().next());
    // Functions and their sections, with the alignment; addresses and sizes are twin-ld's own.
    let code = |text: &str| -> BTreeSet<String> {
        let is_code = |line: &&str| line.contains(".text.") || line.get(57..).is_some_and(|name| name.trim() == "run");
        text.lines().filter(is_code).filter_map(|line| line.get(42..)).map(str::to_owned).collect()
    };
    assert!(code(&theirs).iter().any(|line| line.contains("main.o:(.text.run)")));
    assert_eq!(code(&theirs), code(&ours));
    let printed = bench.ld(&[&arguments[..], &["-Map=-"]].concat());
    assert_eq!(String::from_utf8_lossy(&printed.stdout), read("twin.map"));
    assert_eq!(bench.ld(&[&arguments[..], &["-M"]].concat()).stdout, printed.stdout);
}

#[test]
fn notes_and_stacks_are_alike() {
    let bench = Bench::new();
    bench.native("start.o", "void _start(void) {}");
    let facts = |bytes: &[u8]| {
        let file = ElfFile64::<Endianness>::parse(bytes).expect("image");
        let id = file.build_id().expect("note").map(|id| id.len());
        let headers = file.elf_program_headers().iter();
        let stack = headers.filter(|h| h.p_type(Endianness::Little) == elf::PT_GNU_STACK);
        (id, stack.map(|h| (h.p_memsz(Endianness::Little), h.p_flags(Endianness::Little))).collect::<Vec<_>>())
    };
    let cases = [
        "--build-id",
        "--build-id=sha1",
        "--build-id=md5",
        "--build-id=fast",
        "--build-id=uuid",
        "--build-id=0xabcdef",
        "--build-id=none",
        "-zstack-size=0x40000",
    ];
    for option in cases {
        // lld makes no note by default.
        let arguments = ["start.o", "--build-id", option];
        assert!(lld(&bench, &arguments).status.success(), "{option}");
        let ours = bench.link(&arguments);
        assert_eq!(facts(&std::fs::read(bench.path("lld.out")).expect("lld.out")), facts(&ours), "{option}");
    }
}

#[test]
fn complaints_are_alike() {
    let bench = Bench::new();
    let source = "int foo(int), bar(int);\nextern int datum;\nint *pointer = &datum;\nint twice = 1;\n\
                  int first(int x) {\n  return foo(x) +\n    foo(x + 1);\n}\nvoid _start(void) { first(bar(1)); }\n\
                  int a(void) { return foo(1) - 1; }\nint b(void) { return foo(2) - 1; }\n";
    bench.native_with("debug.o", source, &["-g"], &[]);
    bench.native("plain.o", source);
    bench.native_with("again.o", "static int x;\nint twice = 2;\nint first(int y) { return x++; }\n", &["-g"], &[]);
    archive(&bench, "lib.a", &["debug.o"]);
    let messages = |text: String| {
        // lld separates messages by empty lines.
        let text = text.replace("\n\n", "\n");
        text.split("twin-ld: ").map(|message| message.trim().to_owned()).collect::<BTreeSet<_>>()
    };
    for arguments in [&["debug.o"][..], &["plain.o"], &["lib.a"]] {
        let theirs = messages(translated(&lld(&bench, arguments).stderr));
        assert_eq!(theirs.len(), 4, "{theirs:?}");
        assert_eq!(messages(bench.fail(arguments)), theirs);
    }
    // lld names the second place by section and offset.
    let places =
        |text: String| text.lines().filter(|line| !line.contains(".o:(")).map(str::to_owned).collect::<BTreeSet<_>>();
    let arguments = ["debug.o", "again.o"];
    let theirs = places(translated(&lld(&bench, &arguments).stderr).replace("\n\n", "\n"));
    let ours = bench.fail(&arguments);
    assert!(ours.contains(">>>            again.o:(first)\n"), "{ours}");
    assert_eq!(places(ours), theirs);
    assert!(theirs.iter().any(|line| line.contains("again.o.c:2 (/")), "{theirs:?}");
}

#[test]
fn unresolved_symbols_are_taken_alike() {
    let bench = Bench::new();
    bench.native("start.o", START);
    let source =
        "int missing(void); extern int datum;\nint run(void) { int *volatile p = &datum; return p ? missing() : 42; }";
    bench.native("main.o", source);
    let cases: [(&[&str], bool); 10] = [
        (&[], false),
        (&["--unresolved-symbols=ignore-all"], true),
        (&["--unresolved-symbols", "ignore-in-object-files"], true),
        (&["--unresolved-symbols=ignore-in-shared-libs"], false),
        (&["--unresolved-symbols=ignore-all", "--unresolved-symbols=report-all"], false),
        (&["-z", "undefs"], true),
        (&["-z", "undefs", "-z", "defs"], false),
        (&["--warn-unresolved-symbols"], true),
        (&["--warn-unresolved-symbols", "--error-unresolved-symbols"], false),
        (&["--warn-unresolved-symbols", "--fatal-warnings"], false),
    ];
    let messages = |output: &Output| {
        let text = translated(&output.stderr).replace("\n\n", "\n");
        let lines = text.lines().filter(|line| line.contains("undefined symbol") || line.contains("referenced"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for (options, links) in cases {
        let arguments = [&["start.o", "main.o"], options].concat();
        let (theirs, ours) = (lld(&bench, &arguments), bench.ld(&arguments));
        assert_eq!([theirs.status.success(), ours.status.success()], [links; 2], "{options:?}");
        assert_eq!(messages(&ours).iter().collect::<BTreeSet<_>>(), messages(&theirs).iter().collect(), "{options:?}");
        if links {
            assert_eq!(bench.run_both().1, Some(42), "{options:?}");
            std::fs::remove_file(bench.path("a.out")).expect("a.out");
        }
    }
    assert!(bench.ld(&["start.o", "main.o", "--warn-unresolved-symbols", "-w"]).stderr.is_empty());
    std::fs::remove_file(bench.path("a.out")).expect("a.out");
    let unknown = bench.fail(&["start.o", "--unresolved-symbols=some"]);
    assert_eq!(unknown, "twin-ld: error: unknown --unresolved-symbols value: some\n");
}

#[test]
fn unknown_words_are_warned_about() {
    let bench = Bench::new();
    bench.native("start.o", "void _start(void) {}");
    for word in ["frobnicate", "now=1"] {
        let theirs = lld(&bench, &["start.o", "-z", word]);
        let ours = bench.ld(&["start.o", "-z", word]);
        assert!(theirs.status.success() && ours.status.success(), "{word}");
        let warning = format!("twin-ld: warning: unknown -z value: {word}\n");
        assert_eq!(translated(&theirs.stderr), warning);
        assert_eq!(String::from_utf8_lossy(&ours.stderr), warning);
        assert!(bench.ld(&["start.o", "-w", "-z", word]).stderr.is_empty());
    }
    std::fs::remove_file(bench.path("a.out")).expect("a.out");
    let fatal = bench.fail(&["start.o", "--fatal-warnings", "-z", "frobnicate"]);
    assert!(fatal.ends_with("twin-ld: error: warnings are errors (--fatal-warnings)\n"), "{fatal}");
    assert!(bench.fail(&["start.o", "-z", "execstack"]).contains("-z execstack is not supported"));
    assert!(bench.fail(&["start.o", "--defsym=a=_start*2"]).contains("`_start*2` is not a symbol or number"));
    let required = bench.fail(&["start.o", "--require-defined=nowhere"]);
    assert_eq!(required, "twin-ld: error: undefined symbol: nowhere\n>>> referenced by --require-defined\n");
    bench.link(&["start.o", "--require-defined=_start", "--require-defined=_end"]);
}

#[test]
fn versions_name_gnu() {
    for option in ["--version", "-v", "-V"] {
        for linker in ["ld.lld-22", env!("CARGO_BIN_EXE_twin-ld")] {
            let output = Command::new(linker).arg(option).output().expect("linker runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let named = text.contains("compatible with GNU linkers");
            assert!(output.status.success() && named, "{linker} {option}: {text}");
        }
    }
}
