//! Programs of objects that `-r` has merged.

use crate::lto::Modules;
use crate::{Test, group};
use anyhow::Result;
use libtest_mimic::Trial;

/// All trials.
pub fn trials() -> Vec<Trial> {
    let tests: &[Test] = &[("same_names", same_names), ("without_optimisation", without_optimisation)];
    group("relocatable", tests)
}

const MAIN: (&str, &str) = (
    "main.c",
    r#"
    #include <stdio.h>
    #include <stdlib.h>
    int other(int), choose(int);
    extern _Thread_local int shared;
    static _Thread_local int mine = 1;
    static int counter;
    static int compare(const void *a, const void *b) { counter++; return *(const int *)a - *(const int *)b; }
    static void __attribute__((constructor)) begin(void) { printf("begin %d\n", counter++); }
    int main(void) {
        int data[] = {5, 3, 9, 1};
        qsort(data, 4, sizeof *data, compare);
        mine += data[3];
        shared += other(data[1]);
        for (int i = 0; i < 6; i++) printf("%d ", choose(i));
        printf("\n%d %d %d %s\n", mine, shared, counter > 3, "text");
    }"#,
);

const OTHER: (&str, &str) = (
    "other.c",
    r#"
    #include <stdio.h>
    _Thread_local int shared = 40;
    static _Thread_local int mine = 2;
    static int counter = 10;
    static int __attribute__((noinline)) compare(int x) { return x * counter++; }
    static void __attribute__((constructor)) begin(void) { printf("other begin %d\n", counter); }
    int other(int x) { mine += compare(x); printf("other %d\n", mine); return mine; }"#,
);

/// The table of its jump is private, and has the name of the other object's datum.
const CHOOSE: (&str, &str) = (
    "choose.c",
    r#"
    #include <stdio.h>
    int choose(int x) {
        switch (x) {
        case 0: return putchar('a');
        case 1: return printf("bc");
        case 2: return puts("d");
        case 3: return fputs("ef", stdout) < 0;
        case 4: return getchar();
        default: return x;
        }
    }"#,
);

const DATUM: (&str, &str) = (
    "datum.c",
    "static const volatile int choose[] = {1, 2, 3};\n\
     static const volatile int other[] = {4, 5};\n\
     extern _Thread_local int shared;\n\
     int datum(int x) { return choose[x] + other[0] + shared; }\n",
);

const EXPECTED: &str = "begin 0\nother begin 10\nother 32\na97 bc2 d\n0 ef0 -1 5 \n10 72 1 text\n";

fn merged(options: &str) -> Result<()> {
    let modules = Modules::new(&[MAIN, OTHER, CHOOSE, DATUM])?;
    modules.cc(&format!("{options} -c main.c other.c choose.c datum.c"))?;
    modules.cc(&format!("{options} -r other.o datum.o -o pair.o"))?;
    modules.cc(&format!("{options} -nostdlib -Wl,-r choose.o pair.o -o three.o"))?;
    for objects in ["main.o three.o", "three.o main.o -Wl,--gc-sections", "main.o pair.o choose.o"] {
        modules.cc(&format!("{options} {objects} -o a"))?;
        let begins_with_other = objects.starts_with("three");
        let expected = match begins_with_other {
            true => EXPECTED.replace("begin 0\nother begin 10\n", "other begin 10\nbegin 0\n"),
            false => EXPECTED.to_owned(),
        };
        modules.prints("a", &expected)?;
    }
    Ok(())
}

fn same_names() -> Result<()> {
    merged("-O2")?;
    merged("-O2 -flto")
}

fn without_optimisation() -> Result<()> {
    merged("-O0 -g")
}
