//! The Twin compiler: from LLVM bitcode to fat objects with one layout for both ISAs (DESIGN.md).

pub mod align;
pub mod calls;
pub mod canonical;
pub mod codegen;
pub mod convention;
pub mod driver;
pub mod error;
pub mod frame_pointer;
pub mod ir;
pub mod isa;
pub mod loops;
pub mod lower;
pub mod lto;
pub mod pipeline;
pub mod polls;
pub mod processor;
pub mod record;
pub mod slots;
pub mod times;
