//! Objects that `-r` merges link as they would by themselves.

mod common;
use common::{Bench, START, record};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use twin_linker::fat::{self, Kind};

/// Names of everything that a file defines.
fn defined(bytes: &[u8]) -> BTreeSet<String> {
    let file = object::File::parse(bytes).expect("ELF");
    let named = file.symbols().filter(|s| s.is_definition() && matches!(s.kind(), object::SymbolKind::Text));
    named.map(|s| s.name().expect("name").to_owned()).collect()
}

/// Two objects that use the same names for different things, and share some.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.native("start.o", START);
    let options = ["-g", "-fcommon"];
    bench.native_with(
        "a.o",
        r#"
        int shared[4], both_weak __attribute__((weak)) = 1;
        static volatile int state = 3;
        static __attribute__((noinline)) int helper(int x) { return x + state; }
        __attribute__((section("hooks"), used, retain)) static int hook = 100;
        extern int __start_hooks[], __stop_hooks[];
        int b(int), unused(void);
        int run(void) {
            int sum = 0;
            for (int *hook = __start_hooks; hook < __stop_hooks; hook++) sum += *hook;
            shared[3] = 7;
            return helper(b(1)) + both_weak + sum / 4;
        }
        int dead_a(void) { return unused(); }"#,
        &options,
        &[],
    );
    bench.native_with(
        "b.o",
        r#"
        int shared[8], both_weak = 2;
        static volatile int state = 30;
        static __attribute__((noinline)) int helper(int x) { return x * state; }
        static __attribute__((section("hooks"), used, retain)) int hook = 4;
        int missing(void) __attribute__((weak));
        int b(int x) { return helper(x) + shared[3] + (missing ? missing() : 0); }
        int unused(void) { return helper(2); }"#,
        &options,
        &[],
    );
    bench
}

#[test]
fn merged_objects_link_like_their_parts() {
    let bench = bench();
    let apart = defined(&bench.link(&["start.o", "a.o", "b.o"]));
    let expected = bench.run_both();
    assert_eq!(expected.1, Some(3 + 30 + 7 + 2 + 26));
    assert!(bench.ld(&["-r", "a.o", "b.o", "-o", "ab.o"]).status.success());
    let mode = bench.path("ab.o").metadata().expect("ab.o").permissions().mode();
    assert_eq!(mode & 0o111, 0, "an object is no program");
    for objects in [&["start.o", "ab.o"][..], &["ab.o", "start.o"]] {
        assert_eq!(defined(&bench.link(objects)), apart);
        assert_eq!(bench.run_both(), expected);
    }
    // Once more with the start code, which makes a program of one object.
    assert!(bench.ld(&["--relocatable", "start.o", "ab.o", "-o", "all.o"]).status.success());
    assert_eq!(defined(&bench.link(&["all.o"])), apart);
    assert_eq!(bench.run_both(), expected);
    // Functions are still apart.
    let live = defined(&bench.link(&["all.o", "--gc-sections"]));
    assert!(live.contains("b") && !live.contains("unused") && !live.contains("dead_a"), "{live:?}");
    assert_eq!(bench.run_both(), expected);
}

#[test]
fn other_tools_can_read_merged_objects() {
    let bench = bench();
    assert!(bench.ld(&["-r", "a.o", "b.o", "-o", "ab.o"]).status.success());
    let bytes = std::fs::read(bench.path("ab.o")).expect("ab.o");
    let fat = fat::unpack(&bytes).expect("well-formed").expect("a fat object");
    for half in [&bytes[..], fat.aarch64] {
        let file = object::File::parse(half).expect("ELF");
        assert_eq!(file.kind(), object::ObjectKind::Relocatable);
        let of_name = |name: &str| file.sections().filter(|s| s.name() == Ok(name)).count();
        assert_eq!([of_name(".debug_info"), of_name(".text.helper"), of_name(".note.GNU-stack")], [1, 2, 1]);
        assert_eq!(file.symbols().filter(|s| s.name() == Ok("b")).count(), 1);
    }
    // The host's own linker takes the home half for what it is.
    bench.write("half.o", &bytes);
    let (_, status) =
        bench.run("ld.lld-22", &[&bench.path("half.o"), "-r".as_ref(), "-o".as_ref(), &bench.path("h.o")]);
    assert_eq!(status, Some(0));
    let (symbols, status) = bench.run("nm", &[&bench.path("ab.o")]);
    assert!(status == Some(0) && symbols.contains(" T run\n"), "{status:?}: {symbols}");
}

