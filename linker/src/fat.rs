//! The fat object: an x86-64 ELF relocatable object that carries its aarch64 counterpart.

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Name of the section that holds the aarch64 object.
pub const AARCH64_SECTION: &str = ".twin.aarch64";
/// Name of the section that holds the layout [`Record`] as JSON.
pub const LAYOUT_SECTION: &str = ".twin.layout";

/// How the two objects of a fat object relate (DESIGN.md 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Made by twin-cc from one IR module.
    Uniform,
    /// Two independently compiled objects.
    Native,
}

/// What the linker must know beyond the two ELF objects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Format version: [`Record::VERSION`].
    pub version: u32,
    /// Producer of the object.
    pub kind: Kind,
    /// Names of the sections with one layout on both ISAs.
    #[serde(default)]
    pub uniform: Vec<String>,
    /// Functions defined here with the native convention.
    #[serde(default)]
    pub native_symbols: Vec<String>,
    /// Functions defined here with the uniform convention.
    #[serde(default)]
    pub uniform_symbols: Vec<String>,
    /// Undefined functions called with the native convention.
    #[serde(default)]
    pub native_refs: Vec<String>,
    /// Undefined functions called (or address taken) with the uniform convention.
    #[serde(default)]
    pub uniform_refs: Vec<String>,
}

impl Record {
    /// The version this build reads and writes.
    pub const VERSION: u32 = 1;
}

/// Appends the aarch64 object and the record to the x86-64 object.
pub fn pack(x86_64: &[u8], aarch64: &[u8], record: &Record) -> Result<Vec<u8>> {
    let _ = (x86_64, aarch64, record);
    anyhow::bail!("not written yet")
}
