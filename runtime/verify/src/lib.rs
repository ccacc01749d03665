//! Proves, from the finished executable alone, that a twin binary is uniform.
pub mod insn;
pub mod isa;
pub mod side;
