//! Finds clang and the sysroot, without environment variables and from any directory.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Major version of LLVM that this build links.
const LLVM: u32 = 22;

/// Macros by which portable sources choose code for one ISA.
const UNDEFINED: &str = include_str!("../../undefined-macros.txt");

/// The macros that sources do not see.
pub fn undefined() -> impl Iterator<Item = &'static str> {
    UNDEFINED.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
}

/// Flags that make clang's output canonical (DESIGN.md). Order matters: the user's flags come later.
const CANONICAL: [&str; 10] = [
    "--target=x86_64-linux-musl",
    "-static",
    "-nostdlib",
    "-nostdlibinc",
    "-mlong-double-128",
    "-ffp-contract=off",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fno-pic",
    "-no-pie",
];

/// Where everything is.
pub struct Tools {
    /// The C compiler whose front end is used.
    pub clang: PathBuf,
    /// The linker.
    pub linker: PathBuf,
    /// `twin`, whose `verify` checks executables.
    pub checker: PathBuf,
    /// Directory with `include` and `lib`.
    pub sysroot: PathBuf,
}

impl Tools {
    /// Looks for all tools.
    ///
    /// # Errors
    /// Names what is missing and how to install it.
    pub fn find() -> Result<Tools> {
        let own = std::env::current_exe().and_then(|p| p.canonicalize()).context("cannot find my own executable")?;
        let directory = own.parent().unwrap_or(Path::new("/"));
        Ok(Tools {
            clang: find_clang()?,
            linker: directory.join("twin-ld"),
            checker: directory.join("twin"),
            sysroot: directory.join("../twin"),
        })
    }

    /// Flags that come before the user's.
    pub fn canonical_flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = vec!["--start-no-unused-arguments".into()];
        flags.extend(CANONICAL.iter().map(Into::into));
        flags.extend(undefined().map(|name| format!("-U{name}").into()));
        flags.push("-D__twin__=1".into());
        // Keeps clang from offering the host's libraries.
        let mut sysroot = OsString::from("--sysroot=");
        sysroot.push(&self.sysroot);
        flags.push(sysroot);
        flags.push("-isystem".into());
        flags.push(self.sysroot.join("include").into());
        flags.push("--end-no-unused-arguments".into());
        flags
    }
}

fn find_clang() -> Result<PathBuf> {
    let name = format!("clang-{LLVM}");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).map(|d| d.join(&name)).collect();
    places.push(format!("/usr/bin/{name}").into());
    places.push(format!("/usr/lib/llvm-{LLVM}/bin/clang").into());
    match places.into_iter().find(|p| p.is_file()) {
        Some(found) => Ok(found),
        None => bail!("{name} is not installed; run `apt-get install {name}` (or the project's ci/setup)"),
    }
}
