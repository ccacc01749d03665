//! What the checks find, and how it is shown.

use crate::side::Pair;
use serde::Serialize;
use std::fmt;

/// What kind of property is violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// ELF headers and segments.
    Segment,
    /// Address or size of a function or datum.
    Symbol,
    /// Bytes of uniform data.
    Data,
    /// Thread-local storage.
    Tls,
    /// Code that cannot be followed.
    Code,
    /// Return addresses of uniform calls.
    CallSite,
    /// Distance from CFA to SP, saved frame pointer, return address.
    Frame,
    /// Call-frame information that contradicts the code.
    Cfi,
    /// A register that is read after a uniform call before it is written.
    Register,
    /// A poll that would not stop, or not go on where it should.
    Poll,
    /// A stack slot that is not the same on both ISAs.
    Slot,
}

/// A violated property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// What kind of property.
    pub kind: Kind,
    /// Function, datum or segment.
    pub subject: String,
    /// Address, if there is one for both.
    pub address: Option<u64>,
    /// What is wrong, in one line.
    pub message: String,
    /// The value on each ISA, home first, if there are values to compare.
    #[serde(serialize_with = "as_list")]
    pub values: Option<Pair<String>>,
}

fn as_list<S: serde::Serializer>(values: &Option<Pair<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    values.as_ref().map(|v| [&v.home, &v.visitor]).serialize(serializer)
}

impl Violation {
    /// A violation without values.
    pub fn new(
        kind: Kind,
        subject: impl Into<String>,
        address: impl Into<Option<u64>>,
        message: impl Into<String>,
    ) -> Self {
        Violation { kind, subject: subject.into(), address: address.into(), message: message.into(), values: None }
    }

    /// Adds the values on both ISAs.
    #[must_use]
    pub fn with_values<T: fmt::Display>(mut self, values: Pair<T>) -> Self {
        self.values = Some(values.map(|v| v.to_string()));
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.subject)?;
        if let Some(address) = self.address {
            write!(f, " at {address:#x}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(values) = &self.values {
            write!(f, ": {} on x86-64, {} on aarch64", values.home, values.visitor)?;
        }
        Ok(())
    }
}

/// What has been compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Uniform functions.
    pub functions: u64,
    /// Functions of native objects, which are not compared.
    pub native_functions: u64,
    /// Named uniform data.
    pub data: u64,
    /// Uniform call sites.
    pub call_sites: u64,
    /// Frames of functions with uniform call sites.
    pub frames: u64,
    /// Frames whose call-frame information has been compared, on both ISAs.
    pub described_frames: u64,
    /// Frame slots that live across a uniform call.
    pub slots: u64,
    /// Values in such slots that are known to be the same on both ISAs.
    pub known_values: u64,
    /// Bytes of uniform data.
    pub bytes: u64,
    /// Bytes of private data of the larger image.
    pub private_bytes: u64,
}

/// A region that the ISAs need not agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrivateRegion {
    /// Section or object.
    pub name: String,
    /// Its size on each ISA, home first.
    pub sizes: [u64; 2],
    /// Why it is private.
    pub reason: String,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is violated.
    pub uniform: bool,
    /// What has been compared.
    #[serde(flatten)]
    pub counts: Counts,
    /// What need not agree.
    pub private: Vec<PrivateRegion>,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

impl Report {
    /// One line for people.
    pub fn summary(&self) -> String {
        let c = &self.counts;
        format!(
            "{}: {} functions, {} data, {} call sites, {} frames, {} slots, {} bytes compared, {} bytes private",
            if self.uniform { "uniform" } else { "not uniform" },
            c.functions,
            c.data,
            c.call_sites,
            c.frames,
            c.slots,
            c.bytes,
            c.private_bytes,
        )
    }
}
