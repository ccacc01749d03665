//! Twin programs on disk: finding them, and taking the aarch64 image out of them.

use crate::error::ProgramError;
use crate::isa::Isa;
use crate::sys;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use twin_linker::image::Image;

/// Status of a program that is there but cannot be run.
const CANNOT_RUN: u8 = 126;
/// Status of a program that is not there.
const NOT_FOUND: u8 = 127;

/// An executable that twin-ld made.
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    bytes: Vec<u8>,
}

impl Program {
    /// Reads the executable at `path`.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or is not one of Twin's: a [`ProgramError`].
    pub fn open(path: &Path) -> Result<Program> {
        let fail = |status, why: &str| ProgramError { status, message: format!("{}: {why}", path.display()) };
        let bytes = std::fs::read(path).map_err(|e| {
            let status = if e.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
            fail(status, &reason(&e))
        })?;
        Program::new(path, bytes).map_err(|e| fail(CANNOT_RUN, &format!("{e:#}")).into())
    }

    /// The executable with these bytes.
    ///
    /// # Errors
    /// If it is not one of Twin's.
    pub fn new(path: &Path, bytes: Vec<u8>) -> Result<Program> {
        Image::parse(&bytes)?;
        Ok(Program { path: path.to_owned(), bytes })
    }

    /// Finds `name` as a shell does, and reads it.
    ///
    /// # Errors
    /// As [`Program::open`], and if it may not be executed.
    pub fn find(name: &OsStr) -> Result<Program> {
        let path = if name.as_bytes().contains(&b'/') { PathBuf::from(name) } else { search(name)? };
        let program = Program::open(&path)?;
        if !is_executable(&path) {
            let message = format!("{}: permission denied: it is not executable", path.display());
            return Err(ProgramError { status: CANNOT_RUN, message }.into());
        }
        Ok(program)
    }

    /// The executable's own note and the image inside it.
    pub fn image(&self) -> Image<'_> {
        Image::parse(&self.bytes).expect("parsed before")
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of the executable for `isa`: an ELF file.
    pub fn elf(&self, isa: Isa) -> &[u8] {
        match isa {
            Isa::X86_64 => &self.bytes,
            Isa::Aarch64 => self.image().aarch64,
        }
    }

    /// The aarch64 image as a file that can be executed.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn aarch64_file(&self) -> Result<File> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut file = sys::memory_file(&format!("twin:{name}")).context("cannot make a file in memory")?;
        file.write_all(self.image().aarch64).context("cannot write a file in memory")?;
        Ok(file)
    }
}

/// An I/O error without the number that Rust adds.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn is_executable(path: &Path) -> bool {
    const ANY_EXECUTE: u32 = 0o111;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & ANY_EXECUTE != 0)
}

fn search(name: &OsStr) -> Result<PathBuf, ProgramError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| is_executable(file)).ok_or_else(
        || {
            let message = format!("{}: no such program in $PATH", name.to_string_lossy());
            ProgramError { status: NOT_FOUND, message }
        },
    )
}

/// Finds the qemu that runs aarch64 programs: `__TWIN_QEMU`, /usr/bin, then $PATH.
///
/// # Errors
/// If it is not installed.
pub fn qemu() -> Result<PathBuf, ProgramError> {
    if let Some(path) = std::env::var_os("__TWIN_QEMU") {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(PathBuf::from("/usr/bin"))
        .chain(std::env::split_paths(&path))
        .flat_map(|directory| ["qemu-aarch64", "qemu-aarch64-static"].map(|name| directory.join(name)))
        .find(|file| is_executable(file))
        .ok_or_else(|| ProgramError {
            status: CANNOT_RUN,
            message: "qemu-aarch64 is not installed: apt-get install qemu-user".to_owned(),
        })
}
