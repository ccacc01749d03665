//! The two-image linker and the file formats shared by all of Twin.
pub mod fat;
