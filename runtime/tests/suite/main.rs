//! The test suite of the tools as a user has them: `target/release/{twin-cc,twin-ld,twin}` and the sysroot, which
//! `cargo build --release && ci/sysroot` make.
//!
//! - [`programs`]: every C file in `examples/`, `examples/bench/`, `examples/nas/` and `runtime/tests/programs/` is a
//!   set of tests, told what to do by directives in its own source ([`directives`]).
//! - [`processors`]: options that choose them.
//! - [`errors`]: bad input.
//! - [`truncation`]: files that end too early.
//! - [`unsupported`]: what the README says about it.
//! - [`hops`]: what must hold at and around a hop.
//! - [`binaries`]: what must hold for the files that are made.
//! - [`builds`]: caches, distributed compiling, CMake, pkg-config and others that call the compiler.
//! - [`reproduction`]: bundles for reports.
//! - [`lto`]: several modules with `-flto`.
//! - [`relocatable`]: objects that `-r` has merged.
//! - [`verification`]: `twin-cc --verify`; all other tests use it too, for whatever they link.
//! - [`bzip2`]: a real program on 12 MB.
//! - [`tcc`]: the test programs of another compiler.
//! - [`random`]: programs that csmith makes.

mod binaries;
mod builds;
mod bzip2;
mod directives;
mod errors;
mod hops;
mod lto;
mod processors;
mod programs;
mod random;
mod relocatable;
mod reproduction;
mod tcc;
mod tools;
mod truncation;
mod unsupported;
mod verification;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("suite: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> Result<Vec<Trial>> {
    for (file, made_by) in
        [("release/twin-cc", "cargo build --release"), ("twin/key", "ci/sysroot"), ("sources/tcc", "ci/setup")]
    {
        let path = tools::root().join("target").join(file);
        ensure!(path.exists(), "{} is missing; run {made_by}", path.display());
    }
    let mut trials = programs::trials()?;
    trials.extend(processors::trials());
    trials.extend(errors::trials());
    trials.extend(truncation::trials());
    trials.extend(unsupported::trials());
    trials.extend(hops::trials());
    trials.extend(binaries::trials());
    trials.extend(builds::trials());
    trials.extend(reproduction::trials());
    trials.extend(lto::trials());
    trials.extend(relocatable::trials());
    trials.extend(verification::trials());
    trials.extend(bzip2::trials());
    trials.extend(tcc::trials()?);
    trials.extend(random::trials());
    Ok(trials)
}

/// The name of a test and the test.
type Test = (&'static str, fn() -> Result<()>);

/// A test with the name `name`.
fn trial(name: impl Into<String>, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| Failed::from(format!("{error:#}"))))
}

/// A trial that is not run; `reason` says why.
fn ignored(name: String, reason: &str) -> Trial {
    trial(name, || Ok(())).with_kind(reason).with_ignored_flag(true)
}

/// Tests that are functions, named after their group.
fn group(name: &str, tests: &[Test]) -> Vec<Trial> {
    tests.iter().map(|&(test, run)| trial(format!("{name}::{test}"), run)).collect()
}
