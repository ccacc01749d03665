//! Links native fat objects made by clang and runs both images.

mod common;
use common::{Bench, START};

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
