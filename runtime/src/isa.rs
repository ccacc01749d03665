//! Names of ISAs and vehicles, on the command line and in hop requests.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An instruction set architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isa {
    /// The ISA of the executable itself.
    #[value(name = "x86_64", alias = "x86-64")]
    #[serde(rename = "x86_64")]
    X86_64,
    /// The ISA of the image inside it.
    #[value(name = "aarch64", alias = "arm64")]
    Aarch64,
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Isa::X86_64 => "x86_64",
            Isa::Aarch64 => "aarch64",
        })
    }
}

/// How a program gets to the other ISA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vehicle {
    /// A partner process shares the program's memory; hops take microseconds
    Pair,
    /// The process itself becomes the other image
    Exec,
}

impl Vehicle {
    /// As the runtime's environment has it.
    pub fn name(self) -> &'static str {
        match self {
            Vehicle::Pair => "pair",
            Vehicle::Exec => "exec",
        }
    }
}

impl fmt::Display for Vehicle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The value of the signal that asks a program for a hop: see runtime/rt/signals.c.
pub fn request_value(to: Option<Isa>, vehicle: Option<Vehicle>) -> u64 {
    const MAGIC: u64 = 0x5457_494e << 32;
    let isa = to.map_or(0, |isa| match isa {
        Isa::X86_64 => 1,
        Isa::Aarch64 => 2,
    });
    let vehicle = vehicle.map_or(0, |vehicle| match vehicle {
        Vehicle::Pair => 1,
        Vehicle::Exec => 2,
    });
    MAGIC | vehicle << 8 | isa
}
