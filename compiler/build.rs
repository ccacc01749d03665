//! Builds the C++ shim against the LLVM that llvm-sys links.
use std::process::Command;

fn main() {
    let config = std::env::var("DEP_LLVM_221_CONFIG_PATH").unwrap_or_else(|_| "llvm-config-22".into());
    let flags =
        Command::new(&config).arg("--cxxflags").output().unwrap_or_else(|e| panic!("{config}: {e}; run ci/setup"));
    let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
    println!("cargo::rerun-if-changed=shim");
    let mut build = cc::Build::new();
    build.cpp(true).warnings(false).flag("-Wall").opt_level(2);
    for flag in flags.split_whitespace() {
        build.flag(flag);
    }
    for file in [
        "shim",
        "analysis",
        "strength",
        "unreachable",
        "label",
        "poll",
        "rematerialise",
        "writeback",
        "shrink",
        "place",
        "record",
        "map",
        "order",
        "define",
        "pad",
        "row",
        "emit",
    ] {
        build.file(format!("shim/{file}.cpp"));
    }
    build.compile("twin_shim");
}
