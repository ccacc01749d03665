//! Lowering to the uniform conventions, one file a construct, in the order in which they run.

pub mod aggregates;
pub mod allocas;
pub mod labels;
pub mod registers;
pub mod returns;
pub mod signatures;
pub mod tls;
pub mod vectors;
pub mod wide;