#[test]
fn messages_name_lines_of_merged_objects() {
    let bench = Bench::new();
    bench.native_with("a.o", "int first(void);\nint a(void) {\n  return first() + 1;\n}\n", &["-g"], &[]);
    bench.native_with("b.o", "int second(void);\n\nvoid _start(void) {\n\n  second();\n}\n", &["-g"], &[]);
    assert!(bench.ld(&["-r", "a.o", "b.o", "-o", "ab.o"]).status.success());
    let message = bench.fail(&["ab.o"]);
    for place in [
        "undefined symbol: first\n>>> referenced by a.o.c:3 (",
        "undefined symbol: second\n>>> referenced by b.o.c:5 (",
    ] {
        assert!(message.contains(place), "{message}");
    }
    assert!(bench.ld(&["-r", "-S", "a.o", "b.o", "-o", "ab.o"]).status.success());
    assert!(bench.fail(&["ab.o"]).contains("undefined symbol: first\n>>> referenced by ab.o:(a)"));
}

#[test]
fn archives_and_wrapping_work_as_ever() {
    let bench = bench();
    bench.native("wrap.o", "int __real_b(int); int __wrap_b(int x) { return __real_b(x) + 1; }");
    bench.native("other.o", "int other(void) { return 1; }");
    bench.archive("lib.a", &["b.o", "other.o", "wrap.o"], "crs");
    assert!(bench.ld(&["-r", "a.o", "lib.a", "-o", "ab.o"]).status.success());
    assert!(!defined(&std::fs::read(bench.path("ab.o")).expect("ab.o")).contains("other"));
    assert!(bench.ld(&["-r", "--wrap=b", "a.o", "lib.a", "-o", "wrapped.o"]).status.success());
    bench.link(&["start.o", "ab.o"]);
    let (_, plain) = bench.run_both();
    bench.link(&["start.o", "wrapped.o"]);
    assert_eq!(bench.run_both().1, plain.map(|status| status + 1));
}

/// A section has one nature under each name, whatever the objects call theirs.
#[test]
fn private_data_stays_private() {
    let bench = Bench::new();
    bench.native("start.o", START);
    #[rustfmt::skip]
    let private = "int uniform_word(void);\n#ifdef __x86_64__\nstatic volatile int word = 1;\n#else\nstatic volatile int word = 2;\n#endif\n\
                   int run(void) { return (word == 1 || word == 2) + uniform_word(); }";
    bench.native("private.o", private);
    let uniform = "static volatile int word = 5; int uniform_word(void) { return word; }";
    bench.native_with("uniform.o", uniform, &[], &[".data.word"]);
    assert!(bench.ld(&["-r", "private.o", "uniform.o", "-o", "both.o"]).status.success());
    bench.link(&["start.o", "both.o"]);
    assert_eq!(bench.run_both().1, Some(6));
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let bench = Bench::new();
    bench.native("start.o", "void _start(void) {}");
    bench.native("empty.o", "");
    let fat = |name: &str, change: &dyn Fn(&mut fat::Record)| {
        let halves = ["x86_64", "aarch64"]
            .map(|isa| std::fs::read(bench.path(&format!("empty.o.{isa}-unknown-linux-musl.o"))).expect("half"));
        let mut record = record(Kind::Uniform, &[]);
        change(&mut record);
        bench.write(name, &fat::pack(&halves[0], &halves[1], &record, None).expect("pack"));
    };
    fat("uniform.o", &|_| {});
    let kinds = bench.fail(&["-r", "start.o", "uniform.o"]);
    assert!(kinds.contains("start.o and uniform.o cannot be merged (-r)"), "{kinds}");
    // One of two calls is wrong, and nobody could tell which once they are one object.
    fat("fixed.o", &|record| record.uniform_refs.push("f".to_owned()));
    fat("variable.o", &|record| {
        record.uniform_refs.push("f".to_owned());
        record.variadic_refs.push("f".to_owned());
    });
    let prototypes = bench.fail(&["-r", "fixed.o", "variable.o"]);
    let expected = "f is declared with fixed arguments in fixed.o but with variable ones in variable.o";
    assert!(prototypes.contains(expected), "{prototypes}");
    for (options, name) in [
        (&["--gc-sections"][..], "--gc-sections"),
        (&["-s"], "--strip-all"),
        (&["-M"], "-Map"),
        (&["--defsym=a=1"], "--defsym"),
    ] {
        let message = bench.fail(&[&["-r", "start.o"], options].concat());
        assert_eq!(message, format!("twin-ld: error: -r and {name} may not be used together\n"));
    }
    let duplicate = bench.fail(&["-r", "start.o", "start.o"]);
    assert!(duplicate.contains("duplicate symbol: _start"), "{duplicate}");
}
